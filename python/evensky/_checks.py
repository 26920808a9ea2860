"""Checks of arguments that are common to all modules, with uniform error messages."""

from __future__ import annotations

__all__ = ["byte_count", "byte_limit", "names_of", "real_number", "shown", "whole_number"]

import operator
import re
from collections.abc import Iterable
from typing import Any

from .errors import InvalidParameterError, OutOfRangeError
from .errors import TypeError as WrongTypeError

_UNITS = {
    "": 1,
    **{f"{letter}{b}": 1000**n for n, letter in enumerate("kMGT", start=1) for b in ("", "B")},
    **{f"{letter}i{b}": 1024**n for n, letter in enumerate("kMGT", start=1) for b in ("", "B")},
}
_BYTES = re.compile(r"(\d{1,15}(?:\.\d{0,15})?)\s*([kKMGT]?i?B?)", re.ASCII)
_BYTES_NEEDED = "a number of bytes is needed, such as 2000000000, 2GB (10^9 bytes each) or 512MiB (2^20 bytes each)"


def shown(value: Any) -> str:
    """Format a value for an error message: on one line, at most 80 characters."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # Python does not format integers of more than 4300 digits; other objects may fail in any way.
        kind = type(value).__name__
        text = f"a number of {value.bit_length()} bits" if isinstance(value, int) else f"a {kind} that cannot be shown"
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


def byte_count(value: Any, name: str) -> int:
    """Return a number of bytes that is given as a whole number, or as text such as "2GB" or "512MiB".

    Parameters
    ----------
    value : int or str
        Units are kB, MB, GB and TB, powers of 1000, and KiB, MiB, GiB and TiB, powers of 1024; the B may be left out.
    name : str
        Name of the parameter, for messages.

    Returns
    -------
    int

    Raises
    ------
    evensky.errors.InvalidParameterError
        If it is no number of bytes, or not positive.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and (found := _BYTES.fullmatch(value.strip())):
        unit = found[2].replace("K", "k")
        if unit not in ("", "B") and unit not in _UNITS:
            raise InvalidParameterError(f"{name} is {shown(value)}; {_BYTES_NEEDED}")
        number = int(float(found[1]) * _UNITS.get(unit, 1))
    else:
        raise InvalidParameterError(f"{name} is {shown(value)}; {_BYTES_NEEDED}")
    if number <= 0:
        raise InvalidParameterError(f"{name} is {shown(value)}; it must be positive")
    return number


def byte_limit(value: Any, name: str) -> int | None:
    """Return a limit in bytes as `byte_count` does; None, for no limit, stays None."""
    return None if value is None else byte_count(value, name)
