"""Sky level and scatter in a mesh of boxes, computed from their definitions."""

from __future__ import annotations

import numpy as np

MAD_TO_STDEV = 1.482602218505602


def clip(
    values: np.ndarray,
    sigma: tuple[float, float],
    rounds: int,
    centre: str | None = None,
    scatter: str | None = None,
) -> np.ndarray:
    """Return the values that clipping leaves."""
    values = values.astype(np.float64)
    kept, window = values, (-np.inf, np.inf)
    usual = centre is None and scatter is None
    for number in range(rounds):
        if kept.size == 0:
            break
        if usual:
            if number == 0:
                low, middle, high = np.percentile(values, (25, 50, 75))
                about, width = middle, 0.741301109252802 * (high - low)
            else:
                about = kept.mean()
                width = kept.std(ddof=1) if values.size > 1 else width
        else:
            about = kept.mean() if centre == "mean" else np.median(kept)
            width = MAD_TO_STDEV * np.median(abs(kept - np.median(kept))) if scatter == "mad" else kept.std()
        window = tuple(side if np.isinf(side) else about + side * width for side in (-sigma[0], sigma[1]))
        before = kept.size
        pool = values if usual else kept
        kept = pool[(pool >= window[0]) & (pool <= window[1])]
        if not usual and kept.size == before:
            break
    return values[(values >= window[0]) & (values <= window[1])]


def biweight(values: np.ndarray, c: float) -> tuple[float, float]:
    """Return the biweight location and scale about the median (Beers, Flynn & Gebhardt 1990)."""
    median = np.median(values)
    d = values - median
    mad = np.median(abs(d))
    if mad == 0:
        return float(median), 0.0
    u = d / (c * mad)
    d, u = d[abs(u) < 1], u[abs(u) < 1]
    location = median + (d * (1 - u**2) ** 2).sum() / ((1 - u**2) ** 2).sum()
    slope = ((1 - u**2) * (1 - 5 * u**2)).sum()
    return float(location), float(np.sqrt(values.size * (d**2 * (1 - u**2) ** 4).sum()) / abs(slope))


def level(kept: np.ndarray, estimator: str) -> tuple[float, float]:
    """Return the level and its error from the values that clipping has left."""
    n = kept.size
    if n == 0:
        return np.nan, np.nan
    mean, median, std = kept.mean(), np.median(kept), kept.std()
    error = np.sqrt(kept.var(ddof=1) / n) if n > 1 else np.nan

    def of(a: float, b: float) -> tuple[float, float]:
        # Covariance of median and mean: the variance of the mean.
        return a * median - b * mean, error * np.sqrt(a * a * np.pi / 2 + b * b - 2 * a * b)

    if estimator == "biweight":
        location, scale = biweight(kept, 6)
        if np.median(abs(kept - median)) == 0:
            return of(1, 0)
        return location, scale / np.sqrt(n)
    if estimator == "grouped_mode":
        values, numbers = np.unique(kept, return_counts=True)
        if median in values:
            i = np.searchsorted(values, median)
            low, high = (values[max(i - 1, 0)] + median) / 2, (median + values[min(i + 1, values.size - 1)]) / 2
            median = low + (n / 2 - numbers[:i].sum()) / numbers[i] * (high - low)
    if estimator in ("mode", "grouped_mode"):
        skewed = n > 1 and not -5 <= (mean - median) / (error * np.sqrt(np.pi / 2 - 1) or 1) <= 2
        estimator = "sextractor" if skewed else "mean"
    if estimator == "mean" or (estimator == "sextractor" and std == 0):
        return mean, error
    if estimator == "mmm":
        return of(3, 2)
    if estimator == "sextractor" and abs(mean - median) <= 0.3 * std:
        return of(2.5, 1.5)
    return of(1, 0)


def scatter_of(kept: np.ndarray, estimator: str) -> float:
    """Return the scatter of the values that clipping has left."""
    if kept.size == 0:
        return np.nan
    if estimator == "std":
        return float(kept.std())
    if estimator == "mad":
        return float(MAD_TO_STDEV * np.median(abs(kept - np.median(kept))))
    return biweight(kept, 9)[1]


def edges(size: int, box: int, method: str) -> list[int]:
    """Return the edges of the boxes along one side."""
    count = -(-size // box)
    if method == "crop":
        return [i * box for i in range(size // box + 1)]
    if method == "pad":
        return [min(i * box, size) for i in range(count + 1)]
    return [0] + [min(((i + 1) * size + count // 2) // count, size) for i in range(count)]


def fill(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Replace boxes by the mean of the ten nearest good ones, with further ones as near as the tenth."""
    result = values.copy()
    y, x = np.nonzero(good)
    for j, i in zip(*np.nonzero(~good), strict=True):
        distance2 = (y - j) ** 2 + (x - i) ** 2
        tenth = np.sort(distance2)[min(9, distance2.size - 1)]
        near = distance2 <= tenth
        result[j, i] = np.average(values[good][near], weights=1 / np.sqrt(distance2[near]))
    return result


def median_filter(values: np.ndarray, size: tuple[int, int], where: np.ndarray) -> np.ndarray:
    """Return medians in windows that are cut at the edges, where asked for."""
    result = values.copy()
    for j, i in zip(*np.nonzero(where), strict=True):
        rows = slice(max(0, j - size[0] // 2), j + size[0] // 2 + 1)
        window = values[rows, max(0, i - size[1] // 2) : i + size[1] // 2 + 1]
        good = window[~np.isnan(window)]
        result[j, i] = np.median(good) if good.size else np.nan
    return result
