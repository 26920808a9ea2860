"""Exposures made of anything image-like, and pixels returned in the type that the caller gave.

Results have the type of the input, so astropy and ``lsst.images`` are not imported for other types.
"""

from __future__ import annotations

__all__ = ["data_like", "exposure_of", "floating_like"]

import copy
from typing import Any

import numpy as np

from .exposure import Exposure
from .foreign import as_planes, is_lsst_images, is_nddata
from .image import Image, ImageF
from .mask import Mask
from .masked_image import MaskedImage


def floating_like(dtype: Any) -> np.dtype[Any]:
    """Return the dtype of models for pixels of a dtype: float64 if float32 does not hold them, otherwise float32."""
    return np.dtype(np.float64 if np.result_type(dtype, np.float32) == np.float64 else np.float32)


def exposure_of(data: Any, label: str, *, copy: bool = True) -> Exposure:
    """Make an exposure of anything image-like, with a copy of its image; mask and variance are shared.

    Parameters
    ----------
    data : image-like
        Any object that `evensky.image.as_planes` takes.
    label : str
        Identifier of the exposure if it has no data ID of its own.
    copy : bool, optional
        False for an exposure that is not changed; its image is then shared, too, if its type allows it.

    Returns
    -------
    Exposure
        Exposure of float32 or float64 pixels. Pixels that a boolean mask rejects have the bits of all planes.
    """
    planes = as_planes(data)
    pixels = planes.image.astype(floating_like(planes.image.dtype), copy=copy)
    image = Image(pixels, xy0=(planes.x0, planes.y0))
    bits = planes.mask
    if bits is not None and planes.reject:
        bits = -(bits != 0).astype(np.int32)  # all bits are set, so that pixels are rejected whichever planes are bad
    mask = None if bits is None else Mask(bits, mask_planes=planes.mask_planes)
    exposure = Exposure(MaskedImage(image, mask, planes.variance))
    exposure.info.has_variance = planes.variance is not None
    if isinstance(data, Exposure):
        exposure.info.has_variance = data.info.has_variance
        exposure.dataId = dict(data.dataId)
        if (unit := data.metadata.get("BUNIT")) is not None:
            exposure.metadata["BUNIT"] = unit
    if not exposure.dataId:
        exposure.dataId = {"exposure": label}
    if planes.unit:
        exposure.metadata["BUNIT"] = planes.unit
    return exposure


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
    variance : ndarray of float32, shape (height, width), optional
        Variance that replaces that of `data`, if there is one.

    Returns
    -------
    same type as `data`, or ndarray
        Unit, WCS and meta are those of `data`. Mask and uncertainty are shared with `data` unless `bare` is true. A
        bare masked array is an array, a bare `MaskedImage` or `Exposure` is an `Image`, and a bare image of
        ``lsst.images`` is an ``Image`` of that package.
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
        planes = {} if bare else {"mask": data.mask, "uncertainty": _uncertainty_like(data, variance)}
        result = type(data)(pixels, unit=data.unit, wcs=data.wcs, meta=copy.deepcopy(data.meta), **planes)
        if not bare and getattr(data, "flags", None) is not None:
            result.flags = data.flags
        return result
    if isinstance(data, np.ma.MaskedArray):
        return pixels if bare else np.ma.MaskedArray(pixels, mask=data.mask, fill_value=data.fill_value)
    if hasattr(data, "unit") and hasattr(data, "value"):
        return type(data)(pixels, unit=data.unit, copy=False)
    return pixels


def _image_like(data: MaskedImage, pixels: np.ndarray) -> Image:
    image: Image = Image(pixels, xy0=data.getXY0())
    return image


def _variance_like(data: MaskedImage, variance: np.ndarray | None) -> ImageF:
    return data.variance if variance is None else ImageF(variance)


def _uncertainty_like(data: Any, variance: np.ndarray | None) -> Any:
    if variance is None or data.uncertainty is None:
        return copy.copy(data.uncertainty)
    from astropy.nddata import InverseVariance, StdDevUncertainty

    kind = type(data.uncertainty)
    array = variance.astype(data.uncertainty.array.dtype)
    if issubclass(kind, StdDevUncertainty):
        array = np.sqrt(array)
    elif issubclass(kind, InverseVariance):
        with np.errstate(divide="ignore"):
            array = 1 / array
    return kind(array)


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
    return result
