"""Records of a combination: what became of each exposure, as plain data, a table and text."""

from __future__ import annotations

__all__ = [
    "CombineRecord",
    "CombineStatus",
    "clipping_note",
    "combine_rows",
    "combine_summary",
    "combine_table",
    "empty_note",
    "noise_note",
    "placed_at",
    "sample_notes",
    "twice_notes",
]

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..combining.doubts import level_spread, noise_by_exposure, same_noise
from ..matching.sets import several
from ..math.combine_planes import CombineOptions
from ..math.combined_noise import clipped_share

if TYPE_CHECKING:
    from astropy.table import Table

CombineStatus = Literal["combined", "failed"]
"""Status of an exposure."""


# Clipping looks at the scatter of so many pixels at least, and shares that are clipped above this are told.
_FEWEST_CLIPPED, _MUCH_CLIPPED = 3, 0.02
# Ratios of the noise of exposures above this are told; variances of two pixels do not depend on them.
_UNEQUAL, _FEWEST_UNEQUAL = 4, 3
# Factors of the noise of resampled pixels above this are told.
_WORTH_NAMING = 1.05


@dataclass
class CombineRecord:
    """What became of one exposure.

    Attributes
    ----------
    label : str
        Short and unique name of the exposure, usually the stem of its file.
    path : str
        File that was read; "" for an exposure in memory.
    status : {"combined", "failed"}
    message : str
        Reason if the status is "failed".
    placed : str
        How it was put on the grid: "on the grid", "shifted by (x, y) px", or "resampled".
    masked_fraction : float or None
        Share of its pixels on the grid that were not good before clipping.
    rejected_fraction : float or None
        Share of its pixels on the grid that were clipped.
    weight : float or None
        Weight of the exposure; None if each pixel has its own, or the exposure failed.
    exposure_time : float or None
        Seconds; None if unknown.
    noise_factor : float or None
        Factor by which the variance of a mean over many of its pixels exceeds that of independent pixels, as resampling
        correlates neighbours; None if it was not resampled.
    notes : list of str
        What was assumed of it.
    """

    label: str
    path: str
    status: CombineStatus
    message: str = ""
    placed: str = ""
    masked_fraction: float | None = None
    rejected_fraction: float | None = None
    weight: float | None = None
    exposure_time: float | None = None
    noise_factor: float | None = None
    notes: list[str] = field(default_factory=list)

    def set_resampled(self, method: str, masked_fraction: float, noise_factor: float) -> None:
        """Note that the exposure was resampled.

        Parameters
        ----------
        method : str
        masked_fraction : float
            Share of its own pixels that are not good.
        noise_factor : float
            See `evensky.combining.resampling.Resampled`.
        """
        self.placed, self.masked_fraction = f"resampled ({method})", masked_fraction
        self.noise_factor = noise_factor

    def set_fractions(self, covered: int, masked: int, rejected: int) -> None:
        """Set the fractions of pixels that are not good and that were clipped.

        Parameters
        ----------
        covered : int
            Number of its pixels on the grid.
        masked, rejected : int
            Number of those among them that are not good, and that were clipped.
        """
        if self.masked_fraction is None:
            self.masked_fraction = masked / covered if covered else None
        else:  # Pixels of the box of a resampled exposure may lie beyond it.
            left = 1 - self.masked_fraction
            covered = round((covered - masked) / left) if left > 0 else 0
        self.rejected_fraction = rejected / covered if covered else None


_COLUMNS: tuple[tuple[str, Any, str], ...] = (
    ("label", str, "name of the exposure"),
    ("status", str, "combined or failed"),
    ("masked_fraction", float, "share of its pixels on the grid that were not good before clipping"),
    ("rejected_fraction", float, "share of its pixels on the grid that were clipped"),
    ("weight", float, "weight of the exposure"),
    ("exposure_time", float, "exposure time in seconds"),
    ("placed", str, "how it was put on the grid"),
    ("noise_factor", float, "factor of the variance of means over many pixels, due to resampling"),
    ("path", str, "file read"),
    ("message", str, "reason for a failure"),
    ("notes", str, "what was assumed of it"),
)


def combine_table(records: Sequence[CombineRecord]) -> Table:
    """Return records as an `astropy.table.Table`, one row per exposure; missing values are masked."""
    from astropy.table import MaskedColumn, Table

    table = Table(masked=True)
    for name, kind, description in _COLUMNS:
        values = [getattr(record, name) for record in records]
        if name == "notes":
            values = ["; ".join(notes) for notes in values]
        filler = math.nan if kind is float else ""
        table.add_column(
            MaskedColumn(
                [filler if value is None else value for value in values],
                name=name,
                dtype=None if kind is str and values else kind,
                mask=[value is None for value in values],
                description=description,
            )
        )
    table["exposure_time"].unit = "s"
    return table


def placed_at(y0: int, x0: int) -> str:
    """Return how an exposure is put on the grid whose first pixel gets this place."""
    return f"shifted by ({x0}, {y0}) px" if x0 or y0 else "on the grid"


def empty_note(records: Sequence[CombineRecord]) -> list[str]:
    """Return a note on exposures without a good pixel, if there are any."""
    empty = [record.label for record in records if record.masked_fraction == 1]
    if not empty:
        return []
    return [f"no pixel of {several(empty)} is good, so {'it adds' if len(empty) == 1 else 'they add'} nothing"]


def clipping_note(records: Sequence[CombineRecord], options: CombineOptions, *, has_variance: bool) -> list[str]:
    """Return a note if clipping rejects many pixels that are noise, because few exposures are combined."""
    number = sum(record.status == "combined" for record in records)
    if options.statistic != "meanclip" or number < _FEWEST_CLIPPED:
        return []
    clipping = (options.sigma_low, options.sigma_high, options.rounds, options.centre, options.scatter)
    share = clipped_share(*clipping, number)
    if share < _MUCH_CLIPPED:
        return []
    accounted = "; the variance takes that into account" if has_variance else ""
    return [
        f"of {number} exposures, clipping rejects {100 * share:.1f} % of the pixels even if they are pure noise, as it "
        f"finds their scatter from few pixels{accounted}"
    ]


def sample_notes(
    samples: np.ndarray,
    labels: Sequence[str],
    options: CombineOptions,
    weights: Iterable[float | None] | None,
    unit: str,
    *,
    has_variance: bool,
) -> list[str]:
    """Return notes on exposures of other levels, of the same noise, and of very different noise.

    Parameters
    ----------
    samples : ndarray, shape (rows, exposures, columns)
        See `evensky.combining.doubts.level_spread`.
    labels : sequence of str
        Names of the exposures.
    options : CombineOptions
    weights : iterable of float or None
        Of the exposures. Equal ones are none, and those of 0 do not count.
    unit : str
        Of the pixels; "" if unknown.
    has_variance : bool
        Whether the result has variances.
    """
    notes = _levels_note(*level_spread(samples), unit)
    notes += twice_notes(labels, same_noise(samples), "the variance is too small" if has_variance else "")
    weighted = options.by_variance or len({weight for weight in weights or () if weight}) > 1
    if has_variance and options.statistic != "mean" and not weighted:
        notes += _unequal_noise_note(labels, noise_by_exposure(samples), options.statistic)
    return notes


def _levels_note(spread: float, noise: float, unit: str) -> list[str]:
    """Return a note if levels have a spread of more than the noise of a pixel."""
    if not spread > noise:
        return []
    times = f", {spread / noise:.2g} times the noise of a pixel" if noise > 0 else ""
    return [
        f"the levels of the exposures differ by {spread:.3g}{f' {unit}' if unit else ''}{times}: the result has steps "
        "where exposures end, and clipping rejects good pixels; match their backgrounds first (evensky match)"
    ]


def _unequal_noise_note(labels: Sequence[str], noise: np.ndarray, statistic: str) -> list[str]:
    """Return a note if exposures differ so much in their noise that the variances of a statistic are doubtful."""
    known = np.flatnonzero(noise > 0)
    if known.size < _FEWEST_UNEQUAL:
        return []
    least, most = (int(known[find(noise[known])]) for find in (np.argmin, np.argmax))
    if noise[most] <= _UNEQUAL * noise[least]:
        return []
    return [
        f"the noise of {labels[most]} is {noise[most] / noise[least]:.2g} times that of {labels[least]}: with ratios "
        f"above {_UNEQUAL}, the variances of a {statistic} may be wrong by factors of 0.8 to 4, and noisy "
        'exposures count as much as others; use statistic "mean" with weighting "variance", or leave out the noisy ones'
    ]


def twice_notes(labels: Sequence[str], groups: Iterable[Sequence[int]], effect: str = "") -> list[str]:
    """Return notes on exposures that are there more than once.

    Parameters
    ----------
    labels : sequence of str
        Names of all exposures.
    groups : iterable of sequence of int
        What `evensky.combining.doubts.same_noise` finds.
    effect : str, optional
        What is wrong with the result, besides that the exposure counts several times.
    """
    more = f", and {effect}" if effect else ""
    return [
        f"{several([labels[number] for number in group])} have the same noise, so they are copies of one exposure, or "
        f"that exposure before and after a match: it counts several times{more}; leave out all but one of them"
        for group in groups
    ]


def noise_note(records: Sequence[CombineRecord]) -> list[str]:
    """Return a note on the correlated noise of resampled exposures, if there are any."""
    factors = [record.noise_factor for record in records if record.noise_factor is not None]
    if not factors or max(factors) <= _WORTH_NAMING:
        return []
    low, high = f"{min(factors):.2g}", f"{max(factors):.2g}"
    found = high if low == high else f"{low} to {high}"
    return [
        "resampling correlates the noise of neighbouring pixels: the variance of a mean over many pixels of an "
        f"exposure is {found} times that of independent pixels, which the variance plane does not tell"
    ]


def combine_rows(records: Sequence[CombineRecord]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a narrow table for a terminal or a notebook."""
    header = ["exposure", "status", "masked", "rejected", "weight", "time", "placed / error"]
    return header, [
        [
            record.label,
            record.status,
            _percent(record.masked_fraction),
            _percent(record.rejected_fraction),
            "-" if record.weight is None else f"{record.weight:.4g}",
            "-" if record.exposure_time is None else f"{record.exposure_time:.6g} s",
            record.message or record.placed,
        ]
        for record in records
    ]


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f} %"


def combine_summary(records: Sequence[CombineRecord], shape: tuple[int, int], statistic: str) -> str:
    """Return one line with the numbers of exposures, the statistic and the size of the result."""
    failed = sum(record.status == "failed" for record in records)
    number = len(records) - failed
    return (
        f"{number} exposure{'' if number == 1 else 's'} combined ({statistic}), {failed} failed, "
        f"{shape[1]} x {shape[0]} px"
    )
