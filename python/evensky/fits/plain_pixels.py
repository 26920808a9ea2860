"""Pixels of plain images of an open file, read without astropy unless they are scaled.

astropy computes the pixels of an HDU under a lock that all HDUs share, so its threads read one after the other.
"""

from __future__ import annotations

__all__ = ["OpenPlainHDU", "PlainHDUs", "PlainPixels"]

import math
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from ..errors import FitsError
from .lazy_hdus import LazyHDUs
from .plain_headers import PlainHDU, stored_type, with_other_sign
from .quiet import quiet


class PlainPixels:
    """Reader of the pixels of an open file, all HDUs of which are plain images.

    Parameters
    ----------
    hdus : sequence of PlainHDU
    raw : binary file
        It is not closed.
    """

    def __init__(self, hdus: Sequence[PlainHDU], raw: BinaryIO) -> None:
        self.raw = raw
        self._hdus = hdus
        self._by_astropy: Any = None

    def read(self, number: int, index: tuple[Any, ...]) -> np.ndarray:
        """Read pixels of an HDU.

        Parameters
        ----------
        number : int
            Number of the HDU.
        index : tuple of int and slice
            Part of its pixels, which begins with the first axis; () for all.

        Raises
        ------
        evensky.errors.FitsError
            If the file ends before they do.
        """
        hdu = self._hdus[number]
        if hdu.dtype is None:
            return self._scaled(number, index)
        start, shape, rest = _block(hdu.shape, index)
        stored = stored_type(hdu.dtype)
        pixels = np.empty(shape, stored)
        self.raw.seek(hdu.start + start * stored.itemsize)
        view = pixels.reshape(-1).view(np.uint8).data
        at = 0
        while at < len(view) and (got := self.raw.readinto(view[at:])):  # type: ignore[attr-defined]
            at += got
        if at < len(view):
            raise FitsError(f"HDU {number} is not complete: {len(view) - at} bytes of its pixels are missing")
        if hdu.storage.zero:
            pixels = with_other_sign(pixels, hdu.dtype)
        return pixels[rest] if rest else pixels

    def _scaled(self, number: int, index: tuple[Any, ...]) -> np.ndarray:
        """Have astropy read pixels that are scaled, or some of which are BLANK."""
        from astropy.io import fits

        with quiet():
            if self._by_astropy is None:
                self.raw.seek(0)
                self._by_astropy = fits.open(self.raw, memmap=False)
            hdu = self._by_astropy[number]
            return np.asarray(hdu.section[index] if index else hdu.data)


class _Section:
    def __init__(self, pixels: PlainPixels, number: int) -> None:
        self._pixels, self._number = pixels, number

    def __getitem__(self, index: Any) -> np.ndarray:
        return self._pixels.read(self._number, index if isinstance(index, tuple) else (index,))


class OpenPlainHDU(PlainHDU):
    """An image HDU of a file that is open, whose pixels can be read.

    Parameters
    ----------
    hdu : PlainHDU
    number : int
        Number of the HDU.
    pixels : PlainPixels
        Reader of the pixels of the file.
    """

    def __init__(self, hdu: PlainHDU, number: int, pixels: PlainPixels) -> None:
        super().__init__(hdu.header, hdu.shape, hdu.size, hdu.start)
        # As of a frozen dataclass.
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_pixels", pixels)

    _number: int
    _pixels: PlainPixels

    def fileinfo(self) -> dict[str, Any]:
        """Return the open file, and where the data are."""
        return {"file": self._pixels.raw, **super().fileinfo()}

    @property
    def data(self) -> np.ndarray | None:
        """All pixels, as astropy returns them: in the byte order of the file, or in the native one; None for none."""
        return self._pixels.read(self._number, ()) if self.size else None

    @property
    def section(self) -> _Section:
        """Parts of the pixels, which are read when they are asked for: ``section[rows, columns]``."""
        return _Section(self._pixels, self._number)


class PlainHDUs(LazyHDUs[OpenPlainHDU]):
    """The HDUs of an open file, all of them plain images.

    Parameters
    ----------
    hdus : sequence of PlainHDU
    raw : binary file
        It is not closed.

    Attributes
    ----------
    pixels : PlainPixels
        Reader of their pixels.
    """

    def __init__(self, hdus: Sequence[PlainHDU], raw: BinaryIO) -> None:
        super().__init__(len(hdus))
        self._hdus = hdus
        self.pixels = PlainPixels(hdus, raw)

    def _make(self, number: int) -> OpenPlainHDU:
        return OpenPlainHDU(self._hdus[number], number, self.pixels)


def _block(shape: tuple[int, ...], index: tuple[Any, ...]) -> tuple[int, tuple[int, ...], tuple[Any, ...]]:
    """Return the consecutive pixels that hold a part of an array: the first one, their shape, and the part of them."""
    start = 0
    for axis, one in enumerate(index):
        below = math.prod(shape[axis + 1 :])
        if isinstance(one, slice):
            first, stop, step = one.indices(shape[axis])
            if step == 1:
                start += first * below
                behind = index[axis + 1 :]
                whole = all(isinstance(part, slice) and part == slice(None) for part in behind)
                rest = () if whole else (slice(None), *behind)
                return start, (max(stop - first, 0), *shape[axis + 1 :]), rest
            return start, shape[axis:], index[axis:]
        start += range(shape[axis])[one] * below
    return start, shape[len(index) :], ()
