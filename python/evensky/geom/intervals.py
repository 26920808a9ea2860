"""Intervals of one coordinate, in whole pixels and in real pixel coordinates, and arrays of coordinates."""

from __future__ import annotations

__all__ = ["EdgeHandlingEnum", "IntervalD", "IntervalI", "array_of_numbers", "expanded_to_pixels", "is_array"]

import enum
import math
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np

from .._checks import shown
from ..errors import InvalidParameterError
from ..errors import TypeError as WrongTypeError
from .pairs import integer, nearest_integer, real


class EdgeHandlingEnum(enum.Enum):
    """Treatment of pixels that a real interval or box covers in part: `EXPAND` includes them, `SHRINK` does not."""

    EXPAND = 0
    SHRINK = 1


# The classes have it as an attribute of the same name.
_Edges = EdgeHandlingEnum


def is_array(value: Any) -> bool:
    """Return whether a value is an array or a sequence of numbers, not one number."""
    return getattr(value, "ndim", 1) > 0 and hasattr(value, "__len__") and not isinstance(value, str | bytes)


def array_of_numbers(value: Any, name: str) -> np.ndarray:
    """Return coordinates as an array of real numbers.

    Raises
    ------
    evensky.errors.TypeError
        If they are not real numbers.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.array(None)  # of sequences of different lengths
    if array.dtype.kind not in "biuf":
        raise WrongTypeError(f"{name} is {shown(value)}; real numbers, or an array of them, are needed")
    return array


def expanded_to_pixels(low: float, high: float, edges: Any) -> tuple[int, int]:
    """Return the first and last of the pixels that a real interval covers.

    Raises
    ------
    evensky.errors.TypeError
        If `edges` is not an `EdgeHandlingEnum`.
    evensky.errors.InvalidParameterError
        If an end is not finite.
    """
    if not isinstance(edges, EdgeHandlingEnum):
        raise WrongTypeError(f"edgeHandling is {shown(edges)}; it must be Box2I.EXPAND or Box2I.SHRINK")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InvalidParameterError(f"{low}..{high} cannot be made into whole pixels; its ends must be finite")
    if edges is EdgeHandlingEnum.EXPAND:
        return math.floor(low + 0.5), math.ceil(high - 0.5)
    return math.ceil(low + 0.5), math.floor(high - 0.5)


class _Interval:
    """Interval that includes both ends."""

    __slots__ = ("_max", "_min")
    _number: ClassVar[Any]
    _step: ClassVar[Any]  # what max - min lacks to the size
    _empty: ClassVar[tuple[Any, Any]]

    def __init__(self, min: Any = None, max: Any = None, *, size: Any = None, center: Any = None) -> None:  # noqa: A002
        given = {name: value for name, value in locals().items() if name != "self" and value is not None}
        names = tuple(given)
        low, high = self._empty
        if names == ("min",) and isinstance(min, _Interval):
            low, high = self._converted(min)
        elif names == ("min", "max"):
            low, high = self._number(min), self._number(max)
        elif names == ("min", "size"):
            low = self._number(min)
            high = low + self._number(size) - self._step
        elif names == ("max", "size"):
            high = self._number(max)
            low = high - self._number(size) + self._step
        elif names == ("size", "center"):
            low, high = self._centered(real(center), self._number(size))
        elif names:
            raise WrongTypeError(
                f"{type(self).__name__} takes nothing, an interval, or two of min, max, size and center (min and max, "
                f"min and size, max and size, center and size); got {', '.join(names)}"
            )
        self._set(low, high)

    def _set(self, low: Any, high: Any) -> None:
        # Empty intervals have one representation, so that they are all equal.
        self._min, self._max = (low, high) if low <= high else self._empty

    @classmethod
    def _converted(cls, other: _Interval) -> tuple[Any, Any]:
        raise NotImplementedError

    @classmethod
    def _centered(cls, center: float, size: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    @classmethod
    def _of(cls, low: Any, high: Any) -> Self:
        interval = object.__new__(cls)
        interval._set(cls._number(low), cls._number(high))
        return interval

    @classmethod
    def fromSpannedPoints(cls, points: Iterable[Any]) -> Self:
        """Return the smallest interval that holds all points; an empty one without points."""
        values = [cls._number(point) for point in points]
        return cls._of(min(values), max(values)) if values else cls()

    def getMin(self) -> Any:
        return self._min

    def getMax(self) -> Any:
        return self._max

    def getSize(self) -> Any:
        return self._step * 0 if self.isEmpty() else self._max - self._min + self._step

    def getCenter(self) -> float:
        return float(0.5 * (self._min + self._max))

    min, max, size, center = property(getMin), property(getMax), property(getSize), property(getCenter)

    def isEmpty(self) -> bool:
        return not self._min <= self._max

    def contains(self, other: Any) -> Any:
        """Return whether a number or an interval is inside, or which numbers of an array are.

        An empty interval is inside every interval.
        """
        if isinstance(other, _Interval):
            return other.isEmpty() or bool(self._min <= other._min and other._max <= self._max)
        if is_array(other):
            array = array_of_numbers(other, "other")
            return (self._min <= array) & (array <= self._max)
        return bool(self._min <= self._number(other) <= self._max)

    def __contains__(self, other: Any) -> bool:
        return bool(self.contains(other))

    def overlaps(self, other: Any) -> bool:
        """Return whether the intervals have a point in common."""
        return not self.clippedTo(other).isEmpty()

    intersects = overlaps

    def isDisjointFrom(self, other: Any) -> bool:
        return not self.overlaps(other)

    def _other(self, value: Any) -> Self:
        if not isinstance(value, type(self)):
            raise WrongTypeError(
                f"The other interval is {shown(value)}, a {type(value).__name__}; it must be an {type(self).__name__}"
            )
        return value

    def clippedTo(self, other: Any) -> Self:
        """Return the intersection."""
        other = self._other(other)
        if self.isEmpty() or other.isEmpty():
            return type(self)()
        return self._of(max(self._min, other._min), min(self._max, other._max))

    def expandedTo(self, other: Any) -> Self:
        """Return the smallest interval that holds this one and a number or another interval."""
        other = self._other(other) if isinstance(other, _Interval) else self._of(other, other)
        if self.isEmpty() or other.isEmpty():
            return self._of(other._min, other._max) if self.isEmpty() else self._of(self._min, self._max)
        return self._of(min(self._min, other._min), max(self._max, other._max))

    def dilatedBy(self, buffer: Any) -> Self:
        """Return the interval grown by `buffer` at both ends; a negative number shrinks it."""
        buffer = self._number(buffer)
        return type(self)() if self.isEmpty() else self._of(self._min - buffer, self._max + buffer)

    def erodedBy(self, buffer: Any) -> Self:
        """Return the interval shrunk by `buffer` at both ends."""
        return self.dilatedBy(-self._number(buffer))

    def shiftedBy(self, offset: Any) -> Self:
        """Return the interval moved by `offset`."""
        offset = self._number(offset)
        return type(self)() if self.isEmpty() else self._of(self._min + offset, self._max + offset)

    def reflectedAbout(self, point: Any) -> Self:
        """Return the mirror image of the interval in a point."""
        point = self._number(point)
        return type(self)() if self.isEmpty() else self._of(2 * point - self._max, 2 * point - self._min)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return (self.isEmpty() and other.isEmpty()) or (self._min, self._max) == (other._min, other._max)

    def __hash__(self) -> int:
        return hash(()) if self.isEmpty() else hash((self._min, self._max))

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}()" if self.isEmpty() else f"{name}(min={self._min}, max={self._max})"

    def __str__(self) -> str:
        return "(empty)" if self.isEmpty() else f"[{self._min}..{self._max}]"


class IntervalI(_Interval):
    """Range of whole pixels along one axis that includes both ends.

    Parameters
    ----------
    min, max : int, optional
        First and last pixel; without arguments the interval is empty. ``min`` may also be another interval; an
        `IntervalD` is expanded to whole pixels.
    size : int, optional
        Number of pixels, with one of `min`, `max` and `center`.
    center : float, optional
        Middle of the interval.

    Examples
    --------
    >>> interval = IntervalI(min=3, size=4)
    >>> interval, interval.end, interval.contains([2, 3, 6, 7])
    (IntervalI(min=3, max=6), 7, array([False,  True,  True, False]))
    """

    __slots__ = ()
    _number = staticmethod(integer)
    _step = 1
    _empty = (0, -1)
    EdgeHandlingEnum = _Edges
    EXPAND, SHRINK = _Edges.EXPAND, _Edges.SHRINK

    def __init__(self, *args: Any, edgeHandling: _Edges = _Edges.EXPAND, **kwargs: Any) -> None:
        if len(args) == 2 and isinstance(args[0], IntervalD):
            args, edgeHandling = args[:1], args[-1]
        if len(args) == 1 and not kwargs and isinstance(args[0], IntervalD):
            if args[0].isEmpty():
                self._set(*self._empty)
            else:
                self._set(*map(integer, expanded_to_pixels(args[0].min, args[0].max, edgeHandling)))
        else:
            super().__init__(*args, **kwargs)

    @classmethod
    def _converted(cls, other: _Interval) -> tuple[Any, Any]:
        return integer(other._min), integer(other._max)

    @classmethod
    def _centered(cls, center: float, size: int) -> tuple[int, int]:
        if not math.isfinite(center):
            raise InvalidParameterError(f"center = {center}; it must be finite")
        low = integer(nearest_integer(center - 0.5 * size + 0.5))
        return low, low + size - 1

    def getBegin(self) -> int:
        """Return the first pixel."""
        return int(self._min)

    def getEnd(self) -> int:
        """Return the pixel after the last."""
        return int(self._max) + 1

    begin, end = property(getBegin), property(getEnd)

    def slice(self) -> slice:
        """Return the slice of an array whose first element is pixel 0."""
        return slice(self.getBegin(), self.getEnd())

    def arange(self) -> np.ndarray:
        """Return the numbers of the pixels."""
        return np.arange(self.getBegin(), self.getEnd())

    def __reduce__(self) -> Any:
        return type(self), (() if self.isEmpty() else (self._min, self._max))


class IntervalD(_Interval):
    """Range of real pixel coordinates that includes both ends.

    The constructor takes the same arguments as that of `IntervalI`; an `IntervalI` reaches half a pixel beyond the
    centres of its first and last pixel.
    """

    __slots__ = ()
    _number = staticmethod(real)
    _step = 0.0
    _empty = (math.nan, math.nan)

    @classmethod
    def _converted(cls, other: _Interval) -> tuple[Any, Any]:
        half = 0.5 if isinstance(other, IntervalI) and not other.isEmpty() else 0.0
        return (math.nan, math.nan) if other.isEmpty() else (other._min - half, other._max + half)

    @classmethod
    def _centered(cls, center: float, size: float) -> tuple[float, float]:
        return center - 0.5 * size, center + 0.5 * size

    def isFinite(self) -> bool:
        """Return whether both ends are finite; an empty interval is finite."""
        return self.isEmpty() or (math.isfinite(self._min) and math.isfinite(self._max))

    def __reduce__(self) -> Any:
        return type(self), (() if self.isEmpty() else (self._min, self._max))
