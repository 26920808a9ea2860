"""One-dimensional interpolation by the names of ``lsst.afw.math``."""

from __future__ import annotations

__all__ = [
    "Interpolate",
    "interp_style",
    "lookupMaxInterpStyle",
    "lookupMinInterpPoints",
    "makeInterpolate",
    "stringToInterpStyle",
]

from typing import TYPE_CHECKING

from .. import _core
from .._core import Interpolate, lookupMaxInterpStyle, stringToInterpStyle
from ..errors import InvalidParameterError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def interp_style(style: Interpolate.Style | str | int) -> Interpolate.Style:
    """The interpolation style that a style, its name or its number stands for.

    Raises
    ------
    evensky.errors.NotFoundError
        For an unknown name; the message lists the known ones.
    evensky.errors.InvalidParameterError
        For an unknown number.
    """
    if isinstance(style, str):
        return stringToInterpStyle(style)
    try:
        return Interpolate.Style(style)
    except ValueError:
        known = ", ".join(f"{s.name} = {s.value}" for s in Interpolate.Style)
        raise InvalidParameterError(
            f"Interpolation style {style!r} does not exist; the known ones are {known}"
        ) from None


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
