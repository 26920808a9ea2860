"""Decoding of tile-compressed images; damaged tiles cost one image, not the process.

The decoder of HCOMPRESS in the libraries that all Python packages share trusts the bytes that it reads: damaged ones
make it write beyond its memory, divide by zero, or abort. Such tiles are therefore decoded in another process, the
program `evensky.fits.decoder`, which is started when the first such image is read and ends with this process. Other
algorithms are decoded here.
"""

from __future__ import annotations

__all__ = ["UNSAFE", "algorithm_of", "decoded", "pixels_of", "try_tiles"]

import atexit
import json
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FitsError
from . import decoder
from .cards import primary_header

log = logging.getLogger("evensky")

UNSAFE = frozenset({"HCOMPRESS_1"})
"""Algorithms whose decoder may crash on damaged data: of 16,000 images with flipped bytes, 4% ended the process. The
decoders of RICE_1, PLIO_1, GZIP_1 and GZIP_2 ended none of 11,000."""

# Limits of one image in the other process. Honest images need about 0.1 us and 20 bytes per pixel.
_SECONDS, _SECONDS_PER_PIXEL = 10, 2e-6
_BYTES, _BYTES_PER_PIXEL, _BYTES_PER_STORED = 2**28, 64, 4
# Longest time without an answer, which counts if the process is stopped or has no processor to run on.
_PATIENCE = 120.0
_PIECE = 2**24
_LONGEST_TEXT = 2**16
_CRASHES = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


def decoded(hdu: Any, parts: Sequence[tuple[Any, ...] | None], path: str | Path) -> Iterator[np.ndarray]:
    """Iterate over parts of the pixels of an image.

    Parameters
    ----------
    hdu : image HDU of astropy
    parts : sequence of tuple or None
        Indices of parts, made of whole numbers and slices; None is the whole image.
    path : str or Path
        The file, for messages.

    Yields
    ------
    ndarray
        As astropy returns them: scaled, with NaN for BLANK where it puts it.

    Raises
    ------
    evensky.errors.FitsError
        If the tiles are so damaged that their decoder crashes, or takes too much time or memory.
    """
    algorithm = algorithm_of(hdu)
    if algorithm not in UNSAFE:
        for part in parts:
            yield np.asarray(hdu.data if part is None else hdu.section[part])
        return
    stored = _Stored(hdu, algorithm, Path(path))
    for last in (False, True):
        pixels = stored.decode(parts)
        try:
            first = next(pixels)
        except _GoneError as error:  # it ends when nobody has asked for a while, or was killed
            if last:
                raise FitsError(
                    f"{stored.name}: the process that decodes its {algorithm} tiles does not start or is ended again "
                    "and again"
                ) from error
            continue
        yield first
        yield from pixels
        return


def pixels_of(hdu: Any, path: str | Path) -> np.ndarray:
    """Return all pixels of an image HDU.

    Parameters
    ----------
    hdu, path
        See `decoded`.

    Returns
    -------
    ndarray

    Raises
    ------
    evensky.errors.FitsError
        See `decoded`.
    """
    return next(decoded(hdu, [None], path))


def try_tiles(hdu: Any, path: str | Path) -> None:
    """Try whether the tiles of an HDU can be given to the decoder of this process.

    Parameters
    ----------
    hdu, path
        See `decoded`.

    Raises
    ------
    evensky.errors.FitsError
        If the decoder would crash on them.
    """
    if algorithm_of(hdu) in UNSAFE:
        pixels_of(hdu, path)


def algorithm_of(hdu: Any) -> str:
    """Return the name of the algorithm that compressed an image; "" for others."""
    table = getattr(hdu, "_bintable", None)
    return "" if table is None else str(table.header.get("ZCMPTYPE", "")).strip()


class _GoneError(Exception):
    """The process that decodes has ended."""


class _Stored:
    """The tiles of an image as the file has them."""

    def __init__(self, hdu: Any, algorithm: str, path: Path) -> None:
        self.name = f"{path}: HDU {hdu.name!r}"
        self.algorithm = algorithm
        self._pixels = int(math.prod(hdu.shape))
        place = hdu._bintable.fileinfo()
        self._file, self._start = place["file"], place["hdrLoc"]
        self._size = int(place["datLoc"] + place["datSpan"] - self._start)

    @property
    def seconds(self) -> int:
        """Longest time on the processor that decoding may take."""
        return math.ceil(_SECONDS + _SECONDS_PER_PIXEL * self._pixels)

    @property
    def memory(self) -> int:
        """Largest number of bytes that decoding may allocate."""
        return _BYTES + _BYTES_PER_PIXEL * self._pixels + _BYTES_PER_STORED * self._size

    def decode(self, parts: Sequence[tuple[Any, ...] | None]) -> Iterator[np.ndarray]:
        """Have parts decoded, and iterate over their pixels."""
        asked = {"memory": self.memory, "seconds": self.seconds, "parts": [_as_json(part) for part in parts]}
        with _SERVER.connect(self) as connection:
            try:
                _send(connection, json.dumps(asked).encode())
                self._send_file(connection)
                for _ in parts:
                    dtype, shape = json.loads(self._answer(connection, _LONGEST_TEXT).tobytes())
                    yield self._answer(connection, 8 * self._pixels).view(np.dtype(dtype)).reshape(shape)
            except TimeoutError as error:
                raise self._damaged(f"are not decoded in {_PATIENCE:.0f} s") from error
            except (BrokenPipeError, ConnectionResetError) as error:
                raise _GoneError from error

    def _send_file(self, connection: socket.socket) -> None:
        """Send the HDU, with its header as it is read here, behind an empty primary HDU."""
        connection.sendall(decoder.HEADER.pack(decoder.DATA, len(_PRIMARY) + self._size))
        connection.sendall(_PRIMARY)
        before = self._file.tell()
        try:
            self._file.seek(self._start)
            left = self._size
            while left > 0:
                # The padding of the last HDU of a file may be missing.
                piece = self._file.read(min(left, _PIECE)) or bytes(min(left, _PIECE))
                connection.sendall(piece)
                left -= len(piece)
        finally:
            self._file.seek(before)

    def _answer(self, connection: socket.socket, most: int) -> np.ndarray:
        """Receive a message with data, at most a number of bytes; raise FitsError for any other."""
        head = decoder.receive(connection, decoder.HEADER.size)
        if len(head) < decoder.HEADER.size:
            raise _GoneError
        kind, size = decoder.HEADER.unpack(head)
        if size > max(most, _LONGEST_TEXT):  # its memory was overwritten
            raise self._damaged("confuse the decoder")
        data = np.empty(size, np.uint8)
        if decoder.receive_into(connection, data) < size:
            raise _GoneError
        if kind == decoder.DATA:
            return data
        if kind == decoder.ENDED:
            raise self._ended(int(data.tobytes()))
        name, reason = json.loads(data.tobytes())
        log.debug("%s: %s: %s", self.name, name, reason)
        if name == "MemoryError":
            raise self._damaged(f"need more than {self.memory} bytes, or than this machine has")
        raise self._damaged("cannot be decoded")

    def _ended(self, code: int) -> FitsError:
        if -code == signal.SIGXCPU:
            return self._damaged(f"are not decoded in {self.seconds} s")
        if -code in _CRASHES:
            return self._damaged(f"crash the decoder ({signal.Signals(-code).name})")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return FitsError(f"{self.name}: the process that decodes its {self.algorithm} tiles was ended by {how}")

    def _damaged(self, what: str) -> FitsError:
        return FitsError(f"{self.name} is damaged: its {self.algorithm} tiles {what}")


_PRIMARY = primary_header()


def _as_json(part: tuple[Any, ...] | None) -> list[Any] | None:
    if part is None:
        return None
    return [[one.start, one.stop, one.step] if isinstance(one, slice) else int(one) for one in part]


def _send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(decoder.HEADER.pack(decoder.DATA, len(data)) + data)


class _Server:
    """The process that decodes; any thread may connect to it, and each connection is served by a fork of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._others: list[Any] = []  # those of the process from which this one was forked

    def connect(self, stored: _Stored) -> socket.socket:
        """Return a connection; start the process if it does not run."""
        mine, theirs = socket.socketpair()
        mine.settimeout(_PATIENCE)
        with self._lock, theirs:
            try:
                if self._process is None:
                    self._start()
            except OSError as error:
                mine.close()
                raise FitsError(
                    f"{stored.name}: the process that decodes {stored.algorithm} tiles cannot be started: "
                    f"{error.strerror or error}"
                ) from error
            try:
                assert self._control is not None
                socket.send_fds(self._control, [b"+"], [theirs.fileno()])
            except OSError as error:
                mine.close()
                self._stop()
                raise _GoneError from error
        return mine

    def _start(self) -> None:
        mine, theirs = socket.socketpair()
        with theirs:
            # A session of its own: Ctrl-C is for the process that waits. One thread: forks of others are not safe.
            threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB")}
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", decoder.__file__, str(theirs.fileno()), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    env={**os.environ, **threads},
                )
            except BaseException:
                mine.close()
                raise
        self._control = mine
        with suppress(OSError):  # whoever waits for an answer is told
            _send(mine, json.dumps(sys.path).encode())

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End the process; it would end with this one anyway."""
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """Leave the process to the parent of this one, which was forked."""
        self._lock = threading.Lock()
        if self._control is not None:
            self._others.append(self._process)  # kept, as it would warn that it still runs
            self._control.close()
        self._process = self._control = None


_SERVER = _Server()
atexit.register(_SERVER.stop)
os.register_at_fork(after_in_child=_SERVER.forget)
