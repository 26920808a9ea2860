"""Sets of more exposures than are solved for along with each choice of a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from synthetic_pairs import make_pairs

from evensky.matching.joint.basis import Basis
from evensky.matching.joint.candidates import NONE, Candidate
from evensky.matching.joint.differences import Differences
from evensky.matching.joint.evidence import series_order
from evensky.matching.joint.grid import CommonGrid, PixelBox
from evensky.matching.joint.network import Network
from evensky.matching.joint.search import _Search, fit_all
from evensky.matching.joint.system import UNITS_AROUND
from evensky.matching.joint.terms import terms_of

GRID, SIDE, STEP = CommonGrid(32), 256, 128
Skies = list[tuple[Candidate, np.ndarray]]


def field(columns: int) -> list[PixelBox]:
    """Place exposures so that four see each place, but for the edges."""
    return [(column * STEP, row * STEP, SIDE, SIDE) for row in range(columns) for column in range(columns)]


def skies_of(number: int, seed: int, *, first: int = 1) -> Skies:
    """Draw skies of order 0 to 3: large slopes, and curves that are small but well measured."""
    rng = np.random.default_rng(seed)
    orders = [first, *rng.choice([0, 1, 2, 3], number - 1, p=[0.2, 0.4, 0.3, 0.1]).tolist()]
    return [(Candidate(one), rng.normal(0, [50.0, *[5.0] * 2, *[2.0] * 7][: Candidate(one).terms])) for one in orders]


def differences_of(boxes: Sequence[PixelBox], skies: Skies, seed: int) -> Differences:
    def sky(k: int, x: np.ndarray, y: np.ndarray, width: np.ndarray, height: np.ndarray, _: np.ndarray) -> np.ndarray:
        return np.asarray(Basis(boxes[k]).design(skies[k][0], x, y, width, height) @ skies[k][1])

    return make_pairs(boxes, GRID, sky, noise=3.0, seed=seed)


def search_of(boxes: Sequence[PixelBox], differences: Differences, level: str = "mean") -> _Search:
    network = Network(boxes, GRID, differences)
    return _Search(network, range(len(boxes)), level, 8, True, terms_of(["smooth"]), None, (), (), None)


@pytest.mark.parametrize("columns", [7, 11])
def test_models_get_the_orders_of_their_skies_in_a_few_sweeps(columns: int) -> None:
    # An order that is the same for all would vanish from the unit that is held outwards, and takes more sweeps the
    # larger the field is.
    boxes = field(columns)
    skies = skies_of(len(boxes), 3)
    search = search_of(boxes, differences_of(boxes, skies, 4))
    assert search.large == (len(boxes) > UNITS_AROUND + 1)
    solution, sweeps = search._searched()
    assert sweeps <= 4
    (held,) = search.held
    assert skies[held][0].order == 0
    found = [candidate.order for u, candidate in enumerate(solution.candidates) if u != held]
    made = [candidate.order for u, (candidate, _) in enumerate(skies) if u != held]
    assert np.mean(np.array(found) == made) > 0.97
    assert sum(Candidate(order).terms for order in found) <= 1.03 * sum(Candidate(order).terms for order in made)


def test_models_and_errors_of_a_large_set() -> None:
    boxes = field(7)
    skies = skies_of(len(boxes), 1)
    fit = fit_all(boxes, GRID, differences_of(boxes, skies, 11), preference=range(len(boxes)), level="mean")
    values = []
    for one in fit.overlaps:
        x, y = ((boxes[one.first][axis] + boxes[one.second][axis] + np.array([SIDE])) / 2 for axis in (0, 1))
        difference, variance = 0.0, 0.0
        for sign, k in ((1.0, one.first), (-1.0, one.second)):
            model = fit.exposures[k].model
            assert model is not None
            candidate, coefficients = skies[k]
            difference += sign * float(model.evaluate(x, y)[0] + Basis(boxes[k]).at(candidate, x, y)[0] @ coefficients)
            variance += float(model.sigma(x, y)[0]) ** 2
        values.append(difference / np.sqrt(variance))
    assert 0.2 < np.sqrt(np.mean(np.square(values))) < 1.4  # the errors of neighbours are positively correlated


def test_a_reference_lends_its_order_to_all_others() -> None:
    boxes = field(7)
    skies = skies_of(len(boxes), 5, first=2)
    search = search_of(boxes, differences_of(boxes, skies, 6), level="reference")
    candidates = search._begin_locally()
    assert search.held == {0}
    assert candidates[0] == NONE
    assert min(candidate.order for candidate in candidates[1:]) == 2


def test_no_smooth_part_is_begun_with_where_there_is_none() -> None:
    boxes = field(7)
    network = Network(boxes, GRID, differences_of(boxes, skies_of(len(boxes), 5), 6))
    search = _Search(network, range(len(boxes)), "mean", 8, True, terms_of(["rows"]), None, (), (), None)
    assert search.large
    assert set(search._begin_locally()) == {NONE}


def test_a_sky_that_needs_more_than_its_neighbours_gets_it() -> None:
    # Series far above the present one, and splines, are compared where a model does not fit.
    boxes = field(7)
    skies = skies_of(len(boxes), 7)
    rough = 24
    skies[rough] = Candidate(6), np.concatenate([[20.0], np.zeros(20), np.full(7, 6.0)])
    search = search_of(boxes, differences_of(boxes, skies, 8))
    solution, _ = search._searched()
    assert solution.candidates[rough].order == 6
    assert sum(candidate.order > 3 for candidate in solution.candidates) == 1


def test_neighbours_that_begin_with_a_term_too_many_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = field(7)
    skies = skies_of(len(boxes), 9)
    search = search_of(boxes, differences_of(boxes, skies, 10))
    begin = _Search._begin_locally
    together = (16, 17, 23, 24)

    def higher(search: _Search) -> list[Candidate]:
        found = begin(search)
        for u in together:
            found[u] = Candidate(skies[u][0].order + 1)
        return found

    monkeypatch.setattr(_Search, "_begin_locally", higher)
    solution, _ = search._searched()
    assert search.held.isdisjoint(together)
    assert [solution.candidates[u].order for u in together] == [skies[u][0].order for u in together]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_the_order_that_bins_support(order: int) -> None:
    rng = np.random.default_rng(order)
    x, y = (one.ravel() for one in np.meshgrid(np.arange(10) * 32.0, np.arange(10) * 32.0))
    terms = Basis((0, 0, 320, 320)).at(Candidate(4), x, y)
    number = Candidate(order).terms
    found = []
    for _ in range(40):
        values = terms[:, :number] @ np.full(number, 1.0) + rng.normal(0, 0.5, x.size)
        weights = np.full(x.size, 4.0)
        weights[:5], values[:5] = 0.0, 1e6  # bins that do not count
        found.append(series_order(terms, values, weights))
    assert found.count(order) >= 38


def test_few_bins_support_a_level_at_most() -> None:
    terms = Basis((0, 0, 320, 320)).at(Candidate(4), np.array([10.0, 300.0, 50.0]), np.array([5.0, 20.0, 310.0]))
    assert series_order(terms, np.array([0.0, 100.0, -50.0]), np.ones(3)) == 0
    assert series_order(terms[:0], np.zeros(0), np.zeros(0)) == 0
