"""Figure of the footprints of a run: outlines of exposures in the colours of their levels."""

from __future__ import annotations

__all__ = ["plot_footprints"]

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import InvalidParameterError
from .figures import label_with_unit, new_figure, unit_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Number of exposures up to which their names are written, and length of the names.
_MOST_NAMES, _LONGEST_NAME = 12, 16
# Number of exposures from which outlines are thin.
_MANY = 40
# Width of the lines between exposures in units of their usual length, up to a number of lines, and limits in points.
_WIDTH, _FEW_LINES, _THINNEST, _THICKEST = 0.06, 80, 0.8, 4.0
# Footprints whose centres and sizes differ by less than this part of their size coincide. They are drawn as a pile,
# with this offset from one to the next, or less, so that the whole pile is not larger than this.
_COINCIDE, _OFFSET, _PILE = 0.02, 0.05, 0.35
# Levels beyond this multiple of the third quartile do not widen the scale of colours.
_FAR = 4.0
# Half of the scale of colours in standard errors, at least, so that mere noise is pale.
_LEAST_ERRORS = 5.0
# Height of a field in units of its width below which the two panels are above each other.
_WIDE = 0.4
# Opacity of a footprint, and its limits; where many overlap, it is divided by the square root of their number.
_OPACITY, _OPACITIES = 0.7, (0.2, 0.6)
# Size of the letters of names in points.
_NAME_POINTS = 7.5
_COLOURS = "RdBu_r"
_INK, _UNKNOWN = "#333B44", "#D9DDE2"


class FootprintRecord(Protocol):
    """A record of an exposure with its outline, as `evensky.runs.record.ExposureRecord` has it."""

    @property
    def label(self) -> str: ...
    @property
    def corners(self) -> Sequence[Sequence[float]]: ...


class PairRecord(Protocol):
    """A record of a pair of exposures, as `evensky.runs.record.OverlapRecord` has it."""

    @property
    def first(self) -> str: ...
    @property
    def second(self) -> str: ...
    @property
    def before(self) -> float: ...
    @property
    def after(self) -> float: ...
    @property
    def error(self) -> float: ...


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
    known = [at for at, record in enumerate(records) if len(record.corners) > 2]
    if not known:
        raise InvalidParameterError(
            f"None of the {len(records)} exposures has an outline; the joint match (match_all, --method all) gives them"
        )
    if axes is not None and len(axes := np.ravel(np.asarray(axes, object)).tolist()) != 2:
        raise InvalidParameterError(f"axes are {len(axes)}; two are needed, one for before and one for after")
    outlines, piled = _spread([np.asarray(records[at].corners, float) for at in known])
    factor, name = _axis_unit(outlines, footprint_unit)
    outlines = [outline * factor for outline in outlines]
    on_sky = footprint_unit != "px"
    points = np.concatenate(outlines)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.04 * float((high - low).max())
    labels = [records[at].label for at in known]
    levels = [np.array([values[at] for at in known], float) for values in (before, after)]
    links = _links(overlaps, labels, piled)
    errors = [one.error for one in overlaps if np.isfinite(one.error)]
    error = float(np.median(errors)) if errors else 0.0
    limit, beyond = _limit(levels, links, _LEAST_ERRORS * error)
    vertical = axes is None and bool(high[1] - low[1] < _WIDE * (high[0] - low[0]))
    if axes is None:
        axes = _new_axes(float((high[1] - low[1]) / (high[0] - low[0])), vertical=vertical)
    figure: Any = axes[0].get_figure()
    # Width of lines in points, for panels of the size that they have in a new figure.
    points_across = (530.0 if vertical else 265.0) / float((high - low).max() + 2 * margin)
    width = float(np.clip(_line_width(outlines, links) * points_across, _THINNEST, _THICKEST))
    few = len(known) <= _MOST_NAMES
    places = _places(outlines, piled, labels, 1 / points_across, on_sky=on_sky) if few else []
    scale: Any = None
    for number, (ax, title) in enumerate(zip(axes, ("before", "after"), strict=True)):
        scale = _panel(ax, outlines, piled, levels[number], links, number, limit, width)
        if few:
            colours = scale.to_rgba(np.nan_to_num(levels[number]))
            colours[~np.isfinite(levels[number])] = _rgba(_UNKNOWN)
            _write_names(ax, outlines, piled, places, labels, colours, on_sky=on_sky)
        spread = levels[number][np.isfinite(levels[number])]
        if spread.size:
            rms, least = float(np.sqrt(np.mean(spread**2))), 0.1 * error
            text = f"below {least:.1g}" if rms < least else f"{rms:.3g}"
            title += f": {f'{text} {unit_label(unit)}'.rstrip()} RMS"
        ax.set_title(title, fontsize=10)
        ax.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin), aspect="equal")
        if on_sky:
            ax.invert_xaxis()
        ax.set_xlabel(f"offset to the east [{name}]" if on_sky else f"x [{name}]", fontsize=9)
        if number == 0 or vertical:
            ax.set_ylabel(f"offset to the north [{name}]" if on_sky else f"y [{name}]", fontsize=9)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    bar = figure.colorbar(
        scale, ax=list(axes), orientation="horizontal", aspect=45, shrink=0.8, extend="both" if beyond else "neither"
    )
    bar.set_label(label_with_unit("level relative to the other exposures", unit), fontsize=9)
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


def _spread(outlines: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Spread footprints that coincide into piles; return the outlines, and which of them are in a pile."""
    boxes = np.array([[*outline.min(axis=0), *outline.max(axis=0)] for outline in outlines])
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-300)
    left = np.ones(len(outlines), bool)
    shifted = list(outlines)
    piled = np.zeros(len(outlines), bool)
    for at in range(len(outlines)):
        if not left[at]:
            continue
        near = (np.abs(boxes - boxes[at]) < _COINCIDE * np.tile(sizes[at], 2)).all(axis=1)
        pile = np.flatnonzero(left & near)
        left[pile] = False
        if pile.size > 1:
            piled[pile] = True
            step = min(_OFFSET, _PILE / (pile.size - 1)) * float(sizes[at].min())
            for place, one in enumerate(pile.tolist()):
                shifted[one] = outlines[one] + place * step
    return shifted, piled


def _axis_unit(outlines: Sequence[np.ndarray], unit: str) -> tuple[float, str]:
    """Return the unit in which a field has a size of handy numbers, and the factor to it."""
    if unit != "deg":
        return 1.0, unit
    points = np.concatenate(outlines)
    size = float(np.ptp(points, axis=0).max())
    for factor, name in ((1.0, "deg"), (60.0, "arcmin")):
        if size * factor >= 2:
            return factor, name
    return 3600.0, "arcsec"


# Numbers of two exposures, and their difference before and after.
_Links = tuple[np.ndarray, np.ndarray]


def _links(overlaps: Sequence[PairRecord], labels: Sequence[str], piled: np.ndarray) -> _Links:
    """Return the ends of lines, shape (n, 2), and the differences before and after, shape (n, 2)."""
    number = {label: at for at, label in enumerate(labels)}
    ends, differences = [], []
    for one in overlaps:
        if one.first in number and one.second in number and np.isfinite([one.before, one.after]).all():
            ends.append((number[one.first], number[one.second]))
            differences.append((one.before, one.after))
    pairs, values = np.array(ends, int).reshape(-1, 2), np.array(differences, float).reshape(-1, 2)
    drawn = ~piled[pairs].all(axis=1)  # lines within a pile would hide it
    return pairs[drawn], values[drawn]


def _limit(levels: Sequence[np.ndarray], links: _Links, least: float) -> tuple[float, bool]:
    """Return half the range of the colours, and whether any level is beyond it."""
    values = np.abs(np.concatenate([*levels, 0.5 * links[1].ravel()]))
    values = values[np.isfinite(values)]
    if not values.size:
        return least or 1.0, False
    before = np.abs(levels[0][np.isfinite(levels[0])])
    usual = _FAR * float(np.percentile(before, 75)) if before.size else 0.0
    largest = float(values.max())
    limit = max(min(largest, usual) if usual > 0 else largest, least)
    return limit or 1.0, largest > limit


def _line_width(outlines: Sequence[np.ndarray], links: _Links) -> float:
    """Return the width that lines should have in the unit of the outlines."""
    centres = _centres(outlines)
    lengths = np.hypot(*(centres[links[0][:, 0]] - centres[links[0][:, 1]]).T)
    usual = float(np.median(lengths) if lengths.size else np.ptp(outlines[0], axis=0).max())
    return _WIDTH * usual * min(1.0, float(np.sqrt(_FEW_LINES / max(lengths.size, 1))))


def _centres(outlines: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([0.5 * (outline.min(axis=0) + outline.max(axis=0)) for outline in outlines])


def _panel(
    ax: Any,
    outlines: Sequence[np.ndarray],
    piled: np.ndarray,
    levels: np.ndarray,
    links: _Links,
    at: int,
    limit: float,
    width: float,
) -> Any:
    """Draw the footprints of one panel; return the scale of their colours."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(-limit, limit), _COLOURS)
    many = len(outlines) >= _MANY
    centres = _centres(outlines)
    colours = scale.to_rgba(np.nan_to_num(levels))
    colours[~np.isfinite(levels)] = _rgba(_UNKNOWN)
    # Of overlapping footprints all can be seen; in a pile, the upper ones hide the lower ones but for their edges.
    colours[~piled, 3] = np.clip(_OPACITY / np.sqrt(_depth(outlines)), *_OPACITIES)
    back_to_front = np.arange(len(outlines))[::-1]
    ax.add_collection(
        PolyCollection(
            [outlines[one] for one in back_to_front],
            facecolors=colours[back_to_front],
            edgecolors=_INK,
            linewidths=0.3 if many else 0.8,
            zorder=1,
        )
    )
    pairs, differences = links
    if len(pairs):
        first, second = centres[pairs[:, 0]], centres[pairs[:, 1]]
        middle = 0.5 * (first + second)
        half = 0.5 * differences[:, at]
        whole = [*np.stack([first, second], axis=1)]
        ax.add_collection(LineCollection(whole, colors=_INK, linewidths=width + min(width, 1.6), zorder=2))
        for ends, level in ((first, half), (second, -half)):
            lines = [*np.stack([ends, middle], axis=1)]
            ax.add_collection(
                LineCollection(lines, colors=scale.to_rgba(level), linewidths=width, zorder=3, capstyle="butt")
            )
    alone = np.flatnonzero(~piled)
    colours[:, 3] = 1.0
    size = (2.2 * width) ** 2
    ax.scatter(*centres[alone].T, s=size, c=colours[alone], edgecolors=_INK, linewidths=min(0.5 * width, 0.8), zorder=4)
    return scale


def _rgba(colour: str) -> tuple[float, float, float, float]:
    from matplotlib.colors import to_rgba

    return to_rgba(colour)


def _depth(outlines: Sequence[np.ndarray]) -> float:
    """Return the mean number of footprints that overlap, if they fill a rectangle; at least 1."""
    points = np.concatenate(outlines)
    areas = 0.0
    for outline in outlines:
        x, y = outline.T
        areas += 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return max(1.0, areas / float(np.ptp(points, axis=0).prod()))


def _places(
    outlines: Sequence[np.ndarray], piled: np.ndarray, labels: Sequence[str], point: float, *, on_sky: bool
) -> list[np.ndarray]:
    """Return the places of names: of each outline the first corner at which the name overlaps no other.

    Parameters
    ----------
    outlines : sequence of ndarray
    piled : ndarray of bool
    labels : sequence of str
    point : float
        Size of a typographic point in the unit of the outlines.
    on_sky : bool
        Whether x increases to the left.
    """
    found: list[np.ndarray] = []
    taken: list[tuple[np.ndarray, np.ndarray]] = []  # middles and half sizes of names
    for outline, centre, in_pile, name in zip(outlines, _centres(outlines), piled, _short(labels), strict=True):
        half = 0.5 * point * _NAME_POINTS * np.array([0.65 * len(name) + 1.0, 1.7])
        # The upper left corner comes first, which piles leave free; east is to the left.
        corners = outline[np.argsort(outline @ ((-0.9, -1.0) if on_sky else (0.9, -1.0)))]
        middles = corners + np.where(corners < centre, half, -half)
        free = [
            min((float((np.abs(middle - other) / (half + size)).max()) for other, size in taken), default=np.inf)
            for middle in middles
        ]
        best = 0 if in_pile else next((at for at, one in enumerate(free) if one > 1), int(np.argmax(free)))
        found.append(corners[best])
        taken.append((middles[best], half))
    return found


def _write_names(
    ax: Any,
    outlines: Sequence[np.ndarray],
    piled: np.ndarray,
    places: Sequence[np.ndarray],
    labels: Sequence[str],
    colours: np.ndarray,
    *,
    on_sky: bool,
) -> None:
    """Write the names of exposures on the colours of their levels."""
    names = zip(places, _centres(outlines), piled, _short(labels), colours, strict=True)
    for place, centre, in_pile, name, colour in names:
        left, low = bool(place[0] < centre[0]) != on_sky, bool(place[1] < centre[1])
        bright = float(colour[:3] @ (0.3, 0.6, 0.1)) > 0.5
        # A pile has the same colour behind the name.
        box = {"boxstyle": "round,pad=0.2", "facecolor": colour, "edgecolor": _INK, "linewidth": 0.6}
        ax.annotate(
            name,
            place,
            xytext=(3 if left else -3, 0) if in_pile else (4 if left else -4, 4 if low else -4),
            textcoords="offset points",
            ha="left" if left else "right",
            va="bottom" if low else "top",
            fontsize=_NAME_POINTS - 1 if in_pile else _NAME_POINTS,
            color="black" if bright else "white",
            bbox=None if in_pile else box,
            zorder=5,
        )


def _short(labels: Sequence[str]) -> list[str]:
    """Return names without what all of them begin with, if they are long, and at most so many letters of their end."""
    if max(map(len, labels)) > _LONGEST_NAME and len(labels) > 1:
        same = [len(set(letters)) == 1 for letters in zip(*labels, strict=False)]
        start = same.index(False) if False in same else len(same)
        labels = [label[start:] or label for label in labels]
    return [name if len(name) <= _LONGEST_NAME else f"\u2026{name[1 - _LONGEST_NAME :]}" for name in labels]
