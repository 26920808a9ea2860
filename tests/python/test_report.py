from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from evensky.errors import InvalidParameterError
from evensky.plot import common_stretch, plot_costs, plot_levels, plot_match, plot_model_grid
from evensky.report import write_report, write_table
from evensky.tasks.pictures import Gallery
from evensky.tasks.run_record import ExposureRecord, MatchRun, PixelSummary, ReferenceCandidate

NASTY = "<script>alert('a & b')</script>"


def make_run(number: int = 5) -> MatchRun:
    rng = np.random.default_rng(1)
    records = []
    for index in range(number):
        before = rng.normal(100 + index, 5, (20, 30)).astype(np.float32)
        before[0, :5] = np.nan
        model = np.full((20, 30), -index, np.float32)
        counts, edges = np.histogram(rng.normal(0, 5, 1000), bins=31)
        records.append(
            ExposureRecord(
                label=f"visit-{index}",
                path=f"/data/visit-{index}.fits",
                status="reference" if index == 0 else "matched",
                fit_rms=0.1 * index,
                matched_mse=None if index == 0 else 50.1,
                diff_im_var=None if index == 0 else 50.0,
                level_before=100.0 + index,
                level_after=100.0,
                model="AKIMA_SPLINE, 8 x 8 bins of 128 px",
                pixels=PixelSummary(before, model, before + model, counts, edges),
            )
        )
    records[1].warnings.append(f"order reduced {NASTY}")
    records[2].pixels = None
    records.append(ExposureRecord(NASTY, "/data/bad.fits", "failed", message=f"cannot be read {NASTY}"))
    candidates = [
        ReferenceCandidate(r.label, 100.0, 25.0, 600, 0.4, 0.2, 0.3 + 0.01 * i, 0.9 + 0.01 * i, i == 0)
        for i, r in enumerate(records[:-1])
    ]
    candidates.append(ReferenceCandidate(NASTY, message="cannot be read"))
    config = {"binSize": 128, "badMaskPlanes": ["BAD", "SAT"]}
    return MatchRun(
        records, candidates, "visit-0", "lowest cost", config, "0.1.0", "2026-05-05T00:00:00", 1.5, "adu", ["no mask"]
    )


class Page(HTMLParser):
    """Collects tags and what they refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.alts: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        if tag == "img":
            self.alts.append(values.get("alt"))
        self.sources += [v for k, v in attrs if k in ("src", "href") and v]


def test_page_is_self_contained_and_escaped(tmp_path: Path) -> None:
    text = write_report(make_run(), tmp_path / "report.html").read_text()
    page = Page(text)
    assert "script" not in page.tags
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in page.sources)
    assert all(page.alts)
    assert page.tags.count("article") == 6
    # Levels, costs, and every exposure that has pictures.
    assert page.tags.count("img") == 2 + 4
    assert "4 of 5 exposures" in text
    assert "ADU" in text
    for words in ("visit-0", "order reduced", "cannot be read", "lowest cost", "no mask", "binSize"):
        assert words in text


def test_many_exposures_stay_usable(tmp_path: Path) -> None:
    path = write_report(make_run(60), tmp_path / "report.html")
    assert path.stat().st_size < 8e6


def test_pages_with_little_in_them(tmp_path: Path) -> None:
    run = make_run(3)
    run.candidates = []
    run.records = run.records[-1:]
    run.reference = ""
    assert "cannot be read" in write_report(run, tmp_path / "a.html").read_text()
    run.records = []
    assert "0 of 0" in write_report(run, tmp_path / "b.html").read_text()
    assert len(Table.read(write_table(run, tmp_path / "b.ecsv"))) == 0


def test_table(tmp_path: Path) -> None:
    table = Table.read(write_table(make_run(), tmp_path / "matched.ecsv"))
    assert list(table["status"]) == ["reference", *["matched"] * 4, "failed"]
    assert table["matched_mse"].mask.tolist() == [True, *[False] * 4, True]
    assert str(table["fit_rms"].unit) == "adu"
    assert table["fit_rms"][2] == 0.2
    assert NASTY in table["message"][5]
    assert table.meta["config"]["badMaskPlanes"] == ["BAD", "SAT"]


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


def test_of_very_many_those_are_shown_that_deserve_a_look(tmp_path: Path) -> None:
    run = make_run(3000)
    for record in run.records[10:]:
        record.pixels = None
    run.records[2000].flags = ["LOW_COVERAGE"]
    text = write_report(run, tmp_path / "report.html").read_text()
    page = Page(text)
    assert len(text) < 3e6
    # Nothing is missing from the table; one by one come those with pictures, and the one that is flagged.
    assert text.count('<span class="chip matched">') > 2990
    assert "LOW_COVERAGE" in text
    assert page.tags.count("article") < 15
    assert "most deserve a look" in text


def test_gallery_keeps_the_reference_the_flagged_and_the_worst() -> None:
    gallery = Gallery(most=4)
    pixels = PixelSummary(*[np.zeros((2, 2))] * 3, np.zeros(0), np.zeros(1))
    records = []
    for number in range(20):
        record = ExposureRecord(
            f"{number}", "", "matched", matched_mse=1.0 + number % 7, diff_im_var=1.0, pixels=pixels
        )
        if number == 3:
            record.status = "reference"
        if number == 0:
            record.flags = ["EXTRAPOLATED"]
        records.append(record)
        gallery.add(number, record)
    assert [record.label for record in records if record.pixels is not None] == ["0", "3", "6", "13"]
