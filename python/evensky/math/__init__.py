"""Statistics, interpolation, backgrounds and approximations with the names of ``lsst.afw.math``.

Scripts written for ``lsst.afw.math`` need only ``import evensky.math as afwMath``.
"""

from __future__ import annotations

from .. import _properties
from .._properties import *  # noqa: F403 - one name for each row of the core's table
from ..image.vector import MaskedVector, MaskedVectorD, MaskedVectorF
from .approximate import Approximate, ApproximateControl, makeApproximate
from .background import (
    INCREASE_NXNYSAMPLE,
    REDUCE_INTERP_ORDER,
    THROW_EXCEPTION,
    Background,
    BackgroundControl,
    BackgroundMI,
    UndersampleStyle,
    makeBackground,
    stringToUndersampleStyle,
)
from .background_list import BackgroundList
from .bin_image import binImage
from .bounded_field import BoundedField
from .chebyshev_field import ChebyshevBoundedField, ChebyshevBoundedFieldControl, ProductBoundedField
from .flips import flipImage, rotateImageBy90
from .interpolate import (
    Interpolate,
    lookupMaxInterpStyle,
    lookupMinInterpPoints,
    makeInterpolate,
    stringToInterpStyle,
)
from .least_squares import LeastSquares
from .offset_image import offsetImage
from .random_numbers import (
    Random,
    randomChisqImage,
    randomFlatImage,
    randomGaussianImage,
    randomPoissonImage,
    randomUniformImage,
    randomUniformIntImage,
    randomUniformPosImage,
)
from .scaled_sum import scaledPlus
from .stack import statisticsStack
from .statistics import Statistics, StatisticsControl, makeStatistics, stringToStatisticsProperty

__all__ = [
    "INCREASE_NXNYSAMPLE",
    "REDUCE_INTERP_ORDER",
    "THROW_EXCEPTION",
    "Approximate",
    "ApproximateControl",
    "Background",
    "BackgroundControl",
    "BackgroundList",
    "BackgroundMI",
    "BoundedField",
    "ChebyshevBoundedField",
    "ChebyshevBoundedFieldControl",
    "Interpolate",
    "LeastSquares",
    "MaskedVector",
    "MaskedVectorD",
    "MaskedVectorF",
    "ProductBoundedField",
    "Random",
    "Statistics",
    "StatisticsControl",
    "UndersampleStyle",
    "binImage",
    "flipImage",
    "lookupMaxInterpStyle",
    "lookupMinInterpPoints",
    "makeApproximate",
    "makeBackground",
    "makeInterpolate",
    "makeStatistics",
    "offsetImage",
    "randomChisqImage",
    "randomFlatImage",
    "randomGaussianImage",
    "randomPoissonImage",
    "randomUniformImage",
    "randomUniformIntImage",
    "randomUniformPosImage",
    "rotateImageBy90",
    "scaledPlus",
    "statisticsStack",
    "stringToInterpStyle",
    "stringToStatisticsProperty",
    "stringToUndersampleStyle",
]

__all__ += _properties.__all__
