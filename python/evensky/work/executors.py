"""Jobs on threads, processes or clusters, run by any `concurrent.futures.Executor`."""

from __future__ import annotations

__all__ = ["EXECUTORS", "Job", "Jobs", "Renew", "open_executor"]

import importlib
import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
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
from contextlib import contextmanager
from functools import partial
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


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The thread that submits the jobs starts the workers and closes the pool, so that it lives longer than they.
    end_with_parent(at_once=True)


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


def _processes(workers: int) -> ProcessPoolExecutor:
    # Not forked: a fork of a process with threads may hold locks that are never released.
    context = multiprocessing.get_context("spawn")
    return _Processes(workers, mp_context=context, initializer=_begin_worker)


def _extra(name: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InvalidParameterError(
            f"executor is {name!r}, which needs another package ({error}): pip install 'evensky[{name}]'"
        ) from error


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
    pools: list[Executor] = []  # the last one is in use
    clients: list[Any] = []
    if executor is None or executor == "threads":

        def make() -> Executor:
            return ThreadPoolExecutor(workers, thread_name_prefix="evensky")
    elif executor == "processes":

        def make() -> Executor:
            return _processes(workers)
    elif executor == "mpi":

        def make() -> Executor:
            pool: Executor = _extra("mpi", "mpi4py.futures").MPIPoolExecutor(max_workers=workers)
            return pool
    elif isinstance(executor, str) and executor.partition(":")[0] == "dask":
        address = executor.partition(":")[2]

        def make() -> Executor:
            distributed = _extra("dask", "dask.distributed")
            client = (
                distributed.Client(address)
                if address
                else distributed.Client(n_workers=workers, threads_per_worker=1, dashboard_address=None)
            )
            clients.append(client)
            pool: Executor = client.get_executor()
            return pool
    elif isinstance(executor, Executor):
        given: Executor = executor

        def make() -> Executor:
            if not pools:
                return given
            number = getattr(given, "_max_workers", None)
            if not isinstance(given, ProcessPoolExecutor) or not isinstance(number, int):
                raise TaskError(
                    f"{type(given).__name__}: is broken and cannot be replaced; pass a new executor and resume"
                )
            # The caller owns it and does not know that it broke: a pool of the same kind replaces it.
            return _processes(number)
    else:
        raise InvalidParameterError(
            f"executor is {executor!r}; it must be one of {', '.join(EXECUTORS)}, or a concurrent.futures.Executor"
        )

    def renew(broken: Executor | None) -> Executor:
        if broken is not None:
            log.warning("A worker died; its job is repeated")
        if not pools or broken is pools[-1]:
            pools.append(make())
        return pools[-1]

    try:
        yield renew
    finally:
        for pool in pools:
            if pool is not executor and not clients:
                # If the run was interrupted, waiting jobs do not start.
                pool.shutdown(cancel_futures=True)
        for client in clients:
            client.close()


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
        running: dict[Future[_Result], Job] = {}
        try:
            yield from self._results(self._renew, deque(jobs), running)
        finally:
            # The executor may be the caller's and stay open; what its workers have begun must not go on after the run.
            wait([future for future in running if not future.cancel()])

    def _results(
        self, renew: Renew, waiting: deque[Job], running: dict[Future[_Result], Job]
    ) -> Iterator[tuple[int, _Result]]:
        executor = renew(None)
        suspects: deque[Job] = deque()
        alone = False
        deaths: Counter[int] = Counter()
        while waiting or suspects or running:
            if not running and not waiting and suspects:
                alone = True
            source = suspects if alone else waiting
            room = 1 if alone else _window(executor)
            while source and len(running) < room:
                job = source.popleft()
                try:
                    future = executor.submit(self._function, *job[1])
                except BrokenExecutorError:
                    source.appendleft(job)
                    executor = renew(executor)
                    continue
                running[future] = job
                future.add_done_callback(partial(self._report, job[0]))
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = any(isinstance(_loss(future), BrokenExecutorError) for future in done)
            if broken:
                done, _ = wait(running)  # all running jobs are lost
            for future in done:
                key, arguments = running.pop(future)
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


def _window(executor: Executor) -> int:
    """Return the number of jobs to submit at a time, enough to keep all workers busy."""
    number = getattr(executor, "_max_workers", None)
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
