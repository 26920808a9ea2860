"""Thumbnails of images, and histograms of differences."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.image import ImageF, Mask, MaskedImageF
from evensky.math.thumbnail import difference_histogram, thumbnail


def image_of(pixels: np.ndarray, bad: np.ndarray | None = None) -> MaskedImageF:
    mask = Mask(np.zeros(pixels.shape, np.int32) if bad is None else bad.astype(np.int32))
    return MaskedImageF(ImageF(pixels.astype(np.float32)), mask)


def test_a_thumbnail_holds_medians_of_good_pixels() -> None:
    pixels = np.repeat(np.repeat(np.arange(12.0).reshape(3, 4), 10, axis=0), 10, axis=1)
    bad = np.zeros(pixels.shape, bool)
    bad[:10, :10] = True
    bad[15, 5:25] = True
    pixels[15, 5:25] = 1e6
    small = thumbnail(image_of(pixels, bad), 1, side=4)
    assert small.shape == (3, 4)
    assert np.isnan(small[0, 0])
    np.testing.assert_array_equal(small.ravel()[1:], np.arange(1, 12))


@pytest.mark.parametrize(("height", "width", "shape"), [(20, 30, (20, 30)), (300, 600, (110, 220)), (1, 900, (1, 220))])
def test_sizes_of_thumbnails(height: int, width: int, shape: tuple[int, int]) -> None:
    assert thumbnail(image_of(np.zeros((height, width))), 0).shape == shape


def test_the_histogram_of_a_difference() -> None:
    rng = np.random.default_rng(1)
    first = rng.normal(100, 3, (200, 300))
    bad = np.zeros(first.shape, bool)
    bad[:, :30] = True
    other = first + rng.normal(0, 2, first.shape)
    other[:, :30] = 1e6
    counts, edges = difference_histogram(image_of(first), image_of(other, bad), 1, 1)
    assert counts.size == 101
    assert edges[-1] == -edges[0] == pytest.approx(5 * 2, rel=0.02)
    assert counts.sum() == pytest.approx(200 * 270, abs=5)
    # The mean of first - second, computed from the middles of the bins.
    assert np.average(0.5 * (edges[1:] + edges[:-1]), weights=counts) == pytest.approx(0, abs=0.05)


def test_a_difference_without_scatter_or_pixels() -> None:
    one = image_of(np.ones((4, 5)))
    counts, edges = difference_histogram(one, one, 1, 1)
    assert (edges[0], edges[-1], counts[50]) == (-1, 1, 20)
    counts, edges = difference_histogram(one, image_of(np.ones((4, 5)), np.ones((4, 5), bool)), 1, 1)
    assert (counts.size, edges.size) == (0, 1)
