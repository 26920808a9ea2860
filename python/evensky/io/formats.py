"""Files of any format: their description, their exposures, and outputs that differ from them in the sky alone."""

from __future__ import annotations

__all__ = ["bad_bits_of", "describe", "read_image", "rewrite_file"]

from collections.abc import Mapping
from pathlib import Path

from ..fits.contents import describe_file
from ..fits.descriptions import FileDescription, ImageDescription, Selection
from ..fits.planes import read_described
from ..fits.rewriting import NewPlane, rewrite
from ..image import Exposure
from ..image.exposure import exposure_from_planes


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
    return describe_file(path, Selection() if selection is None else selection)


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
    exposure = exposure_from_planes(read_described(image, scratch=scratch, header=False))
    if image.unit:
        exposure.metadata["BUNIT"] = image.unit
    return exposure


def bad_bits_of(exposure: Exposure) -> int:
    """Return the bits of the mask of an exposure from a file that reject a pixel, as a number of 32 bits with a sign."""
    bits = exposure.info.bad | exposure.info.reject
    return bits - 2**32 if bits >= 2**31 else bits


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
    rewrite(source, target, planes, overwrite=overwrite, compress=compress)
