"""Writing of planes as FITS files: an exposure in LSST's layout, or one plain image."""

from __future__ import annotations

__all__ = ["name_planes", "stand_in", "with_cards", "write_hdus", "write_image_plane", "write_planes"]

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._bands import row_bands
from .._planes import DEFAULT_PLANES
from .atomic import atomic_path
from .headers import kept_cards, wcs_cards, without_wcs
from .planes import FitsPlanes
from .tile_times import clear_tile_times


def with_cards(hdu: Any, cards: Iterable[Any], kind: str, x0: int, y0: int) -> Any:
    """Add the cards of the WCS, of the plane's kind and of the pixel origin to an HDU."""
    taken = False  # whether the alternate WCS A, which has the pixel origin in LSST's files, maps to the sky
    for card in cards:
        hdu.header.append(card, end=True)
        taken = taken or card.keyword == "CTYPE1A"
    hdu.header["INHERIT"] = True
    hdu.header["EXTTYPE"] = kind
    hdu.header["LTV1"], hdu.header["LTV2"] = -x0, -y0
    for axis, origin in () if taken else ((1, x0), (2, y0)):
        hdu.header[f"CRPIX{axis}A"] = (1.0, "pixel origin: the first pixel")
        hdu.header[f"CRVAL{axis}A"] = (float(origin), "pixel origin: its position in the parent")
        hdu.header[f"CTYPE{axis}A"] = "LINEAR"
        hdu.header[f"CUNIT{axis}A"] = "PIXEL"
    return hdu


def write_hdus(hdus: Any, path: str | Path, overwrite: bool) -> None:
    """Write HDUs to a file that appears whole or not at all."""
    with atomic_path(path, overwrite=overwrite) as temporary:
        # Written to a handle, as astropy guesses the compression from a name, and this one ends in .tmp.
        with temporary.open("wb") as handle:
            hdus.writeto(handle, output_verify="silentfix")
        with temporary.open("r+b") as file:
            clear_tile_times(file)


def stand_in(array: np.ndarray) -> np.ndarray:
    """Return zeros of an array's size that take no memory; headers are made from them."""
    return np.broadcast_to(np.zeros((), array.dtype.newbyteorder(">")), array.shape)


def _write_by_bands(
    planes: Sequence[tuple[Any, np.ndarray | None]], path: str | Path, overwrite: bool, before: Path | None = None
) -> None:
    """Write HDUs that were made of stand-ins, with the pixels that they stand for, band by band.

    They follow those of the file `before`, if there is one. The file appears whole or not at all. astropy would need
    all pixels in memory at once, in the byte order of FITS.
    """
    from astropy.io import fits

    if before is None:
        hdus = fits.HDUList([hdu for hdu, _ in planes])
        hdus.verify("silentfix")
        hdus.update_extend()
    with atomic_path(path, overwrite=overwrite) as temporary, temporary.open("wb") as handle:
        if before is not None:
            with before.open("rb") as old:
                shutil.copyfileobj(old, handle)
        for hdu, array in planes:
            handle.write(hdu.header.tostring().encode("ascii"))
            if array is None:
                continue
            for rows in row_bands(*array.shape):
                band = array[rows]
                if band.dtype.kind == "u":  # FITS stores these as signed numbers, with an offset in the header
                    band = (band ^ np.array(1 << (8 * band.itemsize - 1), band.dtype)).view(f"i{band.itemsize}")
                handle.write(band.astype(band.dtype.newbyteorder(">"), order="C").tobytes())
            handle.write(bytes(-array.nbytes % 2880))


def write_planes(
    planes: FitsPlanes,
    path: str | Path,
    *,
    overwrite: bool = False,
    compress: bool = False,
    history: Iterable[str] = (),
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write planes in LSST's layout: a primary header, then image, mask and variance.

    Parameters
    ----------
    planes : FitsPlanes
        Cards of their header go to the primary header, their WCS to every plane.
    path : str or Path
        The file; it appears whole or not at all.
    overwrite : bool, optional
        Replace an existing file.
    compress : bool, optional
        Compress by tiles, without loss.
    history : iterable of str, optional
        Lines to add as HISTORY cards.
    provenance : mapping, optional
        Cards to add to the primary header: keyword to value, or to a pair of value and comment.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written, or exists and `overwrite` is false; an existing file is then unchanged.
    """
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    kept = kept_cards(planes.header)
    for card in without_wcs(kept):
        primary.header.append(card, end=True)
    for keyword, given in (provenance or {}).items():
        value, comment = given if isinstance(given, tuple) else (given, None)
        finite = not isinstance(value, float) or math.isfinite(value)
        primary.header[keyword] = (value if finite else None, comment)
    for line in history:
        primary.header.add_history(line)
    wcs = wcs_cards(kept, planes.wcs)

    def plane(array: np.ndarray, kind: str, algorithm: str) -> Any:
        if compress:
            # No quantisation, which would lose the last bits of the noise.
            made = fits.CompImageHDU(np.array(array), name=kind, compression_type=algorithm, quantize_level=0)
        else:
            made = fits.ImageHDU(stand_in(array), name=kind)
        return with_cards(made, wcs, kind, planes.x0, planes.y0)

    mask_hdu = plane(planes.mask, "MASK", "RICE_1")
    name_planes(mask_hdu.header, DEFAULT_PLANES if planes.mask_planes is None else planes.mask_planes)
    hdus = [primary, plane(planes.image, "IMAGE", "GZIP_2"), mask_hdu, plane(planes.variance, "VARIANCE", "GZIP_2")]
    if compress:
        write_hdus(fits.HDUList(hdus), path, overwrite)
    else:
        arrays = (None, planes.image, planes.mask, planes.variance)
        _write_by_bands(list(zip(hdus, arrays, strict=True)), path, overwrite)


def name_planes(header: Any, planes: Mapping[str, int]) -> None:
    """Add the cards that name the planes of a mask."""
    for name, bit in sorted(planes.items(), key=lambda item: item[1]):
        keyword = f"MP_{name}"
        header[keyword if len(keyword) <= 8 else f"HIERARCH {keyword}"] = bit


def write_image_plane(
    image: np.ndarray,
    path: str | Path,
    *,
    x0: int = 0,
    y0: int = 0,
    overwrite: bool = False,
    header: Any = None,
    mask_planes: Mapping[str, int] | None = None,
    append: bool = False,
) -> None:
    """Write one array as a plain FITS image.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Pixels of one of the types that images have.
    path : str or Path
        The file; it appears whole or not at all.
    x0, y0 : int, optional
        Pixel origin, which goes to LTV1 and LTV2.
    overwrite : bool, optional
        Replace an existing file.
    header : astropy.io.fits.Header, optional
        Cards to keep; those that describe storage are left out.
    mask_planes : mapping of str to int, optional
        Names and numbers of the planes of a mask, which is then marked as one.
    append : bool, optional
        Keep the HDUs of the file, if it exists, and add the image as the last one.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written, or exists and `overwrite` is false; an existing file is then unchanged.
    """
    from astropy.io import fits

    before = Path(path) if append and Path(path).exists() else None
    hdu = fits.PrimaryHDU(stand_in(image)) if before is None else fits.ImageHDU(stand_in(image))
    for card in kept_cards(header):
        hdu.header.append(card, end=True)
    if mask_planes is not None:
        hdu.header["EXTTYPE"] = "MASK"
        name_planes(hdu.header, mask_planes)
    hdu.header["LTV1"], hdu.header["LTV2"] = -x0, -y0
    _write_by_bands([(hdu, image)], path, overwrite, before)
