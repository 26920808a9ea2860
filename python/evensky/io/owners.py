"""Owners of locks: who a process is on all hosts, and whether it is alive."""

from __future__ import annotations

__all__ = ["Owner", "held", "is_alive", "myself"]

import os
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from .._processes import start_of, system_of
from .._text import printable

held: set[str] = set()
"""Tokens of the locks that this process holds, so that one that could not be removed is not taken for a live one."""


@dataclass(frozen=True)
class Owner:
    """The process that holds a lock.

    Parameters
    ----------
    host : str
        Name of the machine, for users.
    system : str or None
        Boot of the machine and namespaces of the process; see `evensky._processes.system_of`.
    pid : int
    start : str or None
        When it began; see `evensky._processes.start_of`.
    since : str
        When it took the lock, for users.
    token : str
        Text that no other lock has.

    Notes
    -----
    The system is the boot of a machine and its namespaces of processes, within which a number stands for one process at
    a time. The start of the process tells it from a later one of the same number.
    """

    host: str
    system: str | None
    pid: int
    start: str | None
    since: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {printable(self.host)}, since {printable(self.since)}"


def myself(token: str) -> Owner:
    """Return this process as the owner of a lock."""
    pid = os.getpid()
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Owner(socket.gethostname(), system_of(pid), pid, start_of(pid), since, token)


def is_alive(owner: Owner) -> bool | None:
    """Return whether the owner of a lock is alive; None if only its touches can tell."""
    pid = os.getpid()
    if owner.system is None or owner.system != system_of(pid):
        return None
    if owner.pid == pid and owner.start == start_of(pid):
        return owner.token in held
    now = start_of(owner.pid)
    if now == "":
        return False
    if now is None or owner.start is None:
        return None
    if now == owner.start:
        return True
    # Seconds are rounded, and the clock may have been set; ticks are exact.
    return False if sys.platform == "linux" else None
