"""Digests of files, by which a file is known again.

They find what was damaged or changed by accident, not what was forged: XXH3 takes a twentieth of the time of SHA-256.
"""

from __future__ import annotations

__all__ = ["FileState", "HashedFile", "is_digest", "is_sha256", "state_of"]

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from xxhash import xxh3_128

# Large enough that other threads run meanwhile, and small enough for the caches of a processor.
_PIECE = 2**20


@dataclass(frozen=True)
class FileState:
    """Size of a file in bytes, and the digest of its content in hexadecimal digits: 32 of XXH3, or 64 of SHA-256."""

    size: int
    digest: str


class HashedFile:
    """A file that is written from its start to its end, so that its state is known without reading it.

    Parameters
    ----------
    file : binary file
        Empty, and open for writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = xxh3_128()
        self._size = 0
        self._ends_in_hole = False

    def write(self, content: bytes | memoryview) -> int:
        """Write bytes; return their number."""
        self._digest.update(content)
        self._file.write(content)
        number = memoryview(content).nbytes
        self._size += number
        self._ends_in_hole = self._ends_in_hole and number == 0
        return number

    def skip(self, number: int) -> None:
        """Add zeros that need no space on disk."""
        zeros = memoryview(bytes(min(number, _PIECE)))
        left = number
        while left > 0:
            self._digest.update(zeros[:left])
            left -= len(zeros)
        self._size += number
        self._file.seek(self._size)
        self._ends_in_hole = True

    def flush(self) -> None:
        """Hand all bytes to the system."""
        self._file.flush()

    def state(self) -> FileState:
        """Return the size and the digest of what was written, after all of it is handed to the system."""
        if self._ends_in_hole:
            self._file.truncate(self._size)
        self._file.flush()
        return FileState(self._size, self._digest.hexdigest())


def state_of(path: Path, between: Callable[[], object] = lambda: None, *, sha256: bool = False) -> FileState:
    """Read a file, and return its size and digest.

    Parameters
    ----------
    path : Path
    between : callable, optional
        Called before each piece of the file; it may raise an exception to end the reading.
    sha256 : bool, optional
        Compute the SHA-256 digest instead of XXH3 with 128 bits.

    Returns
    -------
    FileState

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    digest, size = hashlib.sha256() if sha256 else xxh3_128(), 0
    piece = memoryview(bytearray(_PIECE))
    with path.open("rb", buffering=0) as file:
        between()
        while count := file.readinto(piece):
            digest.update(piece[:count])
            size += count
            between()
    return FileState(size, digest.hexdigest())


def is_digest(text: str) -> bool:
    """Return whether a text can be the digest of a file."""
    return re.fullmatch("[0-9a-f]{32}|[0-9a-f]{64}", text) is not None


def is_sha256(digest: str) -> bool:
    """Return whether a digest is one of SHA-256, as earlier versions wrote."""
    return len(digest) == 64
