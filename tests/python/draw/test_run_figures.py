"""Figures of runs: levels, costs, and the coadds."""

from __future__ import annotations

import numpy as np
import pytest
from a_run import make_run, preview_of

from evensky.draw.run_figures import MOST_ROWS, plot_coadds, plot_costs, plot_levels
from evensky.errors import InvalidParameterError
from evensky.matching.reference import ReferenceCandidate
from evensky.runs.record import ExposureRecord


def test_plots() -> None:
    run = make_run()
    assert len(plot_levels(run.records, "visit-0").axes[0].get_yticklabels()) == 5
    assert any("chosen" in text.get_text() for text in plot_costs(run.candidates).axes[0].texts)


def test_coadds_have_one_range_about_their_medians() -> None:
    preview = preview_of(make_run())
    figure = plot_coadds(preview)
    panels, bars = figure.axes[:3], figure.axes[3:]
    assert [ax.get_title().split(",")[0] for ax in panels] == ["before", "after", "before - after"]
    assert len({ax.images[0].get_clim() for ax in panels}) == 1
    low, high = panels[0].images[0].get_clim()
    assert low == -high
    assert 10 < high < 60  # the step shows, and the source saturates
    assert np.nanmax(panels[0].images[0].get_array()) > 10 * high
    assert [bar.get_xlabel() for bar in bars] == ["minus the median [adu]"] * 3
    preview.before = preview.after = np.zeros((0, 4), np.float32)
    with pytest.raises(InvalidParameterError, match=r"\(0, 4\)"):
        plot_coadds(preview)


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
