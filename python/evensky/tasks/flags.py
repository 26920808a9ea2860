"""How a model is poorly constrained: flags, each with a sentence that says so in figures."""

from __future__ import annotations

__all__ = ["FLAGS", "find_flags"]

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .. import _core
    from .match_backgrounds import MatchBackgroundsConfig

FLAGS = {
    "NO_OVERLAP": "no pixel is good in both exposures: there is no model",
    "LOW_COVERAGE": "few pixels are good in both exposures (flagGoodFraction)",
    "FEW_GOOD_BINS": "many bins have no good pixel, and are bridged by their neighbours (flagGoodBinFraction)",
    "EXTRAPOLATED": "a part of the image lies beyond the bins that have good pixels (flagExtrapolatedFraction)",
    "REDUCED_ORDER": "the model is simpler than asked for: there are too few good bins for it",
}
"""Name of each flag, and what it means; the fields of the configuration that bound it are in brackets."""


def find_flags(result: _core.PairResult, config: MatchBackgroundsConfig) -> dict[str, str]:
    """The flags of a match, and for each a sentence for whoever reads the report.

    Parameters
    ----------
    result : PairResult
    config : MatchBackgroundsConfig

    Returns
    -------
    dict of str to str
        Empty where there is nothing to say.
    """
    if result.goodFraction == 0.0:
        return {"NO_OVERLAP": "no pixel is good in this exposure and in the reference"}
    flags = {}
    if result.goodFraction < config.flagGoodFraction:
        flags["LOW_COVERAGE"] = (
            f"only {_percent(result.goodFraction)} of the pixels are good in this exposure and in the reference"
        )
    if result.goodBinFraction < config.flagGoodBinFraction:
        flags["FEW_GOOD_BINS"] = (
            f"only {_percent(result.goodBinFraction)} of the bins have a good pixel; the model bridges the others"
        )
    if result.extrapolatedFraction > config.flagExtrapolatedFraction:
        flags["EXTRAPOLATED"] = (
            f"{_percent(result.extrapolatedFraction)} of the image lies beyond the bins with good pixels: the model is "
            "only continued there"
        )
    if result.reduced:
        flags["REDUCED_ORDER"] = _simplification(result, config)
    return flags


def _simplification(result: _core.PairResult, config: MatchBackgroundsConfig) -> str:
    if config.usePolynomial:
        return "; ".join(result.warnings)
    used = result.asUsed.interpStyle.name
    if used != config.interpStyle and result.background is not None:
        ny, nx = result.background.get_stats_planes()[0].shape
        return f"interpStyle {config.interpStyle} reduced to {used}: there are {nx} x {ny} bins only"
    return f"some columns or rows have too few good bins for {config.interpStyle}, and take a simpler style"


def _percent(fraction: float) -> str:
    return f"{100.0 * fraction:.2g} %" if fraction < 0.995 else f"{100.0 * fraction:.0f} %"
