"""Select pixels of arrays by boxes, intervals and coordinate arrays."""

import lsst.geom as geom
import numpy as np

box = geom.Box2I(geom.Point2I(2, 3), geom.Extent2I(4, 2))
array = np.zeros((10, 12))
array[box.slices] = 1
assert array.sum() == box.getArea()
assert array[3, 2] == 1
assert array[4, 5] == 1
assert array[5, 5] == 0
assert box.getSlices() == box.slices == (slice(3, 5), slice(2, 6))

assert (box.x.min, box.x.max, box.x.begin, box.x.end, box.x.size) == (2, 5, 2, 6, 4)
assert (box.y.getMin(), box.y.getMax(), box.y.getBegin(), box.y.getEnd(), box.y.getSize()) == (3, 4, 3, 5, 2)
assert geom.Box2I(box.x, box.y) == box == geom.Box2I(x=geom.IntervalI(min=2, max=5), y=geom.IntervalI(min=3, size=2))
assert geom.IntervalI.fromSpannedPoints([5, 2, 3]) == box.x
assert geom.Box2D(box).x == geom.IntervalD(min=1.5, max=5.5)
assert box.x.dilatedBy(2).clippedTo(geom.IntervalI(min=0, max=6)) == geom.IntervalI(min=0, max=6)
assert box.x.overlaps(geom.IntervalI(min=5, max=9))
assert 6 not in box.x

x, y = np.meshgrid(np.arange(12), np.arange(10))
np.testing.assert_array_equal(box.contains(x, y), array.astype(bool))
np.testing.assert_array_equal(box.contains(x=x, y=y), array.astype(bool))
positions = np.array([1.49, 1.5, 5.49, 5.5])
np.testing.assert_array_equal(geom.Box2D(box).contains(positions, np.full(4, 3.0)), [False, True, True, False])
assert box.contains(2, 3)
assert not box.contains(6, 3)
assert geom.Point2I(5, 4) in box
