"""What the commands print of runs and inspections."""

from __future__ import annotations

__all__ = ["print_inspection", "print_run"]

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .._text import printable
from ..calls.inspect import Inspection
from ..report.verdict import verdict_of
from ..runs.folder import PAGE, TABLE
from ..runs.match_run import MatchRun
from .terminal import WIDTH_OF_PIPE, has_colours, open_console, say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
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
    # The import of rich takes longer than the lines of most runs, which need it for colours alone.
    console = open_console() if has_colours() else None
    header, rows = run.rows()
    plain = None if console is not None else _plain_table(header, rows, WIDTH_OF_PIPE)
    if plain is None:
        (console or open_console()).print(_coloured_table(run, header, rows))
    else:
        print(plain)
    _tell(console, run.choice)
    untied = [one.note for one in run.untied]
    for note in run.notes:
        _tell(console, note, style="bold red" if note in untied else "")
    told: dict[str, list[str]] = {}  # a sentence that is true of many exposures is printed once
    for record in run.records:
        for warning in record.warnings:
            told.setdefault(warning, []).append(record.label)
    for warning, labels in told.items():
        _tell(console, warning, start=", ".join(labels), style="yellow")
    verdict = verdict_of(run)
    _tell(console, verdict.sentence, start=verdict.word, style=_VERDICT_COLOURS[verdict.grade])
    look = f"Report: {out / PAGE}" if report else f"Table: {out / TABLE}"
    say(f"{printable(run.summary)}, {run.seconds:.1f} s. {look}")


def _tell(console: Console | None, text: str, *, start: str = "", style: str = "") -> None:
    """Print a text, whose start is in a colour if there is one; for a pipe, without a console, it is one line."""
    if console is None:
        say(f"{printable(start)}: {printable(text)}" if start else printable(text))
    else:
        console.print(_note(start, text, style) if start else _text(text, style))


def _coloured_table(run: MatchRun, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return the table of a run, with the statuses of exposures in colours."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
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
    return table


def _plain_table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str | None:
    """Return the same table without colours, which takes far less time; None if it is not that simple.

    It is not if letters may take another room than one column, or if cells must be broken to fit the width.
    """
    lines = [header, *([printable(cell) for cell in row] for row in rows)]
    if not all(cell.isascii() and cell.isprintable() for line in lines for cell in line):
        return None
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) > width or max(len(row[0]) for row in lines) > _LONGEST_LABEL:
        return None
    last = len(widths) - 1
    return "\n".join(
        "  ".join(
            cell.rjust(size) if 1 < number < last else cell.ljust(size)
            for number, (cell, size) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


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
