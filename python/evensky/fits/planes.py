"""Reading of the planes of an exposure in FITS files: LSST's layout, or any image with its mask and variance."""

from __future__ import annotations

__all__ = ["FitsPlanes", "plane_file", "read_planes"]

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .._bands import row_bands
from .._planes import DEFAULT_PLANES, checked_planes
from ..errors import FitsError
from .headers import merged_header, origin_of, wcs_of
from .opening import opened, quiet, wrong_sums
from .scratch import Scratch

_INVERSE = re.compile(r"(WEIGHT|WHT|WT|IVM|INVVAR|IVAR)", re.IGNORECASE)
_DEVIATION = re.compile(r"(ERR|SIGMA|RMS|STD|UNCERT)", re.IGNORECASE)


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


def _bands(hdu: Any, axis: int = 0) -> Iterator[tuple[slice, np.ndarray]]:
    """Iterate over the pixels of an HDU in bands of rows, which are along `axis`; a small HDU is one band."""
    height = hdu.shape[axis]
    bands = list(row_bands(height, math.prod(hdu.shape) // height))
    if len(bands) == 1:
        yield bands[0], np.asarray(hdu.data)
        return
    for rows in bands:
        yield rows, np.asarray(hdu.section[(*[slice(None)] * axis, rows)])


def _pixels(hdu: Any, path: str | Path, what: str) -> Iterator[tuple[slice, np.ndarray]]:
    _check_scale(hdu, path)
    if len(hdu.shape) != 2 or 0 in hdu.shape:
        shape = "no pixels" if 0 in hdu.shape or not hdu.shape else f"shape {hdu.shape}"
        raise FitsError(
            f"{path}: the {what} HDU {hdu.name or hdu._header.get('EXTNAME', '')!r} has {shape}; "
            "a two-dimensional image is needed"
        )
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


def _is_image(hdu: Any) -> bool:
    return bool(getattr(hdu, "is_image", False)) and hdu.header.get("NAXIS", 0) == 2


def _kind(hdu: Any) -> str:
    return str(hdu.header.get("EXTTYPE", hdu.name or "")).strip().upper()


def _find_planes(hdus: Any, path: str | Path, hdu: str | int | None) -> tuple[Any, Any, Any]:
    """Find the HDUs of image, mask and variance; None for a plane that the file does not have."""
    if hdu is not None:
        return _named(hdus, hdu, path), None, None
    images = [one for one in hdus if _is_image(one)]
    if not images:
        cubes = [one.header["NAXIS"] for one in hdus if getattr(one, "is_image", False) and one.header.get("NAXIS", 0)]
        found = f"its images have {cubes[0]} dimensions" if cubes else "there is no image in it"
        raise FitsError(f"{path}: {found}; a two-dimensional image is needed")
    by_kind = {_kind(one): one for one in reversed(images)}
    if "IMAGE" in by_kind:
        masks = by_kind.get("MASK")
        if masks is None:
            # The mask of lsst.images may be a cube of bytes.
            masks = next((one for one in hdus if getattr(one, "is_image", False) and _kind(one) == "MASK"), None)
        return by_kind["IMAGE"], masks, by_kind.get("VARIANCE")
    image = images[0]
    mask = by_kind.get("MASK")
    variance = by_kind.get("VARIANCE") or by_kind.get("UNCERT")
    if mask is None and len(images) > 1 and any(card.startswith("MP_") for card in images[1].header):
        # LSST's layout without the cards that name it: image, mask, variance in this order.
        mask = images[1]
        variance = images[2] if len(images) > 2 else None
    return image, mask, variance


def _named(hdus: Any, name: str | int, path: str | Path) -> Any:
    key: Any = int(name) if isinstance(name, int) or str(name).isdigit() else str(name)
    try:
        return hdus[key]
    except (KeyError, IndexError):
        names = ", ".join(f"{index} {one.name!r}" for index, one in enumerate(hdus))
        raise FitsError(f"{path}: has no HDU {name!r}; it has {names}") from None


def _split_extension(spec: str) -> tuple[str, str | None]:
    """Split ``file.fits[EXT]`` into ``file.fits`` and ``EXT``; the latter is None if there are no brackets."""
    match = re.fullmatch(r"(.+)\[([^\[\]]+)\]", spec)
    return (match[1], match[2]) if match else (spec, None)


def plane_file(spec: str | Path | int) -> Path | None:
    """Return the file from which `read_planes` reads a plane; None for an HDU of the exposure's own file."""
    file, extension = _split_extension(str(spec))
    if isinstance(spec, Path) or extension is not None or Path(file).exists() or "/" in file:
        return Path(file)
    return None


@contextmanager
def _plane_hdu(hdus: Any, spec: str | Path | int, path: str | Path) -> Iterator[tuple[Any, str]]:
    """Open the HDU of a plane, in the same file or another; yield it, and its name for messages."""
    file, extension = _split_extension(str(spec))
    if plane_file(spec) is not None:
        with opened(file) as others:
            if extension is not None:
                yield _named(others, extension, file), f"{file}[{extension}]"
            else:
                found = next((one for one in others if _is_image(one)), None)
                if found is None:
                    raise FitsError(f"{file}: there is no image in it")
                yield found, file
        return
    if not file.isdigit() and file not in hdus and Path(file).suffix:
        raise FitsError(f"{file}: there is no such file")
    yield _named(hdus, file, path), f"HDU {spec}"


def _mask_planes(header: Any, path: str | Path) -> dict[str, int]:
    """Read names and numbers of mask planes from a header of LSST's stack or of lsst.images."""
    planes = {card[3:]: header[card] for card in header if card.startswith("MP_")}
    for name, number in planes.items():
        if type(number) is not int:
            raise FitsError(f"{path}: MP_{name} = {number!r}; the number of a mask plane must be whole")
    return planes or {
        str(header[card]): int(header[f"MSKM{card[4:]}"]).bit_length() - 1
        for card in header
        if re.fullmatch(r"MSKN\d+", card) and f"MSKM{card[4:]}" in header
    }


def _bits_of_bytes(data: np.ndarray, axis: int, path: str | Path) -> np.ndarray:
    """Combine bytes of planes, which follow each other along `axis`, into whole numbers."""
    if np.take(data, range(4, data.shape[axis]), axis).any():
        raise FitsError(f"{path}: the mask has bits in {8 * data.shape[axis]} planes; at most 32 are allowed")
    bits = np.zeros(np.take(data, 0, axis).shape, np.int64)
    for k in range(min(data.shape[axis], 4)):
        bits |= np.take(data, k, axis).astype(np.int64) << (8 * k)
    return bits


def _read_mask(
    hdu: Any, shape: tuple[int, int], path: str | Path, assumptions: list[str], scratch: Scratch
) -> tuple[np.ndarray, Any]:
    planes = _mask_planes(hdu.header, path)
    cube = len(hdu.shape) == 3 and bool(planes)
    # The axis of the bytes of planes is the first or the last.
    byte_axis = 0 if cube and hdu.shape[1:] == shape else 2
    size = tuple(np.delete(hdu.shape, byte_axis)) if cube else hdu.shape
    if size != shape:
        raise FitsError(f"{path}: the mask has shape {hdu.shape or None} but the image has {shape}")
    named = bool(planes) or hdu.header.get("EXTTYPE", "") == "MASK"
    out = scratch.zeros(shape, np.int32)
    for part, data in _bands(hdu, 1 if cube and byte_axis == 0 else 0):
        bits = _bits_of_bytes(data, byte_axis, path) if cube else data
        if bits.dtype.kind not in "biu":
            raise FitsError(f"{path}: the mask has pixels of type {bits.dtype}; whole numbers are needed")
        if bits.dtype.itemsize == 8 and not np.isin(bits.astype(np.int64) >> 32, (0, -1)).all():
            raise FitsError(f"{path}: the mask has bits beyond the 32nd, which is the last that a plane can have")
        out[part] = bits.astype(np.int64).astype(np.uint32).view(np.int32) if named else bits != 0
    if not named:
        assumptions.append("the mask names no planes: every pixel that is not 0 in it counts as BAD")
        return out, None
    return out, planes or dict(DEFAULT_PLANES)


def _read_variance(
    hdu: Any, name: str, shape: tuple[int, int], path: str | Path, assumptions: list[str], scratch: Scratch
) -> np.ndarray:
    if hdu.shape != shape:
        raise FitsError(f"{path}: the variance has shape {hdu.shape or None} but the image has {shape}")
    if _kind(hdu) in ("MASK", "DQ") or any(card.startswith("MP_") for card in hdu.header):
        raise FitsError(f"{path}: {name} is a mask; the variance is needed, or its weights or standard deviations")
    utype = str(hdu.header.get("UTYPE", "")).lower()
    title = f"{hdu.name} {Path(name).name}"
    squared = "std" in utype or (not utype and bool(_DEVIATION.search(title)))
    inverse = not squared and ("invers" in utype or (not utype and bool(_INVERSE.search(title))))
    if squared:
        assumptions.append(f"{name} holds standard deviations: squared")
    elif inverse:
        assumptions.append(f"{name} holds weights: variance is 1 / weight, and not known where the weight is 0")
    out = scratch.zeros(shape, np.float32)
    for part, data in _bands(hdu):
        if squared:
            out[part] = np.square(data, dtype=np.float64)
        elif inverse:
            with np.errstate(divide="ignore", invalid="ignore"):
                out[part] = np.where(data > 0, 1.0 / np.asarray(data, dtype=np.float64), np.nan)
        else:
            out[part] = data
    return out


def read_planes(
    path: str | Path,
    *,
    mask: str | Path | int | None = None,
    variance: str | Path | int | None = None,
    hdu: str | int | None = None,
    dtype: Any = None,
    scratch: str | Path | None = None,
) -> FitsPlanes:
    """Read image, mask and variance from a FITS file.

    Files in LSST's layout are recognised by EXTTYPE, by EXTNAME or by the order of their HDUs; of any other file the
    first two-dimensional image is read. Mask planes keep the numbers that the file's own ``MP_`` cards give them.

    Parameters
    ----------
    path : str or Path
        The file; it is read wholly and closed.
    mask, variance : str, Path or int, optional
        Location of these planes, if not the usual one: an HDU of the same file by name or number, or another file,
        ``file.fits`` or ``file.fits[EXT]``. A plane named WEIGHT, WHT or IVM is read as 1 / variance, one named ERR,
        SIGMA, RMS or UNCERT as the square root of the variance.
    hdu : str or int, optional
        The HDU of the image, if not the usual one.
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
    """
    scratch_space = Scratch(scratch)
    with opened(path) as hdus:
        image_hdu, mask_hdu, variance_hdu = _find_planes(hdus, path, hdu)
        assumptions = wrong_sums(image_hdu, mask_hdu, variance_hdu)
        image, (x0, y0) = _read_image(image_hdu, path, dtype, scratch_space)
        shape = image.shape
        planes = None
        if mask is not None:
            with _plane_hdu(hdus, mask, path) as (found, name):
                bits, planes = _read_mask(found, shape, name, assumptions, scratch_space)
        elif mask_hdu is not None:
            bits, planes = _read_mask(mask_hdu, shape, path, assumptions, scratch_space)
        else:
            bits = scratch_space.zeros(shape, np.int32)
            assumptions.append("there is no mask: every finite pixel counts")
        known = True
        if variance is not None:
            with _plane_hdu(hdus, variance, path) as (found, name):
                variances = _read_variance(found, name, shape, path, assumptions, scratch_space)
        elif variance_hdu is not None:
            variances = _read_variance(variance_hdu, variance_hdu.name, shape, path, assumptions, scratch_space)
        else:
            known = False
            variances = scratch_space.zeros(shape, np.float32)
            assumptions.append("there is no variance: errors come from the scatter of the pixels")
        with quiet():
            header = merged_header(hdus, image_hdu)
        if planes is not None:
            planes = checked_planes(planes)
    return FitsPlanes(
        image,
        bits,
        variances,
        planes,
        x0=x0,
        y0=y0,
        header=header,
        wcs=wcs_of(header),
        has_variance=known,
        assumptions=assumptions,
        path=Path(path),
        scratch=scratch_space.folder,
    )


def _read_image(hdu: Any, path: str | Path, dtype: Any, scratch: Scratch) -> tuple[np.ndarray, tuple[int, int]]:
    """Read the pixels of the image and its origin."""
    image: np.ndarray | None = None
    for part, pixels in _pixels(hdu, path, "image"):
        if pixels.dtype.kind not in "iuf":
            raise FitsError(f"{path}: the image has pixels of type {pixels.dtype}; real numbers are needed")
        if image is None:
            if dtype is None:
                # float32 holds whole numbers up to 2**24 only.
                wide = pixels.dtype.itemsize == 8 or (pixels.dtype.kind in "iu" and pixels.dtype.itemsize > 2)
            else:
                wide = np.dtype(dtype) == np.float64
            image = scratch.zeros(hdu.shape, np.float64 if wide else np.float32)
        with np.errstate(over="ignore"):  # pixels beyond the range of float32 become infinite, and do not count
            image[part] = pixels
    assert image is not None  # there is at least one row
    return image, origin_of(hdu.header, path)
