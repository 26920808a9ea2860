"""Reading and writing of exposures in FITS files: LSST's layout, or any image with its mask and variance."""

from __future__ import annotations

__all__ = ["read_exposure", "write_exposure", "write_image"]

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .._checks import byte_limit
from ..fits.planes import read_planes
from ..fits.writing import write_image_plane, write_planes
from ..image import Exposure, Image, MaskedImage
from ..image.exposure import exposure_from_planes, planes_of_exposure


def read_exposure(
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
    max_unpacked: int | str | None = None,
) -> Exposure:
    """Read an exposure from a FITS file, in LSST's layout or another.

    The layout of the file says which HDUs are the image, its mask and its variance; `evensky.inspect_files` shows it.
    Mask planes keep the numbers that the file gives them. Pixels without a positive finite variance or weight have the
    plane NO_DATA.

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
        names, or values of flags, such as "4" or "4096+8192". ``info.bad`` of the result holds the bits.
    dtype : numpy dtype, optional
        float32 or float64; by default float32 if that holds every pixel of the file exactly, otherwise float64.
    scratch : str or Path, optional
        Folder in which pixels are kept, in files without names, instead of in memory. For images larger than memory,
        which are read in bands unless the file is compressed as a whole.
    max_unpacked : int or str, optional
        Number of bytes to which a compressed file may be unpacked. By default 256 MiB, or 1100 times the size of a file
        above 1 MiB, but no more than half of the memory for a file that is compressed as a whole.

    Returns
    -------
    ExposureF or ExposureD
        BLANK pixels are NaN. ``metadata`` holds the cards that describe the exposure, ``wcs`` maps local array pixels
        (counted from 0) to the sky, ``assumptions`` lists what was assumed to read the file. A missing plane is 0.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing, broken or has no image; the message is one line that starts with the path.
    """
    planes = read_planes(
        path,
        mask=mask,
        variance=variance,
        weight=weight,
        hdu=hdu,
        bad_planes=bad_planes,
        good_bits=good_bits,
        dtype=dtype,
        scratch=scratch,
        max_unpacked=byte_limit(max_unpacked, "max_unpacked"),
    )
    return exposure_from_planes(planes)


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
        The exposure to write. Cards of its metadata go to the primary header, its WCS to every plane.
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
        Cards to keep; those that describe storage are left out.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written, or exists and `overwrite` is false; an existing file is then unchanged.
    """
    x0, y0 = image.getXY0()
    write_image_plane(image.array, path, x0=x0, y0=y0, overwrite=overwrite, header=header)
