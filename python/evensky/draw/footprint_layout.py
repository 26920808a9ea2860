"""Layout of the footprints of a run: where outlines, lines and names are, and which levels their colours stand for.

It is the same for the figure of `evensky.draw.footprints` and for the drawing on the page of a run.
"""

from __future__ import annotations

__all__ = ["MANY", "NAME_POINTS", "UNKNOWN_COLOUR", "FootprintLayout", "FootprintRecord", "PairRecord", "lay_out"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .._text import printable
from ..errors import InvalidParameterError

# Number of exposures up to which their names are written, and length of the names.
_MOST_NAMES, _LONGEST_NAME = 12, 16
MANY = 40
"""Number of exposures from which outlines are thin."""
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
UNKNOWN_COLOUR = "#d9dde2"
"""Colour of what has no level."""
NAME_POINTS = 7.5
"""Size of the letters of names in points."""
# Widths of a panel in points, beside another one and above it.
_BESIDE, _ABOVE = 265.0, 530.0


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


@dataclass
class FootprintLayout:
    """What is drawn of footprints before and after matching.

    Attributes
    ----------
    labels : list of str
        Names of the exposures that have an outline.
    outlines : list of ndarray, shape (n, 2)
        In `axis_unit`; those that coincide are spread into a pile.
    piled : ndarray of bool
        Whether an outline is in a pile.
    levels : (ndarray, ndarray)
        Levels before and after, NaN if unknown.
    pairs : ndarray of int, shape (n, 2)
        Ends of lines.
    differences : ndarray, shape (n, 2)
        Difference first - second of each line, before and after.
    limit : float
        Half the range of the colours.
    beyond : bool
        Whether any level is beyond it.
    error : float
        Usual standard error of a difference.
    axis_unit : str
    on_sky : bool
        Whether x increases to the left.
    low, high : ndarray, shape (2,)
        Corners of the field.
    vertical : bool
        Whether the panels should be above each other.
    opacity : float
        Of outlines that are not in a pile.
    """

    labels: list[str]
    outlines: list[np.ndarray]
    piled: np.ndarray
    levels: tuple[np.ndarray, np.ndarray]
    pairs: np.ndarray
    differences: np.ndarray
    limit: float
    beyond: bool
    error: float
    axis_unit: str
    on_sky: bool
    low: np.ndarray
    high: np.ndarray
    vertical: bool
    opacity: float

    @property
    def margin(self) -> float:
        """Width of the empty border of a panel."""
        return 0.04 * float((self.high - self.low).max())

    @property
    def centres(self) -> np.ndarray:
        """Middles of the outlines, shape (n, 2)."""
        return _centres(self.outlines)

    @property
    def axis_names(self) -> tuple[str, str]:
        """Names of the axes, with their unit."""
        names = ("offset to the east", "offset to the north") if self.on_sky else ("x", "y")
        return f"{names[0]} [{self.axis_unit}]", f"{names[1]} [{self.axis_unit}]"

    def points_across(self, *, vertical: bool) -> float:
        """Return the size of the unit of the outlines in typographic points, for panels of their usual size."""
        return (_ABOVE if vertical else _BESIDE) / float((self.high - self.low).max() + 2 * self.margin)

    def line_width(self, points_across: float) -> float:
        """Return the width of lines in points."""
        lengths = np.hypot(*(self.centres[self.pairs[:, 0]] - self.centres[self.pairs[:, 1]]).T)
        usual = float(np.median(lengths) if lengths.size else np.ptp(self.outlines[0], axis=0).max())
        width = _WIDTH * usual * min(1.0, float(np.sqrt(_FEW_LINES / max(lengths.size, 1))))
        return float(np.clip(width * points_across, _THINNEST, _THICKEST))

    def rms(self, panel: int) -> str:
        """Return the RMS of the levels before (0) or after (1) as text; "" if none is known."""
        spread = self.levels[panel][np.isfinite(self.levels[panel])]
        if not spread.size:
            return ""
        rms, least = float(np.sqrt(np.mean(spread**2))), 0.1 * self.error
        return f"below {least:.1g}" if rms < least else f"{rms:.3g}"

    def names(self, points_across: float) -> list[tuple[str, np.ndarray]]:
        """Return the names to write and the corners at which they begin or end; none of many exposures."""
        if len(self.outlines) > _MOST_NAMES:
            return []
        short = _short(self.labels)
        places = _places(self.outlines, self.piled, short, 1 / points_across, on_sky=self.on_sky)
        return list(zip(short, places, strict=True))


def lay_out(
    records: Sequence[FootprintRecord],
    before: Sequence[float],
    after: Sequence[float],
    overlaps: Sequence[PairRecord] = (),
    footprint_unit: str = "px",
) -> FootprintLayout:
    """Lay out the footprints of exposures; see `evensky.draw.footprints.plot_footprints` for the parameters.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no outlines.
    """
    known = [at for at, record in enumerate(records) if len(record.corners) > 2]
    if not known:
        raise InvalidParameterError(
            f"None of the {len(records)} exposures has an outline; the joint match (match_all, --method all) gives them"
        )
    outlines, piled = _spread([np.asarray(records[at].corners, float) for at in known])
    factor, name = _axis_unit(outlines, footprint_unit)
    outlines = [outline * factor for outline in outlines]
    points = np.concatenate(outlines)
    low, high = points.min(axis=0), points.max(axis=0)
    labels = [records[at].label for at in known]
    levels = tuple(np.array([values[at] for at in known], float) for values in (before, after))
    pairs, differences = _links(overlaps, labels, piled)
    errors = [one.error for one in overlaps if np.isfinite(one.error)]
    error = float(np.median(errors)) if errors else 0.0
    limit, beyond = _limit(levels, differences, _LEAST_ERRORS * error)
    return FootprintLayout(
        labels=labels,
        outlines=outlines,
        piled=piled,
        levels=(levels[0], levels[1]),
        pairs=pairs,
        differences=differences,
        limit=limit,
        beyond=beyond,
        error=error,
        axis_unit=name,
        on_sky=footprint_unit != "px",
        low=low,
        high=high,
        vertical=bool(high[1] - low[1] < _WIDE * (high[0] - low[0])),
        # Of overlapping footprints all can be seen; in a pile, the upper ones hide the lower ones but for their edges.
        opacity=float(np.clip(_OPACITY / np.sqrt(_depth(outlines)), *_OPACITIES)),
    )


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


def _links(overlaps: Sequence[PairRecord], labels: Sequence[str], piled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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


def _limit(levels: Sequence[np.ndarray], differences: np.ndarray, least: float) -> tuple[float, bool]:
    """Return half the range of the colours, and whether any level is beyond it."""
    values = np.abs(np.concatenate([*levels, 0.5 * differences.ravel()]))
    values = values[np.isfinite(values)]
    if not values.size:
        return least or 1.0, False
    before = np.abs(levels[0][np.isfinite(levels[0])])
    usual = _FAR * float(np.percentile(before, 75)) if before.size else 0.0
    largest = float(values.max())
    limit = max(min(largest, usual) if usual > 0 else largest, least)
    return limit or 1.0, largest > limit


def _centres(outlines: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([0.5 * (outline.min(axis=0) + outline.max(axis=0)) for outline in outlines])


def _depth(outlines: Sequence[np.ndarray]) -> float:
    """Return the mean number of footprints that overlap, if they fill a rectangle; at least 1."""
    points = np.concatenate(outlines)
    areas = 0.0
    for outline in outlines:
        x, y = outline.T
        areas += 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return max(1.0, areas / float(np.ptp(points, axis=0).prod()))


def _places(
    outlines: Sequence[np.ndarray], piled: np.ndarray, names: Sequence[str], point: float, *, on_sky: bool
) -> list[np.ndarray]:
    """Return the places of names: of each outline the first corner at which the name overlaps no other.

    Parameters
    ----------
    outlines : sequence of ndarray
    piled : ndarray of bool
    names : sequence of str
    point : float
        Size of a typographic point in the unit of the outlines.
    on_sky : bool
        Whether x increases to the left.
    """
    found: list[np.ndarray] = []
    taken: list[tuple[np.ndarray, np.ndarray]] = []  # middles and half sizes of names
    for outline, centre, in_pile, name in zip(outlines, _centres(outlines), piled, names, strict=True):
        half = 0.5 * point * NAME_POINTS * np.array([0.65 * len(name) + 1.0, 1.7])
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


def _short(labels: Sequence[str]) -> list[str]:
    """Return names without what all of them begin with, if they are long, and at most so many letters of their end."""
    labels = [printable(label) for label in labels]
    if max(map(len, labels)) > _LONGEST_NAME and len(labels) > 1:
        same = [len(set(letters)) == 1 for letters in zip(*labels, strict=False)]
        start = same.index(False) if False in same else len(same)
        labels = [label[start:] or label for label in labels]
    return [name if len(name) <= _LONGEST_NAME else f"\u2026{name[1 - _LONGEST_NAME :]}" for name in labels]
