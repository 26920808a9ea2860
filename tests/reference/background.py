"""Backgrounds and approximations, computed from their definitions."""

from __future__ import annotations

import numpy as np

from .interpolate import MIN_POINTS, best_style, interpolant
from .statistics import Control, statistics


def bin_edges(size: int, count: int) -> list[int]:
    """Return the edges of the bins, from 0 to size."""
    edges = [0]
    for i in range(count):
        edges.append(min(((i + 1) * size + count // 2) // count, size))
    return edges


def bin_centers(size: int, count: int) -> np.ndarray:
    """Return the centres of the bins."""
    edges = np.array(bin_edges(size, count))
    return edges[:-1] + 0.5 * np.diff(edges) - 0.5


def stats_image(
    image: np.ndarray, mask: np.ndarray | None, nx: int, ny: int, prop: str, control: Control
) -> tuple[np.ndarray, np.ndarray]:
    """Return the value and the error of a property in every bin, as float32."""
    values, errors = np.empty((ny, nx), np.float32), np.empty((ny, nx), np.float32)
    xs, ys = bin_edges(image.shape[1], nx), bin_edges(image.shape[0], ny)
    for j in range(ny):
        for i in range(nx):
            part = np.s_[ys[j] : ys[j + 1], xs[i] : xs[i + 1]]
            found = statistics(image[part], None if mask is None else mask[part], control=control)
            values[j, i], errors[j, i] = found[prop]
    return values, errors


def line(x: np.ndarray, y: np.ndarray, style: str, xs: np.ndarray) -> np.ndarray:
    """Interpolate one column or row; NaN knots are dropped, and the style is reduced if too few remain."""
    good = ~np.isnan(y)
    if not good.any():
        return np.full(len(xs), np.nan)
    if good.sum() < MIN_POINTS[style]:
        style = best_style(int(good.sum()))
    return interpolant(x[good], y[good], style)(xs)


def model(values: np.ndarray, width: int, height: int, style: str) -> np.ndarray:
    """Return the full image; the style is reduced if there are too few bins."""
    ny, nx = values.shape
    if min(nx, ny) < MIN_POINTS[style]:
        style = best_style(min(nx, ny))
    rows, columns = np.arange(height, dtype=float), np.arange(width, dtype=float)
    xc, yc = bin_centers(width, nx), bin_centers(height, ny)
    grid = np.stack([line(yc, values[:, i].astype(float), style, rows) for i in range(nx)], axis=1)
    return np.stack([line(xc, grid[j], style, columns) for j in range(height)]).astype(np.float32)


def chebyshev(values: np.ndarray, weights: np.ndarray, width: int, height: int, order: int) -> np.ndarray:
    """Return the image of the weighted least-squares Chebyshev series through the bins."""
    ny, nx = values.shape

    def basis(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        u, v = (2 * x + 1) / width - 1, (2 * y + 1) / height - 1
        terms = [(n - q, q) for n in range(order + 1) for q in range(n + 1)]
        one = np.polynomial.chebyshev.Chebyshev.basis
        return np.stack([one(p)(u) * one(q)(v) for p, q in terms], axis=-1)

    x, y = np.meshgrid(bin_centers(width, nx), bin_centers(height, ny))
    good = np.isfinite(values) & np.isfinite(weights)
    root = np.sqrt(weights[good])
    solution, *_ = np.linalg.lstsq(
        basis(x[good], y[good]) * root[:, None], values[good].astype(float) * root, rcond=None
    )
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return (basis(columns, rows) @ solution).astype(np.float32)
