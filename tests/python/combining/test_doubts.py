"""Doubts on exposures from some of their pixels: levels that differ, and exposures that are there twice."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.combining.doubts import level_spread, noise_by_exposure, same_noise


def noise(number: int = 6, seed: int = 1, first: float = 10) -> np.ndarray:
    """Exposures of one field with stars, some pixels of which are not good; the first may have another noise."""
    random = np.random.default_rng(seed)
    samples = random.normal(700, 10, (8, number, 130)).astype(np.float32)
    samples[:, 0] = 700 + (samples[:, 0] - 700) * (first / 10)
    samples += random.exponential(20, (8, 1, 130)).astype(np.float32)
    samples[random.random(samples.shape) < 0.02] = np.nan
    return samples


def test_exposures_with_noise_of_their_own_are_not_the_same() -> None:
    assert same_noise(noise(60)) == []
    bright = noise()
    bright += 1e3 * np.random.default_rng(3).exponential(1, (8, 1, 130))  # the sources are all that one sees
    assert same_noise(bright) == []


@pytest.mark.parametrize("factor", [1.0, 1.3])
def test_an_exposure_is_known_again(factor: float) -> None:
    samples = noise()
    x = np.linspace(-1, 1, 130)
    samples[:, 4] = samples[:, 1]
    samples[:, 3] = np.float32(factor) * samples[:, 1] + 30 * x**3 - 80 * x**2  # the model of a match
    samples[2, 3, 50:60] = np.nan
    samples[3, 3, 7] = 1e6
    assert same_noise(samples) == [[1, 3, 4]]


def test_pixels_without_noise_or_too_few_are_not_compared() -> None:
    flat = np.ones((8, 3, 130), np.float32)
    assert same_noise(flat) == []
    flat += np.arange(130)
    assert same_noise(flat) == []
    few = noise(2)[:1, :, :20]
    few[:, 1] = few[:, 0]
    assert same_noise(few) == []
    assert same_noise(np.full((3, 2, 1), np.nan)) == []


def test_many_exposures_are_compared_in_groups() -> None:
    samples = noise(1100)
    samples[:, 1099] = samples[:, 3]
    assert same_noise(samples) == [[3, 1099]]


def test_levels_are_relative_to_the_other_exposures() -> None:
    samples = noise()
    samples[:, 2] += 100
    spread, scatter = level_spread(samples)
    assert spread == pytest.approx(100, abs=5)
    assert scatter == pytest.approx(10, rel=0.2)
    assert np.isnan(level_spread(samples[:, :1])).all()


def test_the_noise_of_each_exposure() -> None:
    samples = noise(6)
    samples[:, 2] += np.random.default_rng(2).normal(0, 49, samples[:, 2].shape)
    samples[:, 3] += np.linspace(0, 3, samples.shape[2])
    samples[1:, 4] = np.nan
    samples[0, 4, 31:] = np.nan
    found = noise_by_exposure(samples)
    np.testing.assert_allclose(found[[0, 1, 3, 5]], 10, rtol=0.12)
    assert found[2] == pytest.approx(50, rel=0.1)
    assert np.isnan(found[4])  # it has only 31 pixels


@pytest.mark.parametrize("factor", [1e-6, 1e5, 1e8])
def test_the_noise_of_an_exposure_in_another_unit(factor: float) -> None:
    samples = np.random.default_rng(1).normal(0, 10, (8, 6, 130))
    samples[:, 2:4] *= factor
    found = noise_by_exposure(samples)
    np.testing.assert_allclose(found[[0, 1, 4, 5]], 10, rtol=0.12)
    if factor > 1:
        np.testing.assert_allclose(found[2:4], 10 * factor, rtol=0.12)


@pytest.mark.parametrize("number", [3, 4, 20, 300])
def test_the_noise_of_a_single_deep_exposure(number: int) -> None:
    found = noise_by_exposure(noise(number, first=1.5))
    np.testing.assert_allclose(found[1:], 10, rtol=0.12)
    assert 1 < found[0] < (3.2 if number == 3 else 2.5)  # the standard error of three is 2.9


def test_copies_do_not_hide_the_noise() -> None:
    samples = noise(3)
    samples[:, 1] = samples[:, 0]
    spread, scatter = level_spread(samples)
    assert 0 < spread < 2
    assert scatter == pytest.approx(14, rel=0.2)  # of a difference of two exposures
    flat = np.zeros((8, 3, 130), np.float32)
    flat[:, 2] = 9
    assert level_spread(flat) == (9, 0)
