"""Combining with the options that other packages have: the same pixels as theirs, to rounding."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.stats import sigma_clip

import evensky

RNG = np.random.default_rng(23)
IMAGES = RNG.normal(100, 5, (15, 40, 50)).astype(np.float32)
IMAGES[RNG.random(IMAGES.shape) < 0.02] += 300
BAD = RNG.random(IMAGES.shape) < 0.1
BAD[:, 7, 9] = True


def clipped_by_astropy(sigma: tuple[float, float], rounds: int, centre: str, scatter: str) -> np.ma.MaskedArray:
    """Return the cube that astropy's sigma_clip makes along the exposures; good pixels with an outlier are masked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a pixel without data
        return sigma_clip(
            np.ma.MaskedArray(IMAGES.astype(float), BAD),
            sigma_lower=sigma[0],
            sigma_upper=sigma[1],
            maxiters=rounds,
            # Named, as usual: with functions in their place, values that an earlier round has rejected stay rejected
            # even if they are within the last window.
            cenfunc=centre,
            stdfunc={"std": "std", "mad": "mad_std"}[scatter],
            axis=0,
        )


@pytest.mark.parametrize(
    ("centre", "scatter", "rounds", "sigma"),
    [
        *itertools.product(("median", "mean"), ("std", "mad"), (1, 3, 10), ((3.0, 3.0),)),
        ("median", "std", 5, (4.0, 2.5)),
        ("mean", "mad", 2, (2.0, 6.0)),
    ],
)
def test_clipped_means_of_astropy(centre: str, scatter: str, rounds: int, sigma: tuple[float, float]) -> None:
    clipped = clipped_by_astropy(sigma, rounds, centre, scatter)
    result = evensky.combine(list(IMAGES), masks=list(BAD), sigma=sigma, rounds=rounds, centre=centre, scatter=scatter)
    np.testing.assert_array_equal(result.number, (~np.ma.getmaskarray(clipped)).sum(axis=0))
    np.testing.assert_array_equal(result.rejected, (np.ma.getmaskarray(clipped) & ~BAD).sum(axis=0))
    expected = np.ma.filled(np.ma.mean(clipped, axis=0), np.nan)
    np.testing.assert_allclose(result.exposure.image.array, expected, rtol=2e-7)
    assert result.rejected.sum() > 100
    assert np.isnan(result.exposure.image.array[7, 9])


def test_medians_and_means_of_numpy() -> None:
    cube = np.where(BAD, np.nan, IMAGES.astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a pixel without data
        median, mean = np.nanmedian(cube, axis=0), np.nanmean(cube, axis=0)
    for statistic, expected in (("median", median), ("mean", mean)):
        result = evensky.combine(list(IMAGES), masks=list(BAD), statistic=statistic)
        np.testing.assert_allclose(result.exposure.image.array, expected, rtol=2e-7)


def test_weighted_means_of_numpy() -> None:
    weights = RNG.uniform(0.1, 2, len(IMAGES))
    data = [CCDData(image, unit="adu", mask=mask) for image, mask in zip(IMAGES, BAD, strict=True)]
    result = evensky.combine(data, statistic="mean", weighting=weights)
    shares = np.where(BAD, 0.0, weights[:, None, None])
    with np.errstate(invalid="ignore"):
        expected = (shares * IMAGES).sum(axis=0) / shares.sum(axis=0)
    np.testing.assert_allclose(result.exposure.image.array, expected, rtol=3e-7)
    np.testing.assert_allclose(result.weight, shares.sum(axis=0), rtol=1e-6)


def test_weights_by_variance_of_numpy() -> None:
    variances = RNG.uniform(10, 50, IMAGES.shape).astype(np.float32)
    result = evensky.combine(
        list(IMAGES), masks=list(BAD), variances=list(variances), statistic="mean", weighting="variance"
    )
    shares = np.where(BAD, 0.0, 1 / variances.astype(float))
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = (shares * IMAGES).sum(axis=0) / shares.sum(axis=0)
        variance = 1 / shares.sum(axis=0)
    np.testing.assert_allclose(result.exposure.image.array, expected, rtol=3e-7)
    got = result.exposure.variance.array
    np.testing.assert_allclose(got[np.isfinite(expected)], variance[np.isfinite(expected)], rtol=1e-6)
