"""Exposures made of anything image-like, and pixels returned in the type that the caller gave.

Results have the type of the input, so astropy and ``lsst.images`` are not imported for other types.
"""

from __future__ import annotations

__all__ = ["data_like", "exposure_of", "floating_like", "replace_planes"]

import copy
from typing import Any

import numpy as np

from ..errors import InvalidParameterError
from .exposure import Exposure
from .foreign import POWERS, Planes, add_planes, as_planes, float32_variance, is_lsst_images, is_nddata, unit_factor
from .image import Image, ImageF
from .mask import Mask
from .masked_image import MaskedImage
from .plain import is_data_array, is_frame, is_lazy, is_masked, plain_array


def floating_like(dtype: Any) -> np.dtype[Any]:
    """Return the dtype of models for pixels of a dtype: float64 if float32 does not hold them, otherwise float32."""
    return np.dtype(np.float64 if np.result_type(dtype, np.float32) == np.float64 else np.float32)


def exposure_of(
    data: Any, label: str, *, copy: bool = True, mask: Any = None, variance: Any = None, weights: Any = None
) -> Exposure:
    """Make an exposure of anything image-like, with a copy of its image; mask and variance are shared.

    Parameters
    ----------
    data : image-like
        Any object that `evensky.image.as_planes` takes.
    label : str
        Identifier of the exposure if it has no data ID of its own.
    copy : bool, optional
        False for an exposure that is not changed; its image is then shared, too, if its type allows it.
    mask, variance, weights : array-like, optional
        Planes beside the data, see `evensky.image.foreign.add_planes`.

    Returns
    -------
    Exposure
        Exposure of float32 or float64 pixels. Pixels that are rejected whichever planes are bad have the bits of all
        planes, among them those of ``info.reject``. A mask of bits without names rejects every pixel that is not 0.
    """
    planes = as_planes(data)
    known = not isinstance(data, Exposure) or data.info.has_variance
    if not known:
        planes.variance = None
    planes = add_planes(planes, type(data).__name__, mask=mask, variance=variance, weights=weights)
    pixels = planes.image.astype(floating_like(planes.image.dtype), copy=copy)
    image = Image(pixels, xy0=(planes.x0, planes.y0))
    exposure = Exposure(MaskedImage(image))
    if isinstance(data, Exposure):
        exposure.dataId = dict(data.dataId)
        if (unit := data.metadata.get("BUNIT")) is not None:
            exposure.metadata["BUNIT"] = unit
    _set_planes(exposure, planes)
    if not known and planes.variance is None and isinstance(data, Exposure):
        exposure.maskedImage.setVariance(data.variance)
    exposure.info.wcs = planes.wcs
    if not exposure.dataId:
        exposure.dataId = {"exposure": label}
    if planes.unit:
        exposure.metadata["BUNIT"] = planes.unit
    return exposure


def replace_planes(exposure: Exposure, *, mask: Any = None, variance: Any = None, weights: Any = None) -> None:
    """Replace the mask and the variances of an exposure by planes beside it.

    Parameters
    ----------
    exposure : Exposure
        It is changed.
    mask, variance, weights : array-like, optional
        See `evensky.image.foreign.add_planes`.
    """
    if mask is None and variance is None and weights is None:
        return
    planes = as_planes(exposure)
    if not exposure.info.has_variance:
        planes.variance = None
    planes = add_planes(planes, "Exposure", mask=mask, variance=variance, weights=weights, replaces=True)
    planes.unit = str(exposure.metadata.get("BUNIT", ""))
    _set_planes(exposure, planes)


def _set_planes(exposure: Exposure, planes: Planes) -> None:
    """Set mask and variance of an exposure, and what is assumed about them."""
    bits = planes.mask
    if bits is not None:
        rejected = None
        if not planes.boolean and planes.bad is None and planes.mask_planes is None and bits.any():
            rejected = bits != 0
            exposure.assumptions.append("the mask has no names of planes: every pixel that is not 0 is rejected")
            planes.reject = planes.reject or -1
        elif planes.reject:
            rejected = (bits & np.int32(planes.reject)) != 0
        if rejected is not None:  # with all bits, they are rejected whichever planes are bad
            bits = np.where(rejected, np.int32(-1), 0 if planes.boolean else bits).astype(np.int32, copy=False)
        exposure.maskedImage.setMask(Mask(bits, mask_planes=planes.mask_planes))
        exposure.info.bad, exposure.info.reject = planes.bad, planes.reject
    variance, note = float32_variance(planes)
    if variance is not None:
        exposure.maskedImage.setVariance(ImageF(variance))
    exposure.info.has_variance = variance is not None
    exposure.assumptions.extend([*planes.notes, *([note] if note else ())])


def data_like(data: Any, pixels: np.ndarray, *, bare: bool = False, variance: np.ndarray | None = None) -> Any:
    """Return pixels in the type of the data that they were made from.

    Parameters
    ----------
    data : image-like
        The data from which the pixels were made.
    pixels : ndarray, shape (height, width)
        Pixels in the unit of `data`.
    bare : bool, optional
        Leave out mask and uncertainty, as for a model.
    variance : ndarray, shape (height, width), optional
        Variance that replaces that of `data`, if there is one.

    Returns
    -------
    same type as `data`, or ndarray
        A copy of `data` with other pixels, in the shape of `data`; only the masks and variances of classes of
        `evensky.image` are shared with `data`. A bare masked array is an array, a bare `MaskedImage` or `Exposure` is
        an `Image`, and a bare image of ``lsst.images`` is an ``Image`` of that package. Nested lists and arrays of dask
        come back as arrays of numpy, masked ones if `data` hold a mask.
    """
    if is_lsst_images(data):
        return _lsst_images_like(data, pixels, bare=bare, variance=variance)
    if isinstance(data, Exposure):
        return _image_like(data.maskedImage, pixels) if bare else _exposure_like(data, pixels, variance)
    if isinstance(data, MaskedImage):
        if bare:
            return _image_like(data, pixels)
        return MaskedImage(_image_like(data, pixels), data.mask, _variance_like(data, variance))
    if isinstance(data, Image):
        return Image(pixels, xy0=data.getXY0())
    if is_nddata(data):
        return _nddata_like(data, pixels, bare=bare, variance=variance)
    return _array_like(data, pixels, bare=bare)


def _array_like(data: Any, pixels: np.ndarray, *, bare: bool) -> Any:
    """Return pixels as an array of the type of `data`."""
    if is_lazy(pixels):  # they have no mask of their own, as those that are computed later have it in their blocks
        lazy: Any = pixels
        return data.copy(data=lazy.reshape(data.shape)) if is_data_array(data) else lazy.reshape(data.shape)
    if is_data_array(data):
        inner = plain_array(data.data)
        return data.copy(data=_with_mask(pixels.reshape(inner.values.shape), None if bare else inner.mask))
    if is_frame(data):
        return type(data)(pixels, **{name: getattr(data, name).copy() for name in ("index", "columns")})
    if is_lazy(data) or isinstance(data, list | tuple):
        inner = plain_array(data)
        return _with_mask(pixels.reshape(inner.values.shape), None if bare else inner.mask)
    if type(data) is np.ndarray or not isinstance(data, np.ndarray):
        return pixels if pixels.shape == np.shape(data) else pixels.reshape(np.shape(data))
    pixels = pixels.reshape(data.shape)
    array: Any = data
    if isinstance(array, np.ma.MaskedArray):
        if bare:
            return pixels
        result: Any = array.astype(pixels.dtype)
        if np.ma.getmask(array) is not np.ma.nomask:
            result.unshare_mask()
        np.asarray(np.ma.getdata(result))[...] = pixels
        return result
    if is_masked(array):
        if bare:
            return _array_like(array.unmasked, pixels, bare=True)
        result = array.astype(pixels.dtype)
        result.mask = array.mask.copy()
        np.asarray(result.unmasked)[...] = pixels
        return result
    if not hasattr(array, "unit"):
        return pixels
    result = array.astype(pixels.dtype)
    np.asarray(result)[...] = pixels
    return result


def _with_mask(pixels: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    return pixels if mask is None else np.ma.MaskedArray(pixels, mask=mask.copy())


def _nddata_like(data: Any, pixels: np.ndarray, *, bare: bool, variance: np.ndarray | None) -> Any:
    """Return a deep copy of ``NDData`` with other pixels, which therefore keeps whatever a subclass adds."""
    old = data.data
    inner = plain_array(old)
    new: Any = _with_mask(pixels.reshape(inner.values.shape), inner.mask if not bare else None)
    # With the new pixels in the memo, the old ones are not copied, and are replaced whether or not there is a setter.
    memo = {id(old): new}
    result = copy.deepcopy(data, memo)
    if result.data is not new:
        try:
            result.data = new
        except AttributeError as error:
            raise InvalidParameterError(f"{type(data).__name__}: its data cannot be replaced: {error}") from error
    if bare:
        result.mask = None
        for name in ("flags", "psf"):
            if getattr(result, name, None) is not None:
                setattr(result, name, None)
        result.uncertainty = None
    elif data.uncertainty is not None:
        result.uncertainty = _uncertainty_like(data, variance)  # which also ties it to the copy
    return result


def _image_like(data: MaskedImage, pixels: np.ndarray) -> Image:
    image: Image = Image(pixels, xy0=data.getXY0())
    return image


def _variance_like(data: MaskedImage, variance: np.ndarray | None) -> ImageF:
    return data.variance if variance is None else ImageF(variance)


def _uncertainty_like(data: Any, variance: np.ndarray | None) -> Any:
    """Return a copy of the uncertainty of ``NDData``, with other variances if they are given."""
    given = data.uncertainty
    own = plain_array(given.array)
    array = own.values.copy()
    kind = given.uncertainty_type
    if variance is not None and kind in POWERS:
        shape = own.values.shape or np.shape(data.data)
        values = np.asarray(variance, dtype=np.float64).reshape(shape)
        with np.errstate(all="ignore"):
            values = np.sqrt(values) if kind == "std" else 1 / values if kind == "ivar" else values
            unit = "" if data.unit is None else str(data.unit)
            values = values / unit_factor(getattr(given, "unit", None), unit, POWERS[kind], "uncertainty")
            # A pixel that had no error still has none.
            known = np.isfinite(own.values) & (own.values > 0)
            values = np.where(known, values, own.values)
            narrow = values.astype(array.dtype if array.dtype.kind == "f" else np.float64)
        lost = known & ((narrow == 0) | ~np.isfinite(narrow) | (np.abs(narrow) < np.finfo(narrow.dtype).tiny))
        array = values if lost.any() else narrow
    if own.mask is not None:
        array = _array_like(given.array, array, bare=False)
    return type(given)(array, unit=getattr(given, "unit", None), copy=False)


def _lsst_images_like(data: Any, pixels: np.ndarray, *, bare: bool, variance: np.ndarray | None) -> Any:
    import lsst.images as li

    if bare or isinstance(data, li.Image):
        return li.Image(pixels, bbox=data.bbox, unit=data.unit, sky_projection=data.sky_projection)
    result = data.copy()
    if variance is not None:
        result.variance.array[...] = variance
    if result.image.array.dtype == pixels.dtype:
        result.image.array[...] = pixels
        return result
    return li.MaskedImage(
        li.Image(pixels, bbox=data.bbox, unit=data.unit),
        mask=result.mask,
        variance=result.variance,
        sky_projection=data.sky_projection,
        metadata=dict(data.metadata),
    )


def _exposure_like(data: Exposure, pixels: np.ndarray, variance: np.ndarray | None) -> Exposure:
    masked = data.maskedImage
    result = Exposure(MaskedImage(_image_like(masked, pixels), masked.mask, _variance_like(masked, variance)))
    result._info = copy.copy(data.info)
    result._info.metadata = copy.deepcopy(data.info.metadata)
    result._info.dataId = dict(data.dataId)
    result._info.assumptions = list(data.assumptions)
    return result
