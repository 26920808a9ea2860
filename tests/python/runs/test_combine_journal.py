"""The journal of a combination: what it keeps, and what it refuses."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from evensky.errors import FitsError
from evensky.io.checked_lines import CheckedLines
from evensky.runs.combine_journal import CombineJournal

ASKED = {"statistic": "mean", "files": [["a.fits", 10, 1], ["b.fits", 10, 2]], "selection": {"hdu": None}}


def journal(folder, asked=ASKED, *, resume=True, height=100, number=2):
    return CombineJournal(folder / "c.journal", asked, number, height, resume=resume, renaming=nullcontext)


def counts(*numbers):
    return {name: np.array(numbers, np.int64) * k for k, name in enumerate(("covered", "masked", "rejected"), 1)}


def keep(journal, rows, counts):
    journal.finish(rows, counts)
    journal.keep()


def rows(journal):
    return [(part.start, part.stop) for part in journal.missing()]


def test_rows_that_are_done_are_kept(tmp_path):
    first = journal(tmp_path)
    assert not first.continues
    first.begin()
    keep(first, slice(10, 30), counts(1, 2))
    keep(first, slice(0, 10), counts(3, 4))
    keep(first, slice(90, 100), counts(5, 6))
    assert rows(first) == [(30, 90)]
    first.close()
    second = journal(tmp_path)
    assert second.continues
    assert rows(second) == [(30, 90)]
    assert second.counts["masked"].tolist() == [18, 24]
    second.begin()
    keep(second, slice(30, 90), counts(0, 1))
    second.close()
    assert rows(journal(tmp_path)) == []


def test_an_exposure_that_is_lost_takes_all_rows_with_it(tmp_path):
    first = journal(tmp_path)
    first.begin()
    keep(first, slice(0, 50), counts(1, 1))
    first.lose("b", "b.fits: is cut off")
    assert rows(first) == [(0, 100)]
    keep(first, slice(0, 20), counts(1, 0))
    first.close()
    second = journal(tmp_path)
    assert second.lost == {"b": "b.fits: is cut off"}
    assert rows(second) == [(20, 100)]
    assert second.counts["covered"].tolist() == [1, 0]
    second.begin()
    second.again()
    second.close()
    assert rows(journal(tmp_path)) == [(0, 100)]


def test_a_torn_line_is_cut_off(tmp_path):
    first = journal(tmp_path)
    first.begin()
    keep(first, slice(0, 50), counts(1, 1))
    keep(first, slice(50, 60), counts(1, 1))
    first.close()
    path = tmp_path / "c.journal"
    path.write_bytes(path.read_bytes()[:-7])
    second = journal(tmp_path)
    assert rows(second) == [(50, 100)]
    second.begin()
    keep(second, slice(50, 100), counts(1, 1))
    second.close()
    assert rows(journal(tmp_path)) == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({**ASKED, "statistic": "median"}, "statistic was mean and is median now; use the earlier value"),
        ({**ASKED, "files": [["a.fits", 11, 1], ["b.fits", 10, 2]]}, "files were changed since the run began"),
        ({**ASKED, "used": ["a"]}, "other exposures can be used than when it began"),
        ({**ASKED, "selection": {"hdu": 2}}, "selection.hdu was None and is 2 now"),
    ],
)
def test_other_inputs_are_refused(tmp_path, asked, message):
    first = journal(tmp_path)
    first.begin()
    first.close()
    with pytest.raises(FitsError, match=message):
        journal(tmp_path, asked)
    assert not journal(tmp_path, asked, resume=False).continues


def test_what_was_altered_is_refused(tmp_path):
    first = journal(tmp_path)
    first.begin()
    keep(first, slice(0, 50), counts(1, 1))
    keep(first, slice(50, 60), counts(1, 1))
    first.close()
    path = tmp_path / "c.journal"
    path.write_bytes(path.read_bytes().replace(b'"rows": [0, 50]', b'"rows": [0, 51]'))
    with pytest.raises(FitsError, match=r"c\.journal: .* checksum .* choose another name or allow overwriting"):
        journal(tmp_path)


@pytest.mark.parametrize(
    ("height", "number", "message"),
    [(40, 2, "line 2 is none of this version .rows 0 to 50 of 40."), (100, 3, "counts of 3 exposures")],
)
def test_lines_that_do_not_fit_are_refused(tmp_path, height, number, message):
    first = journal(tmp_path)
    first.begin()
    keep(first, slice(0, 50), counts(1, 1))
    first.close()
    with pytest.raises(FitsError, match=message):
        journal(tmp_path, height=height, number=number)


def test_rows_that_are_there_twice_are_refused(tmp_path):
    first = journal(tmp_path)
    first.begin()
    keep(first, slice(0, 50), counts(1, 1))
    with pytest.raises(ValueError, match="rows 40 to 60 are there twice"):
        keep(first, slice(40, 60), counts(1, 1))
    first._lines.append({"rows": [40, 60], "covered": [1, 1], "masked": [1, 1], "rejected": [1, 1]})
    first.close()
    with pytest.raises(FitsError, match="rows 40 to 60 are there twice"):
        journal(tmp_path)


def test_a_run_that_ended_leaves_no_journal(tmp_path):
    first = journal(tmp_path)
    first.begin()
    first.remove()
    assert not list(tmp_path.iterdir())


def test_rows_wait_until_they_are_on_disk(tmp_path, monkeypatch):
    first = journal(tmp_path)
    first.begin()
    first.finish(slice(0, 50), counts(1, 1))
    assert rows(first) == [(50, 100)]
    assert rows(journal(tmp_path)) == [(0, 100)]
    assert not first.is_due
    monkeypatch.setattr("evensky.runs.combine_journal._INTERVAL", 0.0)
    assert first.is_due
    first.keep()
    assert rows(journal(tmp_path)) == [(50, 100)]
    first.finish(slice(50, 60), counts(1, 1))
    first.again()
    first.keep()
    assert rows(journal(tmp_path)) == [(0, 100)]
    first.close()


@pytest.mark.parametrize("stop", range(4))
@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
def test_a_run_that_is_stopped_while_it_notes_rows_can_be_continued(tmp_path, monkeypatch, stop, written):
    first = journal(tmp_path)
    first.begin()
    for row in range(0, 40, 10):
        first.finish(slice(row, row + 10), counts(row, 1))
    append, calls = CheckedLines.append, []

    def stopped(lines, line):
        calls.append(line)
        if len(calls) == stop + 1:
            if written:
                append(lines, line)
            raise KeyboardInterrupt
        append(lines, line)

    monkeypatch.setattr(CheckedLines, "append", stopped)
    with pytest.raises(KeyboardInterrupt):
        first.keep()
    first.keep()  # as a run does that ends early
    first.close()
    second = journal(tmp_path)
    assert rows(second) == [(40, 100)]
    assert second.counts["covered"].tolist() == [60, 4]
