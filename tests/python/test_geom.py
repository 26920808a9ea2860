from __future__ import annotations

import copy
import itertools
import math
import pickle
from typing import Any

import numpy as np
import pytest

import evensky.geom as geom
from evensky.errors import InvalidParameterError, OutOfRangeError
from evensky.geom import Box2D, Box2I, Extent2D, Extent2I, IntervalD, IntervalI, Point2D, Point2I


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


def test_coordinates_are_compared_one_by_one() -> None:
    one, other = Point2I(1, 5), Point2D(2.0, 5.0)
    table = {"eq": (False, True), "ne": (True, False), "lt": (True, False), "le": (True, True)}
    table |= {"gt": (False, False), "ge": (False, True)}
    for name, want in table.items():
        assert tuple(getattr(one, name)(other)) == want, name
        assert tuple(getattr(Extent2I(1, 5), name)(Extent2D(2, 5))) == want, name
    assert tuple(one.lt(3)) == (True, False)
    assert any(Extent2I(0, 2).eq(0))
    assert geom.any(Extent2I(0, 2).eq(0)) is not geom.all(Extent2I(0, 2).eq(0))
    assert not all(Extent2D(0.5, 2).gt(1.5))
    first, second = one.lt(3), one.eq(1)
    assert first.and_(second) == first.or_(second) == geom.CoordinateExpr2(True, False)
    assert first.not_()[1] is True
    assert (len(first), first.dimensions, repr(first)) == (2, 2, "CoordinateExpr2(True, False)")


def test_points_become_extents_and_back() -> None:
    assert Point2I(3, 4).asExtent() == Extent2I(3, 4) == Extent2I(Point2I(3, 4))
    assert Extent2D(3.5, 4).asPoint() == Point2D(3.5, 4) == Point2D(Extent2D(3.5, 4))
    assert Extent2I(3, 4).computeNorm() == 5.0
    assert Extent2I(3, -4).computeSquaredNorm() == 25
    assert Point2D(1, 1).distanceSquared(Point2I(4, 5)) == 25.0
    assert Extent2I(1) + Point2I(3, 4) - Point2I(1, 1) == Extent2I(3, 4)


def test_real_points_are_rounded_to_the_pixel_that_holds_them() -> None:
    x = [-1.5, -0.51, -0.5, 0.49, 0.5, 1.5, 2.5, 7.2]
    assert [Point2I(Point2D(one, 0)).x for one in x] == [-1, -1, 0, 0, 1, 2, 3, 7]
    assert geom.truncate(Extent2D(-1.5, 2.7)) == Extent2D(-1.5, 2.7).truncate() == Extent2I(-1, 2)
    assert geom.floor(Extent2D(-1.5, 2.7)) == Extent2D(-1.5, 2.7).floor() == Extent2I(-2, 2)
    assert geom.ceil(Point2D(-1.5, 2.7)) == Point2I(-1, 3)


def test_changes_in_place() -> None:
    point = same = Point2I(1, 2)
    point += Extent2I(3, 4)
    point -= Extent2I(1, 1)
    assert point is same
    assert same == Point2I(3, 5)
    point[0] = 9
    point.shift(Extent2I(1, 0))
    point.scale(2)
    assert (same.x, same[1]) == (20, 10)
    extent = Extent2I(8, 6)
    extent *= 2
    extent //= 4
    assert extent == Extent2I(4, 3)
    real = Extent2D(8, 6)
    real /= 4
    real += Extent2I(1, 1)
    assert real == Extent2D(3, 2.5)
    place = Point2D(1, 2)
    place.shift((0.5, 0.5))
    assert place == Point2D(1.5, 2.5)


@pytest.mark.parametrize(("size", "begins"), [(1, 8), (2, 8), (3, 7), (4, 7), (5, 6), (6, 6)])
def test_centered_box_of_a_size(size: int, begins: int) -> None:
    """Halves are not rounded to even numbers: boxes of one size move with their centres."""
    for shift in range(4):
        box = Box2I.makeCenteredBox(Point2D(8 + shift, 108 + shift), Extent2I(size, size))
        assert (box.getMin(), box.getDimensions()) == (
            Point2I(begins + shift, begins + 100 + shift),
            Extent2I(size, size),
        )


def test_no_box_of_the_size_is_nearer_to_the_centre() -> None:
    for x, y in np.random.default_rng(2).uniform(-20, 20, (100, 2)):
        for size in (Extent2I(3, 4), Extent2I(6, 1)):
            middle = Box2I.makeCenteredBox(Point2D(x, y), size).getCenter()
            assert max(abs(middle.x - x), abs(middle.y - y)) <= 0.5


def test_centered_boxes() -> None:
    assert Box2I.makeCenteredBox(Point2D(-8.5, 0.7), Extent2I(4, 3)) == Box2I(Point2I(-10, 0), Extent2I(4, 3))
    assert Box2I.makeCenteredBox(Point2D(3, 3), Extent2I(4, 0)).isEmpty()
    assert Box2I.makeCenteredBox(Point2D(3, 3), Extent2I(-4, 2)).isEmpty()
    real = Box2D.makeCenteredBox(Point2D(3, 4), Extent2D(5, 2.5))
    assert (real.getMin(), real.getMax()) == (Point2D(0.5, 2.75), Point2D(5.5, 5.25))
    assert IntervalI(center=8.0, size=2) == IntervalI(8, 9)


def test_a_negative_size_reaches_back_unless_told_otherwise() -> None:
    corner = Point2I(5, 5)
    assert Box2I(corner, Extent2I(-3, -3)) == Box2I(Point2I(3, 3), Point2I(5, 5))
    assert Box2I(corner, Extent2I(-3, 2)) == Box2I(Point2I(3, 5), Point2I(5, 6))
    assert Box2I(corner, Extent2I(-3, -3), True) == Box2I(corner, Extent2I(-3, -3), invert=np.bool_(True))
    assert Box2I(corner, Extent2I(-3, -3), False).isEmpty()
    assert Box2I(corner, Extent2I(-3, 0)).isEmpty()
    assert Box2I(corner, Point2I(3, 4), False).isEmpty()
    assert Box2I(corner, Point2I(7, 4), False).isEmpty()
    assert Box2I(corner, corner, False).getArea() == 1
    real = Box2D(Point2D(5, 5), Extent2D(-3, 2))
    assert (real.getMin(), real.getMax()) == (Point2D(2, 5), Point2D(5, 7))
    assert Box2D(Point2D(5, 5), Extent2D(-3, 2), False).isEmpty()
    assert Box2D(Point2D(5, 5), Point2D(3, 7), False).isEmpty()
    assert Box2D(Point2D(5, 5), Point2D(3, 7)) == Box2D(minimum=Point2D(3, 5), maximum=Point2D(5, 7))
    assert Box2D(corner=Point2D(3, 5), dimensions=Extent2D(2, 2)).getArea() == 4.0
    assert Box2D(Point2D(3, 5), Point2D(5, 5)) == Box2D()


def test_real_boxes_become_pixels() -> None:
    rng = np.random.default_rng(1)
    for x0, y0, x1, y1 in rng.uniform(-10, 10, (50, 4)):
        real = Box2D(Point2D(x0, y0), Point2D(x1, y1))
        if min(real.getDimensions()) < 2:
            continue
        big, small = Box2I(real), Box2I(real, Box2I.SHRINK)
        assert big == Box2I(real, edgeHandling=Box2I.EdgeHandlingEnum.EXPAND)
        assert Box2D(big).contains(real)
        assert real.contains(Box2D(small))
        assert not Box2D(big.erodedBy(1)).contains(real)
        assert not real.contains(Box2D(small.dilatedBy(1)))
        assert max(big.getDimensions() - small.getDimensions()) <= 2
        assert big.x == IntervalI(real.x, IntervalI.EXPAND)
        assert small.y == IntervalI(real.y, edgeHandling=IntervalI.SHRINK)
    pixels = Box2I(Point2I(-3, 4), Extent2I(5, 6))
    assert Box2I(Box2D(pixels), Box2I.EXPAND) == Box2I(Box2D(pixels), Box2I.SHRINK) == pixels
    assert IntervalD(pixels.x) == Box2D(pixels).x
    assert Box2I(Box2D()).isEmpty()
    assert IntervalI(IntervalD()) == IntervalI()
    assert Box2I(Box2D(Point2D(0.1, 0.1), Point2D(0.3, 5)), Box2I.SHRINK).isEmpty()


def test_real_box_changes() -> None:
    box = Box2D(Point2D(0, 0), Extent2D(4, 2))
    box.include(Point2D(5, 1))
    assert box.contains(Point2D(5, 1))
    assert box.getMaxX() == math.nextafter(5, 6)
    assert box.getMaxY() == 2
    box = Box2D(Point2D(0, 0), Extent2D(4, 2))
    assert box.expandedTo(Box2D(Point2D(-1, 1), Point2D(1, 3))) == Box2D(Point2D(-1, 0), Point2D(4, 3))
    assert box.expandedTo(Box2D()) == box == Box2D().expandedTo(box)
    assert Box2D().expandedTo(Point2D(0, 0)).contains(Point2D(0, 0))
    assert box.dilatedBy(0.5).getDimensions() == Extent2D(5, 3)
    assert box.dilatedBy(Extent2D(0, 1)).getDimensions() == Extent2D(4, 4)
    assert box.erodedBy(1).isEmpty()
    assert box.shiftedBy(Extent2D(1, 0.5)).getMin() == Point2D(1, 0.5)
    other = Box2D(Point2D(3, 1), Extent2D(4, 4))
    assert box.clippedTo(other) == Box2D(Point2D(3, 1), Point2D(4, 2))
    assert box.overlaps(other)
    assert box.intersects(other)
    assert not box.isDisjointFrom(other)
    assert not box.overlaps(box.shiftedBy(Extent2D(4, 0)))
    assert box.isDisjointFrom(Box2D())
    assert box.reflectedAboutX(5) == Box2D(Point2D(6, 0), Extent2D(4, 2))
    assert box.reflectedAboutY(0) == Box2D(Point2D(0, -2), Extent2D(4, 2))
    assert other.getCorners() == [Point2D(3, 1), Point2D(7, 1), Point2D(7, 5), Point2D(3, 5)]
    assert (other.getCenterX(), other.centerY, other.width, other.minX, other.maxY) == (5, 3, 4, 3, 5)
    assert Box2D(other.getMin(), other.getMax()) == other == eval(repr(other)) == Box2D(other)
    assert Box2D().dilatedBy(3).isEmpty()
    assert repr(Box2D()) == "Box2D()"
    assert pickle.loads(pickle.dumps(other)) == other == copy.deepcopy(other)
    box.flipLR(10)
    box.flipTB(2.5)
    assert box == Box2D(Point2D(6, 0.5), Extent2D(4, 2))


def test_pixel_boxes_flip_as_images_do() -> None:
    array = np.zeros((6, 10), bool)
    box = Box2I(Point2I(1, 2), Extent2I(3, 2))
    array[box.slices] = True
    for flipped, other in ((array[:, ::-1], "LR"), (array[::-1], "TB")):
        moved = Box2I(box)
        getattr(moved, f"flip{other}")(array.shape[other == "LR"])
        again = np.zeros_like(array)
        again[moved.slices] = True
        np.testing.assert_array_equal(again, flipped)
    assert box.reflectedAboutX(4) == Box2I(Point2I(5, 2), Extent2I(3, 2))
    assert box.reflectedAboutY(0) == Box2I(Point2I(1, -3), Extent2I(3, 2))
    assert Box2I().reflectedAboutX(3).isEmpty()
    assert (box.begin, box.end) == (Point2I(1, 2), Point2I(4, 4))


def test_arrays_of_coordinates() -> None:
    box = Box2I(Point2I(2, 3), Extent2I(4, 2))
    y, x = np.indices((8, 9))
    inside = box.contains(x, y)
    assert (inside.dtype, int(inside.sum())) == (np.bool_, box.getArea())
    assert inside[box.slices].all()
    for column, row in itertools.product(range(9), range(8)):
        assert bool(inside[row, column]) is box.contains(column, row) is box.contains(Point2I(column, row))
    np.testing.assert_array_equal(box.contains([1, 2, 5, 6], 3), [False, True, True, False])
    real = Box2D(box)
    np.testing.assert_array_equal(real.contains(x - 0.5, y.astype(np.float32)), real.dilatedBy(0).contains(x - 0.5, y))
    np.testing.assert_array_equal(real.contains([1.5, 5.5, math.nan], [3, 3, 3]), [True, False, False])
    np.testing.assert_array_equal(box.x.contains(np.arange(9)), (np.arange(9) >= 2) & (np.arange(9) <= 5))
    np.testing.assert_array_equal(real.y.contains([2.4, 2.5, 4.5, 4.6]), [False, True, True, False])
    assert Box2I().contains(x, y).any() is np.False_
    assert box.contains((3, 4))
    assert (3, 4) in box
    assert Point2D(5.6, 3) not in real


@pytest.mark.parametrize("kind", [IntervalI, IntervalD])
def test_intervals(kind: Any) -> None:
    interval = kind(2, 5)
    assert interval == kind(min=2, max=5) == kind(kind(2, 5)) == kind.fromSpannedPoints([5, 3, 2])
    size = interval.getSize()
    assert size == (4 if kind is IntervalI else 3)
    assert interval == kind(min=2, size=size) == kind(max=5, size=size) == kind(center=3.5, size=size)
    assert (interval.min, interval.max, interval.center) == (2, 5, 3.5)
    assert (
        interval.shiftedBy(2)
        == kind(4, 7)
        == interval.reflectedAbout(4.5 if kind is IntervalD else 5).shiftedBy(0 if kind is IntervalD else -1)
    )
    assert interval.dilatedBy(1) == kind(1, 6)
    assert interval.erodedBy(2).isEmpty()
    assert interval.expandedTo(8) == interval.expandedTo(kind(6, 8)) == kind(2, 8)
    assert interval.clippedTo(kind(4, 9)) == kind(4, 5)
    assert interval.overlaps(kind(5, 9))
    assert interval.isDisjointFrom(kind(6, 9))
    assert interval.contains(kind(3, 4))
    assert not interval.contains(kind(3, 6))
    assert 2 in interval
    assert 6 not in interval
    empty = kind()
    assert (empty.isEmpty(), empty.getSize(), empty == kind(3, 2), hash(empty)) == (True, 0, True, hash(kind(3, 2)))
    assert interval.contains(empty)
    assert not empty.contains(interval)
    assert empty.expandedTo(interval) == interval == interval.expandedTo(empty)
    assert empty.clippedTo(interval) == empty.shiftedBy(3) == empty.dilatedBy(1) == empty.reflectedAbout(0) == empty
    assert kind.fromSpannedPoints([]) == empty
    for one in (interval, empty):
        assert pickle.loads(pickle.dumps(one)) == one == eval(repr(one))
    assert (str(kind(2, 5)).startswith("[2"), str(empty)) == (True, "(empty)")
    assert interval != "other"


def test_intervals_of_boxes() -> None:
    box = Box2I(Point2I(2, 3), Extent2I(4, 2))
    assert (box.x, box.y) == (IntervalI(2, 5), IntervalI(3, 4))
    assert (box.x.begin, box.x.end, box.x.size, box.y.min, box.y.max) == (2, 6, 4, 3, 4)
    assert Box2I(box.x, box.y) == Box2I(x=box.x, y=box.y) == box
    assert (box.y.slice(), box.x.slice()) == box.slices == box.getSlices()
    np.testing.assert_array_equal(box.x.arange(), [2, 3, 4, 5])
    assert Box2I().x == IntervalI()
    real = Box2D(box)
    assert Box2D(real.x, real.y) == real
    assert real.x.isFinite()
    assert IntervalD().isFinite()
    assert not IntervalD(0, math.inf).isFinite()
    assert Box2D().y == IntervalD()


def test_angles() -> None:
    angle = 90 * geom.degrees
    assert angle.asRadians() == pytest.approx(math.pi / 2)
    assert angle.asDegrees() == pytest.approx(90)
    assert angle.asHours() == pytest.approx(6)
    assert angle.asArcminutes() == pytest.approx(5400)
    assert angle.asArcseconds() == pytest.approx(324000)
    assert angle.asMilliarcseconds() == pytest.approx(324e6)
    assert geom.Angle(0.2, geom.arcseconds).asAngularUnits(geom.milliarcseconds) == pytest.approx(200)
    assert (np.float64(6) * geom.hours).asDegrees() == pytest.approx(90)
    assert (geom.arcminutes * 60).asDegrees() == pytest.approx(1)
    assert float(angle + angle - 0.5 * angle) == pytest.approx(0.75 * math.pi)
    assert angle / (30 * geom.degrees) == pytest.approx(3)
    assert (np.float64(2) * angle / 2).asDegrees() == pytest.approx(90)
    assert (-angle < geom.Angle(0) <= angle, abs(-angle) == angle, angle > -angle, angle >= angle) == (True,) * 4
    assert (270 * geom.degrees).wrapCtr().asDegrees() == pytest.approx(-90)
    assert (-90 * geom.degrees).wrap().asDegrees() == pytest.approx(270)
    assert (10 * geom.degrees).wrapNear(350 * geom.degrees).asDegrees() == pytest.approx(370)
    assert (10 * geom.degrees).separation(350 * geom.degrees).asDegrees() == pytest.approx(20)
    assert geom.isAngle(angle)
    assert not geom.isAngle(1.5)
    assert len({angle, geom.Angle(angle), 1 * geom.radians}) == 2
    assert repr(geom.Angle(0.5)) == "Angle(0.5, radians)"
    assert pickle.loads(pickle.dumps(angle)) == angle
    assert geom.arcsecToRad(geom.radToArcsec(0.1)) == pytest.approx(0.1)
    assert geom.masToRad(geom.radToMas(0.1)) == pytest.approx(0.1)
    assert geom.radToDeg(geom.PI) == pytest.approx(180)
    assert geom.degToRad(180) == pytest.approx(geom.PI)
    assert repr(geom.degrees) == "degrees"


def test_positions_on_the_sky() -> None:
    point = geom.SpherePoint(370, -45, geom.degrees)
    assert (point.getRa().asDegrees(), point.getDec().asDegrees()) == pytest.approx((10, -45))
    assert point.getPosition(geom.degrees).x == pytest.approx(10)
    assert [angle.asDegrees() for angle in point] == pytest.approx([10, -45])
    assert geom.SpherePoint(point.getLongitude(), point.getLatitude()) == point
    assert point.separation(geom.SpherePoint(190, -45, geom.degrees)).asDegrees() == pytest.approx(90)
    near = geom.SpherePoint(10, -45 + 1e-9, geom.degrees)
    assert point.separation(near).asDegrees() == pytest.approx(1e-9, rel=1e-4)
    assert point.isFinite()
    assert not geom.SpherePoint(math.nan, 0, geom.degrees).isFinite()
    assert point[1] == point.getLatitude()
    assert len({point, geom.SpherePoint(370, -45, geom.degrees)}) == 1


def test_empty_boxes_and_those_at_edges_contain_what_is_in_them() -> None:
    box, empty = Box2I(Point2I(-2, 3), Extent2I(4, 5)), Box2I()
    for other, inside in [
        (box, True),
        (empty, True),
        (Box2I(Point2I(-2, 3), Extent2I(1, 5)), True),
        (Box2I(Point2I(1, 7), Extent2I(1, 1)), True),
        (Box2I(Point2I(1, 7), Extent2I(2, 1)), False),
        (Box2I(Point2I(1, 7), Extent2I(1, 2)), False),
        (Box2I(Point2I(-3, 3), Extent2I(2, 2)), False),
        (Box2I(Point2I(-2, 2), Extent2I(2, 2)), False),
    ]:
        assert box.contains(other) is inside
    assert empty.contains(empty)
    assert not empty.contains(Box2I(Point2I(0, 0), Extent2I(1, 1)))
    assert not empty.contains(Point2I(0, 0))
