"""Descriptions of files: which HDU is the image, which are its mask and its variances, as plain data."""

from __future__ import annotations

__all__ = [
    "ALLOWED",
    "NO_MASK",
    "NO_VARIANCE",
    "AffineMap",
    "FileDescription",
    "ImageDescription",
    "MaskDescription",
    "PlaneDescription",
    "Role",
    "Section",
    "Selection",
    "Sense",
    "VarianceDescription",
    "is_fact",
]

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Sense = Literal["variance", "sigma", "inverse variance", "weight"]
"""Meaning of a plane of errors. The scale of a "weight" is unknown: only where it is not positive is used."""

Role = Literal["exposure", "weight map", "mask", "earlier output", "coadd"]
"""Purpose of a file. All but "exposure" are refused in a list of exposures."""

Section = tuple[int, int, int, int]
"""x0, y0, width and height of a part of an image in array pixels, which are counted from 0."""

AffineMap = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f of x' = a x + b y + c, y' = d x + e y + f."""


ALLOWED = {
    "maps": "weight maps and masks among the exposures",
    "outputs": "exposures that evensky has matched or combined before",
    "filters": "exposures in different filters",
    "units": "exposures in different units",
}
"""What is refused unless it is allowed, by the name that allows it."""

NO_MASK = "there is no mask: every finite pixel counts"
NO_VARIANCE = "there is no variance: errors come from the scatter of the pixels"
"""Notes on an image without these planes."""

ON_SKY = "the exposures are placed by their WCS on the sky"
"""Beginning of notes on exposures with different pixel grids."""

# Notes that say what is used, not that anything is doubtful.
_FACTS = re.compile(
    rf"{NO_MASK}|{NO_VARIANCE}|the mask names no planes: .*|.* holds (standard deviations|weights)\b.*|"
    ".* is ignored, as chosen: .*|the exposures are placed by their WCS: whole-pixel shifts .*|"
    rf"{ON_SKY}: .*"
)


def is_fact(note: str) -> bool:
    """Return whether a note only says what is used."""
    return _FACTS.fullmatch(note) is not None


@dataclass(frozen=True)
class Selection:
    """Choices of the user, which take precedence over what a file says of itself.

    Attributes
    ----------
    hdu : str, int or None
        The image: number of an HDU, EXTNAME, or EXTNAME and EXTVER as in "SCI,2".
    mask, variance, weight : str, int or None
        Location of a plane: an HDU as for `hdu`, or a file, ``file.fits`` or ``file.fits[EXT]``. "none" ignores the
        plane that the file has. `weight` holds inverse variances.
    bad_planes : tuple of str or None
        Mask planes whose pixels do not count: names, or values of flags as in "4" or "4096+8192".
    good_bits : tuple of str
        Mask planes whose pixels count although they are bad by default, in the same form.
    max_unpacked : int or None
        Bytes to which a compressed file may be unpacked; None for those of `evensky.fits.budgets`.
    """

    hdu: str | int | None = None
    mask: str | int | None = None
    variance: str | int | None = None
    weight: str | int | None = None
    bad_planes: tuple[str, ...] | None = None
    good_bits: tuple[str, ...] = ()
    max_unpacked: int | None = None


@dataclass(frozen=True)
class PlaneDescription:
    """Location of a plane.

    Attributes
    ----------
    path : Path
        The file that holds it, which may be another than that of the image.
    hdu : int
        Number of the HDU.
    name : str
        Name for messages, such as "DQ,1" or "x.weight.fits[0]".
    max_unpacked : int or None
        Bytes to which the file may be unpacked, as chosen by the user.
    """

    path: Path
    hdu: int
    name: str
    max_unpacked: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class MaskDescription(PlaneDescription):
    """A mask and the meaning of its bits.

    Attributes
    ----------
    planes : mapping of str to int or None
        Numbers of the bits by name; None if they have no names.
    bad : int
        Bits whose pixels do not count, as a number >= 0.
    bad_names : tuple of str
        Names of these bits, or their values, for display; ("any",) for every pixel that is not 0.
    """

    planes: Mapping[str, int] | None
    bad: int
    bad_names: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Name of the mask, and of the planes whose pixels do not count."""
        return f"{self.name}: {', '.join(self.bad_names) or 'no plane'}"


@dataclass(frozen=True)
class VarianceDescription(PlaneDescription):
    """A plane of errors.

    Attributes
    ----------
    sense : Sense
    """

    sense: Sense


@dataclass(frozen=True)
class ImageDescription:
    """One science image of a file; it is picklable, as it is sent to other processes.

    Attributes
    ----------
    path : Path
    hdu : int
        Number of the HDU.
    name : str
        Name of the HDU for messages, such as "SCI,2" or "0".
    slot : str
        Identifies the same chip in other files; "" if the file has one science image.
    shape : (height, width)
        Without axes of length 1.
    layout : str
        Name of the layout.
    mask : MaskDescription or None
    variance : VarianceDescription or None
    unit, filter : str
        "" if unknown.
    origin : (x0, y0) or None
        Pixel origin that the header gives (LTV or LSST's cards); None if it gives none.
    notes : tuple of str
        What was assumed or ignored, in sentences without a full stop.
    amplifiers : tuple of Section
        Sections of its amplifiers; empty if the header gives none.
    place : AffineMap or None
        Map from its array pixels to those of the mosaic of detectors; None if the header gives none.
    instrument : str
        "" if unknown.
    max_unpacked : int or None
        Bytes to which the file may be unpacked, as chosen by the user.
    pixel_bytes : int
        Size of a pixel in memory: 8 if float32 may not hold the pixels of the file, otherwise 4.
    """

    path: Path
    hdu: int
    name: str
    slot: str
    shape: tuple[int, int]
    layout: str
    mask: MaskDescription | None = None
    variance: VarianceDescription | None = None
    unit: str = ""
    filter: str = ""
    origin: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    amplifiers: tuple[Section, ...] = ()
    place: AffineMap | None = None
    instrument: str = ""
    max_unpacked: int | None = None
    pixel_bytes: int = 4


@dataclass(frozen=True)
class FileDescription:
    """The content of one file, known from its headers alone.

    Attributes
    ----------
    path : Path
    layout : str
        Name of the layout.
    role : Role
    images : tuple of ImageDescription
        The science images, in the order of their HDUs.
    hdus : tuple of str
        Names of all HDUs, for display.
    ignored : tuple of str
        Names of the image HDUs that are not used.
    notes : tuple of str
        What was assumed or ignored in the whole file.
    wcs : tuple of astropy.wcs.WCS or None
        One per image; None for an image without a celestial WCS.
    """

    path: Path
    layout: str
    role: Role
    images: tuple[ImageDescription, ...]
    hdus: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    wcs: tuple[Any, ...] = field(default=(), repr=False, compare=False)
