"""Runs of the command line in which something goes wrong, and what must hold after them."""

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
    """The command has ended by itself, and says so."""
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
    """Whatever has its final name is whole, and there is nothing else."""
    assert digests(out).items() <= whole.items()
    allowed = {*whole, "matched.ecsv", "report.html", JOURNAL}
    assert {path.name for path in out.iterdir()} <= allowed


def assert_finishes(files: list[Path], out: Path, whole: dict[str, str], *, journal: bool = True) -> None:
    """Going on with it ends as if nothing had been; what was finished, and stands in the journal, is not made again."""
    finished = {path: path.stat().st_mtime_ns for path in out.glob("*_matched.fits")}
    result = match(files, out, "--resume")
    assert_ended(result, 0)
    assert f"{NUMBER - 1} matched, 0 failed" in result.output
    assert digests(out) == whole
    assert not journal or {path: path.stat().st_mtime_ns for path in finished} == finished
    assert_tidy(out, whole)
    assert len(Table.read(out / "matched.ecsv")) == NUMBER


def failed(out: Path) -> dict[str, str]:
    """Labels of what the table says has failed, and why."""
    table = Table.read(out / "matched.ecsv")
    return {row["label"]: str(row["message"]) for row in table if row["status"] == "failed"}


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def when_matching(monkeypatch: pytest.MonkeyPatch, label: str, act: Callable[[Path], object]) -> None:
    """Something happens just before the exposure of this name is read in order to be matched."""
    work = FileMatcher._match

    def matched(self: FileMatcher, item: Item, reference: Exposure) -> Any:
        if item.label == label:
            act(item.path)
        return work(self, item, reference)

    monkeypatch.setattr(FileMatcher, "_match", matched)
