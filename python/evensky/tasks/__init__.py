"""Tasks: background matching over many exposures."""

from __future__ import annotations

from .base import Struct, Task, TaskError
from .flags import FLAGS
from .match_backgrounds import DataRefMatcher, MatchBackgroundsConfig, MatchBackgroundsTask

__all__ = ["FLAGS", "DataRefMatcher", "MatchBackgroundsConfig", "MatchBackgroundsTask", "Struct", "Task", "TaskError"]
