"""Figures of runs and of models."""

from __future__ import annotations

import re

import numpy as np
import pytest
from a_run import make_run

from evensky.draw.figures import common_stretch, plot_model_grid
from evensky.draw.run_figures import plot_costs, plot_levels, plot_match
from evensky.errors import InvalidParameterError
from evensky.runs.record import ExposureRecord


def test_plots() -> None:
    run = make_run()
    limits = common_stretch([r.pixels.before for r in run.records if r.pixels is not None])
    assert 80 < limits[0] < limits[1] < 125
    assert common_stretch([np.full((2, 2), np.nan)]) == (0.0, 1.0)
    figure = plot_match(run.records[1], limits)
    assert [ax.get_title() for ax in figure.axes[:4]] == [
        "before",
        "model: what is added",
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


def test_plot_of_model_and_grid() -> None:
    model = np.add.outer(np.arange(40.0), np.arange(60.0))
    x, y = np.array([10, 30, 50, 10]), np.array([10, 10, 10, 30])
    value = x + y + np.array([1.0, -1.0, 2.0, np.nan])
    figure = plot_model_grid(model, x, y, value, [1, 1, 4, np.nan], value - x - y)
    left, right = figure.axes[0], figure.axes[1]
    sizes = left.collections[0].get_sizes()
    assert sizes[2] > sizes[0]
    assert re.search(r"rms 1\.414", right.get_title())
    with pytest.raises(InvalidParameterError, match=r"\(3,\)"):
        plot_model_grid(model, x[:3], y, value, value, value)
    with pytest.raises(InvalidParameterError, match="two dimensions"):
        plot_model_grid(model[0], x, y, value, value, value)
