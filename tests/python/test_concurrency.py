"""Threads that share all objects, processes that fork, and Ctrl-C."""

from __future__ import annotations

import importlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from resuming import digests

import evensky
import evensky.math as afwMath
from evensky.image import ExposureF, MaskedImageF
from evensky.matching.joint.config import MatchAllConfig
from evensky.simulate import make_exposures, write_exposures
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


# Whole runs at once, in folders of their own.


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_exposures(make_exposures(3, (96, 80), seed=3), tmp_path_factory.mktemp("exposures"))


def configurations() -> tuple[MatchAllConfig, MatchBackgroundsConfig]:
    joint, pair = MatchAllConfig(), MatchBackgroundsConfig()
    joint.bin_size = 16
    pair.binSize = 32
    return joint, pair


def run_in(folder: Path, files: list[Path], config: Any, **more: Any) -> dict[str, str]:
    evensky.match_files(files, folder, config=config, **more)
    return digests(folder)


@pytest.fixture(scope="module")
def alone(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    return [run_in(tmp_path_factory.mktemp("alone"), files, config, report=False) for config in configurations()]


def test_runs_in_threads_do_not_disturb_each_other(
    files: list[Path], alone: list[dict[str, str]], tmp_path: Path
) -> None:
    shared = configurations()  # by all runs
    with ThreadPoolExecutor(6) as pool, ThreadPoolExecutor(3) as jobs:
        ways: list[dict[str, Any]] = [{}, {"report": False, "workers": 2}, {"report": False, "executor": jobs}]
        running = [
            pool.submit(run_in, tmp_path / str(number), files, shared[number % 2], **ways[number // 2 % 3])
            for number in range(12)
        ]
        for number, future in enumerate(running):
            assert future.result() == alone[number % 2], number
    assert all((tmp_path / str(number) / "report.html").stat().st_size > 10_000 for number in (0, 1, 6, 7))


def run_in_child(folder: Path, files: list[Path], expected: list[dict[str, str]]) -> None:
    joint, pair = configurations()
    assert run_in(folder / "joint", files, joint, report=False, workers=2) == expected[0]
    assert run_in(folder / "pair", files, pair, report=False, workers=2) == expected[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.skipif(sys.platform == "darwin", reason="forks cannot use the numerical libraries of macOS")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_runs_after_a_fork_of_threads_that_run(files: list[Path], alone: list[dict[str, str]], tmp_path: Path) -> None:
    done = threading.Event()

    def run_on(number: int) -> None:
        turn = 0
        while not done.is_set():
            run_in(tmp_path / f"{number}-{turn}", files, configurations()[turn % 2], report=False, workers=2)
            turn += 1

    context = multiprocessing.get_context("fork")
    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(run_on, number) for number in range(2)]
        try:
            for number in range(4):
                child = context.Process(target=run_in_child, args=(tmp_path / f"child{number}", files, alone))
                child.start()
                child.join(60)
                hangs = child.is_alive()
                child.kill()
                child.join()
                assert not hangs, "the child hangs"
                assert child.exitcode == 0
        finally:
            done.set()
        for other in others:
            other.result()


def fork_often(lock: Any) -> int:
    """Fork while another thread takes a lock again and again; return the number of children that could not take it."""
    done = threading.Event()

    def hold() -> None:
        while not done.is_set():
            with lock:
                time.sleep(0.0005)

    other = threading.Thread(target=hold)
    other.start()
    lost = 0
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                os._exit(0 if lock.acquire(timeout=0.5) else 1)
            lost += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        done.set()
        other.join()
    return lost


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    "name", ["evensky.image.mask._numbering", "evensky.shim._lock", "evensky.fits.quiet._warnings_lock"]
)
def test_locks_of_the_process_can_be_taken_after_a_fork(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert fork_often(getattr(importlib.import_module(module), attribute)) == 0


class SlowFile(io.BytesIO):
    """File whose pixels take a moment to read."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= 2880:
            time.sleep(0.002)
        return super().read(size)


def pixels_of(content: bytes, file: type[io.BytesIO] = io.BytesIO) -> float:
    with fits.open(file(content), memmap=False) as hdus:
        return float(hdus[0].data.sum())


class Slow:
    @cached_property
    def value(self) -> int:
        time.sleep(0.002)
        return 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["astropy", "own"])
def test_properties_can_be_read_after_a_fork(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    fits.PrimaryHDU(np.ones((20, 30))).writeto(file)
    module = ModuleType("evensky.slow")
    module.__dict__["Slow"] = Slow
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(Slow, "__module__", module.__name__)
    if kind == "astropy":
        slowly, quickly = lambda: pixels_of(file.getvalue(), SlowFile), lambda: pixels_of(file.getvalue()) == 600
    else:
        slowly, quickly = lambda: Slow().value, lambda: Slow().value == 3
    done = threading.Event()

    def read_on() -> None:
        while not done.is_set():
            slowly()

    other = threading.Thread(target=read_on)
    other.start()
    ends = []
    try:
        for _ in range(8):
            child = os.fork()
            if child == 0:
                signal.alarm(5)
                os._exit(0 if quickly() else 1)
            ends.append(os.waitpid(child, 0)[1])
    finally:
        done.set()
        other.join()
    assert ends == [0] * 8


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
