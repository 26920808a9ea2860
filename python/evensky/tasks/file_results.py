"""What comes of the files of a run: kept in the journal at once, and collected for the table and the report."""

from __future__ import annotations

__all__ = ["FileResults"]

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from .journal import Journal
from .pictures import Gallery
from .run_folder import RunFolder
from .run_record import ExposureRecord


class FileResults:
    """The results of the first files of a run, as many as are to be matched.

    Parameters
    ----------
    work : RunFolder
    journal : Journal
    number : int
        How many files are to be matched; a reference from elsewhere stands behind them.
    step : callable
        Called with the name of an exposure that is done.

    Attributes
    ----------
    kept : list of ExposureRecord or None
        What an earlier run has finished, and what of it is kept.
    """

    def __init__(self, work: RunFolder, journal: Journal, number: int, step: Callable[[str], None]) -> None:
        self._work = work
        self._journal = journal
        self._step = step
        self._gallery = Gallery()
        self._records: list[ExposureRecord | None] = [None] * number
        self.kept = [journal.done(label) for label in work.labels[:number]]

    def drop(self, index: int) -> None:
        """Do anew what an earlier run has finished: written down first, as the new output may be all that comes."""
        self._journal.drop(self._work.labels[index])
        self.kept[index] = None

    def finish(self, index: int, record: ExposureRecord) -> None:
        """Keep what came of an exposure; from any thread.

        At once, not where results are waited for: what is finished stays finished, however the run ends.
        """
        kept = self.kept[index]
        if kept is None or replace(record, pixels=None, warnings=kept.warnings) != replace(kept, pixels=None):
            self._journal.finish(record)

    def collect(self, index: int, record: ExposureRecord) -> None:
        """Take a record in, in whatever order they come; from one thread."""
        if record.status == "failed":
            self._set_straight(index, record)
        self._records[index] = record
        self._gallery.add(index, record)
        self._step(self._work.labels[index])

    def _set_straight(self, index: int, record: ExposureRecord) -> None:
        """No output may pass for that of an exposure that failed."""
        output = self._work.items[index].output
        if record.label in self._journal.written:  # by an earlier state of this run
            with suppress(OSError):
                output.unlink(missing_ok=True)
        if os.path.lexists(output):
            record.warnings.append(f"{output.name} in the folder is of an earlier run")

    @property
    def resumed(self) -> str:
        """How many exposures were there already, in words; "" where none was."""
        number = sum(record is not None for record in self.kept)
        return f"Resumed: {number} of {len(self.kept)} exposures were finished before." if number else ""

    @property
    def records(self) -> list[ExposureRecord]:
        """Of all that were collected, in the order of the files."""
        return [record for record in self._records if record is not None]
