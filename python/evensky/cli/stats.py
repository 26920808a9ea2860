"""``evensky stats``."""

from __future__ import annotations

__all__ = ["command"]

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from .._text import printable, reason_of, visible
from ..errors import EvenskyError
from ..fits.descriptions import Selection
from ..image.on_disk import planes_to_measure
from ..io.formats import bad_bits_of, describe, read_image
from ..math import ERRORS, NPOINT, Property, StatisticsControl, makeStatistics, stringToStatisticsProperty
from ..runs.memory_plan import scratch_of_images
from .choices import PlaneChoice, memory_option, scratch_option, takes
from .options import (
    COUNT,
    EXIT_FAILED,
    EXIT_REFUSED,
    PATH,
    Command,
    one_line,
)
from .terminal import open_console, say

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
_COUNTS = ("NPOINT", "NMASKED", "NCLIPPED", "ORMASK")
_SQUARES = ("VARIANCE", "VARIANCECLIP", "MEANSQUARE")


class _StatsCommand(Command):
    """A command whose help says what its exit codes mean."""

    exit_codes = (
        ("0", "done"),
        ("1", "one of several files cannot be read, or a disk is full"),
        ("2", "wrong usage, or a single file that cannot be read"),
        ("3", "an image has no good pixel, and all files were read"),
        ("130, 143", "stopped by Ctrl-C or SIGTERM"),
    )


@dataclass
class _Plane:
    """Statistics of one image."""

    file: str
    name: str  # of its HDU, "" if the file has one image
    width: int
    height: int
    unit: str
    good: int
    values: list[tuple[str, float, float]]  # name, value and error
    notes: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.file}[{self.name}]" if self.name else self.file

    @property
    def warning(self) -> str:
        """Say that there is no good pixel, and what to do; "" if there is one."""
        if self.good:
            return ""
        return (
            f"{self.label} has no good pixel: all {self.width * self.height} are masked or not finite; let some count "
            "with --bad-planes or --good-bits, choose another mask with --mask (none ignores it), or another image "
            "with --hdu"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON holds; null stands for NaN and infinite numbers."""
        statistics = {
            name: {"value": _finite(value), "error": _finite(error), "unit": _unit_of(name, self.unit)}
            for name, value, error in self.values
        }
        return {
            "file": self.file,
            "image": self.name or None,
            "width": self.width,
            "height": self.height,
            "unit": self.unit,
            "good": self.good,
            "statistics": statistics,
            "notes": [*self.notes, *([self.warning] if self.warning else [])],
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _unit_of(name: str, unit: str) -> str:
    """Return the unit of a statistic of pixels in a unit."""
    if name in _COUNTS or not unit:
        return ""
    return f"({unit})**2" if name in _SQUARES else unit


def _check_sigma(context: click.Context, parameter: click.Parameter, value: float) -> float:
    """Refuse a width that is not positive."""
    if not value > 0.0:
        raise click.BadParameter(f"{value:g}; it must be positive", context, parameter)
    return value


@click.command("stats", cls=_StatsCommand)
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--sigma",
    default=3.0,
    show_default=True,
    callback=_check_sigma,
    help="Half-width of the clipping window, in standard deviations.",
)
@click.option("--rounds", default=3, show_default=True, type=COUNT, help="Number of clipping rounds.")
@click.option(
    "--property",
    "-p",
    "properties",
    multiple=True,
    metavar="NAME",
    help="Print only this statistic, e.g. MEDIAN; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a list with an object for each image, as JSON.")
@scratch_option
@memory_option
@takes(PlaneChoice, "planes")
def command(
    files: tuple[Path, ...],
    sigma: float,
    rounds: int,
    properties: tuple[str, ...],
    as_json: bool,
    scratch: Path | None,
    max_memory: str | None,
    planes: PlaneChoice,
) -> None:
    """Print statistics of the good pixels of FILES, with errors.

    If there are several images, of several files or of one, there is a table with a row for each. A file that cannot
    be read does not stop the others.

    \b
    Examples:
      evensky stats image.fits
      evensky stats image.fits --mask DQ -p MEDIAN -p MEANCLIP
      evensky stats night/*.fits --json
    """
    measured: list[_Plane] = []
    failures: list[dict[str, Any]] = []
    with one_line():
        wanted = [stringToStatisticsProperty(name.upper()) for name in properties or _DEFAULT]
        control = StatisticsControl(sigma, rounds)
        chosen = [planes.selection_of(file) for file in files]
        for file, (path, selection) in zip(files, chosen, strict=True):
            try:
                measured += _planes_of(path, selection, wanted, control, max_memory=max_memory, scratch=scratch)
            except (EvenskyError, OSError, MemoryError) as error:
                if len(files) == 1:
                    raise
                reason = printable(str(error)) if isinstance(error, EvenskyError) else reason_of(error)
                failures.append({"file": str(file), "error": reason})
    if as_json:
        click.echo(json.dumps([*(plane.as_dict() for plane in measured), *failures], indent=2))
    else:
        _print(measured, wanted)
    for failure in failures:
        click.echo(visible(f"Error: {_with_name(failure['file'], failure['error'])}"), err=True)
    for plane in measured:
        if plane.warning:
            click.echo(visible(f"Warning: {plane.warning}."), err=True)
    if failures:
        sys.exit(EXIT_FAILED)
    if any(plane.warning for plane in measured):
        sys.exit(EXIT_REFUSED)


def _with_name(file: str, reason: str) -> str:
    return reason if file in reason else f"{file}: {reason}"


def _planes_of(
    file: Path,
    selection: Selection,
    wanted: Sequence[Property],
    control: StatisticsControl,
    *,
    max_memory: str | None,
    scratch: Path | None,
) -> list[_Plane]:
    """Return the statistics of each image of a file."""
    described = describe(file, selection, with_wcs=False)
    place, notes = scratch_of_images(described.images, max_memory=max_memory, scratch=scratch)
    flags = ERRORS | NPOINT
    for one in wanted:
        flags |= one
    planes: list[_Plane] = []
    for image in described.images:
        # The unit is left out; it would be kept in a header of astropy, which takes long to import.
        exposure = read_image(replace(image, unit=""), scratch=place)
        control.setAndMask(bad_bits_of(exposure))
        result = makeStatistics(*planes_to_measure(exposure.maskedImage), flags, control)
        values = [(str(one.name), *result.getResult(one)) for one in wanted]
        name = image.name if image.slot else ""
        size = exposure.getWidth(), exposure.getHeight()
        good = int(result.getValue(NPOINT))
        plane = _Plane(str(file), name, *size, image.unit or "", good, values, list(exposure.assumptions))
        if not planes:
            plane.notes[:0] = [*described.notes, *notes]
        planes.append(plane)
    return planes


def _print(planes: Sequence[_Plane], wanted: Sequence[Property]) -> None:
    """Print a table: of the statistics of one image, or with a row for each of several."""
    if not planes:
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    if len(planes) == 1:
        (plane,) = planes
        say(f"{plane.label}: {plane.width} x {plane.height} px")
        for note in plane.notes:
            say(f"Note: {note}.")
        table.add_column("statistic")
        table.add_column("value", justify="right")
        table.add_column("error", justify="right")
        for name, value, error in plane.values:
            table.add_row(name, f"{value:.10g}", f"{error:.4g}" if error > 0 else "")
    else:
        for plane in planes:
            for note in plane.notes:
                say(f"Note: {plane.label}: {note}.")
        table.add_column("image", overflow="fold")
        table.add_column("size", justify="right")
        for one in wanted:
            table.add_column(str(one.name), justify="right")
        for plane in planes:
            figures = (f"{value:.7g}" for _, value, _ in plane.values)
            table.add_row(visible(plane.label), f"{plane.width} x {plane.height}", *figures)
    open_console().print(table)
