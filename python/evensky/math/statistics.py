"""Statistics of masked and weighted images, with errors, with the names of ``lsst.afw.math``."""

from __future__ import annotations

__all__ = [
    "Statistics",
    "StatisticsControl",
    "makeStatistics",
    "stringToStatisticsProperty",
]

import copy
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, _properties
from .._checks import shown
from .._core import Property, Statistics, StatisticsControl, stringToStatisticsProperty
from .._properties import *  # noqa: F403 - one name for each row of the core's table
from ..draw.figures import plot_centres
from ..draw.tables import table_html
from ..errors import InvalidParameterError
from ..image._pixels import regular
from ..image.foreign import Planes, as_planes, float32_variance, native_array
from ..image.mask import Mask
from ..image.vector import MaskedVector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ += _properties.__all__


def _results(statistics: Statistics) -> list[tuple[str, float, float]]:
    """Return the names, values and errors of the statistics that were computed."""
    flags = statistics.getFlags() & ~int(Property.ERRORS)
    computed = [prop for prop in Property if int(prop) & flags]
    return [(prop.name or "", *statistics.getResult(prop)) for prop in computed if prop is not Property.ORMASK]


def _text(self: Statistics) -> str:
    parts = [
        f"{name}={value:.8g}" + (f" +- {error:.3g}" if np.isfinite(error) and error > 0 else "")
        for name, value, error in _results(self)
    ]
    return f"Statistics({', '.join(parts)})"


def _table(self: Statistics) -> str:
    rows = [
        (name, value, f"{error:.3g}" if np.isfinite(error) and error > 0 else "")
        for name, value, error in _results(self)
    ]
    return table_html(("statistic", "value", "error"), rows)


def _plot(self: Statistics, unit: str = "") -> Figure:
    """Draw the mean, clipped mean and median that were computed, with their errors and scatter.

    Parameters
    ----------
    unit : str, optional
        Unit of the pixels.

    Returns
    -------
    matplotlib.figure.Figure
        Figure with a row for each of the three, its error and, if it was computed, the standard deviation or half the
        interquartile range on both sides.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If none of the three was computed.
    """
    flags = self.getFlags()
    centres = (
        (Property.MEAN, Property.STDEV, 1.0),
        (Property.MEANCLIP, Property.STDEVCLIP, 1.0),
        (Property.MEDIAN, Property.IQRANGE, 0.5),
    )
    rows = [
        (str(centre.name), *self.getResult(centre), factor * self.getValue(scatter) if flags & scatter else None)
        for centre, scatter, factor in centres
        if flags & centre
    ]
    if not rows:
        raise InvalidParameterError("Statistics hold neither MEAN nor MEANCLIP nor MEDIAN; compute one to draw it")
    return plot_centres(rows, unit)


def _show_statistics() -> None:
    """Add a text form, a table for notebooks and a figure to the core's class."""
    for name, method in (("__repr__", _text), ("_repr_html_", _table), ("plot", _plot)):
        method.__name__ = name
        method.__qualname__ = f"Statistics.{name}"
        setattr(Statistics, name, method)


_show_statistics()


# Names that lsst.afw.math gives to the planes in its overloads, and ours.
_PLANE_NAMES = {
    "img": "x",
    "mimg": "x",
    "v": "x",
    "mv": "x",
    "msk": "mask",
    "var": "variance",
    "vweights": "weights",
}


def makeStatistics(
    *args: Any,
    flags: int | str | None = None,
    sctrl: StatisticsControl | None = None,
    num_threads: int = 0,
    **planes: Any,
) -> Statistics:
    """Compute statistics of an image, a masked image, a mask or a vector.

    All call signatures of ``lsst.afw.math`` work::

        makeStatistics(image, flags[, sctrl])
        makeStatistics(image, mask, flags[, sctrl])
        makeStatistics(image, mask, variance, flags[, sctrl])
        makeStatistics(maskedImage, flags[, sctrl])
        makeStatistics(maskedImage, weights, flags[, sctrl])
        makeStatistics(mask, flags[, sctrl])
        makeStatistics(vector[, weights], flags[, sctrl])
        makeStatistics(maskedVector[, weights], flags[, sctrl])

    Parameters
    ----------
    x, img, mimg, v or mv : image-like, Mask, MaskedVector or 1-D array-like
        Pixels of shape ``(height, width)``, or values of shape ``(n,)``. An image may be one of `evensky.image`, a
        numpy array (of any stride and byte order), a `numpy.ma.MaskedArray`, or an astropy ``NDData``.
    mask or msk : Mask or integer or boolean array, optional
        Bit mask of the same shape; in a boolean mask, True rejects a pixel. If there is no image, the statistics are
        those of the mask.
    variance or var : image-like or 1-D array-like, optional
        Variance of each pixel, of the same shape; converted to float32.
    weights or vweights : image-like or 1-D array-like, optional
        Multiplicative weight of each pixel, of the same shape; converted to float32.
    flags : int or str
        Statistics to compute: `Property` values combined by OR, or the name of one.
    sctrl : StatisticsControl, optional
        Options of the computation; the default ones if omitted.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default. Results do not depend on it.

    Returns
    -------
    Statistics
        Results, returned by ``getValue(p)``, ``getError(p)``, ``getResult(p)`` and ``getOrMask()``.

    Notes
    -----
    Quantiles of floating-point pixels are interpolated linearly. An integer ``v`` stands for the range from ``v - 0.5``
    to ``v + 0.5``, over which equal pixels are spread evenly: the quartiles of pixels that all are 7 are 6.75 and 7.25,
    and their IQRANGE is 0.5. A single pixel has its value, and an IQRANGE of 0.

    Float64 pixels of any size have correct statistics. A result that is beyond the range of float64 is infinite or 0:
    so is the VARIANCE of pixels of 1e-165, but not their STDEV.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the image has no pixels, the planes differ in size, flags are unknown, controls contradict each other, or
        the dtype is not supported.
    TypeError
        If a keyword is unknown, or there is neither an image nor a vector nor a mask.

    Examples
    --------
    >>> from evensky.math import MEAN, MEDIAN, makeStatistics
    >>> statistics = makeStatistics([1.0, 2.0, 6.0], MEAN | MEDIAN)
    >>> statistics.getValue(MEAN), statistics.getValue(MEDIAN)
    (3.0, 2.0)
    """
    if planes:
        args, mask, variance, weights = _named_planes(args, planes)
    else:
        mask = variance = weights = None
    if not args:
        raise TypeError("makeStatistics() needs an image, a masked image, a vector or a mask")
    x = args[0]
    seconds, flags, sctrl = _split_arguments(args[1:], flags, sctrl)
    if isinstance(flags, str):
        flags = stringToStatisticsProperty(flags)
    if isinstance(x, Mask):
        if seconds or mask is not None or variance is not None or weights is not None:
            raise InvalidParameterError("Statistics of a Mask take no second plane; they are NPOINT and SUM only")
        return _core.makeMaskStatistics(x.array, int(flags), num_threads)
    own, is_vector = planes_of(x)
    if seconds:
        if len(seconds) == 2 or _is_mask(seconds[0], own, is_vector):
            mask = _only_one("mask", mask, seconds[0])
        else:
            weights = _only_one("weights", weights, seconds[0])
        if len(seconds) == 2:
            variance = _only_one("variance", variance, seconds[1])
    sctrl = StatisticsControl() if sctrl is None else sctrl
    reject = own.reject
    mask_array = own.mask
    if mask is not None:
        if mask_array is not None:
            raise InvalidParameterError(f"{type(x).__name__} has a mask of its own; a second one cannot be given")
        mask_array, reject = mask_of(mask)
    if reject:
        sctrl = copy.copy(sctrl)
        sctrl.setAndMask(sctrl.getAndMask() | reject)
    weights_array = None if weights is None else weights_of(weights, is_vector)
    if variance is None:
        variance_array, note = float32_variance(own)
        if note:
            warnings.warn(note, stacklevel=2)
    else:
        if own.variance is not None:
            raise InvalidParameterError(f"{type(x).__name__} has a variance of its own; a second one cannot be given")
        variance_array = weights_of(variance, is_vector)
    return _core.makeStatistics(own.image, mask_array, variance_array, weights_array, int(flags), sctrl, num_threads)


def _named_planes(args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], Any, Any, Any]:
    """Return the arguments by position with the image in front, and the mask, variance and weights given by name."""
    found: dict[str, Any] = {}
    for name, value in named.items():
        ours = _PLANE_NAMES.get(name, name)
        if ours not in ("x", "mask", "variance", "weights"):
            known = ", ".join(("x", "mask", "variance", "weights", *_PLANE_NAMES, "flags", "sctrl", "num_threads"))
            raise TypeError(f"makeStatistics() got an unexpected keyword argument {name!r}; the known ones are {known}")
        if ours in found:
            raise InvalidParameterError(f"{name} was given twice, by two names for the same plane")
        found[ours] = value
    if "x" in found:
        args = (found["x"], *args)
    elif not args and isinstance(found.get("mask"), Mask):  # the statistics of a mask
        args = (found.pop("mask"),)
    return args, found.get("mask"), found.get("variance"), found.get("weights")


def _split_arguments(
    args: tuple[Any, ...], flags: int | str | None, sctrl: StatisticsControl | None
) -> tuple[list[Any], int | str, StatisticsControl | None]:
    """Return up to two further planes, the flags and the control among the arguments after the first."""
    seconds: list[Any] = []
    rest = list(args)
    while rest and len(seconds) < 2 and not isinstance(rest[0], int | str | np.integer | StatisticsControl):
        if seconds and rest[0] is None:  # no control
            break
        seconds.append(rest.pop(0))
    if rest and not isinstance(rest[0], StatisticsControl):
        flags = _only_one("flags", flags, rest.pop(0))
    if rest:
        sctrl = _only_one("sctrl", sctrl, rest.pop(0))
    if rest:
        raise InvalidParameterError(
            f"There are {len(rest)} arguments too many; at most x, a second plane, flags and sctrl are allowed"
        )
    if not isinstance(flags, int | str | np.integer):
        # A number that is not an integer was taken for a second plane above.
        last = seconds[-1] if seconds else None
        given = last if flags is None and isinstance(last, float | complex | bytes) else flags
        raise InvalidParameterError(f"flags is {shown(given)}; it must be Property values, OR-ed, or the name of one")
    if sctrl is not None and not isinstance(sctrl, StatisticsControl):
        raise InvalidParameterError(f"sctrl is a {type(sctrl).__name__}; it must be a StatisticsControl")
    return seconds, flags, sctrl


def _only_one(name: str, keyword: Any, positional: Any) -> Any:
    if keyword is not None:
        raise InvalidParameterError(f"{name} was given twice, by position and by keyword")
    return positional


def planes_of(x: Any) -> tuple[Planes, bool]:
    """Return the planes of `x`, and whether it is a vector; a vector becomes an image of one row."""
    if isinstance(x, MaskedVector):
        as_row = [None if a is None else np.asarray(a).reshape(1, -1) for a in (x.value, x.mask, x.variance)]
        return Planes(image=native_array(as_row[0]), mask=as_row[1], variance=as_row[2]), True
    if isinstance(x, np.ma.MaskedArray) and x.ndim == 1:
        return as_planes(x.reshape(1, -1)), True
    if isinstance(x, np.ndarray) and x.ndim == 1:
        return as_planes(x.reshape(1, -1)), True
    if is_number_sequence(x):
        # A sequence holds real numbers, even if all of them happen to be integers.
        return as_planes(native_array(x).astype(np.float64).reshape(1, -1)), True
    return as_planes(x), False


def is_number_sequence(x: Any) -> bool:
    """Return whether `x` is a sequence of numbers, such as a list or a range, or an array of one dimension."""
    if isinstance(x, np.ndarray):
        return x.ndim == 1
    if not isinstance(x, list | tuple | range):
        return False
    return not (len(x) and isinstance(x[0], list | tuple | np.ndarray))


def _is_mask(plane: Any, planes: Planes, is_vector: bool) -> bool:
    if isinstance(plane, Mask):
        return True
    if is_vector or planes.mask is not None:
        return False
    return isinstance(plane, np.ndarray) and plane.dtype.kind in "biu"


def mask_of(mask: Any) -> tuple[np.ndarray, int]:
    """Return the bits of a mask, and those that always reject a pixel, as a boolean mask has no named planes."""
    array = mask.array if isinstance(mask, Mask) else regular(mask)
    if array.ndim == 1:
        array = array.reshape(1, -1)
    if array.dtype == np.bool_:
        return array.astype(np.int32), 1
    if array.dtype == np.int32 and array.dtype.isnative:
        return array, 0
    if array.dtype.kind not in "iu":
        raise InvalidParameterError(f"mask has dtype {array.dtype}; it must be boolean or an integer")
    if array.dtype.itemsize > 4 and array.ndim == 2:  # The default integers of numpy; Mask checks their range.
        return Mask(array).array, 0
    native = array.astype(array.dtype.newbyteorder("="))
    return (native.view(np.int32) if native.dtype == np.uint32 else native.astype(np.int32)), 0


def weights_of(weights: Any, is_vector: bool) -> np.ndarray:
    array = native_array(weights) if is_vector else as_planes(weights).image
    if array.ndim == 1:
        array = array.reshape(1, -1)
    return array if array.dtype == np.float32 and array.dtype.isnative else array.astype(np.float32)
