"""Arguments of the calls: data with their masks, clipping, units."""

from __future__ import annotations

__all__ = ["as_real", "clipping_control", "read_data", "reduced_axes", "rows_of", "select_planes", "with_unit"]

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import real_number, shown, whole_number
from ..errors import InvalidParameterError
from ..image import Exposure, Mask, MaskedImage, MaskedVector
from ..image.bad_bits import bad_bits
from ..image.foreign import Planes, add_planes, as_planes, planes_of_any_shape
from ..image.plain import is_data_array
from ..io import read_exposure
from ..math import StatisticsControl
from ..math.statistics import planes_of

# Number of rounds that means clipping until nothing changes.
_ALL_ROUNDS = 2**31 - 1


def read_data(data: Any) -> Any:
    """Read the exposure if the data are the name of a file; otherwise return the data unchanged."""
    if not isinstance(data, str | Path):
        return data
    return read_exposure(data)


def clipping_control(bits: int, sigma: float, rounds: int | None) -> StatisticsControl:
    """Return the control for clipped statistics; without a number of rounds, clipping goes on until nothing changes."""
    control = StatisticsControl(real_number(sigma, "sigma"), _ALL_ROUNDS if rounds is None else rounds)
    control.setAndMask(bits)
    return control


def select_planes(
    data: Any,
    mask: Any,
    bad_planes: int | str | Iterable[str] | None,
    *,
    variance: Any = None,
    any_shape: bool = False,
) -> tuple[Planes, int]:
    """Return the planes of an image, with planes that are given beside it, and the bits that reject a pixel.

    Warns
    -----
    UserWarning
        If an uncertainty is ignored.
    """
    if isinstance(data, MaskedVector):
        planes, _ = planes_of(data)
        planes.masked = True
    else:
        planes = planes_of_any_shape(data) if any_shape else as_planes(data)
    if isinstance(data, Exposure | MaskedImage | MaskedVector) and variance is not None:
        planes.variance = None  # it plays no part here, so it is not in the way of the given one
    planes = add_planes(planes, type(data).__name__, mask=mask, variance=variance)
    for note in planes.notes:
        warnings.warn(note, stacklevel=3)
    if planes.mask is None:
        return planes, 0
    if planes.boolean:
        return planes, planes.reject
    usual = planes.bad if bad_planes is None else None
    return planes, planes.reject | (_bits(planes.mask_planes, bad_planes) if usual is None else usual)


def _bits(names: Mapping[str, int] | None, bad_planes: int | str | Iterable[str] | None) -> int:
    if isinstance(bad_planes, int | np.integer):
        return int(bad_planes)
    if bad_planes is None and names is None:
        return -1  # every bit
    mask = Mask(1, 1, mask_planes=Mask.getMaskPlaneDict() if names is None else names)
    return bad_bits(mask, [bad_planes] if isinstance(bad_planes, str) else bad_planes)


def with_unit(data: Any, value: Any) -> Any:
    """Return a value in the unit of the data, if they have one."""
    unit = None if is_data_array(data) else getattr(data, "unit", None)  # attributes of a DataArray may be texts
    return value if unit is None else value * unit


def as_real(array: np.ndarray) -> np.ndarray:
    """Return whole numbers as real ones, like the pixels of files; real numbers are returned unchanged."""
    if array.dtype.kind == "f":
        return array
    return array.astype(np.float32 if array.dtype.itemsize <= 2 else np.float64)


def reduced_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes that a statistic along an axis does not have, counted from 0; all axes for None.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For an axis that does not exist or is named twice.
    evensky.errors.TypeError
        For an axis that is not a whole number.
    """
    if axis is None:
        return tuple(range(ndim))
    several = isinstance(axis, Iterable) and not (isinstance(axis, np.ndarray) and axis.ndim == 0)
    numbers = [whole_number(one, "axis") for one in (axis if several else [axis])]
    for one in numbers:
        if not -ndim <= one < ndim:
            raise InvalidParameterError(f"axis is {shown(axis)} but the data have {ndim} axes; it must be below that")
    axes = [one % ndim for one in numbers]
    if len(set(axes)) < len(axes):
        raise InvalidParameterError(f"axis is {shown(axis)}; it must name each axis once")
    return tuple(axes)


def rows_of(array: np.ndarray) -> np.ndarray:
    """Return values of any shape as rows of an image; two-dimensional arrays are returned unchanged."""
    return array if array.ndim == 2 else array.reshape(-1, array.shape[-1]) if array.ndim > 2 else array.reshape(1, -1)
