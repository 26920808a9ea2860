"""Writing of a file as a copy of another one in which some images have new pixels."""

from __future__ import annotations

__all__ = ["NewPlane", "rewrite", "with_sums", "write_compressed"]

import bz2
import errno
import gzip
import io
import itertools
import lzma
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .._bands import band_height, row_bands
from ..errors import FitsError, InvalidParameterError
from .atomic import Permit, atomic_path
from .budgets import LARGEST_NUMBER
from .cards import BLOCK, data_size, header_bytes, keyword_of, new_cards, read_cards, whole_number, with_value
from .checksums import added, added_words, encoded
from .digests import FileState, HashedFile
from .tile_times import clear_tile_times
from .unpacking import content

# Bytes that are copied or converted at once: few enough for the caches of a processor.
_PIECE = 2**19
# Errors of file systems that do not tell where holes are; ENXIO says that there are no data behind a place.
_NO_HOLES = (errno.EINVAL, errno.ENOTTY, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
# Size in bytes beyond which compressed tiles, which follow their table in the file, are kept on disk meanwhile.
_MOST_IN_MEMORY = 2**26
# Ways to compress a file as a whole by the end of its name, with the first bytes of such a file. gzip has no time, so
# that the same pixels give the same bytes.
_PACKERS: dict[str, tuple[bytes, Callable[[Any], Any]]] = {
    ".gz": (b"\x1f\x8b", lambda file: gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)),
    ".bz2": (b"BZh", lambda file: bz2.BZ2File(file, "wb")),
    ".xz": (b"\xfd7zXZ", lambda file: lzma.LZMAFile(file, "wb")),  # noqa: SIM115
}
_PLAIN_ENDINGS = (".fits", ".fit", ".fts", ".fz")


@dataclass
class NewPlane:
    """New pixels of one HDU.

    Attributes
    ----------
    array : ndarray or ScratchPlane of float32 or float64, shape (height, width)
        The image without its axes of length 1; NaN where the old pixels were BLANK.
    cards : mapping of str to (value, comment)
        Provenance. A card replaces an earlier one with the same keyword, and is added if there is none.
    history : sequence of str
        Lines to add as HISTORY cards.
    """

    array: Any
    cards: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    history: Sequence[str] = ()


@dataclass
class _Hdu:
    """An HDU of the source, as it stands in the file."""

    start: int
    cards: list[bytes]
    header_size: int
    data_size: int

    @property
    def end(self) -> int:
        return self.start + self.header_size + self.data_size + -self.data_size % BLOCK

    @property
    def is_compressed(self) -> bool:
        return _has(self.cards, b"ZIMAGE  =", rb" +T")

    @property
    def is_image(self) -> bool:
        if self.cards[0].startswith(b"SIMPLE"):
            return not _has(self.cards, b"GROUPS  =", rb" +T")
        return self.is_compressed or _has(self.cards[:1], b"XTENSION=", rb" *'(IMAGE|IUEIMAGE) *'")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image in the order of numpy, with its axes of length 1."""
        axis = "ZNAXIS" if self.is_compressed else "NAXIS"
        return tuple(whole_number(self.cards, f"{axis}{n}") for n in range(whole_number(self.cards, axis), 0, -1))

    @property
    def tile_shape(self) -> tuple[int, ...]:
        """Shape of a tile in the order of numpy; rows of the image, unless the cards say otherwise."""
        shape = self.shape
        rows = (*(1 for _ in shape[:-1]), shape[-1])
        return tuple(
            whole_number(self.cards, f"ZTILE{len(shape) - n}", rows[n]) if self.is_compressed else rows[n]
            for n in range(len(shape))
        )


def _has(cards: Iterable[bytes], start: bytes, pattern: bytes) -> bool:
    """Return whether a card begins with a keyword, and the pattern follows."""
    return any(card.startswith(start) and re.match(pattern, card[len(start) :]) for card in cards)


def rewrite(
    source: str | Path,
    target: str | Path,
    planes: Mapping[int, NewPlane],
    *,
    overwrite: bool = False,
    compress: bool = False,
    permit: Permit | None = None,
) -> FileState:
    """Write a copy of a file in which some images have new pixels.

    All HDUs without new pixels, and bytes after the last HDU, are copied byte for byte. In the header of a changed
    image, BITPIX gets the type of the pixels, BSCALE, BZERO and BLANK are left out, CHECKSUM and DATASUM are computed
    anew if the header has them, and the provenance is added before END. All other cards are copied, not parsed.

    A tile-compressed image stays one, with the same tiles and all cards that describe the image. Its pixels are
    compressed without loss: there is no quantisation, and algorithms other than GZIP_1 and GZIP_2 are replaced by
    GZIP_2. A target whose name ends with .gz, .bz2 or .xz is compressed as a whole, one whose name ends with .fits,
    .fit, .fts or .fz is not. With any other name it is compressed as a whole if the source is, but for the content of
    a zip archive, which is written plain.

    Parameters
    ----------
    source : str or Path
        The file to copy.
    target : str or Path
        The file to write; it appears whole or not at all, and may be the source.
    planes : mapping of int to NewPlane
        New pixels by number of the HDU.
    overwrite : bool, optional
        Replace an existing file.
    compress : bool, optional
        Also write the changed images that are not tile-compressed as tile-compressed ones, row by row with GZIP_2. As
        with fpack, an image in the primary HDU moves to the first extension, with all its cards.
    permit : Permit, optional
        Right to write to the folder, see `evensky.fits.atomic.atomic_path`.

    Returns
    -------
    FileState
        Size and digest of the target, computed from the bytes that were written.

    Raises
    ------
    evensky.errors.FitsError
        If the source cannot be read, an HDU is not there or is not an image of the same size, or the target exists and
        `overwrite` is false; an existing file is then unchanged.
    evensky.errors.InvalidParameterError
        If pixels are neither float32 nor float64.
    """
    source, target = Path(source), Path(target)
    try:
        with source.open("rb") as packed:
            magic = packed.read(6)
        file = content(source, LARGEST_NUMBER)  # it was read before, within the limits that hold for it
    except OSError as error:
        raise FitsError(f"{source}: cannot be read: {error.strerror or error}") from error
    with file:
        hdus = _scan(file, source)
        size = file.seek(0, io.SEEK_END)
        for number, plane in planes.items():
            _check(hdus, number, plane, source)
        with (
            atomic_path(target, overwrite=overwrite, permit=permit) as temporary,
            temporary.open("wb") as file_out,
        ):
            written, piece = HashedFile(file_out), memoryview(bytearray(_PIECE))
            with _packer(written, target, magic) as out:
                for number, hdu in enumerate(hdus):
                    if number in planes:
                        _write_changed(out, hdu, planes[number], compress, temporary.parent)
                    else:
                        _copy(file, out, hdu.start, min(hdu.end, size), source, piece)  # padding may be missing
                _copy(file, out, hdus[-1].end, size, source, piece)
            return written.state()


def _scan(file: BinaryIO, path: Path) -> list[_Hdu]:
    """Find the HDUs of a file."""
    hdus: list[_Hdu] = []
    at = 0
    while True:
        file.seek(at)
        if (found := read_cards(file)) is None:
            break
        try:
            hdus.append(_Hdu(at, *found, data_size(found[0])))
        except ValueError as error:
            raise FitsError(f"{path}: cannot be read as FITS: HDU {len(hdus)}: {error}") from error
        at = hdus[-1].end
    if not hdus:
        raise FitsError(f"{path}: cannot be read as FITS: it has no header")
    return hdus


def _check(hdus: Sequence[_Hdu], number: int, plane: NewPlane, path: Path) -> None:
    if not 0 <= number < len(hdus):
        raise FitsError(f"{path}: there is no HDU {number}; the file has HDUs 0 to {len(hdus) - 1}")
    if not hdus[number].is_image:
        raise FitsError(f"{path}: HDU {number} is not an image; only images can get new pixels")
    if plane.array.dtype.kind != "f" or plane.array.dtype.itemsize not in (4, 8):
        raise InvalidParameterError(
            f"new pixels of HDU {number} are of type {plane.array.dtype}; it must be float32 or float64"
        )
    shape = hdus[number].shape
    if 0 in (*shape, *plane.array.shape) or not shape:
        raise FitsError(f"{path}: HDU {number} has no pixels; only images with pixels can get new ones")
    if [n for n in shape if n != 1] != [n for n in plane.array.shape if n != 1]:
        raise FitsError(f"{path}: HDU {number} has shape {shape}, but its new pixels have {plane.array.shape}")


@contextmanager
def _packer(file: HashedFile, target: Path, magic: bytes) -> Iterator[Any]:
    """Compress what is written as the target's name says or, if it says nothing, as the source by its first bytes."""
    ending = target.suffix.lower()
    if ending not in (*_PACKERS, *_PLAIN_ENDINGS):
        ending = next((name for name, (start, _) in _PACKERS.items() if magic.startswith(start)), "")
    pack = _PACKERS[ending][1] if ending in _PACKERS else nullcontext
    with pack(file) as out:
        yield out


def _copy(file: BinaryIO, out: Any, start: int, end: int, path: Path, piece: memoryview) -> None:
    """Copy bytes by way of a piece of memory, and leave holes of the file out."""
    for first, last, is_hole in _extents(file, start, end) if isinstance(out, HashedFile) else [(start, end, False)]:
        if is_hole:
            out.skip(last - first)
            continue
        file.seek(first)
        left = last - first
        while left > 0:
            number = file.readinto(piece[:left])  # type: ignore[attr-defined]
            if not number:
                raise FitsError(f"{path}: ends before byte {last}; it was cut off while it was copied")
            out.write(piece[:number])
            left -= number


def _extents(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Divide a part of a file into data and holes: their first byte, that behind the last, and whether it is a hole.

    The content of a file that is compressed as a whole is not divided.
    """
    try:
        handle = file.fileno()
    except OSError:
        if start < end:
            yield start, end, False
        return
    while start < end:
        hole = _found(handle, start, "SEEK_HOLE", end)
        if hole > start:
            yield start, hole, False
        start = hole
        if hole < end:
            start = _found(handle, hole, "SEEK_DATA", end)
            yield hole, start, True


def _found(handle: int, start: int, what: str, end: int) -> int:
    """Return where the next hole of a file begins, or where its data go on, but not behind `end`.

    Parameters
    ----------
    handle, start : int
    what : {"SEEK_HOLE", "SEEK_DATA"}
    end : int
        Larger than `start`, and not larger than the file.
    """
    if not hasattr(os, what):
        return end
    # Python's buffer of the file relies on the position of the descriptor.
    before = os.lseek(handle, 0, os.SEEK_CUR)
    try:
        return min(os.lseek(handle, start, getattr(os, what)), end)
    except OSError as error:
        if error.errno != errno.ENXIO and (what == "SEEK_DATA" or error.errno not in _NO_HOLES):
            raise
        return end
    finally:
        os.lseek(handle, before, os.SEEK_SET)


def _write_changed(out: Any, hdu: _Hdu, plane: NewPlane, compress: bool, folder: Path) -> None:
    """Write an HDU with new pixels; `folder` is one with room for a temporary file."""
    bitpix = -8 * plane.array.dtype.itemsize
    if hdu.is_compressed or compress:
        with tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY, prefix="evensky", dir=str(folder)) as heap:
            table, rows = _compressed(hdu, plane.array, heap)
            if hdu.is_compressed:
                cards = _merged_table(hdu.cards, table)
            else:
                if hdu.cards[0].startswith(b"SIMPLE"):
                    out.write(header_bytes(_EMPTY_PRIMARY))
                cards = _as_table(_new_image(hdu.cards, "", bitpix), table)
            _write_hdu(out, _with_provenance(cards, plane), lambda: itertools.chain((rows,), _pieces(heap)))
    else:
        cards = _new_image(hdu.cards, "", bitpix)
        _write_hdu(out, _with_provenance(cards, plane), lambda: _bands(plane.array), lambda: _sum_of(plane.array))


def write_compressed(out: Any, cards: Sequence[bytes], array: Any, folder: Path) -> None:
    """Write an image as an extension that is compressed row by row, without loss.

    Parameters
    ----------
    out : binary file
    cards : sequence of bytes
        Those of the image if it were not compressed, without END. CHECKSUM and DATASUM are computed if they are there.
    array : array of two axes, of which bands of rows are read
        In native byte order.
    folder : Path
        Folder with room for a temporary file.
    """
    with tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY, prefix="evensky", dir=str(folder)) as heap:
        table, rows = _compressed(_Hdu(0, list(cards), 0, 0), array, heap)
        _write_hdu(out, _as_table(cards, table), lambda: itertools.chain((rows,), _pieces(heap)))


def _pieces(file: Any) -> Iterator[bytes]:
    """Iterate over the bytes of a file, from its start."""
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece


def _bands(array: Any) -> Iterator[memoryview]:
    """Iterate over the bytes of an image in the byte order of FITS; the next piece overwrites them."""
    rows = array.reshape(-1, array.shape[-1]) if array.ndim != 2 else array
    stored = rows.dtype.newbyteorder(">")
    height, width = rows.shape
    bands = list(row_bands(height, width, _PIECE // stored.itemsize))
    piece = np.empty((bands[0].stop, width), stored)
    for part in bands:
        band = piece[: part.stop - part.start]
        band[...] = rows[part]
        yield band.reshape(-1).view(np.uint8).data


def _sum_of(array: Any) -> int:
    """Return the checksum of an image of float32 or float64 from its pixels as they are in memory.

    Its words in the file have the values of those in memory, and the order of words does not matter.
    """
    rows = array.reshape(-1, array.shape[-1]) if array.ndim != 2 else array
    native = rows.dtype.newbyteorder("=")
    height, width = rows.shape
    bands = row_bands(height, width, _PIECE // native.itemsize)
    return added_words(np.ascontiguousarray(rows[part], native).reshape(-1).view(np.uint32) for part in bands)


def _new_image(cards: Iterable[bytes], prefix: str, bitpix: int) -> list[bytes]:
    """Return the cards of an image whose pixels are floating point, as they are, and NaN where there is none."""
    kept = []
    for card in cards:
        keyword = keyword_of(card)
        if keyword in ("BSCALE", "BZERO", "BLANK"):
            continue
        kept.append(_changed_to(card, bitpix) if keyword == f"{prefix}BITPIX" else card)
    return kept


def _changed_to(card: bytes, value: int | str) -> bytes:
    """Return a card with a value; a card that has it already is not touched."""
    text = str(value).encode("ascii")
    same = rb"'%s *'" % re.escape(text) if isinstance(value, str) else re.escape(text)
    return card if re.match(rb".{8}= *%s *(/|$)" % same, card, re.DOTALL) else with_value(card, value)


def _with_provenance(cards: Sequence[bytes], plane: NewPlane) -> list[bytes]:
    """Replace cards of provenance, or add them; add lines of HISTORY."""
    new = {keyword: new_cards(keyword, *given) for keyword, given in plane.cards.items()}
    edited: list[bytes] = []
    within = False  # whether the last card that is not CONTINUE was replaced
    for card in cards:
        keyword = keyword_of(card)
        if keyword == "CONTINUE" and within:
            continue
        within = keyword in plane.cards
        if within:
            edited += new.pop(keyword, [])
        else:
            edited.append(card)
    for added_cards in new.values():
        edited += added_cards
    for line in plane.history:
        edited += new_cards("HISTORY", line)
    return edited


def _write_hdu(
    out: Any,
    cards: Sequence[bytes],
    pieces: Callable[[], Iterator[bytes | memoryview]],
    datasum: Callable[[], int] | None = None,
) -> None:
    """Write an HDU; compute the sums anew that its header has, by `datasum` if it is quicker than from the pieces."""
    if any(keyword_of(card) in ("CHECKSUM", "DATASUM") for card in cards):
        cards = with_sums(cards, added(pieces()) if datasum is None else datasum())
    out.write(header_bytes(cards))
    size = 0
    for piece in pieces():
        out.write(piece)
        size += len(piece)
    out.write(bytes(-size % BLOCK))


def with_sums(cards: Sequence[bytes], datasum: int) -> list[bytes]:
    """Return the cards of an HDU with CHECKSUM and DATASUM, if it has them, for data of a given sum."""
    # Without the time of the computation, which tools put into the comments: the same pixels give the same bytes.
    new = {
        "CHECKSUM": new_cards("CHECKSUM", "0" * 16, "HDU checksum"),
        "DATASUM": new_cards("DATASUM", str(datasum), "data unit checksum"),
    }
    edited: list[bytes] = []
    for card in cards:
        keyword = keyword_of(card)
        if keyword in ("CHECKSUM", "DATASUM"):
            edited += new.pop(keyword, [])
        else:
            edited.append(card)
    total = encoded(added([header_bytes(edited)], datasum)).encode("ascii")
    return [card[:11] + total + card[27:] if keyword_of(card) == "CHECKSUM" else card for card in edited]


_EMPTY_PRIMARY = [
    card
    for keyword, value, comment in (
        (b"SIMPLE", b"T", b"conforms to FITS standard"),
        (b"BITPIX", b"8", b"array data type"),
        (b"NAXIS", b"0", b"number of array dimensions"),
        (b"EXTEND", b"T", b"the image is in the first extension"),
    )
    for card in [(keyword.ljust(8) + b"= " + value.rjust(20) + b" / " + comment).ljust(80)]
]
_ALGORITHMS = ("GZIP_1", "GZIP_2")
# Cards of a table of tiles, apart from the cards of its columns.
_TABLE = re.compile(
    r"XTENSION|BITPIX|NAXIS|NAXIS1|NAXIS2|PCOUNT|GCOUNT|TFIELDS|ZIMAGE|ZBITPIX|ZTILE\d+|ZCMPTYPE|ZQUANTIZ"
)
_COLUMN = re.compile(r"(TTYPE|TFORM|TUNIT|TDIM|TNULL|TSCAL|TZERO|TDISP)(\d+)")
# Cards that hold for the old pixels alone: how they were quantised and compressed, their sums, and the heap's place.
_OLD_TILES = re.compile(
    r"ZBLANK|ZSCALE|ZZERO|ZDITHER0|ZHECKSUM|ZDATASUM|ZMASKCMP|Z(NAME|VAL)\d+|THEAP|BSCALE|BZERO|BLANK"
)


def _compressed(hdu: _Hdu, array: Any, heap: Any) -> tuple[dict[str, int | str], bytes]:
    """Compress an image by tiles without loss, in bands of whole rows of tiles.

    Parameters
    ----------
    hdu : _Hdu
    array : ndarray or ScratchPlane
    heap : binary file
        Empty file for the compressed tiles.

    Returns
    -------
    (cards, rows)
        Values of the table's structural cards, and the bytes of the table's rows, which the heap follows.
    """
    old = next((card for card in hdu.cards if keyword_of(card) == "ZCMPTYPE"), b"").decode("latin-1")
    algorithm = next((name for name in _ALGORITHMS if name in old), "GZIP_2")
    values: dict[str, int | str] = {}
    tables, longest = [], 0
    for shape, band in _bands_of_tiles(hdu, array):
        cards, table, tiles = _compressed_band(band.reshape(shape), algorithm, hdu.tile_shape)
        values = values or cards  # the tiles of the last band may be lower
        table[:, 1] += heap.tell()
        heap.write(tiles)
        tables.append(table)
        longest = max(longest, int(table[:, 0].max()))
    table = np.concatenate(tables)
    # Places beyond 2 GB need 64 bits.
    wide = heap.tell() > np.iinfo(np.int32).max
    values["NAXIS1"], values["NAXIS2"], values["PCOUNT"] = 16 if wide else 8, len(table), heap.tell()
    values["TFORM1"] = f"1{'Q' if wide else 'P'}B({longest})"
    values["ZQUANTIZ"] = "NONE"
    return values, table.astype(">i8" if wide else ">i4").tobytes()


def _bands_of_tiles(hdu: _Hdu, array: Any) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Iterate over the shapes and pixels of bands of whole rows of tiles; a small image is one band."""
    shape = hdu.shape
    axis = next((n for n, size in enumerate(shape) if size != 1), 0)  # that of the rows
    height, width = shape[axis], math.prod(shape[axis + 1 :])
    tile = hdu.tile_shape[axis]
    step = max(band_height(width) // tile, 1) * tile
    if step >= height:
        yield shape, np.array(array[...], copy=True)
        return
    for start in range(0, height, step):
        stop = min(start + step, height)
        yield (*shape[:axis], stop - start, *shape[axis + 1 :]), np.array(array[start:stop], copy=True)


def _compressed_band(
    pixels: np.ndarray, algorithm: str, tile_shape: tuple[int, ...]
) -> tuple[dict[str, int | str], np.ndarray, bytes]:
    """Return the structural cards of a table of tiles, its rows (length and place of each tile), and its heap."""
    from astropy.io import fits

    made = fits.CompImageHDU(
        pixels,
        compression_type=algorithm,
        tile_shape=tuple(min(tile, size) for tile, size in zip(tile_shape, pixels.shape, strict=True)),
        quantize_level=0,  # no quantisation
    )
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), made]).writeto(buffer)
    clear_tile_times(buffer)
    table = _scan(buffer, Path("compressed image"))[1]
    values: dict[str, int | str] = {}
    for card in table.cards:
        keyword = keyword_of(card)
        if _TABLE.fullmatch(keyword) or _COLUMN.fullmatch(keyword):
            if text := re.match(rb" *'([^']*)'", card[9:]):
                values[keyword] = text[1].decode("ascii").rstrip()
            elif number := re.match(rb" *(-?\d+)", card[9:]):
                values[keyword] = int(number[1])
    start = table.start + table.header_size
    size = int(values["NAXIS1"]) * int(values["NAXIS2"])
    assert (values["TFIELDS"], values["NAXIS1"]) == (1, 8)  # without quantisation there is one column
    rows = np.frombuffer(buffer.getbuffer()[start : start + size], ">i4").astype(np.int64).reshape(-1, 2)
    return values, rows, buffer.getbuffer()[start + size : start + table.data_size].tobytes()


def _merged_table(cards: Sequence[bytes], table: Mapping[str, int | str]) -> list[bytes]:
    """Return the cards of a tile-compressed image with the structure of a new table; all others stay in place."""
    left = {key: value for key, value in table.items() if _COLUMN.fullmatch(key) or key in ("ZCMPTYPE", "ZQUANTIZ")}
    edited: list[bytes] = []
    after = 0  # where cards are inserted that the old table does not have
    for card in cards:
        keyword = keyword_of(card)
        if _OLD_TILES.fullmatch(keyword) or (_COLUMN.fullmatch(keyword) and keyword not in table):
            continue
        if keyword in table:
            left.pop(keyword, None)
            edited.append(_changed_to(card, table[keyword]))
            if keyword == "ZCMPTYPE":
                after = len(edited)
        else:
            edited.append(card)
    inserted = [card for keyword, value in left.items() for card in new_cards(keyword, value)]
    return edited[:after] + inserted + edited[after:]


_RENAMED = re.compile(r"SIMPLE|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|EXTEND")


def _as_table(cards: Sequence[bytes], table: Mapping[str, int | str]) -> list[bytes]:
    """Return the cards of an image as those of a table of its tiles; names of structural cards get a Z."""
    structure = [(key, value) for key, value in table.items() if not key.startswith("Z")]
    made = [card for keyword, value in structure for card in new_cards(keyword, value)]
    made += new_cards("ZIMAGE", True, "extension contains compressed image")
    rest = []
    for card in cards:
        keyword = keyword_of(card)
        if keyword == "XTENSION":
            made.append(b"ZTENSION" + card[8:])
        elif _RENAMED.fullmatch(keyword):
            made.append(b"Z" + card[:7] + card[8:])
        else:
            rest.append(card)
    for keyword, value in table.items():
        if keyword.startswith(("ZTILE", "ZCMPTYPE", "ZQUANTIZ")):
            made += new_cards(keyword, value)
    return made + rest
