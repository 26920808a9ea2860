"""The journal of a run over files: it lets a run that was killed be resumed.

The journal consists of lines of JSON: first what the run depends on, then the reference and the reason for it, then the
record of each exposure as it is finished. A line is on disk before the next one begins. The last line may be torn if
the run was killed; it is ignored then.
"""

from __future__ import annotations

__all__ = ["JOURNAL", "Journal"]

import fcntl
import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from dacite import Config, DaciteError, from_dict

from ..errors import FitsError
from ..matching.reference import ReferenceCandidate
from .record import ExposureRecord

JOURNAL = "matched.journal"

log = logging.getLogger("evensky")

_FORMAT = 1


def _flat(asked: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in asked.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


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
        What the run depends on, in types of JSON.
    labels : sequence of str
        Names of the exposures in this run.
    resume : bool
        Continue an existing journal, if there is one.

    Attributes
    ----------
    written : set of str
        Names of the exposures whose output an earlier state of this run has written.

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
        self._lock = threading.Lock()
        self._check_free()
        # Through JSON, so that it compares equal to what is read from a file.
        self._asked = json.loads(json.dumps({"journal": _FORMAT, **asked}))
        self._whole = self._read(self._asked, labels) if resume and self.path.exists() else 0
        self._file: TextIO | None = None

    def _check_free(self) -> None:
        """Raise an error if another run is writing the journal."""
        if not self.path.is_file() or self.path.is_symlink():
            return
        try:
            file = self.path.open("r+")
        except OSError:  # reported when the journal is written
            return
        with file:
            self._take_hold(file)

    def _take_hold(self, file: TextIO) -> None:
        """Lock the journal, as jobs overwrite files that an earlier attempt left.

        The lock ends with the process, however that ends.
        """
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FitsError(
                f"{self.path.parent}: another run is at work in it; wait until it ends, or choose another folder"
            ) from None
        except OSError as error:  # a file system without locks
            log.debug("%s cannot be locked: %s", self.path, error)

    def _read(self, asked: Mapping[str, Any], labels: Sequence[str]) -> int:
        """Read an existing journal; return the number of bytes in whole lines."""
        try:
            if not self.path.is_file() or self.path.is_symlink():  # reading a pipe would wait for ever
                raise FitsError(f"{self.path}: cannot be read: it is not a regular file")
            content = self.path.read_bytes()
        except OSError as error:
            raise FitsError(f"{self.path}: cannot be read: {error.strerror}") from error
        whole = content.rfind(b"\n") + 1
        if whole == 0:
            return 0
        try:
            lines = [json.loads(line) for line in content[:whole].decode().splitlines()]
            self._check(lines[0], asked)
            for line in lines[1:]:
                self._take(line)
            if self.reference is not None and self.reference not in labels:
                raise ValueError(f"the reference {self.reference!r} is not one of the files")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, DaciteError) as error:
            raise FitsError(
                f"{self.path}: is not a journal of this version ({error}); choose another folder or allow overwriting "
                "(overwrite=True, --overwrite)"
            ) from error
        return whole

    def _check(self, earlier: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        before, now = _flat(earlier), _flat(asked)
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
        """Note the reference, and start writing."""
        try:
            self._check_free()
            if self._whole == 0:
                # Removed first, so that nothing is written through a link.
                self.path.unlink(missing_ok=True)
            self._file = self.path.open("r+" if self._whole else "x", encoding="utf-8")
            self._take_hold(self._file)
            # A torn line at the end is cut off.
            self._file.truncate(self._whole)
            self._file.seek(self._whole)
        except OSError as error:
            raise FitsError(f"{self.path}: cannot be written: {error.strerror}") from error
        if self._whole == 0:
            self._add(self._asked)
        # A run that was killed early has left the first line only.
        if self.reference is None:
            self._add({"reference": reference, "reason": reason, "candidates": [asdict(one) for one in candidates]})

    def finish(self, record: ExposureRecord) -> None:
        """Note the record of an exposure that is done or has failed."""
        self._add({"record": asdict(replace(record, pixels=None))})

    def drop(self, label: str) -> None:
        """Note that an exposure that was finished will be matched again."""
        self._add({"dropped": label})
        self.records.pop(label, None)

    def _add(self, line: Mapping[str, Any]) -> None:
        with self._lock:
            assert self._file is not None  # begin comes first
            try:
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise FitsError(f"{self.path}: cannot be written: {error.strerror}") from error

    def done(self, label: str) -> ExposureRecord | None:
        """Return the record of a finished exposure whose output still has the size that was written, or None."""
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
        # Every line was written when it was added; errors were raised then.
        with self._lock, suppress(OSError):
            if self._file is not None:
                self._file.close()
