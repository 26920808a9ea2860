"""Scalers that bring exposures to a common photometric scale before they are matched."""

from __future__ import annotations

__all__ = ["ConstantScaler", "ImageScaler", "SpatialScaler"]

from typing import Any

import numpy as np

from .._checks import real_number
from ..errors import InvalidParameterError
from ..errors import TypeError as WrongTypeError
from ._pixels import regular
from .masked_image import MaskedImage


class ConstantScaler:
    """Scaler that multiplies an exposure by one factor.

    Parameters
    ----------
    scale : float
        Factor; finite and not 0.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `scale` is 0 or not finite.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = real_number(scale, "scale")
        if not np.isfinite(self._scale) or self._scale == 0:
            raise InvalidParameterError(f"scale = {scale}; it must be finite and not 0")

    @property
    def scale(self) -> float:
        """Factor."""
        return self._scale

    def scaleMaskedImage(self, maskedImage: MaskedImage) -> None:
        """Multiply the image by the factor and the variance by its square, in place."""
        maskedImage *= self._scale


ImageScaler = ConstantScaler


def _real_array(values: Any, name: str) -> np.ndarray:
    array = regular(values)
    if array.dtype.kind not in "biuf":
        raise WrongTypeError(f"{name} has dtype {array.dtype}; it must be real numbers")
    return array.astype(np.float64)


class SpatialScaler:
    """Scaler that multiplies an exposure by a factor that varies smoothly with position.

    Parameters
    ----------
    x, y : array-like, shapes (nx,) and (ny,)
        Positions, in parent coordinates, at which the factor is given; at least two each, increasing.
    scale : array-like, shape (ny, nx)
        Factor at these positions; finite. It is interpolated linearly in x and y between the positions, and is constant
        beyond the outermost ones.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the shapes do not agree, a number is not finite, or positions do not increase.
    """

    def __init__(self, x: Any, y: Any, scale: Any) -> None:
        self._x, self._y, self._scale = (
            _real_array(values, name) for values, name in ((x, "x"), (y, "y"), (scale, "scale"))
        )
        if self._scale.shape != (self._y.size, self._x.size) or self._x.ndim != 1 or self._y.ndim != 1:
            raise InvalidParameterError(
                f"scale has shape {self._scale.shape} for {self._y.size} y and {self._x.size} x positions; it must be "
                f"({self._y.size}, {self._x.size})"
            )
        if not np.all(np.isfinite(self._scale)):
            raise InvalidParameterError("scale holds numbers that are not finite; all must be finite")
        for name, positions in (("x", self._x), ("y", self._y)):
            if positions.size < 2 or not np.all(np.isfinite(positions)) or not np.all(np.diff(positions) > 0):
                raise InvalidParameterError(f"{name} = {positions}; at least two increasing positions are needed")

    def scaleMaskedImage(self, maskedImage: MaskedImage) -> None:
        """Multiply the image by the factor and the variance by its square, in place."""
        x0, y0 = maskedImage.getXY0()
        columns = np.arange(maskedImage.getWidth(), dtype=np.float64) + x0
        rows = np.arange(maskedImage.getHeight(), dtype=np.float64) + y0
        across = np.stack([np.interp(columns, self._x, line) for line in self._scale])
        place = np.clip(np.interp(rows, self._y, np.arange(self._y.size, dtype=np.float64)), 0, self._y.size - 1)
        below = np.minimum(place.astype(np.intp), self._y.size - 2)
        fraction = place - below
        image, _, variance = maskedImage.getArrays()
        for row, (start, part) in enumerate(zip(below, fraction, strict=True)):
            factor = (1 - part) * across[start] + part * across[start + 1]
            image[row] *= factor
            variance[row] *= factor**2
