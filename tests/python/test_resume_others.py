"""Runs that are resumed when other exposures can be read than before, so that any result may change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from resuming import digests, unreadable

from evensky import match_files
from evensky.matching.joint.config import MatchAllConfig
from evensky.runs.journal import JOURNAL, Journal
from evensky.runs.match_run import MatchRun
from evensky.runs.record import ExposureRecord
from evensky.simulate import make_exposures, write_exposures
from evensky.tasks import MatchBackgroundsConfig

NUMBER = 6
LOST = 2  # the exposure that cannot always be read


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_exposures(make_exposures(NUMBER, (192, 192), seed=3), tmp_path / "exposures")


def matched(files: list[Path], out: Path, level: str = "mean", **options: Any) -> MatchRun:
    config = MatchAllConfig()
    config.update(bin_size=32, level=level)
    return match_files(files, out, config=config, **{"report": False, **options})


def recorded(run: MatchRun) -> list[ExposureRecord]:
    """Return the records without the fields that depend on the run."""
    return [replace(record, output=None, seconds=0.0, pixels=None, path="") for record in run.records]


def matched_again(run: MatchRun) -> set[str]:
    """Labels of the exposures that were matched again."""
    notes = [note for note in run.notes if note.startswith("Matched again")]
    assert len(notes) <= 1
    return set(notes[0].rstrip(".").split(": ")[1].split(", ")) if notes else set()


def reference_of(run: MatchRun, files: list[Path]) -> Path:
    return next(path for path in files if path.stem == run.reference)


@pytest.mark.parametrize("level", ["reference", "mean", "lowest"])
def test_one_more_exposure_changes_all(files: list[Path], tmp_path: Path, level: str) -> None:
    out = tmp_path / "out"
    with unreadable(files[LOST]):
        first = matched(files, out, level)
    assert [record.label for record in first.failed] == [files[LOST].stem]
    again = matched(files, out, level, resume=True)
    assert not again.failed
    fresh = matched(files, tmp_path / "fresh", level, reference=reference_of(again, files))
    assert digests(out) == digests(tmp_path / "fresh")
    assert recorded(again) == recorded(fresh)
    assert matched_again(again) == {record.label for record in again.records} - {files[LOST].stem}
    assert any("these exposures have become usable or unusable: demo_03." in note for note in again.notes)
    # A further run matches nothing again.
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*_matched.fits")}
    last = matched(files, out, level, resume=True)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not matched_again(last)
    assert recorded(last) == recorded(again)


def test_one_exposure_less_changes_all(files: list[Path], tmp_path: Path) -> None:
    out, reference = tmp_path / "out", files[0]
    matched(files, out, reference=reference)
    with unreadable(files[LOST]):
        again = matched(files, out, reference=reference, resume=True)
        fresh = matched(files, tmp_path / "fresh", reference=reference)
    assert [record.label for record in again.failed] == [files[LOST].stem]
    # The output of the earlier run would not fit the others.
    assert f"{files[LOST].stem}_matched.fits" not in digests(out)
    assert digests(out) == digests(tmp_path / "fresh")
    assert recorded(again) == recorded(fresh)
    assert matched_again(again) == {record.label for record in again.records} - {files[LOST].stem}


def two_groups(folder: Path) -> list[Path]:
    """Write four exposures of which the first two and the last two overlap; the last is better than the third."""
    rng = np.random.default_rng(1)
    files = []
    for index, (x0, noise) in enumerate(((0, 1), (0, 2), (1000, 20), (1000, 5))):
        image = fits.PrimaryHDU(rng.normal(100 + index, noise, (128, 128)).astype(np.float32))
        image.header["LTV1"], image.header["LTV2"] = -x0, 0
        files.append(folder / f"e{index}.fits")
        image.writeto(files[-1])
    return files


def test_groups_are_numbered_again(tmp_path: Path) -> None:
    files = two_groups(tmp_path)
    out, reference = tmp_path / "out", files[2]
    with unreadable(files[0]):
        matched(files, out, "reference", reference=reference)
    again = matched(files, out, "reference", reference=reference, resume=True)
    fresh = matched(files, tmp_path / "fresh", "reference", reference=reference)
    assert [record.group for record in again.records] == [0, 0, 1, 1]
    assert recorded(again) == recorded(fresh)
    assert digests(out) == digests(tmp_path / "fresh")


def test_fixed_exposures_of_groups_stay(tmp_path: Path) -> None:
    """They follow from the choice of the reference, which a resumed run does not make again."""
    files = two_groups(tmp_path)
    fresh = matched(files, tmp_path / "fresh", "reference")
    assert "(e3 unchanged)" in " ".join(fresh.notes)
    undisturbed = digests(tmp_path / "fresh")
    again = matched(files, tmp_path / "fresh", "reference", resume=True)
    assert not matched_again(again)
    assert recorded(again) == recorded(fresh)
    (tmp_path / "fresh" / "e2_matched.fits").unlink()
    (tmp_path / "fresh" / "e3_matched.fits").unlink()
    again = matched(files, tmp_path / "fresh", "reference", resume=True)
    assert digests(tmp_path / "fresh") == undisturbed
    assert recorded(again) == recorded(fresh)


def test_killed_while_matching_again(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some outputs are not in the journal when the files can be read as at first."""

    class Killed(BaseException):
        pass

    def killed(journal: Journal, record: ExposureRecord) -> None:
        raise Killed

    out, reference = tmp_path / "out", files[0]
    with unreadable(files[LOST]):
        first = matched(files, out, reference=reference)
        undisturbed = digests(out)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "finish", killed)
        with pytest.raises(Killed):
            matched(files, out, reference=reference, resume=True)
    assert digests(out) != undisturbed
    with unreadable(files[LOST]):
        again = matched(files, out, reference=reference, resume=True)
    assert recorded(again) == recorded(first)
    assert digests(out) == undisturbed


def test_an_exposure_without_pictures_stays_matched(files: list[Path], tmp_path: Path) -> None:
    """With the method "reference", a finished exposure stays so even if its file has vanished."""
    config = MatchBackgroundsConfig()
    config.update(binSize=32)
    out = tmp_path / "out"
    match_files(files, out, config=config, report=False, reference=files[0])
    before = digests(out)
    with unreadable(files[LOST]):
        again = match_files(files, out, config=config, reference=files[0], resume=True)
    assert not again.failed
    assert ["no pictures" in " ".join(record.warnings) for record in again.records] == [
        path == files[LOST] for path in files
    ]
    assert digests(out) == before
    assert "no pictures of it" in (out / "report.html").read_text()
    last = match_files(files, out, config=config, reference=files[0], resume=True, report=False, pictures=True)
    assert not any(record.warnings for record in last.records)


@pytest.mark.parametrize("config", [MatchAllConfig(bin_size=32), MatchBackgroundsConfig(binSize=32)])
def test_an_output_that_cannot_be_read_is_made_again(files: list[Path], tmp_path: Path, config: Any) -> None:
    out = tmp_path / "out"
    match_files(files, out, config=config, report=False)
    before = digests(out)
    victim = out / f"{files[LOST].stem}_matched.fits"
    victim.write_bytes(bytes(victim.stat().st_size))
    run = match_files(files, out, config=config, resume=True, report=False, pictures=True)
    assert not run.failed
    assert digests(out) == before


def test_an_output_of_an_earlier_run_does_not_pass_for_one_of_this(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    matched(files, out)
    before = digests(out)
    with unreadable(files[LOST]):
        run = matched(files, out, overwrite=True)
    name = f"{files[LOST].stem}_matched.fits"
    assert run.records[LOST].warnings == [f"{name} in the folder is from an earlier run"]
    assert digests(out)[name] == before[name]  # nothing is lost
    with unreadable(files[LOST]):
        again = matched(files, out, resume=True)
    assert again.records[LOST].warnings == run.records[LOST].warnings
    assert digests(out)[name] == before[name]


def test_an_output_that_cannot_be_written_fails_alone(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    reference = files[0]
    matched(files, out, reference=reference)
    output = out / f"{files[LOST].stem}_matched.fits"
    output.unlink()
    output.mkdir()
    with unreadable(files[LOST]):
        run = matched(files, out, reference=reference, resume=True)
    assert [record.label for record in run.failed] == [files[LOST].stem]
    assert (out / "matched.ecsv").exists()


@pytest.mark.parametrize("config", [MatchAllConfig(bin_size=32), MatchBackgroundsConfig(binSize=32)])
def test_the_journal_does_not_grow_of_itself(files: list[Path], tmp_path: Path, config: Any) -> None:
    out = tmp_path / "out"
    match_files(files, out, config=config, report=False)
    before = (out / JOURNAL).read_bytes()
    for pictures in (True, False):
        run = match_files(files, out, config=config, resume=True, report=False, pictures=pictures)
        assert all((record.pixels is not None) == pictures for record in run.records)
        assert (out / JOURNAL).read_bytes() == before
