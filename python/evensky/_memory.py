"""Memory of the machine and of this process, as the system tells it."""

from __future__ import annotations

__all__ = ["address_space", "physical_memory"]

import os
import resource


def physical_memory() -> int | None:
    """Return the memory of the machine in bytes; None if the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def address_space() -> int | None:
    """Return the limit of the address space of this process in bytes (``ulimit -v``); None if there is none."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft
