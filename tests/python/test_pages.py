"""Pages that list what the code has: nothing is missing on them, and nothing is left of what is gone."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

import evensky
from evensky import errors
from evensky.calls.background_file import FileBackground, ImageBackground
from evensky.calls.inspect import _HEADER
from evensky.calls.source_mask import SourceMask
from evensky.calls.tract import MatchTractResult
from evensky.cli import background as background_command
from evensky.cli import stats as stats_command
from evensky.fits.descriptions import ALLOWED
from evensky.matching.joint.alarms import FLAGS
from evensky.matching.pair import FLAGS as FLAGS_OF_PAIR
from evensky.math import Property
from evensky.runs import combine_record, match_run, overlaps
from evensky.runs.record import ALARMS, ExposureRecord, OverlapRecord

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = Path(evensky.__file__).parent


def rows(page: str, heading: str, table: int = 0) -> list[list[str]]:
    """Return the rows of a table below a heading, without its head."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    lines = tables[table].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(page: str, heading: str, table: int = 0) -> list[str]:
    """Return the names in the first column of a table, which may hold several in one cell."""
    return [name for row in rows(page, heading, table) for name in re.findall(r"`([^`]+)`", row[0])]


def heads_of_backgrounds(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the heads of the table that ``evensky background`` prints, with all its columns."""
    found = SourceMask(None, 3, 0.1, 2, True)  # type: ignore[arg-type]  # the mask itself is not printed
    image = ImageBackground("", 9, 9, 3, 3, 9, "spline", 1, 1, 1, 0.1, 1, 1, 0.1, found, "adu")
    background_command._print_results([FileBackground(Path("a.fits"), "a", [image])])
    return re.split(r"\s{2,}", capsys.readouterr().out.splitlines()[0].strip())


def words_of_report() -> set[str]:
    """Return the heads of tables and the names of figures in the template of the report."""
    text = (PACKAGE / "report" / "report.html.j2").read_text()
    body = text[text.index("<body>") :]
    body = re.sub(r'<table class="glossary">.*?</table>', "", body, flags=re.DOTALL)
    found = re.findall(r"<th(?: class=\"n\")?>(.*?)</th>|<dt>(.*?)</dt>", body)
    texts = [re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\[.*\]", "", "".join(one)).strip() for one in found]
    return {one for one in texts if one}


def test_the_glossary_has_every_column_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    page = "glossary.md"
    assert names(page, "Table of a match") == [column[0] for column in match_run._COLUMNS]
    assert names(page, "Table of overlaps") == [column[0] for column in overlaps._COLUMNS]
    assert [one.name for one in fields(OverlapRecord)] == names(page, "Table of overlaps")
    assert names(page, "Table of a coadd") == [column[0] for column in combine_record._COLUMNS]
    assert [row[0].strip("`") for row in rows(page, "Table of a coadd", 1)] == combine_record.combine_rows([])[0]
    assert set(names(page, "Statistics")) == set(Property.__members__)
    assert set(stats_command._DEFAULT) <= set(Property.__members__)
    plane = stats_command._Plane("a.fits", "", 9, 9, "adu", 0, [])
    assert set(names(page, "Statistics", 1)) == {*plane.as_dict(), "error"}
    assert names(page, "Table of backgrounds") == heads_of_backgrounds(capsys)
    assert names(page, "Table of files") == list(_HEADER)
    source = inspect.getsource(MatchTractResult.visits.fget)  # type: ignore[attr-defined]  # a property
    assert names(page, "Visits of a tract") == re.findall(r"^ {20}\"(\w+)\":", source, re.MULTILINE)

    printed = rows(page, "Printed table of a match")
    assert [row[0].strip("`") for row in printed] == ["exposure", "status", *match_run.GLOSSARY]
    columns = {column[0] for column in match_run._COLUMNS}
    assert {name for row in printed for name in re.findall(r"`(\w+)`", row[3])} <= columns

    assert set(names(page, "Words of the report")) == words_of_report()


def test_the_glossary_has_every_card_and_every_entry_of_a_journal() -> None:
    sources = "\n".join(path.read_text() for path in PACKAGE.glob("**/*.py"))
    assert set(names("glossary.md", "Cards of headers")) == set(re.findall(r"\"(EVS_[A-Z]+)\"", sources))
    told = {column[0] for column in match_run._COLUMNS} - {"runner_up", "runner_up_bic"}
    entries = {one.name for one in fields(ExposureRecord)}
    assert set(names("glossary.md", "Lines of journals", 1)) == entries - told
    for heading in ("Table of a match", "Table of overlaps", "Table of a coadd"):
        for row in rows("glossary.md", heading):
            for module in re.findall(r"`([\w/]+)`", row[3]):
                assert (PACKAGE / f"{module}.py").exists(), module


def test_troubleshooting_has_every_flag_error_and_option_that_overrules() -> None:
    page = "troubleshooting.md"
    flags = {row[0].removesuffix(r"\*").strip(): row for row in rows(page, "Flags of a match")}
    assert set(flags) == {*FLAGS, *FLAGS_OF_PAIR}
    assert {name for name, row in flags.items() if row[0].endswith("*")} == set(ALARMS)
    classes = {
        name
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, errors.EvenskyError) and name != "Exception"
    }
    assert set(names(page, "Exceptions in Python")) == classes
    text = (DOCS / page).read_text()
    assert [name for name in ALLOWED if f"--allow {name}" not in text] == []


def test_the_messages_of_troubleshooting_are_those_of_the_code() -> None:
    sources = "\n".join(path.read_text() for path in PACKAGE.glob("**/*.py"))
    joined = re.sub(r"\"\s*\n\s*f?\"", "", sources)  # texts that go on in the next line
    lines = (DOCS / "troubleshooting.md").read_text().splitlines()
    messages = [match[1] for line in lines if (match := re.match(r"\| `([^`]+)` \|", line)) and " " in match[1]]
    assert len(messages) > 40
    pieces = [piece.strip() for message in messages for piece in message.split("…")]
    assert [piece for piece in pieces if len(piece) > 3 and piece not in joined] == []


def slug(heading: str) -> str:
    """Return the anchor of a heading, as the documentation and its host make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of a page, and those that are set by hand."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading) for heading in found]
    return set(map(slug, plain)) | set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))


def test_every_link_to_a_heading_leads_to_one() -> None:
    root = DOCS.parent
    wrong = []
    for page in [*DOCS.glob("*.md"), *DOCS.glob("decisions/*.md"), root / "README.md", root / "CONTRIBUTING.md"]:
        text = page.read_text()
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
            path = (page.parent / target).resolve() if target else page
            if path.name == "contributing.md":
                path = root / "CONTRIBUTING.md"
            if path.suffix == ".md" and anchor not in anchors(path):
                wrong.append(f"{page.name}: {target}#{anchor}")
    assert wrong == []


def test_the_how_tos_list_every_guide_and_keep_its_earlier_anchor() -> None:
    index = (DOCS / "howto.md").read_text()
    for page in ("howto_files", "howto_runs", "howto_arrays", "howto_lsst"):
        for guide in re.findall(r"^## (.*)$", (DOCS / f"{page}.md").read_text(), re.MULTILINE):
            anchor = slug(guide)
            assert f'<a id="{anchor}"></a>[{guide}]({page}.md#{anchor})' in index


def test_the_landing_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (script,) = re.findall(r"^```python\n(.*?)^```$", (DOCS / "index.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len([line for line in script.splitlines() if line]) <= 9
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(script, "index.md", "exec"), names)
    assert names["coadd"].number.max() == 5  # type: ignore[attr-defined]  # a CombineResult


def test_functions_by_task_name_every_function() -> None:
    told = "\n".join("|".join(row) for row in rows("api.md", "Functions by task"))
    functions = [name for name in evensky.__all__ if callable(getattr(evensky, name))]
    assert [name for name in functions if f"`evensky.{name}`" not in told] == []
    for path in re.findall(r"`(evensky[\w.]+)`", told):
        module, _, name = path.rpartition(".")
        assert hasattr(__import__(module, fromlist=[name]), name), path
