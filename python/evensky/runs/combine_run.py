"""Combination of exposures in files into one file, by bands of rows, with an executor and a journal."""

from __future__ import annotations

__all__ = ["USUAL_MEMORY", "combine_files"]

import logging
import os
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import byte_limit
from .._core import __version__
from .._text import reason_of
from ..combining.engine import CombinedBand, LostExposureError, Stack
from ..combining.target_grid import RESAMPLE
from ..draw.progress import Progress, Steps
from ..errors import FitsError, InvalidParameterError, TaskError
from ..fits.companions import split_extension
from ..fits.descriptions import Selection
from ..io.bands import BandsChangedError, ExposureBands
from ..io.coadd_file import CoaddWriter, Stamp
from ..io.file_names import refuse_one_name, refuse_twice
from ..io.folder_lock import FolderLock, Permit
from ..matching.joint.covariance import CorrectionCovariance
from ..matching.sets import several
from ..math.combine_planes import CombineOptions
from ..work.executors import EXECUTORS, Renew, open_executor
from ..work.held import STACKS
from ..work.jobs import Jobs
from ..work.memory import in_small_words, in_words, told
from .combine_header import header_of_run
from .combine_inputs import CombineInputs, StackedExposure
from .combine_journal import CombineJournal
from .combine_output import check_output, checked_output, checked_planes, checked_resampling, journal_path
from .combine_readers import (
    SourcePlan,
    StackPlan,
    combine_rows,
    free_space,
    open_stack,
    resample_to_disk,
)
from .combine_record import (
    clipping_note,
    empty_note,
    noise_note,
    sample_notes,
)
from .combine_result import CombineRun
from .covariance_file import without_covariance
from .folder import file_state
from .survey import Survey

log = logging.getLogger("evensky")

USUAL_MEMORY = 10**9
"""Memory for the pixels that are combined at once, in bytes, by default."""

# Share of it that the pixels of a band may take: the rest is for the program, and for results that wait to be written.
_SHARE = 0.65
# Bytes of a band if memory allows more: larger bands are read no faster, and fresh memory is slow.
_GOOD_BAND = 2**26
# Rows of a band, if memory allows them: fewer need many small reads.
_GOOD_ROWS = 64
_COUNTS = ("covered", "masked", "rejected")


def combine_files(
    paths: Iterable[str | Path],
    out: str | Path,
    *,
    options: CombineOptions,
    weighting: str | Sequence[float] | None = None,
    selection: Selection | None = None,
    same_grid: bool = False,
    wcs: Any = None,
    shape: tuple[int, int] | None = None,
    pixel_scale: float | None = None,
    resampling: str = "interp",
    covariance: CorrectionCovariance | str | Path | bool | None = None,
    allow: Collection[str] = (),
    strict: bool = False,
    survey: Survey | None = None,
    opened: Mapping[int, ExposureBands] | None = None,
    planes: Sequence[str] = ("variance", "mask"),
    workers: int = 1,
    executor: Executor | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    compress: bool = False,
    scratch: str | Path | None = None,
    max_memory: int | str | None = None,
    progress: Progress | None = None,
) -> CombineRun:
    """Combine exposures in files into one file.

    See `evensky.combine_files` for parameters and errors; `selection` holds its `hdu`, `mask`, `variance`, `weight`,
    `bad_planes`, `good_bits` and `max_unpacked`. If the caller knows what the files hold, `survey` has it, and each of
    its exposures is a file of its own; `opened` has those that need not be opened, by number.
    """
    refuse_one_name(paths)
    files, notes = without_covariance([Path(path) for path in paths])
    out = checked_output(out)
    scratch = None if scratch is None else Path(scratch)
    if not files:
        raise InvalidParameterError("There are 0 files; at least 1 is needed")
    if workers < 1:
        raise InvalidParameterError(f"workers = {workers}; it must be at least 1")
    if overwrite and resume:
        raise InvalidParameterError("overwrite and resume are both True; choose one of them")
    checked_resampling(resampling)
    refuse_twice(files)
    beside = [Path(wcs)] if isinstance(wcs, str | os.PathLike) else []
    inputs = CombineInputs(files, options, scratch, beside=beside, notes=notes)
    run = _Run(
        inputs,
        out,
        planes=checked_planes(planes),
        memory=byte_limit(max_memory, "max_memory") or USUAL_MEMORY,
        workers=workers if executor is None or executor in EXECUTORS else getattr(executor, "_max_workers", workers),
        in_threads=executor is None or executor == "threads" or isinstance(executor, ThreadPoolExecutor),
        scratch=scratch,
        compress=compress,
        overwrite=overwrite,
        resume=resume,
        resampling=resampling,
    )
    inputs.survey(selection or Selection(), survey, allow=allow, strict=strict)
    with ExitStack() as stack:
        inputs.look(weighting, opened or {})
        inputs.place(same_grid=same_grid, wcs=wcs, shape=shape, pixel_scale=pixel_scale)
        # The caller that knows the files knows whether they have a covariance, too.
        inputs.set_covariance(False if covariance is None and survey is not None else covariance)
        lock = stack.enter_context(FolderLock(out.parent, f"{out.name}.lock"))
        check_output(out, inputs.paths, lock, overwrite=overwrite, resume=resume)
        opened_executor = stack.enter_context(open_executor(executor, workers))
        try:
            return run.run(opened_executor.renew, lock.permit, progress)
        except MemoryError as error:
            raise told(error) from error


@dataclass
class _Run:
    """One combination of files."""

    inputs: CombineInputs
    out: Path
    planes: tuple[str, ...]
    memory: int
    workers: int
    in_threads: bool
    scratch: Path | None
    compress: bool
    overwrite: bool
    resume: bool
    resampling: str
    # Notes on the pixels that were combined.
    doubts: list[str] = field(default_factory=list)
    stamp: Stamp = field(init=False)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    clock: float = field(default_factory=time.perf_counter)

    # ---- the run ----

    def run(self, renew: Renew, permit: Permit, progress: Progress | None) -> CombineRun:
        """Combine all rows; if an exposure turns out to be unusable, begin again without it."""
        journal = CombineJournal(
            journal_path(self.out),
            self._asked(),
            len(self.inputs.exposures),
            self.inputs.grid.shape[0],
            resume=self.resume,
            renaming=permit.renaming,
        )
        for exposure in self.inputs.used:
            if (reason := journal.lost.get(exposure.record.label)) is not None:
                exposure.fail(TaskError(reason))
        try:
            journal.begin()
            while True:
                if not self.inputs.used:
                    raise self.inputs.none_usable()
                try:
                    planes = self._attempt(renew, journal, permit, progress)
                    break
                except LostExposureError as lost:
                    self._lose(self.inputs.used[lost.number], lost.error, journal)
        except BaseException:
            if journal.finished:
                journal.close()
            else:
                journal.remove()
            raise
        else:
            journal.remove()
        finally:
            for exposure in self.inputs.exposures:
                if exposure.stored is not None:
                    exposure.stored.remove()
        return self._result(planes, journal.counts)

    def _lose(self, exposure: StackedExposure, error: BaseException, journal: CombineJournal) -> None:
        """Set an exposure aside that cannot be read, or note that it must be read as a whole."""
        if isinstance(error, BandsChangedError) and not exposure.whole:
            assert exposure.image is not None
            exposure.whole = True
            if not self.in_threads:  # another process has found it
                exposure.bands = ExposureBands(exposure.image, scratch=self.scratch, whole=True)
            journal.again()
            return
        exposure.fail(error)
        log.warning("%s: %s; all rows are combined again without it", exposure.record.label, exposure.record.message)
        journal.lose(exposure.record.label, exposure.record.message)

    def _attempt(
        self, renew: Renew, journal: CombineJournal, permit: Permit, progress: Progress | None
    ) -> tuple[str, ...]:
        """Combine the rows that are missing, and write them; return the planes that were written."""
        self._resample(renew, journal, progress)
        plan = self._plan()
        stack = open_stack(plan)
        rows = self._band_height(stack)
        planes = self._planes_of(stack)
        corrections = self.inputs.corrections(stack) if "variance" in planes else None
        numbers = [exposure.number for exposure in self.inputs.used]
        writer = self._writer(stack, planes, permit)
        try:
            if not writer.continued and journal.finished:  # the unfinished file is gone
                journal.again()
            bands = list(_bands(journal, rows))
            steps = Steps(len(bands), progress)
            samples: dict[int, np.ndarray] = {}
            with STACKS.adopted(plan.run, {"": stack}):
                jobs = Jobs(renew, combine_rows, _given_up)
                for _, band in jobs.run((rows.start, (plan, rows.start, rows.stop)) for rows in bands):
                    if corrections is not None and band.variance is not None:
                        corrections.add_to(band.variance, band.rows.start)
                    writer.write(band.rows.start, band.planes(("image", *planes)))
                    journal.finish(band.rows, self._counts(band, numbers))
                    samples.update(band.levels)
                    if self.in_threads:
                        stack.release(band)
                    if journal.is_due:
                        # Lines of the journal are on disk at once, and must not be there before their rows.
                        writer.sync()
                        journal.keep()
                    steps.step(f"rows {band.rows.start + 1} to {band.rows.stop}")
            pixels = stack.level_samples(samples)
            self.doubts = sample_notes(
                pixels,
                [exposure.record.label for exposure in self.inputs.used],
                self.inputs.options,
                [exposure.weight for exposure in self.inputs.used],
                self.inputs.unit,
                has_variance="variance" in planes,
            )
            self.stamp = writer.finish()
        except BaseException:
            with suppress(FitsError):  # another error is already raised
                writer.sync()
                journal.keep()
            raise
        finally:
            if journal.finished:
                writer.close()
            else:  # there is nothing to resume
                writer.discard()
        return planes

    def _plan(self) -> StackPlan:
        """Return the stack of all exposures that can be used, as plain data."""
        used = self.inputs.used
        sources = []
        opened = {}
        for number, exposure in enumerate(used):
            assert exposure.image is not None
            y0, x0 = (0, 0) if exposure.placement == RESAMPLE else exposure.placement
            sources.append(SourcePlan(exposure.record.label, exposure.image, x0, y0, exposure.whole, exposure.stored))
            if exposure.bands is not None:
                opened[number] = exposure.bands
        weights = [exposure.weight for exposure in used]
        return StackPlan(
            run=uuid.uuid4().hex,
            sources=tuple(sources),
            shape=self.inputs.grid.shape,
            options=self.inputs.options,
            weights=None if None in weights else tuple(weight for weight in weights if weight is not None),
            times=tuple(exposure.record.exposure_time for exposure in used),
            with_time="exposure_time" in self.planes,
            with_weight="weight" in self.planes,
            scratch=self.scratch,
            # Workers are threads or processes of one machine each of which has a core.
            num_threads=0 if self.workers == 1 else 1,
            opened=opened,
        )

    def _resample(self, renew: Renew, journal: CombineJournal, progress: Progress | None) -> None:
        """Resample the exposures that are not on the pixels of the grid, and keep them on disk."""
        waiting = {one.number: one for one in self.inputs.used if one.placement == RESAMPLE and one.stored is None}
        if not waiting:
            return
        folder = self.scratch or self.out.parent
        self._check_room(folder, [one.box for one in waiting.values()])
        plan = self._plan()
        sources = dict(zip((one.number for one in self.inputs.used), plan.sources, strict=True))
        steps = Steps(len(waiting), progress)
        jobs = Jobs(renew, resample_to_disk, _given_up)
        arguments = (
            (number, (sources[number], one.wcs, self.inputs.grid, one.box, self.resampling, folder, plan.run, number))
            for number, one in waiting.items()
        )
        for number, found in jobs.run(arguments):
            exposure = waiting[number]
            steps.step(f"resampling {exposure.record.label}")
            if isinstance(found, BaseException):
                exposure.fail(found)
                journal.lose(exposure.record.label, exposure.record.message)
                continue
            exposure.stored = found
            exposure.record.set_resampled(self.resampling, found.masked_fraction, found.noise_factor)
        if not self.inputs.used:
            raise self.inputs.none_usable()

    def _check_room(self, folder: Path, boxes: Sequence[tuple[int, int, int, int]]) -> None:
        """Raise an error if resampled pixels cannot have room in a folder."""
        needed = sum(width * height for _, _, width, height in boxes) * 12
        free = free_space(folder)
        if free is not None and needed > free:
            raise FitsError(
                f"{folder}: has {in_words(free)} free, and {len(boxes)} resampled exposures need up to "
                f"{in_words(needed)}; free some, or choose another folder with --scratch (scratch)"
            )

    def _planes_of(self, stack: Stack) -> tuple[str, ...]:
        """Return the planes that are asked for and that there are; notes tell which are not."""
        without = []
        if not stack.has_variance and "variance" in self.planes:
            lacking = [
                one.record.label for one in self.inputs.used if one.bands is not None and not one.bands.has_variance
            ]
            without.append(("variance", f"there are no variances of {several(lacking)}"))
        if "exposure_time" in self.planes:
            lacking = [one.record.label for one in self.inputs.used if one.record.exposure_time is None]
            if lacking:
                without.append(("exposure_time", f"the exposure times of {several(lacking)} are unknown"))
        for name, reason in without:
            note = f"the result has no plane {name}: {reason}"
            if note not in self.inputs.notes:
                self.inputs.notes.append(note)
        return tuple(name for name in self.planes if name not in dict(without))

    def _band_height(self, stack: Stack) -> int:
        """Return the number of rows that are combined at once."""
        row_bytes = stack.row_bytes
        most = int(_SHARE * self.memory) // self.workers // row_bytes
        if most < 1:
            needed = in_small_words(row_bytes * self.workers / _SHARE)
            raise TaskError(
                f"a row of all {len(stack.readers)} exposures needs {needed} with {self.workers} "
                f"worker{'' if self.workers == 1 else 's'}, and max_memory is {in_small_words(self.memory)}; "
                "allow more with --max-memory (max_memory)"
            )
        rows = max(1, min(most, max(_GOOD_ROWS, _GOOD_BAND // row_bytes)))
        # No tile of a compressed file should be decoded twice.
        tile = max((one.bands.band_height_hint for one in self.inputs.used if one.bands is not None), default=1)
        return rows - rows % tile if 1 < tile <= rows else rows

    def _counts(self, band: CombinedBand, numbers: Sequence[int]) -> dict[str, np.ndarray]:
        """Return the counts of a band for all exposures of the run."""
        counts = {}
        for name in _COUNTS:
            counts[name] = np.zeros(len(self.inputs.exposures), np.int64)
            counts[name][list(numbers)] = getattr(band, f"{name}_by")
        return counts

    def _writer(self, stack: Stack, planes: Sequence[str], permit: Permit) -> CoaddWriter:
        """Open the file, or continue the unfinished one."""
        header = header_of_run(self.inputs, self.resampling)
        return CoaddWriter(
            self.out,
            self.inputs.grid.shape,
            ("image", *planes),
            header=header,
            mask_planes=stack.planes,
            overwrite=self.overwrite,
            permit=permit,
            partial=True,
            compress=self.compress,
            dtype=stack.dtype,
            x0=self.inputs.grid.origin[0],
            y0=self.inputs.grid.origin[1],
        )

    def _asked(self) -> dict[str, Any]:
        """Return the inputs and parameters that determine the result, in JSON types."""
        images = [exposure.image for exposure in self.inputs.exposures if exposure.image is not None]
        beside = dict.fromkeys(
            plane.path
            for image in images
            for plane in (image.mask, image.variance)
            if plane is not None and plane.path != image.path
        )
        return {
            "version": __version__,
            **self._options(),
            "selection": asdict(replace(self.inputs.selection, max_unpacked=None)),
            "used": [exposure.record.label for exposure in self.inputs.used],
            "files": [
                file_state(path) for path in dict.fromkeys(split_extension(path)[0] for path in self.inputs.files)
            ],
            "planes_of": [file_state(path) for path in beside],
        }

    def _options(self) -> dict[str, Any]:
        """Return the parameters of the result, in JSON types."""
        wcs = self.inputs.grid.wcs
        return {
            **asdict(self.inputs.options),
            "weights": [exposure.weight for exposure in self.inputs.exposures],
            "resampling": self.resampling,
            "planes": list(self.planes),
            "compress": self.compress,
            "shape": list(self.inputs.grid.shape),
            "shifts": [list(found) if isinstance(found, tuple) else found for found in self.inputs.grid.shifts],
            "wcs": None if wcs is None else wcs.to_header(relax=True).tostring(sep="\n"),
            "covariance": self.inputs.covariance_digest,
        }

    def _result(self, planes: tuple[str, ...], counts: Mapping[str, np.ndarray]) -> CombineRun:
        for exposure in self.inputs.used:
            exposure.record.set_fractions(*(int(counts[name][exposure.number]) for name in _COUNTS))
        return CombineRun(
            records=self.inputs.records,
            output=self.out,
            stamp=self.stamp,
            grid=self.inputs.grid,
            statistic=self.inputs.options.statistic,
            unit=self.inputs.unit,
            planes=planes,
            options=self._options(),
            started=self.started,
            seconds=time.perf_counter() - self.clock,
            notes=[
                *self.inputs.notes,
                *self.doubts,
                *empty_note(self.inputs.records),
                *clipping_note(self.inputs.records, self.inputs.options, has_variance="variance" in planes),
                *noise_note(self.inputs.records),
            ],
            inputs=self.inputs.found.inputs,
        )


def _bands(journal: CombineJournal, height: int) -> Iterator[slice]:
    """Iterate over the bands of rows that are to be combined."""
    for missing in journal.missing():
        start = missing.start
        while start < missing.stop:
            stop = min(start - start % height + height, missing.stop)
            yield slice(start, stop)
            start = stop


def _given_up(number: int, error: BaseException) -> Any:
    """Raise an error for a job that killed its worker twice."""
    raise TaskError(
        f"a worker died, and again when its job was repeated ({reason_of(error)}); use fewer workers, or less memory "
        "(--max-memory, max_memory)"
    ) from error
