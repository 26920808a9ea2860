"""Jobs that executors do, one by one or in batches; those that are lost with their worker are repeated."""

from __future__ import annotations

__all__ = ["Job", "Jobs"]

import io
import math
import os
import pickle
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from concurrent.futures import BrokenExecutor as BrokenExecutorError
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, Generic, TypeVar

from .executors import Lane, Renew
from .parent import end_with_parent

Job = tuple[int, tuple[Any, ...]]
"""Key of a job, and the arguments of its function."""

_Result = TypeVar("_Result")

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
