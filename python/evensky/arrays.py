"""Statistics and backgrounds in one call each, of arrays and of whatever has the pixels of an image.

The same core as `evensky.math` and `evensky.tasks`, with the habits of numpy and astropy: keywords instead of control
objects, and results of the type that went in.
"""

from __future__ import annotations

__all__ = [
    "BackgroundEstimate",
    "BinStatistics",
    "ClippedStats",
    "clipped_stats",
    "estimate_background",
]

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _core
from ._checks import real_number, shown, whole_number
from .errors import InvalidParameterError
from .image import Exposure, Image, Mask, MaskedImage, MaskedVector
from .image._pixels import regular
from .image.coerce import Planes, is_lsst_images, is_nddata
from .image.mask import BAD_PLANES
from .interop.astropy import data_like, floating_like
from .math import (
    ERRORS,
    IQRANGE,
    MAD,
    MAX,
    MEANCLIP,
    MEDIAN,
    MIN,
    NCLIPPED,
    NPOINT,
    REDUCE_INTERP_ORDER,
    STDEVCLIP,
    ApproximateControl,
    BackgroundControl,
    BackgroundMI,
    Property,
    StatisticsControl,
    stringToInterpStyle,
    stringToStatisticsProperty,
)
from .math.interpolate import interp_style
from .math.statistics import mask_of, planes_of, weights_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Short names of styles.
_STYLES = {"akima": "AKIMA_SPLINE", "natural": "NATURAL_SPLINE", "cubic": "CUBIC_SPLINE"}

# Clipping until nothing changes.
_ALL_ROUNDS = 2**31 - 1


class _Three(NamedTuple):
    mean: Any
    median: Any
    std: Any


class ClippedStats(_Three):
    """Mean and standard deviation after clipping, and the median; ``mean, median, std = ...`` takes them apart.

    Attributes
    ----------
    mean, median, std : float or Quantity
        The mean and standard deviation of what clipping left, and the median of all good values.
    mean_error : float or Quantity
        Standard error of the mean.
    min, max, iqr : float or Quantity
        Extremes of the good values, and the distance of their quartiles.
    mad_std : float or Quantity
        Median absolute deviation of all good values from their median, scaled to the standard deviation of a normal
        distribution.
    n_good, n_clipped, n_masked : int
        Number of good values; how many of these were clipped in the last round; how many were masked or not finite.
    """

    mean_error: Any
    min: Any
    max: Any
    iqr: Any
    mad_std: Any
    n_good: int
    n_clipped: int
    n_masked: int

    def __repr__(self) -> str:
        figures = ("mean", "median", "std", "mean_error", "min", "max", "iqr", "mad_std")
        values = ", ".join(f"{name}={getattr(self, name):.8g}" for name in figures)
        return f"ClippedStats({values}, n_good={self.n_good}, n_clipped={self.n_clipped}, n_masked={self.n_masked})"

    def _repr_html_(self) -> str:
        from .display import table_html

        figures = ("mean", "mean_error", "median", "std", "min", "max", "iqr", "mad_std")
        rows = [(name, getattr(self, name)) for name in figures]
        rows += [(name, getattr(self, name)) for name in ("n_good", "n_clipped", "n_masked")]
        return table_html(("clipped statistics", "value"), rows)


def clipped_stats(
    data: Any,
    mask: Any = None,
    bad_planes: int | str | Iterable[str] | None = None,
    *,
    weights: Any = None,
    sigma: float = 3.0,
    rounds: int | None = 3,
    num_threads: int = 0,
) -> ClippedStats:
    """Mean, median and standard deviation of the good pixels, those beyond some sigma left out.

    Parameters
    ----------
    data : array-like
        An image or values of any shape: an array, a masked array, a ``Quantity``, ``NDData``, an image of
        `evensky.image`, or the name of a FITS file.
    mask : array-like or Mask, optional
        Booleans, where true rejects a pixel, or bits. The data's own, if they have one, must then be left out.
    bad_planes : int, str or iterable of str, optional
        Which bits of a bit mask reject a pixel: bits, a name, or names. Where left out: the usual bad planes
        (`evensky.image.mask.BAD_PLANES`) of a mask that names its planes, any bit of one that does not. A boolean mask
        always counts.
    weights : array-like, optional
        Multiplicative weight of each pixel, of the shape of `data`.
    sigma : float, optional
        Half-width of what is kept, in units of the standard deviation; the first round uses the median and the
        quartiles in place of mean and standard deviation.
    rounds : int or None, optional
        How often to clip; None: until nothing changes.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default. Results do not depend on it.

    Returns
    -------
    ClippedStats
        In the unit of `data`; NaN where no value is good. Values that are not finite never count.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For data of no pixels, or of a type that cannot be used; for two masks.
    evensky.errors.LengthError
        Where shapes differ.
    evensky.errors.NotFoundError
        For a plane that the mask does not know.
    evensky.errors.FitsError
        For a file that cannot be read.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> mean, median, std = evensky.clipped_stats(np.array([1.0, 2.0, 3.0, 2.0, 1.0, 3.0, 2.0, 100.0]))
    >>> float(mean), float(median)
    (2.0, 2.0)
    """
    data = _read(data)
    flat, flat_mask, flat_weights = (_as_rows(array) for array in (data, mask, weights))
    planes, bits = _select(flat, flat_mask, bad_planes)
    weight = None if flat_weights is None else weights_of(flat_weights, is_vector=True)
    wanted = NPOINT | NCLIPPED | MEANCLIP | STDEVCLIP | MEDIAN | MIN | MAX | IQRANGE | MAD | ERRORS
    control = _control(bits, sigma, rounds)
    result = _core.makeStatistics(planes.image, planes.mask, None, weight, int(wanted), control, num_threads)

    def value(prop: Property) -> Any:
        return _with_unit(data, result.getValue(prop))

    stats = ClippedStats(value(MEANCLIP), value(MEDIAN), value(STDEVCLIP))
    stats.mean_error = _with_unit(data, result.getError(MEANCLIP))
    stats.min, stats.max, stats.iqr, stats.mad_std = value(MIN), value(MAX), value(IQRANGE), value(MAD)
    stats.n_good, stats.n_clipped = int(result.getValue(NPOINT)), int(result.getValue(NCLIPPED))
    stats.n_masked = planes.image.size - stats.n_good
    return stats


@dataclass(frozen=True, repr=False)
class BinStatistics:
    """What was measured in the bins.

    Attributes
    ----------
    x, y : ndarray, shape (ny, nx)
        Centres of the bins, in pixels, the centre of the first pixel being 0 (plus the image's origin where it has
        one).
    value, error : ndarray, shape (ny, nx)
        In the unit of the pixels; NaN where a bin has no good pixel.
    """

    x: np.ndarray
    y: np.ndarray
    value: Any
    error: Any

    def __repr__(self) -> str:
        ny, nx = self.value.shape
        return f"BinStatistics({nx} x {ny} bins: x, y, value, error)"


class BackgroundEstimate:
    """The background of an image, measured in bins. Made by `estimate_background`.

    Attributes
    ----------
    background : BackgroundMI
        The same by the names of ``lsst.afw.math``.
    """

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
        made = _core.Background(
            planes.image, planes.mask, planes.variance, planes.x0, planes.y0, control, self._num_threads
        )
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
        """The model, shape ``(height, width)``, of the type that went in."""
        return data_like(self._data, self._model, bare=True)

    @cached_property
    def rms_image(self) -> Any:
        """Standard deviation of the pixels about the background, modelled as `image` is; shape ``(height, width)``."""
        own = self.background.getBackgroundControl()
        control = BackgroundControl(
            own.getInterpStyle(),
            own.getNxSample(),
            own.getNySample(),
            own.getUndersampleStyle(),
            own.getStatisticsControl(),
            STDEVCLIP,
        )
        # A spline may swing below 0 beside a steep step; no deviation does.
        return data_like(self._data, np.maximum(self._evaluate(self._measure(control)), 0), bare=True)

    @property
    def subtracted(self) -> Any:
        """The data less the background, of the type that went in, with its mask and uncertainty."""
        return data_like(self._data, self._planes.image - self._model)

    @cached_property
    def _model(self) -> np.ndarray:
        return self._evaluate(self.background)

    @property
    def stats(self) -> BinStatistics:
        """What was measured in the bins."""
        grid = self.background.getStatsImage()
        x, y = np.meshgrid(self.background.getBinCentersX(), self.background.getBinCentersY())
        value, error = (np.array(plane.array, dtype=np.float64) for plane in (grid.image, grid.variance))
        return BinStatistics(x, y, _with_unit(self._data, value), _with_unit(self._data, error))

    @property
    def level(self) -> Any:
        """Median of the bins."""
        values = self.background.getStatsImage().image.array
        good = values[np.isfinite(values)]
        return _with_unit(self._data, float(np.median(good)) if good.size else math.nan)

    def plot(self) -> Figure:
        """The model with the bins over it, and what is left in the bins. See `evensky.plot.plot_background`."""
        from .plot import plot_background

        return plot_background(self.background, self._model, self._planes.unit)

    def __repr__(self) -> str:
        nx, ny = self.background.getStatsImage().getDimensions()
        height, width = self._planes.image.shape
        return f"BackgroundEstimate({nx} x {ny} bins over {width} x {height} px, level {self.level:.6g})"

    def _repr_html_(self) -> str:
        from .display import background_html

        return background_html(self.background, lambda: self._model, self._order, self._planes.unit)


def estimate_background(
    data: Any,
    mask: Any = None,
    bad_planes: int | str | Iterable[str] | None = None,
    *,
    bin_size: int | tuple[int, int] = 128,
    statistic: str = "meanclip",
    style: str = "akima",
    order: int | None = None,
    sigma: float = 3.0,
    rounds: int | None = 3,
    num_threads: int = 0,
) -> BackgroundEstimate:
    """Measure the background of an image in bins, and model it smoothly.

    Parameters
    ----------
    data : image-like, shape (height, width)
        An array, a masked array, a ``Quantity``, ``NDData``, an image of `evensky.image`, or the name of a FITS file.
    mask, bad_planes : optional
        Which pixels do not count; see `clipped_stats`.
    bin_size : int or (int, int), optional
        Size of the bins in pixels, at most: height and width where they differ. Bins are spread evenly.
    statistic : str, optional
        What is measured in a bin: "mean", "median" or "meanclip".
    style : str, optional
        How to interpolate: "akima", "natural", "cubic", "linear", "constant", or a name of `Interpolate.Style`. A
        simpler one is taken where there are too few bins.
    order : int, optional
        Fit a Chebyshev series of this order to the bins, weighted by their errors, instead of interpolating.
    sigma, rounds : optional
        Of the clipping; see `clipped_stats`.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default. Results do not depend on it.

    Returns
    -------
    BackgroundEstimate
        ``image``, ``rms_image``, ``subtracted``, ``stats``, ``level``, ``plot()``.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For an image of no pixels or of a type that cannot be used, bins of no size, an unknown statistic or style.
    evensky.errors.RuntimeError
        When the image is asked for, where bins determine fewer terms than `order` has.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> sky = np.add.outer(np.arange(400.0), np.arange(600.0))
    >>> background = evensky.estimate_background(sky, bin_size=100, order=1)
    >>> bool(np.abs(background.image - sky).max() < 0.01)
    True
    """
    data = _read(data)
    planes, bits = _select(data, mask, bad_planes)
    height, width = planes.image.shape
    size_y, size_x = _pair(bin_size)
    prop = stringToStatisticsProperty(statistic.upper())
    control = BackgroundControl(
        style_of(style),
        max(1, -(-width // size_x)),
        max(1, -(-height // size_y)),
        REDUCE_INTERP_ORDER,
        _control(bits, sigma, rounds),
        prop,
    )
    if order is not None:
        ApproximateControl(ApproximateControl.CHEBYSHEV, order)  # which says what is wrong with it
    return BackgroundEstimate(data, planes, control, order, num_threads)


def _read(data: Any) -> Any:
    """An exposure, where the name of its file is given."""
    if not isinstance(data, str | Path):
        return data
    from .io import read_exposure

    return read_exposure(data)


def style_of(style: str) -> Any:
    """The interpolation style of a short name, or of one of `Interpolate.Style`."""
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


def _control(bits: int, sigma: float, rounds: int | None) -> StatisticsControl:
    control = StatisticsControl(real_number(sigma, "sigma"), _ALL_ROUNDS if rounds is None else rounds)
    control.setAndMask(bits)
    return control


def _as_rows(data: Any) -> Any:
    """Values of any shape as the rows of an image; what has no shape of its own, or two dimensions, stays."""
    if data is None or isinstance(data, Image | MaskedImage | Exposure | Mask | MaskedVector):
        return data
    if is_nddata(data) or is_lsst_images(data):
        return data
    array = data if isinstance(data, np.ndarray) else regular(data)
    return array if array.ndim == 2 else array.reshape(-1, array.shape[-1]) if array.ndim > 2 else array.reshape(1, -1)


def _select(data: Any, mask: Any, bad_planes: int | str | Iterable[str] | None) -> tuple[Planes, int]:
    """The planes of an image with the mask that counts, and the bits that reject a pixel."""
    planes, _ = planes_of(data)
    if mask is not None:
        if planes.mask is not None:
            raise InvalidParameterError(f"{type(data).__name__} has a mask of its own; a second one cannot be given")
        bits, reject = mask_of(mask)
        names = mask.getMaskPlaneDict() if isinstance(mask, Mask) else None
        planes = replace(planes, mask=bits, reject=reject, mask_planes=names)
    if planes.mask is None:
        return planes, 0
    if planes.reject:
        return planes, planes.reject
    return planes, _bits(planes.mask_planes, bad_planes)


def _bits(names: Mapping[str, int] | None, bad_planes: int | str | Iterable[str] | None) -> int:
    if bad_planes is None:
        if names is None:
            return -1  # every bit
        bad_planes = [name for name in BAD_PLANES if name in names]
    if isinstance(bad_planes, int | np.integer):
        return int(bad_planes)
    return int(Mask(1, 1, mask_planes=Mask.getMaskPlaneDict() if names is None else names).getPlaneBitMask(bad_planes))


def _with_unit(data: Any, value: Any) -> Any:
    """In the unit of a Quantity or of NDData that has one."""
    unit = getattr(data, "unit", None)
    return value if unit is None else value * unit
