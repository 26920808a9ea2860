"""Sources of one exposure: their pixels, and the positions of its stars.

Where the pixels of two exposures do not coincide, stars do not cancel in the difference, and their pixels are left out.
They are those in which the smoothed image exceeds the level around it, grown by some pixels, and by more around bright
stars and galaxies, whose wings reach farther. Level and noise are found in blocks of about 64 px, so that the sky and
everything else on larger scales, such as nebulae and scattered light, is not masked.

The work is done in bands of rows, and no copy of the whole image is made.
"""

from __future__ import annotations

__all__ = ["Sources", "find_sources"]

from dataclasses import dataclass

import numpy as np

from ..._bands import row_bands
from ..._checks import shown
from ...errors import InvalidParameterError
from ...fits.scratch import Scratch, ScratchPlane, stored

# Side in pixels of the blocks in which level and noise are found, and the distance of the samples that are used for it,
# which is about the width of the smoothing: closer ones say little more.
_BLOCK, _STEP = 64, 4
# The image is smoothed by boxes of 3 and 5 px, whose product is about as wide as stars with a seeing of 4 px; it
# reaches this number of pixels to each side.
_REACH = 3
# Least weight of the good pixels under the smoothing.
_LEAST_WEIGHT = 0.2
# Least share of the samples of a block that must be good.
_LEAST_SHARE = 0.25
# Share of a Gaussian distribution that lies one standard deviation or more below its mean. Sources hardly change it.
_BELOW = 0.1587
# A block whose level exceeds those around it by more than this number of its noises holds a bright source.
_OUTLIER = 8.0
# Largest correction of the level of a block after the levels of all are subtracted, in noises.
_CORRECTION = 3.0
# Where more than this share of a block would be masked, the threshold is raised by this factor, several times; then the
# mask is dropped.
_LARGEST_SHARE, _RAISE, _RAISED = 0.6, 4.0, 8
# Sources are grown by this number of widths of the stars (FWHM), within limits, as wings are as wide as cores: for a
# seeing of 3 and 6 px, the wings that remain of Moffat profiles bias the difference by 0.04 counts if masks of both are
# grown by 4 px, and by 0.01 with this.
_SEEING, _LARGEST_GROWTH = 1.75, 12
# Large sources are grown by this share of the radius within which they exceed the threshold, if that is more. Wings of
# stars fall to a thirtieth within 0.8 radii if they fall with the sixth power of the radius.
_WINGS = 0.8
# Largest radius that is grown, in cells of `_STEP` px, and largest masked core that is filled.
_LARGEST_RADIUS, _LARGEST_CORE = 16, 24
# Cosmic rays need no mask, as clipping removes them, unless they are wider than a pixel: pixels that exceed this number
# of thresholds, and the median of their neighbours by this factor, which is 5 for stars with a seeing of 1.5 px.
_HIT, _SHARPER = 8.0, 6.0
# Bits of a pixel: a bad one, and the number of thresholds that it exceeds.
_BAD, _LEVELS = 128, 127

# Number of stars, and of the brightest peaks among which they are chosen.
_STARS, _PEAKS = 200, 600
# Least peak of a star, in thresholds.
_LEAST_PEAK = 2.0
# Half side of the stamp in which a star is measured, and the standard deviation in pixels of the weight of its pixels.
_HALF, _WEIGHT = 6, 2.0
# A peak with a brighter one within the first radius is a part of it. One that has another of at least this share of its
# light within the second is not measured.
_SAME, _CROWDED, _NEIGHBOUR = 3.0, 9.0, 0.3
# The brightest pixel of a star exceeds the smoothed peak by less than this factor: 5 for a seeing of 2 px, 25 for a
# single pixel.
_SHARPEST = 8.0
# A star is saturated if this number of pixels is within 2 % of the brightest.
_FLAT = 6
# Fewest stars that give a width, and the width at half the maximum of a Gaussian profile in standard deviations.
_FEWEST_STARS, _FWHM = 5, 2.354820045
# Stars have one size: largest deviation from the most frequent one, and their largest elongation.
_SIZE, _ELONGATION = 0.3, 1.6


@dataclass(frozen=True)
class Sources:
    """Sources of an exposure.

    Attributes
    ----------
    mask : ndarray of bool, shape (height, width)
        Pixels that hold light of sources.
    x, y : ndarray of float64, shape (n,)
        Centroids of the brightest stars, at most 200, as array indices; the brightest comes first.
    flux : ndarray of float64, shape (n,)
        Light of each star, weighted by a Gaussian function about its centroid.
    fwhm : float
        Width of the stars in pixels (FWHM); NaN if there are fewer than five.
    share : float
        Share of the good pixels that are masked.
    kept : float
        Share of the blocks of 64 px with good pixels in which nothing is masked, because too little would be left.
    """

    mask: np.ndarray
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    fwhm: float
    share: float
    kept: float


def find_sources(image: np.ndarray | ScratchPlane, *, threshold: float = 4.0, grow: int = 4) -> Sources:
    """Find the pixels of sources, and the positions of stars.

    Parameters
    ----------
    image : ndarray or ScratchPlane of float32 or float64, shape (height, width)
        Bad pixels are NaN.
    threshold : float
        Least excess of the smoothed image over the level around, in standard deviations of the smoothed image.
    grow : int
        Least number of pixels by which sources are grown. It is larger where stars are wider than 3 px, and around
        bright sources.

    Returns
    -------
    Sources

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the image is not a plane of floating-point numbers, or if an option is out of range.
    """
    if image.ndim != 2 or image.dtype.kind != "f":
        raise InvalidParameterError(
            f"image has the shape {image.shape} and the type {image.dtype}; a 2-D array of float32 or float64 is needed"
        )
    if not threshold > 0:
        raise InvalidParameterError(f"threshold is {shown(threshold)}; it must be positive")
    if grow < 0:
        raise InvalidParameterError(f"grow is {shown(grow)}; it must be 0 or more")
    if image.size == 0:
        return Sources(np.zeros(image.shape, bool), np.zeros(0), np.zeros(0), np.zeros(0), np.nan, 0.0, 0.0)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        smooth = _Smooth(image)
        ground = _ground_of(smooth)
        levels, cells, peaks = _thresholds_exceeded(smooth, ground, threshold)
        x, y, flux, fwhm = _stars(image, smooth.zero, ground, peaks)
        if fwhm == fwhm:
            grow = max(grow, round(min(_SEEING * fwhm, _LARGEST_GROWTH)))
        mask, share, kept = _masked(levels, cells, ground, grow, smooth.scratch)
    return Sources(mask, x, y, flux, fwhm, share, kept)


class _Smooth:
    """A smoothed image, of which bands of rows are computed when they are needed.

    Attributes
    ----------
    shape : (int, int)
    zero : float
        Value that is subtracted from the pixels, so that single precision is good enough.
    """

    def __init__(self, image: np.ndarray | ScratchPlane) -> None:
        self._image = image
        self.scratch = image.scratch if isinstance(image, ScratchPlane) else Scratch()
        self.shape: tuple[int, int] = image.shape
        some = image[:: max(1, image.shape[0] // 64)][:, :: max(1, image.shape[1] // 64)]
        some = some[np.isfinite(some)]
        self.zero = float(np.median(some)) if some.size else 0.0

    def rows(
        self, start: int, stop: int, ground: _Ground | None = None, limits: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """Smooth some rows.

        Parameters
        ----------
        start, stop : int
        ground : _Ground, optional
            Its level is subtracted.
        limits : ndarray, shape (width,), optional
            Least excess over the level of a single pixel that is replaced by its neighbours, for each column.

        Returns
        -------
        means : ndarray of float32, shape (stop - start, width)
            Weighted means of the good pixels around each pixel.
        bad : ndarray of bool or None
            Bad pixels; None if there is none.
        weights : ndarray of float32, shape (stop - start, width) or (1, width)
            Sum of the weights of the good pixels, 1 if all are good. The noise of a mean is inversely proportional to
            the root of it, about.
        """
        height, width = self.shape
        border = _REACH + 1  # a pixel more than the smoothing reaches, whose neighbours are known then
        padded = np.zeros((stop - start + 2 * border, width + 2 * border), np.float32)
        first, last = max(start - border, 0), min(stop + border, height)
        inside = slice(first - start + border, last - start + border), slice(border, -border)
        inner = padded[inside]
        np.subtract(self._image[first:last], self.zero, out=inner, casting="same_kind")
        good = np.isfinite(inner)
        all_good = bool(good.all())
        if ground is not None:
            inner -= ground.level_at(np.arange(first, last), np.arange(width))
        if limits is not None:
            _remove_hits(inner, limits)
        bad = None
        if all_good:
            weights = _along_axis(width, 0, width)[None, :] * _along_axis(height, start, stop)[:, None]
            if first < start and last > stop:
                weights = weights[:1]
        else:
            inner[~good] = 0.0
            bad = ~good[start - first : stop - first]
            counted = np.zeros(padded.shape, np.float32)
            counted[inside] = good
            weights = _smoothed(counted[1:-1, 1:-1])
        means = _smoothed(padded[1:-1, 1:-1])
        means /= weights
        return means, bad, weights


def _remove_hits(excess: np.ndarray, limits: np.ndarray) -> None:
    """Replace pixels that are brighter than any star allows beside its neighbours by their median, in place."""
    rows, columns = np.nonzero(excess > limits)
    inner = (rows > 0) & (rows < excess.shape[0] - 1) & (columns > 0) & (columns < excess.shape[1] - 1)
    rows, columns = rows[inner], columns[inner]
    around = np.stack([excess[rows + y, columns + x] for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x])
    around.sort(axis=0)  # NaN comes last
    number = np.count_nonzero(around == around, axis=0)
    middle = np.where(number > 0, around[np.maximum(number - 1, 0) // 2, np.arange(rows.size)], 0.0)
    is_hit = excess[rows, columns] > _SHARPER * middle
    excess[rows[is_hit], columns[is_hit]] = middle[is_hit]


def _along_axis(size: int, start: int, stop: int) -> np.ndarray:
    """Return the sum of the weights along one axis at some places; outside the image there is no weight."""
    places = np.arange(start - _REACH, stop + _REACH)
    return _boxes(((places >= 0) & (places < size)).astype(np.float32))


def _smoothed(padded: np.ndarray) -> np.ndarray:
    return _boxes(_boxes(padded).T).T


def _boxes(values: np.ndarray) -> np.ndarray:
    """Return means over boxes of 3 and 5 along the first axis, without the ends."""
    three = values[:-2] + values[1:-1]
    three += values[2:]
    five = three[:-4] + three[4:]
    for k in (1, 2, 3):
        five += three[k : k - 4]
    five *= np.float32(1 / 15)
    return np.asarray(five)


@dataclass
class _Ground:
    """Level and noise of the smoothed image in blocks.

    Attributes
    ----------
    y_edges, x_edges : ndarray of int
        Starts of the blocks and the end of the last; all but the last are multiples of `_STEP`.
    level, noise : ndarray of float32, shape (rows, columns)
    """

    y_edges: np.ndarray
    x_edges: np.ndarray
    level: np.ndarray
    noise: np.ndarray

    def level_of(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the level of some pixels."""
        lower, share = _neighbours(rows, _centres(self.y_edges))
        left, along = _neighbours(columns, _centres(self.x_edges))
        padded = np.pad(self.level, ((0, 1), (0, 1)), "edge")
        low, high = (padded[k, left] + along * (padded[k, left + 1] - padded[k, left]) for k in (lower, lower + 1))
        return np.asarray(low + share * (high - low))

    def level_at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the level of all pixels in some rows and columns."""
        lower, share = _neighbours(rows, _centres(self.y_edges))
        left, along = _neighbours(columns, _centres(self.x_edges))
        padded = np.pad(self.level, ((0, 1), (0, 1)), "edge")
        first = lower.min()
        rows = padded[first : lower.max() + 2]
        rows = rows[:, left] + along * (rows[:, left + 1] - rows[:, left])
        change = np.diff(rows, axis=0)
        return np.asarray(change[lower - first] * share[:, None] + rows[lower - first])


def _centres(edges: np.ndarray) -> np.ndarray:
    return np.asarray((edges[1:] + edges[:-1] - 1) / 2)


def _neighbours(places: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the block before each place, and its distance from the centre as a share of that of the next.

    Levels are continued linearly beyond the first and the last centre.
    """
    before = np.clip(np.searchsorted(centres, places, side="right") - 1, 0, max(len(centres) - 2, 0))
    if len(centres) == 1:
        return before, np.zeros(len(places), np.float32)
    share = (places - centres[before]) / (centres[before + 1] - centres[before])
    return before, share.astype(np.float32)


def _block_edges(size: int) -> np.ndarray:
    """Divide an axis into blocks of about 64 px."""
    samples = -(-size // _STEP)
    number = max(1, round(size / _BLOCK))
    edges = np.round(np.linspace(0, samples, number + 1)).astype(np.int64) * _STEP
    edges[-1] = size
    return edges


def _ground_of(smooth: _Smooth) -> _Ground:
    """Find level and noise in blocks from samples of the smoothed image."""
    height, width = smooth.shape
    y_edges, x_edges = _block_edges(height), _block_edges(width)
    y_start, x_start = min(_STEP // 2, height - 1), min(_STEP // 2, width - 1)
    samples = np.full((-(-height // _STEP), -(-width // _STEP)), np.nan, np.float32)
    errors = np.ones(samples.shape, np.float32)  # factors by which bad pixels raise the noise
    for start, stop in zip(y_edges[:-1].tolist(), y_edges[1:].tolist(), strict=True):
        means, _, weights = smooth.rows(start, stop)
        weights = np.broadcast_to(weights, means.shape)[y_start::_STEP, x_start::_STEP]
        some = means[y_start::_STEP, x_start::_STEP]
        some[weights < _LEAST_WEIGHT] = np.nan
        where = slice(start // _STEP, start // _STEP + some.shape[0]), slice(some.shape[1])
        samples[where], errors[where] = some, 1 / np.sqrt(weights)
    in_blocks = _Blocks(y_edges, x_edges)
    middle, below = in_blocks.quantiles(samples)
    noise = middle - below
    usual = float(np.nanmedian(noise)) if np.isfinite(noise).any() else 0.0
    around = _median_around(middle)
    level = np.where(middle - around > _OUTLIER * usual, around, middle)
    ground = _Ground(y_edges, x_edges, _filled(level), noise)
    # Slopes within blocks count as noise before the levels are subtracted, and not after.
    for start, stop in zip(y_edges[:-1].tolist(), y_edges[1:].tolist(), strict=True):
        level = ground.level_at(np.arange(start + y_start, stop, _STEP), np.arange(x_start, width, _STEP))
        samples[start // _STEP : start // _STEP + level.shape[0], : level.shape[1]] -= level
    middle, _ = in_blocks.quantiles(samples)
    _, below = in_blocks.quantiles(samples / errors)
    noise = _filled(_median_around(middle - below))
    # Without any noise, nothing but rounding errors separates sources from the sky.
    least = np.spacing(np.float32(abs(smooth.zero) + np.abs(ground.level).max())) * 4
    ground.noise = np.maximum(noise, max(float(least), 1e-30)).astype(np.float32)
    correction = np.clip(np.nan_to_num(middle), -_CORRECTION * ground.noise, _CORRECTION * ground.noise)
    ground.level = ground.level + correction.astype(np.float32)
    return ground


class _Blocks:
    """Samples of an image, sorted by blocks."""

    def __init__(self, y_edges: np.ndarray, x_edges: np.ndarray) -> None:
        self._rows, self._columns = (self._indices(edges) for edges in (y_edges, x_edges))

    @staticmethod
    def _indices(edges: np.ndarray) -> np.ndarray:
        """Return the indices of the samples of each block, -1 after the last."""
        ends = -(-edges // _STEP)
        indices = ends[:-1, None] + np.arange(np.diff(ends).max())
        return np.where(indices < ends[1:, None], indices, -1)

    def quantiles(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the median of each block, and the value one standard deviation below it; NaN if few are good."""
        padded = np.pad(samples, ((0, 1), (0, 1)), constant_values=np.nan)
        middle, below = np.full((2, len(self._rows), len(self._columns)), np.nan, np.float32)
        least = max(4.0, _LEAST_SHARE * self._rows.shape[1] * self._columns.shape[1])
        for k, rows in enumerate(self._rows):
            values = padded[rows][:, self._columns].swapaxes(0, 1).reshape(len(self._columns), -1)
            values.sort(axis=1)  # NaN comes last
            number = np.count_nonzero(values == values, axis=1)
            every = np.arange(len(number))
            known = number >= min(least, values.shape[1])
            for found, share in ((middle, 0.5), (below, _BELOW)):
                found[k] = np.where(known, values[every, (share * np.maximum(number - 1, 0)).astype(int)], np.nan)
        return middle, below


def _median_around(values: np.ndarray) -> np.ndarray:
    """Return the median of each block and its eight neighbours."""
    padded = np.pad(values, 1, constant_values=np.nan)
    rows, columns = values.shape
    every = np.stack([padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=2)
    every.sort(axis=2)
    number = np.count_nonzero(every == every, axis=2)
    middle = np.maximum(number - 1, 0)
    low, high = (np.take_along_axis(every, index[..., None], 2)[..., 0] for index in (middle // 2, (middle + 1) // 2))
    return np.asarray((low + high) / 2)


def _filled(values: np.ndarray) -> np.ndarray:
    """Return values in which unknown ones are means of their neighbours, or of the neighbours of these."""
    values = values.copy()
    if not np.isfinite(values).any():
        return np.zeros(values.shape, np.float32)
    while not (known := np.isfinite(values)).all():
        sums, numbers = np.zeros(values.shape), np.zeros(values.shape)
        some, counted = np.pad(np.where(known, values, 0.0), 1), np.pad(known, 1)
        for y in range(3):
            for x in range(3):
                part = slice(y, y + values.shape[0]), slice(x, x + values.shape[1])
                sums += some[part]
                numbers += counted[part]
        new = ~known & (numbers > 0)
        values[new] = sums[new] / numbers[new]
    return values.astype(np.float32)


@dataclass
class _Peaks:
    """Local maxima of the smoothed image."""

    rows: np.ndarray
    columns: np.ndarray
    height: np.ndarray


def _thresholds_exceeded(smooth: _Smooth, ground: _Ground, threshold: float) -> tuple[np.ndarray, np.ndarray, _Peaks]:
    """Count the thresholds that each pixel of the smoothed image exceeds.

    Returns
    -------
    levels : ndarray of uint8, shape (height, width)
        Number of thresholds, each of which is `_RAISE` times the one before; bad pixels have the bit `_BAD`.
    cells : ndarray of uint8
        Least number of thresholds that good pixels exceed in each cell of `_STEP` px; `_BAD` if all are bad.
    peaks : _Peaks
    """
    height, width = smooth.shape
    levels = smooth.scratch.zeros((height, width), np.uint8)
    cells = np.zeros((-(-height // _STEP), -(-width // _STEP)), np.uint8)
    found: list[tuple[np.ndarray, ...]] = []
    for k, (start, stop) in enumerate(zip(ground.y_edges[:-1].tolist(), ground.y_edges[1:].tolist(), strict=True)):
        unit = np.repeat(threshold * ground.noise[k], np.diff(ground.x_edges))
        excess, bad, weights = smooth.rows(start, stop, ground, _HIT * unit)
        excess *= np.sqrt(weights) / unit
        if bad is not None:
            excess[bad | (weights < _LEAST_WEIGHT)] = -np.inf
        band = levels[start:stop]
        for power in range(_RAISED):
            above = excess > _RAISE**power
            if not above.any():
                break
            band += above.view(np.uint8)
        rows, columns = _maxima(excess, _LEAST_PEAK)
        if rows.size > _PEAKS:
            best = np.argpartition(excess[rows, columns], -_PEAKS)[-_PEAKS:]
            rows, columns = rows[best], columns[best]
        found.append((rows + start, columns, excess[rows, columns] * unit[columns]))
        if bad is not None:
            band[bad] |= _BAD
        stored(levels, slice(start, stop), band)
        cells[start // _STEP : -(-stop // _STEP)] = _least_in_cells(band, bad)
    peaks = _Peaks(*(np.concatenate(part) for part in zip(*found, strict=True)))
    return levels, cells, peaks


def _maxima(values: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pixels that exceed a value and their neighbours."""
    padded = np.pad(values, 1, constant_values=-np.inf)
    width, flat = padded.shape[1], padded.ravel()
    places = np.flatnonzero(flat > least)
    for step in (1, width, width + 1, width - 1):  # of equal neighbours, the first is taken
        places = places[flat[places] >= flat[places + step]]
        places = places[flat[places] > flat[places - step]]
    return places // width - 1, places % width - 1


def _least_in_cells(band: np.ndarray, bad: np.ndarray | None) -> np.ndarray:
    """Return the least number of thresholds in each cell of `_STEP` px, without bad pixels."""
    height, width = (-(-size // _STEP) * _STEP for size in band.shape)
    values = band if bad is None else np.where(bad, np.uint8(_BAD), band)
    if (height, width) != band.shape:
        values = np.pad(values, ((0, height - band.shape[0]), (0, width - band.shape[1])), constant_values=_BAD)
    least = values[::_STEP].copy()
    for k in range(1, _STEP):
        np.minimum(least, values[k::_STEP], out=least)
    result = least[:, ::_STEP].copy()
    for k in range(1, _STEP):
        np.minimum(result, least[:, k::_STEP], out=result)
    return result


def _masked(
    levels: np.ndarray, cells: np.ndarray, ground: _Ground, grow: int, scratch: Scratch
) -> tuple[np.ndarray, float, float]:
    """Return the grown mask, the share of the good pixels in it, and the share of blocks where it is dropped."""
    y_edges, x_edges = ground.y_edges, ground.x_edges
    any_bad = bool((cells & _BAD).any()) or any(levels[rows].max() >= _BAD for rows in row_bands(*levels.shape))
    mask = scratch.zeros(levels.shape, bool)
    needed = np.zeros(ground.level.shape, np.uint8)
    good, masked = np.zeros(needed.shape), np.zeros(needed.shape)
    stale = np.ones(len(needed), bool)
    while stale.any():
        wide = _wide(cells, ground, needed)
        for k in np.flatnonzero(stale).tolist():
            start, stop = int(y_edges[k]), int(y_edges[k + 1])
            first, last = max(start - grow, 0), min(stop + grow, levels.shape[0])
            part = levels[first:last]
            values = part & _LEVELS if any_bad else part
            blocks = needed[np.clip(np.searchsorted(y_edges, [first, start, last - 1], side="right") - 1, 0, None)]
            if not blocks.any():
                found = values != 0
            else:
                limits = np.repeat(blocks, np.diff(x_edges), axis=1)
                which = np.ones(last - first, int)
                which[: start - first], which[stop - first :] = 0, 2
                found = values > limits[which]
            _grow(found, grow)
            band = mask[start:stop]
            band[:] = found[start - first : stop - first]
            if wide is not None:
                band |= (
                    wide[start // _STEP : -(-stop // _STEP)]
                    .repeat(_STEP, 0)
                    .repeat(_STEP, 1)[: stop - start, : band.shape[1]]
                )
            stored(mask, slice(start, stop), band)
            if any_bad:
                is_good = levels[start:stop] < _BAD
                good[k] = np.add.reduceat(is_good.sum(axis=0, dtype=np.int64), x_edges[:-1])
                masked[k] = np.add.reduceat((band & is_good).sum(axis=0, dtype=np.int64), x_edges[:-1])
            else:
                good[k] = (stop - start) * np.diff(x_edges)
                masked[k] = np.add.reduceat(band.sum(axis=0, dtype=np.int64), x_edges[:-1])
        too_much = (masked > _LARGEST_SHARE * good) & (needed < _RAISED)
        needed[too_much] += 1
        # Wings reach into blocks around.
        changed = np.pad(too_much.any(axis=1), 2)
        stale = np.logical_or.reduce([changed[n : n + len(stale)] for n in range(5)])
    dropped = needed == _RAISED
    for k, m in zip(*np.nonzero(dropped), strict=True):
        rows = slice(int(y_edges[k]), int(y_edges[k + 1]))
        band = mask[rows]
        band[:, x_edges[m] : x_edges[m + 1]] = False
        stored(mask, rows, band)
        masked[k, m] = 0
    number = np.count_nonzero(good)
    share = float(masked.sum() / good.sum()) if number else 0.0
    return mask, share, float(np.count_nonzero(dropped & (good > 0)) / number) if number else 0.0


def _wide(cells: np.ndarray, ground: _Ground, needed: np.ndarray) -> np.ndarray | None:
    """Return the cells that hold wings of large sources; None if there is none."""
    limits = needed
    for axis, edges in enumerate((ground.y_edges, ground.x_edges)):
        limits = np.repeat(limits, np.diff(-(-edges // _STEP)), axis=axis)
    full = (cells > limits) & (cells != _BAD)
    full |= _cores(cells == _BAD, full)
    found = None
    inner = full
    for radius in range(1, _LARGEST_RADIUS + 1):
        inner = _shrunk(inner, radius)
        if not inner.any():
            break
        # A cell that is left lies this far inside the source, and half a cell is filled at the edge, about.
        inside = _STEP * (radius + 1.25)
        part = inner.copy()
        _grow(part, round(((1 + _WINGS) * inside - _STEP / 2) / _STEP))
        found = part if found is None else found | part
    return found


def _cores(bad: np.ndarray, full: np.ndarray) -> np.ndarray:
    """Find the groups of bad cells that are surrounded by light, such as masked cores of stars."""
    from scipy.ndimage import find_objects, label

    result = np.zeros(bad.shape, bool)
    if not bad.any() or not full.any():
        return result
    labels, _ = label(bad)
    for number, where in enumerate(find_objects(labels), start=1):
        if any(part.stop - part.start > _LARGEST_CORE for part in where):
            continue
        box = tuple(slice(max(part.start - 2, 0), part.stop + 2) for part in where)
        core = labels[box] == number
        ring = core.copy()
        _grow(ring, 1)
        ring &= ~bad[box]
        if ring.any() and np.count_nonzero(full[box] & ring) > 0.5 * np.count_nonzero(ring):
            result[box] |= core
    return result


def _shrunk(values: np.ndarray, turn: int) -> np.ndarray:
    """Return values without their outermost cells: a cross and a square in turn make octagons."""
    outside = ~values
    _grow_once(outside, square=turn % 2 == 0)
    return ~outside


def _grow(values: np.ndarray, radius: int) -> None:
    """Grow the true values by an octagon of a radius, in place."""
    for k in range(radius):
        _grow_once(values, square=k % 2 == 1)


def _grow_once(values: np.ndarray, *, square: bool) -> None:
    across = values.copy()
    across[:, 1:] |= values[:, :-1]
    across[:, :-1] |= values[:, 1:]
    rows = across if square else values.copy()
    values |= across
    values[1:] |= rows[:-1]
    values[:-1] |= rows[1:]


def _stars(
    image: np.ndarray | ScratchPlane, zero: float, ground: _Ground, peaks: _Peaks
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Measure the positions of the brightest stars among peaks.

    Returns
    -------
    x, y, flux : ndarray of float64
    fwhm : float
        NaN if there are few stars.
    """
    order = np.argsort(-peaks.height, kind="stable")[:_PEAKS]
    rows, columns, height = (values[order] for values in (peaks.rows, peaks.columns, peaks.height))
    distance2 = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2
    earlier = np.tri(len(rows), k=-1, dtype=bool)
    part_of_other = ((distance2 <= _SAME**2) & earlier).any(axis=1)
    close = (distance2 <= _CROWDED**2) & (height[None, :] > _NEIGHBOUR * height[:, None]) & ~part_of_other[None, :]
    np.fill_diagonal(close, False)
    inside = (np.minimum(rows, columns) >= _HALF) & (rows < image.shape[0] - _HALF)
    inside &= columns < image.shape[1] - _HALF
    alone = np.flatnonzero(~part_of_other & ~close.any(axis=1) & inside)
    if alone.size == 0:
        return np.zeros(0), np.zeros(0), np.zeros(0), np.nan
    rows, columns, height = rows[alone], columns[alone], height[alone]
    offsets = np.arange(-_HALF, _HALF + 1)
    if isinstance(image, ScratchPlane):
        around = offsets + _HALF
        stamps = np.array(
            [
                image[row : row + offsets.size][:, column + around]
                for row, column in zip((rows - _HALF).tolist(), (columns - _HALF).tolist(), strict=True)
            ],
            np.float64,
        )
    else:
        stamps = image[rows[:, None, None] + offsets[:, None], columns[:, None, None] + offsets].astype(np.float64)
    stamps -= (zero + ground.level_of(rows, columns))[:, None, None]
    x, y, flux, size, elongation, is_star = _measured(stamps, height)
    if np.count_nonzero(is_star) > 2:
        usual = _most_frequent(size[is_star])
        is_star &= np.abs(size - usual) < _SIZE * usual
    is_star &= elongation < _ELONGATION
    chosen = np.flatnonzero(is_star)
    chosen = chosen[np.argsort(-flux[chosen], kind="stable")][:_STARS]
    fwhm = np.nan
    if chosen.size >= _FEWEST_STARS:
        # The weight narrows the stars.
        inverse = 1 / _most_frequent(size[chosen]) ** 2 - 1 / _WEIGHT**2
        fwhm = _FWHM * inverse**-0.5 if inverse > 0 else np.inf
    return columns[chosen] + x[chosen], rows[chosen] + y[chosen], flux[chosen], float(fwhm)


def _measured(stamps: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, ...]:
    """Measure the sources in stamps.

    Returns
    -------
    x, y : ndarray
        Centroids from the centres of the stamps.
    flux, size, elongation : ndarray
        Weighted light, width in pixels, and ratio of the axes.
    is_star : ndarray of bool
        Whether the pixels of the core are good, unsaturated, and not as sharp as those of a cosmic ray.
    """
    offsets = np.arange(-_HALF, _HALF + 1.0)
    is_star = np.isfinite(stamps[:, _HALF - 1 : _HALF + 2, _HALF - 1 : _HALF + 2]).all(axis=(1, 2))
    # Stars are symmetric, about.
    stamps = np.where(np.isfinite(stamps), stamps, stamps[:, ::-1, ::-1])
    stamps = np.where(np.isfinite(stamps), stamps, 0.0)
    core = stamps[:, _HALF - 3 : _HALF + 4, _HALF - 3 : _HALF + 4]
    brightest = core.max(axis=(1, 2))
    is_star &= brightest < _SHARPEST * height
    is_star &= np.count_nonzero(core > 0.98 * brightest[:, None, None], axis=(1, 2)) < _FLAT
    x, y = np.zeros((2, len(stamps)))
    for _ in range(6):
        along_x, along_y = offsets - x[:, None], offsets - y[:, None]
        weight = np.exp(-0.5 * (along_x**2)[:, None, :] / _WEIGHT**2 - 0.5 * (along_y**2)[:, :, None] / _WEIGHT**2)
        light = stamps * weight
        flux = light.sum(axis=(1, 2))
        total = np.where(flux > 0, flux, np.inf)
        # The weight halves the step towards the centroid, at least.
        x = np.clip(x + 2 * (light * along_x[:, None, :]).sum(axis=(1, 2)) / total, -2, 2)
        y = np.clip(y + 2 * (light * along_y[:, :, None]).sum(axis=(1, 2)) / total, -2, 2)
    xx = (light * (along_x**2)[:, None, :]).sum(axis=(1, 2)) / total
    yy = (light * (along_y**2)[:, :, None]).sum(axis=(1, 2)) / total
    xy = (light * along_x[:, None, :] * along_y[:, :, None]).sum(axis=(1, 2)) / total
    mean, difference = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    is_star &= (flux > 0) & (mean > difference) & (np.hypot(x, y) < 2)
    size = np.sqrt(np.maximum(mean, 0))
    elongation = np.sqrt(np.where(is_star, (mean + difference) / np.where(mean > difference, mean - difference, 1), 9))
    return x, y, flux, size, elongation, is_star


def _most_frequent(values: np.ndarray) -> float:
    """Return the centre of the narrowest interval that holds half of the values."""
    values = np.sort(values)
    half = (len(values) + 1) // 2
    start = int(np.argmin(values[half - 1 :] - values[: len(values) - half + 1]))
    return float(np.median(values[start : start + half]))
