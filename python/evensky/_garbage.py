"""Garbage collection of the command ``evensky``, whose modules stay to its end; other processes are left alone."""

from __future__ import annotations

__all__ = ["begin_collection"]

import gc
import sys

from ._command import is_command

# The collector would look at the objects of all modules again and again while these are imported.
_postponed = is_command("".join(sys.argv[:1]), sys.orig_argv)
if _postponed:
    gc.disable()


def begin_collection() -> None:
    """Collect garbage from now on, without a look at what there is now; it was postponed if this is the command."""
    global _postponed
    if _postponed:
        _postponed = False
        gc.freeze()
        gc.enable()
