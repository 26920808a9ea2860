"""Compare, add and convert points and extents."""

import lsst.geom as geom

low, high = geom.Point2I(1, 8), geom.Point2I(4, 8)
assert tuple(low.lt(high)) == (True, False)
assert tuple(low.le(high)) == (True, True)
assert tuple(high.gt(low)) == (True, False)
assert tuple(high.ge(low)) == (True, True)
assert tuple(low.eq(high)) == (False, True)
assert tuple(low.ne(high)) == (True, False)
assert any((high - low).eq(0))
assert not all((high - low).gt(0))
assert low != high
assert low == geom.Point2I(1, 8)

size = high - low + geom.Extent2I(1)
assert isinstance(size, geom.Extent2I)
assert size == geom.Extent2I(4, 1)
assert size.asPoint() == geom.Point2I(4, 1)
assert low.asExtent() == geom.Extent2I(1, 8)
assert geom.Extent2D(3, 4).computeNorm() == 5.0
assert geom.Extent2I(3, 4).computeSquaredNorm() == 25
assert geom.Point2D(0, 0).distanceSquared(geom.Point2D(3, 4)) == 25.0
assert geom.Extent2D(geom.Extent2I(3, 4)) * 0.5 == geom.Extent2D(1.5, 2) == geom.Extent2I(3, 4) / 2
assert geom.Extent2I(7, 4) // 2 == geom.Extent2I(3, 2)

moved = geom.Point2I(low)
moved += geom.Extent2I(10, 20)
moved.shift(geom.Extent2I(-1, 0))
moved[1] = 5
assert moved == geom.Point2I(10, 5)
assert low == geom.Point2I(1, 8)
x, y = moved
assert (x, y, len(moved), moved.getX(), moved.y) == (10, 5, 2, 10, 5)
position = geom.Point2D(moved)
position.scale(0.5)
assert position == geom.Point2D(5.0, 2.5)
assert {position: 1}[geom.Point2D(5.0, 2.5)] == 1

angle = 30 * geom.arcseconds
assert abs(angle.asDegrees() - 30 / 3600) < 1e-15
assert abs(geom.Angle(90, geom.degrees).asRadians() - geom.PI / 2) < 1e-15
