"""Exposures that several units of work need: the reference, which each process reads once, the last few of pairs."""

from __future__ import annotations

__all__ = ["RECENT", "SHARED"]

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..image import Exposure


class _SharedExposures:
    """The references of the runs that this process is working on, by the names of the runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._adopted: dict[str, Exposure] = {}
        self._last: tuple[str, Exposure] | None = None

    def get(self, run: str, load: Callable[[], Exposure]) -> Exposure:
        """The reference of a run; read where this process has not got it."""
        with self._lock:  # those who come meanwhile wait instead of reading it too
            if run in self._adopted:
                return self._adopted[run]
            if self._last is None or self._last[0] != run:
                self._last = None  # before the next one is read: one at a time is in memory
                self._last = run, load()
            return self._last[1]

    @contextmanager
    def adopted(self, run: str, exposure: Exposure) -> Iterator[None]:
        """Take what was read already for a run's reference, until it has ended."""
        with self._lock:
            self._adopted[run] = exposure
        try:
            yield
        finally:
            with self._lock:
                del self._adopted[run]


class _RecentExposures:
    """The last few exposures that pairs were made of: those of neighbouring pairs are the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], Exposure] = OrderedDict()

    def get(self, run: str, label: str, load: Callable[[], Exposure], most: int) -> Exposure:
        """An exposure of a run, of which so many are kept; read where it is not among them. It is not to be changed."""
        key = run, label
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
            # Room is made before the next one is read, and other runs' are of no use any more.
            for old in [old for old in self._kept if old[0] != run]:
                del self._kept[old]
            while len(self._kept) >= most:
                self._kept.popitem(last=False)
        exposure = load()
        with self._lock:
            self._kept[key] = exposure
        return exposure

    def forget(self, run: str) -> None:
        """No more pairs of this run."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == run]:
                del self._kept[key]


SHARED = _SharedExposures()
RECENT = _RecentExposures()
