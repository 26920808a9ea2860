"""Configuration of joint matching."""

from __future__ import annotations

__all__ = ["MatchAllConfig"]

from typing import Any

from lsst.pex.config import ChoiceField, Config, Field, FieldValidationError, ListField, RangeField

from ...errors import InvalidParameterError
from ...image.mask import BAD_PLANES
from .terms import DEFAULT_TERMS, KINDS, terms_of

_LARGEST = 2**31 - 1


def _weight(default: float, doc: str) -> Any:
    return RangeField(dtype=float, default=default, min=0.0, max=1.0, inclusiveMax=True, doc=doc)


class MatchAllConfig(Config):
    """Configuration of joint matching."""

    bad_planes = ListField[str](
        dtype=str,
        default=list(BAD_PLANES),
        doc="Mask planes whose pixels do not count; each must exist in the masks of the exposures.",
        itemCheck=lambda name: bool(name),
    )
    bin_size = RangeField(
        dtype=int,
        default=0,
        min=0,
        max=_LARGEST,
        doc="Size of the bins in pixels. 0 selects it automatically: 16 bins along the shorter side of an exposure, "
        "and at least 5 across the narrowest overlap, of 16 to 256 px each.",
    )
    statistic = ChoiceField[str](
        dtype=str,
        default="MEANCLIP",
        optional=False,
        doc="Statistic of the difference in each bin.",
        allowed={"MEAN": "the mean", "MEDIAN": "the median", "MEANCLIP": "the sigma-clipped mean"},
    )
    sigma = RangeField(
        dtype=float,
        default=3.0,
        min=0.0,
        inclusiveMin=False,
        doc="Half-width of the clipping window, in standard deviations.",
    )
    rounds = RangeField(dtype=int, default=3, min=1, max=_LARGEST, doc="Number of clipping rounds.")
    sources = ChoiceField[str](
        dtype=str,
        default="auto",
        optional=False,
        doc="What to do with the light of stars and galaxies.",
        allowed={
            # Stars do not cancel in a difference whose pixels do not coincide.
            "auto": "leave it out if exposures have different pixel grids",
            "mask": "leave it out",
            "keep": "compare all good pixels; outliers are clipped",
        },
    )
    pixel_values = ChoiceField[str](
        dtype=str,
        default="auto",
        optional=False,
        doc="What values stand for, if the areas of pixels differ between exposures.",
        allowed={
            "auto": "surface brightness if the unit is per solid angle (MJy/sr) or per beam, otherwise per pixel",
            "per_pixel": "values grow with the area of a pixel, as counts do",
            "per_area": "surface brightness, whatever the area of a pixel",
        },
    )
    terms = ListField[str](
        dtype=str,
        default=list(DEFAULT_TERMS),
        doc=f"Terms that the models may have: {', '.join(KINDS)}, with data after '=' as in template=fringes.fits or "
        "amplifier=8x1, and options after ':', shared or required.",
    )
    order = RangeField(
        dtype=int, default=8, min=0, max=20, doc="Highest order of the Chebyshev series among the candidate models."
    )
    spline = Field[bool](dtype=bool, default=True, doc="Include splines in the candidate models?")
    level = ChoiceField[str](
        dtype=str,
        default="auto",
        optional=False,
        doc="Level that is left unchanged.",
        allowed={
            # The sky of a reference that covers a part of the field would be continued far beyond its pixels, and any
            # error of its slope with it.
            "auto": "the reference, if it is named or covers nearly the whole field, otherwise the mean",
            "reference": "the reference exposure",
            "mean": "the mean of all exposures: the models sum to zero",
            "lowest": "the exposure with the lowest level: all others are brought down to it",
        },
    )
    scale = Field[bool](
        dtype=bool,
        default=False,
        doc="Divide each exposure by its throughput, if that is measured (term gain)? Image and variance are changed.",
    )
    add_variance = Field[bool](dtype=bool, default=False, doc="Add the variance of the model to the variance plane?")
    weight_coverage = _weight(
        0.4, "Weight of the number of good pixels in the choice of the reference; more pixels are better."
    )
    weight_variance = _weight(
        0.4, "Weight of the pixel variance in the choice of the reference; a lower variance is better."
    )
    weight_level = _weight(
        0.2, "Weight of the background level in the choice of the reference; a lower level is better."
    )

    def validate(self) -> None:
        """Check all fields, and the terms."""
        super().validate()
        try:
            terms_of(self.terms)
        except InvalidParameterError as error:
            raise FieldValidationError(type(self).terms, self, str(error)) from error
