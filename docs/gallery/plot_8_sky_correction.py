"""
Sky correction of a visit
=========================

The halo of a galaxy that extends over a detector cannot be told from sky by a background of that detector alone. This example
models the background of all 12 detectors of a camera at once: by bins of the focal plane that are as large as a
detector, by a sky frame with one amplitude, and by bins of half the size. The names are those of LSST's tasks.
"""

import matplotlib.pyplot as plt
import numpy as np

from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import ExposureF, ImageF, MaskedImageF
from evensky.math import BackgroundList
from evensky.tasks.focal_plane import FocalPlaneBackground, FocalPlaneBackgroundConfig
from evensky.tasks.mask_objects import MaskObjectsConfig, MaskObjectsTask
from evensky.tasks.sky_frame import SkyMeasurementConfig, SkyMeasurementTask

# %%
# The detectors are given by their boxes in the focal plane. Each has a pattern of its own, the fringes, which has the
# same shape in all visits, and an amplitude that differs. One visit shows a galaxy.

WIDTH, HEIGHT = 240, 200
size = Extent2I(WIDTH, HEIGHT)
camera = [Box2I(Point2I(252 * i, 212 * j), size) for j in range(4) for i in range(3)]
y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
fringes = [np.sin(0.05 * np.hypot(x + 40 + 9 * n, 1.4 * y - 30) + n) for n in range(12)]


def simulate(seed, galaxy):
    """Return the exposures of all detectors, their true backgrounds, and the amplitude."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(80, 160)
    a, b, c, d, e = rng.uniform(-14, 14, 5)
    amplitude = rng.uniform(3, 9)
    exposures, backgrounds = [], []
    for box, pattern in zip(camera, fringes, strict=True):
        u, v = (x + box.getMinX()) / 372 - 1, (y + box.getMinY()) / 418 - 1
        background = level + a * u + b * v + c * u * u + d * u * v + e * v * v
        background += amplitude * pattern
        pixels = background + rng.normal(0, 3, x.shape)
        if galaxy:
            pixels += 300 * np.exp(-np.hypot(372 * u + 40, 530 * v + 60) / 25)
        exposures.append(ExposureF(MaskedImageF(ImageF(pixels.astype(np.float32)))))
        backgrounds.append(background)
    return exposures, backgrounds, amplitude


# %%
# The recipe: objects are masked in three rounds, a model of large bins is subtracted, then the sky frame, then a
# smoothed model of smaller bins.

masking = MaskObjectsConfig()
masking.binSize = 240
measuring = SkyMeasurementConfig()
measuring.background.xBinSize = measuring.background.yBinSize = 6
sky = SkyMeasurementTask(measuring)


def subtract_model(exposures, found, size, smooth):
    config = FocalPlaneBackgroundConfig()
    config.update(xSize=size, ySize=size, binning=16, doSmooth=smooth, smoothScale=0.5)
    model = FocalPlaneBackground.fromCamera(config, camera)
    for exposure, detector in zip(exposures, camera, strict=True):
        MaskObjectsTask(masking).run(exposure)
        model.addCcd(exposure, detector)
    for exposure, detector, backgrounds in zip(exposures, camera, found, strict=True):
        part = model.toCcdBackground(detector)
        exposure.image -= part.getImage()
        backgrounds.extend(part)


# The sky frame comes from other visits. Its fringes have the RMS of their amplitudes.
visits, amplitudes = [], []
for seed in range(4):
    exposures, _, bright = simulate(seed, galaxy=False)
    amplitudes.append(bright)
    subtract_model(exposures, [BackgroundList() for _ in camera], 240, smooth=False)
    visits.append([sky.measureBackground(exposure) for exposure in exposures])
frames = sky.averageSkyFrames(visits).skyFrames

raw, truth, bright = simulate(20, galaxy=True)
exposures = [ExposureF(exposure, True) for exposure in raw]
found = [BackgroundList() for _ in camera]
subtract_model(exposures, found, 240, smooth=False)
samples = [sky.measureScale(*pair) for pair in zip(exposures, frames, strict=True)]
amplitude = sky.fitScale(samples)
for exposure, frame, backgrounds in zip(exposures, frames, found, strict=True):
    sky.subtractSkyFrame(exposure, frame, amplitude.scale, backgrounds)
subtract_model(exposures, found, 120, smooth=True)
expected = bright / np.sqrt(np.mean(np.square(amplitudes)))
print(f"amplitude {amplitude.scale:.3f} +- {amplitude.error:.3f}, truth {expected:.3f}")
print(f"{amplitude.used} samples used, {amplitude.rejected} rejected")

# %%
# For comparison, each detector gets a background of its own, in bins of 50 px and with the same masks:

coarse = SkyMeasurementConfig()
coarse.background.xBinSize = coarse.background.yBinSize = 50
own = SkyMeasurementTask(coarse)
pairs = zip(raw, exposures, strict=True)
masked = [MaskedImageF(one.image, corrected.mask) for one, corrected in pairs]
single = [own.measureBackground(one) for one in masked]


def mosaic(images):
    plane = np.full((836, 744), np.nan)
    for image, box in zip(images, camera, strict=True):
        plane[box.getSlices()] = image
    return plane


pixels = [one.image.array for one in raw]
panels = {
    "one visit": mosaic([one - np.median(pixels) for one in pixels]),
    "each detector on its own": mosaic(
        [one - model.getImage().array for one, model in zip(pixels, single, strict=True)]
    ),
    "sky correction": mosaic([one.image.array for one in exposures]),
}
figure, axes = plt.subplots(1, 3, figsize=(11, 4.4), layout="constrained")
for ax, (title, plane) in zip(axes, panels.items(), strict=True):
    ax.imshow(plane, origin="lower", cmap="cividis", vmin=-15, vmax=30)
    ax.set(title=title, xticks=[], yticks=[])

# %%
# What each subtracts that is not background. The single detectors lose the galaxy and do not follow the fringes; what
# the focal plane loses of the galaxy is a faint plateau.

figure, axes = plt.subplots(1, 2, figsize=(7.6, 4.4), layout="constrained")
models = {"each detector on its own": single, "sky correction": found}
for ax, (title, model) in zip(axes, models.items(), strict=True):
    wrong = mosaic([one.getImage().array - true for one, true in zip(model, truth, strict=True)])
    shown = ax.imshow(wrong, origin="lower", cmap="coolwarm", vmin=-15, vmax=15)
    ax.set(title=f"{title}\nRMS {np.nanstd(wrong):.1f} counts", xticks=[], yticks=[])
_ = figure.colorbar(shown, ax=axes, label="counts")
