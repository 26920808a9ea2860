"""Sigma clipping of rows of values: by the core, or by a function."""

from __future__ import annotations

__all__ = ["NO_CLIPPING", "CoreClipping", "clip_rows", "core_clipping"]

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from ..astropy.stats import SigmaClip


class CoreClipping(NamedTuple):
    """Clipping as `evensky.math.background_mesh.MeshOptions` describes it."""

    sigma: tuple[float, float]
    rounds: int | None
    centre: str
    scatter: str


_CENTRES = {"median": "median", "mean": "mean"}
_SCATTERS = {"std": "std", "mad_std": "mad"}
NO_CLIPPING = CoreClipping((3.0, 3.0), 0, "median", "std")
_MOST_ROUNDS = 2**31 - 1


def core_clipping(sigma_clip: Any) -> CoreClipping | None:
    """Return how the core clips as a `SigmaClip` does; None if it cannot.

    It cannot with functions for centre and scatter, with growing, and with widths or numbers of rounds that are not
    positive.
    """
    if sigma_clip is None:
        return NO_CLIPPING
    if type(sigma_clip) is not SigmaClip or sigma_clip.grow:
        return None
    centre, scatter = (
        names.get(value) if isinstance(value, str) else None
        for names, value in ((_CENTRES, sigma_clip.cenfunc), (_SCATTERS, sigma_clip.stdfunc))
    )
    low, high = float(sigma_clip.sigma_lower), float(sigma_clip.sigma_upper)
    most = sigma_clip.maxiters
    if centre is None or scatter is None or not (low > 0 and high > 0) or not most > 0:
        return None
    rounds = None if math.isinf(most) or most > _MOST_ROUNDS else int(most)
    return CoreClipping((low, high), rounds, centre, scatter)


def clip_rows(values: np.ndarray, sigma_clip: Any) -> np.ndarray:
    """Return values with NaN in place of those that a function clips along the last axis.

    Parameters
    ----------
    values : ndarray of float
        With NaN for values that do not count. It may be changed.
    sigma_clip : callable or None
        A `SigmaClip`, or another function with its parameters.
    """
    if sigma_clip is None:
        return values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NaN and of boxes without a value, both of which are allowed here
        return np.asarray(sigma_clip(values, axis=-1, masked=False, copy=False))
