"""What the commands print of runs and inspections."""

from __future__ import annotations

__all__ = ["print_inspection", "print_run"]

import json
from pathlib import Path
from typing import TYPE_CHECKING

from .._text import printable
from ..calls.inspect import Inspection
from ..report.verdict import verdict_of
from ..runs.folder import PAGE, TABLE
from ..runs.match_run import MatchRun
from .terminal import open_console, say

if TYPE_CHECKING:
    from rich.text import Text

_VERDICT_COLOURS = {"good": "bold green", "look": "bold yellow", "wrong": "bold red"}
# Number of letters of the longest label beyond which labels are broken into lines, so that other columns have room.
_LONGEST_LABEL = 60


def _text(text: str, style: str = "") -> Text:
    """Return a text from outside for the console."""
    from rich.text import Text

    return Text(printable(text), style)


def _note(start: str, sentence: str, colour: str = "yellow") -> Text:
    """Return a sentence with its start in a colour."""
    return _text(f"{start}:", colour).append(f" {printable(sentence)}", "default")


def print_run(run: MatchRun, out: Path, *, report: bool = True) -> None:
    """Print the table, the notes, the warnings and the verdict on a run, and the path of its report or table."""
    from rich.table import Table

    console = open_console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    header, rows = run.rows()
    short = max((len(record.label) for record in run.records), default=0) <= _LONGEST_LABEL
    table.add_column(header[0], no_wrap=short, overflow="fold")
    table.add_column(header[1], no_wrap=True)
    for name in header[2:-1]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(header[-1], overflow="fold")
    colours = {"reference": "cyan", "fixed": "cyan", "matched": "green", "failed": "red"}
    for record, (label, status, *figures, model) in zip(run.records, rows, strict=True):
        colour = "yellow" if record.flags and status != "failed" else colours[status]
        table.add_row(_text(label), _text(status, colour), *map(_text, figures), _text(model))
    console.print(table)
    console.print(_text(run.choice))
    untied = [one.note for one in run.untied]
    for note in run.notes:
        console.print(_text(note, "bold red" if note in untied else ""))
    told: dict[str, list[str]] = {}  # a sentence that is true of many exposures is printed once
    for record in run.records:
        for warning in record.warnings:
            told.setdefault(warning, []).append(record.label)
    for warning, labels in told.items():
        console.print(_note(", ".join(labels), warning))
    verdict = verdict_of(run)
    console.print(_note(verdict.word, verdict.sentence, _VERDICT_COLOURS[verdict.grade]))
    look = f"Report: {out / PAGE}" if report else f"Table: {out / TABLE}"
    say(f"{printable(run.summary)}, {run.seconds:.1f} s. {look}")


def print_inspection(inspection: Inspection, *, as_json: bool = False) -> None:
    """Print the table, the notes and the problems of an inspection, or all its details as JSON."""
    if as_json:
        print(json.dumps(inspection.as_dict(), indent=2))  # rich would wrap long lines
        return
    from rich.table import Table

    console = open_console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    header, rows = inspection.rows()
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(_text, row))
    console.print(table)
    for note, labels in inspection.notes_of_exposures().items():
        whose = "all exposures" if len(labels) == len(inspection.inputs) > 1 else ", ".join(labels)
        console.print(_note(whose, f"{note}."), soft_wrap=True)
    for note in inspection.notes_of_set:
        console.print(_note("Note", f"{note}."), soft_wrap=True)
    for problem in inspection.problems:
        console.print(_note("Problem", f"{problem}.", "red"), soft_wrap=True)
