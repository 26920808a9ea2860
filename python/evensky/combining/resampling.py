"""Resampling of exposures onto the grid of a coadd, with mask and variance, by chunks of rows.

The package ``reproject`` computes the pixels. Positions, mask and variance are found here, from the same positions.
"""

from __future__ import annotations

__all__ = ["METHODS", "Resampled", "resample_chunks", "resample_exposure", "scales_with_area"]

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .._bands import row_bands
from .._checks import shown
from ..errors import InvalidParameterError, LengthError, UnsuitableError
from ..matching.celestial import CelestialGrid, GridMember, UnusableWcsError
from ..matching.units import is_known, is_per_pixel
from .extra import imported
from .fits_wcs import shifted_wcs
from .pixel_positions import CutOutWcs, PixelPositions, PositionsWcs
from .target_grid import Box, TargetGrid

Floats = NDArray[np.float64]

METHODS: Final = ("interp", "nearest", "adaptive", "exact")
"""Methods of resampling: bilinear interpolation, the nearest pixel, averages under a Gaussian kernel that follows the
grids (DeForest 2004), and averages by the area of overlap."""

# Number of pixels of a chunk. A pixel takes about 200 bytes while it is computed.
_CHUNK_PIXELS = 2**18
# Least part of a pixel of the grid that must lie on the exposure, where a package tells it.
_LEAST_COVERED = 0.5
# Reach of the kernel of each method, in pixels of the grid or of the exposure, whichever are larger.
_REACH = {"interp": 1.0, "nearest": 0.5, "adaptive": 3.0, "exact": 1.5}
# Radius of the disc with the test pixels that measure the noise of resampled pixels: in distances between these, in
# pixels of the exposure, and in pixels of the grid. Kernels with a larger reach in the exposure are not measured.
_DISTANCES, _LARGEST_RADIUS, _LARGEST_HALF, _LARGEST_REACH = 6, 150, 128, 30
# Number of pixels of the grid for which positions are held at once: 16 bytes for each 256 of them.
_BLOCK_PIXELS = 2**25


@dataclass(frozen=True)
class Resampled:
    """Pixels of an exposure on the grid of a coadd.

    Attributes
    ----------
    box : (x0, y0, width, height)
        Pixels of the grid.
    image : ndarray of float32, shape (height, width)
        NaN where the exposure has no good pixels: a pixel to which any bad pixel contributes is NaN.
    mask : ndarray of int32, shape (height, width), or None
        Bits of the nearest pixel of the exposure; 0 beyond its edges. None without a mask.
    variance : ndarray of float32, shape (height, width), or None
        Variance of each resampled pixel, without the covariances between pixels; NaN where the image is.
    noise_factor : float
        Factor by which the covariances of resampled pixels raise the variance of a mean over many of them: it is
        sigma^2 / n * noise_factor for the variance sigma^2 of a pixel. 1 for pixels that are not correlated.
    """

    box: Box
    image: NDArray[np.float32]
    mask: NDArray[np.int32] | None
    variance: NDArray[np.float32] | None
    noise_factor: float


def scales_with_area(unit: str) -> bool:
    """Return whether resampled values must be multiplied by the ratio of the areas of pixels.

    That holds for units that are known to be per pixel, such as ADU, electron or nJy. Values of an unknown unit are
    kept, as are those of surface brightness.

    Parameters
    ----------
    unit : str

    Examples
    --------
    >>> scales_with_area("electron"), scales_with_area("MJy/sr"), scales_with_area("")
    (True, False, False)
    """
    return is_known(unit) and is_per_pixel(unit)


def resample_exposure(
    image: NDArray[Any],
    mask: NDArray[np.int32] | None,
    bad_bits: int,
    variance: NDArray[Any] | None,
    wcs: Any,
    grid: TargetGrid,
    *,
    method: str = "interp",
    box: Box | None = None,
    per_pixel: bool = False,
    label: str = "the exposure",
) -> Resampled:
    """Resample an exposure onto a grid.

    Parameters
    ----------
    image : ndarray of float, shape (height, width)
    mask : ndarray of int32, shape (height, width), or None
    bad_bits : int
        Bits of the mask whose pixels are not used. NaN is not used either.
    variance : ndarray of float, shape (height, width), or None
    wcs : astropy.wcs.WCS or another object with the shared Python interface for WCS
        WCS of the exposure's array pixels.
    grid : TargetGrid
        A grid with a WCS.
    method : {"interp", "nearest", "adaptive", "exact"}, optional
        "interp" interpolates linearly between four pixels, "nearest" takes the nearest pixel, "adaptive" averages
        under a Gaussian kernel of 1.3 pixels (of the grid, or of the exposure where these are larger), and "exact"
        averages pixels by the area of their overlap.
    box : (x0, y0, width, height), optional
        Pixels of the grid that are wanted, such as the exposure's element of ``grid.boxes``; the whole grid by default.
    per_pixel : bool, optional
        Whether values grow with the area of a pixel, as counts do: they are multiplied by the area of the pixel of
        the grid in pixels of the exposure. By default values are kept, as those of surface brightness are.
    label : str, optional
        Name of the exposure in messages.

    Returns
    -------
    Resampled

    Raises
    ------
    evensky.errors.InvalidParameterError
        If an argument is not allowed, or reproject is not installed.
    evensky.errors.LengthError
        If the shapes of the planes differ, or the box is not within the grid.
    evensky.errors.UnsuitableError
        If the WCS of the exposure cannot be used.

    Notes
    -----
    With the methods "interp" and "nearest", the variance of each pixel is exact. With the others it is the resampled
    variance, multiplied by the share of it that the method leaves in the middle of the exposure.
    """
    whole = _checked_box(box, grid)
    _, y0, width, height = whole
    result = Resampled(
        whole,
        np.empty((height, width), np.float32),
        None if mask is None else np.empty((height, width), np.int32),
        None if variance is None else np.empty((height, width), np.float32),
        1.0,
    )
    noise_factor = 1.0
    for chunk in resample_chunks(
        image, mask, bad_bits, variance, wcs, grid, method=method, box=box, per_pixel=per_pixel, label=label
    ):
        noise_factor = chunk.noise_factor
        rows = slice(chunk.box[1] - y0, chunk.box[1] - y0 + chunk.box[3])
        for plane, part in zip(_planes_of(result), _planes_of(chunk), strict=True):
            plane[rows] = part
    return Resampled(result.box, result.image, result.mask, result.variance, noise_factor)


def resample_chunks(
    image: NDArray[Any],
    mask: NDArray[np.int32] | None,
    bad_bits: int,
    variance: NDArray[Any] | None,
    wcs: Any,
    grid: TargetGrid,
    *,
    method: str = "interp",
    box: Box | None = None,
    per_pixel: bool = False,
    label: str = "the exposure",
    chunk_pixels: int | None = None,
) -> Iterator[Resampled]:
    """Resample an exposure onto a grid, some rows at a time; see `resample_exposure`.

    Parameters
    ----------
    chunk_pixels : int, optional
        Largest number of pixels of a chunk. A chunk has at least one row.

    Yields
    ------
    Resampled
        Rows of the box, from the first to the last, in its full width.
    """
    if method not in METHODS:
        raise InvalidParameterError(f"resampling is {shown(method)}; it must be one of {', '.join(METHODS)}")
    for name, plane in (("mask", mask), ("variance", variance)):
        if plane is not None and plane.shape != image.shape:
            raise LengthError(
                f"the {name} of {label} has {plane.shape[1]} x {plane.shape[0]} pixels, and its image "
                f"{image.shape[1]} x {image.shape[0]}; they must have the same size"
            )
    if grid.wcs is None:
        raise InvalidParameterError(f"the grid has no WCS, so that {label} cannot be resampled onto it")
    x0, y0, width, height = _checked_box(box, grid)
    if width * height == 0:
        return
    imported()
    height_own, width_own = image.shape
    member = GridMember(label, (height_own, width_own), None, wcs)
    target = CelestialGrid(GridMember("the grid of the result", grid.shape, None, grid.wcs))
    noise: tuple[float, float] | None = None
    try:
        for block in row_bands(height, width, _BLOCK_PIXELS):
            block_box = (x0, y0 + block.start, width, block.stop - block.start)
            positions = PixelPositions(member, target, block_box)
            resampler = _Resampler(method, positions, wcs, grid.wcs)
            noise = noise or resampler.noise(_middle(member, target, (x0, y0, width, height)))
            share, noise_factor = noise
            # Where pixels of the grid are larger, a chunk takes more pixels of the exposure.
            most = int((_CHUNK_PIXELS if chunk_pixels is None else chunk_pixels) / max(positions.scale, 1.0) ** 2)
            for rows in row_bands(block_box[3], width, most):
                part = (x0, block_box[1] + rows.start, width, rows.stop - rows.start)
                planes = resampler.chunk(part, image, mask, bad_bits, variance, share, per_pixel)
                yield Resampled(part, *planes, noise_factor)
    except UnusableWcsError as error:
        reason = error.message or "it gives no positions on the sky"
        raise UnsuitableError([f"the WCS of {label} cannot be used: {reason}"]) from error


def _planes_of(resampled: Resampled) -> list[NDArray[Any]]:
    return [plane for plane in (resampled.image, resampled.mask, resampled.variance) if plane is not None]


def _checked_box(box: Box | None, grid: TargetGrid) -> Box:
    height, width = grid.shape
    if box is None:
        return 0, 0, width, height
    x0, y0, columns, rows = box
    if not (0 <= x0 <= x0 + columns <= width and 0 <= y0 <= y0 + rows <= height):
        raise LengthError(
            f"the box is {shown(tuple(box))} (x0, y0, width, height); it must be within the grid of {width} x {height} "
            "pixels"
        )
    return x0, y0, columns, rows


def _middle(member: GridMember, target: CelestialGrid, box: Box) -> tuple[int, int]:
    """Return the pixel of the grid at the middle of an exposure, or that of the box if it has none."""
    own = CelestialGrid(member)
    height, width = member.shape
    sky = target.in_own_frame(own.to_sky(np.array([[(width - 1) / 2, (height - 1) / 2]])), own)
    x, y = target.to_pixels(sky)[0].tolist()
    x0, y0, columns, rows = box
    if x0 <= x < x0 + columns and y0 <= y < y0 + rows:
        return math.floor(x), math.floor(y)
    return x0 + columns // 2, y0 + rows // 2


class _Resampler:
    """One method of resampling between two grids."""

    def __init__(self, method: str, positions: PixelPositions, own_wcs: Any, target_wcs: Any) -> None:
        self._method, self._positions = method, positions
        self._wcs = own_wcs, target_wcs
        self._margin = math.ceil(_REACH[method] * max(positions.scale, 1.0)) + 2

    def chunk(
        self,
        box: Box,
        image: NDArray[Any],
        mask: NDArray[np.int32] | None,
        bad_bits: int,
        variance: NDArray[Any] | None,
        share: float,
        per_pixel: bool,
    ) -> tuple[NDArray[np.float32], NDArray[np.int32] | None, NDArray[np.float32] | None]:
        """Return the image, the mask and the variance in a box of the grid."""
        x0, y0, width, height = box
        columns, rows = np.arange(x0, x0 + width, dtype=float), np.arange(y0, y0 + height, dtype=float)
        x, y = self._positions.at(columns, rows)
        inside = _inside(x, y, image.shape)
        values = np.full((height, width), np.nan)
        bits = None if mask is None else np.zeros((height, width), np.int32)
        errors = None if variance is None else np.full((height, width), np.nan)
        if inside.any():
            corner, own = self._cut(x[inside], y[inside], image.shape)
            near_y, near_x = (
                np.rint(places[inside]).astype(np.intp).clip(0, size - 1)
                for places, size in zip((y, x), image.shape, strict=True)
            )
            pixels = image[own].astype(float)
            if mask is not None:
                pixels[mask[own] & bad_bits != 0] = np.nan
            if self._method == "nearest":
                # The package tells which pixel is the nearest, so that all planes are of the same one.
                numbers = np.arange(pixels.size, dtype=float).reshape(1, *pixels.shape)
                number = self._resampled(numbers, corner, box, (x, y))[0]
                inside = np.isfinite(number)
                near_y, near_x = np.unravel_index(number[inside].astype(np.intp), pixels.shape)
                values[inside] = pixels[near_y, near_x]
                near_y, near_x = near_y + corner[1], near_x + corner[0]
            elif self._method == "interp" or variance is None:
                values = self._resampled(pixels[np.newaxis], corner, box, (x, y))[0]
            else:
                values, errors = self._resampled(np.stack([pixels, variance[own]]), corner, box, (x, y))
                errors *= share
            if bits is not None and mask is not None:
                bits[inside] = mask[near_y, near_x]
            if errors is not None and variance is not None:
                if self._method == "nearest":
                    errors[inside] = variance[near_y, near_x]
                elif self._method == "interp":
                    errors[inside] = _variance_between(variance, x[inside], y[inside])
                errors[np.isnan(values)] = np.nan
        if per_pixel:
            area = self._positions.area(columns, rows)
            values *= area
            if errors is not None:
                errors *= area**2
        return values.astype(np.float32), bits, None if errors is None else errors.astype(np.float32)

    def noise(self, middle: tuple[int, int]) -> tuple[float, float]:
        """Return the share of the variance that pixels keep, and the factor of noise, around a pixel of the grid.

        Single test pixels of the value 1 are resampled. A pixel of the exposure that has the weights w in pixels of the
        grid adds the sum of w^2 to the sum of their variances, and (sum of w)^2 to the variance of their sum.
        """
        ends = np.array([-0.5, 0.5])
        x, y = self._positions.exact(*np.meshgrid(middle[0] + ends, middle[1] + ends))
        slopes = np.array([[x[0, 1] - x[0, 0], x[1, 0] - x[0, 0]], [y[0, 1] - y[0, 0], y[1, 0] - y[0, 0]]])
        if not np.isfinite(slopes).all() or np.linalg.det(slopes) == 0:
            return 1.0, 1.0  # no position on the exposure, whose pixels are all NaN
        large, small = np.linalg.svd(slopes, compute_uv=False).tolist()
        area = abs(float(np.linalg.det(slopes)))
        if self._method in ("interp", "nearest") and small >= 2:
            return 1.0, 1.0  # no two pixels of the grid are made of the same pixels, and the share is not used
        reach = _REACH[self._method] * max(large, 1.0)
        distance = 2 * math.ceil(reach) + 3
        number = min(_DISTANCES, _LARGEST_RADIUS // distance, math.floor((_LARGEST_HALF * small - reach) / distance))
        if number < 0 or reach > _LARGEST_REACH:
            # Pixels of so different sizes are repeated, or are averages of many with a sum of the right variance.
            return min(1 / area, 1.0), max(1 / area, 1.0)
        radius = number * distance
        half_own = math.ceil(radius + 2 * reach) + 3
        half = math.ceil((radius + reach) / small) + 2
        own_x, own_y = (round(float(plane.mean())) for plane in (x, y))
        places = np.arange(-half_own, half_own + 1)
        far = np.hypot(places, places[:, np.newaxis]) > radius
        tests = np.where((places % distance == 0) & (places[:, np.newaxis] % distance == 0) & ~far, 1.0, 0.0)
        corner = own_x - half_own, own_y - half_own
        box = (middle[0] - half, middle[1] - half, 2 * half + 1, 2 * half + 1)
        around = _Resampler(self._method, self._positions.of_box(box), *self._wcs)
        weights = np.nan_to_num(around._resampled(tests[np.newaxis], corner, box)[0])
        y_found, x_found = np.nonzero(weights)
        weights = weights[y_found, x_found]
        columns, rows = np.unique(x_found), np.unique(y_found)
        x, y = around._positions.at(box[0] + columns.astype(float), box[1] + rows.astype(float))
        index = np.searchsorted(rows, y_found), np.searchsorted(columns, x_found)
        column, row = (
            np.rint((plane[index] - at) / distance).astype(np.intp).clip(-number, number) + number
            for plane, at in ((x, own_x), (y, own_y))
        )
        sums = np.bincount(row * (2 * number + 1) + column, weights)
        squares = float((weights**2).sum())
        if squares == 0:
            return min(1 / area, 1.0), max(1 / area, 1.0)
        return squares / np.count_nonzero(tests) * area, float((sums**2).sum()) / squares

    def _cut(self, x: Floats, y: Floats, shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[slice, slice]]:
        """Return the corner (x0, y0) and the slices of those pixels of an exposure from which pixels are made."""
        own = []
        for places, size in ((y, shape[0]), (x, shape[1])):
            start = max(math.floor(places.min()) - self._margin, 0)
            stop = min(math.ceil(places.max()) + self._margin + 1, size)
            own.append(slice(start, stop))
        return (own[1].start, own[0].start), (own[0], own[1])

    def _resampled(
        self, planes: Floats, corner: tuple[int, int], box: Box, known: tuple[Floats, Floats] | None = None
    ) -> Floats:
        """Resample planes of an exposure, the first pixel of which is at a corner, to a box of the grid.

        The positions of the pixels of the box may be known.
        """
        package = imported()
        if self._method == "exact":
            # Polygons on the sky need the WCS themselves. Bad pixels beside a box spoil the pixels at its edge, so that
            # one more is computed on each side.
            places = corner, (box[0] - 1, box[1] - 1)
            source, target = (_moved(wcs, place) for wcs, place in zip(self._wcs, places, strict=True))
            shape = box[3] + 2, box[2] + 2
            results = [package.reproject_exact((plane, source), target, shape) for plane in planes]
            return np.stack([np.where(part >= _LEAST_COVERED, found, np.nan)[1:-1, 1:-1] for found, part in results])
        own, target = PositionsWcs(None, corner), PositionsWcs(self._positions, (box[0], box[1]), known)
        if self._method == "adaptive":
            function, options = package.reproject_adaptive, {}
        else:
            order = "bilinear" if self._method == "interp" else "nearest-neighbor"
            function, options = package.reproject_interp, {"order": order}
        found, _ = function((planes, own), target, (box[3], box[2]), roundtrip_coords=False, **options)
        return np.asarray(found, float)


def _moved(wcs: Any, corner: tuple[int, int]) -> Any:
    """Return the WCS of a cut-out, whose first pixel is a corner."""
    from astropy.wcs import WCS

    if not isinstance(wcs, WCS):
        return CutOutWcs(wcs, corner)
    return shifted_wcs(wcs if wcs.naxis == 2 else wcs.celestial, -corner[0], -corner[1])


def _inside(x: Floats, y: Floats, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which positions lie on the pixels of an exposure."""
    with np.errstate(invalid="ignore"):
        found: NDArray[np.bool_] = (x >= -0.5) & (y >= -0.5) & (x <= shape[1] - 0.5) & (y <= shape[0] - 0.5)
    return found


def _variance_between(variance: NDArray[Any], x: Floats, y: Floats) -> Floats:
    """Return the variances of pixels that are interpolated linearly between four pixels, whose noise is independent."""
    sides = []
    for places, size in ((x, variance.shape[1]), (y, variance.shape[0])):
        # In the outer half of the pixels at the edge, their own values are continued.
        places = places.clip(0, size - 1)
        low = np.floor(places).astype(np.intp)
        part = places - low
        sides.append((low, np.minimum(low + 1, size - 1), (1 - part) ** 2, part**2))
    (left, right, left_weight, right_weight), (low, high, low_weight, high_weight) = sides
    below = left_weight * variance[low, left] + right_weight * variance[low, right]
    above = left_weight * variance[high, left] + right_weight * variance[high, right]
    found: Floats = low_weight * below + high_weight * above
    return found
