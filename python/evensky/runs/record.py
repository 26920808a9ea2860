"""Records of a run: the result of each exposure, as plain data."""

from __future__ import annotations

__all__ = [
    "ALARMS",
    "CandidateScore",
    "CoaddPreview",
    "ExposureRecord",
    "InputSummary",
    "NoOverlapError",
    "OverlapRecord",
    "PixelSummary",
    "Status",
    "TermRecord",
    "UntiedGroups",
    "failed_record",
    "fields_of_record",
    "without_pictures",
]

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from .._text import reason_of
from ..errors import TaskError

Status = Literal["reference", "fixed", "matched", "failed"]
"""Status of an exposure. The reference and fixed exposures are unchanged."""

ALARMS = ("POOR_FIT", "INCONSISTENT", "UNDETERMINED", "GAIN", "QUANTISED", "ASTROMETRY")
"""Flags that say that the result of an exposure may be wrong. With ``--strict``, they make a run fail."""


@dataclass
class PixelSummary:
    """Small pictures of one exposure for the report: means of the good pixels in blocks, NaN where there are none.

    The pictures are 2-D float32 arrays of one shape, row 0 at the bottom of the image (FITS convention).
    ``residual_counts`` and ``residual_edges`` are the histogram of (reference - matched) over the good pixels.
    ``residual`` is `after` minus the mean of all other exposures after the match, NaN where there is no other; None if
    it is not known.
    """

    before: np.ndarray = field(repr=False)
    model: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    residual_counts: np.ndarray = field(repr=False)
    residual_edges: np.ndarray = field(repr=False)
    residual: np.ndarray | None = field(default=None, repr=False)


@dataclass
class CoaddPreview:
    """Small pictures of the mean of all exposures, before and after the match.

    Attributes
    ----------
    before, after : ndarray of float32, shape (height, width)
        Mean of the exposures that have good pixels at a place, NaN where none has; row 0 is at the bottom. Exposures
        that failed are in neither.
    number : ndarray of int32, shape (height, width)
        Number of these exposures.
    unit : str
        Unit of the pixels.
    orientation : str
        Such as "north up, east left"; "" if the picture is not on the sky.
    scale : str
        Size of a pixel of the picture, for a caption; "" if it is unknown.
    pixel_size : float
        Size of a pixel of the picture in `pixel_unit`; NaN if it is unknown.
    pixel_unit : str
        "arcsec" on the sky, "px" (pixels of the exposures) otherwise.
    """

    before: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    number: np.ndarray = field(repr=False)
    unit: str = ""
    orientation: str = ""
    scale: str = ""
    pixel_size: float = math.nan
    pixel_unit: str = "px"

    @property
    def difference(self) -> np.ndarray:
        """What the match has removed: before - after."""
        removed: np.ndarray = self.before - self.after
        return removed


@dataclass
class CandidateScore:
    """Score of one candidate model of an exposure."""

    name: str
    terms: int
    bic: float  # Bayesian information criterion minus that of the best candidate
    refused: bool = False  # its own error exceeds what it gains, so that it cannot be chosen


@dataclass
class TermRecord:
    """A term of a model besides the smooth part: its coefficients, and their standard errors."""

    name: str
    coefficients: list[float]
    errors: list[float]


@dataclass
class ExposureRecord:
    """The result of one exposure in a run."""

    label: str  # short and unique within the run, usually the file's stem
    path: str  # file that was read; "" for exposures in memory
    status: Status
    output: str | None = None  # file that was written, None if there is none
    output_bytes: int = 0  # size of that file
    output_digest: str = ""  # of its content, see `evensky.fits.digests`; "" if there is none
    message: str = ""  # the reason if status is "failed"
    # Such as "AKIMA_SPLINE, 4 x 4 bins of 256 px"; "Chebyshev 2 (Chebyshev 4 at the mean level)" if the model that was
    # selected needs more terms to be shifted to a level.
    model: str = ""
    fit_rms: float | None = None  # Struct.fitRMS
    matched_mse: float | None = None  # Struct.matchedMSE
    diff_im_var: float | None = None  # Struct.diffImVar
    level_before: float | None = None  # sigma-clipped mean of the good pixels
    level_after: float | None = None
    model_min: float | None = None
    model_max: float | None = None
    good_fraction: float | None = None  # share of pixels that are good
    source_fraction: float | None = None  # share of the good pixels that are left out because they show sources
    area_factor: float = 1.0  # factor of its values in comparisons, which are per area if pixels have different areas
    common_fraction: float | None = None  # share of pixels that are good in the reference too
    good_bin_fraction: float | None = None  # share of bins that have such pixels
    extrapolated_fraction: float | None = None  # share of the image beyond those bins
    flags: list[str] = field(default_factory=list)  # names, such as "POOR_FIT"; sentences about them are in warnings
    # Joint match only:
    scores: list[CandidateScore] = field(default_factory=list)  # of all candidate models, the best first
    fit_chi: float | None = None  # fit_rms in units of the standard errors
    model_sigma: float | None = None  # RMS of the model's standard error
    largest_sigma: float | None = None  # largest standard error of the model anywhere in the exposure
    gain: float | None = None  # throughput relative to the reference; None if it was not measured
    gain_error: float | None = None  # its standard error
    scaled: bool = False  # whether the exposure was divided by the throughput
    terms: list[TermRecord] = field(default_factory=list)  # further terms of the model
    bins: int | None = None  # bins that were compared
    rejected_bins: int | None = None  # bins among them that are outliers
    partners: list[str] = field(default_factory=list)  # exposures that it was compared with
    group: int | None = None  # number of the group of exposures that differences tie together
    # Corners of its outline, [x, y] each, in `evensky.runs.match_run.MatchRun.footprint_unit`; empty if unknown.
    corners: list[list[float]] = field(default_factory=list)
    digest: str = ""  # identifies the model and its record
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    pixels: PixelSummary | None = None

    @property
    def runner_up(self) -> CandidateScore | None:
        """Second-best candidate model among those that could be chosen."""
        return next((score for score in self.scores[1:] if not score.refused), None)

    @property
    def alarms(self) -> list[str]:
        """Flags among `ALARMS`."""
        return [flag for flag in self.flags if flag in ALARMS]


@dataclass
class OverlapRecord:
    """The difference first - second of two exposures over their overlap (joint match)."""

    first: str  # label
    second: str  # label
    bins: int  # bins that are good in both, without outliers
    pixels: int  # pixels in these bins that are good in both
    before: float  # mean difference before the match; NaN without good bins
    after: float  # mean difference after the match
    error: float  # standard error of the mean difference
    worst: float  # largest difference of a bin after the match, in units of the standard error of the bin

    @property
    def significance(self) -> float:
        """Size of the mean difference after the match in units of its standard error."""
        return abs(self.after) / self.error if self.error > 0 else math.nan


@dataclass
class UntiedGroups:
    """Groups of exposures that no difference ties together, so that there may be a step between their levels."""

    what: str  # "exposures" or "visits"
    groups: list[list[str]]  # labels of the members of each group
    note: str  # the sentence among the notes of the run that says it


@dataclass
class InputSummary:
    """What is used of one exposure, as text for tables."""

    label: str
    path: str
    layout: str  # e.g. "JWST"; "" for a file that cannot be used
    image: str  # HDU and size
    mask: str  # HDU, and names of the planes whose pixels do not count
    errors: str  # HDU, and its sense
    unit: str
    filter: str
    origin: tuple[int, int] | None  # on the common pixel grid
    notes: list[str]  # what was assumed or ignored; the error of a file that cannot be used


class NoOverlapError(TaskError):
    """An exposure has no good pixel in common with the others."""


def fields_of_record(written: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of an `ExposureRecord` that was written to a file, maybe by an earlier version.

    That named the digest of an output `output_sha256`.
    """
    if "output_sha256" not in written or "output_digest" in written:
        return written
    return {"output_digest" if name == "output_sha256" else name: value for name, value in written.items()}


def failed_record(label: str, path: str, error: BaseException) -> ExposureRecord:
    """Return the record of an exposure that could not be matched."""
    record = ExposureRecord(label=label, path=path, status="failed", message=reason_of(error))
    if isinstance(error, NoOverlapError):
        record.flags, record.common_fraction = ["NO_OVERLAP"], 0.0
    return record


def without_pictures(record: ExposureRecord, error: BaseException) -> ExposureRecord:
    """Return the record of an exposure that is matched but cannot be shown."""
    note = f"There are no pictures of it: {reason_of(error)}"
    return replace(record, pixels=None, warnings=[*record.warnings, note])
