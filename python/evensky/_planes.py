"""Mask planes: default names and numbers, and checks of names and numbers from callers and files."""

from __future__ import annotations

__all__ = [
    "BAD_PLANES",
    "DEFAULT_PLANES",
    "MAX_PLANES",
    "PLANE_ALIASES",
    "check_plane_name",
    "checked_planes",
    "plane_alias",
    "signed_bits",
]

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ._checks import shown
from .errors import InvalidParameterError, OutOfRangeError

MAX_PLANES = 32
"""Number of planes that a mask can have."""

DEFAULT_PLANES: Mapping[str, int] = {
    "BAD": 0,
    "SAT": 1,
    "INTRP": 2,
    "CR": 3,
    "EDGE": 4,
    "DETECTED": 5,
    "DETECTED_NEGATIVE": 6,
    "SUSPECT": 7,
    "NO_DATA": 8,
}
"""Names and numbers of the planes of a mask that names none."""

BAD_PLANES = ("NO_DATA", "DETECTED", "DETECTED_NEGATIVE", "SAT", "BAD", "INTRP", "CR")
"""Planes whose pixels do not count by default."""

PLANE_ALIASES: Mapping[str, str] = {
    "SATURATED": "SAT",
    "COSMIC_RAY": "CR",
    "INTERPOLATED": "INTRP",
    "DETECTION_EDGE": "EDGE",
    "UNMASKED_NAN": "UNMASKEDNAN",
}
"""Mask planes that ``lsst.images`` has renamed: its name to the older name of the stack, which evensky uses."""


def plane_alias(name: str, others: Iterable[str] = ()) -> str:
    """Return evensky's name of a mask plane of ``lsst.images``: its own, or that of `PLANE_ALIASES`.

    Parameters
    ----------
    name : str
    others : iterable of str, optional
        The names of all planes of its mask; an alias that one of them has is not used.
    """
    alias = PLANE_ALIASES.get(name, name)
    return name if alias in others else alias


def check_plane_name(name: Any) -> None:
    """Raise InvalidParameterError unless `name` can name a mask plane."""
    if not isinstance(name, str) or not name:
        raise InvalidParameterError(f"A mask plane is named by a string; got {name!r}")


def checked_planes(planes: Mapping[str, int]) -> dict[str, int]:
    """Check the names and numbers of mask planes.

    Parameters
    ----------
    planes : mapping of str to int

    Returns
    -------
    dict of str to int
        A copy of `planes`.

    Raises
    ------
    evensky.errors.InvalidParameterError, evensky.errors.OutOfRangeError
        If a name is not a string, two planes have the same number, or a number is not in 0 to 31.
    """
    if not isinstance(planes, Mapping):
        raise InvalidParameterError(
            f"Mask planes are {shown(planes)}, a {type(planes).__name__}; a mapping of names to numbers is needed"
        )
    seen: dict[int, str] = {}
    for name, bit in planes.items():
        check_plane_name(name)
        if isinstance(bit, bool) or not isinstance(bit, int | np.integer):
            raise InvalidParameterError(f"Mask plane {name!r} has number {shown(bit)}; a whole number is needed")
        if not 0 <= bit < MAX_PLANES:
            raise OutOfRangeError(f"Mask plane {name!r} has number {bit}; it must be 0 to {MAX_PLANES - 1}")
        if bit in seen:
            raise InvalidParameterError(f"Mask planes {seen[bit]!r} and {name!r} both have number {bit}")
        seen[bit] = name
    return dict(planes)


def signed_bits(bits: int) -> int:
    """Return 32 bits as the signed integer in which the int32 pixels of a mask store them."""
    bits &= 0xFFFFFFFF
    return bits - 2**32 if bits >= 2**31 else bits
