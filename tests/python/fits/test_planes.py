"""Planes in FITS files: written in bands, read from any layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures_in_files import assert_same_pixels, make_exposure

import evensky._bands
from evensky.errors import FitsError
from evensky.image import ExposureD, ExposureF, Image, ImageD, ImageI, ImageL, ImageU
from evensky.io import read_exposure, write_exposure, write_image

exposure = pytest.fixture(make_exposure)


@pytest.mark.parametrize("rows", [None, 1, 2])
def test_written_by_bands_as_astropy_writes_it_whole(
    exposure: ExposureF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int | None
) -> None:
    if rows is not None:
        monkeypatch.setattr(evensky._bands, "MOST_PIXELS", rows * exposure.getWidth())
    before = [array.copy() for array in exposure.maskedImage.getArrays()]
    write_exposure(exposure, tmp_path / "a.fits", history=["x" * 200], provenance={"EVS_RMS": (0.5, "with a comment")})
    write_image(exposure.image, tmp_path / "b.fits")
    for name in ("a.fits", "b.fits"):
        with fits.open(tmp_path / name) as hdus:
            hdus.writeto(tmp_path / f"again_{name}", output_verify="exception")
        assert (tmp_path / name).read_bytes() == (tmp_path / f"again_{name}").read_bytes()
    for array, one in zip(exposure.maskedImage.getArrays(), before, strict=True):
        np.testing.assert_array_equal(array, one)


@pytest.mark.parametrize("kind", [ImageD, ImageI, ImageU, ImageL])
def test_images_of_every_type_are_written(tmp_path: Path, kind: type[Image]) -> None:
    pixels = np.arange(12).reshape(3, 4) * 5000
    image = kind(np.asarray(pixels, kind.dtype))
    write_image(image, tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus:
        np.testing.assert_array_equal(hdus[0].data, pixels)
    np.testing.assert_array_equal(read_exposure(tmp_path / "a.fits").image.array, pixels)


def test_planes_from_elsewhere(tmp_path: Path) -> None:
    data = np.ones((3, 4), np.float32)
    dq = np.zeros((3, 4), np.int16)
    dq[0, 0] = 64
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(data, name="SCI"),
        fits.ImageHDU(dq, name="DQ"),
        fits.ImageHDU(data * 3, name="ERR"),
    ]
    fits.HDUList(hdus).writeto(tmp_path / "hst.fits")
    fits.PrimaryHDU(data * 4).writeto(tmp_path / "hst.weight.fits")
    exposure = read_exposure(tmp_path / "hst.fits", mask="DQ", variance="ERR")
    assert exposure.mask.array[0, 0] == exposure.mask.getPlaneBitMask(["64", "BAD"])
    assert exposure.info.bad & 64
    assert exposure.variance.array[0, 0] == 9
    assert any("BAD" in note for note in exposure.assumptions)
    exposure = read_exposure(tmp_path / "hst.fits", mask=2, variance=tmp_path / "hst.weight.fits")
    assert exposure.variance.array[1, 1] == 0.25
    exposure = read_exposure(tmp_path / "hst.fits", variance=f"{tmp_path / 'hst.fits'}[ERR]")
    assert exposure.variance.array[1, 1] == 9
    with pytest.raises(FitsError, match=r"no HDU 'NOPE'.*1 'SCI'"):
        read_exposure(tmp_path / "hst.fits", mask="NOPE")
    with pytest.raises(FitsError, match="no such file"):
        read_exposure(tmp_path / "hst.fits", mask="nope.fits")
    fits.PrimaryHDU(np.ones((2, 2), np.float32)).writeto(tmp_path / "other.fits")
    with pytest.raises(FitsError, match=r"\(2, 2\).*\(3, 4\)"):
        read_exposure(tmp_path / "hst.fits", variance=tmp_path / "other.fits")
    with pytest.raises(FitsError, match="DQ is a mask; the variance is needed"):
        read_exposure(tmp_path / "hst.fits", variance="DQ")


def test_layout_without_exttype(exposure: ExposureF, tmp_path: Path) -> None:
    write_exposure(exposure, tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus:
        for hdu in hdus[1:]:
            del hdu.header["EXTTYPE"]
            hdu.name = ""
        hdus.writeto(tmp_path / "b.fits")
    assert_same_pixels(exposure, read_exposure(tmp_path / "b.fits"))


@pytest.mark.parametrize(("dtype", "zero", "kind"), [("i2", 2**15, ExposureF), ("i4", 2**31, ExposureD)])
def test_blank_pixels_of_the_other_sign(tmp_path: Path, dtype: str, zero: int, kind: type) -> None:
    hdu = fits.PrimaryHDU(np.arange(6, dtype=dtype).reshape(2, 3))
    hdu.header["BZERO"], hdu.header["BLANK"] = zero, 4
    hdu.writeto(tmp_path / "a.fits")
    exposure = read_exposure(tmp_path / "a.fits")
    assert type(exposure) is kind
    assert np.isnan(exposure.image.array).sum() == 1
    assert np.isnan(exposure.image.array[1, 1])
    assert exposure.image.array[0, 0] == zero
