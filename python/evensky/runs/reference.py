"""The method "reference": each exposure is matched to one reference with the configured model."""

from __future__ import annotations

__all__ = ["ReferenceMethod"]

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._core import PairResult
from ..errors import TaskError
from ..image import Exposure
from ..matching.joint.differences import PairBins
from ..matching.pair import have_common_pixels
from ..math.background import model_range
from ..math.thumbnail import difference_histogram
from ..tasks import MatchBackgroundsConfig, MatchBackgroundsTask, Struct
from ..work.held import REFERENCES
from .method import Change, Look, Method, Plan, log
from .record import ExposureRecord, NoOverlapError
from .source import Frame, Item, Source


class ReferenceMethod(Method):
    """A match of each exposure to one reference, as LSST's MatchBackgroundsTask does it.

    Parameters
    ----------
    source : Source
    config : MatchBackgroundsConfig
    pictures : bool, optional
        Put small pictures into the records.
    log : logging.Logger, optional
        Parent of the task's log.
    """

    name = "reference"
    always_looks = False
    stages = 2
    one_size = True

    def __init__(
        self, source: Source, config: MatchBackgroundsConfig, *, pictures: bool = False, log: Any = log
    ) -> None:
        self.task = MatchBackgroundsTask(config=config, log=log)
        super().__init__(source, self.task.config, pictures=pictures)
        self.weights = self.task.costWeights

    @contextmanager
    def hold_reference(self, item: Item, look: Look | None, chips: Sequence[Item] = ()) -> Iterator[Look]:
        """Read the reference, and keep it in memory until the block ends."""
        self.references = {one.slot: one for one in (*chips, item)}
        frame = self.source.read(item)
        found = self._look(item, frame) if look is None else look
        if found.candidate.npoint == 0:
            raise TaskError(f"{item.path or item.label}: has no good pixel, so it cannot be the reference")
        self.unit = found.unit
        with REFERENCES.adopted(self.source.run, {item.slot: frame}):
            yield found

    def plan(
        self, items: Sequence[Item], looks: Sequence[Look], differences: Sequence[PairBins]
    ) -> tuple[list[Plan], list[str]]:
        """Return empty plans, as each model follows from the exposure and the reference."""
        return [Plan() for _ in items], []

    def _frame(self, item: Item) -> Frame:
        return self._reference_frame(item) if item == self.references.get(item.slot) else self.source.read(item)

    def _reference_frame(self, item: Item) -> Frame:
        """Return the reference of an exposure, read at most once."""
        reference = self.references.get(item.slot)
        if reference is None:
            name = next(iter(self.references.values())).label
            raise TaskError(f"the file of the reference {name} has no image {item.slot}")
        frame: Frame = REFERENCES.get(self.source.run, lambda: self.source.read(reference), item.slot)
        return frame

    def _stays(self, item: Item, plan: Plan) -> bool:
        return item == self.references.get(item.slot)

    def _keep(self, plan: Plan, record: ExposureRecord) -> Change:
        record.fit_rms = 0.0
        return Change(None, self._cards(record))

    def _check(self, frame: Frame, reference: Frame) -> None:
        """Raise an error if an exposure cannot be compared with the reference."""
        if not have_common_pixels(reference.exposure, frame.exposure, reference.bad, frame.bad):
            raise NoOverlapError("has no pixel that is good here and in the reference: nothing to match")

    def _change(self, item: Item, frame: Frame, plan: Plan, record: ExposureRecord) -> Change:
        reference = self._reference_frame(item)
        self._check(frame, reference)
        struct, result = self.task.matchPair(reference.exposure, frame.exposure, reference.bad, frame.bad)
        if not np.isfinite(struct.fitRMS):
            raise TaskError("has no bin of two good pixels in common with the reference: nothing to match")
        self._describe(record, struct, result, reference.exposure, frame.exposure)
        headline = f"background matched to {self.references[item.slot].label}"
        return Change(struct.backgroundModel, self._cards(record), headline)

    @staticmethod
    def _describe(
        record: ExposureRecord, struct: Struct, result: PairResult, reference: Exposure, science: Exposure
    ) -> None:
        record.fit_rms, record.matched_mse = struct.fitRMS, struct.matchedMSE
        has_variance = science.info.has_variance and reference.info.has_variance
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
        # A note that applies to the reference too is a note of the run.
        notes = [
            note for note in science.assumptions if note not in reference.assumptions or note.startswith("DATASUM")
        ]
        record.warnings = [f"{flag}: {sentence}" for flag, sentence in struct.flags.items()]
        record.warnings += [f"note: {note}" for note in notes]
        record.model_min, record.model_max = model_range(struct.backgroundModel)

    @staticmethod
    def _cards(record: ExposureRecord) -> dict[str, tuple[float | None, str]]:
        return {
            "EVS_MSE": (record.matched_mse, "mean square of reference - matched"),
            "EVS_DVAR": (record.diff_im_var, "variance of reference - matched"),
        }

    def _residuals(self, item: Item, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        reference = self._reference_frame(item)
        images = reference.exposure.maskedImage, frame.exposure.maskedImage
        return difference_histogram(*images, reference.bad, frame.bad)
