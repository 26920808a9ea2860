"""All statistics of arrays, and of objects that hold the pixels of an image, in one call."""

from __future__ import annotations

__all__ = ["ImageStatistics", "image_statistics"]

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from ..draw.tables import table_html
from ..errors import InvalidParameterError
from ..image.foreign import Planes, values_of
from ..math import (
    ERRORS,
    IQRANGE,
    MAD,
    MAX,
    MEANCLIP,
    MEDIAN,
    MIN,
    NCLIPPED,
    NPOINT,
    STDEVCLIP,
    Property,
)
from .arguments import as_real, clipping_control, read_data, rows_of, select_planes, with_unit


class _Three(NamedTuple):
    mean: Any
    median: Any
    std: Any


class ImageStatistics(_Three):
    """Mean and standard deviation after clipping, and the median; it unpacks as ``mean, median, std = ...``.

    Attributes
    ----------
    mean, median, std : float or Quantity
        Mean and standard deviation of the values that clipping kept, and median of all good values.
    mean_error : float or Quantity
        Standard error of the mean.
    min, max, iqr : float or Quantity
        Extremes of the good values, and their interquartile range.
    mad_std : float or Quantity
        Median absolute deviation of all good values from their median, scaled to the standard deviation of a normal
        distribution.
    n_good, n_clipped, n_masked : int
        Number of good values, of good values that the last round clipped, and of values that are masked or not finite.
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
        return f"ImageStatistics({values}, n_good={self.n_good}, n_clipped={self.n_clipped}, n_masked={self.n_masked})"

    def _repr_html_(self) -> str:
        figures = ("mean", "mean_error", "median", "std", "min", "max", "iqr", "mad_std")
        rows = [(name, getattr(self, name)) for name in figures]
        rows += [(name, getattr(self, name)) for name in ("n_good", "n_clipped", "n_masked")]
        return table_html(("statistics", "value"), rows)


def image_statistics(
    data: Any,
    mask: Any = None,
    bad_planes: int | str | Iterable[str] | None = None,
    *,
    variance: Any = None,
    weights: Any = None,
    sigma: float = 3.0,
    rounds: int | None = 3,
    num_threads: int = 0,
) -> ImageStatistics:
    """Measure statistics of the good pixels: clipped mean and standard deviation, median, extremes, quartiles, counts.

    The values are those of `evensky.math.makeStatistics` with the same control: clipping begins with the median and the
    quartiles, each round looks at all good pixels again, and the median is that of all good pixels. `clipped_stats`
    clips as ``astropy.stats.sigma_clipped_stats`` does. Whole numbers are treated as real ones, so that the pixels of a
    file and an array of the same numbers have the same statistics; `makeStatistics` spreads equal integers over a range
    of 1, as ``lsst.afw.math`` does.

    Until version 0.1 this function had the name ``clipped_stats``.

    Parameters
    ----------
    data : array-like
        An image or values of any shape: an array, a masked array, a ``Quantity``, ``NDData``, an image of
        `evensky.image`, or the name of a FITS file.
    mask : array-like or Mask, optional
        Booleans, True for pixels to reject, or bits. It must be omitted if the data have a mask of their own.
    bad_planes : int, str or iterable of str, optional
        Planes of a bit mask that reject a pixel, given as bits, a name, or names. By default these are the usual bad
        planes (`evensky.image.mask.BAD_PLANES`) if the mask names its planes, and all bits if it does not. A boolean
        mask always applies.
    variance : array-like, optional
        Variance of each pixel, of the shape of `data`. Only pixels whose variance is positive and finite count; that
        also holds for the uncertainty of ``NDData``.
    weights : array-like, optional
        Multiplicative weight of each pixel, of the shape of `data`, at least 0. A weight that is NaN or masked counts
        as 0.
    sigma : float, optional
        Half-width of the clipping window in standard deviations; the first round uses the median and the quartiles
        instead of the mean and the standard deviation.
    rounds : int or None, optional
        Number of clipping rounds; None clips until nothing changes.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default. Results do not depend on it.

    Returns
    -------
    ImageStatistics
        In the unit of `data`; NaN if no value is good. Values that are masked or not finite never count.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For data without pixels, of a type that cannot be used, or with two masks, and for weights that are negative or
        infinite.
    evensky.errors.LengthError
        If shapes differ.
    evensky.errors.NotFoundError
        For a plane that the mask does not have.
    evensky.errors.FitsError
        For a file that cannot be read.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> mean, median, std = evensky.image_statistics(np.array([1.0, 2.0, 3.0, 2.0, 1.0, 3.0, 2.0, 100.0]))
    >>> float(mean), float(median)
    (2.0, 2.0)
    """
    data = read_data(data)
    planes, bits = select_planes(data, mask, bad_planes, variance=variance, any_shape=True)
    weight = None if weights is None else rows_of(_weights(weights, planes))
    planes.image, planes.mask = rows_of(as_real(planes.image)), None if planes.mask is None else rows_of(planes.mask)
    wanted = NPOINT | NCLIPPED | MEANCLIP | STDEVCLIP | MEDIAN | MIN | MAX | IQRANGE | MAD | ERRORS
    control = clipping_control(bits, sigma, rounds)
    result = _core.makeStatistics(planes.image, planes.mask, None, weight, int(wanted), control, num_threads)

    def value(prop: Property) -> Any:
        return with_unit(data, result.getValue(prop))

    stats = ImageStatistics(value(MEANCLIP), value(MEDIAN), value(STDEVCLIP))
    stats.mean_error = with_unit(data, result.getError(MEANCLIP))
    stats.min, stats.max, stats.iqr, stats.mad_std = value(MIN), value(MAX), value(IQRANGE), value(MAD)
    stats.n_good, stats.n_clipped = int(result.getValue(NPOINT)), int(result.getValue(NCLIPPED))
    stats.n_masked = planes.image.size - stats.n_good
    return stats


def _weights(weights: Any, planes: Planes) -> np.ndarray:
    """Return weights as float32."""
    values = values_of(weights, planes, "weights")
    values = np.where(np.isnan(values), 0, values)
    if not ((values >= 0) & np.isfinite(values)).all():
        odd = values[(values < 0) | ~np.isfinite(values)]
        raise InvalidParameterError(f"weights: {odd[0]} is among them; weights are finite and at least 0")
    largest = values.max(initial=0)
    limits = np.finfo(np.float32)
    positive = values[values > 0]
    if largest > limits.max or (positive.size and positive.min() < limits.tiny):
        values = values / largest  # only ratios of weights count
    return values.astype(np.float32)
