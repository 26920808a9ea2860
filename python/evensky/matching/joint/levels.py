"""Levels that a joint match can leave unchanged, and the shift of all models to one of them."""

from __future__ import annotations

__all__ = ["LEVELS", "settle"]

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .basis import Basis
from .candidates import Candidate
from .grid import around
from .network import Network, Solution
from .system import Shift, widened

# Largest RMS error of a shift in the pixels of an exposure, in units of the standard error of its mean level, and the
# largest number of orders by which series are extended because of it.
_NEGLIGIBLE, _MORE_ORDERS = 0.5, 2

LEVELS = ("auto", "reference", "mean", "lowest")
"""Levels that can be left unchanged: that of the reference; the mean, as models add up to 0; or the lowest, to which
all others are brought down. "auto" is the reference if it covers most of the field, and else the mean: over a field
that is larger than the reference, its background would be continued far beyond its pixels."""


def settle(network: Network, solution: Solution, groups: Sequence[list[int]], level: str) -> list[Shift]:
    """Shift the models of groups to a level, in place; return the shifts.

    Parameters
    ----------
    network : Network
    solution : Solution
        Its models are shifted.
    groups : sequence of list of int
        Units of each group that has no fixed unit.
    level : str
        "mean" or "lowest".
    """
    field = Basis(around([network.unit_footprints[u] for members in groups for u in members])) if groups else None
    shifts = []
    for members in groups:
        assert field is not None
        order = _common_order(members, solution.candidates)
        if order >= 0:
            orders = dict.fromkeys(members, order)
            for more in range(_MORE_ORDERS + 1):
                _give_room(solution, orders)
                shift = _shift(network, field, solution, members, order, level)
                total = sum(share @ solution.coefficients[u] for u, share in shift.of.items())
                bent = [
                    u
                    for u in members
                    if _misfit(network, field, u, solution.candidates[u], shift, np.asarray(total), order) > _NEGLIGIBLE
                ]
                if not bent or more == _MORE_ORDERS:
                    break
                orders |= {u: orders[u] + 1 for u in bent}
            for u in members:
                solution.coefficients[u] = solution.coefficients[u] + shift.into[u] @ total
            shifts.append(shift)
    return shifts


def _common_order(members: list[int], candidates: Sequence[Candidate]) -> int:
    """Return the order of the shift, which at least half of the units have and all splines can represent."""
    if all(candidates[u].smooth_terms == 0 for u in members):
        return -1
    orders = sorted(candidates[u].polynomial for u in members)
    most = [candidates[u].polynomial for u in members if candidates[u].nodes is not None]
    return max(0, min([orders[(len(orders) - 1) // 2], *most]))


def _misfit(
    network: Network, field: Basis, unit: int, candidate: Candidate, shift: Shift, total: np.ndarray, order: int
) -> float:
    """Return the RMS error of a shift in a unit's own terms, in units of the standard error of its mean level.

    A polynomial on the sky is one in the pixels of an exposure only if its WCS has no distortion.
    """
    basis = network.unit_bases[unit]
    if basis.transform is None or candidate.nodes is not None:
        return 0.0
    weight = float((1 / network.differences.node_variance[network.nodes_of(unit)]).sum())
    x, y = basis.points
    own = basis.at(candidate, x, y) @ (shift.into[unit] @ total)[: candidate.smooth_terms]
    return float(np.sqrt(np.mean((own - field.at(Candidate(order), x, y) @ total) ** 2)) * np.sqrt(weight))


def _give_room(solution: Solution, orders: Mapping[int, int]) -> None:
    """Extend the series of units to the terms that a shift needs, up to an order for each."""
    for u, order in orders.items():
        candidate = solution.candidates[u]
        if candidate.nodes is None and candidate.order < order:
            wider = replace(candidate, order=order)
            coefficients = np.zeros(wider.terms)
            coefficients[widened(candidate, wider)] = solution.coefficients[u]
            solution.candidates[u], solution.coefficients[u] = wider, coefficients


def _shift(network: Network, field: Basis, solution: Solution, members: list[int], order: int, level: str) -> Shift:
    """Return the shift of a group to a level."""
    into = {u: _embedding(network, field, u, solution.candidates[u], order) for u in members}
    square = _square(network, field, members, order)
    # The shift makes the models least, in squares. Where all units cover the same pixels, they then add up to zero. In
    # a mosaic, it follows the levels of the tiles and not only their slopes, which would be continued over the whole
    # field.
    of = {u: _share(network, field, u, solution.candidates[u], order, square) for u in members}
    lowest: int | None = None
    mean: dict[int, np.ndarray] = {}
    if level == "lowest":
        mean = {u: _projection(network, field, u, solution.candidates[u], 0) for u in members}
        total = sum(share @ solution.coefficients[u] for u, share in of.items())
        means = {u: float((mean[u] @ (solution.coefficients[u] + into[u] @ total))[0]) for u in into}
        lowest = at = max(means, key=lambda u: means[u])
        constant = np.eye(len(total), 1)
        of = {
            u: share - constant @ mean[at] @ into[at] @ share - (constant @ mean[at] if u == at else 0)
            for u, share in of.items()
        }

    def series(unit: int, degree: int) -> np.ndarray:
        """Return the matrix from a series of a unit to the shift, as in `of`."""
        other = Candidate(degree)
        share = _share(network, field, unit, other, order, square)
        if lowest is None:
            return share
        constant = np.eye(len(share), 1)
        result = share - constant @ mean[lowest] @ into[lowest] @ share
        if unit == lowest:
            result = result - constant @ _projection(network, field, unit, other, 0)
        return np.asarray(result)

    return Shift(into, of, series)


def _square(network: Network, field: Basis, members: list[int], order: int) -> np.ndarray:
    """Return the sums of the products of the terms of a shift over all units, shape (terms, terms)."""
    series = Candidate(order)
    found = np.zeros((series.terms, series.terms))
    for u in members:
        common = field.at(series, *network.unit_bases[u].points)
        found += common.T @ common
    return found


def _share(
    network: Network, field: Basis, unit: int, candidate: Candidate, order: int, square: np.ndarray
) -> np.ndarray:
    """Return the matrix from the terms of a unit to the shift that makes the models of its group least, in squares."""
    basis = network.unit_bases[unit]
    common = field.at(Candidate(order), *basis.points)
    further = np.zeros((len(square), candidate.terms - candidate.smooth_terms))
    return np.asarray(-np.linalg.solve(square, np.hstack([common.T @ basis.at(candidate, *basis.points), further])))


def _projection(network: Network, field: Basis, unit: int, candidate: Candidate, order: int) -> np.ndarray:
    """Return the matrix from a unit's terms to the nearest series over the whole field; further terms have none."""
    smooth = network.unit_bases[unit].projection(candidate, order, field)
    return np.hstack([smooth, np.zeros((len(smooth), candidate.terms - candidate.smooth_terms))])


def _embedding(network: Network, field: Basis, unit: int, candidate: Candidate, order: int) -> np.ndarray:
    smooth = network.unit_bases[unit].embedding(candidate, order, field)
    return np.vstack([smooth, np.zeros((candidate.terms - candidate.smooth_terms, smooth.shape[1]))])
