"""Runs over files, with an output folder, a journal and an executor."""

from __future__ import annotations

__all__ = ["MatchConfig", "match_files"]

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from .._checks import byte_limit
from .._text import printable
from ..draw.progress import Progress
from ..errors import InvalidParameterError
from ..fits.descriptions import ON_SKY, Selection
from ..fits.known_facts import FACTS
from ..fits.scratch import Scratch
from ..io.file_names import find_file, refuse_one_name, refuse_twice
from ..io.folder_lock import Permit
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.terms import Term
from ..tasks import MatchBackgroundsConfig
from ..work.executors import EXECUTORS, open_executor
from ..work.memory import told
from .coadd import Coadd
from .covariance_file import write_covariance
from .folder import COVARIANCE, OVERLAPS, RUN, TABLE, RunFolder
from .joint import JointMethod
from .journal import Journal
from .known import known_of, with_level
from .match_run import MatchRun, write_table
from .memory_plan import HELD_BYTES, MemoryPlan, Needs, plan_memory
from .method import Method
from .overlaps import write_overlaps
from .reference import ReferenceMethod
from .run import match_exposures
from .run_file import save_run
from .source import Item
from .store import FileStore
from .survey import survey_files
from .terms import check_term_files, state_of_terms

# Number of workers that is assumed for an executor that does not state it.
_USUAL_WORKERS = 8

# Modules that hold the functions of the jobs, and what these import.
_IMPORTS = [JointMethod.__module__, ReferenceMethod.__module__, FileStore.__module__]

MatchConfig = MatchAllConfig | MatchBackgroundsConfig


def match_files(
    paths: Iterable[str | Path],
    out_dir: str | Path,
    *,
    config: MatchConfig | None = None,
    terms: Sequence[Term] | None = None,
    fixed: str | Path | Iterable[str | Path] = (),
    anchors: Mapping[str | Path, tuple[float, float]] | None = None,
    skies: Mapping[str | Path, tuple[float, float]] | None = None,
    reference: str | Path | None = None,
    selection: Selection | None = None,
    same_grid: bool = False,
    allow: Collection[str] = (),
    strict: bool = False,
    workers: int = 1,
    overwrite: bool = False,
    resume: bool = False,
    compress: bool = False,
    pictures: bool = False,
    progress: Progress | None = None,
    executor: Executor | str | None = None,
    scratch: str | Path | None = None,
    max_memory: int | str | None = None,
    trust_outputs: bool = False,
    coadd: Coadd | None = None,
    permit: Permit,
) -> MatchRun:
    """Match the backgrounds of FITS files, and write the matched files and a table.

    See `evensky.match_files`, which also writes the report, for parameters and errors; `selection` holds its `hdu`,
    `mask`, `variance`, `weight` and `good_bits`, and `coadd` the coadd to make. The caller holds the lock of `out_dir`,
    and `permit` is that of it.

    Returns
    -------
    MatchRun
    """
    refuse_one_name(paths)
    files = [Path(path) for path in paths]
    if not files:
        raise InvalidParameterError("There are 0 files; at least 1 is needed")
    if workers < 1:
        raise InvalidParameterError(f"workers = {workers}; it must be at least 1")
    if overwrite and resume:
        raise InvalidParameterError("overwrite and resume are both True; choose one of them")
    if trust_outputs and not resume:
        raise InvalidParameterError(
            "trust_outputs is True and resume is False; it is about the outputs of a run that is resumed"
        )
    config = MatchAllConfig() if config is None else config
    if not isinstance(config, MatchAllConfig | MatchBackgroundsConfig):
        raise InvalidParameterError(
            f"config is a {type(config).__name__}; it must be a MatchAllConfig or a MatchBackgroundsConfig"
        )
    bad_planes = config.bad_planes if isinstance(config, MatchAllConfig) else config.badMaskPlanes
    most = byte_limit(max_memory, "max_memory")
    joint = isinstance(config, MatchAllConfig)
    store = FileStore(bad_planes, selection=selection, ignore_units="units" in allow, compress=compress, permit=permit)
    given = None if reference is None else Path(reference)
    index = None if given is None else find_file(given, files)
    number = len(files)
    if given is not None and index is None:
        index = number
        files.append(given)
    refuse_twice(files)
    survey = survey_files(
        files,
        store.selection,
        Path(out_dir),
        shifted=isinstance(config, MatchAllConfig),
        same_grid=same_grid,
        allow=allow,
        pixel_values=config.pixel_values if isinstance(config, MatchAllConfig) else "auto",
    )
    survey.refuse(strict=strict)
    in_threads = executor is None or executor == "threads" or isinstance(executor, ThreadPoolExecutor)
    # The workers of other executors are there already.
    opened_here = executor is None or executor in EXECUTORS
    jobs = workers if opened_here else getattr(executor, "_max_workers", _USUAL_WORKERS)
    plan = MemoryPlan(jobs, None if scratch is None else Path(scratch), HELD_BYTES)
    # Of other machines, only what the user says is known.
    if max_memory is not None or not _elsewhere(executor):
        plan = plan_memory(
            Needs.of(survey.items, finds_sources=isinstance(config, MatchAllConfig) and config.sources == "mask"),
            Path(out_dir),
            joint=joint,
            workers=jobs,
            processes=1 if in_threads else jobs,
            can_reduce=opened_here,
            max_memory=most,
            scratch=plan.scratch,
        )
    workers = min(workers, plan.workers)
    store.scratch = Scratch(plan.scratch, plan.most_resident, reuse=True)
    by_file = survey.by_file
    first = None if index is None else by_file[index][0].index
    number = sum(map(len, by_file[:number]))
    # The limit that a user sets is meant for the match.
    if coadd is not None and in_threads and max_memory is None and plan.scratch is None:
        store.held = coadd.held(survey.items[:number])
    folder = RunFolder(survey.items, Path(out_dir), store, overwrite=overwrite, resume=resume)
    method: Method
    beside: list[Path] = []
    more: dict[str, Any] = {}
    if isinstance(config, MatchAllConfig):
        known = known_of(config, _Finder(files, survey.items, by_file), fixed=fixed, anchors=anchors, skies=skies)
        method = JointMethod(
            store,
            with_level(config, known, named=given is not None),
            terms=terms,
            fixed=known.fixed,
            anchors=known.anchors,
            pictures=pictures,
            # Each process does one job at a time and holds pixels of its own; all may be on one machine.
            workers=plan.workers if in_threads else 1,
            held_bytes=plan.held_bytes,
        )
        beside = check_term_files(method.terms, survey.items)
        more = {
            "terms": state_of_terms(method.terms, survey.items),
            "fixed": [survey.items[number].label for number in known.fixed],
            "anchors": {survey.items[one.exposure].label: [one.value, one.error] for one in known.anchors},
        }
    else:
        if terms is not None or fixed or anchors or skies:
            raise InvalidParameterError(
                "terms, fixed, anchors and skies belong to the joint match; config is a MatchBackgroundsConfig, "
                "which gives a match to one reference"
            )
        method = ReferenceMethod(store, config, pictures=pictures)
    asked = folder.asked(method.config.toDict(), number, given, beside=beside, more=more)
    folder.prepare(beside)
    if coadd is not None:
        coadd.prepare(folder, survey.items[:number])
    # Workers start, and import what they need, while the journal is read; they end while the tables are written.
    with FACTS.of_run(store.run), open_executor(executor, workers, _IMPORTS) as opened:
        opened.begin()
        with permit.renaming():
            folder.remove_torn()
        journal = Journal(
            folder.out_dir,
            asked,
            folder.labels,
            resume=resume,
            permit=permit,
            trust_outputs=trust_outputs,
            stale=[*folder.summaries, *([] if coadd is None else [coadd.out])],
        )
        if resume and not journal.continues:  # it may hold nothing at all
            folder.refuse_earlier()
        try:
            with closing(method):
                run = match_exposures(
                    folder.items,
                    method,
                    number=number,
                    reference=first,
                    renew=opened.renew,
                    journal=journal,
                    progress=progress,
                    looked=partial(opened.prepare, method.needed_later),
                )
        except MemoryError as error:
            raise told(error) from error
        finally:
            opened.end()
            journal.close()
        run.inputs = survey.inputs[:number]
        on_sky = [note for note in survey.notes if note.startswith(ON_SKY)]
        run.notes = [f"Note: {note}." for note in (*on_sky, *survey.doubts, *plan.notes)] + run.notes
        with permit.renaming():  # a worker that was killed may have left some
            folder.remove_torn()
        if coadd is not None:
            coadd.make(run, survey.items[:number], survey.wcs[:number], store, progress)
        write_table(run, folder.out_dir / TABLE, permit)
        if run.overlaps:
            write_overlaps(run.overlaps, folder.out_dir / OVERLAPS, permit)
        else:  # there may be those of an earlier run
            with permit.renaming():
                (folder.out_dir / OVERLAPS).unlink(missing_ok=True)
        if run.covariance is not None:
            write_covariance(run, folder.out_dir, permit)
        else:
            with permit.renaming():
                (folder.out_dir / COVARIANCE).unlink(missing_ok=True)
        if pictures:
            save_run(run, folder.out_dir, permit)
        else:
            with permit.renaming():
                (folder.out_dir / RUN).unlink(missing_ok=True)
        return run


def _elsewhere(executor: Executor | str | None) -> bool:
    """Return whether jobs may be done by other machines."""
    if executor is None or isinstance(executor, ThreadPoolExecutor | ProcessPoolExecutor):
        return False
    return not isinstance(executor, str) or executor not in ("threads", "processes", "dask")


class _Finder:
    """Finder of the exposures that a parameter names: by file, by name or stem, or by label."""

    def __init__(self, files: Sequence[Path], items: Sequence[Item], by_file: Sequence[Sequence[Item]]) -> None:
        self._files = files
        self._items = items
        self._by_file = by_file

    def __call__(self, name: str | Path, parameter: str) -> list[int]:
        if labelled := [item.index for item in self._items if item.label == str(name)]:
            return labelled
        index = find_file(Path(name), self._files)
        if index is None:
            labels = ", ".join(item.label for item in self._items[:9]) + (" and more" if len(self._items) > 9 else "")
            raise InvalidParameterError(f"{parameter} names {printable(str(name))}; the exposures are {labels}")
        return [item.index for item in self._by_file[index]]
