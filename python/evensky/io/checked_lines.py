"""Files of JSON lines, each with a checksum that depends on all lines before it."""

from __future__ import annotations

__all__ = ["CheckedLines", "LineError", "LinesError", "UncheckedLineError", "parsed", "sealed"]

import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .._text import reason_of
from ..errors import FitsError

# The checksum is the last item of the object in a line; it belongs to the text before it.
_BEFORE_SUM = b', "checksum": "'
_AFTER_SUM = b'"}\n'
_SUM_LENGTH = 64
_SUM_SIZE = len(_BEFORE_SUM) + _SUM_LENGTH + len(_AFTER_SUM)

# Longest number in a line. No size, time or parameter needs as many digits, and Python's time grows with their square.
_MOST_DIGITS = 100


class LinesError(ValueError):
    """A file is not as it was written."""


class LineError(LinesError):
    """A line is not as it was written.

    Attributes
    ----------
    number : int
        Number of the line, from 1.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number} {reason}")
        self.number = number


class UncheckedLineError(LineError):
    """The first line has no checksum.

    Attributes
    ----------
    text : bytes
        The line.
    """

    def __init__(self, text: bytes) -> None:
        super().__init__(1, "has no checksum")
        self.text = text


def parsed(text: bytes) -> Any:
    """Parse JSON whose numbers have a length that numbers can have.

    Parameters
    ----------
    text : bytes

    Returns
    -------
    object
        In JSON types.

    Raises
    ------
    ValueError
        If the text is not JSON, or a number is too long.
    RecursionError
        If lists or objects are nested too deeply.
    """

    def limited(kind: Callable[[str], Any]) -> Callable[[str], Any]:
        def number(digits: str) -> Any:
            if len(digits) > _MOST_DIGITS:
                raise ValueError(f"a number has {len(digits)} digits; at most {_MOST_DIGITS} are allowed")
            return kind(digits)

        return number

    return json.loads(text, parse_int=limited(int), parse_float=limited(float))


def sealed(line: Mapping[str, Any], before: str) -> tuple[bytes, str]:
    """Return the text of a line with its checksum, and the checksum.

    Parameters
    ----------
    line : mapping
        An object that is not empty, in JSON types; dataclasses become objects, too.
    before : str
        The checksum of the line before it, "" for the first line.

    Returns
    -------
    (bytes, str)
    """
    text = json.dumps(line, default=_fields_of)[:-1].encode("ascii")
    own = _checksum(text, before)
    return text + _BEFORE_SUM + own.encode("ascii") + _AFTER_SUM, own


def _fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, of which nothing is copied."""
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return {one.name: getattr(value, one.name) for one in fields(value)}


def _checksum(text: bytes, before: str) -> str:
    return hashlib.sha256(before.encode("ascii") + text).hexdigest()


class CheckedLines:
    """A file of JSON lines, to which any thread may append.

    A line is on disk before the next one begins. The last line may be torn, if the process was killed or the power
    failed; it is ignored. Any other line that was altered, removed, moved or damaged is found by its checksum. The
    checksum has no key: it protects from accidents and edits, not from forgery.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    guard : callable, optional
        Returns a context within which alone the file is written; it raises FitsError if the file may not be written.
    """

    def __init__(self, path: Path, guard: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        self.path = path
        self._guard = guard
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        # Length of the whole lines and checksum of the last one. They are replaced together, so that a signal cannot
        # come in between.
        self._end = (0, "")
        self._failure: OSError | None = None

    def read(self, longest: int, most: int) -> Iterator[dict[str, Any]]:
        """Iterate over the lines, without their checksums.

        Parameters
        ----------
        longest : int
            Greatest length of a line in bytes; a longer one is not read.
        most : int
            Greatest size of the file in bytes; a larger one is not read.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be read.
        LinesError
            If the file is too large.
        LineError
            If a line is too long, does not have its checksum, or cannot be parsed.
        """
        if not self.path.is_file() or self.path.is_symlink():
            raise self._not_read("it is not a regular file")
        try:
            with open(self.path, "rb", opener=_open_regular) as file:
                size = os.fstat(file.fileno()).st_size
                if size > most:
                    raise LinesError(f"has {size} bytes, of which no more than {most} can be lines of this run")
                number = 0
                while text := file.readline(longest + 1):
                    number += 1
                    if len(text) > longest:
                        raise LineError(number, f"has more than {longest} bytes")
                    if not text.endswith(b"\n"):  # torn
                        break
                    own = self._own_sum(text)
                    if own is None:
                        # Blocks of the last line that did not reach the disk before the power failed hold zeros.
                        if number > 1 and b"\0" in text and file.tell() == size:
                            break
                        if number == 1 and _BEFORE_SUM not in text:
                            raise UncheckedLineError(text)
                        raise LineError(
                            number,
                            "is damaged or was altered: its checksum is not that of its text and the lines before it",
                        )
                    try:
                        line = parsed(text[:-_SUM_SIZE] + b"}")
                    except (ValueError, RecursionError) as error:
                        raise LineError(number, f"cannot be parsed: {reason_of(error)}") from error
                    self._end = self._end[0] + len(text), own
                    yield line
        except FitsError:
            raise
        except OSError as error:
            raise self._not_read(error.strerror or str(error)) from error

    def _own_sum(self, text: bytes) -> str | None:
        """Return the checksum of a line, or None if it does not have the right one."""
        own = _checksum(text[:-_SUM_SIZE], self._end[1])
        return own if text[-_SUM_SIZE:] == _BEFORE_SUM + own.encode("ascii") + _AFTER_SUM else None

    def open(self) -> bool:
        """Open the file to append to the lines that were read; return whether there are any.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be written.
        """
        whole = self._end[0]
        try:
            with self._guard():
                if whole == 0:
                    # The file is removed first, so that nothing is written through a link.
                    self.path.unlink(missing_ok=True)
                # Without a buffer, so that bytes which could not be written are not written later.
                self._file = open(self.path, "r+b" if whole else "xb", buffering=0, opener=_open_regular)  # noqa: SIM115
                # A torn line at the end is cut off.
                self._file.truncate(whole)
        except OSError as error:
            raise self._not_written(error) from error
        if whole == 0:
            _sync_folder(self.path.parent)
        return whole > 0

    def append(self, line: Mapping[str, Any]) -> None:
        """Append a line, and wait until it is on disk.

        Parameters
        ----------
        line : mapping
            An object that is not empty, in JSON types; dataclasses become objects, too.

        Raises
        ------
        evensky.errors.FitsError
            If the line cannot be written; the file then ends with the line before it, and nothing more is written.
        """
        with self._lock:
            assert self._file is not None  # it was opened before
            if self._failure is not None:
                raise self._not_written(self._failure)
            whole, before = self._end
            text, own = sealed(line, before)
            try:
                with self._guard():
                    try:
                        self._write(text, whole)
                        self._end = whole + len(text), own
                    except BaseException:
                        # A piece of a line must not stay before the next one, not even after an interrupt.
                        self._cut()
                        raise
            except OSError as error:
                self._failure = error
                raise self._not_written(error) from error

    def _write(self, text: bytes, at: int) -> None:
        assert self._file is not None
        self._file.seek(at)
        left = memoryview(text)
        while left:  # on a disk that is nearly full, only a part of it is written
            left = left[self._file.write(left) :]
        os.fsync(self._file.fileno())

    def _cut(self) -> None:
        """Cut off what follows the last whole line; where that fails, it is a torn line, after which none may come."""
        assert self._file is not None
        try:
            self._file.truncate(self._end[0])
        except OSError as error:
            self._failure = error

    def _not_read(self, reason: str) -> FitsError:
        return FitsError(f"{self.path}: cannot be read: {reason}")

    def _not_written(self, error: OSError) -> FitsError:
        if isinstance(error, FitsError):
            return error
        return FitsError(f"{self.path}: cannot be written: {error.strerror or error}")

    def close(self) -> None:
        """Close the file."""
        # Every line was written when it was appended; errors were raised then.
        with self._lock, suppress(OSError):
            if self._file is not None:
                self._file.close()


def _open_regular(path: str, flags: int) -> int:
    """Open a file without following a link, and without waiting for the other end of a pipe."""
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise FitsError(f"{path}: is not a regular file")


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file last through a failure of the power, where the file system can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
