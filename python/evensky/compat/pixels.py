"""Data of the stand-ins as plain arrays, and results in the unit of the data."""

from __future__ import annotations

__all__ = ["Pixels", "check_image", "in_unit", "pixels_of", "where_true"]

from typing import Any, NamedTuple

import numpy as np

from ..errors import InvalidParameterError, LengthError
from ..errors import TypeError as WrongTypeError
from ..image.foreign import is_nddata, native_array
from ..image.plain import plain_array


class Pixels(NamedTuple):
    """Values of data, the values that do not count, and the unit.

    Attributes
    ----------
    values : ndarray
        In a type and byte order with which the core computes; shared with the data, if these have such a type.
    rejected : ndarray of bool or None
        In the shape of the values; None if all count.
    unit : astropy unit or None
    is_double : bool
        Whether the data are of float64 or a wider floating type.
    """

    values: np.ndarray
    rejected: np.ndarray | None
    unit: Any
    is_double: bool


def pixels_of(data: Any, **masks: Any) -> Pixels:
    """Return data as a plain array, with all their masks together.

    Parameters
    ----------
    data : array-like
        An array, a masked array, a ``Quantity``, ``NDData`` or nested lists. An uncertainty does not count.
    **masks : array-like of bool or None
        Further masks by their names, true for values that do not count.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the values are not real numbers.
    evensky.errors.TypeError
        If a mask is not of booleans.
    evensky.errors.LengthError
        If a mask has another shape than the data.
    """
    holder = is_nddata(data)
    plain = plain_array(data.data if holder else data)
    unit = getattr(data, "unit", None)
    if unit is None:
        unit = getattr(data.data if holder else np.ma.getdata(data), "unit", None)
    values = native_array(plain.values)
    rejected = plain.mask
    if holder:
        masks = {"mask of the data": data.mask, **masks}
    for name, mask in masks.items():
        if mask is not None and (chosen := where_true(mask, name, values.shape)) is not None:
            rejected = chosen if rejected is None else rejected | chosen
    kind = plain.values.dtype
    return Pixels(values, rejected, unit, kind.kind == "f" and kind.itemsize >= 8)


def where_true(mask: Any, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return a mask as an array of a shape; None if it is false everywhere because it is a single False.

    Values of whole numbers that are not 0 count as True.

    Raises
    ------
    evensky.errors.TypeError
        If it is not of booleans or whole numbers.
    evensky.errors.LengthError
        If it has another shape.
    """
    given = plain_array(mask)
    array = given.values
    if array.dtype.kind not in "biu":
        raise WrongTypeError(
            f"{name} has dtype {array.dtype}; it must be boolean, True for pixels that do not count, or of whole "
            "numbers, of which those that are not 0 do not count"
        )
    chosen: np.ndarray = array != 0
    if given.mask is not None:
        chosen = chosen | given.mask
    if chosen.ndim == 0:
        return np.broadcast_to(chosen, shape) if chosen else None
    if chosen.shape != shape:
        raise LengthError(f"{name} has shape {chosen.shape} and the data have shape {shape}; they must be equal")
    return chosen


def in_unit(value: Any, unit: Any) -> Any:
    """Return a value in a unit; the value itself if there is none."""
    return value if unit is None else value << unit  # which does not copy an array


def check_image(pixels: Pixels) -> None:
    """Raise an error if data are no image.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If they do not have two dimensions, or no pixel.
    """
    shape = pixels.values.shape
    if len(shape) != 2:
        raise InvalidParameterError(f"data must be a 2D array, and have shape {shape}; give one image of them")
    if not pixels.values.size:
        raise InvalidParameterError(f"data have shape {shape}, without pixels; at least one is needed")
