"""The mean scene in bins, to which differences of throughput are proportional."""

from __future__ import annotations

__all__ = ["mean_scene"]

from collections.abc import Sequence

import numpy as np

from .differences import Coverage
from .network import Network, Solution

# Share of the bins that is darker than the level at which the throughput has no effect.
_DARK = 0.05


def mean_scene(network: Network, coverage: Sequence[Coverage], solution: Solution) -> tuple[np.ndarray, float]:
    """Return the mean of all exposures, less their models, in the distinct bins, and its zero.

    Parameters
    ----------
    network : Network
    coverage : sequence of Coverage
        Bins of each image with their levels.
    solution : Solution
        Models that have been found so far.

    Returns
    -------
    scene : ndarray, shape (distinct bins,)
        Scene above its zero, by the numbers in `Differences.node_bin`.
    zero : float
        Level of the darkest bins, which has no scene in it. An exposure of other throughput has the same level there:
        differences cannot tell a throughput that acts on a uniform level from a difference of that level.
    """
    d = network.differences
    distinct = d.distinct_bins
    number = distinct.size
    total, weight = np.zeros((2, number))
    for image, one in enumerate(coverage):
        if not one.bins.size or not len(d.node_exposure[d.nodes_of(image)]):
            continue
        known = np.isin(one.bins, distinct) & np.isfinite(one.levels)
        if not known.any():
            continue
        at = np.searchsorted(distinct, one.bins[known])
        unit = network.unit[image]
        candidate = solution.candidates[unit]
        x, y = network.grid.centres(one.bins[known], network.boxes[image])
        values = (
            one.levels[known]
            + network.bases[image].at(candidate, x, y) @ (solution.coefficients[unit][: candidate.smooth_terms])
        )
        counts = one.counts[known].astype(float)
        total[at] += counts * values
        weight[at] += counts
    with np.errstate(invalid="ignore", divide="ignore"):
        scene = total / weight
    if not np.any(weight > 0):
        return np.zeros(number), 0.0
    zero = float(np.quantile(scene[weight > 0], _DARK))
    return np.where(weight > 0, scene - zero, 0.0), zero
