"""The report and the table of a run."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from a_picture import decoded
from a_run import NASTY, make_overlaps, make_run, place_exposures, preview_of
from astropy.table import Table

import evensky
from evensky.combining.target_grid import TargetGrid
from evensky.io.coadd_file import Stamp
from evensky.report import page as page_module
from evensky.report import write_report
from evensky.runs.combine_record import CombineRecord
from evensky.runs.combine_result import CombineRun
from evensky.runs.match_run import write_table
from evensky.runs.record import CandidateScore, TermRecord, UntiedGroups


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
    # Three bars of colours; before, model and after of four exposures.
    assert page.tags.count("img") == 3 + 4 * 3
    assert text.count('<div class="chart') == 2  # of the levels and of the costs
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
    assert clean[clean.index("<h2>What to do") : clean.index("</ul>")].count("<li") == 1  # the exposure that failed
    for k, record in enumerate(run.records[1:28]):
        record.flags = ["EXTRAPOLATED"]
        record.warnings = [f"EXTRAPOLATED: only {50 + k} % overlaps; the model is extrapolated"]
    record = run.records[20]
    record.flags = ["POOR_FIT", "GAIN"]
    record.warnings = [f"POOR_FIT: residuals are 7 times their errors {NASTY}", "GAIN: its throughput is 0.97"]
    record.gain, record.gain_error = 0.97, 0.001
    text = write_report(run, tmp_path / "report.html").read_text()
    assert "<h1>30 of 31 exposures matched to each other</h1>" in text
    assert "The result of 1 exposure may be wrong (GAIN, POOR_FIT)" in text
    head = text[text.index("What to do") : text.index("Every exposure")]
    # Those that put a result in doubt come first, and the list is not endless.
    assert head.index("POOR_FIT") < head.index("GAIN") < head.index("EXTRAPOLATED")
    assert head.count("<dt>") == 1 + 20  # that of the failure, too
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
    head = text[text.index("What to do") : text.index("Every exposure")]
    assert text.count("ook for a shift") == text.count("Look for a shift.") == 1
    assert '3 exposures. <span class="act">Look for a shift.</span>' in head
    # What is true of several exposures is said once, with the names of some.
    assert head.count("<dd>an overlap is worse than before</dd>") == 1
    assert "visit-15</a> and 5 more</dt><dd>an overlap is worse than before</dd>" in head
    articles = text[text.index('<article id="visit-2">') :]
    (link,) = re.findall('residuals are 4 times their errors \\(<a href="#([^"]+)">what to do</a>\\)</li>', articles)
    assert f'<li id="{link}" class="wrong">' in head
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
    assert Page(text).tags.count("img") == Page(without).tags.count("img") + 1  # the bar of colours
    assert text.count("<svg") == without.count("<svg") + 2
    assert text.index("<h2>Levels before and after") < text.index("<h2>Overlaps") < text.index("<h2>Footprints")
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


def test_the_page_opens_with_the_coadds(tmp_path: Path) -> None:
    run = make_run()
    run.method, run.overlaps = "all", make_overlaps(5)
    for record in run.records:
        if record.pixels is not None:
            record.pixels.residual = record.pixels.after - 100
    without = write_report(run, tmp_path / "without.html").read_text()
    assert "Coadd before" not in without
    run.preview = preview_of(run)
    text = write_report(run, tmp_path / "report.html").read_text()
    order = ["<h1>", 'class="verdict look"', "Coadd before", "Coadd after", "Before − after", "<h2>What to do"]
    order += ["<h2>Every exposure", "after − others", "<h2>Levels before and after", "Number of exposures"]
    order += ["<h2>Overlaps", "<h2>Results of all exposures", "<details>\n<summary>How it was matched", "lowest cost"]
    order += ["<summary>Configuration", "<summary>Glossary"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "north up, east left" in text
    assert "1.50 arcsec per pixel" in text
    head = text[text.index("Coadd before") : text.index('class="about"')]
    medians = re.findall(r"median ([-0-9.]+) adu", head)
    assert [float(one) for one in medians] == pytest.approx([100, 100, 0], abs=12)
    # One range of colours for all three.
    assert len(set(re.findall(r"<span>([+-][0-9.]+)(?: adu)?</span>", head))) == 2
    # Three coadds, the map of their number, four exposures, and bars.
    assert text.count('class="pixels"') == 2 + 1 + 4 * 3
    # Differences, and the bars of their colours, are dark near zero on a dark page.
    assert text.count('class="pixels signed"') == 1 + 4
    assert text.count('<img class="signed"') == 2


def test_models_that_span_little_have_a_scale_of_their_own(tmp_path: Path) -> None:
    run = make_run()
    rng = np.random.default_rng(4)
    small = (0.2 * np.add.outer(np.arange(20.0), np.arange(30.0)) / 48).astype(np.float32)
    for record in run.records:
        if record.pixels is not None:
            record.pixels.model = 3 + small
            record.pixels.residual = rng.normal(0, 1, small.shape).astype(np.float32)
    run.preview = preview_of(run)
    run.preview.before = run.preview.after + 3 + 0.1 * np.sin(np.arange(40.0) / 6).astype(np.float32)
    text = write_report(run, tmp_path / "report.html").read_text()
    # The key of the models has the range that all of them share, and their pictures use all colours.
    key = text[text.index('<div class="key">') :]
    ends = re.search(r'what">model</span>.*?<span>-([0-9.]+)</span><span>median</span><span>\+([0-9.]+) adu', key)
    assert ends is not None
    assert [float(end) for end in ends.groups()] == pytest.approx([0.09, 0.09], abs=0.01)
    assert "own scale" not in text
    assert "both coadds on one scale" in text
    assert "The difference spans much less, and has a scale of its own." in text
    model = decoded(re.findall(r'src="([^"]*)" alt="visit-0: model"', text)[0])
    assert len(np.unique(model[..., 0])) > 40
    # One that spans much less than the others says so.
    assert run.records[0].pixels is not None
    run.records[0].pixels.model = 3 + 40 * small
    text = write_report(run, tmp_path / "report.html").read_text()
    assert len(re.findall(r"median 3\.10, own scale ±0\.08\d* adu", text)) == 3
    # What is left of rounding is not blown up.
    for record in run.records:
        if record.pixels is not None:
            record.pixels.model = 3 + 1e-3 * small
    text = write_report(run, tmp_path / "report.html").read_text()
    assert "own scale" not in text
    model = decoded(re.findall(r'src="([^"]*)" alt="visit-0: model"', text)[0])
    assert len(np.unique(model[..., 0])) <= 2


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ("reference", "The sky of visit-0 stays in the coadd (level: reference)."),
        ("mean", "The mean of all skies stays in the coadd (level: mean)."),
        ("lowest", "The lowest of all skies stays in the coadd (level: lowest)."),
    ],
)
def test_the_page_says_which_sky_stays_in_the_coadd(tmp_path: Path, level: str, words: str) -> None:
    run = make_run()
    run.level, run.preview = level, preview_of(run)
    assert words in write_report(run, tmp_path / "report.html").read_text()


def test_groups_that_are_not_tied_are_the_headline(tmp_path: Path) -> None:
    run = make_run()
    run.method, run.overlaps = "all", make_overlaps(5)
    tied = write_report(run, tmp_path / "tied.html").read_text()
    assert "Spread of levels" in tied
    assert '<h1 class="wrong">' not in tied
    note = (
        "2 groups of exposures have no good pixel in common; each group was matched by itself, and its level is not "
        "tied to the others: visit-0, visit-1; visit-2, visit-3."
    )
    run.notes.append(note)
    run.untied = [UntiedGroups("exposures", [["visit-0", "visit-1"], ["visit-2", "visit-3"]], note)]
    run.level, run.preview = "reference", preview_of(run)
    text = write_report(run, tmp_path / "report.html").read_text()
    assert '<h1 class="wrong">2 groups of exposures are not tied to each other</h1>' in text
    assert 'class="verdict wrong"' in text
    assert "Spread of levels" not in text
    assert "Each group keeps a sky of its own (level: reference)" in text
    todo = text[text.index("<h2>What to do") :]
    assert text.count(note) == 1
    assert todo.index("Add exposures that bridge the groups") < todo.index(note) < todo.index("FAILED")
    assert "<li>no mask</li>" in text


def test_pages_of_many_exposures_have_coarser_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    sizes = {}
    for number in (20, 40):
        run = make_run(number)
        for record in run.records[:-1]:
            if record.pixels is not None:
                noise = rng.normal(100, 5, (200, 220)).astype(np.float32)
                record.pixels.before = record.pixels.after = record.pixels.model = record.pixels.residual = noise
        sizes[number] = write_report(run, tmp_path / "report.html").stat().st_size
    assert sizes[40] < 0.65 * sizes[20]


def test_colours_of_dark_pages_and_of_paper(tmp_path: Path) -> None:
    text = write_report(make_run(), tmp_path / "report.html").read_text()
    # Each colour of the light page has another one for the dark page, which paper does not get.
    light, dark = (set(re.findall(r"--([a-z-]+): ", block)) for block in re.findall(r":root \{([^}]*)\}", text))
    assert light == dark
    assert {"paper", "ink", "wrong", "tint"} <= light
    used = set(re.findall(r"var\(--([a-z-]+)\)", text))
    assert used <= light
    assert text.count("@media screen and (prefers-color-scheme: dark)") == 1
    assert "@media (prefers-color-scheme" not in text


def test_footprints_follow_the_page(tmp_path: Path) -> None:
    run = make_run(6)
    run.method, run.overlaps = "all", make_overlaps(6)
    place_exposures(run, 3)
    text = write_report(run, tmp_path / "report.html").read_text()
    # Everything in the colours of levels is tinted as their bar is, and no axis.
    tinted = re.findall(r'<g class="tinted">(.*?)</g></svg>', text, re.DOTALL)
    assert len(tinted) == 2
    for one in tinted:
        assert 'class="outlines"' in one
        assert 'class="label"' in one
        assert "frame" not in one
    assert ".prints .tinted, img.signed { filter: var(--tint); }" in text


def test_bars_of_candidate_models(tmp_path: Path) -> None:
    run = make_run()
    run.method = "all"
    run.records[1].scores = [
        CandidateScore("plane", 3, 0.0),
        CandidateScore("spline 4 x 4", 16, -3.0, refused=True),
        CandidateScore("constant", 1, 25.0),
        CandidateScore("bowl", 6, 1000.0),
    ]
    text = write_report(run, tmp_path / "report.html").read_text()
    (bars,) = re.findall('<div class="scores"[^>]*>(.*?)</div>', text, re.DOTALL)
    names = re.findall("<span[^>]*>([^<]*)</span>", bars)
    assert names == ["plane", "chosen", "spline 4 x 4", "+-3.00, refused", "constant", "+25.0", "bowl", "+1000"]
    lengths = [float(length) for length in re.findall("width: ([0-9.]+)%", bars)]
    assert lengths[:2] == [0, 0]
    assert 30 < lengths[2] < 60
    assert lengths[3] == 100


def test_the_histogram_of_a_pair_is_behind_a_fold(tmp_path: Path) -> None:
    run = make_run()
    text = write_report(run, tmp_path / "report.html").read_text()
    assert text.count("<svg") == text.count("Histogram of reference − after") == 4
    # The steps reach from one side to the other, and stay in the box.
    (steps, *_) = re.findall('class="steps" d="M0 40(V[^"]*)V40Z"', text)
    pairs = [(float(y), float(x)) for y, x in re.findall("V([0-9.]+)H([0-9.]+)", steps)]
    assert len(pairs) == 31
    assert pairs[-1][1] == 100
    assert min(y for y, _ in pairs) >= 2
    assert "The line is what the variance planes predict." in text


def test_a_coadd_that_was_made_with_the_run_is_told(tmp_path: Path) -> None:
    run = make_run()
    assert "Coadd of all pixels" not in write_report(run, tmp_path / "without.html").read_text()
    records = [
        CombineRecord("visit-0", "a.fits", "combined", placed="kept", masked_fraction=0.25, rejected_fraction=0.01),
        CombineRecord("visit-1", "b.fits", "failed", message=NASTY),
    ]
    grid = TargetGrid(None, (10, 20), (), ())
    run.coadd = CombineRun(
        records, tmp_path / "coadd.fits", Stamp(0, 0), grid, "meanclip", notes=["a note of the coadd"]
    )
    text = write_report(run, tmp_path / "report.html").read_text()
    section = text[text.index("<h2>Coadd of all pixels") : text.index("<h2>Results of all exposures")]
    assert str(tmp_path / "coadd.fits") in section
    assert run.coadd.summary in section
    assert "Note: a note of the coadd." in section
    assert "25" in section
    assert "cannot" not in section
    assert NASTY not in text
    header = re.findall("<th[^e>]*>([^<]*)</th>", section)
    assert len(header) == section[section.index("<tbody>") :].split("</tr>")[0].count("<td")
    for number, cell in enumerate(header, start=1):
        assert f'table.coadd td:nth-child({number})::before {{ content: "{cell}"; }}' in text


@pytest.mark.parametrize("number", [1, 2])
def test_the_caption_of_the_coadds_counts_exposures(tmp_path: Path, number: int) -> None:
    sky = np.random.default_rng(1).normal(100, 5, (number, 60, 90)).astype(np.float32)
    evensky.match_all(list(sky)).write_report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert ("One exposure; a pixel" in text) == (number == 1)
    assert ("Mean of the 2 exposures, without weights" in text) == (number == 2)
    assert ("Hatched: no good pixel, or no other exposure." in text) == (number == 2)


def test_the_compiled_template_is_kept_if_python_keeps_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, kept = make_run(), tmp_path / "package" / "__pycache__"
    monkeypatch.setattr(page_module, "__file__", str(tmp_path / "package" / "page.py"))

    def made() -> tuple[str, list[Path]]:
        page_module._template.cache_clear()
        return write_report(run, tmp_path / "report.html").read_text(), sorted(kept.glob("*"))

    try:
        monkeypatch.setattr(sys, "dont_write_bytecode", False)
        expected, files = made()
        assert files == []  # no folder for modules, as where they cannot be kept
        kept.mkdir(parents=True)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        assert made() == (expected, [])
        monkeypatch.setattr(sys, "dont_write_bytecode", False)
        text, files = made()
        assert text == expected
        assert [file.suffix for file in files] == [".cache"]
        compiled = files[0].read_bytes()
        with monkeypatch.context() as within:
            within.setattr("jinja2.Environment.compile", None)  # which is not called
            assert made() == (expected, files)
        for broken in (b"", compiled[:9], compiled[: len(compiled) // 2], b"j2 something else", b"\0" * 999):
            files[0].write_bytes(broken)
            assert made() == (expected, files)
            assert files[0].read_bytes() == compiled
        files[0].unlink()
        monkeypatch.setattr("tempfile.NamedTemporaryFile", _no_space)
        assert made() == (expected, [])
    finally:
        page_module._template.cache_clear()


def _no_space(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")
