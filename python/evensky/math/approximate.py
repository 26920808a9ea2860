"""Chebyshev approximation of points in a coarse grid, with the names of ``lsst.afw.math``."""

from __future__ import annotations

__all__ = ["Approximate", "ApproximateControl", "makeApproximate"]

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._core import ApproximateControl
from ..geom import Box2I, Extent2I, Point2I, box_numbers
from ..image import ImageD, ImageF, MaskedImageF
from ..image._pixels import pixels_of
from ..image.foreign import as_planes, native_array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Approximate:
    """Two-dimensional Chebyshev series over a box of pixels.

    The model is the sum over p + q <= order of c_pq T_p(x') T_q(y'), where x' and y' map the outer pixel edges of the
    box (min - 0.5, max + 0.5) to -1 and +1. `makeApproximate` and ``Background.getApproximate`` make objects of this
    class. They are immutable, and several threads may evaluate them at once.
    """

    def __init__(self, core: _core.Approximate) -> None:
        self._core = core

    def getImage(self, orderX: int = -1, orderY: int = -1, *, num_threads: int = 0) -> ImageF:
        """Evaluate the model over its box.

        Parameters
        ----------
        orderX, orderY : int, optional
            Highest order of the terms to evaluate; negative numbers stand for all terms. Both must be equal.
        num_threads : int, optional
            Number of threads; 0 for the process-wide default.

        Returns
        -------
        ImageF
            Image with the size and origin of the box.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the orders differ, or are higher than that of the model.
        """
        array = self._pixels(np.float32)
        self._core.get_image(array, self._core.get_bbox(), orderX, orderY, num_threads)
        return ImageF(array, xy0=self.getBBox().getMin())

    def getImageD(self, orderX: int = -1, orderY: int = -1, *, num_threads: int = 0) -> ImageD:
        """Evaluate the model over its box in float64; parameters and errors are those of `getImage`."""
        array = self._pixels(np.float64)
        self._core.get_image(array, self._core.get_bbox(), orderX, orderY, num_threads)
        return ImageD(array, xy0=self.getBBox().getMin())

    def getMaskedImage(self, orderX: int = -1, orderY: int = -1, *, num_threads: int = 0) -> MaskedImageF:
        """Evaluate the model over its box with its variance, propagated from the errors of the points.

        Parameters and errors are those of `getImage`.
        """
        masked = MaskedImageF(self.getImage(orderX, orderY, num_threads=num_threads))
        self._core.get_variance(masked.variance.array, self._core.get_bbox(), orderX, orderY, num_threads)
        return masked

    def getBBox(self) -> Box2I:
        """Return the box of pixels that the model covers."""
        x0, y0, width, height = self._core.get_bbox()
        return Box2I(Point2I(x0, y0), Extent2I(width, height))

    def getControl(self) -> ApproximateControl:
        """Return a copy of the control with which the model was made."""
        return self._core.get_control()

    @property
    def coefficients(self) -> np.ndarray:
        """Coefficients, shape ``(n_terms,)``, sorted by total degree n, then x^n, x^(n-1) y, ... y^n."""
        return self._core.get_coefficients()

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the coefficients, shape ``(n_terms, n_terms)``."""
        return self._core.get_covariance()

    def _pixels(self, dtype: Any) -> np.ndarray:
        _, _, width, height = self._core.get_bbox()
        return pixels_of(width, height, dtype, "A model")

    def __repr__(self) -> str:
        return f"Approximate({self.getControl()!r}, bbox={self.getBBox()!r})"


def makeApproximate(x: ArrayLike, y: ArrayLike, im: Any, bbox: Box2I, ctrl: ApproximateControl) -> Approximate:
    """Fit a Chebyshev series to a grid of points.

    Parameters
    ----------
    x, y : array-like, shapes (nx,) and (ny,)
        Positions of the columns and rows of the grid, in the coordinates of `bbox`.
    im : image-like, shape (ny, nx)
        Values of the points. As in the statistics image of a background, the variance plane holds their errors as
        standard deviations. Points that are not finite are ignored.
    bbox : Box2I
        Box of pixels that the model covers.
    ctrl : ApproximateControl
        Order of the series, and whether to weight points by 1 / error.

    Returns
    -------
    Approximate

    Raises
    ------
    evensky.errors.InvalidParameterError
        If sizes do not agree, or an argument has a wrong type.
    evensky.errors.RuntimeError
        If no point is usable, or the points determine fewer terms than the order requires.
    """
    planes = as_planes(im)
    image = ImageF(planes.image).array
    at_x, at_y = (native_array(positions).astype(np.float64) for positions in (x, y))
    core = _core.Approximate(at_x, at_y, image, planes.variance, box_numbers(bbox), ctrl)
    return Approximate(core)
