"""Shifts between exposures on the sky, from the positions of their stars.

The WCS of an exposure may be off. If it is, the positions of its stars differ from those in other exposures by the same
amount, whereas other differences of positions are spread over the whole field: the shift is where many agree.
"""

from __future__ import annotations

__all__ = ["PairShift", "exposure_shifts", "measured_shifts"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Differences of positions agree if they lie within this distance from the shift; noise and distortion need a pixel.
_RADIUS = 1.5
# Radius of the area around a shift in which the differences are counted that chance would give.
_AROUND = 15.0
# A shift is significant if chance gives as many agreeing stars, anywhere within reach, in less than one of the first
# number of pairs, and if there are the second number of stars.
_CHANCE, _FEWEST = 1e6, 5
# Number of the most frequent differences that are looked at, and the share of the stars of the best that those at a
# shift near zero must have to be preferred: defects of a detector agree at the distance of two pointings.
_LOOKED_AT, _PREFERRED = 5, 0.5
# Least standard error of the position of one star: the nearest pixel does not matter here, colours and distortion do.
_LEAST_ERROR = 0.05
# Shifts of exposures agree if they differ by less than this, or three standard errors.
_ALIKE = 0.3
# Rounds of the least absolute deviations, and the smallest deviation in pixels that they know.
_ROUNDS, _SMALLEST = 30, 0.02


@dataclass(frozen=True)
class PairShift:
    """Shift between two exposures.

    Attributes
    ----------
    dx, dy : float
        Position of a star in the first exposure minus that in the second, in pixels.
    error : float
        Standard error of `dx` and of `dy`.
    number : int
        Number of stars that agree.
    expected : float
        Number of stars that agree by chance.
    significance : float
        Negative decimal logarithm of the probability that chance gives such a number anywhere within reach.
    """

    dx: float
    dy: float
    error: float
    number: int
    expected: float
    significance: float


def measured_shifts(
    stars: Sequence[np.ndarray], pairs: Sequence[tuple[int, int]], *, reach: float = 100.0
) -> list[PairShift | None]:
    """Measure the shift between the two exposures of each pair.

    Parameters
    ----------
    stars : sequence of ndarray, shape (n, 2)
        Positions x, y of the stars of each exposure on a common plane. Exposures may have few or none, many of the
        stars may be in one exposure alone, and some may be no stars.
    pairs : sequence of (int, int)
        Numbers of two exposures each.
    reach : float
        Largest shift in x and y that is looked for, in pixels.

    Returns
    -------
    list of PairShift or None
        One for each pair; None if not enough stars agree.
    """
    ordered = [_ordered(positions) for positions in stars]
    return [_shift(ordered[first], ordered[second], reach) for first, second in pairs]


def _ordered(positions: np.ndarray) -> np.ndarray:
    positions = np.asarray(positions, np.float64).reshape(-1, 2)
    positions = positions[np.isfinite(positions).all(axis=1)]
    return positions[np.argsort(positions[:, 0], kind="stable")]


def _shift(first: np.ndarray, second: np.ndarray, reach: float) -> PairShift | None:
    """Measure the shift between stars that are ordered in x."""
    if min(len(first), len(second)) < _FEWEST:
        return None
    # Margins, so that the surroundings of each shift within reach are known.
    margin = reach + _AROUND
    low, high = (np.searchsorted(second[:, 0], first[:, 0] + side * margin) for side in (-1, 1))
    numbers = high - low
    one = np.repeat(np.arange(len(first)), numbers)
    other = np.arange(numbers.sum()) - np.repeat(np.cumsum(numbers) - numbers, numbers) + np.repeat(low, numbers)
    differences = first[one] - second[other]
    near = np.abs(differences[:, 1]) < margin
    one, other, differences = one[near], other[near], differences[near]
    found = []
    for start in _most_frequent(differences, reach):
        shift = _agreement(one, other, differences, start, reach)
        if shift is not None:
            found.append(shift)
    if not found:
        return None
    best = max(found, key=lambda shift: shift.significance)
    small = [
        shift for shift in found if np.hypot(shift.dx, shift.dy) < _RADIUS and shift.number >= _PREFERRED * best.number
    ]
    return max(small, key=lambda shift: shift.significance) if small else best


def _most_frequent(differences: np.ndarray, reach: float) -> np.ndarray:
    """Return the places around which most differences lie, and zero; shape (n, 2)."""
    # In cells as wide as the radius, the differences around a shift lie in two by two cells.
    half = int(np.ceil(reach / _RADIUS)) + 1
    cells = np.floor(differences / _RADIUS).astype(np.int64) + half
    inside = ((cells >= 0) & (cells < 2 * half)).all(axis=1)
    counts = np.bincount(cells[inside, 1] * 2 * half + cells[inside, 0], minlength=4 * half**2)
    counts = counts.reshape(2 * half, 2 * half)
    sums = counts[:-1, :-1] + counts[:-1, 1:] + counts[1:, :-1] + counts[1:, 1:]
    order = np.argpartition(-sums.ravel(), min(4 * _LOOKED_AT, sums.size - 1))[: 4 * _LOOKED_AT]
    order = order[np.argsort(-sums.ravel()[order], kind="stable")]
    rows, columns = np.divmod(order, sums.shape[1])
    chosen: list[tuple[int, int]] = []
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if len(chosen) < _LOOKED_AT and all(max(abs(row - y), abs(column - x)) > 2 for y, x in chosen):
            chosen.append((row, column))
    places = (np.array(chosen, float)[:, ::-1] + 1 - half) * _RADIUS
    return np.concatenate([np.zeros((1, 2)), places])


def _agreement(
    one: np.ndarray, other: np.ndarray, differences: np.ndarray, start: np.ndarray, reach: float
) -> PairShift | None:
    """Refine a shift and judge the number of stars that agree; None if chance explains it."""
    from scipy.special import gammainc

    centre = start
    around = np.hypot(*(differences - start).T) < _AROUND
    one, other, differences = one[around], other[around], differences[around]
    radius = 2 * _RADIUS
    for _ in range(12):
        distance = np.hypot(*(differences - centre).T)
        inside = distance < radius
        if not inside.any():
            return None
        moved = np.median(differences[inside], axis=0)
        if radius == _RADIUS and np.hypot(*(moved - centre)) < 1e-3:
            break
        centre, radius = moved, max(_RADIUS, radius / 1.3)
    if np.abs(centre).max() > reach:
        return None
    distance = np.hypot(*(differences - centre).T)
    inside = distance < _RADIUS
    # A star agrees with one other.
    number = min(np.unique(one[inside]).size, np.unique(other[inside]).size)
    if number < _FEWEST:
        return None
    expected = (np.count_nonzero(~inside) + 1) * _RADIUS**2 / (_AROUND**2 - _RADIUS**2)
    tried = max((2 * reach / _RADIUS) ** 2, 1.0)
    chance = float(gammainc(number, expected))  # of this number or more, in a Poisson distribution
    if chance > 0:
        significance = -float(np.log10(chance * tried))
    else:  # below the smallest float64; Stirling's formula for this number
        significance = float((number * np.log(number / expected) - number + expected) / np.log(10) - np.log10(tried))
    if significance < np.log10(_CHANCE):
        return None
    some = differences[inside]
    dx, dy = np.median(some, axis=0)
    scatter = 1.4826 * float(np.median(np.abs(some - [dx, dy])))
    # The median of n values has 1.25 times the error of their mean.
    error = 1.2533 * max(scatter, _LEAST_ERROR) / np.sqrt(number)
    return PairShift(float(dx), float(dy), float(error), int(number), float(expected), float(significance))


def exposure_shifts(
    number: int, pairs_with_shifts: Sequence[tuple[int, int, PairShift | None]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the shift of each exposure from the shifts of pairs.

    The sum of the absolute deviations of the pairs is minimised, so that some wrong pairs do not matter. Only
    differences are known; the shift is zero where most of the connected exposures agree, or at the first of them if no
    two do.

    Parameters
    ----------
    number : int
        Number of exposures.
    pairs_with_shifts : sequence of (int, int, PairShift or None)
        Numbers of two exposures, and their shift.

    Returns
    -------
    dx, dy : ndarray of float64, shape (number,)
        Position of the stars of each exposure minus that in most of the others, in pixels; NaN if unknown.
    error : ndarray of float64, shape (number,)
        Standard error of `dx` and of `dy`, without that of the others; it is larger where pairs disagree.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    dx, dy, error = (np.full(number, np.nan) for _ in range(3))
    known = [(first, second, shift) for first, second, shift in pairs_with_shifts if shift is not None]
    if not known:
        return dx, dy, error
    first, second = np.array([row[:2] for row in known]).T
    measured = np.array([(row[2].dx, row[2].dy) for row in known])
    errors = np.array([row[2].error for row in known])
    solution, deviations = _least_absolute(number, first, second, measured, errors)
    _, groups = connected_components(
        coo_array((np.ones(len(known)), (first, second)), (number, number)), directed=False
    )
    weights = np.zeros(number)
    for ends in (first, second):
        # A pair that deviates says less.
        np.add.at(weights, ends, 1 / np.maximum(errors**2, deviations**2))
    for group in np.unique(groups[first]):
        members = np.flatnonzero(groups == group)
        error[members] = weights[members] ** -0.5
        shifts = solution[members] - _agreed(solution[members], error[members])
        dx[members], dy[members] = shifts.T
    return dx, dy, error


def _least_absolute(
    number: int, first: np.ndarray, second: np.ndarray, measured: np.ndarray, errors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return shifts of exposures whose differences deviate least from those of pairs, and the deviations of pairs."""
    from scipy.sparse import coo_array, diags_array
    from scipy.sparse.linalg import splu

    every = np.arange(len(first))
    signs = np.repeat([1.0, -1.0], len(first))
    design = coo_array(
        (signs, (np.concatenate([every, every]), np.concatenate([first, second]))), (len(first), number)
    ).tocsr()
    solution, deviations = np.zeros((number, 2)), np.zeros(len(first))
    for _ in range(_ROUNDS):
        # Squares, weighted by the inverse of the deviations, become absolute values.
        weights = 1 / (errors * np.maximum(deviations, np.maximum(errors, _SMALLEST)))
        # Each group lacks a shift of all, for which any value will do.
        normal = design.T @ diags_array(weights) @ design + diags_array(np.full(number, 1e-9 * weights.max()))
        before = solution
        solution = splu(normal.tocsc()).solve(design.T @ (weights[:, None] * measured))
        deviations = np.hypot(*(design @ solution - measured).T)
        if np.abs(solution - before).max() < 1e-4:
            break
    return solution, deviations


def _agreed(shifts: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the shift near which most of the exposures of a group are; of equal ones, that of the first."""
    most, result = 0, shifts[0]
    limits2 = np.maximum(_ALIKE, 3 * errors) ** 2
    for k in range(len(shifts)):
        distance2 = ((shifts - shifts[k]) ** 2).sum(axis=1)
        alike = distance2 <= np.maximum(limits2, limits2[k])
        if (count := int(np.count_nonzero(alike))) > most:
            most, result = count, np.median(shifts[alike], axis=0) if count > 2 else shifts[k]
    return np.asarray(result)
