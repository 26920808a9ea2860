"""Headers as they stand in a file: cards of 80 bytes, which are copied and not parsed."""

from __future__ import annotations

__all__ = [
    "BLOCK",
    "cards_of_block",
    "data_size",
    "header_bytes",
    "keyword_of",
    "new_cards",
    "primary_header",
    "read_cards",
    "whole_number",
    "with_value",
]

import math
import re
from collections.abc import Sequence
from typing import Any, BinaryIO

BLOCK = 2880
_CARD = 80
_USUAL = re.compile(r"(?!END$|CONTINUE$|SIMPLE$|XTENSION$)[A-Z][A-Z0-9_-]{0,7}")
_NUMBER = re.compile(rb" *([+-]?\d+) *(?:/|$)")


def cards_of_block(block: bytes) -> tuple[list[bytes], bool]:
    """Return the cards of a block of a header, up to END, and whether END is in it."""
    cards: list[bytes] = []
    for start in range(0, len(block), _CARD):
        card = block[start : start + _CARD]
        if card.startswith(b"END") and (card.startswith(b"END     ") or card.rstrip() == b"END"):
            return cards, True
        cards.append(card)
    return cards, False


def read_cards(file: BinaryIO) -> tuple[list[bytes], int] | None:
    """Read the header that begins at the position of a file.

    Parameters
    ----------
    file : binary file
        It is left at the first byte of the data.

    Returns
    -------
    (cards, size) or None
        Cards without END, and number of bytes that the header takes; None if no HDU begins here.
    """
    cards: list[bytes] = []
    size = 0
    while len(block := file.read(BLOCK)) == BLOCK:
        if size == 0 and not block.startswith((b"SIMPLE", b"XTENSION")):
            return None
        size += BLOCK
        more, ended = cards_of_block(block)
        cards += more
        if ended:
            return cards, size
    return None


def header_bytes(cards: Sequence[bytes]) -> bytes:
    """Return the bytes of a header: its cards, END, and spaces up to a whole number of blocks."""
    text = b"".join([*cards, b"END".ljust(_CARD)])
    return text + b" " * (-len(text) % BLOCK)


def primary_header(size: int = 0) -> bytes:
    """Return the header of a primary HDU that has no data, or `size` bytes of them."""
    axes = {"NAXIS": 1, "NAXIS1": size} if size else {"NAXIS": 0}
    values = {"SIMPLE": "T", "BITPIX": 8, **axes}
    return header_bytes([f"{keyword:8}= {value:>20}".ljust(_CARD).encode("ascii") for keyword, value in values.items()])


def keyword_of(card: bytes) -> str:
    """Return the keyword of a card; for a HIERARCH card, its long keyword."""
    if card.startswith(b"HIERARCH ") and b"=" in card:
        return " ".join(card[9 : card.index(b"=")].decode("latin-1").upper().split())
    return card[:8].decode("latin-1").rstrip()


def whole_number(cards: Sequence[bytes], keyword: str, default: int | None = None) -> int:
    """Return the value of the first card with a keyword.

    Raises
    ------
    ValueError
        If there is no such card and no default, or its value is not a whole number.
    """
    start = keyword.encode("ascii").ljust(8) + b"="
    for card in cards:
        if card.startswith(start):
            if found := _NUMBER.match(card[9:]):
                return int(found[1])
            raise ValueError(f"{card.decode('latin-1').rstrip()}: a whole number is needed")
    if default is None:
        raise ValueError(f"the header has no {keyword} card")
    return default


def data_size(cards: Sequence[bytes]) -> int:
    """Return the number of bytes of the data of an HDU, without padding."""
    axes = [whole_number(cards, f"NAXIS{n}") for n in range(1, whole_number(cards, "NAXIS") + 1)]
    if not axes:
        return 0
    groups = axes[0] == 0 and any(re.match(rb"GROUPS  = +T\b", card) for card in cards)
    pixels = math.prod(axes[1:] if groups else axes)
    parameters = whole_number(cards, "PCOUNT", 0)
    return abs(whole_number(cards, "BITPIX")) // 8 * whole_number(cards, "GCOUNT", 1) * (parameters + pixels)


def with_value(card: bytes, value: int | str) -> bytes:
    """Return a card with another value; its keyword and comment stay as they are."""
    text = f"{value:>20}" if isinstance(value, int) else f"'{value:<8}'".ljust(20)
    # A quoted string may hold slashes.
    found = re.match(rb" *(?:'(?:[^']|'')*'|[^/]*?) *(/.*)?$", card[9:])
    comment = found[1] if found is not None and found[1] is not None else b""
    start = card[:8] + b"= " + text.encode("ascii")
    if comment and card[len(start) :].lstrip() == comment:
        return start + card[len(start) :]  # The comment does not even move.
    return (start + b" " + comment.rstrip()).ljust(_CARD)[:_CARD]


def _ascii(value: str) -> str:
    if value.isascii() and value.isprintable():
        return value
    return "".join(letter if " " <= letter <= "~" else "?" for letter in value)


def _usual_card(keyword: str, value: Any, comment: str) -> bytes | None:
    """Make a card as astropy does, in a tenth of the time; None for what astropy writes in a form of its own."""
    if not _USUAL.fullmatch(keyword) or comment != comment.strip():
        return None
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif type(value) is int or type(value) is float:
        text = f"{str(value).replace('e', 'E'):>20}"
        if len(text) > 20:
            return None
    elif type(value) is str and value and value == value.rstrip() and ":" not in value and "&" not in value:
        quoted = value.replace("'", "''")
        text = f"'{quoted:8}'".ljust(20)
    else:
        return None
    card = f"{keyword:8}= {text}" + (f" / {comment}" if comment else "")
    return card.ljust(_CARD).encode("ascii") if len(card) <= _CARD else None


def new_cards(keyword: str, value: Any, comment: str | None = None) -> list[bytes]:
    """Make a card, which is more than one if the value is a long string.

    Parameters
    ----------
    keyword : str
        HISTORY and COMMENT are divided into as many cards as they need.
    value : str, number, bool or None
        NaN and infinity, which FITS does not allow, and None give a card without a value; letters that FITS does not
        allow become question marks.
    comment : str, optional
        Comment of the card.
    """
    if keyword in ("HISTORY", "COMMENT"):
        text = _ascii(str(value))
        parts = [text[at : at + 72] for at in range(0, max(len(text), 1), 72)]
        return [f"{keyword:8}{part:72}".encode("ascii") for part in parts]
    if isinstance(value, str):
        value = _ascii(value)
    elif value is not None and not isinstance(value, bool) and not math.isfinite(value):
        value = None
    if (card := _usual_card(keyword, value, "" if comment is None else _ascii(comment))) is not None:
        return [card]
    from astropy.io import fits

    name = keyword if len(keyword) <= 8 else f"HIERARCH {keyword}"
    text = str(fits.Card(name, value, None if comment is None else _ascii(comment)))
    return [text[at : at + _CARD].encode("ascii") for at in range(0, len(text), _CARD)]
