"""Tasks and their results in general."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import pytest

from evensky.errors import InvalidParameterError
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask, Struct, Task

pytestmark = pytest.mark.smoke


def make_task(**fields: Any) -> MatchBackgroundsTask:
    config = MatchBackgroundsConfig()
    config.update(**({"binSize": 32} | fields))
    return MatchBackgroundsTask(config)


def test_task_basics() -> None:
    task = make_task()
    assert isinstance(task, Task)
    assert task.getName() == "matchBackgrounds"
    assert isinstance(task.log, logging.Logger)
    assert pickle.loads(pickle.dumps(task)).config == task.config
    struct = Struct(a=1, b=2)
    assert struct.getDict() == {"a": 1, "b": 2}
    other = Struct()
    other.mergeItems(struct, "a")
    assert other.a == 1
    with pytest.raises(InvalidParameterError, match="'a'"):
        other.mergeItems(struct, "a")
