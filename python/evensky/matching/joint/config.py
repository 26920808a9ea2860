"""How to match all exposures to each other."""

from __future__ import annotations

__all__ = ["MatchAllConfig"]

from typing import Any

from lsst.pex.config import ChoiceField, Config, Field, ListField, RangeField

from ...image.mask import BAD_PLANES

_LARGEST = 2**31 - 1


def _weight(default: float, doc: str) -> Any:
    return RangeField(dtype=float, default=default, min=0.0, max=1.0, inclusiveMax=True, doc=doc)


class MatchAllConfig(Config):
    """Configuration of a match of all exposures to each other."""

    bad_planes = ListField[str](
        dtype=str,
        default=list(BAD_PLANES),
        doc="Mask planes whose pixels do not count; each must be a plane that the exposures know.",
        itemCheck=lambda name: bool(name),
    )
    bin_size = RangeField(
        dtype=int,
        default=0,
        min=0,
        max=_LARGEST,
        doc="Size of the bins, in pixels; 0: 16 bins along the shorter side of an exposure, of 16 to 256 px.",
    )
    statistic = ChoiceField[str](
        dtype=str,
        default="MEANCLIP",
        optional=False,
        doc="What is measured in each bin of a difference.",
        allowed={"MEAN": "the mean", "MEDIAN": "the median", "MEANCLIP": "the mean after clipping"},
    )
    sigma = RangeField(
        dtype=float,
        default=3.0,
        min=0.0,
        inclusiveMin=False,
        doc="Width of the clipping window in standard deviations.",
    )
    rounds = RangeField(dtype=int, default=3, min=1, max=_LARGEST, doc="Number of clipping rounds.")
    order = RangeField(
        dtype=int, default=8, min=0, max=20, doc="Highest order of a Chebyshev series among the candidates."
    )
    spline = Field[bool](dtype=bool, default=True, doc="Are splines among the candidates?")
    level = ChoiceField[str](
        dtype=str,
        default="reference",
        optional=False,
        doc="What stays as it is.",
        allowed={
            "reference": "the reference",
            "mean": "the mean: corrections add up to nothing",
            "lowest": "the exposure of the lowest level; all others are brought down to it",
        },
    )
    add_variance = Field[bool](
        dtype=bool, default=False, doc="Add the variance of the correction to the variance plane?"
    )
    weight_coverage = _weight(
        0.4, "Weight of the number of good pixels in the choice of the reference; more is better."
    )
    weight_variance = _weight(
        0.4, "Weight of the variance of the pixels in the choice of the reference; less is better."
    )
    weight_level = _weight(
        0.2, "Weight of the level of the background in the choice of the reference; lower is better."
    )
