"""Text from outside is never markup: the same texts through every output."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from a_run import make_overlaps, make_run, place_exposures, preview_of
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner
from hostile_texts import HARMLESS, HOSTILE, NOT_SHOWN, Page
from matplotlib.text import Text

import evensky.report.page
import evensky.runs.match_run
from evensky._text import printable, shortened, visible
from evensky.cli import main
from evensky.cli.console import print_run
from evensky.draw.figures import drawable, figure_url, picture_url, plot_centres, plot_model_grid, unit_label
from evensky.draw.progress import progress_bar
from evensky.draw.run_figures import plot_coadds, plot_costs, plot_levels
from evensky.draw.tables import cell_text, table_html, table_text, text_of_cell
from evensky.errors import FitsError, TaskError
from evensky.report import write_report
from evensky.runs.match_run import MatchRun, write_table
from evensky.runs.overlaps import write_overlaps
from evensky.runs.record import CandidateScore, InputSummary, TermRecord

TEXTS = list(HOSTILE.values())
EACH = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


def run_with(*texts: str, method: str = "all", unit: str | None = None) -> MatchRun:
    """Make a run of which all that comes from outside is one of the texts."""
    run = make_run(len(texts) + 1)
    run.method = method
    run.overlaps = make_overlaps(len(texts) + 1)
    place_exposures(run)
    names = {f"visit-{number + 1}": text for number, text in enumerate(texts)}
    for one in (*run.candidates, *run.records):
        one.label = names.get(one.label, one.label)
    for overlap in run.overlaps:
        overlap.first, overlap.second = names.get(overlap.first, overlap.first), names.get(overlap.second, "other")
    for record, text in zip(run.records[1:-1], texts, strict=True):
        record.path = record.output = f"/data/{text}.fits"
        record.pixels = None
        record.flags, record.warnings = ["POOR_FIT"], [f"POOR_FIT: {text} is bad; look at {text}"]
        record.model, record.partners = text, [text, "other"]
        record.terms = [TermRecord(text, [1.0], [0.1])]
        record.scores = [CandidateScore(text, 3, 0.0), CandidateScore(text, 4, 2.0)]
    failed, text = run.records[-1], texts[0]
    failed.label = run.candidates[-1].label = f"{text} (failed)"
    failed.message = run.candidates[-1].message = f"{text}: cannot be read"
    run.records[1].pixels, run.records[1].matched_mse = run.records[0].pixels, None
    run.unit = text if unit is None else unit
    run.preview = preview_of(run)
    run.reference_reason, run.notes = f"{text} is best", [f"Note: {text}"]
    run.config = {"terms": text, "planes": [text, "SAT"], "nothing": None}
    run.inputs = [InputSummary(text, text, text, text, text, text, text, text, (0, 0), [text])]
    run.truth = {text: 1.0}
    run.version = text
    return run


def page_of(run: MatchRun, folder: Path) -> Page:
    text = write_report(run, folder / "report.html").read_text(encoding="utf-8")
    assert NOT_SHOWN.search(text) is None
    return Page(text)


def no_picture(draw: Any, dpi: int, *, transparent: bool = False) -> str:
    return "data:image/png;base64,AAAA"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    """The report of a harmless run by each method."""
    folder = tmp_path_factory.mktemp("plain")
    return {method: page_of(run_with(HARMLESS, method=method), folder) for method in ("all", "reference")}


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let figures be made, but not turned into pixels, which takes long."""
    monkeypatch.setattr(
        evensky.runs.match_run, "picture_url", lambda draw, dpi, **_: no_picture(draw, dpi) if draw() else ""
    )


def assert_alike(page: Page, text: str, plain: Page) -> None:
    """Assert that a page with a text differs from that of a harmless one in this text alone."""
    assert page.tags == plain.tags
    assert page.names() == plain.names()
    assert page.declarations == plain.declarations
    page.assert_closed_in()
    assert len(page.drawn) == len(plain.drawn)
    assert all(len(name) < 17 for name in page.drawn)
    shown = printable(text)
    # A unit is shortened if it is long; all other texts are shown whole.
    assert shown[1:] in page.text
    expected = plain.text.replace(HARMLESS, "").replace("Harmless", "")
    found = page.text.replace(shown, "").replace(shown[:1].upper() + shown[1:], "").replace(unit_label(text), "")
    assert re.sub(r"\s", "", found) == re.sub(r"\s", "", expected)


@EACH
def test_a_report_shows_the_texts_and_nothing_else(text: str, plain: dict[str, Page], tmp_path: Path) -> None:
    for method in ("all", "reference"):
        assert_alike(page_of(run_with(text, method=method), tmp_path), text, plain[method])


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
SHOW = """<script>
document.documentElement.dataset.elements = document.getElementsByTagName("*").length;
document.documentElement.dataset.title = document.title;
document.documentElement.dataset.text = document.body.textContent;
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
def test_a_browser_sees_the_same_page(tmp_path: Path) -> None:
    assert BROWSER is not None
    texts = list(HOSTILE.values())
    path = write_report(run_with(*texts), tmp_path / "report.html")
    page = Page(path.read_text())
    page.assert_closed_in()
    path.write_text(path.read_text().replace("</main>", f"</main>{SHOW}"))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'user'}"]
    shown = subprocess.run([*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=180)
    (start,) = [value for tag, name, value in Page(shown.stdout).attributes if name == "data-elements"]
    attributes = {name: value for tag, name, value in Page(shown.stdout).attributes if tag == "html"}
    assert int(start) == len(page.tags) + 1  # the script that counts
    assert attributes["data-title"] == f"Background match of {len(texts) + 2} exposures"
    seen = " ".join(attributes["data-text"].split())
    for text in texts:
        assert printable(text) in seen


def own_cells(texts: list[str]) -> list[str]:
    """Return texts as they are read back from cells."""
    return [visible(text).strip() for text in texts]


def test_an_ecsv_table_is_read_back(tmp_path: Path) -> None:
    run = run_with(*TEXTS, unit="adu")
    run.config = dict(zip(HOSTILE, TEXTS, strict=True))
    run.notes = [f"Note: {text}" for text in TEXTS]
    table = Table.read(write_table(run, tmp_path / "matched.ecsv"))
    assert len(table) == len(run.records)
    own = table[1:-1]
    assert [text_of_cell(cell) for cell in own["label"]] == own_cells(TEXTS)
    assert [text_of_cell(cell) for cell in own["model"]] == own_cells(TEXTS)
    assert [text_of_cell(cell) for cell in own["path"]] == [visible(f"/data/{text}.fits") for text in TEXTS]
    assert list(own["warnings"]) == [visible(f"POOR_FIT: {text} is bad; look at {text}").strip() for text in TEXTS]
    assert table["fit_rms"].dtype.kind == "f"
    assert np.allclose(table["fit_rms"][:-1], [record.fit_rms for record in run.records[:-1]])
    assert table.meta["notes"] == [visible(note) for note in run.notes]
    assert table.meta["config"] == {name: visible(text) for name, text in run.config.items()}
    assert NOT_SHOWN.search((tmp_path / "matched.ecsv").read_text()) is None
    overlaps = Table.read(write_overlaps(run.overlaps, tmp_path / "overlaps.ecsv"))
    assert [text_of_cell(cell) for cell in overlaps["first"]] == ["visit-0", *own_cells(TEXTS[:-1])]
    # No cell is a formula for a spreadsheet that reads the table as columns of text.
    for column in (*table.itercols(), *overlaps.itercols()):
        assert column.dtype.kind != "U" or not any(cell[:1] in "=+-@\t\r" for cell in column.tolist() if cell)


@pytest.mark.parametrize(
    "unit", [*TEXTS[:10], *(HOSTILE[name] for name in ("lines", "undecodable", "long word", "tab"))]
)
def test_an_ecsv_table_with_such_a_unit_is_read_back(unit: str, tmp_path: Path) -> None:
    table = Table.read(write_table(run_with("a", unit=unit), tmp_path / "matched.ecsv"))
    assert len(table) == 3
    assert "".join(str(table["fit_rms"].unit).split()) == "".join(shortened(printable(unit), 200).split())


@EACH
def test_the_rule_of_cells_can_be_undone(text: str) -> None:
    assert text_of_cell(cell_text(text)) == visible(text).strip()
    assert cell_text(text)[:1] not in (*"=+-@#\uff1d",)


@pytest.mark.parametrize("texts", [TEXTS[::2], TEXTS[1::2]], ids=["even", "odd"])
def test_pictures_show_names_as_they_stand(texts: list[str], recwarn: pytest.WarningsRecorder) -> None:
    run = run_with(*texts)
    figures = [run.plot(), plot_costs(run.candidates), plot_coadds(preview_of(run))]
    figures += [plot_centres([(text, 1.0, 0.1, 0.5) for text in texts])]
    few = run_with(*texts[:10])
    figures.append(few.plot_footprints())
    shown = set()
    for figure in figures:
        assert figure_url(figure, 30)
        drawn = {text.get_text(): text for text in figure.findobj(Text)}
        shown |= set(drawn)
        formulas = [text for text, one in drawn.items() if "$" in text and one.get_parse_math()]
        assert all(re.fullmatch(r"\$\\mathdefault\{[-^{}\d]+\}\$", text) for text in formulas)  # numbers of an axis
    assert {drawable(text) for text in texts} <= shown
    assert [str(one.message) for one in recwarn] == []


UNITS = ("pair of dollars", "broken fraction", "huge formula", "Chinese", "long word", "right to left")


@pytest.mark.parametrize("unit", [HOSTILE[name] for name in UNITS], ids=UNITS)
def test_pictures_show_units_as_they_stand(unit: str, recwarn: pytest.WarningsRecorder) -> None:
    run = run_with("a", method="reference", unit=unit)
    run.records[1].scores = []
    ones = np.ones(4)
    figures = [
        run.plot(),
        run.plot_footprints(),
        plot_levels([run.records[0]] * 61, "", unit),
        plot_coadds(preview_of(run)),
        plot_centres([("a", 1.0, 0.1, 0.5)], unit),
        plot_model_grid(np.ones((9, 9)), ones, ones, ones, ones, ones, unit),
    ]
    for figure in figures:
        texts = {
            text.get_text(): text for text in figure.findobj(Text) if drawable(unit_label(unit)) in text.get_text()
        }
        assert texts
        assert not any(text.get_parse_math() or text.get_usetex() for text in texts.values())
    # Each kind of text is drawn once, as that takes time.
    assert figure_url(figures[4], 30)
    assert [str(one.message) for one in recwarn] == []


@EACH
def test_tables_of_notebooks_and_terminals(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(table_html((text, "x"), [(text, 1.0)]))
    assert page.tags == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    assert page.texts == [cell for cell in (printable(text), "x", printable(text), "1") if cell]
    assert len(table_text((text, "x"), [(text, "1")]).split("\n")) == 2
    run = run_with(text)
    monkeypatch.setattr(evensky.runs.match_run, "picture_url", no_picture)
    for shown in (str(run), repr(run), run._repr_html_(), str(run.overlaps), run.overlaps._repr_html_()):
        assert NOT_SHOWN.search(shown) is None
    notebook = Page(run._repr_html_())
    assert notebook.tags == Page(run_with(HARMLESS)._repr_html_()).tags
    assert notebook.tags.count("img") == 1


@EACH
def test_terminals_show_texts_as_they_stand(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_run(run_with(text), Path("/out") / text.replace("\0", ""))
    printed = capsys.readouterr().out
    assert NOT_SHOWN.search(printed) is None
    words = re.sub(r"\s", "", printed)
    assert words.count(re.sub(r"\s", "", printable(text))) >= 4


@EACH
def test_a_progress_bar_stays_on_its_line(text: str) -> None:
    stream = StringIO()
    with redirect_stderr(stream), progress_bar(True) as update:
        update(text, 1, 2)
        update(text, 2, 2)
    for line in re.split("[\r\n]", stream.getvalue()):
        assert NOT_SHOWN.search(line) is None
        assert len(line) < 200


@EACH
def test_messages_of_errors_do_not_steer_a_terminal(text: str) -> None:
    assert NOT_SHOWN.search(str(FitsError(f"{text}: cannot be read"))) is None
    assert NOT_SHOWN.search(FitsError(text).what()) is None


# Names that need not be tried one by one in slow runs: one of each kind is enough.
NAMES = (
    "broken fraction",
    "image",
    "template",
    "colour",
    "lines",
    "undecodable",
    "escaped markup",
    "code of an emoji",
    "Chinese",
    "formula",
    "remark",
    "spaces",
)
FOLDER = "<i>$night$[red]\x1b[31m"


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files with such names."""
    folder = tmp_path_factory.mktemp("named") / FOLDER
    folder.mkdir()
    sky = np.random.default_rng(3).normal(100, 5, (48, 48)).astype(np.float32)
    files = []
    for number, kind in enumerate(NAMES):
        text = HOSTILE[kind]
        header = fits.Header({"FILTER": text.strip()}) if text.isascii() and text.isprintable() else None
        files.append(folder / f"{text}.fits")
        fits.PrimaryHDU(sky + number, header).writeto(files[-1])
    return files


def run_command(*args: Any, codes: tuple[int, ...] = (0,)) -> str:
    """Run a command; return what it prints, in which nothing may steer a terminal."""
    # With colours, click does not take sequences out of what it prints, as on a terminal.
    result = CliRunner().invoke(
        main, [os.fspath(arg) if isinstance(arg, Path) else str(arg) for arg in args], color=True
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in codes, result.output
    assert NOT_SHOWN.search(result.output) is None
    return result.output


@pytest.mark.parametrize("method", ["all", "reference"])
def test_files_with_such_names_are_matched(named: list[Path], method: str, tmp_path: Path) -> None:
    config = "bin_size=12" if method == "all" else "binSize=12"
    out = tmp_path / "<b>$out$[]"
    command = ["match", *named, "--out", out, "--method", method, "-c", config, "--same-grid", "--allow", "filters"]
    printed = run_command(*command, "--report" if method == "all" else "--no-report")
    assert f"{len(named)} exposures" in printed
    table = Table.read(out / "matched.ecsv")
    labels = [text_of_cell(label) for label in table["label"]]
    assert labels == [printable(path.name).removesuffix(".fits") for path in named]
    assert [text_of_cell(path) for path in table["path"]] == [visible(str(path)) for path in named]
    for label, output in zip(labels, table["output"], strict=True):
        assert b"EVS_MODL" in (out / f"{label}_matched.fits").read_bytes()
        assert text_of_cell(output) == visible(f"{out}/{label}_matched.fits")
    if method == "all":
        page = Page((out / "report.html").read_text())
        page.assert_closed_in()
        assert "it cannot be drawn" not in page.text
        assert all(label in page.text for label in labels)
    run_command(*command, "--no-report", "--resume")


def test_commands_that_print_such_names(named: list[Path], tmp_path: Path) -> None:
    command = ["inspect", *named, "--allow", "filters", "--same-grid"]
    printed = run_command(*command)
    assert "\\[bold]x" in printed
    assert " :smile: " in printed
    found = json.loads(run_command(*command, "--json"))
    assert [file["path"] for file in found["files"]] == [visible(str(path)) for path in named]
    for number, path in enumerate(named):
        assert visible(str(path)) in run_command("stats", path, "-p", "MEDIAN")
        out = tmp_path / f"{path.stem} model {number}.fits"
        assert f"model written to       {visible(str(out))}" in run_command("background", path, "-b", 12, "--out", out)


COMMANDS: tuple[list[str], ...] = (["stats"], ["background"], ["inspect"], ["match", "--out", "out"])


@pytest.mark.parametrize("first", range(4))
def test_errors_that_print_such_names(first: int, tmp_path: Path) -> None:
    # Each name is given in each of the four ways, and to each of the four commands.
    for number, text in enumerate(TEXTS):
        name, command = text.replace("\0", "").replace("/", ""), COMMANDS[(number + first) % 4]
        if first == 0:
            run_command(*command, tmp_path / "no" / f"{name}.fits", codes=(1, 2, 3))
        elif first == 1:
            option = ("--mask", "--hdu", "--bad-planes", "--sigma")[(number // 4) % 4]
            run_command(*command, tmp_path / "no.fits", option, name, codes=(1, 2, 3))
        elif first == 2:
            run_command(*command, tmp_path / "no.fits", f"--no-{name}", codes=(2,))
        else:
            run_command(*command, tmp_path / "no.fits", name, codes=(1, 2, 3))


def test_a_terminal_with_few_letters(named: list[Path]) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "evensky", "inspect", *named, "--allow", "filters", "--same-grid"]
    done = subprocess.run(command, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert rb"\u65e5\u672c\u8a9e" in done.stdout
    done = subprocess.run([*command[:3], "stats", named[-4]], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr


# Settings of a user's matplotlibrc, each of which broke a picture or made it unreadable.
STYLES: list[dict[str, Any]] = [
    {"text.usetex": True},
    {"text.parse_math": True, "mathtext.fontset": "stix"},
    {"text.color": "white", "axes.labelcolor": "white", "xtick.color": "white", "ytick.color": "white"},
    {"font.family": "No Such Font", "font.size": 40.0, "figure.autolayout": True},
    {"savefig.transparent": True, "savefig.format": "pdf", "figure.dpi": 5000.0, "axes.formatter.use_mathtext": True},
    {"path.sketch": (1.0, 100.0, 2.0), "axes.grid": True, "image.origin": "upper", "lines.linewidth": 20.0},
]


@pytest.fixture(scope="module")
def drawn() -> tuple[MatchRun, str]:
    """A run, and its picture in a style that nobody has changed."""
    run = run_with("night")
    return run, picture_url(run.plot, 30)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: next(iter(style)))
def test_the_style_of_the_user_does_not_change_a_report(style: dict[str, Any], drawn: tuple[MatchRun, str]) -> None:
    run, plain = drawn
    with mpl.rc_context(style):
        assert picture_url(run.plot, 30) == plain
        assert all(mpl.rcParams[name] == value for name, value in style.items() if name != "font.family")
        assert plain in run._repr_html_().replace("levels", "") or "cannot be drawn" not in run._repr_html_()


@pytest.mark.usefixtures("undrawn")
def test_a_picture_that_fails_does_not_cost_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise MemoryError("no room for <b>pixels</b>")

    run = run_with("night")
    whole = page_of(run, tmp_path)
    # The name of a function, the number of pictures that are lost, and of places where the page says so.
    places = [("chart_of_levels", 0, 1), ("chart_of_costs", 0, 1), ("chart_of_footprints", 1, 1)]
    # Three pictures of each of two exposures with their three bars of colours, the three coadds with their two bars,
    # and the map of the coverage with its bar.
    places.append(("pixels_url", 2 * 3 + 3 + 3 + 2 + 2, 3))
    for name, lost, told in places:
        with monkeypatch.context() as patch:
            patch.setattr(evensky.report.page, name, fail)
            page = page_of(run, tmp_path)
        assert page.tags.count("img") == whole.tags.count("img") - lost
        assert page.text.count("it cannot be drawn: no room for <b>pixels</b>") == told
    with monkeypatch.context() as patch:
        patch.setattr(MatchRun, "footprints", fail)
        patch.setattr(MatchRun, "plot", fail)
        assert page_of(run, tmp_path).text.count("it cannot be drawn") == 1
        assert "The levels cannot be drawn: no room for &lt;b&gt;" in run._repr_html_()


def test_a_report_that_fails_says_that_the_results_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(evensky.report.page, "advices_of", fail)
    with pytest.raises(TaskError, match=r"report\.html: the report cannot be made: division by zero; all results are"):
        write_report(run_with("night"), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("undrawn")
def test_labels_that_cannot_be_identifiers_have_numbers(tmp_path: Path) -> None:
    labels = ("advice-1", "exposure-2", "a b", "a%20b", "caf\xe9", "plain_1.0-x", "top")
    page = page_of(run_with(*labels), tmp_path)
    page.assert_closed_in()
    targets = [value for tag, name, value in page.attributes if name == "id" and tag == "article"]
    assert targets[1:-1] == ["exposure-2", "exposure-3", "exposure-4", "exposure-5", "exposure-6", labels[5], "top"]
