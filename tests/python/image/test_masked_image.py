"""Masked images: arithmetic, parts and planes."""

from __future__ import annotations

import pytest

from evensky.errors import LengthError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import ImageD, ImageF, Mask, MaskedImage, MaskedImageD, MaskedImageF

BOX = Box2I(Point2I(100, 50), Extent2I(6, 4))


def test_masked_image_arithmetic() -> None:
    one, two = MaskedImageF(3, 2), MaskedImageF(3, 2)
    one.set(10.0, 1, 4.0)
    two.set(2.0, 2, 1.0)
    one -= two
    assert one[0, 0] == (8.0, 3, 5.0)
    one += two
    assert one[0, 0] == (10.0, 3, 6.0)
    one *= 3
    assert one[0, 0] == (30.0, 3, 54.0)
    one -= ImageF(3, 2, 1.0)
    one += 1
    assert one[0, 0] == (30.0, 3, 54.0)


def test_masked_image_parts_and_planes() -> None:
    masked = MaskedImageF(BOX)
    part = masked[Box2I(Point2I(101, 51), Extent2I(2, 2))]
    part.set(5.0, 4, 2.0)
    assert masked[102, 52] == (5.0, 4, 2.0)
    assert masked.image[101, 51] == 5
    assert masked.mask.array.sum() == 16
    assert masked.getVariance()[102, 51] == 2
    assert MaskedImageF(masked, True).image.array is not masked.image.array
    assert MaskedImage(ImageD(2, 2)).__class__ is MaskedImageD
    built = MaskedImageF(image=ImageF(3, 2), variance=ImageF(3, 2, 4.0))
    assert built.variance.array.sum() == 24
    with pytest.raises(LengthError, match=r"2 x 3.*3 x 2"):
        MaskedImageF(ImageF(3, 2), Mask(2, 3))
    clone = masked.clone()
    clone.assign(MaskedImageF(6, 4))
    assert clone.image.array.sum() == 0
    assert masked.image.array.sum() == 20
