"""Backgrounds of whole focal planes."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import numpy as np
import pytest
from focal_scenes import visit
from lsst.pex.config import FieldValidationError

from evensky import errors
from evensky.errors import InvalidParameterError, LengthError, OutOfRangeError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.matching.detector import mapped
from evensky.math import BackgroundList
from evensky.tasks.focal_plane import Detector, FocalPlaneBackground, FocalPlaneBackgroundConfig


def chips(turn: float = 0.0) -> list[Detector]:
    """Return 3 x 2 detectors of two shapes, turned in all four ways and flipped; the focal plane is in millimetres."""
    wide, tall = Box2I(Point2I(5, 7), Extent2I(90, 60)), Box2I(Point2I(0, 0), Extent2I(60, 90))
    angle = np.radians(turn)
    around = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return [
        Detector.centered(
            tall if (i + j) % 2 else wide,
            around @ (i, j),
            pixelSize=0.01,
            rotation=90.0 * (i + j) + turn,
            flip=bool(j),
            name=(i, j),
        )
        for j in range(2)
        for i in range(3)
    ]


def pixels_of(detector: Detector, function: Any) -> ImageF:
    """Return an image of a function of the place in the focal plane."""
    box = detector.getBBox()
    x, y = np.arange(box.getBeginX(), box.getEndX()), np.arange(box.getBeginY(), box.getEndY())
    place = mapped(detector.transform, x[np.newaxis, :], y[:, np.newaxis])
    return ImageF(function(*place).astype(np.float32), xy0=box.getMin())


def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 100 + 20 * x - 13 * y


def config_of(**fields: Any) -> FocalPlaneBackgroundConfig:
    values = {"xSize": 0.7, "ySize": 0.5, "pixelSize": 0.01, "binning": 10, **fields}
    config = FocalPlaneBackgroundConfig()
    config.update(**values)
    return config


@pytest.mark.parametrize("turn", [0.0, 17.0])
@pytest.mark.parametrize("size", [(1.6, 1.2), (0.7, 0.5), (0.31, 0.29)])
@pytest.mark.parametrize("interpolation", ["AKIMA_SPLINE", "LINEAR"])
def test_a_plane_is_recovered_on_every_detector(turn: float, size: tuple[float, float], interpolation: str) -> None:
    detectors = chips(turn)
    config = config_of(xSize=size[0], ySize=size[1], interpolation=interpolation)
    model = FocalPlaneBackground.fromCamera(config, detectors)
    for detector in detectors:
        model.addCcd(pixels_of(detector, plane), detector)
    assert model.getNumbers().sum() == 6 * 5400
    for detector in detectors:
        image = model.toCcdBackground(detector, detector.getBBox()).getImage()
        truth = pixels_of(detector, plane)
        assert image.getBBox() == truth.getBBox()
        np.testing.assert_allclose(image.array, truth.array, atol=5e-4)


def test_a_curved_sky_and_its_error() -> None:
    scene = visit(3, galaxy=False)
    config = FocalPlaneBackgroundConfig(xSize=240, ySize=240, binning=16)

    def worst(interpolation: str) -> float:
        config.interpolation = interpolation
        model = FocalPlaneBackground.fromCamera(config, scene.detectors)
        for sky, detector in zip(scene.sky, scene.detectors, strict=True):
            model.addCcd(sky.astype(np.float32), detector)
        models = [model.toCcdBackground(detector).getImage().array for detector in scene.detectors]
        return max(float(np.abs(one - sky).max()) for one, sky in zip(models, scene.sky, strict=True))

    # The sky is a parabola with an amplitude of several counts over the focal plane.
    assert worst("AKIMA_SPLINE") < 0.25
    assert worst("AKIMA_SPLINE") < 0.6 * worst("LINEAR")


def test_masked_and_bad_pixels_do_not_count() -> None:
    box = Box2I(Point2I(0, 0), Extent2I(100, 100))
    pixels = np.full((100, 100), 7, np.float32)
    mask = Mask(100, 100)
    for n, name in enumerate(("BAD", "SAT", "INTRP", "DETECTED", "DETECTED_NEGATIVE", "EDGE", "NO_DATA", "CR")):
        mask.array[n] = mask.getPlaneBitMask(name)
        pixels[n] = 1000 if name != "CR" else 7
    pixels[50] = np.nan
    model = FocalPlaneBackground.fromCamera(FocalPlaneBackgroundConfig(xSize=50, ySize=50), [box])
    model.addCcd(ExposureF(MaskedImageF(ImageF(pixels), mask)), box)
    assert model.getNumbers().sum() == 9200
    np.testing.assert_allclose(model.getStatsImage().array, 7, rtol=1e-6)


def test_bins_without_enough_pixels_are_filled_and_marked() -> None:
    box = Box2I(Point2I(0, 0), Extent2I(200, 100))
    y, x = np.indices((100, 200))
    image = ImageF((3 + 0.1 * x + 0.2 * y).astype(np.float32))
    image.array[:50, 100:150] = np.nan
    image.array[:3, 100:150] = 13
    model = FocalPlaneBackground.fromCamera(FocalPlaneBackgroundConfig(xSize=50, ySize=50, binning=25), [box])
    model.addCcd(image, box)
    assert model.getFilledBins().tolist() == [[False, False, True, False], [False] * 4]
    stats = model.getStatsImage()
    assert stats.getDimensions() == Extent2I(4, 2)
    np.testing.assert_allclose(
        stats.array, 3 + 0.1 * (24.5 + 50 * np.arange(4)) + 0.2 * np.array([[24.5], [74.5]]), rtol=1e-4
    )
    background = model.toCcdBackground(box)[0][0].getStatsImage()
    bad = background.mask.array != 0
    assert bad[:2, 4:6].all()
    assert bad.sum() == 4
    # With a lower share, the bin keeps its few pixels.
    model.config.minFrac = 0.05
    assert not model.getFilledBins().any()


def test_the_share_is_of_the_bins_area_in_pixels() -> None:
    # A bin of 1 x 1 mm has 100 x 100 pixels.
    box = Box2I(Point2I(0, 0), Extent2I(20, 40))
    detector = Detector.centered(box, pixelSize=0.01)
    config = config_of(xSize=1.0, ySize=1.0, minFrac=0.1)
    model = FocalPlaneBackground.fromCamera(config, [detector])
    model.addCcd(np.ones((40, 20), np.float32), detector)
    with pytest.raises(errors.RuntimeError, match=r"the best has 800, and minFrac = 0.1 asks for 1000"):
        model.getStatsImage()
    config.minFrac = 0.08
    np.testing.assert_allclose(model.getStatsImage().array, 1)


def test_smoothing() -> None:
    rng = np.random.default_rng(1)
    box = Box2I(Point2I(0, 0), Extent2I(320, 320))
    pixels = np.kron(rng.normal(10, 1, (16, 16)), np.ones((20, 20))).astype(np.float32)
    config = FocalPlaneBackgroundConfig(xSize=20, ySize=20, smoothScale=3.0)
    model = FocalPlaneBackground.fromCamera(config, [box])
    model.addCcd(pixels, box)
    rough = model.getStatsImage().array.std()
    config.doSmooth = True
    smooth = model.getStatsImage().array.std()
    assert smooth < 0.4 * rough


def test_merging_equals_adding() -> None:
    detectors = chips()
    one = FocalPlaneBackground.fromCamera(config_of(), detectors)
    parts = [FocalPlaneBackground.fromSimilar(one) for _ in range(2)]
    for n, detector in enumerate(detectors):
        image = pixels_of(detector, plane)
        one.addCcd(image, detector)
        parts[n % 2].addCcd(image, detector)
    merged = parts[0].clone()
    merged += parts[1]
    assert merged.getNumbers().sum() == one.getNumbers().sum() > parts[0].getNumbers().sum()
    np.testing.assert_allclose(merged.getStatsImage().array, one.getStatsImage().array, rtol=1e-6)
    again = pickle.loads(pickle.dumps(merged))
    assert np.array_equal(again.getStatsImage().array, merged.getStatsImage().array)
    assert again.config == merged.config
    assert repr(again) == repr(merged)
    assert "bins of 0.7 x 0.5" in repr(again)


def test_unlike_backgrounds_do_not_merge() -> None:
    detectors = chips()
    model = FocalPlaneBackground.fromCamera(config_of(), detectors)
    with pytest.raises(errors.RuntimeError, match=r"0.7 x 0.5 and 0.9 x 0.5"):
        model.merge(FocalPlaneBackground.fromCamera(config_of(xSize=0.9), detectors))
    with pytest.raises(errors.RuntimeError, match="differ in size or place"):
        model.merge(FocalPlaneBackground.fromCamera(config_of(), detectors[:2]))
    with pytest.raises(TypeError):
        model += 1


def test_parts_of_a_detector_and_its_own_place() -> None:
    detector = chips()[0]

    class Placed(ExposureF):
        def getDetector(self) -> Detector:
            return detector

    image = pixels_of(detector, plane)
    whole = FocalPlaneBackground.fromCamera(config_of(xSize=0.3, ySize=0.3), [detector])
    halves = FocalPlaneBackground.fromSimilar(whole)
    whole.addCcd(Placed(MaskedImageF(image)))
    box = detector.getBBox()
    for corner, width in ((5, 33), (38, 57)):
        part = Box2I(Point2I(corner, box.getMinY()), Extent2I(width, box.getHeight()))
        halves.addCcd(image[part], detector)
    np.testing.assert_array_equal(halves.getNumbers(), whole.getNumbers())
    # A bare map serves with the box of the image, and with a box to read.
    mapped_only = FocalPlaneBackground.fromSimilar(whole)
    mapped_only.addCcd(image, detector.transform)
    np.testing.assert_array_equal(mapped_only.getNumbers(), whole.getNumbers())
    quarter = Box2I(Point2I(20, 20), Extent2I(30, 20))
    background = mapped_only.toCcdBackground(detector.transform, quarter)
    assert isinstance(background, BackgroundList)
    np.testing.assert_allclose(background.getImage().array, image[quarter].array, atol=1e-3)


@pytest.mark.parametrize("corner", [(1000, 0), (1, 0), (0, -1)])
def test_detectors_beyond_the_grid_are_refused(corner: tuple[int, int]) -> None:
    box, other = Box2I(Point2I(0, 0), Extent2I(50, 50)), Box2I(Point2I(*corner), Extent2I(50, 50))
    model = FocalPlaneBackground.fromCamera(FocalPlaneBackgroundConfig(xSize=50, ySize=50), [box])
    covers = rf"Detector covers .*Point2D\({corner[0] - 0.5}, .*not inside the camera's .*Point2D\(49.5, 49.5"
    with pytest.raises(OutOfRangeError, match=covers):
        model.addCcd(np.ones((50, 50)), other)
    assert model.getNumbers().sum() == 0
    with pytest.raises(errors.RuntimeError, match="No bin of the focal plane"):
        model.toCcdBackground(box)
    model.addCcd(np.ones((50, 50)), box)
    with pytest.raises(OutOfRangeError, match=covers):
        model.toCcdBackground(other)
    # Nor is the model continued beyond the detector that was asked for.
    with pytest.raises(LengthError, match="not inside the detector"):
        model.toCcdBackground(Detector(box, np.eye(2, 3)), Box2I(Point2I(0, 0), Extent2I(51, 50)))


def test_detectors_of_a_turned_camera_are_inside() -> None:
    for turn in (0.0, 17.0, 45.0, 123.0):
        model = FocalPlaneBackground.fromCamera(config_of(), chips(turn))
        for detector in chips(turn):
            model.addCcd(pixels_of(detector, plane), detector)
        assert model.getNumbers().sum() == 6 * 90 * 60
        for detector in chips(turn):
            model.toCcdBackground(detector)


def test_pixels_of_a_box_are_those_of_the_detector_or_of_the_focal_plane() -> None:
    camera = [Box2I(Point2I(x, 20), Extent2I(50, 40)) for x in (100, 160)]
    config = FocalPlaneBackgroundConfig(xSize=20, ySize=20, binning=10)
    own, mosaic = (FocalPlaneBackground.fromCamera(config, camera) for _ in range(2))
    for box in camera:
        image = pixels_of(Detector(box, np.eye(2, 3)), plane)
        mosaic.addCcd(image, box)
        own.addCcd(image.array, box)
        # A part that is inside the detector in one frame only.
        part = Box2I(Point2I(box.getMinX(), 20), Extent2I(30, 40))
        FocalPlaneBackground.fromCamera(config, camera).addCcd(image[part], box)
    np.testing.assert_array_equal(mosaic.getNumbers(), own.getNumbers())
    np.testing.assert_array_equal(mosaic.getStatsImage().array, own.getStatsImage().array)
    in_plane = mosaic.toCcdBackground(camera[1], camera[1]).getImage()
    assert in_plane.getBBox() == camera[1]
    np.testing.assert_array_equal(in_plane.array, mosaic.toCcdBackground(camera[1]).getImage().array)
    near = Box2I(Point2I(10, 0), Extent2I(50, 40))
    model = FocalPlaneBackground.fromCamera(config, [near])
    with pytest.raises(InvalidParameterError, match=r"inside \(\(0, 0\)\.\.\(49, 39\)\) or \(\(10, 0\)"):
        model.addCcd(ImageF(np.ones((5, 5), np.float32), xy0=Point2I(20, 3)), near)
    assert model.getNumbers().sum() == 0
    model.addCcd(np.ones((40, 50)), near)
    with pytest.raises(LengthError, match=r"not inside the detector's \(\(0, 0\).* or \(\(10, 0\)"):
        model.addCcd(ImageF(np.ones((5, 5), np.float32), xy0=Point2I(90, 3)), near)


def test_the_constructor_takes_sums() -> None:
    config = FocalPlaneBackgroundConfig(xSize=10, ySize=10)
    numbers = np.full((2, 3), 50.0)
    model = FocalPlaneBackground(config, Extent2I(3, 2), np.eye(2, 3) / 10, ImageF((5 * numbers).astype("f4")), numbers)
    numbers[...] = 0
    np.testing.assert_allclose(model.getStatsImage().array, 5)
    with pytest.raises(LengthError, match=r"values have shape \(3, 2\)"):
        FocalPlaneBackground(config, (3, 2), np.eye(2, 3), np.ones((3, 2)))
    for dims in ((0, 2), (10**5, 10**5)):
        with pytest.raises(InvalidParameterError, match="The grid has"):
            FocalPlaneBackground(config, dims, np.eye(2, 3))
    with pytest.raises(InvalidParameterError, match="at most"):
        FocalPlaneBackground.fromCamera(FocalPlaneBackgroundConfig(xSize=1e-9, ySize=1), chips())
    with pytest.raises(InvalidParameterError, match="FocalPlaneBackgroundConfig"):
        FocalPlaneBackground(None, (1, 1), np.eye(2, 3))  # type: ignore[arg-type]


def test_calls_that_are_none() -> None:
    box = Box2I(Point2I(0, 0), Extent2I(50, 50))
    model = FocalPlaneBackground.fromCamera(FocalPlaneBackgroundConfig(xSize=25, ySize=25), [box])
    with pytest.raises(InvalidParameterError, match="The detector is None"):
        model.addCcd(np.ones((50, 50)))
    with pytest.raises(LengthError, match=r"covers \(\(0, 0\)\.\.\(50, 49\)\), which is not inside"):
        model.addCcd(np.ones((50, 51)), box)
    assert model.getNumbers().sum() == 0
    model.addCcd(np.ones((50, 50)), box)
    with pytest.raises(InvalidParameterError, match="bbox is"):
        model.toCcdBackground(box, Box2I())


def test_a_detector_counts_once() -> None:
    detectors = chips()
    model = FocalPlaneBackground.fromCamera(config_of(), detectors)
    for detector in detectors:
        model.addCcd(pixels_of(detector, plane), detector)
    numbers = model.getNumbers()
    first = detectors[0]
    box, image = first.getBBox(), pixels_of(first, plane)
    renamed = Detector(box, first.transform, "other")
    part = image[Box2I(box.getMin(), Extent2I(9, 9))]
    for whole in (model, model.clone(), pickle.loads(pickle.dumps(model))):
        for pixels, place in ((image, first), (image, renamed), (image, first.transform), (part, first)):
            with pytest.raises(
                InvalidParameterError, match=r"detector .* were added before, .* fromSimilar, and merge"
            ):
                whole.addCcd(pixels, place)
        np.testing.assert_array_equal(whole.getNumbers(), numbers)
    # Those of another exposure are merged; then both have it.
    other = FocalPlaneBackground.fromSimilar(model)
    other.addCcd(image, first)
    model += other
    assert model.getNumbers().sum() == numbers.sum() + 5400
    empty = FocalPlaneBackground.fromSimilar(model)
    empty.merge(other)
    with pytest.raises(InvalidParameterError, match=r"of detector \(0, 0\) were added before"):
        empty.addCcd(image, first)
    empty.addCcd(pixels_of(detectors[1], plane), detectors[1])


def test_a_box_counts_once_in_both_frames() -> None:
    camera = [Box2I(Point2I(x, 20), Extent2I(50, 40)) for x in (100, 160)]
    model = FocalPlaneBackground.fromCamera(FocalPlaneBackgroundConfig(xSize=20, ySize=20), camera)
    for box in camera:
        image = pixels_of(Detector(box, np.eye(2, 3)), plane)
        model.addCcd(image, box)
        with pytest.raises(InvalidParameterError, match=rf"detector \(\({box.getMinX()}, 20\).* were added before"):
            model.addCcd(image.array, box)
    assert model.getNumbers().sum() == 2 * 2000


def test_a_camera_has_each_detector_once() -> None:
    detectors = chips()
    with pytest.raises(InvalidParameterError, match=r"Detectors 2 and 6 of the camera .* same place: \(2, 0\)\. A"):
        FocalPlaneBackground.fromCamera(config_of(), [*detectors, detectors[2]])
    # As when all detectors are placed at the origin.
    box = Box2I(Point2I(0, 0), Extent2I(50, 40))
    with pytest.raises(InvalidParameterError, match=r"Detectors 0 and 1 of the camera .* same place: 'a' and 'b'\. A"):
        FocalPlaneBackground.fromCamera(config_of(), [Detector(box, np.eye(2, 3), name) for name in "ab"])


def test_arrays_have_the_size_of_their_detector() -> None:
    box = Box2I(Point2I(0, 0), Extent2I(200, 160))
    model = FocalPlaneBackground.fromCamera(FocalPlaneBackgroundConfig(xSize=50, ySize=50), [box])
    pixels = np.ones((50, 50), np.float32)
    for array in (pixels, np.ma.MaskedArray(pixels), pixels.tolist()):
        with pytest.raises(LengthError, match=r"has 50 x 50 pixels, and detector \(\(0, 0\).* has 200 x 160; .*origin"):
            model.addCcd(array, box)
    assert model.getNumbers().sum() == 0
    # An origin says which part it is.
    model.addCcd(ImageF(pixels, xy0=Point2I(150, 100)), box)
    assert model.getNumbers()[2:, 2:].sum() == 2500


def test_a_model_that_other_detectors_determine_is_told(caplog: pytest.LogCaptureFixture) -> None:
    detectors = chips()
    model = FocalPlaneBackground.fromCamera(config_of(xSize=0.3, ySize=0.3), detectors)
    for detector in detectors[:4]:
        model.addCcd(pixels_of(detector, plane), detector)
    lost = pixels_of(detectors[4], plane)
    lost.array[...] = np.nan
    model.addCcd(lost, detectors[4])
    with caplog.at_level(logging.WARNING, logger="evensky"):
        found = [model.toCcdBackground(detector)[0][0].getStatsImage() for detector in detectors for _ in range(2)]
    shares = [float((stats.mask.array != 0).mean()) for stats in found[::2]]
    assert min(shares[4:]) > 0.5 > max(shares[:4])
    assert [record.name for record in caplog.records] == ["evensky"] * 2
    for record, share, name in zip(caplog.records, shares[4:], ("(1, 1)", "(2, 1)"), strict=True):
        assert record.getMessage().startswith(f"Detector {name}: no good pixel of it was added")
        assert f" {100 * share:.0f} % of the cells" in record.getMessage()
    # With the pixels of the detector there is nothing to tell; the other warning is repeated for changed sums.
    caplog.clear()
    model.addCcd(pixels_of(detectors[5], plane), detectors[5])
    with caplog.at_level(logging.WARNING, logger="evensky"):
        model.toCcdBackground(detectors[5])
        assert not caplog.records
        model.toCcdBackground(detectors[4])
    assert len(caplog.records) == 1


def test_a_detector_in_the_bins_of_others_is_told(caplog: pytest.LogCaptureFixture) -> None:
    # All bins are good, and those of the second detector have pixels of the others alone.
    camera = [Box2I(Point2I(100 * n, 0), Extent2I(100, 100)) for n in range(3)]
    model = FocalPlaneBackground.fromCamera(FocalPlaneBackgroundConfig(xSize=150, ySize=100), camera)
    for box in camera[::2]:
        model.addCcd(np.ones((100, 100)), box)
    assert not model.getFilledBins().any()
    sums = ImageF((model.getStatsImage().array * model.getNumbers()).astype(np.float32)), model.getNumbers()
    unknown = FocalPlaneBackground(model.config, model.dims, model.transform, *sums)
    unknown.toCcdBackground(camera[1])
    assert not caplog.records
    for copied in (model, model.clone(), pickle.loads(pickle.dumps(model))):
        caplog.clear()
        for box in camera:
            copied.toCcdBackground(box)
            copied.toCcdBackground(Detector(box, np.eye(2, 3), "mosaic"), Box2I(box.getMin(), Extent2I(20, 20)))
        (record,) = caplog.records
        assert record.getMessage().startswith("Detector ((100, 0)..(199, 99)): no good pixel of it was added")
    caplog.clear()
    other = FocalPlaneBackground.fromSimilar(model)
    other.addCcd(np.ones((100, 100)), camera[1])
    model += other
    model.toCcdBackground(camera[1])
    assert not caplog.records


def test_few_good_pixels_are_told(caplog: pytest.LogCaptureFixture) -> None:
    box = Box2I(Point2I(0, 0), Extent2I(200, 100))
    pixels = np.ones((100, 200), np.float32)
    pixels[:, 50:] = np.nan
    model = FocalPlaneBackground.fromCamera(FocalPlaneBackgroundConfig(xSize=50, ySize=50, binning=25), [box])
    model.addCcd(pixels, box)
    model.toCcdBackground(box)
    (record,) = caplog.records
    assert record.getMessage().startswith("Detector ((0, 0)..(199, 99)): 75 % of the cells")


@pytest.mark.parametrize(
    ("name", "value"), [("xSize", 0.0), ("ySize", -1.0), ("pixelSize", float("inf")), ("minFrac", 1.5), ("binning", 0)]
)
def test_configurations_that_are_not_allowed(name: str, value: Any) -> None:
    config = FocalPlaneBackgroundConfig()
    with pytest.raises(FieldValidationError, match=name):  # noqa: PT012 - a range is checked at once, a field at the end
        setattr(config, name, value)
        config.validate()


@pytest.mark.parametrize("interpolation", ["NONE", None])
def test_without_interpolation_gaps_stay(interpolation: str | None) -> None:
    box = Box2I(Point2I(0, 0), Extent2I(90, 30))
    pixels = np.ones((30, 90), np.float32)
    pixels[:, 30:60] = np.nan
    config = FocalPlaneBackgroundConfig(xSize=30, ySize=30, binning=10, interpolation=interpolation)
    model = FocalPlaneBackground.fromCamera(config, [box])
    model.addCcd(pixels, box)
    assert np.isnan(model.getStatsImage().array).tolist() == [[False, True, False]]
    # Around a gap the bins next to it count.
    np.testing.assert_allclose(model.toCcdBackground(box).getImage().array, 1)


def test_a_model_follows_what_is_added_and_configured() -> None:
    box = Box2I(Point2I(0, 0), Extent2I(60, 60))
    model = FocalPlaneBackground.fromCamera(FocalPlaneBackgroundConfig(xSize=20, ySize=20), [box])
    model.addCcd(np.full((60, 60), 2.0), box)
    first = model.getStatsImage()
    np.testing.assert_allclose(first.array, 2)
    first.array[...] = 9  # a copy
    np.testing.assert_allclose(model.getStatsImage().array, 2)
    other = FocalPlaneBackground.fromSimilar(model)
    other.addCcd(np.full((60, 60), 4.0), box)
    model += other
    np.testing.assert_allclose(model.toCcdBackground(box).getImage().array, 3)
    model.config.minFrac = 1.0
    np.testing.assert_allclose(model.getStatsImage().array, 3)
    other.config.minFrac = 1.0
    other.config.interpolation = "NONE"
    other.config.binning = 10
    third = FocalPlaneBackground.fromSimilar(other)
    third.addCcd(ImageF(np.full((20, 60), 10.0, np.float32)), box)
    other += third
    np.testing.assert_allclose(other.getStatsImage().array[:, 0], [7, 4, 4], atol=0.5)
    np.testing.assert_allclose(other.toCcdBackground(box).getImage().array[[10, -1], 30], [7, 4], atol=0.5)
