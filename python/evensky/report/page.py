"""The report of a run: one self-contained page."""

from __future__ import annotations

__all__ = ["write_report"]

import math
from dataclasses import dataclass
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
# Number of findings that are listed at the head of the page, and of exposures that are named for each of them.
_MOST_FINDINGS, _MOST_LABELS = 20, 12


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


@dataclass
class _Advice:
    """The flags of one kind, with what to do about them."""

    name: str  # identifies it on the page
    flag: str
    text: str  # what to do; "" if the flag does not say it
    findings: dict[str, list[str]]  # what was found, and the labels of the exposures of which it is true

    @property
    def number(self) -> int:
        """Number of exposures."""
        return sum(map(len, self.findings.values()))


def _sentences(record: ExposureRecord, flag: str) -> list[str]:
    """Return the sentences of a flag of an exposure; what is found comes before the last semicolon, if there is one."""
    texts = [text.partition(": ")[2] for text in record.warnings if text.startswith(f"{flag}: ")]
    return texts or [_MEANING[flag]]


def _split(sentence: str) -> tuple[str, str]:
    """Return what was found, and what to do about it."""
    found, _, advice = sentence.rpartition("; ")
    return (found, advice) if found else (advice, "")


def _advices(run: MatchRun) -> list[_Advice]:
    """Return the flags of all exposures, those that put a result in doubt first; the same advice is given once."""
    groups: dict[tuple[str, str], _Advice] = {}
    for record in run.flagged:
        for flag in record.flags:
            for sentence in _sentences(record, flag):
                found, text = _split(sentence)
                name = f"advice-{len(groups) + 1}"
                advice = groups.setdefault((flag, text), _Advice(name, flag, text, {}))
                advice.findings.setdefault(found, []).append(record.label)
    return sorted(groups.values(), key=lambda advice: advice.flag not in ALARMS)


def _listed(advices: list[_Advice]) -> tuple[list[dict[str, Any]], int]:
    """Return the advices with the findings for which there is room, and the number of flags that are left out."""
    room, shown, left_out = _MOST_FINDINGS, [], 0
    for advice in advices:
        findings = []
        for text, labels in advice.findings.items():
            if room > 0:
                room -= 1
                findings.append({"text": text, "labels": labels[:_MOST_LABELS], "more": len(labels[_MOST_LABELS:])})
            else:
                left_out += len(labels)
        shown.append({"advice": advice, "findings": findings})
    return shown, left_out


def _warnings(record: ExposureRecord, advices: list[_Advice]) -> list[tuple[str, str]]:
    """Return the warnings about an exposure, without advice that several share, and the name of that advice or ""."""
    shared = {(one.flag, one.text): one.name for one in advices if one.number > 1 and one.text}
    shown = []
    for warning in record.warnings:
        flag, _, sentence = warning.partition(": ")
        found, text = _split(sentence)
        name = shared.get((flag, text), "")
        shown.append((f"{flag}: {found}" if name else warning, name))
    return shown


def _median_differences(run: MatchRun) -> tuple[float, float] | None:
    """Return the median sizes of the differences in the overlaps before and after; None if there are none."""
    known = [one for one in run.overlaps if one.bins]
    if not known:
        return None
    before, after = (np.median(np.abs([getattr(one, name) for one in known])) for name in ("before", "after"))
    return float(before), float(after)


def _context(run: MatchRun) -> dict[str, Any]:
    dpi = 110 if len(run.records) <= 20 else 70
    pictured = [record for record in run.records if record.pixels is not None]
    limits = common_stretch([p for r in pictured if r.pixels is not None for p in (r.pixels.before, r.pixels.after)])
    # In a large run only exposures that have pictures or flags are shown one by one.
    crowded = len(run.records) > MOST_PICTURES
    left_out = sum(r.pixels is None and r.status == "matched" and not r.flags for r in run.records) if crowded else 0
    done = [r for r in run.records if r.status != "failed" and r.level_after is not None]
    before = _spread([r.area_factor * r.level_before for r in done if r.level_before is not None])
    after = _spread([r.area_factor * r.level_after for r in done if r.level_after is not None])
    ratios = [r.matched_mse / r.diff_im_var for r in run.records if r.matched_mse is not None and r.diff_im_var]
    fits = [r.fit_rms for r in run.records if r.status == "matched" and r.fit_rms is not None]
    chis = [r.fit_chi for r in run.records if r.fit_chi is not None and math.isfinite(r.fit_chi)]
    unit = unit_label(run.unit)
    advices = _advices(run)
    listed, alerts_left_out = _listed(advices)
    outlined = run.overlaps and any(record.corners for record in run.records)

    def exposure(record: ExposureRecord) -> dict[str, Any]:
        figure = None
        if record.pixels is not None:
            figure = figure_url(plot_match(record, limits, run.unit), dpi)
        ratio = (
            record.matched_mse / record.diff_im_var if record.matched_mse is not None and record.diff_im_var else None
        )
        shown = not crowded or figure is not None or bool(record.flags)
        warnings = _warnings(record, advices)
        return {"record": record, "figure": figure, "ratio": ratio, "shown": shown, "warnings": warnings}

    return {
        "run": run,
        "unit": unit,
        "limits": limits,
        "left_out": left_out,
        "flagged": len(run.flagged),
        "alerts": listed,
        "alerts_left_out": alerts_left_out,
        "meaning": _MEANING,
        "gains": any(record.gain is not None for record in run.records),
        "sources": any(record.source_fraction is not None for record in run.records),
        "gain": gain_text,
        "term": term_text,
        "matched": run.number_matched,
        "spread_before": before,
        "spread_after": after,
        "median_fit": float(np.median(fits)) if fits else None,
        "median_chi": float(np.median(chis)) if chis else None,
        "median_ratio": float(np.median(ratios)) if ratios else None,
        "differences": _median_differences(run),
        "footprints": figure_url(run.plot_footprints(), 150) if outlined else None,
        "overlaps": run.overlaps.rows()[1],
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
