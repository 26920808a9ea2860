"""Images moved by a fraction of a pixel, with the names of ``lsst.afw.math``."""

from __future__ import annotations

__all__ = ["offsetImage"]

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .._bands import row_bands
from .._checks import real_number, shown, whole_number
from ..errors import InvalidParameterError, LengthError
from ..geom import Extent2I
from ..image import Image, ImageD, ImageF, Mask, MaskedImage, MaskedImageD, MaskedImageF

# Number of pixels that are in memory as float64 at one time.
_MOST_PIXELS = 2**20


def offsetImage(inImage: Any, dx: float, dy: float, algorithmName: str = "lanczos5", buffer: int = 0) -> Any:
    """Return a copy of an image that is moved by a number of pixels, which need not be whole.

    If both offsets are between -1 and 1, the pixels are resampled and the origin stays. Otherwise, the whole parts of
    the offsets move the origin, and the pixels are resampled by the rest, at least -0.5 and less than 0.5.

    Parameters
    ----------
    inImage : ImageF, ImageD, MaskedImageF or MaskedImageD
    dx, dy : float
        Offsets in pixels: how far the sources move to larger x and y.
    algorithmName : str, optional
        "lanczos" with the order (``"lanczos5"`` spans 10 pixels), "bilinear" or "nearest". Weights are normalized: the
        resampled pixels of a constant image have that constant.
    buffer : int, optional
        Width of a border of zeros around the image during the computation, so that the pixels near its edges are
        resampled too. Negative values stand for 0.

    Returns
    -------
    ImageF, ImageD, MaskedImageF or MaskedImageD
        Image of the same kind and size. Pixels near the edges, where the kernel does not fit, are copied as they are;
        masked images have the bit EDGE there. Elsewhere, masks are combined by OR over the pixels of nonzero weight,
        and variances are multiplied by the squares of the weights. A NaN spreads to all pixels that use it.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the algorithm is unknown, `inImage` is of another kind, or an offset is not finite.
    evensky.errors.LengthError
        If the image, with its buffer, is smaller than the kernel.

    Examples
    --------
    >>> import numpy as np
    >>> image = ImageF(np.eye(5, dtype=np.float32))
    >>> moved = offsetImage(image, 0.25, 0.0, "bilinear")
    >>> moved[2, 2], moved[3, 2], moved.getX0()
    (0.75, 0.25, 0)
    """
    if not isinstance(inImage, ImageF | ImageD | MaskedImageF | MaskedImageD):
        raise InvalidParameterError(
            f"inImage is a {type(inImage).__name__}; it must be an ImageF, ImageD, MaskedImageF or MaskedImageD"
        )
    offsets = [real_number(dx, "dx"), real_number(dy, "dy")]
    if not all(math.isfinite(offset) for offset in offsets):
        raise InvalidParameterError(f"dx is {dx} and dy is {dy}; both must be finite")
    whole = [0, 0] if max(map(abs, offsets)) < 1 else [math.floor(offset + 0.5) for offset in offsets]
    kernels = [_kernel(algorithmName, offset - moved) for offset, moved in zip(offsets, whole, strict=True)]
    border = max(whole_number(buffer, "buffer"), 0)
    width, height = inImage.getDimensions()
    for size, kernel in zip((width, height), kernels, strict=True):
        if size + 2 * border < len(kernel.weights):
            raise LengthError(
                f"The image is {width} x {height} with a buffer of {border}; the kernel {algorithmName} needs at least "
                f"{len(kernels[0].weights)} x {len(kernels[1].weights)} pixels with the buffer"
            )
    outImage = inImage.clone()
    if isinstance(outImage, MaskedImage):
        squares = [_Kernel(kernel.first, kernel.weights**2) for kernel in kernels]
        _resample(outImage.image, kernels, border)
        _resample(outImage.variance, squares, border)
        _spread(outImage.mask, kernels, border)
    else:
        _resample(outImage, kernels, border)
    outImage.setXY0(inImage.getXY0() + Extent2I(*whole))
    return outImage


class _Kernel(NamedTuple):
    """Weights along one axis: output pixel i is the sum over k of ``weights[k] * input[i + first + k]``."""

    first: int
    weights: np.ndarray

    def parts(self, values: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
        """Iterate over weights that are not 0, and the parts of the last axis of `values` to which they belong."""
        # A pixel without weight does not take part, even if it is NaN.
        count = values.shape[-1] - len(self.weights) + 1
        for k in np.flatnonzero(self.weights):
            yield float(self.weights[k]), values[..., k : k + count]

    def summed(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted sums along the last axis, where the kernel fits."""
        (weight, part), *others = self.parts(values)
        total = weight * part
        for weight, part in others:
            total += weight * part
        return total

    def united(self, bits: np.ndarray) -> np.ndarray:
        """Return the bits along the last axis, combined by OR, where the kernel fits."""
        (_, part), *others = self.parts(bits)
        total = part.copy()
        for _, part in others:
            total |= part
        return total

    def range_inside(self, size: int, border: int) -> slice:
        """Return the range of `size` pixels between borders in which the kernel fits."""
        last = self.first + len(self.weights) - 1
        return slice(max(0, -self.first - border), min(size, size + border - last))


def _kernel(name: Any, offset: float) -> _Kernel:
    """Return the kernel that moves pixels by an offset between -1 and 1, of an algorithm that is given by name."""
    lanczos = re.fullmatch(r"lanczos([1-9]\d{0,2})", name) if isinstance(name, str) else None
    if lanczos is None and name not in ("bilinear", "nearest"):
        raise InvalidParameterError(
            f"algorithmName is {shown(name)}; it must be 'bilinear', 'nearest', or 'lanczos' with an order, "
            "such as 'lanczos5'"
        )
    order = int(lanczos[1]) if lanczos else 1
    # The position in the input lies between its neighbours at indices order - 1 and order of the kernel.
    first = -order if offset > 0 else 1 - order
    if offset == 0:
        return _Kernel(first, (np.arange(first, first + 2 * order) == 0).astype(np.float64))
    distance = np.arange(first, first + 2 * order) + offset
    if lanczos:
        weights = np.sinc(distance) * np.sinc(distance / order)
        weights /= weights.sum()
    elif name == "bilinear":
        weights = 1 - np.abs(distance)
    else:
        # Half way between two pixels, the one farther from the input position of offset 0 counts, as in the original.
        near = abs(offset) < 0.5
        weights = (np.arange(first, first + 2) == (0 if near else -math.copysign(1, offset))).astype(np.float64)
    return _Kernel(first, weights)


def _bands(source: np.ndarray, kernels: list[_Kernel], border: int) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Iterate over parts of the output into which the kernel fits, and parts of a copy of the input that they need."""
    x, y = kernels
    padded = np.pad(source, border)
    height, width = source.shape
    rows, columns = y.range_inside(height, border), x.range_inside(width, border)
    # Positions of the first and beyond the last input pixel for the first and last output pixel.
    before_x, after_x = border + x.first, border + x.first + len(x.weights) - 1
    before_y, after_y = border + y.first, border + y.first + len(y.weights) - 1
    for band in row_bands(rows.stop - rows.start, width, _MOST_PIXELS):
        out = slice(rows.start + band.start, rows.start + band.stop)
        needed = padded[out.start + before_y : out.stop + after_y, columns.start + before_x : columns.stop + after_x]
        yield (out, columns), needed


def _resample(image: Image, kernels: list[_Kernel], border: int) -> None:
    """Replace the pixels into which the kernel fits by weighted sums."""
    x, y = kernels
    with np.errstate(invalid="ignore", over="ignore"):
        for part, needed in _bands(image.array, kernels, border):
            image.array[part] = y.summed(x.summed(needed.astype(np.float64)).T).T


def _spread(mask: Mask, kernels: list[_Kernel], border: int) -> None:
    """Combine the bits of pixels of nonzero weight by OR; set EDGE where the kernel does not fit."""
    x, y = kernels
    edge = np.ones(mask.array.shape, bool)
    for part, needed in _bands(mask.array, kernels, border):
        mask.array[part] = y.united(x.united(needed).T).T
        edge[part] = False
    mask.addMaskPlane("EDGE")
    mask.array[edge] |= mask.getPlaneBitMask("EDGE")
