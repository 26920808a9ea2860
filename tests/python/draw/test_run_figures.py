"""Figures of runs: levels, costs, and single exposures."""

from __future__ import annotations

import numpy as np
import pytest
from a_run import make_run

from evensky.draw.figures import common_stretch
from evensky.draw.run_figures import MOST_ROWS, plot_costs, plot_levels, plot_match
from evensky.errors import InvalidParameterError
from evensky.matching.reference import ReferenceCandidate
from evensky.runs.record import CandidateScore, ExposureRecord


def test_plots() -> None:
    run = make_run()
    limits = common_stretch([r.pixels.before for r in run.records if r.pixels is not None])
    assert 80 < limits[0] < limits[1] < 125
    figure = plot_match(run.records[1], limits)
    assert [ax.get_title() for ax in figure.axes[:4]] == [
        "before",
        "model added",
        "after",
        "reference - after",
    ]
    assert figure.axes[0].images[0].get_clim() == limits == figure.axes[2].images[0].get_clim()
    low, high = figure.axes[1].images[0].get_clim()
    assert high - low == pytest.approx(limits[1] - limits[0])
    with pytest.raises(InvalidParameterError, match="visit-2"):
        plot_match(run.records[2], limits)
    assert len(plot_levels(run.records, "visit-0").axes[0].get_yticklabels()) == 5
    assert any("chosen" in text.get_text() for text in plot_costs(run.candidates).axes[0].texts)


@pytest.mark.parametrize("number", [9, 300], ids=["few", "many"])
def test_levels_far_out_do_not_squeeze_the_others(number: int) -> None:
    levels = np.linspace(90, 110, number)
    levels[3], levels[5] = 5e6, -1e4
    records = [
        ExposureRecord(label=f"{i}", path="", status="matched", level_before=float(level), level_after=100.0)
        for i, level in enumerate(levels)
    ]
    axes = plot_levels(records, "0").axes[0]
    low, high = axes.get_xlim() if number < 100 else axes.get_ylim()
    assert 85 < low < 90
    assert 110 < high < 115
    if number < 100:
        assert {text.get_text() for text in axes.texts} == {"\u25c0 -10000", "5e+06 \u25b6"}
    plain = plot_levels(records[:3], "0").axes[0]
    assert not plain.texts


def test_scores_of_candidate_models_take_the_place_of_the_histogram() -> None:
    run = make_run()
    record = run.records[1]
    record.scores = [
        CandidateScore("plane", 3, 0.0),
        CandidateScore("spline 4 x 4", 16, -3.0, refused=True),
        CandidateScore("constant", 1, 25.0),
    ]
    axes = plot_match(record, (80, 120)).axes[3]
    assert axes.get_title() == "evidence against each candidate model"
    assert [text.get_text() for text in axes.texts] == ["plane, chosen", "spline 4 x 4: -3, refused", "constant: 25"]
    assert axes.get_xlim()[0] == 0


def test_the_reference_has_no_histogram() -> None:
    record = make_run().records[0]
    assert record.pixels is not None
    record.pixels.residual_counts, record.pixels.residual_edges = np.zeros(0), np.zeros(1)
    assert [text.get_text() for text in plot_match(record, (80, 120)).axes[3].texts] == ["this is the reference"]


def test_units_are_named() -> None:
    run = make_run()
    assert plot_levels(run.records, "visit-0", "ct").axes[0].get_xlabel().endswith("[counts]")
    assert not plot_levels(run.records, "visit-0").axes[0].get_xlabel().endswith("]")


def test_the_cheapest_of_many_candidates_are_shown() -> None:
    candidates = [ReferenceCandidate(f"{i}", 1, 1, 1, 0.1, 0.1, 0.1, 2 - i / 1000, i == 89) for i in range(90)]
    axes = plot_costs(candidates).axes[0]
    assert len(axes.get_yticklabels()) == MOST_ROWS
    assert axes.get_yticklabels()[0].get_text() == "89"
    assert axes.get_xlabel().endswith(f"the {MOST_ROWS} cheapest of 90")
    assert axes.texts[0].get_text().endswith("chosen")


def test_nothing_to_draw() -> None:
    for figure in (plot_levels([]), plot_costs([])):
        assert len(figure.axes) == 1
