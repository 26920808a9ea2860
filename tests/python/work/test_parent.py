"""Processes that end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import assert_ends

from evensky.work import parent

# Starts a child that computes, and prints its identifier.
SCRIPT = """
import multiprocessing, sys
from evensky.work.parent import end_with_parent

def compute(start, busy):
    end_with_parent(at_once=busy)
    print(multiprocessing.current_process().pid, flush=True)
    if busy:
        import ctypes
        ctypes.PyDLL(None).sleep(30)  # without a chance for other threads
    while True:
        pass

if __name__ == "__main__":
    start, busy = sys.argv[1], sys.argv[2] == "busy"
    child = multiprocessing.get_context(start).Process(target=compute, args=(start, busy))
    child.start()
    child.join()
"""


@pytest.mark.parametrize("start", ["spawn", "fork", "forkserver"])
@pytest.mark.parametrize("busy", ["busy", "idle"])
def test_a_child_ends_when_its_parent_is_killed(start: str, busy: str, tmp_path: Path) -> None:
    if busy == "busy" and (start == "forkserver" or sys.platform != "linux"):
        pytest.skip("the system watches the process that started it, on Linux")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), start, busy], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    time.sleep(0.1)
    os.kill(child, 0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert_ends(child)


def test_a_main_process_and_a_child_of_another_are_left_alone() -> None:
    before = threading.active_count()
    parent.end_with_parent()
    assert multiprocessing.parent_process() is None
    assert threading.active_count() == before
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_watches_none_but_its_parent)
    child.start()
    child.join()
    assert child.exitcode == 0


def _watches_none_but_its_parent() -> None:
    before = threading.active_count()
    parent.end_with_parent(1)
    parent.end_with_parent(os.getpid())
    assert threading.active_count() == before
    parent.end_with_parent(os.getppid())
    parent.end_with_parent(os.getppid())
    assert threading.active_count() == before + 1
