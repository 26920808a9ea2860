"""Places of detectors in a focal plane."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.geom import Box2D, Box2I, Extent2I, Point2D, Point2I
from evensky.matching.detector import (
    Detector,
    affine_map,
    as_detector,
    composed,
    focal_plane_box,
    inverted,
    label_of,
    labels_of,
    mapped,
    place_of,
)
from evensky.matching.focal_plane import place_chips

BOX = Box2I(Point2I(0, 0), Extent2I(200, 100))


@pytest.mark.parametrize(
    ("rotation", "size"), [(0, (2.0, 1.0)), (90, (1.0, 2.0)), (180, (2.0, 1.0)), (270, (1.0, 2.0))]
)
@pytest.mark.parametrize("flip", [False, True])
def test_a_detector_is_placed_by_its_centre(rotation: float, size: tuple[float, float], flip: bool) -> None:
    detector = Detector.centered(BOX, (3.0, -4.0), pixelSize=0.01, rotation=rotation, flip=flip, name="S11")
    box = detector.getFocalPlaneBox()
    np.testing.assert_allclose(box.getCenter(), (3.0, -4.0), atol=1e-12)
    np.testing.assert_allclose(box.getDimensions(), size, atol=1e-12)
    # Rotations by right angles are exact, so that bins are rectangles of pixels.
    assert np.count_nonzero(detector.transform[:, :2]) == 2
    determinant = np.linalg.det(detector.transform[:, :2])
    assert determinant == pytest.approx(-1e-4 if flip else 1e-4)
    assert detector.getName() == "S11"
    assert detector.getBBox() == BOX


def test_a_rotation_is_counterclockwise() -> None:
    detector = Detector.centered(BOX, rotation=90)
    along_x = mapped(detector.transform, 1.0, 0.0) - mapped(detector.transform, 0.0, 0.0)
    np.testing.assert_allclose(along_x, (0.0, 1.0), atol=1e-12)


def test_a_box_is_a_place_in_a_focal_plane_of_pixels() -> None:
    detector = as_detector(Box2I(Point2I(500, -20), Extent2I(30, 40)))
    assert detector.getBBox() == Box2I(Point2I(0, 0), Extent2I(30, 40))
    assert mapped(detector.transform, 0, 0).tolist() == [500, -20]
    assert detector.getFocalPlaneBox() == Box2D(Point2D(499.5, -20.5), Point2D(529.5, 19.5))


def test_maps_of_placed_chips_are_taken() -> None:
    # Six numbers per chip, as headers give them.
    placed = place_chips([(1.0, 0.0, 7.0, 0.0, -1.0, 99.0)], [(100, 200)], [None])
    assert placed is not None
    detector = as_detector((BOX, placed[0]))
    assert mapped(detector.transform, 2, 3).tolist() == [9.0, 96.0]
    assert as_detector(placed[0], BOX) == detector
    assert as_detector(detector) is detector


def test_labels_name_the_detector_or_its_box() -> None:
    assert label_of(Detector(BOX, np.eye(2, 3), "S11")) == "'S11'"
    shifted = as_detector(Box2I(Point2I(500, -20), Extent2I(30, 40)))
    assert label_of(shifted) == "((500, -20)..(529, 19))"
    assert label_of(Detector.centered(BOX, (3.0, -4.0), pixelSize=0.01)) == "((2, -4.5)..(4, -3.5))"
    assert labels_of([Detector(BOX, np.eye(2, 3), n) for n in range(6)]) == "0, 1, 2, 3, 4, 5"
    assert labels_of([shifted] + [Detector(BOX, np.eye(2, 3), n) for n in range(8)]).endswith("3, 4, and 3 more")
    assert labels_of([]) == "none"


def test_the_place_does_not_depend_on_name_and_origin() -> None:
    box = Box2I(Point2I(500, -20), Extent2I(30, 40))
    place = place_of(as_detector(box))
    assert place == place_of(Detector(box, np.eye(2, 3), "other"))
    others = (
        Detector(box, [[1, 0, 1], [0, 1, 0]]),
        Detector(Box2I(box.getMin(), Extent2I(30, 41)), np.eye(2, 3)),
        Detector(box, [[-1, 0, 0], [0, 1, 0]]),
    )
    assert place not in {place_of(other) for other in others}


def test_maps_compose_and_invert() -> None:
    first, second = affine_map([[0, -2, 5], [3, 1, 7]], "first"), affine_map([[1, 1, -1], [0, 2, 4]], "second")
    x, y = np.array([0.0, 1.5, -4.0]), np.array([2.0, 0.0, 9.0])
    both = mapped(second, *mapped(first, x, y))
    np.testing.assert_allclose(mapped(composed(second, first), x, y), both)
    np.testing.assert_allclose(mapped(inverted(first), *mapped(first, x, y)), [x, y], atol=1e-12)


def test_a_detector_can_be_pickled_and_compared() -> None:
    detector = Detector.centered(BOX, (1, 2), rotation=30, name=4)
    copy = pickle.loads(pickle.dumps(detector))
    assert copy == detector
    assert hash(copy) == hash(detector)
    assert detector != Detector.centered(BOX, (1, 2), rotation=31, name=4)
    assert detector != 4
    assert repr(detector).startswith("Detector(Box2I(")
    with pytest.raises(ValueError, match="read-only"):
        detector.transform[0, 0] = 2


@pytest.mark.parametrize(
    "bad", [[[1, 0, 0]], "x", [[1, 0, 0], [2, 0, 0]], [[np.nan, 0, 0], [0, 1, 0]], 5, np.zeros((2, 3))]
)
def test_maps_that_are_none_are_refused(bad: object) -> None:
    with pytest.raises(InvalidParameterError, match=r"transform is .*(2 x 3|determinant)"):
        Detector(BOX, bad)


def test_places_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="at least one pixel"):
        Detector(Box2I(), [[1, 0, 0], [0, 1, 0]])
    with pytest.raises(InvalidParameterError, match="at least one pixel"):
        Detector.centered(Box2I(), (0, 0))
    for bad in (None, 3, "R22"):
        with pytest.raises(InvalidParameterError, match="The detector is"):
            as_detector(bad)
    with pytest.raises(InvalidParameterError, match="no detectors"):
        focal_plane_box([])
