"""Sigma clipping by the names of ``astropy.stats``, with statistics from the core of evensky.

`SigmaClip`, `sigma_clip` and all that is not here are those of astropy itself.

>>> import numpy as np
>>> from evensky.compat.astropy.stats import sigma_clipped_stats
>>> mean, median, std = sigma_clipped_stats(np.r_[np.tile([1.0, 3.0], 20), 100.0])
>>> float(mean), float(std)
(2.0, 1.0)
"""

from __future__ import annotations

__all__ = ["SigmaClip", "sigma_clip", "sigma_clipped_stats"]

from typing import Any

import numpy as np
from astropy import stats
from astropy.stats import SigmaClip, sigma_clip
from astropy.stats import sigma_clipped_stats as clipped_by_astropy

from ...calls.clipped_stats import clipped_stats
from ..pixels import in_unit, pixels_of


def sigma_clipped_stats(
    data: Any,
    mask: Any = None,
    mask_value: float | None = None,
    sigma: float = 3.0,
    sigma_lower: float | None = None,
    sigma_upper: float | None = None,
    maxiters: int | None = 5,
    cenfunc: Any = "median",
    stdfunc: Any = "std",
    std_ddof: int = 0,
    axis: Any = None,
    grow: Any = False,
) -> tuple[Any, Any, Any]:
    """Measure the mean, median and standard deviation after sigma clipping.

    Parameters are those of ``astropy.stats.sigma_clipped_stats``, which is called if `cenfunc` or `stdfunc` is a
    function, or if rejected pixels are to `grow`; otherwise `evensky.clipped_stats` is.

    Parameters
    ----------
    data : array-like
        An array, a masked array, a ``Quantity``, ``NDData`` or nested lists, of any shape.
    mask : array-like, optional
        True, or not 0, for values that do not count.
    mask_value, sigma, sigma_lower, sigma_upper, maxiters, cenfunc, stdfunc, std_ddof, axis, grow : optional
        See ``astropy.stats.sigma_clipped_stats``.

    Returns
    -------
    mean, median, std : float, ndarray of float64 or Quantity
        NaN where no value counts.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For data without values or of a type that cannot be used, and for an option that is not allowed: see
        `evensky.clipped_stats`.
    """
    if callable(cenfunc) or callable(stdfunc) or grow:
        options = (sigma, sigma_lower, sigma_upper, maxiters, cenfunc, stdfunc, std_ddof, axis, grow)
        found: tuple[Any, Any, Any] = clipped_by_astropy(data, mask, mask_value, *options)
        return found
    given = None if mask is None else np.asarray(mask) != 0
    pixels = pixels_of(data, mask=given)
    statistics = clipped_stats(
        pixels.values,
        pixels.rejected,
        mask_value=mask_value,
        sigma=sigma,
        sigma_lower=sigma_lower,
        sigma_upper=sigma_upper,
        maxiters=maxiters,
        cenfunc=cenfunc,
        stdfunc=stdfunc,
        std_ddof=std_ddof,
        axis=axis,
    )
    # astropy takes the unit from a Quantity, but not from NDData.
    unit = getattr(data, "unit", None) if isinstance(data, np.ndarray) else None
    mean, median, std = (
        in_unit(np.float64(value) if isinstance(value, float) else value, unit) for value in statistics
    )
    return mean, median, std


def __getattr__(name: str) -> Any:
    """Return what else `astropy.stats` has."""
    return getattr(stats, name)


def __dir__() -> list[str]:
    return sorted({*__all__, *dir(stats)})
