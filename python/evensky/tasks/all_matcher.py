"""Exposures matched to each other: what is done with one, or with two, of them."""

from __future__ import annotations

__all__ = ["AllMatcher", "Survey", "find_corrections", "group_notes", "unit_of_run"]

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .. import _core
from ..errors import TaskError
from ..image import Exposure
from ..matching.all_to_all import Correction, Corrections, correct_all
from ..matching.configuration import MatchAllConfig
from ..matching.differences import Coverage, Differences, PairBins, Pixels, coverage_of, measure_pair
from ..matching.grid import CommonGrid, PixelBox
from ..matching.partners import choose_pairs
from ..math import stringToStatisticsProperty
from .match_backgrounds import MatchBackgroundsConfig, MatchBackgroundsTask
from .match_exposure import ExposureMatcher, NoOverlapError
from .run_record import CandidateScore, ExposureRecord, PixelSummary, ReferenceCandidate
from .units import check_unit, differ, most_common_unit, unit_of

# So many pixels are corrected at a time.
_BAND_PIXELS = 2**22
# Less of an exposure that others see than this share is flagged.
_LEAST_COMMON, _LEAST_ENCLOSED = 0.1, 0.9
_NOTHING = Coverage(np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass
class Survey:
    """What is known of an exposure once it was looked at.

    Attributes
    ----------
    candidate : ReferenceCandidate
    box : (x0, y0, width, height) or None
        None where it could not be read.
    coverage : Coverage
    unit : str
    notes : list of str
        What was assumed when it was read.
    """

    candidate: ReferenceCandidate
    box: PixelBox | None = None
    coverage: Coverage = field(default_factory=lambda: _NOTHING)
    unit: str = ""
    notes: list[str] = field(default_factory=list)


class AllMatcher(ExposureMatcher):
    """Looks at exposures, compares pairs, and applies corrections.

    Parameters
    ----------
    config : MatchAllConfig
    pictures : bool, optional
        Put small pictures into the records.

    Attributes
    ----------
    unit : str
        What all exposures should be in, once that is known.
    """

    def __init__(self, config: MatchAllConfig, *, pictures: bool = False) -> None:
        selection = MatchBackgroundsConfig()
        selection.update(
            badMaskPlanes=list(config.bad_planes),
            bestRefWeightCoverage=config.weight_coverage,
            bestRefWeightVariance=config.weight_variance,
            bestRefWeightLevel=config.weight_level,
        )
        super().__init__(MatchBackgroundsTask(config=selection), pictures=pictures)
        self.config = config
        self.unit = ""

    def grid_for(self, exposure: Exposure) -> CommonGrid:
        """The bins of a run, given one of its exposures."""
        if self.config.bin_size > 0:
            return CommonGrid(self.config.bin_size)
        return CommonGrid.fitting(*exposure.getDimensions())

    def pixels(self, exposure: Exposure) -> Pixels:
        """What is compared of an exposure."""
        x0, y0 = exposure.getXY0()
        width, height = exposure.getDimensions()
        bad, box = self.task.badPixelMask(exposure), (x0, y0, width, height)
        on_disk = exposure.info.scratch is not None
        return Pixels(exposure.image.array, exposure.mask.array, bad, box, on_disk)

    def _options(self) -> _core.PairOptions:
        options = _core.PairOptions()
        options.gridStatistic = stringToStatisticsProperty(self.config.statistic)
        options.numSigmaClip, options.numIter = self.config.sigma, self.config.rounds
        return options

    def survey(self, exposure: Exposure, label: str, grid: CommonGrid) -> Survey:
        """Level, noise and coverage of an exposure."""
        pixels = self.pixels(exposure)
        return Survey(
            self.task.measureCandidate(exposure, label),
            pixels.box,
            coverage_of(pixels, grid),
            unit_of(exposure),
            list(exposure.assumptions),
        )

    def compare(self, first: tuple[int, Exposure], second: tuple[int, Exposure], grid: CommonGrid) -> PairBins | None:
        """Measure the difference of two exposures, given with their numbers."""
        (i, one), (j, other) = first, second
        return measure_pair((i, self.pixels(one)), (j, self.pixels(other)), grid, self._options())

    def correct(
        self,
        exposure: Exposure,
        correction: Correction,
        label: str,
        path: str,
        coverage: Coverage,
        names: Sequence[str],
    ) -> ExposureRecord:
        """Apply a correction in place.

        Parameters
        ----------
        exposure : Exposure
        correction : Correction
        label, path : str
            What the record calls it, and where it was read from.
        coverage : Coverage
            Its own.
        names : sequence of str
            Labels of all exposures.

        Raises
        ------
        evensky.errors.TaskError
            Where no pixel is good, here or in common with any other exposure; where its unit is another.
        """
        start = time.perf_counter()
        check_unit(unit_of(exposure), self.unit)
        record = self._record(exposure, label, path, "matched")
        if record.good_fraction == 0.0:
            raise TaskError("has no good pixel")
        if correction.model is None:
            raise NoOverlapError("has no bin that is good here and in any other exposure: nothing to match")
        before = self.painter.picture(exposure) if self.pictures else None
        self._apply(exposure, correction, record)
        self._describe_correction(record, correction, coverage, names)
        record.level_after, _ = self.level(exposure)
        if before is not None:
            after = self.painter.picture(exposure)
            record.pixels = PixelSummary(before, after - before, after, np.zeros(0), np.zeros(1))
        record.seconds = time.perf_counter() - start
        return record

    def describe_held(
        self,
        exposure: Exposure,
        correction: Correction,
        label: str,
        path: str,
        coverage: Coverage,
        names: Sequence[str],
    ) -> ExposureRecord:
        """The record of the reference, which stays as it is."""
        record = self.describe_reference(exposure, label, path)
        if correction.model is not None:
            self._describe_correction(record, correction, coverage, names)
        return record

    def widens(self, exposure: Exposure) -> bool:
        """Whether a correction's variance is added to the exposure's."""
        return bool(self.config.add_variance) and exposure.info.has_variance

    def _apply(self, exposure: Exposure, correction: Correction, record: ExposureRecord) -> None:
        model = correction.model
        assert model is not None
        image = exposure.image.array
        height, width = image.shape
        rows = max(1, min(height, _BAND_PIXELS // max(width, 1)))
        band = np.empty((rows, width), np.float32)
        low, high, variance = np.inf, -np.inf, 0.0
        widened = self.widens(exposure)
        if widened and exposure.info.scratch is None:
            # It may be somebody's: exposures of data in memory share it.
            exposure.maskedImage.setVariance(exposure.variance.clone())
        for start in range(0, height, rows):
            part = band[: height - start]
            model.fill(part, first_row=start)
            low, high = min(low, float(part.min())), max(high, float(part.max()))
            image[start : start + rows] += part
            if widened:
                model.fill_variance(part, first_row=start)
                exposure.variance.array[start : start + rows] += part
        record.model_min, record.model_max = low, high
        x0, y0, _, _ = model.box
        x, y = np.meshgrid(x0 + np.linspace(0, width - 1, 9), y0 + np.linspace(0, height - 1, 9))
        variance = float(np.mean(model.sigma(x.ravel(), y.ravel()) ** 2))
        record.model_sigma = float(np.sqrt(variance))

    @staticmethod
    def _describe_correction(
        record: ExposureRecord, correction: Correction, coverage: Coverage, names: Sequence[str]
    ) -> None:
        assert correction.model is not None
        record.model = correction.model.name
        record.fit_rms = correction.rms
        record.fit_chi = correction.chi
        record.bins, record.rejected_bins = correction.bins, correction.rejected
        record.partners = [names[i] for i in correction.partners]
        record.group = correction.group
        record.scores = [
            CandidateScore(score.candidate.name, score.candidate.terms, score.bic, score.rejected)
            for score in correction.scores
        ]
        record.common_fraction = min(1.0, correction.bins / max(1, coverage.bins.size))
        record.extrapolated_fraction = 1.0 - record.common_fraction
        percent = f"{100 * record.common_fraction:.2g} %"
        if record.common_fraction < _LEAST_COMMON:
            record.flags.append("LOW_COVERAGE")
            record.warnings.append(f"LOW_COVERAGE: only {percent} of its bins are good in another exposure, too")
        elif record.common_fraction < _LEAST_ENCLOSED and correction.model.candidate.terms > 1:
            record.flags.append("EXTRAPOLATED")
            record.warnings.append(
                f"EXTRAPOLATED: only {percent} of its bins are good in another exposure, too; elsewhere the model is "
                "only continued"
            )


def unit_of_run(surveys: Sequence[Survey], reference: int) -> str:
    """What all exposures should be in: what the reference is in; where that is not said, what most are in."""
    return surveys[reference].unit or most_common_unit(survey.unit for survey in surveys)


def find_corrections(
    config: MatchAllConfig,
    grid: CommonGrid,
    surveys: Sequence[Survey],
    reference: int,
    compare: Callable[[list[tuple[int, int]]], Sequence[PairBins]],
) -> Corrections:
    """The corrections of all exposures.

    Parameters
    ----------
    config : MatchAllConfig
    grid : CommonGrid
    surveys : sequence of Survey
        One for each exposure; those that could not be read take no part.
    reference : int
        Number of the one that stays as it is, where one does.
    compare : callable
        Measures pairs.
    """
    unit = unit_of_run(surveys, reference)
    surveys = [replace(one, coverage=_NOTHING) if differ(one.unit, unit) else one for one in surveys]
    coverage = [survey.coverage.bins for survey in surveys]
    pairs = compare(choose_pairs(coverage, reference))
    usable = [survey.candidate.cost if np.isfinite(survey.candidate.cost) else np.inf for survey in surveys]
    covered = [-survey.coverage.bins.size for survey in surveys]
    ranked = sorted(range(len(surveys)), key=lambda i: (i != reference, usable[i], covered[i], i))
    boxes = [survey.box if survey.box is not None else (0, 0, 1, 1) for survey in surveys]
    return correct_all(
        boxes,
        grid,
        Differences(len(surveys), sorted(pairs, key=lambda pair: (pair.second, pair.first))),
        preference=ranked,
        level=config.level,
        order=config.order,
        spline=config.spline,
    )


def group_notes(corrections: Corrections, names: Sequence[str]) -> list[str]:
    """What there is to say where not all exposures are tied together."""
    if len(corrections.anchors) < 2:
        return []
    sentences = []
    for group, anchor in enumerate(corrections.anchors):
        members = [name for name, one in zip(names, corrections.exposures, strict=True) if one.group == group]
        held = f" (held to {names[anchor]})" if anchor >= 0 else ""
        sentences.append(f"{', '.join(members)}{held}")
    return [
        f"{len(sentences)} groups of exposures have no good pixel in common; each was matched by itself, and their "
        f"levels are not tied: {'; '.join(sentences)}."
    ]
