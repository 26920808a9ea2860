"""Scripts as users of the original write them, run unmodified with the stand-ins of `evensky.shim`.

Those in ``tests/scripts/tract`` are written for the task that matches the visits of a tract.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from forks import run_in_forks

SCRIPTS = Path(__file__).parents[1] / "scripts"
PATHS = [path.relative_to(SCRIPTS).as_posix() for path in sorted(SCRIPTS.rglob("*.py"))]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Run all scripts; return the code and the output of each."""
    found = {}
    for generation in ("exposures", "tract"):
        first = f"import evensky.shim; evensky.shim.install({generation!r}); import evensky.tasks"
        programs = {
            path: f"import runpy; runpy.run_path({str(SCRIPTS / path)!r}, run_name='__main__')"
            for path in PATHS
            if path.startswith("tract/") == (generation == "tract")
        }
        found |= run_in_forks(first, programs, tmp_path_factory.mktemp(generation))
    return found


@pytest.mark.parametrize("path", PATHS)
def test_script(path: str, ended: dict[str, tuple[int, str]]) -> None:
    code, said = ended[path]
    assert code == 0, said


def test_scripts_import_nothing_of_evensky() -> None:
    texts = {path.name: path.read_text() for path in SCRIPTS.rglob("*.py")}
    assert texts
    assert [name for name, text in texts.items() if "evensky" in text or "import lsst" not in text] == []
