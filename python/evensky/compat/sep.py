"""The background of sep, computed by evensky: change the import, and nothing else.

``import sep`` becomes ``from evensky.compat import sep``. `Background` measures and interpolates as sep does. All other
names, such as ``sep.extract``, are those of sep itself, which must be installed for them.
"""

from __future__ import annotations

__all__ = ["Background"]

import importlib
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .._checks import real_number, shown, whole_number
from ..calls.arguments import select_planes
from ..errors import InvalidParameterError, LengthError
from ..errors import TypeError as WrongTypeError
from ..image._pixels import pixels_of
from ..image.foreign import Planes, reject_pixels
from ..image.like import floating_like
from ..image.plain import plain_array
from ..math.background_mesh import MeshOptions, measure_mesh

# Names of sep that are not about backgrounds; they are listed here for installations without sep.
_OTHERS = (
    "APER_ALLMASKED",
    "APER_HASMASKED",
    "APER_NONPOSITIVE",
    "APER_TRUNC",
    "OBJ_DOVERFLOW",
    "OBJ_MERGED",
    "OBJ_SINGU",
    "OBJ_TRUNC",
    "__version__",
    "ellipse_axes",
    "ellipse_coeffs",
    "extract",
    "flux_radius",
    "get_extract_pixstack",
    "get_sub_object_limit",
    "kron_radius",
    "mask_ellipse",
    "set_extract_pixstack",
    "set_sub_object_limit",
    "sum_circann",
    "sum_circle",
    "sum_ellipann",
    "sum_ellipse",
    "winpos",
)

# Part of the pixels of a box that must be good, and number of rows of an image that are subtracted at once.
_LEAST_GOOD = 0.5
_ROWS = 256


class Background:
    """Measure the background of an image and its noise in boxes, as ``sep.Background`` does.

    Parameters
    ----------
    data : image-like, shape (height, width)
        An array of any real type, byte order and strides, a masked array, or ``NDData``. Values that are NaN or
        infinite do not count.
    mask : array-like, shape (height, width), optional
        Pixels above `maskthresh` do not count: those that are true, or not 0. NaN is above any threshold. It is
        combined with the mask of the data, if they have one.
    maskthresh : float, optional
        Largest value of the mask at which a pixel counts.
    bw, bh : int, optional
        Width and height of the boxes in pixels. The first box begins at the first pixel, the last ones may have fewer
        pixels.
    fw, fh : int, optional
        Width and height of the window of the median filter, in boxes. An even number means the odd one above it; 0 and
        1 mean no filter. At the edges, the window is made smaller on both sides.
    fthresh : float, optional
        Least change of a box by the filter, in the unit of the data; boxes that would change by less stay as they are.

    Warns
    -----
    UserWarning
        If no box has enough good pixels: half of them, and at least two. The background is then NaN.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the data have no pixels, are not real numbers or do not have two dimensions, or if a size or threshold is not
        allowed. Like the next, it is a ``ValueError``.
    evensky.errors.LengthError
        If mask and data have different shapes.
    evensky.errors.TypeError
        If a size is not a whole number, or a threshold not a real one.

    Notes
    -----
    Levels are the modes of clipped histograms (Bertin & Arnouts 1996, A&AS 117, 393); see the estimator "histogram" of
    `evensky.estimate_background`, and its style "bicubic_spline". Boxes without enough good pixels are replaced by the
    mean of the nearest others.

    Examples
    --------
    >>> import numpy as np
    >>> from evensky.compat import sep
    >>> data = np.random.default_rng(1).normal(100, 5, (256, 256))
    >>> bkg = sep.Background(data)
    >>> 99 < bkg.globalback < 101 and 4.8 < bkg.globalrms < 5.2
    True
    >>> subtracted = data - bkg
    """

    def __init__(
        self,
        data: Any,
        mask: Any = None,
        maskthresh: float = 0.0,
        bw: int = 64,
        bh: int = 64,
        fw: int = 3,
        fh: int = 3,
        fthresh: float = 0.0,
    ) -> None:
        planes, bits = select_planes(data, None, None)
        if mask is not None:
            reject_pixels(planes, _rejected(mask, planes, real_number(maskthresh, "maskthresh")))
            bits |= planes.reject
        width, height = _box_side(bw, "bw"), _box_side(bh, "bh")
        window = _window(fh, "fh"), _window(fw, "fw")
        least_change = real_number(fthresh, "fthresh")
        if np.isnan(least_change):
            raise InvalidParameterError("fthresh is nan; it must be a number, such as 0 to filter all boxes")
        self._dtype = _own_dtype(data, planes)
        options = MeshOptions(height, width, estimator="histogram", edge_method="pad")
        self._mesh = measure_mesh(planes, bits, options)
        self._mesh.fill_from_nearest(_LEAST_GOOD)
        if np.isnan(self._mesh.level()[0, 0]):
            warnings.warn(
                f"in none of the boxes of {width} x {height} pixels, half of the pixels are good (neither masked nor "
                "NaN), so the background is NaN; mask fewer pixels, use larger boxes, or leave this image out",
                stacklevel=2,
            )
        self._mesh.filter_centred(*window, least_change)

    @property
    def globalback(self) -> float:
        """Median of the levels of the boxes."""
        return float(np.median(self._mesh.level()))

    @property
    def globalrms(self) -> float:
        """Median of the noise of the boxes; if that is 0, of those with noise, and 1 if there are none."""
        values = self._mesh.rms()
        median = float(np.median(values))
        if median != 0:
            return median
        positive = values[values > 0]
        return float(np.median(positive)) if positive.size else 1.0

    def back(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return an image of the background.

        Parameters
        ----------
        dtype : dtype, optional
            Type of the image, by default that of the data if they are of int32 or floating numbers, and otherwise a
            floating type that holds them. Whole numbers are the nearest ones.
        copy : bool, optional
            It has no effect: the image is always a new one.

        Returns
        -------
        ndarray, shape (height, width)

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the type is not one of real numbers, or is one of whole numbers that cannot hold the values.
        """
        return self._image(self._mesh.get_spline_image, dtype)

    def rms(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return an image of the standard deviation of the noise, which is nowhere negative.

        Parameters, result and errors are those of `back`.
        """
        return self._image(self._mesh.get_spline_rms_image, dtype)

    def subfrom(self, data: np.ndarray) -> None:
        """Subtract the background from an array in place.

        Parameters
        ----------
        data : ndarray, shape (height, width)
            Array of floating or signed whole numbers; from the latter, the nearest whole number is subtracted.

        Raises
        ------
        evensky.errors.TypeError
            If it is not an array.
        evensky.errors.LengthError
            If its shape is not that of the image.
        evensky.errors.InvalidParameterError
            If its type is another one, or cannot hold the result.
        """
        if not isinstance(data, np.ndarray):
            raise WrongTypeError(f"data: {shown(data)} is a {type(data).__name__}; an array is needed")
        if data.shape != self._shape:
            raise LengthError(f"data has shape {data.shape}, but the background has shape {self._shape}")
        if data.dtype.kind not in "fi":
            raise InvalidParameterError(
                f"data has dtype {data.dtype}, in which differences may not exist; use data = data.astype(float) - "
                "background"
            )
        work = _working_dtype(data.dtype)
        for start in range(0, data.shape[0], _ROWS):
            rows = data[start : start + _ROWS]
            back = np.empty(rows.shape, work)
            self._mesh.get_spline_image(back, [0, start, rows.shape[1], rows.shape[0]])
            if data.dtype.kind == "f":
                np.subtract(rows, back, out=rows, casting="same_kind")
            else:
                rows[...] = _converted(rows - np.rint(back), data.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.back(dtype)

    def __rsub__(self, data: Any) -> Any:
        if not isinstance(data, np.ndarray):
            raise WrongTypeError(f"data: {shown(data)} is a {type(data).__name__}; an array is needed")
        return data - self.back()

    def __repr__(self) -> str:
        ny, nx = self._mesh.level().shape
        height, width = self._shape
        return (
            f"Background({nx} x {ny} boxes over {width} x {height} px, globalback {self.globalback:.6g}, globalrms "
            f"{self.globalrms:.6g})"
        )

    @property
    def _shape(self) -> tuple[int, int]:
        _, _, width, height = self._mesh.get_image_bbox()
        return height, width

    def _image(self, write: Callable[[np.ndarray, list[int]], None], dtype: Any) -> np.ndarray:
        kind = self._dtype if dtype is None else np.dtype(dtype)
        if kind.kind not in "fiu":
            raise InvalidParameterError(f"dtype is {kind}; it must be a type of real numbers, such as float32")
        work = _working_dtype(kind)
        box = self._mesh.get_image_bbox()
        out = pixels_of(box[2], box[3], work, "The background")
        write(out, box)
        if kind == work:
            return out
        return out.astype(kind) if kind.kind == "f" else _converted(np.rint(out), kind)


def _working_dtype(kind: np.dtype[Any]) -> np.dtype[Any]:
    """Return the floating type in which an image is computed that gets another type."""
    return np.dtype(np.float32 if kind.kind == "f" and kind.itemsize <= 4 else np.float64)


def _converted(values: np.ndarray, kind: np.dtype[Any]) -> np.ndarray:
    """Return whole numbers in a type of whole numbers that holds them."""
    limits = np.iinfo(kind)
    if not (values.min() >= limits.min and values.max() <= limits.max):  # also if one is NaN
        raise InvalidParameterError(
            f"values are from {values.min():g} to {values.max():g}, and {kind} holds {limits.min} to {limits.max}; use "
            "a floating type, such as float32"
        )
    return values.astype(kind)


def _rejected(mask: Any, planes: Planes, maskthresh: float) -> np.ndarray:
    """Return the pixels that a mask rejects."""
    if np.isnan(maskthresh):
        raise InvalidParameterError("maskthresh is nan; it must be a number, such as 0")
    given = plain_array(mask)
    if given.values.dtype.kind not in "biuf":
        raise InvalidParameterError(f"mask has dtype {given.values.dtype}; it must be boolean or of real numbers")
    if given.values.shape != planes.image.shape:
        raise LengthError(f"mask has shape {given.values.shape}, but data has shape {planes.image.shape}")
    rejected: np.ndarray = ~(given.values <= maskthresh)
    return rejected if given.mask is None else rejected | given.mask


def _own_dtype(data: Any, planes: Planes) -> np.dtype[Any]:
    """Return the type of images of the background of data."""
    given = getattr(data, "dtype", None)
    if isinstance(given, np.dtype) and given.newbyteorder("=") == np.int32:
        return np.dtype(np.int32)
    return floating_like(planes.image.dtype)


def _box_side(value: Any, name: str) -> int:
    side = whole_number(value, name)
    if side < 1:
        raise InvalidParameterError(f"{name} is {side}; a box must have at least 1 pixel along each side")
    return side


def _window(value: Any, name: str) -> int:
    """Return an odd size of the window of the filter."""
    size = whole_number(value, name)
    if size < 0:
        raise InvalidParameterError(f"{name} is {size}; it must be at least 1, or 0 for no filter")
    return size // 2 * 2 + 1


def _original() -> ModuleType:
    return importlib.import_module("sep")


def __getattr__(name: str) -> Any:
    """Return what sep itself has by a name that is not here."""
    if name.startswith("__") and name not in _OTHERS:
        raise AttributeError(f"evensky.compat.sep has no {name!r}")
    try:
        original = _original()
    except ImportError as error:
        if name not in _OTHERS:
            raise AttributeError(
                f"evensky.compat.sep has no {name!r}; it has Background, and everything else of sep if that is "
                "installed: pip install sep"
            ) from None
        raise ImportError(
            f"evensky.compat.sep.{name} is that of sep itself, which cannot be imported ({error}): pip install sep"
        ) from error
    return getattr(original, name)


def __dir__() -> list[str]:
    try:
        others = [name for name in dir(_original()) if not name.startswith("_")]
    except ImportError:
        others = [name for name in _OTHERS if not name.startswith("_")]
    return sorted({*__all__, *others})
