"""Masking of objects before a background of large scale is measured."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import numpy as np
import pytest

from evensky.errors import InvalidParameterError, NotFoundError
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.tasks.mask_objects import MaskObjectsConfig, MaskObjectsTask

Y, X = np.mgrid[:200, :240].astype(float)


def sky(seed: int = 1) -> np.ndarray:
    return 100 + 0.1 * X - 0.05 * Y + np.random.default_rng(seed).normal(0, 3, X.shape)


def task_of(**fields: Any) -> MaskObjectsTask:
    config = MaskObjectsConfig()
    config.update(**{"binSize": 80, **fields})
    return MaskObjectsTask(config)


def exposure_of(pixels: np.ndarray) -> ExposureF:
    return ExposureF(MaskedImageF(ImageF(pixels.astype(np.float32))))


def test_stars_and_a_galaxy_are_masked() -> None:
    radius = np.hypot(X - 150, Y - 90)
    exposure = exposure_of(sky() + 200 * np.exp(-radius / 12) + 300 * np.exp(-((X - 30) ** 2 + (Y - 40) ** 2) / 8))
    before = exposure.image.array.copy()
    task_of().run(exposure)
    found = exposure.mask.array == exposure.mask.getPlaneBitMask("DETECTED")
    np.testing.assert_array_equal(exposure.image.array, before)
    assert found[(X - 30) ** 2 + (Y - 40) ** 2 < 100].all()
    # Where the galaxy is fainter than the noise of the smoothed image, it is masked by the growth.
    assert found[radius < 45].all()
    assert not found[(radius > 75) & (np.hypot(X - 30, Y - 40) > 25)].any()


def test_rounds_find_what_the_first_background_hides() -> None:
    pixels = sky() + 60 * np.exp(-np.hypot(X - 120, Y - 100) / 20)
    once, thrice = (task_of(nIter=n).findObjects(pixels).sum() for n in (1, 3))
    assert thrice > 1.1 * once


def test_noise_is_not_masked() -> None:
    assert task_of().findObjects(sky(2)).mean() < 0.01
    # The smoothing of a smaller share of good pixels is noisier, but counts only above a fifth of the weight.
    pixels = sky(3)
    pixels[np.random.default_rng(4).uniform(size=X.shape) < 0.5] = np.nan
    assert task_of().findObjects(pixels).mean() < 0.02


def test_growth_and_threshold() -> None:
    pixels = np.random.default_rng(5).normal(0, 1, X.shape)
    pixels[100, 120] += 400
    areas = [task_of(growRadius=radius, smoothSigma=0.0).findObjects(pixels).sum() for radius in (0, 1, 5)]
    assert areas == [1, 9, 121]
    assert task_of(growRadius=0, smoothSigma=0.0, detectSigma=1e6).findObjects(pixels).sum() == 0


def test_masks_are_cleared_and_kept() -> None:
    exposure = exposure_of(sky())
    names = ["DETECTED", "DETECTED_NEGATIVE", "SAT", "EDGE"]
    bits = {name: exposure.mask.getPlaneBitMask(name) for name in names}
    exposure.mask.array[:50] = sum(bits.values())
    exposure.image.array[:50, :100] = 1e4
    task_of().run(exposure)
    # Pixels of EDGE are not looked at, and old detections are gone.
    assert (exposure.mask.array[:40] == bits["DETECTED_NEGATIVE"] | bits["SAT"] | bits["EDGE"]).all()
    task_of(mask=["BAD"]).run(exposure, ["DETECTED", "DETECTED_NEGATIVE"])
    assert (exposure.mask.array[:40, :90] == bits["DETECTED"] | bits["SAT"] | bits["EDGE"]).all()


def test_an_image_without_good_pixels(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert not task_of().findObjects(np.full((20, 30), np.nan)).any()
    assert "no pixel is left for the background" in caplog.text
    assert "Objects cover 0.0 %" in caplog.text


def test_wrong_calls() -> None:
    with pytest.raises(InvalidParameterError, match="exp is a ndarray"):
        task_of().run(np.ones((4, 4)))  # type: ignore[arg-type]
    image = MaskedImageF(ImageF(np.ones((4, 4), np.float32)), Mask(np.zeros((4, 4), np.int32), mask_planes={"BAD": 0}))
    with pytest.raises(NotFoundError, match="DETECTED"):
        task_of().run(image)
    task = task_of()
    assert pickle.loads(pickle.dumps(task)).config == task.config


@pytest.mark.parametrize("level", [5.0, 1e4, 0.0])
def test_an_image_without_noise_has_no_objects(level: float) -> None:
    exposure = ExposureF(300, 200)
    exposure.image.array[...] = level
    MaskObjectsTask().run(exposure)
    assert not exposure.mask.array.any()
    exposure.image.array[100, 150] += 1000
    MaskObjectsTask().run(exposure)
    assert exposure.mask.getAsString(150, 100) == "DETECTED"
