"""One file matched to the reference: a unit of work that any process can do, given paths and the configuration."""

from __future__ import annotations

__all__ = ["FileMatcher", "Item", "Measured"]

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import __version__
from .._text import printable
from ..errors import InvalidParameterError
from ..image import Exposure
from ..io import read_exposure, write_exposure
from ..io.fits import plane_file
from .match_backgrounds import MatchBackgroundsTask
from .match_exposure import ExposureMatcher, failed, reason_of
from .run_record import ExposureRecord, ReferenceCandidate
from .shared import SHARED


@dataclass(frozen=True)
class Item:
    """An exposure of a run: where it is read from, its name in the run, and where it is written to."""

    path: Path
    label: str
    output: Path


@dataclass
class Measured:
    """What the choice of the reference needs to know of a file."""

    candidate: ReferenceCandidate
    size: tuple[int, int] | None = None  # where it could be read
    error: InvalidParameterError | None = None  # that of the call, which is wrong for every file


class FileMatcher(ExposureMatcher):
    """Does the work on single files; what goes to another process is small.

    Parameters
    ----------
    task : MatchBackgroundsTask
    mask, variance : str or None
        Where these planes are if not in their usual place, with ``{stem}``, ``{name}`` or ``{dir}`` of the exposure.
    compress : bool
        Compress the files by tiles.
    pictures : bool
        Put small pictures into the records.
    scratch : str, Path or None
        A folder for pixels that are not kept in memory.
    """

    def __init__(
        self,
        task: MatchBackgroundsTask,
        *,
        mask: str | None = None,
        variance: str | None = None,
        compress: bool = False,
        pictures: bool = False,
        scratch: str | Path | None = None,
    ) -> None:
        super().__init__(task, pictures=pictures)
        self.mask = mask
        self.variance = variance
        self.compress = compress
        self.scratch = scratch
        # Tells the references of one run from those of another.
        self.run = uuid.uuid4().hex

    def load(self, item: Item) -> Exposure:
        """Read an exposure with its planes from wherever the patterns say they are."""
        exposure = read_exposure(
            item.path,
            mask=self._plane(self.mask, item),
            variance=self._plane(self.variance, item),
            scratch=self.scratch,
        )
        exposure.dataId = {"exposure": item.label}
        return exposure

    def plane_files(self, item: Item) -> list[Path]:
        """The files that its mask and variance come from, where these are not the exposure's own."""
        specs = [self._plane(pattern, item) for pattern in (self.mask, self.variance)]
        return [file for spec in specs if spec is not None and (file := plane_file(spec)) is not None]

    @staticmethod
    def _plane(pattern: str | None, item: Item) -> str | None:
        if pattern is None:
            return None
        try:
            return pattern.format(stem=item.label, name=item.path.name, dir=item.path.parent)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError, MemoryError) as error:
            raise InvalidParameterError(
                f"Pattern {pattern!r} cannot be filled in ({reason_of(error)}); {{stem}}, {{name}} and {{dir}} are "
                "known"
            ) from None

    def measure(self, item: Item) -> Measured:
        """Level, variance and coverage, or why they cannot be had."""
        try:
            return self._measure(item)
        except BaseException as error:  # a candidate that cannot be had does not stop the others
            wrong = error if isinstance(error, InvalidParameterError) else None
            return Measured(ReferenceCandidate(item.label, message=reason_of(error)), error=wrong)

    def _measure(self, item: Item) -> Measured:
        exposure = self.load(item)
        size = exposure.getDimensions()
        return Measured(self.task.measureCandidate(exposure, item.label), (size.x, size.y))

    def process(self, item: Item, reference: Item, earlier: ExposureRecord | None) -> ExposureRecord:
        """Read, match and write an exposure, or say why that cannot be done.

        The reference is written as it is, so that the output folder holds the whole set. What an `earlier` run has
        finished is not done again; only its pictures are made.
        """
        try:
            exposure = SHARED.get(self.run, lambda: self.load(reference))
            if earlier is not None:
                return self._restore(item, reference, earlier, exposure)
            if item == reference:
                return self._keep_reference(item, exposure)
            return self._match(item, exposure)
        except BaseException as error:  # whatever one exposure does, the others go on; signals come to the main thread
            self.task.log.debug("Failed to match %s: %s", item.label, reason_of(error))
            return failed(item.label, printable(str(item.path)), error)

    def _keep_reference(self, item: Item, exposure: Exposure) -> ExposureRecord:
        record = self.describe_reference(exposure, item.label, printable(str(item.path)))
        self._write(item, exposure, record, [f"evensky {__version__}: reference of the match, pixels unchanged"])
        return record

    def _match(self, item: Item, reference: Exposure) -> ExposureRecord:
        science = self.load(item)
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

    def _restore(self, item: Item, reference: Item, record: ExposureRecord, exposure: Exposure) -> ExposureRecord:
        if not self.pictures:
            return record
        if item == reference:
            record.pixels = self.painter.reference(exposure)
        else:
            before = self.painter.picture(self.load(item))
            record.pixels = self.painter.matched(before, read_exposure(item.output, scratch=self.scratch), exposure)
        return record

    def _write(self, item: Item, exposure: Exposure, record: ExposureRecord, history: list[str]) -> None:
        def number(value: float | None) -> float | None:
            return value if value is not None and np.isfinite(value) else None

        provenance = {
            "EVS_VER": (__version__, "version of evensky"),
            "EVS_STAT": (record.status, "reference or matched"),
            "EVS_MODL": (record.model, "background model"),
            "EVS_RMS": (number(record.fit_rms), "RMS of bins - model"),
            "EVS_MSE": (number(record.matched_mse), "mean square of reference - matched"),
            "EVS_DVAR": (number(record.diff_im_var), "variance of reference - matched"),
            "EVS_FLAG": (",".join(record.flags), "what the model rests on too little"),
        }
        write_exposure(
            exposure,
            item.output,
            # The folder was looked at before: what is there now is what an attempt left, or what may be replaced.
            overwrite=True,
            compress=self.compress,
            history=history,
            provenance=provenance,
        )
        record.output, record.output_bytes = str(item.output), item.output.stat().st_size
