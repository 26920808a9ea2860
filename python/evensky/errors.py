"""Exceptions raised by evensky.

The names are those of ``lsst.pex.exceptions``; scripts written for it need only ``import evensky.errors as pexExcept``.
Each class also derives from the built-in exception that a Python user would catch. The same hierarchy exists in C++
(``evensky/errors.hpp``); the compiled core turns its exceptions into these classes.
"""

from __future__ import annotations

__all__ = [
    "DomainError",
    "EvenskyError",
    "FatalAlgorithmError",
    "FitsError",
    "InvalidParameterError",
    "IoError",
    "LengthError",
    "LogicError",
    "LostLockError",
    "NotFoundError",
    "OutOfRangeError",
    "RangeError",
    "TaskError",
    "UnderflowError",
    "UnsuitableError",
]

import builtins
from collections.abc import Sequence

from ._core import set_error_classes
from ._text import visible_lines


class EvenskyError(builtins.Exception):
    """Base class of all evensky exceptions; also named `Exception` here, as in the original."""

    def __str__(self) -> str:
        # Names of files may hold sequences that steer a terminal, and tracebacks are printed as they are.
        return visible_lines(super().__str__())

    def what(self) -> str:
        """Return the message."""
        return str(self)


class LogicError(EvenskyError):
    """Error in the call itself: an argument is invalid."""


class InvalidParameterError(LogicError, ValueError):
    """Argument whose value is not allowed; the message holds the value and what is allowed."""


class TypeError(InvalidParameterError, builtins.TypeError):
    """Argument of a wrong type; the message holds the value, its type and what is needed."""


class DomainError(LogicError, ValueError):
    """Argument outside the domain of a function; the original's name, which evensky does not raise."""


class LengthError(LogicError, ValueError):
    """Mismatch of sizes or regions; the message holds both."""


class OutOfRangeError(LogicError, IndexError, ValueError):
    """Position or number of points outside the allowed range."""


class NotFoundError(InvalidParameterError, LookupError):
    """Unknown name of a mask plane, field or property; the message lists the known names."""


class RuntimeError(EvenskyError, builtins.RuntimeError):
    """Failure on valid arguments: the data do not allow a result."""


class RangeError(RuntimeError):
    """Request beyond the range of a generator of random numbers."""


class OverflowError(RuntimeError, builtins.OverflowError):
    """Result too large for its type; the original's name, which evensky does not raise."""


class UnderflowError(RuntimeError, ArithmeticError):
    """Result too small for its type; the original's name, which evensky does not raise."""


class TimeoutError(RuntimeError, builtins.TimeoutError):
    """Failure to finish in time; the original's name, which evensky does not raise."""


class FatalAlgorithmError(RuntimeError):
    """Algorithm that cannot run at all; the original's name, which evensky does not raise."""


class TaskError(RuntimeError):
    """Failure of a task; mirrors ``lsst.pipe.base.TaskError``."""


class UnsuitableError(TaskError, ValueError):
    """Set of exposures that would give wrong numbers if they were matched.

    Parameters
    ----------
    problems : sequence of str
        Reasons, each with the option that overrules it.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))

    def __reduce__(self) -> tuple[type[UnsuitableError], tuple[list[str]]]:
        return type(self), (self.problems,)


class IoError(RuntimeError, OSError):
    """Failure to read or write; the original's name, from which `FitsError` derives."""


class FitsError(IoError):
    """Failure to read or write a file; the message names the file."""


class LostLockError(FitsError):
    """Folder that a run may no longer write to, as its lock has been taken over by another run, or is gone."""


# The original's name of the base class.
Exception = EvenskyError


set_error_classes(
    {
        cls.__name__: cls
        for cls in (
            EvenskyError,
            InvalidParameterError,
            LengthError,
            NotFoundError,
            OutOfRangeError,
            RuntimeError,
        )
    }
)
