"""Opening of FITS files that may be broken, truncated, or wrong about their own size."""

from __future__ import annotations

__all__ = [
    "check_tiles",
    "content",
    "mended",
    "one_line",
    "opened",
    "opened_headers",
    "quiet",
    "real_path",
    "stored_hdu",
    "wrong_sums",
]

import errno
import io
import math
import os
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import EvenskyError, FitsError, NotFoundError
from .budgets import (
    LARGEST_NUMBER,
    LONGEST_PADDING,
    MOST_CARDS,
    MOST_COLUMNS,
    MOST_HDUS,
    most_claimed,
)
from .cards import BLOCK, cards_of_block, data_size
from .kept_values import KeptValues
from .known_facts import FACTS, state_of_open
from .mending import Patched, mended_cards
from .plain_headers import PlainHDU, StoredHeader, plain_hdus
from .plain_pixels import PlainHDUs
from .quiet import quiet
from .single_hdus import SingleHDUs
from .unpacking import content, too_much

_PIECE = 2**24
# Number of cards of plain files that are kept, of about 300 bytes each.
_MOST_KNOWN_CARDS = 100_000


def real_path(path: str | Path) -> Path:
    """Resolve the links of a path; unlike ``Path.resolve`` it accepts loops of links."""
    return Path(os.path.realpath(path))


def _check_start(file: BinaryIO, path: Path) -> None:
    start = file.read(6)
    file.seek(0)
    if start != b"SIMPLE":
        found = f"it begins with {start!r}, not with 'SIMPLE'" if start else "it is empty"
        raise FitsError(f"{path}: cannot be read as FITS: {found}")


# Cards that determine the size of the data, and their values.
_LAYOUT = re.compile(rb"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS) *=([^/]*)")
_BITPIX = (8, 16, 32, 64, -32, -64)
# Cards that determine the size of an image that is compressed in tiles, and their values.
_TILED = re.compile(rb"ZIMAGE  = +T")
_TILES = re.compile(rb"(ZBITPIX|ZNAXIS\d*|ZTILE\d+|ZPCOUNT|ZGCOUNT|ZQUANTIZ|THEAP|TFORM\d+) *=([^/]*)")
_COLUMN = re.compile(r"'\d*(([PQ][LXBIJKAEDCM](\(\d*\))?)|[LXBIJKAEDCM]) *'")
_COLUMN_OF_TILES = b"COMPRESSED_DATA"
_QUANTIZATIONS = ("NONE", "NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2")
_PADDING = b"\0 \r\n\x1a"


def _read_header(file: Any, at: int, path: Path) -> list[bytes]:
    """Return the cards of the header at a position, without END; [] if there is no header.

    Raises FitsError for impossible sizes, as astropy would count up to any number, or seek backwards.
    """
    file.seek(at)
    cards: list[bytes] = []
    while block := file.read(BLOCK):
        if not cards and at > 0 and not block.startswith(b"XTENSION"):
            break  # not an HDU: see _check_rest
        more, ended = cards_of_block(block)
        for card in more:
            if found := _LAYOUT.match(card):
                _check_layout(found[1].decode(), found[2].strip().decode("latin-1"), path)
        cards += more
        if ended:
            return cards
        if len(cards) > MOST_CARDS:
            raise FitsError(
                f"{path}: cannot be read as FITS: a header has no END card in {len(cards) * 80} bytes; headers of up "
                f"to {MOST_CARDS} cards are read"
            )
    return cards


def _check_layout(keyword: str, text: str, path: Path) -> None:
    try:
        value = int(text)
    except ValueError:
        value = None
    match keyword.removeprefix("Z").rstrip("0123456789" if keyword.startswith("ZTILE") else ""):
        case _ if keyword.startswith("TFORM"):
            right, allowed = _COLUMN.fullmatch(text) is not None, "it must be the form of a column, such as '1PB(100)'"
        case "QUANTIZ":
            right = text.strip("' ").upper() in _QUANTIZATIONS and text.startswith("'")
            allowed = f"it must be one of {', '.join(_QUANTIZATIONS)}"
        case "TILE":
            right, allowed = value is not None and value > 0, "it must be a whole number > 0"
        case "BITPIX":
            right, allowed = value in _BITPIX, f"it must be one of {', '.join(map(str, _BITPIX))}"
        case "NAXIS":
            right, allowed = value is not None and 0 <= value <= 999, "it must be 0 to 999"
        case "TFIELDS":
            right, allowed = value is not None and 0 <= value <= MOST_COLUMNS, f"it must be 0 to {MOST_COLUMNS}"
        case "GCOUNT":
            right, allowed = value is not None and value > 0, "it must be a whole number > 0"
        case _:
            right, allowed = value is not None and value >= 0, "it must be a whole number >= 0"
    if right and value is not None and value > LARGEST_NUMBER:
        right, allowed = False, f"it must not exceed {LARGEST_NUMBER}"
    if not right:
        raise FitsError(f"{path}: cannot be read as FITS: {keyword} = {text}; {allowed}")


def stored_hdu(hdu: Any) -> Any:
    """Return the HDU as stored: for a compressed image, the table of its tiles."""
    return getattr(hdu, "_bintable", hdu)


def _end(hdu: Any) -> int:
    """Return the position at which the next HDU would begin."""
    place = hdu.fileinfo() or {}
    return int(place.get("datLoc", 0) + place.get("datSpan", 0))


_mends: weakref.WeakKeyDictionary[Any, tuple[str, ...]] = weakref.WeakKeyDictionary()


def mended(hdu: Any) -> tuple[str, ...]:
    """Return a sentence, without a full stop, for each defect of an HDU's header that was mended to read it."""
    return _mends.get(hdu, ())


def _mend(file: Patched, path: Path) -> list[StoredHeader]:
    """Mend all headers before astropy reads them; return them, with what was done to each."""
    headers: list[StoredHeader] = []
    at = 0
    while cards := _read_header(file, at, path):
        new, what = mended_cards(cards)
        if new != cards:
            file.patch(at, b"".join(new))
        number = len(headers)
        if any(map(_TILED.match, new)):
            for card in new:
                if found := _TILES.match(card):
                    _check_layout(found[1].decode(), found[2].strip().decode("latin-1"), path)
            if not any(re.match(rb"TTYPE\d+ *= *'%s *'" % _COLUMN_OF_TILES, card) for card in new):
                raise FitsError(
                    f"{path}: cannot be read as FITS: HDU {number} says that it is a compressed image, but has "
                    "no column 'COMPRESSED_DATA'"
                )
        if number == MOST_HDUS:
            raise FitsError(f"{path}: has more than {MOST_HDUS} HDUs, which is the most that are read; divide the file")
        try:
            size = data_size(new)
        except ValueError as error:
            raise FitsError(f"{path}: cannot be read as FITS: HDU {number}: {error}") from error
        if size > LARGEST_NUMBER:
            raise FitsError(
                f"{path}: cannot be read as FITS: the axes of HDU {number} make more than {LARGEST_NUMBER} "
                "bytes of data"
            )
        # END and the padding of the header, then the data with their padding
        start = at + BLOCK * -(-80 * (len(cards) + 1) // BLOCK)
        headers.append(StoredHeader(new, tuple(what), start, size, new != cards))
        at = start + BLOCK * -(-size // BLOCK)
    file.seek(0)
    return headers


@dataclass(frozen=True)
class _Known:
    """The sound headers of a file that was opened before.

    Attributes
    ----------
    headers : list of StoredHeader
    plain : list of PlainHDU or None
        None if some HDU is no plain image.
    claimed : int
        Bytes of pixels that the file says that it holds.
    """

    headers: list[StoredHeader]
    plain: list[PlainHDU] | None
    claimed: int

    @property
    def cards(self) -> int:
        """Number of cards."""
        return sum(len(header.cards) for header in self.headers)


# The headers of files that were opened before, by the states of the files.
_known_headers: KeptValues[_Known] = KeptValues(_MOST_KNOWN_CARDS)


def _know(state: tuple[int, ...] | None, known: _Known) -> None:
    """Keep the headers of a file, unless some were mended."""
    if not any(header.changed or header.notes for header in known.headers):
        _known_headers.keep(state, known, known.cards)


@contextmanager
def _headers(raw: BinaryIO, path: Path, chosen: int | None, *, plain: bool, singly: bool) -> Iterator[Any]:
    """Read the headers of all HDUs.

    Parameters
    ----------
    raw : binary file
    path : Path
    chosen : int or None
        Number of bytes that the user allows.
    plain, singly : bool
        See `opened_headers`.
    """
    most = most_claimed(path.stat().st_size, chosen)
    state = state_of_open(raw) if plain else None
    known = _known_headers.get(state)
    if known is not None and (known.plain is not None or singly):
        if known.claimed > most:
            raise too_much(path, f"says that it holds {known.claimed} bytes of pixels")
        yield SingleHDUs(known.headers, raw) if known.plain is None else PlainHDUs(known.plain, raw)
        return
    _check_start(raw, path)
    file = Patched(raw)
    headers = _mend(file, path)
    # A file that ends within a header is left to astropy.
    plain_ones = plain_hdus(headers) if plain and headers[-1].start <= raw.seek(0, io.SEEK_END) else None
    if plain_ones is not None:
        claimed = sum(hdu.size for hdu in plain_ones)
        if claimed > most:
            raise too_much(path, f"says that it holds {claimed} bytes of pixels")
        for hdu in plain_ones:
            _check_rest(raw, _end(hdu), path)
        _check_complete(plain_ones, raw, path)
        _know(state, _Known(headers, plain_ones, claimed))
        yield PlainHDUs(plain_ones, raw)
        return
    from astropy.io import fits

    file.seek(0)
    with quiet():
        hdus = fits.open(file, memmap=False)
        try:
            claimed = 0
            for index, hdu in enumerate(hdus):  # one by one, so that the claimed size is known before decompression
                if not hasattr(hdu, "fileinfo"):  # astropy's way to tell that it could not make an HDU
                    raise FitsError(
                        f"{path}: HDU {index} cannot be read: its header is damaged, or there is not enough memory"
                    )
                if index < len(headers) and headers[index].notes:
                    _mends[hdu] = headers[index].notes
                shape = hdu.shape if getattr(hdu, "is_image", False) else ()
                claimed += math.prod(shape) * abs(int(hdu.header.get("BITPIX", 8))) // 8 if shape else hdu.size
                if claimed > most:
                    raise too_much(path, f"says that it holds {claimed} bytes of pixels")
                end = _end(hdu)
                _check_rest(raw, end, path)
        except BaseException:
            hdus.close()
            raise
    with hdus:
        _check_complete(hdus, raw, path)
        if len(headers) == len(hdus):
            _know(state, _Known(headers, None, claimed))
        yield hdus


def _check_complete(hdus: Any, file: BinaryIO, path: Path) -> None:
    """Raise FitsError if the file is shorter than its headers say."""
    size = file.seek(0, io.SEEK_END)
    end = 0
    for hdu in hdus:
        end = max(end, _end(hdu))
        if (hdu.fileinfo() or {}).get("datLoc", 0) + stored_hdu(
            hdu
        ).size > size:  # The padding of the last block may be missing.
            raise FitsError(f"{path}: is not complete: {size} bytes, but its headers say {end}")
    _check_rest(file, end, path, last=True)


def _check_rest(file: BinaryIO, at: int, path: Path, *, last: bool = False) -> None:
    """Raise FitsError if an HDU is followed by neither padding nor, unless it is the last one, another HDU.

    astropy would ignore such bytes or read on: a truncated header would be missed.
    """
    before = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(at)
    start = file.read(BLOCK)
    if last or not (start.startswith(b"XTENSION") and len(start) == BLOCK):
        rest = start + file.read(LONGEST_PADDING)
        if rest.strip(_PADDING) or len(rest) < size - at:
            raise FitsError(f"{path}: is not complete: {size - at} bytes after its last whole HDU are not a whole HDU")
    file.seek(before)


def check_tiles(hdu: Any, path: str | Path) -> None:
    """Raise FitsError if a compressed image has the wrong number of tiles, or tiles outside their heap."""
    if (table := stored_hdu(hdu)) is hdu:
        return
    header = table.header
    axes = [(int(header[f"ZNAXIS{n}"]), int(header[f"ZTILE{n}"])) for n in range(1, int(header["ZNAXIS"]) + 1)]
    needed = math.prod(-(-size // tile) for size, tile in axes)
    rows = np.asarray(table.data)
    if rows.size != needed:
        raise FitsError(f"{path}: HDU {hdu.name!r} has {rows.size} tiles; an image of its size has {needed}")
    heap = int(header["PCOUNT"])
    for name in rows.dtype.names or ():
        if rows[name].ndim == 2 and rows[name].shape[1] == 2:  # number of elements, and their offset
            count, start = rows[name].astype(np.int64).T
            if ((count > 0) & ((start < 0) | (start + count > heap))).any():
                raise FitsError(f"{path}: HDU {hdu.name!r} has a tile outside its heap of {heap} bytes")


def _datasum(file: BinaryIO, start: int, size: int) -> int:
    """Compute the FITS checksum of a part of a file: 32-bit words, ones' complement (FITS standard 4.0, appendix J)."""
    before = file.tell()
    file.seek(start)
    total = 0
    while size > 0 and (piece := file.read(min(size, _PIECE))):
        size -= len(piece)
        words = np.frombuffer(piece + bytes(-len(piece) % 4), ">u4")
        total += int(words.sum(dtype=np.uint64))
    file.seek(before)
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def wrong_sums(*hdus: Any) -> list[str]:
    """Return a sentence for each HDU whose DATASUM is not that of its data.

    CHECKSUM is not compared: it includes the header, and many tools that edit headers do not update it.
    """
    sentences = []
    for hdu in hdus:
        if hdu is None or "DATASUM" not in (header := stored_hdu(hdu).header):
            continue
        try:
            said = int(header["DATASUM"])
        except (ValueError, TypeError):  # A DATASUM that is not a number cannot be tested.
            continue
        place = stored_hdu(hdu).fileinfo() or {}
        if (file := place.get("file")) is None:
            continue
        key = FACTS.key(hdu, "DATASUM")
        found = FACTS.get(key)
        if found is None:
            found = _datasum(file, place["datLoc"], place["datSpan"])
            FACTS.keep(key, found)
        if found != said:
            sentences.append(
                f"DATASUM of HDU {hdu.name!r} is not that of its data: they are damaged, or were changed without it"
            )
    return sentences


@contextmanager
def opened(path: str | Path, max_unpacked: int | None = None) -> Iterator[Any]:
    """Open a file and yield its HDUs, all of which can be read; any failure becomes a FitsError of one line."""
    with opened_headers(path, max_unpacked) as hdus:
        for hdu in hdus:
            check_tiles(hdu, path)
        yield hdus


@contextmanager
def opened_headers(
    path: str | Path, max_unpacked: int | None = None, *, plain: bool = False, singly: bool = False
) -> Iterator[Any]:
    """Open a file and yield its HDUs, of which only the headers were read; any failure becomes a FitsError of one line.

    Headers that astropy cannot read are mended; see `mended`. The file is as long as its headers say, but `check_tiles`
    must be called before the pixels of a compressed image are read.

    Parameters
    ----------
    path : str or Path
        The file. One that is compressed as a whole must be decompressed for this.
    max_unpacked : int, optional
        Number of bytes to which it may be decompressed; by default see `evensky.fits.budgets.most_unpacked`.
    plain : bool, optional
        Whether the HDUs may be those of `evensky.fits.plain_pixels.PlainHDUs`, which are read without astropy, if all
        are plain images. Their headers are kept, so that such a file is opened again at once unless it was changed.
    singly : bool, optional
        Whether other HDUs may be those of `evensky.fits.single_hdus.SingleHDUs`, which are opened when they are asked
        for, if `plain` is true and the file was opened before and not changed.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing, broken, not complete, or beyond the limits of `evensky.fits.budgets`.
    """
    path = Path(path)
    with one_line(path):
        if path.is_dir():
            raise FitsError(f"{path}: is a folder, not a FITS file")
        if not path.exists():
            raise FitsError(f"{path}: there is no such file")
        if not path.is_file():
            raise FitsError(f"{path}: is not a regular file")
        with (
            content(path, max_unpacked) as file,
            _headers(file, path, max_unpacked, plain=plain, singly=singly) as hdus,
        ):
            yield hdus


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Turn any failure to read a file into a FitsError of one line that names it."""
    try:
        yield
    except (FitsError, NotFoundError):
        raise
    except EvenskyError as error:
        raise FitsError(f"{path}: {error}") from error
    except Exception as error:  # astropy raises many kinds of exceptions on broken files.
        # Errors of the system have a number, those of astropy have none; EINVAL comes from positions beyond any file.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise FitsError(f"{path}: cannot be read: {error.strerror}") from error
        raise FitsError(f"{path}: {_reason(error)}") from error


# What astropy raises where headers and data contradict each other in a way that it does not expect.
_UNEXPECTED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    UnboundLocalError,
)


def _reason(error: Exception) -> str:
    """Return in the words of FITS why a file cannot be read."""
    if isinstance(error, MemoryError):
        return f"does not fit into memory: {' '.join(str(error).split()) or 'there is none left'}"
    reason = " ".join(str(error).split()) or type(error).__name__
    if found := re.match(r"Unparsable card \((.*?)\)", reason):
        return f"cannot be read as FITS: card {found[1]} cannot be parsed"
    if found := re.match(r"\W*Keyword '(.*?)' not found", reason):
        return f"cannot be read as FITS: a header has no {found[1]} card, which it needs"
    if isinstance(error, OSError) and error.errno == errno.EINVAL:
        return "cannot be read as FITS: its headers claim more data than a file can hold"
    if isinstance(error, _UNEXPECTED):
        return "cannot be read as FITS: a header contradicts itself, or the data that it describes"
    return f"cannot be read as FITS: {reason}"
