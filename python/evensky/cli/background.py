"""``evensky background``."""

from __future__ import annotations

__all__ = ["command"]

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .._text import printable, with_digits
from ..calls.background_file import FileBackground, ImageBackground, filled_outputs, model_file, model_files
from .bin_choice import BinChoice
from .choices import PlaneChoice, memory_option, scratch_option, takes
from .options import COUNT, EXIT_FAILED, PATH, Command, one_line, overwrite_option, size_of
from .source_choice import SourceChoice
from .terminal import open_console, say


class _BackgroundCommand(Command):
    """A command whose help says what happens if one of several files fails."""

    exit_codes = (
        ("0", "done"),
        ("1", "the pixels do not allow the computation, one of several files failed, or a disk is full"),
        ("2", "wrong usage, or a single file that cannot be read or written"),
        ("130, 143", "stopped by Ctrl-C or SIGTERM"),
    )


@click.command("background", cls=_BackgroundCommand)
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--out",
    "-o",
    type=PATH,
    help="Write the model image to this file; for several FILES a pattern such as 'sky/{stem}_sky.fits', in which "
    "{stem}, {name} and {dir} stand for the short name, the name and the folder of each.",
)
@click.option("--subtracted", type=PATH, help="Write the exposure minus its model to this file; see --out.")
@click.option("--rms", type=PATH, help="Write the modelled standard deviation of the pixels to this file; see --out.")
@click.option(
    "--mesh",
    type=PATH,
    help="Write the values of the bins, their errors and the standard deviation of their pixels to this file, as HDUs "
    "MESH, MESH_ERROR and MESH_RMS; see --out.",
)
@click.option(
    "--bin-size",
    "-b",
    metavar="PIXELS",
    default="128",
    show_default=True,
    help="Size of the bins in pixels: one number, or height,width such as 64,128.",
)
@click.option(
    "--statistic",
    type=click.Choice(["MEAN", "MEDIAN", "MEANCLIP"], case_sensitive=False),
    help="Statistic of each bin as LSST's code computes it, in place of an --estimator; no bin is replaced or "
    "filtered. Of the options below, only --sigma and --rounds go with it.",
)
@click.option(
    "--style",
    default="AKIMA_SPLINE",
    show_default=True,
    type=click.Choice(["CONSTANT", "LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE", "BICUBIC_SPLINE"], case_sensitive=False),
    help="Interpolation between bins; BICUBIC_SPLINE is that of SExtractor and sep.",
)
@click.option(
    "--order", type=click.IntRange(0, 2**31 - 1), help="Fit a Chebyshev series of this order instead of interpolating."
)
@takes(BinChoice, "bins")
@takes(SourceChoice, "sources")
@click.option("--threads", "-t", default=1, show_default=True, type=COUNT, help="Number of threads.")
@overwrite_option
@scratch_option
@memory_option
@takes(PlaneChoice, "planes")
def command(
    files: tuple[Path, ...],
    out: Path | None,
    subtracted: Path | None,
    rms: Path | None,
    mesh: Path | None,
    bin_size: str,
    statistic: str | None,
    style: str,
    order: int | None,
    bins: BinChoice,
    sources: SourceChoice,
    threads: int,
    overwrite: bool,
    scratch: Path | None,
    max_memory: str | None,
    planes: PlaneChoice,
) -> None:
    """Model the backgrounds of FILES.

    All science images of a file are modelled. The outputs are copies of the file in which their pixels are replaced,
    apart from the mesh. A file that fails does not stop the others. For several files there is a table of the results.

    \b
    Examples:
      evensky background image.fits --out model.fits
      evensky background image.fits --bin-size 64 --statistic median --subtracted without-sky.fits
      evensky background image.fits --bin-size 64 --estimator median --filter-size 3 --exclude-percentile 50
      evensky background night/*.fits --mask-sources --subtracted 'flat/{stem}.fits' --rms 'flat/{stem}_rms.fits'
    """
    with one_line():
        options: dict[str, Any] = {
            "bin_size": size_of("--bin-size", bin_size, "a whole number, or height,width as in 64,128,"),
            "statistic": statistic,
            "style": style.upper(),
            "order": order,
            "bins": bins.options,
            "mask_sources": sources.options,
            "num_threads": threads,
            "overwrite": overwrite,
            "scratch": scratch,
            "max_memory": max_memory,
        }
        outputs: dict[str, Any] = {"out": out, "subtracted": subtracted, "rms": rms, "mesh": mesh}
        chosen = [planes.selection_of(file) for file in files]
        if len(chosen) == 1:
            file, selection = chosen[0]
            (own,) = filled_outputs([file], outputs)
            model_file(file, **own, selection=selection, say=say, **options)
            return
        results: list[FileBackground] = []
        try:
            measured = model_files([file for file, _ in chosen], outputs, [one for _, one in chosen], **options)
            for result in measured:
                results.append(result)
        finally:  # what is done is told, whatever stops the rest
            if results:
                _print_results(results)
    if any(result.error for result in results):
        sys.exit(EXIT_FAILED)


def _print_results(results: Sequence[FileBackground]) -> None:
    """Print a table with a row for each image, then the notes and the reasons of failures."""
    from rich.table import Table

    images = [image for result in results for image in result.images]
    with_rms = any(image.rms is not None for image in images)
    with_sources = any(image.sources is not None for image in images)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("file", overflow="fold")
    heads = ["size", "bins", "smoothed", "estimator", "level", "lowest bin", "highest bin", "error of a bin"]
    heads += [*(["rms"] if with_rms else []), *(["sources", "on"] if with_sources else []), "unit"]
    for head in heads:
        table.add_column(head, justify="right")
    for result in results:
        if result.error:
            table.add_row(result.label, "failed")
        for image in result.images:
            table.add_row(*_row(result.label, image, with_rms=with_rms, with_sources=with_sources))
    open_console().print(table)
    for result in results:
        for note in result.notes:
            say(f"Note: {result.label}: {note}.")
        for image in result.images:
            where = f"{result.label}[{image.name}]" if image.name else result.label
            for note in image.notes:
                say(f"Note: {where}: {note}.")
    failed = [result for result in results if result.error]
    for result in failed:
        click.echo(f"evensky: {printable(result.label)} failed: {printable(result.error)}", err=True)
    say(f"{len(results) - len(failed)} of {len(results)} files done")


def _row(label: str, image: ImageBackground, *, with_rms: bool, with_sources: bool) -> list[str]:
    """Return the cells of an image."""
    bins = f"{image.nx} x {image.ny}"
    cells = [
        f"{label}[{printable(image.name)}]" if image.name else label,
        f"{image.width} x {image.height}",
        bins if image.good_bins == image.nx * image.ny else f"{image.good_bins} of {bins}",
        f"{image.smoothed_bins}",
        image.estimator,
        *(with_digits(value, image.error, least=6) for value in (image.level, image.low, image.high)),
        f"{image.error:.4g}",
    ]
    if with_rms:
        cells.append("" if image.rms is None else f"{image.rms:.4g}")
    if with_sources:
        found = image.sources
        cells += ["", ""] if found is None else [f"{found.number}", f"{found.fraction:.1%}"]
    return [*cells, printable(image.unit)]
