"""One file matched to the reference: a unit of work that any process can do, given paths and the configuration."""

from __future__ import annotations

__all__ = ["FileMatcher", "Measured"]

from dataclasses import dataclass

from .._core import __version__
from .._text import printable
from ..errors import InvalidParameterError
from ..image import Exposure
from .file_access import FileAccess, Item
from .match_backgrounds import MatchBackgroundsTask
from .match_exposure import ExposureMatcher, failed, reason_of, without_pictures
from .run_record import ExposureRecord, ReferenceCandidate
from .shared import SHARED
from .units import unit_of


@dataclass
class Measured:
    """What the choice of the reference needs to know of a file."""

    candidate: ReferenceCandidate
    size: tuple[int, int] | None = None  # where it could be read
    unit: str = ""
    error: InvalidParameterError | None = None  # that of the call, which is wrong for every file


class FileMatcher(ExposureMatcher):
    """Does the work on single files; what goes to another process is small.

    Parameters
    ----------
    task : MatchBackgroundsTask
    files : FileAccess
    pictures : bool
        Put small pictures into the records.
    """

    def __init__(self, task: MatchBackgroundsTask, files: FileAccess, *, pictures: bool = False) -> None:
        super().__init__(task, pictures=pictures)
        self.files = files

    def measure(self, item: Item) -> Measured:
        """Level, variance and coverage, or why they cannot be had."""
        try:
            return self._measure(item)
        except BaseException as error:  # a candidate that cannot be had does not stop the others
            wrong = error if isinstance(error, InvalidParameterError) else None
            return Measured(ReferenceCandidate(item.label, message=reason_of(error)), error=wrong)

    def _measure(self, item: Item) -> Measured:
        exposure = self.files.load(item)
        size = exposure.getDimensions()
        return Measured(self.task.measureCandidate(exposure, item.label), (size.x, size.y), unit_of(exposure))

    def process(self, item: Item, reference: Item, earlier: ExposureRecord | None) -> ExposureRecord:
        """Read, match and write an exposure, or say why that cannot be done.

        The reference is written as it is, so that the output folder holds the whole set. What an `earlier` run has
        finished is not done again; only its pictures are made.
        """
        try:
            exposure = SHARED.get(self.files.run, lambda: self.files.load(reference))
            if earlier is not None and self._restore(item, reference, earlier, exposure):
                return earlier
            earlier = None
            if item == reference:
                return self._keep_reference(item, exposure)
            return self._match(item, exposure)
        except BaseException as error:  # whatever one exposure does, the others go on; signals come to the main thread
            if earlier is not None:
                return without_pictures(earlier, error)
            self.task.log.debug("Failed to match %s: %s", item.label, reason_of(error))
            return failed(item.label, printable(str(item.path)), error)

    def _keep_reference(self, item: Item, exposure: Exposure) -> ExposureRecord:
        record = self.describe_reference(exposure, item.label, printable(str(item.path)))
        self._write(item, exposure, record, [f"evensky {__version__}: reference of the match, pixels unchanged"])
        return record

    def _match(self, item: Item, reference: Exposure) -> ExposureRecord:
        science = self.files.load(item)
        record, _ = self.match(reference, science, item.label, printable(str(item.path)))
        config = ", ".join(f"{name}={value}" for name, value in self.task.config.toDict().items())
        self._write(
            item,
            science,
            record,
            [
                f"evensky {__version__}: background matched to {reference.dataId['exposure']}",
                f"evensky model: {record.model}",
                f"evensky configuration: {config}",
            ],
        )
        return record

    def _restore(self, item: Item, reference: Item, record: ExposureRecord, exposure: Exposure) -> bool:
        """Make the pictures, if need be; says whether the output can be read."""
        if self.pictures:
            before = None if item == reference else self.painter.picture(self.files.load(item))
            output = self.files.load_output(item)
            if output is None:
                return False
            if before is None:
                record.pixels = self.painter.reference(exposure)
            else:
                record.pixels = self.painter.matched(before, output, exposure)
        return True

    def _write(self, item: Item, exposure: Exposure, record: ExposureRecord, history: list[str]) -> None:
        provenance = {
            "EVS_MSE": (record.matched_mse, "mean square of reference - matched"),
            "EVS_DVAR": (record.diff_im_var, "variance of reference - matched"),
        }
        self.files.write(item, exposure, record, history, provenance)
