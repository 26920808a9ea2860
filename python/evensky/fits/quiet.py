"""Warnings and messages of astropy that are suppressed while files are read."""

from __future__ import annotations

__all__ = ["quiet"]

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from .._locks import process_lock

# Warning filters belong to the whole process, but files are read in several threads.
_warnings_lock = process_lock()


class _OfOtherThreads(logging.Filter):
    """Lets messages of other threads pass."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress astropy's warnings and messages about unusual cards."""
    from astropy.utils.exceptions import AstropyWarning

    log, others = logging.getLogger("astropy"), _OfOtherThreads()
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        log.addFilter(others)
        try:
            yield
        finally:
            log.removeFilter(others)
