"""The journal of a run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from resuming import forged, lines_of
from xxhash import xxh3_128_hexdigest

import evensky.runs.journal
from evensky.errors import FitsError
from evensky.fits.digests import FileState, state_of
from evensky.matching.reference import ReferenceCandidate
from evensky.runs.journal import JOURNAL, Journal
from evensky.runs.record import ExposureRecord

ASKED = {"config": {"binSize": 32}, "files": ["a", "b"]}
LABELS = ["a", "b"]
DIGEST = xxh3_128_hexdigest(b"12345")


def no_step(label: str) -> None:
    pass


@contextmanager
def opened(folder: Path, *, resume: bool = False) -> Iterator[Journal]:
    journal = Journal(folder, ASKED, LABELS, resume=resume)
    journal.begin("a", "It was named by the user.", [ReferenceCandidate("a", 1.0)])
    try:
        yield journal
    finally:
        journal.close()


def resumed(folder: Path, **options: Any) -> Journal:
    return Journal(folder, ASKED, LABELS, resume=True, **options)


def done(journal: Journal, label: str) -> ExposureRecord | None:
    return journal.finished([label], no_step)[0]


def finished(folder: Path, label: str) -> ExposureRecord:
    """Make a record whose output exists."""
    output = folder / f"{label}_matched.fits"
    output.write_bytes(b"12345")
    return ExposureRecord(
        label, f"{label}.fits", "matched", str(output), 5, DIGEST, fit_rms=0.5, flags=["EXTRAPOLATED"]
    )


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A folder in which one exposure is finished."""
    with opened(tmp_path) as journal:
        journal.finish(finished(tmp_path, "b"))
    return tmp_path


def test_finished_exposures_are_known_again(tmp_path: Path) -> None:
    record = finished(tmp_path, "b")
    with opened(tmp_path) as journal:
        journal.finish(record)
    again = resumed(tmp_path)
    assert (again.reference, again.reason) == ("a", "It was named by the user.")
    assert [candidate.label for candidate in again.candidates] == ["a"]
    assert again.finished(LABELS, no_step) == [None, record]
    assert again.written == {"b"}
    assert again.unlike == []
    # An output of another size does not count.
    (tmp_path / "b_matched.fits").write_bytes(b"1234")
    assert done(again, "b") is None
    assert again.unlike == ["b"]


@pytest.mark.parametrize("trust", [False, True])
def test_an_output_with_other_bytes_does_not_count(one: Path, trust: bool) -> None:
    output = one / "b_matched.fits"
    times = output.stat()
    output.write_bytes(b"12445")
    os.utime(output, ns=(times.st_atime_ns, times.st_mtime_ns))
    journal = resumed(one, trust_outputs=trust)
    assert (done(journal, "b") is None) is not trust
    assert journal.unlike == ([] if trust else ["b"])


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("kind", ["missing", "folder", "link", "fifo", "longer", "unreadable"])
def test_an_output_that_is_no_longer_there(one: Path, monkeypatch: pytest.MonkeyPatch, kind: str, trust: bool) -> None:
    output = one / "b_matched.fits"
    if kind == "unreadable":

        def unreadable(path: Path, between: Any, *, sha256: bool) -> FileState:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(evensky.runs.journal, "state_of", unreadable)
    else:
        moved = output.rename(one / "moved")
        if kind == "folder":
            output.mkdir()
        elif kind == "link":  # to a file that is the output, but may be anywhere
            output.symlink_to(moved)
        elif kind == "fifo":
            os.mkfifo(output)
        elif kind == "longer":
            output.write_bytes(b"12345\0")
    journal = resumed(one, trust_outputs=trust)
    assert (done(journal, "b") is None) is not (trust and kind == "unreadable")


def test_exposures_of_one_file_have_one_output(tmp_path: Path) -> None:
    record = finished(tmp_path, "b")
    with opened(tmp_path) as journal:
        journal.finish(replace(record, label="a"))
        journal.finish(record)
    again = resumed(tmp_path)
    assert again.checks == 1
    assert again.finished(LABELS, no_step) == [replace(record, label="a"), record]
    # A record of an earlier state of the file does not count, whichever was written last.
    with opened(tmp_path, resume=True) as journal:
        journal.finish(replace(record, output_digest="0" * 32))
    assert resumed(tmp_path).finished(LABELS, no_step) == [replace(record, label="a"), None]


def test_each_output_is_a_step(tmp_path: Path) -> None:
    labels = [f"e{number}" for number in range(40)]
    journal = Journal(tmp_path, ASKED, labels, resume=False)
    journal.begin("e0", "", [])
    records = [finished(tmp_path, label) for label in labels]
    for record in records:
        journal.finish(record)
    journal.close()
    again = Journal(tmp_path, ASKED, labels, resume=True)
    steps: list[str] = []
    assert again.finished(labels, steps.append) == records
    assert steps == [f"checking e{number}_matched.fits" for number in range(40)]
    assert again.checks == 40
    trusting = Journal(tmp_path, ASKED, labels, resume=True, trust_outputs=True)
    assert trusting.checks == 0
    assert trusting.finished(labels, steps.append) == records
    assert len(steps) == 40


def test_outputs_are_checked_by_several_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [f"e{number}" for number in range(8)]
    journal = Journal(tmp_path, ASKED, labels, resume=False)
    journal.begin("e0", "", [])
    for label in labels:
        journal.finish(finished(tmp_path, label))
    journal.close()
    barrier = threading.Barrier(4, timeout=20)

    def together(path: Path, between: Any, *, sha256: bool) -> FileState:
        barrier.wait()
        return state_of(path, between, sha256=sha256)

    monkeypatch.setattr(evensky.runs.journal, "state_of", together)
    assert None not in Journal(tmp_path, ASKED, labels, resume=True).finished(labels, no_step)


def test_an_interrupt_ends_the_checks(one: Path) -> None:
    """Large outputs are not read to their ends."""
    with opened(one, resume=True) as journal:
        os.truncate(one / "b_matched.fits", 1 << 36)  # takes a minute to read
        journal.finish(replace(finished(one, "a"), label="a"))
        big = ExposureRecord("b", "b.fits", "matched", "b_matched.fits", 1 << 36, DIGEST)
        journal.drop("b")
        journal.finish(big)
    again = resumed(one)

    def stop(label: str) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        again.finished(LABELS, stop)
    assert time.monotonic() - start < 10


def test_dropped_exposures_count_no_longer(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.finish(finished(tmp_path, "b"))
        journal.records["b"] = finished(tmp_path, "b")
        journal.drop("b")
    again = resumed(tmp_path)
    assert done(again, "b") is None
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


@pytest.mark.parametrize(
    ("now", "says"),
    [(["a.fits", 10, 8], "a.fits was changed since the run began;"), (["a.fits", 12, 8], r" \(from 10 to 12 bytes\);")],
)
def test_a_file_that_was_changed_is_named(tmp_path: Path, now: list[Any], says: str) -> None:
    with closing(Journal(tmp_path, {**ASKED, "files": [["a.fits", 10, 7]]}, LABELS, resume=False)) as journal:
        journal.begin("a", "", [])
    with pytest.raises(FitsError, match=says):
        Journal(tmp_path, {**ASKED, "files": [now]}, LABELS, resume=True)


def test_a_message_is_one_short_line(tmp_path: Path) -> None:
    hostile = "\x1b[31m\n" + "x" * 100_000
    (tmp_path / JOURNAL).write_bytes(forged([{"journal": 2, "config": {"binSize": hostile, hostile: 1}}]))
    with pytest.raises(FitsError) as caught:
        resumed(tmp_path)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


# An altered journal.


def test_an_altered_figure_is_found(one: Path) -> None:
    path = one / JOURNAL
    path.write_bytes(path.read_bytes().replace(b'"fit_rms": 0.5', b'"fit_rms": 0.6'))
    with pytest.raises(FitsError) as caught:
        resumed(one)
    assert re.fullmatch(
        rf"{path}: line 3 is damaged or was altered: its checksum is not that of its text and the lines before it; "
        r"remove it and all lines after it to keep what is before it, choose another folder or allow overwriting "
        r"\(overwrite=True, --overwrite\)",
        str(caught.value),
    )
    # The advice helps.
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    assert resumed(one).reference == "a"


def test_a_journal_of_another_run_is_not_continued_by_lines_of_this(one: Path) -> None:
    other = one / "other"
    other.mkdir()
    with opened(other) as journal:
        journal.finish(replace(finished(other, "b"), fit_rms=7.0))
    lines = (one / JOURNAL).read_bytes().splitlines(keepends=True)
    (one / JOURNAL).write_bytes(b"".join([*lines[:2], (other / JOURNAL).read_bytes().splitlines(keepends=True)[2]]))
    assert done(resumed(one), "b").fit_rms == 7.0  # type: ignore[union-attr] # the same lines precede it
    lines[1] = lines[1].replace(b"named by the user", b"named by a user..")
    (one / JOURNAL).write_bytes(b"".join(lines))
    with pytest.raises(FitsError, match="line 2 is damaged or was altered"):
        resumed(one)


# Journals with the right checksums whose lines are not consistent.


def record_with(**fields: Any) -> dict[str, Any]:
    record = ExposureRecord("b", "b.fits", "matched", "b_matched.fits", 5, DIGEST)
    return {"record": {**asdict(record), **fields}}


FIRST: list[Any] = [
    {"journal": 2, **ASKED},
    {"reference": "a", "reason": "", "candidates": []},
]
INCONSISTENT: list[tuple[str, list[Any], str]] = [
    ("status", [*FIRST, record_with(status="bogus")], "line 3: .*status"),
    ("label", [*FIRST, record_with(label="c")], "line 3: 'c' is not one of the exposures"),
    ("reference", [FIRST[0], {**FIRST[1], "reference": "c"}], "line 2: 'c' is not one of the exposures"),
    (
        "candidate",
        [FIRST[0], {**FIRST[1], "candidates": [asdict(ReferenceCandidate("c"))]}],
        "line 2: 'c' is not one of the exposures",
    ),
    ("failed-with-output", [*FIRST, record_with(status="failed")], "line 3: status 'failed' with output 'b_matched"),
    ("matched-without", [*FIRST, record_with(output=None)], "line 3: status 'matched' with output None"),
    ("outside", [*FIRST, record_with(output="../b_matched.fits")], "'../b_matched.fits' is not the name of a file in"),
    ("absolute", [*FIRST, record_with(output="/etc/passwd")], "'/etc/passwd' is not the name of a file in the folder"),
    ("dots", [*FIRST, record_with(output="..")], "'..' is not the name of a file in the folder"),
    ("no-name", [*FIRST, record_with(output="")], "'' is not the name of a file in the folder"),
    ("nul", [*FIRST, record_with(output="a\0b")], "is not the name of a file in the folder"),
    ("negative", [*FIRST, record_with(output_bytes=-1)], "output_bytes -1"),
    ("no-digest", [*FIRST, record_with(output_digest="")], "output_digest ''"),
    ("digest", [*FIRST, record_with(output_digest=DIGEST.upper())], "output_digest "),
    ("second-reference", [*FIRST, FIRST[1]], "line 3: a second reference"),
    ("early-record", [FIRST[0], record_with()], "line 2: 'record' before the reference"),
    ("early-drop", [FIRST[0], {"dropped": "b"}], "line 2: 'dropped' before the reference"),
    ("dropped-unknown", [*FIRST, {"dropped": "b"}], "line 3: 'b' is dropped and was not finished"),
    ("dropped-twice", [*FIRST, record_with(), {"dropped": "b"}, {"dropped": "b"}], "line 5: 'b' is dropped"),
    ("dropped-list", [*FIRST, {"dropped": ["b"]}], r"line 3: \['b'\] is dropped"),
    ("unknown", [*FIRST, {"other": 1}], "line 3: 'other' is unknown"),
    ("more", [*FIRST, {**record_with(), "more": 1}], "line 3: 'more' beside 'record'"),
    ("choice-more", [FIRST[0], {**FIRST[1], "more": 1}], "line 2: .*more"),
    ("record-more", [*FIRST, record_with(more=1)], "line 3: .*more"),
    ("two-digests", [*FIRST, record_with(output_sha256=DIGEST * 2)], "line 3: .*output_sha256"),
    ("figure", [*FIRST, record_with(fit_rms="much")], "line 3: .*fit_rms"),
    ("number", [*FIRST, record_with(output_bytes=int("9" * 101))], "line 3 cannot be parsed: a number has 101 digits"),
]


@pytest.mark.parametrize(("lines", "says"), [pytest.param(*row[1:], id=row[0]) for row in INCONSISTENT])
def test_only_consistent_lines_are_believed(tmp_path: Path, lines: list[Any], says: str) -> None:
    (tmp_path / JOURNAL).write_bytes(forged(lines))
    with pytest.raises(FitsError, match=says) as caught:
        resumed(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / JOURNAL}: ")
    assert str(caught.value).endswith("choose another folder or allow overwriting (overwrite=True, --overwrite)")


def test_consistent_lines_are_believed(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(forged([*FIRST, record_with(), {"dropped": "b"}, record_with(fit_rms=3.0)]))
    (tmp_path / "b_matched.fits").write_bytes(b"12345")
    record = done(resumed(tmp_path), "b")
    assert record is not None
    assert (record.fit_rms, record.output) == (3.0, str(tmp_path / "b_matched.fits"))


@pytest.mark.parametrize("content", [b"12345", b"12435"])
def test_journals_with_sha256_of_outputs_are_believed(tmp_path: Path, content: bytes) -> None:
    """Earlier versions computed that."""
    old = record_with(output_sha256=hashlib.sha256(b"12345").hexdigest())
    del old["record"]["output_digest"]
    (tmp_path / JOURNAL).write_bytes(forged([*FIRST, old]))
    (tmp_path / "b_matched.fits").write_bytes(content)
    assert (done(resumed(tmp_path), "b") is not None) is (content == b"12345")


# Formats and sizes.


def test_a_journal_without_checksums_is_refused_and_says_why(tmp_path: Path) -> None:
    """Version 0.1.0 wrote such journals."""
    text = "".join(
        json.dumps(line) + "\n"
        for line in [{"journal": 1, "version": "0.1.0", **ASKED}, FIRST[1], {"record": {"label": "b"}}]
    )
    (tmp_path / JOURNAL).write_text(text)
    with pytest.raises(FitsError) as caught:
        resumed(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / JOURNAL}: was begun by an earlier evensky (0.1.0) and has no checksums, without which it is not "
        "believed; resume it with the installation that began it, choose another folder or allow overwriting "
        "(overwrite=True, --overwrite)"
    )
    assert (tmp_path / JOURNAL).read_text() == text


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(forged([{"journal": 3, **ASKED}]))
    with pytest.raises(FitsError, match="cannot be resumed: journal was 3 and is 2 now"):
        resumed(tmp_path)


def test_sizes_follow_from_the_number_of_exposures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(b"")
    os.truncate(path, 3 << 30)
    start = time.process_time()
    with pytest.raises(FitsError, match=r"has 3221225472 bytes, of which no more than \d{9} can .*; choose another"):
        resumed(tmp_path)
    labels = [f"exposure_{number}" for number in range(1000)]
    with pytest.raises(FitsError, match=r"line 1 has more than 1\d{7} bytes"):
        Journal(tmp_path, ASKED, labels, resume=True)
    assert time.process_time() - start < 5


def test_a_run_of_many_exposures_reads_its_own_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits leave room for lists of all exposures in each line, without the part that does not depend on them."""
    monkeypatch.setattr(evensky.runs.journal, "_LONGEST_LINE", 2**12)
    labels = ["\udce9" * 40 + str(number) for number in range(150)]
    asked = {"files": [[f"/folder/{label}.fits", 123456789, 1234567890123456789] for label in labels]}
    journal = Journal(tmp_path, asked, labels, resume=False)
    journal.begin(labels[0], "", [ReferenceCandidate(label, 1.0) for label in labels])
    records = [replace(finished(tmp_path, "x"), label=label, partners=labels) for label in labels]
    for record in records:
        journal.finish(record)
    journal.close()
    again = Journal(tmp_path, asked, labels, resume=True)
    assert again.finished(labels, no_step) == records
    assert (tmp_path / JOURNAL).stat().st_size > 5e6
    assert lines_of(tmp_path / JOURNAL)[0]["files"] == asked["files"]
