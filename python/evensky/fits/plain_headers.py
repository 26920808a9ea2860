"""Headers of files that hold only plain images, whose cards are read without astropy, which takes several times longer.

What is unusual is left to astropy: tables, compressed images, cards that astropy may read in another way.
"""

from __future__ import annotations

__all__ = [
    "PlainHDU",
    "PlainHeader",
    "StoredHeader",
    "plain_hdus",
    "plain_type",
    "quiet_reading",
    "stored_type",
    "whole_header",
    "with_other_sign",
]

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from .cards import BLOCK
from .conversions import Storage, storage_of
from .quiet import quiet

_VALUE = re.compile(
    rb"([A-Z0-9_-]{1,8}) *(?<=.{8})= +(?:([+-]?\d+)|([+-]?(?:\d+\.\d*|\.\d+)(?:[ED][+-]?\d+)?|[+-]?\d+[ED][+-]?\d+)|"
    rb"([TF])|'((?:[ -&(-~]|'')*)') *(?:/[ -~]*)?"
)
_COMMENT = re.compile(rb"(?:COMMENT |HISTORY |        )[ -~]{72}")
# The number of a mask plane with a long name.
_PLANE = re.compile(rb"HIERARCH (MP_[A-Z0-9_]+) *= *(\d+) *(?:/[ -~]*)?")
# Values such as 'AXIS.1: 2', which astropy takes apart, and WCS that other HDUs belong to.
_RECORD = re.compile(rb"\s*[A-Za-z_][\w.]*:\s*[-+.\d]")
_LOOKUP = re.compile(rb"(?:(?:DP|DQ|D2IM|C[PQ]DIS|D2IMDIS|C[PQ]ERR|D2IMERR)\d|AXISCORR)")


# BZERO of whole numbers without a sign, and of bytes with one, which astropy returns as such.
_OTHER_SIGN = {8: -128.0, 16: 2.0**15, 32: 2.0**31, 64: 2.0**63}


@dataclass(frozen=True)
class StoredHeader:
    """A header as it stands in a file.

    Attributes
    ----------
    cards : list of bytes
        After mending, without END.
    notes : tuple of str
        What was mended.
    start : int
        Position of the data.
    size : int
        Number of bytes of the data, without padding.
    changed : bool
        Whether cards were mended.
    """

    cards: list[bytes]
    notes: tuple[str, ...]
    start: int
    size: int
    changed: bool


class PlainHeader(Mapping[str, Any]):
    """The values of the cards of a header by keyword, as astropy reads them, apart from comments and history.

    Parameters
    ----------
    cards : sequence of bytes
    values : dict of str to value
    """

    def __init__(self, cards: Sequence[bytes], values: dict[str, Any]) -> None:
        self._cards, self._values = cards, values

    def __getitem__(self, keyword: str) -> Any:
        return self._values[keyword]

    def get(self, keyword: str, default: Any = None) -> Any:
        return self._values.get(keyword, default)

    def __contains__(self, keyword: object) -> bool:
        return keyword in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def joined(self) -> bytes:
        """The cards as they stand in the file, without END."""
        return b"".join(self._cards)

    @cached_property
    def whole(self) -> Any:
        """The header as astropy has it."""
        from astropy.io import fits

        return fits.Header.fromstring(self.joined)

    @property
    def cards(self) -> Any:
        """The cards as astropy has them."""
        return self.whole.cards


def whole_header(header: Any) -> Any:
    """Return a header as astropy has it."""
    return header.whole if isinstance(header, PlainHeader) else header


def quiet_reading(header: Any) -> AbstractContextManager[None]:
    """Suppress astropy's warnings about a header while its cards are read; nothing is to be done for a plain one."""
    return nullcontext() if isinstance(header, PlainHeader) else quiet()


@dataclass(frozen=True, eq=False)
class PlainHDU:
    """An image HDU of an open file, with those attributes of an HDU of astropy by which its pixels are described.

    Attributes
    ----------
    header : PlainHeader
    shape : tuple of int
    size : int
        Number of bytes of the data, without padding.
    start : int
        Position of the data.
    """

    header: PlainHeader
    shape: tuple[int, ...]
    size: int
    start: int

    is_image = True

    @cached_property
    def storage(self) -> Storage:
        """Storage of the pixels."""
        return storage_of(self)

    @cached_property
    def dtype(self) -> np.dtype[Any] | None:
        """Type of the pixels in native byte order; None if they are scaled, or some are BLANK."""
        return plain_type(self.storage)

    @property
    def name(self) -> str:
        """EXTNAME."""
        return str(self.header.get("EXTNAME", ""))

    def fileinfo(self) -> dict[str, int]:
        """Return where the data are."""
        return {"datLoc": self.start, "datSpan": self.size + -self.size % BLOCK}


def plain_type(storage: Storage) -> np.dtype[Any] | None:
    """Return the type of pixels that need no scaling; None if astropy scales them, or replaces BLANK."""
    bits, scale, zero = storage.bitpix, storage.scale, storage.zero
    if scale != 1:
        return None
    if bits < 0:
        return np.dtype(f"f{-bits // 8}") if zero == 0 else None
    if zero == _OTHER_SIGN[bits] and not (bits == 8 and storage.blank is not None):
        return np.dtype(f"{'i' if bits == 8 else 'u'}{bits // 8}")
    if zero != 0 or storage.blank is not None:
        return None
    return np.dtype("u1" if bits == 8 else f"i{bits // 8}")


def stored_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which a file stores pixels that have a type of `plain_type`."""
    size = dtype.itemsize
    return np.dtype(f">{'f' if dtype.kind == 'f' else 'u' if size == 1 else 'i'}{size}")


def with_other_sign(stored: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return pixels that are stored with the other sign: their first bit differs.

    Parameters
    ----------
    stored : ndarray
        Of the type `stored_type`.
    dtype : numpy dtype
        Type of the pixels.
    """
    bits = stored.view(stored.dtype.str.replace("i", "u")).astype(f"u{dtype.itemsize}")
    bits ^= np.array(1 << (8 * dtype.itemsize - 1), bits.dtype)
    signed: np.ndarray = bits.view(dtype)
    return signed


def plain_hdus(headers: Sequence[StoredHeader]) -> list[PlainHDU] | None:
    """Return the HDUs of a file; None if one of them is to be read by astropy."""
    hdus = []
    for number, header in enumerate(headers):
        values = None if header.changed or header.notes else _values_of(header.cards)
        if values is None or not _is_plain(header.cards[0], values, first=number == 0):
            return None
        sizes = [values.get(f"NAXIS{axis}") for axis in range(values["NAXIS"], 0, -1)]
        shape = tuple(size for size in sizes if type(size) is int)
        if len(shape) < len(sizes):
            return None
        hdus.append(PlainHDU(PlainHeader(header.cards, values), shape, header.size, header.start))
    return hdus


def _is_plain(card: bytes, values: Mapping[str, Any], *, first: bool) -> bool:
    """Return whether an HDU is the primary one or an extension that is an image, in the usual form."""
    if first:
        kind = card.startswith(b"SIMPLE  =") and values.get("SIMPLE") is True
    else:
        kind = card.startswith(b"XTENSION=") and values.get("XTENSION") == "IMAGE"
    sizes = values.get("PCOUNT", 0), values.get("GCOUNT", 1)
    usual = type(values.get("NAXIS")) is int and type(values.get("BITPIX")) is int and sizes == (0, 1)
    return kind and usual and "GROUPS" not in values and "ZIMAGE" not in values


def _values_of(cards: Sequence[bytes]) -> dict[str, Any] | None:
    """Return the values of cards by keyword; None if astropy may read one in another way."""
    values: dict[str, Any] = {}
    for card in cards:
        found = _value_of(card)
        if found is None:
            return None
        keyword, value = found
        if not keyword:
            continue
        if keyword in values:
            return None
        values[keyword] = value
    return values


@lru_cache(maxsize=8192)  # the files of a set have most of their cards in common
def _value_of(card: bytes) -> tuple[str, Any] | None:
    """Return the keyword and value of a card, "" for a comment; None if astropy may read it in another way."""
    found = _VALUE.fullmatch(card)
    if found is None:
        if _COMMENT.fullmatch(card):
            return "", None
        if not card.startswith(b"HIERARCH "):
            return None
        if plane := _PLANE.fullmatch(card):
            return plane[1].decode("ascii"), int(plane[2])
        return _parsed(card)
    if _LOOKUP.match(card):
        return None
    name, whole, real, logical, text = found.groups()
    keyword = name.decode("ascii")
    if whole is not None:
        return keyword, int(whole)
    if real is not None:
        return keyword, float(real.replace(b"D", b"E"))
    if logical is not None:
        return keyword, logical == b"T"
    if _RECORD.match(text) or text.rstrip().endswith((b"&", b"-TAB", b"-tab")):
        return None
    return keyword, text.decode("ascii").replace("''", "'").rstrip()


def _parsed(card: bytes) -> tuple[str, Any] | None:
    """Have astropy parse a card, such as that of a mask plane, which all files of a set have; None if it cannot."""
    from astropy.io import fits

    try:
        with quiet():
            parsed = fits.Card.fromstring(card)
            keyword, value = parsed.keyword, parsed.value
    except MemoryError:  # no property of the card
        raise
    except Exception:  # astropy raises many kinds of exceptions on such cards
        return None
    return (keyword, value) if isinstance(value, bool | int | float | str) and keyword == keyword.upper() else None
