"""The report and the table of a run."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from a_run import NASTY, make_run
from astropy.table import Table

from evensky.report import write_report
from evensky.runs.match_run import write_table


class Page(HTMLParser):
    """Collects tags and the addresses that they refer to."""

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
    # Figures of the levels, of the costs, and of every exposure that has pictures.
    assert page.tags.count("img") == 2 + 4
    assert "4 of 5 exposures" in text
    assert "level [adu]" in text
    assert "Sigma-clipped mean of the good pixels before and after matching, in adu." in text
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


def test_of_very_many_those_are_shown_that_deserve_a_look(tmp_path: Path) -> None:
    run = make_run(3000)
    for record in run.records[10:]:
        record.pixels = None
    run.records[2000].flags = ["LOW_COVERAGE"]
    text = write_report(run, tmp_path / "report.html").read_text()
    page = Page(text)
    assert len(text) < 3e6
    # The table lists all; those with pictures, and the flagged one, are also shown one by one.
    assert text.count('<span class="chip matched">') > 2990
    assert "LOW_COVERAGE" in text
    assert page.tags.count("article") < 15
    assert "most deserve a look" in text
