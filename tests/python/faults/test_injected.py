"""System calls that fail: the harness of tests/faults with a sample of its points, and what it has found."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from disturbed_runs import VICTIM, assert_ended, match, when_looking_at

from evensky.errors import FitsError
from evensky.io.folder_lock import FolderLock

# Warnings of astropy are not errors, as they are not for users.
pytestmark = pytest.mark.filterwarnings("ignore")

HARNESS = Path(__file__).parents[2] / "faults" / "inject.py"


@pytest.fixture(autouse=True)
def _nothing_hangs() -> None:
    """Replace the alarm of the other tests, as the harness takes longer and has a limit of its own."""


@pytest.mark.parametrize("label", ["demo_02", VICTIM])
def test_a_reference_that_is_chosen_without_all_exposures_is_told(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    # The run succeeds, perhaps with another reference than an undisturbed one, also when it is resumed.
    def fail() -> None:
        raise FitsError(f"{label}.fits: cannot be read: Input/output error")

    with monkeypatch.context() as patch:
        when_looking_at(patch, label, fail)
        first = match(files, tmp_path)
    for result in (first, match(files, tmp_path, "--resume")):
        assert_ended(result, 0)
        note = f"were matched later: {label} ({label}.fits: cannot be read: Input/output error)."
        assert note in " ".join(result.output.split())
    assert "chosen without" not in match(files, tmp_path, "--overwrite").output


def test_a_sample_of_faults_loses_nothing() -> None:
    ended = subprocess.run([sys.executable, HARNESS, "--quick"], capture_output=True, text=True, timeout=900)
    if ended.stdout.startswith("skipped"):
        pytest.skip(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_lock_whose_file_cannot_be_closed_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The thread that touches the lock closes its file; file systems of a network may answer with an error.
    close, failures, closed = os.close, [], []

    def fail(file: int) -> None:
        close(file)
        if threading.current_thread() is not threading.main_thread():
            closed.append(file)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(threading, "excepthook", failures.append)
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", fail)
        with FolderLock(tmp_path):
            threads = [thread for thread in threading.enumerate() if thread.name == "evensky-lock"]
        for thread in threads:
            thread.join(5)
    assert closed
    assert not failures
    assert list(tmp_path.iterdir()) == []
