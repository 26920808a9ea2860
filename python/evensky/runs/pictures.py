"""Small pictures of exposures for the report, of as many exposures as somebody would look at."""

from __future__ import annotations

__all__ = ["MOST_PICTURES", "Gallery", "Painter"]

import heapq
import math
import threading
from collections.abc import Sequence

import numpy as np

from ..image import Exposure
from ..math import IQRANGE, MEDIAN, BackgroundControl, StatisticsControl, makeBackground, makeStatistics
from .record import ExposureRecord, PixelSummary
from .source import Frame

MOST_PICTURES = 100
"""Number of exposures that keep their pictures, about 0.5 MB each: those that most deserve a look."""

# Length of the longer side of a picture.
_SIDE = 220
# Number of pixels that are enough for a histogram.
_MOST_PIXELS = 2**24
# Planes that a picture shows although their pixels do not count; otherwise the sky would be full of holes.
_SHOWN_PLANES = ("DETECTED", "DETECTED_NEGATIVE", "INTRP")
# Standard deviation of a normal distribution, in units of its interquartile range.
_SIGMA_OF_IQR = 0.741301109252802


class Gallery:
    """The pictures that a run keeps. Any thread may add to it.

    Parameters
    ----------
    most : int, optional
        Number of exposures that keep their pictures: the reference, then flagged ones, then those with the largest
        residuals.
    """

    def __init__(self, most: int = MOST_PICTURES) -> None:
        self._most = most
        self._lock = threading.Lock()
        # A heap, the least interesting record first and of equal ones the last; no two have the same number.
        self._kept: list[tuple[tuple[float, float], int, ExposureRecord]] = []

    def add(self, index: int, record: ExposureRecord) -> None:
        """Keep the pictures of a record, and drop those of the least interesting one if there is no room."""
        if record.pixels is None:
            return
        with self._lock:
            heapq.heappush(self._kept, (_interest(record), -index, record))
            if len(self._kept) > self._most:
                heapq.heappop(self._kept)[2].pixels = None


class Painter:
    """Makes pictures.

    Parameters
    ----------
    bad_planes : sequence of str
        Names of the planes whose pixels do not count.
    """

    def __init__(self, bad_planes: Sequence[str]) -> None:
        self._hidden = [name for name in bad_planes if name not in _SHOWN_PLANES]

    def picture(self, exposure: Exposure) -> np.ndarray:
        """Return a small picture: medians of blocks, sources included."""
        planes = exposure.mask.getMaskPlaneDict()
        control = StatisticsControl()
        control.setAndMask(exposure.mask.getPlaneBitMask([name for name in self._hidden if name in planes]))
        width, height = exposure.getDimensions()
        shrink = max(1.0, max(width, height) / _SIDE)
        bins = BackgroundControl(max(1, int(width / shrink)), max(1, int(height / shrink)), control, MEDIAN)
        return np.array(makeBackground(exposure.maskedImage, bins).getStatsImage().image.array)

    @staticmethod
    def unchanged(picture: np.ndarray) -> PixelSummary:
        """Return the pictures of an exposure that was not changed."""
        return PixelSummary(picture, np.zeros_like(picture), picture, np.zeros(0), np.zeros(1))

    def matched(self, before: np.ndarray, exposure: Exposure, residuals: tuple[np.ndarray, np.ndarray]) -> PixelSummary:
        """Return the pictures of a matched exposure.

        Parameters
        ----------
        before : ndarray
            Its picture before matching.
        exposure : Exposure
            The matched exposure.
        residuals : (ndarray, ndarray)
            Counts and edges of the histogram of residuals, empty if there is none.
        """
        after = self.picture(exposure)
        return PixelSummary(before, after - before, after, *residuals)


NO_HISTOGRAM = np.zeros(0), np.zeros(1)


def residual_histogram(reference: Frame, matched: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return the histogram of reference - matched over the pixels that are good in both: counts and edges."""
    first, second = reference.exposure, matched.exposure
    # In a very large image some rows are enough.
    rows = slice(None, None, max(1, first.image.array.size // _MOST_PIXELS))
    bad = (first.mask.array[rows] & reference.bad) != 0
    bad |= (second.mask.array[rows] & matched.bad) != 0
    difference = first.image.array[rows] - second.image.array[rows]
    scatter = makeStatistics(np.ma.MaskedArray(difference, bad), IQRANGE).getValue() * _SIGMA_OF_IQR
    if not np.isfinite(scatter):
        return NO_HISTOGRAM
    half = 5.0 * scatter if scatter > 0 else 1.0
    return np.histogram(difference[~bad], bins=101, range=(-half, half))


def _interest(record: ExposureRecord) -> tuple[float, float]:
    """Return a key that is the greater the sooner somebody should look at an exposure."""
    if record.status == "reference":
        return math.inf, 0.0
    residual = record.fit_rms or 0.0
    if record.matched_mse is not None and record.diff_im_var:
        residual = record.matched_mse / record.diff_im_var
    return float(bool(record.flags)), residual if math.isfinite(residual) else math.inf
