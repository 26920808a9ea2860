"""Scripts as users of the original write them, run unmodified with the stand-ins of `evensky.shim`.

Those in ``tests/scripts/tract`` are written for the task that matches the visits of a tract.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
PROGRAM = """
import runpy, sys
import evensky.shim
evensky.shim.install(sys.argv[2])
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.mark.parametrize("path", [path.relative_to(SCRIPTS).as_posix() for path in sorted(SCRIPTS.rglob("*.py"))])
def test_script(path: str, tmp_path: Path) -> None:
    generation = "tract" if path.startswith("tract/") else "exposures"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(SCRIPTS / path), generation],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_scripts_import_nothing_of_evensky() -> None:
    texts = {path.name: path.read_text() for path in SCRIPTS.rglob("*.py")}
    assert texts
    assert [name for name, text in texts.items() if "evensky" in text or "import lsst" not in text] == []
