"""Catch the errors of statistics, interpolation, backgrounds and approximations by their kinds."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.geom as geom
import lsst.pex.exceptions as pexExcept
import numpy as np


def raises(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"{call} did not raise {kind}")


invalid, out_of_range = pexExcept.InvalidParameterError, pexExcept.OutOfRangeError
image = afwImage.ImageF(geom.Extent2I(20, 20), 1.0)
masked = afwImage.MaskedImageF(image)

raises(invalid, lambda: afwMath.makeStatistics(image, afwImage.Mask(10, 20), afwMath.MEAN))
raises(invalid, lambda: afwMath.makeStatistics(masked, afwImage.ImageF(10, 20), afwMath.MEAN))
raises(invalid, lambda: afwMath.makeStatistics([1.0, 2.0], [1.0], afwMath.MEAN))
raises(invalid, lambda: afwMath.makeStatistics(afwImage.ImageF(), afwMath.MEAN))
raises(invalid, lambda: afwMath.makeStatistics(image, afwMath.MEAN).getValue(afwMath.MEDIAN))
raises(invalid, lambda: afwMath.makeStatistics(image, afwMath.MEAN | afwMath.MAX).getValue())
raises(invalid, lambda: afwMath.makeStatistics(masked.mask, afwMath.MEAN))
sctrl = afwMath.StatisticsControl()
sctrl.setWeighted(False)
raises(invalid, lambda: afwMath.makeStatistics(masked, image, afwMath.MEAN, sctrl))
raises(invalid, lambda: sctrl.setNumIter(0))
raises(invalid, lambda: sctrl.setNumSigmaClip(0.0))
raises(invalid, lambda: afwMath.stringToStatisticsProperty("MODE"))

raises(out_of_range, lambda: afwMath.lookupMinInterpPoints(afwMath.Interpolate.UNKNOWN))
raises(out_of_range, lambda: afwMath.lookupMinInterpPoints(afwMath.Interpolate.NUM_STYLES))
raises(invalid, lambda: afwMath.lookupMaxInterpStyle(0))
raises(invalid, lambda: afwMath.stringToInterpStyle("CUBIC"))
raises(out_of_range, lambda: afwMath.makeInterpolate([0.0, 1.0], [1.0, 2.0], afwMath.Interpolate.AKIMA_SPLINE))

for wrong in (0, -1):
    raises(pexExcept.LengthError, lambda wrong=wrong: afwMath.BackgroundControl(wrong, 5))
    raises(pexExcept.LengthError, lambda wrong=wrong: afwMath.BackgroundControl(5, wrong))
    raises(pexExcept.LengthError, lambda wrong=wrong: afwMath.BackgroundControl("LINEAR", wrong, wrong))
    raises(pexExcept.LengthError, lambda wrong=wrong: afwMath.BackgroundControl(5, 5).setNxSample(wrong))
raises(invalid, lambda: afwMath.stringToUndersampleStyle("REDUCE"))
few = afwMath.makeBackground(masked, afwMath.BackgroundControl(3, 3))
raises(invalid, lambda: few.getImageF("AKIMA_SPLINE", "THROW_EXCEPTION"))
raises(invalid, lambda: few.getImageF("AKIMA_SPLINE", "INCREASE_NXNYSAMPLE"))
outside = geom.Box2I(geom.Point2I(15, 15), geom.Extent2I(10, 10))
raises(pexExcept.LengthError, lambda: few.getImageF(outside, "LINEAR"))
masked.image.array[:, 7:14] = np.nan
gap = afwMath.makeBackground(masked, afwMath.BackgroundControl(3, 3))
raises(out_of_range, lambda: gap.getImageF("CUBIC_SPLINE", "THROW_EXCEPTION"))

chebyshev = afwMath.ApproximateControl.CHEBYSHEV
raises(invalid, lambda: afwMath.ApproximateControl(chebyshev, 1, 2))
raises(pexExcept.RuntimeError, lambda: gap.getApproximate(afwMath.ApproximateControl(chebyshev, 5)))
raises(RuntimeError, lambda: afwMath.BackgroundList.readFits("/nonexistent/list.fits"))
