"""Mending of header cards that astropy cannot read, so that they do not make the pixels unreadable."""

from __future__ import annotations

__all__ = ["Patched", "mended_cards"]

import bisect
import io
import re
from functools import lru_cache
from typing import BinaryIO

from .budgets import MOST_ODD_CARDS
from .quiet import quiet

# Cards that need no closer look. Numbers are written as FITS allows, text ends with a quote.
_SOUND = re.compile(
    rb"(?:COMMENT |HISTORY |        )[ -~]{72}|HIERARCH MP_[A-Z0-9_]+ *= *\d+ *(?:/[ -~]*)?|"
    rb"[A-Z0-9_-]{1,8} *(?<=.{8})= +"
    rb"(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[ED][+-]?\d+)?|[TF]|'(?:[ -&(-~]|'')*')?(?: *| */[ -~]*)",
    re.DOTALL,
)
# Cards that say how pixels are stored: only the first of a keyword counts.
_STORAGE = re.compile(rb"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|BSCALE|BZERO|BLANK) *=")
_SCALE = re.compile(rb"(BSCALE|BZERO) *= *([^/]*?) *(?:/.*)?")
_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[EDed][+-]?\d+)?")
_NO_NUMBER = re.compile(rb"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
# Numbers of a pixel origin that are none: as text, they are refused, since an image at a wrong place is no better.
_ORIGIN = re.compile(rb"(LTV[12]|CR(?:VAL|PIX)[12]A) *= *([+-]?(?:nan|inf(?:inity)?)) *(?:/.*)?", re.IGNORECASE)
_ODD_BYTES = bytes(code if 32 <= code < 127 else ord("?") for code in range(256))
_SHOWN_CARDS = 3
_SHOWN_LETTERS = 30

# Cards that are left as they are, since a mask whose planes have lost a name would count other pixels.
_NAMES_OF_PLANES = re.compile(rb"(HIERARCH +)?(MP_|MSK[NMD]\d)")


@lru_cache(maxsize=4096)  # the files of a set have many cards in common
def _can_be_parsed(text: bytes) -> bool:
    """Return whether astropy can read a card, with its CONTINUE cards."""
    from astropy.io.fits import Card

    try:
        with quiet():
            card = Card.fromstring(text)
            card.keyword, card.value, card.comment, str(card)  # in this order, as str() repairs the card
    except MemoryError:  # no property of the card
        raise
    except Exception:  # astropy raises many kinds of exceptions on such cards
        return False
    return True


def _repaired(card: bytes) -> bytes | None:
    """Return a card with a keyword in capitals, and text with its last quote; None if it is no better for it."""
    text = card[:8].upper() + card[8:]
    if found := re.fullmatch(rb"(.{8}= +')([^']*?)( +/ .*)?", text.rstrip()):
        text = found[1] + found[2].rstrip() + b"'" + (found[3] or b"")
    return text.ljust(80) if len(text) <= 80 and _can_be_parsed(text.ljust(80)) else None


def _as_comment(card: bytes) -> bytes:
    return (b"COMMENT " + card.translate(_ODD_BYTES))[:80].ljust(80)


def _mended_storage(card: bytes, seen: set[bytes]) -> bytes:
    """Return a card that says how or where pixels are stored, changed if it prevents reading them."""
    if found := _ORIGIN.fullmatch(card.rstrip()):
        return b"%-8s= '%s'" % (found[1], found[2])
    found = _STORAGE.match(card)
    if found is None:
        return card
    keyword = found[1]
    if keyword in seen or (seen and keyword in (b"SIMPLE", b"XTENSION")):
        return _as_comment(card)
    seen.add(keyword)
    if keyword == b"SIMPLE" and not re.match(rb"SIMPLE  = +T *(/|$)", card):
        return b"SIMPLE  =                    T".ljust(80)
    if scale := _SCALE.fullmatch(card.rstrip()):
        text = scale[2].strip(b"' ")
        if _NO_NUMBER.fullmatch(text):
            return b"%-8s= '%s'" % (keyword, text)  # as text, which is refused where the pixels are needed
        if not _NUMBER.fullmatch(scale[2]):
            return _as_comment(card)
    return card


@lru_cache(maxsize=4096)
def _sound_keyword(card: bytes) -> bytes | None:
    """Return the keyword of a sound card that says how pixels are stored, b"" of another, None if it is to be mended.

    Cards of masks, of the telescope and of the layout are the same in all files of a set.
    """
    sound = _SOUND.fullmatch(card) and not card.startswith((b"CONTINUE", b"GROUPS"))
    if not sound or _mended_storage(card, set()) != card:
        return None
    found = _STORAGE.match(card)
    return b"" if found is None else found[1]


def _are_sound(cards: list[bytes]) -> bool:
    """Return whether no card needs a closer look, each for itself or beside the others."""
    seen: set[bytes] = set()
    for card in cards:
        keyword = _sound_keyword(card)
        if keyword is None or keyword in seen or (seen and keyword in (b"SIMPLE", b"XTENSION")):
            return False
        if keyword:
            seen.add(keyword)
    return True


def mended_cards(cards: list[bytes]) -> tuple[list[bytes], list[str]]:
    """Replace the cards of a header that astropy cannot read by others of the same length.

    Returns
    -------
    cards : list of bytes
        As many as there were, so that all positions in the file stay the same.
    notes : list of str
        What was replaced.
    """
    if _are_sound(cards):
        return cards, []
    mended: list[bytes] = []
    ignored: list[bytes] = []
    notes: list[str] = []
    seen: set[bytes] = set()
    # Random groups have a first axis of length 0.
    in_groups = any(re.match(rb"NAXIS1  = *0 *(/|$)", card) for card in cards)
    at = tried = 0
    while at < len(cards):
        behind = at + 1
        while behind < len(cards) and cards[behind].startswith(b"CONTINUE"):
            behind += 1
        card = cards[at]
        new = _mended_storage(card, seen).ljust(80)
        if not in_groups and re.match(rb"GROUPS  = *T", card):
            new = _as_comment(card)
        if new != card:
            if card.startswith(b"SIMPLE"):
                notes.append(f"{_shown(card)}: the file says that it does not conform to FITS; it is read nevertheless")
            elif not _NO_NUMBER.fullmatch(card.partition(b"=")[2].partition(b"/")[0].strip(b"' ")):
                ignored.append(card)
            card = new
        group = [card, *cards[at + 1 : behind]]
        if len(group) > 1 or not _SOUND.fullmatch(card):
            group = [one.translate(_ODD_BYTES).ljust(80) for one in group]
            tried += len(group)
            if tried > MOST_ODD_CARDS and not _NAMES_OF_PLANES.match(group[0]):
                ignored += group
                group = list(map(_as_comment, group))
            elif not _can_be_parsed(b"".join(group)):
                # A CONTINUE card that continues nothing; the card before it may be sound.
                ignored += group[1:]
                group[1:] = map(_as_comment, group[1:])
                sound = _SOUND.fullmatch(group[0]) or (behind > at + 1 and _can_be_parsed(group[0]))
                if not (sound or _NAMES_OF_PLANES.match(group[0])):
                    if (repaired := _repaired(group[0])) is None:
                        ignored.append(group[0])
                    group[0] = _as_comment(group[0]) if repaired is None else repaired
        mended += group
        at = behind
    if ignored:
        shown = ", ".join(map(_shown, ignored[:_SHOWN_CARDS])) + (", ..." if len(ignored) > _SHOWN_CARDS else "")
        what = "a card that cannot be used is" if len(ignored) == 1 else f"{len(ignored)} cards that cannot be used are"
        notes.append(f"{what} ignored: {shown}")
    return mended, notes


def _shown(card: bytes) -> str:
    text = " ".join(card.translate(_ODD_BYTES).decode("ascii").split())
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}..."


class Patched(io.BufferedIOBase):
    """A file in which some bytes are replaced by others while it is read.

    Parameters
    ----------
    file : binary file
        It stays open when this one is closed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._places: list[int] = []
        self._patches: list[bytes] = []

    def patch(self, at: int, content: bytes) -> None:
        """Replace the bytes at a position behind the end of the patches so far."""
        self._places.append(at)
        self._patches.append(content)

    def read(self, size: int | None = -1, /) -> bytes:
        start = self._file.tell()
        content = self._file.read(-1 if size is None else size)
        for number in range(max(0, bisect.bisect_right(self._places, start) - 1), len(self._patches)):
            at, patch = self._places[number], self._patches[number]
            if at >= start + len(content):
                break
            first, last = max(at, start), min(at + len(patch), start + len(content))
            if first < last:
                content = content[: first - start] + patch[first - at : last - at] + content[last - start :]
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
