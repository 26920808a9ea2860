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
from .interpolate import (
    Interpolate,
    lookupMaxInterpStyle,
    lookupMinInterpPoints,
    makeInterpolate,
    stringToInterpStyle,
)
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
    "Interpolate",
    "MaskedVector",
    "MaskedVectorD",
    "MaskedVectorF",
    "Statistics",
    "StatisticsControl",
    "UndersampleStyle",
    "binImage",
    "lookupMaxInterpStyle",
    "lookupMinInterpPoints",
    "makeApproximate",
    "makeBackground",
    "makeInterpolate",
    "makeStatistics",
    "statisticsStack",
    "stringToInterpStyle",
    "stringToStatisticsProperty",
    "stringToUndersampleStyle",
]

__all__ += _properties.__all__
