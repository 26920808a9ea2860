"""Matching of files: what the command line does, as a function."""

from __future__ import annotations

__all__ = ["EARLIER_RESULTS", "match_files", "unique_labels"]

import datetime
import glob
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, _core
from .._text import printable
from ..errors import EvenskyError, FitsError, InvalidParameterError, TaskError
from ..image import Exposure
from ..io import read_exposure, write_exposure
from ..io.fits import plane_file
from ..io.opening import real_path
from ..math import MEANCLIP, StatisticsControl, makeStatistics
from .base import Struct
from .journal import JOURNAL, Journal
from .match_backgrounds import MatchBackgroundsConfig, MatchBackgroundsTask
from .pictures import Gallery
from .run_record import ExposureRecord, MatchRun, ReferenceCandidate

EARLIER_RESULTS = "matched.ecsv"

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


class _NoOverlapError(TaskError):
    """There is nothing to compare."""


class _FileMatcher:
    """One run: what every step of it needs."""

    def __init__(
        self,
        paths: Sequence[Path],
        out_dir: Path,
        task: MatchBackgroundsTask,
        mask: str | None,
        variance: str | None,
        overwrite: bool,
        compress: bool,
        pictures: bool,
        resume: bool,
    ) -> None:
        self.paths = paths
        self.labels = unique_labels(paths)
        self.out_dir = out_dir
        self.task = task
        self.mask = mask
        self.variance = variance
        self.overwrite = overwrite
        self.compress = compress
        self.gallery = Gallery(task) if pictures else None
        self.resume = resume
        self.sizes: dict[int, tuple[int, ...]] = {}
        self.outputs = [out_dir / f"{label}_matched.fits" for label in self.labels]

    def load(self, index: int) -> Exposure:
        """Read an exposure with its planes from wherever the patterns say they are."""
        path = self.paths[index]
        exposure = read_exposure(
            path, mask=self._plane(self.mask, path, index), variance=self._plane(self.variance, path, index)
        )
        exposure.dataId = {"exposure": self.labels[index]}
        return exposure

    def _plane_files(self) -> list[Path]:
        """The files that masks and variances come from, where these are not the exposures' own."""
        specs = [
            self._plane(pattern, path, index)
            for pattern in (self.mask, self.variance)
            for index, path in enumerate(self.paths)
        ]
        return [file for spec in specs if spec is not None and (file := plane_file(spec)) is not None]

    def _plane(self, pattern: str | None, path: Path, index: int) -> str | None:
        if pattern is None:
            return None
        try:
            return pattern.format(stem=self.labels[index], name=path.name, dir=path.parent)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError, MemoryError) as error:
            raise InvalidParameterError(
                f"Pattern {pattern!r} cannot be filled in ({_reason_of(error)}); {{stem}}, {{name}} and {{dir}} are "
                "known"
            ) from None

    def prepare_folder(self) -> None:
        """Make the output folder; refuse one that holds earlier results, or that cannot be written to."""
        folder = self.out_dir
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise FitsError(f"{folder}: is a file; the output needs a folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FitsError(f"{folder}: cannot be made: {error.strerror}") from error
        journal = os.path.lexists(folder / JOURNAL)
        if not self.overwrite and not (self.resume and journal):
            earlier = [path.name for path in (folder / EARLIER_RESULTS, *self.outputs) if os.path.lexists(path)]
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
        inputs = {real_path(path) for path in (*self.paths, *self._plane_files())}
        results = [folder / name for name in (JOURNAL, EARLIER_RESULTS, "report.html")]
        if clash := [path for path in (*self.outputs, *results) if real_path(path) in inputs]:
            raise FitsError(
                f"{clash[0]}: is an input too, and inputs are never written to; choose another output folder"
            )

    def measure(self, index: int) -> ReferenceCandidate:
        """What the choice of the reference needs to know of an exposure."""
        exposure = self.load(index)
        self.sizes[index] = tuple(exposure.getDimensions())
        return self.task.measureCandidate(exposure, self.labels[index])

    def control(self, exposure: Exposure) -> StatisticsControl:
        """Statistics of an exposure's good pixels."""
        control = StatisticsControl()
        control.setAndMask(self.task.badPixelMask(exposure))
        return control

    def level(self, exposure: Exposure) -> tuple[float, float]:
        """Sigma-clipped mean of the good pixels, and the share of pixels that are good."""
        statistics = makeStatistics(exposure.maskedImage, MEANCLIP | _core.Property.NMASKED, self.control(exposure))
        pixels = exposure.getBBox().getArea()
        return statistics.getValue(MEANCLIP), 1.0 - statistics.getValue(_core.Property.NMASKED) / pixels

    def keep_reference(self, index: int, reference: Exposure) -> ExposureRecord:
        """Write the reference as it is, so that the output folder holds the whole set."""
        start = time.perf_counter()
        record = self._record(index, reference, "reference")
        record.level_after = record.level_before
        record.fit_rms = 0.0
        self._write(index, reference, record, [f"evensky {__version__}: reference of the match, pixels unchanged"])
        if self.gallery is not None:
            self.gallery.add(index, record, self.gallery.reference(reference))
        record.seconds = time.perf_counter() - start
        return record

    def match(self, index: int, reference: Exposure) -> ExposureRecord:
        """Read, match, write one exposure."""
        start = time.perf_counter()
        science = self.load(index)
        record = self._record(index, science, "matched")
        if record.good_fraction == 0.0:
            raise TaskError("has no good pixel")
        before = self.gallery.picture(science) if self.gallery is not None else None
        original = science.image.array.copy()
        if not self._overlap(reference, science):
            raise _NoOverlapError("has no pixel that is good here and in the reference: nothing to match")
        struct, result = self.task.match_in_detail(reference, science)
        if not np.isfinite(struct.fitRMS):
            raise TaskError("has no bin of two good pixels in common with the reference: nothing to match")
        self._describe(record, struct, result, has_variance=science.info.has_variance and reference.info.has_variance)
        # What holds for the reference too is said once, of the run.
        news = [note for note in science.assumptions if note not in reference.assumptions or note.startswith("DATASUM")]
        record.warnings += [f"as read, {note}" for note in news]
        record.level_after, _ = self.level(science)
        np.subtract(science.image.array, original, out=original)
        record.model_min, record.model_max = float(np.nanmin(original)), float(np.nanmax(original))
        config = ", ".join(f"{name}={value}" for name, value in self.task.config.toDict().items())
        self._write(
            index,
            science,
            record,
            [
                f"evensky {__version__}: background matched to {reference.dataId['exposure']}",
                f"evensky model: {record.model}",
                f"evensky configuration: {config}",
            ],
        )
        if self.gallery is not None and before is not None:
            self.gallery.add(index, record, self.gallery.matched(before, science, reference))
        record.seconds = time.perf_counter() - start
        return record

    def _overlap(self, reference: Exposure, science: Exposure) -> bool:
        """Whether there is a pixel that is good in both; exposures of different sizes are somebody else's to refuse."""
        if reference.getDimensions() != science.getDimensions():
            return True
        bad = [self.task.badPixelMask(exposure) for exposure in (reference, science)]
        for y in range(reference.getHeight()):  # one row is enough nearly always
            good = (reference.mask.array[y] & bad[0] == 0) & (science.mask.array[y] & bad[1] == 0)
            if np.isfinite(reference.image.array[y] - science.image.array[y])[good].any():
                return True
        return False

    def _record(self, index: int, exposure: Exposure, status: Any) -> ExposureRecord:
        record = ExposureRecord(label=self.labels[index], path=printable(str(self.paths[index])), status=status)
        record.level_before, record.good_fraction = self.level(exposure)
        return record

    def _describe(
        self, record: ExposureRecord, struct: Struct, result: _core.MatchingResult, *, has_variance: bool
    ) -> None:
        record.fit_rms, record.matched_mse = struct.fitRMS, struct.matchedMSE
        record.diff_im_var = struct.diffImVar if has_variance else None
        size = f"bins of {result.binSize} px"
        if result.approximate is not None:
            record.model = f"Chebyshev order {result.order}, {size}"
        elif result.background is not None:
            nx, ny = struct.backgroundModel.getStatsImage().getDimensions()
            used = result.asUsed.interpStyle.name
            record.model = f"{used}, {nx} x {ny} {size}"
        else:
            record.model = "zero"
        record.common_fraction, record.good_bin_fraction = struct.goodFraction, struct.goodBinFraction
        record.extrapolated_fraction = struct.extrapolatedFraction
        record.flags = list(struct.flags)
        record.warnings = [f"{flag}: {sentence}" for flag, sentence in struct.flags.items()]

    def _write(self, index: int, exposure: Exposure, record: ExposureRecord, history: list[str]) -> None:
        def number(value: float | None) -> float | None:
            return value if value is not None and np.isfinite(value) else None

        provenance = {
            "EVS_VER": (__version__, "version of evensky"),
            "EVS_STAT": (record.status, "reference or matched"),
            "EVS_MODL": (record.model, "background model"),
            "EVS_RMS": (number(record.fit_rms), "RMS of bins - model"),
            "EVS_MSE": (number(record.matched_mse), "mean square of reference - matched"),
            "EVS_DVAR": (number(record.diff_im_var), "variance of reference - matched"),
            "EVS_FLAG": (",".join(record.flags), "what the model rests on too little"),
        }
        path = self.outputs[index]
        write_exposure(
            exposure,
            path,
            # A file that the journal does not know was written by a run that was killed just then.
            overwrite=self.overwrite or self.resume,
            compress=self.compress,
            history=history,
            provenance=provenance,
        )
        record.output, record.output_bytes = str(path), path.stat().st_size

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
            "config": self.task.config.toDict(),
            "reference": None if reference is None else str(reference.absolute()),
            "mask": self.mask,
            "variance": self.variance,
            "compress": self.compress,
            "files": [state(path) for path in self.paths],
            "planes": [state(file) for file in self._plane_files()],
            "number": number,
        }

    def remove_torn(self) -> None:
        """Remove what a killed run left half written."""
        for path in (*self.outputs, self.out_dir / EARLIER_RESULTS, self.out_dir / "report.html"):
            for torn in self.out_dir.glob(f".{glob.escape(path.name)}.*.tmp"):
                torn.unlink(missing_ok=True)

    def restore(self, record: ExposureRecord, index: int, reference: Exposure) -> ExposureRecord:
        """An exposure that an earlier run has finished, with the pictures that the report needs."""
        if self.gallery is None:
            return record
        if record.status == "reference":
            self.gallery.add(index, record, self.gallery.reference(reference))
        else:
            before = self.gallery.picture(self.load(index))
            self.gallery.add(index, record, self.gallery.matched(before, read_exposure(self.outputs[index]), reference))
        return record


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
        Number of threads, at least 1. Results do not depend on it.
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

    Returns
    -------
    MatchRun
        Everything that happened. One exposure that fails does not stop the others: it has the status "failed".

    Raises
    ------
    evensky.errors.InvalidParameterError
        For no file, less than one worker, or both `overwrite` and `resume`.
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
    matcher = _FileMatcher(files, Path(out_dir), task, mask, variance, overwrite, compress, pictures, resume)
    matcher.prepare_folder()
    steps = number * (1 if given is not None else 2)
    done = 0

    def step(label: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(label, done, steps)

    journal = Journal(matcher.out_dir, matcher.asked(number, given), matcher.labels, resume=resume)
    if resume:
        matcher.remove_torn()
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="evensky")
    try:
        candidates = journal.candidates
        if given is None:
            if journal.reference is None:
                candidates = _measure(matcher, pool, step)
                index = task.chooseReference(candidates)
            else:
                index = matcher.labels.index(journal.reference)
                done += number
        elif index is None:
            index = len(files) - 1
        assert index is not None  # by now one way or the other
        reference_exposure = matcher.load(index)
        # An unknown plane, and a reference that nothing can be compared with, stop the run before anything is written.
        if matcher.level(reference_exposure)[1] == 0.0:
            raise TaskError(f"{files[index]}: has no good pixel, so it cannot be the reference")
        reason = journal.reason or _reason(given, candidates)
        journal.begin(matcher.labels[index], reason, candidates)
        records = _match_all(matcher, pool, journal, index, reference_exposure, step, number)
    finally:
        # What has not begun does not begin any more where the run is interrupted.
        pool.shutdown(cancel_futures=True)
        journal.close()
    run = MatchRun(
        records=records,
        candidates=candidates,
        reference=matcher.labels[index],
        reference_reason=reason,
        config=task.config.toDict(),
        version=__version__,
        started=started.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - clock,
        unit=str(reference_exposure.metadata.get("BUNIT", "")),
        notes=[f"As read, {note}." for note in reference_exposure.assumptions],
    )
    from ..report import write_report, write_table

    write_table(run, matcher.out_dir / EARLIER_RESULTS)
    if report:
        page = matcher.out_dir / "report.html"
        try:
            write_report(run, page)
        except EvenskyError:
            raise
        except Exception as error:  # everything else is done by now, and on disk
            raise TaskError(f"{page}: the report cannot be made: {_reason_of(error)}; all results are there") from error
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


def _measure(matcher: _FileMatcher, pool: ThreadPoolExecutor, step: Callable[[str], None]) -> list[ReferenceCandidate]:
    candidates: list[ReferenceCandidate] = [ReferenceCandidate(label) for label in matcher.labels]
    errors: list[BaseException] = []

    def look(index: int) -> None:
        try:
            candidates[index] = matcher.measure(index)
        except BaseException as error:  # a candidate that cannot be had does not stop the others
            candidates[index].message = _reason_of(error)
            errors.append(error)

    futures = {pool.submit(look, index): index for index in range(len(matcher.paths))}
    for future in as_completed(futures):
        index = futures[future]
        future.result()
        step(f"looking at {matcher.labels[index]}")
    _set_aside(matcher, candidates)
    if len(errors) == len(candidates):
        # What is wrong with the call is wrong for every file: a pattern, the name of a plane.
        if wrong := [error for error in errors if isinstance(error, InvalidParameterError)]:
            raise wrong[0]
        more = f" (and {len(candidates) - 1} more)" if len(candidates) > 1 else ""
        raise TaskError(f"None of the {len(candidates)} files can be used: {candidates[0].message}{more}")
    return candidates


def _set_aside(matcher: _FileMatcher, candidates: Sequence[ReferenceCandidate]) -> None:
    """Leave out as references exposures that nearly no other could be matched to, whatever their cost."""
    usable = [index for index, candidate in enumerate(candidates) if candidate.npoint > 0]
    usual = Counter(matcher.sizes[index] for index in usable).most_common(1)
    noisy = any(candidates[index].variance > 0 for index in usable)
    for index in usable:
        candidate, size = candidates[index], matcher.sizes[index]
        if size != usual[0][0]:
            candidate.message = f"has another size than most: {size[0]} x {size[1]}"
        elif noisy and candidate.variance == 0:
            candidate.message = "all its good pixels are equal"


def _match_all(
    matcher: _FileMatcher,
    pool: ThreadPoolExecutor,
    journal: Journal,
    reference: int,
    exposure: Exposure,
    step: Callable[[str], None],
    number: int,
) -> list[ExposureRecord]:
    """Match and write the first `number` files; a reference from elsewhere stands behind them."""

    def one(index: int) -> ExposureRecord:
        label = matcher.labels[index]
        try:
            if (earlier := journal.done(label)) is not None:
                return matcher.restore(earlier, index, exposure)
            keep = matcher.keep_reference if index == reference else matcher.match
            record = keep(index, exposure)
        except BaseException as error:  # whatever one exposure does, the others go on; signals come to the main thread
            message = _reason_of(error)
            matcher.task.log.debug("Failed to match %s: %s", label, message)
            record = ExposureRecord(
                label=label, path=printable(str(matcher.paths[index])), status="failed", message=message
            )
            if isinstance(error, _NoOverlapError):
                record.flags, record.common_fraction = ["NO_OVERLAP"], 0.0
        # Here, not where results are waited for: what is finished stays finished, however the run ends.
        journal.finish(record)
        return record

    records: list[ExposureRecord | None] = [None] * number
    futures = {pool.submit(one, index): index for index in range(number)}
    for future in as_completed(futures):
        index = futures[future]
        records[index] = future.result()
        step(matcher.labels[index])
    return [record for record in records if record is not None]


def _reason_of(error: BaseException) -> str:
    """One line; the kind of an error that has no words."""
    return printable(str(error)) or type(error).__name__


def _reason(given: Path | None, candidates: Sequence[ReferenceCandidate]) -> str:
    if given is not None:
        return "It was named by the user."
    costs = sorted(candidate.cost for candidate in candidates if np.isfinite(candidate.cost))
    if len(costs) == 1:
        return "It is the only exposure that can be used."
    return f"Its cost, {costs[0]:.4f}, is the lowest of {len(costs)}; the next is {costs[1]:.4f}."
