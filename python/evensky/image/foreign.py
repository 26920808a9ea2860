"""Plain planes, without a copy, of anything image-like: arrays, astropy's ``NDData``, images of ``lsst.images``.

No package is imported to recognise an object.
"""

from __future__ import annotations

__all__ = [
    "PIXEL_DTYPES",
    "POWERS",
    "Planes",
    "add_planes",
    "as_planes",
    "float32_variance",
    "int32_mask",
    "is_lsst_images",
    "is_nddata",
    "mask_planes_of",
    "native_array",
    "own_variance",
    "planes_of_any_shape",
    "planes_of_lsst_images",
    "reject_pixels",
    "squeezed",
    "unit_factor",
    "values_of",
]

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._checks import shown, whole_number
from .._planes import signed_bits
from ..errors import InvalidParameterError, LengthError
from ..fits.headers import wcs_of
from ..geom import Extent2I
from ._pixels import check_same_size, regular
from .bad_bits import bad_bits
from .exposure import Exposure
from .image import Image
from .lsst_masks import bits_of_mask
from .mask import Mask
from .masked_image import MaskedImage
from .plain import plain_array

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
    mask : ndarray of int32 or bool, or None
        Where the only bit is that of `reject`, it may be bool, and share the memory of a mask that was given. It is
        never written to.
    variance : ndarray of float32 or None
        It is float64 if float32 does not hold its values; see `float32_variance`.
    mask_planes : mapping of str to int or None
        Numbers of the mask planes; None if they have no names.
    x0, y0 : int
        Pixel origin.
    reject : int
        Bits that reject a pixel in addition to those of the caller: that of a boolean mask, which has no planes to
        choose from, and that of pixels without a positive finite variance or weight.
    unit : str
        Unit of the pixels; "" if unknown.
    wcs : object
        WCS of the pixels as the object has it; None if it has none.
    bad : int or None
        Bits that reject a pixel unless the caller chooses others, in the layout of the file that was read; None if the
        names of the planes decide.
    boolean : bool
        Whether the mask has no other bits than those of `reject`.
    masked : bool
        Whether the object has a mask of its own.
    notes : list of str
        What was ignored, in sentences without a full stop.
    """

    image: np.ndarray
    mask: np.ndarray | None = None
    variance: np.ndarray | None = None
    mask_planes: Mapping[str, int] | None = None
    x0: int = 0
    y0: int = 0
    reject: int = 0
    unit: str = ""
    wcs: Any = None
    bad: int | None = None
    boolean: bool = False
    masked: bool = False
    notes: list[str] = field(default_factory=list)


def int32_mask(planes: Planes) -> np.ndarray | None:
    """Return a mask as bits of int32; None if there is none."""
    return None if planes.mask is None else np.asarray(planes.mask).astype(np.int32, copy=False)


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
        `Image`, `MaskedImage` or `Exposure`; anything that `evensky.image.plain.plain_array` makes a two-dimensional
        array, with its mask; an object that resembles ``NDData`` of astropy (attributes ``data``, ``mask``,
        ``uncertainty``; the bits of ``flags`` are used in addition to the mask, and ``MP_`` cards of ``meta`` name
        their planes); an image of ``lsst.images``. Further axes of length 1 are removed.

    Returns
    -------
    Planes
        The pixels are shared with `obj`, unless their dtype or byte order requires a conversion. Pixels of ``NDData``
        without a positive finite variance are rejected, unless that is so for all of them: then the uncertainty is
        ignored, with a note.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the object does not have two dimensions, its pixels are not real numbers, or its uncertainty cannot be
        converted to variances in the unit of the pixels.
    evensky.errors.LengthError
        If mask or uncertainty have another shape than the pixels.
    """
    planes = planes_of_any_shape(obj)
    shape = planes.image.shape
    if len(shape) != 2:
        size = squeezed(shape)
        if len(size) != 2:
            raise InvalidParameterError(
                f"The array has shape {shape}; an image has two dimensions, and any others are of length 1"
            )
        planes.image = planes.image.reshape(size)
        planes.mask = None if planes.mask is None else planes.mask.reshape(size)
        planes.variance = None if planes.variance is None else planes.variance.reshape(size)
    return planes


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without axes of length 1, the first ones first, until two axes are left."""
    axes = list(shape)
    while len(axes) > 2 and 1 in axes:
        axes.remove(1)
    return tuple(axes)


def planes_of_any_shape(obj: Any) -> Planes:
    """Return the planes of anything image-like, as by `as_planes`, but with any number of axes."""
    if type(obj) is np.ndarray:
        return Planes(native_array(obj))
    if isinstance(obj, Image):
        return Planes(obj._array, x0=obj._xy0._x, y0=obj._xy0._y)
    if is_lsst_images(obj):
        return planes_of_lsst_images(obj)
    if isinstance(obj, Exposure):
        planes = planes_of_any_shape(obj.maskedImage)
        planes.wcs, planes.reject = obj.wcs, signed_bits(obj.info.reject)
        planes.bad = None if obj.info.bad is None else signed_bits(obj.info.bad)
        return planes
    if isinstance(obj, MaskedImage):
        image, mask = obj.image, obj.mask
        x0, y0 = image._xy0
        return Planes(image._array, mask._array, obj.variance._array, mask._planes, x0, y0, masked=True)
    if is_nddata(obj):
        return _from_nddata(obj)
    values, rejected, unit = plain_array(obj)
    planes = Planes(native_array(values), unit=unit)
    if rejected is not None:
        reject_pixels(planes, rejected)
        planes.masked = True
    return planes


def _wcs_of_meta(meta: Any) -> Any:
    """Return the WCS of which an object has the cards and nothing else; None if there are none."""
    if not hasattr(meta, "items") or "CTYPE1" not in meta:
        return None
    from astropy.io.fits import Header

    if isinstance(meta, Header):
        return wcs_of(meta)
    cards = [(name, value) for name, value in meta.items() if re.fullmatch(r"[A-Z0-9_-]{1,8}", str(name))]
    return wcs_of(Header([(name, value) for name, value in cards if isinstance(value, str | int | float)]))


def _from_nddata(data: Any) -> Planes:
    values, rejected, unit = plain_array(data.data)
    unit = unit if data.unit is None else str(data.unit)
    wcs = getattr(data, "wcs", None)
    planes = Planes(native_array(values), unit=unit, wcs=_wcs_of_meta(data.meta) if wcs is None else wcs)
    flags: Any = getattr(data, "flags", None)
    has_flags = isinstance(flags, np.ndarray) and flags.dtype.kind in "iu"
    masks = [] if rejected is None else [rejected]
    if data.mask is not None:
        given = plain_array(data.mask)
        if has_flags or given.values.dtype == np.bool_:
            masks.append(_in_shape(given.values != 0, planes, "mask"))
        else:
            _set_bits(planes, given.values, "mask", mask_planes_of(data.meta))
        if given.mask is not None:
            masks.append(_in_shape(given.mask, planes, "mask"))
    if has_flags:  # CCDData converts every mask to boolean, so bits are in its flags.
        _set_bits(planes, flags, "flags", mask_planes_of(data.meta))
    for one in masks:
        reject_pixels(planes, one)
    planes.masked = planes.mask is not None
    variance = own_variance(data, planes)
    if variance is not None and not _use_variance(planes, variance):
        planes.notes.append("the uncertainty is ignored, as no value of it is positive and finite")
    return planes


def _in_shape(array: np.ndarray, planes: Planes, name: str) -> np.ndarray:
    """Return an array in the shape of the image; a single value applies to all pixels.

    Raises
    ------
    evensky.errors.LengthError
        If it has another shape; axes of length 1 do not matter.
    evensky.errors.InvalidParameterError
        If it has another number of axes.
    """
    shape = planes.image.shape
    if array.ndim == 0:
        return np.broadcast_to(array, shape)
    if array.shape == shape:
        return array
    if squeezed(array.shape) == squeezed(shape):
        return array.reshape(shape)
    if array.ndim == 2 and len(shape) == 2:
        size, other = (Extent2I(*one[::-1]) for one in (array.shape, shape))
        check_same_size(f"The {name}", size, "the image", other)
    kind = LengthError if array.ndim == len(shape) else InvalidParameterError
    raise kind(f"The {name} has shape {array.shape}, but the data have shape {shape}; they must be equal")


def _set_bits(planes: Planes, array: np.ndarray, name: str, names: Mapping[str, int] | None) -> None:
    """Make an array of bits the mask."""
    given = _in_shape(array, planes, name)
    # An image is taken as it is: to change the shape of one in Fortran order would copy it.
    planes.mask = Mask(given if given.ndim == 2 else given.reshape(1, -1))._array.reshape(given.shape)
    planes.mask_planes, planes.reject, planes.bad, planes.boolean = names, 0, None, False


def _zeros_and_ones(values: np.ndarray) -> np.ndarray:
    """Return booleans whose bytes are 0 and 1, which those of a view of bytes as booleans need not be."""
    values = values.astype(np.bool_, copy=False)
    return values | np.False_ if values.size and values.view(np.uint8).max() > 1 else values


def reject_pixels(planes: Planes, rejected: np.ndarray) -> None:
    """Reject pixels whichever planes are bad, by a bit that no other pixel has.

    Parameters
    ----------
    planes : Planes
        Its mask is replaced by another array, or becomes `rejected` itself.
    rejected : ndarray of bool
        In the shape of the image.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the mask leaves no bit free.
    """
    if planes.mask is None:
        planes.mask, planes.reject, planes.boolean = _zeros_and_ones(rejected), 1, True
        return
    if planes.mask.dtype == np.bool_:
        planes.mask = planes.mask | rejected
        return
    if not planes.reject:
        # A pixel with all bits has the free one as well, which changes nothing as long as any of its bits counts.
        used = int(np.bitwise_or.reduce(planes.mask, axis=None, initial=0, where=planes.mask != -1))
        used |= sum(1 << number for number in (planes.mask_planes or {}).values())
        free = [number for number in range(31) if not used >> number & 1]
        if not free:
            raise InvalidParameterError(
                "The mask uses all of its bits, so none is left for pixels without a value, variance or weight; give a "
                "boolean mask"
            )
        planes.reject = 1 << free[-1]
    planes.mask = np.where(rejected, planes.mask | np.int32(planes.reject), planes.mask)


def unit_factor(unit: Any, pixel_unit: str, power: int, name: str) -> float:
    """Return the factor that converts values to a power of the unit of the pixels; 1 if either unit is unknown.

    Parameters
    ----------
    unit : astropy unit, str or None
        Unit of the values.
    pixel_unit : str
        Unit of the pixels, "" if unknown.
    power : int
        1 for standard deviations, 2 for variances, -2 for inverse variances.
    name : str
        Name of the values for the message.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the unit cannot be converted.
    """
    if unit is None or not str(unit) or not pixel_unit:
        return 1.0
    from astropy.units import Unit

    given, target = Unit(str(unit), parse_strict="silent"), Unit(pixel_unit, parse_strict="silent") ** power
    try:
        return 1.0 if given == target else float(given.to(target))
    except (TypeError, ValueError):
        raise InvalidParameterError(
            f"The {name} is in {unit}, which cannot be converted to {target}, the unit for pixels in {pixel_unit}; "
            "correct its unit, or leave it out"
        ) from None


POWERS = {"std": 1, "var": 2, "ivar": -2}
"""Kinds of uncertainties, and the power of the unit of the pixels that is their unit."""


def own_variance(data: Any, planes: Planes) -> np.ndarray | None:
    """Return the variances of an ``NDData`` in the unit of its pixels; None if it has no uncertainty.

    Returns
    -------
    ndarray of float64 or None
        NaN where the uncertainty is masked or not positive.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the uncertainty is of an unknown kind, not of real numbers, or in a unit that cannot be converted.
    evensky.errors.LengthError
        If it has another shape than the pixels.
    """
    uncertainty = getattr(data, "uncertainty", None)
    return None if uncertainty is None else _variance_of(uncertainty, planes)


def _variance_of(uncertainty: Any, planes: Planes) -> np.ndarray:
    """Return the variances that an uncertainty of astropy states, as by `own_variance`."""
    kind = uncertainty.uncertainty_type
    if kind not in POWERS:
        raise InvalidParameterError(
            f"The uncertainty is of type {kind!r}; it must be std, var or ivar (or None, if its meaning is unknown)"
        )
    array, masked, _ = plain_array(uncertainty.array)
    if array.dtype.kind not in "biuf":
        raise InvalidParameterError(f"The uncertainty has dtype {array.dtype}; it must be real numbers")
    factor = unit_factor(getattr(uncertainty, "unit", None), planes.unit, POWERS[kind], "uncertainty")
    values = array.astype(np.float64) * factor
    if masked is not None:
        values = np.where(masked, np.nan, values)
    with np.errstate(all="ignore"):
        values = np.where(values > 0, values, np.nan)
        if kind == "std":
            values = np.square(values)
        elif kind == "ivar":
            values = 1 / values
    return _in_shape(values, planes, "variance")


def _use_variance(planes: Planes, variance: np.ndarray) -> bool:
    """Set the variance plane, and reject pixels without a positive finite variance; return False if none has one."""
    good = np.isfinite(variance)
    good &= variance > 0
    if not good.any():
        return False
    if not good.all():
        reject_pixels(planes, ~good)
    values = variance[good]
    limits = np.finfo(np.float32)
    fits = values.min() >= limits.tiny and values.max() <= limits.max
    # Variances of pixels that are rejected need not fit; 0 stands for an unknown variance.
    planes.variance = np.where(good, variance, 0).astype(np.float32 if fits else np.float64)
    return True


def float32_variance(planes: Planes) -> tuple[np.ndarray | None, str]:
    """Return the variance plane if float32 holds it; otherwise None, and a note that says so."""
    variance = planes.variance
    if variance is None or variance.dtype == np.float32:
        return variance, ""
    positive = variance[variance > 0]
    return None, (
        "the variances are not used for expected errors: they reach from "
        f"{positive.min():.4g} to {positive.max():.4g}, and float32 holds 1.2e-38 to 3.4e+38"
    )


def values_of(plane: Any, planes: Planes, name: str) -> np.ndarray:
    """Return variances or weights in the shape of the image, as float64, with NaN for masked ones.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If they are not real numbers.
    evensky.errors.LengthError
        If they have another shape.
    """
    given = planes_of_any_shape(plane)
    values = _in_shape(given.image, planes, name).astype(np.float64)
    if given.mask is not None:
        bits = given.reject
        if not given.boolean:
            bits |= -1 if given.mask_planes is None else bad_bits(Mask(1, 1, mask_planes=given.mask_planes))
        values[_in_shape(given.mask & np.int32(bits), planes, name) != 0] = np.nan
    return values


def add_planes(
    planes: Planes,
    kind: str,
    *,
    mask: Any = None,
    variance: Any = None,
    weights: Any = None,
    replaces: bool = False,
) -> Planes:
    """Add a mask, and variances or weights, that are given beside the data.

    Parameters
    ----------
    planes : Planes
        It is not changed.
    kind : str
        Name of the type of the data, for messages.
    mask : array-like or Mask, optional
        Booleans, True for pixels to reject, or bits.
    variance : array-like or uncertainty of astropy, optional
        Pixels whose variance is not positive and finite are rejected.
    weights : array-like, optional
        Inverse variances. Pixels whose weight is not positive and finite are rejected.
    replaces : bool, optional
        Whether they take the place of the planes that the data have; by default that is an error.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the data have such a plane already, no variance or weight is positive and finite, or a unit cannot be
        converted.
    evensky.errors.LengthError
        If a plane has another shape than the pixels.
    """
    planes = replace(planes, notes=list(planes.notes))
    if mask is not None:
        if planes.masked and not replaces:
            raise InvalidParameterError(f"{kind} has a mask of its own; a second one cannot be given")
        _add_mask(planes, mask, keep=not planes.masked or replaces)
    if variance is None and weights is None:
        return planes
    if variance is not None and weights is not None:
        raise InvalidParameterError("variances and weights are both given; weights are inverse variances: give one")
    name, given = ("variance", variance) if weights is None else ("weights", weights)
    if planes.variance is not None and not replaces:
        raise InvalidParameterError(f"{kind} has variances of its own; {name} cannot be given beside them")
    if hasattr(given, "uncertainty_type"):
        values = _variance_of(given, planes)
    else:
        factor = unit_factor(getattr(given, "unit", None), planes.unit, 2 if weights is None else -2, name)
        values = values_of(given, planes, name) * factor
        if weights is not None:
            with np.errstate(all="ignore"):
                values = 1 / np.where(values > 0, values, np.nan)
    if not _use_variance(planes, values):
        raise InvalidParameterError(f"{name}: no value is positive and finite, so no pixel would count; leave it out")
    return planes


def _add_mask(planes: Planes, mask: Any, *, keep: bool) -> None:
    """Make a mask that is given beside the data their mask; optionally keep rejecting pixels without a variance."""
    before = (planes.mask & np.int32(planes.reject)) != 0 if keep and planes.mask is not None else None
    planes.masked = True
    if isinstance(mask, Mask):
        _set_bits(planes, mask.array, "mask", mask.getMaskPlaneDict())
    else:
        given = plain_array(mask)
        if given.values.dtype.kind not in "biu":
            raise InvalidParameterError(f"mask has dtype {given.values.dtype}; it must be boolean or an integer")
        if given.values.ndim == 0 < planes.image.ndim and given.values != 0:  # False is numpy.ma.nomask
            raise InvalidParameterError(
                f"mask is {given.values}, a single value; it must have the shape of the data, {planes.image.shape}. "
                "Pass other parameters by their names, such as bin_size"
            )
        if given.values.dtype == np.bool_:
            planes.mask, planes.mask_planes, planes.bad = None, None, None
            reject_pixels(planes, _in_shape(given.values, planes, "mask"))
        else:
            _set_bits(planes, given.values, "mask", None)
        if given.mask is not None:
            reject_pixels(planes, _in_shape(given.mask, planes, "mask"))
    if before is not None:
        reject_pixels(planes, before)


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
        planes = Planes(native_array(image.image.array), bits, variance, names, unit=unit, masked=True)
    planes.x0, planes.y0 = int(image.bbox.x.start), int(image.bbox.y.start)
    return planes
