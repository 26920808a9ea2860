"""``evensky stats``."""

from __future__ import annotations

__all__ = ["command"]

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..image import Exposure
from ..image.on_disk import planes_to_measure
from ..io.formats import bad_bits_of, describe, read_image
from ..math import ERRORS, Property, StatisticsControl, makeStatistics, stringToStatisticsProperty
from ..runs.memory_plan import scratch_of_images
from .options import PATH, Command, memory_option, one_line, plane_options, scratch_option
from .selection import selection_of
from .terminal import open_console, say

if TYPE_CHECKING:
    from rich.table import Table

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
@scratch_option
@memory_option
@plane_options
def command(
    file: Path,
    sigma: float,
    rounds: int,
    properties: tuple[str, ...],
    scratch: Path | None,
    max_memory: str | None,
    hdu: str | None,
    mask: str | None,
    variance: str | None,
    weight: str | None,
    bad_planes: str | None,
    good_bits: str | None,
    max_unpacked: str | None,
) -> None:
    """Print statistics of the good pixels of FILE, with errors.

    If the file has several science images, there is a table for each.

    \b
    Examples:
      evensky stats image.fits
      evensky stats image.fits --mask DQ -p MEDIAN -p MEANCLIP
    """
    with one_line():
        wanted = [stringToStatisticsProperty(name.upper()) for name in properties or _DEFAULT]
        file, selection = selection_of(file, hdu, mask, variance, weight, bad_planes, good_bits, max_unpacked)
        described = describe(file, selection, with_wcs=False)
        place, notes = scratch_of_images(described.images, max_memory=max_memory, scratch=scratch)
        for note in (*described.notes, *notes):
            say(f"Note: {note}.")
        for image in described.images:
            # The unit is not shown; it would be kept in a header of astropy, which takes long to import.
            exposure = read_image(replace(image, unit=""), scratch=place)
            control = StatisticsControl(sigma, rounds)
            control.setAndMask(bad_bits_of(exposure))
            table = _table_of(exposure, wanted, control)
            where = f"{file}[{image.name}]" if image.slot else f"{file}"
            say(f"{where}: {exposure.getWidth()} x {exposure.getHeight()} px")
            for note in exposure.assumptions:
                say(f"Note: {note}.")
            open_console().print(table)


def _table_of(exposure: Exposure, wanted: Sequence[Property], control: StatisticsControl) -> Table:
    """Return a table of statistics of an exposure."""
    from rich.table import Table

    flags = ERRORS
    for one in wanted:
        flags |= one
    result = makeStatistics(*planes_to_measure(exposure.maskedImage), flags, control)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("statistic")
    table.add_column("value", justify="right")
    table.add_column("error", justify="right")
    for one in wanted:
        value, error = result.getResult(one)
        table.add_row(one.name, f"{value:.10g}", f"{error:.4g}" if error > 0 else "")
    return table
