"""Choice of a reference exposure."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from simulated_task import SIMULATED, make_task, refs

from evensky.errors import TaskError
from evensky.image import Mask
from evensky.matching.reference import (
    CostWeights,
    ReferenceCandidate,
    choose_reference,
    measure_candidate,
    reason_of_choice,
    set_aside,
)

pytestmark = pytest.mark.smoke


def test_reference_without_good_pixels_never_wins() -> None:
    blank = SIMULATED[0].exposure.clone()
    blank.mask |= Mask.getPlaneBitMask("BAD")
    assert make_task().selectRefExposure([blank, *refs()], None, "warp") != 0


def test_levels_that_are_not_positive_are_compared_by_range(caplog: pytest.LogCaptureFixture) -> None:
    shifted = []
    for one in SIMULATED:
        exposure = one.exposure.clone()
        exposure.image -= 700
        shifted.append(exposure)
    task = make_task(bestRefWeightCoverage=0.0, bestRefWeightVariance=0.0, bestRefWeightLevel=1.0)
    plain = task.selectRefExposure([one.exposure for one in SIMULATED], None, "warp")
    with caplog.at_level(logging.INFO):
        assert task.selectRefExposure(shifted, None, "warp") == plain
    assert "range" in caplog.text


def test_exposures_that_nearly_no_other_could_be_matched_to_are_set_aside() -> None:
    candidates = [ReferenceCandidate(name, 100.0, 25.0, 600) for name in "abcde"]
    candidates[3].variance = 0.0
    candidates[4].npoint = 0
    sizes = [(9, 9), (9, 9), (9, 8), (9, 9), (3, 3)]
    set_aside(candidates, sizes, ["Jy", "Jy", "Jy", "Jy", "mJy"])
    assert [candidate.message for candidate in candidates] == [
        "",
        "",
        "has another size than most: 9 x 8",
        "all its good pixels are equal",
        "",  # without a good pixel, which is handled elsewhere
    ]
    candidates = [ReferenceCandidate(name, 100.0, 25.0, 600) for name in "abcd"]
    set_aside(candidates, [(9, 9)] * 4, ["Jy", "mJy", "", "Jy"])
    assert [candidate.message for candidate in candidates] == [
        "",
        "is in mJy, others in Jy",
        "is in no unit, others in Jy",
        "",
    ]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (CostWeights(), "low variance, low sky, good coverage (cost 0.7200; next 0.9600; lower is better)"),
        (CostWeights(1, 0, 1), "low sky, good coverage (cost 1.5000; next 1.8000; lower is better)"),
        (CostWeights(0, 1, 0), "low variance (cost 0.8000; next 1.0000; lower is better)"),
        (CostWeights(0, 0, 0), "all costs are zero (cost 0.0000; next 0.0000; lower is better)"),
    ],
)
def test_the_reason_of_a_choice(weights: CostWeights, reason: str) -> None:
    candidates = [
        ReferenceCandidate("a", 100.0, 20.0, 600),
        ReferenceCandidate("b", 80.0, 25.0, 300),
        ReferenceCandidate("c", message="no good pixel"),
    ]
    choose_reference(candidates, weights)
    assert reason_of_choice(candidates) == f"It was chosen automatically: {reason}."
    assert reason_of_choice(candidates[1:]) == "It is the only exposure that can be used."
    assert reason_of_choice(None) == "It was named by the user."


def test_a_candidate_is_measured() -> None:
    exposure = SIMULATED[0].exposure.clone()
    bad = exposure.mask.getPlaneBitMask(["BAD", "CR"])
    good = exposure.image.array[(exposure.mask.array & bad) == 0].astype(np.float64)
    good = good[np.isfinite(good)]
    found = measure_candidate(exposure.maskedImage, bad, "a")
    assert (found.label, found.npoint, found.message) == ("a", good.size, "")
    assert found.level == pytest.approx(good.mean())
    assert found.variance == pytest.approx(good.var(ddof=1))
    assert not np.isfinite(found.cost)
    exposure.mask.array[...] = bad
    assert measure_candidate(exposure.maskedImage, bad, "a").message == "no good pixel"


def test_costs_are_weighted_sums() -> None:
    candidates = [
        ReferenceCandidate("a", 100.0, 20.0, 600),
        ReferenceCandidate("b", 80.0, 25.0, 300),
        ReferenceCandidate("c", message="no good pixel"),
        ReferenceCandidate("d", float("nan"), 1.0, 600),
    ]
    assert choose_reference(candidates, CostWeights(coverage=0.4, variance=0.5, level=0.1)) == 0
    assert [candidate.selected for candidate in candidates] == [True, False, False, False]
    first, second = candidates[:2]
    assert (first.cost_coverage, first.cost_variance, first.cost_level) == pytest.approx((0.2, 0.4, 0.1))
    assert (second.cost_coverage, second.cost_variance, second.cost_level) == pytest.approx((0.4, 0.5, 0.08))
    assert first.cost == first.cost_variance + first.cost_level + first.cost_coverage
    assert not np.isfinite([candidate.cost for candidate in candidates[2:]]).any()
    assert choose_reference(candidates, CostWeights(coverage=0, variance=0, level=1)) == 1


@pytest.mark.parametrize("number", [0, 2])
def test_without_good_pixels_there_is_no_reference(number: int) -> None:
    candidates = [ReferenceCandidate(f"{index}") for index in range(number)]
    with pytest.raises(TaskError, match=f"None of the {number} candidate exposures exist with good pixels.*exposure$"):
        choose_reference(candidates, CostWeights())


def test_reasons_why_there_is_no_reference_are_told() -> None:
    candidates = [ReferenceCandidate("a", message="a.fits: broken"), ReferenceCandidate("b")]
    with pytest.raises(TaskError, match=r"reference exposure: a\.fits: broken$"):
        choose_reference(candidates, CostWeights())
