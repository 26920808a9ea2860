"""Reading of the planes of an exposure in FITS files: an image with its mask and its variances, as described."""

from __future__ import annotations

__all__ = [
    "FitsPlanes",
    "check_errors",
    "check_image",
    "check_mask",
    "check_plane",
    "hdu_at",
    "high_bad_bits",
    "name_by_value",
    "plane_hdu",
    "read_described",
    "read_errors",
    "read_mask",
    "read_planes",
]

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import _core
from .._bands import row_bands
from .._checks import names_of
from .._planes import MAX_PLANES, checked_planes
from ..errors import FitsError, InvalidParameterError
from .companions import split_extension
from .contents import describe_hdus
from .conversions import (
    FLOAT32,
    Storage,
    VarianceRange,
    bits_of_bytes,
    byte_axis_of,
    free_bit,
    names_by_value,
    real_numbers,
    reject_bit,
    single_variances,
    storage_of,
    too_large_for_float32,
    two_axes,
    unsigned_bits,
    variances_of,
)
from .descriptions import (
    FileDescription,
    ImageDescription,
    MaskDescription,
    PlaneDescription,
    Selection,
    VarianceDescription,
)
from .headers import merged_header, wcs_of
from .known_facts import FACTS
from .opening import check_tiles, mended, opened_headers, quiet, stored_hdu, wrong_sums
from .scratch import Scratch, stored
from .stored_rows import OpenFiles, StoredRows
from .tiles import decoded
from .unpacking import is_packed

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
        All 0 if the file has no variance, or it was not wanted.
    mask_planes : mapping of str to int or None
        Numbers of the mask's planes; None if the file names none, or has no mask.
    x0, y0 : int
        Pixel origin.
    header : astropy.io.fits.Header or None
        Cards that describe the exposure, not its storage.
    wcs : astropy.wcs.WCS or None
        Maps array pixels, counted from 0, to the sky.
    has_variance : bool
        False if the variance is unknown, or was not wanted.
    assumptions : list of str
        Assumptions that were made to read the file, in sentences.
    path : Path or None
        The file that was read.
    scratch : Path or None
        The folder that holds the pixels, in planes of the class `evensky.fits.scratch.ScratchPlane`; None if they are
        arrays in memory.
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


def _bands(hdu: Any, path: Path, axis: int | None = None) -> Iterator[tuple[slice, np.ndarray]]:
    """Iterate over the pixels of an HDU in bands of rows; a small HDU is one band.

    Pixels that need no decoder are read by pieces that fit the caches of a processor, into memory that the next piece
    overwrites.

    Parameters
    ----------
    path : Path
        The file, also for messages.
    axis : int, optional
        Axis of the rows. All axes are kept if it is given; by default those of length 1 are left out.
    """
    shape = tuple(hdu.shape)
    if axis is None and 0 not in shape and stored_hdu(hdu) is hdu and not is_packed(path):
        with OpenFiles() as files:
            plain = StoredRows(hdu, path, files)
            if plain.dtype is not None:
                yield from plain.pieces(files)
                return
    axes = two_axes(shape) if axis is None else list(range(len(shape)))
    rows_axis = axes[0] if axis is None else axis
    height = shape[rows_axis]
    bands = list(row_bands(height, math.prod(shape) // height))
    parts: list[tuple[Any, ...] | None] = [
        tuple(rows if one == rows_axis else (slice(None) if one in axes else 0) for one in range(len(shape)))
        for rows in bands
    ]
    for rows, pixels in zip(bands, decoded(hdu, parts if len(bands) > 1 else [None], path), strict=True):
        yield rows, pixels.reshape([rows.stop - rows.start if one == rows_axis else shape[one] for one in axes])


def _pixels(hdu: Any, name: str, path: Path) -> Iterator[tuple[slice, np.ndarray]]:
    """Iterate over bands of an image or of a plane of errors, as real numbers; BLANK pixels are NaN."""
    storage = storage_of(hdu)
    for part, data in _bands(hdu, path):
        yield part, real_numbers(data, storage, name, path)


def check_plane(hdu: Any, name: str, path: Path) -> None:
    """Raise FitsError if the pixels of an HDU cannot be used."""
    for keyword, allowed in (("BSCALE", "a finite number other than 0"), ("BZERO", "a number")):
        value = hdu.header.get(keyword, 1.0)
        if isinstance(value, str) or value is None or (keyword == "BSCALE" and (not np.isfinite(value) or value == 0)):
            shown = value if isinstance(value, str) else repr(value)
            raise FitsError(f"{path}: cannot be read as FITS: {keyword} = {shown} in {name}; it must be {allowed}")
    check_tiles(hdu, path)


def check_image(hdu: Any, description: ImageDescription) -> None:
    """Raise FitsError if the pixels of an HDU are not those of an image as described."""
    path, found = description.path, tuple(hdu.shape)
    check_plane(hdu, f"HDU {description.name}", path)
    if 0 in found or not found or tuple(found[axis] for axis in two_axes(found)) != description.shape:
        has = "no pixels" if 0 in found or not found else f"shape {found}"
        raise FitsError(
            f"{path}: the image HDU {description.name!r} has {has}; an image of shape {description.shape} is needed"
        )


def check_mask(hdu: Any, description: MaskDescription, shape: tuple[int, int]) -> int | None:
    """Raise FitsError if an HDU is not a mask of an image of that shape; return the axis of bytes of planes, if any."""
    check_plane(hdu, description.name, description.path)
    found = tuple(hdu.shape or ())
    byte_axis = byte_axis_of(found, shape, description.planes is not None)
    size = tuple(found[axis] for axis in two_axes(found))
    if byte_axis is not None:
        size = tuple(length for axis, length in enumerate(found) if axis != byte_axis)
    if size != shape:
        raise FitsError(
            f"{description.path}: the mask has shape {found or None} but the image has {shape}; "
            f"give another mask with --mask, or ignore {description.name} with --mask none"
        )
    return byte_axis


def check_errors(hdu: Any, description: VarianceDescription, shape: tuple[int, int]) -> None:
    """Raise FitsError if an HDU is not a plane of errors of an image of that shape."""
    check_plane(hdu, description.name, description.path)
    found = tuple(hdu.shape or ())
    if tuple(found[axis] for axis in two_axes(found)) != shape:
        raise FitsError(
            f"{description.path}: the variance has shape {found or None} but the image has {shape}; "
            f"give another with --variance, or ignore {description.name} with --variance none"
        )


# ---- image ----


def _read_image(hdu: Any, description: ImageDescription, dtype: Any, scratch: Scratch, notes: list[str]) -> Any:
    """Read the pixels of the image: as float32 if that holds all of them exactly, otherwise as float64."""
    path, shape = description.path, description.shape
    check_image(hdu, description)
    whole = storage_of(hdu).whole
    image: Any = None
    lost = 0
    for part, pixels in _pixels(hdu, f"the image {description.name!r}", path):
        if image is None:
            # Whole numbers stay float32 until one of them is too large.
            wide = np.dtype(dtype) == np.float64 if dtype is not None else pixels.dtype.itemsize == 8 and not whole
            image = scratch.empty(shape, np.float64 if wide else np.float32)
        if dtype is None and whole and image.dtype == np.float32 and too_large_for_float32(pixels):
            before, image = image, scratch.empty(shape, np.float64)
            for rows in row_bands(part.start, shape[1]):
                image[rows] = before[rows]
        if isinstance(image, np.ndarray) and image.dtype.itemsize == 4 and _is_of(pixels, "f", 4):
            _core.copy_pixels(pixels, image[part])
        else:
            with np.errstate(over="ignore", under="ignore"):
                image[part] = pixels
        if dtype is not None and image.dtype == np.float32 and pixels.dtype.itemsize == 8:
            band = image[part]
            lost += int(np.count_nonzero(np.isinf(band) & np.isfinite(pixels)))
            lost += int(np.count_nonzero((band == 0) & (pixels != 0)))
    if lost:
        notes.append(f"{lost} pixels are beyond the range of float32, and became infinite or 0; float64 holds them")
    return image


def _is_of(pixels: np.ndarray, kinds: str, size: int) -> bool:
    """Return whether pixels are of one of some kinds of types, and have a number of bytes; in any byte order."""
    return pixels.dtype.kind in kinds and pixels.dtype.itemsize == size


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


def high_bad_bits(description: MaskDescription) -> int:
    """Return the bits beyond the 32nd whose pixels do not count."""
    any_bit = description.bad & _ALL_BITS == _ALL_BITS
    return _ALL_BITS << 32 if any_bit else description.bad & (_ALL_BITS << 32)


def _no_mask(shape: tuple[int, int], scratch: Scratch) -> _Mask:
    return _Mask(scratch.zeros(shape, np.int32), None, 0, 0)


def _read_mask(
    hdu: Any, description: MaskDescription, image: ImageDescription, scratch: Scratch, notes: list[str]
) -> _Mask:
    path, name, shape = description.path, description.name, image.shape
    planes = None if description.planes is None else checked_planes(description.planes)
    byte_axis = check_mask(hdu, description, shape)
    storage = storage_of(hdu)
    out = scratch.empty(shape, np.int32)
    high_bad = np.uint64(high_bad_bits(description))
    mask = _Mask(out, planes, description.bad & _ALL_BITS, 0)
    for part, data in _bands(hdu, path, None if byte_axis is None else int(byte_axis == 0)):
        if byte_axis is None and isinstance(out, np.ndarray) and _is_of(data, "i", 4):
            mask.used |= _core.copy_masks(data, out[part]) & _ALL_BITS
            continue
        if byte_axis is None:
            bits, unknown = unsigned_bits(data, storage, name, path)
        else:
            bits, unknown = bits_of_bytes(data, byte_axis), None
        if unknown is not None:
            mask.unknown = scratch.zeros(shape, bool) if mask.unknown is None else mask.unknown
            mask.unknown[part] = unknown
        mask.used |= int(np.bitwise_or.reduce(bits, axis=None))
        out[part] = bits.astype(np.uint32, copy=False).view(np.int32)
    high = mask.used >> 32
    mask.used &= _ALL_BITS
    if high:
        ignored = high & ~(int(high_bad) >> 32)
        if high & int(high_bad) >> 32:
            _move_high_bits(hdu, storage, description, byte_axis, high_bad, mask, notes)
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
    mask = _read_mask(hdu, description, image, scratch, [])
    if mask.unknown is not None:
        raise FitsError(
            f"{description.path}: {_count(mask.unknown)} pixels of the mask {description.name} are NaN; "
            "whole numbers are needed"
        )
    return mask.bits, mask.planes


def _move_high_bits(
    hdu: Any,
    storage: Storage,
    description: MaskDescription,
    byte_axis: int | None,
    wanted: np.uint64,
    mask: _Mask,
    notes: list[str],
) -> None:
    """Set a free bit where the mask has a bad bit beyond the 32nd; all bad bits if no bit is free."""
    bit = free_bit(mask.used, mask.planes)
    new = np.uint32(mask.bad if bit is None else bit).view(np.int32)
    for part, data in _bands(hdu, description.path, None if byte_axis is None else int(byte_axis == 0)):
        if byte_axis is None:
            bits, _ = unsigned_bits(data, storage, description.name, description.path)
        else:
            bits = bits_of_bytes(data, byte_axis)
        band = mask.bits[part]
        band[bits & wanted != 0] |= new
        stored(mask.bits, part, band)
    if bit is not None:
        mask.used |= bit
        mask.bad |= bit
    notes.append(
        f"the mask {description.name} has bits beyond the 32nd, which is the last that a plane can have: "
        f"their pixels get the bit of value {mask.bad if bit is None else bit}"
    )


def _mark_masked(hdu: Any, description: MaskDescription, image: Any, shape: tuple[int, int]) -> bool:
    """Replace the pixels of an image whose bits reject them by NaN, while the mask is read.

    Returns
    -------
    bool
        False if the mask is not one of plain whole numbers of at most 32 bits, and is to be read in another way.
    """
    if check_mask(hdu, description, shape) is not None:
        return False
    storage, bad = storage_of(hdu), np.uint32(description.bad & _ALL_BITS).view(np.int32)
    for part, data in _bands(hdu, description.path):
        if data.dtype.kind not in "iub" or data.dtype.itemsize > 4:
            return False
        if _is_of(data, "i", 4):
            bits = data
        else:
            bits = unsigned_bits(data, storage, description.name, description.path)[0]
            bits = bits.astype(np.uint32, copy=False).view(np.int32)
        _core.mark_bad(image[part], bits, bad)
    return True


def _marked(image: Any, mask: _Mask, reject: int) -> None:
    """Replace the pixels of an image by NaN that a mask rejects, or that never count."""
    bad = np.uint32((mask.bad & _ALL_BITS) | reject).view(np.int32)
    for rows in row_bands(*mask.bits.shape):
        _core.mark_bad(image[rows], mask.bits[rows], bad)


def _count(flags: np.ndarray) -> int:
    """Return the number of pixels of a plane that are true."""
    return sum(int(np.count_nonzero(flags[rows])) for rows in row_bands(*flags.shape))


# ---- errors ----


def _read_errors(
    hdu: Any,
    description: VarianceDescription,
    shape: tuple[int, int],
    scratch: Scratch,
    notes: list[str],
    *,
    wanted: bool = True,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Read a plane of errors.

    Returns
    -------
    variances : ndarray of float32 or None
        None if the scale of the errors is unknown or cannot be held, or if variances are not wanted.
    rejected : ndarray of bool or None
        Pixels without a positive finite value; None if there are none, or nothing but such pixels.
    """
    path, name, sense = description.path, description.name, description.sense
    check_errors(hdu, description, shape)
    held = sense != "weight"
    key = FACTS.key(hdu, ("all errors are good", sense))
    if not (held and wanted) and FACTS.get(key):
        return None, None
    out = scratch.empty(shape, np.float32) if held and wanted else None
    rejected = scratch.zeros(shape, bool)
    known, count = VarianceRange(), 0
    for part, data in _pixels(hdu, name, path):
        if out is None and known.add_if_good(data, sense):
            continue
        values, lost = _variances(data, sense, known)
        if out is not None:
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                out[part] = values
        if lost.any():
            rejected[part] = lost
            count += int(np.count_nonzero(lost))
    what = "weight" if sense in ("weight", "inverse variance") else "variance"
    if known.count == 0:
        notes.append(f"{name} has no pixel with a positive, finite {what}: ignored")
        return None, None
    if held and (known.below or 2 * known.above > known.count):
        notes.append(
            f"variances from {known.least:.3g} to {known.greatest:.3g} in {name} cannot be held in single precision: "
            "not used; errors come from the scatter of the pixels"
        )
        out, count = None, 0
        for part, data in _pixels(hdu, name, path):
            rejected[part] = lost = ~variances_of(data, sense)[1]
            count += int(np.count_nonzero(lost))
    elif held and known.above:
        notes.append(
            f"{known.above} pixels of {name} have a variance above {FLOAT32.max:.3g}, the greatest of single "
            "precision: they do not count"
        )
    if known.count == rejected.size and not (known.below or known.above):
        FACTS.keep(key, True)
    if 2 * count > rejected.size:
        notes.append(f"{count} of {rejected.size} pixels have no positive, finite {what} in {name}: they do not count")
    return out, rejected if count else None


def _variances(data: np.ndarray, sense: str, known: VarianceRange) -> tuple[np.ndarray, np.ndarray]:
    """Return variances, or weights, and which pixels have none that float32 holds; add them to `known`."""
    if data.dtype.kind == "f" and data.dtype.itemsize == 4 and sense != "weight":
        single = data.astype(np.float32)
        if (lost := single_variances(single, sense)) is not None:
            known.add(single, np.logical_not(lost))
            return single, lost
    values, good = variances_of(data, sense)
    known.add(values, good)
    if values.dtype == np.float64 and sense != "weight":
        good &= values <= FLOAT32.max
    return values, ~good


def _reject(mask: _Mask, rejected: np.ndarray | None, has_mask: bool, notes: list[str]) -> int:
    """Mark pixels that never count with a bit of the mask; return the bit, 0 if there are no such pixels."""
    if mask.unknown is not None:
        notes.append(f"{_count(mask.unknown)} pixels of the mask are not numbers: they do not count")
        if rejected is None:
            rejected = mask.unknown
        else:
            for rows in row_bands(*mask.bits.shape):
                rejected[rows] |= mask.unknown[rows]
    if rejected is None:
        return 0
    chosen = reject_bit(mask.planes, mask.bad, mask.used, has_mask=has_mask)
    if chosen.new_plane is not None and mask.planes is not None:
        mask.planes[chosen.new_plane] = chosen.bits.bit_length() - 1
    bits = chosen.bits
    new = np.uint32(bits).view(np.int32)
    for rows in row_bands(*mask.bits.shape):
        band = mask.bits[rows]
        band[rejected[rows]] |= new
        stored(mask.bits, rows, band)
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
    max_unpacked: int | None,
) -> Selection:
    """Return the choices of a user as one object."""
    given = {"mask": mask, "variance": variance, "weight": weight, "hdu": hdu, "max_unpacked": max_unpacked}
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
    max_unpacked: int | None = None,
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
    max_unpacked : int, optional
        Number of bytes to which a compressed file may be unpacked; see `evensky.fits.budgets`.

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
    chosen = _selection(selection, mask, variance, weight, hdu, bad_planes, good_bits, max_unpacked)
    file, chosen = _place(path, chosen)
    with opened_headers(file, chosen.max_unpacked) as hdus:
        described = describe_hdus(hdus, file, chosen)
        planes = _read(hdus, described.images[0], dtype, Scratch(scratch), header=True)
    planes.assumptions[:0] = [*described.notes, *_several(described)]
    return planes


def name_by_value(planes: FitsPlanes) -> dict[str, int]:
    """Name the bits of a mask that names none by their values, and mark the pixels that do not count as BAD in it."""
    used = 0
    for rows in row_bands(*planes.mask.shape):
        used |= int(np.bitwise_or.reduce(planes.mask[rows], axis=None)) & _ALL_BITS
    names, marked = names_by_value(used)
    if marked:
        bad, plane = (np.uint32(bits).view(np.int32) for bits in ((planes.bad or 0) | planes.reject, marked))
        for rows in row_bands(*planes.mask.shape):
            part = planes.mask[rows]
            part[part & bad != 0] |= plane
            stored(planes.mask, rows, part)
    return names


def _several(described: FileDescription) -> list[str]:
    if len(described.images) < 2:
        return []
    first, second = described.images[:2]
    return [
        f"{first.name} was read, the first of {len(described.images)} science images: "
        f'hdu="{second.name}" (--hdu {second.name}) chooses another'
    ]


def read_described(
    description: ImageDescription,
    *,
    dtype: Any = None,
    scratch: str | Path | Scratch | None = None,
    header: bool = True,
    variances: bool = True,
    only_good: bool = False,
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
    variances : bool, optional
        Whether variances are wanted; if not, only the pixels that have none are marked, as always.
    only_good : bool, optional
        Replace the pixels that do not count by NaN in the image, and return a mask of 0 that takes no memory. Variances
        are then not wanted, and pixels are kept in memory.

    Returns
    -------
    FitsPlanes

    Raises
    ------
    evensky.errors.FitsError
        If a file is missing, broken, or not as described; the message is one line that starts with its path.
    """
    with opened_headers(description.path, description.max_unpacked, plain=not header, singly=True) as hdus:
        place = Scratch(scratch)
        return _read(hdus, description, dtype, place, header=header, wanted=variances, only_good=only_good)


def read_errors(errors: VarianceDescription) -> Iterator[tuple[slice, np.ndarray]]:
    """Read a plane of errors as a file has it, in its own sense, in bands of rows.

    Parameters
    ----------
    errors : VarianceDescription

    Yields
    ------
    (slice, ndarray)
        Rows, and their errors as real numbers.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be read.
    """
    with opened_headers(errors.path, errors.max_unpacked, plain=True, singly=True) as hdus:
        check_tiles(hdus[errors.hdu], errors.path)
        for rows, stored_errors in _pixels(hdus[errors.hdu], errors.name, errors.path):
            yield rows, stored_errors.astype(np.float64)


@contextmanager
def plane_hdu(hdus: Any, plane: PlaneDescription, image: Path, *, plain: bool = False) -> Iterator[Any]:
    """Open the HDU of a plane, in the file of the image or in another; see `opened_headers`."""
    if plane.path == image:
        yield hdu_at(hdus, plane.hdu, plane.path)
        return
    with opened_headers(plane.path, plane.max_unpacked, plain=plain, singly=True) as others:
        yield hdu_at(others, plane.hdu, plane.path)


def hdu_at(hdus: Any, index: int, path: Path) -> Any:
    if not 0 <= index < len(hdus):
        raise FitsError(f"{path}: has {len(hdus)} HDUs, but HDU {index} is needed; was the file changed?")
    hdu = hdus[index]
    if not getattr(hdu, "is_image", False):
        raise FitsError(f"{path}: HDU {index} is not an image; was the file changed?")
    return hdu


def _read(
    hdus: Any,
    description: ImageDescription,
    dtype: Any,
    scratch: Scratch,
    *,
    header: bool,
    wanted: bool = True,
    only_good: bool = False,
) -> FitsPlanes:
    """Read the planes of an image; see `read_described`, where `wanted` is `variances`."""
    path, shape = description.path, description.shape
    hdu = hdu_at(hdus, description.hdu, path)
    # The description holds what was mended in the header of the image.
    notes = [*wrong_sums(hdu), *description.notes]
    image = _read_image(hdu, description, dtype, scratch, notes)
    mask: _Mask | None = None
    if description.mask is not None:
        with plane_hdu(hdus, description.mask, path, plain=not header) as found:
            notes += [*mended(found), *wrong_sums(found)]
            if not (only_good and _mark_masked(found, description.mask, image, shape)):
                mask = _read_mask(found, description.mask, description, scratch, notes)
    variances, rejected = None, None
    if description.variance is not None:
        with plane_hdu(hdus, description.variance, path, plain=not header) as found:
            notes += [*mended(found), *wrong_sums(found)]
            wanted = wanted and not only_good
            variances, rejected = _read_errors(found, description.variance, shape, scratch, notes, wanted=wanted)
    reject, has_variance = 0, variances is not None
    if not only_good or mask is not None or rejected is not None:
        mask = _no_mask(shape, scratch) if mask is None else mask
        reject = _reject(mask, rejected, description.mask is not None, notes)
    if only_good:
        if mask is not None:
            _marked(image, mask, reject)
        # A row stands for all.
        mask, reject = _Mask(np.broadcast_to(np.zeros(shape[1], np.int32), shape), {}, 0, 0), 0
        variances = np.broadcast_to(np.zeros(shape[1], np.float32), shape)
    elif variances is None:
        variances = scratch.zeros(shape, np.float32)
    x0, y0 = description.origin or (0, 0)
    cards, wcs = None, None
    if header:
        with quiet():
            cards = merged_header(hdus, hdu)
        wcs = wcs_of(cards, hdus)
    assert mask is not None
    return FitsPlanes(
        image,
        mask.bits,
        variances,
        mask.planes,
        x0=x0,
        y0=y0,
        header=cards,
        wcs=wcs,
        has_variance=has_variance,
        assumptions=notes,
        path=path,
        scratch=scratch.folder,
        bad=mask.bad,
        reject=reject,
        unit=description.unit,
        description=description,
    )
