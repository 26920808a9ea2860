"""Jobs on threads, processes and clusters: results do not depend on the executor, nor on workers that die."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fragile import Heavy, fragile, is_imported, process_of, square
from resuming import digests

from evensky import match_files, simulate
from evensky.errors import FitsError, InvalidParameterError, TaskError
from evensky.image import ExposureF
from evensky.io import write_exposure
from evensky.matching.joint.config import MatchAllConfig
from evensky.runs import files as runs_files
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask
from evensky.work import executors
from evensky.work.executors import Lane, open_executor
from evensky.work.jobs import Jobs, _pickled

NUMBER = 6


def config() -> MatchBackgroundsConfig:
    made = MatchBackgroundsConfig()
    made.binSize = 32
    return made


@pytest.fixture(scope="module", params=["all", "reference"])
def method(request: pytest.FixtureRequest) -> str:
    """Return a method; files are matched by both."""
    return str(request.param)


@pytest.fixture(scope="module")
def file_config(method: str) -> MatchAllConfig | MatchBackgroundsConfig:
    if method == "reference":
        return config()
    made = MatchAllConfig()
    made.bin_size = 16
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("exposures")
    made = simulate.make_exposures(NUMBER, (96, 80), seed=3)
    paths = [folder / f"e{index}.fits" for index in range(NUMBER)]
    for path, one in zip(paths, made, strict=True):
        write_exposure(one.exposure, path)
    return paths


@pytest.fixture(scope="module")
def whole(files: list[Path], file_config: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("whole")
    match_files(files, folder, config=file_config, report=False)
    return digests(folder)


def kill_a_child() -> None:
    children = multiprocessing.active_children()
    assert children
    assert children[0].pid is not None
    os.kill(children[0].pid, signal.SIGKILL)


class KillOnce:
    """Progress that kills a worker when a number of steps are done."""

    def __init__(self, kill: Callable[[], None], at: int) -> None:
        self.kill, self.at, self.killed = kill, at, False

    def __call__(self, label: str, done: int, steps: int) -> None:
        if done >= self.at and not self.killed:
            self.killed = True
            self.kill()


def test_processes_give_the_same_bytes(
    files: list[Path], whole: dict[str, str], file_config: Any, tmp_path: Path
) -> None:
    run = match_files(files, tmp_path, config=file_config, workers=2, executor="processes")
    assert digests(tmp_path) == whole
    assert [record.message for record in run.failed] == []
    # Workers return pictures.
    assert all(record.pixels is not None for record in run.records)
    assert (tmp_path / "report.html").exists()


def test_an_executor_of_the_users_stays_open(
    files: list[Path], whole: dict[str, str], file_config: Any, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(3) as pool:
        match_files(files, tmp_path, config=file_config, executor=pool, report=False)
        assert pool.submit(int, "3").result() == 3
    assert digests(tmp_path) == whole


# Worker processes take long to start: where the method makes no difference, files are matched by one of them.
@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize(
    ("method", "at"),
    [("all", 2), ("all", NUMBER + 2), ("all", 2 * NUMBER + 2), ("reference", NUMBER + 2)],
    ids=["measuring", "second", "third", "reference-second"],
    indirect=["method"],
)
def test_a_killed_worker_costs_a_retry(
    files: list[Path], whole: dict[str, str], file_config: Any, tmp_path: Path, at: int
) -> None:
    progress = KillOnce(kill_a_child, at)
    run = match_files(
        files, tmp_path, config=file_config, workers=2, executor="processes", report=False, progress=progress
    )
    assert progress.killed
    assert [record.message for record in run.failed] == []
    assert digests(tmp_path) == whole


@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize("method", ["reference"], indirect=True)
def test_a_pool_of_the_users_that_breaks_is_replaced(
    files: list[Path], whole: dict[str, str], file_config: Any, tmp_path: Path
) -> None:
    progress = KillOnce(kill_a_child, NUMBER + 2)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        run = match_files(files, tmp_path, config=file_config, executor=pool, report=False, progress=progress)
    assert progress.killed
    assert [record.message for record in run.failed] == []
    assert digests(tmp_path) == whole


@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize("method", ["all"], indirect=True)
def test_a_run_goes_on_with_another_executor(
    files: list[Path], whole: dict[str, str], file_config: Any, tmp_path: Path
) -> None:
    def stop(label: str, done: int, steps: int) -> None:
        if done == steps - NUMBER + 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        match_files(files, tmp_path, config=file_config, report=False, progress=stop)
    assert 0 < len(digests(tmp_path)) < NUMBER
    match_files(files, tmp_path, config=file_config, report=False, resume=True, workers=2, executor="processes")
    assert digests(tmp_path) == whole


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}], ids=["plain", "resume", "overwrite"])
def test_one_run_at_a_time_in_a_folder(
    files: list[Path], whole: dict[str, str], file_config: Any, tmp_path: Path, options: dict[str, bool]
) -> None:
    refusals = []

    def meanwhile(label: str, done: int, steps: int) -> None:
        if done == steps - NUMBER + 2:
            with pytest.raises(FitsError) as raised:
                match_files(files, tmp_path, config=file_config, report=False, **options)
            refusals.append(str(raised.value))

    match_files(files, tmp_path, config=file_config, report=False, progress=meanwhile)
    assert ["another run is at work in it" in refusal for refusal in refusals] == [True]
    assert digests(tmp_path) == whole


@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize("workers", [1, 3])
def test_only_the_job_that_kills_its_worker_is_lost(tmp_path: Path, workers: int) -> None:
    deadly, once = frozenset([2, 5]), frozenset([3])
    with open_executor("processes", workers) as opened:
        jobs = Jobs(opened.renew, fragile, lambda key, error: -key)
        results = dict(jobs.run((number, (number, tmp_path, deadly, once)) for number in range(8)))
    assert results == {number: -number if number in deadly else number * number for number in range(8)}


def children(before: Iterable[Any] = ()) -> set[Any]:
    """Return the processes that this one has started and that run, but for some."""
    return set(multiprocessing.active_children()) - set(before)


@pytest.mark.usefixtures("warm_workers")
def test_neighbouring_jobs_go_to_one_process() -> None:
    """A process that has done its part of the jobs takes the last ones of another part."""
    before = children()
    with open_executor("processes", 2) as opened:
        opened.begin()
        begun = children(before)
        jobs = Jobs(opened.renew, process_of, lambda key, error: 0)
        dict(jobs.run((key, (0.0,)) for key in range(2)))  # both have started
        even = dict(jobs.run((key, (0.2,)) for key in range(8)))
        uneven = dict(jobs.run((key, (1.5 if key == 0 else 0.0,)) for key in range(8)))
    assert {even[0], even[4]} == {one.pid for one in begun}
    assert (even[1], even[5]) == (even[0], even[4])
    assert [uneven[key] for key in (0, 3, 4)] == [even[0], even[4], even[4]]
    assert not begun & children()


def test_workers_start_when_they_are_asked_for_and_end_with_the_block(files: list[Path], tmp_path: Path) -> None:
    before = children()
    with open_executor("processes", 2) as opened:
        assert not children(before)
        opened.begin()
        assert len(children(before)) == 2
    assert not children(before)
    with pytest.raises(FitsError, match="there is no such file"):
        match_files(files, tmp_path, executor="processes", reference="nowhere.fits")
    assert not children(before)


@pytest.mark.usefixtures("warm_workers")
def test_the_end_of_workers_is_not_waited_for() -> None:
    before = children()
    with open_executor("processes", 1) as opened:
        (lane,) = opened.renew(None)
        last = lane.executor.submit(process_of, 0.5)
        while not last.running():
            pass
        opened.end()
        assert not last.done()
    assert last.done()
    assert not children(before)


@pytest.mark.usefixtures("warm_workers")
def test_the_function_of_all_jobs_is_pickled_once() -> None:
    """Its configuration took longer than a look at 512 x 512 pixels, in each process and for each job."""
    heavy = Heavy()
    with open_executor("processes", 1) as opened:
        jobs = Jobs(opened.renew, heavy, lambda key, error: (0, 0))
        assert dict(jobs.run((key, (key,)) for key in range(5))) == {key: (key * key, 1) for key in range(5)}
        assert heavy.pickled == 1
        again = Jobs(opened.renew, Heavy(), lambda key, error: (0, 0))  # the same to the last byte
        assert dict(again.run([(3, (3,)), (4, (4,))])) == {3: (9, 1), 4: (16, 1)}


def test_workers_import_what_they_need_while_they_wait() -> None:
    with open_executor("processes", 1) as opened:
        jobs = Jobs(opened.renew, is_imported, lambda key, error: False)
        assert dict(jobs.run([(0, ("colorsys",))])) == {0: False}
        opened.prepare(["colorsys"])
        assert dict(jobs.run([(0, ("colorsys",))])) == {0: True}
    with open_executor("threads", 1) as opened:
        opened.prepare(["this module is not there"])  # threads have what the main process has


# Its workers start as those of users do.
def test_a_death_costs_its_own_lane_alone() -> None:
    """All processes were started anew, and lost the pixels that they held."""
    with open_executor("processes", 2, ["evensky.runs.files"]) as opened:
        opened.begin()
        first, second = opened.renew(None)
        process = second.executor.submit(os.getpid).result()
        with pytest.raises(BrokenExecutor):
            first.executor.submit(os._exit, 1).result()
        new, same = opened.renew(first)
        assert same is second
        assert same.executor.submit(os.getpid).result() == process
        assert new.executor.submit(abs, -1).result() == 1
        assert opened.renew(first) == [new, second]  # which was replaced before


class Waits(ThreadPoolExecutor):
    """Executor that notes how many of its jobs are not done when another one comes."""

    def __init__(self) -> None:
        super().__init__(1)
        self.futures: list[Any] = []
        self.most = 0

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        future = super().submit(function, *arguments, **options)
        self.futures = [one for one in (*self.futures, future) if not one.done()]
        self.most = max(self.most, len(self.futures))
        return future


@pytest.mark.parametrize(("lanes", "workers", "most"), [(1, 1, 2), (2, 1, 2), (1, 3, 6), (1, None, 12)])
def test_lanes_have_a_few_jobs_at_a_time(lanes: int, workers: int | None, most: int) -> None:
    """The jobs of a cluster with one worker were all sent to it at once."""
    pools = [Waits() for _ in range(lanes)]
    # No job is done before as many as there can be are waiting.
    gate = threading.Event()
    threading.Timer(0.5, gate.set).start()
    jobs = Jobs(lambda broken: [Lane(pool, workers) for pool in pools], gate.wait, lambda key, error: False)
    assert dict(jobs.run((key, ()) for key in range(12))) == dict.fromkeys(range(12), True)
    assert [pool.most for pool in pools] == [most] * lanes


def test_no_workers() -> None:
    with (
        pytest.raises(InvalidParameterError, match="workers = 0; it must be at least 1"),
        open_executor("processes", 0),
    ):
        pass


def test_no_workers_of_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask.distributed")
    client = SimpleNamespace(nthreads=dict, close=lambda: None)
    monkeypatch.setattr(executors, "_local_cluster", lambda *given: client)
    with open_executor("dask", 2) as opened, pytest.raises(TaskError, match="0 of 2 workers of Dask have started"):
        opened.renew(None)


class KilledWorker(Exception):  # noqa: N818 - its name at Dask
    """Error of a job that has killed its worker several times."""


class Elsewhere(Executor):
    """Executor that is not one of threads, and whose batches with some jobs are lost."""

    def __init__(self, deadly: frozenset[int] = frozenset()) -> None:
        self.sizes: list[int] = []
        self.seconds: list[float] = []
        self.deadly = deadly

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        (jobs,) = arguments
        self.sizes.append(len(jobs))
        future: Future[Any] = Future()
        if self.deadly.intersection(key for key, _ in jobs):
            future.set_exception(KilledWorker())
            return future
        start = time.perf_counter()
        try:
            future.set_result(function(jobs))
        except ZeroDivisionError as error:
            future.set_exception(error)
        self.seconds.append(time.perf_counter() - start)
        return future


def test_short_jobs_go_in_batches() -> None:
    """A job of a Dask cluster costs some milliseconds in the scheduler and in the worker."""
    there = Elsewhere()
    squares = Jobs(lambda broken: [Lane(there, 1)], square, lambda key, error: -1)
    assert dict(squares.run((key, (key,)) for key in range(200))) == {key: key * key for key in range(200)}
    assert sum(there.sizes) == 200
    assert len(there.sizes) < 60
    assert there.sizes[0] == there.sizes[-1] == 1  # nothing is known of them, and all workers end together
    there.sizes.clear()
    long = Jobs(lambda broken: [Lane(there, 1)], process_of, lambda key, error: -1)
    assert len(dict(long.run((key, (0.11,)) for key in range(9)))) == 9
    assert there.sizes == [1] * 9


def test_a_function_with_pixels_is_not_copied() -> None:
    large = partial(square, np.ones(2**20))
    tracemalloc.start()
    try:
        assert _pickled(large) == b""
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert _pickled(partial(square, 3))


def test_long_jobs_that_follow_short_ones_do_not_go_in_batches() -> None:
    """Those of a resumed run that are done again came back, and were noted, many at a time."""
    there = Elsewhere()
    sleeps = Jobs(lambda broken: [Lane(there, 1)], time.sleep, lambda key, error: -1)
    done = dict(sleeps.run((key, (0.4 if 60 <= key < 64 else 0.0,)) for key in range(100)))
    assert done == dict.fromkeys(range(100))
    assert max(there.sizes) > 4
    assert max(there.seconds) < 0.8


def test_batches_of_a_pool_leave_jobs_for_all_its_workers() -> None:
    there = Elsewhere()
    squares = Jobs(lambda broken: [Lane(there, 8)], square, lambda key, error: -1)
    assert dict(squares.run((key, (key,)) for key in range(100))) == {key: key * key for key in range(100)}
    assert 1 < max(there.sizes) <= 3


def test_only_the_job_of_a_batch_that_is_to_blame_is_lost() -> None:
    there = Elsewhere(deadly=frozenset([77, 140]))
    squares = Jobs(lambda broken: [Lane(there, 1)], square, lambda key, error: -1)
    expected = {key: -1 if key in there.deadly else key * key for key in range(200)}
    assert dict(squares.run((key, (key,)) for key in range(200))) == expected


def test_jobs_before_the_one_that_fails_are_finished() -> None:
    finished: list[int] = []
    there = Elsewhere()
    jobs = Jobs(
        lambda broken: [Lane(there, 1)], divmod, lambda key, error: (0, 0), lambda key, result: finished.append(key)
    )
    with pytest.raises(ZeroDivisionError):
        dict(jobs.run((key, (1, key - 55)) for key in range(200)))
    assert max(there.sizes) > 1
    assert finished[:55] == list(range(55))
    assert 55 not in finished


def test_errors_of_a_job_are_raised(tmp_path: Path) -> None:
    with open_executor(None, 2) as opened, pytest.raises(ZeroDivisionError):
        dict(Jobs(opened.renew, divmod, lambda key, error: (0, 0)).run([(0, (1, 1)), (1, (1, 0))]))


def test_an_error_of_finished_ends_the_run() -> None:
    def finished(key: int, result: int) -> None:
        raise FitsError(f"disk full at {key}")

    with open_executor(None, 2) as opened, pytest.raises(FitsError, match="disk full at"):
        dict(Jobs(opened.renew, abs, lambda key, error: 0, finished).run((key, (key,)) for key in range(5)))


@pytest.mark.parametrize("executor", ["fibres", "", 3, object(), Path("processes"), Path("dask:host:8786")])
def test_executors_that_are_none(files: list[Path], tmp_path: Path, executor: Any) -> None:
    with pytest.raises(InvalidParameterError, match=r"executor is .*threads, processes, dask, dask:ADDRESS, mpi"):
        match_files(files, tmp_path / "out", config=config(), executor=executor)


def test_an_executor_whose_package_is_missing(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(InvalidParameterError, match=r"executor is 'dask'.*pip install 'evensky\[dask\]'"):
        match_files(files, tmp_path / "out", config=config(), executor="dask")


def test_a_broken_executor_that_cannot_be_replaced() -> None:
    class Strange(Executor):
        pass

    with open_executor(Strange(), 1) as opened:
        (lane,) = opened.renew(None)
        with pytest.raises(TaskError, match="Strange: is broken"):
            opened.renew(lane)


def as_numbers(struct: Any) -> list[Any]:
    if struct.backgroundModel is None:
        return [struct.isReference, struct.fitRMS]
    image = struct.backgroundModel.getImageF().array
    return [struct.isReference, struct.fitRMS, struct.matchedMSE, struct.diffImVar, image.tobytes(), struct.flags]


@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize(("executor", "polynomial"), [("threads", False), ("processes", True)])
def test_the_task_runs_on_any_executor(files: list[Path], executor: str, polynomial: bool) -> None:
    chosen = config()
    chosen.usePolynomial, chosen.order = polynomial, 2
    task = MatchBackgroundsTask(config=chosen)
    paths = [*files, files[0].with_name("nowhere.fits")]
    plain = task.run(paths, "x")
    other = task.run(paths, "x", executor=executor)
    if polynomial:
        for struct in (*plain.backgroundInfoList, *other.backgroundInfoList):
            if struct.backgroundModel is not None:
                struct.backgroundModel.getImageF = struct.backgroundModel.getImage
    assert [as_numbers(s) for s in other.backgroundInfoList] == [as_numbers(s) for s in plain.backgroundInfoList]
    assert plain.backgroundInfoList[-1].fitRMS is None


@pytest.mark.usefixtures("warm_workers")
def test_exposures_in_memory_go_to_processes_as_copies(files: list[Path]) -> None:
    exposures = [ExposureF.readFits(file) for file in files[:3]]
    before = [exposure.image.array.copy() for exposure in exposures]
    task = MatchBackgroundsTask(config=config())
    plain = task.run(exposures, "x")
    other = task.run(exposures, "x", executor="processes")
    assert [as_numbers(s) for s in other.backgroundInfoList] == [as_numbers(s) for s in plain.backgroundInfoList]
    for exposure, pixels in zip(exposures, before, strict=True):
        np.testing.assert_array_equal(exposure.image.array, pixels)


def test_results_can_be_pickled(files: list[Path]) -> None:
    struct = MatchBackgroundsTask(config=config()).run(files, "x")
    again = pickle.loads(pickle.dumps(struct))
    assert [as_numbers(s) for s in again.backgroundInfoList] == [as_numbers(s) for s in struct.backgroundInfoList]


@pytest.mark.parametrize(("method", "executor"), [("reference", "processes"), ("all", "fibres")], indirect=["method"])
def test_the_command_takes_it(
    files: list[Path], whole: dict[str, str], method: str, tmp_path: Path, executor: str
) -> None:
    command = [
        sys.executable,
        "-m",
        "evensky",
        "match",
        *map(str, files),
        "-o",
        str(tmp_path / "out"),
        "--method",
        method,
        "-c",
        "bin_size=16" if method == "all" else "binSize=32",
    ]
    run = subprocess.run(
        [*command, "--executor", executor, "-j", "2", "-q", "--no-report"], capture_output=True, text=True, check=False
    )
    if executor == "fibres":
        assert (run.returncode, run.stderr.count("\n")) == (2, 1)
        assert "executor is 'fibres'" in run.stderr
    else:
        assert (run.returncode, run.stderr) == (0, "")
        assert digests(tmp_path / "out") == whole


class Weighed(ThreadPoolExecutor):
    """Executor that notes the largest job, pickled as for another process."""

    def __init__(self) -> None:
        super().__init__(1)
        self.largest = 0

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        self.largest = max(self.largest, len(pickle.dumps((function, arguments))))
        return super().submit(function, *arguments, **options)


def test_jobs_do_not_grow_with_the_number_of_exposures(file_config: Any, tmp_path: Path) -> None:
    largest = []
    for number in (6, 24):
        folder = tmp_path / str(number)
        folder.mkdir()
        files = [folder / f"e{index}.fits" for index in range(number)]
        for path, one in zip(files, simulate.make_exposures(number, (64, 64), seed=3), strict=True):
            write_exposure(one.exposure, path)
        with Weighed() as pool:
            match_files(files, folder / "out", config=file_config, executor=pool, report=False)
        largest.append(pool.largest)
    # What all jobs have is shipped as often as there are jobs: if it grew with their number, the sum of it would with
    # its square. A few exposures more may be partners of one.
    assert largest[1] < 1.2 * largest[0]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    distributed = pytest.importorskip("dask.distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            processes=True,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # the usual port may be that of another run
        ) as cluster,
        distributed.Client(cluster) as made,
    ):
        yield made


def test_a_wait_for_workers_of_a_cluster_can_be_interrupted() -> None:
    distributed = pytest.importorskip("dask.distributed")
    options = {"dashboard_address": None, "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}}
    with (
        distributed.LocalCluster(n_workers=0, processes=False, **options) as cluster,
        open_executor(f"dask:{cluster.scheduler_address}", 1) as opened,
    ):
        opened.begin()
        # Processes in the background of a shell ignore it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT)).start()
            with pytest.raises(KeyboardInterrupt):
                opened.renew(None)
        finally:
            signal.signal(signal.SIGINT, before)


def test_dask(client: Any, files: list[Path], whole: dict[str, str], file_config: Any, tmp_path: Path) -> None:
    run = match_files(files, tmp_path, config=file_config, executor=client.get_executor(), report=False)
    assert [record.message for record in run.failed] == []
    assert digests(tmp_path) == whole


@pytest.mark.parametrize("method", ["all"], indirect=True)
def test_a_killed_dask_worker_costs_a_retry(
    client: Any, files: list[Path], whole: dict[str, str], file_config: Any, tmp_path: Path
) -> None:
    def kill() -> None:
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    progress = KillOnce(kill, NUMBER + 2)
    run = match_files(
        files, tmp_path, config=file_config, executor=client.get_executor(), report=False, progress=progress
    )
    assert progress.killed
    assert [record.message for record in run.failed] == []
    assert digests(tmp_path) == whole


@pytest.mark.parametrize("method", ["all"], indirect=True)
def test_a_dask_cluster_of_the_run(
    files: list[Path], whole: dict[str, str], file_config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask.distributed")
    import dask

    processes: set[int] = set()
    settings: set[str | None] = set()
    profiles: set[bool] = set()
    really_match = runs_files.match_exposures

    def matching(*arguments: Any, renew: Any, **options: Any) -> Any:
        equal_jobs = [(key, ()) for key in range(4)]
        processes.update(dict(Jobs(renew, os.getpid, lambda key, error: 0).run(equal_jobs)).values())
        asked = [(0, ("MALLOC_TRIM_THRESHOLD_",))]
        settings.update(dict(Jobs(renew, os.getenv, lambda key, error: None).run(asked)).values())
        asked = [(0, ("distributed.worker.profile.enabled",))]
        profiles.update(dict(Jobs(renew, dask.config.get, lambda key, error: True).run(asked)).values())
        return really_match(*arguments, renew=renew, **options)

    monkeypatch.setattr(runs_files, "match_exposures", matching)
    # Another cluster of this process has left it behind.
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    run = match_files(files, tmp_path, config=file_config, executor="dask", workers=2, report=False)
    assert [record.message for record in run.failed] == []
    assert digests(tmp_path) == whole
    # Two processes, whose memory is not given back to the system all the time, and which are not profiled.
    assert len(processes - {os.getpid()}) == 2
    assert settings == {None}
    assert profiles == {False}


def test_a_dask_cluster_without_evensky(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its jobs waited without end."""
    for executor in (client.get_executor(), f"dask:{client.scheduler.address}"):
        with open_executor(executor, 1) as opened:
            with monkeypatch.context() as patch:
                patch.setattr(executors, "_VERSION", "nowhere:__version__")
                with pytest.raises(InvalidParameterError, match=r"cannot import evensky \(No module named 'nowhere'\)"):
                    opened.renew(None)
            with monkeypatch.context() as patch:
                patch.setattr(executors, "__version__", "9.9")
                with pytest.raises(InvalidParameterError, match=r"have evensky .*, and this process has 9\.9"):
                    opened.renew(None)
            assert len(opened.renew(None)) == 1


def test_functions_that_workers_of_dask_cannot_import(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a module raise the error of their import; they waited without end. Local ones go as a whole."""
    nowhere = ModuleType("nowhere")
    exec("def double(number):\n    return 2 * number\n", nowhere.__dict__)
    monkeypatch.setitem(sys.modules, "nowhere", nowhere)
    with open_executor(client.get_executor(pure=False), 1) as opened:
        with pytest.raises(ModuleNotFoundError, match="nowhere"):
            dict(Jobs(opened.renew, nowhere.double, lambda key, error: 0).run([(0, (4,))]))
        local = Jobs(opened.renew, lambda number: 3 * number, lambda key, error: 0)
        assert dict(local.run([(0, (4,)), (1, (5,))])) == {0: 12, 1: 15}


@pytest.mark.parametrize("method", ["reference"], indirect=True)
def test_dask_by_address(
    client: Any, files: list[Path], whole: dict[str, str], file_config: Any, tmp_path: Path
) -> None:
    address = client.scheduler.address
    match_files(files, tmp_path, config=file_config, executor=f"dask:{address}", report=False)
    assert digests(tmp_path) == whole


@pytest.mark.parametrize("method", ["all"], indirect=True)
def test_mpi(files: list[Path], whole: dict[str, str], method: str, tmp_path: Path) -> None:
    pytest.importorskip("mpi4py")
    from shutil import which

    mpiexec = Path(sys.executable).with_name("mpiexec")
    found = str(mpiexec) if mpiexec.exists() else which("mpiexec")
    if found is None:
        pytest.skip("there is no mpiexec")
    settings = ["--method", method, "-c", "bin_size=16" if method == "all" else "binSize=32"]
    arguments = ["match", *map(str, files), "-o", str(tmp_path), *settings, "-q", "--no-report"]
    python = [sys.executable, "-m", "mpi4py.futures", "-m", "evensky"]
    command = [found, "-n", "3", *python, *arguments, "--executor", "mpi", "-j", "2"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    assert digests(tmp_path) == whole
