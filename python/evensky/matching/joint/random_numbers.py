"""The random numbers of which all models of a solution are made, with their covariance."""

from __future__ import annotations

__all__ = ["MOST_TERMS", "covariance_of"]

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from .candidates import Candidate
from .covariance import MAP_NODES, TERM_NODES, BinMap, Choice, CorrectionCovariance, Link, Member, Sources, nodes_of
from .differences import Coverage
from .models import Choices
from .network import Network, Solution
from .system import Equations, Shift, widened
from .transforms import Affine

MOST_TERMS = 5000
"""Largest number of terms, of all models together, whose covariance is computed: its matrices have 200 MB each."""


def covariance_of(
    network: Network,
    equations: Equations,
    solution: Solution,
    shifts: Sequence[Shift],
    choices: Mapping[int, Choices],
    scale: float,
    modelled: Collection[int],
    coverage: Sequence[Coverage] | None = None,
) -> CorrectionCovariance | None:
    """Return the covariance of the models of all images against each other.

    Parameters
    ----------
    network : Network
    equations : Equations
        Equations of which the solution is one.
    solution : Solution
        The final models.
    shifts : sequence of Shift
        Functions that were added to all models of some groups.
    choices : mapping of int to Choices
        Variance of each unit that is due to the choice of its kind of model.
    scale : float
        Scatter of the bins in units of their errors, by which errors are multiplied.
    modelled : collection of int
        Images that have a model.
    coverage : sequence of Coverage, optional
        Bins of each image with good pixels; by default, all pixels are good.

    Returns
    -------
    CorrectionCovariance or None
        Of the models in the unit of each image's own pixels; None if these have more than `MOST_TERMS` terms.
    """
    if equations.number_of_terms > MOST_TERMS:
        return None
    layout, covariance, inverse = equations.joint_covariance()
    size = len(covariance)
    # The coefficients of the shifts follow the terms that were solved for.
    of_terms = [np.zeros((0, size))]
    columns_of: dict[int, np.ndarray] = {}
    into: dict[int, np.ndarray] = {}
    for shift in shifts:
        rows = np.zeros((next(iter(shift.of.values())).shape[0], size))
        for unit, share in shift.of.items():
            if unit in layout:
                rows[:, layout[unit]] += share[:, widened(equations.candidates[unit], solution.candidates[unit])]
        places = size + sum(len(part) for part in of_terms) + np.arange(len(rows))
        for unit, matrix in shift.into.items():
            columns_of[unit], into[unit] = places, matrix
        of_terms.append(rows)
    spread = np.vstack(of_terms)
    whole = np.empty((size + len(spread), size + len(spread)))
    whole[:size, :size] = covariance
    whole[size:, :size] = spread @ covariance
    whole[:size, size:] = whole[size:, :size].T
    whole[size:, size:] = whole[size:, :size] @ spread.T
    whole *= scale**2
    made: list[Choice] = []
    chosen: dict[int, int] = {}
    series_of = {unit: shift.series for shift in shifts for unit in shift.into}
    for unit, one in choices.items():
        values, vectors = np.linalg.eigh(one.covariance)
        columns, moved = np.zeros(0, int), np.zeros((0, len(values)))
        series = series_of.get(unit)
        if series is not None:
            columns, moved = columns_of[unit], series(unit, one.order)
        chosen[unit] = len(made)
        made.append(Choice(one.order, vectors * np.sqrt(np.maximum(values, 0.0)), columns, moved))
    members = []
    for image, unit in enumerate(network.unit):
        if image not in modelled:
            members.append(_without_model(network, image))
            continue
        final = solution.candidates[unit]
        parts, numbers = [np.zeros((final.terms, 0))], [np.zeros(0, int)]
        if unit in layout:
            solved = np.zeros((final.terms, equations.candidates[unit].terms))
            solved[widened(equations.candidates[unit], final), np.arange(solved.shape[1])] = 1.0
            parts.append(solved)
            numbers.append(np.arange(layout[unit].start, layout[unit].stop))
        if unit in columns_of:
            parts.append(into[unit])
            numbers.append(columns_of[unit])
        kinds, matrices, of_kinds = [final], [np.hstack(parts)], [np.concatenate(numbers)]
        if network.number in layout:
            shared = layout[network.number]
            kinds.append(solution.shared)
            matrices.append(np.eye(solution.shared.terms))
            of_kinds.append(np.arange(shared.start, shared.stop))
        members.append(_member(network, image, kinds, matrices, of_kinds, chosen.get(unit, -1)))
    if coverage is not None:
        members = [replace(one, good=_good(network, i, coverage[i])) for i, one in enumerate(members)]
    sources = Sources.of(_links(network, equations.weights * scale**2), inverse, spread)
    return CorrectionCovariance.of(members, network.grid.bin_size, whole, made, sources)


def _good(network: Network, image: int, coverage: Coverage) -> BinMap:
    """Return the share of the pixels of each bin that are good in an image."""
    x_edges, y_edges, numbers = network.grid.edges(network.footprints[image])
    areas = np.outer(np.diff(y_edges), np.diff(x_edges))
    counts = np.zeros(numbers.size)
    # Numbers ascend along the rows of bins.
    counts[np.searchsorted(numbers.ravel(), coverage.bins)] = coverage.counts
    column, row = network.grid.places(numbers[:1, 0])
    return BinMap((int(column[0]), int(row[0])), (counts.reshape(areas.shape) / areas)[None].astype(np.float32))


def _links(network: Network, weights: np.ndarray) -> list[Link]:
    """Return the compared pairs with the weights of their differences."""
    d = network.differences
    found = []
    for pair, rows in zip(d.pairs, d.rows, strict=True):
        columns, lines = network.grid.places(pair.bins)
        if not columns.size:
            continue
        column, line = int(columns.min()), int(lines.min())
        parts = np.zeros((2, int(lines.max()) - line + 1, int(columns.max()) - column + 1), np.float32)
        parts[:, lines - line, columns - column] = weights[rows] * d.node_variance[d.node[:, rows]]
        found.append(Link(pair.first, pair.second, BinMap((column, line), parts)))
    return found


def _without_model(network: Network, image: int) -> Member:
    empty = np.zeros((2, 2))
    box = network.boxes[image]
    further = np.zeros((2, 2, 0), np.float32)
    return Member(network.footprints[image], box, (), empty, empty, further, np.zeros(0, int), np.zeros((0, 0)))


def _member(
    network: Network,
    image: int,
    kinds: Sequence[Candidate],
    matrices: Sequence[np.ndarray],
    places: Sequence[np.ndarray],
    choice: int,
) -> Member:
    """Return the model of an image as a sum of several kinds, whose terms follow from some numbers each."""
    footprint, basis = network.footprints[image], network.bases[image]
    number = 2 if basis.transform is None or isinstance(basis.transform, Affine) else MAP_NODES
    map_x, map_y = basis.to_own(*nodes_of(footprint, number))
    smooth, further, sampled = [], [], []
    starts = np.cumsum([0, *(len(columns) for columns in places)]).tolist()
    for kind, matrix, start in zip(kinds, matrices, starts, strict=False):
        wide = np.zeros((len(matrix), starts[-1]))
        wide[:, start : start + matrix.shape[1]] = matrix
        smooth.append(wide[: kind.smooth_terms])
        further.append(wide[kind.smooth_terms :])
        if kind.extras:
            terms = network.terms_at(image, kind, *nodes_of(footprint, TERM_NODES))[:, kind.smooth_terms :]
            # The throughput is no part of the model.
            parts = np.hstack([terms, np.zeros((len(terms), len(further[-1]) - terms.shape[1]))])
            sampled.append(parts.reshape(TERM_NODES, TERM_NODES, -1))
    values = np.concatenate(sampled, axis=2) if sampled else np.zeros((2, 2, 0))
    used = np.abs(values).max(axis=(0, 1), initial=0) > 0
    return Member(
        footprint,
        basis.box,
        tuple(kind.smooth for kind in kinds),
        np.reshape(map_x, (number, number)),
        np.reshape(map_y, (number, number)),
        values[:, :, used].astype(np.float32),
        np.concatenate(places),
        np.vstack([*smooth, np.vstack(further)[used]]),
        choice,
        1.0 / network.factor(image),
    )
