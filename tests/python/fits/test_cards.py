"""Cards are made as astropy makes them."""

from __future__ import annotations

import random

import pytest
from astropy.io import fits

from evensky.fits.cards import new_cards

KEYWORDS = ("EVS_VER", "A", "DATE-OBS", "LONGER_THAN_EIGHT", "AXIS.1")
TEXTS = (
    "",
    "x",
    "it's",
    "12345678",
    "a: 1.0",
    "AXIS.1: 2",
    "a & b",
    "ends with &",
    "/ slash",
    "x" * 66,
    "y" * 68,
    "z" * 90,
)
VALUES = (True, False, 0, -1, 2**40, 10**19, -(10**19), 10**25, 0.0, -0.0, 1.5, 1e-300, 1e22, 1 / 3, -1 / 3e7, 1e16)
COMMENTS = (None, "", "a comment", "c" * 47, "d" * 60)


def by_astropy(keyword: str, value: object, comment: str | None) -> list[bytes]:
    text = str(fits.Card(keyword if len(keyword) <= 8 else f"HIERARCH {keyword}", value, comment))
    return [text[at : at + 80].encode() for at in range(0, len(text), 80)]


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_cards_are_those_of_astropy() -> None:
    for keyword in KEYWORDS:
        for value in (*TEXTS, *VALUES):
            for comment in COMMENTS:
                assert new_cards(keyword, value, comment) == by_astropy(keyword, value, comment)


def test_numbers_are_those_of_astropy() -> None:
    rng = random.Random(3)
    for _ in range(2000):
        value = rng.uniform(-1, 1) * 10.0 ** rng.randint(-40, 40)
        value = round(value, rng.randint(0, 12)) if rng.random() < 0.5 else value
        assert new_cards("EVS_X", value, "a number") == by_astropy("EVS_X", value, "a number")


def test_what_fits_does_not_allow_is_replaced() -> None:
    assert new_cards("EVS_X", "na\u00efve\n")[0].rstrip() == b"EVS_X   = 'na?ve?  '"
    assert new_cards("EVS_X", float("nan"), "\u00b5")[0].split() == [b"EVS_X", b"=", b"/", b"?"]
    assert new_cards("HISTORY", "h" * 73) == [b"HISTORY " + b"h" * 72, b"HISTORY h".ljust(80)]
