"""Positions on the sky."""

from __future__ import annotations

__all__ = ["SpherePoint"]

import math
from collections.abc import Iterator
from typing import Any

from .._checks import shown
from ..errors import InvalidParameterError, OutOfRangeError
from ..errors import TypeError as WrongTypeError
from .angles import Angle, AngleUnit
from .pairs import Point2D


def _angle(value: Any, units: AngleUnit | None, name: str) -> Angle:
    if units is not None:
        return Angle(value, units)
    if not isinstance(value, Angle):
        raise WrongTypeError(f"{name} is {shown(value)}; give an Angle, or the units as the third argument")
    return value


class SpherePoint:
    """Position on the sky.

    Parameters
    ----------
    longitude, latitude : Angle or float
        Right ascension and declination; the latitude lies within +-90 degrees.
    units : AngleUnit, optional
        Unit of both if they are numbers.

    Examples
    --------
    >>> from evensky.geom import degrees
    >>> separation = SpherePoint(10, 0, degrees).separation(SpherePoint(11, 0, degrees))
    >>> round(separation.asArcseconds(), 6)
    3600.0
    """

    __slots__ = ("_latitude", "_longitude")

    def __init__(self, longitude: Any, latitude: Any, units: AngleUnit | None = None) -> None:
        self._latitude = _angle(latitude, units, "latitude")
        if not -0.5 * math.pi <= float(self._latitude) <= 0.5 * math.pi and not math.isnan(float(self._latitude)):
            raise InvalidParameterError(
                f"latitude is {self._latitude.asDegrees()} degrees; it must be from -90 to 90 degrees"
            )
        longitude = _angle(longitude, units, "longitude")
        self._longitude = longitude.wrap() if math.isfinite(float(longitude)) else Angle(math.nan)

    def getLongitude(self) -> Angle:
        return self._longitude

    def getLatitude(self) -> Angle:
        return self._latitude

    getRa, getDec = getLongitude, getLatitude

    def getPosition(self, units: AngleUnit) -> Point2D:
        """Return longitude and latitude in a unit."""
        return Point2D(self._longitude.asAngularUnits(units), self._latitude.asAngularUnits(units))

    def isFinite(self) -> bool:
        return math.isfinite(float(self._longitude)) and math.isfinite(float(self._latitude))

    def separation(self, other: SpherePoint) -> Angle:
        """Return the angular distance, which is never negative."""
        half_north = 0.5 * (float(other._latitude) - float(self._latitude))
        half_east = 0.5 * (float(other._longitude) - float(self._longitude))
        squared = (
            math.sin(half_north) ** 2
            + math.cos(float(self._latitude)) * math.cos(float(other._latitude)) * math.sin(half_east) ** 2
        )
        return Angle(2 * math.atan2(math.sqrt(squared), math.sqrt(max(0.0, 1 - squared))))

    def __iter__(self) -> Iterator[Angle]:
        yield self._longitude
        yield self._latitude

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Angle:
        if index not in (0, 1, -1, -2):
            raise OutOfRangeError(
                f"Index {shown(index)} is outside a position; it must be 0 (longitude) or 1 (latitude)"
            )
        return (self._longitude, self._latitude)[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpherePoint):
            return NotImplemented
        return self._longitude == other._longitude and self._latitude == other._latitude

    def __hash__(self) -> int:
        return hash((self._longitude, self._latitude))

    def __repr__(self) -> str:
        return f"SpherePoint({self._longitude.asDegrees()!r}*degrees, {self._latitude.asDegrees()!r}*degrees)"
