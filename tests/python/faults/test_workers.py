"""Workers that die or are stopped: one exposure fails, or the run ends and can be resumed."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from command import run as command
from damaged_tiles import CRASHED, crashing
from disturbed_runs import (
    NUMBER,
    VICTIM,
    assert_ended,
    assert_finishes,
    assert_tidy,
    failed,
    match,
    no_space,
    when_choosing,
    when_looking_at,
    when_matching,
)
from orphans import Trial, resume
from resuming import digests

from evensky.errors import FitsError
from evensky.simulate import make_exposures, write_exposures
from evensky.work.executors import Lane
from evensky.work.jobs import Jobs

# Warnings of astropy are not errors, as they are not for users.
pytestmark = pytest.mark.filterwarnings("ignore")


# Workers that die.


def test_a_worker_that_dies_while_matching_is_one_failure(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = [
        ValueError("of no use"),
        OSError(errno.EIO, os.strerror(errno.EIO)),
        RecursionError("maximum recursion depth exceeded"),
        MemoryError("no 5 GB left"),
        StopIteration("of two\nlines"),
        AssertionError("of mine"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    ]
    for number, error in enumerate(errors):
        out = tmp_path / str(number)
        with monkeypatch.context() as patch:

            def die(path: Path, error: Exception = error) -> None:
                raise error

            when_matching(patch, VICTIM, die)
            result = match(files, out, "-j", 1 + number % 2)
        assert_ended(result, 1)
        said = " ".join(str(error).split())
        ((label, message),) = failed(out).items()
        assert label == VICTIM
        if isinstance(error, MemoryError):
            assert message.startswith(f"the memory does not suffice ({said}); ")
        else:
            assert message == ("'" + said if said.startswith("'") else said)  # the table's rule for text that begins so
        assert len(digests(out)) == NUMBER - 1
        assert_tidy(out, whole)
    assert_finishes(files, out, whole)


class _SilentError(Exception):
    """An error without a message, as MemoryError often is."""


@pytest.mark.parametrize("kind", [MemoryError, _SilentError, AssertionError])
def test_failures_always_have_a_reason(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def die(path: Path) -> None:
        raise kind

    when_matching(monkeypatch, VICTIM, die)
    assert_ended(match(files, tmp_path), 1)
    assert ("the memory does not suffice; " if kind is MemoryError else kind.__name__) in failed(tmp_path)[VICTIM]


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit("no"), GeneratorExit("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("workers", [1, 2])
def test_base_exceptions_in_a_worker_are_one_failure(
    files: list[Path],
    whole: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    workers: int,
) -> None:
    def die(path: Path) -> None:
        raise error

    with monkeypatch.context() as patch:
        when_matching(patch, "demo_02", die)
        try:
            result = match(files, tmp_path, "-j", workers)
        except BaseException as raised:  # that click does not catch
            pytest.fail(repr(raised))
    assert_ended(result, 1)
    assert list(failed(tmp_path)) == ["demo_02"]
    assert len(digests(tmp_path)) == NUMBER - 1
    assert_finishes(files, tmp_path, whole)


def dying_measure(monkeypatch: pytest.MonkeyPatch, label: str, error: BaseException) -> None:
    def die() -> None:
        raise error

    when_looking_at(monkeypatch, label, die)


@pytest.mark.parametrize("error", [ValueError("of no use"), MemoryError(), RecursionError("too deep")])
def test_a_worker_that_dies_while_measuring(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    # It is not a candidate for the reference, but it can still be matched.
    dying_measure(monkeypatch, VICTIM, error)
    assert_ended(match(files, tmp_path, "-j", 2), 0)
    assert digests(tmp_path) == whole


def test_exit_while_measuring(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dying_measure(monkeypatch, VICTIM, SystemExit(0))
    assert_ended(match(files, tmp_path), 0, 1)
    assert len(digests(tmp_path)) >= NUMBER - 1


# Signals at inconvenient moments.


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_while_exposures_are_measured(
    files: list[Path], whole: dict[str, str], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    signal.alarm(120)  # as programs start
    script = (
        "import sys, time\n"
        "from evensky.cli import main\n"
        "from evensky.runs import method\n"
        "measure = method.measure_candidate\n"
        "def slow(*arguments):\n"
        "    print('measuring', file=sys.stdout, flush=True)\n"
        "    time.sleep(0.3)\n"
        "    return measure(*arguments)\n"
        "method.measure_candidate = slow\n"
        "main()\n"
    )
    args = [
        "match",
        *map(str, files),
        "--out",
        str(tmp_path),
        "--method",
        "reference",
        "-c",
        "binSize=32",
        "--no-report",
        "--quiet",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "measuring\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert errors.count("\n") == 1
    assert f"stopped by {number.name}" in errors
    assert_tidy(tmp_path, whole)
    assert_finishes(files, tmp_path, whole)


def test_no_threads_are_left(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die() -> None:
        raise no_space()

    before = threading.active_count()
    when_choosing(monkeypatch, die)
    match(files, tmp_path, "-j", 3)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


# The main process is killed: its workers end with it. `tests/faults/orphans.py` tries it at many more moments.


@pytest.mark.skipif(sys.platform != "linux", reason="workers are found in /proc")
@pytest.mark.parametrize(("pool", "outputs"), [("processes", 2), ("spawn", 1), ("fork", 3)])
def test_workers_end_with_the_main_process(
    files: list[Path], method_all: dict[str, str], tmp_path: Path, pool: str, outputs: int
) -> None:
    signal.alarm(180)  # the trial has limits of its own
    trial = Trial(pool, files, tmp_path / "out", outputs=outputs)
    assert trial.workers > 0
    assert trial.seconds < 2
    assert not trial.changed
    assert resume(files, tmp_path / "out") == method_all


@pytest.fixture(scope="module")
def method_all(originals: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return resume(originals, tmp_path_factory.mktemp("all"))


def test_a_job_that_fails_waits_for_those_that_run() -> None:
    begun, ended = threading.Event(), threading.Event()

    def job(number: int) -> None:
        if number == 0:
            begun.wait(10)
            raise FitsError("the disk is full")
        begun.set()
        time.sleep(0.2)
        ended.set()

    # The pool is the user's and stays open: the run must not leave jobs that go on writing.
    with ThreadPoolExecutor(2) as pool:
        jobs = Jobs(lambda broken: [Lane(pool, 2)], job, lambda key, error: None)
        with pytest.raises(FitsError, match="the disk is full"):
            dict(jobs.run((number, (number,)) for number in range(2)))
        assert ended.is_set()


@pytest.mark.parametrize(("executor", "method"), [("threads", "reference"), ("processes", "all")])
def test_tiles_that_crash_their_decoder_are_one_failure(tmp_path: Path, executor: str, method: str) -> None:
    folder = tmp_path / "compressed"
    folder.mkdir()
    files = write_exposures(make_exposures(3, (96, 80), seed=3), tmp_path)
    compressed = [folder / path.name for path in files]
    for path, target in zip(files, compressed, strict=True):
        with fits.open(path) as hdus:
            pixels = np.rint(8 * hdus[1].data).astype(np.int32)
        made = fits.CompImageHDU(pixels, compression_type="HCOMPRESS_1", tile_shape=(32, 40), hcomp_scale=4, name="SCI")
        fits.HDUList([fits.PrimaryHDU(), made]).writeto(target)
    compressed[1].write_bytes(crashing(compressed[1].read_bytes()))
    options = ["--method", method, "-c", "bin_size=16" if method == "all" else "binSize=32", "--no-report"]
    result = command("match", *compressed, "-o", tmp_path / "out", *options, "--executor", executor, "-j", 2)
    assert_ended(result, 1)
    (label,), (message,) = zip(*failed(tmp_path / "out").items(), strict=True)
    assert label == compressed[1].stem
    assert message.startswith(f"{compressed[1]}: HDU 'SCI' ")
    assert re.search(CRASHED, message)
    assert len(digests(tmp_path / "out")) == 2
