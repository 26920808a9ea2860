"""A job that kills its worker, in a module that other processes can import."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path


def fragile(number: int, folder: Path, deadly: frozenset[int], once: frozenset[int]) -> int:
    """Kill the process, always or the first time."""
    mark = folder / f"{number}"
    first = not mark.exists()
    mark.touch()
    if number in deadly or (number in once and first):
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def is_imported(module: str) -> bool:
    """Return whether this process has imported a module."""
    return module in sys.modules


def process_of(seconds: float) -> int:
    """Take some time; return the process that did so."""
    time.sleep(seconds)
    return os.getpid()
