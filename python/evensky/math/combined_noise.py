"""What noise does to medians and clipped means of a few pixels: their variance, and the share that is clipped."""

from __future__ import annotations

__all__ = ["clipped_share", "variance_factors"]

from functools import lru_cache

import numpy as np

from .. import _core

# Up to this number of pixels, each has a factor of its own, as those of odd and even numbers differ. Beyond, factors
# are interpolated between numbers, each a quarter larger than the last one, of both kinds.
_EACH = 24
# Normal numbers, which make as many results of n pixels as they can: the relative error of a factor is
# sqrt(2 / results), or 0.6 % for 20 pixels.
_SAMPLES = 2**20
_WIDTH = 64


@lru_cache(maxsize=64)  # asked for with each band and block of a combination
def variance_factors(
    statistic: str,
    sigma_low: float,
    sigma_high: float,
    rounds: int,
    centre: str | None,
    scatter: str | None,
    most: int,
) -> np.ndarray:
    """Return the factors of the variances of combined pixels, from simulations of normal noise.

    The variance of a clipped mean of n pixels is more than that of a mean of the pixels that are left: the window of
    clipping is itself estimated from these pixels. The variance of their median is less than pi / 2 times that of their
    mean.

    Parameters
    ----------
    statistic, sigma_low, sigma_high, rounds, centre, scatter
        As in `evensky.math.combine_planes.CombineOptions`.
    most : int
        Largest number of pixels.

    Returns
    -------
    ndarray of float32, shape (most + 1,)
        For each number of good pixels, clipped ones among them, the factor of the variance that holds for many pixels:
        sum of w^2 v / (sum of w)^2 over the pixels that are used, and pi / 2 times that for the median of three or
        more. It is 1 for means. The array is kept, and cannot be changed.

    Examples
    --------
    >>> from evensky.math.combined_noise import variance_factors
    >>> variance_factors("meanclip", 3, 3, 3, None, None, 5).round(1).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.1, 1.1]
    """
    if statistic == "mean" or most < 3:
        return np.broadcast_to(np.float32(1), most + 1)
    if statistic == "median":
        sigma_low, sigma_high, rounds, centre, scatter = 3.0, 3.0, 1, None, None
    clipping = (statistic, float(sigma_low), float(sigma_high), int(rounds), centre, scatter)
    found = np.ones(most + 1)
    for number in range(3, min(most, _EACH) + 1):
        found[number] = _simulated(*clipping, number)[0]
    for odd in (0, 1):
        numbers = [_EACH - 1 + odd]
        while numbers[-1] < most:
            numbers.append(2 * round(0.625 * numbers[-1]) + (numbers[-1] % 2))
        at = np.arange(numbers[0], most + 1, 2)
        if at.size > 1:
            # They approach their limit as 1 / number.
            known = [_simulated(*clipping, number)[0] for number in numbers]
            found[at] = np.interp(-1.0 / at, -1.0 / np.array(numbers), known)
    factors = found.astype(np.float32)
    factors.flags.writeable = False
    return factors


def clipped_share(
    sigma_low: float, sigma_high: float, rounds: int, centre: str | None, scatter: str | None, number: int
) -> float:
    """Return the share of pixels of normal noise that clipping rejects.

    Parameters
    ----------
    sigma_low, sigma_high, rounds, centre, scatter
        As in `evensky.math.combine_planes.CombineOptions`.
    number : int
        Number of pixels that are combined.

    Examples
    --------
    >>> from evensky.math.combined_noise import clipped_share
    >>> [round(clipped_share(3, 3, 3, None, None, number), 2) for number in (3, 6, 50)]
    [0.0, 0.04, 0.01]
    """
    return _simulated("meanclip", float(sigma_low), float(sigma_high), int(rounds), centre, scatter, number)[1]


@lru_cache(maxsize=4096)
def _simulated(
    statistic: str,
    sigma_low: float,
    sigma_high: float,
    rounds: int,
    centre: str | None,
    scatter: str | None,
    number: int,
) -> tuple[float, float]:
    """Return the factor and the clipped share for a number of pixels; the same whenever they are computed."""
    rows = max(1, _SAMPLES // (number * _WIDTH))
    shape = (rows, _WIDTH)
    samples = np.resize(_samples(), (number, *shape))
    variances = np.broadcast_to(np.float32(1), shape)
    image, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    mask, used, rejected = (np.empty(shape, np.int32) for _ in range(3))
    _core.combine(
        (image, variance, mask, used, rejected, None, None),
        [(sample, None, variances, 0, 1.0, 0.0) for sample in samples],
        statistic,
        sigma_low,
        sigma_high,
        rounds,
        centre,
        scatter,
        False,
        num_threads=1,
    )
    share = float(np.mean(rejected)) / number
    known = image[np.isfinite(image)]  # clipping by the median distance about the mean may reject all pixels
    if known.size < 2:
        return 1.0, share
    # Rounded, so that the order of the sums on this machine does not count.
    return round(float(np.var(known, dtype=np.float64) / np.nanmean(variance, dtype=np.float64)), 4), share


@lru_cache(maxsize=1)
def _samples() -> np.ndarray:
    """Return normal numbers of mean 0 and variance 1."""
    return np.random.Generator(np.random.PCG64(1)).standard_normal(_SAMPLES, np.float32)
