"""Sky level and scatter in a mesh of boxes, with the estimators of photometry packages."""

from __future__ import annotations

__all__ = [
    "AUTO",
    "EDGE_METHODS",
    "ESTIMATORS",
    "GIVEN",
    "RMS_ESTIMATORS",
    "SOURCES_ARE_MASKED",
    "MeshOptions",
    "choose",
    "chosen_for",
    "filter_mesh",
    "good_pixels",
    "measure_mesh",
    "mesh_of_boxes",
    "patches_of",
    "replace_outliers",
    "smooth_mesh",
    "two_sided",
]

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _core
from .._bands import row_bands
from .._checks import real_number, shown, whole_number
from ..errors import InvalidParameterError
from ..image.foreign import Planes
from .combine_planes import CENTRES, SCATTERS

ESTIMATORS = ("mean", "median", "mode", "grouped_mode", "sextractor", "mmm", "biweight", "histogram")
"""Estimators of the sky level of a box, from the pixels that clipping leaves; "histogram" clips by itself."""

AUTO = "auto"
"""Name of the choice of an estimator by the pixels: "mode", or "grouped_mode" or "mean" for pixels of coarse steps."""

GIVEN = "given"
"""Why an estimator was used that was not chosen by the pixels."""

SOURCES_ARE_MASKED = "sources are masked"
"""Why the mean was used."""

RMS_ESTIMATORS = ("std", "mad", "biweight")
"""Estimators of the scatter of the pixels of a box."""

EDGE_METHODS = ("spread", "pad", "crop")
"""How boxes cover an image whose size is not a multiple of theirs."""

# Names of the core that differ.
_CORE_NAMES = {"std": "STDEV"}

# Largest number of looks for boxes that stand out.
_MOST_LOOKS = 5

# Number of rounds that means clipping until nothing changes.
_ALL_ROUNDS = 2**31 - 1

# Least scatter for a mode, in steps of the values that pixels can have. Counts of photons are skewed, so that their
# mode is 0.4 steps too low: for this scatter, 0.14 of it, which is less than what the mode gains beside stars.
_LEAST_SCATTER = 3.0
# Scatter from which on the usual median will do: it is up to half a step off, and the mode 2.5 times that.
_FINE_SCATTER = 40.0

# Patches that are looked at for steps: their number along each axis of an image, and their side in pixels.
_PATCHES = 4
_PATCH = 16

# Least number of good pixels of a patch, and of deviations of boxes whose scatter is found.
_FEW = 24

# Directions (y, x) in which boxes at opposite sides of another one are paired.
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))

# Largest distance in boxes of those that are compared, to find out whether the scatter of boxes is noise.
_FARTHEST = 3

# Comparisons that leave the median of nine values in their middle (Paeth 1990, Graphics Gems, 171).
_NINE = (
    *((1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3), (5, 8), (4, 7), (3, 6), (1, 4)),
    *((2, 5), (4, 7), (2, 4), (4, 6), (2, 4)),
)

# Deviation of a box, in units of their scatter, beyond which it is not smoothed.
_SMOOTHED_WITHIN = 3.0


def _one_of(value: Any, name: str, allowed: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in allowed:
        raise InvalidParameterError(f"{name} is {shown(value)}; it must be one of {', '.join(map(repr, allowed))}")


def two_sided(sigma: Any) -> tuple[float, float]:
    """Return the widths of a clipping window below and above its centre, given one or both.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are not one or two values greater than 0.
    """
    sides = list(sigma) if isinstance(sigma, tuple | list) else [sigma, sigma]
    if len(sides) != 2:
        raise InvalidParameterError(
            f"sigma is {shown(sigma)}, with {len(sides)} values; one is needed, or two: below and above the centre"
        )
    low, high = (real_number(side, "sigma") for side in sides)
    if not (low > 0 and high > 0):
        raise InvalidParameterError(f"sigma is {shown(sigma)}; it must be greater than 0")
    return low, high


@dataclass(frozen=True)
class MeshOptions:
    """How the sky is measured in a mesh of boxes.

    Parameters
    ----------
    height, width : int
        Size of a box in pixels.
    estimator : {"mean", "median", "mode", "grouped_mode", "sextractor", "mmm", "biweight", "histogram", "auto"}
        Estimator of the level; `chosen_for` replaces "auto". "histogram" needs the default values of `rms_estimator`,
        `sigma`, `rounds`, `centre` and `scatter`.
    rms_estimator : {"std", "mad", "biweight"}
        Estimator of the scatter.
    edge_method : {"spread", "pad", "crop"}
        How boxes cover the image.
    sigma : float or (float, float)
        Width of the clipping window in units of the scatter, or its widths below and above the centre; infinity for no
        limit on that side.
    rounds : int or None
        Largest number of rounds; 0 for no clipping, None to clip until nothing changes.
    centre : {None, "median", "mean"}
    scatter : {None, "std", "mad"}
        Centre and scatter of the clipping, as for `CombineOptions`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If a value is not allowed.
    """

    height: int
    width: int
    estimator: str = "mean"
    rms_estimator: str = "std"
    edge_method: str = "spread"
    sigma: float | tuple[float, float] = 3.0
    rounds: int | None = 3
    centre: str | None = None
    scatter: str | None = None

    def __post_init__(self) -> None:
        _one_of(self.estimator, "estimator", (AUTO, *ESTIMATORS))
        _one_of(self.rms_estimator, "rms_estimator", RMS_ESTIMATORS)
        _one_of(self.edge_method, "edge_method", EDGE_METHODS)
        if self.centre is not None:
            _one_of(self.centre, "centre", CENTRES)
        if self.scatter is not None:
            _one_of(self.scatter, "scatter", SCATTERS)
        two_sided(self.sigma)
        if self.rounds is not None and not 0 <= whole_number(self.rounds, "rounds") <= _ALL_ROUNDS:
            raise InvalidParameterError(
                f"rounds is {self.rounds}; it must be at least 1, 0 for no clipping, or None to clip until nothing "
                "changes"
            )
        if self.estimator != "histogram":
            return
        for name in ("rms_estimator", "sigma", "rounds", "centre", "scatter"):
            value, usual = getattr(self, name), getattr(MeshOptions, name)
            if value != usual:
                raise InvalidParameterError(
                    f'{name} is {shown(value)}, but the estimator "histogram" clips by itself and has a scatter of its '
                    f'own; leave {name} out, or use estimator="sextractor"'
                )


def measure_mesh(planes: Planes, bits: int, options: MeshOptions, num_threads: int = 0) -> _core.BackgroundMesh:
    """Measure the sky level, its error and the scatter of the pixels in each box of an image.

    Parameters
    ----------
    planes : Planes
        Image and mask.
    bits : int
        Bits of the mask that reject a pixel.
    options : MeshOptions
        With an estimator that is not "auto".
    num_threads : int, optional
        Number of threads; 0 for the process-wide default. Results do not depend on it.
    """
    low, high = two_sided(options.sigma)
    return _core.BackgroundMesh(
        planes.image,
        planes.mask,
        planes.x0,
        planes.y0,
        options.width,
        options.height,
        options.edge_method.upper(),
        options.estimator.upper(),
        _CORE_NAMES.get(options.rms_estimator, options.rms_estimator.upper()),
        low,
        high,
        _ALL_ROUNDS if options.rounds is None else options.rounds,
        options.centre,
        options.scatter,
        bits,
        num_threads,
    )


def patches_of(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Return small patches that are spread over an image of a shape, for `chosen_for`.

    Narrow images have longer ones, so that patches hold enough pixels.
    """
    sides = [min(size, _PATCH) for size in shape]
    for this, other in ((0, 1), (1, 0)):
        sides[this] = min(shape[this], _PATCH * _PATCH // max(sides[other], 1))
    down, across = (
        [slice(start, start + side) for start in sorted({max(0, middle - side // 2) for middle in middles})]
        for side, middles in (
            (side, [(2 * i + 1) * size // (2 * _PATCHES) for i in range(_PATCHES)])
            for side, size in zip(sides, shape, strict=True)
        )
    )
    return [(rows, columns) for rows in down for columns in across]


def good_pixels(planes: Planes, bits: int) -> np.ndarray:
    """Return the pixels of an image as float64, NaN where a bit of the mask rejects them."""
    pixels = planes.image.astype(np.float64)
    if planes.mask is not None:
        pixels[(planes.mask & np.int32(bits)) != 0] = np.nan
    return pixels


def chosen_for(patches: Sequence[np.ndarray]) -> tuple[str, str]:
    """Return the estimator that "auto" means for an image, and why.

    It is "mean" if the values that pixels can have are so far apart, as those of counts of photons and of such counts
    in other units, that the scatter is less than 3 steps, and "grouped_mode" for up to 40. The scatter in steps is
    1 / (2 sqrt(pi) p), where p is the part of the pairs of pixels that are equal, and this is the median over the
    patches; that of all patches together if few pixels are good. A single value that is more than 3 times as common as
    any other is that of pixels without data, and does not count.

    Parameters
    ----------
    patches : sequence of ndarray
        The `good_pixels` of the parts `patches_of` of the image.

    Returns
    -------
    estimator : {"mode", "grouped_mode", "mean"}
    reason : str
        A part of a sentence.
    """
    side = _PATCH * _PATCH
    values = np.full((len(patches), side), np.nan)
    for row, patch in zip(values, patches, strict=True):
        row[: patch.size] = patch.ravel()
    values[~np.isfinite(values)] = np.nan
    values.sort(axis=1)
    good = side - np.isnan(values).sum(axis=1)
    begins = np.ones(values.shape, bool)
    np.not_equal(values[:, 1:], values[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    equal = np.diff(starts, append=values.size)
    good, equal = _without_blank_value(good, equal, starts // side)
    pairs = np.bincount(starts // side, weights=equal * (equal - 1.0), minlength=len(values))
    every = good * (good - 1.0)
    known = (good >= _FEW) & (pairs < every)  # all pixels of a patch are equal where there are no data
    if not known.any() and every.sum() >= _FEW * (_FEW - 1):  # few pixels are good: patches together
        pairs, every = pairs.sum(keepdims=True), every.sum(keepdims=True)
        known = pairs < every
    if not known.any():
        return "mode", "too few different good pixels to look for steps"
    with np.errstate(divide="ignore"):
        scatters = every[known] / (2 * math.sqrt(math.pi) * pairs[known])
    scatter = float(np.median(scatters))
    if scatter < _FINE_SCATTER:
        estimator = "mean" if scatter < _LEAST_SCATTER else "grouped_mode"
        return estimator, f"the scatter is {scatter:.2g} steps between the values of pixels"
    return "mode", "pixels have no coarse steps"


def _without_blank_value(good: np.ndarray, equal: np.ndarray, patch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out the value that pixels without data have: one that is more than 3 times as common as any other.

    Parameters
    ----------
    good : ndarray of int64
        Number of good pixels of each patch.
    equal : ndarray of int64
        Numbers of pixels that have the same value.
    patch : ndarray of int64
        Number of the patch of each of these, in order; no patch is left out.

    Returns
    -------
    good, equal : ndarray of int64
        Without that value, in patches where enough other pixels are left.
    """
    firsts = np.searchsorted(patch, np.arange(len(good)))
    most = np.maximum.reduceat(equal, firsts)
    places = np.flatnonzero(equal == most[patch])
    place = places[np.searchsorted(patch[places], np.arange(len(good)))]
    others = equal.copy()
    others[place] = 0
    blank = (most > 3 * np.maximum.reduceat(others, firsts)) & (good - most >= _FEW)
    others[place[~blank]] = most[~blank]
    return np.where(blank, good - most, good), others


def choose(planes: Planes, bits: int, options: MeshOptions) -> tuple[MeshOptions, str]:
    """Return options in which "auto" is replaced by the estimator for an image, and why it is that one.

    Parameters
    ----------
    planes : Planes
        Image and mask.
    bits : int
        Bits of the mask that reject a pixel.
    options : MeshOptions
    """
    if options.estimator != AUTO:
        return options, GIVEN
    masks = planes.mask
    patches = [
        good_pixels(Planes(planes.image[there], None if masks is None else masks[there]), bits)
        for there in patches_of(planes.image.shape)
    ]
    estimator, reason = chosen_for(patches)
    return replace(options, estimator=estimator), reason


def mesh_of_boxes(
    bbox: Any, options: MeshOptions, level: np.ndarray, error: np.ndarray, rms: np.ndarray, number: np.ndarray
) -> _core.BackgroundMesh:
    """Make a mesh of the values of its boxes.

    Parameters
    ----------
    bbox : (int, int, int, int)
        Origin, width and height of the image.
    options : MeshOptions
        How boxes cover the image.
    level, error, rms : ndarray of float64, shape (ny, nx)
    number : ndarray of int64, shape (ny, nx)
        Number of pixels that clipping has left.
    """
    return _core.BackgroundMesh(
        bbox, options.width, options.height, options.edge_method.upper(), level, error, rms, number
    )


def filter_mesh(
    mesh: _core.BackgroundMesh,
    options: MeshOptions,
    height: int,
    width: int,
    threshold: float | None = None,
    num_threads: int = 0,
) -> _core.BackgroundMesh:
    """Replace levels and scatters of boxes by medians of windows, and errors by those of these medians.

    The median of n independent, normally distributed levels of variance v has a variance of pi v / (2 n + pi - 2),
    within 2 % for odd n. For v, the mean of the squares of the errors in the window is taken. Filtered levels share
    boxes, so that they are correlated: their mean is not more certain than before.

    Parameters
    ----------
    mesh : BackgroundMesh
        Without gaps; it is changed.
    options : MeshOptions
        Those of the mesh.
    height, width : int
        Size of the window in boxes, odd; it is cut at the edges of the mesh.
    threshold : float, optional
        Filter only boxes whose level is above this.
    num_threads : int, optional
        Number of threads; 0 for the process-wide default.

    Returns
    -------
    BackgroundMesh
        Boxes with an error of NaN keep it; in the errors of others, they do not count.
    """
    from scipy.ndimage import uniform_filter

    filtered = np.ones(mesh.level().shape, bool) if threshold is None else mesh.level() > threshold
    mesh.filter(height, width, threshold, num_threads)
    error = mesh.error()
    known = np.isfinite(error)
    squares, parts = (
        uniform_filter(values, (height, width), mode="constant")
        for values in (np.where(known, error, 0.0) ** 2, known.astype(float))
    )
    number = np.rint(parts * (height * width))
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.maximum(squares, 0.0) / parts * (math.pi / (2.0 * number + math.pi - 2.0))
    after = np.where(known & filtered, np.sqrt(variance), error)
    return mesh_of_boxes(mesh.get_image_bbox(), options, mesh.level(), after, mesh.rms(), mesh.number())


def replace_outliers(
    mesh: _core.BackgroundMesh, options: MeshOptions, height: int, width: int, sigma: float
) -> _core.BackgroundMesh:
    """Replace boxes that stand out from those around them by the medians of windows.

    A box stands out if its level, or its scatter, deviates by more than `sigma` from two expectations: from the median
    of the window about it, and from the median of what pairs of boxes at opposite sides of the window predict by
    straight lines, at the edges of the mesh pairs at one side. The first is that of a median filter, the second is
    exact on slopes. The unit of each deviation is 1.4826 times the median of its absolute values over the mesh, or the
    median error of the levels if that is larger. Level and scatter of a box that stands out are replaced by the medians
    of the window, and its error is NaN. This is repeated with windows of boxes as replaced, until the same boxes stand
    out, at most five times. Near the edges, the medians of the windows that are inside continue by point reflection.
    Boxes that `fill` has replaced tell nothing about others, and are filled again at the end, by the replaced ones.

    Parameters
    ----------
    mesh : BackgroundMesh
        Without gaps: `fill` comes before.
    options : MeshOptions
        Those of the mesh.
    height, width : int
        Size of the window in boxes, odd.
    sigma : float
        At least 0; infinity replaces nothing.

    Returns
    -------
    BackgroundMesh
        The mesh itself if no box stands out.
    """
    level, error, rms = mesh.level(), mesh.error(), mesh.rms()
    if not (np.isfinite(level).all() and np.isfinite(rms).all()):
        return mesh  # no box has a good pixel
    filled = np.isnan(error)
    if filled.all():
        return mesh
    least = float(np.median(error[~filled]))
    measured = tuple(np.where(filled, np.nan, values) for values in (level, rms))
    around = measured
    stands_out = np.zeros(level.shape, bool)
    for _ in range(_MOST_LOOKS):
        before, stands_out = stands_out, np.zeros(level.shape, bool)
        middles = tuple(_window_medians(values, height, width) for values in around)
        for values, replaced, middle in zip(measured, around, middles, strict=True):
            far = np.ones(level.shape, bool)
            for expected in (middle, _predicted(replaced, height // 2, width // 2)):
                distance = np.abs(values - expected)
                known = distance[np.isfinite(distance)]
                unit = max(1.4826 * float(np.median(known)), least) if known.size else least
                far &= distance > sigma * unit
            stands_out |= far
        around = tuple(np.where(stands_out, middle, values) for values, middle in zip(measured, middles, strict=True))
        if np.array_equal(stands_out, before):
            break
    if not stands_out.any():
        return mesh
    level[stands_out], rms[stands_out], error[stands_out] = around[0][stands_out], around[1][stands_out], np.nan
    level[filled] = np.nan
    return _filled_again(mesh, options, level, error, rms)


def smooth_mesh(mesh: _core.BackgroundMesh, options: MeshOptions, filled: np.ndarray) -> _core.BackgroundMesh:
    """Take the noise off the levels of boxes, as far as their scatter is noise and not structure of the sky.

    Each level is moved towards what pairs of the boxes next to it predict: the mean of the middles of those at opposite
    sides, in rows, columns and diagonals, which is exact on slopes. Let D(h) be the scatter of the deviations from such
    predictions by boxes h boxes away (1.4826 times the median of the absolute values), in units of that of noise of
    scatter 1. For noise it is the same at all distances; a smooth sky has D(2) = 4 D(1), diffuse light on all scales at
    least D(2)^2 = 2 D(1)^2, and waves are not the same at three distances. So S = max(abs(D(2)^2 - D(1)^2), D(1)^2 -
    D(3)^2) is at least the variance of the structure, N = D(1)^2 - S is that of the noise, and the weight of a
    prediction from n pairs is N / (N (1 + 1 / (2 n)) + S), or 0 if N < 0. Boxes that deviate by more than 3 D(1), and
    those of meshes that are too small for D(3), stay as they are. Scatters do, too.

    The error of a level that is moved with weight w is that of a linear filter: the square root of (1 - w)^2 e^2 + w^2
    m / (2 n), where e is its own error before and m the mean square of those of the boxes in the n pairs; w is taken as
    given. Levels that are moved share boxes, so that they are correlated: noise alone has w = 8 / 9, which makes them
    means of 3 x 3 boxes, correlated by 2 / 3 with the next box of a row or column and by 1 / 3 with the one after that.
    The mean of many levels is as uncertain as before, three times as much as independent errors would say. Boxes with
    an error of NaN, as those that `replace_outliers` has replaced, keep it; in m, others take their place.

    Parameters
    ----------
    mesh : BackgroundMesh
        Without gaps, and without boxes that stand out.
    options : MeshOptions
        Those of the mesh.
    filled : ndarray of bool, shape (ny, nx)
        Boxes that `fill` has replaced; they are so again.

    Returns
    -------
    BackgroundMesh
        The mesh itself if nothing changes.
    """
    level = mesh.level()
    level[filled] = np.nan
    scatters = []
    for distance in range(_FARTHEST, 0, -1):
        predicted, pairs = _between_pairs(level, distance)
        off = predicted - level
        known = np.isfinite(off)
        if np.count_nonzero(known) < _FEW:
            return mesh
        scatters.append((1.4826 * float(np.median(np.abs(off[known]) / np.sqrt(1 + 0.5 / pairs[known])))) ** 2)
    third, second, first = scatters
    structure = max(abs(second - first), first - third)
    noise = first - structure
    if not noise > 0:
        return mesh
    with np.errstate(divide="ignore"):
        weight = noise / (noise * (1 + 0.5 / pairs) + structure)
    near = np.abs(off) <= _SMOOTHED_WITHIN * math.sqrt(first)  # not for NaN
    level[near] += (weight * off)[near]
    return _filled_again(mesh, options, level, _errors_moved(mesh.error(), filled, near, weight, pairs), mesh.rms())


def _errors_moved(
    error: np.ndarray, filled: np.ndarray, moved: np.ndarray, weight: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Return the errors of levels, some of which were moved towards pairs of others by weights."""
    squares = np.where(filled, np.nan, error**2)
    around, _ = _between_pairs(squares, 1)  # half the sum of the squares of both boxes of a pair is their mean square
    around = np.where(np.isnan(around), squares, around)
    with np.errstate(divide="ignore", invalid="ignore"):
        after = np.sqrt((1 - weight) ** 2 * squares + weight**2 * around / (2 * pairs))
    return np.where(moved, after, error)


def _filled_again(
    mesh: _core.BackgroundMesh, options: MeshOptions, level: np.ndarray, error: np.ndarray, rms: np.ndarray
) -> _core.BackgroundMesh:
    """Return a mesh of other values, in which boxes whose levels are NaN are filled."""
    made = mesh_of_boxes(mesh.get_image_bbox(), options, level, error, rms, mesh.number())
    made.fill(100.0)
    return made


def _moved(values: np.ndarray, down: int, across: int) -> Callable[[int, int], np.ndarray]:
    """Return a function of (y, x) for the values y * `down` rows and x * `across` columns away, NaN beyond the edges.

    y and x are -2 to 2.
    """
    height, width = values.shape
    far = np.full((height + 4 * down, width + 4 * across), np.nan)
    far[2 * down : 2 * down + height, 2 * across : 2 * across + width] = values

    def at(y: int, x: int) -> np.ndarray:
        top, left = (2 + y) * down, (2 + x) * across
        return far[top : top + height, left : left + width]

    return at


def _between_pairs(values: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the middles of pairs of values on opposite sides of each value, and the number of pairs.

    They are in its row, in its column and on both diagonals, `distance` away along the axes. The mean is NaN if there
    is no pair.
    """
    at = _moved(values, distance, distance)
    total, number = np.zeros(values.shape), np.zeros(values.shape)
    for y, x in _DIRECTIONS:
        middle = 0.5 * (at(y, x) + at(-y, -x))
        known = ~np.isnan(middle)
        np.add(total, middle, out=total, where=known)
        number += known
    with np.errstate(invalid="ignore"):
        return total / number, number


def _predicted(values: np.ndarray, down: int, across: int) -> np.ndarray:
    """Return the median of what pairs of values predict for each value by straight lines.

    A pair is at opposite sides, `down` rows or `across` columns away or both; where one side is beyond the edge, it is
    at the other, at once and twice the distance. A value without a pair is its own prediction.
    Values that are NaN predict nothing.
    """
    at = _moved(values, down, across)
    predictions = []
    for y, x in _DIRECTIONS:
        two_sides = 0.5 * (at(y, x) + at(-y, -x))
        for side in (1, -1):
            one_side = 2 * at(side * y, side * x) - at(2 * side * y, 2 * side * x)
            two_sides = np.where(np.isnan(two_sides), one_side, two_sides)
        predictions.append(np.where(np.isnan(two_sides), values, two_sides))
    if any(np.isnan(prediction).any() for prediction in predictions):
        return _median(np.stack(predictions, axis=-1))
    one, other, third, fourth = predictions
    lower = np.maximum(np.minimum(one, other), np.minimum(third, fourth))
    upper = np.minimum(np.maximum(one, other), np.maximum(third, fourth))
    return np.asarray(0.5 * (lower + upper))


def _median(values: np.ndarray) -> np.ndarray:
    """Return medians along the last axis of the values that are numbers; NaN where there are none."""
    if np.isnan(values).any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return np.asarray(np.nanmedian(values, axis=-1))
    # np.median has checks that take most of its time for few values.
    middle = values.shape[-1] // 2
    if values.shape[-1] % 2:
        return np.asarray(np.partition(values, middle, axis=-1)[..., middle])
    parts = np.partition(values, (middle - 1, middle), axis=-1)
    return np.asarray(0.5 * (parts[..., middle - 1] + parts[..., middle]))


def _window_medians(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the median of the window about each value.

    Medians near an edge continue those of the windows that are inside by point reflection. An axis that is too short
    for two such windows has its values continued in this way instead.
    """
    halves = height // 2, width // 2
    inside = [size > 2 * half + 1 for size, half in zip(values.shape, halves, strict=True)]
    before = [(0, 0) if fits else (half, half) for fits, half in zip(inside, halves, strict=True)]
    after = [(half, half) if fits else (0, 0) for fits, half in zip(inside, halves, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(_continued(values, before), (height, width))
    if (height, width) == (3, 3) and not np.isnan(values).any():
        return _continued(_middle_of_nine([windows[:, :, y, x] for y in range(3) for x in range(3)]), after)
    # Some rows at a time, as windows are copied.
    bands = row_bands(windows.shape[0], windows[0].size, 2**18)
    return _continued(np.concatenate([_median(_flat(windows[rows])) for rows in bands]), after)


def _middle_of_nine(values: list[np.ndarray]) -> np.ndarray:
    """Return the medians of nine arrays of numbers, element by element, by comparisons and exchanges."""
    for low, high in _NINE:
        values[low], values[high] = np.minimum(values[low], values[high]), np.maximum(values[low], values[high])
    return values[4]


def _flat(windows: np.ndarray) -> np.ndarray:
    """Return a copy of windows with one axis for the values of each."""
    return windows.reshape(*windows.shape[:2], -1)


def _continued(values: np.ndarray, pad: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return values that are continued by point reflection about the outermost ones."""
    return np.pad(values, pad, mode="reflect", reflect_type="odd")
