"""The table of layouts: complete, free of contradictions, and each row with a file that tests it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from layout_files import LAYOUT_FILES, make_layout

from evensky.fits.layouts import ANY, FILTER_CARDS, KINDS, LAYOUTS, MANY_CHIPS, PLAIN, UNTOLD_FILTERS, Layout

ROWS = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)


def test_names_are_unique() -> None:
    names = [layout.name for layout in (*LAYOUTS, PLAIN, MANY_CHIPS)]
    assert len(set(names)) == len(names)


@ROWS
def test_words_have_the_kind_of_their_column(layout: Layout) -> None:
    assert {KINDS[word] for word in layout.science} <= {"science"}
    assert {KINDS[word] for word in layout.mask} <= {"mask"}
    assert not {KINDS[word] for word, _ in layout.errors} & {"science", "mask", "other"}
    for sign in layout.signs:
        assert sign.words <= set(KINDS)
        assert sign.words or sign.cards or sign.mask_cards


@ROWS
def test_bad_planes_are_planes(layout: Layout) -> None:
    if layout.planes is not None and layout.bad != ANY:
        assert set(layout.bad) & set(layout.planes)
        assert len(set(layout.planes.values())) == len(layout.planes)
        assert all(0 <= bit < 32 for bit in layout.planes.values())


@ROWS
def test_rows_are_frozen_and_used(layout: Layout) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        layout.name = "other"  # type: ignore[misc]
    assert layout.signs or layout.files


@pytest.mark.parametrize(
    ("layout", "bits"),
    [
        ("JWST, Roman", {"DO_NOT_USE": 0, "SATURATED": 1, "JUMP_DET": 2, "DROPOUT": 3, "OUTLIER": 4, "PERSISTENCE": 5,
                         "NON_SCIENCE": 9, "DEAD": 10, "HOT": 11, "WARM": 12, "LOW_QE": 13, "TELEGRAPH": 15,
                         "NONLINEAR": 16, "NO_FLAT_FIELD": 18, "OTHER_BAD_PIXEL": 30, "REFERENCE_PIXEL": 31}),
        ("HST", {"REED_SOLOMON": 0, "FILL": 1, "DETECTOR": 2, "HOT": 4, "UNSTABLE": 5, "WARM": 6, "BIAS": 7,
                 "FULL_WELL": 8, "FLAT": 9, "TRAP": 10, "AD_SATURATED": 11, "COSMIC_RAY": 12}),
        ("DES", {"BPM": 0, "SATURATE": 1, "SUSPECT": 11}),
        ("ZTF", {"DETECTED": 1, "SATURATED": 8, "NAN": 10}),
        ("Euclid", {"INVALID": 0}),
    ],
)  # fmt: skip
def test_documented_bits(layout: str, bits: dict[str, int]) -> None:
    (row,) = (one for one in LAYOUTS if one.name == layout)
    assert row.planes is not None
    assert {name: row.planes.get(name) for name in bits} == bits


def test_filters_that_are_none() -> None:
    for value in ("", "CLEAR", "CLEAR1L", "open1-6", "_unknown_", "N/A", "None"):
        assert re.fullmatch(UNTOLD_FILTERS, value, re.IGNORECASE), value
    for value in ("r", "F814W", "NB921", "none_such", "null2"):
        assert not re.fullmatch(UNTOLD_FILTERS, value, re.IGNORECASE), value
    assert len(set(FILTER_CARDS)) == len(FILTER_CARDS)


@pytest.mark.filterwarnings("ignore")
def test_each_row_has_a_file(tmp_path: Path) -> None:
    made = {make_layout(name, tmp_path).layout for name in LAYOUT_FILES}
    assert made == {layout.name for layout in (*LAYOUTS, PLAIN, MANY_CHIPS)}
