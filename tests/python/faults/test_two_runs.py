"""Two runs in one folder: one works there, and the other is told so; none replaces what the other has written."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from disturbed_runs import (
    NUMBER,
    VICTIM,
    assert_ended,
    assert_finishes,
    assert_one_line,
    assert_tidy,
    match,
    when_matching,
)
from resuming import digests

import evensky.calls.match
import evensky.cli.demo
import evensky.runs.files
from evensky import match_files
from evensky.cli import main
from evensky.errors import FitsError
from evensky.fits.atomic import Permit, atomic_path
from evensky.io.folder_lock import LOCK
from evensky.tasks import MatchBackgroundsConfig

# Warnings of astropy are not errors, as they are not for users.
pytestmark = pytest.mark.filterwarnings("ignore")

TRIAL = Path(__file__).parents[2] / "faults" / "two_runs.py"


def before(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, act: Callable[[], object]) -> None:
    """Do something once, just before a function is called."""
    function, done = getattr(module, name), False

    def disturbed(*args: Any, **kwargs: Any) -> Any:
        nonlocal done
        if not done:
            done = True
            act()
        return function(*args, **kwargs)

    monkeypatch.setattr(module, name, disturbed)


def is_told(message: str, out: Path) -> bool:
    host = os.uname().nodename
    found = (
        rf"{out}: another run is at work in it: process {os.getpid()} on {host}, since .* UTC; wait until it ends, .*"
    )
    return bool(re.fullmatch(found, message))


@pytest.mark.parametrize("option", [(), ("--overwrite",), ("--resume",)])
def test_a_run_begins_while_another_looks_at_its_exposures(
    files: list[Path],
    whole: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: tuple[str, ...],
) -> None:
    messages = []
    before(
        monkeypatch,
        evensky.runs.files,
        "survey_files",
        lambda: messages.append(assert_one_line(match(files, tmp_path, *option), 2)),
    )
    assert_ended(match(files, tmp_path), 0)
    assert len(messages) == 1
    assert is_told(messages[0], tmp_path)
    assert digests(tmp_path) == whole
    assert_tidy(tmp_path, whole)


def test_a_run_begins_while_another_writes_its_report(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = []

    def write(run: Any, page: Path, permit: Permit) -> None:
        messages.append(assert_one_line(match(files, tmp_path, "--overwrite"), 2))
        with atomic_path(page, overwrite=True, permit=permit) as temporary:
            temporary.write_text("a page")

    monkeypatch.setattr(evensky.calls.match, "write_report", write)
    assert_ended(match(files, tmp_path, "--report"), 0)
    assert len(messages) == 1
    assert is_told(messages[0], tmp_path)
    assert (tmp_path / "report.html").read_text() == "a page"
    assert_tidy(tmp_path, whole)


def test_threads_of_one_process_match_in_one_folder(files: list[Path], whole: dict[str, str], tmp_path: Path) -> None:
    start, ended = threading.Barrier(4), []

    def run() -> None:
        start.wait()
        try:
            match_files(files, tmp_path, config=MatchBackgroundsConfig(binSize=32), report=False)
        except FitsError as error:
            ended.append(str(error))
        else:
            ended.append("done")

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended.remove("done")
    # One that begins late may find the results.
    assert len(ended) == 3
    assert all(is_told(message, tmp_path) or "holds earlier results" in message for message in ended)
    assert digests(tmp_path) == whole
    assert_tidy(tmp_path, whole)


def test_a_demo_begins_while_another_simulates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def demo(*more: str) -> Any:
        return CliRunner().invoke(main, ["demo", str(tmp_path / "demo"), "--number", "2", "--size", "256", *more])

    messages = []

    def simulate(*args: Any) -> list[Any]:
        messages.append(assert_one_line(demo("--overwrite"), 2))
        return []

    monkeypatch.setattr(evensky.cli.demo, "make_exposures", simulate)
    for folder in ("exposures", "exposures/truth"):  # of a demo that was killed
        (tmp_path / "demo" / folder).mkdir(parents=True)
        (tmp_path / "demo" / folder / ".demo_01.fits.evensky-x.tmp").touch()
    assert "There are 0 files" in demo("--overwrite").output  # as nothing was simulated
    assert len(messages) == 1
    assert is_told(messages[0], tmp_path / "demo")
    assert not list((tmp_path / "demo").rglob("*.tmp"))
    assert not list((tmp_path / "demo").rglob(LOCK))


def test_a_run_that_has_lost_its_lock_writes_nothing_more(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the run was stopped on another host, and another run has taken it for dead."""
    lock = tmp_path / LOCK
    other = {"host": "far", "system": "other", "pid": 7, "start": "1", "since": "2000-01-01", "token": "0" * 32}
    found: dict[str, str] = {}

    def take(path: Path) -> None:
        lock.unlink()
        lock.write_text(json.dumps(other) + "\n")
        found.update({path.name: path.read_bytes().hex() for path in tmp_path.iterdir()})

    with monkeypatch.context() as patch:
        when_matching(patch, VICTIM, take)
        message = assert_one_line(match(files, tmp_path, "--report"), 1, 2)
    assert message == (
        f"{tmp_path}: this run has lost its lock {LOCK}: it is that of process 7 on far, since 2000-01-01 now; it "
        "writes nothing more. See that one run at a time is at work in the folder, and go on with resume=True "
        "(--resume)"
    )
    assert {path.name: path.read_bytes().hex() for path in tmp_path.iterdir()} == found
    assert 0 < len(digests(tmp_path)) < NUMBER
    lock.unlink()
    assert_finishes(files, tmp_path, whole)


@pytest.mark.parametrize("option", [(), ("--overwrite",), ("--resume",)])
def test_temporary_files_of_a_killed_run_go(
    files: list[Path], whole: dict[str, str], tmp_path: Path, option: tuple[str, ...]
) -> None:
    """Also those of a run with other exposures."""
    if option:
        match(files, tmp_path)
    for name in (f".{VICTIM}_matched.fits.evensky-run-a1.tmp", ".other_matched.fits.evensky-run-a2.tmp"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".report.html.x.tmp").touch()  # of version 0.1
    assert_ended(match(files, tmp_path, *option), 0)
    assert digests(tmp_path) == whole
    assert_tidy(tmp_path, whole)


def test_temporary_files_of_workers_that_die_in_the_run_go(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn = tmp_path / f".{VICTIM}_matched.fits.evensky-run-a1.tmp"
    when_matching(monkeypatch, VICTIM, lambda path: torn.write_bytes(b"half"))
    assert_ended(match(files, tmp_path), 0)
    assert_tidy(tmp_path, whole)


def test_an_exposure_of_the_name_of_the_lock(files: list[Path], tmp_path: Path) -> None:
    mine = tmp_path / LOCK
    shutil.copy(files[0], mine)
    content = mine.read_bytes()
    for option in ((), ("--overwrite",)):
        message = assert_one_line(match([mine, *files], tmp_path, *option), 2)
        assert message.startswith(f"{mine}: is not a lock of a run (")
        assert message.endswith("; remove it, or choose another folder")
    assert mine.read_bytes() == content
    assert_ended(match([mine, *files[1:]], tmp_path / "out", "-q"), 0)
    assert len(digests(tmp_path / "out")) == NUMBER
    assert mine.read_bytes() == content


def test_a_run_that_is_refused_leaves_no_folder(files: list[Path], tmp_path: Path) -> None:
    mixed = tmp_path / "a_matched.fits"
    shutil.copy(files[0], mixed)
    result = match([*files, mixed], tmp_path / "new" / "out", "--mask", "no_such_file.fits", "--strict")
    assert result.exit_code != 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [mixed.name]


@pytest.mark.skipif(sys.platform == "darwin", reason="forks cannot use the numerical libraries of macOS")
def test_pairs_of_runs_that_begin_at_random_distances() -> None:
    signal.alarm(600)  # the limit of 30 s is for one run
    ended = subprocess.run([sys.executable, TRIAL, "--quick"], capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "12 pairs" in ended.stdout
