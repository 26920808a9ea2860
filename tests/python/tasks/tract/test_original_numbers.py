"""The numbers of ``asOriginal`` on random tracts, against a second, slow implementation of the original."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tract_warps import cut, sky_map

from evensky.errors import OutOfRangeError
from evensky.image import ExposureF
from evensky.math import (
    MEANCLIP,
    VARIANCECLIP,
    Interpolate,
    lookupMaxInterpStyle,
    makeInterpolate,
    makeStatistics,
    stringToInterpStyle,
)
from evensky.tasks.tract import TractBackground, TractBackgroundConfig


class Slow:
    """Bins of a tract, one by one."""

    def __init__(self, config: TractBackgroundConfig, width: int, height: int) -> None:
        self.config = config
        self.nx, self.ny = int(width / config.xBin), int(height / config.yBin)
        self.values, self.numbers, self.variances = np.zeros((3, self.ny, self.nx), np.float32)

    def add(self, warp: ExposureF) -> None:
        config, (x0, y0) = self.config, warp.getXY0()
        height, width = warp.image.array.shape
        bits = warp.mask.getPlaneBitMask(list(config.mask))
        for j in range(self.ny):
            for i in range(self.nx):
                left = max(math.floor((i - 0.5) * config.xBin + 0.5) - x0, 0)
                right = min(math.floor((i + 0.5) * config.xBin + config.xBin - 0.5) - x0, width - 1)
                lower = max(math.floor((j - 0.5) * config.yBin + 0.5) - y0, 0)
                upper = min(math.floor((j + 0.5) * config.yBin + config.yBin - 0.5) - y0, height - 1)
                if left > right or lower > upper:
                    continue
                box = slice(lower, upper + 1), slice(left, right + 1)
                pixels = warp.image.array[box]
                pixels = pixels[np.isfinite(pixels) & ((warp.mask.array[box] & bits) == 0)]
                if not pixels.size:
                    continue
                statistics = makeStatistics(pixels, MEANCLIP | VARIANCECLIP)
                self.values[j, i] += np.float32(statistics.getValue(MEANCLIP) * pixels.size)
                self.numbers[j, i] += np.float32(pixels.size)
                self.variances[j, i] += np.float32(statistics.getValue(VARIANCECLIP) * pixels.size)

    def stats(self) -> np.ndarray:
        config = self.config
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.values / self.numbers
            bad = self.numbers < np.float32(config.minFrac * config.xBin * config.yBin)
            if config.doSmooth:
                pair = np.where(bad, np.float32(0), means), np.where(bad, 0.0, 1.0)
                top, bottom = (gaussian_filter(one, config.smoothScale, mode="constant") for one in pair)
                means = (top / bottom).astype(np.float32)
                bad = np.isnan(means)
        if bad.all():
            raise RuntimeError("no good bin")
        if bad.any():
            for row, gaps in zip(means, bad, strict=True):
                self.fill(row, gaps)
            for column in means.T:
                self.fill(column, np.isnan(column))
        return means

    def fill(self, line: np.ndarray, gaps: np.ndarray) -> None:
        if not gaps.any() or gaps.all():
            return
        style, index = stringToInterpStyle(self.config.interpolation), np.arange(line.size, dtype=float)
        x, y, at = index[~gaps], line[~gaps].astype(float), index[gaps]
        try:
            line[gaps] = makeInterpolate(x, y, style).interpolate(at)
        except OutOfRangeError:
            simpler = lookupMaxInterpStyle(x.size)
            simpler = Interpolate.CONSTANT if simpler == style else simpler
            line[gaps] = makeInterpolate(x, y, simpler).interpolate(at)

    def cells(self, warp: ExposureF, patch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the cells of a warp's background, and which of them lie outside."""
        config, (x0, y0), bins = self.config, warp.getXY0(), self.stats()
        height, width = warp.image.array.shape
        overlap = (width - patch) // 2 if x0 % patch else 0
        cells = np.full((height // config.binning, width // config.binning), np.nan, np.float32)
        for j, i in np.ndindex(cells.shape):
            x = config.binning * i * (1 / config.xBin) + ((x0 + overlap) * (1 / config.xBin) - 0.5)
            y = config.binning * j * (1 / config.yBin) + ((y0 + overlap) * (1 / config.yBin) - 0.5)
            column, row = math.floor(x), math.floor(y)
            if 0 <= column <= self.nx - 2 and 0 <= row <= self.ny - 2:
                along_x, along_y = (1 - x + column, x - column), (1 - y + row, y - row)
                cells[j, i] = sum(
                    along_y[above] * along_x[after] * float(bins[row + above, column + after])
                    for above in (0, 1)
                    for after in (0, 1)
                    if along_y[above] != 0 and along_x[after] != 0  # so that NaN times 0 does not count
                )
        outside = np.isnan(cells)
        if not outside.all():
            cells[outside] = cells[~outside].mean()
        return cells, outside


@pytest.mark.parametrize("seed", range(40))
def test_a_random_tract(seed: int) -> None:
    rng = np.random.default_rng(seed)
    patch, number = int(rng.choice([24, 30, 40])), (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    skies = sky_map((patch, patch), number, int(rng.choice([0, 3, 8])))
    width, height = skies[0].getBBox().getDimensions()
    config = TractBackgroundConfig()
    values: dict[str, Any] = {
        "xBin": float(rng.choice([8, 10, 12.5, 13.3, 17.77])),
        "yBin": float(rng.choice([8, 9.1, 12.5, 20])),
        "minFrac": float(rng.choice([0, 0.1, 1, 2, 3.5])),
        "doSmooth": bool(rng.random() < 0.25),
        "smoothScale": float(rng.choice([0.5, 1, 2])),
        "interpolation": str(rng.choice(["CONSTANT", "LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE"])),
        "binning": int(rng.choice([5, 7, 8, 10])),
        "mask": [["BAD", "SAT", "EDGE", "NO_DATA"], ["DETECTED"]][int(rng.integers(2))],
    }
    config.update(asOriginal=True, **values)
    y, x = np.indices((height, width))
    image = (rng.normal(0, 2, x.shape) + 0.2 * x - 0.1 * y).astype(np.float32)
    image[rng.random(x.shape) < 0.02] = np.nan
    mask = np.where(rng.random(x.shape) < 0.1, 1 << int(rng.integers(0, 9)), 0).astype(np.int32)
    mask[:, int(rng.integers(0, width)) :] |= int(rng.integers(0, 2))
    one, other = TractBackground(config, skies, 0), Slow(config, width, height)
    warps = [cut(skies, p, image, mask, np.ones_like(image)) for p in range(len(skies[0])) if rng.random() < 0.8]
    for warp in warps:
        one.addWarp(warp)
        other.add(warp)
    np.testing.assert_array_equal(one.numbers.array, other.numbers)
    np.testing.assert_array_equal(one.values.array, other.values)
    np.testing.assert_array_equal(one.variances.array, other.variances)
    try:
        bins = other.stats()
    except RuntimeError:
        with pytest.raises(RuntimeError):
            one.getStatsImage()
        return
    np.testing.assert_allclose(one.getStatsImage().array, bins, rtol=1e-6, atol=1e-5)
    for warp in warps:
        cells, outside = other.cells(warp, patch)
        if np.isnan(cells).all():
            continue
        got = one.toWarpBackground(warp)[0][0]
        near = 2e-6 * np.nanmax(np.abs(cells))
        np.testing.assert_allclose(got.getStatsImage().image.array, cells, atol=near)
        np.testing.assert_array_equal(got.getStatsImage().mask.array != 0, outside)
