"""Comparison of the match of dithered exposures by evensky and by its peers, against the truth.

Usage: python tests/benchmarks/compare_dithered.py [--case NAME ...] [--method NAME ...] [--seeds 3] [--side PIXELS]

The cases are those of `tests/python/dithered_scenes.py`. The residual is the RMS of sky + model about its mean over
the exposures that cover a point of the sky (`evensky.simulate.sky_left`). Peers know surface brightness alone, so they
are given pixels that are divided by their areas where the unit is per pixel, and what they add is multiplied by these
areas. The match of resampled images is what remains to a user without a match through the WCS: images are resampled to
a common grid, by bilinear or bicubic interpolation, and matched there; the models are mapped back to the pixels of each
exposure. Times are processor seconds, summed over threads.

Needs reproject, and stcal for its column.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sky_peers

import evensky

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
import dithered_scenes
from dithered_scenes import DitheredScene

Models = Sequence[np.ndarray | None]
Method = Callable[[DitheredScene], Models]


def by_evensky(scene: DitheredScene) -> Models:
    """Match the exposures as they are."""
    result = evensky.match_all(scene.exposures, pictures=False)
    return [None if model is None else model.image() for model in result.models]


def _per_area(scene: DitheredScene) -> list[np.ndarray]:
    """Return the pixels of exposures as surface brightness."""
    return [one.exposure.image.array / one.area for one in scene.simulated]


def _of_peer(peer: sky_peers.Constants) -> Method:
    def match(scene: DitheredScene) -> Models:
        constants = peer(_per_area(scene), [one.wcs for one in scene.simulated])
        return [
            np.full(one.sky.shape, constant * one.area)
            for one, constant in zip(scene.simulated, constants, strict=True)
        ]

    return match


def _resampled(order: str) -> Method:
    def match(scene: DitheredScene) -> Models:
        from reproject import reproject_interp
        from reproject.mosaicking import find_optimal_celestial_wcs

        maps = [one.wcs for one in scene.simulated]
        shapes = [one.sky.shape for one in scene.simulated]
        grid, shape = find_optimal_celestial_wcs(list(zip(shapes, maps, strict=True)))
        options = {"order": order, "return_footprint": False}
        images = [
            reproject_interp((pixels, wcs), grid, shape_out=shape, **options).astype(np.float32)
            for pixels, wcs in zip(_per_area(scene), maps, strict=True)
        ]
        result = evensky.match_all(images, pictures=False)
        return [
            reproject_interp((model.image(), grid), wcs, shape_out=own, return_footprint=False) * one.area
            for model, wcs, own, one in zip(result.models, maps, shapes, scene.simulated, strict=True)
        ]

    return match


def available() -> dict[str, Method]:
    """Return all methods whose packages are installed."""
    peers = sky_peers.available()
    methods: dict[str, Method] = {"evensky.match_all": by_evensky}
    if "reproject_and_coadd" in peers:
        methods["resampled (bilinear), match_all"] = _resampled("bilinear")
        methods["resampled (bicubic), match_all"] = _resampled("bicubic")
    return methods | {name: _of_peer(peer) for name, peer in peers.items()}


ONE_GRID = "the same skies on one grid, match_all"


def run_case(name: str, seeds: int, methods: dict[str, Method], given: dict[str, Any]) -> dict[str, list[list[float]]]:
    """Return residuals and processor seconds of a case, a pair for each seed, by the name of the method."""
    make = dithered_scenes.CASES[name]
    found: dict[str, list[list[float]]] = {}
    for seed in range(1, seeds + 1):
        scene = make(seed, **given)
        found.setdefault("unmatched", []).append([scene.left(), np.nan])
        for title, method in methods.items():
            begin = time.process_time()
            try:
                models = method(scene)
            except Exception as error:  # a method that cannot do this case has a dash in the table
                print(f"{name}, seed {seed}, {title}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                continue
            seconds = time.process_time() - begin
            found.setdefault(title, []).append([scene.left(models), seconds])
        if by_evensky in methods.values() and "one_grid" in inspect.signature(make).parameters:
            scene = make(seed, **given, one_grid=True)
            begin = time.process_time()
            models = by_evensky(scene)
            found.setdefault(ONE_GRID, []).append([scene.left(models), time.process_time() - begin])
    return found


def table(found: dict[str, dict[str, list[list[float]]]], names: Sequence[str], column: int) -> list[str]:
    """Return a table of residuals (column 0) or seconds (column 1), in Markdown."""
    title = ("RMS residual on the sky [counts]", "processor time [s]")[column]
    lines = [f"| {title} | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
    for case, rows in found.items():
        cells = []
        for name in names:
            values = [row[column] for row in rows.get(name, []) if np.isfinite(row[column])]
            value = np.sqrt(np.mean(np.square(values))) if column == 0 and values else np.median(values or [np.nan])
            cells.append(f"{value:.3g}" if values else "–")
        lines.append(f"| {case} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    cases, methods = list(dithered_scenes.CASES), available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = ["offsets", "gradients", "curvature", "seeing", "surface_brightness", "no_stars", "chips", "mosaic"]
    parser.add_argument("--case", nargs="+", choices=cases, default=usual)
    parser.add_argument("--method", nargs="+", choices=list(methods), default=list(methods))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--side", type=int, help="side of an exposure in pixels; by default that of each case")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen = {name: method for name, method in methods.items() if name in options.method}
    given = {} if options.side is None else {"side": options.side}
    names = ["unmatched", *chosen, *([ONE_GRID] if by_evensky in chosen.values() else [])]
    found = {}
    for case in options.case:
        found[case] = run_case(case, options.seeds, chosen, given)
        print("\n".join(table({case: found[case]}, names, 0)), file=sys.stderr, flush=True)
    print("\n".join([*table(found, names, 0), "", *table(found, names, 1)]))


if __name__ == "__main__":
    main()
