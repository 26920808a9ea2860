"""Charts for pages: numbers in, places in per cent and texts out, which a template writes as HTML and SVG.

They show what the figures of `evensky.draw.run_figures` and `evensky.draw.footprints` show, sharp at any size, in the
colours of the page, and without matplotlib, whose import and figures take longer than the rest of a page.
"""

from __future__ import annotations

__all__ = [
    "MOST_LINES",
    "Axis",
    "CostChart",
    "FootprintChart",
    "LevelChart",
    "chart_of_costs",
    "chart_of_footprints",
    "chart_of_levels",
]

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .footprint_layout import MANY, NAME_POINTS, UNKNOWN_COLOUR, FootprintLayout
from .pixels import SIGNED_COLOURS, colour_table
from .run_figures import MOST_ROWS, CostRecord, LevelRecord, inner_range, level_label, levels_of_records

MOST_LINES = 4000
"""Number of pairs beyond which the lines between footprints are left out, as nobody could tell them apart."""

# Part of the range of an axis that is empty at each end.
_MARGIN = 0.04
# Sizes of numbers that are written without an exponent.
_PLAIN_SIZES = 1e-4, 1e7
# Colours of levels of footprints.
_COLOURS = 64
# Width of a panel of footprints beside another one and above it, its greatest height, and room for numbers at the left
# and below, in pixels of a usual page.
_PANEL, _WIDE_PANEL, _HIGHEST, _LEFT, _BELOW, _EDGE = 460.0, 920.0, 620.0, 50.0, 38.0, 8.0


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes
    ----------
    low, high : float
        Values of its ends.
    ticks : tuple of (float, str)
        Places of its numbers in per cent, and these as texts.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    @classmethod
    def over(cls, low: float, high: float, most: int = 6) -> Axis:
        """Return the axis from one value to another, which may be equal, with up to `most` round numbers."""
        if not high > low:
            half = 0.05 * abs(low) or 0.5
            low, high = low - half, high + half
        rough = (high - low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * (1 - 1e-9))
        first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
        axis = cls(low, high, ())
        values = [number * step for number in range(first, last + 1)]
        return cls(low, high, tuple((axis.place(value), _tick_text(value, step, low, high)) for value in values))

    def place(self, value: float) -> float:
        """Return the place of a value in per cent; values beyond the ends are put there."""
        return round(100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0), 3)


def _tick_text(value: float, step: float, low: float, high: float) -> str:
    """Return a number of an axis, with the digits that its neighbours need."""
    largest = max(abs(low), abs(high))
    last = math.floor(math.log10(step) + 1e-9)
    if not math.isclose(step, 10.0**last * round(step / 10.0**last)):  # a step of 2.5
        last -= 1
    if _PLAIN_SIZES[0] <= largest < _PLAIN_SIZES[1]:
        text = f"{value:.{max(0, -last)}f}"
    else:
        text = f"{value:.{max(0, math.floor(math.log10(largest)) - last)}e}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "\u2212", 1) if value < 0 else text


@dataclass(frozen=True)
class LevelRow:
    """An exposure in a chart of levels; places are in per cent."""

    label: str
    is_reference: bool
    before: float
    after: float | None
    beyond: str  # value before the match, if it is beyond the axis; "" otherwise
    is_low: bool  # whether it is below the axis

    @property
    def join(self) -> tuple[float, float]:
        """Start and length of the line between both levels."""
        ends = sorted((self.before, self.before if self.after is None else self.after))
        return ends[0], round(ends[1] - ends[0], 3)


@dataclass(frozen=True)
class LevelChart:
    """Levels of all exposures before and after matching.

    Attributes
    ----------
    axis : Axis
    label : str
        What the axis shows, without the unit.
    reference : float or None
        Place of the level of the reference on the axis.
    rows : list of LevelRow
        Empty if exposures are more than `evensky.draw.run_figures.MOST_ROWS`.
    number : int
        Number of exposures with a level.
    before, after, join : str
        Paths in a box of 1000 x 100 with a point or a line for each exposure, if there are no rows.
    """

    axis: Axis
    label: str
    reference: float | None
    rows: list[LevelRow] = field(default_factory=list)
    number: int = 0
    before: str = ""
    after: str = ""
    join: str = ""


def chart_of_levels(records: Sequence[LevelRecord], reference: str = "") -> LevelChart:
    """Return the chart of the levels of exposures; see `evensky.draw.run_figures.plot_levels`."""
    shown = [r for r in records if r.level_before is not None and math.isfinite(r.level_before)]
    before, after = levels_of_records(shown)
    limits = inner_range(before, after)
    if limits is None:
        levels = np.concatenate([before, after[np.isfinite(after)]])
        low, high = (float(levels.min()), float(levels.max())) if levels.size else (0.0, 1.0)
        limits = low - _MARGIN * (high - low), high + _MARGIN * (high - low)
    axis = Axis.over(*limits)
    marked = next((axis.place(b) for b, r in zip(before, shown, strict=True) if r.label == reference), None)
    label = level_label(shown)
    if len(shown) > MOST_ROWS:
        across = 1000 * (np.arange(len(shown)) + 0.5) / len(shown)
        points = [(x, 100 - axis.place(b), 100 - axis.place(a)) for x, b, a in zip(across, before, after, strict=True)]
        known = [one for one in points if math.isfinite(one[2])]
        return LevelChart(
            axis,
            label,
            marked,
            number=len(shown),
            before="".join(f"M{x:.1f} {y:.2f}h0" for x, y, _ in points),
            after="".join(f"M{x:.1f} {y:.2f}h0" for x, _, y in known),
            join="".join(f"M{x:.1f} {y:.2f}V{end:.2f}" for x, y, end in known),
        )
    rows = [
        LevelRow(
            label=record.label,
            is_reference=record.label == reference,
            before=axis.place(b),
            after=axis.place(a) if math.isfinite(a) else None,
            beyond="" if axis.low <= b <= axis.high else f"{b:.6g}",
            is_low=b < axis.low,
        )
        for record, b, a in zip(shown, before.tolist(), after.tolist(), strict=True)
    ]
    return LevelChart(axis, label, marked, rows, len(rows))


@dataclass(frozen=True)
class CostChart:
    """Costs of the candidates for the reference.

    Attributes
    ----------
    rows : list of (str, (float, float, float), str, bool)
        Label, lengths of the bars of variance, coverage and level in per cent, sum as text, and whether it was chosen.
    left_out : int
        Number of candidates for which there is no room.
    """

    rows: list[tuple[str, tuple[float, float, float], str, bool]]
    left_out: int


def chart_of_costs(candidates: Sequence[CostRecord]) -> CostChart | None:
    """Return the chart of costs, the cheapest ones of many; None if no candidate has a cost."""
    shown = [c for c in candidates if math.isfinite(c.cost)]
    left_out = len(shown) - MOST_ROWS
    if left_out > 0:
        shown = sorted(shown, key=lambda candidate: candidate.cost)[:MOST_ROWS]
    if not shown:
        return None
    terms = np.array([[c.cost_variance, c.cost_coverage, c.cost_level] for c in shown], float)
    lengths = 100 * terms / (float(terms.sum(axis=1).max()) or 1.0)
    rows = [
        (c.label, (round(v, 2), round(n, 2), round(s, 2)), f"{c.cost:.4f}", c.selected)
        for c, (v, n, s) in zip(shown, lengths.tolist(), strict=True)
    ]
    return CostChart(rows, max(left_out, 0))


@dataclass
class FootprintPanel:
    """Footprints before or after the match, in pixels of the chart.

    Attributes
    ----------
    title : str
    rms : str
        RMS of the levels, without a unit; "" if unknown.
    outlines : list of (str, str, float)
        Path, colour and opacity of each outline, from the back to the front.
    casing : str
        Path of all lines.
    lines : list of (str, str)
        Path of all halves of lines of one colour, and the colour.
    dots : list of (str, str)
        Path of all dots of one colour, and the colour.
    names : list of (float, float, str, str, str, str)
        Place, text, anchor, colour behind it, and colour of each name.
    """

    title: str
    rms: str
    outlines: list[tuple[str, str, float]]
    casing: str = ""
    lines: list[tuple[str, str]] = field(default_factory=list)
    dots: list[tuple[str, str]] = field(default_factory=list)
    names: list[tuple[float, float, str, str, str, str]] = field(default_factory=list)


@dataclass
class FootprintChart:
    """Outlines of exposures in the colours of their levels, before and after.

    Attributes
    ----------
    panels : list of FootprintPanel
    width, height : float
        Size of a panel in pixels.
    frame : (left, top, width, height)
        Box of the field in it.
    ticks : (list of (float, str), list of (float, str))
        Places in the panel and numbers of both axes.
    axis_names : (str, str)
    line_width : float
    outline_width : float
    letters : float
        Size of names.
    limit : float
        Half the range of the colours.
    beyond : bool
        Whether levels are beyond it.
    vertical : bool
        Whether panels are above each other.
    lines_left_out : int
        Number of pairs for which there is no line.
    """

    panels: list[FootprintPanel]
    width: float
    height: float
    frame: tuple[float, float, float, float]
    ticks: tuple[list[tuple[float, str]], list[tuple[float, str]]]
    axis_names: tuple[str, str]
    line_width: float
    outline_width: float
    letters: float
    limit: float
    beyond: bool
    vertical: bool
    lines_left_out: int


class _Scale:
    """Colours of levels, and places of positions in a panel."""

    def __init__(self, layout: FootprintLayout) -> None:
        self.limit = layout.limit
        self._table = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colour_table(SIGNED_COLOURS, _COLOURS).tolist()]
        self.low, self.high = layout.low - layout.margin, layout.high + layout.margin
        size = self.high - self.low
        room = (_WIDE_PANEL if layout.vertical else _PANEL) - _LEFT - _EDGE
        self.pixels = min(room / float(size[0]), _HIGHEST / float(size[1]))
        self.on_sky = layout.on_sky
        self.shift = _LEFT + 0.5 * (room - self.pixels * float(size[0]))
        self.size = self.pixels * size

    def colours(self, levels: np.ndarray) -> list[str]:
        """Return the colours of levels."""
        finite = np.isfinite(levels)
        place = np.where(finite, levels, 0.0) / self.limit
        numbers = np.clip((0.5 * (place + 1) * _COLOURS).astype(int), 0, _COLOURS - 1)
        return [
            self._table[number] if known else UNKNOWN_COLOUR
            for number, known in zip(numbers.tolist(), finite.tolist(), strict=True)
        ]

    def places(self, points: np.ndarray) -> np.ndarray:
        """Return positions in the panel; y is downwards there, and east is to the left."""
        x = self.high[0] - points[..., 0] if self.on_sky else points[..., 0] - self.low[0]
        return np.stack([self.shift + self.pixels * x, _EDGE + self.pixels * (self.high[1] - points[..., 1])], axis=-1)


def chart_of_footprints(layout: FootprintLayout) -> FootprintChart:
    """Return the chart of footprints."""
    scale = _Scale(layout)
    # Pixels of a typographic point, so that a panel has the proportions of a figure.
    points_across = layout.points_across(vertical=layout.vertical)
    point = scale.pixels / points_across
    line_width = point * layout.line_width(points_across)
    lines = len(layout.pairs) <= MOST_LINES
    names = layout.names(points_across)
    panels = [
        _panel(layout, scale, number, title, lines, names, point) for number, title in enumerate(("before", "after"))
    ]
    width, height = scale.size.tolist()
    ticks: list[list[tuple[float, str]]] = []
    for axis in (0, 1):
        found = Axis.over(float(scale.low[axis]), float(scale.high[axis]), 5)
        ends = (scale.shift, width) if axis == 0 else (_EDGE, height)
        flipped = axis == 1 or layout.on_sky
        ticks.append(
            [
                (round(ends[0] + ends[1] * ((100 - place) if flipped else place) / 100, 1), text)
                for place, text in found.ticks
            ]
        )
    return FootprintChart(
        panels=panels,
        width=_WIDE_PANEL if layout.vertical else _PANEL,
        height=round(_EDGE + height + _BELOW, 1),
        frame=(round(scale.shift, 1), _EDGE, round(width, 1), round(height, 1)),
        ticks=(ticks[0], ticks[1]),
        axis_names=layout.axis_names,
        line_width=round(line_width, 2),
        outline_width=0.5 if len(layout.outlines) >= MANY else 1.2,
        letters=round(point * NAME_POINTS, 1),
        limit=layout.limit,
        beyond=layout.beyond,
        vertical=layout.vertical,
        lines_left_out=0 if lines else len(layout.pairs),
    )


def _panel(
    layout: FootprintLayout,
    scale: _Scale,
    number: int,
    title: str,
    lines: bool,
    names: list[tuple[str, np.ndarray]],
    point: float,
) -> FootprintPanel:
    levels = layout.levels[number]
    colours = scale.colours(levels)
    piled = layout.piled.tolist()
    opacities = [1.0 if one else round(layout.opacity, 2) for one in piled]
    outlines = [
        (f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in scale.places(outline).tolist())}Z", colour, opacity)
        for outline, colour, opacity in zip(layout.outlines, colours, opacities, strict=True)
    ]
    panel = FootprintPanel(title, layout.rms(number), outlines[::-1])
    centres = scale.places(layout.centres)
    if lines:
        first, second = centres[layout.pairs[:, 0]], centres[layout.pairs[:, 1]]
        middle = 0.5 * (first + second)
        half = 0.5 * layout.differences[:, number]
        panel.casing = _lines(first, second)
        paths: dict[str, list[str]] = {}
        for ends, level in ((first, half), (second, -half)):
            for colour, path in zip(scale.colours(level), _each_line(ends, middle), strict=True):
                paths.setdefault(colour, []).append(path)
        panel.lines = [("".join(parts), colour) for colour, parts in paths.items()]
        dots: dict[str, list[str]] = {}
        for (x, y), colour, in_pile in zip(centres.tolist(), colours, piled, strict=True):
            if not in_pile:
                dots.setdefault(colour, []).append(f"M{x:.1f} {y:.1f}h0")
        panel.dots = [("".join(parts), colour) for colour, parts in dots.items()]
    of_all = zip(names, centres.tolist(), colours, piled, strict=False)  # names are those of few exposures, or none
    for (name, corner), (centre_x, centre_y), colour, in_pile in of_all:
        x, y = scale.places(corner).tolist()
        left, top = x < centre_x, y < centre_y
        size = point * NAME_POINTS
        across = (3 if in_pile else 5) * point
        # In a pile, names stand on the edges of the exposures, which are close to each other.
        down = 0.9 * size if in_pile and top else (1.2 * size if top else -0.6 * size)
        red, green, blue = bytes.fromhex(colour[1:])
        ink = "#000" if 0.3 * red + 0.6 * green + 0.1 * blue > 127 else "#fff"
        anchor = "start" if left else "end"
        panel.names.append((round(x + (across if left else -across), 1), round(y + down, 1), name, anchor, colour, ink))
    return panel


def _each_line(first: np.ndarray, second: np.ndarray) -> list[str]:
    return [f"M{x:.1f} {y:.1f}L{u:.1f} {v:.1f}" for (x, y), (u, v) in zip(first.tolist(), second.tolist(), strict=True)]


def _lines(first: np.ndarray, second: np.ndarray) -> str:
    return "".join(_each_line(first, second))
