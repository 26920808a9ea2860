"""Scripts as users of the original write them, run unmodified with the stand-ins of `evensky.shim`.

Those in ``tests/scripts/tract`` are written for the task that matches the visits of a tract.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
PATHS = [path.relative_to(SCRIPTS).as_posix() for path in sorted(SCRIPTS.rglob("*.py"))]
# Each script is run by a fork of one process, in which nothing but the imports has happened.
PROGRAM = """
import json, os, runpy, sys, traceback
import evensky.shim
evensky.shim.install(sys.argv[1])
import evensky.tasks
ended = {}
for name, path in json.loads(sys.argv[2]).items():
    folder = os.path.join(os.getcwd(), name.replace("/", "_"))
    os.mkdir(folder)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir(folder)
            said = os.open(f"{folder}.txt", os.O_CREAT | os.O_WRONLY)
            os.dup2(said, 1)
            os.dup2(said, 2)
            sys.argv = [path]
            runpy.run_path(path, run_name="__main__")
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    ended[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), f"{folder}.txt"
print(json.dumps(ended))
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Run all scripts; return the code and the output of each."""
    found = {}
    for generation in ("exposures", "tract"):
        folder = tmp_path_factory.mktemp(generation)
        paths = {path: str(SCRIPTS / path) for path in PATHS if path.startswith("tract/") == (generation == "tract")}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, generation, json.dumps(paths)],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        for path, (code, said) in json.loads(done.stdout).items():
            found[path] = code, Path(said).read_text()
    return found


@pytest.mark.parametrize("path", PATHS)
def test_script(path: str, ended: dict[str, tuple[int, str]]) -> None:
    code, said = ended[path]
    assert code == 0, said


def test_scripts_import_nothing_of_evensky() -> None:
    texts = {path.name: path.read_text() for path in SCRIPTS.rglob("*.py")}
    assert texts
    assert [name for name, text in texts.items() if "evensky" in text or "import lsst" not in text] == []
