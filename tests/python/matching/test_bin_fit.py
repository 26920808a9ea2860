"""Chebyshev series through bins: selection of the order, errors, outliers."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.matching.bin_fit import BinFit, fit_bins, least_bins
from evensky.matching.bin_sums import bin_positions

BOX = Box2I(Point2I(20, -40), Extent2I(2000, 1600))


def grid(nx: int = 20, ny: int = 16) -> tuple[np.ndarray, np.ndarray]:
    x, y = bin_positions((ny, nx))
    return 20 + (x + 0.5) * 2000 / nx - 0.5, -40 + (y + 0.5) * 1600 / ny - 0.5


def surface(x: np.ndarray, y: np.ndarray, order: int) -> np.ndarray:
    u, v = x / 1000 - 1, y / 800 - 1
    return np.asarray(5 + u - 2 * v + (u * v - v**2 if order > 1 else 0) + (2 * u**2 * v - u**3 if order > 2 else 0))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("sigma", [0.0, 0.02])
def test_the_order_is_selected(order: int, sigma: float) -> None:
    x, y = grid()
    noise = np.random.default_rng(order).normal(size=x.shape) * sigma
    fit = fit_bins(surface(x, y, order) + noise, np.full(x.shape, sigma), x, y, BOX)
    assert fit.order == order
    assert np.abs(fit.evaluate(x, y) - surface(x, y, order)).max() < 1e-6 + sigma


def test_a_given_order_is_used() -> None:
    x, y = grid()
    fit = fit_bins(surface(x, y, 3), np.ones(x.shape), x, y, BOX, order=2)
    assert fit.order == 2
    assert len(fit.coefficients) == 6
    assert fit.covariance.shape == (6, 6)


def test_an_order_beyond_the_bins_is_reduced_or_an_error() -> None:
    x, y = grid(4, 4)
    assert fit_bins(surface(x, y, 1), np.ones(x.shape), x, y, BOX, order=4).order == 1
    with pytest.raises(InvalidParameterError, match=r"order is 4, which has 15 terms; 16 bins .* allow order 1"):
        fit_bins(surface(x, y, 1), np.ones(x.shape), x, y, BOX, order=4, undersample=False)


def test_errors_are_those_of_repeated_fits() -> None:
    # Bins share pixels in the task; here pixels are averaged over 2 x 2 cells, so that each is in four bins.
    rng = np.random.default_rng(8)
    x, y = grid()
    fits: list[BinFit] = []
    for _ in range(200):
        cells = rng.normal(size=(17, 21))
        noise = (cells[1:, 1:] + cells[1:, :-1] + cells[:-1, 1:] + cells[:-1, :-1]) / 4
        fits.append(fit_bins(surface(x, y, 2) + noise, np.full(x.shape, 0.5), x, y, BOX, order=2, rounds=0))
    at = np.array([[100.0, 1000.0, 1900.0]]), np.array([[0.0], [700.0], [1500.0]])
    scatter = np.std([fit.evaluate(*at) for fit in fits], axis=0)
    np.testing.assert_allclose(np.mean([fit.errors(*at) for fit in fits], axis=0), scatter, rtol=0.25)


def test_outliers_are_clipped_but_structure_is_not() -> None:
    x, y = grid()
    sigma = np.full(x.shape, 0.01)
    values = surface(x, y, 2) + np.random.default_rng(9).normal(size=x.shape) * 0.01
    values[3, 4] += 50
    fit = fit_bins(values, sigma, x, y, BOX)
    assert fit.rejected[3, 4]
    assert fit.rejected.sum() < 0.05 * x.size
    assert np.abs(fit.evaluate(x, y) - surface(x, y, 2)).max() < 0.02
    values[8:13, 8:13] += 50
    assert not fit_bins(values, sigma, x, y, BOX).rejected.any()


def test_bins_without_values_are_left_out() -> None:
    x, y = grid()
    values, sigma = surface(x, y, 1), np.full(x.shape, 0.1)
    values[2], sigma[5] = np.nan, np.nan
    values[5] += 100
    fit = fit_bins(values, sigma, x, y, BOX, order=1)
    np.testing.assert_allclose(fit.evaluate(x, y), surface(x, y, 1), atol=1e-9)
    with pytest.raises(RuntimeError, match="None of the 320 bins"):
        fit_bins(np.full(x.shape, np.nan), sigma, x, y, BOX)


def test_bins_weigh_by_their_errors() -> None:
    x, y = grid()
    values, sigma = np.where(x < 1000, 1.0, 3.0), np.where(x < 1000, 0.1, 10.0)
    assert fit_bins(values, sigma, x, y, BOX, order=0, rounds=0).coefficients[0] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("nx", "order"), [(1, 0), (2, 1), (3, 1), (4, 1), (5, 2), (8, 4)])
def test_a_plane_needs_one_bin_more_than_terms(nx: int, order: int) -> None:
    x, y = grid(nx, nx)
    assert least_bins(order) <= nx * nx < least_bins(order + 1)
    fit = fit_bins(surface(x, y, 1), np.ones(x.shape), x, y, BOX, order=9)
    assert fit.order == order
    selected = fit_bins(surface(x, y, 1), np.full(x.shape, 1e-3), x, y, BOX)
    assert selected.order == min(order, 1)
    assert selected.known_errors
    if order:
        assert np.abs(selected.evaluate(x, y) - surface(x, y, 1)).max() < 1e-9


def test_few_bins_of_noise_are_followed_no_further_than_their_errors() -> None:
    x, y = grid(3, 3)
    corner = np.array(30.0), np.array(-30.0)
    found = [
        fit_bins(np.random.default_rng(seed).normal(size=x.shape), np.ones(x.shape), x, y, BOX).evaluate(*corner)
        for seed in range(40)
    ]
    assert np.std(found) < 1.5


def test_few_bins_give_a_constant() -> None:
    fit = fit_bins([2.0, np.nan], [0.1, 0.1], [30.0, 40.0], [0.0, 0.0], BOX)
    assert fit.order == 0
    assert fit.evaluate(np.array(500.0), np.array(3.0)) == pytest.approx(2.0)
