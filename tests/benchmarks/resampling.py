"""Mosaics of resampled exposures, compared with those of reproject: pixels, time and memory.

Usage: python tests/benchmarks/resampling.py [FILES ...] [--method NAME ...] [--wcs FILE] [--size 1024] [--number 4]

Exposures are resampled onto a common grid and averaged: by evensky, with a mask and a variance, and by
`reproject.mosaicking.reproject_and_coadd` without them. Without files, exposures are made that are turned and shifted.
Files without a WCS get one that is turned by a degree and shifted by a few pixels from one file to the next. The table
gives for each method

- processor time of each in seconds, and the ratio
- the number of pixels that one of the two alone has
- the largest relative difference of the others; for the method exact, of those that each exposure covers wholly, as
  reproject weights pixels at the edges of exposures by the part that is covered
- the peak of the memory that each takes beyond its inputs and its result, in bytes for each pixel of an exposure
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import reproject
from astropy.wcs import WCS
from reproject.mosaicking import reproject_and_coadd

from evensky.combining.resampling import METHODS, resample_chunks
from evensky.combining.target_grid import TargetGrid, find_target_grid
from evensky.io.formats import describe, read_image
from evensky.matching.celestial import GridMember

# Pixels around those that an exposure covers partly.
_EDGE = 2


def tangent(shape: tuple[int, int], number: int) -> WCS:
    """Return the WCS of one of several exposures that are turned and shifted."""
    height, width = shape
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.crval = 250.42, 36.46
    wcs.wcs.crpix = width / 2 + 3.3 * number, height / 2 - 2.7 * number
    cosine, sine = np.cos(np.radians(number)), np.sin(np.radians(number))
    wcs.wcs.cd = np.array([[-cosine, sine], [sine, cosine]]) / 3600
    return wcs


def exposures_of(files: Sequence[Path], number: int, size: int) -> list[tuple[np.ndarray, Any]]:
    """Return the pixels and the WCS of all exposures."""
    if not files:
        rng = np.random.default_rng(23)
        pixels = rng.normal(100.0, 3.0, (number, size, size)).astype(np.float32)
        return [(image, tangent(image.shape, n)) for n, image in enumerate(pixels)]
    exposures = []
    for path in files:
        described = describe(path)
        for image, wcs in zip(described.images, described.wcs, strict=True):
            pixels = np.array(read_image(image).image.array, np.float32)
            exposures.append((pixels, tangent(pixels.shape, len(exposures)) if wcs is None else wcs))
    return exposures


def mean_of(exposures: Sequence[tuple[np.ndarray, Any]], grid: TargetGrid, method: str) -> np.ndarray:
    """Resample exposures with a mask and a variance, and return their mean."""
    total, number = np.zeros(grid.shape), np.zeros(grid.shape)
    for (pixels, wcs), box in zip(exposures, grid.boxes, strict=True):
        mask, variance = np.zeros(pixels.shape, np.int32), np.ones_like(pixels)
        for part in resample_chunks(pixels, mask, 1, variance, wcs, grid, method=method, box=box):
            x0, y0, width, height = part.box
            place = slice(y0, y0 + height), slice(x0, x0 + width)
            good = np.isfinite(part.image)
            total[place] += np.where(good, part.image, 0)
            number[place] += good
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def mean_of_reproject(exposures: Sequence[tuple[np.ndarray, Any]], grid: TargetGrid, method: str) -> np.ndarray:
    """Return the mean that reproject makes of exposures."""
    function = {"adaptive": reproject.reproject_adaptive, "exact": reproject.reproject_exact}.get(
        method, reproject.reproject_interp
    )
    order = {"interp": {"order": "bilinear"}, "nearest": {"order": "nearest-neighbor"}}.get(method, {})
    found, covered = reproject_and_coadd(
        exposures, grid.wcs, shape_out=grid.shape, reproject_function=function, combine_function="mean", **order
    )
    return np.where(covered > 0, found, np.nan)


def measured(function: Callable[..., np.ndarray], *arguments: Any) -> tuple[np.ndarray, float, int]:
    """Return the result of a function, its processor time in seconds, and the peak of its memory in bytes."""
    tracemalloc.start()  # large arrays are few, so that it takes no time
    start = time.process_time()
    result = function(*arguments)
    seconds = time.process_time() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return result, seconds, peak


def whole(exposures: Sequence[tuple[np.ndarray, Any]], grid: TargetGrid) -> np.ndarray:
    """Return the pixels of the grid that no exposure covers partly, and that touch no bad pixels."""
    sound = np.ones(grid.shape, bool)
    for pixels, wcs in exposures:
        covered = np.isfinite(reproject.reproject_interp((pixels, wcs), grid.wcs, grid.shape)[0])
        edges = np.zeros_like(covered)
        for shift in range(-_EDGE, _EDGE + 1):
            for axis in (0, 1):
                edges |= np.roll(covered, shift, axis) != covered
        sound &= ~edges
    return sound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--method", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--wcs", help="file of the grid; by default, one around all exposures")
    parser.add_argument("--size", type=int, default=1024, help="height and width of exposures that are made")
    parser.add_argument("--number", type=int, default=4, help="number of exposures that are made")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    exposures = exposures_of(options.files, options.number, options.size)
    members = [GridMember(f"{n}", pixels.shape, None, wcs) for n, (pixels, wcs) in enumerate(exposures)]
    grid = find_target_grid(members, wcs=options.wcs)
    largest = max(pixels.size for pixels, _ in exposures)
    print(f"{len(exposures)} exposures, grid of {grid.shape[1]} x {grid.shape[0]} pixels")
    print("method    evensky  reproject  ratio  one alone  difference  bytes a pixel")
    for method in options.method:
        ours, seconds, peak = measured(mean_of, exposures, grid, method)
        theirs, their_seconds, their_peak = measured(mean_of_reproject, exposures, grid, method)
        result = 4 * ours.nbytes  # sums, numbers and the mean
        both = np.isfinite(ours) & np.isfinite(theirs)
        alone = np.count_nonzero(np.isfinite(ours) != np.isfinite(theirs))
        if method == "exact":
            both &= whole(exposures, grid)
        apart = np.abs(ours - theirs)[both] / np.abs(theirs[both])
        print(
            f"{method:8} {seconds:7.2f} s {their_seconds:7.2f} s {their_seconds / seconds:6.1f} {alone:10} "
            f"{apart.max():11.2g} {max(peak - result, 0) / largest:6.0f} {max(their_peak - result, 0) / largest:6.0f}"
        )


if __name__ == "__main__":
    main()
