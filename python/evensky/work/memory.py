"""Memory that the machine, its limits and the user give to a run."""

from __future__ import annotations

__all__ = ["SHARE", "Limits", "in_small_words", "in_words", "limits", "on_disk", "told"]

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .._memory import address_space, physical_memory
from .._text import printable
from ..errors import TaskError

SHARE = 0.75
"""Share of the free memory that a run takes if the user gives no limit; the rest is for other programs, and for the
system's cache of files."""

# File systems that keep files in memory.
_IN_MEMORY = ("tmpfs", "ramfs")
_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def in_words(number: float) -> str:
    """Return a number of bytes as text: in GB, or in MB if there are few."""
    return f"{number / 1e9:.3g} GB" if number >= 1e9 else f"{max(number / 1e6, 1):.3g} MB"


def in_small_words(number: float) -> str:
    """Return a number of bytes as text, which may be far less than a MB."""
    return in_words(number) if number >= 1e6 else f"{number / 1e3:.3g} kB"


def told(error: BaseException) -> BaseException:
    """Return an error with a message that says what to do if memory could not be allocated, and others as they are."""
    if not isinstance(error, MemoryError):
        return error
    what = printable(str(error))
    return TaskError(
        f"the memory does not suffice{f' ({what})' if what else ''}; use fewer workers, a limit that is kept with "
        "pixels on disk (--max-memory, max_memory), or a folder for them (--scratch, scratch)"
    )


@dataclass(frozen=True)
class Limits:
    """Limits of the memory of this process, in bytes, with what it has already; None for those that are unknown.

    Attributes
    ----------
    memory : int or None
        Memory that it can have before others lack it, or before it is killed: what is free on the machine or in its
        control group.
    address_space : int or None
        Limit of its address space (``ulimit -v``).
    """

    memory: int | None
    address_space: int | None


def limits() -> Limits:
    """Return the limits of the memory of this process."""
    own = _own()
    free = [number for number in (_free_of_machine(), *_free_of_groups()) if number is not None]
    return Limits(max(min(free), 0) + own if free else None, address_space())


def _own() -> int:
    """Return the memory that this process has; 0 if it is unknown."""
    try:
        pages = int((_PROC / "self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _free_of_machine() -> int | None:
    with suppress(OSError, ValueError, IndexError):  # there is no such file on macOS
        for line in (_PROC / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return physical_memory()


def _free_of_groups() -> list[int]:
    """Return what is free in the control groups of this process, of version 1 or 2, and in those that hold them."""
    folders: list[Path] = [_CGROUPS, _CGROUPS / "memory"]  # where a container has its own
    try:
        lines = (_PROC / "self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, kinds, path = line.split(":", 2) if line.count(":") >= 2 else ("", "none", "")
        if kinds == "":
            root = _CGROUPS
        elif "memory" in kinds.split(","):
            root = _CGROUPS / "memory"
        else:
            continue
        place = Path(path.lstrip("/"))
        folders += [root / place, *(root / parent for parent in place.parents)]
    found = []
    for folder in dict.fromkeys(folders):
        for most, used, cache in (
            ("memory.max", "memory.current", "file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"),
        ):
            limit, taken = _number(folder / most), _number(folder / used)
            if limit is not None and taken is not None:
                found.append(limit - taken + _cache(folder / "memory.stat", cache))
    return found


def _number(path: Path) -> int | None:
    """Return the number in a file; None if there is none, as "max" stands for no limit."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _cache(path: Path, name: str) -> int:
    """Return the size of the cache of files, which the system gives up for a process that needs memory."""
    with suppress(OSError, ValueError):  # then the cache counts as used, which is safe
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0


def on_disk(folder: Path) -> bool:
    """Return whether the files of a folder are on a disk, as far as that is known, and not in memory (tmpfs)."""
    try:
        mounts = (_PROC / "self/mounts").read_text().splitlines()
    except OSError:
        return True
    place = os.path.realpath(folder)
    best, kind = "", ""
    for line in mounts:
        parts = line.split()
        if len(parts) < 3:
            continue
        point = parts[1].replace("\\040", " ")
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, parts[2]
    return kind not in _IN_MEMORY
