"""Images: constructors, shared pixels, parts, origins, arithmetic, copies."""

from __future__ import annotations

import copy
import operator
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evensky.errors import FitsError, InvalidParameterError, LengthError, LogicError, OutOfRangeError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import (
    LOCAL,
    PARENT,
    ExposureF,
    Image,
    ImageD,
    ImageF,
    ImageI,
    ImageL,
    ImageU,
    Mask,
    MaskedImageF,
    imagesOverlap,
)

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


def test_local_indices_count_from_the_far_edge() -> None:
    image = ImageI(np.arange(20, dtype=np.int32).reshape(4, 5))
    image.setXY0(100, 200)
    whole = image.array
    np.testing.assert_array_equal(image[-3:, -2:, LOCAL].array, whole[-2:, -3:])
    np.testing.assert_array_equal(image[-3:-1, :-1, LOCAL].array, whole[:-1, -3:-1])
    np.testing.assert_array_equal(image[1:-1, 1:4, LOCAL].array, whole[1:4, 1:-1])
    assert image[-3:, -2:, LOCAL].getXY0() == Point2I(102, 202)
    assert (image[-1, 0, LOCAL], image[-1, -1, LOCAL], image[-5, -4, LOCAL]) == (4, 19, 0)
    # One number and a slice make a column or a row; an ellipsis stands for all.
    np.testing.assert_array_equal(image[-1, :, LOCAL].array, whole[:, -1:])
    np.testing.assert_array_equal(image[..., 201].array, whole[1:2])
    np.testing.assert_array_equal(image[..., LOCAL].array, whole)
    np.testing.assert_array_equal(image[100:102, ...].array, whole[:, :2])
    image[-1:, -1:, LOCAL] = -7
    image[-2, -1, LOCAL] += 100
    assert whole[-1, -2:].tolist() == [118, -7]
    for index in ((slice(-6, None), slice(None), LOCAL), (slice(-1, -2), slice(None), LOCAL), (slice(-1, None), 200)):
        for kind in (LengthError, IndexError):
            with pytest.raises(kind, match=r"The x slice .* is outside"):
                image[index]
    for index in ((-6, 0, LOCAL), (-1, 200), (0, 0)):
        with pytest.raises(IndexError, match="outside the box"):
            image[index]
    with pytest.raises(TypeError, match=r"The x slice is slice.*whole numbers"):
        image[0.5:, :]


def test_an_image_is_assigned_to_a_part() -> None:
    image, ones = ImageF(4, 3), ImageF(2, 1, 1.0)
    image.setXY0(10, 20)
    image.assign(ones, Box2I(Point2I(11, 21), Extent2I(2, 1)))
    image.assign(rhs=ones, bbox=Box2I(Point2I(0, 2), Extent2I(2, 1)), origin=LOCAL)
    assert image.array.tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [1, 1, 0, 0]]
    image.assign(ImageF(4, 3, 2.0), Box2I(), LOCAL)
    assert image.array.min() == 2
    with pytest.raises(LengthError, match="2 x 1 but the left-hand side is 4 x 3"):
        image.assign(ones)


@pytest.mark.parametrize("kind", [ImageF, ImageD, ImageI])
def test_scaled_arithmetic(kind: type[Image]) -> None:
    image, other = kind(2, 2, 12), kind(2, 2, 3)
    for name, result in (("Plus", 18), ("Minus", 12), ("Multiplies", 72), ("Divides", 12)):
        getattr(image, f"scaled{name}")(2, rhs=other)
        assert image.array.tolist() == [[result, result]] * 2
        with pytest.raises(LengthError, match="3 x 2"):
            getattr(image, f"scaled{name}")(2, kind(3, 2))
        with pytest.raises(TypeError, match="'x'"):
            getattr(image, f"scaled{name}")("x", other)


def test_operators_that_make_new_images_do_not_exist() -> None:
    image = ImageF(2, 2)
    for operation in (operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.pow):
        for other in (image, 3.0):
            for kind in (TypeError, NotImplementedError, LogicError):
                with pytest.raises(kind, match="no operator makes a new image"):
                    operation(image, other)


def test_an_image_is_an_array_for_numpy() -> None:
    image = ImageF(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert np.asarray(image) is image.array or np.shares_memory(np.asarray(image), image.array)
    assert np.asarray(image, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(image), image.array)
    assert (np.mean(image), float(np.asarray(Mask(2, 2)).sum())) == (2.5, 0.0)
    total = np.zeros((2, 3))
    total += image
    assert total.sum() == 15


def test_no_array_and_no_number_is_a_type_error() -> None:
    image = ImageF(2, 2)
    for value in (None, "x", {}):
        with pytest.raises(TypeError, match="pixels are real numbers"):
            image.array = value
        with pytest.raises(TypeError, match="real numbers"):
            image += value
    with pytest.raises(LengthError, match="3 x 2"):
        image.array = np.zeros((2, 3))


def test_names_of_arguments_and_kinds() -> None:
    box = Box2I(Point2I(3, 4), Extent2I(2, 1))
    image = ImageF(bbox=box, initialValue=5)
    for same in (
        ImageF(rhs=image),
        ImageF(rhs=image, deep=True),
        ImageF(rhs=ImageF(9, 9, 5), bbox=box, origin=PARENT, deep=False),
        Image(rhs=image),
        Image(width=2, height=1, initialValue=5, dtype=np.float32),
        ImageF(dimensions=Extent2I(2, 1), initialValue=5),
        ImageF(array=np.full((1, 2), 5), deep=False, xy0=Point2I(3, 4)),
    ):
        assert type(same) is ImageF
        assert same.array.tolist() == [[5, 5]]
    assert np.shares_memory(ImageF(rhs=image).array, image.array)
    assert (Image[np.float32], Image["D"], Image["I"], Image[np.dtype("u2")]) == (ImageF, ImageD, ImageI, Image["U"])
    with pytest.raises(TypeError, match="only Image"):
        ImageF[np.float32]
    with pytest.raises(InvalidParameterError, match="no image of dtype complex64"):
        Image[np.complex64]
    with pytest.raises(TypeError, match="'nothing' is no dtype"):
        Image["nothing"]
    assert [type(getattr(image, f"convert{letter}")()) for letter in "FDIUL"] == [Image[letter] for letter in "FDIUL"]


def test_swap_and_overlap() -> None:
    one, two = ImageF(2, 2, 1.0), ImageF(3, 3, 2.0)
    two.setXY0(5, 5)
    part = one[0:1, 0:2]
    one.swap(two)
    assert (one.array.sum(), one.getX0(), two.getWidth()) == (18, 5, 2)
    assert imagesOverlap(part, two)
    assert not imagesOverlap(part, one)
    whole = MaskedImageF(4, 4)
    left, right = whole[0:2, 0:4], whole[2:4, 0:4]
    assert imagesOverlap(whole, right)
    assert imagesOverlap(whole.mask, right)
    assert not imagesOverlap(left, right)
    with pytest.raises(TypeError, match="it must be of class ImageF"):
        one.swap(ImageD(2, 2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an image is needed"):
        imagesOverlap(whole, np.zeros((2, 2)))  # type: ignore[arg-type]


def test_images_in_files(tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    image = ImageI(np.array([[1, -2, 2**30 + 1]], np.int32))
    image.setXY0(7, 8)
    image.writeFits(str(path), {"NIGHT": 3})
    ImageF(2, 2, 1.5).writeFits(path, mode="a")
    for read in (ImageI(path), ImageI(str(path)), ImageI(path, 0), ImageI(fileName=path, hdu=0), ImageI.readFits(path)):
        assert (read.array.tolist(), read.getXY0()) == (image.array.tolist(), Point2I(7, 8))
    assert ImageD(path).array.tolist() == image.array.tolist()
    box = Box2I(Point2I(8, 8), Extent2I(2, 1))
    metadata: dict[str, object] = {}
    part = ImageI(path, hdu=0, metadata=metadata, bbox=box, origin=PARENT)
    assert (part.getBBox(), part.array.tolist(), metadata["NIGHT"]) == (box, [[-2, 2**30 + 1]], 3)
    assert ImageI(path, 0, None, Box2I(Point2I(1, 0), Extent2I(2, 1)), LOCAL).getBBox() == box
    assert ImageI(path, 0, None, Box2I()).getBBox() == image.getBBox()
    with pytest.raises(LengthError, match="not inside"):
        ImageI(path, bbox=Box2I(Point2I(0, 0), Extent2I(2, 1)))
    assert ImageF(path, 1).array.tolist() == [[1.5, 1.5]] * 2
    with pytest.raises(FitsError, match=r"image.fits: 4 pixels are no whole numbers, such as 1.5; .*allowUnsafe=True"):
        ImageI(path, 1)
    assert ImageI(path, 1, allowUnsafe=True).array.tolist() == [[1, 1]] * 2
    with pytest.raises(FitsError, match="exists already"):
        image.writeFits(path, overwrite=False)
    with pytest.raises(InvalidParameterError, match="mode is 'x'"):
        image.writeFits(path, None, "x")
    for arguments in ((3.5,), (0, object())):
        with pytest.raises(TypeError, match="of a file takes an HDU"):
            ImageI(path, *arguments)
    with pytest.raises(TypeError, match="takes no argument nothing"):
        ImageI(path, nothing=3)
    with pytest.raises(TypeError, match="metadata is 3"):
        image.writeFits(path, 3)
    with pytest.raises(FitsError, match="has no HDU 9"):
        ImageI(path, 9)


def test_a_row_is_no_value_of_all_pixels() -> None:
    image = ImageF(3, 2)
    for row in ([1.0, 2.0, 3.0], (1.0, 2.0, 3.0), np.arange(3.0)):
        with pytest.raises(TypeError, match="one number, or an array of two dimensions"):
            image.set(row)
        with pytest.raises(TypeError, match="one number is needed"):
            image[0, 0] = row
    assert image.array.sum() == 0
    image.set([[1, 2, 3], [4, 5, 6]])
    assert image.array.sum() == 21
