"""Least squares of a series, a sky frame and steps over a focal plane."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial.chebyshev import chebval2d

from evensky import errors
from evensky.errors import InvalidParameterError
from evensky.geom import Box2D, Point2D
from evensky.matching.visit_fit import chebyshev_terms, fit_visit

BOX = Box2D(Point2D(-3, 2), Point2D(9, 10))


def places(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.uniform(-3, 9, n), rng.uniform(2, 10, n)


def test_terms_are_products() -> None:
    x, y = places(20)
    coefficients = np.random.default_rng(2).normal(size=(3, 4))  # of y and x
    expected = chebval2d((x - 3) / 6, (y - 6) / 4, coefficients.T)
    np.testing.assert_allclose(chebyshev_terms(x, y, BOX, (3, 2)) @ coefficients.ravel(), expected)


def test_all_terms_are_recovered() -> None:
    x, y = places()
    rng = np.random.default_rng(3)
    coefficients, frame, groups = rng.normal(size=(3, 4)), rng.normal(size=400), rng.integers(0, 5, 400)
    pistons = np.array([3.0, -1.0, 0.0, 2.0, -2.0])
    values = chebyshev_terms(x, y, BOX, (3, 2)) @ coefficients.ravel() + 1.5 * frame + pistons[groups]
    values[::50] += 100
    values[7] = np.nan
    fit = fit_visit(x, y, values, frame, groups, BOX, (3, 2))
    assert fit.scale == pytest.approx(1.5)
    assert (fit.used, fit.rejected) == (391, 8)
    used = np.isfinite(values)
    mean = pistons[groups][used].mean()
    np.testing.assert_allclose(fit.pistons, pistons - mean, atol=1e-9)
    coefficients[0, 0] += mean
    np.testing.assert_allclose(fit.coefficients, coefficients, atol=1e-9)
    np.testing.assert_allclose(fit.evaluate(x[:, np.newaxis], y[:9]).shape, (400, 9))


def test_the_error_of_the_amplitude() -> None:
    x, y = places()
    rng = np.random.default_rng(4)
    pulls = []
    for _ in range(60):
        frame = rng.normal(size=400)
        fit = fit_visit(x, y, 2 * frame + rng.normal(0, 3, 400), frame, None, BOX, (2, 2))
        assert fit.rms == pytest.approx(3, rel=0.2)
        pulls.append((fit.scale - 2) / fit.error)
    assert np.std(pulls) == pytest.approx(1, abs=0.25)


def test_a_triangle_of_terms() -> None:
    x, y = places()
    fit = fit_visit(x, y, x * y, np.zeros(400), None, BOX, (2, 2), triangular=True)
    np.testing.assert_allclose(fit.evaluate(x, y), x * y, atol=1e-9)
    assert np.count_nonzero(np.abs(fit.coefficients) > 1e-12) == 4
    assert (fit.coefficients[[2, 1, 2], [1, 2, 2]] == 0).all()
    assert fit.scale == fit.error == 0
    assert fit.pistons.size == 0
    constant = fit_visit(x, y, np.full(400, 4.0), np.zeros(400), None, BOX, (0, 0), triangular=True)
    np.testing.assert_allclose(constant.coefficients, [[4]])


def test_groups_without_samples_have_no_step() -> None:
    x, y = places(60)
    groups = np.repeat([0, 1, 2], 20)
    values = np.where(groups == 2, 5.0, 1.0)
    values[20:40] = np.nan
    fit = fit_visit(x, y, values, np.zeros(60), groups, BOX, (0, 0))
    np.testing.assert_allclose(fit.coefficients, [[3]])
    np.testing.assert_allclose(fit.pistons, [-2, 0, 2])
    alone = fit_visit(x[:20], y[:20], values[:20], np.zeros(20), groups[:20], BOX, (0, 0))
    np.testing.assert_allclose(alone.pistons, [0])


def test_the_noise_gain_is_the_scatter_of_fits() -> None:
    x, y = places()
    rng = np.random.default_rng(6)
    frame, groups = rng.normal(size=400), rng.integers(0, 3, 400)
    at = np.array([-3.0, 2.0, 9.0]), np.array([10.0, 5.0, 2.0])
    found = []
    for _ in range(200):
        fit = fit_visit(x, y, rng.normal(0, 1, 400), frame, groups, BOX, (3, 2), iterations=0)
        found.append(fit.evaluate(*at) + fit.pistons[1])
    np.testing.assert_allclose(fit.noise_gain(*at, 1), np.std(found, axis=0), rtol=0.2)
    assert fit.noise_gain(x, y, 1)[groups == 1].max() < 1
    assert fit.lower_orders() == (2, 2)


def test_terms_that_are_not_determined() -> None:
    x, y = places()
    rows = np.round(y)  # 9 of them
    values = np.random.default_rng(8).normal(size=400)
    with pytest.raises(errors.RuntimeError, match=r"usable samples for 44 terms.*orderX = 3, orderY = \d,"):
        fit_visit(x, rows, values, np.zeros(400), None, BOX, (3, 10))
    with pytest.raises(errors.RuntimeError, match="constants of the detectors are undetermined"):
        fit_visit(
            np.repeat([-2.0, 0.0, 5.0, 8.0], 100), y, values, np.zeros(400), np.repeat(range(4), 100), BOX, (3, 0)
        )
    with pytest.raises(errors.RuntimeError, match=r"sky frame is undetermined: .*orderX = 1"):
        fit_visit(x, y, values, x + y, None, BOX, (1, 1))


def test_samples_that_do_not_suffice() -> None:
    x, y = places(8)
    with pytest.raises(errors.RuntimeError, match="8 usable samples for 9 terms"):
        fit_visit(x, y, np.ones(8), np.zeros(8), None, BOX, (2, 2))
    with pytest.raises(InvalidParameterError, match="3 numbers of groups for 8"):
        fit_visit(x, y, np.ones(8), np.zeros(8), [0, 1, 2], BOX, (0, 0))
