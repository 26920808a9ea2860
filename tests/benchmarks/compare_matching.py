"""Comparison of the matches of evensky and of its peers, in turns in one process.

Usage: python tests/benchmarks/compare_matching.py [--case NAME ...] [--method NAME ...] [--seeds 3] [--picture FILE]
           [--real FILE [FILE ...]] [--real-picture FILE] [--tiles FILE [FILE ...] --grid HEADER]

Simulated exposures are those of `tests/python/hard_scenes.py` and a few cases of this file in which evensky is at a
disadvantage. Their residual differences are measured against the truth by `hard_scenes.counts_left`: the RMS over all
pixels of sky + model about its mean over the exposures. Where exposures differ in throughput, the part of it that the
zero point of the scene leaves undetermined does not count. The preserved share of the diffuse light is measured in the
mean of the models. Times are processor seconds, summed over threads, as other processes do not change them much.

For real exposures there is no truth. The agreement of FITS images on one grid (`--real`) is measured by the spread of
their levels, and by the scatter of the differences of all pairs in bins of 256 px, in units of the errors of the bins.
FITS tiles that overlap in part (`--tiles`) are resampled onto the grid of a FITS header in a text file; their
agreement is measured in each overlap, by the median of the difference and by the scatter of its bins of 32 px.

Peers: pip install reproject stcal sep MontagePy.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matching_peers
import numpy as np

import evensky
from evensky.image import ExposureF
from evensky.simulate import _diffuse

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
import hard_scenes
from hard_scenes import GLOW, HardScene

Method = Callable[[HardScene], list[np.ndarray]]


# -- cases in which evensky is at a disadvantage --


def few_pixels(seed: int, number: int = 4, side: int = 64) -> HardScene:
    """Make four exposures of 64 x 64 pixels that differ in level."""
    return hard_scenes.levels(seed, number, side)


def waves(seed: int, number: int = 10, side: int = 1024, period: float = 200.0, height: float = 5.0) -> HardScene:
    """Make exposures whose skies have waves of a period of 200 px, about three bins."""
    rng = np.random.default_rng(seed)
    x, y = np.arange(side)[None, :], np.arange(side)[:, None]
    skies = []
    for _ in range(number):
        angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        along = np.cos(angle) * x + np.sin(angle) * y
        skies.append(650.0 + rng.uniform(-50, 50) + height * np.sin(2 * np.pi * along / period + phase))
    scene = hard_scenes._field((side, side), rng)
    exposures = [hard_scenes._expose(scene, sky, rng) for sky in skies]
    return HardScene("waves", exposures, skies, scene)


def transparency_gradient(seed: int, number: int = 10, side: int = 1024, spread: float = 0.03) -> HardScene:
    """Make exposures of a nebula of 600 counts that differ in level, and in throughput by a gradient of 3 %."""
    rng = np.random.default_rng(seed)
    u, v = hard_scenes._axes((side, side))
    scene = hard_scenes._field((side, side), rng, 600.0)
    skies = hard_scenes._smooth_skies(number, (side, side), rng, 0)
    exposures = []
    for sky in skies:
        slope_x, slope_y = rng.normal(0, spread / 2, 2)
        exposures.append(hard_scenes._expose((1 + slope_x * u[None, :] + slope_y * v[:, None]) * scene, sky, rng))
    return HardScene("transparency_gradient", exposures, skies, scene, terms=["smooth", "gain"])


@dataclass(frozen=True)
class Case:
    """One case of the comparison.

    Attributes
    ----------
    make : callable
        Takes a seed, returns the exposures with their truth.
    title : str
        Name in tables.
    glow : float
        Peak of the diffuse light; 0 if there is none.
    repeats : int
        Number of seeds for each that is asked for, so that small cases have enough pixels.
    """

    make: Callable[[int], HardScene]
    title: str
    glow: float = GLOW
    repeats: int = 1


CASES = {
    "levels": Case(hard_scenes.levels, "levels"),
    "curves": Case(hard_scenes.curves, "gradients and curvature"),
    "five_halves": Case(hard_scenes.five_halves, "the same, five exposures cover half"),
    "throughput": Case(hard_scenes.throughput, "planes, throughput of 3 %"),
    "amplifiers": Case(hard_scenes.amplifiers, "the same, amplifiers of 2 counts"),
    "template": Case(hard_scenes.template, "planes, known pattern of 0 to 24 counts"),
    "chips": Case(hard_scenes.chips, "planes, levels of 2 x 4 chips"),
    "nebula": Case(hard_scenes.nebula, "levels, nebula of 600 counts, 1 to 5 % absorbed", 600.0),
    "chain": Case(hard_scenes.chain, "planes, chain of 4 exposures"),
    "mosaic": Case(hard_scenes.mosaic, "planes, mosaic of 4 x 4 exposures"),
    "different_seeing": Case(hard_scenes.different_seeing, "levels, seeing of 3 to 6 px"),
    "integers": Case(hard_scenes.integers, "levels, whole counts, noise of 0.3", 0.0),
}
# In these, another method is better.
LOST = {
    "few_pixels": Case(few_pixels, "levels, 4 exposures of 64 x 64 px", 0.0, 20),
    "waves": Case(waves, "waves with a period of 200 px"),
    "transparency_gradient": Case(transparency_gradient, "levels, nebula, gradients of transparency of 3 %", 600.0),
}
ALL_CASES = CASES | LOST
# Cases in the picture, with the limits of their colour scales and short titles.
PICTURED = {
    "levels": (0.5, "levels"),
    "curves": (3.0, "gradients,\ncurvature"),
    "five_halves": (3.0, "five cover\nhalf"),
    "template": (3.0, "planes,\npattern"),
    "chips": (3.0, "planes,\nchips"),
}


# -- methods --


def _pixels(matched: Sequence[Any], scene: HardScene) -> list[np.ndarray]:
    """Return the pixels of matched exposures; those that failed stay as they are."""
    arrays = [one.image.array if isinstance(one, ExposureF) else one for one in matched]
    return [image if one is None else one for one, image in zip(arrays, scene.pixels, strict=True)]


def by_default(scene: HardScene) -> list[np.ndarray]:
    return _pixels(evensky.match_all(scene.exposures, pictures=False).exposures, scene)


def with_needed_terms(scene: HardScene) -> list[np.ndarray]:
    if scene.terms == ["smooth"]:
        raise ValueError("these exposures need no other terms than the default")
    terms = hard_scenes.needed_terms(scene)
    return _pixels(evensky.match_all(scene.exposures, terms=terms, pictures=False).exposures, scene)


def levels_only(scene: HardScene) -> list[np.ndarray]:
    return _pixels(evensky.match_all(scene.exposures, order=0, spline=False, pictures=False).exposures, scene)


def one_reference(scene: HardScene, bin_size: int = 128) -> list[np.ndarray]:
    options = {"bin_size": bin_size, "statistic": "meanclip", "pictures": False}
    result = evensky.match(scene.exposures, reference=len(scene.exposures) - 1, **options)
    return _pixels(result.exposures, scene)


def with_small_bins(scene: HardScene) -> list[np.ndarray]:
    return one_reference(scene, 32)


def _of_peer(peer: matching_peers.Peer) -> Method:
    return lambda scene: peer([image.copy() for image in scene.pixels], scene.origins)


OURS = "evensky.match_all"


BETTER: dict[str, Method] = {
    "evensky.match_all, levels only": levels_only,
    "evensky.match, splines of 32 px": with_small_bins,
}
"""Methods for the cases in `LOST`."""


def available() -> dict[str, Method]:
    ours: dict[str, Method] = {
        OURS: by_default,
        "the same, needed terms": with_needed_terms,
        "evensky.match, splines of 128 px": one_reference,
    }
    return ours | {name: _of_peer(peer) for name, peer in matching_peers.available().items()} | BETTER


def _timed(method: Method, scene: HardScene) -> tuple[list[np.ndarray], float]:
    """Return matched pixels and the processor seconds that they took."""
    begin = time.process_time()
    matched = method(scene)
    return matched, time.process_time() - begin


# -- simulated exposures --


@dataclass
class Figures:
    """Figures of one method and one case, a number for each seed."""

    left: list[float] = field(default_factory=list)
    glow: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def glow_kept(scene: HardScene, added: Sequence[np.ndarray], peak: float) -> float:
    """Return the preserved share of the diffuse light, from the part of its shape in the mean of the models.

    A common sky may remain, which is smooth or has the shape of the other terms of the case.
    """
    seen = hard_scenes.mosaic_of(scene, list(added))
    broad = scene.name not in ("levels", "curves", "five_halves", "different_seeing")
    shape = hard_scenes._broad_glow(seen.shape, peak) if broad else _diffuse(seen.shape, peak)
    u, v = np.meshgrid(*hard_scenes._axes(seen.shape))
    terms = [shape, np.ones_like(u), u, v, u * u, u * v, v * v]
    if scene.labels is not None:
        terms += [scene.labels == label for label in np.unique(scene.labels)[1:]]
    if scene.template is not None:
        terms.append(scene.template)
    good = np.isfinite(seen)
    columns = np.stack([np.asarray(term, np.float32)[good] for term in terms], axis=1)
    coefficients, *_ = np.linalg.lstsq(columns, seen[good].astype(np.float32), rcond=None)
    return 1.0 + float(coefficients[0])


def run_simulated(
    cases: Sequence[str], seeds: int, methods: dict[str, Method]
) -> tuple[dict[str, dict[str, Figures]], dict[str, dict[str, np.ndarray]]]:
    """Return figures by case and method, and the residual sky of the first exposure of the first seed."""
    figures: dict[str, dict[str, Figures]] = {case: {} for case in cases}
    first: dict[str, dict[str, np.ndarray]] = {case: {} for case in cases}
    for case in cases:
        for seed in range(1, seeds * ALL_CASES[case].repeats + 1):
            scene = ALL_CASES[case].make(seed)
            for name, method in methods.items():
                if name in BETTER and case not in LOST:
                    continue
                try:
                    matched, seconds = _timed(method, scene)
                except Exception as error:  # a peer that cannot do this case has a dash in the table
                    if seed == 1:
                        print(f"{name}, {case}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                    continue
                added = [np.asarray(one, float) - image for one, image in zip(matched, scene.pixels, strict=True)]
                added = [np.where(np.isfinite(one), one, 0.0) for one in added]
                row = figures[case].setdefault(name, Figures())
                row.left.append(hard_scenes.counts_left(scene, added))
                if ALL_CASES[case].glow:
                    row.glow.append(glow_kept(scene, added, ALL_CASES[case].glow))
                row.seconds.append(seconds)
                if seed == 1 and case in PICTURED:
                    left = hard_scenes._about_mean(scene, added)[0][0]
                    first[case][name] = np.where(np.isfinite(scene.pixels[0]), left, np.nan)
        print_table({case: figures[case]}, "left", case, file=sys.stderr)
    return figures, first


def print_table(figures: dict[str, dict[str, Figures]], what: str, title: str, file: Any = None) -> None:
    """Print one figure of all cases and methods."""
    shown = {
        "left": lambda row: f"{np.sqrt(np.mean(np.square(row.left))):.3g}",
        "glow": lambda row: f"{100 * np.mean(row.glow):.1f} %" if row.glow else "–",
        "seconds": lambda row: f"{np.median(row.seconds):.3g}",
    }[what]
    names = [name for name in available() if any(name in rows for rows in figures.values())]
    print(f"\n| {title} | {' | '.join(names)} |", file=file)
    print("| --- |" + " ---: |" * len(names), file=file)
    for case, rows in figures.items():
        cells = [shown(rows[name]) if name in rows else "–" for name in names]
        print(f"| {ALL_CASES[case].title} | {' | '.join(cells)} |", file=file, flush=True)


def plot_simulated(first: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Draw the residual sky of one exposure by each method; the pictures in a column have the same stretch."""
    from matplotlib.figure import Figure

    names = [name for name in available() if any(name in shown for shown in first.values())]
    cases = [case for case in PICTURED if case in first]
    figure = Figure(figsize=(1.15 * len(cases) + 1.5, 1.13 * len(names) + 0.8), layout="constrained")
    axes = figure.subplots(len(names), len(cases), squeeze=False)
    for column, case in zip(axes.T, cases, strict=True):
        span, title = PICTURED[case]
        column[0].set_title(title, fontsize=9)
        for ax, name in zip(column, names, strict=True):
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_facecolor("#E5E5E5")
            if name not in first[case]:
                ax.text(0.5, 0.5, "not\nneeded", ha="center", va="center", fontsize=8, transform=ax.transAxes)
                continue
            left = first[case][name]
            drawn = ax.imshow(left, origin="lower", cmap="RdBu_r", vmin=-span, vmax=span, interpolation="nearest")
        bar = figure.colorbar(drawn, ax=column, location="bottom", aspect=9, pad=0.01, ticks=[-span, 0, span])
        bar.ax.tick_params(labelsize=8)
    for ax, name in zip(axes[:, 0], names, strict=True):
        ax.set_ylabel(_broken(name), fontsize=9, rotation=0, ha="right", va="center", labelpad=6)
    figure.supxlabel("counts", fontsize=9)
    figure.savefig(path, dpi=120)


_BREAKS = ("match,", "same,", "evensky.", "stcal.", "one ", "own ", "reproject", "difference", "Montage", "background ")


def _broken(name: str) -> str:
    """Break the name of a method into short lines."""
    for before in _BREAKS:
        name = name.replace(before, before + "\n")
    return name.replace("\n ", "\n").replace(" \n", "\n")


# -- real exposures on one grid --

# Size of the bins for differences of real exposures.
_BIN = 256
UNMATCHED = "unmatched"


def bins_of(difference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return clipped means of whole bins, and their errors."""
    height, width = (size - size % _BIN for size in difference.shape)
    stats = evensky.estimate_background(difference[:height, :width], bin_size=_BIN, statistic="meanclip").stats
    return np.asarray(stats.value), np.asarray(stats.error)


def match_real(
    exposures: Sequence[Any], methods: dict[str, Method]
) -> tuple[dict[str, list[np.ndarray]], dict[str, float]]:
    """Return the pixels of real exposures by each method, first as they are, and processor seconds."""
    scene = HardScene("real", list(exposures), [], np.empty((0, 0)))
    corrected, seconds = {UNMATCHED: scene.pixels}, {}
    for name, method in methods.items():
        if name in BETTER:
            continue
        try:
            corrected[name], seconds[name] = _timed(method, scene)
        except Exception as error:  # a peer that cannot do this is listed with its error
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
    return corrected, seconds


def run_real(paths: Sequence[Path], picture: Path | None, methods: dict[str, Method]) -> None:
    """Print how well methods make real exposures agree."""
    from astropy.io import fits

    corrected, seconds = match_real([fits.getdata(path).astype(np.float32) for path in paths], methods)
    print(f"\n| {len(paths)} real exposures | spread of clipped means | bins of {_BIN} px, in errors | seconds |")
    print("| --- | ---: | ---: | ---: |")
    for name, some in corrected.items():
        levels = [evensky.image_statistics(np.asarray(one)).mean for one in some]
        pulls = []
        for one, other in itertools.combinations(some, 2):
            value, error = bins_of(np.asarray(one, np.float32) - np.asarray(other, np.float32))
            pulls.append((value / error) ** 2)
        spent = f"{seconds[name]:.2f}" if name in seconds else "–"
        print(f"| {name} | {max(levels) - min(levels):.3f} | {np.sqrt(np.mean(pulls)):.2f} | {spent} |")
    if picture is not None:
        plot_real(corrected, picture)


def plot_real(corrected: dict[str, list[np.ndarray]], path: Path) -> None:
    """Draw the difference between the last and the first exposure, in small bins, by each method."""
    from matplotlib.figure import Figure

    columns = 4
    figure = Figure(figsize=(7.0, 1.75 * -(-len(corrected) // columns)), layout="constrained")
    axes = figure.subplots(-(-len(corrected) // columns), columns, squeeze=False)
    for ax in axes.ravel()[len(corrected) :]:
        ax.set_axis_off()
    for ax, (name, some) in zip(axes.ravel(), corrected.items(), strict=False):
        difference = np.asarray(some[-1], np.float32) - np.asarray(some[0], np.float32)
        bins = evensky.estimate_background(difference, bin_size=40, statistic="meanclip").stats.value
        shown = ax.imshow(bins, origin="lower", cmap="RdBu_r", vmin=-4, vmax=4, interpolation="nearest")
        ax.set_title(_broken(name), fontsize=9)
        ax.set_xticks([])
        ax.set_yticks([])
    bar = figure.colorbar(shown, ax=axes, shrink=0.8)
    bar.set_label("counts", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    figure.savefig(path, dpi=150)


# -- real tiles that overlap in part --

_TILE_BIN = 32
# Smallest overlap, and smallest number of good pixels in a bin, that count.
_OVERLAP_PIXELS, _BIN_PIXELS = 500, 200


def read_tiles(paths: Sequence[Path], grid: Path) -> list[ExposureF]:
    """Resample FITS images onto the grid of a header; each result covers only its own part of the grid."""
    from astropy.io import fits
    from astropy.wcs import WCS
    from reproject import reproject_interp

    target = WCS(fits.Header.fromtextfile(grid))
    tiles = []
    for path in paths:
        data, header = fits.getdata(path, header=True)
        wcs = WCS(header)
        right, top = data.shape[1] - 1, data.shape[0] - 1
        x, y = target.world_to_pixel(wcs.pixel_to_world([0, right, 0, right], [0, 0, top, top]))
        x0, x1, y0, y1 = int(min(x)) - 3, int(max(x)) + 4, int(min(y)) - 3, int(max(y)) + 4
        pixels, footprint = reproject_interp(
            (data.astype(float), wcs), target[y0:y1, x0:x1], shape_out=(y1 - y0, x1 - x0)
        )
        pixels[footprint < 1] = np.nan
        tiles.append(hard_scenes._placed(pixels.astype(np.float32), (x0, y0)))
    return tiles


def overlap_of(
    one: np.ndarray, origin: tuple[int, int], other: np.ndarray, other_origin: tuple[int, int]
) -> np.ndarray | None:
    """Return the difference of two images where they overlap, or None if they hardly do."""
    x0, y0 = (max(origin[k], other_origin[k]) for k in (0, 1))
    x1, y1 = (min(origin[k] + one.shape[1 - k], other_origin[k] + other.shape[1 - k]) for k in (0, 1))
    if x1 <= x0 or y1 <= y0:
        return None
    parts = [
        image[y0 - y : y1 - y, x0 - x : x1 - x].astype(float)
        for image, (x, y) in ((one, origin), (other, other_origin))
    ]
    difference = parts[0] - parts[1]
    return difference if np.isfinite(difference).sum() >= _OVERLAP_PIXELS else None


def scatter_of_bins(difference: np.ndarray) -> float:
    """Return the robust standard deviation of the clipped means of bins."""
    means = []
    for y, x in itertools.product(*(range(0, size, _TILE_BIN) for size in difference.shape)):
        values = difference[y : y + _TILE_BIN, x : x + _TILE_BIN]
        values = values[np.isfinite(values)]
        if values.size >= _BIN_PIXELS:
            means.append(evensky.image_statistics(values.astype(np.float32)[None, :]).mean)
    return float(1.4826 * np.median(np.abs(means - np.median(means))))


def run_tiles(paths: Sequence[Path], grid: Path, methods: dict[str, Method]) -> None:
    """Print how well methods make real tiles agree where they overlap."""
    tiles = read_tiles(paths, grid)
    origins = [tile.getXY0() for tile in tiles]
    corrected, seconds = match_real(tiles, methods)
    print(f"\n| {len(paths)} real tiles | largest median of an overlap | RMS of medians | scatter of bins | seconds |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, some in corrected.items():
        medians, scatters = [], []
        for i, j in itertools.combinations(range(len(some)), 2):
            difference = overlap_of(some[i], origins[i], some[j], origins[j])
            if difference is not None:
                medians.append(float(np.nanmedian(difference)))
                scatters.append(scatter_of_bins(difference))
        largest, usual = np.abs(medians).max(), np.sqrt(np.mean(np.square(medians)))
        spent = f"{seconds[name]:.2f}" if name in seconds else "–"
        print(f"| {name} | {largest:.3f} | {usual:.3f} | {np.sqrt(np.mean(np.square(scatters))):.3f} | {spent} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="*", choices=list(ALL_CASES), default=list(ALL_CASES))
    parser.add_argument("--method", nargs="+", choices=list(available()), default=list(available()))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--real", type=Path, nargs="+", default=[])
    parser.add_argument("--real-picture", type=Path)
    parser.add_argument("--tiles", type=Path, nargs="+", default=[])
    parser.add_argument("--grid", type=Path, help="text file of the FITS header of the grid of the tiles")
    options = parser.parse_args()
    if options.tiles and options.grid is None:
        parser.error("--tiles needs --grid")
    methods = {name: method for name, method in available().items() if name in options.method}
    warnings.simplefilter("ignore")
    print(f"vector level of the core: {evensky.simd_level()}; {matching_peers.versions()}")
    for name in matching_peers.missing():
        print(f"{name}: not installed")
    if options.seeds > 0 and options.case:
        figures, first = run_simulated(options.case, options.seeds, methods)
        for group in (CASES, LOST):
            some = {case: figures[case] for case in options.case if case in group}
            if some:
                print_table(some, "left", "residual RMS between exposures, counts")
                print_table(some, "glow", "diffuse light kept")
                print_table(some, "seconds", "processor seconds")
        if options.picture is not None:
            plot_simulated(first, options.picture)
    if options.real:
        run_real(options.real, options.real_picture, methods)
    if options.tiles:
        run_tiles(options.tiles, options.grid, methods)


if __name__ == "__main__":
    main()
