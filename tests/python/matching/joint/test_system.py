"""System of equations of all differences."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.matching.joint.differences import Differences, PairBins
from evensky.matching.joint.grid import CommonGrid
from evensky.matching.joint.search import fit_all


def pair(first: int, second: int, values: list[float]) -> PairBins:
    n = len(values)
    x = np.arange(n) * 10.0 + 4.5
    ones = np.ones(n)
    size = np.full(n, 10.0)
    return PairBins(
        first, second, np.arange(n), np.array(values), 0.1 * ones, np.full(n, 100), x, 4.5 * ones, size, size
    )


def test_equations_by_hand() -> None:
    boxes = [(0, 0, 40, 10)] * 3
    # 0 - 1 = 3, 1 - 2 = 4, 0 - 2 = 7.
    differences = Differences(3, [pair(0, 1, [3.0] * 4), pair(0, 2, [7.0] * 4), pair(1, 2, [4.0] * 4)])
    for level, expected in (("reference", [0, 3, 7]), ("mean", [-10 / 3, -1 / 3, 11 / 3]), ("lowest", [-7, -4, 0])):
        found = fit_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2], level=level, order=1)
        values = [one.model.evaluate(np.array([5.0]), np.array([5.0]))[0] for one in found.exposures if one.model]
        assert values == pytest.approx(expected)
        assert found.references == ([0] if level == "reference" else [-1])
    # The noise of a node is 0.1 / sqrt(2), four of them 0.035; relative to the reference it is that of two exposures.
    found = fit_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2])
    sigma = found.exposures[1].model and found.exposures[1].model.sigma(np.array([5.0]), np.array([5.0]))[0]
    assert sigma == pytest.approx(0.05, rel=1e-6)
    with pytest.raises(InvalidParameterError, match=r"level is 'top'; it must be one of reference, mean, lowest"):
        fit_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2], level="top")
    with pytest.raises(InvalidParameterError, match="order = -1"):
        fit_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2], order=-1)
