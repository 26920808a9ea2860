"""Configuration of `MatchBackgroundsTask`."""

from __future__ import annotations

__all__ = ["MatchBackgroundsConfig"]

from typing import Any

from lsst.pex.config import ChoiceField, Config, Field, FieldValidationError, ListField, RangeField

from ..image.mask import BAD_PLANES

# Largest whole number that the core takes.
_LARGEST = 2**31 - 1


def _share(default: float, doc: str) -> Any:
    """Return a field from 0 to 1."""
    return RangeField(dtype=float, default=default, min=0.0, max=1.0, inclusiveMax=True, doc=doc)


class MatchBackgroundsConfig(Config):
    """Configuration of `MatchBackgroundsTask`."""

    usePolynomial = Field[bool](
        dtype=bool,
        default=False,
        doc="Fit a Chebyshev series to the difference instead of interpolating it with a spline?",
    )
    order = Field[int](dtype=int, default=8, doc="Order of the Chebyshev series. Only used with usePolynomial.")
    badMaskPlanes = ListField[str](
        dtype=str,
        default=list(BAD_PLANES),
        doc="Mask planes whose pixels do not count; each must exist in the masks of the exposures.",
        itemCheck=lambda name: bool(name),
    )
    gridStatistic = ChoiceField[str](
        dtype=str,
        default="MEAN",
        optional=False,
        doc="Statistic of each bin of the difference.",
        allowed={"MEAN": "the mean", "MEDIAN": "the median", "MEANCLIP": "the mean after clipping"},
    )
    undersampleStyle = ChoiceField[str](
        dtype=str,
        default="REDUCE_INTERP_ORDER",
        optional=False,
        doc="What to do if there are too few bins for the interpolation style or the order.",
        allowed={
            "THROW_EXCEPTION": "fail",
            "REDUCE_INTERP_ORDER": "use a simpler style or a lower order",
            "INCREASE_NXNYSAMPLE": "use smaller bins; with usePolynomial only",
        },
    )
    binSize = RangeField(dtype=int, default=256, min=1, max=_LARGEST, doc="Size of the bins, in pixels.")
    interpStyle = ChoiceField[str](
        dtype=str,
        default="AKIMA_SPLINE",
        optional=False,
        doc="Interpolation between bins. Not used with usePolynomial.",
        allowed={
            "CONSTANT": "steps",
            "LINEAR": "straight lines",
            "NATURAL_SPLINE": "cubic splines with zero second derivative at the ends",
            "AKIMA_SPLINE": "Akima's splines, which do not overshoot",
            "NONE": "no background estimation: the model is zero",
        },
    )
    numSigmaClip = RangeField(
        dtype=int, default=3, min=1, doc="Half-width of the clipping window in standard deviations."
    )
    numIter = RangeField(dtype=int, default=2, min=1, max=_LARGEST, doc="Number of clipping rounds.")
    bestRefWeightCoverage = _share(
        0.4, "Weight of the number of good pixels in the choice of the reference; more pixels are better."
    )
    bestRefWeightVariance = _share(
        0.4, "Weight of the variance of the pixels in the choice of the reference; a lower variance is better."
    )
    bestRefWeightLevel = _share(
        0.2, "Weight of the background level in the choice of the reference; a lower level is better."
    )
    approxWeighting = Field[bool](dtype=bool, default=True, doc="Weight the bins by their errors in the Chebyshev fit?")
    approxWeightPower = ChoiceField[int](
        dtype=int,
        default=1,
        optional=False,
        doc="Weights in the Chebyshev fit are 1 / error**power.",
        allowed={1: "as the original does", 2: "true inverse variance"},
    )
    gridStdevEpsilon = RangeField(
        dtype=float, default=1e-8, min=0.0, doc="The fit is unweighted if no bin has an error greater than this."
    )
    flagGoodFraction = _share(
        0.1, "A match is flagged LOW_COVERAGE if less than this share of the pixels is good in both exposures."
    )
    flagGoodBinFraction = _share(
        0.5, "A match is flagged FEW_GOOD_BINS if less than this share of the bins has a good pixel."
    )
    flagExtrapolatedFraction = _share(
        0.1, "A match is flagged EXTRAPOLATED if more than this share of the image lies beyond the good bins."
    )

    def validate(self) -> None:
        """Check the fields.

        Raises
        ------
        lsst.pex.config.FieldValidationError
            For a value that is not allowed.
        """
        super().validate()
        if not (0 if self.usePolynomial else -_LARGEST) <= self.order < _LARGEST:
            raise FieldValidationError(type(self).order, self, f"order = {self.order}; it must be >= 0 and < 2^31 - 1")
