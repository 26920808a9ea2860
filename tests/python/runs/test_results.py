"""Results of a run: collected in any order, and written to the journal at once."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resuming import lines_of

from evensky.errors import FitsError
from evensky.runs.journal import JOURNAL, Journal
from evensky.runs.record import ExposureRecord, PixelSummary
from evensky.runs.results import Results
from evensky.runs.source import Item

LABELS = ["a", "b", "c"]


def items(folder: Path) -> list[Item]:
    return [
        Item(i, label, folder / f"{label}.fits", folder / f"{label}_matched.fits") for i, label in enumerate(LABELS)
    ]


def record_of(item: Item, **fields: Any) -> ExposureRecord:
    """Make a record whose output exists."""
    assert item.output is not None
    item.output.write_bytes(b"12345")
    digest = hashlib.sha256(b"12345").hexdigest()
    return ExposureRecord(item.label, item.place, "matched", str(item.output), 5, digest, **fields)


def open_journal(folder: Path, *, resume: bool = False) -> Journal:
    journal = Journal(folder, {"config": {}}, LABELS, resume=resume)
    journal.begin("a", "It was named by the user.", [])
    return journal


def lines(folder: Path) -> list[str]:
    """Return the kinds of the lines of the journal, with the label of each exposure."""
    found = lines_of(folder / JOURNAL)[2:]
    return [f"{kind} {value['label'] if kind == 'record' else value}" for line in found for kind, value in line.items()]


def test_records_are_in_the_order_given(tmp_path: Path) -> None:
    steps: list[str] = []
    results = Results(items(tmp_path), None, steps.append)
    for index in (2, 0, 1):
        record = ExposureRecord(LABELS[index], "", "matched")
        results.finish(index, record)
        results.collect(index, record)
        assert len(results.records) == len(steps)
    assert [record.label for record in results.records] == LABELS
    assert steps == ["c", "a", "b"]
    assert (results.kept, results.resumed) == ([None] * 3, "")


def test_finished_exposures_are_in_the_journal_at_once(tmp_path: Path) -> None:
    all_items = items(tmp_path)
    journal = open_journal(tmp_path)
    results = Results(all_items, journal, lambda label: None)
    results.finish(1, record_of(all_items[1]))
    assert lines(tmp_path) == ["record b"]
    journal.close()


def test_exposures_of_an_earlier_run_are_kept(tmp_path: Path) -> None:
    all_items = items(tmp_path)
    journal = open_journal(tmp_path)
    record = record_of(all_items[1], fit_rms=0.5)
    journal.finish(record)
    journal.finish(record_of(all_items[2]))
    journal.close()
    journal = open_journal(tmp_path, resume=True)
    results = Results(all_items, journal, lambda label: None)
    assert [kept is not None for kept in results.kept] == [False, True, True]
    assert results.resumed == "Resumed: 2 of 3 exposures were finished before."
    # New pictures and notes are not written to the journal; new values are.
    pixels = PixelSummary(*[np.zeros((2, 2))] * 3, np.zeros(0), np.zeros(1))
    results.finish(1, replace(record, pixels=pixels, warnings=["There are no pictures of it: gone"]))
    assert lines(tmp_path) == ["record b", "record c"]
    results.finish(1, replace(record, fit_rms=0.6))
    assert lines(tmp_path) == ["record b", "record c", "record b"]
    results.drop(2)
    assert lines(tmp_path)[-1] == "dropped c"
    assert results.resumed == "Resumed: 1 of 3 exposures were finished before."
    journal.close()


@pytest.mark.parametrize("written", [True, False])
def test_no_file_passes_for_the_output_of_a_failed_exposure(tmp_path: Path, written: bool) -> None:
    all_items = items(tmp_path)
    journal = open_journal(tmp_path)
    output = all_items[1].output
    assert output is not None
    record = record_of(all_items[1])
    if written:
        journal.finish(record)
    journal.close()
    journal = open_journal(tmp_path, resume=True)
    results = Results(all_items, journal, lambda label: None)
    failed = ExposureRecord("b", "", "failed", message="gone")
    results.collect(1, failed)
    journal.close()
    # An output of this run is removed; a file that it has not written stays, and the record says so.
    assert output.exists() == (not written)
    assert failed.warnings == ([] if written else ["b_matched.fits in the folder is from an earlier run"])


def test_a_record_that_names_the_output_of_another_exposure_is_not_kept(tmp_path: Path) -> None:
    all_items = items(tmp_path)
    journal = open_journal(tmp_path)
    journal.finish(replace(record_of(all_items[1]), label="a"))
    journal.finish(record_of(all_items[2]))
    journal.close()
    journal = open_journal(tmp_path, resume=True)
    results = Results(all_items, journal, lambda label: None)
    journal.close()
    assert [kept is not None for kept in results.kept] == [False, False, True]


def test_kept_records_have_the_paths_of_this_run(tmp_path: Path) -> None:
    all_items = items(tmp_path)
    journal = open_journal(tmp_path)
    journal.finish(replace(record_of(all_items[1]), path="../elsewhere/b.fits"))
    journal.close()
    journal = open_journal(tmp_path, resume=True)
    results = Results(all_items, journal, lambda label: None)
    journal.close()
    assert results.kept[1] is not None
    assert results.kept[1].path == str(tmp_path / "b.fits")


def test_a_stale_output_is_removed_only_with_the_permit(tmp_path: Path) -> None:
    def lost() -> Any:
        raise FitsError("the lock is lost")

    all_items = items(tmp_path)
    journal = open_journal(tmp_path)
    journal.finish(record_of(all_items[1]))
    journal.close()
    journal = open_journal(tmp_path, resume=True)
    results = Results(all_items, journal, lambda label: None)
    journal.renaming = lost
    with pytest.raises(FitsError, match="the lock is lost"):
        results.collect(1, ExposureRecord("b", "", "failed", message="gone"))
    assert all_items[1].output is not None
    assert all_items[1].output.exists()
    journal.close()
