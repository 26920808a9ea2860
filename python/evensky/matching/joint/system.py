"""Solution for the models of all exposures at once, with their covariances.

A row of the differences says that first - second = d in some bin. After matching, the two exposures agree there: the
model of the second minus that of the first is d. As models are linear in their terms, this is a sparse weighted
least-squares problem. It does not determine the part that all exposures have in common, which stays unchanged.
"""

from __future__ import annotations

__all__ = ["Shift", "System"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .models import NONE, Candidate
from .network import Network

# Width of the prior of the terms, in units of the spread of the differences; it matters for undetermined terms only.
_PRIOR = 1e3
# Least weight of the prior, as a share of the largest sum of weights.
_ROUNDING = 1e-13
# Largest number of values of the noise of terms that are computed at a time.
_NUMBERS_TOGETHER = 2**20


@dataclass
class Shift:
    """A function that is added to all models of a group; it depends linearly on all terms.

    Attributes
    ----------
    into : dict of int to ndarray
        Matrices from the shift's coefficients to an exposure's terms.
    of : dict of int to ndarray
        Matrices from an exposure's terms to its contribution to the shift's coefficients.
    """

    into: dict[int, np.ndarray]
    of: dict[int, np.ndarray]


class System:
    """System of equations for the terms of all models.

    Parameters
    ----------
    network : Network
        Exposures and their differences; outliers do not count.
    candidates : sequence of Candidate
        Kind of model of each exposure.
    fixed : sequence of int
        Exposures that stay unchanged, whatever their candidate: one in each group.
    """

    def __init__(self, network: Network, candidates: Sequence[Candidate], fixed: Sequence[int]) -> None:
        self.network = network
        unchanged = set(fixed)
        self.candidates = [NONE if i in unchanged else candidate for i, candidate in enumerate(candidates)]
        self.all_candidates = list(candidates)
        self.start = np.cumsum([0, *(candidate.terms for candidate in self.candidates)])
        self.size = int(self.start[-1])
        self.weights = network.weights()

    def solve(self) -> list[np.ndarray]:
        """Return the coefficients of all exposures; 0 for those that are fixed."""
        result = [np.zeros(candidate.terms) for candidate in self.all_candidates]
        if self.size == 0:
            return result
        solution = self._factor(*self._normal_equations())
        for i, candidate in enumerate(self.candidates):
            if candidate.terms:
                result[i] = solution[self.start[i] : self.start[i + 1]]
        return result

    def _blocks(self, at: int) -> list[tuple[int, float, np.ndarray]]:
        """Return exposure, sign and terms of both sides of a pair; a side without terms is left out."""
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
        # A prior about 0, far wider than the errors of determined terms; its weight must exceed rounding errors.
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
        """Return matrices from terms to independent unit noise: of the nodes, of single rows, and of the prior."""
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
        """Return the covariances of each exposure's final terms.

        The rows share the noise of their nodes, so the weights of the equations are not their inverse covariance; the
        noise of the nodes is propagated to the solution instead.

        Parameters
        ----------
        final : sequence of Candidate
            Final candidates; their first terms are those that were solved for.
        shifts : sequence of Shift
            Functions that were added to all models of some groups.
        """
        result = [np.zeros((candidate.terms, candidate.terms)) for candidate in final]
        if self.size == 0:
            return result
        self._factor(*self._normal_equations())
        noise = self._noise()
        shift_of = {i: shift for shift in shifts for i in shift.into}
        # Several exposures are solved for at a time, so that each matrix is read once for all of them.
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
        """Return the matrix of shape (size, terms) that combines solved terms to an exposure's final terms."""
        chosen = np.zeros((self.size, candidate.terms))
        own = self.candidates[exposure].terms
        chosen[self.start[exposure] : self.start[exposure + 1], :own] = np.eye(own)
        if shift is not None:
            for j, share in shift.of.items():
                solved = self.candidates[j].terms
                chosen[self.start[j] : self.start[j + 1]] += (shift.into[exposure] @ share[:, :solved]).T
        return chosen
