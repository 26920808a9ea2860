"""Configuration of `MatchBackgroundsTask`."""

from __future__ import annotations

__all__ = ["MatchBackgroundsConfig"]


from lsst.pex.config import ChoiceField, Config, Field, FieldValidationError, RangeField

from ..image.mask import BAD_PLANES
from .fields import MOST, mask_field, share_field, statistic_field, style_field


class MatchBackgroundsConfig(Config):
    """Configuration of `MatchBackgroundsTask`."""

    usePolynomial = Field[bool](
        dtype=bool,
        default=False,
        doc="Fit a Chebyshev series to the difference instead of interpolating it with a spline?",
    )
    order = Field[int](dtype=int, default=8, doc="Order of the Chebyshev series. Only used with usePolynomial.")
    badMaskPlanes = mask_field(
        BAD_PLANES, "Mask planes whose pixels do not count; each must exist in the masks of the exposures."
    )
    gridStatistic = statistic_field("MEAN", "Statistic of each bin of the difference.")
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
    binSize = RangeField(dtype=int, default=256, min=1, max=MOST, doc="Size of the bins, in pixels.")
    interpStyle = style_field(
        "AKIMA_SPLINE",
        "Interpolation between bins. Not used with usePolynomial.",
        none="no background estimation: the model is zero",
    )
    numSigmaClip = RangeField(
        dtype=int, default=3, min=1, doc="Half-width of the clipping window in standard deviations."
    )
    numIter = RangeField(dtype=int, default=2, min=1, max=MOST, doc="Number of clipping rounds.")
    bestRefWeightCoverage = share_field(
        0.4, "Weight of the number of good pixels in the choice of the reference; more pixels are better."
    )
    bestRefWeightVariance = share_field(
        0.4, "Weight of the variance of the pixels in the choice of the reference; a lower variance is better."
    )
    bestRefWeightLevel = share_field(
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
    flagGoodFraction = share_field(
        0.1, "A match is flagged LOW_COVERAGE if less than this share of the pixels is good in both exposures."
    )
    flagGoodBinFraction = share_field(
        0.5, "A match is flagged FEW_GOOD_BINS if less than this share of the bins has a good pixel."
    )
    flagExtrapolatedFraction = share_field(
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
        if not (0 if self.usePolynomial else -MOST) <= self.order < MOST:
            raise FieldValidationError(type(self).order, self, f"order = {self.order}; it must be >= 0 and < 2^31 - 1")
