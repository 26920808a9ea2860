"""Runs of the command line that are disturbed, and assertions about their results."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table
from click.testing import CliRunner, Result
from resuming import digests

import evensky.runs.method
import evensky.runs.run
from evensky.cli import main
from evensky.image import MaskedImage
from evensky.matching.reference import CostWeights, ReferenceCandidate
from evensky.runs.journal import JOURNAL
from evensky.runs.source import Frame, Item
from evensky.runs.store import FileStore

NUMBER = 6
VICTIM = "demo_04"


def match(files: list[Path], out: Path, *more: Any) -> Result:
    args = ["match", *files, "--out", out, "--method", "reference", "-c", "binSize=32", "--no-report", *more]
    return CliRunner().invoke(main, [str(arg) for arg in args])


def assert_ended(result: Result, *codes: int) -> None:
    """Assert that the command has ended by itself, with one of these exit codes."""
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
    """Assert that all files with final names are whole, and that there are no others."""
    assert digests(out).items() <= whole.items()
    allowed = {
        *whole,
        "matched.ecsv",
        "overlaps.ecsv",
        "matched.covariance.fits",
        "report.html",
        "matched.run",
        JOURNAL,
    }
    assert {path.name for path in out.iterdir()} <= allowed


def assert_finishes(files: list[Path], out: Path, whole: dict[str, str], *, journal: bool = True) -> None:
    """Assert that the resumed run has the outputs of an undisturbed one, and keeps those that the journal lists."""
    finished = {path: path.stat().st_mtime_ns for path in out.glob("*_matched.fits")}
    result = match(files, out, "--resume")
    assert_ended(result, 0)
    assert f"{NUMBER - 1} matched, 0 failed" in result.output
    assert digests(out) == whole
    assert not journal or {path: path.stat().st_mtime_ns for path in finished} == finished
    assert_tidy(out, whole)
    assert len(Table.read(out / "matched.ecsv")) == NUMBER


def failed(out: Path) -> dict[str, str]:
    """Return the messages of failed exposures in the table, by label."""
    table = Table.read(out / "matched.ecsv")
    return {row["label"]: str(row["message"]) for row in table if row["status"] == "failed"}


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def when_matching(monkeypatch: pytest.MonkeyPatch, label: str, act: Callable[[Path], object]) -> None:
    """Do something just before the exposure of this label is read in order to be matched."""
    read = FileStore.read

    def disturbed(
        self: FileStore, item: Item, *, to_change: bool = True, variances: bool = True, only_good: bool = False
    ) -> Frame:
        if to_change and item.label == label:
            assert item.path is not None
            act(item.path)
        return read(self, item, to_change=to_change, variances=variances, only_good=only_good)

    monkeypatch.setattr(FileStore, "read", disturbed)


def when_looking_at(monkeypatch: pytest.MonkeyPatch, label: str, act: Callable[[], object]) -> None:
    """Do something while the exposure of this label is looked at, after it was read."""
    measure = evensky.runs.method.measure_candidate

    def disturbed(masked_image: MaskedImage, bad: int, name: str) -> ReferenceCandidate:
        if name == label:
            act()
        return measure(masked_image, bad, name)

    monkeypatch.setattr(evensky.runs.method, "measure_candidate", disturbed)


def when_choosing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, after: bool = False) -> None:
    """Do something just before the reference is chosen, or just after."""
    choose = evensky.runs.run.choose_reference

    def disturbed(candidates: Sequence[ReferenceCandidate], weights: CostWeights) -> int:
        if not after:
            act()
        index = choose(candidates, weights)
        if after:
            act()
        return index

    monkeypatch.setattr(evensky.runs.run, "choose_reference", disturbed)
