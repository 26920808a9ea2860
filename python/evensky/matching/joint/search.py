"""Search for the models that make all exposures agree: their complexity, coefficients and errors."""

from __future__ import annotations

__all__ = ["fit_all"]

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ...errors import InvalidParameterError
from .alarms import Alarms
from .candidates import NONE, Candidate, Extra, drift_extras, smooth_candidates
from .differences import Coverage, Differences
from .evidence import (
    LARGEST_GAIN,
    ORDERS_ABOVE,
    Choice,
    Score,
    Selection,
    choices_of,
    choose,
    option_sets,
    plausible_sizes,
    series_gains,
    series_order,
    within_noise,
)
from .fits import ExposureFit, JointFit, TermFit
from .grid import CommonGrid, PixelBox
from .levels import LEVELS, settle
from .models import Choices, Model
from .network import Chip, Network, Solution, robust_scale
from .overlaps import overlaps_of
from .pixel_map import PixelMap
from .planes import Plane, level_plane, plane_of, unit_of, with_common_labels
from .random_numbers import covariance_of
from .scene import mean_scene
from .system import UNITS_AROUND, Anchor, Equations, grid_of_points
from .terms import DEFAULT_TERMS, Term, terms_of

# Largest number of sweeps, which choose candidates and solve for all models; two or three are nearly always enough.
_SWEEPS = 8
# The search begins with the best of these orders, the same for all exposures.
_FIRST_ORDERS = (0, 1, 2, 4)
# Highest order that the differences of a pair are tried with, and the share of the bins of a unit that a pair must have
# to say something about its order.
_PAIR_ORDER, _PAIR_SHARE = 4, 0.25
# Highest degree whose plausible size is measured; those of higher degrees follow from it.
_SIZES_FROM = 3
# Squared residuals beyond this number of standard errors count no more when the first order is chosen.
_FAR = 4.0
# The reference must cover this share of the bins of its group, or the level is the mean.
_WHOLE_FIELD = 0.7
# An overlap is worse than before if chi2 of its bins has grown by more than this.
_WORSE = 16.0
# Residual scatter in units of its errors beyond which outliers may be due to the model, and the ratio to that of a
# model that fits them.
_MISFIT, _BETTER = 1.5, 0.7
# Throughputs are not believed if they differ by more than `LARGEST_GAIN`, or if models of more smooth terms than this
# still leave a residual scatter of more than this, in units of its errors; nor are drifts that leave a scatter of more
# than that.
_SIMPLE, _GAIN_MISFIT, _DRIFT_MISFIT = 6, 1.4, 2.5
# Difference of a throughput from 1, in standard errors, from which it is believed.
_LEAST_GAIN = 3.0
# Largest error with which a throughput is worth measuring.
_GAIN_ERROR = 0.02
# Largest number of points in compared bins at which candidates are compared.
_POINTS = 200


def fit_all(
    boxes: Sequence[PixelBox],
    grid: CommonGrid,
    differences: Differences,
    *,
    preference: Sequence[int],
    level: str = "auto",
    order: int = 8,
    spline: bool = True,
    terms: Sequence[str | Term] = DEFAULT_TERMS,
    planes: Mapping[str, Sequence[np.ndarray | None]] | None = None,
    coverage: Sequence[Coverage] | None = None,
    fixed: Sequence[int] = (),
    anchors: Sequence[Anchor] = (),
    chips: Sequence[Chip] | None = None,
    chip_levels: bool = True,
    maps: Sequence[PixelMap | None] | None = None,
    stars: Sequence[np.ndarray] | None = None,
    clipping: float | None = None,
) -> JointFit:
    """Find the models that make all exposures agree.

    Parameters
    ----------
    boxes : sequence of (x0, y0, width, height)
        Boxes of the exposures in their own coordinates.
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
    terms : sequence of str or Term, optional
        Terms that the models may have.
    planes : mapping of str to sequence of ndarray or None, optional
        For each name of a term with an image, the image for each exposure: a template, or labels.
    coverage : sequence of Coverage, optional
        Binned levels of the exposures; without them, there is no throughput.
    fixed : sequence of int, optional
        Exposures that stay unchanged.
    anchors : sequence of Anchor, optional
        Models that are known, with their errors. They take the place of the level.
    chips : sequence of Chip, optional
        Places in the focal plane, if exposures have several chips. Chips of one exposure share its smooth model.
    chip_levels : bool, optional
        Whether each chip may have a level of its own as well.
    maps : sequence of PixelMap or None, optional
        For each exposure, the map from the common grid to its own coordinates; by default they are the same.
    stars : sequence of ndarray, shape (n, 2), optional
        Positions of the brightest stars of each exposure on the common grid, with which the WCS are checked.
    clipping : float, optional
        Closure of clipped noise; by default that of clipping at 3 standard deviations.

    Returns
    -------
    JointFit
        Models and levels are in the unit of each exposure's own pixels.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For an unknown level or an order below 0.
    """
    if level not in LEVELS:
        raise InvalidParameterError(f"level is {level!r}; it must be one of {', '.join(LEVELS)}")
    if order < 0:
        raise InvalidParameterError(f"order = {order}; it must be at least 0")
    made_terms = terms_of(terms)
    made = _planes_of(made_terms, planes or {}, len(boxes))
    network = Network(boxes, grid, differences, chips=chips, planes=made, maps=maps)
    anchors = [
        replace(anchor, value=anchor.value * factor, error=anchor.error * factor)
        for anchor in anchors
        for factor in [network.factor(anchor.exposure)]
    ]
    search = _Search(
        network,
        preference,
        level,
        order,
        spline,
        made_terms,
        coverage,
        fixed,
        anchors,
        clipping,
        chip_levels=chip_levels,
        stars=stars,
    )
    return search.run()


def _planes_of(
    terms: Sequence[Term], planes: Mapping[str, Sequence[np.ndarray | None]], number: int
) -> list[dict[str, Plane]]:
    result: list[dict[str, Plane]] = [{} for _ in range(number)]
    for term in terms:
        given = planes.get(term.name, ())
        images = {id(image): image for image in given if image is not None}
        unit = unit_of(images.values()) if term.kind == "template" else 1.0
        made = [plane_of(term.kind, image, unit) for image in images.values()]
        known = dict(zip(images, with_common_labels(made) if term.shared else made, strict=True))
        for i, image in enumerate(given):
            if image is not None:
                result[i][term.name] = known[id(image)]
    return result


class _Search:
    def __init__(
        self,
        network: Network,
        preference: Sequence[int],
        level: str,
        order: int,
        spline: bool,
        terms: Sequence[Term],
        coverage: Sequence[Coverage] | None,
        fixed: Sequence[int],
        anchors: Sequence[Anchor],
        clipping: float | None,
        *,
        chip_levels: bool = True,
        stars: Sequence[np.ndarray] | None = None,
    ) -> None:
        self.network = network
        self.chip_levels = chip_levels
        self.differences = network.differences
        self.order = order if any(term.kind == "smooth" for term in terms) else -1
        self.spline = spline and self.order >= 0
        self.terms = list(terms)
        self.coverage = coverage
        self.anchors = list(anchors)
        self.stars = stars
        self.clipping = clipping
        self.shared = NONE
        self.zeros = np.zeros(len(network.boxes))
        self.scores: dict[int, list[Score]] = {}
        self.scales: dict[int, float] = {}
        self._known_points: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        # What the last solution depends on, and the solution with its residuals; forgotten before it is changed.
        self._last_solution: tuple[Any, np.ndarray | None, tuple[Solution, np.ndarray]] | None = None
        self._last_points: tuple[tuple[bytes, PixelBox], tuple[np.ndarray, np.ndarray]] | None = None
        self._begin_watch(network.number)
        self._group(preference, fixed, level)
        # Larger sets than are solved for along with each choice, of exposures of one chip each.
        self.large = len(self.tied) > UNITS_AROUND + 1 and all(len(images) == 1 for images in network.images)
        self._pair_orders: list[int] = []
        self.steps = [self._smooth_steps(unit) for unit in range(network.number)]
        self.options = [list(self._options(unit)) for unit in range(network.number)]
        self.required = {term.name for term in terms if term.required}

    # -- groups and what is fixed --

    def _group(self, preference: Sequence[int], fixed: Sequence[int], level: str) -> None:
        network = self.network
        of_image = self.differences.groups()
        parent = list(range(int(of_image.max(initial=-1)) + 1))

        def top(group: int) -> int:
            while parent[group] != group:
                group = parent[group]
            return group

        for images in network.images:  # the chips of an exposure tie their groups together
            some = [top(int(of_image[i])) for i in images if of_image[i] >= 0]
            for other in some[1:]:
                parent[other] = some[0]
        unit_group = [
            next((top(int(of_image[i])) for i in images if of_image[i] >= 0), -1) for images in network.images
        ]
        distinct = sorted(set(unit_group) - {-1})
        place_of = {group: at for at, group in enumerate(distinct)} | {-1: -1}
        self.groups = [place_of[group] for group in unit_group]
        self.members: list[list[int]] = [[] for _ in distinct]
        for u, at in enumerate(self.groups):
            if at >= 0:
                self.members[at].append(u)
        self.tied = [u for members in self.members for u in members]
        rank = {image: at for at, image in enumerate(preference)}
        best = [min(rank[i] for i in images) for images in network.images]
        self.references = [min(members, key=lambda u: best[u]) for members in self.members]
        self.level = self._resolved(level)
        chosen = {network.unit[i] for i in fixed}
        anchored = {network.unit[anchor.exposure] for anchor in self.anchors}
        self.unchanged = chosen - anchored
        self.free_groups = []  # groups whose level nothing fixes but the level of the run
        for members, reference in zip(self.members, self.references, strict=True):
            if not (chosen | anchored).isdisjoint(members):
                continue
            if self.level == "reference":
                self.unchanged.add(reference)
            else:
                self.free_groups.append(members)
        # Units that the equations hold: in a group without a fixed unit, any one of them, as its models are shifted.
        self.held = set(self.unchanged) | {min(members, key=lambda u: best[u]) for members in self.free_groups}

    def _resolved(self, level: str) -> str:
        if level != "auto":
            return level
        d = self.differences
        if self.network.on_sky and any(len(images) > 1 for images in self.network.images):
            return "mean"  # the levels of the chips of a reference are not those of other exposures at the same places
        for members, reference in zip(self.members, self.references, strict=True):
            field_bins = np.unique(np.concatenate([d.node_bin[self.network.nodes_of(u)] for u in members]))
            own = np.unique(d.node_bin[self.network.nodes_of(reference)])
            if own.size < _WHOLE_FIELD * field_bins.size:
                return "mean"
        return "reference"

    # -- candidates --

    def _bins_along(self, unit: int) -> tuple[int, int]:
        """Return the numbers of whole bins along x and y; a node for a part of a bin would depend on a few pixels."""
        return self.network.bins_along(unit)

    def _smooth_steps(self, unit: int) -> tuple[list[Candidate], list[Candidate]]:
        if self.order < 0:
            return [NONE], []
        # A spline over a focal plane is no spline over one of its chips.
        spline = self.spline and len(self.network.images[unit]) == 1
        # Nor is the sum of a spline and a series that all exposures share.
        spline = spline and not any(term.kind == "smooth" and term.shared for term in self.terms)
        every = smooth_candidates(self.order, self._bins_along(unit), spline=spline)
        must = any(term.kind == "smooth" and term.required for term in self.terms)
        series = [candidate for candidate in every if candidate.nodes is None and (candidate.terms or not must)]
        return series, [candidate for candidate in every if candidate.nodes is not None]

    def _options(self, unit: int) -> Iterator[tuple[Extra, ...]]:
        """Return the variants of each further term of a unit."""
        images = self.network.images[unit]
        if len(images) > 1 and self.chip_levels:
            # One level for each chip, apart from their mean, which the smooth part holds.
            shares = np.linalg.qr(np.ones((len(images), 1)), mode="complete")[0][:, 1:]
            for i, row in zip(images, shares, strict=True):
                self.network.planes[i]["chip"] = level_plane(row)
            yield (Extra("detector", "chip", len(images) - 1),)
        for term in sorted(self.terms, key=lambda term: term.kind == "gain"):  # the throughput is the last term
            if term.shared or term.kind == "smooth":
                continue
            if term.kind in ("rows", "columns"):
                bins = self._bins_along(unit)[1 if term.kind == "rows" else 0]
                if len(images) == 1 and self.order > 0 and self.spline and (variants := drift_extras(term.kind, bins)):
                    yield tuple(variants)
            elif term.kind == "gain":
                if self.coverage is not None:
                    yield (Extra("gain", "gain", 1),)
            else:
                terms = 0
                for i in images:
                    own = self.network.planes[i][term.name].terms if term.name in self.network.planes[i] else 0
                    if term.kind == "template":  # all chips have the same amplitude
                        terms = max(terms, own)
                    else:
                        self.network.first_terms[i][term.name] = terms
                        terms += own
                if terms:
                    yield (Extra(term.kind, term.name, terms),)

    def _number_of_bins(self, unit: int) -> int:
        return sum(span.stop - span.start for span in (self.differences.nodes_of(i) for i in self.network.images[unit]))

    def _must(self, unit: int) -> tuple[Extra, ...]:
        return option_sets(self.options[unit], self.required, ())[0]

    # -- search --

    def run(self) -> JointFit:
        solution, sweeps = self._searched()
        if doubtful := self._doubtful(solution):
            # A throughput, and a drift beside a smooth part, are told from a sky only by models that fit.
            for options in self.options:
                options[:] = [variants for variants in options if variants[0].kind not in doubtful]
            solution, more = self._searched()
            sweeps += more
        solution = self._without_chance_gains(solution)
        solution, _ = self._share(solution)
        solution, residual = self._without_worse(solution)
        return self._result(solution, residual, sweeps)

    def _searched(self) -> tuple[Solution, int]:
        """Choose candidates until they stay the same; return the solution and the number of sweeps."""
        self.network.good = ~self.differences.node_odd
        self.scales, self.scores = {}, {}
        self._begin_watch(self.network.number)
        solution, residual = self._begin()
        if self.free_groups and not self.large:
            solution, residual = self._recentred(solution, residual)
        found: list[tuple[np.ndarray, list[Candidate]]] = []
        for _ in range(_SWEEPS):
            good = self.network.good
            self.network.reject(residual)
            self._look_at_scene(solution)
            before = list(solution.candidates)
            equations = self._equations(solution.candidates)
            self._clock += 1
            of_changed = self.differences.node_exposure[good != self.network.good]
            self._touch(equations, {self.network.unit[image] for image in np.unique(of_changed).tolist()})
            self._sweep(equations, solution, residual)
            if equations.given == before:
                self._simplify(equations, solution)
            solution = equations.solve()
            residual = self._residual(solution)
            found.append((self._distances(residual), list(solution.candidates)))
            if solution.candidates == before:
                break
            seen = [candidates for _, candidates in found[:-1]]
            if solution.candidates in seen:
                # Each choice rests on the scatter that the last one left, so choices may alternate.
                alternating = seen[seen.index(solution.candidates) :]
                solution, residual = self._solved(min(alternating, key=self._criterion))
                break
        else:
            solution, residual = self._solved(self._best(found))
        self.network.reject(residual)
        self._look_at_scene(solution)
        return self._solved(solution.candidates)[0], len(found)

    # The choice of a unit stays the same until something changes about it or about a neighbour: the first sweeps look
    # at all units of a large set, the later ones only at those that are not settled.

    def _begin_watch(self, number: int) -> None:
        """Begin to note when units were looked at, and when something changed about them, in numbers of sweeps."""
        self._clock = 0
        self._touched, self._looked_at = np.zeros(number, int), np.full(number, -1)
        self._looked_at_pair: dict[tuple[int, int], int] = {}

    def _touch(self, equations: Equations, units: Collection[int]) -> None:
        """Note that something changed about units."""
        for unit in units:
            self._touched[[unit, *equations.neighbours(unit)]] = self._clock

    def _distances(self, residual: np.ndarray) -> np.ndarray:
        """Return the distances of all nodes from their partners, in standard errors."""
        value, error = self.network.residuals(residual)
        with np.errstate(invalid="ignore"):
            distance = np.abs(value / error)
        return np.asarray(distance[np.isfinite(distance)])

    def _best(self, found: Sequence[tuple[np.ndarray, list[Candidate]]]) -> list[Candidate]:
        """Return the candidates with the lowest criterion, in which far outliers count no more.

        Parameters
        ----------
        found : sequence of (ndarray, list of Candidate)
            Distances of the nodes, and the candidates that leave them.
        """
        scale = max(1.0, min(robust_scale(distance) for distance, _ in found))

        def score(one: tuple[np.ndarray, list[Candidate]]) -> float:
            return float(np.minimum((one[0] / scale) ** 2, _FAR**2).sum()) + self._price(one[1])

        return min(found, key=score)[1]

    def _price(self, candidates: Sequence[Candidate]) -> float:
        """Return the part of the criterion that is due to the numbers of terms."""
        return float(sum(candidates[u].terms * np.log(max(self._number_of_bins(u), 1)) for u in self._free))

    def _doubtful(self, solution: Solution) -> set[str]:
        """Return the kinds of further terms that were chosen and are not believed."""
        free = self._free
        chosen = {
            extra.kind for u in free for extra in solution.candidates[u].extras if extra.name not in self.required
        }
        if not chosen & {"gain", "rows", "columns"}:
            return set()
        residual = self._residual(solution)
        misfit = self._reduced(residual, solution.candidates)
        found = chosen & {"rows", "columns"} if misfit > _DRIFT_MISFIT else set()
        if "gain" in chosen:
            gains = [
                float(solution.coefficients[u][-1])
                for u in free
                if any(extra.kind == "gain" for extra in solution.candidates[u].extras)
            ]
            terms = np.median([solution.candidates[u].smooth_terms for u in free])
            if np.ptp([0.0, *gains]) > LARGEST_GAIN or (misfit > _GAIN_MISFIT and terms > _SIMPLE):
                found.add("gain")
        return found

    def _without_chance_gains(self, solution: Solution) -> Solution:
        """Drop the throughputs that agree with 1, whatever their criterion: they would take other terms along."""
        measured = [u for u in self._free if any(extra.kind == "gain" for extra in solution.candidates[u].extras)]
        measured = [u for u in measured if "gain" not in self.required]
        if not measured:
            return solution
        scale = max(1.0, self._reduced(self._residual(solution), solution.candidates))
        covariances = self._equations(solution.candidates).covariances(solution.candidates, [])
        candidates = list(solution.candidates)
        for u in measured:  # the throughput is the last term
            error = scale * float(np.sqrt(max(covariances[u][-1, -1], 0.0)))
            if abs(float(solution.coefficients[u][-1])) < _LEAST_GAIN * error:
                extras = tuple(extra for extra in candidates[u].extras if extra.kind != "gain")
                candidates[u] = replace(candidates[u], extras=extras)
        return solution if candidates == solution.candidates else self._solved(candidates)[0]

    def _equations(self, candidates: Sequence[Candidate], shared: Candidate | None = None) -> Equations:
        return Equations(
            self.network,
            candidates,
            self._fixed,
            shared=self.shared if shared is None else shared,
            anchors=self.anchors,
        )

    def _solved(self, candidates: Sequence[Candidate]) -> tuple[Solution, np.ndarray]:
        """Return the solution for some candidates, and its residuals; the last one is known."""
        key = list(candidates), self.shared, self._fixed, self.network.good.tobytes()
        known = self._last_solution
        if known is None or known[0] != key or known[1] is not self.network.scene:
            solution = self._equations(candidates).solve()
            self._last_solution = known = key, self.network.scene, (solution, self._residual(solution))
        return known[2]

    def _residual(self, solution: Solution) -> np.ndarray:
        """Return the residuals of the rows: measured minus predicted differences."""
        return np.asarray(self.differences.value - self.network.predicted(solution))

    @property
    def _fixed(self) -> set[int]:
        """Units without any model.

        The smooth model of a unit that is held for its group is that of all others with the opposite sign. On one pixel
        grid, so are its further terms. On the sky, they are not: levels of its chips differ from those of other
        exposures even if all have the same, as chips of different names meet.
        """
        return {u for u in self.held if u in self.unchanged or not (self.network.on_sky and self._further(u))}

    def _further(self, unit: int) -> list[tuple[Extra, ...]]:
        """Return the options of a unit that is held for its group: terms of its own pixels, without the throughput."""
        return [variants for variants in self.options[unit] if variants[0].kind != "gain"]

    @property
    def _free(self) -> list[int]:
        """Units that are tied to others and have a model."""
        fixed = self._fixed
        return [u for u in self.tied if u not in fixed]

    def _look_at_scene(self, solution: Solution) -> None:
        if self.coverage is not None and any(term.kind == "gain" for term in self.terms):
            self.network.scene, self.zeros = mean_scene(self.network, self.coverage, solution)

    def _begin(self) -> tuple[Solution, np.ndarray]:
        """Find the best order that is the same for all exposures; return its solution and residuals."""
        plain = [
            Candidate(0) if u not in self.held and self.groups[u] >= 0 else NONE for u in range(self.network.number)
        ]
        self._look_at_scene(self._solved(plain)[0])
        if self.large:
            return self._solved(self._begin_locally())
        found = []
        for order in sorted({min(order, self.order) for order in _FIRST_ORDERS}):
            candidates = self._all_supported(order)
            found.append((self._distances(self._solved(candidates)[1]), candidates))
        return self._solved(self._best(found))

    def _begin_locally(self) -> list[Candidate]:
        """Find the order that each unit of a large set needs from its own pairs; hold units that need the lowest.

        The difference of two units does not depend on the part that all have in common, and needs the higher one of the
        orders of both. The lowest order among the pairs of a unit is therefore its own, unless all of its neighbours
        need more. An order that is the same for all would be too high for most, and a choice for one unit cannot lower
        it while units that are too far away to be solved along keep theirs: the higher terms would vanish from the held
        unit outwards, a few units farther with each sweep.
        """
        d = self.differences
        weights = self.network.weights()
        most = max(0, min(_PAIR_ORDER, self.order))
        self._pair_orders = []
        sizes, spreads = np.zeros((2, len(d.pairs)))
        for at, rows in enumerate(d.rows):
            some = weights[rows] > 0
            terms = self.network.design(at, 0, Candidate(most))[some]
            values = d.value[rows][some]
            sizes[at], spreads[at] = len(values), float(np.std(values)) if len(values) else 0.0
            self._pair_orders.append(series_order(terms, values, 1.0 / d.variance[rows][some]))
        lowest, typical, spread = {}, {}, {}
        for u in self.tied:
            pairs = [at for image in self.network.images[u] for at, _ in self.network.pairs_of[image]]
            enough = min(_PAIR_SHARE * self._number_of_bins(u), max(sizes[at] for at in pairs))
            orders = [self._pair_orders[at] for at in pairs if sizes[at] >= enough]
            lowest[u], typical[u] = min(orders), float(np.mean(orders))
            spread[u] = float(np.median([spreads[at] for at in pairs]))
        for members in self.free_groups:
            self.held -= set(members)
            self.held.add(min(members, key=lambda u: (lowest[u], typical[u], spread[u])))
        # Models are relative to those that are held.
        least = [max((lowest[u] for u in members if u in self.held), default=0) for members in self.members]
        fixed = self._fixed
        return [
            NONE if u in fixed or at < 0 else self._supported(u, min(max(lowest[u], least[at]), self.order))
            for u, at in enumerate(self.groups)
        ]

    def _all_supported(self, order: int) -> list[Candidate]:
        """Return series of one order for all units, of a lower one where bins are few."""
        fixed = self._fixed
        return [NONE if u in fixed else self._supported(u, order) for u in range(self.network.number)]

    def _supported(self, unit: int, order: int) -> Candidate:
        extras = self._must(unit)
        room = 0.5 * self._number_of_bins(unit) - sum(extra.terms for extra in extras)
        while order > 0 and Candidate(order).terms > room:
            order -= 1
        if self.groups[unit] < 0:
            return NONE
        if unit in self.held:
            return Candidate(-1, extras=tuple(extra for extra in extras if extra.kind != "gain"))
        return Candidate(order, extras=extras)

    def _recentred(self, solution: Solution, residual: np.ndarray) -> tuple[Solution, np.ndarray]:
        """Hold, in each group without a fixed unit, the one whose background is most like those of the others.

        The others then need the fewest terms.
        """
        predicted = self.network.predicted(solution)
        unlike: dict[int, list[float]] = {u: [] for u in self.tied}
        for pair, rows in zip(self.differences.pairs, self.differences.rows, strict=True):
            spread = float(np.std(predicted[rows]))
            for image in (pair.first, pair.second):
                unlike[self.network.unit[image]].append(spread)
        changed = False
        for members in self.free_groups:
            now = next(u for u in members if u in self.held)
            best = min(members, key=lambda u: (float(np.median(unlike[u])), u != now))
            if best != now:
                self.held.remove(now)
                self.held.add(best)
                changed = True
        if not changed:
            return solution, residual
        order = max(candidate.order for candidate in solution.candidates)
        return self._solved(self._all_supported(order))

    def _sweep(self, equations: Equations, solution: Solution, residual: np.ndarray) -> None:
        """Choose a candidate for each unit, the others' models solved along; the largest residuals first."""
        squares = self._squares(residual)
        for unit in sorted(self._free, key=lambda u: -squares[u]):
            if self._touched[unit] < self._looked_at[unit]:
                continue
            self._looked_at[unit] = self._clock
            choice = self._choose(equations, solution, unit, float(squares[unit]), residual, few=self.large)
            if self.large and not self._suffices(unit, choice, equations.given[unit]):
                choice = self._choose(equations, solution, unit, float(squares[unit]), residual)
            if choice.scale > _MISFIT or _drifts(choice.fit.candidate):
                # One further term may fit only together with another.
                choice = self._choose(equations, solution, unit, float(squares[unit]), residual, every=True)
            if choice.scale > _MISFIT:
                choice = self._with_all_bins(equations, solution, unit, residual, choice)
            if choice.fit.candidate != equations.given[unit]:
                equations.change(unit, choice.fit.candidate)
                self._touch(equations, [unit])
            self.scales[unit] = choice.scale
            if unit not in self.held:  # the smooth model of a unit that is held is not chosen
                self.scores[unit] = choice.scores

    def _with_all_bins(
        self, equations: Equations, solution: Solution, unit: int, residual: np.ndarray, choice: Choice
    ) -> Choice:
        """Choose again with the bins that were outliers of a model that does not fit, if another model fits them."""
        network = self.network
        nodes = network.nodes_of(unit)
        before = network.good[nodes]
        network.good[nodes] = ~self.differences.node_odd[nodes]
        if np.array_equal(before, network.good[nodes]):
            return choice
        equations.reweigh(unit)
        squares = self._squares_of(unit, residual)
        again = self._choose(equations, solution, unit, squares, residual, every=True)
        if again.scale < _BETTER * choice.scale:
            self._touch(equations, [unit])
            return again
        network.good[nodes] = before
        equations.reweigh(unit)
        return choice

    def _squares(self, residual: np.ndarray) -> np.ndarray:
        """Return the sum of the squared distances of the good nodes of each unit, in standard errors."""
        value, error = self.network.residuals(residual)
        with np.errstate(invalid="ignore"):
            distance = np.nan_to_num((value / error) ** 2) * self.network.good
        units = np.array(self.network.unit)[self.differences.node_exposure]
        return np.bincount(units, distance, self.network.number)

    def _squares_of(self, unit: int, residual: np.ndarray) -> float:
        """Return the sum of the squared distances of the good nodes of one unit, as `_squares` does of all."""
        total = 0.0
        for image in self.network.images[unit]:
            value, error = self.network.residuals_of(image, residual)
            with np.errstate(invalid="ignore"):
                distance = np.nan_to_num((value / error) ** 2)
            total += float((distance * self.network.good[self.differences.nodes_of(image)]).sum())
        return total

    def _gain_is_measurable(self, unit: int) -> bool:
        """Return whether the scene varies enough for its throughput to be measured."""
        scene = self.network.scene
        d = self.differences
        nodes = self.network.nodes_of(unit)
        nodes = nodes[self.network.good[nodes]]
        if scene is None or nodes.size < 2:
            return False
        spread = float(np.std(scene[self.network.place[nodes]]))
        error = float(np.sqrt(2 * np.median(d.node_variance[nodes]) / nodes.size))
        return spread > 0 and error / spread < _GAIN_ERROR

    def _promising(self, unit: int, now: Candidate, residual: np.ndarray) -> list[tuple[Extra, ...]]:
        """Return the further terms that may be worth their price.

        Left out are drifts of which the residuals show no sign, and the throughput of a scene without structure.

        What drifting rows can gain is about the sum of the squares of the mean residuals of the rows.
        """
        found = []
        lines: list[_Lines] = []
        for variants in self._further(unit) if unit in self.held else self.options[unit]:
            if set(variants) & set(now.extras) or variants[0].name in self.required:
                found.append(variants)
                continue
            if variants[0].kind == "gain" and not self._gain_is_measurable(unit):
                continue
            if variants[0].nodes:
                lines = lines or self._lines(unit, residual)
                gain = sum(one.gain(rows=variants[0].kind == "rows") for one in lines)
                price = min(extra.terms for extra in variants) * np.log(max(self._good_bins(unit), 2))
                if gain < price * self.scales.get(unit, 1.0) ** 2:
                    continue
            found.append(variants)
        return found

    def _lines(self, unit: int, residual: np.ndarray) -> list[_Lines]:
        """Return the residuals of the good nodes of each image of a unit, with their rows and columns of bins."""
        found = []
        for image in self.network.images[unit]:
            span = self.differences.nodes_of(image)
            value, error = self.network.residuals_of(image, residual)
            good = self.network.good[span] & np.isfinite(value) & (error > 0)
            numbers = self.differences.distinct_bins[self.differences.node_bin[span][good]]
            found.append(_Lines(*self.network.grid.places(numbers), value[good], error[good] ** -2))
        return found

    def _choose(
        self,
        equations: Equations,
        solution: Solution,
        unit: int,
        squares: float,
        residual: np.ndarray,
        *,
        every: bool = False,
        few: bool = False,
    ) -> Choice:
        """Choose the candidate of a unit.

        Parameters
        ----------
        squares : float
            Sum of the squared residuals of the present model.
        residual : ndarray
            Residuals of the rows.
        every : bool, optional
            Compare all sets of further terms, and not only those that differ from the present one in one term.
        few : bool, optional
            Compare neither splines nor series far above the present one.
        """
        series, splines = ([NONE], []) if unit in self.held else self.steps[unit]
        now = equations.candidates[unit]
        if few and now.nodes is None:
            series, splines = self._low_series(series, now), []
        options = self._promising(unit, now, residual)
        select = partial(self._selection, equations, solution, unit, options=options)
        ladder = select(series)
        makers = [(candidate, partial(select, [candidate])) for candidate in splines]
        source = ladder if now.nodes is None else select([now.smooth])
        gained = next((fit.gained for fit in source.fits(now.extras) if fit.candidate == now), 0.0)
        return choose(
            ladder,
            makers,
            option_sets(options, self.required, now.extras, every=every),
            bins=self._good_bins(unit),
            squares=squares,
            now=gained,
        )

    def _low_series(self, series: Sequence[Candidate], now: Candidate) -> list[Candidate]:
        """Return the series up to some orders above that of a present model, and at least one."""
        low = [candidate for candidate in series if candidate.order <= max(now.order, 0) + ORDERS_ABOVE]
        return low or list(series[:1])

    def _suffices(self, unit: int, choice: Choice, before: Candidate) -> bool:
        """Return whether splines and higher series than those of a choice could only follow noise."""
        chosen, freedom = choice.fit.candidate, self._good_bins(unit) - choice.fit.rank
        series = self.steps[unit][0]
        low = self._low_series(series, before)
        if before.nodes is not None or unit in self.held:
            return True  # all were compared
        return (chosen.order < low[-1].order or len(low) == len(series)) and within_noise(
            choice.scale**2 * freedom, freedom
        )

    def _good_bins(self, unit: int) -> int:
        return int(self.network.good[self.network.nodes_of(unit)].sum())

    def _selection(
        self,
        equations: Equations,
        solution: Solution,
        unit: int,
        steps: Sequence[Candidate],
        *,
        options: Sequence[tuple[Extra, ...]],
    ) -> Selection:
        extras = tuple(extra for variants in options for extra in variants)
        design = replace(max(steps, key=lambda candidate: candidate.smooth_terms), extras=extras)
        gram, own, right = equations.eliminate([unit], [design], solution)
        everywhere = [self.network.terms_at(image, design, *self._points(image)) for image in self.network.images[unit]]
        return Selection(design, list(steps), gram, own, right, np.vstack(everywhere), equations.weight_of(unit))

    def _points(self, image: int) -> tuple[np.ndarray, np.ndarray]:
        """Return points on the common grid that are spread over the bins of an image with good pixels."""
        if image not in self._known_points:
            if self.coverage is None or not self.coverage[image].bins.size:
                x, y = self.network.own_bases[image].to_common(*grid_of_points(self.network.boxes[image]))
            else:
                x, y = self._points_among(self.coverage[image].bins, self.network.footprints[image])
            self._known_points[image] = x, y
        return self._known_points[image]

    def _points_among(self, bins: np.ndarray, footprint: PixelBox) -> tuple[np.ndarray, np.ndarray]:
        """Return the centres of some bins in a footprint: the extremes, and some of the others."""
        key = bins.tobytes(), footprint
        if self._last_points is None or self._last_points[0] != key:  # exposures of one field often have the same bins
            x, y = self.network.grid.centres(bins, footprint)
            thin = max(1, x.size // _POINTS)
            some = np.unique(
                [*range(0, x.size, thin), *(int(k) for a in (x + y, x - y) for k in (a.argmin(), a.argmax()))]
            )
            self._last_points = key, (x[some], y[some])
        return self._last_points[1]

    # -- several units at once --

    def _scale(self) -> float:
        return float(np.median(list(self.scales.values()))) if self.scales else 1.0

    def _simplify(self, equations: Equations, solution: Solution) -> None:
        """Simplify the models of two neighbours, or of all units of one order, at once where the criterion falls.

        A change of one unit at a time may be trapped where two units have a term of which each needs its own only
        because the other has it.
        """
        done: set[int] = set()
        skipped = set(self.held)
        needed = self._needed_by_pairs()
        for unit in sorted(self.tied):
            for other in sorted(equations.neighbours(unit)):
                if unit >= other or unit in skipped or other in skipped:
                    continue
                if needed and not self._share_a_term(equations, unit, other, needed[unit, other]):
                    continue
                if max(self._touched[unit], self._touched[other]) < self._looked_at_pair.get((unit, other), -1):
                    continue
                self._looked_at_pair[unit, other] = self._clock
                if self._simplify_pair(equations, solution, unit, other):
                    done |= {unit, other}
                    skipped |= {unit, other}
        if done:
            self._touch(equations, done)
            return
        orders = {candidate.order for candidate in equations.candidates[:-1] if candidate.nodes is None}
        best = self._criterion(equations.given)
        for order in sorted(orders - {-1, 0}, reverse=True):
            simpler = [
                replace(candidate, order=order - 1)
                if candidate.nodes is None and candidate.order == order and not (order == 1 and _drifts(candidate))
                else candidate
                for candidate in equations.given
            ]
            if self._criterion(simpler) < best - 1e-6:
                for unit, candidate in enumerate(simpler):
                    equations.change(unit, candidate)
                self._touched[:] = self._clock
                return

    def _needed_by_pairs(self) -> dict[tuple[int, int], int]:
        """Return the orders that the differences of neighbours need, in a large set; nothing in another one."""
        unit = self.network.unit
        return {
            (min(unit[pair.first], unit[pair.second]), max(unit[pair.first], unit[pair.second])): order
            for pair, order in zip(self.differences.pairs, self._pair_orders, strict=False)
        }

    def _share_a_term(self, equations: Equations, unit: int, other: int, needed: int) -> bool:
        """Return whether two neighbours both have terms that their difference does not need."""
        return min(equations.candidates[unit].order, equations.candidates[other].order) > needed

    def _simplify_pair(self, equations: Equations, solution: Solution, unit: int, other: int) -> bool:
        now = equations.candidates[unit], equations.candidates[other]
        if any(candidate.nodes is not None for candidate in now) or min(one.order for one in now) < 0:
            return False
        highest = max(candidate.order for candidate in now)
        if highest < 1:
            return False
        total = now[0].smooth_terms + now[1].smooth_terms
        combinations = [
            (a, b)
            for a in range(min(highest + 1, self.order) + 1)
            for b in range(min(highest + 1, self.order) + 1)
            if Candidate(a).terms + Candidate(b).terms <= total
            and a != now[0].order
            and b != now[1].order
            and not (a < 1 and _drifts(now[0]))
            and not (b < 1 and _drifts(now[1]))
        ]
        if not combinations:
            return False
        most = max(max(pair) for pair in [*combinations, (now[0].order, now[1].order)])
        designs = [replace(candidate, order=most) for candidate in now]
        gram, _, right = equations.eliminate([unit, other], designs, solution)
        scale = max(self.scales.get(unit, 1.0), self.scales.get(other, 1.0))
        penalties = (float(np.log(max(self._good_bins(unit), 1))), float(np.log(max(self._good_bins(other), 1))))
        together = now[0].order, now[1].order
        criteria: dict[tuple[int, int], float] = {}
        for first in sorted({a for a, _ in [together, *combinations]}):
            orders = [b for a, b in [together, *combinations] if a == first]
            found = series_gains(gram, right, (designs[0], designs[1]), first, orders, penalties, scale)
            criteria.update(zip(((first, b) for b in orders), found, strict=True))
        best = min(combinations, key=lambda pair: criteria[pair])
        if criteria[best] >= criteria[together] - 1e-6:
            return False
        for u, candidate, order in zip((unit, other), now, best, strict=True):
            equations.change(u, replace(candidate, order=order))
        return True

    def _criterion(self, candidates: Sequence[Candidate], shared: Candidate | None = None) -> float:
        """Return the criterion of all models: chi2 plus ln n for each term."""
        equations = self._equations(candidates, shared)
        solution = equations.solve()
        residual = self._residual(solution)
        terms = [candidates[u].terms * np.log(max(self._good_bins(u), 1)) for u in self._free]
        common = float(solution.shared.terms * np.log(max(int(self.network.good.sum()), 1)))
        return float((equations.weights * residual**2).sum()) / self._scale() ** 2 + float(sum(terms)) + common

    def _share(self, solution: Solution) -> tuple[Solution, np.ndarray]:
        """Add the terms that all exposures share, where the data support them."""
        for term in self.terms:
            if not term.shared:
                continue
            for extra in self._shared_extras(term):
                wider = self._with_shared(term, extra)
                if term.required or self._criterion(solution.candidates, wider) < self._criterion(solution.candidates):
                    self.shared = wider
                    break
        return self._solved(solution.candidates)

    def _shared_extras(self, term: Term) -> list[Extra | int]:
        if term.kind == "smooth":
            return list(range(self.order, 0, -1)) if self.order > 0 else []
        if term.kind in ("rows", "columns"):
            along = [self._bins_along(u)[1 if term.kind == "rows" else 0] for u in range(self.network.number)]
            return list(reversed(drift_extras(term.kind, min(along, default=0))))
        numbers = [one[term.name].terms for one in self.network.planes if term.name in one]
        return [Extra(term.kind, term.name, max(numbers))] if numbers else []

    def _with_shared(self, term: Term, extra: Extra | int) -> Candidate:
        if isinstance(extra, int):
            return replace(self.shared, order=extra)
        return replace(self.shared, extras=(*self.shared.extras, extra))

    def _without_worse(self, solution: Solution) -> tuple[Solution, np.ndarray]:
        """Simplify models until no overlap is worse than before."""
        residual = self._residual(solution)
        candidates = list(solution.candidates)
        equations = self._equations(candidates)
        for _ in range(2 * len(self.tied)):
            worse = self._worse(residual)
            todo = [
                u
                for at in worse
                for u in {
                    self.network.unit[self.differences.pairs[at].first],
                    self.network.unit[self.differences.pairs[at].second],
                }
                if u not in self.held and candidates[u].smooth_terms > 1
            ]
            if not todo:
                break
            near: set[int] = set()  # at a time, only one of several units that were compared with each other
            for unit in sorted(todo, key=lambda u: -candidates[u].smooth_terms):
                if unit in near:
                    continue
                near |= {unit, *equations.neighbours(unit)}
                simpler = [
                    score.candidate
                    for score in self.scores.get(unit, [])
                    if score.candidate.extras == candidates[unit].extras
                    and score.candidate.smooth_terms < candidates[unit].smooth_terms
                    and not score.refused
                ]
                candidates[unit] = max(
                    simpler or [Candidate(0, extras=tuple(e for e in candidates[unit].extras if not e.nodes))],
                    key=lambda candidate: candidate.smooth_terms,
                )
            solution, residual = self._solved(candidates)
        return self._solved(candidates)

    def _worse(self, residual: np.ndarray) -> list[int]:
        """Return the pairs whose bins differ more after the match than before, beyond the noise; the worst first."""
        weights = self.network.weights()
        growth = weights * (residual**2 - self.differences.value**2) / self._scale() ** 2
        sums = [float(growth[rows].sum()) for rows in self.differences.rows]
        return sorted((at for at, value in enumerate(sums) if value > _WORSE), key=lambda at: -sums[at])

    # -- result --

    def _reduced(self, residual: np.ndarray, candidates: Sequence[Candidate]) -> float:
        """Return the reduced scatter of the nodes, in units of their errors and per degree of freedom."""
        value, error = self.network.residuals(residual)
        with np.errstate(invalid="ignore"):
            distance = (value / error)[self.network.good]
        distance = distance[np.isfinite(distance)]
        freedom = distance.size - sum(candidates[u].terms for u in self._free)
        return float(np.sqrt((distance**2).sum() / freedom)) if freedom > 0 else 1.0

    def _choices(self, equations: Equations, solution: Solution) -> dict[int, Choices]:
        """Return for each unit the variance that is due to the choice of its model."""
        selections = {
            u: self._selection(
                equations,
                solution,
                u,
                [NONE] if u in self.held else self._near_series(u, solution.candidates[u]),
                options=[(extra,) for extra in solution.candidates[u].extras],
            )
            for u in (self._free if self.order >= 0 else ())
        }
        levels = [solution.coefficients[u][0] for u in selections if solution.candidates[u].smooth_terms] or [0.0]
        noise = float(np.sqrt(np.median(self.differences.variance))) if self.differences.variance.size else 1.0
        sizes: list[np.ndarray | float] = [max(float(np.sqrt(np.mean(np.square(levels)))), noise)]
        fits = {
            degree: [_series_fit(selection, degree, self.scales.get(u, 1.0)) for u, selection in selections.items()]
            for degree in range(1, _SIZES_FROM + 1)
        }
        for degree in range(1, _SIZES_FROM + 1):
            some = [fit for fit in fits[degree] if fit is not None]
            largest = float(np.max(sizes[-1]))
            sizes.append(plausible_sizes(some, degree, 0.5 * largest if degree > 1 else largest))
        sizes += [float(np.max(sizes[-1])) * 0.5**k for k in range(1, self.order)]
        found = {}
        for u, selection in selections.items():
            one = choices_of(selection, solution.candidates[u], self.scales.get(u, 1.0), sizes)
            if one is not None:
                found[u] = one
        return found

    def _near_series(self, unit: int, chosen: Candidate) -> list[Candidate]:
        """Return the series that count in the error of a chosen one; in a small set, all of them."""
        series = self.steps[unit][0]
        if not self.large:
            return series
        most = max(_SIZES_FROM, max(chosen.order, 0) + ORDERS_ABOVE)
        return [candidate for candidate in series if candidate.order <= most]

    def _result(self, solution: Solution, residual: np.ndarray, sweeps: int) -> JointFit:
        self._last_solution = None
        scale = max(1.0, self._reduced(residual, solution.candidates))
        equations = self._equations(solution.candidates)
        choices = self._choices(equations, solution)
        shifts = settle(self.network, solution, self.free_groups, self.level)
        covariances = equations.covariances(solution.candidates, shifts)
        value, error = self.network.residuals(residual)
        partners: list[set[int]] = [set() for _ in self.network.boxes]
        for pair in self.differences.pairs:
            partners[pair.first].add(pair.second)
            partners[pair.second].add(pair.first)
        exposures = []
        for i, unit in enumerate(self.network.unit):
            span = self.differences.nodes_of(i)
            if self.groups[unit] < 0 or span.stop == span.start:
                exposures.append(ExposureFit(None))
                continue
            good = self.network.good[span] & np.isfinite(value[span])
            with np.errstate(invalid="ignore"):
                distance = value[span][good] / error[span][good]
            fit = ExposureFit(
                None,
                self.scores.get(unit, []),
                sorted(partners[i]),
                self.groups[unit],
                span.stop - span.start,
                int((~self.network.good[span]).sum()),
                float(np.sqrt(np.mean(value[span][good] ** 2))) if good.any() else np.nan,
                float(np.sqrt(np.mean(distance**2))) if good.any() else np.nan,
            )
            self._describe(fit, i, solution, covariances[unit] * scale**2, choices.get(unit))
            exposures.append(fit)
        self._normalise_gains(exposures)
        alarms = Alarms(self.network, self.clipping, scale)
        alarms.raise_on(exposures, residual, self._worse(residual))
        if self.stars is not None:
            alarms.raise_on_shifts(exposures, self.stars)
        for i, one in enumerate(exposures):
            one.divide(self.network.factor(i))
        fixed = [
            next((min(self.network.images[u]) for u in members if u in self.unchanged), -1) for members in self.members
        ]
        modelled = {i for i, one in enumerate(exposures) if one.model is not None}
        covariance = covariance_of(self.network, equations, solution, shifts, choices, scale, modelled, self.coverage)
        return JointFit(exposures, fixed, scale, sweeps, self.level, overlaps_of(self.network, residual), covariance)

    def _describe(
        self, fit: ExposureFit, image: int, solution: Solution, covariance: np.ndarray, choices: Choices | None
    ) -> None:
        """Add the model of an image, its throughput and its further terms to its fit."""
        unit = self.network.unit[image]
        candidate, coefficients = solution.candidates[unit], solution.coefficients[unit]
        keep = np.ones(candidate.terms, bool)
        if candidate.extras and candidate.extras[-1].kind == "gain":
            keep[-1] = False
            fit.gain, fit.gain_error = 1.0 - float(coefficients[-1]), float(np.sqrt(max(covariance[-1, -1], 0)))
        fit.zero = float(self.zeros[image])
        candidate = replace(candidate, extras=tuple(extra for extra in candidate.extras if extra.kind != "gain"))
        coefficients, covariance = coefficients[keep], covariance[np.ix_(keep, keep)]
        if solution.shared.terms:
            candidate, coefficients, covariance = _joined(
                candidate, coefficients, covariance, solution.shared, solution.shared_coefficients
            )
        candidate, own = self._own_terms(image, candidate)
        coefficients, covariance = coefficients[own], covariance[np.ix_(own, own)]
        box = self.network.boxes[image]
        own_basis = self.network.own_bases[image]
        if self.network.bases[image] is not own_basis and candidate.order >= 0:
            into = np.eye(candidate.terms)
            some = slice(0, candidate.smooth_terms)
            into[some, some] = own_basis.embedding(candidate, candidate.order, self.network.bases[image])
            coefficients, covariance = into @ coefficients, into @ covariance @ into.T
            if choices is not None:
                wide = own_basis.embedding(Candidate(choices.order), choices.order, self.network.bases[image])
                choices = Choices(choices.order, wide @ choices.covariance @ wide.T)
        model = Model(candidate, box, coefficients, covariance, choices=choices, planes=self.network.planes[image])
        fit.model = model
        fit.terms = [TermFit(extra.name, *model.coefficients_of(extra.name)) for extra in candidate.extras]
        fit.largest_sigma = float(model.sigma(*own_basis.to_own(*self._points(image))).max())

    def _own_terms(self, image: int, candidate: Candidate) -> tuple[Candidate, np.ndarray]:
        """Return a candidate with only those further terms that an image of its unit has, and their places."""
        extras, places, start = [], [np.arange(candidate.smooth_terms)], candidate.smooth_terms
        for extra in candidate.extras:
            plane = self.network.planes[image].get(extra.name)
            number = extra.terms if extra.nodes else 0 if plane is None else plane.terms
            first = start + (self.network.first_terms[image].get(extra.name, 0) if number < extra.terms else 0)
            if number:
                extras.append(replace(extra, terms=number))
                places.append(np.arange(first, first + number))
            start += extra.terms
        return replace(candidate, extras=tuple(extras)), np.concatenate(places)

    def _normalise_gains(self, exposures: Sequence[ExposureFit]) -> None:
        """Make all throughputs relative to the reference of their group, or to an exposure that stays unchanged.

        They were measured relative to the mean scene, whose throughput is the mean of all, and their errors relative to
        a unit that was held, which has none.
        """
        for members, reference in zip(self.members, self.references, strict=True):
            some = [one for u in members for i in self.network.images[u] if (one := exposures[i]).model is not None]
            if not some:
                continue
            unchanged = [u for u in members if u in self.unchanged]
            base = reference if reference in unchanged or not unchanged else unchanged[0]
            of_base = next(one for one in (exposures[i] for i in self.network.images[base]) if one.model is not None)
            mean = float(np.mean([one.gain for one in some]))
            gain, error = 1.0 + of_base.gain - mean, of_base.gain_error
            of_unit = {id(exposures[i]) for i in self.network.images[base]}
            for one in some:
                one.gain = (1.0 + one.gain - mean) / gain
                if id(one) in of_unit:
                    one.gain, one.gain_error = 1.0, 0.0
                elif one.gain_error == 0:
                    one.gain_error = error


@dataclass(frozen=True)
class _Lines:
    """Residuals of the good nodes of an image.

    Attributes
    ----------
    columns, rows : ndarray of int, shape (n,)
        Places of the bins on the common grid.
    values, weights : ndarray, shape (n,)
        Residuals, and their inverse variances.
    """

    columns: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    weights: np.ndarray

    def gain(self, *, rows: bool) -> float:
        """Return the sum of the squares of the mean residuals of rows or columns, in units of their errors."""
        line = self.rows if rows else self.columns
        if not line.size:
            return 0.0
        line = line - line.min()
        sums, weights = np.bincount(line, self.weights * self.values), np.bincount(line, self.weights)
        some = weights > 0
        return float((sums[some] ** 2 / weights[some]).sum())


def _drifts(candidate: Candidate) -> bool:
    return any(extra.nodes for extra in candidate.extras)


def _series_fit(selection: Selection, degree: int, scale: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the coefficients of a series and their variances; infinite for those that are not determined."""
    number = Candidate(degree).terms
    if selection.design.order < degree:
        return None
    gram = selection.gram[:number, :number]
    norm = np.sqrt(np.maximum(np.diag(gram), 0.0))
    empty = norm == 0  # terms that are 0 in all bins, as a slope across a single row of bins
    norm[empty] = 1.0
    values, vectors = np.linalg.eigh(gram / np.outer(norm, norm))
    values = np.maximum(values, 1e-12)
    inverse = (vectors / values) @ vectors.T / np.outer(norm, norm)
    return inverse @ selection.right[:number], np.where(empty, np.inf, np.diag(inverse) * scale**2)


def _joined(
    own: Candidate,
    coefficients: np.ndarray,
    covariance: np.ndarray,
    shared: Candidate,
    shared_coefficients: np.ndarray,
) -> tuple[Candidate, np.ndarray, np.ndarray]:
    """Add shared terms to a unit's own ones; the errors of shared coefficients are not part of its covariance."""
    extras = own.extras + tuple(extra for extra in shared.extras if extra not in own.extras)
    order = own.order if own.nodes is not None else max(own.order, shared.order)
    both = Candidate(order, own.nodes, extras)
    starts = dict(
        zip(extras, (both.smooth_terms + np.cumsum([0, *(extra.terms for extra in extras)])).tolist(), strict=False)
    )

    def places(candidate: Candidate) -> np.ndarray:
        parts = [np.arange(starts[extra], starts[extra] + extra.terms) for extra in candidate.extras]
        return np.concatenate([np.arange(candidate.smooth_terms), *parts])

    total, errors = np.zeros(both.terms), np.zeros((both.terms, both.terms))
    total[places(own)] += coefficients
    total[places(shared)] += shared_coefficients
    errors[np.ix_(places(own), places(own))] += covariance
    return both, total, errors
