"""Imports: what each part of the package loads, and which files import which."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evensky

ROOT = Path(__file__).parents[2]
PACKAGE = Path(evensky.__file__).parent
HEAVY = (
    "astropy",
    "click",
    "dacite",
    "dask",
    "jinja2",
    "lsst",
    "matplotlib",
    "mpi4py",
    "numpy",
    "photutils",
    "rich",
    "scipy",
    "tqdm",
    "yaml",
)
# Packages that are imported inside functions, where they are needed: they are slow to import, or optional.
LATE = {
    "asdf",
    "astropy",
    "dask",
    "jinja2",
    "lsst",
    "markupsafe",
    "matplotlib",
    "mpi4py",
    "photutils",
    "psutil",
    "rich",
    "scipy",
    "threadpoolctl",
    "tomllib",
    "tqdm",
    "yaml",
}


def loaded(code: str) -> list[str]:
    """Return the heavy packages that a program imports."""
    program = f"import sys\n{code}\nprint()\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import evensky", []),
        ("import evensky.errors, evensky._text", []),
        ("import evensky.image, evensky.math", ["numpy"]),
        ("import evensky.io", ["numpy"]),
        ("import evensky.draw.figures, evensky.draw.run_figures", ["numpy"]),
        ("import evensky.tasks", ["lsst", "numpy", "yaml"]),
        ("import evensky; evensky.clipped_stats, evensky.image_statistics, evensky.estimate_background", ["numpy"]),
        ("from evensky.draw.progress import progress_bar\nwith progress_bar(None): pass", []),  # without a terminal
        ("import evensky.cli", ["click"]),
        ("from evensky.cli import main; main(['--help'], standalone_mode=False)", ["click"]),
    ],
)
def test_imports_are_light(code: str, heavy: list[str]) -> None:
    assert loaded(code) == heavy


def test_statistics_of_a_plain_file_need_no_heavy_package(tmp_path: Path) -> None:
    """astropy alone takes as long to import as all else; the chain of `runs` was imported for a line of text."""
    from astropy.io import fits

    header = fits.Header([("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("MP_BAD", 0), ("BUNIT", "adu")])
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((9, 9), np.float32), header, name="IMAGE")]
    hdus += [fits.ImageHDU(np.zeros((9, 9), np.int32), header, name="MASK")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    code = f"from evensky.cli import main; main(['stats', {str(tmp_path / 'a.fits')!r}], standalone_mode=False)"
    assert loaded(code) == ["click", "numpy", "rich"]
    program = f"import sys\n{code}\nprint(*(name for name in sys.modules if name.startswith('evensky.')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = done.stdout.splitlines()[-1].split()
    assert not [name for name in modules if name.startswith(("evensky.calls", "evensky.matching", "evensky.report"))]
    assert [name for name in modules if name.startswith("evensky.runs.")] == ["evensky.runs.memory_plan"]


def test_calls_are_listed_before_they_are_imported() -> None:
    assert {"clipped_stats", "estimate_background", "image_statistics", "match", "match_all", "match_files"} <= set(
        dir(evensky)
    )
    with pytest.raises(AttributeError, match="No evensky attribute clipped_stat"):
        _ = evensky.clipped_stat


def module_names() -> list[str]:
    names = [module.name for module in pkgutil.walk_packages([str(PACKAGE)], "evensky.")]
    return [name for name in names if not name.startswith("evensky.interop.") and not name.endswith("__main__")]


@pytest.mark.parametrize("name", module_names())
def test_public_names_exist(name: str) -> None:
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", []):
        assert hasattr(module, public), public


def late_imports(path: Path) -> set[str]:
    """Return the packages that functions of a file import; "." stands for evensky itself."""
    found: set[str] = set()
    text = path.read_text(encoding="utf-8")
    # Most files have no import that is indented or stands behind a colon or semicolon.
    if not re.search(r"(^[ \t]+|[:;][ \t]*)(import|from)\b", text, re.MULTILINE):
        return found
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.ImportFrom):
                found.add("." if node.level else str(node.module).split(".")[0])
            elif isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
    return found


def test_functions_import_nothing_of_the_package() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        # The program that decodes is told where packages are, and imports them then.
        program = {"numpy"} if path == PACKAGE / "fits" / "decoder.py" else set()
        assert late_imports(path) <= LATE | program, path


def test_files_import_from_lower_floors_only() -> None:
    """The contracts of import-linter in pyproject.toml: floors, and no circles."""
    pytest.importorskip("importlinter")
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "python"), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kept, 0 broken" in done.stdout
