"""Files that are broken or have false headers: refused in one line that gives the reason, without much memory."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import hanging
import numpy as np
import pytest
from astropy.io import fits
from broken_fits import (
    ALGORITHMS,
    ANY,
    BLOCK,
    SPECIAL,
    Row,
    as_bytes,
    assert_refused,
    bomb,
    compressed,
    integer,
    lsst,
    more_cards,
    pixels,
    places,
    plain,
    refused,
    sized,
    with_broken_descriptor,
    with_broken_heap,
    with_card,
)
from command import one_line, run

from evensky.errors import FitsError
from evensky.io import read_exposure

# Warnings of astropy are not errors, as they are not for users.
pytestmark = pytest.mark.filterwarnings("ignore")
_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)


REFUSED: list[Row] = [
    # Truncated files.
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
    # Files compressed by tiles.
    *(
        (f"tile-broken-{one}", lambda one=one: with_broken_heap(one), rf"{ANY}|is damaged: its {one} tiles cannot be")
        for one in ALGORITHMS
        if one != "PLIO_1"
    ),
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
    ("tiles-of-7-bits", lambda: with_card(compressed("RICE_1"), "ZBITPIX = 7"), "ZBITPIX = 7; it must be one of 8, 16"),
    ("tiles-of-0", lambda: with_card(compressed("RICE_1"), "ZTILE1  = 0"), ANY),
    (
        "tiles-of-minus-1",
        lambda: with_card(compressed("RICE_1"), "ZTILE1  = -1"),
        "ZTILE1 = -1; it must be a whole number > 0",
    ),
    (
        "tiles-of-1e5",
        lambda: with_card(compressed("GZIP_1"), "ZTILE1  = 100000", "ZTILE2  = 100000"),
        "64 tiles; .* has 1",
    ),
    (
        "tiled-image-minus-1",
        lambda: with_card(compressed("RICE_1"), "ZNAXIS1 = -1"),
        "ZNAXIS1 = -1; it must be a whole number >= 0",
    ),
    ("tiled-image-999-axes", lambda: with_card(compressed("RICE_1"), "ZNAXIS  = 999"), "ZNAXIS3"),
    # False claims about sizes; their use of memory is measured below.
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
        )
    ),
    ("naxis1-0", lambda: with_card(plain(), "NAXIS1  = 0"), "17280 bytes after its last whole HDU"),
    ("naxis1-missing", lambda: plain().replace(b"NAXIS1  ", b"NOAXIS1 "), "NAXIS1"),
    # Files without a two-dimensional image.
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
        "says that it holds 400000000 bytes of pixels, in a file of 4..... bytes; if that is true, unpack it first",
    ),
]


test_refused = refused(REFUSED)
test_refused_gzip = refused(REFUSED_GZIP, "a.fits.gz")


@pytest.mark.parametrize(("make", "says"), [pytest.param(*row[1:], id=row[0]) for row in SPECIAL])
def test_paths_that_are_no_files(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
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


# Use of memory.


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
    """Read files in a new process, and return the messages and the growth of memory in megabytes."""
    # A small valid file is read first, so that imports are not part of the measurement.
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
