"""Measurement and subtraction of a sky frame."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import numpy as np
import pytest

from evensky import errors
from evensky.errors import InvalidParameterError, LengthError, NotFoundError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.math import BackgroundList, BackgroundMI, Interpolate, UndersampleStyle
from evensky.tasks.sky_frame import SkyMeasurementConfig, SkyMeasurementTask

SHAPE = (96, 128)


def pattern(number: int) -> np.ndarray:
    """Return the pattern of a detector; its mean is not 0."""
    y, x = np.indices(SHAPE)
    return 0.3 + np.sin(0.06 * np.hypot(x + 20 * number, y) + number)


def frame_of(array: np.ndarray) -> BackgroundList:
    config = SkyMeasurementConfig()
    config.background.xBinSize = config.background.yBinSize = 4
    return SkyMeasurementTask(config).measureBackground(array)


@pytest.fixture(scope="module")
def frames() -> list[BackgroundList]:
    return [frame_of(pattern(n)) for n in range(6)]


@pytest.fixture
def task() -> SkyMeasurementTask:
    return SkyMeasurementTask()


def test_the_amplitude_over_all_detectors(task: SkyMeasurementTask, frames: list[BackgroundList]) -> None:
    rng = np.random.default_rng(1)
    scales = []
    for n, frame in enumerate(frames):
        image = 4 * pattern(n) + rng.normal(0, 2, SHAPE)
        if n == 2:
            image[:40, :50] += 300  # a galaxy on one detector
        scales.append(task.measureScale(image.astype(np.float32), frame))
        assert all(len(samples) == 16 for samples in scales[-1])
    fit = task.fitScale(scales)
    assert fit.scale == task.solveScales(scales)
    assert fit.scale == pytest.approx(4, abs=4 * fit.error)
    assert 0 < fit.error < 0.05
    assert fit.rejected >= 4
    assert fit.used + fit.rejected == 96


def test_both_are_measured_on_the_same_pixels(task: SkyMeasurementTask, frames: list[BackgroundList]) -> None:
    mask = Mask(SHAPE[1], SHAPE[0])
    crests = pattern(0) > 0.6
    mask.array[crests] = mask.getPlaneBitMask("DETECTED")
    image = MaskedImageF(ImageF(np.where(crests, 1e4, 2 * pattern(0)).astype(np.float32)), mask)
    # The crests of the pattern are masked as objects, which does not change the amplitude.
    assert task.solveScales([task.measureScale(image, frames[0])]) == pytest.approx(2, rel=0.01)
    exposure = ExposureF(image)
    assert task.solveScales([task.measureScale(exposure, frames[0])]) == pytest.approx(2, rel=0.01)


def test_samples_without_good_pixels_are_left_out(task: SkyMeasurementTask, frames: list[BackgroundList]) -> None:
    image = 2 * pattern(1)
    image[:48] = np.nan
    samples, sky = task.measureScale(image, frames[1])
    assert np.isnan(samples).sum() == np.isnan(sky).sum() == 8
    assert task.fitScale([(samples, sky)]).used == 8
    with pytest.raises(errors.RuntimeError, match="0 usable samples"):
        task.solveScales([])


def test_a_pedestal(frames: list[BackgroundList]) -> None:
    config = SkyMeasurementConfig()
    config.fitPedestal = True
    task = SkyMeasurementTask(config)
    fit = task.fitScale([task.measureScale(2 * pattern(n) + 5, frame) for n, frame in enumerate(frames)])
    assert fit.scale == pytest.approx(2, rel=0.02)
    assert fit.pedestal == pytest.approx(5, rel=0.01)


def test_subtraction(task: SkyMeasurementTask, frames: list[BackgroundList]) -> None:
    image = ImageF((3 * pattern(0)).astype(np.float32))
    exposure = ExposureF(MaskedImageF(ImageF(image, True)))
    found = BackgroundList()
    task.subtractSkyFrame(exposure, frames[0], 3.0, found)
    assert np.abs(exposure.image.array).max() < 0.1
    np.testing.assert_allclose(found.getImage().array, image.array - exposure.image.array, atol=1e-5)
    assert found[0][1:] == frames[0][0][1:]
    # Any float pixels, and a sky frame in any form.
    array = image.array.astype(np.float64)
    task.subtractSkyFrame(array, frames[0].getImage(), 3.0)
    np.testing.assert_allclose(array, exposure.image.array, atol=1e-5)
    background = BackgroundMI(image.getBBox(), frames[0][0][0].getStatsImage())
    background.getBackgroundControl().setInterpStyle(Interpolate.LINEAR)
    plain = ImageF(image, True)
    task.subtractSkyFrame(plain, background, 3.0, found)
    assert found[1][1] == Interpolate.LINEAR
    assert np.abs(plain.array).max() < 0.3


def test_wrong_sky_frames(task: SkyMeasurementTask, frames: list[BackgroundList]) -> None:
    small = np.zeros((5, 5), np.float32)
    for call in (task.measureScale, lambda image, sky: task.subtractSkyFrame(image, sky, 1.0)):
        with pytest.raises(LengthError, match=r"\(96, 128\).*\(5, 5\)"):
            call(small, frames[0])
    found = BackgroundList()
    with pytest.raises(InvalidParameterError, match="ImageF; only a BackgroundMI"):
        task.subtractSkyFrame(np.ones(SHAPE), ImageF(np.ones(SHAPE, np.float32)), 1.0, found)
    with pytest.raises(InvalidParameterError, match="dtype int32"):
        task.subtractSkyFrame(np.ones(SHAPE, np.int32), frames[0], 1.0)
    with pytest.raises(InvalidParameterError, match="scale"):
        task.subtractSkyFrame(np.ones(SHAPE), frames[0], "much")  # type: ignore[arg-type]
    with pytest.raises(InvalidParameterError, match="BackgroundList of one"):
        task.averageBackgrounds([BackgroundList()])
    assert len(found) == 0


@pytest.mark.parametrize("scale", [np.nan, np.inf, -np.inf, np.float32("nan"), 1e39])
def test_scales_that_would_lose_the_image(task: SkyMeasurementTask, frames: list[BackgroundList], scale: float) -> None:
    exposure = ExposureF(MaskedImageF(ImageF(np.full(SHAPE, 7, np.float32))))
    found = BackgroundList()
    with pytest.raises(InvalidParameterError, match=r"scale is (nan|-?inf|1e\+39); (it must be finite|.* float32)"):
        task.subtractSkyFrame(exposure, frames[0], scale, found)
    assert (exposure.image.array == 7).all()
    assert len(found) == 0


def test_amplitudes_that_are_not_determined(task: SkyMeasurementTask) -> None:
    ones, zeros = np.ones(16), np.zeros(16)
    with pytest.raises(errors.RuntimeError, match="undetermined: the frame is 0 to 0 in the 32 samples"):
        task.solveScales([(ones, zeros), (ones, zeros)])
    assert task.solveScales([(3 * ones, zeros), (5 * ones, ones)]) == pytest.approx(5)
    assert task.solveScales([(3 * ones, ones)]) == pytest.approx(3)
    config = SkyMeasurementConfig()
    config.fitPedestal = True
    with pytest.raises(errors.RuntimeError, match=r"the frame is 1 to 1 in the 16 samples\. It must vary"):
        SkyMeasurementTask(config).fitScale([(3 * ones, ones)])
    with pytest.raises(errors.RuntimeError, match="All bins of the 2 visits are 0"):
        task.averageSkyFrames([[task.measureBackground(np.zeros(SHAPE))]] * 2)


def test_bins_of_a_sky_frame(task: SkyMeasurementTask) -> None:
    mask = Mask(100, 70)
    mask.array[:32, :32] = mask.getPlaneBitMask("SAT")
    image = MaskedImageF(ImageF(np.ones((70, 100), np.float32)), mask)
    background, style, undersample, *_ = task.measureBackground(image)[0]
    stats = background.getStatsImage().image.array
    assert stats.shape == (3, 4)
    assert np.isnan(stats).sum() == 1
    assert (style, undersample) == (Interpolate.NATURAL_SPLINE, UndersampleStyle.REDUCE_INTERP_ORDER)


def test_averages_are_clipped(task: SkyMeasurementTask) -> None:
    rng = np.random.default_rng(2)
    arrays = [pattern(0) + rng.normal(0, 0.01) for _ in range(15)]
    arrays[4] = arrays[4] + 100
    for n, array in enumerate(arrays):
        if n != 3:
            array[:10, :10] = np.nan
    backgrounds = [frame_of(array) for array in arrays]
    average = task.averageBackgrounds([*backgrounds[:8], *(background[0][0] for background in backgrounds[8:])])
    stats = average.getStatsImage().image.array
    truth = frame_of(pattern(0))[0][0].getStatsImage().image.array
    np.testing.assert_allclose(stats, truth, atol=0.05)
    # Equal backgrounds stay as they are.
    # It is interpolated as the backgrounds are, whatever the number of bins.
    np.testing.assert_array_equal(
        task.averageBackgrounds([backgrounds[0]] * 3).getImageF().array, backgrounds[0].getImage().array
    )
    same = task.averageBackgrounds([backgrounds[0]] * 3).getStatsImage().image.array
    np.testing.assert_array_equal(same, backgrounds[0][0][0].getStatsImage().image.array)
    with pytest.raises(InvalidParameterError, match="0 backgrounds"):
        task.averageBackgrounds([])
    with pytest.raises(errors.RuntimeError, match="differ"):
        task.averageBackgrounds([backgrounds[0], task.measureBackground(np.ones(SHAPE))])


def test_the_sky_frame_of_several_visits(task: SkyMeasurementTask, frames: list[BackgroundList]) -> None:
    rng = np.random.default_rng(3)
    amplitudes = np.array([2.0, 5.0, 1.0, 3.0])
    visits = [
        [frame_of(amplitude * pattern(n) + rng.normal(0, 0.5, SHAPE)) for n in range(6)] for amplitude in amplitudes
    ]
    result = task.averageSkyFrames(visits)
    unit = np.sqrt(np.mean(amplitudes**2))
    np.testing.assert_allclose(result.scales, amplitudes / unit, rtol=0.01)
    for n, frame in enumerate(result.skyFrames):
        assert np.std(frame.getImage().array - unit * pattern(n)) < 0.2
    # The amplitude of another visit, in its unit.
    scales = [task.measureScale(7 * pattern(n), frame) for n, frame in enumerate(result.skyFrames)]
    assert task.solveScales(scales) == pytest.approx(7 / unit, rel=0.01)


@pytest.mark.parametrize("visits", [[], [[]], [[1], [1, 2]]])
def test_visits_that_do_not_fit(task: SkyMeasurementTask, visits: list[list[int]]) -> None:
    frame = frame_of(np.ones(SHAPE))
    with pytest.raises(InvalidParameterError, match="at least one visit"):
        task.averageSkyFrames([[frame] * len(visit) for visit in visits])


def test_detectors_that_differ_between_visits(task: SkyMeasurementTask) -> None:
    with pytest.raises(errors.RuntimeError, match="differ"):
        task.averageSkyFrames([[frame_of(np.ones(SHAPE))], [frame_of(np.ones((96, 64)))]])


def test_a_sky_frame_as_an_exposure(task: SkyMeasurementTask, tmp_path: Any) -> None:
    box = Box2I(Point2I(-4, 9), Extent2I(SHAPE[1], SHAPE[0]))
    measured = task.measureBackground(ImageF(pattern(0).astype(np.float32), xy0=box.getMin()))
    exposure = task.backgroundToExposure(measured[0][0].getStatsImage(), box)
    again = task.exposureToBackground(exposure)
    assert again[0][0].getImageBBox() == box
    np.testing.assert_array_equal(again.getImage().array, measured.getImage().array)
    exposure.writeFits(tmp_path / "sky.fits")
    read = task.exposureToBackground(ExposureF.readFits(tmp_path / "sky.fits"))
    np.testing.assert_array_equal(read.getImage().array, measured.getImage().array)
    del exposure.getMetadata()["BOX.MAXX"]
    with pytest.raises(NotFoundError, match=r"lacks BOX\.MAXX"):
        task.exposureToBackground(exposure)
    with pytest.raises(InvalidParameterError, match="bbox is"):
        task.backgroundToExposure(measured[0][0].getStatsImage(), Box2I())


def test_the_task_itself(task: SkyMeasurementTask, caplog: pytest.LogCaptureFixture) -> None:
    assert pickle.loads(pickle.dumps(task)).config == task.config
    with caplog.at_level(logging.INFO):
        task.solveScales([(np.ones(4), np.ones(4))])
    assert "Sky frame scale: 1 +- " in caplog.text
