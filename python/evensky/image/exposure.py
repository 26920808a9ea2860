"""Exposures: masked images with metadata and a WCS."""

from __future__ import annotations

__all__ = ["Exposure", "ExposureD", "ExposureF", "ExposureI", "ExposureInfo", "ExposureL", "ExposureU"]

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from .._checks import shown
from .._planes import MAX_PLANES
from ..errors import TypeError as WrongTypeError
from ..fits.planes import FitsPlanes, read_planes
from ..fits.writing import write_planes
from ..geom import Box2I, Extent2I, Point2I
from ._files import FileArguments, file_arguments, fill_metadata
from ._pixels import PARENT, Boxed, ImageOrigin, is_path, part_of, with_keywords
from .image import Image, ImageF
from .mask import Mask
from .masked_image import (
    MaskedImage,
    MaskedImageD,
    MaskedImageF,
    MaskedImageI,
    MaskedImageL,
    MaskedImageU,
    masked_image_from_planes,
    planes_of_masked_image,
)
from .metadata import as_metadata

# What an exposure may hold beside its pixels. Nothing in evensky uses these; they are there for scripts.
_HELD = (
    *("Detector", "Filter", "PhotoCalib", "Psf", "VisitInfo", "ApCorrMap", "ValidPolygon", "CoaddInputs"),
    *("TransmissionCurve", "SummaryStats", "Id"),
)


def _hold(kind: type, name: str) -> None:
    """Add an attribute that holds an object to a class, with the methods ``getX``, ``setX`` and ``hasX``."""

    def get(self: Any) -> Any:
        return self._held().get(name)

    def put(self: Any, value: Any) -> None:
        self._held()[name] = value

    def has(self: Any) -> bool:
        return self._held().get(name) is not None

    for method, verb in ((get, "get"), (put, "set"), (has, "has")):
        method.__name__ = f"{verb}{name}"
        setattr(kind, method.__name__, method)
    setattr(kind, name[0].lower() + name[1:], property(get, put))


class ExposureInfo:
    """Information on an exposure apart from its pixels.

    Attributes
    ----------
    metadata : astropy.io.fits.Header or None
        FITS header, which also has the methods of ``PropertyList``; None until `getMetadata` makes it.
    wcs : astropy.wcs.WCS or None
        Mapping from local array pixels, counted from 0, to the sky.
    dataId : dict
        Identifier of the exposure.
    assumptions : list of str
        Assumptions made when the exposure was read, as sentences.
    has_variance : bool
        False if the variance plane is 0 because the variance is unknown.
    scratch : Path or None
        Folder of the files that hold the pixels; None if the pixels are in memory.
    bad : int or None
        Bits of the mask whose pixels do not count in the layout of the file that was read, as a number >= 0; None if
        the names of the planes decide.
    reject : int
        Bits of the mask whose pixels never count: those of a boolean mask, and those of pixels without a positive
        finite variance or weight.
    detector, filter, photoCalib, psf, visitInfo, ... : object
        Whatever a script sets, also by ``setDetector`` and the like; None by default.
    """

    _metadata: Any
    # Metadata before a header is made of them.
    _values: Mapping[str, Any] = {}

    def __init__(self, metadata: Any = None, wcs: Any = None, dataId: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        self.wcs = wcs
        self.dataId: dict[str, Any] = {} if dataId is None else dataId
        self.assumptions: list[str] = []
        self.has_variance = True
        self.scratch: Path | None = None
        self.bad: int | None = None
        self.reject = 0
        self._others: dict[str, Any] = {}
        # Numbers of the planes to which `bad` and `reject` refer.
        self._planes: dict[str, int] | None = None

    def _held(self) -> dict[str, Any]:
        return self._others

    @property
    def metadata(self) -> Any:
        # The values stay, as another thread may be reading them.
        if self._metadata is None and self._values:
            self._metadata = as_metadata(self._values)
        return self._metadata

    @metadata.setter
    def metadata(self, value: Any) -> None:
        self._metadata, self._values = None if value is None else as_metadata(value), {}

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Replace the metadata by names and values, of which a header is made when it is asked for.

        The import of headers takes longer than reading a large image.
        """
        self._metadata, self._values = None, dict(values)

    def value_of(self, name: str) -> Any:
        """Return a value of the metadata, or None, without making a header."""
        known = self._metadata
        return self._values.get(name) if known is None else known.get(name)

    def __copy__(self) -> Self:
        _ = self.metadata  # a header is the same in both
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._others = dict(self._others)
        return made

    def follow(self, mask: Mask) -> None:
        """Renumber `bad` and `reject` if the mask was renumbered or replaced; planes are found by their names."""
        planes = mask._planes
        if planes is self._planes:
            return
        before, self._planes = self._planes, planes
        if before is not None and any(planes.get(name) != bit for name, bit in before.items()):
            self.bad = None if self.bad is None else _renumbered(self.bad, before, planes)
            self.reject = _renumbered(self.reject, before, planes)

    def hasWcs(self) -> bool:
        return self.wcs is not None

    def getWcs(self) -> Any:
        return self.wcs

    def setWcs(self, wcs: Any) -> None:
        self.wcs = wcs

    def getMetadata(self) -> Any:
        if self.metadata is None:
            self._metadata = as_metadata()
        return self._metadata

    def setMetadata(self, metadata: Any) -> None:
        self.metadata = metadata


class Exposure(Boxed):
    """Masked image with metadata, an optional WCS and a data ID.

    The constructor takes a width and a height, an ``Extent2I`` or a ``Box2I``; a masked image, whose pixels are not
    copied, optionally with a WCS or an `ExposureInfo`; another exposure, as in
    ``Exposure(other[, bbox[, origin]][, deep])``; or a FITS file, as in
    ``Exposure(path[, bbox[, origin]][, conformMasks=True])``, see `readFits`. ``Exposure[dtype]`` is the kind with
    images of this dtype.

    The mask of a file keeps the numbers that the file gives its planes; with ``conformMasks=False``, the planes become
    those of `Mask`, which gain the ones that they lack, as when the original reads a file.
    """

    _masked_kind: ClassVar[type[MaskedImage]] = MaskedImageF
    _masked: MaskedImage
    _info: ExposureInfo

    def __new__(cls, *args: Any, dtype: Any = None, **kwargs: Any) -> Any:
        if cls is Exposure:
            given = next(iter(with_keywords(args, dict(kwargs), _SOURCES)), None)
            if isinstance(given, Exposure):
                return object.__new__(type(given))
            if isinstance(given, MaskedImage):
                given = given.image
            kind = Image.kind_of(given.dtype if isinstance(given, Image) else dtype or np.float32)
            return object.__new__(cls._kind_with(MaskedImage._kinds[kind]))
        return object.__new__(cls)

    @staticmethod
    def _kind_with(kind: type[MaskedImage]) -> type[Exposure]:
        return next(one for one in Exposure.__subclasses__() if one._masked_kind is kind)

    def __class_getitem__(cls, dtype: Any) -> type[Exposure]:
        if cls is not Exposure:
            raise WrongTypeError(f"{cls.__name__} has one kind of pixels; only Exposure[dtype] selects a kind")
        return Exposure._kind_with(MaskedImage[dtype])  # type: ignore[misc]

    def __init__(
        self, *args: Any, wcs: Any = None, exposureInfo: ExposureInfo | None = None, dataId: Any = None, **kwargs: Any
    ) -> None:
        args = with_keywords(args, kwargs, _SOURCES)
        kwargs.pop("dtype", None)  # it has selected the class
        first = args[0] if args else None
        if len(args) > 1 and isinstance(args[-1], ExposureInfo):
            *args, exposureInfo = args  # type: ignore[assignment]
        if is_path(first):
            self._set_from_file(file_arguments(type(self).__name__, args, kwargs))
        elif isinstance(first, Exposure):
            source, deep = part_of(first.maskedImage, args[1:], kwargs.pop("deep", False))
            self._masked = self._masked_kind(source, deep)
            self._info = copy.deepcopy(first.info) if deep else copy.copy(first.info)
            if source is not first.maskedImage and hasattr(self._info.wcs, "__getitem__"):
                offset = source.getXY0() - first.getXY0()
                self._info.wcs = self._info.wcs[offset.y :, offset.x :]
        elif isinstance(first, MaskedImage | Image):
            rest = list(args[1:])
            if rest and not isinstance(rest[0], Mask):
                wcs = rest.pop(0)
            self._masked = self._masked_kind(first, *rest, **kwargs)
            self._info = ExposureInfo()
        else:
            rest = list(args)
            size = 1 if rest and isinstance(rest[0], Box2I | Extent2I) else 2
            if len(rest) > size and not isinstance(rest[-1], Mapping | int | float | np.number):
                wcs = rest.pop()
            self._masked = self._masked_kind(*rest, **kwargs)
            self._info = ExposureInfo()
        if exposureInfo is not None:
            self._info = copy.copy(exposureInfo)
        if wcs is not None:
            self._info.wcs = wcs
        if dataId is not None:
            if not isinstance(dataId, Mapping):
                raise WrongTypeError(
                    f"dataId is {shown(dataId)}, a {type(dataId).__name__}; a mapping of names to values is needed"
                )
            self._info.dataId = dict(dataId)

    def _set_from_file(self, file: FileArguments) -> None:
        read = exposure_from_planes(read_planes(file.path, hdu=file.hdu))
        fill_metadata(file.metadata, read.metadata)
        if file.bbox is not None:
            read = read.subset(file.bbox, file.origin).clone()
        if not file.keep_planes:
            read.mask.conformMaskPlanes(read.mask.getMaskPlaneDict())
        self._masked, self._info = self._masked_kind(read.maskedImage), read.info

    def _held(self) -> dict[str, Any]:
        return self._info._held()

    @property
    def maskedImage(self) -> MaskedImage:
        """Masked image; assigning to it replaces the pixels."""
        return self._masked

    @maskedImage.setter
    def maskedImage(self, value: MaskedImage) -> None:
        if is_path(value):
            raise WrongTypeError(f"maskedImage is {shown(value)}; a MaskedImage is needed")
        self._masked = self._masked_kind(value)

    def getMaskedImage(self) -> MaskedImage:
        return self._masked

    def setMaskedImage(self, maskedImage: MaskedImage) -> None:
        self.maskedImage = maskedImage

    @property
    def image(self) -> Image:
        """Image plane; assigning to it writes into its pixels."""
        return self._masked.image

    @image.setter
    def image(self, value: Any) -> None:
        self._masked.image = value

    @property
    def mask(self) -> Mask:
        """Mask plane; assigning to it writes into its pixels."""
        return self._masked.mask

    @mask.setter
    def mask(self, value: Any) -> None:
        self._masked.mask = value

    @property
    def variance(self) -> ImageF:
        """Variance plane; assigning to it writes into its pixels."""
        return self._masked.variance

    @variance.setter
    def variance(self, value: Any) -> None:
        self._masked.variance = value

    def getImage(self) -> Image:
        return self._masked.image

    def getMask(self) -> Mask:
        return self._masked.mask

    def getVariance(self) -> ImageF:
        return self._masked.variance

    def setImage(self, image: Any) -> None:
        """Replace the image plane; pixels are shared."""
        self._masked.setImage(image)

    def setMask(self, mask: Any) -> None:
        """Replace the mask plane; pixels are shared."""
        self._masked.setMask(mask)

    def setVariance(self, variance: Any) -> None:
        """Replace the variance plane; pixels are shared."""
        self._masked.setVariance(variance)

    def convertF(self) -> ExposureF:
        """Return a copy with float32 pixels."""
        return ExposureF(self._masked.convertF(), exposureInfo=copy.deepcopy(self.info))

    def convertD(self) -> ExposureD:
        """Return a copy with float64 pixels."""
        return ExposureD(self._masked.convertD(), exposureInfo=copy.deepcopy(self.info))

    @property
    def info(self) -> ExposureInfo:
        """Information on the exposure apart from its pixels."""
        self._info.follow(self._masked.mask)
        return self._info

    def getInfo(self) -> ExposureInfo:
        return self.info

    @property
    def metadata(self) -> Any:
        """FITS header, an `astropy.io.fits.Header`."""
        return self._info.getMetadata()

    @metadata.setter
    def metadata(self, value: Any) -> None:
        self._info.metadata = value

    def getMetadata(self) -> Any:
        return self._info.getMetadata()

    def setMetadata(self, metadata: Any) -> None:
        self._info.metadata = metadata

    @property
    def wcs(self) -> Any:
        """WCS of local array pixels, an `astropy.wcs.WCS`, or None."""
        return self._info.wcs

    @wcs.setter
    def wcs(self, value: Any) -> None:
        self._info.wcs = value

    def getWcs(self) -> Any:
        return self._info.wcs

    def setWcs(self, wcs: Any) -> None:
        self._info.wcs = wcs

    def hasWcs(self) -> bool:
        return self._info.hasWcs()

    @property
    def dataId(self) -> dict[str, Any]:
        """Identifier of the exposure."""
        return self._info.dataId

    @dataId.setter
    def dataId(self, value: Any) -> None:
        self._info.dataId = dict(value)

    @property
    def assumptions(self) -> list[str]:
        """Assumptions made when the exposure was read, as sentences."""
        return self._info.assumptions

    def getWidth(self) -> int:
        return self._masked.getWidth()

    def getHeight(self) -> int:
        return self._masked.getHeight()

    def getXY0(self) -> Point2I:
        return self._masked.getXY0()

    def setXY0(self, *args: Any) -> None:
        """Set the origin of all planes, given as a point or as x and y."""
        self._masked.setXY0(*args)

    def _part(self, rows: slice, columns: slice) -> Self:
        x0, y0 = self.getXY0()
        box = Box2I(
            Point2I(x0 + columns.start, y0 + rows.start),
            Point2I(x0 + columns.stop - 1, y0 + rows.stop - 1),
            invert=False,
        )
        return type(self)(self, box, PARENT)

    def __getitem__(self, index: Any) -> Any:
        if self._pixel_index(index) is not None:
            return self._masked[index]
        return self._sub(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._masked[index] = value.maskedImage if isinstance(value, Exposure) else value

    def getCutout(self, bbox: Box2I, origin: ImageOrigin = PARENT) -> Self:
        """Return a deep copy of the part inside `bbox`."""
        return self.subset(bbox, origin).clone()

    @classmethod
    def readFits(cls, fileName: str | Path) -> Self:
        """Read a FITS file. See `evensky.io.read_exposure`."""
        read = exposure_from_planes(read_planes(fileName))
        exposure = cls(read.maskedImage)
        exposure._info = read.info
        return exposure

    def writeFits(self, fileName: str | Path, overwrite: bool = True) -> None:
        """Write a FITS file in afw's layout. See `evensky.io.write_exposure`."""
        write_planes(planes_of_exposure(self), fileName, overwrite=overwrite)

    def __str__(self) -> str:
        return str(self._masked)

    def __repr__(self) -> str:
        identity = f", dataId={self.dataId}" if self.dataId else ""
        return f"{type(self).__name__}({self.getWidth()} x {self.getHeight()}, xy0={self.getXY0()}{identity})"


for _kind in (ExposureInfo, Exposure):
    for _name in _HELD:
        _hold(_kind, _name)

_ALL_BITS = (1 << MAX_PLANES) - 1
# Names of the first argument of the constructor.
_SOURCES = ("other", "rhs", "maskedImage", "image", "fileName")


def _renumbered(bits: int, before: Mapping[str, int], after: Mapping[str, int]) -> int:
    """Return bits of planes, a number >= 0, in other numbers of the planes; bits without a name stay."""
    if bits == _ALL_BITS:
        return bits
    named = sum(1 << bit for bit in before.values())
    return sum(1 << after[name] for name, bit in before.items() if bits >> bit & 1 and name in after) | bits & ~named


class ExposureF(Exposure):
    """Exposure of float32 pixels, see `Exposure`."""

    _masked_kind = MaskedImageF


class ExposureD(Exposure):
    """Exposure of float64 pixels, see `Exposure`."""

    _masked_kind = MaskedImageD


class ExposureI(Exposure):
    """Exposure of int32 pixels, see `Exposure`."""

    _masked_kind = MaskedImageI


class ExposureU(Exposure):
    """Exposure of uint16 pixels, see `Exposure`."""

    _masked_kind = MaskedImageU


class ExposureL(Exposure):
    """Exposure of uint64 pixels, see `Exposure`."""

    _masked_kind = MaskedImageL


def exposure_from_planes(planes: FitsPlanes) -> Exposure:
    """Make an exposure of planes that were read from a file; pixels are shared.

    Its data ID is the name of the file, if there is one.
    """
    exposure: Exposure = Exposure(masked_image_from_planes(planes))
    exposure.info.metadata = planes.header
    exposure.info.wcs = planes.wcs
    exposure.info.has_variance = planes.has_variance
    exposure.info.scratch = planes.scratch
    exposure.info.bad, exposure.info.reject = planes.bad, planes.reject
    exposure.info.assumptions.extend(planes.assumptions)
    if planes.path is not None:
        exposure.dataId = {"file": planes.path.name}
    return exposure


def planes_of_exposure(exposure: Exposure) -> FitsPlanes:
    """Return the planes, the header and the WCS of an exposure as for writing to a file; pixels are shared."""
    return replace(planes_of_masked_image(exposure.maskedImage), header=exposure.metadata, wcs=exposure.wcs)
