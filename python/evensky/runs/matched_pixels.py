"""Pixels of matched exposures that stay in memory until they are combined, so that no output is read again."""

from __future__ import annotations

__all__ = ["MatchedBands", "MatchedPixels"]

import threading
from typing import Any, NamedTuple

import numpy as np

from ..fits.descriptions import ImageDescription
from ..image import Exposure
from ..io.bands import Band, ExposureBands


class _Planes(NamedTuple):
    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray | None


class MatchedPixels:
    """The planes of matched exposures, by number; any thread may add some."""

    def __init__(self) -> None:
        self._planes: dict[int, _Planes] = {}
        self._lock = threading.Lock()

    def add(self, number: int, exposure: Exposure) -> None:
        """Keep the planes of an exposure, if they are in memory."""
        image, mask = exposure.image.bands, exposure.mask.bands
        variance = exposure.variance.bands if exposure.info.has_variance else None
        if not isinstance(image, np.ndarray) or not isinstance(mask, np.ndarray):
            return
        if variance is None or isinstance(variance, np.ndarray):
            with self._lock:
                self._planes[number] = _Planes(image, mask, variance)

    def bands(self, number: int, output: ImageDescription) -> MatchedBands | None:
        """Return the exposure as if it were read from its output; None if it is not held."""
        planes = self._planes.get(number)
        if planes is None:
            return None
        bands = MatchedBands(output, planes)
        # Whatever the output may hold in another way is read from there.
        same = bands.dtype == planes.image.dtype and bands.has_variance == (planes.variance is not None)
        return bands if same else None


class MatchedBands(ExposureBands):
    """An exposure whose pixels are in memory, and all else of which is read from a file.

    Parameters
    ----------
    image : ImageDescription
        What the file holds.
    planes : tuple of image, mask, and variance or None
        The pixels that are in the file.
    """

    def __init__(self, image: ImageDescription, planes: Any) -> None:
        super().__init__(image)
        self._planes = _Planes(*planes)

    def read(self, rows: slice, columns: slice | None = None, *, into: Band | None = None) -> Band:
        """Copy rows of all planes, see `evensky.io.bands.ExposureBands.read`."""
        columns = slice(None) if columns is None else columns
        image, mask, variance = (None if plane is None else plane[rows, columns] for plane in self._planes)
        assert image is not None
        if into is None:
            into = self.new_band(*image.shape)
        into.image[...] = image
        into.mask[...] = mask
        if into.variance is not None:
            into.variance[...] = variance
        return into
