"""Exposures in files as the parts of a stack: their rows are read from the files, or from resampled pixels on disk."""

from __future__ import annotations

__all__ = [
    "FileReader",
    "SourcePlan",
    "StackPlan",
    "StoredExposure",
    "StoredPlane",
    "combine_rows",
    "free_space",
    "open_stack",
    "resample_to_disk",
    "with_sources",
]

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .._planes import signed_bits
from .._processes import mark
from ..combining.engine import Box, CombinedBand, MemoryPlanes, Pixels, PlaneReader, Stack
from ..combining.options import SOURCES
from ..combining.resampling import resample_chunks, scales_with_area
from ..combining.target_grid import TargetGrid
from ..errors import FitsError
from ..fits.descriptions import ImageDescription
from ..io.bands import Band, ExposureBands
from ..math.combine_planes import CombineOptions
from ..work.held import STACKS

_ALL_BITS = 0xFFFFFFFF
# Pixels for which the bad ones of an exposure are counted at once.
_COUNTED = 2**20


def with_sources(image: ImageDescription) -> ImageDescription:
    """Return the description of an image whose planes of sources are not bad.

    A background leaves sources out, a combined image shows them. If every bit of the mask is bad, names decide nothing.
    """
    mask = image.mask
    if mask is None or not mask.planes or mask.bad & _ALL_BITS == _ALL_BITS:
        return image
    bits = sum(1 << mask.planes[name] for name in SOURCES if name in mask.planes)
    names = tuple(name for name in mask.bad_names if name not in SOURCES)
    return replace(image, mask=replace(mask, bad=mask.bad & ~bits, bad_names=names))


class FileReader:
    """An exposure in a file, at its place on the grid.

    Parameters
    ----------
    bands : ExposureBands
    x0, y0 : int
        Place of its first pixel on the grid.
    """

    def __init__(self, bands: ExposureBands, x0: int, y0: int) -> None:
        self.bands = bands
        self._corner = x0, y0
        # Each thread has arrays of its own, which it uses again for each band.
        self._local = threading.local()

    @property
    def box(self) -> Box:
        height, width = self.bands.shape
        return *self._corner, width, height

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.bands.dtype

    @property
    def bad(self) -> int:
        return signed_bits(self.bands.bad)

    @property
    def planes(self) -> Mapping[str, int] | None:
        return self.bands.plane_names if self.has_mask else None

    @property
    def has_mask(self) -> bool:
        return self.bands.has_mask or self.bands.reject != 0

    @property
    def has_variance(self) -> bool:
        return self.bands.has_variance

    @property
    def pixel_bytes(self) -> int:
        return int(self.dtype.itemsize) + 4 + 4 * self.has_variance

    def read(self, rows: slice, columns: slice) -> Pixels:
        """Read a part of the exposure; its arrays are valid until this thread reads the next part."""
        band = self.bands.read(rows, columns, into=self._band(rows.stop - rows.start, columns.stop - columns.start))
        return Pixels(band.image, band.mask if self.has_mask else None, band.variance)

    def _band(self, height: int, width: int) -> Band:
        """Return arrays of this thread for a number of rows and columns."""
        band: Band | None = getattr(self._local, "band", None)
        if (
            band is None
            or band.image.dtype != self.dtype
            or (band.variance is not None) != self.has_variance
            or band.image.shape[1] != width
            or band.image.shape[0] < height
        ):
            band = self._local.band = self.bands.new_band(height, width)
        variance = None if band.variance is None else band.variance[:height]
        return Band(band.image[:height], band.mask[:height], variance)


@dataclass(frozen=True)
class StoredPlane:
    """A plane in a file without a header, which any process of this machine can read.

    Attributes
    ----------
    path : Path
    shape : (int, int)
    dtype : numpy dtype
    """

    path: Path
    shape: tuple[int, int]
    dtype: Any

    def write(self, first_row: int, pixels: np.ndarray) -> None:
        """Write rows."""
        data = np.ascontiguousarray(pixels, self.dtype)
        try:
            with open(self.path, "r+b" if self.path.exists() else "w+b") as file:
                file.seek(first_row * self.shape[1] * data.itemsize)
                file.write(data.data)
        except OSError as error:
            raise self._unusable(error) from error

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Read rows into a new array."""
        start, stop, _ = rows.indices(self.shape[0])
        found = np.empty((max(stop - start, 0), self.shape[1]), self.dtype)
        try:
            with open(self.path, "rb", buffering=0) as file:
                file.seek(start * self.shape[1] * found.itemsize)
                left = found.reshape(-1).view(np.uint8).data
                while left:
                    number = file.readinto(left)
                    if not number:
                        raise OSError("it is shorter than it was made")
                    left = left[number:]
        except OSError as error:
            raise self._unusable(error) from error
        return found

    def _unusable(self, error: OSError) -> FitsError:
        return FitsError(
            f"{self.path.parent}: cannot be used as scratch space: {error.strerror or error}; free some, or choose "
            "another folder with --scratch (scratch)"
        )

    def remove(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # it takes only room
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class StoredExposure:
    """A resampled exposure on disk.

    Attributes
    ----------
    box : Box
        Its place on the grid.
    image, mask, variance : StoredPlane or None
    bad : int
        Bits of the mask that reject a pixel.
    planes : mapping of str to int or None
    masked_fraction : float
        Share of the exposure's own pixels that are not good.
    noise_factor : float
        See `evensky.combining.resampling.Resampled`.
    """

    box: Box
    image: StoredPlane
    mask: StoredPlane | None
    variance: StoredPlane | None
    bad: int
    planes: Mapping[str, int] | None
    masked_fraction: float
    noise_factor: float

    @property
    def reader(self) -> MemoryPlanes:
        """The planes at their place on the grid."""
        return MemoryPlanes(self.image, self.mask, self.variance, self.box[0], self.box[1], self.bad, self.planes)

    def remove(self) -> None:
        """Remove the files."""
        for plane in (self.image, self.mask, self.variance):
            if plane is not None:
                plane.remove()


@dataclass(frozen=True)
class SourcePlan:
    """Where a job finds an exposure of a stack.

    Attributes
    ----------
    label : str
    image : ImageDescription
    x0, y0 : int
        Place on the grid of its first pixel, unless it was resampled.
    whole : bool
        Whether the exposure is unpacked as a whole, as its bands depend on all its pixels.
    stored : StoredExposure or None
        Its resampled pixels.
    """

    label: str
    image: ImageDescription
    x0: int = 0
    y0: int = 0
    whole: bool = False
    stored: StoredExposure | None = None


@dataclass(frozen=True)
class StackPlan:
    """A stack as plain data, from which any process can make it.

    Attributes
    ----------
    run : str
        Identifier of the stack.
    sources : tuple of SourcePlan
    shape : (height, width)
        Size of the grid.
    options : CombineOptions
    weights, times : tuple or None
        Of each exposure.
    with_time, with_weight : bool
        Whether the exposure time and the sum of the weights of each pixel are wanted.
    scratch : Path or None
        Folder for what must be unpacked.
    num_threads : int
        Threads of each job.
    """

    run: str
    sources: tuple[SourcePlan, ...]
    shape: tuple[int, int]
    options: CombineOptions
    weights: tuple[float, ...] | None = None
    times: tuple[float | None, ...] | None = None
    with_time: bool = False
    with_weight: bool = False
    scratch: Path | None = None
    num_threads: int = 0
    opened: dict[int, ExposureBands] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "opened": {}}


def open_stack(plan: StackPlan) -> Stack:
    """Open the exposures of a stack.

    Raises
    ------
    evensky.errors.FitsError
        If one cannot be read; in this process they were opened before.
    """
    readers: list[PlaneReader] = []
    for number, source in enumerate(plan.sources):
        if source.stored is not None:
            readers.append(source.stored.reader)
            continue
        bands = plan.opened.get(number)
        if bands is None:
            bands = ExposureBands(source.image, scratch=plan.scratch, whole=source.whole)
        readers.append(FileReader(bands, source.x0, source.y0))
    return Stack(
        readers,
        plan.shape,
        plan.options,
        weights=plan.weights,
        times=plan.times,
        with_time=plan.with_time,
        with_weight=plan.with_weight,
        labels=[source.label for source in plan.sources],
    )


def combine_rows(plan: StackPlan, first: int, stop: int) -> CombinedBand:
    """Combine rows of a stack; the job of a worker.

    Raises
    ------
    evensky.combining.engine.LostExposureError
        If an exposure cannot be read.
    """
    stack: Stack = STACKS.get(plan.run, lambda: open_stack(plan))
    return stack.combine(slice(first, stop), num_threads=plan.num_threads)


def resample_to_disk(
    source: SourcePlan, wcs: Any, grid: TargetGrid, box: Box, method: str, folder: Path, run: str, number: int
) -> StoredExposure | FitsError:
    """Resample an exposure of a file onto a grid, and keep the result on disk; the job of a worker.

    Returns
    -------
    StoredExposure or FitsError
        The error if the file cannot be read.
    """
    try:
        with ExposureBands(source.image, scratch=folder, whole=source.whole) as bands:
            whole = bands.read(slice(0, bands.shape[0]))
            bad = signed_bits(bands.bad)
            has_mask = bands.has_mask or bands.reject != 0
            planes = bands.plane_names if has_mask else None
    except FitsError as error:
        return error
    _, y0, width, height = box
    # A file that a killed process leaves is removed by the next one, which knows it by the mark.
    stem = f".combined.evensky-{mark()}-{run}{number}"
    made = {
        name: StoredPlane(folder / f"{stem}{name}.tmp", (height, width), dtype)
        for name, plane, dtype in (
            ("image", whole.image, np.dtype(np.float32)),
            ("mask", whole.mask if has_mask else None, np.dtype(np.int32)),
            ("variance", whole.variance, np.dtype(np.float32)),
        )
        if plane is not None
    }
    factor = 1.0
    try:
        for part in resample_chunks(
            whole.image,
            whole.mask if has_mask else None,
            bad,
            whole.variance,
            wcs,
            grid,
            method=method,
            box=box,
            per_pixel=scales_with_area(source.image.unit),
            label=source.label,
        ):
            factor = part.noise_factor
            for name, plane in made.items():
                plane.write(part.box[1] - y0, getattr(part, name))
    except BaseException:
        for plane in made.values():
            plane.remove()
        raise
    return StoredExposure(
        box,
        made["image"],
        made.get("mask"),
        made.get("variance"),
        bad,
        planes,
        _masked_fraction(whole, bad),
        factor,
    )


def _masked_fraction(band: Band, bad: int) -> float:
    """Return the share of the pixels of an exposure that are not good."""
    height, width = band.image.shape
    step = max(1, _COUNTED // width)
    number = 0
    for row in range(0, height, step):
        rows = slice(row, row + step)
        wrong = ~np.isfinite(band.image[rows])
        wrong |= band.mask[rows] & np.int32(bad) != 0
        number += int(np.count_nonzero(wrong))
    return float(number / (height * width))


def free_space(folder: Path) -> int | None:
    """Return the free space of the disk of a folder in bytes; None if the system does not tell."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
