"""Executors that do the jobs of a run: threads, processes or clusters, or any `concurrent.futures.Executor`."""

from __future__ import annotations

__all__ = ["EXECUTORS", "Lane", "OpenExecutor", "Renew", "open_executor"]

import importlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor as BrokenExecutorError
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from multiprocessing import resource_tracker
from pkgutil import resolve_name
from typing import Any, TypeVar

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


class _Kind(Enum):
    """What jobs run on: workers that are started here, or what the caller has."""

    THREADS = "threads"
    PROCESSES = "processes"
    MPI = "mpi"
    DASK = "dask"
    CLUSTER = "dask:ADDRESS"
    GIVEN = "given"

    @classmethod
    def of(cls, executor: Executor | str | None) -> _Kind:
        """Return the kind of an executor, or of its name."""
        if isinstance(executor, Executor):
            return cls.GIVEN
        name = "threads" if executor is None else executor if isinstance(executor, str) else ""
        if name.partition(":")[0] == "dask":
            return cls.CLUSTER if name.partition(":")[2] else cls.DASK
        if name in ("threads", "processes", "mpi"):
            return cls(name)
        raise InvalidParameterError(
            f"executor is {executor!r}; it must be one of {', '.join(EXECUTORS)}, or a concurrent.futures.Executor"
        )


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
        self._kind = _Kind.of(executor)
        self._workers = workers
        self._given = executor if isinstance(executor, Executor) else None
        self._imports = tuple(imports)
        self._address = executor.partition(":")[2] if isinstance(executor, str) else ""
        self._lanes: list[Lane] = []
        self._client: Any = None
        self._begun: Future[list[Lane]] | None = None
        self._ending: Future[None] | None = None
        self._preparing: list[Future[None]] = []
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="evensky workers")

    def begin(self) -> None:
        """Begin to start worker processes, and return before they are there."""
        if self._kind is _Kind.PROCESSES:
            # In this thread, with which they end.
            for lane in self.renew(None):
                lane.executor.submit(os.getpid)
        elif self._kind in (_Kind.DASK, _Kind.CLUSTER):
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
        return self._kind is _Kind.CLUSTER or type(self._given).__module__.partition(".")[0] == "distributed"

    def prepare(self, modules: Sequence[str]) -> None:
        """Let worker processes that are started here import modules, while they would wait for jobs."""
        if self._kind in (_Kind.PROCESSES, _Kind.DASK):
            for lane in self.renew(None):
                with suppress(BrokenExecutorError):  # which the next job will notice
                    # Dask gives up what nobody keeps.
                    self._preparing.append(lane.executor.submit(_import_all, tuple(modules)))

    def end(self) -> None:
        """Begin to close what was opened here, and return before worker processes have ended."""
        if self._kind not in (_Kind.PROCESSES, _Kind.DASK, _Kind.CLUSTER):
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

    def _make(self) -> list[Lane]:
        """Return new lanes."""
        if self._given is not None:
            number = getattr(self._given, "_max_workers", None)
            return [Lane(self._given, number if isinstance(number, int) else None)]
        if self._kind is _Kind.THREADS:
            return [Lane(ThreadPoolExecutor(self._workers, thread_name_prefix="evensky"), self._workers)]
        if self._kind is _Kind.PROCESSES:
            return [Lane(_processes(1, self._imports), 1) for _ in range(self._workers)]
        if self._kind is _Kind.MPI:
            return [Lane(_extra("mpi", "mpi4py.futures").MPIPoolExecutor(max_workers=self._workers), self._workers)]
        return self._lanes_of_dask(_extra("dask", "dask.distributed"))

    def _lanes_of_dask(self, distributed: Any) -> list[Lane]:
        # Each job is done, even if it is equal to another.
        if self._kind is _Kind.CLUSTER:  # workers may come and go
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
        elif self._kind is _Kind.MPI:
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
