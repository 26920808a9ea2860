"""Options of a combination: the statistic of each pixel, how it clips, and the weights of the exposures."""

from __future__ import annotations

__all__ = ["SOURCES", "bad_bits_to_combine", "exposure_weights", "options_of"]

import math
from collections.abc import Iterable, Sequence
from typing import Any

from .._checks import names_of, real_number, shown, whole_number
from .._planes import BAD_PLANES, signed_bits
from ..errors import InvalidParameterError
from ..errors import TypeError as WrongTypeError
from ..image import Exposure
from ..image.bad_bits import bad_bits
from ..math.combine_planes import CENTRES, SCATTERS, STATISTICS, CombineOptions

SOURCES = ("DETECTED", "DETECTED_NEGATIVE")
"""Mask planes of sources. A background leaves them out, a combined image shows them."""


def _one_of(value: Any, name: str, allowed: Sequence[str], *, none: str = "") -> str | None:
    """Return a value that is one of the allowed texts, or None if `none` says what that means."""
    if value is None and none:
        return None
    if not isinstance(value, str) or value not in allowed:
        more = f", or None for {none}" if none else ""
        raise InvalidParameterError(f"{name} is {shown(value)}; it must be one of {', '.join(allowed)}{more}")
    return value


def options_of(
    statistic: str = "meanclip",
    sigma: float | Sequence[float] = 3.0,
    rounds: int = 3,
    centre: str | None = None,
    scatter: str | None = None,
    weighting: str | Sequence[float] | None = None,
) -> CombineOptions:
    """Return the options of the statistic, after a check of each.

    Parameters
    ----------
    statistic : str, optional
        "meanclip", "mean" or "median".
    sigma : float or (float, float), optional
        Half-width of the clipping window in units of the scatter, or its widths below and above the centre.
    rounds : int, optional
        Largest number of clipping rounds, 1 to 1000.
    centre, scatter : str or None, optional
        "median" or "mean", and "std" or "mad". If one of them is given, every round clips about that centre by that
        scatter, by default the median and the standard deviation. If both are None, the first round uses the median and
        the quartiles, and the others the mean and the standard deviation.
    weighting : str or sequence of float, optional
        See `exposure_weights`.

    Raises
    ------
    evensky.errors.InvalidParameterError, evensky.errors.TypeError
        For a value that is not allowed.
    """
    name = _one_of(statistic, "statistic", STATISTICS)
    assert name is not None
    low, high = _two_sided(sigma)
    about = _one_of(centre, "centre", CENTRES, none="the usual clipping")
    by = _one_of(scatter, "scatter", SCATTERS, none="the usual clipping")
    by_variance = isinstance(weighting, str)
    if by_variance:
        _one_of(weighting, "weighting", ("variance",))
    if name == "median" and weighting is not None:
        raise InvalidParameterError(
            f"weighting is {shown(weighting)} and statistic is 'median', which has no weights; use 'mean' or 'meanclip'"
        )
    return CombineOptions(
        statistic=name,
        sigma_low=low,
        sigma_high=high,
        rounds=whole_number(rounds, "rounds"),
        centre=about,
        scatter=by,
        by_variance=by_variance,
    )


def _two_sided(sigma: Any) -> tuple[float, float]:
    """Return the widths of the clipping window below and above the centre."""
    sides = [sigma, sigma]
    if not isinstance(sigma, str | bytes) and hasattr(sigma, "__len__") and getattr(sigma, "ndim", 1) == 1:
        sides = list(sigma)
        if len(sides) != 2:
            raise InvalidParameterError(
                f"sigma is {shown(sigma)}, with {len(sides)} values; one is needed, or two: below and above the centre"
            )
    low, high = (real_number(side, "sigma") for side in sides)
    for side in (low, high):
        # An infinite width clips nothing on that side.
        if not side > 0:
            raise InvalidParameterError(f"sigma is {shown(sigma)}; it must be greater than 0")
    return low, high


def exposure_weights(weighting: str | Sequence[float] | None, number: int) -> list[float] | None:
    """Return one weight for each exposure; None if all weigh the same, or each pixel weighs by its variance.

    Parameters
    ----------
    weighting : str, sequence of float or None
        "variance" for the inverse variance of each pixel, or one number for each exposure.
    number : int
        Number of exposures.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are more or fewer weights than exposures, or a weight is not positive and finite.
    """
    if weighting is None or isinstance(weighting, str):
        return None
    try:
        values = list(weighting)
    except TypeError:
        raise WrongTypeError(
            f"weighting is {shown(weighting)}, a {type(weighting).__name__}; 'variance' or a sequence with one number "
            "for each exposure is needed"
        ) from None
    if len(values) != number:
        raise InvalidParameterError(
            f"weighting has {len(values)} numbers for {number} exposures; one for each exposure is needed"
        )
    weights = [real_number(value, "weighting") for value in values]
    for weight in weights:
        if not (math.isfinite(weight) and weight > 0):
            raise InvalidParameterError(
                f"weighting holds {weight}; each weight must be finite and greater than 0: leave an exposure out "
                "that is not to count"
            )
    return weights


def bad_bits_to_combine(exposure: Exposure, bad_planes: str | Iterable[str] | None = None) -> int:
    """Return the bits of an exposure's mask that reject a pixel from a combination, as int32 stores them.

    By default they are those of `evensky.image.BAD_PLANES` or of the layout of the file, but for the planes that mark
    sources: a background leaves sources out, an image shows them.

    Parameters
    ----------
    exposure : Exposure
    bad_planes : str or iterable of str, optional
        Names of the planes; their choice takes precedence.

    Raises
    ------
    evensky.errors.NotFoundError
        If the mask lacks a named plane, unless that is one of the default planes.
    """
    mask = exposure.mask
    named = names_of(bad_planes, "bad_planes")
    if named is not None:
        bits = bad_bits(mask, named, defaults_may_lack=True)
    elif exposure.info.bad is not None:
        bits = exposure.info.bad & ~_source_bits(mask.getMaskPlaneDict(), exposure.info.bad)
    else:
        bits = bad_bits(mask, [name for name in BAD_PLANES if name not in SOURCES], defaults_may_lack=True)
    return signed_bits(bits | exposure.info.reject)


def _source_bits(planes: Any, bad: int) -> int:
    """Return the bits of the planes of sources; 0 if every bit is bad, as names then decide nothing."""
    if bad & 0xFFFFFFFF == 0xFFFFFFFF:
        return 0
    return sum(1 << planes[name] for name in SOURCES if name in planes)
