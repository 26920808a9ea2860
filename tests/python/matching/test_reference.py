"""The choice of a reference exposure."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from evensky.image import Mask
from evensky.io import ExposureDataRef
from evensky.simulate import make_exposures
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask

pytestmark = pytest.mark.smoke
SIMULATED = make_exposures(4, (256, 256), seed=5)


def make_task(**fields: Any) -> MatchBackgroundsTask:
    config = MatchBackgroundsConfig()
    config.update(**({"binSize": 32} | fields))
    return MatchBackgroundsTask(config)


def refs() -> list[ExposureDataRef]:
    return [ExposureDataRef(one.exposure) for one in SIMULATED]


def test_reference_without_good_pixels_never_wins() -> None:
    blank = SIMULATED[0].exposure.clone()
    blank.mask |= Mask.getPlaneBitMask("BAD")
    assert make_task().selectRefExposure([blank, *refs()], None, "warp") != 0


def test_levels_that_are_not_positive_are_compared_by_range(caplog: pytest.LogCaptureFixture) -> None:
    shifted = []
    for one in SIMULATED:
        exposure = one.exposure.clone()
        exposure.image -= 700
        shifted.append(exposure)
    task = make_task(bestRefWeightCoverage=0.0, bestRefWeightVariance=0.0, bestRefWeightLevel=1.0)
    plain = task.selectRefExposure([one.exposure for one in SIMULATED], None, "warp")
    with caplog.at_level(logging.INFO):
        assert task.selectRefExposure(shifted, None, "warp") == plain
    assert "range" in caplog.text
