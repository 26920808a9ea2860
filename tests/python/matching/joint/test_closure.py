"""Closure of the differences of three exposures."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from evensky import _core
from evensky.matching.joint.closure import CLEAN_CLOSURE, closure, noise_of_clipping
from evensky.matching.joint.differences import Differences, measure_pair
from evensky.matching.joint.grid import CommonGrid
from evensky.matching.joint.pixels import Pixels

SIDE = 256


def closure_of(
    images: list[np.ndarray],
    statistic: str = "MEANCLIP",
    sigma: float = 3.0,
    pairs: list[tuple[int, int]] | None = None,
    wrong: dict[tuple[int, int], float] | None = None,
) -> np.ndarray:
    """Return the closure; the values of some pairs are made wrong by a number of their errors."""
    options = _core.PairOptions()
    options.gridStatistic, options.numIter = getattr(_core.Property, statistic), 3
    options.numSigmaClip = sigma
    pixels = [Pixels(image, None, 0, (0, 0, SIDE, SIDE)) for image in images]
    if pairs is None:
        pairs = [(i, j) for j, i in itertools.combinations(range(len(images)), 2)]
    measured = []
    for i, j in pairs:
        bins = measure_pair((i, pixels[i]), (j, pixels[j]), CommonGrid(16), options)
        assert bins is not None
        bins.values = bins.values + (wrong or {}).get((i, j), 0.0) * bins.errors
        measured.append(bins)
    return closure(Differences(len(images), measured), noise_of_clipping(statistic, sigma))


def noise(number: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [rng.normal(100 * k, 5 + 2 * k, (SIDE, SIDE)).astype(np.float32) for k in range(number)]


@pytest.mark.parametrize(("statistic", "sigma"), [("MEANCLIP", 3.0), ("MEANCLIP", 2.5), ("MEDIAN", 3.0)])
def test_noise_closes_as_expected(statistic: str, sigma: float) -> None:
    assert closure_of(noise(), statistic, sigma) == pytest.approx(1, abs=0.25)


def test_masks_are_expected() -> None:
    rng = np.random.default_rng(8)
    images = noise()
    for image in images:
        image[rng.random(image.shape) < 0.1] = np.nan
    assert np.all(closure_of(images) < CLEAN_CLOSURE)
    assert np.all(closure_of(images, "MEAN") < CLEAN_CLOSURE)


def test_a_pair_that_does_not_agree_with_the_others() -> None:
    found = closure_of(noise(), wrong={(1, 0): 0.5})
    # Of the three triangles of exposure 2 or 3, one contains the pair; of those of exposure 0 or 1, two do.
    assert np.all(found[:2] > 1.2 * CLEAN_CLOSURE)
    assert np.all(found[2:] < CLEAN_CLOSURE)


def test_exposures_without_a_triangle() -> None:
    found = closure_of(noise(), pairs=[(0, 1), (1, 2), (0, 2), (2, 3)])
    assert np.isfinite(found).tolist() == [True, True, True, False]
    assert np.isnan(closure_of(noise(2))).all()
