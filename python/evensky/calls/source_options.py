"""Options of the detection of sources, by themselves, as commands show them without importing what they steer."""

from __future__ import annotations

__all__ = ["SourceOptions"]

import math
from dataclasses import dataclass

from .._checks import real_number, shown, whole_number
from ..errors import InvalidParameterError


@dataclass(frozen=True)
class SourceOptions:
    """How sources are found.

    Attributes
    ----------
    threshold : float
        Threshold above the background, in units of the background's rms.
    n_pixels : int
        Least number of connected pixels of a source.
    dilation_radius : int
        Radius in pixels of the disk by which sources are dilated, so that their faint wings are masked, too.
    max_rounds : int
        Largest number of rounds of detecting sources and measuring the background without them.
    """

    threshold: float = 2.0
    n_pixels: int = 5
    dilation_radius: int = 5
    max_rounds: int = 10

    def __post_init__(self) -> None:
        threshold = real_number(self.threshold, "threshold")
        if not (threshold > 0 and math.isfinite(threshold)):
            raise InvalidParameterError(f"threshold = {shown(self.threshold)}; it must be positive and finite")
        for name, least in (("n_pixels", 1), ("dilation_radius", 0), ("max_rounds", 1)):
            if whole_number(getattr(self, name), name) < least:
                raise InvalidParameterError(f"{name} = {shown(getattr(self, name))}; it must be at least {least}")
