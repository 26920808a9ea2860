"""Growth of the solver of the joint match with the number of exposures, in the geometry of a survey.

Usage: python tests/benchmarks/solver.py [--numbers 300 1000 3000 10000] [--order 8] [--json FILE] [--profile FILE]

Exposures are dithered about pointings that are spread over a square field, several times each, so that every place is
seen by about five of them. Their binned differences are made, with the noise that bins have, but no pixels. Each number
of exposures is solved for in a process of its own. CPU seconds (user and system) of each step, the largest resident
memory, and how well models and errors agree with what was put in are printed, and the exponents of growth.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from evensky._blas import one_blas_thread
from evensky.matching.joint.basis import Basis
from evensky.matching.joint.candidates import Candidate
from evensky.matching.joint.differences import Coverage, Differences, PairBins
from evensky.matching.joint.fits import JointFit
from evensky.matching.joint.grid import CommonGrid, PixelBox, common_box
from evensky.matching.joint.partners import choose_pairs
from evensky.matching.joint.search import fit_all

SIDE, BIN = 4096, 256
# Visits of each pointing, the distance of pointings and the largest dither, in sides of an exposure.
VISITS, SPACING, DITHER = 4, 0.9, 0.3
# Standard deviation of a pixel, and those of the levels, slopes and curves of the sky over an exposure.
NOISE, LEVELS, SLOPES, CURVES = 10.0, 50.0, 5.0, 1.0


def survey(number: int, rng: np.random.Generator) -> list[PixelBox]:
    """Place exposures: one visit of all pointings after the other, row by row."""
    pointings = math.ceil(number / VISITS)
    columns = math.ceil(math.sqrt(pointings))
    step = int(SPACING * SIDE)
    boxes: list[PixelBox] = []
    for at in range(number):
        row, column = divmod(at % pointings, columns)
        dx, dy = rng.uniform(-DITHER * SIDE, DITHER * SIDE, 2).astype(int).tolist()
        boxes.append((column * step + dx, row * step + dy, SIDE, SIDE))
    return boxes


class Survey:
    """Exposures whose bins are known, and the skies that were put into them."""

    def __init__(self, number: int, order: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.grid = CommonGrid(BIN)
        self.boxes = survey(number, rng)
        self.skies = []
        for _ in range(number):
            highest = int(rng.choice([0, 1, 2, min(3, order)], p=[0.1, 0.4, 0.4, 0.1]))
            widths = [LEVELS, *[SLOPES] * 2, *[CURVES] * (Candidate(max(highest, 1)).terms - 3)]
            self.skies.append((Candidate(highest), rng.normal(0, widths[: Candidate(highest).terms])))
        self.places = [self._bins(box) for box in self.boxes]
        self.noise = [rng.normal(0, NOISE / np.sqrt(areas)) for _, _, areas, _ in self.places]

    def _bins(self, box: PixelBox) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        x_edges, y_edges, numbers = self.grid.edges(box)
        x, y = np.meshgrid(
            *(start + (e[:-1] + e[1:] - 1) / 2 for start, e in zip(box[:2], (x_edges, y_edges), strict=True))
        )
        areas = np.outer(np.diff(y_edges), np.diff(x_edges))
        return x.ravel(), y.ravel(), areas.ravel().astype(float), numbers.ravel()

    def sky(self, k: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the sky of an exposure at positions on the common grid."""
        candidate, coefficients = self.skies[k]
        return np.asarray(Basis(self.boxes[k]).at(candidate, x, y) @ coefficients)

    def coverage(self) -> list[Coverage]:
        """Return the bins of all exposures, with their levels: a scene of faint waves and the sky."""
        found = []
        for k, (x, y, areas, numbers) in enumerate(self.places):
            scene = 20.0 * np.maximum(np.sin(x / 3000.0) * np.sin(y / 2500.0), 0.0) ** 8
            found.append(Coverage(numbers, areas.astype(int), self.sky(k, x, y) + self.noise[k] + scene))
        return found

    def pair(self, i: int, j: int) -> PairBins | None:
        """Return the difference of two exposures in bins."""
        box = common_box(self.boxes[i], self.boxes[j])
        if box is None:
            return None
        x_edges, y_edges, numbers = self.grid.edges(box)
        width, height = np.meshgrid(np.diff(x_edges).astype(float), np.diff(y_edges).astype(float))
        x, y = np.meshgrid(
            *(start + (e[:-1] + e[1:] - 1) / 2 for start, e in zip(box[:2], (x_edges, y_edges), strict=True))
        )
        numbers, counts, x, y = numbers.ravel(), (width * height).ravel(), x.ravel(), y.ravel()
        both = [self.sky(k, x, y) + self.noise[k][np.searchsorted(self.places[k][3], numbers)] for k in (i, j)]
        errors = NOISE * np.sqrt(2.0 / counts)
        parts = (both[0] - both[1], errors, counts.astype(int), x, y, width.ravel(), height.ravel())
        return PairBins(i, j, numbers, *parts)


def deviations(made: Survey, fit: JointFit) -> dict[str, float]:
    """Compare the differences of models in the overlaps of exposures with those of the skies that were put in.

    The part that all exposures have in common is not determined, so models are compared with each other: in the centre
    of each overlap, in units of the square root of the sum of their variances, which is more than the error of the
    difference where the errors of both are positively correlated.
    """
    values, errors = [], []
    for one in fit.overlaps[:: max(1, len(fit.overlaps) // 3000)]:
        box = common_box(made.boxes[one.first], made.boxes[one.second])
        assert box is not None
        x, y = np.array([box[0] + box[2] / 2]), np.array([box[1] + box[3] / 2])
        difference, variance = 0.0, 0.0
        for sign, k in ((1.0, one.first), (-1.0, one.second)):
            model = fit.exposures[k].model
            assert model is not None
            difference += sign * float(model.evaluate(x, y)[0] + made.sky(k, x, y)[0])
            variance += float(model.sigma(x, y)[0]) ** 2
        values.append(difference)
        errors.append(math.sqrt(variance))
    return {
        "rms of models": float(np.sqrt(np.mean(np.square(values)))),
        "rms in errors": float(np.sqrt(np.mean((np.array(values) / errors) ** 2))),
    }


def one_run(number: int, order: int, profile: str | None) -> dict[str, Any]:
    """Solve for a number of exposures, and return the figures."""
    times: dict[str, float] = {}
    now = time.process_time()

    def step(name: str) -> None:
        nonlocal now
        times[name], now = time.process_time() - now, time.process_time()

    made = Survey(number, order)
    coverage = made.coverage()
    step("made")
    chosen = choose_pairs([one.bins for one in coverage], 0)
    step("pairs")
    pairs = [bins for i, j in chosen if (bins := made.pair(i, j)) is not None]
    step("bins of pairs (made)")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall = time.perf_counter()
    differences = Differences(number, pairs)
    del pairs
    step("differences")
    watch = cProfile.Profile()
    with one_blas_thread():
        if profile is not None:
            watch.enable()
        fit = fit_all(made.boxes, made.grid, differences, preference=range(number), order=order, coverage=coverage)
        watch.disable()
    step("fit")
    if profile is not None:
        watch.dump_stats(profile)
    models = [one.model for one in fit.exposures if one.model is not None]
    kinds = [model.candidate.name for model in models]
    return {
        "number": number,
        "pairs": len(differences.pairs),
        "rows": differences.value.size,
        "wall": time.perf_counter() - wall,
        "cpu": times,
        "memory before": before,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "sweeps": fit.sweeps,
        "scale": fit.scale,
        "level": fit.level,
        "terms": sum(model.coefficients.size for model in models),
        "models": {kind: kinds.count(kind) for kind in sorted(set(kinds), key=lambda kind: -kinds.count(kind))[:6]},
        "covariance": None if fit.covariance is None else fit.covariance.nbytes / 1e6,
        "flagged": sum(bool(one.flags) for one in fit.exposures),
        **deviations(made, fit),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--numbers", type=int, nargs="+", default=[300, 1000, 3000, 10000])
    parser.add_argument("--order", type=int, default=8, help="highest order of the series among the candidates")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--profile", help="file for the profile of the fit, as cProfile writes it")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(one_run(arguments.numbers[0], arguments.order, arguments.profile)))
        return
    found: list[dict[str, Any]] = []
    print(f"{'exposures':>9} {'pairs':>7} {'rows':>9} {'terms':>8} {'CPU (s)':>8} {'per exposure':>12} {'memory':>8}")
    for number in arguments.numbers:
        command = [sys.executable, __file__, "--here", "--numbers", str(number), "--order", str(arguments.order)]
        command += ["--profile", arguments.profile] if arguments.profile else []
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        one = json.loads(done.stdout.splitlines()[-1])
        found.append(one)
        cpu = one["cpu"]["pairs"] + one["cpu"]["differences"] + one["cpu"]["fit"]
        print(
            f"{number:9} {one['pairs']:7} {one['rows']:9} {one['terms']:8} {cpu:8.1f} {1e3 * cpu / number:9.1f} ms "
            f"{one['memory']:5.0f} MiB"
        )
        print(f"          {json.dumps(one)}", flush=True)
    if len(found) > 1:
        sizes = np.log([one["number"] for one in found])
        for name in ("pairs", "differences", "fit"):
            growth = np.polyfit(sizes, np.log([max(one["cpu"][name], 1e-3) for one in found]), 1)[0]
            print(f"growth of {name}: exponent {growth:.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
