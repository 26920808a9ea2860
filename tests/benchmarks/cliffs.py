"""Time statistics and backgrounds by the type of the pixels, the size of the bins, the estimators of the sky and the
length of lines that are clipped: none may be a cliff.

Usage: python tests/benchmarks/cliffs.py [--side 4096] [--turns 5] [--only types bins estimators lines] [--json FILE]

Times are milliseconds of the processor (user and system) with one thread, the least of some turns. In each turn, every
case runs directly after the one that it is compared with, and the median of the ratios of all turns counts: the speed
of many machines changes by a fifth from one second to the next. Types are divided by float32 pixels, row by row,
without weights; sizes of bins by bins of 64 px; estimators by the clipped mean; backgrounds also by those of sep if
that is installed; and lines by lines of 256 pixels. The last column says how much is allowed. EVENSKY_SIMD limits the
instruction set.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import evensky.math as afwMath
from evensky import _core
from evensky.image.foreign import as_planes
from evensky.math.background_mesh import MeshOptions, measure_mesh

try:
    import sep
except ImportError:
    sep = None

BAD = 1


@dataclass
class Case:
    """Call to time, and the largest ratio to the case `of` of the same table that is allowed."""

    table: str
    name: str
    call: Callable[[], object]
    of: str = ""
    allowed: float = 1.0
    milliseconds: float = float("inf")
    ratios: list[float] = field(default_factory=list)

    def run(self) -> float:
        """Call once, and return the processor time in ms."""
        start = time.process_time()
        self.call()
        taken = 1e3 * (time.process_time() - start)
        self.milliseconds = min(self.milliseconds, taken)
        return taken


def scene(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a sky of whole numbers of counts with stars, a mask with 2 % bad pixels, and variances."""
    rng = np.random.default_rng(1)
    image = rng.standard_normal((side, side), np.float32)
    image *= np.float32(20.0)
    image += np.float32(1000.0)
    image += np.linspace(0.0, 30.0, side, dtype=np.float32)
    stars = rng.random((side, side), np.float32) < 0.002
    image[stars] += rng.exponential(2000.0, int(stars.sum())).astype(np.float32)
    mask = (rng.random((side, side), np.float32) < 0.02).astype(np.int32) * BAD
    mask[rng.random((side, side), np.float32) < 0.05] |= 32
    variance = rng.random((side, side), np.float32) * np.float32(50.0) + np.float32(375.0)
    return np.clip(image, 0.0, 65535.0), mask, variance


def doubled(array: np.ndarray) -> np.ndarray:
    """Return a view of every second column and row of a larger array, with the pixels of `array`."""
    wide = np.zeros((2 * array.shape[0], 2 * array.shape[1]), array.dtype)
    view = wide[::2, ::2]
    view[...] = array
    return view


def types(side: int) -> list[Case]:
    """Return statistics and backgrounds of 128 px of each type, layout and weighting."""
    image, mask, variance = scene(side)
    whole = np.rint(image)
    layouts: dict[str, tuple[np.ndarray, np.ndarray, int, float]] = {
        "float32": (image, mask, 0, 1.0),
        "float64": (image.astype(np.float64) + 1e-9, mask, 0, 2.2),
        "int16": (np.minimum(whole, 32767).astype(np.int16), mask, 0, 1.5),
        "int32": (whole.astype(np.int32), mask, 0, 1.5),
        "uint16": (whole.astype(np.uint16), mask, 0, 1.5),
        "float32, big-endian": (image.astype(">f4"), mask, 0, 1.5),
        "float64, big-endian": (image.astype(">f8") + 1e-9, mask, 0, 2.2),
        "int32, big-endian": (whole.astype(">i4"), mask, 0, 1.5),
        "int16 with BZERO, big-endian": ((whole - 32768).astype(">i2"), mask, 32768, 1.5),
        "float32 and mask, big-endian": (image.astype(">f4"), mask.astype(">i4"), 0, 1.5),
        "float32, by columns": (np.asfortranarray(image), np.asfortranarray(mask), 0, 1.5),
        "float32, every second pixel": (doubled(image), mask, 0, 1.5),
        "float32, turned round": (image[::-1, ::-1], mask[::-1, ::-1], 0, 1.5),
    }
    sctrl = afwMath.StatisticsControl(3.0, 3, BAD)
    cases = []
    properties = {
        "MEANCLIP": afwMath.MEANCLIP,
        "MEAN and STDEV": afwMath.MEAN | afwMath.STDEV,
        "MEDIAN": afwMath.MEDIAN,
        "MAD": _core.Property.MAD,
        "all": afwMath.MEANCLIP | afwMath.STDEVCLIP | afwMath.MEAN | afwMath.STDEV | afwMath.MEDIAN | afwMath.IQRANGE,
    }
    for name, flags in properties.items():
        for layout, (pixels, bits, bzero, allowed) in layouts.items():

            def measure(pixels=pixels, bits=bits, bzero=bzero, flags=flags) -> object:
                return _core.makeStatistics(pixels, bits, None, None, int(flags), sctrl, 1, bzero)

            cases.append(Case(name, layout, measure, "float32", allowed))
        errors = afwMath.StatisticsControl(3.0, 3, BAD)
        errors.setCalcErrorFromInputVariance(True)
        inverse = afwMath.StatisticsControl(3.0, 3, BAD)
        inverse.setWeighted(True)
        both = afwMath.StatisticsControl(3.0, 3, BAD)
        both.setWeighted(True)
        both.setCalcErrorFromInputVariance(True)
        for weighting, weights, control in (
            ("weights", variance, sctrl),
            ("weights 1 / variance", None, inverse),
            ("errors from variances", None, errors),
            ("weights 1 / variance, errors from variances", None, both),
        ):

            def weighted(weights=weights, control=control, flags=flags) -> object:
                return _core.makeStatistics(image, mask, variance, weights, int(flags | afwMath.ERRORS), control, 1)

            cases.append(Case(name, f"float32, {weighting}", weighted, "float32", 2.0))
    bins = side // 128
    for layout, (pixels, bits, bzero, allowed) in layouts.items():

        def background(pixels=pixels, bits=bits, bzero=bzero) -> object:
            bctrl = afwMath.BackgroundControl(bins, bins, sctrl, afwMath.MEANCLIP)
            return _core.Background(pixels, bits, None, 0, 0, bctrl, 1, bzero)

        cases.append(Case("background of 128 px", layout, background, "float32", allowed))
    return cases


def bins(side: int) -> list[Case]:
    """Return backgrounds of bins of many sizes, alone and with their image, and those of sep."""
    image, mask, _ = scene(side)
    masked = mask & BAD != 0
    sctrl = afwMath.StatisticsControl(3.0, 3, BAD)
    cases, peers = [], []
    for size, allowed in ((4, 4.0), (8, 2.0), (16, 1.5), (24, 1.5), (32, 1.2), (48, 1.2), (64, 1.0), (128, 1.0)):
        number = max(1, side // size)
        bctrl = afwMath.BackgroundControl("AKIMA_SPLINE", number, number, "REDUCE_INTERP_ORDER", sctrl, "MEANCLIP")

        def background(bctrl=bctrl) -> object:
            return _core.Background(image, mask, None, 0, 0, bctrl, 1)

        cases.append(Case("background by size of the bins", f"{size} px", background, "64 px", allowed))
        if sep is None:
            continue

        def of_sep(size=size) -> object:
            return sep.Background(image, mask=masked, bw=size, bh=size)

        title = f"background of {size} px and that of sep"
        peers.append(Case(title, "sep", of_sep, "sep"))
        peers.append(Case(title, "evensky", background, "sep", 0.35))
    return cases + peers


def estimators(side: int) -> list[Case]:
    """Return meshes with all estimators, and whole backgrounds with their scatter beside those of sep."""
    image, mask, _ = scene(side)
    planes = as_planes(image)
    planes.mask = mask
    cases = []
    for size in (32, 64, 128):
        title = f"mesh of {size} px by estimators"
        for estimator, scatter in (
            ("mean", "std"),
            ("median", "std"),
            ("sextractor", "std"),
            ("mmm", "std"),
            ("biweight", "std"),
            ("mean", "mad"),
            ("mean", "biweight"),
            ("biweight", "biweight"),
        ):
            options = MeshOptions(size, size, estimator, scatter)

            def mesh(options: MeshOptions = options) -> object:
                return measure_mesh(planes, BAD, options, 1)

            cases.append(Case(title, f"{estimator}, {scatter}", mesh, "mean, std", 1.3))
    if sep is None:
        return cases
    masked = mask & BAD != 0
    level, scatter_image = (np.empty(image.shape, np.float32) for _ in range(2))

    def whole() -> None:
        mesh = measure_mesh(planes, BAD, MeshOptions(128, 128, "sextractor"), 1)
        mesh.fill(100.0, 1)
        mesh.filter(3, 3, None, 1)
        for write, out in ((mesh.get_image, level), (mesh.get_rms_image, scatter_image)):
            write(out, (0, 0, side, side), afwMath.Interpolate.Style.AKIMA_SPLINE, afwMath.REDUCE_INTERP_ORDER, 1)

    def whole_of_sep() -> None:
        background = sep.Background(image, mask=masked, bw=128, bh=128)
        background.back(dtype=np.float32)
        background.rms(dtype=np.float32)

    title = "background and scatter of 128 px, filtered, and those of sep"
    cases += [Case(title, "sep", whole_of_sep, "sep"), Case(title, "evensky", whole, "sep", 0.3)]
    return cases


def lines(side: int) -> list[Case]:
    """Return clipped statistics of columns and rows of many lengths."""
    pixels = scene(side)[0].ravel()
    cases = []
    for length, allowed in ((20, 1.0), (256, 1.0), (512, 1.3), (1024, 1.6), (4096, 2.5), (16384, 2.5)):
        some = pixels[: pixels.size // length * length]
        for name, call, values in (
            ("columns", _core.clippedStatsOfColumns, some.reshape(length, -1)),
            ("rows", _core.clippedStatsOfRows, some.reshape(-1, length)),
        ):

            def clip(call=call, values=values) -> object:
                return call(values, 3.0, 3.0, 5, "median", "std", 0.0, 1)

            cases.append(Case(f"clipped {name} by length", f"{length}", clip, "256", allowed))
    return cases


TABLES: dict[str, Callable[[int], list[Case]]] = {
    "types": types,
    "bins": bins,
    "estimators": estimators,
    "lines": lines,
}


def measure(cases: list[Case], turns: int) -> None:
    """Time all cases in turn, each directly after the one that it is compared with."""
    bases = {(case.table, case.name): case for case in cases}
    for _ in range(turns):
        for case in cases:
            base = bases[case.table, case.of]
            before = base.run()
            case.ratios.append(case.run() / before if case is not base else 1.0)


def report(cases: list[Case]) -> list[dict[str, object]]:
    """Print the times of all cases, and return them."""
    rows: list[dict[str, object]] = []
    table = ""
    for case in cases:
        if case.table != table:
            table = case.table
            print(f"\n{table:<48} {'ms':>8} {'ratio':>6} {'allowed':>8}")
        ratio = statistics.median(case.ratios)
        note = "" if ratio <= case.allowed else "  <- too slow"
        print(f"  {case.name:<46} {case.milliseconds:8.1f} {ratio:6.2f} {case.allowed:8.2f}{note}")
        rows.append(
            {"table": table, "case": case.name, "ms": case.milliseconds, "ratio": ratio, "allowed": case.allowed}
        )
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4096, help="width and height of the image")
    parser.add_argument("--turns", type=int, default=5, help="number of turns")
    parser.add_argument("--only", choices=sorted(TABLES), nargs="+", default=sorted(TABLES), help="tables to print")
    parser.add_argument("--json", help="file for the figures")
    args = parser.parse_args()
    print(f"{args.side} x {args.side} px, one thread, {_core.simd_level()}")
    rows: list[dict[str, object]] = []
    for name in args.only:
        cases = TABLES[name](args.side)
        measure(cases, args.turns)
        rows += report(cases)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"side": args.side, "simd": _core.simd_level(), "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
