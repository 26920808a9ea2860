"""Name the arguments of statistics, backgrounds and approximations."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.geom as geom
import numpy as np

image = afwImage.MaskedImageF(60, 50)
image.image.array[:, :] = np.arange(60)
image.variance.set(4.0)
sctrl = afwMath.StatisticsControl(numSigmaClip=3.0, numIter=3, andMask=0x0, isNanSafe=True)

for statistics in (
    afwMath.makeStatistics(mimg=image, flags=afwMath.MEAN, sctrl=sctrl),
    afwMath.makeStatistics(img=image.image, flags=afwMath.MEAN, sctrl=sctrl),
    afwMath.makeStatistics(img=image.image, msk=image.mask, flags=afwMath.MEAN, sctrl=sctrl),
    afwMath.makeStatistics(img=image.image, msk=image.mask, var=image.variance, flags=afwMath.MEAN, sctrl=sctrl),
    afwMath.makeStatistics(mimg=image, weights=afwImage.ImageF(geom.Extent2I(60, 50), 2.0), flags=afwMath.MEAN),
    afwMath.makeStatistics(v=list(range(60)), flags=afwMath.MEAN),
):
    assert statistics.getValue(prop=afwMath.MEAN) == 29.5
assert afwMath.makeStatistics(msk=image.mask, flags=afwMath.SUM, sctrl=sctrl).getValue() == 0

bctrl = afwMath.BackgroundControl(style="LINEAR", nxSample=6, nySample=5, sctrl=sctrl, prop="MEAN")
background = afwMath.makeBackground(img=image, bgCtrl=bctrl)
model = background.getImageF(interpStyle="LINEAR", undersampleStyle="THROW_EXCEPTION")
assert abs(model.array[:, 5:55] - np.arange(5, 55)).max() < 1e-4

again = afwMath.BackgroundMI(imageDimensions=background.getImageBBox(), statsImage=background.getStatsImage())
assert np.array_equal(again.getImageF("LINEAR").array, model.array)

fit = afwMath.makeApproximate(
    x=background.getBinCentersX(),
    y=background.getBinCentersY(),
    im=background.getStatsImage(),
    bbox=background.getImageBBox(),
    ctrl=afwMath.ApproximateControl(style=afwMath.ApproximateControl.CHEBYSHEV, orderX=1, orderY=1, weighting=False),
)
assert abs(fit.getImage(orderX=1, orderY=1).array - np.arange(60)).max() < 1e-4
line = afwMath.makeInterpolate(x=[0.0, 1.0], y=[0.0, 2.0], style=afwMath.Interpolate.LINEAR)
assert line.interpolate(0.25) == 0.5
assert afwMath.stringToInterpStyle(style="LINEAR") == afwMath.Interpolate.LINEAR
