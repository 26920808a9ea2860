"""Sky correction of a visit: the whole recipe, as an example.

1. Mask objects in three rounds, above 5 standard deviations.
2. Subtract a model of bins as large as a detector (8192 px of a camera with detectors of 4096 px).
3. Subtract the sky frame, with one amplitude for all detectors.
4. Mask again, and subtract a model of half as large bins (4096 px), smoothed.

The light of a galaxy that covers a detector is kept, while backgrounds of single detectors subtract it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from focal_scenes import FocalScene, visit

from evensky.image import ExposureF, MaskedImageF
from evensky.math import (
    MEANCLIP,
    BackgroundControl,
    BackgroundList,
    Interpolate,
    StatisticsControl,
    UndersampleStyle,
    makeBackground,
)
from evensky.tasks.focal_plane import FocalPlaneBackground, FocalPlaneBackgroundConfig
from evensky.tasks.mask_objects import MaskObjectsConfig, MaskObjectsTask
from evensky.tasks.sky_frame import SkyMeasurementConfig, SkyMeasurementTask

# Bins of the two models, in pixels.
LARGE, SMALL = 240.0, 120.0


def sky_task() -> SkyMeasurementTask:
    config = SkyMeasurementConfig()
    config.background.xBinSize = config.background.yBinSize = 6
    return SkyMeasurementTask(config)


def mask_objects(exposure: ExposureF) -> None:
    """Mark as DETECTED what is 5 standard deviations above a background of bins as large as a detector."""
    config = MaskObjectsConfig()
    config.binSize = int(LARGE)
    MaskObjectsTask(config).run(exposure)


def focal_model(
    scene: FocalScene, exposures: list[ExposureF], size: float, *, smooth: bool = False
) -> list[BackgroundList]:
    """Fit bins of the focal plane to all detectors, and return the model of each."""
    config = FocalPlaneBackgroundConfig(xSize=size, ySize=size, binning=16, doSmooth=smooth, smoothScale=0.5)
    model = FocalPlaneBackground.fromCamera(config, scene.detectors)
    for exposure, detector in zip(exposures, scene.detectors, strict=True):
        model.addCcd(exposure, detector)
    return [model.toCcdBackground(detector) for detector in scene.detectors]


def subtract(exposures: list[ExposureF], models: list[BackgroundList], found: list[BackgroundList]) -> None:
    for exposure, model, backgrounds in zip(exposures, models, found, strict=True):
        exposure.image -= model.getImage()
        backgrounds.extend(model)


def large_scale(scene: FocalScene) -> tuple[list[ExposureF], list[BackgroundList]]:
    """Mask, and subtract the first model; return the exposures and what was subtracted."""
    exposures = [ExposureF(exposure, True) for exposure in scene.exposures]
    found = [BackgroundList() for _ in exposures]
    for exposure in exposures:
        mask_objects(exposure)
    subtract(exposures, focal_model(scene, exposures, LARGE), found)
    return exposures, found


def correct(scene: FocalScene, frames: list[BackgroundList]) -> tuple[list[BackgroundList], Any]:
    """Apply the whole recipe; return the backgrounds of each detector and the amplitude of the sky frame."""
    exposures, found = large_scale(scene)
    task = sky_task()
    amplitude = task.fitScale([task.measureScale(*pair) for pair in zip(exposures, frames, strict=True)])
    for exposure, frame, backgrounds in zip(exposures, frames, found, strict=True):
        task.subtractSkyFrame(exposure, frame, amplitude.scale, backgrounds)
        mask_objects(exposure)
    subtract(exposures, focal_model(scene, exposures, SMALL, smooth=True), found)
    return found, amplitude


def per_detector(scene: FocalScene, exposures: list[ExposureF], bins: int) -> list[np.ndarray]:
    """Fit bins to each detector on its own, with the same masks."""
    control = StatisticsControl()
    control.setAndMask(exposures[0].mask.getPlaneBitMask("DETECTED"))
    style = Interpolate.AKIMA_SPLINE
    bctrl = BackgroundControl(style, bins, bins, UndersampleStyle.REDUCE_INTERP_ORDER, control, MEANCLIP)
    return [
        makeBackground(MaskedImageF(raw.image, masked.mask), bctrl).getImageF().array
        for raw, masked in zip(scene.exposures, exposures, strict=True)
    ]


@pytest.fixture(scope="module")
def sky_frame() -> tuple[list[BackgroundList], float]:
    """Sky frame of four other visits, and the amplitude that is 1 in it."""
    others = [visit(seed, galaxy=False) for seed in range(4)]
    task = sky_task()
    backgrounds = [[task.measureBackground(exposure) for exposure in large_scale(other)[0]] for other in others]
    result = task.averageSkyFrames(backgrounds)
    amplitudes = np.array([other.amplitude for other in others])
    unit = float(np.sqrt(np.mean(amplitudes**2)))
    np.testing.assert_allclose(result.scales, amplitudes / unit, atol=0.01)
    return result.skyFrames, unit


@pytest.mark.parametrize("seed", [99, 100])
def test_the_galaxy_keeps_its_light(seed: int, sky_frame: tuple[list[BackgroundList], float]) -> None:
    frames, unit = sky_frame
    scene = visit(seed)
    found, amplitude = correct(scene, frames)
    assert amplitude.scale == pytest.approx(scene.amplitude / unit, abs=0.05)
    light = np.concatenate([one.ravel() for one in scene.objects])
    truth = [sky + fringes for sky, fringes in zip(scene.sky, scene.fringes, strict=True)]

    def judge(models: list[np.ndarray]) -> tuple[float, float]:
        """Return the residual where there is no galaxy, in counts, and the share of light that is subtracted."""
        wrong = np.concatenate([(model - true).ravel() for model, true in zip(models, truth, strict=True)])
        on_object = light > 3
        return float(np.std(wrong[light < 1])), float(wrong[on_object].sum() / light[on_object].sum())

    residual, lost = judge([backgrounds.getImage().array for backgrounds in found])
    assert residual < 0.8
    assert lost < 0.1
    masked = large_scale(scene)[0]
    for bins in (2, 4, 8):
        own_residual, own_lost = judge(per_detector(scene, masked, bins))
        # Small bins follow the fringes, but subtract the galaxy; large ones do neither well.
        assert own_lost > 2.5 * lost
        assert own_residual > (0.5 if bins == 8 else 2.0)
