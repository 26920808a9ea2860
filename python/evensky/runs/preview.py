"""The small mean of all exposures of a run, and what each of them has against the others.

Records come in one by one, each with the means of its exposure in blocks of pixels. They are added up on a common
plane: the pixel grid of the exposures, the focal plane of their files, or the sky. Blocks of exposures on one pixel
grid have the same edges, so that nothing is interpolated; elsewhere the nearest block is taken. No more than the sums,
and the pictures of the exposures that the report shows, are in memory.

All numbers that are added up are multiples of one power of two, far below the noise, so that sums have no rounding
errors: they are the same to the last bit in whichever order workers deliver the records.
"""

from __future__ import annotations

__all__ = ["Mosaic", "Patch", "Tiling", "rounded", "rounded_pair"]

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..matching.joint.grid import PixelBox
from ..matching.joint.transforms import Affine, Chain, Transform, affine_of
from ..math.thumbnail import Blocks
from .record import CoaddPreview, PixelSummary
from .source import Item

Floats = NDArray[np.float64]
Pixels = NDArray[np.float32]

# Lengths of the longer sides in pixels: of the pictures of an exposure, of that of the whole field, and of the plane on
# which an exposure is compared with the others.
_SIDE, _FIELD_SIDE, _PLANE_SIDE = 220, 600, 1500
# Number of exposures beyond which their pictures have half that side, so that a page of many stays small.
_MANY = 24
# Binary digits of the scatter of an exposure that count in sums. Sums of float64 have 53, which leaves room for values
# of 2^28 times the scatter, divided by the number of exposures; larger ones are cut off.
_DIGITS = 24
# Scatters that are no reason to expect overflow or underflow in float32.
_USUAL_SCATTERS = 1e-25, 1e25
# Steps of a picture in its noise, to which they hardly add, and those of a change in its range.
_STEPS, _STEPS_OF_CHANGE = 32, 1024
# Median distance of two normal numbers in units of their standard deviation.
_MEDIAN_DISTANCE = 0.9538725524
# A picture may be larger by this part, so that its pixels are whole blocks.
_TOLERANCE = 0.1
# Part of the field that exposures must fill for all of them to be in one picture.
_LEAST_FILLED = 0.02
# Areas of pixels that differ by no more than this part are equal in what is told of them.
_SAME_AREA = 0.01
# Points along a pixel of the plane at which the exposures are looked up, unless their blocks are pixels of it.
_POINTS = 2
# Distance of the nodes between which positions are interpolated, in blocks.
_STEP = 8
# Distance between chips whose places are unknown, in units of their size.
_GAP = 0.05


@dataclass(frozen=True)
class Tiling:
    """How the pixels of one exposure are divided into blocks.

    Attributes
    ----------
    side : int
        Number of pixels along a block.
    offset : (x, y)
        Position of the first pixel relative to the edges of block 0.
    """

    side: int
    offset: tuple[int, int] = (0, 0)

    @classmethod
    def alone(cls, width: int, height: int) -> Tiling:
        """Return the blocks of an exposure that is shown without others."""
        return cls(max(1, math.ceil(max(width, height) / _SIDE)))

    def blocks(self, width: int, height: int) -> tuple[Blocks, Blocks]:
        """Return the blocks along the columns and along the rows of an exposure."""
        x, y = self.offset
        return Blocks.along(height, self.side, y), Blocks.along(width, self.side, x)


@dataclass
class Patch:
    """Pixels at a place of a plane.

    Attributes
    ----------
    first : (row, column)
        Place of the first pixel.
    pictures : list of ndarray, shape (rows, columns)
        NaN where there is nothing, at the same pixels of all.
    """

    first: tuple[int, int]
    pictures: list[Pixels]

    def reduced(self, factor: int) -> Patch:
        """Return the means in squares of pixels, whose edges are multiples of `factor` on the plane."""
        if factor == 1:
            return self
        first = self.first[0] // factor, self.first[1] // factor
        return Patch(first, [_reduced(picture, self.first, factor) for picture in self.pictures])


def _reduced(picture: Pixels, first: tuple[int, int], factor: int) -> Pixels:
    """Return the means of the pixels that are not NaN in squares, given the place of the first pixel."""
    if factor == 1:
        return picture
    # Squares are made whole with NaN, which is in no mean.
    edges = [(at % factor, -(at + size) % factor) for at, size in zip(first, picture.shape, strict=True)]
    whole = np.pad(picture, edges, constant_values=np.nan)
    out = np.empty((whole.shape[0] // factor, whole.shape[1] // factor), np.float32)
    _core.bin_image((out, None, None), (whole, None, None), factor, factor, (0, 0))
    return out


class _Rounding:
    """Rounding to multiples of a power of two, which float32 has exactly, up to a limit beyond which sums would not be.

    Parameters
    ----------
    scatter : float
        Scatter of the pixels of an exposure; nothing is rounded if it is not known.
    number : int
        Number of exposures that are added up.
    """

    def __init__(self, scatter: float, number: int) -> None:
        self._step: float | None = None
        if _USUAL_SCATTERS[0] < scatter < _USUAL_SCATTERS[1]:
            self._step = 2.0 ** (math.floor(math.log2(scatter)) - _DIGITS)
            self._limit = np.float32(2.0**52 * self._step / max(number, 1))

    def __call__(self, patch: Patch) -> Patch:
        """Return a patch of rounded pictures."""
        if self._step is None:
            return patch
        rounded = []
        for picture in patch.pictures:
            out = np.clip(picture, -self._limit, self._limit)
            out *= np.float32(1 / self._step)
            np.rint(out, out=out)
            out *= np.float32(self._step)
            rounded.append(out)
        return Patch(patch.first, rounded)


class _Sums:
    """Sums of patches on a plane."""

    def __init__(self, width: int, height: int, pictures: int) -> None:
        self.number = np.zeros((height, width), np.int32)
        self.sums = np.zeros((pictures, height, width))

    def _within(self, patch: Patch) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return the pixels of the plane that a patch covers, and those of the patch; what is beyond it is left out."""
        on_plane, own = [], []
        for at, size, whole in zip(patch.first, patch.pictures[0].shape, self.number.shape, strict=True):
            start, stop = max(at, 0), max(min(at + size, whole), 0)
            on_plane.append(slice(start, max(start, stop)))
            own.append(slice(start - at, max(start, stop) - at))
        return (on_plane[0], on_plane[1]), (own[0], own[1])

    def add(self, patch: Patch) -> None:
        """Add the pixels of a patch."""
        place, own = self._within(patch)
        good = np.isfinite(patch.pictures[0][own])
        self.number[place] += good
        for plane, picture in zip(self.sums, patch.pictures, strict=True):
            plane[place] += np.where(good, picture[own], np.float32(0))

    def mean(self, picture: int) -> Pixels:
        """Return the mean, NaN where there is nothing."""
        with np.errstate(invalid="ignore"):
            found: Pixels = (self.sums[picture] / self.number).astype(np.float32)
        return found

    def less_others(self, patch: Patch) -> Pixels:
        """Return a patch that was added minus the mean of all others, NaN where there is no other."""
        place, own = self._within(patch)
        picture = patch.pictures[0]
        result = np.full(picture.shape, np.nan, np.float32)
        with np.errstate(invalid="ignore", divide="ignore"):
            others = (self.sums[0][place] - picture[own]) / (self.number[place] - 1)
            result[own] = np.where(self.number[place] > 1, picture[own] - others, np.nan)
        return result


@dataclass
class _Place:
    """Place of one exposure on the common plane, whose positions are counted in blocks.

    Attributes
    ----------
    tiling : Tiling
    rows, columns : Blocks
    transform : Transform
        From the plane to the blocks of the exposure.
    aligned : bool
        Whether each block of the exposure is one of the plane.
    corners : ndarray, shape (n, 2)
        Outline of the exposure on the plane.
    scale : float
        Factor of its values, which makes them comparable with those of others.
    """

    tiling: Tiling
    rows: Blocks
    columns: Blocks
    transform: Transform
    aligned: bool
    corners: Floats
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a picture with one pixel for each block."""
        return self.rows.count, self.columns.count

    @property
    def first(self) -> tuple[int, int]:
        """Number of the first row and the first column of blocks."""
        return self.rows.first, self.columns.first

    def on_plane(self, pictures: Sequence[Pixels], width: int, height: int) -> Patch | None:
        """Return pictures on the plane, whose size is given in blocks; None if they are beyond it."""
        if self.aligned:
            return Patch(self.first, list(pictures))
        low = np.maximum(np.floor(self.corners.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(self.corners.max(axis=0)).astype(int) + 1, (width, height))
        if (high <= low).any():
            return None
        shape = int(high[1] - low[1]), int(high[0] - low[0])
        # Several points in each pixel, so that stars are not moved by half of a block.
        across, up = _nodes((shape[0] * _POINTS, shape[1] * _POINTS), (0, 0))
        half = 0.5 - 0.5 / _POINTS
        nodes = self.transform.to_own(across / _POINTS - half + low[0], up / _POINTS - half + low[1])
        finer = [_nearest(picture, nodes, (shape[0] * _POINTS, shape[1] * _POINTS), self.scale) for picture in pictures]
        return Patch((int(low[1]), int(low[0])), [_reduced(picture, (0, 0), _POINTS) for picture in finer])

    def on_own(self, patch: Patch, factor: int, shape: tuple[int, int], own_factor: int) -> Pixels:
        """Return the first picture of a patch on the pixels of the exposure.

        Parameters
        ----------
        patch : Patch
            On the plane, reduced by `factor`.
        factor : int
        shape : (int, int)
            Shape of the result.
        own_factor : int
            Number of blocks of the exposure along a pixel of the result.
        """
        picture = patch.pictures[0]
        if self.aligned and factor == own_factor:
            return picture
        across, up = _nodes(shape, (0, 0))
        # The first pixel of a picture may begin before the exposure, at a multiple of its factor.
        skipped = [first % own_factor if self.aligned else 0 for first in self.first]
        x = (across + 0.5) * own_factor - 0.5 - skipped[1]
        y = (up + 0.5) * own_factor - 0.5 - skipped[0]
        u, v = self.transform.to_common(x, y)
        # A pixel more on each side, as the middle of a pixel at the edge may lie just beyond the patch.
        nodes = (u + 0.5) / factor + 0.5 - patch.first[1], (v + 0.5) / factor + 0.5 - patch.first[0]
        return _nearest(np.pad(picture, 1, mode="edge"), nodes, shape, 1 / self.scale)


def rounded(picture: Pixels) -> Pixels:
    """Return a picture without the digits that tell of noise alone, which compressed is several times smaller."""
    return _multiples(picture, _step_of_noise(picture))


def rounded_pair(before: Pixels, after: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    """Return pictures before and after a change without the digits that tell of noise alone, and the change.

    The change, which is smooth, keeps more digits. The picture after it is the sum of the other two.

    Parameters
    ----------
    before, after : ndarray of float32
        Of one shape.

    Returns
    -------
    before, after, change : ndarray of float32
    """
    change = after - before
    known = change[np.isfinite(change)]
    step = _step_of_noise(before)
    before = _multiples(before, step)
    if known.size and (extent := float(np.ptp(known))) > 0:
        change = _multiples(change, min(_power_of_two(extent / _STEPS_OF_CHANGE), step))
    return before, before + change, change


def _multiples(picture: Pixels, step: float) -> Pixels:
    """Return a picture in multiples of a power of two; unchanged if that is 0 or overflows."""
    if not _USUAL_SCATTERS[0] < step < _USUAL_SCATTERS[1]:
        return picture
    # Values beyond 2^24 steps stay as they are: float32 has them in multiples of more.
    with np.errstate(over="ignore"):
        found: Pixels = np.rint(picture * np.float32(1 / step)) * np.float32(step)
    return found


def _power_of_two(value: float) -> float:
    """Return the greatest power of two that is not above a value; 0 if that is 0 or unknown."""
    return 2.0 ** math.floor(math.log2(value)) if 0 < value < math.inf else 0.0


def _step_of_noise(picture: Pixels) -> float:
    """Return a part of the noise of a picture, from differences between neighbours; 0 if there is none."""
    rows = picture[:: max(1, picture.shape[0] // 64)]  # a part is enough
    distances = np.abs(rows[:, 1:] - rows[:, :-1])
    distances = distances[np.isfinite(distances)]
    return _power_of_two(float(np.median(distances)) / _MEDIAN_DISTANCE / _STEPS) if distances.size else 0.0


def _nodes(shape: tuple[int, int], first: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return the positions (x, y) of nodes that enclose an array, whose first pixel is at (x, y)."""
    rows, columns = (np.arange(size // _STEP + 2) * float(_STEP) for size in shape)
    x, y = np.meshgrid(first[0] + columns, first[1] + rows)
    return x, y


def _nearest(picture: Pixels, nodes: tuple[Floats, Floats], shape: tuple[int, int], scale: float) -> Pixels:
    """Return the nearest pixel of a picture for each pixel of an array, given array indices at its nodes."""
    out = np.empty(shape, np.float32)
    picture = np.ascontiguousarray(picture, np.float32)
    _core.sample_nearest((picture, None), nodes[0], nodes[1], _STEP, scale, 0, out)
    return out


class Mosaic:
    """Sums of the pictures of all exposures of a run. One thread at a time may add to it.

    Parameters
    ----------
    items : sequence of Item
    boxes : sequence of (x0, y0, width, height) or None
        Boxes of the exposures on the common pixel grid; None for those that cannot be used.
    unit : str, optional
        Unit of the pixels.
    scatter : float, optional
        Scatter of the pixels of an exposure, or its level; 0 if it is not known.
    """

    def __init__(
        self, items: Sequence[Item], boxes: Sequence[PixelBox | None], unit: str = "", scatter: float = 0.0
    ) -> None:
        self.unit = unit
        known = [(item, box) for item, box in zip(items, boxes, strict=True) if box is not None]
        field = _field_of(known)
        number = len(known)
        known = _near(known, field.outlines)
        self._left_out = number - len(known)
        self._places: dict[int, _Place] = {}
        self._orientation, self._pixel_unit = field.orientation, field.unit
        if not known:
            return
        corners = np.concatenate([field.outlines[item.index] for item, _ in known])
        origin, extent = corners.min(axis=0), np.ptp(corners, axis=0)
        # Size of a pixel of each exposure, and of the exposures, on the plane.
        scales = {item.index: _pixel_size(field.outlines[item.index], box) for item, box in known}
        side = float(np.median([scales[item.index] * max(box[2:]) for item, box in known]))
        wanted = side / (_SIDE if len(known) <= _MANY else _SIDE // 2), float(extent.max()) / _FIELD_SIDE
        block = max(min(wanted), float(np.median(list(scales.values()))))
        if field.unit == "px":
            block = float(math.ceil(block - _TOLERANCE))
        self._block = block
        # Blocks along a pixel of the pictures of an exposure, of the whole field, and of the plane.
        self._own = max(1, math.floor(wanted[0] / block + 0.4))
        self._factor = max(1, math.ceil(wanted[1] / block - _TOLERANCE))
        self._plane = max(self._own, math.ceil(float(extent.max()) / _PLANE_SIDE / block - _TOLERANCE))
        self._width, self._height = (max(1, math.ceil(length / block - 1e-6)) for length in extent.tolist())
        to_plane = _matrix(block, 0, origin[0] + block / 2, 0, block, origin[1] + block / 2)
        for item, box in known:
            self._places[item.index] = _place_of(item, box, field, to_plane, block / scales[item.index], origin)
        self._rounded = _Rounding(scatter, len(known))
        self._before_after = self._sums(self._factor, 2)
        self._after = self._sums(self._plane, 1)

    def _sums(self, factor: int, pictures: int) -> _Sums:
        return _Sums(-(-self._width // factor), -(-self._height // factor), pictures)

    def tiling(self, index: int) -> Tiling | None:
        """Return the blocks in which the pixels of an exposure are averaged; None if its place is unknown."""
        place = self._places.get(index)
        return None if place is None else place.tiling

    def add(self, index: int, pixels: PixelSummary) -> tuple[PixelSummary, Patch | None]:
        """Add the pictures of an exposure, which have one pixel for each block.

        Parameters
        ----------
        index : int
            Number of the exposure.
        pixels : PixelSummary

        Returns
        -------
        pixels : PixelSummary
            The pictures at the size for the report.
        patch : Patch or None
            What `residual` needs; None if the place of the exposure is unknown.
        """
        place = self._places.get(index)
        if place is None or pixels.before.shape != place.shape:
            return pixels, None
        patch = place.on_plane([pixels.before, pixels.after], self._width, self._height)
        compared = None
        if patch is not None:
            missing = ~np.isfinite(patch.pictures[0] + patch.pictures[1])
            if missing.any():  # pictures before and after the match are means of the same
                patch = Patch(patch.first, [np.where(missing, np.float32(np.nan), one) for one in patch.pictures])
            self._before_after.add(self._rounded(patch.reduced(self._factor)))
            compared = self._rounded(Patch(patch.first, patch.pictures[1:]).reduced(self._plane))
            self._after.add(compared)
        first = place.first if place.aligned else (0, 0)
        before = _reduced(pixels.before, first, self._own)
        if compared is not None and place.aligned and self._plane == self._own:
            after = compared.pictures[0]
        else:
            after = _reduced(pixels.after, first, self._own)
        return replace(pixels, before=before, model=after - before, after=after), compared

    def residual(self, index: int, patch: Patch, shape: tuple[int, int]) -> Pixels:
        """Return an exposure minus the mean of all others after the match, once all are added.

        Parameters
        ----------
        index : int
            Number of the exposure.
        patch : Patch
            What `add` returned for it.
        shape : (height, width)
            Shape of its pictures.
        """
        left = Patch(patch.first, [self._after.less_others(patch)])
        return self._places[index].on_own(left, self._plane, shape, self._own)

    def preview(self) -> CoaddPreview | None:
        """Return the mean of all exposures that were added; None if there are none."""
        if not self._places or not self._before_after.number.any():
            return None
        size = self._block * self._factor
        if self._pixel_unit == "deg":
            size, unit = 3600 * size, "arcsec"
        else:
            unit = "px"
        each = " of the exposures" if unit == "px" else ""
        scales = [place.scale for place in self._places.values()]
        differ = max(scales) > (1 + _SAME_AREA) * min(scales)
        per_area = "; values of exposures with other pixels are per equal area" if differ else ""
        few = len(self._places), len(self._places) + self._left_out
        some = f"; {few[0]} of {few[1]} exposures, as the others are far away" if self._left_out else ""
        return CoaddPreview(
            self._before_after.mean(0),
            self._before_after.mean(1),
            self._before_after.number,
            self.unit,
            self._orientation,
            f"a pixel of the picture is {size:.3g} {unit}{each}{per_area}{some}",
            size,
            unit,
        )


@dataclass
class _Field:
    """The plane that all exposures share.

    Attributes
    ----------
    outlines : dict of int to ndarray, shape (n, 2)
        Outline of each exposure, by its number.
    unit : str
        Unit of positions on the plane: "px" or "deg".
    orientation : str
    from_plane : Affine or None
        From positions on the plane to virtual pixels of the sky plane; None if the plane is not the sky.
    chips : dict of str to Affine
        From positions on the plane to the pixel grid of each chip; empty if all exposures are on one pixel grid.
    """

    outlines: dict[int, Floats]
    unit: str = "px"
    orientation: str = ""
    from_plane: Affine | None = None
    chips: dict[str, Affine] | None = None


def _field_of(known: list[tuple[Item, PixelBox]]) -> _Field:
    """Return the plane that all exposures share, with their outlines; exposures without a place are removed."""
    mapped = [pair for pair in known if pair[0].map is not None]
    if mapped:
        known[:] = [(item, box) for item, box in mapped if item.map is not None and len(item.map.corners()) > 2]
        # West is to the right.
        sky = {item.index: np.array(item.outline) * (-1, 1) for item, _ in known}
        if not sky:
            return _Field({})
        virtual = np.concatenate([item.map.corners() for item, _ in known if item.map is not None])
        return _Field(
            sky, "deg", "north up, east left", affine_of(tuple(np.concatenate(list(sky.values())).T), tuple(virtual.T))
        )
    if not any(item.slot for item, _ in known):
        return _Field({item.index: _outline(box) for item, box in known})
    chips, orientation = _chips_of(known)
    outlines = {item.index: np.column_stack(chips[item.slot].to_common(*_outline(box).T)) for item, box in known}
    return _Field(outlines, orientation=orientation, chips=chips)


def _near(known: list[tuple[Item, PixelBox]], outlines: dict[int, Floats]) -> list[tuple[Item, PixelBox]]:
    """Return the exposures to show in one picture: all, or the largest group of neighbours if the field is empty.

    Fields that are far from each other would be dots in a common picture.
    """
    if len(known) < 2:
        return known
    lows, highs = (
        np.array([getattr(outlines[item.index], name)(axis=0) for item, _ in known]) for name in ("min", "max")
    )
    extent = highs.max(axis=0) - lows.min(axis=0)
    if (highs - lows).prod(axis=1).sum() > _LEAST_FILLED * extent.prod():
        return known
    alone = np.ones(len(known), bool)
    best = np.zeros(0, np.intp)
    for start in range(len(known)):
        if not alone[start]:
            continue
        group = np.zeros(len(known), bool)
        edge = np.arange(len(known)) == start
        while edge.any():
            group |= edge
            low, high = lows[edge].min(axis=0), highs[edge].max(axis=0)
            # Those that overlap with the box of the newest members, which is enough to be near.
            edge = ((lows <= high) & (highs >= low)).all(axis=1) & ~group
        alone &= ~group
        if group.sum() > best.size:
            best = np.flatnonzero(group)
    return [known[number] for number in best.tolist()]


def _chips_of(known: Sequence[tuple[Item, PixelBox]]) -> tuple[dict[str, Affine], str]:
    """Return the maps from the focal plane of the first file to the pixel grid of each chip, and what the plane is.

    Chips whose places are not all known stand side by side.
    """
    first: dict[str, tuple[Item, PixelBox]] = {}
    for item, box in known:
        first.setdefault(item.slot, (item, box))
    chips: dict[str, Affine] = {}
    if all(item.to_plane is not None for item, _ in first.values()):
        for slot, (item, (x0, y0, _, _)) in first.items():
            assert item.to_plane is not None
            to_chip = np.linalg.inv(_matrix(*item.to_plane))
            chips[slot] = Affine((_matrix(1, 0, x0, 0, 1, y0) @ to_chip)[:2])
        return chips, "focal plane of the first file"
    columns = math.ceil(math.sqrt(len(first)))
    width, height = (max(box[axis] for _, box in first.values()) * (1 + _GAP) for axis in (2, 3))
    for number, (slot, (_, (x0, y0, _, _))) in enumerate(first.items()):
        row, column = divmod(number, columns)
        # The first chip is at the top left, as text is read.
        chips[slot] = Affine(np.array([[1.0, 0, x0 - column * width], [0, 1, y0 + row * height]]))
    return chips, "chips side by side, as their places are unknown"


def _place_of(item: Item, box: PixelBox, field: _Field, to_plane: Floats, block: float, origin: Floats) -> _Place:
    """Return the place of an exposure.

    Parameters
    ----------
    item : Item
    box : (x0, y0, width, height)
    field : _Field
    to_plane : ndarray, shape (3, 3)
        From block numbers to positions on the plane.
    block : float
        Size of a block in pixels of the exposure.
    origin : (float, float)
        Position on the plane of the edge of block 0.
    """
    x0, y0, width, height = box
    corners = np.column_stack(Affine(to_plane[:2]).to_common(*field.outlines[item.index].T))
    if field.from_plane is None and field.chips is None:
        # Pixels are at whole numbers, and their edges between them.
        left, bottom = (round(value + 0.5) for value in origin.tolist())
        tiling = Tiling(round(block), (x0 - left, y0 - bottom))
        rows, columns = tiling.blocks(width, height)
        shift = Affine(np.array([[1.0, 0, -columns.first], [0, 1, -rows.first]]))
        return _Place(tiling, rows, columns, shift, True, corners, 1.0)
    tiling = Tiling(max(1, round(block)))
    rows, columns = tiling.blocks(width, height)
    # From positions on the exposure's pixel grid to its blocks.
    side = tiling.side
    to_blocks = _matrix(1 / side, 0, (0.5 - x0) / side - 0.5, 0, 1 / side, (0.5 - y0) / side - 0.5)
    if item.map is not None and field.from_plane is not None:
        virtual = np.vstack([field.from_plane.matrix, [0, 0, 1]]) @ to_plane
        transform: Transform = Chain(Chain(Affine(virtual[:2]), item.map), Affine(to_blocks[:2]))
        return _Place(tiling, rows, columns, transform, False, corners, item.map.scale)
    assert field.chips is not None
    chip = np.vstack([field.chips[item.slot].matrix, [0, 0, 1]])
    return _Place(tiling, rows, columns, Affine((to_blocks @ chip @ to_plane)[:2]), False, corners, 1.0)


def _outline(box: PixelBox) -> Floats:
    """Return the corners of a box of pixels."""
    x0, y0, width, height = box
    return np.array([[x0, y0], [x0 + width, y0], [x0 + width, y0 + height], [x0, y0 + height]]) - 0.5


def _pixel_size(corners: Floats, box: PixelBox) -> float:
    """Return the size of a pixel on the plane, from the area of the outline of the exposure."""
    x, y = (corners - corners.mean(axis=0)).T
    area = 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
    return math.sqrt(area / (box[2] * box[3]))


def _matrix(a: float, b: float, c: float, d: float, e: float, f: float) -> Floats:
    """Return a linear map with a shift, (x, y) to (a x + b y + c, d x + e y + f), as a square matrix."""
    return np.array([[a, b, c], [d, e, f], [0.0, 0.0, 1.0]])
