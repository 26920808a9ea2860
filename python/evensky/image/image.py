"""Images: single planes of pixels."""

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
    """Image whose pixels have one ``dtype``; its kinds are `ImageF`, `ImageD`, `ImageI`, `ImageU` and `ImageL`.

    The constructor takes a width and a height, an ``Extent2I`` or a ``Box2I``, each with an optional initial value; an
    array of shape ``(height, width)``; or another image, as in ``Image(other[, bbox[, origin]][, deep])``. An array or
    image of the same dtype is not copied unless ``deep`` is true. `Image` itself selects the kind by the ``dtype``
    argument or by the dtype of the array.

    In-place arithmetic takes a number or an image of the same size. In images of integers, results are truncated; a
    result outside the range of the dtype raises OutOfRangeError and leaves the image unchanged.
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
        """Return the class of images with pixels of a dtype.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If no class has this dtype; the message lists the available ones.
        """
        kind = Image._kinds.get(np.dtype(dtype).newbyteorder("="))
        if kind is None:
            known = ", ".join(str(known) for known in Image._kinds)
            raise InvalidParameterError(f"There is no image of dtype {np.dtype(dtype)}; it must be one of {known}")
        return kind

    def __init__(self, *args: Any, dtype: Any = None, **kwargs: Any) -> None:
        self._set_pixels(args, kwargs, type(self).__name__)

    def _part(self, rows: slice, columns: slice) -> Self:
        return type(self)(self._array[rows, columns], xy0=(self.getX0() + columns.start, self.getY0() + rows.start))

    def convertF(self) -> ImageF:
        """Return a copy of the image as float32."""
        return ImageF(self, True)

    def convertD(self) -> ImageD:
        """Return a copy of the image as float64."""
        return ImageD(self, True)

    def _operand(self, other: Any) -> np.ndarray:
        """Return the right operand of arithmetic as one number, or as an array with one number per pixel."""
        if isinstance(other, PixelPlane):
            return self._sized(other._array)
        given = regular(other)
        if given.dtype.kind not in "biuf":
            raise InvalidParameterError(
                f"The right-hand side is {shown(other)} of dtype {given.dtype}; real numbers are needed"
            )
        if given.ndim == 0 and self._array.dtype.kind == "f":
            # A scalar is converted to the dtype of the pixels, so that its own type does not affect the result.
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
        """Return the truncated result of arithmetic on integers; raise OutOfRangeError if a pixel cannot hold it."""
        # Results that fit 32-bit pixels are exact in float64; 64-bit pixels need the integers of Python.
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
        """Add `c` times another image."""
        self._compute(np.add, real_number(c, "c") * self._operand(other))

    def scaledMinus(self, c: float, other: Image) -> None:
        """Subtract `c` times another image."""
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
    """Image of float32 pixels, see `Image`."""

    dtype = np.float32


class ImageD(Image):
    """Image of float64 pixels, see `Image`."""

    dtype = np.float64


class ImageI(Image):
    """Image of int32 pixels, see `Image`."""

    dtype = np.int32


class ImageU(Image):
    """Image of uint16 pixels, see `Image`."""

    dtype = np.uint16


class ImageL(Image):
    """Image of uint64 pixels, see `Image`."""

    dtype = np.uint64
