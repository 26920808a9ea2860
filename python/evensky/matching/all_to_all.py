"""Joint matching of all exposures: choose a model for each, solve for all models at once, estimate their errors."""

from __future__ import annotations

__all__ = ["LEVELS", "Correction", "Corrections", "correct_all"]

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import InvalidParameterError
from .differences import Differences
from .evidence import OUTLIER as FAR
from .evidence import Score, choose, determines
from .grid import CommonGrid, PixelBox, around
from .models import NONE, Basis, Candidate, Model, make_candidates
from .network import Network, Solution
from .system import Shift, System

LEVELS = ("reference", "mean", "lowest")
"""What joint matching leaves unchanged: "reference", the reference exposure; "mean", the mean of all exposures, as the
models sum to zero; "lowest", the exposure with the lowest level, down to which all others are brought."""

# Largest number of sweeps, in each of which candidates are chosen and all models are solved for; two or three nearly
# always suffice.
_SWEEPS = 8
# The search starts from whichever of these orders fits best when all exposures have the same order.
_FIRST_ORDERS = (0, 2, 4)


@dataclass
class Correction:
    """Result of joint matching for one exposure.

    Attributes
    ----------
    model : Model or None
        Function to add to the exposure; None if no other exposure shares good pixels with it.
    scores : list of Score
        Scores of all candidates, the best first; empty for an exposure that is fixed.
    partners : list of int
        Exposures with which it was compared.
    group : int
        Number of its group; -1 if it has no partners.
    bins : int
        Number of bins in which it was compared.
    rejected : int
        Number of those bins that are outliers.
    rms : float
        RMS of its residuals from its partners in the bins that are not outliers; NaN if there are none.
    chi : float
        RMS of the same residuals in units of their standard errors.
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
class Corrections:
    """Result of joint matching for all exposures.

    Attributes
    ----------
    exposures : list of Correction
    anchors : list of int
        The fixed exposure of each group; -1 if the group has none.
    scale : float
        Ratio of the scatter of the bins to their standard errors, at least 1; the errors of the models are multiplied
        by it.
    sweeps : int
        Number of sweeps of the search.
    """

    exposures: list[Correction]
    anchors: list[int]
    scale: float
    sweeps: int


def correct_all(
    boxes: Sequence[PixelBox],
    grid: CommonGrid,
    differences: Differences,
    *,
    preference: Sequence[int],
    level: str = "reference",
    order: int = 8,
    spline: bool = True,
) -> Corrections:
    """Find the models that make all exposures agree when they are added.

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
        Whether to include splines in the candidates.

    Returns
    -------
    Corrections

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `level` is not one of `LEVELS`, or `order` is negative.
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
        self.anchors = [min(members, key=lambda i: rank[i]) for members in self.members]
        self.held = set(self.anchors) if level == "reference" else set()
        self.candidates = [self._candidates(box, grid, order, spline) for box in boxes]
        self.scores: dict[int, list[Score]] = {}
        self.whole = Basis(around([boxes[i] for i in self.tied] or boxes))

    @staticmethod
    def _candidates(
        box: PixelBox, grid: CommonGrid, order: int, spline: bool
    ) -> list[tuple[list[Candidate], Candidate]]:
        """Return groups of candidates, each with the candidate whose leading terms are those of the whole group."""
        # Only whole bins count: a node for a partial bin at the edge would depend on a few pixels.
        every = make_candidates(order, (box[2] // grid.bin_size, box[3] // grid.bin_size), spline=spline)
        series = [candidate for candidate in every if candidate.nodes is None]
        return [(series, series[-1]), *(([one], one) for one in every if one.nodes is not None)]

    # -- search --

    def run(self) -> Corrections:
        solution, left = self._begin()
        sweeps = 0
        while sweeps < _SWEEPS:
            sweeps += 1
            self.network.reject(left)
            before = list(solution.candidates)
            self._sweep(solution, left)
            solution = self._solve(solution.candidates)
            left = self.differences.value - self.network.correction(solution)
            if solution.candidates == before:
                break
        self.network.reject(left)
        self._drop_undetermined(solution)
        self._settle(solution.candidates)
        left = self.differences.value - self.network.correction(self.final)
        scale = max(1.0, self._reduced(left))
        return self._result(left, scale, sweeps)

    def _begin(self) -> tuple[Solution, np.ndarray]:
        """Return the best solution in which all exposures have the same order, and its residuals."""
        best: tuple[float, Solution, np.ndarray] | None = None
        found: list[tuple[Solution, np.ndarray, np.ndarray, float]] = []
        scale = np.inf
        for order in sorted({min(order, self.order) for order in _FIRST_ORDERS}):
            candidates = [self._supported(i, order) for i in range(len(self.boxes))]
            solution = self._solve(candidates)
            left = self.differences.value - self.network.correction(solution)
            value, error = self.network.residuals(left)
            with np.errstate(invalid="ignore"):
                distance = np.abs(value / error)
            distance = distance[np.isfinite(distance)]
            scale = min(scale, max(1.0, 1.4826 * float(np.median(distance)) if distance.size else 1.0))
            penalty = sum(
                candidates[i].terms * np.log(max(self._number_of_bins(i), 1)) for i in self.tied if i not in self.held
            )
            found.append((solution, left, distance, penalty))
        for solution, left, distance, penalty in found:
            score = float(np.minimum((distance / scale) ** 2, FAR**2).sum()) + penalty
            if best is None or score < best[0]:
                best = score, solution, left
        assert best is not None
        return best[1], best[2]

    def _number_of_bins(self, exposure: int) -> int:
        span = self.differences.nodes_of(exposure)
        return int(span.stop - span.start)

    def _supported(self, exposure: int, order: int) -> Candidate:
        while order > 0 and Candidate(order).terms > 0.5 * self._number_of_bins(exposure):
            order -= 1
        free = exposure not in self.held and self.groups[exposure] >= 0
        return Candidate(order) if free else NONE

    def _sweep(self, solution: Solution, left: np.ndarray) -> None:
        """Choose a candidate for each exposure given the models of the others, in order of decreasing misfit."""
        value, error = self.network.residuals(left)
        with np.errstate(invalid="ignore"):
            distance = np.minimum(np.nan_to_num((value / error) ** 2), FAR**2)
        misfit = np.bincount(self.differences.node_exposure, distance, len(self.boxes))
        for i in sorted(self.tied, key=lambda i: -misfit[i]):
            if i in self.held:
                continue
            evidence, nodes = self.network.evidence(i, solution, self.candidates[i])
            choice = choose(evidence)
            solution.candidates[i], solution.coefficients[i] = choice.candidate, choice.coefficients
            self.scores[i] = choice.scores
            # Bins that were outliers of the previous model may agree with this one.
            self.network.good[nodes] = ~choice.outliers

    def _drop_undetermined(self, solution: Solution) -> None:
        """Choose another candidate for exposures whose remaining bins do not determine all terms of theirs."""
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

    # -- the component common to all exposures --

    def _fixed(self, candidates: Sequence[Candidate]) -> list[int]:
        """Return one exposure of each group to fix: differences do not determine a component common to all."""
        if self.level == "reference":
            return self.anchors
        return [min(members, key=lambda i: candidates[i].terms) for members in self.members]

    def _least_squares(self, candidates: Sequence[Candidate], fixed: Sequence[int]) -> Solution:
        return Solution(list(candidates), System(self.network, candidates, fixed).solve())

    def _solve(self, candidates: Sequence[Candidate]) -> Solution:
        """Solve for all models; of equally good solutions, take the one that leaves most exposures unchanged."""
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
        """Solve for the final models, and add to each group the common component that `level` calls for."""
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
        """Return the order of the common component: one that at least half of the exposures have.

        It is limited to the order that every spline in the group represents exactly; -1 if no exposure has a model.
        """
        if all(candidates[i].terms == 0 for i in members):
            return -1
        orders = sorted(candidates[i].polynomial for i in members)
        most = [candidates[i].polynomial for i in members if candidates[i].nodes is not None]
        return max(0, min([orders[(len(orders) - 1) // 2], *most]))

    @staticmethod
    def _give_room(solution: Solution, members: list[int], order: int) -> None:
        """Extend all series of a group to the order of the shift, with coefficients of 0 for the new terms."""
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

    def _reduced(self, left: np.ndarray) -> float:
        """Return the scatter of the nodes in units of their errors, corrected for the number of fitted terms."""
        value, error = self.network.residuals(left)
        with np.errstate(invalid="ignore"):
            distance = (value / error)[self.network.good]
        distance = distance[np.isfinite(distance)]
        freedom = distance.size - sum(self.solved[i].terms for i in self.tied)
        return float(np.sqrt((distance**2).sum() / freedom)) if freedom > 0 else 1.0

    def _result(self, left: np.ndarray, scale: float, sweeps: int) -> Corrections:
        solution = self.final
        covariances = System(self.network, self.solved, self.fixed).covariances(solution.candidates, self.shifts)
        value, error = self.network.residuals(left)
        group_of = {i: number for number, members in enumerate(self.members) for i in members}
        partners: list[set[int]] = [set() for _ in self.boxes]
        for pair in self.differences.pairs:
            partners[pair.first].add(pair.second)
            partners[pair.second].add(pair.first)
        exposures = []
        for i, box in enumerate(self.boxes):
            if i not in group_of:
                exposures.append(Correction(None))
                continue
            span = self.differences.nodes_of(i)
            good = self.network.good[span] & np.isfinite(value[span])
            with np.errstate(invalid="ignore"):
                distance = value[span][good] / error[span][good]
            exposures.append(
                Correction(
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
        anchors = self.anchors if self.level == "reference" else [-1] * len(self.anchors)
        return Corrections(exposures, anchors, scale, sweeps)
