"""Records of exposures that failed, and reasons in one line."""

from __future__ import annotations

__all__ = ["NoOverlapError", "failed_record", "reason_of", "without_pictures"]

from dataclasses import replace

from .._text import printable
from ..errors import TaskError
from .record import ExposureRecord


class NoOverlapError(TaskError):
    """An exposure has no good pixel in common with the others."""


def reason_of(error: BaseException) -> str:
    """Return the message of an error on one line, or its kind if it has none."""
    return printable(str(error)) or type(error).__name__


def failed_record(label: str, path: str, error: BaseException) -> ExposureRecord:
    """Return the record of an exposure that could not be matched."""
    record = ExposureRecord(label=label, path=path, status="failed", message=reason_of(error))
    if isinstance(error, NoOverlapError):
        record.flags, record.common_fraction = ["NO_OVERLAP"], 0.0
    return record


def without_pictures(record: ExposureRecord, error: BaseException) -> ExposureRecord:
    """Return the record of an exposure that is matched but cannot be shown."""
    note = f"There are no pictures of it: {reason_of(error)}"
    return replace(record, pixels=None, warnings=[*record.warnings, note])
