"""The method "all": a joint match, in which all exposures are matched to each other at once."""

from __future__ import annotations

__all__ = ["HELD_BYTES", "JointMethod"]

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._bands import row_bands
from .._core import PairOptions, __version__
from .._text import reason_of
from ..errors import TaskError
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.differences import Coverage, Differences, PairBins, Pixels, coverage_of, measure_pair
from ..matching.joint.grid import CommonGrid
from ..matching.joint.partners import choose_pairs
from ..matching.joint.search import Correction, Corrections, correct_all
from ..matching.reference import CostWeights
from ..matching.units import differ, most_common_unit
from ..math import stringToStatisticsProperty
from ..work.held import PIXELS
from .method import Compare, Look, Method, Plan, log
from .record import CandidateScore, ExposureRecord, NoOverlapError
from .source import Frame, Item, Result, Source

# Number of pixels of a model that are evaluated at a time.
_BAND_PIXELS = 2**22
HELD_BYTES = 2**29
"""Bytes of pixels that a run keeps between jobs by default."""

# A smaller share of bins that are good in another exposure, too, is flagged.
_LEAST_COMMON, _LEAST_ENCLOSED = 0.1, 0.9
_NOTHING = Coverage(np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(kw_only=True)
class _Correct(Plan):
    """The model of an exposure, and what its record says of it.

    Attributes
    ----------
    correction : Correction
    partners : list of str
        Labels of the exposures that it was compared with.
    covered_bins : int
        Number of bins in which it has good pixels.
    problem : str
        Why the look at it failed; "" if it did not.
    """

    correction: Correction
    partners: list[str]
    covered_bins: int
    problem: str


class JointMethod(Method):
    """Match all exposures to each other, with model complexity selected from the data.

    Parameters
    ----------
    source : Source
    config : MatchAllConfig
    pictures : bool, optional
        Put small pictures into the records.
    workers : int, optional
        Number of jobs that a process does at the same time.
    held_bytes : int, optional
        Bytes of pixels that a process keeps between jobs, so that files are not read again to be compared.
    """

    name = "all"
    always_looks = True
    stages = 3
    one_size = False

    def __init__(
        self,
        source: Source,
        config: MatchAllConfig,
        *,
        pictures: bool = False,
        workers: int = 1,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        super().__init__(source, config, pictures=pictures)
        self.config: MatchAllConfig = config
        self.workers = workers
        self.held_bytes = held_bytes
        self.weights = CostWeights(config.weight_coverage, config.weight_variance, config.weight_level)
        self._grid = CommonGrid(max(1, config.bin_size))

    # -- in the main process --

    def look_at_all(self, items: Sequence[Item], do: Compare) -> list[Look]:
        """Look at all exposures; the first that can be read gives the size of the bins, unless it is configured."""
        looks: dict[int, Look] = {}
        grid = self._grid if self.config.bin_size > 0 else None
        for item in items:
            if grid is not None:
                break
            looks.update(do(self.look, [(item.index, (item, None))], "looking at"))
            if (box := looks[item.index].box) is not None:
                grid = CommonGrid.fitting(box[2], box[3])
        self._grid = grid or self._grid
        rest = [item for item in items if item.index not in looks]
        looks.update(do(self.look, ((item.index, (item, self._grid)) for item in rest), "looking at"))
        return [looks[item.index] for item in items]

    @contextmanager
    def hold_reference(self, item: Item, look: Look | None) -> Iterator[Look]:
        """Make an exposure the reference; its pixels are not needed apart from those of the others."""
        assert look is not None
        if look.box is None:
            self.source.read(item)  # raises the error that says why it cannot be read
        if look.coverage.bins.size == 0:
            reason = look.candidate.message or "has no good pixel"
            raise TaskError(f"{item.path or item.label}: {reason}, so it cannot be the reference")
        self.reference = item
        yield look

    def plan(self, items: Sequence[Item], looks: Sequence[Look], do: Compare) -> tuple[list[Plan], list[str]]:
        """Compare pairs, and solve for the models of all exposures at once."""
        assert self.reference is not None
        reference = self.reference.index
        self.unit = looks[reference].unit or most_common_unit(look.unit for look in looks)
        looks = [replace(look, coverage=_NOTHING) if differ(look.unit, self.unit) else look for look in looks]
        pairs = self._compare(items, choose_pairs([look.coverage.bins for look in looks], reference), do)
        costs = [look.candidate.cost if np.isfinite(look.candidate.cost) else np.inf for look in looks]
        covered = [-look.coverage.bins.size for look in looks]
        ranked = sorted(range(len(looks)), key=lambda i: (i != reference, costs[i], covered[i], i))
        corrections = correct_all(
            [look.box if look.box is not None else (0, 0, 1, 1) for look in looks],
            self._grid,
            Differences(len(looks), sorted(pairs, key=lambda pair: (pair.second, pair.first))),
            preference=ranked,
            level=self.config.level,
            order=self.config.order,
            spline=self.config.spline,
        )
        labels = [item.label for item in items]
        plans: list[Plan] = [
            _plan_of(correction, look, labels) for correction, look in zip(corrections.exposures, looks, strict=True)
        ]
        return plans, _group_notes(corrections, labels)

    def _compare(self, items: Sequence[Item], pairs: Sequence[tuple[int, int]], do: Compare) -> list[PairBins]:
        """Measure pairs; a job compares one exposure with earlier ones."""
        partners: dict[int, list[Item]] = {item.index: [] for item in items}
        for earlier, later in pairs:
            partners[later].append(items[earlier])
        found: list[PairBins] = []
        try:
            jobs = ((later, (items[later], earlier)) for later, earlier in partners.items())
            for _, bins in do(self.compare, jobs, "comparing"):
                found += bins
        finally:
            PIXELS.forget(self.source.run)
        return found

    # -- jobs --

    def _look(self, item: Item, frame: Frame, *more: Any) -> Look:
        look = super()._look(item, frame)
        assert look.box is not None
        grid = more[0] or CommonGrid.fitting(look.box[2], look.box[3])
        pixels = self._pixels(frame)
        look.coverage = coverage_of(pixels, grid)
        if not pixels.on_disk:
            PIXELS.offer(self.source.run, item.index, pixels, self._size(pixels), self.held_bytes)
        return look

    def compare(self, item: Item, earlier: Sequence[Item]) -> list[PairBins]:
        """Measure the differences between an exposure and several others."""
        found = []
        for other in earlier:
            try:
                first, second = ((one.index, self._held_pixels(one)) for one in (other, item))
                bins = measure_pair(first, second, self._grid, self._options())
            except Exception as error:  # it was readable a moment ago; its own record will give the reason
                log.debug("Failed to compare %s with %s: %s", item.label, other.label, reason_of(error))
                continue
            if bins is not None:
                found.append(bins)
        return found

    def _pixels(self, frame: Frame) -> Pixels:
        exposure = frame.exposure
        x0, y0 = exposure.getXY0()
        box = (x0, y0, *exposure.getDimensions())
        image, mask = exposure.image.array, exposure.mask.array
        on_disk = exposure.info.scratch is not None
        if frame.shared or on_disk:
            return Pixels(image, mask, frame.bad, box, on_disk)
        # Pixels of a file are nobody else's: NaN marks the bad ones, and the mask need not be kept.
        for rows in row_bands(*image.shape):
            image[rows][(mask[rows] & np.int32(frame.bad)) != 0] = np.nan
        return Pixels(image, None, 0, box)

    def _held_pixels(self, item: Item) -> Pixels:
        def load() -> tuple[Pixels, int]:
            pixels = self._pixels(self.source.read(item, to_change=False))
            return pixels, self._size(pixels)

        assert self.reference is not None
        held: Pixels = PIXELS.get(self.source.run, item.index, load, self.held_bytes, self.reference.index)
        return held

    def _size(self, pixels: Pixels) -> int:
        """Return the number of bytes that pixels count for; a few exposures on disk are as many as may be held."""
        return self.held_bytes // (3 + self.workers) if pixels.on_disk else pixels.image.nbytes

    def _options(self) -> PairOptions:
        options = PairOptions()
        options.gridStatistic = stringToStatisticsProperty(self.config.statistic)
        options.numSigmaClip, options.numIter = self.config.sigma, self.config.rounds
        return options

    def _stays(self, item: Item, plan: Plan) -> bool:
        assert isinstance(plan, _Correct)
        return item == self.reference and (plan.correction.model is None or self.config.level == "reference")

    def _keep(self, frame: Frame, plan: Plan, record: ExposureRecord) -> Result:
        assert isinstance(plan, _Correct)
        record.fit_rms = 0.0
        if plan.correction.model is not None:
            self._describe(record, plan)
        history = [f"evensky {__version__}: reference of the match, pixels unchanged"]
        return Result(plan.correction.model, False, history, self._cards(record))

    def _change(self, item: Item, frame: Frame, plan: Plan, record: ExposureRecord) -> Result:
        assert isinstance(plan, _Correct)
        if plan.problem:
            raise TaskError(plan.problem)
        if plan.correction.model is None:
            raise NoOverlapError("has no bin that is good here and in any other exposure: nothing to match")
        widened = bool(self.config.add_variance) and frame.exposure.info.has_variance
        self._add_model(frame, plan.correction, record, widened=widened)
        self._describe(record, plan)
        assert self.reference is not None
        history = [
            f"evensky {__version__}: background matched to all other exposures, level: {self.config.level}"
            + (f" {self.reference.label}" if self.config.level == "reference" else ""),
            f"evensky model: {record.model}",
            f"evensky configuration: {self._configuration()}",
        ]
        return Result(plan.correction.model, widened, history, self._cards(record))

    @staticmethod
    def _add_model(frame: Frame, correction: Correction, record: ExposureRecord, *, widened: bool) -> None:
        exposure, model = frame.exposure, correction.model
        assert model is not None
        image = exposure.image.array
        height, width = image.shape
        if widened and frame.shared:
            exposure.maskedImage.setVariance(exposure.variance.clone())
        low, high = np.inf, -np.inf
        for rows in row_bands(height, width, _BAND_PIXELS):
            band = np.empty((rows.stop - rows.start, width), np.float32)
            model.fill(band, first_row=rows.start)
            low, high = min(low, float(band.min())), max(high, float(band.max()))
            image[rows] += band
            if widened:
                model.fill_variance(band, first_row=rows.start)
                exposure.variance.array[rows] += band
        record.model_min, record.model_max = low, high
        x0, y0, _, _ = model.box
        x, y = np.meshgrid(x0 + np.linspace(0, width - 1, 9), y0 + np.linspace(0, height - 1, 9))
        variance = float(np.mean(model.sigma(x.ravel(), y.ravel()) ** 2))
        record.model_sigma = float(np.sqrt(variance))

    @staticmethod
    def _describe(record: ExposureRecord, plan: _Correct) -> None:
        correction = plan.correction
        assert correction.model is not None
        record.model = correction.model.name
        record.fit_rms = correction.rms
        record.fit_chi = correction.chi
        record.bins, record.rejected_bins = correction.bins, correction.rejected
        record.partners = plan.partners
        record.group = correction.group
        record.scores = [
            CandidateScore(score.candidate.name, score.candidate.terms, score.bic, score.rejected)
            for score in correction.scores
        ]
        record.common_fraction = min(1.0, correction.bins / max(1, plan.covered_bins))
        record.extrapolated_fraction = 1.0 - record.common_fraction
        percent = f"{100 * record.common_fraction:.2g} %"
        if record.common_fraction < _LEAST_COMMON:
            record.flags.append("LOW_COVERAGE")
            record.warnings.append(f"LOW_COVERAGE: only {percent} of its bins are good in another exposure, too")
        elif record.common_fraction < _LEAST_ENCLOSED and correction.model.candidate.terms > 1:
            record.flags.append("EXTRAPOLATED")
            record.warnings.append(
                f"EXTRAPOLATED: only {percent} of its bins are good in another exposure, too; the model is "
                "extrapolated over the others"
            )

    @staticmethod
    def _cards(record: ExposureRecord) -> dict[str, tuple[float | None, str]]:
        return {
            "EVS_CHI": (record.fit_chi, "RMS of bins - model in units of its errors"),
            "EVS_MSIG": (record.model_sigma, "RMS of the model's standard error"),
        }


def _plan_of(correction: Correction, look: Look, labels: Sequence[str]) -> _Correct:
    """Return the plan of an exposure; its digest is the same if, to the last bit, its result is."""
    model, covered = correction.model, int(look.coverage.bins.size)
    partners = [labels[partner] for partner in correction.partners]
    parts = (
        None if model is None else (model.name, model.box),
        partners,
        (correction.group, correction.bins, covered, correction.rejected, correction.rms, correction.chi),
        [(score.candidate.name, score.candidate.terms, score.bic, score.rejected) for score in correction.scores],
    )
    digest = hashlib.sha256(repr(parts).encode())
    if model is not None:
        digest.update(model.coefficients.tobytes())
        digest.update(model.covariance.tobytes())
    problem = look.candidate.message if look.box is None else ""
    return _Correct(
        digest=digest.hexdigest(), correction=correction, partners=partners, covered_bins=covered, problem=problem
    )


def _group_notes(corrections: Corrections, labels: Sequence[str]) -> list[str]:
    """Return a note if not all exposures are tied together by differences."""
    fixed = corrections.references
    if len(fixed) < 2:
        return []
    sentences = []
    for group, anchor in enumerate(fixed):
        members = [label for label, one in zip(labels, corrections.exposures, strict=True) if one.group == group]
        unchanged = f" ({labels[anchor]} unchanged)" if anchor >= 0 else ""
        sentences.append(f"{', '.join(members)}{unchanged}")
    return [
        f"{len(sentences)} groups of exposures have no good pixel in common; each group was matched by itself, and its "
        f"level is not tied to the others: {'; '.join(sentences)}."
    ]
