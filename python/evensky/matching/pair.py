"""Match of one exposure to its reference, and flags for a model that is poorly constrained."""

from __future__ import annotations

__all__ = ["FLAGS", "Thresholds", "find_flags", "have_common_pixels", "match_pair"]

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from .._bands import row_bands
from ..fits.scratch import Scratch, ScratchPlane
from ..image import Exposure

FLAGS = {
    "NO_OVERLAP": "no pixel is good in both exposures: there is no model",
    "LOW_COVERAGE": "few pixels are good in both exposures (flagGoodFraction)",
    "FEW_GOOD_BINS": "many bins have no good pixel; the model bridges them (flagGoodBinFraction)",
    "EXTRAPOLATED": "part of the image lies beyond the bins that have good pixels (flagExtrapolatedFraction)",
    "REDUCED_ORDER": "the model is simpler than requested: there are too few good bins for it",
}
"""Name and meaning of each flag; the configuration field that sets its threshold is in brackets."""


@dataclass(frozen=True)
class Thresholds:
    """Shares beyond which a model is flagged.

    Attributes
    ----------
    good_fraction : float
        Least share of the pixels that are good in both exposures.
    good_bin_fraction : float
        Least share of the bins that have a good pixel.
    extrapolated_fraction : float
        Greatest share of the image that lies beyond the bins with good pixels.
    """

    good_fraction: float
    good_bin_fraction: float
    extrapolated_fraction: float


def match_pair(reference: Exposure, science: Exposure, options: _core.PairOptions) -> _core.PairResult:
    """Match an exposure to its reference in place.

    Parameters
    ----------
    reference : Exposure
        Exposure to match to; it is not changed.
    science : Exposure
        Exposure of the same size; the model of reference - science is added to its image.
    options : _core.PairOptions
        Model, bins, clipping, and the bits of both masks that reject a pixel.

    Returns
    -------
    _core.PairResult
        The model and its statistics. They do not depend on where the pixels are kept.
    """
    if isinstance(getattr(getattr(science, "image", None), "bands", None), ScratchPlane):
        return _match_by_bands(reference, science, options)
    planes = science.maskedImage.getArrays()
    image, mask, variance = reference.maskedImage.getArrays()
    if image.dtype != planes[0].dtype:
        image = image.astype(planes[0].dtype)
    x0, y0 = science.getXY0()
    return _core.matchBackgrounds((image, mask, variance), planes, planes[0], x0, y0, options)


def _match_by_bands(reference: Exposure, science: Exposure, options: _core.PairOptions) -> _core.PairResult:
    """Match exposures whose pixels are on disk.

    The core reads the planes of both exposures side by side, several times. If they do not fit into memory, the system
    would read them from disk again and again. Therefore the difference and the sum of the variances are made first, as
    planes with NaN for bad pixels; the core reads these one after the other, and replaces the difference by the model.
    Only these two are mapped.
    """
    image, mask, variance = (plane.bands for plane in _planes_of(science))
    ref_image, ref_mask, ref_variance = (plane.bands for plane in _planes_of(reference))
    height, width = image.shape
    scratch = Scratch(getattr(image, "scratch", None))
    difference, summed = scratch.zeros(image.shape, image.dtype), scratch.zeros(image.shape, np.float32)
    ref_bad, bad = np.int32(options.referenceBadMask), np.int32(options.scienceBadMask)
    for rows in row_bands(height, width):
        rejected = (ref_mask[rows] & ref_bad) != 0
        rejected |= (mask[rows] & bad) != 0
        with np.errstate(invalid="ignore", over="ignore"):
            band = np.subtract(ref_image[rows], image[rows], dtype=image.dtype, casting="unsafe")
            band[rejected] = np.nan
            difference[rows] = band
            variances = np.add(ref_variance[rows], variance[rows], dtype=np.float32)
            variances[rejected] = np.nan
            summed[rows] = variances
    # The core subtracts and adds planes of zeros, which are one row in memory.
    zeros = np.broadcast_to(np.zeros(width, image.dtype), image.shape)
    no_variance = np.broadcast_to(np.zeros(width, np.float32), image.shape)
    x0, y0 = science.getXY0()
    pixels, variances = difference.mapped(), summed.mapped(to_change=False)
    result = _core.matchBackgrounds((pixels, None, variances), (zeros, None, no_variance), pixels, x0, y0, options)
    del pixels, variances
    for rows in row_bands(height, width):
        with np.errstate(invalid="ignore", over="ignore"):
            image[rows] += difference[rows]
    return result


def _planes_of(exposure: Exposure) -> tuple[Any, Any, Any]:
    masked = exposure.maskedImage
    return masked.image, masked.mask, masked.variance


def have_common_pixels(reference: Exposure, science: Exposure, reference_bad: int, science_bad: int) -> bool:
    """Return whether any pixel is good in both exposures; True if sizes differ, as the match then raises an error.

    Parameters
    ----------
    reference, science : Exposure
    reference_bad, science_bad : int
        Bits of their masks that reject a pixel.
    """
    if reference.getDimensions() != science.getDimensions():
        return True
    planes = [plane.bands for one in (reference, science) for plane in (one.image, one.mask)]
    for y in range(reference.getHeight()):  # the first row is nearly always enough
        image, mask, other_image, other_mask = (plane[y : y + 1] for plane in planes)
        good = (mask & reference_bad == 0) & (other_mask & science_bad == 0)
        if np.isfinite(image - other_image)[good].any():
            return True
    return False


def find_flags(result: _core.PairResult, options: _core.PairOptions, thresholds: Thresholds) -> dict[str, str]:
    """Return the flags of a match, each with a sentence that gives the figures.

    Parameters
    ----------
    result : _core.PairResult
    options : _core.PairOptions
        The options of the match.
    thresholds : Thresholds

    Returns
    -------
    dict of str to str
        Keys are names of `FLAGS`; empty if there is nothing to flag.
    """
    if result.goodFraction == 0.0:
        return {"NO_OVERLAP": "no pixel is good in this exposure and in the reference"}
    flags = {}
    if result.goodFraction < thresholds.good_fraction:
        flags["LOW_COVERAGE"] = (
            f"only {_percent(result.goodFraction)} of the pixels are good in this exposure and in the reference"
        )
    if result.goodBinFraction < thresholds.good_bin_fraction:
        flags["FEW_GOOD_BINS"] = (
            f"only {_percent(result.goodBinFraction)} of the bins have a good pixel; the model bridges the others"
        )
    if result.extrapolatedFraction > thresholds.extrapolated_fraction:
        flags["EXTRAPOLATED"] = (
            f"{_percent(result.extrapolatedFraction)} of the image lies beyond the bins with good pixels; the model is "
            "extrapolated there"
        )
    if result.reduced:
        flags["REDUCED_ORDER"] = _simplification(result, options)
    return flags


def _simplification(result: _core.PairResult, options: _core.PairOptions) -> str:
    if options.usePolynomial:
        return "; ".join(result.warnings)
    requested, used = options.interpStyle.name, result.asUsed.interpStyle.name
    if used != requested and result.background is not None:
        ny, nx = result.background.get_stats_planes()[0].shape
        return f"interpStyle {requested} reduced to {used}: there are only {nx} x {ny} bins"
    return f"some columns or rows have too few good bins for {requested} and use a simpler style"


def _percent(fraction: float) -> str:
    return f"{100.0 * fraction:.2g} %" if fraction < 0.995 else f"{100.0 * fraction:.0f} %"
