"""Bands of rows."""

from __future__ import annotations

import pytest

from evensky import _bands
from evensky._bands import band_height, row_bands


@pytest.mark.parametrize(
    ("width", "most", "rows"), [(10, 100, 10), (10, 109, 10), (10, 9, 1), (1000, 100, 1), (0, 100, 100), (3, 0, 1)]
)
def test_a_band_has_as_many_rows_as_fit_but_one_at_least(width: int, most: int, rows: int) -> None:
    assert band_height(width, most) == rows


@pytest.mark.parametrize(
    ("height", "bands"), [(0, []), (1, [(0, 1)]), (8, [(0, 4), (4, 8)]), (9, [(0, 4), (4, 8), (8, 9)])]
)
def test_bands_cover_each_row_once(height: int, bands: list[tuple[int, int]]) -> None:
    assert [(rows.start, rows.stop) for rows in row_bands(height, 10, 40)] == bands


def test_the_usual_size_of_a_band(monkeypatch: pytest.MonkeyPatch) -> None:
    assert band_height(2**10) == _bands.MOST_PIXELS // 2**10
    assert [rows.stop for rows in row_bands(5, 7)] == [5]
    # It is looked up when bands are made, so that it can be changed.
    monkeypatch.setattr(_bands, "MOST_PIXELS", 14)
    assert [rows.stop for rows in row_bands(5, 7)] == [2, 4, 5]
