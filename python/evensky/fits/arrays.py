"""FITS files of plain arrays, one in each extension."""

from __future__ import annotations

__all__ = ["read_arrays", "write_arrays"]

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import FitsError
from .atomic import Permit, atomic_path
from .opening import opened, wrong_sums


def write_arrays(
    arrays: Mapping[str, np.ndarray], path: str | Path, *, overwrite: bool = False, permit: Permit | None = None
) -> None:
    """Write arrays to a FITS file: each in an extension of its name, with a checksum.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays of a type that FITS has; names are in capitals. Empty arrays are allowed.
    path : str or Path
        The file; it appears whole or not at all.
    overwrite : bool, optional
        Replace an existing file.
    permit : Permit, optional
        Right to write to the folder, see `evensky.fits.atomic.atomic_path`.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written, or exists and `overwrite` is false.
    """
    from astropy.io import fits

    hdus = fits.HDUList([fits.PrimaryHDU()])
    for name, array in arrays.items():
        hdu = fits.ImageHDU(np.array(array) if array.size else None, name=name)
        # Without a time: the same arrays give the same bytes.
        hdu.add_datasum("data unit checksum")
        hdus.append(hdu)
    with atomic_path(path, overwrite=overwrite, permit=permit) as temporary, temporary.open("wb") as handle:
        hdus.writeto(handle)


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays of a file of `write_arrays`, in native byte order.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to ndarray
        Arrays that were empty have the type float64.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing or broken, or an array is not that which was written.
    """
    found = {}
    with opened(path) as hdus:
        for hdu in hdus[1:]:
            if wrong := wrong_sums(hdu):
                raise FitsError(f"{path}: {hdu.name} is damaged ({'; '.join(wrong)}); make the file again")
            array = np.zeros(0) if hdu.data is None else np.asarray(hdu.data)
            found[str(hdu.name)] = array.astype(array.dtype.newbyteorder("="))
    return found
