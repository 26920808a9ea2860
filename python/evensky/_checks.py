"""What arguments have to be, said in one way."""

from __future__ import annotations

__all__ = ["real_number", "shown", "whole_number"]

import operator
from typing import Any

from .errors import InvalidParameterError, OutOfRangeError


def shown(value: Any) -> str:
    """A value as a message shows it: on one line, and not longer than one."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python writes whole numbers of up to 4300 digits
        text = f"a number of {value.bit_length()} bits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def whole_number(value: Any, name: str) -> int:
    """A whole number; InvalidParameterError for anything else."""
    try:
        return operator.index(value)
    except TypeError:
        raise InvalidParameterError(
            f"{name}: {shown(value)} is a {type(value).__name__}; a whole number is needed"
        ) from None


def real_number(value: Any, name: str) -> float:
    """A real number as float64.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For words, sequences, complex numbers and everything else that is no number.
    evensky.errors.OutOfRangeError
        For a whole number that is larger than every float64.
    """
    if not isinstance(value, str | bytes):
        try:
            return float(value)
        except TypeError:
            pass
        except OverflowError:
            raise OutOfRangeError(f"{name} is {shown(value)}; it must be within float64, +-1.8e308") from None
    raise InvalidParameterError(f"{name}: {shown(value)} is a {type(value).__name__}; a real number is needed")
