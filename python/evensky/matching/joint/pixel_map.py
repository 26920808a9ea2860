"""Map between the pixels of one exposure and those of the plane on which exposures are compared."""

from __future__ import annotations

__all__ = ["PixelMap", "bilinear"]

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ...errors import InvalidParameterError, LengthError
from .grid import PixelBox
from .transforms import Affine, Continued, Transform, affine_of

Floats = NDArray[np.float64]

# Number of points of the outline on each side of an exposure.
_POINTS_PER_SIDE = 8


@dataclass(frozen=True, eq=False)
class PixelMap:
    """Map between the pixels of an exposure and the plane, interpolated linearly between nodes.

    Positions on the plane are in virtual pixels; (0, 0) is the centre of the pixel (0, 0) of the plane. Own positions
    are in pixels of the exposure, array index plus origin; centres of pixels are whole numbers.

    Attributes
    ----------
    footprint : (x0, y0, width, height)
        Box of whole pixels on the plane that holds the exposure.
    shape : (height, width)
        Size of the exposure in pixels.
    origin : (x0, y0)
        Own position of the first pixel.
    step : int
        Distance of the nodes on the plane, in virtual pixels.
    x_nodes, y_nodes : ndarray, shape (rows, columns)
        Array indices in the exposure at the pixels (column * step, row * step) of the footprint; NaN where the
        exposure has no pixels.
    own_step : int
        Distance of the nodes in the exposure, in pixels.
    plane_x, plane_y : ndarray, shape (rows, columns)
        Positions on the plane of the pixels (column * own_step, row * own_step) of the exposure; NaN if unknown.
    scale : float
        Factor by which pixels are multiplied, so that values per pixel become values per virtual pixel.
    repeats : float
        Factor by which repeated pixels raise the variance of means: the mean of n virtual pixels has the variance
        sigma^2 / n * repeats.
    error : float
        Largest measured distance between interpolated and exact positions, in pixels of the exposure.
    """

    footprint: PixelBox
    shape: tuple[int, int]
    origin: tuple[int, int]
    step: int
    x_nodes: Floats
    y_nodes: Floats
    own_step: int
    plane_x: Floats
    plane_y: Floats
    scale: float = 1.0
    repeats: float = 1.0
    error: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the exposure in virtual pixels, as if it were not turned."""
        height, width = self.shape
        along = np.linalg.norm(np.linalg.inv(self.linear.matrix[:, :2]), axis=0)
        return max(1, round(width * along[0])), max(1, round(height * along[1]))

    @cached_property
    def linear(self) -> Affine:
        """The map without distortions, which also has positions where the WCS has none."""
        rows, columns = self.plane_x.shape
        x, y = np.meshgrid(
            self.origin[0] + self.own_step * np.arange(columns), self.origin[1] + self.own_step * np.arange(rows)
        )
        known = np.isfinite(self.plane_x) & np.isfinite(self.plane_y)
        return affine_of((self.plane_x[known], self.plane_y[known]), (x[known], y[known]))

    @property
    def continued(self) -> Transform:
        """The map, continued without distortions where the WCS has no positions."""
        return Continued(self, self.linear) if self.has_holes else self

    @property
    def has_holes(self) -> bool:
        """Whether there are pixels of the plane or of the exposure for which the WCS has no position."""
        nodes = (self.x_nodes, self.y_nodes, self.plane_x, self.plane_y)
        return not all(np.isfinite(plane).all() for plane in nodes)

    def to_own(self, x: Any, y: Any) -> tuple[Floats, Floats]:
        """Map positions on the plane to pixels of the exposure.

        Parameters
        ----------
        x, y : array_like
            Positions in virtual pixels.

        Returns
        -------
        x, y : ndarray
            Own positions, of the shape of the input, continued linearly beyond the exposure; NaN where a neighbouring
            node is.
        """
        columns, rows = np.asarray(x, float) - self.footprint[0], np.asarray(y, float) - self.footprint[1]
        own_x, own_y = bilinear((self.x_nodes, self.y_nodes), columns / self.step, rows / self.step)
        return own_x + self.origin[0], own_y + self.origin[1]

    def to_common(self, x: Any, y: Any) -> tuple[Floats, Floats]:
        """Map pixels of the exposure to positions on the plane.

        Parameters
        ----------
        x, y : array_like
            Own positions in pixels.

        Returns
        -------
        x, y : ndarray
            Positions in virtual pixels, of the shape of the input; NaN where a neighbouring node is.
        """
        columns, rows = np.asarray(x, float) - self.origin[0], np.asarray(y, float) - self.origin[1]
        plane_x, plane_y = bilinear((self.plane_x, self.plane_y), columns / self.own_step, rows / self.own_step)
        return plane_x, plane_y

    def sample(
        self,
        pixels: NDArray[Any],
        mask: NDArray[Any] | None = None,
        bad: int = 0,
        rows: slice | None = None,
        out: NDArray[Any] | None = None,
        num_threads: int = 0,
    ) -> NDArray[Any]:
        """Return for each virtual pixel the value of the nearest pixel of the exposure.

        Parameters
        ----------
        pixels : ndarray of float32 or float64, shape (height, width)
            Pixels of the exposure.
        mask : ndarray of int, shape (height, width), optional
        bad : int, optional
            Bits of the mask whose pixels are not used.
        rows : slice, optional
            Rows of the footprint; all by default.
        out : ndarray, shape (number of rows, width of the footprint), optional
            Array for the result, of the type of the pixels.
        num_threads : int, optional
            Number of threads; 0 for the process-wide default.

        Returns
        -------
        ndarray
            Values multiplied by `scale`; NaN where the exposure has no good pixel.

        Raises
        ------
        LengthError
            If the shape of the pixels is not that of the exposure.
        """
        if pixels.shape != self.shape:
            (height, width), (expected_height, expected_width) = pixels.shape, self.shape
            raise LengthError(
                f"the map is that of an exposure of {expected_width} x {expected_height} pixels, not of "
                f"{width} x {height}; pass the whole exposure"
            )
        start, stop, step = (rows or slice(None)).indices(self.footprint[3])
        if step != 1:
            raise InvalidParameterError(f"the step of the rows is {step}; only 1 is allowed")
        if out is None:
            out = np.empty((max(stop - start, 0), self.footprint[2]), pixels.dtype)
        _core.sample_nearest(
            (pixels, mask), self.x_nodes, self.y_nodes, self.step, self.scale, bad, out, 0, start, num_threads
        )
        return out

    def corners(self) -> Floats:
        """Return the outline of the exposure on the plane.

        Returns
        -------
        ndarray, shape (n, 2)
            Positions in virtual pixels of eight points on each side of the exposure, in order; the first is not
            repeated. Points that the WCS maps nowhere are left out.
        """
        height, width = self.shape
        along = np.arange(_POINTS_PER_SIDE) / _POINTS_PER_SIDE
        ends = np.zeros_like(along)
        x = np.concatenate([along, ends + 1, 1 - along, ends]) * width - 0.5 + self.origin[0]
        y = np.concatenate([ends, along, ends + 1, 1 - along]) * height - 0.5 + self.origin[1]
        outline = np.column_stack(self.to_common(x, y))
        return outline[np.isfinite(outline).all(axis=1)]


def bilinear(planes: tuple[Floats, Floats], columns: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Interpolate two planes linearly at positions in units of their nodes, and continue them beyond their edges."""
    height, width = planes[0].shape
    # Positions that are not numbers have no node; any will do.
    column = np.nan_to_num(np.floor(columns)).clip(0, width - 2).astype(np.intp)
    row = np.nan_to_num(np.floor(rows)).clip(0, height - 2).astype(np.intp)
    right, up = columns - column, rows - row
    corner = row * width + column
    values = []
    for plane in planes:
        flat = plane.ravel()
        low = flat[corner] * (1 - right) + flat[corner + 1] * right
        high = flat[corner + width] * (1 - right) + flat[corner + width + 1] * right
        values.append(low * (1 - up) + high * up)
    return values[0], values[1]
