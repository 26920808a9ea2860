"""Runs that are killed, interrupted or fail, and runs that are resumed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from resuming import digests

from evensky import match_files
from evensky.errors import FitsError, InvalidParameterError
from evensky.matching.joint.config import MatchAllConfig
from evensky.runs.journal import JOURNAL
from evensky.simulate import make_exposures, write_exposures
from evensky.tasks import MatchBackgroundsConfig

NUMBER = 6


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_exposures(make_exposures(NUMBER, (192, 192), seed=3), tmp_path_factory.mktemp("exposures"))


METHODS: dict[str, tuple[type[MatchAllConfig | MatchBackgroundsConfig], str]] = {
    "all": (MatchAllConfig, "bin_size"),
    "reference": (MatchBackgroundsConfig, "binSize"),
}
_method = "all"


@pytest.fixture(scope="module", params=list(METHODS), autouse=True)
def method(request: pytest.FixtureRequest) -> str:
    """All tests of this file are done with both methods."""
    global _method
    _method = request.param
    return _method


def config(**fields: Any) -> MatchAllConfig | MatchBackgroundsConfig:
    kind, bin_size = METHODS[_method]
    result = kind()
    result.update(**{bin_size: 32, **fields})
    return result


@pytest.fixture(scope="module")
def whole(files: list[Path], method: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the outputs of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    match_files(files, folder, config=config(), report=False)
    return digests(folder)


class StopError(Exception):
    pass


def interrupted(files: list[Path], folder: Path, after: int, **options: Any) -> None:
    """Start a run, and end it after some exposures, as an interrupt does."""
    matched = 0

    def progress(label: str, done: int, steps: int) -> None:
        nonlocal matched
        matched += not label.startswith(("looking", "comparing"))
        if matched == after:
            raise StopError

    with pytest.raises(StopError):
        match_files(files, folder, config=config(), report=False, progress=progress, **options)


def test_other_masks_are_other_exposures(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    paths = write_exposures(make_exposures(3, (128, 128), seed=4), folder)
    for path in paths:
        fits.PrimaryHDU(np.zeros((128, 128), np.uint8)).writeto(tmp_path / f"{path.stem}.fits")
    options: dict[str, Any] = {"config": config(), "mask": f"{tmp_path}/{{stem}}.fits", "report": False}
    match_files(paths, out, **options)
    match_files(paths, out, resume=True, **options)
    fits.PrimaryHDU(np.ones((128, 128), np.uint8)).writeto(tmp_path / f"{paths[1].stem}.fits", overwrite=True)
    with pytest.raises(FitsError, match=r"demo_02.fits was changed since the run began"):
        match_files(paths, out, resume=True, **options)


def test_resumed_is_as_undisturbed(files: list[Path], whole: dict[str, str], tmp_path: Path) -> None:
    interrupted(files, tmp_path, after=2)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*_matched.fits")}
    assert 2 <= len(before) < NUMBER
    run = match_files(files, tmp_path, config=config(), resume=True)
    assert digests(tmp_path) == whole
    assert {path: path.stat().st_mtime_ns for path in before} == before  # not written again
    assert [record.status for record in run.records].count("matched") == NUMBER - 1
    assert all(record.pixels is not None for record in run.records)
    assert (tmp_path / "report.html").exists()
    again = match_files(files, tmp_path, config=config(), resume=True, report=False)
    assert [record.fit_rms for record in again.records] == [record.fit_rms for record in run.records]
    assert digests(tmp_path) == whole


def altered(path: Path, at: int = -3000) -> None:
    """Alter one byte of a file, and leave its size and times as they are."""
    content, times = bytearray(path.read_bytes()), path.stat()
    content[at] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("pictures", [False, True])
def test_an_output_that_was_altered_is_made_again(
    files: list[Path], whole: dict[str, str], tmp_path: Path, pictures: bool
) -> None:
    match_files(files, tmp_path, config=config(), report=False)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*_matched.fits")}
    victim = tmp_path / "demo_04_matched.fits"
    altered(victim)
    seen: list[tuple[str, int, int]] = []
    run = match_files(
        files,
        tmp_path,
        config=config(),
        resume=True,
        report=False,
        pictures=pictures,
        progress=lambda *step: seen.append(step),
    )
    assert digests(tmp_path) == whole
    assert {path for path, time_ in before.items() if path.stat().st_mtime_ns != time_} == {victim}
    assert "Resumed: 5 of 6 exposures were finished before." in run.notes
    assert "Matched again, because their outputs were missing or not as they had been written: demo_04." in run.notes
    # The checks are steps of the run.
    assert sorted(label for label, *_ in seen if label.startswith("checking")) == [
        f"checking demo_0{number}_matched.fits" for number in range(1, 7)
    ]
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})
    assert seen[-1][1] == seen[-1][2]
    # Nothing is left to do.
    again = match_files(files, tmp_path, config=config(), resume=True, report=False)
    assert "Resumed: 6 of 6 exposures were finished before." in again.notes
    assert not any(note.startswith("Matched again") for note in again.notes)


def test_outputs_can_be_trusted(files: list[Path], tmp_path: Path) -> None:
    match_files(files, tmp_path, config=config(), report=False)
    victim, cut = tmp_path / "demo_04_matched.fits", tmp_path / "demo_05_matched.fits"
    altered(victim)
    before = digests(tmp_path)
    cut.write_bytes(cut.read_bytes()[:2880])
    seen: list[str] = []
    match_files(
        files,
        tmp_path,
        config=config(),
        resume=True,
        trust_outputs=True,
        report=False,
        progress=lambda label, *_: seen.append(label),
    )
    assert digests(tmp_path) == before
    assert not any(label.startswith("checking") for label in seen)
    with pytest.raises(InvalidParameterError, match="trust_outputs is True and resume is False"):
        match_files(files, tmp_path, config=config(), overwrite=True, trust_outputs=True, report=False)


def test_an_altered_journal_is_refused(files: list[Path], tmp_path: Path) -> None:
    match_files(files, tmp_path, config=config(), report=False)
    journal = tmp_path / JOURNAL
    content = journal.read_text()
    lines = content.splitlines()
    number = next(index for index, line in enumerate(lines) if '"status": "matched"' in line)
    lines[number] = lines[number].replace('"fit_rms": ', '"fit_rms": 1')
    journal.write_text("\n".join(lines) + "\n")
    left = digests(tmp_path)
    with pytest.raises(FitsError, match=f"line {number + 1} is damaged or was altered"):
        match_files(files, tmp_path, config=config(), resume=True, report=False)
    assert digests(tmp_path) == left
    # As the message says, what is before the line can be kept.
    journal.write_text("".join(line + "\n" for line in lines[:number]))
    match_files(files, tmp_path, config=config(), resume=True, report=False)
    assert digests(tmp_path) == left
    assert len(journal.read_text().splitlines()) == len(lines)


def digests_with(files: list[Path], folder: Path) -> dict[str, str]:
    """Return the digests of an undisturbed run to the first exposure."""
    out = folder / "undisturbed"
    match_files(files, out, config=config(), report=False, reference=files[0])
    return digests(out)


def test_failed_and_missing_are_done_again(files: list[Path], tmp_path: Path) -> None:
    broken = [*files]
    broken[2] = tmp_path / files[2].name
    broken[2].write_bytes(b"SIMPLE  =")
    out = tmp_path / "out"
    run = match_files(broken, out, config=config(), report=False, reference=files[0])
    assert [record.status for record in run.failed] == ["failed"]
    journal = [json.loads(line) for line in (out / JOURNAL).read_text().splitlines()]
    assert [line["record"]["status"] for line in journal[2:]].count("failed") == 1
    # A file that was cut since is not taken for the result.
    victim = out / "demo_05_matched.fits"
    victim.write_bytes(victim.read_bytes()[:2880])
    (out / "demo_04_matched.fits").unlink()
    match_files(broken, out, config=config(), report=False, reference=files[0], resume=True)
    left = digests(out)
    assert left == digests_with(broken, tmp_path)
    assert len(left) == NUMBER - 1


def test_a_torn_line_does_not_count(files: list[Path], whole: dict[str, str], tmp_path: Path) -> None:
    interrupted(files, tmp_path, after=3)
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-20])
    (tmp_path / f".{files[1].stem}_matched.fits.abc.tmp").write_bytes(b"half")
    match_files(files, tmp_path, config=config(), report=False, resume=True)
    assert digests(tmp_path) == whole
    assert not list(tmp_path.glob(".*.tmp"))
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_killed_before_the_reference_was_written(files: list[Path], whole: dict[str, str], tmp_path: Path) -> None:
    interrupted(files, tmp_path, after=2)
    journal = tmp_path / JOURNAL
    complete = [json.loads(line) for line in journal.read_text().splitlines()]
    journal.write_text(journal.read_text().splitlines(keepends=True)[0] + '{"reference": "de')
    match_files(files, tmp_path, config=config(), report=False, resume=True)
    assert digests(tmp_path) == whole
    assert [json.loads(line) for line in journal.read_text().splitlines()][:2] == complete[:2]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"median": True}, r"config\.\w*[sS]tatistic was MEAN\w* and is MEDIAN now"),
        ({"compress": True}, "compress was False and is True now"),
        ({"mask": "{stem}_mask.fits"}, "mask was None and is"),
    ],
)
def test_another_run_is_refused(files: list[Path], tmp_path: Path, change: dict[str, Any], says: str) -> None:
    interrupted(files, tmp_path, after=2)
    left = digests(tmp_path)
    if "median" in change:
        change = {"config": config(**{"statistic" if _method == "all" else "gridStatistic": "MEDIAN"})}
    with pytest.raises(FitsError, match=says):
        match_files(files, tmp_path, **{"config": config(), "resume": True, **change})
    with pytest.raises(FitsError, match=r"files was 6 items and is 5 items"):
        match_files(files[:-1], tmp_path, config=config(), resume=True)
    with pytest.raises(FitsError, match="did not end"):
        match_files(files, tmp_path, config=config())
    with pytest.raises(InvalidParameterError, match="overwrite and resume are both True; choose one of them"):
        match_files(files, tmp_path, config=config(), resume=True, overwrite=True)
    assert digests(tmp_path) == left


@pytest.mark.parametrize("content", ["", "{}\n", "not a journal\n", '{"journal": 99}\n', "[1]\n"])
def test_a_journal_that_is_none(files: list[Path], tmp_path: Path, content: str) -> None:
    (tmp_path / JOURNAL).write_text(content)
    if content == "":
        match_files(files, tmp_path, config=config(), report=False, resume=True)
        assert len(digests(tmp_path)) == NUMBER
        return
    with pytest.raises(FitsError, match=r"cannot be resumed|not a journal"):
        match_files(files, tmp_path, config=config(), resume=True)
    assert (tmp_path / JOURNAL).read_text() == content


def test_results_without_a_journal_are_not_resumed(files: list[Path], tmp_path: Path) -> None:
    match_files(files, tmp_path, config=config(), report=False)
    (tmp_path / JOURNAL).unlink()
    with pytest.raises(FitsError, match=r"no matched\.journal to resume"):
        match_files(files, tmp_path, config=config(), resume=True)


def started(files: list[Path], out: Path, *more: str) -> subprocess.Popen[str]:
    settings = ["--method", _method, "-c", f"{METHODS[_method][1]}=32"]
    command = [sys.executable, "-m", "evensky", "match", *map(str, files), "--out", str(out), *settings]
    return subprocess.Popen(
        [*command, "--no-report", "--quiet", *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_results(out: Path, process: subprocess.Popen[str], number: int) -> None:
    deadline = time.monotonic() + 60
    while len(digests(out)) < number and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def test_killed_at_any_moment(files: list[Path], whole: dict[str, str], tmp_path: Path) -> None:
    random_ = random.Random(5)
    kills = int(os.environ.get("EVENSKY_KILLS", "2"))
    for round_ in range(kills):
        out = tmp_path / str(round_)
        process = started(files, out)
        wait_for_results(out, process, round_ % NUMBER)
        time.sleep(random_.uniform(0, 0.05))
        process.kill()
        process.communicate()
        # All files with final names are whole.
        assert digests(out).items() <= whole.items()
        again = started(files, out, "--resume")
        _, errors = again.communicate(timeout=120)
        assert again.returncode == 0, errors
        assert digests(out) == whole
        assert not list(out.glob(".*.tmp"))
        assert len(Table.read(out / "matched.ecsv")) == NUMBER


# Signals are handled by the command, whatever the method.
@pytest.mark.parametrize(
    ("method", "number"), [("all", signal.SIGINT), ("reference", signal.SIGTERM)], indirect=["method"]
)
def test_signals_end_a_run(files: list[Path], whole: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
    many = tmp_path / "many"
    many.mkdir()
    copies = []
    for index in range(100):
        copies.append(many / f"{index:03}.fits")
        shutil.copyfile(files[index % NUMBER], copies[-1])
    out = tmp_path / "out"
    process = started(copies, out, "--reference", str(copies[0]))
    wait_for_results(out, process, 2)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert errors.count("\n") == 1
    assert f"stopped by {number.name}" in errors
    assert "--resume" in errors
    assert 2 <= len(digests(out)) < 100
    finished = [json.loads(line) for line in (out / JOURNAL).read_text().splitlines()][2:]
    assert {Path(line["record"]["output"]).name for line in finished} == set(digests(out))
