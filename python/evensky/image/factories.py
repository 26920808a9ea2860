"""Functions of ``lsst.afw.image`` that make images from arrays and from planes; pixels are shared, not copied."""

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
    """Make an image of the dtype of an array; it shares the pixels of the array."""
    return Image(array)


def makeMaskFromArray(array: np.ndarray) -> Mask:
    """Make a mask that shares the pixels of an int32 array."""
    return Mask(array)


def makeMaskedImage(image: Image, mask: Mask | None = None, variance: Image | None = None) -> MaskedImage:
    """Make a masked image from planes of the same size."""
    return MaskedImage(image, mask, variance)


def makeMaskedImageFromArrays(
    image: np.ndarray, mask: np.ndarray | None = None, variance: np.ndarray | None = None
) -> MaskedImage:
    """Make a masked image that shares the pixels of arrays of the same shape."""
    return MaskedImage(Image(image), mask, variance)


def makeExposure(maskedImage: MaskedImage, wcs: Any = None) -> Exposure:
    """Make an exposure from a masked image, optionally with a WCS."""
    return Exposure(maskedImage, wcs)
