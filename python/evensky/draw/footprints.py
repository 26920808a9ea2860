"""Figure of the footprints of a run: outlines of exposures in the colours of their levels."""

from __future__ import annotations

__all__ = ["plot_footprints"]

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidParameterError
from .figures import PLAIN, drawable, label_with_unit, new_figure, unit_label
from .footprint_layout import MANY, NAME_POINTS, UNKNOWN_COLOUR, FootprintLayout, FootprintRecord, PairRecord, lay_out
from .pixels import SIGNED_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#333B44"


def plot_footprints(
    records: Sequence[FootprintRecord],
    before: Sequence[float],
    after: Sequence[float],
    overlaps: Sequence[PairRecord] = (),
    *,
    unit: str = "",
    footprint_unit: str = "px",
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """Draw the outlines of exposures in the colours of their levels, before and after matching.

    Lines join the exposures that were compared; each half of a line has the colour of the level on its side, relative
    to the mean of the two. Footprints that coincide are drawn as a pile, the first one on top.

    Parameters
    ----------
    records : sequence of FootprintRecord
        Records without an outline are left out.
    before, after : sequence of float
        Level of each exposure relative to the others; NaN if it is unknown.
    overlaps : sequence of PairRecord, optional
        The pairs that were compared.
    unit : str, optional
        Unit of the pixels.
    footprint_unit : str, optional
        Unit of the outlines: "px" on one pixel grid; "deg" for offsets on the sky, to the east and north.
    axes : sequence of matplotlib.axes.Axes, optional
        Two axes, for the levels before and after; by default those of a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no outlines, or `axes` are not two.
    """
    if axes is not None and len(axes := np.ravel(np.asarray(axes, object)).tolist()) != 2:
        raise InvalidParameterError(f"axes are {len(axes)}; two are needed, one for before and one for after")
    layout = lay_out(records, before, after, overlaps, footprint_unit)
    low, high, margin = layout.low, layout.high, layout.margin
    vertical = axes is None and layout.vertical
    if axes is None:
        axes = _new_axes(float((high[1] - low[1]) / (high[0] - low[0])), vertical=vertical)
    figure: Any = axes[0].get_figure()
    # Width of lines in points, for panels of the size that they have in a new figure.
    points_across = layout.points_across(vertical=vertical)
    names = layout.names(points_across)
    scale: Any = None
    for number, (ax, title) in enumerate(zip(axes, ("before", "after"), strict=True)):
        scale = _panel(ax, layout, number, layout.line_width(points_across))
        colours = scale.to_rgba(np.nan_to_num(layout.levels[number]))
        colours[~np.isfinite(layout.levels[number])] = _rgba(UNKNOWN_COLOUR)
        _write_names(ax, layout, names, colours)
        if rms := layout.rms(number):
            title += f": {f'{rms} {drawable(unit_label(unit))}'.rstrip()} RMS"
        ax.set_title(title, fontsize=10, **PLAIN)
        ax.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin), aspect="equal")
        if layout.on_sky:
            ax.invert_xaxis()
        ax.set_xlabel(layout.axis_names[0], fontsize=9)
        if number == 0 or vertical:
            ax.set_ylabel(layout.axis_names[1], fontsize=9)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    extend = "both" if layout.beyond else "neither"
    bar = figure.colorbar(scale, ax=list(axes), orientation="horizontal", aspect=45, shrink=0.8, extend=extend)
    bar.set_label(label_with_unit("level relative to the other exposures", unit), fontsize=9, **PLAIN)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    made: Figure = figure
    return made


def _new_axes(shape: float, *, vertical: bool) -> list[Axes]:
    """Make a figure with two panels for a field with a ratio of height to width; return its axes."""
    if vertical:
        figure = new_figure(8.4, 1.4 + 2 * min(max(7.4 * shape + 0.6, 1.2), 4.6))
        return list(figure.subplots(2, 1))
    figure = new_figure(8.4, 1.5 + min(max(3.7 * shape, 2.0), 6.0))
    return list(figure.subplots(1, 2))


def _panel(ax: Any, layout: FootprintLayout, at: int, width: float) -> Any:
    """Draw the footprints of one panel; return the scale of their colours."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(-layout.limit, layout.limit), SIGNED_COLOURS)
    outlines, levels, centres = layout.outlines, layout.levels[at], layout.centres
    colours = scale.to_rgba(np.nan_to_num(levels))
    colours[~np.isfinite(levels)] = _rgba(UNKNOWN_COLOUR)
    colours[~layout.piled, 3] = layout.opacity
    back_to_front = np.arange(len(outlines))[::-1]
    ax.add_collection(
        PolyCollection(
            [outlines[one] for one in back_to_front],
            facecolors=colours[back_to_front],
            edgecolors=_INK,
            linewidths=0.3 if len(outlines) >= MANY else 0.8,
            zorder=1,
        )
    )
    if len(layout.pairs):
        first, second = centres[layout.pairs[:, 0]], centres[layout.pairs[:, 1]]
        middle = 0.5 * (first + second)
        half = 0.5 * layout.differences[:, at]
        whole = [*np.stack([first, second], axis=1)]
        ax.add_collection(LineCollection(whole, colors=_INK, linewidths=width + min(width, 1.6), zorder=2))
        for ends, level in ((first, half), (second, -half)):
            lines = [*np.stack([ends, middle], axis=1)]
            ax.add_collection(
                LineCollection(lines, colors=scale.to_rgba(level), linewidths=width, zorder=3, capstyle="butt")
            )
    alone = np.flatnonzero(~layout.piled)
    colours[:, 3] = 1.0
    size = (2.2 * width) ** 2
    ax.scatter(
        *centres[alone].T,
        s=size,
        c=colours[alone],
        edgecolors=_INK,
        linewidths=min(0.5 * width, 0.8),
        zorder=4,
    )
    return scale


def _rgba(colour: str) -> tuple[float, float, float, float]:
    from matplotlib.colors import to_rgba

    return to_rgba(colour)


def _write_names(
    ax: Any, layout: FootprintLayout, names: Sequence[tuple[str, np.ndarray]], colours: np.ndarray
) -> None:
    """Write the names of exposures on the colours of their levels."""
    of_all = zip(names, layout.centres, layout.piled, colours, strict=False)
    for (name, place), centre, in_pile, colour in of_all:
        left, low = bool(place[0] < centre[0]) != layout.on_sky, bool(place[1] < centre[1])
        bright = float(colour[:3] @ (0.3, 0.6, 0.1)) > 0.5
        # A pile has the same colour behind the name.
        box = {"boxstyle": "round,pad=0.2", "facecolor": colour, "edgecolor": _INK, "linewidth": 0.6}
        ax.annotate(
            drawable(name),
            place,
            xytext=(3 if left else -3, 0) if in_pile else (4 if left else -4, 4 if low else -4),
            textcoords="offset points",
            ha="left" if left else "right",
            va="bottom" if low else "top",
            fontsize=NAME_POINTS - 1 if in_pile else NAME_POINTS,
            color="black" if bright else "white",
            bbox=None if in_pile else box,
            zorder=5,
            **PLAIN,
        )
