"""Journals that are broken, cut or edited: refused in one line, or resumed correctly."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hanging
import numpy as np
import pytest
from broken_fits import SPECIAL
from click.testing import Result
from command import one_line, run, write_three
from resuming import forged, lines_of

from evensky.runs.journal import JOURNAL

# Warnings of astropy are not errors, as they are not for users.
pytestmark = pytest.mark.filterwarnings("ignore")
_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)
exposures = pytest.fixture(scope="module")(write_three)


# Journals.


@pytest.fixture(scope="module")
def matched(exposures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("matched") / "out"
    result = run("match", *exposures, "--method", "reference", "--out", out, "-c", "binSize=32", "-q", "--no-report")
    assert result.exit_code == 0, result.output
    return out


def resumed(exposures: list[Path], out: Path) -> Result:
    return run(
        "match", *exposures, "--method", "reference", "--out", out, "-c", "binSize=32", "-q", "--no-report", "--resume"
    )


def copy_of(matched: Path, folder: Path) -> tuple[Path, Path, list[Any]]:
    out = folder / "out"
    shutil.copytree(matched, out)
    journal = out / JOURNAL
    return out, journal, lines_of(journal)


def unsealed(lines: list[Any]) -> str:
    """Return lines without checksums."""
    return "".join(json.dumps(line) + "\n" for line in lines)


JOURNALS: list[tuple[str, Callable[[list[Any]], bytes | str], str]] = [
    ("binary", lambda lines: np.random.default_rng(0).bytes(3000) + b"\n", "is not a journal of this version"),
    ("zeros", lambda lines: b"\0" * 4096 + b"\n", "is not a journal of this version"),
    ("text", lambda lines: "hello\n", "is not a journal of this version"),
    ("empty-line", lambda lines: "\n", "is not a journal of this version"),
    ("number", lambda lines: "5\n", "is not a journal of this version"),
    ("null", lambda lines: "null\n", "is not a journal of this version"),
    ("format", lambda lines: forged([{**lines[0], "journal": 3}, *lines[1:]]), "cannot be resumed: journal was 3"),
    (
        "format-1",
        lambda lines: unsealed([{**lines[0], "journal": 1}, *lines[1:]]),
        "and has no checksums, without",
    ),
    ("unsealed", unsealed, r"is not a journal of this version \(line 1 has no checksum\)"),
    ("unsealed-line", lambda lines: forged(lines) + unsealed(lines[2:]).encode(), "line 6 is damaged or was altered"),
    ("version", lambda lines: forged([{**lines[0], "version": "0.0.1"}, *lines[1:]]), r"version was 0\.0\.1 and is"),
    ("no-first-line", lambda lines: forged(lines[1:]), "cannot be resumed: journal was None"),
    ("cut-inside", lambda lines: forged(lines)[:500] + b"\n" + forged(lines[1:]), "is not a journal of this version"),
    ("cut-later", lambda lines: forged(lines)[:-500] + b"\n" + forged(lines[1:]), "line 5 is damaged or was altered"),
    ("altered", lambda lines: forged(lines).replace(b"matched", b"watched", 1), r"line \d is damaged or was altered"),
    ("other-line", lambda lines: forged([*lines, {"other": 1}]), "is not a journal of this version .*other"),
    ("list-line", lambda lines: forged([*lines, [1]]), "line 6 is damaged or was altered"),
    ("record-number", lambda lines: forged([*lines, {"record": 3}]), "is not a journal of this version"),
    ("record-empty", lambda lines: forged([*lines, {"record": {}}]), "is not a journal of this version"),
    (
        "record-more",
        lambda lines: forged([*lines, {"record": {**lines[2]["record"], "more": 1}}]),
        "is not a journal of this version .*more",
    ),
    ("label-list", lambda lines: forged([*lines, {"record": {**lines[2]["record"], "label": []}}]), "is not a journal"),
    (
        "no-candidates",
        lambda lines: forged([lines[0], {"reference": "demo_01", "reason": ""}]),
        "is not a journal of this version .*candidates",
    ),
    ("candidate-none", lambda lines: forged([lines[0], {**lines[1], "candidates": [None]}]), "is not a journal"),
    ("config-text", lambda lines: forged([{**lines[0], "config": "x"}]), "cannot be resumed: config"),
]


@pytest.mark.parametrize(("edit", "says"), [pytest.param(*row[1:], id=row[0]) for row in JOURNALS])
def test_journal_refused(
    exposures: list[Path], matched: Path, tmp_path: Path, edit: Callable[[list[Any]], bytes | str], says: str
) -> None:
    out, journal, lines = copy_of(matched, tmp_path)
    content = edit(lines)
    journal.write_bytes(content.encode() if isinstance(content, str) else content)
    left = {path.name: path.read_bytes() for path in out.iterdir()}
    message = one_line(resumed(exposures, out))
    assert re.search(says, message), message
    assert message.startswith(str(out))
    assert "choose another folder or allow overwriting" in message
    assert {path.name: path.read_bytes() for path in out.iterdir()} == left


@pytest.mark.parametrize("cut", [-1, -200])
def test_journals_that_were_cut(exposures: list[Path], matched: Path, tmp_path: Path, cut: int) -> None:
    out, journal, _ = copy_of(matched, tmp_path)
    journal.write_bytes(journal.read_bytes()[:cut])
    assert resumed(exposures, out).exit_code == 0
    for path in matched.glob("*_matched.fits"):
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert len(lines_of(journal)) == 2 + len(exposures)


@pytest.mark.parametrize("cut", [0, 10])
def test_journals_of_which_nothing_is_left(exposures: list[Path], matched: Path, tmp_path: Path, cut: int) -> None:
    out, journal, _ = copy_of(matched, tmp_path)
    journal.write_bytes(journal.read_bytes()[:cut])
    # Nothing tells that the outputs are those of this run: a journal has a line before there is any.
    assert "but no run in matched.journal to resume; choose another folder or allow overwriting" in one_line(
        resumed(exposures, out)
    )
    for path in matched.glob("*_matched.fits"):
        assert (out / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("make", [pytest.param(row[1], id=row[0]) for row in SPECIAL if row[0] in ("folder", "socket")])
def test_journal_that_is_no_file(
    exposures: list[Path], matched: Path, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    out, journal, _ = copy_of(matched, tmp_path)
    journal.unlink()
    make(journal)
    assert one_line(resumed(exposures, out)) == f"{journal}: cannot be read: it is not a regular file"


def test_journal_that_is_a_fifo(exposures: list[Path], matched: Path, tmp_path: Path) -> None:
    out, journal, _ = copy_of(matched, tmp_path)
    journal.unlink()
    os.mkfifo(journal)
    signal.alarm(1)
    try:
        one_line(resumed(exposures, out))
    except hanging.HangError as error:
        pytest.fail(str(error))


EDITED: list[tuple[str, Callable[[list[Any]], Any]]] = [
    ("reference-unknown", lambda lines: lines[1].update(reference="nobody")),
    ("reference-number", lambda lines: lines[1].update(reference=5)),
    ("reason-number", lambda lines: lines[1].update(reason=5)),
    ("status", lambda lines: lines[2]["record"].update(status="bogus")),
    ("output", lambda lines: lines[2]["record"].update(output=5)),
    ("figure", lambda lines: lines[2]["record"].update(fit_rms="much")),
    ("flags", lambda lines: lines[2]["record"].update(flags=None)),
    ("deep", lambda lines: lines.append({"deep": functools.reduce(lambda inner, _: [inner], range(900), [])})),
]


@pytest.mark.parametrize("edit", [pytest.param(row[1], id=row[0]) for row in EDITED])
def test_journals_that_were_edited(
    exposures: list[Path], matched: Path, tmp_path: Path, edit: Callable[[list[Any]], Any]
) -> None:
    out, journal, lines = copy_of(matched, tmp_path)
    edit(lines)
    journal.write_bytes(forged(lines))
    (out / "matched.ecsv").unlink()
    result = run(
        "match", *exposures, "--method", "reference", "--out", out, "-c", "binSize=32", "--no-report", "--resume"
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    if result.exit_code == 2:  # an error
        assert "is not a journal" in one_line(result)
    else:  # the line is ignored
        assert result.exit_code == 0
        for path in matched.glob("*_matched.fits"):
            assert (out / path.name).read_bytes() == path.read_bytes()
