"""Opening of FITS files that may be broken, truncated, or wrong about their own size."""

from __future__ import annotations

__all__ = ["check_tiles", "content", "mended", "opened", "opened_headers", "quiet", "real_path", "wrong_sums"]

import bz2
import gzip
import io
import lzma
import math
import os
import re
import threading
import warnings
import weakref
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import EvenskyError, FitsError, NotFoundError
from .cards import BLOCK, data_size
from .mending import Patched, mended_cards

# Warning filters belong to the whole process, but files are read in several threads.
_warnings_lock = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress astropy's warnings about unusual cards."""
    from astropy.utils.exceptions import AstropyWarning

    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        yield


if hasattr(os, "register_at_fork"):
    # If a thread held the lock during a fork, the child would wait forever for a thread that it does not have.
    os.register_at_fork(
        before=_warnings_lock.acquire,
        after_in_parent=_warnings_lock.release,
        after_in_child=_warnings_lock.release,
    )

# Limits for files that claim a huge number of pixels. Contents larger than _UNSUSPICIOUS_BYTES must not be compressed
# more than gzip can compress zeros, by a factor of 1030, and a file smaller than _SMALL_FILE must not claim more.
_UNSUSPICIOUS_BYTES = 2**28
_SMALL_FILE = 2**20
_GREATEST_RATIO = 1100


def _first_of_zip(file: BinaryIO) -> Any:
    archive = zipfile.ZipFile(file)
    return archive.open(archive.infolist()[0])


_UNPACKERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
    b"PK\x03\x04": _first_of_zip,
}
_PIECE = 2**24


def real_path(path: str | Path) -> Path:
    """Resolve the links of a path; unlike ``Path.resolve`` it accepts loops of links."""
    return Path(os.path.realpath(path))


def _most_bytes(path: Path) -> int:
    size = path.stat().st_size
    return _UNSUSPICIOUS_BYTES if size <= _SMALL_FILE else max(_UNSUSPICIOUS_BYTES, _GREATEST_RATIO * size)


def _too_much(path: Path, claimed: str) -> FitsError:
    return FitsError(f"{path}: {claimed}, in a file of {path.stat().st_size} bytes; if that is true, unpack it first")


def content(path: Path) -> BinaryIO:
    """Open a file; decompress it if it is compressed as a whole.

    astropy would decompress while reading, and take a truncated file for one with fewer HDUs.
    """
    file = path.open("rb")
    start = file.read(6)
    file.seek(0)
    unpacker = next((unpack for magic, unpack in _UNPACKERS.items() if start.startswith(magic)), None)
    if unpacker is None:
        return file
    most = _most_bytes(path)
    content = io.BytesIO()
    with file:
        try:
            # Read in pieces, as gzip allocates as much memory as is read at once.
            with unpacker(file) as unpacked:
                while piece := unpacked.read(_PIECE):
                    content.write(piece)
                    if content.tell() > most:
                        raise _too_much(path, f"unpacks to more than {most} bytes")
        except FitsError:
            raise
        except MemoryError as error:
            raise FitsError(f"{path}: unpacks to more than fits into memory") from error
        except Exception as error:  # Each format raises exceptions of its own.
            reason = str(error) or type(error).__name__
            raise FitsError(f"{path}: cannot be unpacked: {reason}; it is damaged or not complete") from error
    content.seek(0)
    return content


def _check_start(file: BinaryIO, path: Path) -> None:
    start = file.read(6)
    file.seek(0)
    if start != b"SIMPLE":
        found = f"it begins with {start!r}, not with 'SIMPLE'" if start else "it is empty"
        raise FitsError(f"{path}: cannot be read as FITS: {found}")


# Cards that determine the size of the data, and their values.
_LAYOUT = re.compile(rb"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT) *=([^/]*)")
_BITPIX = (8, 16, 32, 64, -32, -64)
# Longest header that is read, as a header without an end has no limit.
_LONGEST_HEADER = 2**24
# Longest padding after the last HDU.
_LONGEST_PADDING = BLOCK * 36
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
        for start in range(0, len(block), 80):
            card = block[start : start + 80]
            if card.startswith(b"END     ") or card.rstrip() == b"END":
                return cards
            if found := _LAYOUT.match(card):
                _check_layout(found[1].decode(), found[2].strip().decode("latin-1"), path)
            cards.append(card)
        if len(cards) * 80 > _LONGEST_HEADER:
            raise FitsError(f"{path}: cannot be read as FITS: a header has no END card in {len(cards) * 80} bytes")
    return cards


def _check_layout(keyword: str, text: str, path: Path) -> None:
    try:
        value = int(text)
    except ValueError:
        value = None
    match keyword:
        case "BITPIX":
            right, allowed = value in _BITPIX, f"it must be one of {', '.join(map(str, _BITPIX))}"
        case "NAXIS":
            right, allowed = value is not None and 0 <= value <= 999, "it must be 0 to 999"
        case "GCOUNT":
            right, allowed = value is not None and value > 0, "it must be a whole number > 0"
        case _:
            right, allowed = value is not None and value >= 0, "it must be a whole number >= 0"
    if not right:
        raise FitsError(f"{path}: cannot be read as FITS: {keyword} = {text}; {allowed}")


def _stored(hdu: Any) -> Any:
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


def _mend(file: Patched, path: Path) -> list[tuple[str, ...]]:
    """Mend all headers before astropy reads them; return what was done to each."""
    notes = []
    at = 0
    while cards := _read_header(file, at, path):
        new, what = mended_cards(cards)
        if new != cards:
            file.patch(at, b"".join(new))
        notes.append(tuple(what))
        try:
            size = data_size(new)
        except ValueError:  # astropy refuses the file
            break
        # END and the padding of the header, then the data with their padding
        at += BLOCK * (-(-80 * (len(cards) + 1) // BLOCK) + -(-size // BLOCK))
    file.seek(0)
    return notes


def _headers(raw: BinaryIO, path: Path) -> Any:
    """Read the headers of all HDUs."""
    from astropy.io import fits

    _check_start(raw, path)
    file = Patched(raw)
    with quiet():
        notes = _mend(file, path)
        hdus = fits.open(file, memmap=False)
        try:
            most = _most_bytes(path)
            claimed = 0
            for index, hdu in enumerate(hdus):  # one by one, so that the claimed size is known before decompression
                if index < len(notes) and notes[index]:
                    _mends[hdu] = notes[index]
                shape = hdu.shape if getattr(hdu, "is_image", False) else ()
                claimed += math.prod(shape) * abs(int(hdu.header.get("BITPIX", 8))) // 8 if shape else hdu.size
                if claimed > most:
                    raise _too_much(path, f"says that it holds {claimed} bytes of pixels")
                end = _end(hdu)
                _check_rest(raw, end, path)
        except BaseException:
            hdus.close()
            raise
        return hdus


def _check_complete(hdus: Any, file: BinaryIO, path: Path) -> None:
    """Raise FitsError if the file is shorter than its headers say."""
    size = file.seek(0, io.SEEK_END)
    end = 0
    for hdu in hdus:
        end = max(end, _end(hdu))
        if (hdu.fileinfo() or {}).get("datLoc", 0) + _stored(
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
        rest = start + file.read(_LONGEST_PADDING)
        if rest.strip(_PADDING) or len(rest) < size - at:
            raise FitsError(f"{path}: is not complete: {size - at} bytes after its last whole HDU are not a whole HDU")
    file.seek(before)


def check_tiles(hdu: Any, path: str | Path) -> None:
    """Raise FitsError if a compressed image has the wrong number of tiles, or tiles outside their heap."""
    if (table := _stored(hdu)) is hdu:
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
        if hdu is None or "DATASUM" not in (header := _stored(hdu).header):
            continue
        try:
            said = int(header["DATASUM"])
        except (ValueError, TypeError):  # A DATASUM that is not a number cannot be tested.
            continue
        place = _stored(hdu).fileinfo() or {}
        if (file := place.get("file")) is None:
            continue
        if _datasum(file, place["datLoc"], place["datSpan"]) != said:
            sentences.append(
                f"DATASUM of HDU {hdu.name!r} is not that of its data: they are damaged, or were changed without it"
            )
    return sentences


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """Open a file and yield its HDUs, all of which can be read; any failure becomes a FitsError of one line."""
    with opened_headers(path) as hdus:
        for hdu in hdus:
            check_tiles(hdu, path)
        yield hdus


@contextmanager
def opened_headers(path: str | Path) -> Iterator[Any]:
    """Open a file and yield its HDUs, of which only the headers were read; any failure becomes a FitsError of one line.

    Headers that astropy cannot read are mended; see `mended`. The file is as long as its headers say, but `check_tiles`
    must be called before the pixels of a compressed image are read.

    Parameters
    ----------
    path : str or Path
        The file. One that is compressed as a whole must be decompressed for this.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing, broken or not complete.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise FitsError(f"{path}: is a folder, not a FITS file")
        if not path.exists():
            raise FitsError(f"{path}: there is no such file")
        if not path.is_file():
            raise FitsError(f"{path}: is not a regular file")
        with content(path) as file, _headers(file, path) as hdus:
            _check_complete(hdus, file, path)
            yield hdus
    except (FitsError, NotFoundError):
        raise
    except EvenskyError as error:
        raise FitsError(f"{path}: {error}") from error
    except Exception as error:  # astropy raises many kinds of exceptions on broken files.
        if isinstance(error, OSError) and error.filename is not None:  # from the file system, not from astropy
            raise FitsError(f"{path}: cannot be read: {error.strerror}") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        if found := re.match(r"Unparsable card \((.*?)\)", reason):
            reason = f"card {found[1]} cannot be parsed"
        raise FitsError(f"{path}: cannot be read as FITS: {reason}") from error
