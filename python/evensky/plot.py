"""Pictures of backgrounds and matches, with matplotlib, which is imported only here and only when a picture is made."""

from __future__ import annotations

__all__ = [
    "background_model",
    "common_stretch",
    "plot_background",
    "plot_costs",
    "plot_levels",
    "plot_match",
    "plot_model_grid",
    "plot_statistics",
    "unit_label",
]

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidParameterError
from .tasks.run_record import ExposureRecord, ReferenceCandidate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .math import BackgroundMI, Statistics

# Okabe and Ito's colours, which everybody can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8A8A8A"
# Of the candidates for a correction the best are shown.
_MOST_SCORES = 7
# More exposures than this have no row of their own: a page has room for so many.
MOST_ROWS = 60
_IMAGE_COLOURS = "cividis"


def _figure(width: float, height: float) -> Figure:
    # Not pyplot: it keeps figures alive, picks a backend and is not safe in threads.
    from ._figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def unit_label(unit: str) -> str:
    """How a unit is said: FITS writes "count"; nothing is said of none."""
    return {"count": "counts", "ct": "counts", "adu": "adu"}.get(unit.strip().lower(), unit.strip())


def _with_unit(text: str, unit: str) -> str:
    return f"{text} [{unit_label(unit)}]" if unit.strip() else text


def common_stretch(pictures: Sequence[np.ndarray]) -> tuple[float, float]:
    """Limits that show the background of all pictures: 1% to 97% of their finite pixels, whatever stars there are."""
    values = np.concatenate([picture[np.isfinite(picture)].ravel() for picture in pictures] or [np.zeros(0)])
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values, [1, 97])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def plot_levels(records: Sequence[ExposureRecord], reference: str = "", unit: str = "") -> Figure:
    """Levels of all exposures before and after matching.

    Parameters
    ----------
    records : sequence of ExposureRecord
        Those without a level are left out.
    reference : str, optional
        Label of the reference, whose level is drawn as a line.
    unit : str, optional
        Of the pixels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown = [r for r in records if r.level_before is not None and np.isfinite(r.level_before)]
    if len(shown) > MOST_ROWS:
        return _many_levels(shown, reference, unit)
    figure = _figure(10.5, 1.3 + 0.26 * max(len(shown), 3))
    axes = figure.add_subplot()
    rows = np.arange(len(shown))
    before = np.array([r.level_before for r in shown], dtype=np.float64)
    after = np.array([r.level_after for r in shown], dtype=np.float64)  # NaN where there is none
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
    axes.set_xlabel(_with_unit("sigma-clipped mean of the good pixels", unit))
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
    """The range that shows most levels where a few, very far out, would squeeze it; None where all can be shown."""
    low, high = np.percentile(before, [25, 75]) if before.size else (0.0, 0.0)
    reach = 20 * (high - low)
    levels = np.concatenate([before, after[np.isfinite(after)]])
    inner = levels[(levels >= low - reach) & (levels <= high + reach)]
    if before.size < 4 or inner.size == levels.size or np.ptp(inner) == 0:
        return None
    margin = 0.06 * float(np.ptp(inner))
    return float(inner.min()) - margin, float(inner.max()) + margin


def _many_levels(shown: Sequence[ExposureRecord], reference: str, unit: str) -> Figure:
    """The same without names, for more exposures than have room for one."""
    figure = _figure(10.5, 4.5)
    axes = figure.add_subplot()
    numbers = np.arange(1, len(shown) + 1)
    before = np.array([r.level_before for r in shown], dtype=np.float64)
    after = np.array([r.level_after for r in shown], dtype=np.float64)
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
    axes.set_ylabel(_with_unit("sigma-clipped mean of the good pixels", unit))
    axes.margins(x=0.01)
    axes.grid(axis="y", color="#E6E9EE", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0.1, handletextpad=0.3)
    return figure


def plot_costs(candidates: Sequence[ReferenceCandidate]) -> Figure:
    """The three cost terms of every candidate for the reference; the shortest bar wins.

    Parameters
    ----------
    candidates : sequence of ReferenceCandidate
        Those without a cost are left out; of very many the cheapest are shown, in the order of their costs.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown = [c for c in candidates if np.isfinite(c.cost)]
    number = len(shown)
    if number > MOST_ROWS:
        shown = sorted(shown, key=lambda candidate: candidate.cost)[:MOST_ROWS]
    figure = _figure(10.5, 1.3 + 0.26 * max(len(shown), 3))
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


def plot_match(record: ExposureRecord, limits: tuple[float, float], unit: str = "") -> Figure:
    """One exposure before matching, the model, after, and the histogram of what is left.

    Where kinds of correction were compared, how they did takes the place of the histogram.

    Parameters
    ----------
    record : ExposureRecord
        With its pictures.
    limits : tuple of float
        Stretch of before and after. The model's has the same span about its own median, so that a step of colour is the
        same number of counts in all three.
    unit : str, optional
        Of the pixels.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    evensky.errors.InvalidParameterError
        Where the record has no pictures.
    """
    pixels = record.pixels
    if pixels is None:
        raise InvalidParameterError(f"The record of {record.label} has no pictures (pixels is None)")
    height, width = pixels.before.shape
    # Placed by hand: a layout engine would take ten times as long, and a report has one of these for each exposure.
    from ._figure import Figure

    panel = 2.95
    tall = min(max(panel * height / width, 1.8), 4.5)
    title, bar, labels = 0.3, 0.1, 0.32
    whole = title + tall + 0.12 + bar + labels
    figure = Figure(figsize=(4 * panel + 0.5, whole))
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
        ("model: what is added", pixels.model, (centre - half, centre + half)),
        ("after", pixels.after, limits),
    )
    axes = [figure.add_subplot(grid[0, column]) for column in range(4)]
    for column, (name, picture, (low, high)) in enumerate(panels):
        ax = axes[column]
        ax.set_facecolor("#F3D9D0")
        shown = ax.imshow(picture, origin="lower", cmap=_IMAGE_COLOURS, vmin=low, vmax=high, interpolation="nearest")
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


def _scores(ax: Any, record: ExposureRecord) -> None:
    """How much worse than the best candidate the others are."""
    shown = record.scores[:_MOST_SCORES]
    ax.set_title("kinds of correction: evidence against", fontsize=10)
    ax.spines[["top", "right", "left"]].set_visible(False)
    positions = np.arange(len(shown))
    # Up to 10 evenly, as there the odds are still open; beyond that by powers of ten.
    ax.set_xscale("symlog", linthresh=10, linscale=0.6)
    ax.barh(positions, [score.bic for score in shown], height=0.55, color=GREY, alpha=0.6)
    ax.plot(0, 0, "o", color=GREEN, ms=8, clip_on=False)
    for position, score in zip(positions, shown, strict=True):
        bic = f"{score.bic:.3g}" if score.bic < 1000 else f"{score.bic:,.0f}"
        text = f"{score.name}, chosen" if position == 0 else f"{score.name}: {bic}"
        ax.annotate(
            text,
            (0, position),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color="black",
            weight="bold" if position == 0 else "normal",
        )
    ax.axvline(10, color=ORANGE, lw=0.9, ls=":")
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, max(100.0, 1.2 * max(score.bic for score in shown)))
    ax.set_yticks([])
    ax.set_xlabel("BIC above the best; beyond 10 the odds are 150 to 1", fontsize=8)
    ax.tick_params(labelsize=8)


def _histogram(ax: Any, counts: np.ndarray, edges: np.ndarray, record: ExposureRecord, unit: str) -> None:
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


def plot_model_grid(
    model: np.ndarray,
    x: Any,
    y: Any,
    value: Any,
    error: Any,
    residual: Any,
    unit: str = "",
) -> Figure:
    """A model image with the grid's points over it, sized by their error, and the residuals beside it with their rms.

    Parameters
    ----------
    model : ndarray, shape (height, width)
        The model image.
    x, y : array-like, shape (n,)
        Positions of the bins, in pixels from the image's corner.
    value, error, residual : array-like, shape (n,)
        What was measured in the bins, its error, and measured - model.
    unit : str, optional
        Of the pixels.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    evensky.errors.InvalidParameterError
        Where the numbers of points differ or `model` has not two dimensions.
    """
    x, y, value, error, residual = (np.asarray(a, dtype=np.float64) for a in (x, y, value, error, residual))
    if len({a.shape for a in (x, y, value, error, residual)}) != 1:
        raise InvalidParameterError(
            f"x, y, value, error and residual have shapes {[a.shape for a in (x, y, value, error, residual)]}; "
            "they must be equal"
        )
    if model.ndim != 2:
        raise InvalidParameterError(f"The model has shape {model.shape}; an image has two dimensions")
    figure = _figure(11, 5)
    left, right = figure.subplots(1, 2)
    finite = np.concatenate([model[np.isfinite(model)].ravel(), value[np.isfinite(value)]])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    extent = (-0.5, model.shape[1] - 0.5, -0.5, model.shape[0] - 0.5)
    step = max(1, max(model.shape) // 1000)
    shown = left.imshow(model[::step, ::step], origin="lower", extent=extent, cmap=_IMAGE_COLOURS, vmin=low, vmax=high)
    usual = np.nanmedian(error) if np.isfinite(error).any() else 1.0
    sizes = np.clip(40 * np.nan_to_num(error, nan=usual) / (usual if usual > 0 else 1.0), 10, 300)
    left.scatter(x, y, c=value, s=sizes, cmap=_IMAGE_COLOURS, vmin=low, vmax=high, edgecolors="white", linewidths=1)
    left.set_title("model and bins (size: error)", fontsize=10)
    figure.colorbar(shown, ax=left, shrink=0.85, label=unit_label(unit))
    good = residual[np.isfinite(residual)]
    rms = float(np.sqrt(np.mean(good**2))) if good.size else float("nan")
    most = float(np.abs(good).max()) if good.size else 1.0
    points = right.scatter(
        x, y, c=residual, s=sizes, cmap="RdBu_r", vmin=-most or -1, vmax=most or 1, edgecolors="#555", linewidths=0.6
    )
    right.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")
    right.set_title(f"bins - model, rms {rms:.4g}", fontsize=10)
    figure.colorbar(points, ax=right, shrink=0.85, label=unit_label(unit))
    for ax in (left, right):
        ax.set_xlabel("x [px]")
        ax.set_ylabel("y [px]")
    return figure


def background_model(background: BackgroundMI) -> np.ndarray:
    """The model image by the background's own control, shape ``(height, width)``."""
    from .math import REDUCE_INTERP_ORDER

    control = background.getBackgroundControl()
    # As an image is made, but for too few bins: they take a simpler style.
    style = None if control.getApproximateControl().getStyle() >= 0 else control.getInterpStyle()
    return (background.getImageF() if style is None else background.getImageF(style, REDUCE_INTERP_ORDER)).array


def plot_background(background: BackgroundMI, model: np.ndarray | None = None, unit: str = "") -> Figure:
    """The model of a background with its bins over it, and the bins' distances from it.

    Parameters
    ----------
    background : BackgroundMI
    model : ndarray, shape (height, width), optional
        The model image; evaluated by the background's own control where left out.
    unit : str, optional
        Of the pixels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if model is None:
        model = background_model(background)
    grid = background.getStatsImage()
    x0, y0 = background.getImageBBox().getMin()
    x, y = np.meshgrid(background.getBinCentersX() - x0, background.getBinCentersY() - y0)
    # The centre of a bin of an even number of pixels lies between two.
    left, right = np.floor(x).astype(int), np.ceil(x).astype(int)
    below, above = np.floor(y).astype(int), np.ceil(y).astype(int)
    at_centre = 0.25 * (model[below, left] + model[below, right] + model[above, left] + model[above, right])
    value = grid.image.array.astype(np.float64)
    residual = value - at_centre
    flat = [plane.ravel() for plane in (x, y, value, grid.variance.array, residual)]
    return plot_model_grid(model, flat[0], flat[1], flat[2], flat[3], flat[4], unit)


def plot_statistics(statistics: Statistics, unit: str = "") -> Figure:
    """Where the centres lie and how wide the scatter is, of what was computed.

    Parameters
    ----------
    statistics : Statistics
    unit : str, optional
        Of the pixels.

    Returns
    -------
    matplotlib.figure.Figure
        A row each for mean, clipped mean and median: the centre with its error and, where it was computed, the
        standard deviation or half the distance of the quartiles on both sides.

    Raises
    ------
    evensky.errors.InvalidParameterError
        Where none of the three was computed.
    """
    from .math import IQRANGE, MEAN, MEANCLIP, MEDIAN, STDEV, STDEVCLIP

    flags = statistics.getFlags()
    rows = [
        (centre, scatter, factor)
        for centre, scatter, factor in ((MEAN, STDEV, 1.0), (MEANCLIP, STDEVCLIP, 1.0), (MEDIAN, IQRANGE, 0.5))
        if flags & centre
    ]
    if not rows:
        raise InvalidParameterError("Statistics hold neither MEAN nor MEANCLIP nor MEDIAN; at least one can be drawn")
    figure = _figure(8, 0.9 + 0.5 * len(rows))
    axes = figure.add_subplot()
    for row, (centre, scatter, factor) in enumerate(rows):
        value, error = statistics.getResult(centre)
        if flags & scatter:
            width = factor * statistics.getValue(scatter)
            axes.plot([value - width, value + width], [row, row], color="#C9CED6", lw=7, solid_capstyle="butt")
        axes.errorbar(value, row, xerr=error if np.isfinite(error) else None, color=BLUE, marker="o", capsize=4)
    axes.set_yticks(range(len(rows)), [str(centre.name) for centre, _, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(_with_unit("value", unit) + "; bars: scatter on both sides, whiskers: error")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.ticklabel_format(axis="x", useOffset=False)
    return figure
