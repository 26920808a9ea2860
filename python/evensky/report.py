"""What a run leaves to look at: one self-contained page, and a table of figures."""

from __future__ import annotations

__all__ = ["make_table", "write_report", "write_table"]

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .display import figure_url
from .fits.atomic import atomic_path
from .plot import common_stretch, plot_costs, plot_levels, plot_match, unit_label
from .tasks.flags import FLAGS
from .tasks.pictures import MOST_PICTURES
from .tasks.run_record import ExposureRecord, MatchRun

if TYPE_CHECKING:
    from astropy.table import Table

_COLUMNS: tuple[tuple[str, Any, bool, str], ...] = (
    # name, type, in the unit of the pixels, description
    ("label", str, False, "name of the exposure in this run"),
    ("status", str, False, "reference, matched or failed"),
    ("fit_rms", float, True, "RMS of bins - model"),
    ("matched_mse", float, False, "mean square of reference - matched"),
    ("diff_im_var", float, False, "clipped mean variance of reference - matched"),
    ("level_before", float, True, "sigma-clipped mean of the good pixels"),
    ("level_after", float, True, "the same after matching"),
    ("model_min", float, True, "lowest value of the model"),
    ("model_max", float, True, "highest value of the model"),
    ("good_fraction", float, False, "share of pixels that are good"),
    ("common_fraction", float, False, "share of pixels that are good here and in the reference"),
    ("good_bin_fraction", float, False, "share of bins that have such pixels"),
    ("extrapolated_fraction", float, False, "share of the image beyond those bins"),
    ("fit_chi", float, False, "fit_rms in units of its expectation, where all were matched to each other"),
    ("model_sigma", float, True, "RMS of the model's standard error"),
    ("bins", int, False, "bins that were compared"),
    ("rejected_bins", int, False, "of which these are outliers"),
    ("runner_up", str, False, "kind of model that was second"),
    ("runner_up_bic", float, False, "by how much its Bayesian information criterion is higher"),
    ("partners", str, False, "exposures that it was compared with"),
    ("group", int, False, "number of the group of exposures that are tied together"),
    ("flags", str, False, "how the model is poorly constrained"),
    ("model", str, False, "kind of model"),
    ("seconds", float, False, "time spent"),
    ("path", str, False, "file read"),
    ("output", str, False, "file written"),
    ("message", str, False, "why it failed"),
    ("warnings", str, False, "what else there is to know"),
)


def make_table(run: MatchRun) -> Table:
    """The figures of a run as an `astropy.table.Table`, a row an exposure; figures that do not exist are masked."""
    from astropy.table import MaskedColumn, Table
    from astropy.units import Unit

    table = Table(masked=True)
    for name, kind, has_unit, description in _COLUMNS:
        values: list[Any] = [_figure_of(record, name) for record in run.records]
        empty = [value is None for value in values]
        filler: Any = {float: math.nan, int: -1}.get(kind, "")
        column = MaskedColumn(
            [filler if value is None else value for value in values],
            name=name,
            dtype=None if kind is str and values else kind,
            mask=empty,
            description=description,
        )
        if has_unit and run.unit:
            column.unit = Unit(run.unit, parse_strict="silent")
        table.add_column(column)
    table.meta.update(
        reference=run.reference,
        reference_reason=run.reference_reason,
        config=run.config,
        version=run.version,
        started=run.started,
        seconds=round(run.seconds, 3),
        method=run.method,
        notes=list(run.notes),
    )
    return table


def _figure_of(record: ExposureRecord, name: str) -> Any:
    """What a column holds of a record."""
    if name in ("flags", "warnings", "partners"):
        return "; ".join(getattr(record, name))
    if name in ("runner_up", "runner_up_bic"):
        second = record.scores[1] if len(record.scores) > 1 else None
        return None if second is None else second.name if name == "runner_up" else second.bic
    return getattr(record, name)


def write_table(run: MatchRun, path: str | Path) -> Path:
    """Write the figures of a run as an ECSV table; an earlier one is replaced.

    Raises
    ------
    evensky.errors.FitsError
        Where the file cannot be written.
    """
    path = Path(path)
    with atomic_path(path, overwrite=True) as temporary:
        make_table(run).write(temporary, format="ascii.ecsv", overwrite=True)
    return path


def _number(value: float | None, digits: int = 3) -> str:
    """A figure with so many significant digits, or a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 8)}f}" if abs(value) < 1e7 else f"{value:.{digits}g}"


def _level(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.3f}" if abs(value) < 1e7 else f"{value:.6g}"


def _spread(values: list[float]) -> float | None:
    return max(values) - min(values) if len(values) > 1 else None


def _context(run: MatchRun) -> dict[str, Any]:
    dpi = 110 if len(run.records) <= 20 else 70
    pictured = [record for record in run.records if record.pixels is not None]
    limits = common_stretch([p for r in pictured if r.pixels is not None for p in (r.pixels.before, r.pixels.after)])
    # Of so many those alone are shown one by one that have pictures, or of which there is something to say.
    crowded = len(run.records) > MOST_PICTURES
    left_out = sum(r.pixels is None and r.status == "matched" and not r.flags for r in run.records) if crowded else 0
    done = [r for r in run.records if r.status != "failed" and r.level_after is not None]
    before = _spread([r.level_before for r in done if r.level_before is not None])
    after = _spread([r.level_after for r in done if r.level_after is not None])
    ratios = [r.matched_mse / r.diff_im_var for r in run.records if r.matched_mse is not None and r.diff_im_var]
    fits = [r.fit_rms for r in run.records if r.status == "matched" and r.fit_rms is not None]
    chis = [r.fit_chi for r in run.records if r.fit_chi is not None and math.isfinite(r.fit_chi)]
    unit = unit_label(run.unit)

    def exposure(record: ExposureRecord) -> dict[str, Any]:
        figure = None
        if record.pixels is not None:
            figure = figure_url(plot_match(record, limits, run.unit), dpi)
        ratio = (
            record.matched_mse / record.diff_im_var if record.matched_mse is not None and record.diff_im_var else None
        )
        shown = not crowded or figure is not None or bool(record.flags)
        return {"record": record, "figure": figure, "ratio": ratio, "shown": shown}

    return {
        "run": run,
        "unit": unit,
        "limits": limits,
        "left_out": left_out,
        "flagged": sum(bool(record.flags) for record in run.records),
        "meaning": FLAGS,
        "matched": sum(record.status == "matched" for record in run.records),
        "spread_before": before,
        "spread_after": after,
        "median_fit": float(np.median(fits)) if fits else None,
        "median_chi": float(np.median(chis)) if chis else None,
        "median_ratio": float(np.median(ratios)) if ratios else None,
        "levels": figure_url(plot_levels(run.records, run.reference, run.unit), 110) if done else None,
        "costs": figure_url(plot_costs(run.candidates), 110) if run.candidates else None,
        "exposures": [exposure(record) for record in run.records],
        "number": _number,
        "percent": lambda fraction: "–" if fraction is None else f"{_number(100.0 * fraction)} %",
        "level": _level,
    }


def write_report(run: MatchRun, path: str | Path) -> Path:
    """Write one page that shows a run: self-contained, no script, no network; an earlier one is replaced.

    Parameters
    ----------
    run : MatchRun
    path : str or Path

    Returns
    -------
    Path
        The page.

    Raises
    ------
    evensky.errors.FitsError
        Where the file cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("evensky"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(_context(run))
    path = Path(path)
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path
