"""Combination of the pixels of many exposures on one grid, band by band."""

from __future__ import annotations

__all__ = [
    "CombinedBand",
    "LostExposureError",
    "MemoryPlanes",
    "Pixels",
    "PlaneReader",
    "Stack",
    "common_planes",
    "translated",
]

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from .._planes import DEFAULT_PLANES, MAX_PLANES, signed_bits
from ..errors import InvalidParameterError
from ..math.combine_planes import CombinedPlanes, CombineOptions, combine_planes

Box = tuple[int, int, int, int]
"""x0, y0, width and height on the target grid, in pixels; parts may be outside the grid."""

NO_DATA = "NO_DATA"

# Edges of exposures that are nearer to each other than this are in one strip of blocks, in pixels. Exposures that end
# within a block are copied into its full size, which costs more than a view of their pixels.
_STRIP = 64
# A wider strip is cut, as exposures that do not reach a block cost nothing there.
_WIDEST = 4 * _STRIP
# Rows above and below the middle of an exposure from which its typical variance is taken.
_SAMPLED = 8
# Rows, and about how many columns, of the grid in which levels are compared.
_LEVEL_ROWS, _LEVEL_COLUMNS = 8, 128
# Bands whose planes are kept to be used again.
_SPARE = 8
# Planes of a band.
_PLANES = ("image", "variance", "mask", "number", "rejected", "weight", "exposure_time")


class Pixels(NamedTuple):
    """Some rows of the planes of an exposure.

    Attributes
    ----------
    image : ndarray of float32 or float64, shape (rows, columns)
        NaN where there is no pixel.
    mask : ndarray of int32 or None
    variance : ndarray of float32 or None
    """

    image: np.ndarray
    mask: np.ndarray | None = None
    variance: np.ndarray | None = None


class PlaneReader(Protocol):
    """An exposure on the target grid whose rows can be read: pixels in memory, in a file, or resampled ones."""

    @property
    def box(self) -> Box:
        """Place of the exposure on the target grid."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its pixels: float32 or float64."""

    @property
    def bad(self) -> int:
        """Bits of its mask that reject a pixel, as int32 stores them."""

    @property
    def planes(self) -> Mapping[str, int] | None:
        """Numbers of the planes of its mask; None if it has no mask, or one without names."""

    @property
    def has_mask(self) -> bool:
        """Whether it has a mask."""

    @property
    def has_variance(self) -> bool:
        """Whether it has variances."""

    @property
    def pixel_bytes(self) -> int:
        """Memory that a pixel needs while it is combined, in bytes."""

    def read(self, rows: slice, columns: slice) -> Any:
        """Read a part of the exposure, in its own pixels; the result has the attributes of `Pixels`.

        Arrays are valid until the next call.
        """


@dataclass(frozen=True)
class MemoryPlanes:
    """Planes in memory: arrays, or planes on disk whose rows can be read.

    Attributes
    ----------
    image : ndarray or ScratchPlane, shape (height, width)
    mask : ndarray or ScratchPlane of int32, or None
    variance : ndarray or ScratchPlane of float32, or None
    x0, y0 : int
        Place of the first pixel on the target grid.
    bad : int
        Bits that reject a pixel.
    planes : mapping of str to int or None
        Numbers of the planes of the mask.
    """

    image: Any = field(repr=False)
    mask: Any = field(default=None, repr=False)
    variance: Any = field(default=None, repr=False)
    x0: int = 0
    y0: int = 0
    bad: int = 0
    planes: Mapping[str, int] | None = None

    @property
    def box(self) -> Box:
        height, width = self.image.shape
        return self.x0, self.y0, width, height

    @property
    def dtype(self) -> np.dtype[Any]:
        found: np.dtype[Any] = np.dtype(self.image.dtype)
        return found

    @property
    def has_mask(self) -> bool:
        return self.mask is not None

    @property
    def has_variance(self) -> bool:
        return self.variance is not None

    @property
    def pixel_bytes(self) -> int:
        return int(self.dtype.itemsize) + 4 * self.has_mask + 4 * self.has_variance

    def read(self, rows: slice, columns: slice) -> Pixels:
        """Return a part of the planes, without a copy of those in memory."""
        image, mask, variance = (
            None if plane is None else plane[rows][:, columns] for plane in (self.image, self.mask, self.variance)
        )
        assert image is not None
        return Pixels(image, mask, variance)


def common_planes(readers: Sequence[PlaneReader]) -> dict[str, int]:
    """Return numbers for the mask planes of all exposures, those of the first exposure that has a plane if possible.

    NO_DATA is always among them. Planes for which no number is left are left out.
    """
    planes: dict[str, int] = {}
    for reader in readers:
        for name, bit in (reader.planes or {}).items():
            _add_plane(planes, name, bit)
    if NO_DATA not in planes and len(planes) == MAX_PLANES:
        del planes[next(reversed(planes))]
    _add_plane(planes, NO_DATA, DEFAULT_PLANES[NO_DATA])
    return planes


def _add_plane(planes: dict[str, int], name: str, best: int) -> None:
    if name in planes:
        return
    taken = set(planes.values())
    free = [bit for bit in range(MAX_PLANES) if bit not in taken]
    if free:
        planes[name] = best if best in free else free[0]


def translated(
    mask: np.ndarray, own: Mapping[str, int] | None, planes: Mapping[str, int], bad: int
) -> tuple[np.ndarray, int]:
    """Renumber the bits of a mask, and return it with the bits that reject a pixel.

    Parameters
    ----------
    mask : ndarray of int32
    own : mapping of str to int or None
        Numbers of its planes.
    planes : mapping of str to int
        New numbers.
    bad : int
        Bits of `mask` that reject a pixel.

    Returns
    -------
    mask : ndarray of int32
        `mask` itself if no number changes, and no pixel has a bit without a name that has one in `planes`; otherwise
        bits without a name are dropped. Bits that reject a pixel and have no name, or none in `planes`, become NO_DATA.
    bad : int
        The bits that reject a pixel, in new numbers.
    """
    moves = {bit: planes.get(name) for name, bit in (own or {}).items()}
    bad &= 0xFFFFFFFF
    lost = bad & ~sum(1 << bit for bit in moves)
    if all(old == new for old, new in moves.items()) and not lost:
        # Names of other exposures, which bits without a name must not get.
        foreign = sum(1 << bit for bit in planes.values() if bit not in moves)
        if not foreign or not int(np.bitwise_or.reduce(mask, axis=None)) & foreign:
            return mask, signed_bits(bad)
    dropped = sum(1 << bit for bit, new in moves.items() if new is None) & bad
    result = np.zeros_like(mask)
    new_bad = 0
    if lost | dropped:
        stand_in = planes[NO_DATA]
        own_no_data = (own or {}).get(NO_DATA)
        if own_no_data is not None and not bad >> own_no_data & 1:  # its pixels count; rejected ones show no bit
            stand_in = next((bit for bit in range(MAX_PLANES) if bit not in planes.values()), stand_in)
        new_bad |= 1 << stand_in
        result[mask & np.int32(signed_bits(lost | dropped)) != 0] = np.int32(signed_bits(1 << stand_in))
    for old, new in moves.items():
        if new is None:
            continue
        here = np.int32(signed_bits(1 << new))
        result |= np.where(mask & np.int32(signed_bits(1 << old)), here, np.int32(0))
        if bad >> old & 1:
            new_bad |= 1 << new
    return result, signed_bits(new_bad)


@dataclass
class CombinedBand:
    """Rows of a combined image, and what became of the pixels of each exposure in them.

    Attributes
    ----------
    rows : slice
        Rows of the target grid.
    image : ndarray of float32 or float64, shape (rows, width)
        NaN where no pixel is good.
    variance : ndarray of float32 or None
        NaN where no pixel is good.
    mask : ndarray of int32
        OR of the masks of the pixels that were used; NO_DATA where there is none.
    number, rejected : ndarray of int32
        Number of pixels that were used, and of those that were clipped.
    weight : ndarray of float32 or None
        Sum of the weights of the pixels that were used; None if it is not wanted.
    exposure_time : ndarray of float32 or None
        Sum of the exposure times of the pixels that were used; None if a time is unknown.
    covered_by, masked_by, rejected_by : ndarray of int64, shape (exposures,)
        Number of pixels of each exposure in these rows, of those among them that are not good, and of those that were
        clipped.
    levels : dict of int to ndarray, shape (exposures, columns)
        Some pixels of those rows in which exposures are compared, see `Stack.level_samples`.
    """

    rows: slice
    image: np.ndarray
    variance: np.ndarray | None
    mask: np.ndarray
    number: np.ndarray
    rejected: np.ndarray
    weight: np.ndarray | None
    exposure_time: np.ndarray | None
    covered_by: np.ndarray
    masked_by: np.ndarray
    rejected_by: np.ndarray
    levels: dict[int, np.ndarray] = field(default_factory=dict)

    def planes(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the planes of some names that there are."""
        found = {name: getattr(self, name) for name in names}
        return {name: plane for name, plane in found.items() if plane is not None}


class _Part(NamedTuple):
    """The part of an exposure in a band: its box there, on the target grid, and its pixels."""

    exposure: int
    top: int
    bottom: int
    left: int
    right: int
    pixels: Pixels
    bad: int


class LostExposureError(Exception):
    """Raised if an exposure cannot be read although it was described.

    Parameters
    ----------
    number : int
        Number of the exposure in the stack.
    error : BaseException
    """

    def __init__(self, number: int, error: BaseException) -> None:
        super().__init__(number, error)
        self.number = number
        self.error = error


class Stack:
    """Exposures on a target grid, which are combined.

    Parameters
    ----------
    readers : sequence of PlaneReader
        The exposures.
    shape : (height, width)
        Size of the grid.
    options : CombineOptions
    weights : sequence of float, optional
        Weight of each exposure.
    times : sequence of (float or None), optional
        Exposure time of each exposure.
    with_time, with_weight : bool, optional
        Whether the exposure time and the sum of the weights of each pixel are wanted.
    labels : sequence of str, optional
        Names of the exposures for messages.

    Attributes
    ----------
    planes : dict of str to int
        Numbers of the mask planes of the result.
    has_variance : bool
        Whether the result has variances: those of all exposures are known.
    dtype : numpy dtype
        Type of the pixels of the result: float64 if an exposure has such pixels, otherwise float32.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If pixels are to be weighted by variances that some exposures do not have.
    """

    def __init__(
        self,
        readers: Sequence[PlaneReader],
        shape: tuple[int, int],
        options: CombineOptions,
        *,
        weights: Sequence[float] | None = None,
        times: Sequence[float | None] | None = None,
        with_time: bool = False,
        with_weight: bool = True,
        labels: Sequence[str] = (),
    ) -> None:
        self.readers = list(readers)
        self.shape = shape
        self.options = options
        self.weights = None if weights is None else list(weights)
        known = [time for time in times or () if time is not None]
        self.times = known if times is not None and len(known) == len(times) else None
        self._is_weighted = options.by_variance or weights is not None
        self._with_time = with_time and self.times is not None
        self._with_weight = with_weight or self._is_weighted
        height, width = shape
        self._level_rows = np.linspace(0, height, min(_LEVEL_ROWS, height), endpoint=False, dtype=int).tolist()
        self._level_columns = np.arange(0, width, max(1, width // _LEVEL_COLUMNS))
        # Planes of bands that are no longer used.
        self._spare: deque[CombinedBand] = deque(maxlen=_SPARE)
        self.planes = common_planes(self.readers)
        self.has_variance = bool(self.readers) and all(reader.has_variance for reader in self.readers)
        wide = any(np.dtype(reader.dtype) == np.float64 for reader in self.readers)
        self.dtype = np.dtype(np.float64 if wide else np.float32)
        if options.by_variance and not self.has_variance:
            names = labels or [f"number {number}" for number in range(len(self.readers))]
            without = [name for name, reader in zip(names, self.readers, strict=True) if not reader.has_variance]
            raise InvalidParameterError(
                f"weighting is 'variance', and {len(without)} of {len(self.readers)} exposures have no variances, such "
                f"as {without[0]}; give them, or weight the exposures by numbers"
            )

    @property
    def row_bytes(self) -> int:
        """Memory that a row of the grid needs at most, in bytes: the pixels of all exposures in it, and the result."""
        height, width = self.shape
        by_row = np.zeros(height + 1, np.int64)
        for reader in self.readers:
            x0, y0, wide, high = reader.box
            columns = min(x0 + wide, width) - max(x0, 0)
            pixel = reader.pixel_bytes
            # What is converted or renumbered is copied.
            pixel += self.dtype.itemsize * (np.dtype(reader.dtype) != self.dtype)
            pixel += 4 * any(self.planes.get(name) != bit for name, bit in (reader.planes or {}).items())
            if columns > 0 and y0 < height and y0 + high > 0:
                by_row[max(y0, 0)] += columns * pixel
                by_row[min(y0 + high, height)] -= columns * pixel
        own = width * (self.dtype.itemsize + 4 * 6)
        return int(np.cumsum(by_row).max(initial=0)) + own

    def nominal_weights(self) -> list[float]:
        """Return a weight for each exposure as a whole: if pixels have their own, that of a typical one.

        It is 0 for an exposure that lies beyond the grid, or has no pixel with a variance in its middle.

        Raises
        ------
        LostExposureError
            If an exposure cannot be read.
        """
        if not self.options.by_variance:
            return [1.0] * len(self.readers) if self.weights is None else list(self.weights)
        found = []
        for number, reader in enumerate(self.readers):
            _, _, width, height = reader.box
            if not width * height:  # resampled exposures have no pixels beyond the grid
                found.append(0.0)
                continue
            middle = height // 2
            rows = slice(max(0, middle - _SAMPLED), min(height, middle + _SAMPLED))
            try:
                variance = reader.read(rows, slice(0, width)).variance
            except (OSError, ValueError) as error:
                raise LostExposureError(number, error) from error
            usable = variance[np.isfinite(variance) & (variance > 0)]
            found.append(1 / float(np.median(usable)) if usable.size else 0.0)
        return found

    def level_samples(self, known: Mapping[int, np.ndarray] | None = None) -> np.ndarray:
        """Return some pixels of all exposures at the same places of the grid, NaN where they are not good.

        Parameters
        ----------
        known : mapping of int to ndarray, optional
            `CombinedBand.levels` of all bands; rows that it lacks are read.

        Returns
        -------
        ndarray, shape (rows, exposures, columns)

        Raises
        ------
        LostExposureError
            If an exposure cannot be read.
        """
        samples = dict(known or {})
        for row in self._level_rows:
            if row not in samples:
                samples[row] = self._level_pixels(row, self._parts(slice(row, row + 1)))
        return np.array([samples[row] for row in self._level_rows])

    def _level_pixels(self, row: int, parts: Sequence[_Part]) -> np.ndarray:
        """Return some pixels of a row of all exposures, NaN where they are not good."""
        columns = self._level_columns
        pixels = np.full((len(self.readers), len(columns)), np.nan, self.dtype)
        for part in parts:
            if not part.top <= row < part.bottom:
                continue
            begin, end = np.searchsorted(columns, (part.left, part.right))
            here = row - part.top, columns[begin:end] - part.left
            image, mask, _ = part.pixels
            bad = False if mask is None else mask[here] & part.bad != 0
            pixels[part.exposure, begin:end] = np.where(bad, np.nan, image[here])
        return pixels

    def combine(self, rows: slice | None = None, *, num_threads: int = 0) -> CombinedBand:
        """Combine rows of the grid.

        Parameters
        ----------
        rows : slice, optional
            By default all rows. The result does not depend on how rows are split into bands.
        num_threads : int, optional
            Number of threads, 0 for the process-wide default.

        Returns
        -------
        CombinedBand

        Raises
        ------
        LostExposureError
            If an exposure cannot be read.
        """
        height, width = self.shape
        rows = slice(*(slice(None) if rows is None else rows).indices(height)[:2])
        parts = self._parts(rows)
        band = self._empty(rows, parts)
        row_cuts = _cuts([edge for part in parts for edge in (part.top, part.bottom)], rows.start, rows.stop)
        column_cuts = _cuts([edge for part in parts for edge in (part.left, part.right)], 0, width)
        for top, bottom in row_cuts:
            for left, right in column_cuts:
                self._combine_block(band, parts, (top, bottom, left, right), num_threads)
        band.levels = {row: self._level_pixels(row, parts) for row in self._level_rows if rows.start <= row < rows.stop}
        return band

    def release(self, band: CombinedBand) -> None:
        """Take the planes of a band, which are used no more, for those of another one: new memory is slow.

        Threads may combine and release at the same time.
        """
        self._spare.append(band)

    def _parts(self, rows: slice) -> list[_Part]:
        """Read the parts of all exposures in some rows."""
        parts = []
        for index, reader in enumerate(self.readers):
            x0, y0, width, height = reader.box
            top, bottom = max(rows.start, y0), min(rows.stop, y0 + height)
            left, right = max(0, x0), min(self.shape[1], x0 + width)
            if top >= bottom or left >= right:
                continue
            try:
                found = reader.read(slice(top - y0, bottom - y0), slice(left - x0, right - x0))
            except (OSError, ValueError) as error:  # errors of files and of their content, evensky's own among them
                raise LostExposureError(index, error) from error
            image = found.image.astype(self.dtype, copy=False)
            mask, bad = found.mask, 0
            if mask is not None:
                mask, bad = translated(mask, reader.planes, self.planes, reader.bad)
            variance = found.variance if self.has_variance else None
            parts.append(_Part(index, top, bottom, left, right, Pixels(image, mask, variance), bad))
        return parts

    def _empty(self, rows: slice, parts: Sequence[_Part]) -> CombinedBand:
        """Return a band whose pixels are not set."""
        shape = rows.stop - rows.start, self.shape[1]
        number = len(self.readers)
        try:
            spare: CombinedBand | None = self._spare.popleft()
        except IndexError:  # none, or another thread was faster
            spare = None

        def plane(name: str, dtype: Any, wanted: bool = True) -> Any:
            if not wanted:
                return None
            found = None if spare is None else getattr(spare, name)
            return np.empty(shape, dtype) if found is None or len(found) < shape[0] else found[: shape[0]]

        band = CombinedBand(
            rows=rows,
            image=plane("image", self.dtype),
            variance=plane("variance", np.float32, self.has_variance),
            mask=plane("mask", np.int32),
            number=plane("number", np.int32),
            rejected=plane("rejected", np.int32),
            weight=plane("weight", np.float32, self._with_weight),
            exposure_time=plane("exposure_time", np.float32, self._with_time),
            covered_by=np.zeros(number, np.int64),
            masked_by=np.zeros(number, np.int64),
            rejected_by=np.zeros(number, np.int64),
        )
        for part in parts:
            band.covered_by[part.exposure] = (part.bottom - part.top) * (part.right - part.left)
        return band

    def _combine_block(
        self, band: CombinedBand, parts: Sequence[_Part], block: tuple[int, int, int, int], num_threads: int
    ) -> None:
        """Combine a rectangle of a band."""
        top, bottom, left, right = block
        here = [
            part
            for part in parts
            if part.top < bottom and part.bottom > top and part.left < right and part.right > left
        ]
        area = slice(top - band.rows.start, bottom - band.rows.start), slice(left, right)
        no_data = signed_bits(1 << self.planes[NO_DATA])
        if not here:
            blank = {"image": np.nan, "variance": np.nan, "mask": no_data}
            for name, plane in band.planes(_PLANES).items():
                plane[area] = blank.get(name, 0)
            return
        planes = [_in_block(part, block) for part in here]
        numbers = [part.exposure for part in here]
        none = np.zeros(0, np.int64)
        times = self.times if band.exposure_time is not None else None
        combined = combine_planes(
            [one.image for one in planes],
            [one.mask for one in planes],
            [one.variance for one in planes] if self.has_variance else None,
            bad=[part.bad for part in here],
            options=self.options,
            weights=None if self.weights is None else [self.weights[number] for number in numbers],
            out=CombinedPlanes(
                band.image[area],
                None if band.variance is None else band.variance[area],
                band.mask[area],
                band.number[area],
                band.rejected[area],
                band.weight[area] if band.weight is not None and self._is_weighted else None,
                none,
                none,
                None if band.exposure_time is None else band.exposure_time[area],
            ),
            times=None if times is None else [times[number] for number in numbers],
            num_threads=num_threads,
        )
        if not combined.number.all():
            combined.mask[combined.number == 0] = no_data
        if band.weight is not None and not self._is_weighted:
            band.weight[area] = combined.number
        size = (bottom - top) * (right - left)
        for part, masked, rejected in zip(here, combined.masked_by_image, combined.rejected_by_image, strict=True):
            inside = (min(bottom, part.bottom) - max(top, part.top)) * (min(right, part.right) - max(left, part.left))
            band.masked_by[part.exposure] += int(masked) - (size - inside)
            band.rejected_by[part.exposure] += int(rejected)


def _cuts(edges: Sequence[int], start: int, stop: int) -> list[tuple[int, int]]:
    """Return the ranges into which the edges of exposures cut a range; edges close together are within one."""
    groups: list[list[int]] = []
    for edge in sorted({edge for edge in edges if start < edge < stop}):
        if groups and edge - groups[-1][-1] < _STRIP:
            groups[-1].append(edge)
        else:
            groups.append([edge])
    places = {start, stop}
    for group in groups:
        places.update(range(group[0], group[-1], _WIDEST))
        places.add(group[-1])
    found = sorted(places)
    return list(pairwise(found))


def _in_block(part: _Part, block: tuple[int, int, int, int]) -> Pixels:
    """Return the pixels of an exposure in a rectangle, with NaN where it has none."""
    top, bottom, left, right = block
    first, last = max(top, part.top), min(bottom, part.bottom)
    begin, end = max(left, part.left), min(right, part.right)
    own = slice(first - part.top, last - part.top), slice(begin - part.left, end - part.left)
    image = part.pixels.image[own]
    mask, variance = (None if plane is None else plane[own] for plane in part.pixels[1:])
    if (first, last, begin, end) == block:
        return Pixels(image, mask, variance)
    place = slice(first - top, last - top), slice(begin - left, end - left)
    shape = bottom - top, right - left

    def padded(plane: np.ndarray, filler: float) -> np.ndarray:
        whole = np.full(shape, filler, plane.dtype)
        whole[place] = plane
        return whole

    return Pixels(
        padded(image, np.nan),
        None if mask is None else padded(mask, 0),
        None if variance is None else padded(variance, 0),
    )
