"""Each error derives from the built-in exception that Python users catch."""

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
        (errors.IoError, OSError),
        (errors.TypeError, TypeError),
        (errors.TypeError, errors.InvalidParameterError),
        (errors.DomainError, errors.LogicError),
        (errors.RangeError, errors.RuntimeError),
        (errors.OverflowError, OverflowError),
        (errors.UnderflowError, ArithmeticError),
        (errors.TimeoutError, TimeoutError),
        (errors.TimeoutError, errors.RuntimeError),
        (errors.FatalAlgorithmError, errors.RuntimeError),
        (errors.FitsError, errors.IoError),
    ):
        assert issubclass(ours, theirs)
        assert issubclass(ours, errors.EvenskyError)


def test_the_base_has_the_original_name_and_tells_its_message() -> None:
    assert errors.Exception is errors.EvenskyError
    with pytest.raises(errors.Exception) as raised:
        raise errors.LengthError("3 and 4 pixels")
    assert raised.value.what() == "3 and 4 pixels"


def test_names_of_built_ins_are_not_imported_with_a_star() -> None:
    assert [name for name in errors.__all__ if hasattr(builtins, name)] == []
