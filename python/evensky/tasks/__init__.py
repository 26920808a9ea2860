"""Tasks with the names and interfaces of LSST's: background matching over many exposures."""

from __future__ import annotations

import logging

from ..io.data_refs import DataRefMatcher
from ..matching.pair import FLAGS
from .base import Struct, Task, TaskError
from .config import MatchBackgroundsConfig
from .match_backgrounds import MatchBackgroundsTask

# Programs that want the log add a handler; the important messages are in the records.
logging.getLogger("evensky").addHandler(logging.NullHandler())

__all__ = ["FLAGS", "DataRefMatcher", "MatchBackgroundsConfig", "MatchBackgroundsTask", "Struct", "Task", "TaskError"]
