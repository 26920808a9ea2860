"""Measurement and subtraction of a sky frame: a pattern that all detectors share, with one amplitude per visit."""

from __future__ import annotations

__all__ = ["BackgroundConfig", "SkyMeasurementConfig", "SkyMeasurementTask", "SkyStatsConfig"]

from collections.abc import Sequence
from typing import Any

import numpy as np
from lsst.pex.config import Config, ConfigField, Field, RangeField

from .. import errors
from .._checks import real_number, shown
from ..errors import InvalidParameterError, LengthError, NotFoundError
from ..geom import Box2I, Point2I
from ..image import ExposureF, ImageF, MaskedImageF
from ..image.foreign import Planes, as_planes
from ..matching.focal_bins import bits_of, good_pixels
from ..matching.sky_frame import Amplitude, common_frame, fit_amplitude, sample_boxes
from ..math import (
    ApproximateControl,
    BackgroundControl,
    BackgroundList,
    BackgroundMI,
    StatisticsControl,
    UndersampleStyle,
    makeBackground,
    stringToInterpStyle,
    stringToStatisticsProperty,
)
from .base import Struct, Task
from .fields import mask_field, positive_field, statistic_field, style_field

# Cards of the header of a sky frame: the box of the detector, and the interpolation between the bins.
_BOX = ("BOX.MINX", "BOX.MINY", "BOX.MAXX", "BOX.MAXY")
_ALGORITHM = "ALGORITHM"


class BackgroundConfig(Config):
    """Configuration of the bins of a sky frame."""

    statistic = statistic_field("MEANCLIP", "Statistic of each bin.")
    xBinSize = RangeField(dtype=int, default=32, min=1, doc="Width of the bins, in pixels.")
    yBinSize = RangeField(dtype=int, default=32, min=1, doc="Height of the bins, in pixels.")
    algorithm = style_field("NATURAL_SPLINE", "Interpolation between bins.")
    mask = mask_field(["SAT", "BAD", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "NO_DATA"])


class SkyStatsConfig(Config):
    """Configuration of the samples of an image and of a sky frame."""

    statistic = statistic_field("MEANCLIP", "Statistic of each sample.")
    clip = positive_field(3.0, "Clipping limit in std. deviations.")
    nIter = RangeField(dtype=int, default=3, min=0, doc="Number of clipping rounds.")
    mask = mask_field(["SAT", "DETECTED", "DETECTED_NEGATIVE", "BAD", "NO_DATA"])


class SkyMeasurementConfig(Config):
    """Configuration of `SkyMeasurementTask`."""

    skyIter = RangeField(dtype=int, default=3, min=0, doc="Largest number of rounds in which samples are rejected.")
    skyRej = positive_field(3.0, "Limit of rejection in standard deviations.")
    background = ConfigField(dtype=BackgroundConfig, doc="Bins of the sky frame.")
    xNumSamples = RangeField(dtype=int, default=4, min=1, doc="Number of samples of each detector in x.")
    yNumSamples = RangeField(dtype=int, default=4, min=1, doc="Number of samples of each detector in y.")
    stats = ConfigField(dtype=SkyStatsConfig, doc="Samples of the images and of the sky frame.")
    fitPedestal = Field[bool](
        dtype=bool, default=False, doc="Fit a constant with the amplitude? It is not subtracted with the sky frame."
    )


class SkyMeasurementTask(Task):
    """Task that measures the amplitude of a sky frame over all detectors of a visit, and subtracts it.

    Parameters
    ----------
    config : SkyMeasurementConfig, optional
    name : str, optional
    log : logging.Logger, optional

    Notes
    -----
    A sky frame is, for each detector, a `BackgroundList` of one background. It differs from the original in three
    ways: the sky frame is sampled on the pixels on which the image is sampled, so that a masked part of a pattern
    changes nothing; a round of rejection decides on all samples anew; and `fitScale` returns the error of the
    amplitude.

    Examples
    --------
    >>> import numpy as np
    >>> pattern = np.sin(np.arange(64) / 9)[np.newaxis, :] * np.ones((64, 1))
    >>> task = SkyMeasurementTask()
    >>> frame = task.measureBackground(pattern)
    >>> image = 2.5 * frame.getImage().array
    >>> round(task.solveScales([task.measureScale(image, frame)]), 3)
    2.5
    """

    ConfigClass = SkyMeasurementConfig
    _DefaultName = "skyMeasurement"
    config: SkyMeasurementConfig

    def measureBackground(self, image: Any) -> BackgroundList:
        """Measure the background of an image in the bins of ``config.background``.

        Parameters
        ----------
        image : image-like, shape (height, width)

        Returns
        -------
        BackgroundList
            One background. Bins without good pixels are NaN.
        """
        config = self.config.background
        planes = as_planes(image)
        height, width = planes.image.shape
        control = StatisticsControl()
        control.setAndMask(bits_of(planes, list(config.mask)))
        control.setNanSafe(True)
        style = stringToInterpStyle(config.algorithm)
        bctrl = BackgroundControl(
            style,
            -(-width // config.xBinSize),
            -(-height // config.yBinSize),
            UndersampleStyle.REDUCE_INTERP_ORDER,
            control,
            stringToStatisticsProperty(config.statistic),
        )
        return _listed(makeBackground(image, bctrl), style)

    def measureScale(self, image: Any, skyBackground: Any) -> tuple[np.ndarray, np.ndarray]:
        """Measure samples of a detector's image, and of its sky frame at the same places.

        Parameters
        ----------
        image : image-like, shape (height, width)
            Image after subtraction of the large-scale background.
        skyBackground : BackgroundList, BackgroundMI or image-like
            Sky frame of the detector.

        Returns
        -------
        imageSamples, skySamples : ndarray of float64, shape (n,)
            For `solveScales`; NaN where no pixel is good.

        Raises
        ------
        evensky.errors.LengthError
            If the sky frame has another size than the image.
        """
        config = self.config.stats
        planes, sky = as_planes(image), sky_pixels(skyBackground)
        check_sky_shape(planes, sky)
        good = good_pixels(planes, list(config.mask)) & np.isfinite(sky)
        control = StatisticsControl(float(config.clip), int(config.nIter))
        counts = int(self.config.xNumSamples), int(self.config.yNumSamples)
        statistic = stringToStatisticsProperty(config.statistic)
        samples = sample_boxes(planes.image, good, sky, counts, statistic, control)
        return samples.values, samples.frame

    def fitScale(self, scales: Sequence[tuple[Any, Any]]) -> Amplitude:
        """Fit the amplitude of the sky frame to the samples of all detectors.

        Parameters
        ----------
        scales : sequence of tuple
            For each detector the two arrays of `measureScale`.

        Returns
        -------
        Amplitude
            The amplitude with its error, the scatter of the residuals and the number of samples.

        Raises
        ------
        evensky.errors.RuntimeError
            If there are no usable samples.
        """
        samples = [np.asarray(pair[0], np.float64).ravel() for pair in scales]
        frame = [np.asarray(pair[1], np.float64).ravel() for pair in scales]
        none = [np.empty(0)]
        config = self.config
        fit = fit_amplitude(
            np.concatenate(samples or none),
            np.concatenate(frame or none),
            int(config.skyIter),
            float(config.skyRej),
            pedestal=bool(config.fitPedestal),
        )
        self.log.info(
            "Sky frame scale: %.6g +- %.2g from %d samples, %d rejected", fit.scale, fit.error, fit.used, fit.rejected
        )
        return fit

    def solveScales(self, scales: Sequence[tuple[Any, Any]]) -> float:
        """Return the amplitude of the sky frame; parameters and errors are those of `fitScale`."""
        return self.fitScale(scales).scale

    def subtractSkyFrame(
        self, image: Any, skyBackground: Any, scale: float, bgList: BackgroundList | None = None
    ) -> None:
        """Subtract the sky frame, times its amplitude, from an image.

        Parameters
        ----------
        image : ExposureF, MaskedImageF, ImageF or ndarray of float
            Changed in place.
        skyBackground : BackgroundList, BackgroundMI or image-like
            Sky frame of the detector.
        scale : float
            Amplitude, in the unit of the image; finite.
        bgList : BackgroundList, optional
            List to which what was subtracted is appended; the sky frame must then be a BackgroundList or BackgroundMI.

        Raises
        ------
        evensky.errors.LengthError
            If the sky frame has another size than the image.
        evensky.errors.InvalidParameterError
            If `scale` is not finite or makes the sky frame too large for the pixels; the image stays as it is.
        """
        factor = real_number(scale, "scale")
        if not np.isfinite(factor):
            raise InvalidParameterError(f"scale is {factor}; it must be finite, or every pixel would be lost")
        planes, sky = as_planes(image), sky_pixels(skyBackground)
        check_sky_shape(planes, sky)
        pixels = image if isinstance(image, np.ndarray) else getattr(image, "image", image).array
        if pixels.dtype.kind != "f":
            raise InvalidParameterError(f"The image has dtype {pixels.dtype}; float32 or float64 is needed")
        with np.errstate(over="ignore", invalid="ignore"):
            change = (factor * sky).astype(pixels.dtype)
        if not np.isfinite(change[np.isfinite(sky)]).all():
            raise InvalidParameterError(
                f"scale is {factor}; the sky frame times it exceeds the range of {pixels.dtype}"
            )
        scaled = None if bgList is None else scaled_sky(skyBackground, factor)
        pixels -= change
        if bgList is not None and scaled is not None:
            bgList.append(scaled)

    def averageBackgrounds(self, bgList: Sequence[Any]) -> BackgroundMI:
        """Return the clipped mean of backgrounds of one detector.

        Parameters
        ----------
        bgList : sequence of BackgroundList or BackgroundMI
            They must have the same box and bins.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the list is empty.
        evensky.errors.RuntimeError
            If boxes or bins differ.
        """
        backgrounds = [_only_background(background) for background in bgList]
        if not backgrounds:
            raise InvalidParameterError("There are 0 backgrounds; an average needs at least 1")
        _check_alike(backgrounds)
        stack = np.stack([np.array(one.getStatsImage().image.array, np.float64) for one in backgrounds])
        kept = np.isfinite(stack)
        for _ in range(int(self.config.stats.nIter)):
            values = np.where(kept, stack, np.nan)
            with np.errstate(invalid="ignore"):
                low, middle, high = _quartiles(values)
                within = np.abs(stack - middle) <= self.config.stats.clip * 0.741 * (high - low)
            # Bins that agree to the last digit have no scatter to clip by.
            kept &= within | (high == low)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(kept, stack, 0.0).sum(axis=0) / kept.sum(axis=0)
        average = _background(backgrounds[0].getImageBBox(), mean)
        control = average.getBackgroundControl()
        control.setInterpStyle(stringToInterpStyle(self.config.background.algorithm))
        control.setUndersampleStyle(UndersampleStyle.REDUCE_INTERP_ORDER)
        return average

    def averageSkyFrames(self, visits: Sequence[Sequence[Any]]) -> Struct:
        """Return the sky frame of several visits: the pattern that they share, up to a factor for each visit.

        Parameters
        ----------
        visits : sequence of sequence of BackgroundList or BackgroundMI
            For each visit the backgrounds of all detectors, in the same order, after subtraction of the large-scale
            background. See `measureBackground`.

        Returns
        -------
        Struct
            ``skyFrames``, a BackgroundList for each detector, scaled so that the mean square of the factors is 1; and
            ``scales``, the factors, an array of shape (visits,).

        Raises
        ------
        evensky.errors.InvalidParameterError
            If there are no visits, or they have different numbers of detectors.
        evensky.errors.RuntimeError
            If boxes or bins of a detector differ between visits, or a visit has no bins in common with the others.
        """
        rows = [[_only_background(background) for background in visit] for visit in visits]
        if not rows or len({len(row) for row in rows}) != 1 or not rows[0]:
            raise InvalidParameterError(
                f"The visits have {[len(row) for row in rows]} detectors; at least one visit is needed, and all must "
                "have the same detectors"
            )
        for detector in zip(*rows, strict=True):
            _check_alike(list(detector))
        bins = [np.concatenate([one.getStatsImage().image.array.ravel() for one in row]) for row in rows]
        frame, factors = common_frame(bins, float(self.config.skyRej))
        frames, start = [], 0
        for background in rows[0]:
            shape = background.getStatsImage().image.array.shape
            part = frame[start : start + shape[0] * shape[1]].reshape(shape)
            start += part.size
            style = stringToInterpStyle(self.config.background.algorithm)
            frames.append(_listed(_background(background.getImageBBox(), part), style))
        return Struct(skyFrames=frames, scales=factors)

    def backgroundToExposure(self, statsImage: Any, bbox: Box2I) -> ExposureF:
        """Return the bins of a sky frame as an exposure whose header holds the box of the detector.

        Parameters
        ----------
        statsImage : MaskedImageF or image-like, shape (ny, nx)
            Bins; see `BackgroundMI.getStatsImage`.
        bbox : Box2I
            Box of the detector's image.
        """
        if not isinstance(bbox, Box2I) or bbox.isEmpty():
            raise InvalidParameterError(f"bbox is {shown(bbox)}; it must be a Box2I with at least one pixel")
        exposure = ExposureF(MaskedImageF(ImageF(np.array(as_planes(statsImage).image, np.float32))))
        header = exposure.getMetadata()
        for name, value in zip(_BOX, (*bbox.getMin(), *bbox.getMax()), strict=True):
            header[f"HIERARCH {name}"] = value
        header[f"HIERARCH {_ALGORITHM}"] = self.config.background.algorithm
        return exposure

    @staticmethod
    def exposureToBackground(bgExp: Any) -> BackgroundList:
        """Return the sky frame that `backgroundToExposure` made an exposure of.

        Raises
        ------
        evensky.errors.NotFoundError
            If its header lacks a card; the message names it.
        """
        header = bgExp.getMetadata()
        if missing := [name for name in (*_BOX, _ALGORITHM) if name not in header]:
            raise NotFoundError(f"The header lacks {', '.join(missing)}; is this a sky frame?")
        x0, y0, x1, y1 = (int(header[name]) for name in _BOX)
        bbox = Box2I(Point2I(x0, y0), Point2I(x1, y1))
        return _listed(BackgroundMI(bbox, bgExp.getMaskedImage()), stringToInterpStyle(str(header[_ALGORITHM])))


def _quartiles(values: np.ndarray) -> np.ndarray:
    """Return the quartiles along the first axis without NaN; NaN where there is nothing else."""
    empty = np.isnan(values).all(axis=0)
    quartiles = np.nanpercentile(np.where(empty, 0.0, values), [25, 50, 75], axis=0)
    quartiles[:, empty] = np.nan
    return np.asarray(quartiles)


def sky_pixels(sky: Any) -> np.ndarray:
    """Return the image of a sky frame."""
    if isinstance(sky, BackgroundList):
        return sky.getImage().array
    if isinstance(sky, BackgroundMI):
        return sky.getImageF().array
    return as_planes(sky).image


def check_sky_shape(planes: Planes, sky: np.ndarray) -> None:
    if planes.image.shape != sky.shape:
        raise LengthError(f"The sky frame has shape {sky.shape}, but the image has shape {planes.image.shape}")


def _only_background(value: Any) -> BackgroundMI:
    """Return the background of a list of one."""
    if isinstance(value, BackgroundMI):
        return value
    if isinstance(value, BackgroundList) and len(value) == 1:
        background: BackgroundMI = value[0][0]
        return background
    raise InvalidParameterError(f"A sky frame is {shown(value)}; it must be a BackgroundMI or a BackgroundList of one")


def _check_alike(backgrounds: Sequence[BackgroundMI]) -> None:
    first = backgrounds[0]
    for other in backgrounds[1:]:
        mine, others = (one.getStatsImage().getDimensions() for one in (first, other))
        if first.getImageBBox() != other.getImageBBox() or mine != others:
            raise errors.RuntimeError(
                f"Backgrounds of one detector differ: {first!r} and {other!r}; boxes and bins must be equal"
            )


def _background(bbox: Box2I, bins: np.ndarray) -> BackgroundMI:
    return BackgroundMI(bbox, MaskedImageF(ImageF(np.array(bins, np.float32))))


def _listed(background: BackgroundMI, style: Any) -> BackgroundList:
    unknown = ApproximateControl.UNKNOWN
    return BackgroundList((background, style, UndersampleStyle.REDUCE_INTERP_ORDER, unknown, 0, 0, False))


def scaled_sky(sky: Any, factor: float) -> Any:
    """Return a background with its styles, times a factor."""
    if not isinstance(sky, BackgroundMI | BackgroundList):
        raise InvalidParameterError(
            f"The sky frame is a {type(sky).__name__}; only a BackgroundMI or BackgroundList can be appended to bgList"
        )
    background = _only_background(sky)
    scaled = _background(background.getImageBBox(), factor * background.getStatsImage().image.array)
    control, own = scaled.getBackgroundControl(), background.getBackgroundControl()
    control.setInterpStyle(own.getInterpStyle())
    control.setUndersampleStyle(own.getUndersampleStyle())
    return (scaled, *sky[0][1:]) if isinstance(sky, BackgroundList) else scaled
