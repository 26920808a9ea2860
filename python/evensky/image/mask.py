"""Masks: up to 32 named bit planes."""

from __future__ import annotations

__all__ = ["BAD_PLANES", "DEFAULT_PLANES", "MAX_PLANES", "Mask", "MaskPixel", "MaskX", "translate_mask"]

from collections.abc import Iterable, Mapping
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from .. import errors
from .._checks import shown, whole_number
from .._locks import process_lock
from .._planes import BAD_PLANES, DEFAULT_PLANES, MAX_PLANES, check_plane_name, checked_planes, signed_bits
from ..errors import NotFoundError, OutOfRangeError
from ..errors import TypeError as WrongTypeError
from ..fits.mask_files import read_mask_plane
from ..fits.writing import write_image_plane
from ._files import FileArguments, file_arguments, fill_metadata, write_mode
from ._pixels import PixelPlane, check_same_size, is_path, with_keywords

# Guards the numbers of planes: threads that add planes at the same time must not give the same number to two of them.
_numbering = process_lock()


def _find(planes: Mapping[str, int], name: str) -> int:
    try:
        return planes[name]
    except KeyError:
        known = ", ".join(sorted(planes, key=planes.__getitem__)) or "none"
        raise NotFoundError(f"There is no mask plane {shown(name)}; the known ones are {known}") from None


def _add(planes: dict[str, int], name: str, lost: Mapping[str, int] | None = None, best: int | None = None) -> int:
    """Add a plane unless it exists, and return its number.

    Parameters
    ----------
    planes : dict of str to int
    name : str
    lost : mapping of str to int, optional
        Planes that were removed, whose bits pixels may still have: they get their own number again, and no other plane
        gets it.
    best : int, optional
        The number to take if it is free; by default the first one.
    """
    check_plane_name(name)
    with _numbering:
        if name not in planes:
            taken = {*planes.values(), *(bit for other, bit in (lost or {}).items() if other != name)}
            free = [bit for bit in range(MAX_PLANES) if bit not in taken]
            if not free:
                raise errors.RuntimeError(
                    f"Mask plane {shown(name)} cannot be added: all {MAX_PLANES} planes are taken"
                )
            best = (lost or {}).get(name, best)
            planes[name] = best if best in free else free[0]
        return planes[name]


def _without(planes: Mapping[str, int], name: str) -> dict[str, int]:
    return {other: bit for other, bit in planes.items() if other != name}


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
        result |= np.where(array & np.int32(signed_bits(1 << old)), np.int32(signed_bits(1 << new)), np.int32(0))
    return result


class _Table:
    """Planes of a mask, which it shares with its parts and with the masks that have the same pixels.

    Attributes
    ----------
    planes : dict of str to int
        Numbers of the planes. It is never changed, but replaced, unless it holds the default planes.
    lost : dict of str to int
        Planes that the masks have lost while pixels may have their bits.
    """

    __slots__ = ("lost", "planes")

    def __init__(self, planes: dict[str, int], lost: Mapping[str, int] | None = None) -> None:
        self.planes = planes
        self.lost = dict(lost or {})


class _PlaneMethod:
    """Descriptor of methods whose first argument is the mask on which they are called; None if that is the class."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: Mask | None, owner: type[Mask]) -> Any:
        return update_wrapper(partial(self._function, instance), self._function)


def _number(mask: Mask | None, name: str) -> int:
    """Return the number of a plane of a mask, or of a default plane."""
    planes = _planes_of(mask)
    if mask is None or name in planes:
        return _find(planes, name)
    if name in Mask._default_planes and name not in DEFAULT_PLANES and name not in mask._table.lost:
        # A plane that was added to the class exists for every mask, also for one that a file has given other planes,
        # except for those that have removed it.
        planes = dict(planes)
        _add(planes, name, mask._table.lost, Mask._default_planes[name])
        mask._table.planes = planes
    return _find(planes, name)


def _planes_of(mask: Mask | None) -> dict[str, int]:
    """Return the planes of a mask, or the default ones."""
    return Mask._default_planes if mask is None else mask._planes


class Mask(PixelPlane):
    """Mask of int32 pixels whose bits are named planes.

    The constructor takes the same arguments as that of `Image`; a file is read as by `readFits`, but with
    ``conformMasks=False`` its planes become the default ones. ``Mask[MaskPixel]`` is `Mask` itself.

    A mask uses the process-wide default planes unless it is given its own planes by ``mask_planes`` (or ``planeDefs``),
    or is read from a file that defines others. Methods on planes act on the default planes if called on the class, and
    on the planes of the mask if called on a mask. Planes that are added to the default ones are added to all masks that
    use them; planes that are removed from the default ones stay in the masks that exist, whose pixels therefore never
    change their meaning. Operators that combine masks (``|=``, ``&=``, ``^=``) match planes by name.
    """

    dtype = np.int32
    _range = (-(2**31), 2**32 - 1)  # 32 bits, signed or unsigned
    # Masks share this dictionary. It may gain planes; when it is to lose one, another takes its place.
    _default_planes: ClassVar[dict[str, int]] = dict(DEFAULT_PLANES)
    _table: _Table

    def __class_getitem__(cls, dtype: Any) -> type[Mask]:
        if dtype != "X":
            try:
                known = np.dtype(dtype) == np.dtype(cls.dtype)
            except TypeError:
                known = False
            if not known:
                raise WrongTypeError(f"There is no mask of {shown(dtype)}; masks have pixels of int32 (MaskPixel)")
        return cls

    def __init__(self, *args: Any, mask_planes: Mapping[str, int] | None = None, **kwargs: Any) -> None:
        planes = mask_planes
        for keyword in ("planeDefs", "maskPlaneDefs"):
            planes = kwargs.pop(keyword, planes)
        kwargs.pop("dtype", None)  # there is only one
        args = with_keywords(args, kwargs)
        if args and is_path(args[0]):
            self._set_from_file(file_arguments("Mask", args, kwargs))
            return
        if len(args) > 1 and isinstance(args[-1], Mapping):
            *args, planes = args  # type: ignore[assignment]
        source = args[0] if args else None
        self._set_pixels(tuple(args), kwargs, "Mask")
        if planes is not None:
            self._table = _Table(checked_planes(planes))
        elif isinstance(source, Mask):
            shared = np.may_share_memory(self._array, source._array)
            self._table = source._table if shared else _Table(source._planes, source._table.lost)
        else:
            self._table = _Table(Mask._default_planes)

    @property
    def _planes(self) -> dict[str, int]:
        return self._table.planes

    def _set_from_file(self, file: FileArguments) -> None:
        plane = read_mask_plane(file.path, file.hdu)
        fill_metadata(file.metadata, plane.header)
        mask = Mask(plane.bits, xy0=(plane.x0, plane.y0), mask_planes=plane.planes)
        if mask._planes == Mask._default_planes:
            mask._table.planes = Mask._default_planes
        if file.bbox is not None:
            mask = mask.subset(file.bbox, file.origin).clone()
        if not file.keep_planes:
            mask.conformMaskPlanes(mask._planes)
        self.__dict__.update(mask.__dict__)

    @classmethod
    def _of(cls, array: np.ndarray, x0: int = 0, y0: int = 0) -> Self:
        plane = super()._of(array, x0, y0)
        plane._table = _Table(Mask._default_planes)
        return plane

    @classmethod
    def _named(cls, array: np.ndarray, mask_planes: Mapping[str, int] | None) -> Self:
        """Make a mask over an array of int32 with named planes, without checks of pixels; for use in the package."""
        mask = cls._of(array)
        if mask_planes is not None:
            mask._table = _Table(checked_planes(mask_planes))
        return mask

    def _part(self, rows: slice, columns: slice) -> Self:
        part = self._of(self._array[rows, columns], self.getX0() + columns.start, self.getY0() + rows.start)
        part._table = self._table
        return part

    @_PlaneMethod
    def getMaskPlane(mask: Mask | None, name: str) -> int:  # noqa: N805 - not a method: see _PlaneMethod
        """Return the number of a plane; raise NotFoundError, which lists the known planes, if it does not exist."""
        return _number(mask, name)

    @_PlaneMethod
    def getPlaneBitMask(mask: Mask | None, name: str | Iterable[str]) -> int:  # noqa: N805
        """Return the bits of one or several planes; raise NotFoundError, which lists the known planes, for others."""
        if not isinstance(name, Iterable):
            raise WrongTypeError(f"Mask planes must be given by one name or several; got {shown(name)}")
        names = (name,) if isinstance(name, str) else tuple(name)
        bits = 0
        for one in names:
            bits |= 1 << _number(mask, one)
        return signed_bits(bits)

    @_PlaneMethod
    def getMaskPlaneDict(mask: Mask | None) -> dict[str, int]:  # noqa: N805
        """Return a dictionary of the names and numbers of the planes; it is a copy."""
        return dict(_planes_of(mask))

    @_PlaneMethod
    def addMaskPlane(mask: Mask | None, name: str) -> int:  # noqa: N805
        """Add a plane unless it exists, and return its number.

        A plane that is added to a mask that uses the default planes is added to these.
        """
        if mask is None or mask._planes is Mask._default_planes:
            return _add(Mask._default_planes, name)
        planes = dict(mask._planes)
        number = _add(planes, name, mask._table.lost)
        mask._table.planes = planes
        return number

    @_PlaneMethod
    def removeMaskPlane(mask: Mask | None, name: str) -> None:  # noqa: N805
        """Remove the name of a plane.

        Called on the class, it removes the plane from the default ones: masks that are made later do not have it, those
        that exist keep it. Called on a mask that uses the default planes, or lacks the plane, it does the same, as in
        the original. Called on another mask, it removes the plane from that mask; pixels keep its bit, which no plane
        that is added later gets.

        Raises
        ------
        evensky.errors.NotFoundError
            If the plane does not exist; the message lists those that do.
        """
        if mask is not None and name in mask._planes and mask._planes is not Mask._default_planes:
            mask._table.lost[name] = mask._planes[name]
            mask._table.planes = _without(mask._planes, name)
            return
        with _numbering:
            _find(Mask._default_planes, name)
            Mask._default_planes = _without(Mask._default_planes, name)

    @classmethod
    def clearMaskPlaneDict(cls) -> None:
        """Remove all default planes; masks that exist keep theirs."""
        Mask._default_planes = {}

    @classmethod
    def getNumPlanesUsed(cls) -> int:
        """Return the number of default planes, also if called on a mask, as in the original."""
        return len(Mask._default_planes)

    @_PlaneMethod
    def interpret(mask: Mask | None, value: int) -> str:  # noqa: N805
        """Return the names, in the order of the alphabet, of the planes of a pixel value, for example ``"BAD,SAT"``."""
        return ",".join(name for name, bit in sorted(_planes_of(mask).items()) if value & 1 << bit)

    @staticmethod
    def getNumPlanesMax() -> int:
        """Return the largest possible number of planes."""
        return MAX_PLANES

    @_PlaneMethod
    def addMaskPlanesToMetadata(mask: Mask | None, metadata: Any) -> None:  # noqa: N805
        """Add the names and numbers of the planes to metadata, as ``MP_<NAME>``."""
        put = metadata.set if hasattr(metadata, "set") else metadata.__setitem__
        for name, bit in _planes_of(mask).items():
            put(f"MP_{name}", bit)

    @staticmethod
    def parseMaskPlaneMetadata(metadata: Any) -> dict[str, int]:
        """Return the names and numbers of planes that metadata have, as ``MP_<NAME>``."""
        pairs = metadata.toDict() if hasattr(metadata, "toDict") else metadata
        if not isinstance(pairs, Mapping):
            raise WrongTypeError(f"metadata is {shown(metadata)}; a mapping of names to values is needed")
        return checked_planes({key[3:]: whole_number(pairs[key], key) for key in pairs if key.startswith("MP_")})

    def getAsString(self, x: int, y: int) -> str:
        """Return the names of the planes that are set in the pixel at a local position."""
        return str(self.interpret(self.get(x, y)))

    def clearAllMaskPlanes(self) -> None:
        """Set every pixel to 0."""
        self._array[...] = 0

    def clearMaskPlane(self, plane: int) -> None:
        """Clear the bit of plane number `plane` in every pixel."""
        self._array &= np.int32(signed_bits(~self._bit(plane)))

    @staticmethod
    def _bit(plane: int) -> int:
        if not 0 <= plane < MAX_PLANES:
            raise OutOfRangeError(f"Mask plane number {plane} does not exist; numbers are 0 to {MAX_PLANES - 1}")
        return 1 << plane

    def setMaskPlaneValues(self, plane: int, x0: int, x1: int, y: int) -> None:
        """Set the bit of plane number `plane` in row `y`, from column `x0` to `x1`, which is included (local)."""
        bit = np.int32(signed_bits(self._bit(plane)))
        if not (0 <= y < self.getHeight() and x0 >= 0 and x1 < self.getWidth()):
            raise OutOfRangeError(
                f"Columns {x0} to {x1} of row {y} are outside a mask of {self.getWidth()} x {self.getHeight()} pixels"
            )
        self._array[y, x0 : x1 + 1] |= bit

    def removeAndClearMaskPlane(self, name: str, removeFromDefault: bool = False) -> None:
        """Clear the bit of a plane in every pixel, and remove the plane from this mask, optionally from the default."""
        planes = self._planes if name in self._planes or not removeFromDefault else Mask._default_planes
        self.clearMaskPlane(_find(planes, name))
        if removeFromDefault and name in Mask._default_planes:
            Mask.removeMaskPlane(name)
        left = _without(self._planes, name)
        # A mask of which this one is a part keeps the plane, as its other pixels may have it.
        self._table = (
            _Table(Mask._default_planes)
            if left == Mask._default_planes
            else _Table(left, {**self._table.lost, name: planes[name]})
        )

    def conformMaskPlanes(self, masterPlaneDict: Mapping[str, int]) -> None:
        """Renumber the planes to the default ones; planes that these lack are added to them.

        Parameters
        ----------
        masterPlaneDict : mapping of str to int
            Numbers that the planes have in the pixels now, whatever the planes of this mask are.

        Raises
        ------
        evensky.errors.RuntimeError
            If not all planes find a place; nothing is changed.
        """
        now = checked_planes(masterPlaneDict)
        with _numbering:
            default = dict(Mask._default_planes)
            for name in now:
                _add(default, name)
            bits = translate_mask(self._array, now, default)
            Mask._default_planes.update(default)
        self._array[...] = bits
        self._table.planes = Mask._default_planes
        self._table.lost.clear()

    def renumber_planes(self, planes: Mapping[str, int]) -> None:
        """Renumber the planes of this mask.

        Parameters
        ----------
        planes : mapping of str to int
            New numbers. Planes that it lacks get the next free ones.
        """
        new = checked_planes(planes)
        for name in self._planes:
            _add(new, name)
        self._array[...] = translate_mask(self._array, self._planes, new)
        self._table.planes = new
        self._table.lost.clear()

    def _converted(self, given: np.ndarray) -> np.ndarray:
        if given.dtype.kind == "f":
            odd = given[~np.isfinite(given) | (given != np.floor(given))]
            if odd.size:
                raise WrongTypeError(
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
        theirs = dict(other._planes)  # a copy, as another thread may add planes to the default ones
        if any(self._planes.get(name) != bit for name, bit in theirs.items()):
            planes = dict(self._planes)
            for name in theirs:  # may raise an error, before anything has changed
                _add(planes, name, self._table.lost)
            self._table.planes = planes
        return translate_mask(other._array, theirs, self._planes)

    def _filling(self, values: Any) -> np.ndarray:
        return self.bits_of(values) if isinstance(values, Mask) else super()._filling(values)

    def _put(self, values: Any) -> None:
        super()._put(self.bits_of(values) if isinstance(values, Mask) else values)

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
        state = {"_array": self._array, "_xy0": self._xy0, "planes": dict(self._planes)}
        return {**state, "lost": self._table.lost}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        planes, lost = state.pop("planes"), state.pop("lost")
        self.__dict__.update(state)
        self._table = _Table(Mask._default_planes if planes == Mask._default_planes else planes, lost)

    def printMaskPlanes(self) -> None:
        """Print the names and numbers of the planes."""
        for name, bit in sorted(self._planes.items(), key=lambda item: item[1]):
            print(f"Plane {bit} -> {name}")

    @classmethod
    def readFits(cls, fileName: str | Path, hdu: int | str | None = None) -> Self:
        """Read a mask from a FITS file.

        Parameters
        ----------
        fileName : str or Path
        hdu : int or str, optional
            Number, counted from 0, or name of the HDU to read; by default that of the mask of an exposure, or the only
            image of the file.

        Returns
        -------
        Mask
            It has the planes that the file names, with the numbers of the file.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be read, or has no mask.
        """
        return cls(fileName, hdu)

    def writeFits(self, fileName: str | Path, metadata: Any = None, mode: str = "w", *, overwrite: bool = True) -> None:
        """Write the pixels and the names of the planes as a FITS file of one image.

        Parameters
        ----------
        fileName : str or Path
        metadata : mapping, optional
            Cards to write.
        mode : {"w", "a"}, optional
            "a" appends the mask to the file as a further HDU.
        overwrite : bool, optional
            Replace an existing file.
        """
        options = write_mode(metadata, mode, overwrite)
        x0, y0 = self.getX0(), self.getY0()
        write_image_plane(self.array, fileName, x0=x0, y0=y0, mask_planes=self._planes, **options)

    def __str__(self) -> str:
        return f"{self._array}, maskPlaneDict={self._planes}, bbox={self.getBBox()}"


MaskX = Mask
MaskPixel = np.int32
"""Type of the pixels of masks."""
