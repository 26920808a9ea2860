"""Matching of files: what the command line does, as a function."""

from __future__ import annotations

__all__ = ["match_files"]

import datetime
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from .._core import __version__
from ..errors import EvenskyError, InvalidParameterError, TaskError
from .executors import open_executor
from .file_access import FileAccess
from .file_methods import MatchConfig, make_method
from .file_results import FileResults
from .journal import Journal
from .labels import refuse_twice
from .match_exposure import reason_of, reason_of_choice
from .run_folder import EARLIER_RESULTS, RunFolder
from .run_record import MatchRun, ReferenceCandidate
from .shared import SHARED
from .units import unit_of

Progress = Callable[[str, int, int], None]


def match_files(
    paths: Iterable[str | Path],
    out_dir: str | Path,
    *,
    config: MatchConfig | None = None,
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
    config : MatchAllConfig or MatchBackgroundsConfig, optional
        How to match: all exposures to each other, or each to one reference. The former, by its defaults, if left out.
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
    access = FileAccess(mask=mask, variance=variance, compress=compress, scratch=scratch)
    method = make_method(config, access, pictures=pictures, threads=workers)
    number = len(files)
    given = None if reference is None else Path(reference)
    index = None if given is None else _find(given, files)
    if given is not None and index is None:
        files.append(given)
    refuse_twice(files)
    work = RunFolder(files, Path(out_dir), access, overwrite=overwrite, resume=resume)
    work.prepare_folder()
    looks = given is None or method.looks_always
    steps = number * (method.steps if looks else 1)
    done = 0

    def step(label: str) -> None:
        nonlocal done
        done = min(done + 1, steps)
        if progress is not None:
            progress(label, done, steps)

    journal = Journal(work.out_dir, work.asked(method.config.toDict(), number, given), work.labels, resume=resume)
    if resume:
        work.remove_torn()
    try:
        with open_executor(executor, workers) as renew:
            candidates, chosen_before = journal.candidates, ""
            if method.looks_always or (given is None and journal.reference is None):
                candidates = method.look(work, renew, step)
            else:
                done += number if looks else 0
            if given is not None:
                index = len(files) - 1 if index is None else index
            elif journal.reference is None:
                index = method.choose(candidates)
            else:
                index = work.labels.index(journal.reference)
                if method.looks_always:
                    method.choose(candidates)  # for the costs: by these, groups are held to one of theirs
                chosen_before = _chosen_before(journal.candidates, candidates)
                candidates = journal.candidates
            assert index is not None  # by now one way or the other
            if given is not None:
                candidates = []
            reference_exposure = access.load(work.items[index])
            # An unknown plane, and a reference that nothing can be compared with, stop the run before anything is
            # written.
            if method.matcher.level(reference_exposure)[1] == 0.0:
                raise TaskError(f"{files[index]}: has no good pixel, so it cannot be the reference")
            reason = journal.reason or reason_of_choice(candidates if given is None else None)
            journal.begin(work.labels[index], reason, candidates)
            with SHARED.adopted(access.run, reference_exposure):
                results = FileResults(work, journal, number, step)
                notes = method.match(work, renew, step, index, results)
    finally:
        journal.close()
    run = MatchRun(
        records=results.records,
        candidates=candidates,
        reference=work.labels[index],
        reference_reason=reason,
        config=method.config.toDict(),
        version=__version__,
        started=started.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - clock,
        method=method.name,
        unit=unit_of(reference_exposure),
        notes=[f"Note: {note}." for note in reference_exposure.assumptions]
        + [note for note in (results.resumed, chosen_before) if note]
        + notes,
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
        [i for i, file in enumerate(files) if os.path.abspath(file) == os.path.abspath(path)],
        [i for i, file in enumerate(files) if path.parent == Path() and path.name in (file.name, file.stem)],
    ):
        if len(matches) == 1:
            return matches[0]
    return None


def _chosen_before(then: Sequence[ReferenceCandidate], now: Sequence[ReferenceCandidate]) -> str:
    """What there is to say where an earlier run chose the reference, and had other exposures to choose from."""
    changed = [one.label for one, other in zip(then, now, strict=False) if bool(one.message) != bool(other.message)]
    if not changed:
        return ""
    return (
        "The reference was chosen by the run that was resumed, and the figures of the candidates are what it saw; "
        f"what can be used has changed since: {', '.join(changed)}."
    )
