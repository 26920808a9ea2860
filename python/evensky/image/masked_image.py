"""Masked images: images with a mask and a variance plane."""

from __future__ import annotations

__all__ = [
    "MaskedImage",
    "MaskedImageD",
    "MaskedImageF",
    "MaskedImageI",
    "MaskedImageL",
    "MaskedImageU",
    "VariancePixel",
    "imagesOverlap",
]

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from .._checks import real_number, shown
from ..errors import TypeError as WrongTypeError
from ..fits.planes import FitsPlanes, name_by_value, read_planes
from ..fits.writing import write_planes
from ..geom import Box2I, Point2I
from ._files import FileArguments, file_arguments, fill_metadata, write_mode
from ._pixels import (
    LOCAL,
    PARENT,
    Boxed,
    ImageOrigin,
    PixelPlane,
    check_same_size,
    is_path,
    part_of,
    with_keywords,
)
from .image import Image, ImageD, ImageF, ImageI, ImageL, ImageU
from .mask import Mask

VariancePixel = np.float32
"""Type of the pixels of variance planes."""


class MaskedImage(Boxed):
    """Image with a `Mask` and a variance plane (`ImageF`) of the same size.

    The constructor takes a width and a height, an ``Extent2I`` or a ``Box2I``; an image, optionally with its mask and
    variance, none of which is copied; another masked image, as in ``MaskedImage(other[, bbox[, origin]][, deep])``; or
    a FITS file, as in ``MaskedImage(path[, bbox[, origin]][, conformMasks=True])``, see `Exposure`.
    ``MaskedImage[dtype]`` is the kind with images of this dtype.

    With another masked image, ``+=`` and ``-=`` add or subtract the images, combine the masks by OR (planes are matched
    by name) and add the variances in both cases; with a number or an image they change only the image. ``*=`` with a
    number multiplies the variance by the square of that number.
    """

    _image_kind: ClassVar[type[Image]] = ImageF
    _kinds: ClassVar[dict[Any, type[MaskedImage]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        MaskedImage._kinds.setdefault(cls._image_kind, cls)  # classes of users do not replace one

    def __new__(cls, *args: Any, dtype: Any = None, **kwargs: Any) -> Any:
        if cls is MaskedImage:
            given = next(iter(with_keywords(args, dict(kwargs))), None)
            if isinstance(given, MaskedImage):
                given = given.image
            kind = Image.kind_of(given.dtype if isinstance(given, Image) else dtype or np.float32)
            return object.__new__(MaskedImage._kinds[kind])
        return object.__new__(cls)

    def __class_getitem__(cls, dtype: Any) -> type[MaskedImage]:
        if cls is not MaskedImage:
            raise WrongTypeError(f"{cls.__name__} has one kind of pixels; only MaskedImage[dtype] selects a kind")
        return MaskedImage._kinds[Image[dtype]]  # type: ignore[misc]

    def __init__(
        self,
        *args: Any,
        mask: Any = None,
        variance: Any = None,
        planeDict: Any = None,
        dtype: Any = None,
        deep: bool = False,
        **kwargs: Any,
    ) -> None:
        args = with_keywords(args, kwargs)
        first = args[0] if args else None
        if is_path(first):
            self._set_from_file(file_arguments(type(self).__name__, args, kwargs))
            return
        if kwargs:
            raise WrongTypeError(f"{type(self).__name__} takes no argument {', '.join(sorted(kwargs))}")
        if len(args) > 1 and isinstance(args[-1], Mapping):
            *args, planeDict = args  # type: ignore[assignment]
        if isinstance(first, MaskedImage):
            source, deep = part_of(first, args[1:], deep)
            self._image = self._image_kind(source.image, deep)
            self._mask = Mask(source.mask, deep)
            self._variance = ImageF(source.variance, deep)
            return
        if isinstance(first, Image | np.ndarray):
            planes = list(args[1:])
            if planes:
                mask = planes.pop(0)
            if planes:
                variance = planes.pop(0)
            if planes:
                raise WrongTypeError(f"{type(self).__name__} takes an image, a mask and a variance; got more")
            self._image = self._image_kind(first)
        else:
            self._image = self._image_kind(*args)
        box = self._image.getBBox()
        self._mask = Mask(box, mask_planes=planeDict or None) if mask is None else _plane_of(Mask, mask, "mask")
        if mask is None and isinstance(first, np.ma.MaskedArray):
            self._mask.array[np.ma.getmaskarray(first)] = self._mask.getPlaneBitMask("BAD")
        self._variance = ImageF(box) if variance is None else _plane_of(ImageF, variance, "variance")
        for name, plane in (("mask", self._mask), ("variance", self._variance)):
            check_same_size(f"The {name}", plane.getDimensions(), "the image", self._image.getDimensions())
            plane.setXY0(self._image.getXY0())

    def _set_from_file(self, file: FileArguments) -> None:
        planes = read_planes(file.path, hdu=file.hdu)
        fill_metadata(file.metadata, planes.header)
        read = masked_image_from_planes(planes)
        if file.bbox is not None:
            read = read.subset(file.bbox, file.origin).clone()
        self._image, self._mask, self._variance = self._image_kind(read.image), read.mask, read.variance
        if not file.keep_planes:
            self._mask.conformMaskPlanes(self._mask.getMaskPlaneDict())

    @classmethod
    def _of(cls, image: Image, mask: Mask, variance: ImageF) -> Self:
        """Make a masked image of planes of one size and origin, without checks; for use in the package."""
        masked: Self = object.__new__(cls)
        masked._image, masked._mask, masked._variance = image, mask, variance
        return masked

    @property
    def image(self) -> Image:
        """Image plane; assigning to it writes into its pixels."""
        return self._image

    @image.setter
    def image(self, value: Any) -> None:
        self._image.assign(value)

    @property
    def mask(self) -> Mask:
        """Mask plane; assigning to it writes into its pixels."""
        return self._mask

    @mask.setter
    def mask(self, value: Any) -> None:
        self._mask.assign(value)

    @property
    def variance(self) -> ImageF:
        """Variance plane; assigning to it writes into its pixels."""
        return self._variance

    @variance.setter
    def variance(self, value: Any) -> None:
        self._variance.assign(value)

    def getImage(self) -> Image:
        return self._image

    def getMask(self) -> Mask:
        return self._mask

    def getVariance(self) -> ImageF:
        return self._variance

    def setImage(self, image: Any) -> None:
        self._image = self._replacement(image, self._image_kind, "image")

    def setMask(self, mask: Any) -> None:
        self._mask = self._replacement(mask, Mask, "mask")

    def setVariance(self, variance: Any) -> None:
        self._variance = self._replacement(variance, ImageF, "variance")

    def _replacement(self, plane: Any, kind: Any, name: str) -> Any:
        new = _plane_of(kind, plane, name)
        check_same_size(f"The new {name}", new.getDimensions(), "the masked image", self.getDimensions())
        new.setXY0(self.getXY0())
        return new

    def getArrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the arrays of image, mask and variance."""
        return self._image.array, self._mask.array, self._variance.array

    def getWidth(self) -> int:
        return self._image.getWidth()

    def getHeight(self) -> int:
        return self._image.getHeight()

    def getXY0(self) -> Point2I:
        return self._image.getXY0()

    def setXY0(self, *args: Any) -> None:
        """Set the origin of all planes, given as a point or as x and y."""
        for plane in (self._image, self._mask, self._variance):
            plane.setXY0(*args)

    def _part(self, rows: slice, columns: slice) -> Self:
        part = object.__new__(type(self))
        part._image = self._image._part(rows, columns)
        part._mask = self._mask._part(rows, columns)
        part._variance = self._variance._part(rows, columns)
        return part

    def __getitem__(self, index: Any) -> Any:
        if (pixel := self._pixel_index(index)) is not None:
            return tuple(array[pixel].item() for array in self.getArrays())
        return self._sub(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        if (pixel := self._pixel_index(index)) is not None:
            values = _pixel_of(value)
            for plane, one in self._numbers(values, PixelPlane._number):
                plane.array[pixel] = one
            return
        part = self._sub((slice(None), slice(None)) if index is Ellipsis else index)
        if isinstance(value, MaskedImage):
            part.assign(value)
        else:
            part.set(value)

    def get(self, x: int, y: int) -> tuple[Any, int, float]:
        """Return value, mask and variance of the pixel at a local position."""
        value: tuple[Any, int, float] = self[x, y, LOCAL]
        return value

    def set(self, *args: Any) -> None:
        """Set every pixel, as in ``set(value[, mask[, variance]])``, or with a tuple or a list of these.

        Those that are omitted become 0. A value may be an array of the shape of the pixels.
        """
        values = _pixel_of(args[0]) if len(args) == 1 else args
        padded = (*values, 0, 0.0)[: max(len(values), 3)] if values else ()
        for plane, one in self._numbers(padded, PixelPlane._filling):
            plane.array[...] = one

    def _numbers(self, values: tuple[Any, ...], convert: Any) -> list[tuple[PixelPlane, np.ndarray]]:
        """Convert a value, a mask and a variance for their planes, before any of them is written."""
        if not 1 <= len(values) <= 3:
            raise WrongTypeError(f"A pixel has a value, a mask and a variance; got {len(values)} values")
        planes: tuple[PixelPlane, ...] = (self._image, self._mask, self._variance)
        return [(plane, convert(plane, value)) for plane, value in zip(planes, values, strict=False)]

    def assign(self, rhs: MaskedImage, bbox: Box2I | None = None, origin: ImageOrigin = PARENT) -> None:
        """Copy all planes of `rhs` into this image, or into its part inside `bbox`, unless that is empty.

        Mask planes are matched by name.
        """
        target = self._target(bbox, origin)
        self._masked(rhs)
        bits = target._mask.bits_of(rhs.mask)  # This and the next line may raise an error, before anything changes.
        target._image.assign(rhs.image)
        target._mask.array[...] = bits
        target._variance.assign(rhs.variance)

    def convertF(self) -> MaskedImageF:
        """Return a copy with float32 pixels."""
        return MaskedImageF(self._image.convertF(), Mask(self._mask, True), ImageF(self._variance, True))

    def convertD(self) -> MaskedImageD:
        """Return a copy with float64 pixels."""
        return MaskedImageD(self._image.convertD(), Mask(self._mask, True), ImageF(self._variance, True))

    def __iadd__(self, other: Any) -> Self:
        if isinstance(other, MaskedImage):
            self.scaledPlus(1.0, other)
        else:
            self._image += other
        return self

    def __isub__(self, other: Any) -> Self:
        if isinstance(other, MaskedImage):
            self.scaledMinus(1.0, other)
        else:
            self._image -= other
        return self

    def scaledPlus(self, c: float, rhs: MaskedImage) -> None:
        """Add `c` times another masked image; its variance counts `c` squared times."""
        bits = self._bits_of(self._masked(rhs))
        self._image.scaledPlus(c, rhs.image)
        self._mask.array[...] |= bits
        self._variance.scaledPlus(real_number(c, "c") ** 2, rhs.variance)

    def scaledMinus(self, c: float, rhs: MaskedImage) -> None:
        """Subtract `c` times another masked image; its variance is added `c` squared times."""
        bits = self._bits_of(self._masked(rhs))
        self._image.scaledMinus(c, rhs.image)
        self._mask.array[...] |= bits
        self._variance.scaledPlus(real_number(c, "c") ** 2, rhs.variance)

    def scaledMultiplies(self, c: float, rhs: MaskedImage) -> None:
        """Multiply by `c` times another masked image."""
        bits = self._bits_of(self._masked(rhs))
        # The variance of a product of independent values, to first order.
        mine, its = self._image.array.astype(np.float64), rhs.image.array.astype(np.float64)
        self._image.scaledMultiplies(c, rhs.image)
        with np.errstate(over="ignore", invalid="ignore"):
            self._variance.array[...] = c**2 * (its**2 * self._variance.array + mine**2 * rhs.variance.array)
        self._mask.array[...] |= bits

    def scaledDivides(self, c: float, rhs: MaskedImage) -> None:
        """Divide by `c` times another masked image."""
        bits = self._bits_of(self._masked(rhs))
        mine, its = self._image.array.astype(np.float64), rhs.image.array.astype(np.float64)
        self._image.scaledDivides(c, rhs.image)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            ratio = mine / its
            variance = (self._variance.array + ratio**2 * rhs.variance.array) / its**2
            self._variance.array[...] = variance / np.float64(c) ** 2
        self._mask.array[...] |= bits

    @staticmethod
    def _masked(rhs: Any) -> MaskedImage:
        if not isinstance(rhs, MaskedImage):
            raise WrongTypeError(f"rhs is {shown(rhs)}, a {type(rhs).__name__}; it must be a MaskedImage")
        return rhs

    def _bits_of(self, other: MaskedImage) -> np.ndarray:
        """Return the mask bits of the right operand.

        Callers must change the image next, as this is the only later step that can raise an error.
        """
        check_same_size("The right-hand side", other.getDimensions(), "the left-hand side", self.getDimensions())
        return self._mask.bits_of(other.mask)

    def __imul__(self, other: Any) -> Self:
        if isinstance(other, MaskedImage):
            self.scaledMultiplies(1.0, other)
        else:
            self._image *= other
            self._variance.array[...] = self._variance.array * _square(other)
        return self

    def __itruediv__(self, other: Any) -> Self:
        if isinstance(other, MaskedImage):
            self.scaledDivides(1.0, other)
        else:
            self._image /= other
            with np.errstate(divide="ignore", invalid="ignore"):
                self._variance.array[...] = self._variance.array / _square(other)
        return self

    def swap(self, other: Self) -> None:
        """Exchange the planes with those of another masked image of the same kind."""
        if type(other) is not type(self):
            raise WrongTypeError(f"The other image is {shown(other)}; it must be of class {type(self).__name__}")
        self.__dict__, other.__dict__ = other.__dict__, self.__dict__

    @classmethod
    def readFits(cls, fileName: str | Path) -> Self:
        """Read a FITS file. See `evensky.io.read_exposure`."""
        return cls(masked_image_from_planes(read_planes(fileName)))

    def writeFits(self, fileName: str | Path, metadata: Any = None, *, overwrite: bool = True) -> None:
        """Write a FITS file in afw's layout. See `evensky.io.write_exposure`.

        Parameters
        ----------
        fileName : str or Path
        metadata : mapping, optional
            Cards to write.
        overwrite : bool, optional
            Replace an existing file.
        """
        options = write_mode(metadata, "w", overwrite)
        planes = replace(planes_of_masked_image(self), header=options["header"])
        write_planes(planes, fileName, overwrite=options["overwrite"])

    def __str__(self) -> str:
        return f"image={self._image},\nmask={self._mask},\nvariance={self._variance}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.getWidth()} x {self.getHeight()}, xy0={self.getXY0()})"


def imagesOverlap(image1: Image | MaskedImage, image2: Image | MaskedImage) -> bool:
    """Return whether two images, or two masked images, share a pixel in memory."""
    arrays = []
    for image in (image1, image2):
        if not isinstance(image, PixelPlane | MaskedImage):
            raise WrongTypeError(f"An image is {shown(image)}, a {type(image).__name__}; an image is needed")
        arrays.append(image.getArrays() if isinstance(image, MaskedImage) else (image.array,))
    return any(np.shares_memory(one, other) for one in arrays[0] for other in arrays[1])


def _plane_of(kind: Any, plane: Any, name: str) -> Any:
    """Make a plane of anything but a file, which would be read without its mask and variance."""
    if is_path(plane):
        raise WrongTypeError(f"The {name} is {shown(plane)}, a {type(plane).__name__}; an image or an array is needed")
    return kind(plane)


def _pixel_of(value: Any) -> tuple[Any, ...]:
    """Return the value of a pixel, or of all, as a tuple of a value and optionally a mask and a variance.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If it is an array of one dimension: numpy would take its numbers for those of columns.
    """
    if isinstance(value, tuple) or (isinstance(value, list) and not (value and isinstance(value[0], list))):
        return tuple(value)
    if isinstance(value, np.ndarray) and value.ndim == 1:
        raise WrongTypeError(
            f"A pixel is {shown(value)}; give its value, mask and variance as a tuple or a list, or the values of all "
            "pixels as an array of two dimensions"
        )
    return (value, 0, 0.0)


def _square(factor: Any) -> Any:
    return np.square(factor.array if isinstance(factor, Image) else factor, dtype=np.float64)


class MaskedImageF(MaskedImage):
    """Masked image of float32 pixels, see `MaskedImage`."""

    _image_kind = ImageF


class MaskedImageD(MaskedImage):
    """Masked image of float64 pixels, see `MaskedImage`."""

    _image_kind = ImageD


class MaskedImageI(MaskedImage):
    """Masked image of int32 pixels, see `MaskedImage`."""

    _image_kind = ImageI


class MaskedImageU(MaskedImage):
    """Masked image of uint16 pixels, see `MaskedImage`."""

    _image_kind = ImageU


class MaskedImageL(MaskedImage):
    """Masked image of uint64 pixels, see `MaskedImage`."""

    _image_kind = ImageL


def masked_image_from_planes(planes: FitsPlanes) -> MaskedImage:
    """Make a masked image of planes that were read from a file; pixels are shared.

    A mask and variances that are one row for all rows take no more memory, and stay read-only.

    If the file has a mask whose planes have no names, they are named by their values, such as "4096". The plane BAD is
    added to it, which has the pixels that do not count.
    """
    names = planes.mask_planes
    if names is None and planes.description is not None and planes.description.mask is not None:
        names = name_by_value(planes)
    image: Image = Image(planes.image, xy0=(planes.x0, planes.y0))
    mask = Mask._named(planes.mask, names) if _is_one_row(planes.mask) else Mask(planes.mask, mask_planes=names)
    variance = ImageF._of(planes.variance) if _is_one_row(planes.variance) else ImageF(planes.variance)
    masked: MaskedImage = MaskedImage(image, mask, variance)
    return masked


def _is_one_row(plane: Any) -> bool:
    """Return whether all rows of a plane are the same memory, as `numpy.broadcast_to` makes them."""
    return isinstance(plane, np.ndarray) and plane.shape[0] > 1 and plane.strides[0] == 0 and not plane.flags.writeable


def planes_of_masked_image(masked: MaskedImage) -> FitsPlanes:
    """Return the planes of a masked image as for writing to a file; pixels are shared."""
    return FitsPlanes(*masked.getArrays(), masked.mask.getMaskPlaneDict(), x0=masked.getX0(), y0=masked.getY0())
