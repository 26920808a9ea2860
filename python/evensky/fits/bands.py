"""Bands of rows of an exposure in a FITS file, read from the disk one after another: image, mask and variance."""

from __future__ import annotations

__all__ = [
    "CARDS",
    "TIMES",
    "Band",
    "BandsChangedError",
    "FitsBands",
    "PlaneBands",
    "WholeBands",
    "card_values",
    "checked_rows",
]

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from .._bands import row_bands
from .._planes import MAX_PLANES, checked_planes
from ..errors import FitsError, InvalidParameterError
from .conversions import (
    BadPixels,
    VarianceRange,
    mark_pixels,
    names_by_value,
    real_numbers,
    reject_bit,
    single_variances,
    too_large_for_float32,
    unsigned_bits,
    variances_of,
)
from .descriptions import ImageDescription, MaskDescription
from .hdus import value_of
from .opening import mended, one_line, opened_headers, quiet
from .planes import (
    FitsPlanes,
    check_errors,
    check_image,
    check_mask,
    hdu_at,
    high_bad_bits,
    name_by_value,
    plane_hdu,
    read_described,
)
from .scratch import Scratch
from .stored_rows import OpenFiles, StoredRows
from .unpacking import is_packed

# Rows of tiles that are decoded in place. Higher ones would be decoded again and again, or take too much memory.
_HIGHEST_TILES = 64
# Bytes of one plane that are converted at once: few enough for the caches of a processor.
_PIECE = 2**19
# Pixels that are decoded at once, as each call of the decoder takes some time of its own.
_MOST_DECODED = 2**22
_ALL_BITS = 2**32 - 1

TIMES = ("EXPTIME", "XPOSURE", "EFFEXPTM", "EXPOSURE")
"""Cards that hold the exposure time in seconds, the usual one first."""

CARDS = (
    *(*TIMES, "DATE-OBS", "TIME-OBS", "DATE-BEG", "DATE-END", "MJD-OBS", "MJD-BEG", "MJD-END", "TIMESYS"),
    *("OBJECT", "TELESCOP", "INSTRUME", "DETECTOR", "FILTER", "OBSERVER", "GAIN", "RADESYS"),
)
"""Cards that are kept of an exposure: those from which the header of a combination of several is made."""


@dataclass
class Band:
    """Rows of an exposure.

    Attributes
    ----------
    image : ndarray of float32 or float64, shape (number of rows, width)
        BLANK pixels are NaN.
    mask : ndarray of int32, shape (number of rows, width)
        0 if there is no mask, apart from pixels without a positive finite variance or weight.
    variance : ndarray of float32, shape (number of rows, width), or None
        None if the variance is unknown.
    """

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray | None = None


class BandsChangedError(FitsError):
    """A band shows that bands that were read before are to be read again, as their meaning has changed.

    The type of the pixels of an image, and the number of the bit of its pixels without a variance, can depend on pixels
    of any row. Bands that are read again, from the same object, have the right ones.
    """


def checked_rows(rows: slice, size: int, what: str) -> slice:
    """Return rows or columns without None and negative numbers.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If they are not inside an image of that size, or have a step.
    """
    start, stop, step = rows.indices(size)
    asked = (0 if rows.start is None else rows.start, size if rows.stop is None else rows.stop)
    if step != 1 or asked != (start, stop) or stop <= start:
        raise InvalidParameterError(
            f"{what} {asked[0]} to {asked[1]} with a step of {step} are asked for; they must be in 0 to {size}, with a "
            "step of 1"
        )
    return slice(start, stop)


def card_values(*headers: Any) -> dict[str, Any]:
    """Return the values of the cards `CARDS`, each from the first header that has it.

    Parameters
    ----------
    headers : mappings
        That of the image before the primary one.
    """
    found: dict[str, Any] = {}
    for keyword in CARDS:
        values = (value_of(header, keyword) for header in headers)
        if (value := next((one for one in values if one not in (None, "")), None)) is not None:
            found[keyword] = value.strip() if isinstance(value, str) else value
    return found


@dataclass(frozen=True)
class PlaneBands:
    """What is known of an exposure whose rows are read.

    Attributes
    ----------
    shape : (height, width)
    dtype : numpy dtype
        Type of the image: float32, or float64 if float32 does not hold all its pixels exactly.
    planes : mapping of str to int or None
        Numbers of the mask's planes by name; None if it names none.
    bad : int
        Bits of the mask whose pixels do not count, as a number >= 0.
    reject : int
        Bits of pixels without a positive finite variance or weight, which never count; 0 if there are no such pixels.
    has_mask, has_variance : bool
    notes : tuple of str
        What was assumed to read the file, in sentences without a full stop.
    cards : mapping of str to value
        Values of the cards `CARDS`.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    planes: Mapping[str, int] | None
    bad: int
    reject: int
    has_mask: bool
    has_variance: bool
    notes: tuple[str, ...] = ()
    cards: Mapping[str, Any] = field(default_factory=dict)


class WholeBands:
    """Bands of planes that are in memory, or in scratch space.

    Parameters
    ----------
    planes : FitsPlanes
        As they were read.
    """

    tile_height = 1

    def __init__(self, planes: FitsPlanes) -> None:
        self._planes = planes
        description = planes.description
        has_mask = description is not None and description.mask is not None
        names = planes.mask_planes
        if names is None and has_mask:
            names = name_by_value(planes)
        self.known = PlaneBands(
            (planes.image.shape[0], planes.image.shape[1]),
            np.dtype(planes.image.dtype),
            names,
            planes.bad or 0,
            planes.reject,
            has_mask,
            planes.has_variance,
            tuple(planes.assumptions),
            {} if planes.header is None else card_values(planes.header),
        )

    def fill(self, rows: slice, columns: slice, into: Band) -> None:
        """Read rows and columns, which are inside the image, into arrays."""
        into.image[...] = self._planes.image[rows][:, columns]
        into.mask[...] = self._planes.mask[rows][:, columns]
        if into.variance is not None:
            into.variance[...] = self._planes.variance[rows][:, columns]


class FitsBands:
    """Bands of an exposure in a FITS file.

    Pixels of plain images, and of images in small tiles, are read when they are asked for, and only they. Of any other
    file, the planes are read once, into scratch space. So they are if pixels show that bands depend on other rows; see
    `BandsChangedError`.

    Parameters
    ----------
    description : ImageDescription
    scratch : Scratch
        Where planes are that must be read at once.
    whole : bool, optional
        Read all planes into scratch space now.

    Attributes
    ----------
    known : PlaneBands
    tile_height : int
        Rows of a tile: bands of a multiple of it, from the first row, decode no tile twice.

    Raises
    ------
    evensky.errors.FitsError
        If a file is missing, broken, or not as described.
    """

    def __init__(self, description: ImageDescription, scratch: Scratch, *, whole: bool = False) -> None:
        self._prepare(description, scratch)
        if whole or any(map(is_packed, _paths(description))) or not self._open():
            self._read_whole()

    @classmethod
    def from_headers(cls, description: ImageDescription, scratch: Scratch, hdus: Any) -> Self | None:
        """Use headers that are open; return None if more than these and a few rows must be read."""
        mask = description.mask
        if any(map(is_packed, _paths(description))) or (mask is not None and mask.planes is None):
            return None
        self = cls.__new__(cls)
        self._prepare(description, scratch)
        with one_line(description.path):
            found = self._find(hdus)
        return self if found is not None and self._know(*found) else None

    def _prepare(self, description: ImageDescription, scratch: Scratch) -> None:
        self.description = description
        self._scratch = scratch
        self._lock = threading.Lock()
        self._whole: WholeBands | None = None
        self._reads = 0  # that have begun, rows by rows

    # ---- what is known ----

    def _open(self) -> bool:
        """Find the planes in the file; return whether their rows can be read one by one."""
        with opened_headers(self.description.path, self.description.max_unpacked, plain=True) as hdus:
            found = self._find(hdus)
        return found is not None and self._know(*found)

    def _find(self, hdus: Any) -> tuple[dict[str, Any], list[str]] | None:
        """Find the planes among the HDUs of the open file.

        Returns
        -------
        (dict, list of str) or None
            Cards of the header, and what was mended; None if rows cannot be read one by one.
        """
        described = self.description
        self._mask: StoredRows | None = None
        self._errors: StoredRows | None = None
        with OpenFiles() as files:
            hdu = hdu_at(hdus, described.hdu, described.path)
            check_image(hdu, described)
            with quiet():
                cards = card_values(hdu.header, hdus[0].header)
            notes = list(described.notes)
            readable = True
            self._image = StoredRows(hdu, described.path, files)
            if described.mask is not None:
                with plane_hdu(hdus, described.mask, described.path, plain=True) as found:
                    readable = check_mask(found, described.mask, described.shape) is None
                    notes += mended(found)
                    if readable:
                        self._mask = StoredRows(found, described.mask.path, files)
            if described.variance is not None:
                with plane_hdu(hdus, described.variance, described.path, plain=True) as found:
                    check_errors(found, described.variance, described.shape)
                    notes += mended(found)
                    if readable:
                        self._errors = StoredRows(found, described.variance.path, files)
            readers = [one for one in (self._image, self._mask, self._errors) if one is not None]
            self.tile_height = max(one.tile_height for one in readers)
            if not readable or self.tile_height > _HIGHEST_TILES or not self._has_errors(files):
                return None
        return cards, notes

    def _know(self, cards: Mapping[str, Any], notes: Iterable[str]) -> bool:
        """Settle what is known of the planes that were found; return whether their rows can be read one by one."""
        described = self.description
        bad = 0 if described.mask is None else described.mask.bad & _ALL_BITS
        planes = None
        used, self._marked = 0, 0
        if described.mask is not None:
            if described.mask.planes is not None:
                planes = checked_planes(described.mask.planes)
            else:
                used = self._used()
                if used.bit_count() > MAX_PLANES - 2:  # a bit for pixels without a variance may have no name left
                    return False
        self._chosen = BadPixels(0, depends_on_pixels=False)
        # Pixels of a mask may be no numbers only if they are stored as floating point.
        if self._errors is not None or (self._mask is not None and self._mask.storage.bitpix < 0):
            self._chosen = reject_bit(planes, bad, used, has_mask=self._mask is not None)
            if self._chosen.new_plane is not None and planes is not None:
                planes[self._chosen.new_plane] = self._chosen.bits.bit_length() - 1
        if self._mask is not None and planes is None:
            self._chosen = replace(self._chosen, depends_on_pixels=False)
            planes, self._marked = names_by_value(used | self._chosen.bits)
        self.known = PlaneBands(
            described.shape,
            np.dtype(np.float64 if self._is_wide() else np.float32),
            planes,
            bad,
            self._chosen.bits,
            self._mask is not None,
            described.variance is not None and described.variance.sense != "weight",
            tuple(notes),
            cards,
        )
        return True

    def _used(self) -> int:
        """Return the bits that any pixel of the mask has."""
        mask, described = self._mask, self.description.mask
        assert mask is not None
        assert described is not None
        used = 0
        with OpenFiles() as files:
            for rows in self._pieces(slice(0, mask.shape[0]), mask):
                bits, _ = unsigned_bits(mask.read(rows, files), mask.storage, described.name, described.path)
                used |= int(np.bitwise_or.reduce(bits, axis=None))
        return used & _ALL_BITS

    def _is_wide(self) -> bool:
        """Return whether float32 does not hold the pixels of the image, unless they are small whole numbers."""
        storage = self._image.storage
        if self._image.dtype is not None:
            return self._image.dtype.itemsize == 8 and not storage.whole
        with OpenFiles() as files:
            first = real_numbers(self._image.read(slice(0, 1), files), storage, self._image_name, self._image.path)
        return first.dtype.itemsize == 8 and not storage.whole

    @property
    def _image_name(self) -> str:
        return f"the image {self.description.name!r}"

    def _has_errors(self, files: OpenFiles) -> bool:
        """Return whether there is no plane of errors, or one with a positive finite pixel: others are ignored."""
        if self._errors is None:
            return True
        errors = self.description.variance
        assert errors is not None
        # Most have one in the first rows.
        for rows in row_bands(self._errors.shape[0], 1, max(16, self._errors.tile_height)):
            data = real_numbers(self._errors.read(rows, files), self._errors.storage, errors.name, errors.path)
            if variances_of(data, errors.sense)[1].any():
                return True
        return False

    def _pieces(self, rows: slice, *readers: StoredRows) -> Iterator[slice]:
        """Divide rows into such that fit the caches of a processor; each row of tiles belongs to one of them."""
        width, tile = readers[0].shape[1], max(one.tile_height for one in readers)
        plain = all(one.dtype is not None for one in readers)
        step = max(_PIECE // 4 // width, 1) if plain else max(_MOST_DECODED // width // tile, 1) * tile
        start = rows.start
        while start < rows.stop:
            stop = min(start - start % step + step, rows.stop)
            yield slice(start, stop)
            start = stop

    # ---- reading ----

    def _read_whole(self) -> None:
        self._whole = WholeBands(read_described(self.description, scratch=self._scratch))
        self.known = self._whole.known
        self.tile_height = 1

    def fill(self, rows: slice, columns: slice, into: Band) -> None:
        """Read rows and columns, which are inside the image, into arrays of the types that `known` tells.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be read, or has changed.
        BandsChangedError
            If other bands, which were read before, must be read again.
        """
        with self._lock:
            by_rows = self._whole is None
            self._reads += by_rows
        if by_rows:
            with OpenFiles() as files:
                odd = self._fill(rows, columns, into, files)
            if not odd:
                return
            self._fall_back(odd)
            if into.image.dtype != self.known.dtype or (into.variance is not None) != self.known.has_variance:
                raise self._changed(odd)
        assert self._whole is not None
        self._whole.fill(rows, columns, into)

    def _fall_back(self, odd: str) -> None:
        """Read all planes into scratch space, as one band showed what is not usual."""
        with self._lock:
            if self._whole is not None:
                return
            before = self.known
            self._read_whole()
            after = self.known
            others = self._reads > 1  # ended or not
        same = (before.dtype, before.has_variance) == (after.dtype, after.has_variance)
        # Where no pixel is rejected, any bit is right.
        same = same and after.reject in (0, before.reject) and before.bad == after.bad
        # Names of planes may be in use before anything is read.
        if before.planes != after.planes or (others and not same):
            raise self._changed(odd)

    def _changed(self, odd: str) -> BandsChangedError:
        return BandsChangedError(f"{self.description.path}: {odd}; bands that were read before must be read again")

    def _fill(self, rows: slice, columns: slice, into: Band, files: OpenFiles) -> str:
        """Read rows; return "", or what they show that makes other rows differ from what is known."""
        if odd := self._fill_image(rows, columns, into.image, files):
            return odd
        if self._mask is None:
            into.mask[...] = 0
        elif odd := self._fill_mask(rows, columns, into.mask, files):
            return odd
        if self._errors is not None:
            for part in self._pieces(rows, self._errors):
                here = slice(part.start - rows.start, part.stop - rows.start)
                variance = None if into.variance is None else into.variance[here]
                if odd := self._fill_errors(part, columns, into.mask[here], variance, files):
                    return odd
        if self._marked:
            mark_pixels(into.mask, into.mask & _signed(self.known.bad | self.known.reject) != 0, self._marked)
        return ""

    def _fill_image(self, rows: slice, columns: slice, into: np.ndarray, files: OpenFiles) -> str:
        image = self._image
        if image.dtype is not None and image.dtype == into.dtype:
            image.read_into(rows, columns, into, files)
            return ""
        for part in self._pieces(rows, image):
            pixels = real_numbers(image.read(part, files), image.storage, self._image_name, image.path)
            if image.storage.whole and into.dtype == np.float32 and too_large_for_float32(pixels):
                return f"{self._image_name} has whole numbers that float32 does not hold"
            with np.errstate(over="ignore", under="ignore"):
                into[part.start - rows.start : part.stop - rows.start] = pixels[:, columns]
        return ""

    def _fill_mask(self, rows: slice, columns: slice, into: np.ndarray, files: OpenFiles) -> str:
        mask, described = self._mask, self.description.mask
        assert mask is not None
        assert described is not None
        if mask.dtype is not None and mask.dtype.kind in "iu" and mask.dtype.itemsize <= 4:
            mask.read_bits_into(rows, columns, into, files)
            return self._clash(described, into)
        bad_beyond = high_bad_bits(described)
        for part in self._pieces(rows, mask):
            bits, unknown = unsigned_bits(mask.read(part, files), mask.storage, described.name, described.path)
            if bits.dtype.itemsize == 8 and bad_beyond and (bits & np.uint64(bad_beyond)).any():
                return f"the mask {described.name} has bad bits beyond the 32nd"
            low = bits.astype(np.uint32, copy=False).view(np.int32)
            if odd := self._clash(described, low):
                return odd
            band = into[part.start - rows.start : part.stop - rows.start]
            band[...] = low[:, columns]
            if unknown is not None:
                band[unknown[:, columns]] |= _signed(self._chosen.bits)
        return ""

    def _clash(self, described: MaskDescription, bits: np.ndarray) -> str:
        """Return what is odd if pixels of the mask have the bit that was chosen for pixels that never count."""
        chosen = self._chosen
        if chosen.depends_on_pixels and int(np.bitwise_or.reduce(bits, axis=None)) & chosen.bits:
            return f"pixels of the mask {described.name} have the bit of value {chosen.bits}, which has no name"
        return ""

    def _fill_errors(
        self, rows: slice, columns: slice, mask: np.ndarray, variance: np.ndarray | None, files: OpenFiles
    ) -> str:
        errors, described = self._errors, self.description.variance
        assert errors is not None
        assert described is not None
        rejected, data = None, None
        if variance is not None:
            if errors.dtype is not None and errors.dtype == np.float32:
                errors.read_into(rows, columns, variance, files)
                rejected = single_variances(variance, described.sense)
            else:
                data = real_numbers(errors.read(rows, files), errors.storage, described.name, described.path)
                if data.dtype.newbyteorder("=") == np.float32:
                    variance[...] = data[:, columns]
                    rejected = single_variances(variance, described.sense)
        if rejected is None:
            if data is None:
                data = real_numbers(errors.read(rows, files), errors.storage, described.name, described.path)
            values, good = variances_of(data, described.sense)
            known = VarianceRange()
            known.add(values, good)
            if described.sense != "weight" and (known.below or known.above):
                return f"{described.name} has variances that float32 does not hold"
            rejected = ~good[:, columns]
            if variance is not None:
                with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                    variance[...] = values[:, columns]
        if rejected.any():
            mark_pixels(mask, rejected, self._chosen.bits)
        return ""


def _signed(bits: int) -> np.int32:
    return np.uint32(bits).view(np.int32)


def _paths(description: ImageDescription) -> set[Path]:
    """Return the files that hold the planes of an image."""
    planes = (description.mask, description.variance)
    return {description.path, *(plane.path for plane in planes if plane is not None)}
