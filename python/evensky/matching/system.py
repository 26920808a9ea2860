"""Sparse system of equations for all models, and the errors of its solution.

A row of the differences states that first - second = d in some bin. Exposures to which models have been added must
agree there, so the model of the second minus that of the first is d. As models are linear in their terms, this is a
sparse weighted least-squares problem. A component common to all exposures does not appear in it.
"""

from __future__ import annotations

__all__ = ["Shift", "System"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .models import NONE, Candidate

if TYPE_CHECKING:
    from .network import Network

# Width of the prior of the terms, in units of the spread of the differences; it determines terms that no difference
# determines.
_PRIOR = 1e3
# Least weight of the prior, as a fraction of the largest sum of weights.
_ROUNDING = 1e-13
# Number of elements of the noise of terms to compute at a time.
_NUMBERS_TOGETHER = 2**20


@dataclass
class Shift:
    """Component added to all models of a group, which is a linear function of all terms of the group.

    Attributes
    ----------
    into : dict of int to ndarray
        For each exposure, the matrix that maps the coefficients of the shift to terms of its model.
    of : dict of int to ndarray
        For each exposure, the matrix that maps the terms of its model to its contribution to the shift.
    """

    into: dict[int, np.ndarray]
    of: dict[int, np.ndarray]


class System:
    """System of equations for the terms of all models.

    Parameters
    ----------
    network : Network
        Exposures and their differences; its outliers are ignored.
    candidates : sequence of Candidate
        Kind of model of each exposure.
    fixed : sequence of int
        Exposures that get no model, whatever their candidate: one in each group.
    """

    def __init__(self, network: Network, candidates: Sequence[Candidate], fixed: Sequence[int]) -> None:
        self.network = network
        held = set(fixed)
        self.candidates = [NONE if i in held else candidate for i, candidate in enumerate(candidates)]
        self.all_candidates = list(candidates)
        self.start = np.cumsum([0, *(candidate.terms for candidate in self.candidates)])
        self.size = int(self.start[-1])
        self.weights = network.weights()

    def solve(self) -> list[np.ndarray]:
        """Solve for the coefficients of all models; those of fixed exposures are 0."""
        result = [np.zeros(candidate.terms) for candidate in self.all_candidates]
        if self.size == 0:
            return result
        solution = self._factor(*self._normal_equations())
        for i, candidate in enumerate(self.candidates):
            if candidate.terms:
                result[i] = solution[self.start[i] : self.start[i + 1]]
        return result

    def _blocks(self, at: int) -> list[tuple[int, float, np.ndarray]]:
        """Return exposure, sign and terms of the two sides of a pair, without sides that have no terms."""
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
        # The prior is centred on 0 and far wider than the errors of terms that differences determine. Its weight must
        # be large enough not to vanish by rounding.
        largest = max((float(np.abs(block).max(initial=0)) for block in blocks.values()), default=0.0)
        self.prior = max(self._prior_width() ** -2, _ROUNDING * largest)
        diagonal = np.arange(self.size)
        rows.append(diagonal)
        columns.append(diagonal)
        values.append(np.full(self.size, self.prior))
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return coo_array(entries, shape=(self.size, self.size)).tocsc()

    def _prior_width(self) -> float:
        d = self.network.differences
        low, high = np.percentile(d.value, [1, 99]) if d.value.size else (0.0, 0.0)
        return _PRIOR * max(float(high - low), float(np.sqrt(d.variance.max(initial=1e-30))))

    def _factor(self, matrix: object, right: np.ndarray) -> np.ndarray:
        from scipy.sparse.linalg import splu

        self.factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.1)
        return np.asarray(self.factors.solve(right))

    def _noise(self) -> list[Any]:
        """Return matrices that map terms to independent noise of unit variance.

        The sources of noise are the nodes, the prior, and the additional noise of single rows.
        """
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
        # The noise of a row, first - second, is that of its first node minus that of its second.
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
        """Return the covariance of the final terms of each exposure.

        Rows share the noise of their nodes, so the weights used in the solution are not the inverse of their
        covariance. The noise of the nodes is propagated through the solution instead.

        Parameters
        ----------
        final : sequence of Candidate
            Final candidates, whose leading terms are those that were solved for.
        shifts : sequence of Shift
            Components that were then added to all models of some groups.
        """
        result = [np.zeros((candidate.terms, candidate.terms)) for candidate in final]
        if self.size == 0:
            return result
        self._factor(*self._normal_equations())
        noise = self._noise()
        shift_of = {i: shift for shift in shifts for i in shift.into}
        # Exposures are processed in batches, with one pass over the matrices for each batch.
        together = max(1, _NUMBERS_TOGETHER // max(1, max(int(matrix.shape[0]) for matrix in noise)))
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

    def _made_of(self, exposure: int, candidate: Candidate, shift: Shift | None) -> np.ndarray:
        """Return the linear map from all solved terms to the final terms of an exposure, shape (size, terms).

        It combines the solved terms of the exposure itself with the shift, which depends on those of all exposures.
        """
        chosen = np.zeros((self.size, candidate.terms))
        own = self.candidates[exposure].terms
        chosen[self.start[exposure] : self.start[exposure + 1], :own] = np.eye(own)
        if shift is not None:
            for j, share in shift.of.items():
                solved = self.candidates[j].terms
                chosen[self.start[j] : self.start[j + 1]] += (shift.into[exposure] @ share[:, :solved]).T
        return chosen
