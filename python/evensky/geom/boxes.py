"""Boxes of whole pixels and in real pixel coordinates."""

from __future__ import annotations

__all__ = ["Box2D", "Box2I", "BoxD", "BoxI", "box_numbers", "trusted_box"]

import math
from typing import Any

import numpy as np

from .._checks import shown
from ..errors import InvalidParameterError
from ..errors import TypeError as WrongTypeError
from .intervals import EdgeHandlingEnum as _Edges
from .intervals import IntervalD, IntervalI, array_of_numbers, expanded_to_pixels, is_array
from .pairs import (
    Extent2D,
    Extent2I,
    Point2D,
    Point2I,
    as_point,
    integer,
    nearest_integer,
    position,
    real,
    trusted_point,
)


def trusted_box(x0: int, y0: int, width: int, height: int) -> Box2I:
    """Make a box of whole numbers that have been checked, with sizes >= 0; it is empty if one of them is 0."""
    if width == 0 or height == 0:
        x0 = y0 = width = height = 0
    box = object.__new__(Box2I)
    box._x0, box._y0, box._width, box._height = x0, y0, width, height
    return box


def _inside(x: Any, y: Any, low: tuple[Any, Any], end: tuple[Any, Any]) -> Any:
    """Return whether positions are at or beyond `low` and before `end`, as a bool or an array."""
    if not (is_array(x) or is_array(y)):
        return bool(low[0] <= x < end[0] and low[1] <= y < end[1])
    x, y = array_of_numbers(x, "x"), array_of_numbers(y, "y")
    try:
        x, y = np.broadcast_arrays(x, y)
    except ValueError:
        raise InvalidParameterError(f"x has the shape {x.shape}, and y {y.shape}; they must fit each other") from None
    return (low[0] <= x) & (x < end[0]) & (low[1] <= y) & (y < end[1])


def _asked_about(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Return the arguments of `contains`, by position or by name."""
    unknown = kwargs.keys() - {"other", "point", "x", "y"}
    if unknown:
        raise WrongTypeError(f"contains got {', '.join(sorted(unknown))}; it takes other, point, or x and y")
    return (*args, *(kwargs[name] for name in ("other", "point", "x", "y") if name in kwargs))


def _corners(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Return the parts of a box: nothing, another box, or two corners, a corner and dimensions, or two intervals."""
    values = list(args)
    for key in ("other", "box", "corner", "minimum", "x", "dimensions", "maximum", "y"):
        if key in kwargs:
            value = kwargs.pop(key)
            values.append((Extent2I if name == "Box2I" else Extent2D)(value) if key == "dimensions" else value)
    single = len(values) == 1 and isinstance(values[0], Box2I | Box2D)
    if kwargs or not (single or len(values) in (0, 2)):
        raise WrongTypeError(
            f"{name} takes nothing, a box, a corner and dimensions, two corners, or two intervals; "
            f"got {len(args)} arguments" + (f" and {', '.join(kwargs)}" if kwargs else "")
        )
    return values


def _without_flag(name: str, args: tuple[Any, ...], invert: Any) -> tuple[tuple[Any, ...], bool]:
    """Return the arguments before `invert`, which may be the third one, and `invert`."""
    if len(args) == 3 and isinstance(args[-1], bool | np.bool_):
        args, invert = args[:2], args[-1]
    if not isinstance(invert, bool | np.bool_):
        raise WrongTypeError(f"invert is {shown(invert)}, a {type(invert).__name__}; {name} needs True or False")
    return args, bool(invert)


def box_numbers(bbox: Any, name: str = "bbox") -> tuple[int, int, int, int]:
    """Return x0, y0, width and height of a box, as the core takes them.

    Raises
    ------
    evensky.errors.TypeError
        If `bbox` is not a Box2I.
    """
    return _as_box(bbox, name)._key()


def _as_box(value: Any, name: str = "The other box") -> Box2I:
    if not isinstance(value, Box2I):
        raise WrongTypeError(f"{name} is {shown(value)}, a {type(value).__name__}; it must be a Box2I")
    return value


class Box2I:
    """Rectangle of whole pixels that includes both of its corners.

    ``Box2I()`` is empty, ``Box2I(corner, dimensions)`` takes a `Point2I` and an `Extent2I`, ``Box2I(minimum, maximum)``
    takes two points, and ``Box2I(x, y)`` two `IntervalI`. ``Box2I(box)`` copies a box, or makes one of a `Box2D`.

    Parameters
    ----------
    invert : bool, optional
        By default, reversed corners are swapped, and a negative width or height reaches back from the corner, which is
        then the last pixel. With False, they make an empty box.
    edgeHandling : EdgeHandlingEnum, optional
        Whether pixels at the edges of a `Box2D` are included if it covers them in part; ``Box2I.EXPAND`` by default,
        or ``Box2I.SHRINK``.

    Raises
    ------
    evensky.errors.TypeError
        If the number of arguments is wrong, or one has a wrong type; a real coordinate is one of them.
    evensky.errors.InvalidParameterError
        If a `Box2D` is not finite.
    evensky.errors.OutOfRangeError
        If a coordinate or size is beyond +-2^62.

    Examples
    --------
    >>> Box2I(Point2I(5, 5), Extent2I(-3, -3))
    Box2I(corner=Point2I(3, 3), dimensions=Extent2I(3, 3))
    >>> Box2I(Point2I(5, 5), Extent2I(-3, -3), False).isEmpty()
    True
    >>> box = Box2I(Box2D(Point2D(0.2, 0.2), Point2D(3.7, 3.7)), Box2I.SHRINK)
    >>> box, box.contains([0, 1], [1, 1])
    (Box2I(corner=Point2I(1, 1), dimensions=Extent2I(3, 3)), array([False,  True]))
    """

    __slots__ = ("_height", "_width", "_x0", "_y0")
    EdgeHandlingEnum = _Edges
    EXPAND, SHRINK = _Edges.EXPAND, _Edges.SHRINK

    def __init__(
        self,
        *args: Any,
        invert: bool = True,
        edgeHandling: _Edges = _Edges.EXPAND,
        **kwargs: Any,
    ) -> None:
        if len(args) == 2 and isinstance(args[0], Box2D):
            args, edgeHandling = args[:1], args[-1]
        args, invert = _without_flag("Box2I", args, invert)
        self._x0 = self._y0 = self._width = self._height = 0
        match _corners("Box2I", args, kwargs):
            case ():
                pass
            case (Box2I() as other,):
                self._set(*other._key())
            case (Box2D() as other,):
                self._set_pixels_of(other, edgeHandling)
            case (IntervalI() as x, IntervalI() as y):
                self._set(x.min, y.min, x.size, y.size)
            case (corner, Extent2I() | Extent2D() as size):
                self._set_from_size(as_point(corner), Extent2I(size), invert)
            case (first, last):
                self._set_from_corners(as_point(first), as_point(last), invert)

    def _set_pixels_of(self, box: Box2D, edges: Any) -> None:
        if box.isEmpty():
            return
        x0, x1 = expanded_to_pixels(box.getMinX(), box.getMaxX(), edges)
        y0, y1 = expanded_to_pixels(box.getMinY(), box.getMaxY(), edges)
        self._set(x0, y0, x1 - x0 + 1, y1 - y0 + 1)

    def _set_from_size(self, corner: Point2I, size: Extent2I, invert: bool) -> None:
        x0, y0, width, height = corner.x, corner.y, size.x, size.y
        if invert and width < 0:
            x0, width = x0 + width + 1, -width
        if invert and height < 0:
            y0, height = y0 + height + 1, -height
        self._set(x0, y0, width, height)

    def _set_from_corners(self, first: Point2I, last: Point2I, invert: bool) -> None:
        x0, y0, x1, y1 = first.x, first.y, last.x, last.y
        if invert:
            x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        self._set(x0, y0, x1 - x0 + 1, y1 - y0 + 1)

    def _set(self, x0: int, y0: int, width: int, height: int) -> None:
        if width <= 0 or height <= 0:
            # Empty boxes have one representation, so that they are all equal.
            x0 = y0 = width = height = 0
        self._x0, self._y0, self._width, self._height = (integer(number) for number in (x0, y0, width, height))

    @staticmethod
    def makeCenteredBox(center: Point2D, size: Extent2I) -> Box2I:
        """Return the box of the given size whose centre is nearest to `center`; the upper one of two equally near ones.

        The real position of the first pixel, center - size / 2 + 0.5, is rounded, and halves are rounded up. The box is
        empty if a size is not positive.

        Examples
        --------
        >>> Box2I.makeCenteredBox(Point2D(8, 9), Extent2I(3, 2))
        Box2I(corner=Point2I(7, 9), dimensions=Extent2I(3, 2))
        """
        center, size = Point2D(center), Extent2I(size)
        if not (math.isfinite(center.x) and math.isfinite(center.y)):
            raise InvalidParameterError(f"center = {center}; it must be finite")
        x0, y0 = (nearest_integer(middle - 0.5 * length + 0.5) for middle, length in zip(center, size, strict=True))
        return Box2I(Point2I(x0, y0), size, invert=False)

    def getMinX(self) -> int:
        return self._x0

    def getMinY(self) -> int:
        return self._y0

    def getMaxX(self) -> int:
        return self._x0 + self._width - 1

    def getMaxY(self) -> int:
        return self._y0 + self._height - 1

    def getMin(self) -> Point2I:
        return trusted_point(self._x0, self._y0)

    def getMax(self) -> Point2I:
        return trusted_point(self.getMaxX(), self.getMaxY())

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
        return trusted_point(self.getEndX(), self.getEndY())

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
        return [low, trusted_point(high.x, low.y), high, trusted_point(low.x, high.y)]

    def getSlices(self) -> tuple[slice, slice]:
        """Return slices of rows and columns that index an array whose element (0, 0) is pixel (0, 0)."""
        return slice(self._y0, self.getEndY()), slice(self._x0, self.getEndX())

    def getX(self) -> IntervalI:
        """Return the range of columns."""
        return IntervalI(min=self._x0, size=self._width)

    def getY(self) -> IntervalI:
        """Return the range of rows."""
        return IntervalI(min=self._y0, size=self._height)

    x, y = property(getX), property(getY)
    minX, minY = property(getMinX), property(getMinY)
    maxX, maxY = property(getMaxX), property(getMaxY)
    beginX, beginY = property(getBeginX), property(getBeginY)
    endX, endY = property(getEndX), property(getEndY)
    width, height, area = property(getWidth), property(getHeight), property(getArea)
    dimensions, center = property(getDimensions), property(getCenter)
    minimum, maximum = property(getMin), property(getMax)
    begin, end, slices = property(getBegin), property(getEnd), property(getSlices)
    centerX, centerY = property(getCenterX), property(getCenterY)

    def isEmpty(self) -> bool:
        return self._width == 0

    def contains(self, *args: Any, **kwargs: Any) -> Any:
        """Return whether a point, a box or the pixel (x, y) is inside; an empty box is inside every box.

        If x or y is an array, the result is an array of bool.
        """
        if kwargs:
            args = _asked_about(args, kwargs)
        other = args[0] if len(args) == 1 else args
        if isinstance(other, Box2I):
            return other.isEmpty() or (
                self._x0 <= other._x0
                and self._y0 <= other._y0
                and other.getEndX() <= self.getEndX()
                and other.getEndY() <= self.getEndY()
            )
        if isinstance(other, Point2I):
            return self._x0 <= other.x < self.getEndX() and self._y0 <= other.y < self.getEndY()
        if len(args) != 2:
            x, y = position(other)
        elif is_array(args[0]) or is_array(args[1]):
            x, y = args
        else:
            x, y = Point2I(*args)
        return _inside(x, y, (self._x0, self._y0), (self.getEndX(), self.getEndY()))

    def __contains__(self, other: Any) -> bool:
        return bool(self.contains(other))

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
            other = Box2I(as_point(other), Extent2I(1, 1))
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

    def flipLR(self, xExtent: int) -> None:
        """Move the box to where it is after an image that is `xExtent` pixels wide is flipped left to right."""
        if not self.isEmpty():
            self._set(integer(xExtent) - self.getEndX(), self._y0, self._width, self._height)

    def flipTB(self, yExtent: int) -> None:
        """Move the box to where it is after an image that is `yExtent` pixels high is flipped top to bottom."""
        if not self.isEmpty():
            self._set(self._x0, integer(yExtent) - self.getEndY(), self._width, self._height)

    def reflectedAboutX(self, x: int) -> Box2I:
        """Return the mirror image of the box in a column."""
        return Box2I(self.getX().reflectedAbout(x), self.getY())

    def reflectedAboutY(self, y: int) -> Box2I:
        """Return the mirror image of the box in a row."""
        return Box2I(self.getX(), self.getY().reflectedAbout(y))

    def toString(self) -> str:
        return str(self)

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
    same arguments as that of `Box2I`, with real numbers and two `IntervalD`. A box without area is empty.

    Parameters
    ----------
    invert : bool, optional
        By default, reversed corners are swapped, and a negative width or height reaches back from the corner. With
        False, they make an empty box.

    Raises
    ------
    evensky.errors.TypeError
        If the number of arguments is wrong, or one has a wrong type.

    Examples
    --------
    >>> Box2D(Box2I(Point2I(0, 0), Extent2I(4, 2)))
    Box2D(minimum=Point2D(-0.5, -0.5), maximum=Point2D(3.5, 1.5))
    """

    __slots__ = ("_max", "_min")

    def __init__(self, *args: Any, invert: bool = True, **kwargs: Any) -> None:
        args, invert = _without_flag("Box2D", args, invert)
        self._set(math.nan, math.nan, math.nan, math.nan)
        match _corners("Box2D", args, kwargs):
            case ():
                pass
            case (Box2D() as other,):
                self._set(*other._min, *other._max)
            case (Box2I() as other,):
                if not other.isEmpty():
                    low, high = other.getMin(), other.getMax()
                    self._set(low.x - 0.5, low.y - 0.5, high.x + 0.5, high.y + 0.5)
            case (IntervalD() as x, IntervalD() as y):
                self._set(x.min, y.min, x.max, y.max)
            case (corner, Extent2I() | Extent2D() as size):
                first = Point2D(corner)
                self._set_from_corners(first, first + size, invert)
            case (one, another):
                self._set_from_corners(Point2D(one), Point2D(another), invert)

    def _set_from_corners(self, first: Point2D, last: Point2D, invert: bool) -> None:
        x0, y0, x1, y1 = first.x, first.y, last.x, last.y
        if invert:
            x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        self._set(x0, y0, x1, y1)

    def _set(self, x0: float, y0: float, x1: float, y1: float) -> None:
        if not (x1 > x0 and y1 > y0):
            # Empty boxes have one representation, so that they are all equal.
            x0 = y0 = x1 = y1 = math.nan
        self._min, self._max = Point2D(x0, y0), Point2D(x1, y1)

    @staticmethod
    def makeCenteredBox(center: Point2D, size: Extent2D) -> Box2D:
        """Return the box of the given size around `center`; it is empty if a size is not positive."""
        center, size = Point2D(center), Extent2D(size)
        if not (math.isfinite(center.x) and math.isfinite(center.y)):
            raise InvalidParameterError(f"center = {center}; it must be finite")
        return Box2D(center - size * 0.5, size, invert=False)

    def isEmpty(self) -> bool:
        return math.isnan(self._min.x)

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

    def getCenterX(self) -> float:
        return float(self.getCenter().x)

    def getCenterY(self) -> float:
        return float(self.getCenter().y)

    def getCorners(self) -> list[Point2D]:
        """Return the lower left, lower right, upper right and upper left corners."""
        (x0, y0), (x1, y1) = self._min, self._max
        return [Point2D(x0, y0), Point2D(x1, y0), Point2D(x1, y1), Point2D(x0, y1)]

    def getX(self) -> IntervalD:
        """Return the range of x."""
        return IntervalD() if self.isEmpty() else IntervalD(min=self._min.x, max=self._max.x)

    def getY(self) -> IntervalD:
        """Return the range of y."""
        return IntervalD() if self.isEmpty() else IntervalD(min=self._min.y, max=self._max.y)

    x, y = property(getX), property(getY)
    minX, minY = property(getMinX), property(getMinY)
    maxX, maxY = property(getMaxX), property(getMaxY)
    width, height, area = property(getWidth), property(getHeight), property(getArea)
    dimensions, center = property(getDimensions), property(getCenter)
    minimum, maximum = property(getMin), property(getMax)
    centerX, centerY = property(getCenterX), property(getCenterY)

    def contains(self, *args: Any, **kwargs: Any) -> Any:
        """Return whether a point, a box or the position (x, y) is inside; an empty box is inside every box.

        If x or y is an array, the result is an array of bool.
        """
        args = _asked_about(args, kwargs)
        other = args[0] if len(args) == 1 else args
        if isinstance(other, Box2D):
            return other.isEmpty() or (
                self._min.x <= other._min.x
                and self._min.y <= other._min.y
                and self._max.x >= other._max.x
                and self._max.y >= other._max.y
            )
        if len(args) != 2:
            x, y = position(other)
        elif is_array(args[0]) or is_array(args[1]):
            x, y = args
        else:
            x, y = Point2D(*args)
        return _inside(x, y, tuple(self._min), tuple(self._max))

    def __contains__(self, other: Any) -> bool:
        return bool(self.contains(other))

    def overlaps(self, other: Box2D) -> bool:
        """Return whether the boxes share an area."""
        return not self.clippedTo(other).isEmpty()

    intersects = overlaps

    def isDisjointFrom(self, other: Box2D) -> bool:
        return not self.overlaps(other)

    def clip(self, other: Box2D) -> None:
        """Shrink to the intersection with `other`."""
        if not isinstance(other, Box2D):
            raise WrongTypeError(f"The other box is {shown(other)}, a {type(other).__name__}; it must be a Box2D")
        (x0, y0), (x1, y1) = self._min, self._max
        (other_x0, other_y0), (other_x1, other_y1) = other._min, other._max
        if self.isEmpty() or other.isEmpty():
            self._set(math.nan, math.nan, math.nan, math.nan)
        else:
            self._set(max(x0, other_x0), max(y0, other_y0), min(x1, other_x1), min(y1, other_y1))

    def clippedTo(self, other: Box2D) -> Box2D:
        box = Box2D(self)
        box.clip(other)
        return box

    def include(self, other: Any) -> None:
        """Grow to include a point or a box.

        As the upper edges are outside, they move to the next number beyond a point.
        """
        if isinstance(other, Box2D):
            if other.isEmpty():
                return
            low, high = tuple(other._min), tuple(other._max)
        else:
            low = tuple(Point2D(other))
            if not all(map(math.isfinite, low)):
                raise InvalidParameterError(f"The point to include is {low}; it must be finite")
            high = tuple(math.nextafter(number, math.inf) for number in low)
        if not self.isEmpty():
            low = tuple(map(min, low, self._min))
            high = tuple(map(max, high, self._max))
        self._set(*low, *high)

    def expandedTo(self, other: Any) -> Box2D:
        box = Box2D(self)
        box.include(other)
        return box

    def shift(self, offset: Any) -> None:
        """Move the box by `offset`."""
        offset = Extent2D(offset)
        self._set(*(self._min + offset), *(self._max + offset))

    def shiftedBy(self, offset: Any) -> Box2D:
        box = Box2D(self)
        box.shift(offset)
        return box

    def grow(self, buffer: Any) -> None:
        """Grow by `buffer` on every side, or by the x and y of an extent; negative numbers shrink the box."""
        buffer = Extent2D(buffer)
        self._set(*(self._min - buffer), *(self._max + buffer))

    def dilatedBy(self, buffer: Any) -> Box2D:
        box = Box2D(self)
        box.grow(buffer)
        return box

    def erodedBy(self, buffer: Any) -> Box2D:
        return self.dilatedBy(-Extent2D(buffer))

    def flipLR(self, xExtent: float) -> None:
        """Move the box to where it is after the range from 0 to `xExtent` is flipped left to right."""
        end = real(xExtent)
        self._set(end - self._max.x, self._min.y, end - self._min.x, self._max.y)

    def flipTB(self, yExtent: float) -> None:
        """Move the box to where it is after the range from 0 to `yExtent` is flipped top to bottom."""
        end = real(yExtent)
        self._set(self._min.x, end - self._max.y, self._max.x, end - self._min.y)

    def reflectedAboutX(self, x: float) -> Box2D:
        """Return the mirror image of the box in the line at `x`."""
        box = Box2D(self)
        box.flipLR(2 * real(x))
        return box

    def reflectedAboutY(self, y: float) -> Box2D:
        """Return the mirror image of the box in the line at `y`."""
        box = Box2D(self)
        box.flipTB(2 * real(y))
        return box

    def toString(self) -> str:
        return str(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Box2D):
            return NotImplemented
        return (self.isEmpty() and other.isEmpty()) or (self._min == other._min and self._max == other._max)

    def __hash__(self) -> int:
        return hash(()) if self.isEmpty() else hash((self._min, self._max))

    def __repr__(self) -> str:
        if self.isEmpty():
            return "Box2D()"
        return f"Box2D(minimum={self.getMin()!r}, maximum={self.getMax()!r})"


# Short names, as in lsst.geom.
BoxI, BoxD = Box2I, Box2D
