from __future__ import annotations

import pytest

import evensky.image as afwImage
from evensky.errors import InvalidParameterError


@pytest.mark.parametrize(
    ("position", "index", "residual"), [(0.0, 0, 0.0), (0.5, 1, -0.5), (-0.5, 0, -0.5), (-1.75, -2, 0.25)]
)
def test_pixels_hold_positions_from_half_a_pixel_before_their_centres(
    position: float, index: int, residual: float
) -> None:
    assert afwImage.positionToIndex(position) == index
    assert afwImage.positionToIndex(position, True) == (index, residual)
    assert afwImage.indexToPosition(index) + residual == position


@pytest.mark.parametrize("position", [float("nan"), float("inf"), "x", None])
def test_other_positions_are_refused(position: float) -> None:
    with pytest.raises(InvalidParameterError, match="pos"):
        afwImage.positionToIndex(position)
