"""What commands print of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from a_run import NASTY, make_run

from evensky.cli import console
from evensky.cli.console import print_run
from evensky.cli.terminal import open_console
from evensky.runs.record import UntiedGroups


@pytest.mark.parametrize(("report", "look"), [(True, "Report: out/report.html"), (False, "Table: out/matched.ecsv")])
def test_a_run_is_printed(capsys: pytest.CaptureFixture[str], report: bool, look: str) -> None:
    run = make_run(3)
    run.records[1].flags = ["LOW_COVERAGE"]
    run.records[2].warnings = ["LOW_COVERAGE: [bold]only 3 %[/]"]
    print_run(run, Path("out"), report=report)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0].strip() == "exposure"
    assert lines[0].rstrip().endswith("model / error")
    text = "\n".join(lines)
    for words in (
        "AKIMA_SPLINE, 8 x 8 bins of 128 px; LOW_COVERAGE",
        "Reference: visit-0. lowest cost",
        "no mask",
        f"visit-1: order reduced {NASTY}",
        "visit-2: LOW_COVERAGE: [bold]only 3 %[/]",  # no markup of the terminal's
        f"cannot be read {NASTY}",
    ):
        assert words in text
    assert lines[-1] == f"{run.summary}, 1.5 s. {look}"


@pytest.mark.parametrize("number", [0, 1, 5])
def test_the_plain_table_is_that_without_colours(capsys: pytest.CaptureFixture[str], number: int) -> None:
    run = make_run(5)
    run.records = [replace(record, message="", warnings=[]) for record in run.records[:number]]
    header, rows = run.rows()
    plain = console._plain_table(header, rows, 150)
    assert plain is not None
    open_console().print(console._coloured_table(run, header, rows))
    assert capsys.readouterr().out == f"{plain}\n"
    assert console._plain_table(header, rows, 40) is None  # too narrow
    assert console._plain_table(header, [("a\u0301", *row[1:]) for row in rows[:1]], 150) is None or not rows


def test_a_verdict_is_printed_last_but_one(capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(3)
    run.records = run.records[:-1]
    print_run(run, Path("out"))
    assert capsys.readouterr().out.splitlines()[-2].startswith("Good: Squared residuals against the reference are 1.00")
    run.records[1].flags = ["POOR_FIT"]
    print_run(run, Path("out"))
    assert capsys.readouterr().out.splitlines()[-2] == "May be wrong: The result of 1 exposure may be wrong (POOR_FIT)."
    run.notes = ["2 groups of exposures have no good pixel in common: a; b."]
    run.untied = [UntiedGroups("exposures", [["a"], ["b"]], run.notes[0])]
    print_run(run, Path("out"))
    lines = capsys.readouterr().out.splitlines()
    assert run.notes[0] in lines
    assert lines[-2].startswith("Not ready: Each group was matched by itself, so that a coadd of all has steps")


def test_a_run_is_printed_to_a_pipe_without_the_library_for_colours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(3)
    run.records = [replace(record, message="", warnings=[]) for record in run.records]
    run.notes = ["word " * 60 + "end."]
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(console, "open_console", lambda: pytest.fail("its import takes 40 ms"))
    for said in ("", "0"):  # 0 says that it is no terminal
        monkeypatch.setenv("TTY_COMPATIBLE", said)
        print_run(run, Path("out"))
        assert run.notes[0] in capsys.readouterr().out.splitlines()
    monkeypatch.undo()
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_run(run, Path("out"))
    assert "\033[" in capsys.readouterr().out
