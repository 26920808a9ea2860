"""Reading of the planes of an exposure in FITS files: an image with its mask and its variances, as described."""

from __future__ import annotations

__all__ = ["FitsPlanes", "read_described", "read_errors", "read_mask", "read_planes"]

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .._bands import row_bands
from .._checks import names_of
from .._planes import DEFAULT_PLANES, MAX_PLANES, checked_planes
from ..errors import FitsError, InvalidParameterError
from .companions import split_extension
from .contents import describe_hdus
from .descriptions import (
    FileDescription,
    ImageDescription,
    MaskDescription,
    PlaneDescription,
    Selection,
    VarianceDescription,
)
from .headers import merged_header, wcs_of
from .opening import check_tiles, mended, opened_headers, quiet, wrong_sums
from .scratch import Scratch

# Whole numbers up to this one are the same in float32.
_GREATEST_WHOLE = 2**24
_FLOAT32 = np.finfo(np.float32)
# Planes of the pixels without a positive finite variance or weight. The second is for a mask whose NO_DATA counts.
_NO_DATA, _NO_WEIGHT = "NO_DATA", "NO_WEIGHT"
_ALL_BITS = (1 << MAX_PLANES) - 1


@dataclass
class FitsPlanes:
    """The planes of an exposure as plain arrays, with their description in a FITS file.

    Attributes
    ----------
    image : ndarray, shape (height, width)
        float32 or float64 if it was read from a file; BLANK pixels are NaN.
    mask : ndarray of int32, shape (height, width)
        All 0 if the file has no mask, apart from the bit of `reject`.
    variance : ndarray of float32, shape (height, width)
        All 0 if the file has no variance.
    mask_planes : mapping of str to int or None
        Numbers of the mask's planes; None if the file names none, or has no mask.
    x0, y0 : int
        Pixel origin.
    header : astropy.io.fits.Header or None
        Cards that describe the exposure, not its storage.
    wcs : astropy.wcs.WCS or None
        Maps array pixels, counted from 0, to the sky.
    has_variance : bool
        False if the variance is unknown.
    assumptions : list of str
        Assumptions that were made to read the file, in sentences.
    path : Path or None
        The file that was read.
    scratch : Path or None
        The folder that holds the pixels; None if they are in memory.
    bad : int or None
        Bits of the mask whose pixels do not count, by the layout of the file and the choice of the user; None if the
        planes were not read from a file.
    reject : int
        Bits of the mask that mark pixels without a positive finite variance or weight, which never count.
    unit : str
        Unit of the pixels; "" if unknown.
    description : ImageDescription or None
        What was read.
    """

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray
    mask_planes: Mapping[str, int] | None = None
    x0: int = 0
    y0: int = 0
    header: Any = None
    wcs: Any = None
    has_variance: bool = True
    assumptions: list[str] = field(default_factory=list)
    path: Path | None = None
    scratch: Path | None = None
    bad: int | None = None
    reject: int = 0
    unit: str = ""
    description: ImageDescription | None = None


# ---- bands ----


def _two_axes(shape: tuple[int, ...]) -> list[int]:
    """Return the axes of rows and columns of an image; the others have length 1."""
    axes = [axis for axis, size in enumerate(shape) if size != 1]
    for axis in reversed(range(len(shape))):
        if len(axes) < 2 and axis not in axes:
            axes.append(axis)
    return sorted(axes)


def _bands(hdu: Any, axis: int | None = None) -> Iterator[tuple[slice, np.ndarray]]:
    """Iterate over the pixels of an HDU in bands of rows; a small HDU is one band.

    Parameters
    ----------
    axis : int, optional
        Axis of the rows. All axes are kept if it is given; by default those of length 1 are left out.
    """
    shape = tuple(hdu.shape)
    axes = _two_axes(shape) if axis is None else list(range(len(shape)))
    rows_axis = axes[0] if axis is None else axis
    height = shape[rows_axis]
    bands = list(row_bands(height, math.prod(shape) // height))
    if len(bands) == 1:
        yield bands[0], np.asarray(hdu.data).reshape([shape[one] for one in axes])
        return
    for rows in bands:
        index = tuple(rows if one == rows_axis else (slice(None) if one in axes else 0) for one in range(len(shape)))
        size = [rows.stop - rows.start if one == rows_axis else shape[one] for one in axes]
        yield rows, np.asarray(hdu.section[index]).reshape(size)


def _pixels(hdu: Any, name: str, path: Path) -> Iterator[tuple[slice, np.ndarray]]:
    """Iterate over bands of an image or of a plane of errors, as real numbers; BLANK pixels are NaN."""
    blank, zero = hdu.header.get("BLANK"), hdu.header.get("BZERO", 0)
    for part, data in _bands(hdu):
        if data.dtype.kind not in "iuf":
            raise FitsError(f"{path}: {name} has pixels of type {data.dtype}; real numbers are needed")
        if data.dtype.kind in "iu" and zero and isinstance(blank, int):
            # Unsigned pixels, and BLANK, are stored as signed numbers with an offset; astropy then ignores BLANK.
            wide = np.float32 if data.dtype.itemsize <= 2 else np.float64
            yield part, np.where(data == int(blank) + int(zero), wide(np.nan), data.astype(wide))
        else:
            yield part, data


def _check_plane(hdu: Any, name: str, path: Path) -> None:
    """Raise FitsError if the pixels of an HDU cannot be used."""
    for keyword, allowed in (("BSCALE", "a finite number other than 0"), ("BZERO", "a number")):
        value = hdu.header.get(keyword, 1.0)
        if isinstance(value, str) or value is None or (keyword == "BSCALE" and (not np.isfinite(value) or value == 0)):
            shown = value if isinstance(value, str) else repr(value)
            raise FitsError(f"{path}: cannot be read as FITS: {keyword} = {shown} in {name}; it must be {allowed}")
    check_tiles(hdu, path)


# ---- image ----


def _read_image(hdu: Any, description: ImageDescription, dtype: Any, scratch: Scratch, notes: list[str]) -> np.ndarray:
    """Read the pixels of the image: as float32 if that holds all of them exactly, otherwise as float64."""
    path, shape = description.path, description.shape
    found = tuple(hdu.shape)
    if 0 in found or not found or tuple(found[axis] for axis in _two_axes(found)) != shape:
        has = "no pixels" if 0 in found or not found else f"shape {found}"
        raise FitsError(f"{path}: the image HDU {description.name!r} has {has}; an image of shape {shape} is needed")
    stored = hdu.header.get("ZBITPIX", hdu.header.get("BITPIX", 8))
    whole = stored > 16 and hdu.header.get("BSCALE", 1) == 1 and float(hdu.header.get("BZERO", 0)).is_integer()
    image: np.ndarray | None = None
    lost = 0
    for part, pixels in _pixels(hdu, f"the image {description.name!r}", path):
        if image is None:
            # Whole numbers stay float32 until one of them is too large.
            wide = np.dtype(dtype) == np.float64 if dtype is not None else pixels.dtype.itemsize == 8 and not whole
            image = scratch.zeros(shape, np.float64 if wide else np.float32)
        if dtype is None and whole and image.dtype == np.float32 and _beyond(pixels):
            before, image = image, scratch.zeros(shape, np.float64)
            image[: part.start] = before[: part.start]
        with np.errstate(over="ignore", under="ignore"):
            image[part] = pixels
        if dtype is not None and image.dtype == np.float32 and pixels.dtype.itemsize == 8:
            lost += int(np.count_nonzero(np.isinf(image[part]) & np.isfinite(pixels)))
            lost += int(np.count_nonzero((image[part] == 0) & (pixels != 0)))
    if lost:
        notes.append(f"{lost} pixels are beyond the range of float32, and became infinite or 0; float64 holds them")
    assert image is not None  # there is at least one row
    return image


def _beyond(pixels: np.ndarray) -> bool:
    """Return whether a whole number is too large for float32."""
    if pixels.dtype.kind == "u":
        return bool(pixels.max() > _GREATEST_WHOLE)
    return bool((pixels > _GREATEST_WHOLE).any() or (pixels < -_GREATEST_WHOLE).any())


# ---- mask ----


@dataclass
class _Mask:
    """A mask that was read.

    Attributes
    ----------
    bits : ndarray of int32
    planes : dict of str to int or None
    bad : int
    used : int
        Bits that any pixel has.
    unknown : ndarray of bool or None
        Pixels whose value in the mask is not a number.
    """

    bits: np.ndarray
    planes: dict[str, int] | None
    bad: int
    used: int
    unknown: np.ndarray | None = None

    def free_bit(self) -> int | None:
        """Return a bit that neither a pixel nor a name has; None if there is none."""
        taken = self.used | sum(1 << number for number in (self.planes or {}).values())
        # From the top, but the last one, which makes numbers negative, comes last.
        return next((1 << bit for bit in (*range(MAX_PLANES - 2, -1, -1), 31) if not taken >> bit & 1), None)


def _bits_of_bytes(data: np.ndarray, axis: int) -> np.ndarray:
    """Combine bytes of planes, which follow each other along `axis`, into whole numbers."""
    bits = np.zeros(np.take(data, 0, axis).shape, np.uint64)
    for k in range(data.shape[axis]):
        plane = np.take(data, k, axis).astype(np.uint64)
        bits |= plane << np.uint64(8 * min(k, 7))  # planes beyond the 64th are only known to be set
    return bits


def _patterns(data: np.ndarray, hdu: Any, name: str, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the pixels of a mask as bit patterns (uint64), and those that are not numbers, if there are any."""
    kind, size = data.dtype.kind, data.dtype.itemsize
    if kind in "bu":
        return data.astype(np.uint64), None
    if kind == "i":
        return data.astype(data.dtype.newbyteorder("=")).view(f"u{size}").astype(np.uint64), None
    if kind != "f":
        raise FitsError(f"{path}: the mask {name} has pixels of type {data.dtype}; whole numbers are needed")
    unknown = np.isnan(data)
    blank, stored = hdu.header.get("BLANK"), hdu.header.get("ZBITPIX", hdu.header.get("BITPIX", 8))
    if stored > 0 and isinstance(blank, int):  # whole numbers, of which one was replaced by NaN
        value = blank * hdu.header.get("BSCALE", 1) + hdu.header.get("BZERO", 0)
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
    size = stored if stored in (8, 16) else MAX_PLANES
    return np.where(whole < 0, whole & ((1 << size) - 1), whole).astype(np.uint64), unknown if unknown.any() else None


def _no_mask(shape: tuple[int, int], scratch: Scratch) -> _Mask:
    return _Mask(scratch.zeros(shape, np.int32), None, 0, 0)


def _read_mask(
    hdu: Any, description: MaskDescription, image: ImageDescription, scratch: Scratch, notes: list[str]
) -> _Mask:
    path, name, shape = description.path, description.name, image.shape
    planes = None if description.planes is None else checked_planes(description.planes)
    found = tuple(hdu.shape or ())
    sizes = [tuple(found[axis] for axis in _two_axes(found))]
    # The axis of the bytes of planes is the first or the last.
    byte_axis = None
    if len(sizes[0]) == 3 and planes is not None:
        byte_axis = 0 if found[1:] == shape else 2
        sizes = [tuple(size for axis, size in enumerate(found) if axis != byte_axis)]
    if sizes[0] != shape:
        raise FitsError(
            f"{path}: the mask has shape {found or None} but the image has {shape}; "
            f"give another mask with --mask, or ignore {name} with --mask none"
        )
    any_bit = description.bad & _ALL_BITS == _ALL_BITS
    out = scratch.zeros(shape, np.int32)
    high_bad = np.uint64(_ALL_BITS << 32 if any_bit else description.bad & (_ALL_BITS << 32))
    mask = _Mask(out, planes, description.bad & _ALL_BITS, 0)
    for part, data in _bands(hdu, None if byte_axis is None else int(byte_axis == 0)):
        if byte_axis is None:
            bits, unknown = _patterns(data, hdu, name, path)
        else:
            bits, unknown = _bits_of_bytes(data, byte_axis), None
        if unknown is not None:
            mask.unknown = scratch.zeros(shape, bool) if mask.unknown is None else mask.unknown
            mask.unknown[part] = unknown
        mask.used |= int(np.bitwise_or.reduce(bits, axis=None))
        out[part] = bits.astype(np.uint32).view(np.int32)
    high = mask.used >> 32
    mask.used &= _ALL_BITS
    if high:
        ignored = high & ~(int(high_bad) >> 32)
        if high & int(high_bad) >> 32:
            _move_high_bits(hdu, description, byte_axis, high_bad, mask, notes)
        if ignored:
            notes.append(f"the mask {name} has bits beyond the 32nd, which is the last that a plane can have: ignored")
    return mask


def read_mask(
    hdu: Any, description: MaskDescription, image: ImageDescription, scratch: Scratch
) -> tuple[np.ndarray, dict[str, int] | None]:
    """Read the mask of an open HDU: its bits, int32, and the numbers of its planes if it names them.

    Raises
    ------
    evensky.errors.FitsError
        If its shape is not that of `image`, or its pixels are not whole numbers.
    """
    _check_plane(hdu, description.name, description.path)
    mask = _read_mask(hdu, description, image, scratch, [])
    if mask.unknown is not None:
        raise FitsError(
            f"{description.path}: {np.count_nonzero(mask.unknown)} pixels of the mask {description.name} are NaN; "
            "whole numbers are needed"
        )
    return mask.bits, mask.planes


def _move_high_bits(
    hdu: Any, description: MaskDescription, byte_axis: int | None, wanted: np.uint64, mask: _Mask, notes: list[str]
) -> None:
    """Set a free bit where the mask has a bad bit beyond the 32nd; all bad bits if no bit is free."""
    bit = mask.free_bit()
    new = np.uint32(mask.bad if bit is None else bit).view(np.int32)
    for part, data in _bands(hdu, None if byte_axis is None else int(byte_axis == 0)):
        if byte_axis is None:
            bits, _ = _patterns(data, hdu, description.name, description.path)
        else:
            bits = _bits_of_bytes(data, byte_axis)
        mask.bits[part][bits & wanted != 0] |= new
    if bit is not None:
        mask.used |= bit
        mask.bad |= bit
    notes.append(
        f"the mask {description.name} has bits beyond the 32nd, which is the last that a plane can have: "
        f"their pixels get the bit of value {mask.bad if bit is None else bit}"
    )


# ---- errors ----


@dataclass
class _Range:
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
        if not good.any():
            return
        self.count += int(np.count_nonzero(good))
        self.least = min(self.least, float(np.min(variances, where=good, initial=np.inf)))
        self.greatest = max(self.greatest, float(np.max(variances, where=good, initial=0.0)))
        if variances.dtype == np.float64:
            small = good & (variances < _FLOAT32.tiny)
            with np.errstate(over="ignore", under="ignore"):
                self.below += int(np.count_nonzero(small & (variances.astype(np.float32) != variances)))
            self.above += int(np.count_nonzero(good & (variances > _FLOAT32.max)))


def _variances(data: np.ndarray, sense: str) -> tuple[np.ndarray, np.ndarray]:
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


def _read_errors(
    hdu: Any, description: VarianceDescription, shape: tuple[int, int], scratch: Scratch, notes: list[str]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Read a plane of errors.

    Returns
    -------
    variances : ndarray of float32 or None
        None if the scale of the errors is unknown or cannot be held.
    rejected : ndarray of bool or None
        Pixels without a positive finite value; None if there are none, or nothing but such pixels.
    """
    path, name, sense = description.path, description.name, description.sense
    found = tuple(hdu.shape or ())
    if tuple(found[axis] for axis in _two_axes(found)) != shape:
        raise FitsError(
            f"{path}: the variance has shape {found or None} but the image has {shape}; "
            f"give another with --variance, or ignore {name} with --variance none"
        )
    out = None if sense == "weight" else scratch.zeros(shape, np.float32)
    rejected = scratch.zeros(shape, bool)
    known = _Range()
    for part, data in _pixels(hdu, name, path):
        values, good = _variances(data, sense)
        rejected[part] = ~good
        known.add(values, good)
        if out is not None:
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                out[part] = values
                if values.dtype == np.float64:
                    rejected[part] |= good & (values > _FLOAT32.max)
    what = "weight" if sense in ("weight", "inverse variance") else "variance"
    if known.count == 0:
        notes.append(f"{name} has no pixel with a positive, finite {what}: ignored")
        return None, None
    if out is not None and (known.below or 2 * known.above > known.count):
        notes.append(
            f"variances from {known.least:.3g} to {known.greatest:.3g} in {name} cannot be held in single precision: "
            "not used; errors come from the scatter of the pixels"
        )
        out = None
        for part, data in _pixels(hdu, name, path):
            rejected[part] = ~_variances(data, sense)[1]
    elif out is not None and known.above:
        notes.append(
            f"{known.above} pixels of {name} have a variance above {_FLOAT32.max:.3g}, the greatest of single "
            "precision: they do not count"
        )
    count = int(np.count_nonzero(rejected))
    if 2 * count > rejected.size:
        notes.append(f"{count} of {rejected.size} pixels have no positive, finite {what} in {name}: they do not count")
    return out, rejected if count else None


def _reject(mask: _Mask, rejected: np.ndarray | None, has_mask: bool, notes: list[str]) -> int:
    """Mark pixels that never count with a bit of the mask; return the bit, 0 if there are no such pixels."""
    if mask.unknown is not None:
        notes.append(f"{int(np.count_nonzero(mask.unknown))} pixels of the mask are not numbers: they do not count")
        rejected = mask.unknown if rejected is None else rejected | mask.unknown
    if rejected is None:
        return 0
    names = DEFAULT_PLANES if not has_mask else mask.planes or {}
    bit: int | None
    if _NO_DATA in names and (not has_mask or mask.bad >> names[_NO_DATA] & 1):
        bit = 1 << names[_NO_DATA]
    elif (bit := mask.free_bit()) is None:  # there may be one that has a name
        bit = next((1 << one for one in range(MAX_PLANES) if not mask.used >> one & 1), None)
    elif mask.planes is not None:
        mask.planes[next(name for name in (_NO_DATA, _NO_WEIGHT) if name not in mask.planes)] = bit.bit_length() - 1
    bits = bit or mask.bad or 1
    new = np.uint32(bits).view(np.int32)
    for rows in row_bands(*mask.bits.shape):
        mask.bits[rows][rejected[rows]] |= new
    return bits


# ---- whole exposures ----


def _selection(
    selection: Selection | None,
    mask: str | Path | int | None,
    variance: str | Path | int | None,
    weight: str | Path | int | None,
    hdu: str | int | None,
    bad_planes: str | Iterable[str] | None,
    good_bits: str | Iterable[str] | None,
) -> Selection:
    """Return the choices of a user as one object."""
    given = {"mask": mask, "variance": variance, "weight": weight, "hdu": hdu}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if bad_planes is not None:
        chosen["bad_planes"] = names_of(bad_planes, "bad_planes")
    if good_bits:
        chosen["good_bits"] = names_of(good_bits, "good_bits")
    return replace(selection or Selection(), **chosen)


def _place(path: str | Path, selection: Selection) -> tuple[Path, Selection]:
    """Split ``file.fits[SCI,2]`` into a file and the choice of its HDU, unless there is a file of this name."""
    file, extension = split_extension(Path(path))
    if extension is None:
        return file, selection
    if selection.hdu is not None:
        raise InvalidParameterError(f"{path} names an HDU, and hdu = {selection.hdu!r} another; only one can be given")
    return file, replace(selection, hdu=extension)


def read_planes(
    path: str | Path,
    *,
    selection: Selection | None = None,
    mask: str | Path | int | None = None,
    variance: str | Path | int | None = None,
    weight: str | Path | int | None = None,
    hdu: str | int | None = None,
    bad_planes: str | Iterable[str] | None = None,
    good_bits: str | Iterable[str] | None = None,
    dtype: Any = None,
    scratch: str | Path | None = None,
) -> FitsPlanes:
    """Read image, mask and variance from a FITS file of any layout that evensky knows.

    If the file has several science images, the first is read.

    Parameters
    ----------
    path : str or Path
        The file; it is read wholly and closed. ``file.fits[SCI,2]`` is the same as ``hdu="SCI,2"``.
    selection : Selection, optional
        Choices of the user; the parameters that follow replace single ones.
    mask, variance, weight : str, Path or int, optional
        Location of these planes, if not the usual one: an HDU of the same file by name or number, or another file,
        ``file.fits`` or ``file.fits[EXT]``. "none" ignores a plane. `weight` holds inverse variances.
    hdu : str or int, optional
        The HDU of the image, if not the usual one: its number, EXTNAME, or EXTNAME and EXTVER as in "SCI,2".
    bad_planes : str or iterable of str, optional
        Mask planes whose pixels do not count: names, or values of flags. By default those of the layout.
    good_bits : str or iterable of str, optional
        Mask planes whose pixels count although they are bad by default.
    dtype : numpy dtype, optional
        float32 or float64; by default float32 if that holds every pixel of the file exactly, otherwise float64.
    scratch : str or Path, optional
        Folder in which pixels are kept, in files without names, instead of in memory.

    Returns
    -------
    FitsPlanes

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing, broken or has no image; the message is one line that starts with the path.
    evensky.errors.NotFoundError
        If `bad_planes` or `good_bits` name planes that the mask does not have.
    evensky.errors.InvalidParameterError
        If the choices contradict each other.
    """
    chosen = _selection(selection, mask, variance, weight, hdu, bad_planes, good_bits)
    file, chosen = _place(path, chosen)
    with opened_headers(file) as hdus:
        described = describe_hdus(hdus, file, chosen)
        planes = _read(hdus, described.images[0], dtype, Scratch(scratch), header=True)
    planes.assumptions[:0] = [*described.notes, *_several(described)]
    return planes


def _several(described: FileDescription) -> list[str]:
    if len(described.images) < 2:
        return []
    first, second = described.images[:2]
    return [
        f"{first.name} was read, the first of {len(described.images)} science images: "
        f'hdu="{second.name}" (--hdu {second.name}) chooses another'
    ]


def read_described(
    description: ImageDescription, *, dtype: Any = None, scratch: str | Path | None = None, header: bool = True
) -> FitsPlanes:
    """Read one image with its mask and its variances, as a description says.

    Parameters
    ----------
    description : ImageDescription
        One image of a `FileDescription`.
    dtype : numpy dtype, optional
        float32 or float64; by default float32 if that holds every pixel of the file exactly, otherwise float64.
    scratch : str or Path, optional
        Folder in which pixels are kept, in files without names, instead of in memory.
    header : bool, optional
        Whether to read the header and the WCS too.

    Returns
    -------
    FitsPlanes

    Raises
    ------
    evensky.errors.FitsError
        If a file is missing, broken, or not as described; the message is one line that starts with its path.
    """
    with opened_headers(description.path) as hdus:
        return _read(hdus, description, dtype, Scratch(scratch), header=header)


def read_errors(errors: VarianceDescription, shape: tuple[int, ...]) -> np.ndarray:
    """Read a plane of errors as a file has it, in its own sense.

    Parameters
    ----------
    errors : VarianceDescription
    shape : (height, width)

    Returns
    -------
    ndarray of float64

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be read.
    """
    stored = np.empty(shape)
    with opened_headers(errors.path) as hdus:
        check_tiles(hdus[errors.hdu], errors.path)
        for part, data in _pixels(hdus[errors.hdu], errors.name, errors.path):
            stored[part] = data
    return stored


@contextmanager
def _plane_hdu(hdus: Any, plane: PlaneDescription, image: Path) -> Iterator[Any]:
    """Open the HDU of a plane, in the file of the image or in another."""
    if plane.path == image:
        yield _hdu_at(hdus, plane.hdu, plane.path)
        return
    with opened_headers(plane.path) as others:
        yield _hdu_at(others, plane.hdu, plane.path)


def _hdu_at(hdus: Any, index: int, path: Path) -> Any:
    if not 0 <= index < len(hdus):
        raise FitsError(f"{path}: has {len(hdus)} HDUs, but HDU {index} is needed; was the file changed?")
    hdu = hdus[index]
    if not getattr(hdu, "is_image", False):
        raise FitsError(f"{path}: HDU {index} is not an image; was the file changed?")
    return hdu


def _read(hdus: Any, description: ImageDescription, dtype: Any, scratch: Scratch, *, header: bool) -> FitsPlanes:
    path, shape = description.path, description.shape
    hdu = _hdu_at(hdus, description.hdu, path)
    # The description holds what was mended in the header of the image.
    notes = [*wrong_sums(hdu), *description.notes]
    _check_plane(hdu, f"HDU {description.name}", path)
    image = _read_image(hdu, description, dtype, scratch, notes)
    mask = _no_mask(shape, scratch)
    if description.mask is not None:
        with _plane_hdu(hdus, description.mask, path) as found:
            _check_plane(found, description.mask.name, description.mask.path)
            notes += [*mended(found), *wrong_sums(found)]
            mask = _read_mask(found, description.mask, description, scratch, notes)
    variances, rejected = None, None
    if description.variance is not None:
        with _plane_hdu(hdus, description.variance, path) as found:
            _check_plane(found, description.variance.name, description.variance.path)
            notes += [*mended(found), *wrong_sums(found)]
            variances, rejected = _read_errors(found, description.variance, shape, scratch, notes)
    reject = _reject(mask, rejected, description.mask is not None, notes)
    x0, y0 = description.origin or (0, 0)
    cards, wcs = None, None
    if header:
        with quiet():
            cards = merged_header(hdus, hdu)
        wcs = wcs_of(cards, hdus)
    return FitsPlanes(
        image,
        mask.bits,
        scratch.zeros(shape, np.float32) if variances is None else variances,
        mask.planes,
        x0=x0,
        y0=y0,
        header=cards,
        wcs=wcs,
        has_variance=variances is not None,
        assumptions=notes,
        path=path,
        scratch=scratch.folder,
        bad=mask.bad,
        reject=reject,
        unit=description.unit,
        description=description,
    )
