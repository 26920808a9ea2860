"""Files of JSON lines to which one process at a time may append."""

from __future__ import annotations

__all__ = ["LockedLines"]

import fcntl
import json
import logging
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from ..errors import FitsError

log = logging.getLogger("evensky")


class LockedLines:
    """A file of JSON lines. Any thread may append to it, but no other process.

    A line is on disk before the next one begins. The last line may be torn if a process was killed; it is ignored.

    Parameters
    ----------
    path : Path
        The file; it need not exist.

    Raises
    ------
    evensky.errors.FitsError
        If another process is writing the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        self._whole = 0
        self.check_free()

    def check_free(self) -> None:
        """Raise an error if another process is writing the file."""
        if not self.path.is_file() or self.path.is_symlink():
            return
        try:
            file = self.path.open("r+")
        except OSError:  # reported when the file is written
            return
        with file:
            self._take_lock(file)

    def _take_lock(self, file: TextIO) -> None:
        """Lock the file; the lock ends with the process."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FitsError(
                f"{self.path.parent}: another run is at work in it; wait until it ends, or choose another folder"
            ) from None
        except OSError as error:  # a file system without locks
            log.debug("%s cannot be locked: %s", self.path, error)

    def read(self) -> list[Any]:
        """Read all complete lines.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be read.
        ValueError
            If a line is not JSON.
        """
        if not self.path.is_file() or self.path.is_symlink():  # reading a pipe would wait for ever
            raise FitsError(f"{self.path}: cannot be read: it is not a regular file")
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise FitsError(f"{self.path}: cannot be read: {error.strerror}") from error
        self._whole = content.rfind(b"\n") + 1
        return [json.loads(line) for line in content[: self._whole].decode().splitlines()]

    def open(self) -> bool:
        """Open the file to append to the lines that were read; return whether there are any.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be written, or another process is writing it.
        """
        try:
            self.check_free()
            if self._whole == 0:
                # The file is removed first, so that nothing is written through a link.
                self.path.unlink(missing_ok=True)
            self._file = self.path.open("r+" if self._whole else "x", encoding="utf-8")
            self._take_lock(self._file)
            # A torn line at the end is cut off.
            self._file.truncate(self._whole)
            self._file.seek(self._whole)
        except OSError as error:
            raise self._not_written(error) from error
        return self._whole > 0

    def append(self, line: Mapping[str, Any]) -> None:
        """Append a line, and wait until it is on disk."""
        with self._lock:
            assert self._file is not None  # it was opened before
            try:
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise self._not_written(error) from error

    def _not_written(self, error: OSError) -> FitsError:
        return error if isinstance(error, FitsError) else FitsError(f"{self.path}: cannot be written: {error.strerror}")

    def close(self) -> None:
        """Close the file."""
        # Every line was written when it was appended; errors were raised then.
        with self._lock, suppress(OSError):
            if self._file is not None:
                self._file.close()
