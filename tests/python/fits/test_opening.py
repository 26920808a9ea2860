"""FITS files that are opened: packed, broken, or of odd layouts."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures_in_files import assert_same_pixels, make_exposure

from evensky.errors import FitsError
from evensky.image import ExposureF
from evensky.io import read_exposure, write_exposure

exposure = pytest.fixture(make_exposure)


def test_broken_files_are_one_line(exposure: ExposureF, tmp_path: Path) -> None:
    write_exposure(exposure, tmp_path / "a.fits")
    whole = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "short.fits").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.fits").touch()
    (tmp_path / "text.fits").write_text("hello")
    fits.PrimaryHDU(np.zeros((2, 3, 4), np.float32)).writeto(tmp_path / "cube.fits")
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "none.fits")
    header = fits.PrimaryHDU(np.zeros((2, 2), np.float32)).header
    header["NAXIS1"] = header["NAXIS2"] = 50_000
    (tmp_path / "claim.fits").write_bytes(header.tostring().encode())
    for name, reason in (
        ("short.fits", "not complete"),
        ("empty.fits", "cannot be read as FITS"),
        ("text.fits", "cannot be read as FITS"),
        ("cube.fits", "3 dimensions"),
        ("none.fits", "no image"),
        ("claim.fits", "says that it holds 10000000000 bytes of pixels, in a file of 2880 bytes"),
        ("missing.fits", "no such file"),
        (".", "folder"),
    ):
        with pytest.raises(FitsError, match=reason) as raised:
            read_exposure(tmp_path / name)
        assert str(raised.value).startswith(str(tmp_path / name))
        assert "\n" not in str(raised.value)


def test_files_packed_as_a_whole(exposure: ExposureF, tmp_path: Path) -> None:
    write_exposure(exposure, tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    for ending, pack in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)):
        (tmp_path / f"a.fits{ending}").write_bytes(pack(content))
        assert_same_pixels(exposure, read_exposure(tmp_path / f"a.fits{ending}"))
    with zipfile.ZipFile(tmp_path / "a.fits.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "a.fits", "a.fits")
    assert_same_pixels(exposure, read_exposure(tmp_path / "a.fits.zip"))


def test_pixels_changed_without_their_sum(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.ones((8, 8), np.float32)).writeto(tmp_path / "a.fits", checksum=True)
    assert not any("DATASUM" in note for note in read_exposure(tmp_path / "a.fits").assumptions)
    pixels, header = fits.getdata(tmp_path / "a.fits", header=True)
    fits.writeto(tmp_path / "b.fits", pixels + 1, header)
    exposure = read_exposure(tmp_path / "b.fits")
    assert exposure.image.array[0, 0] == 2.0
    assert any("damaged, or were changed without it" in note for note in exposure.assumptions)


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ("NAXIS1  = -5", "NAXIS1 = -5; it must be a whole number >= 0"),
        ("NAXIS   = 1000", "NAXIS = 1000; it must be 0 to 999"),
        ("BITPIX  = 7", "BITPIX = 7; it must be one of 8, 16"),
        ("GCOUNT  = -1", "GCOUNT = -1; it must be a whole number > 0"),
        ("PCOUNT  = 'x'", "PCOUNT = 'x'; it must be a whole number >= 0"),
    ],
)
def test_layouts_that_cannot_be(exposure: ExposureF, tmp_path: Path, card: str, says: str) -> None:
    write_exposure(exposure, tmp_path / "a.fits")
    raw = bytearray((tmp_path / "a.fits").read_bytes())
    at = raw.index(card[:9].encode(), raw.index(b"XTENSION"))
    raw[at : at + 80] = card.ljust(80).encode()
    (tmp_path / "a.fits").write_bytes(raw)
    with pytest.raises(FitsError, match=re.escape(says)):
        read_exposure(tmp_path / "a.fits")


def test_files_that_go_on_and_on(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.ones((8, 8), np.float32)).writeto(tmp_path / "a.fits")
    with (tmp_path / "a.fits").open("r+b") as file:
        file.truncate(10 * 2**30)  # a sparse file, which takes no space on disk
    with pytest.raises(FitsError, match="10737412480 bytes after its last whole HDU"):
        read_exposure(tmp_path / "a.fits")
    (tmp_path / "b.fits").write_bytes(b"SIMPLE  =                    T".ljust(80) + b" " * 2**25)
    with pytest.raises(FitsError, match="no END card"):
        read_exposure(tmp_path / "b.fits")
