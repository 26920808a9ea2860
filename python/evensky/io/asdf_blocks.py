"""Sizes of the tree and of the blocks of an ASDF file, which are looked at before they are believed."""

from __future__ import annotations

__all__ = ["largest_array"]

import io
import re
import struct
from pathlib import Path
from typing import BinaryIO

from ..errors import FitsError
from ..fits.budgets import MOST_BLOCKS, MOST_TREE, most_claimed

_MAGIC = b"\xd3BLK"
_HEADER = struct.Struct(">I4sQQQ16x")  # flags, compression, and sizes: allocated, used, of the data
_STREAMED = 1
_END = re.compile(rb"\r?\n\.\.\.\r?\n")
# Python converts numbers of up to 4300 digits.
_LONG_NUMBER = re.compile(rb"[0-9]{1000}")


def largest_array(path: str | Path) -> int:
    """Return the bytes that the largest array of an ASDF file may have: those of its largest block, or of its tree.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    evensky.errors.FitsError
        If the tree is too long, or a block is not there or claims more than compression can explain.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        start = file.read(MOST_TREE)
        first = start.find(_MAGIC)
        end = _END.search(start)
        tree = start[: end.end()] if end else start if first < 0 else start[:first]
        if len(tree) == MOST_TREE:
            raise FitsError(f"{path}: cannot be read as ASDF: its tree has no end in {MOST_TREE} bytes, the most read")
        if _LONG_NUMBER.search(tree):
            raise FitsError(f"{path}: cannot be read as ASDF: its tree holds a number of more than 1000 digits")
        # A number in an array within the tree has one letter at least, and up to 16 bytes.
        return max(16 * len(tree), 0 if first < 0 else _largest_block(file, first, size, path))


def _largest_block(file: BinaryIO, at: int, size: int, path: Path) -> int:
    largest = total = 0
    for number in range(MOST_BLOCKS + 1):
        file.seek(at)
        head = file.read(6 + _HEADER.size)
        if not head.startswith(_MAGIC):
            return largest
        if len(head) < 6 + _HEADER.size:
            raise FitsError(f"{path}: is not complete: block {number} ends in its header")
        flags, compression, allocated, used, data = _HEADER.unpack(head[6:])
        at += 6 + struct.unpack(">H", head[4:6])[0]
        if flags & _STREAMED:  # the rest of the file
            return max(largest, size - at)
        if allocated > size - at or used > allocated:
            raise FitsError(
                f"{path}: is not complete: block {number} says that it has {max(used, allocated)} bytes, but "
                f"{max(size - at, 0)} are left"
            )
        if compression.strip(b"\0"):
            total += data
            if total > most_claimed(size):
                raise FitsError(
                    f"{path}: says that its blocks unpack to {total} bytes, in a file of {size} bytes; if that is "
                    "true, write it without compression first"
                )
        largest = max(largest, data if compression.strip(b"\0") else used)
        at += allocated
    raise FitsError(f"{path}: has more than {MOST_BLOCKS} blocks, which is the most that are read")
