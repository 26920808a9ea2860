"""References of a joint match that are hardly usable, and what remains in memory after an error."""

from __future__ import annotations

import numpy as np
import pytest

import evensky
from evensky.errors import InvalidParameterError, TaskError
from evensky.image import Mask
from evensky.work.held import PIXELS


def exposures() -> list[np.ndarray]:
    return [np.random.default_rng(seed).normal(100, 1, (96, 96)).astype(np.float32) for seed in range(3)]


def test_a_reference_with_a_few_good_pixels_does_not_end_the_run() -> None:
    sparse = np.full((96, 96), np.nan, np.float32)
    sparse[0, :3] = 50, 51, 52
    run = evensky.match_all([*exposures(), sparse], reference=3, pictures=False).run
    assert run.reference == "exposure 3"
    assert [record.status for record in run.records[:3]] == ["matched"] * 3


def test_no_pixels_are_held_after_an_error() -> None:
    with pytest.raises(TaskError, match="exposure 3: has no good pixel, so it cannot be the reference"):
        evensky.match_all([*exposures(), np.full((96, 96), np.nan, np.float32)], reference=3)
    assert not PIXELS._held


def test_planes_that_are_no_names_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match=r"5\.5"):
        evensky.image_statistics(np.ones((3, 4)), Mask(4, 3), bad_planes=5.5)  # type: ignore[arg-type]
