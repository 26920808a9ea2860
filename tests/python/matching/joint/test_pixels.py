"""Pixels of one exposure: the step between their values."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.matching.joint.pixels import Pixels


def pixels(image: np.ndarray, mask: np.ndarray | None = None) -> Pixels:
    height, width = image.shape
    return Pixels(image, mask, 1, (0, 0, width, height))


@pytest.mark.parametrize("step", [1.0, 0.37, 1 / 1.3])
def test_step_of_rounded_pixels(step: float) -> None:
    rng = np.random.default_rng(1)
    rounded = (np.rint(rng.normal(600 + np.linspace(0, 40, 300), 0.4, (200, 300))) * step).astype(np.float32)
    assert pixels(rounded).quantum == pytest.approx(step, rel=1e-5)
    rounded[:, ::7] = np.nan
    assert pixels(rounded).quantum == pytest.approx(step, rel=1e-5)


def test_no_step() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(600, 0.4, (200, 300)).astype(np.float32)
    assert pixels(noise).quantum == 0
    # The step is far below the noise.
    assert pixels(np.rint(rng.normal(600, 10, (200, 300)))).quantum == 0
    # Objects of one value on a flat sky are no lattice, and neither is an image without good pixels.
    flat = np.full((200, 300), 5.0)
    flat[20:120, 30:200] = 8.0
    assert pixels(flat).quantum == 0
    assert pixels(np.full((20, 30), np.nan)).quantum == 0
    assert pixels(np.rint(noise), np.ones(noise.shape, np.int32)).quantum == 0
    assert pixels(np.zeros((1, 1))).quantum == 0


def test_squares_around_masked_sources() -> None:
    masked = np.zeros((120, 160), np.int32)
    masked[50:62, 70:82] = 1  # a star
    masked[::10, ::10] = 1  # cosmic rays
    masked[:, 20:23] = 1  # columns
    masked[-9:] = 1  # an edge without data
    masked[80:100, 120:124] = 2  # not bad
    image = np.zeros(masked.shape, np.float32)
    found = pixels(image, masked).around_masks
    assert found is not None
    assert found.shape == (30, 40)
    rows, columns = np.nonzero(found)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 17, 15, 22)
    assert not found[10, 15]
    assert found.sum() == 64 - 4  # without the corners
    image[(masked & 1) != 0] = np.nan
    assert np.array_equal(pixels(image).around_masks, found)


def test_squares_are_those_of_the_common_plane() -> None:
    image = np.zeros((61, 59), np.float32)
    image[30:40, 30:40] = np.nan
    found = Pixels(image, None, 0, (-3, 6, 59, 61)).around_masks
    assert found is not None
    # Squares from -1 to 13 in x, and from 1 to 16 in y; the star is at 27 to 36 in x, and at 36 to 45 in y.
    assert found.shape == (16, 15)
    rows, columns = np.nonzero(found)
    assert (columns.min() - 1, columns.max() - 1) == (4, 11)
    assert (rows.min() + 1, rows.max() + 1) == (7, 13)


def test_no_masked_sources() -> None:
    rng = np.random.default_rng(2)
    image = rng.normal(600, 10, (200, 200))
    assert pixels(image).around_masks is None
    for corner in (np.tri(200) > 0, np.indices((200, 200)).sum(axis=0) < 90, np.eye(200, k=20) + np.eye(200, k=21) > 0):
        assert pixels(np.where(corner, np.nan, image)).around_masks is None
    trail = sum(np.eye(200, k=k) for k in range(-2, 3)) > 0
    trail[:60] = trail[140:] = False
    assert pixels(np.where(trail, np.nan, image)).around_masks is None
    masked = (rng.random((200, 200)) < 0.01).astype(np.int32)
    assert pixels(image, masked).around_masks is None
