"""Broken FITS files, made by changing single cards and bytes of whole ones."""

from __future__ import annotations

import gzip
import io
import os
import socket
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from command import one_line, run

from evensky.errors import FitsError
from evensky.io import read_exposure, write_exposure
from evensky.simulate import make_exposures

BLOCK = 2880
SIDE = 64
Row = tuple[str, Callable[[], bytes], str]


def assert_refused(path: Path, says: str) -> None:
    with pytest.raises(FitsError, match=says) as raised:
        read_exposure(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 400
    assert one_line(run("stats", path)) == " ".join(message.split())


# Functions that make valid files, and change single cards and bytes in them.


def as_bytes(*hdus: Any, checksum: bool = False) -> bytes:
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file, output_verify="silentfix", checksum=checksum)
    return file.getvalue()


@cache
def pixels() -> np.ndarray:
    return np.random.default_rng(1).normal(100, 5, (SIDE, SIDE)).astype(np.float32)


@cache
def plain(dtype: str = "f4") -> bytes:
    return as_bytes(fits.PrimaryHDU(pixels().astype(dtype)))


@cache
def lsst() -> bytes:
    """Return a file with image, mask and variance in LSST's layout."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fits"
        write_exposure(make_exposures(1, (SIDE, SIDE), seed=2)[0].exposure, path)
        return path.read_bytes()


@cache
def places(content: bytes) -> list[tuple[int, int, int]]:
    """Return the positions of the header, of the data and of the end of the data of each HDU."""
    with fits.open(io.BytesIO(content), disable_image_compression=True) as hdus:
        found = [hdu.fileinfo() for hdu in hdus]
    return [(one["hdrLoc"], one["datLoc"], one["datLoc"] + one["datSpan"]) for one in found]


def with_card(content: bytes, *cards: str, behind: int = 0) -> bytes:
    """Replace the first card of each keyword after a position."""
    for card in cards:
        at = content.index(card[:8].ljust(8).encode() + b"=", behind)
        content = content[:at] + card.encode().ljust(80) + content[at + 80 :]
    return content


def integer(keyword: str, value: object) -> str:
    """Return a card in FITS's fixed format, which some readers require for cards that give the size of the data."""
    return f"{keyword:8}= {value!s:>20}"


def sized(content: bytes, width: object, height: object, prefix: str = "") -> bytes:
    return with_card(content, integer(f"{prefix}NAXIS1", width), integer(f"{prefix}NAXIS2", height))


def more_cards(content: bytes, *cards: bytes) -> bytes:
    """Add cards to the primary header."""
    end = content.index(b"END" + b" " * 77)
    data = -(-(end + 80) // BLOCK) * BLOCK
    header = content[:end] + b"".join(card.ljust(80) for card in cards) + b"END".ljust(80)
    return header + b" " * (-len(header) % BLOCK) + content[data:]


def changed(change: Callable[[Any], None]) -> bytes:
    """Return a file in LSST's layout whose HDUs a function has changed."""
    with fits.open(io.BytesIO(lsst())) as hdus:
        copy = fits.HDUList([hdu.copy() for hdu in hdus])
    change(copy)
    return as_bytes(*copy)


@cache
def compressed(algorithm: str, checksum: bool = False) -> bytes:
    data = np.abs(pixels()).astype(np.int32 if algorithm == "RICE_1" else np.int16)
    return as_bytes(fits.PrimaryHDU(), fits.CompImageHDU(data, compression_type=algorithm), checksum=checksum)


def with_broken_heap(algorithm: str) -> bytes:
    content = bytearray(compressed(algorithm))
    with fits.open(io.BytesIO(content), disable_image_compression=True) as hdus:
        header = hdus[1].header
        heap = hdus[1].fileinfo()["datLoc"] + header["NAXIS1"] * header["NAXIS2"]
        third = header["PCOUNT"] // 3
    for k in range(heap + third, heap + third + min(40, third)):
        content[k] ^= 0xFF
    return bytes(content)


def with_broken_descriptor(algorithm: str) -> bytes:
    content = bytearray(compressed(algorithm))
    at = places(bytes(content))[1][1]
    content[at : at + 8] = b"\x7f\xff\xff\xff" * 2
    return bytes(content)


def bomb(head: bytes, padding: bytes, megabytes: int) -> bytes:
    """Make a gzip file that unpacks to a number of megabytes, quickly, from many members."""
    return gzip.compress(head) + gzip.compress(padding * (1 << 20)) * megabytes


def mask_plane(value: object) -> bytes:
    def change(hdus: Any) -> None:
        hdus[2].header["MP_BAD"] = value

    return changed(change)


def hdu_replaced(index: int, make: Callable[[np.ndarray], np.ndarray]) -> bytes:
    def change(hdus: Any) -> None:
        hdus[index] = fits.ImageHDU(make(hdus[index].data), hdus[index].header)

    return changed(change)


ANY = "cannot be read as FITS: "
ALGORITHMS = ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1")


def socket_at(path: Path) -> None:
    # The path of a socket must be short.
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(before)


SPECIAL: list[tuple[str, Callable[[Path], object], str]] = [
    ("folder", lambda path: path.mkdir(), "is a folder, not a FITS file"),
    ("socket", socket_at, "is not a regular file"),
    ("fifo", os.mkfifo, "is not a regular file"),
    ("null", lambda path: path.symlink_to("/dev/null"), "is not a regular file"),
    ("endless", lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    ("dangling", lambda path: path.symlink_to("nowhere"), "there is no such file"),
    ("loop", lambda path: path.symlink_to(path.name), "there is no such file"),
    ("missing", lambda path: None, "there is no such file"),
]


def refused(rows: list[Row], name: str = "a.fits") -> Callable[..., None]:
    """Make one test of a table: each file is refused, and the message is that of its row."""

    @pytest.mark.parametrize(("make", "says"), [pytest.param(*row[1:], id=row[0]) for row in rows])
    def test(tmp_path: Path, make: Callable[[], bytes], says: str) -> None:
        path = tmp_path / name
        path.write_bytes(make())
        assert_refused(path, says)

    return test
