"""Images, masks, masked images and exposures on numpy arrays, with the names of ``lsst.afw.image``.

Scripts written for ``lsst.afw.image`` need only ``import evensky.image as afwImage``.
"""

from __future__ import annotations

from ._pixels import LOCAL, PARENT, ImageOrigin
from .exposure import Exposure, ExposureD, ExposureF, ExposureI, ExposureInfo, ExposureL, ExposureU
from .factories import (
    makeExposure,
    makeImageFromArray,
    makeMaskedImage,
    makeMaskedImageFromArrays,
    makeMaskFromArray,
)
from .foreign import Planes, as_planes
from .image import Image, ImageD, ImageF, ImageI, ImageL, ImageU
from .labels import FilterLabel, PhotoCalib, makePhotoCalibFromCalibZeroPoint
from .mask import Mask, MaskPixel, MaskX, translate_mask
from .masked_image import (
    MaskedImage,
    MaskedImageD,
    MaskedImageF,
    MaskedImageI,
    MaskedImageL,
    MaskedImageU,
    VariancePixel,
    imagesOverlap,
)
from .metadata import PropertyList, PropertySet, readMetadata
from .positions import X, Y, indexToPosition, positionToIndex, xOrY
from .readers import ExposureFitsReader, ImageFitsReader, MaskedImageFitsReader, MaskFitsReader
from .scaler import ConstantScaler, ImageScaler, SpatialScaler
from .vector import MaskedVector, MaskedVectorD, MaskedVectorF

__all__ = [
    "LOCAL",
    "PARENT",
    "ConstantScaler",
    "Exposure",
    "ExposureD",
    "ExposureF",
    "ExposureFitsReader",
    "ExposureI",
    "ExposureInfo",
    "ExposureL",
    "ExposureU",
    "FilterLabel",
    "Image",
    "ImageD",
    "ImageF",
    "ImageFitsReader",
    "ImageI",
    "ImageL",
    "ImageOrigin",
    "ImageScaler",
    "ImageU",
    "Mask",
    "MaskFitsReader",
    "MaskPixel",
    "MaskX",
    "MaskedImage",
    "MaskedImageD",
    "MaskedImageF",
    "MaskedImageFitsReader",
    "MaskedImageI",
    "MaskedImageL",
    "MaskedImageU",
    "MaskedVector",
    "MaskedVectorD",
    "MaskedVectorF",
    "PhotoCalib",
    "Planes",
    "PropertyList",
    "PropertySet",
    "SpatialScaler",
    "VariancePixel",
    "X",
    "Y",
    "as_planes",
    "imagesOverlap",
    "indexToPosition",
    "makeExposure",
    "makeImageFromArray",
    "makeMaskFromArray",
    "makeMaskedImage",
    "makeMaskedImageFromArrays",
    "makePhotoCalibFromCalibZeroPoint",
    "positionToIndex",
    "readMetadata",
    "translate_mask",
    "xOrY",
]
