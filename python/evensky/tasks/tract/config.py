"""Configuration of the backgrounds of a tract and of the choice of its reference visit."""

from __future__ import annotations

__all__ = ["ChooseReferenceVisitConfig", "GridConfig", "TractBackgroundConfig", "as_configured", "log_idle"]

import logging
from collections.abc import Mapping
from typing import Any

from lsst.pex.config import ChoiceField, Config, ConfigField, Field, RangeField

from ..fields import cell_field, mask_field, positive_field, statistic_field, style_field

_AS_ORIGINAL = (
    "Give the numbers of the original task, with its errors of position, edges and coverage? The configurations inside "
    "this one then do so too."
)


def _weight(default: float, doc: str) -> Any:
    return RangeField(dtype=float, default=default, min=0.0, max=1.0, inclusiveMax=True, doc=doc)


class TractBackgroundConfig(Config):
    """Configuration of `TractBackground`."""

    xBin = RangeField(dtype=float, default=128.0, min=1.0, doc="Width of the bins, in pixels.")
    yBin = RangeField(dtype=float, default=128.0, min=1.0, doc="Height of the bins, in pixels.")
    minFrac = RangeField(
        dtype=float,
        default=0.1,
        min=0.0,
        doc="A bin with fewer good pixels than this share of xBin * yBin is filled from its neighbours. Each bin is "
        "measured in a box of 4 * xBin * yBin pixels.",
    )
    mask = mask_field(["BAD", "SAT", "EDGE", "NO_DATA"])
    interpolation = style_field(
        "AKIMA_SPLINE",
        "Interpolation between bins where images are made and, with asOriginal, where bins are filled. None fills no "
        "bins.",
        none="no interpolation style",
        optional=True,
    )
    doSmooth = Field[bool](dtype=bool, default=False, doc="Smooth the bins by a Gaussian?")
    smoothScale = positive_field(2.0, "Standard deviation of the Gaussian, in bins.")
    binning = cell_field("Size of the cells of a background that is made for a warp, in pixels.")
    asOriginal = Field[bool](dtype=bool, default=False, doc=_AS_ORIGINAL)


class GridConfig(Config):
    """Fields of the grid of bins that two configurations share."""

    gridStatistic = statistic_field(
        "MEANCLIP", "Statistic of the cells of the grid. Each cell holds one bin, so that it has no effect."
    )
    undersampleStyle = ChoiceField[str](
        dtype=str,
        default="REDUCE_INTERP_ORDER",
        optional=False,
        doc="What to do if there are too few bins for the interpolation style.",
        allowed={"THROW_EXCEPTION": "fail", "REDUCE_INTERP_ORDER": "use a simpler style"},
    )
    interpStyle = style_field(
        "AKIMA_SPLINE",
        "Interpolation between the cells of the grid.",
        none="no background estimation: the model is zero",
    )
    numSigmaClip = RangeField(
        dtype=int,
        default=3,
        min=1,
        doc="Half-width of the clipping window in standard deviations. Only used where a series is fitted to bins.",
    )
    numIter = RangeField(
        dtype=int, default=3, min=1, doc="Number of clipping rounds. Only used where a series is fitted to bins."
    )
    asOriginal = Field[bool](dtype=bool, default=False, doc=_AS_ORIGINAL)


class ChooseReferenceVisitConfig(GridConfig):
    """Configuration of `ChooseReferenceVisitTask`."""

    tractBgModel = ConfigField[TractBackgroundConfig](
        dtype=TractBackgroundConfig, doc="Bins in which the visits are measured."
    )
    bestRefWeightChi2 = _weight(
        0.3, "Weight of the deviation of a visit's background from a plane; a smaller deviation is better."
    )
    bestRefWeightVariance = _weight(0.3, "Weight of the variance of the pixels; a lower variance is better.")
    bestRefWeightGlobalCoverage = _weight(0.4, "Weight of the number of good bins; more bins are better.")


def log_idle(config: Config, idle: Mapping[str, str], log: logging.Logger) -> None:
    """Log in one line which fields are not at their defaults though they have no effect.

    Parameters
    ----------
    config : Config
    idle : mapping of str to str
        Why a field has no effect, by its name.
    log : logging.Logger
    """
    changed: dict[str, list[str]] = {}
    for name, reason in idle.items():
        value = getattr(config, name)
        if value != config._fields[name].default:
            changed.setdefault(reason, []).append(f"{name} = {value!r}")
    if changed:
        parts = "; ".join(f"{', '.join(fields)} ({reason})" for reason, fields in changed.items())
        log.warning("Fields that have no effect: %s", parts)


def as_configured(config: TractBackgroundConfig, as_original: bool) -> TractBackgroundConfig:
    """Return a configuration of bins as it is now, whose ``asOriginal`` is also true if `as_original` is."""
    copy = TractBackgroundConfig()
    copy.update(**config.toDict())
    copy.asOriginal = config.asOriginal or as_original
    return copy
