"""The options that say how the bins of a background are measured."""

from __future__ import annotations

__all__ = ["BinChoice"]

from dataclasses import dataclass

import click

from ..calls.background_file import BinOptions
from ..math.background_mesh import AUTO, EDGE_METHODS, ESTIMATORS, RMS_ESTIMATORS
from ..math.combine_planes import CENTRES, SCATTERS
from .choices import option
from .options import number_or_pair, size_of


@dataclass(frozen=True)
class BinChoice:
    """How bins are clipped, estimated, laid out, excluded and filtered."""

    estimator: str | None = option(
        "--estimator",
        type=click.Choice([AUTO, *ESTIMATORS]),
        help="Estimator of the level of a bin from the pixels that clipping leaves. sextractor, mmm and histogram are "
        "modes, less biased by faint sources than the mean; histogram is that of SExtractor, which clips by itself; "
        "mode is sextractor for pixels that are skewed, and the mean for others. grouped_mode is "
        "mode for pixels of coarse steps, such as counts. By default auto: mode or grouped_mode, and mean for single "
        "photons; with --mask-sources, mean.",
    )
    rms_estimator: str | None = option(
        "--rms-estimator",
        type=click.Choice(list(RMS_ESTIMATORS)),
        help="Estimator of the standard deviation of the pixels of a bin; by default std.",
    )
    sigma: str | None = option(
        "--sigma",
        metavar="NUMBER",
        help="Half-width of the clipping window in units of the scatter; without --statistic, also low,high such "
        "as 4,3: below and above the centre.  [default: 3]",
    )
    rounds: int | None = option(
        "--rounds",
        type=click.IntRange(0, 2**31 - 1),
        help="Largest number of rounds of clipping; without --statistic, 0 means no clipping.  [default: 3]",
    )
    centre: str | None = option(
        "--centre",
        type=click.Choice(list(CENTRES)),
        help="Centre of the clipping window in every round. By default, the first round is about the median, with the "
        "quartiles, and later ones about the mean.",
    )
    scatter: str | None = option(
        "--scatter",
        type=click.Choice(list(SCATTERS)),
        help="Measure of the scatter in every round: std is the standard deviation, mad 1.4826 times the median "
        "absolute deviation.",
    )
    edge_method: str | None = option(
        "--edge-method",
        type=click.Choice(list(EDGE_METHODS)),
        help="How bins cover an image whose size is not a multiple of theirs: spread, of nearly equal sizes (the "
        "default); pad, of the full size, the last ones smaller; crop, of the full size, without the rest.",
    )
    exclude_percentile: float | None = option(
        "--exclude-percentile",
        metavar="PERCENT",
        type=float,
        help="Replace bins of which more than this percentage of the pixels is bad or clipped by their neighbours. By "
        "default, only those without a good pixel.",
    )
    filter_size: str | None = option(
        "--filter-size",
        metavar="BINS",
        help="Window of a median filter of the bins, in bins: an odd number, or height,width such as 3,5; 1 for no "
        "filter. By default, 3 with a --filter-sigma of 5.",
    )
    filter_sigma: float | None = option(
        "--filter-sigma",
        metavar="NUMBER",
        type=float,
        help="Filter only bins whose level or scatter deviates by more than this many sigma from those around them.",
    )
    filter_threshold: float | None = option(
        "--filter-threshold",
        metavar="LEVEL",
        type=float,
        help="With --filter-size: filter only bins whose level is above this.",
    )

    smooth_bins: bool | None = option(
        "--smooth-bins/--no-smooth-bins",
        default=None,
        help="Smooth the bins as far as their scatter is noise. By default, if neither a filter nor an --order is "
        "given.",
    )

    @property
    def options(self) -> BinOptions:
        """The options with their numbers.

        Raises
        ------
        evensky.errors.InvalidParameterError
            For a text that holds no number.
        """
        return BinOptions(
            sigma=None if self.sigma is None else number_or_pair("--sigma", self.sigma),
            rounds=self.rounds,
            centre=self.centre,
            scatter=self.scatter,
            estimator=self.estimator,
            rms_estimator=self.rms_estimator,
            edge_method=self.edge_method,
            exclude_percentile=self.exclude_percentile,
            filter_size=None
            if self.filter_size is None
            else size_of("--filter-size", self.filter_size, "an odd number, or height,width as in 3,5,"),
            filter_threshold=self.filter_threshold,
            filter_sigma=self.filter_sigma,
            smooth_bins=self.smooth_bins,
        )
