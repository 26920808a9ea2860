"""Make boxes of reversed corners and negative sizes, with the third positional argument."""

import lsst.geom as geom

corner = geom.Point2I(5, 5)
assert geom.Box2I(corner, geom.Extent2I(-3, -3)) == geom.Box2I(geom.Point2I(3, 3), geom.Point2I(5, 5))
assert geom.Box2I(corner, geom.Extent2I(-3, -3), True).getMax() == corner
assert geom.Box2I(corner, geom.Extent2I(-3, -3), False).isEmpty()
assert geom.Box2I(corner, geom.Extent2I(-3, -3), invert=False) == geom.Box2I()
assert geom.Box2I(corner, geom.Point2I(2, 9), True).getMin() == geom.Point2I(2, 5)
assert geom.Box2I(corner, geom.Point2I(2, 9), False).isEmpty()
assert geom.Box2I(corner, geom.Point2I(5, 5), False).getArea() == 1
assert geom.Box2D(geom.Point2D(5, 5), geom.Point2D(2, 9), False).isEmpty()
assert geom.Box2D(geom.Point2D(5, 5), geom.Extent2D(-3, 4)).getMinX() == 2.0

# The way scripts test whether two regions meet.
for dx, meets in ((0, True), (4, True), (5, False)):
    low = geom.Point2I(dx, 0)
    overlap = geom.Box2I(low, geom.Point2I(4, 4), False)
    assert overlap.isEmpty() is not meets
