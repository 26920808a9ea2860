"""Tile-compressed images whose decoder may crash: they are decoded elsewhere, and damage costs one image."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from command import run as command
from damaged_tiles import CRASHED, crashing, first_tile
from processes import assert_ends

from evensky.errors import FitsError
from evensky.fits import tiles
from evensky.fits.opening import opened_headers
from evensky.io import read_exposure

SHAPE = (64, 96)
TILE = (32, 48)
# Damage that ends the process in which HCOMPRESS is decoded: the number of rows of a tile, which stands behind its two
# first bytes, becomes 0 or is larger than the tile.
ROWS_OF_TILE = 2


def make(dtype: Any = np.int32, **options: Any) -> bytes:
    noise = np.random.default_rng(1).normal(1000, 20, SHAPE)
    data = (noise + np.add.outer(np.arange(SHAPE[0]), np.arange(SHAPE[1]))).astype(dtype)
    made = fits.CompImageHDU(data, name="SCI", compression_type="HCOMPRESS_1", tile_shape=TILE, **options)
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), made]).writeto(buffer)
    return buffer.getvalue()


def with_rows(content: bytes, rows: int) -> bytes:
    """Return a file whose first tile says that it has a number of rows."""
    start = first_tile(content) + ROWS_OF_TILE
    return content[:start] + rows.to_bytes(4, "big") + content[start + 4 :]


KINDS: dict[str, Any] = {
    "whole": make(),
    "scaled": make(hcomp_scale=4.0),
    "smooth": make(hcomp_scale=4.0, hcomp_smooth=1),
    "unsigned": make(np.uint16),
    "float": make(np.float32, quantize_level=16),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_that_astropy_decodes_here(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(KINDS[kind])
    parts: list[Any] = [None, (slice(0, 40), slice(None)), (slice(40, 64, None), slice(3, 90)), (7, slice(None))]
    with fits.open(path, memmap=False) as hdus, opened_headers(path) as ours:
        expected = [hdus[1].data if part is None else hdus[1].section[part] for part in parts]
        found = list(tiles.decoded(ours[1], parts, path))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_a_file_that_is_packed_or_was_mended(tmp_path: Path) -> None:
    import gzip

    content = KINDS["whole"].replace(b"compression algorithm", b"compression \xe9lgorithm")
    assert content != KINDS["whole"]
    (tmp_path / "a.fits").write_bytes(KINDS["whole"])
    (tmp_path / "b.fits.gz").write_bytes(gzip.compress(content))
    one, other = read_exposure(tmp_path / "a.fits"), read_exposure(tmp_path / "b.fits.gz")
    np.testing.assert_array_equal(one.image.array, other.image.array)


@pytest.mark.parametrize("rows", [0, 1, 33, 200, 2**20, 2**31 - 1, 2**32 - 1])
def test_damaged_tiles_are_one_line(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(with_rows(KINDS["whole"], rows))
    try:
        read_exposure(path)
    except FitsError as error:
        text = str(error)
        assert text.startswith(f"{path}: HDU 'SCI' is damaged: its HCOMPRESS_1 tiles ")
        assert "\n" not in text


def test_random_damage_never_ends_this_process(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    content = KINDS["scaled"]
    first = first_tile(content)
    path = tmp_path / "a.fits"
    reasons = []
    for _ in range(40):
        damaged = bytearray(content)
        for _ in range(4):
            damaged[first + int(random.integers(0, 64))] = int(random.integers(0, 256))
        path.write_bytes(damaged)
        try:
            read_exposure(path)
        except FitsError as error:
            reasons.append(str(error))
    assert len(reasons) > 20
    assert all("is damaged: its HCOMPRESS_1 tiles " in reason for reason in reasons)
    path.write_bytes(content)
    read_exposure(path)  # others are decoded as before


def test_the_commands_read_on(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(crashing(KINDS["scaled"]))
    for arguments in (["stats", path], ["background", path, "--out", tmp_path / "b.fits"]):
        result = command(*arguments)
        assert (result.exit_code, result.output.count("\n")) == (2, 1)
        assert re.search(CRASHED, result.output)


def test_threads_decode_at_once(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.fits", tmp_path / "b.fits"
    good.write_bytes(KINDS["whole"])
    bad.write_bytes(with_rows(KINDS["whole"], 2**20))
    expected = read_exposure(good).image.array

    def read(number: int) -> bool:
        if number % 3:
            return np.array_equal(read_exposure(good).image.array, expected)
        with pytest.raises(FitsError, match="HCOMPRESS_1 tiles"):
            read_exposure(bad)
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(read, range(36)))


def test_a_decoder_that_was_killed_is_started_again(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(KINDS["whole"])
    read_exposure(path)
    process = tiles._SERVER._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    read_exposure(path)
    assert tiles._SERVER._process is not process


def test_a_decoder_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(KINDS["whole"])
    tiles._SERVER.stop()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "python"))
        with pytest.raises(FitsError, match="cannot be started: No such file or directory"):
            read_exposure(path)
        patch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(FitsError, match="does not start or is ended again and again"):
            read_exposure(path)
    read_exposure(path)


def test_limits_of_time_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(make(hcomp_scale=4.0))
    monkeypatch.setattr(tiles, "_SECONDS", 0)
    monkeypatch.setattr(tiles._Stored, "seconds", 0)
    monkeypatch.setattr(tiles._Stored, "memory", 0)
    with pytest.raises(FitsError, match=r"need more than 0 bytes|are not decoded in 0 s"):
        read_exposure(path)


SCRIPT = """
import sys
from evensky.io import read_exposure
from evensky.fits import tiles
read_exposure(sys.argv[1])
print(tiles._SERVER._process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_decoder_ends_with_its_process(number: signal.Signals, tmp_path: Path) -> None:
    # A script without a guard of its main part: no module of the user is imported again.
    path, script = tmp_path / "a.fits", tmp_path / "script.py"
    path.write_bytes(KINDS["whole"])
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    os.kill(pid, 0)
    process.send_signal(number)
    process.communicate()
    assert_ends(pid)


def test_a_fork_of_this_process_has_a_decoder_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(KINDS["whole"])
    read_exposure(path)
    process = tiles._SERVER._process
    child = os.fork()
    if child == 0:
        code = 1
        try:
            read_exposure(path)
            code = int(tiles._SERVER._process is process)
            tiles._SERVER.stop()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    read_exposure(path)
    assert tiles._SERVER._process is process
