"""Statistics of rows of values and of the boxes of an image, by the core and by functions."""

from __future__ import annotations

__all__ = ["Boxes", "Terms", "measure_boxes", "measure_rows"]

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from ...errors import InvalidParameterError
from ...image.foreign import Planes
from ...math.background_mesh import MeshOptions, measure_mesh
from .clipping import NO_CLIPPING, CoreClipping, clip_rows, core_clipping


@dataclass(frozen=True)
class Terms:
    """A sum of statistics of the core.

    Attributes
    ----------
    levels, scatters : tuple of (str, float)
        Names of estimators of `evensky.math.background_mesh.MeshOptions`, with their factors.
    """

    levels: tuple[tuple[str, float], ...] = ()
    scatters: tuple[tuple[str, float], ...] = ()


Estimator = Terms | Callable[..., Any]


@dataclass(frozen=True)
class Boxes:
    """Statistics of boxes.

    Attributes
    ----------
    values : tuple of ndarray of float64, shape (ny, nx)
        One array for each estimator; NaN for a box without a value.
    number : ndarray of int64, shape (ny, nx)
        Number of values of each box that clipping has left.
    """

    values: tuple[np.ndarray, ...]
    number: np.ndarray


def measure_boxes(
    image: np.ndarray,
    rejected: np.ndarray | None,
    box_size: tuple[int, int],
    sigma_clip: Any,
    estimators: tuple[Estimator, ...],
    num_threads: int,
) -> Boxes:
    """Measure the boxes of an image, which begin at its first pixel; the last ones may be smaller.

    Parameters
    ----------
    image : ndarray, shape (height, width)
    rejected : ndarray of bool, shape (height, width), or None
        Pixels that do not count; nor do those that are not finite.
    box_size : (int, int)
        Height and width of the boxes.
    sigma_clip : SigmaClip, callable or None
    estimators : tuple of Terms or callable
        A function takes an array of shape ``(1, n, pixels)`` of n boxes, with NaN for pixels that are masked or
        clipped, and ``axis=-1``.
    num_threads : int
    """
    clipping = core_clipping(sigma_clip)
    terms = [one for one in estimators if isinstance(one, Terms)]
    if clipping is not None and len(terms) == len(estimators):
        return _by_core(image, rejected, box_size, clipping, terms, num_threads)
    return _by_functions(image, rejected, box_size, sigma_clip, estimators, num_threads)


def measure_rows(
    values: np.ndarray, rejected: np.ndarray | None, clipping: CoreClipping, terms: list[Terms], num_threads: int = 0
) -> Boxes:
    """Measure each row of values; see `measure_boxes`."""
    height, width = values.shape
    if height == 0 or width == 0:
        shape = (height, 1)
        return Boxes(tuple(np.full(shape, np.nan) for _ in terms), np.zeros(shape, np.int64))
    return _by_core(values, rejected, (1, width), clipping, terms, num_threads)


def _by_core(
    image: np.ndarray,
    rejected: np.ndarray | None,
    box_size: tuple[int, int],
    clipping: CoreClipping,
    terms: list[Terms],
    num_threads: int,
) -> Boxes:
    planes = Planes(image, None if rejected is None else rejected.astype(np.int32))
    levels = list(dict.fromkeys(name for one in terms for name, _ in one.levels))
    scatters = list(dict.fromkeys(name for one in terms for name, _ in one.scatters))
    found: dict[tuple[str, str], np.ndarray] = {}
    number = np.empty(0, np.int64)
    # A mesh has one estimator of each kind.
    for level, scatter in zip_longest(levels, scatters) if levels or scatters else [("mean", "std")]:
        options = MeshOptions(
            *box_size,
            level or "mean",
            scatter or "std",
            "pad",
            clipping.sigma,
            clipping.rounds,
            clipping.centre,
            clipping.scatter,
        )
        mesh = measure_mesh(planes, 1, options, num_threads)
        found["level", level], found["scatter", scatter] = mesh.level(), mesh.rms()
        number = mesh.number()
    sums = []
    for one in terms:
        parts = [factor * found["level", name] for name, factor in one.levels]
        parts += [factor * found["scatter", name] for name, factor in one.scatters]
        sums.append(np.sum(parts, axis=0))
    return Boxes(tuple(sums), number)


def _by_functions(
    image: np.ndarray,
    rejected: np.ndarray | None,
    box_size: tuple[int, int],
    sigma_clip: Any,
    estimators: tuple[Estimator, ...],
    num_threads: int,
) -> Boxes:
    (height, width), (size_y, size_x) = image.shape, box_size
    shape = (-(-height // size_y), -(-width // size_x))
    values = [np.full(shape, np.nan) for _ in estimators]
    number = np.zeros(shape, np.int64)
    kind = np.float64 if image.dtype == np.float64 else np.float32
    for j in range(shape[0]):
        rows = slice(j * size_y, (j + 1) * size_y)
        band = image[rows].astype(kind)
        bad = ~np.isfinite(band)
        if rejected is not None:
            bad |= rejected[rows]
        band[bad] = np.nan
        whole = width // size_x
        for first, behind in ((0, whole), (whole, shape[1])):  # the boxes of the full width, then the last one
            if first == behind:
                continue
            part = band[:, first * size_x : behind * size_x]
            boxes = part.reshape(len(band), behind - first, -1).swapaxes(0, 1).reshape(behind - first, -1)
            boxes = clip_rows(boxes, sigma_clip)
            here = number[j, first:behind] = np.count_nonzero(np.isfinite(boxes), axis=-1)
            if not here.any():
                continue
            boxes = np.ascontiguousarray(boxes[here > 0])
            for out, one in zip(values, estimators, strict=True):
                out[j, first:behind][here > 0] = _of_boxes(boxes, one, num_threads)
    return Boxes(tuple(values), number)


def _of_boxes(boxes: np.ndarray, estimator: Estimator, num_threads: int) -> np.ndarray:
    """Return the statistic of each of some boxes, which are rows with NaN for pixels that do not count."""
    if isinstance(estimator, Terms):
        return measure_rows(boxes, None, NO_CLIPPING, [estimator], num_threads).values[0][:, 0]
    result = np.ma.filled(np.ma.asanyarray(estimator(boxes[np.newaxis], axis=-1)), np.nan)
    if result.shape != (1, len(boxes)):
        raise InvalidParameterError(
            f"{estimator!r} was called with an array of shape {(1, *boxes.shape)} and axis=-1, and its result has "
            f"shape {result.shape}; it must be {(1, len(boxes))}, with a value for each box"
        )
    return np.asarray(result[0], dtype=np.float64)
