"""Tasks: background matching over many exposures."""

from __future__ import annotations

import logging

from .base import Struct, Task, TaskError
from .flags import FLAGS
from .match_backgrounds import DataRefMatcher, MatchBackgroundsConfig, MatchBackgroundsTask

# Whoever wants to read the log says so; what matters of an exposure is in its record.
logging.getLogger("evensky").addHandler(logging.NullHandler())

__all__ = ["FLAGS", "DataRefMatcher", "MatchBackgroundsConfig", "MatchBackgroundsTask", "Struct", "Task", "TaskError"]
