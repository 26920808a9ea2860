"""Change the configuration of a task between calls, and share one configuration between tasks."""

import lsst.afw.image as afwImage
import numpy as np
from lsst.pipe.tasks.matchBackgrounds import MatchBackgroundsConfig, MatchBackgroundsTask

rng = np.random.default_rng(2)


def exposure(level, slope=0.0):
    made = afwImage.ExposureF(600, 600)
    made.getMaskedImage().getImage().getArray()[:, :] = rng.normal(level, 1.0, (600, 600)) + slope * np.arange(600)
    made.getMaskedImage().getVariance().set(1.0)
    return made


vanilla = exposure(50.0)
chip_gap = exposure(10.0, 0.01)
chip_gap.getMaskedImage().getImage().getArray()[:, 200:300] = np.nan
low_coverage = exposure(20.0)
low_coverage.getMaskedImage().getImage().getArray()[:, 200:] = np.nan

matcher = MatchBackgroundsTask()
matcher.config.usePolynomial = True
matcher.config.order = 2
matcher.binSize = 64
matcher.debugDataIdString = "Test Visit"


def refused(reference, science):
    try:
        matcher.matchBackgrounds(reference, science)
    except ValueError as error:
        return str(error)
    raise AssertionError("the exposures were matched")


# A bin larger than the image, an order that the bins do not allow, and no overlap.
matcher.config.binSize = 700
assert "700" in refused(vanilla, chip_gap)
matcher.config.binSize, matcher.config.order = 100, 8
assert "8" in refused(vanilla, chip_gap)
matcher.config.order = 2
no_overlap = vanilla.clone()
no_overlap.getMaskedImage().getImage().getArray()[:, :300] = np.nan
assert "overlap" in refused(no_overlap, low_coverage.clone())

# Few bins are good: each style does its part.
matcher.config.binSize, matcher.config.order = 128, 4
for style in ("THROW_EXCEPTION", "REDUCE_INTERP_ORDER", "INCREASE_NXNYSAMPLE"):
    matcher.config.undersampleStyle = style
    science = low_coverage.clone()
    try:
        result = matcher.matchBackgrounds(vanilla, science)
    except ValueError:
        assert style == "THROW_EXCEPTION"
        continue
    assert style != "THROW_EXCEPTION"
    assert abs(np.nanmean(science.getMaskedImage().getImage().getArray()) - 50.0) < 0.1
    assert result.matchedMSE < 2.2

# The spline, and a configuration that two tasks share.
config = MatchBackgroundsConfig()
tasks = [MatchBackgroundsTask(config=config), MatchBackgroundsTask(config=config)]
for statistic in ("MEAN", "MEDIAN", "MEANCLIP"):
    config.gridStatistic = statistic
    config.binSize = 64
    images = []
    for task in tasks:
        science = chip_gap.clone()
        result = task.matchBackgrounds(vanilla, science)
        assert result.fitRMS < 0.3
        assert abs(result.diffImVar - 2.0) < 1e-6
        images.append(science.getMaskedImage().getImage().getArray())
    assert np.array_equal(images[0], images[1], equal_nan=True)
    assert abs(np.nanmean(images[0]) - 50.0) < 0.05
