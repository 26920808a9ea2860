"""The pixel grid of a coadd: where exposures of one grid lie on it, and which exposures must be resampled."""

from __future__ import annotations

__all__ = ["RESAMPLE", "TargetGrid", "find_target_grid"]

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from .._checks import real_number, shown
from ..errors import EvenskyError, InvalidParameterError, UnsuitableError
from ..fits.opening import quiet
from ..matching.celestial import CelestialGrid, GridMember, UnusableWcsError
from ..matching.placement import place
from ..matching.sets import several
from .extra import imported
from .fits_wcs import LATTICE, fits_in_cards, fitted_wcs, points_of, shifted_wcs
from .given_grid import LONGEST, checked_size, given_grid

Floats = NDArray[np.float64]
Box = tuple[int, int, int, int]

RESAMPLE: Final[Literal["resample"]] = "resample"
"""Placement of an exposure that is not on the pixels of the grid."""

# The box of an exposure on another grid grows by this number of pixels, as outlines may be curved.
_MARGIN = 2
# A grid that is laid around exposures has at most this many pixels, or this multiple of the pixels of all exposures.
_MOST_FOUND, _MOST_TIMES = 2**28, 32
# Ratio of the areas of pixels beyond which methods that use the nearest pixels alone lose information.
_MUCH_FINER = 2.0
# Number of exposures that are named with figures.
_DETAILED = 5
# Number of bytes of a pixel of a plane.
_PIXEL_BYTES = 4

_CURE = (
    "leave these exposures out, or combine all pixels as they stand with --same-grid (same_grid=True) if they are on "
    "one grid"
)


@dataclass(frozen=True)
class TargetGrid:
    """The pixel grid of a coadd, and the place of each exposure on it.

    Attributes
    ----------
    wcs : astropy.wcs.WCS or None
        WCS of the grid; array index (0, 0) is pixel (0, 0). None for a plain pixel grid.
    shape : (height, width)
    shifts : tuple of (dy, dx) or "resample"
        For each exposure, the row and column of the grid at which its first pixel lies, which may be negative; or
        "resample" if its pixels are not pixels of the grid.
    boxes : tuple of (x0, y0, width, height)
        Pixels of the grid that each exposure may cover, cut at the edges of the grid; width or height is 0 for an
        exposure that lies beyond them.
    origin : (x0, y0)
        Pixel origin of the grid, in the pixels in which headers give those of exposures; (0, 0) if they give none.
    notes : tuple of str
        What was assumed.
    """

    wcs: Any
    shape: tuple[int, int]
    shifts: tuple[tuple[int, int] | Literal["resample"], ...]
    boxes: tuple[Box, ...]
    origin: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()

    @property
    def resampled(self) -> tuple[int, ...]:
        """Numbers of the exposures that must be resampled."""
        return tuple(index for index, found in enumerate(self.shifts) if found == RESAMPLE)


def find_target_grid(
    members: Iterable[GridMember],
    *,
    wcs: Any = None,
    shape: tuple[int, int] | None = None,
    same_grid: bool = False,
    pixel_scale: float | None = None,
) -> TargetGrid:
    """Find the pixel grid of a coadd.

    Exposures of one pixel grid keep their pixels: the result covers all of them, and each is shifted by whole pixels.
    If more than half of the exposures are on the grid of the first, the others are resampled onto it. Otherwise, all
    are resampled onto a grid around all of them in a tangent projection, north up, with the pixels of the finest
    exposure. A grid may be given instead; exposures that are on it keep their pixels.

    Parameters
    ----------
    members : iterable of GridMember
        Geometry of the exposures, in any order.
    wcs : astropy.wcs.WCS, astropy.io.fits.Header, str or path-like, optional
        The grid: a WCS, a header, or a file with one image or with the text of a header.
    shape : (height, width), optional
        Size of the grid that `wcs` gives. By default that of its header, or, for a WCS without a size, such that all
        exposures fit: the corner is moved by whole pixels.
    same_grid : bool, optional
        Whether the WCS of the exposures are ignored: pixel origins are used if all exposures have one, otherwise all
        exposures start at the same pixel.
    pixel_scale : float, optional
        Size of the pixels of the result in arcsec; not with `wcs` or `same_grid`.

    Returns
    -------
    TargetGrid

    Raises
    ------
    evensky.errors.UnsuitableError
        If exposures cannot be placed, or the grid around all of them is too large.
    evensky.errors.InvalidParameterError
        If an argument is not allowed.
    evensky.errors.FitsError
        If the file of the grid cannot be read.

    Examples
    --------
    >>> members = [GridMember("a", (100, 200), (0, 0), None), GridMember("b", (100, 200), (5, -3), None)]
    >>> grid = find_target_grid(members)
    >>> grid.shape, grid.shifts
    ((103, 205), ((3, 0), (0, 5)))
    """
    members = list(members)
    if not members:
        raise InvalidParameterError("There are no exposures to combine; at least one is needed")
    if pixel_scale is not None:
        pixel_scale = _checked_scale(pixel_scale, wcs, same_grid)
    size = None if shape is None else checked_size(shape, wcs)
    given = None
    if wcs is not None:
        given, size = given_grid(wcs, size)
    if given is not None and not same_grid:
        return _on_given_grid(members, given, size)
    if pixel_scale is not None:
        grids = _grids_of(members)
    else:
        placement = place(members, same_grid=same_grid)
        if not placement.problems:
            return _on_one_grid(members, placement.origins, placement.notes, given, size)
        grids = _grids_of(members)
        if (common := _grid_of_most(members)) is not None:
            return _on_given_grid(members, common, None)
    return _on_grid_around(members, grids, pixel_scale)


# ---- arguments ----


def _checked_scale(pixel_scale: Any, wcs: Any, same_grid: bool) -> float:
    other = "wcs" if wcs is not None else "same_grid" if same_grid else ""
    if other:
        raise InvalidParameterError(
            f"pixel_scale is {shown(pixel_scale)}, but {other} gives the pixels of the result; pass one of the two"
        )
    scale = real_number(pixel_scale, "pixel_scale")
    if not (math.isfinite(scale) and scale > 0):
        raise InvalidParameterError(f"pixel_scale is {shown(pixel_scale)}; it must be a size in arcsec > 0")
    return scale


# ---- grids ----


def _on_one_grid(
    members: Sequence[GridMember],
    origins: Sequence[tuple[int, int]],
    notes: Sequence[str],
    given: Any,
    size: tuple[int, int] | None,
) -> TargetGrid:
    """Return the grid of exposures that are on one grid: around all of them, unless a size is given."""
    corner = np.min(origins, axis=0)
    ends = np.max([(x + m.shape[1], y + m.shape[0]) for (x, y), m in zip(origins, members, strict=True)], axis=0)
    x0, y0 = (int(number) for number in corner)
    width, height = (int(number) for number in ends - corner)
    notes = list(notes)
    if given is not None:
        wcs = given
        height, width = size or (height, width)
        notes.append("the WCS of the result is the given one, at the first pixel of all exposures")
    else:
        _check_found(members, height, width)
        wcs, more = _common_wcs(members, origins, (x0, y0), (height, width))
        notes += more
    shifts = tuple((y - y0, x - x0) for x, y in origins)
    boxes = tuple(
        _cut(dx, dy, dx + m.shape[1], dy + m.shape[0], (height, width))
        for (dy, dx), m in zip(shifts, members, strict=True)
    )
    has_origin = any(member.origin is not None for member in members)
    return TargetGrid(wcs, (height, width), shifts, boxes, (x0, y0) if has_origin else (0, 0), tuple(notes))


def _common_wcs(
    members: Sequence[GridMember],
    origins: Sequence[tuple[int, int]],
    corner: tuple[int, int],
    shape: tuple[int, int],
) -> tuple[Any, list[str]]:
    """Return the WCS of the grid of exposures that are on one grid, None if they have none, and notes."""
    from astropy.wcs import WCS

    for member, (x, y) in zip(members, origins, strict=True):
        if member.wcs is None:
            continue
        try:
            grid = CelestialGrid(member)
        except UnusableWcsError:  # place() has told it
            continue
        dx, dy = x - corner[0], y - corner[1]
        if isinstance(member.wcs, WCS):
            wcs = shifted_wcs(member.wcs if member.wcs.naxis == 2 else member.wcs.celestial, dx, dy, shape)
            if fits_in_cards(wcs, member.shape, (dx, dy)):
                return wcs, []
        fitted, error = fitted_wcs(grid, shape, (dx, dy))
        if fitted is None:
            return None, [f"the result has no WCS, as that of {member.label} does not fit in the cards of a header"]
        return fitted, [
            f"the WCS of the result is fitted to that of {member.label}, which does not fit in the cards of a header; "
            f"it differs by up to {error:.2g} px"
        ]
    return None, []


def _grid_of_most(members: Sequence[GridMember]) -> Any:
    """Return the WCS of the first exposure if more than half of all exposures are on its grid, otherwise None."""
    from astropy.wcs import WCS

    first, *others = members
    if not isinstance(first.wcs, WCS):
        return None
    beside = 0
    for other in others:
        beside += bool(place([first, other]).problems)
        if 2 * beside >= len(members):
            return None
    # Without a size, the grid is laid around all exposures.
    wcs = shifted_wcs(first.wcs if first.wcs.naxis == 2 else first.wcs.celestial, 0, 0)
    return wcs if fits_in_cards(wcs, first.shape, (0, 0)) else None


def _on_grid_around(
    members: Sequence[GridMember], grids: Sequence[CelestialGrid], pixel_scale: float | None
) -> TargetGrid:
    """Return a grid in a tangent projection around exposures that have a WCS."""
    mosaicking = imported("reproject.mosaicking")
    from astropy.units import arcsec

    if pixel_scale is None:
        # The pixels of an exposure, which may differ from those at the reference point of its projection.
        pixel_scale = float(f"{min(math.degrees(math.sqrt(np.nanmedian(grid.areas))) for grid in grids) * 3600:.5g}")
    try:
        with quiet():
            wcs, shape = mosaicking.find_optimal_celestial_wcs(
                [(member.shape, member.wcs) for member in members],
                resolution=pixel_scale * arcsec,
            )
    except Exception as error:  # exposures without a tangent plane in common, WCS of any library
        raise UnsuitableError(
            [f"no grid around all exposures is found ({error}); give one: --wcs FILE (wcs=...)"]
        ) from error
    height, width = (int(number) for number in shape)
    _check_found(members, height, width)
    wcs.array_shape = height, width
    base = CelestialGrid(GridMember("the grid of the result", (height, width), None, wcs))
    extents = [_extent(member, grid, base, (height, width)) for member, grid in zip(members, grids, strict=True)]
    boxes = tuple(_cut(x0, y0, x1, y1, (height, width)) for x0, y0, x1, y1 in extents)
    notes = _notes_of_pixels(members, grids, base)
    shifts = (RESAMPLE,) * len(members)
    return TargetGrid(wcs, (height, width), shifts, boxes, (0, 0), tuple(notes))


def _notes_of_pixels(members: Sequence[GridMember], grids: Sequence[CelestialGrid], base: CelestialGrid) -> list[str]:
    """Tell which exposures lose information if a pixel of the grid is made of the nearest pixels alone."""
    area = float(np.nanmedian(base.areas))
    ratios = [area / float(np.nanmedian(grid.areas)) for grid in grids]
    fine = [member.label for member, ratio in zip(members, ratios, strict=True) if ratio > _MUCH_FINER]
    if not fine:
        return []
    return [
        f"the pixels of {several(fine)} are up to {max(ratios):.3g} times smaller in area than those of the result; "
        "the methods interp and nearest leave part of them out, and adaptive and exact average all of them"
    ]


def _check_found(members: Sequence[GridMember], height: int, width: int) -> None:
    """Raise an error if a grid around exposures is so large that most of it must be empty."""
    covered = sum(member.shape[0] * member.shape[1] for member in members)
    if height * width <= max(_MOST_FOUND, _MOST_TIMES * covered) and max(height, width) <= LONGEST:
        return
    gigabytes = height * width * _PIXEL_BYTES / 1e9
    raise UnsuitableError(
        [
            f"the grid around all exposures has {width} x {height} pixels ({gigabytes:.3g} GB for each plane), of "
            f"which the exposures cover at most {100 * covered / (height * width):.2g} %; leave out the exposures that "
            "lie far from the others, give a smaller grid with --wcs FILE (wcs=..., shape=...), or choose larger "
            "pixels with pixel_scale"
        ]
    )


def _grids_of(members: Sequence[GridMember]) -> list[CelestialGrid]:
    """Return the celestial grids of exposures.

    Raises
    ------
    evensky.errors.UnsuitableError
        If one has no usable WCS.
    """
    grids, problems = [], []
    for member in members:
        try:
            if member.wcs is None:
                raise UnusableWcsError("")
            grids.append(CelestialGrid(member))
        except UnusableWcsError as error:
            problems.append(
                f"the WCS of {member.label} cannot be used: {error.message}"
                if error.message
                else f"{member.label} has no WCS, without which it cannot be resampled"
            )
    if problems:
        rest = len(problems) - _DETAILED
        shapes = list(dict.fromkeys(member.shape for member in members if member.wcs is None))
        if len(shapes) > 1:
            problems.insert(0, f"shapes differ, {shapes[0]} and {shapes[1]}, so the exposures are not on one grid")
        few = problems if rest <= 1 else [*problems[:_DETAILED], f"the same holds for {rest} more"]
        raise UnsuitableError([*few, _CURE])
    return grids


def _on_given_grid(members: Sequence[GridMember], wcs: Any, size: tuple[int, int] | None) -> TargetGrid:
    """Place exposures on a grid with a WCS, and lay the grid around them if it has no size."""
    target = GridMember("the grid of the result", size or members[0].shape, None, wcs)
    try:
        base = CelestialGrid(target)
    except UnusableWcsError as error:
        raise InvalidParameterError(f"wcs cannot be used: {error.message}; the WCS of an image is needed") from None
    shifts: list[tuple[int, int] | Literal["resample"]] = []
    extents: list[Floats] = []
    assumed, to_resample = [], []
    for index, member in enumerate(members):
        placement = place([target, member])
        if placement.problems:
            shifts.append(RESAMPLE)
            to_resample.append(index)
            extents.append(np.full(4, np.nan))
            continue
        (x0, y0), (x, y) = placement.origins
        shifts.append((y - y0, x - x0))
        extents.append(np.array([x - x0, y - y0, x - x0 + member.shape[1], y - y0 + member.shape[0]], float))
        if any("assumed to be on the grid" in note for note in placement.notes):
            assumed.append(member.label)
    notes = []
    if assumed:
        verb = "has no WCS and is" if len(assumed) == 1 else "have no WCS and are"
        notes.append(f"{several(assumed)} {verb} assumed to be on the grid of the result")
    others = [members[index] for index in to_resample]
    grids = _grids_of(others)
    for index, grid in zip(to_resample, grids, strict=True):
        extents[index] = _extent(members[index], grid, base, size)
    notes += _notes_of_pixels(others, grids, base)
    if size is None:
        wcs, size, x0, y0 = _laid_around(members, wcs, np.array(extents))
        shifts = [found if isinstance(found, str) else (found[0] - y0, found[1] - x0) for found in shifts]
        extents = [extent - [x0, y0, x0, y0] for extent in extents]
    boxes = tuple(_cut(x0, y0, x1, y1, size) for x0, y0, x1, y1 in extents)
    outside = [member.label for member, box in zip(members, boxes, strict=True) if not box[2] * box[3]]
    if len(outside) == len(members):
        raise UnsuitableError(
            [
                f"none of the {len(members)} exposures lies on the given grid of {size[1]} x {size[0]} pixels; give "
                "one that covers them, or leave wcs out"
            ]
        )
    if outside:
        verb = "lies" if len(outside) == 1 else "lie"
        notes.append(f"{several(outside)} {verb} outside of the grid of the result")
    return TargetGrid(wcs, size, tuple(shifts), boxes, (0, 0), tuple(notes))


def _laid_around(members: Sequence[GridMember], wcs: Any, extents: Floats) -> tuple[Any, tuple[int, int], int, int]:
    """Return a WCS that is moved by whole pixels so that all exposures fit, the size, and the moved corner."""
    unknown = [member.label for member, extent in zip(members, extents, strict=True) if not np.isfinite(extent).all()]
    if unknown:
        verb = "has" if len(unknown) == 1 else "have"
        raise UnsuitableError(
            [f"{several(unknown)} {verb} pixels without a position on the given grid; give its size, too: shape=..."]
        )
    x0, y0 = (int(number) for number in extents[:, :2].min(axis=0))
    width, height = (int(number) for number in extents[:, 2:].max(axis=0) - (x0, y0))
    _check_found(members, height, width)
    return shifted_wcs(wcs, -x0, -y0, (height, width)), (height, width), x0, y0


def _extent(member: GridMember, grid: CelestialGrid, target: CelestialGrid, size: tuple[int, int] | None) -> Floats:
    """Return the pixels (x0, y0, x1, y1) of a grid that an exposure of another grid may cover; whole numbers.

    Points along the outline and inside of the exposure are mapped to the grid and, if its size is known, points of the
    grid to the exposure, which finds exposures around a pole of the grid or across its edge. NaN if points of the
    exposure have no position on a grid without a size.
    """
    inside = _to_other(grid, target, points_of(member.shape), member.label)
    if size is None:
        low, high = inside.min(axis=0), inside.max(axis=0)
        return np.concatenate([np.floor(low + 0.5), np.floor(high + 0.5) + 1])
    height, width = size
    lattice = points_of(size)
    back = _to_other(target, grid, lattice, member.label)
    with np.errstate(invalid="ignore"):
        covered = ((back > -1) & (back < np.array(member.shape[::-1]))).all(axis=1)
    known = inside[np.isfinite(inside).all(axis=1)]
    # Outlines with points of no position may reach anywhere; so may an exposure that holds a point of the sky where
    # the grid is cut.
    apart = max(width, height) / (LATTICE - 1) + 1
    found = [known.min(axis=0) - _MARGIN, known.max(axis=0) + _MARGIN] if len(known) else []
    if covered.any():
        found += [lattice[covered].min(axis=0) - apart, lattice[covered].max(axis=0) + apart]
    if len(known) < len(inside) and covered.any():
        return np.array([0, 0, width, height], float)
    if not found:
        return np.zeros(4)
    low, high = np.min(found, axis=0), np.max(found, axis=0)
    return np.concatenate([np.floor(low + 0.5), np.floor(high + 0.5) + 1])


def _to_other(grid: CelestialGrid, other: CelestialGrid, points: Floats, label: str) -> Floats:
    """Map pixels of one celestial grid to those of another; NaN where there is no position."""
    try:
        return other.to_pixels(other.in_own_frame(grid.to_sky(points), grid))
    except EvenskyError:
        raise
    except Exception as error:  # libraries of WCS raise many kinds of exceptions
        raise UnsuitableError(
            [f"{label}: its WCS cannot be compared with that of the result ({error})", _CURE]
        ) from error


def _cut(x0: float, y0: float, x1: float, y1: float, size: tuple[int, int]) -> Box:
    """Return the box between corners, without what lies beyond a grid of a size."""
    height, width = size
    left, right = (int(min(max(x, 0), width)) for x in (x0, x1))
    low, high = (int(min(max(y, 0), height)) for y in (y0, y1))
    return left, low, max(right - left, 0), max(high - low, 0)
