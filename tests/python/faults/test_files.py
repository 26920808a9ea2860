"""Files that vanish or change during a run, inputs that would be overwritten, and odd names."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from signal import SIGTERM, raise_signal
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner
from disturbed_runs import (
    NUMBER,
    VICTIM,
    assert_ended,
    assert_finishes,
    assert_one_line,
    assert_tidy,
    failed,
    match,
    when_choosing,
    when_matching,
)
from resuming import digest, digests

from evensky.cli import main
from evensky.io import read_exposure, write_exposure
from evensky.runs.journal import JOURNAL, Journal
from evensky.simulate import make_exposures

# Warnings of astropy are not errors, as they are not for users.
pytestmark = pytest.mark.filterwarnings("ignore")


# Files that vanish or change during a run.


@pytest.fixture
def copies(originals: list[Path], tmp_path: Path) -> list[Path]:
    """Exposures that a test may damage."""
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
        (turn_small, "an image of shape (128, 128) is needed"),
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
    # The files differ from those that the run began with.
    if act is turn_small:
        assert_ended(match(copies, out, "--resume"), 3)
    assert "was changed since the run began" in assert_one_line(match(copies, out, "--resume", "--same-grid"), 2)


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
    with monkeypatch.context() as patch:
        when_choosing(patch, lambda: reference.rename(kept), after=True)
        assert assert_one_line(match(copies, out), 1, 2) == f"{reference}: there is no such file"
    assert not out.exists()
    kept.rename(reference)
    assert_finishes(copies, out, whole)


def test_a_reference_that_goes_once_it_is_read(
    copies: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is in memory already.
    out = tmp_path / "out"
    reference = reference_of(copies, tmp_path / "first")
    begin = Journal.begin

    def gone(self: Journal, *args: Any) -> None:
        reference.unlink()
        begin(self, *args)

    monkeypatch.setattr(Journal, "begin", gone)
    # Its output would be a copy of its file, which is gone; the others are matched to the pixels that were read.
    result = match(copies, out, "-j", 2)
    assert_ended(result, 1)
    assert failed(out) == {reference.stem: f"{reference}: cannot be read: No such file or directory"}
    name = f"{reference.stem}_matched.fits"
    assert digests(out) == {file: sum_ for file, sum_ in whole.items() if file != name}


# Inputs are never written to.


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to], ids=["symlink", "hardlink"])
def test_an_output_that_is_a_link_to_an_input(
    files: list[Path], tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    make(tmp_path / f"{files[1].stem}_matched.fits", files[1])
    assert_ended(match(files, tmp_path), 2)
    result = match(files, tmp_path, "--overwrite")
    # A symbolic link is refused; a hard link is replaced, and the file that it shares stays unchanged.
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


@pytest.mark.parametrize("name", [JOURNAL, "matched.ecsv", "overlaps.ecsv", "report.html", "matched.run"])
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
    # No variance is lower than that of a constant exposure, or of one that is nearly constant.
    for index, pixels in ((0, np.zeros((128, 128))), (1, np.full((100, 128), 600.0))):
        noise = np.random.default_rng(1).normal(0, 1e-3, pixels.shape) * index
        fits.PrimaryHDU((pixels + noise).astype("f4")).writeto(copies[index], overwrite=True)
    assert_ended(match(copies, tmp_path / "refused"), 3)
    result = match(copies, tmp_path / "out", "--same-grid")
    assert_ended(result, 1)
    table = Table.read(tmp_path / "out" / "matched.ecsv")
    assert table.meta["reference"] not in (copies[0].stem, copies[1].stem)
    assert "different dimensions" in table["message"][1]
    lines = [json.loads(line) for line in (tmp_path / "out" / JOURNAL).read_text().splitlines()]
    said = [candidate["message"] for candidate in lines[1]["candidates"][:2]]
    assert said == ["all its good pixels are equal", "has another size than most: 128 x 100"]
    assert all(candidate["npoint"] > 0 for candidate in lines[1]["candidates"])  # figures are not changed


# Many broken files in one run.


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
    result = match(paths, out, "--report", "--same-grid", "-j", 2)
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
    # A resumed run matches again only what has failed.
    times = {path: path.stat().st_mtime_ns for path in out.glob("*_matched.fits")}
    assert_ended(match(paths, out, "--resume", "--same-grid", "-q"), 1)
    assert sorted(failed(out)) == sorted(ways)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*_matched.fits")} == times


def test_one_exposure_without_its_mask(files: list[Path], copies: list[Path], tmp_path: Path) -> None:
    with fits.open(copies[3]) as hdus:
        fits.HDUList(hdus[:2]).writeto(tmp_path / "without.fits")
    os.replace(tmp_path / "without.fits", copies[3])
    result = match(copies, tmp_path / "out", "--reference", copies[0])
    assert_ended(result, 0)
    assert "no mask" in " ".join(result.output.split())


# Earlier results.


@pytest.mark.parametrize("content", [b"", b'{"journal": 2'], ids=["empty", "torn"])
def test_a_journal_without_a_run_does_not_give_earlier_results_away(
    files: list[Path], tmp_path: Path, content: bytes
) -> None:
    earlier = tmp_path / f"{files[0].stem}_matched.fits"
    earlier.write_bytes(b"mine")
    (tmp_path / JOURNAL).write_bytes(content)
    message = assert_one_line(match(files, tmp_path, "--resume"), 2)
    assert f"holds earlier results ({earlier.name}) but no run in {JOURNAL} to resume" in message
    assert earlier.read_bytes() == b"mine"


def test_a_run_that_replaces_another_and_is_stopped_does_not_look_finished(
    files: list[Path], whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_ended(match(files, tmp_path, "--report"), 0)

    def stop(path: Path) -> None:
        raise_signal(SIGTERM)

    with monkeypatch.context() as patch:
        when_matching(patch, VICTIM, stop)
        assert_ended(match(files, tmp_path, "--report", "--overwrite"), 143)
    assert {"matched.ecsv", "report.html"}.isdisjoint(path.name for path in tmp_path.iterdir())
    assert "holds a run that did not end" in assert_one_line(match(files, tmp_path), 2)
    assert_finishes(files, tmp_path, whole, journal=False)
