"""Points and extents in whole pixels and in real pixel coordinates."""

from __future__ import annotations

__all__ = [
    "FARTHEST",
    "CoordinateExpr2",
    "Extent2D",
    "Extent2I",
    "ExtentD",
    "ExtentI",
    "Point2D",
    "Point2I",
    "PointD",
    "PointI",
    "as_point",
    "ceil",
    "floor",
    "integer",
    "nearest_integer",
    "position",
    "real",
    "truncate",
    "trusted_point",
]

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self, overload

from .._checks import real_number, shown, whole_number
from ..errors import InvalidParameterError, OutOfRangeError
from ..errors import TypeError as WrongTypeError

# Within this limit, sums of coordinates and sizes fit the 64-bit integers of the core.
FARTHEST = 2**62


def integer(value: Any, name: str = "A coordinate") -> int:
    """Return a coordinate or size in whole pixels.

    Raises
    ------
    evensky.errors.TypeError
        If the value is not a whole number.
    evensky.errors.OutOfRangeError
        If it is beyond +-2^62.
    """
    number = value if type(value) is int else whole_number(value, name)
    if not -FARTHEST <= number <= FARTHEST:
        raise OutOfRangeError(f"A coordinate or size is {shown(number)}; it must be within +-2^62")
    return number


def real(value: Any, name: str = "A coordinate") -> float:
    """Return a coordinate or size as a float.

    Raises
    ------
    evensky.errors.TypeError
        If the value is not a real number.
    evensky.errors.OutOfRangeError
        If it is a whole number beyond the range of float64.
    """
    return real_number(value, name)


def nearest_integer(value: float) -> int:
    """Return the nearest whole number, the upper one of two that are equally near.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the value is not finite.
    """
    if not math.isfinite(value):
        raise InvalidParameterError(f"A coordinate is {value}; only a finite one can be rounded")
    return math.floor(value + 0.5)


def position(value: Any) -> tuple[Any, Any]:
    """Return the coordinates of a point or of a sequence of two numbers; integers are not converted to float."""
    if isinstance(value, _Point):
        return value.x, value.y
    pair = tuple(value) if hasattr(value, "__iter__") and not isinstance(value, str | bytes) else ()
    if len(pair) != 2:
        raise WrongTypeError(f"A point or a box is needed; got {shown(value)}")
    x, y = (number if hasattr(number, "__index__") else real(number) for number in pair)
    return x, y


def as_point(value: Any) -> Point2I:
    """Return a point in whole pixels that is given as one or as two whole numbers; nothing is rounded."""
    if type(value) is Point2I:
        return value
    return Point2I(tuple(value) if isinstance(value, Point2D) else value)


def trusted_point(x: int, y: int) -> Point2I:
    """Make a point of whole numbers that have been checked, or that lie beyond the limit by a box's size."""
    point = object.__new__(Point2I)
    point._x, point._y = x, y
    return point


def _factor(value: Any) -> Any:
    """Return a checked factor of an extent; integers stay integers."""
    return value if hasattr(value, "__index__") else real(value, "The factor of an extent")


def _divisor(value: Any) -> Any:
    factor = _factor(value)
    if factor == 0:
        raise InvalidParameterError(f"An extent cannot be divided by {factor}; any other number is allowed")
    return factor


class CoordinateExpr2:
    """Results of a comparison for x and y, as `Point2I.lt` and its siblings return them.

    ``all(expression)`` and ``any(expression)`` combine them.
    """

    __slots__ = ("_x", "_y")
    dimensions: ClassVar[int] = 2

    def __init__(self, x: Any = False, y: Any = None) -> None:
        pair = (x, y) if y is not None else tuple(x) if hasattr(x, "__iter__") else (x, x)
        if len(pair) != 2:
            raise WrongTypeError(f"CoordinateExpr2 takes two truth values; got {shown(x)}")
        self._x, self._y = bool(pair[0]), bool(pair[1])

    def and_(self, other: CoordinateExpr2) -> CoordinateExpr2:
        return self._combined(other, operator.and_)

    def or_(self, other: CoordinateExpr2) -> CoordinateExpr2:
        return self._combined(other, operator.or_)

    def not_(self) -> CoordinateExpr2:
        return CoordinateExpr2(not self._x, not self._y)

    def _combined(self, other: Any, function: Callable[[Any, Any], Any]) -> CoordinateExpr2:
        x, y = CoordinateExpr2(other)
        return CoordinateExpr2(function(self._x, x), function(self._y, y))

    def __iter__(self) -> Iterator[bool]:
        yield self._x
        yield self._y

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> bool:
        return (self._x, self._y)[_index_of_pair(index)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CoordinateExpr2):
            return NotImplemented
        return (self._x, self._y) == (other._x, other._y)

    def __hash__(self) -> int:
        return hash((self._x, self._y))

    def __repr__(self) -> str:
        return f"CoordinateExpr2({self._x}, {self._y})"


def _index_of_pair(index: Any) -> int:
    if index not in (0, 1, -1, -2):
        raise OutOfRangeError(f"Index {shown(index)} is outside a pair; it must be 0 or 1")
    return operator.index(index)


class _Pair:
    """Pair of coordinates."""

    __slots__ = ("_x", "_y")
    _number: ClassVar[Any]
    dimensions: ClassVar[int] = 2

    def __init__(self, x: Any = 0, y: Any = None) -> None:
        if y is None:
            # x is another pair, a sequence of two numbers, or one number for both coordinates.
            pair = tuple(x) if hasattr(x, "__iter__") else (x, x)
            if len(pair) != 2:
                raise WrongTypeError(f"{type(self).__name__} takes two numbers; got {shown(x)}")
            x, y = pair
        self._x = self._number(x)
        self._y = self._number(y)

    @property
    def x(self) -> Any:
        return self._x

    @x.setter
    def x(self, value: Any) -> None:
        self._x = self._number(value)

    @property
    def y(self) -> Any:
        return self._y

    @y.setter
    def y(self, value: Any) -> None:
        self._y = self._number(value)

    def getX(self) -> Any:
        return self._x

    def getY(self) -> Any:
        return self._y

    def setX(self, x: Any) -> None:
        self.x = x

    def setY(self, y: Any) -> None:
        self.y = y

    def __iter__(self) -> Iterator[Any]:
        yield self._x
        yield self._y

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return (self._x, self._y)[_index_of_pair(index)]

    def __setitem__(self, index: int, value: Any) -> None:
        if _index_of_pair(index) in (0, -2):
            self.x = value
        else:
            self.y = value

    def _change(self, x: Any, y: Any) -> Self:
        """Set both coordinates, in place; they must be of this pair's kind."""
        self._x, self._y = self._number(x), self._number(y)
        return self

    def _same_kind(self, other: Any, operation: str) -> Any:
        """Return another operand of an operation in place, which must not turn whole pixels into real ones."""
        if self._number is integer and not isinstance(other, Extent2I):
            raise WrongTypeError(
                f"{type(self).__name__} {operation} {shown(other)}: whole pixels cannot hold the result; "
                f"write a = a {operation[:-1]} b"
            )
        return other

    def eq(self, other: Any) -> CoordinateExpr2:
        """Compare x with x and y with y; `other` may also be one number for both."""
        return self._compared(other, operator.eq)

    def ne(self, other: Any) -> CoordinateExpr2:
        """Compare x with x and y with y; `other` may also be one number for both."""
        return self._compared(other, operator.ne)

    def lt(self, other: Any) -> CoordinateExpr2:
        """Compare x with x and y with y; `other` may also be one number for both."""
        return self._compared(other, operator.lt)

    def le(self, other: Any) -> CoordinateExpr2:
        """Compare x with x and y with y; `other` may also be one number for both."""
        return self._compared(other, operator.le)

    def gt(self, other: Any) -> CoordinateExpr2:
        """Compare x with x and y with y; `other` may also be one number for both."""
        return self._compared(other, operator.gt)

    def ge(self, other: Any) -> CoordinateExpr2:
        """Compare x with x and y with y; `other` may also be one number for both."""
        return self._compared(other, operator.ge)

    def _compared(self, other: Any, function: Callable[[Any, Any], Any]) -> CoordinateExpr2:
        if isinstance(other, _Pair):
            if isinstance(other, _Point) != isinstance(self, _Point):
                raise WrongTypeError(
                    f"{self!r} is compared with {other!r}; points are compared with points, and extents with extents"
                )
            x, y = other
        else:
            x = y = other if hasattr(other, "__index__") else real(other, "The other operand of a comparison")
        return CoordinateExpr2(function(self._x, x), function(self._y, y))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Pair) or isinstance(other, _Point) != isinstance(self, _Point):
            return NotImplemented
        return bool(self._x == other._x and self._y == other._y)

    def __hash__(self) -> int:
        return hash((isinstance(self, _Point), self._x, self._y))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._x!r}, {self._y!r})"

    def __str__(self) -> str:
        return f"({self._x}, {self._y})"


class _Extent(_Pair):
    __slots__ = ()

    def asPoint(self) -> Any:
        """Return the point at this offset from the origin."""
        return (Point2I if isinstance(self, Extent2I) else Point2D)(self._x, self._y)

    def computeNorm(self) -> float:
        """Return the length, sqrt(x^2 + y^2)."""
        return math.hypot(self._x, self._y)

    def computeSquaredNorm(self) -> Any:
        """Return x^2 + y^2; an int for whole pixels."""
        return self._x * self._x + self._y * self._y

    def __add__(self, other: Any) -> Any:
        if isinstance(other, _Point):
            return other + self
        return self._make(other, 1) if isinstance(other, _Extent) else NotImplemented

    def __sub__(self, other: Any) -> Any:
        return self._make(other, -1) if isinstance(other, _Extent) else NotImplemented

    def _make(self, other: _Extent, sign: int) -> Any:
        kind = Extent2I if isinstance(self, Extent2I) and isinstance(other, Extent2I) else Extent2D
        return kind(self._x + sign * other._x, self._y + sign * other._y)

    def __iadd__(self, other: Any) -> Self:
        if not isinstance(other, _Extent):
            return NotImplemented
        self._same_kind(other, "+=")
        return self._change(self._x + other._x, self._y + other._y)

    def __isub__(self, other: Any) -> Self:
        if not isinstance(other, _Extent):
            return NotImplemented
        self._same_kind(other, "-=")
        return self._change(self._x - other._x, self._y - other._y)

    def __neg__(self) -> Self:
        return type(self)(-self._x, -self._y)

    def __mul__(self, factor: Any) -> Any:
        factor = _factor(factor)
        kind = Extent2I if isinstance(self, Extent2I) and hasattr(factor, "__index__") else Extent2D
        return kind(self._x * factor, self._y * factor)

    __rmul__ = __mul__

    def __imul__(self, factor: Any) -> Self:
        if isinstance(self, Extent2I) and not hasattr(factor, "__index__"):
            self._same_kind(factor, "*=")
        factor = _factor(factor)
        return self._change(self._x * factor, self._y * factor)

    def __truediv__(self, factor: Any) -> Extent2D:
        divisor = _divisor(factor)
        return Extent2D(self._x / divisor, self._y / divisor)

    def __itruediv__(self, factor: Any) -> Self:
        if isinstance(self, Extent2I):
            raise WrongTypeError("Extent2I /= is not defined, as whole pixels cannot hold the result; use / or //=")
        divisor = _divisor(factor)
        return self._change(self._x / divisor, self._y / divisor)

    def __floordiv__(self, factor: Any) -> Self:
        divisor = _divisor(factor)
        return type(self)(self._x // divisor, self._y // divisor)

    def __ifloordiv__(self, factor: Any) -> Self:
        divisor = _divisor(factor)
        return self._change(self._x // divisor, self._y // divisor)


class Extent2I(_Extent):
    """Size in whole pixels: width and height.

    Parameters
    ----------
    x, y : int
        Width and height; or one sequence of two numbers, or one number for both.
    """

    __slots__ = ()
    _number = staticmethod(integer)


class Extent2D(_Extent):
    """Size in pixels as real numbers; takes the same arguments as `Extent2I`."""

    __slots__ = ()
    _number = staticmethod(real)

    def truncate(self) -> Extent2I:
        """Return the extent rounded towards 0."""
        return truncate(self)

    def floor(self) -> Extent2I:
        """Return the extent rounded down."""
        return floor(self)

    def ceil(self) -> Extent2I:
        """Return the extent rounded up."""
        return ceil(self)


class _Point(_Pair):
    __slots__ = ()

    def asExtent(self) -> Any:
        """Return the offset of this point from the origin."""
        return (Extent2I if isinstance(self, Point2I) else Extent2D)(self._x, self._y)

    def distanceSquared(self, other: Any) -> Any:
        """Return the squared distance to another point; an int if both are in whole pixels."""
        if not isinstance(other, _Point):
            raise WrongTypeError(
                f"The other point is {shown(other)}, a {type(other).__name__}; it must be a Point2I or Point2D"
            )
        return (self - other).computeSquaredNorm()

    def shift(self, offset: Any) -> None:
        """Move the point by an extent, in place."""
        self += offset if isinstance(offset, _Extent) else self._offset_kind(offset)

    def scale(self, factor: Any) -> None:
        """Multiply both coordinates by a number, in place."""
        factor = _factor(factor)
        self._change(self._x * factor, self._y * factor)

    @classmethod
    def _offset_kind(cls, offset: Any) -> Any:
        return (Extent2I if cls is Point2I else Extent2D)(offset)

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, _Extent):
            return NotImplemented
        kind = Point2I if isinstance(self, Point2I) and isinstance(other, Extent2I) else Point2D
        return kind(self._x + other._x, self._y + other._y)

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, _Extent):
            return self + -other
        if isinstance(other, _Point):
            kind = Extent2I if isinstance(self, Point2I) and isinstance(other, Point2I) else Extent2D
            return kind(self._x - other._x, self._y - other._y)
        return NotImplemented

    def __iadd__(self, other: Any) -> Self:
        if not isinstance(other, _Extent):
            return NotImplemented
        self._same_kind(other, "+=")
        return self._change(self._x + other._x, self._y + other._y)

    def __isub__(self, other: Any) -> Any:
        if not isinstance(other, _Extent):
            return NotImplemented
        self._same_kind(other, "-=")
        return self._change(self._x - other._x, self._y - other._y)


class Point2I(_Point):
    """Position of a pixel.

    Parameters
    ----------
    x, y : int
        Column and row; or one sequence of two whole numbers; or a `Point2D`, which is rounded to the pixel that holds
        it.

    Examples
    --------
    >>> Point2I(Point2D(2.5, -1.5))
    Point2I(3, -1)
    """

    __slots__ = ()
    _number = staticmethod(integer)

    def __init__(self, x: Any = 0, y: Any = None) -> None:
        if y is None and isinstance(x, Point2D):
            x, y = nearest_integer(x.x), nearest_integer(x.y)
        super().__init__(x, y)


class Point2D(_Point):
    """Position in real pixel coordinates; the centre of pixel (0, 0) is at (0.0, 0.0).

    The constructor takes the same arguments as that of `Point2I`.
    """

    __slots__ = ()
    _number = staticmethod(real)


def _rounded(pair: Any, function: Callable[[float], int]) -> Any:
    if not isinstance(pair, Extent2D | Point2D):
        raise WrongTypeError(f"{shown(pair)} is a {type(pair).__name__}; an Extent2D or a Point2D is needed")
    if not (math.isfinite(pair.x) and math.isfinite(pair.y)):
        raise InvalidParameterError(f"{pair!r} cannot be rounded; it must be finite")
    return (Extent2I if isinstance(pair, Extent2D) else Point2I)(function(pair.x), function(pair.y))


@overload
def truncate(extent: Extent2D) -> Extent2I: ...
@overload
def truncate(extent: Point2D) -> Point2I: ...
def truncate(extent: Any) -> Any:
    """Return an `Extent2D` or `Point2D` in whole pixels, rounded towards 0.

    Examples
    --------
    >>> truncate(Extent2D(-1.5, 2.5)), floor(Extent2D(-1.5, 2.5)), ceil(Extent2D(-1.5, 2.5))
    (Extent2I(-1, 2), Extent2I(-2, 2), Extent2I(-1, 3))
    """
    return _rounded(extent, math.trunc)


@overload
def floor(extent: Extent2D) -> Extent2I: ...
@overload
def floor(extent: Point2D) -> Point2I: ...
def floor(extent: Any) -> Any:
    """Return an `Extent2D` or `Point2D` in whole pixels, rounded down."""
    return _rounded(extent, math.floor)


@overload
def ceil(extent: Extent2D) -> Extent2I: ...
@overload
def ceil(extent: Point2D) -> Point2I: ...
def ceil(extent: Any) -> Any:
    """Return an `Extent2D` or `Point2D` in whole pixels, rounded up."""
    return _rounded(extent, math.ceil)


# Short names, as in lsst.geom.
PointI, PointD = Point2I, Point2D
ExtentI, ExtentD = Extent2I, Extent2D
