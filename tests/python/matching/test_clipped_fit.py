"""Linear least squares with rejection of outliers."""

from __future__ import annotations

import numpy as np
import pytest

from evensky import errors
from evensky.errors import InvalidParameterError
from evensky.matching.clipped_fit import fit_clipped, robust_scatter


def test_outliers_are_rejected_and_errors_are_right() -> None:
    rng = np.random.default_rng(1)
    design = np.column_stack([np.ones(400), np.linspace(-1, 1, 400)])
    pulls = []
    for _ in range(60):
        values = design @ [3.0, -2.0] + rng.normal(0, 0.5, 400)
        values[rng.choice(400, 30, replace=False)] += 20
        values[:5] = np.nan
        fit = fit_clipped(design, values, 5, 3.0)
        pulls.append((fit.solution - [3.0, -2.0]) / np.sqrt(np.diag(fit.covariance)))
        assert not fit.kept[:5].any()
        assert 330 <= fit.kept.sum() <= 370
        assert fit.scatter == pytest.approx(0.5, rel=0.15)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.2)


def test_rejected_samples_can_come_back() -> None:
    # The first fit is pulled so far that good samples are beyond its limit.
    design = np.ones((40, 1))
    values = np.r_[np.linspace(-1, 1, 30), np.full(10, 8.0)]
    once, often = fit_clipped(design, values, 1, 1.2), fit_clipped(design, values, 10, 1.2)
    assert once.rounds == 1
    assert often.rounds > 1
    assert abs(often.solution[0]) < abs(once.solution[0])


def test_without_outliers_it_is_least_squares() -> None:
    rng = np.random.default_rng(2)
    design, values = rng.normal(size=(50, 4)), rng.uniform(size=50)
    fit = fit_clipped(design, values, 3, 100.0)
    np.testing.assert_allclose(fit.solution, np.linalg.lstsq(design, values, rcond=None)[0])
    assert fit.rounds == 0
    residuals = values - design @ fit.solution
    expected = np.linalg.inv(design.T @ design) * (residuals @ residuals) / 46
    np.testing.assert_allclose(fit.covariance, expected)
    np.testing.assert_allclose(fit.inverse, np.linalg.inv(design.T @ design))
    assert fit.condition == pytest.approx(np.linalg.cond(design / np.linalg.norm(design, axis=0)))


def test_exact_samples_are_all_kept() -> None:
    design = np.column_stack([np.ones(20), np.arange(20) * 1e6])
    fit = fit_clipped(design, design @ [1e5, 3.0], 3, 3.0)
    assert fit.kept.all()
    np.testing.assert_allclose(fit.solution, [1e5, 3.0])


def test_terms_that_the_samples_do_not_determine_share_the_solution() -> None:
    design = np.ones((10, 2))
    fit = fit_clipped(design, np.full(10, 4.0), 3, 3.0)
    np.testing.assert_allclose(fit.solution, [2.0, 2.0])
    assert fit.condition > 1e10


def test_a_term_of_zeros_gets_no_factor() -> None:
    fit = fit_clipped(np.column_stack([np.ones(5), np.zeros(5)]), np.full(5, 2.0), 3, 3.0)
    np.testing.assert_allclose(fit.solution, [2.0, 0.0])


def test_as_many_samples_as_terms_leave_no_error() -> None:
    fit = fit_clipped(np.eye(2), np.array([1.0, 2.0]), 3, 3.0)
    np.testing.assert_allclose(fit.solution, [1.0, 2.0])
    assert np.isnan(fit.scatter)


def test_bad_input() -> None:
    with pytest.raises(InvalidParameterError, match=r"\(3, 2\).*\(4,\)"):
        fit_clipped(np.ones((3, 2)), np.ones(4), 3, 3.0)
    with pytest.raises(errors.RuntimeError, match="1 usable samples for 2 terms"):
        fit_clipped(np.ones((3, 2)), np.array([np.nan, np.nan, 1.0]), 3, 3.0)
    with pytest.raises(errors.RuntimeError, match="0 usable"):
        fit_clipped(np.ones((0, 1)), np.ones(0), 3, 3.0)


def test_scatter() -> None:
    assert robust_scatter(np.random.default_rng(3).normal(0, 2, 100_000)) == pytest.approx(2, rel=0.02)
    assert np.isnan(robust_scatter(np.empty(0)))
