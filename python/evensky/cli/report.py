"""``evensky report``."""

from __future__ import annotations

__all__ = ["command"]

from pathlib import Path

import click

from ..calls.report import remake_report
from .options import PATH, Command, one_line, overwrite_option
from .terminal import say


@click.command("report", cls=Command)
@click.argument("folder", type=PATH)
@click.option("--out", type=PATH, help="File of the page; report.html in FOLDER by default, which is replaced.")
@overwrite_option
def command(folder: Path, out: Path | None, overwrite: bool) -> None:
    """Make the report of a run again, without a match.

    FOLDER is the output folder of a match that has ended and made a report, or the file matched.run in it, from which
    the page is made; neither the exposures nor the outputs are read.

    \b
    Examples:
      evensky report matched
      evensky report matched --out talk.html
    """
    with one_line():
        say(f"Report: {remake_report(folder, out, overwrite=overwrite)}")
