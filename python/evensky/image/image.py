"""Images: single planes of pixels."""

from __future__ import annotations

__all__ = ["Image", "ImageD", "ImageF", "ImageI", "ImageL", "ImageU"]

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from .._checks import real_number, shown
from ..errors import FitsError, InvalidParameterError, OutOfRangeError
from ..errors import TypeError as WrongTypeError
from ..fits.planes import FitsPlanes, read_planes
from ..fits.writing import write_image_plane
from ._files import FileArguments, file_arguments, fill_metadata, write_mode
from ._pixels import PixelPlane, is_path, regular, with_keywords


class Image(PixelPlane):
    """Image whose pixels have one ``dtype``; its kinds are `ImageF`, `ImageD`, `ImageI`, `ImageU` and `ImageL`.

    The constructor takes a width and a height, an ``Extent2I`` or a ``Box2I``, each with an optional initial value; an
    array of shape ``(height, width)``; another image, as in ``Image(other[, bbox[, origin]][, deep])``; or a FITS file,
    as in ``Image(path[, hdu][, bbox[, origin]])``, see `readFits`. An array or image of the same dtype is not copied
    unless ``deep`` is true. `Image` itself selects the kind by the ``dtype`` argument or by the dtype of the array, and
    ``Image[dtype]`` is the kind, as is ``Image["F"]``.

    In-place arithmetic takes a number or an image of the same size. In images of integers, results are truncated; a
    result outside the range of the dtype raises OutOfRangeError and leaves the image unchanged.
    """

    dtype: ClassVar[Any] = None
    _kinds: ClassVar[dict[np.dtype[Any], type[Image]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Image._kinds.setdefault(np.dtype(cls.dtype), cls)  # classes of users do not replace one

    def __new__(cls, *args: Any, dtype: Any = None, **kwargs: Any) -> Any:
        if cls is Image:
            if dtype is None:
                given = next(iter(with_keywords(args, dict(kwargs))), None)
                dtype = getattr(given, "dtype", np.float32)
            return object.__new__(cls.kind_of(dtype))
        return object.__new__(cls)

    def __class_getitem__(cls, dtype: Any) -> type[Image]:
        if cls is not Image:
            raise WrongTypeError(f"{cls.__name__} has one kind of pixels; only Image[dtype] selects a kind")
        return Image.kind_of(_LETTERS.get(dtype, dtype) if isinstance(dtype, str) else dtype)

    @staticmethod
    def kind_of(dtype: Any) -> type[Image]:
        """Return the class of images with pixels of a dtype.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If no class has this dtype; the message lists the available ones.
        """
        try:
            kind = Image._kinds.get(np.dtype(dtype).newbyteorder("="))
        except TypeError as error:
            raise WrongTypeError(f"{shown(dtype)} is no dtype of images: {error}") from error
        if kind is None:
            known = ", ".join(str(known) for known in Image._kinds)
            raise InvalidParameterError(f"There is no image of dtype {np.dtype(dtype)}; it must be one of {known}")
        return kind

    def __init__(self, *args: Any, dtype: Any = None, **kwargs: Any) -> None:
        args = with_keywords(args, kwargs)
        if args and is_path(args[0]):
            self._set_from_file(file_arguments(type(self).__name__, args, kwargs))
        else:
            self._set_pixels(args, kwargs, type(self).__name__)

    def _set_from_file(self, file: FileArguments) -> None:
        planes = read_planes(file.path, hdu=file.hdu)
        image = self._of_planes(planes, file.unsafe)
        fill_metadata(file.metadata, planes.header)
        self._array, self._xy0 = image._array, image._xy0
        if file.bbox is not None:
            part = image.subset(file.bbox, file.origin)
            self._array, self._xy0 = part._array.copy(), part._xy0

    @classmethod
    def _of_planes(cls, planes: FitsPlanes, unsafe: bool = False) -> Self:
        """Make an image of the pixels of a file; whole numbers are not made of fractions unless `unsafe` is true."""
        image: Image = Image(planes.image, xy0=(planes.x0, planes.y0))
        if cls.dtype is not None and np.dtype(cls.dtype).kind != "f" and not unsafe:
            odd = image._array[image._array != np.floor(image._array)]  # among them NaN, which BLANK pixels are
            if odd.size:
                raise FitsError(
                    f"{planes.path}: {odd.size} pixels are no whole numbers, such as {odd[0]}; read an ImageF or an "
                    f"ImageD, or allow truncation with {cls.__name__}(path, allowUnsafe=True)"
                )
        return cls(image)

    def _part(self, rows: slice, columns: slice) -> Self:
        return self._of(self._array[rows, columns], self.getX0() + columns.start, self.getY0() + rows.start)

    def convertF(self) -> ImageF:
        """Return a copy of the image as float32."""
        return ImageF(self, True)

    def convertD(self) -> ImageD:
        """Return a copy of the image as float64."""
        return ImageD(self, True)

    def convertI(self) -> ImageI:
        """Return a copy of the image as int32; fractions are truncated."""
        return ImageI(self, True)

    def convertU(self) -> ImageU:
        """Return a copy of the image as uint16; fractions are truncated."""
        return ImageU(self, True)

    def convertL(self) -> ImageL:
        """Return a copy of the image as uint64; fractions are truncated."""
        return ImageL(self, True)

    def _operand(self, other: Any) -> np.ndarray:
        """Return the right operand of arithmetic as one number, or as an array with one number per pixel."""
        if isinstance(other, PixelPlane):
            return self._sized(other._array)
        given = regular(other)
        if given.dtype.kind not in "biuf":
            raise WrongTypeError(
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

    def _scaled(self, c: float, rhs: Any) -> Any:
        factor, operand = real_number(c, "c"), self._operand(rhs)
        return operand if factor == 1 else factor * operand

    def scaledPlus(self, c: float, rhs: Image) -> None:
        """Add `c` times another image."""
        self._compute(np.add, self._scaled(c, rhs))

    def scaledMinus(self, c: float, rhs: Image) -> None:
        """Subtract `c` times another image."""
        self._compute(np.subtract, self._scaled(c, rhs))

    def scaledMultiplies(self, c: float, rhs: Image) -> None:
        """Multiply by `c` times another image."""
        self._compute(np.multiply, self._scaled(c, rhs))

    def scaledDivides(self, c: float, rhs: Image) -> None:
        """Divide by `c` times another image."""
        self._compute(np.divide, self._scaled(c, rhs))

    @classmethod
    def readFits(cls, fileName: str | Path, hdu: int | str | None = None) -> Self:
        """Read the pixels of a FITS file: those of its first science image by default. See `evensky.io.read_exposure`.

        Parameters
        ----------
        fileName : str or Path
        hdu : int or str, optional
            Number, counted from 0, or name of the HDU to read.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be read, or the image has integer pixels and the file has fractions or NaN.
        """
        return cls._of_planes(read_planes(fileName, hdu=hdu))

    def writeFits(self, fileName: str | Path, metadata: Any = None, mode: str = "w", *, overwrite: bool = True) -> None:
        """Write the pixels as a FITS file of one image. See `evensky.io.write_image`.

        Parameters
        ----------
        fileName : str or Path
        metadata : mapping, optional
            Cards to write.
        mode : {"w", "a"}, optional
            "a" appends the image to the file as a further HDU.
        overwrite : bool, optional
            Replace an existing file.
        """
        options = write_mode(metadata, mode, overwrite)
        write_image_plane(self.array, fileName, x0=self.getX0(), y0=self.getY0(), **options)


# Letters that name the kinds of images.
_LETTERS = {"F": "f4", "D": "f8", "I": "i4", "U": "u2", "L": "u8"}


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
