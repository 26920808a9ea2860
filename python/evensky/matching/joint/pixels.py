"""Pixels of one exposure on the common pixel grid."""

from __future__ import annotations

__all__ = ["Pixels", "Plane"]

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ... import _core
from ..._bands import band_height
from ...fits.scratch import PlanePart, ScratchPlane
from .grid import PixelBox
from .sources import SQUARE, Cells, around_masks, square_edges

# Pixels of which rows are read: an array, or a part of a plane on disk.
Plane = np.ndarray | PlanePart

# Number and length of the runs of neighbouring pixels from which the step between values is found.
_RUNS, _RUN = 64, 64
# Share of neighbouring pixels that must differ: noise changes pixels anywhere, and objects only at their edges.
_LEAST_CHANGES = 0.05
# Values are multiples of a step if they are within this part of a step of one.
_TOLERANCE = 0.05
# Steps that are finer than the noise by more than this factor do not matter.
_FINE = 5.0


@dataclass
class Pixels:
    """Pixels of an exposure, with the mask of bad ones.

    Attributes
    ----------
    image : ndarray or ScratchPlane of float32 or float64, shape (height, width)
    mask : ndarray or ScratchPlane of int32, or None
    bad : int
        Bits of the mask that reject a pixel.
    box : (x0, y0, width, height)
        Position on the common pixel grid.
    sampled : bool
        Whether they are the nearest pixels of an exposure that has another pixel grid.
    cells : dict of int to Cells
        Light in the small cells of a grid, by the size of its bins, once it is measured.
    """

    image: np.ndarray | ScratchPlane
    mask: np.ndarray | ScratchPlane | None
    bad: int
    box: PixelBox
    sampled: bool = False
    cells: dict[int, Cells] = field(default_factory=dict)

    @property
    def on_disk(self) -> bool:
        """Whether the pixels are on disk, and may be larger than the memory."""
        return isinstance(self.image, ScratchPlane)

    @property
    def nbytes(self) -> int:
        """Size of image and mask in bytes."""
        return self.image.nbytes + (0 if self.mask is None else self.mask.nbytes)

    def part(self, box: PixelBox) -> tuple[Plane, Plane | None]:
        """Return image and mask in a box that must be inside that of the exposure."""
        x, y = box[0] - self.box[0], box[1] - self.box[1]
        where = slice(y, y + box[3]), slice(x, x + box[2])
        return _part(self.image, *where), None if self.mask is None else _part(self.mask, *where)

    @cached_property
    def around_masks(self) -> np.ndarray | None:
        """Squares of the common pixel plane that hold masked sources or lie around them; None if there is none."""
        (x_edges, _), (y_edges, _) = (
            square_edges(start, size) for start, size in zip(self.box[:2], self.box[2:], strict=True)
        )
        masked = np.zeros((y_edges.size - 1, x_edges.size - 1), np.uint8)
        # Planes on disk are read in bands of whole rows of squares.
        step = max(1, band_height(self.box[2]) // SQUARE) if self.on_disk else masked.shape[0]
        for start in range(0, masked.shape[0], step):
            edges = y_edges[start : start + step + 1]
            rows = slice(int(edges[0]), int(edges[-1]))
            planes = self.image[rows], None if self.mask is None else self.mask[rows]
            masked[start : start + step] = _core.bad_in_squares(planes, self.bad, x_edges, edges - edges[0])
        if not masked.any():
            return None
        found = around_masks(masked)
        return found if found.any() else None

    @cached_property
    def quantum(self) -> float:
        """Step of which all values are multiples, as in integer images; 0 if there is none, or if it is far below the
        noise.
        """
        height, width = self.image.shape
        length = min(_RUN, width)
        rows = np.unique(np.linspace(0, height - 1, min(_RUNS, height)).astype(int))
        # Runs begin all over the width, so that no defect of some columns is in all of them.
        starts = ((np.arange(rows.size) * 0.6180339887498949) % 1 * (width - length + 1)).astype(int)
        columns = starts[:, None] + np.arange(length)
        runs = _picked(self.image, rows, columns).astype(np.float64)
        if self.mask is not None:
            runs[(_picked(self.mask, rows, columns) & np.int32(self.bad)) != 0] = np.nan
        runs[~np.isfinite(runs)] = np.nan
        return _step(runs)


def _part(plane: np.ndarray | ScratchPlane, rows: slice, columns: slice) -> Plane:
    return PlanePart(plane, rows, columns) if isinstance(plane, ScratchPlane) else plane[rows, columns]


def _picked(plane: np.ndarray | ScratchPlane, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return some columns of some rows; each row has columns of its own."""
    if isinstance(plane, np.ndarray):
        return np.asarray(plane[rows[:, None], columns])
    return np.array([plane[row : row + 1][0, some] for row, some in zip(rows.tolist(), columns, strict=True)])


def _step(runs: np.ndarray) -> float:
    """Return the step between the values of runs of neighbouring pixels; 0.0 if there is none that matters."""
    values = runs[np.isfinite(runs)]
    change = np.abs(np.diff(runs, axis=1))
    change = change[np.isfinite(change)]
    if np.count_nonzero(change) < max(1.0, _LEAST_CHANGES * change.size):
        return 0.0
    # Stars and defects have few pixels with many values.
    low, high = np.percentile(values, [0.5, 99.5])
    distinct = np.unique(values[(values >= low) & (values <= high)])
    if distinct.size < 2:
        return 0.0
    above = distinct - distinct[0]
    step = float(np.diff(distinct).min())
    step = float(above[-1] / np.round(above[-1] / step))  # rounding errors of a long distance count less
    if step <= np.spacing(np.float32(np.abs(distinct).max())) / _TOLERANCE:
        return 0.0
    if np.any(np.abs(above / step - np.round(above / step)) > _TOLERANCE):
        return 0.0
    noise = 1.482602218505602 / np.sqrt(2) * float(np.median(change))
    return step if noise < _FINE * step else 0.0
