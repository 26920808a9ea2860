"""The match of exposures whose pixels are on disk: by bands, the same numbers."""

from __future__ import annotations

__all__ = ["match_on_disk"]

from collections.abc import Iterator

import numpy as np

from .. import _core
from ..image import Exposure
from ..io.scratch import Scratch

# So many pixels of a plane are in memory at a time.
_BAND_PIXELS = 2**23


def _bands(height: int, width: int) -> Iterator[slice]:
    rows = max(1, _BAND_PIXELS // max(width, 1))
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))


def match_on_disk(reference: Exposure, science: Exposure, options: _core.PairOptions) -> _core.PairResult:
    """Match one exposure to the reference, in place, as `_core.matchBackgrounds` does.

    The core reads both exposures' planes side by side, several times. Where they are files that do not fit into memory
    the system would read them from disk again and again. So the difference is made first, and the sum of the
    variances, as planes of their own, NaN where a pixel is bad in either; the core reads those one after the other. The
    model comes back in the place of the difference.

    Parameters
    ----------
    reference : Exposure
    science : Exposure
        Its info says which folder has its pixels.
    options : _core.PairOptions

    Returns
    -------
    _core.PairResult
        With the bits that the match in memory has.
    """
    image, mask, variance = science.maskedImage.getArrays()
    ref_image, ref_mask, ref_variance = reference.maskedImage.getArrays()
    height, width = image.shape
    scratch = Scratch(science.info.scratch)
    difference, summed = scratch.zeros(image.shape, image.dtype), scratch.zeros(image.shape, np.float32)
    ref_bad, bad = np.int32(options.referenceBadMask), np.int32(options.scienceBadMask)
    for rows in _bands(height, width):
        rejected = (ref_mask[rows] & ref_bad) != 0
        rejected |= (mask[rows] & bad) != 0
        with np.errstate(invalid="ignore", over="ignore"):
            band = np.subtract(ref_image[rows], image[rows], dtype=image.dtype, casting="unsafe")
            band[rejected] = np.nan
            difference[rows] = band
            variances = np.add(ref_variance[rows], variance[rows], dtype=np.float32)
            variances[rejected] = np.nan
            summed[rows] = variances
    # Nothing is subtracted from the difference, and nothing added to the sum: one row of zeros for all.
    nothing = np.broadcast_to(np.zeros(width, image.dtype), image.shape)
    no_variance = np.broadcast_to(np.zeros(width, np.float32), image.shape)
    x0, y0 = science.getXY0()
    result = _core.matchBackgrounds(
        (difference, None, summed), (nothing, None, no_variance), difference, x0, y0, options
    )
    for rows in _bands(height, width):
        with np.errstate(invalid="ignore", over="ignore"):
            image[rows] += difference[rows]
    return result
