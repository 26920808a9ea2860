"""Elimination of the terms of exposures that lie in a plane, by nested dissection.

The equations of exposures that do not overlap have nothing to do with each other. A line that divides the field in two
halves is crossed by few exposures: if their terms are eliminated last, those of the halves can be eliminated without
each other, and so on within each half (George 1973, SIAM J. Numer. Anal. 10, 345). The matrices of n exposures then
have of the order of n log n elements, and n^1.5 operations suffice (multifrontal method, Duff and Reid 1983, ACM Trans.
Math. Softw. 9, 302). Elements of the inverse are needed only for exposures that overlap, and are found from the last to
the first without any others (Takahashi et al. 1973; Erisman and Tinney 1975, Commun. ACM 18, 177). The covariance,
which is inverse @ noise @ inverse, is found along with them.
"""

from __future__ import annotations

__all__ = ["Elimination", "Part"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Number of owners that are not divided further.
_FEW = 24


@dataclass
class _Front:
    """Owners that are eliminated together, and those with which they are coupled by then.

    Attributes
    ----------
    own : slice
        Places of the owners that are eliminated, in the order of elimination.
    after : ndarray of int
        Places of the others, all of them eliminated later, ascending.
    children : list of int
        Fronts that are eliminated just before.
    """

    own: slice
    after: np.ndarray
    children: list[int]
    inverse: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    onto: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    noise: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    noise_onto: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True)
class Part:
    """Rows of the inverse and of the covariance.

    Attributes
    ----------
    rows, columns : ndarray of int
        Owners of the rows, and of the columns, which begin with those of the rows.
    inverse, covariance : ndarray, shape (terms of rows, terms of columns)
    """

    rows: np.ndarray
    columns: np.ndarray
    inverse: np.ndarray
    covariance: np.ndarray


class Elimination:
    """Inverse and covariance of a normal matrix between exposures that overlap.

    Parameters
    ----------
    matrix, noise : sparse matrix, shape (terms, terms)
        The normal matrix, and the covariance of the right sides of its equations.
    sizes : sequence of int
        Number of terms of each owner, whose terms follow each other.
    links : ndarray of int, shape (n, 2)
        Owners whose elements are wanted, or that are coupled by one of the matrices.
    positions : ndarray, shape (owners, 2)
        Places of the owners in the plane; NaN for owners that are coupled with all others.
    """

    def __init__(self, matrix: Any, noise: Any, sizes: Sequence[int], links: np.ndarray, positions: np.ndarray) -> None:
        from scipy.sparse import coo_array, diags_array

        number = len(sizes)
        both = np.concatenate([links, links[:, ::-1]])
        self._graph = coo_array((np.ones(len(both), np.int8), both.T), shape=(number, number)).tocsr()
        self._positions = positions
        self._fronts: list[_Front] = []
        self._order: list[int] = []
        # Owners without a place, which are coupled with all, come last.
        everywhere = np.flatnonzero(np.isnan(positions[:, 0]))
        top = self._dissected(np.flatnonzero(~np.isnan(positions[:, 0])))
        if everywhere.size:
            self._add(everywhere, [] if top is None else [top])
        order = np.array(self._order, int)
        self._ends_of(order)
        widths = np.asarray(sizes, int)[order]
        self._starts = np.concatenate([[0], np.cumsum(widths)])
        first = np.concatenate([[0], np.cumsum(sizes)])
        self._terms = np.concatenate([np.zeros(0, int), *(np.arange(first[o], first[o + 1]) for o in order)])
        # Terms in units of their own errors, so that their sizes do not matter.
        self._units = 1.0 / np.sqrt(np.maximum(matrix.diagonal()[self._terms], 1e-300))
        scale = diags_array(self._units)
        self._matrix, self._noise = (
            (scale @ one.tocsr()[self._terms][:, self._terms] @ scale).tocsr() for one in (matrix, noise)
        )
        self._eliminate()

    def __len__(self) -> int:
        """Return the number of terms."""
        return self._terms.size

    # -- order --

    def _add(self, owners: np.ndarray, children: list[int]) -> int:
        start = len(self._order)
        self._order += owners.tolist()
        self._fronts.append(_Front(slice(start, len(self._order)), np.zeros(0, int), children))
        return len(self._fronts) - 1

    def _dissected(self, owners: np.ndarray) -> int | None:
        """Order some owners for elimination; return the number of their last front."""
        if not owners.size:
            return None
        if owners.size > _FEW:
            # Exposures of one place are coupled with their neighbours in the list, if they are not all with each other.
            places = [*self._positions[owners].T, owners]
            cuts = []
            for place in places:
                along = owners[np.argsort(place, kind="stable")]
                low, high = along[: owners.size // 2], along[owners.size // 2 :]
                cuts += [(low, high, self._beside(low, high)), (low, high, self._beside(high, low))]
            low, high, between = min(cuts, key=lambda cut: len(cut[2]))
            if 2 * between.size < owners.size:
                halves = (np.setdiff1d(half, between, assume_unique=True) for half in (low, high))
                children = [child for half in halves if (child := self._dissected(half)) is not None]
                return self._add(between, children) if between.size else self._joined(children)
        return self._add(owners, [])

    def _joined(self, children: list[int]) -> int:
        """Return a front that has nothing of its own, above halves that are not coupled."""
        return self._add(np.zeros(0, int), children)

    def _beside(self, some: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return those of some owners that are coupled with others."""
        marked = np.zeros(self._graph.shape[0], np.int32)
        marked[others] = 1
        return np.asarray(some[(self._graph[some] @ marked) > 0])

    def _ends_of(self, order: np.ndarray) -> None:
        """Find with which owners those of each front are coupled when they are eliminated."""
        place = np.empty(self._graph.shape[0], int)
        place[order] = np.arange(order.size)
        for front in self._fronts:
            coupled = [place[self._graph[order[front.own]].indices]]
            coupled += [self._fronts[child].after for child in front.children]
            after = np.unique(np.concatenate(coupled))
            front.after = after[after >= front.own.stop]

    # -- numbers --

    def _terms_of(self, front: _Front) -> tuple[slice, np.ndarray]:
        """Return the terms that a front eliminates, and all its terms, ascending."""
        own = slice(int(self._starts[front.own.start]), int(self._starts[front.own.stop]))
        parts = [np.arange(self._starts[at], self._starts[at + 1]) for at in front.after.tolist()]
        return own, np.concatenate([np.arange(own.start, own.stop), *parts])

    def _eliminate(self) -> None:
        left: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for at, front in enumerate(self._fronts):
            own, terms = self._terms_of(front)
            number = own.stop - own.start
            matrix, noise = (_dense_rows(one, own, terms) for one in (self._matrix, self._noise))
            for child in front.children:
                _, below = self._terms_of(self._fronts[child])
                places = np.searchsorted(terms, below[-len(left[child][0]) :] if len(left[child][0]) else below[:0])
                for whole, part in zip((matrix, noise), left.pop(child), strict=True):
                    whole[np.ix_(places, places)] += part
            inner, across = matrix[:number, :number], matrix[:number, number:]
            inverse = np.linalg.inv(inner)
            front.inverse = inverse = (inverse + inverse.T) / 2
            front.onto = onto = inverse @ across
            of_noise = noise[:number, number:] - noise[:number, :number] @ onto
            front.noise = inverse @ noise[:number, :number] @ inverse
            front.noise_onto = inverse @ of_noise
            rest = noise[number:, number:] - onto.T @ of_noise - noise[:number, number:].T @ onto
            left[at] = matrix[number:, number:] - across.T @ onto, (rest + rest.T) / 2

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Return the solutions of the normal equations for right sides, shape (terms, n)."""
        found = right[self._terms] * self._units[:, None]
        for front in self._fronts:
            own, terms = self._terms_of(front)
            found[terms[own.stop - own.start :]] -= front.onto.T @ found[own]
        for front in reversed(self._fronts):
            own, terms = self._terms_of(front)
            found[own] = front.inverse @ found[own] - front.onto @ found[terms[own.stop - own.start :]]
        result = np.empty_like(found)
        result[self._terms] = found * self._units[:, None]
        return np.asarray(result)

    def parts(self) -> Iterator[Part]:
        """Compute the inverse and the covariance, the rows of some owners after those of others.

        The matrices are dropped on the way, so this can be done once.
        """
        order = np.array(self._order, int)
        known: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        parent = {child: at for at, front in enumerate(self._fronts) for child in front.children}
        waiting = [at for at in range(len(self._fronts)) if at not in parent]
        children_left = [len(front.children) for front in self._fronts]
        while waiting:
            at = waiting.pop()
            front = self._fronts[at]
            own, terms = self._terms_of(front)
            number = own.stop - own.start
            after = terms[number:]
            inverse, covariance = np.empty((2, terms.size, terms.size))
            if at in parent:
                above, above_inverse, above_covariance = known[parent[at]]
                places = np.searchsorted(above, after)
                square = np.ix_(places, places)
                inverse[number:, number:] = above_inverse[square]
                covariance[number:, number:] = above_covariance[square]
                children_left[parent[at]] -= 1
                if not children_left[parent[at]]:
                    del known[parent[at]]
            later, later_covariance = inverse[number:, number:], covariance[number:, number:]
            onto = front.onto
            onto_inverse, onto_covariance = onto @ later, onto @ later_covariance
            mixed = front.noise_onto @ later
            inverse[:number, number:], inverse[:number, :number] = -onto_inverse, front.inverse + onto_inverse @ onto.T
            turned = mixed @ onto.T
            covariance[:number, number:] = mixed - onto_covariance
            covariance[:number, :number] = front.noise - turned - turned.T + onto_covariance @ onto.T
            for one in (inverse, covariance):
                one[number:, :number] = one[:number, number:].T
            self._fronts[at] = _Front(front.own, front.after, front.children)
            if front.children:
                known[at] = terms, inverse, covariance
                waiting += front.children
            if number:
                units = np.outer(self._units[own], self._units[terms])
                owners = order[np.concatenate([np.arange(front.own.start, front.own.stop), front.after])]
                yield Part(order[front.own], owners, inverse[:number] * units, covariance[:number] * units)


def _dense_rows(matrix: Any, own: slice, terms: np.ndarray) -> np.ndarray:
    """Return the rows and columns of a front that no earlier one has: of its own terms with all its terms."""
    number = own.stop - own.start
    start, end = matrix.indptr[[own.start, own.stop]].tolist()
    rows = np.repeat(np.arange(number), np.diff(matrix.indptr[own.start : own.stop + 1]))
    columns, values = matrix.indices[start:end], matrix.data[start:end]
    some = columns >= own.start
    result = np.zeros((terms.size, terms.size))
    result[rows[some], np.searchsorted(terms, columns[some])] = values[some]
    result[number:, :number] = result[:number, number:].T
    return result
