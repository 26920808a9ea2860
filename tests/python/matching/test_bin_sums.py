"""Sums of bins: what is filled, where samples are taken, and what half-empty bins are worth."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.matching.bin_sums import (
    bin_positions,
    bin_scatter,
    centre_bins,
    fill_bins,
    fit_plane,
    sample_bins,
    spline_bins,
)

STYLES = ("CONSTANT", "LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE")


def plane(shape: tuple[int, int]) -> np.ndarray:
    x, y = bin_positions(shape)
    return np.asarray(3.0 + 0.5 * x - 0.25 * y)


def test_positions_are_columns_and_rows() -> None:
    x, y = bin_positions((2, 3))
    np.testing.assert_array_equal(x, [[0, 1, 2], [0, 1, 2]])
    np.testing.assert_array_equal(y, [[0, 0, 0], [1, 1, 1]])


def test_a_plane_is_fitted_to_the_bins_that_count() -> None:
    means, weights = plane((4, 5)), np.ones((4, 5))
    means[1, 2], weights[1, 2] = np.nan, 0
    np.testing.assert_allclose(fit_plane(means, weights), [3.0, 0.5, -0.25])
    x, y = bin_positions(means.shape)
    np.testing.assert_allclose(fit_plane(means, weights, x + 100, y), [3.0 - 50.0, 0.5, -0.25])
    # A row does not say what the slope across it is.
    np.testing.assert_allclose(fit_plane(plane((1, 5)), np.ones((1, 5))), [3.0, 0.5, 0.0], atol=1e-12)


@pytest.mark.parametrize("style", STYLES)
def test_a_plane_is_continued_over_gaps_and_beyond_the_data(style: str) -> None:
    want = plane((9, 12))
    numbers = np.full(want.shape, 100.0)
    numbers[:, 7:] = 0  # a side without data
    numbers[2:5, 2:4] = 3  # a hole with too few pixels
    numbers[0] = 0
    values = np.where(numbers > 0, want * numbers, 0.0)
    values[2:5, 2:4] += 500  # which are wrong
    means, filled = fill_bins(values, numbers, 10, style)
    np.testing.assert_allclose(means, want, atol=1e-5)
    np.testing.assert_array_equal(filled, numbers < 10)
    assert means.dtype == np.float32


def test_filling_treats_rows_and_columns_alike() -> None:
    rng = np.random.default_rng(1)
    values, numbers = rng.normal(size=(8, 8)), np.where(rng.random((8, 8)) < 0.5, 1.0, 0.0)
    means, _ = fill_bins(values, numbers, 1, "AKIMA_SPLINE")
    turned, _ = fill_bins(values.T, numbers.T, 1, "AKIMA_SPLINE")
    np.testing.assert_allclose(means, turned.T, atol=1e-5)


def test_filled_bins_stay_near_the_data() -> None:
    rng = np.random.default_rng(2)
    numbers = np.zeros((40, 40))
    numbers[:, :6] = 50
    values = rng.normal(5.0, 1.0, numbers.shape) * numbers
    means, filled = fill_bins(values, numbers, 1, "AKIMA_SPLINE")
    original, _ = fill_bins(values, numbers, 1, "AKIMA_SPLINE", as_original=True)
    assert np.abs(original[filled]).max() > 1000  # a parabola through the noise of three bins runs away
    assert np.abs(means[filled] - 5).max() < 10


def test_holes_follow_the_curvature_around_them() -> None:
    x, y = bin_positions((20, 20))
    want = np.cos(x / 5) * 3 + np.sin(y / 6) * x / 5
    numbers = np.ones(want.shape)
    numbers[6:10, 5:9] = 0
    means, filled = fill_bins(want * numbers, numbers, 1, "AKIMA_SPLINE")
    assert np.abs(means - want)[filled].max() < 0.1
    assert np.ptp(want[filled]) > 1


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (2, 2), (1, 2)])
def test_narrow_grids_are_filled(shape: tuple[int, int]) -> None:
    numbers = np.ones(shape)
    numbers[-1, -1] = 0
    means, filled = fill_bins(plane(shape) * numbers, numbers, 1, "AKIMA_SPLINE")
    assert filled.sum() == 1
    assert np.isfinite(means).all()
    np.testing.assert_allclose(means[~filled], plane(shape)[~filled], atol=1e-6)


def test_good_bins_keep_their_means() -> None:
    rng = np.random.default_rng(3)
    numbers = rng.integers(0, 3, (6, 7)).astype(float)
    values = rng.normal(size=numbers.shape)
    means, filled = fill_bins(values, numbers, 1, "LINEAR")
    good = numbers > 0
    np.testing.assert_array_equal(means[good], values.astype("f4")[good] / numbers.astype("f4")[good])
    np.testing.assert_array_equal(filled, ~good)


def test_a_bin_with_a_few_wrong_pixels_is_kept_only_as_the_original_does() -> None:
    numbers = np.array([[9, 9, 9], [1, 0, 0], [9, 9, 9]])
    values = np.ones((3, 3)) * numbers
    values[1, 0] = 1000
    original, flagged = fill_bins(values, numbers, 5, "LINEAR", as_original=True)
    assert original[1, 0] == 1000
    means, filled = fill_bins(values, numbers, 5, "LINEAR")
    assert means[1, 0] == pytest.approx(1)
    np.testing.assert_array_equal(flagged, filled)


def test_smoothing_keeps_a_plane_and_fills() -> None:
    want = plane((12, 12))
    numbers = np.ones(want.shape)
    numbers[4:6, 4:6] = 0
    means, filled = fill_bins(want * numbers, numbers, 1, "LINEAR", 1.5)
    np.testing.assert_allclose(means, want, atol=1e-5)
    assert filled.sum() == 4
    noisy = np.random.default_rng(4).normal(size=(30, 30))
    smooth, _ = fill_bins(noisy, np.ones(noisy.shape), 1, "LINEAR", 2.0)
    assert smooth.std() < 0.3 * noisy.std()


@pytest.mark.parametrize("as_original", [False, True])
def test_bins_that_cannot_be_filled(as_original: bool) -> None:
    with pytest.raises(RuntimeError, match="No good bin: each of the 3 x 2 bins"):
        fill_bins(np.zeros((2, 3)), np.zeros((2, 3)), 1, "LINEAR", as_original=as_original)
    with pytest.raises(InvalidParameterError, match="NONE"):
        fill_bins(np.ones((2, 3)), np.eye(2, 3), 1, "NONE", as_original=as_original)
    with pytest.raises(InvalidParameterError, match=r"\(2, 3\) and numbers \(3, 2\)"):
        fill_bins(np.ones((2, 3)), np.ones((3, 2)), 1, "LINEAR", as_original=as_original)
    means, filled = fill_bins(np.ones((2, 3)), np.eye(2, 3), 1, None, as_original=as_original)
    np.testing.assert_array_equal(np.isnan(means), filled)


@pytest.mark.parametrize("style", STYLES)
def test_one_good_bin_is_enough(style: str) -> None:
    numbers = np.zeros((4, 5))
    numbers[2, 3] = 4
    means, filled = fill_bins(numbers * 7, numbers, 1, style)
    np.testing.assert_allclose(means, 7, rtol=1e-6)
    assert filled.sum() == 19


def test_half_empty_bins_are_moved_to_their_centres() -> None:
    rng = np.random.default_rng(5)
    shape = (12, 15)
    x, y = bin_positions(shape)
    numbers = rng.integers(10, 100, shape).astype(float)
    off_x, off_y = rng.uniform(-0.8, 0.8, (2, *shape))
    values = numbers * (3.0 + 0.5 * (x + off_x) - 0.25 * (y + off_y))
    moved = centre_bins(values, numbers, off_x * numbers, off_y * numbers, 1)
    assert np.abs(values / numbers - plane(shape)).max() > 0.3
    np.testing.assert_allclose(moved / numbers, plane(shape), atol=1e-5)


def test_evenly_filled_bins_are_not_moved() -> None:
    values = np.random.default_rng(6).normal(size=(5, 5))
    zeros = np.zeros((5, 5))
    np.testing.assert_array_equal(centre_bins(values, np.ones((5, 5)), zeros, zeros, 1), values.astype(np.float32))


def test_a_single_bin_is_not_moved() -> None:
    numbers = np.zeros((3, 3))
    numbers[1, 1] = 5
    moved = centre_bins(numbers * 2, numbers, numbers * 0.5, numbers * 0.5, 1)
    np.testing.assert_allclose(moved, numbers * 2)


def test_samples_of_a_plane_reach_beyond_the_bins() -> None:
    at_x, at_y = np.linspace(-1.5, 6.5, 33), np.linspace(-1.5, 5.5, 29)
    want = 3.0 + 0.5 * at_x - 0.25 * at_y[:, np.newaxis]
    bins = plane((5, 6))
    np.testing.assert_allclose(sample_bins(bins, at_x[np.newaxis], at_y[:, np.newaxis]), want, atol=1e-5)
    for style in STYLES[1:]:
        np.testing.assert_allclose(spline_bins(bins, at_x, at_y, style), want, atol=1e-5)
    # Further out they are constant.
    assert sample_bins(bins, 60.0, 2.0) == sample_bins(bins, 6.5, 2.0)


def test_original_samples_are_missing_at_the_edges() -> None:
    bins = plane((5, 6))
    positions = np.array([-0.01, 0.0, 4.999, 5.0])
    got = sample_bins(bins, positions, 2.0, as_original=True)
    np.testing.assert_array_equal(np.isnan(got), [True, False, False, True])
    assert np.isnan(sample_bins(bins[:, :1], 0.0, 2.0, as_original=True))


def test_samples_beside_a_missing_bin_come_from_the_others() -> None:
    bins = plane((5, 6))
    bins[2, 3] = np.nan
    got = sample_bins(bins, [2.5, 3.0, 3.4], [2.0, 2.0, 1.6])
    assert np.isfinite(got).all()
    assert got[0] == pytest.approx(bins[2, 2], abs=1e-4)
    assert np.isnan(sample_bins(np.full((3, 3), np.nan), 1.0, 1.0))
    assert np.isnan(sample_bins(bins, np.nan, 1.0))


def test_a_grid_of_one_bin_is_constant() -> None:
    one = np.array([[4.0]])
    np.testing.assert_array_equal(sample_bins(one, [-1.0, 0.3], [2.0, 0.0]), [4.0, 4.0])
    np.testing.assert_array_equal(spline_bins(one, np.array([-1.0, 0.3]), np.array([2.0]), "AKIMA_SPLINE"), [[4, 4]])


@pytest.mark.parametrize("shape", [(0, 3), (3,)])
def test_what_is_not_a_grid_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidParameterError, match="at least one bin"):
        sample_bins(np.zeros(shape), 0.0, 0.0)


def test_splines_are_exact_at_the_bins() -> None:
    bins = np.random.default_rng(7).normal(size=(6, 7)).astype(np.float32)
    got = spline_bins(bins, np.arange(7.0), np.arange(6.0), "AKIMA_SPLINE")
    np.testing.assert_allclose(got, bins, atol=1e-6)


def test_scatter_of_bins_is_their_error_if_there_is_only_noise() -> None:
    # Each bin is the mean of 2 x 2 cells, as bins share pixels.
    cells = np.random.default_rng(5).normal(size=(41, 61))
    means = (cells[1:, 1:] + cells[1:, :-1] + cells[:-1, 1:] + cells[:-1, :-1]) / 4
    x, y = bin_positions(means.shape)
    assert bin_scatter(means) == pytest.approx(0.5, rel=0.05)
    assert bin_scatter(means + 100 * x - 30 * y) == pytest.approx(bin_scatter(means), rel=1e-6)
    means[::7] = np.nan
    means[3, 4] = 1000
    assert bin_scatter(means) == pytest.approx(0.5, rel=0.05)
    assert bin_scatter(means + 5 * ((x + y) % 2)) > 3
    assert np.isnan(bin_scatter(means[1:3, 1:3]))
