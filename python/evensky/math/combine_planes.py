"""Combination of several images into one, plane by plane: mean, median or clipped mean, with what was used of each."""

from __future__ import annotations

__all__ = ["CENTRES", "MOST_ROUNDS", "SCATTERS", "STATISTICS", "CombineOptions", "CombinedPlanes", "combine_planes"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from .._checks import real_number, shown, whole_number
from .._planes import signed_bits
from ..errors import InvalidParameterError, LengthError
from ..errors import TypeError as WrongTypeError
from .combined_noise import variance_factors, variance_softening

STATISTICS = ("mean", "median", "meanclip")
"""What can be made of the pixels at one position."""

CENTRES = ("median", "mean")
"""Centres about which clipping can reject pixels, beside that of `statisticsStack`."""

SCATTERS = ("std", "mad")
"""Scatters by which clipping can reject pixels, beside that of `statisticsStack`."""

MOST_ROUNDS = 1000
"""Largest number of rounds of clipping."""


def _check_name(value: Any, name: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InvalidParameterError(f"{name} is {shown(value)}; it must be one of {', '.join(map(repr, allowed))}")


@dataclass(frozen=True)
class CombineOptions:
    """What is made of the pixels at one position of several images.

    Parameters
    ----------
    statistic : {"meanclip", "mean", "median"}
        The clipped mean, the mean, or the median, which has no weights.
    sigma_low, sigma_high : float
        Pixels farther than this below or above the centre are clipped, in units of the scatter; infinity for none.
    rounds : int
        Largest number of rounds of clipping, 1 to 1000. It ends when a round rejects nothing new.
    centre : {None, "median", "mean"}
        Centre of clipping. If it and `scatter` are None, clipping is that of MEANCLIP of `statisticsStack`: the first
        round is about the median, by the quartiles; later ones are about the mean, by the standard deviation (divisor
        n - 1) of what the last round has left; and each round looks at all good pixels. If either is given, each round
        looks at what the last one has left, without weights, about its centre (None: the median); in the end, all
        good pixels within the last window are used. So do astropy and ccdproc.
    scatter : {None, "std", "mad"}
        The standard deviation, with divisor n, or 1.4826 times the median distance from the median. None is "std" if
        `centre` is given.
    by_variance : bool
        Weight each pixel by 1 / variance; pixels without a positive, finite one do not count.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If a value is not allowed.
    evensky.errors.TypeError
        If a value is of another type.
    """

    statistic: str = "meanclip"
    sigma_low: float = 3.0
    sigma_high: float = 3.0
    rounds: int = 3
    centre: str | None = None
    scatter: str | None = None
    by_variance: bool = False

    def __post_init__(self) -> None:
        _check_name(self.statistic, "statistic", STATISTICS)
        for name in ("sigma_low", "sigma_high"):
            sigma = real_number(getattr(self, name), name)
            if not sigma > 0.0:
                raise InvalidParameterError(f"{name} is {sigma:g}; it must be positive")
        if not 1 <= whole_number(self.rounds, "rounds") <= MOST_ROUNDS:
            raise InvalidParameterError(f"rounds is {self.rounds}; it must be 1 to {MOST_ROUNDS}")
        if self.centre is not None:
            _check_name(self.centre, "centre", CENTRES)
        if self.scatter is not None:
            _check_name(self.scatter, "scatter", SCATTERS)
        if self.statistic == "median" and self.by_variance:
            raise InvalidParameterError(
                "by_variance is True but statistic is 'median', which has no weights; choose 'mean' or 'meanclip'"
            )


@dataclass
class CombinedPlanes:
    """Several images combined into one. All planes have the shape of the images.

    Attributes
    ----------
    image : array of float32 or float64
        In the unit of the images; NaN where no pixel is used.
    variance : array of float32, or None
        Variance of `image`, from the variances of the pixels that are used: sum of w^2 v / (sum of w)^2 for means. For
        clipped means and medians it is multiplied by a factor that depends on the number of good pixels, as they have
        more noise than the mean of the pixels that are used. Where a variance is above their mean by more than 3 %, and
        weights do not differ, the mean is softened, as noisy pixels are clipped more often, and are rarely the median.
        See `evensky.math.combined_noise` for both. None if an image has no variances.
    mask : array of int32
        OR of the masks of the pixels that are used.
    number : array of int32
        Number of pixels that are used.
    rejected : array of int32
        Number of good pixels that clipping has rejected.
    weight : array of float32, or None
        Sum of the weights of the pixels that are used; None if there are no weights.
    time : array of float32, or None
        Sum of the times of the pixels that are used; None if there are no times.
    rejected_by_image : array of int64, shape (N,)
        Number of pixels of each image that clipping has rejected.
    masked_by_image : array of int64, shape (N,)
        Number of pixels of each image that are not good.
    """

    image: np.ndarray
    variance: np.ndarray | None
    mask: np.ndarray
    number: np.ndarray
    rejected: np.ndarray
    weight: np.ndarray | None
    rejected_by_image: np.ndarray
    masked_by_image: np.ndarray
    time: np.ndarray | None = None


def combine_planes(
    images: Sequence[np.ndarray] | np.ndarray,
    masks: Sequence[np.ndarray | None] | np.ndarray | None = None,
    variances: Sequence[np.ndarray | None] | np.ndarray | None = None,
    *,
    bad: int | Sequence[int] = 0,
    options: CombineOptions = CombineOptions(),
    weights: Sequence[float] | np.ndarray | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    out: CombinedPlanes | None = None,
    num_threads: int = 0,
) -> CombinedPlanes:
    """Combine images of one shape into one.

    A pixel is good if it is finite, has no bit of `bad` and, with ``options.by_variance``, a positive, finite variance.
    Results do not depend on the number of threads, nor on the part of the images that is given: the result of a band of
    rows is that band of the result.

    Parameters
    ----------
    images : sequence of N arrays of shape (height, width), or one array of shape (N, height, width)
        All float32 or all float64, of any strides.
    masks : sequence of N arrays of int32, or None
        Bits of each pixel. None, also for single images, if there are none.
    variances : sequence of N arrays of float32 (or of the type of the images), or None
        Variance of each pixel, in the square of the unit of the images. None, also for single images, if there are
        none; then the result has none.
    bad : int or sequence of N int
        Bits that reject a pixel, for all images or for each.
    options : CombineOptions
        What is made of the pixels.
    weights : sequence of N float, optional
        Weight of each image in the mean, not negative. An image of weight 0 is left out: all its pixels count as not
        good.
    times : sequence of N float, optional
        Exposure time of each image, or another number that is not negative, to be summed over the pixels that are used.
    out : CombinedPlanes, optional
        Result to be filled in place of new arrays, for example of an earlier call. Its counts of images are replaced.
    num_threads : int
        0 for the process-wide default.

    Returns
    -------
    CombinedPlanes
        The result; `out` if that is given.

    Raises
    ------
    evensky.errors.LengthError
        If there are no images, or not as many masks, variances, bits, weights or times as images.
    evensky.errors.InvalidParameterError
        If shapes differ, a weight or a time is negative or not finite, all weights are 0, weights are given for a
        median or beside ``by_variance``, or an image lacks the variances that are needed.
    evensky.errors.TypeError
        If images are not all float32 or all float64, or another array is of another type.

    Examples
    --------
    A cosmic ray in one of five images:

    >>> import numpy as np
    >>> from evensky.math.combine_planes import CombineOptions, combine_planes
    >>> images = np.array([[[level, 2.0]] for level in (1, 2, 3, 2, 60000)], np.float32)
    >>> result = combine_planes(images, options=CombineOptions(centre="median", scatter="mad"))
    >>> result.image
    array([[2., 2.]], dtype=float32)
    >>> result.number
    array([[4, 5]], dtype=int32)
    >>> result.rejected_by_image
    array([0, 0, 0, 0, 1])
    """
    if not isinstance(options, CombineOptions):
        raise WrongTypeError(f"options is {shown(options)}, a {type(options).__name__}; CombineOptions are needed")
    arrays = _images(images)
    number = len(arrays)
    all_masks = _planes(masks, "masks", arrays, (np.dtype(np.int32),))
    all_variances = _planes(variances, "variances", arrays, (np.dtype(np.float32), arrays[0].dtype))
    bits = _bits(bad, number)
    factors = _weights(weights, number, options)
    seconds = None if times is None else _numbers(times, "times", number)
    without = [i for i, variance in enumerate(all_variances) if variance is None]
    if without and options.by_variance:
        raise InvalidParameterError(
            f"Image {without[0]} has no variances, so it cannot be weighted by 1 / variance; give them, or leave "
            "by_variance False"
        )
    used = [i for i in range(number) if factors is None or factors[i] > 0.0]
    # Equal weights are no weights, except in the map of weights.
    common = factors[used[0]] if factors is not None and len({factors[i] for i in used}) == 1 else 1.0
    varied = all(all_variances[i] is not None for i in used)
    weighted = options.by_variance or factors is not None
    out = _output(out, arrays[0], varied=varied, weighted=weighted, timed=seconds is not None)
    planes = []
    for i in used:
        variance = all_variances[i] if varied else None
        if variance is not None and variance.dtype != np.float32:
            variance = variance.astype(np.float32)
        weight = 1.0 if factors is None else factors[i] / common
        time = 0.0 if seconds is None else seconds[i]
        planes.append((arrays[i], all_masks[i], variance, bits[i], weight, time))
    by_number: np.ndarray | tuple[()] = ()
    softening: np.ndarray | tuple[()] = ()
    if varied and options.statistic != "mean":
        clipping = options.sigma_low, options.sigma_high, options.rounds, options.centre, options.scatter
        by_number = variance_factors(options.statistic, *clipping, len(used))
        if not options.by_variance and all(one[4] == 1.0 for one in planes):
            softening = variance_softening(options.statistic, *clipping, len(used))
    masked, rejected = _core.combine(
        (out.image, out.variance, out.mask, out.number, out.rejected, out.weight, out.time),
        planes,
        options.statistic,
        options.sigma_low,
        options.sigma_high,
        options.rounds,
        options.centre,
        options.scatter,
        options.by_variance,
        by_number,
        softening,
        num_threads,
    )
    if out.weight is not None and common != 1.0:
        out.weight *= np.float32(common)
    out.masked_by_image = np.full(number, arrays[0].size, np.int64)
    out.rejected_by_image = np.zeros(number, np.int64)
    out.masked_by_image[used] = masked
    out.rejected_by_image[used] = rejected
    return out


def _images(images: Sequence[np.ndarray] | np.ndarray) -> list[np.ndarray]:
    """Return the arrays of all images, checked."""
    arrays = [np.asarray(image) for image in images]
    if not arrays:
        raise LengthError("There are 0 images to combine; at least one is needed")
    first = arrays[0]
    for i, array in enumerate(arrays):
        if array.dtype not in (np.float32, np.float64) or not array.dtype.isnative:
            raise WrongTypeError(
                f"Image {i} has dtype {array.dtype}; float32 or float64 in native byte order is needed (astype)"
            )
        if array.dtype != first.dtype:
            raise WrongTypeError(f"Image {i} has dtype {array.dtype} but image 0 has {first.dtype}; they must be equal")
        if array.ndim != 2 or array.shape != first.shape:
            raise InvalidParameterError(
                f"Image {i} has shape {array.shape} and image 0 {first.shape}; they must be equal, with two dimensions"
            )
    return arrays


def _planes(
    planes: Sequence[np.ndarray | None] | np.ndarray | None,
    name: str,
    images: Sequence[np.ndarray],
    dtypes: Sequence[np.dtype[Any]],
) -> list[np.ndarray | None]:
    """Return a plane of all images, checked; None where there is none."""
    if planes is None:
        return [None] * len(images)
    if len(planes) != len(images):
        raise LengthError(f"There are {len(planes)} {name} for {len(images)} images; each needs one, or None")
    result = [None if plane is None else np.asarray(plane) for plane in planes]
    for i, plane in enumerate(result):
        if plane is None:
            continue
        if plane.dtype not in dtypes or not plane.dtype.isnative:
            allowed = " or ".join(dict.fromkeys(map(str, dtypes)))
            raise WrongTypeError(f"{name}[{i}] has dtype {plane.dtype}; {allowed} in native byte order is needed")
        if plane.shape != images[0].shape:
            raise InvalidParameterError(
                f"{name}[{i}] has shape {plane.shape} but the images have {images[0].shape}; they must be equal"
            )
    return result


def _bits(bad: int | Sequence[int], number: int) -> list[int]:
    """Return the bits that reject pixels of each image."""
    each = [bad] * number if np.ndim(bad) == 0 else list(bad)  # type: ignore[arg-type]
    if len(each) != number:
        raise LengthError(f"bad has {len(each)} numbers for {number} images; give one for all, or one for each")
    bits = []
    for one in each:
        value = whole_number(one, "bad")
        if not -(2**31) <= value < 2**32:
            raise InvalidParameterError(f"bad: {value} does not fit into the 32 bits of a mask")
        bits.append(signed_bits(value))
    return bits


def _weights(weights: Any, number: int, options: CombineOptions) -> list[float] | None:
    """Return the weights of the images, checked; None if there are none."""
    if weights is None:
        return None
    if options.statistic == "median" or options.by_variance:
        reason = "statistic is 'median'" if options.statistic == "median" else "by_variance is True"
        raise InvalidParameterError(f"weights are given but {reason}; leave one of the two out")
    factors = _numbers(weights, "weights", number)
    if not any(factors):
        raise InvalidParameterError("All weights are 0; at least one image needs a positive weight")
    return factors


def _numbers(values: Any, name: str, number: int) -> list[float]:
    """Return a number of each image, finite and not negative."""
    if len(values) != number:
        raise LengthError(f"There are {len(values)} {name} for {number} images; each needs one")
    numbers = [real_number(value, f"{name}[{i}]") for i, value in enumerate(values)]
    for i, value in enumerate(numbers):
        if not (value >= 0.0 and math.isfinite(value)):
            raise InvalidParameterError(f"{name}[{i}] is {value}; it must be finite and not negative")
    return numbers


def _output(
    out: CombinedPlanes | None, image: np.ndarray, *, varied: bool, weighted: bool, timed: bool
) -> CombinedPlanes:
    """Return the planes of the result: new ones, or those of `out`."""
    shape = image.shape
    none = np.zeros(0, np.int64)
    if out is None:
        return CombinedPlanes(
            image=np.empty(shape, image.dtype),
            variance=np.empty(shape, np.float32) if varied else None,
            mask=np.empty(shape, np.int32),
            number=np.empty(shape, np.int32),
            rejected=np.empty(shape, np.int32),
            weight=np.empty(shape, np.float32) if weighted else None,
            rejected_by_image=none,
            masked_by_image=none,
            time=np.empty(shape, np.float32) if timed else None,
        )
    if out.image.dtype != image.dtype:
        raise WrongTypeError(f"out.image has dtype {out.image.dtype} but the images have {image.dtype}")
    word = {True: "a", False: "no"}
    if (out.variance is not None) != varied or (out.weight is not None) != weighted:
        raise InvalidParameterError(
            f"out has {word[out.variance is not None]} variance and {word[out.weight is not None]} weight but the "
            f"result has {word[varied]} variance and {word[weighted]} weight"
        )
    if (out.time is not None) != timed:
        raise InvalidParameterError(
            f"out has {word[out.time is not None]} time but times are {'given' if timed else 'not given'}"
        )
    return out
