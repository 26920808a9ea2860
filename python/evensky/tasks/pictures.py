"""Small pictures of exposures for the report, of as many exposures as somebody would look at."""

from __future__ import annotations

__all__ = ["MOST_PICTURES", "Gallery", "Painter"]

import heapq
import math
import threading

import numpy as np

from ..image import Exposure
from ..math import IQRANGE, MEDIAN, BackgroundControl, StatisticsControl, makeBackground, makeStatistics
from .match_backgrounds import MatchBackgroundsTask
from .run_record import ExposureRecord, PixelSummary

MOST_PICTURES = 100
"""So many exposures are pictured, some 0.5 MB each: those that most deserve a look."""

# Longer side of the pictures.
_SIDE = 220
# So many pixels are enough for a histogram.
_MOST_PIXELS = 2**24
# Planes of pixels that a picture shows although they do not count: the sky would be full of holes otherwise.
_SHOWN_PLANES = ("DETECTED", "DETECTED_NEGATIVE", "INTRP")


class Gallery:
    """The pictures that a run keeps; any thread may add to it.

    Parameters
    ----------
    most : int, optional
        Number of exposures that keep their pictures: the reference, then those that are flagged, then those that the
        match left farthest from the reference.
    """

    def __init__(self, most: int = MOST_PICTURES) -> None:
        self._most = most
        self._lock = threading.Lock()
        # The least interesting one first, and of equals the last; no two have the same number.
        self._kept: list[tuple[tuple[float, float], int, ExposureRecord]] = []

    def add(self, index: int, record: ExposureRecord) -> None:
        """Hang the pictures of a record; where there is no room for them, the least interesting ones go."""
        if record.pixels is None:
            return
        with self._lock:
            heapq.heappush(self._kept, (_interest(record), -index, record))
            if len(self._kept) > self._most:
                heapq.heappop(self._kept)[2].pixels = None


class Painter:
    """Makes the pictures.

    Parameters
    ----------
    task : MatchBackgroundsTask
        Tells which pixels are good.
    """

    def __init__(self, task: MatchBackgroundsTask) -> None:
        self._task = task

    def picture(self, exposure: Exposure) -> np.ndarray:
        """A small picture: medians of blocks, sources included."""
        planes = exposure.mask.getMaskPlaneDict()
        names = [name for name in self._task.config.badMaskPlanes if name not in _SHOWN_PLANES and name in planes]
        control = StatisticsControl()
        control.setAndMask(exposure.mask.getPlaneBitMask(names))
        width, height = exposure.getDimensions()
        shrink = max(1.0, max(width, height) / _SIDE)
        bins = BackgroundControl(max(1, int(width / shrink)), max(1, int(height / shrink)), control, MEDIAN)
        return np.array(makeBackground(exposure.maskedImage, bins).getStatsImage().image.array)

    def reference(self, exposure: Exposure) -> PixelSummary:
        """What the report shows of the reference."""
        picture = self.picture(exposure)
        return PixelSummary(picture, np.zeros_like(picture), picture, np.zeros(0), np.zeros(1))

    def matched(self, before: np.ndarray, exposure: Exposure, reference: Exposure) -> PixelSummary:
        """What the report shows of a matched exposure, given its picture before."""
        after = self.picture(exposure)
        counts, edges = self._residuals(reference, exposure)
        return PixelSummary(before, after - before, after, counts, edges)

    def _residuals(self, reference: Exposure, matched: Exposure) -> tuple[np.ndarray, np.ndarray]:
        """Histogram of reference - matched over pixels that are good in both."""
        # Of very large images every so many rows tell as much.
        rows = slice(None, None, max(1, reference.image.array.size // _MOST_PIXELS))
        bad = (reference.mask.array[rows] & self._task.badPixelMask(reference)) != 0
        bad |= (matched.mask.array[rows] & self._task.badPixelMask(matched)) != 0
        difference = reference.image.array[rows] - matched.image.array[rows]
        scatter = makeStatistics(np.ma.MaskedArray(difference, bad), IQRANGE).getValue() * 0.741301109252802
        if not np.isfinite(scatter):
            return np.zeros(0), np.zeros(1)
        half = 5.0 * scatter if scatter > 0 else 1.0
        counts, edges = np.histogram(difference[~bad], bins=101, range=(-half, half))
        return counts, edges


def _interest(record: ExposureRecord) -> tuple[float, float]:
    """The greater the sooner somebody should look."""
    if record.status == "reference":
        return math.inf, 0.0
    left = record.fit_rms or 0.0
    if record.matched_mse is not None and record.diff_im_var:
        left = record.matched_mse / record.diff_im_var
    return float(bool(record.flags)), left if math.isfinite(left) else math.inf
