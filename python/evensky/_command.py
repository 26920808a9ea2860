"""Signals that arrive while the command ``evensky`` starts or ends; whoever only imports the package is left alone.

This module is the first that the package imports. It imports none that the interpreter has not loaded itself: as long
as it does, Ctrl-C would print a traceback.
"""

from __future__ import annotations

__all__ = ["is_command", "stop_silently"]

import _signal  # type: ignore[import-not-found]  # `signal` would import several modules
import os
import sys

TYPE_CHECKING = False  # that of `typing` would import several modules, too
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_SIGINT, _SIGTERM = 2, 15


def is_command(program: str, typed: Sequence[str]) -> bool:
    """Return whether a process is the command ``evensky``, not a script or a worker that imports the package.

    Parameters
    ----------
    program : str
        ``sys.argv[0]``; "-m" while the package is imported for ``python -m evensky``.
    typed : sequence of str
        ``sys.orig_argv``; workers have the program of the process that started them, but not its command.
    """
    if program not in typed:
        return False
    if program == "-m":
        return typed[typed.index("-m") + 1 :][:1] == ["evensky"]
    return os.path.basename(program) == "evensky"


def stop_silently(number: int, frame: Any) -> None:
    """End the process with the exit code that shells expect; nothing is to be cleaned up yet, or any more."""
    os._exit(128 + number)


if is_command("".join(sys.argv[:1]), sys.orig_argv):
    for _number in (_SIGINT, _SIGTERM):
        _signal.signal(_number, stop_silently)
