"""The background of an array, or of an object that holds the pixels of an image, in one call."""

from __future__ import annotations

__all__ = ["BackgroundEstimate", "BinStatistics", "estimate_background", "style_of"]

import html
import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._checks import shown, whole_number
from .._text import with_digits
from ..errors import InvalidParameterError
from ..image.foreign import Planes, reject_pixels, values_of
from ..image.like import data_like, floating_like
from ..math import (
    REDUCE_INTERP_ORDER,
    STDEVCLIP,
    ApproximateControl,
    BackgroundControl,
    BackgroundMI,
    StatisticsControl,
    stringToInterpStyle,
    stringToStatisticsProperty,
)
from ..math.background import background_html, plot_background
from ..math.interpolate import interp_style
from .arguments import clipping_control, read_data, select_planes, with_unit
from .lazy_image import LazyImage, lazy_array
from .source_mask import SourceMask, find_sources, source_options
from .source_options import SourceOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Short names of interpolation styles.
_STYLES = {"akima": "AKIMA_SPLINE", "natural": "NATURAL_SPLINE", "cubic": "CUBIC_SPLINE"}


@dataclass(frozen=True, repr=False)
class BinStatistics:
    """Statistics of the bins.

    Attributes
    ----------
    x, y : ndarray, shape (ny, nx)
        Centres of the bins in pixels; the centre of the first pixel is 0 (plus the origin of the image, if it has one).
    value, error : ndarray, shape (ny, nx)
        Statistic of each bin and its error, in the unit of the pixels; NaN for a bin without good pixels.
    """

    x: np.ndarray
    y: np.ndarray
    value: Any
    error: Any

    def __repr__(self) -> str:
        ny, nx = self.value.shape
        return f"BinStatistics({nx} x {ny} bins: x, y, value, error)"


class BackgroundEstimate:
    """The background of an image, measured in bins; the result of `estimate_background`.

    Attributes
    ----------
    background : BackgroundMI
        The background as an object with the interface of ``lsst.afw.math``.
    sources : SourceMask or None
        The sources that were masked; None if they were not to be found.
    """

    sources: SourceMask | None = None

    def __init__(
        self, data: Any, planes: Planes, control: BackgroundControl, order: int | None, num_threads: int
    ) -> None:
        self._data = data
        self._planes = planes
        self._order = order
        self._num_threads = num_threads
        self.background: BackgroundMI = self._measure(control)

    def _measure(self, control: BackgroundControl) -> BackgroundMI:
        planes = self._planes
        made = _core.Background(planes.image, planes.mask, None, planes.x0, planes.y0, control, self._num_threads)
        return BackgroundMI.from_core(made, _core.AsUsed())

    def _evaluate(self, background: BackgroundMI) -> np.ndarray:
        double = floating_like(self._planes.image.dtype) == np.float64
        if self._order is None:
            make = background.getImageD if double else background.getImageF
            return make(num_threads=self._num_threads).array
        model = background.getApproximate(ApproximateControl(ApproximateControl.CHEBYSHEV, self._order))
        make_model = model.getImageD if double else model.getImage
        return make_model(num_threads=self._num_threads).array

    @cached_property
    def image(self) -> Any:
        """Model image, shape ``(height, width)``, of the same type as the data."""
        return data_like(self._data, self._model, bare=True)

    @cached_property
    def rms_image(self) -> Any:
        """Modelled standard deviation of the pixels about the background, shape ``(height, width)``."""
        own = self.background.getBackgroundControl()
        control = BackgroundControl(
            own.getInterpStyle(),
            own.getNxSample(),
            own.getNySample(),
            own.getUndersampleStyle(),
            own.getStatisticsControl(),
            STDEVCLIP,
        )
        # A spline may overshoot below 0 beside a steep step; a standard deviation cannot be negative.
        return data_like(self._data, np.maximum(self._evaluate(self._measure(control)), 0), bare=True)

    @property
    def subtracted(self) -> Any:
        """Data minus the background, of the same type as the data, with their mask and uncertainty."""
        return data_like(self._data, self._planes.image - self._model)

    @cached_property
    def _model(self) -> np.ndarray:
        return self._evaluate(self.background)

    @property
    def stats(self) -> BinStatistics:
        """Statistics of the bins."""
        grid = self.background.getStatsImage()
        x, y = np.meshgrid(self.background.getBinCentersX(), self.background.getBinCentersY())
        value, error = (np.array(plane.array, dtype=np.float64) for plane in (grid.image, grid.variance))
        return BinStatistics(x, y, with_unit(self._data, value), with_unit(self._data, error))

    @property
    def level(self) -> Any:
        """Median of the bins."""
        values = self.background.getStatsImage().image.array
        good = values[np.isfinite(values)]
        return with_unit(self._data, float(np.median(good)) if good.size else math.nan)

    def plot(self) -> Figure:
        """Draw the model with the bins on it, and the residuals of the bins."""
        return plot_background(self.background, self._model, self._planes.unit)

    def __repr__(self) -> str:
        nx, ny = self.background.getStatsImage().getDimensions()
        height, width = self._planes.image.shape
        errors = self.background.getStatsImage().variance.array
        known = errors[np.isfinite(errors)]
        level = self.level
        noise = float(np.median(known)) if known.size else None
        number = with_digits(float(getattr(level, "value", level)), noise, least=6)
        unit = getattr(level, "unit", None)
        text = number if unit is None else f"{number} {unit}"
        return f"BackgroundEstimate({nx} x {ny} bins over {width} x {height} px, level {text})"

    def _repr_html_(self) -> str:
        return background_html(self.background, lambda: self._model, self._order, self._planes.unit)


class LazyBackgroundEstimate(BackgroundEstimate):
    """The background of an array of ``dask``: its bins are measured, and its images are arrays of dask.

    Blocks of the images are computed from the bins when they are needed, so that no whole image is ever in memory.
    """

    def __init__(self, data: Any, lazy: LazyImage, control: BackgroundControl, order: int | None, threads: int) -> None:
        self._lazy = lazy
        super().__init__(data, Planes(lazy.image), control, order, threads)

    def _measure(self, control: BackgroundControl) -> BackgroundMI:
        return self._lazy.measure(control, self._num_threads)

    def _evaluate(self, background: BackgroundMI) -> Any:
        dtype = floating_like(self._lazy.image.dtype)
        return self._lazy.evaluate(background, self._order, dtype, self._num_threads)

    def plot(self) -> Figure:
        """Draw the model with the bins on it, and the residuals of the bins; the whole model is computed."""
        return plot_background(self.background, np.asarray(self._model), self._planes.unit)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"  # pictures would need the whole model


def estimate_background(
    data: Any,
    mask: Any = None,
    bad_planes: int | str | Iterable[str] | None = None,
    *,
    variance: Any = None,
    weights: Any = None,
    bin_size: int | tuple[int, int] = 128,
    statistic: str = "meanclip",
    style: str = "akima",
    order: int | None = None,
    sigma: float = 3.0,
    rounds: int | None = 3,
    mask_sources: bool | Mapping[str, Any] | SourceOptions = False,
    num_threads: int = 0,
) -> BackgroundEstimate:
    """Measure the background of an image in bins, and model it by a smooth surface.

    Parameters
    ----------
    data : image-like, shape (height, width)
        An array, a masked array, a ``Quantity``, ``NDData``, an image of `evensky.image`, or the name of a FITS file.
        An array of ``dask`` is measured in blocks, and the images of the result are arrays of dask; a ``DataArray`` of
        ``xarray`` comes back with its coordinates and attributes.
    mask, bad_planes : optional
        Pixels that do not count; see `clipped_stats`.
    variance, weights : array-like, optional
        Variance or weight of each pixel. Only pixels count whose variance and weight are positive and finite; the
        values have no other effect.
    bin_size : int or (int, int), optional
        Largest size of the bins in pixels, or their height and width. Bins are spread evenly.
    statistic : str, optional
        Statistic of a bin: "mean", "median" or "meanclip".
    style : str, optional
        Interpolation between bins: "akima", "natural", "cubic", "linear", "constant", or a name of `Interpolate.Style`.
        A simpler style is used if there are too few bins.
    order : int, optional
        Fit a Chebyshev series of this order to the bins, weighted by their errors, instead of interpolating.
    sigma, rounds : optional
        Half-width of the clipping window, and number of clipping rounds; see `clipped_stats`.
    mask_sources : bool, mapping or SourceOptions, optional
        Find stars and galaxies, and leave them out: True, or options of `evensky.mask_sources`, such as
        ``{"threshold": 3}``. It needs ``pip install "evensky[sources]"``.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default. Results do not depend on it.

    Returns
    -------
    BackgroundEstimate
        ``image``, ``rms_image``, ``subtracted``, ``stats``, ``level``, ``plot()``.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For an image without pixels or of an unsuitable type, for bins of size 0, or for an unknown statistic or style.
    evensky.errors.RuntimeError
        If the bins determine fewer terms than `order` needs; raised when the image is evaluated.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> sky = np.add.outer(np.arange(400.0), np.arange(600.0))
    >>> background = evensky.estimate_background(sky, bin_size=100, order=1)
    >>> bool(np.abs(background.image - sky).max() < 0.01)
    True
    """
    data = read_data(data)
    if (array := lazy_array(data)) is not None:
        if source_options(mask_sources) is not None:
            raise InvalidParameterError(
                "mask_sources: sources are found in whole images, and the data are a dask array; compute it first, or "
                "give a mask of the sources"
            )
        lazy = LazyImage(array, mask, bad_planes, variance, weights)
        control = _control(lazy.image.shape, bin_size, statistic, style, clipping_control(0, sigma, rounds), order)
        return LazyBackgroundEstimate(data, lazy, control, order, num_threads)
    planes, bits = select_planes(data, mask, bad_planes, variance=variance)
    if weights is not None:
        given = values_of(weights, planes, "weights")
        good = np.isfinite(given) & (given > 0)
        if not good.any():
            raise InvalidParameterError("weights: no value is positive and finite, so no pixel would count")
        reject_pixels(planes, ~good)
        bits |= planes.reject
    sources = None
    if (wanted := source_options(mask_sources)) is not None:

        def measure(rejected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            again = estimate_background(
                planes.image,
                rejected,
                bin_size=bin_size,
                statistic=statistic,
                style=style,
                order=order,
                sigma=sigma,
                rounds=rounds,
                num_threads=num_threads,
            )
            return again.image, again.rms_image

        sources = find_sources(planes, bits, wanted, measure)
        reject_pixels(planes, sources.mask)
        bits |= planes.reject
        for note in sources.notes:
            warnings.warn(note, stacklevel=2)
    statistics = clipping_control(bits, sigma, rounds)
    control = _control(planes.image.shape, bin_size, statistic, style, statistics, order)
    estimate = BackgroundEstimate(data, planes, control, order, num_threads)
    estimate.sources = sources
    return estimate


def _control(
    shape: tuple[int, ...], bin_size: Any, statistic: str, style: str, statistics: StatisticsControl, order: int | None
) -> BackgroundControl:
    """Return the control of the background of an image of a shape."""
    height, width = shape
    size_y, size_x = _pair(bin_size)
    control = BackgroundControl(
        style_of(style),
        max(1, -(-width // size_x)),
        max(1, -(-height // size_y)),
        REDUCE_INTERP_ORDER,
        statistics,
        stringToStatisticsProperty(statistic.upper()),
    )
    if order is not None:
        ApproximateControl(ApproximateControl.CHEBYSHEV, order)  # raises an error if the order is not allowed
    return control


def style_of(style: str) -> Any:
    """Return the interpolation style that has a short name or a name of `Interpolate.Style`."""
    name = style.lower() if isinstance(style, str) else style
    return stringToInterpStyle(_STYLES.get(name, name.upper())) if isinstance(name, str) else interp_style(name)


def _pair(bin_size: Any) -> tuple[int, int]:
    pair = bin_size if isinstance(bin_size, tuple | list) else (bin_size, bin_size)
    if len(pair) != 2:
        raise InvalidParameterError(f"bin_size is {shown(bin_size)}; it must be one number, or height and width")
    size_y, size_x = (whole_number(value, "bin_size") for value in pair)
    if min(size_y, size_x) < 1:
        raise InvalidParameterError(f"bin_size is {shown(bin_size)}; bins have at least 1 pixel")
    return size_y, size_x
