"""Statistics of stacks: of each pixel over several images, or of each row or column of one image."""

from __future__ import annotations

__all__ = ["statisticsStack"]

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._checks import shown, whole_number
from .._core import StatisticsControl, stringToStatisticsProperty
from .._planes import signed_bits
from ..errors import InvalidParameterError, LengthError
from ..errors import TypeError as WrongTypeError
from ..image._pixels import regular
from ..image.exposure import Exposure
from ..image.foreign import Planes, as_planes, float32_variance, int32_mask
from ..image.image import Image
from ..image.mask import Mask, translate_mask
from ..image.masked_image import MaskedImage
from .statistics import is_number_sequence

_Planes = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]


def statisticsStack(*args: Any, **kwargs: Any) -> Any:
    """Compute a statistic of each pixel over several images, or of each row or column of one image.

    All call signatures of ``lsst.afw.math`` work::

        statisticsStack(images, flags[, sctrl[, wvector]]) -> Image
        statisticsStack(maskedImages, flags[, sctrl[, wvector[, clipped[, excuse]]]]) -> MaskedImage
        statisticsStack(maskedImages, flags, sctrl, wvector, clipped, maskMap) -> MaskedImage
        statisticsStack(out, ...) -> None, for each of these three
        statisticsStack(vectors, flags[, sctrl[, wvector]]) -> list of float
        statisticsStack(image or maskedImage, flags, dimensions[, sctrl]) -> MaskedImage

    The statistic is that of `makeStatistics` over the pixels at one position. The result has the origin (0, 0),
    whatever the origins of the images; ``out`` keeps its own.

    Parameters
    ----------
    images : sequence of image-likes or of 1-D array-likes
        Images of one size and of float32 or float64 pixels: `Image`, `MaskedImage`, `Exposure`, or arrays of shape
        ``(height, width)``; if any of them has a mask, the result is a `MaskedImage`. Bits of masks are matched by the
        names of their planes; ``andMask`` counts in the layout of the first image. Vectors have one length; they are
        float64 unless all are arrays of float32.
    flags : int or str
        One property, or its name; not ORMASK.
    sctrl : StatisticsControl, optional
        Options of the statistic. With ``setWeighted(True)``, each pixel of a masked image is weighted by the weight of
        its image or, without ``wvector``, by 1 / variance; pixels without a positive variance are then left out.
    wvector : sequence of float, optional
        Weight of each image. Weights of masked images are ignored, with a warning, unless ``setWeighted(True)`` asks
        for them.
    clipped : int, optional
        Bits for pixels of the result where MEANCLIP, STDEVCLIP or VARIANCECLIP clipped a good pixel.
    excuse : int, optional
        Bits of ``andMask`` that do not set ``clipped`` where they reject a pixel; all other bits of it do.
    maskMap : sequence of (int, int), optional
        In place of ``excuse``, pairs (from, to): where some pixel is not good and any of the masks has a bit of `from`,
        the result gets the bits `to`.
    out : Image or MaskedImage, optional
        Image that receives the result.
    dimensions : {"x", "y"}
        "x" combines each row of the image, which gives a column; "y" combines each column, which gives a row.
    num_threads : int, optional
        Number of threads, by keyword; 0 for the process-wide default. Results do not depend on it.

    Returns
    -------
    Image, MaskedImage, list of float or None
        The variance of a masked image is the square of the error of the statistic. Its mask is the OR of the masks of
        the good pixels, with the bits that ``setMaskPropagationThreshold`` adds; where no pixel is good, it is
        ``getNoGoodPixelsMask()``; then come the bits of ``clipped``, ``excuse`` and ``maskMap``. The mask of rows and
        columns is 0, or ``getNoGoodPixelsMask()`` where no pixel is good.

    Raises
    ------
    evensky.errors.LengthError
        If there is nothing to stack, or vectors differ in length.
    evensky.errors.TypeError
        If images differ in the type of their pixels, it is not float32 or float64, or the output is of another kind.
    evensky.errors.InvalidParameterError
        If images differ in size, the number of weights is not that of the images, the flags are not exactly one
        property, images without variances are to be weighted by them, or controls contradict each other.

    Examples
    --------
    The median of five images, one of which has a cosmic ray:

    >>> import numpy as np
    >>> import evensky.image as afwImage
    >>> import evensky.math as afwMath
    >>> images = [afwImage.ImageF(np.full((2, 3), level, np.float32)) for level in (1, 2, 3, 4, 5)]
    >>> images[0][1, 0] = 60000.0
    >>> afwMath.statisticsStack(images, afwMath.MEDIAN).array
    array([[3., 4., 3.],
           [3., 3., 3.]], dtype=float32)
    """
    if "vectors" in kwargs:
        kwargs["images"] = kwargs.pop("vectors")
    second = args[1] if len(args) > 1 else kwargs.get("images")
    if "out" in kwargs or (args and second is not None and not isinstance(second, int | str | np.integer)):
        _stack_into(*args, **kwargs)
        return None
    if "image" in kwargs or "dimensions" in kwargs or (len(args) > 2 and isinstance(args[2], str)):
        return _collapsed(*args, **kwargs)
    return _stacked(*args, **kwargs)


def _stacked(
    images: Any,
    flags: int | str,
    sctrl: StatisticsControl | None = None,
    wvector: Sequence[float] | None = (),
    clipped: int = 0,
    excuse: Any = 0,
    maskMap: Any = None,
    *,
    num_threads: int = 0,
) -> Any:
    """Return the statistic of each pixel of several images or vectors."""
    items = _items(images)
    if is_number_sequence(items[0]):
        return _stacked_vectors(items, flags, sctrl, wvector, num_threads)
    stack = _Stack(items, sctrl, wvector)
    shape = stack.planes[0].image.shape
    image: Any = Image(np.empty(shape, stack.dtype))
    if stack.masked:
        image = MaskedImage(image, new_mask(shape, stack.layout), Image(np.empty(shape, np.float32)))
    stack.write(arrays_of(image), flags, clipped, excuse, maskMap, num_threads)
    return image


def _stack_into(
    out: Any,
    images: Any,
    flags: int | str,
    sctrl: StatisticsControl | None = None,
    wvector: Sequence[float] | None = (),
    clipped: int = 0,
    excuse: Any = 0,
    maskMap: Any = None,
    *,
    num_threads: int = 0,
) -> None:
    """Write the statistic of each pixel of several images to another."""
    stack = _Stack(_items(images), sctrl, wvector)
    if isinstance(out, Exposure):
        out = out.maskedImage
    wanted = MaskedImage if stack.masked else Image
    if not isinstance(out, wanted):
        raise WrongTypeError(
            f"out is a {type(out).__name__}; the output for images {'with' if stack.masked else 'without'} masks must "
            f"be a {wanted.__name__}"
        )
    arrays = arrays_of(out)
    if arrays[0].dtype != stack.dtype:
        raise WrongTypeError(f"out has dtype {arrays[0].dtype} but image 0 has {stack.dtype}; they must be equal")
    if isinstance(out, MaskedImage) and stack.layout is not None:
        planes = out.mask.getMaskPlaneDict()
        if any(planes.get(name) != bit for name, bit in stack.layout.items()):
            # The bits of the output have other meanings than those of the images.
            mask = new_mask(arrays[0].shape, stack.layout)
            stack.write((arrays[0], mask.array, arrays[2]), flags, clipped, excuse, maskMap, num_threads)
            result = out.mask
            result.clearAllMaskPlanes()
            result |= mask
            return
    stack.write(arrays, flags, clipped, excuse, maskMap, num_threads)


def _collapsed(
    image: Any,
    flags: int | str,
    dimensions: str,
    sctrl: StatisticsControl | None = None,
    *,
    num_threads: int = 0,
) -> MaskedImage:
    """Return the statistic of each row or column of an image."""
    if dimensions not in ("x", "y"):
        raise InvalidParameterError(f"dimensions is {shown(dimensions)}; it must be 'x' (rows) or 'y' (columns)")
    planes = as_planes(image)
    height, width = planes.image.shape
    shape = (height, 1) if dimensions == "x" else (1, width)
    variance = Image(np.empty(shape, np.float32))
    result = MaskedImage(Image(np.empty(shape, _floating(planes.image))), new_mask(shape, planes.mask_planes), variance)
    control = _rejecting(_control(sctrl), planes.reject)
    rows = dimensions == "x"
    _core.stack_lines(arrays_of(result), planes_for_core(planes), _property(flags), rows, control, num_threads)
    return result


def new_mask(shape: tuple[int, int], planes: Mapping[str, int] | None) -> Mask:
    """Return a mask of zeros with given planes; it shares the default ones if these are equal."""
    own = None if planes == Mask.getMaskPlaneDict() else planes
    return Mask(np.zeros(shape, np.int32), mask_planes=own)


def _items(images: Any) -> list[Any]:
    if isinstance(images, Image | MaskedImage | Exposure) or not isinstance(images, Iterable):
        raise WrongTypeError(
            f"images is a {type(images).__name__}; a sequence of images or vectors is needed, or dimensions ('x' or "
            "'y') to combine the rows or columns of one image"
        )
    items = list(images)
    if not items:
        raise LengthError("There are 0 images to stack; at least one is needed")
    return items


def _stacked_vectors(
    vectors: Sequence[Any],
    flags: int | str,
    sctrl: StatisticsControl | None,
    wvector: Sequence[float] | None,
    threads: int,
) -> list[float]:
    """Return the statistic of each element of several vectors."""
    arrays = [np.asarray(vector) for vector in vectors]
    dtype = np.float32 if all(array.dtype == np.float32 for array in arrays) else np.float64
    for number, array in enumerate(arrays):
        if array.dtype.kind not in "biuf":
            raise WrongTypeError(f"Vector {number} has dtype {array.dtype}; vectors hold real numbers")
        if array.shape != arrays[0].shape:
            raise LengthError(
                f"Vector {number} has shape {array.shape} but vector 0 has {arrays[0].shape}; they must be equal"
            )
    out = np.empty((1, len(arrays[0])), dtype)
    planes: list[_Planes] = [(array.astype(dtype, copy=False).reshape(1, -1), None, None) for array in arrays]
    control = _control(sctrl)
    _core.stack((out, None, None), planes, _property(flags), control, _weights(wvector), 0, [], threads)
    numbers: list[float] = out[0].tolist()
    return numbers


class _Stack:
    """Images to be combined.

    Attributes
    ----------
    planes : list of Planes
    dtype : dtype
        That of the pixels of all images.
    masked : bool
        Whether any image has a mask of its own.
    layout : dict of str to int, or None
        Numbers of the mask planes of the result.
    """

    def __init__(self, items: Sequence[Any], sctrl: StatisticsControl | None, wvector: Sequence[float] | None) -> None:
        self.planes = [as_planes(item) for item in items]
        self.dtype = _floating(self.planes[0].image)
        for number, planes in enumerate(self.planes):
            if planes.image.dtype != self.dtype:
                raise WrongTypeError(
                    f"Image {number} has dtype {planes.image.dtype} but image 0 has {self.dtype}; they must be equal"
                )
        self.masked = any(planes.masked for planes in self.planes)
        self.layout = _common_layout([planes.mask_planes for planes in self.planes if planes.mask_planes is not None])
        self._weights = _weights(wvector)
        self._control = _control(sctrl)
        for planes in self.planes:
            self._control = _rejecting(self._control, planes.reject)

    def write(self, out: _Planes, flags: int | str, clipped: int, excuse: Any, maskMap: Any, num_threads: int) -> None:
        """Compute the statistic of all pixels."""
        if not isinstance(excuse, int | np.integer):  # the sixth argument of the signature with a map
            excuse, maskMap = 0, excuse
        to = _bits(clipped, "clipped")
        if maskMap is None:
            pairs = [(signed_bits(self._control.getAndMask() & ~_bits(excuse, "excuse")), to)]
        else:
            pairs = [(_bits(one, "maskMap"), _bits(other, "maskMap")) for one, other in maskMap]
        weights = self._weights
        if self.masked and weights and not self._control.getWeighted():
            self._check_weights()
            warnings.warn(
                "Weights of masked images are ignored: the StatisticsControl does not ask for them; call "
                "setWeighted(True)",
                stacklevel=4,
            )
            weights = []
        arrays = [planes_for_core(planes, self.layout) for planes in self.planes]
        without = [number for number, (_, _, variance) in enumerate(arrays) if variance is None]
        if without and not weights and self._control.getWeighted():
            raise InvalidParameterError(
                f"Image {without[0]} has no variances, so it cannot be weighted by 1 / variance (Weighted is true); "
                "give weights (wvector), masked images, or setWeighted(False)"
            )
        _core.stack(out, arrays, _property(flags), self._control, weights, to, pairs, num_threads)

    def _check_weights(self) -> None:
        if len(self._weights) != len(self.planes):
            raise InvalidParameterError(
                f"There are {len(self._weights)} weights for {len(self.planes)} images; each needs one"
            )


def _floating(array: np.ndarray) -> np.dtype[Any]:
    if array.dtype.kind != "f":
        raise WrongTypeError(f"Pixels have dtype {array.dtype}; a stack needs float32 or float64")
    return array.dtype


def _property(flags: int | str) -> int:
    if isinstance(flags, str):
        return int(stringToStatisticsProperty(flags))
    return whole_number(flags, "flags")


def _control(sctrl: StatisticsControl | None) -> StatisticsControl:
    if sctrl is not None and not isinstance(sctrl, StatisticsControl):
        raise WrongTypeError(f"sctrl is {shown(sctrl)}, a {type(sctrl).__name__}; it must be a StatisticsControl")
    return StatisticsControl() if sctrl is None else sctrl


def _weights(wvector: Sequence[float] | None) -> list[float]:
    """Return the weights of images as float32; none if there are none."""
    given = regular(() if wvector is None else wvector)
    if given.ndim != 1 or given.dtype.kind not in "biuf":
        raise WrongTypeError(f"wvector is {shown(wvector)}; a sequence of real numbers is needed, one for each image")
    weights: list[float] = given.astype(np.float32).tolist()
    return weights


def _bits(bits: Any, name: str) -> int:
    number = whole_number(bits, name)
    if not -(2**31) <= number < 2**32:
        raise InvalidParameterError(f"{name}: {number} does not fit into the 32 bits of a mask")
    return signed_bits(number)


def _rejecting(control: StatisticsControl, reject: int) -> StatisticsControl:
    """Return a control that also rejects the bits that boolean masks have."""
    if not reject:
        return control
    control = copy.copy(control)
    control.setAndMask(control.getAndMask() | reject)
    return control


def _common_layout(layouts: Sequence[Mapping[str, int]]) -> dict[str, int] | None:
    """Return numbers for the planes of all masks: those of the first mask, and free ones for further planes."""
    if not layouts:
        return None
    common = dict(layouts[0])
    for layout in layouts[1:]:
        for name, number in layout.items():
            if name in common:
                continue
            free = [bit for bit in (number, *range(32)) if bit not in common.values()]
            if not free:
                raise InvalidParameterError(f"The masks have more than 32 planes together; plane {name} finds no bit")
            common[name] = free[0]
    return common


def planes_for_core(planes: Planes, layout: Mapping[str, int] | None = None) -> _Planes:
    """Return the arrays of an image, with the planes of its mask in a layout."""
    variance, note = float32_variance(planes)
    if note:
        warnings.warn(note, stacklevel=4)
    mask = int32_mask(planes)
    if mask is not None and layout is not None and planes.mask_planes is not None:
        mask = translate_mask(mask, planes.mask_planes, layout)
    return planes.image, mask, variance


def arrays_of(out: Image | MaskedImage) -> _Planes:
    """Return the arrays of an image for the core, which writes to them."""
    if isinstance(out, MaskedImage):
        return out.image.array, out.mask.array, out.variance.array
    return out.array, None, None
