"""Comparison of the backgrounds of evensky and of its peers on fields of known truth, in turns in one process.

Usage: python tests/benchmarks/compare_backgrounds.py [--case NAME ...] [--method NAME ...] [--seeds 4] [--first-seed 0]
           [--bin-size 64] [--candidates] [--real FILE] [--picture FOLDER]

The fields are those of `background_cases.py`. All methods have bins of one size; other options have the defaults of
each package. Levels and backgrounds are in units of the mean noise of a pixel, over the pixels that have data. Times
are processor seconds, as other processes do not change them much. Each error is the standard error of the mean over
the seeds.

Peers: pip install photutils sep.
"""

from __future__ import annotations

import argparse
import functools
import io
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import background_peers
import numpy as np
from background_cases import CASES, Case, Field, real
from background_peers import Background, Method

import evensky
from evensky.math.background_mesh import ESTIMATORS

OURS, MASKED, MEAN = "evensky", "evensky, masked", "evensky, clipped mean"


def _ours(**options: Any) -> Method:
    """Return the method that is `evensky.estimate_background` with some options."""

    def measure(image: np.ndarray, bin_size: int) -> Background:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # flags of masks of sources
            estimate = evensky.estimate_background(image, bin_size=bin_size, num_threads=1, **options)
        return estimate.image, estimate.rms_image

    return measure


_PHOTUTILS_CLIPPING = {"centre": "median", "rounds": 10}
_MODE = {"estimator": "sextractor"}
CANDIDATES: dict[str, dict[str, Any]] = {
    **{f"{name}, no filter": {"estimator": name, "filter_size": 1} for name in ESTIMATORS},
    **{f"{name}, all bins filtered": {"estimator": name, "filter_size": 3} for name in ESTIMATORS},
    **{f"{name}, outliers": {"estimator": name} for name in ESTIMATORS},
    "3 sigma": {**_MODE, "filter_sigma": 3},
    "4 sigma": {**_MODE, "filter_sigma": 4},
    "7 sigma": {**_MODE, "filter_sigma": 7},
    "5 x 5 bins": {**_MODE, "filter_size": 5, "filter_sigma": 5},
    "clipping of photutils": {**_MODE, **_PHOTUTILS_CLIPPING},
    "exclude 10 %": {**_MODE, "exclude_percentile": 10},
    "natural spline": {**_MODE, "style": "natural"},
    "rms by the MAD": {**_MODE, "rms_estimator": "mad"},
    "series of order 6": {**_MODE, "order": 6},
}
"""Options that are compared as candidates for the default."""


def methods(candidates: bool = False) -> dict[str, Method]:
    """Return the methods by their names: ours, then those of the peers that are installed."""
    found = {OURS: _ours(), MASKED: _ours(mask_sources=True), MEAN: _ours(statistic="meanclip")}
    if candidates:
        found["masked, mode"] = _ours(mask_sources=True, estimator="auto")
        found |= {name: _ours(**options) for name, options in CANDIDATES.items()}
    return found | background_peers.available()


@dataclass
class Figures:
    """Figures of one method and one kind of field, a number for each seed.

    Attributes
    ----------
    bias, rms : list of float
        Mean of background - truth, and its root mean square, in units of the noise.
    noise : list of float
        Mean of the modelled rms over the true noise, minus 1.
    seconds : list of float
    """

    bias: list[float] = field(default_factory=list)
    rms: list[float] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def residual(background: np.ndarray, truth: Field, case: Case) -> np.ndarray:
    """Return background - truth in units of the noise, NaN where the field has no data."""
    left = (np.asarray(background, float) - truth.sky) / float(np.mean(truth.noise))
    left[~truth.good] = np.nan
    return left if case.has_level else left - np.nanmean(left)


def measure(
    cases: dict[str, Case], seeds: Sequence[int], bin_size: int, chosen: dict[str, Method]
) -> tuple[dict[str, dict[str, Figures]], dict[str, tuple[Field, dict[str, np.ndarray]]]]:
    """Return figures by case and method, and the fields of the first seed with the residuals of all methods."""
    figures: dict[str, dict[str, Figures]] = {name: {} for name in cases}
    first: dict[str, tuple[Field, dict[str, np.ndarray]]] = {}
    for name, case in cases.items():
        for seed in seeds:
            truth = case.make(seed)
            left: dict[str, np.ndarray] = {}
            for method, run in chosen.items():
                begin = time.process_time()
                try:
                    background, rms = run(truth.image, bin_size)
                except Exception as error:  # a method that cannot do this case has a dash in the table
                    if seed == seeds[0]:
                        print(f"{method}, {name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                    continue
                seconds = time.process_time() - begin
                off = left[method] = residual(background, truth, case)
                row = figures[name].setdefault(method, Figures())
                row.bias.append(float(np.nanmean(off)))
                row.rms.append(float(np.sqrt(np.nanmean(off**2))))
                row.noise.append(float(np.mean((rms / truth.noise)[truth.good])) - 1)
                row.seconds.append(seconds)
            if seed == seeds[0]:
                first[name] = truth, left
        print(f"{name}: done", file=sys.stderr, flush=True)
    return figures, first


def _with_error(values: Sequence[float]) -> str:
    """Return a mean with its standard error."""
    text = f"{np.mean(values):.3f}"
    return text if len(values) < 2 else f"{text} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.3f}"


TABLES: dict[str, Callable[[Figures, Case], str]] = {
    "RMS of background - truth": lambda row, case: _with_error(row.rms),
    "bias": lambda row, case: f"{np.mean(row.bias):+.3f}" if case.has_level else "–",
    "bias of the rms": lambda row, case: f"{100 * np.mean(row.noise):+.1f} %",
    "seconds": lambda row, case: f"{np.median(row.seconds):.3f}",
}


def print_tables(figures: dict[str, dict[str, Figures]], cases: dict[str, Case]) -> None:
    """Print a table for each figure, with a row for each kind of field."""
    names = list(dict.fromkeys(name for rows in figures.values() for name in rows))
    for title, shown in TABLES.items():
        print(f"\n| {title} | {' | '.join(names)} |")
        print("| --- |" + " ---: |" * len(names))
        for name, rows in figures.items():
            cells = [shown(rows[method], cases[name]) if method in rows else "–" for method in names]
            print(f"| {cases[name].title} | {' | '.join(cells)} |", flush=True)


# -- pictures --

PICTURED = ("evensky", "photutils", "sep")


def _thumbnail(image: np.ndarray, side: int = 256) -> np.ndarray:
    """Return the medians of blocks of an image, of which there are `side` in x and y."""
    step = max(1, image.shape[0] // side)
    height, width = (size - size % step for size in image.shape)
    blocks = image[:height, :width].reshape(height // step, step, width // step, step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # blocks without data
        return np.asarray(np.nanmedian(blocks, axis=(1, 3)))


def draw(case: Case, truth: Field, left: dict[str, np.ndarray], path: Path) -> None:
    """Draw a field, its true background, and what is left by some methods on one stretch."""
    from matplotlib.figure import Figure
    from PIL import Image

    names = [name for name in PICTURED if name in left]
    figure = Figure(figsize=(1.75 * (2 + len(names)) + 0.2, 2.35), layout="constrained")
    axes = figure.subplots(1, 2 + len(names))
    low, high = np.nanpercentile(truth.image, [1, 97])
    for ax, image, title in ((axes[0], truth.image, "field"), (axes[1], truth.sky, "true background")):
        shown = ax.imshow(_thumbnail(image), origin="lower", cmap="gray", vmin=low, vmax=high)
        ax.set_title(title, fontsize=9)
    figure.colorbar(shown, ax=list(axes[:2]), location="bottom", aspect=30, pad=0.02).ax.tick_params(labelsize=8)
    span = max(float(np.nanpercentile(np.abs(left[name]), 98)) for name in names)
    span = float(f"{span:.1g}")
    for ax, name in zip(axes[2:], names, strict=True):
        shown = ax.imshow(_thumbnail(left[name]), origin="lower", cmap="RdBu_r", vmin=-span, vmax=span)
        ax.set_title(f"{name}: {np.sqrt(np.nanmean(left[name] ** 2)):.3f}", fontsize=9)
    bar = figure.colorbar(shown, ax=list(axes[2:]), location="bottom", aspect=45, pad=0.02, ticks=[-span, 0, span])
    bar.ax.tick_params(labelsize=8)
    for ax in axes:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_facecolor("#C8C8C8")
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100)
    Image.open(drawn).convert("RGB").quantize(256).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=list(CASES), help="kind of field; all by default")
    parser.add_argument("--method", action="append", help="method; all by default")
    parser.add_argument("--seeds", type=int, default=4, help="fields of each kind")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--bin-size", type=int, default=64)
    parser.add_argument("--candidates", action="store_true", help="also the candidates for our default")
    parser.add_argument("--real", type=Path, metavar="FILE", help="FITS image for the real pixels")
    parser.add_argument("--picture", type=Path, metavar="FOLDER", help="draw a picture of each kind into a folder")
    arguments = parser.parse_args()
    logging.getLogger("evensky").setLevel(logging.ERROR)
    cases = {name: CASES[name] for name in arguments.case or CASES}
    if arguments.real and "real" in cases:
        old = cases["real"]
        cases["real"] = Case(functools.partial(real, file=arguments.real), old.title, old.says, old.has_level)
    chosen = methods(arguments.candidates)
    if arguments.method:
        chosen = {name: method for name, method in chosen.items() if name in arguments.method}
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    figures, first = measure(cases, seeds, arguments.bin_size, chosen)
    print_tables(figures, cases)
    if arguments.picture:
        for name, (truth, left) in first.items():
            draw(cases[name], truth, left, arguments.picture / f"which_{name}.png")


if __name__ == "__main__":
    main()
