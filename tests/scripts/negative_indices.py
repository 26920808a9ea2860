"""Local indices count from the far edge where they are negative."""

import lsst.afw.image as afwImage
import lsst.geom as geom
import lsst.pex.exceptions as pexExcept
import numpy as np
from lsst.afw.image import LOCAL

image = afwImage.ImageF(10, 20)
image.setXY0(geom.Point2I(50, 100))
image[-3:, -2:, LOCAL] = 100
assert np.argwhere(image.array == 100).tolist() == [[y, x] for y in (18, 19) for x in (7, 8, 9)]
assert image[-1, 0, LOCAL] == 0
assert image[-1, -1, LOCAL] == image[59, 119] == 100
image[-2, -2, LOCAL] = 5
assert image.array[18, 8] == 5

# A border of 2 pixels, as scripts leave it out.
inside = image[2:-2, 2:-2, LOCAL]
assert inside.getBBox() == geom.Box2I(geom.Point2I(52, 102), geom.Extent2I(6, 16))
inside[:] = -1
assert (image.array == -1).sum() == 96

masked = afwImage.MaskedImageF(10, 20)
masked[-3:, -2:, LOCAL] = (7.0, 0x4, 2.0)
assert masked[-1, -1, LOCAL] == masked[9, 19] == (7.0, 0x4, 2.0)
assert masked.mask.array.sum() == 24

exposure = afwImage.ExposureF(masked)
assert exposure[-3:, :, LOCAL].getBBox() == geom.Box2I(geom.Point2I(7, 0), geom.Extent2I(3, 20))

# Without LOCAL, numbers are positions in the parent.
for index in ((-1, -1), (10, 0), (0, 20)):
    try:
        afwImage.ImageF(10, 20)[index]
    except IndexError:
        pass
    else:
        raise AssertionError(index)
try:
    image[geom.Box2I(geom.Point2I(0, 0), geom.Extent2I(3, 3))]
except pexExcept.LengthError:
    pass
else:
    raise AssertionError("a box outside the image")
