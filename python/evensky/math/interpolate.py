"""One-dimensional interpolation by the names of ``lsst.afw.math``."""

from __future__ import annotations

__all__ = [
    "Interpolate",
    "by_number",
    "interp_style",
    "lookupMaxInterpStyle",
    "lookupMinInterpPoints",
    "makeInterpolate",
    "stringToInterpStyle",
]

import enum
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _core
from .._core import Interpolate, lookupMaxInterpStyle, stringToInterpStyle
from ..errors import InvalidParameterError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


_EnumT = TypeVar("_EnumT", bound=enum.Enum)


def by_number(kind: type[_EnumT], value: Any) -> _EnumT:
    """The member of an enumeration of that number; InvalidParameterError, which lists the members, for any other."""
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(f"{member.name} = {member.value}" for member in kind)
        raise InvalidParameterError(f"{kind.__name__} {value!r} does not exist; the known ones are {known}") from None


def interp_style(style: Interpolate.Style | str | int) -> Interpolate.Style:
    """The interpolation style that a style, its name or its number stands for.

    Raises
    ------
    evensky.errors.NotFoundError
        For an unknown name; the message lists the known ones.
    evensky.errors.InvalidParameterError
        For an unknown number.
    """
    return stringToInterpStyle(style) if isinstance(style, str) else by_number(Interpolate.Style, style)


def lookupMinInterpPoints(style: Interpolate.Style | str | int) -> int:
    """The least number of points that an interpolation style needs.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For an unknown style.
    """
    return _core.lookupMinInterpPoints(interp_style(style))


def makeInterpolate(
    x: ArrayLike, y: ArrayLike, style: Interpolate.Style | str | int = Interpolate.Style.AKIMA_SPLINE
) -> Interpolate:
    """Interpolate through points.

    Parameters
    ----------
    x, y : array-like, shape (n,)
        Positions, strictly increasing, and values.
    style : Interpolate.Style, str or int
        CONSTANT, LINEAR, NATURAL_SPLINE, CUBIC_SPLINE, CUBIC_SPLINE_PERIODIC, AKIMA_SPLINE (Akima 1970, J. ACM 17,
        589) or AKIMA_SPLINE_PERIODIC.

    Returns
    -------
    Interpolate
        ``interpolate(x)`` gives a float for a number and an array for an array. Outside the points it goes on
        quadratically (CONSTANT: with its last value). NaN in, NaN out.

    Raises
    ------
    evensky.errors.OutOfRangeError
        Where x does not increase strictly, x and y differ in length, or there are fewer points than the style needs;
        the message names the style and the number of points.
    """
    return Interpolate(x, y, interp_style(style))
