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


@pytest.mark.parametrize("kind", [afwImage.ImageF, afwImage.Mask, afwImage.MaskedImageF, afwImage.ExposureF])
def test_positions_in_an_image(kind: type) -> None:
    image = kind(10, 8)
    image.setXY0(100, -20)
    for axis, start in ((afwImage.X, 100), (afwImage.Y, -20)):
        assert image.indexToPosition(3, axis) == start + 3
        assert image.positionToIndex(start + 3.25, axis) == (3, 0.25)
        assert image.positionToIndex(start - 0.75, axis) == (-1, 0.25)
    with pytest.raises(TypeError, match="xy is 1; it must be X or Y"):
        image.indexToPosition(3, 1)
    with pytest.raises(InvalidParameterError, match="pos"):
        image.positionToIndex("x", afwImage.X)


def test_axes() -> None:
    assert (afwImage.X, afwImage.Y) == (afwImage.xOrY.X, afwImage.xOrY.Y)
