from __future__ import annotations

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.simulate import make_exposures, residual_background


def test_exposures_are_what_they_say() -> None:
    simulated = make_exposures(3, (256, 300), seed=4)
    again = make_exposures(3, (256, 300), seed=4)
    for one, other in zip(simulated, again, strict=True):
        np.testing.assert_array_equal(one.exposure.image.array, other.exposure.image.array)
    first = simulated[0]
    mask = first.exposure.mask
    for plane in ("NO_DATA", "BAD", "CR", "DETECTED"):
        assert (mask.array & mask.getPlaneBitMask(plane)).any()
    np.testing.assert_array_equal(
        np.isnan(first.exposure.image.array), (mask.array & mask.getPlaneBitMask("NO_DATA")) != 0
    )
    # Good pixels scatter about scene + sky as the variance plane predicts.
    good = (mask.array & mask.getPlaneBitMask(["NO_DATA", "BAD", "CR", "SAT"])) == 0
    pulls = (first.exposure.image.array - first.scene - first.sky)[good] / np.sqrt(first.exposure.variance.array[good])
    assert abs(pulls.mean()) < 0.02
    assert pulls.std() == pytest.approx(1, abs=0.02)
    assert first.scene is simulated[1].scene
    assert np.abs(first.sky - simulated[1].sky).max() > 5


def test_residual_is_zero_for_a_perfect_match() -> None:
    reference, other = make_exposures(2, (128, 128))
    matched = other.exposure.image.array.astype(np.float64) + (reference.sky.astype(np.float64) - other.sky)
    residual = residual_background(matched, other, reference)
    assert np.nanmax(np.abs(residual)) < 1e-9
    assert np.nanmax(np.abs(residual_background(other.exposure.image.array, other, reference))) > 1


def test_sizes_that_cannot_be_simulated() -> None:
    with pytest.raises(InvalidParameterError, match="number = 0"):
        make_exposures(0)
    with pytest.raises(InvalidParameterError, match="64"):
        make_exposures(1, (10, 100))
