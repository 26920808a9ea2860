"""Figures of plain numbers."""

from __future__ import annotations

import base64
import pickle
import re

import numpy as np
import pytest
from a_picture import decoded
from matplotlib.figure import Figure

from evensky.draw.figures import (
    figure_url,
    label_with_unit,
    new_figure,
    picture_url,
    plot_centres,
    plot_model_grid,
    unit_label,
)
from evensky.errors import InvalidParameterError

PNG = b"\x89PNG\r\n"


def test_figures_show_themselves_in_notebooks() -> None:
    figure = new_figure(3, 2)
    figure.add_subplot().plot([1, 2], [3, 4])
    assert figure._repr_png_().startswith(PNG)
    kind, data = figure_url(figure, 40).split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data).startswith(PNG)


def test_figures_can_be_pickled() -> None:
    figure = new_figure(3, 2)
    figure.add_subplot().set_title("sky")
    again = pickle.loads(pickle.dumps(figure))
    assert type(again) is type(figure)
    assert type(again).__name__ == "NotebookFigure"
    assert again.axes[0].get_title() == "sky"
    assert again._repr_png_().startswith(PNG)


def test_figures_without_a_background() -> None:
    def draw() -> Figure:
        figure = new_figure(1, 1)
        figure.add_subplot().text(0.1, 0.3, "M", fontsize=50)
        return figure

    shown = [decoded(picture_url(draw, 50, transparent=transparent)) for transparent in (False, True)]
    assert (shown[0][0, 0] == 1).all()
    assert (shown[1][..., 3] == 0).mean() > 0.4  # beside the axes, and in them
    letters = shown[1][shown[1][..., 3] == 1]
    assert letters[:, :3].max() < 0.1


def test_units_in_labels() -> None:
    assert [unit_label(unit) for unit in ("ct", "Count", "ADU", " nJy ", "")] == ["counts", "counts", "adu", "nJy", ""]
    assert label_with_unit("level", "ct") == "level [counts]"
    assert label_with_unit("level", " ") == "level"


def test_plot_of_centres() -> None:
    axes = plot_centres([("MEAN", 5.0, 0.5, 2.0), ("MEDIAN", 4.0, float("nan"), None)], "adu").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["MEAN", "MEDIAN"]
    assert axes.get_xlabel() == "value [adu]; thick bars: scatter; thin bars: error"
    bars = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 7]
    assert [list(ends) for ends in bars] == [[3.0, 7.0]]


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
