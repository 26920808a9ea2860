"""WCS as the headers of FITS hold them: moved by whole pixels, checked, and fitted to those of other kinds."""

from __future__ import annotations

__all__ = ["LATTICE", "fits_in_cards", "fitted_wcs", "points_of", "shifted_wcs"]

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fits.headers import wcs_of
from ..fits.opening import quiet
from ..matching.celestial import CelestialGrid, GridMember, UnusableWcsError

Floats = NDArray[np.float64]

LATTICE = 33
"""Number of points along each axis of a lattice that is laid over an exposure or over a grid."""

# Number of pixels between two points of an outline.
_OUTLINE_STEP = 16
# Number of points along each axis to which a WCS of FITS is fitted, its largest distance from the original one in
# pixels, and the degrees of SIP that are tried.
_FITTED, _WELL_FITTED, _DEGREES = 17, 0.01, (None, 2, 3, 4, 5)
# Largest distance between the positions of a WCS and those of its cards, in pixels.
_SAME_POSITION = 1e-3


def points_of(shape: tuple[int, int]) -> Floats:
    """Return points (x, y) along the outline of a box of pixels, and a lattice inside."""
    height, width = shape
    x, y = (np.linspace(-0.5, size - 0.5, max(2, math.ceil(size / _OUTLINE_STEP) + 1)) for size in (width, height))
    lattice = np.meshgrid(*(np.linspace(-0.5, size - 0.5, min(size + 1, LATTICE)) for size in (width, height)))
    sides = [(x, np.full_like(x, end)) for end in (-0.5, height - 0.5)]
    sides += [(np.full_like(y, end), y) for end in (-0.5, width - 0.5)]
    return np.concatenate([np.stack([axis.ravel() for axis in part], axis=1) for part in [*sides, lattice]])


def shifted_wcs(wcs: Any, dx: int, dy: int, shape: tuple[int, int] | None = None) -> Any:
    """Return the WCS of a grid in which pixel (x, y) of a WCS is pixel (x + dx, y + dy).

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        With any distortions: SIP, or lookup tables.
    dx, dy : int
        May be negative, for a cut-out.
    shape : (height, width), optional
        Size of the grid, which the result remembers.

    Returns
    -------
    astropy.wcs.WCS
    """
    from astropy.wcs import DistortionLookupTable, Sip

    shift = np.array([dx, dy], float)
    moved = wcs.deepcopy()
    moved.wcs.crpix = np.asarray(wcs.wcs.crpix) + shift
    if wcs.sip is not None:
        moved.sip = Sip(wcs.sip.a, wcs.sip.b, wcs.sip.ap, wcs.sip.bp, np.asarray(wcs.sip.crpix) + shift)
    for name in ("cpdis1", "cpdis2", "det2im1", "det2im2"):
        table = getattr(wcs, name)
        if table is not None:
            here = tuple(np.asarray(table.crval, float) + shift)
            setattr(moved, name, DistortionLookupTable(table.data, tuple(table.crpix), here, tuple(table.cdelt)))
    moved.wcs.set()
    moved.pixel_bounds = None
    moved.array_shape = shape
    return moved


def fits_in_cards(wcs: Any, shape: tuple[int, int], shift: tuple[int, int]) -> bool:
    """Return whether the cards that astropy makes of a WCS give its positions.

    Distortions in lookup tables are not among the cards, nor are projections of the kinds TNX, ZPX and TAB.
    """
    points = points_of(shape) + shift
    try:
        with quiet():
            header = wcs.to_header(relax=True)
        own, read = (CelestialGrid(GridMember("", shape, None, one)) for one in (wcs, wcs_of(header)))
        apart = np.linalg.norm(own.to_icrs(points) - read.to_icrs(points), axis=1)
    except Exception:  # astropy and wcslib raise many kinds of exceptions
        return False
    known = np.isfinite(apart)
    return bool(known.any() and apart[known].max() <= _SAME_POSITION * math.sqrt(np.nanmedian(own.areas)))


def fitted_wcs(grid: CelestialGrid, shape: tuple[int, int], shift: tuple[int, int]) -> tuple[Any, float]:
    """Fit a WCS of FITS to a WCS of another kind; return it and its largest error in pixels."""
    from astropy.coordinates import SkyCoord
    from astropy.wcs.utils import fit_wcs_from_points

    height, width = shape
    axes = (np.linspace(0, size - 1, min(size, _FITTED)) for size in (width, height))
    points = np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=1)
    try:
        x, y, z = grid.to_icrs(points - shift).T
    except UnusableWcsError:
        return None, math.nan
    known = np.isfinite(x)
    points, sky = points[known], SkyCoord(np.arctan2(y, x)[known], np.arcsin(z.clip(-1, 1))[known], unit="rad")
    best, least = None, math.inf
    for degree in _DEGREES:
        if len(points) < (degree or 1) * 12:
            break
        with quiet():
            wcs = fit_wcs_from_points(points.T, sky, sip_degree=degree)
            there = np.array(wcs.all_pix2world(points, 0))
        pixel = math.sqrt(float(np.nanmedian(grid.areas)))
        apart = SkyCoord(*there.T, unit="deg").separation(sky).radian.max() / pixel
        if apart < least:
            best, least = wcs, float(apart)
        if least <= _WELL_FITTED:
            break
    if best is not None:
        best.array_shape = shape
    return best, least
