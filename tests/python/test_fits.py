from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import stat
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

import evensky.io.fits
from evensky.errors import FitsError
from evensky.geom import Point2I
from evensky.image import ExposureD, ExposureF, Image, ImageD, ImageF, ImageI, ImageL, ImageU, Mask, MaskedImageF
from evensky.io import atomic_path, read_exposure, write_exposure, write_image

PLANES = {"BAD": 0, "SAT": 1, "CROSSTALK": 8, "NO_DATA": 9, "A_LONG_PLANE_NAME": 31}


@pytest.fixture
def exposure() -> ExposureF:
    rng = np.random.default_rng(3)
    mask = Mask(rng.integers(0, 3, (30, 40)).astype(np.int32), mask_planes=PLANES)
    mask.array[0, 0] = mask.getPlaneBitMask(["NO_DATA", "A_LONG_PLANE_NAME"])
    image = ImageF(rng.normal(100, 5, (30, 40)).astype(np.float32))
    image.array[3, 4] = np.nan
    exposure = ExposureF(MaskedImageF(image, mask, ImageF(np.full((30, 40), 25, np.float32))))
    exposure.setXY0(Point2I(100, -20))
    exposure.metadata = fits.Header(
        [
            ("OBJECT", "M13", "what it shows"),
            ("EXPTIME", 30.5),
            ("HIERARCH LONG KEYWORD", 3),
            ("OBSERVER", "A. Nonymous"),
            ("CTYPE1", "RA---TAN-SIP"),
            ("CTYPE2", "DEC--TAN-SIP"),
            ("CRPIX1", 20.0),
            ("CRPIX2", 15.0),
            ("CRVAL1", 250.0),
            ("CRVAL2", 36.0),
            ("CD1_1", -1.59205392797133e-05),
            ("CD1_2", 0.0),
            ("CD2_1", 0.0),
            ("CD2_2", 1e-5),
            ("A_ORDER", 2),
            ("A_2_0", 5.21309707635475e-07),
            ("B_ORDER", 2),
            ("B_0_2", 1.1142784351701e-06),
        ]
    )
    exposure.metadata.add_history("bias subtracted")
    exposure.wcs = WCS(exposure.metadata)
    return exposure


def assert_same_pixels(one: ExposureF, other: ExposureF) -> None:
    for a, b in zip(one.maskedImage.getArrays(), other.maskedImage.getArrays(), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_compressing_leaves_the_pixels_alone(
    exposure: ExposureF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # astropy swaps bytes in place while it writes: what it is given must be nobody else's.
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


@pytest.mark.parametrize("rows", [None, 1, 2])
def test_written_by_bands_as_astropy_writes_it_whole(
    exposure: ExposureF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int | None
) -> None:
    if rows is not None:
        monkeypatch.setattr(evensky.io.fits, "_BAND_PIXELS", rows * exposure.getWidth())
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


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_bands_and_scratch_give_the_same(
    exposure: ExposureF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: bool, rows: int
) -> None:
    write_exposure(exposure, tmp_path / "a.fits", compress=compress)
    whole = read_exposure(tmp_path / "a.fits")
    monkeypatch.setattr(evensky.io.fits, "_BAND_PIXELS", rows * exposure.getWidth())
    for scratch in (None, tmp_path):
        again = read_exposure(tmp_path / "a.fits", scratch=scratch)
        assert_same_pixels(whole, again)
        assert all(isinstance(a.base, np.memmap) or not scratch for a in map(np.asarray, again.maskedImage.getArrays()))
    assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]


def test_scratch_folders_that_cannot_be_used(exposure: ExposureF, tmp_path: Path) -> None:
    write_exposure(exposure, tmp_path / "a.fits")
    with pytest.raises(FitsError, match=r"nowhere: cannot be used as scratch space for \d+ bytes: No such file"):
        read_exposure(tmp_path / "a.fits", scratch=tmp_path / "nowhere")


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
    # Numbers keep every digit, and a second round changes nothing.
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
    assert exposure.mask.array[0, 0] == exposure.mask.getPlaneBitMask("BAD")
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


def test_odd_headers_are_read_and_written(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.ones((3, 4), np.float32)).writeto(tmp_path / "a.fits")
    raw = bytearray((tmp_path / "a.fits").read_bytes())
    at = raw.index(b"END" + b" " * 77)
    cards = [b"ESO-LOG 00:00:00> DATE         = '1992-10-26'".ljust(80), b"BADNUM  = NaN".ljust(80), b"END".ljust(80)]
    raw[at : at + 80 * len(cards)] = b"".join(cards)
    (tmp_path / "odd.fits").write_bytes(raw)
    exposure = read_exposure(tmp_path / "odd.fits")
    write_exposure(exposure, tmp_path / "b.fits")
    # The first is a comment by a keyword of its own, and stays what it is.
    assert "ESO-LOG 00:00:00> DATE         = '1992-10-26'" in read_exposure(tmp_path / "b.fits").metadata.tostring()


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
    assert "damaged, or were changed without it" in exposure.assumptions[0]


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
        file.truncate(10 * 2**30)  # of which nothing is on disk
    with pytest.raises(FitsError, match="10737412480 bytes after its last whole HDU"):
        read_exposure(tmp_path / "a.fits")
    (tmp_path / "b.fits").write_bytes(b"SIMPLE  =                    T".ljust(80) + b" " * 2**25)
    with pytest.raises(FitsError, match="no END card"):
        read_exposure(tmp_path / "b.fits")


def test_what_is_no_file_is_not_replaced(exposure: ExposureF, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FitsError, match="not a regular file"):
        write_image(exposure.image, tmp_path / "pipe", overwrite=True)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_nothing_is_overwritten_or_left_behind(exposure: ExposureF, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    write_exposure(exposure, path)
    before = path.read_bytes()
    with pytest.raises(FitsError, match="exists already"):
        write_exposure(exposure, path)
    assert path.read_bytes() == before
    write_exposure(exposure, path, overwrite=True)
    with pytest.raises(FitsError, match="cannot be written"):
        write_image(exposure.image, tmp_path / "no" / "folder.fits")

    def interrupted() -> None:
        with atomic_path(path, overwrite=True) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_threads_that_write_leave_the_umask_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(index: int) -> None:
        for again in range(5):
            with atomic_path(tmp_path / f"{index}-{again}") as temporary:
                temporary.write_text("x")

    set_umask = os.umask

    def set_and_wait(mask: int) -> int:
        earlier = set_umask(mask)
        time.sleep(0.001)  # so that others have their chance between reading and restoring it
        return earlier

    before = set_umask(0o027)
    monkeypatch.setattr(os, "umask", set_and_wait)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(8)))
    finally:
        left = set_umask(before)
    assert left == 0o027
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}
