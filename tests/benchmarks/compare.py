"""Time evensky beside its peers, in one process, taking turns. Usage: python tests/benchmarks/compare.py [repeats]

Peers that are not installed are left out: pip install sep. One thread, 4096 x 4096 float32, 5% masked, 0.1% NaN.
Figures move between machines; what counts is the ratio within one run.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np

import evensky
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask

SIDE = 4096
Work = Callable[[], object]


def standard_image(seed: int = 42) -> tuple[np.ndarray, np.ndarray]:
    """A sky gradient with noise of 10 counts and 2000 stars, and a mask of 5%, half of it bright."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE - 0.5
    image = 1000 + 60 * u + 40 * v + 30 * u * v - 50 * (u * u + v * v) + rng.normal(0, 10, u.shape).astype(np.float32)
    y, x = np.mgrid[-20:21, -20:21]
    star = np.exp(-0.5 * (x**2 + y**2) / 1.7**2) / (2 * np.pi * 1.7**2)
    for cx, cy in rng.integers(20, SIDE - 21, (2000, 2)):
        image[cy - 20 : cy + 21, cx - 20 : cx + 21] += (10 ** rng.uniform(3.5, 6) * star).astype(np.float32)
    mask = rng.random(image.shape) < 0.05
    image[mask & (rng.random(image.shape) < 0.5)] += 3000
    image[rng.random(image.shape) < 0.001] = np.nan
    return image, mask


def median_times(works: dict[str, Work], repeats: int) -> dict[str, tuple[float, float]]:
    """Median and spread (ms) of each, run in turns."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if turn > 0:  # the first turn warms up
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: (float(np.median(all_)), float(np.ptp(all_))) for name, all_ in times.items()}


def rows(image: np.ndarray, mask: np.ndarray) -> list[tuple[str, dict[str, Work]]]:
    """What is timed: a title, and who does it; the first is ours."""
    try:
        import sep
    except ImportError:
        sep = None
    bad = mask | np.isnan(image)
    clean = np.where(np.isnan(image), 0, image).astype(np.float32)
    masked = afwImage.MaskedImageF(afwImage.ImageF(image), afwImage.Mask(mask.astype(np.int32)))
    masked.variance.set(100.0)
    sctrl = afwMath.StatisticsControl(andMask=1)
    clipped = afwMath.MEANCLIP | afwMath.STDEVCLIP | afwMath.MEDIAN | afwMath.NPOINT
    found: list[tuple[str, dict[str, Work]]] = [
        (
            "full frame, MEANCLIP + STDEVCLIP + MEDIAN + NPOINT",
            {
                "evensky": lambda: afwMath.makeStatistics(masked, clipped, sctrl),
                "numpy nanmedian": lambda: np.nanmedian(image),
            },
        ),
        (
            "full frame, MEAN + STDEV + NPOINT",
            {
                "evensky": lambda: afwMath.makeStatistics(masked, afwMath.MEAN | afwMath.STDEV | afwMath.NPOINT, sctrl),
                "numpy sum": lambda: np.sum(image),
            },
        ),
    ]
    background = None
    for size in (64, 128, 256):
        bins = SIDE // size
        bctrl = afwMath.BackgroundControl("AKIMA_SPLINE", bins, bins, "THROW_EXCEPTION", sctrl, "MEANCLIP")
        works: dict[str, Work] = {"evensky": lambda c=bctrl: afwMath.makeBackground(masked, c).getImageF()}
        if sep is not None:
            works["sep"] = lambda b=size: sep.Background(clean, mask=bad, bw=b, bh=b).back(dtype=np.float32)
        found.append((f"background of {size} px bins and its full image", works))
        background = afwMath.makeBackground(masked, bctrl)
    assert background is not None
    fresh: Work = lambda: np.full((SIDE, SIDE), 1.0, np.float32)  # noqa: E731
    approximate = background.getApproximate(afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, 6))
    found.append(("Akima image, full frame", {"evensky": background.getImageF, "numpy full": fresh}))
    found.append(("Chebyshev image of order 6, full frame", {"evensky": approximate.getImage, "numpy full": fresh}))
    reference, science = afwImage.ExposureF(masked), afwImage.ExposureF(masked, True)
    for title, fields in (
        ("MEAN", {}),
        ("MEANCLIP", {"gridStatistic": "MEANCLIP"}),
        ("Chebyshev order 8", {"usePolynomial": True, "order": 8}),
    ):
        config = MatchBackgroundsConfig()
        config.update(**fields)
        task = MatchBackgroundsTask(config)
        works = {"evensky": lambda t=task: t.matchBackgrounds(reference, science)}
        if sep is not None:
            works["sep background"] = lambda: sep.Background(clean, mask=bad, bw=256, bh=256).back(dtype=np.float32)
        found.append((f"match a pair, {title}", works))
    return found


def main(repeats: int) -> None:
    machine = platform.processor() or platform.machine()
    print(f"evensky {evensky.__version__}, {machine}, numpy {np.__version__}, {evensky.simd_level()}, one thread")
    print(f"{'work':<52} {'ms':>8} {'spread':>8}   peer")
    for title, works in rows(*standard_image()):
        times = median_times(works, repeats)
        ours, spread = times.pop("evensky")
        peers = ", ".join(f"{name} {peer:.1f} ms, ratio {ours / peer:.2f}" for name, (peer, _) in times.items())
        print(f"{title:<52} {ours:8.1f} {spread:8.1f}   {peers}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
