"""Differences of exposures with different pixels, compared: nearest pixels against interpolated ones.

Usage: python tests/benchmarks/nearest_pixels.py [--case NAME ...] [--seeds 3] [--number 4] [--side PIXELS] [--solve]

The pixels of two exposures are brought together in two ways: both on a common plane of the sky, as `match_all` does it,
or those of the second on the pixel grid of the first. The value is that of the nearest pixel, or it is interpolated:
bilinearly, or with a Lanczos kernel of order 3. Sources are masked in each exposure's own pixels, or they are not; a
value is good if all pixels that contribute to it are good. All differences are measured in the same bins, by the same
clipped means. The table gives over all pairs and seeds

- the bias: mean of measured - true differences over the bins, RMS over the pairs, and the RMS over the bins
- chi: the RMS over the bins in units of the standard errors that were measured, without account of correlated pixels
- the correlation: variance of the means of small cells, in units of that of independent pixels
- the loss of closure: RMS over bins of (1 - 2) + (2 - 3) - (1 - 3), where all three are measured in the same bins
- good pixels, as a share of those of nearest pixels without masks
- processor time per exposure (bringing its pixels to the plane or to another exposure) on one thread

With `--solve`, a second table gives the residual on the sky after `match_all` with each way to fill the common plane.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import evensky
from evensky import _core
from evensky.matching.celestial import GridMember
from evensky.matching.joint.detections import find_sources
from evensky.matching.joint.differences import PairBins, measure_pair
from evensky.matching.joint.grid import CommonGrid
from evensky.matching.joint.pixel_map import PixelMap
from evensky.matching.joint.pixels import Pixels
from evensky.matching.sky_plane import place_on_sky

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
import dithered_scenes
from dithered_scenes import DitheredScene

# Takes an image and the positions of the wanted values in it: columns and rows.
Sampler = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

# Rows that are interpolated at a time.
_ROWS = 128


def nearest(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the value of the nearest pixel."""
    return _gather(image, np.floor(x + 0.5).astype(int), np.floor(y + 0.5).astype(int))


def bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolate between the four nearest pixels."""
    return _kernel(image, x, y, 1, lambda distance: 1 - np.abs(distance))


def lanczos3(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolate between 6 x 6 pixels with a Lanczos kernel whose sum is 1."""
    return _kernel(image, x, y, 3, lambda distance: np.sinc(distance) * np.sinc(distance / 3))


SAMPLERS: dict[str, Sampler] = {"nearest": nearest, "bilinear": bilinear, "Lanczos-3": lanczos3}


def _gather(image: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    height, width = image.shape
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    found = image[np.where(inside, rows, 0), np.where(inside, columns, 0)]
    return np.where(inside, found, np.array(np.nan, image.dtype))


def _kernel(
    image: np.ndarray, x: np.ndarray, y: np.ndarray, reach: int, weight: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    result = np.zeros(x.shape, image.dtype)
    offsets = range(1 - reach, reach + 1)
    for start in range(0, len(x), _ROWS):
        some = slice(start, start + _ROWS)
        column, row = np.floor(x[some]).astype(int), np.floor(y[some]).astype(int)
        along_x, along_y = (
            np.stack([weight(part[some] - whole - k) for k in offsets]) for part, whole in ((x, column), (y, row))
        )
        along_x, along_y = along_x / along_x.sum(axis=0), along_y / along_y.sum(axis=0)
        for k, up in zip(offsets, along_y, strict=True):
            for m, right in zip(offsets, along_x, strict=True):
                result[some] += _gather(image, column + m, row + k) * (up * right)
    return result


@dataclass
class Exposure:
    """An exposure: pixels without the bad ones, true sky, both per area of the plane's pixels, and its map."""

    pixels: np.ndarray
    sky: np.ndarray
    map: PixelMap

    def on_plane(self, image: np.ndarray, sampler: Sampler) -> Pixels:
        left, bottom, width, height = self.map.footprint
        x, y = self.map.to_own(*np.meshgrid(np.arange(left, left + width), np.arange(bottom, bottom + height)))
        return Pixels(sampler(image, x, y), None, 0, self.map.footprint, sampled=True)

    def own(self, image: np.ndarray) -> Pixels:
        height, width = image.shape
        return Pixels(image, None, 0, (0, 0, width, height), sampled=True)

    def at_pixels_of(self, other: Exposure, image: np.ndarray, sampler: Sampler) -> Pixels:
        height, width = other.pixels.shape
        x, y = self.map.to_own(*other.map.to_common(*np.meshgrid(np.arange(width), np.arange(height))))
        return Pixels(sampler(image, x, y), None, 0, (0, 0, width, height), sampled=True)


def exposures_of(scene: DitheredScene, masked: bool) -> list[Exposure]:
    """Return the exposures of a scene on a common plane, with or without their sources."""
    members = [GridMember(one.name, one.sky.shape, (0, 0), one.wcs) for one in scene.simulated]
    found = []
    for one, its_map in zip(scene.simulated, place_on_sky(members).maps, strict=True):
        assert its_map is not None
        pixels = one.exposure.image.array / np.float32(one.area)
        if masked:
            pixels[find_sources(pixels).mask] = np.nan
        found.append(Exposure(pixels, one.sky / np.float32(one.area), its_map))
    return found


@dataclass
class Row:
    """Figures of one way, collected over pairs and seeds."""

    bias: list[float] = field(default_factory=list)
    squares: list[np.ndarray] = field(default_factory=list)
    chi: list[np.ndarray] = field(default_factory=list)
    correlation: list[float] = field(default_factory=list)
    closure: list[np.ndarray] = field(default_factory=list)
    good: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def add(self, first: tuple[int, Pixels, Pixels], second: tuple[int, Pixels, Pixels]) -> PairBins | None:
        """Measure a pair, given the number, pixels and true sky of each exposure; return what was measured."""
        grid, options = CommonGrid(64), _core.PairOptions()
        options.gridStatistic = _core.Property.MEANCLIP
        pair = measure_pair((first[0], first[1]), (second[0], second[1]), grid, options, 1)
        if pair is None:
            return None
        self.good += float(pair.counts.sum())
        options.gridStatistic = _core.Property.MEAN
        one, other = ((number, _where(sky, pixels)) for number, pixels, sky in (first, second))
        true = measure_pair(one, other, grid, options, 1)
        assert true is not None
        _, at, of_true = np.intersect1d(pair.bins, true.bins, return_indices=True)
        wrong = pair.values[at] - true.values[of_true]
        # Small bins at the edges say little.
        full = pair.counts[at] > 0.25 * grid.bin_size**2
        self.bias.append(float(np.average(wrong, weights=pair.counts[at])))
        self.squares.append(wrong[full] ** 2)
        self.chi.append((wrong[full] / pair.errors[at][full]) ** 2)
        if pair.correlation is not None:
            self.correlation.append(pair.correlation)
        return pair

    def close(self, one: PairBins | None, other: PairBins | None, across: PairBins | None) -> None:
        """Add how far three differences 1 - 2, 2 - 3 and 1 - 3 are from closing."""
        if one is None or other is None or across is None:
            return
        bins = np.intersect1d(np.intersect1d(one.bins, other.bins), across.bins)
        values = [pair.values[np.searchsorted(pair.bins, bins)] for pair in (one, other, across)]
        counts = [pair.counts[np.searchsorted(pair.bins, bins)] for pair in (one, other, across)]
        full = np.min(counts, axis=0) > 0.25 * 64**2
        self.closure.append((values[0] + values[1] - values[2])[full] ** 2)

    def cells(self, most_good: float) -> list[str]:
        closure = np.concatenate(self.closure) if self.closure else np.zeros(0)
        return [
            f"{np.sqrt(np.mean(np.square(self.bias))):.4f}",
            f"{np.sqrt(np.mean(np.concatenate(self.squares))):.3f}",
            f"{np.sqrt(np.mean(np.concatenate(self.chi))):.2f}",
            f"{np.mean(self.correlation):.2f}" if self.correlation else "–",
            f"{np.sqrt(np.mean(closure)):.3f}" if closure.size else "–",
            f"{self.good / most_good:.2f}",
            f"{np.median(self.seconds):.3f}",
        ]


def _where(sky: Pixels, pixels: Pixels) -> Pixels:
    """Return the true sky where the pixels are good."""
    return Pixels(np.where(np.isfinite(pixels.image), sky.image, np.float32(np.nan)), None, 0, sky.box)


def compare(case: str, seeds: int, number: int, given: dict[str, Any]) -> list[str]:
    """Return the rows of the table for a case."""
    rows: dict[tuple[str, str, str], Row] = {}
    for seed, masked in itertools.product(range(1, seeds + 1), (False, True)):
        exposures = exposures_of(dithered_scenes.CASES[case](seed, number=number, **given), masked)
        for name, sampler in SAMPLERS.items():
            key = "masked" if masked else "not masked"
            _on_plane(rows.setdefault(("common plane", name, key), Row()), exposures, sampler)
            _walked(rows.setdefault(("first's pixels", name, key), Row()), exposures, sampler)
    return [
        f"| {case} | {where} | {name} | {key} | "
        + " | ".join(row.cells(rows[where, "nearest", "not masked"].good))
        + " |"
        for (where, name, key), row in sorted(rows.items(), key=lambda item: (item[0][2] == "masked", item[0][0]))
    ]


def _on_plane(row: Row, exposures: list[Exposure], sampler: Sampler) -> None:
    sampled = []
    for index, one in enumerate(exposures):
        begin = time.process_time()
        if sampler is nearest:
            pixels = Pixels(one.map.sample(one.pixels, num_threads=1), None, 0, one.map.footprint, sampled=True)
        else:
            pixels = one.on_plane(one.pixels, sampler)
        row.seconds.append(time.process_time() - begin)
        sampled.append((index, pixels, one.on_plane(one.sky, sampler)))
    pairs = {(i, j): row.add(sampled[i], sampled[j]) for i, j in itertools.combinations(range(len(sampled)), 2)}
    for i, j, k in itertools.combinations(range(len(sampled)), 3):
        row.close(pairs[i, j], pairs[j, k], pairs[i, k])


def _walked(row: Row, exposures: list[Exposure], sampler: Sampler) -> None:
    for i, j in itertools.combinations(range(len(exposures)), 2):
        first, second = exposures[i], exposures[j]
        begin = time.process_time()
        there = second.at_pixels_of(first, second.pixels, sampler)
        row.seconds.append(time.process_time() - begin)
        row.add(
            (i, first.own(first.pixels), first.own(first.sky)),
            (j, there, second.at_pixels_of(first, second.sky, sampler)),
        )


@contextmanager
def _sampled_with(sampler: Sampler) -> Iterator[None]:
    """Let a match fill the common plane with a sampler."""
    known = PixelMap.sample

    def sample(self: PixelMap, pixels: Any, mask: Any = None, bad: int = 0, **options: Any) -> Any:
        image = np.array(pixels)
        if mask is not None:
            image[(mask & bad) != 0] = np.nan
        left, bottom, width, height = self.footprint
        x, y = self.to_own(*np.meshgrid(np.arange(left, left + width), np.arange(bottom, bottom + height)))
        found = sampler(image, x - self.origin[0], y - self.origin[1]) * image.dtype.type(self.scale)
        if options.get("out") is None:
            return found
        options["out"][...] = found
        return options["out"]

    if sampler is not nearest:
        setattr(PixelMap, "sample", sample)  # noqa: B010
    try:
        yield
    finally:
        setattr(PixelMap, "sample", known)  # noqa: B010


def solve(case: str, seeds: int, given: dict[str, Any]) -> list[str]:
    """Return the rows of the second table for a case."""
    lines = []
    for name, sampler in SAMPLERS.items():
        for sources in ("keep", "mask"):
            left, sigma, seconds = [], [], []
            for seed in range(1, seeds + 1):
                scene = dithered_scenes.CASES[case](seed, **given)
                with _sampled_with(sampler):
                    begin = time.process_time()
                    result = evensky.match_all(scene.exposures, sources=sources, pictures=False)
                    seconds.append(time.process_time() - begin)
                left.append(scene.left(result))
                sigma += [one.model_sigma for one in result.run.records if one.model_sigma is not None]
            cells = f"{np.sqrt(np.mean(np.square(left))):.4f} | {np.sqrt(np.mean(np.square(sigma))):.4f}"
            lines.append(f"| {case} | {name} | {sources} | {cells} | {np.median(seconds):.1f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=list(dithered_scenes.CASES), default=["offsets", "seeing"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--number", type=int, default=4, help="number of exposures whose pairs are compared")
    parser.add_argument("--side", type=int, help="side of an exposure in pixels; by default that of each case")
    parser.add_argument("--solve", action="store_true", help="match the exposures of the cases, too")
    options = parser.parse_args()
    given = {} if options.side is None else {"side": options.side}
    print("| case | pixels on | value | sources | bias | RMS of bins | chi | correlation | closure | good | seconds |")
    print("| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for case in options.case:
        print("\n".join(compare(case, options.seeds, options.number, given)), flush=True)
    if options.solve:
        print("\n| case | value | sources | left | errors of models | seconds |")
        print("| --- | --- | --- | ---: | ---: | ---: |")
        for case in options.case:
            print("\n".join(solve(case, options.seeds, given)), flush=True)


if __name__ == "__main__":
    main()
