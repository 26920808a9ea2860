"""``evensky match``."""

from __future__ import annotations

__all__ = ["command"]

import sys
from pathlib import Path
from typing import Any

import click

from .._text import printable
from ..calls.inspect import inspect_files
from ..calls.match import match_files
from ..draw.progress import progress_bar
from ..errors import InvalidParameterError, NotFoundError
from ..io.configuration import make_config
from ..io.file_names import find_file
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.terms import KINDS
from ..runs.coadd import COADD_OPTIONS
from ..runs.joint import JointMethod
from ..runs.record import ALARMS
from ..tasks import MatchBackgroundsConfig
from .choices import FileChoice, RunChoice, takes
from .combine import coadd_settings, print_combined
from .console import print_inspection, print_run
from .options import EXIT_FAILED, EXIT_REFUSED, PATH, Command, one_line, stoppable

# The configuration of each method.
_KINDS: dict[str, Any] = {"all": MatchAllConfig, "reference": MatchBackgroundsConfig}


class _MatchCommand(Command):
    """A command whose help lists the fields of the configuration."""

    imports = ("astropy.io.fits", "astropy.wcs")

    def needed(self, ctx: click.Context) -> tuple[str, ...]:
        joint = ctx.params["method"] == "all" and not ctx.params["dry_run"]
        return (*self.imports, *(JointMethod.needed_later if joint else ()))

    exit_codes = (
        ("0", "all exposures matched"),
        (
            "1",
            "some exposures failed, no exposure can be the reference, a disk is full, the memory does not suffice or, "
            f"with --strict, results are in doubt: flags {', '.join(ALARMS)}",
        ),
        ("2", "wrong usage, or a folder that cannot be used"),
        ("3", "refused: the exposures do not belong together or, with --strict, there are notes on them"),
        ("130, 143", "stopped by Ctrl-C or SIGTERM"),
    )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for method, kind in _KINDS.items():
            with formatter.section(f"Configuration fields of --method {method}, with their defaults (-c name=value)"):
                formatter.write_dl(self._fields(kind))
        super().format_epilog(ctx, formatter)

    @staticmethod
    def _fields(kind: Any) -> list[tuple[str, str]]:
        rows = []
        for name, default in kind().toDict().items():
            field = kind._fields[name]
            text = ",".join(default) if isinstance(default, list) else str(default)
            allowed = getattr(field, "allowed", None)
            choice = f" One of {', '.join(str(key) for key in allowed if key is not None)}." if allowed else ""
            rows.append((f"{name}={text}", field.doc.split("\n")[0] + choice))
        return rows


def _config_for(method: str, file: Path | None, python_file: Path | None, settings: tuple[str, ...]) -> Any:
    """Make the configuration of a method; the error for an unknown field says if the other method has it."""
    kind = _KINDS[method]
    try:
        return make_config(kind, file, python_file, settings)
    except NotFoundError as error:
        hints = [
            f"; {name} is a field of --method {other}"
            for other, fields in _KINDS.items()
            for name in fields._fields
            if other != method and name not in kind._fields and f"'{name}'" in str(error)
        ]
        raise NotFoundError(str(error) + "".join(hints)) from None


def _known_values(option: str, texts: tuple[str, ...]) -> dict[str | Path, tuple[float, float]]:
    """Parse known values: FILE=VALUE+-ERROR."""
    values: dict[str | Path, tuple[float, float]] = {}
    for text in texts:
        name, equals, pair = text.rpartition("=")
        value, _, error = pair.replace("±", "+-").partition("+-")
        if not equals or not name:
            raise InvalidParameterError(f"{option} {text!r}: FILE=VALUE+-ERROR is needed, e.g. night1.fits=120.5+-0.3")
        if name in values:
            raise InvalidParameterError(f"{option} names {name} twice")
        try:
            values[name] = float(value), float(error)
        except ValueError:
            raise InvalidParameterError(
                f"{option} {text!r}: {pair!r} is no number with an error; write e.g. {name}=120.5+-0.3"
            ) from None
    return values


@click.command("match", cls=_MatchCommand)
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--out", "-o", required=True, type=PATH, help="Folder for the results; it is created if needed.")
@click.option("--reference", "-r", type=PATH, help="Exposure to leave unchanged; chosen automatically by default.")
@click.option(
    "--method",
    type=click.Choice(list(_KINDS)),
    default="all",
    show_default=True,
    help="all: joint match of all exposures at once; the model complexity is selected from the data. reference: match "
    "of each exposure to one reference with the configured model, as in LSST's MatchBackgroundsTask.",
)
@click.option(
    "--set", "-c", "settings", multiple=True, metavar="NAME=VALUE", help="Set a configuration field; may be repeated."
)
@click.option(
    "--terms",
    multiple=True,
    metavar="TERMS",
    help="Terms that the models may have, separated by commas; may be repeated. By default "
    "smooth,rows,columns,amplifier,gain. "
    + "; ".join(f"{kind}: {meaning}" for kind, meaning in KINDS.items())
    + ". Images are named as in template=fringes.fits, and labels as in detector=labels.fits, where {stem}, {name} and "
    "{dir} stand for the stem, the name and the folder of each exposure's file; amplifier=8x1 makes equal sections. "
    "After a colon, required gives a term to every exposure, and shared gives all the same amplitude.",
)
@click.option(
    "--sources",
    type=click.Choice(["auto", "mask", "keep"]),
    help="Light of stars and galaxies: mask leaves it out, keep compares all good pixels, and auto (the default) "
    "leaves it out of exposures with different pixel grids, in which it does not cancel.",
)
@click.option(
    "--scale",
    is_flag=True,
    help="Divide each exposure by its throughput, if that is measured. By default it is measured and told, but nothing "
    "is divided.",
)
@click.option("--fixed", multiple=True, metavar="FILE", help="Exposure to leave unchanged; may be repeated.")
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    metavar="FILE=VALUE+-ERROR",
    help="Known model of an exposure: the mean of what is added to it, with its error. May be repeated.",
)
@click.option(
    "--sky",
    "skies",
    multiple=True,
    metavar="FILE=LEVEL+-ERROR",
    help="Known sky of an exposure in absolute terms, with its error, in the unit of the pixels. It is removed, and "
    "all other exposures follow. May be repeated.",
)
@click.option("--config", "config_file", type=PATH, help="YAML, JSON or TOML file of configuration fields.")
@click.option("--python-config", type=PATH, help="Python file of configuration fields; it is executed.")
@takes(FileChoice, "use")
@takes(
    RunChoice,
    "jobs",
    compress="Write tile-compressed output files, without loss.",
    overwrite="Replace earlier results.",
    resume="Continue a run that was stopped; finished exposures are kept.",
)
@click.option(
    "--trust-outputs",
    is_flag=True,
    help="With --resume, compare only the sizes of earlier outputs with the journal, and do not read them to compare "
    "their digests.",
)
@click.option("--dry-run", is_flag=True, help="Show how the files would be used, as inspect does, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run, print all details as JSON.")
@click.option(
    "--coadd",
    is_flag=True,
    help="Combine the matched exposures, too, and write coadd.fits to the folder, with mask and variance; the variance "
    "includes that of the models.",
)
@click.option(
    "--coadd-option",
    "coadd_options",
    multiple=True,
    metavar="NAME=VALUE",
    help=f"Option of the coadd, as in evensky combine: {', '.join(COADD_OPTIONS[:-1])} or {COADD_OPTIONS[-1]}. May be "
    "repeated, and implies --coadd.",
)
@click.option(
    "--report/--no-report",
    default=True,
    show_default=True,
    help="Write report.html, and matched.run, from which evensky report makes it again.",
)
@click.option("--quiet", "-q", is_flag=True, help="Show no progress bar and no summary.")
def command(
    files: tuple[Path, ...],
    out: Path,
    reference: Path | None,
    method: str,
    settings: tuple[str, ...],
    terms: tuple[str, ...],
    sources: str | None,
    scale: bool,
    fixed: tuple[str, ...],
    anchors: tuple[str, ...],
    skies: tuple[str, ...],
    config_file: Path | None,
    python_config: Path | None,
    use: FileChoice,
    jobs: RunChoice,
    trust_outputs: bool,
    dry_run: bool,
    as_json: bool,
    coadd: bool,
    coadd_options: tuple[str, ...],
    report: bool,
    quiet: bool,
) -> None:
    """Match the backgrounds of FILES, exposures of one field or mosaic.

    A smooth model, with further terms if need be, is added to each exposure, so that all backgrounds agree. The sky
    that all exposures share is preserved, and the reference is not changed. The model complexity is selected from the
    data. Exposures may have any pointing, rotation, scale and distortion: if their WCS differ by more than whole
    pixels, the nearest pixels are compared on the sky, and nothing is resampled. Without WCS, exposures are on one
    pixel grid, and cover different parts of it if their headers give the origin (LTV1 and LTV2, or LSST's cards).

    The output folder receives <stem>_matched.fits for each exposure: a copy of its file in which only the pixels of the
    science images differ. It also receives matched.ecsv (the table of results), overlaps.ecsv (the differences in the
    overlaps before and after), report.html (the report, with pictures), and matched.journal, from which --resume
    continues a run that was stopped. With --coadd, it receives coadd.fits, the matched exposures in one image. Masks,
    errors and chips are found by the layout of the files; evensky inspect shows how. FILES are never changed.

    \b
    Examples:
      evensky match night/*.fits --out matched
      evensky match night/*.fits --out matched --coadd --coadd-option statistic=median
      evensky match *.fits --out matched --reference best.fits -c bin_size=128 --workers 2
      evensky match *.fits --out matched --mask 'masks/{stem}.fits' -c level=mean
      evensky match *.fits --out matched --terms smooth,gain,template=wisp.fits
      evensky match *.fits --out matched --method reference -c usePolynomial=true -c order=3
    """
    with one_line(), stoppable("finished exposures are kept; --resume continues the run"):
        if as_json and not dry_run:
            raise InvalidParameterError("--json prints what --dry-run finds; give both, or look at matched.ecsv")
        config = _config_for(method, config_file, python_config, settings)
        if dry_run:
            inspection = inspect_files(
                files if reference is None or find_file(reference, files) is not None else [*files, reference],
                method=method,
                **use.parameters,
            )
            print_inspection(inspection, as_json=as_json)
            sys.exit(EXIT_REFUSED if inspection.is_refused(strict=use.strict) else 0)
        with progress_bar(False if quiet else None) as progress:
            run = match_files(
                files,
                out,
                config=config,
                terms=terms or None,
                sources=sources,
                scale=scale or None,
                fixed=fixed,
                anchors=_known_values("--anchor", anchors),
                skies=_known_values("--sky", skies),
                reference=reference,
                **use.parameters,
                **jobs.parameters,
                strict=use.strict,
                trust_outputs=trust_outputs,
                coadd=True if coadd or coadd_options else None,
                coadd_options=coadd_settings(coadd_options),
                report=report,
                progress=progress,
            )
    if not quiet:
        print_run(run, out, report=report)
        if run.coadd is not None:
            print_combined(run.coadd)
    else:  # the reason of the exit code
        for record in run.failed:
            click.echo(f"evensky: {printable(record.label)}: {printable(record.message)}", err=True)
    if use.strict and run.alarmed:
        flags = ", ".join(dict.fromkeys(flag for record in run.alarmed for flag in record.alarms))
        click.echo(f"evensky: --strict: the results of {len(run.alarmed)} exposures are in doubt ({flags})", err=True)
        sys.exit(EXIT_FAILED)
    if run.failed:
        sys.exit(EXIT_FAILED)
