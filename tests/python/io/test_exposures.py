"""Exposures in FITS files: pixels, planes, headers and WCS come back as they were."""

from __future__ import annotations

import copy
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wcs_kinds
from astropy.io import fits
from astropy.wcs import WCS
from exposures_in_files import PLANES, assert_same_pixels, make_exposure

from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import ExposureD, ExposureF
from evensky.image import exposure as exposure_module
from evensky.image.metadata import as_metadata
from evensky.io import read_exposure, write_exposure
from evensky.io.formats import describe, read_image
from evensky.matching.units import unit_of

exposure = pytest.fixture(make_exposure)


def test_unit_of_a_described_image_needs_no_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The import of headers took each worker longer than three looks at images of 4096 x 4096 pixels."""
    fits.writeto(tmp_path / "a.fits", np.ones((4, 5), np.float32), fits.Header({"BUNIT": "nJy"}))
    (described,) = describe(tmp_path / "a.fits").images
    made: list[object] = []

    def counted(*given: object) -> object:
        made.append(given)
        return as_metadata(*given)

    monkeypatch.setattr(exposure_module, "as_metadata", counted)
    read = read_image(described)
    assert unit_of(read) == "nJy"
    assert not made
    assert unit_of(pickle.loads(pickle.dumps(read))) == "nJy"
    copied = copy.copy(read.info)
    read.metadata["BUNIT"] = "Jy"
    assert copied.metadata["BUNIT"] == copied.value_of("BUNIT") == unit_of(read) == "Jy"  # a copy has the same header
    read.info.metadata = None
    assert unit_of(read) == ""


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


def test_the_reference_pixel_of_a_cut_out_is_shifted(exposure: ExposureF, tmp_path: Path) -> None:
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


def _all_cards(path: Path) -> set[str]:
    with fits.open(path) as hdus:
        return {card.image for hdu in hdus for card in hdu.header.cards}


@pytest.mark.parametrize("kind", wcs_kinds.KINDS)
@pytest.mark.filterwarnings("ignore")
def test_no_card_of_a_wcs_is_lost(kind: str, tmp_path: Path) -> None:
    wcs_kinds.write_kind(kind, tmp_path / "a.fits")
    exposure = read_exposure(tmp_path / "a.fits")
    write_exposure(exposure, tmp_path / "b.fits")
    storage = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND")
    lost = _all_cards(tmp_path / "a.fits") - _all_cards(tmp_path / "b.fits")
    assert not [card for card in lost if not card.startswith(storage)]
    part = exposure[Box2I(Point2I(0, 0), Extent2I(60, 50))]
    cut = Box2I(Point2I(5, 7), Extent2I(20, 20))
    write_exposure(part[cut], tmp_path / "part.fits")
    for key in " A" if kind == "alternate A" else " ":
        sky = wcs_kinds.positions(tmp_path / "a.fits", key=key)
        for hdu in (1, 3):
            np.testing.assert_allclose(wcs_kinds.positions(tmp_path / "b.fits", hdu, key), sky, rtol=0, atol=1e-9)
        whole, shifted = (WCS(fits.getheader(tmp_path / name, 1), key=key) for name in ("b.fits", "part.fits"))
        np.testing.assert_allclose(
            shifted.all_pix2world([[3, 2]], 0), whole.all_pix2world([[8, 9]], 0), rtol=0, atol=1e-9
        )
    assert wcs_kinds.frame_of(tmp_path / "b.fits", 1) == wcs_kinds.frame_of(tmp_path / "a.fits")
    again = read_exposure(tmp_path / "part.fits")
    assert again.getXY0() == Point2I(5, 7)


def test_another_wcs_replaces_the_cards(tmp_path: Path) -> None:
    wcs_kinds.write_kind("TPV", tmp_path / "a.fits")
    exposure = read_exposure(tmp_path / "a.fits")
    exposure.info.setWcs(WCS(wcs_kinds.header_of("CROTA and CDELT")))
    write_exposure(exposure, tmp_path / "b.fits")
    header = fits.getheader(tmp_path / "b.fits", 1)
    assert header["CTYPE1"] == "RA---TAN"
    assert "PV1_1" not in header
    np.testing.assert_allclose(WCS(header).all_pix2world([[3, 4]], 0), exposure.wcs.all_pix2world([[3, 4]], 0))


def test_a_wcs_of_the_primary_does_not_mix_with_that_of_the_image(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU()
    primary.header.update({"EQUINOX": 1950.0, "CROTA2": 45.0, "PV2_1": 3.0, "OBJECT": "M13", "FILTER": "r"})
    image = fits.ImageHDU(wcs_kinds.pixels(), wcs_kinds.header_of("TAN"))
    image.header["FILTER"] = "g"
    fits.HDUList([primary, image]).writeto(tmp_path / "a.fits")
    exposure = read_exposure(tmp_path / "a.fits")
    assert (exposure.metadata["OBJECT"], exposure.metadata["FILTER"]) == ("M13", "g")
    write_exposure(exposure, tmp_path / "b.fits")
    np.testing.assert_array_equal(
        wcs_kinds.positions(tmp_path / "b.fits", 1), wcs_kinds.positions(tmp_path / "a.fits", 1)
    )


def test_the_alternate_wcs_a_is_an_origin_only_if_it_is_linear(tmp_path: Path) -> None:
    wcs_kinds.write_kind("alternate A", tmp_path / "a.fits")
    assert read_exposure(tmp_path / "a.fits").getXY0() == Point2I(0, 0)


def test_axes_of_length_1_leave_the_wcs_usable(tmp_path: Path) -> None:
    header = wcs_kinds.header_of("TAN")
    header.update({"CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CDELT3": 1e6, "CUNIT3": "Hz"})
    fits.PrimaryHDU(wcs_kinds.pixels(), header).writeto(tmp_path / "a.fits")
    exposure = read_exposure(tmp_path / "a.fits")
    assert exposure.wcs.naxis == 2
    write_exposure(exposure, tmp_path / "b.fits")
    assert fits.getheader(tmp_path / "b.fits", 1)["CRVAL3"] == 1.4e9


def test_long_headers_take_linear_time(tmp_path: Path) -> None:
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 4), np.float32))])
    for hdu in hdus:
        for number in range(4000):
            hdu.header.append(fits.Card(f"K{number:07d}", number / 2, "card"), end=True)
    hdus.writeto(tmp_path / "a.fits")

    def seconds(read: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            start = time.process_time()
            read()
            times.append(time.process_time() - start)
        return min(times)

    def by_astropy() -> None:
        with fits.open(tmp_path / "a.fits") as read:
            assert all(len(hdu.header) > 4000 for hdu in read)

    # Twice the time of astropy is the aim; the rest is for busy machines. Quadratic time would be a factor of 100.
    assert seconds(lambda: read_exposure(tmp_path / "a.fits")) < 5 * seconds(by_astropy)
    assert len(read_exposure(tmp_path / "a.fits").metadata) == 4000


def test_compressed_files_hold_no_time(tmp_path: Path) -> None:
    """astropy writes the time into each tile that is compressed with gzip, so the same pixels gave other bytes."""
    exposure = make_exposure()
    write_exposure(exposure, tmp_path / "a.fits", compress=True)
    content = (tmp_path / "a.fits").read_bytes()
    streams = [at for at in range(len(content)) if content.startswith(b"\x1f\x8b\x08", at)]
    assert len(streams) == 60  # one for each row of image and variance
    assert {content[at + 4 : at + 8] for at in streams} == {bytes(4)}
    back = read_exposure(tmp_path / "a.fits")
    np.testing.assert_array_equal(back.image.array, exposure.image.array)
