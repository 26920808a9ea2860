"""Console output of the commands, and choices of planes."""

from __future__ import annotations

__all__ = ["open_console", "print_inspection", "print_run", "selection_of"]

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .._checks import names_of
from ..calls.inspect import Inspection
from ..fits.companions import split_extension
from ..fits.descriptions import Selection
from ..io.file_names import fill_selection, unique_labels
from ..runs.folder import PAGE, TABLE
from ..runs.match_run import MatchRun

if TYPE_CHECKING:
    from rich.console import Console


def open_console() -> Console:
    """Return a console for the terminal, or a wide one for a pipe, so that tables are not cut."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 150)


def print_run(run: MatchRun, out: Path, *, report: bool = True) -> None:
    """Print the table, the notes and the warnings of a run, and the path of its report or table."""
    from rich.markup import escape
    from rich.table import Table

    console = open_console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    header, rows = run.rows()
    for name in header[:2]:
        table.add_column(name, no_wrap=True)
    for name in header[2:-1]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(header[-1])
    colours = {"reference": "cyan", "fixed": "cyan", "matched": "green", "failed": "red"}
    for record, (label, status, *figures, model) in zip(run.records, rows, strict=True):
        colour = "yellow" if record.flags and status != "failed" else colours[status]
        table.add_row(escape(label), f"[{colour}]{status}", *figures, escape(model))
    console.print(table)
    console.print(escape(run.choice))
    for note in run.notes:
        console.print(escape(note))
    told: dict[str, list[str]] = {}  # a sentence that is true of many exposures is printed once
    for record in run.records:
        for warning in record.warnings:
            told.setdefault(warning, []).append(record.label)
    for warning, labels in told.items():
        console.print(f"[yellow]{escape(', '.join(labels))}:[/] {escape(warning)}")
    look = f"Report: {out / PAGE}" if report else f"Table: {out / TABLE}"
    console.print(f"{run.summary}, {run.seconds:.1f} s. {look}", soft_wrap=True, markup=False)


def print_inspection(inspection: Inspection, *, as_json: bool = False) -> None:
    """Print the table, the notes and the problems of an inspection, or all its details as JSON."""
    if as_json:
        print(json.dumps(inspection.as_dict(), indent=2))  # rich would wrap long lines
        return
    from rich.markup import escape
    from rich.table import Table

    console = open_console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    header, rows = inspection.rows()
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)
    for note, labels in inspection.notes_of_exposures().items():
        whose = "all exposures" if len(labels) == len(inspection.inputs) > 1 else ", ".join(labels)
        console.print(f"[yellow]{escape(whose)}:[/] {escape(note)}.", soft_wrap=True)
    for note in inspection.notes_of_set:
        console.print(f"[yellow]Note:[/] {escape(note)}.", soft_wrap=True)
    for problem in inspection.problems:
        console.print(f"[red]Problem:[/] {escape(problem)}.", soft_wrap=True)


def selection_of(
    file: Path,
    hdu: str | None,
    mask: str | None,
    variance: str | None,
    weight: str | None,
    bad_planes: str | None,
    good_bits: str | None,
) -> tuple[Path, Selection]:
    """Return a file, without the image in brackets, and the selection that the options of `plane_options` make."""
    path, named = split_extension(file)
    hdu = named if hdu is None else hdu
    selection = Selection(hdu, mask, variance, weight, names_of(bad_planes), names_of(good_bits) or ())
    return path, fill_selection(selection, path, unique_labels([path])[0])
