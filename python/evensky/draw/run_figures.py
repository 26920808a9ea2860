"""Figures of a run: levels, costs of the reference candidates, and the coadds before and after."""

from __future__ import annotations

__all__ = [
    "MOST_ROWS",
    "CostRecord",
    "LevelRecord",
    "inner_range",
    "level_label",
    "levels_of_records",
    "plot_coadds",
    "plot_costs",
    "plot_levels",
]

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import InvalidParameterError
from .figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PLAIN,
    drawable,
    label_with_unit,
    new_figure,
)
from .pixels import IMAGE_COLOURS, SIGNED_COLOURS, sky_scatter, sky_stretch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 60
"""Number of exposures up to which each has a row of its own in a figure."""

# Width of a figure in inches, at which its letters have the size of the text of a page.
_WIDTH = 9.0


class LevelRecord(Protocol):
    """A record of an exposure with its levels, as `evensky.runs.record.ExposureRecord` has them."""

    @property
    def label(self) -> str: ...
    @property
    def level_before(self) -> float | None: ...
    @property
    def level_after(self) -> float | None: ...
    @property
    def area_factor(self) -> float: ...


class CostRecord(Protocol):
    """A record of a candidate's costs, as `evensky.matching.reference.ReferenceCandidate` has them."""

    @property
    def label(self) -> str: ...
    @property
    def cost(self) -> float: ...
    @property
    def cost_variance(self) -> float: ...
    @property
    def cost_coverage(self) -> float: ...
    @property
    def cost_level(self) -> float: ...
    @property
    def selected(self) -> bool: ...


class CoaddPictures(Protocol):
    """Small pictures of a coadd before and after, as `evensky.runs.record.CoaddPreview` has them."""

    @property
    def before(self) -> np.ndarray: ...
    @property
    def after(self) -> np.ndarray: ...
    @property
    def difference(self) -> np.ndarray: ...
    @property
    def unit(self) -> str: ...


def plot_levels(records: Sequence[LevelRecord], reference: str = "", unit: str = "") -> Figure:
    """Draw the levels of all exposures before and after matching.

    Parameters
    ----------
    records : sequence of LevelRecord
        Records without a level are left out.
    reference : str, optional
        Label of the reference, whose level is drawn as a line.
    unit : str, optional
        Unit of the pixels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown = [r for r in records if r.level_before is not None and np.isfinite(r.level_before)]
    if len(shown) > MOST_ROWS:
        return _many_levels(shown, reference, unit)
    figure = new_figure(_WIDTH, 1.3 + 0.26 * max(len(shown), 3))
    axes = figure.add_subplot()
    rows = np.arange(len(shown))
    before, after = levels_of_records(shown)
    if (limits := inner_range(before, after)) is not None:
        axes.set_xlim(limits)
        for row in np.flatnonzero((before < limits[0]) | (before > limits[1])):
            low = before[row] < limits[0]
            text = f"\u25c0 {before[row]:.6g}" if low else f"{before[row]:.6g} \u25b6"
            axes.annotate(
                text,
                (limits[0] if low else limits[1], row - 0.1),
                xytext=(3 if low else -3, 5),
                textcoords="offset points",
                ha="left" if low else "right",
                fontsize=8,
                color=ORANGE,
            )
    for row in rows:
        if np.isfinite(after[row]):
            axes.plot([before[row], after[row]], [row, row], color="#C9CED6", lw=2.5, zorder=1)
    axes.scatter(before, rows, s=46, color=ORANGE, marker="o", label="before", zorder=3)
    axes.scatter(after, rows, s=46, color=BLUE, marker="D", label="after", zorder=3)
    for level, record in zip(before, shown, strict=True):
        if record.label == reference:
            axes.axvline(float(level), color=GREY, lw=1, ls=":", zorder=0, label="reference")
    names = [drawable(r.label) + (" (reference)" if r.label == reference else "") for r in shown]
    axes.set_yticks(rows, names, fontsize=9, **PLAIN)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel(label_with_unit(level_label(shown), unit), **PLAIN)
    axes.grid(axis="x", color="#E6E9EE", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.ticklabel_format(axis="x", useOffset=False)
    if shown:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0.1, handletextpad=0.3
        )
    return figure


def inner_range(before: np.ndarray, after: np.ndarray) -> tuple[float, float] | None:
    """Return limits that leave out a few extreme levels, or None if all levels fit one range."""
    low, high = np.percentile(before, [25, 75]) if before.size else (0.0, 0.0)
    reach = 20 * (high - low)
    levels = np.concatenate([before, after[np.isfinite(after)]])
    inner = levels[(levels >= low - reach) & (levels <= high + reach)]
    if before.size < 4 or inner.size == levels.size or np.ptp(inner) == 0:
        return None
    margin = 0.06 * float(np.ptp(inner))
    return float(inner.min()) - margin, float(inner.max()) + margin


def levels_of_records(shown: Sequence[LevelRecord]) -> tuple[np.ndarray, np.ndarray]:
    """Return the levels before and after matching, as they are compared; NaN if there is none."""
    factors = np.array([r.area_factor for r in shown])
    before, after = (
        np.array([getattr(r, name) for r in shown], dtype=np.float64) for name in ("level_before", "level_after")
    )
    return factors * before, factors * after


def level_label(shown: Sequence[LevelRecord]) -> str:
    """Return what levels are, for an axis."""
    per_area = ", per equal area" if any(r.area_factor != 1 for r in shown) else ""
    return f"sigma-clipped mean of the good pixels{per_area}"


def _many_levels(shown: Sequence[LevelRecord], reference: str, unit: str) -> Figure:
    """Draw the levels of more exposures than can be named in a figure."""
    figure = new_figure(_WIDTH, 4.2)
    axes = figure.add_subplot()
    numbers = np.arange(1, len(shown) + 1)
    before, after = levels_of_records(shown)
    if (limits := inner_range(before, after)) is not None:
        axes.set_ylim(limits)
        for side, beyond, marker in ((0, before < limits[0], "v"), (1, before > limits[1], "^")):
            at = [limits[side]] * int(beyond.sum())
            axes.scatter(numbers[beyond], at, s=26, color=ORANGE, marker=marker, clip_on=False, zorder=4)
    axes.vlines(numbers, before, after, color="#C9CED6", lw=0.8, zorder=1)
    axes.scatter(numbers, before, s=9, color=ORANGE, marker="o", label="before", zorder=3)
    axes.scatter(numbers, after, s=9, color=BLUE, marker="D", label="after", zorder=3)
    for level, record in zip(before, shown, strict=True):
        if record.label == reference:
            axes.axhline(float(level), color=GREY, lw=1, ls=":", zorder=0, label="reference")
    axes.set_xlabel("exposure, in the order of the table")
    axes.set_ylabel(label_with_unit(level_label(shown), unit), **PLAIN)
    axes.margins(x=0.01)
    axes.grid(axis="y", color="#E6E9EE", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0.1, handletextpad=0.3)
    return figure


def plot_costs(candidates: Sequence[CostRecord]) -> Figure:
    """Draw the three cost terms of each candidate for the reference; the shortest bar wins.

    Parameters
    ----------
    candidates : sequence of CostRecord
        Candidates without a cost are left out. If there are more than `MOST_ROWS`, the cheapest are drawn.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown = [c for c in candidates if np.isfinite(c.cost)]
    number = len(shown)
    if number > MOST_ROWS:
        shown = sorted(shown, key=lambda candidate: candidate.cost)[:MOST_ROWS]
    figure = new_figure(_WIDTH, 1.3 + 0.26 * max(len(shown), 3))
    axes = figure.add_subplot()
    rows = np.arange(len(shown))
    left = np.zeros(len(shown))
    terms = (
        ("variance", BLUE, "cost_variance"),
        ("coverage", GREEN, "cost_coverage"),
        ("level", "#E69F00", "cost_level"),
    )
    for name, colour, attribute in terms:
        values = np.array([getattr(c, attribute) for c in shown])
        axes.barh(rows, values, left=left, height=0.62, color=colour, label=name, edgecolor="none")
        left += values
    for row, candidate in enumerate(shown):
        weight = "bold" if candidate.selected else "normal"
        text = f"  {candidate.cost:.4f}" + ("  chosen" if candidate.selected else "")
        axes.text(candidate.cost, row, text, va="center", fontsize=9, fontweight=weight)
    axes.set_yticks(rows, [drawable(c.label) for c in shown], fontsize=9, **PLAIN)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, (left.max() if left.size else 1.0) * 1.16)
    some = f"; the {len(shown)} cheapest of {number}" if number > len(shown) else ""
    axes.set_xlabel(f"cost: the lowest sum becomes the reference{some}")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if shown:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0.1, handletextpad=0.5
        )
    return figure


def plot_coadds(preview: CoaddPictures) -> Figure:
    """Draw the coadds before and after matching, and their difference, on one stretch.

    Each picture is shown about its own median. The range is twice the largest scatter of their skies: sources saturate.

    Parameters
    ----------
    preview : CoaddPictures

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the pictures have no pixel.
    """
    pictures = {"before": preview.before, "after": preview.after, "before - after": preview.difference}
    height, width = preview.before.shape
    if height * width == 0:
        raise InvalidParameterError(f"The coadds have shape {preview.before.shape}; there must be a pixel")
    half = sky_stretch(list(pictures.values()))
    wide = 12.0
    figure = new_figure(wide, min(max(wide / 3 * height / width, 1.5), 8.0) + 1.1)
    axes = figure.subplots(1, 3)
    for ax, (name, picture) in zip(axes, pictures.items(), strict=True):
        median, _ = sky_scatter(picture)
        shown = ax.imshow(
            picture - median,
            origin="lower",
            cmap=SIGNED_COLOURS if name == "before - after" else IMAGE_COLOURS,
            vmin=-half,
            vmax=half,
        )
        ax.set_title(f"{name}, median {median:.5g}", fontsize=11)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        bar = figure.colorbar(shown, ax=ax, orientation="horizontal", pad=0.02, aspect=40, extend="both")
        bar.set_label(label_with_unit("minus the median", preview.unit), fontsize=9, **PLAIN)
        bar.ax.tick_params(labelsize=8)
        bar.outline.set_visible(False)
    return figure
