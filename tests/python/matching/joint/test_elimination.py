"""Elimination of terms by nested dissection, compared with dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from evensky.matching.joint.elimination import Elimination


def made(number: int, kind: str) -> tuple[np.ndarray, np.ndarray, list[int], np.ndarray, np.ndarray]:
    """Return a normal matrix, a noise, the numbers of terms, the links and the places of some owners."""
    rng = np.random.default_rng(4)
    sizes = rng.integers(1, 4, number).tolist()
    positions = rng.uniform(0, np.sqrt(number), (number, 2))
    distance = np.abs(positions[:, None] - positions).max(axis=2)
    if kind == "one place":  # coupled with the next ones in the list alone
        positions[:] = 1.0
        distance = np.abs(np.subtract.outer(np.arange(number), np.arange(number))) / 3.0
    linked = distance < 1.0
    if kind == "two fields":
        apart = np.arange(number) % 2
        positions[:, 0] += 1e3 * apart
        linked &= apart[:, None] == apart
    if kind == "hub":
        positions[5] = np.nan
        linked[5] = linked[:, 5] = True
    links = np.argwhere(np.triu(linked))
    starts = np.cumsum([0, *sizes])
    within = np.repeat(np.repeat(linked, sizes, axis=0), sizes, axis=1)
    matrix, noise = np.zeros((2, starts[-1], starts[-1]))
    for i, j in links:
        some = np.r_[starts[i] : starts[i + 1], starts[j] : starts[j + 1]]
        for one in (matrix, noise):
            root = rng.normal(size=(some.size, some.size))
            one[np.ix_(some, some)] += root @ root.T
    scale = 10.0 ** rng.integers(-3, 4, starts[-1])  # terms of different units
    assert not matrix[~within].any()
    return matrix * np.outer(scale, scale), noise * np.outer(scale, scale), sizes, links, positions


@pytest.mark.parametrize("kind", ["plane", "one place", "two fields", "hub"])
@pytest.mark.parametrize("number", [7, 130])
def test_rows_are_those_of_dense_matrices(number: int, kind: str) -> None:
    matrix, noise, sizes, links, positions = made(number, kind)
    elimination = Elimination(csr_array(matrix), csr_array(noise), sizes, links, positions)
    inverse = np.linalg.inv(matrix)
    covariance = inverse @ noise @ inverse
    assert len(elimination) == len(matrix)
    right = np.random.default_rng(1).normal(size=(len(matrix), 3)) / np.sqrt(np.diag(inverse))[:, None]
    errors = np.sqrt(np.diag(inverse))
    np.testing.assert_allclose(elimination.solve(right) / errors[:, None], inverse @ right / errors[:, None], atol=1e-9)
    starts = np.cumsum([0, *sizes])
    places = [np.arange(starts[k], starts[k + 1]) for k in range(number)]
    found = set()
    parts = list(elimination.parts())
    for part in parts:
        rows, columns = (np.concatenate([places[k] for k in owners]) for owners in (part.rows, part.columns))
        for got, want in ((part.inverse, inverse), (part.covariance, covariance)):
            units = np.sqrt(np.outer(np.diag(want)[rows], np.diag(want)[columns]))
            np.testing.assert_allclose(got / units, want[np.ix_(rows, columns)] / units, atol=1e-9)
        found |= {frozenset((int(i), int(j))) for i in part.rows for j in part.columns}
    assert {frozenset(pair) for pair in links.tolist()} <= found
    assert sorted(np.concatenate([part.rows for part in parts])) == list(range(number))
    if number > 100:
        # No front has more than a part of all owners.
        assert max(len(part.columns) for part in parts) < 0.6 * number
