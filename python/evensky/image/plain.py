"""Array-likes of other packages as plain arrays, with the masks that ``np.asarray`` drops.

No package is imported to recognise an object.
"""

from __future__ import annotations

__all__ = ["Plain", "is_data_array", "is_frame", "is_lazy", "is_masked", "plain_array"]

from typing import Any, NamedTuple

import numpy as np

from .._checks import shown
from ..errors import InvalidParameterError
from ._pixels import regular


class Plain(NamedTuple):
    """A plain array with the mask and the unit of the object that it was made from.

    Attributes
    ----------
    values : ndarray
        The values; they are shared with the object if it holds an array.
    mask : ndarray of bool or None
        True where the object has no value; None if it has no mask.
    unit : str
        "" if unknown.
    """

    values: np.ndarray
    mask: np.ndarray | None = None
    unit: str = ""


def is_masked(obj: Any) -> bool:
    """Return whether an object is like astropy's ``Masked``: an array with the attributes ``unmasked`` and ``mask``."""
    return hasattr(obj, "unmasked") and hasattr(obj, "mask")


def is_data_array(obj: Any) -> bool:
    """Return whether an object is like xarray's ``DataArray``."""
    return not isinstance(obj, np.ndarray) and all(hasattr(obj, name) for name in ("dims", "coords", "attrs", "data"))


def is_frame(obj: Any) -> bool:
    """Return whether an object is like a ``DataFrame`` or another container of pandas."""
    return not isinstance(obj, np.ndarray) and hasattr(obj, "isna") and hasattr(obj, "to_numpy")


def is_lazy(obj: Any) -> bool:
    """Return whether an object is like an array of dask, whose values are computed when they are needed."""
    return not isinstance(obj, np.ndarray) and callable(getattr(obj, "compute", None)) and hasattr(obj, "dask")


def plain_array(obj: Any) -> Plain:
    """Return an array-like as a plain array, with its own mask.

    Parameters
    ----------
    obj : array-like
        An array or nested lists; a masked array of numpy; a ``Quantity``, a ``Masked`` array or quantity, or a column
        of astropy; an array of dask, which is computed; a ``DataArray`` of xarray; a ``DataFrame`` of pandas.

    Returns
    -------
    Plain

    Raises
    ------
    evensky.errors.InvalidParameterError
        If an array cannot be made, or the object has a mask of a kind that is unknown.
    """
    if type(obj) is np.ndarray:
        return Plain(obj)
    if isinstance(obj, np.ma.MaskedArray):
        inner = np.ma.getdata(obj)
        own = None if np.ma.getmask(obj) is np.ma.nomask else np.ma.getmaskarray(obj)
        return Plain(np.asarray(inner), own, _unit_of(obj) or _unit_of(inner))
    if is_masked(obj):
        values, mask, unit = plain_array(obj.unmasked)
        return Plain(values, _either(mask, np.asarray(obj.mask)), unit)
    if is_data_array(obj):
        values, mask, unit = plain_array(obj.data)
        return Plain(values, mask, unit or str(obj.attrs.get("units", "")))
    if is_lazy(obj):
        return plain_array(obj.compute())
    if is_frame(obj):
        return _plain_frame(obj)
    if isinstance(obj, list | tuple):
        return _plain_list(obj)
    mask = getattr(obj, "mask", None)
    if mask is not None and not callable(mask):
        raise InvalidParameterError(
            f"{type(obj).__name__} has a mask of a kind that is unknown; give a numpy.ma.MaskedArray, or the mask by "
            "itself"
        )
    return Plain(regular(obj if isinstance(obj, np.ndarray) else getattr(obj, "value", obj)), None, _unit_of(obj))


def _unit_of(obj: Any) -> str:
    unit = getattr(obj, "unit", None)
    return "" if unit is None else str(unit)


def _either(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    return other if one is None else one if other is None else one | other


def _plain_frame(frame: Any) -> Plain:
    """Return the values of a frame; a missing value becomes NaN."""
    try:
        values = np.asarray(frame.to_numpy())
        if values.dtype.kind == "O":  # columns with missing values, or of several types
            values = np.asarray(frame.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(f"{type(frame).__name__} cannot be made an array of numbers: {error}") from error
    return Plain(values)


def _plain_list(items: Any) -> Plain:
    """Return nested lists as an array, with the masks of the arrays that they hold."""
    if all(isinstance(item, int | float | np.number) for item in items):
        return Plain(regular(items))
    parts = [plain_array(item) for item in items]
    if any(part.unit for part in parts):
        raise InvalidParameterError(
            f"{shown(items)} is a {type(items).__name__} of quantities, whose units would be lost; make it one Quantity"
        )
    values = regular([part.values for part in parts])
    if all(part.mask is None for part in parts):
        return Plain(values)
    masks = [np.broadcast_to(False if part.mask is None else part.mask, part.values.shape) for part in parts]
    return Plain(values, np.asarray(masks))
