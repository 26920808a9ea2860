"""Integer and real points, extents and boxes with the names of ``lsst.geom``; x always comes before y.

Scripts written for ``lsst.geom`` need only ``import evensky.geom as geom``.
"""

from __future__ import annotations

__all__ = [
    "Box2D",
    "Box2I",
    "BoxD",
    "BoxI",
    "Extent2D",
    "Extent2I",
    "ExtentD",
    "ExtentI",
    "Point2D",
    "Point2I",
    "PointD",
    "PointI",
]

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Self

from ._checks import real_number, shown, whole_number
from .errors import InvalidParameterError, OutOfRangeError

# Within this limit, sums of coordinates and sizes fit the 64-bit integers of the core.
_FARTHEST = 2**62


def _integer(value: Any) -> int:
    number = whole_number(value, "A coordinate")
    if not -_FARTHEST <= number <= _FARTHEST:
        raise OutOfRangeError(f"A coordinate or size is {shown(number)}; it must be within +-2^62")
    return number


def _real(value: Any) -> float:
    return real_number(value, "A coordinate")


def _factor(value: Any) -> Any:
    """Return a checked factor of an extent; integers stay integers."""
    return value if hasattr(value, "__index__") else real_number(value, "The factor of an extent")


def _divisor(value: Any) -> Any:
    factor = _factor(value)
    if factor == 0:
        raise InvalidParameterError(f"An extent cannot be divided by {factor}; any other number is allowed")
    return factor


class _Pair:
    """Pair of coordinates."""

    __slots__ = ("_x", "_y")
    _number: ClassVar[Any]

    def __init__(self, x: Any = 0, y: Any = None) -> None:
        if y is None:
            # x is another pair, a sequence of two numbers, or one number for both coordinates.
            pair = tuple(x) if hasattr(x, "__iter__") else (x, x)
            if len(pair) != 2:
                raise InvalidParameterError(f"{type(self).__name__} takes two numbers; got {shown(x)}")
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
        if index not in (0, 1, -1, -2):
            raise OutOfRangeError(f"Index {index} is outside a pair; it must be 0 or 1")
        return (self._x, self._y)[index]

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

    def __add__(self, other: Any) -> Any:
        if isinstance(other, _Point):
            return other + self
        return self._make(other, 1) if isinstance(other, _Extent) else NotImplemented

    def __sub__(self, other: Any) -> Any:
        return self._make(other, -1) if isinstance(other, _Extent) else NotImplemented

    def _make(self, other: _Extent, sign: int) -> Any:
        kind = Extent2I if isinstance(self, Extent2I) and isinstance(other, Extent2I) else Extent2D
        return kind(self._x + sign * other._x, self._y + sign * other._y)

    def __neg__(self) -> Self:
        return type(self)(-self._x, -self._y)

    def __mul__(self, factor: Any) -> Any:
        factor = _factor(factor)
        kind = Extent2I if isinstance(self, Extent2I) and hasattr(factor, "__index__") else Extent2D
        return kind(self._x * factor, self._y * factor)

    __rmul__ = __mul__

    def __truediv__(self, factor: Any) -> Extent2D:
        divisor = _divisor(factor)
        return Extent2D(self._x / divisor, self._y / divisor)

    def __floordiv__(self, factor: Any) -> Self:
        divisor = _divisor(factor)
        return type(self)(self._x // divisor, self._y // divisor)


class Extent2I(_Extent):
    """Size in whole pixels: width and height.

    Parameters
    ----------
    x, y : int
        Width and height; or one sequence of two numbers, or one number for both.
    """

    __slots__ = ()
    _number = staticmethod(_integer)


class Extent2D(_Extent):
    """Size in pixels as real numbers; takes the same arguments as `Extent2I`."""

    __slots__ = ()
    _number = staticmethod(_real)


class _Point(_Pair):
    __slots__ = ()

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


class Point2I(_Point):
    """Position of a pixel.

    Parameters
    ----------
    x, y : int
        Column and row; or one sequence of two numbers.
    """

    __slots__ = ()
    _number = staticmethod(_integer)


class Point2D(_Point):
    """Position in real pixel coordinates; the centre of pixel (0, 0) is at (0.0, 0.0).

    The constructor takes the same arguments as that of `Point2I`.
    """

    __slots__ = ()
    _number = staticmethod(_real)


def trusted_point(x: int, y: int) -> Point2I:
    """Make a point of whole numbers that have been checked."""
    point = object.__new__(Point2I)
    point._x, point._y = x, y
    return point


def trusted_box(x0: int, y0: int, width: int, height: int) -> Box2I:
    """Make a box of whole numbers that the core or another box has checked; its width and height must be > 0."""
    box = object.__new__(Box2I)
    box._x0, box._y0, box._width, box._height = x0, y0, width, height
    return box


def _as_point(value: Any) -> Point2I:
    return value if isinstance(value, Point2I) else Point2I(value)


def _beyond(x: int, y: int) -> Point2I:
    """Make the corner of a box whose numbers lie within bounds; the corner may lie beyond them by the box's size."""
    return trusted_point(x, y)


def _position(value: Any) -> tuple[Any, Any]:
    """Return the coordinates of a point or of a sequence of two numbers; integers are not converted to float."""
    if isinstance(value, _Point):
        return value.x, value.y
    pair = tuple(value) if hasattr(value, "__iter__") and not isinstance(value, str | bytes) else ()
    if len(pair) != 2:
        raise InvalidParameterError(f"A point or a box is needed; got {shown(value)}")
    x, y = (number if hasattr(number, "__index__") else _real(number) for number in pair)
    return x, y


def box_numbers(bbox: Any, name: str = "bbox") -> tuple[int, int, int, int]:
    """Return x0, y0, width and height of a box, as the core takes them.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `bbox` is not a Box2I.
    """
    return _as_box(bbox, name)._key()


def _as_box(value: Any, name: str = "The other box") -> Box2I:
    if not isinstance(value, Box2I):
        raise InvalidParameterError(f"{name} is {shown(value)}, a {type(value).__name__}; it must be a Box2I")
    return value


class Box2I:
    """Rectangle of whole pixels that includes both of its corners.

    ``Box2I()`` is empty, ``Box2I(corner, dimensions)`` takes a `Point2I` and an `Extent2I`, and
    ``Box2I(minimum, maximum)`` takes two points. Reversed corners are swapped; with ``invert=False`` they make an
    empty box.
    """

    __slots__ = ("_height", "_width", "_x0", "_y0")

    def __init__(self, *args: Any, invert: bool = True, **kwargs: Any) -> None:
        values = self._arguments(args, kwargs)
        self._x0 = self._y0 = self._width = self._height = 0
        if not values:
            return
        corner, second = _as_point(values[0]), values[1]
        if isinstance(second, _Extent):
            size = Extent2I(second)
            self._set(corner.x, corner.y, size.x, size.y)
            return
        end = _as_point(second)
        if invert:
            corner, end = (
                Point2I(min(corner.x, end.x), min(corner.y, end.y)),
                Point2I(max(corner.x, end.x), max(corner.y, end.y)),
            )
        self._set(corner.x, corner.y, end.x - corner.x + 1, end.y - corner.y + 1)

    @staticmethod
    def _arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """Return a corner with the dimensions or the opposite corner; an empty list for an empty box."""
        if len(args) == 1 and not kwargs and isinstance(args[0], Box2I):
            other = args[0]
            return [other.getMin(), other.getDimensions()]
        if len(args) == 1 and not kwargs and isinstance(args[0], Box2D):
            raise InvalidParameterError("A Box2I cannot be made from a Box2D; round its corners first")
        values = list(args)
        for name in ("corner", "minimum", "dimensions", "maximum"):
            if name in kwargs:
                value = kwargs.pop(name)
                values.append(Extent2I(value) if name == "dimensions" else value)
        if kwargs or len(values) not in (0, 2):
            raise InvalidParameterError(
                f"Box2I takes nothing, a corner and dimensions, or two corners; got {len(args)} arguments"
                + (f" and {', '.join(kwargs)}" if kwargs else "")
            )
        return values

    def _set(self, x0: int, y0: int, width: int, height: int) -> None:
        if width <= 0 or height <= 0:
            # Empty boxes have one representation, so that they are all equal.
            x0 = y0 = width = height = 0
        self._x0, self._y0, self._width, self._height = (_integer(number) for number in (x0, y0, width, height))

    @staticmethod
    def makeCenteredBox(center: Point2D, size: Extent2I) -> Box2I:
        """Return the box of the given size whose centre is nearest to `center`."""
        center, size = Point2D(center), Extent2I(size)
        if not (math.isfinite(center.x) and math.isfinite(center.y)):
            raise InvalidParameterError(f"center = {center}; it must be finite")
        corner = Point2I(round(center.x - 0.5 * (size.x - 1)), round(center.y - 0.5 * (size.y - 1)))
        return Box2I(corner, size)

    def getMinX(self) -> int:
        return self._x0

    def getMinY(self) -> int:
        return self._y0

    def getMaxX(self) -> int:
        return self._x0 + self._width - 1

    def getMaxY(self) -> int:
        return self._y0 + self._height - 1

    def getMin(self) -> Point2I:
        return Point2I(self._x0, self._y0)

    def getMax(self) -> Point2I:
        return _beyond(self.getMaxX(), self.getMaxY())

    def getBeginX(self) -> int:
        return self._x0

    def getBeginY(self) -> int:
        return self._y0

    def getEndX(self) -> int:
        return self._x0 + self._width

    def getEndY(self) -> int:
        return self._y0 + self._height

    def getBegin(self) -> Point2I:
        return self.getMin()

    def getEnd(self) -> Point2I:
        return _beyond(self.getEndX(), self.getEndY())

    def getWidth(self) -> int:
        return self._width

    def getHeight(self) -> int:
        return self._height

    def getDimensions(self) -> Extent2I:
        return Extent2I(self._width, self._height)

    def getArea(self) -> int:
        return self._width * self._height

    def getCenter(self) -> Point2D:
        return Point2D(self._x0 + 0.5 * (self._width - 1), self._y0 + 0.5 * (self._height - 1))

    def getCenterX(self) -> float:
        return float(self.getCenter().x)

    def getCenterY(self) -> float:
        return float(self.getCenter().y)

    def getCorners(self) -> list[Point2I]:
        """Return the lower left, lower right, upper right and upper left corners."""
        low, high = self.getMin(), self.getMax()
        return [low, _beyond(high.x, low.y), high, _beyond(low.x, high.y)]

    def getSlices(self) -> tuple[slice, slice]:
        """Return slices of rows and columns that index an array whose element (0, 0) is pixel (0, 0)."""
        return slice(self._y0, self.getEndY()), slice(self._x0, self.getEndX())

    minX, minY = property(getMinX), property(getMinY)
    maxX, maxY = property(getMaxX), property(getMaxY)
    beginX, beginY = property(getBeginX), property(getBeginY)
    endX, endY = property(getEndX), property(getEndY)
    width, height, area = property(getWidth), property(getHeight), property(getArea)
    dimensions, center = property(getDimensions), property(getCenter)
    minimum, maximum = property(getMin), property(getMax)
    begin, end = property(getBegin), property(getEnd)
    centerX, centerY = property(getCenterX), property(getCenterY)

    def isEmpty(self) -> bool:
        return self._width == 0

    def contains(self, *args: Any) -> bool:
        """Return whether a point, a box or the pixel (x, y) is inside; an empty box is inside every box."""
        other = args[0] if len(args) == 1 else Point2I(*args)
        if isinstance(other, Box2I):
            return other.isEmpty() or (self.contains(other.getMin()) and self.contains(other.getMax()))
        x, y = _position(other)
        return bool(self._x0 <= x < self.getEndX() and self._y0 <= y < self.getEndY())

    def __contains__(self, other: Any) -> bool:
        return self.contains(other)

    def overlaps(self, other: Box2I) -> bool:
        """Return whether the boxes share a pixel."""
        return not self.clippedTo(other).isEmpty()

    intersects = overlaps

    def isDisjointFrom(self, other: Box2I) -> bool:
        return not self.overlaps(other)

    def clip(self, other: Box2I) -> None:
        """Shrink to the intersection with `other`."""
        other = _as_box(other)
        x0, y0 = max(self._x0, other._x0), max(self._y0, other._y0)
        if self.isEmpty() or other.isEmpty():
            self._set(0, 0, 0, 0)
        else:
            self._set(x0, y0, min(self.getEndX(), other.getEndX()) - x0, min(self.getEndY(), other.getEndY()) - y0)

    def clippedTo(self, other: Box2I) -> Box2I:
        box = Box2I(self)
        box.clip(other)
        return box

    def include(self, other: Any) -> None:
        """Grow to include a point or a box."""
        if not isinstance(other, Box2I):
            other = Box2I(_as_point(other), Extent2I(1, 1))
        if other.isEmpty():
            return
        if self.isEmpty():
            self._set(other._x0, other._y0, other._width, other._height)
            return
        x0, y0 = min(self._x0, other._x0), min(self._y0, other._y0)
        self._set(x0, y0, max(self.getEndX(), other.getEndX()) - x0, max(self.getEndY(), other.getEndY()) - y0)

    def expandedTo(self, other: Any) -> Box2I:
        box = Box2I(self)
        box.include(other)
        return box

    def shift(self, offset: Extent2I) -> None:
        """Move the box by `offset`."""
        offset = Extent2I(offset)
        if not self.isEmpty():
            self._set(self._x0 + offset.x, self._y0 + offset.y, self._width, self._height)

    def shiftedBy(self, offset: Extent2I) -> Box2I:
        box = Box2I(self)
        box.shift(offset)
        return box

    shifted = shiftedBy

    def grow(self, buffer: Any) -> None:
        """Grow by `buffer` pixels on every side, or by the x and y of an extent; negative numbers shrink the box."""
        buffer = Extent2I(buffer)
        if not self.isEmpty():
            self._set(self._x0 - buffer.x, self._y0 - buffer.y, self._width + 2 * buffer.x, self._height + 2 * buffer.y)

    def dilatedBy(self, buffer: Any) -> Box2I:
        box = Box2I(self)
        box.grow(buffer)
        return box

    def erodedBy(self, buffer: Any) -> Box2I:
        return self.dilatedBy(-Extent2I(buffer))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Box2I):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[int, int, int, int]:
        return self._x0, self._y0, self._width, self._height

    def __reduce__(self) -> Any:
        return Box2I, (self.getMin(), self.getDimensions())

    def __repr__(self) -> str:
        return f"Box2I(corner={self.getMin()!r}, dimensions={self.getDimensions()!r})"

    def __str__(self) -> str:
        return f"({self.getMin()}..{self.getMax()})" if not self.isEmpty() else "(empty)"


class Box2D:
    """Rectangle in real pixel coordinates that excludes its upper edges.

    ``Box2D(Box2I)`` reaches half a pixel beyond the centres of the outer pixels. The constructor otherwise takes the
    same positional arguments as that of `Box2I`.
    """

    __slots__ = ("_max", "_min")

    def __init__(self, *args: Any, invert: bool = True) -> None:
        if not args or (len(args) == 1 and isinstance(args[0], Box2I | Box2D) and args[0].isEmpty()):
            self._min = self._max = Point2D(float("nan"), float("nan"))
        elif len(args) == 1 and isinstance(args[0], Box2I):
            half = Extent2D(0.5, 0.5)
            self._min, self._max = Point2D(args[0].getMin()) - half, Point2D(args[0].getMax()) + half
        elif len(args) == 1 and isinstance(args[0], Box2D):
            self._min, self._max = args[0].getMin(), args[0].getMax()
        elif len(args) == 2:
            first = Point2D(args[0])
            second = first + Extent2D(args[1]) if isinstance(args[1], _Extent) else Point2D(args[1])
            if invert and not isinstance(args[1], _Extent):
                first, second = (
                    Point2D(min(first.x, second.x), min(first.y, second.y)),
                    Point2D(max(first.x, second.x), max(first.y, second.y)),
                )
            self._min, self._max = first, second
        else:
            raise InvalidParameterError(
                f"Box2D takes nothing, a box, a corner and dimensions, or two corners; got {len(args)} arguments"
            )

    def isEmpty(self) -> bool:
        return not (self._max.x > self._min.x and self._max.y > self._min.y)

    def getMin(self) -> Point2D:
        return Point2D(self._min)

    def getMax(self) -> Point2D:
        return Point2D(self._max)

    def getMinX(self) -> float:
        return float(self._min.x)

    def getMinY(self) -> float:
        return float(self._min.y)

    def getMaxX(self) -> float:
        return float(self._max.x)

    def getMaxY(self) -> float:
        return float(self._max.y)

    def getDimensions(self) -> Extent2D:
        return Extent2D(0.0, 0.0) if self.isEmpty() else self._max - self._min

    def getWidth(self) -> float:
        return float(self.getDimensions().x)

    def getHeight(self) -> float:
        return float(self.getDimensions().y)

    def getArea(self) -> float:
        return self.getWidth() * self.getHeight()

    def getCenter(self) -> Point2D:
        return Point2D(0.5 * (self._min.x + self._max.x), 0.5 * (self._min.y + self._max.y))

    def contains(self, *args: Any) -> bool:
        """Return whether a point, a box or the position (x, y) is inside; an empty box is inside every box."""
        other = args[0] if len(args) == 1 else Point2D(*args)
        if isinstance(other, Box2D):
            return other.isEmpty() or (
                self._min.x <= other._min.x
                and self._min.y <= other._min.y
                and self._max.x >= other._max.x
                and self._max.y >= other._max.y
            )
        x, y = _position(other)
        return bool(self._min.x <= x < self._max.x and self._min.y <= y < self._max.y)

    def overlaps(self, other: Box2D) -> bool:
        """Return whether the boxes share an area."""
        if not isinstance(other, Box2D):
            raise InvalidParameterError(
                f"The other box is {shown(other)}, a {type(other).__name__}; it must be a Box2D"
            )
        return (
            not self.isEmpty()
            and not other.isEmpty()
            and max(self._min.x, other._min.x) < min(self._max.x, other._max.x)
            and max(self._min.y, other._min.y) < min(self._max.y, other._max.y)
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Box2D):
            return NotImplemented
        return (self.isEmpty() and other.isEmpty()) or (self._min == other._min and self._max == other._max)

    def __hash__(self) -> int:
        return hash(()) if self.isEmpty() else hash((self._min, self._max))

    def __repr__(self) -> str:
        return f"Box2D(minimum={self.getMin()!r}, maximum={self.getMax()!r})"


# Short names, as in lsst.geom.
PointI, PointD = Point2I, Point2D
ExtentI, ExtentD = Extent2I, Extent2D
BoxI, BoxD = Box2I, Box2D
