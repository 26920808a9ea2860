"""Choice of a model by evidence: nested fits, criteria, refusals, and the error of the choice."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from evensky.matching.joint.basis import Basis
from evensky.matching.joint.candidates import NONE, Candidate, Extra
from evensky.matching.joint.evidence import (
    Choice,
    Selection,
    choices_of,
    choose,
    option_sets,
    plausible_sizes,
    series_gains,
)
from evensky.matching.joint.models import Choices

BOX = (0, 0, 200, 200)
LINES = Extra("rows", "rows", 2, 4)
WISP, AMPLIFIERS = Extra("template", "wisp", 1), Extra("amplifier", "amplifier", 3)


def points(number: int, width: float = 200.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, width, number), rng.uniform(0, 200, number)


def selection_of(
    design: np.ndarray,
    value: np.ndarray,
    steps: list[Candidate],
    extras: tuple[Extra, ...] = (),
    everywhere: np.ndarray | None = None,
) -> Selection:
    """Make the normal equations of values of unit errors, without any neighbour."""
    largest = max(steps, key=lambda step: step.smooth_terms)
    whole = Candidate(largest.order, largest.nodes, extras)
    gram = design.T @ design
    far = design if everywhere is None else everywhere
    return Selection(whole, steps, gram, gram, design.T @ value, far, float(len(value)))


def series(order: int) -> list[Candidate]:
    return [Candidate(degree) for degree in range(-1, order + 1)]


def chosen_from(value: np.ndarray, order: int = 0, errors: float = 1.0) -> Choice:
    design = Basis(BOX).at(Candidate(order), *points(len(value))) / errors
    scaled = value / errors
    return choose(
        selection_of(design, scaled, series(order)),
        [],
        [()],
        bins=len(value),
        squares=float((scaled**2).sum()),
        now=0.0,
    )


def test_evidence_of_nothing_much() -> None:
    choice = chosen_from(np.full(50, 2.0))
    assert choice.fit.candidate == Candidate(0)
    assert choice.fit.coefficients == pytest.approx([2.0])
    assert [score.candidate for score in choice.scores] == [Candidate(0), NONE]
    assert choice.scores[0].bic == 0
    assert choice.scores[1].bic == pytest.approx(200 - np.log(50))
    assert choice.criterion == pytest.approx(np.log(50) - 200)
    none = chosen_from(np.zeros(50))
    assert none.fit.candidate == NONE
    assert none.fit.coefficients.size == 0
    # Errors that are too small for the scatter are scaled.
    noisy = np.random.default_rng(5).normal(0, 7, 50)
    noisy -= noisy.mean() - 1  # the mean of fifty values may differ by 1
    choice = chosen_from(noisy)
    assert choice.scale == pytest.approx(7, rel=0.3)
    assert choice.fit.candidate == NONE


def test_nested_fits_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(2)
    x, y = points(120)
    smooth = Basis(BOX).at(Candidate(4), x, y)
    further = rng.normal(size=(120, 6))
    everywhere = rng.normal(size=(30, 21))
    value = 3 + 0.02 * x + 2 * further[:, 2] + rng.normal(size=120)
    extras = (LINES, AMPLIFIERS, WISP)
    selection = selection_of(np.hstack([smooth, further]), value, series(4), extras, everywhere)
    assert selection.places((WISP, LINES)).tolist() == [20, 15, 16]
    for some, columns in (((), []), ((AMPLIFIERS,), [17, 18, 19]), ((AMPLIFIERS, WISP), [17, 18, 19, 20])):
        fits = selection.fits(some)
        # Further terms are relative to a level.
        assert [fit.candidate for fit in fits] == [
            Candidate(order, extras=some) for order in range(0 if some else -1, 5)
        ]
        assert selection.fits(some) is fits
        for fit in fits:
            places = [*range(fit.candidate.smooth_terms), *columns]
            design = np.hstack([smooth, further])[:, places]
            expected, *_ = np.linalg.lstsq(design, value, rcond=None)
            np.testing.assert_allclose(fit.coefficients, expected, atol=1e-6)
            left = ((value - design @ expected) ** 2).sum()
            assert fit.gained == pytest.approx((value**2).sum() - left, rel=1e-6)
            assert fit.rank == len(places)
            if places:
                far = everywhere[:, places]
                errors = np.sqrt(((far @ np.linalg.inv(design.T @ design)) * far).sum(axis=1))
                assert fit.spread == pytest.approx(errors.max(), rel=1e-6)
            else:
                assert fit.spread == 0
    # Beside a smooth part without a slope, drifts would be a spline along one axis.
    assert [fit.candidate.order for fit in selection.fits((LINES,))] == [1, 2, 3, 4]


def test_what_the_bins_do_not_determine_is_left_out() -> None:
    # All bins lie in one row: neither y nor its powers are determined.
    x, _ = points(40)
    smooth = Basis(BOX).at(Candidate(2), x, np.full(40, 30.0))
    selection = selection_of(smooth, 2 + 0 * x, series(2))
    assert [fit.candidate.order for fit in selection.fits(())] == [-1, 0]
    # A constant cannot be told from a further term that is one.
    selection = selection_of(np.hstack([smooth[:, :1], smooth[:, :1] * 5.0]), 2 + 0 * x, series(0), (WISP,))
    assert selection.fits((WISP,)) == []
    # A further term that is 0 in all bins gains nothing and costs nothing; the model without it is simpler.
    nothing = np.hstack([smooth[:, :1], np.zeros((40, 1))])
    value = 2 + np.random.default_rng(1).normal(size=40)
    selection = selection_of(nothing, value, series(0), (WISP,))
    fits = selection.fits((WISP,))
    assert [fit.rank for fit in fits] == [1]
    assert fits[0].coefficients == pytest.approx([value.mean(), 0])
    found = choose(selection, [], [(WISP,), ()], bins=40, squares=float((value**2).sum()), now=0.0)
    assert found.fit.candidate == Candidate(0)


def test_terms_that_neighbours_take_are_not_counted() -> None:
    # With the neighbours solved along, nothing is left of the second and third term.
    x, y = points(60)
    smooth = Basis(BOX).at(Candidate(1), x, y)
    own = smooth.T @ smooth
    gram, right = own.copy(), smooth.T @ (2 + 0.1 * x)
    gram[1:] = gram[:, 1:] = 0
    right[1:] = 0
    selection = Selection(Candidate(1), series(1), gram, own, right, smooth, 60.0)
    fits = selection.fits(())
    assert [fit.rank for fit in fits] == [0, 1, 1]
    assert fits[2].gained == pytest.approx(fits[1].gained)
    assert fits[2].coefficients[1:].tolist() == [0, 0]


def test_a_model_whose_error_exceeds_what_it_gains_is_refused() -> None:
    # Bins along one edge of the box: a slope that they hardly determine is wrong by a lot at the other edge.
    rng = np.random.default_rng(4)
    value_at = {}
    for width in (20.0, 200.0):
        x, y = points(60, width, seed=7)
        basis = Basis(BOX)
        far = basis.at(Candidate(1), np.array([0.0, 199, 0, 199]), np.array([0.0, 0, 199, 199]))
        value = 5 + 0.09 * (x - width / 2) + rng.normal(0, 0.6, 60)
        selection = selection_of(basis.at(Candidate(1), x, y), value, series(1), everywhere=far)
        found = choose(selection, [], [()], bins=60, squares=float((value**2).sum()), now=0.0)
        value_at[width] = found
    assert value_at[200.0].fit.candidate == Candidate(1)
    assert not any(score.refused for score in value_at[200.0].scores)
    narrow = value_at[20.0]
    assert narrow.fit.candidate == Candidate(0)
    assert {score.candidate.order: score.refused for score in narrow.scores} == {0: False, -1: False, 1: True}
    # Refused candidates come last, whatever their criterion.
    assert narrow.scores[-1].candidate == Candidate(1)


def test_too_few_bins_for_many_terms() -> None:
    rng = np.random.default_rng(1)
    choice = chosen_from(rng.normal(size=9) + 100 * np.arange(9) ** 2, order=3)
    assert {score.candidate.order for score in choice.scores} == {-1, 0, 1}
    assert chosen_from(np.array([4.0]), order=3).fit.candidate.order <= 0


def test_further_terms_and_splines_are_compared() -> None:
    rng = np.random.default_rng(3)
    x, y = points(200)
    basis, wisp = Basis(BOX), rng.normal(size=(200, 1))
    spline = Candidate(nodes=(6, 6))
    of_spline = basis.at(spline, x, y)
    made = []

    def choice_for(value: np.ndarray) -> Choice:
        def make() -> Selection:
            made.append(spline)
            return selection_of(np.hstack([of_spline, wisp]), value, [spline], (WISP,))

        ladder = selection_of(np.hstack([basis.at(Candidate(2), x, y), wisp]), value, series(2), (WISP,))
        squares = float((value**2).sum())
        return choose(ladder, [(spline, make)], [(), (WISP,)], bins=200, squares=squares, now=0.0)

    with_wisp = choice_for(7 + 3 * wisp[:, 0] + rng.normal(size=200))
    assert with_wisp.fit.candidate == Candidate(0, extras=(WISP,))
    assert with_wisp.fit.coefficients == pytest.approx([7, 3], abs=0.3)
    # A spline that could not be the best, as the series leave the noise alone, is not fitted.
    assert made == []
    bumps = choice_for(of_spline @ rng.normal(0, 30, 36) + rng.normal(size=200))
    assert bumps.fit.candidate == spline
    assert made == [spline]


def test_a_spline_takes_the_place_of_drifts() -> None:
    # The present model has a plane and drifting rows; a spline along y is as good, and simpler.
    rng = np.random.default_rng(7)
    x, y = points(200)
    basis, spline, drift = Basis(BOX), Candidate(nodes=(1, 5)), Extra("rows", "rows", 3, 5)
    of_spline = basis.at(spline, x, y)
    value = of_spline @ rng.normal(0, 30, 5) + rng.normal(size=200)
    rows = basis.drift(drift, x, y, 0.0, 0.0)
    ladder = selection_of(np.hstack([basis.at(Candidate(2), x, y), rows]), value, series(2), (drift,))
    found = choose(
        ladder,
        [(spline, lambda: selection_of(of_spline, value, [spline]))],
        [(drift,), ()],
        bins=200,
        squares=float((value**2).sum()),
        now=0.0,
    )
    assert found.fit.candidate == spline
    assert {score.candidate: score.bic for score in found.scores}[Candidate(1, extras=(drift,))] > 0


def test_a_throughput_differs_little_from_1() -> None:
    # A term that is as large as the scene is a difference of the sky, which the scene happens to hold.
    rng = np.random.default_rng(8)
    x, y = points(200)
    scene, gain = rng.exponential(100, (200, 1)), Extra("gain", "gain", 1)
    for amplitude, expected in ((0.2, (gain,)), (-0.2, (gain,)), (1.0, ()), (-0.6, ())):
        value = 7 + amplitude * scene[:, 0] + rng.normal(size=200)
        ladder = selection_of(np.hstack([Basis(BOX).at(Candidate(2), x, y), scene]), value, series(2), (gain,))
        found = choose(ladder, [], [(), (gain,)], bins=200, squares=float((value**2).sum()), now=0.0)
        assert found.fit.candidate.extras == expected


def test_sets_of_further_terms() -> None:
    fine = Extra("rows", "rows", 6, 8)
    options = [(LINES, fine), (WISP,), (AMPLIFIERS,)]
    assert option_sets(options, (), ()) == [(), (LINES,), (fine,), (WISP,), (AMPLIFIERS,)]
    assert option_sets(options, (), (fine, WISP)) == [
        *((fine, WISP), (LINES, WISP), (WISP,), (fine,), (fine, WISP, AMPLIFIERS)),
    ]
    assert option_sets(options, {"wisp"}, ()) == [(WISP,), (LINES, WISP), (fine, WISP), (WISP, AMPLIFIERS)]
    assert option_sets(options, {"rows", "wisp"}, (fine, WISP)) == [
        *((fine, WISP), (LINES, WISP), (fine, WISP, AMPLIFIERS)),
    ]
    assert option_sets([], {"wisp"}, ()) == [()]


def test_criterion_of_series_of_two_units() -> None:
    rng = np.random.default_rng(6)
    x, y = points(80)
    basis = Basis(BOX)
    smooth = basis.at(Candidate(2), x, y)
    wisp = rng.normal(size=(80, 1))
    whole = np.hstack([smooth, wisp, -basis.at(Candidate(2), y, x)])
    value = rng.normal(0, 3, 80) + whole[:, 1] * 4
    designs = Candidate(2, extras=(WISP,)), Candidate(2)
    gram, right = whole.T @ whole, whole.T @ value
    for one, other in itertools.product((0, 1), (0, 1)):
        first, second = Candidate(one).terms, Candidate(other).terms
        columns = [*range(first), 6, *range(7, 7 + second)]
        if one == other == 1:
            continue  # x of one unit is y of the other
        columns_used = columns if not (first and second) else [k for k in columns if k != 7]  # one constant
        expected, *_ = np.linalg.lstsq(whole[:, columns_used], value, rcond=None)
        gained = (value**2).sum() - ((value - whole[:, columns_used] @ expected) ** 2).sum()
        price = 2.0 * (first + 1) + 3.0 * (second - 1)
        # Several orders of the second series come from one factor.
        found = series_gains(gram, right, designs, one, [2, other], (2.0, 3.0), 1.5)[1]
        assert found == pytest.approx(price - gained / 1.5**2, rel=1e-5)


# -- the error of the choice --


def test_plausible_sizes() -> None:
    rng = np.random.default_rng(1)
    errors = rng.uniform(0.2, 3.0, (400, 3))
    fits = [(rng.normal(0, np.hypot(2.0, one)), one**2) for one in errors]
    np.testing.assert_allclose(plausible_sizes(fits, 1, 10.0), 2.0, rtol=0.15)
    assert plausible_sizes([], 1, 10.0).tolist() == [10, 10]
    undetermined = [(np.full(3, 1e6), np.full(3, np.inf))]
    assert plausible_sizes(undetermined, 1, 10.0).tolist() == [10, 10]
    np.testing.assert_array_equal(plausible_sizes([*fits, *undetermined], 1, 10.0), plausible_sizes(fits, 1, 10.0))


def test_a_slope_along_one_axis_says_nothing_about_the_other() -> None:
    fits = [(np.array([0.0, 0.0, 0.01 * k]), np.array([0.1, np.inf, 0.01])) for k in range(-3, 4)]
    along_x, along_y = plausible_sizes(fits, 1, 5.0)
    assert along_x == 5.0
    assert along_y < 0.1
    large = [(np.array([0.0, 0.0, 20.0]), np.array([0.1, np.inf, 0.01]))]
    assert plausible_sizes(large, 1, 5.0)[0] > 20


def errors_of_choice(width: float, slope: float, order: int) -> np.ndarray:
    """Return the errors of the choice at three places, for bins from x = 0 to `width` with errors of 1."""
    rng = np.random.default_rng(5)
    x, y = points(100, width, seed=8)
    basis = Basis(BOX)
    value = 40 + slope * (x - 100) + rng.normal(size=100)
    selection = selection_of(basis.at(Candidate(3), x, y), value, series(3))
    found = choices_of(selection, Candidate(order), 1.0, [40.0, 10.0, 5.0, 2.5])
    if found is None:
        return np.zeros(3)
    assert isinstance(found, Choices)
    terms = basis.at(Candidate(found.order), np.array([10.0, 100.0, 199.0]), np.full(3, 100.0))
    variance = ((terms @ found.covariance) * terms).sum(axis=1)
    assert variance.min() > -1e-9
    return np.sqrt(np.maximum(variance, 0))


def test_the_error_of_the_choice_grows_where_bins_end() -> None:
    near, middle, far = errors_of_choice(10.0, 0.0, 0)
    assert near < 0.5
    assert far > middle > 2 * near
    # A slope is known to 3.5 at the far edge, and its plausible size is 10: it is possible, but not sure.
    assert 1 < far < 10


def test_the_error_of_the_choice_vanishes_where_bins_determine_the_model() -> None:
    assert errors_of_choice(200.0, 0.5, 1).max() < 0.25  # the error of a bin is 1
    # Where two candidates are as likely, half of their distance is the error of both.
    for order in (0, 1):
        assert errors_of_choice(200.0, 0.01, order)[2] == pytest.approx(0.5, abs=0.2)


def test_a_model_without_a_smooth_part_is_as_uncertain_as_its_level() -> None:
    x, y = points(20)
    wisp = np.random.default_rng(1).normal(size=(20, 1))
    selection = selection_of(np.hstack([Basis(BOX).at(Candidate(1), x, y), wisp]), 0 * x, series(1), (WISP,))
    found = choices_of(selection, Candidate(extras=(WISP,)), 1.0, [1.0, 1.0])
    assert found is not None
    assert found.covariance[0, 0] == pytest.approx(1 / 20, rel=0.2)
    alone = selection_of(wisp, 0 * x, [NONE], (WISP,))
    assert choices_of(alone, Candidate(extras=(WISP,)), 1.0, [1.0, 1.0]) is None


def test_a_required_smooth_part_without_good_bins() -> None:
    nothing = np.zeros((3, 3))
    selection = Selection(
        Candidate(1), [Candidate(0), Candidate(1)], nothing, nothing, np.zeros(3), np.ones((4, 3)), 1.0
    )
    choice = choose(selection, [], [()], bins=0, squares=0.0, now=0.0)
    assert choice.fit.candidate == Candidate(0)
    assert not choice.fit.coefficients.any()
