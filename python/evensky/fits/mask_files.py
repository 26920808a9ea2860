"""Reading of a mask by itself: that of an exposure, or the only image of a file."""

from __future__ import annotations

__all__ = ["MaskPlane", "read_mask_plane"]

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FitsError
from .companions import split_extension
from .descriptions import ImageDescription, MaskDescription
from .hdus import Plane, listed, named_headers, planes_of
from .headers import origin_of
from .mask_bits import named_planes
from .opening import opened_headers, quiet
from .plane_search import find_hdu
from .planes import read_mask
from .scratch import Scratch


@dataclass
class MaskPlane:
    """A mask as plain arrays.

    Attributes
    ----------
    bits : ndarray of int32, shape (height, width)
    planes : dict of str to int or None
        Numbers of the planes; None if the file names none.
    x0, y0 : int
        Pixel origin.
    header : astropy.io.fits.Header
    """

    bits: np.ndarray
    planes: dict[str, int] | None
    x0: int
    y0: int
    header: Any


def _choice(planes: list[Plane], path: Path) -> int:
    """Return the HDU of the mask in a file: the only one that is marked as a mask, or the only image."""
    masks = [plane for plane in planes if plane.kind == "mask"] or planes
    if len(masks) == 1:
        return masks[0].index
    names = listed(plane.name for plane in masks) or "none"
    raise FitsError(f"{path}: {len(masks)} HDUs could be the mask ({names}); one must be named: Mask(path, hdu)")


def read_mask_plane(path: str | Path, hdu: int | str | None = None) -> MaskPlane:
    """Read a mask from a FITS file.

    Parameters
    ----------
    path : str or Path
        The file. ``file.fits[MASK]`` is the same as ``hdu="MASK"``.
    hdu : int or str, optional
        Number, counted from 0, or name of the HDU; by default that of the only mask, or of the only image.

    Returns
    -------
    MaskPlane

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing or broken, it is not clear which HDU holds the mask, or its pixels are not whole numbers.
    """
    file, extension = split_extension(Path(path))
    chosen = hdu if extension is None else extension
    with opened_headers(file) as hdus:
        planes = [plane for plane in planes_of(hdus) if plane.two_axes]
        number = _choice(planes, file) if chosen is None else find_hdu(named_headers(hdus), chosen, file)
        plane = next((one for one in planes if one.index == number), None)
        if plane is None:
            raise FitsError(f"{file}: HDU {number} is no image of two dimensions")
        with quiet():
            names = named_planes(plane.header, file)
            x0, y0 = origin_of(plane.header, file)
        image = ImageDescription(file, number, plane.name, "", (plane.shape[0], plane.shape[1]), "mask")
        description = MaskDescription(file, number, plane.name, names, 0, ())
        bits, found = read_mask(hdus[number], description, image, Scratch(None))
        return MaskPlane(bits, found, x0, y0, plane.header.copy())
