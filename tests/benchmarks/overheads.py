"""Overheads of calls that do not depend on the size of data: small arrays, small exposures, and the import."""

from __future__ import annotations

import timeit

import numpy as np
import workloads

import evensky.image as afwImage
import evensky.math as afwMath
from evensky import _core
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask


def _microseconds(work: workloads.Work, number: int) -> float:
    """Return the microseconds of one call in the fastest of five series."""
    return 1e6 * min(timeit.repeat(work, number=number, repeat=5)) / number


def small_calls() -> dict[str, float]:
    """Return the microseconds of calls on 10 x 10 pixels, minus those of a minimal call of the extension."""
    small = np.random.default_rng(1).normal(0, 1, (10, 10)).astype(np.float32)
    bare = _microseconds(_core.get_num_threads, 100_000)
    return {
        "makeStatistics of 10 x 10, MEAN": _microseconds(lambda: afwMath.makeStatistics(small, afwMath.MEAN), 20_000)
        - bare,
        "makeStatistics of 10 x 10, MEANCLIP": _microseconds(
            lambda: afwMath.makeStatistics(small, afwMath.MEANCLIP), 20_000
        )
        - bare,
    }


def small_backgrounds() -> dict[str, tuple[float, float]]:
    """Return the microseconds of a background and its image of few pixels, and of the core's part of that."""
    result = {}
    for side, bins in ((64, 4), (128, 6)):
        image = afwImage.ImageF(np.random.default_rng(1).normal(0, 1, (side, side)).astype(np.float32))
        control = afwMath.BackgroundControl("AKIMA_SPLINE", bins, bins, "REDUCE_INTERP_ORDER")

        def ours(image: afwImage.ImageF = image, control: afwMath.BackgroundControl = control) -> None:
            afwMath.makeBackground(image, control, num_threads=1).getImageF(num_threads=1)

        def core(image: afwImage.ImageF = image, control: afwMath.BackgroundControl = control) -> None:
            background = _core.Background(image.array, None, None, 0, 0, control, 1)
            out = np.empty(image.array.shape, np.float32)
            background.get_image(out, (0, 0, out.shape[1], out.shape[0]), None, None, 1)

        result[f"background of {side} x {side} in {bins} x {bins} bins, and its image"] = (
            _microseconds(ours, 1000),
            _microseconds(core, 1000),
        )
    return result


def task_overhead() -> float:
    """Return the milliseconds of matching a pair of tiny exposures."""
    config = MatchBackgroundsConfig()
    config.update(binSize=8)
    task = MatchBackgroundsTask(config)
    rng = np.random.default_rng(1)
    exposures = []
    for _ in range(2):
        exposure = afwImage.ExposureF(40, 40)
        exposure.maskedImage.image.array[...] = rng.normal(0, 1, (40, 40))
        exposure.maskedImage.variance.array[...] = 1.0
        exposures.append(exposure)
    return 1e-3 * _microseconds(lambda: task.matchBackgrounds(*exposures), 200)


def import_time(modules: str, repeats: int) -> float:
    """Return the median of the seconds that an import takes in a new process, including all that it imports."""
    code = f"import time; start = time.perf_counter(); import {modules}; print(time.perf_counter() - start)"
    return float(np.median([float(workloads.in_new_process(code)) for _ in range(repeats)]))
