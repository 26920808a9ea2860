"""Records of exposures that failed or cannot be shown."""

from __future__ import annotations

import numpy as np

from evensky.errors import TaskError
from evensky.runs.record import ExposureRecord, NoOverlapError, PixelSummary, failed_record, without_pictures


def test_every_failure_has_a_reason() -> None:
    record = failed_record("b", "b.fits", ValueError("two\nlines"))
    assert (record.label, record.path, record.status) == ("b", "b.fits", "failed")
    assert record.message == "two lines"
    assert failed_record("b", "", MemoryError()).message == "MemoryError"
    assert failed_record("b", "", OSError("gone")).flags == []


def test_nothing_in_common_is_flagged() -> None:
    record = failed_record("b", "", NoOverlapError("has no pixel in common"))
    assert (record.status, record.flags, record.common_fraction) == ("failed", ["NO_OVERLAP"], 0.0)
    assert issubclass(NoOverlapError, TaskError)


def test_an_exposure_that_cannot_be_shown_stays_matched() -> None:
    pixels = PixelSummary(*[np.zeros((2, 2))] * 3, np.zeros(0), np.zeros(1))
    record = ExposureRecord("b", "b.fits", "matched", warnings=["order reduced"], pixels=pixels)
    shown = without_pictures(record, OSError("gone"))
    assert (shown.status, shown.pixels) == ("matched", None)
    assert shown.warnings == ["order reduced", "There are no pictures of it: gone"]
    assert record.warnings == ["order reduced"]
    assert record.pixels is pixels
