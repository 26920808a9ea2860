"""Shifts between exposures from the positions of stars."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.matching.joint.astrometry import PairShift, exposure_shifts, measured_shifts

SIDE = 1024.0


def field(rng: np.random.Generator, number: int) -> np.ndarray:
    return rng.uniform(0, SIDE, (number, 2))


def a_pair(
    rng: np.random.Generator, number: int, common: float, shift: tuple[float, float], noise: float = 0.15
) -> list[np.ndarray]:
    """Return stars of two exposures; the first is shifted, and a share of the stars is in both."""
    shared = round(common * number)
    both = field(rng, shared)
    first, second = (
        np.concatenate([both + rng.normal(0, noise, both.shape), field(rng, number - shared)]) for _ in range(2)
    )
    return [rng.permutation(first + shift), rng.permutation(second)]


@pytest.mark.parametrize(
    ("number", "common", "shift", "accuracy"),
    [
        (50, 1.0, (0.0, 0.0), 0.1),
        (50, 0.7, (3.2, -1.4), 0.1),
        (200, 0.7, (-97.3, 99.1), 0.1),
        (200, 0.1, (60.5, -80.2), 0.25),
        (200, 0.1, (0.4, 0.3), 0.25),
    ],
)
def test_shifts_are_found(number: int, common: float, shift: tuple[float, float], accuracy: float) -> None:
    rng = np.random.default_rng(3)
    deviations = []
    for _ in range(20):
        (found,) = measured_shifts(a_pair(rng, number, common, shift), [(0, 1)])
        assert found is not None
        assert np.hypot(found.dx - shift[0], found.dy - shift[1]) < accuracy
        assert found.number == pytest.approx(common * number, abs=6)
        assert found.significance > 6
        deviations.append((np.array([found.dx, found.dy]) - shift) / found.error)
    assert 0.6 < np.sqrt(np.mean(np.square(deviations))) < 1.5


def test_fields_without_common_stars_have_no_shift() -> None:
    rng = np.random.default_rng(4)
    fields = [field(rng, number) for number in (200, 200, 50, 20, 5, 0)] * 10
    # Clusters of stars, and stars that are found twice.
    fields += [np.concatenate([field(rng, 60), rng.normal(SIDE / 2, 60, (140, 2))]) for _ in range(10)]
    fields += [np.repeat(field(rng, 100), 2, axis=0) + rng.normal(0, 4, (200, 2)) for _ in range(10)]
    pairs = [(i, j) for i in range(len(fields)) for j in range(i) if (i - j) % 2]
    assert len(pairs) > 1500
    assert measured_shifts(fields, pairs) == [None] * len(pairs)


def test_a_shift_beyond_the_reach_is_not_found() -> None:
    stars = a_pair(np.random.default_rng(5), 200, 0.9, (130.0, 0.0))
    assert measured_shifts(stars, [(0, 1)]) == [None]
    (found,) = measured_shifts(stars, [(0, 1)], reach=150)
    assert found is not None
    assert found.dx == pytest.approx(130, abs=0.1)


def test_defects_of_the_detector_do_not_hide_the_stars() -> None:
    """Defects agree at the distance of the pointings, and may be as many as the stars."""
    rng = np.random.default_rng(6)
    stars = a_pair(rng, 100, 0.6, (0.1, -0.2))
    defects = field(rng, 100)
    with_defects = [np.concatenate([stars[0], defects + np.array([37.0, -12.0])]), np.concatenate([stars[1], defects])]
    (found,) = measured_shifts(with_defects, [(0, 1)])
    assert found is not None
    assert np.hypot(found.dx - 0.1, found.dy + 0.2) < 0.15


def test_positions_that_are_not_finite_are_left_out() -> None:
    stars = a_pair(np.random.default_rng(7), 100, 0.8, (2.0, 1.0))
    stars[0][3] = np.nan
    stars[1][5, 0] = np.inf
    (found,) = measured_shifts(stars, [(0, 1)])
    assert found is not None
    assert found.dx == pytest.approx(2, abs=0.1)


def shifts_of(true: np.ndarray, pairs: list[tuple[int, int]], error: float = 0.05, seed: int = 1) -> list:
    rng = np.random.default_rng(seed)
    return [
        (i, j, PairShift(*(true[i] - true[j] + rng.normal(0, error, 2)).tolist(), error, 60, 0.1, 50.0))
        for i, j in pairs
    ]


def test_the_exposure_that_is_off_is_found() -> None:
    true = np.zeros((12, 2))
    true[7] = 5.0, -2.5
    true[2] = 1.5, 0.0
    pairs = [(i, j) for i in range(12) for j in range(i + 1, min(i + 4, 12))]
    dx, dy, error = exposure_shifts(12, shifts_of(true, pairs))
    assert np.abs(np.stack([dx, dy], axis=1) - true).max() < 0.15
    assert np.all((error > 0.01) & (error < 0.06))


def test_wrong_pairs_do_not_matter() -> None:
    true = np.zeros((10, 2))
    true[4] = 3.0, 3.0
    pairs = shifts_of(true, [(i, j) for i in range(10) for j in range(i)])
    for k in (3, 17, 30):
        pairs[k] = (*pairs[k][:2], PairShift(80.0, -70.0, 0.03, 6, 0.5, 7.0))
    dx, dy, _ = exposure_shifts(10, [*pairs, (0, 1, None)])
    assert np.abs(np.stack([dx, dy], axis=1) - true).max() < 0.1


def test_groups_and_exposures_without_pairs() -> None:
    true = np.array([[0, 0], [0, 0], [0, 0], [9, 9], [1, 1], [9, 9], [0, 0]], float)
    dx, dy, error = exposure_shifts(7, shifts_of(true, [(0, 1), (1, 2), (3, 4), (3, 5)], error=0.02))
    assert dx == pytest.approx([0, 0, 0, 0, -8, 0, np.nan], abs=0.1, nan_ok=True)
    assert dy == pytest.approx([0, 0, 0, 0, -8, 0, np.nan], abs=0.1, nan_ok=True)
    assert np.flatnonzero(np.isnan(error)).tolist() == [6]
    # Of two exposures, the second is off: nothing says which.
    dx, _, _ = exposure_shifts(2, shifts_of(np.array([[0.0, 0], [4, 0]]), [(1, 0)]))
    assert dx == pytest.approx([0, 4], abs=0.2)
    for nothing in ([], [(0, 1, None)]):
        assert all(np.isnan(values).all() and values.shape == (3,) for values in exposure_shifts(3, nothing))


def test_a_long_chain_is_solved() -> None:
    number = 1000
    true = np.zeros((number, 2))
    true[500:510] = 2.0, -2.0
    pairs = [(i, i + step) for step in (1, 2, 3) for i in range(number - step)]
    dx, dy, _ = exposure_shifts(number, shifts_of(true, pairs, error=0.01))
    assert np.abs(np.stack([dx, dy], axis=1) - true).max() < 0.5
