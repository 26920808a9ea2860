"""Equations for the models of all exposures at once, their solution, and its covariances.

A row of the differences says that first - second = d in some bin. After matching, the two exposures agree there: the
model of the second minus that of the first is d. As models are linear in their terms, this is a sparse weighted
least-squares problem. It does not determine the part that all exposures have in common, which stays unchanged.
"""

from __future__ import annotations

__all__ = ["UNITS_AROUND", "Anchor", "Equations", "Shift"]

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import TaskError
from .candidates import NONE, Candidate
from .elimination import Elimination
from .network import Network, PairPart, Products, Solution

# Widths of the priors of the terms, in units of the spread of the differences: of slopes and curves, and of levels and
# all others. They matter for terms that the differences hardly determine: slopes and curves are hardly larger than the
# differences of a whole set, whereas a level may be anything.
_PRIOR_OF_CURVES, _PRIOR = 1.0, 1e3
# Least weight of the prior, as a share of the largest sum of weights.
_ROUNDING = 1e-13
# Cells along each axis of an image over which the mean of a known model is taken.
_CELLS = 32
# Number of partners beyond which the noise of an image is not put into a matrix, of which it would fill a large part.
_MANY_PARTNERS = 32
# Largest numbers of terms, and of neighbours, that are solved for along with those of one exposure.
_TERMS_AROUND, UNITS_AROUND = 240, 40


@dataclass(frozen=True)
class Anchor:
    """Knowledge of a model that does not come from differences.

    Attributes
    ----------
    exposure : int
        Number of the image.
    value, error : float
        The mean of its model over the image is value +- error.
    """

    exposure: int
    value: float
    error: float


@dataclass
class Shift:
    """A function that is added to all models of a group; it depends linearly on all terms.

    Attributes
    ----------
    into : dict of int to ndarray
        Matrices from the shift's coefficients to a unit's terms.
    of : dict of int to ndarray
        Matrices from a unit's terms to its contribution to the shift's coefficients.
    series : callable, optional
        Function of a unit and an order that returns such a matrix for a series of that order, instead of the unit's own
        terms.
    """

    into: dict[int, np.ndarray]
    of: dict[int, np.ndarray]
    series: Callable[[int, int], np.ndarray] | None = None


class Equations:
    """The normal equations for the terms of all models.

    The owner of terms is a unit; the terms that all units share have an owner of their own.

    Parameters
    ----------
    network : Network
        Units and their differences; outliers do not count.
    candidates : sequence of Candidate
        Kind of model of each unit.
    fixed : collection of int
        Units that stay unchanged, whatever their candidate.
    shared : Candidate, optional
        Terms that all units share.
    anchors : sequence of Anchor, optional
    """

    def __init__(
        self,
        network: Network,
        candidates: Sequence[Candidate],
        fixed: Collection[int],
        *,
        shared: Candidate = NONE,
        anchors: Sequence[Anchor] = (),
    ) -> None:
        self.network = network
        self.fixed = set(fixed)
        self.given = list(candidates)
        self.shared = shared
        self.candidates = [NONE if u in self.fixed else candidate for u, candidate in enumerate(candidates)]
        self.candidates.append(shared)
        self.weights = network.weights()
        self.anchors = list(anchors)
        self.spread = network.spread
        self._pairs: dict[int, PairPart] = {}
        self._squares: dict[int, np.ndarray] = {}
        self._known_pairs: dict[int, list[int]] = {}
        self._ends = np.array([rows.stop for rows in network.differences.rows], int)
        # Factors of the equations of the neighbours of the last units, for several designs of these units.
        self._known_among: tuple[list[int], Solution, tuple[Any, np.ndarray]] | None = None
        self._known_noise: tuple[Any, Any, list[np.ndarray], np.ndarray] | None = None
        self._neighbours: list[set[int]] = [set() for _ in range(network.number)]
        for pair in network.differences.pairs:
            first, second = network.unit[pair.first], network.unit[pair.second]
            if first != second:
                self._neighbours[first].add(second)
                self._neighbours[second].add(first)

    def _priors(self, layout: dict[int, slice]) -> np.ndarray:
        """Return the weights of the priors about 0 of all terms."""
        widths = np.full(max(where.stop for where in layout.values()), _PRIOR)
        for owner, where in layout.items():
            candidate = self.candidates[owner]
            if candidate.nodes is None and candidate.order > 0:
                widths[where.start + 1 : where.start + candidate.smooth_terms] = _PRIOR_OF_CURVES
        return np.asarray((widths * self.spread) ** -2)

    def change(self, unit: int, candidate: Candidate) -> None:
        """Change the kind of model of a unit."""
        self.given[unit] = candidate
        self._known_among = self._known_noise = None
        if unit in self.fixed:
            return
        self.candidates[unit] = candidate
        for image in self.network.images[unit]:
            for at, _ in self.network.pairs_of[image]:
                self._forget(at)

    def reweigh(self, unit: int) -> None:
        """Take over which bins of a unit are good from the network."""
        places = np.unique(self.network.place[self.network.nodes_of(unit)])
        rows = self.network.rows_at(places)
        self.weights[rows] = self.network.weights_at(places, rows)
        for at in np.unique(np.searchsorted(self._ends, rows, side="right")).tolist():
            self._forget(at)
        self._known_among = self._known_noise = None

    def _forget(self, at: int) -> None:
        """Forget the part of a pair, and the sums of it and others."""
        pair = self.network.differences.pairs[at]
        self._pairs.pop(at, None)
        for owner in (self.network.unit[pair.first], self.network.unit[pair.second], self.network.number):
            self._squares.pop(owner, None)

    def weight_of(self, unit: int) -> float:
        """Return the sum of the weights of the bins of a unit."""
        rows = {at for image in self.network.images[unit] for at, _ in self.network.pairs_of[image]}
        return float(sum(self.weights[self.network.differences.rows[at]].sum() for at in sorted(rows))) or 1.0

    def neighbours(self, unit: int) -> set[int]:
        """Return the units with which a unit was compared."""
        return self._neighbours[unit]

    # -- parts --

    def sides(self, at: int) -> list[tuple[int, np.ndarray]]:
        """Return the owners and signed terms of a pair; an owner may occur twice."""
        pair = self.network.differences.pairs[at]
        found = []
        for side, image, sign in ((0, pair.first, -1.0), (1, pair.second, 1.0)):
            for owner in (self.network.unit[image], self.network.number):
                if self.candidates[owner].terms:
                    found.append((owner, sign * self.network.design(at, side, self.candidates[owner])))
        return found

    def pair(self, at: int) -> PairPart:
        """Return the part of a pair in the normal equations."""
        if at not in self._pairs:
            self._pairs[at] = self._series_pair(at) or self._made_pair(self.sides(at), at)
        return self._pairs[at]

    def _pairs_of(self, owner: int) -> list[int]:
        """Return the pairs whose models have terms of an owner, in ascending order."""
        network = self.network
        if owner not in self._known_pairs:
            if owner == network.number:
                found = set(range(len(network.differences.pairs)))
            else:
                found = {at for image in network.images[owner] for at, _ in network.pairs_of[image]}
            self._known_pairs[owner] = sorted(found)
        return self._known_pairs[owner]

    def _square(self, owner: int) -> np.ndarray:
        """Return the sum of the blocks of an owner with itself over its pairs."""
        if owner not in self._squares:
            terms = self.candidates[owner].terms
            total = np.zeros((terms, terms))
            for at in self._pairs_of(owner):
                block = self.pair(at).blocks.get((owner, owner))
                if block is not None:
                    total += block
            self._squares[owner] = total
        return self._squares[owner]

    def _made_pair(self, sides: Sequence[tuple[int, np.ndarray]], at: int) -> PairPart:
        rows = self.network.differences.rows[at]
        weights, value = self.weights[rows], self.network.differences.value[rows]
        made = PairPart({}, {})
        for owner, terms in sides:
            weighted = terms.T * weights
            right = weighted @ value
            made.right[owner] = made.right[owner] + right if owner in made.right else right
            for other, other_terms in sides:
                product = weighted @ other_terms
                key = owner, other
                made.blocks[key] = made.blocks[key] + product if key in made.blocks else product
        return made

    def _series_pair(self, at: int) -> PairPart | None:
        """Return the part of a pair of two series, of which those of higher orders hold those of lower ones.

        Such parts are kept by the network, as most equations have the same weights and similar orders. None if the
        models have other terms.
        """
        network = self.network
        pair, rows = network.differences.pairs[at], network.differences.rows[at]
        units = network.unit[pair.first], network.unit[pair.second]
        kinds = [self.candidates[unit] for unit in units]
        if units[0] == units[1] or self.shared.terms or any(one.extras or one.nodes is not None for one in kinds):
            return None
        weights, values = self.weights[rows], network.differences.value[rows]
        known = network.products.get(at)
        if known is not None and not known.are_of(weights, values):
            known = None
        orders = kinds[0].order, kinds[1].order
        if known is None or known.orders[0] < orders[0] or known.orders[1] < orders[1]:
            if known is not None:
                orders = max(known.orders[0], orders[0]), max(known.orders[1], orders[1])
            sides = [
                (unit, sign * network.design(at, side, Candidate(order)))
                for side, unit, sign, order in ((0, units[0], -1.0, orders[0]), (1, units[1], 1.0, orders[1]))
            ]
            known = Products(weights.copy(), values.copy(), orders, self._made_pair(sides, at))
            network.keep_products(at, known)
        part = known.part
        number = dict(zip(units, (kind.terms for kind in kinds), strict=True))
        return PairPart(
            {
                (i, j): block[: number[i], : number[j]]
                for (i, j), block in part.blocks.items()
                if number[i] and number[j]
            },
            {i: right[: number[i]] for i, right in part.right.items() if number[i]},
        )

    def anchored(self, owner: int, candidate: Candidate) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the part of the anchors of a unit in its normal equations, for a candidate; None without anchors."""
        found = None
        for anchor in self.anchors:
            if self.network.unit[anchor.exposure] != owner or not candidate.terms:
                continue
            means = self.mean_terms(anchor.exposure, candidate)
            gram, right = found or (np.zeros((means.size, means.size)), np.zeros(means.size))
            found = gram + np.outer(means, means) / anchor.error**2, right + means * anchor.value / anchor.error**2
        return found

    def mean_terms(self, image: int, candidate: Candidate) -> np.ndarray:
        """Return the means of the terms of a candidate over an image; 0 for the throughput, which is not applied."""
        x0, y0, width, height = self.network.boxes[image]
        # Centres of equal cells: points on the edges would give curves too much of the corners.
        centres = (np.arange(_CELLS) + 0.5) / _CELLS
        x, y = np.meshgrid(x0 - 0.5 + width * centres, y0 - 0.5 + height * centres)
        x, y = self.network.own_bases[image].to_common(x.ravel(), y.ravel())
        means = np.asarray(self.network.terms_at(image, candidate, x, y).mean(axis=0))
        start = candidate.smooth_terms
        for extra in candidate.extras:
            if not extra.nodes:  # an image is no smooth function, so all its pixels count
                means[start : start + extra.terms] = self.network.means_of(image, extra)
            start += extra.terms
        return means

    # -- solution --

    @property
    def number_of_terms(self) -> int:
        """Number of all terms that are solved for."""
        return sum(candidate.terms for candidate in self.candidates)

    def _layout(self, owners: Sequence[int]) -> dict[int, slice]:
        ends = np.cumsum([0, *(self.candidates[owner].terms for owner in owners)]).tolist()
        return {owner: slice(a, b) for owner, a, b in zip(owners, ends[:-1], ends[1:], strict=True) if b > a}

    def solve(self) -> Solution:
        """Return the models of all units; those that are fixed have coefficients of 0."""
        result = [np.zeros(candidate.terms) for candidate in self.given]
        shared = np.zeros(self.shared.terms)
        layout = self._layout(range(len(self.candidates)))
        if layout:
            solution = self._factor(*self._normal_equations(layout))
            for owner, where in layout.items():
                if owner < self.network.number:
                    result[owner] = solution[where]
                else:
                    shared = solution[where]
        return Solution(list(self.given), result, self.shared, shared)

    def _normal_equations(self, layout: dict[int, slice]) -> tuple[object, np.ndarray]:
        from scipy.sparse import coo_array

        size = max(where.stop for where in layout.values())
        right = np.zeros(size)
        blocks: dict[tuple[int, int], np.ndarray] = {}
        for at in range(len(self.network.differences.pairs)):
            part = self.pair(at)
            for owner, part_right in part.right.items():
                right[layout[owner]] += part_right
            for key, block in part.blocks.items():
                blocks[key] = blocks[key] + block if key in blocks else block
        for owner, where in layout.items():
            anchored = self.anchored(owner, self.candidates[owner])
            if anchored is not None:
                blocks[owner, owner] = blocks.get((owner, owner), 0.0) + anchored[0]
                right[where] += anchored[1]
        # The weight of a prior must exceed rounding errors.
        rows, columns, values = _entries(blocks, layout)
        self.prior = np.maximum(self._priors(layout), _ROUNDING * float(np.abs(values).max(initial=0)))
        diagonal = np.arange(size, dtype=np.int32)
        entries = (
            np.concatenate([self.prior, values]),
            (np.concatenate([diagonal, rows]), np.concatenate([diagonal, columns])),
        )
        return coo_array(entries, shape=(size, size)).tocsc(), right

    def _factor(self, matrix: object, right: np.ndarray) -> np.ndarray:
        from scipy.sparse.linalg import splu

        self.factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.1)
        return np.asarray(self.factors.solve(right))

    # -- neighbours of a few units --

    def around(self, units: Collection[int]) -> list[int]:
        """Return the owners whose terms are solved for along with those of some units: the nearest, if many."""
        found: list[int] = [self.network.number] if self.shared.terms else []
        room = _TERMS_AROUND
        seen, edge = set(units), set(units)
        while edge and room > 0 and len(found) < UNITS_AROUND:
            edge = {other for unit in edge for other in self._neighbours[unit]} - seen
            seen |= edge
            for unit in sorted(edge):
                if 0 < self.candidates[unit].terms <= room and len(found) < UNITS_AROUND:
                    found.append(unit)
                    room -= self.candidates[unit].terms
        return found

    def eliminate(
        self, units: Sequence[int], designs: Sequence[Candidate], solution: Solution
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the normal equations for the terms of a few units, with those of their neighbours solved along.

        Parameters
        ----------
        units : sequence of int
        designs : sequence of Candidate
            All terms that each unit may have.
        solution : Solution
            Models of the units that are too far away to be solved for along.

        Returns
        -------
        gram, own : ndarray, shape (terms, terms)
            Normal matrix with the neighbours solved along, and with all others held.
        right : ndarray, shape (terms,)
            Right side with the neighbours solved along.
        """
        # Their callers in SciPy check what is known here.
        from scipy.linalg.lapack import dgetrf, dgetrs

        network, d = self.network, self.network.differences
        starts = np.cumsum([0, *(design.terms for design in designs)]).tolist()
        mine = {unit: slice(starts[k], starts[k + 1]) for k, unit in enumerate(units)}
        terms_of = dict(zip(units, designs, strict=True))
        neighbours = self.around(units)
        layout = self._layout(neighbours)
        size = max((where.stop for where in layout.values()), default=0)
        own, right = np.zeros((starts[-1], starts[-1])), np.zeros(starts[-1])
        cross = np.zeros((starts[-1], size))
        touched: set[int] = set()
        for unit in units:
            for image in network.images[unit]:
                touched.update(at for at, _ in network.pairs_of[image])
        for at in sorted(touched):
            pair, rows = d.pairs[at], d.rows[at]
            weights, value = self.weights[rows], d.value[rows].copy()
            some: list[tuple[slice, np.ndarray]] = []
            others: list[tuple[slice, np.ndarray]] = []
            for side, image, sign in ((0, pair.first, -1.0), (1, pair.second, 1.0)):
                unit = network.unit[image]
                if unit in mine:
                    some.append((mine[unit], sign * network.design(at, side, terms_of[unit])))
                elif unit in layout:
                    others.append((layout[unit], sign * network.design(at, side, self.candidates[unit])))
                elif unit not in self.fixed and solution.candidates[unit].terms:
                    value -= sign * (network.design(at, side, solution.candidates[unit]) @ solution.coefficients[unit])
                if network.number in layout:
                    others.append((layout[network.number], sign * network.design(at, side, self.shared)))
            for where, terms in some:
                weighted = terms.T * weights
                right[where] += weighted @ value
                for there, other_terms in some:
                    own[where, there] += weighted @ other_terms
                for there, other_terms in others:
                    cross[where, there] += weighted @ other_terms
        for unit, where in mine.items():
            anchored = self.anchored(unit, terms_of[unit])
            if anchored is not None:
                own[where, where] += anchored[0]
                right[where] += anchored[1]
        if not size:
            return own, own, right
        known = self._known_among
        if known is None or known[0] != list(units) or known[1] is not solution:
            matrix, outer = self._among(neighbours, layout, set(units), solution)
            *factors, zero = dgetrf(matrix, overwrite_a=1)
            if zero:
                raise TaskError(
                    f"the equations of the neighbours of exposures {list(units)} are singular (term {zero}); "
                    "their differences span too many orders of magnitude: scale the pixels"
                )
            known = list(units), solution, (factors, outer)
            self._known_among = known
        factors, outer = known[2]
        sides = np.empty((size, len(cross) + 1), order="F")
        sides[:, :-1], sides[:, -1] = cross.T, outer
        solved = dgetrs(*factors, sides, overwrite_b=1)[0]
        return own - cross @ solved[:, :-1], own, right - cross @ solved[:, -1]

    def _among(
        self, neighbours: Sequence[int], layout: dict[int, slice], without: set[int], solution: Solution
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the normal equations of some owners, with a ridge, from all their pairs."""
        network = self.network
        size = max(where.stop for where in layout.values())
        # In the order of LAPACK, which would copy it otherwise.
        matrix, right = np.zeros((size, size), order="F"), np.zeros(size)
        # Units that are not solved for, and whose kind of model is no longer that of the solution.
        near = {other for owner in neighbours if owner < network.number for other in self._neighbours[owner]}
        if network.number in layout:
            near = set(range(network.number))
        changed = {
            unit
            for unit in near - layout.keys() - without - self.fixed
            if self.candidates[unit] != solution.candidates[unit]
        }
        sides = {}
        for owner, where in layout.items():
            matrix[where, where] = self._square(owner)
            sides[owner] = right[where]
        for at in sorted({at for owner in neighbours for at in self._pairs_of(owner)}):
            part = self.pair(at)
            for i, values in part.right.items():
                if i in sides:
                    sides[i] += values
            for (i, j), block in part.blocks.items():
                if i == j or i not in sides:
                    continue
                if j in sides:
                    of_both = matrix[layout[i], layout[j]]
                    of_both += block
                elif j not in without and j not in changed:
                    sides[i] -= block @ solution.coefficients[j]
            pair = network.differences.pairs[at]
            if changed and not changed.isdisjoint((network.unit[pair.first], network.unit[pair.second])):
                self._hold(at, changed, layout, solution, right)
        for owner, where in layout.items():
            anchored = self.anchored(owner, self.candidates[owner])
            if anchored is not None:
                matrix[where, where] += anchored[0]
                right[where] += anchored[1]
        diagonal = np.diag_indices_from(matrix)
        matrix[diagonal] += np.maximum(1e-10 * matrix[diagonal], self._priors(layout))
        return matrix, right

    def _hold(
        self, at: int, units: Collection[int], layout: dict[int, slice], solution: Solution, right: np.ndarray
    ) -> None:
        """Subtract the known models of some units from the right sides of their partners in a pair."""
        pair, rows = self.network.differences.pairs[at], self.network.differences.rows[at]
        for side, image, sign in ((0, pair.first, -1.0), (1, pair.second, 1.0)):
            unit = self.network.unit[image]
            if unit not in units or not solution.candidates[unit].terms:
                continue
            known = sign * (self.network.design(at, side, solution.candidates[unit]) @ solution.coefficients[unit])
            for owner, terms in self.sides(at):
                if owner in layout:
                    right[layout[owner]] -= terms.T @ (self.weights[rows] * known)

    # -- covariances --

    def _noise(self, layout: dict[int, slice]) -> tuple[Any, list[np.ndarray], np.ndarray]:
        """Return the covariance of the right sides of the normal equations.

        Returns
        -------
        square : sparse matrix, shape (terms, terms)
            Covariance that is due to the noise of the nodes, of single rows, of anchors, and to the prior.
        hubs : list of ndarray, shape (nodes, terms)
            Matrices from the terms to the independent unit noise of the nodes of images that were compared with many
            others, which ties all of these together; it is not part of `square`.
        coupled : ndarray of int, shape (n, 2)
            Owners between which one of the matrices has elements.
        """
        d, network = self.network.differences, self.network
        size = max(where.stop for where in layout.values())
        blocks: dict[tuple[int, int], np.ndarray] = {}
        hubs = []

        def add(i: int, j: int, block: np.ndarray) -> None:
            if i <= j:
                blocks[i, j] = blocks[i, j] + block if (i, j) in blocks else block

        # The noise of a row, first - second, is that of its first node minus that of its second.
        for image, pairs in enumerate(network.pairs_of):
            span = d.nodes_of(image)
            of_owner: dict[int, np.ndarray] = {}
            for at, side in pairs:
                rows = d.rows[at]
                weights = self.weights[rows] * (1.0, -1.0)[side]
                places = d.node[side][rows] - span.start
                for owner, terms in self.sides(at):
                    if owner not in of_owner:
                        of_owner[owner] = np.zeros((span.stop - span.start, terms.shape[1]))
                    of_owner[owner][places] += weights[:, None] * terms
            deviations = np.sqrt(d.node_variance[span])[:, None]
            if len(of_owner) > _MANY_PARTNERS:
                hub = np.zeros((span.stop - span.start, size))
                for owner, part in of_owner.items():
                    hub[:, layout[owner]] = part * deviations
                hubs.append(hub)
                continue
            scaled = [(owner, part * deviations) for owner, part in of_owner.items()]
            for i, part in scaled:
                for j, other in scaled:
                    if i <= j:
                        add(i, j, part.T @ other)
        if np.any(d.extra > 0):
            for at, rows in enumerate(d.rows):
                variance = np.maximum(d.extra[rows], 0) * self.weights[rows] ** 2
                if variance.any():
                    sides = self.sides(at)
                    for i, terms in sides:
                        for j, other in sides:
                            add(i, j, (terms.T * variance) @ other)
        for owner, where in layout.items():
            anchored = self.anchored(owner, self.candidates[owner])
            add(owner, owner, np.diag(self.prior[where]) + (0.0 if anchored is None else anchored[0]))
        coupled = {
            *blocks,
            *((i, j) for i in layout if i < network.number for j in self._neighbours[i] & layout.keys()),
        }
        return _sparse(blocks, layout, size), hubs, np.array(sorted(coupled), int).reshape(-1, 2)

    def _propagating(self, layout: dict[int, slice]) -> tuple[Any, Any, list[np.ndarray], np.ndarray]:
        """Return the matrix of the normal equations, and the noise of their right sides as `_noise` does."""
        if self._known_noise is None:
            matrix, _ = self._normal_equations(layout)
            self._known_noise = matrix, *self._noise(layout)
        return self._known_noise

    def joint_covariance(self) -> tuple[dict[int, slice], np.ndarray, np.ndarray]:
        """Return the covariance of all terms that are solved for, and the places of the owners in it.

        Noise is propagated as in `covariances`.

        Returns
        -------
        layout : dict of int to slice
            The owner of the terms that all units share is the number of units.
        covariance, inverse : ndarray, shape (terms, terms)
            Covariance, and inverse of the normal matrix.
        """
        layout = self._layout(range(len(self.candidates)))
        if not layout:
            return layout, np.zeros((0, 0)), np.zeros((0, 0))
        matrix, noise, hubs, _ = self._propagating(layout)
        square = noise.toarray()
        for hub in hubs:
            square += hub.T @ hub
        self._factor(matrix, np.zeros(len(square)))
        inverse = self.factors.solve(np.eye(len(square)))
        covariance = inverse @ (square @ inverse.T)
        for one in (covariance, inverse):
            one += one.T.copy()
            one /= 2
        return layout, covariance, inverse

    def covariances(self, final: Sequence[Candidate], shifts: Sequence[Shift]) -> list[np.ndarray]:
        """Return the covariances of each unit's final terms.

        The rows share the noise of their nodes, so the weights of the equations are not their inverse covariance; the
        noise of the nodes is propagated to the solution instead.

        Parameters
        ----------
        final : sequence of Candidate
            Final candidates; their smooth terms begin with those that were solved for, their further terms are the
            same.
        shifts : sequence of Shift
            Functions that were added to all models of some groups.
        """
        result = [np.zeros((candidate.terms, candidate.terms)) for candidate in final]
        layout = self._layout(range(len(self.candidates)))
        if not layout:
            return result
        matrix, noise, hubs, links = self._propagating(layout)
        elimination = self._elimination(layout, matrix, noise, links)
        of_hubs = [elimination.solve(hub.T) for hub in hubs]
        shift_of: dict[int, tuple[Shift, np.ndarray, np.ndarray]] = {}
        for shift in shifts:
            total = np.zeros((next(iter(shift.of.values())).shape[0], len(elimination)))
            for unit, share in shift.of.items():
                if unit in layout:  # the final terms of the unit that were solved for
                    total[:, layout[unit]] += share[:, widened(self.candidates[unit], final[unit])]
            solved = elimination.solve(total.T)
            right = noise @ solved
            for hub in hubs:
                right += hub.T @ (hub @ solved)
            with_terms = elimination.solve(right)
            shift_of.update(dict.fromkeys(shift.into, (shift, with_terms, total @ with_terms)))
        owners = list(layout)
        own_of: dict[int, np.ndarray] = {}
        for part in elimination.parts():
            start = 0
            for owner in (owners[at] for at in part.rows.tolist()):
                some = slice(start, start + self.candidates[owner].terms)
                own_of[owner] = part.covariance[some, some].copy()
                start = some.stop
        for unit, candidate in enumerate(final):
            found = result[unit]
            own = own_of.get(unit)
            if own is not None:
                for hub in of_hubs:
                    own += hub[layout[unit]] @ hub[layout[unit]].T
                into = widened(self.candidates[unit], candidate)
                found[np.ix_(into, into)] = own
            if candidate.terms and unit in shift_of:
                shift, with_terms, square = shift_of[unit]
                if own is not None:
                    mixed = with_terms[layout[unit]] @ shift.into[unit].T
                    found[into] += mixed
                    found[:, into] += mixed.T
                found += shift.into[unit] @ square @ shift.into[unit].T
        return result

    def _elimination(self, layout: dict[int, slice], matrix: Any, noise: Any, links: np.ndarray) -> Elimination:
        """Eliminate all terms that are solved for, in an order that follows the places of the units."""
        network = self.network
        boxes = np.array(network.unit_footprints, float).reshape(-1, 4)
        positions = np.full((network.number + 1, 2), np.nan)
        positions[:-1] = boxes[:, :2] + boxes[:, 2:] / 2
        for unit, others in enumerate(self._neighbours):
            if len(others) > _MANY_PARTNERS:
                positions[unit] = np.nan
        place = np.full(network.number + 1, -1)
        place[list(layout)] = np.arange(len(layout))
        sizes = [where.stop - where.start for where in layout.values()]
        return Elimination(matrix, noise, sizes, place[links], positions[list(layout)])


def _sparse(blocks: dict[tuple[int, int], np.ndarray], layout: dict[int, slice], size: int) -> Any:
    """Return a symmetric sparse matrix from its blocks on and above the diagonal."""
    from scipy.sparse import coo_array

    off = {key: block for key, block in blocks.items() if key[0] != key[1]}
    own = {key: block for key, block in blocks.items() if key[0] == key[1]}
    rows, columns, values = _entries(off, layout)
    own_rows, own_columns, own_values = _entries(own, layout)
    entries = (
        np.concatenate([own_values, values, values]),
        (np.concatenate([own_rows, rows, columns]), np.concatenate([own_columns, columns, rows])),
    )
    return coo_array(entries, shape=(size, size)).tocsr()


def _entries(
    blocks: dict[tuple[int, int], np.ndarray], layout: dict[int, slice]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows, columns and values of all elements of blocks; blocks of one shape are taken together."""
    shapes: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for key, block in blocks.items():
        shapes.setdefault(block.shape, []).append(key)
    rows, columns, values = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], [np.zeros(0)]
    for (height, width), keys in shapes.items():
        first, second = (np.array([layout[key[k]].start for key in keys], np.int32)[:, None, None] for k in (0, 1))
        row, column = np.arange(height, dtype=np.int32)[:, None], np.arange(width, dtype=np.int32)
        shape = len(keys), height, width
        rows.append(np.broadcast_to(first + row, shape).ravel())
        columns.append(np.broadcast_to(second + column, shape).ravel())
        values.append(np.stack([blocks[key] for key in keys]).ravel())
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def widened(solved: Candidate, final: Candidate) -> np.ndarray:
    """Return the places of the terms of a candidate among those of one with a series of higher order."""
    smooth = np.arange(solved.smooth_terms)
    further = final.smooth_terms + np.arange(solved.terms - solved.smooth_terms)
    return np.concatenate([smooth, further])


def grid_of_points(box: tuple[int, int, int, int], number: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return points that are spread evenly over a box, its corners included."""
    x0, y0, width, height = box
    x, y = np.meshgrid(np.linspace(x0, x0 + width - 1, number), np.linspace(y0, y0 + height - 1, number))
    return x.ravel(), y.ravel()
