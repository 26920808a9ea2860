"""Threads that share all objects, processes that fork, and Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evensky
import evensky.math as afwMath
from evensky.image import ExposureF, MaskedImageF
from evensky.simulate import make_exposures
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask

THREADS = 8
FLAGS = afwMath.NPOINT | afwMath.MEAN | afwMath.MEDIAN | afwMath.MEANCLIP | afwMath.STDEVCLIP | afwMath.ERRORS
PROPERTIES = (afwMath.NPOINT, afwMath.MEAN, afwMath.MEDIAN, afwMath.MEANCLIP, afwMath.STDEVCLIP)


class Shared:
    """One object of each kind, and functions that use it."""

    def __init__(self) -> None:
        self.exposures: list[ExposureF] = [one.exposure for one in make_exposures(2, (300, 400), seed=4)]
        self.image: MaskedImageF = self.exposures[0].maskedImage
        self.sctrl = afwMath.StatisticsControl(3.0, 3, self.image.mask.getPlaneBitMask(["SAT", "BAD"]))
        self.bctrl = afwMath.BackgroundControl(
            afwMath.Interpolate.AKIMA_SPLINE, 12, 9, afwMath.REDUCE_INTERP_ORDER, self.sctrl, afwMath.MEANCLIP
        )
        self.background = afwMath.makeBackground(self.image, self.bctrl)
        self.actrl = afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, 5)
        self.approximate = self.background.getApproximate(self.actrl)
        knots = np.arange(50.0)
        self.interpolate = afwMath.makeInterpolate(knots, np.sin(knots))
        config = MatchBackgroundsConfig()
        config.binSize = 32
        self.task = MatchBackgroundsTask(config=config)

    def work(self, turn: int) -> tuple[bytes, ...]:
        """Return results as bytes; `turn` is the first step, so that threads do different steps at the same time."""
        kinds = (self.statistics, self.images, self.models, self.series, self.matched)
        results = {}
        for index in range(len(kinds)):
            kind = kinds[(index + turn) % len(kinds)]
            results[kind.__name__] = kind(1 + turn % 3)
        return tuple(results[kind.__name__] for kind in kinds)

    def statistics(self, num_threads: int) -> bytes:
        statistics = afwMath.makeStatistics(self.image, FLAGS, self.sctrl, num_threads=num_threads)
        return np.array([statistics.getResult(wanted) for wanted in PROPERTIES]).tobytes()

    def images(self, num_threads: int) -> bytes:
        background = afwMath.makeBackground(self.image, self.bctrl, num_threads=num_threads)
        return bytes(self.background.getImageF(num_threads=num_threads).array.tobytes()) + bytes(
            background.getStatsImage().image.array.tobytes()
        )

    def models(self, num_threads: int) -> bytes:
        made = self.background.getApproximate(self.actrl).getImage(num_threads=num_threads)
        return bytes(self.approximate.getImage(num_threads=num_threads).array.tobytes()) + bytes(made.array.tobytes())

    def series(self, _: int) -> bytes:
        return bytes(np.asarray(self.interpolate.interpolate(np.linspace(-3, 60, 1000))).tobytes())

    def matched(self, _: int) -> bytes:
        science: ExposureF = self.exposures[1].clone()
        struct = self.task.matchBackgrounds(self.exposures[0], science)
        return bytes(science.image.array.tobytes()) + np.array([struct.fitRMS, struct.matchedMSE]).tobytes()


def test_eight_threads_share_everything_and_get_the_same_bits() -> None:
    shared = Shared()
    alone = shared.work(0)
    with ThreadPoolExecutor(THREADS) as pool:
        for results in pool.map(shared.work, range(5 * THREADS)):
            assert results == alone


def test_controls_that_others_change_meanwhile_do_no_harm() -> None:
    # The result is undefined, but there must be one.
    shared = Shared()
    done = threading.Event()

    def change() -> None:
        order = 0
        while not done.is_set():
            order = (order + 1) % 9
            shared.actrl.setOrderX(order)
            shared.actrl.setOrderY(order)
            shared.bctrl.setStatisticsControl(afwMath.StatisticsControl(1.0 + order, 1 + order))
            shared.background.getBackgroundControl().setApproximateControl(
                afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, order)
            )
            shared.sctrl.setMaskPropagationThreshold(order, 0.1)

    others = [threading.Thread(target=change) for _ in range(2)]
    for other in others:
        other.start()
    try:
        for _ in range(60):
            assert np.isfinite(shared.background.getImageF().array).all()
            afwMath.makeBackground(shared.image, shared.bctrl)
            afwMath.makeStatistics(shared.image, FLAGS, shared.sctrl)
            # Between the two setters the orders differ, so that no fit is possible.
            with suppress(evensky.errors.InvalidParameterError):
                model = shared.background.getApproximate(shared.actrl)
                assert np.isfinite(model.getImage().array).all()
    finally:
        done.set()
        for other in others:
            other.join()


def work_in_child(connection: Any, shared: Shared) -> None:
    connection.send(shared.work(2))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forking_after_threads() -> None:
    shared = Shared()
    alone = shared.work(2)  # from three threads
    context = multiprocessing.get_context("fork")
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(shared.work, turn) for turn in range(6)]
        here, there = context.Pipe()
        child = context.Process(target=work_in_child, args=(there, shared))
        child.start()
        assert here.poll(60), "the child hangs"
        assert here.recv() == alone
        child.join()
        assert child.exitcode == 0
        assert all(future.result() == alone for future in running)


# Each call would take minutes: images of 168 billion pixels, all rows of which share the same memory.
ENDLESS = {
    "statistics": "afwMath.makeStatistics(rows(np.float32), afwMath.MEANCLIP)",
    "statistics of doubles": "afwMath.makeStatistics(rows(np.float64), afwMath.MEDIAN)",
    "by two threads": "afwMath.makeStatistics(rows(np.float32), afwMath.MEANCLIP, num_threads=2)",
    "one bin": "afwMath.makeBackground(rows(np.float32), afwMath.BackgroundControl(1, 1))",
    "bins by two threads": "afwMath.makeBackground(rows(np.float32), afwMath.BackgroundControl(9, 9), num_threads=2)",
    "a mask": "afwMath.makeStatistics(Mask(np.zeros((9, 9), np.int32)), afwMath.SUM) and endless_mask()",
    "a fit": "endless_fit()",
}
SCRIPT = """
import signal
import sys
import numpy as np
import evensky.math as afwMath
from evensky import _core
from evensky.image import Mask

def rows(dtype):
    return np.broadcast_to(np.random.default_rng(1).normal(1000, 10, 40000).astype(dtype), (2**22, 40000))

def endless_mask():
    _core.makeMaskStatistics(np.broadcast_to(np.zeros(40000, np.int32), (2**22, 40000)), int(afwMath.SUM))

def endless_fit():
    n = 2000
    grid = np.random.default_rng(1).normal(size=(n, n)).astype(np.float32)
    at = [float(i) for i in range(n)]
    control = afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, 30)
    _core.Approximate(at, at, grid, None, (0, 0, n, n), control)

# A shell that starts things in the background has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
print("begins", flush=True)
try:
    {work}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("work", ENDLESS)
def test_ctrl_c_ends_long_calls(work: str, tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(SCRIPT.format(work=ENDLESS[work]))
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begins\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.4)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert said == "interrupted\n"
    assert process.returncode == 0
