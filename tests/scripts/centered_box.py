"""Cut boxes of a size around positions."""

import math

import lsst.afw.image as afwImage
import lsst.geom as geom

# The box whose centre is nearest; halves are rounded up, and nothing is rounded to even numbers.
for size in (1, 2, 3, 4, 7):
    for tenth in range(-45, 130, 3):
        center = geom.Point2D(tenth / 10, 20 - tenth / 10)
        box = geom.Box2I.makeCenteredBox(center, geom.Extent2I(size, size + 1))
        assert box.getDimensions() == geom.Extent2I(size, size + 1)
        assert box.getMinX() == math.floor(center.getX() - size / 2 + 1), (center, size)
        assert box.getMinY() == math.floor(center.getY() - (size + 1) / 2 + 1), (center, size)

begins = [geom.Box2I.makeCenteredBox(geom.Point2D(x, x), geom.Extent2I(4, 4)).getMinX() for x in (8, 9, 10, 11)]
assert begins == [7, 8, 9, 10], begins
begins = [geom.Box2I.makeCenteredBox(geom.Point2D(x, x), geom.Extent2I(2, 2)).getMinX() for x in (8, 9, 10, 11)]
assert begins == [8, 9, 10, 11], begins
assert geom.Box2I.makeCenteredBox(geom.Point2D(10, 10), geom.Extent2I(3, 3)).contains(geom.Point2I(10, 10))

# A stamp around a source.
image = afwImage.ImageF(50, 40)
image.setXY0(geom.Point2I(100, 200))
image[120, 215] = 7.0
stamp = image[geom.Box2I.makeCenteredBox(geom.Point2D(120.2, 214.9), geom.Extent2I(5, 5))]
assert stamp.getDimensions() == geom.Extent2I(5, 5)
assert stamp[120, 215] == 7.0 == stamp.array.max()
