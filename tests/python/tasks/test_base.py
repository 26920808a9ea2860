"""Base classes of tasks and their results."""

from __future__ import annotations

import logging
import pickle

import pytest
from simulated_task import make_task

from evensky.errors import InvalidParameterError
from evensky.tasks import Struct, Task

pytestmark = pytest.mark.smoke


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
