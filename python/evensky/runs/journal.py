"""The journal of a run over files, from which a run that was killed can be resumed.

The journal consists of lines of JSON: first the inputs and parameters of the run, then the reference and the reason for
its choice, then the record of each exposure as it is finished.
"""

from __future__ import annotations

__all__ = ["JOURNAL", "Journal"]

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dacite import Config, DaciteError, from_dict

from ..errors import FitsError
from ..io.configuration import flatten
from ..io.locked_lines import LockedLines
from ..matching.reference import ReferenceCandidate
from .record import ExposureRecord

JOURNAL = "matched.journal"

_FORMAT = 1


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
        The output folder.
    asked : mapping
        Inputs and parameters of the run, in JSON types.
    labels : sequence of str
        Names of the exposures in this run.
    resume : bool
        Continue an existing journal, if there is one.

    Attributes
    ----------
    written : set of str
        Names of the exposures whose output was written before this run was resumed.

    Raises
    ------
    evensky.errors.FitsError
        If the journal cannot be read or written, has another format, or belongs to a run with other inputs.
    """

    def __init__(self, folder: Path, asked: Mapping[str, Any], labels: Sequence[str], *, resume: bool) -> None:
        self.path = folder / JOURNAL
        self.reference: str | None = None
        self.reason = ""
        self.candidates: list[ReferenceCandidate] = []
        self.records: dict[str, ExposureRecord] = {}
        self.written: set[str] = set()
        self._lines = LockedLines(self.path)
        # Converted through JSON, so that it can be compared with the content of a file.
        self._asked = json.loads(json.dumps({"journal": _FORMAT, **asked}))
        if resume and self.path.exists():
            self._read(labels)

    def _read(self, labels: Sequence[str]) -> None:
        """Read an existing journal."""
        try:
            lines = self._lines.read()
            if lines:
                self._check(lines[0], self._asked)
            for line in lines[1:]:
                self._take(line)
            if self.reference is not None and self.reference not in labels:
                raise ValueError(f"the reference {self.reference!r} is not one of the files")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, DaciteError) as error:
            raise FitsError(
                f"{self.path}: is not a journal of this version ({error}); choose another folder or allow overwriting "
                "(overwrite=True, --overwrite)"
            ) from error

    def _check(self, earlier: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        before, now = flatten(earlier), flatten(asked)
        for name in [*now, *(name for name in before if name not in now)]:
            old, new = before.get(name), now.get(name)
            if old == new:
                continue
            if isinstance(old, list) and isinstance(new, list):
                differ = [pair for pair in zip(old, new, strict=False) if pair[0] != pair[1]]
                old, new = differ[0] if len(old) == len(new) else (f"{len(old)} items", f"{len(new)} items")
            raise FitsError(
                f"{self.path.parent}: cannot be resumed: {name} was {old} and is {new} now; "
                "use the earlier value, choose another folder or allow overwriting (overwrite=True, --overwrite)"
            )

    def _take(self, line: Mapping[str, Any]) -> None:
        if "reference" in line:
            choice = from_dict(_Choice, line, _STRICT)
            self.reference, self.reason, self.candidates = choice.reference, choice.reason, choice.candidates
        elif "dropped" in line:
            self.records.pop(line["dropped"], None)
        else:
            record = from_dict(ExposureRecord, line["record"], _STRICT)
            self.records[record.label] = record
            if record.output is not None:
                self.written.add(record.label)

    def begin(self, reference: str, reason: str, candidates: Sequence[ReferenceCandidate]) -> None:
        """Open the journal for writing, and write the reference."""
        if not self._lines.open():
            self._lines.append(self._asked)
        # The journal of a run that was killed early has only the first line.
        if self.reference is None:
            choice = {"reference": reference, "reason": reason, "candidates": [asdict(one) for one in candidates]}
            self._lines.append(choice)

    def finish(self, record: ExposureRecord) -> None:
        """Write the record of an exposure that is finished or has failed."""
        self._lines.append({"record": asdict(replace(record, pixels=None))})

    def drop(self, label: str) -> None:
        """Record that a finished exposure will be matched again."""
        self._lines.append({"dropped": label})
        self.records.pop(label, None)

    def done(self, label: str) -> ExposureRecord | None:
        """Return the record of a finished exposure whose output still has the recorded size, or None."""
        record = self.records.get(label)
        if record is None or record.status == "failed" or record.output is None:
            return None
        # The output is beside the journal even if the folder was moved or copied.
        output = self.path.parent / Path(record.output).name
        try:
            size = output.stat().st_size
        except OSError:
            return None
        return replace(record, output=str(output)) if size == record.output_bytes else None

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
