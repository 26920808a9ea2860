"""Variances of medians and clipped means of normal noise, against their scatter."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.math import combined_noise
from evensky.math.combine_planes import CombineOptions, combine_planes
from evensky.math.combined_noise import clipped_share, variance_factors, variance_softening
from evensky.math.usual_noise import USUAL

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


@pytest.mark.parametrize("statistic", ["meanclip", "median"])
@pytest.mark.parametrize(
    "deviations",
    [
        (6.0, 10.0, 14.0, 20.0, 10.0),
        (1.0, 1.2, 2.0, 3.0),
        (1.0, 1.0, 3.0, 3.0, 3.0),
        (1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0),
        (1.0, 1.3, 1.6, 2.0, 2.5, 3.0) * 3,
    ],
    ids=lambda each: f"{len(each)}",
)
def test_variances_of_unequal_noise(deviations: tuple[float, ...], statistic: str) -> None:
    noise = np.array(deviations, np.float32)[:, None, None]
    random = np.random.default_rng(len(deviations))
    images = noise * random.standard_normal((len(noise), 150, 400), np.float32)
    variances = np.broadcast_to(noise**2, images.shape)
    found = combine_planes(images, None, variances, options=CombineOptions(statistic))
    assert found.variance is not None
    assert np.var(found.image, dtype=np.float64) / np.mean(found.variance) == pytest.approx(1.0, abs=0.05)
    # Where masks leave other numbers, they hold, too.
    masks = (random.random(images.shape) < 0.1).astype(np.int32)
    found = combine_planes(images, masks, variances, bad=1, options=CombineOptions(statistic))
    assert found.variance is not None
    same = found.number + found.rejected == max(len(noise) - 1, 3)
    assert np.var(found.image[same], dtype=np.float64) / np.mean(found.variance[same]) == pytest.approx(1.0, abs=0.07)


def test_the_usual_numbers_are_those_of_simulations() -> None:
    for statistic, number in (("meanclip", 4), ("meanclip", 20), ("median", 5), ("median", 30)):
        clipping = combined_noise._clipping(statistic, 3, 3, 3, None, None)
        factor, share = USUAL[clipping][number]
        # They are from more samples: three standard errors.
        assert combined_noise._simulated(*clipping, number)[0] == pytest.approx(factor, rel=0.004 * number**0.5)
        assert combined_noise._simulated_share(*clipping, number) == pytest.approx(share, abs=0.03)
    # Those of other clipping are simulated; three pixels are clipped by two standard deviations, but not by three.
    narrow, usual = (variance_softening("meanclip", sigma, sigma, 3, None, None, 30) for sigma in (2, 3))
    assert np.isinf(narrow[:3]).all()
    assert (narrow[3:] < 3).all()
    assert np.isinf(usual[:4]).all()
    assert np.isfinite(usual[4:]).all()
    assert np.isinf(variance_softening("mean", 3, 3, 3, None, None, 30)).all()
