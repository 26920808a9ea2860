"""Rows of HDUs, read without a file that stays open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from damaged_tiles import first_tile

from evensky.errors import FitsError
from evensky.fits.opening import opened_headers
from evensky.fits.stored_rows import OpenFiles, StoredRows

PIXELS = np.random.default_rng(5).normal(100, 5, (40, 30)).astype(np.float32)


def rows_of(path: Path, hdu: int = 1) -> StoredRows:
    with opened_headers(path) as hdus, OpenFiles() as files:
        return StoredRows(hdus[hdu], path, files)


def write(path: Path, hdu: Any) -> Path:
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
    return path


def read(rows: StoredRows, part: slice) -> np.ndarray:
    with OpenFiles() as files:
        return rows.read(part, files)


def test_rows_of_a_plain_image(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path / "a.fits", fits.ImageHDU(PIXELS)))
    assert (rows.shape, rows.dtype, rows.tile_height) == ((40, 30), np.float32, 1)
    np.testing.assert_array_equal(read(rows, slice(7, 19)), PIXELS[7:19])
    into = np.zeros((12, 60), np.float32)
    with OpenFiles() as files:
        rows.read_into(slice(7, 19), slice(3, 23), into[:, 10:50:2], files)
    np.testing.assert_array_equal(into[:, 10:50:2], PIXELS[7:19, 3:23])


def test_the_image_of_the_primary_hdu(tmp_path: Path) -> None:
    fits.PrimaryHDU(PIXELS).writeto(tmp_path / "a.fits")
    np.testing.assert_array_equal(read(rows_of(tmp_path / "a.fits", 0), slice(7, 19)), PIXELS[7:19])
    hdu = fits.PrimaryHDU(PIXELS.astype(np.int16))
    hdu.scale("int16", bscale=0.5, bzero=3)
    hdu.writeto(tmp_path / "b.fits")
    np.testing.assert_array_equal(
        read(rows_of(tmp_path / "b.fits", 0), slice(7, 19)), fits.getdata(tmp_path / "b.fits")[7:19]
    )


def test_each_tile_is_decoded_once_if_rows_are_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.fits", fits.CompImageHDU(PIXELS, tile_shape=(8, 30), quantize_level=16))
    rows, wanted, decoded = rows_of(path), fits.getdata(path), []
    assert (rows.dtype, rows.tile_height) == (None, 8)
    plain = rows._whole_tiles

    def counted(part: slice, files: OpenFiles) -> np.ndarray:
        decoded.append((part.start, part.stop))
        return plain(part, files)

    monkeypatch.setattr(rows, "_whole_tiles", counted)
    for first in range(0, 40, 5):
        np.testing.assert_array_equal(read(rows, slice(first, first + 5)), wanted[first : first + 5])
    assert decoded == [(0, 8), (8, 16), (16, 24), (24, 32), (32, 40)]
    np.testing.assert_array_equal(read(rows, slice(3, 5)), wanted[3:5])
    assert decoded[5:] == [(0, 8)]


def test_only_the_tiles_that_are_needed_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5).integers(0, 2**31, (2048, 256), dtype=np.int32)
    path = write(tmp_path / "a.fits", fits.CompImageHDU(random, compression_type="GZIP_1"))
    size, read_bytes = path.stat().st_size, []
    import evensky.fits.stored_rows as module

    def counted(handle: int, at: int, into: np.ndarray) -> int:
        read_bytes.append(into.nbytes)
        return plain(handle, at, into)

    plain = module.read_at
    monkeypatch.setattr(module, "read_at", counted)
    for height in (10, 200):
        rows = rows_of(path)
        read_bytes.clear()
        np.testing.assert_array_equal(read(rows, slice(1000, 1000 + height)), random[1000 : 1000 + height])
        assert height * 1024 < sum(read_bytes) < size / 4


@pytest.mark.parametrize("many", [1, 1000])
def test_damaged_tiles_are_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    monkeypatch.setattr("evensky.fits.stored_rows._MANY_TILES", many)
    path = write(tmp_path / "a.fits", fits.CompImageHDU(PIXELS.round().astype(np.int32), compression_type="GZIP_2"))
    with fits.open(path, disable_image_compression=True) as hdus:
        start = hdus[1].fileinfo()["datLoc"] + 40 * 8
    content = bytearray(path.read_bytes())
    content[start : start + 2000] = b"\xa5" * 2000
    path.write_bytes(content)
    with pytest.raises(FitsError, match=r"^[^\n]*a\.fits: cannot be read as FITS: [^\n]*$"):
        read(rows_of(path), slice(0, 40))


def test_tiles_that_cannot_be_decoded(tmp_path: Path) -> None:
    hdu = fits.CompImageHDU(PIXELS, compression_type="HCOMPRESS_1", tile_shape=(20, 30), quantize_level=16)
    content = bytearray(write(tmp_path / "a.fits", hdu).read_bytes())
    content[first_tile(bytes(content))] = 0
    path = tmp_path / "b.fits"
    path.write_bytes(content)
    rows = rows_of(path)
    with pytest.raises(FitsError, match=r"b\.fits: HDU .* is damaged: its HCOMPRESS_1 tiles"):
        read(rows, slice(0, 5))
    # Damage of a tile costs no other tile.
    np.testing.assert_array_equal(read(rows, slice(20, 40)), fits.getdata(tmp_path / "a.fits")[20:])
