"""Conversion of pixels as a file stores them to image, mask and variances; whole planes and bands of rows share it."""

from __future__ import annotations

__all__ = [
    "FLOAT32",
    "BadPixels",
    "Storage",
    "VarianceRange",
    "bits_of_bytes",
    "byte_axis_of",
    "free_bit",
    "mark_pixels",
    "names_by_value",
    "real_numbers",
    "reject_bit",
    "single_variances",
    "storage_of",
    "too_large_for_float32",
    "two_axes",
    "unsigned_bits",
    "variances_of",
]

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import _core
from .._planes import DEFAULT_PLANES, MAX_PLANES
from ..errors import FitsError

FLOAT32 = np.finfo(np.float32)
"""Limits of float32."""

# Whole numbers up to this one are the same in float32.
_GREATEST_WHOLE = 2**24
# Planes of the pixels without a positive finite variance or weight. The second is for a mask whose NO_DATA counts.
_NO_DATA, _NO_WEIGHT = "NO_DATA", "NO_WEIGHT"


@dataclass(frozen=True)
class Storage:
    """Storage of the pixels of an HDU, as its header describes it.

    Attributes
    ----------
    bitpix : int
        BITPIX of the image, compressed or not.
    scale, zero : float
        BSCALE and BZERO.
    blank : int or None
        BLANK; None if there is none, or if it is not a whole number.
    """

    bitpix: int
    scale: float
    zero: float
    blank: int | None

    @property
    def whole(self) -> bool:
        """Whether the pixels are whole numbers that float32 may not hold."""
        return self.bitpix > 16 and self.scale == 1 and float(self.zero).is_integer()


def storage_of(hdu: Any) -> Storage:
    """Return the storage of an HDU whose pixels were not read yet; reading may change its header."""
    header = hdu.header
    blank = header.get("BLANK")
    return Storage(
        header.get("ZBITPIX", header.get("BITPIX", 8)),
        header.get("BSCALE", 1),
        header.get("BZERO", 0),
        blank if isinstance(blank, int) else None,
    )


def two_axes(shape: tuple[int, ...]) -> list[int]:
    """Return the axes of rows and columns of an image; the others have length 1."""
    axes = [axis for axis, size in enumerate(shape) if size != 1]
    for axis in reversed(range(len(shape))):
        if len(axes) < 2 and axis not in axes:
            axes.append(axis)
    return sorted(axes)


# ---- image ----


def real_numbers(data: np.ndarray, storage: Storage, name: str, path: Path) -> np.ndarray:
    """Return pixels of an image, or of a plane of errors, as real numbers; BLANK pixels are NaN.

    Parameters
    ----------
    data : ndarray
        As astropy returns them.
    storage : Storage
    name : str
        Name of the plane, for messages.
    path : Path
        The file, for messages.

    Raises
    ------
    evensky.errors.FitsError
        If the pixels are of another type.
    """
    if data.dtype.kind not in "iuf":
        raise FitsError(f"{path}: {name} has pixels of type {data.dtype}; real numbers are needed")
    if data.dtype.kind in "iu" and storage.zero and storage.blank is not None:
        # Unsigned pixels, and BLANK, are stored as signed numbers with an offset; astropy then ignores BLANK.
        wide = np.float32 if data.dtype.itemsize <= 2 else np.float64
        return np.where(data == storage.blank + int(storage.zero), wide(np.nan), data.astype(wide))
    return data


def too_large_for_float32(pixels: np.ndarray) -> bool:
    """Return whether a whole number is too large for float32."""
    if pixels.dtype.kind == "u":
        return bool(pixels.max() > _GREATEST_WHOLE)
    return bool((pixels > _GREATEST_WHOLE).any() or (pixels < -_GREATEST_WHOLE).any())


# ---- mask ----


def byte_axis_of(found: tuple[int, ...], shape: tuple[int, int], named: bool) -> int | None:
    """Return the axis along which bytes of planes follow each other in a mask, the first or the last; None if none.

    Parameters
    ----------
    found : tuple of int
        Shape of the mask in the file.
    shape : (height, width)
        Shape of the image.
    named : bool
        Whether the planes have names; without them, there are no bytes of planes.
    """
    if not named or len(two_axes(found)) != 3:
        return None
    return 0 if found[1:] == shape else 2


def bits_of_bytes(data: np.ndarray, axis: int) -> np.ndarray:
    """Combine bytes of planes, which follow each other along `axis`, into whole numbers."""
    bits = np.zeros(np.take(data, 0, axis).shape, np.uint64)
    for k in range(data.shape[axis]):
        plane = np.take(data, k, axis).astype(np.uint64)
        bits |= plane << np.uint64(8 * min(k, 7))  # planes beyond the 64th are only known to be set
    return bits


def unsigned_bits(data: np.ndarray, storage: Storage, name: str, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the pixels of a mask as bit patterns, unsigned, and those that are not numbers, if there are any.

    Raises
    ------
    evensky.errors.FitsError
        If the pixels are not whole numbers.
    """
    kind, size = data.dtype.kind, data.dtype.itemsize
    if kind == "b":
        return data.view(np.uint8), None
    if kind == "u":
        return data.astype(data.dtype.newbyteorder("="), copy=False), None
    if kind == "i":
        return data.astype(data.dtype.newbyteorder("="), copy=False).view(f"u{size}"), None
    if kind != "f":
        raise FitsError(f"{path}: the mask {name} has pixels of type {data.dtype}; whole numbers are needed")
    unknown = np.isnan(data)
    if storage.bitpix > 0 and storage.blank is not None:  # whole numbers, of which one was replaced by NaN
        value = storage.blank * storage.scale + storage.zero
        data, unknown = np.where(unknown, value, data), np.zeros(1, bool)
    else:
        data = np.where(unknown, 0, data)
    wrong = (data != np.floor(data)) | (np.abs(data) >= 2.0**63)
    if wrong.any():
        raise FitsError(
            f"{path}: the mask {name} has pixels of type {data.dtype.name} such as {data[wrong][0]:g}; whole numbers "
            "are needed. Give another mask with --mask, or none with --mask none"
        )
    whole = data.astype(np.int64)
    size = storage.bitpix if storage.bitpix in (8, 16) else MAX_PLANES
    return np.where(whole < 0, whole & ((1 << size) - 1), whole).astype(np.uint64), unknown if unknown.any() else None


def free_bit(used: int, planes: Mapping[str, int] | None) -> int | None:
    """Return a bit that neither a pixel nor a name has; None if there is none.

    Parameters
    ----------
    used : int
        Bits that any pixel has.
    planes : mapping of str to int or None
        Numbers of the named bits.
    """
    taken = used | sum(1 << number for number in (planes or {}).values())
    # From the top, but the last one, which makes numbers negative, comes last.
    return next((1 << bit for bit in (*range(MAX_PLANES - 2, -1, -1), 31) if not taken >> bit & 1), None)


@dataclass(frozen=True)
class BadPixels:
    """Mark of pixels that never count, as they have no positive finite variance or weight.

    Attributes
    ----------
    bits : int
        Bits of the mask that such pixels get, as a number >= 0.
    new_plane : str or None
        Name that the bit gets; None if it has one, or the mask has no names.
    depends_on_pixels : bool
        Whether the choice depends on the bits that pixels of the mask have.
    """

    bits: int
    new_plane: str | None = None
    depends_on_pixels: bool = True


def reject_bit(planes: Mapping[str, int] | None, bad: int, used: int, *, has_mask: bool) -> BadPixels:
    """Choose the bit for pixels that never count.

    Parameters
    ----------
    planes : mapping of str to int or None
        Numbers of the planes of the mask, if it names them.
    bad : int
        Bits of the mask whose pixels do not count.
    used : int
        Bits that any pixel of the mask has.
    has_mask : bool
    """
    names = DEFAULT_PLANES if not has_mask else planes or {}
    if _NO_DATA in names and (not has_mask or bad >> names[_NO_DATA] & 1):
        return BadPixels(1 << names[_NO_DATA], depends_on_pixels=False)
    bit = free_bit(used, planes)
    if bit is None:  # there may be one that has a name
        bit = next((1 << one for one in range(MAX_PLANES) if not used >> one & 1), None)
        return BadPixels(bit or bad or 1)
    if planes is None:
        return BadPixels(bit)
    return BadPixels(bit, next(name for name in (_NO_DATA, _NO_WEIGHT) if name not in planes))


def mark_pixels(mask: np.ndarray, pixels: np.ndarray, bits: int) -> None:
    """Set bits of a mask, int32, where `pixels`, an array of bool of its shape, is true."""
    # Faster than an assignment by an index, or than a ufunc with a condition.
    mask |= np.multiply(pixels, np.uint32(bits).view(np.int32), dtype=np.int32)


def names_by_value(used: int) -> tuple[dict[str, int], int]:
    """Return names for the bits of a mask that names none: their values, and BAD for all pixels that do not count.

    Parameters
    ----------
    used : int
        Bits that any pixel has.

    Returns
    -------
    names : dict of str to int
    bad : int
        Value of the bit that BAD gets, which no pixel has yet; 0 if none is free.
    """
    names = {str(1 << bit): bit for bit in range(MAX_PLANES) if used >> bit & 1}
    free = next((bit for bit in range(MAX_PLANES) if not used >> bit & 1), None)
    if free is None:
        return names, 0
    return {**names, "BAD": free}, 1 << free


# ---- errors ----


@dataclass
class VarianceRange:
    """Variances that were met.

    Attributes
    ----------
    count : int
        Number of positive finite ones.
    least, greatest : float
    below, above : int
        Number of those that float32 cannot hold, as they are too small or too large.
    """

    count: int = 0
    least: float = math.inf
    greatest: float = 0.0
    below: int = 0
    above: int = 0

    def add(self, variances: np.ndarray, good: np.ndarray) -> None:
        """Add variances, of which those that are not `good` do not count; they may have one value for all."""
        if not good.any():
            return
        if good.ndim == 0:  # float32, so that none is out of its range
            self.count += variances.size
            self.least = min(self.least, float(variances.min()))
            self.greatest = max(self.greatest, float(variances.max()))
            return
        self.count += int(np.count_nonzero(good))
        self.least = min(self.least, float(np.min(variances, where=good, initial=np.inf)))
        self.greatest = max(self.greatest, float(np.max(variances, where=good, initial=0.0)))
        if variances.dtype == np.float64:
            small = good & (variances < FLOAT32.tiny)
            with np.errstate(over="ignore", under="ignore"):
                self.below += int(np.count_nonzero(small & (variances.astype(np.float32) != variances)))
            self.above += int(np.count_nonzero(good & (variances > FLOAT32.max)))

    def add_if_good(self, errors: np.ndarray, sense: str) -> bool:
        """Add errors of float32, in any byte order, if float32 holds a variance, or weight, of each of them.

        Parameters
        ----------
        errors : ndarray, shape (rows, columns)
        sense : {"variance", "sigma", "inverse variance", "weight"}

        Returns
        -------
        bool
            False if they are not of float32, or some have no such variance; nothing is then added.
        """
        if errors.dtype.kind != "f" or errors.dtype.itemsize != 4:
            return False
        count, *extremes = _core.positive_range(errors)
        if count < errors.size:
            return False
        found = np.array(extremes, np.float32)
        if sense in ("sigma", "inverse variance"):
            with np.errstate(all="ignore"):
                found = np.square(found) if sense == "sigma" else np.reciprocal(found)
            if not _held(found).all():
                return False
        self.count += count
        self.least, self.greatest = min(self.least, float(found.min())), max(self.greatest, float(found.max()))
        return True


def variances_of(data: np.ndarray, sense: str) -> tuple[np.ndarray, np.ndarray]:
    """Return variances (float32 if they are so in the file, otherwise float64), and which pixels have one."""
    native = data.dtype.newbyteorder("=")
    values = data.astype(native if native == np.float32 and sense in ("variance", "weight") else np.float64)
    with np.errstate(invalid="ignore"):
        good = (values > 0) & np.isfinite(values)
    match sense:
        case "sigma":
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                squares = np.square(values)
            # Squares beyond float64 are as far beyond float32.
            return np.where(good, np.clip(squares, np.nextafter(0, 1), np.finfo(np.float64).max), squares), good
        case "inverse variance":
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                inverse = np.where(good, 1.0 / values, np.nan)
            return np.where(good, np.minimum(inverse, np.finfo(np.float64).max), inverse), good
    return values, good


def single_variances(errors: np.ndarray, sense: str) -> np.ndarray | None:
    """Replace errors of float32 by their variances, the same as `variances_of` gives, in fewer steps.

    Squares and inverses of float32 that are computed in float64 and rounded are those that float32 gives.

    Parameters
    ----------
    errors : ndarray of float32
        It is overwritten unless the result is None.
    sense : {"variance", "sigma", "inverse variance"}

    Returns
    -------
    ndarray of bool or None
        Pixels without a positive finite variance; None if float32 does not hold a variance.
    """
    least, greatest = errors.min(), errors.max()
    if sense == "variance":
        if greatest <= FLOAT32.max:  # none is NaN
            return np.zeros((), bool) if least > 0 else errors <= 0
        return ~((errors > 0) & (errors <= FLOAT32.max))
    convert = np.square if sense == "sigma" else np.reciprocal
    with np.errstate(all="ignore"):
        if least > 0 and greatest <= FLOAT32.max and all(_held(convert(one)) for one in (least, greatest)):
            convert(errors, out=errors)
            return np.zeros((), bool)
        rejected = ~((errors > 0) & (errors <= FLOAT32.max))
        converted = convert(errors)
        if not (rejected | _held(converted)).all():
            return None
    if sense == "inverse variance":
        converted[rejected] = np.nan
    errors[...] = converted
    return rejected


def _held(variances: Any) -> Any:
    """Return where variances are normal numbers of float32."""
    return (variances >= FLOAT32.tiny) & (variances <= FLOAT32.max)
