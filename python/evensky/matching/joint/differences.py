"""Differences of pairs of exposures in the bins of the common grid."""

from __future__ import annotations

__all__ = ["Coverage", "Differences", "PairBins", "coverage_of", "measure_pair"]

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import numpy as np

from ... import _core
from ..._bands import band_height
from .grid import CommonGrid, PixelBox, common_box
from .pixels import Pixels, Plane
from .sources import (
    SQUARE,
    Cells,
    biased_squares,
    cell_edges,
    cells_of,
    clipped_light,
    source_cells,
    square_edges,
)

# Least share and number of good pixels of a bin; a bin with fewer represents only a corner of its area.
_LEAST_SHARE = 0.02
_FEWEST_PIXELS = 8
# Least half-width of the clipping window in steps, if the values of the pixels are multiples of a step. It makes a
# window of 4.5 standard deviations where these are 1.3 steps. The clipped mean of coarser values would depend on
# whether the last value inside the window lies above or below the mean.
_STEPS_IN_WINDOW = 6.0
# Number of iterations that derive the noise of single exposures from that of pairs.
_ROUNDS = 100
# A node, which is a bin of an exposure, is not used if its pixels have more than this multiple of the usual variance.
_ODD = 10.0
# Two exposures hold the same pixels if the variance of their difference is less than this part of the usual one.
_SAME_PIXELS = 0.02
# Variance of their difference in units of the sum of their variances: the weight of such a pair is that of many others.
_CERTAIN = 0.02
# Ratio to the expected scatter from which the differences of a pair have noise of their own.
_MORE_THAN_EXPECTED = 1.3
# Fewest cells in which the correlation of pixels is measured, and the distance in standard errors at which cells count
# no more.
_FEWEST_CELLS, _FAR = 50, 4.0
# Number of cells that give this correlation to about 3 %: of more cells, only one row in several is measured.
_MANY_CELLS, _MOST_ROWS = 2500, 16
# Least variance of an exposure, or of a bin, as a fraction of the typical one.
_LEAST_NOISE = 1e-3
# Number of boxes whose bins are kept.
_KEPT_LAYOUTS = 8


@dataclass
class Coverage:
    """The bins in which an exposure has good pixels.

    Attributes
    ----------
    bins : ndarray of int, shape (n,)
        Numbers of the bins of the grid, ascending.
    counts : ndarray of int, shape (n,)
        Number of good pixels in each bin.
    levels : ndarray, shape (n,)
        Sigma-clipped mean of the good pixels of each bin: the exposure without its stars, binned.
    quantum : float
        Step of which all pixels are multiples; 0 if there is none, or if it is far below the noise.
    """

    bins: np.ndarray
    counts: np.ndarray
    levels: np.ndarray = field(default_factory=lambda: np.zeros(0))
    quantum: float = 0.0


@dataclass
class PairBins:
    """The difference first - second in the bins in which both have good pixels; all arrays have the shape (n,).

    Attributes
    ----------
    first, second : int
        Numbers of the exposures.
    bins : ndarray of int
        Numbers of the grid's bins.
    values, errors : ndarray
        Statistic of the difference, and its standard error.
    counts : ndarray of int
        Number of pixels that are good in both exposures.
    x, y : ndarray
        Mean position of these pixels on the common pixel grid.
    width, height : ndarray
        Size in pixels of the part of the bins that the two exposures share.
    quanta : (float, float)
        For each exposure the step of which its pixels are multiples; 0 if there is none, or if it is far below the
        noise.
    correlation : float or None
        Variance of the means of small cells in units of that of independent pixels; None if it was not measured.
        Pixels are correlated if the common grid repeats them, or if an exposure was resampled.
    problem : str
        Reason why the first exposure could not be compared; "" if it could be.
    """

    first: int
    second: int
    bins: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    counts: np.ndarray
    x: np.ndarray
    y: np.ndarray
    width: np.ndarray
    height: np.ndarray
    quanta: tuple[float, float] = (0.0, 0.0)
    correlation: float | None = None
    problem: str = ""

    @classmethod
    def impossible(cls, exposure: int, problem: str) -> PairBins:
        """Return what stands for the differences of an exposure that cannot be compared."""
        nothing, bins = np.zeros(0), np.zeros(0, np.int64)
        return cls(exposure, -1, bins, nothing, nothing, bins, nothing, nothing, nothing, nothing, problem=problem)


def coverage_of(pixels: Pixels, grid: CommonGrid, num_threads: int = 0) -> Coverage:
    """Count the good pixels of one exposure in the bins, and measure its level there.

    Parameters
    ----------
    pixels : Pixels
    grid : CommonGrid
    num_threads : int, optional
        Number of threads; 0 for the process-wide default.
    """
    layout = _layout_of(pixels.box, grid)
    options = _core.PairOptions()
    options.referenceBadMask = pixels.bad
    options.gridStatistic = _core.Property.MEANCLIP
    options.leastHalfWidth = _STEPS_IN_WINDOW * pixels.quantum
    levels, _, counts, _, _ = _alone(pixels, options, num_threads).in_bins(layout.x_edges, layout.y_edges)
    enough = counts >= layout.least
    return Coverage(layout.numbers[enough], counts[enough], levels[enough], pixels.quantum)


def measure_pair(
    first: tuple[int, Pixels],
    second: tuple[int, Pixels],
    grid: CommonGrid,
    options: _core.PairOptions,
    num_threads: int = 0,
) -> PairBins | None:
    """Measure the difference of two exposures in bins.

    Parameters
    ----------
    first, second : (int, Pixels)
        Number and pixels of each exposure.
    grid : CommonGrid
    options : _core.PairOptions
        Statistic and clipping; the bits of bad pixels and the least width of the window are overwritten.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default.

    Returns
    -------
    PairBins or None
        None if no bin has enough pixels that are good in both exposures.
    """
    (i, one), (j, other) = first, second
    box = common_box(one.box, other.box)
    if box is None:
        return None
    layout = _layout_of(box, grid)
    x_edges, y_edges = layout.x_edges, layout.y_edges
    options.referenceBadMask, options.scienceBadMask = one.bad, other.bad
    quanta = one.quantum, other.quantum
    options.leastHalfWidth = _STEPS_IN_WINDOW * max(quanta)
    on_disk = one.on_disk or other.on_disk
    planes = one.part(box), other.part(box)
    if one.image.dtype != other.image.dtype and not on_disk:  # float64 holds the pixels of both
        planes = _wide(planes[0]), _wide(planes[1])
    difference = _Difference(*planes, options, num_threads, on_disk)
    values, errors, counts, x, y = difference.in_bins(x_edges, y_edges)
    without = _biased_around_masks(difference, (one, other), _Bins(box, grid, values, errors, counts))
    if without is not None:
        difference = replace(difference, without=without)
        values, errors, counts, x, y = difference.in_bins(x_edges, y_edges)
    if options.gridStatistic == _core.Property.MEANCLIP:
        values, errors = _with_light_of_sources(difference, (one, other), _Bins(box, grid, values, errors, counts))
    good = (counts >= layout.least) & np.isfinite(values) & np.isfinite(errors)
    if not good.any():
        return None
    correlation = None
    if one.sampled or other.sampled:
        correlation = _correlation(difference, _Bins(box, grid, values, errors, counts))
    return PairBins(
        i,
        j,
        layout.numbers[good],
        values[good],
        errors[good],
        counts[good],
        x[good] + layout.left[good],
        y[good] + layout.bottom[good],
        layout.width[good],
        layout.height[good],
        quanta,
        correlation,
    )


# Image and, if there is one, mask.
_Planes = tuple[Plane, Plane | None]
# Image and mask in memory, as `_Planes` may be on disk.
_Arrays = tuple[np.ndarray, np.ndarray | None]
# Function of rows that returns the pixels to leave out of them.
_Without = Callable[[slice], np.ndarray]


@dataclass(frozen=True)
class _Difference:
    """The difference of two images, measured by the core.

    Attributes
    ----------
    one, other : (ndarray, ndarray or None)
    options : _core.PairOptions
    num_threads : int
    on_disk : bool
        Whether planes are on disk and read in bands.
    without : callable or None
        Pixels to leave out.
    """

    one: _Planes
    other: _Planes
    options: _core.PairOptions
    num_threads: int
    on_disk: bool
    without: _Without | None = None

    def in_bins(self, x_edges: np.ndarray, y_edges: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return statistics, standard errors, numbers of pixels, and their mean positions in bins."""

        def measure(one: _Arrays, other: _Arrays, edges: np.ndarray, rows: slice) -> tuple[np.ndarray, ...]:
            return _core.bin_differences(one, other, x_edges, edges, self.options, self.num_threads)

        return self._in_bands(measure, y_edges)

    def in_cells(
        self, x_edges: np.ndarray, y_edges: np.ndarray, lows: np.ndarray, highs: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Return sums and numbers of pixels in cells, of all pixels and of those within limits."""

        def measure(one: _Arrays, other: _Arrays, edges: np.ndarray, rows: slice) -> tuple[np.ndarray, ...]:
            return _core.sum_differences(
                one, other, x_edges, edges, lows[rows], highs[rows], self.options, self.num_threads
            )

        return self._in_bands(measure, y_edges)

    def in_squares(
        self,
        x_edges: np.ndarray,
        y_edges: np.ndarray,
        squares: np.ndarray,
        bins: tuple[np.ndarray, np.ndarray],
        windows: tuple[np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, ...]:
        """Return the light of squares inside the windows of their bins, and numbers of pixels by columns of bins."""

        def measure(one: _Arrays, other: _Arrays, edges: np.ndarray, rows: slice) -> tuple[np.ndarray, ...]:
            places = squares[rows], (bins[0], bins[1][rows])
            return _core.windows_in_squares(
                one, other, x_edges, edges, *places, windows, self.options, self.num_threads
            )

        return self._in_bands(measure, y_edges)

    def _in_bands(
        self,
        measure: Callable[[_Arrays, _Arrays, np.ndarray, slice], tuple[np.ndarray, ...]],
        y_edges: np.ndarray,
    ) -> tuple[np.ndarray, ...]:
        """Measure planes as a whole or, if they are on disk or if pixels are left out, in bands of whole rows of bins.

        `measure` receives the planes, the edges of the rows of bins in them, and the numbers of these rows.
        """
        if not self.on_disk and self.without is None:
            one, other = ((np.asarray(image), mask) for image, mask in (self.one, self.other))
            return measure(one, other, y_edges, slice(None))  # type: ignore[arg-type]
        most = band_height(self.one[0].shape[1])
        dtype = np.promote_types(self.one[0].dtype, self.other[0].dtype)
        grids: tuple[np.ndarray, ...] = ()
        start = 0
        while start < len(y_edges) - 1:
            # As many rows of bins as fit into a band, at least one.
            end = max(start + 1, int(np.searchsorted(y_edges, y_edges[start] + most, side="right")) - 1)
            rows = slice(int(y_edges[start]), int(y_edges[end]))
            bands = [(image[rows], None if mask is None else mask[rows]) for image, mask in (self.one, self.other)]
            if self.on_disk:
                bands = [(np.asarray(image, dtype), mask) for image, mask in bands]
            if self.without is not None:  # pixels that are bad in one image are not used
                image, mask = bands[0]
                bands[0] = np.where(self.without(rows), np.array(np.nan, image.dtype), image), mask
            found = measure(bands[0], bands[1], y_edges[start : end + 1] - rows.start, slice(start, end))
            # Filled band by band: the grids of small cells of a large exposure are as large as the exposure.
            grids = grids or tuple(np.empty((len(y_edges) - 1, part.shape[1]), part.dtype) for part in found)
            for grid, part in zip(grids, found, strict=True):
                grid[start:end] = part
            start = end
        return grids


@dataclass(frozen=True)
class _Layout:
    """The bins in a box of pixels.

    Attributes
    ----------
    x_edges, y_edges : ndarray of int
        Starts of the bins and the end of the last, in pixels from the corner of the box.
    numbers : ndarray of int, shape (rows, columns)
        Numbers of the bins of the grid.
    least : ndarray, shape (rows, columns)
        Least number of good pixels of a bin.
    left, bottom : ndarray of int, shape (rows, columns)
        Corners of the bins on the common pixel grid.
    width, height : ndarray of float, shape (rows, columns)
        Sizes of the bins in pixels.
    """

    x_edges: np.ndarray
    y_edges: np.ndarray
    numbers: np.ndarray
    least: np.ndarray
    left: np.ndarray
    bottom: np.ndarray
    width: np.ndarray
    height: np.ndarray


@lru_cache(maxsize=_KEPT_LAYOUTS)
def _layout_of(box: PixelBox, grid: CommonGrid) -> _Layout:
    """Return the bins in a box of pixels; they are kept for the next exposures of this place and size."""
    x_edges, y_edges, numbers = grid.edges(box)
    areas = np.outer(np.diff(y_edges), np.diff(x_edges))
    least = np.maximum(_LEAST_SHARE * areas, np.minimum(areas, _FEWEST_PIXELS))
    left, bottom = np.meshgrid(x_edges[:-1] + box[0], y_edges[:-1] + box[1], copy=False)
    width, height = np.meshgrid(np.diff(x_edges).astype(float), np.diff(y_edges).astype(float), copy=False)
    made = _Layout(x_edges, y_edges, numbers, least, left, bottom, width, height)
    for array in vars(made).values():
        array.flags.writeable = False
    return made


@dataclass(frozen=True)
class _Bins:
    """Statistics of a difference in the bins of a box."""

    box: PixelBox
    grid: CommonGrid
    values: np.ndarray
    errors: np.ndarray
    counts: np.ndarray

    def half_widths(self, options: _core.PairOptions) -> np.ndarray:
        """Return the half-widths of the clipping windows."""
        return np.asarray(np.maximum(options.numSigmaClip * self.errors * np.sqrt(self.counts), options.leastHalfWidth))


def _wide(planes: _Planes) -> _Planes:
    return np.asarray(planes[0], np.float64), planes[1]


def _alone(pixels: Pixels, options: _core.PairOptions, num_threads: int) -> _Difference:
    """Return the difference of an exposure from an image of zeros, so that it is measured like a pair."""
    return _Difference(pixels.part(pixels.box), (_zeros(pixels), None), options, num_threads, pixels.on_disk)


def _zeros(pixels: Pixels) -> np.ndarray:
    """Return an image of zeros, which is one row in memory, so that an exposure is measured like a difference."""
    return np.broadcast_to(np.zeros(pixels.box[2], pixels.image.dtype), pixels.image.shape)


def _cells(pixels: Pixels, grid: CommonGrid, num_threads: int) -> Cells:
    """Return the light in the cells of an exposure, which is measured once."""
    known = pixels.cells.get(grid.bin_size)
    if known is None:
        x_edges, column, _ = cell_edges(pixels.box[0], pixels.box[2], grid.bin_size)
        y_edges, row, _ = cell_edges(pixels.box[1], pixels.box[3], grid.bin_size)
        areas = np.outer(np.diff(y_edges), np.diff(x_edges))
        options = _core.PairOptions()
        options.referenceBadMask = pixels.bad
        everything = np.full(areas.shape, np.inf)
        sums, counts, _, _ = _alone(pixels, options, num_threads).in_cells(x_edges, y_edges, -everything, everything)
        known = cells_of(sums, counts, areas, (column, row), pixels.quantum / np.sqrt(12))
        pixels.cells[grid.bin_size] = known
    return known


def _with_light_of_sources(
    difference: _Difference, exposures: tuple[Pixels, Pixels], bins: _Bins
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values and errors of bins, with the clipped light of sources if its loss biases them."""
    x_edges, column, x_bins = cell_edges(bins.box[0], bins.box[2], bins.grid.bin_size)
    y_edges, row, y_bins = cell_edges(bins.box[1], bins.box[3], bins.grid.bin_size)
    shape = y_bins.size, x_bins.size
    cells = [_cells(one, bins.grid, difference.num_threads) for one in exposures]
    one, other = (some.part(column, row, shape) for some in cells)
    return clipped_light(
        source_cells(one, other, (cells[0].noise, cells[1].noise)),
        (x_bins, y_bins),
        bins.values,
        bins.errors,
        bins.counts,
        bins.half_widths(difference.options),
        partial(difference.in_cells, x_edges, y_edges),
    )


def _correlation(difference: _Difference, bins: _Bins) -> float | None:
    """Return the variance of the means of cells in units of that of independent pixels; None for too few cells."""
    x_edges, _, x_bins = cell_edges(bins.box[0], bins.box[2], bins.grid.bin_size)
    y_edges, _, y_bins = cell_edges(bins.box[1], bins.box[3], bins.grid.bin_size)
    areas = np.outer(np.diff(y_edges), np.diff(x_edges))
    good_cells = bins.counts.sum() * areas.size / areas.sum()
    step = int(np.clip(good_cells / _MANY_CELLS, 1, _MOST_ROWS))
    some = slice(step // 2, None, step)  # not the first row, which the edge of the box may cut
    of_cell = y_bins[some, None], x_bins[None, :]
    centre, half, pixels = bins.values[of_cell], bins.half_widths(difference.options)[of_cell], bins.counts[of_cell]
    pixel_variance = bins.errors[of_cell] ** 2 * pixels
    usable = np.isfinite(centre) & np.isfinite(half) & (pixel_variance > 0)
    lows, highs = np.full((2, *areas.shape), np.nan)  # NaN for cells that are not needed
    lows[some], highs[some] = np.where(usable, centre - half, np.nan), np.where(usable, centre + half, np.nan)
    _, _, sums, numbers = (measured[some] for measured in difference.in_cells(x_edges, y_edges, lows, highs))
    # A cell that is alone in its bin has the mean of the bin.
    full = usable & (2 * numbers > areas[some]) & (2 * numbers < pixels)
    if np.count_nonzero(full) < _FEWEST_CELLS:
        return None
    squares = (sums[full] - centre[full] * numbers[full]) ** 2 / (numbers[full] * pixel_variance[full])
    freedom = 1 - numbers[full] / pixels[full]
    # Cells with the rest of a source do not count more than others.
    return float(np.minimum(squares, _FAR**2 * freedom).sum() / freedom.sum())


def _biased_around_masks(difference: _Difference, exposures: tuple[Pixels, Pixels], bins: _Bins) -> _Without | None:
    """Return which pixels around masked sources to leave out, if the wings of these sources bias the bins."""
    box, size = bins.box, bins.grid.bin_size
    (x_edges, column), (y_edges, row) = (square_edges(box[axis], box[axis + 2]) for axis in (0, 1))
    squares = np.zeros((y_edges.size - 1, x_edges.size - 1), bool)
    for exposure in exposures:
        if exposure.around_masks is not None:
            up, right = row - exposure.box[1] // SQUARE, column - exposure.box[0] // SQUARE
            squares |= exposure.around_masks[up : up + squares.shape[0], right : right + squares.shape[1]]
    if not squares.any():
        return None
    x_bins, y_bins = (
        (start + edges[:-1]) // size - start // size for start, edges in zip(box[:2], (x_edges, y_edges), strict=True)
    )
    windows = bins.values, bins.half_widths(difference.options)
    light, numbers = difference.in_squares(x_edges, y_edges, squares, (x_bins, y_bins), windows)
    biased = biased_squares(squares, (x_bins, y_bins), bins.counts, light, numbers)
    if biased is None:
        return None
    found: np.ndarray = biased
    of_column, of_row = (np.repeat(np.arange(edges.size - 1), np.diff(edges)) for edges in (x_edges, y_edges))

    def without(rows: slice) -> np.ndarray:
        return np.asarray(np.take(found[of_row[rows]], of_column, axis=1))

    return without


class Differences:
    """The differences of all pairs; a row is one bin of one pair.

    Attributes
    ----------
    number : int
        Number of exposures.
    pairs : list of PairBins
    rows : list of slice
        Rows of each pair.
    node : ndarray of int, shape (2, n)
        The nodes of the row's first and second exposure; a node is a bin of an exposure.
    distinct_bins : ndarray of int
        Numbers of all bins that occur, ascending.
    node_exposure, node_bin : ndarray of int, shape (nodes,)
        Exposure and bin of the nodes, which are sorted by exposure, then bin; bins are places in `distinct_bins`.
    node_variance : ndarray, shape (nodes,)
        Variance of the mean of the good pixels of each node, including those of repeated pixels and of rounding to
        steps.
    node_odd : ndarray of bool, shape (nodes,)
        Whether a node's pixels scatter far more than is usual for its exposure, as at a satellite or a saturated star.
    value : ndarray, shape (n,)
        Difference first - second.
    variance : ndarray, shape (n,)
        Variance of the value: the sum of the variances of both nodes and of `extra`.
    extra : ndarray, shape (n,)
        Variance that is due to pixels that are good in only one of the two exposures, and that of pairs whose
        differences scatter more than the noise of their exposures explains, or whose pixels are correlated.
    pixel_variance : ndarray, shape (nodes,)
        Variance of the good pixels of each node.
    pixel_noise : ndarray, shape (number,)
        Usual standard deviation of the pixels of each exposure in a bin; NaN for an exposure without differences.
    repeats : ndarray, shape (number,)
        Ratio of the variance of the mean of n pixels of each exposure to that of n independent pixels, as pixels of the
        common grid may repeat those of an exposure; 1 on its own grid.
    quantum : ndarray, shape (number,)
        Step of which the pixels of each exposure are multiples; 0 if there is none, or if it is far below the noise.
        If it exceeds about twice the noise, levels between two steps are lost, whatever the number of pixels.
    """

    def __init__(self, number: int, pairs: Sequence[PairBins], repeats: np.ndarray | None = None) -> None:
        self.number = number
        self.repeats = np.ones(number) if repeats is None else repeats
        self.pairs = list(pairs)
        ends = np.cumsum([0, *(pair.values.size for pair in pairs)])
        self.rows = [slice(a, b) for a, b in itertools.pairwise(ends.tolist())]
        self.value = _joined([pair.values for pair in pairs])
        counts = _joined([pair.counts for pair in pairs])
        bins = _joined([pair.bins for pair in pairs]).astype(np.int64)
        sizes = [pair.values.size for pair in pairs]
        exposure = np.stack(
            [np.repeat([pair.first for pair in pairs], sizes), np.repeat([pair.second for pair in pairs], sizes)]
        ).astype(np.int64)
        distinct, place = np.unique(bins, return_inverse=True)
        self.distinct_bins = distinct
        stride = max(1, distinct.size)
        keys, node = np.unique(exposure * stride + place, return_inverse=True)
        self.node = node.reshape(2, -1)
        self.node_exposure, self.node_bin = keys // stride, keys % stride
        self.node_start = np.searchsorted(self.node_exposure, np.arange(number + 1))
        self.quantum = np.zeros(number)
        for pair in pairs:
            for exposure_number, step in zip((pair.first, pair.second), pair.quanta, strict=True):
                self.quantum[exposure_number] = max(self.quantum[exposure_number], step)
        # Rounding to multiples of a step adds noise, even where all pixels of a bin happen to be equal.
        rounding = np.repeat([sum(step**2 for step in pair.quanta) / 12 for pair in pairs], sizes)
        measured = _joined([pair.errors for pair in pairs]) ** 2 * counts
        pixel_variance, excess, self._independent = _noise(self, np.maximum(measured, rounding))
        self.pixel_variance = pixel_variance
        self.pixel_noise = np.full(number, np.nan)
        for exposure_number in np.unique(self.node_exposure).tolist():
            usual = np.median(pixel_variance[self.nodes_of(exposure_number)])
            self.pixel_noise[exposure_number] = np.sqrt(usual)
        self.node_odd = excess > _ODD
        most = np.zeros(keys.size)
        for side in (0, 1):
            np.maximum.at(most, self.node[side], counts)
        repeated = pixel_variance * self.repeats[self.node_exposure]
        self.node_variance = repeated / most + _rounding(self.pixel_noise, self.quantum)[self.node_exposure]
        self.extra = (repeated[self.node] * (1.0 / counts - 1.0 / most[self.node])).sum(axis=0)
        expected = repeated[self.node].sum(axis=0)
        correlation = np.repeat([np.nan if one.correlation is None else one.correlation for one in pairs], sizes)
        usual = expected / np.maximum(pixel_variance[self.node].sum(axis=0), 1e-300)
        of_means = measured * np.where(np.isnan(correlation), usual, correlation)
        self.extra += _beyond_exposures(self.rows, of_means / counts, expected / counts)
        self.variance = self.node_variance[self.node].sum(axis=0) + self.extra
        # Differences of the same pixels are more certain than the noise of their exposures lets expect.
        same = np.repeat(~self._independent, sizes)
        self.variance[same] *= _CERTAIN

    def nodes_of(self, exposure: int) -> slice:
        """Return the nodes of an exposure."""
        return slice(int(self.node_start[exposure]), int(self.node_start[exposure + 1]))

    def groups(self) -> np.ndarray:
        """Return the group of each exposure, by number; differences connect a group. -1 stands for no difference."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        first, second = (np.array([getattr(pair, name) for pair in self.pairs], int) for name in ("first", "second"))
        graph = coo_array((np.ones(first.size), (first, second)), shape=(self.number, self.number))
        labels = np.asarray(connected_components(graph, directed=False)[1])
        labels[np.bincount(np.concatenate([first, second]), minlength=self.number) == 0] = -1
        return labels


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(0)


def _noise(differences: Differences, pair_variance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Derive pixel variances of single exposures in their bins from those of differences.

    The variance of a difference is the sum of those of two exposures. The share of each follows if three or more
    exposures were compared with each other; if only two were, each has half. An excess in a bin, as under a bright
    star, is shared in proportion.

    Parameters
    ----------
    differences : Differences
        Differences whose pairs and nodes are known.
    pair_variance : ndarray, shape (n,)
        Variance of single pixels of the difference in each row.

    Returns
    -------
    variance : ndarray, shape (nodes,)
        Variance of single pixels of each node.
    excess : ndarray, shape (nodes,)
        Variance in units of the usual variance of the exposure.
    independent : ndarray of bool, shape (pairs,)
        Which pairs do not hold the same pixels.
    """
    pairs = differences.pairs
    if not np.any(pair_variance > 0):
        ones = np.ones(differences.node_exposure.size)  # Without any noise, all bins have the same weight.
        return ones, ones, np.ones(len(pairs), bool)
    # A lower limit of the variance prevents single bins from dominating.
    variance = np.maximum(pair_variance, _LEAST_NOISE * np.median(pair_variance[pair_variance > 0]))
    typical = np.array([np.median(variance[rows]) for rows in differences.rows])
    first, second = (np.array([getattr(pair, name) for pair in pairs]) for name in ("first", "second"))
    number = differences.number
    independent = _independent(typical, first, second, number)
    used = independent.astype(float)
    partners = np.bincount(first, used, number) + np.bincount(second, used, number)

    def mean_of_pairs(values: np.ndarray) -> np.ndarray:
        sums = np.bincount(first, used * values, number) + np.bincount(second, used * values, number)
        return np.asarray(sums / np.maximum(partners, 1))

    half = mean_of_pairs(typical / 2)
    own = half
    for _ in range(_ROUNDS):
        own = np.maximum(own * mean_of_pairs(typical / (own[first] + own[second])), _LEAST_NOISE * half)
    of_pair = np.repeat(own[first] + own[second], [rows.stop - rows.start for rows in differences.rows])
    # Pairs of the same pixels say nothing about single bins either.
    ratio = np.where(
        np.repeat(used, [rows.stop - rows.start for rows in differences.rows]) > 0, variance / of_pair, np.inf
    )
    local = _lower_median(differences.node, ratio, differences.node_exposure.size)
    local[~np.isfinite(local)] = 1.0
    return np.asarray(own[differences.node_exposure] * local), local, independent


def _independent(typical: np.ndarray, first: np.ndarray, second: np.ndarray, number: int) -> np.ndarray:
    """Return which pairs of exposures have independent noise.

    The difference of two exposures that hold the same pixels has nearly no noise; it says nothing about theirs. All
    pairs of an exposure count if it has no others.
    """
    result = typical >= _SAME_PIXELS * np.median(typical)
    known = np.bincount(first, result, number) + np.bincount(second, result, number) > 0
    return np.asarray(result | ~known[first] | ~known[second])


def _beyond_exposures(rows: Sequence[slice], measured: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the variance of pairs beyond the sum of those of their exposures.

    It is there if the noise of exposures is not independent: if two exposures hold the same pixels, their difference
    has no noise, and it would follow that they have none in their differences from others. It is also there if the
    pixels of an exposure are correlated, as after a resampling.
    """
    result = np.zeros(measured.size)
    for some in rows:
        ratio = float(np.median(measured[some] / np.maximum(expected[some], 1e-300))) if some.stop > some.start else 1.0
        if ratio > _MORE_THAN_EXPECTED:
            result[some] = (ratio - 1.0) * expected[some]
    return result


def _rounding(noise: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the variance of the mean of many pixels that is due to their rounding to multiples of a step.

    If values with Gaussian noise of standard deviation s are rounded to multiples of q, their mean is wrong by
    (q / pi) exp(-2 pi^2 s^2 / q^2) sin(2 pi m / q), in which m is the true mean, and further terms that are far smaller
    (Widrow and Kollar 2008, Quantization Noise). This does not decrease with the number of pixels.

    Parameters
    ----------
    noise : ndarray
        Standard deviation of the rounded values.
    step : ndarray
        Step between them; 0 if there is none.
    """
    result = np.zeros(step.size)
    coarse = (step > 0) & np.isfinite(noise)
    q = step[coarse]
    before = np.maximum(noise[coarse] ** 2 - q**2 / 12, 0)  # variance before the values were rounded
    result[coarse] = 0.5 * (q / np.pi) ** 2 * np.exp(-4 * np.pi**2 * before / q**2)
    return result


def _lower_median(node: np.ndarray, values: np.ndarray, nodes: int) -> np.ndarray:
    """Return the lower median of the values of each node's rows."""
    at = np.concatenate([node[0], node[1]])
    value = np.concatenate([values, values])
    order = np.lexsort((value, at))
    counts = np.bincount(at, minlength=nodes)
    start = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.asarray(value[order][start + (counts - 1) // 2])
