"""Names of ``photutils.background``."""

from __future__ import annotations

__all__ = [
    "Background2D",
    "BackgroundBase",
    "BackgroundRMSBase",
    "BiweightLocationBackground",
    "BiweightScaleBackgroundRMS",
    "BkgIDWInterpolator",
    "BkgZoomInterpolator",
    "LocalBackground",
    "MADStdBackgroundRMS",
    "MMMBackground",
    "MeanBackground",
    "MedianBackground",
    "ModeEstimatorBackground",
    "SExtractorBackground",
    "StdBackgroundRMS",
]

from .background_2d import Background2D
from .estimators import (
    BackgroundBase,
    BackgroundRMSBase,
    BiweightLocationBackground,
    BiweightScaleBackgroundRMS,
    MADStdBackgroundRMS,
    MeanBackground,
    MedianBackground,
    MMMBackground,
    ModeEstimatorBackground,
    SExtractorBackground,
    StdBackgroundRMS,
)
from .interpolators import BkgIDWInterpolator, BkgZoomInterpolator
from .local_background import LocalBackground
