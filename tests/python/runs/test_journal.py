"""The journal of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evensky.errors import FitsError
from evensky.matching.reference import ReferenceCandidate
from evensky.runs.journal import JOURNAL, Journal
from evensky.runs.record import ExposureRecord

ASKED = {"config": {"binSize": 32}, "files": ["a", "b"]}
LABELS = ["a", "b"]


@contextmanager
def opened(folder: Path, *, resume: bool = False) -> Iterator[Journal]:
    journal = Journal(folder, ASKED, LABELS, resume=resume)
    journal.begin("a", "It was named by the user.", [ReferenceCandidate("a", 1.0)])
    try:
        yield journal
    finally:
        journal.close()


def finished(folder: Path, label: str) -> ExposureRecord:
    """Make a record whose output exists."""
    output = folder / f"{label}_matched.fits"
    output.write_bytes(b"12345")
    return ExposureRecord(label, f"{label}.fits", "matched", str(output), 5, fit_rms=0.5, flags=["EXTRAPOLATED"])


def test_finished_exposures_are_known_again(tmp_path: Path) -> None:
    record = finished(tmp_path, "b")
    with opened(tmp_path) as journal:
        journal.finish(record)
    again = Journal(tmp_path, ASKED, LABELS, resume=True)
    assert (again.reference, again.reason) == ("a", "It was named by the user.")
    assert [candidate.label for candidate in again.candidates] == ["a"]
    assert again.done("b") == record
    assert again.done("a") is None
    assert again.written == {"b"}
    # An output of another size does not count.
    (tmp_path / "b_matched.fits").write_bytes(b"1234")
    assert again.done("b") is None


def test_dropped_exposures_count_no_longer(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.finish(finished(tmp_path, "b"))
        journal.drop("b")
    again = Journal(tmp_path, ASKED, LABELS, resume=True)
    assert again.done("b") is None
    assert again.written == {"b"}


def test_a_torn_line_goes(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    whole = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(whole + b'{"record": {"label": "b"')
    with opened(tmp_path, resume=True) as journal:
        journal.finish(finished(tmp_path, "b"))
    lines = (tmp_path / JOURNAL).read_bytes()
    assert lines.startswith(whole)
    assert [next(iter(json.loads(line))) for line in lines.splitlines()] == ["journal", "reference", "record"]


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(FitsError, match="another run is at work in it"):
        Journal(tmp_path, ASKED, LABELS, resume=True)


def test_another_run_is_named(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    for other, says in (
        ({**ASKED, "config": {"binSize": 64}}, r"config\.binSize was 32 and is 64 now"),
        ({**ASKED, "files": ["a", "c"]}, "files was b and is c now"),
        ({**ASKED, "files": ["a"]}, "files was 2 items and is 1 items now"),
    ):
        with pytest.raises(FitsError, match=f"cannot be resumed: {says}"):
            Journal(tmp_path, other, LABELS, resume=True)
