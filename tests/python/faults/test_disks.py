"""Full disks, and folders that vanish or cannot be written to: no result is lost."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table
from disturbed_runs import (
    NUMBER,
    VICTIM,
    assert_ended,
    assert_finishes,
    assert_one_line,
    assert_tidy,
    failed,
    match,
    no_space,
    when_choosing,
    when_matching,
)
from resuming import digests

import evensky.io.formats
import evensky.report.page
from evensky.fits.atomic import atomic_path
from evensky.fits.digests import FileState
from evensky.io.checked_lines import CheckedLines
from evensky.io.folder_lock import LOCK
from evensky.runs.journal import JOURNAL

# Warnings of astropy are not errors, as they are not for users.
pytestmark = pytest.mark.filterwarnings("ignore")


# Full disks.


def test_no_space_for_an_output(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_rewrite = evensky.io.formats.rewrite

    def write(source: Path, target: Path, *planes: Any, overwrite: bool, **options: Any) -> FileState:
        if VICTIM in target.name:
            with atomic_path(target, overwrite=overwrite) as temporary:
                temporary.write_bytes(b"x" * 5000)
                raise no_space()
        return really_rewrite(source, target, *planes, overwrite=overwrite, **options)

    with monkeypatch.context() as patch:
        patch.setattr(evensky.io.formats, "rewrite", write)
        result = match(files, tmp_path, "-j", 2)
    assert_ended(result, 1)
    assert "1 failed" in result.output
    assert failed(tmp_path) == {VICTIM: f"{tmp_path / VICTIM}_matched.fits: cannot be written: No space left on device"}
    assert len(digests(tmp_path)) == NUMBER - 1
    assert_tidy(tmp_path, whole)
    assert_finishes(files, tmp_path, whole)


def full_journal(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the disk be full after so many lines of the journal."""
    append = CheckedLines.append
    count = 0

    def append_until_full(self: CheckedLines, line: Any) -> None:
        nonlocal count
        count += 1
        if count == after + 1:
            assert self._file is not None
            self._file.close()
            self._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
        append(self, line)

    monkeypatch.setattr(CheckedLines, "append", append_until_full)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("after", [0, 1, 4])
@pytest.mark.parametrize("workers", [1, 2])
def test_no_space_for_the_journal(
    files: list[Path],
    whole: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
    workers: int,
) -> None:
    with monkeypatch.context() as patch:
        full_journal(patch, after)
        result = match(files, tmp_path, "-j", workers)
    message = assert_one_line(result, 1, 2)
    assert message == f"{tmp_path / JOURNAL}: cannot be written: No space left on device"
    assert_tidy(tmp_path, whole)
    assert len(digests(tmp_path)) >= after - 2
    assert_finishes(files, tmp_path, whole, journal=False)


def full_for(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the disk be full for the table or for the report."""
    if name == "matched.ecsv":

        def write(self: Table, path: Path, **kwargs: Any) -> None:
            Path(path).write_text("half")
            raise no_space()

        monkeypatch.setattr(Table, "write", write)
        return
    write_text = Path.write_text

    def write_half(self: Path, text: str, **kwargs: Any) -> int:
        if self.name.startswith(f".{name}"):
            write_text(self, text[: len(text) // 2], **kwargs)
            raise no_space()
        return write_text(self, text, **kwargs)

    monkeypatch.setattr(Path, "write_text", write_half)


@pytest.mark.parametrize("name", ["matched.ecsv", "report.html"])
def test_no_space_for_table_and_report(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with monkeypatch.context() as patch:
        full_for(patch, name)
        result = match(files, tmp_path, "--report", "-q")
    assert assert_one_line(result, 1, 2) == f"{tmp_path / name}: cannot be written: No space left on device"
    assert digests(tmp_path) == whole
    assert not (tmp_path / name).exists()
    assert_tidy(tmp_path, whole)
    assert_finishes(files, tmp_path, whole)


def test_no_space_is_not_wrong_usage(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full_for(monkeypatch, "matched.ecsv")
    assert match(files, tmp_path, "-q").exit_code == 1


def test_no_memory_for_the_report(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(evensky.report.page, "advices_of", fail)
    result = match(files, tmp_path, "--report", "-q")
    assert digests(tmp_path) == whole
    message = assert_one_line(result, 1)
    assert message == f"{tmp_path / 'report.html'}: the report cannot be made: MemoryError; all results are there"


def test_no_memory_for_a_picture(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(evensky.report.page, "_panels", fail)
    assert_ended(match(files, tmp_path, "--report", "-q"), 0)
    assert digests(tmp_path) == whole
    page = (tmp_path / "report.html").read_text()
    assert page.count("There is no picture here; it cannot be drawn: MemoryError") == len(files)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Callable[[str], None]]:
    """Mount a file system; yields a function that mounts it again with other options."""
    folder.mkdir()

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no file system can be mounted here: {error}")

    mount(options)
    try:
        yield lambda more: mount(f"remount,{more}")
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


def test_a_disk_that_is_full_for_outputs(files: list[Path], whole: dict[str, str], tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=800k") as remount:
        out = tmp_path / "disk"
        result = match(files, out, "-q")
        # There is room for some outputs; a torn output is removed, which leaves room for the journal and the table.
        assert_ended(result, 1)
        assert 0 < len(digests(out)) < NUMBER
        assert failed(out)
        assert all(re.search("No space left|Not enough space", message) for message in failed(out).values())
        assert len(failed(out)) == NUMBER - len(digests(out))
        assert_tidy(out, whole)
        remount("size=16m")
        assert_finishes(files, out, whole)


def test_a_disk_that_is_full_for_the_journal(files: list[Path], whole: dict[str, str], tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=800k") as remount:
        out = tmp_path / "disk" / "out"
        filler = tmp_path / "disk" / "filler"
        try:
            filler.write_bytes(bytes(1 << 20))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017
        out.mkdir()
        result = match(files, out, "-q")
        assert "No space left on device" in assert_one_line(result, 1, 2)
        assert_tidy(out, whole)
        remount("size=16m")
        assert_finishes(files, out, whole)


# Folders that cannot be written to, or vanish.


def test_a_folder_that_is_read_only(files: list[Path], whole: dict[str, str], tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=16m") as remount:
        out = tmp_path / "disk"
        remount("ro")
        message = assert_one_line(match(files, out), 2)
        assert message == f"{out / LOCK}: cannot be written: Read-only file system"
        assert assert_one_line(match(files, out / "sub"), 2) == f"{out / 'sub'}: cannot be made: Read-only file system"
        assert list(out.iterdir()) == []
        remount("rw")
        assert_finishes(files, out, whole)


def test_a_folder_that_becomes_read_only(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mkstemp(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        when_matching(patch, VICTIM, lambda path: patch.setattr(tempfile, "mkstemp", mkstemp))
        message = assert_one_line(match(files, tmp_path), 1, 2)
    assert message == f"{tmp_path / 'matched.ecsv'}: cannot be written: Read-only file system"
    assert 0 < len(digests(tmp_path)) < NUMBER
    assert_tidy(tmp_path, whole)
    assert_finishes(files, tmp_path, whole)


def test_a_folder_that_goes(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        when_matching(patch, VICTIM, lambda path: shutil.rmtree(out))
        message = assert_one_line(match(files, out), 1, 2)
    assert message.startswith(f"{out}: was removed or renamed while a run was at work in it; if it was renamed, resume")
    assert not out.exists()
    assert_finishes(files, out, whole)


def test_a_folder_that_goes_before_the_reference_is_chosen(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    when_choosing(monkeypatch, lambda: shutil.rmtree(out))
    message = assert_one_line(match(files, out), 1, 2)
    assert message.startswith(f"{out}: was removed or renamed while a run was at work in it")


def test_a_failure_is_told_without_a_summary_too(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / f"{VICTIM}_matched.fits").mkdir()
    result = match(files, tmp_path, "--overwrite", "--quiet")
    assert_ended(result, 1)
    line = result.output.strip()
    assert line.startswith(f"evensky: {VICTIM}: ")
    assert line.endswith("is a folder, and no file can have its name; remove or rename it, or choose another name")
