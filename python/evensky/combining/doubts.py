"""Doubts on exposures, from some pixels of each: whether levels or noise differ, and whether one is there twice."""

from __future__ import annotations

__all__ = ["level_spread", "noise_by_exposure", "pixel_sample", "same_noise"]

import math

import numpy as np

from ..math.combine_planes import CombineOptions, combine_planes

# Rows, and about how many columns, of an exposure in which its noise is compared with that of others.
_ROWS, _COLUMNS = 8, 128
# Pixels that two exposures must have in common to be compared.
_FEWEST = 32
# Share of the differences of neighbours whose sign must agree for a closer look.
_ALIKE = 0.9
# Share of normal deviations within one standard deviation.
_ONE_SIGMA = 0.6827
# Standard error of the variance that follows from this share of n normal deviations, times sqrt(n), as a part of it.
_VARIANCE_ERROR = 1.93
# Exposures from which the differences of another one are looked at, on each side of it in their order.
_PARTNERS = 5
# Scatter of the difference of two exposures, in units of their own, below which they are one whatever the others are.
_EQUAL = 1e-3
# Such scatters below which they are one if it is also below this share of that of others: where bright sources are in
# all pixels, exposures differ by little, but by as much from one another.
_SIMILAR, _BELOW_OTHERS = 0.02, 0.1
# Others that are looked at.
_OTHERS = 10
# Exposures that are compared with all others at once.
_AT_ONCE = 500


def pixel_sample(image: np.ndarray, mask: np.ndarray, bad: int) -> np.ndarray:
    """Return some pixels of an exposure, for `same_noise` of exposures of the same size.

    Parameters
    ----------
    image, mask : ndarray, shape (height, width)
    bad : int
        Bits of the mask that reject a pixel.

    Returns
    -------
    ndarray of float64, shape (rows, columns)
        NaN where pixels are not good.
    """
    height, width = image.shape
    rows = np.linspace(0, height, min(_ROWS, height), endpoint=False, dtype=int)
    step = max(1, width // _COLUMNS)
    pixels = np.array([image[row, ::step] for row in rows], np.float64)
    rejected = np.array([mask[row, ::step] & bad for row in rows]) != 0
    pixels[rejected | ~np.isfinite(pixels)] = np.nan
    return pixels


def level_spread(samples: np.ndarray) -> tuple[float, float]:
    """Return the spread of the levels of exposures, and the noise of a pixel.

    Levels are relative to the median of all exposures at each pixel. Both are NaN if no pixel is good in two.

    Parameters
    ----------
    samples : ndarray of float32 or float64, shape (rows, exposures, columns)
        Pixels of the exposures at the same places, NaN where they are not good.
    """
    pixels = _above_the_median(samples)
    pixels = pixels[np.isfinite(pixels).any(axis=1)]
    if not pixels.size:
        return math.nan, math.nan
    levels = np.nanmedian(pixels, axis=1)
    deviations = np.abs(pixels - levels[:, None])
    noise = 1.4826 * float(np.nanmedian(deviations))
    if noise == 0 and (deviations > 0).any():
        # Where most exposures are copies of one, they are the median themselves; the others show the noise.
        noise = 1.4826 * float(np.median(deviations[deviations > 0]))
    return float(levels.max() - levels.min()), noise


def noise_by_exposure(samples: np.ndarray) -> np.ndarray:
    """Return the noise of the pixels of each exposure.

    The variance of the difference of two exposures is the sum of theirs, whatever the scene. Variances are those that
    fit the differences of each exposure from some others best, by least squares.

    Parameters
    ----------
    samples : ndarray of float32 or float64, shape (rows, exposures, columns)
        See `level_spread`.

    Returns
    -------
    ndarray of float64, shape (exposures,)
        At least its own standard error, so that it may be too large for an exposure of much less noise than the others;
        NaN for exposures that have fewer than 32 good pixels in common with each of the others. If differences do not
        tell the noise of single exposures, as those of two alone, it is shared among them.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(100, 5, (8, 6, 100))
    >>> noise[:, 2] = (noise[:, 2] - 100) * 4
    >>> (noise_by_exposure(noise) / 5).round(0).tolist()
    [1.0, 1.0, 4.0, 1.0, 1.0, 1.0]
    """
    pixels = samples.swapaxes(0, 1).reshape(samples.shape[1], -1).astype(np.float64)
    number = len(pixels)
    rows: list[np.ndarray] = []
    variances: list[float] = []
    for step in range(1, min(_PARTNERS, number // 2) + 1):
        for one in range(number if 2 * step < number else step):
            other = (one + step) % number
            differences = pixels[one] - pixels[other]
            differences = differences[np.isfinite(differences)]
            if differences.size < _FEWEST:
                continue
            deviations = np.abs(differences - _at_share(differences, 0.5))
            if (variance := _at_share(deviations, _ONE_SIGMA) ** 2) > 0:
                # In units of its standard error.
                error = variance * _VARIANCE_ERROR / math.sqrt(differences.size)
                row = np.zeros(number)
                row[[one, other]] = 1 / error
                rows.append(row)
                variances.append(variance / error)
    if not rows:
        return np.full(number, np.nan)
    matrix = np.array(rows)
    # Columns of one size, as variances may differ by any factor.
    scale = np.sqrt((matrix**2).sum(axis=0))
    scale[scale == 0] = 1.0
    inverse = np.linalg.pinv(matrix / scale)
    found = np.maximum(inverse @ np.array(variances), np.sqrt((inverse**2).sum(axis=1))) / scale
    noise: np.ndarray = np.where(matrix.any(axis=0), np.sqrt(found), np.nan)
    return noise


def _at_share(values: np.ndarray, share: float) -> float:
    """Return the value below which a share of some values lies."""
    place = int(share * values.size)
    return float(np.partition(values, place)[place])


def _above_the_median(samples: np.ndarray) -> np.ndarray:
    """Return pixels minus the median of all exposures at the same place, for each exposure; NaN where one is alone."""
    pixels = np.ascontiguousarray(samples.swapaxes(0, 1)).reshape(samples.shape[1], -1)
    middle = combine_planes(pixels[:, None, :], options=CombineOptions("median"), num_threads=1)
    above: np.ndarray = np.where(np.isfinite(pixels), pixels - middle.image, np.nan)[:, middle.number[0] > 1]
    return above


def same_noise(samples: np.ndarray) -> list[list[int]]:
    """Find exposures that have the same noise, such as copies, or one exposure before and after a match.

    A smooth difference, and a factor, do not matter.

    Parameters
    ----------
    samples : ndarray, shape (rows, exposures, columns)
        See `level_spread`.

    Returns
    -------
    list of list of int
        Groups of two exposures and more, by their numbers.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(100, 5, (8, 3, 100))
    >>> noise[:, 2] = noise[:, 0] + np.linspace(0, 40, 100)
    >>> same_noise(noise)
    [[0, 2]]
    """
    # Second differences of neighbours do not know of levels and gradients.
    curved = np.diff(samples.swapaxes(0, 1), 2, axis=2).reshape(samples.shape[1], -1).astype(np.float64)
    known = np.isfinite(curved).astype(np.float32)
    signs = np.sign(np.where(known > 0, curved, 0)).astype(np.float32)
    first_of = list(range(len(curved)))
    for begin in range(0, len(curved), _AT_ONCE):
        some = slice(begin, begin + _AT_ONCE)
        number = known[some] @ known.T
        alike = (number >= _FEWEST) & (signs[some] @ signs.T > _ALIKE * number)
        for one, other in np.argwhere(alike).tolist():
            if begin + one < other and _is_same(curved, begin + one, other):
                first_of[other] = min(first_of[other], first_of[begin + one])
    groups: dict[int, list[int]] = {}
    for number_of, first in enumerate(first_of):
        groups.setdefault(first, []).append(number_of)
    return [group for group in groups.values() if len(group) > 1]


def _is_same(curved: np.ndarray, one: int, other: int) -> bool:
    """Return whether the second differences of two of all exposures are the same, but for a factor."""
    found = _difference(curved[one], curved[other])
    if not found <= _SIMILAR:
        return False
    if found <= _EQUAL:
        return True
    others = [number for number in range(len(curved)) if number not in (one, other)][:_OTHERS]
    differences = (_difference(curved[one], curved[number]) for number in others)
    return found <= _BELOW_OTHERS * max(filter(math.isfinite, differences), default=math.inf)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the scatter of the difference of second differences, in units of their own; NaN if they have none."""
    both = np.isfinite(one) & np.isfinite(other)
    one, other = one[both], other[both]
    scatter = float(np.median(np.abs(one))) if one.size else 0.0
    large = np.abs(one) > scatter
    if not scatter > 0 or not large.any():
        return math.nan
    factor = float(np.median(other[large] / one[large]))
    if factor == 0:
        return math.inf
    return float(np.median(np.abs(other - factor * one))) / abs(factor * scatter)
