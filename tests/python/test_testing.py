"""The original's assertions: what is equal passes, and any difference is told with its place and size."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import evensky.testing as testing
from evensky.geom import Box2D, Box2I, Extent2D, Extent2I, Point2D, Point2I, SpherePoint, arcseconds, degrees
from evensky.image import ImageD, ImageF, ImageI, MaskedImageF

CASE = unittest.TestCase()
BOX = Box2I(Point2I(10, 20), Extent2I(5, 4))


def ramp(**changes: float) -> Any:
    """Return an image of numbers from 0 to 19, with some of them changed: p7=3.0 is pixel 7."""
    image = testing.makeRampImage(BOX, imageClass=ImageD)
    for name, value in changes.items():
        image.array.flat[int(name[1:])] = value
    return image


def masked(value: float = 1.0, variance: float = 2.0, mask: int = 0) -> MaskedImageF:
    image = MaskedImageF(BOX)
    image.set(value, mask, variance)
    return image


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (ramp(), ramp(), ""),
        (ramp(), ramp(p7=7 + 6e-5), ""),
        (ramp(), ramp(p7=7.1), r"1 pixels differ; maxDiff=0.1 at position \(2, 1\); value=7 vs. 7.1"),
        (ramp(p3=np.nan), ramp(p3=np.nan), ""),
        (ramp(p3=np.nan), ramp(), "NaNs differ: 1 and 0"),
        (ramp(p3=np.inf), ramp(p3=np.inf), ""),
        (ramp(p3=np.inf), ramp(p3=-np.inf), "infinities differ: 1 and 1"),
        (ramp(p3=np.inf), ramp(), "infinities differ: 1 and 0"),
        (ramp(), np.zeros((3, 3)), r"shapes \(4, 5\) and \(3, 3\)"),
        (ramp(), ImageF(ramp().array.astype(np.float32)), ""),
        (testing.makeRampImage(BOX, imageClass=ImageI), ramp(), ""),
    ],
)
def test_images(one: Any, other: Any, says: str) -> None:
    if says:
        with pytest.raises(AssertionError, match=f"Images differ: .*{says}"):
            testing.assertImagesAlmostEqual(CASE, one, other)
    else:
        assert testing.imagesDiffer(one, other) == ""
        testing.assertImagesAlmostEqual(CASE, one, other)


def test_tolerances_and_pixels_to_skip() -> None:
    one, other = ramp(), ramp(p7=7.1, p8=np.nan)
    skip = np.zeros((4, 5), bool)
    skip[1, 2:4] = True
    testing.assertImagesEqual(CASE, one, other, skipMask=skip)
    testing.assertImagesAlmostEqual(CASE, ramp(), ramp(p7=7.1), rtol=0.0, atol=0.1001)
    with pytest.raises(AssertionError, match="mine: 1 pixels"):
        testing.assertImagesEqual(CASE, ramp(), ramp(p7=7 + 1e-9), msg="mine")


def test_masked_images() -> None:
    testing.assertMaskedImagesEqual(CASE, masked(), masked())
    for other, plane in ((masked(value=1.1), "image"), (masked(variance=3), "variance"), (masked(mask=1), "mask")):
        with pytest.raises(AssertionError, match=f"{plane} planes"):
            testing.assertMaskedImagesAlmostEqual(CASE, masked(), other)
        testing.assertMaskedImagesNearlyEqual(CASE, masked(), other, **{f"do{plane.capitalize()}": False})
    testing.assertMasksEqual(CASE, masked(value=3).mask, masked().mask)
    with pytest.raises(AssertionError, match="Masks differ"):
        testing.assertMasksEqual(CASE, masked(mask=4).mask, masked().mask)


@pytest.mark.parametrize(
    ("call", "same", "near", "far"),
    [
        (testing.assertAnglesAlmostEqual, 3 * degrees, 363 * degrees + 0.0005 * arcseconds, 3.001 * degrees),
        (testing.assertPairsAlmostEqual, Point2D(1, 2), (1.0, 2 + 5e-8), (1.0, 2.1)),
        (testing.assertPairListsAlmostEqual, [Extent2D(1, 2)], [(1.0, 2 + 5e-8)], [(1.0, 2.1)]),
        (testing.assertBoxesAlmostEqual, Box2D(BOX), Box2D(BOX).dilatedBy(5e-8), Box2D(BOX).dilatedBy(0.1)),
        (
            testing.assertSpherePointsAlmostEqual,
            SpherePoint(1, 2, degrees),
            SpherePoint(1, 2 + 1e-8, degrees),
            SpherePoint(1, 2.1, degrees),
        ),
        (
            testing.assertSpherePointListsAlmostEqual,
            [SpherePoint(1, 2, degrees)],
            [SpherePoint(1, 2 + 1e-8, degrees)],
            [SpherePoint(1, 2, degrees)] * 2,
        ),
    ],
)
def test_geometry(call: Callable[..., None], same: Any, near: Any, far: Any) -> None:
    call(CASE, same, same)
    call(CASE, same, near)
    with pytest.raises(AssertionError):
        call(CASE, same, far)


def test_images_of_tests() -> None:
    image = testing.makeRampImage(BOX, 10, 48)
    assert (image.getBBox(), image.array[0, 0], image.array[0, 1], image.array[-1, -1]) == (BOX, 10, 12, 48)
    noise = testing.makeGaussianNoiseMaskedImage(Extent2I(100, 80), sigma=3.0, variance=5.0)
    assert noise.image.array.std() == pytest.approx(3, rel=0.03)
    assert (noise.variance.array == 5).all()
    testing.assertMaskedImagesEqual(
        CASE, noise, testing.makeGaussianNoiseMaskedImage(Extent2I(100, 80), sigma=3.0, variance=5.0)
    )
