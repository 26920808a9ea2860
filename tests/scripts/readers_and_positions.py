"""Readers of parts of files, and positions of columns and rows."""

import lsst.afw.image as afwImage
import lsst.geom as geom
import lsst.pex.exceptions as pexExcept
import numpy as np

box = geom.Box2I(geom.Point2I(100, 50), geom.Extent2I(30, 20))
exposure = afwImage.ExposureF(box)
exposure.image.array[:, :] = np.arange(600).reshape(20, 30)
exposure.variance.set(2.0)
exposure.mask[geom.Point2I(110, 55)] = exposure.mask.getPlaneBitMask("SAT")
exposure.writeFits("exposure.fits")

reader = afwImage.ExposureFitsReader("exposure.fits")
part = geom.Box2I(geom.Point2I(105, 52), geom.Extent2I(10, 8))
assert reader.fileName == "exposure.fits"
assert reader.readBBox() == box
assert reader.readXY0() == box.getMin()
assert np.array_equal(reader.readImage(bbox=part).array, exposure.image[part].array)
assert reader.readMask(bbox=part)[geom.Point2I(110, 55)] == exposure.mask.getPlaneBitMask("SAT")
assert reader.readVariance().array.max() == 2
local = geom.Box2I(geom.Point2I(5, 2), geom.Extent2I(10, 8))
masked = reader.readMaskedImage(bbox=local, origin=afwImage.LOCAL)
assert isinstance(masked, afwImage.MaskedImageF)
assert masked.getBBox() == part
assert isinstance(reader.read(dtype=np.float64), afwImage.ExposureD)

exposure.image.writeFits("image.fits")
assert afwImage.ImageFitsReader("image.fits").read(part).getBBox() == part
try:
    afwImage.MaskedImageFitsReader("absent.fits")
except pexExcept.IoError as error:
    message = str(error)
assert "absent.fits" in message

image = exposure.image
assert image.indexToPosition(4, afwImage.X) == 104.0
assert image.positionToIndex(54.75, afwImage.Y) == (5, -0.25)
assert afwImage.positionToIndex(1.5) == 2
assert issubclass(pexExcept.TimeoutError, pexExcept.RuntimeError)
