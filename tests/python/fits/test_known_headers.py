"""Headers of plain files are kept: a file that is opened again is not parsed again, unless it may have changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from evensky.errors import FitsError
from evensky.fits import known_facts, opening
from evensky.fits.contents import describe_file
from evensky.fits.descriptions import Selection
from evensky.fits.kept_values import KeptValues
from evensky.fits.opening import opened_headers
from evensky.fits.planes import read_described, read_errors
from evensky.fits.single_hdus import SingleHDUs


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths of the files whose headers were parsed; files count as settled at once."""
    paths: list[Path] = []
    mend: Callable[..., object] = opening._mend

    def counted(file: object, path: Path) -> object:
        paths.append(path)
        return mend(file, path)

    monkeypatch.setattr(opening, "_mend", counted)
    monkeypatch.setattr(opening, "_known_headers", KeptValues(1000))
    monkeypatch.setattr(known_facts, "_SETTLED", -(10**9))
    return paths


def write(path: Path, value: float, size: int = 4) -> Path:
    fits.writeto(path, np.full((size, 6), value, np.float32), overwrite=True)
    return path


def test_headers_are_parsed_once(tmp_path: Path, parsed: list[Path]) -> None:
    path = write(tmp_path / "a.fits", 3)
    for _ in range(3):
        with opened_headers(path, plain=True) as hdus:
            assert float(hdus[0].data[0, 0]) == 3
    os.link(path, tmp_path / "b.fits")  # which changes the time of the file
    os.symlink(path, tmp_path / "c.fits")
    for name in "bc":
        with opened_headers(tmp_path / f"{name}.fits", plain=True) as hdus:
            assert hdus[0].shape == (4, 6)
    assert parsed == [path, tmp_path / "b.fits"]


def test_changed_file_is_parsed_again(tmp_path: Path, parsed: list[Path]) -> None:
    path = write(tmp_path / "a.fits", 3)
    with opened_headers(path, plain=True):
        pass
    write(path, 4, size=5)
    with opened_headers(path, plain=True) as hdus:
        assert hdus[0].shape == (5, 6)
        assert float(hdus[0].data[0, 0]) == 4
    with path.open("r+b") as file:
        file.truncate(2880)
    with pytest.raises(FitsError, match="not complete"), opened_headers(path, plain=True):
        pass
    assert len(parsed) == 3


def test_file_that_was_just_written_is_not_trusted(
    tmp_path: Path, parsed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times could stay the same when it is written again."""
    monkeypatch.setattr(known_facts, "_SETTLED", 2 * 10**9)
    path = write(tmp_path / "a.fits", 3)
    for _ in range(2):
        with opened_headers(path, plain=True):
            pass
    assert len(parsed) == 2
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 3 * 10**9)
    for _ in range(2):
        with opened_headers(path, plain=True):
            pass
    assert len(parsed) == 3


def test_limit_holds_for_known_files(tmp_path: Path, parsed: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.fits", 3)
    with opened_headers(path, plain=True):
        pass
    monkeypatch.setattr(opening, "most_claimed", lambda size, chosen: 10)
    with pytest.raises(FitsError, match="says that it holds 96 bytes"), opened_headers(path, plain=True):
        pass
    assert len(parsed) == 1


@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_2", "HCOMPRESS_1"])
def test_compressed_images_are_opened_one_by_one(
    tmp_path: Path, parsed: list[Path], monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    """Each was read after opening all of them, so that the time grew with the square of their number."""
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 100, (20, 30), dtype=np.int32) for _ in range(6)]
    hdus = [
        fits.CompImageHDU(one, name=f"CHIP{number}", compression_type=algorithm) for number, one in enumerate(images)
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits", checksum=True)
    described = describe_file(tmp_path / "a.fits").images
    opened: list[int] = []
    made = fits.open

    def counted(*args: Any, **options: Any) -> Any:
        opened.append(1)
        return made(*args, **options)

    monkeypatch.setattr(fits, "open", counted)
    for image, pixels in zip(described, images, strict=True):
        planes = read_described(image, header=False)
        assert np.array_equal(planes.image, pixels)
        assert not [note for note in planes.assumptions if "DATASUM" in note]
    assert parsed == [tmp_path / "a.fits"]
    assert len(opened) == len(images)
    content = bytearray((tmp_path / "a.fits").read_bytes())
    content[-2890] ^= 1
    (tmp_path / "a.fits").write_bytes(content)
    for plain in (True, False):
        with opened_headers(tmp_path / "a.fits", plain=plain, singly=True) as found:
            assert len(found) == 7
            assert isinstance(found, fits.HDUList)


def test_single_hdus_are_those_of_the_file(tmp_path: Path, parsed: list[Path]) -> None:
    table = fits.BinTableHDU(np.zeros(2, [("a", "i4")]))
    image = fits.ImageHDU(np.arange(12, dtype=np.int16).reshape(3, 4), name="SCI")
    fits.HDUList([fits.PrimaryHDU(np.ones((2, 3))), table, image]).writeto(tmp_path / "a.fits")
    with opened_headers(tmp_path / "a.fits", plain=True):
        pass
    with opened_headers(tmp_path / "a.fits", plain=True, singly=True) as hdus, fits.open(tmp_path / "a.fits") as whole:
        assert isinstance(hdus, SingleHDUs)
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "", "SCI"]
        assert hdus[-1] is hdus[2]
        for one, other in zip(hdus[:], whole, strict=True):
            assert one.header.tostring() == other.header.tostring()
            assert np.array_equal(one.data, other.data)
            assert one.fileinfo()["datLoc"] == other.fileinfo()["datLoc"]
        with pytest.raises(IndexError):
            _ = hdus[3]


@pytest.mark.parametrize("beside", [False, True], ids=["in one file", "in files of their own"])
def test_plain_planes_of_a_file_with_a_table_are_read_at_their_places(
    tmp_path: Path, parsed: list[Path], beside: bool
) -> None:
    """They were read from the start of the file when it was opened again: other pixels, without an error."""
    rng = np.random.default_rng(2)
    image, variance = rng.normal(100, 3, (30, 40)).astype(np.float32), rng.uniform(8, 10, (30, 40)).astype(np.float32)
    mask = rng.integers(0, 4, (30, 40), dtype=np.int32)
    planes = [fits.ImageHDU(image, name="IMAGE"), fits.ImageHDU(mask, name="MASK"), fits.ImageHDU(variance, name="VAR")]
    names = [f"{plane.name}.fits" if beside else "a.fits" for plane in planes]
    for name in set(names):
        chosen = [plane for plane, place in zip(planes, names, strict=True) if place == name]
        table = fits.BinTableHDU(np.zeros(2, [("a", "i4")]))
        fits.HDUList([fits.PrimaryHDU(), table, *chosen]).writeto(tmp_path / name)
    mask_place, variance_place = (
        f"{tmp_path / name}[{end}]" for name, end in zip(names[1:], ["MASK", "VAR"], strict=True)
    )
    selection = Selection(mask=mask_place, variance=variance_place)
    (described,) = describe_file(tmp_path / names[0], selection).images
    for header in (True, False, False):
        found = read_described(described, header=header)
        assert np.array_equal(found.image, image)
        assert np.array_equal(found.mask, mask)
        assert np.array_equal(found.variance, variance)
    assert described.variance is not None
    assert np.array_equal(np.concatenate([rows for _, rows in read_errors(described.variance)]), variance)


def test_memory_is_bounded(tmp_path: Path, parsed: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [write(tmp_path / f"{number}.fits", number) for number in range(4)]
    with opened_headers(paths[0], plain=True) as hdus:
        room = 2 * len(hdus[0].header.cards) + 1
    monkeypatch.setattr(opening, "_known_headers", KeptValues(room))
    with opened_headers(paths[0], plain=True):
        pass
    for path in [*paths[1:], paths[2], paths[3], paths[0]]:
        with opened_headers(path, plain=True):
            pass
    assert parsed == [paths[0], *paths, paths[0]]
