"""Files of combinations: written by bands in any order, continued, readable by us and by astropy; their headers."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from evensky.errors import FitsError, InvalidParameterError
from evensky.fits.headers import kept_cards, wcs_cards
from evensky.fits.writing import name_planes, with_cards
from evensky.io import read_exposure
from evensky.io.coadd_file import PLANES, CoaddMember, CoaddWriter, Stamp, header_of_coadd
from evensky.io.formats import describe

SHAPE = (23, 17)
ALL = tuple(PLANES)
MASK_PLANES = {"BAD": 0, "SAT": 1, "A_LONG_PLANE_NAME": 31}

pytestmark = pytest.mark.filterwarnings("error", "ignore:Keyword name")


def arrays(dtype: Any = np.float32) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    made: dict[str, np.ndarray] = {name: random.normal(100, 5, SHAPE).astype(np.float32) for name in ALL}
    made["image"] = random.normal(100, 5, SHAPE).astype(dtype)
    made["image"][3, 4] = np.nan
    for name in ("mask", "number", "rejected"):
        made[name] = random.integers(0, 4, SHAPE).astype(np.int32)
    made["mask"][5, 5] = -(2**31)
    return made


def wcs() -> WCS:
    made = WCS(naxis=2)
    made.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    made.wcs.crval, made.wcs.crpix, made.wcs.cdelt = [250.4, 36.5], [8.0, 11.0], [-1e-4, 1e-4]
    return made


def assert_same_sky(found: WCS) -> None:
    np.testing.assert_array_equal(found.all_pix2world([0, 5], [0, 9], 0), wcs().all_pix2world([0, 5], [0, 9], 0))


def rows_of(planes: dict[str, np.ndarray], rows: slice) -> dict[str, np.ndarray]:
    return {name: plane[rows] for name, plane in planes.items()}


def write_all(writer: CoaddWriter, planes: dict[str, np.ndarray], step: int = 5) -> None:
    for first in reversed(range(0, SHAPE[0], step)):
        writer.write(first, rows_of(planes, slice(first, first + step)))


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_plane_is_read_again(tmp_path: Path, compress: bool, dtype: Any) -> None:
    planes = arrays(dtype)
    header = header_of_coadd([CoaddMember("a.fits")], statistic="mean", unit="adu", wcs=wcs())
    writer = CoaddWriter(
        tmp_path / "coadd.fits", SHAPE, ALL, header=header, mask_planes=MASK_PLANES, compress=compress, dtype=dtype
    )
    write_all(writer, planes)
    assert os.listdir(tmp_path) != ["coadd.fits"]
    state = writer.finish()
    assert os.listdir(tmp_path) == ["coadd.fits"]
    assert state.size == (tmp_path / "coadd.fits").stat().st_size
    with fits.open(tmp_path / "coadd.fits", checksum=True) as hdus:  # a wrong sum is a warning, here an error
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", *PLANES.values()]
        for name, hdu in zip(PLANES, hdus[1:], strict=True):
            assert isinstance(hdu, fits.CompImageHDU if compress else fits.ImageHDU)
            assert {"CHECKSUM", "DATASUM"} <= set(getattr(hdu, "_bintable", hdu).header)
            assert hdu.data.dtype.newbyteorder("=") == planes[name].dtype
            np.testing.assert_array_equal(hdu.data, planes[name])
            assert_same_sky(WCS(hdu.header))
        assert hdus["EXPTIME"].header["BUNIT"] == "s"
        assert hdus[0].header["BUNIT"] == "adu"
    exposure = read_exposure(tmp_path / "coadd.fits")
    for plane, name in zip(exposure.maskedImage.getArrays(), ("image", "mask", "variance"), strict=True):
        np.testing.assert_array_equal(plane, planes[name])
    assert exposure.mask.getMaskPlaneDict() == MASK_PLANES
    assert_same_sky(exposure.wcs)
    assert exposure.metadata["BUNIT"] == "adu"
    found = describe(tmp_path / "coadd.fits")
    assert (found.role, found.images[0].layout) == ("coadd", "LSST afw exposure")
    assert found.ignored == ("NUMBER", "REJECTED", "WEIGHT", "EXPTIME")


@pytest.mark.parametrize("planes", [("image",), ("image", "number"), ("image", "mask"), ("image", "weight")])
def test_a_part_of_the_planes(tmp_path: Path, planes: tuple[str, ...]) -> None:
    made = arrays()
    writer = CoaddWriter(tmp_path / "a.fits", SHAPE, planes)
    write_all(writer, made)
    writer.finish()
    exposure = read_exposure(tmp_path / "a.fits")
    np.testing.assert_array_equal(exposure.image.array, made["image"])
    assert not exposure.info.has_variance
    if "mask" in planes:
        np.testing.assert_array_equal(exposure.mask.array, made["mask"])
    with fits.open(tmp_path / "a.fits") as hdus:
        assert [hdu.name for hdu in hdus[1:]] == [PLANES[name] for name in planes]


def test_the_same_pixels_give_the_same_bytes(tmp_path: Path) -> None:
    for compress in (False, True):
        for name, step in (("a.fits", 1), ("b.fits", 7)):
            writer = CoaddWriter(tmp_path / name, SHAPE, ALL, compress=compress, overwrite=True)
            write_all(writer, arrays(), step)
            writer.finish()
        assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()


def test_an_unfinished_file_is_continued(tmp_path: Path) -> None:
    planes, header = arrays(), header_of_coadd([CoaddMember("a")], statistic="mean")
    first = CoaddWriter(tmp_path / "a.fits", SHAPE, ALL, header=header, partial=True)
    assert not first.continued
    first.write(0, rows_of(planes, slice(0, 9)))
    first.close()
    assert not (tmp_path / "a.fits").exists()
    second = CoaddWriter(tmp_path / "a.fits", SHAPE, ALL, header=header, partial=True)
    assert second.continued
    second.write(9, rows_of(planes, slice(9, None)))
    second.finish()
    assert os.listdir(tmp_path) == ["a.fits"]
    with fits.open(tmp_path / "a.fits", checksum=True) as hdus:
        for name, hdu in zip(PLANES, hdus[1:], strict=True):
            np.testing.assert_array_equal(hdu.data, planes[name])


def test_an_unfinished_file_of_something_else_is_begun_anew(tmp_path: Path) -> None:
    first = CoaddWriter(tmp_path / "a.fits", SHAPE, ("image",), partial=True)
    write_all(first, arrays())
    first.close()
    for shape, planes, header in (
        (SHAPE, ("image", "mask"), None),
        ((SHAPE[1], SHAPE[0]), ("image",), None),
        (SHAPE, ("image",), header_of_coadd([CoaddMember("a")], statistic="mean")),
    ):
        writer = CoaddWriter(tmp_path / "a.fits", shape, planes, header=header, partial=True)
        assert not writer.continued
        writer.close()
    writer.discard()
    assert os.listdir(tmp_path) == []


def test_nothing_remains_of_what_is_given_up(tmp_path: Path) -> None:
    for partial in (False, True):
        writer = CoaddWriter(tmp_path / "a.fits", SHAPE, ALL, partial=partial)
        writer.write(0, rows_of(arrays(), slice(0, 4)))
        writer.discard()
        assert os.listdir(tmp_path) == []
        with pytest.raises(FitsError, match=r"a\.fits: was finished or given up"):
            writer.write(0, arrays())
        with pytest.raises(FitsError, match=r"a\.fits: was finished or given up"):
            writer.finish()


def test_an_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_text("old")
    with pytest.raises(FitsError, match=r"a\.fits: exists already"):
        CoaddWriter(path, SHAPE)
    writer = CoaddWriter(path, SHAPE, ("image",), overwrite=True)
    assert path.read_text() == "old"
    write_all(writer, arrays())
    writer.finish()
    np.testing.assert_array_equal(read_exposure(path).image.array, arrays()["image"])
    with pytest.raises(FitsError, match="No such file"):
        CoaddWriter(tmp_path / "none" / "a.fits", SHAPE)


class _Lost:
    """A permit that was lost."""

    @contextmanager
    def renaming(self):  # type: ignore[no-untyped-def]
        raise FitsError("the lock is lost")
        yield


def test_without_the_permission_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_text("old")
    writer = CoaddWriter(path, SHAPE, ("image",), overwrite=True, permit=_Lost())
    write_all(writer, arrays())
    assert all(".evensky-run-" in name for name in os.listdir(tmp_path) if name != "a.fits")
    with pytest.raises(FitsError, match="the lock is lost"):
        writer.finish()
    writer.discard()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.fits"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_full_disk(tmp_path: Path) -> None:
    writer = CoaddWriter(tmp_path / "a.fits", SHAPE, ("image",))
    full = os.open("/dev/full", os.O_WRONLY)
    assert writer._handle is not None
    os.dup2(full, writer._handle)
    os.close(full)
    with pytest.raises(FitsError, match=r"a\.fits: cannot be written: No space left"):
        writer.write(0, arrays())
    writer.discard()


@pytest.mark.parametrize("planes", [(), ("mask",), ("image", "coverage"), ("image", "image")])
def test_planes_that_cannot_be(tmp_path: Path, planes: tuple[str, ...]) -> None:
    with pytest.raises(InvalidParameterError, match="they must be 'image' and any of mask, variance, number, rejected"):
        CoaddWriter(tmp_path / "a.fits", SHAPE, planes)


def test_rows_that_cannot_be(tmp_path: Path) -> None:
    writer = CoaddWriter(tmp_path / "a.fits", SHAPE, ("image", "number"))
    planes = arrays()
    with pytest.raises(InvalidParameterError, match="number: no pixels are given for rows from 4 on"):
        writer.write(4, {"image": planes["image"][:2]})
    for first, pixels in ((22, planes["image"][:2]), (-1, planes["image"][:2]), (0, planes["image"][:, :5])):
        with pytest.raises(InvalidParameterError, match="rows of 17 pixels within 0 to 23 are needed"):
            writer.write(first, {"image": pixels, "number": pixels})
    writer.discard()


# ---- header ----


def member(label: str, begin: str, time: float = 30.0, **cards: Any) -> CoaddMember:
    values = {"DATE-OBS": begin, "EXPTIME": time, "OBJECT": "M13", "TELESCOP": "INT", **cards}
    return CoaddMember(label, values, unit="adu", filter="g", instrument="WFC")


def test_a_header_tells_what_was_combined() -> None:
    members = [member("a.fits", "2026-01-02T03:04:05.5", 60), member("b.fits", "2026-01-02T03:00:00", 30)]
    header = header_of_coadd(
        members,
        statistic="meanclip",
        wcs=wcs(),
        cards={"EVS_RNDS": (3, "rounds"), "EVS_X": np.inf},
        history=["é", "x" * 99],
    )
    wanted = {
        "OBJECT": "M13",
        "TELESCOP": "INT",
        "INSTRUME": "WFC",
        "FILTER": "g",
        "BUNIT": "adu",
        "NCOMBINE": 2,
        "EXPTIME": 45.0,
        "TEXPTIME": 90.0,
        "TIMESYS": "UTC",
        "DATE-BEG": "2026-01-02T03:00:00.000",
        "DATE-END": "2026-01-02T03:05:05.500",
        "EVS_COMB": "meanclip",
        "EVS_RNDS": 3,
        "IMCMB001": "a.fits",
        "IMCMB002": "b.fits",
        "CTYPE1": "RA---TAN",
    }
    assert {keyword: header[keyword] for keyword in wanted} == wanted
    assert header["MJD-END"] - header["MJD-BEG"] == pytest.approx(305.5 / 86400, abs=1e-9)
    assert header["HISTORY"][0] == "?"
    assert len(header.tostring()) % 2880 == 0


def test_what_differs_is_left_out() -> None:
    members = [
        member("a", "2026-01-02T03:04:05"),
        CoaddMember("b", {"OBJECT": "M13", "TELESCOP": "WHT"}, unit="electron", filter="r"),
    ]
    header = header_of_coadd(members, statistic="mean")
    assert header["OBJECT"] == "M13"
    for keyword in (
        "TELESCOP",
        "FILTER",
        "INSTRUME",
        "BUNIT",
        "EXPTIME",
        "TEXPTIME",
        "DATE-BEG",
        "DATE-END",
        "MJD-BEG",
    ):
        assert keyword not in header
    with pytest.raises(InvalidParameterError, match="There are 0 exposures"):
        header_of_coadd([], statistic="mean")


@pytest.mark.parametrize(
    ("cards", "begin", "end"),
    [
        ({"MJD-OBS": 60000.5, "EXPTIME": 86.4}, 60000.5, 60000.501),
        ({"MJD-BEG": 60000.5, "MJD-END": 60000.75, "MJD-OBS": 1.0}, 60000.5, 60000.75),
        ({"DATE-BEG": "2023-02-25T12:00:00", "DATE-END": "2023-02-25T18:00:00"}, 60000.5, 60000.75),
        ({"DATE-OBS": "2023-02-25", "TIME-OBS": "12:00:00", "EXPTIME": "86.4"}, 60000.5, 60000.501),
        ({"MJD-OBS": 60000.5, "TIMESYS": "TAI"}, 60000.5, None),
        ({"DATE-OBS": "2023-02-25", "EXPTIME": 86.4}, None, None),
        ({"DATE-OBS": "25/02/23", "TIME-OBS": "12:00:00"}, None, None),
        ({"MJD-OBS": 60000.5, "TIMESYS": "MARS"}, None, None),
    ],
)
def test_times_of_every_kind(cards: dict[str, Any], begin: float | None, end: float | None) -> None:
    header = header_of_coadd([CoaddMember("a", cards), CoaddMember("b", cards)], statistic="mean")
    assert header.get("MJD-BEG") == (begin if begin is None else pytest.approx(begin, abs=1e-9))
    assert header.get("MJD-END") == (end if end is None else pytest.approx(end, abs=1e-9))
    assert header.get("TIMESYS") == (None if begin is None else cards.get("TIMESYS", "UTC"))


def test_checksums_are_those_of_the_last_pixels(tmp_path: Path) -> None:
    planes = arrays()
    writer = CoaddWriter(tmp_path / "a.fits", SHAPE, ALL)
    writer.write(0, rows_of(arrays(np.float64), slice(0, 9)) | {"image": np.ones((9, SHAPE[1]), np.float32)})
    writer.write(9, rows_of(planes, slice(9, 20)))  # the last rows stay 0
    writer.write(4, rows_of(planes, slice(4, 12)))
    stamp = writer.finish()
    assert stamp == Stamp.of(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits", checksum=True) as hdus:  # a wrong sum is a warning, here an error
        np.testing.assert_array_equal(hdus["IMAGE"].data[4:20], planes["image"][4:20])
        assert (hdus["IMAGE"].data[:4] == 1).all()
        assert not hdus["IMAGE"].data[20:].any()


def test_headers_are_those_that_astropy_makes_one_by_one(tmp_path: Path) -> None:
    header = header_of_coadd([CoaddMember("a", {"EXPTIME": 3.0})], statistic="median", wcs=wcs(), history=["x" * 200])
    masks = {"BAD": 0, "name of words": 3, "lower": 7}
    writer = CoaddWriter(tmp_path / "coadd.fits", SHAPE, ALL, header=header, mask_planes=masks, x0=3, y0=-4)
    write_all(writer, arrays())
    writer.finish()
    with fits.open(tmp_path / "coadd.fits") as hdus:
        hdus.verify("exception")
        for hdu, (name, title) in zip(hdus[1:], PLANES.items(), strict=True):
            made = fits.ImageHDU(np.zeros(SHAPE, hdu.data.dtype), name=title)
            with_cards(made, wcs_cards(kept_cards(header), None), title, 3, -4)
            if name == "mask":
                name_planes(made.header, masks)
            if name in ("number", "rejected", "weight", "exposure_time"):
                made.header["INHERIT"] = False
                made.header.comments["EXTNAME"] = hdu.header.comments["EXTNAME"]
                assert "exposures" in made.header.comments["EXTNAME"]
            if name == "exposure_time":
                made.header["BUNIT"] = "s"
            made.verify("silentfix")
            assert list(map(str, hdu.header.cards))[:-2] == list(map(str, made.header.cards))
            assert list(hdu.header)[-2:] == ["CHECKSUM", "DATASUM"]


@pytest.mark.parametrize(
    "text",
    [
        *("A       =                    T / c", "A       =  0.30000000000000004", "CRVAL1  =              -1E-300 / x"),
        *("A       = 'eight wo'           / c", "A       = 'a long text of words'/ c", "A       = 'it''s here'"),
        *("A       = 5", "A       =                    5/ x", "A       =                    5x", "A       = 'ab' / c"),
        *("a       =                    5", "A       =                  1.5D3", "A       = 'abcdefgh' x"),
        *(
            "COMMENT = 5",
            "HISTORY =                    5",
            "HIERARCH long word = 3",
            "A       = (1.0, 2.0)",
            "A       =",
        ),
    ],
)
def test_cards_are_kept_as_astropy_mends_them(text: str) -> None:
    card = fits.Card.fromstring(text.ljust(80))
    expected = fits.Card.fromstring(text.ljust(80))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected.verify("silentfix")
            expected.value  # noqa: B018
        except fits.VerifyError:
            expected = fits.Card("COMMENT", " ".join(text.split()))
        header = fits.Header([card])
        (found,) = kept_cards(header)
        assert str(found) == str(expected)
        assert found.value == expected.value
