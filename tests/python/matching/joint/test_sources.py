"""Light of sources in the differences of exposures with different seeing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evensky import _core
from evensky.fits.scratch import Scratch
from evensky.matching.joint.differences import PairBins, measure_pair
from evensky.matching.joint.grid import CommonGrid
from evensky.matching.joint.pixels import Pixels
from evensky.matching.joint.sources import (
    around_masks,
    biased_squares,
    cell_edges,
    cells_of,
    clipped_light,
    source_cells,
    square_edges,
)

SIDE, NOISE = 512, 10.0


def stars(rng: np.random.Generator, fwhm: float, *, number: int = 400, noise: float = NOISE) -> np.ndarray:
    """Draw the same stars with a given seeing, and noise."""
    places = np.random.default_rng(5)
    image = rng.normal(600, noise, (SIDE, SIDE))
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / 3) - 1))
    rows, columns = np.indices((SIDE, SIDE))
    for x, y, flux in zip(*places.uniform(0, SIDE, (2, number)), 400 * places.pareto(0.95, number) + 400, strict=True):
        x0, y0 = max(0, int(x) - 60), max(0, int(y) - 60)
        part = slice(y0, int(y) + 60), slice(x0, int(x) + 60)
        radius2 = ((columns[part] - x) ** 2 + (rows[part] - y) ** 2) / alpha**2
        image[part] += min(flux, 1e5) * 2 / (np.pi * alpha**2) * (1 + radius2) ** -3
    return image.astype(np.float32)


def options(statistic: _core.Property = _core.Property.MEANCLIP) -> _core.PairOptions:
    made = _core.PairOptions()
    made.gridStatistic, made.numIter = statistic, 3
    return made


def measure(
    images: tuple[np.ndarray, np.ndarray],
    *,
    scratch: Path | None = None,
    masks: tuple[np.ndarray | None, ...] = (None, None),
) -> PairBins:
    def kept(plane: np.ndarray | None) -> Any:
        if plane is None or scratch is None:
            return plane
        on_disk = Scratch(scratch).zeros((SIDE, SIDE), plane.dtype)
        on_disk[...] = plane
        return on_disk

    one, other = (
        Pixels(kept(image), kept(mask), 1, (-30, 17, SIDE, SIDE)) for image, mask in zip(images, masks, strict=True)
    )
    bins = measure_pair((0, one), (1, other), CommonGrid(64), options())
    assert bins is not None
    return bins


def mean_of(bins: PairBins) -> tuple[float, float]:
    """Return the weighted mean of all bins, and its error."""
    weights = 1 / bins.errors**2
    return float(np.sum(weights * bins.values) / weights.sum()), float(weights.sum() ** -0.5)


def plain(images: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return clipped means and their errors, whatever the seeing, in the bins of `measure`."""
    x_edges, y_edges, _ = CommonGrid(64).edges((-30, 17, SIDE, SIDE))
    values, errors, *_ = _core.bin_differences((images[0], None), (images[1], None), x_edges, y_edges, options())
    return np.asarray(values).ravel(), np.asarray(errors).ravel()


def test_different_seeing_leaves_no_bias() -> None:
    rng = np.random.default_rng(1)
    images = stars(rng, 3.0), stars(rng, 6.0)
    images[0][::61, ::67] += 3000  # cosmic rays
    mean, error = mean_of(measure(images))
    assert abs(mean) < 2.5 * error < 0.15
    values, errors = plain(images)
    assert np.sum(values / errors**2) / np.sum(errors**-2.0) < -0.25


def test_equal_seeing_is_measured_by_plain_clipping() -> None:
    rng = np.random.default_rng(2)
    images = stars(rng, 4.0), stars(rng, 4.0)
    images[0][::61, ::67] += 3000
    bins = measure(images)
    values, errors = plain(images)
    assert bins.values.tolist() == values.tolist()
    assert bins.errors.tolist() == errors.tolist()


def test_planes_on_disk_and_masks_give_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    images = stars(rng, 3.0), stars(rng, 6.0)
    bad = (rng.random((SIDE, SIDE)) < 0.01).astype(np.int32)
    holes = images[0].copy()
    holes[bad != 0] = np.nan
    bins = measure(images, masks=(bad, None))
    for other in (measure((holes, images[1])), measure(images, masks=(bad, None), scratch=tmp_path)):
        assert other.values == pytest.approx(bins.values, abs=1e-9)
        assert other.errors == pytest.approx(bins.errors, abs=1e-9)


def test_cells_fit_into_bins_wherever_a_box_lies() -> None:
    for bin_size in (3, 16, 50, 64, 100):
        whole, first, bins = cell_edges(-200, 1000, bin_size)
        starts = dict(zip((whole[:-1] - 200).tolist(), range(first, first + bins.size), strict=True))
        assert {start for start in starts if start % bin_size == 0} == {
            start for start in range(-200, 800) if start % bin_size == 0
        }
        for start, size in ((-123, 77), (0, 5), (30, 400), (-1, 2)):
            edges, number, of_bins = cell_edges(start, size, bin_size)
            assert edges[0] == 0
            assert edges[-1] == size
            assert np.all(np.diff(edges) > 0)
            assert edges.size - 1 == of_bins.size
            assert starts.get(start + int(edges[1]), number + 1) == number + 1
            of_pixels = np.repeat(of_bins, np.diff(edges)) + start // bin_size
            assert of_pixels.tolist() == (np.arange(start, start + size) // bin_size).tolist()


def test_sources_are_what_both_exposures_have() -> None:
    one, other = np.zeros((2, 20, 20), np.float32)
    one[5, 5], other[5, 5], other[5, 6] = 500, 350, 120
    one[15, 15] = 400  # a cosmic ray
    one[6, 7] = 3000  # and one beside the star
    cores, found = source_cells(one, other, (1.0, 1.0))
    assert np.argwhere(cores).tolist() == [[5, 5]]
    assert found[5, 5]
    assert found[4, 4]
    assert not found[6, 7]
    assert not found[13:18, 13:18].any()


def test_cells_without_good_pixels() -> None:
    counts = np.zeros((10, 12), np.int64)
    nothing = cells_of(np.zeros((10, 12)), counts, np.full((10, 12), 64), (0, 0), 0.0)
    assert not nothing.excess.any()
    assert not np.isfinite(nothing.noise)
    counts[:, 6:] = 64
    rng = np.random.default_rng(1)
    half = cells_of(counts * rng.normal(600, 2, (10, 12)), counts, np.full((10, 12), 64), (3, 4), 0.0)
    assert not half.excess[:, :6].any()
    assert 0.5 < half.noise < 4
    assert half.part(9, 5, (2, 3)).tolist() == half.excess[1:3, 6:9].tolist()


def test_few_sources_change_nothing() -> None:
    values, errors = np.ones((2, 2)), np.ones((2, 2))
    sources = np.zeros((16, 16), bool)
    sources[3, 3] = True
    bins = np.arange(16) // 8

    def never(lows: np.ndarray, highs: np.ndarray) -> tuple[np.ndarray, ...]:
        raise AssertionError("no pixel needs to be read")

    counts = np.full((2, 2), 4096)
    found = clipped_light((sources, sources), (bins, bins), values, errors, counts, 3 * errors, never)
    assert found[0] is values
    assert found[1] is errors


def masks_of(images: tuple[np.ndarray, np.ndarray], fwhms: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Mask the pixels in which an exposure has more than one noise of star light."""
    found = []
    for fwhm in fwhms:
        light = stars(np.random.default_rng(0), fwhm, noise=0.0) - 600
        found.append((light > NOISE).astype(np.int32))
    return found[0], found[1]


def test_wings_beyond_masks_leave_no_bias(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    seeing = 3.0, 6.0
    images = stars(rng, seeing[0]), stars(rng, seeing[1])
    masks = masks_of(images, seeing)
    mean, error = mean_of(measure(images, masks=masks))
    assert abs(mean) < 3 * error < 0.2
    holes = tuple(np.where(mask != 0, np.float32(np.nan), image) for image, mask in zip(images, masks, strict=True))
    values, errors = plain((holes[0], holes[1]))
    good = np.isfinite(values) & np.isfinite(errors)
    assert np.sum(values[good] / errors[good] ** 2) / np.sum(errors[good] ** -2.0) < -0.4
    # Pixels whose mask is NaN, and planes on disk, give the same.
    expected = measure(images, masks=masks)
    for other in (measure((holes[0], holes[1])), measure(images, masks=masks, scratch=tmp_path)):
        assert other.values == pytest.approx(expected.values, abs=1e-9)
        assert other.counts.tolist() == expected.counts.tolist()


def test_masks_of_equal_seeing_lose_no_pixels() -> None:
    rng = np.random.default_rng(6)
    images = stars(rng, 4.0), stars(rng, 4.0)
    masks = masks_of(images, (4.0, 4.0))
    bins = measure(images, masks=masks)
    assert bins.counts.sum() == np.count_nonzero((masks[0] | masks[1]) == 0)


def test_bins_keep_a_tenth_of_their_pixels() -> None:
    squares = np.ones((16, 32), bool)
    squares[:, 16:18] = False
    bins = np.arange(32) // 16, np.arange(16) // 16
    counts = np.full((1, 2), 4096)

    numbers = np.array([[256, 224]] * 16)  # of the squares in each row and bin
    found = biased_squares(squares, bins, counts, np.where(squares, 32.0, 0.0), numbers)
    assert found is not None
    assert not found[:, :16].any()
    assert np.array_equal(found[:, 16:], squares[:, 16:])
    # Light that has both signs is noise.
    noise = np.random.default_rng(1).normal(0, 1, squares.shape)
    assert biased_squares(squares, bins, counts, noise, numbers) is None


@pytest.mark.parametrize("shape", [(16, 32), (17, 33)])
def test_a_bias_of_one_quadrant_counts(shape: tuple[int, int]) -> None:
    squares = np.ones(shape, bool)
    bins = np.zeros(shape[1], int), np.zeros(shape[0], int)
    given = squares, bins, np.array([[10**6]])
    numbers = np.full((shape[0], 1), 16)
    rows, columns = shape[0] // 2, shape[1] // 2
    noise = np.random.default_rng(2).normal(0, 1, shape)
    assert biased_squares(*given, noise, numbers) is None
    for y in (slice(rows), slice(rows, None)):
        for x in (slice(columns), slice(columns, None)):
            light = noise.copy()
            light[y, x] += 0.8
            assert biased_squares(*given, light, numbers) is not None


@pytest.mark.parametrize(("seed", "share"), [(1, 0.0005), (2, 0.003), (3, 0.01)])
def test_masked_sources_are_the_connected_squares_that_scipy_labels(seed: int, share: float) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(seed)
    # Discs and trails of many sizes, which touch at sides and at corners.
    masked = np.zeros((200, 230), np.uint8)
    for y, x in zip(*np.nonzero(rng.random(masked.shape) < share), strict=True):
        height, width = rng.choice([1, 2, 3, 5, 30, 80], 2, p=[0.3, 0.2, 0.2, 0.2, 0.06, 0.04])
        masked[y : y + height, x : x + width] = rng.integers(4, 17)
    for k in range(60):  # a trail along a diagonal, whose squares touch at corners
        masked[100 + k, 20 + k] = 16
    fours = masked[:-1] + masked[1:]
    dense = np.pad(fours[:, :-1] + fours[:, 1:] >= 9, 1)
    found = (dense[:-1, :-1] | dense[1:, :-1] | dense[:-1, 1:] | dense[1:, 1:]) & (masked >= 4)
    lines = found.mean(axis=1) > 0.5, found.mean(axis=0) > 0.5
    found[lines[0]] = False
    found[:, lines[1]] = False
    labels, _ = ndimage.label(found, np.ones((3, 3)))
    expected = np.zeros(masked.shape, bool)
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        group = labels[place] == number
        longest = max(group.shape)
        if longest <= 0.25 * 200 and (longest <= 8 or group.mean() >= 0.15):
            expected[place] |= group
    cross = ndimage.binary_dilation(expected)
    disc = ndimage.binary_dilation(cross, np.ones((3, 3)))
    assert expected.any()
    assert (found & ~expected).any()
    assert np.array_equal(around_masks(masked), disc)


def test_no_masked_source_without_squares() -> None:
    assert not around_masks(np.zeros((5, 6), np.uint8)).any()
    line = np.zeros((40, 40), np.uint8)
    line[10:12] = 16  # rows of bad pixels alone
    assert not around_masks(line).any()


def test_kept_edges_cannot_be_changed() -> None:
    for array in (cell_edges(3, 50, 16)[0], cell_edges(3, 50, 16)[2], square_edges(3, 50)[0]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
