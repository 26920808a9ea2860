"""The report of a run: one self-contained page."""

from __future__ import annotations

__all__ = ["write_report"]

import logging
import math
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._text import printable, reason_of, with_digits
from ..draw.charts import chart_of_costs, chart_of_footprints, chart_of_levels
from ..draw.figures import unit_label
from ..draw.pixels import (
    COUNT_COLOURS,
    IMAGE_COLOURS,
    SIGNED_COLOURS,
    bar_url,
    coarser,
    common_stretch,
    pixels_url,
    sky_scatter,
    sky_stretch,
)
from ..errors import EvenskyError, TaskError
from ..fits.atomic import Permit, atomic_path
from ..runs.combine_record import combine_rows
from ..runs.combine_result import CombineRun
from ..runs.match_run import MatchRun, gain_text, term_text
from ..runs.pictures import MOST_PICTURES
from ..runs.record import CandidateScore, CoaddPreview, ExposureRecord, PixelSummary
from .verdict import (
    MEANING,
    Advice,
    advices_of,
    number_text,
    overlap_sizes,
    split_finding,
    verdict_of,
)

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.bccache import Bucket

log = logging.getLogger("evensky")

# Number of findings that are listed at the head of the page, and of exposures that are named for each of them.
_MOST_FINDINGS, _MOST_LABELS = 20, 12
# Number of exposures with pictures beyond which these are coarser, so that the page stays small.
_MANY = 24
# Length of the longer side of such pictures, in pixels, up to which they are small enough.
_COARSE = 150
# Half the range of residuals in units of their usual scatter, and that of the coadds in units of their largest one.
_RESIDUAL_SIGMAS, _SKY_SIGMAS = 4.0, 2.0
# A picture has a scale of its own if its half range is below this part of the common one, but not if that is below
# this part of the scatter of the residuals: it would show rounding errors.
_OWN_SCALE, _LEAST_SCALE = 0.25, 0.05
# What stays in the coadd, by the level that was left unchanged.
_WHAT_STAYS = {
    "mean": "The mean of all skies stays in the coadd",
    "lowest": "The lowest of all skies stays in the coadd",
    "fixed": "The skies of the fixed exposures stay in the coadd",
    "known": "What the known models or skies leave stays in the coadd",
}
# Exposures show one field if their edges differ by less than this part of their size.
_SAME_FIELD = 0.2
# Numbers of colours of noisy pictures: with few, a page of many exposures is small.
_STEPS, _FEW_STEPS = 128, 48
# Number of candidate models whose scores are shown, and the score up to which their scale is linear.
_MOST_SCORES, _LINEAR = 12, 10.0


def _level(value: float | None, last_digit: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else with_digits(value, last_digit)


def _spread(values: list[float]) -> float | None:
    return max(values) - min(values) if len(values) > 1 else None


def _cover_one_field(records: Sequence[ExposureRecord]) -> bool:
    """Return whether exposures show the same field, so that their levels can be compared."""
    boxes = [np.concatenate([np.min(r.corners, axis=0), np.max(r.corners, axis=0)]) for r in records if r.corners]
    if len(boxes) < 2:
        return True
    offsets = np.abs(np.array(boxes) - boxes[0])
    return bool((offsets < _SAME_FIELD * np.tile(boxes[0][2:] - boxes[0][:2], 2)).all())


def _listed(advices: list[Advice]) -> tuple[list[dict[str, Any]], int]:
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


def _warnings(record: ExposureRecord, advices: list[Advice]) -> list[tuple[str, str]]:
    """Return the warnings about an exposure, without advice that several share, and the name of that advice or ""."""
    shared = {(one.flag, one.text): one.name for one in advices if one.number > 1 and one.text}
    shown = []
    for warning in record.warnings:
        flag, _, sentence = warning.partition(": ")
        found, text = split_finding(flag, sentence) if flag in record.flags else (sentence, "")
        name = shared.get((flag, text), "")
        shown.append((f"{flag}: {found}" if name else warning, name))
    return shown


@dataclass
class _Drawn:
    """What the template draws, or the reason why there is nothing to draw."""

    chart: Any
    problem: str = ""


def _drawn(draw: Callable[[], Any]) -> _Drawn:
    try:
        return _Drawn(draw())
    except Exception as error:  # a picture that cannot be drawn does not cost the page
        return _Drawn(None, reason_of(error))


@dataclass
class _Panel:
    """The pixels of a picture as a data URL, with what is written above it; `signed` if it is a difference."""

    title: str
    figures: str
    url: str
    alt: str
    signed: bool


def _half_range(picture: np.ndarray) -> float:
    """Return half the range of a picture about its median, without the outermost pixels; 0 if there are none."""
    values = picture[np.isfinite(picture)]
    if values.size == 0:
        return 0.0
    low, middle, high = np.percentile(values, [1, 50, 99])
    return float(max(high - middle, middle - low))


def _own_scale(half_range: float, common: float, least: float) -> float:
    """Return half the range of the colours of a picture: the common one, or its own if that is much smaller."""
    return half_range if least < half_range < _OWN_SCALE * common else common


def _limit_text(value: float) -> str:
    """Return the end of a bar of colours: two digits are enough."""
    return number_text(value, 2)


def _coadds(preview: CoaddPreview, unit: str) -> dict[str, Any]:
    """Return the panels of the coadds before and after, and what is said of them."""
    pictures = {"before": preview.before, "after": preview.after, "difference": preview.difference}
    half = sky_stretch(list(pictures.values()), _SKY_SIGMAS)
    removed = preview.difference[np.isfinite(preview.difference)]
    noise = sky_scatter(preview.after[:, 1:] - preview.after[:, :-1])[1]
    own = _own_scale(_half_range(preview.difference), half, _LEAST_SCALE * noise)
    titles = {"before": "Coadd before", "after": "Coadd after", "difference": "Before − after"}
    panels = []
    for name, picture in pictures.items():
        median, _ = sky_scatter(picture)
        colours = SIGNED_COLOURS if name == "difference" else IMAGE_COLOURS
        reach = own if name == "difference" else half
        url = pixels_url(picture, (median - reach, median + reach), colours, steps=_STEPS, outlined=True)
        figures = f"median {number_text(median, 4)} {unit}".rstrip()
        alt = f"{titles[name]}: mean of all exposures"
        panels.append(_Panel(titles[name], figures, url, alt, colours == SIGNED_COLOURS))
    height, width = preview.before.shape
    number = preview.number.astype(np.float32)
    most = int(number.max(initial=0))
    number[number == 0] = np.nan
    return {
        "panels": panels,
        "span": float(np.subtract(*np.percentile(removed, [99, 1]))) if removed.size else None,
        "half": _limit_text(half),
        "own": _limit_text(own),
        "on_own": own != half,
        "wide": width > 2.2 * height,
        "tall": height > 1.5 * width,
        "most": most,
        "coverage": pixels_url(number, (1, most), COUNT_COLOURS) if most > 1 else "",
        "orientation": preview.orientation,
        "scale": preview.scale,
    }


def _head(preview: CoaddPreview | None, unit: str) -> tuple[dict[str, Any] | None, str]:
    """Return the coadds, and the reason why they cannot be drawn."""
    if preview is None or preview.before.size == 0:
        return None, ""
    try:
        return _coadds(preview, unit), ""
    except Exception as error:  # a picture that cannot be drawn does not cost the page
        return None, reason_of(error)


@dataclass(frozen=True)
class _Stretch:
    """What the pictures of all exposures have in common."""

    image: tuple[float, float]  # limits before and after
    residual: float  # half the range of residuals
    model: float  # half the range of models
    coarse: bool
    unit: str


def _stretch(run: MatchRun) -> _Stretch:
    pictures = [record.pixels for record in run.records if record.pixels is not None]
    factors = [record.area_factor for record in run.records if record.pixels is not None]
    images = [f * image for f, one in zip(factors, pictures, strict=True) for image in (one.before, one.after)]
    limits = common_stretch(images)
    coarse = len(pictures) > _MANY
    residuals = [one.residual for one in pictures if one.residual is not None]
    scatters = [sky_scatter(_as_shown(residual, coarse=coarse))[1] for residual in residuals]
    known = [scatter for scatter in scatters if scatter > 0]
    # The usual scatter, not the largest one: an exposure that does not fit is to stand out.
    half = _RESIDUAL_SIGMAS * float(np.median(known)) if known else 0.5 * (limits[1] - limits[0])
    common = 0.5 * (limits[1] - limits[0])
    ranges = [f * _half_range(one.model) for f, one in zip(factors, pictures, strict=True)]
    model = _own_scale(max(ranges, default=0.0), common, _LEAST_SCALE * half / _RESIDUAL_SIGMAS)
    return _Stretch(limits, half, model, coarse, unit_label(run.unit))


def _as_shown(picture: np.ndarray, *, coarse: bool) -> np.ndarray:
    """Return a picture in the size in which the page has it."""
    return coarser(picture, 2) if coarse and max(picture.shape) > _COARSE else picture


def _panels(record: ExposureRecord, pixels: PixelSummary, stretch: _Stretch) -> list[_Panel]:
    """Return the pictures of an exposure."""
    finite = pixels.model[np.isfinite(pixels.model)]
    centre = float(np.median(finite)) if finite.size else 0.0
    # Limits in the values of the exposure, whose pixels may have an area of their own.
    limits = stretch.image[0] / record.area_factor, stretch.image[1] / record.area_factor
    common = stretch.model / record.area_factor
    half = _own_scale(_half_range(pixels.model), common, _LEAST_SCALE * stretch.residual / _RESIDUAL_SIGMAS)
    scale = "" if half == common else f", own scale ±{_limit_text(half)}"
    shown: list[tuple[str, np.ndarray, tuple[float, float], str, str]] = [
        ("before", pixels.before, limits, IMAGE_COLOURS, ""),
        ("model", pixels.model, (centre - half, centre + half), IMAGE_COLOURS, f"median {number_text(centre)}{scale}"),
        ("after", pixels.after, limits, IMAGE_COLOURS, ""),
    ]
    if pixels.residual is not None and np.isfinite(pixels.residual).any():
        scatter = f"scatter {number_text(sky_scatter(_as_shown(pixels.residual, coarse=stretch.coarse))[1])}"
        about_zero = (-stretch.residual, stretch.residual)
        shown.append(("after − others", pixels.residual, about_zero, SIGNED_COLOURS, scatter))
    panels = []
    for title, picture, ends, colours, figures in shown:
        shrunk = _as_shown(picture, coarse=stretch.coarse)
        url = pixels_url(shrunk, ends, colours, steps=_FEW_STEPS if stretch.coarse else _STEPS)
        figures = f"{figures} {stretch.unit}".rstrip() if figures else ""
        panels.append(_Panel(title, figures, url, f"{record.label}: {title}", colours == SIGNED_COLOURS))
    return panels


def _bars(scores: Sequence[CandidateScore]) -> list[tuple[CandidateScore, float]]:
    """Return the scores for which there is room, and the lengths of their bars in per cent.

    The scale is linear up to 10, where candidates are hard to tell apart, and logarithmic beyond.
    """
    shown = scores[:_MOST_SCORES]
    largest = max(100.0, *(score.bic for score in shown))

    def length(score: float) -> float:
        if score <= _LINEAR:
            return 30 * max(score, 0.0) / _LINEAR
        return 30 + 70 * math.log(score / _LINEAR) / math.log(largest / _LINEAR)

    return [(score, length(score.bic)) for score in shown]


def _histogram(record: ExposureRecord, pixels: PixelSummary) -> dict[str, Any] | None:
    """Return the outline of the histogram of reference - after in a box of 100 x 40, and the curve that noise gives."""
    counts, edges = pixels.residual_counts, pixels.residual_edges
    if counts.size == 0 or not counts.any():
        return None
    centres = 0.5 * (edges[1:] + edges[:-1])
    curve = np.zeros(0)
    if record.diff_im_var is not None and record.diff_im_var > 0:
        sigma = math.sqrt(record.diff_im_var)
        curve = np.exp(-0.5 * (centres / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi)) * counts.sum() * np.diff(edges)
    top = max(float(counts.max()), float(curve.max(initial=0.0)))
    x, ends = (100 * (at - edges[0]) / (edges[-1] - edges[0]) for at in (centres, edges))
    steps = [f"V{40 - 38 * count / top:.1f}H{end:.1f}" for count, end in zip(counts, ends[1:], strict=True)]
    return {
        "steps": f"M0 40{''.join(steps)}V40Z",
        "curve": " ".join(f"{at:.1f},{40 - 38 * value / top:.1f}" for at, value in zip(x, curve, strict=False)),
        "low": _limit_text(float(edges[0])),
        "high": _limit_text(float(edges[-1])),
    }


def _anchors(run: MatchRun) -> dict[str, str]:
    """Return the identifiers of the exposures on the page: their labels, or numbers where a label cannot be one."""
    anchors: dict[str, str] = {}
    for number, record in enumerate(run.records, 1):
        plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", record.label)
        reserved = re.fullmatch(r"(advice|exposure)-\d+", record.label)
        anchors[record.label] = record.label if plain and not reserved else f"exposure-{number}"
    return anchors


def _config_text(value: Any) -> str:
    """Return the value of a field of the configuration."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _shown(record: ExposureRecord, stretch: _Stretch, advices: list[Advice], *, crowded: bool) -> dict[str, Any]:
    """Return what the page shows of an exposure."""
    panels, histogram, problem = [], None, ""
    if record.pixels is not None:
        try:
            panels = _panels(record, record.pixels, stretch)
            histogram = _histogram(record, record.pixels)
        except Exception as error:  # a picture that cannot be drawn does not cost the page
            panels, problem = [], reason_of(error)
    ratio = record.matched_mse / record.diff_im_var if record.matched_mse is not None and record.diff_im_var else None
    return {
        "record": record,
        "panels": panels,
        "histogram": histogram,
        "problem": problem,
        "ratio": ratio,
        "bars": _bars(record.scores) if record.scores else [],
        "shown": not crowded or record.pixels is not None or bool(record.flags),
        "warnings": _warnings(record, advices),
    }


def _coadd(run: CombineRun | None) -> dict[str, Any] | None:
    """Return what is said of the coadd that was made with the run."""
    if run is None:
        return None
    header, rows = combine_rows(run.records)
    return {"summary": run.summary, "output": str(run.output), "header": header, "rows": rows, "notes": run.notes}


def _what_stays(run: MatchRun) -> str:
    """Return which sky the coadd has, as a sentence without a full stop; "" if that is not known."""
    if run.untied:
        return "Each group keeps a sky of its own"
    if run.level == "reference" and run.reference:
        return f"The sky of {run.reference} stays in the coadd"
    return _WHAT_STAYS.get(run.level, "")


def _context(run: MatchRun) -> dict[str, Any]:
    # In a large run only exposures that have pictures or flags are shown one by one.
    crowded = len(run.records) > MOST_PICTURES
    left_out = sum(r.pixels is None and r.status == "matched" and not r.flags for r in run.records) if crowded else 0
    done = [r for r in run.records if r.status != "failed" and r.level_after is not None]
    untied = [one.note for one in run.untied]
    last_digit = run.last_digit
    before = after = None
    if not untied and _cover_one_field(done):
        before = _spread([r.area_factor * r.level_before for r in done if r.level_before is not None])
        after = _spread([r.area_factor * r.level_after for r in done if r.level_after is not None])
    ratios = [r.matched_mse / r.diff_im_var for r in run.records if r.matched_mse is not None and r.diff_im_var]
    fits = [r.fit_rms for r in run.records if r.status == "matched" and r.fit_rms is not None]
    chis = [r.fit_chi for r in run.records if r.fit_chi is not None and math.isfinite(r.fit_chi)]
    unit = unit_label(run.unit)
    advices = advices_of(run)
    listed, alerts_left_out = _listed(advices)
    reference = run.reference if run.level == "reference" else ""
    outlined = run.overlaps and any(record.corners for record in run.records)
    coadds, no_coadds = _head(run.preview, unit)
    stretch = _stretch(run)
    exposures = [_shown(record, stretch, advices, crowded=crowded) for record in run.records]
    failures: dict[str, list[str]] = {}
    for record in run.failed:
        failures.setdefault(record.message, []).append(record.label)
    return {
        "run": run,
        "verdict": verdict_of(run),
        "untied": untied,
        "notes": [note for note in run.notes if note not in untied],
        "coadds": coadds,
        "coadd": _coadd(run.coadd),
        "no_coadds": no_coadds,
        "image_bar": bar_url(IMAGE_COLOURS),
        "signed_bar": bar_url(SIGNED_COLOURS),
        "count_bar": bar_url(COUNT_COLOURS),
        "unit": unit,
        "limits": [number_text(limit, 4) for limit in stretch.image],
        "model_limit": _limit_text(stretch.model),
        "stays": _what_stays(run),
        "residual_limit": _limit_text(stretch.residual),
        "sky_sigmas": f"{_SKY_SIGMAS:g}",
        "left_out": left_out,
        "flagged": len(run.flagged),
        "alerts": listed,
        "alerts_left_out": alerts_left_out,
        "failures": list(failures.items())[:_MOST_FINDINGS],
        "failures_left_out": sum(map(len, list(failures.values())[_MOST_FINDINGS:])),
        "most_labels": _MOST_LABELS,
        "meaning": MEANING,
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
        "differences": overlap_sizes(run),
        "anchors": _anchors(run),
        "config_text": _config_text,
        "footprints": _drawn(lambda: chart_of_footprints(run.footprints())) if outlined else None,
        "overlaps": run.overlaps.rows()[1],
        "levels": _drawn(lambda: chart_of_levels(run.records, reference)) if done else None,
        "costs": _drawn(lambda: chart_of_costs(run.candidates)) if run.candidates else None,
        "exposures": exposures,
        "many": stretch.coarse,
        "merged": sum(r.status != "failed" for r in run.records),
        "areas": any(r.area_factor != 1 for r in run.records),
        "residuals": any(len(one["panels"]) > 3 for one in exposures),
        "pictured": any(one["panels"] for one in exposures),
        "number": number_text,
        "percent": lambda fraction: "–" if fraction is None else f"{number_text(100.0 * fraction)} %",
        "level": lambda value: _level(value, last_digit),
    }


def write_report(run: MatchRun, path: str | Path, permit: Permit | None = None) -> Path:
    """Write a page that shows a run, without scripts or links to the network; an existing file is replaced.

    A picture that cannot be drawn does not cost the page, which says in its place what failed.

    Parameters
    ----------
    run : MatchRun
    path : str or Path
    permit : Permit, optional
        Right to write to the folder, see `evensky.fits.atomic.atomic_path`.

    Returns
    -------
    Path
        The path of the page.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written.
    evensky.errors.TaskError
        If the page cannot be made, e.g. for want of memory.
    """
    path = Path(path)
    try:
        page = _template().render(_context(run))
    except EvenskyError:
        raise
    except Exception as error:  # all results of the run are there without the page
        raise TaskError(f"{path}: the report cannot be made: {reason_of(error)}; all results are there") from error
    with atomic_path(path, overwrite=True, permit=permit) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


@cache
def _template() -> Template:
    """Return the template of the page, which takes longer to compile than to fill in.

    Its compiled form is kept beside those of the modules of Python, under the same conditions.
    """
    import jinja2
    from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
    from markupsafe import Markup

    class Compiled(FileSystemBytecodeCache):
        """Compiled templates in files; one that cannot be read is made again, and one that cannot be written is not."""

        def load_bytecode(self, bucket: Bucket) -> None:
            try:
                super().load_bytecode(bucket)
            except Exception as error:  # whatever is in the file, the template is there
                log.debug("The compiled template cannot be read: %s", reason_of(error))
                bucket.reset()

        def dump_bytecode(self, bucket: Bucket) -> None:
            try:
                super().dump_bytecode(bucket)
            except OSError as error:  # as in an installation that cannot be changed
                log.debug("The compiled template cannot be kept: %s", reason_of(error))

    def plain(value: Any) -> Any:
        """Return what is put into the page; texts from outside on one line, with escapes for what cannot be seen."""
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    kept = Path(__file__).parent / "__pycache__"
    keeps = not sys.dont_write_bytecode and kept.is_dir()
    environment = Environment(
        loader=PackageLoader("evensky.report", ""),
        # The key tells of the template's text and of the version of Python, not of that of jinja2.
        bytecode_cache=Compiled(str(kept), f"jinja2-{jinja2.__version__}-%s.cache") if keeps else None,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")
