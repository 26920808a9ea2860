"""Processes: which one this is among those of all hosts, and whether another one is alive."""

from __future__ import annotations

__all__ = ["is_mark_of_dead", "mark", "start_of", "system_of"]

import hashlib
import logging
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

log = logging.getLogger("evensky")


@cache
def system_of(pid: int) -> str | None:
    """Identify the boot of this machine and the namespaces of this process; None if that is unknown.

    The number of the process is asked for, as a fork may have other namespaces than its parent.
    """
    try:
        if sys.platform == "linux":
            boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
            spaces = [os.stat(f"/proc/self/ns/{kind}").st_ino for kind in ("pid", "time") if _has_space(kind)]
            return ":".join([boot, *map(str, spaces)])
        if sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
            return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None
    except (OSError, ValueError) as error:
        log.debug("This machine cannot be identified: %s", error)
    return None


def _has_space(kind: str) -> bool:
    # Kernels before 5.6 have no namespaces of times.
    return os.path.lexists(f"/proc/self/ns/{kind}")


def start_of(pid: int) -> str | None:
    """Return when a process began, in the measure of the system; "" if there is no such process, None if unknown."""
    if not _exists(pid):
        return ""
    return _start_on_linux(pid) if sys.platform == "linux" else _start_elsewhere(pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process of another user
        return True
    return True


def _start_on_linux(pid: int) -> str | None:
    # In ticks since the boot; times in seconds move with the clock.
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        # It has ended just now, or the processes of other users are hidden.
        return None if _exists(pid) else ""
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")


def _start_elsewhere(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.0f}"
    except psutil.NoSuchProcess:
        return ""
    except psutil.Error:
        return None


def mark() -> str:
    """Return a short text that tells this process from others, for names of files."""
    pid = os.getpid()
    return f"{_short(system_of(pid))}-{pid}"


def is_mark_of_dead(text: str) -> bool | None:
    """Return whether the process with this mark is dead; None if it is, or may be, on another host."""
    found = re.fullmatch(r"([0-9a-f]{8})-(\d{1,9})", text)
    system = system_of(os.getpid())
    if not found or system is None or found[1] != _short(system):
        return None
    return start_of(int(found[2])) == ""


def _short(system: str | None) -> str:
    return hashlib.sha256((system or "").encode()).hexdigest()[:8]
