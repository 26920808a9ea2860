"""Background of a visit: a series over the focal plane, the amplitude of a sky frame and constants of detectors."""

from __future__ import annotations

__all__ = ["VisitBackground", "VisitBackgroundConfig"]

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
from lsst.pex.config import ChoiceField, Config, Field, RangeField

from .. import errors
from .._checks import shown
from ..errors import InvalidParameterError, NotFoundError
from ..geom import Box2D, Box2I, Extent2I
from ..image.foreign import as_planes
from ..matching.detector import (
    Detector,
    beyond,
    camera_box,
    detector_of,
    label_of,
    labels_of,
    mapped,
    place_of,
    readings_of,
)
from ..matching.focal_bins import cell_counts, good_pixels
from ..matching.sky_frame import BoxSamples, sample_boxes
from ..matching.visit_fit import VisitFit, fit_visit
from ..math import (
    ApproximateControl,
    BackgroundList,
    BackgroundMI,
    Interpolate,
    StatisticsControl,
    UndersampleStyle,
    stringToStatisticsProperty,
)
from .fields import cell_field, mask_field, positive_field, share_field, statistic_field
from .sky_frame import check_sky_shape, scaled_sky, sky_pixels

# Share of the focal plane by which detectors may reach beyond it, as rounding does.
_ROUNDING = 1e-9
# Largest standard error of the series over a detector, in units of the scatter of the samples.
_MOST_GAIN = 30.0
# Largest number of positions along x and y of a detector at which that is evaluated.
_MOST_STEPS = 25


class VisitBackgroundConfig(Config):
    """Configuration of `VisitBackground`."""

    orderX = RangeField(dtype=int, default=6, min=0, max=50, inclusiveMax=True, doc="Order of the series in x.")
    orderY = RangeField(dtype=int, default=6, min=0, max=50, inclusiveMax=True, doc="Order of the series in y.")
    triangular = Field[bool](
        dtype=bool, default=False, doc="Leave out products whose degrees, as shares of the orders, add to more than 1?"
    )
    pistons = ChoiceField[str](
        dtype=str,
        default="NONE",
        optional=False,
        doc="Constants that are fitted as well.",
        allowed={"NONE": "none", "DETECTOR": "one for each detector", "TYPE": "one for each type of detector"},
    )
    binSize = RangeField(dtype=int, default=128, min=1, doc="Size of the samples of the detectors, in pixels.")
    minFrac = share_field(0.1, "Samples with a smaller share of good pixels are not used.")
    statistic = statistic_field("MEANCLIP", "Statistic of each sample.")
    mask = mask_field(["BAD", "SAT", "INTRP", "DETECTED", "DETECTED_NEGATIVE", "EDGE", "NO_DATA"])
    numIter = RangeField(dtype=int, default=10, min=0, doc="Largest number of rounds in which samples are rejected.")
    rejection = positive_field(3.0, "Limit of rejection in standard deviations.")
    binning = cell_field("Largest size of the cells of a detector's background, in pixels.")


class VisitBackground:
    """Background of a visit, which is fitted to samples of all its detectors at once.

    Parameters
    ----------
    config : VisitBackgroundConfig
    camera : iterable of detectors
        As in `FocalPlaneBackground.fromCamera`; the series is defined over the smallest box that holds them.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no detectors, or one is given twice.

    Notes
    -----
    The model is a Chebyshev series in the coordinates of the focal plane, plus the sky frame with one amplitude, plus
    a constant for each detector or type of detector. All are fitted together by least squares, and samples that are
    far off are rejected.

    Examples
    --------
    >>> import numpy as np
    >>> from evensky.geom import Box2I, Extent2I, Point2I
    >>> camera = [Box2I(Point2I(x, 0), Extent2I(100, 100)) for x in (0, 110, 220)]
    >>> config = VisitBackgroundConfig()
    >>> config.update(orderX=1, orderY=1, binSize=20, binning=20)
    >>> visit = VisitBackground(config, camera)
    >>> for box in camera:
    ...     visit.addCcd(np.full((100, 100), 5, np.float32) + 0.01 * (box.getMinX() + np.arange(100)), box)
    >>> round(visit.fit().used)
    75
    >>> round(float(visit.toCcdBackground(camera[2]).getImage().array[0, 0]), 3)
    7.2
    """

    def __init__(self, config: VisitBackgroundConfig, camera: Iterable[Any]) -> None:
        if not isinstance(config, VisitBackgroundConfig):
            raise InvalidParameterError(
                f"config is {shown(config)}, a {type(config).__name__}; it must be a VisitBackgroundConfig"
            )
        config.validate()
        self.config = config
        self._box = camera_box(camera)
        self._groups: dict[Hashable, int] = {}
        self._detectors: dict[Detector, tuple[int, Any]] = {}
        self._samples: list[tuple[int, np.ndarray, BoxSamples]] = []
        self._fit: VisitFit | None = None

    def addCcd(
        self, exposure: Any, detector: Any = None, skyBackground: Any = None, detectorType: Hashable = None
    ) -> None:
        """Sample the image of a detector.

        Parameters
        ----------
        exposure : image-like, shape (height, width)
        detector : detector, optional
            As in `FocalPlaneBackground.addCcd`.
        skyBackground : BackgroundList or BackgroundMI, optional
            Sky frame of the detector.
        detectorType : hashable, optional
            Type of the detector, if ``config.pistons`` is "TYPE".

        Raises
        ------
        evensky.errors.LengthError
            If the image reaches beyond the detector, an array has another size than the detector, or the sky frame has
            another size than the image.
        evensky.errors.InvalidParameterError
            If the place of the detector is unknown, it was added before, or the sky frame is not a background.
        evensky.errors.OutOfRangeError
            If the detector reaches beyond the camera.
        """
        config = self.config
        planes = as_planes(exposure)
        height, width = planes.image.shape
        place = detector_of(exposure, detector, Box2I((planes.x0, planes.y0), Extent2I(width, height)))
        rounding = _ROUNDING * max(self._box.getWidth(), self._box.getHeight())
        if not self._box.dilatedBy(rounding).contains(place.getFocalPlaneBox()):
            raise beyond(place, self._box)
        if any(place_of(one) == place_of(place) for one in self._detectors):
            raise InvalidParameterError(f"Detector {label_of(place)} was added before; a visit has each detector once")
        good = good_pixels(planes, list(config.mask))
        sky = None
        if skyBackground is not None:
            scaled_sky(skyBackground, 1.0)  # which raises the error now rather than after the fit
            sky = sky_pixels(skyBackground)
            check_sky_shape(planes, sky)
            good &= np.isfinite(sky)
        counts = -(-width // int(config.binSize)), -(-height // int(config.binSize))
        statistic = stringToStatisticsProperty(config.statistic)
        samples = sample_boxes(planes.image, good, sky, counts, statistic, StatisticsControl())
        kind: Hashable = {"DETECTOR": place, "TYPE": detectorType}.get(config.pistons)
        group = self._groups.setdefault(kind, len(self._groups))
        self._detectors[place] = group, skyBackground
        at = mapped(place.transform, samples.x + planes.x0, samples.y + planes.y0)
        self._samples.append((group, at, samples))
        self._fit = None

    def fit(self) -> VisitFit:
        """Fit the model to the samples of all detectors that were added.

        Returns
        -------
        VisitFit
            With the amplitude of the sky frame, its error, the pistons and the scatter of the residuals.

        Raises
        ------
        evensky.errors.RuntimeError
            If the usable samples do not determine the terms of the series, the amplitude of the sky frame or the
            pistons; the message says which orders they determine.
        """
        if self._fit is not None:
            return self._fit
        if not self._samples:
            raise errors.RuntimeError("No detector was added to the visit; add at least one with addCcd()")
        config = self.config
        places = np.concatenate([at for _, at, _ in self._samples], axis=1)
        values, frame, share = (
            np.concatenate([getattr(samples, name) for _, _, samples in self._samples])
            for name in ("values", "frame", "share")
        )
        if any(sky is not None for _, sky in self._detectors.values()) and not np.any(frame[np.isfinite(frame)]):
            raise errors.RuntimeError(
                "The amplitude of the sky frame is undetermined: the frame is 0 in all samples. Add the detectors "
                "without skyBackground, or with a frame that differs from 0"
            )
        groups = np.concatenate([np.full(samples.values.size, group) for group, _, samples in self._samples])
        self._fit = fit_visit(
            np.nan_to_num(places[0]),
            np.nan_to_num(places[1]),
            np.where(share >= config.minFrac, values, np.nan),
            frame,
            None if config.pistons == "NONE" else groups,
            self._box,
            (int(config.orderX), int(config.orderY)),
            triangular=bool(config.triangular),
            iterations=int(config.numIter),
            rejection=float(config.rejection),
        )
        return self._fit

    def getPiston(self, detector: Any) -> float:
        """Return the constant of a detector that was added; 0 without pistons."""
        _, group, _ = self._added(detector)
        pistons = self.fit().pistons
        return float(pistons[group]) if pistons.size else 0.0

    def toCcdBackground(self, detector: Any) -> BackgroundList:
        """Return the model over a detector that was added.

        Parameters
        ----------
        detector : detector
            As it was added; one that was given as a map is found by `Detector`, with the box of its image.

        Returns
        -------
        BackgroundList
            The series with the constant of the detector and, if it has one, the sky frame times its amplitude.

        Raises
        ------
        evensky.errors.NotFoundError
            If the detector was not added.
        evensky.errors.RuntimeError
            If the series is not determined, see `fit`; or if its standard error, somewhere on the detector, exceeds 30
            times the scatter of the samples, as it does far from good pixels or if the orders are too high.
        """
        place, group, sky = self._added(detector)
        fit = self.fit()
        bbox = place.getBBox()
        nx, ny = cell_counts(bbox, int(self.config.binning))
        background = BackgroundMI(bbox, np.zeros((ny, nx), np.float32))
        x, y = mapped(
            place.transform,
            background.getBinCentersX()[np.newaxis, :],
            background.getBinCentersY()[:, np.newaxis],
        )
        self._check_determined(place, group, fit)
        piston = float(fit.pistons[group]) if fit.pistons.size else 0.0
        background.getStatsImage().image.array[...] = fit.evaluate(x, y) + piston
        style, undersample = Interpolate.NATURAL_SPLINE, UndersampleStyle.REDUCE_INTERP_ORDER
        found = BackgroundList((background, style, undersample, ApproximateControl.UNKNOWN, 0, 0, False))
        if sky is not None:
            found.append(scaled_sky(sky, fit.scale))
        return found

    def _check_determined(self, place: Detector, group: int, fit: VisitFit) -> None:
        """Check the standard error of the series over a detector, also at its edges."""
        edges = Box2D(place.getBBox())
        steps = np.linspace(0.0, 1.0, min(2 * max(fit.coefficients.shape) + 1, _MOST_STEPS))
        x, y = edges.getMinX() + steps * edges.getWidth(), edges.getMinY() + steps * edges.getHeight()
        at_x, at_y = mapped(place.transform, x[np.newaxis, :], y[:, np.newaxis])
        gain = float(fit.noise_gain(at_x, at_y, group).max())
        if gain > _MOST_GAIN:
            order_y, order_x = (size - 1 for size in fit.coefficients.shape)
            lower = fit.lower_orders()
            advice = "lower orders" if lower is None else f"at most orderX = {lower[0]}, orderY = {lower[1]}"
            raise errors.RuntimeError(
                f"The series of orderX = {order_x}, orderY = {order_y} is not determined over detector "
                f"{label_of(place)}: its standard error reaches {gain:.3g} times the scatter of the samples "
                f"({fit.rms:.3g}), and {_MOST_GAIN:g} times are allowed. Use {advice}, make the samples smaller, or "
                "mask less"
            )

    def _added(self, detector: Any) -> tuple[Detector, int, Any]:
        readings = readings_of(detector)
        for place in readings:
            if place in self._detectors:
                return place, *self._detectors[place]
        raise NotFoundError(
            f"Detector {label_of(readings[0])} was not added to the visit; added so far ({len(self._detectors)}): "
            f"{labels_of(self._detectors)}"
        )
