"""Images: one plane of numbers."""

from __future__ import annotations

__all__ = ["Image", "ImageD", "ImageF", "ImageI", "ImageL", "ImageU"]

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from .._checks import real_number, shown
from ..errors import InvalidParameterError, OutOfRangeError
from ..fits.planes import read_planes
from ..fits.writing import write_image_plane
from ._pixels import PixelPlane, regular


class Image(PixelPlane):
    """An image of ``dtype`` pixels; `ImageF`, `ImageD`, `ImageI`, `ImageU` and `ImageL` are the kinds there are.

    Made of a width and a height, an ``Extent2I``, a ``Box2I`` (each with an initial value, if wanted), an array of
    shape ``(height, width)``, or another image, ``Image(other[, bbox[, origin]][, deep])``. An array or image of the
    same type is not copied unless ``deep`` is true. `Image` itself picks the kind by the ``dtype`` argument or the
    array's type.

    Arithmetic in place with a number, or with an image of the same size, works on the pixels. Where these are whole
    numbers, fractions of the result are cut off; a result that they cannot hold is an OutOfRangeError, and the image
    stays as it was.
    """

    dtype: ClassVar[Any] = None
    _kinds: ClassVar[dict[np.dtype[Any], type[Image]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Image._kinds[np.dtype(cls.dtype)] = cls

    def __new__(cls, *args: Any, dtype: Any = None, **kwargs: Any) -> Any:
        if cls is Image:
            if dtype is None:
                given = kwargs.get("array", args[0] if args else None)
                dtype = getattr(given, "dtype", np.float32)
            return object.__new__(cls.kind_of(dtype))
        return object.__new__(cls)

    @staticmethod
    def kind_of(dtype: Any) -> type[Image]:
        """The class of images of that type of pixels; InvalidParameterError, which lists the kinds, for any other."""
        kind = Image._kinds.get(np.dtype(dtype).newbyteorder("="))
        if kind is None:
            known = ", ".join(str(known) for known in Image._kinds)
            raise InvalidParameterError(f"There is no image of dtype {np.dtype(dtype)}; the kinds are {known}")
        return kind

    def __init__(self, *args: Any, dtype: Any = None, **kwargs: Any) -> None:
        self._set_pixels(args, kwargs, type(self).__name__)

    def _part(self, rows: slice, columns: slice) -> Self:
        return type(self)(self._array[rows, columns], xy0=(self.getX0() + columns.start, self.getY0() + rows.start))

    def convertF(self) -> ImageF:
        """The same image as float32; a copy."""
        return ImageF(self, True)

    def convertD(self) -> ImageD:
        """The same image as float64; a copy."""
        return ImageD(self, True)

    def _operand(self, other: Any) -> np.ndarray:
        """The right-hand side of arithmetic: one number, or one for each pixel."""
        if isinstance(other, PixelPlane):
            return self._sized(other._array)
        given = regular(other)
        if given.dtype.kind not in "biuf":
            raise InvalidParameterError(
                f"The right-hand side is {shown(other)} of dtype {given.dtype}; real numbers are needed"
            )
        if given.ndim == 0 and self._array.dtype.kind == "f":
            # A number is taken as the pixels' own type, so that it does not matter what kind of number it was.
            return self._converted(given)
        return self._sized(given)

    def _compute(self, ufunc: np.ufunc, other: Any) -> None:
        operand = self._operand(other)
        if self._array.dtype.kind == "f":
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                ufunc(self._array, operand, out=self._array, casting="unsafe")
        else:
            self._array[...] = self._whole(ufunc, operand)

    def _whole(self, ufunc: np.ufunc, operand: np.ndarray) -> np.ndarray:
        """What arithmetic on whole numbers gives, or OutOfRangeError where a pixel cannot hold it."""
        # float64 holds every sum, and every product that counts, of numbers of 32 bits; for 64 Python's own do.
        wide: Any = np.float64 if self._array.itemsize < 8 or ufunc is np.divide else object
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            result = ufunc(self._array.astype(wide), operand.astype(wide))
        info = np.iinfo(self._array.dtype)
        inside = np.asarray((result > info.min - 1) & (result < info.max + 1), dtype=bool)
        if not inside.all():
            worst = np.unravel_index(int(np.argmin(inside)), inside.shape)
            raise OutOfRangeError(
                f"{ufunc.__name__}({self._array[worst]}, {np.broadcast_to(operand, inside.shape)[worst]}) is "
                f"{result[worst]}; {type(self).__name__} holds {info.min} to {info.max}"
            )
        whole: np.ndarray = result.astype(self._array.dtype)
        return whole

    def __iadd__(self, other: Any) -> Self:
        self._compute(np.add, other)
        return self

    def __isub__(self, other: Any) -> Self:
        self._compute(np.subtract, other)
        return self

    def __imul__(self, other: Any) -> Self:
        self._compute(np.multiply, other)
        return self

    def __itruediv__(self, other: Any) -> Self:
        self._compute(np.divide, other)
        return self

    def scaledPlus(self, c: float, other: Image) -> None:
        """Add c times another image."""
        self._compute(np.add, real_number(c, "c") * self._operand(other))

    def scaledMinus(self, c: float, other: Image) -> None:
        """Subtract c times another image."""
        self.scaledPlus(-real_number(c, "c"), other)

    @classmethod
    def readFits(cls, fileName: str | Path) -> Self:
        """Read the pixels of a FITS file. See `evensky.io.read_exposure`."""
        planes = read_planes(fileName)
        return cls(Image(planes.image, xy0=(planes.x0, planes.y0)))

    def writeFits(self, fileName: str | Path, overwrite: bool = True) -> None:
        """Write the pixels as a FITS file of one image. See `evensky.io.write_image`."""
        write_image_plane(self.array, fileName, x0=self.getX0(), y0=self.getY0(), overwrite=overwrite)


class ImageF(Image):
    """An image of float32 pixels. See `Image`."""

    dtype = np.float32


class ImageD(Image):
    """An image of float64 pixels. See `Image`."""

    dtype = np.float64


class ImageI(Image):
    """An image of int32 pixels. See `Image`."""

    dtype = np.int32


class ImageU(Image):
    """An image of uint16 pixels. See `Image`."""

    dtype = np.uint16


class ImageL(Image):
    """An image of uint64 pixels. See `Image`."""

    dtype = np.uint64
