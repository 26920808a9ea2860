"""Vectors of values with a mask and variances."""

from __future__ import annotations

__all__ = ["MaskedVector", "MaskedVectorD", "MaskedVectorF"]

from typing import Any, ClassVar

import numpy as np

from .._checks import whole_number
from ..errors import LengthError
from ..errors import TypeError as WrongTypeError
from ._pixels import pixels_of, regular
from .mask import Mask


class MaskedVector:
    """One-dimensional values with a bit mask and variances, accepted by statistics in place of an image.

    Parameters
    ----------
    value : array-like, shape (n,), or int
        Values, or the length of a vector of zeros.
    mask : array-like of int32, shape (n,), optional
        Mask; 0 everywhere if omitted.
    variance : array-like of float32, shape (n,), optional
        Variances; 0 everywhere if omitted.
    """

    dtype: ClassVar[Any] = np.float64

    def __init__(self, value: Any, mask: Any = None, variance: Any = None) -> None:
        given = regular(value)
        if given.dtype.kind not in "biuf":
            raise WrongTypeError(f"The values have dtype {given.dtype}; they must be real numbers")
        if given.ndim == 0:
            length = whole_number(value, "The length of a vector")
            if length < 0:
                raise LengthError(f"The length of a vector is {length}; it must be >= 0")
            given = pixels_of(length, 1, self.dtype, "A vector")[0]
            given[:] = 0
        with np.errstate(over="ignore"):  # values beyond the range of float32 become infinite
            values = given.astype(self.dtype, copy=False)
        if values.ndim != 1:
            raise WrongTypeError(f"The values have shape {values.shape}; a vector has one dimension")
        self.value = values
        self.mask = np.zeros(values.shape, np.int32) if mask is None else Mask(regular(mask).reshape(1, -1)).array[0]
        self.variance = np.zeros(values.shape, np.float32) if variance is None else np.asarray(variance, np.float32)
        for name, plane in (("mask", self.mask), ("variance", self.variance)):
            if plane.shape != values.shape:
                raise LengthError(
                    f"The {name} has shape {plane.shape} but the values {values.shape}; they must be equal"
                )

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r}, {self.mask!r}, {self.variance!r})"


class MaskedVectorF(MaskedVector):
    """Masked vector of float32 values, see `MaskedVector`."""

    dtype = np.float32


class MaskedVectorD(MaskedVector):
    """Masked vector of float64 values, see `MaskedVector`."""
