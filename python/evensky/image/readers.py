"""Readers of single parts of FITS files, with the names of the original."""

from __future__ import annotations

__all__ = ["ExposureFitsReader", "ImageFitsReader", "MaskFitsReader", "MaskedImageFitsReader"]

from pathlib import Path
from typing import Any

import numpy as np

from .._checks import shown
from ..errors import InvalidParameterError
from ..fits.companions import split_extension
from ..fits.contents import describe_hdus
from ..fits.descriptions import Selection
from ..fits.hdus import value_of
from ..fits.opening import opened_headers
from ..geom import Box2I, Extent2I, Point2I
from ._pixels import PARENT, ImageOrigin, is_path
from .exposure import Exposure, ExposureInfo
from .image import Image, ImageF
from .mask import Mask
from .masked_image import MaskedImage
from .metadata import PropertyList, readMetadata

# Types of pixels by BITPIX; those of two bytes are unsigned with BZERO = 32768.
_DTYPES = {8: np.int32, 16: np.int32, 32: np.int32, -32: np.float32, -64: np.float64}


class _Reader:
    """Reader of an image and of the planes that belong to it.

    Parameters
    ----------
    fileName : str or Path
    hdu : int or str, optional
        Number, counted from 0, or name of the HDU; by default that of the first science image.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing or broken, or has no image. Nothing but headers is read before pixels are asked for.
    """

    def __init__(self, fileName: str | Path, hdu: int | str | None = None) -> None:
        if not is_path(fileName):
            raise InvalidParameterError(f"fileName is {shown(fileName)}; it must be the path of a FITS file")
        file, extension = split_extension(Path(fileName))
        if extension is not None and hdu is not None:
            raise InvalidParameterError(f"{fileName} names an HDU, and hdu = {hdu!r} another; only one can be given")
        self._path, self._hdu = file, hdu if extension is None else extension
        with opened_headers(file) as hdus:
            self._found = describe_hdus(hdus, file, Selection(hdu=self._hdu)).images[0]
            header = hdus[self._found.hdu].header
            scaled = value_of(header, "BSCALE", 1), value_of(header, "BZERO", 0)
            self._dtype = np.dtype(_DTYPES.get(int(header["BITPIX"]), np.float64))
            if scaled == (1, 32768) and int(header["BITPIX"]) == 16:
                self._dtype = np.dtype(np.uint16)
            elif scaled != (1, 0) and self._dtype.kind != "f":
                self._dtype = np.dtype(np.float64)

    @property
    def fileName(self) -> str:
        """Name of the file."""
        return str(self._path)

    def readBBox(self, origin: ImageOrigin = PARENT) -> Box2I:
        """Return the bounding box, in parent or local coordinates; no pixels are read."""
        height, width = self._found.shape
        x0, y0 = (self._found.origin or (0, 0)) if origin is PARENT else (0, 0)
        return Box2I(Point2I(x0, y0), Extent2I(width, height))

    def readXY0(self, bbox: Box2I | None = None, origin: ImageOrigin = PARENT) -> Point2I:
        """Return the origin that the part inside `bbox` has when it is read."""
        whole = self.readBBox()
        if bbox is None or bbox.isEmpty():
            return whole.getMin()
        offset = Extent2I(whole.getMin()) if origin is not PARENT else Extent2I(0, 0)
        return Point2I(bbox.getMin() + offset)

    def readDimensions(self) -> Extent2I:
        """Return the width and the height."""
        return self.readBBox().getDimensions()

    def _make(self, kind: Any, dtype: Any, args: tuple[Any, ...], **options: Any) -> Any:
        kind = kind[self._dtype if dtype is None else dtype]
        given = [one for one in args if one is not None]
        return kind(self._path, *([] if self._hdu is None else [self._hdu]), *given, **options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.fileName!r})"


class ImageFitsReader(_Reader):
    __doc__ = _Reader.__doc__

    def readDType(self) -> np.dtype[Any]:
        """Return the type of the pixels that `read` returns by default: that of the file, or a wider one."""
        return self._dtype

    def readMetadata(self) -> Any:
        """Return the header of the image as a `PropertyList`."""
        return readMetadata(self._path, self._found.hdu)

    def read(
        self,
        bbox: Box2I | None = None,
        origin: ImageOrigin = PARENT,
        allowUnsafe: bool = False,
        dtype: Any = None,
    ) -> Any:
        """Return the image, or the part inside `bbox`; fractions are truncated only if `allowUnsafe` is true."""
        return self._make(Image, dtype, (bbox, origin), allowUnsafe=allowUnsafe)

    def readArray(
        self,
        bbox: Box2I | None = None,
        origin: ImageOrigin = PARENT,
        allowUnsafe: bool = False,
        dtype: Any = None,
    ) -> np.ndarray:
        """Return the pixels of `read` as an array."""
        return np.asarray(self.read(bbox, origin, allowUnsafe, dtype).array)


class MaskFitsReader:
    """Reader of a mask.

    Parameters
    ----------
    fileName : str or Path
    hdu : int or str, optional
        Number, counted from 0, or name of the HDU; by default that of the only mask, or of the only image.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be read, or it is not clear which HDU holds the mask.
    """

    def __init__(self, fileName: str | Path, hdu: int | str | None = None) -> None:
        self.fileName = str(fileName)
        self._args = [fileName] if hdu is None else [fileName, hdu]
        self._box = self.read().getBBox()

    def readBBox(self, origin: ImageOrigin = PARENT) -> Box2I:
        """Return the bounding box, in parent or local coordinates."""
        return self._box if origin is PARENT else Box2I(Point2I(0, 0), self._box.getDimensions())

    def readXY0(self, bbox: Box2I | None = None, origin: ImageOrigin = PARENT) -> Point2I:
        """Return the origin that the part inside `bbox` has when it is read."""
        return self.read(bbox, origin).getXY0()

    def readDimensions(self) -> Extent2I:
        """Return the width and the height."""
        return self._box.getDimensions()

    def readDType(self) -> np.dtype[Any]:
        """Return the type of the pixels, int32."""
        return np.dtype(np.int32)

    def readMetadata(self) -> Any:
        """Return the header of the mask as a `PropertyList`."""
        header = PropertyList()
        Mask(*self._args, metadata=header)
        return header

    def read(
        self,
        bbox: Box2I | None = None,
        origin: ImageOrigin = PARENT,
        conformMasks: bool = True,
        allowUnsafe: bool = False,
        dtype: Any = None,
    ) -> Mask:
        """Return the mask, or the part inside `bbox`; it keeps the numbers of the file's planes if `conformMasks`."""
        return Mask(*self._args, *([] if bbox is None else [bbox]), origin, conformMasks=conformMasks)

    def readArray(
        self,
        bbox: Box2I | None = None,
        origin: ImageOrigin = PARENT,
        allowUnsafe: bool = False,
        dtype: Any = None,
    ) -> np.ndarray:
        """Return the pixels of `read` as an array."""
        return self.read(bbox, origin).array


class MaskedImageFitsReader(_Reader):
    __doc__ = _Reader.__doc__

    _kind: Any = MaskedImage

    def readImageDType(self) -> np.dtype[Any]:
        """Return the type of the image's pixels that `read` returns by default."""
        return self._dtype

    def readMetadata(self) -> Any:
        """Return the header of the file as a `PropertyList`: that of its first HDU."""
        return readMetadata(self._path)

    def readImageMetadata(self) -> Any:
        """Return the header of the image as a `PropertyList`."""
        return readMetadata(self._path, self._found.hdu)

    def readImage(
        self,
        bbox: Box2I | None = None,
        origin: ImageOrigin = PARENT,
        allowUnsafe: bool = False,
        dtype: Any = None,
    ) -> Any:
        """Return the image, or the part inside `bbox`; fractions are truncated only if `allowUnsafe` is true."""
        return self._make(Image, dtype, (bbox, origin), allowUnsafe=allowUnsafe)

    def readMask(
        self,
        bbox: Box2I | None = None,
        origin: ImageOrigin = PARENT,
        conformMasks: bool = True,
        allowUnsafe: bool = False,
        dtype: Any = None,
    ) -> Mask:
        """Return the mask, all 0 if the file has none; it keeps the file's numbers of planes if `conformMasks`."""
        return self._planes(bbox, origin, conformMasks).mask

    def readVariance(
        self,
        bbox: Box2I | None = None,
        origin: ImageOrigin = PARENT,
        allowUnsafe: bool = False,
        dtype: Any = None,
    ) -> ImageF:
        """Return the variance, all 0 if the file has none."""
        return self._planes(bbox, origin, True).variance

    def _planes(self, bbox: Box2I | None, origin: ImageOrigin, conform: bool) -> MaskedImage:
        planes: MaskedImage = self._make(MaskedImage, np.float64, (bbox, origin), conformMasks=conform)
        return planes

    def read(
        self,
        bbox: Box2I | None = None,
        origin: ImageOrigin = PARENT,
        conformMasks: bool = True,
        allowUnsafe: bool = False,
        dtype: Any = None,
    ) -> Any:
        """Return all planes, or their parts inside `bbox`; the mask keeps the file's planes if `conformMasks`."""
        return self._make(self._kind, dtype, (bbox, origin), conformMasks=conformMasks, allowUnsafe=allowUnsafe)


class ExposureFitsReader(MaskedImageFitsReader):
    __doc__ = _Reader.__doc__

    _kind = Exposure

    def readMaskedImage(
        self,
        bbox: Box2I | None = None,
        origin: ImageOrigin = PARENT,
        conformMasks: bool = True,
        allowUnsafe: bool = False,
        dtype: Any = None,
    ) -> Any:
        """Return the planes without the rest of the exposure; parameters are those of `read`."""
        return self._make(MaskedImage, dtype, (bbox, origin), conformMasks=conformMasks, allowUnsafe=allowUnsafe)

    def readExposureInfo(self) -> ExposureInfo:
        """Return what belongs to the exposure apart from its planes."""
        info: ExposureInfo = self.read(dtype=np.float64).info
        return info

    def readWcs(self) -> Any:
        """Return the astropy.wcs.WCS of array pixels; None if the file has none."""
        return self.readExposureInfo().wcs
