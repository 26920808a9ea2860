"""Summaries of images for pictures: means in blocks and histograms of differences."""

from __future__ import annotations

__all__ = ["Blocks", "block_means", "difference_histogram"]

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .._bands import row_bands
from ..image import MaskedImage
from .statistics import IQRANGE, makeStatistics

# Number of pixels that are enough for a histogram: the fullest bin has 5000, and an error of 1.4 %.
_MOST_PIXELS, _BINS = 2**17, 101
# Standard deviation of a normal distribution, in units of its interquartile range.
_SIGMA_OF_IQR = 0.741301109252802


@dataclass(frozen=True)
class Blocks:
    """Blocks of pixels along one axis of an image.

    Attributes
    ----------
    first : int
        Number of the first block on an axis that several images share.
    pieces : tuple of (start, count, size)
        Runs of blocks: the first pixel, the number of blocks, and the number of pixels in each.
    """

    first: int
    pieces: tuple[tuple[int, int, int], ...]

    @classmethod
    def along(cls, size: int, side: int, offset: int = 0) -> Blocks:
        """Divide an axis into blocks, whose edges are the same in all images of one pixel grid.

        A part of a block at an end counts if it is at least half of one, or if there is no other block.

        Parameters
        ----------
        size : int
            Number of pixels.
        side : int
            Number of pixels in a block.
        offset : int, optional
            Position of the first pixel on the shared axis, on which block 0 begins at 0.
        """
        lead = -offset % side
        whole = (size - lead) // side
        if whole < 1 and max(lead, size - lead) < side / 2:
            return cls((offset + size // 2) // side, ((0, 1, size),))
        if whole < 1 and lead >= size:  # the image is inside one block
            return cls(offset // side, ((0, 1, size),))
        rest = size - lead - whole * side
        pieces = []
        first = (offset + lead) // side
        if 2 * lead >= side:
            pieces.append((0, 1, lead))
            first -= 1
        if whole > 0:
            pieces.append((lead, whole, side))
        if 2 * rest >= side:
            pieces.append((size - rest, 1, rest))
        return cls(first, tuple(pieces))

    @property
    def count(self) -> int:
        """Number of blocks."""
        return sum(count for _, count, _ in self.pieces)

    def runs(self) -> Iterator[tuple[slice, int, int, int]]:
        """Yield for each run the slice of its blocks, the first pixel, the number of blocks and their size."""
        at = 0
        for start, count, size in self.pieces:
            yield slice(at, at + count), start, count, size
            at += count


def block_means(masked_image: MaskedImage, bad: int, rows: Blocks, columns: Blocks) -> NDArray[np.float32]:
    """Return the means of the good pixels in blocks, NaN for a block without any.

    Few rows of an image on disk are in memory at a time.

    Parameters
    ----------
    masked_image : MaskedImage
    bad : int
        Bits of the mask that reject a pixel; those that are not finite never count.
    rows, columns : Blocks

    Returns
    -------
    ndarray of float32
    """
    image, mask = masked_image.image.bands, masked_image.mask.bands
    means = np.empty((rows.count, columns.count), np.float32)
    for y, first_row, count, height in rows.runs():
        for some in row_bands(count, height * image.shape[1]):
            band = slice(first_row + some.start * height, first_row + some.stop * height)
            pixels, bits = image[band], mask[band]
            for x, first_column, number, width in columns.runs():
                across = slice(first_column, first_column + number * width)
                out = np.empty((some.stop - some.start, number), pixels.dtype)
                piece = pixels[:, across], bits[:, across], None
                _core.bin_image((out, None, None), piece, width, height, (bad, 0))
                means[y.start + some.start : y.start + some.stop, x] = out
    return means


def difference_histogram(
    first: MaskedImage, second: MaskedImage, first_bad: int, second_bad: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the histogram of first - second over the pixels that are good in both: counts and edges.

    The histogram spans five standard deviations, estimated from the quartiles, on both sides of 0. It is empty if no
    pixel is good in both images. Only some rows of a very large image are read.

    Parameters
    ----------
    first, second : MaskedImage
        Images of one size.
    first_bad, second_bad : int
        Bits of their masks that reject a pixel.
    """
    rows = slice(None, None, max(1, first.image.bands.size // _MOST_PIXELS))
    bad = (first.mask.bands[rows] & first_bad) != 0
    bad |= (second.mask.bands[rows] & second_bad) != 0
    difference = first.image.bands[rows] - second.image.bands[rows]
    scatter = makeStatistics(np.ma.MaskedArray(difference, bad), IQRANGE).getValue() * _SIGMA_OF_IQR
    if not np.isfinite(scatter):
        return np.zeros(0), np.zeros(1)
    half = 5.0 * scatter if scatter > 0 else 1.0
    edges = np.linspace(-half, half, _BINS + 1)
    place = (difference[~bad] + half) * (_BINS / (2 * half))
    # Ten times as fast as numpy's histogram, which looks every value up in the edges again.
    numbers = np.minimum(place[(place >= 0) & (place <= _BINS)], _BINS - 1).astype(np.intp)
    return np.bincount(numbers, minlength=_BINS), edges
