"""Masked images: arithmetic, parts and planes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evensky.errors import FitsError, LengthError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import (
    LOCAL,
    PARENT,
    ImageD,
    ImageF,
    Mask,
    MaskedImage,
    MaskedImageD,
    MaskedImageF,
    imagesOverlap,
    readMetadata,
)

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


def filled(value: float, mask: int, variance: float, **kwargs: Any) -> MaskedImageF:
    masked = MaskedImageF(3, 2, **kwargs)
    masked.set(value, mask, variance)
    return masked


def test_scaled_arithmetic() -> None:
    """The expected values are those of error propagation to first order."""
    c, (v1, s1), (v2, s2) = 10.0, (200.0, 15.0), (100.0, 10.0)
    for name, value, variance in (
        ("Plus", v1 + c * v2, s1 + c**2 * s2),
        ("Minus", v1 - c * v2, s1 + c**2 * s2),
        ("Multiplies", v1 * c * v2, s1 * (c * v2) ** 2 + s2 * (c * v1) ** 2),
        ("Divides", v1 / (c * v2), (s1 * (c * v2) ** 2 + s2 * (c * v1) ** 2) / (c * v2) ** 4),
    ):
        one, two = filled(v1, 1, s1), filled(v2, 4, s2)
        getattr(one, f"scaled{name}")(c, rhs=two)
        assert one[0, 0] == (pytest.approx(value), 5, pytest.approx(variance, rel=1e-6)), name
        with pytest.raises(TypeError, match="ImageF; it must be a MaskedImage"):
            getattr(one, f"scaled{name}")(c, two.image)
        with pytest.raises(LengthError, match="4 x 2"):
            getattr(one, f"scaled{name}")(c, MaskedImageF(4, 2))


def test_pixels_are_set_by_tuples_and_lists() -> None:
    # Three pixels wide, so that numpy would take the three numbers of a list for those of the columns.
    for pixel in ((7.0, 4, 2.0), [7.0, 4, 2.0]):
        masked = MaskedImageF(3, 2)
        masked.set(pixel)
        assert {masked[x, y] for x in range(3) for y in range(2)} == {(7.0, 4, 2.0)}
        masked[:] = (0.0, 0, 0.0)
        masked[1, 1] = pixel
        masked[0:1, 0:1] = pixel
        assert masked.image.array.tolist() == [[7, 0, 0], [0, 7, 0]]
        assert masked.mask.array.tolist() == [[4, 0, 0], [0, 4, 0]]
        assert masked.variance.array.tolist() == [[2, 0, 0], [0, 2, 0]]
    masked.set([5.0])
    masked[0, 0] = [6.0, 1]
    assert (masked[0, 0], masked[1, 1]) == ((6.0, 1, 2.0 * 0), (5.0, 0, 0.0))
    masked.set([[1, 2, 3], [4, 5, 6]])
    assert masked.image.array.tolist() == [[1, 2, 3], [4, 5, 6]]
    for call in (masked.set, lambda value: masked.__setitem__((0, 0), value)):
        with pytest.raises(TypeError, match="as a tuple or a list"):
            call(np.array([1.0, 2.0, 3.0]))
        with pytest.raises(ValueError, match="got 4 values"):
            call([1, 2, 3, 4])


def test_names_of_arguments_and_kinds() -> None:
    masked = filled(1.0, 2, 3.0)
    box = Box2I(Point2I(1, 0), Extent2I(2, 2))
    part = MaskedImageF(rhs=masked, bbox=box, origin=LOCAL, deep=False)
    assert (part.getBBox(), imagesOverlap(part, masked)) == (box, True)
    assert not imagesOverlap(MaskedImageF(rhs=masked, bbox=box, origin=PARENT, deep=True), masked)
    for planes in ({"FOO": 2}, None):
        made = MaskedImageF(dimensions=Extent2I(3, 2), planeDict=planes)
        assert made.mask.getMaskPlaneDict() == (planes or Mask.getMaskPlaneDict())
    assert MaskedImageF(3, 2, {"FOO": 2}).mask.getMaskPlane("FOO") == 2
    assert MaskedImageF(width=3, height=2).getDimensions() == Extent2I(3, 2)
    assert (MaskedImage[np.float32], MaskedImage["D"]) == (MaskedImageF, MaskedImageD)
    assert type(MaskedImage(rhs=masked)) is MaskedImageF
    assert type(masked.convertD()) is MaskedImageD
    with pytest.raises(TypeError, match="takes no argument nothing"):
        MaskedImageF(3, 2, nothing=1)


def test_assign_to_a_part_and_to_all() -> None:
    masked = MaskedImageF(3, 2)
    masked.assign(filled(1.0, 2, 3.0)[0:1, 0:1], Box2I(Point2I(2, 1), Extent2I(1, 1)))
    assert [masked[2, 1], masked[0, 0]] == [(1, 2, 3), (0, 0, 0)]
    masked.assign(rhs=filled(4.0, 5, 6.0), bbox=Box2I(), origin=PARENT)
    assert masked[0, 0] == (4, 5, 6)


def test_swap_text_and_operators() -> None:
    one, two = filled(1.0, 2, 3.0), MaskedImageF(1, 1)
    one.swap(two)
    assert (one.getWidth(), two[0, 0]) == (1, (1, 2, 3))
    for plane in two.getArrays():
        assert str(plane) in str(two)
    for kind in (TypeError, NotImplementedError):
        with pytest.raises(kind, match="no operator makes a new image"):
            two * 3  # type: ignore[operator]


def test_masked_images_in_files(tmp_path: Path) -> None:
    path = tmp_path / "masked.fits"
    masked = filled(1.5, 2, 3.0)
    masked.setXY0(10, 20)
    masked.writeFits(path, {"NIGHT": 3})
    assert readMetadata(path).getScalar("NIGHT") == 3
    with pytest.raises(FitsError, match="exists already"):
        masked.writeFits(path, False)
    for read in (MaskedImageF(path), MaskedImageF(str(path)), MaskedImageF(fileName=path), MaskedImage(path)):
        assert (read.getBBox(), read[12, 21]) == (masked.getBBox(), (1.5, 2, 3.0))
    box = Box2I(Point2I(11, 20), Extent2I(2, 1))
    assert MaskedImageD(path, None, box, PARENT).getBBox() == box
    part = MaskedImageF(path, bbox=Box2I(Point2I(1, 0), Extent2I(2, 1)), origin=LOCAL, needAllHdus=True)
    assert (part.getBBox(), part[11, 20], part.image.array.base) == (box, (1.5, 2, 3.0), None)


def test_what_does_not_fit_changes_nothing() -> None:
    masked = filled(1.0, 2, 3.0)
    for values in (
        ([1.0, 2.0, 3.0], 0, 0.0),
        (1.0, [1, 2, 3], 0.0),
        (1.0, 0, np.ones((3, 3))),
        (5.0, 0, "x"),
        (5.0, 1.5),
    ):
        with pytest.raises((TypeError, LengthError)):
            masked.set(*values)
        with pytest.raises((TypeError, LengthError)):
            masked[0, 0] = values
        assert masked[0, 0] == masked[2, 1] == (1.0, 2, 3.0)
    masked.set(np.full((2, 3), 7.0), 1, np.ones((2, 3)))
    assert masked[2, 1] == (7.0, 1, 1.0)


def test_parts_are_changed_in_place() -> None:
    masked = filled(1.0, 2, 3.0)
    masked[0:1, 0:2] *= 2
    masked[1:2, 0:1] += masked[0:1, 0:1].clone()
    masked.mask[0:1, :] |= 4
    masked.image[-1:, -1:, LOCAL] -= 5
    masked.image -= ImageF(3, 2, 1.0)
    assert masked.image.array.tolist() == [[1, 2, 0], [1, 0, -5]]
    assert masked.mask.array.tolist() == [[6, 2, 2], [6, 2, 2]]
    assert masked.variance.array.tolist() == [[12, 15, 3], [12, 3, 3]]
