"""Sky level and noise in boxes as SExtractor and sep find and interpolate them, computed step by step."""

from __future__ import annotations

import numpy as np


def median_bin(counts: np.ndarray, low: int, high: int) -> float:
    """Return the median of the bins low ... high of a histogram.

    Bins are given to two sides, one from below and one from above, always to that with fewer pixels.
    """
    below = above = 0
    first, last = low, high
    while first <= last:
        if below < above:
            below += counts[first]
            first += 1
        else:
            above += counts[last]
            last -= 1
    larger = max(counts[first - 1] if first > low else 0, counts[first] if first <= high else 0)
    return first - 0.5 + ((above - below) / (2 * larger) if larger else 0)


def level(pixels: np.ndarray) -> tuple[float, float, int]:
    """Return level and scatter of the pixels of a box, and how many clipping has left."""
    pixels = pixels.astype(np.float64)
    if pixels.size < 2:
        return np.nan, np.nan, 0
    core = pixels[abs(pixels - pixels.mean()) <= 2 * pixels.std()]
    bins = min(int(1.25 * np.sqrt(2 / np.pi) * core.size + 1), 4096)
    step = 10 * core.std() / bins if np.ptp(core) > 0 else 1.0
    zero = core.mean() - 5 * (core.std() if np.ptp(core) > 0 else 0)
    place = np.floor((pixels - zero) * (1 / step) + 0.5)
    counts = np.bincount(place[(place >= 0) & (place < bins)].astype(int), minlength=bins)
    numbers = np.arange(bins)
    low, high, last = 0, bins - 1, np.inf
    for _ in range(100):
        window = slice(low, high + 1)
        number = counts[window].sum()
        mean = (counts * numbers)[window].sum() / number
        scatter = np.sqrt(max((counts * numbers**2)[window].sum() / number - mean**2, 0))
        median = median_bin(counts, low, high)
        if scatter < 0.1 or abs(scatter / last - 1) < 1e-4:
            break
        last = scatter
        low = max(0, int(np.floor(median - 3 * scatter + 0.5)))
        high = min(bins - 1, int(np.floor(median + 3 * scatter + 0.5)))
    if scatter == 0:
        found = mean
    elif abs(mean - median) < 0.3 * scatter:
        found = 2.5 * median - 1.5 * mean
    else:
        found = median
    return zero + step * found, step * scatter, int(number)


def mesh(image: np.ndarray, mask: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return level, scatter and the part of good pixels of the boxes of an image."""
    rows = range(0, image.shape[0], height)
    columns = range(0, image.shape[1], width)
    boxes = [[np.s_[y : y + height, x : x + width] for x in columns] for y in rows]
    good = ~mask & np.isfinite(image)
    found = np.array([[level(image[box][good[box]])[:2] for box in row] for row in boxes])
    part = np.array([[good[box].mean() for box in row] for row in boxes])
    return found[..., 0], found[..., 1], part


def fill(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Replace boxes by the mean of the nearest good ones."""
    result = values.copy()
    places = np.argwhere(good)
    for j, i in np.argwhere(~good):
        distance2 = ((places - [j, i]) ** 2).sum(axis=1)
        nearest = places[distance2 == distance2.min()]
        result[j, i] = values[nearest[:, 0], nearest[:, 1]].mean()
    return result


def filtered(
    levels: np.ndarray, scatters: np.ndarray, width: int, height: int, least_change: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return medians of boxes in windows that are made smaller on both sides at the edges."""
    results = levels.copy(), scatters.copy()
    for j, i in np.ndindex(levels.shape):
        y = min(height // 2, j, levels.shape[0] - 1 - j)
        x = min(width // 2, i, levels.shape[1] - 1 - i)
        window = np.s_[j - y : j + y + 1, i - x : i + x + 1]
        if abs(np.median(levels[window]) - levels[j, i]) >= least_change:
            results[0][j, i], results[1][j, i] = np.median(levels[window]), np.median(scatters[window])
    return results


def curvatures(values: np.ndarray) -> np.ndarray:
    """Return second derivatives along the first axis, solved as sep does: with a sixth in the substitution."""
    count = len(values)
    result = np.zeros(values.shape)
    pivots = np.full(count, np.inf)
    for i in range(1, count - 1):
        pivots[i] = 4 - 1 / pivots[i - 1]
        result[i] = (6 * (values[i - 1] - 2 * values[i] + values[i + 1]) - result[i - 1]) / pivots[i]
    for i in range(count - 2, 0, -1):
        result[i] -= result[i + 1] / pivots[i] / 6
    return result


def along(values: np.ndarray, places: np.ndarray, *, straight: bool = False) -> np.ndarray:
    """Return cubics through values at 0, 1, ... along the first axis, at other places."""
    if len(values) == 1:
        return np.repeat(values, len(places), axis=0)
    second = np.zeros(values.shape) if straight else curvatures(values)
    k = np.clip(np.floor(places).astype(int), 0, len(values) - 2)
    u = (places - k)[:, None]
    w = 1 - u
    return w * values[k] + u * values[k + 1] + ((w**3 - w) * second[k] + (u**3 - u) * second[k + 1]) / 6


def spline(values: np.ndarray, shape: tuple[int, int], width: int, height: int) -> np.ndarray:
    """Return the image of an interpolated mesh of boxes."""
    y = np.arange(shape[0]) / height - 0.5
    x = (np.arange(shape[1]) + 0.5) / width - 0.5
    return along(along(values, y).T, x, straight=len(values) == 1).T


def background(
    image: np.ndarray,
    mask: np.ndarray,
    width: int = 64,
    height: int = 64,
    window: tuple[int, int] = (3, 3),
    least_change: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of level and scatter; the window is (width, height) of the filter in boxes."""
    levels, scatters, part = mesh(image, mask, width, height)
    good = (part >= 0.5) & np.isfinite(levels)
    levels, scatters = filtered(fill(levels, good), fill(scatters, good), *window, least_change)
    back, rms = (spline(values, image.shape, width, height) for values in (levels, scatters))
    return back, np.maximum(rms, 0)
