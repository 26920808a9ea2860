"""Equations for the models of all exposures at once, their solution, and its covariances.

A row of the differences says that first - second = d in some bin. After matching, the two exposures agree there: the
model of the second minus that of the first is d. As models are linear in their terms, this is a sparse weighted
least-squares problem. It does not determine the part that all exposures have in common, which stays unchanged.
"""

from __future__ import annotations

__all__ = ["Anchor", "Equations", "Shift"]

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .candidates import NONE, Candidate
from .network import Network, Solution

# Widths of the priors of the terms, in units of the spread of the differences: of slopes and curves, and of levels and
# all others. They matter for terms that the differences hardly determine: slopes and curves are hardly larger than the
# differences of a whole set, whereas a level may be anything.
_PRIOR_OF_CURVES, _PRIOR = 1.0, 1e3
# Least weight of the prior, as a share of the largest sum of weights.
_ROUNDING = 1e-13
# Cells along each axis of an image over which the mean of a known model is taken.
_CELLS = 32
# Largest number of values of the noise of terms that are computed at a time.
_NUMBERS_TOGETHER = 2**20
# Largest numbers of terms, and of neighbours, that are solved for along with those of one exposure.
_TERMS_AROUND, _UNITS_AROUND = 240, 40


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
    """

    into: dict[int, np.ndarray]
    of: dict[int, np.ndarray]


@dataclass
class _Pair:
    """The part of a pair in the normal equations, by the owners of the terms."""

    blocks: dict[tuple[int, int], np.ndarray]
    right: dict[int, np.ndarray]


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
        self.spread = self._spread()
        self._pairs: dict[int, _Pair] = {}
        # Equations of the neighbours of the last units, for several designs of these units.
        self._known_among: tuple[list[int], Solution, tuple[np.ndarray, np.ndarray]] | None = None
        self._neighbours: list[set[int]] = [set() for _ in range(network.number)]
        for pair in network.differences.pairs:
            first, second = network.unit[pair.first], network.unit[pair.second]
            if first != second:
                self._neighbours[first].add(second)
                self._neighbours[second].add(first)

    def _spread(self) -> float:
        d = self.network.differences
        low, high = np.percentile(d.value, [1, 99]) if d.value.size else (0.0, 0.0)
        return max(float(high - low), float(np.sqrt(d.variance.max(initial=1e-30))))

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
        self._known_among = None
        if unit in self.fixed:
            return
        self.candidates[unit] = candidate
        for image in self.network.images[unit]:
            for at, _ in self.network.pairs_of[image]:
                self._pairs.pop(at, None)

    def reweigh(self) -> None:
        """Take over which bins are good from the network."""
        self.weights = self.network.weights()
        self._pairs.clear()
        self._known_among = None

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

    def pair(self, at: int) -> _Pair:
        """Return the part of a pair in the normal equations."""
        if at not in self._pairs:
            rows = self.network.differences.rows[at]
            weights, value = self.weights[rows], self.network.differences.value[rows]
            made = _Pair({}, {})
            sides = self.sides(at)
            for owner, terms in sides:
                weighted = terms.T * weights
                right = weighted @ value
                made.right[owner] = made.right[owner] + right if owner in made.right else right
                for other, other_terms in sides:
                    product = weighted @ other_terms
                    key = owner, other
                    made.blocks[key] = made.blocks[key] + product if key in made.blocks else product
            self._pairs[at] = made
        return self._pairs[at]

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
        largest = max((float(np.abs(block).max(initial=0)) for block in blocks.values()), default=0.0)
        self.prior = np.maximum(self._priors(layout), _ROUNDING * largest)
        diagonal = np.arange(size)
        rows, columns, values = [diagonal], [diagonal], [self.prior]
        for (i, j), block in blocks.items():
            row, column = np.meshgrid(
                np.arange(layout[i].start, layout[i].stop), np.arange(layout[j].start, layout[j].stop), indexing="ij"
            )
            rows.append(row.ravel())
            columns.append(column.ravel())
            values.append(block.ravel())
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
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
        while edge and room > 0 and len(found) < _UNITS_AROUND:
            edge = {other for unit in edge for other in self._neighbours[unit]} - seen
            seen |= edge
            for unit in sorted(edge):
                if 0 < self.candidates[unit].terms <= room and len(found) < _UNITS_AROUND:
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
            known = list(units), solution, self._among(neighbours, layout, set(units), solution)
            self._known_among = known
        matrix, outer = known[2]
        solved = np.linalg.solve(matrix, np.column_stack([cross.T, outer]))
        return own - cross @ solved[:, :-1], own, right - cross @ solved[:, -1]

    def _among(
        self, neighbours: Sequence[int], layout: dict[int, slice], without: set[int], solution: Solution
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the normal equations of some owners, with a ridge, from all their pairs."""
        network = self.network
        size = max(where.stop for where in layout.values())
        matrix, right = np.zeros((size, size)), np.zeros(size)
        touched: set[int] = set()
        for owner in neighbours:
            if owner == network.number:
                touched.update(range(len(network.differences.pairs)))
            else:
                touched.update(at for image in network.images[owner] for at, _ in network.pairs_of[image])
        for at in sorted(touched):
            part = self.pair(at)
            for i, values in part.right.items():
                if i in layout:
                    right[layout[i]] += values
            for (i, j), block in part.blocks.items():
                if i in layout and j in layout:
                    matrix[layout[i], layout[j]] += block
            self._hold(at, layout, without, solution, right)
        for owner, where in layout.items():
            anchored = self.anchored(owner, self.candidates[owner])
            if anchored is not None:
                matrix[where, where] += anchored[0]
                right[where] += anchored[1]
        diagonal = np.diag_indices_from(matrix)
        matrix[diagonal] += np.maximum(1e-10 * matrix[diagonal], self._priors(layout))
        return matrix, right

    def _hold(
        self, at: int, layout: dict[int, slice], without: set[int], solution: Solution, right: np.ndarray
    ) -> None:
        """Subtract the known model of a unit that is not solved for from the right side of its partner in a pair."""
        pair, rows = self.network.differences.pairs[at], self.network.differences.rows[at]
        for side, image, sign in ((0, pair.first, -1.0), (1, pair.second, 1.0)):
            unit = self.network.unit[image]
            if unit in layout or unit in without or unit in self.fixed or not solution.candidates[unit].terms:
                continue
            known = sign * (self.network.design(at, side, solution.candidates[unit]) @ solution.coefficients[unit])
            for owner, terms in self.sides(at):
                if owner in layout:
                    right[layout[owner]] -= terms.T @ (self.weights[rows] * known)

    # -- covariances --

    def _noise(self, layout: dict[int, slice]) -> list[Any]:
        """Return matrices from terms to independent unit noise: of the nodes, of single rows, anchors, and prior."""
        from scipy.sparse import coo_array, diags_array

        d = self.network.differences
        size = max(where.stop for where in layout.values())
        rows, columns, values = [], [], []
        for at, span in enumerate(d.rows):
            for owner, terms in self.sides(at):
                row, column = np.meshgrid(
                    np.arange(span.start, span.stop, dtype=np.int32),
                    np.arange(layout[owner].start, layout[owner].stop, dtype=np.int32),
                    indexing="ij",
                )
                rows.append(row.ravel())
                columns.append(column.ravel())
                values.append((terms * self.weights[span, None]).ravel())
        shape = (d.value.size, size)
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        of_rows = coo_array(entries, shape=shape).tocsr()
        # The noise of a row, first - second, is that of its first node minus that of its second.
        number = np.arange(d.value.size)
        incidence = coo_array(
            (np.repeat([1.0, -1.0], d.value.size), (d.node.ravel(), np.tile(number, 2))),
            shape=(d.node_exposure.size, d.value.size),
        ).tocsr()
        noise: list[Any] = [
            diags_array(np.sqrt(d.node_variance)) @ (incidence @ of_rows),
            diags_array(np.sqrt(self.prior)),
        ]
        if np.any(d.extra > 0):
            noise.append(diags_array(np.sqrt(np.maximum(d.extra, 0))) @ of_rows)
        anchors = np.zeros((len(self.anchors), size))
        for k, anchor in enumerate(self.anchors):
            where = layout.get(self.network.unit[anchor.exposure])
            if where is not None:
                means = self.mean_terms(anchor.exposure, self.candidates[self.network.unit[anchor.exposure]])
                anchors[k, where] = means / anchor.error
        if len(anchors):
            noise.append(anchors)
        return noise

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
        self._factor(*self._normal_equations(layout))
        noise = self._noise(layout)
        shift_of = {unit: shift for shift in shifts for unit in shift.into}
        # Several units are solved for at a time, so that each matrix is read once for all of them.
        together = max(1, _NUMBERS_TOGETHER // max(1, max(int(matrix.shape[0]) for matrix in noise)))
        batch: list[tuple[int, np.ndarray]] = []
        columns = 0
        for unit, candidate in enumerate(final):
            if candidate.terms:
                batch.append((unit, self._made_of(unit, final, shift_of.get(unit), layout)))
                columns += candidate.terms
            if batch and (columns >= together or unit == len(final) - 1):
                spread = self.factors.solve(np.hstack([chosen for _, chosen in batch]))
                parts = [matrix @ spread for matrix in noise]
                start = 0
                for at, chosen in batch:
                    some = slice(start, start + chosen.shape[1])
                    result[at] = np.asarray(sum(part[:, some].T @ part[:, some] for part in parts))
                    start = some.stop
                batch, columns = [], 0
        return result

    def _made_of(
        self, unit: int, final: Sequence[Candidate], shift: Shift | None, layout: dict[int, slice]
    ) -> np.ndarray:
        """Return the matrix of shape (size, terms) that combines solved terms to a unit's final terms."""
        candidate = final[unit]
        size = max(where.stop for where in layout.values())
        chosen = np.zeros((size, candidate.terms))
        if unit in layout:
            into = widened(self.candidates[unit], candidate)
            chosen[layout[unit]] = np.eye(candidate.terms)[into]
        if shift is not None:
            for other, share in shift.of.items():
                if other in layout:
                    # The final terms of the other unit that were solved for.
                    solved = widened(self.candidates[other], final[other])
                    chosen[layout[other]] += (shift.into[unit] @ share[:, solved]).T
        return chosen


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
