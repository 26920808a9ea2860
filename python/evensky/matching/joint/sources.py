"""Light of sources in the differences of exposures with different seeing.

The clipped mean of a difference loses the cores of stars, which differ most if the seeing of two exposures differs, but
keeps the wings, which differ with the opposite sign. As seeing moves light but keeps the total, the plain mean over an
area that holds both core and wings is hardly changed by a star. Therefore the pixels around sources are not clipped,
where it is necessary: clipping still removes cosmic rays and satellites, which only one of the exposures has, and still
applies to sources if both exposures show them in the same way.

Sources are found in cells of about 8 px, in which light is summed: a cell belongs to a source if both exposures are
bright in it or beside it, and if the light that only one of them has is less than seeing can move.

Masks of stars break this balance: the light inside a mask is lost, and the wings outside remain. Where the pixels
around masks show that this biases a pair, they are left out, too.
"""

from __future__ import annotations

__all__ = [
    "SQUARE",
    "Cells",
    "around_masks",
    "biased_squares",
    "cell_edges",
    "cells_of",
    "clipped_light",
    "source_cells",
    "square_edges",
]

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# Side of a cell in pixels: about the diameter of a star.
_CELL = 8
# Number of cells along the side of the blocks in which the level and the noise of cells are found.
_BLOCK = 8
# Least share of the pixels of a cell that must be good.
_LEAST_SHARE = 0.25
# Shares of a Gaussian distribution that lie one and two standard deviations below its mean, or more.
_BELOW = 0.1587, 0.0228
# A cell is bright if it is above the level by more than this number of its standard deviations.
_BRIGHT = 3.0
# The light of a cell in two exposures may differ by this share of the light in and around it that both have, as the
# seeing moves light, plus a number of standard deviations. More is due to a cosmic ray.
_SHARE, _NOISE = 0.7, 3.3
# Number of cells around a bright cell that may hold its wings.
_WINGS = 2
# Clipping of sources is biased if the sum of the clipped light of all sources, or of those in a quadrant, exceeds this
# number of standard deviations. Among some 300 pairs of equal seeing, the largest is 4.1; if the seeing differs by
# tenths of a pixel, nine in ten are beyond 4.4, up to 15.
_BIASED = 4.5
# Light of one cell beyond this multiple of the median does not count more in these sums.
_LIMIT = 3.0
# Fewest cells with clipped light that can show a bias.
_FEWEST_CELLS = 8

SQUARE = 4
"""Side in pixels of the squares in which pixels around masked sources are left out."""
# Fewest masked pixels in two by two squares that are a source, such as three by three pixels: more than a cosmic ray
# or a column of bad pixels.
_FEWEST_MASKED = 9
# Fewest masked pixels of one of the squares of a source.
_FEWEST_IN_SQUARE = 4
# A row or column of squares is a defect or an edge if masks are in more than this share of it.
_LINE = 0.5
# Connected masks are no source if they are longer than this share of the exposure, as empty corners are, or if they are
# longer than a number of squares and fill less than a share of the box around them, as the trails of satellites do.
_LONGEST, _LONG, _FILLED = 0.25, 8, 0.15
# Least share of the good pixels of a bin that must remain. With a third, crowded bins keep the wings of their stars,
# which is worse than the noise of few pixels: ten exposures of different seeing differ by 0.08 counts instead of 0.03.
_REMAINING = 0.1
# Number of divisions of a range of pixels that are kept.
_KEPT_EDGES = 64


@dataclass
class Cells:
    """Light in the cells of one exposure.

    Attributes
    ----------
    first_column, first_row : int
        Numbers of the first cells on the common pixel plane.
    excess : ndarray of float32, shape (rows, columns)
        Mean of the good pixels above the level around; 0 for a cell with few good pixels.
    noise : float
        Standard deviation of the mean of a cell without a source.
    """

    first_column: int
    first_row: int
    excess: np.ndarray
    noise: float

    def part(self, first_column: int, first_row: int, shape: tuple[int, int]) -> np.ndarray:
        """Return the excess of some cells, all of which must exist."""
        row, column = first_row - self.first_row, first_column - self.first_column
        return self.excess[row : row + shape[0], column : column + shape[1]]


def _kept(array: np.ndarray) -> np.ndarray:
    """Return an array that nobody can change, as it is kept."""
    array.flags.writeable = False
    return array


@lru_cache(maxsize=_KEPT_EDGES)
def cell_edges(start: int, size: int, bin_size: int) -> tuple[np.ndarray, int, np.ndarray]:
    """Divide a range of pixels along one axis into cells, a whole number of which make a bin.

    Arrays are kept for the next exposure of this place and size, and cannot be changed.

    Parameters
    ----------
    start, size : int
        First pixel on the common pixel plane, and number of pixels.
    bin_size : int

    Returns
    -------
    edges : ndarray of int
        Starts of the cells and the end of the last, from `start`.
    first : int
        Number of the first cell on the plane.
    bins : ndarray of int
        For each cell the number of its bin, counted from the first bin in the range.
    """
    in_bin = max(1, round(bin_size / _CELL))
    offsets = np.round(np.arange(in_bin) * (bin_size / in_bin)).astype(np.int64)
    first_bin, last_bin = start // bin_size, (start + size - 1) // bin_size
    bins = np.arange(first_bin, last_bin + 1)
    starts = (bins[:, None] * bin_size + offsets).ravel()
    first = int(np.searchsorted(starts, start, side="right")) - 1
    inside = np.flatnonzero(starts[first:] < start + size) + first
    edges = np.concatenate([[0], starts[inside[1:]] - start, [size]])
    return _kept(edges), int(first_bin * in_bin + first), _kept(inside // in_bin)


def cells_of(
    sums: np.ndarray, counts: np.ndarray, areas: np.ndarray, first: tuple[int, int], least_noise: float
) -> Cells:
    """Find the level around each cell of an exposure, and the light above it.

    Parameters
    ----------
    sums, counts : ndarray, shape (rows, columns)
        Sum of the good pixels of each cell, and their number.
    areas : ndarray of int, shape (rows, columns)
        Number of all pixels of each cell.
    first : (int, int)
        Numbers of the first column and row of cells.
    least_noise : float
        Least standard deviation of a pixel.
    """
    known = counts >= np.maximum(1, _LEAST_SHARE * areas)
    means = np.full(sums.shape, np.inf)
    means[known] = sums[known] / counts[known]
    rows, columns = (-(-size // _BLOCK) for size in sums.shape)
    padded = np.full((rows * _BLOCK, columns * _BLOCK), np.inf)
    padded[: sums.shape[0], : sums.shape[1]] = means
    blocks = padded.reshape(rows, _BLOCK, columns, _BLOCK).swapaxes(1, 2).reshape(rows * columns, -1)
    blocks = np.sort(blocks, axis=1)  # unknown cells come last
    number = np.count_nonzero(np.isfinite(blocks), axis=1)
    # Sources raise most cells of a crowded field, so level and noise are taken from the lowest cells, which lie one and
    # two standard deviations below the level if there is no source.
    every = np.arange(rows * columns)
    low, lowest = (blocks[every, (share * np.maximum(number - 1, 0)).astype(int)] for share in _BELOW)
    useful = number >= _BLOCK
    noise = float(np.median(low[useful] - lowest[useful])) if useful.any() else np.inf
    level = np.where(useful, low, np.inf) + noise
    level = level.reshape(rows, columns).repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)
    known &= np.isfinite(level := level[: sums.shape[0], : sums.shape[1]])
    excess = np.zeros(sums.shape, np.float32)
    excess[known] = means[known] - level[known]
    usual = float(np.median(counts[known])) if known.any() else 1.0
    return Cells(first[0], first[1], excess, max(noise, least_noise / np.sqrt(usual)))


def source_cells(one: np.ndarray, other: np.ndarray, noises: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Find the cells that hold the light of sources in both of two exposures.

    Parameters
    ----------
    one, other : ndarray, shape (rows, columns)
        Excess of the cells of each exposure.
    noises : (float, float)
        Noise of a cell of each exposure.

    Returns
    -------
    cores, sources : ndarray of bool, shape (rows, columns)
        Cells that are bright, and these with the cells around them.
    """
    in_both = np.maximum(np.minimum(_around(np.add, one), _around(np.add, other)), 0)
    alike = np.abs(one - other) < _SHARE * in_both + _NOISE * float(np.hypot(*noises))
    cores = found = (one > _BRIGHT * noises[0]) & (other > _BRIGHT * noises[1]) & alike
    for _ in range(_WINGS):
        found = _around(np.logical_or, found)
    return np.asarray(cores), np.asarray(found & alike)


def _around(combine: np.ufunc, values: np.ndarray) -> np.ndarray:
    """Combine the values of each cell with those of its eight neighbours."""
    for axis in (0, 1):
        ahead = [slice(None)] * 2
        behind = [slice(None)] * 2
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        result = values.copy()
        result[tuple(ahead)] = combine(result[tuple(ahead)], values[tuple(behind)])
        result[tuple(behind)] = combine(result[tuple(behind)], values[tuple(ahead)])
        values = result
    return values


def clipped_light(
    sources: tuple[np.ndarray, np.ndarray],
    bins: tuple[np.ndarray, np.ndarray],
    values: np.ndarray,
    errors: np.ndarray,
    counts: np.ndarray,
    half_widths: np.ndarray,
    sums_in: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, ...]],
) -> tuple[np.ndarray, np.ndarray]:
    """Return clipped means in bins to which the clipped light of sources is added, if clipping biases them.

    Parameters
    ----------
    sources : (ndarray of bool, ndarray of bool), shape (rows of cells, columns of cells)
        Cells that hold cores of sources, and all that hold light of sources; see `source_cells`.
    bins : (ndarray of int, ndarray of int)
        Column of the bin for each column of cells, and row of the bin for each row of cells.
    values, errors, counts : ndarray, shape (rows, columns)
        Clipped mean of the difference in each bin, its standard error, and number of good pixels.
    half_widths : ndarray, shape (rows, columns)
        Half-width of the clipping window in each bin.
    sums_in : callable
        Function of the least and the largest value inside the window of each cell, NaN for a cell that is not needed.
        It returns the sum and the number of all pixels, and of those inside the window.

    Returns
    -------
    values, errors : ndarray, shape (rows, columns)
        Those that were given, unless clipping biases them.
    """
    nothing = values, errors
    of_cell = bins[1][:, None], bins[0][None, :]
    centre, half = values[of_cell], half_widths[of_cell]
    usable = np.isfinite(centre) & np.isfinite(half)

    def measure(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the clipped light of some cells, all their light, and their numbers of pixels."""
        used = cells & usable
        sums, numbers, sums_within, numbers_within = sums_in(
            np.where(used, centre - half, np.nan), np.where(used, centre + half, np.nan)
        )
        level = np.where(used, centre, 0.0)
        return (sums - sums_within) - level * (numbers - numbers_within), sums - level * numbers, numbers

    cores, every = sources
    if np.count_nonzero(cores) < _FEWEST_CELLS or not _is_biased(measure(cores)[0]):
        return nothing
    light, all_light, numbers = measure(every)
    # Seeing moves light from cell to cell, also over the edges of bins; its scatter between cells limits how much. A
    # cell is taken together with its neighbours: what leaves a star's core for its wings is then not lost, and the bins
    # on both sides of an edge that light crosses have the same weight, so that their mean keeps all light.
    noise = np.where(numbers > 0, errors[of_cell] ** 2 * counts[of_cell], 0.0)
    scatter = _around(np.add, all_light) ** 2 / 9 - noise * numbers
    added, moved = np.zeros(values.shape), np.zeros(values.shape)
    np.add.at(added, of_cell, light)
    np.add.at(moved, of_cell, scatter)
    number = np.maximum(counts, 1)
    return values + added / number, np.sqrt(errors**2 + np.maximum(moved, 0) / number**2)


def _is_biased(light: np.ndarray) -> bool:
    """Return whether the clipped light of sources has a sum that chance does not explain."""
    clipped = light[light != 0]
    if clipped.size < _FEWEST_CELLS:
        return False
    limit = _LIMIT * float(np.median(np.abs(clipped, out=clipped)))
    limited = np.minimum(np.maximum(light, -limit), limit)
    rows, columns = (size // 2 for size in light.shape)
    quadrants = [
        limited[y, x] for y in (slice(rows), slice(rows, None)) for x in (slice(columns), slice(columns, None))
    ]
    sums = [float(part.sum()) for part in quadrants]
    squares = [float(np.einsum("ij,ij->", part, part)) for part in quadrants]
    parts = zip([*sums, sum(sums)], [*squares, sum(squares)], strict=True)
    return any(square > 0 and abs(total) > _BIASED * math.sqrt(square) for total, square in parts)


@lru_cache(maxsize=_KEPT_EDGES)
def square_edges(start: int, size: int) -> tuple[np.ndarray, int]:
    """Divide a range of pixels along one axis into squares.

    The array is kept for the next exposure of this place and size, and cannot be changed.

    Parameters
    ----------
    start, size : int
        First pixel on the common pixel plane, and number of pixels.

    Returns
    -------
    edges : ndarray of int
        Starts of the squares and the end of the last, from `start`.
    first : int
        Number of the first square on the plane.
    """
    first = start // SQUARE
    inner = np.arange((first + 1) * SQUARE, start + size, SQUARE) - start
    return _kept(np.concatenate([[0], inner, [size]])), first


def around_masks(masked: np.ndarray) -> np.ndarray:
    """Find the squares that hold masked sources, or that lie within two squares of one.

    Parameters
    ----------
    masked : ndarray of uint8, shape (rows, columns)
        Number of masked pixels in each square of an exposure.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
        Single pixels, rows, columns, edges and empty areas are no sources.
    """
    nothing = np.zeros(masked.shape, bool)
    fours = masked[:-1] + masked[1:]
    dense = fours[:, :-1] + fours[:, 1:] >= _FEWEST_MASKED
    if not dense.any():
        return nothing
    found = nothing.copy()
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            found[rows, columns] |= dense
    found &= masked >= _FEWEST_IN_SQUARE
    lines = found.mean(axis=1) > _LINE, found.mean(axis=0) > _LINE
    found[lines[0]] = False
    found[:, lines[1]] = False
    at, number, owner = _connected(found)
    extents = []
    for place, size in zip(at, masked.shape, strict=True):
        low, high = np.full(number, size), np.full(number, -1)
        np.minimum.at(low, owner, place)
        np.maximum.at(high, owner, place)
        extents.append(high - low + 1)
    longest = np.maximum(*extents)
    filled = np.bincount(owner, minlength=number) / np.maximum(extents[0] * extents[1], 1)
    is_source = (longest <= max(_LONG, _LONGEST * min(masked.shape))) & ((longest <= _LONG) | (filled >= _FILLED))
    found[at] = is_source[owner]
    # A cross and a square make an octagon, which is nearly a disc.
    grown = found.copy()
    grown[1:] |= found[:-1]
    grown[:-1] |= found[1:]
    grown[:, 1:] |= found[:, :-1]
    grown[:, :-1] |= found[:, 1:]
    return _around(np.logical_or, grown)


def _connected(found: np.ndarray) -> tuple[tuple[np.ndarray, ...], int, np.ndarray]:
    """Return where squares are, the number of groups that touch at sides or corners, and the group of each square.

    scipy.ndimage.label would return the same; its import takes as long as a pair of large exposures.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    at = np.nonzero(found)
    # With an empty column behind the others, no step leads around an edge.
    width = found.shape[1] + 1
    places = at[0] * width + at[1]
    if not places.size:
        return at, 0, np.zeros(0, np.intp)
    # Squares side by side are one run; runs touch those of the next row that begin no later than a square behind them.
    begins = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    first, last = places[begins], places[np.append(begins[1:], places.size) - 1]
    low = np.searchsorted(last, first + width - 1)
    numbers = np.maximum(np.searchsorted(first, last + width + 1, side="right") - low, 0)
    ends = np.cumsum(numbers)
    other = np.arange(ends[-1]) + np.repeat(low - ends + numbers, numbers)
    starts = np.concatenate([[0], ends])
    graph = csr_array((np.ones(other.size), other, starts), shape=(begins.size, begins.size))
    number, owner = connected_components(graph, directed=False)
    return at, int(number), np.repeat(np.asarray(owner), np.diff(begins, append=places.size))


def biased_squares(
    squares: np.ndarray,
    bins: tuple[np.ndarray, np.ndarray],
    counts: np.ndarray,
    light: np.ndarray,
    numbers: np.ndarray,
) -> np.ndarray | None:
    """Return the squares around masked sources to leave out, if the wings of the sources bias differences.

    Parameters
    ----------
    squares : ndarray of bool, shape (rows of squares, columns of squares)
        Squares around masked sources of two exposures; see `around_masks`.
    bins : (ndarray of int, ndarray of int)
        Column of the bin for each column of squares, and row of the bin for each row of squares.
    counts : ndarray, shape (rows, columns)
        Number of good pixels in each bin.
    light : ndarray, shape (rows of squares, columns of squares)
        Light of the difference in each square, inside the clipping window of its bin and above its centre.
    numbers : ndarray, shape (rows of squares, columns)
        Number of good pixels of the squares in each row of squares and column of bins.

    Returns
    -------
    ndarray of bool or None
        Without the squares in bins that would lose too many pixels. None if nothing needs to be left out.
    """
    if not _is_biased(light):
        return None
    lost = np.zeros(counts.shape)
    np.add.at(lost, bins[1], numbers)
    may_lose = lost <= (1 - _REMAINING) * counts
    left_out = squares & may_lose[bins[1][:, None], bins[0][None, :]]
    return left_out if left_out.any() else None
