"""The result of a run: its records, its table and its text."""

from __future__ import annotations

__all__ = ["GLOSSARY", "MatchRun", "gain_text", "term_text", "write_table"]

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._text import printable, reason_of, with_digits
from ..draw.figures import picture_url
from ..draw.footprint_layout import FootprintLayout, lay_out
from ..draw.footprints import plot_footprints
from ..draw.run_figures import plot_coadds, plot_levels
from ..draw.tables import column_unit, table_html, table_text, writable_table
from ..errors import InvalidParameterError
from ..fits.atomic import Permit, write_ecsv
from ..matching.joint.covariance import CorrectionCovariance
from ..matching.joint.overlaps import levels_of
from ..matching.reference import ReferenceCandidate
from .combine_result import CombineRun
from .overlaps import Overlaps
from .record import CoaddPreview, ExposureRecord, InputSummary, TermRecord, UntiedGroups

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Columns of the table: name, type, whether it is in the unit of the pixels, description.
_COLUMNS: tuple[tuple[str, Any, bool, str], ...] = (
    ("label", str, False, "name of the exposure in this run"),
    ("status", str, False, "reference, fixed (unchanged, too), matched or failed"),
    ("fit_rms", float, True, "RMS of (bins - model)"),
    ("matched_mse", float, False, "mean square of (reference - matched)"),
    ("diff_im_var", float, False, "clipped mean of the variance of (reference - matched)"),
    ("level_before", float, True, "sigma-clipped mean of the good pixels before matching"),
    ("level_after", float, True, "sigma-clipped mean of the good pixels after matching"),
    ("model_min", float, True, "lowest value of the model"),
    ("model_max", float, True, "highest value of the model"),
    ("good_fraction", float, False, "share of pixels that are good"),
    ("source_fraction", float, False, "share of the good pixels that were left out because they show sources"),
    ("area_factor", float, False, "factor of the values in comparisons, which are per area"),
    ("common_fraction", float, False, "share of pixels that are good in this exposure and in the reference"),
    ("good_bin_fraction", float, False, "share of bins with pixels that are good in both exposures"),
    ("extrapolated_fraction", float, False, "share of the image beyond the bins with good pixels"),
    ("fit_chi", float, False, "fit_rms divided by the value expected from noise (joint match)"),
    ("model_sigma", float, True, "RMS of the model's standard error"),
    ("largest_sigma", float, True, "largest standard error of the model anywhere in the exposure"),
    ("gain", float, False, "throughput relative to the reference, where it was measured"),
    ("gain_error", float, False, "standard error of gain"),
    ("scaled", bool, False, "whether the exposure was divided by gain"),
    ("terms", str, False, "coefficients of further terms of the model"),
    ("bins", int, False, "number of bins that were compared"),
    ("rejected_bins", int, False, "number of compared bins that were rejected as outliers"),
    ("runner_up", str, False, "second-best candidate model"),
    ("runner_up_bic", float, False, "Bayesian information criterion of that model minus that of the best model"),
    ("partners", str, False, "exposures with which this exposure was compared"),
    ("group", int, False, "number of the group of exposures that are connected by overlaps"),
    ("flags", str, False, "flags of a model that is poorly constrained or does not fit"),
    ("model", str, False, "kind of model"),
    ("seconds", float, False, "time spent on the exposure"),
    ("path", str, False, "file read"),
    ("output", str, False, "file written"),
    ("message", str, False, "reason for a failure"),
    ("warnings", str, False, "warnings about the exposure"),
)

GLOSSARY = {
    "before": "sigma-clipped mean of the good pixels before matching",
    "after": "sigma-clipped mean of the good pixels after matching",
    "fit RMS": "RMS of (bins - model)",
    "residual / noise": "fit RMS divided by the value expected from noise; 1 means that only noise remains",
    "model error": "RMS of the model's standard error",
    "gain": "throughput relative to the reference, with its standard error",
    "matched MSE": "mean square of (reference - matched) over the pixels that are good in both",
    "expected MSE": "value of matched MSE that the variance planes predict",
    "model / error": "kind of model, followed by any flags; for a failed exposure, the error message",
}
"""Columns of the narrow table of a run, and their meaning."""


@dataclass(repr=False)
class MatchRun:
    """The result of a run: records of all exposures in the given order, reference candidates, and configuration."""

    records: list[ExposureRecord]
    candidates: list[ReferenceCandidate]  # empty if the user named the reference
    reference: str  # label of the reference, "" if there is none
    reference_reason: str  # one sentence
    config: dict[str, Any]  # every configuration field and its value
    version: str
    started: str  # ISO 8601, UTC
    seconds: float
    unit: str = ""  # BUNIT of the reference
    notes: list[str] = field(default_factory=list)  # assumptions, e.g. "no masks given: every finite pixel counts"
    truth: dict[str, float] | None = None  # demo only: name -> pixel RMS against the truth
    method: str = "reference"  # "all" for a joint match
    inputs: list[InputSummary] = field(default_factory=list)  # what was used of each file; empty for pixels in memory
    # What is left unchanged: "reference", "mean" or "lowest" level, "fixed" exposures, or what "known" values say.
    level: str = "reference"
    overlaps: Overlaps = field(default_factory=Overlaps)  # levels in the overlaps (joint match)
    # Unit of the corners of the exposures: "px" on one pixel grid; "deg" for offsets on the sky, to the east and north.
    footprint_unit: str = "px"
    # Covariance of the models of all exposures against each other (joint match), for the variance of a combined image.
    covariance: CorrectionCovariance | None = field(default=None, compare=False)
    # The coadd of the matched exposures, if one was made with the run.
    coadd: CombineRun | None = field(default=None, compare=False)
    preview: CoaddPreview | None = None  # mean of all exposures, small; None in a run without pictures
    # Groups of exposures that are not tied to each other (joint match): of each chip, if there are several.
    untied: list[UntiedGroups] = field(default_factory=list)

    @property
    def table(self) -> Table:
        """Results as an `astropy.table.Table`, one row per exposure; missing values are masked."""
        from astropy.table import MaskedColumn, Table

        table = Table(masked=True)
        for name, kind, has_unit, description in _COLUMNS:
            values: list[Any] = [_figure_of(record, name) for record in self.records]
            filler: Any = {float: math.nan, int: -1, bool: False}.get(kind, "")
            column = MaskedColumn(
                [filler if value is None else value for value in values],
                name=name,
                dtype=None if kind is str and values else kind,
                mask=[value is None for value in values],
                description=description,
            )
            if has_unit:
                column.unit = column_unit(self.unit)
            table.add_column(column)
        table.meta.update(
            reference=self.reference,
            reference_reason=self.reference_reason,
            config=self.config,
            version=self.version,
            started=self.started,
            seconds=round(self.seconds, 3),
            method=self.method,
            notes=list(self.notes),
        )
        return table

    def plot(self) -> Figure:
        """Draw the levels of all exposures before and after matching."""
        return plot_levels(self.records, self.reference, self.unit)

    def plot_preview(self) -> Figure:
        """Draw the small coadds before and after matching, and their difference, on one stretch.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the run was made without pictures.
        """
        if self.preview is None:
            raise InvalidParameterError("The run has no preview; match with pictures (pictures=True, --report)")
        return plot_coadds(self.preview)

    def plot_footprints(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw the outlines of all exposures, in colours of their levels against the others, before and after matching.

        Lines join the exposures that were compared. Each half of a line has the colour of the level on its side,
        relative to the mean of the two.

        Parameters
        ----------
        axes : sequence of matplotlib.axes.Axes, optional
            Two axes, for the levels before and after; by default those of a new figure.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the outline of no exposure is known, as in a match to one reference.
        """
        before, after = self._levels_in_overlaps()
        return plot_footprints(
            self.records,
            before,
            after,
            self.overlaps,
            unit=self.unit,
            footprint_unit=self.footprint_unit,
            axes=axes,
        )

    def footprints(self) -> FootprintLayout:
        """Return what `plot_footprints` draws: outlines, and levels before and after, of all exposures."""
        return lay_out(self.records, *self._levels_in_overlaps(), self.overlaps, self.footprint_unit)

    def _levels_in_overlaps(self) -> tuple[list[float], list[float]]:
        """Return the levels of all exposures before and after the match that follow from the overlaps."""
        labels = [record.label for record in self.records]
        # A reference may be compared without being among the records.
        labels += [label for one in self.overlaps for label in (one.first, one.second)]
        number = {label: at for at, label in enumerate(dict.fromkeys(labels))}
        first, second = ([number[label] for label in column] for column in self.overlaps.pairs)
        errors = np.array([one.error for one in self.overlaps])
        found = []
        for name in ("before", "after"):
            differences = np.array([getattr(one, name) for one in self.overlaps])
            levels = levels_of(len(number), first, second, differences, errors)
            found.append([float(levels[number[record.label]]) for record in self.records])
        return found[0], found[1]

    @property
    def figures(self) -> dict[str, str]:
        """Columns of the narrow table that measure the quality of the match: name to field of the record."""
        if self.method == "all":
            columns = {"fit RMS": "fit_rms", "residual / noise": "fit_chi", "model error": "model_sigma"}
            return columns | ({"gain": "gain"} if any(r.gain is not None for r in self.records) else {})
        return {"fit RMS": "fit_rms", "matched MSE": "matched_mse", "expected MSE": "diff_im_var"}

    @property
    def last_digit(self) -> float | None:
        """Size of the last digit of levels that is worth showing; None if nothing is known of their noise."""
        levels = [level for r in self.records for level in (r.level_before, r.level_after) if level is not None]
        largest = max((abs(level) for level in levels if math.isfinite(level)), default=0.0)
        scatter = [r.fit_rms for r in self.records if r.fit_rms is not None and 0 < r.fit_rms < math.inf]
        digit = min(scatter) / 10 if scatter else None
        if 1 <= largest < 1e7:
            return 1e-3 if digit is None else min(digit, 1e-3)
        return digit

    def rows(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the header and the rows of the narrow table; see `GLOSSARY`."""
        last_digit, figures = self.last_digit, self.figures

        def level(value: float | None) -> str:
            return "-" if value is None else with_digits(value, last_digit)

        def figure(value: float | None) -> str:
            return "-" if value is None else f"{value:.{3 if self.method == 'all' else 4}g}"

        header = ("exposure", "status", "before", "after", *figures, "model / error")
        rows = [
            (
                record.label,
                record.status,
                level(record.level_before),
                level(record.level_after),
                *(gain_text(record) if name == "gain" else figure(getattr(record, name)) for name in figures.values()),
                record.message or "; ".join([record.model, *record.flags]),
            )
            for record in self.records
        ]
        return header, rows

    @property
    def choice(self) -> str:
        """Sentences that say which exposure is the reference, and why."""
        if self.level == "reference":
            return f"Reference: {self.reference}. {self.reference_reason}"
        tied = {
            "mean": "the mean of all exposures is kept",
            "lowest": "all exposures are lowered to the lowest",
            "fixed": "those of the fixed exposures are kept",
            "known": "they follow from the known models or skies",
        }[self.level]
        if self.level == "mean" and self.config.get("level") == "auto":
            tied += ", as the best one covers only a part of the field"
        return f"Levels: {tied}. The best exposure: {self.reference}. {self.reference_reason}"

    @property
    def number_matched(self) -> int:
        """Number of exposures that were matched; the reference is not counted."""
        return sum(record.status == "matched" for record in self.records)

    @property
    def failed(self) -> list[ExposureRecord]:
        """Records of the exposures that could not be matched."""
        return [record for record in self.records if record.status == "failed"]

    @property
    def flagged(self) -> list[ExposureRecord]:
        """Records of the exposures that were not failed but have flags."""
        return [record for record in self.records if record.flags and record.status != "failed"]

    @property
    def alarmed(self) -> list[ExposureRecord]:
        """Records with flags among `evensky.runs.record.ALARMS`, whose results may be wrong."""
        return [record for record in self.flagged if record.alarms]

    @property
    def summary(self) -> str:
        """One line with the reference or level, and the numbers of all, matched, failed and flagged exposures."""
        number, flagged = len(self.records), len(self.flagged)
        return (
            f"{number} exposure{'' if number == 1 else 's'}, "
            f"{f'reference {self.reference!r}' if self.level == 'reference' else f'level {self.level}'}, "
            f"{self.number_matched} matched, {len(self.failed)} failed" + (f", {flagged} flagged" if flagged else "")
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary})"

    def __str__(self) -> str:
        header, rows = self.rows()
        return f"{table_text(header, rows, range(2, len(header) - 1))}\n{printable(self.summary)}"

    def _repr_html_(self) -> str:
        choice = f"<p>{html.escape(printable(self.choice))}</p>"
        try:
            picture = f'<img alt="levels" src="{picture_url(self.plot, 70)}"/>'
        except Exception as error:  # the table can be shown without its picture
            picture = f"<p>The levels cannot be drawn: {html.escape(reason_of(error))}</p>"
        return table_html(*self.rows()) + choice + picture


def write_table(run: MatchRun, path: str | Path, permit: Permit | None = None) -> Path:
    """Write the table of a run in ECSV format; an existing file is replaced.

    Texts from outside, such as names of files and messages, stand in it by a rule that makes sure that each row is one
    line, and that no spreadsheet takes a text for a formula: see `evensky.draw.tables.cell_text`, and `text_of_cell`
    there for the way back.

    Parameters
    ----------
    run : MatchRun
    path : str or Path
    permit : Permit, optional
        Right to write to the folder, see `evensky.fits.atomic.atomic_path`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written.
    """
    return write_ecsv(writable_table(run.table), path, permit)


def gain_text(record: ExposureRecord) -> str:
    """Return the throughput of an exposure with its error, or a dash."""
    return "-" if record.gain is None else _with_error(record.gain, record.gain_error or 0.0)


def term_text(term: TermRecord) -> str:
    """Return the coefficients of a term with their errors."""
    pairs = map(_with_error, term.coefficients, term.errors)
    return f"{term.name} {', '.join(pairs)}"


def _with_error(value: float, error: float) -> str:
    """Return a value with its error, to two digits of the error, as more are noise."""
    if not 1e-6 < error < 1e4:
        return f"{value:.4g}±{error:.2g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f}±{error:.{digits}f}"


def _figure_of(record: ExposureRecord, name: str) -> Any:
    """Return the value of a record for a column of the table."""
    if name in ("flags", "warnings", "partners"):
        return "; ".join(getattr(record, name))
    if name in ("runner_up", "runner_up_bic"):
        second = record.runner_up
        return None if second is None else second.name if name == "runner_up" else second.bic
    if name == "terms":
        return "; ".join(map(term_text, record.terms))
    return getattr(record, name)
