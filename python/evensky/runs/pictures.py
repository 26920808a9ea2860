"""Small pictures for the report, of a limited number of exposures."""

from __future__ import annotations

__all__ = ["MOST_PICTURES", "Gallery", "Painter"]

import heapq
import math
import threading
from collections.abc import Sequence

import numpy as np

from ..image import Exposure
from ..math.thumbnail import thumbnail
from .record import ExposureRecord, PixelSummary

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
    """

    def __init__(self, most: int = MOST_PICTURES) -> None:
        self._most = most
        self._lock = threading.Lock()
        # A heap: the least interesting record comes first; of equally interesting ones, that with the highest number.
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
    """Maker of small pictures.

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
        hidden = exposure.mask.getPlaneBitMask([name for name in self._hidden if name in planes])
        return thumbnail(exposure.maskedImage, hidden)

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
"""Counts and edges of the histogram of an exposure that has no residuals."""


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
