"""Mirrored and turned images."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import numpy as np
import pytest

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import InvalidParameterError
from evensky.geom import Point2I

WIDTH, HEIGHT = 5, 3
KINDS = ["ImageF", "ImageD", "ImageI", "ImageU", "ImageL", "Mask", "MaskedImageF", "MaskedImageD", "MaskedImageI"]


def numbered(kind: str) -> Any:
    """Make an image whose pixels have different values, with an origin."""
    image = getattr(afwImage, kind)(WIDTH, HEIGHT)
    numbers = np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    for i, array in enumerate(image.getArrays() if kind.startswith("Masked") else [image.array]):
        array[...] = numbers + i
    image.setXY0(Point2I(100, 200))
    return image


def planes(image: Any) -> list[np.ndarray]:
    return list(image.getArrays()) if isinstance(image, afwImage.MaskedImage) else [image.array]


@pytest.mark.parametrize("kind", KINDS)
def test_flips(kind: str) -> None:
    image = numbered(kind)
    for left_right, top_bottom in ((False, False), (True, False), (False, True), (True, True)):
        flipped = afwMath.flipImage(image, flipLR=left_right, flipTB=top_bottom)
        assert type(flipped) is type(image)
        assert flipped.getXY0() == Point2I(100, 200)
        for mine, its in zip(planes(flipped), planes(image), strict=True):
            assert mine.dtype == its.dtype
            assert not np.shares_memory(mine, its)
            for x in range(WIDTH):
                for y in range(HEIGHT):
                    from_x, from_y = WIDTH - 1 - x if left_right else x, HEIGHT - 1 - y if top_bottom else y
                    assert mine[y, x] == its[from_y, from_x]


@pytest.mark.parametrize("kind", KINDS)
def test_turns_are_counter_clockwise(kind: str) -> None:
    image = numbered(kind)
    for quarters in range(-5, 6):
        turned = afwMath.rotateImageBy90(image, quarters)
        assert type(turned) is type(image)
        assert turned.getXY0() == (Point2I(100, 200) if quarters % 4 == 0 else Point2I(0, 0))
        for mine, its in zip(planes(turned), planes(image), strict=True):
            assert mine.shape == (its.shape if quarters % 2 == 0 else its.shape[::-1])
            assert not np.shares_memory(mine, its)
            for x in range(WIDTH):
                for y in range(HEIGHT):
                    to_x, to_y = [(x, y), (HEIGHT - 1 - y, x), (WIDTH - 1 - x, HEIGHT - 1 - y), (y, WIDTH - 1 - x)][
                        quarters % 4
                    ]
                    assert mine[to_y, to_x] == its[y, x]


def test_masks_keep_their_planes() -> None:
    own = afwImage.Mask(WIDTH, HEIGHT, mask_planes={"MINE": 3})
    default = afwImage.Mask(WIDTH, HEIGHT)
    for mask in (own, default, afwImage.MaskedImageF(afwImage.ImageF(WIDTH, HEIGHT), own)):
        for result in (afwMath.flipImage(mask, True, False), afwMath.rotateImageBy90(mask, 1)):
            result_mask, mask_given = (getattr(one, "mask", one) for one in (result, mask))
            assert result_mask.getMaskPlaneDict() == mask_given.getMaskPlaneDict()


def test_arrays() -> None:
    array = np.arange(6, dtype=">f4").reshape(2, 3)
    flipped = afwMath.flipImage(array, True, False)
    assert isinstance(flipped, afwImage.ImageF)
    np.testing.assert_array_equal(flipped.array, array[:, ::-1])
    np.testing.assert_array_equal(afwMath.rotateImageBy90(array, 2).array, array[::-1, ::-1])
    np.testing.assert_array_equal(afwMath.rotateImageBy90(array.tolist(), 0).array, array)


def test_what_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="maskedImage"):
        afwMath.flipImage(afwImage.ExposureF(3, 4), True, False)
    with pytest.raises(InvalidParameterError, match=r"1\.5"):
        afwMath.rotateImageBy90(afwImage.ImageF(3, 4), 1.5)
    with pytest.raises(InvalidParameterError):
        afwMath.rotateImageBy90("image", 1)


def test_examples() -> None:
    results = doctest.testmod(importlib.import_module("evensky.math.flips"))
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("values", [3.0, [1.0, 2.0], np.ones((2, 2, 2))])
def test_only_two_dimensions_can_be_turned(values: Any) -> None:
    for work in (lambda: afwMath.flipImage(values, True, False), lambda: afwMath.rotateImageBy90(values, 1)):
        with pytest.raises(
            InvalidParameterError, match=r"inImage has \d dimensions; it must be an image or a 2-D array"
        ):
            work()
