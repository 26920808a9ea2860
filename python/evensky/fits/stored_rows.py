"""Rows of an image HDU, read from the disk when they are asked for; no file stays open meanwhile."""

from __future__ import annotations

__all__ = ["OpenFiles", "StoredRows"]

import io
import math
import os
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..errors import FitsError
from .cards import BLOCK, header_bytes, keyword_of, primary_header, with_value
from .conversions import storage_of, two_axes
from .made_files import MadeFile
from .opening import one_line, quiet, stored_hdu
from .plain_headers import plain_type, stored_type, with_other_sign
from .scratch import read_at
from .tiles import UNSAFE, pixels_of

# Cards by which astropy finds and scales pixels. Those of the sky and of the history of a file can take 100 kB.
_STRUCTURE = re.compile(
    r"XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|T(TYPE|FORM|DIM|NULL|SCAL|ZERO)\d+|THEAP|BSCALE|BZERO|BLANK|"
    r"Z(IMAGE|BITPIX|NAXIS\d*|TILE\d+|CMPTYPE|NAME\d+|VAL\d+|MASKCMP|QUANTIZ|DITHER0|SCALE|ZERO|BLANK|PCOUNT|GCOUNT)"
)
# Bytes of the elements of columns.
_ELEMENTS = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}
_PRIMARY = primary_header()
# Bytes that are read and converted at once: few enough for the caches of a processor.
_PIECE = 2**19
# Bytes that are read at once of a compressed image.
_AHEAD = 2**18
# Tiles from which on it is faster to make a file of them, all of which are decoded, than to decode some of a large one.
_MANY_TILES = 128

# Bytes of each thread that rows are read into before they are converted.
_buffers = threading.local()


class OpenFiles:
    """The files that are open while rows are read from several planes; a context that closes them at its end."""

    def __init__(self) -> None:
        self._handles: dict[Path, tuple[int, os.stat_result]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for handle, _ in self._handles.values():
            os.close(handle)
        self._handles.clear()

    def buffer(self, size: int) -> np.ndarray:
        """Return bytes that may be overwritten until the next call of this thread."""
        # Kept, as new memory for each band takes longer than to read into it.
        kept: np.ndarray | None = getattr(_buffers, "kept", None)
        if kept is None or kept.nbytes < size:
            kept = np.empty(max(size, _PIECE), np.uint8)
            if kept.nbytes == _PIECE:
                _buffers.kept = kept
        return kept

    def handle(self, path: Path, state: tuple[int, ...] | None = None) -> int:
        """Return the descriptor of a file; raise FitsError if its state is not the given one."""
        if path not in self._handles:
            # Without waiting: the path may have become a pipe since it was looked at.
            try:
                handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
            except OSError as error:
                raise FitsError(f"{path}: cannot be read: {error.strerror or error}") from error
            self._handles[path] = handle, os.fstat(handle)
        handle, found = self._handles[path]
        if not stat.S_ISREG(found.st_mode):
            raise FitsError(f"{path}: is not a regular file")
        if state is not None and _state_of(found) != state:
            raise FitsError(f"{path}: was changed while it was read; begin again when nobody writes to it")
        return handle

    def state(self, path: Path) -> tuple[int, ...]:
        """Return what tells whether a file was changed since: its identity, size and time."""
        self.handle(path)
        return _state_of(self._handles[path][1])


def _state_of(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class _LateFile(MadeFile):
    """A FITS file of one HDU, whose header is in memory and whose data are in another file that is opened when needed.

    Parameters
    ----------
    header : bytes
        Headers of the primary HDU and of the HDU.
    path : Path
        The file with the data.
    state : tuple of int
        See `OpenFiles.state`.
    start, size : int
        Place of the data.
    """

    def __init__(self, header: bytes, path: Path, state: tuple[int, ...], start: int, size: int) -> None:
        self._header, self._path, self._state = header, path, state
        self._start, self._size = start, size
        super().__init__(len(header) + size)
        self._ahead, self._ahead_at = b"", 0
        self.files: OpenFiles | None = None

    def read(self, size: int = -1, /) -> bytes:
        at, end = self._at, self._end
        stop = end if size < 0 else min(at + size, end)
        self._at = max(stop, at)
        if stop <= len(self._header):
            return self._header[at:stop]
        if at < len(self._header):
            return self._header[at:] + self._data(0, stop - len(self._header))
        return self._data(at - len(self._header), stop - len(self._header))

    def _data(self, start: int, stop: int) -> bytes:
        """Return bytes of the data; those that follow are read with them, as tiles are asked for in their order."""
        if not self._ahead_at <= start <= stop <= self._ahead_at + len(self._ahead):
            assert self.files is not None
            piece = np.empty(min(max(stop - start, _AHEAD), self._size - start), np.uint8)
            number = read_at(self.files.handle(self._path, self._state), self._start + start, piece)
            self._ahead, self._ahead_at = piece[:number].tobytes(), start
        return self._ahead[start - self._ahead_at : stop - self._ahead_at]

    def forget(self) -> None:
        """Free what was read ahead."""
        self._ahead, self.files = b"", None


class _TileTable:
    """The table of the tiles of a compressed image.

    Parameters
    ----------
    header : astropy.io.fits.Header
        That of the table.
    axis : int
        Number of the axis of the rows, as FITS counts them.

    Attributes
    ----------
    height : int
        Rows of a tile.
    unsafe : bool
        Whether its tiles are decoded in another process.
    cards : list of bytes
        Those of the table that matter.
    """

    def __init__(self, header: Any, axis: int) -> None:
        self.unsafe = str(header.get("ZCMPTYPE", "")).strip() in UNSAFE
        self.cards: list[bytes] = []
        self._axis = axis
        axes = range(1, int(header["ZNAXIS"]) + 1)
        sizes = {n: int(header[f"ZNAXIS{n}"]) for n in axes}
        # By default, tiles are rows.
        tiles = {n: int(header.get(f"ZTILE{n}", sizes[n] if n == 1 else 1)) for n in axes}
        self.height: int = tiles[axis]
        self._across: int = math.prod(-(-sizes[n] // tiles[n]) for n in axes if n != axis)
        self._row_size, number = int(header["NAXIS1"]), int(header["NAXIS2"])
        self._heap = int(header.get("THEAP", self._row_size * number))
        self._seed = header.get("ZDITHER0")
        # Places of the columns that have a length and a position in the heap, their types, and the sizes of elements.
        self._pointers: list[tuple[int, str, int]] = []
        place = 0
        for column in range(1, int(header["TFIELDS"]) + 1):
            found = re.match(r"\s*(\d*)([A-Z])([A-Z]?)", str(header[f"TFORM{column}"]))
            assert found is not None
            count, kind, element = int(found[1] or 1), found[2], found[3]
            if kind in "PQ" and count:
                self._pointers.append((place, ">i4" if kind == "P" else ">i8", _ELEMENTS.get(element, 1)))
            place += count * _ELEMENTS.get(kind, 1)

    def number(self, rows: slice) -> int:
        """Return the number of the tiles of rows."""
        high: int = math.ceil((rows.stop - rows.start) / self.height)
        return high * self._across

    def cut_out(self, rows: slice, handle: int, start: int, path: Path) -> Any:
        """Make an HDU of whole rows of tiles.

        Parameters
        ----------
        rows : slice
        handle : int
            Descriptor of the file.
        start : int
            Place of the table in it.
        path : Path
            The file, for messages.
        """
        from astropy.io import fits

        first = rows.start // self.height * self._across
        table = np.empty((self.number(rows), self._row_size), np.uint8)
        self._read(handle, start + first * self._row_size, table, path)
        pointers = []
        for place, kind, size in self._pointers:
            pair = table[:, place : place + 2 * np.dtype(kind).itemsize].copy().view(kind)
            pointers.append((place, pair, pair[:, 0].astype(np.int64) * size))
        begins = [pair[lengths > 0, 1] for _, pair, lengths in pointers]
        ends = [(pair[:, 1] + lengths)[lengths > 0] for _, pair, lengths in pointers]
        begin = min((int(one.min()) for one in begins if one.size), default=0)
        heap = np.empty(max((int(one.max()) for one in ends if one.size), default=0) - begin, np.uint8)
        self._read(handle, start + self._heap + begin, heap, path)
        for place, pair, lengths in pointers:
            pair[:, 1] = np.where(lengths > 0, pair[:, 1] - begin, 0)
            table[:, place : place + 2 * pair.dtype.itemsize] = pair.view(np.uint8)
        values: dict[str, int] = {
            "NAXIS2": len(table),
            "PCOUNT": heap.nbytes,
            f"ZNAXIS{self._axis}": rows.stop - rows.start,
        }
        if isinstance(self._seed, int):  # the noise that is subtracted depends on the number of the tile
            values["ZDITHER0"] = (self._seed - 1 + first) % 10000 + 1
        cards = [
            with_value(card, values[keyword]) if (keyword := keyword_of(card)) in values else card
            for card in self.cards
            if keyword_of(card) != "THEAP"
        ]
        data = table.tobytes() + heap.tobytes()
        content = b"".join([_PRIMARY, header_bytes(cards), data, bytes(-len(data) % BLOCK)])
        return fits.open(io.BytesIO(content), memmap=False)[1]

    def _read(self, handle: int, at: int, into: np.ndarray, path: Path) -> None:
        if read_at(handle, at, into) < into.nbytes:
            raise FitsError(f"{path}: is not complete: it ends within a tile")


class StoredRows:
    """Rows of an image HDU, as astropy returns its pixels.

    Parameters
    ----------
    hdu : image HDU of astropy
        Of an open file that is not compressed as a whole. It is neither changed nor kept.
    path : Path
        The file.
    files : OpenFiles

    Attributes
    ----------
    path : Path
    shape : (int, int)
        Height and width; axes of length 1 are left out.
    storage : evensky.fits.conversions.Storage
    dtype : numpy dtype or None
        Type of the pixels in native byte order; None if that is known from the pixels alone.
    tile_height : int
        Rows of a tile; 1 for an image that is not compressed.
    """

    def __init__(self, hdu: Any, path: Path, files: OpenFiles) -> None:
        self.path = path
        self.storage = storage_of(hdu)
        self._found = tuple(int(size) for size in hdu.shape)
        self._axes = two_axes(self._found)
        self.shape = self._found[self._axes[0]], self._found[self._axes[1]]
        self.dtype = None if stored_hdu(hdu) is not hdu else plain_type(self.storage)
        stored = stored_hdu(hdu)
        self._tiles = None if stored is hdu else _TileTable(stored.header, len(self._found) - self._axes[0])
        self.tile_height = 1 if self._tiles is None else min(self._tiles.height, self.shape[0])
        place = stored.fileinfo()
        self._start, self._size = int(place["datLoc"]), int(place["datSpan"])
        self._state = files.state(path)
        self._lock = threading.Lock()
        self._late: _LateFile | None = None
        self._hdu: Any = None
        # The last row of tiles that was decoded and not read to its end, and its rows.
        self._kept: tuple[slice, np.ndarray] | None = None
        if self.dtype is None:
            self._open_late(stored)

    def _open_late(self, stored: Any) -> None:
        from astropy.io import fits

        cards = [card for card in stored.header.cards if _STRUCTURE.fullmatch(card.keyword)]
        if stored.header.get("XTENSION") is None:  # the image of the primary HDU
            cards = [fits.Card("XTENSION", "IMAGE"), *cards, fits.Card("PCOUNT", 0), fits.Card("GCOUNT", 1)]
        text = fits.Header(cards).tostring(endcard=False, padding=False).encode("ascii")
        kept = [text[at : at + 80] for at in range(0, len(text), 80)]
        if self._tiles is not None:
            self._tiles.cards = kept
        self._late = _LateFile(_PRIMARY + header_bytes(kept), self.path, self._state, self._start, self._size)
        with quiet():
            self._hdu = fits.open(self._late, memmap=False)[1]

    def read(self, rows: slice, files: OpenFiles) -> np.ndarray:
        """Read rows.

        Parameters
        ----------
        rows : slice
            Without a step, and inside the image.
        files : OpenFiles

        Returns
        -------
        ndarray, shape (number of rows, width)
            In the byte order of the file or in the native one; it is not to be changed.

        Raises
        ------
        evensky.errors.FitsError
            If the file was changed, or its pixels cannot be decoded.
        """
        if self.dtype is not None:
            pixels = np.empty((rows.stop - rows.start, self.shape[1]), self.dtype)
            self.read_into(rows, slice(None), pixels, files)
            return pixels
        with self._lock:
            return self._decoded(rows, files)

    def pieces(self, files: OpenFiles) -> Iterator[tuple[slice, np.ndarray]]:
        """Iterate over all rows, of the type `dtype`, which is not None, in pieces that fit the caches of a processor.

        Parameters
        ----------
        files : OpenFiles

        Yields
        ------
        (slice, ndarray)
            Rows, and their pixels, in either byte order; the next piece overwrites them.
        """
        for part, raw in self._pieces(slice(0, self.shape[0]), files):
            yield part, self._signed(raw)

    def read_into(self, rows: slice, columns: slice, into: np.ndarray, files: OpenFiles) -> None:
        """Read pixels of the type `dtype`, which is not None, into an array, whose type they get.

        Parameters
        ----------
        rows, columns : slice
            Without a step, and inside the image.
        into : ndarray, shape (number of rows, number of columns)
        files : OpenFiles
        """
        for part, raw in self._pieces(rows, files):
            into[part.start - rows.start : part.stop - rows.start] = self._signed(raw)[:, columns]

    def read_bits_into(self, rows: slice, columns: slice, into: np.ndarray, files: OpenFiles) -> None:
        """Read whole numbers of at most 32 bits as patterns of bits; those beyond their own are 0.

        Parameters
        ----------
        rows, columns, files
            See `read_into`.
        into : ndarray of int32, shape (number of rows, number of columns)
        """
        bits = into.view(np.uint32)
        for part, raw in self._pieces(rows, files):
            band = bits[part.start - rows.start : part.stop - rows.start]
            band[...] = raw.view(raw.dtype.str.replace("i", "u"))[:, columns]
            if self.storage.zero:
                band ^= np.uint32(self._sign)

    def _pieces(self, rows: slice, files: OpenFiles) -> Iterator[tuple[slice, np.ndarray]]:
        """Iterate over rows, in pieces that fit the caches of a processor, as they are in the file."""
        assert self.dtype is not None
        handle = files.handle(self.path, self._state)
        size = self.dtype.itemsize
        stored = stored_type(self.dtype)
        width = self.shape[1] * size
        step = max(_PIECE // width, 1)
        buffer = files.buffer(min(step, rows.stop - rows.start) * width)
        for first in range(rows.start, rows.stop, step):
            part = slice(first, min(first + step, rows.stop))
            raw = buffer[: (part.stop - first) * width]
            try:
                number = read_at(handle, self._start + first * width, raw)
            except OSError as error:
                raise FitsError(f"{self.path}: cannot be read: {error.strerror or error}") from error
            if number < raw.nbytes:
                raise FitsError(f"{self.path}: is not complete: it ends before row {part.stop} of its image")
            yield part, raw.view(stored).reshape(-1, self.shape[1])

    @property
    def _sign(self) -> int:
        assert self.dtype is not None
        return 1 << (8 * self.dtype.itemsize - 1)

    def _signed(self, raw: np.ndarray) -> np.ndarray:
        """Return pixels with the sign that they have; FITS stores some with the other one, which differs in a bit."""
        assert self.dtype is not None
        if not self.storage.zero:
            return raw
        return with_other_sign(raw, self.dtype)

    def _decoded(self, rows: slice, files: OpenFiles) -> np.ndarray:
        """Have astropy scale or decode rows; each row of tiles is decoded once if rows are read in their order."""
        tile, height = self.tile_height, self.shape[0]
        first, last = rows.start - rows.start % tile, min(-(-rows.stop // tile) * tile, height)
        parts = []
        if self._kept is not None and self._kept[0].start <= rows.start < self._kept[0].stop:
            kept, pixels = self._kept
            parts.append(pixels[rows.start - kept.start : rows.stop - kept.start])
            first = kept.stop
        if first < rows.stop:
            with one_line(self.path):
                new = self._whole_tiles(slice(first, last), files).reshape(last - first, self.shape[1])
            parts.append(new[max(rows.start - first, 0) : rows.stop - first])
            begin = last - (last - 1) % tile - 1
            self._kept = None
            if rows.stop < last:
                self._kept = slice(begin, last), np.array(new[begin - first :])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _whole_tiles(self, rows: slice, files: OpenFiles) -> np.ndarray:
        """Have rows scaled or decoded that are whole rows of tiles."""
        assert self._late is not None
        tiles = self._tiles
        if tiles is not None and (tiles.unsafe or tiles.number(rows) >= _MANY_TILES):
            handle = files.handle(self.path, self._state)
            with quiet():
                hdu = tiles.cut_out(rows, handle, self._start, self.path)
            return pixels_of(hdu, self.path)
        self._late.files = files
        index: list[Any] = [0] * len(self._found)
        index[self._axes[0]], index[self._axes[1]] = rows, slice(None)
        pixels = np.asarray(self._hdu.section[tuple(index)])
        self._late.forget()
        return pixels
