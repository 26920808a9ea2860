"""The parts of a match to each other: bins, pairs, models, evidence, the system of equations."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from evensky import _core
from evensky.errors import InvalidParameterError, LengthError, OutOfRangeError
from evensky.matching.all_to_all import correct_all
from evensky.matching.differences import Differences, PairBins, Pixels, coverage_of, measure_pair
from evensky.matching.evidence import Evidence, choose
from evensky.matching.grid import CommonGrid, around, common_box
from evensky.matching.models import NONE, Basis, Candidate, Model, make_candidates
from evensky.matching.partners import choose_pairs
from evensky.math import Approximate, BackgroundMI

BOX = (7, -3, 300, 200)
CANDIDATES = [Candidate(0), Candidate(1), Candidate(5), Candidate(nodes=(5, 6)), Candidate(nodes=(1, 6))]


def options() -> _core.MatchingOptions:
    made = _core.MatchingOptions()
    made.gridStatistic = _core.Property.MEAN
    return made


def test_bins_are_the_same_wherever_an_exposure_lies() -> None:
    grid = CommonGrid(50)
    x_edges, y_edges, numbers = grid.edges((-30, 120, 100, 60))
    assert x_edges.tolist() == [0, 30, 80, 100]
    assert y_edges.tolist() == [0, 30, 60]
    _, _, others = grid.edges((0, 150, 10, 10))
    assert others.item() == numbers[1, 1]
    assert np.unique(numbers).size == 6
    assert CommonGrid.fitting(1024, 2048).bin_size == 64
    assert (CommonGrid.fitting(10, 20).bin_size, CommonGrid.fitting(10**5, 10**5).bin_size) == (16, 256)
    assert around([(0, 0, 5, 5), (-3, 7, 2, 2)]) == (-3, 0, 8, 9)
    assert common_box((0, 0, 5, 5), (4, 3, 5, 5)) == (4, 3, 1, 2)
    assert common_box((0, 0, 5, 5), (5, 0, 5, 5)) is None
    with pytest.raises(OutOfRangeError, match=rf"begins at pixel {2**40}, which is in bin .* of 50 px"):
        grid.edges((2**40, 0, 10, 10))


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_a_model_is_one_and_the_same_everywhere(candidate: Candidate) -> None:
    rng = np.random.default_rng(1)
    root = rng.normal(size=(candidate.terms,) * 2)
    model = Model(candidate, BOX, rng.normal(size=candidate.terms), root @ root.T)
    rows, columns = np.mgrid[-3:197, 7:307]
    points = columns.ravel().astype(float), rows.ravel().astype(float)
    image = model.image()
    np.testing.assert_allclose(image.ravel(), model.evaluate(*points), atol=1e-5)
    np.testing.assert_allclose(model.sigma_image().ravel(), model.sigma(*points), rtol=1e-5)
    assert isinstance(model.mirrored, BackgroundMI if candidate.nodes else Approximate)
    band = np.empty((20, 300), np.float32)
    model.fill(band, first_row=50)
    np.testing.assert_array_equal(band, image[50:70])
    # Terms in bins are means over their pixels.
    basis = Basis(BOX)
    terms = basis.design(candidate, np.array([57.5]), np.array([40.0]), np.array([20.0]), np.array([31.0]))
    assert (terms @ model.coefficients).item() == pytest.approx(image[28:59, 41:61].mean(dtype=float), abs=5e-4)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.image(), image)


def test_what_is_common_can_be_taken_from_one_model_into_another() -> None:
    rng = np.random.default_rng(2)
    other = Basis((-500, 0, 2000, 900))
    x, y = rng.uniform(7, 300, 50), rng.uniform(-3, 190, 50)
    for candidate, order in ((Candidate(3), 2), (Candidate(2), 2), (Candidate(nodes=(5, 6)), 1), (Candidate(0), 0)):
        numbers = rng.normal(size=Candidate(order).terms)
        basis = Basis(BOX)
        terms = basis.embedding(candidate, order, other) @ numbers
        np.testing.assert_allclose(basis.at(candidate, x, y) @ terms, other.at(Candidate(order), x, y) @ numbers)
        np.testing.assert_allclose(basis.projection(candidate, order, other) @ terms, numbers, atol=1e-8)


def test_candidates() -> None:
    found = make_candidates(3, (16, 12))
    assert found[0] == NONE
    assert [candidate.terms for candidate in found] == sorted(candidate.terms for candidate in found)
    assert {"none", "constant", "plane", "Chebyshev 3", "spline 8 x 6", "spline 1 x 12"} <= {c.name for c in found}
    assert all(candidate.nodes is None for candidate in make_candidates(8, (16, 16), spline=False))
    assert all(candidate.nodes is None for candidate in make_candidates(8, (3, 3)))


@pytest.mark.parametrize("number", [6, 30, 200])
def test_the_number_of_pairs_grows_with_that_of_exposures(number: int) -> None:
    pairs = choose_pairs([np.arange(64)] * number, hub=2)
    assert len(pairs) <= 3 * number
    assert len(set(pairs)) == len(pairs)
    assert all(i < j or i == 2 for i, j in pairs)
    assert len({i for pair in pairs for i in pair}) == number
    assert sum(2 in pair for pair in pairs) == number - 1  # all meet the hub
    # In the order in which they are measured there is nothing to read again but the hub and a few before.
    assert all(i == 2 or j - i <= 3 for i, j in pairs)
    assert [j for _, j in pairs] == sorted(j for _, j in pairs)


def test_all_of_few_are_paired() -> None:
    assert choose_pairs([np.arange(9)] * 4, hub=0) == [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert choose_pairs([np.arange(9), np.arange(20, 22), np.arange(0)], hub=0) == []


def test_everything_that_overlaps_is_tied_together() -> None:
    rng = np.random.default_rng(3)
    coverage, places = [], []
    for _ in range(150):
        x0, y0 = rng.integers(0, 60, 2)
        x, y = np.meshgrid(np.arange(8) + x0, np.arange(8) + y0)
        coverage.append(np.sort((y * 100 + x).ravel()))
        places.append((x0, y0))
    pairs = choose_pairs(coverage, hub=0)
    assert len(pairs) <= 8 * 150

    def groups(edges: list[tuple[int, int]]) -> int:
        parent = list(range(150))

        def root(i: int) -> int:
            while parent[i] != i:
                i = parent[i]
            return i

        for i, j in edges:
            parent[root(i)] = root(j)
        return len({root(i) for i in range(150)})

    overlapping = [(i, j) for j in range(150) for i in range(j) if np.intersect1d(coverage[i], coverage[j]).size]
    assert len(pairs) < len(overlapping)
    assert groups(pairs) == groups(overlapping)
    # Two sets, each tied well, that share a little.
    halves = [np.arange(100)] * 6 + [np.arange(95, 195)] * 6
    across = [pair for pair in choose_pairs(halves, hub=0) if pair[0] < 6 <= pair[1]]
    assert len(across) >= 2


def test_noise_is_given_to_whom_it_belongs() -> None:
    rng = np.random.default_rng(4)
    sigmas = (3.0, 10.0, 6.0)
    images = [rng.normal(0, sigma, (200, 200)) for sigma in sigmas]
    pixels = [Pixels(image, None, 0, (0, 0, 200, 200)) for image in images]
    grid = CommonGrid(25)
    pairs = [(0, 1), (0, 2), (1, 2)]
    bins = [measure_pair((i, pixels[i]), (j, pixels[j]), grid, options()) for i, j in pairs]
    differences = Differences(3, [one for one in bins if one is not None])
    for exposure, sigma in enumerate(sigmas):
        variance = differences.node_variance[differences.nodes_of(exposure)]
        assert np.sqrt(np.median(variance)) == pytest.approx(sigma / 25, rel=0.1)
    # A satellite in one exposure: its pixels scatter oddly there.
    images[1][30:40] += 500
    bins = [measure_pair((i, pixels[i]), (j, pixels[j]), grid, options()) for i, j in pairs]
    odd = Differences(3, [one for one in bins if one is not None])
    assert odd.node_odd[odd.nodes_of(1)].sum() == 8


def test_coverage() -> None:
    image = np.full((100, 100), 5.0)
    image[:, :40] = np.nan
    found = coverage_of(Pixels(image, None, 0, (0, 0, 100, 100)), CommonGrid(20))
    assert found.bins.size == 15
    assert found.counts.tolist() == [400] * 15


def test_evidence_of_nothing_much() -> None:
    x = np.linspace(-1, 1, 50)
    design = np.polynomial.chebyshev.chebvander(x, 3)
    # Of these the terms are their orders' own: constant, T1, T2, T3.
    candidates = [Candidate(order) for order in (-1, 0)]
    value = np.full(50, 2.0)
    choice = choose(Evidence(value, np.ones(50), [(candidates, lambda: design)]))
    assert choice.candidate == Candidate(0)
    assert choice.coefficients == pytest.approx([2.0])
    assert [score.candidate for score in choice.scores] == [Candidate(0), NONE]
    assert choice.scores[1].bic == pytest.approx(200 - np.log(50))
    none = choose(Evidence(np.zeros(50), np.ones(50), [(candidates, lambda: design)]))
    assert none.candidate == NONE
    # Four bins of fifty that are far away do not carry it with them, and cost a fixed amount.
    value[:4] = 1e6
    choice = choose(Evidence(value, np.ones(50), [(candidates, lambda: design)]))
    assert choice.coefficients == pytest.approx([2.0])
    assert choice.outliers.tolist() == [True] * 4 + [False] * 46
    # Where the errors are too small for what is there, they are not believed.
    noisy = np.random.default_rng(5).normal(0, 7, 50)
    noisy -= noisy.mean() - 1  # the mean of fifty may be off by 1
    choice = choose(Evidence(noisy, np.ones(50), [(candidates, lambda: design)]))
    assert choice.scale == pytest.approx(7, rel=0.3)
    assert choice.candidate == NONE


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
    for level, expected in (("reference", [0, 3, 7]), ("mean", [-10 / 3, -1 / 3, 11 / 3]), ("lowest", [-7, -4, 0])):
        found = correct_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2], level=level, order=1)
        values = [one.model.evaluate(np.array([5.0]), np.array([5.0]))[0] for one in found.exposures if one.model]
        assert values == pytest.approx(expected)
        assert found.anchors == ([0] if level == "reference" else [-1])
    # The noise of a node is 0.1 / sqrt(2), four of them 0.035; relative to the reference it is that of two exposures.
    found = correct_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2])
    sigma = found.exposures[1].model and found.exposures[1].model.sigma(np.array([5.0]), np.array([5.0]))[0]
    assert sigma == pytest.approx(0.05, rel=1e-6)
    with pytest.raises(InvalidParameterError, match=r"level is 'top'; it must be one of reference, mean, lowest"):
        correct_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2], level="top")
    with pytest.raises(InvalidParameterError, match="order = -1"):
        correct_all(boxes, CommonGrid(10), differences, preference=[0, 1, 2], order=-1)


def test_what_the_core_refuses() -> None:
    image = np.zeros((20, 30), np.float32)
    good = ((image, None), (image, None))
    with pytest.raises(InvalidParameterError, match=r"x_edges reaches from 0 to 31; it must be within 0 to 30"):
        _core.bin_differences(*good, [0, 31], [0, 20], options())
    with pytest.raises(InvalidParameterError, match=r"y_edges has 5 after 10"):
        _core.bin_differences(*good, [0, 30], [0, 10, 5], options())
    with pytest.raises(LengthError, match="20 x 20 but the reference is 30 x 20"):
        _core.bin_differences((image, None), (image[:, :20], None), [0, 20], [0, 20], options())
    with pytest.raises(InvalidParameterError, match="dtype"):
        _core.bin_differences((image, None), (image.astype(np.int32), None), [0, 20], [0, 20], options())
