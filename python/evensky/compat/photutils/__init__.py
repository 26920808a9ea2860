"""The backgrounds of photutils, computed by evensky: change the import, and nothing else.

``from photutils.background import Background2D`` becomes ``from evensky.compat.photutils import Background2D``, or
``from evensky.compat.photutils.background import Background2D``. The names are those of ``photutils.background``, of
version 3, and those of ``astropy.stats`` that go with them. photutils need not be installed, and its other parts, such
as ``photutils.segmentation``, are those of photutils itself.
"""

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
    "SigmaClip",
    "StdBackgroundRMS",
    "sigma_clip",
    "sigma_clipped_stats",
]

import importlib
from typing import Any

from ..astropy.stats import SigmaClip, sigma_clip, sigma_clipped_stats
from .background import (
    Background2D,
    BackgroundBase,
    BackgroundRMSBase,
    BiweightLocationBackground,
    BiweightScaleBackgroundRMS,
    BkgIDWInterpolator,
    BkgZoomInterpolator,
    LocalBackground,
    MADStdBackgroundRMS,
    MeanBackground,
    MedianBackground,
    MMMBackground,
    ModeEstimatorBackground,
    SExtractorBackground,
    StdBackgroundRMS,
)

# Parts of photutils that are not about backgrounds.
_OTHERS = (
    "aperture",
    "centroids",
    "datasets",
    "detection",
    "geometry",
    "isophote",
    "morphology",
    "profiles",
    "psf",
    "psf_matching",
    "segmentation",
    "utils",
)


def __getattr__(name: str) -> Any:
    """Return a part of photutils itself that is not about backgrounds."""
    if name in _OTHERS:
        try:
            return importlib.import_module(f"photutils.{name}")
        except ImportError as error:
            raise ImportError(
                f"evensky.compat.photutils.{name} is the part {name} of photutils itself, which cannot be imported "
                f"({error}): pip install photutils"
            ) from error
    raise AttributeError(
        f"evensky.compat.photutils has no {name!r}; it has {', '.join(__all__)}, and from photutils itself, if that is "
        f"installed, {', '.join(_OTHERS)}"
    )


def __dir__() -> list[str]:
    return sorted({*__all__, *_OTHERS})
