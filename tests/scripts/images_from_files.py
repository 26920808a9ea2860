"""Images, masks, masked images and exposures are made from files."""

import os
import tempfile

import lsst.afw.image as afwImage
import lsst.geom as geom
import numpy as np

rng = np.random.default_rng(1)
origin = geom.Point2I(1000, 2000)
exposure = afwImage.ExposureF(geom.Box2I(origin, geom.Extent2I(30, 20)))
exposure.image.array[:] = rng.normal(800.0, 5.0, (20, 30))
exposure.mask.array[3, 4] = afwImage.Mask.getPlaneBitMask(["BAD", "NO_DATA"])
exposure.variance.set(25.0)
exposure.getMetadata().setDouble("EXPTIME", 30.0)

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "calexp.fits")
    exposure.writeFits(path)

    whole = afwImage.ExposureF(path)
    assert whole.getBBox() == exposure.getBBox()
    for mine, its in zip(whole.getMaskedImage().getArrays(), exposure.getMaskedImage().getArrays(), strict=True):
        np.testing.assert_array_equal(mine, its)
    assert whole.getMetadata().getScalar("EXPTIME") == 30.0
    assert afwImage.ExposureF.readFits(path).getBBox() == exposure.getBBox()

    # Parts, in the coordinates of the parent and of the file's own pixels.
    box = geom.Box2I(geom.Point2I(1004, 2003), geom.Extent2I(5, 6))
    local = geom.Box2I(geom.Point2I(4, 3), geom.Extent2I(5, 6))
    for part in (
        afwImage.ExposureF(path, box),
        afwImage.ExposureF(path, bbox=box, origin=afwImage.PARENT),
        afwImage.ExposureF(path, local, afwImage.LOCAL),
        afwImage.MaskedImageF(path, bbox=box),
    ):
        assert part.getBBox() == box
        np.testing.assert_array_equal(part.image.array, exposure.image.array[3:9, 4:9])
        assert part.mask.array[0, 0] == 0x101

    masked = afwImage.MaskedImageF(path)
    assert (masked.mask[1004, 2003], masked.variance[1000, 2000]) == (0x101, 25.0)
    np.testing.assert_array_equal(afwImage.ImageF(path).array, exposure.image.array)
    np.testing.assert_array_equal(afwImage.ImageD(path).array, exposure.image.array)
    np.testing.assert_array_equal(afwImage.ImageF(path, 3).array, exposure.variance.array)
    np.testing.assert_array_equal(afwImage.ImageI(path, 2).array, exposure.mask.array)
    assert afwImage.Mask(path).getBBox() == exposure.getBBox()
    assert afwImage.Mask(path, 2)[1004, 2003] == 0x101

    # A mask by itself.
    mask = afwImage.Mask(10, 20)
    mask.setXY0(1, 2)
    mask.addMaskPlane("FOUND")
    mask[3, 4] = mask.getPlaneBitMask("FOUND")
    name = os.path.join(folder, "mask.fits")
    mask.writeFits(name)
    for read in (mask.Factory(name), afwImage.Mask(name), afwImage.Mask.readFits(name)):
        assert (read.getX0(), read.getY0()) == (1, 2)
        np.testing.assert_array_equal(read.array, mask.array)
        assert read.getAsString(2, 2) == "FOUND"

    # An image by itself.
    image = afwImage.ImageI(geom.Extent2I(3, 2), 7)
    image.setXY0(geom.Point2I(-5, 6))
    image.writeFits(name)
    assert afwImage.ImageI(name).getXY0() == geom.Point2I(-5, 6)
    assert afwImage.ImageI(name)[-5, 6, afwImage.PARENT] == 7

    try:
        afwImage.ExposureF(os.path.join(folder, "none.fits"))
    except (OSError, RuntimeError):
        pass
    else:
        raise AssertionError("a file that is not there")
