"""Base classes of images, masks, masked images and exposures: boxes of pixels, and views of parts of them."""

from __future__ import annotations

__all__ = [
    "LOCAL",
    "PARENT",
    "Boxed",
    "ImageOrigin",
    "OutsideError",
    "PixelPlane",
    "check_same_size",
    "is_path",
    "local_slices",
    "part_of",
    "pixels_of",
    "regular",
    "with_keywords",
]

import enum
import operator
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn, Self, TypeVar

import numpy as np

from .._checks import real_number, shown
from ..errors import InvalidParameterError, LengthError, LogicError, OutOfRangeError
from ..errors import TypeError as WrongTypeError
from ..fits.scratch import ScratchPlane
from ..geom import Box2I, Extent2I, Point2I, trusted_box, trusted_point
from .positions import indexToPosition, positionToIndex, xOrY


class ImageOrigin(enum.Enum):
    """Origin of pixel coordinates."""

    PARENT = 0  # The coordinates of the parent image; the first pixel is at XY0.
    LOCAL = 1  # The first pixel of the image itself is at (0, 0).


PARENT = ImageOrigin.PARENT
LOCAL = ImageOrigin.LOCAL


class OutsideError(LengthError, OutOfRangeError):
    """Slice beyond an image; the message holds both."""


class UnsupportedOperationError(LogicError, NotImplementedError, TypeError):
    """Operator that images do not have; the message names one that they have."""


_BoxedT = TypeVar("_BoxedT", bound="Boxed")


def check_same_size(what: str, size: Extent2I, other: str, other_size: Extent2I) -> None:
    """Raise LengthError unless two sizes are equal; `what` and `other` name their objects in the message."""
    if size != other_size:
        raise LengthError(
            f"{what} is {size.x} x {size.y} but {other} is {other_size.x} x {other_size.y}; they must be equal"
        )


class Boxed:
    """Base class of objects with a box of pixels; provides sizes, origins and indexing by boxes."""

    def getBBox(self, origin: ImageOrigin = PARENT) -> Box2I:
        """Return the bounding box, in parent or local coordinates."""
        if not isinstance(origin, ImageOrigin):
            raise WrongTypeError(f"origin is {shown(origin)}; it must be PARENT or LOCAL")
        x0, y0 = self.getXY0() if origin is PARENT else (0, 0)
        return trusted_box(x0, y0, self.getWidth(), self.getHeight())

    def getWidth(self) -> int:
        raise NotImplementedError

    def getHeight(self) -> int:
        raise NotImplementedError

    def getXY0(self) -> Point2I:
        raise NotImplementedError

    def setXY0(self, *args: Any) -> None:
        raise NotImplementedError

    def _part(self, rows: slice, columns: slice) -> Self:
        """Return a view of a part; the slices are in local coordinates and inside the box."""
        raise NotImplementedError

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    def _target(self, bbox: Box2I | None, origin: ImageOrigin) -> Self:
        """Return the part into which ``assign`` writes: all of the object if there is no box, or an empty one."""
        if bbox is None or (isinstance(bbox, Box2I) and bbox.isEmpty()):
            return self
        return self.subset(bbox, origin)

    @classmethod
    def Factory(cls, *args: Any, **kwargs: Any) -> Self:
        """Make an object of this class; takes the arguments of the constructor."""
        return cls(*args, **kwargs)

    def clone(self) -> Self:
        """Return a deep copy."""
        return type(self)(self, True)

    def __copy__(self) -> Self:
        return type(self)(self, False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.clone()

    def __getnewargs__(self) -> tuple[()]:
        # __new__ selects the class by its arguments; unpickling knows the class already.
        return ()

    def getDimensions(self) -> Extent2I:
        return Extent2I(self.getWidth(), self.getHeight())

    def getX0(self) -> int:
        return int(self.getXY0().x)

    def getY0(self) -> int:
        return int(self.getXY0().y)

    def indexToPosition(self, ind: float, xy: xOrY) -> float:
        """Return the position, in parent coordinates, of the centre of a column (``X``) or row (``Y``) of the image."""
        return indexToPosition(ind) + self._start(xy)

    def positionToIndex(self, pos: float, xy: xOrY) -> tuple[int, float]:
        """Return the column (``X``) or row (``Y``) that holds a position, and the distance from its centre.

        Parameters
        ----------
        pos : float
            Position in parent coordinates.
        xy : xOrY

        Returns
        -------
        index : int
            Counted from 0 at the first column or row of this image; it may be outside.
        residual : float
            From -0.5 to less than 0.5.
        """
        return positionToIndex(real_number(pos, "pos") - self._start(xy), True)

    def _start(self, xy: xOrY) -> int:
        if not isinstance(xy, xOrY):
            raise WrongTypeError(f"xy is {shown(xy)}; it must be X or Y")
        return self.getX0() if xy is xOrY.X else self.getY0()

    def __len__(self) -> int:
        return self.getHeight()

    width = property(lambda self: self.getWidth())
    height = property(lambda self: self.getHeight())
    dimensions = property(lambda self: self.getDimensions())

    def subset(self, bbox: Box2I, origin: ImageOrigin = PARENT) -> Self:
        """Return the part inside `bbox`, which shares its pixels with this object.

        Raises
        ------
        evensky.errors.LengthError
            If `bbox` is not inside the box of this object; the message holds both boxes.
        """
        return self._part(*local_slices(self, bbox, origin))

    def _sub(self, index: Any) -> Self:
        """Return the part selected by ``self[index]``, for every form of index except a single pixel."""
        places, origin = _split_index(index)
        if len(places) == 1 and isinstance(places[0], Box2I):
            return self.subset(places[0], origin)
        if len(places) == 1 and (places[0] is Ellipsis or isinstance(places[0], slice)):
            places = (*places, slice(None))
        if len(places) == 2 and all(map(_is_place, places)):
            corner = self.getXY0() if origin is PARENT else Point2I(0, 0)
            columns = _bounds(places[0], corner.x, self.getWidth(), "x", origin)
            rows = _bounds(places[1], corner.y, self.getHeight(), "y", origin)
            return self._part(slice(*rows), slice(*columns))
        raise WrongTypeError(
            f"Index {shown(index)} is none of: [x, y], [x, y, origin], [box], [box, origin], [xSlice, ySlice]"
        )

    def _pixel_index(self, index: Any) -> tuple[int, int] | None:
        """Return row and column of ``self[x, y]``, ``self[x, y, origin]`` or ``self[point]``; None for others."""
        places, origin = _split_index(index)
        if len(places) == 1 and isinstance(places[0], Point2I):
            places = (places[0].x, places[0].y)
        if len(places) != 2 or not all(hasattr(place, "__index__") for place in places):
            return None
        x, y = operator.index(places[0]), operator.index(places[1])
        width, height = self.getWidth(), self.getHeight()
        if origin is LOCAL:
            # Negative local indices count from the end, as in Python; negative parent coordinates are positions.
            column = x + width if -width <= x < 0 else x
            row = y + height if -height <= y < 0 else y
        else:
            x0, y0 = self.getXY0()
            column, row = x - x0, y - y0
        if not (0 <= column < width and 0 <= row < height):
            raise OutOfRangeError(f"Pixel ({x}, {y}) is outside the box {self.getBBox(origin)} ({origin.name})")
        return row, column

    def _refuse(self, other: Any) -> NoReturn:
        """Refuse operators that would make a new image, as the original does."""
        raise UnsupportedOperationError(
            f"{type(self).__name__} and {shown(other)}: no operator makes a new image; use one that changes an image "
            "(copy = image.clone(); copy += other), or the arrays (image.array)"
        )


# Set here, as type checkers must not take them for operators that exist.
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "or", "and", "xor", "lshift", "rshift"):
    setattr(Boxed, f"__{_name}__", Boxed._refuse)


def _split_index(index: Any) -> tuple[tuple[Any, ...], ImageOrigin]:
    """Split an index into places and an origin, which is PARENT by default."""
    places = index if isinstance(index, tuple) else (index,)
    if len(places) > 1 and isinstance(places[-1], ImageOrigin):
        return places[:-1], places[-1]
    return places, PARENT


def _is_place(place: Any) -> bool:
    return place is Ellipsis or isinstance(place, slice) or hasattr(place, "__index__")


def local_slices(boxed: Boxed, bbox: Box2I, origin: ImageOrigin) -> tuple[slice, slice]:
    """Return slices of the rows and columns of `bbox` in local coordinates.

    Raises
    ------
    evensky.errors.LengthError
        If `bbox` is not inside the box of `boxed`.
    """
    if not isinstance(bbox, Box2I):
        raise WrongTypeError(f"bbox is a {type(bbox).__name__}; it must be a Box2I")
    whole = boxed.getBBox(origin)
    if not whole.contains(bbox):
        raise LengthError(f"Box {bbox} is not inside the image's box {whole} ({origin.name})")
    x, y = bbox.getMinX() - whole.getMinX(), bbox.getMinY() - whole.getMinY()
    if bbox.isEmpty():
        x = y = 0
    return slice(y, y + bbox.getHeight()), slice(x, x + bbox.getWidth())


def _bounds(place: Any, begin: int, size: int, name: str, origin: ImageOrigin) -> tuple[int, int]:
    """Return begin and end, counted from the first pixel, of a slice, an ellipsis or one number along an axis."""
    if place is Ellipsis:
        return 0, size
    if not isinstance(place, slice):
        only = operator.index(place)
        place = slice(only, None if origin is LOCAL and only == -1 else only + 1)
    if place.step not in (None, 1):
        raise InvalidParameterError(f"The {name} slice has step {place.step}; it must be 1")
    try:
        start = begin if place.start is None else operator.index(place.start)
        stop = begin + size if place.stop is None else operator.index(place.stop)
    except TypeError:
        raise WrongTypeError(f"The {name} slice is {shown(place)}; its ends must be whole numbers") from None
    if origin is LOCAL:
        # As for single pixels: negative local indices count from the end.
        start, stop = (end + size if -size <= end < 0 else end for end in (start, stop))
    if not begin <= start <= stop <= begin + size:
        raise OutsideError(f"The {name} slice {start}:{stop} is outside {begin}:{begin + size}")
    return start - begin, stop - begin


def part_of(source: _BoxedT, rest: Sequence[Any], deep: bool) -> tuple[_BoxedT, bool]:
    """Parse the arguments of ``Kind(source, *rest)``; return the source, or a part of it, and whether to copy it."""
    box, origin = None, PARENT
    for value in rest:
        if isinstance(value, Box2I):
            box = value
        elif isinstance(value, ImageOrigin):
            origin = value
        elif isinstance(value, bool):
            deep = value
        else:
            raise WrongTypeError(
                f"{type(source).__name__} made from another takes a box, an origin and deep; got {shown(value)}"
            )
    return (source if box is None else source.subset(box, origin)), deep


def is_path(value: Any) -> bool:
    """Return whether a value names a file."""
    return isinstance(value, str) or hasattr(value, "__fspath__")


# Names of the first argument of constructors, and of those that follow it, in the order of the original.
_SOURCES = ("rhs", "src", "other", "image", "array", "fileName")
_SIZES = ("width", "height", "dimensions", "bbox", "origin")


def with_keywords(args: tuple[Any, ...], kwargs: dict[str, Any], sources: Sequence[str] = _SOURCES) -> tuple[Any, ...]:
    """Move the arguments of a constructor that have names to the positions at which they stand without a name."""
    if not kwargs:
        return args
    first = [kwargs.pop(name) for name in sources if name in kwargs]
    return (
        *(value for value in first if value is not None),
        *args,
        *(kwargs.pop(name) for name in _SIZES if name in kwargs),
    )


def pixels_of(width: int, height: int, dtype: Any, name: str) -> np.ndarray:
    """Allocate an uninitialized array of pixels.

    Raises
    ------
    evensky.errors.LengthError
        If the array cannot be allocated; the message holds its size.
    """
    try:
        return np.empty((height, width), dtype)
    except (ValueError, MemoryError) as error:
        raise LengthError(f"{name} of {width} x {height} pixels: {error}") from error


def regular(array: Any) -> np.ndarray:
    """Return an array-like, for example nested lists, as an array.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If nested lists have different lengths.
    """
    try:
        return np.asarray(array)
    except ValueError as error:
        raise InvalidParameterError(f"An array cannot be made: {error}") from error


class PixelPlane(Boxed):
    """Base class of images and masks: one plane of pixels in a numpy array.

    The pixels may be on disk. Their array is then a map of the file, which is made whenever it is asked for and lasts
    as long as it is used, so that few planes need address space at the same time.
    """

    dtype: ClassVar[Any]
    _array: np.ndarray
    _on_disk: ScratchPlane
    _xy0: Point2I

    def __getattr__(self, name: str) -> Any:
        if name == "_array" and "_on_disk" in self.__dict__:
            return self._on_disk.mapped()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if (plane := state.pop("_on_disk", None)) is not None:
            state["_array"] = plane[...]
        return state

    @property
    def bands(self) -> np.ndarray | ScratchPlane:
        """Pixels to be read and written in bands of rows: the array, or the plane on disk, which is not mapped."""
        return self.__dict__.get("_on_disk") or self._array

    @classmethod
    def _of(cls, array: np.ndarray, x0: int = 0, y0: int = 0) -> Self:
        """Make a plane over a two-dimensional array of the plane's dtype, without checks; for use in the package."""
        plane: Self = object.__new__(cls)
        plane._array = array
        plane._xy0 = trusted_point(x0, y0)
        return plane

    def _set_pixels(self, args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> None:
        """Set the pixels from the arguments of a constructor: a size, a box, an array, or another plane or its part."""
        args = with_keywords(args, kwargs)
        deep = kwargs.pop("deep", False)
        xy0 = kwargs.pop("xy0", None)
        fill = kwargs.pop("initialValue", None)
        if kwargs:
            raise WrongTypeError(f"{name} takes no argument {', '.join(sorted(kwargs))}")
        first = args[0] if args else None
        if isinstance(first, PixelPlane):
            source, deep = part_of(first, args[1:], deep)
            self._xy0 = source.getXY0() if xy0 is None else Point2I(xy0)
            same = source.bands.dtype == np.dtype(self.dtype)
            if same and not deep and isinstance(source.bands, ScratchPlane):
                self._on_disk = source.bands
                return
            self._array = source._array if same and not deep else self._converted(source._array)
            return
        if isinstance(first, ScratchPlane) and first.dtype == np.dtype(self.dtype):
            self._on_disk = first
            self._xy0 = Point2I(0, 0) if xy0 is None else Point2I(xy0)
            return
        if isinstance(first, np.ndarray) or (isinstance(first, list) and first and isinstance(first[0], list)):
            if len(args) > 1:
                deep = bool(args[1])
            if len(args) > 2:
                xy0 = args[2]
            given = regular(first)
            if given.ndim != 2:
                raise WrongTypeError(f"The array has shape {given.shape}; an image has two dimensions")
            if given.dtype.kind not in "biuf":
                raise WrongTypeError(f"The array has dtype {given.dtype}; pixels are real numbers")
            keep = given.dtype == np.dtype(self.dtype) and given.dtype.isnative and given.flags.writeable and not deep
            self._array = given if keep else self._converted(given)
        else:
            width, height, corner, fill = self._size(args, fill, name)
            if corner is not None and xy0 is None:
                xy0 = corner
            value = self._fitting(0 if fill is None else fill)
            self._array = pixels_of(width, height, self.dtype, name)
            self._array[...] = value
        self._xy0 = Point2I(0, 0) if xy0 is None else Point2I(xy0)

    # Smallest and largest integer that a pixel accepts; None stands for the range of the dtype.
    _range: ClassVar[tuple[int, int] | None] = None

    def _converted(self, given: np.ndarray) -> np.ndarray:
        """Return a copy of pixels in the dtype of the plane.

        Raises
        ------
        evensky.errors.OutOfRangeError
            If an integer dtype cannot hold all values; no value is silently changed.
        """
        target = np.dtype(self.dtype)
        if target.kind in "iu" and given.dtype != target and given.size:
            info = np.iinfo(target)
            least, most = self._range or (info.min, info.max)
            low, high = given.min(), given.max()
            if not (np.isfinite(low) and np.isfinite(high) and int(low) >= least and int(high) <= most):
                raise OutOfRangeError(
                    f"The array's pixels reach from {low} to {high}; {type(self).__name__} holds {least} to {most}"
                )
            if target == np.int32:
                # Keep the bit pattern: the highest bit becomes the sign.
                return given.astype(np.int64).astype(np.uint32).view(np.int32)
        with np.errstate(over="ignore"):  # values beyond the range of float32 become infinite, and are not good
            return np.array(given, dtype=target)

    def _fitting(self, values: Any) -> np.ndarray:
        """Return a number, an array or the pixels of another plane in the dtype of this plane."""
        given = values._array if isinstance(values, PixelPlane) else regular(values)
        if given.dtype.kind not in "biuf":
            raise WrongTypeError(f"{shown(values)} has dtype {given.dtype}; pixels are real numbers")
        return self._converted(given)

    def _number(self, value: Any) -> np.ndarray:
        """Return one number in the dtype of this plane."""
        number = self._fitting(value)
        if number.ndim:
            raise WrongTypeError(f"A pixel of {type(self).__name__} is set to {shown(value)}; one number is needed")
        return number

    def _filling(self, values: Any) -> np.ndarray:
        """Return one number, or one per pixel, in the dtype and the shape of this plane."""
        filling = self._fitting(values)
        if filling.ndim == 1:  # which numpy would take for a row
            raise WrongTypeError(
                f"{type(self).__name__} is set to {shown(values)}; one number, or an array of two dimensions, is needed"
            )
        return self._sized(filling)

    def _put(self, values: Any) -> None:
        """Write values into the pixels, after checking their type, range and shape."""
        self._array[...] = self._sized(self._fitting(values))

    def _sized(self, values: np.ndarray) -> np.ndarray:
        """Broadcast values to the shape of the pixels; raise LengthError if they do not fit."""
        if values.ndim == 2:
            rows, columns = values.shape
            check_same_size("The right-hand side", Extent2I(columns, rows), "the left-hand side", self.getDimensions())
        try:
            return np.broadcast_to(values, self._array.shape)
        except ValueError:
            raise LengthError(
                f"Values of shape {values.shape} do not fit into {self.getWidth()} x {self.getHeight()} pixels"
            ) from None

    @staticmethod
    def _size(args: tuple[Any, ...], fill: Any, name: str) -> tuple[int, int, Point2I | None, Any]:
        corner = None
        rest: list[Any] = []
        match args:
            case ():
                width = height = 0
            case (Box2I() as box, *rest):
                width, height, corner = box.getWidth(), box.getHeight(), box.getMin()
            case (Extent2I() as size, *rest):
                width, height = size
            case (w, h, *rest) if hasattr(w, "__index__") and hasattr(h, "__index__"):
                width, height = operator.index(w), operator.index(h)
            case _:
                raise WrongTypeError(
                    f"{name} takes width and height, an Extent2I, a Box2I, an array, another image or a file; "
                    f"got {shown(args)}"
                )
        if len(rest) > 1:
            raise WrongTypeError(f"{name} takes one initial value after its size; got {shown(tuple(rest))}")
        if rest:
            fill = rest[0]
        if width < 0 or height < 0:
            raise LengthError(f"{name} of {width} x {height} pixels; both must be >= 0")
        return width, height, corner, fill

    @property
    def array(self) -> np.ndarray:
        """Pixels, shape ``(height, width)``, not copied; assigning to it writes into them."""
        return self._array

    @array.setter
    def array(self, values: Any) -> None:
        self._put(values)

    def getArray(self) -> np.ndarray:
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the pixels as an array, which shares them unless a copy or another dtype is asked for."""
        return np.array(self._array, dtype=dtype, copy=copy)

    def getWidth(self) -> int:
        return int(self.bands.shape[1])

    def getHeight(self) -> int:
        return int(self.bands.shape[0])

    def getXY0(self) -> Point2I:
        return trusted_point(self._xy0.x, self._xy0.y)

    def setXY0(self, *args: Any) -> None:
        """Set the origin, given as a point or as x and y; the pixels do not change."""
        self._xy0 = Point2I(*args)

    def __getitem__(self, index: Any) -> Any:
        if (pixel := self._pixel_index(index)) is not None:
            return self._array[pixel].item()
        return self._sub(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        if (pixel := self._pixel_index(index)) is not None:
            self._array[pixel] = self._number(value)
            return
        if index is Ellipsis:
            index = (slice(None), slice(None))
        part = self._sub(index)
        if isinstance(value, PixelPlane):
            check_same_size("The right-hand side", value.getDimensions(), "the left-hand side", part.getDimensions())
            part.assign(value)
        else:
            part._put(value)

    def get(self, *args: Any) -> Any:
        """Return the value of the pixel at a local position."""
        return self[(*args, LOCAL)]

    def set(self, *args: Any) -> None:
        """Set pixels: all of them with ``set(value)``, one at a local position with ``set(x, y, value)``."""
        if len(args) == 1:
            self._put(self._filling(args[0]))
        elif len(args) == 3:
            self[args[0], args[1], LOCAL] = args[2]
        else:
            raise WrongTypeError(f"set takes a value, or x, y and a value; got {len(args)} arguments")

    def assign(self, rhs: Any, bbox: Box2I | None = None, origin: ImageOrigin = PARENT) -> None:
        """Copy the pixels of `rhs` into this plane, or into its part inside `bbox`, unless that is empty."""
        target = self._target(bbox, origin)
        if isinstance(rhs, PixelPlane):
            check_same_size("The right-hand side", rhs.getDimensions(), "the left-hand side", target.getDimensions())
        target._put(rhs)

    def swap(self, other: Self) -> None:
        """Exchange the pixels and the origin with those of another plane of the same kind."""
        if type(other) is not type(self):
            raise WrongTypeError(f"The other plane is {shown(other)}; it must be of class {type(self).__name__}")
        self.__dict__, other.__dict__ = other.__dict__, self.__dict__

    def __str__(self) -> str:
        return f"{self._array}, bbox={self.getBBox()}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.getWidth()} x {self.getHeight()}, xy0={self._xy0})\n{self}"
