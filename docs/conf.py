"""The documentation: ``sphinx-build -W docs build/docs``. Doxygen must be installed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

here = Path(__file__).parent
version_line = re.search(r"project\(evensky VERSION ([0-9.]+)", (here.parent / "CMakeLists.txt").read_text())
assert version_line is not None

project = "evensky"
author = "The evensky developers"
release = version = version_line[1]

extensions = [
    "breathe",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery"]
# Docstrings are numpydoc; text in single backticks is code.
napoleon_google_docstring = False
napoleon_use_rtype = False
default_role = "code"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": "plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "show_memory": False,
    "download_all_examples": False,
    "show_signature": False,
    "copyfile_regex": "",
    "min_reported_time": 1e9,
    "write_computation_times": False,
}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_title = f"evensky {release}"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,  # all sections, in one line
    "secondary_sidebar_items": ["page-toc"],
}
html_show_copyright = False
html_sidebars = {"index": [], "tutorial": []}
highlight_language = "none"

doxygen_xml = here.parent / "build" / "doxygen"
breathe_projects = {"evensky": str(doxygen_xml / "xml")}
breathe_default_project = "evensky"
breathe_default_members = ("members",)
breathe_show_include = False
# Every header declares the namespace again. Words in the types of docstrings, such as "number", are names of several
# attributes.
suppress_warnings = ["duplicate_declaration.cpp", "config.cache", "ref.python"]
breathe_domain_by_extension = {"hpp": "cpp"}


def _run_doxygen() -> None:
    doxygen_xml.mkdir(parents=True, exist_ok=True)
    # CMake makes this header from a template; its documentation is the same for any version.
    template = (here.parent / "cpp" / "cmake" / "version.hpp.in").read_text()
    numbers = dict(zip(("MAJOR", "MINOR", "PATCH"), release.split("."), strict=True))
    made = template.replace("@PROJECT_VERSION@", release)
    for part, number in numbers.items():
        made = made.replace(f"@PROJECT_VERSION_{part}@", number)
    (doxygen_xml / "evensky").mkdir(exist_ok=True)
    (doxygen_xml / "evensky" / "version.hpp").write_text(made)
    command = ["doxygen", str(here / "Doxyfile")]
    done = subprocess.run(command, text=True, cwd=here.parent, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"Doxygen reports problems in the headers:\n{done.stderr}")


_run_doxygen()
