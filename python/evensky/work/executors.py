"""Jobs on threads, processes or clusters, run by any `concurrent.futures.Executor`."""

from __future__ import annotations

__all__ = ["EXECUTORS", "Job", "Jobs", "Lane", "OpenExecutor", "Renew", "open_executor"]

import importlib
import io
import logging
import math
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures import BrokenExecutor as BrokenExecutorError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from multiprocessing import resource_tracker
from pkgutil import resolve_name
from typing import Any, Generic, TypeVar

from .._core import __version__
from ..errors import InvalidParameterError, TaskError
from .parent import end_with_parent

log = logging.getLogger("evensky")

EXECUTORS = ("threads", "processes", "dask", "dask:ADDRESS", "mpi")
"""Names of executors: threads or processes of this machine, a Dask cluster (a local one, or the one whose scheduler is
at ADDRESS), or the processes that ``mpiexec`` has started."""


@dataclass(frozen=True, eq=False)
class Lane:
    """Executor, or a part of one, that does a part of the jobs.

    Processes and the workers of a cluster that are started here are lanes of their own, as neighbouring jobs use the
    same pixels.

    Attributes
    ----------
    executor : concurrent.futures.Executor
    workers : int or None
        Number of jobs that it does at a time; None if that is not known.
    """

    executor: Executor
    workers: int | None


Renew = Callable[[Lane | None], Sequence[Lane]]
"""Function that returns the lanes to use; given a broken one of them, it puts another in its place and returns all."""

# Where workers find the version of their evensky.
_VERSION = "evensky._core:__version__"

Job = tuple[int, tuple[Any, ...]]
"""Key of a job, and the arguments of its function."""

_Result = TypeVar("_Result")


def _begin_worker(imports: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The thread that submits the jobs starts the workers and closes the pool, so that it lives longer than they.
    end_with_parent(at_once=True)
    _import_all(imports)


def _import_all(modules: Sequence[str]) -> None:
    for name in modules:
        importlib.import_module(name)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put signals off until the block ends; a pool that was left half-way through a start would never shut down."""
    came: list[int] = []
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # it alone runs handlers
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)
        for caught in came:
            signal.raise_signal(caught)


class _Processes(ProcessPoolExecutor):
    """Pool of processes that Ctrl-C does not reach, even while they start; the main process decides what to do."""

    def submit(self, function: Callable[..., _Result], /, *arguments: Any, **options: Any) -> Future[_Result]:
        # A process inherits the signals that are blocked. Starting the tracker would unblock them.
        resource_tracker.ensure_running()
        with _uninterrupted():
            before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            try:
                return super().submit(function, *arguments, **options)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _processes(workers: int, imports: Sequence[str] = ()) -> ProcessPoolExecutor:
    # Not forked: a fork of a process with threads may hold locks that are never released.
    context = multiprocessing.get_context("spawn")
    return _Processes(workers, mp_context=context, initializer=_begin_worker, initargs=(tuple(imports),))


def _extra(name: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InvalidParameterError(
            f"executor is {name!r}, which needs another package ({error}): pip install 'evensky[{name}]'"
        ) from error


class OpenExecutor:
    """An executor that is in use; see `open_executor`.

    Parameters
    ----------
    executor, workers, imports
        As in `open_executor`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `executor` is neither an executor nor one of `EXECUTORS`, or there are no workers.
    """

    def __init__(self, executor: Executor | str | None, workers: int, imports: Sequence[str]) -> None:
        if workers < 1:
            raise InvalidParameterError(f"workers = {workers}; it must be at least 1")
        self._workers = workers
        self._given = executor if isinstance(executor, Executor) else None
        self._imports = tuple(imports)
        self._address = ""
        self._lanes: list[Lane] = []
        self._client: Any = None
        self._begun: Future[list[Lane]] | None = None
        self._ending: Future[None] | None = None
        self._preparing: list[Future[None]] = []
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="evensky workers")
        self._make: Callable[[], list[Lane]]
        if self._given is not None:
            self._make = self._make_given
        elif executor is None or executor == "threads":
            self._make = self._make_threads
        elif executor == "processes":
            self._make = self._make_processes
        elif executor == "mpi":
            self._make = self._make_mpi
        elif isinstance(executor, str) and executor.partition(":")[0] == "dask":
            self._address = executor.partition(":")[2]
            self._make = self._make_dask
        else:
            raise InvalidParameterError(
                f"executor is {executor!r}; it must be one of {', '.join(EXECUTORS)}, or a concurrent.futures.Executor"
            )

    def begin(self) -> None:
        """Begin to start worker processes, and return before they are there."""
        if self._make == self._make_processes:
            # In this thread, with which they end.
            for lane in self.renew(None):
                lane.executor.submit(os.getpid)
        elif self._make == self._make_dask:
            # The processes are started by a thread of Dask, which lives as long as the cluster.
            self._begun = self._aside.submit(self._make)

    def renew(self, broken: Lane | None) -> list[Lane]:
        """Return the lanes; given a broken one, replace it, unless that was done before.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If a package is missing here, or evensky on the workers of a cluster.
        evensky.errors.TaskError
            If workers do not start, or a broken lane cannot be replaced.
        """
        if not self._lanes:
            begun, self._begun = self._begun, None
            lanes = self._make() if begun is None else begun.result()
            if self._is_users_cluster:
                # In this thread, which Ctrl-C interrupts: workers of a cluster may be long in coming.
                _check_dask_worker(lanes[0].executor)
            self._lanes = lanes
        if broken in self._lanes:
            log.warning("A worker died; its job is repeated")
            self._lanes[self._lanes.index(broken)] = self._successor(broken)
        return list(self._lanes)

    @property
    def _is_users_cluster(self) -> bool:
        """Whether jobs go to a Dask cluster that was not started here."""
        return bool(self._address) or type(self._given).__module__.partition(".")[0] == "distributed"

    def prepare(self, modules: Sequence[str]) -> None:
        """Let worker processes that are started here import modules, while they would wait for jobs."""
        if self._make == self._make_processes or (self._make == self._make_dask and not self._address):
            for lane in self.renew(None):
                with suppress(BrokenExecutorError):  # which the next job will notice
                    # Dask gives up what nobody keeps.
                    self._preparing.append(lane.executor.submit(_import_all, tuple(modules)))

    def end(self) -> None:
        """Begin to close what was opened here, and return before worker processes have ended."""
        if self._make not in (self._make_processes, self._make_dask):
            self._close()
        elif self._ending is None:
            self._ending = self._aside.submit(self._close)

    def close(self) -> None:
        """Close what was opened here, and wait until its workers have ended."""
        try:
            self.end()
            if self._ending is not None:
                self._ending.result()
        finally:
            self._aside.shutdown()

    def _close(self) -> None:
        if self._begun is not None and self._begun.exception() is None:  # but never used
            self._lanes = self._begun.result()
        if self._client is not None:
            self._client.close()
            return
        own = [lane.executor for lane in self._lanes if lane.executor is not self._given]
        if len(own) == 1:
            # If the run was interrupted, waiting jobs do not start.
            own[0].shutdown(cancel_futures=True)
        elif own:
            with ThreadPoolExecutor(len(own)) as threads:
                for executor in own:
                    threads.submit(executor.shutdown, cancel_futures=True)

    def _make_threads(self) -> list[Lane]:
        return [Lane(ThreadPoolExecutor(self._workers, thread_name_prefix="evensky"), self._workers)]

    def _make_processes(self) -> list[Lane]:
        return [Lane(_processes(1, self._imports), 1) for _ in range(self._workers)]

    def _make_mpi(self) -> list[Lane]:
        return [Lane(_extra("mpi", "mpi4py.futures").MPIPoolExecutor(max_workers=self._workers), self._workers)]

    def _make_given(self) -> list[Lane]:
        assert self._given is not None
        number = getattr(self._given, "_max_workers", None)
        return [Lane(self._given, number if isinstance(number, int) else None)]

    def _make_dask(self) -> list[Lane]:
        distributed = _extra("dask", "dask.distributed")
        # Each job is done, even if it is equal to another.
        if self._address:  # workers may come and go
            self._client = self._client or distributed.Client(self._address)
            return [Lane(self._client.get_executor(pure=False), None)]
        self._client = _local_cluster(distributed, self._workers, self._imports)
        addresses = sorted(self._client.nthreads())
        if not addresses:
            raise TaskError(f"0 of {self._workers} workers of Dask have started; its messages say why")
        # A worker that died has a successor with another address.
        return [
            Lane(self._client.get_executor(workers=[address], allow_other_workers=True, pure=False), 1)
            for address in addresses
        ]

    def _successor(self, broken: Lane) -> Lane:
        """Return a new lane instead of a broken one; the caller of a run does not know that his own executor broke."""
        if isinstance(broken.executor, ProcessPoolExecutor) and broken.workers is not None:
            executor: Executor = _processes(broken.workers, self._imports)
        elif self._make == self._make_mpi:
            (lane,) = self._make()
            executor = lane.executor
        else:
            raise TaskError(
                f"{type(broken.executor).__name__}: is broken and cannot be replaced; pass a new executor and resume"
            )
        if broken.executor is not self._given:
            broken.executor.shutdown()
        return Lane(executor, broken.workers)


def _check_dask_worker(executor: Executor) -> None:
    """Ask one worker of a cluster for its evensky, and raise an error if it cannot do jobs.

    Dask would wait without end, as its workers leave the cluster when they receive a function that they cannot import.
    """
    asked = executor.submit(resolve_name, _VERSION)
    try:
        there = asked.result()
    except ImportError as error:
        raise InvalidParameterError(
            f"The workers of the Dask cluster cannot import evensky ({error}); install evensky {__version__} there"
        ) from error
    finally:
        asked.cancel()
    if there != __version__:
        raise InvalidParameterError(
            f"The workers of the Dask cluster have evensky {there}, and this process has {__version__}; install the "
            "same version"
        )


def _local_cluster(distributed: Any, workers: int, imports: Sequence[str]) -> Any:
    """Return a client of a new Dask cluster on this machine."""
    import dask

    # Dask makes workers give memory back to the system whenever 64 kB are free. Comparisons then take twice the
    # processor time, as they get the same memory again and again.
    key, left_out = "distributed.nanny.pre-spawn-environ", "MALLOC_TRIM_THRESHOLD_"
    environment = {name: value for name, value in dask.config.get(key, {}).items() if name != left_out}
    # Nobody looks at its profile of the workers, which takes 2 % of a processor each; so do the ticks of event loops.
    quiet = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "500ms"}
    with dask.config.set({key: environment, **quiet}):
        return distributed.Client(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            # Any free port: the usual one may be that of another run, which Dask would tell in a warning.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            preload=list(imports),
        )


@contextmanager
def open_executor(executor: Executor | str | None, workers: int, imports: Sequence[str] = ()) -> Iterator[OpenExecutor]:
    """Open an executor for the duration of a block.

    Its workers start when the first job needs them, or when ``begin`` is called. They end with the block at the latest;
    ``end`` lets them end while the block goes on.

    Parameters
    ----------
    executor : concurrent.futures.Executor, str or None
        An executor to use, which stays open, or one of `EXECUTORS`; threads by default.
    workers : int
        Number of workers of an executor that is opened here.
    imports : sequence of str, optional
        Modules that worker processes of this machine import when they start, so that their first jobs need not.

    Yields
    ------
    OpenExecutor
        Its method ``renew`` returns lanes for `Jobs`, and replaces a lane that is broken.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `executor` is neither an executor nor one of `EXECUTORS`, or there are no workers.
    """
    opened = OpenExecutor(executor, workers, imports)
    try:
        yield opened
    finally:
        opened.close()


# Bytes of the largest function that is kept pickled.
_MOST_PICKLED = 2**20
# A job for another process costs some milliseconds, so that short ones go together: as many as take this time in
# seconds, up to a number.
_BATCH_SECONDS, _MOST_IN_BATCH = 0.1, 16


class _Watched(Generic[_Result]):
    """A function whose process ends with the process that wants the result.

    It is pickled once for all jobs, and each process unpickles it once: its configuration takes longer than a small
    job. Dask's scheduler, which unpickles jobs, too, finds only bytes.
    """

    def __init__(self, wanted_by: int) -> None:
        self._wanted_by = wanted_by
        self._function: Callable[..., _Result] | None = None
        self._pickled: bytes | None = None
        end_with_parent(wanted_by)

    @classmethod
    def wanted_here(cls, function: Callable[..., _Result]) -> _Watched[_Result]:
        made = cls(os.getpid())
        made._function = function
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        if self._pickled is None:
            self._pickled = _pickled(self._function)
        state = {"_pickled": self._pickled} if self._pickled else {"_function": self._function}
        # Made before the function is unpickled, so that the watch begins before its modules are imported.
        return type(self), (self._wanted_by,), state

    def __call__(self, *arguments: Any) -> _Result:
        function = self._function
        if function is None:
            assert self._pickled is not None
            function = _unpickled(self._pickled)
        return function(*arguments)

    def batch(self, jobs: Sequence[Job]) -> _Batch[_Result]:
        """Do jobs until the time of a batch is over, or one raises an error; that of the first job is raised here."""
        start = time.perf_counter()
        results: list[_Result] = []
        for _, arguments in jobs:
            if results and time.perf_counter() - start >= _BATCH_SECONDS:
                break  # they take longer than those before them
            try:
                results.append(self(*arguments))
            except Exception:
                if not results:
                    raise
                break
        return _Batch(results, time.perf_counter() - start)


@dataclass(frozen=True)
class _Batch(Generic[_Result]):
    """Results of the first jobs of a batch, and the time in seconds that they took.

    They are those of all unless the time of a batch was over, or one raised an error.
    """

    results: list[_Result]
    seconds: float


class _Bounded(io.BytesIO):
    """Memory of a file that takes no more than a function that is kept pickled."""

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > _MOST_PICKLED:
            raise pickle.PicklingError("The function is too large to be kept pickled")
        return super().write(data)


def _pickled(function: Any) -> bytes:
    """Return a function as bytes; b"" if it is large, or if only the packages of clusters can pickle it."""
    memory = _Bounded()
    try:
        pickle.Pickler(memory, protocol=5).dump(function)  # which does not copy arrays
    except (pickle.PicklingError, AttributeError, TypeError):
        return b""
    found = memory.getvalue()
    return b"" if b"__main__" in found else found


@lru_cache(maxsize=1)
def _unpickled(pickled: bytes) -> Any:
    return pickle.loads(pickled)


_Running = dict[Future[_Batch[_Result]], tuple[int, Lane, list[Job]]]


class Jobs(Generic[_Result]):
    """Jobs, each a call of `function`; a job that is lost with its worker is repeated.

    No job is left when `run` ends, be it with an exception, and processes of `concurrent.futures` end with this one.

    Jobs are submitted a few at a time if the number of workers is known, and short ones to other processes in batches.
    Jobs that were running when a worker died are repeated one by one, at most twice, to find the one that kills its
    worker.

    Parameters
    ----------
    renew : callable
        Function that returns lanes, see `open_executor`. None runs the jobs one by one in the calling thread.
    function : callable
        Function that does a job. If the workers are processes, it and its arguments must be picklable.
    lost : callable
        Function that returns the result of a job that is given up, from its key and the error.
    finished : callable, optional
        Function that is called with the key and the result of each job as soon as it is done, from any thread. An
        exception that it raises ends the run.
    """

    def __init__(
        self,
        renew: Renew | None,
        function: Callable[..., _Result],
        lost: Callable[[int, BaseException], _Result],
        finished: Callable[[int, _Result], None] | None = None,
    ) -> None:
        self._renew = renew
        self._function = _Watched.wanted_here(function)
        self._lost = lost
        self._finished = finished
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self._reported: set[int] = set()

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[int, _Result]]:
        """Do jobs, and yield their keys and results in the order in which they finish."""
        if self._renew is None:
            for key, arguments in jobs:
                result = self._function(*arguments)
                if self._finished is not None:
                    self._finished(key, result)
                yield key, result
            return
        running: _Running[_Result] = {}
        try:
            yield from self._results(self._renew, list(jobs), running)
        finally:
            # The executor may be the caller's and stay open; what its workers have begun must not go on after the run.
            wait([future for future in running if not future.cancel()])

    def _results(self, renew: Renew, jobs: list[Job], running: _Running[_Result]) -> Iterator[tuple[int, _Result]]:
        lanes = renew(None)
        waiting = _Waiting(jobs, len(lanes))
        at_work = [0] * len(lanes)  # number of jobs in each lane
        suspects: deque[Job] = deque()
        alone = False
        deaths: Counter[int] = Counter()
        pace = _Pace(sum(lane.workers or 1 for lane in lanes))
        while waiting or suspects or running:
            if not running and not waiting and suspects:
                alone = True
            while suspects if alone else waiting:
                number = min(range(len(lanes)), key=at_work.__getitem__)
                if (alone and running) or at_work[number] >= _window(lanes, number, len(waiting)):
                    break
                if alone:
                    batch = [suspects.popleft()]
                else:
                    batch = [waiting.next_of(number) for _ in range(pace.size(lanes[number], len(waiting)))]
                try:
                    future = lanes[number].executor.submit(self._function.batch, batch)
                except BrokenExecutorError:
                    if alone:
                        suspects.extendleft(batch)
                    else:
                        waiting.put_back(number, batch)
                    lanes = renew(lanes[number])
                    continue
                running[future] = number, lanes[number], batch
                at_work[number] += 1
                future.add_done_callback(partial(self._report, batch))
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = {running[future][1] for future in done if isinstance(_loss(future), BrokenExecutorError)}
            if broken:  # all running jobs of these lanes are lost
                lost = [future for future, (_, lane, _) in running.items() if lane in broken]
                wait(lost)
                done.update(lost)
            for future in done:
                number, _, batch = running.pop(future)
                at_work[number] -= 1
                error = _loss(future)
                if error is None:
                    self._report(batch, future)
                    if self._failure is not None:
                        raise self._failure
                    found = future.result()
                    pace.note(found)
                    waiting.put_back(number, batch[len(found.results) :])
                    for (key, _), result in zip(batch, found.results, strict=False):
                        yield key, result
                    continue
                # A cluster that gives a job up has tried it several times; of a batch, another job may be to blame.
                for key, arguments in batch:
                    deaths[key] += alone
                    if deaths[key] == 2 or (len(batch) == 1 and not isinstance(error, BrokenExecutorError)):
                        given_up = self._lost(key, error)
                        if self._finished is not None:
                            self._finished(key, given_up)
                        yield key, given_up
                    else:
                        suspects.append((key, arguments))
            for lane in broken:
                lanes = renew(lane)

    def _report(self, batch: Sequence[Job], future: Future[_Batch[_Result]]) -> None:
        """Report finished jobs once, from the thread that did them or from the one that waits for them."""
        if self._finished is None or future.cancelled() or future.exception() is not None:
            return
        with self._lock:
            for (key, _), result in zip(batch, future.result().results, strict=False):
                if key in self._reported:
                    continue
                self._reported.add(key)
                try:
                    self._finished(key, result)
                except BaseException as error:  # raised by the thread that waits for results
                    self._failure = self._failure or error
                    return


class _Pace:
    """Number of jobs that go to a worker together."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._jobs = 0.0
        self._seconds = 0.0

    def note(self, batch: _Batch[Any]) -> None:
        """Note how long jobs have taken; the last ones count most."""
        self._jobs = 0.5 * self._jobs + len(batch.results)
        self._seconds = 0.5 * self._seconds + batch.seconds

    def size(self, lane: Lane, waiting: int) -> int:
        """Return the number of jobs of the next batch of a lane: one in threads, and at the end."""
        if isinstance(lane.executor, ThreadPoolExecutor) or not self._jobs:
            return 1
        fitting = _BATCH_SECONDS * self._jobs / max(self._seconds, 1e-9)
        return max(1, min(int(min(fitting, _MOST_IN_BATCH)), waiting // (4 * self._workers)))


class _Waiting:
    """Jobs that wait: a part of the list for each lane. A lane that has done its part takes from the others."""

    def __init__(self, jobs: Sequence[Job], lanes: int) -> None:
        ends = [len(jobs) * lane // lanes for lane in range(lanes + 1)]
        self._parts = [deque(jobs[start:end]) for start, end in pairwise(ends)]

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def next_of(self, lane: int) -> Job:
        """Take the next job for a lane; if its part is done, take the last job of the longest part."""
        if self._parts[lane]:
            return self._parts[lane].popleft()
        return max(self._parts, key=len).pop()

    def put_back(self, lane: int, jobs: Sequence[Job]) -> None:
        """Put jobs back as the next ones of a lane."""
        self._parts[lane].extendleft(reversed(jobs))


def _window(lanes: Sequence[Lane], number: int, waiting: int) -> float:
    """Return the number of jobs that a lane has at a time, enough to keep all its workers busy."""
    workers = lanes[number].workers
    if workers is None:
        return math.inf
    # One that is at work and one that follows at once; at the end, each goes to the lane that is free first.
    return 2 * workers if waiting >= len(lanes) else workers


def _loss(future: Future[Any]) -> BaseException | None:
    """Return the error of a job that was lost with its worker, or None; raise an error of the job itself."""
    try:
        error = future.exception()
    except CancelledError as cancelled:
        return cancelled
    if error is None:
        return None
    # Dask raises KilledWorker after several attempts.
    if isinstance(error, BrokenExecutorError) or type(error).__name__ == "KilledWorker":
        return error
    raise error
