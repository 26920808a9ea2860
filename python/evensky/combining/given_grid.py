"""The pixel grid that a user gives for a coadd: a WCS, a header, or a file."""

from __future__ import annotations

__all__ = ["LONGEST", "checked_size", "given_grid"]

import os
from pathlib import Path
from typing import Any

from .._checks import shown, whole_number
from ..errors import FitsError, InvalidParameterError
from ..fits.opening import quiet
from ..fits.wcs_limits import made_wcs
from ..io.formats import describe
from .fits_wcs import LATTICE, fits_in_cards

LONGEST = 2**24
"""Largest number of pixels of a grid along one axis."""

# Largest number of pixels of a grid that is given.
_MOST_GIVEN = 2**36


def checked_size(shape: Any, wcs: Any) -> tuple[int, int]:
    """Return a height and a width of a grid.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If they are not numbers of pixels that a grid can have, or the WCS of the grid is not given.
    """
    try:
        height, width = (whole_number(number, "shape") for number in shape)
    except (TypeError, ValueError):
        raise InvalidParameterError(f"shape is {shown(shape)}; a height and a width in pixels are needed") from None
    if wcs is None:
        raise InvalidParameterError(f"shape is {shown(shape)}, but wcs is not given; a size needs the WCS of its grid")
    if min(height, width) < 1 or max(height, width) > LONGEST or height * width > _MOST_GIVEN:
        raise InvalidParameterError(
            f"shape is {shown(shape)}; the height and the width must be 1 to {LONGEST} pixels, and their product at "
            f"most {_MOST_GIVEN}"
        )
    return height, width


def given_grid(wcs: Any, size: tuple[int, int] | None) -> tuple[Any, tuple[int, int] | None]:
    """Return the WCS and the size of a grid that the user gives.

    Parameters
    ----------
    wcs : astropy.wcs.WCS, astropy.io.fits.Header, str or path-like
    size : (height, width) or None
        Size that is given beside it.

    Returns
    -------
    wcs : astropy.wcs.WCS
        With two axes.
    size : (height, width) or None
        None if nothing tells it.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If it is no WCS of an image, or one that the cards of a header cannot hold.
    evensky.errors.FitsError
        If the file cannot be read.
    """
    from astropy.io.fits import Header
    from astropy.wcs import WCS

    source = "wcs"
    if isinstance(wcs, str | os.PathLike):
        source = str(wcs)
        wcs, found = _grid_of_file(Path(wcs))
        size = size or found
    if isinstance(wcs, Header):
        found = _size_in(wcs)
        wcs = _wcs_in(wcs, source)
        size = size or found
    if not isinstance(wcs, WCS):
        raise InvalidParameterError(
            f"wcs is {shown(wcs)}, a {type(wcs).__name__}; an astropy.wcs.WCS, a header, or the name of a file with "
            "one is needed"
        )
    if not wcs.has_celestial:
        axes = ", ".join(text for text in wcs.wcs.ctype if text.strip()) or "none"
        raise InvalidParameterError(f"{source} has no celestial axes (its axes: {axes}); the WCS of an image is needed")
    if wcs.naxis > 2:
        wcs = wcs.celestial
    # Where the reference point is does not matter here.
    if not fits_in_cards(wcs, size or wcs.array_shape or (LATTICE, LATTICE), (0, 0)):
        raise InvalidParameterError(
            f"{source} holds a WCS that does not fit in the cards of a header, as it has lookup tables or is of the "
            f"kind {wcs.wcs.ctype[0]}; give one of another kind, such as TAN"
        )
    if size is None and wcs.array_shape is not None:
        size = checked_size(wcs.array_shape, wcs)
    return wcs, size


def _grid_of_file(path: Path) -> tuple[Any, tuple[int, int] | None]:
    """Return the WCS, or the header, and the size of the grid in a file."""
    try:
        with path.open("rb") as file:
            start = file.read(2880)
    except OSError as error:
        raise FitsError(f"{path}: cannot be read: {error.strerror or error}") from error
    # Headers as text have a card on each line; a FITS file is one line, and compressed files are not text.
    if b"\n" in start and start.isascii() and b"\0" not in start:
        return _header_in_text(path), None
    described = describe(path)
    found = [index for index, wcs in enumerate(described.wcs) if wcs is not None]
    if len(found) != 1:
        holds = "no image with a WCS" if not found else f"{len(found)} images with a WCS"
        raise InvalidParameterError(f"{path} holds {holds}; the grid of a coadd needs a file with one, or a header")
    return described.wcs[found[0]], described.images[found[0]].shape


def _header_in_text(path: Path) -> Any:
    from astropy.io.fits import Header

    try:
        with quiet():
            text = path.read_text(encoding="latin-1")
            return Header.fromstring("\n".join(line.rstrip() for line in text.splitlines()), sep="\n")
    except Exception as error:  # astropy raises many kinds of exceptions on broken cards
        raise FitsError(f"{path}: cannot be read as the text of a header: {error}") from error


def _size_in(header: Any) -> tuple[int, int] | None:
    """Return the size that a header gives, also that of an image that is compressed in tiles."""
    for letter in ("Z", ""):
        sizes = [header.get(f"{letter}NAXIS{axis}") for axis in (2, 1)]
        if all(isinstance(size, int) and size > 0 for size in sizes):
            return int(sizes[0]), int(sizes[1])
    return None


def _wcs_in(header: Any, source: str) -> Any:
    try:
        with quiet():
            return made_wcs(header)
    except FitsError as error:
        raise InvalidParameterError(f"{source} holds a WCS that cannot be used: {error}") from error
