"""Headers of FITS files: cards that are kept, pixel origins and WCS."""

from __future__ import annotations

__all__ = ["kept_cards", "merged_header", "origin_of", "wcs_cards", "wcs_of", "without_wcs"]

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FitsError
from .opening import quiet
from .wcs_limits import made_wcs

# Cards that describe how pixels are stored, or that `evensky.fits.writing` writes itself.
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|BLANK|END|EXTTYPE|EXTNAME|EXTVER|"
    r"INHERIT|CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM|LTV[12]|AR_HDU|MP_.*|MSK[NMD]\d+|"
)
# The pixel origin, if the alternate WCS A is one.
_ORIGIN = re.compile(r"(CRPIX|CRVAL|CTYPE|CUNIT)[12]A|WCSNAMEA")
# Cards that go with the pixels into each plane. They are recognised by their names alone, and are not parsed.
_WCS = re.compile(
    r"(WCSAXES|WCSNAME|RADESYS|EQUINOX|LONPOLE|LATPOLE|(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CNAME|CRDER|CSYER)\d|"
    r"(CD|PC)\d_\d|P[VS]\d_\d+)[A-Z]?|"
    r"RADECSYS|EPOCH|MJDREF|(CD|PC)(\d{6}|\d\d_\d\d)|PROJP\d+|WAT\d_\d+|WAXMAP\d+|(A|B|AP|BP)_(ORDER|DMAX|\d+_\d+)|"
    r"AMD[XY]\d+|PPO\d|PLTRA[HMS]|PLTDEC(SN|[DMS])|PLTSCALE|[XY]PIXELSZ|CNPIX[12]|"  # digitised plates
    r"(CPDIS|CQDIS|D2IMDIS|CPERR|CQERR|D2IMERR)\d|(DP|DQ|D2IM)\d(\..*)?|AXISCORR"  # lookup tables
)
# A card in the fixed format of FITS, with a logical value, a number, or a text without quotes in it.
_FIXED = re.compile(
    r"(?=.{80}$)(?!COMMENT|CONTINUE|HISTORY)(?=[A-Z][A-Z0-9_-]* *=).{8}= "
    r"(?:(?=.{19}[^ /](?: |$)) *(?:[TF]|[+-]?\d+(?:\.\d+)?(?:E[+-]?\d{1,2})?)|'[^'&]{8,}') *(?:/ [ -~]*)?"
)
# Comments that explain FITS; astropy adds them to every file that it makes.
_EXPLANATIONS = ("FITS (Flexible Image", "and Astrophysics', volume")


def _origin_is_alternate(header: Any) -> bool:
    """Return whether the alternate WCS A holds the pixel origin, as in LSST's files, rather than the sky."""
    return all(str(header.get(f"CTYPE{n}A", "")).strip().upper() in ("", "LINEAR", "PIXEL") for n in (1, 2))


def _has_wcs(header: Any) -> bool:
    return bool(str(header.get("CTYPE1", "")).strip()) or "AMDX1" in header


def merged_header(hdus: Any, hdu: Any) -> Any:
    """Merge the primary header and that of the image; cards that describe storage are left out.

    A keyword of the image takes precedence. If the image has a WCS, no card of a WCS is taken from the primary header,
    as astropy does not. The cards are not parsed.
    """
    from astropy.io import fits

    own = [(card.keyword, card) for card in hdu.header.cards]
    cards = own
    archived = "AR_HDU" in hdu.header
    if hdu is not hdus[0]:
        primary = hdus[0].header
        archived = archived or "AR_HDU" in primary
        taken = {keyword for keyword, _ in own} - {"COMMENT", "HISTORY"}
        has_wcs = _has_wcs(hdu.header)
        inherited = [(card.keyword, card) for card in primary.cards]
        cards = [
            (keyword, card)
            for keyword, card in inherited
            if keyword not in taken and not (has_wcs and _WCS.fullmatch(keyword))
        ] + own
    origin = _origin_is_alternate(hdu.header)
    return fits.Header(
        [
            card
            for keyword, card in cards
            if not _STRUCTURE.fullmatch(keyword)
            and not (origin and _ORIGIN.fullmatch(keyword))
            and not (archived and keyword.endswith("_ID"))
            and not (keyword == "COMMENT" and any(words in str(card.value) for words in _EXPLANATIONS))
        ]
    )


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
    if "CRVAL1A" in header and "CRVAL2A" in header and _origin_is_alternate(header):
        crpix = [float(header.get(f"CRPIX{axis}A", 1.0)) for axis in (1, 2)]
        return round(float(header["CRVAL1A"]) - crpix[0] + 1), round(float(header["CRVAL2A"]) - crpix[1] + 1)
    return 0, 0


def wcs_of(header: Any, hdus: Any = None) -> Any:
    """Return the `astropy.wcs.WCS` of a header; None if there is none or it is broken.

    Parameters
    ----------
    header : astropy.io.fits.Header
    hdus : astropy.io.fits.HDUList, optional
        The file of the header, in which the lookup tables of distortions are.
    """
    if not _has_wcs(header):
        return None
    with quiet():
        try:
            return made_wcs(header, hdus)
        except FitsError:  # a broken WCS does not make the pixels unusable
            return None


def _text_of(card: Any) -> str:
    """Return the text of a card as it stands in the file; characters that FITS does not allow become spaces."""
    try:
        text = str(card.image)
    except ValueError:  # a character that FITS does not allow
        text = f"{card.keyword} held characters that FITS does not allow"
    return "".join(letter if " " <= letter <= "~" else " " for letter in text)


def _writable(card: Any) -> Any:
    """Return a card as it stands, or repaired; as a comment with its text if FITS does not allow it at all."""
    from astropy.io import fits

    text = _text_of(card)
    try:
        clean = fits.Card.fromstring(text)
        if _FIXED.fullmatch(text):  # astropy takes longer to find nothing wrong
            return clean
        clean.verify("silentfix")
        str(clean), clean.value
    except MemoryError:  # no property of the card
        raise
    except Exception:  # astropy raises many kinds of exceptions for broken cards
        return fits.Card("COMMENT", " ".join(text.split()))
    return clean


def kept_cards(header: Any) -> list[Any]:
    """Return the cards of a header that do not describe storage, as they can be written; [] for None."""
    if header is None:
        return []
    origin = _origin_is_alternate(header)
    with quiet():
        return [
            _writable(card)
            for card in header.cards
            if not _STRUCTURE.fullmatch(card.keyword) and not (origin and _ORIGIN.fullmatch(card.keyword))
        ]


def without_wcs(cards: Iterable[Any]) -> list[Any]:
    """Return the cards that do not belong to a WCS."""
    return [card for card in cards if not _WCS.fullmatch(card.keyword)]


def wcs_cards(cards: Iterable[Any], wcs: Any) -> list[Any]:
    """Return the cards of a WCS: those of a header if they still describe it, otherwise new ones.

    If the WCS is that of the header on other pixels, as in a cut-out, its reference pixels are shifted.

    Parameters
    ----------
    cards : iterable of astropy.io.fits.Card
        All cards of the header, from `kept_cards`.
    wcs : astropy.wcs.WCS or None
        None if the cards of the header are kept as they are.
    """
    from astropy.io import fits

    kept = [card for card in cards if _WCS.fullmatch(card.keyword)]
    if wcs is None:
        return kept
    try:
        own = wcs_of(fits.Header(kept))
        if own is None or not _same_but_for_origin(own, wcs):
            return list(wcs.to_header(relax=True).cards)
        return _shifted(kept, [float(shift) for shift in wcs.wcs.crpix - own.wcs.crpix])
    except MemoryError:
        raise
    except Exception:  # a WCS that cannot be written is kept as it was read
        return kept


def _same_but_for_origin(one: Any, other: Any) -> bool:
    """Return whether two WCS differ in nothing but their reference pixels."""
    from astropy import wcs as fits_wcs

    if one.naxis != other.naxis or (one.sip is None) != (other.sip is None):
        return False
    if one.sip is not None:
        pairs = [(getattr(one.sip, name), getattr(other.sip, name)) for name in ("a", "b", "ap", "bp")]
        if not all((a is None and b is None) or np.array_equal(a, b) for a, b in pairs):
            return False
    if any(getattr(other, name) is not None for name in ("cpdis1", "cpdis2", "det2im1", "det2im2")):
        return False
    # Numbers lose their last digits when a WCS is sent to another process.
    ignored = fits_wcs.WCSCOMPARE_CRPIX | fits_wcs.WCSCOMPARE_ANCILLARY
    return bool(one.wcs.compare(other.wcs, ignored, tolerance=1e-13))


_REFERENCE = re.compile(r"(CRPIX|CNPIX)([12])([A-Z]?)")


def _shifted(cards: Sequence[Any], shifts: Sequence[float]) -> list[Any]:
    """Return cards with shifted reference pixels, of alternate WCS too; all others are the same objects."""
    from astropy.io import fits

    if not any(shifts):
        return list(cards)
    result = []
    present = {card.keyword for card in cards}
    for card in cards:
        keyword = card.keyword
        if found := _REFERENCE.fullmatch(keyword):
            # CNPIX is the place of the image on its plate, and grows when CRPIX decreases.
            shift = shifts[int(found[2]) - 1] * (1 if found[1] == "CRPIX" else -1)
            card = fits.Card(keyword, card.value + shift, card.comment)
        elif (found := re.fullmatch(r"CTYPE([12])([A-Z]?)", keyword)) and f"CRPIX{keyword[5:]}" not in present:
            result.append(fits.Card(f"CRPIX{keyword[5:]}", shifts[int(found[1]) - 1]))  # It is 0 by default.
        result.append(card)
    return result
