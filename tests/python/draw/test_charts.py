"""Charts of pages."""

from __future__ import annotations

import re

import numpy as np
import pytest
from a_run import make_overlaps, make_run, place_exposures

from evensky.draw.charts import MOST_LINES, Axis, chart_of_costs, chart_of_footprints, chart_of_levels
from evensky.draw.footprint_layout import lay_out
from evensky.draw.run_figures import MOST_ROWS
from evensky.matching.reference import ReferenceCandidate
from evensky.runs.record import ExposureRecord, OverlapRecord


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.0, 10.0, ["0", "2", "4", "6", "8", "10"]),
        (-1.0, 0.26, ["\u22121.00", "\u22120.75", "\u22120.50", "\u22120.25", "0.00", "0.25"]),
        (10000.001, 10000.0036, [f"10000.{tail}" for tail in ("0010", "0015", "0020", "0025", "0030", "0035")]),
        (-0.5e-20, 1.2e-20, ["\u22125.0e-21", "0.0e+00", "5.0e-21", "1.0e-20"]),
        (2e8, 5e8, ["2.0e+08", "2.5e+08", "3.0e+08", "3.5e+08", "4.0e+08", "4.5e+08", "5.0e+08"]),
    ],
)
def test_numbers_of_axes_are_round(low: float, high: float, texts: list[str]) -> None:
    axis = Axis.over(low, high)
    assert [text for _, text in axis.ticks] == texts
    for place, text in axis.ticks:
        value = float(text.replace("\u2212", "-"))
        assert place == pytest.approx(100 * (value - low) / (high - low), abs=0.6)


def test_an_axis_of_one_value_has_a_range() -> None:
    for value in (0.0, 7.0, -3e9):
        axis = Axis.over(value, value)
        assert axis.low < value < axis.high
        assert axis.place(value) == pytest.approx(50)
        assert axis.ticks
    assert Axis.over(0, 1).place(3.0) == 100
    assert Axis.over(0, 1).place(-3.0) == 0


def level(label: str, before: float | None, after: float | None = 100.0) -> ExposureRecord:
    return ExposureRecord(label=label, path="", status="matched", level_before=before, level_after=after)


def test_levels_are_at_their_places() -> None:
    records = [level("a", 90.0), level("b", 110.0, None), level("c", None), level("d", float("nan"))]
    chart = chart_of_levels(records, "b")
    assert [row.label for row in chart.rows] == ["a", "b"]
    first, second = chart.rows
    assert first.before == pytest.approx(100 * 0.8 / 21.6, abs=0.01)
    assert first.after == pytest.approx(50, abs=0.01)
    assert first.join == (first.before, pytest.approx(50 - first.before, abs=0.01))
    assert second.after is None
    assert second.is_reference
    assert chart.reference == second.before
    assert chart.label == "sigma-clipped mean of the good pixels"
    records[0].area_factor = 2.0
    assert "per equal area" in chart_of_levels(records).label
    assert chart_of_levels([]).rows == []


@pytest.mark.parametrize("number", [9, 300], ids=["few", "many"])
def test_levels_far_out_do_not_squeeze_the_others(number: int) -> None:
    levels = np.linspace(90, 110, number)
    levels[3], levels[5] = 5e6, -1e4
    chart = chart_of_levels([level(f"{i}", float(one)) for i, one in enumerate(levels)], "0")
    assert 85 < chart.axis.low < 90
    assert 110 < chart.axis.high < 115
    assert chart.number == number
    if number <= MOST_ROWS:
        assert [(row.beyond, row.is_low) for row in chart.rows if row.beyond] == [("5e+06", False), ("-10000", True)]
    else:
        assert chart.rows == []
        points = [float(y) for y in re.findall(r"M[0-9.]+ ([0-9.]+)h0", chart.before)]
        assert len(points) == number
        assert (points[3], points[5]) == (0, 100)
        assert chart.after.count("M") == chart.join.count("V") == number


def test_costs_are_stacked_and_the_cheapest_of_many_are_shown() -> None:
    candidates = [ReferenceCandidate(f"{i}", 1, 1, 1, 0.1, 0.3, 0.6 + i, 1.0 + i, i == 0) for i in range(3)]
    chart = chart_of_costs([*candidates, ReferenceCandidate("x", message="cannot be read")])
    assert chart is not None
    assert [row[0] for row in chart.rows] == ["0", "1", "2"]
    np.testing.assert_allclose([sum(row[1]) for row in chart.rows], [100 / 3, 200 / 3, 100], atol=0.05)
    np.testing.assert_allclose(chart.rows[0][1], [100 / 30, 20, 10], atol=0.01)
    assert chart.rows[0][2:] == ("1.0000", True)
    many = [ReferenceCandidate(f"{i}", 1, 1, 1, 0.1, 0.1, 0.1, 2 - i / 1000, i == 89) for i in range(90)]
    chart = chart_of_costs(many)
    assert chart is not None
    assert (len(chart.rows), chart.left_out) == (MOST_ROWS, 90 - MOST_ROWS)
    assert chart.rows[0][0] == "89"
    assert chart_of_costs([]) is None


def points_of(path: str) -> np.ndarray:
    return np.array([[float(x), float(y)] for x, y in re.findall(r"([-0-9.]+) ([-0-9.]+)", path)])


def test_footprints_are_where_they_are_and_have_their_colours() -> None:
    run = make_run(5)
    run.method, run.overlaps = "all", make_overlaps(5)
    place_exposures(run, 2)
    chart = chart_of_footprints(run.footprints())
    before, after = chart.panels
    assert (before.title, before.rms) == ("before", "1.41")
    assert after.rms == "0.00228"
    assert chart.limit == pytest.approx(2, rel=0.05)
    assert len(before.outlines) == 5
    left, top, width, height = chart.frame
    points = np.concatenate([points_of(path) for path, *_ in before.outlines])
    # The field is 190 x 280 px with a border of 4 %, and y is upwards.
    size = np.array([190, 280]) + 2 * 0.04 * 280
    assert width / height == pytest.approx(size[0] / size[1], rel=0.01)
    np.testing.assert_allclose(np.ptp(points, axis=0), [width * 190 / size[0], height * 280 / size[1]], rtol=0.01)
    first = points_of(before.outlines[-1][0])  # the last one is drawn on top
    assert first[:, 1].max() == pytest.approx(points[:, 1].max())
    assert first[:, 0].min() == pytest.approx(points[:, 0].min())
    assert left < points[:, 0].min()
    assert top < points[:, 1].min()
    red, _, blue = (int(before.outlines[-1][1][k : k + 2], 16) for k in (1, 3, 5))
    assert blue > red + 50  # the lowest level
    assert int(before.outlines[0][1][1:3], 16) > int(before.outlines[0][1][5:7], 16) + 50
    for _, colour, _ in after.outlines:  # one scale for both: after the match all are pale
        channels = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        assert max(channels) - min(channels) < 25
    assert [name[2] for name in before.names] == [f"visit-{k}" for k in range(5)]
    assert before.casing.count("M") == 4
    assert sum(path.count("M") for path, _ in before.lines) == 8
    assert sum(path.count("M") for path, _ in before.dots) == 5
    assert chart.axis_names == ("x [px]", "y [px]")
    for places, (start, length) in zip(chart.ticks, ((left, width), (top, height)), strict=True):
        assert all(start <= at <= start + length for at, _ in places)
    rising = [at for at, _ in chart.ticks[1]]
    assert rising == sorted(rising, reverse=True)


def squares(*origins: tuple[float, float], size: float = 100.0) -> list[ExposureRecord]:
    shape = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
    return [ExposureRecord(f"{k}", "", "matched", corners=(shape + at).tolist()) for k, at in enumerate(origins)]


def test_east_is_to_the_left_on_the_sky_and_wide_fields_are_above_each_other() -> None:
    records = squares((0, 0), (4.0, 0), size=1.0)
    chart = chart_of_footprints(lay_out(records, [1.0, float("nan")], [0.0, 0.0], footprint_unit="deg"))
    east, west = (points_of(path)[:, 0].mean() for path, *_ in chart.panels[0].outlines)
    assert east < west  # the second one is farther to the east, and drawn first
    falling = [float(text) for _, text in sorted(chart.ticks[0])]
    assert falling == sorted(falling, reverse=True)
    assert chart.panels[0].outlines[0][1] == "#d9dde2"  # its level is unknown
    assert chart.vertical
    assert chart.height < chart.width / 2
    tall = chart_of_footprints(lay_out(squares((0, 0), (0, 5000)), [1.0, 2.0], [0.0, 0.0]))
    assert not tall.vertical
    assert tall.height < 2 * tall.width


def test_the_chart_of_very_many_footprints_stays_small() -> None:
    number = MOST_LINES // 2
    records = squares(*[(37.0 * (k % 50), 37.0 * (k // 50)) for k in range(number)])
    overlaps = [
        OverlapRecord(f"{k}", f"{(k + step) % number}", 9, 900, 1.0, 0.0, 0.1, 1.0)
        for k in range(number)
        for step in (1, 50, 51)
    ]
    chart = chart_of_footprints(lay_out(records, [0.5] * number, [0.0] * number, overlaps))
    assert chart.lines_left_out == len(overlaps)
    assert all(panel.casing == "" and panel.lines == [] for panel in chart.panels)
    assert sum(len(path) for path, *_ in chart.panels[0].outlines) < 100 * number
    some = chart_of_footprints(lay_out(records, [0.5] * number, [0.0] * number, overlaps[:MOST_LINES]))
    assert some.lines_left_out == 0
    assert some.panels[0].casing.count("M") == MOST_LINES
    assert len(some.panels[0].lines) <= 2
