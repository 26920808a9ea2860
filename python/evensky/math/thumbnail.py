"""Summaries of images for pictures: thumbnails and histograms of differences."""

from __future__ import annotations

__all__ = ["difference_histogram", "thumbnail"]

import numpy as np

from ..image import MaskedImage
from .background import BackgroundControl, makeBackground
from .statistics import IQRANGE, MEDIAN, StatisticsControl, makeStatistics

# Length of the longer side of a thumbnail.
_SIDE = 220
# Number of pixels that are enough for a histogram.
_MOST_PIXELS = 2**24
# Standard deviation of a normal distribution, in units of its interquartile range.
_SIGMA_OF_IQR = 0.741301109252802


def thumbnail(masked_image: MaskedImage, bad: int, side: int = _SIDE) -> np.ndarray:
    """Return the medians of the good pixels in square blocks, NaN for a block without any.

    Parameters
    ----------
    masked_image : MaskedImage
    bad : int
        Bits of the mask that reject a pixel.
    side : int, optional
        Length of the longer side of the thumbnail.

    Returns
    -------
    ndarray of float32
    """
    control = StatisticsControl()
    control.setAndMask(bad)
    width, height = masked_image.getDimensions()
    shrink = max(1.0, max(width, height) / side)
    bins = BackgroundControl(max(1, int(width / shrink)), max(1, int(height / shrink)), control, MEDIAN)
    return np.array(makeBackground(masked_image, bins).getStatsImage().image.array)


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
    rows = slice(None, None, max(1, first.image.array.size // _MOST_PIXELS))
    bad = (first.mask.array[rows] & first_bad) != 0
    bad |= (second.mask.array[rows] & second_bad) != 0
    difference = first.image.array[rows] - second.image.array[rows]
    scatter = makeStatistics(np.ma.MaskedArray(difference, bad), IQRANGE).getValue() * _SIGMA_OF_IQR
    if not np.isfinite(scatter):
        return np.zeros(0), np.zeros(1)
    half = 5.0 * scatter if scatter > 0 else 1.0
    return np.histogram(difference[~bad], bins=101, range=(-half, half))
