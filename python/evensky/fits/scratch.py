"""Pixels on disk instead of in memory, for images that are larger than memory."""

from __future__ import annotations

__all__ = ["PlanePart", "Scratch", "ScratchPlane", "read_at", "stored"]

import errno
import mmap
import os
import tempfile
import threading
import weakref
from collections import deque
from pathlib import Path
from types import EllipsisType
from typing import Any

import numpy as np

from .._bands import row_bands
from ..errors import FitsError

# Time in seconds between two looks at how much memory the mapped planes take. Memory fills at some GB per second.
_INTERVAL = 0.02
# Bytes that are read at once; macOS refuses 2 GB and more.
_MOST_AT_ONCE = 2**30
# Bytes of arrays that are gone which are kept for the next ones.
_MOST_IDLE = 2**28
# Memory of the process, in pages, whose third number is that of mapped files.
_STATM = Path("/proc/self/statm")


def read_at(handle: int, at: int, into: np.ndarray) -> int:
    """Read bytes of an open file into a contiguous array; return their number, which is smaller if the file ends.

    Parameters
    ----------
    handle : int
        Descriptor of the file, whose position is neither used nor changed.
    at : int
        Position of the first byte.
    into : ndarray
    """
    left, number = into.reshape(-1).view(np.uint8).data, 0
    while left:
        part = left[:_MOST_AT_ONCE]
        if hasattr(os, "preadv"):
            new = os.preadv(handle, [part], at)
        else:
            piece = os.pread(handle, len(part), at)
            new = len(piece)
            part[:new] = piece
        if new == 0:
            break
        left, at, number = left[new:], at + new, number + new
    return number


def _unusable(folder: Path | None, error: OSError, size: str = "") -> FitsError:
    return FitsError(
        f"{folder}: cannot be used as scratch space{size}: {error.strerror or error}; free some, or choose another "
        "folder with --scratch (scratch)"
    )


class _Space:
    """A file without a name, whose space on disk is freed when nobody uses it any more."""

    def __init__(self, folder: Path | None) -> None:
        with tempfile.TemporaryFile(prefix="evensky", dir=folder) as file:
            self.handle = os.dup(file.fileno())
        self._lock = threading.Lock()
        self._size = 0
        self._process = os.getpid()
        weakref.finalize(self, os.close, self.handle)

    @property
    def is_own(self) -> bool:
        """Whether this process has made the file; a fork of that process would overwrite what others write to it."""
        return self._process == os.getpid()

    def more(self, size: int) -> int:
        """Make the file longer by a number of bytes; return where they begin."""
        with self._lock:
            start = self._size
            os.truncate(self.handle, start + size)
            # Maps begin at whole pages.
            self._size = start + size + -size % mmap.ALLOCATIONGRANULARITY
            return start


class ScratchPlane:
    """A plane of pixels in a file without a name, whose space on disk is freed with the plane.

    ``plane[rows]`` reads rows into memory, and ``plane[rows] = values`` writes them; unlike those of an array, rows
    that were read are copies. Only `mapped` needs address space for the whole plane.

    Parameters
    ----------
    scratch : Scratch
        Where the plane is, and how much memory its mapped pixels may take.
    shape : (int, int)
    dtype : numpy dtype
        Pixels are 0 until they are written, and take no space on disk until then.

    Attributes
    ----------
    scratch : Scratch
    shape : (int, int)
    dtype : numpy dtype
    """

    ndim = 2

    def __init__(self, scratch: Scratch, shape: tuple[int, int], dtype: Any) -> None:
        self.scratch = scratch
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._lock = threading.Lock()
        self._allocated = False
        self._map: weakref.ref[np.memmap[Any, Any]] | None = None
        try:
            shared = scratch.shared
            self._space = shared if shared is not None and shared.is_own else _Space(scratch.folder)
            self._file, self._start = self._space.handle, self._space.more(self.nbytes)
        except OSError as error:
            raise self._unusable(error) from error

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.size * int(self.dtype.itemsize)

    def _unusable(self, error: OSError) -> FitsError:
        return _unusable(self.scratch.folder, error, f" for {self.nbytes} bytes")

    def __getitem__(self, rows: slice | EllipsisType) -> np.ndarray:
        """Read rows into a new array."""
        start, stop, step = self._rows(rows)
        if step != 1:
            some = range(start, stop, step)
            picked = np.empty((len(some), self.shape[1]), self.dtype)
            for place, row in enumerate(some):
                self._read(row, picked[place : place + 1])
            return picked
        found = np.empty((max(stop - start, 0), self.shape[1]), self.dtype)
        self._read(start, found)
        return found

    def __setitem__(self, rows: slice | EllipsisType, values: Any) -> None:
        """Write rows."""
        start, stop, step = self._rows(rows)
        if step != 1:
            raise ValueError(f"rows are written with a step of {step}; only 1 is allowed")
        shape = max(stop - start, 0), self.shape[1]
        for part in row_bands(*shape):
            band = values
            if np.ndim(values) == 2 and len(values) == shape[0]:
                band = values[part]
            band = np.broadcast_to(band, (part.stop - part.start, shape[1]))
            self._write(start + part.start, np.ascontiguousarray(band, self.dtype))

    def _rows(self, rows: slice | EllipsisType) -> tuple[int, int, int]:
        return (slice(None) if rows is Ellipsis else rows).indices(self.shape[0])

    def _read(self, start: int, into: np.ndarray) -> None:
        if into.size == 0:
            return
        at = self._start + start * self.shape[1] * self.dtype.itemsize
        try:
            if read_at(self._file, at, into) < into.nbytes:
                raise OSError("it is shorter than it was made")
        except OSError as error:
            raise self._unusable(error) from error

    def _write(self, start: int, band: np.ndarray) -> None:
        if band.size == 0:
            return
        at = self._start + start * self.shape[1] * self.dtype.itemsize
        left = band.data.cast("B")
        try:
            while left:
                number = os.pwrite(self._file, left, at)
                left, at = left[number:], at + number
        except OSError as error:
            raise self._unusable(error) from error

    def mapped(self, *, to_change: bool = True) -> np.ndarray:
        """Map the whole plane into memory; the map lasts as long as the array.

        Parameters
        ----------
        to_change : bool, optional
            False if the array is only read, so that parts of the plane that were never written need no space on disk.

        Raises
        ------
        evensky.errors.FitsError
            If the disk has not enough space, or the process not enough address space.
        """
        with self._lock:
            array = None if self._map is None else self._map()
            try:
                if to_change and not self._allocated:
                    # If a full disk were noticed when a page is written to, it would be a bus error.
                    if hasattr(os, "posix_fallocate"):
                        try:
                            os.posix_fallocate(self._file, self._start, self.nbytes)
                        except OSError as error:
                            # A file system may have no such operation, e.g. ZFS.
                            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                                raise
                    self._allocated = True
                if array is None:
                    with open(self._file, "r+b", closefd=False) as file:
                        array = np.memmap(file, dtype=self.dtype, mode="r+", offset=self._start, shape=self.shape)
            except OSError as error:
                raise self._unusable(error) from error
            self._map = weakref.ref(array)
        if self.scratch.most_resident is not None:
            _residents.watch(array, self.scratch.most_resident)
        return np.asarray(array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.mapped(), dtype=dtype, copy=copy)


class PlanePart:
    """A part of a plane on disk, whose rows can be read.

    Parameters
    ----------
    plane : ScratchPlane
    rows, columns : slice
        Without a step, and inside the plane.
    """

    def __init__(self, plane: ScratchPlane, rows: slice, columns: slice) -> None:
        self._plane = plane
        self._start = rows.start
        self._columns = columns
        self.shape = rows.stop - rows.start, columns.stop - columns.start
        self.dtype = plane.dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Read rows into a new array."""
        start, stop, _ = rows.indices(self.shape[0])
        return self._plane[self._start + start : self._start + stop][:, self._columns]


class Scratch:
    """A source of planes: arrays in memory, or planes in files of a folder.

    Parameters
    ----------
    folder : str, Path or Scratch, optional
        Folder of the files; by default arrays are in memory. A Scratch is copied.
    most_resident : int, optional
        Number of bytes of mapped planes that may be in memory at the same time, about. Others are dropped from memory;
        the system reads them again from the disk, or from its cache, when they are needed.
    one_file : bool, optional
        Whether all planes are in one file, whose space on disk is freed with the last of them. By default each has a
        file of its own, which is open as long as the plane exists.
    reuse : bool, optional
        Whether memory of arrays that are gone is used again, as long as this object exists. New memory is filled with
        zeros by the system, page by page, which takes longer than to read an image into it.
    """

    def __init__(
        self,
        folder: str | Path | Scratch | None = None,
        most_resident: int | None = None,
        *,
        one_file: bool = False,
        reuse: bool = False,
    ) -> None:
        self.blocks: _Blocks | None = _Blocks() if reuse else None
        self.folder: Path | None = None
        self.most_resident: int | None = most_resident
        self.shared: _Space | None = None
        if isinstance(folder, Scratch):
            self.folder, self.most_resident, self.shared = folder.folder, folder.most_resident, folder.shared
            self.blocks = self.blocks or folder.blocks
        elif folder is not None:
            self.folder = Path(folder)
        if one_file and self.folder is not None and self.shared is None:
            try:
                self.shared = _Space(self.folder)
            except OSError as error:
                raise _unusable(self.folder, error) from error

    def zeros(self, shape: tuple[int, int], dtype: Any) -> Any:
        """Make a plane of zeros: an ndarray, or a ScratchPlane.

        Parameters
        ----------
        shape : (int, int)
            Height and width in pixels.
        dtype : dtype

        Returns
        -------
        ndarray or ScratchPlane

        Raises
        ------
        evensky.errors.FitsError
            If the folder cannot be used.
        """
        if self.folder is None or 0 in shape:
            return np.zeros(shape, dtype)
        return ScratchPlane(self, shape, dtype)

    def empty(self, shape: tuple[int, int], dtype: Any) -> Any:
        """Make a plane of any values, all of which the caller sets: an ndarray, or a ScratchPlane.

        Parameters, result and errors are those of `zeros`.
        """
        if self.folder is not None or self.blocks is None or 0 in shape:
            return self.zeros(shape, dtype)
        return self.blocks.array(shape, np.dtype(dtype))


class _Blocks:
    """Memory of arrays that are gone, for others of the same size."""

    def __init__(self) -> None:
        self._idle: deque[np.ndarray] = deque()  # whose methods are atomic, as an array may end in any thread

    def __getstate__(self) -> dict[str, Any]:
        """Leave the memory out, which belongs to one process."""
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]

    def array(self, shape: tuple[int, int], dtype: np.dtype[Any]) -> np.ndarray:
        """Make an array of any values, whose memory comes back when neither it nor a view of it exists any more."""
        size = shape[0] * shape[1] * dtype.itemsize
        block = self._found(size)
        if block is None:
            block = np.empty(size, np.uint8)
        found: np.ndarray = np.asarray(_Lease(block, self._idle)).view(dtype).reshape(shape)
        return found

    def _found(self, size: int) -> np.ndarray | None:
        while True:
            try:
                block = self._idle.pop()
            except IndexError:
                return None
            if block.nbytes == size:
                return block


class _Lease:
    """A block of memory as the base of an array, whose end it notices.

    Parameters
    ----------
    block : ndarray
    idle : deque of ndarray
        Where the block goes then.
    """

    def __init__(self, block: np.ndarray, idle: deque[np.ndarray]) -> None:
        self._block, self._idle = block, idle
        self.__array_interface__ = block.__array_interface__

    def __del__(self) -> None:
        if (len(self._idle) + 1) * self._block.nbytes <= _MOST_IDLE:
            self._idle.append(self._block)


def stored(plane: Any, rows: slice, band: np.ndarray) -> None:
    """Put rows that were changed back into their plane; those of an array are views, which need not be put back.

    Parameters
    ----------
    plane : ndarray or ScratchPlane
    rows : slice
    band : ndarray
        The changed rows, as ``plane[rows]`` gave them.

    Raises
    ------
    evensky.errors.FitsError
        If the disk is full.
    """
    if isinstance(plane, ScratchPlane):
        plane[rows] = band


class _Residents:
    """A thread that drops mapped planes from memory if they take too much of it; it runs as long as there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._maps: list[weakref.ref[Any]] = []
        self._most = 0
        self._thread: threading.Thread | None = None

    def watch(self, array: Any, most: int) -> None:
        """Let the maps of all planes take no more than `most` bytes of memory, about."""
        if not _STATM.exists() or not hasattr(array._mmap, "madvise"):
            return
        with self._lock:
            self._most = most
            if all(other() is not array for other in self._maps):
                self._maps.append(weakref.ref(array))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="evensky-scratch", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        wake = threading.Event()
        page = mmap.PAGESIZE
        while True:
            with self._lock:
                self._maps = [one for one in self._maps if one() is not None]
                if not self._maps:
                    self._thread = None
                    return
                if int(_STATM.read_text().split()[2]) * page > self._most:
                    for one in self._maps:
                        array = one()
                        if array is not None:
                            # The pages of a shared map of a file are not lost: they stay in its cache, or on disk.
                            array._mmap.madvise(mmap.MADV_DONTNEED)
                        del array
            wake.wait(_INTERVAL)


_residents = _Residents()

if hasattr(os, "register_at_fork"):
    # A child has no thread but the one that forked.
    os.register_at_fork(after_in_child=_residents.__init__)  # type: ignore[misc]
