"""A run over exposures, in files and in memory."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_files import SIMULATED, inputs, write_demo

import evensky
from evensky import match_files
from evensky.errors import InvalidParameterError, TaskError
from evensky.fits.descriptions import ImageDescription
from evensky.image import Exposure, ExposureF
from evensky.io import read_exposure, write_exposure
from evensky.matching.joint.config import MatchAllConfig
from evensky.runs import store
from evensky.runs.joint import JointMethod
from evensky.runs.method import Method
from evensky.runs.reference import ReferenceMethod
from evensky.runs.run import match_exposures
from evensky.runs.source import MemorySource, Source
from evensky.simulate import make_bare_exposures
from evensky.tasks import MatchBackgroundsConfig

folder = pytest.fixture(scope="module")(write_demo)

CONFIGS = {"all": MatchAllConfig, "reference": MatchBackgroundsConfig}


def config_of(method: str) -> Any:
    config = CONFIGS[method]()
    if method == "reference":
        config.binSize = 32
    return config


def method_for(method: str, source: Source) -> Method:
    if method == "all":
        return JointMethod(source, config_of(method))
    return ReferenceMethod(source, config_of(method))


def files_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, number: int, workers: int) -> Counter[str]:
    """Match files, and count the reads of whole exposures."""
    for one in make_bare_exposures(number, (64, 64), seed=5, curved=False):
        write_exposure(one.exposure, tmp_path / f"{one.name}.fits")
    read: Counter[str] = Counter()
    really_read = store.read_image

    def counted(image: ImageDescription, **options: Any) -> Exposure:
        read[image.path.name] += 1
        return really_read(image, **options)

    monkeypatch.setattr(store, "read_image", counted)
    run = match_files(inputs(tmp_path), tmp_path / "out", config=config_of(method), workers=workers, report=False)
    assert not run.failed
    assert len(run.records) == number
    return read


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [4, 6])
@pytest.mark.parametrize("method", ["all", "reference"])
def test_each_exposure_is_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, number: int, workers: int
) -> None:
    # Each is read once to look at it and once to change it; the reference and pixels to compare stay in memory.
    read = files_read(tmp_path, monkeypatch, method, number, workers)
    assert sorted(read.values()) == [2] * number
    assert sum(read.values()) == 2 * number <= 2 * number + 1


def test_more_exposures_than_are_held_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evensky.runs.memory_plan.HELD_BYTES", 5 * 64 * 64 * 4)
    read = files_read(tmp_path, monkeypatch, "all", 8, 1)
    assert len(read) == 8
    assert 2 * 8 < sum(read.values()) <= 4 * 8


@pytest.mark.parametrize("call", [evensky.match, evensky.match_all])
@pytest.mark.parametrize("pictures", [False, True])
def test_bad_bits_are_looked_up_once_for_each_exposure(
    monkeypatch: pytest.MonkeyPatch, call: Any, pictures: bool
) -> None:
    asked: Counter[str] = Counter()
    bits = Source.bits

    def counted(self: Source, exposure: Exposure) -> int:
        asked[str(exposure.dataId)] += 1
        return bits(self, exposure)

    monkeypatch.setattr(Source, "bits", counted)
    result = call([one.exposure for one in SIMULATED], bin_size=32, pictures=pictures)
    assert not result.run.failed
    assert sorted(asked.values()) == [1] * len(SIMULATED)


def test_workers_do_not_change_bits(folder: Path, tmp_path: Path) -> None:
    config = MatchBackgroundsConfig()
    config.binSize = 32
    match_files(inputs(folder), tmp_path / "alone", config=config, report=False)
    for turn in range(4):
        out = tmp_path / str(turn)
        match_files(inputs(folder), out, config=config, workers=3, report=False)
        for name in ("demo_01_matched.fits", "demo_02_matched.fits", "demo_03_matched.fits"):
            want, got = read_exposure(tmp_path / "alone" / name), read_exposure(out / name)
            np.testing.assert_array_equal(want.image.array, got.image.array)


def test_pictures_are_kept_for_a_report_only(folder: Path, tmp_path: Path) -> None:
    config = MatchBackgroundsConfig()
    config.update(binSize=32)
    for report, pictures, kept in ((False, None, False), (True, None, True), (False, True, True)):
        out = tmp_path / f"{report} {pictures}"
        records = match_files(inputs(folder), out, config=config, report=report, pictures=pictures).records
        assert [record.pixels is not None for record in records] == [kept] * 3
        assert (out / "report.html").exists() == report


@pytest.mark.parametrize(("method", "stages"), [("all", 3), ("reference", 2)])
def test_steps_are_counted(method: str, stages: int) -> None:
    source = MemorySource([one.exposure for one in SIMULATED], ["BAD"])
    steps: list[tuple[str, int, int]] = []
    run = match_exposures(source.items, method_for(method, source), progress=lambda *step: steps.append(step))
    number = stages * len(SIMULATED)
    assert [done for _, done, _ in steps] == list(range(1, number + 1))
    assert {of for *_, of in steps} == {number}
    assert steps[0][0] == "looking at exposure 0"
    assert (run.method, run.reference_reason[:4]) == (method, "It w")


def test_a_named_reference_is_not_looked_for() -> None:
    source = MemorySource([one.exposure for one in SIMULATED], ["BAD"])
    labels: list[str] = []
    run = match_exposures(
        source.items, method_for("reference", source), reference=2, progress=lambda label, *_: labels.append(label)
    )
    assert labels == [item.label for item in source.items]
    assert (run.reference, run.candidates) == (source.items[2].label, [])
    assert run.reference_reason == "It was named by the user."


@pytest.mark.parametrize("method", ["all", "reference"])
def test_without_a_readable_exposure_there_is_no_run(tmp_path: Path, method: str) -> None:
    (tmp_path / "a.fits").write_bytes(b"")
    source = MemorySource([tmp_path / "a.fits", tmp_path / "b.fits"], [])
    with pytest.raises(
        TaskError, match=r"None of the 2 exposures can be used: .*a\.fits: .*; .*b\.fits: .*no such file"
    ):
        match_exposures(source.items, method_for(method, source))
    # An error that is caused by the call is raised unchanged.
    source = MemorySource([np.zeros((8, 8)), np.zeros((8, 8))], ["NOPE"])
    with pytest.raises(InvalidParameterError, match="'NOPE'"):
        match_exposures(source.items, method_for(method, source))


@pytest.mark.parametrize("method", ["all", "reference"])
def test_copies_of_an_exposure_are_told(folder: Path, tmp_path: Path, method: str) -> None:
    files = inputs(folder)
    config = config_of(method)
    run = match_files(files, tmp_path / "three", config=config, report=False)
    assert not any("same noise" in note for note in run.notes)
    copy = tmp_path / "copy.fits"
    copy.write_bytes(files[1].read_bytes())
    run = match_files([*files, copy], tmp_path / "four", config=config, report=False, workers=2)
    assert [note for note in run.notes if "same noise" in note] == [
        "Note: demo_02 and copy have the same noise, so they are copies of one exposure, or that exposure before and "
        "after a match: it counts several times, and the errors of the models are too small; leave out all but one of "
        "them."
    ]


def test_an_exposure_and_its_output_are_told_whatever_their_sizes_and_pixels() -> None:
    exposures = [one.exposure for one in make_bare_exposures(3, (96, 64), seed=5)]
    exposures[0].image.array[::3, ::5] = np.inf
    first = evensky.match_all(exposures, pictures=False)
    small = ExposureF(2, 2)
    run = evensky.match_all([*exposures, first.exposures[0], first.exposures[1], small], pictures=False).run
    told = [note for note in run.notes if "same noise" in note]
    assert [note.split(" have ")[0] for note in told] == [
        "Note: exposure 0 and exposure 3",
        "Note: exposure 1 and exposure 4",
    ]
