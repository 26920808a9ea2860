"""Checks of arguments that are common to all modules, with uniform error messages."""

from __future__ import annotations

__all__ = ["names_of", "real_number", "shown", "whole_number"]

import operator
from collections.abc import Iterable
from typing import Any

from .errors import InvalidParameterError, OutOfRangeError
from .errors import TypeError as WrongTypeError


def shown(value: Any) -> str:
    """Format a value for an error message: on one line, at most 80 characters."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python does not format integers of more than 4300 digits.
        text = f"a number of {value.bit_length()} bits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def whole_number(value: Any, name: str) -> int:
    """Return a value as an int.

    Raises
    ------
    evensky.errors.TypeError
        If the value is not a whole number.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise WrongTypeError(f"{name}: {shown(value)} is a {type(value).__name__}; a whole number is needed") from None


def real_number(value: Any, name: str) -> float:
    """Return a value as a float.

    Raises
    ------
    evensky.errors.TypeError
        If the value is not a real number, for example a string, a sequence or a complex number.
    evensky.errors.OutOfRangeError
        If the value is a whole number beyond the range of float64.
    """
    if not isinstance(value, str | bytes):
        try:
            return float(value)
        except TypeError:
            pass
        except OverflowError:
            raise OutOfRangeError(f"{name} is {shown(value)}; it must be within float64, +-1.8e308") from None
    raise WrongTypeError(f"{name}: {shown(value)} is a {type(value).__name__}; a real number is needed")


def names_of(value: str | int | Iterable[str | int] | None, name: str = "names") -> tuple[str, ...] | None:
    """Return names that are given as a text with commas or one by one; None for None.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If they are not names.
    """
    if value is None:
        return None
    parts = value.split(",") if isinstance(value, str) else [value] if isinstance(value, int) else value
    if not isinstance(parts, Iterable):
        raise InvalidParameterError(f"{name} is {shown(value)}, a {type(value).__name__}; names are needed")
    return tuple(text for part in parts if (text := str(part).strip()))
