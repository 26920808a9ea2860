"""Jobs on threads, processes or clusters, run by any `concurrent.futures.Executor`."""

from __future__ import annotations

__all__ = ["EXECUTORS", "Job", "Jobs", "Renew", "open_executor"]

import importlib
import logging
import multiprocessing
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
from typing import Any, Generic, TypeVar

from ..errors import InvalidParameterError, TaskError

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
    # A terminal sends Ctrl-C to all processes; the main process alone decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _processes(workers: int) -> ProcessPoolExecutor:
    # Not forked: a fork of a process with threads may hold locks that are never released.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)


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


class Jobs(Generic[_Result]):
    """Jobs, each a call of `function`; a job that is lost with its worker is repeated.

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
        self._function = function
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
            for future in running:  # the executor may be the caller's and stay open
                future.cancel()

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
