"""Variances of medians and clipped means of normal noise, against their scatter."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.math.combine_planes import CombineOptions, combine_planes
from evensky.math.combined_noise import clipped_share, variance_factors

OPTIONS = {
    "meanclip": CombineOptions(),
    "narrow": CombineOptions(sigma_low=2.0, sigma_high=2.5),
    "one round about the median": CombineOptions(centre="median", rounds=1, sigma_low=2.0, sigma_high=2.0),
    "by the mad": CombineOptions(scatter="mad", rounds=5),
    "mean by the mad": CombineOptions(centre="mean", scatter="mad", sigma_low=2.0, sigma_high=2.0),
    "median": CombineOptions("median"),
    "mean": CombineOptions("mean"),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 8, 23, 24, 25, 26, 40, 61])
def test_variances_are_those_of_noise(number: int, name: str) -> None:
    random = np.random.default_rng(number)
    images = random.normal(100.0, 2.0, (number, 100, 400)).astype(np.float32)
    found = combine_planes(images, None, np.full_like(images, 4.0), options=OPTIONS[name])
    assert found.variance is not None
    # The standard errors are 0.7 % here and at most 1 % of the factor.
    assert np.nanvar(found.image, dtype=np.float64) / np.nanmean(found.variance) == pytest.approx(1.0, abs=0.03)


def test_weighted_means_that_are_clipped() -> None:
    random = np.random.default_rng(2)
    errors = np.array([1.0, 1.5, 2.0, 2.0, 3.0, 1.0, 1.2, 2.5], np.float32)[:, None, None]
    images = (errors * random.normal(0.0, 1.0, (8, 100, 400))).astype(np.float32)
    variances = np.broadcast_to(errors**2, images.shape).copy()
    for options in (CombineOptions(by_variance=True), CombineOptions("mean", by_variance=True)):
        found = combine_planes(images, None, variances, options=options)
        assert found.variance is not None
        assert np.nanvar(found.image, dtype=np.float64) / np.nanmean(found.variance) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("statistic", ["meanclip", "median"])
def test_factors_do_not_depend_on_the_largest_number(statistic: str) -> None:
    few, many = (variance_factors(statistic, 3, 3, 3, None, None, most) for most in (70, 300))
    assert few.dtype == np.float32
    assert np.array_equal(few, many[:71])


def test_known_factors_of_the_median() -> None:
    factors = variance_factors("median", 3, 3, 3, None, None, 1001) * np.pi / 2
    known = {3: 1.34601, 4: 1.1928, 5: 1.43417, 10: 1.38327, 11: 1.50879, 20: 1.46875, 25: 1.54366, 101: 1.56411}
    for number, factor in known.items():
        assert factors[number] == pytest.approx(factor, rel=0.02), number
    assert factors[1001] == pytest.approx(np.pi / 2, rel=0.03)


@pytest.mark.parametrize("number", [3, 6, 20])
def test_the_share_that_is_clipped(number: int) -> None:
    images = np.random.default_rng(number).normal(0.0, 1.0, (number, 100, 400)).astype(np.float32)
    found = combine_planes(images, options=OPTIONS["narrow"])
    share = clipped_share(2.0, 2.5, 3, None, None, number)
    assert found.rejected.mean() / number == pytest.approx(share, rel=0.03, abs=1e-4)
