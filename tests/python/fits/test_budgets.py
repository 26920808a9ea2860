"""Limits of headers and HDUs: what is beyond them is refused, what is below them is read in a time of its size."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import hanging
import numpy as np
import pytest
from astropy.io import fits
from broken_fits import BLOCK, as_bytes, integer, more_cards, plain, with_card

from evensky.errors import FitsError
from evensky.fits import budgets, opening
from evensky.fits.contents import describe_file
from evensky.fits.mending import Patched, mended_cards
from evensky.io import read_exposure

_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)
EMPTY = as_bytes(fits.PrimaryHDU(), fits.ImageHDU())[BLOCK:]


def axes(digits: int) -> bytes:
    cards = ["SIMPLE  =                    T", integer("BITPIX", 8), integer("NAXIS", 999)]
    cards += [f"NAXIS{n:<3}= {'9' * digits}" for n in range(1, 1000)]
    text = "".join(card.ljust(80) for card in [*cards, "END"])
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: more_cards(plain(), *(b"OBJECT  = 1",) * (budgets.MOST_CARDS + 36)),
            r"a header has no END card in \d+ bytes; headers of up to 36864 cards are read",
        ),
        (lambda: plain() + EMPTY * budgets.MOST_HDUS, "has more than 5000 HDUs, which is the most that are read"),
        (lambda: axes(18), "the axes of HDU 0 make more than 4611686018427387904 bytes of data"),
        (lambda: axes(69), r"NAXIS1 = 9{69}; it must not exceed 4611686018427387904"),
        (lambda: with_card(plain(), integer("NAXIS1", 2**63)), "it must not exceed 4611686018427387904"),
        (
            lambda: (
                plain()
                + with_card(
                    as_bytes(fits.PrimaryHDU(), fits.BinTableHDU.from_columns([]))[BLOCK:], integer("TFIELDS", 10**6)
                )
            ),
            "TFIELDS = 1000000; it must be 0 to 999",
        ),
    ],
    ids=["cards", "hdus", "product", "digits", "axis", "columns"],
)
def test_beyond_a_limit(tmp_path: Path, make: Callable[[], bytes], says: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(make())
    start = time.process_time()
    with pytest.raises(FitsError, match=says) as raised:
        read_exposure(path)
    assert len(str(raised.value)) < 400 + len(str(path))
    assert time.process_time() - start < 5


def test_groups_are_looked_for_once() -> None:
    """Each of the cards was compared with all cards."""
    cards = [b"SIMPLE  = T".ljust(80), *[b"GROUPS  = T".ljust(80)] * 20_000]
    start = time.process_time()
    mended, notes = mended_cards(cards)
    assert time.process_time() - start < 3
    assert mended[1].startswith(b"COMMENT GROUPS")
    assert notes == ["20000 cards that cannot be used are ignored: GROUPS = T, GROUPS = T, GROUPS = T, ..."]


def test_a_patch_is_found_at_once() -> None:
    class File:
        def __init__(self) -> None:
            self.at = 0

        def tell(self) -> int:
            return self.at

        def seek(self, at: int, whence: int = 0) -> int:
            self.at = at
            return at

        def read(self, size: int) -> bytes:
            self.at += size
            return bytes(size)

    file = Patched(File())  # type: ignore[arg-type]
    for number in range(4000):
        file.patch(number * 100, b"x" * 10)
    start = time.process_time()
    for number in range(4000):
        file.seek(number * 100 - 5 if number else 0)
        assert b"x" in file.read(20)
    assert time.process_time() - start < 1


def test_many_images_of_one_file(tmp_path: Path) -> None:
    """The planes of each image were compared with all images for each plane."""
    path = tmp_path / "a.fits"
    image = as_bytes(fits.PrimaryHDU(), fits.ImageHDU(np.ones((2, 2), np.float32)))[BLOCK:]
    path.write_bytes(as_bytes(fits.PrimaryHDU()) + image * 600)
    start = time.process_time()
    assert len(describe_file(path).images) == 600
    assert time.process_time() - start < 5


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    path = tmp_path / "a.fits"
    os.mkfifo(path)
    monkeypatch.setattr(Path, "is_file", lambda self: True)  # as it was when it was looked at
    with pytest.raises(FitsError, match="is not a regular file"), opening.opened_headers(path):
        pass


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ZeroDivisionError("division by zero"), "a header contradicts itself, or the data that it describes"),
        (KeyError("recformat"), "a header contradicts itself, or the data that it describes"),
        (TypeError("unsupported operand type(s)"), "a header contradicts itself, or the data that it describes"),
        (KeyError("Keyword 'ZTILE3' not found."), "a header has no ZTILE3 card, which it needs"),
        (MemoryError("Unable to allocate 3 GiB"), "does not fit into memory: Unable to allocate 3 GiB"),
        (ValueError("strange"), "cannot be read as FITS: strange"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_reasons_are_in_the_words_of_fits(tmp_path: Path, error: Exception, says: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(plain())
    with pytest.raises(FitsError, match=says), opening.opened_headers(path):
        raise error


@pytest.mark.parametrize("card", ["ZTILE1  = 0", "ZNAXIS2 = -1", "ZNAXIS1 = 'x'", "ZBITPIX =", "TFORM1  = '1PZ(3)'"])
def test_cards_of_tiles_are_checked_first(tmp_path: Path, card: str) -> None:
    path = tmp_path / "a.fits"
    tiles = as_bytes(fits.PrimaryHDU(), fits.CompImageHDU(np.ones((64, 64), np.float32)))
    path.write_bytes(with_card(tiles, card, behind=BLOCK))
    with pytest.raises(FitsError, match=rf"cannot be read as FITS: {card[:8].strip()} = .*; it must be "):
        read_exposure(path)


def test_an_error_of_the_disk_is_told_as_such(tmp_path: Path) -> None:
    import errno

    path = tmp_path / "a.fits"
    path.write_bytes(plain())
    with pytest.raises(FitsError, match=r"cannot be read: Input/output error$"), opening.opened_headers(path):
        raise OSError(errno.EIO, "Input/output error")


def test_a_lack_of_memory_does_not_lose_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(fits.Card, "fromstring", fail)
    with pytest.raises(MemoryError):
        mended_cards([b"SIMPLE  = T".ljust(80), b"object  = 'x".ljust(80)])
