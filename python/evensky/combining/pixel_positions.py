"""Positions of the pixels of a grid in an exposure, from nodes at which the WCS are evaluated."""

from __future__ import annotations

__all__ = ["CutOutWcs", "PixelPositions", "PositionsWcs"]

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidParameterError
from ..matching.celestial import CelestialGrid, GridMember, UnusableWcsError, short
from ..matching.sky_plane import SkyPlane

Floats = NDArray[np.float64]

# Distance of the nodes in pixels of the grid.
_STEP = 16
# Largest error of interpolated positions, in pixels of the exposure; where it is larger, the WCS are evaluated.
_TOLERANCE = 1e-5
# A position counts if the way back leads to the same place on the sky within this part of a pixel of the exposure.
_CLOSED = 0.1
# Steps towards a position end when they are shorter than this, in pixels, or after this number of steps.
_CONVERGED, _MOST_STEPS = 1e-8, 30
# Number of pixels for which the WCS are evaluated at once.
_AT_ONCE = 2**17


class PixelPositions:
    """Positions in an exposure of the pixels of a grid.

    Positions are computed at nodes whose distance is 16 pixels, and interpolated by cubic polynomials. In cells where
    that is not exact to 1e-5 pixels, or where a node has no position, the WCS are evaluated at each pixel. The position
    of a pixel does not depend on which others are asked for.

    Parameters
    ----------
    member : GridMember
        The exposure; it needs a WCS.
    target : CelestialGrid
        The grid.
    box : (x0, y0, width, height)
        Pixels of the grid for which positions are asked for, and some pixels around them.

    Raises
    ------
    evensky.matching.celestial.UnusableWcsError
        If the exposure has no usable WCS.
    """

    def __init__(self, member: GridMember, target: CelestialGrid, box: tuple[int, int, int, int]) -> None:
        self.shape = member.shape
        self._member, self._own, self._target = member, CelestialGrid(member), target
        self._x_first, x_nodes = _nodes(box[0], box[2])
        self._y_first, y_nodes = _nodes(box[1], box[3])
        x, y = np.meshgrid(x_nodes, y_nodes)
        self._planes = np.stack(self.exact(x, y))
        # In the middle of a cell, the polynomial is farthest from the exact position.
        middle_x, middle_y = np.meshgrid(x_nodes[1:-2] + _STEP / 2, y_nodes[1:-2] + _STEP / 2)
        exact = self.exact(middle_x, middle_y)
        found = self._interpolated(middle_x[0], middle_y[:, 0])
        with np.errstate(invalid="ignore"):
            self._trusted = np.hypot(found[0] - exact[0], found[1] - exact[1]) <= _TOLERANCE

    def of_box(self, box: tuple[int, int, int, int]) -> PixelPositions:
        """Return the positions of the pixels in another box of the grid."""
        return PixelPositions(self._member, self._target, box)

    @property
    def scale(self) -> float:
        """Size of the largest pixel of the grid on the exposure, in pixels of the exposure; 1 if there is none."""
        x, y = self._planes
        with np.errstate(invalid="ignore"):
            beside = (x < -_STEP) | (y < -_STEP) | (x > self.shape[1] + _STEP) | (y > self.shape[0] + _STEP)
        x, y = np.where(beside, np.nan, x), np.where(beside, np.nan, y)
        steps = [np.hypot(np.diff(x, axis=axis), np.diff(y, axis=axis)) for axis in (0, 1)]
        known = np.concatenate([step[np.isfinite(step)] for step in steps])
        return float(known.max()) / _STEP if known.size else 1.0

    def exact(self, x: Any, y: Any) -> tuple[Floats, Floats]:
        """Evaluate the WCS at pixels of the grid.

        Parameters
        ----------
        x, y : ndarray
            Pixels of the grid, in arrays of one shape.

        Returns
        -------
        x, y : ndarray of float64
            Pixels of the exposure; NaN where they have no position on the sky, or none in the exposure.

        Raises
        ------
        evensky.matching.celestial.UnusableWcsError
            If a WCS cannot be evaluated.
        """
        points = np.stack([np.ravel(x), np.ravel(y)], axis=1).astype(float)
        found = np.empty_like(points)
        for start in range(0, len(points), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            try:
                found[part] = self._evaluated(points[part])
            except UnusableWcsError:
                raise
            except Exception as error:  # libraries of WCS raise many kinds of exceptions
                raise UnusableWcsError(f"it cannot be compared with that of the result ({short(error)})") from error
        return found[:, 0].reshape(np.shape(x)), found[:, 1].reshape(np.shape(x))

    def _evaluated(self, points: Floats) -> Floats:
        sky = self._target.to_sky(points)
        if self._own.crpix is None:
            return _solved(self._own, self._target.in_icrs(sky))
        sky = self._own.in_own_frame(sky, self._target)
        own = self._own.to_pixels(sky)
        # Projections map some positions to pixels of another place: those beyond the horizon, for example.
        back, beside = self._own.to_sky(own), self._own.to_sky(own + 1)
        away, size = _apart(back, sky), _apart(back, beside)
        with np.errstate(invalid="ignore"):
            own[~(away <= _CLOSED * size)] = np.nan
        return own

    def at(self, columns: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Return positions in the exposure of the pixels in some columns and rows of the grid.

        Parameters
        ----------
        columns, rows : ndarray, shapes (n,) and (m,)
            Pixels of the grid, within the box or at most one pixel beside it.

        Returns
        -------
        x, y : ndarray of float64, shape (m, n)
            Pixels of the exposure; NaN where they have no position there.
        """
        x, y = self._interpolated(columns, rows)
        across, along = self._cells(columns, self._x_first)[0], self._cells(rows, self._y_first)[0]
        doubtful = ~self._trusted[np.ix_(along - 1, across - 1)]
        if doubtful.any():
            row, column = np.nonzero(doubtful)
            x[row, column], y[row, column] = self.exact(columns[column], rows[row])
        return x, y

    def area(self, columns: Floats, rows: Floats) -> Floats:
        """Return the areas of pixels of the grid in pixels of the exposure.

        Parameters
        ----------
        columns, rows : ndarray, shapes (n,) and (m,)

        Returns
        -------
        ndarray of float64, shape (m, n)
        """
        x_right, y_right = self.at(columns + 0.5, rows)
        x_left, y_left = self.at(columns - 0.5, rows)
        x_high, y_high = self.at(columns, rows + 0.5)
        x_low, y_low = self.at(columns, rows - 0.5)
        found: Floats = np.abs((x_right - x_left) * (y_high - y_low) - (x_high - x_low) * (y_right - y_left))
        return found

    @staticmethod
    def _cells(places: Floats, first: int) -> tuple[NDArray[np.intp], Floats]:
        """Return the cells of places, and the positions of these in the cells, 0 to 1."""
        scaled = (np.asarray(places, float) - first) / _STEP
        cells = np.floor(scaled)
        return cells.astype(np.intp), scaled - cells

    def _interpolated(self, columns: Floats, rows: Floats) -> tuple[Floats, Floats]:
        across, right = self._cells(columns, self._x_first)
        along, up = self._cells(rows, self._y_first)
        low, high = int(along.min()) - 1, int(along.max()) + 3
        places = np.empty((2, len(along), len(across)))
        step = np.empty_like(places[0])
        for plane, found in zip(self._planes, places, strict=True):
            # First along the few rows of nodes, then between these.
            lines = np.zeros((high - low, len(across)))
            for k, weight in enumerate(_cubic(right)):
                lines += weight * plane[low:high, across + k - 1]
            found[:] = 0
            for k, weight in enumerate(_cubic(up)):
                np.multiply(weight[:, np.newaxis], lines[along - low + k - 1], out=step)
                found += step
        return places[0], places[1]


def _nodes(start: int, size: int) -> tuple[int, Floats]:
    """Return the first node, and all nodes, for pixels and those beside them; nodes are multiples of the step."""
    first = (start - 2) // _STEP - 1
    last = -(-(start + size + 2) // _STEP) + 1
    return first * _STEP, _STEP * np.arange(first, last + 1, dtype=np.float64)


def _cubic(part: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the weights of the four nodes around places between the second and the third, by Lagrange's formula."""
    t = part
    return (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )


def _apart(one: Floats, other: Floats) -> Floats:
    """Return the distances of positions on the sky in radians; exact for small ones."""
    longitude, latitude = np.radians(other - one).T
    cosines = np.cos(np.radians(one[:, 1])) * np.cos(np.radians(other[:, 1]))
    found: Floats = 2 * np.sqrt(np.sin(latitude / 2) ** 2 + cosines * np.sin(longitude / 2) ** 2)
    return found


def _solved(grid: CelestialGrid, directions: Floats) -> Floats:
    """Return the pixels of a grid at directions in ICRS, for a WCS that is certain in the other direction alone.

    Many a WCS that is none of FITS has no inverse, or one of its library that fails, and no positions beyond the edges
    of the detector, where it is continued without distortions here.
    """
    known = grid.in_icrs(grid.sky)
    usable = np.isfinite(known).all(axis=1)
    centre, *across = np.linalg.svd(known[usable].mean(axis=0)[np.newaxis])[2]
    centre = centre * np.sign(known[usable][0] @ centre)
    plane = SkyPlane(np.stack([*across, centre]), np.eye(2), (0.0, 0.0))
    columns = np.column_stack([np.ones(usable.sum()), grid.points[usable]])
    start, *slopes = np.linalg.lstsq(columns, plane.project(known[usable]), rcond=None)[0]
    matrix = np.transpose(slopes)
    inverse = np.linalg.inv(matrix)
    wanted = plane.project(directions)
    own: Floats = (wanted - start) @ inverse.T
    left = np.flatnonzero(np.isfinite(own).all(axis=1))
    own[~np.isfinite(own).all(axis=1)] = np.nan
    last = np.array(grid.shape[::-1]) - 1.0
    for _ in range(_MOST_STEPS):
        inside = own[left].clip(0, last)
        there = plane.project(grid.to_icrs(inside)) + (own[left] - inside) @ matrix.T
        step = (wanted[left] - there) @ inverse.T
        own[left] += step
        # A pixel without a position has no steps, and stays without one.
        left = left[np.hypot(*step.T) > _CONVERGED]
        if not left.size:
            break
    own[left] = np.nan
    return own


class PositionsWcs:
    """Positions as a WCS: with them, a package resamples without evaluating the celestial WCS again.

    It is one of astropy's shared interface (APE 14), registered there when it is used. Its world coordinates are the
    pixels of the exposure.

    Parameters
    ----------
    positions : PixelPositions or None
        Positions of the pixels of the grid; None for the exposure's own WCS, in which they are the pixels.
    corner : (x0, y0)
        Pixel of the grid, or of the exposure, at array index (0, 0).
    known : (ndarray, ndarray), optional
        Positions x and y of the pixels in the box that begins at the corner.
    """

    pixel_n_dim = 2
    world_n_dim = 2
    pixel_shape = None
    array_shape = None
    pixel_bounds = None
    pixel_axis_names = ("", "")
    world_axis_names = ("", "")
    world_axis_physical_types = (None, None)
    world_axis_units = ("pix", "pix")
    world_axis_object_components = (("x", 0, "value"), ("y", 0, "value"))
    axis_correlation_matrix = np.ones((2, 2), bool)
    serialized_classes = False

    def __init__(
        self,
        positions: PixelPositions | None,
        corner: tuple[int, int],
        known: tuple[Floats, Floats] | None = None,
    ) -> None:
        from astropy.wcs.wcsapi import BaseLowLevelWCS

        BaseLowLevelWCS.register(type(self))
        self._positions, self._corner, self._known = positions, corner, known

    @property
    def world_axis_object_classes(self) -> dict[str, Any]:
        """Classes of the coordinates, for astropy's interface of high level."""
        from astropy.units import Quantity

        return {name: (Quantity, (), {"unit": "pix"}) for name in ("x", "y")}

    def pixel_to_world_values(self, x: Any, y: Any) -> tuple[Floats, Floats]:
        """Return the pixels of the exposure at array indices."""
        x, y = np.asarray(x, float) + self._corner[0], np.asarray(y, float) + self._corner[1]
        if self._positions is None:
            return x, y
        # Packages ask for all pixels of a box, row by row.
        width = max(1, int(np.argmax(np.append(y.ravel() != y.flat[0], True))))
        columns, rows = x.ravel()[:width], y.ravel()[::width]
        if x.size != columns.size * rows.size or (x.reshape(-1, width) != columns).any():
            raise InvalidParameterError(f"positions of {x.size} pixels are asked for; those of a whole box are needed")
        if (
            self._known is not None
            and (rows.size, columns.size) == self._known[0].shape
            and (columns[0], rows[0]) == self._corner
        ):
            across, along = self._known
        else:
            across, along = self._positions.at(columns, rows)
        return across.reshape(x.shape), along.reshape(x.shape)

    def world_to_pixel_values(self, x: Any, y: Any) -> tuple[Floats, Floats]:
        """Return the array indices of pixels of the exposure."""
        return np.asarray(x, float) - self._corner[0], np.asarray(y, float) - self._corner[1]


class CutOutWcs:
    """WCS of a cut-out, in astropy's shared interface (APE 14), for a WCS that is none of FITS.

    Parameters
    ----------
    wcs : object
        The WCS, with that interface.
    corner : (x0, y0)
        Pixel of it at array index (0, 0); it may lie beyond its edges.
    """

    pixel_shape = None
    array_shape = None
    pixel_bounds = None

    def __init__(self, wcs: Any, corner: tuple[int, int]) -> None:
        from astropy.wcs.wcsapi import BaseLowLevelWCS

        BaseLowLevelWCS.register(type(self))
        self._wcs, self._corner = getattr(wcs, "low_level_wcs", wcs), corner

    def __getattr__(self, name: str) -> Any:
        # Copies and pickles are made without __init__, and ask for attributes before there is a WCS.
        if name.startswith("_"):
            raise AttributeError(f"a {type(self).__name__} has no attribute {name!r}")
        return getattr(self._wcs, name)

    def pixel_to_world_values(self, x: Any, y: Any) -> Any:
        """Return the world coordinates of array indices."""
        return self._wcs.pixel_to_world_values(np.asarray(x) + self._corner[0], np.asarray(y) + self._corner[1])

    def world_to_pixel_values(self, *world: Any) -> Any:
        """Return the array indices of world coordinates."""
        x, y = self._wcs.world_to_pixel_values(*world)
        return x - self._corner[0], y - self._corner[1]
