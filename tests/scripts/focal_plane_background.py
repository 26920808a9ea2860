"""Subtract a background of the focal plane and a sky frame from all detectors of a visit."""

import lsst.afw.image as afwImage
import lsst.geom as geom
import numpy as np
from lsst.pipe.tasks.background import (
    FocalPlaneBackground,
    FocalPlaneBackgroundConfig,
    SkyMeasurementConfig,
    SkyMeasurementTask,
)

# Detectors as boxes in a focal plane of pixels.
camera = [geom.Box2I(geom.Point2I(130 * i, 110 * j), geom.Extent2I(128, 100)) for j in range(2) for i in range(3)]
y, x = np.mgrid[:100, :128]
patterns = [np.sin(0.1 * np.hypot(x + 9 * n, y)).astype(np.float32) for n in range(6)]

exposures = []
for box, pattern in zip(camera, patterns, strict=True):
    exposure = afwImage.ExposureF(box.getDimensions())
    exposure.image.array[:] = 200 + 0.05 * (box.getMinX() + x) - 0.02 * (box.getMinY() + y) + 4 * pattern
    exposure.image.array[:20, :30] = 5000
    exposure.mask.array[:20, :30] |= exposure.mask.getPlaneBitMask("DETECTED")
    exposures.append(exposure)

config = FocalPlaneBackgroundConfig()
config.xSize = 130
config.ySize = 105
config.binning = 16
model = FocalPlaneBackground.fromCamera(config, camera)
for exposure, box in zip(exposures, camera, strict=True):
    part = FocalPlaneBackground.fromSimilar(model)
    part.addCcd(exposure, box)
    model.merge(part)
assert model.getStatsImage().getDimensions() == geom.Extent2I(3, 2)

backgrounds = []
for exposure, box in zip(exposures, camera, strict=True):
    background = model.toCcdBackground(box, exposure.getBBox())
    assert len(background) == 1
    exposure.image -= background.getImage()
    backgrounds.append(background)

skyConfig = SkyMeasurementConfig()
skyConfig.background.xBinSize = 8
skyConfig.background.yBinSize = 8
sky = SkyMeasurementTask(config=skyConfig)
frames = [sky.measureBackground(afwImage.ImageF(pattern - pattern.mean())) for pattern in patterns]
scales = [sky.measureScale(exposure, frame) for exposure, frame in zip(exposures, frames, strict=True)]
scale = sky.solveScales(scales)
assert abs(scale - 4) < 0.1, scale
for exposure, frame, background in zip(exposures, frames, backgrounds, strict=True):
    sky.subtractSkyFrame(exposure, frame, scale, background)
    assert len(background) == 2
    good = exposure.mask.array == 0
    assert np.std(exposure.image.array[good]) < 0.5
    total = exposure.image.array + background.getImage().array
    assert abs(total[50, 60] - (exposure.image.array[50, 60] + background.getImage().array[50, 60])) < 1e-3
