"""Differences of pairs in bins, without any image: each bin of an exposure has a mean, and noise of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from evensky.matching.joint.differences import Coverage, Differences, PairBins
from evensky.matching.joint.grid import CommonGrid, PixelBox, around, common_box

# Mean of an exposure in bins: number of the exposure, positions, widths, heights, numbers of the bins.
Means = Callable[[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def bins_in(grid: CommonGrid, box: PixelBox) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return positions, widths, heights and numbers of the bins in a box."""
    x_edges, y_edges, numbers = grid.edges(box)
    x, y = np.meshgrid((x_edges[:-1] + x_edges[1:] - 1) / 2 + box[0], (y_edges[:-1] + y_edges[1:] - 1) / 2 + box[1])
    width, height = np.meshgrid(np.diff(x_edges).astype(float), np.diff(y_edges).astype(float))
    return x.ravel(), y.ravel(), width.ravel(), height.ravel(), numbers.ravel()


def make_pairs(
    boxes: Sequence[PixelBox],
    grid: CommonGrid,
    means: Means,
    *,
    noise: float | Sequence[float] = 1.0,
    seed: int | None = None,
    pairs: Sequence[tuple[int, int]] | None = None,
    bad: Callable[[int, np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> Differences:
    """Make the differences of exposures.

    Parameters
    ----------
    boxes : sequence of (x0, y0, width, height)
        Boxes of whole bins.
    grid : CommonGrid
    means : callable
    noise : float or sequence of float
        Standard deviation of the pixels of all, or of each exposure.
    seed : int, optional
        Seed of the noise; without it, there is none in the values.
    pairs : sequence of (int, int), optional
        By default, all that overlap.
    bad : callable, optional
        Whether bins of an exposure are bad, from its number and the positions of the bins.
    """
    number = len(boxes)
    deviations = np.broadcast_to(np.asarray(noise, float), (number,))
    rng = np.random.default_rng(seed)
    whole = grid.edges(around(boxes))[2].ravel()
    drawn = rng.normal(size=(number, whole.size)) if seed is not None else np.zeros((number, whole.size))
    every = [(i, j) for j in range(number) for i in range(j)] if pairs is None else pairs
    found = []
    for i, j in every:
        box = common_box(boxes[i], boxes[j])
        if box is None:
            continue
        place = bins_in(grid, box)
        x, y, width, height, numbers = place
        counts = width * height
        at = np.searchsorted(whole, numbers)
        one, other = (means(k, *place) + deviations[k] * drawn[k, at] / np.sqrt(counts) for k in (i, j))
        good = np.ones(x.size, bool) if bad is None else ~(bad(i, x, y) | bad(j, x, y))
        if not good.any():
            continue
        errors = np.hypot(deviations[i], deviations[j]) / np.sqrt(counts)
        parts = [a[good] for a in (numbers, one - other, errors, counts.astype(int), x, y, width, height)]
        found.append(PairBins(i, j, *parts))
    return Differences(number, found)


def make_coverage(boxes: Sequence[PixelBox], grid: CommonGrid, means: Means) -> list[Coverage]:
    """Make the bins of exposures all of whose pixels are good, without noise in their levels."""
    found = []
    for k, box in enumerate(boxes):
        place = bins_in(grid, box)
        counts = (place[2] * place[3]).astype(int)
        found.append(Coverage(place[4], counts, np.asarray(means(k, *place), float)))
    return found
