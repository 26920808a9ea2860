"""With setNanSafe(False), a NaN reaches every statistic, the extremes included."""

import math

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import numpy as np

image = afwImage.MaskedImageF(40, 30)
image.image.array[:, :] = np.arange(1200).reshape(30, 40)
image.image[7, 5] = np.nan
image.variance.set(1.0)

flags = 0
names = (
    "MEAN MEDIAN STDEV VARIANCE IQRANGE MEANCLIP STDEVCLIP VARIANCECLIP MIN MAX SUM MEANSQUARE".split()  # noqa: SIM905
)
for name in names:
    flags |= afwMath.stringToStatisticsProperty(name)
sctrl = afwMath.StatisticsControl()

safe = afwMath.makeStatistics(image, flags | afwMath.NPOINT, sctrl)
assert safe.getValue(afwMath.NPOINT) == 1199
assert (safe.getValue(afwMath.MIN), safe.getValue(afwMath.MAX)) == (0.0, 1199.0)

sctrl.setNanSafe(False)
for planes in ((image,), (image.image,), (image.image, image.mask)):
    unsafe = afwMath.makeStatistics(*planes, flags | afwMath.NPOINT, sctrl)
    assert unsafe.getValue(afwMath.NPOINT) == 1200
    for name in names:
        assert math.isnan(unsafe.getValue(afwMath.stringToStatisticsProperty(name))), name
for vector in (image.image.array.ravel(), list(map(float, image.image.array.ravel()))):
    assert math.isnan(afwMath.makeStatistics(vector, afwMath.MAX, sctrl).getValue())

# A bad pixel does not count, NaN or not.
image.mask[7, 5] = afwImage.Mask.getPlaneBitMask("BAD")
sctrl.setAndMask(afwImage.Mask.getPlaneBitMask("BAD"))
assert afwMath.makeStatistics(image, afwMath.MAX, sctrl).getValue() == 1199.0
