"""Places of the chips of an exposure in its focal plane."""

from __future__ import annotations

__all__ = ["place_chips"]

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..fits.descriptions import AffineMap
from ..fits.opening import quiet

# Number of points along each axis of a chip at which its WCS is evaluated.
_POINTS = 5
# Largest distance of a chip's pixels from the affine map, as a share of its longer side. The background is smooth, so
# distortions of the optics do not matter.
_TOLERANCE = 0.05


def place_chips(
    maps: Sequence[AffineMap | None], shapes: Sequence[tuple[int, int]], wcs: Sequence[Any]
) -> list[AffineMap] | None:
    """Place the chips of one exposure in its focal plane.

    Parameters
    ----------
    maps : sequence of AffineMap or None
        Maps from the pixels of each chip to the mosaic, from its header; see `evensky.fits.sections.detector_map`.
    shapes : sequence of (height, width)
    wcs : sequence of object
        WCS of the chips with the interface of APE 14, None if unknown. They are used if not all chips have a map.

    Returns
    -------
    list of AffineMap or None
        Maps from the array pixels of each chip, counted from 0, to the focal plane, in pixels. None if the place of any
        chip is unknown, or if chips overlap.
    """
    given = [one for one in maps if one is not None]
    placed = given if len(given) == len(shapes) else _by_wcs(shapes, wcs)
    return None if placed is None or _overlap(placed, shapes) else placed


def _by_wcs(shapes: Sequence[tuple[int, int]], wcs: Sequence[Any]) -> list[AffineMap] | None:
    if len(wcs) != len(shapes) or any(one is None for one in wcs):
        return None
    points = [_points(shape) for shape in shapes]
    with quiet():
        try:
            sky = [one.pixel_to_world_values(x, y) for one, (x, y) in zip(wcs, points, strict=True)]
        except Exception:  # a WCS that cannot be evaluated gives no place
            return None
    longitude, latitude = (np.radians(np.asarray([place[n] for place in sky], float)) for n in (0, 1))
    if not np.isfinite(longitude).all() or not np.isfinite(latitude).all():
        return None
    vectors = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
    )
    # Gnomonic projection about the centre of the exposure.
    centre = vectors.reshape(-1, 3).mean(axis=0)
    length = float(np.linalg.norm(centre))
    if length < 0.5:  # a field that is larger than the hemisphere
        return None
    centre /= length
    aside = np.cross(centre, [0.0, 0.0, 1.0] if abs(centre[2]) < 0.9 else [1.0, 0.0, 0.0])
    aside /= np.linalg.norm(aside)
    depth = vectors @ centre
    if depth.min() <= 0:
        return None
    plane = np.stack([vectors @ aside, vectors @ np.cross(centre, aside)], axis=-1) / depth[..., None]
    fits = []
    for (x, y), places, (height, width) in zip(points, plane, shapes, strict=True):
        design = np.stack([x, y, np.ones_like(x)], axis=1)
        fit, *_ = np.linalg.lstsq(design, places, rcond=None)
        scale = float(np.sqrt(abs(np.linalg.det(fit[:2]))))
        if scale == 0 or np.abs(design @ fit - places).max() > _TOLERANCE * max(height, width) * scale:
            return None
        fits.append((fit, scale))
    pixel = float(np.median([scale for _, scale in fits]))
    return [_as_map(fit / pixel) for fit, _ in fits]


def _as_map(fit: np.ndarray) -> AffineMap:
    (a, d), (b, e), (c, f) = fit.tolist()
    return a, b, c, d, e, f


def _points(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    height, width = shape
    x, y = np.meshgrid(np.linspace(0, width - 1, _POINTS), np.linspace(0, height - 1, _POINTS))
    return x.ravel(), y.ravel()


def _overlap(maps: Sequence[AffineMap], shapes: Sequence[tuple[int, int]]) -> bool:
    """Return whether the centre of any chip lies on another one, as if all had the place of one."""
    for n, ((a, b, c, d, e, f), (height, width)) in enumerate(zip(maps, shapes, strict=True)):
        inverse = np.linalg.inv([[a, b], [d, e]])
        for other, ((p, q, r, s, t, u), (tall, wide)) in enumerate(zip(maps, shapes, strict=True)):
            if other == n:
                continue
            x, y = 0.5 * (wide - 1), 0.5 * (tall - 1)
            at = inverse @ [p * x + q * y + r - c, s * x + t * y + u - f]
            if 0 <= at[0] <= width - 1 and 0 <= at[1] <= height - 1:
                return True
    return False
