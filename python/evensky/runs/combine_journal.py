"""The journal of a combination of files, from which one that was stopped is continued.

It consists of lines of JSON with checksums: the inputs and parameters, then a line for each band of rows that is in the
unfinished file, and one for each exposure that turned out to be unusable, after which all rows are combined again.
"""

from __future__ import annotations

__all__ = ["CombineJournal"]

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from .._text import printable, reason_of
from ..errors import FitsError
from ..io.checked_lines import CheckedLines, LinesError
from ..io.configuration import flatten

_FORMAT = 1
_OTHERWISE = "choose another name or allow overwriting (overwrite=True, --overwrite)"
# Limits of what is read: bytes of a line for each exposure, and lines for each row of the result.
_LINE_BYTES, _LEAST_LINE = 256, 2**20
_LINES_PER_ROW = 4
_COUNTS = ("covered", "masked", "rejected")
_SHOWN = 200
# Seconds after which rows are noted on disk, at most.
_INTERVAL = 1.0


class CombineJournal:
    """The journal of one combination.

    Parameters
    ----------
    path : Path
    asked : mapping
        Inputs and parameters of the run, in JSON types.
    number : int
        Number of exposures that were asked for.
    height : int
        Number of rows of the result.
    resume : bool
        Continue an existing journal, if there is one.
    renaming : callable
        Returns a context within which alone files in the folder are changed.

    Attributes
    ----------
    continues : bool
        Whether lines of an earlier run were read, which this run continues.
    lost : dict of str to str
        Labels of exposures that cannot be used, and the reasons.
    finished : list of slice
        Rows that are done, in their order.
    counts : dict of str to ndarray of int64
        Numbers of pixels of each exposure in these rows: "covered", "masked" and "rejected".

    Raises
    ------
    evensky.errors.FitsError
        If the journal cannot be read, was altered, or belongs to a run with other inputs.
    """

    def __init__(
        self,
        path: Path,
        asked: Mapping[str, Any],
        number: int,
        height: int,
        *,
        resume: bool,
        renaming: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self.path = path
        self.continues = False
        self.lost: dict[str, str] = {}
        self._number, self._height = number, height
        self._renaming = renaming
        self._noted = time.monotonic()
        self._lines = CheckedLines(path, renaming)
        text = json.dumps({"combine": _FORMAT, **asked})
        self._asked = json.loads(text)
        self._forget()
        if resume and path.exists():
            self._read(_LEAST_LINE + 2 * len(text) + _LINE_BYTES * number)

    def _forget(self) -> None:
        """Begin with no rows that are done."""
        self._done: list[tuple[int, int]] = []
        self._waiting: list[dict[str, Any]] = []
        self.counts = {name: np.zeros(self._number, np.int64) for name in _COUNTS}

    def _read(self, longest: int) -> None:
        try:
            lines = self._lines.read(longest, (_LINES_PER_ROW * self._height + self._number + 2) * longest)
            for number, line in enumerate(lines, 1):
                try:
                    if number == 1:
                        self._check(line)
                        self.continues = True
                    else:
                        self._take(line)
                except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                    raise self._refused(
                        f"line {number} is none of this version ({_shown(reason_of(error))})"
                    ) from error
        except LinesError as error:
            raise self._refused(_shown(str(error))) from error

    def _refused(self, reason: str) -> FitsError:
        return FitsError(f"{self.path}: {reason}; {_OTHERWISE}")

    def _check(self, earlier: Mapping[str, Any]) -> None:
        """Check that an earlier run had the inputs and parameters of this one."""
        before, now = flatten(earlier), flatten(self._asked)
        for name in [*now, *(name for name in before if name not in now)]:
            if before.get(name) == now.get(name):
                continue
            if name == "used":
                raise FitsError(
                    f"{self.path}: cannot be continued: other exposures can be used than when it began; {_OTHERWISE}"
                )
            if name in ("files", "planes_of"):
                raise FitsError(
                    f"{self.path}: cannot be continued: files were changed since the run began, or others are given; "
                    f"{_OTHERWISE}"
                )
            raise FitsError(
                f"{self.path}: cannot be continued: {_shown(name)} was {_shown(before.get(name))} and is "
                f"{_shown(now.get(name))} now; use the earlier value, {_OTHERWISE}"
            )

    def _take(self, line: Mapping[str, Any]) -> None:
        """Take over a line after the first."""
        if set(line) == {"lost", "reason"}:
            self.lost[str(line["lost"])] = str(line["reason"])
            self._forget()
        elif set(line) == {"again"}:
            self._forget()
        elif set(line) == {"rows", *_COUNTS}:
            first, stop = line["rows"]
            if not 0 <= first < stop <= self._height:
                raise ValueError(f"rows {first} to {stop} of {self._height}")
            # A run that is stopped while it notes rows may note them again before it ends.
            if (first, stop) not in self._done:
                self._add(first, stop, {name: np.array(line[name], np.int64) for name in _COUNTS})
        else:
            raise ValueError(f"{', '.join(map(str, line))} is unknown")

    def _add(self, first: int, stop: int, counts: Mapping[str, np.ndarray]) -> None:
        if any(first < done[1] and stop > done[0] for done in self._done):
            raise ValueError(f"rows {first} to {stop} are there twice")
        self._done.append((first, stop))
        for name in _COUNTS:
            if counts[name].shape != (self._number,):
                raise ValueError(f"{counts[name].shape} counts of {self._number} exposures")
            self.counts[name] += counts[name]

    @property
    def finished(self) -> list[slice]:
        return [slice(*rows) for rows in sorted(self._done)]

    def missing(self) -> Iterator[slice]:
        """Iterate over the ranges of rows that are to be combined."""
        row = 0
        for first, stop in sorted(self._done):
            if row < first:
                yield slice(row, first)
            row = stop
        if row < self._height:
            yield slice(row, self._height)

    def begin(self) -> None:
        """Open the journal for writing."""
        if not self._lines.open():
            self._lines.append(self._asked)

    def finish(self, rows: slice, counts: Mapping[str, np.ndarray]) -> None:
        """Take rows that were written to the unfinished file; `keep` notes them on disk."""
        self._add(rows.start, rows.stop, counts)
        self._waiting.append({"rows": [rows.start, rows.stop], **{name: counts[name].tolist() for name in _COUNTS}})

    @property
    def is_due(self) -> bool:
        """Whether rows that are done should be noted on disk: waiting for a disk takes longer than combining a few."""
        return time.monotonic() - self._noted > _INTERVAL

    def keep(self) -> None:
        """Note on disk all rows that are done, which must be there themselves."""
        while self._waiting:
            self._lines.append(self._waiting[0])
            del self._waiting[0]
        self._noted = time.monotonic()

    def lose(self, label: str, reason: str) -> None:
        """Note an exposure that cannot be used; all rows are to be combined again."""
        self._lines.append({"lost": label, "reason": reason})
        self.lost[label] = reason
        self._forget()

    def again(self) -> None:
        """Note that all rows are to be combined again."""
        self._lines.append({"again": True})
        self._forget()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def remove(self) -> None:
        """Remove the journal of a run that has ended."""
        self.close()
        with self._renaming():
            self.path.unlink(missing_ok=True)


def _shown(value: object) -> str:
    text = printable(str(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
