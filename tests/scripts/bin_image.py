"""Bin images and masked images."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.geom as geom
import lsst.pex.exceptions as pexExcept
import numpy as np

image = afwImage.ImageF(geom.Box2I(geom.Point2I(100, 200), geom.Extent2I(203, 131)))
image.array[:] = np.arange(203)[np.newaxis, :]
binned = afwMath.binImage(image, 4)
assert isinstance(binned, afwImage.ImageF)
assert binned.getDimensions() == geom.Extent2I(50, 32)
assert binned.getXY0() == image.getXY0()
assert binned[0, 0, afwImage.LOCAL] == 1.5
assert binned[49, 31, afwImage.LOCAL] == 197.5

binned = afwMath.binImage(image, 4, 3, afwMath.MEAN)
assert binned.getDimensions() == geom.Extent2I(50, 43)
binned = afwMath.binImage(image, binX=2, binY=1)
assert binned.getDimensions() == geom.Extent2I(101, 131)

masked = afwImage.MaskedImageF(geom.Extent2I(8, 8))
masked.set(10.0, 0x0, 16.0)
masked.mask[1, 1, afwImage.LOCAL] = 0x2
binned = afwMath.binImage(masked, 4)
assert binned[0, 0, afwImage.LOCAL] == (10.0, 0x2, 1.0)
assert binned[1, 1, afwImage.LOCAL] == (10.0, 0x0, 1.0)

for wrong, error in (
    (lambda: afwMath.binImage(image, 2, 2, afwMath.MEDIAN), pexExcept.InvalidParameterError),
    (lambda: afwMath.binImage(image, 0), pexExcept.DomainError),
):
    try:
        wrong()
    except error:
        continue
    raise AssertionError(f"{error} was not raised")
