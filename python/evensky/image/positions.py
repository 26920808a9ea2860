"""Numbers of pixels and positions in real pixel coordinates."""

from __future__ import annotations

__all__ = ["X", "Y", "indexToPosition", "positionToIndex", "xOrY"]

import enum
import math
from typing import Literal, overload

from .._checks import real_number
from ..errors import InvalidParameterError


class xOrY(enum.IntEnum):  # noqa: N801 - the original's name
    """Axis of an image."""

    X = 0
    Y = 1


X, Y = xOrY


def indexToPosition(ind: float) -> float:
    """Return the position of the centre of a pixel along one axis."""
    return real_number(ind, "ind")


@overload
def positionToIndex(pos: float, residual: Literal[False] = False) -> int: ...
@overload
def positionToIndex(pos: float, residual: Literal[True]) -> tuple[int, float]: ...
def positionToIndex(pos: float, residual: bool = False) -> int | tuple[int, float]:
    """Return the number of the pixel that holds a position along one axis.

    Parameters
    ----------
    pos : float
        Position; the centre of pixel 0 is at 0.0.
    residual : bool, optional
        Whether to return also the distance of the position from the centre of the pixel, from -0.5 to less than 0.5.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the position is not finite.

    Examples
    --------
    >>> positionToIndex(1.5), positionToIndex(1.25, True)
    (2, (1, 0.25))
    """
    position = real_number(pos, "pos")
    if not math.isfinite(position):
        raise InvalidParameterError(f"pos is {pos}; it must be finite")
    index = math.floor(position + 0.5)
    return (index, position - index) if residual else index
