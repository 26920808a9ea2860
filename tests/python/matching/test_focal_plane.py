"""Places of the chips of an exposure in its focal plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.wcs import WCS

from evensky.matching.focal_plane import place_chips

SHAPE = (80, 100)
DETSEC = [(1.0, 0.0, 100.0 * n, 0.0, 1.0, 0.0) for n in range(2)]


def wcs_at(x: float, y: float, *, turned: bool = False, declination: float = 40.0) -> Any:
    """Make the WCS of a chip whose first pixel is at (x, y) of the focal plane."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [10.0, declination]
    sign = -1 if turned else 1
    wcs.wcs.cd = sign * np.array([[-1e-4, 0], [0, 1e-4]])
    wcs.wcs.crpix = [1 - sign * x, 1 - sign * y]
    return wcs


def at(place: Any, x: float, y: float) -> np.ndarray:
    a, b, c, d, e, f = place
    return np.array([a * x + b * y + c, d * x + e * y + f])


def test_headers_take_precedence() -> None:
    assert place_chips(DETSEC, [SHAPE] * 2, [None, None]) == DETSEC
    assert place_chips(DETSEC, [SHAPE] * 2, [wcs_at(0, 0), wcs_at(500, 0)]) == DETSEC


@pytest.mark.parametrize("declination", [40.0, 89.99, -90.0])
def test_places_from_the_wcs(declination: float) -> None:
    wcs = [wcs_at(0, 0, declination=declination), wcs_at(309, 179, turned=True, declination=declination)]
    places = place_chips([None, DETSEC[1]], [SHAPE] * 2, wcs)
    assert places is not None
    # Distances between pixels are those of the mosaic, whatever its orientation.
    first, last = at(places[0], 0, 0), at(places[1], 0, 0)
    assert np.hypot(*(last - first)) == pytest.approx(np.hypot(309, 179), rel=1e-3)
    assert np.hypot(*(at(places[1], 99, 79) - first)) == pytest.approx(np.hypot(210, 100), rel=1e-3)


@pytest.mark.parametrize(
    ("maps", "wcs"),
    [
        ([None, None], [None, None]),
        ([None, None], [wcs_at(0, 0), None]),
        ([DETSEC[0], None], []),
        ([DETSEC[0], DETSEC[0]], []),  # all chips have the place of one
        ([None, None], [wcs_at(0, 0), wcs_at(20, 10)]),
    ],
)
def test_unknown_places(maps: Any, wcs: Any) -> None:
    assert place_chips(maps, [SHAPE] * 2, wcs) is None


def test_a_wcs_that_fails_gives_no_place() -> None:
    class Broken:
        def pixel_to_world_values(self, x: Any, y: Any) -> Any:
            raise ValueError("no convergence")

    class Nowhere(Broken):
        def pixel_to_world_values(self, x: Any, y: Any) -> Any:
            return x * np.nan, y * np.nan

    for wcs in (Broken(), Nowhere()):
        assert place_chips([None, None], [SHAPE] * 2, [wcs, wcs_at(0, 0)]) is None
