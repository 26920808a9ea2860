"""Figure of the footprints of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from a_run import make_overlaps, make_run, place_exposures

from evensky.draw.figures import new_figure
from evensky.draw.footprints import plot_footprints
from evensky.errors import InvalidParameterError
from evensky.runs.match_run import MatchRun
from evensky.runs.record import ExposureRecord

RED, BLUE = (0, 2), (2, 0)  # channels of colours that are compared: the first is the stronger one


def run_of(number: int = 5, columns: int = 2) -> MatchRun:
    run = make_run(number)
    run.method = "all"
    run.overlaps = make_overlaps(number)
    place_exposures(run, columns)
    return run


def records_at(*origins: tuple[float, float], size: float = 100.0) -> list[ExposureRecord]:
    shape = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
    return [ExposureRecord(f"{k}", "", "matched", corners=(shape + at).tolist()) for k, at in enumerate(origins)]


def is_coloured(colour: Any, channels: tuple[int, int]) -> bool:
    return bool(colour[channels[0]] > colour[channels[1]] + 0.2)


def test_outlines_have_the_colours_of_their_levels() -> None:
    figure = run_of().plot_footprints()
    before, after, bar = figure.axes
    assert before.get_title() == "before: 1.41 adu RMS"
    assert after.get_title() == "after: 0.00228 adu RMS"
    outlines = before.collections[0]
    assert len(outlines.get_paths()) == 5  # the one that failed has no outline
    colours = outlines.get_facecolors()[::-1]  # the last one is drawn first
    assert is_coloured(colours[0], BLUE)
    assert is_coloured(colours[4], RED)
    # One scale for both panels: after the match all are pale.
    pale = after.collections[0].get_facecolors()[:, :3]
    assert np.ptp(pale, axis=1).max() < 0.05
    assert bar.get_xlabel() == "level relative to the other exposures [adu]"
    low, high = bar.get_xlim()
    assert (low, high) == pytest.approx((-2, 2), rel=0.05)
    assert before.get_xlabel() == "x [px]"


def test_each_half_of_a_line_has_the_colour_of_its_side() -> None:
    run = run_of(3)
    run.overlaps = make_overlaps(2)
    panel = run.plot_footprints().axes[0]
    _, casing, first, second = panel.collections[:4]
    assert [len(lines.get_segments()) for lines in (casing, first, second)] == [1, 1, 1]
    np.testing.assert_allclose(casing.get_segments()[0], [[50, 50], [140, 50]])
    np.testing.assert_allclose(first.get_segments()[0], [[50, 50], [95, 50]])
    # The first exposure is darker than the second by one count.
    assert is_coloured(first.get_colors()[0], BLUE)
    assert is_coloured(second.get_colors()[0], RED)


@pytest.mark.parametrize(("number", "named"), [(3, True), (12, True), (13, False), (100, False)])
def test_few_exposures_are_named(number: int, named: bool) -> None:
    panel = run_of(number, columns=max(1, int(np.sqrt(number)))).plot_footprints().axes[0]
    assert [text.get_text() for text in panel.texts] == ([f"visit-{k}" for k in range(number)] if named else [])


def test_long_names_are_cut_where_they_are_alike() -> None:
    records = records_at((0, 0), (50, 50))
    records[0].label, records[1].label = "jw01234-o005_t001_nircam_a", "jw01234-o005_t001_nircam_b_and_much_more"
    panel = plot_footprints(records, [0, 1], [0, 0]).axes[0]
    assert [text.get_text() for text in panel.texts] == ["a", "b_and_much_more"]
    records[0].label = "of-another-kind-of-instrument"
    panel = plot_footprints(records, [0, 1], [0, 0]).axes[0]
    assert [text.get_text() for text in panel.texts] == ["\u2026d-of-instrument", "\u2026b_and_much_more"]


def test_footprints_that_coincide_are_a_pile() -> None:
    records = records_at((0, 0), (0, 0), (0, 0), (500, 0))
    levels = [3.0, -1.0, -5.0, 3.0]
    overlaps = make_overlaps(5)
    for k, one in enumerate(overlaps):
        one.first, one.second = f"{k}", f"{k + 1}"
    panel = plot_footprints(records, levels, [0.0] * 4, overlaps).axes[0]
    corners = [path.vertices[0] for path in panel.collections[0].get_paths()][::-1]
    np.testing.assert_allclose(corners, [[0, 0], [5, 5], [10, 10], [500, 0]])
    # Lines within the pile would hide it; that from the pile to the other exposure is drawn.
    assert len(panel.collections[1].get_segments()) == 1
    many = records_at(*[(0, 0)] * 200)
    panel = plot_footprints(many, list(range(200)), [0.0] * 200).axes[0]
    assert panel.dataLim.width < 140


def test_a_level_far_out_does_not_make_the_others_pale() -> None:
    records = records_at(*[(60.0 * k, 0.0) for k in range(9)])
    levels = [-1.0, 1.0, -1.0, 1.0, 500.0, 1.0, -1.0, 1.0, -1.0]
    figure = plot_footprints(records, levels, [0.0] * 9)
    bar = figure.axes[2]
    assert bar.get_xlim() == pytest.approx((-4, 4))
    # A wide field has its panels above each other.
    assert figure.axes[0].get_position().y0 > figure.axes[1].get_position().y1
    assert figure.axes[1].get_ylabel() == "y [px]"


def test_mere_noise_is_pale() -> None:
    records = records_at((0, 0), (90, 0))
    overlaps = make_overlaps(2)
    overlaps[0].first, overlaps[0].second = "0", "1"
    overlaps[0].before, overlaps[0].after, overlaps[0].error = 0.02, 1e-9, 0.02
    figure = plot_footprints(records, [0.01, -0.01], [1e-9, -1e-9], overlaps, unit="ct")
    assert figure.axes[2].get_xlim() == pytest.approx((-0.1, 0.1))
    assert figure.axes[1].get_title() == "after: below 0.002 counts RMS"


def test_unknown_levels_are_grey() -> None:
    figure = plot_footprints(records_at((0, 0), (90, 0)), [np.nan, np.nan], [np.nan, np.nan])
    assert [ax.get_title() for ax in figure.axes[:2]] == ["before", "after"]
    for colour in figure.axes[0].collections[0].get_facecolors():
        assert np.ptp(colour[:3]) < 0.05


@pytest.mark.parametrize(("size", "unit", "shown"), [(3.0, "deg", 3.0), (0.5, "arcmin", 30.0), (0.01, "arcsec", 36.0)])
def test_on_the_sky_east_is_to_the_left(size: float, unit: str, shown: float) -> None:
    records = records_at((0, 0), (0.4 * size, 0), size=size)
    panel = plot_footprints(records, [1, -1], [0, 0], footprint_unit="deg").axes[0]
    left, right = panel.get_xlim()
    assert left > 1.4 * shown > 0 > right
    assert panel.get_xlabel() == f"offset to the east [{unit}]"
    assert panel.get_ylabel() == f"offset to the north [{unit}]"
    # Names begin at the upper left corners.
    assert panel.texts[1].xy == pytest.approx((1.4 * shown, shown))


def test_axes_can_be_given() -> None:
    mine = new_figure(8, 4)
    axes = mine.subplots(1, 2)
    assert run_of().plot_footprints(axes) is mine
    assert axes[1].get_title().startswith("after")
    with pytest.raises(InvalidParameterError, match="axes are 1; two are needed"):
        run_of().plot_footprints(axes[0])


def test_without_outlines_there_is_no_figure() -> None:
    with pytest.raises(InvalidParameterError, match="None of the 6 exposures has an outline"):
        make_run().plot_footprints()


def test_names_of_dithers_do_not_hide_each_other() -> None:
    rng = np.random.default_rng(10)
    records = []
    for k, angle in enumerate(rng.uniform(0, 2 * np.pi, 10)):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) @ turn
        corners = (square + rng.uniform(-0.4, 0.4, 2)).tolist()
        records.append(ExposureRecord(f"dither_{k:02d}", "", "matched", corners=corners))
    figure = plot_footprints(records, rng.normal(0, 20, 10).tolist(), [0.0] * 10)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert sum(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k]) == 0
    # Where many overlap, each lets the lower ones be seen.
    assert figure.axes[0].collections[0].get_facecolors()[0, 3] < 0.5
