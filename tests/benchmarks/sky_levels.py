"""Levels of overlapping images on the sky, measured by resampling, without any code of evensky.

The first image of a pair is resampled to the pixels of the second by bilinear interpolation (`reproject_interp`).
Pixels that touch a bad one are lost, and sources are masked in both images.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

# Smallest overlap that counts, in pixels.
_OVERLAP_PIXELS = 200
# Blocks whose scatter gives the errors: the usual number along the mean side of an overlap, the limits of their size
# in pixels, and the share of their pixels that must be good.
_BLOCKS, _SMALLEST_BLOCK, _LARGEST_BLOCK, _BLOCK_SHARE = 12, 4, 32, 0.4
# Parts along each side of an overlap, and the share of its pixels that a part must hold.
PARTS, _PART_SHARE = 4, 0.1
# Half-width of the clipping window in standard deviations, and number of rounds.
_SIGMA, _ROUNDS = 3.0, 8
# Sources: threshold in standard deviations of the smoothed image, pixels by which they are grown, and the largest share
# of an image that they may cover.
_SOURCE_SIGMA, _SOURCE_GROW, _SOURCE_SHARE = 3.0, 4, 0.7
_FWHM = 2.3548


@dataclass
class SkyImage:
    """An image with its WCS.

    Attributes
    ----------
    label : str
    pixels : ndarray
        NaN for bad pixels.
    wcs : astropy.wcs.WCS
        Celestial.
    sources : ndarray of bool
        Pixels of sources.
    area : float
        Mean area of a pixel on the sky in square arcseconds.
    """

    label: str
    pixels: np.ndarray
    wcs: Any
    sources: np.ndarray = field(init=False)
    area: float = field(init=False)

    def __post_init__(self) -> None:
        self.sources = sources_of(self.pixels)
        self.area = mean_pixel_area(self.wcs, self.pixels.shape)


def read_image(path: Path) -> tuple[np.ndarray, Any]:
    """Return the first image of a FITS file in double precision, and its header."""
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        hdu = next(hdu for hdu in hdus if hdu.header.get("NAXIS") == 2 and hdu.data is not None)
        return np.asarray(hdu.data, np.float64), hdu.header


def read_sky_image(path: Path, quality: Path | None = None, weight: Path | None = None) -> SkyImage:
    """Read an image; pixels with a quality other than 0, or without a positive finite weight, become NaN."""
    from astropy.wcs import WCS

    pixels, header = read_image(path)
    if quality is not None:
        pixels[read_image(quality)[0] != 0] = np.nan
    if weight is not None:
        weights = read_image(weight)[0]
        pixels[~(np.isfinite(weights) & (weights > 0))] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cards of old surveys that are not standard
        wcs = WCS(header).celestial
    return SkyImage(path.name.removesuffix(".fits"), pixels, wcs)


def mean_pixel_area(wcs: Any, shape: Sequence[int], points: int = 9) -> float:
    """Return the mean area of a pixel in square arcseconds, from the corners of pixels on a grid of points."""
    y, x = (grid.ravel() for grid in np.meshgrid(*(np.linspace(0, size - 1, points) for size in shape), indexing="ij"))
    corners = []
    for dx, dy in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)):
        sky = wcs.pixel_to_world(x + dx, y + dy)
        lon, lat = sky.spherical.lon.rad, sky.spherical.lat.rad
        corners.append(np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1))
    # Half the cross product of the diagonals is the area of a flat quadrangle.
    areas = 0.5 * np.linalg.norm(np.cross(corners[2] - corners[0], corners[3] - corners[1]), axis=-1)
    return float(np.mean(areas)) * np.degrees(1.0) ** 2 * 3600.0**2


def _block_medians(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return the medians of blocks, which cover the image; NaN if a block has no good pixel."""
    rows, columns = (-(-length // size) for length in pixels.shape)
    padded = np.full((rows * size, columns * size), np.nan)
    padded[: pixels.shape[0], : pixels.shape[1]] = pixels
    blocks = padded.reshape(rows, size, columns, size).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(blocks, axis=-1))


def sources_of(pixels: np.ndarray, block: int = 48) -> np.ndarray:
    """Return the pixels of sources, which are those of a smoothed image above the medians of blocks.

    If they are too many, as in a nebula, there are none.
    """
    from scipy import ndimage

    good = np.isfinite(pixels)
    if not good.any():
        return np.zeros(pixels.shape, bool)
    medians = _block_medians(pixels, block)
    medians = np.where(np.isfinite(medians), medians, np.nanmedian(medians))
    at = [(np.arange(size) + 0.5) / block - 0.5 for size in pixels.shape]
    background = ndimage.map_coordinates(medians, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")
    width = 2.0 / _FWHM
    weight = ndimage.gaussian_filter(good.astype(float), width)
    smooth = ndimage.gaussian_filter(np.where(good, pixels - background, 0.0), width) / np.maximum(weight, 1e-3)
    spread = 1.4826 * np.median(np.abs(smooth[good] - np.median(smooth[good])))
    sources = good & (smooth > np.median(smooth[good]) + _SOURCE_SIGMA * spread)
    # Noise alone exceeds the threshold in single pixels.
    sources = ndimage.binary_opening(sources, np.ones((2, 2)))
    sources = ndimage.binary_dilation(sources, ndimage.generate_binary_structure(2, 1), _SOURCE_GROW)
    return sources if sources.sum() <= _SOURCE_SHARE * good.sum() else np.zeros(pixels.shape, bool)


@dataclass(frozen=True)
class Level:
    """Mean of a difference.

    Attributes
    ----------
    mean, error : float
        Clipped mean over all good pixels that belong to no source, and its error from the scatter of small blocks.
    median : float
        Median of all good pixels, with those of sources.
    parts, part_errors : ndarray of shape (PARTS, PARTS)
        The same means and errors for parts of the overlap; NaN for those that hold too few pixels.
    pixels : int
        Number of good pixels that belong to no source.
    """

    mean: float
    error: float
    median: float
    parts: np.ndarray
    part_errors: np.ndarray
    pixels: int

    @property
    def in_errors(self) -> float:
        """Size of the mean in units of its error; 0 if both are 0."""
        return abs(self.mean) / self.error if self.error > 0 else 0.0 if self.mean == 0 else np.inf

    @property
    def largest_part(self) -> float:
        """Largest size of the mean of a part."""
        return float(np.nanmax(np.abs(self.parts))) if np.isfinite(self.parts).any() else abs(self.mean)

    @property
    def parts_in_errors(self) -> float:
        """RMS of the means of parts in units of their errors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = self.parts / self.part_errors
        ratios = ratios[np.isfinite(ratios)]
        return float(np.sqrt(np.mean(ratios**2))) if ratios.size else 0.0


def clipped_mean(values: np.ndarray) -> float:
    """Return the mean of the values within three standard deviations of their median, by iteration."""
    center, half = np.median(values), np.inf
    for _ in range(_ROUNDS):
        kept = values[np.abs(values - center) <= half]
        if kept.size == 0:
            break
        center = np.median(kept) if half == np.inf else np.mean(kept)
        spread = 1.4826 * np.median(np.abs(kept - np.median(kept)))
        if spread == 0:
            # Most values are equal, e.g. because both images hold the same counts.
            return float(np.mean(kept))
        half = _SIGMA * spread
    kept = values[np.abs(values - center) <= half]
    return float(np.mean(kept)) if kept.size else float(center)


def _tiles(box: tuple[slice, slice], number: tuple[int, int]) -> Iterator[tuple[int, int, slice, slice]]:
    edges = [np.linspace(one.start, one.stop, count + 1).astype(int) for one, count in zip(box, number, strict=True)]
    for row in range(number[0]):
        for column in range(number[1]):
            yield row, column, slice(*edges[0][row : row + 2]), slice(*edges[1][column : column + 2])


def _means(values: np.ndarray, box: tuple[slice, slice], number: tuple[int, int], share: float) -> Any:
    """Return the clipped means of the parts of a box, and their numbers of good pixels; NaN for nearly empty parts."""
    means, counts = np.full(number, np.nan), np.zeros(number)
    for row, column, rows, columns in _tiles(box, number):
        part = values[rows, columns]
        good = part[np.isfinite(part)]
        if good.size >= max(8, share * part.size):
            means[row, column], counts[row, column] = clipped_mean(good), good.size
    return means, counts


def level_of(difference: np.ndarray, sources: np.ndarray) -> Level | None:
    """Return the level of a difference, or None if it has too few good pixels.

    Parameters
    ----------
    difference : ndarray
        NaN where one of the images has no good pixel.
    sources : ndarray of bool
    """
    values = np.where(sources, np.nan, difference)
    good = np.isfinite(values)
    if good.sum() < _OVERLAP_PIXELS:
        return None
    # Good pixels lie along a strip in most overlaps; blocks are laid over the box that holds them.
    rows, columns = (np.flatnonzero(good.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    side = float(np.clip(np.sqrt(good.sum()) / _BLOCKS, _SMALLEST_BLOCK, _LARGEST_BLOCK))
    number = tuple(max(2, round((one.stop - one.start) / side)) for one in box)
    means, counts = _means(values, box, (number[0], number[1]), _BLOCK_SHARE)
    noise = _noise_per_pixel(means, counts)
    parts, part_counts = _means(values, box, (PARTS, PARTS), _PART_SHARE)
    with np.errstate(divide="ignore"):
        errors = np.where(np.isfinite(parts), noise / np.sqrt(part_counts), np.nan)
    return Level(
        clipped_mean(values[good]),
        noise / np.sqrt(good.sum()),
        float(np.nanmedian(difference)),
        parts,
        errors,
        int(good.sum()),
    )


def _noise_per_pixel(means: np.ndarray, counts: np.ndarray) -> float:
    """Return the noise that the means of blocks have times the root of their pixels, from neighbours.

    Correlations of the noise within a block count, and structure on larger scales does not.
    """
    steps = []
    for one, other in (((slice(None), slice(1, None)), (slice(None), slice(-1))), ((slice(1, None),), (slice(-1),))):
        with np.errstate(divide="ignore"):
            steps.append((means[one] - means[other]) / np.sqrt(1 / counts[one] + 1 / counts[other]))
    found = np.concatenate([step[np.isfinite(step)] for step in steps])
    return float(1.4826 * np.median(np.abs(found))) if found.size else np.nan


def mapped(stack: np.ndarray, first: SkyImage, second: SkyImage) -> np.ndarray:
    """Resample images in the pixels of `first` to those of `second`; NaN where a pixel is not good."""
    from reproject import reproject_interp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(
            reproject_interp(
                (stack, first.wcs),
                second.wcs,
                shape_out=(*stack.shape[:-2], *second.pixels.shape),
                return_footprint=False,
            )
        )


def differences(
    first: SkyImage, second: SkyImage, versions: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[list[np.ndarray], np.ndarray] | None:
    """Return differences first - second in the pixels of the second, and the pixels of sources; None without overlap.

    Parameters
    ----------
    first, second : SkyImage
    versions : sequence of (ndarray, ndarray)
        Pixels of both images, e.g. before and after a match; only those that are good in the images are used.
    """
    from astropy.wcs import NoConvergence

    try:
        x, y = second.wcs.world_to_pixel(first.wcs.pixel_to_world(*_outline(first.pixels.shape)))
    except NoConvergence:  # far from its pixels, a distorted WCS need not have an inverse
        return None
    height, width = second.pixels.shape
    if not (np.nanmin(x) < width and np.nanmax(x) > 0 and np.nanmin(y) < height and np.nanmax(y) > 0):
        return None
    good = np.isfinite(first.pixels)
    planes = [np.where(good, one, np.nan) for one, _ in versions]
    *resampled, sources = mapped(np.stack([*planes, first.sources.astype(float)]), first, second)
    bad = ~np.isfinite(second.pixels)
    found = [np.where(bad, np.nan, one - other) for one, (_, other) in zip(resampled, versions, strict=True)]
    return found, second.sources | ~(sources < 1e-6)


def _outline(shape: Sequence[int], points: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Return positions along the edge of an image."""
    height, width = shape
    along, ends = np.linspace(0, 1, points), np.ones(points)
    x = np.concatenate([along, along, 0 * ends, ends]) * (width - 1)
    y = np.concatenate([0 * ends, ends, along, along]) * (height - 1)
    return x, y
