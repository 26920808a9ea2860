"""Files of any format: their description, their exposures, and outputs that differ from them in the sky alone."""

from __future__ import annotations

__all__ = ["bad_bits_of", "changed_errors", "describe", "errors_in_sense", "read_image", "rewrite_file"]

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .._planes import signed_bits
from ..fits.contents import describe_file
from ..fits.descriptions import FileDescription, ImageDescription, Selection, Sense, VarianceDescription
from ..fits.planes import read_described, read_errors
from ..fits.rewriting import NewPlane, rewrite
from ..image import Exposure
from ..image.exposure import exposure_from_planes
from .roman import describe_asdf, is_asdf, read_asdf, rewrite_asdf


def describe(path: Path, selection: Selection | None = None) -> FileDescription:
    """Describe a file from its headers.

    Parameters
    ----------
    path : Path
    selection : Selection, optional
        Choices of the user.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing, broken or has no image.
    evensky.errors.NotFoundError
        For a mask plane that the file does not have.
    """
    selection = Selection() if selection is None else selection
    return describe_asdf(path, selection) if is_asdf(path) else describe_file(path, selection)


def read_image(image: ImageDescription, *, scratch: str | Path | None = None) -> Exposure:
    """Read a described image with its mask and variance, but without its header; its unit is in its metadata.

    Parameters
    ----------
    image : ImageDescription
    scratch : str or Path, optional
        Folder in which pixels are kept instead of in memory.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be read.
    """
    if is_asdf(image.path):
        exposure = exposure_from_planes(read_asdf(image, scratch=scratch))
    else:
        exposure = exposure_from_planes(read_described(image, scratch=scratch, header=False))
    if image.unit:
        exposure.metadata["BUNIT"] = image.unit
    return exposure


def bad_bits_of(exposure: Exposure) -> int:
    """Return the bits that reject a pixel of an exposure from a file, as a number of 32 bits with a sign."""
    return signed_bits((exposure.info.bad or 0) | exposure.info.reject)


def rewrite_file(
    source: Path, target: Path, planes: Mapping[int, NewPlane], *, overwrite: bool = False, compress: bool = False
) -> None:
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

    Raises
    ------
    evensky.errors.FitsError
        If a file cannot be read or written; an existing target is then unchanged.
    """
    if not is_asdf(source):
        rewrite(source, target, planes, overwrite=overwrite, compress=compress)
        return
    image = planes[0]
    errors = next((plane.array for number, plane in planes.items() if number), None)
    rewrite_asdf(
        source, target, image.array, err=errors, history=image.history, provenance=image.cards, overwrite=overwrite
    )


def changed_errors(errors: VarianceDescription, variance: np.ndarray) -> np.ndarray:
    """Return new variances in the sense of the plane of a file; where that says that there is no pixel, it is kept.

    Parameters
    ----------
    errors : VarianceDescription
        The plane of the file.
    variance : ndarray of float32
        The new variances.

    Returns
    -------
    ndarray of float32
    """
    new = errors_in_sense(variance, errors.sense)
    if is_asdf(errors.path):
        return new
    stored = read_errors(errors, variance.shape)
    return np.where(np.isfinite(stored) & (stored > 0), new, stored).astype(np.float32)


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
