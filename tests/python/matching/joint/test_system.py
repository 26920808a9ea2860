"""System of equations of all differences: solution, neighbours that are solved for along, covariances."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from synthetic_pairs import make_pairs

from evensky.errors import InvalidParameterError
from evensky.matching.joint import system
from evensky.matching.joint.candidates import NONE, Candidate, Extra
from evensky.matching.joint.differences import Differences, PairBins
from evensky.matching.joint.grid import CommonGrid, PixelBox
from evensky.matching.joint.levels import settle
from evensky.matching.joint.network import Network, Solution
from evensky.matching.joint.planes import Plane, labels_plane, template_plane
from evensky.matching.joint.search import fit_all
from evensky.matching.joint.system import Anchor, Equations, Shift, grid_of_points, widened

GRID = CommonGrid(10)
BOXES = [(0, 0, 80, 60), (20, 10, 80, 60), (-30, 20, 80, 60), (10, -20, 80, 60)]
ROWS, AMPLIFIERS, WISP = Extra("rows", "rows", 4, 6), Extra("amplifier", "amplifier", 2), Extra("template", "wisp", 1)
CANDIDATES = [Candidate(1), Candidate(1, extras=(ROWS,)), Candidate(0, extras=(AMPLIFIERS,)), Candidate(1)]
NOISE = (3.0, 5.0, 4.0, 3.0)
# Priors have the width of the differences: far more than any error.
LEVELS = (0.0, 300.0, 700.0, -200.0)


def pair(first: int, second: int, values: list[float]) -> PairBins:
    n = len(values)
    x = np.arange(n) * 10.0 + 4.5
    ones = np.ones(n)
    size = np.full(n, 10.0)
    return PairBins(
        first, second, np.arange(n), np.array(values), 0.1 * ones, np.full(n, 100), x, 4.5 * ones, size, size
    )


def test_equations_by_hand() -> None:
    boxes = [(0, 0, 40, 10)] * 3
    # 0 - 1 = 3, 1 - 2 = 4, 0 - 2 = 7.
    differences = Differences(3, [pair(0, 1, [3.0] * 4), pair(0, 2, [7.0] * 4), pair(1, 2, [4.0] * 4)])
    for level, expected in (
        ("auto", [0, 3, 7]),
        ("reference", [0, 3, 7]),
        ("mean", [-10 / 3, -1 / 3, 11 / 3]),
        ("lowest", [-7, -4, 0]),
    ):
        found = fit_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2], level=level, order=1)
        values = [one.model.evaluate(np.array([5.0]), np.array([5.0]))[0] for one in found.exposures if one.model]
        assert values == pytest.approx(expected, abs=1e-6)
        assert found.references == ([0] if level in ("auto", "reference") else [-1])
        assert found.level == ("reference" if level == "auto" else level)
    # The noise of a node is 0.1 / sqrt(2), four of them 0.035; relative to the reference it is that of two exposures.
    found = fit_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2])
    model = found.exposures[1].model
    assert model is not None
    assert model.name == "constant"
    assert np.sqrt(model.covariance).item() == pytest.approx(0.05, rel=1e-6)
    assert model.sigma(np.array([5.0]), np.array([5.0]))[0] >= 0.05 * (1 - 1e-6)
    with pytest.raises(InvalidParameterError, match=r"level is 'top'; it must be one of auto, reference, mean, lowest"):
        fit_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2], level="top")
    with pytest.raises(InvalidParameterError, match="order = -1"):
        fit_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2], order=-1)


# -- a small network with further terms, and the same equations written out --


def images() -> list[dict[str, Plane]]:
    rng = np.random.default_rng(9)
    labels = np.repeat([1, 2, 3], [45, 15, 20])[None, :].repeat(60, axis=0)
    return [{"amplifier": labels_plane(labels), "wisp": template_plane(rng.normal(size=(60, 80)))} for _ in BOXES]


def small_network(seed: int | None, boxes: Sequence[PixelBox] = BOXES, noise: Sequence[float] = NOISE) -> Network:
    differences = make_pairs(boxes, GRID, lambda k, x, *_: LEVELS[k] + 0 * x, noise=noise, seed=seed)
    return Network(boxes, GRID, differences, planes=images())


def written_out(
    network: Network, candidates: Sequence[Candidate], shared: Candidate = NONE
) -> tuple[np.ndarray, list[slice]]:
    """Return the terms of all units, and at last the shared ones, in all rows; and the columns of each."""
    d = network.differences
    ends = np.cumsum([0, *(one.terms for one in [*candidates, shared])]).tolist()
    places = [slice(a, b) for a, b in itertools.pairwise(ends)]
    result = np.zeros((d.value.size, ends[-1]))
    for at, (one, rows) in enumerate(zip(d.pairs, d.rows, strict=True)):
        for side, image, sign in ((0, one.first, -1), (1, one.second, 1)):
            result[rows, places[image]] += sign * network.design(at, side, candidates[image])
            result[rows, places[-1]] += sign * network.design(at, side, shared)
    return result, places


def anchor_terms(network: Network, candidates: Sequence[Candidate], anchor: Anchor) -> np.ndarray:
    """Return the row of an anchor in the equations: the mean of its exposure's model over its box."""
    _, places = written_out(network, candidates)
    row = np.zeros(places[-1].stop)
    x0, y0, width, height = network.boxes[anchor.exposure]
    cells = (np.arange(32) + 0.5) / 32
    x, y = (axis.ravel() for axis in np.meshgrid(x0 - 0.5 + width * cells, y0 - 0.5 + height * cells))
    candidate, some = candidates[anchor.exposure], places[anchor.exposure]
    row[some] = network.terms_at(anchor.exposure, candidate, x, y).mean(axis=0)
    # All pixels of images count.
    y, x = (place.ravel().astype(float) for place in np.mgrid[y0 : y0 + height, x0 : x0 + width])
    start = some.start + candidate.smooth_terms
    for extra in candidate.extras:
        if not extra.nodes:
            means = network.terms_at(anchor.exposure, Candidate(extras=(extra,)), x, y).mean(axis=0)
            row[start : start + extra.terms] = means
        start += extra.terms
    return row


def test_the_solution_is_that_of_least_squares() -> None:
    network = small_network(1)
    network.good[[5, 50, 100]] = False
    equations = Equations(network, CANDIDATES, [0])
    terms, places = written_out(network, CANDIDATES)
    root = np.sqrt(network.weights())
    free = slice(places[1].start, None)
    expected, *_ = np.linalg.lstsq(root[:, None] * terms[:, free], root * network.differences.value, rcond=None)
    found = equations.solve()
    assert found.candidates == CANDIDATES
    assert not found.coefficients[0].any()
    np.testing.assert_allclose(np.concatenate(found.coefficients[1:]), expected, atol=1e-5)
    # It is the same after a change to and fro.
    equations.change(2, Candidate(3))
    assert equations.solve().coefficients[2].size == 10
    equations.change(2, CANDIDATES[2])
    np.testing.assert_allclose(np.concatenate(equations.solve().coefficients[1:]), expected, atol=1e-5)


def test_bins_that_become_good_again_change_the_equations_of_all_who_see_them() -> None:
    network = small_network(1)
    nodes = network.nodes_of(2)
    network.good[nodes[::3]] = False
    equations = Equations(network, CANDIDATES, [0])
    before = equations.solve()
    network.good[nodes] = True
    equations.reweigh(2)
    afresh = Equations(network, CANDIDATES, [0])
    np.testing.assert_array_equal(equations.weights, afresh.weights)
    found, expected = equations.solve(), afresh.solve()
    for unit in range(1, network.number):
        np.testing.assert_allclose(found.coefficients[unit], expected.coefficients[unit], rtol=1e-6, atol=1e-9)
    assert not np.allclose(found.coefficients[2], before.coefficients[2])


def test_a_change_of_a_unit_changes_the_equations_among_its_neighbours() -> None:
    network = small_network(1)
    equations = Equations(network, CANDIDATES, [0])
    solution = equations.solve()
    before = equations.eliminate([1], [CANDIDATES[1]], solution)  # the sums of blocks are kept
    for candidates in ([*CANDIDATES[:2], Candidate(1), CANDIDATES[3]], [*CANDIDATES[:2], Candidate(1), Candidate(0)]):
        equations.change(2, candidates[2])
        equations.change(3, candidates[3])
        network.good[network.nodes_of(3)[:: 2 + candidates[3].order]] = False
        equations.reweigh(3)
        found = equations.eliminate([1], [CANDIDATES[1]], solution)
        afresh = Equations(network, candidates, [0]).eliminate([1], [CANDIDATES[1]], solution)
        for one, other in zip(found, afresh, strict=True):
            np.testing.assert_array_equal(one, other)
        assert not np.allclose(found[0], before[0])


def test_products_of_series_are_the_same_whichever_were_made_before() -> None:
    series = [Candidate(order) for order in (0, 1, 2, 1)]
    wider = [Candidate(0), Candidate(3), Candidate(0), Candidate(2)]
    network = small_network(1)
    expected = Equations(network, series, [0]).solve()
    for candidates in (wider, series):  # now those of higher orders are known
        found = Equations(network, candidates, [0]).solve()
    for one, other in zip(found.coefficients, expected.coefficients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    # Other measured values have other products.
    network.differences.value += network.differences.node[1] % 2
    moved = Equations(network, series, [0]).solve()
    fresh = Network(network.boxes, network.grid, network.differences)
    for one, other in zip(moved.coefficients, Equations(fresh, series, [0]).solve().coefficients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    assert not np.allclose(moved.coefficients[2], expected.coefficients[2])


def test_anchors_take_the_place_of_the_level() -> None:
    network = small_network(2)
    anchors = [Anchor(1, -260.0, 0.5), Anchor(3, 243.0, 1.0)]  # 40 and 43 above minus the levels
    found = Equations(network, CANDIDATES, [], anchors=anchors).solve()
    terms, _ = written_out(network, CANDIDATES)
    root = np.sqrt(network.weights())
    rows = [anchor_terms(network, CANDIDATES, anchor) / anchor.error for anchor in anchors]
    matrix = np.vstack([root[:, None] * terms, *rows])
    right = np.concatenate([root * network.differences.value, [one.value / one.error for one in anchors]])
    expected, *_ = np.linalg.lstsq(matrix, right, rcond=1e-9)
    predicted = network.predicted(found)
    np.testing.assert_allclose(predicted, terms @ expected, atol=1e-3)
    # The differences say what the levels are, up to a constant: it is the weighted mean of what is known.
    x, y = grid_of_points(BOXES[1])
    mean = (network.bases[1].at(Candidate(1), x, y) @ found.coefficients[1][:3]).mean()
    assert mean == pytest.approx((40 * 4 + 43) / 5 - 300, abs=0.5)


@pytest.mark.parametrize("anchors", [[], [Anchor(1, 40.0, 0.5), Anchor(2, 30.0, 1.0)]], ids=["", "anchors"])
@pytest.mark.parametrize("shared", [NONE, Candidate(extras=(WISP,))], ids=["", "shared"])
@pytest.mark.parametrize("units", [[1], [3], [1, 2]], ids=str)
def test_neighbours_are_eliminated(units: list[int], shared: Candidate, anchors: list[Anchor]) -> None:
    network = small_network(3)
    network.good[[7, 60]] = False
    fixed = [0]
    designs = [Candidate(3, extras=(ROWS, AMPLIFIERS)), Candidate(2, extras=(AMPLIFIERS,))][: len(units)]
    every = list(CANDIDATES)
    for unit, design in zip(units, designs, strict=True):
        every[unit] = design
    equations = Equations(network, CANDIDATES, fixed, shared=shared, anchors=anchors)
    solution = equations.solve()
    gram, own, right = equations.eliminate(units, designs, solution)
    terms, places = written_out(network, every, shared)
    weights = network.weights()
    matrix, side = (terms.T * weights) @ terms, (terms.T * weights) @ network.differences.value
    for anchor in anchors:
        row = np.zeros(len(matrix))
        known = anchor_terms(network, every, anchor)
        row[: known.size] = known
        matrix += np.outer(row, row) / anchor.error**2
        side += row * anchor.value / anchor.error**2
    mine = np.concatenate([np.arange(places[u].start, places[u].stop) for u in units])
    rest = np.concatenate(
        [np.arange(places[u].start, places[u].stop) for u in range(5) if u not in units and u not in fixed]
    )
    cross = matrix[np.ix_(mine, rest)]
    solved = cross @ np.linalg.pinv(matrix[np.ix_(rest, rest)], rcond=1e-9)
    size = np.abs(matrix).max()
    np.testing.assert_allclose(own, matrix[np.ix_(mine, mine)], atol=1e-9 * size)
    np.testing.assert_allclose(gram, matrix[np.ix_(mine, mine)] - solved @ cross.T, atol=1e-5 * size)
    np.testing.assert_allclose(right, side[mine] - solved @ side[rest], atol=1e-5 * np.abs(side).max())


def test_models_that_are_too_far_away_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_TERMS_AROUND", 4)
    boxes = [(40 * k, 0, 80, 60) for k in range(5)]  # a chain
    differences = make_pairs(boxes, GRID, lambda k, x, *_: 100.0 * k**2 + 0 * x, seed=1)
    network = Network(boxes, GRID, differences)
    candidates = [NONE, Candidate(0), Candidate(1), Candidate(1), Candidate(0)]
    equations = Equations(network, candidates, [0])
    assert equations.around([1]) == [2, 4]
    rng = np.random.default_rng(1)
    solution = Solution(candidates, [rng.normal(size=candidate.terms) for candidate in candidates])
    gram, _, right = equations.eliminate([1], [Candidate(2)], solution)
    every = [NONE, Candidate(2), Candidate(1), Candidate(1), Candidate(0)]
    terms, places = written_out(network, every)
    value = differences.value - terms[:, places[3]] @ solution.coefficients[3]
    weighted = terms.T * network.weights()
    matrix, side = weighted @ terms, weighted @ value
    mine, rest = np.arange(6), np.array([6, 7, 8, 12])
    solved = matrix[np.ix_(mine, rest)] @ np.linalg.inv(matrix[np.ix_(rest, rest)])
    np.testing.assert_allclose(
        gram, matrix[np.ix_(mine, mine)] - solved @ matrix[np.ix_(rest, mine)], rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(right, side[mine] - solved @ side[rest], rtol=1e-4, atol=1e-6)


# -- covariances --


def expected_covariance(network: Network, terms: np.ndarray, anchor_rows: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Propagate the noise of nodes and rows, and that of anchors, through the least-squares solution."""
    d = network.differences
    incidence = np.zeros((d.value.size, d.node_exposure.size))
    incidence[np.arange(d.value.size), d.node[0]] = 1
    incidence[np.arange(d.value.size), d.node[1]] -= 1
    noise = (incidence * d.node_variance) @ incidence.T + np.diag(d.extra)
    weighted = terms[:, free].T * network.weights()
    inverse = np.linalg.inv(weighted @ terms[:, free] + anchor_rows[:, free].T @ anchor_rows[:, free])
    return np.asarray(
        inverse @ (weighted @ noise @ weighted.T + anchor_rows[:, free].T @ anchor_rows[:, free]) @ inverse
    )


@pytest.mark.parametrize("shared", [NONE, Candidate(extras=(WISP,))], ids=["", "shared"])
@pytest.mark.parametrize("anchors", [[], [Anchor(1, 40.0, 0.5), Anchor(2, 30.0, 1.0)]], ids=["", "anchors"])
def test_covariances_are_those_of_the_noise_of_the_bins(shared: Candidate, anchors: list[Anchor]) -> None:
    network = small_network(4)
    network.good[[7, 60]] = False
    network.differences.extra[:40] += 0.3 * network.differences.variance[:40]
    # Anchors determine the level of all exposures, but not their slopes.
    fixed, candidates = ([], [Candidate(0)] * 4) if anchors else ([0], CANDIDATES)
    found = Equations(network, candidates, fixed, shared=shared, anchors=anchors).covariances(candidates, [])
    terms, places = written_out(network, candidates, shared)
    rows = np.zeros((len(anchors), terms.shape[1]))
    for row, anchor in zip(rows, anchors, strict=True):
        row[places[anchor.exposure]] = 1 / anchor.error
    free = np.concatenate([np.arange(places[u].start, places[u].stop) for u in range(5) if u not in fixed])
    every = np.zeros((terms.shape[1],) * 2)
    every[np.ix_(free, free)] = expected_covariance(network, terms, rows, free)
    for u in range(4):
        expected = every[places[u], places[u]]
        np.testing.assert_allclose(found[u], expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max(initial=1e-12))


@pytest.mark.parametrize("kind", ["mosaic", "hub"])
def test_covariances_of_many_exposures_are_those_of_dense_matrices(kind: str) -> None:
    if kind == "mosaic":  # 64 exposures, of which each overlaps its neighbours
        boxes = [(30 * column, 30 * row, 40, 40) for row in range(8) for column in range(8)]
        pairs = None
    else:  # all were compared with the first, and with the next one
        boxes = [(0, 0, 40, 40)] * 40
        pairs = [*((0, j) for j in range(1, 40)), *((j - 1, j) for j in range(2, 40))]
    number = len(boxes)
    noise = np.random.default_rng(2).uniform(1, 3, number)
    differences = make_pairs(boxes, GRID, lambda k, x, *_: 0 * x, noise=noise, seed=3, pairs=pairs)
    network = Network(boxes, GRID, differences)
    candidates = [Candidate(1 + u % 2) for u in range(number)]
    equations = Equations(network, candidates, [0])
    solution = equations.solve()
    shifts = settle(network, solution, [list(range(number))], "mean")
    found = equations.covariances(solution.candidates, shifts)
    layout, covariance, _ = equations.joint_covariance()
    for u, final in enumerate(solution.candidates):
        chosen = np.zeros((len(covariance), final.terms))
        if u:
            chosen[layout[u], : candidates[u].terms] = np.eye(candidates[u].terms)
        for other, share in shifts[0].of.items():
            if other:
                chosen[layout[other]] += (shifts[0].into[u] @ share[:, : candidates[other].terms]).T
        expected = chosen.T @ covariance @ chosen
        np.testing.assert_allclose(found[u], expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_covariances_are_the_scatter_of_simulated_noise() -> None:
    shared = Candidate(extras=(WISP,))
    solutions = []
    for seed in range(250):
        network = small_network(seed)
        found = Equations(network, CANDIDATES, [0], shared=shared).solve()
        solutions.append(np.concatenate([*found.coefficients[1:], found.shared_coefficients]))
    # The noise is that of the simulation, not that which was derived from the differences.
    covariances = Equations(network, CANDIDATES, [0], shared=shared).covariances(CANDIDATES, [])
    expected = np.concatenate([np.diag(covariance) for covariance in covariances[1:]])
    scatter = np.var(solutions, axis=0)[: expected.size]
    # Each variance from 250 trials is good to 9 %.
    np.testing.assert_allclose(scatter, expected, rtol=0.35)
    assert np.mean(scatter / expected) == pytest.approx(1, abs=0.06)


def test_covariances_of_shifted_models() -> None:
    # A shift by minus the mean of four constants.
    network = small_network(5)
    constants = [Candidate(0)] * 4
    ones = {u: np.ones((1, 1)) for u in range(4)}
    shift = Shift(ones, {u: -np.ones((1, 1)) / 4 for u in range(4)})
    plain = Equations(network, constants, [0])
    terms, _ = written_out(network, constants)
    every = np.zeros((4, 4))
    every[1:, 1:] = expected_covariance(network, terms, np.zeros((0, 4)), np.arange(1, 4))
    centre = np.eye(4) - 0.25
    found = plain.covariances(constants, [shift])
    np.testing.assert_allclose(np.concatenate(found).ravel(), np.diag(centre @ every @ centre), rtol=1e-5)


def test_without_terms_there_is_nothing_to_solve() -> None:
    equations = Equations(small_network(1), [NONE] * 4, [0])
    assert [values.size for values in equations.solve().coefficients] == [0] * 4
    assert [covariance.size for covariance in equations.covariances([NONE] * 4, [])] == [0] * 4


def test_places_of_terms_in_wider_candidates() -> None:
    narrow, wide = Candidate(1, extras=(AMPLIFIERS,)), Candidate(3, extras=(AMPLIFIERS,))
    assert widened(narrow, wide).tolist() == [0, 1, 2, 10, 11]
    assert widened(narrow, narrow).tolist() == [0, 1, 2, 3, 4]
    x, y = grid_of_points((3, 4, 10, 20), 3)
    assert x.tolist() == [3, 7.5, 12] * 3
    assert y.tolist() == [4] * 3 + [13.5] * 3 + [23] * 3
