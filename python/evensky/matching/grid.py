"""Bins that all exposures share, wherever they lie on their common pixel grid."""

from __future__ import annotations

__all__ = ["CommonGrid", "PixelBox", "common_box"]

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# (x0, y0, width, height), as boxes cross the border to the core.
PixelBox = tuple[int, int, int, int]

# Automatic bins: so many along the shorter side of an exposure, between these sizes.
_BINS_ALONG_SIDE = 16
_SMALLEST, _LARGEST = 16, 256


def common_box(a: PixelBox, b: PixelBox) -> PixelBox | None:
    """What two boxes have in common; None where that is nothing."""
    x0, y0 = max(a[0], b[0]), max(a[1], b[1])
    x1, y1 = min(a[0] + a[2], b[0] + b[2]), min(a[1] + a[3], b[1] + b[3])
    return (x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else None


@dataclass(frozen=True)
class CommonGrid:
    """Square bins over a plane of pixels.

    Attributes
    ----------
    x0, y0 : int
        Pixel at the corner of the first bin.
    bin_size : int
        Pixels along a side.
    columns, rows : int
        Number of bins.
    """

    x0: int
    y0: int
    bin_size: int
    columns: int
    rows: int

    @classmethod
    def over(cls, boxes: Iterable[PixelBox], bin_size: int | None = None) -> CommonGrid:
        """The bins that cover all boxes, counted from their lowest corner.

        Parameters
        ----------
        boxes : iterable of (x0, y0, width, height)
        bin_size : int, optional
            Pixels along a side; where left out, 16 bins along the shorter side of the smallest box, of 16 to 256 px.
        """
        boxes = list(boxes)
        x0, y0 = min(box[0] for box in boxes), min(box[1] for box in boxes)
        x1, y1 = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
        if bin_size is None:
            shorter = min(min(box[2:]) for box in boxes)
            bin_size = int(np.clip(round(shorter / _BINS_ALONG_SIDE), _SMALLEST, _LARGEST))
        return cls(x0, y0, bin_size, -(-(x1 - x0) // bin_size), -(-(y1 - y0) // bin_size))

    def edges(self, box: PixelBox) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The bins in a box of pixels.

        Returns
        -------
        x_edges, y_edges : ndarray of int
            Where they begin, and the end of the last, in pixels from the corner of `box`; bins end where the box does.
        numbers : ndarray of int, shape (len(y_edges) - 1, len(x_edges) - 1)
            Which bins of the grid these are.
        """
        x_edges, first_column = self._along(box[0] - self.x0, box[2])
        y_edges, first_row = self._along(box[1] - self.y0, box[3])
        rows = first_row + np.arange(len(y_edges) - 1)
        columns = first_column + np.arange(len(x_edges) - 1)
        return x_edges, y_edges, rows[:, None] * self.columns + columns[None, :]

    def _along(self, start: int, size: int) -> tuple[np.ndarray, int]:
        first = start // self.bin_size
        inner = np.arange((first + 1) * self.bin_size, start + size, self.bin_size) - start
        return np.concatenate([[0], inner, [size]]), first
