"""Matching of exposures in memory: what `evensky.match` does."""

from __future__ import annotations

__all__ = ["LoadedExposures", "match_exposures"]

import datetime
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._checks import shown, whole_number
from .._core import __version__
from .._progress import steps
from ..errors import InvalidParameterError, OutOfRangeError, TaskError
from ..image import Exposure
from ..image.like import data_like, exposure_of
from ..io import read_exposure
from ..math import Approximate, BackgroundMI
from .labels import refuse_twice, unique_labels
from .match_backgrounds import MatchBackgroundsConfig, MatchBackgroundsTask
from .match_exposure import ExposureMatcher, choose_reference, failed, reason_of_choice
from .pictures import Gallery
from .run_record import ExposureRecord, MatchRun, ReferenceCandidate
from .units import unit_of

Model = BackgroundMI | Approximate


def match_exposures(
    exposures: Sequence[Any],
    reference: int | str | Path | None = None,
    config: MatchBackgroundsConfig | None = None,
    *,
    pictures: bool = True,
    progress: bool = False,
) -> tuple[list[Any], list[Model | None], MatchRun]:
    """Match exposures of one pixel grid in memory; see `evensky.match`.

    Returns
    -------
    list
        The matched exposures, of the types that went in; None for one that failed.
    list of BackgroundMI, Approximate or None
        What was added to each.
    MatchRun
    """
    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    task = MatchBackgroundsTask(config=config, log=logging.getLogger("evensky"))
    run = _Run(exposures, ExposureMatcher(task, pictures=pictures))
    index, candidates = run.choose(reference)
    chosen = run.load(index)
    if run.matcher.level(chosen)[1] == 0.0:
        raise TaskError(f"{run.labels[index]}: has no good pixel, so it cannot be the reference")
    gallery = Gallery()
    records, matched, models = [], [], []
    for at in steps(range(len(exposures)), "matching", "exposure", show=progress):
        record, result, model = run.match(at, index, chosen)
        gallery.add(at, record)
        records.append(record)
        matched.append(result)
        models.append(model)
    return (
        matched,
        models,
        MatchRun(
            records=records,
            candidates=candidates,
            reference=run.labels[index],
            reference_reason=reason_of_choice(candidates if reference is None else None),
            config=task.config.toDict(),
            version=__version__,
            started=started.isoformat(timespec="seconds"),
            seconds=time.perf_counter() - clock,
            unit=unit_of(chosen),
            notes=[f"Note: {note}." for note in chosen.assumptions],
        ),
    )


class LoadedExposures:
    """The exposures of one run by their numbers.

    Attributes
    ----------
    exposures : sequence
        As they were given.
    labels : list of str
        What they are called, each by a name of its own.
    """

    def __init__(self, exposures: Sequence[Any]) -> None:
        if not exposures:
            raise InvalidParameterError("There are 0 exposures; at least 1 is needed")
        refuse_twice([one for one in exposures if isinstance(one, str | Path)])
        self.exposures = exposures
        self.labels = unique_labels(
            [Path(one if isinstance(one, str | Path) else f"exposure {index}") for index, one in enumerate(exposures)]
        )

    def number_of(self, reference: int | str | Path) -> int:
        """The number, from 0, of the reference: given as such, from the end where negative, or by its file or name."""
        if isinstance(reference, str | Path):
            place = os.path.abspath(reference)
            names = [
                index
                for index, label in enumerate(self.labels)
                if str(reference) == label or (self.path(index) and os.path.abspath(self.path(index)) == place)
            ]
            if len(names) != 1:  # a label may be a path, too
                raise OutOfRangeError(
                    f"reference is {shown(str(reference))}; the exposures are {', '.join(self.labels[:9])}"
                    + (" and more" if len(self.labels) > 9 else "")
                )
            return names[0]
        reference = whole_number(reference, "reference")
        number = len(self.exposures)
        if not -number <= reference < number:
            raise OutOfRangeError(f"reference = {reference}; there are {number} exposures, counted from 0")
        return reference % number

    def path(self, index: int) -> str:
        """Where an exposure is read from; "" where it is in memory."""
        data = self.exposures[index]
        return str(data) if isinstance(data, str | Path) else ""

    def load(self, index: int, *, copy: bool = True) -> Exposure:
        """A copy that may be changed; or the exposure itself, to be looked at."""
        data = self.exposures[index]
        if isinstance(data, str | Path):
            exposure = read_exposure(data)
            exposure.dataId = {"exposure": self.labels[index]}
            return exposure
        return exposure_of(data, self.labels[index], copy=copy)


class _Run(LoadedExposures):
    def __init__(self, exposures: Sequence[Any], matcher: ExposureMatcher) -> None:
        super().__init__(exposures)
        self.matcher = matcher

    def choose(self, reference: int | str | Path | None) -> tuple[int, list[ReferenceCandidate]]:
        """Index of the reference, and the candidates where there was a choice."""
        if reference is not None:
            return self.number_of(reference), []
        return choose_reference(self.matcher.task, self.labels, self.load)

    def match(self, index: int, reference: int, chosen: Exposure) -> tuple[ExposureRecord, Any, Model | None]:
        """The record of an exposure, what it has become, and its model."""
        data, label, path = self.exposures[index], self.labels[index], self.path(index)
        try:
            if index == reference:
                record = self.matcher.describe_reference(chosen, label, path)
                return record, chosen if path else data_like(data, chosen.image.array), None
            science = self.load(index)
            record, struct = self.matcher.match(chosen, science, label, path)
            return record, science if path else data_like(data, science.image.array), struct.backgroundModel
        except Exception as error:  # whatever one exposure does, the others go on
            return failed(label, path, error), None, None
