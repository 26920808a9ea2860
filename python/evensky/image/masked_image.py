"""Masked images: images with a mask and a variance plane."""

from __future__ import annotations

__all__ = ["MaskedImage", "MaskedImageD", "MaskedImageF", "MaskedImageI", "MaskedImageL", "MaskedImageU"]

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from .._bands import row_bands
from .._planes import MAX_PLANES
from ..errors import InvalidParameterError
from ..fits.planes import FitsPlanes, read_planes
from ..fits.writing import write_planes
from ..geom import Box2I, Point2I
from ._pixels import LOCAL, PARENT, Boxed, ImageOrigin, check_same_size, part_of
from .image import Image, ImageD, ImageF, ImageI, ImageL, ImageU
from .mask import Mask


class MaskedImage(Boxed):
    """Image with a `Mask` and a variance plane (`ImageF`) of the same size.

    The constructor takes a width and a height, an ``Extent2I`` or a ``Box2I``; an image, optionally with its mask and
    variance, none of which is copied; or another masked image, as in ``MaskedImage(other[, bbox[, origin]][, deep])``.

    With another masked image, ``+=`` and ``-=`` add or subtract the images, combine the masks by OR (planes are matched
    by name) and add the variances in both cases; with a number or an image they change only the image. ``*=`` with a
    number multiplies the variance by the square of that number.
    """

    _image_kind: ClassVar[type[Image]] = ImageF
    _kinds: ClassVar[dict[Any, type[MaskedImage]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        MaskedImage._kinds[cls._image_kind] = cls

    def __new__(cls, *args: Any, dtype: Any = None, **kwargs: Any) -> Any:
        if cls is MaskedImage:
            given = kwargs.get("image", args[0] if args else None)
            if isinstance(given, MaskedImage):
                given = given.image
            kind = type(given) if isinstance(given, Image) else Image.kind_of(dtype or np.float32)
            return object.__new__(MaskedImage._kinds[kind])
        return object.__new__(cls)

    def __init__(
        self,
        *args: Any,
        image: Any = None,
        mask: Any = None,
        variance: Any = None,
        dtype: Any = None,
        deep: bool = False,
    ) -> None:
        first = args[0] if args else image
        if isinstance(first, MaskedImage):
            source, deep = part_of(first, args[1:], deep)
            self._image = self._image_kind(source.image, deep)
            self._mask = Mask(source.mask, deep)
            self._variance = ImageF(source.variance, deep)
            return
        if isinstance(first, Image | np.ndarray):
            planes = list(args[1:]) if image is None else list(args)
            if planes:
                mask = planes.pop(0)
            if planes:
                variance = planes.pop(0)
            if planes:
                raise InvalidParameterError(f"{type(self).__name__} takes an image, a mask and a variance; got more")
            self._image = self._image_kind(first)
        else:
            self._image = self._image_kind(*args) if image is None else self._image_kind(image)
        box = self._image.getBBox()
        self._mask = Mask(box) if mask is None else Mask(mask)
        if mask is None and isinstance(first, np.ma.MaskedArray):
            self._mask.array[np.ma.getmaskarray(first)] = self._mask.getPlaneBitMask("BAD")
        self._variance = ImageF(box) if variance is None else ImageF(variance)
        for name, plane in (("mask", self._mask), ("variance", self._variance)):
            check_same_size(f"The {name}", plane.getDimensions(), "the image", self._image.getDimensions())
            plane.setXY0(self._image.getXY0())

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
        new = kind(plane)
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
            values = value if isinstance(value, tuple) else (value, 0, 0.0)
            for array, one in zip(self.getArrays(), self._fitting(values), strict=False):
                array[pixel] = one
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
        """Set every pixel, as in ``set(value[, mask[, variance]])`` or with a tuple of these; omitted ones are 0."""
        values = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
        for array, one in zip(self.getArrays(), self._fitting((*values, 0, 0.0)[: max(len(values), 3)]), strict=True):
            array[...] = one

    def _fitting(self, values: tuple[Any, ...]) -> list[np.ndarray]:
        """Convert a value, a mask and a variance to the dtypes of their planes, before any of them is written."""
        if not 1 <= len(values) <= 3:
            raise InvalidParameterError(f"A pixel has a value, a mask and a variance; got {len(values)} values")
        planes = (self._image, self._mask, self._variance)
        return [plane._fitting(value) for plane, value in zip(planes, values, strict=False)]

    def assign(self, rhs: MaskedImage, bbox: Box2I | None = None, origin: ImageOrigin = PARENT) -> None:
        """Copy all planes of `rhs` into this image, or into its part inside `bbox`; mask planes are matched by name."""
        if not isinstance(rhs, MaskedImage):
            raise InvalidParameterError(f"rhs is a {type(rhs).__name__}; it must be a MaskedImage")
        target = self if bbox is None else self.subset(bbox, origin)
        bits = target._mask.bits_of(rhs.mask)  # This and the next line may raise an error, before anything changes.
        target._image.assign(rhs.image)
        target._mask.array[...] = bits
        target._variance.assign(rhs.variance)

    def convertF(self) -> MaskedImageF:
        """Return a copy with float32 pixels."""
        return MaskedImageF(self._image.convertF(), Mask(self._mask, True), ImageF(self._variance, True))

    def __iadd__(self, other: Any) -> Self:
        if isinstance(other, MaskedImage):
            bits = self._bits_of(other)
            self._image += other.image
            self._mask.array[...] |= bits
            self._variance += other.variance
        else:
            self._image += other
        return self

    def __isub__(self, other: Any) -> Self:
        if isinstance(other, MaskedImage):
            bits = self._bits_of(other)
            self._image -= other.image
            self._mask.array[...] |= bits
            self._variance += other.variance
        else:
            self._image -= other
        return self

    def _bits_of(self, other: MaskedImage) -> np.ndarray:
        """Return the mask bits of the right operand.

        Callers must change the image next, as this is the only later step that can raise an error.
        """
        check_same_size("The right-hand side", other.getDimensions(), "the left-hand side", self.getDimensions())
        return self._mask.bits_of(other.mask)

    def __imul__(self, other: Any) -> Self:
        if isinstance(other, MaskedImage):
            bits = self._bits_of(other)
            # The variance of a product of independent values, to first order.
            mine, its = self._image.array.astype(np.float64), other.image.array.astype(np.float64)
            self._image *= other.image
            self._variance.array[...] = its**2 * self._variance.array + mine**2 * other.variance.array
            self._mask.array[...] |= bits
        else:
            self._image *= other
            self._variance.array[...] = self._variance.array * _square(other)
        return self

    def __itruediv__(self, other: Any) -> Self:
        with np.errstate(divide="ignore", invalid="ignore"):
            if isinstance(other, MaskedImage):
                bits = self._bits_of(other)
                mine, its = self._image.array.astype(np.float64), other.image.array.astype(np.float64)
                ratio = mine / its
                self._image /= other.image
                self._variance.array[...] = (self._variance.array + ratio**2 * other.variance.array) / its**2
                self._mask.array[...] |= bits
            else:
                self._image /= other
                self._variance.array[...] = self._variance.array / _square(other)
        return self

    @classmethod
    def readFits(cls, fileName: str | Path) -> Self:
        """Read a FITS file. See `evensky.io.read_exposure`."""
        return cls(masked_image_from_planes(read_planes(fileName)))

    def writeFits(self, fileName: str | Path, overwrite: bool = True) -> None:
        """Write a FITS file in afw's layout. See `evensky.io.write_exposure`."""
        write_planes(planes_of_masked_image(self), fileName, overwrite=overwrite)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.getWidth()} x {self.getHeight()}, xy0={self.getXY0()})"


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

    If the file has a mask whose planes have no names, they are named by their values, such as "4096". The plane BAD is
    added to it, which has the pixels that do not count.
    """
    names = planes.mask_planes
    if names is None and planes.description is not None and planes.description.mask is not None:
        names = _named_by_value(planes)
    image: Image = Image(planes.image, xy0=(planes.x0, planes.y0))
    masked: MaskedImage = MaskedImage(image, Mask(planes.mask, mask_planes=names), ImageF(planes.variance))
    return masked


def _named_by_value(planes: FitsPlanes) -> dict[str, int]:
    """Name the bits that a mask has, and add the plane BAD to it if a bit is free."""
    used = 0
    for rows in row_bands(*planes.mask.shape):
        used |= int(np.bitwise_or.reduce(planes.mask[rows], axis=None)) & 0xFFFFFFFF
    names = {str(1 << bit): bit for bit in range(MAX_PLANES) if used >> bit & 1}
    free = next((bit for bit in range(MAX_PLANES) if not used >> bit & 1), None)
    if free is not None:
        names["BAD"] = free
        bad, plane = (np.uint32(bits).view(np.int32) for bits in ((planes.bad or 0) | planes.reject, 1 << free))
        for rows in row_bands(*planes.mask.shape):
            part = planes.mask[rows]
            part[part & bad != 0] |= plane
    return names


def planes_of_masked_image(masked: MaskedImage) -> FitsPlanes:
    """Return the planes of a masked image as for writing to a file; pixels are shared."""
    return FitsPlanes(*masked.getArrays(), masked.mask.getMaskPlaneDict(), x0=masked.getX0(), y0=masked.getY0())
