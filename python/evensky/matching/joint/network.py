"""The network of exposures that differences connect: residuals, outlying bins, evidence on models."""

from __future__ import annotations

__all__ = ["Network", "Solution"]

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from .differences import Differences
from .evidence import Evidence
from .grid import PixelBox
from .models import Basis, Candidate

# Largest number of values of terms in bins that are kept, as most are needed several times.
_KEPT_NUMBERS = 2**20
# Bins that differ from their partners by more than this number of standard errors are outliers.
OUTLIER = 5.0


@dataclass
class Solution:
    """The models of all exposures.

    Attributes
    ----------
    candidates : list of Candidate
        Kind of model of each exposure.
    coefficients : list of ndarray
        Coefficients of each model.
    """

    candidates: list[Candidate]
    coefficients: list[np.ndarray]


class Network:
    """Exposures, connected by their differences.

    Parameters
    ----------
    boxes : sequence of (x0, y0, width, height)
        Boxes of the exposures on the common pixel grid.
    differences : Differences
    """

    def __init__(self, boxes: Sequence[PixelBox], differences: Differences) -> None:
        self.differences = differences
        self.bases = [Basis(box) for box in boxes]
        self.good = ~differences.node_odd  # nodes that are used
        size = differences.node_exposure.size
        self._of_exposure: list[list[tuple[int, int]]] = [[] for _ in boxes]  # (pair, side)
        for at, pair in enumerate(differences.pairs):
            self._of_exposure[pair.first].append((at, 0))
            self._of_exposure[pair.second].append((at, 1))
        self._size = size
        self._designs: dict[tuple[int, int, tuple[int, int] | None], np.ndarray] = {}
        self._room = _KEPT_NUMBERS

    @property
    def number(self) -> int:
        """Number of exposures."""
        return len(self.bases)

    def design(self, pair: int, side: int, candidate: Candidate) -> np.ndarray:
        """Return the terms of the model of one side's exposure in a pair's bins, shape (n, terms)."""
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
        """Return the inverse variances of the rows, shape (n,); 0 for rows with an outlier."""
        good = self.good[self.differences.node].all(axis=0)
        return np.asarray(good / self.differences.variance)

    def predicted(self, solution: Solution) -> np.ndarray:
        """Return the difference that the models predict for each row: second - first, shape (n,)."""
        result = np.zeros(self.differences.value.size)
        for at, (pair, rows) in enumerate(zip(self.differences.pairs, self.differences.rows, strict=True)):
            for side, exposure, sign in ((0, pair.first, -1.0), (1, pair.second, 1.0)):
                candidate = solution.candidates[exposure]
                if candidate.terms:
                    result[rows] += sign * (self.design(at, side, candidate) @ solution.coefficients[exposure])
        return result

    # -- outliers --

    def residuals(self, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the difference of each node from its partners, and its standard error.

        Parameters
        ----------
        residual : ndarray, shape (n,)
            Residuals of the rows: measured minus predicted differences.

        Returns
        -------
        value, error : ndarray, shape (nodes,)
            NaN for nodes without a good partner.
        """
        d = self.differences
        value, variance = np.zeros((2, self._size))
        total = np.zeros(self._size)
        for side, sign in ((0, 1.0), (1, -1.0)):
            own, partner = d.node[side], d.node[1 - side]
            weights = self.good[partner] / d.variance
            total += np.bincount(own, weights, self._size)
            value += np.bincount(own, sign * weights * residual, self._size)
            variance += np.bincount(own, weights**2 * (d.node_variance[partner] + d.extra), self._size)
        with np.errstate(invalid="ignore", divide="ignore"):
            return value / total, np.sqrt(variance / total**2 + d.node_variance)

    def reject(self, residual: np.ndarray) -> None:
        """Reject the nodes that differ too much from their partners, in each bin the worst first."""
        self.good = ~self.differences.node_odd
        bins = self.differences.node_bin
        value, error = self.residuals(residual)
        scale = _scale(value / error)
        for _ in range(self.number):
            with np.errstate(invalid="ignore"):
                distance = np.abs(value / error) / scale
            distance[~self.good | ~np.isfinite(distance)] = 0.0
            # In each bin only the node that disagrees most is rejected; the others may then agree.
            order = np.lexsort((-self.differences.node_exposure, distance, bins))
            last = np.diff(bins[order], append=-1) != 0
            worst = order[last]
            worst = worst[distance[worst] > OUTLIER]
            if not worst.size:
                break
            self.good[worst] = False
            value, error = self.residuals(residual)

    # -- evidence --

    def evidence(
        self,
        exposure: int,
        solution: Solution,
        designs: Sequence[tuple[list[Candidate], Candidate]],
        *,
        nodes: np.ndarray | None = None,
    ) -> tuple[Evidence, np.ndarray]:
        """Collect the evidence that an exposure's partners give on its model.

        Parameters
        ----------
        exposure : int
        solution : Solution
            Models of the partners.
        designs : sequence of (list of Candidate, Candidate)
            Candidates, and the largest of them, whose first terms are those of the others.
        nodes : ndarray of bool, optional
            Nodes to use; by default those whose pixels do not scatter too much.

        Returns
        -------
        evidence : Evidence
        nodes : ndarray of int
            The nodes in the order of the evidence.
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
        used = np.arange(span.start, span.stop)[known]
        total = total[known]
        error = np.sqrt(variance[known] / total**2 + d.node_variance[used])

        def terms(candidate: Candidate) -> np.ndarray:
            """Return the terms in the exposure's bins: means over its partners."""
            result = np.zeros((size, candidate.terms))
            for at, side, own, weights in parts:
                result[own] += weights[:, None] * self.design(at, side, candidate)
            return np.asarray(result[known] / total[:, None])

        made = [(some, partial(terms, largest)) for some, largest in designs]
        return Evidence(value[known] / total, error, made), used


def _scale(distances: np.ndarray) -> float:
    """Return the robust scatter of distances in standard errors; at least 1."""
    good = np.abs(distances[np.isfinite(distances)])
    return max(1.0, 1.482602218505602 * float(np.median(good))) if good.size else 1.0
