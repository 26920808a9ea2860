"""Results of a run: written to the journal at once, if there is one, and collected for the table and the report."""

from __future__ import annotations

__all__ = ["Results"]

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .journal import Journal
from .pictures import Gallery
from .record import ExposureRecord
from .source import Item


class Results:
    """The records of the exposures that are matched.

    Parameters
    ----------
    items : sequence of Item
        The exposures to match; a reference that is not among them has no result.
    journal : Journal or None
        None for a run without a journal.
    step : callable
        Called with the label of an exposure that is done.

    Attributes
    ----------
    gallery : Gallery
        The pictures that are kept.
    kept : list of ExposureRecord or None
        For each exposure the record of an earlier run that has finished it; None if it is to be matched.
    """

    def __init__(self, items: Sequence[Item], journal: Journal | None, step: Callable[[str], None]) -> None:
        self._items = items
        self._journal = journal
        self._step = step
        self.gallery = Gallery()
        self._records: list[ExposureRecord | None] = [None] * len(items)
        self.kept: list[ExposureRecord | None] = [None] * len(items)
        if journal is not None:
            finished = journal.finished([item.label for item in items], step)
            self.kept = [self._own(item, record) for item, record in zip(items, finished, strict=True)]

    @staticmethod
    def _own(item: Item, record: ExposureRecord | None) -> ExposureRecord | None:
        """Return the record of an earlier run if its output is that of the exposure, with the path of this run."""
        if record is None or item.output is None or Path(str(record.output)).name != item.output.name:
            return None
        return replace(record, path=item.place)

    def drop(self, index: int) -> None:
        """Mark an exposure, so that it is matched again if an earlier run has finished it."""
        if self._journal is not None and self.kept[index] is not None:
            # Written before the new output, which must not count as the earlier one if the run ends in between.
            self._journal.drop(self._items[index].label)
        self.kept[index] = None

    def finish(self, index: int, record: ExposureRecord) -> None:
        """Write a result to the journal at once, so that it is kept however the run ends; any thread may call this."""
        kept = self.kept[index]
        if self._journal is not None and (
            kept is None or replace(record, pixels=None, warnings=kept.warnings) != replace(kept, pixels=None)
        ):
            self._journal.finish(record)

    def collect(self, index: int, record: ExposureRecord, *, file_failed: bool = True) -> None:
        """Add a record; records may come in any order, but from one thread.

        Parameters
        ----------
        index : int
            Number of the exposure.
        record : ExposureRecord
        file_failed : bool, optional
            Whether all exposures of its file failed, if it failed.
        """
        if record.status == "failed" and file_failed:
            self._remove_stale_output(index, record)
        self._records[index] = record
        self.gallery.add(index, record)
        self._step(self._items[index].label)

    def _remove_stale_output(self, index: int, record: ExposureRecord) -> None:
        """Make sure that no file can be mistaken for the output of an exposure that failed."""
        output = self._items[index].output
        if output is None or self._journal is None:
            return
        if record.label in self._journal.written:  # before this run was resumed
            with self._journal.renaming(), suppress(OSError):
                output.unlink(missing_ok=True)
        if os.path.lexists(output):
            record.warnings.append(f"{output.name} in the folder is from an earlier run")

    @property
    def resumed(self) -> str:
        """Sentence that says how many exposures were finished before; "" if none was."""
        number = sum(record is not None for record in self.kept)
        return f"Resumed: {number} of {len(self.kept)} exposures were finished before." if number else ""

    @property
    def records(self) -> list[ExposureRecord]:
        """Records of all exposures that were collected, in the order in which they were given."""
        return [record for record in self._records if record is not None]
