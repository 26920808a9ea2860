"""The few parts of ``lsst.pipe.base`` that a task needs: `Struct`, `Task` and `TaskError`."""

from __future__ import annotations

__all__ = ["Struct", "Task", "TaskError"]

import logging
from types import SimpleNamespace
from typing import Any, ClassVar

from lsst.pex.config import Config

from ..errors import InvalidParameterError, NotFoundError, TaskError


class Struct(SimpleNamespace):
    """A set of named results."""

    def getDict(self) -> dict[str, Any]:
        """Return the names and values as a new dictionary."""
        return dict(self.__dict__)

    def mergeItems(self, struct: Struct, *nameList: str) -> None:
        """Add some results of another Struct.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If this Struct already has a result of that name.
        evensky.errors.NotFoundError
            If the other Struct has no result of that name.
        """
        for name in nameList:
            if name in self.__dict__:
                raise InvalidParameterError(f"The Struct holds {name!r} already")
            if name not in struct.__dict__:
                known = ", ".join(map(repr, struct.__dict__)) or "none"
                raise NotFoundError(f"The other Struct holds no {name!r}; it holds {known}")
            setattr(self, name, struct.__dict__[name])

    def copy(self) -> Struct:
        """Return a shallow copy."""
        return Struct(**self.__dict__)


class Task:
    """An object that has a configuration and a log.

    Parameters
    ----------
    config : ConfigClass, optional
        Configuration, by default the defaults of its class. It is checked and kept, not copied or frozen: several tasks
        may share it, and it may be changed between calls.
    name : str, optional
        Name of the log; ``_DefaultName`` by default.
    log : logging.Logger, optional
        Parent of the task's log.
    parentTask : Task, optional
        Task of which this is a subtask; without `log`, its log is the parent of this task's log.
    """

    ConfigClass: ClassVar[type[Config]]
    _DefaultName: ClassVar[str]

    def __init__(
        self, config: Config | None = None, name: str | None = None, log: Any = None, parentTask: Any = None
    ) -> None:
        if log is None and parentTask is not None:
            log = parentTask.log
        if config is None:
            config = self.ConfigClass()
        if not isinstance(config, self.ConfigClass):
            raise InvalidParameterError(f"config is {_not_of(type(config), self.ConfigClass)}")
        config.validate()
        self.config = config
        self._name = self._DefaultName if name is None else name
        self._parent_log = log
        self.log = logging.getLogger(self._name) if log is None else log.getChild(self._name)

    def getName(self) -> str:
        """Return the task's name."""
        return self._name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config!r}, name={self._name!r})"

    def __reduce__(self) -> Any:
        return type(self), (self.config, self._name, self._parent_log)


def _not_of(given: type, needed: type) -> str:
    """Return what a class is and what it must be; classes of the same name are told apart by their modules."""
    names = given.__name__, needed.__name__
    if names[0] != names[1]:
        return f"a {names[0]}; it must be a {names[1]}"
    return (
        f"the {names[0]} of {given.__module__}; it must be that of {needed.__module__}: import the configuration from "
        "the same package as the task"
    )
