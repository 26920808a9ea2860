"""``evensky background``."""

from __future__ import annotations

__all__ = ["command"]

from pathlib import Path

import click

from ..calls.background_file import model_file
from .choices import PlaneChoice, takes
from .options import COUNT, PATH, Command, memory_option, one_line, overwrite_option, scratch_option
from .terminal import say


@click.command("background", cls=Command)
@click.argument("file", type=PATH)
@click.option("--out", "-o", type=PATH, help="Write the model image to this file.")
@click.option("--subtracted", type=PATH, help="Write the exposure minus its model to this file.")
@click.option("--rms", type=PATH, help="Write the modelled standard deviation of the pixels to this file.")
@click.option("--bin-size", "-b", default=128, show_default=True, type=COUNT, help="Size of the bins in pixels.")
@click.option(
    "--statistic",
    default="MEANCLIP",
    show_default=True,
    type=click.Choice(["MEAN", "MEDIAN", "MEANCLIP"], case_sensitive=False),
    help="Statistic that is computed in each bin.",
)
@click.option(
    "--style",
    default="AKIMA_SPLINE",
    show_default=True,
    type=click.Choice(["CONSTANT", "LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE"], case_sensitive=False),
    help="Interpolation between bins.",
)
@click.option(
    "--order", type=click.IntRange(0, 2**31 - 1), help="Fit a Chebyshev series of this order instead of interpolating."
)
@click.option("--threads", "-t", default=1, show_default=True, type=COUNT, help="Number of threads.")
@overwrite_option
@scratch_option
@memory_option
@takes(PlaneChoice, "planes")
def command(
    file: Path,
    out: Path | None,
    subtracted: Path | None,
    rms: Path | None,
    bin_size: int,
    statistic: str,
    style: str,
    order: int | None,
    threads: int,
    overwrite: bool,
    scratch: Path | None,
    max_memory: str | None,
    planes: PlaneChoice,
) -> None:
    """Model the background of FILE.

    All science images of the file are modelled. The output files are copies of FILE in which their pixels are replaced.

    \b
    Examples:
      evensky background image.fits --out model.fits
      evensky background image.fits --bin-size 64 --statistic median --subtracted without-sky.fits
    """
    with one_line():
        file, selection = planes.selection_of(file)
        model_file(
            file,
            out=out,
            subtracted=subtracted,
            rms=rms,
            bin_size=bin_size,
            statistic=statistic.upper(),
            style=style.upper(),
            order=order,
            selection=selection,
            num_threads=threads,
            overwrite=overwrite,
            scratch=scratch,
            max_memory=max_memory,
            say=say,
        )
