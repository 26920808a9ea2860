"""Reading of the planes of an exposure in FITS files: LSST's layout, or any image with its mask and variance."""

from __future__ import annotations

__all__ = ["FitsPlanes", "read_described", "read_planes"]

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .._bands import row_bands
from .._checks import names_of
from .._planes import DEFAULT_PLANES, MAX_PLANES
from ..errors import FitsError
from .contents import describe_hdus
from .descriptions import ImageDescription, MaskDescription, PlaneDescription, Selection, Sense
from .headers import merged_header, wcs_of
from .opening import check_tiles, opened_headers, quiet, wrong_sums
from .scratch import Scratch


@dataclass
class FitsPlanes:
    """The planes of an exposure as plain arrays, with their description in a FITS file.

    Attributes
    ----------
    image : ndarray, shape (height, width)
        float32 or float64 if it was read from a file; BLANK pixels are NaN.
    mask : ndarray of int32, shape (height, width)
        All 0 if the file has no mask.
    variance : ndarray of float32, shape (height, width)
        All 0 if the file has no variance.
    mask_planes : mapping of str to int or None
        Numbers of the mask's planes; None, for the default planes, if the file names none.
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
        Bits whose pixels do not count by default; None if the names of the planes decide.
    reject : int
        Bits whose pixels never count, as they have no positive finite variance or weight.
    unit : str
        Unit of the image; "" if it is not known.
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


def _axes(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the axes of rows and columns; the others have length 1."""
    long = [axis for axis, size in enumerate(shape) if size != 1]
    return (long[0], long[1]) if len(long) == 2 else (len(shape) - 2, len(shape) - 1)


def _bands(hdu: Any) -> Iterator[tuple[slice, np.ndarray]]:
    """Iterate over the pixels of an image in bands of rows; a small image is one band."""
    rows_axis, columns_axis = _axes(hdu.shape)
    height, width = hdu.shape[rows_axis], hdu.shape[columns_axis]
    bands = list(row_bands(height, width))
    for rows in bands:
        index: list[Any] = [0] * len(hdu.shape)
        index[rows_axis], index[columns_axis] = rows, slice(None)
        if len(bands) == 1:
            yield rows, np.asarray(hdu.data)[tuple(index)]
        else:
            yield rows, np.asarray(hdu.section[tuple(index)])


def _pixels(hdu: Any, path: str | Path) -> Iterator[tuple[slice, np.ndarray]]:
    """Iterate over the pixels of an image in bands of rows, with NaN for BLANK."""
    _check_scale(hdu, path)
    blank, zero = hdu.header.get("BLANK"), hdu.header.get("BZERO", 0)
    for part, data in _bands(hdu):
        if data.dtype.kind in "iu" and zero and isinstance(blank, int):
            # Unsigned pixels, and BLANK, are stored as signed numbers with an offset; astropy then ignores BLANK.
            wide = np.float32 if data.dtype.itemsize <= 2 else np.float64
            yield part, np.where(data == int(blank) + int(zero), wide(np.nan), data.astype(wide))
        else:
            yield part, data


def _check_scale(hdu: Any, path: str | Path) -> None:
    """Raise FitsError if BSCALE makes all pixels equal, or is not a finite number."""
    scale = hdu.header.get("BSCALE", 1.0)
    if isinstance(scale, str) or not np.isfinite(scale) or scale == 0:
        raise FitsError(f"{path}: BSCALE = {scale!r}; it must be a finite number other than 0")


def _read_image(hdu: Any, shape: tuple[int, int], path: Path, dtype: Any, space: Scratch) -> np.ndarray:
    """Read the pixels of an image in the type that holds them."""
    image: np.ndarray | None = None
    for part, pixels in _pixels(hdu, path):
        if pixels.dtype.kind not in "iuf":
            raise FitsError(f"{path}: the image has pixels of type {pixels.dtype}; real numbers are needed")
        if image is None:
            image = space.zeros(shape, _type_of(hdu, pixels.dtype, path) if dtype is None else np.dtype(dtype))
        with np.errstate(over="ignore"):  # the caller may ask for float32
            image[part] = pixels
    assert image is not None  # there is at least one row
    return image


def _type_of(hdu: Any, read: np.dtype[Any], path: Path) -> Any:
    """Return float32 if it holds every pixel of a file exactly, or the pixels are scaled integers; else float64."""
    if read.kind == "f" and hdu.header.get("BITPIX", -32) < 0:
        return np.float64 if read.itemsize > 4 else np.float32
    if read.itemsize <= 2 or read == np.float32:
        return np.float32
    for _, pixels in _pixels(hdu, path):
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.array_equal(pixels.astype(np.float32), pixels, equal_nan=pixels.dtype.kind == "f"):
                return np.float64
    return np.float32


# ---- masks ----


def _bits_of_bytes(data: np.ndarray, axis: int, path: Path) -> np.ndarray:
    """Combine bytes of planes, which follow each other along `axis`, into whole numbers."""
    if np.take(data, range(4, data.shape[axis]), axis).any():
        raise FitsError(f"{path}: the mask has bits in {8 * data.shape[axis]} planes; at most 32 are allowed")
    bits = np.zeros(np.take(data, 0, axis).shape, np.int64)
    for k in range(min(data.shape[axis], 4)):
        bits |= np.take(data, k, axis).astype(np.int64) << (8 * k)
    return bits


def _whole(data: np.ndarray, path: Path) -> np.ndarray:
    """Return the pixels of a mask as patterns of bits."""
    if data.dtype.kind == "f":
        whole = np.where(np.isnan(data), -1, data)  # an unknown flag is bad
        if not (np.isfinite(whole) & (whole == np.trunc(whole)) & (np.abs(whole) < 2**63)).all():
            raise FitsError(f"{path}: the mask has pixels of type {data.dtype}; whole numbers are needed")
        return whole.astype(np.int64)
    if data.dtype.kind not in "biu":
        raise FitsError(f"{path}: the mask has pixels of type {data.dtype}; whole numbers are needed")
    return (
        data
        if data.dtype.kind == "b"
        else data.view(f"u{data.dtype.itemsize}")
        if data.dtype.isnative
        else _whole(data.astype(data.dtype.newbyteorder("=")), path)
    )


def _read_mask(
    hdu: Any, mask: MaskDescription, shape: tuple[int, int], notes: list[str], space: Scratch
) -> tuple[np.ndarray, dict[str, int] | None, int]:
    """Return the bits of a mask, the numbers of its planes, and the bits whose pixels do not count."""
    out = space.zeros(shape, np.int32)
    cube = len(hdu.shape) == 3 and mask.planes is not None and 1 not in hdu.shape
    # The axis of the bytes of planes is the first or the last.
    axis = 0 if cube and hdu.shape[1:] == shape else 2
    _check_scale(hdu, mask.path)
    used = 0
    bands = [(slice(0, shape[0]), _bits_of_bytes(np.asarray(hdu.data), axis, mask.path))] if cube else _bands(hdu)
    beyond = False
    for part, data in bands:
        bits = _whole(data, mask.path)
        if bits.dtype.itemsize == 8:
            high = bits.astype(np.int64) >> 32
            if (other := ~np.isin(high, (0, -1))).any():
                if mask.planes is not None:
                    raise FitsError(
                        f"{mask.path}: the mask has bits beyond the 32nd, which is the last that a plane can have"
                    )
                beyond = True
                bits = np.where(other, np.int64(0xFFFFFFFF), bits.astype(np.int64))
        low = bits.astype(np.int64).astype(np.uint32)
        if mask.planes is None:
            low = ((low & np.uint32(mask.bad)) != 0).astype(np.uint32)
        used |= int(np.bitwise_or.reduce(low, axis=None))
        out[part] = low.view(np.int32)
    if beyond:
        notes.append("the mask has bits beyond the 32nd: pixels with any of them do not count")
    if mask.planes is None:
        return out, None, DEFAULT_PLANES["BAD"] + 1
    planes = dict(mask.planes)
    # Scripts that name the usual bad planes find one, whatever names the layout has.
    if "BAD" not in planes and (bit := _free_bit(used, planes)) is not None:
        planes["BAD"] = bit
        for rows in row_bands(*shape):
            out[rows] |= np.where((out[rows].view(np.uint32) & np.uint32(mask.bad)) != 0, np.int32(_signed(bit)), 0)
    return out, planes, mask.bad


def _signed(bit: int) -> int:
    """Return the pixel of an int32 mask in which only a bit is set."""
    return (1 << bit) - (1 << 32 if bit == MAX_PLANES - 1 else 0)


def _free_bit(used: int, planes: Mapping[str, int]) -> int | None:
    """Return the highest bit that no plane and no pixel has; None if there is none."""
    free = [bit for bit in range(MAX_PLANES) if not used >> bit & 1 and bit not in planes.values()]
    return free[-1] if free else None


# ---- errors ----

_SMALLEST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def _variance_of(data: np.ndarray, sense: Sense) -> tuple[np.ndarray, np.ndarray]:
    """Return variances as float64, and where there is a pixel."""
    values = np.asarray(data, dtype=np.float64)
    good = np.isfinite(values) & (values > 0)
    if sense == "variance" or sense == "weight":
        return values, good
    variances = np.full(values.shape, np.nan)
    with np.errstate(over="ignore", divide="ignore"):
        variances[good] = np.square(values[good]) if sense == "sigma" else 1.0 / values[good]
    return variances, good


def _read_errors(
    hdu: Any, sense: Sense, name: str, shape: tuple[int, int], path: Path, notes: list[str], space: Scratch
) -> tuple[np.ndarray, bool, np.ndarray | None]:
    """Return variances, whether they can be used, and where there is no pixel; None if there is one everywhere."""
    out = space.zeros(shape, np.float32)
    missing = np.zeros(shape, bool)
    low, high, known = np.inf, 0.0, False
    for part, data in _pixels(hdu, path):
        if data.dtype.kind not in "iuf":
            raise FitsError(f"{path}: {name} has pixels of type {data.dtype}; real numbers are needed")
        variances, good = _variance_of(data, sense)
        missing[part] = ~good
        if good.any():
            known = True
            low, high = min(low, float(variances[good].min())), max(high, float(variances[good].max()))
        with np.errstate(over="ignore", under="ignore"):
            out[part] = variances
    if not known:
        notes.append(f"{name} has no positive value and is ignored: errors come from the scatter of the pixels")
        out[...] = 0
        return out, False, None
    usable = sense != "weight"
    if usable and not (low >= _SMALLEST and high <= _LARGEST):
        notes.append(
            f"variances of {name} from {low:.4g} to {high:.4g} cannot be held in single precision and are not used: "
            "errors come from the scatter of the pixels"
        )
        usable = False
    if not usable:
        out[...] = 0
    return out, usable, missing if missing.any() else None


# ---- all planes ----


def read_described(
    image: ImageDescription, *, dtype: Any = None, scratch: str | Path | None = None, header: bool = True
) -> FitsPlanes:
    """Read one image of a file with its planes, as they are described.

    Parameters
    ----------
    image : ImageDescription
    dtype : numpy dtype, optional
        float32 or float64; by default float32 if that holds every pixel of the file exactly, otherwise float64.
    scratch : str or Path, optional
        Folder in which pixels are kept, in files without names, instead of in memory.
    header : bool, optional
        Read the header and the WCS, too.

    Returns
    -------
    FitsPlanes

    Raises
    ------
    evensky.errors.FitsError
        If a file is missing or broken; the message is one line that starts with the path.
    """
    with opened_headers(image.path) as hdus:
        return _read(hdus, image, dtype, scratch, header=header)


def _read(hdus: Any, image: ImageDescription, dtype: Any, scratch: str | Path | None, *, header: bool) -> FitsPlanes:
    space, path, notes = Scratch(scratch), image.path, list(image.notes)
    with ExitStack() as others:

        def of(plane: PlaneDescription) -> Any:
            file = hdus if plane.path == path else others.enter_context(opened_headers(plane.path))
            if plane.hdu >= len(file):
                raise FitsError(f"{plane.path}: has changed while it was used: there is no HDU {plane.hdu} any more")
            check_tiles(file[plane.hdu], plane.path)
            return file[plane.hdu]

        hdu = of(PlaneDescription(path, image.hdu, image.name))
        planes: dict[str, int] | None = None
        bad = 0
        mask_hdu = None if image.mask is None else of(image.mask)
        errors_hdu = None if image.variance is None else of(image.variance)
        notes += wrong_sums(hdu, mask_hdu, errors_hdu)
        pixels = _read_image(hdu, image.shape, path, dtype, space)
        if image.mask is None:
            bits = space.zeros(image.shape, np.int32)
        else:
            bits, planes, bad = _read_mask(mask_hdu, image.mask, image.shape, notes, space)
        variances, known, reject = None, False, 0
        if image.variance is not None:
            errors = image.variance
            variances, known, missing = _read_errors(
                errors_hdu, errors.sense, errors.name, image.shape, errors.path, notes, space
            )
            if missing is not None:
                planes, reject = _mark(bits, missing, planes, bad)
                share = missing.mean()
                if share > 0.5:
                    notes.append(f"{errors.name} leaves only {100 * (1 - share):.2g} % of the pixels")
        if variances is None:
            variances = space.zeros(image.shape, np.float32)
        cards = wcs = None
        if header:
            with quiet():
                cards = merged_header(hdus, hdu)
            wcs = wcs_of(cards)
    return FitsPlanes(
        pixels,
        bits,
        variances,
        planes,
        x0=0 if image.origin is None else image.origin[0],
        y0=0 if image.origin is None else image.origin[1],
        header=cards,
        wcs=wcs,
        has_variance=known,
        assumptions=notes,
        path=path,
        scratch=space.folder,
        bad=bad,
        reject=reject,
        unit=image.unit,
    )


def _mark(
    bits: np.ndarray, missing: np.ndarray, planes: dict[str, int] | None, bad: int
) -> tuple[dict[str, int] | None, int]:
    """Set the bit of NO_DATA in the mask where there is no pixel; return the planes and that bit."""
    names = dict(DEFAULT_PLANES) if planes is None else planes
    if "NO_DATA" not in names:
        used = int(np.bitwise_or.reduce(bits.view(np.uint32), axis=None))
        free = _free_bit(used, names)
        if free is None:  # all bits have a meaning: those of a bad pixel are set
            bits[missing] |= np.uint32(bad).astype(np.int32)
            return planes, bad
        names = {**names, "NO_DATA": free}
    bit = names["NO_DATA"]
    for rows in row_bands(*bits.shape):
        bits[rows][missing[rows]] |= np.int32(_signed(bit))
    return (planes if planes is None else names), 1 << bit


def _split(path: str | Path) -> tuple[Path, str | None]:
    """Split ``file.fits[SCI,2]`` into the file and the HDU, unless a file has this name."""
    found = re.fullmatch(r"(.+)\[([^\[\]]+)\]", str(path))
    if found is None or Path(path).exists():
        return Path(path), None
    return Path(found[1]), found[2]


def read_planes(
    path: str | Path,
    *,
    mask: str | Path | int | None = None,
    variance: str | Path | int | None = None,
    weight: str | Path | int | None = None,
    hdu: str | int | None = None,
    bad_planes: str | Iterable[str] | None = None,
    good_bits: str | Iterable[str] | None = None,
    dtype: Any = None,
    scratch: str | Path | None = None,
) -> FitsPlanes:
    """Read image, mask and variance from a FITS file.

    The layout of the file says which HDUs these are, see `evensky.fits.layouts`. Mask planes keep the numbers that the
    file gives them. Pixels without a positive finite variance or weight have the plane NO_DATA.

    Parameters
    ----------
    path : str or Path
        The file, or an image of it, as in ``file.fits[SCI,2]``; it is read wholly and closed.
    mask, variance, weight : str, Path or int, optional
        Location of these planes, if not the usual one: an HDU of the same file by name or number, or another file,
        ``file.fits`` or ``file.fits[EXT]``. "none" ignores the plane that the file has. Cards and the name of the HDU
        say whether `variance` holds variances, standard deviations or weights; `weight` holds inverse variances.
    hdu : str or int, optional
        The HDU of the image, if not the usual one: number, name, or name and version, as in "SCI,2".
    bad_planes, good_bits : str or iterable of str, optional
        Planes of the mask whose pixels do not count, and planes whose pixels count although the layout calls them bad:
        names, or values of flags, such as "4" or "4096+8192".
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
        For a plane that the mask does not have.
    """
    file, named = _split(path)
    selection = Selection(
        named if hdu is None else hdu,
        _location(mask),
        _location(variance),
        _location(weight),
        names_of(bad_planes, "bad_planes"),
        names_of(good_bits, "good_bits") or (),
    )
    with opened_headers(file) as hdus:
        images = describe_hdus(hdus, file, selection).images
        planes = _read(hdus, images[0], dtype, scratch, header=True)
    if len(images) > 1:
        others = ", ".join(image.name for image in images[1:6])
        planes.assumptions.append(
            f"{images[0].name} was read, the first of {len(images)} images; choose another with hdu: {others}"
            + (" ..." if len(images) > 6 else "")
        )
    return planes


def _location(spec: str | Path | int | None) -> str | int | None:
    return str(spec) if isinstance(spec, Path) else spec
