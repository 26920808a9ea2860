"""Add images with factors."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.pex.exceptions as pexExcept
import numpy as np

first, second = afwImage.MaskedImageF(8, 6), afwImage.MaskedImageF(8, 6)
first.set(10.0, 0x1, 4.0)
second.set(20.0, 0x8, 9.0)
out = afwImage.MaskedImageF(8, 6)
afwMath.scaledPlus(out, 0.5, first, 0.25, second)
assert tuple(out[3, 3]) == (10.0, 0x9, 0.25 * 4 + 0.0625 * 9)

image = afwImage.ImageD(8, 6)
afwMath.scaledPlus(image, 2.0, first.image, -1.0, second.image)
assert np.all(image.array == 0)
afwMath.scaledPlus(first.image, 1.0, first.image, 1.0, first.image)
assert np.all(first.image.array == 20)

try:
    afwMath.scaledPlus(image, 1.0, afwImage.ImageF(8, 7), 1.0, afwImage.ImageF(8, 7))
except pexExcept.InvalidParameterError:
    pass
else:
    raise AssertionError("images of another size are an error")
