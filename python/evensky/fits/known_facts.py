"""Facts about the pixels of files that a run has read before, which hold as long as the files are not changed."""

from __future__ import annotations

__all__ = ["FACTS", "KnownFacts", "state_of_open"]

import os
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from .kept_values import KeptValues
from .plain_pixels import OpenPlainHDU

# Time in ns for which a file must have stayed the same: the coarsest times of file systems have a resolution of 2 s.
_SETTLED = 2_000_000_000
# Number of facts that are kept.
_MOST_FACTS = 20_000


def state_of_open(file: BinaryIO) -> tuple[int, ...] | None:
    """Return what tells whether an open file is the same as before; None if that cannot be told.

    It cannot of an unpacked file, and of one that was changed so recently that it could change again within the
    resolution of its times.
    """
    try:
        found = os.fstat(file.fileno())
    except OSError:  # the content of an unpacked file has no number
        return None
    if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _SETTLED:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class KnownFacts:
    """Facts about the pixels of HDUs, by the states of their files; those used last are kept.

    They are those of one run, as pixels can be changed through a map of a file in memory without a trace.
    """

    def __init__(self) -> None:
        self._facts: KeptValues[Any] = KeptValues(_MOST_FACTS)
        self._run = ""

    def begin(self, run: str) -> None:
        """Forget the facts of other runs; "" is for none, whose facts are not kept."""
        if run != self._run:
            self._run = run
            self._facts.clear()

    @contextmanager
    def of_run(self, run: str) -> Iterator[None]:
        """Keep facts during a run, by its identifier."""
        self.begin(run)
        try:
            yield
        finally:
            self.begin("")

    def key(self, hdu: Any, what: Hashable) -> Hashable:
        """Return the key of a fact; None if it cannot be kept. It must be asked for before the pixels are read.

        Parameters
        ----------
        hdu : image HDU
            That of a file of plain images alone has a key, during a run, if the file was not changed just now.
        what : hashable
            Which of its facts.
        """
        run = self._run  # which another thread may change
        if not run or not isinstance(hdu, OpenPlainHDU):
            return None
        place = hdu.fileinfo()
        state = state_of_open(place["file"])
        return None if state is None else (run, state, place["datLoc"], what)

    def get(self, key: Hashable) -> Any:
        """Return a fact; None if it is not known."""
        return self._facts.get(key)

    def keep(self, key: Hashable, fact: Any) -> None:
        """Keep a fact, which is not None, unless it has no key; forget the one that was not used for longest."""
        self._facts.keep(key, fact)


FACTS = KnownFacts()
"""The facts that this process knows."""
