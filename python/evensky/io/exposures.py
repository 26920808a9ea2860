"""Read exposures from FITS files and write them: LSST's layout, and any image with mask and variance beside it."""

from __future__ import annotations

__all__ = ["read_exposure", "write_exposure", "write_image"]

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..fits.planes import read_planes
from ..fits.writing import write_image_plane, write_planes
from ..image import Exposure, Image, MaskedImage
from ..image.exposure import exposure_from_planes, planes_of_exposure


def read_exposure(
    path: str | Path,
    *,
    mask: str | Path | int | None = None,
    variance: str | Path | int | None = None,
    hdu: str | int | None = None,
    dtype: Any = None,
    scratch: str | Path | None = None,
) -> Exposure:
    """Read an exposure from a FITS file.

    LSST's layout (HDUs IMAGE, MASK, VARIANCE by EXTTYPE, by EXTNAME or by order), and any file that has a
    two-dimensional image. Mask planes keep the numbers that the file's own ``MP_`` cards give them.

    Parameters
    ----------
    path : str or Path
        The file; it is read wholly and closed.
    mask, variance : str, Path or int, optional
        Where these planes are if not in their usual place: an HDU of the same file by name or number, or another file,
        ``file.fits`` or ``file.fits[EXT]``. What is called WEIGHT, WHT or IVM is taken as 1 / variance, what is called
        ERR, SIGMA, RMS or UNCERT as its root.
    hdu : str or int, optional
        The HDU of the image if not the usual one.
    dtype : numpy dtype, optional
        float32 or float64; if left out, float32 where that holds every pixel of the file exactly, else float64.
    scratch : str or Path, optional
        A folder: pixels are kept there, in a file without a name, instead of in memory. For images that are larger than
        it; they are read by bands, unless the file is packed as a whole.

    Returns
    -------
    ExposureF or ExposureD
        BLANK pixels are NaN. ``metadata`` holds the cards that are about the exposure, ``wcs`` maps local array pixels
        (counted from 0) to the sky, ``assumptions`` says what had to be assumed. A plane that is nowhere is all 0.

    Raises
    ------
    evensky.errors.FitsError
        Where the file is missing, broken or has no image; one line that starts with the path.
    """
    return exposure_from_planes(read_planes(path, mask=mask, variance=variance, hdu=hdu, dtype=dtype, scratch=scratch))


def write_exposure(
    exposure: Exposure | MaskedImage,
    path: str | Path,
    *,
    overwrite: bool = False,
    compress: bool = False,
    history: Iterable[str] = (),
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write an exposure in LSST's layout: a primary header, then image, mask and variance.

    Parameters
    ----------
    exposure : Exposure or MaskedImage
        What to write. Cards of its metadata go to the primary header, its WCS to every plane.
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
        Where the file cannot be written, or exists and `overwrite` is false; an earlier file is then untouched.
    """
    planes = planes_of_exposure(Exposure(exposure) if isinstance(exposure, MaskedImage) else exposure)
    write_planes(planes, path, overwrite=overwrite, compress=compress, history=history, provenance=provenance)


def write_image(image: Image, path: str | Path, *, overwrite: bool = False, header: Any = None) -> None:
    """Write one image as a plain FITS file.

    Parameters
    ----------
    image : Image
        Its origin goes to LTV1 and LTV2.
    path : str or Path
        The file; it appears whole or not at all.
    overwrite : bool, optional
        Replace an existing file.
    header : astropy.io.fits.Header, optional
        Cards to keep; those that are about storage are left out.

    Raises
    ------
    evensky.errors.FitsError
        As `write_exposure`.
    """
    x0, y0 = image.getXY0()
    write_image_plane(image.array, path, x0=x0, y0=y0, overwrite=overwrite, header=header)
