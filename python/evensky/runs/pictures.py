"""Small pictures for the report, of a limited number of exposures."""

from __future__ import annotations

__all__ = ["MOST_PICTURES", "Gallery", "Painter"]

import heapq
import math
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..image import Exposure
from ..math.thumbnail import block_means
from .preview import Mosaic, Patch, Tiling, rounded, rounded_pair
from .record import CoaddPreview, ExposureRecord, PixelSummary

MOST_PICTURES = 100
"""Number of exposures that keep their pictures, about 0.5 MB each: those that most deserve a look."""

# Planes whose pixels are shown although they do not count; without them, the sky would be full of holes.
_SHOWN_PLANES = ("DETECTED", "DETECTED_NEGATIVE", "INTRP")


class Gallery:
    """The pictures that a run keeps. Any thread may add to it.

    Parameters
    ----------
    most : int, optional
        Number of exposures that keep their pictures: the reference, then flagged ones, then those with the largest
        residuals.
    mosaic : Mosaic, optional
        Sums to which the pictures of all exposures are added.
    rounded : bool, optional
        Leave out the digits of the pictures that tell of noise alone, so that the file of the run is small.
    """

    def __init__(self, most: int = MOST_PICTURES, mosaic: Mosaic | None = None, *, rounded: bool = False) -> None:
        self._most = most
        self._mosaic = mosaic
        self._rounded = rounded
        self._lock = threading.Lock()
        # A heap: the least interesting record comes first; of equally interesting ones, that with the highest number.
        self._kept: list[tuple[tuple[float, float], int, ExposureRecord, Patch | None]] = []

    def add(self, index: int, record: ExposureRecord) -> None:
        """Keep the pictures of a record, and drop those of the least interesting one if there is no room."""
        if record.pixels is None:
            return
        with self._lock:
            patch = None
            if self._mosaic is not None:
                record.pixels, patch = self._mosaic.add(index, record.pixels)
            heapq.heappush(self._kept, (_interest(record), -index, record, patch))
            if len(self._kept) > self._most:
                heapq.heappop(self._kept)[2].pixels = None

    def finish(self) -> CoaddPreview | None:
        """Compare the exposures that keep their pictures with the mean of all others, and return the mean of all."""
        for _, number, record, patch in self._kept:
            pixels = record.pixels
            assert pixels is not None  # as it is kept
            if self._mosaic is not None and patch is not None:
                pixels.residual = self._mosaic.residual(-number, patch, pixels.after.shape)
            if self._rounded:
                record.pixels = _rounded(pixels)
        preview = None if self._mosaic is None else self._mosaic.preview()
        if preview is not None and self._rounded:
            preview.before, preview.after, _ = rounded_pair(preview.before, preview.after)
        return preview


class Painter:
    """Maker of small pictures.

    Parameters
    ----------
    bad_planes : sequence of str
        Names of the planes whose pixels do not count.
    """

    def __init__(self, bad_planes: Sequence[str]) -> None:
        self._hidden = [name for name in bad_planes if name not in _SHOWN_PLANES]

    def picture(self, exposure: Exposure, tiling: Tiling | None = None) -> np.ndarray:
        """Return a small picture: means of blocks, sources included.

        Parameters
        ----------
        exposure : Exposure
        tiling : Tiling, optional
            The blocks; by default those that suit the exposure alone.
        """
        planes = exposure.mask.getMaskPlaneDict()
        hidden = exposure.mask.getPlaneBitMask([name for name in self._hidden if name in planes])
        size = exposure.getDimensions()
        return block_means(exposure.maskedImage, hidden, *(tiling or Tiling.alone(*size)).blocks(*size))

    @staticmethod
    def unchanged(picture: np.ndarray) -> PixelSummary:
        """Return the pictures of an exposure that was not changed."""
        return PixelSummary(picture, np.zeros_like(picture), picture, *NO_HISTOGRAM)

    @staticmethod
    def matched(before: np.ndarray, after: np.ndarray, residuals: tuple[np.ndarray, np.ndarray]) -> PixelSummary:
        """Return the pictures of a matched exposure.

        Parameters
        ----------
        before, after : ndarray
            Its pictures before and after matching.
        residuals : (ndarray, ndarray)
            Counts and edges of the histogram of residuals, empty if there is none.
        """
        return PixelSummary(before, after - before, after, *residuals)


NO_HISTOGRAM = np.zeros(0), np.zeros(1)
"""Counts and edges of the histogram of an exposure that has no residuals."""


def _rounded(pixels: PixelSummary) -> PixelSummary:
    """Return pictures without the digits that tell of noise alone."""
    before, after, model = rounded_pair(pixels.before, pixels.after)
    residual = None if pixels.residual is None else rounded(pixels.residual)
    return replace(pixels, before=before, model=model, after=after, residual=residual)


def _interest(record: ExposureRecord) -> tuple[float, float]:
    """Return a sort key, which is greater for exposures that are more worth a look."""
    if record.status == "reference":
        return math.inf, 0.0
    if record.alarms:
        chi = record.fit_chi or 0.0
        return 2.0, chi if math.isfinite(chi) else math.inf
    residual = record.fit_rms or 0.0
    if record.matched_mse is not None and record.diff_im_var:
        residual = record.matched_mse / record.diff_im_var
    return float(bool(record.flags)), residual if math.isfinite(residual) else math.inf
