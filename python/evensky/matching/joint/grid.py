"""Grid of bins that all exposures share on their common pixel grid."""

from __future__ import annotations

__all__ = ["CommonGrid", "PixelBox", "around", "common_box", "narrowest_overlap"]

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import OutOfRangeError

# (x0, y0, width, height): the form in which boxes are passed to the core.
PixelBox = tuple[int, int, int, int]

# Automatic bins: number along the shorter side of an exposure, and limits of their size.
_BINS_ALONG_SIDE = 16
_SMALLEST, _LARGEST = 16, 256
_BINS_ACROSS_OVERLAP = 5


def common_box(a: PixelBox, b: PixelBox) -> PixelBox | None:
    """Return the intersection of two boxes; None if they do not overlap."""
    x0, y0 = max(a[0], b[0]), max(a[1], b[1])
    x1, y1 = min(a[0] + a[2], b[0] + b[2]), min(a[1] + a[3], b[1] + b[3])
    return (x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else None


# A bin's number combines those of its row and its column, both of which may be negative.
_HALF = 2**30


def around(boxes: Iterable[PixelBox]) -> PixelBox:
    """Return the smallest box that holds all boxes."""
    corners = np.array([(x0, y0, x0 + width, y0 + height) for x0, y0, width, height in boxes])
    (x0, y0), (x1, y1) = corners[:, :2].min(axis=0).tolist(), corners[:, 2:].max(axis=0).tolist()
    return x0, y0, x1 - x0, y1 - y0


def narrowest_overlap(boxes: Sequence[PixelBox]) -> int | None:
    """Return the width of the narrowest overlap that is needed to connect exposures; None if none overlap.

    Of several chains of overlaps that connect two exposures, the one with the largest overlaps counts (a maximum
    spanning tree), so that the corners of a mosaic, where diagonal neighbours meet, do not matter.

    Parameters
    ----------
    boxes : sequence of (x0, y0, width, height)
    """
    if len(boxes) < 2:
        return None
    start = np.array([box[:2] for box in boxes], float)
    end = start + np.array([box[2:] for box in boxes], float)
    best, across = np.zeros((2, len(boxes)))  # area and width of the largest overlap with an exposure of the tree
    left = np.ones(len(boxes), bool)
    narrowest = np.inf
    while left.any():
        new = int(np.argmax(np.where(left, best, -1.0)))
        if best[new] > 0:
            narrowest = min(narrowest, across[new])
        left[new] = False
        sides = np.maximum(np.minimum(end, end[new]) - np.maximum(start, start[new]), 0)
        areas = sides.prod(axis=1)
        larger = areas > best
        best[larger], across[larger] = areas[larger], sides.min(axis=1)[larger]
    return int(narrowest) if np.isfinite(narrowest) else None


@dataclass(frozen=True)
class CommonGrid:
    """Square bins over the whole plane of pixels; one of them begins at pixel (0, 0).

    Attributes
    ----------
    bin_size : int
        Side length in pixels.
    """

    bin_size: int

    @classmethod
    def fitting(cls, width: int, height: int, fields: Iterable[Sequence[PixelBox]] = ()) -> CommonGrid:
        """Make a grid of 16 bins along the shorter side of an exposure, with a bin size of 16 to 256 px.

        Parameters
        ----------
        width, height : int
            Size of the exposure in pixels.
        fields : iterable of sequence of (x0, y0, width, height), optional
            Boxes of all exposures of each field. Bins are smaller, so that at least five fit across the narrowest
            overlap that is needed to connect the exposures of a field: two bins hardly determine a slope.
        """
        size = round(min(width, height) / _BINS_ALONG_SIDE)
        narrowest = [overlap for overlap in map(narrowest_overlap, fields) if overlap is not None]
        size = min([size, *(overlap // _BINS_ACROSS_OVERLAP for overlap in narrowest)])
        return cls(int(np.clip(size, _SMALLEST, _LARGEST)))

    def edges(self, box: PixelBox) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the bins in a box of pixels.

        Returns
        -------
        x_edges, y_edges : ndarray of int
            Starts of the bins and the end of the last, in pixels from the corner of `box`; bins are cut at its edges.
        numbers : ndarray of int, shape (len(y_edges) - 1, len(x_edges) - 1)
            Numbers of the bins.

        Raises
        ------
        evensky.errors.OutOfRangeError
            If the box is so far from the origin that its bins have no numbers.
        """
        x_edges, first_column = self._along(box[0], box[2])
        y_edges, first_row = self._along(box[1], box[3])
        rows = first_row + np.arange(len(y_edges) - 1) + _HALF
        columns = first_column + np.arange(len(x_edges) - 1) + _HALF
        return x_edges, y_edges, rows[:, None] * (2 * _HALF) + columns[None, :]

    @staticmethod
    def places(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns and rows of bins; the bin that begins at pixel (0, 0) is at (0, 0)."""
        return numbers % (2 * _HALF) - _HALF, numbers // (2 * _HALF) - _HALF

    def centres(self, numbers: np.ndarray, box: PixelBox) -> tuple[np.ndarray, np.ndarray]:
        """Return the centres of those parts of bins that are in a box.

        Parameters
        ----------
        numbers : ndarray of int, shape (n,)
            Numbers of the bins.
        box : (x0, y0, width, height)

        Returns
        -------
        x, y : ndarray, shape (n,)
        """
        found = []
        for index, start, size in zip(self.places(numbers), box[:2], box[2:], strict=True):
            first = index * self.bin_size
            low, high = np.maximum(first, start), np.minimum(first + self.bin_size, start + size)
            found.append((low + high - 1) / 2)
        return found[0], found[1]

    def _along(self, start: int, size: int) -> tuple[np.ndarray, int]:
        first = start // self.bin_size
        if not -_HALF <= first <= _HALF - 1 - size // self.bin_size:
            raise OutOfRangeError(
                f"An exposure begins at pixel {start}, which is in bin {first} of {self.bin_size} px; bins are "
                f"numbered from {-_HALF} to {_HALF - 1}"
            )
        inner = np.arange((first + 1) * self.bin_size, start + size, self.bin_size) - start
        return np.concatenate([[0], inner, [size]]), first
