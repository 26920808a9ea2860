"""Plain planes, without a copy, of anything image-like: arrays, astropy's ``NDData``, images of ``lsst.images``.

No package is imported to recognise an object.
"""

from __future__ import annotations

__all__ = [
    "PIXEL_DTYPES",
    "Planes",
    "as_planes",
    "is_lsst_images",
    "is_nddata",
    "mask_planes_of",
    "native_array",
    "planes_of_lsst_images",
]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import shown, whole_number
from ..errors import InvalidParameterError
from ..geom import Extent2I
from ._pixels import check_same_size, regular
from .exposure import Exposure
from .image import Image
from .lsst_masks import bits_of_mask
from .mask import Mask
from .masked_image import MaskedImage

PIXEL_DTYPES = tuple(np.dtype(kind) for kind in (np.float32, np.float64, np.int32, np.uint16, np.uint64))

# Conversion of other types to the smallest type that holds all their values. No type of PIXEL_DTYPES holds all signed
# 64-bit integers; float64 holds them exactly up to 2**53.
_CONVERSIONS = {
    "b1": np.int32,
    "i1": np.int32,
    "i2": np.int32,
    "u1": np.int32,
    "u4": np.uint64,
    "i8": np.float64,
    "f2": np.float32,
}


@dataclass(slots=True)
class Planes:
    """Planes of an image.

    Attributes
    ----------
    image : ndarray, shape (height, width)
        Pixels of one of `PIXEL_DTYPES`, in native byte order, with any strides.
    mask : ndarray of int32 or None
    variance : ndarray of float32 or None
    mask_planes : mapping of str to int or None
        Numbers of the mask planes; None if they have no names.
    x0, y0 : int
        Pixel origin.
    reject : int
        Bits that reject a pixel in addition to those of the caller, as a boolean mask has no planes to choose from.
    unit : str
        Unit of the pixels; "" if unknown.
    """

    image: np.ndarray
    mask: np.ndarray | None = None
    variance: np.ndarray | None = None
    mask_planes: Mapping[str, int] | None = None
    x0: int = 0
    y0: int = 0
    reject: int = 0
    unit: str = ""


def native_array(array: Any) -> np.ndarray:
    """Convert an array to a type with which the core computes; return an array of such a type itself.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For complex numbers, strings and objects; the message holds the dtype.
    """
    given = regular(array)
    if given.dtype in PIXEL_DTYPES:  # these are native types, which are not equal to types of another byte order
        return given
    native = given.dtype.newbyteorder("=")
    if native in PIXEL_DTYPES:
        return given.astype(native)
    if (kind := _CONVERSIONS.get(f"{native.kind}{native.itemsize}")) is not None:
        return given.astype(kind)
    if native.kind == "f":
        return given.astype(np.float64)
    raise InvalidParameterError(
        f"Pixels have dtype {given.dtype}; they must be real numbers (float32, float64, int32, uint16 and uint64 are "
        "used as they are)"
    )


def is_nddata(obj: Any) -> bool:
    """Return whether an object is like astropy's ``NDData``, without importing astropy."""
    return not isinstance(obj, np.ndarray) and all(hasattr(obj, name) for name in ("data", "mask", "uncertainty"))


def is_lsst_images(obj: Any) -> bool:
    """Return whether an object is like an image of ``lsst.images``, without importing that package."""
    if not all(hasattr(obj, name) for name in ("bbox", "sky_projection", "unit")):
        return False
    return hasattr(obj, "array") or all(hasattr(obj, name) for name in ("image", "mask", "variance"))


def mask_planes_of(meta: Any) -> dict[str, int] | None:
    """Read the numbers of mask planes from the ``MP_`` cards of a header; return None if there are none.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the number of a plane is not an integer.
    """
    cards = {name[3:]: meta[name] for name in meta if isinstance(name, str) and name.startswith("MP_")}
    return {name: whole_number(number, f"MP_{name}") for name, number in cards.items()} or None


def as_planes(obj: Any) -> Planes:
    """Return the planes of anything image-like.

    Parameters
    ----------
    obj : image-like
        `Image`, `MaskedImage` or `Exposure`; a two-dimensional numpy array or nested list; `numpy.ma.MaskedArray`; a
        ``Quantity``; an object that resembles ``NDData`` of astropy (attributes ``data``, ``mask``, ``uncertainty``;
        the bits of ``flags`` are used in addition to the mask, and ``MP_`` cards of ``meta`` name their planes); an
        image of ``lsst.images``.

    Returns
    -------
    Planes
        The pixels are shared with `obj`, unless their dtype or byte order requires a conversion.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the object does not have two dimensions, or its pixels are not real numbers.
    """
    if isinstance(obj, Image):
        return Planes(obj._array, x0=obj._xy0._x, y0=obj._xy0._y)
    if type(obj) is np.ndarray:
        return Planes(_two_dimensional(obj))
    if is_lsst_images(obj):
        return planes_of_lsst_images(obj)
    if isinstance(obj, Exposure):
        obj = obj.maskedImage
    if isinstance(obj, MaskedImage):
        image, mask = obj.image, obj.mask
        x0, y0 = image._xy0
        return Planes(image._array, mask._array, obj.variance._array, mask._planes, x0, y0)
    if isinstance(obj, np.ma.MaskedArray):
        planes = Planes(_two_dimensional(obj.data))
        if obj.mask is not np.ma.nomask:
            planes.mask, planes.reject = np.asarray(obj.mask).astype(np.int32), 1
        return planes
    if is_nddata(obj):
        return _from_nddata(obj)
    unit = getattr(obj, "unit", None)
    return Planes(_two_dimensional(getattr(obj, "value", obj)), unit="" if unit is None else str(unit))


def _two_dimensional(array: Any) -> np.ndarray:
    given = native_array(array)
    if given.ndim != 2:
        raise InvalidParameterError(f"The array has shape {given.shape}; an image has two dimensions")
    return given


def _from_nddata(data: Any) -> Planes:
    planes = Planes(_two_dimensional(data.data), unit="" if data.unit is None else str(data.unit))
    mask, flags = data.mask, getattr(data, "flags", None)
    if isinstance(flags, np.ndarray) and flags.dtype.kind in "iu":
        # CCDData converts every mask to boolean, so bits are in its flags; pixels that the mask rejects get all bits.
        planes.mask, planes.mask_planes = Mask(_of_size(flags, planes, "flags"))._array, mask_planes_of(data.meta)
        if mask is not None:
            planes.mask = np.where(_of_size(mask, planes, "mask"), np.int32(-1), planes.mask)
    elif mask is not None:
        bits = _of_size(mask, planes, "mask")
        if bits.dtype == np.bool_:
            planes.mask, planes.reject = bits.astype(np.int32), 1
        else:
            planes.mask, planes.mask_planes = Mask(bits)._array, mask_planes_of(data.meta)
    if data.uncertainty is not None:
        planes.variance = _variance_of(data.uncertainty)
    return planes


def _of_size(mask: Any, planes: Planes, name: str) -> np.ndarray:
    """Return a mask in the size of the image; a single value applies to all pixels."""
    given = regular(mask)
    if given.ndim not in (0, 2):
        raise InvalidParameterError(f"The {name} has shape {given.shape}; an image has two dimensions")
    if given.ndim == 2:
        size, other = (Extent2I(*array.shape[::-1]) for array in (given, planes.image))
        check_same_size(f"The {name}", size, "the image", other)
    return np.broadcast_to(given, planes.image.shape)


def _variance_of(uncertainty: Any) -> np.ndarray:
    array = regular(uncertainty.array)
    if array.dtype.kind not in "biuf":
        raise InvalidParameterError(f"The uncertainty has dtype {array.dtype}; it must be real numbers")
    match uncertainty.uncertainty_type:
        case "std":
            variance = np.square(array, dtype=np.float64)
        case "var":
            variance = array
        case "ivar":
            with np.errstate(divide="ignore"):
                variance = np.where(array > 0, 1.0 / np.asarray(array, dtype=np.float64), np.inf)
        case kind:
            raise InvalidParameterError(f"The uncertainty is of type {kind!r}; it must be std, var or ivar")
    return np.asarray(variance, dtype=np.float32)


def planes_of_lsst_images(image: Any) -> Planes:
    """Return the planes of an ``Image``, ``MaskedImage`` or ``VisitImage`` of ``lsst.images``.

    Parameters
    ----------
    image : lsst.images.Image or lsst.images.MaskedImage

    Returns
    -------
    Planes
        Pixels of the image are shared as by `as_planes`, those of the variance if they are float32. A mask with one
        element of 32 bits per pixel is shared, any other mask is converted.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the object is none of these, or its mask has more than 32 planes.
    """
    if not is_lsst_images(image):
        raise InvalidParameterError(
            f"{shown(image)} is a {type(image).__name__}; an Image, a MaskedImage or a VisitImage is needed"
        )
    unit = "" if image.unit is None else str(image.unit)
    if hasattr(image, "array"):
        planes = Planes(native_array(image.array), unit=unit)
    else:
        bits, names = bits_of_mask(image.mask)
        variance = np.asarray(image.variance.array, dtype=np.float32)
        planes = Planes(native_array(image.image.array), bits, variance, names, unit=unit)
    planes.x0, planes.y0 = int(image.bbox.x.start), int(image.bbox.y.start)
    return planes
