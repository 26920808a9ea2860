"""Simulated exposures, and the mirrored task with bins for them."""

from __future__ import annotations

from typing import Any

from evensky.io import ExposureDataRef
from evensky.simulate import make_exposures
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask

SIMULATED = make_exposures(4, (256, 256), seed=5)


def make_task(**fields: Any) -> MatchBackgroundsTask:
    config = MatchBackgroundsConfig()
    config.update(**({"binSize": 32} | fields))
    return MatchBackgroundsTask(config)


def refs() -> list[ExposureDataRef]:
    return [ExposureDataRef(one.exposure) for one in SIMULATED]
