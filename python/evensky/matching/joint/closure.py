"""Closure of the differences of three exposures.

In a bin, the differences of exposures i, j and k add up to nothing: (i - j) + (j - k) - (i - k) = 0, if the same pixels
are used in all three. Masks and clipping leave other pixels in each pair, so that a little noise remains, whose
variance is known. More remains if the pairs see different things: stars at other places, of other shapes or of other
fluxes, pixels that saturate. No model of the exposures changes the closure, so it shows that differences are wrong
where no fit can.
"""

from __future__ import annotations

__all__ = ["CLEAN_CLOSURE", "closure", "noise_of_clipping"]

import itertools

import numpy as np

from .differences import Differences

CLEAN_CLOSURE = 1.3
"""Closure that is not exceeded by exposures that differ in nothing but a smooth sky."""

# Closures beyond this number of standard errors, as at a satellite, count as this number.
_FAR = 12.0
# Bins whose numbers of good pixels differ more, as at the edge of an exposure, are not used: the pairs may have their
# pixels at different places.
_ALIKE = 0.8
# Fewest bins of a triangle: in fewer, a single star decides.
_FEWEST_BINS = 48
# Closure of clipped means of Gaussian noise, in units of their standard errors, for half-widths of the clipping window
# in standard deviations; from simulations with three rounds of clipping.
_HALF_WIDTHS = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0)
_CLOSURES = (1.15, 0.71, 0.37, 0.173, 0.08, 0.034, 0.005)
_CLOSURE_OF_MEDIANS = 0.74


def noise_of_clipping(statistic: str, sigma: float) -> float:
    """Return the RMS closure of noise without masks, in units of the standard errors of the three differences.

    Parameters
    ----------
    statistic : str
        ``MEAN``, ``MEDIAN`` or ``MEANCLIP``.
    sigma : float
        Half-width of the clipping window in standard deviations.
    """
    if statistic == "MEDIAN":
        return _CLOSURE_OF_MEDIANS
    return _CLOSURES[-1] if statistic == "MEAN" else float(np.interp(sigma, _HALF_WIDTHS, _CLOSURES))


def closure(differences: Differences, clipping: float = _CLOSURES[3]) -> np.ndarray:
    """Measure how well the differences close around triangles of exposures.

    Parameters
    ----------
    differences : Differences
    clipping : float, optional
        Closure that clipping of noise leaves, see `noise_of_clipping`; by default that of clipping at 3 standard
        deviations.

    Returns
    -------
    ndarray, shape (number,)
        For each exposure the RMS closure in bins, divided by the value expected from masks and clipping; the median
        over the triangles to which the exposure belongs, so that one bad partner does not matter. NaN for an exposure
        without a triangle.
    """
    d = differences
    at = {(pair.first, pair.second): number for number, pair in enumerate(d.pairs)}
    partners: list[set[int]] = [set() for _ in range(d.number)]
    for first, second in at:
        partners[first].add(second)
        partners[second].add(first)
    found: list[list[float]] = [[] for _ in range(d.number)]
    for i in range(d.number):
        for j, k in itertools.combinations(sorted(other for other in partners[i] if other > i), 2):
            if k in partners[j]:
                rms = _of_triangle(d, [_side(at, *pair) for pair in ((i, j), (j, k), (k, i))], clipping)
                for exposure in (i, j, k):
                    found[exposure] += [] if rms is None else [rms]
    return np.array([np.median(some) if some else np.nan for some in found])


def _side(at: dict[tuple[int, int], int], i: int, j: int) -> tuple[int, float]:
    """Return the number of a pair, and the sign with which it gives the difference i - j."""
    return (at[i, j], 1.0) if (i, j) in at else (at[j, i], -1.0)


def _of_triangle(d: Differences, sides: list[tuple[int, float]], clipping: float) -> float | None:
    """Return the RMS closure of a triangle in units of its expected value; None if its pairs share too few bins."""
    pairs = [d.pairs[number] for number, _ in sides]
    bins = pairs[0].bins
    for pair in pairs[1:]:
        bins = bins[np.isin(bins, pair.bins, assume_unique=True)]
    at = [np.searchsorted(pair.bins, bins) for pair in pairs]
    counts = np.array([pair.counts[some] for pair, some in zip(pairs, at, strict=True)], float)
    alike = counts.min(axis=0) >= _ALIKE * counts.max(axis=0)
    bins, counts, at = bins[alike], counts[:, alike], [some[alike] for some in at]
    areas = pairs[0].width[at[0]] * pairs[0].height[at[0]]
    total, variance, odd = np.zeros(bins.size), np.zeros(bins.size), np.zeros(bins.size, bool)
    for side, (number, sign) in enumerate(sides):
        rows = d.rows[number].start + at[side]
        total += sign * d.value[rows]
        odd |= d.node_odd[d.node[:, rows]].any(axis=0)
        # The exposure that this pair has in common with the one before it.
        before, after = counts[side - 1], counts[side]
        node = d.node[0 if sign > 0 else 1, rows]
        # Its own good pixels, if masks of different exposures have nothing to do with each other.
        own = np.sqrt(areas * before * after / counts[side - 2])
        lost = np.maximum(1 / before + 1 / after - 2 / np.minimum(own, areas), 0)
        # A clipped pixel takes its repeats along; the square agrees with simulations for repeats of 1.15 and 4.
        repeats = d.repeats[d.node_exposure[node]]
        of_clipping = repeats * clipping**2 * (1 / before + 1 / after)
        variance += d.pixel_variance[node] * repeats * (lost + of_clipping)
    if np.count_nonzero(~odd) < _FEWEST_BINS:
        return None
    distance = np.minimum(np.abs(total[~odd]) / np.sqrt(variance[~odd]), _FAR)
    return float(np.sqrt(np.mean(distance**2)))
