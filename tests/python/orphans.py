"""Runs on processes whose main process is killed: their workers must end with it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from processes import descendants, is_alive
from resuming import digests

from evensky import match_files
from evensky.matching.joint.config import MatchAllConfig

POOLS = ("processes", "spawn", "forkserver", "fork")
"""Executors: that of the command line, and pools of the user's with each way to start a process."""

# A script of a user's with a pool of his own.
SCRIPT = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
import evensky
from evensky.matching.joint.config import MatchAllConfig

if __name__ == "__main__":
    start, out, *files = sys.argv[1:]
    config = MatchAllConfig()
    config.bin_size = 16
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(start)) as pool:
        evensky.match_files(files, out, config=config, executor=pool, report=False)
"""


def command(pool: str, files: Sequence[Path], out: Path) -> list[str]:
    """Return the command of a run with an executor."""
    if pool != "processes":
        return [sys.executable, "-c", SCRIPT, pool, str(out), *map(str, files)]
    options = ["-o", str(out), "--executor", pool, "-j", "2", "-q", "--no-report", "-c", "bin_size=16"]
    return [sys.executable, "-m", "evensky", "match", *map(str, files), *options]


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Return time and size of all files in a folder."""
    return {path.name: ((found := path.stat()).st_mtime_ns, found.st_size) for path in folder.glob("*")}


class Trial:
    """A run whose main process was killed.

    Attributes
    ----------
    workers : int
        Number of processes that it had.
    seconds : float
        Time until all of them had ended.
    written : int
        Number of outputs when the main process ended.
    changed : bool
        Whether anything was written to the folder after its workers had 0.1 s to end.
    """

    def __init__(
        self, pool: str, files: Sequence[Path], out: Path, *, delay: float | None = None, outputs: int = 0
    ) -> None:
        """Kill the main process after a time, or as soon as there are a number of outputs."""
        process = subprocess.Popen(command(pool, files, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + (90 if delay is None else delay)
        while process.poll() is None and time.monotonic() < deadline:
            if delay is None and len(list(out.glob("*_matched.fits"))) >= outputs:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGSTOP)  # so that it starts no other process while they are listed
        started = descendants(process.pid)
        process.kill()
        process.wait()
        begun = time.monotonic()
        self.workers = len(started)
        self.written = len(list(out.glob("*_matched.fits")))
        time.sleep(0.1)
        before = state_of(out)
        while any(map(is_alive, started)) and time.monotonic() < begun + 10:
            time.sleep(0.01)
        self.seconds = time.monotonic() - begun
        time.sleep(0.1)
        self.changed = state_of(out) != before


def resume(files: Sequence[Path], out: Path) -> dict[str, str]:
    """Resume a run in this process; return the digests of its outputs."""
    config = MatchAllConfig()
    config.bin_size = 16
    match_files(files, out, config=config, resume=True, report=False)
    return digests(out)
