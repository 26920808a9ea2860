"""Chebyshev approximation of a coarse grid by the names of ``lsst.afw.math``."""

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
    """A two-dimensional Chebyshev series over a box of pixels.

    The model is the sum over p + q <= order of c_pq T_p(x') T_q(y'), where x' and y' map the outer pixel edges of the
    box (min - 0.5, max + 0.5) to -1 and +1. Made by `makeApproximate` and ``Background.getApproximate``; immutable, and
    safe to evaluate from many threads.
    """

    def __init__(self, core: _core.Approximate) -> None:
        self._core = core

    def getImage(self, orderX: int = -1, orderY: int = -1, *, num_threads: int = 0) -> ImageF:
        """The model over its box.

        Parameters
        ----------
        orderX, orderY : int, optional
            Evaluate terms up to this order only; negative means all. Both must be equal.
        num_threads : int, optional
            Number of threads; 0 for the process-wide default.

        Returns
        -------
        ImageF
            Of the box's size and origin.

        Raises
        ------
        evensky.errors.InvalidParameterError
            Where the orders differ or are greater than the model's.
        """
        array = self._pixels(np.float32)
        self._core.get_image(array, self._core.get_bbox(), orderX, orderY, num_threads)
        return ImageF(array, xy0=self.getBBox().getMin())

    def getImageD(self, orderX: int = -1, orderY: int = -1, *, num_threads: int = 0) -> ImageD:
        """The same as `getImage`, in float64."""
        array = self._pixels(np.float64)
        self._core.get_image(array, self._core.get_bbox(), orderX, orderY, num_threads)
        return ImageD(array, xy0=self.getBBox().getMin())

    def getMaskedImage(self, orderX: int = -1, orderY: int = -1, *, num_threads: int = 0) -> MaskedImageF:
        """The model over its box with its variance, propagated from the errors of the points through the fit.

        Parameters and errors are those of `getImage`.
        """
        masked = MaskedImageF(self.getImage(orderX, orderY, num_threads=num_threads))
        self._core.get_variance(masked.variance.array, self._core.get_bbox(), orderX, orderY, num_threads)
        return masked

    def getBBox(self) -> Box2I:
        """The pixels that the model is for."""
        x0, y0, width, height = self._core.get_bbox()
        return Box2I(Point2I(x0, y0), Extent2I(width, height))

    def getControl(self) -> ApproximateControl:
        """How the model was made (a copy)."""
        return self._core.get_control()

    @property
    def coefficients(self) -> np.ndarray:
        """Coefficients by total degree n, and inside it x^n, x^(n-1) y, ... y^n; shape ``(n_terms,)``."""
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


def makeApproximate(
    x: ArrayLike, y: ArrayLike, maskedImage: Any, bbox: Box2I, actrl: ApproximateControl
) -> Approximate:
    """Fit a Chebyshev series to a grid of points.

    Parameters
    ----------
    x, y : array-like, shapes (nx,) and (ny,)
        Positions of the grid's columns and rows, in the coordinates of `bbox`.
    maskedImage : image-like, shape (ny, nx)
        The points; its variance plane holds their errors as standard deviations, as the statistics image of a
        background does. Points that are not finite do not count.
    bbox : Box2I
        The pixels that the model is for.
    actrl : ApproximateControl
        Order, and whether to weight by 1 / error.

    Returns
    -------
    Approximate

    Raises
    ------
    evensky.errors.InvalidParameterError
        Where sizes do not agree, or something is not of its type.
    evensky.errors.RuntimeError
        Where no point can be used, or the points determine fewer terms than the order has.
    """
    planes = as_planes(maskedImage)
    image = ImageF(planes.image).array
    at_x, at_y = (native_array(positions).astype(np.float64) for positions in (x, y))
    core = _core.Approximate(at_x, at_y, image, planes.variance, box_numbers(bbox), actrl)
    return Approximate(core)
