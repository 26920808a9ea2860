"""Files of HCOMPRESS tiles whose damage crashes the decoder of astropy."""

from __future__ import annotations

CRASHED = r"is damaged: its HCOMPRESS_1 tiles (crash the decoder \(SIG\w+\)|cannot be decoded)"
"""What is said of the damage of `crashing`: division by zero ends a process on x86, but not on every processor."""

# Behind the mark, a tile holds its numbers of rows and columns, four bytes each.
_COLUMNS = slice(6, 10)


def first_tile(content: bytes) -> int:
    """Return the position of the first tile of a file; its first two bytes are the mark of HCOMPRESS."""
    return content.index(b"\xdd\x99")


def crashing(content: bytes) -> bytes:
    """Return the content of a file whose first tile has no columns, by whose number the decoder divides.

    Other damage makes the decoder write where it should not, and what comes of that differs from process to process.
    """
    damaged, first = bytearray(content), first_tile(content)
    damaged[first + _COLUMNS.start : first + _COLUMNS.stop] = bytes(4)
    return bytes(damaged)
