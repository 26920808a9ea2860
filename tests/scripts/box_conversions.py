"""Convert between pixels and real coordinates, and change real boxes."""

import lsst.geom
from lsst.geom import Box2D, Box2I, Extent2D, Extent2I, Point2D, Point2I

footprint = Box2D(Point2D(9.7, 19.2), Point2D(20.4, 30.6))
outer = Box2I(footprint)
inner = Box2I(footprint, Box2I.SHRINK)
assert outer == Box2I(footprint, edgeHandling=Box2I.EXPAND) == Box2I(Point2I(10, 19), Point2I(20, 31)), outer
assert inner == Box2I(Point2I(11, 20), Point2I(19, 30)), inner
assert Box2D(outer).contains(footprint)
assert footprint.contains(Box2D(inner))
assert Box2I(Box2D(), Box2I.EXPAND).isEmpty()
assert Box2D(Box2I()).isEmpty()
assert Box2D(Box2I(Point2I(0, 0), Extent2I(4, 3))) == Box2D(Point2D(-0.5, -0.5), Point2D(3.5, 2.5))

# The pixel in which a position lies.
assert [Point2I(Point2D(x, -x)) for x in (0.4, 0.5, 1.5, 2.5)] == [
    Point2I(0, 0),
    Point2I(1, 0),
    Point2I(2, -1),
    Point2I(3, -2),
]
assert lsst.geom.floor(Extent2D(1.7, -1.7)) == Extent2I(1, -2)
assert lsst.geom.ceil(Extent2D(1.2, -1.7)) == Extent2I(2, -1)
assert lsst.geom.truncate(Extent2D(1.7, -1.7)) == Extent2I(1, -1)

box = Box2D()
for x, y in ((3.0, 4.0), (10.0, -2.0), (5.5, 6.5)):
    box.include(Point2D(x, y))
assert all(box.contains(Point2D(x, y)) for x, y in ((3.0, 4.0), (10.0, -2.0), (5.5, 6.5)))
assert box.getMin() == Point2D(3, -2)
assert abs(box.getMaxX() - 10) < 1e-12
box.grow(1)
assert box.getMin() == Point2D(2, -3)
box.grow(Extent2D(0, 2))
assert box.getMinY() == -5.0
box.shift(Extent2D(-2, 5))
assert box.getMin() == Point2D(0, 0)
box.clip(Box2D(Point2D(0, 0), Extent2D(4, 2)))
assert (box.getWidth(), box.getHeight(), box.getArea()) == (4.0, 2.0, 8.0)
assert box.getCenter() == Point2D(2, 1)
assert (box.getCenterX(), box.getCenterY()) == (2.0, 1.0)
assert box.getCorners() == [Point2D(0, 0), Point2D(4, 0), Point2D(4, 2), Point2D(0, 2)]
assert Box2D(box.getMin(), box.getMax()) == box
assert box.overlaps(Box2D(Point2D(3, 1), Extent2D(9, 9)))
assert not box.overlaps(Box2D(Point2D(4, 0), Extent2D(1, 1)))
assert box.dilatedBy(1).erodedBy(1) == box == box.shiftedBy(Extent2D(1, 1)).shiftedBy(Extent2D(-1, -1))
assert box.clippedTo(Box2D(Point2D(9, 9), Extent2D(1, 1))).isEmpty()
assert box.expandedTo(Point2D(-1, -1)).getMin() == Point2D(-1, -1)

# Whole pixels.
pixels = Box2I(Point2I(2, 3), Extent2I(5, 4))
assert pixels.getCorners() == [Point2I(2, 3), Point2I(6, 3), Point2I(6, 6), Point2I(2, 6)]
assert (pixels.getBeginX(), pixels.getEndX(), pixels.getBegin(), pixels.getEnd()) == (
    2,
    7,
    Point2I(2, 3),
    Point2I(7, 7),
)
assert pixels.dilatedBy(1) == Box2I(Point2I(1, 2), Extent2I(7, 6))
assert pixels.erodedBy(Extent2I(2, 1)).width == 1
assert pixels.shiftedBy(Extent2I(1, 1)).clippedTo(pixels).getArea() == 12
assert pixels.expandedTo(Point2I(0, 0)).getMin() == Point2I(0, 0)
pixels.include(Point2I(9, 3))
assert pixels.getMaxX() == 9
assert pixels.overlaps(Box2I(Point2I(9, 6), Extent2I(1, 1)))
assert pixels.isDisjointFrom(Box2I(Point2I(10, 3), Extent2I(1, 1)))
