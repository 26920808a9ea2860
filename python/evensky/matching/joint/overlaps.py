"""Levels in the overlaps of exposures before and after a joint match."""

from __future__ import annotations

__all__ = ["Overlap", "levels_of", "overlaps_of"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .network import Network


@dataclass(frozen=True)
class Overlap:
    """The difference first - second over the overlap of two exposures that were compared.

    Attributes
    ----------
    first, second : int
        Numbers of the exposures.
    bins : int
        Number of bins that are good in both exposures, without outliers.
    pixels : int
        Number of pixels in these bins that are good in both exposures.
    before, after : float
        Mean difference before the match and after it; NaN if there are no good bins.
    error : float
        Standard error of the mean difference; NaN if there are no good bins.
    worst : float
        Largest absolute difference of a bin after the match, in units of the standard error of the bin.
    """

    first: int
    second: int
    bins: int
    pixels: int
    before: float
    after: float
    error: float
    worst: float


def overlaps_of(network: Network, residual: np.ndarray) -> list[Overlap]:
    """Measure the levels in the overlaps of all pairs that were compared.

    Bins are weighted by their inverse variance. If they scatter about their mean by more than their errors, as they do
    where noise is correlated or a model does not fit, the error of the mean is larger by the same factor.

    Parameters
    ----------
    network : Network
        The exposures after the match.
    residual : ndarray, shape (n,)
        Residuals of the rows: measured minus predicted differences.

    Returns
    -------
    list of Overlap
        In the order of the pairs.
    """
    d = network.differences
    good = network.good[d.node].all(axis=0)
    found = []
    for pair, rows in zip(d.pairs, d.rows, strict=True):
        some = good[rows]
        number = int(np.count_nonzero(some))
        if number == 0:
            found.append(Overlap(pair.first, pair.second, 0, 0, np.nan, np.nan, np.nan, np.nan))
            continue
        variance = d.variance[rows][some]
        weights = 1.0 / variance
        total = float(weights.sum())
        before = float(weights @ d.value[rows][some]) / total
        remaining = residual[rows][some]
        after = float(weights @ remaining) / total
        scatter = np.sqrt(float(weights @ (remaining - after) ** 2) / (number - 1)) if number > 1 else 1.0
        found.append(
            Overlap(
                pair.first,
                pair.second,
                number,
                int(pair.counts[some].sum()),
                before,
                after,
                float(max(1.0, scatter) / np.sqrt(total)),
                float(np.max(np.abs(remaining) / np.sqrt(variance))),
            )
        )
    return found


def levels_of(
    number: int, first: Sequence[int], second: Sequence[int], differences: np.ndarray, errors: np.ndarray
) -> np.ndarray:
    """Solve for the levels of exposures that agree best with the differences in their overlaps.

    Unlike the mean of all pixels of an exposure, such a level does not depend on the part of the scene that the
    exposure covers.

    Parameters
    ----------
    number : int
        Number of exposures.
    first, second : sequence of int, shape (n,)
        Exposures of each overlap.
    differences, errors : ndarray, shape (n,)
        Mean difference first - second in each overlap, and its standard error. Overlaps in which one of them is not
        finite are not used.

    Returns
    -------
    ndarray, shape (number,)
        Levels, whose mean is 0 in each group of exposures that overlaps connect; NaN for an exposure without overlaps.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import spsolve

    known = np.isfinite(differences) & np.isfinite(errors) & (np.asarray(errors) > 0)
    i, j = np.asarray(first, int)[known], np.asarray(second, int)[known]
    value, weight = np.asarray(differences, float)[known], 1.0 / np.asarray(errors, float)[known] ** 2
    levels = np.full(number, np.nan)
    if not value.size:
        return levels
    rows, columns = np.concatenate([i, j, i, j]), np.concatenate([j, i, i, j])
    entries = np.concatenate([-weight, -weight, weight, weight])
    matrix = coo_array((entries, (rows, columns)), shape=(number, number)).tocsc()
    right = np.bincount(i, weight * value, number) - np.bincount(j, weight * value, number)
    group = connected_components(matrix, directed=False)[1]
    tied = np.isin(np.arange(number), np.concatenate([i, j]))
    # Only differences are known, so the level of the first exposure of each group is 0 until the mean is.
    held = np.unique(group, return_index=True)[1]
    free = np.setdiff1d(np.flatnonzero(tied), held)
    levels[tied] = 0.0
    levels[free] = spsolve(matrix[free][:, free], right[free])
    sizes = np.maximum(np.bincount(group, tied), 1)
    levels -= (np.bincount(group, np.nan_to_num(levels)) / sizes)[group]
    return levels
