"""Objects that a process keeps between jobs: the reference of a run, pixels that are compared several times, stacks."""

from __future__ import annotations

__all__ = ["PIXELS", "REFERENCES", "STACKS", "HeldPixels", "HeldReferences"]

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any


class HeldReferences:
    """References of the runs that this process works on, by the identifier of the run and the chip."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._adopted: dict[str, dict[str, Any]] = {}
        self._run = ""
        self._loaded: dict[str, Any] = {}

    def renew_locks(self) -> None:
        """Make new locks in a process that was forked; threads that it does not have may have held them."""
        self._lock = threading.Lock()

    def get(self, run: str, load: Callable[[], Any], chip: str = "") -> Any:
        """Return the reference of a run; load it first if this process does not have it."""
        with self._lock:  # other threads wait instead of loading it too
            if chip in (adopted := self._adopted.get(run, {})):
                return adopted[chip]
            if self._run != run:
                self._loaded.clear()  # before another is loaded, so that those of one run are in memory at a time
                self._run = run
            if chip not in self._loaded:
                self._loaded[chip] = load()
            return self._loaded[chip]

    @contextmanager
    def adopted(self, run: str, references: dict[str, Any]) -> Iterator[None]:
        """Keep references that are already loaded, by chip, until the block ends."""
        with self._lock:
            self._adopted[run] = references
        try:
            yield
        finally:
            with self._lock:
                del self._adopted[run]
                if self._run == run:  # other chips that were loaded meanwhile
                    self._loaded.clear()


class HeldPixels:
    """Pixels of exposures, up to a number of bytes; the least recently used are dropped first.

    Those that were offered and have not been used yet follow from the last to the first, as exposures are used in the
    order in which they are offered. Only pixels of one run are kept. They must not be changed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run = ""
        self._held: OrderedDict[int, tuple[Any, int]] = OrderedDict()
        self._unused: set[int] = set()
        self._readers: dict[int, threading.Lock] = {}

    def renew_locks(self) -> None:
        """Make new locks in a process that was forked; threads that it does not have may have held them."""
        self._lock = threading.Lock()
        self._readers.clear()

    def reading(self, run: str, exposure: int) -> threading.Lock:
        """Return a lock to hold while an exposure is looked up and, if necessary, read; only one thread reads it."""
        with self._lock:
            self._begin(run)
            return self._readers.setdefault(exposure, threading.Lock())

    def offer(self, run: str, exposure: int, pixels: Any, size: int, budget: int) -> None:
        """Keep the pixels of an exposure if there is room for them."""
        with self._lock:
            self._begin(run)
            if self._bytes() + size <= budget:
                self._held[exposure] = pixels, size
                self._unused.add(exposure)

    def find(self, run: str, exposure: int) -> Any:
        """Return the pixels of an exposure, or None if they are not kept."""
        with self._lock:
            self._begin(run)
            if exposure not in self._held:
                return None
            self._held.move_to_end(exposure)
            self._unused.discard(exposure)
            return self._held[exposure][0]

    def hold(
        self,
        run: str,
        exposure: int,
        pixels: Any,
        size: int,
        budget: int,
        *,
        least: int = 1,
        fixed: int | None = None,
        needed: Collection[int] = (),
    ) -> None:
        """Hold the pixels of an exposure, and drop others if there is no room for them.

        Parameters
        ----------
        run : str
            Identifier of the run.
        exposure : int
            Number of the exposure.
        pixels : object
        size : int
            Their size in bytes.
        budget : int
            Number of bytes to hold.
        least : int, optional
            Number of exposures that are held whatever their size; these pixels count.
        fixed : int, optional
            Number of an exposure whose pixels are not dropped.
        needed : collection of int, optional
            Numbers of exposures that the same job uses; they are dropped last.
        """
        with self._lock:
            self._begin(run)
            used = [other for other in self._held if other not in self._unused]
            unused = [other for other in reversed(self._held) if other in self._unused]
            # The sort keeps their order otherwise.
            for other in sorted([*used, *unused], key=lambda other: other in needed):
                if self._bytes() + size <= budget or len(self._held) < least:
                    break
                if other != fixed:
                    del self._held[other]
                    self._unused.discard(other)
            self._held[exposure] = pixels, size
            self._unused.discard(exposure)

    def forget(self, run: str) -> None:
        """Drop the pixels of a run."""
        with self._lock:
            if self._run == run:
                self._clear()

    def _begin(self, run: str) -> None:
        if self._run != run:
            self._clear()
            self._run = run

    def _clear(self) -> None:
        self._held.clear()
        self._unused.clear()
        self._readers.clear()

    def _bytes(self) -> int:
        return sum(size for _, size in self._held.values())


REFERENCES = HeldReferences()
STACKS = HeldReferences()
"""Opened exposures of runs that combine them."""
PIXELS = HeldPixels()


def _renew_locks() -> None:
    REFERENCES.renew_locks()
    STACKS.renew_locks()
    PIXELS.renew_locks()


if hasattr(os, "register_at_fork"):
    # A fork must not wait for them, as other threads may hold them while they read a file.
    os.register_at_fork(after_in_child=_renew_locks)
