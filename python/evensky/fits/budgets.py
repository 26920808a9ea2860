"""Limits of what is read: time and memory of reading a file are bounded by its size and by these numbers.

Each number is far above what files of instruments and pipelines have, and low enough that no file can keep a run busy
or fill the memory by a claim. A file beyond a limit is refused with a message that tells the limit.
"""

from __future__ import annotations

__all__ = [
    "GREATEST_RATIO",
    "LARGEST_NUMBER",
    "LONGEST_HEADER",
    "LONGEST_PADDING",
    "MOST_BLOCKS",
    "MOST_CARDS",
    "MOST_COLUMNS",
    "MOST_DICTIONARY",
    "MOST_FILES_OF_ZIP",
    "MOST_HDUS",
    "MOST_ODD_CARDS",
    "MOST_PIXELS_OF_TABLE",
    "MOST_SIP_ORDER",
    "MOST_TREE",
    "MOST_WCS_AXES",
    "SMALL_FILE",
    "UNSUSPICIOUS_BYTES",
    "most_claimed",
    "most_unpacked",
]

from .._memory import address_space, physical_memory
from .cards import BLOCK

MOST_CARDS = 36 * 2**10
"""Cards of one header: 36,864. Long histories have some thousands; a card takes up to 0.1 ms to parse and mend."""

MOST_ODD_CARDS = 2000
"""Cards of one header that are not as the standard has them, or continue others; they are parsed one by one before
astropy sees them. What is beyond is ignored."""

LONGEST_HEADER = 80 * MOST_CARDS
"""Bytes of one header."""

MOST_HDUS = 5000
"""HDUs of one file. Mosaics have hundreds, spectrographs with slits two thousand; each takes about 0.5 ms to open."""

LONGEST_PADDING = 36 * BLOCK
"""Bytes of padding after the last HDU. Tapes were written in blocks of up to ten times that of FITS."""

LARGEST_NUMBER = 2**62
"""Largest size of an axis, of a heap, or of the data of an HDU in bytes: positions in files have 63 bits."""

MOST_COLUMNS = 999
"""Columns of a table, by the FITS standard."""

MOST_WCS_AXES = 32
"""Axes of a WCS. Real ones have up to 5; wcslib allocates matrices of their square, and uses no more than 32."""

MOST_SIP_ORDER = 32
"""Order of a SIP distortion, of which matrices of its square are allocated. The convention has orders up to 9."""

MOST_PIXELS_OF_TABLE = 2**24
"""Values of a lookup table of a distortion. Those of Hubble's cameras have some thousands."""

UNSUSPICIOUS_BYTES = 2**28
"""Contents up to this size are read, however well they are compressed."""

SMALL_FILE = 2**20
"""Files up to this size, in bytes, hold no contents beyond `UNSUSPICIOUS_BYTES`."""

GREATEST_RATIO = 1100
"""Largest ratio of contents to a file. gzip compresses zeros by a factor of 1030, images of the sky by less than 10."""

MOST_DICTIONARY = 2**28
"""Bytes that xz may use to unpack. Its strongest preset uses 65 MB; a file may claim 4 GB."""

MOST_FILES_OF_ZIP = 1000
"""Files in a zip archive, whose list is read before any of them."""

MOST_TREE = 2**22
"""Bytes of the tree of an ASDF file; a megabyte takes a second and 80 MB to parse. Those of Roman have 100 kB."""

MOST_BLOCKS = 10_000
"""Blocks of an ASDF file."""

_SHARE_OF_MEMORY = 2


def _memory() -> int:
    """Return the memory in bytes that this process may use: that of the machine, or less if it is limited."""
    known = [number for number in (physical_memory(), address_space()) if number is not None]
    return min(known, default=LARGEST_NUMBER)


def most_claimed(size: int, chosen: int | None = None) -> int:
    """Return how many bytes the headers of a file may say that it holds.

    Parameters
    ----------
    size : int
        Bytes of the file as it is.
    chosen : int, optional
        Choice of the user, which takes the place of what compression can explain.

    Returns
    -------
    int

    Examples
    --------
    >>> most_claimed(1000), most_claimed(2**21), most_claimed(1000, 10**9)
    (268435456, 2306867200, 1000000000)
    """
    explained = UNSUSPICIOUS_BYTES if size <= SMALL_FILE else max(UNSUSPICIOUS_BYTES, GREATEST_RATIO * size)
    return max(size, explained if chosen is None else chosen)


def most_unpacked(size: int, chosen: int | None = None) -> int:
    """Return how many bytes a file that is compressed as a whole may unpack to, in memory.

    Parameters
    ----------
    size : int
        Bytes of the file as it is.
    chosen : int, optional
        Choice of the user. By default half of the memory, but no more than `most_claimed` allows.

    Returns
    -------
    int
    """
    if chosen is not None:
        return chosen
    return min(most_claimed(size), max(UNSUSPICIOUS_BYTES, _memory() // _SHARE_OF_MEMORY))
