"""Errors are those that users of Python expect to catch."""

from __future__ import annotations

import builtins

import pytest

import evensky.errors as errors

pytestmark = pytest.mark.smoke


def test_errors_are_what_python_users_catch() -> None:
    for ours, theirs in (
        (errors.InvalidParameterError, ValueError),
        (errors.LengthError, ValueError),
        (errors.OutOfRangeError, IndexError),
        (errors.NotFoundError, LookupError),
        (errors.RuntimeError, builtins.RuntimeError),
        (errors.TaskError, builtins.RuntimeError),
        (errors.FitsError, OSError),
    ):
        assert issubclass(ours, theirs)
        assert issubclass(ours, errors.EvenskyError)
