"""The record of a run."""

from __future__ import annotations

import pytest
from a_run import NASTY, make_run


def test_a_summary_is_one_line() -> None:
    run = make_run(3)
    assert run.summary == "4 exposures, reference 'visit-0', 2 matched, 1 failed"
    assert repr(run) == f"MatchRun({run.summary})"
    assert [record.label for record in run.failed] == [NASTY]
    assert run.choice == "Reference: visit-0. lowest cost"


@pytest.mark.parametrize(("level", "tied"), [("mean", "their mean stays"), ("lowest", "brought down to the lowest")])
def test_without_a_fixed_exposure_the_best_one_is_named(level: str, tied: str) -> None:
    run = make_run(3)
    run.config["level"] = level
    assert run.choice == f"Levels: {tied}. The best exposure: visit-0. lowest cost"
    assert f"level {level}, " in run.summary


def test_each_method_has_its_figures() -> None:
    run = make_run(3)
    assert list(run.figures) == ["fit RMS", "matched MSE", "expected"]
    run.method = "all"
    assert list(run.figures.values()) == ["fit_rms", "fit_chi", "model_sigma"]
    assert all(hasattr(run.records[0], name) for name in run.figures.values())
