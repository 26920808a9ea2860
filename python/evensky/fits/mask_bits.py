"""Bits of masks: names of planes in headers, and choices of planes by name or value."""

from __future__ import annotations

__all__ = ["bad_bits", "named_planes"]

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._checks import shown
from .._planes import DEFAULT_PLANES, MAX_PLANES, PLANE_ALIASES, checked_planes, plane_alias
from ..errors import FitsError, InvalidParameterError, NotFoundError
from .descriptions import Selection
from .hdus import listed, mask_cards, value_of
from .layouts import ANY

# No more digits than Python converts.
_VALUE = re.compile(r"[0-9]{1,4000}")
_ANY_BIT = (1 << MAX_PLANES) - 1


def named_planes(header: Any, path: Path) -> dict[str, int] | None:
    """Read names and numbers of mask planes from a header of LSST's stack or of lsst.images; None if it has none."""
    planes: dict[str, int] = {}
    for card in mask_cards(header, "MP_"):
        try:
            number = header[card]
        except MemoryError:  # no property of the card
            raise
        except Exception as error:  # astropy raises many kinds of exceptions on malformed cards
            raise FitsError(
                f"{path}: the card {card} cannot be parsed; the number of a mask plane is needed"
            ) from error
        if type(number) is not int:
            raise FitsError(f"{path}: {card} = {number!r}; the number of a mask plane must be whole")
        planes[card[3:]] = number
    if not planes:
        for card in mask_cards(header, "MSKN"):
            bit = value_of(header, f"MSKM{card[4:]}")
            if type(bit) is int and bit > 0:
                planes[str(header[card])] = bit.bit_length() - 1
    if not planes:
        return None
    return checked_planes({plane_alias(name, planes): number for name, number in planes.items()})


def _bits_of(token: str, planes: Mapping[str, int] | None, path: Path) -> int:
    """Return the bits of one choice of a user: a name of planes, or values of flags as in "4096+8192"."""
    text = str(token).strip()
    if planes is not None:
        for name in (text, PLANE_ALIASES.get(text, text)):
            if name in planes:
                return 1 << planes[name]
    if text.lower() == "any":
        return _ANY_BIT
    bits = 0
    for part in text.split("+"):
        if not _VALUE.fullmatch(part.strip()):
            known = listed(sorted(planes, key=planes.__getitem__)) if planes else "none: choose values, as in 4096+8192"
            raise NotFoundError(f"{path}: There is no mask plane {shown(text)}; the known ones are {known}")
        value = int(part)
        if not 0 < value <= _ANY_BIT:
            raise InvalidParameterError(
                f"{path}: {shown(text)} is no flag of a mask; values are powers of two from 1 to 2147483648, or sums "
                "of them"
            )
        bits |= value
    return bits


def _names_of_bits(bits: int, planes: Mapping[str, int] | None) -> tuple[str, ...]:
    names = {number: name for name, number in (planes or {}).items()}
    return tuple(names.get(bit, str(1 << bit)) for bit in range(MAX_PLANES) if bits >> bit & 1)


def bad_bits(
    planes: Mapping[str, int] | None, default: Sequence[str], selection: Selection, path: Path
) -> tuple[int, tuple[str, ...]]:
    """Return the bits that are bad, and their names; a default plane that the mask lacks is named as lacking."""
    usual = sum(1 << planes[name] for name in set(default) if name in planes) if planes else 0
    if planes is None or default == ANY:
        usual = _ANY_BIT
    lacking: tuple[str, ...] = ()
    if selection.bad_planes is None:
        bits = usual
    else:
        bits = 0
        for token in selection.bad_planes:
            if token in DEFAULT_PLANES and token not in (planes or {}):
                # A mask need not have every default plane. BAD is evensky's name for what its layout calls bad.
                if token == "BAD" and "BAD" not in default:
                    bits |= usual
                else:
                    lacking += (f"no {token} in this mask",)
            else:
                bits |= _bits_of(token, planes, path)
    good = 0
    for token in selection.good_bits:
        good |= _bits_of(token, planes, path)
    if bits == _ANY_BIT:
        return bits & ~good, ("any", *(f"but {name}" for name in _names_of_bits(good, planes)))
    return bits & ~good, _names_of_bits(bits & ~good, planes) + lacking
