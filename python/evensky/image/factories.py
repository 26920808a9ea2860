"""The original's functions that make images of arrays and of each other; pixels are shared, not copied."""

from __future__ import annotations

__all__ = [
    "makeExposure",
    "makeImageFromArray",
    "makeMaskFromArray",
    "makeMaskedImage",
    "makeMaskedImageFromArrays",
]

from typing import Any

import numpy as np

from .exposure import Exposure
from .image import Image
from .mask import Mask
from .masked_image import MaskedImage


def makeImageFromArray(array: np.ndarray) -> Image:
    """The image of the array's kind over its pixels."""
    return Image(array)


def makeMaskFromArray(array: np.ndarray) -> Mask:
    """The mask over an int32 array's pixels."""
    return Mask(array)


def makeMaskedImage(image: Image, mask: Mask | None = None, variance: Image | None = None) -> MaskedImage:
    """The masked image of planes of one size."""
    return MaskedImage(image, mask, variance)


def makeMaskedImageFromArrays(
    image: np.ndarray, mask: np.ndarray | None = None, variance: np.ndarray | None = None
) -> MaskedImage:
    """The masked image over arrays of one shape."""
    return MaskedImage(Image(image), mask, variance)


def makeExposure(maskedImage: MaskedImage, wcs: Any = None) -> Exposure:
    """The exposure of a masked image, with a WCS where there is one."""
    return Exposure(maskedImage, wcs)
