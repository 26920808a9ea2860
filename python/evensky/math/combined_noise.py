"""What noise does to medians and clipped means of a few pixels: their variance, and the share that is clipped."""

from __future__ import annotations

__all__ = ["clipped_share", "variance_factors", "variance_softening"]

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from .. import _core
from .usual_noise import USUAL

# Up to this number of pixels, each has a factor of its own, as those of odd and even numbers differ. Beyond, factors
# are interpolated between numbers, each a quarter larger than the last one, of both kinds.
_EACH = 24
# Normal numbers, which make as many results of n pixels as they can: the relative error of a factor is
# sqrt(2 / results), or 0.6 % for 20 pixels.
_SAMPLES = 2**20
_WIDTH = 64
# Ratio of the largest to the smallest standard deviation of the pixels by which variances are softened.
_RATIO = 3.0
# By how much a predicted variance may differ from the measured one, and the largest number of steps to that.
_TOLERANCE, _STEPS = 0.002, 6

_Clipping = tuple[str, float, float, int, str | None, str | None]


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
    clipping = _clipping(statistic, sigma_low, sigma_high, rounds, centre, scatter)
    factors = _by_number(lambda number: _factor(clipping, number), 1.0, most).astype(np.float32)
    factors.flags.writeable = False
    return factors


@lru_cache(maxsize=64)
def variance_softening(
    statistic: str,
    sigma_low: float,
    sigma_high: float,
    rounds: int,
    centre: str | None,
    scatter: str | None,
    most: int,
) -> np.ndarray:
    """Return by how much the mean of variances that differ is softened, from simulations of normal noise.

    Noisy pixels are clipped more often, and are rarely the median, so they add less to the variance of the result than
    to the mean m of the variances v. In its place, n / sum(1 / (v + s m)) - s m of n pixels is right: it is m for
    an infinite softening s, and their harmonic mean for s = 0. The softening is chosen so that the variance is right
    for pixels whose standard deviations are spaced evenly in their logarithms, with a ratio of 3 of the largest to the
    smallest. For other distributions with that ratio it is 0.88 to 1.16 times the right one, and far from it where
    the ratio is above 4 (0.8 to 4 times): means with weights by variance are right.

    Parameters
    ----------
    statistic, sigma_low, sigma_high, rounds, centre, scatter
        As in `evensky.math.combine_planes.CombineOptions`.
    most : int
        Largest number of pixels.

    Returns
    -------
    ndarray of float64, shape (most + 1,)
        For each number of good pixels, clipped ones among them; infinite where nothing is softened, as for means. The
        array is kept, and cannot be changed.

    Examples
    --------
    >>> from evensky.math.combined_noise import variance_softening
    >>> variance_softening("median", 3, 3, 3, None, None, 5).round(1).tolist()
    [inf, inf, inf, 0.5, 0.7, 0.4]
    """
    if statistic == "mean" or most < 3:
        return np.broadcast_to(np.inf, most + 1)
    clipping = _clipping(statistic, sigma_low, sigma_high, rounds, centre, scatter)
    # Numbers between 0 for an infinite softening and 1 for none can be interpolated.
    shares = _by_number(lambda number: _softened_share(clipping, number), 0.0, most)
    softening = np.full(most + 1, np.inf)
    # The mean is softened in float32, which needs more digits than it has for larger numbers.
    np.divide(1.0 - shares, shares, out=softening, where=shares > 1e-3)
    softening.flags.writeable = False
    return softening


def _clipping(
    statistic: str, sigma_low: float, sigma_high: float, rounds: int, centre: str | None, scatter: str | None
) -> _Clipping:
    """Return what determines the noise of a statistic; a median has no options."""
    if statistic == "median":
        return "median", 3.0, 3.0, 1, None, None
    return statistic, float(sigma_low), float(sigma_high), int(rounds), centre, scatter


def _by_number(find: Callable[[int], float], few: float, most: int) -> np.ndarray:
    """Return a number for 0 to `most` pixels: `few` for less than three of them, others as found or interpolated."""
    found = np.full(most + 1, few)
    for number in range(3, min(most, _EACH) + 1):
        found[number] = find(number)
    for odd in (0, 1):
        numbers = [_EACH - 1 + odd]
        while numbers[-1] < most:
            numbers.append(2 * round(0.625 * numbers[-1]) + (numbers[-1] % 2))
        at = np.arange(numbers[0], most + 1, 2)
        if at.size > 1:
            # They approach their limit as 1 / number.
            known = [find(number) for number in numbers]
            found[at] = np.interp(-1.0 / at, -1.0 / np.array(numbers), known)
    return found


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


def _factor(clipping: _Clipping, number: int) -> float:
    """Return the factor of the variance for a number of pixels; the same whenever it is computed."""
    usual = USUAL.get(clipping, {}).get(number)
    return _simulated(*clipping, number)[0] if usual is None else usual[0]


def _softened_share(clipping: _Clipping, number: int) -> float:
    """Return 1 / (1 + softening) for a number of pixels; the same whenever it is computed."""
    usual = USUAL.get(clipping, {}).get(number)
    return _simulated_share(*clipping, number) if usual is None else usual[1]


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
    """Return the factor and the clipped share for a number of pixels, from a simulation."""
    trial = _Trial((statistic, sigma_low, sigma_high, rounds, centre, scatter), np.ones(number))
    return round(trial.measured / trial.predicted(), 4), trial.clipped


@lru_cache(maxsize=4096)
def _simulated_share(
    statistic: str,
    sigma_low: float,
    sigma_high: float,
    rounds: int,
    centre: str | None,
    scatter: str | None,
    number: int,
) -> float:
    """Return 1 / (1 + softening) for a number of pixels, from a simulation."""
    clipping = statistic, sigma_low, sigma_high, rounds, centre, scatter
    trial = _Trial(clipping, np.geomspace(1.0, _RATIO, number))
    factor = _factor(clipping, number)

    def excess(share: float) -> float:
        return factor * trial.predicted(1.0 / share - 1.0) / trial.measured - 1.0

    last, too_much = 0.0, factor * trial.predicted() / trial.measured - 1.0
    if too_much <= 0.0 or (statistic == "meanclip" and not trial.clipped):
        return 0.0
    share = 0.25
    for _ in range(_STEPS):
        now = excess(share)
        if abs(now) < _TOLERANCE or now == too_much:
            break
        following = share - now * (share - last) / (now - too_much)
        last, too_much, share = share, now, min(max(following, 0.01), 0.99)
    return round(share, 3)


class _Trial:
    """Normal noise that is combined: the variance of the results, and what is predicted of it.

    Numbers are rounded where they are used, so that the order of sums on this machine does not count.
    """

    def __init__(self, clipping: _Clipping, deviations: np.ndarray) -> None:
        number = len(deviations)
        rows = max(1, _SAMPLES // (number * _WIDTH))
        shape = (rows, _WIDTH)
        samples = np.resize(_samples(), (number, *shape))
        if not np.all(deviations == 1.0):
            samples *= deviations.astype(np.float32)[:, None, None]
        self._clipping = clipping
        self._images = [
            (sample, None, np.broadcast_to(np.float32(deviation**2), shape), 0, 1.0, 0.0)
            for sample, deviation in zip(samples, deviations, strict=True)
        ]
        self._image, self._variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
        self._mask, self._used, self._rejected = (np.empty(shape, np.int32) for _ in range(3))
        self._plain = self._combine(())
        self.clipped = float(np.mean(self._rejected)) / number
        known = self._image[np.isfinite(self._image)]  # clipping by the median distance about the mean may reject all
        self._usable = known.size > 1
        self.measured = float(np.var(known, dtype=np.float64)) if self._usable else 1.0

    def predicted(self, softening: float | None = None) -> float:
        """Return the mean of the variances that are predicted, with a softening or without."""
        if not self._usable:
            return 1.0
        return self._plain if softening is None else self._combine([softening] * (len(self._images) + 1))

    def _combine(self, softening: Sequence[float]) -> float:
        statistic, sigma_low, sigma_high, rounds, centre, scatter = self._clipping
        _core.combine(
            (self._image, self._variance, self._mask, self._used, self._rejected, None, None),
            self._images,
            statistic,
            sigma_low,
            sigma_high,
            rounds,
            centre,
            scatter,
            False,
            (),
            softening,
            num_threads=1,
        )
        known = self._variance[np.isfinite(self._variance)]
        return float(np.mean(known, dtype=np.float64)) if known.size else 1.0


@lru_cache(maxsize=1)
def _samples() -> np.ndarray:
    """Return normal numbers of mean 0 and variance 1."""
    return np.random.Generator(np.random.PCG64(1)).standard_normal(_SAMPLES, np.float32)
