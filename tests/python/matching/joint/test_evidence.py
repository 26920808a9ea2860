"""Choice of a model by evidence."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.matching.joint.evidence import Evidence, choose
from evensky.matching.joint.models import NONE, Candidate


def test_evidence_of_nothing_much() -> None:
    x = np.linspace(-1, 1, 50)
    design = np.polynomial.chebyshev.chebvander(x, 3)
    # Each order has one term: constant, T1, T2, T3.
    candidates = [Candidate(order) for order in (-1, 0)]
    value = np.full(50, 2.0)
    choice = choose(Evidence(value, np.ones(50), [(candidates, lambda: design)]))
    assert choice.candidate == Candidate(0)
    assert choice.coefficients == pytest.approx([2.0])
    assert [score.candidate for score in choice.scores] == [Candidate(0), NONE]
    assert choice.scores[1].bic == pytest.approx(200 - np.log(50))
    none = choose(Evidence(np.zeros(50), np.ones(50), [(candidates, lambda: design)]))
    assert none.candidate == NONE
    # Four distant bins of fifty do not affect the model, and cost a fixed amount.
    value[:4] = 1e6
    choice = choose(Evidence(value, np.ones(50), [(candidates, lambda: design)]))
    assert choice.coefficients == pytest.approx([2.0])
    assert choice.outliers.tolist() == [True] * 4 + [False] * 46
    # Errors that are too small for the scatter are scaled.
    noisy = np.random.default_rng(5).normal(0, 7, 50)
    noisy -= noisy.mean() - 1  # the mean of fifty values may differ by 1
    choice = choose(Evidence(noisy, np.ones(50), [(candidates, lambda: design)]))
    assert choice.scale == pytest.approx(7, rel=0.3)
    assert choice.candidate == NONE
