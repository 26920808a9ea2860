"""``evensky stats``."""

from __future__ import annotations

__all__ = ["command"]

from pathlib import Path

import click

from ..image.bad_bits import bad_bits, plane_names
from ..io import read_exposure
from ..math import ERRORS, StatisticsControl, makeStatistics, stringToStatisticsProperty
from .console import exposure_mask, open_console
from .options import PATH, Command, one_line, plane_options

# Statistics that are printed by default.
_DEFAULT = (
    "NPOINT",
    "NMASKED",
    "MIN",
    "MAX",
    "MEAN",
    "STDEV",
    "MEDIAN",
    "IQRANGE",
    "MEANCLIP",
    "STDEVCLIP",
    "NCLIPPED",
)


@click.command("stats", cls=Command)
@click.argument("file", type=PATH)
@click.option(
    "--sigma", default=3.0, show_default=True, help="Half-width of the clipping window, in standard deviations."
)
@click.option("--rounds", default=3, show_default=True, help="Number of clipping rounds.")
@click.option(
    "--property",
    "-p",
    "properties",
    multiple=True,
    metavar="NAME",
    help="Print only this statistic, e.g. MEDIAN; may be repeated.",
)
@plane_options
def command(
    file: Path, sigma: float, rounds: int, properties: tuple[str, ...], mask: str | None, bad_planes: str | None
) -> None:
    """Print statistics of the good pixels of FILE, with errors.

    \b
    Examples:
      evensky stats image.fits
      evensky stats image.fits --mask DQ -p MEDIAN -p MEANCLIP
    """
    from rich.table import Table

    with one_line():
        exposure = read_exposure(file, mask=exposure_mask(file, mask))
        control = StatisticsControl(sigma, rounds)
        control.setAndMask(bad_bits(exposure.mask, plane_names(bad_planes)))
        wanted = [stringToStatisticsProperty(name.upper()) for name in properties or _DEFAULT]
        flags = ERRORS
        for one in wanted:
            flags |= one
        result = makeStatistics(exposure.maskedImage, flags, control)
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("statistic")
        table.add_column("value", justify="right")
        table.add_column("error", justify="right")
        for one in wanted:
            value, error = result.getResult(one)
            table.add_row(one.name, f"{value:.10g}", f"{error:.4g}" if error > 0 else "")
    console = open_console()
    console.print(f"{file}: {exposure.getWidth()} x {exposure.getHeight()} px")
    for note in exposure.assumptions:
        console.print(f"Note: {note}.", markup=False)
    console.print(table)
