"""Sampling of the nearest pixels of an image on another pixel grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evensky import _core
from evensky.errors import InvalidParameterError, LengthError

_BAD = 4


def nodes(shape: tuple[int, int], step: int, angle: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)) -> Any:
    """Return x and y of a map that rotates about the centre of the grid, and bends a little."""
    columns, rows = np.meshgrid(*(np.arange(0, size + step - 1, step) for size in shape[::-1]))
    dx, dy = columns - shape[1] / 2, rows - shape[0] / 2
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    bent = 0.0 if angle == 0 else 1e-5 * (dx**2 + dy**2)
    return c * dx - s * dy + bent + shape[1] / 2 + shift[0], s * dx + c * dy + bent + shape[0] / 2 + shift[1]


def positions(grid: np.ndarray, step: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the coordinate of each pixel, which is bilinear between the nodes."""
    grid = np.pad(grid, ((0, 1), (0, 1)), mode="edge")
    rows, columns = np.arange(shape[0])[:, np.newaxis], np.arange(shape[1])[np.newaxis]
    i, j, v, u = rows // step, columns // step, rows % step, columns % step
    left = grid[i, j] + v * ((grid[i + 1, j] - grid[i, j]) / step)
    right = grid[i, j + 1] + v * ((grid[i + 1, j + 1] - grid[i, j + 1]) / step)
    return left + u * ((right - left) / step)


def sampled(
    image: np.ndarray, mask: np.ndarray | None, x_nodes: np.ndarray, y_nodes: np.ndarray, step: int, scale: float
) -> np.ndarray:
    """Return what the core must return, pixel by pixel of the definition."""
    x, y = (np.floor(positions(grid, step, image.shape) + 0.5) for grid in (x_nodes, y_nodes))
    inside = (x >= 0) & (y >= 0) & (x < image.shape[1]) & (y < image.shape[0])
    u, v = np.where(inside, x, 0).astype(int), np.where(inside, y, 0).astype(int)
    with np.errstate(over="ignore", invalid="ignore"):
        values = (scale * image[v, u].astype(float)).astype(image.dtype)
        good = inside & np.isfinite(values.astype(np.float32))
    if mask is not None:
        good &= (mask[v, u] & _BAD) == 0
    return np.where(good, values, np.nan).astype(image.dtype)


def scene(dtype: type = np.float32, shape: tuple[int, int] = (150, 211)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    image = rng.normal(100, 10, shape).astype(dtype)
    image[40, 50], image[60, 70:75] = np.nan, np.inf
    return image, (rng.random(shape) < 0.1).astype(np.int32) * _BAD | 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("angle", [0, 30, 90, 200])
@pytest.mark.parametrize("step", [1, 8, 64, 500])
def test_nearest_pixels(dtype: type, masked: bool, angle: float, step: int) -> None:
    image, mask = scene(dtype)
    x, y = nodes(image.shape, step, angle, (3.3, -20.2))
    out = np.zeros_like(image)
    _core.sample_nearest((image, mask if masked else None), x, y, step, 1.25, _BAD, out)
    expected = sampled(image, mask if masked else None, x, y, step, 1.25)
    assert 0.3 < np.isfinite(expected).mean() < 0.95
    np.testing.assert_array_equal(out, expected)


def test_parts_and_threads_do_not_matter() -> None:
    image, mask = scene()
    x, y = nodes(image.shape, 16, 30)
    whole = np.empty_like(image)
    _core.sample_nearest((image, mask), x, y, 16, 1.0, _BAD, whole)
    out = np.empty_like(image)
    _core.sample_nearest((image, mask), x, y, 16, 1.0, _BAD, out, num_threads=4)
    np.testing.assert_array_equal(out, whole)
    for row in range(0, 150, 47):
        part = out[row : row + 47, 20:]
        part[:] = 0
        _core.sample_nearest((image, mask), x, y, 16, 1.0, _BAD, part, 20, row)
    np.testing.assert_array_equal(out, whole)


def test_any_strides() -> None:
    image, mask = scene()
    x, y = nodes(image.shape, 16, 75)
    expected = sampled(image, mask, x, y, 16, 1.0)
    records = np.zeros(image.shape, [("flag", "u1"), ("pixel", "f4")])  # not aligned
    records["pixel"] = image
    for given in (np.asfortranarray(image), image[::-1].copy()[::-1], np.repeat(image, 2, 1)[:, ::2], records["pixel"]):
        out = np.zeros((image.shape[0], 3 * image.shape[1]), np.float32)
        _core.sample_nearest((given, np.asfortranarray(mask)), x, y, 16, 1.0, _BAD, out[:, 1::3])
        np.testing.assert_array_equal(out[:, 1::3], expected)
        assert not out[:, ::3].any()


def test_masks_are_exact_and_nothing_is_interpolated() -> None:
    image, mask = scene()
    x, y = nodes(image.shape, 64, 20)
    out = np.empty_like(image)
    _core.sample_nearest((image, mask), x, y, 64, 1.0, _BAD, out)
    good = (mask & _BAD) == 0
    assert set(out[np.isfinite(out)].tolist()) <= set(image[good & np.isfinite(image)].tolist())
    # Bits that are not bad reject nothing.
    _core.sample_nearest((image, mask), x, y, 64, 1.0, 1, out)
    np.testing.assert_array_equal(out, sampled(image, None, x, y, 64, 1.0))


def test_blocks_with_unknown_nodes() -> None:
    image = np.ones((100, 100), np.float32)
    x, y = nodes(image.shape, 20)
    x[2, 2] = np.nan
    out = np.empty_like(image)
    _core.sample_nearest((image, None), x, y, 20, 3.0, 0, out)
    expected = np.full((100, 100), 3.0)
    expected[20:60, 20:60] = np.nan
    np.testing.assert_array_equal(out, expected)


def test_what_is_wrong_is_said() -> None:
    image, mask = scene()
    x, y = nodes(image.shape, 50)
    out = np.empty_like(image)

    def sample(**changes: Any) -> None:
        given = {"image": (image, mask), "x_nodes": x, "y_nodes": y, "step": 50, "scale": 1.0, "bad": 0, "out": out}
        _core.sample_nearest(**{**given, **changes})

    sample()
    with pytest.raises(InvalidParameterError, match="211 columns from column 41 of the grid on"):
        sample(first_column=41)
    with pytest.raises(InvalidParameterError, match="150 rows from row 2 of the grid on"):
        sample(first_row=2)
    with pytest.raises(InvalidParameterError, match="step = -3"):
        sample(step=-3)
    with pytest.raises(InvalidParameterError, match="scale = -1"):
        sample(scale=-1)
    with pytest.raises(InvalidParameterError, match="float64"):
        sample(out=out.astype(float))
    with pytest.raises(InvalidParameterError, match="x_nodes has dtype float32"):
        sample(x_nodes=x.astype(np.float32))
    readonly = out.copy()
    readonly.flags.writeable = False
    with pytest.raises(InvalidParameterError, match="out must be writeable"):
        sample(out=readonly)
    with pytest.raises(InvalidParameterError, match="int32"):
        sample(image=(mask, mask))
    with pytest.raises(LengthError, match="The mask is 100 x 150 but the image is 211 x 150"):
        sample(image=(image, mask[:, :100]))
    with pytest.raises(LengthError, match="nodes"):
        sample(y_nodes=y[:2])
    with pytest.raises(LengthError, match="0 x 150"):
        sample(image=(image[:, :0], None))
