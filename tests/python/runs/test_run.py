"""A run over files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from demo_files import inputs, write_demo

from evensky import match_files
from evensky.image import Exposure
from evensky.io import read_exposure, write_exposure
from evensky.runs.source import Item
from evensky.simulate import make_bare_exposures
from evensky.tasks import MatchBackgroundsConfig

folder = pytest.fixture(scope="module")(write_demo)


def test_each_exposure_is_read_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = 24
    for one in make_bare_exposures(number, (64, 64), seed=5, curved=False):
        write_exposure(one.exposure, tmp_path / f"{one.name}.fits")
    read: Counter[str] = Counter()
    load = FileAccess.load

    def counted(self: FileAccess, item: Item) -> Exposure:
        read[item.label] += 1
        return load(self, item)

    monkeypatch.setattr(FileAccess, "load", counted)
    match_files(inputs(tmp_path), tmp_path / "out", report=False)
    # Looked at, compared, corrected; the first one for its size, too, and the reference to be shared.
    assert len(read) == number
    assert sum(read.values()) <= 3 * number + 2
    assert max(read.values()) <= 5


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
