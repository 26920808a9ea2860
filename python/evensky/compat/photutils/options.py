"""Options of the stand-ins of photutils, checked."""

from __future__ import annotations

__all__ = ["size_pair", "thread_number"]

from typing import Any

import numpy as np

from ..._checks import shown, whole_number
from ...errors import InvalidParameterError


def size_pair(size: Any, name: str, *, odd: bool = False) -> tuple[int, int]:
    """Return a height and a width, which may be given as one whole number.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If they are not positive whole numbers, or not odd although they must be.
    """
    pair = list(size) if isinstance(size, tuple | list | np.ndarray) and np.ndim(size) else [size, size]
    if len(pair) == 1:
        pair *= 2
    if len(pair) != 2:
        raise InvalidParameterError(f"{name} is {shown(size)}; it must be one number, or height and width")
    size_y, size_x = (whole_number(one, name) for one in pair)
    if min(size_y, size_x) < 1:
        raise InvalidParameterError(f"{name} is {shown(size)}; it must be at least 1")
    if odd and not (size_y % 2 and size_x % 2):
        raise InvalidParameterError(f"{name} is {shown(size)}; it must be odd along both axes")
    return size_y, size_x


def thread_number(n_threads: Any) -> int:
    """Return a number of threads.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If it is not positive.
    """
    number = whole_number(n_threads, "n_threads")
    if number < 1:
        raise InvalidParameterError(f"n_threads is {number}; it must be at least 1")
    return number
