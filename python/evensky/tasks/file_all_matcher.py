"""Files matched to each other: units of work that any process can do, given paths and the configuration."""

from __future__ import annotations

__all__ = ["FileAllMatcher", "FileSurvey", "digest_of"]

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._core import __version__
from .._text import printable
from ..errors import InvalidParameterError
from ..image import Exposure
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.differences import Coverage, PairBins
from ..matching.joint.grid import CommonGrid
from ..matching.joint.search import Correction
from .all_matcher import AllMatcher, Survey
from .file_access import FileAccess, Item
from .match_exposure import failed, reason_of, without_pictures
from .run_record import ExposureRecord, PixelSummary, ReferenceCandidate
from .shared import RECENT, SHARED

# Exposures that a process keeps beside the reference and those that its threads are at work on.
_KEPT = 2


@dataclass
class FileSurvey:
    """A survey, and the error of the call that stands in its way, which is wrong for every file."""

    survey: Survey
    error: InvalidParameterError | None = None


def digest_of(correction: Correction, coverage: Coverage, names: Sequence[str]) -> str:
    """The same where, to the last bit, the same comes of an exposure: its pixels and all that is said of them."""
    model = correction.model
    said = (
        None if model is None else (model.name, model.box),
        [names[partner] for partner in correction.partners],
        (correction.group, correction.bins, coverage.bins.size, correction.rejected, correction.rms, correction.chi),
        [(score.candidate.name, score.candidate.terms, score.bic, score.rejected) for score in correction.scores],
    )
    found = hashlib.sha256(repr(said).encode())
    if model is not None:
        found.update(model.coefficients.tobytes())
        found.update(model.covariance.tobytes())
    return found.hexdigest()


class FileAllMatcher(AllMatcher):
    """Does the work on single files and on pairs of them; what goes to another process is small.

    Parameters
    ----------
    config : MatchAllConfig
    files : FileAccess
    pictures : bool
        Put small pictures into the records.
    threads : int
        How many threads of a process do such work.
    """

    def __init__(self, config: MatchAllConfig, files: FileAccess, *, pictures: bool = False, threads: int = 1) -> None:
        super().__init__(config, pictures=pictures)
        self.files = files
        self.threads = threads

    def survey_file(self, item: Item, grid: CommonGrid) -> FileSurvey:
        """Level, noise and coverage, or why they cannot be had."""
        try:
            return FileSurvey(self.survey(self.files.load(item), item.label, grid))
        except BaseException as error:  # an exposure that cannot be had does not stop the others
            wrong = error if isinstance(error, InvalidParameterError) else None
            return FileSurvey(Survey(ReferenceCandidate(item.label, message=reason_of(error))), wrong)

    def compare_file(
        self, later: tuple[int, Item], earlier: Sequence[tuple[int, Item]], reference: Item, grid: CommonGrid
    ) -> list[PairBins]:
        """Measure the differences of several exposures and one."""
        number, item = later
        found = []
        for other, other_item in earlier:
            try:
                bins = self.compare(
                    (other, self._look_at(other_item, reference)), (number, self._look_at(item, reference)), grid
                )
            except Exception as error:  # it was read a moment ago; the record of its own will say what it is now
                self.task.log.debug("Failed to compare %s with %s: %s", item.label, other_item.label, reason_of(error))
                continue
            if bins is not None:
                found.append(bins)
        return found

    def _look_at(self, item: Item, reference: Item) -> Exposure:
        if item == reference:
            return SHARED.get(self.files.run, lambda: self.files.load(reference))
        return RECENT.get(self.files.run, item.label, lambda: self.files.load(item), _KEPT + self.threads)

    def process(
        self,
        item: Item,
        correction: Correction,
        coverage: Coverage,
        names: Sequence[str],
        reference: Item,
        earlier: ExposureRecord | None,
    ) -> ExposureRecord:
        """Read, correct and write an exposure, or say why that cannot be done.

        What an `earlier` run has finished is not done again; only its pictures are made.
        """
        try:
            if earlier is not None and self._restore(item, earlier):
                return earlier
            earlier = None
            return self._correct(item, correction, coverage, names, reference)
        except BaseException as error:  # whatever one exposure does, the others go on; signals come to the main thread
            if earlier is not None:
                return without_pictures(earlier, error)
            self.task.log.debug("Failed to match %s: %s", item.label, reason_of(error))
            return failed(item.label, printable(str(item.path)), error)

    def _correct(
        self, item: Item, correction: Correction, coverage: Coverage, names: Sequence[str], reference: Item
    ) -> ExposureRecord:
        exposure, path = self.files.load(item), printable(str(item.path))
        if item == reference and (correction.model is None or self.config.level == "reference"):
            record = self.describe_held(exposure, correction, item.label, path, coverage, names)
            history = [f"evensky {__version__}: reference of the match, pixels unchanged"]
        else:
            record = self.correct(exposure, correction, item.label, path, coverage, names)
            config = ", ".join(f"{name}={value}" for name, value in self.config.toDict().items())
            history = [
                f"evensky {__version__}: background matched to all other exposures, level: {self.config.level}"
                + (f" {reference.label}" if self.config.level == "reference" else ""),
                f"evensky model: {record.model}",
                f"evensky configuration: {config}",
            ]
        record.correction = digest_of(correction, coverage, names)
        provenance = {
            "EVS_CHI": (record.fit_chi, "RMS of bins - model in units of its errors"),
            "EVS_MSIG": (record.model_sigma, "RMS of the model's standard error"),
        }
        self.files.write(item, exposure, record, history, provenance)
        return record

    def _restore(self, item: Item, record: ExposureRecord) -> bool:
        """Make the pictures, if need be; says whether the output can be read."""
        if self.pictures:
            before = self.painter.picture(self.files.load(item))
            output = self.files.load_output(item)
            if output is None:
                return False
            after = self.painter.picture(output)
            record.pixels = PixelSummary(before, after - before, after, np.zeros(0), np.zeros(1))
        return True
