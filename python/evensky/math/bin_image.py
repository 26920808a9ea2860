"""Means of images in bins of pixels."""

from __future__ import annotations

__all__ = ["binImage"]

from typing import Any

import numpy as np

from .. import _core
from .._checks import shown, whole_number
from .._core import Property
from ..errors import DomainError, InvalidParameterError
from ..errors import TypeError as WrongTypeError
from ..image.foreign import as_planes
from ..image.image import Image
from ..image.mask import Mask
from ..image.masked_image import MaskedImage
from .stack import arrays_of, new_mask, planes_for_core


def binImage(
    inImage: Any,
    binX: int | None = None,
    binY: int | None = None,
    flags: int = Property.MEAN,
    *,
    binsize: int | None = None,
    bad: int | None = None,
    num_threads: int = 0,
) -> Image | MaskedImage:
    """Average an image in bins of pixels.

    The signatures of ``lsst.afw.math`` are ``binImage(inImage, binsize[, flags])`` and
    ``binImage(inImage, binX, binY[, flags])``. Columns and rows that do not fill a bin are dropped. The result has the
    origin of the image, which is not divided by the size of a bin.

    Parameters
    ----------
    inImage : Image, MaskedImage, Exposure or array-like, shape (height, width)
        Pixels of float32, float64, int32 or uint16.
    binX, binY : int
        Width and height of a bin in pixels; `binY` is equal to `binX` if it is omitted.
    flags : int, optional
        MEAN is the only statistic.
    binsize : int, optional
        Width and height of a bin, in place of `binX` and `binY`.
    bad : int, optional
        Bits of the mask that leave a pixel out; 0 leaves out only what is always left out then, pixels that are NaN or
        infinite. By default all pixels count, whatever their mask, and NaN spreads over its bin. A bin without a pixel
        is NaN, or 0 in images of integers, with variance NaN and mask NO_DATA.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default. Results do not depend on it.

    Returns
    -------
    Image or MaskedImage
        Pixels of the dtype of `inImage` and shape ``(height // binY, width // binX)``; integers are truncated. The mask
        is the OR of the masks in the bin; the variance is the sum of the variances divided by the square of the number
        of pixels, which is the variance of the mean of independent pixels.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `flags` is not MEAN, or the size of a bin is missing or given twice.
    evensky.errors.TypeError
        If the dtype is not supported.
    evensky.errors.DomainError
        If `binX` or `binY` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> import evensky.math as afwMath
    >>> image = np.arange(8.0).reshape(2, 4)
    >>> afwMath.binImage(image, 2).array
    array([[2.5, 4.5]])
    >>> image[0, 0] = np.nan
    >>> afwMath.binImage(image, 2, bad=0).array
    array([[3.33333333, 4.5       ]])
    """
    if isinstance(binY, Property):  # the third argument of the signature with one size
        if flags != Property.MEAN:
            raise InvalidParameterError(f"binY is {shown(binY)}, which is a property; it must be a number of pixels")
        return binImage(inImage, binX, None, binY, binsize=binsize, bad=bad, num_threads=num_threads)
    if binsize is not None:
        if binX is not None or binY is not None:
            raise InvalidParameterError(
                f"Bins are given twice, by binsize = {binsize} and by binX = {binX}, binY = {binY}; give one of the two"
            )
        binX = binsize
    if binX is None:
        raise InvalidParameterError("The size of the bins is missing; give binX and binY, or binsize")
    if flags != Property.MEAN:
        raise InvalidParameterError(
            f"flags is {shown(flags)}; MEAN ({int(Property.MEAN)}) is the only statistic of bins"
        )
    width = whole_number(binX, "binX")
    height = width if binY is None else whole_number(binY, "binY")
    if width <= 0 or height <= 0:
        raise DomainError(f"Bins are {width} x {height} pixels; both sides must be > 0")
    planes = as_planes(inImage)
    if planes.image.dtype == np.uint64:
        raise WrongTypeError("Pixels have dtype uint64; binImage takes float32, float64, int32 or uint16")
    shape = (planes.image.shape[0] // height, planes.image.shape[1] // width)
    result: Image | MaskedImage = Image(np.empty(shape, planes.image.dtype), xy0=(planes.x0, planes.y0))
    exclusion = None if bad is None else (whole_number(bad, "bad") | planes.reject, 0)
    if planes.masked:
        result = MaskedImage(result, new_mask(shape, planes.mask_planes), Image(np.zeros(shape, np.float32)))
        if exclusion is not None:
            exclusion = (exclusion[0], _no_data(result.mask))
    _core.bin_image(arrays_of(result), planes_for_core(planes), width, height, exclusion, num_threads)
    return result


def _no_data(mask: Mask) -> int:
    """Return the bit of plane NO_DATA, which is added if the mask lacks it."""
    mask.addMaskPlane("NO_DATA")
    bits: int = mask.getPlaneBitMask("NO_DATA")
    return bits
