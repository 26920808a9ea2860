"""Locks of the whole process, which stay usable in a process that is forked."""

from __future__ import annotations

__all__ = ["process_lock"]

import functools
import os
import sys
import threading


def process_lock() -> threading.RLock:
    """Make a lock for the length of the process.

    If another thread held a lock during a fork, the child would wait forever for a thread that it does not have.
    A fork therefore waits until no thread holds this one: it is for work that takes moments and needs no other lock.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


# Packages whose properties are renewed.
_PACKAGES = ("astropy.", "evensky.")


def _renew_properties() -> None:
    """Renew the locks of properties that compute their value once.

    One lock serves all instances of a class while a value is computed, which may be the reading of an image. A fork
    does not wait for that, so the child gets locks that no thread holds. It has no other thread that could add a module
    or an attribute meanwhile, and may have little memory, so nothing is copied.
    """
    decorators = sys.modules.get("astropy.utils.decorators")
    kinds: tuple[type, ...] = (functools.cached_property,)
    if decorators is not None:
        kinds += (decorators.lazyproperty,)
    for name, module in sys.modules.items():
        if module is None or not name.startswith(_PACKAGES):
            continue
        for one in vars(module).values():
            if not isinstance(one, type) or one.__module__ != name:
                continue
            for value in vars(one).values():
                if isinstance(value, kinds):
                    for lock in {"lock", "_lock"} & vars(value).keys():  # there is none in newer versions of Python
                        setattr(value, lock, threading.RLock())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_properties)
