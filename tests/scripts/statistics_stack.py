"""Stack images, masked images and vectors, and combine rows and columns of one image."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.geom as geom
import lsst.pex.exceptions as pexExcept
import numpy as np

size = geom.Extent2I(20, 10)
levels = [10.0, 11.0, 12.0, 13.0, 500.0]

# Images.
images = []
for level in levels:
    image = afwImage.ImageF(size)
    image.set(level)
    images.append(image)
median = afwMath.statisticsStack(images, afwMath.MEDIAN)
assert isinstance(median, afwImage.ImageF)
assert np.all(median.getArray() == 12.0)
mean = afwMath.statisticsStack(images[:4], afwMath.MEAN, afwMath.StatisticsControl(), [1.0, 1.0, 1.0, 3.0])
assert np.allclose(mean.array, (10 + 11 + 12 + 3 * 13) / 6)

# Masked images: a coadd with clipping, and a bit for the pixels that were clipped.
masked = []
for level in levels:
    mi = afwImage.MaskedImageF(size)
    mi.set(level, 0x0, 4.0)
    masked.append(mi)
masked[0].mask[3, 4, afwImage.LOCAL] = afwImage.Mask.getPlaneBitMask("SAT")
for mi in masked:
    mi.mask[7, 8, afwImage.LOCAL] = afwImage.Mask.getPlaneBitMask("BAD")
CLIPPED = afwImage.Mask.addMaskPlane("CLIPPED")
sctrl = afwMath.StatisticsControl()
sctrl.setNumSigmaClip(3.0)
sctrl.setNumIter(2)
sctrl.setAndMask(afwImage.Mask.getPlaneBitMask(["SAT", "BAD"]))
sctrl.setNoGoodPixelsMask(afwImage.Mask.getPlaneBitMask("NO_DATA"))
sctrl.setCalcErrorFromInputVariance(True)
coadd = afwMath.statisticsStack(masked, afwMath.MEANCLIP, sctrl, [], 1 << CLIPPED, 0)
assert isinstance(coadd, afwImage.MaskedImageF)
value, mask, variance = coadd[0, 0, afwImage.LOCAL]
assert (value, mask, variance) == (11.5, 1 << CLIPPED, 1.0)
value, mask, variance = coadd[3, 4, afwImage.LOCAL]
assert (value, mask) == (12.0, 1 << CLIPPED)
assert np.isclose(variance, 4.0 / 3.0)
value, mask, variance = coadd[7, 8, afwImage.LOCAL]
assert np.isnan(value)
assert np.isnan(variance)
assert mask == afwImage.Mask.getPlaneBitMask("NO_DATA") | 1 << CLIPPED

# Weights of the images; the mask map; an output image.
sctrl.setWeighted(True)
out = afwImage.MaskedImageF(size)
sat = afwImage.Mask.getPlaneBitMask("SAT")
afwMath.statisticsStack(out, masked[:2], afwMath.MEAN, sctrl, [1.0, 3.0], 0, [(sat, 1 << CLIPPED)])
assert out[0, 0, afwImage.LOCAL] == (10.75, 0, 2.5)
assert out[3, 4, afwImage.LOCAL] == (11.0, 1 << CLIPPED, 4.0)

# Inverse variances.
masked[1].variance.set(1.0)
weighted = afwMath.statisticsStack(masked[:2], afwMath.MEAN, sctrl)
assert np.isclose(weighted.image[0, 0, afwImage.LOCAL], (10.0 / 4 + 11.0) / 1.25)

# Vectors.
assert list(afwMath.statisticsStack([[1.0, 2.0], [3.0, 6.0]], afwMath.MEAN)) == [2.0, 4.0]

# Overscan: the median of each row, as one column.
image = afwImage.ImageF(size)
image.array[:] = np.arange(10)[:, np.newaxis]
rows = afwMath.statisticsStack(image, afwMath.MEDIAN, "x")
assert rows.getDimensions() == geom.Extent2I(1, 10)
assert rows.image.array[:, 0].tolist() == list(range(10))
columns = afwMath.statisticsStack(image, afwMath.MEAN, "y")
assert columns.getDimensions() == geom.Extent2I(20, 1)
assert np.all(columns.image.array == 4.5)

# Errors.
small = afwImage.ImageF(3, 3)
for wrong, error in (
    (lambda: afwMath.statisticsStack([], afwMath.MEAN), pexExcept.LengthError),
    (lambda: afwMath.statisticsStack(images, afwMath.MEAN, sctrl, [1.0]), pexExcept.InvalidParameterError),
    (
        lambda: afwMath.statisticsStack([images[0], small], afwMath.MEAN),
        pexExcept.InvalidParameterError,
    ),
    (lambda: afwMath.statisticsStack(images, afwMath.MEAN | afwMath.MEDIAN), pexExcept.InvalidParameterError),
):
    try:
        wrong()
    except error:
        continue
    raise AssertionError(f"{error} was not raised")
