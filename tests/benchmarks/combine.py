"""Time the combination of images in memory: ours beside numpy, astropy, bottleneck and ccdproc.

Usage: python tests/benchmarks/combine.py [--images 20] [--side 1024] [--repeat 5] [--peers]

Times are nanoseconds of the processor for a sample (pixel of an image), with one thread, the best of some runs in turn.
The floor is the time that reading the image, its mask and its variance once takes. EVENSKY_SIMD limits our instruction
set.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable

import numpy as np

import evensky.image as afwImage
import evensky.math as afwMath
from evensky._core import simd_level
from evensky.math.combine_planes import CombineOptions, combine_planes

BAD = 1


def scene(number: int, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images with cosmic rays, masks with 1 % bad pixels and 5 % of another bit, and variances."""
    rng = np.random.default_rng(1)
    image = rng.normal(100.0, 5.0, (number, side, side)).astype(np.float32)
    image[rng.random(image.shape, np.float32) < 0.001] += 500.0
    mask = (rng.random(image.shape, np.float32) < 0.01).astype(np.int32)
    mask[rng.random(image.shape, np.float32) < 0.05] |= 32
    variance = rng.uniform(20.0, 30.0, image.shape).astype(np.float32)
    return image, mask, variance


def ours(image: np.ndarray, mask: np.ndarray, variance: np.ndarray) -> dict[str, Callable[[], object]]:
    """Return the calls of ours by their names."""
    runs: dict[str, Callable[[], object]] = {}
    for name, options in {
        "clipped mean": CombineOptions(),
        "clipped mean, median and std": CombineOptions(centre="median"),
        "clipped mean, median and mad": CombineOptions(centre="median", scatter="mad"),
        "clipped mean, 1/variance": CombineOptions(by_variance=True),
        "median": CombineOptions("median"),
        "mean": CombineOptions("mean"),
        "mean, 1/variance": CombineOptions("mean", by_variance=True),
    }.items():
        runs[name] = lambda options=options: combine_planes(image, mask, variance, bad=BAD, options=options)
        if not options.by_variance:
            runs[f"{name}; no masks, no variances"] = lambda options=options: combine_planes(image, options=options)
    planes = zip(image, mask, variance, strict=True)
    images = [afwImage.MaskedImageF(afwImage.ImageF(i), afwImage.Mask(m), afwImage.ImageF(v)) for i, m, v in planes]
    sctrl = afwMath.StatisticsControl(3.0, 3, BAD)
    for flag in (afwMath.MEANCLIP, afwMath.MEDIAN, afwMath.MEAN):
        runs[f"statisticsStack {flag.name}"] = lambda flag=flag: afwMath.statisticsStack(images, flag, sctrl)
    return runs


def peers(image: np.ndarray, mask: np.ndarray) -> dict[str, Callable[[], object]]:
    """Return the calls of other packages by their names. Bad pixels are NaN, or masked for ccdproc."""
    from astropy.stats import sigma_clip

    bad = (mask & BAD) != 0
    holed = np.where(bad, np.float32(np.nan), image)
    runs: dict[str, Callable[[], object]] = {
        "numpy nanmean": lambda: np.nanmean(holed, axis=0),
        "numpy nanmedian": lambda: np.nanmedian(holed, axis=0),
        "astropy sigma_clip + nanmean": lambda: np.nanmean(sigma_clip(holed, axis=0, masked=False, maxiters=3), axis=0),
    }
    if importlib.util.find_spec("bottleneck"):
        import bottleneck

        runs["bottleneck nanmean"] = lambda: bottleneck.nanmean(holed, axis=0)
        runs["bottleneck nanmedian"] = lambda: bottleneck.nanmedian(holed, axis=0)
    if importlib.util.find_spec("ccdproc"):
        import ccdproc
        from astropy.nddata import CCDData

        frames = [CCDData(one, mask=other, unit="adu") for one, other in zip(image, bad, strict=True)]
        options = {"sigma_clip": True, "sigma_clip_low_thresh": 3, "sigma_clip_high_thresh": 3}
        runs["ccdproc combine, sigma clip"] = lambda: ccdproc.combine(frames, method="average", **options)
        runs["ccdproc combine, median"] = lambda: ccdproc.combine(frames, method="median")
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="time other packages too, once each")
    arguments = parser.parse_args()
    image, mask, variance = scene(arguments.images, arguments.side)
    planes = [plane.view(np.int64) for plane in (image, mask, variance)]

    def floor() -> None:
        for plane in planes:
            for one in plane:
                np.bitwise_or.reduce(one, axis=None)

    def timed(run: Callable[[], object]) -> float:
        start = time.process_time()
        run()
        return (time.process_time() - start) / image.size * 1e9

    runs = {"floor: all planes read once": floor, **ours(image, mask, variance)}
    best = dict.fromkeys(runs, np.inf)
    for _ in range(arguments.repeat):
        for name, run in runs.items():
            best[name] = min(best[name], timed(run))
    print(f"{arguments.images} images of {arguments.side} x {arguments.side}, {simd_level()}; ns a sample")
    for name, value in best.items():
        print(f"{value:8.2f}  {name}")
    if arguments.peers:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, run in peers(image, mask).items():
                print(f"{timed(run):8.2f}  {name}", flush=True)


if __name__ == "__main__":
    main()
