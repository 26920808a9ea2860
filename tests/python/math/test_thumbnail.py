"""Thumbnails of images, and histograms of differences."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from evensky.fits.scratch import Scratch
from evensky.image import ImageF, Mask, MaskedImageF
from evensky.math.thumbnail import Blocks, block_means, difference_histogram


def image_of(pixels: np.ndarray, bad: np.ndarray | None = None) -> MaskedImageF:
    mask = Mask(np.zeros(pixels.shape, np.int32) if bad is None else bad.astype(np.int32))
    return MaskedImageF(ImageF(pixels.astype(np.float32)), mask)


@pytest.mark.parametrize("offset", [0, 4, 13])
def test_means_of_the_good_pixels_in_blocks(offset: int) -> None:
    rng = np.random.default_rng(5)
    pixels = rng.normal(10, 1, (57, 93)).astype(np.float32)
    bad = rng.random(pixels.shape) < 0.1
    bad[:30, :30] = True
    pixels[bad] = 1e6
    pixels[50, 50] = np.nan
    rows, columns = Blocks.along(57, 10, offset), Blocks.along(93, 10, 2 * offset)
    small = block_means(image_of(pixels, bad), 1, rows, columns)
    good = np.where(bad | np.isnan(pixels), 0, pixels)
    number = ~(bad | np.isnan(pixels))
    for row in range(rows.count):
        for column in range(columns.count):
            box = _pixels_of(rows, row), _pixels_of(columns, column)
            if number[box].any():
                assert small[row, column] == pytest.approx(good[box].sum() / number[box].sum(), rel=1e-5)
            else:
                assert np.isnan(small[row, column])
    assert np.isnan(small).any()


def _pixels_of(blocks: Blocks, number: int) -> slice:
    for run, start, _, size in blocks.runs():
        if run.start <= number < run.stop:
            first = start + (number - run.start) * size
            return slice(first, first + size)
    raise IndexError(number)


def test_blocks_have_the_same_edges_in_all_images() -> None:
    for size, side, offset in itertools.product(range(1, 25), range(1, 9), range(-9, 20)):
        blocks = Blocks.along(size, side, offset)
        ends = [(start + at * width, width) for start, count, width in blocks.pieces for at in range(count)]
        assert len(ends) == blocks.count >= 1
        assert [first for first, _ in ends[1:]] == [first + width for first, width in ends[:-1]]
        assert ends[0][0] >= 0
        assert ends[-1][0] + ends[-1][1] <= size
        if len(ends) > 1:  # otherwise the whole image may be one block
            for number, (first, width) in enumerate(ends, blocks.first):
                assert (offset + first) // side == (offset + first + width - 1) // side == number
                assert 2 * width >= side
            assert sum(width for _, width in ends) > size - side


def test_means_of_an_image_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(6).normal(10, 1, (57, 93)).astype(np.float32)
    bad = pixels > 11
    scratch = Scratch(tmp_path)
    image, mask = scratch.zeros(pixels.shape, np.float32), scratch.zeros(pixels.shape, np.int32)
    image[0:57], mask[0:57] = pixels, bad.astype(np.int32)
    on_disk = SimpleNamespace(image=SimpleNamespace(bands=image), mask=SimpleNamespace(bands=mask))
    blocks = Blocks.along(57, 8), Blocks.along(93, 8)
    expected = block_means(image_of(pixels, bad), 1, *blocks)
    monkeypatch.setattr("evensky._bands.MOST_PIXELS", 16 * 93)
    np.testing.assert_array_equal(block_means(on_disk, 1, *blocks), expected)


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
