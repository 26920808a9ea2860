"""Base classes of tasks and their results."""

from __future__ import annotations

import logging
import pickle

import pytest
from lsst.pex.config import Config, ConfigurableField
from simulated_task import make_task

from evensky.errors import InvalidParameterError
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask, Struct, Task

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


def test_a_subtask_logs_below_its_parent() -> None:
    class Parent(Task):
        ConfigClass = MatchBackgroundsConfig
        _DefaultName = "parent"

    parent = Parent(parentTask=None)

    class Outer(Config):
        match = ConfigurableField(target=MatchBackgroundsTask, doc="matching")

    config = Outer()
    config.match.binSize = 64
    made = config.match.apply(name="match", parentTask=parent)
    assert isinstance(made, MatchBackgroundsTask)
    assert made.config.binSize == 64
    assert made.log.name == "parent.match"
    assert made.getName() == "match"
    assert pickle.loads(pickle.dumps(made)).log is made.log
    other = logging.getLogger("other")
    assert MatchBackgroundsTask(log=other, parentTask=parent).log.name == "other.matchBackgrounds"
