"""Places of detectors in a focal plane, as affine maps of their pixels."""

from __future__ import annotations

__all__ = [
    "Detector",
    "as_detector",
    "beyond",
    "camera_box",
    "detector_of",
    "focal_plane_box",
    "label_of",
    "labels_of",
    "place_of",
    "placed_in",
    "readings_of",
]

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._checks import real_number, shown
from ..errors import InvalidParameterError, LengthError, OutOfRangeError
from ..geom import Box2D, Box2I, Extent2I, Point2I
from ..image.foreign import is_lsst_images

# An element of a map that is smaller than this share of the largest one is rounding, as in the cosine of 90 degrees.
_ROUNDING = 1e-9
# Largest number of detectors that a message lists.
_MOST_LISTED = 6


class Detector:
    """Detector in a focal plane: the box of its pixels, and the map from its pixels to the focal plane.

    Parameters
    ----------
    bbox : Box2I
        Box of the pixels, in the parent coordinates of the detector's images.
    transform : array-like, shape (2, 3)
        Affine map ``[[a, b, c], [d, e, f]]`` from a pixel position (x, y) to ``(a x + b y + c, d x + e y + f)`` in the
        focal plane. The centre of pixel (0, 0) is at (0.0, 0.0). Six numbers in this order are taken as well.
    name : optional
        Name or number of the detector, for messages.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `bbox` is not a box with pixels, or the map is not 2 x 3 finite numbers or flattens the detector.

    Examples
    --------
    >>> from evensky.geom import Box2I, Extent2I, Point2I
    >>> turned = Detector(Box2I(Point2I(0, 0), Extent2I(200, 100)), [[0, -1, 99], [1, 0, 0]])
    >>> turned.getFocalPlaneBox().getDimensions()
    Extent2D(100.0, 200.0)
    """

    __slots__ = ("_bbox", "_name", "_transform")

    def __init__(self, bbox: Box2I, transform: Any, name: Any = None) -> None:
        if not isinstance(bbox, Box2I) or bbox.isEmpty():
            raise InvalidParameterError(f"bbox is {shown(bbox)}; it must be a Box2I with at least one pixel")
        self._bbox = Box2I(bbox)
        self._transform = affine_map(transform, "transform")
        self._name = name

    @classmethod
    def centered(
        cls,
        bbox: Box2I,
        center: Any = (0.0, 0.0),
        *,
        pixelSize: float = 1.0,
        rotation: float = 0.0,
        flip: bool = False,
        name: Any = None,
    ) -> Detector:
        """Place a detector by its centre.

        Parameters
        ----------
        bbox : Box2I
            Box of the pixels.
        center : Point2D or sequence of two numbers, optional
            Position of the centre of the box in the focal plane.
        pixelSize : float, optional
            Side of a pixel in the unit of the focal plane.
        rotation : float, optional
            Angle from the x axis of the focal plane to that of the detector, counterclockwise, in degrees.
        flip : bool, optional
            Reverse the x axis of the detector before it is rotated.
        name : optional

        Returns
        -------
        Detector
        """
        angle = np.radians(real_number(rotation, "rotation"))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = real_number(pixelSize, "pixelSize") * turn @ np.diag([-1.0 if flip else 1.0, 1.0])
        if not isinstance(bbox, Box2I) or bbox.isEmpty():
            raise InvalidParameterError(f"bbox is {shown(bbox)}; it must be a Box2I with at least one pixel")
        offset = np.array(tuple(center), float) - linear @ np.array(tuple(bbox.getCenter()))
        return cls(bbox, np.column_stack([linear, offset]), name)

    def getBBox(self) -> Box2I:
        """Return the box of the pixels."""
        return Box2I(self._bbox)

    def getName(self) -> Any:
        """Return the name of the detector; None if it has none."""
        return self._name

    @property
    def transform(self) -> np.ndarray:
        """Map from pixels to the focal plane, shape (2, 3); it cannot be written to."""
        return self._transform

    def getFocalPlaneBox(self) -> Box2D:
        """Return the smallest box in the focal plane that holds all pixels of the detector."""
        return focal_plane_box([self])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Detector):
            return NotImplemented
        return (
            self._bbox == other._bbox
            and self._name == other._name
            and np.array_equal(self._transform, other._transform)
        )

    def __hash__(self) -> int:
        return hash((self._bbox, self._name, self._transform.tobytes()))

    def __reduce__(self) -> Any:
        return Detector, (self._bbox, self._transform, self._name)

    def __repr__(self) -> str:
        return f"Detector({self._bbox!r}, {self._transform.tolist()}, {self._name!r})"


def affine_map(transform: Any, name: str) -> np.ndarray:
    """Return an affine map as a read-only array of shape (2, 3).

    Raises
    ------
    evensky.errors.InvalidParameterError
        If it is not 2 x 3 finite numbers, or flattens the plane.
    """
    try:
        matrix = np.array(transform, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.shape == (6,):
        matrix = matrix.reshape(2, 3)
    if matrix.shape != (2, 3) or not np.isfinite(matrix).all():
        raise InvalidParameterError(
            f"{name} is {shown(transform)}; an affine map is [[a, b, c], [d, e, f]], 2 x 3 finite numbers"
        )
    linear = matrix[:, :2]
    linear[np.abs(linear) < _ROUNDING * np.abs(linear).max()] = 0.0
    if linear[0, 0] * linear[1, 1] == linear[0, 1] * linear[1, 0]:
        raise InvalidParameterError(
            f"{name} is {shown(transform)}; its first two columns must have a determinant other than 0"
        )
    matrix.flags.writeable = False
    return matrix


def as_detector(detector: Any, bbox: Box2I | None = None) -> Detector:
    """Return a detector that is given as a box or as an affine map.

    Parameters
    ----------
    detector : Detector, Box2I, pair of Box2I and array-like, or array-like of shape (2, 3)
        A Box2I is the place of the detector in a focal plane whose unit is the pixel: pixel (0, 0) of the detector is
        the lower left pixel of the box; see `placed_in` for images whose pixels are those of the box. A pair is a box
        of pixels and their map to the focal plane. A map alone needs `bbox`.
    bbox : Box2I, optional
        Box of the pixels, for a detector that is given as a map.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For anything else; the message holds it.
    """
    if isinstance(detector, Detector):
        return detector
    if isinstance(detector, Box2I):
        corner = detector.getMin()
        own = Box2I(Point2I(0, 0), Extent2I(detector.getDimensions()))
        return Detector(own, [[1.0, 0.0, corner.x], [0.0, 1.0, corner.y]])
    if isinstance(detector, tuple | list) and len(detector) == 2 and isinstance(detector[0], Box2I):
        return Detector(detector[0], detector[1])
    if bbox is None or detector is None:
        raise InvalidParameterError(
            f"The detector is {shown(detector)}; it must be a Detector, a Box2I in the focal plane, or a Box2I of "
            "pixels with their map to the focal plane"
        )
    return Detector(bbox, detector)


def readings_of(detector: Any, bbox: Box2I | None = None) -> list[Detector]:
    """Return what a detector can mean: a Box2I has pixels that start at (0, 0), or those of the focal plane.

    Parameters and errors are those of `as_detector`, whose value comes first.
    """
    first = as_detector(detector, bbox)
    if isinstance(detector, Box2I) and detector != first.getBBox():
        return [first, Detector(detector, np.eye(2, 3))]
    return [first]


def placed_in(detector: Any, bbox: Box2I) -> Detector:
    """Return a detector in the frame of a box of its pixels.

    The pixels of a detector that is given as a Box2I in the focal plane may be counted from its lower left pixel, as in
    the image of one detector, or be those of the focal plane, as in a mosaic.

    Parameters
    ----------
    detector : detector
        See `as_detector`.
    bbox : Box2I
        Box of the pixels.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there is no detector, or `bbox` is part of a Box2I in both frames.
    evensky.errors.LengthError
        If the pixels reach beyond the detector.
    """
    readings = readings_of(detector, bbox)
    equal = [one for one in readings if one.getBBox() == bbox]
    fitting = equal or [one for one in readings if one.getBBox().contains(bbox)]
    if len(fitting) == 1:
        return fitting[0]
    boxes = " or ".join(str(one.getBBox()) for one in readings)
    if fitting:
        raise InvalidParameterError(
            f"The image covers {bbox}, which is inside {boxes}: its pixels may be counted from the detector's corner, "
            "or in the focal plane. Give the detector as a box of pixels with their map to the focal plane"
        )
    raise LengthError(
        f"The image covers {bbox}, which is not inside the detector's {boxes}; set the image's origin, or give the "
        "detector as a box of pixels with their map to the focal plane"
    )


def beyond(detector: Detector, extent: Box2D) -> OutOfRangeError:
    """Return the error for a detector that reaches beyond the extent of a focal plane; it holds both boxes."""
    name = "" if detector.getName() is None else f" {detector.getName()}"
    return OutOfRangeError(
        f"Detector{name} covers {detector.getFocalPlaneBox()} of the focal plane, which is not inside the camera's "
        f"{extent}; make the model for a camera with this detector, or check the detector's place and its unit"
    )


def detector_of(exposure: Any, detector: Any, bbox: Box2I) -> Detector:
    """Return the detector of an image, after a check that it holds the pixels.

    Parameters
    ----------
    exposure : image-like
        Its method ``getDetector``, if it has one, is asked if `detector` is None. Anything without a box of its own,
        such as an array, must have the size of the detector, as nothing says which part of the detector it is.
    detector : detector or None
        See `as_detector`.
    bbox : Box2I
        Box of the image's pixels.

    Raises
    ------
    evensky.errors.InvalidParameterError, evensky.errors.LengthError
        As by `placed_in`.
    evensky.errors.LengthError
        If an array has another size than the detector.
    """
    if detector is None:
        detector = getattr(exposure, "getDetector", lambda: None)()
    place = placed_in(detector, bbox)
    size = place.getBBox().getDimensions()
    if bbox.getDimensions() != size and not (hasattr(exposure, "getBBox") or is_lsst_images(exposure)):
        raise LengthError(
            f"The {type(exposure).__name__} has {bbox.getWidth()} x {bbox.getHeight()} pixels, and detector "
            f"{label_of(place)} has {size.x} x {size.y}; give all its pixels, or a part as an image with an origin, "
            "for example ImageF(array, xy0=Point2I(x0, y0))"
        )
    return place


def label_of(detector: Detector) -> str:
    """Return the name of a detector for a message; its box in the focal plane if it has none."""
    if detector.getName() is not None:
        return shown(detector.getName())
    box = detector.getFocalPlaneBox()
    low, high = np.array(tuple(box.getMin())), np.array(tuple(box.getMax()))
    if np.array_equal(detector.transform[:, :2], np.eye(2)):  # in pixels, as a Box2I names them
        low, high = low + 0.5, high - 0.5
    return f"(({low[0]:g}, {low[1]:g})..({high[0]:g}, {high[1]:g}))"


def labels_of(detectors: Iterable[Detector]) -> str:
    """Return the labels of detectors for a message, "none" without any; of many, the first ones and how many more."""
    labels = [label_of(detector) for detector in detectors]
    more = len(labels) - _MOST_LISTED
    return (", ".join(labels[:_MOST_LISTED]) + (f", and {more} more" if more > 0 else "")) or "none"


def place_of(detector: Detector) -> tuple[float, ...]:
    """Return the size of a detector and the map from its lower left pixel.

    They are equal for detectors at the same place, whatever their names and the origins of their pixels.
    """
    box = detector.getBBox()
    corner = box.getMin()
    matrix = composed(detector.transform, np.array([[1.0, 0.0, corner.x], [0.0, 1.0, corner.y]]))
    return *box.getDimensions(), *matrix.ravel().tolist()


def camera_box(camera: Iterable[Any]) -> Box2D:
    """Return the smallest box in the focal plane that holds the detectors of a camera.

    Parameters
    ----------
    camera : iterable of detectors
        See `as_detector`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are none, or two have the same place.
    """
    known: dict[tuple[float, ...], tuple[int, Detector]] = {}
    for number, given in enumerate(camera):
        detector = as_detector(given)
        before, other = known.setdefault(place_of(detector), (number, detector))
        if before != number:
            names = " and ".join(dict.fromkeys((label_of(other), label_of(detector))))
            raise InvalidParameterError(
                f"Detectors {before} and {number} of the camera have the same place: {names}. A camera has each "
                "detector once"
            )
    return focal_plane_box([detector for _, detector in known.values()])


def focal_plane_box(detectors: Iterable[Detector]) -> Box2D:
    """Return the smallest box in the focal plane that holds the pixels of all detectors."""
    corners = []
    for detector in detectors:
        edges = Box2D(detector.getBBox())
        x = np.array([edges.getMinX(), edges.getMaxX(), edges.getMinX(), edges.getMaxX()])
        y = np.array([edges.getMinY(), edges.getMinY(), edges.getMaxY(), edges.getMaxY()])
        corners.append(mapped(detector.transform, x, y))
    if not corners:
        raise InvalidParameterError("The focal plane has no detectors; at least one is needed")
    places = np.concatenate(corners, axis=1)
    low, high = places.min(axis=1), places.max(axis=1)
    return Box2D(tuple(low.tolist()), tuple(high.tolist()))


def composed(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the affine map that applies `first`, then `second`."""
    linear = second[:, :2] @ first[:, :2]
    return np.column_stack([linear, second[:, :2] @ first[:, 2] + second[:, 2]])


def inverted(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse of an affine map."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def mapped(matrix: np.ndarray, x: Any, y: Any) -> np.ndarray:
    """Return mapped positions, shape (2, ...); `x` and `y` are broadcast against each other."""
    (a, b, c), (d, e, f) = matrix
    return np.stack(np.broadcast_arrays(a * x + b * y + c, d * x + e * y + f))
