"""The mean scene, and the throughputs that are measured with it."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_pairs import make_coverage, make_pairs

from evensky.matching.joint.basis import Basis
from evensky.matching.joint.candidates import NONE, Candidate, Extra
from evensky.matching.joint.differences import Coverage, Differences
from evensky.matching.joint.fits import JointFit
from evensky.matching.joint.grid import CommonGrid
from evensky.matching.joint.network import Network, Solution
from evensky.matching.joint.scene import mean_scene
from evensky.matching.joint.search import fit_all

GRID = CommonGrid(16)
BOXES = [(0, 0, 256, 256)] * 4
GAINS = (1.0, 0.97, 1.03, 0.95)
LEVELS = (100.0, 130.0, 90.0, 240.0)


def nebula(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(600 * np.exp(-((x - 90) ** 2 + (y - 140) ** 2) / (2 * 40**2)))


def means(number: int, x: np.ndarray, y: np.ndarray, *_: np.ndarray) -> np.ndarray:
    return LEVELS[number] + GAINS[number] * nebula(x, y)


def fitted(*, noise: float = 10.0, seed: int = 1, with_scene: bool = True) -> JointFit:
    differences = make_pairs(BOXES, GRID, means, noise=noise, seed=seed)
    return fit_all(
        BOXES,
        GRID,
        differences,
        preference=[0, 1, 2, 3],
        order=3,
        terms=["smooth", "gain"],
        coverage=make_coverage(BOXES, GRID, means) if with_scene else None,
    )


def test_the_mean_scene() -> None:
    network = Network(BOXES, GRID, make_pairs(BOXES, GRID, means))
    coverage = make_coverage(BOXES, GRID, means)
    models = Solution([Candidate(0)] * 4, [np.array([-level]) for level in LEVELS])
    scene, (zero, *_) = mean_scene(network, coverage, models)
    x, y = GRID.centres(network.differences.distinct_bins, BOXES[0])
    expected = np.mean(GAINS) * nebula(x, y)
    # The zero is the level of the bins without the nebula.
    assert zero == pytest.approx(0, abs=0.5)
    np.testing.assert_allclose(scene, expected - zero, atol=1e-9)
    # Smooth parts of the models are added, further terms are not.
    tilted = Solution(
        [Candidate(1), *[Candidate(0, extras=(Extra("gain", "gain", 1),))] * 3],
        [np.array([-100.0, 4.0, 0.0]), *(np.array([-level, 9.9]) for level in LEVELS[1:])],
    )
    scene, (zero, *_) = mean_scene(network, coverage, tilted)
    slope = Basis(BOXES[0]).at(Candidate(1), x, y) @ [0.0, 1.0, 0.0]
    np.testing.assert_allclose(scene + zero, expected + slope, atol=1e-9)


def test_a_slope_of_the_dark_sky_is_no_scene_beside_models_with_slopes() -> None:
    def tilted(number: int, x: np.ndarray, y: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        return means(number, x, y, *rest) + 0.5 * x - 0.2 * y

    network = Network(BOXES, GRID, make_pairs(BOXES, GRID, tilted))
    coverage = make_coverage(BOXES, GRID, tilted)
    x, y = GRID.centres(network.differences.distinct_bins, BOXES[0])
    expected = np.mean(GAINS) * nebula(x, y)
    planes = Solution([Candidate(1)] * 4, [np.array([-level, 0.0, 0.0]) for level in LEVELS])
    scene, _ = mean_scene(network, coverage, planes)
    np.testing.assert_allclose(scene, expected, atol=3.0)
    constants = Solution([Candidate(0)] * 4, [np.array([-level]) for level in LEVELS])
    scene, (zero, *_) = mean_scene(network, coverage, constants)
    np.testing.assert_allclose(scene + zero, expected + 0.5 * x - 0.2 * y, atol=1e-9)


def test_bins_without_a_level_have_no_scene() -> None:
    network = Network(BOXES, GRID, make_pairs(BOXES, GRID, means))
    nothing = Solution([NONE] * 4, [np.zeros(0)] * 4)
    none = np.zeros(0, int)
    scene, (zero, *_) = mean_scene(network, [Coverage(none, none)] * 4, nothing)
    assert zero == 0
    assert not scene.any()
    coverage = make_coverage(BOXES, GRID, means)
    for one in coverage:
        one.levels[:3] = np.nan
    scene, _ = mean_scene(network, coverage, nothing)
    assert scene[:3].tolist() == [0, 0, 0]
    assert np.isfinite(scene).all()


def test_the_throughput_of_a_nebula() -> None:
    errors = []
    for seed in range(5):
        found = fitted(seed=seed)
        assert found.exposures[0].gain == 1
        for one, gain in zip(found.exposures[1:], GAINS[1:], strict=True):
            assert one.gain == pytest.approx(gain, abs=0.002)
            assert 0 < one.gain_error < 0.001
            errors.append((one.gain - gain) / one.gain_error)
            assert "GAIN" in one.flags
            # It is measured, but no part of the model.
            assert one.model is not None
            assert "gain" not in one.model.name
            assert all(term.name != "gain" for term in one.terms)
    assert np.sqrt(np.mean(np.square(errors))) < 2.0


def test_the_zero_is_the_level_without_a_scene() -> None:
    found = fitted()
    # Of the reference, which is unchanged.
    assert found.exposures[1].zero == pytest.approx(100, abs=2)
    assert len({one.zero for one in found.exposures}) == 1
    for one, level in zip(found.exposures, LEVELS, strict=True):
        assert one.model is not None
        value = one.model.evaluate(np.array([250.0]), np.array([10.0])).item()
        assert value == pytest.approx(100 - level, abs=2)


def test_without_levels_there_is_no_throughput() -> None:
    for one in fitted(with_scene=False).exposures:
        assert (one.gain, one.gain_error) == (1.0, 0.0)
        assert "GAIN" not in one.flags


def test_each_group_has_a_scene_and_a_zero_of_its_own() -> None:
    # As for the chips of a file, whose bins have the same numbers.
    def of_group(number: int, x: np.ndarray, y: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return 100 + nebula(x, y) if number < 2 else 700 + nebula(256 - x, y)

    pairs = [pair for pair in make_pairs(BOXES, GRID, of_group).pairs if (pair.first < 2) == (pair.second < 2)]
    network = Network(BOXES, GRID, Differences(4, pairs))
    scene, zeros = mean_scene(network, make_coverage(BOXES, GRID, of_group), Solution([NONE] * 4, [np.zeros(0)] * 4))
    np.testing.assert_allclose(zeros, [100, 100, 700, 700], atol=0.5)
    x, y = GRID.centres(network.differences.distinct_bins, BOXES[0])
    for image, expected in ((0, nebula(x, y)), (3, nebula(256 - x, y))):
        seen = scene[network.place[network.differences.nodes_of(image)]]
        np.testing.assert_allclose(seen, expected, atol=0.5)
