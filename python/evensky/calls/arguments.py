"""Arguments of the calls: data with their masks, clipping, units."""

from __future__ import annotations

__all__ = ["clipping_control", "read_data", "select_planes", "with_unit"]

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import real_number
from ..errors import InvalidParameterError
from ..image import Mask
from ..image.bad_bits import bad_bits
from ..image.foreign import Planes
from ..io import read_exposure
from ..math import StatisticsControl
from ..math.statistics import mask_of, planes_of

# Number of rounds that means clipping until nothing changes.
_ALL_ROUNDS = 2**31 - 1


def read_data(data: Any) -> Any:
    """Read the exposure if the data are the name of a file; otherwise return the data unchanged."""
    if not isinstance(data, str | Path):
        return data
    return read_exposure(data)


def clipping_control(bits: int, sigma: float, rounds: int | None) -> StatisticsControl:
    """Return the control for clipped statistics; without a number of rounds, clipping goes on until nothing changes."""
    control = StatisticsControl(real_number(sigma, "sigma"), _ALL_ROUNDS if rounds is None else rounds)
    control.setAndMask(bits)
    return control


def select_planes(data: Any, mask: Any, bad_planes: int | str | Iterable[str] | None) -> tuple[Planes, int]:
    """Return the planes of an image, with `mask` in place of a missing mask, and the bits that reject a pixel."""
    planes, _ = planes_of(data)
    if mask is not None:
        if planes.mask is not None:
            raise InvalidParameterError(f"{type(data).__name__} has a mask of its own; a second one cannot be given")
        bits, reject = mask_of(mask)
        names = mask.getMaskPlaneDict() if isinstance(mask, Mask) else None
        planes = replace(planes, mask=bits, reject=reject, mask_planes=names)
    if planes.mask is None:
        return planes, 0
    if planes.reject:
        return planes, planes.reject
    return planes, _bits(planes.mask_planes, bad_planes)


def _bits(names: Mapping[str, int] | None, bad_planes: int | str | Iterable[str] | None) -> int:
    if isinstance(bad_planes, int | np.integer):
        return int(bad_planes)
    if bad_planes is None and names is None:
        return -1  # every bit
    mask = Mask(1, 1, mask_planes=Mask.getMaskPlaneDict() if names is None else names)
    return bad_bits(mask, [bad_planes] if isinstance(bad_planes, str) else bad_planes)


def with_unit(data: Any, value: Any) -> Any:
    """Return a value in the unit of the data, if they have one."""
    unit = getattr(data, "unit", None)
    return value if unit is None else value * unit
