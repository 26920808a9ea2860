"""Images whose pixels are on disk."""

from __future__ import annotations

__all__ = ["is_on_disk", "planes_to_measure", "without_variance"]

from typing import Any

import numpy as np

from ..fits.scratch import ScratchPlane
from ._pixels import PixelPlane
from .image import ImageF
from .mask import Mask
from .masked_image import MaskedImage


def is_on_disk(image: Any) -> bool:
    """Return whether the pixels of an image, or of the image of a masked image, are on disk."""
    plane = image if isinstance(image, PixelPlane) else getattr(image, "image", None)
    return isinstance(plane, PixelPlane) and isinstance(plane.bands, ScratchPlane)


def planes_to_measure(masked_image: Any) -> tuple[Any, ...]:
    """Return the first arguments of ``makeStatistics`` for the good pixels of a masked image.

    They are the masked image itself or, if it is on disk, maps of its image and its mask: one of the variance, which
    such statistics do not use, would need address space, and room on the disk if there are no variances.

    Parameters
    ----------
    masked_image : MaskedImage

    Returns
    -------
    tuple
        The masked image, or two arrays.
    """
    if not is_on_disk(masked_image):
        return (masked_image,)
    return tuple(plane.bands.mapped(to_change=False) for plane in (masked_image.image, masked_image.mask))


def without_variance(masked_image: MaskedImage) -> MaskedImage:
    """Return a masked image for computations that do not use its variances.

    It is the masked image itself or, if that is on disk, one of maps of its image and its mask, with variances of 0
    that take no memory.

    Parameters
    ----------
    masked_image : MaskedImage

    Returns
    -------
    MaskedImage
        To be read only.
    """
    if not is_on_disk(masked_image):
        return masked_image
    pixels, bits = planes_to_measure(masked_image)
    mask = Mask(bits, mask_planes=masked_image.mask.getMaskPlaneDict())
    zeros = np.broadcast_to(np.zeros(1, np.float32), pixels.shape)
    made = type(masked_image)._of(type(masked_image.image)._of(pixels), mask, ImageF._of(zeros))
    made.setXY0(masked_image.getXY0())
    return made
