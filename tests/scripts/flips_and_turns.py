"""Turn and mirror the images of amplifiers."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.geom as geom

image = afwImage.ImageF(20, 10)
image[0, 0, afwImage.LOCAL] = 100
image[10, 0, afwImage.LOCAL] = 50
image.setXY0(geom.Point2I(300, 400))
width, height = image.getDimensions()

right, top = width - 1, height - 1
for nQuarter, x, y in [(0, 0, 0), (1, top, 0), (2, right, top), (3, 0, right), (-1, 0, right), (5, top, 0)]:
    turned = afwMath.rotateImageBy90(image, nQuarter)
    assert turned[x, y, afwImage.LOCAL] == 100, nQuarter
    assert turned.getDimensions() == (image.getDimensions() if nQuarter % 2 == 0 else geom.Extent2I(height, width))
assert afwMath.rotateImageBy90(image, 1)[top, 10, afwImage.LOCAL] == 50

for flipLR, flipTB, x, y in [(True, False, right, 0), (False, True, 0, top), (True, True, right, top)]:
    flipped = afwMath.flipImage(image, flipLR, flipTB)
    assert flipped[x, y, afwImage.LOCAL] == 100
    assert flipped.getXY0() == geom.Point2I(300, 400)
assert image[0, 0, afwImage.LOCAL] == 100

mask = afwImage.Mask(10, 20)
mask[2, 3] = mask.getPlaneBitMask("SAT")
flipped = afwMath.flipImage(mask, True, False)
assert isinstance(flipped, afwImage.Mask)
assert flipped[7, 3] == mask.getPlaneBitMask("SAT")

masked = afwImage.MaskedImageF(10, 20)
masked[2, 3, afwImage.LOCAL] = (5.0, 1, 2.0)
assert tuple(afwMath.flipImage(masked, False, True)[2, 16, afwImage.LOCAL]) == (5.0, 1, 2.0)
assert tuple(afwMath.rotateImageBy90(masked, 2)[7, 16, afwImage.LOCAL]) == (5.0, 1, 2.0)
