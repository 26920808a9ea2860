"""Models of an exposure: none, a constant, a plane, a Chebyshev series, a spline. All are linear in their terms.

A series is a Chebyshev series over the box of the exposure, as in `evensky.math.Approximate`. A spline is a natural
cubic spline through a few nodes, as in a `BackgroundMI` whose bins are the nodes.
"""

from __future__ import annotations

__all__ = ["NONE", "Basis", "Candidate", "Model", "make_candidates"]

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.polynomial import chebyshev

from ... import _core
from ...geom import Box2I, Extent2I, Point2I
from ...math import (
    REDUCE_INTERP_ORDER,
    Approximate,
    ApproximateControl,
    BackgroundControl,
    BackgroundMI,
    Interpolate,
    StatisticsControl,
)
from ...math.background import fill_with_model
from .grid import PixelBox

# Numbers of bins per node along a side, for fine and coarse splines, and for splines that vary in one direction only.
_BINS_PER_NODE = (2, 3)
_BINS_PER_NODE_OF_ROWS = (1, 2)
_FEWEST_NODES = 4


def terms_of_order(order: int) -> int:
    """Return the number of terms of a series of total degree up to `order`; -1 has none."""
    return (order + 1) * (order + 2) // 2


@dataclass(frozen=True)
class Candidate:
    """A kind of model.

    Attributes
    ----------
    order : int
        Total degree of a series; -1 for a spline, and for no model.
    nodes : (int, int) or None
        Columns and rows of the nodes of a spline; None for a series.
    """

    order: int = -1
    nodes: tuple[int, int] | None = None

    @property
    def terms(self) -> int:
        """Number of coefficients."""
        return terms_of_order(self.order) if self.nodes is None else self.nodes[0] * self.nodes[1]

    @property
    def name(self) -> str:
        """Name in results and reports."""
        if self.nodes is not None:
            return f"spline {self.nodes[0]} x {self.nodes[1]}"
        return {-1: "none", 0: "constant", 1: "plane"}.get(self.order, f"Chebyshev {self.order}")

    @property
    def polynomial(self) -> int:
        """Highest total degree of the polynomials that the candidate represents exactly, wherever they are centred."""
        if self.nodes is None:
            return self.order
        return 1 if min(self.nodes) > 1 else 0


NONE = Candidate()


def make_candidates(order: int, bins: tuple[int, int], *, spline: bool = True) -> list[Candidate]:
    """Make the candidates for an exposure, the simplest first.

    Parameters
    ----------
    order : int
        Highest order of a series.
    bins : (int, int)
        Columns and rows of bins of the exposure.
    spline : bool, optional
        Whether splines are among the candidates.
    """
    found = [Candidate(degree) for degree in range(-1, order + 1)]
    if spline:
        nx, ny = bins
        sizes = {(nx // per_node, ny // per_node) for per_node in _BINS_PER_NODE}
        # Drifts during read-out change the level from row to row, or from column to column.
        sizes |= {(1, ny // per_node) for per_node in _BINS_PER_NODE_OF_ROWS}
        sizes |= {(nx // per_node, 1) for per_node in _BINS_PER_NODE_OF_ROWS}
        found += [
            Candidate(nodes=size) for size in sizes if all(n == 1 or n >= _FEWEST_NODES for n in size) and max(size) > 1
        ]
    return sorted(found, key=lambda candidate: (candidate.terms, candidate.nodes or (0, 0)))


@lru_cache(maxsize=64)
def _cardinal(size: int, nodes: int) -> tuple[Interpolate, ...]:
    """Make the splines that are 1 at one node and 0 at the others; nodes are the centres of equal bins."""
    edges = [((i + 1) * size + nodes // 2) // nodes for i in range(-1, nodes)]
    at = [0.5 * (a + b) - 0.5 for a, b in itertools.pairwise(edges)]
    return tuple(Interpolate(at, list(unit), Interpolate.NATURAL_SPLINE) for unit in np.eye(nodes))


class Basis:
    """Terms of all candidates over the box of one exposure.

    Parameters
    ----------
    box : (x0, y0, width, height)
    """

    def __init__(self, box: PixelBox) -> None:
        self.box = box

    def design(
        self, candidate: Candidate, x: np.ndarray, y: np.ndarray, width: np.ndarray | float, height: np.ndarray | float
    ) -> np.ndarray:
        """Compute mean values of the terms over bins.

        Parameters
        ----------
        candidate : Candidate
        x, y : ndarray, shape (n,)
            Positions of the bins: means over their pixels.
        width, height : ndarray, shape (n,), or float
            Sizes of the bins in pixels; 0 for values at points.

        Returns
        -------
        ndarray, shape (n, terms)
        """
        if candidate.nodes is not None:
            return self._spline(candidate.nodes, x, y, width, height)
        if candidate.order < 0:
            return np.zeros((len(x), 0))
        x0, y0, columns, rows = self.box
        along_x = _mean_chebyshev((x - x0 + 0.5) * 2 / columns - 1, np.asarray(width) / columns, candidate.order)
        along_y = _mean_chebyshev((y - y0 + 0.5) * 2 / rows - 1, np.asarray(height) / rows, candidate.order)
        result = np.empty((len(x), candidate.terms))
        for term, (p, q) in enumerate(_powers(candidate.order)):
            np.multiply(along_x[:, p], along_y[:, q], out=result[:, term])
        return result

    def at(self, candidate: Candidate, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Compute values of the terms at points, shape (n, terms)."""
        return self.design(candidate, np.asarray(x, float), np.asarray(y, float), 0.0, 0.0)

    def _spline(
        self,
        nodes: tuple[int, int],
        x: np.ndarray,
        y: np.ndarray,
        width: np.ndarray | float,
        height: np.ndarray | float,
    ) -> np.ndarray:
        x0, y0, columns, rows = self.box
        along_x = _mean_spline(x - x0, width, columns, nodes[0])
        along_y = _mean_spline(y - y0, height, rows, nodes[1])
        return np.asarray((along_y[:, :, None] * along_x[:, None, :]).reshape(len(x), -1))

    @cached_property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Points spread evenly over the box, in sufficient number to determine polynomials of moderate order."""
        x0, y0, width, height = self.box
        number = 24
        x = x0 - 0.5 + (np.arange(number) + 0.5) * width / number
        y = y0 - 0.5 + (np.arange(number) + 0.5) * height / number
        grid_x, grid_y = np.meshgrid(x, y)
        return grid_x.ravel(), grid_y.ravel()

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


def _powers(order: int) -> Iterator[tuple[int, int]]:
    for degree in range(order + 1):
        for q in range(degree + 1):
            yield degree - q, q


def _mean_chebyshev(centre: np.ndarray, half: np.ndarray, order: int) -> np.ndarray:
    """Compute means of T_0 to T_order from centre - half to centre + half; values at the centre if half is 0.

    The integral of T_n is (T_{n+1} / (n + 1) - T_{n-1} / (n - 1)) / 2 (DLMF 18.17).
    """
    if not np.any(half):
        return np.asarray(chebyshev.chebvander(centre, order))
    low, high = (chebyshev.chebvander(centre + sign * half, order + 1) for sign in (-1, 1))
    result = np.empty((len(centre), order + 1))
    result[:, 0] = 1.0
    if order > 0:
        result[:, 1] = centre
    for n in range(2, order + 1):
        integral = [(t[:, n + 1] / (n + 1) - t[:, n - 1] / (n - 1)) / 2 for t in (low, high)]
        result[:, n] = (integral[1] - integral[0]) / (2 * half)
    return result


@lru_cache(maxsize=64)
def _sums(size: int, nodes: int) -> np.ndarray:
    """Sum the cardinal splines over the pixels before each pixel, shape (size + 1, nodes)."""
    pixels = np.arange(float(size))
    values = np.stack([spline.interpolate(pixels) for spline in _cardinal(size, nodes)], axis=1)
    return np.concatenate([np.zeros((1, nodes)), np.cumsum(values, axis=0)])


def _mean_spline(at: np.ndarray, extent: np.ndarray | float, size: int, nodes: int) -> np.ndarray:
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


class Model:
    """The model of one exposure: the function that is added to it.

    Attributes
    ----------
    candidate : Candidate
        Kind of model.
    box : (x0, y0, width, height)
        The pixels that the model covers.
    coefficients : ndarray, shape (terms,)
        Coefficients in the unit of the pixels. Those of a series are sorted by total degree n, then x^n, x^(n-1) y,
        ... y^n; those of a spline are its values at the nodes, by rows.
    covariance : ndarray, shape (terms, terms)
        Covariance of the coefficients.
    """

    def __init__(self, candidate: Candidate, box: PixelBox, coefficients: np.ndarray, covariance: np.ndarray) -> None:
        self.candidate = candidate
        self.box = box
        self.coefficients = coefficients
        self.covariance = covariance

    @property
    def name(self) -> str:
        """Name of the kind of model."""
        return self.candidate.name

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Compute values at points of the common pixel grid, in float64."""
        return np.asarray(Basis(self.box).at(self.candidate, x, y) @ self.coefficients)

    def sigma(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Compute standard errors at points of the common pixel grid."""
        terms = Basis(self.box).at(self.candidate, x, y)
        return np.asarray(np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", terms, self.covariance, terms), 0)))

    @cached_property
    def mirrored(self) -> BackgroundMI | Approximate | None:
        """The model as a class of `evensky.math`: a series, a spline, or None for no model."""
        if self.candidate.nodes is None:
            if self.candidate.order < 0:
                return None
            control = ApproximateControl(ApproximateControl.CHEBYSHEV, self.candidate.order)
            return Approximate(_core.Approximate(self.box, control, self.coefficients, self.covariance.ravel()))
        nx, ny = self.candidate.nodes
        # The model is constant along an axis with one node. A background would use a simpler style for one bin, so
        # the node is repeated.
        copies = (ny if ny > 1 else _FEWEST_NODES, nx if nx > 1 else _FEWEST_NODES)
        values, errors = (
            np.broadcast_to(grid.reshape(ny, nx), copies).astype(np.float32)
            for grid in (self.coefficients, np.sqrt(np.maximum(np.diag(self.covariance), 0)))
        )
        made = BackgroundControl(
            Interpolate.NATURAL_SPLINE, copies[1], copies[0], REDUCE_INTERP_ORDER, StatisticsControl()
        )
        return BackgroundMI.from_core(_core.Background(self.box, values, None, errors, made), _core.AsUsed())

    def fill(self, out: np.ndarray, *, first_row: int = 0, num_threads: int = 0) -> None:
        """Write whole rows of the model into an array, shape (rows, width)."""
        if self.mirrored is None:
            out[...] = 0
        else:
            fill_with_model(out, self.mirrored, first_row=first_row, num_threads=num_threads)

    def fill_variance(self, out: np.ndarray, *, first_row: int = 0, num_threads: int = 0) -> None:
        """Write whole rows of the model's variance into a float32 array, shape (rows, width)."""
        x0, y0, width, _ = self.box
        if isinstance(self.mirrored, Approximate):
            box = (x0, y0 + first_row, width, len(out))
            self.mirrored._core.get_variance(out, box, -1, -1, num_threads)
        elif self.mirrored is None:
            out[...] = 0
        else:
            self._spline_variance(out, first_row)

    def _spline_variance(self, out: np.ndarray, first_row: int) -> None:
        assert self.candidate.nodes is not None
        _, _, width, height = self.box
        nx, ny = self.candidate.nodes
        along_x = _mean_spline(np.arange(width, dtype=float), 0.0, width, nx)
        covariance = self.covariance.reshape(ny, nx, ny, nx)
        for row in range(len(out)):
            weights = _mean_spline(np.array([first_row + row], float), 0.0, height, ny)[0]
            of_columns = np.einsum("j,jakb,k->ab", weights, covariance, weights)
            out[row] = np.maximum(np.einsum("xa,ab,xb->x", along_x, of_columns, along_x, optimize=True), 0)

    def image(self, *, num_threads: int = 0) -> np.ndarray:
        """Make the image of the model, float32, shape (height, width)."""
        _, _, width, height = self.box
        result = np.empty((height, width), np.float32)
        self.fill(result, num_threads=num_threads)
        return result

    def sigma_image(self, *, num_threads: int = 0) -> np.ndarray:
        """Make the image of the model's standard error, float32, shape (height, width)."""
        _, _, width, height = self.box
        result = np.empty((height, width), np.float32)
        self.fill_variance(result, num_threads=num_threads)
        return np.asarray(np.sqrt(result, out=result))

    @property
    def bbox(self) -> Box2I:
        """The pixels that the model covers."""
        x0, y0, width, height = self.box
        return Box2I(Point2I(x0, y0), Extent2I(width, height))

    def __repr__(self) -> str:
        return f"Model({self.name}, over {self.box[2]} x {self.box[3]} px at ({self.box[0]}, {self.box[1]}))"
