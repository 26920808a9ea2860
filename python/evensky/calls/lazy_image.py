"""Images that are arrays of ``dask``: backgrounds are measured and evaluated block by block.

``dask`` is imported by whoever made such an array, and here only then.
"""

from __future__ import annotations

__all__ = ["LazyImage", "lazy_array"]

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _core
from .._checks import shown
from ..errors import InvalidParameterError, LengthError
from ..image.foreign import Planes, native_array, reject_pixels, squeezed
from ..image.plain import is_data_array, is_lazy
from ..math import ApproximateControl, BackgroundControl, BackgroundMI
from ..math.background_mesh import (
    AUTO,
    ESTIMATORS,
    GIVEN,
    MeshOptions,
    choose,
    chosen_for,
    good_pixels,
    measure_mesh,
    mesh_of_boxes,
    patches_of,
)
from .arguments import select_planes

# Planes of a mesh that blocks return: with the estimator AUTO, also means where a block alone would have them.
# What is found with the mode, and with the estimator that a block would have alone, whose number is the last plane.
_MESH_PLANES = ("level", "error", "rms", "number", "own_level", "own_error", "own_rms", "own_estimator")


def lazy_array(data: Any) -> Any:
    """Return the array of ``dask`` that an object is, or that a ``DataArray`` holds; None for all others."""
    array = data.data if is_data_array(data) else data
    return array if is_lazy(array) and all(hasattr(array, name) for name in ("rechunk", "map_blocks")) else None


def bin_edges(size: int, count: int) -> np.ndarray:
    """Return the edges of bins that are spread evenly over pixels, as those of a background are, from 0 to `size`."""
    return (np.arange(count + 1) * size + count // 2) // count


class LazyImage:
    """An array of ``dask`` with the planes beside it, of which only blocks are ever in memory.

    Parameters
    ----------
    array : dask.array.Array, shape (height, width)
        Further axes of length 1 are removed.
    mask, bad_planes, variance, weights : optional
        See `evensky.estimate_background`. Planes are arrays of numpy or dask.

    Attributes
    ----------
    image : dask.array.Array, shape (height, width)

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the array does not have two dimensions, its size is unknown, its pixels are not real numbers, or a plane is
        of another type.
    evensky.errors.LengthError
        If a plane has another shape than the array.
    """

    def __init__(
        self,
        array: Any,
        mask: Any = None,
        bad_planes: int | str | Iterable[str] | None = None,
        variance: Any = None,
        weights: Any = None,
    ) -> None:
        if any(math.isnan(size) for size in array.shape):
            raise InvalidParameterError(
                f"The dask array has shape {array.shape}; its size must be known, as compute_chunk_sizes() finds it"
            )
        size = squeezed(array.shape)
        if len(size) != 2:
            raise InvalidParameterError(
                f"The array has shape {array.shape}; an image has two dimensions, and any others are of length 1"
            )
        if 0 in size:
            raise InvalidParameterError(f"Image contains no pixels: the dask array has shape {array.shape}")
        dtype = native_array(np.empty(0, array.dtype)).dtype  # raises an error if these are not real numbers
        self.image = array.reshape(size).astype(dtype)
        self._bad_planes = bad_planes
        given = {"mask": mask, "variance": variance, "weights": weights}
        self._planes = {name: self._plane(plane, name) for name, plane in given.items() if plane is not None}

    def _plane(self, plane: Any, name: str) -> Any:
        array = lazy_array(plane)
        if array is None:
            array = plane.data if is_data_array(plane) else plane
            if not isinstance(array, np.ndarray):
                raise InvalidParameterError(
                    f"{name} is a {type(plane).__name__}; beside a dask array, an array of numpy or dask is needed"
                )
        if squeezed(array.shape) != self.image.shape:
            raise LengthError(f"The {name} has shape {array.shape}, but the data have shape {self.image.shape}")
        return array.reshape(self.image.shape)

    def measure(self, control: BackgroundControl, num_threads: int) -> BackgroundMI:
        """Measure a statistic in bins, in blocks that end where bins end.

        Parameters
        ----------
        control : BackgroundControl
            Each block uses its own bits of bad pixels instead of those of the control.
        num_threads : int
            Number of threads for each block; 0 for 1, as dask works on several blocks at once.
        """
        height, width = self.image.shape
        edges = bin_edges(height, control.getNySample()), bin_edges(width, control.getNxSample())
        blocks = self._by_blocks(_measure_block, edges, 2, np.float32, control=control, num_threads=num_threads or 1)
        mesh = blocks.compute()
        made = _core.Background((0, 0, width, height), mesh[0].copy(), None, mesh[1].copy(), control)
        return BackgroundMI.from_core(made, _core.AsUsed())

    def _by_blocks(
        self, measure: Any, edges: tuple[np.ndarray, np.ndarray], number: int, dtype: Any, **options: Any
    ) -> Any:
        """Return planes of values of the bins, shape ``(number, ny, nx)``, from blocks that end where bins end.

        They are an array of dask.
        """
        import dask.array

        lazy: Any = dask.array
        pairs = [_aligned(own, ends) for own, ends in zip(self.image.chunks, edges, strict=True)]
        chunks = tuple(np.diff(ends[starts]).tolist() for starts, ends in zip(pairs, edges, strict=True))
        arrays = [self.image.rechunk(chunks)]
        for plane in self._planes.values():
            made = plane if is_lazy(plane) else lazy.from_array(plane, chunks=chunks)
            arrays.append(made.rechunk(chunks))
        return lazy.map_blocks(
            measure,
            *arrays,
            names=tuple(self._planes),
            bad_planes=self._bad_planes,
            firsts=tuple(pairs),
            edges=edges,
            **options,
            new_axis=0,
            chunks=((number,), *(tuple(np.diff(starts).tolist()) for starts in pairs)),
            dtype=dtype,
            meta=np.empty((0, 0, 0), dtype),
        )

    def _patches(self) -> list[Any]:
        """Return the planes of the small parts of the image by which an estimator is chosen, as arrays of dask."""
        planes = [self.image, *self._planes.values()]
        return [[plane[there] for plane in planes] for there in patches_of(self.image.shape)]

    def measure_mesh(self, options: MeshOptions, num_threads: int) -> tuple[_core.BackgroundMesh, MeshOptions, str]:
        """Measure a mesh of boxes, in blocks that end where boxes end.

        Parameters
        ----------
        options : MeshOptions
            Boxes are spread evenly.
        num_threads : int
            Number of threads for each block; 0 for 1.

        Returns
        -------
        mesh : BackgroundMesh
        options : MeshOptions
            With the estimator that was used.
        reason : str
            Why it was used.
        """
        import dask

        lazy: Any = dask
        height, width = self.image.shape
        edges = bin_edges(height, -(-height // options.height)), bin_edges(width, -(-width // options.width))

        def blocks() -> Any:
            return self._by_blocks(
                _measure_mesh_block, edges, len(_MESH_PLANES), np.float64, options=options, num_threads=num_threads or 1
            )

        wanted = self._patches() if options.estimator == AUTO else []
        planes, patches = lazy.compute(blocks(), wanted)  # each chunk is read once, unless blocks do not agree
        level, error, rms, number, own_level, own_error, own_rms, own_estimator = planes
        reason = GIVEN
        if options.estimator == AUTO:
            chosen, reason = chosen_for([self._good_pixels(patch) for patch in patches])
            options = replace(options, estimator=chosen)
            if chosen != "mode":
                if (own_estimator[number > 0] != ESTIMATORS.index(chosen)).any():  # blocks do not agree with the whole
                    own_level, own_error, own_rms = blocks().compute()[:3]
                level, error, rms = own_level, own_error, own_rms
        level, error, rms = (np.ascontiguousarray(values) for values in (level, error, rms))
        mesh = mesh_of_boxes((0, 0, width, height), options, level, error, rms, number.astype(np.int64))
        return mesh, options, reason

    def _good_pixels(self, planes: Sequence[np.ndarray]) -> np.ndarray:
        """Return the pixels of a part of the image, NaN where they do not count."""
        return good_pixels(*_pixels_and_bits(planes[0], planes[1:], tuple(self._planes), self._bad_planes))

    def evaluate_mesh(
        self,
        values: np.ndarray,
        options: MeshOptions,
        style: Any,
        undersample_style: Any,
        dtype: Any,
        num_threads: int,
    ) -> tuple[Any, _core.AsUsed]:
        """Return values of boxes as an interpolated array of dask with the chunks of the image, and the styles used.

        Parameters
        ----------
        values : ndarray of float64, shape (ny, nx)
        options : MeshOptions
            How boxes cover the image.
        style, undersample_style
            Interpolation style, and the action if there are too few boxes for it.
        dtype : dtype
            float32 or float64.
        num_threads : int
            Number of threads for each block; 0 for 1.
        """
        import dask.array

        lazy: Any = dask.array
        height, width = self.image.shape
        surface = _MeshSurface(values, (0, 0, width, height), options, style, undersample_style)
        image = lazy.map_blocks(
            _evaluate_mesh_block,
            lazy.zeros(self.image.shape, chunks=self.image.chunks, dtype=np.bool_),
            surface=surface,
            kind=np.dtype(dtype),
            num_threads=num_threads or 1,
            meta=np.empty((0, 0), dtype),
        )
        return image, surface.write(np.empty((1, 1), dtype), (0, 0, 1, 1), 1)

    def evaluate(self, background: BackgroundMI, order: int | None, dtype: Any, num_threads: int) -> Any:
        """Return the model as an array of dask with the chunks of the image, which computes its blocks from the bins.

        Parameters
        ----------
        background : BackgroundMI
        order : int or None
            Order of the Chebyshev series; None if the model is interpolated.
        dtype : dtype
            float32 or float64.
        num_threads : int
            Number of threads for each block; 0 for 1.
        """
        import dask.array

        lazy: Any = dask.array
        if order is not None:  # raises an error if the bins do not determine the terms
            background.getApproximate(ApproximateControl(ApproximateControl.CHEBYSHEV, order))
        return lazy.map_blocks(
            _evaluate_block,
            lazy.zeros(self.image.shape, chunks=self.image.chunks, dtype=np.bool_),
            background=background,
            order=order,
            kind=np.dtype(dtype),
            num_threads=num_threads or 1,
            meta=np.empty((0, 0), dtype),
        )


def _aligned(chunks: Sequence[int], edges: np.ndarray) -> np.ndarray:
    """Return the numbers of the bins at which chunks start, near the ends of given chunks, and the number of bins."""
    ends = np.cumsum(chunks)
    nearest = np.searchsorted((edges[1:] + edges[:-1]) / 2, ends)
    return np.unique(np.concatenate(([0], nearest, [len(edges) - 1])))


def _even_runs(edges: np.ndarray, box: int | None = None) -> list[tuple[int, int]]:
    """Divide bins into runs that are, each by itself, spread evenly: bins are even only over the whole image.

    With the size of a box, there must also be a size of boxes of which as many as a run has cover its pixels.
    """
    runs, first = [], 0
    while first < len(edges) - 1:
        last = len(edges) - 1
        while not np.array_equal(
            bin_edges(int(edges[last] - edges[first]), last - first), edges[first : last + 1] - edges[first]
        ) or (box is not None and not _box_size(int(edges[last] - edges[first]), last - first, box)):
            last = first + max(1, (last - first) // 2)
        runs.append((first, last))
        first = last
    return runs


def _even_parts(
    pixels: Planes, edges: Sequence[np.ndarray], box_size: tuple[int | None, int | None] = (None, None)
) -> Iterator[tuple[tuple[slice, slice], Planes]]:
    """Divide a block into parts whose bins are spread evenly; return the bins of each part in y and x, and its planes.

    See `_even_runs`, which gets the sizes of a box in y and x.
    """
    down, across = (_even_runs(ends, box) for ends, box in zip(edges, box_size, strict=True))
    for top, bottom in down:
        for left, right in across:
            there = slice(edges[0][top], edges[0][bottom]), slice(edges[1][left], edges[1][right])
            part = Planes(pixels.image[there], None if pixels.mask is None else pixels.mask[there])
            yield (slice(top, bottom), slice(left, right)), part


def _pixels_and_bits(block: Any, planes: Sequence[Any], names: Sequence[str], bad_planes: Any) -> tuple[Planes, int]:
    """Return the planes of a part of an image, and the bits that reject a pixel."""
    beside = dict(zip(names, planes, strict=True))
    pixels, bits = select_planes(block, beside.pop("mask", None), bad_planes)
    for name, values in beside.items():
        good = _positive(values, name)
        if not good.all():
            reject_pixels(pixels, ~good)
            bits |= pixels.reject
    return pixels, bits


def _selected(
    block: Any,
    planes: Sequence[Any],
    names: Sequence[str],
    bad_planes: Any,
    firsts: Sequence[np.ndarray],
    edges: Sequence[np.ndarray],
    block_info: Any,
) -> tuple[Planes, int, list[np.ndarray]]:
    """Return the planes of a block, the bits that reject a pixel, and the edges of its bins in y and x."""
    pixels, bits = _pixels_and_bits(block, planes, names, bad_planes)
    own = []
    for starts, ends, number in zip(firsts, edges, block_info[0]["chunk-location"], strict=True):
        part = ends[starts[number] : starts[number + 1] + 1]
        own.append(part - part[0])
    return pixels, bits, own


def _measure_mesh_block(
    block: Any,
    *planes: Any,
    names: Sequence[str],
    bad_planes: Any,
    firsts: Sequence[np.ndarray],
    edges: Sequence[np.ndarray],
    options: MeshOptions,
    num_threads: int,
    block_info: Any = None,
) -> np.ndarray:
    """Measure the boxes of a block; return the planes of `_MESH_PLANES`."""
    pixels, bits, own = _selected(block, planes, names, bad_planes, firsts, edges, block_info)
    found = np.full((len(_MESH_PLANES), len(own[0]) - 1, len(own[1]) - 1), np.nan)
    estimators = [options.estimator]
    if options.estimator == AUTO:
        alone = choose(pixels, bits, options)[0].estimator
        estimators = ["mode", *([alone] if alone != "mode" else [])]
    for bins, part in _even_parts(pixels, own, (options.height, options.width)):
        boxes = found[:, bins[0], bins[1]]
        (height, width), (ny, nx) = part.image.shape, boxes.shape[1:]
        sized = replace(
            options, height=_box_size(height, ny, options.height), width=_box_size(width, nx, options.width)
        )
        for estimator in estimators:
            mesh = measure_mesh(part, bits, replace(sized, estimator=estimator), num_threads)
            if estimator == estimators[0]:
                boxes[0], boxes[1], boxes[2], boxes[3] = mesh.level(), mesh.error(), mesh.rms(), mesh.number()
            else:
                boxes[4], boxes[5], boxes[6] = mesh.level(), mesh.error(), mesh.rms()
                boxes[7] = ESTIMATORS.index(estimator)
    return found


def _box_size(size: int, count: int, box: int) -> int:
    """Return a size of boxes of which so many are spread over pixels; 0 if there is none."""
    if -(-size // box) == count:
        return box
    least = -(-size // count)
    return least if -(-size // least) == count else 0


def _measure_block(
    block: Any,
    *planes: Any,
    names: Sequence[str],
    bad_planes: Any,
    firsts: Sequence[np.ndarray],
    edges: Sequence[np.ndarray],
    control: BackgroundControl,
    num_threads: int,
    block_info: Any = None,
) -> np.ndarray:
    """Measure the bins of a block; return values and errors, shape ``(2, ny, nx)``."""
    pixels, bits, own = _selected(block, planes, names, bad_planes, firsts, edges, block_info)
    # Blocks are measured at the same time and differ in their bits, so that each has options of its own.
    statistics = copy.copy(control.getStatisticsControl())
    statistics.setAndMask(bits)
    mesh = np.empty((2, len(own[0]) - 1, len(own[1]) - 1), np.float32)
    for bins, part in _even_parts(pixels, own):
        boxes = mesh[:, bins[0], bins[1]]
        part_control = BackgroundControl(
            control.getInterpStyle(),
            boxes.shape[2],
            boxes.shape[1],
            control.getUndersampleStyle(),
            statistics,
            control.getStatisticsProperty(),
        )
        measured = _core.Background(part.image, part.mask, None, 0, 0, part_control, num_threads)
        boxes[0], _, boxes[1] = measured.get_stats_planes()
    return mesh


@dataclass(frozen=True)
class _MeshSurface:
    """Values of boxes, to be interpolated; blocks of it are computed in other processes, too."""

    values: np.ndarray
    bbox: tuple[int, int, int, int]
    options: MeshOptions
    style: Any
    undersample_style: Any

    def write(self, out: np.ndarray, bbox: tuple[int, int, int, int], num_threads: int) -> _core.AsUsed:
        """Write the part of the surface in a box, and return the styles that were used."""
        number = np.zeros(self.values.shape, np.int64)
        mesh = mesh_of_boxes(self.bbox, self.options, self.values, self.values, self.values, number)
        return mesh.get_image(out, bbox, self.style, self.undersample_style, num_threads)


def _evaluate_mesh_block(
    block: Any, *, surface: _MeshSurface, kind: Any, num_threads: int, block_info: Any = None
) -> np.ndarray:
    """Evaluate a surface in a block."""
    (top, _), (left, _) = block_info[0]["array-location"]
    height, width = block.shape
    out = np.empty((height, width), kind)
    surface.write(out, (left, top, width, height), num_threads)
    return out


def _positive(values: Any, name: str) -> np.ndarray:
    """Return where variances or weights are positive and finite."""
    plain = np.ma.getdata(values)
    if plain.dtype.kind not in "biuf":
        raise InvalidParameterError(f"{name}: {shown(plain.dtype)} is not a type of real numbers")
    return np.isfinite(plain) & (plain > 0) & ~np.ma.getmaskarray(values)


def _evaluate_block(
    block: Any, *, background: BackgroundMI, order: int | None, kind: Any, num_threads: int, block_info: Any = None
) -> np.ndarray:
    """Evaluate a model in a block."""
    (top, _), (left, _) = block_info[0]["array-location"]
    height, width = block.shape
    out = np.empty((height, width), kind)
    box = (left, top, width, height)
    if order is None:
        background._core.get_image(out, box, None, None, num_threads)
    else:
        model = background.getApproximate(ApproximateControl(ApproximateControl.CHEBYSHEV, order))
        model._core.get_image(out, box, -1, -1, num_threads)
    return out
