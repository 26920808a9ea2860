"""Physical units of exposures; pixels in different units are not compared."""

from __future__ import annotations

__all__ = ["check_unit", "differ", "most_common_unit", "unit_of"]

from collections import Counter
from collections.abc import Iterable

from ..errors import TaskError
from ..image import Exposure


def unit_of(exposure: Exposure) -> str:
    """Return the unit of an exposure's pixels (BUNIT), or "" if it is unknown."""
    unit = exposure.metadata.get("BUNIT")
    return "" if unit is None else str(unit).strip()


def most_common_unit(units: Iterable[str]) -> str:
    """Return the most common known unit, the first of equally common ones, or "" if none is known."""
    found = Counter(unit for unit in units if unit).most_common(1)
    return found[0][0] if found else ""


def differ(one: str, other: str) -> bool:
    """Return whether two units are known to differ; an unknown unit is assumed to agree with any other."""
    if not one or not other or one == other:
        return False
    from astropy.units import Unit, UnrecognizedUnit

    units = [Unit(text, parse_strict="silent") for text in (one, other)]
    return not any(isinstance(unit, UnrecognizedUnit) for unit in units) and bool(units[0] != units[1])


def check_unit(unit: str, reference: str) -> None:
    """Raise an error if an exposure is in another unit than the reference.

    Raises
    ------
    evensky.errors.TaskError
    """
    if differ(unit, reference):
        raise TaskError(f"is in {unit}, and the reference in {reference}; convert them to one unit first")
