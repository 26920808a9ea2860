"""Program that decodes tile-compressed images for another process, see `evensky.fits.tiles`.

It is run as a script and imports nothing of the package, so that it starts quickly. Each image is decoded by a fork of
its own: a decoder that crashes, hangs or takes too much memory ends that fork alone, and no image meets memory that the
damage of an earlier one has overwritten.
"""

from __future__ import annotations

__all__ = ["DATA", "ENDED", "FAILED", "HEADER", "main", "receive", "receive_into"]

import contextlib
import ctypes
import io
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
import warnings
from typing import Any

HEADER = struct.Struct("!cQ")
"""Start of each message: its kind, and the number of bytes that follow."""
DATA, FAILED, ENDED = b"D", b"F", b"E"
"""Kinds of messages: data; JSON with the name and the text of an exception; the exit code of a fork that has ended."""

# Longest time in seconds after which a parent that has ended is noticed, even if its end of the socket stays open
# because another process has a copy of it.
_LOOK = 0.25
# The program ends after this time without work, in seconds, and is started again when it is needed.
_IDLE = 120.0


def receive_into(connection: socket.socket, data: Any) -> int:
    """Fill a buffer of bytes, and return how many came; fewer if the connection ends before."""
    view, got = memoryview(data), 0
    while got < len(view) and (new := connection.recv_into(view[got:])):
        got += new
    return got


def receive(connection: socket.socket, size: int) -> bytes:
    """Receive a number of bytes; fewer if the connection ends before."""
    data = bytearray(size)
    return bytes(data[: receive_into(connection, data)])


def _message(connection: socket.socket) -> bytearray:
    """Receive a message whole; end the process if nobody waits for the answer."""
    head = receive(connection, HEADER.size)
    if len(head) < HEADER.size:
        os._exit(0)
    size = HEADER.unpack(head)[1]
    try:
        data = bytearray(size)
    except MemoryError:
        while size > 0 and (piece := connection.recv(min(size, 2**16))):  # the sender reads the answer afterwards
            size -= len(piece)
        raise
    if receive_into(connection, data) < size:
        os._exit(0)
    return data


def _send(connection: socket.socket, kind: bytes, data: Any) -> None:
    connection.sendall(HEADER.pack(kind, len(data)))
    connection.sendall(data)


def _limit(memory: int, seconds: int) -> None:
    """Limit the memory of this process to `memory` bytes more than it has now, and its time on the processor."""
    for kind, most in ((resource.RLIMIT_AS, _mapped() + memory), (resource.RLIMIT_CPU, seconds)):
        soft, hard = resource.getrlimit(kind)
        with contextlib.suppress(OSError, ValueError):  # macOS refuses limits of the address space
            resource.setrlimit(kind, (most if soft == resource.RLIM_INFINITY else min(most, soft), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _is_out_of_memory() -> bool:
    """Return whether the limit of memory is reached."""
    try:
        bytearray(2**20)
    except MemoryError:
        return True
    return False


def _mapped() -> int:
    """Return the number of bytes that are mapped; a large number where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 2**40


def _decode(connection: socket.socket) -> None:
    """Decode the parts of an image that a message asks for, and send their pixels."""
    import numpy as np
    from astropy.io import fits

    try:
        asked = json.loads(_message(connection))
        file = io.BytesIO(_message(connection))
        _limit(asked["memory"], asked["seconds"])
        with fits.open(file, memmap=False) as hdus:
            hdu = hdus[1]
            for part in asked["parts"]:
                index = None if part is None else tuple(slice(*one) if isinstance(one, list) else one for one in part)
                found = np.asarray(hdu.data if index is None else hdu.section[index])
                pixels = np.ascontiguousarray(found)
                _send(connection, DATA, json.dumps([pixels.dtype.str, found.shape]).encode())
                _send(connection, DATA, pixels.reshape(-1).view(np.uint8).data)
    except (BrokenPipeError, ConnectionResetError):
        return  # nobody waits for the answer
    except Exception as error:  # Libraries raise many kinds on damaged data, and where memory is wanting.
        name = "MemoryError" if _is_out_of_memory() else type(error).__name__
        _send(connection, FAILED, json.dumps([name, " ".join(str(error).split())]).encode())


def _die_with(parent: int) -> None:
    """Let the system kill this process when its parent ends, where it can (Linux)."""
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def main(control: socket.socket, parent: int) -> None:
    """Serve requests until the process `parent` ends; each is a connection that comes over `control`."""
    sys.path[:] = json.loads(_message(control))
    warnings.simplefilter("ignore")
    import numpy as np
    from astropy.io import fits

    # All that decoding imports later is imported now, so that forks need not do it.
    fits.CompImageHDU(np.zeros((2, 2), np.float32), quantize_level=16).section[0:1]
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    forks: dict[int, socket.socket] = {}
    idle = time.monotonic()
    while os.getppid() == parent:
        if forks:
            idle = time.monotonic()
        elif time.monotonic() - idle > _IDLE:
            return
        ready, _, _ = select.select([control.fileno(), wake], [], [], _LOOK)
        if wake in ready:
            os.read(wake, 512)
        if control.fileno() in ready:
            data, handles, _, _ = socket.recv_fds(control, 1, 1)
            if not data:
                break
            if not handles:  # this process may not open more files
                continue
            connection = socket.socket(fileno=handles[0])
            server = os.getpid()
            if (fork := os.fork()) == 0:
                try:
                    _begin_fork(server, [control, *forks.values()], (wake, woken))
                    _decode(connection)
                finally:
                    os._exit(0)  # also after an exception, so that a fork never serves
            forks[fork] = connection
        for fork in list(forks):
            ended, status = os.waitpid(fork, os.WNOHANG)
            if ended:
                connection = forks.pop(fork)
                code = os.waitstatus_to_exitcode(status)
                connection.setblocking(False)
                with contextlib.suppress(OSError):  # nobody waits for it
                    _send(connection, ENDED, str(code).encode())
                connection.close()
    for fork in forks:
        os.kill(fork, signal.SIGKILL)


def _begin_fork(server: int, connections: list[socket.socket], handles: tuple[int, int]) -> None:
    _die_with(server)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for one in connections:  # their ends must be seen by those who wait for them
        one.close()
    for handle in handles:
        os.close(handle)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
