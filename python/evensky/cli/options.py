"""Parts that the commands share: options, one-line errors, and handling of signals."""

from __future__ import annotations

__all__ = [
    "COUNT",
    "EXIT_FAILED",
    "EXIT_REFUSED",
    "PATH",
    "Command",
    "Commands",
    "file_options",
    "one_line",
    "overwrite_option",
    "plane_options",
    "scratch_option",
    "stoppable",
]

import errno
import importlib
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import click

from .._text import printable
from ..errors import EvenskyError, FitsError, TaskError, UnsuitableError
from ..fits.descriptions import ALLOWED

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
# Errors of a disk, which are not caused by the call.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

COUNT = click.IntRange(1, 2**31 - 1)
"""Type of an option that is a positive number."""


class _Path(click.Path):
    """Type of a path that refuses "", which pathlib takes for the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("'' is not the name of a file or folder.", param, ctx)
        return super().convert(value, param, ctx)


PATH = _Path(path_type=Path)
"""Type of an option that is a path."""


class _Failure(click.ClickException):
    """A failure that is shown as one line, not as a traceback."""

    exit_code = EXIT_FAILED

    def __init__(self, error: Exception) -> None:
        super().__init__(printable(str(error)))

    def show(self, file: Any = None) -> None:
        click.echo(f"evensky: {self.message}", err=True)


class _UsageFailure(_Failure):
    """A failure that is caused by the call."""

    exit_code = EXIT_USAGE


class _Refusal(_Failure):
    """Exposures that would give wrong numbers; each reason is shown on a line of its own."""

    exit_code = EXIT_REFUSED

    def __init__(self, error: UnsuitableError) -> None:
        super().__init__(error)
        self.problems = error.problems

    def show(self, file: Any = None) -> None:
        click.echo("evensky: the exposures are refused:", err=True)
        for problem in self.problems:
            click.echo(f"  - {printable(problem)}", err=True)


@contextmanager
def one_line() -> Iterator[None]:
    """Turn an error into one line and an exit code: 1 if the data or a disk caused it, 2 if the call did.

    The code is 3 for exposures that do not belong together.
    """
    try:
        yield
    except UnsuitableError as error:
        raise _Refusal(error) from error
    except TaskError as error:
        raise _Failure(error) from error
    except EvenskyError as error:
        full = isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL
        raise (_Failure if full else _UsageFailure)(error) from error
    except OSError as error:  # the system does not accept the path
        raise _UsageFailure(FitsError(f"{error.filename}: {error.strerror or error}")) from error


class _Signal(BaseException):
    """A signal that ends the program; not an Exception, so that handlers of exceptions do not stop it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stoppable(hint: str) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into one line and the exit code that shells expect, after cleaning up."""

    def stop(number: int, frame: Any) -> None:
        raise _Signal(number)

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
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


class Commands(click.Group):
    """A group of commands, each in a module of its name that is imported when the command is called.

    Signals end all commands in the same way, at any time.
    """

    summaries: ClassVar[dict[str, str]] = {
        "background": "Model the background of FILE.",
        "demo": "Simulate exposures in FOLDER, match them, and compare the result with the truth.",
        "inspect": "Show how FILES would be used by match, and what is wrong with them.",
        "match": "Match the backgrounds of FILES, exposures of one field or mosaic.",
        "stats": "Print statistics of the good pixels of FILE, with errors.",
    }
    """First sentence of each command's help, so that a list of commands need not import them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.summaries:
            return None
        command: click.Command = importlib.import_module(f"{__package__}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with stoppable("nothing was lost"):
            return super().main(*args, **kwargs)


class Command(click.Command):
    """A command whose help lists its exit codes."""

    exit_codes: ClassVar[tuple[tuple[str, str], ...]] = (
        ("0", "done"),
        ("1", "the pixels do not allow the computation, or a disk is full"),
        ("2", "wrong usage, or a file that cannot be read or written"),
        ("130, 143", "stopped by Ctrl-C or SIGTERM"),
    )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl(self.exit_codes)


scratch_option = click.option(
    "--scratch",
    type=PATH,
    help="Folder in which to keep pixels on disk, for images larger than memory.",
)

_hdu_option = click.option(
    "--hdu",
    metavar="HDU",
    help="The image: number of an HDU, its name, or name and version as in SCI,2. By default, all science images of "
    "the layout.",
)
_PATTERN = (
    "an HDU, a file, or a file pattern such as 'masks/{stem}_mask.fits[DQ]', in which {stem}, {name} and {dir} stand "
    "for the stem, the name and the folder of the exposure's file, {stem:s/OLD/NEW/} for the stem with a part "
    "replaced, and {extname} and {extver} for the name and the version of the image's HDU. none ignores it."
)
_plane_options = [
    _hdu_option,
    click.option(
        "--mask", metavar="SPEC", help=f"Location of the mask, if it is not where the layout has it: {_PATTERN}"
    ),
    click.option(
        "--variance",
        metavar="SPEC",
        help="Location of the variances or standard deviations, as for --mask; the header or the name of the HDU says "
        "which they are.",
    ),
    click.option(
        "--weight",
        metavar="SPEC",
        help="Location of the weights (inverse variances), as for --mask. Pixels of weight 0 do not count.",
    ),
    click.option(
        "--bad-planes",
        metavar="NAMES",
        help="Mask planes whose pixels do not count, separated by commas: names, or values of flags such as 4 or "
        "4096+8192. By default those that the layout of the file calls bad.",
    ),
    click.option(
        "--good-bits",
        metavar="NAMES",
        help="Mask planes whose pixels count although they are bad by default, as for --bad-planes.",
    ),
]
_set_options = [
    click.option(
        "--same-grid",
        is_flag=True,
        help="Take the exposures to be on one pixel grid, whatever their WCS says.",
    ),
    click.option(
        "--allow",
        type=click.Choice(list(ALLOWED)),
        multiple=True,
        help="Do not refuse "
        + "; ".join(f"{meaning} ({name})" for name, meaning in ALLOWED.items())
        + ". May be repeated.",
    ),
    click.option(
        "--strict",
        is_flag=True,
        help="Refuse the exposures if anything about them is doubtful: any note but those that say what is used. After "
        "a match, fail if a flag says that results may be wrong.",
    ),
]


def plane_options(command: Any) -> Any:
    """Add the options that select an image of a file, its planes and bad pixels."""
    for option in reversed(_plane_options):
        command = option(command)
    return command


def file_options(command: Any) -> Any:
    """Add the options that say how the files of a set are used."""
    for option in reversed([*_plane_options, *_set_options]):
        command = option(command)
    return command


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace earlier files.")
