"""Headers of FITS files: cards that are kept, pixel origins and WCS."""

from __future__ import annotations

__all__ = ["kept_cards", "merged_header", "origin_of", "wcs_cards", "wcs_of", "without_wcs"]

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FitsError
from .opening import quiet

# Cards that describe how pixels are stored, or that `evensky.fits.writing` writes itself.
_STRUCTURE = re.compile(
    r"^(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|BLANK|END|EXTTYPE|EXTNAME|EXTVER|"
    r"INHERIT|CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM|LTV[12]|AR_HDU|MP_.*|MSK[NMD]\d+|(CRPIX|CRVAL|CTYPE|CUNIT)[12]A|WCSNAMEA|)$"
)
# Cards of the WCS, which go with the pixels.
_WCS = re.compile(
    r"^(WCSAXES|WCSNAME|RADE(SYS|CSYS)|EQUINOX|LONPOLE|LATPOLE|MJDREF|"
    r"(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA)[12]|(CD|PC)[12]_[12]|P[VS][12]_\d+|(A|B|AP|BP)_(ORDER|DMAX|\d+_\d+))$"
)


def _text_of(card: Any) -> str:
    """Return the text of a card as it stands in the file; characters that FITS does not allow become spaces."""
    try:
        text = str(card.image)
    except ValueError:  # a character that FITS does not allow
        text = f"{card.keyword} held characters that FITS does not allow"
    return "".join(letter if " " <= letter <= "~" else " " for letter in text)


def merged_header(hdus: Any, hdu: Any) -> Any:
    """Merge the primary header and that of the image; cards that describe storage are left out."""
    from astropy.io import fits

    sources = [hdus[0].header] if hdu is hdus[0] else [hdus[0].header, hdu.header]
    archived = any("AR_HDU" in source for source in sources)
    merged = fits.Header()
    for source in sources:
        for card in source.cards:
            keyword = card.keyword
            text = _text_of(card)
            if keyword in ("COMMENT", "HISTORY"):
                # Comments that explain FITS are left out, as astropy adds them to every file that it makes.
                if not any(words in str(card.value) for words in ("FITS (Flexible Image", "and Astrophysics', volume")):
                    merged.append(fits.Card.fromstring(text), end=True)
                continue
            if _STRUCTURE.match(keyword) or (archived and keyword.endswith("_ID")):
                continue
            try:
                # Made from its text, so that numbers keep all digits with which they were written.
                clean = fits.Card.fromstring(text)
                clean.verify("silentfix")
                str(clean), clean.value
            except Exception:  # a card that FITS does not allow; astropy raises many kinds of exceptions
                merged.append(fits.Card("COMMENT", " ".join(text.split())), end=True)
                continue
            merged.remove(keyword, ignore_missing=True, remove_all=True)
            merged.append(clean, end=True)
    return merged


# Farthest pixel origin for which the corners of boxes are numbers of 32 bits.
_FARTHEST_ORIGIN = 2**30


def origin_of(header: Any, path: str | Path) -> tuple[int, int]:
    """Return the pixel origin that a header gives; (0, 0) if it gives none.

    Raises
    ------
    evensky.errors.FitsError
        If the cards are not numbers, or lie farther out than boxes of pixels can.
    """
    try:
        x0, y0 = _origin_in(header)
        if max(abs(x0), abs(y0)) <= _FARTHEST_ORIGIN:
            return x0, y0
    except (TypeError, ValueError, OverflowError):  # the cards hold text, nothing, or infinity
        pass
    names = ("LTV1", "LTV2") if "LTV1" in header and "LTV2" in header else ("CRVAL1A", "CRVAL2A", "CRPIX1A", "CRPIX2A")
    cards = ", ".join(f"{name} = {header[name]!r}" for name in names if name in header)
    raise FitsError(f"{path}: {cards}: a pixel origin must be two numbers within {_FARTHEST_ORIGIN} pixels of 0")


def _origin_in(header: Any) -> tuple[int, int]:
    if "LTV1" in header and "LTV2" in header:
        return round(-float(header["LTV1"])), round(-float(header["LTV2"]))
    if "CRVAL1A" in header and "CRVAL2A" in header:
        crpix = [float(header.get(f"CRPIX{axis}A", 1.0)) for axis in (1, 2)]
        return round(float(header["CRVAL1A"]) - crpix[0] + 1), round(float(header["CRVAL2A"]) - crpix[1] + 1)
    return 0, 0


def wcs_of(header: Any) -> Any:
    """Return the `astropy.wcs.WCS` of a header; None if there is none or it is broken."""
    if "CTYPE1" not in header or not str(header["CTYPE1"]).strip():
        return None
    from astropy.wcs import WCS

    with quiet():
        try:
            return WCS(header)
        except Exception:  # a broken WCS does not make the pixels unusable
            return None


def kept_cards(header: Any) -> list[Any]:
    """Return the cards of a header that do not describe storage; [] for None."""
    return [] if header is None else [card for card in header.cards if not _STRUCTURE.match(card.keyword)]


def without_wcs(cards: Iterable[Any]) -> list[Any]:
    """Return the cards that do not belong to a WCS."""
    return [card for card in cards if not _WCS.match(card.keyword)]


def wcs_cards(header: Any, wcs: Any) -> list[Any]:
    """Return the cards of a WCS: those of the header if they still describe it, otherwise new ones.

    Parameters
    ----------
    header : astropy.io.fits.Header or None
        The header that was read.
    wcs : astropy.wcs.WCS or None
        None if the cards of the header are kept as they are.
    """
    from astropy.io import fits

    kept = [] if header is None else [card for card in header.cards if _WCS.match(card.keyword)]
    if wcs is None:
        return kept
    own = fits.Header(kept)
    try:
        unchanged = "CRPIX1" in own and all(
            np.isclose(own.get(f"CRPIX{axis}", 0.0), wcs.wcs.crpix[axis - 1], rtol=0, atol=1e-9)
            and np.isclose(own.get(f"CRVAL{axis}", 0.0), wcs.wcs.crval[axis - 1], rtol=0, atol=1e-12)
            for axis in (1, 2)
        )
        return kept if unchanged else list(wcs.to_header(relax=True).cards)
    except Exception:  # a WCS that cannot be written is kept as it was read
        return kept
