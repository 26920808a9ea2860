"""Files that are broken, lie about themselves or are none: refused in one line that says why, or read rightly."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import hanging
import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner, Result

from evensky.cli import main
from evensky.errors import FitsError
from evensky.io import read_exposure, write_exposure
from evensky.simulate import make_exposures, write_exposures
from evensky.tasks.journal import JOURNAL

# As a user has it: what astropy warns of must not become an error here that it is not there.
pytestmark = pytest.mark.filterwarnings("ignore")
_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)

BLOCK = 2880
SIDE = 64
Row = tuple[str, Callable[[], bytes], str]


def run(*args: Any) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def one_line(result: Result, code: int = 2) -> str:
    """What a command says that has ended as it should: in one line, and with this exit code."""
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == code, result.output
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, result.output
    assert lines[0].startswith("evensky: ")
    assert "Traceback" not in lines[0]
    return lines[0].removeprefix("evensky: ")


def assert_refused(path: Path, says: str) -> None:
    with pytest.raises(FitsError, match=says) as raised:
        read_exposure(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 400
    assert one_line(run("stats", path)) == " ".join(message.split())


# How the files are made: whole ones, of which single cards and bytes are changed as no writer of FITS would.


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
    """Image, mask and variance in LSST's layout."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fits"
        write_exposure(make_exposures(1, (SIDE, SIDE), seed=2)[0].exposure, path)
        return path.read_bytes()


@cache
def places(content: bytes) -> list[tuple[int, int, int]]:
    """Where header and data of each HDU begin, and where the data end."""
    with fits.open(io.BytesIO(content), disable_image_compression=True) as hdus:
        found = [hdu.fileinfo() for hdu in hdus]
    return [(one["hdrLoc"], one["datLoc"], one["datLoc"] + one["datSpan"]) for one in found]


def with_card(content: bytes, *cards: str, behind: int = 0) -> bytes:
    """The first card of each keyword behind this byte is replaced."""
    for card in cards:
        at = content.index(card[:8].ljust(8).encode() + b"=", behind)
        content = content[:at] + card.encode().ljust(80) + content[at + 80 :]
    return content


def integer(keyword: str, value: object) -> str:
    """In FITS's fixed format, which some readers want of the cards that say how large the data are."""
    return f"{keyword:8}= {value!s:>20}"


def sized(content: bytes, width: object, height: object, prefix: str = "") -> bytes:
    return with_card(content, integer(f"{prefix}NAXIS1", width), integer(f"{prefix}NAXIS2", height))


def more_cards(content: bytes, *cards: bytes) -> bytes:
    """Cards are added to the primary header."""
    end = content.index(b"END" + b" " * 77)
    data = -(-(end + 80) // BLOCK) * BLOCK
    header = content[:end] + b"".join(card.ljust(80) for card in cards) + b"END".ljust(80)
    return header + b" " * (-len(header) % BLOCK) + content[data:]


def changed(change: Callable[[Any], None]) -> bytes:
    """LSST's layout, its HDUs changed by a function."""
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
    """A gzip file that unpacks to this much; members follow each other, which is as valid as one and quickly made."""
    return gzip.compress(head) + gzip.compress(padding * (1 << 20)) * megabytes


def mask_plane(value: object) -> bytes:
    def change(hdus: Any) -> None:
        hdus[2].header["MP_BAD"] = value

    return changed(change)


def hdu_replaced(index: int, make: Callable[[np.ndarray], np.ndarray]) -> bytes:
    def change(hdus: Any) -> None:
        hdus[index] = fits.ImageHDU(make(hdus[index].data), hdus[index].header)

    return changed(change)


def without(pattern: str) -> Callable[[Any], None]:
    def change(hdus: Any) -> None:
        for hdu in hdus[1:]:
            for card in [*hdu.header[pattern]] if "*" in pattern else [pattern]:
                del hdu.header[card]

    return change


def without_ltv(hdus: Any) -> None:
    for hdu in hdus[1:]:
        del hdu.header["LTV1"], hdu.header["LTV2"]


ANY = "cannot be read as FITS: "
ALGORITHMS = ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1")

REFUSED: list[Row] = [
    # Cut off.
    ("in-primary-header", lambda: lsst()[:1000], ANY),
    ("no-image-any-more", lambda: lsst()[: places(lsst())[1][0]], "no image in it; a two-dimensional image is needed"),
    (
        "in-extension-header",
        lambda: lsst()[: places(lsst())[1][0] + 1000],
        "not complete: 1000 bytes after its last whole HDU",
    ),
    (
        "in-mask-header",
        lambda: lsst()[: places(lsst())[2][0] + BLOCK - 1],
        "not complete: 2879 bytes after its last whole HDU",
    ),
    ("before-data", lambda: lsst()[: places(lsst())[1][1]], r"not complete: \d+ bytes, but its headers say \d+"),
    ("in-last-data", lambda: lsst()[: places(lsst())[3][1] + 5000], r"not complete: \d+ bytes, but its headers say"),
    (
        "one-byte-short",
        lambda: lsst()[: places(lsst())[3][1] + 4 * 64 * 64 - 1],
        r"not complete: \d+ bytes, but its headers say 66240",
    ),
    ("one-block-short", lambda: lsst()[:-BLOCK], r"not complete: \d+ bytes, but its headers say"),
    ("bytes-behind", lambda: lsst() + b"garbage", "7 bytes after its last whole HDU are not a whole HDU"),
    ("blocks-behind", lambda: lsst() + b"garbage" * 2000, "14000 bytes after its last whole HDU are not a whole HDU"),
    # Compressed by tiles.
    *((f"tile-broken-{one}", lambda one=one: with_broken_heap(one), ANY) for one in ALGORITHMS if one != "PLIO_1"),
    *(
        (f"tile-elsewhere-{one}", lambda one=one: with_broken_descriptor(one), r"a tile outside its heap of \d+ bytes")
        for one in ALGORITHMS
    ),
    *((f"tiles-cut-{one}", lambda one=one: compressed(one)[:-BLOCK], r"not complete: \d+ bytes") for one in ALGORITHMS),
    *(
        (
            f"tiles-claim-{one}",
            lambda one=one: sized(compressed(one), 100_000, 100_000, "Z"),
            r"says that it holds \d0000000000 bytes of pixels, in a file of \d+ bytes; .*unpack it first",
        )
        for one in ALGORITHMS
    ),
    (
        "tiles-claim-more",
        lambda: sized(compressed("RICE_1"), 6000, 6000, "Z"),
        "has 64 tiles; an image of its size has 564000",
    ),
    ("tiles-unknown-kind", lambda: with_card(compressed("RICE_1"), "ZCMPTYPE= 'NOPE'"), "compression type: NOPE"),
    ("tiles-of-7-bits", lambda: with_card(compressed("RICE_1"), "ZBITPIX = 7"), "BITPIX: 7"),
    ("tiles-of-0", lambda: with_card(compressed("RICE_1"), "ZTILE1  = 0"), ANY),
    (
        "tiles-of-minus-1",
        lambda: with_card(compressed("RICE_1"), "ZTILE1  = -1"),
        "has 64 tiles; an image of its size has -",
    ),
    (
        "tiles-of-1e5",
        lambda: with_card(compressed("GZIP_1"), "ZTILE1  = 100000", "ZTILE2  = 100000"),
        "64 tiles; .* has 1",
    ),
    ("tiled-image-minus-1", lambda: with_card(compressed("RICE_1"), "ZNAXIS1 = -1"), "64 tiles; .* has 0"),
    ("tiled-image-999-axes", lambda: with_card(compressed("RICE_1"), "ZNAXIS  = 999"), "ZNAXIS3"),
    # Claims; what they would need in memory is measured below.
    (
        "claim-10-GB",
        lambda: sized(plain(), 50_000, 50_000)[:BLOCK],
        "says that it holds 10000000000 bytes of pixels, in a file of 2880 bytes",
    ),
    ("claim-1e19", lambda: sized(plain(), 2_000_000_000, 2_000_000_000)[:BLOCK], ANY),
    ("claim-overflow", lambda: sized(plain(), "9" * 20, "9" * 20)[:BLOCK], ANY),
    (
        "claim-heap",
        lambda: with_card(as_bytes(fits.PrimaryHDU(), fits.ImageHDU(pixels())), integer("PCOUNT", 10**11)),
        r"not complete: 23040 bytes, but its headers say 4\d{11}",
    ),
    (
        "heap-minus-1000",
        lambda: with_card(as_bytes(fits.PrimaryHDU(), fits.ImageHDU(pixels())), "PCOUNT  = -1000"),
        ANY,
    ),
    ("no-group", lambda: with_card(as_bytes(fits.PrimaryHDU(), fits.ImageHDU(pixels())), integer("GCOUNT", 0)), ANY),
    # Scales.
    ("bscale-nan", lambda: more_cards(plain("i2"), b"BSCALE  = NaN"), ANY),
    ("bzero-nan", lambda: more_cards(plain("i2"), b"BZERO   = NaN"), ANY),
    (
        "bscale-text",
        lambda: more_cards(plain("i2"), b"BSCALE  = 'two'"),
        "BSCALE = 'two'; it must be a finite number other than 0",
    ),
    # Masks and variances.
    (
        "mask-of-floats",
        lambda: hdu_replaced(2, lambda data: data.astype("f4")),
        "mask has pixels of type.*whole numbers",
    ),
    ("mask-of-other-shape", lambda: hdu_replaced(2, lambda data: data[:32]), r"mask has shape \(32, 64\) .*\(64, 64\)"),
    ("mask-without-pixels", lambda: changed(lambda hdus: setattr(hdus[2], "data", None)), "mask has shape None"),
    ("plane-minus-1", lambda: mask_plane(-1), "'BAD' has number -1; it must be 0 to 31"),
    ("plane-32", lambda: mask_plane(32), "'BAD' has number 32; it must be 0 to 31"),
    ("plane-99", lambda: mask_plane(99), "'BAD' has number 99; it must be 0 to 31"),
    ("plane-1e30", lambda: mask_plane(10**30), "'BAD' has number 10+; it must be 0 to 31"),
    ("plane-text", lambda: mask_plane("two"), "'two'"),
    ("plane-nan", lambda: with_card(lsst(), "MP_BAD  = NaN"), "MP_BAD"),
    ("planes-of-one-number", lambda: mask_plane(1), "'BAD' and 'SAT' both have number 1"),
    (
        "variance-of-other-shape",
        lambda: hdu_replaced(3, lambda data: data[:, :32]),
        r"variance has shape \(64, 32\) but the image has \(64, 64\)",
    ),
    # Numbers that are none.
    ("ltv-nan", lambda: with_card(lsst(), "LTV1    = NaN"), "LTV1"),
    ("ltv-text", lambda: with_card(lsst(), "LTV1    = 'abc'"), "'abc'"),
    (
        "ltv-infinite",
        lambda: with_card(lsst(), "LTV1    = 1E999"),
        "LTV1 = inf, LTV2 = 0: a pixel origin must be two numbers",
    ),
    ("ltv-empty", lambda: with_card(lsst(), "LTV1    ="), "LTV1 = None, LTV2 = 0: a pixel origin must be two numbers"),
    ("origin-nan", lambda: with_card(changed(without_ltv), "CRVAL1A = NaN"), "CRVAL1A"),
    ("origin-text", lambda: with_card(changed(without_ltv), "CRVAL1A = 'abc'"), "'abc'"),
    ("origin-pixel-text", lambda: with_card(changed(without_ltv), "CRPIX1A = 'abc'"), "'abc'"),
    *(
        (
            f"{card.split()[0].lower()}-{card.split('= ')[1].strip().lower()}",
            lambda card=card: with_card(plain(), card),
            ANY,
        )
        for card in (
            "BITPIX  = 7",
            "BITPIX  = 0",
            "BITPIX  = 'x'",
            "BITPIX  = NaN",
            "NAXIS   = -1",
            "NAXIS   = 3",
            "NAXIS   = 999",
            "NAXIS   = 'two'",
            "NAXIS1  = -64",
            "NAXIS1  = NaN",
            "NAXIS1  = 'abc'",
            "NAXIS1  = 64.0",
            "SIMPLE  = F",
        )
    ),
    ("naxis1-0", lambda: with_card(plain(), "NAXIS1  = 0"), "17280 bytes after its last whole HDU"),
    ("naxis1-missing", lambda: plain().replace(b"NAXIS1  ", b"NOAXIS1 "), "NAXIS1"),
    # No image, or none that is two-dimensional.
    (
        "cube",
        lambda: as_bytes(fits.PrimaryHDU(np.zeros((2, 3, 4), "f4"))),
        "3 dimensions.*two-dimensional image is needed",
    ),
    ("spectrum", lambda: as_bytes(fits.PrimaryHDU(np.zeros(5, "f4"))), "1 dimensions.*two-dimensional image is needed"),
    ("no-rows", lambda: as_bytes(fits.PrimaryHDU(np.zeros((0, 5), "f4"))), "no pixels; a two-dimensional image"),
    (
        "tables-only",
        lambda: as_bytes(
            fits.PrimaryHDU(),
            fits.BinTableHDU.from_columns(
                [fits.Column("z", "C", array=[1j, 2.0]), fits.Column("name", "5A", array=["a", "b"])]
            ),
        ),
        "no image in it; a two-dimensional image is needed",
    ),
    ("zero-length", lambda: b"", ANY),
    ("zeros", lambda: bytes(2 * BLOCK), ANY),
    ("blanks", lambda: b" " * 2 * BLOCK, ANY),
    ("one-card", lambda: integer("SIMPLE", "T").ljust(80).encode(), ANY),
    ("noise", lambda: np.random.default_rng(5).bytes(20_000), ANY),
    ("picture", lambda: b"\x89PNG\r\n\x1a\n" + np.random.default_rng(5).bytes(3000), ANY),
    ("continued-nothing", lambda: more_cards(plain(), b"CONTINUE  'c'"), ANY),
]

REFUSED_GZIP: list[Row] = [
    (
        "cut-in-half",
        lambda: gzip.compress(plain())[: len(gzip.compress(plain())) // 2],
        "cannot be unpacked: .*not complete",
    ),
    ("head-only", lambda: gzip.compress(plain())[:10], "cannot be unpacked: .*not complete"),
    ("twice", lambda: gzip.compress(gzip.compress(plain())), ANY),
    ("text", lambda: gzip.compress(b"hello"), ANY),
    (
        "of-a-short-file",
        lambda: gzip.compress(lsst()[:-BLOCK]),
        r"is not complete: \d+ bytes, but its headers say \d+",
    ),
    (
        "claim",
        lambda: gzip.compress(sized(plain(), 50_000, 50_000)[:BLOCK]),
        "says that it holds 10000000000 bytes of pixels, in a file of 1.. bytes",
    ),
    (
        "bomb",
        lambda: bomb(sized(plain(), 10_000, 10_000)[:BLOCK], b"\0", 400),
        "unpacks to more than 268435456 bytes, in a file of 4..... bytes; if that is true, unpack it first",
    ),
]


@pytest.mark.parametrize(("make", "says"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_refused(tmp_path: Path, make: Callable[[], bytes], says: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(make())
    assert_refused(path, says)


@pytest.mark.parametrize(("make", "says"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED_GZIP])
def test_refused_gzip(tmp_path: Path, make: Callable[[], bytes], says: str) -> None:
    path = tmp_path / "a.fits.gz"
    path.write_bytes(make())
    assert_refused(path, says)


def socket_at(path: Path) -> None:
    # Names of sockets are short.
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


@pytest.mark.parametrize(("make", "says"), [pytest.param(*row[1:], id=row[0]) for row in SPECIAL])
def test_what_is_no_file(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    path = tmp_path / "a.fits"
    make(path)
    assert_refused(path, says)


def test_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(plain())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    assert_refused(path, "Permission denied")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    assert_refused(tmp_path / f"{'x' * 300}.fits", "too long|no such file")


# What is odd, but says clearly enough what it means.


def mean_of(content: bytes, folder: Path) -> float:
    path = folder / "a.fits"
    path.write_bytes(content)
    return float(np.nanmean(read_exposure(path).image.array))


READ: list[Row] = [
    # What pads the last block is missing, or more than that is there.
    ("padding-short", lambda: plain()[:-1], "f4"),
    ("no-padding", lambda: plain()[: BLOCK + 4 * 64 * 64], "f4"),
    ("a-line-behind", lambda: plain() + b"\r\n", "f4"),
    *((f"tiles-{one}", lambda one=one: compressed(one), "i4") for one in ALGORITHMS),
    ("gzip", lambda: gzip.compress(plain()), "f4"),
    ("checksum", lambda: as_bytes(fits.PrimaryHDU(pixels()), checksum=True), "f4"),
    (
        "datasum-no-number",
        lambda: with_card(as_bytes(fits.PrimaryHDU(pixels()), checksum=True), "DATASUM = 'no'"),
        "f4",
    ),
    ("many-cards", lambda: more_cards(plain(), *(b"KEY%05d= %d" % (i, i) for i in range(3000))), "f4"),
    ("one-card-often", lambda: more_cards(plain(), *[b"SAME    = 1"] * 3000), "f4"),
    ("many-comments", lambda: more_cards(plain(), *(b"COMMENT %d" % i for i in range(3000))), "f4"),
    ("latin-1", lambda: more_cards(plain(), "OBJECT  = 'Sèvres'".encode("latin-1")), "f4"),
    ("utf-8", lambda: more_cards(plain(), "OBJECT  = 'Sèvres'".encode()), "f4"),
    ("keyword-not-ascii", lambda: more_cards(plain(), b"OB\xe9ECT  = 'a'"), "f4"),
    ("huge-keyword", lambda: more_cards(plain(), b"HIERARCH " + b"X" * 60 + b" = 1"), "f4"),
    (
        "long-text",
        lambda: more_cards(plain(), b"LONG    = 'a&'", *[b"CONTINUE  '" + b"b" * 60 + b"&'"] * 500, b"CONTINUE  'c'"),
        "f4",
    ),
    ("no-equals-sign", lambda: more_cards(plain(), b"OBJECT   M13"), "f4"),
    ("text-without-end", lambda: more_cards(plain(), b"OBJECT  = 'M13"), "f4"),
    ("hdus-in-plenty", lambda: as_bytes(fits.PrimaryHDU(pixels()), *[fits.ImageHDU()] * 300), "f4"),
    (
        "broken-table-behind",
        lambda: as_bytes(
            fits.PrimaryHDU(pixels()), fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
        ).replace(b"TFORM1  = 'E", b"TFORM1  = 'Q"),
        "f4",
    ),
    ("wcs-of-9-axes", lambda: more_cards(plain(), b"WCSAXES = 9", b"CTYPE1  = 'RA---TAN'"), "f4"),
    ("wcs-of-one-axis", lambda: more_cards(plain(), b"CTYPE1  = 'RA---TAN'"), "f4"),
    ("wcs-nonsense", lambda: more_cards(plain(), b"CTYPE1  = 'NONSENSE'", b"CTYPE2  = 5"), "f4"),
    (
        "wcs-without-extent",
        lambda: more_cards(
            plain(), b"CTYPE1  = 'RA---TAN'", b"CTYPE2  = 'DEC--TAN'", b"CD1_1   = 0.0", b"CD2_2   = 0.0"
        ),
        "f4",
    ),
    (
        "sip-of-order-1e6",
        lambda: more_cards(
            plain(), b"CTYPE1  = 'RA---TAN-SIP'", b"CTYPE2  = 'DEC--TAN-SIP'", b"A_ORDER = 1000000", b"B_ORDER = 2"
        ),
        "f4",
    ),
    ("blank-text", lambda: more_cards(plain("i2"), b"BLANK   = 'no'"), "i2"),
    ("blank-out-of-range", lambda: more_cards(plain("i2"), b"BLANK   = 99999999"), "i2"),
    ("blank-of-floats", lambda: more_cards(plain(), b"BLANK   = 5"), "f4"),
]


@pytest.mark.parametrize(("make", "dtype"), [pytest.param(*row[1:], id=row[0]) for row in READ])
def test_read(tmp_path: Path, make: Callable[[], bytes], dtype: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(make())
    exposure = read_exposure(path)
    np.testing.assert_array_equal(exposure.image.array, pixels().astype(dtype))
    assert run("stats", path).exit_code == 0
    # What was read can be written, and is then the same.
    write_exposure(exposure, tmp_path / "b.fits")
    np.testing.assert_array_equal(read_exposure(tmp_path / "b.fits").image.array, pixels().astype(dtype))


@pytest.mark.parametrize(
    "make",
    [
        lambda: changed(without("EXTTYPE")),
        lambda: changed(without("MP_*")),
        lambda: changed(lambda hdus: hdus.append(hdus[1].copy())),
        lambda: changed(lambda hdus: hdus.append(fits.ImageHDU(~hdus[2].data, hdus[2].header))),
        lambda: with_card(lsst(), "EXTTYPE = 5", "EXTNAME = 5"),
        lambda: with_card(lsst(), "CRVAL1A = 'abc'"),
        lambda: with_card(lsst(), "CTYPE1  = 5", behind=BLOCK),
    ],
    ids=["no-exttype", "no-planes", "image-twice", "mask-twice", "no-names", "origin-text-beside-ltv", "ctype-number"],
)
def test_read_lsst(tmp_path: Path, make: Callable[[], bytes]) -> None:
    (tmp_path / "a.fits").write_bytes(lsst())
    (tmp_path / "b.fits").write_bytes(make())
    one, other = (read_exposure(tmp_path / name) for name in ("a.fits", "b.fits"))
    for left, right in zip(one.maskedImage.getArrays(), other.maskedImage.getArrays(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert other.mask.getMaskPlaneDict() == one.mask.getMaskPlaneDict()
    assert other.assumptions == []


def test_scaled_integers(tmp_path: Path) -> None:
    raw = pixels().astype("i2")
    assert mean_of(more_cards(plain("i2"), b"BSCALE  = 2.0", b"BZERO   = 7"), tmp_path) == pytest.approx(
        np.mean(raw * 2.0 + 7)
    )
    path = tmp_path / "a.fits"
    value = int(raw[0, 0])
    blank = raw == value
    for scale, cards in ((1, []), (2, [b"BSCALE  = 2.0"])):
        path.write_bytes(more_cards(plain("i2"), b"BLANK   = %d" % value, *cards))
        read = read_exposure(path).image.array
        np.testing.assert_array_equal(np.isnan(read), blank)
        np.testing.assert_array_equal(read[~blank], scale * raw[~blank])
    # No pixel of it counts, so there is nothing to have statistics of.
    path.write_bytes(more_cards(plain("i2"), b"BZERO   = 1E400"))
    assert not np.isfinite(read_exposure(path).image.array).any()


# What should be answered otherwise.


@pytest.mark.parametrize(("dtype", "zero"), [("i2", 2**15), ("i4", 2**31)])
def test_blank_of_unsigned(tmp_path: Path, dtype: str, zero: int) -> None:
    raw = pixels().astype(dtype)
    path = tmp_path / "a.fits"
    path.write_bytes(more_cards(plain(dtype), b"BZERO   = %d" % zero, b"BLANK   = %d" % raw[0, 0]))
    np.testing.assert_array_equal(np.isnan(read_exposure(path).image.array), raw == raw[0, 0])


@pytest.mark.parametrize("kind", ["pixels", "plain", "compressed"])
def test_a_wrong_checksum_is_told(tmp_path: Path, kind: str) -> None:
    if kind == "pixels":
        content = bytearray(as_bytes(fits.PrimaryHDU(pixels()), checksum=True))
        content[BLOCK + 101] ^= 1
    elif kind == "plain":
        content = bytearray(with_card(as_bytes(fits.PrimaryHDU(pixels()), checksum=True), "DATASUM = '12345'"))
    else:
        content = bytearray(with_card(compressed("GZIP_1", checksum=True), "DATASUM = '12345'", behind=BLOCK))
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    try:
        notes = " ".join(read_exposure(path).assumptions)
    except FitsError as error:
        notes = str(error)
    assert "CHECKSUM" in notes.upper() or "DATASUM" in notes.upper()


def test_a_wrong_checksum_is_no_crash(tmp_path: Path) -> None:
    content = bytearray(as_bytes(fits.PrimaryHDU(pixels()), checksum=True))
    content[BLOCK + 101] ^= 1
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    result = run("stats", path)
    assert result.exit_code == 0 or "sum" in one_line(result).lower()


@pytest.mark.parametrize("kind", ["cut", "crc"])
def test_the_end_of_a_gzip_file(tmp_path: Path, kind: str) -> None:
    whole = gzip.compress(plain())
    path = tmp_path / "a.fits.gz"
    path.write_bytes(whole[:-8] if kind == "cut" else whole[:-6] + b"xx" + whole[-4:])
    assert_refused(path, "complete|CRC|cannot be read")


@pytest.mark.parametrize("cut", ["inside", "outside"])
def test_gzip_of_a_file_that_is_cut(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "a.fits.gz"
    whole = gzip.compress(lsst())
    path.write_bytes(whole[:-3000] if cut == "outside" else gzip.compress(lsst()[: places(lsst())[2][0] + 1000]))
    assert_refused(path, "not complete|cannot be read")


def test_plio_tiles_that_are_larger_than_the_image(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(with_card(compressed("PLIO_1"), "ZTILE1  = 100000", "ZTILE2  = 100000"))
    assert_refused(path, "64 tiles; .* has 1")


@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_a_scale_of_0(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(more_cards(plain(dtype), b"BSCALE  = 0.0"))
    assert_refused(path, "BSCALE")


@pytest.mark.parametrize("value", [20.5, True])
def test_planes_of_no_number(tmp_path: Path, value: object) -> None:
    def change(hdus: Any) -> None:
        del hdus[2].header["MP_SAT"]
        hdus[2].header["MP_BAD"] = value

    path = tmp_path / "a.fits"
    path.write_bytes(changed(change))
    assert_refused(path, "BAD")


def test_masks_of_more_than_32_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(hdu_replaced(2, lambda data: np.full(data.shape, 2**40, np.int64)))
    assert_refused(path, "mask")


@pytest.mark.parametrize("card", ["LTV1    = 1E30", "LTV1    = -9999999999"])
def test_origins_beyond_any_box(tmp_path: Path, card: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(with_card(lsst(), card))
    assert_refused(path, "LTV1")


@pytest.mark.parametrize(
    "card", [b"OBJECT  = '\0\0'", b"OBJECT  = 'a\tb'", b"COMMENT a\nb"], ids=["nul", "tab", "line"]
)
def test_control_characters(tmp_path: Path, card: bytes) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(more_cards(plain(), card))
    exposure = read_exposure(path)
    np.testing.assert_array_equal(exposure.image.array, pixels())
    write_exposure(exposure, tmp_path / "b.fits")


@pytest.mark.parametrize("value", ["NaN", "'nonsense'"])
@pytest.mark.parametrize("keyword", ["CRPIX1", "CRVAL1"])
def test_a_broken_wcs_can_be_written(tmp_path: Path, keyword: str, value: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(with_card(lsst(), f"{keyword:8}= {value}", behind=BLOCK))
    exposure = read_exposure(path)
    write_exposure(exposure, tmp_path / "b.fits")
    np.testing.assert_array_equal(read_exposure(tmp_path / "b.fits").image.array, exposure.image.array)


@pytest.mark.parametrize(
    "make",
    [
        lambda: more_cards(plain(), b"OBJECT  = 'M13"),
        lambda: more_cards(plain(), b"OBJECT   M13"),
        lambda: more_cards(plain(), b"OB\xe9ECT  = 'a'"),
        lambda: with_broken_descriptor("RICE_1"),
    ],
    ids=["text-without-end", "no-equals-sign", "keyword-not-ascii", "tile-elsewhere"],
)
def test_no_warnings_on_the_way(tmp_path: Path, make: Callable[[], bytes]) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(make())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run("stats", path)
    assert result.exit_code in (0, 2)
    assert [str(one.message) for one in caught if one.category is not ResourceWarning] == []


def test_axes_in_plenty(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(with_card(plain(), integer("NAXIS", 10**9)))
    signal.alarm(2)
    try:
        assert_refused(path, "NAXIS|cannot be read")
    except hanging.HangError as error:
        pytest.fail(str(error))


# Memory.

_READER = """
import json, resource, sys
from evensky.errors import FitsError
from evensky.io import read_exposure

resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
for path in sys.argv[1:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read_exposure(path)
        message = ""
    except FitsError as error:
        message = str(error)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([message, grown / (1024 if sys.platform == "linux" else 1 << 20)]))
"""


def read_elsewhere(*paths: Path) -> list[tuple[str, float]]:
    """Messages, and how many megabytes a process of little memory grew."""
    # A small whole file first: what reading needs to import is no part of the measurement.
    paths[0].with_name("whole.fits").write_bytes(lsst())
    command = [sys.executable, "-W", "ignore", "-c", _READER, str(paths[0].with_name("whole.fits")), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=25, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()][1:]


def test_claims_take_no_memory(tmp_path: Path) -> None:
    claims = {
        "plain.fits": sized(plain(), 50_000, 50_000)[:3000],
        "large.fits": sized(plain(), 2_000_000_000, 2_000_000_000)[:BLOCK],
        "moderate.fits": sized(plain(), 8000, 8000)[:3000],
        "mask.fits": lsst()[: places(lsst())[2][0]] + sized(lsst()[places(lsst())[2][0] :], 50_000, 50_000),
        "heap.fits": with_card(as_bytes(fits.PrimaryHDU(), fits.ImageHDU(pixels())), integer("PCOUNT", 10**10)),
        **{f"{one}.fits": sized(compressed(one), 100_000, 100_000, "Z") for one in ALGORITHMS},
        "tile.fits": with_card(compressed("RICE_1"), "ZTILE1  = 50000", "ZTILE2  = 50000"),
        "claim.fits.gz": gzip.compress(sized(plain(), 50_000, 50_000)[:BLOCK]),
        "bomb.fits.gz": bomb(sized(plain(), 10_000, 10_000)[:BLOCK], b"\0", 400),
    }
    for name, content in claims.items():
        (tmp_path / name).write_bytes(content)
    for name, (message, grown) in zip(claims, read_elsewhere(*(tmp_path / name for name in claims)), strict=True):
        assert message.startswith(f"{tmp_path / name}: ")
        assert grown < 60, (name, message)


@pytest.mark.parametrize(("head", "padding"), [(80, b" "), (None, b"\1")], ids=["header", "behind"])
def test_bombs_that_claim_nothing(tmp_path: Path, head: int | None, padding: bytes) -> None:
    path = tmp_path / "bomb.fits.gz"
    path.write_bytes(bomb(plain()[:head], padding, 80))
    ((message, grown),) = read_elsewhere(path)
    assert grown < 60
    assert message.startswith(f"{path}: ")


# Configuration files.


@pytest.fixture(scope="module")
def exposures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_exposures(make_exposures(3, (128, 128), seed=4), tmp_path_factory.mktemp("exposures"))


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [ha, ha]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, levels)]
    return "\n".join(lines)


def merges(levels: int) -> str:
    """Mappings that are merged into each other; each level has nine times the pairs of the one before."""
    lines = ["- &a0 {x: 1}"]
    lines += [f"- &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 9)}]}}" for k in range(1, levels)]
    return "\n".join(lines)


CONFIGURATIONS: list[tuple[str, bytes | str, str]] = [
    ("not-utf-8.yaml", b"binSize: \xff\xfe", "cannot be read: .*utf-8"),
    ("not-utf-8.toml", b"binSize = \xff", "cannot be read: .*utf-8"),
    ("list.yaml", "- binSize\n- 3\n", "holds a list; names and values are needed"),
    ("list.json", "[1, 2]", "holds a list; names and values are needed"),
    ("word.yaml", "binSize", "holds a str; names and values are needed"),
    ("number.json", "5", "holds a int; names and values are needed"),
    ("laughs.yaml", laughs(30), "field 'a1' holds a list; numbers, words and lists of words are allowed"),
    ("itself.yaml", "a: &a [*a]", "field 'a' holds a list; numbers, words and lists of words are allowed"),
    ("mapping.yaml", "binSize: {a: 1}", "field 'binSize' holds a dict; numbers, words and lists of words are allowed"),
    ("table.toml", "[binSize]\na = 1", "field 'binSize' holds a dict; numbers, words and lists of words are allowed"),
    ("large.yaml", "# " + "x" * 65536, "more than 65536 bytes"),
    ("large.json", b" " * (1 << 20), "more than 65536 bytes"),
    ("deep.yaml", "[" * 5000, "is not YAML"),
    ("deep.json", '{"a":' * 5000, "is not YAML"),
    ("deep.toml", "a = " + "[" * 5000, "is not TOML"),
    ("torn.yaml", "binSize: [", "is not YAML"),
    ("torn.json", '{"binSize": ', "is not YAML"),
    ("torn.toml", "binSize =", "is not TOML"),
    ("object.yaml", "binSize: !!python/object/apply:os.getcwd []", "is not YAML: .*python/object"),
    ("two.yaml", "binSize: 32\n---\nbinSize: 64\n", "is not YAML: expected a single document"),
    ("control.yaml", b"binSize: \x01", "is not YAML"),
    ("binary.yaml", b"\0\1\2\3", "is not YAML"),
    ("date.yaml", "binSize: 2026-05-05", "field 'binSize' holds a date"),
    ("digits.yaml", "binSize: " + "9" * 5000, "is not YAML|binSize"),
    ("unknown.yaml", "binsize: 32", "no configuration field 'binsize'; the known ones are .*binSize"),
    ("number-name.yaml", "5: 32", "no configuration field 5; the known ones are"),
    ("long-name.toml", "a" * 50_000 + " = 1", "no configuration field 'aaaa.*; the known ones are"),
    ("text.yaml", "binSize: large", "binSize = 'large': .*int"),
    ("fraction.toml", "binSize = 32.5", r"binSize = 32\.5: .*int"),
    ("number.yaml", "usePolynomial: 3", "usePolynomial = 3: .*bool"),
    ("list-of-numbers.yaml", "badMaskPlanes: [1, 2]", "badMaskPlanes = .*str"),
    ("negative.yaml", "binSize: -4", "binSize"),
    ("null.yaml", "binSize: null", "'binSize' failed validation: Required value cannot be None"),
    ("null-list.yaml", "badMaskPlanes: ~", "'badMaskPlanes' failed validation: Required value cannot be None"),
    ("nan.yaml", "bestRefWeightLevel: .nan", r"bestRefWeightLevel.* nan is outside of valid range \[0.0,1.0\]"),
    ("infinite.toml", "numSigmaClip = inf", "numSigmaClip = inf: .*int"),
    ("choice.toml", 'gridStatistic = "FOO"', "FOO is not allowed"),
    ("config.py", "config.binSize = 32", "ends in .yaml, .yml, .json, .toml; .*--python-config"),
    ("config.ecsv", "# %ECSV 1.0", "ends in .yaml, .yml, .json, .toml$"),
    ("config", "binSize: 32", "ends in .yaml, .yml, .json, .toml$"),
]


@pytest.mark.parametrize(("name", "content", "says"), [pytest.param(*row, id=row[0]) for row in CONFIGURATIONS])
def test_configuration_refused(
    exposures: list[Path], tmp_path: Path, name: str, content: bytes | str, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    message = one_line(run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--config", path))
    assert re.search(says, message), message
    assert len(message) < 1000 + len(str(path))
    assert not (tmp_path / "out").exists()  # before anything is made


@pytest.mark.parametrize("make", [pytest.param(row[1], id=row[0]) for row in SPECIAL])
def test_configuration_that_is_no_file(exposures: list[Path], tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "a.yaml"
    make(path)
    message = one_line(run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--config", path))
    assert message.startswith(f"{path}: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "content"), [("a.yaml", ""), ("a.toml", ""), ("a.json", "{}"), ("b.yaml", "# no")])
def test_empty_configuration(exposures: list[Path], tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    result = run(
        "match",
        *exposures,
        "--method",
        "reference",
        "-o",
        tmp_path / "out",
        "--config",
        tmp_path / name,
        "-c",
        "binSize=32",
        "-q",
    )
    assert (result.exit_code, result.output) == (0, "")


def test_merged_mappings(exposures: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(merges(25))
    message = one_line(run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--config", path))
    assert message == f"{path}: holds a list; names and values are needed"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("config.binSize = 'x'", "binSize"),
        ("config.nope = 3", "nope"),
        ("config.binSize = ", "syntax"),
        ("raise ValueError('of no use')", "of no use"),
        ("f = lambda g: g(g)\nf(f)", "recursion"),
        (b"\xff\xfe\0", "cannot be executed"),
    ],
)
def test_python_configuration_refused(exposures: list[Path], tmp_path: Path, content: str | bytes, says: str) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    message = one_line(
        run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--python-config", path)
    )
    assert message.startswith(f"{path}: ")
    assert says in message


def test_python_configuration_that_exits(exposures: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("import sys\nsys.exit()\n")
    assert str(path) in one_line(
        run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--python-config", path)
    )


def test_python_configuration_that_is_a_fifo(exposures: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    os.mkfifo(path)
    signal.alarm(1)
    try:
        one_line(run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--python-config", path))
    except hanging.HangError as error:
        pytest.fail(str(error))


# Journals.


@pytest.fixture(scope="module")
def matched(exposures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("matched") / "out"
    result = run("match", *exposures, "--method", "reference", "--out", out, "-c", "binSize=32", "-q", "--no-report")
    assert result.exit_code == 0, result.output
    return out


def resumed(exposures: list[Path], out: Path) -> Result:
    return run(
        "match", *exposures, "--method", "reference", "--out", out, "-c", "binSize=32", "-q", "--no-report", "--resume"
    )


def copy_of(matched: Path, folder: Path) -> tuple[Path, Path, list[Any]]:
    out = folder / "out"
    shutil.copytree(matched, out)
    journal = out / JOURNAL
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines[2:]:
        line["record"]["output"] = str(out / Path(line["record"]["output"]).name)
    write_journal(journal, lines)
    return out, journal, lines


def write_journal(journal: Path, lines: list[Any]) -> None:
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))


def rest(lines: list[Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


JOURNALS: list[tuple[str, Callable[[list[Any]], bytes | str], str]] = [
    ("binary", lambda lines: np.random.default_rng(0).bytes(3000) + b"\n", "is not a journal of this version"),
    ("zeros", lambda lines: b"\0" * 4096 + b"\n", "is not a journal of this version"),
    ("text", lambda lines: "hello\n", "is not a journal of this version"),
    ("empty-line", lambda lines: "\n", "is not a journal of this version"),
    ("number", lambda lines: "5\n", "is not a journal of this version"),
    ("null", lambda lines: "null\n", "is not a journal of this version"),
    ("format", lambda lines: rest([{**lines[0], "journal": 2}, *lines[1:]]), "cannot be resumed: journal was 2"),
    ("version", lambda lines: rest([{**lines[0], "version": "0.0.1"}, *lines[1:]]), r"version was 0\.0\.1 and is"),
    ("no-first-line", lambda lines: rest(lines[1:]), "cannot be resumed: journal was None"),
    ("cut-inside", lambda lines: rest(lines)[:500] + "\n" + rest(lines[1:]), "is not a journal of this version"),
    ("other-line", lambda lines: rest([*lines, {"other": 1}]), "is not a journal of this version .*record"),
    ("list-line", lambda lines: rest([*lines, [1]]), "is not a journal of this version"),
    ("record-number", lambda lines: rest([*lines, {"record": 3}]), "is not a journal of this version"),
    ("record-empty", lambda lines: rest([*lines, {"record": {}}]), "is not a journal of this version"),
    (
        "record-more",
        lambda lines: rest([*lines, {"record": {**lines[2]["record"], "more": 1}}]),
        "is not a journal of this version .*more",
    ),
    ("label-list", lambda lines: rest([*lines, {"record": {**lines[2]["record"], "label": []}}]), "is not a journal"),
    (
        "no-candidates",
        lambda lines: rest([lines[0], {"reference": "demo_01", "reason": ""}]),
        "is not a journal of this version .*candidates",
    ),
    ("candidate-none", lambda lines: rest([lines[0], {**lines[1], "candidates": [None]}]), "is not a journal"),
    ("config-text", lambda lines: rest([{**lines[0], "config": "x"}]), "cannot be resumed: config"),
]


@pytest.mark.parametrize(("edit", "says"), [pytest.param(*row[1:], id=row[0]) for row in JOURNALS])
def test_journal_refused(
    exposures: list[Path], matched: Path, tmp_path: Path, edit: Callable[[list[Any]], bytes | str], says: str
) -> None:
    out, journal, lines = copy_of(matched, tmp_path)
    content = edit(lines)
    journal.write_bytes(content.encode() if isinstance(content, str) else content)
    left = {path.name: path.read_bytes() for path in out.iterdir()}
    message = one_line(resumed(exposures, out))
    assert re.search(says, message), message
    assert message.startswith(str(out))
    assert "choose another folder or allow overwriting" in message
    assert {path.name: path.read_bytes() for path in out.iterdir()} == left


@pytest.mark.parametrize("cut", [0, 10, -1, -200])
def test_journals_that_were_cut(exposures: list[Path], matched: Path, tmp_path: Path, cut: int) -> None:
    out, journal, _ = copy_of(matched, tmp_path)
    journal.write_bytes(journal.read_bytes()[:cut])
    assert resumed(exposures, out).exit_code == 0
    for path in matched.glob("*_matched.fits"):
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert len([json.loads(line) for line in journal.read_text().splitlines()]) == 2 + len(exposures)


@pytest.mark.parametrize("make", [pytest.param(row[1], id=row[0]) for row in SPECIAL if row[0] in ("folder", "socket")])
def test_journal_that_is_no_file(
    exposures: list[Path], matched: Path, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    out, journal, _ = copy_of(matched, tmp_path)
    journal.unlink()
    make(journal)
    assert one_line(resumed(exposures, out)).startswith(f"{journal}: cannot be read")


def test_journal_that_is_a_fifo(exposures: list[Path], matched: Path, tmp_path: Path) -> None:
    out, journal, _ = copy_of(matched, tmp_path)
    journal.unlink()
    os.mkfifo(journal)
    signal.alarm(1)
    try:
        one_line(resumed(exposures, out))
    except hanging.HangError as error:
        pytest.fail(str(error))


EDITED: list[tuple[str, Callable[[list[Any]], Any]]] = [
    ("reference-unknown", lambda lines: lines[1].update(reference="nobody")),
    ("reference-number", lambda lines: lines[1].update(reference=5)),
    ("reason-number", lambda lines: lines[1].update(reason=5)),
    ("status", lambda lines: lines[2]["record"].update(status="bogus")),
    ("output", lambda lines: lines[2]["record"].update(output=5)),
    ("figure", lambda lines: lines[2]["record"].update(fit_rms="much")),
    ("flags", lambda lines: lines[2]["record"].update(flags=None)),
    ("deep", lambda lines: lines.append("deep")),
]


@pytest.mark.parametrize("edit", [pytest.param(row[1], id=row[0]) for row in EDITED])
def test_journals_that_were_edited(
    exposures: list[Path], matched: Path, tmp_path: Path, edit: Callable[[list[Any]], Any]
) -> None:
    out, journal, lines = copy_of(matched, tmp_path)
    edit(lines)
    write_journal(journal, [line for line in lines if line != "deep"])
    if lines[-1] == "deep":
        with journal.open("a") as file:
            file.write("[" * 100_000 + "\n")
    (out / "matched.ecsv").unlink()
    result = run(
        "match", *exposures, "--method", "reference", "--out", out, "-c", "binSize=32", "--no-report", "--resume"
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    if result.exit_code == 2:  # refused
        assert "is not a journal" in one_line(result)
    else:  # or done as if the line were not there
        assert result.exit_code == 0
        for path in matched.glob("*_matched.fits"):
            assert (out / path.name).read_bytes() == path.read_bytes()
