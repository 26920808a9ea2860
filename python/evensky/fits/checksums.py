"""Checksums of HDUs (FITS standard 4.0, appendix J): 32-bit words in ones' complement."""

from __future__ import annotations

__all__ = ["added", "added_words", "encoded"]

from collections.abc import Iterable

import numpy as np

_ALL_BITS = 0xFFFFFFFF
# Letters that are neither digits nor letters, between "0" and "z".
_PUNCTUATION = frozenset(b":;<=>?@[\\]^_`")


def added(pieces: Iterable[bytes | memoryview], total: int = 0) -> int:
    """Add the words of pieces to a checksum; only the last piece may have a size that is not a multiple of 4."""
    for piece in pieces:
        whole = len(piece) - len(piece) % 4
        total += int(np.frombuffer(piece[:whole], ">u4").sum(dtype=np.uint64)) if whole else 0
        if whole < len(piece):
            total += int.from_bytes(bytes(piece[whole:]).ljust(4, b"\0"), "big")
    return _folded(total)


def added_words(pieces: Iterable[np.ndarray], total: int = 0) -> int:
    """Add words, arrays of uint32 in native byte order, to a checksum."""
    for words in pieces:
        total += int(words.sum(dtype=np.uint64))
    return _folded(total)


def _folded(total: int) -> int:
    """Return a sum in ones' complement with 32 bits."""
    while total >> 32:
        total = (total & _ALL_BITS) + (total >> 32)
    return total


def encoded(total: int) -> str:
    """Return the 16 letters of CHECKSUM that make the checksum of an HDU all ones.

    Parameters
    ----------
    total : int
        Checksum of the HDU while CHECKSUM holds 16 zeros.
    """
    letters = bytearray(16)
    for place, byte in enumerate((total ^ _ALL_BITS).to_bytes(4, "big")):
        quarters = [byte // 4 + ord("0") + (byte % 4 if n == 0 else 0) for n in range(4)]
        for first in (0, 2):
            while quarters[first] in _PUNCTUATION or quarters[first + 1] in _PUNCTUATION:
                quarters[first] += 1
                quarters[first + 1] -= 1
        for n, letter in enumerate(quarters):
            letters[4 * n + place] = letter
    # The string of CHECKSUM begins one byte before the end of a word.
    return (letters[-1:] + letters[:-1]).decode("ascii")
