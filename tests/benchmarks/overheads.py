"""What a call costs whatever it is given: small arrays, small exposures, the import."""

from __future__ import annotations

import timeit

import numpy as np
import workloads

import evensky.image as afwImage
import evensky.math as afwMath
from evensky import _core
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask


def _microseconds(work: workloads.Work, number: int) -> float:
    """Of one call, the fastest of five series."""
    return 1e6 * min(timeit.repeat(work, number=number, repeat=5)) / number


def small_calls() -> dict[str, float]:
    """Microseconds of calls on 10 x 10 pixels, above what any call of the extension takes."""
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
    """Microseconds of a background and its image, of few pixels, and of the core's own work for the same."""
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
    """Milliseconds that matching a pair takes where there is next to nothing to match."""
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
    """Seconds that importing takes in a new process, with all that it imports: the median."""
    code = f"import time; start = time.perf_counter(); import {modules}; print(time.perf_counter() - start)"
    return float(np.median([float(workloads.in_new_process(code)) for _ in range(repeats)]))
