"""The verdict on a run, and what to do about flags."""

from __future__ import annotations

import numpy as np
import pytest
from a_run import make_overlaps, make_run

import evensky
from evensky.matching.joint.alarms import FLAGS as FLAGS_OF_ALL
from evensky.matching.pair import FLAGS
from evensky.report.verdict import (
    MEANING,
    advices_of,
    number_text,
    overlap_sizes,
    split_finding,
    verdict_of,
)
from evensky.runs.match_run import MatchRun


def clean_run(method: str = "all") -> MatchRun:
    """Make a run in which nothing failed."""
    run = make_run()
    run.method = method
    run.records = run.records[:-1]
    if method == "all":
        run.overlaps = make_overlaps()
    return run


def test_a_good_run_says_how_well_exposures_agree() -> None:
    run = clean_run()
    for record in run.records:
        record.fit_chi = 1.04
    verdict = verdict_of(run)
    assert (verdict.grade, verdict.word) == ("good", "Good")
    assert verdict.title == "5 of 5 exposures matched to each other"
    assert verdict.sentence == (
        "The median difference in overlaps went from 1.00 adu to 0.00150 adu, and residuals are 1.0 times the noise."
    )
    verdict = verdict_of(clean_run("reference"))
    assert verdict.grade == "good"
    assert verdict.title == "4 of 4 exposures matched to visit-0"
    assert "1.00 times those that the variance planes predict" in verdict.sentence


@pytest.mark.parametrize("method", ["all", "reference"])
def test_a_single_exposure_is_not_called_matched(method: str) -> None:
    run = clean_run(method)
    run.records = [record for record in run.records if record.status == "reference"]
    run.overlaps = []
    verdict = verdict_of(run)
    assert (verdict.grade, verdict.title) == ("look", "1 exposure, not matched")
    assert verdict.sentence.startswith("There is only one exposure, so nothing was matched")


def test_flags_and_failures_deserve_a_look() -> None:
    run = clean_run()
    run.records[1].flags = ["LOW_COVERAGE"]
    verdict = verdict_of(run)
    assert verdict.grade == "look"
    assert verdict.sentence.startswith("1 exposure has warnings; the median difference")
    run.records[2].status, run.records[3].status = "failed", "failed"
    verdict = verdict_of(run)
    assert verdict.title == "3 of 5 exposures matched to each other"
    assert verdict.sentence.startswith("2 exposures could not be matched and are not in the result; 1 exposure has")


def test_alarms_and_runs_without_result_are_wrong() -> None:
    run = clean_run()
    run.records[1].flags, run.records[2].flags = ["POOR_FIT", "GAIN"], ["GAIN"]
    verdict = verdict_of(run)
    assert verdict.grade == "wrong"
    assert str(verdict) == "May be wrong: The results of 2 exposures may be wrong (GAIN, POOR_FIT)."
    for record in run.records[1:]:
        record.status = "failed"
    assert verdict_of(run).word == "Failed"
    assert "Nothing was matched; 4 exposures could not" in verdict_of(run).sentence
    run.method, run.reference = "reference", ""
    assert verdict_of(run).title == "0 of 5 exposures matched"
    run.records = []
    assert verdict_of(run).grade == "good"  # nothing was asked for


def test_real_groups_that_are_not_tied_are_found() -> None:
    rng = np.random.default_rng(6)
    images = [rng.normal(100, 1, (64, 64)) for _ in range(4)]
    for image in images[:2]:
        image[:, 32:] = np.nan
    for image in images[2:]:
        image[:, :32] = np.nan
    run = evensky.match_all(images).run
    (untied,) = run.untied
    assert (untied.what, untied.groups) == ("exposures", [["exposure 0", "exposure 1"], ["exposure 2", "exposure 3"]])
    assert untied.note in run.notes
    verdict = verdict_of(run)
    assert (verdict.grade, verdict.word) == ("wrong", "Not ready")
    assert verdict.title == "2 groups of exposures are not tied to each other"
    assert "steps between them" in verdict.sentence
    whole = evensky.match_all([rng.normal(100, 1, (64, 64)) for _ in range(2)]).run
    assert whole.untied == []
    # Of several chips, each has a note.
    run.untied *= 2
    assert verdict_of(run).title == "Groups of exposures are not tied to each other"


def test_every_flag_has_a_meaning_and_advice() -> None:
    assert MEANING.keys() == FLAGS.keys() | FLAGS_OF_ALL.keys()
    for flag in MEANING:
        found, advice = split_finding(flag, "something was found")
        assert found == "something was found"
        assert len(advice) > 15
    # The sentences of some flags say what to do, those of others go on to say what was found.
    assert split_finding("POOR_FIT", "it is worse; a; add a term") == ("it is worse; a", "add a term")
    assert split_finding("EXTRAPOLATED", "half is missing; the model is extrapolated")[0].endswith("extrapolated")


def test_advice_is_grouped_and_what_is_in_doubt_comes_first() -> None:
    run = clean_run()
    run.records[1].flags, run.records[2].flags, run.records[3].flags = ["EXTRAPOLATED"], ["POOR_FIT"], ["EXTRAPOLATED"]
    run.records[1].warnings = ["EXTRAPOLATED: only 3 %", "a note"]
    first, second = advices_of(run)
    assert (first.flag, first.grade, first.findings) == ("POOR_FIT", "wrong", {MEANING["POOR_FIT"]: ["visit-2"]})
    assert (second.flag, second.grade, second.number) == ("EXTRAPOLATED", "look", 2)
    assert second.findings == {"only 3 %": ["visit-1"], MEANING["EXTRAPOLATED"]: ["visit-3"]}


def test_sizes_of_differences_in_overlaps() -> None:
    run = clean_run()
    assert overlap_sizes(run) == pytest.approx((1.0, 0.0015))
    for overlap in run.overlaps:
        overlap.after = 1e-14
    assert overlap_sizes(run) == (1.0, 0.0)  # a rounding error is no difference
    run.overlaps = make_overlaps(1)
    assert overlap_sizes(run) is None


def test_numbers_have_significant_digits() -> None:
    shown = {
        None: "–",
        np.nan: "–",
        0.0: "0",
        1.23456: "1.23",
        -0.00123: "-0.00123",
        1e-9: "1.00e-09",
        12345.6: "12346",
    }
    assert {value: number_text(value) for value in shown} == shown
