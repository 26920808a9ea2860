"""Parts that the commands share: options, one-line errors, and handling of signals."""

from __future__ import annotations

__all__ = [
    "COUNT",
    "EXIT_FAILED",
    "EXIT_REFUSED",
    "PATH",
    "Command",
    "Commands",
    "number_or_pair",
    "numbers_of",
    "one_line",
    "overwrite_option",
    "size_of",
    "stoppable",
]

import errno
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import click

from .._command import stop_silently
from .._garbage import begin_collection
from .._text import printable, reason_of, visible_lines
from ..errors import EvenskyError, FitsError, InvalidParameterError, TaskError, UnsuitableError
from .option_types import COUNT, PATH

# Time in seconds after which an exception that was swallowed is raised again.
_AGAIN = 0.3

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
# Errors of a disk or a file server, which are not caused by the call.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)


def numbers_of(option: str, text: str, needed: str) -> list[float]:
    """Return the numbers, separated by commas, that an option names.

    Parameters
    ----------
    option, text : str
        Name of the option and its value.
    needed : str
        What is allowed, for the message.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If a part is no number.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InvalidParameterError(f"{option} {text!r}: {needed} is needed") from None


def number_or_pair(option: str, text: str) -> float | tuple[float, float]:
    """Return the number, or the numbers for low and high values, that an option names."""
    numbers = numbers_of(option, text, needed := "one number, or low,high, such as 3 or 4,3,")
    if len(numbers) > 2:
        raise InvalidParameterError(f"{option} {text!r}: {needed} is needed")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def size_of(option: str, text: str, needed: str) -> int | tuple[int, int]:
    """Return the size of a square, or the height and width, that an option names; `needed` is what is allowed."""
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if len(sizes) not in (1, 2):
        raise InvalidParameterError(f"{option} {text!r}: {needed} is needed")
    return sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1])


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
        disk = isinstance(error.__cause__, OSError) and error.__cause__.errno in _DISK
        raise (_Failure if disk else _UsageFailure)(error) from error
    except OSError as error:  # the system does not accept the path, or a disk fails
        place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        failure = FitsError(f"{place}{error.strerror or reason_of(error)}")
        raise (_Failure if error.errno in _DISK else _UsageFailure)(failure) from error
    except MemoryError as error:
        raise _Failure(TaskError(f"the memory does not suffice{_said(error)}")) from error


def _said(error: BaseException) -> str:
    return f" ({printable(str(error))})" if str(error) else ""


class _Signal(SystemExit):
    """A signal that ends the program; not an Exception, so that handlers of exceptions do not stop it."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)  # the exit code that shells expect


def _is_unwinding() -> bool:
    """Return whether a `_Signal` is on its way up, as it is while blocks clean up."""
    error = sys.exception()
    while error is not None and not isinstance(error, _Signal):
        error = error.__context__
    return error is not None


class _Stop:
    """Handler of signals in the main thread: it raises `_Signal`, again and again until that arrives.

    Libraries, and Python itself, swallow exceptions in some places: in finalizers, and when a module is imported from
    compiled code.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._again = False

    def __call__(self, number: int, frame: Any) -> None:
        again, self._again = self._again, False
        if again and (self._left.is_set() or _is_unwinding()):
            return
        if self._left.is_set():
            stop_silently(number, frame)
        if self.number is None:
            self.number = number
            self._thread = threading.Thread(target=self._repeat, args=(number,), daemon=True, name="evensky-signal")
            self._thread.start()
        raise _Signal(number)

    def _repeat(self, number: int) -> None:
        while not self._left.wait(_AGAIN):
            with self._lock:
                if not self._left.is_set():
                    self._again = True
                    # Another thread could get a signal to the process, and handle it when this handler is gone.
                    signal.pthread_kill(threading.main_thread().ident or 0, number)

    def leave(self) -> None:
        """Raise no exceptions from now on."""
        with self._lock:
            self._left.set()
        if self._thread is not None:
            self._thread.join()
            # A signal that the thread has just sent arrives now, at the latest.
            signal.pthread_sigmask(signal.SIG_BLOCK, [])


@contextmanager
def stoppable(hint: str) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into one line and the exit code that shells expect, after cleaning up."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    stop = _Stop()

    def unraisable(found: Any) -> None:
        if not isinstance(found.exc_value, _Signal):
            hook(found)

    before: dict[signal.Signals, Any] = {}
    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, stop)
        yield
    except BaseException:  # an exception may have taken the place of that of the signal
        if stop.number is None:
            raise
    finally:
        stop.leave()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
    if stop.number is not None:
        click.echo(f"evensky: stopped by {signal.Signals(stop.number).name}; {hint}", err=True)
        sys.exit(128 + stop.number)


@contextmanager
def _plain_usage_errors() -> Iterator[None]:
    """Let click repeat what was typed with escapes for what could steer the terminal."""
    try:
        yield
    except click.UsageError as error:
        error.message = visible_lines(error.message)  # type: ignore[misc]  # click has no other place for it
        raise


class Commands(click.Group):
    """A group of commands, each in a module of its name that is imported when the command is called.

    Signals end all commands in the same way, at any time.
    """

    summaries: ClassVar[dict[str, str]] = {
        "background": "Model the backgrounds of FILES.",
        "combine": "Combine FILES, exposures of one field, to one image: the coadd.",
        "demo": "Simulate exposures in FOLDER, match them, and compare the result with the truth.",
        "inspect": "Show how FILES would be used by match, and what is wrong with them.",
        "match": "Match the backgrounds of FILES, exposures of one field or mosaic.",
        "report": "Make the report of a run again, without a match.",
        "stats": "Print statistics of the good pixels of FILES, with errors.",
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

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _plain_usage_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _plain_usage_errors():  # the command's own arguments are read here
            return super().invoke(ctx)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with stoppable("nothing was lost"):
            return super().main(*args, **kwargs)


class Command(click.Command):
    """A command whose help lists its exit codes; garbage is collected from its beginning on."""

    imports: ClassVar[tuple[str, ...]] = ()
    """Modules of other packages that it surely needs, which are imported before garbage is collected."""

    exit_codes: ClassVar[tuple[tuple[str, str], ...]] = (
        ("0", "done"),
        ("1", "the pixels do not allow the computation, or a disk is full"),
        ("2", "wrong usage, or a file that cannot be read or written"),
        ("130, 143", "stopped by Ctrl-C or SIGTERM"),
    )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl(self.exit_codes)

    def needed(self, ctx: click.Context) -> tuple[str, ...]:
        """Return `imports`, and the modules that this call with its options surely needs, too."""
        return self.imports

    def invoke(self, ctx: click.Context) -> Any:
        for name in self.needed(ctx):
            importlib.import_module(name)
        begin_collection()
        return super().invoke(ctx)


# For commands whose parameters are the options themselves.
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace earlier files.")
