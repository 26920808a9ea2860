"""Grids of bins that are kept as sums: their means, gaps filled, and values between the bins."""

from __future__ import annotations

__all__ = ["bin_positions", "bin_scatter", "centre_bins", "fill_bins", "fit_plane", "sample_bins", "spline_bins"]

from typing import Any

import numpy as np

from .. import errors
from ..errors import InvalidParameterError, OutOfRangeError
from ..math import Interpolate, lookupMaxInterpStyle, makeInterpolate, stringToInterpStyle
from .clipped_fit import robust_scatter

# Samples are extrapolated linearly up to this distance beyond the outermost bin centres, in bins, and are constant
# further out. A tract reaches at most one and a half bins beyond them.
_REACH = 1.5
# Weight of squared slopes beside squared curvatures where bins are filled, per bin squared. On random fields with
# spectra of k^-3 to k^-5 this tension was the best compromise between bins inside and outside of the good ones.
_TENSION = 0.1
# Variance of a bin minus the mean of its two neighbours in a row, in units of the variance of a bin: each shares half
# of its pixels with the bin, and none with the other.
_TRIPLE = 0.5
# Fewest triples of bins that have a scatter.
_FEWEST = 4


def bin_positions(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns and the rows of all bins of a grid of shape (ny, nx), as float64 arrays of that shape."""
    rows, columns = np.meshgrid(*(np.arange(size, dtype=np.float64) for size in shape), indexing="ij")
    return columns, rows


def bin_scatter(means: np.ndarray) -> float:
    """Return the scatter of bins against their neighbours.

    Parameters
    ----------
    means : ndarray, shape (ny, nx)
        Means of bins that are measured in boxes of twice their width and height; NaN where there is none.

    Returns
    -------
    float
        Standard deviation, by the middle half of the bins, of each bin minus the mean of its two neighbours in a row
        or column, scaled so that it is the error of a bin if there is only noise. Slopes do not count; structure of the
        size of a bin does. NaN if too few bins have neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> bin_scatter(np.arange(12.0).reshape(3, 4))
    0.0
    """
    rest = np.concatenate(
        [(plane[:, 1:-1] - (plane[:, :-2] + plane[:, 2:]) / 2).ravel() for plane in (means, np.transpose(means))]
    )
    rest = rest[np.isfinite(rest)]
    return robust_scatter(rest) / _TRIPLE**0.5 if len(rest) >= _FEWEST else float("nan")


def fit_plane(
    means: np.ndarray, weights: np.ndarray, x: np.ndarray | None = None, y: np.ndarray | None = None
) -> np.ndarray:
    """Fit a plane to bins by weighted least squares.

    Parameters
    ----------
    means : ndarray
        Values of the bins.
    weights : ndarray, same shape
        Bins with weight 0 do not count, whatever their values.
    x, y : ndarray, same shape, optional
        Places of the bins; by default their columns and rows, for which the arrays must have the shape (ny, nx).

    Returns
    -------
    ndarray of float64, shape (3,)
        Value at (0, 0), and slopes in x and y. Slopes that the bins do not determine are 0.
    """
    if x is None or y is None:
        x, y = bin_positions(means.shape)
    good = weights > 0
    root = np.sqrt(weights[good].astype(np.float64))
    middle_x, middle_y = x[good].mean(), y[good].mean()
    terms = np.stack([np.ones(len(root)), x[good] - middle_x, y[good] - middle_y], axis=1)
    # The solution of least norm keeps slopes that the bins do not determine at 0.
    level, *slopes = np.linalg.lstsq(terms * root[:, np.newaxis], means[good] * root, rcond=1e-9)[0]
    return np.array([level - slopes[0] * middle_x - slopes[1] * middle_y, *slopes])


def fill_bins(
    values: np.ndarray,
    numbers: np.ndarray,
    least_number: float,
    interpolation: str | None,
    smooth_scale: float | None = None,
    *,
    as_original: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of bins, with values for those that have too few pixels.

    Parameters
    ----------
    values : ndarray, shape (ny, nx)
        Sum of the pixels in each bin.
    numbers : ndarray, shape (ny, nx)
        Number of pixels in each bin.
    least_number : float
        A bin with fewer pixels is filled.
    interpolation : str or None
        Name of the interpolation style between good bins of a row or column, which only the original's way of filling
        uses. None fills nothing, and the bins are NaN.
    smooth_scale : float, optional
        Smooth the means by a Gaussian of this standard deviation, in bins. Bins within its reach (four times that) are
        filled by it.
    as_original : bool, optional
        Fill as the original does: rows first, then columns, with the interpolant's own extrapolation. A bin in a row
        without any good one keeps the mean of its few pixels. By default, a plane is fitted to the good bins, and the
        remainder is filled by the surface that bends least, under some tension, so that it levels off far from the good
        bins. A plane is therefore continued exactly, and no value runs away.

    Returns
    -------
    means : ndarray of float32, shape (ny, nx)
        Means of the bins.
    filled : ndarray of bool, shape (ny, nx)
        True where a bin had fewer than `least_number` pixels.

    Raises
    ------
    evensky.errors.RuntimeError
        If no bin has enough pixels.
    evensky.errors.InvalidParameterError
        If the arrays differ in shape, or the style is unknown and a bin is to be filled.

    Examples
    --------
    >>> import numpy as np
    >>> numbers = np.array([[4, 4, 0, 4]])
    >>> means, filled = fill_bins(numbers * [[1.0, 2.0, 0.0, 4.0]], numbers, 1, "LINEAR")
    >>> means.tolist(), filled.tolist()
    ([[1.0, 2.0, 3.0, 4.0]], [[False, False, True, False]])
    """
    values, numbers = np.asarray(values, np.float32), np.asarray(numbers, np.float32)
    if values.shape != numbers.shape or values.ndim != 2:
        raise InvalidParameterError(
            f"values have shape {values.shape} and numbers {numbers.shape}; both must be (ny, nx) and equal"
        )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        means = values / numbers
    short = numbers < np.float32(least_number)
    if as_original:
        bad = short
        if smooth_scale is not None:
            means = _smoothed(means, bad, smooth_scale)
            bad = np.isnan(means)
        if bad.any():
            _check_any_good(bad, least_number)
            if interpolation is None:
                means[bad] = np.nan
            else:
                _fill_rows(means, bad, interpolation)
                _fill_rows(means.T, np.isnan(means).T, interpolation)
        return means, short
    bad = short | ~np.isfinite(means)
    _check_any_good(bad, least_number)
    level, *slopes = fit_plane(means, np.where(bad, 0.0, numbers))
    plane = level + slopes[0] * np.arange(means.shape[1]) + slopes[1] * np.arange(means.shape[0])[:, np.newaxis]
    rest = np.where(bad, np.nan, means - plane).astype(np.float32)
    if smooth_scale is not None:
        rest = _smoothed(rest, bad, smooth_scale)
    gaps = np.isnan(rest)
    if gaps.any() and interpolation is not None:
        stringToInterpStyle(interpolation)  # an unknown style is an error here, too
        _fill_smoothly(rest, gaps)
    filled = (rest + plane).astype(np.float32)
    if smooth_scale is None:
        filled[~bad] = means[~bad]  # without the rounding of the plane
    return filled, bad


def centre_bins(
    values: np.ndarray, numbers: np.ndarray, offsets_x: np.ndarray, offsets_y: np.ndarray, least_number: float
) -> np.ndarray:
    """Return sums of pixels as they would be if the pixels of each bin were spread evenly around its centre.

    The mean of a bin that is half empty, at the edge of a detector or of a tract, belongs to the centroid of its
    pixels. It is moved to the centre by the slope of a plane through the bins within two columns and rows, which is
    hardly affected by the noise of single bins. For bins with little noise in a background that curves from bin to bin,
    `evensky.matching.focal_bins.centred_sums` is better.

    Parameters
    ----------
    values, numbers : ndarray, shape (ny, nx)
        Sum and number of the pixels in each bin.
    offsets_x, offsets_y : ndarray, shape (ny, nx)
        Sum of the distances of the pixels from the centre of their bin, in bins.
    least_number : float
        Bins with fewer pixels do not count for slopes.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
        Sums.
    """
    numbers64 = np.asarray(numbers, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.asarray(values, np.float64) / numbers64
        off_x, off_y = np.asarray(offsets_x) / numbers64, np.asarray(offsets_y) / numbers64
    good = np.isfinite(means) & (numbers64 >= least_number)
    if not good.any() or not (off_x[good].any() or off_y[good].any()):
        return np.array(values, np.float32)
    x, y = bin_positions(means.shape)
    at_x, at_y = np.where(good, x + off_x, 0.0), np.where(good, y + off_y, 0.0)
    weights = np.where(good, numbers64, 0.0)
    plane = fit_plane(means, weights, at_x, at_y)
    slopes = plane[1:, np.newaxis, np.newaxis] + _slopes(
        np.where(good, means - (plane[0] + plane[1] * at_x + plane[2] * at_y), 0.0), weights, at_x, at_y
    )
    known = np.isfinite(means)
    moved = np.where(known, numbers64 * (slopes[0] * off_x + slopes[1] * off_y), 0.0)
    return (np.asarray(values, np.float64) - moved).astype(np.float32)


def _slopes(rest: np.ndarray, weights: np.ndarray, at_x: np.ndarray, at_y: np.ndarray) -> np.ndarray:
    """Return the slopes in x and y, shape (2, ny, nx), of planes through the 5 x 5 bins around each bin."""
    ny, nx = rest.shape
    x, y = bin_positions(rest.shape)
    normal, right = np.zeros((ny, nx, 3, 3)), np.zeros((ny, nx, 3))
    total = weights.max()

    def moved(array: np.ndarray, dy: int, dx: int) -> np.ndarray:
        return np.pad(array, 2)[2 + dy : 2 + dy + ny, 2 + dx : 2 + dx + nx]

    for dy in range(-2, 3):
        for dx in range(-2, 3):
            weight = moved(weights, dy, dx) / total
            terms = np.stack([np.ones_like(x), moved(at_x, dy, dx) - x, moved(at_y, dy, dx) - y], axis=-1)
            weighted = terms * weight[..., np.newaxis]
            normal += weighted[..., :, np.newaxis] * terms[..., np.newaxis, :]
            right += weighted * moved(rest, dy, dx)[..., np.newaxis]
    # The slopes are drawn a little towards that of the plane through all bins, which decides where there are too few.
    normal += np.diag([1e-6, 0.5, 0.5])
    return np.moveaxis(np.linalg.solve(normal, right[..., np.newaxis])[..., 1:, 0], -1, 0)


def _check_any_good(bad: np.ndarray, least_number: float) -> None:
    if bad.all():
        raise errors.RuntimeError(
            f"No good bin: each of the {bad.shape[1]} x {bad.shape[0]} bins has fewer than {least_number:g} good pixels"
        )


def _smoothed(means: np.ndarray, bad: np.ndarray, scale: float) -> np.ndarray:
    """Return the means, smoothed by a Gaussian over the good bins; NaN where no good bin is within reach."""
    from scipy.ndimage import gaussian_filter

    def smooth(plane: np.ndarray) -> np.ndarray:
        return np.asarray(gaussian_filter(plane, scale, mode="constant", cval=0.0, truncate=4.0))

    # The original filters the values in float32, and their weights in float64.
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = smooth(np.where(bad, np.float32(0), means)) / smooth(np.where(bad, 0.0, 1.0))
    return np.asarray(quotient, np.float32)


def _fill_smoothly(means: np.ndarray, bad: np.ndarray) -> None:
    """Fill bad bins in place by the surface that has the smallest sum of squared curvatures and slopes."""
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    ny, nx = means.shape
    (keep_y, slope_y, bend_y), (keep_x, slope_x, bend_x) = (
        [sparse.csr_matrix(np.diff(np.eye(size), n, axis=0)) for n in range(3)] for size in (ny, nx)
    )
    energy = sparse.csc_matrix((means.size, means.size))
    for weight, along_y, along_x in (
        (_TENSION, keep_y, slope_x),
        (_TENSION, slope_y, keep_x),
        (1.0, keep_y, bend_x),
        (1.0, bend_y, keep_x),
        (2.0, slope_y, slope_x),
    ):
        differences = sparse.kron(along_y, along_x)
        energy = energy + weight * (differences.T @ differences)
    energy = sparse.csc_matrix(energy)
    unknown = bad.ravel()
    right = -(energy[unknown][:, ~unknown] @ means.ravel()[~unknown].astype(np.float64))
    # This ordering, for symmetric matrices, takes half the time of the default.
    means[bad] = spsolve(energy[unknown][:, unknown], right, permc_spec="MMD_AT_PLUS_A")


def _fill_rows(means: np.ndarray, bad: np.ndarray, interpolation: str) -> None:
    """Fill the bad bins of each row that has good ones, in place."""
    style = stringToInterpStyle(interpolation)
    index = np.arange(means.shape[1], dtype=np.float64)
    counts = bad.sum(axis=1)
    for row in np.flatnonzero((counts > 0) & (counts < means.shape[1])):
        good = ~bad[row]
        known = means[row, good].astype(np.float64)
        means[row, bad[row]] = _interpolated(index[good], known, index[bad[row]], style)


def _interpolated(x: np.ndarray, y: np.ndarray, at: np.ndarray, style: Any) -> np.ndarray:
    """Interpolate, by a simpler style if there are too few points for the one that is asked for."""
    try:
        return np.asarray(makeInterpolate(x, y, style).interpolate(at))
    except OutOfRangeError:
        simpler = lookupMaxInterpStyle(len(x))
        if simpler == style:
            simpler = Interpolate.Style.CONSTANT
        return np.asarray(makeInterpolate(x, y, simpler).interpolate(at))


def sample_bins(values: np.ndarray, x: Any, y: Any, *, as_original: bool = False, area: float = 1.0) -> np.ndarray:
    """Interpolate bins bilinearly.

    Parameters
    ----------
    values : ndarray, shape (ny, nx)
        Values of the bins; NaN where a bin has none.
    x, y : array-like
        Positions in bins: (0, 0) is the centre of the first bin. The two are broadcast against each other, so that
        ``x[np.newaxis, :]`` and ``y[:, np.newaxis]`` make a grid.
    as_original : bool, optional
        Sample as the original does: NaN outside the centres of the outermost bins and on the centre of the last one,
        for a grid of a single row or column, and next to a bin that is NaN. By default, samples up to one and a half
        bins beyond the outermost centres are extrapolated linearly, and those further out are constant. Next to a bin
        that is NaN, the others are averaged with their weights.
    area : float, optional
        Area of a sample in bins, by which the original multiplies and divides in float32. It matters only for rounding,
        and only with `as_original`.

    Returns
    -------
    ndarray of float32
        Samples, in the broadcast shape of `x` and `y`. NaN only if none of the nearest bins has a value.

    Examples
    --------
    >>> import numpy as np
    >>> bins = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> sample_bins(bins, [0.5, 1.5], [0.0, 0.0]).tolist()
    [0.5, 1.5]
    """
    values = np.asarray(values, np.float32)
    if values.ndim != 2 or not values.size:
        raise InvalidParameterError(f"values have shape {values.shape}; it must be (ny, nx), with at least one bin")
    x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    return _original_samples(values, x, y, area) if as_original else _samples(values, x, y)


def spline_bins(values: np.ndarray, x: np.ndarray, y: np.ndarray, interpolation: str) -> np.ndarray:
    """Interpolate bins along rows, then along columns, which is smoother than `sample_bins` with a spline.

    Parameters
    ----------
    values : ndarray, shape (ny, nx)
        Finite values of the bins.
    x, y : ndarray, shape (n,) and (m,)
        Positions in bins. Beyond the outermost centres, samples are those of `sample_bins`.
    interpolation : str
        Name of the interpolation style; a simpler one is used if there are too few bins.

    Returns
    -------
    ndarray of float32, shape (m, n)
    """
    style = stringToInterpStyle(interpolation)

    def along(rows: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Interpolate each row, shape (k, size), at the same positions."""
        size = rows.shape[1]
        inside = np.clip(position, 0, size - 1)
        index = np.arange(size, dtype=np.float64)
        result = np.stack([_interpolated(index, row, inside, style) for row in rows])
        if size > 1:
            beyond = np.clip(position, -_REACH, size - 1 + _REACH) - inside
            slopes = np.where(beyond < 0, rows[:, [1]] - rows[:, [0]], rows[:, [-1]] - rows[:, [-2]])
            result += beyond * slopes
        return result

    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return np.asarray(along(along(np.asarray(values, np.float64), x).T, y).T, np.float32)


def _original_samples(values: np.ndarray, x: np.ndarray, y: np.ndarray, area: float) -> np.ndarray:
    """Return the quotient of the resampled values and of the resampled ones, both summed in float32."""
    ny, nx = values.shape

    def split(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nearest = np.floor(position + 0.5)
        share = position - nearest
        below = share < 0
        return np.where(below, nearest - 1, nearest), np.where(below, share + 1, share)

    (left, right_share), (lower, upper_share) = split(x), split(y)
    usable = (left >= 0) & (left <= nx - 2) & (lower >= 0) & (lower <= ny - 2)
    column, row = np.where(usable, left, 0).astype(int), np.where(usable, lower, 0).astype(int)
    sums = np.zeros((2, *x.shape), np.float32)
    for below, y_weight in ((0, 1 - upper_share), (1, upper_share)):
        inner = np.zeros((2, *x.shape), np.float32)
        for before, x_weight in ((0, 1 - right_share), (1, right_share)):
            bins = values[np.minimum(row + below, ny - 1), np.minimum(column + before, nx - 1)]
            # Products and sums are made in float64, and each sum is rounded. A term of weight 0 is left out, so that
            # NaN times 0 does not count.
            inner[0] = inner[0] + np.where(x_weight == 0, 0, bins * x_weight)
            inner[1] = inner[1] + x_weight
        sums[...] = sums + np.where(y_weight == 0, 0, inner * y_weight)
    sums[...] = sums.astype(np.float64) * area
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(usable, sums[0] / sums[1], np.float32(np.nan)).astype(np.float32)


def _samples(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    ny, nx = values.shape
    total, weight, clamped, clamped_weight = (np.zeros(x.shape) for _ in range(4))
    (column, x_share), (row, y_share) = _cell(x, nx), _cell(y, ny)
    x_inside, y_inside = np.clip(x_share, 0, 1), np.clip(y_share, 0, 1)
    for below in (0, 1):
        for before in (0, 1):
            bins = values[np.minimum(row + below, ny - 1), np.minimum(column + before, nx - 1)].astype(np.float64)
            known = np.isfinite(bins)
            bins = np.where(known, bins, 0.0)
            share = (y_share if below else 1 - y_share) * (x_share if before else 1 - x_share)
            inside = (y_inside if below else 1 - y_inside) * (x_inside if before else 1 - x_inside)
            total += share * bins
            weight += np.where(known, 0, 1)
            # A little weight for all four, so that a sample on a bin that is NaN takes its neighbours.
            inside = (inside + 1e-6) * known
            clamped += inside * bins
            clamped_weight += inside
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(weight == 0, total, clamped / clamped_weight).astype(np.float32)


def _cell(position: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bin before each position, and the distance from it; beyond the ends the distance is not in [0, 1]."""
    position = np.clip(position, -_REACH, size - 1 + _REACH)
    before = np.clip(np.floor(position), 0, max(size - 2, 0))
    before = np.where(np.isnan(before), 0, before)
    share = position - before if size > 1 else np.where(np.isnan(position), position, 0.0)
    return before.astype(int), share
