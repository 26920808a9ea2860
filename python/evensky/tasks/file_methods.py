"""The two ways to match files: to one reference, and to each other. What both have in common is in `match_files`."""

from __future__ import annotations

__all__ = ["FileMethod", "MatchConfig", "Renew", "make_method"]

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from .._text import printable
from ..errors import InvalidParameterError, TaskError
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.differences import PairBins
from ..matching.joint.grid import CommonGrid
from .all_matcher import Survey, find_corrections, group_notes, unit_of_run
from .executors import Units
from .file_access import FileAccess, Item
from .file_all_matcher import FileAllMatcher, FileSurvey, digest_of
from .file_matcher import FileMatcher, Measured
from .file_results import FileResults
from .match_backgrounds import MatchBackgroundsConfig, MatchBackgroundsTask
from .match_exposure import ExposureMatcher, failed, reason_of, set_aside, without_pictures
from .run_folder import RunFolder
from .run_record import ExposureRecord, ReferenceCandidate
from .shared import RECENT

MatchConfig = MatchAllConfig | MatchBackgroundsConfig
Renew = Callable[[Executor | None], Executor]

# Of a unit of work that takes its workers with it.
_DIED = "the worker that was at it died, again and again"

log = logging.getLogger("evensky")


class FileMethod(ABC):
    """A way to match files.

    Parameters
    ----------
    config : MatchConfig
    files : FileAccess
    """

    name: str
    matcher: ExposureMatcher
    looks_always: bool
    """Are exposures looked at even where the reference is known?"""
    steps: int
    """How often `step` is called for an exposure, at most."""

    def __init__(self, config: MatchConfig, files: FileAccess) -> None:
        self.config = config
        self.files = files

    def choose(self, candidates: Sequence[ReferenceCandidate]) -> int:
        """The number of the reference."""
        return self.matcher.task.chooseReference(candidates)

    @abstractmethod
    def look(self, work: RunFolder, renew: Renew, step: Callable[[str], None]) -> list[ReferenceCandidate]:
        """Look at all exposures: what the choice of the reference needs to know of them."""

    @abstractmethod
    def match(
        self,
        work: RunFolder,
        renew: Renew,
        step: Callable[[str], None],
        reference: int,
        results: FileResults,
    ) -> list[str]:
        """Match and write the first exposures, as many as there are results to be.

        Parameters
        ----------
        work : RunFolder
        renew : callable
            Gives an executor, as `open_executor` does.
        step : callable
            Called with what is being done.
        reference : int
            Number of the reference, which this process has read and shares.
        results : FileResults
            Where records go. What an earlier run has finished is kept, unless another thing would come of it now.

        Returns
        -------
        list of str
            What there is to say of the run.
        """

    def _write_all(
        self,
        work: RunFolder,
        renew: Renew,
        process: Callable[..., ExposureRecord],
        arguments: Sequence[tuple[Any, ...]],
        results: FileResults,
    ) -> None:
        def lost(index: int, error: BaseException) -> ExposureRecord:
            kept, died = results.kept[index], TaskError(_DIED)
            if kept is not None:
                return without_pictures(kept, died)
            return failed(work.labels[index], printable(str(work.items[index].path)), died)

        units = Units(renew, process, lost, results.finish)
        for index, record in units.run(enumerate(arguments)):
            results.collect(index, record)

    @staticmethod
    def _check(errors: Sequence[InvalidParameterError], candidates: Sequence[ReferenceCandidate]) -> None:
        """Raise where none can be read, given the errors of the call, which are wrong for every file."""
        if errors:
            raise errors[0]
        more = f" (and {len(candidates) - 1} more)" if len(candidates) > 1 else ""
        raise TaskError(f"None of the {len(candidates)} files can be used: {candidates[0].message}{more}")


class _OneReference(FileMethod):
    name = "reference"
    looks_always = False
    steps = 2

    def __init__(self, config: MatchBackgroundsConfig | None, files: FileAccess, *, pictures: bool) -> None:
        task = MatchBackgroundsTask(config=config, log=log)
        super().__init__(task.config, files)
        self.matcher: FileMatcher = FileMatcher(task, files, pictures=pictures)

    def look(self, work: RunFolder, renew: Renew, step: Callable[[str], None]) -> list[ReferenceCandidate]:
        def lost(index: int, error: BaseException) -> Measured:
            return Measured(ReferenceCandidate(work.labels[index], message=_DIED))

        measured: dict[int, Measured] = {}
        units = Units(renew, self.matcher.measure, lost)
        for index, result in units.run((index, (item,)) for index, item in enumerate(work.items)):
            measured[index] = result
            step(f"looking at {work.labels[index]}")
        in_order = [measured[index] for index in range(len(work.items))]
        candidates = [one.candidate for one in in_order]
        set_aside(candidates, [one.size for one in in_order], [one.unit for one in in_order])
        if all(one.size is None for one in in_order):
            self._check([one.error for one in in_order if one.error is not None], candidates)
        return candidates

    def match(
        self,
        work: RunFolder,
        renew: Renew,
        step: Callable[[str], None],
        reference: int,
        results: FileResults,
    ) -> list[str]:
        arguments = [(work.items[index], work.items[reference], record) for index, record in enumerate(results.kept)]
        self._write_all(work, renew, self.matcher.process, arguments, results)
        return []


class _EachOther(FileMethod):
    name = "all"
    looks_always = True
    steps = 3

    def __init__(self, config: MatchAllConfig | None, files: FileAccess, *, pictures: bool, threads: int) -> None:
        made = MatchAllConfig() if config is None else config
        super().__init__(made, files)
        self.matcher: FileAllMatcher = FileAllMatcher(made, files, pictures=pictures, threads=threads)
        self._surveys: list[Survey] = []
        self._grid: CommonGrid | None = None

    def look(self, work: RunFolder, renew: Renew, step: Callable[[str], None]) -> list[ReferenceCandidate]:
        grid = self._grid = self._grid_for(work.items)

        def lost(index: int, error: BaseException) -> FileSurvey:
            return FileSurvey(Survey(ReferenceCandidate(work.labels[index], message=_DIED)))

        found: dict[int, FileSurvey] = {}
        units = Units(renew, self.matcher.survey_file, lost)
        for index, result in units.run((index, (item, grid)) for index, item in enumerate(work.items)):
            found[index] = result
            step(f"looking at {work.labels[index]}")
        in_order = [found[index] for index in range(len(work.items))]
        self._surveys = [one.survey for one in in_order]
        candidates = [survey.candidate for survey in self._surveys]
        set_aside(candidates, [None] * len(candidates), [survey.unit for survey in self._surveys])
        if all(survey.box is None for survey in self._surveys):
            self._check([one.error for one in in_order if one.error is not None], candidates)
        return candidates

    def _grid_for(self, items: Sequence[Item]) -> CommonGrid:
        """The bins, by the first exposure that can be read where they follow from its size."""
        if self.matcher.config.bin_size > 0:
            return CommonGrid(self.matcher.config.bin_size)
        for item in items:
            try:
                return self.matcher.grid_for(self.files.load(item))
            except Exception as error:  # told when it is looked at
                log.debug("%s has no size: %s", item.label, reason_of(error))
        return CommonGrid(1)

    def match(
        self,
        work: RunFolder,
        renew: Renew,
        step: Callable[[str], None],
        reference: int,
        results: FileResults,
    ) -> list[str]:
        assert self._grid is not None  # all were looked at
        self.matcher.unit = unit_of_run(self._surveys, reference)
        corrections = find_corrections(
            self.matcher.config,
            self._grid,
            self._surveys,
            reference,
            lambda pairs: self._compare(work, renew, step, reference, pairs),
        )
        # What comes of one depends on all: it is another thing where more, or fewer, of them can be read than before.
        dropped = []
        for index, record in enumerate(results.kept):
            now = corrections.exposures[index], self._surveys[index].coverage, work.labels
            if record is not None and record.correction != digest_of(*now):
                results.drop(index)
                dropped.append(index)
        arguments = [
            (
                work.items[index],
                corrections.exposures[index],
                self._surveys[index].coverage,
                work.labels,
                work.items[reference],
                record,
            )
            for index, record in enumerate(results.kept)
        ]
        self._write_all(work, renew, self.matcher.process, arguments, results)
        notes = group_notes(corrections, work.labels)
        records = results.records
        if anew := [records[index].label for index in dropped if records[index].status != "failed"]:
            notes.append(
                "Matched anew, as to the last bit something else comes of them than in the run that was resumed: "
                f"{', '.join(anew)}."
            )
        return notes

    def _compare(
        self,
        work: RunFolder,
        renew: Renew,
        step: Callable[[str], None],
        reference: int,
        pairs: Sequence[tuple[int, int]],
    ) -> list[PairBins]:
        """Measure pairs; those of one exposure with earlier ones are a unit of work."""
        partners: dict[int, list[tuple[int, Item]]] = {}
        for earlier, later in pairs:
            partners.setdefault(later, []).append((earlier, work.items[earlier]))
        for index in range(len(work.items)):
            if index not in partners:
                step(f"comparing {work.labels[index]}")
        units = Units(renew, self.matcher.compare_file, lambda index, error: [])
        todo = (
            (later, ((later, work.items[later]), earlier, work.items[reference], self._grid))
            for later, earlier in partners.items()
        )
        found = []
        try:
            for later, bins in units.run(todo):
                found += bins
                step(f"comparing {work.labels[later]}")
        finally:
            RECENT.forget(self.files.run)
        return found


def make_method(config: MatchConfig | None, files: FileAccess, *, pictures: bool, threads: int) -> FileMethod:
    """The method that a configuration is for; without one exposures are matched to each other.

    Parameters
    ----------
    config : MatchAllConfig, MatchBackgroundsConfig or None
    files : FileAccess
    pictures : bool
        Put small pictures into the records.
    threads : int
        How many threads of a process work at the same time.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For any other configuration.
    """
    if isinstance(config, MatchBackgroundsConfig):
        return _OneReference(config, files, pictures=pictures)
    if config is None or isinstance(config, MatchAllConfig):
        return _EachOther(config, files, pictures=pictures, threads=threads)
    raise InvalidParameterError(
        f"config is a {type(config).__name__}; it must be a MatchAllConfig or a MatchBackgroundsConfig"
    )
