"""Placement of exposures on one pixel grid: whole-pixel shifts from their WCS or from the pixel origins of headers."""

from __future__ import annotations

__all__ = ["GridMember", "Placement", "place"]

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .celestial import CelestialGrid, GridMember, UnusableWcsError, directions_of, short
from .sets import joined, several

Floats = NDArray[np.float64]

# A shift is whole if no pixel is farther from it than this, in pixels.
_TOLERANCE = 0.1
# Rotation, scale and distortions are named if they move a pixel of the exposure by more than this.
_WORTH_NAMING = 0.02
# Number of exposures with whose grid all others are compared, before the one with most agreement is taken.
_TRIES = 4
# Number of exposures that are named with figures.
_DETAILED = 5
# Farthest pixel origin for which the corners of boxes are numbers of 32 bits.
_FARTHEST_ORIGIN = 2**30

_CURE = (
    "the method 'all' compares exposures of any pixel grid through their WCS; --same-grid (same_grid=True) compares "
    "pixels as they stand"
)


@dataclass
class Placement:
    """Positions of exposures on a common pixel grid.

    Attributes
    ----------
    origins : list of (x0, y0)
        Position of the first pixel of each exposure.
    notes : list of str
        What was assumed.
    problems : list of str
        Reasons why the exposures are not on one grid; the last sentence says what to do. Empty if they are.
    """

    origins: list[tuple[int, int]]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def place(members: Iterable[GridMember], *, same_grid: bool = False) -> Placement:
    """Place exposures on one pixel grid.

    Pixels of each exposure are mapped to the sky by its WCS and back to pixels by that of a base exposure, with all
    distortions. If the shift is constant and whole, it is the position of the exposure. The base is the first exposure,
    unless most of the others agree with another one. A WCS takes precedence over a pixel origin.

    Parameters
    ----------
    members : iterable of GridMember
    same_grid : bool
        Whether WCS are ignored: pixel origins are used if all exposures have one, otherwise all exposures start at
        the same pixel.

    Returns
    -------
    Placement
        The exposures are on one grid if it has no problems.
    """
    members = list(members)
    placement = _place(members)
    if not same_grid:
        return placement
    given = [member.origin for member in members if member.origin is not None]
    by_origin = bool(members) and len(given) == len(members)
    origins = given if by_origin else [(0, 0)] * len(members)
    notes = []
    if placement.problems or _moved(origins) != _moved(placement.origins):
        how = "placed by the pixel origins in their headers" if by_origin else "compared from their first pixels on"
        reasons = placement.problems[:-1] or ["the WCS or pixel origins give other positions"]
        notes = [f"the exposures are {how}, as --same-grid (same_grid=True) overrules: {'; '.join(reasons)}"]
    return Placement(origins, notes)


def _moved(origins: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return origins relative to the first."""
    return [(x - origins[0][0], y - origins[0][1]) for x, y in origins]


def _place(members: Sequence[GridMember]) -> Placement:
    notes: list[str] = []
    grids: dict[int, CelestialGrid] = {}
    off_sky: list[int] = []
    for index, member in enumerate(members):
        if member.wcs is None:
            continue
        try:
            grids[index] = CelestialGrid(member)
        except UnusableWcsError as error:
            if error.off_sky:
                off_sky.append(index)
            if error.message:
                notes.append(f"the WCS of {member.label} is not used: {error.message}")
    if len(notes) > _DETAILED:
        notes = [*notes[:_DETAILED], f"the WCS of {len(notes) - _DETAILED} more exposures are not used"]
    placement = _place_by_wcs(members, grids, off_sky) if grids else _place_by_origins(members)
    placement.notes[:0] = notes
    if placement.problems:
        placement.problems.append(_CURE)
    return placement


def _place_by_origins(members: Sequence[GridMember]) -> Placement:
    given = [member.origin for member in members if member.origin is not None]
    if len(given) == len(members):
        return Placement(given)
    placement = Placement([(0, 0)] * len(members))
    sizes: dict[tuple[int, int], list[str]] = {}
    for member in members:
        sizes.setdefault(member.shape, []).append(member.label)
    if len(sizes) > 1:
        found = "; ".join(f"{several(labels)}: {w} x {h}" for (h, w), labels in list(sizes.items())[:_DETAILED])
        more = f"; and {len(sizes) - _DETAILED} more sizes" if len(sizes) > _DETAILED else ""
        lacking = "no header gives" if not given else "not all headers give"
        placement.problems.append(f"sizes differ ({found}{more}), and {lacking} a pixel origin or a WCS")
    elif len(set(given)) > 1:
        labels = [member.label for member in members if member.origin is None]
        verb = "has" if len(labels) == 1 else "have"
        placement.problems.append(f"the pixel origins of the exposures differ, and {several(labels)} {verb} none")
    elif given:
        placement.origins = [given[0]] * len(members)
    return placement


def _place_by_wcs(members: Sequence[GridMember], grids: dict[int, CelestialGrid], off_sky: Sequence[int]) -> Placement:
    base, shifts, reasons = _best_base(grids)
    start = members[base].origin or (0, 0)
    placement = Placement([member.origin or start for member in members])
    for index, (x, y) in shifts.items():
        placement.origins[index] = (start[0] + x, start[1] + y)
    if reasons:
        placement.problems = [
            f"{members[index].label} is not on the pixel grid of {members[base].label}: it {reason}"
            for index, reason in list(reasons.items())[:_DETAILED]
        ]
        rest = [members[index].label for index in list(reasons)[_DETAILED:]]
        if rest:
            verb = "is" if len(rest) == 1 else "are"
            placement.problems.append(f"{several(rest)} {verb} not on the pixel grid of {members[base].label} either")
    if off_sky:  # elsewhere, and not a WCS that says nothing
        labels = [members[index].label for index in off_sky]
        verb = "has" if len(labels) == 1 else "have"
        placement.problems.append(f"{several(labels)} {verb} a WCS that gives the pixels no positions on the sky")
    without = [index for index in range(len(members)) if index not in grids and index not in off_sky]
    _place_without_wcs(members, base, without, placement)
    found = np.array(list(shifts.values()))
    if found.any():
        ranges = zip("xy", found.min(axis=0), found.max(axis=0), strict=True)
        along = [f"{low} to {high} in {axis}" for axis, low, high in ranges if low != high]
        placement.notes.append(f"the exposures are placed by their WCS: whole-pixel shifts from {' and '.join(along)}")
    named = [members[i].label for i in shifts if grids[i].frame_key != grids[base].frame_key]
    if named and all(grids[i].numbers == grids[base].numbers for i in shifts):
        verb = "has" if len(named) == 1 else "have"
        placement.notes.append(
            f"{several(named)} {verb} another reference system than {members[base].label}: FK5 and ICRS, which agree "
            "within 0.03 arcsec"
        )
    _compare_with_origins(members, shifts, placement)
    return placement


def _place_without_wcs(members: Sequence[GridMember], base: int, without: Sequence[int], placement: Placement) -> None:
    """Place the exposures without a WCS in a set where others have one."""
    assumed, by_origin = [], []
    for index in without:
        member = members[index]
        if member.origin is not None and members[base].origin is not None:
            by_origin.append(member.label)
        elif member.shape == members[base].shape and not (member.origin and any(member.origin)):
            placement.origins[index] = placement.origins[base]
            assumed.append(member.label)
        elif member.shape == members[base].shape:
            placement.problems.append(
                f"{member.label} has a pixel origin, {member.origin}, and no WCS; {members[base].label} has a WCS and "
                "no pixel origin"
            )
        else:
            size, usual = (f"{shape[1]} x {shape[0]}" for shape in (member.shape, members[base].shape))
            placement.problems.append(
                f"{member.label} has no WCS and another size ({size}) than {members[base].label} ({usual})"
            )
    if by_origin:
        verb = "has no WCS and is" if len(by_origin) == 1 else "have no WCS and are"
        placement.notes.append(f"{several(by_origin)} {verb} placed by the pixel origin of the header")
    if assumed:
        verb = "has no WCS and is" if len(assumed) == 1 else "have no WCS and are"
        placement.notes.append(f"{several(assumed)} {verb} assumed to be on the grid of {members[base].label}")


def _compare_with_origins(
    members: Sequence[GridMember], shifts: dict[int, tuple[int, int]], placement: Placement
) -> None:
    """Add a note if pixel origins contradict the WCS."""
    offsets: dict[int, tuple[int, int]] = {}
    for index, (x, y) in shifts.items():
        origin = members[index].origin
        if origin is not None:
            offsets[index] = (origin[0] - x, origin[1] - y)
    if len(set(offsets.values())) > 1:
        usual = Counter(offsets.values()).most_common(1)[0][0]
        labels = [members[index].label for index, offset in offsets.items() if offset != usual]
        verb = "contradicts its" if len(labels) == 1 else "contradict their"
        noun = "the pixel origin" if len(labels) == 1 else "the pixel origins"
        placement.notes.append(f"{noun} of {several(labels)} {verb} WCS, which is used")


def _best_base(grids: dict[int, CelestialGrid]) -> tuple[int, dict[int, tuple[int, int]], dict[int, str]]:
    """Choose the exposure with whose grid most others agree; return it, the shifts of those, and reasons of others."""
    best: tuple[int, dict[int, tuple[int, int]], dict[int, str]] | None = None
    agreed: set[int] = set()
    for _ in range(_TRIES):
        base = next((index for index in grids if index not in agreed), None)
        if base is None:
            break
        shifts, reasons = _compare(grids, base)
        agreed |= {base, *shifts}
        if best is None or len(shifts) > len(best[1]):
            best = (base, shifts, reasons)
        if 2 * len(best[1]) >= len(grids):
            break
    assert best is not None  # there is at least one grid
    return best


def _compare(grids: dict[int, CelestialGrid], base: int) -> tuple[dict[int, tuple[int, int]], dict[int, str]]:
    """Return the whole-pixel shifts of exposures on the grid of the base, and for the others the reason."""
    shifts = _shifts_of_crpix(grids, base)
    others = [index for index in grids if index not in shifts]
    reasons: dict[int, str] = {}
    for index, pixels in _mapped(grids, base, others, reasons).items():
        grid = grids[index]
        usable = np.isfinite(pixels).all(axis=1)
        # Points off the sky, such as the corners of an all-sky map, say nothing.
        if usable.sum() < max(3, np.isfinite(grid.sky).all(axis=1).sum() / 2):
            reasons[index] = grid.distance(grids[base])
            continue
        moved = pixels[usable] - grid.points[usable]
        shift = np.rint(np.median(moved, axis=0))
        if abs(shift).max() > _FARTHEST_ORIGIN:
            reasons[index] = f"is shifted by {shift[0]:.0f}, {shift[1]:.0f} px, farther than {_FARTHEST_ORIGIN} px"
        elif np.hypot(*(moved - shift).T).max() <= _TOLERANCE:
            shifts[index] = (int(shift[0]), int(shift[1]))
        else:
            reasons[index] = _describe(grid.points[usable], pixels[usable], grid.shape)
    order = {index: place for place, index in enumerate(grids)}
    return (
        dict(sorted(shifts.items(), key=lambda item: order[item[0]])),
        dict(sorted(reasons.items(), key=lambda item: order[item[0]])),
    )


def _shifts_of_crpix(grids: dict[int, CelestialGrid], base: int) -> dict[int, tuple[int, int]]:
    """Return the shifts of exposures whose WCS is that of the base after a shift of CRPIX by whole pixels.

    Only the direction from pixels to the sky is used, which cannot fail to converge, and for which it does not matter
    that some projections give several pixels for one position.
    """
    own = grids[base]
    shifts: dict[int, tuple[int, int]] = {base: (0, 0)}
    likely: dict[int, Floats] = {}
    for index, grid in grids.items():
        if index == base or own.crpix is None or grid.crpix is None or grid.numbers != own.numbers:
            continue
        shift = own.crpix - grid.crpix
        whole = np.rint(shift)
        if (
            np.isfinite(shift).all()
            and np.hypot(*(shift - whole)) <= _TOLERANCE
            and abs(whole).max() <= _FARTHEST_ORIGIN
        ):
            likely[index] = whole
    if not likely:
        return shifts
    points = np.concatenate([grids[index].points + shift for index, shift in likely.items()])
    expected = own.to_sky(points).reshape(len(likely), -1, 2)
    for (index, whole), sky in zip(likely.items(), expected, strict=True):
        grid = grids[index]
        # Half a picoradian is far below any pixel and above the errors of rounding.
        apart = np.linalg.norm(directions_of(sky) - directions_of(grid.sky), axis=1) - 5e-13
        same_holes = (np.isfinite(sky).all(axis=1) == np.isfinite(grid.sky).all(axis=1)).all()
        usable = np.isfinite(apart)
        # The CRPIX may differ by part of the tolerance, which is counted by `apart`.
        if same_holes and (apart[usable] <= _TOLERANCE * grid.pixel_sizes[usable]).all():
            shifts[index] = (int(whole[0]), int(whole[1]))
    return shifts


def _mapped(
    grids: dict[int, CelestialGrid], base: int, others: Sequence[int], reasons: dict[int, str]
) -> dict[int, Floats]:
    """Map the points of exposures to pixels of the base, in one call for all exposures of the same frame."""
    by_frame: dict[Hashable, list[int]] = {}
    for index in others:
        by_frame.setdefault(grids[index].frame_key, []).append(index)
    found: dict[int, Floats] = {}
    for indices in by_frame.values():
        sky = np.concatenate([grids[index].sky for index in indices])
        try:
            pixels = grids[base].to_pixels(grids[base].in_own_frame(sky, grids[indices[0]]))
        except Exception as error:  # libraries of WCS raise many kinds of exceptions
            for index in indices:
                reasons[index] = f"has a WCS that cannot be compared ({short(error)})"
            continue
        parts = pixels.reshape(len(indices), -1, 2)
        found.update(zip(indices, parts, strict=True))
    return found


def _describe(points: Floats, pixels: Floats, shape: tuple[int, int]) -> str:
    """Say by how much positions differ from those of a whole-pixel shift."""
    height, width = shape
    if min(height, width) < 2:  # a line has neither a rotation nor a scale of its own
        x, y = np.median(pixels - points, axis=0)
        return f"is shifted by ({x:z.2f}, {y:z.2f}) px"
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    half = math.hypot(*centre)
    columns = np.column_stack([np.ones(len(points)), points - centre])
    coefficients = np.linalg.lstsq(columns, pixels, rcond=None)[0]
    linear = coefficients[1:].T
    mirrored = bool(np.linalg.det(linear) < 0)
    mirror = np.diag([-1.0, 1.0]) if mirrored else np.eye(2)
    turned = linear @ mirror
    angle = math.atan2(turned[1, 0] - turned[0, 1], turned[0, 0] + turned[1, 1])
    scale = math.sqrt(abs(np.linalg.det(linear)))
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    residual = pixels - (coefficients[0] + (points - centre) @ (scale * rotation @ mirror).T)
    distortion = np.hypot(*residual.T).max()
    parts = []
    if mirrored:
        parts.append("is mirrored")
    elif abs(angle) < math.pi / 4:  # a shift of an exposure that is turned farther says nothing
        x, y = coefficients[0] - centre
        parts.append(f"is shifted by ({x:z.2f}, {y:z.2f}) px")
    if abs(angle) * half > _WORTH_NAMING:
        turn = f"{math.degrees(angle):.3g}".replace("-180", "180")
        parts.append(f"is rotated by {turn} deg")
    if abs(scale - 1) * half > _WORTH_NAMING:
        parts.append(f"has a scale {scale:.6g} times as large")
    if distortion > _WORTH_NAMING:
        parts.append(f"has distortions that differ by up to {distortion:.2g} px")
    return joined(parts)
