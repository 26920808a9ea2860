"""Masks: up to 32 named bit planes."""

from __future__ import annotations

__all__ = ["BAD_PLANES", "DEFAULT_PLANES", "MAX_PLANES", "Mask", "MaskX", "translate_mask"]

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from .. import errors
from .._planes import BAD_PLANES, DEFAULT_PLANES, MAX_PLANES, check_plane_name, checked_planes
from ..errors import InvalidParameterError, NotFoundError, OutOfRangeError
from ._pixels import PixelPlane, check_same_size


def _signed(bits: int) -> int:
    """Return 32 bits as the signed integer in which masks store them."""
    bits &= 0xFFFFFFFF
    return bits - (1 << 32) if bits >= 1 << 31 else bits


def _find(planes: Mapping[str, int], name: str) -> int:
    try:
        return planes[name]
    except KeyError:
        known = ", ".join(sorted(planes, key=planes.__getitem__)) or "none"
        raise NotFoundError(f"There is no mask plane {name!r}; the known ones are {known}") from None


def _add(planes: dict[str, int], name: str) -> int:
    check_plane_name(name)
    if name not in planes:
        free = [bit for bit in range(MAX_PLANES) if bit not in planes.values()]
        if not free:
            raise errors.RuntimeError(f"Mask plane {name!r} cannot be added: all {MAX_PLANES} planes are taken")
        planes[name] = free[0]
    return planes[name]


def translate_mask(array: np.ndarray, from_planes: Mapping[str, int], to_planes: Mapping[str, int]) -> np.ndarray:
    """Renumber the planes of a mask.

    Parameters
    ----------
    array : ndarray of int32
    from_planes, to_planes : mapping of str to int
        Present and new numbers of the planes; every plane of `from_planes` must be in `to_planes`.

    Returns
    -------
    ndarray of int32
        `array` itself if no number changes; otherwise a new array, without the bits that have no name.

    Raises
    ------
    evensky.errors.NotFoundError
        If `to_planes` lacks a plane.
    evensky.errors.InvalidParameterError
        If two planes have the same number.
    evensky.errors.OutOfRangeError
        If a number is outside 0 to 31.
    """
    from_planes, to_planes = checked_planes(from_planes), checked_planes(to_planes)
    moves = {bit: _find(to_planes, name) for name, bit in from_planes.items()}
    if all(old == new for old, new in moves.items()):
        return array
    result = np.zeros_like(array)
    for old, new in moves.items():
        result |= np.where(array & np.int32(_signed(1 << old)), np.int32(_signed(1 << new)), np.int32(0))
    return result


class _PlaneMethod:
    """Descriptor of methods that act on the default planes if called on the class, or on the planes of a mask."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: Mask | None, owner: type[Mask]) -> Any:
        planes = owner._default_planes if instance is None else instance._planes

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._function(planes, *args, **kwargs)

        call.__name__ = self._function.__name__
        call.__doc__ = self.__doc__
        return call


class Mask(PixelPlane):
    """Mask of int32 pixels whose bits are named planes.

    The constructor takes the same arguments as that of `Image`. A mask uses the process-wide default planes unless it
    is given its own planes by ``mask_planes`` (or ``maskPlaneDefs``), or is read from a file that defines others.
    Methods on planes act on the default planes if called on the class, and on the planes of the mask if called on a
    mask. Operators that combine masks (``|=``, ``&=``, ``^=``) match planes by name.
    """

    dtype = np.int32
    _range = (-(2**31), 2**32 - 1)  # 32 bits, signed or unsigned
    _default_planes: ClassVar[dict[str, int]] = dict(DEFAULT_PLANES)

    def __init__(self, *args: Any, mask_planes: Mapping[str, int] | None = None, **kwargs: Any) -> None:
        planes = kwargs.pop("maskPlaneDefs", mask_planes)
        if len(args) > 1 and isinstance(args[-1], Mapping):
            *args, planes = args  # type: ignore[assignment]
        source = args[0] if args else kwargs.get("array")
        self._set_pixels(tuple(args), kwargs, "Mask")
        if planes is not None:
            self._planes = checked_planes(planes)
        elif isinstance(source, Mask):
            shared = source._planes is Mask._default_planes
            self._planes = source._planes if shared else dict(source._planes)
        else:
            self._planes = Mask._default_planes

    @classmethod
    def _of(cls, array: np.ndarray, x0: int = 0, y0: int = 0) -> Self:
        plane = super()._of(array, x0, y0)
        plane._planes = Mask._default_planes
        return plane

    def _part(self, rows: slice, columns: slice) -> Self:
        part = type(self)(self._array[rows, columns], xy0=(self.getX0() + columns.start, self.getY0() + rows.start))
        part._planes = self._planes
        return part

    @_PlaneMethod
    def getMaskPlane(planes: dict[str, int], name: str) -> int:  # noqa: N805 - not a method: see _PlaneMethod
        """Return the number of a plane; raise NotFoundError, which lists the known planes, if it does not exist."""
        return _find(planes, name)

    @_PlaneMethod
    def getPlaneBitMask(planes: dict[str, int], name: str | Iterable[str]) -> int:  # noqa: N805
        """Return the bits of one or several planes; raise NotFoundError, which lists the known planes, for others."""
        if not isinstance(name, Iterable):
            raise InvalidParameterError(f"Mask planes must be given by one name or several; got {name!r}")
        names = (name,) if isinstance(name, str) else tuple(name)
        bits = 0
        for one in names:
            bits |= 1 << _find(planes, one)
        return _signed(bits)

    @_PlaneMethod
    def getMaskPlaneDict(planes: dict[str, int]) -> dict[str, int]:  # noqa: N805
        """Return a dictionary of the names and numbers of the planes; it is a copy."""
        return dict(planes)

    @_PlaneMethod
    def addMaskPlane(planes: dict[str, int], name: str) -> int:  # noqa: N805
        """Add a plane unless it exists, and return its number."""
        return _add(planes, name)

    @_PlaneMethod
    def removeMaskPlane(planes: dict[str, int], name: str) -> None:  # noqa: N805
        """Remove the name of a plane; pixels keep its bit."""
        _find(planes, name)
        del planes[name]

    @_PlaneMethod
    def getNumPlanesUsed(planes: dict[str, int]) -> int:  # noqa: N805
        """Return the number of named planes."""
        return len(planes)

    @_PlaneMethod
    def interpret(planes: dict[str, int], value: int) -> str:  # noqa: N805
        """Return the names of the planes that are set in a pixel value, for example ``"BAD,SAT"``."""
        return ",".join(name for name, bit in sorted(planes.items(), key=lambda item: item[1]) if value & 1 << bit)

    @staticmethod
    def getNumPlanesMax() -> int:
        """Return the largest possible number of planes."""
        return MAX_PLANES

    def getAsString(self, x: int, y: int) -> str:
        """Return the names of the planes that are set in the pixel at a local position."""
        return str(self.interpret(self.get(x, y)))

    def clearAllMaskPlanes(self) -> None:
        """Set every pixel to 0."""
        self._array[...] = 0

    def clearMaskPlane(self, plane: int) -> None:
        """Clear the bit of plane number `plane` in every pixel."""
        if not 0 <= plane < MAX_PLANES:
            raise OutOfRangeError(f"Mask plane number {plane} does not exist; numbers are 0 to {MAX_PLANES - 1}")
        self._array &= np.int32(_signed(~(1 << plane)))

    def removeAndClearMaskPlane(self, name: str, removeFromDefault: bool = False) -> None:
        """Clear the bit of a plane in every pixel, and remove the plane from this mask, optionally from the default."""
        self.clearMaskPlane(_find(self._planes, name))
        if removeFromDefault:
            Mask._default_planes.pop(name, None)
        elif self._planes is Mask._default_planes:
            self._planes = dict(self._planes)
        self._planes.pop(name, None)

    def conformMaskPlanes(self, masterPlaneDict: Mapping[str, int]) -> None:
        """Renumber the planes as in `masterPlaneDict`; planes that it lacks get the next free numbers."""
        planes = checked_planes(masterPlaneDict)
        for name in self._planes:
            _add(planes, name)
        self._array[...] = translate_mask(self._array, self._planes, planes)
        self._planes = planes

    def _converted(self, given: np.ndarray) -> np.ndarray:
        if given.dtype.kind == "f":
            odd = given[~np.isfinite(given) | (given != np.floor(given))]
            if odd.size:
                raise InvalidParameterError(
                    f"The array has dtype {given.dtype} and fractions or NaN, such as {odd[0]}; a mask takes integers"
                )
        return super()._converted(given)

    def bits_of(self, other: Any) -> np.ndarray:
        """Return the pixels of `other` with the plane numbers of this mask; planes that this mask lacks are added."""
        if not isinstance(other, Mask):
            return self._sized(self._fitting(other))
        check_same_size("The right-hand side", other.getDimensions(), "the left-hand side", self.getDimensions())
        if self._planes is other._planes:
            return other._array
        if any(self._planes.get(name) != bit for name, bit in other._planes.items()):
            planes = dict(self._planes)
            for name in other._planes:  # may raise an error, before anything has changed
                _add(planes, name)
            if self._planes is Mask._default_planes:
                self._planes = planes
            else:
                self._planes.update(planes)
        return translate_mask(other._array, other._planes, self._planes)

    def __ior__(self, other: Any) -> Self:
        self._array |= self.bits_of(other)
        return self

    def __iand__(self, other: Any) -> Self:
        self._array &= self.bits_of(other)
        return self

    def __ixor__(self, other: Any) -> Self:
        self._array ^= self.bits_of(other)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # The default planes of another process may have other numbers, so the numbers are pickled with the pixels.
        return {"_array": self._array, "_xy0": self._xy0, "_planes": dict(self._planes)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._planes == Mask._default_planes:
            self._planes = Mask._default_planes

    def printMaskPlanes(self) -> None:
        """Print the names and numbers of the planes."""
        for name, bit in sorted(self._planes.items(), key=lambda item: item[1]):
            print(f"Plane {bit} -> {name}")


MaskX = Mask
