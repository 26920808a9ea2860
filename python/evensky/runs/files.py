"""Runs over files, with an output folder, a journal and an executor."""

from __future__ import annotations

__all__ = ["MatchConfig", "match_files"]

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from .._text import printable
from ..draw.progress import Progress
from ..errors import InvalidParameterError
from ..fits.descriptions import ON_SKY, Selection
from ..io.file_names import find_file, refuse_twice
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.terms import Term
from ..tasks import MatchBackgroundsConfig
from ..work.executors import EXECUTORS, open_executor
from .folder import OVERLAPS, TABLE, RunFolder
from .joint import HELD_BYTES, JointMethod
from .journal import Journal
from .known import known_of, with_level
from .match_run import MatchRun, write_table
from .method import Method
from .overlaps import write_overlaps
from .reference import ReferenceMethod
from .run import match_exposures
from .source import Item
from .store import FileStore
from .survey import survey_files
from .terms import check_term_files, state_of_terms

# Number of workers that is assumed for an executor that does not state it.
_USUAL_WORKERS = 8

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
) -> MatchRun:
    """Match the backgrounds of FITS files, and write the matched files and a table.

    See `evensky.match_files`, which also writes the report, for parameters and errors; `selection` holds its `hdu`,
    `mask`, `variance`, `weight` and `good_bits`.

    Returns
    -------
    MatchRun
    """
    files = [Path(path) for path in paths]
    if not files:
        raise InvalidParameterError("There are 0 files; at least 1 is needed")
    if workers < 1:
        raise InvalidParameterError(f"workers = {workers}; it must be at least 1")
    if overwrite and resume:
        raise InvalidParameterError("overwrite and resume are both True; choose one of them")
    config = MatchAllConfig() if config is None else config
    if not isinstance(config, MatchAllConfig | MatchBackgroundsConfig):
        raise InvalidParameterError(
            f"config is a {type(config).__name__}; it must be a MatchAllConfig or a MatchBackgroundsConfig"
        )
    bad_planes = config.bad_planes if isinstance(config, MatchAllConfig) else config.badMaskPlanes
    store = FileStore(
        bad_planes, selection=selection, ignore_units="units" in allow, compress=compress, scratch=scratch
    )
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
    by_file = survey.by_file
    first = None if index is None else by_file[index][0].index
    number = sum(map(len, by_file[:number]))
    folder = RunFolder(survey.items, Path(out_dir), store, overwrite=overwrite, resume=resume)
    method: Method
    beside: list[Path] = []
    more: dict[str, Any] = {}
    if isinstance(config, MatchAllConfig):
        in_threads = executor is None or executor == "threads" or isinstance(executor, ThreadPoolExecutor)
        jobs, holders = getattr(executor, "_max_workers", workers), 1
        if not in_threads:
            # Each worker does one job at a time and holds pixels of its own; all may be on one machine.
            jobs, holders = 1, workers if executor in EXECUTORS else getattr(executor, "_max_workers", _USUAL_WORKERS)
        known = known_of(config, _Finder(files, survey.items, by_file), fixed=fixed, anchors=anchors, skies=skies)
        method = JointMethod(
            store,
            with_level(config, known, named=given is not None),
            terms=terms,
            fixed=known.fixed,
            anchors=known.anchors,
            pictures=pictures,
            workers=jobs,
            held_bytes=HELD_BYTES // holders,
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
                "terms, fixed, anchors and skies belong to the joint match; config is a MatchBackgroundsConfig, which "
                "gives a match to one reference"
            )
        method = ReferenceMethod(store, config, pictures=pictures)
    asked = folder.asked(method.config.toDict(), number, given, beside=beside, more=more)
    folder.prepare(beside)
    journal = Journal(folder.out_dir, asked, folder.labels, resume=resume)
    if resume:
        folder.remove_torn()
    try:
        with closing(method), open_executor(executor, workers) as renew:
            run = match_exposures(
                folder.items,
                method,
                number=number,
                reference=first,
                renew=renew,
                journal=journal,
                progress=progress,
            )
    finally:
        journal.close()
    run.inputs = survey.inputs[:number]
    on_sky = [note for note in survey.notes if note.startswith(ON_SKY)]
    run.notes = [f"Note: {note}." for note in (*on_sky, *survey.doubts)] + run.notes
    write_table(run, folder.out_dir / TABLE)
    if run.overlaps:
        write_overlaps(run.overlaps, folder.out_dir / OVERLAPS)
    else:  # there may be those of an earlier run
        (folder.out_dir / OVERLAPS).unlink(missing_ok=True)
    return run


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
