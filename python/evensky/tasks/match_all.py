"""Matching of exposures in memory to each other: what `evensky.match_all` does."""

from __future__ import annotations

__all__ = ["match_all_exposures"]

import datetime
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._core import __version__
from .._progress import steps
from ..errors import InvalidParameterError, TaskError
from ..image import Exposure
from ..image.like import data_like
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.differences import PairBins
from ..matching.joint.grid import CommonGrid
from ..matching.joint.models import Model
from ..matching.joint.search import Corrections
from .all_matcher import AllMatcher, Survey, find_corrections, group_notes, unit_of_run
from .match_exposure import failed, reason_of, reason_of_choice, set_aside
from .match_exposures import LoadedExposures
from .pictures import Gallery
from .run_record import ExposureRecord, MatchRun, ReferenceCandidate

# Exposures that are kept while pairs are compared: the reference, the one in hand, and the last ones before it.
_HELD = 5


def match_all_exposures(
    exposures: Sequence[Any],
    reference: int | str | Path | None,
    config: MatchAllConfig,
    *,
    pictures: bool = True,
    progress: bool = False,
) -> tuple[list[Any], list[Model | None], MatchRun]:
    """Match exposures to each other in memory; see `evensky.match_all`.

    Returns
    -------
    list
        The matched exposures, of the types that went in; None for one that failed.
    list of Model or None
        What was added to each.
    MatchRun
    """
    return _Run(exposures, config, pictures=pictures, progress=progress).run(reference)


class _Run(LoadedExposures):
    def __init__(self, exposures: Sequence[Any], config: MatchAllConfig, *, pictures: bool, progress: bool) -> None:
        super().__init__(exposures)
        self._matcher = AllMatcher(config, pictures=pictures)
        self._held: OrderedDict[int, Exposure] = OrderedDict()
        self._progress = progress
        self._errors: dict[int, Exception] = {}

    def run(self, reference: int | str | Path | None) -> tuple[list[Any], list[Model | None], MatchRun]:
        started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
        number = len(self.labels)
        named = None if reference is None else self.number_of(reference)
        grid, surveys = self._survey()
        candidates = [survey.candidate for survey in surveys]
        set_aside(candidates, [None] * number, [survey.unit for survey in surveys])
        if named is None:
            index = self._matcher.task.chooseReference(candidates)
        else:
            index = named
            if surveys[index].coverage.bins.size == 0:
                reason = candidates[index].message or "has no good pixel"
                raise TaskError(f"{self.labels[index]}: {reason}, so it cannot be the reference")

        self._matcher.unit = unit_of_run(surveys, index)

        def compare(pairs: list[tuple[int, int]]) -> list[PairBins]:
            found = [self._compare(pair, index, grid) for pair in self._steps(pairs, "comparing", "pair")]
            return [bins for bins in found if bins is not None]

        corrections = find_corrections(self._matcher.config, grid, surveys, index, compare)
        self._held.clear()
        records, matched, models, gallery = [], [], [], Gallery()
        for i in self._steps(range(number), "correcting", "exposure"):
            record, result, model = self._correct(i, index, corrections, surveys[i])
            gallery.add(i, record)
            records.append(record)
            matched.append(result)
            models.append(model)
        run = MatchRun(
            records=records,
            candidates=candidates if reference is None else [],
            reference=self.labels[index],
            reference_reason=reason_of_choice(candidates if reference is None else None),
            config=self._matcher.config.toDict(),
            version=__version__,
            started=started.isoformat(timespec="seconds"),
            seconds=time.perf_counter() - clock,
            method="all",
            unit=surveys[index].unit,
            notes=[f"Note: {note}." for note in surveys[index].notes] + group_notes(corrections, self.labels),
        )
        return matched, models, run

    def _steps(self, items: Any, name: str, unit: str) -> Any:
        return steps(items, name, unit, show=self._progress)

    def _survey(self) -> tuple[CommonGrid, list[Survey]]:
        grid: CommonGrid | None = None
        surveys: list[Survey] = []
        for i, label in enumerate(self._steps(self.labels, "looking", "exposure")):
            try:
                exposure = self.load(i, copy=False)
                grid = grid or self._matcher.grid_for(exposure)
                surveys.append(self._matcher.survey(exposure, label, grid))
            except Exception as error:  # an exposure that cannot be had does not stop the others
                self._errors[i] = error
                surveys.append(Survey(ReferenceCandidate(label, message=reason_of(error))))
        if grid is None or len(self._errors) == len(self.labels):
            # What is wrong with the call is wrong for every exposure.
            first = self._errors[0]
            if isinstance(first, InvalidParameterError):
                raise first
            raise TaskError(f"None of the {len(self.labels)} exposures can be used: {reason_of(first)}")
        return grid, surveys

    def _get(self, index: int, reference: int) -> Exposure:
        """An exposure that is only looked at; the last few and the reference are kept."""
        if index not in self._held:
            self._held[index] = self.load(index, copy=False)
            while len(self._held) > _HELD:
                del self._held[next(held for held in self._held if held not in (reference, index))]
        self._held.move_to_end(index)
        return self._held[index]

    def _compare(self, pair: tuple[int, int], reference: int, grid: CommonGrid) -> PairBins | None:
        i, j = pair
        return self._matcher.compare((i, self._get(i, reference)), (j, self._get(j, reference)), grid)

    def _correct(
        self, index: int, reference: int, corrections: Corrections, survey: Survey
    ) -> tuple[ExposureRecord, Any, Model | None]:
        """The record of an exposure, what it has become, and what was added to it."""
        label, path = self.labels[index], self.path(index)
        try:
            if index in self._errors:
                raise self._errors[index]
            exposure = self.load(index)
            correction = corrections.exposures[index]
            if index == reference and (correction.model is None or self._matcher.config.level == "reference"):
                record = self._matcher.describe_held(exposure, correction, label, path, survey.coverage, self.labels)
            else:
                record = self._matcher.correct(exposure, correction, label, path, survey.coverage, self.labels)
            if path:
                return record, exposure, correction.model
            variance = exposure.variance.array if self._matcher.widens(exposure) else None
            result = data_like(self.exposures[index], exposure.image.array, variance=variance)
            return record, result, correction.model
        except Exception as error:  # whatever one exposure does, the others go on
            return failed(label, path, error), None, None
