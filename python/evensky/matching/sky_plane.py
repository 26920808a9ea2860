"""The plane on which exposures with different WCS are compared, and the maps from their pixels to it.

The plane is the sky in the equal-area projection of Lambert (FITS code ZEA) about the mean direction of the exposures,
so that all virtual pixels have the same area. A map holds positions at nodes and interpolates between them. Only the
direction from pixels to the sky is asked of a WCS; the other one is found with Newton's method on a spline through the
exact positions.
"""

from __future__ import annotations

__all__ = ["SkyPlacement", "SkyPlane", "place_on_sky"]

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .celestial import CelestialGrid, GridMember, UnusableWcsError, directions_of
from .joint.grid import PixelBox
from .joint.pixel_map import PixelMap, bilinear
from .sets import several

Floats = NDArray[np.float64]

# Farthest distance of a pixel from the mean direction, in degrees. Shapes are stretched by 4 : 1 there.
_FARTHEST = 120.0
# Distances of the nodes that are tried, in pixels; all are powers of 2.
_LARGEST_STEP, _SMALLEST_STEP = 128, 8
# Largest number of cells along the longer side of an exposure that are tried because of holes, around which whole
# cells are lost: the time grows with the square of the number.
_MOST_CELLS = 256
# Least number of cells between nodes along the shorter side of an exposure, so that splines have enough nodes.
_FEWEST_CELLS = 4
# Largest error of interpolated positions in pixels, and the part of it for which the distance of the nodes is chosen.
_TOLERANCE, _AIM = 0.05, 0.7
# Errors of interpolated positions beyond which the nearest pixel is another one, in pixels.
_USELESS = 0.5
# Number of positions along each axis at which the error is measured.
_CHECKS = 16
# Newton's method ends when positions agree with those wanted to this part of a pixel, or after this number of steps.
_CONVERGED, _MOST_STEPS = 1e-4, 20
# Virtual pixels are not smaller than this part of the pixels of the coarsest exposure.
_LEAST_AREA = 0.25
# Areas and orientations within these limits (relative; radians) are taken as equal.
_SAME_AREA, _SAME_ANGLE = 0.01, 0.01
# Part of a pixel by which the box of virtual pixels is larger than the exposure, as positions are interpolated.
_MARGIN = 0.1
# Farthest virtual pixel, so that the corners of boxes are numbers of 32 bits.
_FARTHEST_PIXEL = 2**29
# Side of the patch on which the repeats of pixels are counted, in virtual pixels.
_PATCH = 64
# Number of exposures that are named with figures.
_DETAILED = 5

_CURE = (
    "leave these exposures out, or compare all pixels as they stand with --same-grid (same_grid=True) if they are on "
    "one grid"
)


@dataclass(frozen=True)
class SkyPlane:
    """A virtual pixel grid in the equal-area projection of Lambert (FITS code ZEA), in ICRS.

    Attributes
    ----------
    axes : ndarray, shape (3, 3)
        Unit vectors to the east and to the north at the centre, and of the centre itself.
    matrix : ndarray, shape (2, 2)
        Derivatives of the projected position (east, north), in radians, with respect to virtual pixels.
    centre : (float, float)
        Position (x, y) of the centre of the projection, in virtual pixels.
    """

    axes: Floats
    matrix: Floats
    centre: tuple[float, float]

    @property
    def pixel_area(self) -> float:
        """Area of each virtual pixel in steradian."""
        return float(abs(np.linalg.det(self.matrix)))

    @cached_property
    def wcs(self) -> Any:
        """The plane as an `astropy.wcs.WCS`; array index (0, 0) is the virtual pixel (0, 0)."""
        from astropy.wcs import WCS

        wcs = WCS(naxis=2)
        wcs.wcs.ctype = "RA---ZEA", "DEC--ZEA"
        wcs.wcs.cunit = "deg", "deg"
        wcs.wcs.radesys = "ICRS"
        x, y, z = self.axes[2].tolist()
        # At a pole, the direction to the east tells the right ascension.
        longitude = math.atan2(-self.axes[0, 0], self.axes[0, 1])
        wcs.wcs.crval = math.degrees(longitude) % 360, math.degrees(math.atan2(z, math.hypot(x, y)))
        wcs.wcs.lonpole = 180.0
        wcs.wcs.crpix = self.centre[0] + 1, self.centre[1] + 1
        wcs.wcs.cd = np.degrees(self.matrix)
        wcs.wcs.set()
        return wcs

    def project(self, directions: Floats) -> Floats:
        """Return positions in virtual pixels of directions, unit vectors of the shape (n, 3); NaN at the antipode."""
        east, north, along = (directions @ self.axes.T).T
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = np.sqrt(2 / (1 + along))
            projected = np.stack([east * factor, north * factor])
        projected[:, ~np.isfinite(projected).all(axis=0)] = np.nan
        pixels: Floats = (np.linalg.inv(self.matrix) @ projected).T + self.centre
        return pixels

    def to_plane(self, longitude: ArrayLike, latitude: ArrayLike) -> tuple[Floats, Floats]:
        """Return the virtual pixels of positions on the sky.

        Parameters
        ----------
        longitude, latitude : array_like
            Right ascension and declination in ICRS, in degrees.

        Returns
        -------
        x, y : ndarray
        """
        sky = np.stack(np.broadcast_arrays(np.asarray(longitude, float), np.asarray(latitude, float)), axis=-1)
        pixels = self.project(directions_of(sky.reshape(-1, 2))).reshape(sky.shape)
        return pixels[..., 0], pixels[..., 1]

    def offsets(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """Return the projected offsets of virtual pixels from the centre, in degrees to the east and to the north.

        Parameters
        ----------
        x, y : array_like

        Returns
        -------
        east, north : ndarray
        """
        pixels = np.stack(np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float)), axis=-1)
        east, north = np.moveaxis(np.degrees((pixels - self.centre) @ self.matrix.T), -1, 0)
        return east, north

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """Return right ascension and declination, in degrees, of virtual pixels; NaN beyond the whole sky.

        Parameters
        ----------
        x, y : array_like

        Returns
        -------
        longitude, latitude : ndarray
            In ICRS; the right ascension lies between 0 and 360.
        """
        pixels = np.stack(np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float)), axis=-1)
        east, north = np.moveaxis((pixels - self.centre) @ self.matrix.T, -1, 0)
        squared = east**2 + north**2
        with np.errstate(invalid="ignore"):
            factor = np.sqrt(1 - squared / 4)
        x, y, z = np.moveaxis(np.stack([east * factor, north * factor, 1 - squared / 2], axis=-1) @ self.axes, -1, 0)
        return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))


@dataclass
class SkyPlacement:
    """Positions of exposures on the sky.

    Attributes
    ----------
    plane : SkyPlane or None
        None if there are problems.
    maps : list of PixelMap or None
        Map of each exposure; None if it cannot be placed.
    notes : list of str
        What was assumed or is imprecise.
    problems : list of str
        Reasons why the exposures cannot be compared on the sky; the last sentence says what to do. Empty if they can.
    """

    plane: SkyPlane | None
    maps: list[PixelMap | None]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def place_on_sky(members: Sequence[GridMember], *, per_pixel: Sequence[bool] | bool = False) -> SkyPlacement:
    """Place exposures on a common plane of the sky, each with its own WCS.

    The centre of the plane is the mean direction of the exposures. Orientation and parity are those of most of them,
    and the area of a virtual pixel is that of the finest exposure, but not less than a quarter of that of the coarsest.

    Parameters
    ----------
    members : sequence of GridMember
    per_pixel : bool or sequence of bool, optional
        Whether values are per pixel, such as counts, so that they grow with the area of a pixel; one for all
        exposures or one for each.

    Returns
    -------
    SkyPlacement
        The exposures can be compared if it has no problems.
    """
    placement = SkyPlacement(None, [None] * len(members))
    grids, placement.problems = _grids_of(members)
    if not placement.problems:
        placement.plane, placement.problems = _plane_of(members, grids)
    if placement.plane is None:
        placement.problems = [*_few(placement.problems), _CURE]
        return placement
    each = [per_pixel] * len(members) if isinstance(per_pixel, bool) else list(per_pixel)
    imprecise = []
    for index, (member, grid) in enumerate(zip(members, grids, strict=True)):
        try:
            found = _map_of(member, grid, placement.plane, each[index])
        except UnusableWcsError as error:
            placement.problems.append(f"the WCS of {member.label} cannot be used: {error.message}")
            continue
        placement.maps[index] = found
        if not found.error <= _TOLERANCE:
            imprecise.append(f"{member.label} by up to {found.error:.2g} px")
    if imprecise:
        placement.notes.append(
            "positions that are interpolated in the WCS differ from the exact ones by more than "
            f"{_TOLERANCE} px: {', '.join(_few(imprecise))}"
        )
    _note_skipped(members, grids, placement)
    if placement.problems:
        placement.problems = [*_few(placement.problems), _CURE]
    return placement


def _few(sentences: Sequence[str]) -> list[str]:
    """Return the first sentences and the number of the others."""
    if len(sentences) <= _DETAILED + 1:
        return list(sentences)
    return [*sentences[:_DETAILED], f"the same holds for {len(sentences) - _DETAILED} more"]


def _grid_of(member: GridMember) -> CelestialGrid:
    if member.wcs is None:
        raise UnusableWcsError("")
    return CelestialGrid(member)


def _without_wcs(member: GridMember, error: UnusableWcsError) -> str:
    if error.message:
        return f"the WCS of {member.label} cannot be used: {error.message}"
    return f"{member.label} has no WCS, which tells where its pixels are on the sky"


def _grids_of(members: Sequence[GridMember]) -> tuple[list[CelestialGrid], list[str]]:
    """Return the grids of all exposures, and reasons why some have none."""
    grids: list[CelestialGrid] = []
    problems: list[str] = []
    for member in members:
        try:
            grids.append(_grid_of(member))
        except UnusableWcsError as error:
            problems.append(_without_wcs(member, error))
    return grids, problems


def _plane_of(members: Sequence[GridMember], grids: Sequence[CelestialGrid]) -> tuple[SkyPlane | None, list[str]]:
    """Return the plane, or None and the reasons why there is none."""
    problems = []
    found = []
    for member, grid in zip(members, grids, strict=True):
        try:
            found.append(grid.in_icrs(grid.sky))
        except UnusableWcsError as error:
            problems.append(_without_wcs(member, error))
    if problems or not found:
        return None, problems or ["there are no exposures"]
    means = np.array([np.nanmean(directions, axis=0) for directions in found])
    lengths = np.linalg.norm(means, axis=1)
    # The whole sky has no mean direction; any will do to find that it is too large.
    centre = (means / np.maximum(lengths, 1e-3)[:, np.newaxis]).mean(axis=0)
    if np.linalg.norm(centre) < 1e-3:
        centre = found[0][np.isfinite(found[0]).all(axis=1)][0]
    centre = centre / np.linalg.norm(centre)
    limit = math.cos(math.radians(_FARTHEST))
    for member, directions in zip(members, found, strict=True):
        cosine = np.nanmin(directions @ centre)
        if cosine < limit:
            angle = math.degrees(math.acos(max(cosine, -1.0)))
            problems.append(
                f"{member.label} reaches {angle:.0f} deg from the mean direction of the exposures; at most "
                f"{_FARTHEST:.0f} deg can be compared on one plane"
            )
    if problems:
        return None, problems
    return _oriented(_axes_at(centre), grids), []


def _axes_at(centre: Floats) -> Floats:
    """Return unit vectors to the east, to the north and to the centre."""
    x, y, _ = centre
    distance = math.hypot(x, y)
    east = np.array([-y, x, 0.0]) / distance if distance > 1e-12 else np.array([0.0, 1.0, 0.0])
    return np.stack([east, np.cross(centre, east), centre])


def _oriented(axes: Floats, grids: Sequence[CelestialGrid]) -> SkyPlane:
    """Return the plane with the orientation, the parity and the pixels that suit the exposures."""
    radians = SkyPlane(axes, np.eye(2), (0.0, 0.0))
    derivatives, areas = np.zeros((len(grids), 2, 2)), np.zeros(len(grids))
    for index, grid in enumerate(grids):
        projected = radians.project(grid.in_icrs(grid.sky))
        usable = np.isfinite(projected).all(axis=1)
        columns = np.column_stack([np.ones(usable.sum()), grid.points[usable]])
        _, *slopes = np.linalg.lstsq(columns, projected[usable], rcond=None)[0]
        derivatives[index] = np.transpose(slopes)
        areas[index] = np.nanmean(grid.areas)
    finest = areas[areas <= areas.min() * (1 + _SAME_AREA)]
    area = max(float(np.median(finest)), _LEAST_AREA * float(areas.max()))
    parity = np.where(np.linalg.det(derivatives) < 0, -1.0, 1.0)
    # Each is a rotation of the parity's diagonal matrix.
    right = derivatives * np.stack([parity, np.ones_like(parity)], axis=-1)[:, np.newaxis, :]
    angles = np.arctan2(right[:, 1, 0] - right[:, 0, 1], right[:, 0, 0] + right[:, 1, 1])
    # Exposures that are turned by a multiple of 90 degrees, or mirrored, lose no pixels either.
    quarter = math.pi / 2
    best, alike = _largest_group(angles, quarter)
    apart = (angles[alike] - angles[best] + quarter / 2) % quarter - quarter / 2
    angle = float(angles[best] + np.median(apart))
    # The plane is not mirrored unless most exposures are, and stands upright like them.
    usual_parity = 1.0 if parity.sum() > 0 else -1.0
    upright = best if parity[best] == usual_parity else int(np.flatnonzero(parity == usual_parity)[0])
    angle += quarter * round((angles[upright] - angle) / quarter)
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = math.sqrt(area) * np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([usual_parity, 1.0])
    plane = SkyPlane(axes, matrix, (0.0, 0.0))
    return SkyPlane(axes, matrix, _phase([grids[index] for index in alike], derivatives[alike], plane))


def _phase(grids: Sequence[CelestialGrid], derivatives: Floats, plane: SkyPlane) -> tuple[float, float]:
    """Return a shift of a plane by less than a pixel, so that few pixels lie halfway between virtual ones.

    Halfway, errors of rounding would decide which pixel is nearest, and dithers by half a pixel would lose pixels. The
    pixels of a single exposure then coincide with virtual ones.
    """
    middle = len(grids[0].points) // 2
    middles = np.array([plane.project(grid.in_icrs(grid.sky[middle : middle + 1]))[0] for grid in grids])
    # The middle of an exposure lies between two pixels if their number is even.
    between = np.array([grid.points[middle] % 1 for grid in grids])
    middles -= np.einsum("ij,njk,nk->ni", np.linalg.inv(plane.matrix), derivatives, between)
    middles = middles[np.isfinite(middles).all(axis=1)]
    if not len(middles):
        return 0.0, 0.0
    parts = np.sort(middles % 1, axis=0)
    gaps = np.diff(parts, axis=0, append=parts[:1] + 1)
    widest = gaps.argmax(axis=0)
    x, y = (0.5 - parts[widest, (0, 1)] - gaps[widest, (0, 1)] / 2).tolist()
    return x, y


def _largest_group(angles: Floats, period: float) -> tuple[int, NDArray[np.intp]]:
    """Return the angle with which most others agree, and those that do."""
    best, members = 0, np.zeros(0, np.intp)
    for index, angle in enumerate(angles):
        apart = np.abs((angles - angle + period / 2) % period - period / 2)
        agree = np.flatnonzero(apart < _SAME_ANGLE)
        if agree.size > members.size:
            best, members = index, agree
        if 2 * members.size > angles.size:
            break
    return best, members


def _note_skipped(members: Sequence[GridMember], grids: Sequence[CelestialGrid], placement: SkyPlacement) -> None:
    """Add a note if the pixels of some exposures are much finer than virtual ones."""
    assert placement.plane is not None
    ratios = np.array([placement.plane.pixel_area / np.nanmean(grid.areas) for grid in grids])
    fine = np.flatnonzero(ratios > 1.5)
    if fine.size:
        labels = [members[index].label for index in fine.tolist()]
        placement.notes.append(
            f"the pixels of {several(labels)} are much finer than those of the coarsest exposure: about 1 in "
            f"{ratios[fine].max():.0f} of them is compared"
        )


def _map_of(member: GridMember, grid: CelestialGrid, plane: SkyPlane, per_pixel: bool) -> PixelMap:
    """Return the map of an exposure, with nodes as close as its WCS needs."""
    checks = _checks(member.shape)
    exact = plane.project(grid.to_icrs(checks))
    step = _LARGEST_STEP
    while step > _SMALLEST_STEP and step * _FEWEST_CELLS > min(member.shape):
        step //= 2
    while True:
        nodes = _Nodes(member.shape, grid, plane, step)
        found = nodes.pixel_map(member.origin or (0, 0), per_pixel)
        error = _error(found, checks, exact, nodes)
        precise = error <= _TOLERANCE
        # Around a hole, whole blocks are lost.
        finest = _SMALLEST_STEP
        while precise and finest < _LARGEST_STEP and (not nodes.has_holes or finest * _MOST_CELLS < max(member.shape)):
            finest *= 2
        if step <= finest:
            break
        # The error grows with the square of the step.
        better = step * math.sqrt(_AIM * _TOLERANCE / error) if math.isfinite(error) and not precise else 1.0
        step = int(min(max(2.0 ** math.floor(math.log2(better)), finest), step // 2))
    if not error <= _USELESS:
        reached = f"{error:.2g} px" if math.isfinite(error) else "whole blocks of pixels"
        raise UnusableWcsError(
            f"positions that are interpolated between nodes every {step} px differ from the exact ones by up to "
            f"{reached}"
        )
    return replace(found, error=error, repeats=_repeats(found))


def _checks(shape: tuple[int, int]) -> Floats:
    """Return the array indices (x, y) at which a map is compared with the exact one: corners, edges and between."""
    height, width = shape
    along = np.arange(_CHECKS) / (_CHECKS - 1)
    regular = np.column_stack([axis.ravel() for axis in np.meshgrid(along, along)])
    # Multiples of two irrational numbers fill a cell evenly, so that no regular nodes coincide with the positions.
    jitter = np.modf(np.arange(1, _CHECKS**2 + 1)[:, np.newaxis] * [0.7548776662466927, 0.5698402909980532])[0] - 0.5
    return (regular + jitter / (_CHECKS - 1)).clip(0, 1) * [width - 1, height - 1]


def _error(found: PixelMap, checks: Floats, exact: Floats, nodes: _Nodes) -> float:
    """Return the largest distance between interpolated and exact positions, of both directions, in own pixels."""
    usable = np.isfinite(exact).all(axis=1)
    own = checks[usable] + found.origin
    back = np.column_stack(found.to_own(*exact[usable].T))
    there = np.column_stack(found.to_common(*own.T))
    errors = np.concatenate(
        [np.hypot(*(back - own).T), np.hypot(*(there - exact[usable]).T) / math.sqrt(nodes.virtual_pixels)]
    )
    if nodes.has_holes:
        errors = errors[np.isfinite(errors)]
    return float(errors.max()) if errors.size and np.isfinite(errors).all() else math.inf


class _Nodes:
    """Exact positions of some pixels of an exposure on the plane, and the spline through them.

    Attributes
    ----------
    has_holes : bool
        Whether pixels at some nodes have no position on the sky.
    virtual_pixels : float
        Mean area of the exposure's pixels, in virtual pixels.
    """

    def __init__(self, shape: tuple[int, int], grid: CelestialGrid, plane: SkyPlane, step: int) -> None:
        self._shape, self._step = shape, step
        # The last node is the last pixel, as some WCS have no positions beyond. A line needs a second row.
        ends = [float(max(size - 1, 1)) for size in shape]
        regular = [np.append(np.arange(0.0, end, step), end) for end in ends]
        # Splines with slopes need three positions; the one in the middle is no node.
        self._y, self._x = (
            np.linspace(0.0, end, max(x.size, 3)) if x.size < 3 else x for x, end in zip(regular, ends, strict=True)
        )
        every_row, every_column = (2 if x.size < 3 else 1 for x in regular)
        x, y = np.meshgrid(self._x, self._y)
        own = np.column_stack([x.ravel(), y.ravel()])
        exact = plane.project(grid.to_icrs(own))
        finite = np.isfinite(exact).all(axis=1)
        if finite.sum() < 3:
            raise UnusableWcsError("almost none of the pixels have a position on the sky")
        self._holes = ~finite.reshape(x.shape)
        self.has_holes = not finite.all()
        columns = np.column_stack([np.ones(len(own)), own])
        affine = np.linalg.lstsq(columns[finite], exact[finite], rcond=None)[0]
        self._offset, self._matrix = affine[0], affine[1:].T
        if abs(np.linalg.det(self._matrix)) < 1e-12:
            raise UnusableWcsError("its pixels have no area on the sky")
        if self.has_holes:
            exact = columns @ affine + _nearest(exact - columns @ affine, self._holes)
        self._plane: Floats = np.moveaxis(exact.reshape(*x.shape, 2), -1, 0)
        self.virtual_pixels = self._mean_area()
        # Positions at regular distances; the last node lies beyond the last pixel.
        nodes = np.where(self._holes, np.nan, self._plane)[:, ::every_row, ::every_column]
        for ends_first, x in zip((np.moveaxis(nodes, 1, 0), np.moveaxis(nodes, 2, 0)), regular, strict=True):
            ends_first[-1] = ends_first[-2] + (ends_first[-1] - ends_first[-2]) * (step / (x[-1] - x[-2]))
        self._nodes: Floats = np.ascontiguousarray(nodes)

    def _mean_area(self) -> float:
        diagonal = self._plane[:, 1:, 1:] - self._plane[:, :-1, :-1]
        other = self._plane[:, 1:, :-1] - self._plane[:, :-1, 1:]
        areas = np.abs(diagonal[0] * other[1] - diagonal[1] * other[0]) / 2
        pixels = np.diff(self._y)[:, np.newaxis] * np.diff(self._x)
        good = ~_cells_with(self._holes)
        if not good.any():
            return float(abs(np.linalg.det(self._matrix)))
        return float(areas[good].sum() / pixels[good].sum())

    def pixel_map(self, origin: tuple[int, int], per_pixel: bool) -> PixelMap:
        """Return the map that interpolates between these nodes and nodes of the same distance on the plane."""
        x0, y0, width, height = footprint = self._footprint()
        columns, rows = (np.arange(max(-(-(size - 1) // self._step), 1) + 1) * self._step for size in (width, height))
        x, y = np.meshgrid(x0 + columns, y0 + rows)
        own = self._inverted(np.column_stack([x.ravel(), y.ravel()]).astype(float))
        x_nodes, y_nodes = own.T.reshape(2, *x.shape)
        return PixelMap(
            footprint=footprint,
            shape=self._shape,
            origin=origin,
            step=self._step,
            x_nodes=np.ascontiguousarray(x_nodes),
            y_nodes=np.ascontiguousarray(y_nodes),
            own_step=self._step,
            plane_x=self._nodes[0],
            plane_y=self._nodes[1],
            scale=1 / self.virtual_pixels if per_pixel else 1.0,
        )

    def _footprint(self) -> PixelBox:
        """Return the box of the virtual pixels whose centres lie in the exposure."""
        height, width = self._shape
        # Pixels reach half a pixel beyond their centres.
        own_x = np.concatenate([[-0.5], self._x[1:-1], [width - 0.5]])
        own_y = np.concatenate([[-0.5], self._y[1:-1], [height - 0.5]])
        x, y = bilinear((self._nodes[0], self._nodes[1]), *np.meshgrid(own_x / self._step, own_y / self._step))
        lowest = np.ceil([np.nanmin(x) - _MARGIN, np.nanmin(y) - _MARGIN])
        highest = np.floor([np.nanmax(x) + _MARGIN, np.nanmax(y) + _MARGIN])
        if np.abs([lowest, highest]).max() > _FARTHEST_PIXEL:
            raise UnusableWcsError(f"it lies farther than {_FARTHEST_PIXEL} px from the middle of the plane")
        (x0, y0), (x1, y1) = lowest.astype(int).tolist(), highest.astype(int).tolist()
        return x0, y0, max(x1 - x0 + 1, 1), max(y1 - y0 + 1, 1)

    def _inverted(self, wanted: Floats) -> Floats:
        """Return the array indices (x, y) at positions on the plane; NaN where there are none."""
        from scipy.interpolate import RectBivariateSpline

        degrees = (min(3, self._y.size - 1), min(3, self._x.size - 1))
        splines = [
            RectBivariateSpline(self._y, self._x, values, kx=degrees[0], ky=degrees[1]) for values in self._plane
        ]
        last = np.array([self._x[-1], self._y[-1]])
        own: Floats = (wanted - self._offset) @ np.linalg.inv(self._matrix).T
        left = np.arange(len(own))
        for _ in range(_MOST_STEPS):
            inside = own[left].clip(0, last)
            x, y = inside.T
            slopes = np.empty((left.size, 2, 2))
            there = np.empty((left.size, 2))
            for axis, spline in enumerate(splines):
                there[:, axis] = spline.ev(y, x)
                slopes[:, axis, 0] = spline.ev(y, x, dy=1)
                slopes[:, axis, 1] = spline.ev(y, x, dx=1)
            beyond = own[left] - inside
            missing = wanted[left] - there - np.einsum("nij,nj->ni", slopes, beyond)
            determinant = slopes[:, 0, 0] * slopes[:, 1, 1] - slopes[:, 0, 1] * slopes[:, 1, 0]
            with np.errstate(divide="ignore", invalid="ignore"):
                moved_x = (slopes[:, 1, 1] * missing[:, 0] - slopes[:, 0, 1] * missing[:, 1]) / determinant
                moved_y = (slopes[:, 0, 0] * missing[:, 1] - slopes[:, 1, 0] * missing[:, 0]) / determinant
            own[left, 0] += moved_x
            own[left, 1] += moved_y
            # Newton's method doubles the number of right digits with each step.
            left = left[~(np.hypot(moved_x, moved_y) < _CONVERGED)]
            if not left.size:
                break
        own[left] = np.nan
        if self.has_holes:
            inside = np.nan_to_num(own).clip(0, last)
            row = np.searchsorted(self._y, inside[:, 1], "right").clip(1, self._y.size - 1) - 1
            column = np.searchsorted(self._x, inside[:, 0], "right").clip(1, self._x.size - 1) - 1
            own[_cells_with(self._holes)[row, column]] = np.nan
        return own


def _cells_with(nodes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the cells of which at least one corner is marked."""
    return nodes[1:, 1:] | nodes[1:, :-1] | nodes[:-1, 1:] | nodes[:-1, :-1]


def _nearest(values: Floats, holes: NDArray[np.bool_]) -> Floats:
    """Return values in which those of holes are replaced by those of the nearest nodes."""
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(holes, return_distances=False, return_indices=True)
    filled: Floats = values.reshape(*holes.shape, -1)[rows, columns].reshape(values.shape)
    return filled


def _repeats(found: PixelMap) -> float:
    """Return by which factor repeated pixels raise the variance of means, counted in the middle of the exposure."""
    height, width = found.shape
    middle = found.to_common((width - 1) / 2 + found.origin[0], (height - 1) / 2 + found.origin[1])
    if not np.isfinite(middle).all():
        return 1.0
    x0, y0 = (int(position) - _PATCH // 2 for position in middle)
    x, y = np.meshgrid(np.arange(x0, x0 + _PATCH), np.arange(y0, y0 + _PATCH))
    own = np.stack(found.to_own(x, y)) - np.reshape(found.origin, (2, 1, 1))
    own = np.floor(own + 0.5).reshape(2, -1)
    inside = (own[0] >= 0) & (own[1] >= 0) & (own[0] < width) & (own[1] < height)
    if not inside.any():
        return 1.0
    column, row = own[:, inside].astype(np.intp)
    column0, row0 = int(column.min()), int(row.min())
    across = int(column.max()) - column0 + 1
    counts = np.bincount((row - row0) * across + column - column0)
    # Some of the virtual pixels of those at the edge lie outside of the patch.
    row, column = np.divmod(np.flatnonzero(counts), across)
    there_x, there_y = found.to_common(column + column0 + found.origin[0], row + row0 + found.origin[1])
    margin = 1.0 + max(np.ptp(x) / max(across, 1), np.ptp(y) / max(np.ptp(row) + 1, 1))
    whole = (np.abs(there_x - x.mean()) < _PATCH / 2 - margin) & (np.abs(there_y - y.mean()) < _PATCH / 2 - margin)
    counts = counts[counts > 0]
    if whole.any():
        counts = counts[whole]
    return float((counts.astype(float) ** 2).sum() / counts.sum())
