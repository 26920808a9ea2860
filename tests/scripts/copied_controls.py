"""A BackgroundControl copies the controls that it is given; what it returns is its own."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import numpy as np

image = afwImage.ImageF(100, 80)
image.array[:, :] = np.random.default_rng(3).normal(10.0, 1.0, image.array.shape)
image.array[::9, ::7] += 500.0

sctrl = afwMath.StatisticsControl()
sctrl.setNumSigmaClip(3.0)
bctrl = afwMath.BackgroundControl("AKIMA_SPLINE", 10, 10, "REDUCE_INTERP_ORDER", sctrl, "MEANCLIP")
before = afwMath.makeBackground(image, bctrl).getStatsImage().image.array.copy()

sctrl.setNumSigmaClip(1.0)
sctrl.setNumIter(1)
assert bctrl.getStatisticsControl().getNumIter() == 3
assert np.array_equal(afwMath.makeBackground(image, bctrl).getStatsImage().image.array, before)

bctrl.getStatisticsControl().setNumSigmaClip(1.0)
bctrl.getStatisticsControl().setNumIter(1)
assert bctrl.getStatisticsControl().getNumSigmaClip() == 1.0
assert not np.array_equal(afwMath.makeBackground(image, bctrl).getStatsImage().image.array, before)

actrl = afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, 2)
for control in (afwMath.BackgroundControl(5, 5, afwMath.StatisticsControl(), afwMath.MEAN, actrl), bctrl):
    control.setApproximateControl(actrl)
    actrl.setWeighting(False)
    assert control.getApproximateControl().getWeighting()
    actrl.setWeighting(True)
    control.getApproximateControl().setWeighting(False)
    assert actrl.getWeighting()
    assert not control.getApproximateControl().getWeighting()
