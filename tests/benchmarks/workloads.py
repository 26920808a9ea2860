"""Workloads of the benchmarks: images, the work of evensky and of its peers on them, and runs in turns.

Peers that are not installed are left out: pip install ".[bench]".
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np

import evensky
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.compat import sep as compat_sep
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask

try:
    import sep
except ImportError:
    sep = None
try:
    import astropy
    import astropy.stats as astropy_stats
    import photutils
    import photutils.background as photutils_background
except ImportError:
    astropy = photutils = photutils_background = astropy_stats = None

SIDE = 4096
Work = Callable[[], object]
OURS = "evensky"
CLIPPED = afwMath.MEANCLIP | afwMath.STDEVCLIP | afwMath.MEDIAN | afwMath.NPOINT
MOMENTS = afwMath.MEAN | afwMath.STDEV | afwMath.NPOINT


@dataclass
class Row:
    """Work of evensky, and that of the peer by whose time it is divided."""

    title: str
    works: dict[str, Work]
    aim: float  # ratio of evensky's time to the peer's
    slow: bool = False  # whether the peer takes seconds, so that there are fewer turns


def machine() -> str:
    """Return a line that describes the machine and the versions."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as info:
            name = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), name)
    peers = "".join(
        f", {module.__name__} {module.__version__}" for module in (sep, photutils, astropy) if module is not None
    )
    return (
        f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}, "
        f"evensky {evensky.__version__} with {evensky.simd_level()}{peers}"
    )


def standard_image(seed: int = 42) -> tuple[np.ndarray, np.ndarray]:
    """Make a sky gradient with noise of 10 counts and 2000 stars, 0.1% NaN, and a mask of 5%, half of it bright."""
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


def masked_image(image: np.ndarray, mask: np.ndarray) -> Any:
    """Make a masked image of an image and its mask, with a variance plane that varies with the sky."""
    result = afwImage.MaskedImageF(afwImage.ImageF(image), afwImage.Mask(mask.astype(np.int32)))
    result.variance.array[...] = np.where(np.isfinite(image), 0.1 * np.abs(image), 100.0)
    return result


def control() -> Any:
    return afwMath.StatisticsControl(andMask=1)


def background_control(image: np.ndarray, size: int) -> Any:
    ny, nx = (max(1, n // size) for n in image.shape)
    return afwMath.BackgroundControl("AKIMA_SPLINE", nx, ny, "THROW_EXCEPTION", control(), "MEANCLIP")


def tasks() -> dict[str, Any]:
    """Return the task with the three configurations that are measured."""
    found = {}
    for title, fields in (
        ("MEAN", {}),
        ("MEANCLIP", {"gridStatistic": "MEANCLIP"}),
        ("Chebyshev order 8", {"usePolynomial": True, "order": 8}),
    ):
        config = MatchBackgroundsConfig()
        config.update(**fields)
        found[title] = MatchBackgroundsTask(config)
    return found


def backgrounds(
    image: np.ndarray, mask: np.ndarray, size: int, masked: Any = None, peers: Collection[str] = ("sep", "photutils")
) -> dict[str, Work]:
    """Return the work of a background of bins of `size` pixels and its full image, for evensky and installed peers."""
    ours = masked_image(image, mask) if masked is None else masked
    bctrl = background_control(image, size)
    works: dict[str, Work] = {OURS: lambda: afwMath.makeBackground(ours, bctrl).getImageF()}
    if not peers:
        return works
    bad = mask | np.isnan(image)
    clean = np.where(np.isnan(image), 0, image).astype(np.float32)
    if sep is not None and "sep" in peers:
        works["sep"] = lambda: sep.Background(clean, mask=bad, bw=size, bh=size).back(dtype=np.float32)
    if photutils_background is not None and "photutils" in peers:
        clip = astropy_stats.SigmaClip(sigma=3, maxiters=3)
        # From version 3.1 on, photutils computes boxes with compiled code, in several threads by default.
        threads = {"n_threads": 1} if "n_threads" in signature(photutils_background.Background2D).parameters else {}
        works["photutils"] = lambda: (
            photutils_background.Background2D(clean, size, mask=bad, sigma_clip=clip, **threads).background
        )
    return works


def sep_backgrounds(image: np.ndarray, mask: np.ndarray, size: int) -> dict[str, Work]:
    """Return the work of sep's background with the images of level and noise, for evensky and sep."""
    bad = mask | np.isnan(image)
    clean = np.where(np.isnan(image), 0, image).astype(np.float32)

    def work(package: Any) -> None:
        background = package.Background(clean, mask=bad, bw=size, bh=size)
        background.back()
        background.rms()

    return {OURS: partial(work, compat_sep), "sep": partial(work, sep)}


def fresh(shape: tuple[int, int] = (SIDE, SIDE)) -> Work:
    """Return the work of writing an image into newly allocated memory."""
    return lambda: np.full(shape, 1.0, np.float32)


def rows(image: np.ndarray, mask: np.ndarray, masked: Any) -> list[Row]:
    """Return all work that is compared on one thread."""
    sctrl = control()
    clipped: Work = lambda: afwMath.makeStatistics(masked, CLIPPED, sctrl)  # noqa: E731
    found = [
        Row(
            "full frame, MEANCLIP + STDEVCLIP + MEDIAN + NPOINT",
            {OURS: clipped, "numpy nanmedian": lambda: np.nanmedian(image)},
            1.0,
        )
    ]
    if astropy_stats is not None:
        # astropy warns of NaN in each call.
        warnings.filterwarnings("ignore", message="Input data contains invalid values")
        found.append(
            Row(
                "the same",
                {
                    OURS: clipped,
                    "astropy sigma_clipped_stats": lambda: astropy_stats.sigma_clipped_stats(
                        image, mask=mask, sigma=3, maxiters=3
                    ),
                },
                1 / 20,
                slow=True,
            )
        )
    found.append(
        Row(
            "full frame, MEAN + STDEV + NPOINT",
            {OURS: lambda: afwMath.makeStatistics(masked, MOMENTS, sctrl), "numpy sum": lambda: np.sum(image)},
            3.0,
        )
    )
    for size in (64, 128, 256):
        works = backgrounds(image, mask, size, masked)
        title = f"background of {size} px bins and its full image"
        for peer, aim in (("sep", 1 / 4), ("photutils", 1 / 20)):
            if peer in works:
                found.append(Row(title, {OURS: works[OURS], peer: works[peer]}, aim, slow=peer == "photutils"))
    background = afwMath.makeBackground(masked, background_control(image, 128))
    chebyshev = background.getApproximate(afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, 6))
    found.append(Row("Akima image, full frame", {OURS: background.getImageF, "numpy full": fresh()}, 2.0))
    found.append(Row("Chebyshev image of order 6", {OURS: chebyshev.getImage, "numpy full": fresh()}, 2.0))
    if sep is not None:
        for size in (64, 128):
            title = f"evensky.compat.sep, {size} px boxes, two images"
            found.append(Row(title, sep_backgrounds(image, mask, size), 1 / 2))
        reference, science = afwImage.ExposureF(masked), afwImage.ExposureF(masked, True)
        peer = backgrounds(image, mask, 256, masked)["sep"]
        for title, task in tasks().items():
            ours = partial(task.matchBackgrounds, reference, science)
            found.append(Row(f"match a pair, {title}", {OURS: ours, "sep background": peer}, 0.7))
    return found


def two_threads(masked: Any) -> list[tuple[str, Work, Work | None]]:
    """Return work to time with one and two threads; if memory limits it, with work that moves as many bytes."""
    sctrl, side = control(), SIDE
    bctrl = background_control(masked.image.array, 128)
    background = afwMath.makeBackground(masked, bctrl)
    reference, science = afwImage.ExposureF(masked), afwImage.ExposureF(masked, True)
    task = tasks()["MEANCLIP"]
    planes = [masked.image.array, masked.mask.array]

    def in_halves(work: Callable[[slice], object]) -> None:
        threads = evensky.get_num_threads()
        parts = [slice(side * i // threads, side * (i + 1) // threads) for i in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, parts))

    def read() -> None:
        in_halves(lambda part: [plane[part].max() for plane in planes])

    def write() -> np.ndarray:
        out = np.empty((side, side), np.float32)
        in_halves(lambda part: out[part].fill(1.0))
        return out

    return [
        ("background of 128 px bins", lambda: afwMath.makeBackground(masked, bctrl), None),
        ("full frame, clipped", lambda: afwMath.makeStatistics(masked, CLIPPED, sctrl), None),
        ("match a pair, MEANCLIP", lambda: task.matchBackgrounds(reference, science), None),
        ("full frame, MEAN + STDEV + NPOINT", lambda: afwMath.makeStatistics(masked, MOMENTS, sctrl), read),
        ("Akima image, full frame", background.getImageF, write),
    ]


def with_threads(number: int, work: Work) -> Work:
    """Return work that sets the number of evensky's threads, and resets it to one afterwards."""

    def run() -> object:
        evensky.set_num_threads(number)
        try:
            return work()
        finally:
            evensky.set_num_threads(1)

    return run


def in_turns(works: dict[str, Work], repeats: int) -> dict[str, tuple[float, float]]:
    """Run all work in turns, and return the median and the spread (ms) of each."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            result = work()
            elapsed = time.perf_counter() - start
            del result
            if turn > 0:  # the first turn warms up
                times[name].append(1e3 * elapsed)
    return {name: (float(np.median(all_)), float(np.ptp(all_))) for name, all_ in times.items()}


def in_new_process(code: str, *arguments: str) -> str:
    """Run code in a new Python process, and return what it prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
