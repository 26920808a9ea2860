"""The reference of a run, which many units of work need and each process reads once."""

from __future__ import annotations

__all__ = ["SHARED"]

import threading
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


SHARED = _SharedExposures()
