"""The errors that evensky raises.

The names are those of ``lsst.pex.exceptions``, so ``import evensky.errors as pexExcept`` is how a script moves over.
Each class also derives from the built-in exception that a Python user would catch. The same hierarchy exists in
C++ (``evensky/errors.hpp``); the compiled core raises these classes for them.
"""

from __future__ import annotations

__all__ = [
    "EvenskyError",
    "FitsError",
    "InvalidParameterError",
    "LengthError",
    "LogicError",
    "NotFoundError",
    "OutOfRangeError",
    "TaskError",
]

import builtins

from . import _core


class EvenskyError(Exception):
    """Base class of every error that evensky raises on purpose."""


class LogicError(EvenskyError):
    """The call itself was wrong: some argument cannot be right."""


class InvalidParameterError(LogicError, ValueError):
    """An argument has a value that is not allowed; the message holds the value and what is allowed."""


class LengthError(LogicError, ValueError):
    """A size or a region does not fit; the message holds both sizes."""


class OutOfRangeError(LogicError, IndexError, ValueError):
    """A position or a number of points is outside what is allowed."""


class NotFoundError(InvalidParameterError, LookupError):
    """A name (mask plane, field, property) does not exist; the message lists the known ones."""


class RuntimeError(EvenskyError, builtins.RuntimeError):
    """The arguments were right, but the data do not allow a result."""


class TaskError(RuntimeError):
    """A task cannot do its work; mirrors ``lsst.pipe.base.TaskError``."""


class FitsError(RuntimeError, OSError):
    """A file cannot be read or written as the image it should be; the message names the file."""


_core.set_error_classes(
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
