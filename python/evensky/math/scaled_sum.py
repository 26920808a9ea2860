"""Scaled sums of images, with the names of ``lsst.afw.math``."""

from __future__ import annotations

__all__ = ["scaledPlus"]

from typing import Any

import numpy as np

from .._checks import real_number
from ..errors import InvalidParameterError
from ..image import Image, Mask, MaskedImage


def scaledPlus(outImage: Any, c1: float, inImage1: Any, c2: float, inImage2: Any) -> None:
    """Compute ``outImage = c1 * inImage1 + c2 * inImage2``, pixel by pixel; origins play no part.

    Parameters
    ----------
    outImage : Image or MaskedImage
        Image to write into; may be one of the others. Its dtype may differ from theirs.
    c1, c2 : float
        Factors.
    inImage1, inImage2 : Image or MaskedImage
        Images to add, of the size of `outImage`; masked images if `outImage` is one. Masks are combined by OR, with
        planes matched by name, and variances are added with the squares of the factors.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the sizes differ, or the images are not all of one kind.
    evensky.errors.OutOfRangeError
        If the dtype of `outImage` cannot hold a sum.
    """
    factors = [real_number(c1, "c1"), real_number(c2, "c2")]
    images = [outImage, inImage1, inImage2]
    kind = MaskedImage if isinstance(outImage, MaskedImage) else Image
    if not all(isinstance(image, kind) for image in images):
        raise InvalidParameterError(
            f"The images are {', '.join(type(image).__name__ for image in images)}; all must be images, or all masked "
            "images"
        )
    sizes = [image.getDimensions() for image in images]
    if sizes.count(sizes[0]) != 3:
        raise InvalidParameterError(
            f"The images are {', '.join(f'{size.x} x {size.y}' for size in sizes)}; all must be equal"
        )
    if kind is Image:
        outImage.array = _sum(factors, [inImage1.array, inImage2.array])
        return
    mask = Mask(inImage1.mask, True)
    mask |= inImage2.mask
    bits = outImage.mask.bits_of(mask)
    outImage.image.array = _sum(factors, [inImage1.image.array, inImage2.image.array])
    squares = [factor**2 for factor in factors]
    outImage.variance.array = _sum(squares, [inImage1.variance.array, inImage2.variance.array])
    outImage.mask.array[...] = bits


def _sum(factors: list[float], arrays: list[np.ndarray]) -> np.ndarray:
    first, second = (array.astype(np.float64) for array in arrays)
    with np.errstate(invalid="ignore", over="ignore"):
        return factors[0] * first + factors[1] * second
