"""Arguments of images have the names of the original."""

import lsst.afw.image as afwImage
import lsst.geom as geom
import numpy as np

box = geom.Box2I(geom.Point2I(5, 6), geom.Extent2I(4, 3))
for kind in (afwImage.ImageF, afwImage.ImageD, afwImage.ImageI, afwImage.ImageU):
    image = kind(bbox=box, initialValue=3)
    assert image.getBBox() == box
    assert image.array.min() == 3
    assert kind(width=4, height=3, initialValue=2).array.sum() == 24
    assert kind(dimensions=geom.Extent2I(4, 3)).array.sum() == 0
    part = kind(rhs=image, bbox=geom.Box2I(geom.Point2I(1, 1), geom.Extent2I(2, 2)), origin=afwImage.LOCAL, deep=False)
    part.set(9)
    assert image.array.sum() == 3 * 8 + 9 * 4
    assert not np.shares_memory(kind(rhs=image, deep=True).array, image.array)
    assert kind(array=image.array, deep=False, xy0=geom.Point2I(1, 2)).getXY0() == geom.Point2I(1, 2)
    image.scaledPlus(c=2, rhs=image.clone())
    assert image[5, 6] == 9
    image.assign(rhs=kind(2, 2, 1), bbox=geom.Box2I(geom.Point2I(5, 6), geom.Extent2I(2, 2)), origin=afwImage.PARENT)
    assert image[6, 7] == 1
    assert image.subset(bbox=part.getBBox(), origin=afwImage.PARENT).getDimensions() == geom.Extent2I(2, 2)
    assert image.getBBox(origin=afwImage.LOCAL).getMin() == geom.Point2I(0, 0)

mask = afwImage.Mask(width=4, height=3, planeDefs={"FOO": 2})
assert mask.getMaskPlaneDict() == {"FOO": 2}
assert afwImage.Mask(bbox=box, initialValue=0x3)[5, 6] == 0x3
assert afwImage.Mask(dimensions=geom.Extent2I(4, 3)).getWidth() == 4
assert afwImage.Mask.getPlaneBitMask(name="SAT") == 2
mask.clearMaskPlane(plane=2)
mask.removeAndClearMaskPlane(name="FOO", removeFromDefault=False)
assert mask.getMaskPlaneDict() == {}

masked = afwImage.MaskedImageF(image=afwImage.ImageF(box), mask=afwImage.Mask(box), variance=afwImage.ImageF(box, 4.0))
part = afwImage.MaskedImageF(
    rhs=masked, bbox=geom.Box2I(geom.Point2I(1, 0), geom.Extent2I(2, 1)), origin=afwImage.LOCAL, deep=True
)
part.set(1.0, 0x1, 1.0)
assert (part.getXY0(), masked[6, 6]) == (geom.Point2I(6, 6), (0.0, 0x0, 4.0))
assert afwImage.MaskedImageF(width=4, height=3).getDimensions() == geom.Extent2I(4, 3)
assert afwImage.MaskedImageF(dimensions=geom.Extent2I(4, 3), planeDict={"FOO": 2}).mask.getMaskPlane("FOO") == 2
assert afwImage.makeMaskedImage(image=masked.image, mask=masked.mask, variance=masked.variance)[5, 6] == (0.0, 0x0, 4.0)

exposure = afwImage.ExposureF(maskedImage=masked)
cutout = afwImage.ExposureF(
    exposure, bbox=geom.Box2I(geom.Point2I(6, 6), geom.Extent2I(2, 2)), origin=afwImage.PARENT, deep=True
)
assert cutout.getXY0() == geom.Point2I(6, 6)
assert afwImage.ExposureF(width=4, height=3).getHeight() == 3
