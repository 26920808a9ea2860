"""Jobs that kill their worker, in a module that other processes can import, as they cannot import tests."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def fragile(number: int, folder: Path, deadly: frozenset[int], once: frozenset[int]) -> int:
    """Kill this process, always or only the first time."""
    mark = folder / f"{number}"
    first = not mark.exists()
    mark.touch()
    if number in deadly or (number in once and first):
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number
