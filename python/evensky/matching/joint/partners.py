"""Choice of the pairs of exposures to measure: a bounded number for each exposure, which connects all of them.

N exposures of one field form N (N - 1) / 2 pairs, but these hold little more information than 3 N of them: in a bin
where three exposures are good, the difference of two follows from their differences from the third.
"""

from __future__ import annotations

__all__ = ["choose_pairs"]

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

# Number of partners that an exposure has in each of its bins, if there are that many.
_PARTNERS_IN_BIN = 3
# Largest number of partners of an exposure, apart from those that join otherwise separate groups.
_MOST_PARTNERS = 8
# Up to this number of exposures, all pairs are measured.
_ALL_PAIRS = 4


def choose_pairs(
    coverage: Sequence[np.ndarray], reference: int, exposures: Sequence[Hashable] | None = None
) -> list[tuple[int, int]]:
    """Choose the pairs of exposures to measure.

    Parameters
    ----------
    coverage : sequence of ndarray of int
        Numbers of the bins in which each exposure has good pixels; may be empty.
    reference : int
        The reference, which is preferred among equal partners, as it is kept in memory.
    exposures : sequence, optional
        The exposure of each image; chips of one exposure are not compared with each other.

    Returns
    -------
    list of (int, int)
        Each pair once, in the order of measurement: sorted by the second exposure, which has the higher number. The
        reference, which is always in memory, is the first exposure of its pairs. In this order each exposure is read
        once, while those just before it are still in memory.
    """
    number = len(coverage)
    links = _Links(coverage, exposures)
    if number <= _ALL_PAIRS:
        for i in range(number):
            near = links.near(i)
            for j in near.images[links.shared(i, near) > 0]:
                links.add(i, int(j))
    else:
        for i in range(number):
            _choose_partners(links, i, reference)
        _join_groups(links)

    def place(i: int) -> int:
        return -1 if i == reference else i

    ordered = [(i, j) if place(i) < place(j) else (j, i) for i, j in links.pairs]
    return sorted(ordered, key=lambda pair: (place(pair[1]), place(pair[0])))


class _Near(NamedTuple):
    """The images that share bins with an image, itself included, in ascending order; and which of its bins each has."""

    images: np.ndarray
    covered: np.ndarray  # 1 or 0, shape (images, bins of the image)

    def place(self, image: int) -> int:
        """Return the place of an image among those that are near."""
        return int(np.searchsorted(self.images, image))


class _Links:
    """The exposures, and the pairs that were chosen so far."""

    def __init__(self, coverage: Sequence[np.ndarray], exposures: Sequence[Hashable] | None) -> None:
        from scipy.sparse import csr_array

        self.number = len(coverage)
        names = range(self.number) if exposures is None else exposures
        number_of = {name: at for at, name in enumerate(dict.fromkeys(names))}
        self.exposure = np.array([number_of[name] for name in names], int)
        ends = np.cumsum([0, *(bins.size for bins in coverage)])
        distinct, place = np.unique(np.concatenate([*coverage, np.zeros(0, np.int64)]), return_inverse=True)
        self.covered = csr_array((np.ones(place.size), place, ends), shape=(self.number, max(1, distinct.size)))
        self.images = self.covered.T.tocsr()  # the images in each bin
        self._is_near, self._place = np.zeros(self.number, bool), np.zeros(self.number, np.intp)
        self._last: tuple[bytes, _Near] | None = None
        self.partners: list[set[int]] = [set() for _ in range(self.number)]
        self.pairs: set[tuple[int, int]] = set()

    def near(self, i: int) -> _Near:
        """Return the images that share bins with image i: only these are looked at when it gets its partners."""
        bins = self.bins(i)
        if self._last is None or self._last[0] != bins.tobytes():
            self._last = bins.tobytes(), self._near(bins)  # exposures of one field often have the same bins
        return self._last[1]

    def _near(self, bins: np.ndarray) -> _Near:
        own = self.images[bins]
        self._is_near[own.indices] = True
        images = np.flatnonzero(self._is_near)
        self._is_near[images] = False
        self._place[images] = np.arange(images.size)
        covered = np.zeros((images.size, own.shape[0]))
        covered[self._place[own.indices], np.repeat(np.arange(own.shape[0]), np.diff(own.indptr))] = 1.0
        return _Near(images, covered)

    def shared(self, i: int, near: _Near, weights: np.ndarray | float = 1.0) -> np.ndarray:
        """Count the bins, or sum their weights, that images share with image i; 0 for those of its exposure."""
        result = near.covered @ np.broadcast_to(weights, near.covered.shape[1:])
        result[self.exposure[near.images] == self.exposure[i]] = 0.0
        return np.asarray(result)

    def bins(self, i: int) -> np.ndarray:
        """Return the bins of an exposure."""
        start, end = self.covered.indptr[i : i + 2]
        return np.asarray(self.covered.indices[start:end])

    def add(self, i: int, j: int) -> None:
        self.partners[i].add(j)
        self.partners[j].add(i)
        self.pairs.add((min(i, j), max(i, j)))

    def groups(self) -> np.ndarray:
        """Return the number of the group that each exposure is in, by the pairs chosen so far."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        first, second = (np.array([pair[k] for pair in self.pairs], int) for k in (0, 1))
        graph = coo_array((np.ones(len(self.pairs)), (first, second)), shape=(self.number, self.number))
        return np.asarray(connected_components(graph, directed=False)[1])


def _choose_partners(links: _Links, i: int, reference: int) -> None:
    """Give an exposure partners until each of its bins has enough: first the reference, then neighbours in the list."""
    near = links.near(i)
    need = np.full(near.covered.shape[1], float(_PARTNERS_IN_BIN))
    taken = np.zeros(near.images.size, bool)

    def take(j: int) -> None:
        place = near.place(j)
        taken[place] = True
        np.maximum(need - near.covered[place], 0, out=need)

    for j in links.partners[i]:
        take(j)
    distance = np.where(near.images == reference, -1, np.abs(near.images - i))
    while need.any() and len(links.partners[i]) < _MOST_PARTNERS:
        gain = links.shared(i, near, need)
        gain[taken] = 0.0
        if not gain.any():
            break
        # Among exposures that gain about as much, take the reference or the nearest in the list.
        close = np.flatnonzero(gain >= 0.9 * gain.max())
        j = int(near.images[close[np.argmin(distance[close])]])
        links.add(i, j)
        take(j)


def _join_groups(links: _Links) -> None:
    """Connect groups that share bins although no pair was chosen between them."""
    while True:
        groups = links.groups()
        if not groups.any():
            return  # all are in one group
        joined = False
        for group in range(int(groups.max()) + 1 if groups.size else 0):
            best: list[tuple[float, int, int]] = []
            for member in np.flatnonzero(groups == group).tolist():
                near = links.near(member)
                shared = links.shared(member, near) * (groups[near.images] != group)
                if shared.any():
                    most = int(np.argmax(shared))
                    best.append((float(shared[most]), member, int(near.images[most])))
            for _, i, j in sorted(best, reverse=True)[:_PARTNERS_IN_BIN]:
                joined |= (min(i, j), max(i, j)) not in links.pairs
                links.add(i, j)
            if best:
                break
        if not joined:
            return
