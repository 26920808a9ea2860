"""HDUs of an open file that astropy opens one by one, when they are asked for.

astropy opens all HDUs up to the one that is wanted, which takes 3 ms for each compressed image. A file of a hundred
images, which are read one after the other, would be opened a hundred times.
"""

from __future__ import annotations

__all__ = ["SingleHDUs"]

from collections.abc import Sequence
from typing import Any, BinaryIO

from .cards import BLOCK, primary_header
from .lazy_hdus import LazyHDUs
from .made_files import MadeFile
from .plain_headers import StoredHeader
from .quiet import quiet


class _Part(MadeFile):
    """An HDU of a file, at its own position, behind a primary HDU that takes the place of all those before it.

    Positions in it are therefore those in the file.

    Parameters
    ----------
    raw : binary file
        It is not closed.
    start, end : int
        Positions of the HDU and of the byte behind it.
    """

    def __init__(self, raw: BinaryIO, start: int, end: int) -> None:
        super().__init__(end)
        # The header of the primary HDU is one block.
        self._before = primary_header(start - BLOCK) if start else b""
        self._raw = raw

    def read(self, size: int | None = -1, /) -> bytes:
        stop = self._end if size is None or size < 0 else min(self._at + size, self._end)
        found = self._before[self._at : stop]
        at = self._at + len(found)
        if stop > at:
            self._raw.seek(at)
            found += self._raw.read(stop - at)
        self._at += len(found)
        return found


class SingleHDUs(LazyHDUs[Any]):
    """The HDUs of an open file, whose headers are known and sound.

    Parameters
    ----------
    headers : sequence of StoredHeader
    raw : binary file
        It is not closed.
    """

    def __init__(self, headers: Sequence[StoredHeader], raw: BinaryIO) -> None:
        super().__init__(len(headers))
        self._headers, self._raw = headers, raw

    def _make(self, number: int) -> Any:
        from astropy.io import fits

        start = _end(self._headers[number - 1]) if number else 0
        part = _Part(self._raw, start, _end(self._headers[number]))
        with quiet():
            return fits.open(part, memmap=False)[min(number, 1)]


def _end(header: StoredHeader) -> int:
    """Return the position behind an HDU."""
    return header.start + header.size + -header.size % BLOCK
