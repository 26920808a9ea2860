"""Images: one plane of numbers."""

from __future__ import annotations

__all__ = ["Image", "ImageD", "ImageF", "ImageI", "ImageL", "ImageU"]

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import InvalidParameterError
from ._pixels import PixelPlane, check_same_size


class Image(PixelPlane):
    """An image of ``dtype`` pixels; `ImageF`, `ImageD`, `ImageI`, `ImageU` and `ImageL` are the kinds there are.

    Made of a width and a height, an ``Extent2I``, a ``Box2I`` (each with an initial value, if wanted), an array of
    shape ``(height, width)``, or another image, ``Image(other[, bbox[, origin]][, deep])``. An array or image of the
    same type is not copied unless ``deep`` is true. `Image` itself picks the kind by the ``dtype`` argument or the
    array's type.

    Arithmetic in place with a number, or with an image of the same size, works on the pixels.
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
            kind = Image._kinds.get(np.dtype(dtype).newbyteorder("="))
            if kind is None:
                known = ", ".join(str(known) for known in Image._kinds)
                raise InvalidParameterError(f"There is no image of dtype {np.dtype(dtype)}; the kinds are {known}")
            return object.__new__(kind)
        return object.__new__(cls)

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

    def _operand(self, other: Any) -> Any:
        if isinstance(other, PixelPlane):
            check_same_size("The right-hand side", other.getDimensions(), "the left-hand side", self.getDimensions())
            return other._array
        return other

    def __iadd__(self, other: Any) -> Self:
        np.add(self._array, self._operand(other), out=self._array, casting="unsafe")
        return self

    def __isub__(self, other: Any) -> Self:
        np.subtract(self._array, self._operand(other), out=self._array, casting="unsafe")
        return self

    def __imul__(self, other: Any) -> Self:
        np.multiply(self._array, self._operand(other), out=self._array, casting="unsafe")
        return self

    def __itruediv__(self, other: Any) -> Self:
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(self._array, self._operand(other), out=self._array, casting="unsafe")
        return self

    def scaledPlus(self, c: float, other: Image) -> None:
        """Add c times another image."""
        np.add(self._array, c * self._operand(other), out=self._array, casting="unsafe")

    def scaledMinus(self, c: float, other: Image) -> None:
        """Subtract c times another image."""
        self.scaledPlus(-c, other)

    @classmethod
    def readFits(cls, fileName: str | Path) -> Self:
        """Read the pixels of a FITS file. See `evensky.io.fits.read_exposure`."""
        from ..io.fits import read_exposure

        return cls(read_exposure(fileName).image)

    def writeFits(self, fileName: str | Path, overwrite: bool = True) -> None:
        """Write the pixels as a FITS file of one image. See `evensky.io.fits.write_image`."""
        from ..io.fits import write_image

        write_image(self, fileName, overwrite=overwrite)


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
