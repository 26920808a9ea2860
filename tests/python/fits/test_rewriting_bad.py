"""Files that cannot be rewritten, and pixels that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from evensky.errors import FitsError, InvalidParameterError
from evensky.fits.rewriting import NewPlane, rewrite

PIXELS = np.ones((3, 4), np.float32)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    table = fits.BinTableHDU.from_columns([fits.Column("A", "E", array=np.arange(3.0))])
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(PIXELS), table]).writeto(tmp_path / "a.fits")
    return tmp_path / "a.fits"


@pytest.mark.parametrize(
    ("number", "array", "words"),
    [
        (3, PIXELS, "there is no HDU 3; the file has HDUs 0 to 2"),
        (-1, PIXELS, "there is no HDU -1"),
        (2, PIXELS, "HDU 2 is not an image"),
        (0, PIXELS, "HDU 0 has no pixels"),
        (1, PIXELS.T, r"HDU 1 has shape \(3, 4\), but its new pixels have \(4, 3\)"),
    ],
)
def test_pixels_that_do_not_fit(source: Path, number: int, array: np.ndarray, words: str) -> None:
    with pytest.raises(FitsError, match=words):
        rewrite(source, source.with_name("b.fits"), {number: NewPlane(array)})
    assert [path.name for path in source.parent.iterdir()] == ["a.fits"]


@pytest.mark.parametrize("dtype", [np.int16, np.float16, np.complex64])
def test_types_that_are_not_written(source: Path, dtype: type) -> None:
    with pytest.raises(InvalidParameterError, match="must be float32 or float64"):
        rewrite(source, source.with_name("b.fits"), {1: NewPlane(PIXELS.astype(dtype))})


def test_a_target_that_exists(source: Path) -> None:
    before = source.read_bytes()
    with pytest.raises(FitsError, match="exists already"):
        rewrite(source, source, {1: NewPlane(PIXELS)})
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "it has no header"),
        (b"no FITS file at all" * 400, "it has no header"),
        (b"\x1f\x8b broken", "cannot be unpacked"),
        (b"SIMPLE  =                    T".ljust(80) + b"END".ljust(80) + b" " * 2720, "no NAXIS card"),
    ],
)
def test_no_fits_file(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "a.fits").write_bytes(content)
    with pytest.raises(FitsError, match=words):
        rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: NewPlane(PIXELS)})
    assert not (tmp_path / "b.fits").exists()
