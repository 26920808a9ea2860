"""INCREASE_NXNYSAMPLE: bins shrink until there are enough of them, wherever the original matches."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from simulated_task import make_task

import evensky.errors as errors
import evensky.math as afwMath
from evensky.image import ExposureF

WIDTH, HEIGHT = 160, 128


def hole(kind: str) -> np.ndarray:
    """Return the good pixels of an exposure with a part missing."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    kinds = {
        "strip": x < 50,
        "band": (y >= 37) & (y < 77),
        "corner": (x > 100) & (y > 80),
        "chips": (x % 80 < 23) & (y % 64 < 17),
        "cross": (abs(x - 71) < 12) | (abs(y - 59) < 9),
        "diagonal": abs(x - 1.25 * y) < 22,
        "disc": (x - 60) ** 2 + (y - 70) ** 2 < 31**2,
        "all": x >= 0,
    }
    return kinds[kind]


KINDS = ("strip", "band", "corner", "chips", "cross", "diagonal", "disc", "all")
CASES = list(itertools.product((16, 20, 25, 31), (2, 3, 4, 5), KINDS))


def pair(good: np.ndarray) -> tuple[ExposureF, ExposureF, np.ndarray]:
    """Return a reference, an exposure with a plane for a sky and a hole, and the true model."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    truth = 20 + 0.005 * x - 0.003 * y
    exposures = []
    for sky in (100.0 + truth, np.full(truth.shape, 100.0)):
        exposure = ExposureF(WIDTH, HEIGHT)
        exposure.image.array[...] = rng.normal(sky, 1.0)
        exposure.variance.array[...] = 1.0
        exposures.append(exposure)
    exposures[1].image.array[~good] = np.nan
    return exposures[0], exposures[1], truth


def original_matches(difference: np.ndarray, bin_size: int, order: int) -> bool:
    """Return whether the original finds a model: it takes the new size of the bins for their number."""
    if order > -(-min(difference.shape) // bin_size) - 1:
        return False
    good = np.isfinite(difference)
    columns, rows = set(), set()
    for j, i in itertools.product(range(0, HEIGHT, bin_size), range(0, WIDTH, bin_size)):
        if good[j : j + bin_size, i : i + bin_size].sum() >= 2:
            columns.add(i)
            rows.add(j)
    count = min(len(columns), len(rows))
    shape = -(-WIDTH // bin_size), -(-HEIGHT // bin_size)
    if count <= order:
        shape = (count * bin_size // (order + 1),) * 2
    actrl = afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, order)
    try:
        control = afwMath.BackgroundControl(*shape, afwMath.StatisticsControl(), "MEAN")
        afwMath.makeBackground(difference, control).getApproximate(actrl)
    except errors.EvenskyError:
        return False
    return True


def test_what_the_original_matches_is_matched() -> None:
    assert len(CASES) == 128
    matched = shrunk = 0
    for bin_size, order, kind in CASES:
        good = hole(kind)
        reference, science, truth = pair(good)
        expected = original_matches(reference.image.array - science.image.array, bin_size, order)
        task = make_task(usePolynomial=True, order=order, binSize=bin_size, undersampleStyle="INCREASE_NXNYSAMPLE")
        if order > -(-HEIGHT // bin_size) - 1:  # refused before anything is read
            assert not expected
            with pytest.raises(ValueError, match=r"config\.order > npoints - 1"):
                task.matchPair(reference, science, 0, 0)
            continue
        _, result = task.matchPair(reference, science, 0, 0)
        matched += expected
        shrunk += result.binSize < bin_size
        assert 2 <= result.binSize <= bin_size
        assert result.reduced == (result.binSize != bin_size) == bool(result.warnings)
        residual = (science.image.array - 100.0 - truth)[good]
        assert abs(residual.mean()) < 0.2, (bin_size, order, kind)
    assert matched > 80
    assert shrunk > 60


def test_the_bins_are_no_smaller_than_needed() -> None:
    reference, science, _ = pair(hole("strip"))
    for order, size in ((1, 32), (2, 21), (3, 16)):
        # 50 of 160 columns are good: 2 of 32 px; 3 of 2 * 32 // 3 px; 4 of 2 * 32 // 4 px.
        task = make_task(usePolynomial=True, order=order, binSize=32, undersampleStyle="INCREASE_NXNYSAMPLE")
        assert task.matchPair(reference, science.clone(), 0, 0)[1].binSize == size
    # A step that is not enough is followed by others: 3 columns begin at 45, so that bins of 32 px have 2 of them, bins
    # of 16 px 3, bins of 8 px 4.
    good = (np.arange(WIDTH) >= 45) & (np.arange(WIDTH) < 70)
    reference, science, _ = pair(np.broadcast_to(good, (HEIGHT, WIDTH)))
    task = make_task(usePolynomial=True, order=3, binSize=32, undersampleStyle="INCREASE_NXNYSAMPLE")
    _, result = task.matchPair(reference, science, 0, 0)
    assert result.binSize == 8
    assert result.warnings == [
        "Decreasing binsize to 8: bins of 32 px have too few columns or rows with good pixels for order 3"
    ]


@pytest.mark.parametrize("columns", [3, 6])
def test_no_size_is_small_enough(columns: int) -> None:
    good = np.zeros((HEIGHT, WIDTH), bool)
    good[:, 50 : 50 + columns] = True
    reference, science, _ = pair(good)
    before = science.image.array.copy()
    fields: dict[str, Any] = {"usePolynomial": True, "order": 3, "binSize": 32}
    with pytest.raises(ValueError, match=r"only 1 columns or rows of bins of 32 px .* down to 2 px"):
        make_task(**fields, undersampleStyle="INCREASE_NXNYSAMPLE").matchBackgrounds(reference, science)
    np.testing.assert_array_equal(science.image.array, before)
    reference, science, _ = pair(np.zeros((HEIGHT, WIDTH), bool))
    with pytest.raises(ValueError, match="No overlap with reference"):
        make_task(**fields, undersampleStyle="INCREASE_NXNYSAMPLE").matchBackgrounds(reference, science)
