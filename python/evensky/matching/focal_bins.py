"""Pixels of detectors in the bins of a focal plane."""

from __future__ import annotations

__all__ = ["BinSums", "SmoothBins", "add_pixels", "bits_of", "cell_counts", "centred_sums", "good_pixels"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..geom import Box2I
from ..image.bad_bits import bad_bits
from ..image.foreign import Planes
from ..image.mask import Mask
from ..math import (
    MEANCLIP,
    NCLIPPED,
    STDEVCLIP,
    StatisticsControl,
    lookupMaxInterpStyle,
    lookupMinInterpPoints,
    makeInterpolate,
    makeStatistics,
    stringToInterpStyle,
)
from .bin_sums import bin_positions, fill_bins, fit_plane, sample_bins
from .detector import affine_map, composed, inverted, mapped

# Rounds in which the sums of bins are corrected for the places of their pixels. A plane is exact without any; each
# round at least halves what curvature leaves.
_ROUNDS = 4
# Largest number of positions per bin at which splines are evaluated, and of positions of a whole grid.
_FINER = 8
_MOST_FINE = 2**22


@dataclass(slots=True)
class BinSums:
    """Sums over the pixels of each bin, shape (ny, nx).

    Attributes
    ----------
    values : ndarray of float64
        Clipped mean times number of pixels.
    numbers : ndarray of float64
        Number of good pixels, before clipping.
    offsets : ndarray of float64, shape (2, ny, nx)
        Sum over the good pixels of x and y, as distances from the centre of the bin in bins.
    """

    values: np.ndarray
    numbers: np.ndarray
    offsets: np.ndarray

    @classmethod
    def zeros(cls, shape: tuple[int, int]) -> BinSums:
        """Return sums over no pixels."""
        return cls(np.zeros(shape), np.zeros(shape), np.zeros((2, *shape)))

    def add(self, other: BinSums) -> None:
        """Add the sums of another set of pixels in the same bins."""
        self.values += other.values
        self.numbers += other.numbers
        self.offsets += other.offsets

    def copy(self) -> BinSums:
        """Return a copy that shares nothing."""
        return BinSums(self.values.copy(), self.numbers.copy(), self.offsets.copy())


def cell_counts(bbox: Box2I, size: int) -> tuple[int, int]:
    """Return the numbers of cells in x and y over a box: none larger than `size`, and at least two for a slope."""
    width, height = bbox.getDimensions()
    nx, ny = (max(-(-length // size), min(length, 2)) for length in (width, height))
    return nx, ny


def good_pixels(planes: Planes, mask: list[str]) -> np.ndarray:
    """Return where pixels are finite and have none of the named mask planes.

    A default plane that the image's mask lacks is ignored. An image whose mask has no named planes has only the pixels
    rejected that it marks itself.

    Raises
    ------
    evensky.errors.NotFoundError
        If the mask lacks a plane that is not one of the default ones.
    """
    good: np.ndarray = np.isfinite(planes.image)
    if planes.mask is not None:
        good &= (planes.mask & np.int32(bits_of(planes, mask))) == 0
    return good


def bits_of(planes: Planes, mask: list[str]) -> int:
    """Return the bits of named mask planes, as by `good_pixels`, and those that always reject a pixel."""
    if planes.mask is None or planes.mask_planes is None:
        return planes.reject
    own = Mask(planes.mask, mask_planes=planes.mask_planes)
    return planes.reject | bad_bits(own, mask, defaults_may_lack=True)


def add_pixels(sums: BinSums, planes: Planes, good: np.ndarray, place: np.ndarray) -> int:
    """Add the pixels of an image to the bins that they fall into.

    Parameters
    ----------
    sums : BinSums
        Sums to add to.
    planes : Planes
        Image with its pixel origin.
    good : ndarray of bool
        Pixels that count.
    place : ndarray, shape (2, 3)
        Affine map from pixels, in parent coordinates, to bins; bin (i, j) reaches from i - 0.5 to i + 0.5 in x.

    Returns
    -------
    int
        Number of pixels added. Those outside the grid do not count.
    """
    control = StatisticsControl()  # three rounds at 3 standard deviations
    local = composed(affine_map(place, "place"), np.array([[1.0, 0.0, planes.x0], [0.0, 1.0, planes.y0]]))
    local = affine_map(local, "place")
    added = 0
    for (i, j), rows, columns, inside in _parts(local, planes.image.shape, sums.numbers.shape):
        counts = good[rows, columns] if inside is None else good[rows, columns] & inside
        number = int(np.count_nonzero(counts))
        if number == 0:
            continue
        pixels = planes.image[rows, columns]
        statistics = makeStatistics(pixels[counts], MEANCLIP | STDEVCLIP | NCLIPPED, control)
        mean = statistics.getValue(MEANCLIP)
        if not np.isfinite(mean):
            continue
        if statistics.getValue(NCLIPPED):
            # In a steep background, the clipped pixels may be those at one end of the bin.
            width = control.getNumSigmaClip() * statistics.getValue(STDEVCLIP)
            kept = counts & (np.abs(pixels - mean) <= width)
            counts = kept if kept.any() else counts
        along, across = np.count_nonzero(counts, axis=0), np.count_nonzero(counts, axis=1)
        x = float(along @ np.arange(columns.start, columns.stop)) / float(along.sum())
        y = float(across @ np.arange(rows.start, rows.stop)) / float(along.sum())
        sums.values[j, i] += mean * number
        sums.numbers[j, i] += number
        sums.offsets[:, j, i] += (mapped(local, x, y) - (i, j)) * number
        added += number
    return added


def _parts(
    place: np.ndarray, shape: tuple[int, ...], grid: tuple[int, ...]
) -> Iterator[tuple[tuple[int, int], slice, slice, np.ndarray | None]]:
    """Iterate over the bins that an image touches.

    Yields
    ------
    bin : tuple of int
        Column and row of the bin.
    rows, columns : slice
        Smallest rectangle of the image that holds the pixels of the bin.
    inside : ndarray of bool or None
        Which pixels of the rectangle are in the bin; None if all are.
    """
    height, width = shape
    ny, nx = grid
    place = place + np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5]])  # the bin of a position is its floor
    back = inverted(place)
    corners = mapped(place, np.array([0, width - 1, 0, width - 1]), np.array([0, 0, height - 1, height - 1]))
    low = np.clip(np.floor(corners.min(axis=1)), 0, (nx, ny)).astype(int)
    high = np.clip(np.floor(corners.max(axis=1)), -1, (nx - 1, ny - 1)).astype(int)
    for j in range(low[1], high[1] + 1):
        for i in range(low[0], high[0] + 1):
            y = mapped(back, np.array([i, i + 1, i, i + 1]), np.array([j, j, j + 1, j + 1]))[1]
            rows = np.arange(*np.clip([np.floor(y.min()) - 1, np.ceil(y.max()) + 2], 0, height).astype(int))
            # In each row the pixels of a bin are neighbours, as bins are convex.
            limits = [_columns(line, rows, number, width) for line, number in zip(place, (i, j), strict=True)]
            start, stop = np.maximum(limits[0][0], limits[1][0]), np.minimum(limits[0][1], limits[1][1])
            full = np.flatnonzero(start < stop)
            if full.size == 0:
                continue
            part = slice(full[0], full[-1] + 1)
            start, stop = start[part], stop[part]
            columns = slice(int(start[start < stop].min()), int(stop[start < stop].max()))
            inside = None
            if np.ptp(start) or np.ptp(stop):
                index = np.arange(columns.start, columns.stop)
                inside = (index >= start[:, np.newaxis]) & (index < stop[:, np.newaxis])
            yield (i, j), slice(int(rows[part][0]), int(rows[part][-1]) + 1), columns, inside


def _columns(line: np.ndarray, rows: np.ndarray, number: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first column of each row whose ``floor(a x + b y + c)`` is a number, and the one after the last.

    The end of one number is computed as the beginning of the next, so that each pixel belongs to exactly one.
    """
    a, b, c = line
    base = b * rows + c
    if a == 0:
        return np.zeros(len(rows), int), np.where(np.floor(base) == number, width, 0)
    edges = (number - base) / a, (number + 1 - base) / a
    start, stop = (np.ceil(edges[0]), np.ceil(edges[1])) if a > 0 else (np.floor(edges[1]) + 1, np.floor(edges[0]) + 1)
    return np.clip(start, 0, width).astype(int), np.clip(stop, 0, width).astype(int)


def centred_sums(sums: BinSums, least_number: float, interpolation: str | None) -> np.ndarray:
    """Return the sums of values as if all pixels of each bin lay at its centre.

    The mean of a bin that is half covered, by a gap between detectors or at the edge of the focal plane, belongs to
    the centre of the covered part; it is moved to the centre of the bin by the slope of its neighbours. The mean of a
    covered bin differs from the value at its centre by the curvature, which is subtracted. Both follow the bins next to
    each bin closely, so that the bins should have many pixels; see `evensky.matching.bin_sums.centre_bins` for others.

    Parameters
    ----------
    sums : BinSums
    least_number : float
        Bins with fewer pixels are filled from their neighbours before slopes are measured.
    interpolation : str or None
        Style by which they are filled; without one, linearly.

    Returns
    -------
    ndarray of float64, shape (ny, nx)
    """
    x, y = sums.offsets / np.where(sums.numbers > 0, sums.numbers, 1.0)
    plane = _slopes_of_plane(sums, x, y, least_number)
    style = "LINEAR" if interpolation in (None, "NONE") else interpolation
    flat = sums.values - sums.numbers * (plane[0] * x + plane[1] * y)
    values: np.ndarray = flat
    for _ in range(_ROUNDS):
        means, _ = fill_bins(values, sums.numbers, least_number, style)
        moved = (_slope(means, 1) - plane[0]) * x + (_slope(means, 0) - plane[1]) * y
        # The mean of c x^2 over a bin from -1/2 to 1/2 is c / 12, and its second difference is 2 c.
        curved = (_curvature(means, 1) + _curvature(means, 0)) / 24
        values = flat - sums.numbers * (moved + curved)
    return values


def _curvature(means: np.ndarray, axis: int) -> np.ndarray:
    """Return the second differences; those at the ends are those next to them."""
    if means.shape[axis] < 3:
        return np.zeros(means.shape)
    inner = np.diff(means.astype(np.float64), 2, axis=axis)
    return np.pad(inner, [(1, 1) if n == axis else (0, 0) for n in range(2)], mode="edge")


def _slopes_of_plane(sums: BinSums, x: np.ndarray, y: np.ndarray, least_number: float) -> np.ndarray:
    """Return the slopes, per bin, of the plane through the means at the places of their pixels."""
    weights = np.where(sums.numbers >= least_number, sums.numbers, 0.0)
    if not weights.any():
        return np.zeros(2)
    columns, rows = bin_positions(weights.shape)
    return fit_plane(sums.values / np.where(weights > 0, weights, 1.0), weights, columns + x, rows + y)[1:]


def _slope(means: np.ndarray, axis: int) -> np.ndarray:
    """Return the slope per bin: between the neighbours, and at the ends that of the parabola through three bins."""
    if means.shape[axis] < 2:
        return np.zeros(means.shape)
    order: Any = min(2, means.shape[axis] - 1)
    return np.asarray(np.gradient(means.astype(np.float64), axis=axis, edge_order=order))


class SmoothBins:
    """Bins that are interpolated by splines, at any positions.

    Parameters
    ----------
    means : ndarray, shape (ny, nx)
        Values at the centres of the bins.
    interpolation : str or None
        Style; bins are interpolated bilinearly unless it is a spline, or if one is NaN.
    """

    def __init__(self, means: np.ndarray, interpolation: str | None) -> None:
        factor = int(np.clip(np.sqrt(_MOST_FINE / means.size), 1, _FINER))
        self._grid, self._factor, self._start = means, 1, (0, 0)
        if interpolation in ("AKIMA_SPLINE", "NATURAL_SPLINE") and factor > 1 and np.isfinite(means).all():
            # Splines along rows and columns make a finer grid, of which bilinear samples are right also where the rows
            # of a detector are not those of the bins.
            self._grid = _finer(_finer(means.astype(np.float64), interpolation, factor).T, interpolation, factor).T
            self._factor = factor
            self._start = (factor if means.shape[0] > 1 else 0, factor if means.shape[1] > 1 else 0)

    def sample(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the values at positions in bins, see `sample_bins`, as float32.

        Up to one bin beyond the outermost centres the values are continued with the curvature of the last three bins,
        and linearly further out.
        """
        return sample_bins(self._grid, x * self._factor + self._start[1], y * self._factor + self._start[0])


def _finer(means: np.ndarray, interpolation: str, factor: int) -> np.ndarray:
    """Interpolate along rows at `factor` positions per bin, from one bin before the first to one after the last."""
    if means.shape[1] < 2:
        return means
    # Another bin at each end continues the curvature, or the slope of only two bins.
    padded = np.pad(means, ((0, 0), (1, 1)), mode="reflect", reflect_type="odd")
    if means.shape[1] > 2:
        bend = np.diff(means, 2, axis=1)
        padded[:, 0] += bend[:, 0]
        padded[:, -1] += bend[:, -1]
    index = np.arange(padded.shape[1], dtype=np.float64)
    at = np.arange((padded.shape[1] - 1) * factor + 1) / factor
    style = stringToInterpStyle(interpolation)
    if len(index) < lookupMinInterpPoints(style):
        style = lookupMaxInterpStyle(len(index))
    return np.stack([makeInterpolate(index, row, style).interpolate(at) for row in padded])
