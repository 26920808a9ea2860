"""Background of a visit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from focal_scenes import FocalScene, visit

from evensky import errors
from evensky.errors import InvalidParameterError, LengthError, NotFoundError, OutOfRangeError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.matching.detector import Detector
from evensky.math import BackgroundList
from evensky.tasks.sky_frame import SkyMeasurementConfig, SkyMeasurementTask
from evensky.tasks.visit_background import VisitBackground, VisitBackgroundConfig


@pytest.fixture(scope="module")
def scene() -> FocalScene:
    return visit(7, galaxy=False)


@pytest.fixture(scope="module")
def frames(scene: FocalScene) -> list[BackgroundList]:
    """The pattern of each detector, for an amplitude of 1."""
    config = SkyMeasurementConfig()
    config.background.xBinSize = config.background.yBinSize = 6
    task = SkyMeasurementTask(config)
    return [task.measureBackground(fringes / scene.amplitude) for fringes in scene.fringes]


def config_of(**fields: Any) -> VisitBackgroundConfig:
    config = VisitBackgroundConfig()
    config.update(**{"orderX": 3, "orderY": 3, "binSize": 20, "binning": 16, **fields})
    return config


def fitted(
    scene: FocalScene, config: VisitBackgroundConfig, frames: Any = None, pistons: Any = None, kinds: Any = None
) -> VisitBackground:
    model = VisitBackground(config, scene.detectors)
    for n, (exposure, detector) in enumerate(zip(scene.exposures, scene.detectors, strict=True)):
        pixels = exposure.image.array + (0 if pistons is None else pistons[n])
        model.addCcd(
            pixels, detector, None if frames is None else frames[n], detectorType=None if kinds is None else kinds[n]
        )
    return model


def worst(scene: FocalScene, model: VisitBackground, pistons: Any = None) -> float:
    rms = []
    for n, detector in enumerate(scene.detectors):
        truth = scene.sky[n] + scene.fringes[n] + (0 if pistons is None else pistons[n])
        rms.append(float(np.std(model.toCcdBackground(detector).getImage().array - truth)))
    return max(rms)


def test_the_series_and_the_sky_frame(scene: FocalScene, frames: list[BackgroundList]) -> None:
    model = fitted(scene, config_of(), frames)
    fit = model.fit()
    assert fit is model.fit()
    assert fit.scale == pytest.approx(scene.amplitude, abs=max(4 * fit.error, 0.03))
    assert 0 < fit.error < 0.05
    assert worst(scene, model) < 0.3
    assert len(model.toCcdBackground(scene.detectors[0])) == 2
    assert model.getPiston(scene.detectors[0]) == 0
    # Without the sky frame, the fringes stay.
    assert worst(scene, fitted(scene, config_of())) > 0.5 * scene.amplitude


def test_pistons_of_detectors(scene: FocalScene, frames: list[BackgroundList]) -> None:
    pistons = np.random.default_rng(1).normal(0, 5, 12)
    model = fitted(scene, config_of(pistons="DETECTOR"), frames, pistons)
    found = np.array([model.getPiston(detector) for detector in scene.detectors])
    # The parabolic sky needs no slopes that could hide pistons.
    np.testing.assert_allclose(found - found.mean(), pistons - pistons.mean(), atol=0.7)
    assert worst(scene, model, pistons) < 0.3
    assert np.std(found - pistons) < 0.5
    assert worst(scene, fitted(scene, config_of(), frames, pistons), pistons) > 1


def test_pistons_of_types(scene: FocalScene, frames: list[BackgroundList]) -> None:
    kinds = ["e2v" if n % 2 else "ITL" for n in range(12)]
    model = fitted(scene, config_of(pistons="TYPE"), frames, [3.0 * (kind == "ITL") for kind in kinds], kinds)
    steps = {kind: model.getPiston(detector) for kind, detector in zip(kinds, scene.detectors, strict=True)}
    assert steps["ITL"] - steps["e2v"] == pytest.approx(3, abs=0.1)
    assert model.getPiston(scene.detectors[2]) == model.getPiston(scene.detectors[0])


def test_masked_pixels_and_stars_do_not_count(scene: FocalScene, frames: list[BackgroundList]) -> None:
    model = VisitBackground(config_of(minFrac=0.5), scene.detectors)
    for exposure, detector, frame in zip(scene.exposures, scene.detectors, frames, strict=True):
        pixels = ImageF(exposure.image, True)
        mask = Mask(pixels.getDimensions())
        pixels.array[:60, :60] = 1e5
        mask.array[:60, :60] = mask.getPlaneBitMask("DETECTED")
        pixels.array[60:80, :11] = np.nan  # more than half of a sample
        pixels.array[60:80, 11:20] = 1e3
        model.addCcd(MaskedImageF(pixels, mask), detector, frame)
    assert model.fit().used <= 12 * (120 - 10)
    assert worst(scene, model) < 0.4


def test_wrong_calls(scene: FocalScene, frames: list[BackgroundList]) -> None:
    model = VisitBackground(config_of(), scene.detectors)
    with pytest.raises(errors.RuntimeError, match="No detector was added"):
        model.fit()
    with pytest.raises(NotFoundError, match=r"Detector 1 was not added to the visit; added so far \(0\): none$"):
        model.getPiston(scene.detectors[1])
    with pytest.raises(LengthError, match=r"\(200, 240\).*\(9, 9\)"):
        model.addCcd(ImageF(np.ones((9, 9))), scene.detectors[0], frames[0])
    with pytest.raises(InvalidParameterError, match="only a BackgroundMI"):
        model.addCcd(ImageF(np.ones((9, 9))), scene.detectors[0], np.ones((9, 9)))
    with pytest.raises(LengthError, match=r"ndarray has 9 x 9 pixels, and detector 0 has 240 x 200"):
        model.addCcd(np.ones((9, 9)), scene.detectors[0])
    with pytest.raises(LengthError, match="not inside the detector"):
        model.addCcd(np.ones((999, 9)), scene.detectors[0])
    model.addCcd(scene.exposures[0], scene.detectors[0])
    with pytest.raises(InvalidParameterError, match="was added before"):
        model.addCcd(scene.exposures[0], scene.detectors[0])
    with pytest.raises(NotFoundError, match=r"was not added to the visit; added so far \(1\): 0$"):
        model.toCcdBackground(scene.detectors[1])
    with pytest.raises(InvalidParameterError, match="VisitBackgroundConfig"):
        VisitBackground(None, scene.detectors)  # type: ignore[arg-type]
    small = VisitBackground(config_of(orderX=9, orderY=9, binSize=100), scene.detectors[:1])
    small.addCcd(scene.exposures[0], scene.detectors[0])
    with pytest.raises(errors.RuntimeError, match="6 usable samples for 100 terms"):
        small.toCcdBackground(scene.detectors[0])


def test_unnamed_detectors_are_listed_by_their_boxes() -> None:
    model = VisitBackground(config_of(), boxes())
    for box in boxes()[:8]:
        model.addCcd(np.ones((200, 200)), box)
    said = (
        r"\(\(660, 420\)\.\.\(859, 619\)\) was not added .*; added so far \(8\): "
        r"\(\(0, 0\)\.\.\(199, 199\)\), .*, and 2 more$"
    )
    with pytest.raises(NotFoundError, match=said) as caught:
        model.toCcdBackground(boxes()[-1])
    assert "None" not in str(caught.value)
    with pytest.raises(InvalidParameterError, match=r"Detector \(\(220, 0\)\.\.\(419, 199\)\) was added before"):
        model.addCcd(np.ones((200, 200)), boxes()[1])
    # Nor does a name make another detector of it.
    with pytest.raises(InvalidParameterError, match=r"Detector 'S1' was added before"):
        model.addCcd(np.ones((200, 200)), Detector(boxes()[0], np.eye(2, 3), "S1"))


def test_a_camera_has_each_detector_once() -> None:
    with pytest.raises(InvalidParameterError, match=r"Detectors 1 and 12 of the camera .*: \(\(220, 0\)"):
        VisitBackground(config_of(), [*boxes(), boxes()[1]])


def test_an_exposure_that_knows_its_detector() -> None:
    box = Box2I(Point2I(100, 50), Extent2I(60, 40))

    class Placed(ExposureF):
        def getDetector(self) -> Box2I:
            return box

    model = VisitBackground(config_of(orderX=1, orderY=1), [box])
    model.addCcd(Placed(MaskedImageF(ImageF(np.full((40, 60), 3, np.float32)))))
    np.testing.assert_allclose(model.toCcdBackground(box).getImage().array, 3, rtol=1e-6)


def boxes() -> list[Box2I]:
    return [Box2I(Point2I(220 * i, 210 * j), Extent2I(200, 200)) for j in range(3) for i in range(4)]


def noisy(order: int, **fields: Any) -> tuple[VisitBackground, float]:
    """Return the background of noise of 12 detectors with 100 samples each, and its largest value."""
    rng = np.random.default_rng(5)
    model = VisitBackground(config_of(orderX=order, orderY=order, **fields), boxes())
    for box in boxes():
        model.addCcd(rng.normal(0, 2, (200, 200)).astype(np.float32), box)
    return model, max(float(np.abs(model.toCcdBackground(box).getImage().array).max()) for box in boxes())


@pytest.mark.parametrize("order", [15, 30, 40])
def test_orders_that_the_samples_do_not_determine(order: int) -> None:
    with pytest.raises(
        errors.RuntimeError, match=r"is not determined.*[Uu]se at most orderX = (\d+), orderY = \1"
    ) as said:
        noisy(order)
    highest = int(str(said.value).split("at most orderX = ")[1].split(",")[0])
    assert 8 <= highest < 15
    # Noise of a sample is 0.1; the recommended order keeps the model within a few times that.
    assert noisy(highest)[1] < 5
    assert noisy(6)[1] < 0.5


def test_orders_are_checked_over_each_detector() -> None:
    """A detector without good pixels far from all others has no model, and the others have one."""
    rng = np.random.default_rng(6)
    model = VisitBackground(config_of(orderX=8, orderY=2), boxes())
    for n, box in enumerate(boxes()):
        model.addCcd(rng.normal(0, 2, (200, 200)) if n % 4 else np.full((200, 200), np.nan), box)
    assert model.fit().used > 850
    assert np.abs(model.toCcdBackground(boxes()[1]).getImage().array).max() < 1
    with pytest.raises(
        errors.RuntimeError, match=r"not determined over .* times the scatter .*Use at most orderX = \d,"
    ):
        model.toCcdBackground(boxes()[0])


def test_amplitudes_and_constants_that_are_not_determined(frames: list[BackgroundList]) -> None:
    pixels = np.random.default_rng(7).normal(0, 2, (200, 240)).astype(np.float32)
    camera = [Box2I(Point2I(240 * i, 0), Extent2I(240, 200)) for i in range(4)]
    task = SkyMeasurementTask()
    for level, message in ((0.0, "the frame is 0 in all samples"), (1.0, "is equal to the frame")):
        model = VisitBackground(config_of(), camera)
        for box in camera:
            model.addCcd(pixels, box, task.measureBackground(np.full((200, 240), level)))
        with pytest.raises(errors.RuntimeError, match=f"sky frame is undetermined: .*{message}"):
            model.fit()
    model = VisitBackground(config_of(orderX=7, orderY=0, binSize=240, pistons="DETECTOR"), camera)
    for box in camera:
        model.addCcd(pixels, box)
    with pytest.raises(errors.RuntimeError, match="4 usable samples for 8 terms"):
        model.fit()
    model.config.orderX = 3
    with pytest.raises(errors.RuntimeError, match="4 usable samples for 7 terms"):
        model.fit()


def test_detectors_beyond_the_camera_are_refused() -> None:
    model = VisitBackground(config_of(), boxes())
    with pytest.raises(OutOfRangeError, match=r"covers .*4999\.5.* not inside the camera's .*859\.5"):
        model.addCcd(np.ones((200, 200)), Box2I(Point2I(5000, 5000), Extent2I(200, 200)))
    with pytest.raises(errors.RuntimeError, match="No detector was added"):
        model.fit()


def test_pixels_of_a_box_may_be_those_of_the_focal_plane() -> None:
    model = VisitBackground(config_of(orderX=0, orderY=0, pistons="DETECTOR"), boxes()[:3])
    for n, box in enumerate(boxes()[:3]):
        image = ImageF(np.full((200, 200), n, np.float32), xy0=box.getMin())
        model.addCcd(image, box)
        with pytest.raises(InvalidParameterError, match="was added before"):
            model.addCcd(image.array, box)
    background = model.toCcdBackground(boxes()[2]).getImage()
    assert background.getBBox() == boxes()[2]
    np.testing.assert_allclose(background.array, 2, atol=1e-5)
    assert [model.getPiston(box) for box in boxes()[:3]] == pytest.approx([-1, 0, 1])
