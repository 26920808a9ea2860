"""The mean scene in bins, to which differences of throughput are proportional."""

from __future__ import annotations

__all__ = ["mean_scene"]

from collections.abc import Sequence

import numpy as np

from .differences import Coverage
from .network import Network, Solution

# Rounds of the fit to the darkest bins.
_ROUNDS = 30
# Bins that are brighter than the dark sky by more than this number of its standard deviations have scene in them.
_BRIGHT = 0.25
# Fewest bins that a dark sky with a slope is fitted to.
_FEWEST = 12


def mean_scene(network: Network, coverage: Sequence[Coverage], solution: Solution) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of all exposures, less their models, in the places of the network, and its zeros.

    Parameters
    ----------
    network : Network
    coverage : sequence of Coverage
        Bins of each image with their levels.
    solution : Solution
        Models that have been found so far.

    Returns
    -------
    scene : ndarray, shape (places,)
        Scene above its zero, by the numbers in `Network.place`.
    zeros : ndarray, shape (images,)
        Level of the dark sky of the group of each image, which has no scene in it. An exposure of other throughput has
        the same level there: differences cannot tell a throughput that acts on a uniform level from a difference of
        that level. For the same reason, a slope of the dark sky is no scene if the models have slopes.
    """
    number = network.places.shape[1]
    total, weight = np.zeros((2, number))
    bins_of_places = network.differences.distinct_bins[network.places[1]]
    for image, one in enumerate(coverage):
        seen_by = _places_of(network, int(network.groups[image]))
        bins = bins_of_places[seen_by]  # ascending
        if not bins.size:
            continue
        place = np.minimum(np.searchsorted(bins, one.bins), bins.size - 1)
        known = (bins[place] == one.bins) & np.isfinite(one.levels)
        if not known.any():
            continue
        at = seen_by.start + place[known]
        unit = network.unit[image]
        candidate = solution.candidates[unit]
        x, y = network.grid.centres(one.bins[known], network.footprints[image])
        values = (
            one.levels[known]
            + network.bases[image].at(candidate, x, y) @ (solution.coefficients[unit][: candidate.smooth_terms])
        )
        counts = one.counts[known].astype(float)
        total[at] += counts * values
        weight[at] += counts
    result, zeros = np.zeros(number), np.zeros(len(network.boxes))
    sloping = bool(np.median([candidate.order for candidate in solution.candidates]) >= 1)
    for group in np.unique(network.places[0]).tolist():
        places = _places_of(network, group)
        seen = np.flatnonzero(weight[places] > 0) + places.start
        if not seen.size:
            continue
        scene = total[seen] / weight[seen]
        x, y = network.grid.places(network.differences.distinct_bins[network.places[1, seen]])
        dark = _dark_sky(x.astype(float), y.astype(float), scene, sloping=sloping)
        result[seen] = scene - dark
        zeros[network.groups == group] = np.mean(dark)
    return result, zeros


def _places_of(network: Network, group: int) -> slice:
    """Return the places of a group."""
    start, end = np.searchsorted(network.places[0], [group, group + 1]).tolist()
    return slice(start, end)


def _dark_sky(x: np.ndarray, y: np.ndarray, scene: np.ndarray, *, sloping: bool) -> np.ndarray:
    """Fit a constant or a plane to the darkest bins, without those that are brighter; return its values in all bins."""
    terms = np.stack([np.ones(x.size), x - x.mean(), y - y.mean()] if sloping else [np.ones(x.size)], axis=1)
    used = np.ones(x.size, bool)
    fitted = np.full(x.size, float(np.median(scene)))
    for _ in range(_ROUNDS):
        if used.sum() < (_FEWEST if sloping else 1):
            break
        fitted = terms @ np.linalg.lstsq(terms[used], scene[used], rcond=None)[0]
        residual = scene - fitted
        below = residual[residual < 0]
        spread = float(np.sqrt(np.mean(below**2))) if below.size else 0.0
        now = residual <= _BRIGHT * spread
        if np.array_equal(now, used):
            break
        used = now
    return fitted
