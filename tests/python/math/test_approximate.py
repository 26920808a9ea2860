"""Approximations beyond the golden cases: errors of the model, and forms of calls."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import evensky.errors as errors
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.geom import Box2I, Extent2I, Point2I

CHEBYSHEV = afwMath.ApproximateControl.CHEBYSHEV


def test_approximation_recovers_a_polynomial_and_its_error() -> None:
    y, x = np.mgrid[0:60, 0:80].astype(np.float64)
    truth = 50 + 0.2 * x - 0.1 * y + 0.002 * x * y
    residuals = []
    for seed in range(60):
        noisy = (truth + np.random.default_rng(seed).normal(0, 5, truth.shape)).astype(np.float32)
        background = afwMath.makeBackground(noisy, afwMath.BackgroundControl(8, 6, prop="MEAN"))
        model = background.getApproximate(afwMath.ApproximateControl(CHEBYSHEV, 2)).getMaskedImage()
        residuals.append((model.image.array - truth) / np.sqrt(model.variance.array))
    pulls = np.array(residuals)
    assert abs(pulls.mean()) < 0.2
    assert pulls.std() == pytest.approx(1.0, abs=0.12)
    assert model.getBBox() == background.getImageBBox()
    approximate = background.getApproximate(afwMath.ApproximateControl(CHEBYSHEV, 2))
    again = pickle.loads(pickle.dumps(approximate))
    np.testing.assert_array_equal(again.getImage().array, approximate.getImage().array)
    np.testing.assert_array_equal(again.covariance, approximate.covariance)
    assert approximate.coefficients.shape == (6,)
    np.testing.assert_allclose(approximate.getImageD().array, approximate.getImage().array, rtol=1e-6)
    with pytest.raises(errors.InvalidParameterError, match=r"3.*2"):
        background.getApproximate(afwMath.ApproximateControl(CHEBYSHEV, 2)).getImage(3, 3)


def test_make_approximate_by_itself() -> None:
    x, y = np.arange(5.0) * 10, np.arange(4.0) * 10
    grid = afwImage.MaskedImageF(5, 4)
    grid.image.array[...] = 3 + 0.1 * x[None, :]
    grid.variance.array[...] = 1
    box = Box2I(Point2I(0, 0), Extent2I(50, 40))
    model = afwMath.makeApproximate(x, y, grid, box, afwMath.ApproximateControl(CHEBYSHEV, 1))
    np.testing.assert_allclose(model.getImage().array[7], 3 + 0.1 * np.arange(50), rtol=1e-6)
    with pytest.raises(errors.InvalidParameterError, match=r"4 x and 4 y.*5 x 4"):
        afwMath.makeApproximate(x[:4], y, grid, box, afwMath.ApproximateControl(CHEBYSHEV, 1))
    grid.image.array[...] = np.nan
    with pytest.raises(RuntimeError, match="no data"):
        afwMath.makeApproximate(x, y, grid, box, afwMath.ApproximateControl(CHEBYSHEV, 1))
