"""All corrections from all differences at once.

A row of the differences says that first - second = d in some bin. Once corrected they agree there: the correction of
the second less that of the first is d. With corrections that are linear in their terms this is a sparse weighted
least-squares problem; what is common to all exposures is not in it, so it stays as it is.
"""

from __future__ import annotations

__all__ = ["Network", "Solution"]

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .differences import Differences
from .evidence import Evidence
from .grid import PixelBox
from .models import NONE, Basis, Candidate

# Terms have a prior as wide as so many times the spread of the differences: it decides where no difference does.
_PRIOR = 1e3
# Its share of the largest sum of weights, at least.
_ROUNDING = 1e-13
# Terms in bins are kept, up to so many numbers, as most are needed several times.
_KEPT_NUMBERS = 2**20
# Numbers of the noise of terms that are worked out at a time.
_NUMBERS_TOGETHER = 2**20
# Bins farther from their partners, in standard errors, are outliers.
OUTLIER = 5.0


@dataclass
class Solution:
    """Corrections, one after the other.

    Attributes
    ----------
    candidates : list of Candidate
    coefficients : list of ndarray
    """

    candidates: list[Candidate]
    coefficients: list[np.ndarray]


class Network:
    """Exposures and their differences.

    Parameters
    ----------
    boxes : sequence of (x0, y0, width, height)
        Of the exposures.
    differences : Differences
    """

    def __init__(self, boxes: Sequence[PixelBox], differences: Differences) -> None:
        self.differences = differences
        self.bases = [Basis(box) for box in boxes]
        self.good = ~differences.node_odd  # nodes that count
        size = differences.node_exposure.size
        self._of_exposure: list[list[tuple[int, int]]] = [[] for _ in boxes]  # numbers of pairs, and the side
        for at, pair in enumerate(differences.pairs):
            self._of_exposure[pair.first].append((at, 0))
            self._of_exposure[pair.second].append((at, 1))
        self._size = size
        self._designs: dict[tuple[int, int, tuple[int, int] | None], np.ndarray] = {}
        self._room = _KEPT_NUMBERS
        spread = np.percentile(differences.value, [1, 99]) if differences.value.size else (0.0, 0.0)
        self.prior = _PRIOR * max(float(spread[1] - spread[0]), float(np.sqrt(differences.variance.max(initial=1e-30))))

    @property
    def number(self) -> int:
        """Of exposures."""
        return len(self.bases)

    def design(self, pair: int, side: int, candidate: Candidate) -> np.ndarray:
        """Terms of the correction of one side's exposure in a pair's bins, shape (n, terms)."""
        # Series of all orders begin with the same terms.
        key = pair, side, candidate.nodes
        known = self._designs.get(key)
        if known is not None and known.shape[1] >= candidate.terms:
            return known[:, : candidate.terms]
        bins = self.differences.pairs[pair]
        basis = self.bases[(bins.first, bins.second)[side]]
        made = basis.design(candidate, bins.x, bins.y, bins.width, bins.height)
        if self._room >= made.size:
            self._room -= made.size
            self._designs[key] = made
        return made

    def weights(self) -> np.ndarray:
        """Inverse variances of the rows; 0 where an outlier is in one, shape (n,)."""
        good = self.good[self.differences.node].all(axis=0)
        return np.asarray(good / self.differences.variance)

    def correction(self, solution: Solution) -> np.ndarray:
        """What the corrections make of each row: second less first, shape (n,)."""
        result = np.zeros(self.differences.value.size)
        for at, (pair, rows) in enumerate(zip(self.differences.pairs, self.differences.rows, strict=True)):
            for side, exposure, sign in ((0, pair.first, -1.0), (1, pair.second, 1.0)):
                candidate = solution.candidates[exposure]
                if candidate.terms:
                    result[rows] += sign * (self.design(at, side, candidate) @ solution.coefficients[exposure])
        return result

    # -- solving --

    def solve(self, candidates: Sequence[Candidate], fixed: Sequence[int]) -> Solution:
        """Least squares of all terms.

        Parameters
        ----------
        candidates : sequence of Candidate
            One for each exposure.
        fixed : sequence of int
            Exposures that get no correction, whatever their candidate: one in each group.

        Returns
        -------
        Solution
            Coefficients are 0 for those that are fixed.
        """
        system = _System(self, candidates, fixed)
        return Solution(list(candidates), system.solve())

    # -- outliers --

    def residuals(self, left: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """By how much each node differs from its partners, and the standard error of that.

        Parameters
        ----------
        left : ndarray, shape (n,)
            Rows less what the corrections make of them.

        Returns
        -------
        value, error : ndarray, shape (nodes,)
            NaN where a node has no partner that counts.
        """
        d = self.differences
        value, variance = np.zeros((2, self._size))
        total = np.zeros(self._size)
        for side, sign in ((0, 1.0), (1, -1.0)):
            own, partner = d.node[side], d.node[1 - side]
            weights = self.good[partner] / d.variance
            total += np.bincount(own, weights, self._size)
            value += np.bincount(own, sign * weights * left, self._size)
            variance += np.bincount(own, weights**2 * (d.node_variance[partner] + d.extra), self._size)
        with np.errstate(invalid="ignore", divide="ignore"):
            return value / total, np.sqrt(variance / total**2 + d.node_variance)

    def reject(self, left: np.ndarray) -> float:
        """Find the nodes that differ from their partners beyond reason, the worst in each bin first.

        Returns
        -------
        float
            By how much the scatter of nodes exceeds their errors; at least 1.
        """
        self.good = ~self.differences.node_odd
        bins = self.differences.node_bin
        value, error = self.residuals(left)
        scale = _scale(value / error)
        for _ in range(self.number):
            with np.errstate(invalid="ignore"):
                distance = np.abs(value / error) / scale
            distance[~self.good | ~np.isfinite(distance)] = 0.0
            # Of those in one bin that disagree, the one that disagrees most; the others may then agree.
            order = np.lexsort((-self.differences.node_exposure, distance, bins))
            last = np.diff(bins[order], append=-1) != 0
            worst = order[last]
            worst = worst[distance[worst] > OUTLIER]
            if not worst.size:
                break
            self.good[worst] = False
            value, error = self.residuals(left)
        return scale

    # -- evidence --

    def evidence(
        self,
        exposure: int,
        solution: Solution,
        designs: Sequence[tuple[list[Candidate], Candidate]],
        *,
        nodes: np.ndarray | None = None,
    ) -> tuple[Evidence, np.ndarray]:
        """What its partners say an exposure's correction should be.

        Parameters
        ----------
        exposure : int
        solution : Solution
            Corrections of the partners.
        designs : sequence of (list of Candidate, Candidate)
            Candidates, and the one whose terms begin with theirs.
        nodes : ndarray of bool, optional
            Which nodes to ask; those that do not scatter oddly where left out.

        Returns
        -------
        Evidence
        nodes : ndarray of int
            The nodes that its bins are.
        """
        d = self.differences
        parts: list[tuple[int, int, np.ndarray, np.ndarray]] = []
        span = d.nodes_of(exposure)
        size = span.stop - span.start
        total, value, variance = np.zeros((3, size))
        for at, side in self._of_exposure[exposure]:
            rows, pair = d.rows[at], d.pairs[at]
            own = d.node[side][rows] - span.start
            partner_node = d.node[1 - side][rows]
            partner = (pair.second, pair.first)[side]
            weights = self.good[partner_node] / d.variance[rows]
            sign = (-1.0, 1.0)[side]
            target = sign * d.value[rows]
            if solution.candidates[partner].terms:
                target = (
                    target + self.design(at, 1 - side, solution.candidates[partner]) @ solution.coefficients[partner]
                )
            total[own] += weights
            value[own] += weights * target
            variance[own] += weights**2 * (d.node_variance[partner_node] + d.extra[rows])
            parts.append((at, side, own, weights))
        known = (total > 0) & (~d.node_odd if nodes is None else nodes)[span]
        asked = np.arange(span.start, span.stop)[known]
        total = total[known]
        error = np.sqrt(variance[known] / total**2 + d.node_variance[asked])

        def terms(candidate: Candidate) -> np.ndarray:
            """Of the exposure's bins: means over its partners."""
            result = np.zeros((size, candidate.terms))
            for at, side, own, weights in parts:
                result[own] += weights[:, None] * self.design(at, side, candidate)
            return np.asarray(result[known] / total[:, None])

        made = [(some, partial(terms, largest)) for some, largest in designs]
        return Evidence(value[known] / total, error, made), asked

    # -- errors --

    def covariances(
        self, candidates: Sequence[Candidate], fixed: Sequence[int], final: Sequence[Candidate], shifts: Sequence[Shift]
    ) -> list[np.ndarray]:
        """Covariances of each exposure's terms.

        The rows share the noise of their nodes, so the weights that they are solved with are not their inverse
        covariance; what the noise of the nodes becomes in the solution is worked out instead.

        Parameters
        ----------
        candidates : sequence of Candidate
            As they were solved for.
        fixed : sequence of int
            Exposures that were fixed then.
        final : sequence of Candidate
            As they are now: their terms begin with those that were solved for.
        shifts : sequence of Shift
            What was then added to all exposures of some groups.
        """
        return _System(self, candidates, fixed).covariances(final, shifts)


@dataclass
class Shift:
    """What was added to all corrections of a group: a linear function of all terms.

    Attributes
    ----------
    into : dict of int to ndarray
        Takes the shift's numbers to an exposure's terms.
    of : dict of int to ndarray
        Takes an exposure's terms to its share of the shift's numbers.
    """

    into: dict[int, np.ndarray]
    of: dict[int, np.ndarray]


class _System:
    """The sparse equations of all terms."""

    def __init__(self, network: Network, candidates: Sequence[Candidate], fixed: Sequence[int]) -> None:
        self.network = network
        held = set(fixed)
        self.candidates = [NONE if i in held else candidate for i, candidate in enumerate(candidates)]
        self.all_candidates = list(candidates)
        self.start = np.cumsum([0, *(candidate.terms for candidate in self.candidates)])
        self.size = int(self.start[-1])
        self.weights = network.weights()

    def solve(self) -> list[np.ndarray]:
        """Coefficients of all exposures."""
        result = [np.zeros(candidate.terms) for candidate in self.all_candidates]
        if self.size == 0:
            return result
        solution = self._factor(*self._normal_equations())
        for i, candidate in enumerate(self.candidates):
            if candidate.terms:
                result[i] = solution[self.start[i] : self.start[i + 1]]
        return result

    def _blocks(self, at: int) -> list[tuple[int, float, np.ndarray]]:
        """Exposure, sign and terms of both sides of a pair, where they have any."""
        pair = self.network.differences.pairs[at]
        sides = ((0, pair.first, -1.0), (1, pair.second, 1.0))
        return [
            (exposure, sign, self.network.design(at, side, self.candidates[exposure]))
            for side, exposure, sign in sides
            if self.candidates[exposure].terms
        ]

    def _normal_equations(self) -> tuple[object, np.ndarray]:
        d = self.network.differences
        right = np.zeros(self.size)
        blocks: dict[tuple[int, int], np.ndarray] = {}
        for at, rows in enumerate(d.rows):
            weights = self.weights[rows]
            sides = [(exposure, sign * terms) for exposure, sign, terms in self._blocks(at)]
            for exposure, terms in sides:
                weighted = terms.T * weights
                right[self.start[exposure] : self.start[exposure + 1]] += weighted @ d.value[rows]
                for other, other_terms in sides:
                    product = weighted @ other_terms
                    key = exposure, other
                    blocks[key] = blocks[key] + product if key in blocks else product
        return self._assembled(blocks), right

    def _assembled(self, blocks: dict[tuple[int, int], np.ndarray]) -> object:
        from scipy.sparse import coo_array

        rows, columns, values = [], [], []
        for (i, j), block in blocks.items():
            row, column = np.meshgrid(
                np.arange(self.start[i], self.start[i + 1]), np.arange(self.start[j], self.start[j + 1]), indexing="ij"
            )
            rows.append(row.ravel())
            columns.append(column.ravel())
            values.append(block.ravel())
        # A prior about nothing, far wider than any error where differences decide; it must not drown in rounding.
        largest = max((float(np.abs(block).max(initial=0)) for block in blocks.values()), default=0.0)
        self.prior = max(self.network.prior**-2, _ROUNDING * largest)
        diagonal = np.arange(self.size)
        rows.append(diagonal)
        columns.append(diagonal)
        values.append(np.full(self.size, self.prior))
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return coo_array(entries, shape=(self.size, self.size)).tocsc()

    def _factor(self, matrix: object, right: np.ndarray) -> np.ndarray:
        from scipy.sparse.linalg import splu

        self.factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.1)
        return np.asarray(self.factors.solve(right))

    def _noise(self) -> list[Any]:
        """Matrices that take terms to independent unit noises: of the nodes, of what only one row has, of the prior."""
        from scipy.sparse import coo_array, diags_array

        d = self.network.differences
        rows, columns, values = [], [], []
        for at, span in enumerate(d.rows):
            for exposure, sign, terms in self._blocks(at):
                row, column = np.meshgrid(
                    np.arange(span.start, span.stop, dtype=np.int32),
                    np.arange(self.start[exposure], self.start[exposure + 1], dtype=np.int32),
                    indexing="ij",
                )
                rows.append(row.ravel())
                columns.append(column.ravel())
                values.append((sign * terms * self.weights[span, None]).ravel())
        shape = (d.value.size, self.size)
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        of_rows = coo_array(entries, shape=shape).tocsr()
        # first - second: the noise of the first node less that of the second.
        number = np.arange(d.value.size)
        incidence = coo_array(
            (np.repeat([1.0, -1.0], d.value.size), (d.node.ravel(), np.tile(number, 2))),
            shape=(d.node_exposure.size, d.value.size),
        ).tocsr()
        noise = [
            diags_array(np.sqrt(d.node_variance)) @ (incidence @ of_rows),
            diags_array(np.full(self.size, np.sqrt(self.prior))),
        ]
        if np.any(d.extra > 0):
            noise.append(diags_array(np.sqrt(np.maximum(d.extra, 0))) @ of_rows)
        return noise

    def covariances(self, final: Sequence[Candidate], shifts: Sequence[Shift]) -> list[np.ndarray]:
        """Of each exposure's own terms, as they are in the end."""
        result = [np.zeros((candidate.terms, candidate.terms)) for candidate in final]
        if self.size == 0:
            return result
        self._factor(*self._normal_equations())
        noise = self._noise()
        shift_of = {i: shift for shift in shifts for i in shift.into}
        # Several exposures at a time: the matrices are gone through once for all of them.
        together = max(1, _NUMBERS_TOGETHER // max(1, self._size_of(noise)))
        batch: list[tuple[int, np.ndarray]] = []
        columns = 0
        for i, candidate in enumerate(final):
            if candidate.terms:
                batch.append((i, self._made_of(i, candidate, shift_of.get(i))))
                columns += candidate.terms
            if batch and (columns >= together or i == len(final) - 1):
                spread = self.factors.solve(np.hstack([chosen for _, chosen in batch]))
                parts = [matrix @ spread for matrix in noise]
                start = 0
                for exposure, chosen in batch:
                    some = slice(start, start + chosen.shape[1])
                    result[exposure] = np.asarray(sum(part[:, some].T @ part[:, some] for part in parts))
                    start = some.stop
                batch, columns = [], 0
        return result

    @staticmethod
    def _size_of(matrices: Sequence[Any]) -> int:
        return max(int(matrix.shape[0]) for matrix in matrices)

    def _made_of(self, exposure: int, candidate: Candidate, shift: Shift | None) -> np.ndarray:
        """What an exposure's terms are made of: its own, and those of all by the shift; shape (size, terms)."""
        chosen = np.zeros((self.size, candidate.terms))
        own = self.candidates[exposure].terms
        chosen[self.start[exposure] : self.start[exposure + 1], :own] = np.eye(own)
        if shift is not None:
            for j, share in shift.of.items():
                solved = self.candidates[j].terms
                chosen[self.start[j] : self.start[j + 1]] += (shift.into[exposure] @ share[:, :solved]).T
        return chosen


def _scale(distances: np.ndarray) -> float:
    good = np.abs(distances[np.isfinite(distances)])
    return max(1.0, 1.482602218505602 * float(np.median(good))) if good.size else 1.0
