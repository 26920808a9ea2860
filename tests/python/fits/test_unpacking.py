"""Files that are compressed as a whole: no more is unpacked than their headers claim, and no more than is allowed."""

from __future__ import annotations

import gzip
import io
import lzma
from pathlib import Path

import hanging
import numpy as np
import pytest
from astropy.io import fits
from broken_fits import BLOCK, as_bytes, plain, sized
from command import one_line, run
from hostile_fits import PACKERS, zipped

import evensky
from evensky.errors import EvenskyError, FitsError
from evensky.fits import budgets, unpacking
from evensky.fits.contents import describe_file
from evensky.fits.descriptions import Selection
from evensky.fits.planes import read_described
from evensky.io import read_exposure

_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)


class Counted(io.RawIOBase):
    """Zeros without end behind a beginning; counts what is read of them."""

    def __init__(self, head: bytes) -> None:
        self.head = io.BytesIO(head)
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        assert size > 0
        piece = self.head.read(size) or bytes(size)
        self.count += len(piece)
        return piece


@pytest.mark.parametrize(
    ("head", "needed"),
    [
        (b"", BLOCK),
        (b"no FITS", BLOCK),
        (plain(), len(plain())),
        (plain()[:80] + b" " * 8000, budgets.LONGEST_HEADER),
    ],
    ids=["zeros", "text", "behind", "header"],
)
def test_what_is_not_claimed_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes, needed: int
) -> None:
    endless = Counted(head)
    monkeypatch.setitem(unpacking._UNPACKERS, b"\x1f\x8b", lambda file: endless)
    path = tmp_path / "a.fits.gz"
    path.write_bytes(gzip.compress(plain()))
    with pytest.raises(FitsError, match=r"cannot be read as FITS|is not complete"):
        read_exposure(path)
    assert endless.count <= needed + budgets.LONGEST_PADDING + 3 * BLOCK


def test_a_claim_beyond_the_limit_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Counted(sized(plain(), 20_000, 20_000)[:BLOCK])
    monkeypatch.setitem(unpacking._UNPACKERS, b"\x1f\x8b", lambda file: endless)
    path = tmp_path / "a.fits.gz"
    path.write_bytes(gzip.compress(plain()))
    with pytest.raises(FitsError, match=r"says that it holds 1600000000 bytes of pixels, .* --max-unpacked"):
        read_exposure(path)
    assert endless.count == BLOCK


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zip"])
def test_the_limit_is_lifted_by_an_option(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With smaller limits, as a file beyond the real ones takes long to make."""
    monkeypatch.setattr(budgets, "UNSUSPICIOUS_BYTES", 10_000)
    path = tmp_path / f"a.fits.{kind}"
    content = as_bytes(fits.PrimaryHDU(np.ones((64, 64), np.float32)))
    path.write_bytes(zipped(content) if kind == "zip" else PACKERS[kind](content))
    says = "says that it holds 16384 bytes of pixels, in a file of"
    assert says in one_line(run("stats", path))
    with pytest.raises(FitsError, match=says):
        describe_file(path)
    with pytest.raises(FitsError, match=says):
        read_exposure(path)
    assert read_exposure(path, max_unpacked=40_000).image.array.sum() == 64 * 64
    assert evensky.inspect_files([path], max_unpacked=40_000).problems == []
    assert run("stats", path, "--max-unpacked", 40_000).exit_code == 0
    assert (
        run("background", path, "--bin-size", 32, "--max-unpacked", 40_000, "--out", tmp_path / "b.fits").exit_code == 0
    )
    described = describe_file(path, Selection(max_unpacked=40_000)).images[0]
    assert read_described(described).image.sum() == 64 * 64


def test_a_match_of_files_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "UNSUSPICIOUS_BYTES", 10_000)
    rng = np.random.default_rng(3)
    files = []
    for number in range(2):
        content = as_bytes(fits.PrimaryHDU(rng.normal(100 + number, 1, (64, 64)).astype(np.float32)))
        files.append(tmp_path / f"{number}.fits.gz")
        files[-1].write_bytes(gzip.compress(content))
    with pytest.raises(EvenskyError, match="max-unpacked"):
        evensky.match_files(files, tmp_path / "out", report=False)
    done = evensky.match_files(files, tmp_path / "out", report=False, max_unpacked=40_000)
    assert len(done.records) == len(list((tmp_path / "out").glob("*_matched.fits.gz"))) == 2
    again = evensky.match_files(files, tmp_path / "out", report=False, max_unpacked=50_000, resume=True)
    assert len(again.records) == 2


def test_the_dictionary_of_xz_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.fits.xz"
    path.write_bytes(lzma.compress(plain(), preset=9))
    assert read_exposure(path).image.array.shape == (64, 64)
    monkeypatch.setattr(unpacking, "MOST_DICTIONARY", 2**22)
    with pytest.raises(FitsError, match="cannot be unpacked: Memory usage limit exceeded"):
        read_exposure(path)


def test_streams_of_xz_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.fits.xz"
    whole = plain()
    path.write_bytes(lzma.compress(whole[:5000]) + bytes(8) + lzma.compress(whole[5000:]) + bytes(4))
    path.with_name("b.fits").write_bytes(whole)
    np.testing.assert_array_equal(
        read_exposure(path).image.array, read_exposure(path.with_name("b.fits")).image.array, strict=True
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (zipped(*[b"x"] * 1001), "it holds 1001 files, and only archives of up to 1000 are read"),
        (zipped(), "begins with|it holds no file"),
        (zipped(plain())[:-22], "it has no list of its files at its end"),
    ],
    ids=["many", "none", "cut"],
)
def test_zip_archives_that_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.fits.zip"
    path.write_bytes(content)
    with pytest.raises(FitsError, match=says):
        read_exposure(path)


def test_the_limits_depend_on_the_size_of_the_file() -> None:
    assert budgets.most_claimed(10) == budgets.UNSUSPICIOUS_BYTES
    assert budgets.most_claimed(2**30) == 2**30 * budgets.GREATEST_RATIO
    assert budgets.most_claimed(2**40, 5) == 2**40  # the pixels of a plain file are there
    assert budgets.most_unpacked(10, 5) == 5
    assert budgets.most_unpacked(2**40) < 2**40  # half of the memory
