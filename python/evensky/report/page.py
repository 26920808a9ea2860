"""The report of a run: one self-contained page."""

from __future__ import annotations

__all__ = ["write_report"]

import math
from pathlib import Path
from typing import Any

import numpy as np

from .._text import with_digits
from ..draw.figures import common_stretch, figure_url, unit_label
from ..draw.run_figures import plot_costs, plot_levels, plot_match
from ..fits.atomic import atomic_path
from ..matching.joint.alarms import FLAGS as FLAGS_OF_ALL
from ..matching.pair import FLAGS
from ..runs.match_run import MatchRun, gain_text, term_text
from ..runs.pictures import MOST_PICTURES
from ..runs.record import ALARMS, ExposureRecord

_MEANING = {**FLAGS, **FLAGS_OF_ALL}
# Number of flags that are listed at the head of the page.
_MOST_ALERTS = 20


def _number(value: float | None, digits: int = 3) -> str:
    """Return a number with some significant digits, or a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if not -5 < size < 7:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - size)}f}"


def _level(value: float | None, last_digit: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else with_digits(value, last_digit)


def _spread(values: list[float]) -> float | None:
    return max(values) - min(values) if len(values) > 1 else None


def _alerts(run: MatchRun) -> list[dict[str, str]]:
    """Return the flags of all exposures with their sentences, those that put a result in doubt first."""
    found = []
    for record in run.flagged:
        for flag in record.flags:
            sentences = [text.partition(": ")[2] for text in record.warnings if text.startswith(f"{flag}: ")]
            found.append({"label": record.label, "flag": flag, "text": " ".join(sentences) or _MEANING[flag]})
    return sorted(found, key=lambda alert: alert["flag"] not in ALARMS)


def _context(run: MatchRun) -> dict[str, Any]:
    dpi = 110 if len(run.records) <= 20 else 70
    pictured = [record for record in run.records if record.pixels is not None]
    limits = common_stretch([p for r in pictured if r.pixels is not None for p in (r.pixels.before, r.pixels.after)])
    # In a large run only exposures that have pictures or flags are shown one by one.
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
        "flagged": len(run.flagged),
        "alerts": _alerts(run),
        "most_alerts": _MOST_ALERTS,
        "meaning": _MEANING,
        "gains": any(record.gain is not None for record in run.records),
        "gain": gain_text,
        "term": term_text,
        "matched": run.number_matched,
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
        "level": lambda value: _level(value, run.last_digit),
    }


def write_report(run: MatchRun, path: str | Path) -> Path:
    """Write a page that shows a run, without scripts or links to the network; an existing file is replaced.

    Parameters
    ----------
    run : MatchRun
    path : str or Path

    Returns
    -------
    Path
        The path of the page.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("evensky.report", ""),
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
