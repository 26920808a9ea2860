"""Exposures in files whose rows are read band by band, so that many of them are used at once in little memory."""

from __future__ import annotations

__all__ = ["Band", "BandsChangedError", "ExposureBands", "exposure_time_of"]

import math
import tempfile
import threading
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from .._planes import DEFAULT_PLANES
from ..errors import FitsError, InvalidParameterError
from ..fits.bands import TIMES, Band, BandsChangedError, FitsBands, PlaneBands, WholeBands, checked_rows
from ..fits.descriptions import ImageDescription
from ..fits.headers import merged_header, wcs_of
from ..fits.opening import opened_headers, quiet
from ..fits.planes import hdu_at
from ..fits.scratch import Scratch
from .roman import ASDF_LAYOUT, describe_asdf, read_asdf


def exposure_time_of(cards: Mapping[str, Any]) -> float | None:
    """Return the exposure time in seconds that cards give; None if none is a positive number."""
    for keyword in TIMES:
        try:
            time = float(cards.get(keyword, 0))
        except (TypeError, ValueError):  # another card may hold a number
            continue
        if 0 < time < math.inf:
            return time
    return None


# Scratch space of this process, by folder; the planes of all exposures in a folder share one file.
_spaces: weakref.WeakValueDictionary[str, Scratch] = weakref.WeakValueDictionary()
_spaces_lock = threading.Lock()


def _space(folder: str | Path | Scratch | None) -> Scratch:
    if isinstance(folder, Scratch) and folder.shared is not None:
        return folder
    place = folder.folder if isinstance(folder, Scratch) else folder
    with _spaces_lock:
        name = str(tempfile.gettempdir() if place is None else place)
        found = _spaces.get(name)
        if found is None or found.shared is None or not found.shared.is_own:
            found = _spaces[name] = Scratch(name, one_file=True)
        return found


class ExposureBands:
    """An exposure in a file, whose rows are read from the disk when they are asked for.

    The pixels are those of `evensky.io.formats.read_image`, to the bit. No file stays open between two calls, so that
    the number of exposures is not limited by that of open files. Images that are compressed as a whole, or in tiles
    higher than 64 rows, ASDF files, and the few whose first rows depend on the last ones are unpacked once, into
    scratch space.

    Parameters
    ----------
    image : ImageDescription
        What `evensky.io.formats.describe` tells of an image.
    scratch : str, Path or Scratch, optional
        Folder for what must be unpacked; by default that of temporary files.
    whole : bool, optional
        Unpack in any case, as is needed in a process that begins after a `BandsChangedError` in another.

    Attributes
    ----------
    image : ImageDescription

    Raises
    ------
    evensky.errors.FitsError
        If a file is missing, broken, or not as described.

    Examples
    --------
    >>> from evensky.io.bands import ExposureBands
    >>> from evensky.io.formats import describe
    >>> with ExposureBands(describe("m13_1.fits").images[0]) as bands:  # doctest: +SKIP
    ...     band = bands.read(slice(0, 64))
    ...     good = band.mask & bands.bad == 0
    """

    def __init__(
        self, image: ImageDescription, *, scratch: str | Path | Scratch | None = None, whole: bool = False
    ) -> None:
        self.image = image
        self._bands: FitsBands | WholeBands | None
        # Kept, as it holds the file that others share.
        self._scratch = space = _space(scratch)
        if image.layout == ASDF_LAYOUT:
            self._bands = WholeBands(replace(read_asdf(image, scratch=space), description=image))
        else:
            self._bands = FitsBands(image, space, whole=whole)

    @classmethod
    def from_headers(
        cls, image: ImageDescription, hdus: Any, *, scratch: str | Path | Scratch | None = None
    ) -> Self | None:
        """Open an exposure whose file was just described, without reading its headers again.

        Parameters
        ----------
        image : ImageDescription
        hdus : astropy.io.fits.HDUList
            Its open file, see `evensky.io.formats.describe`.
        scratch : str, Path or Scratch, optional
            See `ExposureBands`.

        Returns
        -------
        ExposureBands or None
            None if more than headers and a few rows must be read; then it can be opened as usual.

        Raises
        ------
        evensky.errors.FitsError
            If a file is broken, or not as described.
        """
        space = _space(scratch)
        bands = FitsBands.from_headers(image, space, hdus)
        if bands is None:
            return None
        self = cls.__new__(cls)
        self.image, self._bands, self._scratch = image, bands, space
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free what is in scratch space; nothing can be read afterwards."""
        self._bands = None

    def _open(self) -> FitsBands | WholeBands:
        if self._bands is None:
            raise FitsError(f"{self.image.path}: was closed; rows are read within the context of its ExposureBands")
        return self._bands

    @property
    def known(self) -> PlaneBands:
        """What is known of the planes; it may change when a `BandsChangedError` is raised."""
        return self._open().known

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the image: float32, or float64 if float32 does not hold all its pixels exactly."""
        return self.known.dtype

    @property
    def plane_names(self) -> dict[str, int]:
        """Numbers of the mask's planes by name; the usual ones if the file has no mask or names none."""
        planes = self.known.planes
        return dict(DEFAULT_PLANES if planes is None else planes)

    @property
    def bad(self) -> int:
        """Bits of the mask whose pixels do not count, as a number >= 0; pixels without a variance have one of them."""
        return self.known.bad | self.known.reject

    @property
    def reject(self) -> int:
        """Bits of pixels without a positive finite variance or weight, which never count; 0 if there are none."""
        return self.known.reject

    @property
    def has_mask(self) -> bool:
        """Whether the file has a mask."""
        return self.known.has_mask

    @property
    def has_variance(self) -> bool:
        """Whether the variance is known."""
        return self.known.has_variance

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed to read the file, in sentences without a full stop."""
        return self.known.notes

    @property
    def cards(self) -> Mapping[str, Any]:
        """Values of those cards of which the header of a combination is made; see `evensky.fits.bands.CARDS`."""
        return self.known.cards

    @property
    def exposure_time(self) -> float | None:
        """Exposure time in seconds that the header of the image, or the primary one, gives."""
        return exposure_time_of(self.cards)

    @property
    def unit(self) -> str:
        """Unit of the pixels; "" if unknown."""
        return self.image.unit

    @property
    def band_height_hint(self) -> int:
        """Rows of a tile of a compressed image, otherwise 1: bands of a multiple of it need the least memory."""
        return self._open().tile_height

    def read_header(self) -> tuple[Any, Any]:
        """Read the header and the WCS, which are not kept.

        Returns
        -------
        header : astropy.io.fits.Header or None
            Cards that describe the exposure, not its storage; None for an ASDF file.
        wcs : astropy.wcs.WCS, gwcs.WCS or None
            Maps array pixels, counted from 0, to the sky.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be read.
        """
        if self.image.layout == ASDF_LAYOUT:
            return None, describe_asdf(self.image.path).wcs[0]
        with opened_headers(self.image.path, self.image.max_unpacked) as hdus:
            hdu = hdu_at(hdus, self.image.hdu, self.image.path)
            with quiet():
                header = merged_header(hdus, hdu)
            return header, wcs_of(header, hdus)

    def new_band(self, height: int, width: int | None = None) -> Band:
        """Make a band of so many rows that can be given as `into` to `read`; its pixels are not set."""
        shape = height, self.shape[1] if width is None else width
        variance = np.empty(shape, np.float32) if self.has_variance else None
        return Band(np.empty(shape, self.dtype), np.empty(shape, np.int32), variance)

    def read(self, rows: slice, columns: slice | None = None, *, into: Band | None = None) -> Band:
        """Read rows of all planes.

        Threads may read at the same time.

        Parameters
        ----------
        rows : slice
            Without a step, and inside the image.
        columns : slice, optional
            All columns by default.
        into : Band, optional
            Arrays to read into: the image of type `dtype`, the mask of int32, and the variance of float32, or None if
            there is none. Whole contiguous rows are read fastest. By default there are new ones.

        Returns
        -------
        Band
            `into`, if it is given.

        Raises
        ------
        BandsChangedError
            If the rows show that all bands must be read again, from this object.
        evensky.errors.FitsError
            If the file cannot be read, or was changed since it was opened.
        evensky.errors.InvalidParameterError
            If rows or columns are not inside the image, or `into` has other shapes or types.
        """
        bands = self._open()
        rows = checked_rows(rows, self.shape[0], "rows")
        columns = checked_rows(slice(None) if columns is None else columns, self.shape[1], "columns")
        shape = rows.stop - rows.start, columns.stop - columns.start
        band = self.new_band(*shape) if into is None else into
        for name, plane, dtype in (
            ("image", band.image, self.dtype),
            ("mask", band.mask, np.dtype(np.int32)),
            ("variance", band.variance, np.dtype(np.float32)),
        ):
            if plane is None:
                continue
            if plane.shape != shape or plane.dtype != dtype:
                raise InvalidParameterError(
                    f"into.{name} has shape {plane.shape} and type {plane.dtype}; shape {shape} and type {dtype} are "
                    "needed"
                )
        if (band.variance is None) == self.has_variance:
            raise InvalidParameterError(
                f"into.variance is {'None' if band.variance is None else 'an array'}, but the exposure has "
                f"{'a' if self.has_variance else 'no'} variance; new_band makes arrays that fit"
            )
        bands.fill(rows, columns, band)
        return band

    def __repr__(self) -> str:
        return f"ExposureBands({str(self.image.path)!r}, hdu={self.image.hdu}, shape={self.shape})"
