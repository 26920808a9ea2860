"""Angles and their units."""

from __future__ import annotations

__all__ = [
    "Angle",
    "AngleUnit",
    "arcminutes",
    "arcsecToRad",
    "arcseconds",
    "degToRad",
    "degrees",
    "hours",
    "isAngle",
    "masToRad",
    "milliarcseconds",
    "radToArcsec",
    "radToDeg",
    "radToMas",
    "radians",
]

import math
from typing import Any

from .._checks import shown
from ..errors import InvalidParameterError
from ..errors import TypeError as WrongTypeError
from .pairs import real

_TURN = 2 * math.pi


class AngleUnit:
    """Unit of angles; a number times a unit is an `Angle`.

    The units are `radians`, `degrees`, `hours`, `arcminutes`, `arcseconds` and `milliarcseconds`.
    """

    __slots__ = ("_name", "_size")
    __array_ufunc__ = None  # numpy's numbers leave the multiplication to the unit

    def __init__(self, size: float, name: str = "") -> None:
        self._size = real(size, "The size of a unit in radians")
        if not isinstance(name, str):
            raise WrongTypeError(f"The name of a unit is {shown(name)}; it must be a text")
        self._name = name

    def __mul__(self, number: Any) -> Angle:
        return Angle(number, self)

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        return self._size == other._size if isinstance(other, AngleUnit) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._size)

    def __repr__(self) -> str:
        return self._name or f"AngleUnit({self._size!r})"


radians = AngleUnit(1.0, "radians")
degrees = AngleUnit(math.pi / 180, "degrees")
hours = AngleUnit(math.pi / 12, "hours")
arcminutes = AngleUnit(math.pi / 180 / 60, "arcminutes")
arcseconds = AngleUnit(math.pi / 180 / 3600, "arcseconds")
milliarcseconds = AngleUnit(math.pi / 180 / 3600000, "milliarcseconds")


def _check_unit(units: Any) -> None:
    if not isinstance(units, AngleUnit):
        raise WrongTypeError(f"units is {shown(units)}; it must be a unit such as evensky.geom.degrees")


class Angle:
    """Angle with its unit; it is kept in radians.

    Parameters
    ----------
    value : float
        Size of the angle; or another angle.
    units : AngleUnit, optional
        Unit of `value`, by default `radians`.

    Examples
    --------
    >>> round((0.2 * arcseconds + 1 * degrees).asArcseconds(), 6)
    3600.2
    """

    __slots__ = ("_radians",)
    __array_ufunc__ = None

    def __init__(self, value: Any = 0.0, units: AngleUnit = radians) -> None:
        _check_unit(units)
        self._radians: float = value._radians if isinstance(value, Angle) else real(value, "An angle") * units._size

    def asAngularUnits(self, units: AngleUnit) -> float:
        """Return the angle in a unit."""
        _check_unit(units)
        return self._radians / units._size

    def asRadians(self) -> float:
        return self._radians

    def asDegrees(self) -> float:
        return self.asAngularUnits(degrees)

    def asHours(self) -> float:
        return self.asAngularUnits(hours)

    def asArcminutes(self) -> float:
        return self.asAngularUnits(arcminutes)

    def asArcseconds(self) -> float:
        return self.asAngularUnits(arcseconds)

    def asMilliarcseconds(self) -> float:
        return self.asAngularUnits(milliarcseconds)

    def wrap(self) -> Angle:
        """Return the angle within [0, 2 pi)."""
        wrapped = self._radians % _TURN
        return Angle(0.0 if wrapped >= _TURN else wrapped)

    def wrapCtr(self) -> Angle:
        """Return the angle within [-pi, pi)."""
        return self.wrapNear(Angle())

    def wrapNear(self, reference: Angle) -> Angle:
        """Return the angle that is equal but for whole turns and within [-pi, pi) of another."""
        if not isinstance(reference, Angle):
            raise WrongTypeError(f"reference is {shown(reference)}; it must be an Angle")
        wrapped = (self._radians - reference._radians + math.pi) % _TURN - math.pi
        return Angle(reference._radians + (-math.pi if wrapped >= math.pi else wrapped))

    def separation(self, other: Angle) -> Angle:
        """Return the signed difference from another angle, within [-pi, pi)."""
        if not isinstance(other, Angle):
            raise WrongTypeError(f"other is {shown(other)}; it must be an Angle")
        return (self - other).wrapCtr()

    def __float__(self) -> float:
        return self._radians

    def __add__(self, other: Any) -> Angle:
        return Angle(self._radians + other._radians) if isinstance(other, Angle) else NotImplemented

    def __sub__(self, other: Any) -> Angle:
        return Angle(self._radians - other._radians) if isinstance(other, Angle) else NotImplemented

    def __mul__(self, factor: Any) -> Angle:
        return NotImplemented if isinstance(factor, Angle) else Angle(self._radians * real(factor, "A factor"))

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Any:
        number = divisor._radians if isinstance(divisor, Angle) else real(divisor, "A divisor")
        if number == 0:
            raise InvalidParameterError(f"{self!r} cannot be divided by {shown(divisor)}; any other number is allowed")
        return self._radians / number if isinstance(divisor, Angle) else Angle(self._radians / number)

    def __neg__(self) -> Angle:
        return Angle(-self._radians)

    def __abs__(self) -> Angle:
        return Angle(abs(self._radians))

    def __eq__(self, other: object) -> bool:
        return self._radians == other._radians if isinstance(other, Angle) else NotImplemented

    def __lt__(self, other: Angle) -> bool:
        return self._radians < other._radians if isinstance(other, Angle) else NotImplemented

    def __le__(self, other: Angle) -> bool:
        return self._radians <= other._radians if isinstance(other, Angle) else NotImplemented

    def __gt__(self, other: Angle) -> bool:
        return self._radians > other._radians if isinstance(other, Angle) else NotImplemented

    def __ge__(self, other: Angle) -> bool:
        return self._radians >= other._radians if isinstance(other, Angle) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._radians)

    def __repr__(self) -> str:
        return f"Angle({self._radians!r}, radians)"

    def __str__(self) -> str:
        return f"{self._radians:g} rad"


def isAngle(value: Any) -> bool:
    """Return whether a value is an `Angle`."""
    return isinstance(value, Angle)


def degToRad(x: float) -> float:
    return x * degrees._size


def radToDeg(x: float) -> float:
    return x / degrees._size


def radToArcsec(x: float) -> float:
    return x / arcseconds._size


def radToMas(x: float) -> float:
    return x / milliarcseconds._size


def arcsecToRad(x: float) -> float:
    return x * arcseconds._size


def masToRad(x: float) -> float:
    return x * milliarcseconds._size
