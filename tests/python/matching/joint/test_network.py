"""Exposures tied by differences: predicted differences, outliers, and evidence."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.matching.joint.differences import Differences, PairBins
from evensky.matching.joint.models import NONE, Candidate
from evensky.matching.joint.network import Network, Solution

BOXES = [(0, 0, 80, 10)] * 4
NUMBER = 8
LEVELS = (0.0, 3.0, 7.0, -2.0)


def make_network(values: np.ndarray) -> Network:
    """Make a network of four exposures whose pairs were all measured in eight bins; values have shape (4, 8)."""
    x, ones = np.arange(NUMBER) * 10.0 + 4.5, np.ones(NUMBER)
    pairs = [
        PairBins(
            i,
            j,
            np.arange(NUMBER),
            values[i] - values[j],
            0.1 * ones,
            np.full(NUMBER, 100),
            x,
            4.5 * ones,
            10 * ones,
            10 * ones,
        )
        for j in range(4)
        for i in range(j)
    ]
    return Network(BOXES, Differences(4, pairs))


def constants(levels: tuple[float, ...]) -> Solution:
    return Solution([Candidate(0)] * 4, [np.array([-level]) for level in levels])


def test_corrections_make_up_for_the_differences() -> None:
    network = make_network(np.repeat(np.array(LEVELS)[:, None], NUMBER, 1))
    assert network.number == 4
    np.testing.assert_allclose(network.predicted(constants(LEVELS)), network.differences.value, atol=1e-12)
    nothing = Solution([NONE] * 4, [np.zeros(0)] * 4)
    np.testing.assert_array_equal(network.predicted(nothing), 0)


def test_the_bin_that_differs_from_all_others_is_an_outlier() -> None:
    values = np.repeat(np.array(LEVELS)[:, None], NUMBER, 1)
    values[2, 5] += 40
    network = make_network(values)
    residual = network.differences.value - network.predicted(constants(LEVELS))
    network.reject(residual)
    d = network.differences
    assert [(d.node_exposure[k], d.node_bin[k]) for k in np.flatnonzero(~network.good)] == [(2, 5)]
    # Its rows have weight 0; the weights of the others are unchanged.
    weights = network.weights()
    np.testing.assert_array_equal(weights == 0, np.abs(residual) > 1)
    network.reject(np.zeros_like(residual))
    assert network.good.all()


def test_partners_say_what_a_correction_should_be() -> None:
    network = make_network(np.repeat(np.array(LEVELS)[:, None], NUMBER, 1))
    known = Solution([Candidate(0), Candidate(0), NONE, Candidate(0)], [np.array([-level]) for level in LEVELS])
    evidence, nodes = network.evidence(2, known, [([NONE, Candidate(0)], Candidate(0))])
    np.testing.assert_allclose(evidence.value, -7.0)
    assert network.differences.node_exposure[nodes].tolist() == [2] * NUMBER
    assert network.design(0, 1, Candidate(0)).shape == (NUMBER, 1)
    assert network.design(0, 1, Candidate(2)).shape == (NUMBER, 6)
    assert evidence.value.std() == pytest.approx(0, abs=1e-12)
