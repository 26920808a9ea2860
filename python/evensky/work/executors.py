"""Jobs on threads, processes or clusters, run by any `concurrent.futures.Executor`."""

from __future__ import annotations

__all__ = ["EXECUTORS", "Job", "Jobs", "Renew", "begin_executor", "open_executor"]

import importlib
import logging
import multiprocessing
import os
import signal
import threading
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
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import pairwise
from multiprocessing import resource_tracker
from typing import Any, Generic, TypeVar

from ..errors import InvalidParameterError, TaskError
from .parent import end_with_parent

log = logging.getLogger("evensky")

EXECUTORS = ("threads", "processes", "dask", "dask:ADDRESS", "mpi")
"""Names of executors: threads or processes of this machine, a Dask cluster (a local one, or the one whose scheduler is
at ADDRESS), or the processes that ``mpiexec`` has started."""

Renew = Callable[[Executor | None], Executor]
"""Function that returns an executor; given a broken one, it returns a new one."""

Job = tuple[int, tuple[Any, ...]]
"""Key of a job, and the arguments of its function."""

_Result = TypeVar("_Result")


def _begin_worker(imports: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The thread that submits the jobs starts the workers and closes the pool, so that it lives longer than they.
    end_with_parent(at_once=True)
    for name in imports:
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


class _Lanes(Executor):
    """Several executors with one worker each; `Jobs` sends neighbouring jobs to the same."""

    def __init__(self, lanes: Iterable[Executor]) -> None:
        self.lanes = list(lanes)
        self._max_workers = len(self.lanes)
        self._next = 0

    def submit(self, function: Callable[..., _Result], /, *arguments: Any, **options: Any) -> Future[_Result]:
        """Submit a job to one executor after the other."""
        self._next = (self._next + 1) % len(self.lanes)
        return self.lanes[self._next].submit(function, *arguments, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut all executors down at the same time."""
        with ThreadPoolExecutor(len(self.lanes)) as threads:
            for lane in self.lanes:
                threads.submit(lane.shutdown, wait, cancel_futures=cancel_futures)


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


class _Pools:
    """The executors of a run: the one in use, those that broke before it, and their Dask clients.

    Parameters
    ----------
    executor : concurrent.futures.Executor, str or None
    workers : int
    imports : sequence of str
        Modules that worker processes import when they start, so that their first jobs need not.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `executor` is neither an executor nor one of `EXECUTORS`.
    """

    def __init__(self, executor: Executor | str | None, workers: int, imports: Sequence[str] = ()) -> None:
        self.workers = workers
        self._given = executor if isinstance(executor, Executor) else None
        self._imports = tuple(imports)
        self._address = ""
        self._pools: list[Executor] = []  # the last one is in use
        self._clients: list[Any] = []
        self._begun: Future[Executor] | None = None
        self._ending: Future[None] | None = None
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="evensky workers")
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
            self._pools.append(self._make())
            for lane in _lanes_of(self._pools[-1]):
                lane.submit(os.getpid)
        elif self._make == self._make_dask:
            # The processes are started by a thread of Dask, which lives as long as the cluster.
            self._begun = self._aside.submit(self._make)

    def renew(self, broken: Executor | None) -> Executor:
        """Return the executor; given a broken one, return a new one."""
        if broken is not None:
            log.warning("A worker died; its job is repeated")
        if self._begun is not None:
            begun, self._begun = self._begun, None
            self._pools.append(begun.result())
        if not self._pools or broken is self._pools[-1]:
            if isinstance(broken, _Lanes):
                broken.shutdown()  # so that processes that have not died hold no pixels
            self._pools.append(self._make())
        return self._pools[-1]

    def end(self) -> None:
        """Begin to close all executors that were made here, and return before worker processes have ended."""
        if self._make in (self._make_processes, self._make_dask):
            self._ending = self._aside.submit(self._close)
        else:
            self._close()

    def close(self) -> None:
        """Close all executors that were made here, and wait until their workers have ended."""
        try:
            if self._ending is None:
                self.end()
            if self._ending is not None:
                self._ending.result()
        finally:
            self._aside.shutdown()

    def _close(self) -> None:
        if self._begun is not None and self._begun.exception() is None:  # but never used
            self._pools.append(self._begun.result())
        while self._pools:
            pool = self._pools.pop()
            if pool is not self._given and not self._clients:
                # If the run was interrupted, waiting jobs do not start.
                pool.shutdown(cancel_futures=True)
        while self._clients:
            self._clients.pop().close()

    def _make_threads(self) -> Executor:
        return ThreadPoolExecutor(self.workers, thread_name_prefix="evensky")

    def _make_processes(self) -> Executor:
        return _Lanes(_processes(1, self._imports) for _ in range(self.workers))

    def _make_mpi(self) -> Executor:
        pool: Executor = _extra("mpi", "mpi4py.futures").MPIPoolExecutor(max_workers=self.workers)
        return pool

    def _make_given(self) -> Executor:
        assert self._given is not None
        if not self._pools:
            return self._given
        number = getattr(self._given, "_max_workers", None)
        if not isinstance(self._given, ProcessPoolExecutor) or not isinstance(number, int):
            raise TaskError(
                f"{type(self._given).__name__}: is broken and cannot be replaced; pass a new executor and resume"
            )
        # The caller owns it and does not know that it broke: a pool of the same kind replaces it.
        return _processes(number)

    def _make_dask(self) -> Executor:
        distributed = _extra("dask", "dask.distributed")
        # Each job is done, even if it is equal to another.
        if self._address:  # workers may come and go
            client = distributed.Client(self._address)
            self._clients.append(client)
            pool: Executor = client.get_executor(pure=False)
            return pool
        client = _local_cluster(distributed, self.workers, self._imports)
        self._clients.append(client)
        # A worker that died has a successor with another address.
        return _Lanes(
            client.get_executor(workers=[address], allow_other_workers=True, pure=False)
            for address in sorted(client.nthreads())
        )


def _local_cluster(distributed: Any, workers: int, imports: Sequence[str]) -> Any:
    """Return a client of a new Dask cluster on this machine."""
    import dask

    # Dask makes workers give memory back to the system whenever 64 kB are free. Comparisons then take twice the
    # processor time, as they get the same memory again and again.
    key, left_out = "distributed.nanny.pre-spawn-environ", "MALLOC_TRIM_THRESHOLD_"
    environment = {name: value for name, value in dask.config.get(key, {}).items() if name != left_out}
    with dask.config.set({key: environment}):
        return distributed.Client(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            # Any free port: the usual one may be that of another run, which Dask would tell in a warning.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            preload=list(imports),
        )


@contextmanager
def open_executor(executor: Executor | str | None, workers: int) -> Iterator[Renew]:
    """Open an executor for the duration of a block, and replace it if it breaks.

    Parameters
    ----------
    executor : concurrent.futures.Executor, str or None
        An executor to use, which stays open, or one of `EXECUTORS`; threads by default.
    workers : int
        Number of workers of an executor that is opened here.

    Yields
    ------
    callable
        Function that returns the executor; given a broken one, it returns a new one.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `executor` is neither an executor nor one of `EXECUTORS`.
    """
    with begin_executor(executor, workers, begun=False) as opened, opened(workers) as renew:
        yield renew


@contextmanager
def begin_executor(
    executor: Executor | str | None, workers: int, imports: Sequence[str] = (), *, begun: bool = True
) -> Iterator[Callable[[int], AbstractContextManager[Renew]]]:
    """Begin to start the workers of an executor that will be opened in a block, so that they start meanwhile.

    Parameters
    ----------
    executor : concurrent.futures.Executor, str or None
        See `open_executor`.
    workers : int
        Number of workers that are expected.
    imports : sequence of str, optional
        Modules that the worker processes of this machine import when they start.
    begun : bool, optional
        False to start workers only when the first job needs them.

    Yields
    ------
    callable
        Function that opens the executor with a number of workers, once; see `open_executor`. If this is another number
        than was expected, other workers are started.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `executor` is neither an executor nor one of `EXECUTORS`.
    """
    used = [_Pools(executor, workers, imports)]

    @contextmanager
    def opened(number: int) -> Iterator[Renew]:
        if number != workers:
            used.pop().close()
            used.append(_Pools(executor, number, imports))
        try:
            yield used[-1].renew
        finally:
            used[-1].end()

    try:
        if begun:
            used[-1].begin()
        yield opened
    finally:
        for pools in used:
            pools.close()


class _Watched(Generic[_Result]):
    """A function whose process ends with the process that wants the result."""

    def __init__(self, wanted_by: int) -> None:
        self._wanted_by = wanted_by
        self._function: Callable[..., _Result]
        end_with_parent(wanted_by)

    @classmethod
    def wanted_here(cls, function: Callable[..., _Result]) -> _Watched[_Result]:
        made = cls(os.getpid())
        made._function = function
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        # Made before the function is unpickled, so that the watch begins before its modules are imported.
        return type(self), (self._wanted_by,), {"_function": self._function}

    def __call__(self, *arguments: Any) -> _Result:
        return self._function(*arguments)


class Jobs(Generic[_Result]):
    """Jobs, each a call of `function`; a job that is lost with its worker is repeated.

    No job is left when `run` ends, be it with an exception, and processes of `concurrent.futures` end with this one.

    Jobs are submitted a few at a time if the number of workers is known. Jobs that were running when a worker died are
    repeated one by one, at most twice, to find the one that kills its worker.

    Parameters
    ----------
    renew : callable
        Function that returns an executor, see `open_executor`. None runs the jobs one by one in the calling thread.
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
        running: dict[Future[_Result], tuple[int, Job]] = {}
        try:
            yield from self._results(self._renew, list(jobs), running)
        finally:
            # The executor may be the caller's and stay open; what its workers have begun must not go on after the run.
            wait([future for future in running if not future.cancel()])

    def _results(
        self, renew: Renew, jobs: list[Job], running: dict[Future[_Result], tuple[int, Job]]
    ) -> Iterator[tuple[int, _Result]]:
        executor = renew(None)
        lanes = _lanes_of(executor)
        waiting = _Waiting(jobs, len(lanes))
        at_work = [0] * len(lanes)  # number of jobs in each lane
        suspects: deque[Job] = deque()
        alone = False
        deaths: Counter[int] = Counter()
        while waiting or suspects or running:
            if not running and not waiting and suspects:
                alone = True
            while suspects if alone else waiting:
                lane = min(range(len(lanes)), key=at_work.__getitem__)
                if (alone and running) or at_work[lane] >= _window(lanes[lane], len(lanes), len(waiting)):
                    break
                job = suspects.popleft() if alone else waiting.next_of(lane)
                try:
                    future = lanes[lane].submit(self._function, *job[1])
                except BrokenExecutorError:
                    if alone:
                        suspects.appendleft(job)
                    else:
                        waiting.put_back(lane, job)
                    executor = renew(executor)
                    lanes = _lanes_of(executor)
                    continue
                running[future] = lane, job
                at_work[lane] += 1
                future.add_done_callback(partial(self._report, job[0]))
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = any(isinstance(_loss(future), BrokenExecutorError) for future in done)
            if broken:
                done, _ = wait(running)  # all running jobs of that process are lost
            for future in done:
                lane, (key, arguments) = running.pop(future)
                at_work[lane] -= 1
                error = _loss(future)
                if error is None:
                    self._report(key, future)
                    if self._failure is not None:
                        raise self._failure
                    yield key, future.result()
                    continue
                deaths[key] += alone
                # A cluster that gives a job up has tried it several times.
                if deaths[key] == 2 or not isinstance(error, BrokenExecutorError):
                    result = self._lost(key, error)
                    if self._finished is not None:
                        self._finished(key, result)
                    yield key, result
                else:
                    suspects.append((key, arguments))
            if broken:
                executor = renew(executor)
                lanes = _lanes_of(executor)

    def _report(self, key: int, future: Future[_Result]) -> None:
        """Report a finished job once, from the thread that did it or from the one that waits for it."""
        if self._finished is None or future.cancelled() or future.exception() is not None:
            return
        with self._lock:
            if key in self._reported:
                return
            self._reported.add(key)
            try:
                self._finished(key, future.result())
            except BaseException as error:  # raised by the thread that waits for results
                self._failure = self._failure or error


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

    def put_back(self, lane: int, job: Job) -> None:
        """Put a job back as the next one of a lane."""
        self._parts[lane].appendleft(job)


def _lanes_of(executor: Executor) -> list[Executor]:
    """Return the executors that an executor consists of."""
    return executor.lanes if isinstance(executor, _Lanes) else [executor]


def _window(lane: Executor, lanes: int, waiting: int) -> int:
    """Return the number of jobs that a lane has at a time, enough to keep all its workers busy."""
    if lanes > 1:
        # One that is at work and one that follows at once; at the end, each goes to the lane that is free first.
        return 2 if waiting >= lanes else 1
    number = getattr(lane, "_max_workers", None)
    return 2 * number if isinstance(number, int) else 2**31


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
