"""Functions of position over a box of pixels, with the names of ``lsst.afw.math``."""

from __future__ import annotations

__all__ = ["BoundedField", "positions_of"]

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import errors
from .._bands import row_bands
from .._checks import real_number, shown, whole_number
from ..errors import InvalidParameterError, LengthError
from ..geom import Box2I, Point2D, Point2I
from ..image import ImageD, ImageF
from ..image._pixels import regular

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Number of pixels whose values are in memory at one time.
_MOST_PIXELS = 2**20


def positions_of(values: ArrayLike, name: str) -> np.ndarray:
    """Return real numbers as an array of float64.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the values are not real numbers; `name` says in the message what they are.
    """
    given = regular(values)
    if given.dtype.kind not in "biuf":
        raise InvalidParameterError(f"{name} is {shown(values)} of dtype {given.dtype}; real numbers are needed")
    return given.astype(np.float64)


class BoundedField:
    """Base class of functions of position that are defined over a box of pixels.

    A subclass defines `_evaluate`, and may define a faster `_on_grid`.
    """

    _bbox: Box2I

    def __init__(self, bbox: Box2I) -> None:
        if not isinstance(bbox, Box2I):
            raise InvalidParameterError(f"bbox is {shown(bbox)}, a {type(bbox).__name__}; it must be a Box2I")
        if bbox.isEmpty():
            raise InvalidParameterError("bbox is empty; a field needs a box of at least one pixel")
        self._bbox = Box2I(bbox)

    def getBBox(self) -> Box2I:
        """Return the box of pixels over which the field is defined."""
        return Box2I(self._bbox)

    def _evaluate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the values at positions of equal shape."""
        raise NotImplementedError

    def _on_grid(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the values at all positions of a grid, shape ``(len(y), len(x))``."""
        across, along = np.meshgrid(x, y)
        return self._evaluate(across, along)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate the field, as in ``evaluate(point)`` or ``evaluate(x, y)``.

        Parameters
        ----------
        point : Point2D or Point2I
        x, y : float or array-like
            Positions in pixels, in the coordinates of the box. Two arrays must have equal shapes. The field does not
            check that positions are inside its box; outside, its formula is extrapolated.

        Returns
        -------
        float or ndarray of float64
            A float for a point or two numbers, an array for arrays.

        Raises
        ------
        evensky.errors.LengthError
            If x and y are arrays of different shapes.
        evensky.errors.InvalidParameterError
            If the positions are not real numbers.
        """
        values = [*args, *(kwargs.pop(name) for name in ("position", "x", "y") if name in kwargs)]
        if len(values) == 1 and isinstance(values[0], Point2D | Point2I):
            values = list(values[0])
        if kwargs or len(values) != 2:
            raise InvalidParameterError(
                f"evaluate takes a point, or x and y; got {', '.join(shown(value) for value in [*args, *kwargs])}"
            )
        x, y = positions_of(values[0], "x"), positions_of(values[1], "y")
        if x.ndim and y.ndim and x.shape != y.shape:
            raise LengthError(f"x has shape {x.shape} but y has {y.shape}; they must be equal")
        x, y = np.broadcast_arrays(x, y)
        result = self._evaluate(x, y)
        return result if x.ndim else float(result)

    def fillImage(self, image: ImageF | ImageD, overlapOnly: bool = False, xStep: int = 1, yStep: int = 1) -> None:
        """Set the pixels of an image to the values of the field.

        Parameters
        ----------
        image : ImageF or ImageD
            Image to change; its origin says where it lies.
        overlapOnly : bool, optional
            Change only pixels inside both boxes; otherwise the box of the image must equal that of the field.
        xStep, yStep : int, optional
            Distance in pixels of the columns and rows at which the field is evaluated; values between these are
            interpolated linearly.

        Raises
        ------
        evensky.errors.RuntimeError
            If the boxes differ and `overlapOnly` is false.
        evensky.errors.InvalidParameterError
            If `image` is not an ImageF or ImageD, or a step is less than 1.
        """
        for pixels, values in self._bands(image, overlapOnly, xStep, yStep):
            pixels[...] = values

    def addToImage(
        self,
        image: ImageF | ImageD,
        scaleBy: float = 1.0,
        overlapOnly: bool = False,
        xStep: int = 1,
        yStep: int = 1,
    ) -> None:
        """Add `scaleBy` times the field to an image; other parameters and errors are those of `fillImage`."""
        factor = real_number(scaleBy, "scaleBy")
        for pixels, values in self._bands(image, overlapOnly, xStep, yStep):
            pixels[...] = pixels + factor * values

    def multiplyImage(self, image: ImageF | ImageD, overlapOnly: bool = False, xStep: int = 1, yStep: int = 1) -> None:
        """Multiply an image by the field; parameters and errors are those of `fillImage`."""
        for pixels, values in self._bands(image, overlapOnly, xStep, yStep):
            pixels[...] = pixels * values

    def divideImage(self, image: ImageF | ImageD, overlapOnly: bool = False, xStep: int = 1, yStep: int = 1) -> None:
        """Divide an image by the field; parameters and errors are those of `fillImage`."""
        for pixels, values in self._bands(image, overlapOnly, xStep, yStep):
            pixels[...] = pixels / values

    def _bands(self, image: Any, overlap_only: bool, x_step: int, y_step: int) -> Iterator[tuple[np.ndarray, Any]]:
        """Iterate over views of bands of the pixels to change, each with the values of the field."""
        if not isinstance(image, ImageF | ImageD):
            raise InvalidParameterError(f"image is a {type(image).__name__}; it must be an ImageF or ImageD")
        steps = [whole_number(step, name) for step, name in ((x_step, "xStep"), (y_step, "yStep"))]
        if min(steps) < 1:
            raise InvalidParameterError(f"The steps are {steps[0]} and {steps[1]}; both must be >= 1")
        region = self.getBBox()
        if overlap_only:
            region.clip(image.getBBox())
        elif region != image.getBBox():
            raise errors.RuntimeError(
                f"The image has the box {image.getBBox()} but the field has {region}; they must be equal, unless "
                "overlapOnly is true"
            )
        if region.isEmpty():
            return
        pixels = image.subset(region).array
        x = np.arange(region.getBeginX(), region.getEndX(), dtype=np.float64)
        y = np.arange(region.getBeginY(), region.getEndY(), dtype=np.float64)
        grid_x, grid_y = _with_last(x, steps[0]), _with_last(y, steps[1])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if steps == [1, 1]:
                for rows in row_bands(y.size, x.size, _MOST_PIXELS):
                    yield pixels[rows], self._on_grid(x, y[rows])
                return
            coarse = _between(self._on_grid(grid_x, grid_y), grid_x, x)
            for rows in row_bands(y.size, x.size, _MOST_PIXELS):
                yield pixels[rows], _between(coarse.T, grid_y, y[rows]).T


def _with_last(positions: np.ndarray, step: int) -> np.ndarray:
    """Return each step-th position, and the last one."""
    some = positions[::step]
    return some if some[-1] == positions[-1] else np.append(some, positions[-1])


def _between(values: np.ndarray, knots: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Interpolate along the last axis of `values` linearly from knots to positions within their range."""
    if knots.size == 1:
        return np.repeat(values, positions.size, axis=-1)
    left = np.clip(np.searchsorted(knots, positions, side="right") - 1, 0, knots.size - 2)
    part = (positions - knots[left]) / (knots[left + 1] - knots[left])
    between: np.ndarray = values[..., left] * (1 - part) + values[..., left + 1] * part
    return between
