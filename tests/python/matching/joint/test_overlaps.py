"""Levels in the overlaps before and after a joint match."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_pairs import make_pairs

from evensky.matching.joint.candidates import NONE, Candidate
from evensky.matching.joint.differences import Differences
from evensky.matching.joint.grid import CommonGrid
from evensky.matching.joint.network import Network, Solution
from evensky.matching.joint.overlaps import levels_of, overlaps_of
from evensky.matching.joint.search import fit_all

GRID = CommonGrid(10)
# Three in a row that overlap by four columns of bins, and a fourth one beyond them.
BOXES = [(0, 0, 100, 100), (60, 0, 100, 100), (120, 0, 100, 100), (300, 0, 100, 100)]
LEVELS = np.array([5.0, -3.0, 40.0, 7.0])


def network_of(differences: Differences) -> Network:
    return Network(BOXES, GRID, differences)


def unmatched(network: Network) -> np.ndarray:
    solution = Solution([NONE] * network.number, [np.zeros(0)] * network.number)
    return np.asarray(network.differences.value - network.predicted(solution))


def test_levels_before_and_after() -> None:
    network = network_of(make_pairs(BOXES, GRID, lambda k, x, *_: np.full(x.size, LEVELS[k]), noise=2.0))
    added = Solution([Candidate(0)] * 4, [np.array([level]) for level in (-5.0, 3.0, -39.5, 0.0)])
    overlaps = overlaps_of(network, network.differences.value - network.predicted(added))
    assert [(one.first, one.second) for one in overlaps] == [(0, 1), (1, 2)]
    assert [one.bins for one in overlaps] == [40, 40]
    assert [one.pixels for one in overlaps] == [4000, 4000]
    assert [one.before for one in overlaps] == pytest.approx([8.0, -43.0])
    assert [one.after for one in overlaps] == pytest.approx([0.0, -0.5], abs=1e-12)
    # The mean of 4000 differences of pixels with a noise of 2 each.
    assert [one.error for one in overlaps] == pytest.approx([2 * np.sqrt(2 / 4000)] * 2)
    assert overlaps[1].worst == pytest.approx(0.5 / (2 * np.sqrt(2 / 100)))


def test_errors_are_right() -> None:
    pulls = []
    for seed in range(60):
        network = network_of(make_pairs(BOXES, GRID, lambda k, x, *_: np.full(x.size, LEVELS[k]), noise=3.0, seed=seed))
        one, other = overlaps_of(network, unmatched(network))
        pulls += [(one.before - 8.0) / one.error, (other.before + 43.0) / other.error]
    assert 0.8 < np.sqrt(np.mean(np.square(pulls))) < 1.15


def test_scatter_beyond_the_noise_makes_the_error_larger() -> None:
    # Bins alternate by 5 counts, 25 times the error of a bin.
    wave = make_pairs(BOXES[:2], GRID, lambda k, x, *_: k * 5.0 * (-1.0) ** (x // 10), noise=1.0)
    network = Network(BOXES[:2], GRID, wave)
    (overlap,) = overlaps_of(network, unmatched(network))
    assert overlap.before == pytest.approx(0, abs=1e-12)
    assert overlap.error == pytest.approx(5 / np.sqrt(40), rel=0.02)


def test_outliers_do_not_count() -> None:
    def means(k: int, x: np.ndarray, y: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return LEVELS[k] + np.where((k == 1) & (x < 70) & (y < 10), 500.0, 0.0)

    network = network_of(make_pairs(BOXES, GRID, means))
    network.good[network.nodes_of(1)[0]] = False
    one, other = overlaps_of(network, unmatched(network))
    assert (one.bins, one.pixels) == (39, 3900)
    assert one.before == pytest.approx(8.0)
    assert other.bins == 40
    network.good[network.nodes_of(1)] = False
    one, _ = overlaps_of(network, unmatched(network))
    assert (one.bins, one.pixels) == (0, 0)
    assert np.isnan([one.before, one.after, one.error, one.worst]).all()


def test_a_fit_has_its_overlaps() -> None:
    # Planes of 20 counts along a tile, so that the difference in an overlap is not that of the levels.
    def means(k: int, x: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return LEVELS[k] + (0.2 if k == 1 else 0.0) * (x - 60)

    differences = make_pairs(BOXES, GRID, means, noise=1.0, seed=3)
    fit = fit_all(BOXES, GRID, differences, preference=range(4), order=2, spline=False, terms=["smooth"])
    one, other = fit.overlaps
    assert one.before == pytest.approx(8.0 - 0.2 * 19.5, abs=5 * one.error)
    assert other.before == pytest.approx(-43.0 + 0.2 * 79.5, abs=5 * other.error)
    assert max(abs(one.after), abs(other.after)) < 2 * one.error
    assert max(one.worst, other.worst) < 5


def test_levels_follow_from_the_overlaps() -> None:
    first, second = np.array([0, 1, 0, 4]), np.array([1, 2, 2, 5])
    truth = np.array([1.0, 4.0, -5.0, 0.0, 10.0, 20.0])
    levels = levels_of(6, first, second, truth[first] - truth[second], np.full(4, 0.1))
    # Each group has a mean of 0; an exposure without overlaps has no level.
    np.testing.assert_allclose(levels, [1.0, 4.0, -5.0, np.nan, -5.0, 5.0], atol=1e-12)


def test_levels_that_cannot_agree_give_way_by_their_errors() -> None:
    first, second = [0, 1, 0], [1, 2, 2]
    levels = levels_of(3, first, second, np.array([0.0, 0.0, 3.0]), np.array([1.0, 1.0, 1.0]))
    np.testing.assert_allclose(levels, [1.0, 0.0, -1.0], atol=1e-12)
    levels = levels_of(3, first, second, np.array([0.0, 0.0, 3.0]), np.array([1.0, 1.0, 1000.0]))
    np.testing.assert_allclose(levels, 0.0, atol=1e-5)


def test_overlaps_without_a_measurement_say_nothing() -> None:
    levels = levels_of(3, [0, 1], [1, 2], np.array([np.nan, 2.0]), np.array([np.nan, 0.1]))
    np.testing.assert_allclose(levels, [np.nan, 1.0, -1.0])
    assert np.isnan(levels_of(2, [], [], np.zeros(0), np.zeros(0))).all()
