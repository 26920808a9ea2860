"""Exposures in FITS files: pixels, planes, headers and WCS come back as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from exposures_in_files import PLANES, assert_same_pixels, make_exposure

from evensky.geom import Point2I
from evensky.image import ExposureD, ExposureF
from evensky.io import read_exposure, write_exposure

exposure = pytest.fixture(make_exposure)


def test_compressing_leaves_the_pixels_alone(
    exposure: ExposureF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # astropy swaps bytes in place while it writes, so it must be given a copy.
    written = fits.HDUList.writeto
    seen = []

    def writeto(hdus: fits.HDUList, *args: object, **kwargs: object) -> None:
        for hdu in hdus:
            for array in exposure.maskedImage.getArrays():
                seen.append(hdu.data is not None and np.shares_memory(hdu.data, array))
        written(hdus, *args, **kwargs)

    monkeypatch.setattr(fits.HDUList, "writeto", writeto)
    write_exposure(exposure, tmp_path / "a.fits", compress=True)
    assert len(seen) == 3 * 4
    assert not any(seen)


@pytest.mark.parametrize("compress", [False, True])
def test_round_trip(exposure: ExposureF, tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "a.fits"
    write_exposure(exposure, path, compress=compress, history=["matched"], provenance={"EVS_VER": ("1", "version")})
    again = read_exposure(path)
    assert_same_pixels(exposure, again)
    assert again.mask.getMaskPlaneDict() == PLANES
    assert again.getXY0() == Point2I(100, -20)
    assert again.assumptions == []
    assert again.metadata["OBJECT"] == "M13"
    assert again.metadata["LONG KEYWORD"] == 3
    assert list(again.metadata["HISTORY"]) == ["bias subtracted", "matched"]
    assert again.metadata["EVS_VER"] == "1"
    for x, y in ((0, 0), (39, 29), (12.5, 3)):
        assert again.wcs.pixel_to_world(x, y).separation(exposure.wcs.pixel_to_world(x, y)).arcsec < 1e-9
    # Numbers keep all digits, and a second round trip changes nothing.
    second = tmp_path / "b.fits"
    write_exposure(again, second, compress=compress)
    assert str(fits.getheader(second, 1)["A_2_0"]) == "5.21309707635475e-07"
    assert_same_pixels(exposure, read_exposure(second))
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_plain_astropy_opens_it(exposure: ExposureF, tmp_path: Path) -> None:
    write_exposure(exposure, tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus:
        hdus.verify("exception")
        assert [hdu.header.get("EXTTYPE") for hdu in hdus[1:]] == ["IMAGE", "MASK", "VARIANCE"]
        assert hdus["MASK"].header["MP_CROSSTALK"] == 8
        assert hdus["IMAGE"].header["LTV1"] == -100
        assert hdus["IMAGE"].header["CRVAL2A"] == -20
        sky = WCS(hdus["IMAGE"].header).pixel_to_world(3, 4)
    assert sky.separation(exposure.wcs.pixel_to_world(3, 4)).arcsec < 1e-9


def test_a_moved_wcs_is_written_anew(exposure: ExposureF, tmp_path: Path) -> None:
    from evensky.geom import Box2I, Extent2I

    part = exposure[Box2I(Point2I(105, -18), Extent2I(10, 10))]
    write_exposure(part, tmp_path / "part.fits")
    again = read_exposure(tmp_path / "part.fits")
    assert again.getXY0() == Point2I(105, -18)
    assert again.wcs.pixel_to_world(0, 0).separation(exposure.wcs.pixel_to_world(5, 2)).arcsec < 1e-6


def test_plain_images(tmp_path: Path) -> None:
    data = np.arange(12, dtype=np.int16).reshape(3, 4)
    fits.PrimaryHDU(data.astype(np.uint16)).writeto(tmp_path / "u.fits")
    unsigned = read_exposure(tmp_path / "u.fits")
    assert type(unsigned) is ExposureF
    np.testing.assert_array_equal(unsigned.image.array, data)
    assert len(unsigned.assumptions) == 2
    assert not unsigned.info.has_variance
    hdu = fits.PrimaryHDU(data)
    hdu.header["BLANK"] = 5
    hdu.writeto(tmp_path / "blank.fits")
    assert np.isnan(read_exposure(tmp_path / "blank.fits").image.array[1, 1])
    fits.PrimaryHDU(data.astype(np.float64)).writeto(tmp_path / "d.fits")
    assert type(read_exposure(tmp_path / "d.fits")) is ExposureD
    assert type(read_exposure(tmp_path / "d.fits", dtype=np.float32)) is ExposureF
    scaled = fits.PrimaryHDU((data * 2.5 + 7).astype(np.float32))
    scaled.scale("int16", bscale=2.5, bzero=7)
    scaled.writeto(tmp_path / "s.fits")
    np.testing.assert_allclose(read_exposure(tmp_path / "s.fits").image.array, data * 2.5 + 7, atol=1.3)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data.astype(np.int32))]).writeto(tmp_path / "c.fits.fz")
    np.testing.assert_array_equal(read_exposure(tmp_path / "c.fits.fz").image.array, data)


def test_whole_numbers_are_kept_exactly(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.array([[2**24 + 1, 5]], np.int32)).writeto(tmp_path / "i.fits")
    exposure = read_exposure(tmp_path / "i.fits")
    assert type(exposure) is ExposureD
    assert exposure.image.array[0, 0] == 2**24 + 1


def test_odd_headers_are_read_and_written(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.ones((3, 4), np.float32)).writeto(tmp_path / "a.fits")
    raw = bytearray((tmp_path / "a.fits").read_bytes())
    at = raw.index(b"END" + b" " * 77)
    cards = [b"ESO-LOG 00:00:00> DATE         = '1992-10-26'".ljust(80), b"BADNUM  = NaN".ljust(80), b"END".ljust(80)]
    raw[at : at + 80 * len(cards)] = b"".join(cards)
    (tmp_path / "odd.fits").write_bytes(raw)
    exposure = read_exposure(tmp_path / "odd.fits")
    write_exposure(exposure, tmp_path / "b.fits")
    # The first is a comment with a keyword of its own, and stays one.
    assert "ESO-LOG 00:00:00> DATE         = '1992-10-26'" in read_exposure(tmp_path / "b.fits").metadata.tostring()
