"""What goes wrong around a run: full disks, folders and files that go, workers that die. Nothing is lost by it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hanging
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner, Result

import evensky.fits.writing
from evensky import report
from evensky.cli import main
from evensky.image import Exposure
from evensky.io import read_exposure, write_exposure
from evensky.simulate import make_exposures, write_exposures
from evensky.tasks import MatchBackgroundsTask
from evensky.tasks.file_matcher import FileMatcher, Item
from evensky.tasks.journal import JOURNAL, Journal

# As a user has it: warnings of astropy must not become errors here that they are not there.
pytestmark = pytest.mark.filterwarnings("ignore")
_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)

NUMBER = 6
VICTIM = "demo_04"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    return {path.name: digest(path) for path in sorted(folder.glob("*_matched.fits"))}


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_exposures(make_exposures(NUMBER, (128, 128), seed=3), tmp_path_factory.mktemp("exposures"))


@pytest.fixture
def files(originals: list[Path]) -> Iterator[list[Path]]:
    """Exposures that are the same after the test."""
    before = [digest(path) for path in originals]
    yield originals
    assert [digest(path) for path in originals] == before


@pytest.fixture(scope="module")
def whole(originals: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run that nothing disturbs makes."""
    folder = tmp_path_factory.mktemp("whole")
    result = match(originals, folder)
    assert result.exit_code == 0, result.output
    assert len(digests(folder)) == NUMBER
    return digests(folder)


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


# Disks that are full.


def test_no_space_for_an_output(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = evensky.fits.writing._write_by_bands

    def write(planes: Any, path: Path, overwrite: bool) -> None:
        if VICTIM in path.name:
            with evensky.io.atomic_path(path, overwrite=overwrite) as temporary:
                temporary.write_bytes(b"x" * 5000)
                raise no_space()
        written(planes, path, overwrite)

    with monkeypatch.context() as patch:
        patch.setattr(evensky.fits.writing, "_write_by_bands", write)
        result = match(files, tmp_path, "-j", 2)
    assert_ended(result, 1)
    assert "1 failed" in result.output
    assert failed(tmp_path) == {VICTIM: f"{tmp_path / VICTIM}_matched.fits: cannot be written: No space left on device"}
    assert len(digests(tmp_path)) == NUMBER - 1
    assert_tidy(tmp_path, whole)
    assert_finishes(files, tmp_path, whole)


def full_journal(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """After so many lines the journal is on a disk that is full."""
    add = Journal._add
    count = 0

    def add_until_full(self: Journal, line: Any) -> None:
        nonlocal count
        count += 1
        if count == after + 1:
            assert self._file is not None
            self._file.close()
            self._file = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115
        add(self, line)

    monkeypatch.setattr(Journal, "_add", add_until_full)


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
    """No space for the table or for the report."""
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
    def plot(*args: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(report, "plot_match", plot)
    result = match(files, tmp_path, "--report", "-q")
    assert digests(tmp_path) == whole
    assert "report.html" in assert_one_line(result, 1, 2)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Callable[[str], None]]:
    """A file system of its own; yields what mounts it with other options."""
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
        # Room is left for some outputs and, where an output has gone again, for the journal and the table.
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


# Folders that cannot be written to, or go.


def test_a_folder_that_is_read_only(files: list[Path], whole: dict[str, str], tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=16m") as remount:
        out = tmp_path / "disk"
        remount("ro")
        message = assert_one_line(match(files, out), 2)
        assert message == f"{out / JOURNAL}: cannot be written: Read-only file system"
        assert assert_one_line(match(files, out / "sub"), 2) == f"{out / 'sub'}: cannot be made: Read-only file system"
        assert list(out.iterdir()) == []
        remount("rw")
        assert_finishes(files, out, whole)


def when_matching(monkeypatch: pytest.MonkeyPatch, label: str, act: Callable[[Path], object]) -> None:
    """Something happens just before the exposure of this name is read in order to be matched."""
    work = FileMatcher._match

    def matched(self: FileMatcher, item: Item, reference: Exposure) -> Any:
        if item.label == label:
            act(item.path)
        return work(self, item, reference)

    monkeypatch.setattr(FileMatcher, "_match", matched)


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
    assert message == f"{out / 'matched.ecsv'}: cannot be written: No such file or directory"
    assert not out.exists()
    assert_finishes(files, out, whole)


def test_a_folder_that_goes_before_the_reference_is_chosen(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    chosen = MatchBackgroundsTask.chooseReference

    def choose(self: Any, candidates: Any) -> Any:
        out.rmdir()
        return chosen(self, candidates)

    monkeypatch.setattr(MatchBackgroundsTask, "chooseReference", choose)
    assert assert_one_line(match(files, out), 1, 2) == f"{out / JOURNAL}: cannot be written: No such file or directory"


# Workers that die.


def test_a_worker_that_dies_while_matching_is_one_failure(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = [
        ValueError("of no use"),
        OSError(errno.EIO, os.strerror(errno.EIO)),
        RecursionError("maximum recursion depth exceeded"),
        MemoryError("no 5 GB left"),
        StopIteration("of two\nlines"),
        AssertionError("of mine"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    ]
    for number, error in enumerate(errors):
        out = tmp_path / str(number)
        with monkeypatch.context() as patch:

            def die(path: Path, error: Exception = error) -> None:
                raise error

            when_matching(patch, VICTIM, die)
            result = match(files, out, "-j", 1 + number % 2)
        assert_ended(result, 1)
        assert failed(out) == {VICTIM: " ".join(str(error).split())}
        assert len(digests(out)) == NUMBER - 1
        assert_tidy(out, whole)
    assert_finishes(files, out, whole)


class _SilentError(Exception):
    """An error without a message, as MemoryError mostly is one."""


@pytest.mark.parametrize("kind", [MemoryError, _SilentError, AssertionError])
def test_failures_always_have_a_reason(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def die(path: Path) -> None:
        raise kind

    when_matching(monkeypatch, VICTIM, die)
    assert_ended(match(files, tmp_path), 1)
    assert kind.__name__ in failed(tmp_path)[VICTIM]


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit("no"), GeneratorExit("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_no_exception_is_one_failure_too(
    files: list[Path],
    whole: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    workers: int,
) -> None:
    def die(path: Path) -> None:
        raise error

    with monkeypatch.context() as patch:
        when_matching(patch, "demo_02", die)
        try:
            result = match(files, tmp_path, "-j", workers)
        except BaseException as raised:  # which click lets through
            pytest.fail(repr(raised))
    assert_ended(result, 1)
    assert list(failed(tmp_path)) == ["demo_02"]
    assert len(digests(tmp_path)) == NUMBER - 1
    assert_finishes(files, tmp_path, whole)


def dying_measure(monkeypatch: pytest.MonkeyPatch, label: str, error: BaseException) -> None:
    measure = FileMatcher._measure

    def die(self: FileMatcher, item: Item) -> Any:
        if item.label == label:
            raise error
        return measure(self, item)

    monkeypatch.setattr(FileMatcher, "_measure", die)


@pytest.mark.parametrize("error", [ValueError("of no use"), MemoryError(), RecursionError("too deep")])
def test_a_worker_that_dies_while_measuring(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    # It is no candidate; that it cannot be measured does not say that it cannot be matched.
    dying_measure(monkeypatch, VICTIM, error)
    assert_ended(match(files, tmp_path, "-j", 2), 0)
    assert digests(tmp_path) == whole


def test_exit_while_measuring(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dying_measure(monkeypatch, VICTIM, SystemExit(0))
    assert_ended(match(files, tmp_path), 0, 1)
    assert len(digests(tmp_path)) >= NUMBER - 1


# Files that go or change meanwhile.


@pytest.fixture
def copies(originals: list[Path], tmp_path: Path) -> list[Path]:
    """Exposures that may be harmed."""
    folder = tmp_path / "copies"
    folder.mkdir()
    return [Path(shutil.copy(path, folder / path.name)) for path in originals]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100_000])


def turn_small(path: Path) -> None:
    write_exposure(make_exposures(1, (64, 128))[0].exposure, path, overwrite=True)


def turn_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def turn_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (Path.unlink, "there is no such file"),
        (cut, "is not complete"),
        (turn_small, "different dimensions"),
        (turn_folder, "is a folder"),
        (turn_fifo, "is not a regular file"),
        (lambda path: path.write_bytes(b""), "cannot be read as FITS"),
    ],
    ids=["vanishes", "cut", "small", "folder", "fifo", "empty"],
)
def test_a_file_that_changes_before_it_is_matched(
    copies: list[Path],
    whole: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Path], object],
    says: str,
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        when_matching(patch, VICTIM, act)
        result = match(copies, out, "-j", 2)
    assert_ended(result, 1)
    assert list(failed(out)) == [VICTIM]
    assert says in failed(out)[VICTIM]
    assert says in " ".join(result.output.split())
    assert len(digests(out)) == NUMBER - 1
    assert_tidy(out, whole)
    # The files are not those any more that the run was begun with.
    assert "files was" in assert_one_line(match(copies, out, "--resume"), 2)


def reference_of(files: list[Path], folder: Path) -> Path:
    assert_ended(match(files, folder), 0)
    label = Table.read(folder / "matched.ecsv").meta["reference"]
    return next(path for path in files if path.stem == label)


def test_a_reference_that_goes_once_it_is_chosen(
    copies: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    kept = tmp_path / "kept"
    reference = reference_of(copies, tmp_path / "first")
    chosen = MatchBackgroundsTask.chooseReference

    def choose(self: Any, candidates: Any) -> Any:
        index = chosen(self, candidates)
        reference.rename(kept)
        return index

    with monkeypatch.context() as patch:
        patch.setattr(MatchBackgroundsTask, "chooseReference", choose)
        assert assert_one_line(match(copies, out), 1, 2) == f"{reference}: there is no such file"
    assert list(out.iterdir()) == []
    kept.rename(reference)
    assert_finishes(copies, out, whole)


def test_a_reference_that_goes_once_it_is_read(
    copies: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is in memory by then.
    out = tmp_path / "out"
    reference = reference_of(copies, tmp_path / "first")
    begin = Journal.begin

    def gone(self: Journal, *args: Any) -> None:
        reference.unlink()
        begin(self, *args)

    monkeypatch.setattr(Journal, "begin", gone)
    assert_ended(match(copies, out, "-j", 2), 0)
    assert digests(out) == whole


# Inputs are inputs.


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to], ids=["symlink", "hardlink"])
def test_an_output_that_is_a_link_to_an_input(
    files: list[Path], tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    make(tmp_path / f"{files[1].stem}_matched.fits", files[1])
    assert_ended(match(files, tmp_path), 2)
    result = match(files, tmp_path, "--overwrite")
    # A symbolic link is seen as what it stands for; another name of the file is replaced, the file is not.
    assert_ended(result, 2 if make is Path.symlink_to else 0)


def test_an_output_folder_that_is_an_input(files: list[Path]) -> None:
    assert "is a file" in assert_one_line(match(files, files[0]), 2)
    assert "cannot be made" in assert_one_line(match(files, files[0] / "out"), 2)


def test_a_mask_that_would_be_an_output(files: list[Path], tmp_path: Path) -> None:
    for path in files:
        fits.PrimaryHDU(np.zeros((128, 128), np.uint8)).writeto(tmp_path / f"{path.stem}_matched.fits")
    before = digests(tmp_path)
    message = assert_one_line(match(files, tmp_path, "--overwrite", "--mask", f"{tmp_path}/{{stem}}_matched.fits"), 2)
    assert "inputs are never written to" in message
    assert digests(tmp_path) == before


def test_a_journal_that_is_a_link_to_an_input(copies: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / JOURNAL).symlink_to(copies[0])
    before = digest(copies[0])
    match(copies, out, "--overwrite")
    assert digest(copies[0]) == before


@pytest.mark.parametrize("name", [JOURNAL, "matched.ecsv", "report.html"])
def test_an_input_by_the_name_of_a_result(copies: list[Path], tmp_path: Path, name: str) -> None:
    path = Path(shutil.copy(copies[0], tmp_path / name))
    before = digest(path)
    match([*copies[1:], path], tmp_path, "--overwrite", "--report")
    assert digest(path) == before


@pytest.mark.parametrize("option", ["--subtracted", "--out"])
def test_background_does_not_replace_its_input(copies: list[Path], option: str) -> None:
    before = digest(copies[0])
    args = ["background", str(copies[0]), option, str(copies[0]), "--overwrite"]
    result = CliRunner().invoke(main, args)
    assert digest(copies[0]) == before
    assert_ended(result, 2)


# Names.


def test_a_name_that_is_too_long_for_an_output(copies: list[Path], tmp_path: Path) -> None:
    path = copies[2].rename(copies[2].with_name("x" * 245 + ".fits"))
    result = match([*copies[:2], path, *copies[3:]], tmp_path / "out")
    assert_ended(result, 1, 2)


def test_a_loop_of_links(files: list[Path], tmp_path: Path) -> None:
    loop = tmp_path / "loop.fits"
    loop.symlink_to(loop.name)
    result = match([*files, loop], tmp_path / "out")
    assert_ended(result, 1)
    assert len(digests(tmp_path / "out")) == NUMBER


def test_a_folder_that_was_copied(files: list[Path], whole: dict[str, str], tmp_path: Path) -> None:
    assert_ended(match(files, tmp_path / "a"), 0)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / f"{VICTIM}_matched.fits").unlink()
    assert_ended(match(files, tmp_path / "b", "--resume"), 0)
    assert digests(tmp_path / "b") == whole


def test_a_name_that_is_no_text(copies: list[Path], tmp_path: Path) -> None:
    path = copies[2].rename(os.fsdecode(os.fsencode(copies[2].parent) + b"/lat\xe9 \x1b[31m.fits"))
    out = tmp_path / "out"
    result = match([*copies[:2], path, *copies[3:]], out, "--report")
    assert_ended(result, 0)
    assert "\x1b[31m" not in result.output
    label = r"lat\udce9 \x1b[31m"
    assert label in list(Table.read(out / "matched.ecsv")["label"])
    assert label in (out / "report.html").read_text()
    assert_ended(match([*copies[:2], path, *copies[3:]], out, "--resume"), 0)


def test_references_that_nobody_could_be_matched_to(copies: list[Path], tmp_path: Path) -> None:
    # The variance of a constant exposure cannot be beaten, nor what is left of it.
    for index, pixels in ((0, np.zeros((128, 128))), (1, np.full((100, 128), 600.0))):
        noise = np.random.default_rng(1).normal(0, 1e-3, pixels.shape) * index
        fits.PrimaryHDU((pixels + noise).astype("f4")).writeto(copies[index], overwrite=True)
    result = match(copies, tmp_path / "out")
    assert_ended(result, 1)
    table = Table.read(tmp_path / "out" / "matched.ecsv")
    assert table.meta["reference"] not in (copies[0].stem, copies[1].stem)
    assert "different dimensions" in table["message"][1]
    lines = [json.loads(line) for line in (tmp_path / "out" / JOURNAL).read_text().splitlines()]
    said = [candidate["message"] for candidate in lines[1]["candidates"][:2]]
    assert said == ["all its good pixels are equal", "has another size than most: 128 x 100"]
    assert all(candidate["npoint"] > 0 for candidate in lines[1]["candidates"])  # figures stay what they are


# Many at once.


def test_ten_broken_ways_among_thirty(files: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    paths = []
    for index in range(20):
        paths.append(folder / f"good_{index:02}.fits")
        shutil.copy(files[index % NUMBER], paths[-1])
    content = files[0].read_bytes()
    blank = read_exposure(files[0])
    blank.image.array[...] = np.nan
    masked = read_exposure(files[0])
    masked.mask.array[...] = masked.mask.getPlaneBitMask("BAD")

    def planes(path: Path) -> None:
        with fits.open(files[0]) as hdus:
            hdus["MASK"].header["MP_BAD"] = 99
            hdus.writeto(path)

    ways: dict[str, tuple[Callable[[Path], object], str]] = {
        "missing": (lambda path: None, "there is no such file"),
        "cut": (lambda path: path.write_bytes(content[:100_000]), "is not complete"),
        "empty": (lambda path: path.write_bytes(b""), "cannot be read as FITS"),
        "text": (lambda path: path.write_text("hello"), "cannot be read as FITS"),
        "folder": (Path.mkdir, "is a folder"),
        "fifo": (os.mkfifo, "is not a regular file"),
        "small": (lambda path: write_exposure(make_exposures(1, (64, 128))[0].exposure, path), "different dimensions"),
        "blank": (lambda path: write_exposure(blank, path), "has no good pixel"),
        "masked": (lambda path: write_exposure(masked, path), "has no good pixel"),
        "planes": (planes, "has number 99"),
    }
    for index, (name, (make, _)) in enumerate(ways.items()):
        paths.insert(3 * index, folder / f"{name}.fits")
        make(paths[3 * index])
    assert len(paths) == 30
    before = {path: digest(path) for path in paths if path.is_file()}
    out = tmp_path / "out"
    result = match(paths, out, "--report", "-j", 2)
    assert_ended(result, 1)
    assert "19 matched, 10 failed" in result.output
    assert {path: digest(path) for path in paths if path.is_file()} == before
    assert sorted(digests(out)) == [f"good_{index:02}_matched.fits" for index in range(20)]
    messages = failed(out)
    assert sorted(messages) == sorted(ways)
    page = (out / "report.html").read_text()
    for name, (_, says) in ways.items():
        assert says in messages[name]
        assert says in page
        assert says.split()[-1] in result.output
    # Going on with it does again what has failed, and no more.
    times = {path: path.stat().st_mtime_ns for path in out.glob("*_matched.fits")}
    assert_ended(match(paths, out, "--resume", "-q"), 1)
    assert sorted(failed(out)) == sorted(ways)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*_matched.fits")} == times


def test_one_exposure_without_its_mask(files: list[Path], copies: list[Path], tmp_path: Path) -> None:
    with fits.open(copies[3]) as hdus:
        fits.HDUList(hdus[:2]).writeto(tmp_path / "without.fits")
    os.replace(tmp_path / "without.fits", copies[3])
    result = match(copies, tmp_path / "out", "--reference", copies[0])
    assert_ended(result, 0)
    assert "no mask" in " ".join(result.output.split())


# Signals at their worst.


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_while_exposures_are_measured(
    files: list[Path], whole: dict[str, str], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    script = (
        "import sys, time\n"
        "from evensky.cli import main\n"
        "from evensky.tasks.file_matcher import FileMatcher\n"
        "measure = FileMatcher._measure\n"
        "def slow(self, item):\n"
        "    print('measuring', file=sys.stdout, flush=True)\n"
        "    time.sleep(0.3)\n"
        "    return measure(self, item)\n"
        "FileMatcher._measure = slow\n"
        "main()\n"
    )
    args = [
        "match",
        *map(str, files),
        "--out",
        str(tmp_path),
        "--method",
        "reference",
        "-c",
        "binSize=32",
        "--no-report",
        "--quiet",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "measuring\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert errors.count("\n") == 1
    assert f"stopped by {number.name}" in errors
    assert_tidy(tmp_path, whole)
    assert_finishes(files, tmp_path, whole)


def test_no_threads_are_left(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(self: Any, candidates: Any) -> Any:
        raise no_space()

    before = threading.active_count()
    monkeypatch.setattr(MatchBackgroundsTask, "chooseReference", die)
    match(files, tmp_path, "-j", 3)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
