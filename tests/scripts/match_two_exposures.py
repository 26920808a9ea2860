"""Match the background of an exposure to that of another with the task of the stack."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import numpy as np
from lsst.pipe.base import Struct
from lsst.pipe.tasks.matchBackgrounds import MatchBackgroundsConfig, MatchBackgroundsTask

rng = np.random.default_rng(5)
y, x = np.mgrid[0:400, 0:500]
exposures = []
for offset in (50.0, 80.0 + 0.02 * x - 0.01 * y):
    exposure = afwImage.ExposureF(500, 400)
    masked = exposure.getMaskedImage()
    masked.getImage().getArray()[:] = offset + rng.normal(0, 1, y.shape)
    masked.getVariance().set(1.0)
    exposures.append(exposure)
reference, science = exposures

config = MatchBackgroundsConfig()
config.usePolynomial = True
config.order = 2
config.binSize = 64
task = MatchBackgroundsTask(config=config)
result = task.matchBackgrounds(reference, science)
assert {"matchedMSE", "fitRMS", "backgroundModel"} <= set(result.getDict())
assert Struct(result=result).result is result
assert result.matchedMSE < 2.1, result.matchedMSE
assert result.fitRMS < 0.2, result.fitRMS

control = afwMath.StatisticsControl()
control.setNanSafe(True)
difference = science.getMaskedImage().getImage().getArray() - reference.getMaskedImage().getImage().getArray()
stats = afwMath.makeStatistics(difference, afwMath.MEAN | afwMath.STDEV, control)
assert abs(stats.getValue(afwMath.MEAN)) < 0.02, stats.getValue(afwMath.MEAN)
assert abs(stats.getValue(afwMath.STDEV) - 2**0.5) < 0.02
