"""Headers of plain images, read without astropy, have the values that astropy reads."""

import numpy as np
import pytest
from astropy.io import fits

from evensky.errors import FitsError
from evensky.fits.contents import describe_file, describe_hdus
from evensky.fits.opening import opened_headers
from evensky.fits.plain_headers import PlainHDU, whole_header

CARDS = (
    "WHOLE   =                 -012 / a comment",
    "REAL    =                1.5D3 / of double precision",
    "EXPON   =                 2E-3",
    "POINT   =                   .5",
    "YES     =                    T / it is",
    "NO      =                    F",
    "TEXT    = 'it''s / here'       / quoted",
    "SPACES  = '  kept before    '",
    "EMPTY   = ''",
    "DATE-OBS= '2026-01-02T03:04:05.5' / a date",
    "HISTORY of the file",
    "COMMENT a comment = 3",
    "HIERARCH ESO DET NAME = 'long' / keyword",
    "HIERARCH MP_DETECTED_NEGATIVE = 6",
)
"""Cards that are read without astropy, or by it one by one."""

PLACE = ("datLoc", "datSpan")

UNUSUAL = (
    "NOTHING =                      / no value",
    "COMPLEX = (1.0, 2.0)",
    "DP1     = 'AXIS.1: 2'",
    "lower   = 3",
    "WHOLE   = 1",
    "LONG    = 'the first part &'",
    "CTYPE3  = 'WAVE-TAB'",
)
"""Cards for which the whole file is read by astropy."""


def written(path, *cards, image=None, extensions=()):
    """Write a file of an image whose header has these cards."""
    hdu = fits.PrimaryHDU(np.zeros((3, 4), np.float32) if image is None else image)
    fits.HDUList([hdu, *extensions]).writeto(path)
    content = bytearray(path.read_bytes())
    end = content.index(b"END".ljust(80))
    text = b"".join(card.ljust(80).encode() for card in cards) + b"END".ljust(80)
    content[end : end + len(text)] = text
    path.write_bytes(content)
    return path


def test_values_are_those_of_astropy(tmp_path):
    second = fits.ImageHDU(np.zeros((3, 4), np.int16), name="DQ", ver=2)
    path = written(tmp_path / "a.fits", *CARDS, extensions=[second, fits.ImageHDU()])
    with opened_headers(path, plain=True) as plain, opened_headers(path) as hdus:
        assert all(isinstance(hdu, PlainHDU) for hdu in plain)
        assert len(plain) == len(hdus) == 3
        for one, other in zip(plain, hdus, strict=True):
            known = {name: other.header[name] for name in other.header if name not in ("COMMENT", "HISTORY", "")}
            assert dict(one.header) == known
            assert [type(one.header[name]) for name in known] == [type(value) for value in known.values()]
            assert (one.shape, one.size) == (other.shape or (), other.size)
            assert [one.fileinfo()[name] for name in PLACE] == [other.fileinfo()[name] for name in PLACE]
            assert whole_header(one.header)["NAXIS"] == other.header["NAXIS"]
        assert describe_hdus(plain, path) == describe_hdus(hdus, path)


@pytest.mark.parametrize("card", UNUSUAL)
def test_unusual_cards_are_left_to_astropy(tmp_path, card):
    path = written(tmp_path / "a.fits", "WHOLE   = 2", card)
    with opened_headers(path, plain=True) as hdus:
        assert isinstance(hdus, fits.HDUList)
        assert describe_file(path) == describe_hdus(hdus, path)


@pytest.mark.parametrize(
    "extension",
    [
        fits.BinTableHDU(np.zeros(2, [("a", "i4")])),
        fits.CompImageHDU(np.zeros((4, 4), np.int16)),
    ],
)
def test_unusual_extensions_are_left_to_astropy(tmp_path, extension):
    path = written(tmp_path / "a.fits", extensions=[extension])
    with opened_headers(path, plain=True) as hdus:
        assert isinstance(hdus, fits.HDUList)


def test_wcs_is_that_of_astropy(tmp_path):
    cards = [f"CTYPE1  = '{'RA---TAN'}'", "CTYPE2  = 'DEC--TAN'", "CRVAL1  = 10.5", "CRVAL2  = -3", "CRPIX1  = 2"]
    path = written(tmp_path / "a.fits", *cards, "CRPIX2  = 1", "CDELT1  = -1E-4", "CDELT2  = 1E-4")
    with opened_headers(path) as hdus:
        expected = describe_hdus(hdus, path).wcs[0]
    found = describe_file(path).wcs[0]
    assert found.to_header_string() == expected.to_header_string()
    assert found.pixel_shape == expected.pixel_shape == (4, 3)


@pytest.mark.parametrize("size", [-3000, 1000])
def test_file_that_ends_early_is_refused_alike(tmp_path, size):
    path = written(tmp_path / "a.fits", image=np.zeros((90, 90), np.float32))
    path.write_bytes(path.read_bytes()[:size])
    messages = []
    for plain in (True, False):
        with pytest.raises(FitsError) as raised, opened_headers(path, plain=plain):
            pass
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
