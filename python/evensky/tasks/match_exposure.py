"""One exposure matched to the reference, and what there is to say of it."""

from __future__ import annotations

__all__ = [
    "ExposureMatcher",
    "NoOverlapError",
    "choose_reference",
    "failed",
    "reason_of",
    "reason_of_choice",
    "set_aside",
]

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from .. import _core
from .._text import printable
from ..errors import InvalidParameterError, TaskError
from ..image import Exposure
from ..math import MEANCLIP, Approximate, BackgroundMI, StatisticsControl, makeStatistics
from ..math.background import fill_with_model
from .base import Struct
from .match_backgrounds import MatchBackgroundsTask
from .pictures import Painter
from .run_record import ExposureRecord, ReferenceCandidate, Status
from .units import check_unit, differ, most_common_unit, unit_of

# Rows of a model that are looked at a time.
_BAND = 256


class NoOverlapError(TaskError):
    """There is nothing to compare."""


def reason_of(error: BaseException) -> str:
    """One line; the kind of an error that has no words."""
    return printable(str(error)) or type(error).__name__


def failed(label: str, path: str, error: BaseException) -> ExposureRecord:
    """The record of an exposure that could not be matched."""
    record = ExposureRecord(label=label, path=path, status="failed", message=reason_of(error))
    if isinstance(error, NoOverlapError):
        record.flags, record.common_fraction = ["NO_OVERLAP"], 0.0
    return record


def without_pictures(record: ExposureRecord, error: BaseException) -> ExposureRecord:
    """The record of an exposure that is matched, but cannot be shown."""
    said = f"There are no pictures of it: {reason_of(error)}"
    return replace(record, pixels=None, warnings=[*record.warnings, said])


def set_aside(
    candidates: Sequence[ReferenceCandidate], sizes: Sequence[tuple[int, int] | None], units: Sequence[str]
) -> None:
    """Leave out as references exposures that nearly no other could be matched to, whatever their cost."""
    usable = [index for index, candidate in enumerate(candidates) if candidate.npoint > 0]
    usual = Counter(sizes[index] for index in usable).most_common(1)
    noisy = any(candidates[index].variance > 0 for index in usable)
    for index in usable:
        candidate, size = candidates[index], sizes[index]
        if size is not None and size != usual[0][0]:
            candidate.message = f"has another size than most: {size[0]} x {size[1]}"
        elif noisy and candidate.variance == 0:
            candidate.message = "all its good pixels are equal"
    known = [units[index] for index in usable if not candidates[index].message and units[index]]
    unit = most_common_unit(known)
    if any(differ(one, unit) for one in units):
        for index in usable:
            # To one without a unit anything would be matched, whatever it is in.
            if not candidates[index].message and (not units[index] or differ(units[index], unit)):
                candidates[index].message = f"is in {units[index] or 'no unit'}, others in {unit}"


def choose_reference(
    task: MatchBackgroundsTask, labels: Sequence[str], load: Callable[[int], Exposure]
) -> tuple[int, list[ReferenceCandidate]]:
    """Look at exposures one after the other, and choose the one that the others are matched to.

    Parameters
    ----------
    task : MatchBackgroundsTask
    labels : sequence of str
        Their names.
    load : callable
        Gives the exposure of a number; one that it cannot give does not stop the others.

    Returns
    -------
    int
        The number of the reference.
    list of ReferenceCandidate

    Raises
    ------
    evensky.errors.InvalidParameterError
        Where none can be had and the first is wrong for such a reason, as all are then.
    evensky.errors.TaskError
        Where no exposure can be the reference.
    """
    candidates: list[ReferenceCandidate] = []
    sizes: list[tuple[int, int] | None] = []
    units: list[str] = []
    errors: list[Exception] = []
    for index, label in enumerate(labels):
        size, unit = None, ""
        try:
            exposure = load(index)
            size, unit = (exposure.getWidth(), exposure.getHeight()), unit_of(exposure)
            candidates.append(task.measureCandidate(exposure, label))
        except Exception as error:  # a candidate that cannot be had does not stop the others
            task.log.debug("%s cannot be the reference: %s", label, error)
            candidates.append(ReferenceCandidate(label, message=reason_of(error)))
            errors.append(error)
        sizes.append(size)
        units.append(unit)
    if len(errors) == len(candidates):
        # What is wrong with the call is wrong for every exposure.
        if isinstance(errors[0], InvalidParameterError):
            raise errors[0]
        raise TaskError(f"None of the {len(candidates)} exposures can be used: {candidates[0].message}")
    set_aside(candidates, sizes, units)
    return task.chooseReference(candidates), candidates


def reason_of_choice(candidates: Sequence[ReferenceCandidate] | None) -> str:
    """Why the reference is the reference; None for candidates where somebody has named it."""
    if candidates is None:
        return "It was named by the user."
    costs = sorted(candidate.cost for candidate in candidates if np.isfinite(candidate.cost))
    if len(costs) == 1:
        return "It is the only exposure that can be used."
    return f"Its cost, {costs[0]:.4f}, is the lowest of {len(costs)}; the next is {costs[1]:.4f}."


class ExposureMatcher:
    """Matches exposures in memory, and makes their records.

    Parameters
    ----------
    task : MatchBackgroundsTask
    pictures : bool, optional
        Put small pictures into the records.
    """

    def __init__(self, task: MatchBackgroundsTask, *, pictures: bool = False) -> None:
        self.task = task
        self.pictures = pictures

    @property
    def painter(self) -> Painter:
        """Makes the pictures."""
        return Painter(self.task)

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

    def describe_reference(self, exposure: Exposure, label: str, path: str) -> ExposureRecord:
        """The record of the reference, which stays as it is."""
        start = time.perf_counter()
        record = self._record(exposure, label, path, "reference")
        record.level_after = record.level_before
        record.fit_rms = 0.0
        if self.pictures:
            record.pixels = self.painter.reference(exposure)
        record.seconds = time.perf_counter() - start
        return record

    def match(self, reference: Exposure, science: Exposure, label: str, path: str) -> tuple[ExposureRecord, Struct]:
        """Correct an exposure in place.

        Returns
        -------
        ExposureRecord
        Struct
            What `MatchBackgroundsTask.matchBackgrounds` gives.

        Raises
        ------
        evensky.errors.TaskError
            Where no pixel is good, here or in common with the reference; where units differ.
        """
        start = time.perf_counter()
        check_unit(unit_of(science), unit_of(reference))
        record = self._record(science, label, path, "matched")
        if record.good_fraction == 0.0:
            raise TaskError("has no good pixel")
        before = self.painter.picture(science) if self.pictures else None
        if not self._overlap(reference, science):
            raise NoOverlapError("has no pixel that is good here and in the reference: nothing to match")
        struct, result = self.task.match_in_detail(reference, science)
        if not np.isfinite(struct.fitRMS):
            raise TaskError("has no bin of two good pixels in common with the reference: nothing to match")
        self._describe(record, struct, result, has_variance=science.info.has_variance and reference.info.has_variance)
        # What holds for the reference too is said once, of the run.
        news = [note for note in science.assumptions if note not in reference.assumptions or note.startswith("DATASUM")]
        record.warnings += [f"note: {note}" for note in news]
        record.level_after, _ = self.level(science)
        record.model_min, record.model_max = _model_range(struct.backgroundModel)
        if before is not None:
            record.pixels = self.painter.matched(before, science, reference)
        record.seconds = time.perf_counter() - start
        return record, struct

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

    def _record(self, exposure: Exposure, label: str, path: str, status: Status) -> ExposureRecord:
        record = ExposureRecord(label=label, path=path, status=status)
        record.level_before, record.good_fraction = self.level(exposure)
        return record

    @staticmethod
    def _describe(record: ExposureRecord, struct: Struct, result: _core.PairResult, *, has_variance: bool) -> None:
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


def _model_range(model: BackgroundMI | Approximate) -> tuple[float, float]:
    """The lowest and the highest value of a model, of which only some rows are made at a time."""
    box = model.getBBox() if isinstance(model, Approximate) else model.getImageBBox()
    width, height = box.getDimensions()
    low, high = np.float32(np.inf), np.float32(-np.inf)
    rows = np.empty((min(_BAND, height), width), np.float32)
    for y in range(0, height, _BAND):
        band = rows[: height - y]
        fill_with_model(band, model, first_row=y)
        # NaN, where there is nothing to interpolate, does not count.
        low, high = np.fmin(low, np.fmin.reduce(band, axis=None)), np.fmax(high, np.fmax.reduce(band, axis=None))
    return float(low), float(high)
