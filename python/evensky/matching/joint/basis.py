"""Values of the terms of smooth models, as means over bins and at points.

A series is a Chebyshev series over the box of the exposure, as in `evensky.math.Approximate`. A spline is a natural
cubic spline through a few nodes, as in a `BackgroundMI` whose bins are the nodes.
"""

from __future__ import annotations

__all__ = ["Basis", "drift_terms", "mean_spline"]

import itertools
from functools import cached_property, lru_cache

import numpy as np

from ... import _core
from ...math import Interpolate
from .candidates import Candidate, Extra
from .grid import PixelBox
from .transforms import Transform

# Half the distance in pixels over which the derivatives of a map are taken.
_STEP = 16.0


@lru_cache(maxsize=64)
def _cardinal(size: int, nodes: int) -> tuple[Interpolate, ...]:
    """Make the splines that are 1 at one node and 0 at the others; nodes are the centres of equal bins."""
    edges = [((i + 1) * size + nodes // 2) // nodes for i in range(-1, nodes)]
    at = [0.5 * (a + b) - 0.5 for a, b in itertools.pairwise(edges)]
    return tuple(Interpolate(at, list(unit), Interpolate.NATURAL_SPLINE) for unit in np.eye(nodes))


class Basis:
    """Terms of smooth models over the box of one exposure.

    Parameters
    ----------
    box : (x0, y0, width, height)
        Box over which series and splines are defined.
    transform : Transform, optional
        Map from the common grid, on which positions are given, to the coordinates of the box; by default they are the
        same.
    """

    def __init__(self, box: PixelBox, transform: Transform | None = None) -> None:
        self.box = box
        self.transform = transform

    def to_own(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions on the common grid to the coordinates of the box."""
        return (x, y) if self.transform is None else self.transform.to_own(x, y)

    def to_common(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions in the coordinates of the box to the common grid."""
        return (x, y) if self.transform is None else self.transform.to_common(x, y)

    @cached_property
    def linear(self) -> np.ndarray:
        """Derivatives of the coordinates of the box, at its centre, by those of the common grid, shape (2, 2)."""
        if self.transform is None:
            return np.eye(2)
        x0, y0, width, height = self.box
        x, y = self.to_common(np.array([x0 + (width - 1) / 2]), np.array([y0 + (height - 1) / 2]))
        # A difference over some pixels averages over the kinks of an interpolated map.
        step = _STEP * np.array([[-1, 1, 0, 0], [0, 0, -1, 1]])
        own = np.stack(self.to_own(x + step[0], y + step[1]))
        return np.stack([own[:, 1] - own[:, 0], own[:, 3] - own[:, 2]], axis=1) / (2 * _STEP)

    def _placed(
        self, x: np.ndarray, y: np.ndarray, width: np.ndarray | float, height: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | float, np.ndarray | float]:
        """Map positions and sizes of bins to the coordinates of the box.

        A turned bin extends as far along an axis, in the sense of the variance of its pixels' positions, as one of the
        returned size that is not turned.
        """
        if self.transform is None:
            return x, y, width, height
        x, y = self.to_own(x, y)
        (a, b), (d, e) = self.linear
        return (
            x,
            y,
            np.hypot(a * np.asarray(width), b * np.asarray(height)),
            np.hypot(d * np.asarray(width), e * np.asarray(height)),
        )

    def design(
        self, candidate: Candidate, x: np.ndarray, y: np.ndarray, width: np.ndarray | float, height: np.ndarray | float
    ) -> np.ndarray:
        """Compute mean values of the smooth terms over bins.

        Parameters
        ----------
        candidate : Candidate
            Its further terms are left out.
        x, y : ndarray, shape (n,)
            Positions of the bins: means over their pixels.
        width, height : ndarray, shape (n,), or float
            Sizes of the bins in pixels; 0 for values at points.

        Returns
        -------
        ndarray, shape (n, smooth terms)
        """
        x, y, width, height = self._placed(x, y, width, height)
        if candidate.nodes is not None:
            return self._spline(candidate.nodes, x, y, width, height)
        if candidate.order < 0:
            return np.zeros((len(x), 0))
        sizes = (np.full(x.shape, size) if np.ndim(size) == 0 else size for size in (width, height))
        return _core.chebyshev_means(self.box, candidate.order, x, y, *sizes).T

    def at(self, candidate: Candidate, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Compute values of the smooth terms at points, shape (n, smooth terms)."""
        return self.design(candidate, np.asarray(x, float), np.asarray(y, float), 0.0, 0.0)

    def drift(
        self,
        extra: Extra,
        x: np.ndarray,
        y: np.ndarray,
        width: np.ndarray | float,
        height: np.ndarray | float,
    ) -> np.ndarray:
        """Compute mean values of the terms of drifting rows or columns over bins, shape (n, terms)."""
        x0, y0, columns, rows = self.box
        x, y, width, height = self._placed(np.asarray(x, float), np.asarray(y, float), width, height)
        if extra.kind == "rows":
            along = mean_spline(y - y0, height, rows, extra.nodes)
        else:
            along = mean_spline(x - x0, width, columns, extra.nodes)
        return np.asarray(along @ drift_terms(extra.nodes))

    def _spline(
        self,
        nodes: tuple[int, int],
        x: np.ndarray,
        y: np.ndarray,
        width: np.ndarray | float,
        height: np.ndarray | float,
    ) -> np.ndarray:
        x0, y0, columns, rows = self.box
        along_x = mean_spline(x - x0, width, columns, nodes[0])
        along_y = mean_spline(y - y0, height, rows, nodes[1])
        return np.asarray((along_y[:, :, None] * along_x[:, None, :]).reshape(len(x), -1))

    @cached_property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Points spread evenly over the box, in sufficient number to determine polynomials of moderate order.

        They are positions on the common grid.
        """
        x0, y0, width, height = self.box
        number = 24
        x = x0 - 0.5 + (np.arange(number) + 0.5) * width / number
        y = y0 - 0.5 + (np.arange(number) + 0.5) * height / number
        grid_x, grid_y = np.meshgrid(x, y)
        return self.to_common(grid_x.ravel(), grid_y.ravel())

    def embedding(self, candidate: Candidate, order: int, other: Basis) -> np.ndarray:
        """Compute the matrix from a series of `order` over another box to the terms of a candidate that represents it.

        Returns
        -------
        ndarray, shape (terms, terms of order)
        """
        x, y = self.points
        result, *_ = np.linalg.lstsq(self.at(candidate, x, y), other.at(Candidate(order), x, y), rcond=None)
        return np.asarray(result)

    def projection(self, candidate: Candidate, order: int, other: Basis) -> np.ndarray:
        """Compute the matrix from a candidate's terms to the nearest series of `order` over another box.

        Returns
        -------
        ndarray, shape (terms of order, terms)
        """
        x, y = self.points
        result, *_ = np.linalg.lstsq(other.at(Candidate(order), x, y), self.at(candidate, x, y), rcond=None)
        return np.asarray(result)


@lru_cache(maxsize=64)
def drift_terms(nodes: int) -> np.ndarray:
    """Return an orthonormal basis of values at nodes without a constant and a slope, shape (nodes, nodes - 2)."""
    straight = np.stack([np.ones(nodes), np.arange(nodes, dtype=float)], axis=1)
    return np.asarray(np.linalg.qr(straight, mode="complete")[0][:, 2:])


@lru_cache(maxsize=64)
def _sums(size: int, nodes: int) -> np.ndarray:
    """Sum the cardinal splines over the pixels before each pixel, shape (size + 1, nodes)."""
    pixels = np.arange(float(size))
    values = np.stack([spline.interpolate(pixels) for spline in _cardinal(size, nodes)], axis=1)
    return np.concatenate([np.zeros((1, nodes)), np.cumsum(values, axis=0)])


def mean_spline(at: np.ndarray, extent: np.ndarray | float, size: int, nodes: int) -> np.ndarray:
    """Compute means of the cardinal splines over intervals, shape (n, nodes); values at points if the extent is 0."""
    if nodes == 1:
        return np.ones((len(at), 1))
    if not np.any(extent):
        distinct, where = np.unique(at, return_inverse=True)
        return np.stack([spline.interpolate(distinct) for spline in _cardinal(size, nodes)], axis=1)[where]
    half = np.asarray(extent) / 2
    low, high = np.clip(at + 0.5 - half, 0, size), np.clip(at + 0.5 + half, 0, size)
    sums = _sums(size, nodes)

    def until(edge: np.ndarray) -> np.ndarray:
        whole = np.minimum(edge.astype(int), size - 1)
        part = (edge - whole)[:, None]
        return np.asarray(sums[whole] * (1 - part) + sums[whole + 1] * part)

    return np.asarray((until(high) - until(low)) / (high - low)[:, None])
