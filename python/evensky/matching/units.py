"""Physical units of exposures; pixels in different units are not compared."""

from __future__ import annotations

__all__ = [
    "astropy_unit",
    "check_unit",
    "comparable",
    "differ",
    "is_known",
    "is_per_pixel",
    "most_common_unit",
    "unit_of",
]

import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ..errors import TaskError
from ..fits.opening import quiet
from ..image import Exposure

# Spellings of units that astropy does not know, or that it reads as something else. Counts of a detector go by many
# names and are one unit. They are found without regard to case.
_WORDS = {
    word: unit
    for unit, words in {
        "adu": "adu adus dn dns du count counts cnt cnts ct cts",
        "electron": "electron electrons elec elecs el e photoelectron photoelectrons",
        "photon": "photon photons",
        "s": "s sec secs second seconds",
        "adu/s": "cps",
        "Jy": "jy jansky janskys janskies",
        "mJy": "mjy millijansky milijansky",
        "uJy": "ujy microjansky",
        "nJy": "njy nanojansky",
        "nmgy": "nmgy nmgys nanomaggy nanomaggie nanomaggies",
        "mgy": "mgy maggy maggie maggies",
        "erg": "erg ergs",
        "Angstrom": "angstrom angstroms angstroem ang angs",
        "Hz": "hz hertz",
        "sr": "sr ster sterad steradian steradians",
        "arcsec": "arcsec arcsecs arcsecond arcseconds",
        "micron": "micron microns um",
        "beam": "beam beams",
        "mag": "mag mags magnitude magnitudes",
        "cm": "cm",
        "W": "watt watts",
        "pixel": "pix pixs pixel pixels px",
    }.items()
    for word in words.split()
}
# Units for which the case of a letter is a factor, so that they are read as they are written if that is possible.
_PREFIXED = {"MJY": "MJy", "MJy": "MJy", "mJy": "mJy", "mgy": "mgy"}
# A word, but not the exponent of a number such as 1e-17, nor the rest of a name such as Unit2.
_WORD = re.compile(r"(?<![\w.])[A-Za-z]+")
_UNKNOWN = frozenset({"", "none", "null", "unknown", "undefined", "n/a", "na", "-", "--", "?"})


def unit_of(exposure: Exposure) -> str:
    """Return the unit of an exposure's pixels (BUNIT), or "" if it is unknown."""
    unit = exposure.info.value_of("BUNIT")
    return "" if unit is None else str(unit).strip()


def most_common_unit(units: Iterable[str]) -> str:
    """Return the most common known unit, the first of equally common ones, or "" if none is known."""
    found = Counter(unit for unit in units if unit).most_common(1)
    return found[0][0] if found else ""


def differ(one: str, other: str) -> bool:
    """Return whether two units are known to differ; an unknown unit is assumed to agree with any other.

    Case, plural and the many names of counts make no difference: "ADU", "counts" and "DN" are one unit. Units that
    differ by a factor, such as "Jy" and "mJy", differ.
    """
    if _same_text(one, other):
        return False
    units = [_parsed(text.strip()) for text in (one, other)]
    return None not in units and bool(units[0] != units[1])


def comparable(one: str, other: str) -> bool:
    """Return whether it is known that two units agree or differ; an unknown unit ("") is no reason for doubt."""
    if _same_text(one, other) or not {_plain(one), _plain(other)}.isdisjoint(_UNKNOWN):
        return True
    return all(_parsed(text.strip()) is not None for text in (one, other))


def check_unit(unit: str, reference: str) -> None:
    """Raise an error if an exposure is in another unit than the reference.

    Raises
    ------
    evensky.errors.TaskError
    """
    if differ(unit, reference):
        raise TaskError(f"is in {unit}, and the reference in {reference}; convert them to one unit first")


def is_known(unit: str) -> bool:
    """Return whether a text names a unit that can be compared with others."""
    return _parsed(unit.strip()) is not None


def is_per_pixel(unit: str) -> bool:
    """Return whether values in a unit grow with the area of a pixel, as counts do, and not surface brightness.

    A unit per solid angle (MJy/sr, nJy/arcsec2) or per beam is surface brightness. All other units, and an unknown one,
    are taken to be per pixel.
    """
    parsed = _parsed(unit.strip())
    if parsed is None:
        return True
    bases = parsed.decompose().bases
    return not any(base.physical_type in ("angle", "solid angle") or base.name == "beam" for base in bases)


def astropy_unit(unit: str) -> Any:
    """Return the unit of astropy that a text such as "ADU" or "counts" stands for; dimensionless if there is none."""
    from astropy.units import Unit

    try:
        return Unit(unit)
    except ValueError:  # no name that astropy knows
        found = _parsed(unit.strip())
        return Unit("") if found is None else found


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()


def _same_text(one: str, other: str) -> bool:
    if one.strip() == other.strip():
        return True
    # The case of letters is no matter in names that mean nothing to astropy.
    return _plain(one) == _plain(other) and _parsed(one.strip()) is None and _parsed(other.strip()) is None


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Any:
    """Return the unit that a text stands for, or None if it is not known."""
    if _plain(text) in _UNKNOWN:
        return None
    from astropy.units import Unit

    text = text.strip("'\"[] ").replace("\N{MINUS SIGN}", "-").replace("\N{MICRO SIGN}", "u").replace("^", "**")
    # "e-" is an electron, but "e-1" is one over electrons.
    normal = re.sub(r"(?<![\w.])[eE]-(?![\d(])", "electron", text)
    normal = _WORD.sub(_standard_word, normal)
    # Pixels are per pixel whether a unit says so or not.
    normal = re.sub(r"\s*/\s*pixel\b|\s*[.*]?\s*\bpixel\s*(\*\*)?\s*\(?-1\)?", "", normal)
    if "erg" in normal:
        normal = re.sub(r"(?<![\w.])A\b", "Angstrom", normal)  # flux densities have no ampere
    with quiet():
        for candidate in (normal, text):
            try:
                unit = Unit(candidate)
            except (ValueError, TypeError, OverflowError):  # no unit that astropy knows
                continue
            if math.isfinite(abs(unit.decompose().scale)):
                return unit
    return None


def _standard_word(match: re.Match[str]) -> str:
    word = match[0]
    return _PREFIXED.get(word) or _WORDS.get(word.casefold(), word)
