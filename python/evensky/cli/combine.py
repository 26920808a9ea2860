"""``evensky combine``."""

from __future__ import annotations

__all__ = ["coadd_settings", "command", "print_combined"]

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from .._text import printable
from ..calls.combine import combine_files
from ..calls.inspect import inspect_files
from ..draw.progress import progress_bar
from ..errors import InvalidParameterError
from ..math.combine_planes import MOST_ROUNDS
from ..runs.combine_output import checked_output, checked_planes
from ..runs.combine_record import combine_rows
from ..runs.combine_result import CombineRun
from .choices import FileChoice, RunChoice, takes
from .console import print_inspection
from .options import (
    EXIT_FAILED,
    EXIT_REFUSED,
    PATH,
    Command,
    number_or_pair,
    numbers_of,
    one_line,
    stoppable,
)
from .terminal import open_console, say


class _CombineCommand(Command):
    """A command whose help says when files are refused."""

    imports = ("astropy.io.fits", "astropy.wcs")

    exit_codes = (
        ("0", "all exposures combined"),
        ("1", "some exposures could not be used, none could, a disk is full, or the memory does not suffice"),
        ("2", "wrong usage, or a file that cannot be written"),
        ("3", "refused: the exposures do not belong together or, with --strict, there are notes on them"),
        ("130, 143", "stopped by Ctrl-C or SIGTERM"),
    )


def _weighting(text: str | None) -> str | list[float] | None:
    """Return the weighting that an option names: "variance", or one number for each exposure."""
    if text is None or text == "variance":
        return text
    return numbers_of("--weighting", text, "variance, or one number for each exposure, such as 1,1,0.5")


def _shape(text: str | None) -> tuple[int, int] | None:
    """Return a number of rows and a number of columns."""
    if text is None:
        return None
    parts = numbers_of("--shape", text, "rows,columns, such as 2048,4096")
    if len(parts) != 2 or any(part != int(part) or part < 1 for part in parts):
        raise InvalidParameterError(f"--shape {text!r}: two positive whole numbers are needed, rows,columns")
    return int(parts[0]), int(parts[1])


def _sigma(text: str) -> float | tuple[float, float]:
    return number_or_pair("--sigma", text)


def _rounds(text: str) -> int:
    if not text.isdecimal():
        raise InvalidParameterError(f"rounds is {text!r}; a whole number is needed")
    return int(text)


def _names(text: str) -> list[str]:
    return [name for name in (part.strip() for part in text.split(",")) if name]


# Options whose text is not their value.
_PARSERS: dict[str, Callable[[str], Any]] = {
    "sigma": _sigma,
    "rounds": _rounds,
    "pixel_scale": lambda text: numbers_of("pixel_scale", text, "a number of arcseconds")[0],
    "weighting": _weighting,
    "shape": _shape,
    "planes": _names,
}


def coadd_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Return the options of a coadd that are given as NAME=VALUE.

    Parameters
    ----------
    texts : sequence of str

    Returns
    -------
    dict
        Names are those of the parameters of `evensky.combine_files`; whether they are known is checked there.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If a text has no name or no value, or a name is given twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        name = name.replace("-", "_")
        if not equals or not name or not value:
            raise InvalidParameterError(f"--coadd-option {text!r}: NAME=VALUE is needed, e.g. statistic=median")
        if name in found:
            raise InvalidParameterError(f"--coadd-option names {name} twice")
        found[name] = _PARSERS.get(name, str)(value)
    return found


@click.command("combine", cls=_CombineCommand)
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--out", "-o", required=True, type=PATH, help="FITS file for the coadd.")
@click.option(
    "--statistic",
    type=click.Choice(["meanclip", "mean", "median"]),
    default="meanclip",
    show_default=True,
    help="Value of a pixel: meanclip is the mean without outliers.",
)
@click.option(
    "--sigma",
    default="3",
    show_default=True,
    metavar="NUMBER",
    help="Limit of outliers in standard deviations: one number, or one for low and one for high values, as in 4,3.",
)
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    type=click.IntRange(1, MOST_ROUNDS),
    help="Number of rounds in which to reject.",
)
@click.option(
    "--centre",
    type=click.Choice(["median", "mean"]),
    help="Value about which outliers are sought in every round. By default the median in the first round and the mean "
    "in later ones.",
)
@click.option(
    "--scatter",
    type=click.Choice(["std", "mad"]),
    help="Measure of the scatter in every round: std is the standard deviation, mad 1.4826 times the median absolute "
    "deviation. By default the quartiles in the first round and the standard deviation in later ones.",
)
@click.option(
    "--weighting",
    metavar="variance|NUMBERS",
    help="Weights of the exposures: variance for the inverse variance of each pixel, or one number for each exposure "
    "as in 1,1,0.5. By default all count the same.",
)
@click.option(
    "--wcs",
    type=PATH,
    help="FITS file, or header as text, that gives the pixel grid of the coadd. By default, exposures on one pixel "
    "grid keep it, and others are resampled onto a grid around all.",
)
@click.option(
    "--pixel-scale", type=float, metavar="ARCSEC", help="Size of the pixels of the coadd; all exposures are resampled."
)
@click.option(
    "--shape", metavar="ROWS,COLUMNS", help="Size of the coadd, if not that of --wcs or around all exposures."
)
@click.option(
    "--resampling",
    type=click.Choice(["interp", "nearest", "adaptive", "exact"]),
    default="interp",
    show_default=True,
    help="Method by which reproject resamples exposures that are not on the pixel grid of the coadd: interp is "
    "bilinear, nearest takes the nearest pixel, adaptive (DeForest) and exact (spherical polygons) keep the flux.",
)
@click.option(
    "--covariance",
    metavar="FILE|none",
    help="Covariance of the models of a match (its file, or the output folder), which is added to the variance of the "
    "coadd. By default, that in the folder of FILES, if they are outputs of one match; none leaves it out.",
)
@click.option(
    "--planes",
    default="variance,mask",
    show_default=True,
    metavar="NAMES",
    help="What to write beside the image, separated by commas: variance, mask, number (of exposures used), rejected "
    "(exposures clipped), weight and exposure_time (maps of the sums).",
)
@takes(FileChoice, "use")
@takes(
    RunChoice,
    "jobs",
    scratch="Folder for the pixels of resampled and unpacked exposures.",
    max_memory="Memory for the pixels that are combined at once, such as 2GB or 512MiB; 1GB by default. Rows are read "
    "in bands that fit.",
    compress="Write a tile-compressed file, without loss.",
    overwrite="Replace an earlier file.",
    resume="Continue a run that was stopped; finished rows are kept.",
)
@click.option("--dry-run", is_flag=True, help="Show how the files would be used, as inspect does, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print all details as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress bar and no summary.")
def command(
    files: tuple[Path, ...],
    out: Path,
    statistic: str,
    sigma: str,
    rounds: int,
    centre: str | None,
    scatter: str | None,
    weighting: str | None,
    wcs: Path | None,
    pixel_scale: float | None,
    shape: str | None,
    resampling: str,
    covariance: str | None,
    planes: str,
    use: FileChoice,
    jobs: RunChoice,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Combine FILES, exposures of one field, to one image: the coadd.

    Exposures on one pixel grid keep their pixels. Others are resampled onto a common grid by the package reproject
    (pip install 'evensky[reproject]'). The pixels that do not count in a match do not count here, apart from those of
    sources (planes DETECTED and DETECTED_NEGATIVE). Exposures are combined as they are: match their backgrounds first,
    or use evensky match --coadd. Outputs of a match bring the errors of their models along, which the variance of the
    coadd then includes.

    Masks, errors and chips are found by the layout of the files; evensky inspect shows how. FILES are never changed.

    \b
    Examples:
      evensky combine matched/*_matched.fits --out coadd.fits
      evensky combine *.fits -o coadd.fits --statistic median --planes variance,mask,number
      evensky combine *.fits -o coadd.fits --sigma 4,3 --weighting variance --wcs tile.fits
    """
    with one_line(), stoppable("finished rows are kept; --resume continues the run"):
        asked: dict[str, Any] = {
            "statistic": statistic,
            "sigma": _sigma(sigma),
            "rounds": rounds,
            "centre": centre,
            "scatter": scatter,
            "weighting": _weighting(weighting),
            "wcs": wcs,
            "shape": _shape(shape),
            "pixel_scale": pixel_scale,
            "resampling": resampling,
            "covariance": False if covariance == "none" else covariance,
            "planes": _names(planes),
        }
        if dry_run:
            checked_output(out)
            checked_planes(asked["planes"])
            inspection = inspect_files(files, method="combine", **use.parameters)
            print_inspection(inspection, as_json=as_json)
            sys.exit(EXIT_REFUSED if inspection.is_refused(strict=use.strict) else 0)
        with progress_bar(False if quiet or as_json else None) as progress:
            run = combine_files(
                files,
                out,
                **asked,
                **use.parameters,
                **jobs.parameters,
                strict=use.strict,
                progress=progress,
            )
    failed = [record for record in run.records if record.status == "failed"]
    if as_json:
        print(json.dumps(_as_dict(run), indent=2))
    elif not quiet:
        print_combined(run)
    else:  # the reason of the exit code
        for record in failed:
            click.echo(f"evensky: {printable(record.label)}: {printable(record.message)}", err=True)
    if failed:
        sys.exit(EXIT_FAILED)


def print_combined(run: CombineRun) -> None:
    """Print what was used of each exposure, and the path of the coadd."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    header, rows = combine_rows(run.records)
    for name in header:
        figure = name not in (header[0], header[1], header[-1])
        table.add_column(name, justify="right" if figure else "left", no_wrap=figure, overflow="fold")
    for record, row in zip(run.records, rows, strict=True):
        colours = ["", "red" if record.status == "failed" else "green"]
        cells = [printable(cell) for cell in row]
        table.add_row(*(Text(cell, colours[at] if at < 2 else "") for at, cell in enumerate(cells)))
    console = open_console()
    console.print(table)
    told: dict[str, list[str]] = {}  # a sentence that is true of many exposures is printed once
    for record in run.records:
        for note in record.notes:
            told.setdefault(note, []).append(record.label)
    for note, labels in told.items():
        whose = "all exposures" if len(labels) == len(run.records) > 1 else ", ".join(labels)
        console.print(Text(printable(f"{whose}: {note}.")), soft_wrap=True)
    for note in run.notes:
        console.print(Text(printable(f"Note: {note}.")), soft_wrap=True)
    say(f"{printable(run.summary)}. Coadd: {run.output}")


def _as_dict(run: CombineRun) -> dict[str, Any]:
    """Return a run as plain types."""
    records = [asdict(record) for record in run.records]
    return {"output": str(run.output), "digest": run.digest, "records": records, "notes": list(run.notes)}
