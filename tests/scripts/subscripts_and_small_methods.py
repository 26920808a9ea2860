"""Subscripts of classes, assignment to parts, scaled arithmetic, conversions, metadata, images as arrays."""

import lsst.afw.image as afwImage
import lsst.geom as geom
import lsst.pex.exceptions as pexExcept
import numpy as np

# Subscripts.
assert afwImage.Mask[afwImage.MaskPixel] is afwImage.Mask
assert afwImage.Image[np.float32] is afwImage.ImageF
assert afwImage.Image["D"] is afwImage.ImageD
assert afwImage.MaskedImage[np.float64] is afwImage.MaskedImageD
assert afwImage.Exposure[np.float32] is afwImage.ExposureF
assert isinstance(afwImage.Image(3, 4, dtype=np.int32), afwImage.ImageI)

# Assignment.
image = afwImage.ImageF(10, 8)
box = geom.Box2I(geom.Point2I(2, 3), geom.Extent2I(4, 2))
image.assign(afwImage.ImageF(4, 2, 5.0), box)
image.assign(
    rhs=afwImage.ImageF(4, 2, 1.0), bbox=geom.Box2I(geom.Point2I(0, 0), geom.Extent2I(4, 2)), origin=afwImage.LOCAL
)
assert image.array.sum() == 48
image.assign(afwImage.ImageF(10, 8, 2.0), geom.Box2I())
assert image.array.min() == 2.0
try:
    image.assign(afwImage.ImageF(3, 2), box)
except pexExcept.LengthError:
    pass
else:
    raise AssertionError("an image of another size")

# Scaled arithmetic.
image.scaledPlus(10.0, afwImage.ImageF(10, 8, 3.0))
assert image[0, 0] == 32.0
image.scaledMinus(10.0, afwImage.ImageF(10, 8, 3.0))
image.scaledMultiplies(10.0, afwImage.ImageF(10, 8, 3.0))
assert image[0, 0] == 60.0
image.scaledDivides(10.0, afwImage.ImageF(10, 8, 3.0))
assert image[0, 0] == 2.0
c, (value1, variance1), (value2, variance2) = 10.0, (200.0, 15.0), (100.0, 10.0)
one, two = afwImage.MaskedImageF(3, 3), afwImage.MaskedImageF(3, 3)
one.set(value1, 0x1, variance1)
two.set(value2, 0x10, variance2)
one.scaledPlus(c, two)
assert one[0, 0] == (value1 + c * value2, 0x11, variance1 + c * c * variance2)
one.set(value1, 0x1, variance1)
one.scaledMinus(c, two)
assert one[0, 0] == (value1 - c * value2, 0x11, variance1 + c * c * variance2)

# Conversions.
whole = afwImage.ImageU(4, 4, 7)
assert type(whole.convertF()) is afwImage.ImageF
assert type(whole.convertD()) is afwImage.ImageD
assert whole.convertF()[3, 3] == 7.0
assert type(one.convertD()) is afwImage.MaskedImageD
exposure = afwImage.ExposureF(one)
assert type(exposure.convertD()) is afwImage.ExposureD

# Images that share pixels.
part = image[box]
assert afwImage.imagesOverlap(image, part)
assert not afwImage.imagesOverlap(image, afwImage.ImageF(image, True))
assert not afwImage.imagesOverlap(image[0:5, 0:8], image[5:10, 0:8])

# The mask of an exposure.
mask = afwImage.Mask(3, 3)
mask[1, 1] = 0x20
exposure.setMask(mask)
assert exposure.getMask()[1, 1] == 0x20
assert exposure.mask.array.sum() == 0x20

# Metadata.
metadata = exposure.getMetadata()
metadata.setDouble("BGMEAN", 812.5)
metadata.addDouble("SCALE", 1.0)
metadata.addDouble("SCALE", 2.0)
metadata.set("a name of more than eight letters", "text")
assert (
    metadata.getScalar("BGMEAN") == metadata.getDouble("BGMEAN") == exposure.getInfo().getMetadata()["BGMEAN"] == 812.5
)
assert metadata.getArray("SCALE") == [1.0, 2.0]
assert metadata.getScalar("SCALE") == 2.0
assert metadata.exists("BGMEAN")
assert "BGMEAN" in metadata
assert not metadata.exists("NONE")
assert metadata.toDict()["a name of more than eight letters"] == "text"
try:
    metadata.getScalar("NONE")
except KeyError:
    pass
else:
    raise AssertionError("a name that is not there")

# What else an exposure holds.
exposure.setPhotoCalib({"mean": 1.0})
assert exposure.getPhotoCalib() == exposure.getInfo().getPhotoCalib() == {"mean": 1.0}
assert exposure.getDetector() is None
assert not exposure.getInfo().hasPsf()

# Images as arrays.
assert np.asarray(image).shape == (8, 10)
assert np.asarray(image).dtype == np.float32
assert np.median(image) == 2.0
np.asarray(image)[0, 0] = 9.0
assert image[0, 0] == 9.0
assert np.asarray(exposure.mask).sum() == 0x20
