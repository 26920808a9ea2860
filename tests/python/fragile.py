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


class Heavy:
    """A function that counts how often it is pickled, and unpickled by this process."""

    unpickled = 0

    def __init__(self) -> None:
        self.pickled = 0

    def __getstate__(self) -> dict[str, int]:
        self.pickled += 1
        return {"pickled": self.pickled}

    def __setstate__(self, state: dict[str, int]) -> None:
        Heavy.unpickled += 1
        self.__dict__.update(state)

    def __call__(self, number: int) -> tuple[int, int]:
        """Return the square of a number, and how often the process has unpickled such functions."""
        return number * number, Heavy.unpickled


def square(number: int) -> int:
    """Return the square of a number."""
    return number * number


def is_imported(module: str) -> bool:
    """Return whether this process has imported a module."""
    return module in sys.modules


def process_of(seconds: float) -> int:
    """Take some time; return the process that did so."""
    time.sleep(seconds)
    return os.getpid()
