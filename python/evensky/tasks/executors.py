"""Units of work on threads, processes or machines: whatever is a `concurrent.futures.Executor`."""

from __future__ import annotations

__all__ = ["EXECUTORS", "Units", "open_executor"]

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
"""What an executor may be called: a pool of this process's own, a Dask cluster (on this machine, or the one whose
scheduler is at that address), or the processes that ``mpiexec`` has started."""

_Result = TypeVar("_Result")


def _begin_worker() -> None:
    # A terminal sends Ctrl-C to all processes; the first one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _processes(workers: int) -> ProcessPoolExecutor:
    # Anew: a fork of a process with threads may hold locks that nobody opens.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)


def _extra(name: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InvalidParameterError(
            f"executor is {name!r}, which needs a package that is not there ({error}): pip install 'evensky[{name}]'"
        ) from error


@contextmanager
def open_executor(executor: Executor | str | None, workers: int) -> Iterator[Callable[[Executor | None], Executor]]:
    """Something that gives an executor, and another one for one that is broken.

    Parameters
    ----------
    executor : concurrent.futures.Executor, str or None
        One to be used, which stays open, or a name of `EXECUTORS`; threads where left out.
    workers : int
        Number of workers, where it is for us to choose.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For any other executor.
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
                raise TaskError(f"{type(given).__name__}: is broken, and there is no other one to go on with")
            # Somebody else's, who does not know that it is broken: one of the same kind takes its place.
            return _processes(number)
    else:
        raise InvalidParameterError(
            f"executor is {executor!r}; it must be one of {', '.join(EXECUTORS)}, or a concurrent.futures.Executor"
        )

    def renew(broken: Executor | None) -> Executor:
        if broken is not None:
            log.warning("A worker died; what it was doing is done again")
        if not pools or broken is pools[-1]:
            pools.append(make())
        return pools[-1]

    try:
        yield renew
    finally:
        for pool in pools:
            if pool is not executor and not clients:
                # What has not begun does not begin any more where the run is interrupted.
                pool.shutdown(cancel_futures=True)
        for client in clients:
            client.close()


class Units(Generic[_Result]):
    """Units of work, each a call of `function`; one that was lost with its worker is done again.

    Units are handed out a few at a time where the number of workers is known. Those that were under way when a worker
    died are done again one by one, twice at most, so that the one that kills its worker is told from those that only
    were beside it.

    Parameters
    ----------
    renew : callable
        Gives an executor, as `open_executor` does.
    function : callable
        What is done; it and its arguments can be pickled where the executor's workers are processes.
    lost : callable
        Given a unit's key, what stands for the result of one that is given up.
    finished : callable, optional
        Called with a key and a result as soon as it is there, from whatever thread; what it raises ends the run.
    """

    def __init__(
        self,
        renew: Callable[[Executor | None], Executor],
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

    def run(self, units: Iterable[tuple[int, tuple[Any, ...]]]) -> Iterator[tuple[int, _Result]]:
        """Keys and results, in the order in which they are finished."""
        running: dict[Future[_Result], tuple[int, tuple[Any, ...]]] = {}
        try:
            yield from self._results(deque(units), running)
        finally:
            for future in running:  # the executor may be somebody else's, and stay open
                future.cancel()

    def _results(
        self,
        waiting: deque[tuple[int, tuple[Any, ...]]],
        running: dict[Future[_Result], tuple[int, tuple[Any, ...]]],
    ) -> Iterator[tuple[int, _Result]]:
        executor = self._renew(None)
        suspects: deque[tuple[int, tuple[Any, ...]]] = deque()
        alone = False
        deaths: Counter[int] = Counter()
        while waiting or suspects or running:
            if not running and not waiting and suspects:
                alone = True
            source = suspects if alone else waiting
            room = 1 if alone else _window(executor)
            while source and len(running) < room:
                unit = source.popleft()
                try:
                    future = executor.submit(self._function, *unit[1])
                except BrokenExecutorError:
                    source.appendleft(unit)
                    executor = self._renew(executor)
                    continue
                running[future] = unit
                future.add_done_callback(partial(self._report, unit[0]))
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = any(isinstance(_loss(future), BrokenExecutorError) for future in done)
            if broken:
                done, _ = wait(running)  # all are lost that were under way
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
                # A cluster that gives a unit up has tried it several times.
                if deaths[key] == 2 or not isinstance(error, BrokenExecutorError):
                    result = self._lost(key, error)
                    if self._finished is not None:
                        self._finished(key, result)
                    yield key, result
                else:
                    suspects.append((key, arguments))
            if broken:
                executor = self._renew(executor)

    def _report(self, key: int, future: Future[_Result]) -> None:
        """Say that a unit is finished, once: by the thread that has done it, or by the one that waits for it."""
        if self._finished is None or future.cancelled() or future.exception() is not None:
            return
        with self._lock:
            if key in self._reported:
                return
            self._reported.add(key)
            try:
                self._finished(key, future.result())
            except BaseException as error:  # told by the thread that waits for results
                self._failure = self._failure or error


def _window(executor: Executor) -> int:
    """How many units are handed out at a time: enough to keep all workers busy."""
    number = getattr(executor, "_max_workers", None)
    return 2 * number if isinstance(number, int) else 2**31


def _loss(future: Future[Any]) -> BaseException | None:
    """Why a unit has no result: its worker is gone. None where it has one; raises what the unit itself raised."""
    try:
        error = future.exception()
    except CancelledError as cancelled:
        return cancelled
    if error is None:
        return None
    # Dask's: "KilledWorker" after several attempts.
    if isinstance(error, BrokenExecutorError) or type(error).__name__ == "KilledWorker":
        return error
    raise error
