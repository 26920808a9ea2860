"""Exposures tied by differences: terms in bins, predicted differences, weights and outliers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from synthetic_pairs import bins_in, make_pairs

from evensky.matching.joint.candidates import NONE, Candidate, Extra
from evensky.matching.joint.grid import CommonGrid
from evensky.matching.joint.network import Chip, Network, Solution, robust_scale
from evensky.matching.joint.planes import labels_plane, level_plane, template_plane

GRID = CommonGrid(10)
BOXES = [(0, 0, 80, 10)] * 4
NUMBER = 8
LEVELS = (0.0, 3.0, 7.0, -2.0)


def make_network(values: np.ndarray, noise: float = 1.0) -> Network:
    """Make a network of four exposures whose pairs were all measured in eight bins; values have shape (4, 8)."""
    differences = make_pairs(BOXES, GRID, lambda k, x, *_: values[k, (x // 10).astype(int)], noise=noise)
    return Network(BOXES, GRID, differences)


def even() -> np.ndarray:
    return np.repeat(np.array(LEVELS)[:, None], NUMBER, 1)


def constants(levels: tuple[float, ...]) -> Solution:
    return Solution([Candidate(0)] * 4, [np.array([-level]) for level in levels])


def residual_of(network: Network, solution: Solution) -> np.ndarray:
    return np.asarray(network.differences.value - network.predicted(solution))


def test_corrections_make_up_for_the_differences() -> None:
    network = make_network(even())
    assert network.number == 4
    np.testing.assert_allclose(network.predicted(constants(LEVELS)), network.differences.value, atol=1e-12)
    nothing = Solution([NONE] * 4, [np.zeros(0)] * 4)
    np.testing.assert_array_equal(network.predicted(nothing), 0)
    # Terms that all exposures share in the same pixels cancel.
    shared = constants(LEVELS)
    shared.shared, shared.shared_coefficients = Candidate(1), np.array([5.0, 2.0, -1.0])
    np.testing.assert_allclose(network.predicted(shared), network.differences.value, atol=1e-12)


def test_the_bin_that_differs_from_all_others_is_an_outlier() -> None:
    values = even()
    values[2, 5] += 40
    network = make_network(values)
    residual = residual_of(network, constants(LEVELS))
    network.reject(residual)
    d = network.differences
    assert [(d.node_exposure[k], d.node_bin[k]) for k in np.flatnonzero(~network.good)] == [(2, 5)]
    # Its rows have weight 0; the weights of the others are unchanged.
    weights = network.weights()
    np.testing.assert_array_equal(weights == 0, np.abs(residual) > 1)
    network.reject(np.zeros_like(residual))
    assert network.good.all()


def test_two_outliers_in_a_bin_do_not_take_the_others_with_them() -> None:
    values = even()
    values[2, 5] += 40
    values[1, 5] -= 300
    network = make_network(values)
    network.reject(residual_of(network, constants(LEVELS)))
    d = network.differences
    assert [(d.node_exposure[k], d.node_bin[k]) for k in np.flatnonzero(~network.good)] == [(1, 5), (2, 5)]


@pytest.mark.parametrize(("wrong", "rejected"), [(5, 5), (6, 0)])
def test_an_image_that_would_lose_most_of_its_bins_keeps_them(wrong: int, rejected: int) -> None:
    # Its model is wrong then, not its bins.
    boxes = [(0, 0, 400, 10), (0, 0, 400, 10), (0, 0, 100, 10), (0, 0, 400, 10)]

    def means(number: int, x: np.ndarray, *_: np.ndarray) -> np.ndarray:
        odd = 40.0 * ((number == 2) & (x < 10 * wrong)) - 50.0 * ((number == 3) & (x > 390))
        return np.asarray(LEVELS[number] + odd)

    network = Network(boxes, GRID, make_pairs(boxes, GRID, means))
    network.reject(residual_of(network, constants(LEVELS)))
    lost = np.bincount(network.differences.node_exposure[~network.good], minlength=4)
    assert lost.tolist() == [0, 0, rejected, 1]


@pytest.mark.parametrize("number", [2, 3, 5])
def test_the_sum_of_squares_is_that_of_generalised_least_squares(number: int) -> None:
    # All pairs of equal exposures; some bins are not good in some of them.
    boxes, rng = [(0, 0, 80, 20)] * number, np.random.default_rng(number)
    differences = make_pairs(boxes, GRID, lambda k, x, *_: 0 * x, noise=3.0, seed=number)
    network = Network(boxes, GRID, differences)
    network.good[rng.random(network.good.size) < 0.2] = False
    d = network.differences
    weights, residual, expected = network.weights(), d.value, 0.0
    good = network.good[d.node].all(axis=0)
    for one in range(d.distinct_bins.size):
        rows = np.flatnonzero(good & (d.node_bin[d.node[0]] == one))
        if rows.size:
            noise = np.zeros((rows.size, d.node_exposure.size))
            noise[np.arange(rows.size), d.node[0][rows]] = 1
            noise[np.arange(rows.size), d.node[1][rows]] -= 1
            covariance = (noise * d.node_variance) @ noise.T
            expected += residual[rows] @ np.linalg.pinv(covariance, rcond=1e-10) @ residual[rows]
    assert (weights * residual**2).sum() == pytest.approx(expected, rel=1e-9)
    assert weights[~good].tolist() == [0] * int((~good).sum())


def test_weights_of_incomplete_pairs_have_the_expectation_of_independent_residuals() -> None:
    boxes = [(0, 0, 400, 400)] * 5
    chain = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 2)]
    differences = make_pairs(boxes, GRID, lambda k, x, *_: 0 * x, noise=(1, 2, 3, 2, 1), seed=1, pairs=chain)
    network = Network(boxes, GRID, differences)
    sums = (network.weights() * differences.value**2).sum()
    assert sums / differences.distinct_bins.size == pytest.approx(4, rel=0.05)


def test_weights_follow_the_bins_that_are_good() -> None:
    network, other = make_network(even()), make_network(even())
    network.weights()[:] = np.nan  # those that are kept stay as they are
    network.good[3] = other.good[3] = False
    np.testing.assert_array_equal(network.weights(), other.weights())
    assert (network.weights() == 0).any()
    network.good[3] = True
    assert (network.weights() > 0).all()


def test_residuals_of_nodes() -> None:
    network = make_network(np.zeros((4, NUMBER)), noise=2.0)
    d = network.differences
    noise = np.random.default_rng(1).normal(size=(4, NUMBER))
    residual = noise[d.node_exposure, d.node_bin][d.node[0]] - noise[d.node_exposure, d.node_bin][d.node[1]]
    value, error = network.residuals(residual)
    for k in range(d.node_exposure.size):
        others = np.delete(noise[:, d.node_bin[k]], d.node_exposure[k])
        assert value[k] == pytest.approx(noise[d.node_exposure[k], d.node_bin[k]] - others.mean())
    np.testing.assert_allclose(error, 0.2 * np.sqrt(4 / 3))
    network.good[d.node_exposure > 0] = False
    value, _ = network.residuals(residual)
    assert np.isnan(value[d.node_exposure == 0]).all()


def test_one_image_and_some_bins_have_the_same_numbers_as_all() -> None:
    rng = np.random.default_rng(7)
    boxes = [(30 * k, 0, 80, 40) for k in range(5)]
    network = Network(boxes, GRID, make_pairs(boxes, GRID, lambda k, x, *_: 0 * x, noise=2.0, seed=3))
    d = network.differences
    network.good = rng.uniform(size=d.node_exposure.size) > 0.2
    residual = rng.normal(size=d.value.size)
    every = network.residuals(residual)
    for image in range(5):
        for one, all_of in zip(network.residuals_of(image, residual), every, strict=True):
            np.testing.assert_array_equal(one, all_of[d.nodes_of(image)])
    places = np.unique(network.place[network.nodes_of(2)])
    rows = network.rows_at(places)
    assert sorted(rows) == np.flatnonzero(np.isin(network.place[d.node[0]], places)).tolist()
    np.testing.assert_array_equal(network.weights_at(places, rows), network.weights()[rows])


def test_room_for_terms_is_made_by_those_that_are_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evensky.matching.joint.network._KEPT_NUMBERS", 3 * 2 * NUMBER)
    network = make_network(even())
    first = network.design(0, 0, Candidate(0))
    assert network.design(0, 0, Candidate(0)).base is first.base
    for at in range(1, 6):  # one term in eight bins each: six of them fill the room
        network.design(at, 0, Candidate(0))
    network.design(0, 1, Candidate(0))
    again = network.design(0, 0, Candidate(0))
    assert again.base is not first.base
    np.testing.assert_array_equal(again, first)


def test_terms_in_bins() -> None:
    rng = np.random.default_rng(3)
    boxes = [(0, 0, 80, 40), (25, -13, 80, 40), (0, 0, 80, 40)]
    labels = np.repeat([1, 2, 3, 4], 20)[None, :].repeat(40, axis=0)
    wisps = [template_plane(rng.normal(size=(40, 80))) for _ in boxes]
    planes = [{"amplifier": labels_plane(labels), "wisp": wisp} for wisp in wisps]
    del planes[2]["wisp"]
    differences = make_pairs(boxes, GRID, lambda k, x, *_: 0 * x)
    network = Network(boxes, GRID, differences, planes=planes)
    candidate = Candidate(
        1, extras=(Extra("rows", "rows", 2, 4), Extra("amplifier", "amplifier", 3), Extra("template", "wisp", 1))
    )
    for at, pair in enumerate(differences.pairs):
        for side, image in ((0, pair.first), (1, pair.second)):
            found = network.design(at, side, candidate)
            assert found.shape == (pair.values.size, 3 + 2 + 3 + 1)
            for row, x, y, width, height in zip(found, pair.x, pair.y, pair.width, pair.height, strict=True):
                columns, rows = np.meshgrid(
                    np.arange(round(x - (width - 1) / 2), round(x + (width + 1) / 2)).astype(float),
                    np.arange(round(y - (height - 1) / 2), round(y + (height + 1) / 2)).astype(float),
                )
                pixels = network.terms_at(image, candidate, columns.ravel(), rows.ravel())
                np.testing.assert_allclose(row, pixels.mean(axis=0), atol=1e-6)
            if image == 2:
                assert not found[:, -1].any()


def test_the_throughput_is_the_scene() -> None:
    network = make_network(even())
    network.scene = np.arange(10.0, 18.0)
    extra = Candidate(extras=(Extra("gain", "gain", 1),))
    for at, side in itertools.product(range(6), (0, 1)):
        np.testing.assert_array_equal(network.design(at, side, extra)[:, 0], network.scene)
    assert network.terms_at(0, extra, np.array([5.0]), np.array([5.0])).tolist() == [[0.0]]


def test_chips_of_an_exposure_are_one_unit() -> None:
    # Two exposures of two chips that lie side by side; the second one is rotated by 180 degrees in its own pixels.
    boxes = [(0, 0, 40, 30), (0, 100, 40, 30)] * 2
    right, left = np.array([[1.0, 0, 50], [0, 1, 0]]), np.array([[-1.0, 0, 39], [0, -1, 129]])
    chips = [Chip(exposure, to_plane) for exposure in (4, 9) for to_plane in (right, left)]
    differences = make_pairs(boxes, GRID, lambda k, x, *_: 0 * x)
    network = Network(boxes, GRID, differences, chips=chips)
    assert network.number == 2
    assert network.unit == [0, 0, 1, 1]
    assert network.images == [[0, 1], [2, 3]]
    assert network.unit_boxes == [(0, 0, 90, 30)] * 2
    # The focal plane's left edge is the right edge of the turned chip.
    for x, y, image, where in ((39.0, 129.0, 1, (0.0, 0.0)), (0.0, 0.0, 0, (50.0, 0.0))):
        found = network.terms_at(image, Candidate(1), np.array([x]), np.array([y]))[0]
        plane = network.bases[image]
        plane_terms = type(plane)(plane.box).at(Candidate(1), *(np.array([value]) for value in where))[0]
        np.testing.assert_allclose(found, plane_terms)
    levels = Candidate(extras=(Extra("detector", "chip", 1),))
    network.planes[0]["chip"], network.planes[1]["chip"] = level_plane(np.array([0.7])), level_plane(np.array([-0.7]))
    of_pair = {(pair.first, pair.second): at for at, pair in enumerate(differences.pairs)}
    assert set(network.design(of_pair[0, 2], 0, levels)[:, 0]) == {0.7}
    assert set(network.design(of_pair[1, 3], 0, levels)[:, 0]) == {-0.7}
    assert network.nodes_of(0).tolist() == list(range(24))


def test_bins_of_separate_groups_are_not_the_same() -> None:
    # The bins of chips that lie at the same pixels have the same number, but their exposures were never compared.
    boxes = [(0, 0, 80, 10)] * 4
    differences = make_pairs(boxes, GRID, lambda k, x, *_: 0 * x, pairs=[(0, 1), (2, 3)])
    network = Network(boxes, GRID, differences)
    np.testing.assert_allclose(network.weights() * differences.variance, 1)


def test_robust_scale() -> None:
    rng = np.random.default_rng(1)
    assert robust_scale(rng.normal(0, 7, 4000)) == pytest.approx(7, rel=0.05)
    assert robust_scale(rng.normal(0, 0.1, 100)) == 1
    assert robust_scale(np.full(3, np.nan)) == 1
    assert robust_scale(np.zeros(0)) == 1


def test_bins_of_the_helper_are_those_of_the_grid() -> None:
    x, y, width, height, numbers = bins_in(GRID, (25, -13, 30, 20))
    assert x[:4].tolist() == [27.0, 34.5, 44.5, 52.0]
    assert (width[0], height[0], width[1], y[0]) == (5, 3, 10, -12)
    np.testing.assert_allclose(np.stack(GRID.centres(numbers, (25, -13, 30, 20))), np.stack([x, y]))
