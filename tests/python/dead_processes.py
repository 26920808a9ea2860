"""Processes that have ended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest


def zombie_process() -> Iterator[int]:
    """Provide a process that has ended, but whose parent does not yet know; body of a fixture."""
    if not hasattr(os, "waitid"):
        pytest.skip("this Python cannot leave a process that has ended unread (macOS, before 3.13)")
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    yield pid
    with suppress(ChildProcessError):  # the test has waited for it
        os.waitpid(pid, 0)
