"""Unpacking of files that are compressed as a whole: no more than their own headers say that they hold."""

from __future__ import annotations

__all__ = ["content", "is_packed", "too_much"]

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import FitsError
from .budgets import LONGEST_HEADER, LONGEST_PADDING, MOST_DICTIONARY, MOST_FILES_OF_ZIP, MOST_HDUS, most_unpacked
from .cards import BLOCK, cards_of_block, data_size

_PIECE = 2**24


class _Xz(io.RawIOBase):
    """Content of an xz file, unpacked in a limited memory: the file itself says how much it needs."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._stream = self._new()

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_DICTIONARY)

    def read(self, size: int = -1, /) -> bytes:
        while True:
            if self._stream.eof:  # another stream may follow, behind padding
                rest = self._stream.unused_data.lstrip(b"\0")
                while not rest and (piece := self._packed.read(_PIECE)):
                    rest = piece.lstrip(b"\0")
                if not rest:
                    return b""
                self._stream = self._new()
            else:
                rest = self._packed.read(BLOCK * 16) if self._stream.needs_input else b""
                if self._stream.needs_input and not rest:
                    raise EOFError("it ends before its end-of-stream marker")
            if piece := self._stream.decompress(rest, size):
                return piece


def _first_of_zip(file: BinaryIO) -> Any:
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 2**16 - 22))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise ValueError("it has no list of its files at its end")
    count, listed = struct.unpack("<10xHI", tail[at : at + 16])
    if count > MOST_FILES_OF_ZIP or listed > MOST_FILES_OF_ZIP * 2**10:
        raise ValueError(f"it holds {count} files, and only archives of up to {MOST_FILES_OF_ZIP} are read")
    file.seek(0)
    archive = zipfile.ZipFile(file)
    files = [one for one in archive.infolist() if not one.is_dir()]
    if not files:
        raise ValueError("it holds no file")
    return archive.open(files[0])


_UNPACKERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": _Xz,
    b"PK\x03\x04": _first_of_zip,
}


def is_packed(path: Path) -> bool:
    """Return whether a file is compressed as a whole, by its first bytes.

    Raises
    ------
    evensky.errors.FitsError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except OSError as error:
        raise FitsError(f"{path}: cannot be read: {error.strerror or error}") from error
    return any(start.startswith(magic) for magic in _UNPACKERS)


def too_much(path: Path, claimed: str) -> FitsError:
    """Return the error for a file that unpacks to more than is allowed."""
    return FitsError(
        f"{path}: {claimed}, in a file of {path.stat().st_size} bytes; if that is true, unpack it first or allow it "
        "with --max-unpacked (max_unpacked)"
    )


def content(path: Path, max_unpacked: int | None = None) -> BinaryIO:
    """Open a file; decompress it if it is compressed as a whole.

    astropy would decompress while reading, and take a truncated file for one with fewer HDUs. What the headers do not
    claim is not unpacked, apart from the longest padding and one byte more, from which the reader sees that there is
    more.

    Parameters
    ----------
    path : Path
    max_unpacked : int, optional
        Number of bytes to which it may be unpacked; by default see `evensky.fits.budgets.most_unpacked`.

    Raises
    ------
    evensky.errors.FitsError
        If it is not a regular file, is damaged, or unpacks to too much.
    OSError
        If it cannot be opened.
    """
    # Without waiting: the path may have become a pipe since it was looked at.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(descriptor, "rb")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FitsError(f"{path}: is not a regular file")
        start = file.read(6)
        file.seek(0)
        unpacker = next((unpack for magic, unpack in _UNPACKERS.items() if start.startswith(magic)), None)
        if unpacker is None:
            return file
    except BaseException:
        file.close()
        raise
    with file:
        try:
            with unpacker(file) as packed:
                unpacked = _Unpacked(packed, path, most_unpacked(status.st_size, max_unpacked))
                unpacked.all_that_is_claimed()
        except FitsError:
            raise
        except MemoryError as error:
            raise FitsError(f"{path}: unpacks to more than fits into memory") from error
        except Exception as error:  # Each format raises exceptions of its own.
            reason = str(error) or type(error).__name__
            raise FitsError(f"{path}: cannot be unpacked: {reason}; it is damaged or not complete") from error
    unpacked.content.seek(0)
    return unpacked.content


class _Unpacked:
    """The content of a compressed file, as far as it was unpacked."""

    def __init__(self, packed: Any, path: Path, most: int) -> None:
        self.content = io.BytesIO()
        self._packed = packed
        self._path = path
        self._most = most

    def _up_to(self, size: int) -> bool:
        """Unpack up to a size; return whether there is so much."""
        while (missing := size - self.content.tell()) > 0:
            # Read in pieces, as gzip allocates as much memory as is read at once.
            if not (piece := self._packed.read(min(missing, _PIECE))):
                return False
            self.content.write(piece)
            if self.content.tell() > self._most:
                raise too_much(self._path, f"unpacks to more than {self._most} bytes")
        return True

    def _header(self, at: int) -> list[bytes]:
        """Return the cards of the header at a position; [] if there is none, or it has no end."""
        cards: list[bytes] = []
        start = b"XTENSION" if at else b"SIMPLE"
        while len(cards) * 80 <= LONGEST_HEADER:
            end = at + (len(cards) // 36 + 1) * BLOCK
            if not self._up_to(end):
                return []
            block = self.content.getbuffer()[end - BLOCK : end].tobytes()
            if not cards and not block.startswith(start):
                return []
            more, ended = cards_of_block(block)
            cards += more
            if ended:
                return cards
        return []

    def all_that_is_claimed(self) -> None:
        """Unpack the headers, the data that they claim, and what may follow them as padding."""
        at = 0
        for _ in range(MOST_HDUS + 1):
            if not (cards := self._header(at)):
                break
            try:
                size = data_size(cards)
            except ValueError:  # the reader says what is wrong
                break
            at += BLOCK * (len(cards) // 36 + 1)
            if at + size > self._most:
                raise too_much(self._path, f"says that it holds {size} bytes of pixels")
            if not self._up_to(at + size + -size % BLOCK):
                break
            at += size + -size % BLOCK
        # The reader compares the end with that of the last HDU; reading to the end checks the sum of the file.
        self._up_to(at + BLOCK + LONGEST_PADDING + 1)
