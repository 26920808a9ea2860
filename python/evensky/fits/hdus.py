"""One HDU of a FITS file as its header describes it: name, shape, and whether it is an image, a mask or errors."""

from __future__ import annotations

__all__ = [
    "NamedHeader",
    "Plane",
    "listed",
    "mask_cards",
    "named_headers",
    "names_of",
    "planes_of",
    "text_of",
    "value_of",
    "word_of",
]

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .descriptions import Sense
from .layouts import KINDS, Kind

# Words that may follow the one that says what an HDU holds, as in "ERROR MAP".
_FILLERS = ("IMAGE", "MAP", "ARRAY", "PLANE", "EXT", "EXTENSION")
_UTYPES: Mapping[str, Sense] = {"std": "sigma", "var": "variance", "inv": "inverse variance"}
_HDUCLAS3: Mapping[str, Sense] = {
    "MSE": "variance",
    "VARIANCE": "variance",
    "RMSE": "sigma",
    "INVMSE": "inverse variance",
}


# Names that a message lists; a file may have thousands.
_MOST_LISTED = 40


def listed(names: Iterable[str]) -> str:
    """Return names separated by commas; of many, the first ones and the number of the others."""
    known = list(names)
    more = len(known) - _MOST_LISTED
    return ", ".join(known) if more <= 0 else f"{', '.join(known[:_MOST_LISTED])} and {more} more"


def value_of(header: Any, keyword: str, default: Any = None) -> Any:
    """Return the value of a card; the default if there is none, or if it cannot be parsed."""
    try:
        return header.get(keyword, default)
    except MemoryError:  # no property of the card
        raise
    except Exception:  # a malformed card, for which astropy raises many kinds of exceptions
        return default


def text_of(header: Any, keyword: str) -> str:
    value = value_of(header, keyword)
    return value.strip() if isinstance(value, str) else ""


@dataclass(frozen=True)
class Plane:
    """One image HDU as its header describes it.

    Attributes
    ----------
    index : int
    label : str
        EXTNAME; "" if there is none.
    version : int
        EXTVER.
    name : str
        Name for messages.
    shape : tuple of int
        Without axes of length 1.
    kind : Kind or None
        None if neither cards nor EXTNAME tell.
    word : str
        The word of EXTNAME, or EXTTYPE, that tells it; "" if none does.
    stem : str
        The rest of EXTNAME, which images and planes that belong together share.
    header : astropy.io.fits.Header
    """

    index: int
    label: str
    version: int
    name: str
    shape: tuple[int, ...]
    kind: Kind | None
    word: str
    stem: str
    header: Any

    @property
    def key(self) -> tuple[str, int]:
        """What images and planes that belong together share."""
        return self.stem, self.version

    @property
    def two_axes(self) -> bool:
        """Whether it is a two-dimensional image with pixels."""
        return len(self.shape) == 2 and 0 not in self.shape


def _shape_of(hdu: Any) -> tuple[int, ...]:
    shape = tuple(int(size) for size in hdu.shape or ())
    short = tuple(size for size in shape if size != 1)
    # Images of one row or one column keep their two axes.
    return short if len(short) >= 2 or 0 in shape else shape[len(shape) - min(2, len(shape)) :]


def label_of(hdu: Any) -> str:
    label = text_of(hdu.header, "EXTNAME")
    if label in ("", "COMPRESSED_IMAGE", "PRIMARY"):
        return text_of(hdu.header, "EXTTYPE")
    return label


def version_of(hdu: Any) -> int:
    version = value_of(hdu.header, "EXTVER", 1)
    return version if type(version) is int else 1


def names_of(hdus: Any) -> list[str]:
    """Return the names of HDUs for messages: EXTNAME, with EXTVER where a name occurs more than once, or the number."""
    labels = [label_of(hdu) for hdu in hdus]
    full = [(label, version_of(hdu)) for label, hdu in zip(labels, hdus, strict=True)]
    times, full_times = Counter(labels), Counter(full)
    names = []
    for index, (label, version) in enumerate(full):
        if not label or full_times[label, version] > 1:
            names.append(str(index))
        else:
            names.append(label if times[label] == 1 else f"{label},{version}")
    return names


def word_of(label: str) -> tuple[str, str]:
    """Return the word of an EXTNAME that tells what the HDU holds, and the rest; the word is "" if none does."""
    upper = label.upper()
    if upper in KINDS:
        return upper, ""
    parts = re.findall(r"[A-Z]+|[0-9]+|[^A-Z0-9]+", upper)
    words = [place for place, part in enumerate(parts) if part.isalpha()]
    for back, place in enumerate(reversed(words)):
        # A word ends where a letter or digit does not follow it, apart from a number at the end as in SCI1.
        before = place > 0 and parts[place - 1].isdigit()
        if parts[place] in KINDS and not before:
            return parts[place], "".join(parts[:place] + parts[place + 1 :]).strip(" ._-")
        if parts[place] not in _FILLERS or back > 0:
            break
    return "", upper


def _kind_by_cards(header: Any) -> Kind | None:
    """Return what the own cards of an HDU say about it, apart from EXTTYPE."""
    utype = text_of(header, "UTYPE").lower()
    for start, sense in _UTYPES.items():
        if utype.startswith(start):
            return sense
    if text_of(header, "HDUCLAS1").upper() == "IMAGE":
        third = text_of(header, "HDUCLAS3").upper()
        match text_of(header, "HDUCLAS2").upper():
            case "DATA":
                return "science"
            case "ERROR":
                return _HDUCLAS3.get(third, "variance" if not third else "other")
            case "QUALITY":
                return "mask"
            case "WEIGHT":
                return "weight"
    if mask_cards(header, "MP_") or mask_cards(header, "MSKN"):
        return "mask"
    return None


def mask_cards(header: Any, start: str) -> list[str]:
    """Return the cards that name mask planes, those of LSST's stack (MP_) or of lsst.images (MSKN)."""
    pattern = re.compile(r"MP_.+" if start == "MP_" else rf"{start}\d+")
    return [card for card in header if card.startswith(start) and pattern.fullmatch(card)]


def planes_of(hdus: Any) -> list[Plane]:
    names = names_of(hdus)
    planes = []
    for index, hdu in enumerate(hdus):
        if not getattr(hdu, "is_image", False) or not (hdu.shape or text_of(hdu.header, "EXTTYPE")):
            continue
        label, exttype = label_of(hdu), text_of(hdu.header, "EXTTYPE").upper()
        word, stem = word_of(label)
        kind: Kind | None = KINDS.get(word)
        if exttype in KINDS:
            word, stem, kind = exttype, "", KINDS[exttype]
        elif (told := _kind_by_cards(hdu.header)) is not None:
            # Cards that call a plane an error do not tell the sense better than its own name does.
            kind = told
        planes.append(Plane(index, label, version_of(hdu), names[index], _shape_of(hdu), kind, word, stem, hdu.header))
    return planes


@dataclass(frozen=True)
class NamedHeader:
    """An HDU, perhaps of a closed file: what is needed to find it by its name."""

    label: str
    version: int
    header: Any


def named_headers(hdus: Any) -> list[NamedHeader]:
    return [NamedHeader(label_of(hdu), version_of(hdu), hdu.header) for hdu in hdus]
