"""One-dimensional interpolation with the names of ``lsst.afw.math``."""

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
from .._checks import shown
from .._core import Interpolate, lookupMaxInterpStyle, stringToInterpStyle
from ..errors import InvalidParameterError, OutOfRangeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


_EnumT = TypeVar("_EnumT", bound=enum.Enum)


def by_number(kind: type[_EnumT], value: Any) -> _EnumT:
    """Return the member of an enumeration with a given number.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If no member has this number; the message lists the members.
    """
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(f"{member.name} = {member.value}" for member in kind)
        raise InvalidParameterError(
            f"{kind.__name__} {shown(value)} does not exist; the known ones are {known}"
        ) from None


def interp_style(style: Interpolate.Style | str | int) -> Interpolate.Style:
    """Return an interpolation style, given as a style, a name or a number.

    Raises
    ------
    evensky.errors.NotFoundError
        If the name is unknown; the message lists the known ones.
    evensky.errors.InvalidParameterError
        If the number is unknown; the message lists the known ones.
    """
    return stringToInterpStyle(style) if isinstance(style, str) else by_number(Interpolate.Style, style)


def lookupMinInterpPoints(style: Interpolate.Style | str | int) -> int:
    """Return the smallest number of points that an interpolation style needs.

    Raises
    ------
    evensky.errors.OutOfRangeError
        If the style is UNKNOWN, or there is none of this number.
    evensky.errors.NotFoundError
        If the name is unknown; the message lists the known ones.
    """
    if isinstance(style, str):
        return _core.lookupMinInterpPoints(stringToInterpStyle(style))
    try:
        return _core.lookupMinInterpPoints(interp_style(style))
    except InvalidParameterError as error:
        raise OutOfRangeError(str(error)) from None


def makeInterpolate(
    x: ArrayLike, y: ArrayLike, style: Interpolate.Style | str | int = Interpolate.Style.AKIMA_SPLINE
) -> Interpolate:
    """Make an interpolation through points.

    Parameters
    ----------
    x, y : array-like, shape (n,)
        Strictly increasing positions, and values.
    style : Interpolate.Style, str or int
        CONSTANT, LINEAR, NATURAL_SPLINE, CUBIC_SPLINE, CUBIC_SPLINE_PERIODIC, AKIMA_SPLINE (Akima 1970, J. ACM 17,
        589) or AKIMA_SPLINE_PERIODIC.

    Returns
    -------
    Interpolate
        Its method ``interpolate(x)`` returns a float for a number and an array for an array. Beyond the outer points,
        it extrapolates quadratically (CONSTANT: by the value at the end). The result is NaN if `x` is NaN.

    Raises
    ------
    evensky.errors.OutOfRangeError
        If x does not increase strictly, x and y differ in length, or there are fewer points than the style needs; the
        message names the style and the number of points.
    """
    return Interpolate(x, y, interp_style(style))
