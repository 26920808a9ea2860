"""Base class of the methods of matching: the steps that they share, for one exposure at a time."""

from __future__ import annotations

__all__ = ["Change", "Look", "Method", "Plan"]

import logging
import math
import multiprocessing
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lsst.pex.config import Config

from .._core import __version__
from .._text import reason_of
from ..combining.doubts import pixel_sample
from ..errors import InvalidParameterError, TaskError
from ..image.on_disk import planes_to_measure, without_variance
from ..matching.joint.covariance import CorrectionCovariance
from ..matching.joint.differences import Coverage, PairBins
from ..matching.joint.grid import PixelBox
from ..matching.joint.overlaps import Overlap
from ..matching.reference import CostWeights, ReferenceCandidate, measure_candidate
from ..matching.units import check_unit, unit_of
from ..math import MEANCLIP, NMASKED, StatisticsControl, makeStatistics
from ..work.held import PIXELS
from ..work.jobs import Job
from ..work.memory import told
from .pictures import NO_HISTOGRAM, Painter
from .preview import Mosaic, Tiling
from .record import ExposureRecord, Status, UntiedGroups, failed_record, without_pictures
from .source import Frame, Item, Result, Source

log = logging.getLogger("evensky")

# Configuration fields that name the mask planes whose pixels do not count.
_BAD_PLANES = ("bad_planes", "badMaskPlanes")


@dataclass
class Look:
    """Properties of an exposure that are known after one look at it.

    Attributes
    ----------
    candidate : ReferenceCandidate
        Its level, variance and number of good pixels, or the reason why it cannot be used.
    box : (x0, y0, width, height) or None
        Position on the pixel grid; None if the exposure could not be read.
    unit : str
    notes : list of str
        Assumptions that were made when the exposure was read.
    coverage : Coverage
        Bins with good pixels; empty unless the match is a joint one.
    stars : ndarray, shape (n, 2)
        Positions of the brightest stars on the sky plane; empty if exposures are on one pixel grid.
    source_fraction : float or None
        Share of the good pixels that are left out because they show sources; None if sources are not looked for.
    sample : ndarray, shape (rows, columns)
        Some of its pixels, see `evensky.combining.doubts.pixel_sample`; empty if it could not be read.
    error : InvalidParameterError or None
        An error that is caused by the call, and therefore the same for every exposure.
    """

    candidate: ReferenceCandidate
    box: PixelBox | None = None
    unit: str = ""
    notes: list[str] = field(default_factory=list)
    coverage: Coverage = field(default_factory=lambda: Coverage(np.zeros(0, np.int64), np.zeros(0, np.int64)))
    stars: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    source_fraction: float | None = None
    sample: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    error: InvalidParameterError | None = None


@dataclass
class Plan:
    """How an exposure will be changed."""

    digest: str = ""  # identifies the change and its record; "" if they follow from the files and the configuration
    tiling: Tiling | None = None  # blocks of the pictures; None for those that suit the exposure alone


@dataclass
class Change:
    """The change of an exposure: the model, its throughput if it was divided by it, and texts for the header."""

    model: Any
    cards: dict[str, tuple[Any, str]]
    headline: str = "reference of the match, pixels unchanged"
    variance_changed: bool = False
    variance_added: bool = False
    gain: float = 1.0


class Method(ABC):
    """A method of matching; it can be sent to other processes.

    Parameters
    ----------
    source : Source
    config : Config
    pictures : bool
        Put small pictures into the records.

    Attributes
    ----------
    references : dict of str to Item
        The references by slot, once they are chosen; several if files have several chips.
    unit : str
        Unit that all exposures must have, once it is known.
    level : str
        What is left unchanged, once it is known; see `evensky.runs.match_run.MatchRun`.
    overlaps : list of Overlap
        Levels in the overlaps of exposures that were compared, once they are known; exposures by their numbers.
    corners : list of list of [x, y]
        Outline of each exposure, once it is known; empty for an exposure that could not be read.
    footprint_unit : str
        Unit of the outlines; see `evensky.runs.match_run.MatchRun`.
    covariance : CorrectionCovariance or None
        Covariance of the models of all exposures against each other, once it is known.
    untied : list of UntiedGroups
        Groups of exposures that are not tied to each other, once they are known.
    settled : bool
        False as long as one look must be given to `settle` before the others are taken.
    """

    name: str
    """Value of ``--method``."""
    always_looks: bool
    """Whether exposures are looked at even if the reference is known."""
    stages: int
    """Number of steps per exposure that progress counts."""
    one_size: bool
    """Whether all exposures must have the size of the reference."""
    weights: CostWeights
    needed_later: tuple[str, ...] = ("astropy.io.fits",)
    """Modules that jobs import after the looks, which takes as long as a job."""

    def __init__(self, source: Source, config: Config, *, pictures: bool = False) -> None:
        self.source = source
        self.config = config
        self.painter = Painter(source.bad_planes) if pictures else None
        self.references: dict[str, Item] = {}
        self.unit = ""
        self.level = "reference"
        self.overlaps: list[Overlap] = []
        self.corners: list[list[list[float]]] = []
        self.footprint_unit = "px"
        self.covariance: CorrectionCovariance | None = None
        self.untied: list[UntiedGroups] = []
        self.settled = True

    # -- in the main process --

    def foresee(self, items: Sequence[Item]) -> None:  # noqa: B027 - few methods have such parameters
        """Derive parameters of the run from what is known of the exposures before they are read."""

    def settle(self, look: Look) -> None:
        """Derive parameters of the run from the first look at an exposure that can be read."""
        self.settled = True

    @abstractmethod
    def hold_reference(self, item: Item, look: Look | None, chips: Sequence[Item] = ()) -> AbstractContextManager[Look]:
        """Make an exposure the reference, and keep its pixels in memory until the block ends if they are needed.

        Parameters
        ----------
        item : Item
        look : Look or None
            None if the method does not look at exposures.
        chips : sequence of Item, optional
            The other chips of the same file, which are the references of theirs.

        Raises
        ------
        evensky.errors.TaskError
            If the exposure has no good pixel.
        """

    def comparisons(self, items: Sequence[Item], looks: Sequence[Look]) -> list[Job]:
        """Return the jobs of `compare`, if exposures are compared with each other before they are changed."""
        return []

    @abstractmethod
    def plan(
        self, items: Sequence[Item], looks: Sequence[Look], differences: Sequence[PairBins]
    ) -> tuple[list[Plan], list[str]]:
        """Decide how each exposure will be changed; return the plans, and notes about the run.

        Parameters
        ----------
        items : sequence of Item
        looks : sequence of Look
            Empty if the method does not look at exposures.
        differences : sequence of PairBins
            Results of all comparisons.
        """

    def mosaic(
        self, items: Sequence[Item], looks: Sequence[Look], plans: Sequence[Plan], reference: Look
    ) -> Mosaic | None:
        """Return the sums of the pictures of all exposures, and set their blocks; None in a run without pictures.

        Parameters
        ----------
        items : sequence of Item
            The exposures to match.
        looks : sequence of Look
            Empty if the method does not look at exposures.
        plans : sequence of Plan
        reference : Look
            Look at the reference.
        """
        if self.painter is None:
            return None
        boxes = [look.box for look in looks[: len(items)]] or [self.source.box_of(item) for item in items]
        if self.one_size:  # pixels are compared as they stand
            boxes = [None if box is None else (0, 0, *box[2:]) for box in boxes]
        one = reference.candidate
        made = Mosaic(items, boxes, self.unit, math.sqrt(one.variance) if one.variance > 0 else abs(one.level))
        for item, plan in zip(items, plans, strict=False):
            plan.tiling = made.tiling(item.index)
        return made

    def close(self) -> None:
        """Drop the pixels that this process keeps between jobs."""
        PIXELS.forget(self.source.run)

    # -- jobs --

    def look(self, item: Item) -> Look:
        """Look at an exposure; if it cannot be used, return the reason in the look."""
        try:
            frame = self.source.read_to_look(item)
            look = self._look(item, frame)
            look.coverage = self._covered(item, frame, look)
            return look
        except _job_errors() as error:  # one exposure that cannot be used does not stop the others
            log.debug("%s cannot be used: %s", item.label, error)
            due_to_call = error if isinstance(error, InvalidParameterError) else None
            return Look(ReferenceCandidate(item.label, message=reason_of(told(error))), error=due_to_call)

    def compare(self, item: Item, others: Sequence[Item]) -> list[PairBins]:
        """Measure the differences between an exposure and several others."""
        return []

    def _covered(self, item: Item, frame: Frame, look: Look) -> Coverage:
        """Return the bins of an exposure with good pixels, if the method needs them."""
        return look.coverage

    @staticmethod
    def _look(item: Item, frame: Frame) -> Look:
        exposure = frame.exposure
        x0, y0 = exposure.getXY0()
        width, height = exposure.getDimensions()
        shown = without_variance(exposure.maskedImage)
        return Look(
            measure_candidate(exposure.maskedImage, frame.bad, item.label),
            (x0, y0, width, height),
            unit_of(exposure),
            list(exposure.assumptions),
            sample=pixel_sample(shown.image.array, shown.mask.array, frame.bad),
        )

    def process(self, item: Item, plan: Plan, earlier: ExposureRecord | None) -> ExposureRecord:
        """Match the only exposure of a file, see `process_file`."""
        return self.process_file([item], [plan], [earlier])[0]

    def process_file(
        self, items: Sequence[Item], plans: Sequence[Plan], earlier: Sequence[ExposureRecord | None]
    ) -> list[ExposureRecord]:
        """Match the exposures of one file and hand them to the source; if one fails, return the reason in its record.

        A file that an `earlier` run has finished is not matched again; only its pictures are made.
        """
        self.close()  # all comparisons are done
        kept = [record for record in earlier if record is not None]
        if len(kept) == len(items):
            try:
                if all(map(self._restore, items, plans, kept)):
                    return kept
            except _job_errors() as error:  # one file that cannot be shown does not stop the others
                return [without_pictures(record, error) for record in kept]
        records, finished, parts = [], [], []
        for item, plan in zip(items, plans, strict=True):
            try:
                record, part = self._match(item, plan)
                finished.append((item, record))
                parts.append(part)
            except _job_errors() as error:  # one exposure that fails does not stop the others
                log.debug("Failed to match %s: %s", item.label, reason_of(error))
                record = failed_record(item.label, item.place, told(error))
            records.append(record)
        if finished:
            done, matched = zip(*finished, strict=True)
            try:
                self.source.write(done, matched, parts)
            except _job_errors() as error:
                log.debug("Failed to write %s: %s", done[0].output, reason_of(error))
                return [
                    record if record.status == "failed" else failed_record(record.label, record.path, told(error))
                    for record in records
                ]
            for record in records:
                if record.status == "failed":
                    record.warnings.append("its pixels are unchanged in the output of its file")
        return records

    def _match(self, item: Item, plan: Plan) -> tuple[ExposureRecord, Any]:
        """Match an exposure; return its record, and what the source needs to write it."""
        start = time.perf_counter()
        unchanged = self._stays(item, plan)
        frame = self._frame(item)
        exposure = frame.exposure
        if not unchanged:
            check_unit(unit_of(exposure), self.unit)
        record = self._record(item, frame, self._status_of(item) if unchanged else "matched")
        before = None if self.painter is None else self.painter.picture(exposure, plan.tiling)
        if unchanged:
            change = self._keep(plan, record)
            record.level_after = record.level_before
        else:
            if record.good_fraction == 0.0:
                raise TaskError("has no good pixel")
            change = self._change(item, frame, plan, record)
            record.level_after, _ = self._level(frame)
        if self.painter is not None and before is not None:
            record.pixels = (
                self.painter.unchanged(before)
                if unchanged
                else self.painter.matched(
                    before, self.painter.picture(exposure, plan.tiling), self._residuals(item, frame)
                )
            )
        record.seconds = time.perf_counter() - start
        record.digest = plan.digest
        history = [f"evensky {__version__}: {change.headline}"]
        if not unchanged:
            # Which planes are bad may depend on the layout of each file.
            bad = self.source.bad_pixels(item)
            fields = {name: value for name, value in self.config.toDict().items() if not bad or name not in _BAD_PLANES}
            config = ", ".join(f"{name}={value}" for name, value in fields.items())
            history += [f"evensky model: {record.model}", f"evensky configuration: {config}"]
            history += [f"evensky bad pixels: {bad}"] if bad else []
        history += [f"evensky {text}" for text in record.warnings if text.partition(":")[0] in record.flags]
        result = Result(
            change.model, change.variance_changed, history, change.cards, change.variance_added, change.gain
        )
        return record, self.source.finish(item, frame, record, result)

    def _restore(self, item: Item, plan: Plan, record: ExposureRecord) -> bool:
        """Make the pictures of a finished exposure, if any are wanted; return False if its output is unreadable."""
        if self.painter is None:
            return True
        before = self.painter.picture(self._frame(item).exposure, plan.tiling)
        if record.status in ("reference", "fixed"):
            record.pixels = self.painter.unchanged(before)
            return self.source.read_output(item) is not None
        output = self.source.read_output(item)
        if output is None:
            return False
        after = self.painter.picture(output.exposure, plan.tiling)
        record.pixels = self.painter.matched(before, after, self._residuals(item, output))
        return True

    def _frame(self, item: Item) -> Frame:
        """Return an exposure that may be changed."""
        return self.source.read(item)

    @abstractmethod
    def _stays(self, item: Item, plan: Plan) -> bool:
        """Return whether an exposure stays unchanged, as the reference does."""

    def _status_of(self, item: Item) -> Status:
        """Return the status of an exposure that stays unchanged."""
        return "reference"

    @abstractmethod
    def _keep(self, plan: Plan, record: ExposureRecord) -> Change:
        """Describe the reference, which stays unchanged."""

    @abstractmethod
    def _change(self, item: Item, frame: Frame, plan: Plan, record: ExposureRecord) -> Change:
        """Add the model to an exposure, and describe it in the record."""

    def _residuals(self, item: Item, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        """Return the histogram of the residuals of a matched exposure: counts and edges."""
        return NO_HISTOGRAM

    def _record(self, item: Item, frame: Frame, status: Status) -> ExposureRecord:
        record = ExposureRecord(label=item.label, path=item.place, status=status)
        record.level_before, record.good_fraction = self._level(frame)
        return record

    @staticmethod
    def _level(frame: Frame) -> tuple[float, float]:
        """Return the sigma-clipped mean of the good pixels, and the share of pixels that are good."""
        control = StatisticsControl()
        control.setAndMask(frame.bad)
        statistics = makeStatistics(*planes_to_measure(frame.exposure.maskedImage), MEANCLIP | NMASKED, control)
        pixels = frame.exposure.getBBox().getArea()
        return statistics.getValue(MEANCLIP), 1.0 - statistics.getValue(NMASKED) / pixels


def _job_errors() -> type[BaseException]:
    """Return the class of errors that make one exposure fail, but not the run.

    In a worker these are all errors; in the main thread, an interrupt ends the run.
    """
    worker = threading.current_thread() is not threading.main_thread() or multiprocessing.parent_process() is not None
    return BaseException if worker else Exception
