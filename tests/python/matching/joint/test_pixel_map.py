"""Maps between the pixels of exposures and those of the plane."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evensky.matching.joint.pixel_map import PixelMap

STEP = 16
SHAPE = (70, 90)
ORIGIN = (1000, -50)


# No virtual pixel lies halfway between two pixels, where rounding would decide.
MIDDLE = (200.13, 299.71)


def turned(angle: float = 30.0, scale: float = 1.0, origin: tuple[int, int] = ORIGIN) -> PixelMap:
    """Return the map of an exposure that is turned about its middle, which lies at `MIDDLE` of the plane."""
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    middle = np.array([(SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2])
    corners = np.array([[x, y] for x in (-0.5, SHAPE[1] - 0.5) for y in (-0.5, SHAPE[0] - 0.5)])
    there = (corners - middle) @ rotation.T + MIDDLE
    x0, y0 = np.ceil(there.min(axis=0)).astype(int).tolist()
    x1, y1 = np.floor(there.max(axis=0)).astype(int).tolist()
    columns, rows = (np.arange(-(-(size - 1) // STEP) + 1) * STEP for size in (x1 - x0 + 1, y1 - y0 + 1))
    plane = np.stack(np.meshgrid(x0 + columns, y0 + rows), axis=-1)
    own = (plane - MIDDLE) @ rotation + middle
    own_columns, own_rows = (np.arange(-(-(size - 1) // 10) + 1) * 10 for size in SHAPE[::-1])
    back = (np.stack(np.meshgrid(own_columns, own_rows), axis=-1) - middle) @ rotation.T + MIDDLE
    return PixelMap(
        footprint=(x0, y0, x1 - x0 + 1, y1 - y0 + 1),
        shape=SHAPE,
        origin=origin,
        step=STEP,
        x_nodes=own[..., 0].copy(),
        y_nodes=own[..., 1].copy(),
        own_step=10,
        plane_x=back[..., 0].copy(),
        plane_y=back[..., 1].copy(),
        scale=scale,
    )


def expected(found: PixelMap, pixels: NDArray[Any], good: NDArray[np.bool_]) -> NDArray[Any]:
    """Look up the nearest pixel of each virtual pixel."""
    x0, y0, width, height = found.footprint
    x, y = found.to_own(*np.meshgrid(np.arange(x0, x0 + width), np.arange(y0, y0 + height)))
    column, row = (np.floor(v - o + 0.5).astype(int) for v, o in zip((x, y), found.origin, strict=True))
    inside = (column >= 0) & (row >= 0) & (column < found.shape[1]) & (row < found.shape[0])
    values = np.where(good & np.isfinite(pixels), pixels * pixels.dtype.type(found.scale), np.nan)
    sampled: NDArray[Any] = np.full((height, width), np.nan, pixels.dtype)
    sampled[inside] = values[row[inside], column[inside]]
    return sampled


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_each_virtual_pixel_has_the_value_of_the_nearest_pixel(kind: type) -> None:
    rng = np.random.default_rng(2)
    pixels = rng.normal(100, 10, SHAPE).astype(kind)
    pixels[20, 30] = np.nan
    mask = rng.choice(np.array([0, 1, 4, 8], np.int32), SHAPE)
    found = turned(scale=1.5)
    wanted = expected(found, pixels, (mask & 5) == 0)
    sampled = found.sample(pixels, mask, 5)
    assert sampled.dtype == kind
    np.testing.assert_array_equal(sampled, wanted)
    assert np.isfinite(sampled).sum() == pytest.approx(SHAPE[0] * SHAPE[1] / 2, rel=0.05)
    np.testing.assert_array_equal(found.sample(pixels), expected(found, pixels, np.ones(SHAPE, bool)))


def test_rows_of_the_footprint() -> None:
    pixels = np.random.default_rng(2).normal(size=SHAPE)
    found = turned()
    whole = found.sample(pixels)
    out = np.zeros((25, found.footprint[2]))
    assert found.sample(pixels, rows=slice(30, 55), out=out) is out
    np.testing.assert_array_equal(out, whole[30:55])
    np.testing.assert_array_equal(found.sample(pixels, rows=slice(90, None), num_threads=2), whole[90:])
    assert found.sample(pixels, rows=slice(5, 5)).shape == (0, found.footprint[2])
    with pytest.raises(ValueError, match="the step of the rows is 2"):
        found.sample(pixels, rows=slice(0, 10, 2))
    with pytest.raises(ValueError, match=r"exposure of 90 x 70 pixels, not of 70 x 90"):
        found.sample(pixels.T)


def test_positions_are_mapped_there_and_back() -> None:
    found = turned()
    x, y = np.random.default_rng(1).uniform(-30, 120, (2, 5, 4))
    there = found.to_common(x + ORIGIN[0], y + ORIGIN[1])
    assert there[0].shape == (5, 4)
    back = found.to_own(*there)
    # Positions beyond the exposure are continued.
    np.testing.assert_allclose(back, (x + ORIGIN[0], y + ORIGIN[1]), atol=1e-9)
    assert found.to_own(*MIDDLE) == pytest.approx((1000 + 44.5, -50 + 34.5))
    assert np.isnan(found.to_own(np.nan, 3.0)).all()


def test_the_outline_goes_round_the_exposure() -> None:
    corners = turned().corners()
    assert corners.shape == (32, 2)
    x, y = corners.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert area == pytest.approx(SHAPE[0] * SHAPE[1])
    np.testing.assert_allclose(corners.mean(axis=0), MIDDLE)


def test_nodes_without_positions() -> None:
    found = turned()
    found.x_nodes[2, 2] = np.nan
    x0, y0 = found.footprint[:2]
    x, _ = found.to_own(x0 + np.array([2.5, 3.5]) * STEP, y0 + np.array([2.5, 3.5]) * STEP)
    assert np.isnan(x).tolist() == [True, False]
    sampled = found.sample(np.ones(SHAPE))
    assert np.isnan(sampled[STEP + 1 : 3 * STEP, STEP + 1 : 3 * STEP]).all()
    assert np.isfinite(sampled[3 * STEP + 1 : 4 * STEP, 3 * STEP + 1 : 4 * STEP]).all()
    found.plane_x[0, 0] = np.nan
    assert len(found.corners()) < 32


def test_maps_are_pickled() -> None:
    found = turned()
    copy = pickle.loads(pickle.dumps(found))
    assert copy.footprint == found.footprint
    pixels = np.random.default_rng(2).normal(size=SHAPE)
    np.testing.assert_array_equal(copy.sample(pixels), found.sample(pixels))


def test_a_hole_is_filled_without_distortions() -> None:
    found = turned()
    assert found.continued is found
    holes = found.plane_x.copy()
    holes[2:6, 3:7] = np.nan
    holed = replace(found, plane_x=holes)
    middle = ORIGIN[0] + (SHAPE[1] - 1) / 2, ORIGIN[1] + (SHAPE[0] - 1) / 2
    assert np.isnan(holed.to_common(*middle)[0])
    np.testing.assert_allclose(holed.continued.to_common(*middle), MIDDLE, atol=1e-6)
    assert holed.size == found.size == SHAPE[::-1]
