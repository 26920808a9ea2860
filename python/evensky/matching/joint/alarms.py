"""Flags of a joint match: signs that the model does not fit, each with what to do."""

from __future__ import annotations

__all__ = ["FLAGS", "Alarms"]

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from .astrometry import exposure_shifts, measured_shifts
from .closure import CLEAN_CLOSURE, closure
from .models import Model
from .network import Network

FLAGS = {
    "POOR_FIT": "residuals exceed their errors by more than a factor of 2.5, or an overlap is worse than before",
    "INCONSISTENT": f"differences of three exposures do not add up to zero: their closure exceeds {CLEAN_CLOSURE:g}",
    "UNDETERMINED": "the model is continued beyond the bins that determine it, and its error exceeds a quarter of the "
    "noise of a pixel",
    "GAIN": "the throughput differs from that of the reference by more than 5 standard errors",
    "ASTROMETRY": "by the WCS, stars lie more than a pixel from those of most other exposures, or WCS differ although "
    "the same stars are at the same pixels",
    "QUANTISED": "pixels are multiples of a step, as in integer images, and their noise, rounding included, is less "
    "than 0.6 of it",
}
"""Flags, and the conditions under which they are raised."""

# Residual scatter in units of its errors at which a fit is poor.
_POOR = 2.5
# A model is undetermined if its error somewhere exceeds this part of the noise of a pixel.
_UNKNOWN = 0.25
# Noise in units of the step between pixel values below which the pixels are too coarse.
_COARSE = 0.6
# Significance of a throughput, in standard errors, and its least difference from 1.
_SIGNIFICANT = 5.0


# Shift of stars, in pixels of the exposure and in standard errors, from which a WCS is wrong.
_SHIFTED, _CERTAIN = 1.0, 5.0


class _Fit(Protocol):
    model: Model | None
    chi: float
    rms: float
    bins: int
    rejected: int
    gain: float
    gain_error: float
    largest_sigma: float
    flags: dict[str, str]


class Alarms:
    """The conditions of the flags.

    Parameters
    ----------
    network : Network
        The exposures after the match.
    clipping : float, optional
        Closure of clipped noise, see `evensky.matching.joint.closure.noise_of_clipping`.
    scale : float, optional
        Scatter of the bins in units of their errors; closures are expected to scatter as much.
    """

    def __init__(self, network: Network, clipping: float | None = None, scale: float = 1.0) -> None:
        self.network = network
        found = closure(network.differences) if clipping is None else closure(network.differences, clipping)
        self.closure = found / max(1.0, scale)

    def raise_on(self, fits: Sequence[_Fit], residual: np.ndarray, worse: Sequence[int]) -> None:
        """Raise the flags of all exposures.

        Parameters
        ----------
        fits : sequence of ExposureFit
        residual : ndarray, shape (n,)
            Residuals of the rows.
        worse : sequence of int
            Pairs whose bins differ more after the match than before.
        """
        pairs = self.network.differences.pairs
        # The stars of exposures of another throughput are clipped differently, so that their triangles do not close.
        varying = any(self._differs(fit) for fit in fits)
        of_worse = {image for at in worse for image in (pairs[at].first, pairs[at].second)}
        for image, fit in enumerate(fits):
            if fit.model is None:
                continue
            if image in of_worse:
                fit.flags["POOR_FIT"] = (
                    "an overlap with another exposure is worse than before, although its model was simplified; look "
                    "for a shift, another seeing or a term that is missing (--terms)"
                )
            elif np.isfinite(fit.chi) and fit.chi > _POOR:
                fit.flags["POOR_FIT"] = (
                    f"residuals are {_factor(fit.chi)} times their errors (at most {_POOR:g}); look at the residuals: "
                    "steps need the term detector or amplifier, patterns a template, and pairs of bright and dark "
                    "spots at stars a better alignment or masks (--terms, --mask)"
                )
            if self.closure[image] > CLEAN_CLOSURE and not varying:
                fit.flags["INCONSISTENT"] = (
                    f"its differences from pairs of other exposures add up to {self.closure[image]:.2g} times what "
                    f"masks and clipping leave (at most {CLEAN_CLOSURE:g}), which no model can mend; look for another "
                    "seeing, a shift of the WCS, saturated stars or masks that differ"
                )
            noise = float(self.network.differences.pixel_noise[image])
            factor = self.network.factor(image)  # sentences give values of the exposure's own pixels
            if fit.largest_sigma > _UNKNOWN * noise:
                fit.flags["UNDETERMINED"] = (
                    f"its error is up to {fit.largest_sigma / factor:.2g} where the overlaps do not determine its "
                    f"model; the noise of a pixel is {noise / factor:.2g}; use only the part that overlaps, add "
                    "exposures that cover the rest, or allow levels only (-c order=0 -c spline=false)"
                )
            step = float(self.network.differences.quantum[image])
            if step > 0 and noise < _COARSE * step:
                fit.flags["QUANTISED"] = (
                    f"its pixels are multiples of {step / factor:g}, and their noise is only {noise / factor:.2g}; "
                    f"levels between two steps are uncertain by up to {self._rounding(step, noise) / factor:.2g}, "
                    "whatever the number of pixels; use the files before they were rounded"
                )
            if self._differs(fit):
                fit.flags["GAIN"] = (
                    f"its throughput is {fit.gain:.4f} +- {fit.gain_error:.4f} of that of the reference; it was not "
                    "changed, --scale divides by it"
                )

    def raise_on_shifts(self, fits: Sequence[_Fit], stars: Sequence[np.ndarray]) -> None:
        """Raise the flag ASTROMETRY where the stars of an exposure are not where the others have them.

        Parameters
        ----------
        fits : sequence of ExposureFit
        stars : sequence of ndarray, shape (n, 2)
            Positions of the stars of each exposure on the common grid.
        """
        pairs = [(pair.first, pair.second) for pair in self.network.differences.pairs]
        shifts = measured_shifts(stars, pairs)
        x, y, errors = exposure_shifts(len(fits), [(*pair, shift) for pair, shift in zip(pairs, shifts, strict=True)])
        for image, (fit, basis) in enumerate(zip(fits, self.network.own_bases, strict=True)):
            if not np.isfinite(x[image]):
                continue
            own = basis.linear @ [x[image], y[image]]
            error = errors[image] * np.sqrt(np.abs(np.linalg.det(basis.linear)))
            if np.hypot(*own) > max(_SHIFTED, _CERTAIN * error):
                fit.flags["ASTROMETRY"] = (
                    f"by its WCS, its stars lie ({own[0]:+.1f}, {own[1]:+.1f}) px from those of other exposures, so "
                    f"that it is compared at the wrong place; add ({own[0]:+.1f}, {own[1]:+.1f}) to its CRPIX"
                )

    @staticmethod
    def _differs(fit: _Fit) -> bool:
        """Return whether the throughput of an exposure differs from that of the reference."""
        return abs(fit.gain - 1) > _SIGNIFICANT * fit.gain_error > 0

    @staticmethod
    def _rounding(step: float, noise: float) -> float:
        """Return the largest error of a mean of rounded pixels."""
        before = max(noise**2 - step**2 / 12, 0.0)
        return float(step / np.pi * np.exp(-2 * np.pi**2 * before / step**2))


def _factor(value: float) -> str:
    """Return a factor with two digits, without an exponent if it is large."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.2g}"
