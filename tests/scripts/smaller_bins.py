"""Match where few bins are good, with INCREASE_NXNYSAMPLE."""

import lsst.afw.image as afwImage
import numpy as np
from lsst.pipe.tasks.matchBackgrounds import MatchBackgroundsTask

matcher = MatchBackgroundsTask()
matcher.config.usePolynomial = True
matcher.config.undersampleStyle = "INCREASE_NXNYSAMPLE"
matcher.config.gridStatistic = "MEDIAN"

rng = np.random.default_rng(8)
for width in (20, 45, 90):  # columns that the exposure covers
    for order in (1, 3, 6):
        matcher.config.order = order
        matcher.config.binSize = 64
        reference, science = afwImage.ExposureF(512, 448), afwImage.ExposureF(512, 448)
        reference.image.array[:, :] = rng.normal(300.0, 2.0, (448, 512))
        science.image.array[:, :] = rng.normal(100.0, 2.0, (448, 512))
        science.image.array[:, width:] = np.nan
        for one in (reference, science):
            one.variance.set(4.0)
        result = matcher.matchBackgrounds(reference, science)
        assert abs(np.nanmean(science.image.array) - 300.0) < 0.2
        assert abs(result.matchedMSE - 8.0) < 0.4
