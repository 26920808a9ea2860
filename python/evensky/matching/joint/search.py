"""Search for the models that make all exposures agree: their complexity, coefficients and errors."""

from __future__ import annotations

__all__ = ["LEVELS", "ExposureFit", "JointFit", "fit_all"]

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...errors import InvalidParameterError
from .differences import Differences
from .evidence import OUTLIER as FAR
from .evidence import Score, choose, determines
from .grid import CommonGrid, PixelBox, around
from .models import NONE, Basis, Candidate, Model, make_candidates
from .network import Network, Solution
from .system import Shift, System

LEVELS = ("reference", "mean", "lowest")
"""Levels that can be left unchanged: that of the reference; the mean, as models add up to 0; or the lowest, to which
all others are brought down."""

# Largest number of sweeps, which choose candidates and solve for all models; two or three are nearly always enough.
_SWEEPS = 8
# The search begins with the best of these orders, the same for all exposures.
_FIRST_ORDERS = (0, 2, 4)


@dataclass
class ExposureFit:
    """The result for one exposure.

    Attributes
    ----------
    model : Model or None
        The function to add; None if the exposure has no good pixels in common with another.
    scores : list of Score
        Scores of all candidates, the best first; empty for a fixed exposure.
    partners : list of int
        The exposures with which the exposure was compared.
    group : int
        Number of its group; -1 for none.
    bins : int
        Number of bins that were compared.
    rejected : int
        Number of bins that are outliers.
    rms : float
        Root mean square of the differences from its partners after the match, without outliers; NaN if there are none.
    chi : float
        Root mean square of these differences in units of their standard errors.
    """

    model: Model | None
    scores: list[Score] = field(default_factory=list)
    partners: list[int] = field(default_factory=list)
    group: int = -1
    bins: int = 0
    rejected: int = 0
    rms: float = np.nan
    chi: float = np.nan


@dataclass
class JointFit:
    """The result for all exposures.

    Attributes
    ----------
    exposures : list of ExposureFit
    references : list of int
        For each group the exposure that stays unchanged, or -1 if none does.
    scale : float
        Scatter of the bins in units of their errors, at least 1; errors of the models are scaled by it.
    sweeps : int
        Number of sweeps of the search.
    """

    exposures: list[ExposureFit]
    references: list[int]
    scale: float
    sweeps: int


def fit_all(
    boxes: Sequence[PixelBox],
    grid: CommonGrid,
    differences: Differences,
    *,
    preference: Sequence[int],
    level: str = "reference",
    order: int = 8,
    spline: bool = True,
) -> JointFit:
    """Find the models that make all exposures agree.

    Parameters
    ----------
    boxes : sequence of (x0, y0, width, height)
        Boxes of the exposures on the common pixel grid.
    grid : CommonGrid
    differences : Differences
        Differences of the measured pairs.
    preference : sequence of int
        Numbers of all exposures, the best reference first.
    level : str, optional
        What to leave unchanged, one of `LEVELS`.
    order : int, optional
        Highest order of the Chebyshev series among the candidates.
    spline : bool, optional
        Whether splines are among the candidates.

    Returns
    -------
    JointFit

    Raises
    ------
    evensky.errors.InvalidParameterError
        For an unknown level or an order below 0.
    """
    if level not in LEVELS:
        raise InvalidParameterError(f"level is {level!r}; it must be one of {', '.join(LEVELS)}")
    if order < 0:
        raise InvalidParameterError(f"order = {order}; it must be at least 0")
    return _Search(boxes, grid, differences, preference, level, order, spline).run()


class _Search:
    def __init__(
        self,
        boxes: Sequence[PixelBox],
        grid: CommonGrid,
        differences: Differences,
        preference: Sequence[int],
        level: str,
        order: int,
        spline: bool,
    ) -> None:
        self.boxes = boxes
        self.differences = differences
        self.level = level
        self.order = order
        self.network = Network(boxes, differences)
        self.groups = differences.groups()
        numbers = sorted(set(self.groups.tolist()) - {-1})
        self.members: list[list[int]] = [np.flatnonzero(self.groups == number).tolist() for number in numbers]
        self.tied = [i for members in self.members for i in members]
        rank = {exposure: at for at, exposure in enumerate(preference)}
        self.references = [min(members, key=lambda i: rank[i]) for members in self.members]
        self.fixed_references = set(self.references) if level == "reference" else set()
        self.candidates = [self._candidates(box, grid, order, spline) for box in boxes]
        self.scores: dict[int, list[Score]] = {}
        self.whole = Basis(around([boxes[i] for i in self.tied] or boxes))

    @staticmethod
    def _candidates(
        box: PixelBox, grid: CommonGrid, order: int, spline: bool
    ) -> list[tuple[list[Candidate], Candidate]]:
        """Return lists of candidates, each with its largest candidate, whose first terms are those of the others."""
        # Whole bins only: a node for a part of a bin at the edge would depend on a few pixels.
        every = make_candidates(order, (box[2] // grid.bin_size, box[3] // grid.bin_size), spline=spline)
        series = [candidate for candidate in every if candidate.nodes is None]
        return [(series, series[-1]), *(([one], one) for one in every if one.nodes is not None)]

    # -- search --

    def run(self) -> JointFit:
        solution, residual = self._begin()
        sweeps = 0
        while sweeps < _SWEEPS:
            sweeps += 1
            self.network.reject(residual)
            before = list(solution.candidates)
            self._sweep(solution, residual)
            solution = self._solve(solution.candidates)
            residual = self.differences.value - self.network.predicted(solution)
            if solution.candidates == before:
                break
        self.network.reject(residual)
        self._drop_undetermined(solution)
        self._settle(solution.candidates)
        residual = self.differences.value - self.network.predicted(self.final)
        scale = max(1.0, self._reduced(residual))
        return self._result(residual, scale, sweeps)

    def _begin(self) -> tuple[Solution, np.ndarray]:
        """Find the best order that is the same for all exposures; return its solution and residuals."""
        best: tuple[float, Solution, np.ndarray] | None = None
        found: list[tuple[Solution, np.ndarray, np.ndarray, float]] = []
        scale = np.inf
        for order in sorted({min(order, self.order) for order in _FIRST_ORDERS}):
            candidates = [self._supported(i, order) for i in range(len(self.boxes))]
            solution = self._solve(candidates)
            residual = self.differences.value - self.network.predicted(solution)
            value, error = self.network.residuals(residual)
            with np.errstate(invalid="ignore"):
                distance = np.abs(value / error)
            distance = distance[np.isfinite(distance)]
            scale = min(scale, max(1.0, 1.4826 * float(np.median(distance)) if distance.size else 1.0))
            penalty = sum(
                candidates[i].terms * np.log(max(self._number_of_bins(i), 1))
                for i in self.tied
                if i not in self.fixed_references
            )
            found.append((solution, residual, distance, penalty))
        for solution, residual, distance, penalty in found:
            score = float(np.minimum((distance / scale) ** 2, FAR**2).sum()) + penalty
            if best is None or score < best[0]:
                best = score, solution, residual
        assert best is not None
        return best[1], best[2]

    def _number_of_bins(self, exposure: int) -> int:
        span = self.differences.nodes_of(exposure)
        return int(span.stop - span.start)

    def _supported(self, exposure: int, order: int) -> Candidate:
        while order > 0 and Candidate(order).terms > 0.5 * self._number_of_bins(exposure):
            order -= 1
        free = exposure not in self.fixed_references and self.groups[exposure] >= 0
        return Candidate(order) if free else NONE

    def _sweep(self, solution: Solution, residual: np.ndarray) -> None:
        """Choose a candidate for each exposure, given the others' models; the largest residuals first."""
        value, error = self.network.residuals(residual)
        with np.errstate(invalid="ignore"):
            distance = np.minimum(np.nan_to_num((value / error) ** 2), FAR**2)
        misfit = np.bincount(self.differences.node_exposure, distance, len(self.boxes))
        for i in sorted(self.tied, key=lambda i: -misfit[i]):
            if i in self.fixed_references:
                continue
            evidence, nodes = self.network.evidence(i, solution, self.candidates[i])
            choice = choose(evidence)
            solution.candidates[i], solution.coefficients[i] = choice.candidate, choice.coefficients
            self.scores[i] = choice.scores
            # Bins that did not fit the former model may fit the new one.
            self.network.good[nodes] = ~choice.outliers

    def _drop_undetermined(self, solution: Solution) -> None:
        """Choose other candidates for exposures whose good bins do not determine all terms."""
        for i in self.tied:
            candidate = solution.candidates[i]
            if candidate.terms == 0:
                continue
            good = self.network.good
            evidence, _ = self.network.evidence(i, solution, [([candidate], candidate)], nodes=good)
            if not determines(evidence, candidate):
                evidence, _ = self.network.evidence(i, solution, self.candidates[i], nodes=good)
                choice = choose(evidence)
                solution.candidates[i], self.scores[i] = choice.candidate, choice.scores

    # -- common part of all exposures --

    def _fixed(self, candidates: Sequence[Candidate]) -> list[int]:
        """Return the fixed exposure of each group, as differences do not determine the common part of its exposures."""
        if self.level == "reference":
            return self.references
        return [min(members, key=lambda i: candidates[i].terms) for members in self.members]

    def _least_squares(self, candidates: Sequence[Candidate], fixed: Sequence[int]) -> Solution:
        return Solution(list(candidates), System(self.network, candidates, fixed).solve())

    def _solve(self, candidates: Sequence[Candidate]) -> Solution:
        """Solve for all models; of equally good solutions, take the one that changes the fewest exposures."""
        solution = self._least_squares(candidates, self._fixed(candidates))
        if self.level != "reference":
            for members in self.members:
                order = min(candidates[i].polynomial for i in members)
                if order < 0 or len(members) < 3:
                    continue
                shares = [self._projection(i, candidates[i], order) @ solution.coefficients[i] for i in members]
                shift = -np.median(shares, axis=0)
                for i in members:
                    into = self._embedding(i, candidates[i], order)
                    solution.coefficients[i] = solution.coefficients[i] + into @ shift
        return solution

    def _settle(self, candidates: Sequence[Candidate]) -> None:
        """Solve for the final models, and shift those of each group to the configured level."""
        self.solved = list(candidates)
        self.fixed = self._fixed(candidates)
        solution = self._least_squares(candidates, self.fixed)
        self.shifts: list[Shift] = []
        if self.level != "reference":
            for members in self.members:
                order = self._common_order(members, candidates)
                if order >= 0:
                    self._give_room(solution, members, order)
                    shift = self._shift(solution, members, order)
                    total = sum(share @ solution.coefficients[i] for i, share in shift.of.items())
                    for i in members:
                        solution.coefficients[i] = solution.coefficients[i] + shift.into[i] @ total
                    self.shifts.append(shift)
        self.final = solution

    @staticmethod
    def _common_order(members: list[int], candidates: Sequence[Candidate]) -> int:
        """Return the order of the shift, which at least half of the exposures have and all splines can represent."""
        if all(candidates[i].terms == 0 for i in members):
            return -1
        orders = sorted(candidates[i].polynomial for i in members)
        most = [candidates[i].polynomial for i in members if candidates[i].nodes is not None]
        return max(0, min([orders[(len(orders) - 1) // 2], *most]))

    @staticmethod
    def _give_room(solution: Solution, members: list[int], order: int) -> None:
        """Extend the series of all members to the terms that a shift needs."""
        for i in members:
            candidate = solution.candidates[i]
            if candidate.nodes is None and candidate.order < order:
                solution.candidates[i] = Candidate(order)
                room = solution.candidates[i].terms - candidate.terms
                solution.coefficients[i] = np.concatenate([solution.coefficients[i], np.zeros(room)])

    def _shift(self, solution: Solution, members: list[int], order: int) -> Shift:
        into = {i: self._embedding(i, solution.candidates[i], order) for i in members}
        of = {i: -self._projection(i, solution.candidates[i], order) / len(members) for i in members}
        if self.level == "lowest":
            mean = {i: self._projection(i, solution.candidates[i], 0) for i in members}
            total = sum(share @ solution.coefficients[i] for i, share in of.items())
            means = {i: float((mean[i] @ (solution.coefficients[i] + into[i] @ total))[0]) for i in into}
            lowest = max(means, key=lambda i: means[i])
            constant = np.eye(len(total), 1)
            of = {
                i: share
                - constant @ mean[lowest] @ into[lowest] @ share
                - (constant @ mean[lowest] if i == lowest else 0)
                for i, share in of.items()
            }
        return Shift(into, of)

    def _projection(self, exposure: int, candidate: Candidate, order: int) -> np.ndarray:
        return self.network.bases[exposure].projection(candidate, order, self.whole)

    def _embedding(self, exposure: int, candidate: Candidate, order: int) -> np.ndarray:
        return self.network.bases[exposure].embedding(candidate, order, self.whole)

    # -- result --

    def _reduced(self, residual: np.ndarray) -> float:
        """Return the reduced scatter of the nodes, in units of their errors and per degree of freedom."""
        value, error = self.network.residuals(residual)
        with np.errstate(invalid="ignore"):
            distance = (value / error)[self.network.good]
        distance = distance[np.isfinite(distance)]
        freedom = distance.size - sum(self.solved[i].terms for i in self.tied)
        return float(np.sqrt((distance**2).sum() / freedom)) if freedom > 0 else 1.0

    def _result(self, residual: np.ndarray, scale: float, sweeps: int) -> JointFit:
        solution = self.final
        covariances = System(self.network, self.solved, self.fixed).covariances(solution.candidates, self.shifts)
        value, error = self.network.residuals(residual)
        group_of = {i: number for number, members in enumerate(self.members) for i in members}
        partners: list[set[int]] = [set() for _ in self.boxes]
        for pair in self.differences.pairs:
            partners[pair.first].add(pair.second)
            partners[pair.second].add(pair.first)
        exposures = []
        for i, box in enumerate(self.boxes):
            if i not in group_of:
                exposures.append(ExposureFit(None))
                continue
            span = self.differences.nodes_of(i)
            good = self.network.good[span] & np.isfinite(value[span])
            with np.errstate(invalid="ignore"):
                distance = value[span][good] / error[span][good]
            exposures.append(
                ExposureFit(
                    Model(solution.candidates[i], box, solution.coefficients[i], covariances[i] * scale**2),
                    self.scores.get(i, []),
                    sorted(partners[i]),
                    group_of[i],
                    span.stop - span.start,
                    int((~self.network.good[span]).sum()),
                    float(np.sqrt(np.mean(value[span][good] ** 2))) if good.any() else np.nan,
                    float(np.sqrt(np.mean(distance**2))) if good.any() else np.nan,
                )
            )
        references = self.references if self.level == "reference" else [-1] * len(self.references)
        return JointFit(exposures, references, scale, sweeps)
