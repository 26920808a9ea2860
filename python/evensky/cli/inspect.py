"""``evensky inspect``."""

from __future__ import annotations

__all__ = ["command"]

import sys
from pathlib import Path

import click

from ..calls.inspect import inspect_files
from .choices import FileChoice, takes
from .console import print_inspection
from .options import EXIT_REFUSED, PATH, Command, one_line


class _InspectCommand(Command):
    """A command whose help says when the files are refused."""

    exit_codes = (
        ("0", "the files can be matched"),
        ("2", "wrong usage"),
        ("3", "match would refuse the files, or cannot use some; with --strict also if there are notes"),
        ("130, 143", "stopped by Ctrl-C or SIGTERM"),
    )


@click.command("inspect", cls=_InspectCommand)
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--method",
    type=click.Choice(["all", "reference"]),
    default="all",
    show_default=True,
    help="Method of the match; reference needs exposures that lie at the same place.",
)
@takes(FileChoice, "use")
@click.option("--json", "as_json", is_flag=True, help="Print all details as JSON.")
def command(
    files: tuple[Path, ...],
    method: str,
    use: FileChoice,
    as_json: bool,
) -> None:
    """Show how FILES would be used by match, and what is wrong with them.

    For each exposure the table names the layout of the file, the image and its size, the mask and the planes whose
    pixels do not count, the errors and their sense, the unit, the filter, and the position on the common pixel grid.
    Only headers are read.

    \b
    Examples:
      evensky inspect night/*.fits
      evensky inspect visit*.fits --mask DQ --good-bits 256+512 --json
    """
    with one_line():
        inspection = inspect_files(files, method=method, **use.parameters)
    print_inspection(inspection, as_json=as_json)
    if inspection.is_refused(strict=use.strict):
        sys.exit(EXIT_REFUSED)
