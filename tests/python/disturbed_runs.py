"""Runs of the command line that are disturbed, and checks of their results."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table
from click.testing import CliRunner, Result
from evensky.tasks.file_matcher import FileMatcher, Item
from resuming import digests

from evensky.cli import main
from evensky.image import Exposure
from evensky.runs.journal import JOURNAL

NUMBER = 6
VICTIM = "demo_04"


def match(files: list[Path], out: Path, *more: Any) -> Result:
    args = ["match", *files, "--out", out, "--method", "reference", "-c", "binSize=32", "--no-report", *more]
    return CliRunner().invoke(main, [str(arg) for arg in args])


def assert_ended(result: Result, *codes: int) -> None:
    """Check that a command has ended by itself with one of the exit codes."""
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output
    assert result.exit_code in codes, (result.exit_code, result.output)


def assert_one_line(result: Result, *codes: int) -> str:
    assert_ended(result, *codes)
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, result.output
    assert lines[0].startswith("evensky: ")
    return lines[0].removeprefix("evensky: ")


def assert_tidy(out: Path, whole: dict[str, str]) -> None:
    """Check that all files with final names are complete, and that there are no others."""
    assert digests(out).items() <= whole.items()
    allowed = {*whole, "matched.ecsv", "report.html", JOURNAL}
    assert {path.name for path in out.iterdir()} <= allowed


def assert_finishes(files: list[Path], out: Path, whole: dict[str, str], *, journal: bool = True) -> None:
    """Check that a resumed run ends like an undisturbed one, and that exposures finished in the journal are kept."""
    finished = {path: path.stat().st_mtime_ns for path in out.glob("*_matched.fits")}
    result = match(files, out, "--resume")
    assert_ended(result, 0)
    assert f"{NUMBER - 1} matched, 0 failed" in result.output
    assert digests(out) == whole
    assert not journal or {path: path.stat().st_mtime_ns for path in finished} == finished
    assert_tidy(out, whole)
    assert len(Table.read(out / "matched.ecsv")) == NUMBER


def failed(out: Path) -> dict[str, str]:
    """Return the labels of the failed exposures in the table, with their messages."""
    table = Table.read(out / "matched.ecsv")
    return {row["label"]: str(row["message"]) for row in table if row["status"] == "failed"}


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def when_matching(monkeypatch: pytest.MonkeyPatch, label: str, act: Callable[[Path], object]) -> None:
    """Call a function just before the exposure with a given label is read to be matched."""
    work = FileMatcher._match

    def matched(self: FileMatcher, item: Item, reference: Exposure) -> Any:
        if item.label == label:
            act(item.path)
        return work(self, item, reference)

    monkeypatch.setattr(FileMatcher, "_match", matched)
