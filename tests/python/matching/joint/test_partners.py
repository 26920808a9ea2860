"""The choice of the pairs that are compared."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.matching.joint.partners import choose_pairs


@pytest.mark.parametrize("number", [6, 30, 200])
def test_the_number_of_pairs_grows_with_that_of_exposures(number: int) -> None:
    pairs = choose_pairs([np.arange(64)] * number, reference=2)
    assert len(pairs) <= 3 * number
    assert len(set(pairs)) == len(pairs)
    assert all(i < j or i == 2 for i, j in pairs)
    assert len({i for pair in pairs for i in pair}) == number
    assert sum(2 in pair for pair in pairs) == number - 1  # all are compared with the reference
    # In the order in which they are measured there is nothing to read again but the reference and a few earlier ones.
    assert all(i == 2 or j - i <= 3 for i, j in pairs)
    assert [j for _, j in pairs] == sorted(j for _, j in pairs)


def test_all_of_few_are_paired() -> None:
    assert choose_pairs([np.arange(9)] * 4, reference=0) == [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert choose_pairs([np.arange(9), np.arange(20, 22), np.arange(0)], reference=0) == []


def test_everything_that_overlaps_is_tied_together() -> None:
    rng = np.random.default_rng(3)
    coverage, places = [], []
    for _ in range(150):
        x0, y0 = rng.integers(0, 60, 2)
        x, y = np.meshgrid(np.arange(8) + x0, np.arange(8) + y0)
        coverage.append(np.sort((y * 100 + x).ravel()))
        places.append((x0, y0))
    pairs = choose_pairs(coverage, reference=0)
    assert len(pairs) <= 8 * 150

    def groups(edges: list[tuple[int, int]]) -> int:
        parent = list(range(150))

        def root(i: int) -> int:
            while parent[i] != i:
                i = parent[i]
            return i

        for i, j in edges:
            parent[root(i)] = root(j)
        return len({root(i) for i in range(150)})

    overlapping = [(i, j) for j in range(150) for i in range(j) if np.intersect1d(coverage[i], coverage[j]).size]
    assert len(pairs) < len(overlapping)
    assert groups(pairs) == groups(overlapping)
    # Two sets, each well connected, that share few bins.
    halves = [np.arange(100)] * 6 + [np.arange(95, 195)] * 6
    across = [pair for pair in choose_pairs(halves, reference=0) if pair[0] < 6 <= pair[1]]
    assert len(across) >= 2


def test_exposures_with_as_many_bins_elsewhere_are_no_partners() -> None:
    here, there = np.arange(9), np.arange(30, 39)
    assert {frozenset(pair) for pair in choose_pairs([here, there] * 3, reference=0)} == {
        frozenset(pair) for pair in [(0, 2), (0, 4), (2, 4), (1, 3), (1, 5), (3, 5)]
    }
