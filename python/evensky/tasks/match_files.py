"""Matching of files: what the command line does, as a function."""

from __future__ import annotations

__all__ = ["EARLIER_RESULTS", "match_files", "unique_labels"]

import datetime
import glob
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from .. import __version__
from .._text import printable
from ..errors import EvenskyError, FitsError, InvalidParameterError, TaskError
from ..io.opening import real_path
from .executors import Units, open_executor
from .file_matcher import FileMatcher, Item, Measured
from .journal import JOURNAL, Journal
from .match_backgrounds import MatchBackgroundsConfig, MatchBackgroundsTask
from .match_exposure import failed, reason_of, reason_of_choice, set_aside
from .pictures import Gallery
from .run_record import ExposureRecord, MatchRun, ReferenceCandidate
from .shared import SHARED

EARLIER_RESULTS = "matched.ecsv"

# Of a unit of work that takes its workers with it.
_DIED = "the worker that was at it died, again and again"

Progress = Callable[[str, int, int], None]


def unique_labels(paths: Sequence[Path]) -> list[str]:
    """Short names that tell files apart: stems, with the folder in front where stems repeat, then a number."""

    def stem(path: Path) -> str:
        name = printable(path.name)
        for ending in (".gz", ".bz2", ".xz", ".zip", ".fz", ".fits", ".fit", ".fts"):
            if name.lower().endswith(ending):
                name = name[: -len(ending)]
        return name or printable(path.name)

    labels = [stem(path) for path in paths]
    folders = {real_path(path).parent for path in paths}
    if len(folders) > 1:
        labels = [
            f"{real_path(path).parent.name}_{label}" if labels.count(label) > 1 else label
            for path, label in zip(paths, labels, strict=True)
        ]
    repeated = {label for label in labels if labels.count(label) > 1}
    taken = set(labels)
    counts = dict.fromkeys(repeated, 0)
    for index, label in enumerate(labels):
        while label in repeated and labels[index] in taken:  # a number that is nobody's name
            counts[label] += 1
            labels[index] = f"{label}_{counts[label]}"
        taken.add(labels[index])
    return labels


class _Run:
    """The files of one run, and the folder that they go to."""

    def __init__(self, paths: Sequence[Path], out_dir: Path, matcher: FileMatcher, *, overwrite: bool, resume: bool):
        labels = unique_labels(paths)
        self.items = [
            Item(path, label, out_dir / f"{label}_matched.fits") for path, label in zip(paths, labels, strict=True)
        ]
        self.labels = labels
        self.out_dir = out_dir
        self.matcher = matcher
        self.overwrite = overwrite
        self.resume = resume
        self.sizes: dict[int, tuple[int, int]] = {}

    def _plane_files(self) -> list[Path]:
        return [file for item in self.items for file in self.matcher.plane_files(item)]

    def prepare_folder(self) -> None:
        """Make the output folder; refuse one that holds earlier results, or that cannot be written to."""
        folder, outputs = self.out_dir, [item.output for item in self.items]
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise FitsError(f"{folder}: is a file; the output needs a folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FitsError(f"{folder}: cannot be made: {error.strerror}") from error
        journal = os.path.lexists(folder / JOURNAL)
        if not self.overwrite and not (self.resume and journal):
            earlier = [path.name for path in (folder / EARLIER_RESULTS, *outputs) if os.path.lexists(path)]
            if journal and (folder / EARLIER_RESULTS).name not in earlier:
                raise FitsError(
                    f"{folder}: holds a run that did not end ({JOURNAL}); resume it, choose another folder or allow "
                    "overwriting"
                )
            if earlier:
                unknown = f" but no {JOURNAL} to resume" if self.resume else ""
                raise FitsError(
                    f"{folder}: holds earlier results ({earlier[0]}){unknown}; choose another folder or allow "
                    "overwriting"
                )
        inputs = {real_path(path) for path in (*(item.path for item in self.items), *self._plane_files())}
        results = [folder / name for name in (JOURNAL, EARLIER_RESULTS, "report.html")]
        if clash := [path for path in (*outputs, *results) if real_path(path) in inputs]:
            raise FitsError(
                f"{clash[0]}: is an input too, and inputs are never written to; choose another output folder"
            )

    def asked(self, number: int, reference: Path | None) -> dict[str, Any]:
        """What the results depend on."""

        def state(path: Path) -> list[Any]:
            try:
                found = path.stat()
            except OSError:
                return [str(path.absolute()), None, None]
            return [str(path.absolute()), found.st_size, found.st_mtime_ns]

        return {
            "version": __version__,
            "config": self.matcher.task.config.toDict(),
            "reference": None if reference is None else str(reference.absolute()),
            "mask": self.matcher.mask,
            "variance": self.matcher.variance,
            "compress": self.matcher.compress,
            "files": [state(path) for path in (item.path for item in self.items)],
            "planes": [state(file) for file in self._plane_files()],
            "number": number,
        }

    def remove_torn(self) -> None:
        """Remove what a killed run left half written."""
        for path in (
            *(item.output for item in self.items),
            self.out_dir / EARLIER_RESULTS,
            self.out_dir / "report.html",
        ):
            for torn in self.out_dir.glob(f".{glob.escape(path.name)}.*.tmp"):
                torn.unlink(missing_ok=True)


def match_files(
    paths: Iterable[str | Path],
    out_dir: str | Path,
    *,
    config: MatchBackgroundsConfig | None = None,
    reference: str | Path | None = None,
    mask: str | None = None,
    variance: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
    resume: bool = False,
    compress: bool = False,
    report: bool = True,
    pictures: bool | None = None,
    progress: Progress | None = None,
    executor: Executor | str | None = None,
    scratch: str | Path | None = None,
) -> MatchRun:
    """Match the backgrounds of FITS files and write them, a table and a report.

    Parameters
    ----------
    paths : iterable of str or Path
        The exposures, of one pixel grid. They are read, never written to.
    out_dir : str or Path
        Where ``<stem>_matched.fits``, ``matched.ecsv`` and ``report.html`` go; made where it does not exist.
    config : MatchBackgroundsConfig, optional
        The defaults if left out.
    reference : str or Path, optional
        Which file is the reference; chosen by the configured costs if left out. One that is not in `paths` is used, but
        not written.
    mask, variance : str, optional
        Where these planes are if not in their usual place: an HDU, or a file pattern with ``{stem}``, ``{name}`` or
        ``{dir}`` of the exposure. See `evensky.io.read_exposure`.
    workers : int, optional
        Number of threads or processes, at least 1. Results do not depend on it.
    overwrite : bool, optional
        Replace earlier results.
    resume : bool, optional
        Go on with a run in `out_dir` that did not end: exposures it has finished are kept, the others are matched. What
        the results depend on must be the same: files, configuration, reference, version. With nothing there, begin.
    compress : bool, optional
        Compress the files by tiles, without loss.
    report : bool, optional
        Write ``report.html``.
    pictures : bool, optional
        Keep small pictures of exposures in their records, for a report: of the reference and of those that most deserve
        a look, at most `evensky.tasks.pictures.MOST_PICTURES`. If left out, they are kept where a report is written.
    progress : callable, optional
        Called with a label, the number of steps done and the number of all steps.
    executor : concurrent.futures.Executor or str, optional
        What does the work: any executor, or the name of one, see `evensky.tasks.executors.EXECUTORS`; threads if left
        out. Units of work hold paths and the configuration, not pixels, so that other machines must see the same files.
        Results do not depend on it. A worker that dies costs a retry.
    scratch : str or Path, optional
        A folder where pixels are kept instead of in memory, for images that are larger than it. It needs room for the
        pixels of the reference and of an exposure for each worker. Results do not depend on it.

    Returns
    -------
    MatchRun
        Everything that happened. One exposure that fails does not stop the others: it has the status "failed".

    Raises
    ------
    evensky.errors.InvalidParameterError
        For no file, less than one worker, both `overwrite` and `resume`, or an executor that is none.
    evensky.errors.FitsError
        Where the folder cannot be used, or the reference not be read; where a run to resume was asked for otherwise.
    evensky.errors.TaskError
        Where no exposure can be the reference.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise InvalidParameterError("There are 0 files; at least 1 is needed")
    if workers < 1:
        raise InvalidParameterError(f"workers = {workers}; it must be at least 1")
    if pictures is None:
        pictures = report
    if report and not pictures:
        raise InvalidParameterError("report is True and pictures is False; a report needs its pictures")
    if overwrite and resume:
        raise InvalidParameterError("overwrite and resume are both True; only one of them can be meant")
    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    task = MatchBackgroundsTask(config=config, log=logging.getLogger("evensky"))
    number = len(files)
    given = None if reference is None else Path(reference)
    index = None if given is None else _find(given, files)
    if given is not None and index is None:
        files.append(given)
    matcher = FileMatcher(
        task,
        mask=mask,
        variance=variance,
        compress=compress,
        pictures=pictures,
        scratch=scratch,
    )
    work = _Run(files, Path(out_dir), matcher, overwrite=overwrite, resume=resume)
    work.prepare_folder()
    steps = number * (1 if given is not None else 2)
    done = 0

    def step(label: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(label, done, steps)

    journal = Journal(work.out_dir, work.asked(number, given), work.labels, resume=resume)
    if resume:
        work.remove_torn()
    try:
        with open_executor(executor, workers) as renew:
            candidates = journal.candidates
            if given is None:
                if journal.reference is None:
                    candidates = _measure(work, renew, step)
                    index = task.chooseReference(candidates)
                else:
                    index = work.labels.index(journal.reference)
                    done += number
            elif index is None:
                index = len(files) - 1
            assert index is not None  # by now one way or the other
            reference_exposure = matcher.load(work.items[index])
            # An unknown plane, and a reference that nothing can be compared with, stop the run before anything is
            # written.
            if matcher.level(reference_exposure)[1] == 0.0:
                raise TaskError(f"{files[index]}: has no good pixel, so it cannot be the reference")
            reason = journal.reason or reason_of_choice(candidates if given is None else None)
            journal.begin(work.labels[index], reason, candidates)
            with SHARED.adopted(matcher.run, reference_exposure):
                records = _match_all(work, renew, journal, index, step, number)
    finally:
        journal.close()
    run = MatchRun(
        records=records,
        candidates=candidates,
        reference=work.labels[index],
        reference_reason=reason,
        config=task.config.toDict(),
        version=__version__,
        started=started.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - clock,
        unit=str(reference_exposure.metadata.get("BUNIT", "")),
        notes=[f"As read, {note}." for note in reference_exposure.assumptions],
    )
    from ..report import write_report, write_table

    write_table(run, work.out_dir / EARLIER_RESULTS)
    if report:
        page = work.out_dir / "report.html"
        try:
            write_report(run, page)
        except EvenskyError:
            raise
        except Exception as error:  # everything else is done by now, and on disk
            raise TaskError(f"{page}: the report cannot be made: {reason_of(error)}; all results are there") from error
    return run


def _find(path: Path, files: Sequence[Path]) -> int | None:
    """Index of the file among others, by path, or by name or stem where that is unique."""
    for matches in (
        [i for i, file in enumerate(files) if file == path or file.absolute() == path.absolute()],
        [i for i, file in enumerate(files) if path.parent == Path() and path.name in (file.name, file.stem)],
    ):
        if len(matches) == 1:
            return matches[0]
    return None


def _measure(
    work: _Run, renew: Callable[[Executor | None], Executor], step: Callable[[str], None]
) -> list[ReferenceCandidate]:
    def lost(index: int, error: BaseException) -> Measured:
        return Measured(ReferenceCandidate(work.labels[index], message=_DIED))

    measured: dict[int, Measured] = {}
    units = Units(renew, work.matcher.measure, lost)
    for index, result in units.run((index, (item,)) for index, item in enumerate(work.items)):
        measured[index] = result
        if result.size is not None:
            work.sizes[index] = result.size
        step(f"looking at {work.labels[index]}")
    candidates = [measured[index].candidate for index in range(len(work.items))]
    set_aside(candidates, [work.sizes.get(index) for index in range(len(candidates))])
    if all(result.size is None for result in measured.values()):
        # What is wrong with the call is wrong for every file: a pattern, the name of a plane.
        if wrong := [result.error for _, result in sorted(measured.items()) if result.error is not None]:
            raise wrong[0]
        more = f" (and {len(candidates) - 1} more)" if len(candidates) > 1 else ""
        raise TaskError(f"None of the {len(candidates)} files can be used: {candidates[0].message}{more}")
    return candidates


def _match_all(
    work: _Run,
    renew: Callable[[Executor | None], Executor],
    journal: Journal,
    reference: int,
    step: Callable[[str], None],
    number: int,
) -> list[ExposureRecord]:
    """Match and write the first `number` files; a reference from elsewhere stands behind them."""
    items, matcher = work.items, work.matcher

    def lost(index: int, error: BaseException) -> ExposureRecord:
        return failed(work.labels[index], printable(str(items[index].path)), TaskError(_DIED))

    def finished(index: int, record: ExposureRecord) -> None:
        # At once, not where results are waited for: what is finished stays finished, however the run ends.
        if earlier[index] is None:
            journal.finish(record)

    earlier = [journal.done(label) for label in work.labels[:number]]
    units = Units(renew, matcher.process, lost, finished)
    gallery = Gallery()
    records: list[ExposureRecord | None] = [None] * number
    todo = ((index, (items[index], items[reference], earlier[index])) for index in range(number))
    for index, record in units.run(todo):
        records[index] = record
        gallery.add(index, record)
        step(work.labels[index])
    return [record for record in records if record is not None]
