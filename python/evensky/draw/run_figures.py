"""Figures of a run: levels, costs of the reference candidates, and single exposures."""

from __future__ import annotations

__all__ = ["MOST_ROWS", "plot_costs", "plot_levels", "plot_match"]

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import InvalidParameterError
from .figures import BLUE, GREEN, GREY, IMAGE_COLOURS, ORANGE, label_with_unit, new_figure, unit_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 60
"""Number of exposures up to which each has a row of its own in a figure."""

# Number of candidate models whose scores are shown.
_MOST_SCORES = 7
# Number of characters of their names that fit at the usual size; longer ones are written smaller.
_LONGEST_NAME = 38


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
    def selected(self) -> bool: ...


class PictureRecord(Protocol):
    """A record of an exposure with its pictures, as `evensky.runs.record.ExposureRecord` has them."""

    @property
    def label(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def pixels(self) -> Any: ...
    @property
    def scores(self) -> Sequence[Any]: ...
    @property
    def diff_im_var(self) -> float | None: ...


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
    figure = new_figure(10.5, 1.3 + 0.26 * max(len(shown), 3))
    axes = figure.add_subplot()
    rows = np.arange(len(shown))
    before, after = _levels(shown)
    if (limits := _inner_range(before, after)) is not None:
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
    axes.set_yticks(rows, [f"{r.label} (reference)" if r.label == reference else r.label for r in shown], fontsize=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel(label_with_unit(_level_label(shown), unit))
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


def _inner_range(before: np.ndarray, after: np.ndarray) -> tuple[float, float] | None:
    """Return limits that leave out a few extreme levels, or None if all levels fit one range."""
    low, high = np.percentile(before, [25, 75]) if before.size else (0.0, 0.0)
    reach = 20 * (high - low)
    levels = np.concatenate([before, after[np.isfinite(after)]])
    inner = levels[(levels >= low - reach) & (levels <= high + reach)]
    if before.size < 4 or inner.size == levels.size or np.ptp(inner) == 0:
        return None
    margin = 0.06 * float(np.ptp(inner))
    return float(inner.min()) - margin, float(inner.max()) + margin


def _levels(shown: Sequence[LevelRecord]) -> tuple[np.ndarray, np.ndarray]:
    """Return the levels before and after matching, as they are compared; NaN if there is none."""
    factors = np.array([r.area_factor for r in shown])
    before, after = (
        np.array([getattr(r, name) for r in shown], dtype=np.float64) for name in ("level_before", "level_after")
    )
    return factors * before, factors * after


def _level_label(shown: Sequence[LevelRecord]) -> str:
    """Return what levels are, for an axis."""
    per_area = ", per equal area" if any(r.area_factor != 1 for r in shown) else ""
    return f"sigma-clipped mean of the good pixels{per_area}"


def _many_levels(shown: Sequence[LevelRecord], reference: str, unit: str) -> Figure:
    """Draw the levels of more exposures than can be named in a figure."""
    figure = new_figure(10.5, 4.5)
    axes = figure.add_subplot()
    numbers = np.arange(1, len(shown) + 1)
    before, after = _levels(shown)
    if (limits := _inner_range(before, after)) is not None:
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
    axes.set_ylabel(label_with_unit(_level_label(shown), unit))
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
    figure = new_figure(10.5, 1.3 + 0.26 * max(len(shown), 3))
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
        axes.barh(rows, values, left=left, height=0.62, color=colour, label=name, edgecolor="white", linewidth=0.8)
        left += values
    for row, candidate in enumerate(shown):
        weight = "bold" if candidate.selected else "normal"
        text = f"  {candidate.cost:.4f}" + ("  chosen" if candidate.selected else "")
        axes.text(candidate.cost, row, text, va="center", fontsize=9, fontweight=weight)
    axes.set_yticks(rows, [c.label for c in shown], fontsize=9)
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


def plot_match(record: PictureRecord, limits: tuple[float, float], unit: str = "") -> Figure:
    """Draw one exposure before matching, its model, the result, and the histogram of the residuals.

    If several models were compared, their scores take the place of the histogram.

    Parameters
    ----------
    record : PictureRecord
        A record that has pictures.
    limits : tuple of float
        Stretch of the images before and after. The model is stretched over the same span about its own median, so that
        a step of colour is the same number of counts in all three.
    unit : str, optional
        Unit of the pixels.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the record has no pictures.
    """
    pixels = record.pixels
    if pixels is None:
        raise InvalidParameterError(f"The record of {record.label} has no pictures (pixels is None)")
    height, width = pixels.before.shape
    # Axes are placed by hand: a layout engine takes ten times as long, and a report has one such figure per exposure.
    panel = 2.95
    tall = min(max(panel * height / width, 1.8), 4.5)
    title, bar, labels = 0.3, 0.1, 0.32
    whole = title + tall + 0.12 + bar + labels
    figure = new_figure(4 * panel + 0.5, whole, layout=None)
    grid = figure.add_gridspec(
        2,
        4,
        left=0.004,
        right=0.985,
        top=1 - title / whole,
        bottom=labels / whole,
        hspace=0.12 / (0.5 * (tall + bar)),
        wspace=0.045,
        height_ratios=[tall, bar],
    )
    half = 0.5 * (limits[1] - limits[0])
    finite = pixels.model[np.isfinite(pixels.model)]
    centre = float(np.median(finite)) if finite.size else 0.0
    panels = (
        ("before", pixels.before, limits),
        ("model added", pixels.model, (centre - half, centre + half)),
        ("after", pixels.after, limits),
    )
    axes = [figure.add_subplot(grid[0, column]) for column in range(4)]
    for column, (name, picture, (low, high)) in enumerate(panels):
        ax = axes[column]
        ax.set_facecolor("#F3D9D0")
        shown = ax.imshow(picture, origin="lower", cmap=IMAGE_COLOURS, vmin=low, vmax=high, interpolation="nearest")
        ax.set_title(name, fontsize=10)
        ax.set_xticks([])
        ax.set_yticks([])
        scale = figure.colorbar(shown, cax=figure.add_subplot(grid[1, column]), orientation="horizontal")
        scale.ax.tick_params(labelsize=8)
        scale.outline.set_visible(False)
    if record.scores:
        _scores(axes[3], record)
    else:
        _histogram(axes[3], pixels.residual_counts, pixels.residual_edges, record, unit)
    return figure


def _scores(ax: Any, record: PictureRecord) -> None:
    """Draw by how much each candidate model is worse than the best one."""
    shown = record.scores[:_MOST_SCORES]
    ax.set_title("evidence against each candidate model", fontsize=10)
    ax.spines[["top", "right", "left"]].set_visible(False)
    positions = np.arange(len(shown))
    # The scale is linear up to 10, where candidates are hard to tell apart, and logarithmic beyond.
    ax.set_xscale("symlog", linthresh=10, linscale=0.6)
    # A candidate that was refused may have a lower criterion than the chosen one.
    ax.barh(positions, [max(score.bic, 0.0) for score in shown], height=0.55, color=GREY, alpha=0.6)
    ax.plot(0, 0, "o", color=GREEN, ms=8, clip_on=False)
    for position, score in zip(positions, shown, strict=True):
        bic = f"{score.bic:.3g}" if score.bic < 1000 else f"{score.bic:,.0f}"
        text = f"{score.name}, chosen" if position == 0 else f"{score.name}: {bic}{', refused' * score.refused}"
        ax.annotate(
            text,
            (0, position),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5 * min(1.0, _LONGEST_NAME / len(text)),
            color="black",
            weight="bold" if position == 0 else "normal",
        )
    ax.axvline(10, color=ORANGE, lw=0.9, ls=":")
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, max(100.0, 1.2 * max(score.bic for score in shown)))
    ax.set_yticks([])
    ax.set_xlabel("BIC above that of the best; 10 means odds of 150 to 1", fontsize=8)
    ax.tick_params(labelsize=8)


def _histogram(ax: Any, counts: np.ndarray, edges: np.ndarray, record: PictureRecord, unit: str) -> None:
    ax.set_title("reference - after", fontsize=10)
    ax.set_yticks([])
    ax.spines[["top", "right", "left"]].set_visible(False)
    if counts.size == 0:
        text = "this is the reference" if record.status == "reference" else "no pixel in common"
        ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=GREY)
        ax.set_xticks([])
        ax.spines["bottom"].set_visible(False)
        return
    ax.stairs(counts, edges, fill=True, color=BLUE, alpha=0.85)
    if record.diff_im_var is not None and record.diff_im_var > 0:
        sigma = np.sqrt(record.diff_im_var)
        centres = 0.5 * (edges[1:] + edges[:-1])
        curve = np.exp(-0.5 * (centres / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        ax.plot(
            centres, curve * counts.sum() * np.diff(edges), color=ORANGE, lw=1.6, label="expected from\nthe variance"
        )
        ax.legend(frameon=False, fontsize=8, loc="upper left", handlelength=1.2, borderaxespad=0)
    ax.axvline(0, color="black", lw=0.8)
    ax.set_xlabel(unit_label(unit), fontsize=9)
    ax.tick_params(labelsize=8)
