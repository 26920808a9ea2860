"""The report and the table of a run."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from a_run import NASTY, make_overlaps, make_run, place_exposures
from astropy.table import Table

from evensky.report import write_report
from evensky.runs.match_run import write_table
from evensky.runs.record import TermRecord


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


def test_flags_are_at_the_head_of_the_page(tmp_path: Path) -> None:
    run = make_run(30)
    run.method = "all"
    clean = write_report(run, tmp_path / "clean.html").read_text()
    assert '<span class="doubt">' not in clean
    assert "what to do" not in clean
    for k, record in enumerate(run.records[1:28]):
        record.flags = ["EXTRAPOLATED"]
        record.warnings = [f"EXTRAPOLATED: only {50 + k} % overlaps; the model is extrapolated"]
    record = run.records[20]
    record.flags = ["POOR_FIT", "GAIN"]
    record.warnings = [f"POOR_FIT: residuals are 7 times their errors {NASTY}", "GAIN: its throughput is 0.97"]
    record.gain, record.gain_error = 0.97, 0.001
    text = write_report(run, tmp_path / "report.html").read_text()
    assert '30 of 31 exposures matched to each other, <span class="doubt">27 with warnings</span>' in text
    head = text[text.index("what to do") : text.index("Levels before and after")]
    # Those that put a result in doubt come first, and the list is not endless.
    assert head.index("POOR_FIT") < head.index("GAIN") < head.index("EXTRAPOLATED")
    assert head.count("<dt>") == 20
    assert "8 more flags are shown with their exposures below." in head
    assert "residuals are 7 times their errors &lt;script&gt;" in head
    assert text.count('<span class="chip matched">') == 2 * 2  # the flagged ones are not green
    assert text.count("0.9700±0.0010") == 2


def test_terms_and_levels_are_told(tmp_path: Path) -> None:
    run = make_run()
    run.method, run.level = "all", "known"
    run.records[1].status = "fixed"
    run.records[2].terms = [TermRecord("wisp", [12.5], [0.25]), TermRecord("amplifier", [0.0] * 63, [0.1] * 63)]
    text = write_report(run, tmp_path / "report.html").read_text()
    assert "follows from the known models or skies" in text
    assert "5 of 6 exposures matched" in text
    assert '<span class="chip fixed">fixed</span>' in text
    assert "wisp 12.50±0.25" in text
    assert "amplifier 0.00±0.10" not in text


def test_the_same_advice_is_given_once(tmp_path: Path) -> None:
    run = make_run(30)
    run.method = "all"
    for k, record in enumerate(run.records[1:21]):
        record.pixels = None
        record.flags = ["POOR_FIT"]
        record.warnings = ["POOR_FIT: an overlap is worse than before; add a term"]
        if k < 3:
            record.warnings = [f"POOR_FIT: residuals are {k + 3} times their errors; look for a shift"]
    run.records[2].flags.append("GAIN")
    run.records[2].warnings += ["GAIN: its throughput is 0.9; it was not changed", "a note; without a flag"]
    text = write_report(run, tmp_path / "report.html").read_text()
    head = text[text.index("Warnings, and what to do") : text.index("Levels before and after")]
    assert text.count("ook for a shift") == text.count("Look for a shift.") == 1
    assert "3 exposures. Look for a shift." in head
    # What is true of several exposures is said once, with the names of some.
    assert head.count("<dd>an overlap is worse than before</dd>") == 1
    assert "visit-15</a> and 5 more</dt><dd>an overlap is worse than before</dd>" in head
    articles = text[text.index('<article id="visit-2">') :]
    (link,) = re.findall('residuals are 4 times their errors \\(<a href="#([^"]+)">what to do</a>\\)</li>', articles)
    assert f'<p id="{link}">' in head
    # Advice to one exposure stays with its finding, and so does a warning that is no flag.
    assert "<li>GAIN: its throughput is 0.9; it was not changed</li>" in articles
    assert "<li>a note; without a flag</li>" in articles


def test_overlaps_and_footprints(tmp_path: Path) -> None:
    run = make_run(40)
    run.method = "all"
    for record in run.records:
        record.pixels = None
    without = write_report(run, tmp_path / "without.html").read_text()
    assert "Overlaps" not in without
    assert "Footprints" not in without
    run.overlaps = make_overlaps(40)
    text = write_report(run, tmp_path / "overlaps.html").read_text()
    assert "Footprints" not in text  # the outlines are not known
    place_exposures(run, 8)
    text = write_report(run, tmp_path / "report.html").read_text()
    assert Page(text).tags.count("img") == Page(without).tags.count("img") + 1
    assert text.index("<h2>Footprints") < text.index("<h2>Levels before and after") < text.index("<h2>Overlaps")
    assert "1.00 → 0.0190 <small>adu</small>" in text
    table = text[text.index("<h2>Overlaps") :]
    assert "The 30 of 39 pairs" in table
    assert "the other 9 are left out" in table
    rows = table[: table.index("</table>")].split("<tr>")[2:]
    assert len(rows) == 30
    assert rows[0].startswith('<td>visit-38</td><td>visit-39</td><td class="n">64</td><td class="n">6400</td>')
    assert '<td class="n">-1.000</td><td class="n">0.038</td><td class="n">0.020</td><td class="n">2.5</td>' in rows[0]
    run.overlaps = make_overlaps(5)
    assert "All pairs of exposures that were compared" in write_report(run, tmp_path / "few.html").read_text()


def test_cells_have_names_on_narrow_screens(tmp_path: Path) -> None:
    run = make_run()
    for method, columns in (("all", 12), ("reference", 10)):
        run.method = method
        text = write_report(run, tmp_path / f"{method}.html").read_text()
        table = text[text.index("<h2>Results of all exposures") :]
        header = table[: table.index("</thead>")]
        assert header.count("<th") - header.count("<thead") == columns
        for number, cell in enumerate(re.findall("<th[^e>]*>([^<]*)</th>", header), start=1):
            assert f'table.results td:nth-child({number})::before {{ content: "{cell}"; }}' in text
        assert f"table.results td:nth-child({columns + 1})" not in text
