"""What a matching run did: the records that the summary table, ``matched.ecsv`` and the report are made of."""

from __future__ import annotations

__all__ = ["CandidateScore", "ExposureRecord", "MatchRun", "PixelSummary", "ReferenceCandidate"]

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.figure import Figure

Status = Literal["reference", "matched", "failed"]


@dataclass
class ReferenceCandidate:
    """One exposure in the selection of the reference; the smallest total cost wins.

    The cost terms are already multiplied by their configured weights, so ``cost`` is their sum.
    They are NaN for a candidate that could not be considered (then ``message`` says why).
    """

    label: str
    level: float = float("nan")  # mean of the good pixels
    variance: float = float("nan")  # variance of the good pixels
    npoint: float = 0.0  # number of good pixels
    cost_variance: float = float("nan")
    cost_level: float = float("nan")
    cost_coverage: float = float("nan")
    cost: float = float("nan")
    selected: bool = False
    message: str = ""


@dataclass
class PixelSummary:
    """Small pictures of one exposure for the report: block means of the good pixels, NaN where there are none.

    All are 2-D float32 arrays of one shape, row 0 at the bottom of the image (FITS convention).
    ``residual_counts`` and ``residual_edges`` are the histogram of (reference - matched) over the good pixels.
    """

    before: np.ndarray = field(repr=False)
    model: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    residual_counts: np.ndarray = field(repr=False)
    residual_edges: np.ndarray = field(repr=False)


@dataclass
class CandidateScore:
    """How a kind of correction did for one exposure, where kinds were compared."""

    name: str
    terms: int
    bic: float  # Bayesian information criterion, less that of the best
    rejected: int  # bins beyond its reach


@dataclass
class ExposureRecord:
    """What happened to one exposure."""

    label: str  # short and unique within the run, usually the file's stem
    path: str  # where it was read from; "" for in-memory exposures
    status: Status
    output: str | None = None  # the file written, None where there is none
    output_bytes: int = 0  # and its size
    message: str = ""  # the reason where status is "failed"
    model: str = ""  # e.g. "AKIMA_SPLINE, 4 x 4 bins of 256 px"
    fit_rms: float | None = None  # Struct.fitRMS
    matched_mse: float | None = None  # Struct.matchedMSE
    diff_im_var: float | None = None  # Struct.diffImVar
    level_before: float | None = None  # sigma-clipped mean of the good pixels
    level_after: float | None = None
    model_min: float | None = None
    model_max: float | None = None
    good_fraction: float | None = None  # share of pixels that are good
    common_fraction: float | None = None  # share of pixels that are good here and in the reference
    good_bin_fraction: float | None = None  # share of bins that have such pixels
    extrapolated_fraction: float | None = None  # share of the image beyond those bins
    flags: list[str] = field(default_factory=list)  # how the model is poorly constrained: names of evensky.tasks.FLAGS
    # Where all exposures were matched to each other:
    scores: list[CandidateScore] = field(default_factory=list)  # of all candidates, the best first
    fit_chi: float | None = None  # fit_rms in units of the standard errors
    model_sigma: float | None = None  # RMS of the model's standard error
    bins: int | None = None  # that it was compared in
    rejected_bins: int | None = None  # of which these are outliers
    partners: list[str] = field(default_factory=list)  # that it was compared with
    group: int | None = None  # of exposures that partners tie together
    correction: str = ""  # digest of what was added
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    pixels: PixelSummary | None = None


@dataclass(repr=False)
class MatchRun:
    """A whole run: every exposure in the order given, the candidates for the reference, and what was asked for."""

    records: list[ExposureRecord]
    candidates: list[ReferenceCandidate]  # empty where the user named the reference
    reference: str  # label of the reference, "" where there is none
    reference_reason: str  # one sentence
    config: dict[str, Any]  # every configuration field and its value
    version: str
    started: str  # ISO 8601, UTC
    seconds: float
    unit: str = ""  # BUNIT of the exposures where they agree
    notes: list[str] = field(default_factory=list)  # what was assumed, e.g. "no masks given: every finite pixel counts"
    truth: dict[str, float] | None = None  # demo only: name -> pixel RMS against the truth
    method: str = "reference"  # "all" where exposures were matched to each other

    @property
    def table(self) -> Table:
        """The figures, a row an exposure. See `evensky.report.make_table`."""
        from ..report import make_table

        return make_table(self)

    def plot(self) -> Figure:
        """Levels of all exposures before and after. See `evensky.plot.plot_levels`."""
        from ..plot import plot_levels

        return plot_levels(self.records, self.reference, self.unit)

    @property
    def figures(self) -> dict[str, str]:
        """Fields of the records that say how well it went, by what a narrow table calls them."""
        if self.method == "all":
            return {"fit RMS": "fit_rms", "in errors": "fit_chi", "model error": "model_sigma"}
        return {"fit RMS": "fit_rms", "matched MSE": "matched_mse", "expected": "diff_im_var"}

    @property
    def level(self) -> str:
        """What ties the levels: the "reference", the "mean" of all, or the "lowest" one."""
        return str(self.config.get("level", "reference"))

    @property
    def choice(self) -> str:
        """Which exposure is the reference and why; where the levels are tied otherwise, it is only the best one."""
        if self.level == "reference":
            return f"Reference: {self.reference}. {self.reference_reason}"
        tied = {"mean": "their mean stays", "lowest": "brought down to the lowest"}[self.level]
        return f"Levels: {tied}. The best exposure: {self.reference}. {self.reference_reason}"

    @property
    def summary(self) -> str:
        """How many exposures there are, what they are held to, and what came of them; one line."""
        number = len(self.records)
        matched = sum(record.status == "matched" for record in self.records)
        return (
            f"{number} exposure{'' if number == 1 else 's'}, "
            f"{f'reference {self.reference!r}' if self.level == 'reference' else f'level {self.level}'}, "
            f"{matched} matched, {len(self.failed)} failed"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary})"

    def __str__(self) -> str:
        from ..display import run_text

        return run_text(self)

    def _repr_html_(self) -> str:
        from ..display import run_html

        return run_html(self)

    @property
    def failed(self) -> list[ExposureRecord]:
        """The exposures that could not be matched."""
        return [record for record in self.records if record.status == "failed"]
