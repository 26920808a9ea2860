"""Files of any format: their description, their exposures, and outputs that differ from them in the sky alone."""

from __future__ import annotations

__all__ = ["bad_bits_of", "changed_errors", "describe", "errors_in_sense", "read_image", "rewrite_file"]

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._bands import row_bands
from .._planes import signed_bits
from ..fits.atomic import Permit
from ..fits.contents import describe_file
from ..fits.descriptions import FileDescription, ImageDescription, Selection, Sense, VarianceDescription
from ..fits.digests import FileState
from ..fits.planes import read_described, read_errors
from ..fits.rewriting import NewPlane, rewrite
from ..fits.scratch import Scratch, ScratchPlane
from ..image import Exposure
from ..image.exposure import exposure_from_planes
from .roman import ASDF_LAYOUT, describe_asdf, is_asdf, read_asdf, rewrite_asdf


def describe(
    path: Path,
    selection: Selection | None = None,
    look: Callable[[Any, FileDescription], object] | None = None,
    *,
    with_wcs: bool = True,
) -> FileDescription:
    """Describe a file from its headers.

    Parameters
    ----------
    path : Path
    selection : Selection, optional
        Choices of the user.
    look : callable, optional
        Called with the HDUs of a FITS file while it is open, and with its description.
    with_wcs : bool, optional
        Whether the WCS of the images are wanted.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing, broken or has no image.
    evensky.errors.NotFoundError
        For a mask plane that the file does not have.
    """
    selection = Selection() if selection is None else selection
    if is_asdf(path):
        return describe_asdf(path, selection)
    return describe_file(path, selection, look, with_wcs=with_wcs)


def read_image(
    image: ImageDescription,
    *,
    scratch: str | Path | Scratch | None = None,
    variances: bool = True,
    only_good: bool = False,
) -> Exposure:
    """Read a described image with its mask and variance, but without its header; its unit is in its metadata.

    Parameters
    ----------
    image : ImageDescription
    scratch : str, Path or Scratch, optional
        Folder in which pixels are kept instead of in memory.
    variances : bool, optional
        Whether variances are wanted. If not, they may be unknown, but the pixels that have none are marked as always.
    only_good : bool, optional
        Whether pixels that do not count may be NaN in the image of a FITS file, and its mask be 0 everywhere, which is
        read in less time. There may be no variances then.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be read.
    """
    if image.layout == ASDF_LAYOUT:
        exposure = exposure_from_planes(read_asdf(image, scratch=scratch))
    else:
        planes = read_described(image, scratch=scratch, header=False, variances=variances, only_good=only_good)
        exposure = exposure_from_planes(planes)
    if image.unit:
        exposure.info.set_values({"BUNIT": image.unit})
    return exposure


def bad_bits_of(exposure: Exposure) -> int:
    """Return the bits that reject a pixel of an exposure from a file, as a number of 32 bits with a sign."""
    return signed_bits((exposure.info.bad or 0) | exposure.info.reject)


def rewrite_file(
    source: Path,
    target: Path,
    planes: Mapping[int, NewPlane],
    *,
    overwrite: bool = False,
    compress: bool = False,
    permit: Permit | None = None,
) -> FileState:
    """Write a copy of a file in which some images have new pixels.

    Parameters
    ----------
    source, target : Path
    planes : mapping of int to NewPlane
        New pixels by number of the HDU.
    overwrite : bool, optional
        Replace an existing file.
    compress : bool, optional
        Compress these images in tiles, without loss.
    permit : Permit, optional
        Right to write to the folder, see `evensky.fits.atomic.atomic_path`.

    Returns
    -------
    FileState
        Size and digest of the target, read before it got its name.

    Raises
    ------
    evensky.errors.FitsError
        If a file cannot be read or written; an existing target is then unchanged.
    """
    if not is_asdf(source):
        return rewrite(source, target, planes, overwrite=overwrite, compress=compress, permit=permit)
    image = planes[0]
    arrays = {number: _whole(plane.array) for number, plane in planes.items()}
    errors = next((array for number, array in arrays.items() if number), None)
    return rewrite_asdf(
        source,
        target,
        arrays[0],
        err=errors,
        history=image.history,
        provenance=image.cards,
        overwrite=overwrite,
        permit=permit,
    )


def _whole(plane: np.ndarray | ScratchPlane) -> np.ndarray:
    return plane.mapped() if isinstance(plane, ScratchPlane) else plane


def changed_errors(errors: VarianceDescription, variance: np.ndarray | ScratchPlane) -> np.ndarray | ScratchPlane:
    """Return new variances in the sense of the plane of a file; where that says that there is no pixel, it is kept.

    Parameters
    ----------
    errors : VarianceDescription
        The plane of the file.
    variance : ndarray or ScratchPlane of float32
        The new variances.

    Returns
    -------
    ndarray or ScratchPlane of float32
        On disk if `variance` is.
    """
    changed: np.ndarray | ScratchPlane = Scratch(getattr(variance, "scratch", None)).zeros(variance.shape, np.float32)
    if is_asdf(errors.path):
        for rows in row_bands(*variance.shape):
            changed[rows] = errors_in_sense(variance[rows], errors.sense)
        return changed
    for rows, stored in read_errors(errors):
        new = errors_in_sense(variance[rows], errors.sense)
        changed[rows] = np.where(np.isfinite(stored) & (stored > 0), new, stored)
    return changed


def errors_in_sense(variance: np.ndarray, sense: Sense) -> np.ndarray:
    """Return variances in the sense that a file has: as they are, as standard deviations, or as inverse variances.

    Parameters
    ----------
    variance : ndarray of float32
        NaN or 0 where there is no pixel.
    sense : {"variance", "sigma", "inverse variance"}

    Returns
    -------
    ndarray of float32
        Weights are 0 where there is no pixel.
    """
    if sense == "variance":
        return variance
    if sense == "sigma":
        sigma = np.zeros_like(variance)
        np.sqrt(variance, out=sigma, where=~(variance < 0))
        return sigma
    weights = np.zeros_like(variance)
    np.divide(1, variance, out=weights, where=np.isfinite(variance) & (variance > 0))
    return weights
