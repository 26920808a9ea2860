"""Images turned by right angles and mirrored, with the names of ``lsst.afw.math``."""

from __future__ import annotations

__all__ = ["flipImage", "rotateImageBy90"]

from collections.abc import Callable
from typing import Any

import numpy as np

from .._checks import whole_number
from ..errors import InvalidParameterError
from ..image import Exposure, Image, Mask, MaskedImage
from ..image.foreign import native_array


def flipImage(inImage: Any, flipLR: bool, flipTB: bool) -> Any:
    """Return a mirrored copy of an image.

    Parameters
    ----------
    inImage : Image, Mask, MaskedImage or 2-D array-like
    flipLR : bool
        Whether to exchange left and right: the first column becomes the last.
    flipTB : bool
        Whether to exchange top and bottom: the first row becomes the last.

    Returns
    -------
    Image, Mask or MaskedImage
        Image of the same kind, size and origin; an `Image` for an array.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `inImage` is none of these; an exposure has a WCS, which would be wrong.

    Examples
    --------
    >>> import numpy as np
    >>> flipImage(np.array([[1.0, 2.0], [3.0, 4.0]]), True, False).array.tolist()
    [[2.0, 1.0], [4.0, 3.0]]
    """
    rows, columns = (slice(None, None, -1 if flip else None) for flip in (flipTB, flipLR))
    flipped = _rearranged(inImage, lambda array: array[rows, columns])
    flipped.setXY0(getattr(inImage, "getXY0", flipped.getXY0)())
    return flipped


def rotateImageBy90(inImage: Any, nQuarter: int) -> Any:
    """Return a copy of an image that is turned counter-clockwise by a number of right angles.

    Parameters
    ----------
    inImage : Image, Mask, MaskedImage or 2-D array-like
    nQuarter : int
        Number of right angles; negative numbers turn clockwise.

    Returns
    -------
    Image, Mask or MaskedImage
        Image of the same kind; an `Image` for an array. If `nQuarter` is a multiple of 4, it has the origin of
        `inImage`; otherwise its origin is (0, 0).

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `inImage` is none of these, or `nQuarter` is not a whole number.

    Examples
    --------
    The first pixel, at the lower left, moves to the lower right:

    >>> import numpy as np
    >>> rotateImageBy90(np.array([[9.0, 2.0], [3.0, 4.0]]), 1).array.tolist()
    [[3.0, 9.0], [4.0, 2.0]]
    """
    quarters = whole_number(nQuarter, "nQuarter") % 4
    if quarters == 0:
        return flipImage(inImage, False, False)
    # Rows are counted upwards, so that this turn is clockwise for numpy.
    return _rearranged(inImage, lambda array: np.rot90(array, -quarters))


def _rearranged(image: Any, rearrange: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Return an image with origin (0, 0) whose planes are copies of rearranged planes."""
    if isinstance(image, MaskedImage):
        planes = (_rearranged(plane, rearrange) for plane in (image.image, image.mask, image.variance))
        return type(image)(*planes)
    if isinstance(image, Mask):
        own = image.getMaskPlaneDict()
        return Mask(rearrange(image.array).copy(), mask_planes=None if own == Mask.getMaskPlaneDict() else own)
    if isinstance(image, Image):
        return type(image)(rearrange(image.array).copy())
    if isinstance(image, Exposure):
        raise InvalidParameterError(
            "inImage is an Exposure, whose WCS and detector would be wrong afterwards; pass its maskedImage"
        )
    array = native_array(image)
    if array.ndim != 2:
        raise InvalidParameterError(f"inImage has {array.ndim} dimensions; it must be an image or a 2-D array")
    return Image(rearrange(array).copy())
