"""The journal of a run over files, from which a run that was killed can be resumed.

The journal consists of lines of JSON, each with a checksum: first the inputs and parameters of the run, then the
reference and the reason for its choice, then the record of each exposure as it is finished, with the digest of its
output. Nothing in it is believed that does not fit the run that is resumed or the files in the folder.
"""

from __future__ import annotations

__all__ = ["JOURNAL", "Journal"]

import json
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dacite import Config, DaciteError, from_dict

from .._text import printable, reason_of
from ..errors import FitsError
from ..fits.atomic import Permit
from ..fits.digests import is_digest, is_sha256, state_of
from ..io.checked_lines import CheckedLines, LineError, LinesError, UncheckedLineError, parsed
from ..io.configuration import flatten
from ..matching.reference import ReferenceCandidate
from .record import ExposureRecord, fields_of_record

JOURNAL = "matched.journal"

_FORMAT = 2

_OTHERWISE = "choose another folder or allow overwriting (overwrite=True, --overwrite)"

# Limits of what is read. A line lists names and states of all exposures at most a few times, apart from the
# coefficients of terms, of which an exposure may have some for each row and column.
_LONGEST_LINE = 2**24
_LISTS = 16
# Lines of a journal that have the greatest length at most, apart from one for each exposure.
_LONG_LINES = 4

# Longest text of the journal in a message.
_SHOWN = 200

# Threads that read outputs to check them: one reader does not use all of a fast disk.
_THREADS = 4


@dataclass
class _Choice:
    """The line that names the reference."""

    reference: str
    reason: str
    candidates: list[ReferenceCandidate]


# Values in a file must have exactly the declared types.
_STRICT = Config(strict=True)


class Journal:
    """The journal of one run. Any thread may add to it.

    Parameters
    ----------
    folder : Path
        The output folder. No other run may be at work in it.
    asked : mapping
        Inputs and parameters of the run, in JSON types.
    labels : sequence of str
        Names of the exposures in this run.
    resume : bool
        Continue an existing journal, if there is one.
    permit : Permit, optional
        Right of the run to change files in the folder.
    trust_outputs : bool, optional
        Compare only the sizes of outputs with the journal, not their digests.
    stale : sequence of Path, optional
        Results of an earlier run, which are removed when a new run begins to replace its outputs.

    Attributes
    ----------
    renaming : callable
        Returns a context within which alone files in the folder are renamed, removed or appended to.
    written : set of str
        Names of the exposures whose output was written before this run was resumed.
    continues : bool
        Whether lines of an earlier run were read, which this run continues.
    unlike : list of str
        Names of the exposures that were finished, but whose output was found to be missing or changed.

    Raises
    ------
    evensky.errors.FitsError
        If the journal cannot be read or written, has another format, was altered, or belongs to a run with other
        inputs.
    """

    def __init__(
        self,
        folder: Path,
        asked: Mapping[str, Any],
        labels: Sequence[str],
        *,
        resume: bool,
        permit: Permit | None = None,
        trust_outputs: bool = False,
        stale: Sequence[Path] = (),
    ) -> None:
        self.path = folder / JOURNAL
        self.reference: str | None = None
        self.reason = ""
        self.candidates: list[ReferenceCandidate] = []
        self.records: dict[str, ExposureRecord] = {}
        self.written: set[str] = set()
        self.unlike: list[str] = []
        self._labels = frozenset(labels)
        self.renaming: Callable[[], AbstractContextManager[object]] = nullcontext if permit is None else permit.renaming
        self._trust_outputs = trust_outputs
        self._stale = stale
        self.continues = False
        self._lines = CheckedLines(self.path, self.renaming)
        # Converted through JSON, so that it can be compared with the content of a file.
        text = json.dumps({"journal": _FORMAT, **asked})
        self._asked = json.loads(text)
        if resume and self.path.exists():
            self._read(_LONGEST_LINE + _LISTS * (len(text) + len(json.dumps(list(labels)))))

    def _read(self, longest: int) -> None:
        """Read an existing journal, whose lines have a greatest length."""
        try:
            for number, line in enumerate(self._lines.read(longest, (len(self._labels) + _LONG_LINES) * longest), 1):
                try:
                    if number == 1:
                        self._check(line)
                        self.continues = True
                    else:
                        self._take(line)
                except (ValueError, TypeError, KeyError, AttributeError, RecursionError, DaciteError) as error:
                    reason = f"is not a journal of this version (line {number}: {_shown(reason_of(error))})"
                    raise self._refused(reason) from error
        except UncheckedLineError as error:
            reason = f"is not a journal of this version ({error})"
            if older := _older_version(error.text):
                reason = (
                    f"was begun by an earlier evensky ({older}) and has no checksums, without which it is not believed"
                )
            raise self._refused(reason, "resume it with the installation that began it, " if older else "") from error
        except LineError as error:
            advice = "remove it and all lines after it to keep what is before it, " if error.number > 2 else ""
            raise self._refused(_shown(str(error)), advice) from error
        except LinesError as error:
            raise self._refused(str(error)) from error

    def _refused(self, reason: str, advice: str = "") -> FitsError:
        return FitsError(f"{self.path}: {reason}; {advice}{_OTHERWISE}")

    def _check(self, earlier: Mapping[str, Any]) -> None:
        """Check that an earlier run had the inputs and parameters of this one."""
        before, now = flatten(earlier), flatten(self._asked)
        for name in [*now, *(name for name in before if name not in now)]:
            old, new = before.get(name), now.get(name)
            if old == new:
                continue
            if isinstance(old, list) and isinstance(new, list):
                differ = [pair for pair in zip(old, new, strict=False) if pair[0] != pair[1]]
                old, new = differ[0] if len(old) == len(new) else (f"{len(old)} items", f"{len(new)} items")
                if isinstance(old, list) and isinstance(new, list) and old[:1] == new[:1]:  # a file, size and time
                    sizes = f" (from {_shown(old[1])} to {_shown(new[1])} bytes)" if old[1:2] != new[1:2] else ""
                    raise FitsError(
                        f"{self.path.parent}: cannot be resumed: {_shown(old[0])} was changed since the run began"
                        f"{sizes}; {_OTHERWISE}"
                    )
            raise FitsError(
                f"{self.path.parent}: cannot be resumed: {_shown(name)} was {_shown(old)} and is {_shown(new)} now; "
                f"use the earlier value, {_OTHERWISE}"
            )

    def _take(self, line: Mapping[str, Any]) -> None:
        """Take over a line after the first, if it fits those before it."""
        kind = next(iter(line), None)
        if kind == "reference":
            choice = from_dict(_Choice, line, _STRICT)
            if self.reference is not None:
                raise ValueError("a second reference")
            for label in (choice.reference, *(candidate.label for candidate in choice.candidates)):
                self._check_label(label)
            self.reference, self.reason, self.candidates = choice.reference, choice.reason, choice.candidates
        elif self.reference is None:
            raise ValueError(f"{kind!r} before the reference")
        elif len(line) > 1:
            raise ValueError(f"{list(line)[1]!r} beside {kind!r}")
        elif kind == "dropped":
            if self.records.pop(line[kind], None) is None:
                raise ValueError(f"{line[kind]!r} is dropped and was not finished")
        elif kind == "record":
            record = from_dict(ExposureRecord, fields_of_record(line[kind]), _STRICT)
            self._check_record(record)
            self.records[record.label] = record
            if record.output is not None:
                self.written.add(record.label)
        else:
            raise ValueError(f"{kind!r} is unknown")

    def _check_label(self, label: str) -> None:
        if label not in self._labels:
            raise ValueError(f"{label!r} is not one of the exposures")

    def _check_record(self, record: ExposureRecord) -> None:
        """Check that a record can be that of an exposure of this run, and names an output in the folder."""
        self._check_label(record.label)
        output = record.output
        if (output is None) != (record.status == "failed"):
            raise ValueError(f"status {record.status!r} with output {output!r}")
        if output is None:
            return
        if output in ("", ".", "..") or "/" in output or "\0" in output:
            raise ValueError(f"output {output!r} is not the name of a file in the folder")
        if record.output_bytes < 0 or not is_digest(record.output_digest):
            raise ValueError(f"output_bytes {record.output_bytes}, output_digest {record.output_digest!r}")

    def begin(self, reference: str, reason: str, candidates: Sequence[ReferenceCandidate]) -> None:
        """Open the journal for writing, and write the reference."""
        if not self._lines.open():
            self._lines.append(self._asked)
            # From here on, the folder is that of a run that did not end.
            with self.renaming():
                for path in self._stale:
                    if not path.is_dir():  # a folder by that name is told of when the result is written
                        path.unlink(missing_ok=True)
        # The journal of a run that was killed early has only the first line.
        if self.reference is None:
            choice = {"reference": reference, "reason": reason, "candidates": list(candidates)}
            self._lines.append(choice)

    def finish(self, record: ExposureRecord) -> None:
        """Write the record of an exposure that is finished or has failed."""
        # The output is beside the journal even if the folder is moved or copied.
        output = None if record.output is None else Path(record.output).name
        self._lines.append({"record": replace(record, output=output, pixels=None)})

    def drop(self, label: str) -> None:
        """Record that a finished exposure will be matched again."""
        self._lines.append({"dropped": label})
        self.records.pop(label, None)

    def _outputs(self) -> dict[str, ExposureRecord]:
        """Return the outputs of finished exposures by name, each with the last record of it."""
        return {record.output: record for record in self.records.values() if record.output is not None}

    @property
    def checks(self) -> int:
        """Number of steps of `finished`."""
        return 0 if self._trust_outputs else len(self._outputs())

    def finished(self, labels: Sequence[str], step: Callable[[str], None]) -> list[ExposureRecord | None]:
        """Return the records of finished exposures whose outputs are as they were written.

        Parameters
        ----------
        labels : sequence of str
        step : callable
            Called, in this thread, with a description of each step that is done.

        Returns
        -------
        list of (ExposureRecord or None)
            For each label its record, or None if the exposure is to be matched. Exposures of one file have one output,
            which must fit the records of all.
        """
        outputs = self._outputs()
        stop = threading.Event()

        def between() -> None:
            if stop.is_set():
                raise InterruptedError

        with ThreadPoolExecutor(min(_THREADS, max(1, len(outputs))), thread_name_prefix="evensky") as threads:
            try:
                found = threads.map(lambda record: self._state(record, between), outputs.values())
                states = {}
                for name, state in zip(outputs, found, strict=True):
                    states[name] = state
                    if not self._trust_outputs:
                        step(f"checking {name}")
            except BaseException:
                stop.set()
                threads.shutdown(cancel_futures=True)
                raise
        records: list[ExposureRecord | None] = []
        for label in labels:
            record = self.records.get(label)
            if record is None or record.output is None:
                records.append(None)
            elif states[record.output] == (record.output_bytes, record.output_digest):
                records.append(replace(record, output=str(self.path.parent / record.output)))
            else:
                self.unlike.append(label)
                records.append(None)
        return records

    def _state(self, record: ExposureRecord, between: Callable[[], None]) -> tuple[int, str] | None:
        """Return size and digest of the output of an exposure, or None if there is no such file of the right size."""
        output = self.path.parent / str(record.output)
        try:
            found = output.lstat()
            if not stat.S_ISREG(found.st_mode) or found.st_size != record.output_bytes:
                return None
            if self._trust_outputs:
                return found.st_size, record.output_digest
            state = state_of(output, between, sha256=is_sha256(record.output_digest))
        except OSError:
            return None
        return state.size, state.digest

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def _shown(value: object) -> str:
    """Return a value of a journal as text for a message, on one line and not too long."""
    text = printable(str(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _older_version(line: bytes) -> str:
    """Return the version that has written a journal of an earlier format, given its first line; "" if it is none."""
    try:
        first = parsed(line)
    except (ValueError, RecursionError):
        return ""
    return _shown(first.get("version")) if isinstance(first, dict) and first.get("journal") == 1 else ""
