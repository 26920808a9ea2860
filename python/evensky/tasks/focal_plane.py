"""Background of a whole focal plane, with the interface of the original: one grid of bins across all detectors.

The bins may be larger than a detector, so that the model follows the sky and not a galaxy that fills a detector.
"""

from __future__ import annotations

__all__ = ["Detector", "FocalPlaneBackground", "FocalPlaneBackgroundConfig"]

import logging
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from lsst.pex.config import Config, Field, FieldValidationError

from .. import errors
from .._checks import shown, whole_number
from ..errors import InvalidParameterError, LengthError
from ..geom import Box2D, Box2I, Extent2I
from ..image import ImageF
from ..image.foreign import as_planes
from ..matching.bin_sums import fill_bins
from ..matching.detector import (
    Detector,
    affine_map,
    as_detector,
    beyond,
    camera_box,
    composed,
    detector_of,
    inverted,
    label_of,
    mapped,
    place_of,
    placed_in,
)
from ..matching.focal_bins import BinSums, SmoothBins, add_pixels, cell_counts, centred_sums, good_pixels
from ..math import ApproximateControl, BackgroundList, BackgroundMI, UndersampleStyle, stringToInterpStyle
from .fields import cell_field, mask_field, positive_field, share_field, style_field

log = logging.getLogger("evensky")

# Share of a bin by which detectors may reach beyond the grid, as rounding does.
_ROUNDING = 1e-6
# Largest number of bins of a grid.
_MOST_BINS = 2**26
# Share of a detector's cells in filled bins above which its model is one of other detectors.
_MOST_FILLED = 0.5

# Numbers of good pixels that were added, by the place of the detector and the box of all pixels, which is counted from
# the lower left pixel of the detector.
_Added = dict[tuple[float, ...], dict[Box2I, int]]


class FocalPlaneBackgroundConfig(Config):
    """Configuration of `FocalPlaneBackground`.

    ``xSize``, ``ySize`` and ``pixelSize`` have the unit of the focal plane: pixels, or for example millimetres.
    """

    xSize = positive_field(8192.0, "Width of the bins, in the focal plane's unit.")
    ySize = positive_field(8192.0, "Height of the bins, in the focal plane's unit.")
    pixelSize = positive_field(1.0, "Side of a pixel, in the focal plane's unit.")
    minFrac = share_field(
        0.1, "A bin is filled from its neighbours if less than this share of its area has good pixels."
    )
    mask = mask_field(["BAD", "SAT", "INTRP", "DETECTED", "DETECTED_NEGATIVE", "EDGE", "NO_DATA"])
    interpolation = style_field(
        "AKIMA_SPLINE",
        "Interpolation between good bins, and between the cells of a detector's background.",
        none="no interpolation: every bin must be good",
        optional=True,
    )
    doSmooth = Field[bool](dtype=bool, default=False, doc="Smooth the bins?")
    smoothScale = positive_field(2.0, "Standard deviation of the Gaussian that smooths the bins, in bins.")
    binning = cell_field("Largest size of the cells of a detector's background, in pixels.")

    def validate(self) -> None:
        """Check the fields.

        Raises
        ------
        lsst.pex.config.FieldValidationError
            For a value that is not allowed.
        """
        super().validate()
        for name in ("xSize", "ySize", "pixelSize", "smoothScale"):
            if not np.isfinite(getattr(self, name)):
                raise FieldValidationError(
                    getattr(type(self), name), self, f"{name} = {getattr(self, name)}; it must be finite"
                )


class FocalPlaneBackground:
    """Background in bins of the focal plane, to which the pixels of all detectors are added.

    Parameters
    ----------
    config : FocalPlaneBackgroundConfig
    dims : Extent2I or sequence of two int
        Number of bins in x and y.
    transform : array-like, shape (2, 3)
        Affine map from the focal plane to bins: the centre of bin (i, j) is at (i, j).
    values, numbers : ImageF or array-like, shape (ny, nx), optional
        Sums of the pixels in each bin, and their numbers; copied. 0 by default.
    offsets : array-like, shape (2, ny, nx), optional
        Sums of the distances in x and y of these pixels from the centre of their bin, in bins; copied. 0 by default.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the grid has no bins or too many, or the map is not affine and invertible.
    evensky.errors.LengthError
        If the arrays have another shape.

    See Also
    --------
    FocalPlaneBackground.fromCamera : the usual constructor.

    Notes
    -----
    It differs from the original in five ways. Each pixel counts in exactly one bin, also if the detector is rotated by
    any angle. The mean of a bin is moved to its centre, if the bin is covered in part, and freed of the curvature of
    the background. Bins without data are filled from a plane with the interpolation of what remains. The model is
    sampled at the centres of the cells, with the interpolation of the configuration; LINEAR is bilinear, as in the
    original. At the edges it is continued. A background that is a plane is therefore recovered exactly, and a parabola
    nearly so.

    A detector without data gets a model as well, which other detectors determine. The cells of `toCcdBackground` that
    lie in filled bins have the mask plane BAD, and a warning tells their share if most cells of a detector do, or if
    the detector has no good pixels; such a model is to be judged before it is subtracted.

    Examples
    --------
    >>> import numpy as np
    >>> from evensky.geom import Box2I, Extent2I, Point2I
    >>> camera = [Box2I(Point2I(x, 0), Extent2I(100, 100)) for x in (0, 110, 220)]
    >>> config = FocalPlaneBackgroundConfig(xSize=80, ySize=50, binning=20)
    >>> model = FocalPlaneBackground.fromCamera(config, camera)
    >>> for box in camera:
    ...     model.addCcd(np.full((100, 100), float(box.getMinX()), np.float32), box)
    >>> model.toCcdBackground(camera[1]).getImage().array.shape
    (100, 100)
    """

    def __init__(
        self,
        config: FocalPlaneBackgroundConfig,
        dims: Any,
        transform: Any,
        values: Any = None,
        numbers: Any = None,
        *,
        offsets: Any = None,
    ) -> None:
        if not isinstance(config, FocalPlaneBackgroundConfig):
            raise InvalidParameterError(
                f"config is {shown(config)}, a {type(config).__name__}; it must be a FocalPlaneBackgroundConfig"
            )
        config.validate()
        self.config = config
        nx, ny = (whole_number(number, "dims") for number in dims)
        if not (nx > 0 and ny > 0 and nx * ny <= _MOST_BINS):
            raise InvalidParameterError(
                f"The grid has {nx} x {ny} bins; it must have 1 to {_MOST_BINS} bins. xSize and ySize have the unit of "
                "the focal plane"
            )
        self.dims = Extent2I(nx, ny)
        self.transform = affine_map(transform, "transform")
        self._sums = BinSums(
            _plane(values, "values", (ny, nx)),
            _plane(numbers, "numbers", (ny, nx)),
            _plane(offsets, "offsets", (2, ny, nx)),
        )
        self._added: _Added = {}
        self._kept: tuple[Any, tuple[SmoothBins, np.ndarray, np.ndarray]] | None = None
        self._warned: set[tuple[float, ...]] = set()

    @classmethod
    def fromCamera(cls, config: FocalPlaneBackgroundConfig, camera: Iterable[Any]) -> Self:
        """Make an empty grid that covers all detectors.

        Parameters
        ----------
        config : FocalPlaneBackgroundConfig
        camera : iterable of detectors
            Each a `Detector`; a Box2I, the place of the detector in a focal plane whose unit is the pixel; or a pair of
            the Box2I of the pixels and their affine map to the focal plane, shape (2, 3). The images of a detector that
            is a Box2I may start at (0, 0), or have its origin in the focal plane.

        Returns
        -------
        FocalPlaneBackground
            The grid is centred on the smallest box that holds the detectors.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If there are no detectors, one is given twice, or the grid would have too many bins.
        """
        box = camera_box(camera)
        size = np.array([config.xSize, config.ySize])
        counts = np.maximum(np.ceil(np.array(tuple(box.getDimensions())) / size - _ROUNDING), 1.0)
        if not counts.prod() <= _MOST_BINS:
            raise InvalidParameterError(
                f"Bins of {config.xSize} x {config.ySize} make a grid of {counts[0]:g} x {counts[1]:g} over a focal "
                f"plane of {box.getWidth():g} x {box.getHeight():g}; at most {_MOST_BINS} bins are possible"
            )
        offset = 0.5 * (counts - 1) - np.array(tuple(box.getCenter())) / size
        return cls(config, counts.astype(int).tolist(), np.column_stack([np.diag(1 / size), offset]))

    @classmethod
    def fromSimilar(cls, other: FocalPlaneBackground) -> Self:
        """Make an empty grid with the configuration and the bins of another one."""
        return cls(other.config, other.dims, other.transform)

    def addCcd(self, exposure: Any, detector: Any = None) -> None:
        """Add the pixels of a detector to the bins that they fall into.

        Parameters
        ----------
        exposure : image-like, shape (height, width)
            Exposure, masked image, image, array or anything that `makeStatistics` takes. NaN and pixels of the mask
            planes of ``config.mask`` do not count. The pixel origin counts: a part of a detector may be added as an
            image that has one. An array must have the size of the detector.
        detector : detector, optional
            As in `fromCamera`, or only the map from its pixels to the focal plane. By default, what
            ``exposure.getDetector()`` returns.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the place of the detector is unknown, an image could lie in two places of a detector that is a Box2I, or
            pixels of the detector were added before. Backgrounds of several visits may be merged.
        evensky.errors.LengthError
            If the image reaches beyond the detector, or an array has another size.
        evensky.errors.OutOfRangeError
            If the image reaches beyond the grid of bins; nothing is added.

        Notes
        -----
        The mean of the pixels in a bin is clipped (three rounds at 3 standard deviations) and counts with their number.
        """
        planes = as_planes(exposure)
        height, width = planes.image.shape
        bbox = Box2I((planes.x0, planes.y0), Extent2I(width, height))
        place = detector_of(exposure, detector, bbox)
        self._check_inside(place, bbox)
        corner = place.getBBox().getMin()
        part = Box2I((planes.x0 - corner.x, planes.y0 - corner.y), Extent2I(width, height))
        key = place_of(place)
        if any(part.overlaps(before) for before in self._added.get(key, ())):
            raise InvalidParameterError(
                f"Pixels {bbox} of detector {label_of(place)} were added before, and would count twice. Add the "
                "detectors of another exposure to a background made by fromSimilar, and merge the two"
            )
        good = good_pixels(planes, list(self.config.mask))
        # One detector's sums are complete, or nothing is added.
        sums = BinSums.zeros(self._sums.numbers.shape)
        number = add_pixels(sums, planes, good, composed(self.transform, place.transform))
        self._sums.add(sums)
        self._note_added({key: {part: number}})
        self._kept = None

    def toCcdBackground(self, detector: Any, bbox: Box2I | None = None) -> BackgroundList:
        """Return the model over a detector.

        Parameters
        ----------
        detector : detector
            As in `addCcd`.
        bbox : Box2I, optional
            Box of the detector's pixels, in parent coordinates; all of them by default, from (0, 0) for a detector that
            is a Box2I.

        Returns
        -------
        BackgroundList
            One background; its cells have ``config.binning`` pixels. Cells that lie in bins without enough good pixels
            have the mask plane BAD. If these are more than half of them, or no good pixel of the detector was added, a
            warning of the logger "evensky" says so, once for each detector.

        Raises
        ------
        evensky.errors.RuntimeError
            If no bin has enough good pixels.
        evensky.errors.InvalidParameterError, evensky.errors.LengthError, evensky.errors.OutOfRangeError
            As by `addCcd`, for the pixels of `bbox`.
        """
        if bbox is None:
            place = as_detector(detector)
            bbox = place.getBBox()
        elif not isinstance(bbox, Box2I) or bbox.isEmpty():
            raise InvalidParameterError(f"bbox is {shown(bbox)}; it must be a Box2I with at least one pixel")
        else:
            place = placed_in(detector, bbox)
        self._check_inside(place, bbox)
        smooth, means, filled = self._model()
        nx, ny = cell_counts(bbox, int(self.config.binning))
        background = BackgroundMI(bbox, np.zeros((ny, nx), np.float32))
        x, y = mapped(
            composed(self.transform, place.transform),
            background.getBinCentersX()[np.newaxis, :],
            background.getBinCentersY()[:, np.newaxis],
        )
        stats = background.getStatsImage()
        stats.image.array[...] = smooth.sample(x, y)
        column = np.clip(np.floor(x + 0.5), 0, means.shape[1] - 1).astype(int)
        row = np.clip(np.floor(y + 0.5), 0, means.shape[0] - 1).astype(int)
        bad = filled[row, column]
        stats.mask.array[bad] |= stats.mask.getPlaneBitMask("BAD")
        self._warn_of_filled(place, bbox, float(bad.mean()))
        name = self.config.interpolation
        style = stringToInterpStyle("LINEAR" if name in (None, "NONE") else name)
        unknown = ApproximateControl.UNKNOWN
        return BackgroundList((background, style, UndersampleStyle.REDUCE_INTERP_ORDER, unknown, 0, 0, False))

    def _warn_of_filled(self, place: Detector, bbox: Box2I, share: float) -> None:
        """Log a warning, once for each detector, if its model follows from other detectors."""
        key = place_of(place)
        lacks = self._lacks_pixels(place, bbox)
        if key in self._warned or not (lacks or share > _MOST_FILLED):
            return
        self._warned.add(key)
        log.warning(
            "Detector %s: %s%.0f %% of the cells of its background lie in bins without enough good pixels; they are "
            "continued from other bins, and have the mask plane BAD",
            label_of(place),
            "no good pixel of it was added, so its background follows from other detectors. " if lacks else "",
            100 * share,
        )

    def _lacks_pixels(self, place: Detector, bbox: Box2I) -> bool:
        """Return whether none of the pixels that were added lie in a box of a detector, as far as is known."""
        if sum(sum(parts.values()) for parts in self._added.values()) != self._sums.numbers.sum():
            return False  # the constructor was given sums of unknown pixels
        inner = Box2D(bbox).erodedBy(0.25)  # detectors may touch
        back = inverted(place.transform)
        # Its own pixels come first, as they usually suffice.
        for key in dict.fromkeys((place_of(place), *self._added)):
            to_pixels = composed(back, np.reshape(key[2:], (2, 3)))
            for part, number in self._added.get(key, {}).items():
                if number and Detector(part, to_pixels).getFocalPlaneBox().overlaps(inner):
                    return False
        return True

    def _check_inside(self, place: Detector, bbox: Box2I) -> None:
        """Check that pixels of a detector are inside the grid, beyond which the model would be extrapolated."""
        # In bins, so that a grid which is turned in the focal plane is one of a box.
        grid = Box2D((-0.5, -0.5), (self.dims.x - 0.5, self.dims.y - 0.5))
        in_bins = Detector(bbox, composed(self.transform, place.transform)).getFocalPlaneBox()
        if not grid.dilatedBy(2 * _ROUNDING).contains(in_bins):
            extent = Detector(Box2I((0, 0), self.dims), inverted(self.transform)).getFocalPlaneBox()
            raise beyond(Detector(bbox, place.transform, place.getName()), extent)

    def getStatsImage(self) -> ImageF:
        """Return the means of the bins, shape (ny, nx); those with too few good pixels are filled.

        Raises
        ------
        evensky.errors.RuntimeError
            If no bin has enough good pixels.
        """
        return ImageF(np.array(self._model()[1]))

    def getFilledBins(self) -> np.ndarray:
        """Return which bins have too few good pixels, so that `getStatsImage` fills them; bool, shape (ny, nx)."""
        return self._sums.numbers < self._least_number()

    def getNumbers(self) -> np.ndarray:
        """Return the number of good pixels of each bin, shape (ny, nx); a copy."""
        return self._sums.numbers.copy()

    def _least_number(self) -> float:
        config = self.config
        area = float(config.xSize) * float(config.ySize) / float(config.pixelSize) ** 2
        # Nothing can be known of a bin without pixels.
        return max(float(config.minFrac) * area, 1.0)

    def _model(self) -> tuple[SmoothBins, np.ndarray, np.ndarray]:
        """Return the interpolated bins, their means, and which were filled; they are kept until something changes."""
        config, least = self.config, self._least_number()
        style = None if config.interpolation == "NONE" else config.interpolation
        smooth = float(config.smoothScale) if config.doSmooth else None
        settings = least, style, smooth
        kept = self._kept
        if kept is None or kept[0] != settings:
            self._check_any_good(least)
            self._warned.clear()
            values = centred_sums(self._sums, least, style)
            means, filled = fill_bins(values, self._sums.numbers, least, style, smooth)
            kept = self._kept = settings, (SmoothBins(means, style), means, filled)
        return kept[1]

    def _check_any_good(self, least: float) -> None:
        most = float(self._sums.numbers.max())
        if most < least:
            raise errors.RuntimeError(
                f"No bin of the focal plane has enough good pixels: the best has {most:g}, and minFrac = "
                f"{self.config.minFrac} asks for {least:g}. Mask less, or make the bins larger"
            )

    def merge(self, other: FocalPlaneBackground) -> None:
        """Add the sums of another background, of other detectors of the same exposure or of another exposure.

        Raises
        ------
        evensky.errors.RuntimeError
            If the sizes of the bins, the grids or the places of the grids differ.
        """
        mine, others = self.config, other.config
        if (mine.xSize, mine.ySize) != (others.xSize, others.ySize):
            raise errors.RuntimeError(
                f"The bins are {mine.xSize} x {mine.ySize} and {others.xSize} x {others.ySize}; they must be equal"
            )
        if self.dims != other.dims or not np.allclose(self.transform, other.transform, rtol=1e-9, atol=_ROUNDING):
            raise errors.RuntimeError(
                f"The grids of {self.dims} and {other.dims} bins differ in size or place; make one by fromSimilar"
            )
        self._sums.add(other._sums)
        self._note_added(other._added)
        self._kept = None

    def _note_added(self, added: _Added) -> None:
        for key, parts in added.items():
            mine = self._added.setdefault(key, {})
            for part, number in parts.items():
                mine[part] = mine.get(part, 0) + number

    def __iadd__(self, other: Any) -> Self:
        if not isinstance(other, FocalPlaneBackground):
            return NotImplemented
        self.merge(other)
        return self

    def clone(self) -> Self:
        """Return a copy with its own sums; the configuration is shared."""
        copied = type(self)(
            self.config, self.dims, self.transform, self._sums.values, self._sums.numbers, offsets=self._sums.offsets
        )
        copied._note_added(self._added)
        return copied

    __copy__ = clone

    def __reduce__(self) -> Any:
        planes = self._sums.values, self._sums.numbers, self._sums.offsets
        return _remade, (type(self), self.config, tuple(self.dims), self.transform, planes, self._added)

    def __repr__(self) -> str:
        good = int((~self.getFilledBins()).sum())
        nx, ny = self.dims
        return f"{type(self).__name__}({nx} x {ny} bins of {self.config.xSize} x {self.config.ySize}, {good} good)"


def _remade(
    kind: type[FocalPlaneBackground], config: Any, dims: Any, transform: Any, planes: Any, added: Any
) -> FocalPlaneBackground:
    values, numbers, offsets = planes
    made = kind(config, dims, transform, values, numbers, offsets=offsets)
    made._note_added(added)
    return made


def _plane(given: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a copy of sums over bins as float64, 0 by default."""
    if given is None:
        return np.zeros(shape)
    array = np.array(getattr(given, "array", given), dtype=np.float64)
    if array.shape != shape:
        raise LengthError(f"{name} have shape {array.shape}; the grid of bins has {shape}")
    return array
