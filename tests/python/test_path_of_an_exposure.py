"""The path of an exposure through a run: the files that it enters, by a call trace, as in docs/architecture.md."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from click.testing import CliRunner

import evensky
from evensky.cli import main
from evensky.io import write_exposure
from evensky.simulate import make_exposures

PACKAGE = Path(evensky.__file__).parent
ABOVE_SCIENCE = ("calls", "runs", "work", "tasks", "report")


class Trace:
    """Files of the package that calls enter, in the order of their first call.

    Attributes
    ----------
    entered, in_jobs : dict of str to None
        Files that the main thread, and that the jobs, have entered.
    returns : set of (str, str)
        Calls into a file that called another one before it returned: from, to.
    """

    def __init__(self) -> None:
        self.entered: dict[str, None] = {}
        self.in_jobs: dict[str, None] = {}
        self.returns: set[tuple[str, str]] = set()
        self._stacks: dict[int, list[str]] = {}

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        name = frame.f_code.co_filename
        # Code that defines a class or a module, and expressions inside functions, are not calls.
        if event not in ("call", "return") or not name.startswith(str(PACKAGE)) or frame.f_code.co_name[0] == "<":
            return
        file = str(Path(name).relative_to(PACKAGE))
        stack = self._stacks.setdefault(threading.get_ident(), [])
        if event == "return":
            if stack:
                stack.pop()
            return
        if file.startswith(ABOVE_SCIENCE):
            (self.entered if threading.current_thread() is threading.main_thread() else self.in_jobs).setdefault(file)
            if stack and stack[-1] != file and file in stack:
                self.returns.add((stack[-1], file))
        stack.append(file)


def trace(arguments: list[str]) -> Trace:
    main.main([*arguments, "--help"], standalone_mode=False)  # imports the modules
    found = Trace()
    threading.setprofile(found)
    sys.setprofile(found)
    try:
        result = CliRunner().invoke(main, arguments)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert result.exit_code == 0, result.output
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("exposures")
    for one in make_exposures(3, (128, 128), seed=5):
        write_exposure(one.exposure, folder / f"{one.name}.fits")
    return sorted(str(path) for path in folder.glob("*.fits"))


# First the files that read, measure and change an exposure, then those that write its record.
JOINT = ["runs/method.py", "runs/store.py", "runs/joint.py", "work/held.py", "runs/source.py"]
REFERENCE = [
    "runs/method.py",
    "runs/store.py",
    "work/held.py",
    "runs/reference.py",
    "runs/source.py",
    "tasks/match_backgrounds.py",
]
NOTED = ["work/jobs.py", "runs/run.py", "runs/results.py", "runs/journal.py"]


@pytest.mark.parametrize(("method", "path"), [("all", JOINT), ("reference", REFERENCE)])
def test_few_files_and_no_way_back(files: list[str], tmp_path: Path, method: str, path: list[str]) -> None:
    arguments = ["match", *files, "--out", str(tmp_path / "out"), "--method", method, "--no-report", "--quiet"]
    found = trace(arguments)
    assert found.returns == set()
    assert [file for file in found.in_jobs if file not in NOTED] == path
    assert set(found.in_jobs) == {*path, *NOTED}
