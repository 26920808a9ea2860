"""WCS cards on which wcslib would run out of memory, hang or crash: the WCS is not used, and a note says why."""

from __future__ import annotations

import io
import re
from pathlib import Path

import hanging
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from wcs_kinds import KINDS

from evensky.errors import FitsError
from evensky.fits.contents import describe_file
from evensky.fits.wcs_limits import _wcs_of_cards, made_wcs, wcs_fault
from evensky.io import read_exposure

pytestmark = pytest.mark.filterwarnings("ignore")
_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)

TAN = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 32.0, "CRPIX2": 32.0,
    "CD1_1": -5e-5, "CD2_2": 5e-5,
}  # fmt: skip
LOOKUP = ("CPDIS1  = 'Lookup'", "CPDIS2  = 'Lookup'")


def records(name: str, axis: int, **changed: object) -> tuple[str, ...]:
    values = {"EXTVER": axis, "NAXES": 2, "AXIS.1": 1, "AXIS.2": 2, **changed}
    return tuple(f"{name}{axis}".ljust(8) + f"= '{key}: {value}'" for key, value in values.items() if value is not None)


def table(version: int, shape: tuple[int, ...] = (8, 8), name: str = "WCSDVARR") -> fits.ImageHDU:
    hdu = fits.ImageHDU(np.full(shape, 0.5, np.float32), name=name)
    hdu.header["EXTVER"] = version
    for axis in (1, 2):
        for keyword, value in (("CRPIX", 1.0), ("CRVAL", 1.0), ("CDELT", 8.0)):
            hdu.header[f"{keyword}{axis}"] = value
    return hdu


def header(*cards: str) -> fits.Header:
    made = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", 64), ("NAXIS2", 64)])
    given = {card[:8].strip() for card in cards}
    made.update({key: value for key, value in TAN.items() if key not in given})
    for card in cards:
        made.append(fits.Card.fromstring(card.ljust(80)), end=True)
    return made


def file_with(path: Path, *cards: str, tables: tuple[fits.ImageHDU, ...] = ()) -> Path:
    hdu = fits.PrimaryHDU(np.ones((64, 64), np.float32))
    for card in header(*cards).cards[5:]:
        hdu.header.append(card, end=True)
    fits.HDUList([hdu, *tables]).writeto(path, output_verify="ignore")
    return path


FAULTS: list[tuple[str, tuple[str, ...], str]] = [
    ("order", ("A_ORDER = 20000", "B_ORDER = 20000"), "A_ORDER = 20000; the order of a distortion is a number from 0"),
    ("inverse-order", ("AP_ORDER= 2E4",), r"AP_ORDER = 20000\.0"),
    ("negative-order", ("B_ORDER = -1",), "B_ORDER = -1"),
    ("order-as-text", ("A_ORDER = '3'",), "A_ORDER = '3'"),
    ("order-as-truth", ("A_ORDER = T",), "A_ORDER = True"),
    ("axes", ("WCSAXES = 20000",), "WCSAXES = 20000; a WCS of up to 32 axes is read"),
    ("axes-of-another", ("WCSAXESA= 999999999",), r"WCSAXESA = 1e\+09; a WCS of up to 32"),
    ("table", ("CTYPE1  = 'WAVE-TAB'", "PS1_0   = 'x'"), "CTYPE1 = 'WAVE-TAB'; both axes must have"),
    ("third-axis-table", ("CTYPE3  = 'WAVE-TAB'",), "CTYPE3 = 'WAVE-TAB'; of coordinates in tables, those of axes 1"),
    (
        "table-of-another",
        ("CTYPE1  = 'RA---TAB'", "CTYPE2  = 'DEC--TAB'", "PV1_3   = 999999999"),
        "one table with coordinates of two axes",
    ),
    (
        "no-such-table",
        (
            *("CTYPE1  = 'RA---TAB'", "CTYPE2  = 'DEC--TAB'", "PV2_3   = 2"),
            *("PS1_0   = 'T'", "PS2_0   = 'T'", "PS1_1   = 'C'", "PS2_1   = 'C'"),
        ),
        "the file has no table 'T'",
    ),
    ("plate-term", ("AMDX1   = 67.", "AMDY14  = 1E-9"), "AMDY14 = 1e-09; plates have 13 numbers"),
    ("plate-text", ("AMDX1   = 'x'",), "AMDX1 = 'x'; plates have 13"),
    ("plate-place", ("CNPIX1  = 'x'",), "CNPIX1 = 'x'; a number is needed"),
    ("error-of-a-table", ("CPERR1  =",), "CPERR1 = None; a number is needed"),
    ("plate-card", ("AMDX21  = 0.",), r"AMDX21 = 0\.0; plates have 13"),
    ("polynomial", ("CPDIS1  = 'Polynomial'",), "CPDIS1 = 'Polynomial'; of the distortions, those by lookup tables"),
    ("sequent", ("CQDIS1  = 'TPD'", "DQ1     = 'NAXES: 999999999'"), "CQDIS1 = 'TPD'; of the distortions"),
    ("no-records", LOOKUP[:1], "there is no DP1 card for CPDIS1"),
    ("naxes", (*LOOKUP, *records("DP", 1, NAXES=999999999), *records("DP", 2)), "DP1: a lookup table needs NAXES = 2"),
    ("axis", (*LOOKUP, *records("DP", 1, **{"AXIS.1": 2147483647}), *records("DP", 2)), "DP1: a lookup table needs"),
    (
        "axis-number",
        (*LOOKUP[:1], *records("DP", 1, **{"AXIS.2": None, "AXIS.999999": 2})),
        r"DP1 holds AXIS\.1, AXIS\.999999, EXTVER, NAXES; a lookup table has",
    ),
    ("many", (*LOOKUP[:1], *(records("DP", 1) * 200)), r"DP1 holds AXIS\.1, AXIS\.1, .*; a lookup table has"),
    ("third-axis", records("DP", 3), "DP3 holds .* on axes 1 and 2"),
    ("no-kind", records("DP", 1), "there is no CPDIS1 card for DP1"),
    ("no-table", (*LOOKUP[:1], *records("DP", 1)), "DP1 needs the table 'WCSDVARR', which is not there"),
    ("old-detector", ("AXISCORR= 999999999",), r"AXISCORR = 999999999; it must be 1 or 2"),
]


@pytest.mark.parametrize(("cards", "says"), [pytest.param(*row[1:], id=row[0]) for row in FAULTS])
def test_the_wcs_is_not_used(tmp_path: Path, cards: tuple[str, ...], says: str) -> None:
    with pytest.raises(FitsError, match=says):
        made_wcs(header(*cards))
    described = describe_file(file_with(tmp_path / "a.fits", *cards))
    assert described.wcs == (None,)
    (note,) = (note for note in described.images[0].notes if "WCS" in note)
    assert note.startswith("the WCS cannot be used: ")
    assert len(note) < 200
    exposure = read_exposure(tmp_path / "a.fits")
    assert exposure.wcs is None
    assert float(exposure.image.array.sum()) == 64 * 64


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (table(1, (8, 8, 8)), r"the table 'WCSDVARR' has shape \(8, 8, 8\)"),
        (table(1, (4200, 4200)), r"has shape \(4200, 4200\); up to 16777216 values"),
        (table(3), "as an image with EXTVER = 1"),
        (fits.CompImageHDU(np.ones((8, 8), np.float32), name="WCSDVARR"), "as an image with EXTVER = 1"),
        (fits.BinTableHDU.from_columns([], name="WCSDVARR"), "as an image with EXTVER = 1"),
    ],
    ids=["cube", "large", "version", "tiles", "table"],
)
def test_a_table_that_is_not_used(made: fits.ImageHDU, says: str) -> None:
    hdus = fits.HDUList([fits.PrimaryHDU(), made])
    if made.name == "WCSDVARR" and isinstance(made, fits.CompImageHDU):
        file = io.BytesIO()
        hdus.writeto(file)
        file.seek(0)
        hdus = fits.open(file)
    fault = wcs_fault(header(*LOOKUP[:1], *records("DP", 1)), hdus)
    assert fault is not None
    assert re.search(says, fault)


def test_lookup_tables_are_used(tmp_path: Path) -> None:
    cards = (*LOOKUP, *records("DP", 1), *records("DP", 2))
    plain = describe_file(file_with(tmp_path / "a.fits")).wcs[0]
    path = file_with(tmp_path / "b.fits", *cards, tables=(table(1), table(2)))
    shifted = describe_file(path).wcs[0]
    assert shifted.cpdis1 is not None
    expected = plain.all_pix2world(10.5, 20.5, 0)
    np.testing.assert_allclose(shifted.all_pix2world(10.0, 20.0, 0), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_wcs_is_used(kind: str) -> None:
    made = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", 64), ("NAXIS2", 64)])
    made.update(KINDS[kind])
    assert wcs_fault(made) is None
    assert made_wcs(made).has_celestial


@pytest.mark.parametrize("card", ["DQ      = 3", "DP1     = 0.5", "DQ1     = 'good'", "D2IM    = T"])
def test_cards_that_only_look_like_distortions(tmp_path: Path, card: str) -> None:
    assert describe_file(file_with(tmp_path / "a.fits", card)).wcs[0] is not None


def test_reasons_are_without_places_in_source_code(tmp_path: Path) -> None:
    path = file_with(tmp_path / "a.fits", "CTYPE2  = 'DEC--SIN'")
    (note,) = (note for note in describe_file(path).images[0].notes if "WCS" in note)
    assert note == ("the WCS cannot be used: Inconsistent projection types (expected DEC--TAN, got DEC--SIN in CTYPE2)")


def test_messages_of_astropy_are_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SIP coefficients without -SIP in CTYPE, of which astropy tells in a page of text."""
    path = file_with(tmp_path / "a.fits", "A_ORDER = 2", "B_ORDER = 2", "A_0_2   = 1E-9", "B_0_2   = 1E-9")
    assert describe_file(path).wcs[0].sip is not None
    assert caplog.text == ""


@pytest.mark.parametrize("card", ["CRVAL1  = 'x'", "CD1_1   = T", "EQUINOX = 'x'", "TSTART  = 'x'", "PLTDECSN= 1.5"])
def test_many_cards_without_their_number(tmp_path: Path, card: str) -> None:
    """The 40th of them was written behind the memory of wcslib's messages, which aborted the process."""
    path = file_with(tmp_path / "a.fits", *([card] * 400), "DATE-OBS= '2020-01-01'")
    describe_file(path)
    assert read_exposure(path).image.array.shape == (64, 64)


def test_many_cards_of_old_forms(tmp_path: Path) -> None:
    path = file_with(tmp_path / "a.fits", *(["PC001001= 1.0"] * 400))
    notes = describe_file(path).images[0].notes
    assert "the WCS cannot be used: PC001001 = 1.0; up to 16 cards of the old forms of a WCS are read" in notes


def test_a_lack_of_memory_is_no_property_of_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was taken for a file without a WCS, which is then placed by its pixel origin."""
    import astropy.wcs

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    path = file_with(tmp_path / "a.fits")
    monkeypatch.setattr(astropy.wcs, "WCS", fail)
    _wcs_of_cards.cache_clear()  # equal headers were read before
    with pytest.raises(FitsError, match="does not fit into memory"):
        describe_file(path)
    with pytest.raises(FitsError, match="does not fit into memory"):
        read_exposure(path)


def test_exposures_of_one_wcs_have_objects_of_their_own(tmp_path: Path) -> None:
    """The WCS of equal headers is made once and copied: whoever changes one does not change the others."""
    cards = [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("CRVAL1", 10.1), ("CRVAL2", -3.3), ("CRPIX1", 2.5)]
    for name in "ab":
        fits.writeto(tmp_path / f"{name}.fits", np.zeros((4, 6), np.float32), fits.Header([*cards, ("CDELT1", 1e-4)]))
    one, other = (describe_file(tmp_path / f"{name}.fits").wcs[0] for name in "ab")
    with fits.open(tmp_path / "a.fits") as hdus:
        expected = WCS(hdus[0].header)
    assert one is not other
    assert other.to_header_string() == expected.to_header_string()
    assert (other.pixel_shape, other.array_shape) == (expected.pixel_shape, expected.array_shape)
    assert np.array_equal(other.all_pix2world([[1, 2]], 0), expected.all_pix2world([[1, 2]], 0))
    one.wcs.crval = [0, 0]
    assert list(describe_file(tmp_path / "b.fits").wcs[0].wcs.crval) == [10.1, -3.3]
