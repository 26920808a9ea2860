"""Workers that end with the process that started them, however it ends."""

from __future__ import annotations

__all__ = ["end_with_parent"]

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import wait

# Time in seconds after which a parent that has ended is noticed at the latest.
_LOOK = 0.25

_watched: set[int] = set()
_lock = threading.Lock()


def end_with_parent(parent: int | None = None, *, at_once: bool = False) -> None:
    """Make this process end, without finishing what it does, when the process that started it ends.

    Workers of `multiprocessing` outlive a process that is killed, and go on with the jobs that wait for them. This does
    nothing in a process that `multiprocessing` has not started, such as the main process or one of MPI's.

    Parameters
    ----------
    parent : int, optional
        Identifier of the process to watch; nothing is done if it is not the one that started this process. By default,
        whichever did.
    at_once : bool, optional
        Let the system kill this process where it can (Linux), even while it computes without a chance for other
        threads. The system then watches the thread that started this process, which must live as long as this process
        is needed.

    Examples
    --------
    >>> from evensky.work.parent import end_with_parent
    >>> end_with_parent()  # this is not a worker
    """
    started_by = multiprocessing.parent_process()
    if started_by is None or started_by.pid is None or parent not in (None, started_by.pid):
        return
    pid, me = started_by.pid, os.getpid()
    with _lock:
        begun = me in _watched
        _watched.add(me)
    if at_once and sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
    if not begun:
        # The sentinel becomes ready when all copies of the other end of a pipe are closed; a process that the parent
        # has forked may have one.
        handles = [started_by.sentinel, *_handle_of(pid)]
        threading.Thread(target=_watch, args=(handles, pid, os.getppid()), daemon=True, name="parent watch").start()


def _handle_of(pid: int) -> list[int]:
    """Return a handle that becomes ready when a process ends, where the system has such handles."""
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        with suppress(OSError):  # an old kernel; or the process has ended, which the sentinel says, too
            return [os.pidfd_open(pid)]
    return []


def _watch(handles: list[int], pid: int, parent: int) -> None:
    # The process is adopted by another one when its parent ends. With a fork server, its parent is that server.
    while not wait(handles, _LOOK) and os.getppid() == parent:
        pass
    os._exit(1)  # not an exception: other threads would finish what they do, and write it


def _forget() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
