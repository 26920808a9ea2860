"""Images: constructors, shared pixels, parts, origins, arithmetic, copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from evensky.errors import InvalidParameterError, LengthError, OutOfRangeError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import LOCAL, PARENT, ExposureF, Image, ImageD, ImageF, ImageI, ImageL, ImageU, Mask, MaskedImageF

KINDS = [ImageF, ImageD, ImageI, ImageU, ImageL]
BOX = Box2I(Point2I(100, 50), Extent2I(6, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_constructors(kind: type[Image]) -> None:
    assert kind(6, 4).getDimensions() == Extent2I(6, 4)
    assert kind(Extent2I(6, 4)).array.shape == (4, 6)
    assert kind(BOX).getBBox() == BOX
    assert kind(BOX).getBBox(LOCAL) == Box2I(Point2I(0, 0), Extent2I(6, 4))
    assert np.all(kind(6, 4, 3).array == 3)
    assert kind(6, 4).array.dtype == kind.dtype
    assert type(Image(6, 4, dtype=kind.dtype)) is kind
    assert type(Image(np.zeros((4, 6), kind.dtype))) is kind


def test_arrays_are_shared_unless_deep() -> None:
    array = np.zeros((4, 6), np.float32)
    image = ImageF(array)
    image.array[1, 2] = 7
    assert array[1, 2] == 7
    assert image.getArray() is array
    assert ImageF(array, True).array is not array
    assert ImageF(image).array is array
    assert ImageF(image, True).array is not array
    assert image.clone().array is not array
    # A foreign type, byte order or a read-only array costs a copy.
    assert ImageD(array).array[1, 2] == 7
    assert ImageF(array.astype(">f4")).array.dtype.isnative
    array.flags.writeable = False
    ImageF(array).array[0, 0] = 1
    assert array[0, 0] == 0


def test_pixels_count_from_the_parents_origin() -> None:
    image = ImageF(BOX)
    image[101, 52] = 5
    assert image.array[2, 1] == 5
    assert image[1, 2, LOCAL] == 5
    assert image[Point2I(101, 52)] == 5
    assert image.get(1, 2) == 5
    image.set(0, 0, 9)
    assert image[100, 50, PARENT] == 9
    image.set(2)
    assert np.all(image.array == 2)
    with pytest.raises(OutOfRangeError, match=r"\(106, 50\)"):
        image[106, 50]
    image[-1, -2, LOCAL] = 6
    assert image.array[2, 5] == 6
    image.setXY0(Point2I(-3, -3))
    assert image[-3, -3] == image.array[0, 0]
    image.setXY0(Point2I(100, 50))
    with pytest.raises(IndexError, match=r"\(-7, 0\)"):
        image[-7, 0, LOCAL]
    assert (image.getX0(), image.getY0(), image.getXY0()) == (100, 50, Point2I(100, 50))
    image.setXY0(Point2I(1, 2))
    assert image.getBBox().getMin() == Point2I(1, 2)


def test_parts_share_pixels() -> None:
    image = ImageF(BOX)
    part_box = Box2I(Point2I(102, 51), Extent2I(3, 2))
    for part in (
        image[part_box],
        image.subset(part_box),
        ImageF(image, part_box),
        image.Factory(image, part_box, PARENT),
    ):
        part.array[...] += 1
        assert part.getBBox() == part_box
    assert image.array.sum() == 4 * 6
    assert np.all(image.array[1:3, 2:5] == 4)
    local = Box2I(Point2I(2, 1), Extent2I(3, 2))
    assert np.shares_memory(image[local, LOCAL].array, image.array)
    assert not np.shares_memory(ImageF(image, local, LOCAL, True).array, image.array)
    assert image[102:105, 51:53].getBBox() == part_box
    image[part_box] = 8
    assert image[103, 52] == 8
    other = ImageF(3, 2, 1.0)
    image.assign(other, part_box)
    assert image[103, 52] == 1
    with pytest.raises(LengthError, match=r"\(102, 51\).*\(100, 50\)"):
        image[Box2I(Point2I(102, 51), Extent2I(30, 2))]
    with pytest.raises(InvalidParameterError, match=r"index|Index"):
        image["a"]


def test_arithmetic_in_place() -> None:
    image, other = ImageF(3, 2, 6.0), ImageF(3, 2, 2.0)
    image += other
    image -= 1
    image *= other
    image /= 7
    np.testing.assert_allclose(image.array, 2.0)
    image.scaledPlus(0.5, other)
    np.testing.assert_allclose(image.array, 3.0)
    with pytest.raises(LengthError, match=r"2 x 3.*3 x 2"):
        image += ImageF(2, 3)


@pytest.mark.parametrize("bad", [(-1, 3), ((), 2), (1.5, 2)])
def test_bad_sizes(bad: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="ImageF"):
        ImageF(*bad)
    with pytest.raises(InvalidParameterError, match=r"\(2, 3, 4\)"):
        ImageF(np.zeros((2, 3, 4), np.float32))


@pytest.mark.parametrize(
    "make", [lambda: ImageF(BOX), lambda: Mask(BOX), lambda: MaskedImageF(BOX), lambda: ExposureF(BOX)]
)
def test_copies(make: Any) -> None:
    original = make()
    for other in (pickle.loads(pickle.dumps(original)), copy.deepcopy(original)):
        assert type(other) is type(original)
        assert other.getBBox() == BOX
