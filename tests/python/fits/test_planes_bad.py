"""Odd or impossible planes, scales and origins: read correctly, or refused in one line that gives the reason."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hanging
import numpy as np
import pytest
from astropy.io import fits
from broken_fits import (
    ALGORITHMS,
    BLOCK,
    Row,
    as_bytes,
    assert_refused,
    changed,
    compressed,
    hdu_replaced,
    lsst,
    mask_plane,
    more_cards,
    pixels,
    plain,
    refused,
    with_card,
)
from command import run

from evensky.fits.planes import read_planes
from evensky.io import read_exposure, write_exposure

# Warnings of astropy are not errors, as they are not for users.
pytestmark = pytest.mark.filterwarnings("ignore")
_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)


def without(pattern: str) -> Callable[[Any], None]:
    def change(hdus: Any) -> None:
        for hdu in hdus[1:]:
            for card in [*hdu.header[pattern]] if "*" in pattern else [pattern]:
                del hdu.header[card]

    return change


def without_ltv(hdus: Any) -> None:
    for hdu in hdus[1:]:
        del hdu.header["LTV1"], hdu.header["LTV2"]


REFUSED: list[Row] = [
    # Scales.
    (
        "bscale-nan",
        lambda: more_cards(plain("i2"), b"BSCALE  = NaN"),
        "BSCALE = NaN in HDU 0; it must be a finite number other than 0",
    ),
    ("bzero-nan", lambda: more_cards(plain("i2"), b"BZERO   = NaN"), "BZERO = NaN in HDU 0; it must be a number"),
    # Masks and variances.
    (
        "mask-of-fractions",
        lambda: hdu_replaced(2, lambda data: data.astype("f4") + np.float32(0.5)),
        r"the mask MASK has pixels of type float32 such as 0\.5; whole numbers are needed.*--mask none",
    ),
    ("mask-of-other-shape", lambda: hdu_replaced(2, lambda data: data[:32]), r"mask has shape \(32, 64\) .*\(64, 64\)"),
    ("mask-without-pixels", lambda: changed(lambda hdus: setattr(hdus[2], "data", None)), "mask has shape None"),
    ("plane-minus-1", lambda: mask_plane(-1), "'BAD' has number -1; it must be 0 to 31"),
    ("plane-32", lambda: mask_plane(32), "'BAD' has number 32; it must be 0 to 31"),
    ("plane-99", lambda: mask_plane(99), "'BAD' has number 99; it must be 0 to 31"),
    ("plane-1e30", lambda: mask_plane(10**30), "'BAD' has number 10+; it must be 0 to 31"),
    ("plane-text", lambda: mask_plane("two"), "'two'"),
    ("plane-nan", lambda: with_card(lsst(), "MP_BAD  = NaN"), "MP_BAD"),
    ("planes-of-one-number", lambda: mask_plane(1), "'BAD' and 'SAT' both have number 1"),
    (
        "variance-of-other-shape",
        lambda: hdu_replaced(3, lambda data: data[:, :32]),
        r"variance has shape \(64, 32\) but the image has \(64, 64\)",
    ),
    # Values that are no numbers.
    ("ltv-nan", lambda: with_card(lsst(), "LTV1    = NaN"), "LTV1"),
    ("ltv-text", lambda: with_card(lsst(), "LTV1    = 'abc'"), "'abc'"),
    (
        "ltv-infinite",
        lambda: with_card(lsst(), "LTV1    = 1E999"),
        "LTV1 = inf, LTV2 = 0: a pixel origin must be two numbers",
    ),
    ("ltv-empty", lambda: with_card(lsst(), "LTV1    ="), "LTV1 = None, LTV2 = 0: a pixel origin must be two numbers"),
    ("origin-nan", lambda: with_card(changed(without_ltv), "CRVAL1A = NaN"), "CRVAL1A"),
    ("origin-text", lambda: with_card(changed(without_ltv), "CRVAL1A = 'abc'"), "'abc'"),
    ("origin-pixel-text", lambda: with_card(changed(without_ltv), "CRPIX1A = 'abc'"), "'abc'"),
]


test_refused = refused(REFUSED)


# Odd files whose meaning is clear.


def mean_of(content: bytes, folder: Path) -> float:
    path = folder / "a.fits"
    path.write_bytes(content)
    return float(np.nanmean(read_exposure(path).image.array))


READ: list[Row] = [
    # The padding of the last block is missing, or too long.
    ("padding-short", lambda: plain()[:-1], "f4"),
    ("no-padding", lambda: plain()[: BLOCK + 4 * 64 * 64], "f4"),
    ("a-line-behind", lambda: plain() + b"\r\n", "f4"),
    *((f"tiles-{one}", lambda one=one: compressed(one), "i4") for one in ALGORITHMS),
    ("gzip", lambda: gzip.compress(plain()), "f4"),
    ("checksum", lambda: as_bytes(fits.PrimaryHDU(pixels()), checksum=True), "f4"),
    (
        "datasum-no-number",
        lambda: with_card(as_bytes(fits.PrimaryHDU(pixels()), checksum=True), "DATASUM = 'no'"),
        "f4",
    ),
    ("many-cards", lambda: more_cards(plain(), *(b"KEY%05d= %d" % (i, i) for i in range(3000))), "f4"),
    ("one-card-often", lambda: more_cards(plain(), *[b"SAME    = 1"] * 3000), "f4"),
    ("many-comments", lambda: more_cards(plain(), *(b"COMMENT %d" % i for i in range(3000))), "f4"),
    ("latin-1", lambda: more_cards(plain(), "OBJECT  = 'Sèvres'".encode("latin-1")), "f4"),
    ("utf-8", lambda: more_cards(plain(), "OBJECT  = 'Sèvres'".encode()), "f4"),
    ("keyword-not-ascii", lambda: more_cards(plain(), b"OB\xe9ECT  = 'a'"), "f4"),
    ("huge-keyword", lambda: more_cards(plain(), b"HIERARCH " + b"X" * 60 + b" = 1"), "f4"),
    (
        "long-text",
        lambda: more_cards(plain(), b"LONG    = 'a&'", *[b"CONTINUE  '" + b"b" * 60 + b"&'"] * 500, b"CONTINUE  'c'"),
        "f4",
    ),
    ("simple-f", lambda: with_card(plain(), "SIMPLE  = F"), "f4"),
    ("continued-nothing", lambda: more_cards(plain(), b"CONTINUE  'c'"), "f4"),
    ("continued-number", lambda: more_cards(plain(), b"GAIN    = 1.0", b"CONTINUE  'c'"), "f4"),
    ("bscale-text", lambda: more_cards(plain("i2"), b"BSCALE  = 'two'"), "i2"),
    ("bzero-text", lambda: more_cards(plain("i2"), b"BZERO   = 'none'"), "i2"),
    ("value-nan", lambda: more_cards(plain(), b"AIRMASS = NaN", b"MEAN    = -inf", b"EQUINOX = nan"), "f4"),
    ("naxis-twice", lambda: more_cards(plain(), b"NAXIS1  = 7", b"BITPIX  = 8", b"NAXIS   = 1"), "f4"),
    ("bscale-twice", lambda: more_cards(plain("i2"), b"BSCALE  = 1.0", b"BSCALE  = 5.0"), "i2"),
    ("zeros-in-a-card", lambda: more_cards(plain(), b"OBJECT  = 'a\0b'", b"\0\1\2= 5", b"\xff" * 80), "f4"),
    ("names-that-are-numbers", lambda: more_cards(plain(), b"EXTNAME = 5", b"EXTVER  = 'x'", b"EXTLEVEL= 'y'"), "f4"),
    ("inherit-text", lambda: more_cards(plain(), b"INHERIT = 'perhaps'", b"EXTEND  = 3", b"GROUPS  = 'no'"), "f4"),
    ("groups-without-groups", lambda: more_cards(plain(), b"GROUPS  =                    T"), "f4"),
    ("no-equals-sign", lambda: more_cards(plain(), b"OBJECT   M13"), "f4"),
    ("text-without-end", lambda: more_cards(plain(), b"OBJECT  = 'M13"), "f4"),
    ("hdus-in-plenty", lambda: as_bytes(fits.PrimaryHDU(pixels()), *[fits.ImageHDU()] * 300), "f4"),
    (
        "broken-table-behind",
        lambda: as_bytes(
            fits.PrimaryHDU(pixels()), fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
        ).replace(b"TFORM1  = 'E", b"TFORM1  = 'Q"),
        "f4",
    ),
    ("wcs-of-9-axes", lambda: more_cards(plain(), b"WCSAXES = 9", b"CTYPE1  = 'RA---TAN'"), "f4"),
    ("wcs-of-one-axis", lambda: more_cards(plain(), b"CTYPE1  = 'RA---TAN'"), "f4"),
    ("wcs-nonsense", lambda: more_cards(plain(), b"CTYPE1  = 'NONSENSE'", b"CTYPE2  = 5"), "f4"),
    (
        "wcs-without-extent",
        lambda: more_cards(
            plain(), b"CTYPE1  = 'RA---TAN'", b"CTYPE2  = 'DEC--TAN'", b"CD1_1   = 0.0", b"CD2_2   = 0.0"
        ),
        "f4",
    ),
    (
        "sip-of-order-1e6",
        lambda: more_cards(
            plain(), b"CTYPE1  = 'RA---TAN-SIP'", b"CTYPE2  = 'DEC--TAN-SIP'", b"A_ORDER = 1000000", b"B_ORDER = 2"
        ),
        "f4",
    ),
    ("blank-text", lambda: more_cards(plain("i2"), b"BLANK   = 'no'"), "i2"),
    ("blank-out-of-range", lambda: more_cards(plain("i2"), b"BLANK   = 99999999"), "i2"),
    ("blank-of-floats", lambda: more_cards(plain(), b"BLANK   = 5"), "f4"),
]


@pytest.mark.parametrize(("make", "dtype"), [pytest.param(*row[1:], id=row[0]) for row in READ])
def test_read(tmp_path: Path, make: Callable[[], bytes], dtype: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(make())
    exposure = read_exposure(path)
    np.testing.assert_array_equal(exposure.image.array, pixels().astype(dtype))
    assert run("stats", path).exit_code == 0
    # An exposure that was read can be written without a change.
    write_exposure(exposure, tmp_path / "b.fits")
    np.testing.assert_array_equal(read_exposure(tmp_path / "b.fits").image.array, pixels().astype(dtype))


@pytest.mark.parametrize(
    "make",
    [
        lambda: changed(without("EXTTYPE")),
        lambda: changed(without("MP_*")),
        lambda: changed(lambda hdus: hdus.append(hdus[1].copy())),
        lambda: changed(lambda hdus: hdus.append(fits.ImageHDU(~hdus[2].data, hdus[2].header))),
        lambda: with_card(lsst(), "EXTTYPE = 5", "EXTNAME = 5"),
        lambda: with_card(lsst(), "CRVAL1A = 'abc'"),
        lambda: with_card(lsst(), "CTYPE1  = 5", behind=BLOCK),
    ],
    ids=["no-exttype", "no-planes", "image-twice", "mask-twice", "no-names", "origin-text-beside-ltv", "ctype-number"],
)
def test_read_lsst(tmp_path: Path, make: Callable[[], bytes]) -> None:
    (tmp_path / "a.fits").write_bytes(lsst())
    (tmp_path / "b.fits").write_bytes(make())
    one, other = (read_exposure(tmp_path / name) for name in ("a.fits", "b.fits"))
    for left, right in zip(one.maskedImage.getArrays(), other.maskedImage.getArrays(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert other.mask.getMaskPlaneDict() == one.mask.getMaskPlaneDict()
    assert other.assumptions == []


def test_scaled_integers(tmp_path: Path) -> None:
    raw = pixels().astype("i2")
    assert mean_of(more_cards(plain("i2"), b"BSCALE  = 2.0", b"BZERO   = 7"), tmp_path) == pytest.approx(
        np.mean(raw * 2.0 + 7)
    )
    path = tmp_path / "a.fits"
    value = int(raw[0, 0])
    blank = raw == value
    for scale, cards in ((1, []), (2, [b"BSCALE  = 2.0"])):
        path.write_bytes(more_cards(plain("i2"), b"BLANK   = %d" % value, *cards))
        read = read_exposure(path).image.array
        np.testing.assert_array_equal(np.isnan(read), blank)
        np.testing.assert_array_equal(read[~blank], scale * raw[~blank])
    # No pixel is good, so there are no statistics.
    path.write_bytes(more_cards(plain("i2"), b"BZERO   = 1E400"))
    assert not np.isfinite(read_exposure(path).image.array).any()


# Files that should be treated differently.


@pytest.mark.parametrize(("dtype", "zero"), [("i2", 2**15), ("i4", 2**31)])
def test_blank_of_unsigned(tmp_path: Path, dtype: str, zero: int) -> None:
    raw = pixels().astype(dtype)
    path = tmp_path / "a.fits"
    path.write_bytes(more_cards(plain(dtype), b"BZERO   = %d" % zero, b"BLANK   = %d" % raw[0, 0]))
    np.testing.assert_array_equal(np.isnan(read_exposure(path).image.array), raw == raw[0, 0])


@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_a_scale_of_0(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(more_cards(plain(dtype), b"BSCALE  = 0.0"))
    assert_refused(path, "BSCALE")


@pytest.mark.parametrize("value", [20.5, True])
def test_planes_of_no_number(tmp_path: Path, value: object) -> None:
    def change(hdus: Any) -> None:
        del hdus[2].header["MP_SAT"]
        hdus[2].header["MP_BAD"] = value

    path = tmp_path / "a.fits"
    path.write_bytes(changed(change))
    assert_refused(path, "BAD")


def test_masks_of_more_than_32_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(hdu_replaced(2, lambda data: data.astype(np.int64) + 2**40))
    planes = read_planes(path)
    (tmp_path / "b.fits").write_bytes(lsst())
    np.testing.assert_array_equal(planes.mask, read_planes(tmp_path / "b.fits").mask)
    assert any("bits beyond the 32nd" in note and "ignored" in note for note in planes.assumptions)


@pytest.mark.parametrize("card", ["LTV1    = 1E30", "LTV1    = -9999999999"])
def test_origins_beyond_any_box(tmp_path: Path, card: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(with_card(lsst(), card))
    assert_refused(path, "LTV1")
