"""The command line: ``evensky match``, ``background``, ``stats`` and ``demo``."""

from __future__ import annotations

__all__ = ["main"]

import errno
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click

from ._core import __version__
from ._text import printable
from .errors import EvenskyError, FitsError, TaskError

if TYPE_CHECKING:
    from .tasks.run_record import MatchRun

_Function = TypeVar("_Function", bound=Callable[..., Any])

EXIT_FAILED = 1
EXIT_USAGE = 2
# Of a disk, through no fault of the call.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

_COUNT = click.IntRange(1, 2**31 - 1)


class _Path(click.Path):
    """A path that is named: pathlib takes "" for the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("'' is no name of a file or folder.", param, ctx)
        return super().convert(value, param, ctx)


_PATH = _Path(path_type=Path)

STATISTICS = (
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


class _Failure(click.ClickException):
    """One line for the user instead of a traceback."""

    def __init__(self, error: Exception) -> None:
        super().__init__(printable(str(error)))

    exit_code = EXIT_FAILED

    def show(self, file: Any = None) -> None:
        click.echo(f"evensky: {self.message}", err=True)


class _UsageFailure(_Failure):
    """The same where the call is at fault."""

    exit_code = EXIT_USAGE


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn errors into one line and an exit code: 1 where the data are at fault, 2 where the call is."""
    try:
        yield
    except TaskError as error:
        raise _Failure(error) from error
    except EvenskyError as error:
        full = isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL
        raise (_Failure if full else _UsageFailure)(error) from error
    except OSError as error:  # of a path that the system does not take
        raise _UsageFailure(FitsError(f"{error.filename}: {error.strerror or error}")) from error


class _Signal(BaseException):
    """A signal that asks to stop; no `except Exception` holds it up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def _stoppable(hint: str) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into one line and the exit code that shells expect, after all has been tidied up."""

    def stop(number: int, frame: Any) -> None:
        raise _Signal(number)

    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except _Signal as stopped:
        click.echo(f"evensky: stopped by {signal.Signals(stopped.number).name}; {hint}", err=True)
        sys.exit(128 + stopped.number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Commands(click.Group):
    """Signals end any command in the same way, from its first moment to its last."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with _stoppable("nothing was lost"):
            return super().main(*args, **kwargs)


class _Command(click.Command):
    """Says what its exit codes mean."""

    exit_codes: ClassVar[tuple[tuple[str, str], ...]] = (
        ("0", "done"),
        ("1", "the pixels do not allow it, or a disk is full"),
        ("2", "wrong usage, or a file that cannot be read or written"),
        ("130, 143", "stopped by Ctrl-C, by SIGTERM"),
    )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl(self.exit_codes)


class _MatchCommand(_Command):
    """Lists the configuration's fields below the options; they are read when help is asked for."""

    exit_codes = (
        ("0", "all matched"),
        ("1", "some failed"),
        ("2", "wrong usage"),
        ("130, 143", "stopped by Ctrl-C, by SIGTERM"),
    )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for method, kind in _config_kinds().items():
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


def _config_kinds() -> dict[str, Any]:
    """What the methods of matching are configured by."""
    from .matching.joint.config import MatchAllConfig
    from .tasks import MatchBackgroundsConfig

    return {"all": MatchAllConfig, "reference": MatchBackgroundsConfig}


def _config_for(method: str, file: Path | None, python_file: Path | None, settings: tuple[str, ...]) -> Any:
    """The configuration of a method; a field of the other one is told as such."""
    from .errors import NotFoundError
    from .tasks.configuration import make_config

    kinds = _config_kinds()
    kind = kinds.pop(method)
    try:
        return make_config(file, python_file, settings, kind)
    except NotFoundError as error:
        hints = [
            f"; {name} is a field of --method {other}"
            for other, fields in kinds.items()
            for name in fields._fields
            if name not in kind._fields and f"'{name}'" in str(error)
        ]
        raise NotFoundError(str(error) + "".join(hints)) from None


def _path_option(name: str, function: str, text: str) -> Callable[[_Function], _Function]:
    """An option that prints one of the package's folders instead of running a command."""

    def show(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            import evensky

            with _one_line():
                click.echo(getattr(evensky, function)())
            ctx.exit()

    return click.option(name, is_flag=True, expose_value=False, is_eager=True, callback=show, help=text)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="evensky")
@_path_option("--cmakedir", "get_cmake_dir", "Print the folder of the C++ library's CMake package and exit.")
@_path_option("--includedir", "get_include", "Print the folder of the C++ library's headers and exit.")
@click.option("--verbose", "-v", is_flag=True, help="Show the task's log.")
@click.pass_context
def main(ctx: click.Context, verbose: bool) -> None:
    """Even out the backgrounds of astronomical exposures.

    Try "evensky demo" first: it makes exposures, matches them and says how far from the truth it came.
    """
    if not sys.warnoptions:
        # Libraries warn of odd cards and odd numbers, in several lines each; what matters is in the summary.
        ctx.with_resource(warnings.catch_warnings())
        warnings.simplefilter("ignore")
    log = logging.getLogger("evensky")
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    else:
        # Warnings of single exposures are part of the summary.
        log.addHandler(logging.NullHandler())
        log.propagate = False


def _console() -> Any:
    from rich.console import Console

    # A pipe has no width; tables are not to be cut there.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 150)


def _summary(run: MatchRun, out: Path, *, report: bool = True) -> None:
    from rich.markup import escape
    from rich.table import Table

    from .display import run_table

    console = _console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    header, rows = run_table(run)
    for name in header[:2]:
        table.add_column(name, no_wrap=True)
    for name in header[2:-1]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(header[-1])
    colours = {"reference": "cyan", "matched": "green", "failed": "red"}
    for label, status, *figures, said in rows:
        table.add_row(escape(label), f"[{colours[status]}]{status}", *figures, escape(said))
    console.print(table)
    console.print(escape(run.choice))
    for note in run.notes:
        console.print(escape(note))
    for record in run.records:
        for warning in record.warnings:
            console.print(f"[yellow]{escape(record.label)}:[/] {escape(warning)}")
    look = f"Report: {out / 'report.html'}" if report else f"Table: {out / 'matched.ecsv'}"
    console.print(f"{run.summary}, {run.seconds:.1f} s. {look}", soft_wrap=True, markup=False)


@contextmanager
def _progress(show: bool) -> Iterator[Any]:
    """Something to call with a label, what is done and what there is to do."""
    from tqdm.auto import tqdm

    with tqdm(disable=None if show else True, unit="step", leave=False) as bar:

        def update(label: str, done: int, steps: int) -> None:
            bar.total = steps
            bar.set_description(label, refresh=False)
            bar.update(done - bar.n)

        yield update


_scratch = click.option(
    "--scratch",
    type=_PATH,
    help="Folder where pixels are kept instead of in memory, for images that are larger than it.",
)


@main.command(cls=_MatchCommand)
@click.argument("files", nargs=-1, required=True, type=_PATH)
@click.option("--out", "-o", required=True, type=_PATH, help="Folder for the results; made if needed.")
@click.option(
    "--reference",
    "-r",
    type=_PATH,
    help="File that stays as it is; the best of all if left out.",
)
@click.option(
    "--method",
    type=click.Choice(["all", "reference"]),
    default="all",
    show_default=True,
    help="all: every exposure to all others at once, each with a model of as many terms as it needs. reference: every "
    "exposure to one, with the model that is configured, as LSST's MatchBackgroundsTask does.",
)
@click.option(
    "--set", "-c", "settings", multiple=True, metavar="NAME=VALUE", help="Set a configuration field; may be repeated."
)
@click.option("--config", "config_file", type=_PATH, help="YAML, JSON or TOML file of configuration fields.")
@click.option("--python-config", type=_PATH, help="Python file of configuration fields; it is executed.")
@click.option(
    "--mask",
    metavar="SPEC",
    help="Where masks are: an HDU (name or number), or a file pattern such as 'masks/{stem}_mask.fits[DQ]'; {stem}, "
    "{name} and {dir} are those of the exposure.",
)
@click.option(
    "--variance",
    metavar="SPEC",
    help="Where variances are, likewise; WEIGHT or IVM are inverted, ERR, SIGMA or RMS are squared.",
)
@click.option("--workers", "-j", default=1, show_default=True, type=_COUNT, help="Number of threads, or processes.")
@click.option(
    "--executor",
    metavar="NAME",
    default="threads",
    show_default=True,
    help="What the work is done by: threads, processes, dask (processes of a local cluster), dask:ADDRESS (a cluster's "
    "scheduler; its machines must see the same files), mpi (under mpiexec -n 1 python -m mpi4py.futures, or with "
    "processes that MPI starts).",
)
@_scratch
@click.option("--compress", is_flag=True, help="Compress the files by tiles, without loss.")
@click.option("--overwrite", is_flag=True, help="Replace earlier results.")
@click.option("--resume", is_flag=True, help="Go on with a run that did not end; only what is missing is done.")
@click.option("--report/--no-report", default=True, show_default=True, help="Write report.html.")
@click.option("--quiet", "-q", is_flag=True, help="No progress bar, no summary.")
def match(
    files: tuple[Path, ...],
    out: Path,
    reference: Path | None,
    method: str,
    settings: tuple[str, ...],
    config_file: Path | None,
    python_config: Path | None,
    mask: str | None,
    variance: str | None,
    workers: int,
    executor: str,
    scratch: Path | None,
    compress: bool,
    overwrite: bool,
    resume: bool,
    report: bool,
    quiet: bool,
) -> None:
    """Even out the backgrounds of FILES, exposures of one pixel grid.

    Each exposure gets a smooth additive correction, so that all backgrounds agree; what all see stays as it is. How
    many terms a correction has is chosen by what the differences ask for. The reference stays as it is. Exposures may
    cover different parts of the grid, where their headers say which (LTV1, LTV2, or LSST's).
    Written to the output folder are <stem>_matched.fits for every exposure, matched.ecsv (figures) and report.html
    (pictures). FILES are LSST exposures (image, mask and variance) or any FITS images; they are never changed.
    matched.journal says what was asked for and what is finished: --resume goes on from there.

    \b
    Examples:
      evensky match night/*.fits --out matched
      evensky match *.fits --out matched --reference best.fits -c bin_size=128 --workers 2
      evensky match *.fits --out matched --mask 'masks/{stem}.fits' -c level=mean
      evensky match *.fits --out matched --method reference -c usePolynomial=true -c order=3
    """
    from .tasks.match_files import match_files

    with _one_line(), _stoppable("what is finished is kept, --resume goes on"):
        config = _config_for(method, config_file, python_config, settings)
        with _progress(not quiet) as progress:
            run = match_files(
                files,
                out,
                config=config,
                reference=reference,
                mask=mask,
                variance=variance,
                workers=workers,
                executor=executor,
                scratch=scratch,
                overwrite=overwrite,
                resume=resume,
                compress=compress,
                report=report,
                progress=progress,
            )
    if not quiet:
        _summary(run, out, report=report)
    if run.failed:
        sys.exit(EXIT_FAILED)


def _mask_of(file: Path, mask: str | None) -> str | None:
    """Where the mask of an exposure is."""
    from .tasks.file_access import plane_of
    from .tasks.labels import unique_labels

    return None if mask is None else plane_of(mask, file, unique_labels([file])[0])


_plane_options = [
    click.option(
        "--mask",
        metavar="SPEC",
        help="Where the mask is if not in its usual place: an HDU, or a file, in which {stem}, {name} and {dir} are "
        "those of FILE.",
    ),
    click.option(
        "--bad-planes",
        metavar="NAMES",
        help="Mask planes whose pixels do not count, separated by commas; NO_DATA, DETECTED, DETECTED_NEGATIVE, SAT, "
        "BAD, INTRP and CR if left out.",
    ),
]


def _with_planes(command: Any) -> Any:
    for option in reversed(_plane_options):
        command = option(command)
    return command


@main.command(cls=_Command)
@click.argument("file", type=_PATH)
@click.option("--out", "-o", type=_PATH, help="Write the model image here.")
@click.option("--subtracted", type=_PATH, help="Write the exposure less its model here.")
@click.option("--rms", type=_PATH, help="Write the standard deviation of the pixels, modelled likewise, here.")
@click.option(
    "--bin-size",
    "-b",
    default=128,
    show_default=True,
    type=_COUNT,
    help="Size of the bins in pixels.",
)
@click.option(
    "--statistic",
    default="MEANCLIP",
    show_default=True,
    type=click.Choice(["MEAN", "MEDIAN", "MEANCLIP"], case_sensitive=False),
    help="What is measured in a bin.",
)
@click.option(
    "--style",
    default="AKIMA_SPLINE",
    show_default=True,
    type=click.Choice(["CONSTANT", "LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE"], case_sensitive=False),
    help="How to interpolate between bins.",
)
@click.option("--order", type=click.IntRange(0, 2**31 - 1), help="Fit a Chebyshev series of this order instead.")
@click.option("--threads", "-j", default=1, show_default=True, type=_COUNT, help="Number of threads.")
@click.option("--overwrite", is_flag=True, help="Replace earlier files.")
@_scratch
@_with_planes
def background(
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
    mask: str | None,
    bad_planes: str | None,
) -> None:
    """Model the background of FILE.

    \b
    Examples:
      evensky background image.fits --out model.fits
      evensky background image.fits --bin-size 64 --statistic median --subtracted without-sky.fits
    """
    from .tasks.model_file import model_file

    with _one_line():
        model_file(
            file,
            out=out,
            subtracted=subtracted,
            rms=rms,
            bin_size=bin_size,
            statistic=statistic.upper(),
            style=style.upper(),
            order=order,
            mask=_mask_of(file, mask),
            bad_planes=bad_planes,
            num_threads=threads,
            overwrite=overwrite,
            scratch=scratch,
            say=click.echo,
        )


@main.command(cls=_Command)
@click.argument("file", type=_PATH)
@click.option("--sigma", default=3.0, show_default=True, help="Width of the clipping window in standard deviations.")
@click.option("--rounds", default=3, show_default=True, help="Number of clipping rounds.")
@click.option(
    "--property",
    "-p",
    "properties",
    multiple=True,
    metavar="NAME",
    help="Compute this only, e.g. MEDIAN; may be repeated.",
)
@_with_planes
def stats(
    file: Path, sigma: float, rounds: int, properties: tuple[str, ...], mask: str | None, bad_planes: str | None
) -> None:
    """Statistics of the good pixels of FILE, with errors.

    \b
    Examples:
      evensky stats image.fits
      evensky stats image.fits --mask DQ -p MEDIAN -p MEANCLIP
    """
    from rich.table import Table

    from .io import read_exposure
    from .math import ERRORS, StatisticsControl, makeStatistics, stringToStatisticsProperty
    from .tasks.file_access import bad_bits

    with _one_line():
        exposure = read_exposure(file, mask=_mask_of(file, mask))
        control = StatisticsControl(sigma, rounds)
        control.setAndMask(bad_bits(exposure.mask, bad_planes))
        wanted = [stringToStatisticsProperty(name.upper()) for name in properties or STATISTICS]
        flags = ERRORS
        for one in wanted:
            flags |= one
        result = makeStatistics(exposure.maskedImage, flags, control)
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("property")
        table.add_column("value", justify="right")
        table.add_column("error", justify="right")
        for one in wanted:
            value, error = result.getResult(one)
            table.add_row(one.name, f"{value:.10g}", f"{error:.4g}" if error > 0 else "")
    console = _console()
    console.print(f"{file}: {exposure.getWidth()} x {exposure.getHeight()} px")
    for note in exposure.assumptions:
        console.print(f"Note: {note}.", markup=False)
    console.print(table)


@main.command(cls=_Command)
@click.argument("folder", default="evensky-demo", type=_PATH)
@click.option("--number", "-n", default=6, show_default=True, type=click.IntRange(min=2), help="Number of exposures.")
@click.option(
    "--size", default=1024, show_default=True, type=click.IntRange(min=256), help="Side of the exposures in pixels."
)
@click.option("--seed", default=2026, show_default=True, help="The same seed gives the same exposures.")
@click.option("--workers", "-j", default=1, show_default=True, type=_COUNT, help="Number of threads.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier demo.")
def demo(folder: Path, number: int, size: int, seed: int, workers: int, overwrite: bool) -> None:
    """Make exposures with a known truth in FOLDER, match them, and say how far from the truth that came.

    A star field with diffuse light, seen under a different sky in each exposure, with chip gaps, bad columns, cosmic
    rays and detections in the masks. It is matched twice: all exposures to each other, and each to one reference.
    """
    from .matching.joint.config import MatchAllConfig
    from .simulate import make_exposures, write_exposures
    from .tasks import MatchBackgroundsConfig
    from .tasks.match_files import match_files

    with _one_line():
        inputs = folder / "exposures"
        if inputs.exists() and not overwrite:
            raise FitsError(
                f"{folder}: holds an earlier demo; choose another folder or allow overwriting with --overwrite"
            )
        click.echo(f"Making {number} exposures of {size} x {size} px in {inputs}")
        simulated = make_exposures(number, (size, size), seed)
        try:
            paths = write_exposures(simulated, inputs, overwrite=overwrite)
        except OSError as error:
            if isinstance(error, FitsError):
                raise
            raise FitsError(f"{inputs}: cannot be written: {error.strerror}") from error
        one_reference = MatchBackgroundsConfig()
        one_reference.binSize = 128
        runs: dict[str, tuple[str, Any]] = {
            "matched": ("all exposures to each other", MatchAllConfig()),
            "one-reference": ("each to one reference, splines of 128 px", one_reference),
        }
        failed = False
        for name, (words, config) in runs.items():
            out = folder / name
            with _progress(True) as progress:
                run = match_files(
                    paths,
                    out,
                    config=config,
                    workers=workers,
                    overwrite=overwrite,
                    report=False,
                    pictures=True,
                    progress=progress,
                )
            run.truth = _truth(run, simulated)
            from .report import write_report

            write_report(run, out / "report.html")
            click.echo(f"\n{words}")
            _summary(run, out)
            left = ", ".join(f"{key} {value:.3f}" for key, value in run.truth.items())
            click.echo(f"Pixel RMS against the truth [counts]: {left}")
            failed = failed or bool(run.failed)
        click.echo(f"\nLook at {folder / 'matched' / 'report.html'}")
    if failed:
        sys.exit(EXIT_FAILED)


def _truth(run: MatchRun, simulated: list[Any]) -> dict[str, float]:
    """Pixel RMS of what is left between the exposures' backgrounds and the reference's, before and after."""
    import numpy as np

    from .io import read_exposure
    from .simulate import residual_background

    by_name = {one.name: one for one in simulated}
    reference = by_name[run.reference]
    before, after = [], []
    for record in run.records:
        if record.status != "matched" or record.output is None:
            continue
        one = by_name[record.label]
        matched = read_exposure(record.output).image.array
        before.append(np.mean(np.square(one.sky.astype(np.float64) - reference.sky)))
        after.append(np.nanmean(np.square(residual_background(matched, one, reference))))
    return {"before": float(np.sqrt(np.mean(before))), "after": float(np.sqrt(np.mean(after)))}


if __name__ == "__main__":
    main()
