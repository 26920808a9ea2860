from __future__ import annotations

import pickle

import pytest

from evensky.errors import InvalidParameterError, OutOfRangeError
from evensky.geom import Box2D, Box2I, Extent2D, Extent2I, Point2D, Point2I


def test_points_and_extents() -> None:
    assert Point2I(1, 2) + Extent2I(3, 4) == Point2I(4, 6)
    assert Point2I(4, 6) - Point2I(1, 2) == Extent2I(3, 4)
    assert Point2I(1, 2) != Extent2I(1, 2)
    assert Point2D(Point2I(1, 2)) + Extent2D(0.5, 0) == Point2D(1.5, 2.0)
    assert isinstance(Point2I(1, 2) + Extent2D(0.5, 0), Point2D)
    assert tuple(Point2I((7, 8))) == (7, 8)
    assert Point2I(3, 4)[1] == 4
    assert (Point2I(3, 4).getX(), Point2I(3, 4).y) == (3, 4)
    assert Extent2I(3, 4) * 2 == Extent2I(6, 8)
    assert repr(Point2I(3, 4)) == "Point2I(3, 4)"
    assert len({Point2I(1, 2), Point2I(1, 2), Extent2I(1, 2)}) == 2
    with pytest.raises(OutOfRangeError, match="2"):
        Point2I(1, 2)[2]
    with pytest.raises(InvalidParameterError, match=r"1\.5"):
        Point2I(1.5, 2)


def test_box_is_inclusive() -> None:
    box = Box2I(Point2I(10, 20), Extent2I(5, 3))
    assert (box.getMinX(), box.getMaxX(), box.getMinY(), box.getMaxY()) == (10, 14, 20, 22)
    assert (box.getEndX(), box.endY) == (15, 23)
    assert box == Box2I(Point2I(10, 20), Point2I(14, 22)) == Box2I(minimum=Point2I(10, 20), maximum=Point2I(14, 22))
    assert box == Box2I(corner=Point2I(10, 20), dimensions=Extent2I(5, 3))
    assert Box2I(Point2I(14, 22), Point2I(10, 20)) == box
    assert Box2I(Point2I(14, 22), Point2I(10, 20), invert=False).isEmpty()
    assert box.getArea() == 15
    assert box.getDimensions() == Extent2I(5, 3)
    assert box.contains(Point2I(14, 22))
    assert not box.contains(Point2I(15, 22))
    assert Point2I(10, 20) in box
    assert box.getSlices() == (slice(20, 23), slice(10, 15))
    assert hash(box) == hash(Box2I(box))
    assert pickle.loads(pickle.dumps(box)) == box
    assert eval(repr(box)) == box


def test_box_changes() -> None:
    box = Box2I(Point2I(0, 0), Extent2I(10, 10))
    other = Box2I(Point2I(8, -3), Extent2I(10, 10))
    assert box.overlaps(other)
    assert box.clippedTo(other) == Box2I(Point2I(8, 0), Extent2I(2, 7))
    assert box.shiftedBy(Extent2I(1, 2)).getMin() == Point2I(1, 2)
    assert box.dilatedBy(2).getDimensions() == Extent2I(14, 14)
    assert box.erodedBy(5).isEmpty()
    assert box.expandedTo(Point2I(20, 3)).getMaxX() == 20
    box.grow(-1)
    assert box == Box2I(Point2I(1, 1), Extent2I(8, 8))
    box.clip(Box2I(Point2I(100, 100), Extent2I(1, 1)))
    assert box.isEmpty()
    assert box == Box2I()
    assert other.contains(box)
    assert not box.overlaps(other)


def test_real_box_reaches_half_a_pixel_beyond() -> None:
    box = Box2D(Box2I(Point2I(0, 0), Extent2I(10, 4)))
    assert (box.getMinX(), box.getMaxX(), box.getMaxY()) == (-0.5, 9.5, 3.5)
    assert box.getArea() == 40.0
    assert box.contains(Point2D(-0.5, 0))
    assert not box.contains(Point2D(9.5, 0))
    assert box.getCenter() == Point2D(4.5, 1.5)
    assert Box2D(Box2I()).isEmpty()
