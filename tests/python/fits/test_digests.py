"""Digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from xxhash import xxh3_128_hexdigest

from evensky.errors import FitsError
from evensky.fits.digests import FileState, HashedFile, state_of
from evensky.fits.rewriting import NewPlane, rewrite


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**20 + 1, 3 * 2**20 + 17])
def test_a_digest_is_that_of_all_bytes(tmp_path: Path, size: int) -> None:
    content = np.random.default_rng(1).bytes(size)
    (tmp_path / "file").write_bytes(content)
    assert state_of(tmp_path / "file") == FileState(size, xxh3_128_hexdigest(content))
    assert state_of(tmp_path / "file", sha256=True) == FileState(size, hashlib.sha256(content).hexdigest())


def test_an_image_that_was_flipped_has_another_digest(tmp_path: Path) -> None:
    states = set()
    for number, pixels in enumerate(
        (image := np.arange(4096, dtype=">f4").reshape(64, 64), image[::-1], image[:, ::-1])
    ):
        (tmp_path / f"{number}").write_bytes(pixels.tobytes())
        states.add(state_of(tmp_path / f"{number}"))
    assert len(states) == 3  # the sum of all words, as in DATASUM, is the same


def test_reading_can_be_ended(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(5 * 2**20))
    calls = 0

    def between() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        state_of(tmp_path / "file", between)
    assert calls == 3


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        state_of(tmp_path / "file")


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz", "a.fits.bz2", "a.fits.xz"])
def test_a_rewritten_file_is_known_by_its_digest(tmp_path: Path, name: str) -> None:
    pixels = np.arange(64, dtype=np.float32).reshape(8, 8)
    opener = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}.get(Path(name).suffix)
    if opener is None:
        fits.PrimaryHDU(pixels).writeto(tmp_path / name)
    else:
        fits.PrimaryHDU(pixels).writeto(tmp_path / "plain.fits")
        packed = pytest.importorskip(opener).compress((tmp_path / "plain.fits").read_bytes())
        (tmp_path / name).write_bytes(packed)
    written = rewrite(tmp_path / name, tmp_path / "out", {0: NewPlane(pixels + 1)})
    assert written == state_of(tmp_path / "out")


def test_the_state_of_a_file_is_known_while_it_is_written(tmp_path: Path) -> None:
    content = np.random.default_rng(2).bytes(2**20 + 5)
    with (tmp_path / "file").open("wb") as file:
        written = HashedFile(file)
        written.write(content[:7])
        written.write(memoryview(content)[7:])
        written.skip(2**21 + 3)  # zeros, which are a hole in the file
        state = written.state()
    assert state == state_of(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content + bytes(2**21 + 3)


def test_an_output_that_cannot_be_written_to_its_end_gets_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.zeros((8, 8), np.float32)
    fits.PrimaryHDU(pixels).writeto(tmp_path / "a.fits")

    def full(written: HashedFile) -> FileState:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(HashedFile, "state", full)
    with pytest.raises(FitsError, match=r"out\.fits: cannot be written: No space left on device"):
        rewrite(tmp_path / "a.fits", tmp_path / "out.fits", {0: NewPlane(pixels)})
    assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]
