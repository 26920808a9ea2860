"""Background matching over whole tracts, with the names of LSST's tasks of 2025 and later.

`evensky.tasks.MatchBackgroundsTask` is the older task, which matches exposures on one pixel grid.
"""

from __future__ import annotations

from .background import TractBackground, TractModel
from .config import ChooseReferenceVisitConfig, TractBackgroundConfig
from .match import MatchBackgroundsConfig, MatchBackgroundsTask
from .reference import ChooseReferenceVisitTask, VisitCandidate
from .sky_map import Index2D, PatchInfo, SkyMap, TractInfo

__all__ = [
    "ChooseReferenceVisitConfig",
    "ChooseReferenceVisitTask",
    "Index2D",
    "MatchBackgroundsConfig",
    "MatchBackgroundsTask",
    "PatchInfo",
    "SkyMap",
    "TractBackground",
    "TractBackgroundConfig",
    "TractInfo",
    "TractModel",
    "VisitCandidate",
]
