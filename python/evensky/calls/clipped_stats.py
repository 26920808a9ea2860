"""Statistics after sigma clipping, as astropy defines them, in one call."""

from __future__ import annotations

__all__ = ["ClippedStats", "clipped_stats"]

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .._checks import real_number, shown, whole_number
from ..draw.tables import table_html
from ..errors import InvalidParameterError
from ..image.foreign import Planes, reject_pixels
from .arguments import as_real, read_data, reduced_axes, rows_of, select_planes, with_unit

# Largest number of pixels that are converted at once.
_PIECE = 2**22
_MOST_ROUNDS = 2**31 - 1


class _Three(NamedTuple):
    mean: Any
    median: Any
    std: Any


class ClippedStats(_Three):
    """Mean, median and standard deviation after clipping; it unpacks as ``mean, median, std = ...``.

    Attributes
    ----------
    mean, median, std : float, ndarray of float64 or Quantity
        Statistics of the values that clipping has left; NaN where there are none.
    number, rejected : int or ndarray of int32
        Numbers of values that clipping has left, and of good values that it has rejected.
    """

    number: Any
    rejected: Any

    def _replace(self, **changes: Any) -> ClippedStats:
        """Return a copy with other values of some attributes."""
        numbers = {name: changes.pop(name, getattr(self, name)) for name in ("number", "rejected")}
        result = super()._replace(**changes)
        for name, value in numbers.items():
            setattr(result, name, value)
        return result

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in ("mean", "median", "std"))
        return f"ClippedStats({values}, number={self.number!r}, rejected={self.rejected!r})"

    def _repr_html_(self) -> str:
        names = ("mean", "median", "std", "number", "rejected")
        return table_html(("clipped statistics", "value"), [(name, getattr(self, name)) for name in names])


def clipped_stats(
    data: Any,
    mask: Any = None,
    *,
    mask_value: float | None = None,
    sigma: float = 3.0,
    sigma_lower: float | None = None,
    sigma_upper: float | None = None,
    maxiters: int | None = 5,
    cenfunc: str = "median",
    stdfunc: str = "std",
    std_ddof: float = 0,
    axis: int | Sequence[int] | None = None,
    grow: float | bool | None = False,
    bad_planes: int | str | Iterable[str] | None = None,
    num_threads: int = 0,
) -> ClippedStats:
    """Measure the mean, median and standard deviation after sigma clipping, as ``sigma_clipped_stats`` of astropy does.

    Each round rejects what is further from the centre of the remaining values than `sigma` times their scatter. Without
    `axis`, rejected values stay so; with it, all values within the last window count, which can be wider than one
    before if `cenfunc` is 'mean'. Sums are in float64. ``astropy.stats.sigma_clipped_stats`` clips in float64, too, but
    sums what is left of float32 data in float32: at a level of 10^4 times the noise, its standard deviation is off by
    5e-5.

    Version 0.1 had another function of this name, which is `image_statistics` now: its median is that of all good
    pixels, and its clipping begins with the quartiles.

    Parameters
    ----------
    data : array-like
        An image or values of any shape: an array, a masked array, a ``Quantity``, ``NDData``, an image of
        `evensky.image`, or the name of a FITS file. Values that are masked or not finite never count.
    mask : array-like or Mask, optional
        Booleans, True for pixels to reject, or bits. It must be omitted if the data have a mask of their own.
    mask_value : float, optional
        Value that does not count, within 1e-5 of it for real numbers, as for ``numpy.ma.masked_values``.
    sigma : float, optional
        Half-width of the clipping window in units of the scatter.
    sigma_lower, sigma_upper : float, optional
        Widths of the window below and above its centre; None for `sigma`.
    maxiters : int or None, optional
        Largest number of rounds. With None, and with 0 as in astropy 8, clipping goes on until nothing changes.
    cenfunc : {'median', 'mean'}, optional
        Centre of the window.
    stdfunc : {'std', 'mad_std'}, optional
        Scatter: the standard deviation with divisor n, or 1.4826 times the median distance from the median.
    std_ddof : float, optional
        The divisor of the standard deviation that is returned is n - `std_ddof`.
    axis : int or sequence of int, optional
        Axes along which values are clipped, and that the result does not have; None for all.
    grow : float or False, optional
        Radius, in pixels along the clipped axes, within which the neighbours of rejected pixels are rejected, too, in
        each round; 1 for the nearest ones. The pixels are then clipped by ``astropy.stats.sigma_clip``, which takes
        longer, and rejected ones stay so.
    bad_planes : int, str or iterable of str, optional
        Planes of a bit mask that reject a pixel; see `image_statistics`.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default. Results do not depend on it.

    Returns
    -------
    ClippedStats
        In the unit of `data`: floats, or arrays with the remaining axes.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For data without pixels, of a type that cannot be used, or with two masks; for widths that are not positive, a
        negative number of rounds, an unknown centre or scatter, a function in its place, an axis that does not exist,
        a mask of another shape, and a radius that is negative or not finite.
    evensky.errors.TypeError
        For a number of rounds or an axis that is not whole, or another option that is not a number.
    evensky.errors.NotFoundError
        For a plane that the mask does not have.
    evensky.errors.FitsError
        For a file that cannot be read.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> cube = np.array([[1.0, 2.0, 3.0, 2.0, 1.0, 3.0, 2.0, 2.0, 2.0, 2.0, 100.0], [5.0] * 11])
    >>> mean, median, std = evensky.clipped_stats(cube[0])
    >>> mean, median
    (2.0, 2.0)
    >>> evensky.clipped_stats(cube, axis=1).mean
    array([2., 5.])
    """
    options = _options(sigma, sigma_lower, sigma_upper, maxiters, cenfunc, stdfunc, std_ddof)
    radius = 0.0 if grow is None else real_number(grow, "grow")
    if not 0.0 <= radius < math.inf:
        raise InvalidParameterError(f"grow is {shown(grow)}; it is a radius in pixels, of at least 0, or False")
    excluded = None if mask_value is None else real_number(mask_value, "mask_value")
    data = read_data(data)
    planes, bits = select_planes(data, mask, bad_planes, any_shape=True)
    axes = reduced_axes(axis, planes.image.ndim)
    if planes.image.size == 0:
        raise InvalidParameterError(f"The data have shape {planes.image.shape}, without pixels; at least one is needed")
    grown = 0
    if radius > 0.0:
        left, good = _left_by_growing(planes, bits, excluded, axes, options, radius)
        grown = good - np.count_nonzero(np.isfinite(left), axis=axes)
        planes, bits, excluded = Planes(left), 0, None
        options = (math.inf, math.inf, 1, "median", "std", options[5])
    if axis is None:
        if excluded is not None:
            reject_pixels(planes, _is_value(planes.image, excluded))
            bits |= planes.reject
        image = as_real(planes.image) if planes.image.dtype == np.uint64 else planes.image
        bad = None if planes.mask is None else rows_of(planes.mask)
        values: tuple[Any, ...] = _core.clippedStats(rows_of(image), bad, bits, *options, num_threads)
    else:
        values = _along(planes.image, planes.mask, bits, excluded, axes, options, num_threads)
    result = ClippedStats(*(with_unit(data, value) for value in values[:3]))
    result.number, result.rejected = values[3:]
    if radius > 0.0:
        result.rejected = int(grown) if axis is None else np.asarray(grown, np.int32)[()]
    return result


def _left_by_growing(
    planes: Planes,
    bits: int,
    excluded: float | None,
    axes: tuple[int, ...],
    options: tuple[float, float, int, str, str, float],
    radius: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels that are left if rejected ones grow, the others NaN, and how many good ones there were."""
    from astropy.stats import sigma_clip

    pixels = planes.image.astype(np.float64)
    if planes.mask is not None:
        pixels[(planes.mask & np.int32(bits)) != 0] = np.nan
    if excluded is not None:
        pixels[_is_value(planes.image, excluded)] = np.nan
    pixels[~np.isfinite(pixels)] = np.nan
    good = np.count_nonzero(np.isfinite(pixels), axis=axes)
    low, high, rounds, cenfunc, stdfunc, _ = options
    reaches_all = radius >= math.hypot(*(pixels.shape[axis] for axis in axes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NaN
        clipped = sigma_clip(
            pixels,
            sigma_lower=low,
            sigma_upper=high,
            maxiters=rounds or None,
            cenfunc=cenfunc,
            stdfunc=stdfunc,
            axis=axes,
            grow=False if reaches_all else radius,
        )
    rejected = np.ma.getmaskarray(clipped)
    if reaches_all:  # one rejected pixel rejects all
        rejected = np.any(rejected & np.isfinite(pixels), axis=axes, keepdims=True)
    pixels[np.broadcast_to(rejected, pixels.shape)] = np.nan
    return pixels, np.asarray(good)


def _options(
    sigma: Any, sigma_lower: Any, sigma_upper: Any, maxiters: Any, cenfunc: Any, stdfunc: Any, std_ddof: Any
) -> tuple[float, float, int, str, str, float]:
    """Return the options of the clipping, checked."""
    widths = []
    for name, value in (("sigma_lower", sigma_lower), ("sigma_upper", sigma_upper)):
        name, value = ("sigma", sigma) if value is None else (name, value)
        width = real_number(value, name)
        if not width > 0.0:
            raise InvalidParameterError(f"{name} is {shown(value)}; it must be positive")
        widths.append(width)
    rounds = 0 if maxiters is None else whole_number(maxiters, "maxiters")
    if rounds < 0:
        raise InvalidParameterError(f"maxiters = {rounds}; it must not be negative; None clips until nothing changes")
    for name, value, allowed in (("cenfunc", cenfunc, ("median", "mean")), ("stdfunc", stdfunc, ("std", "mad_std"))):
        if isinstance(value, str) and value in allowed:
            continue
        own = "; astropy.stats.sigma_clipped_stats takes functions" if callable(value) else ""
        raise InvalidParameterError(f"{name} is {shown(value)}; it must be {allowed[0]!r} or {allowed[1]!r}{own}")
    ddof = real_number(std_ddof, "std_ddof")
    if not math.isfinite(ddof):
        raise InvalidParameterError(f"std_ddof is {ddof}; it must be finite")
    return widths[0], widths[1], min(rounds, _MOST_ROUNDS), cenfunc, stdfunc, ddof


def _is_value(values: np.ndarray, value: float) -> np.ndarray:
    """Return where values equal one that does not count, within the tolerance of ``numpy.ma.masked_values``."""
    if values.dtype.kind != "f":
        return np.asarray(values == value)
    if not abs(value) <= float(np.finfo(values.dtype).max):  # such pixels never count
        return np.zeros(values.shape, dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values - values.dtype.type(value)) <= 1e-8 + 1e-5 * abs(value))


def _along(
    image: np.ndarray,
    mask: np.ndarray | None,
    bits: int,
    excluded: float | None,
    axes: tuple[int, ...],
    options: tuple[float, float, int, str, str, float],
    num_threads: int,
) -> tuple[np.ndarray, ...]:
    """Return the statistics along some axes, computed in pieces if values must be converted."""
    rest = tuple(one for one in range(image.ndim) if one not in axes)
    shape = tuple(image.shape[one] for one in rest)
    length = image.size // math.prod(shape)
    rows = not rest or (axes == tuple(range(len(rest), image.ndim)) and length > 64)
    order = (*rest, *axes) if rows else (*axes, *rest)
    values, bad = image.transpose(order), None if mask is None else mask.transpose(order)
    straight = (
        image.dtype.kind == "f" and mask is None and excluded is None and (values.flags.c_contiguous or image.ndim == 2)
    )
    call = _core.clippedStatsOfRows if rows else _core.clippedStatsOfColumns
    first = 0 if rows else len(axes)
    parts = []
    if not rest:
        values, bad = values[None], None if bad is None else bad[None]
    for where in _pieces(shape[0] if shape else 1, 1 if straight else -(-image.size // _PIECE)):
        here = (slice(None),) * first + (where,)
        piece = values[here]
        rejected = None if bad is None else (bad[here] & np.int32(bits)) != 0
        if excluded is not None:
            chosen = _is_value(piece, excluded)
            rejected = chosen if rejected is None else rejected | chosen
        piece = as_real(piece)
        if rejected is not None:
            piece = np.where(rejected, piece.dtype.type(np.nan), piece)
        array = piece.reshape((-1, length) if rows else (length, -1))
        parts.append(call(array, *options, num_threads))
    joined = parts[0] if len(parts) == 1 else tuple(np.concatenate(plane) for plane in zip(*parts, strict=True))
    return tuple(plane.reshape(shape)[()] for plane in joined)


def _pieces(size: int, number: int) -> Iterator[slice]:
    """Return slices of an axis, at most `number` of about equal length."""
    step = max(1, -(-size // max(number, 1)))
    for start in range(0, size, step):
        yield slice(start, min(size, start + step))
