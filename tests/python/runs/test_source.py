"""Exposures of a run in memory, by their numbers and names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evensky.errors import InvalidParameterError, OutOfRangeError
from evensky.image import ExposureF, Mask
from evensky.io import write_exposure
from evensky.runs.record import ExposureRecord
from evensky.runs.source import Item, MemorySource, Result


def test_numbers_and_names(tmp_path: Path) -> None:
    file = tmp_path / "sky.fits"
    write_exposure(ExposureF(4, 3), file)
    source = MemorySource([np.zeros((3, 4)), file, str(tmp_path / "other.fits")], [])
    assert [item.label for item in source.items] == ["exposure 0", "sky", "other"]
    assert [item.place for item in source.items] == ["", str(file), str(tmp_path / "other.fits")]
    for reference in (1, -2, "sky", file, tmp_path / ".." / tmp_path.name / "sky.fits"):
        assert source.number_of(reference) == 1
    with pytest.raises(OutOfRangeError, match="reference is 'dark'; the exposures are exposure 0, sky, other"):
        source.number_of("dark")
    with pytest.raises(OutOfRangeError, match="reference = 3; there are 3 exposures"):
        source.number_of(3)
    assert source.read(source.items[1]).exposure.dataId == {"exposure": "sky"}


def test_paths_are_safe_to_print() -> None:
    assert Item(0, "a", Path("/data/\x1b[31m.fits")).place == r"/data/\x1b[31m.fits"
    assert Item(0, "a").place == ""


def test_exposures_that_are_read_may_be_changed() -> None:
    pixels = np.zeros((3, 4), np.float32)
    source = MemorySource([pixels], [])
    source.read(source.items[0]).exposure.image.array[...] = 1
    assert not pixels.any()
    looked_at = source.read(source.items[0], to_change=False)
    assert looked_at.shared
    assert np.shares_memory(looked_at.exposure.image.array, pixels)


def test_an_exposure_has_its_own_bad_bits() -> None:
    exposure = ExposureF(4, 3)
    source = MemorySource([exposure, np.zeros((3, 4))], ["SAT", "CR"])
    assert source.read(source.items[0]).bad == Mask.getPlaneBitMask(["SAT", "CR"])
    assert source.bits(exposure) == Mask.getPlaneBitMask(["SAT", "CR"])


def test_results_are_of_the_type_that_went_in(tmp_path: Path) -> None:
    file = tmp_path / "sky.fits"
    write_exposure(ExposureF(4, 3), file)
    masked = np.ma.MaskedArray(np.zeros((3, 4)), np.eye(3, 4, dtype=bool))
    source = MemorySource([np.zeros((3, 4)), masked, file], [])
    assert source.matched == source.models == [None] * 3
    for number, (item, kind) in enumerate(zip(source.items, (np.ndarray, np.ma.MaskedArray, ExposureF), strict=True)):
        frame = source.read(item)
        frame.exposure.image.array[...] = 5
        source.finish(item, frame, ExposureRecord(item.label, item.place, "matched"), Result(number, False, [], {}))
        assert type(source.matched[number]) is kind
        assert source.models[number] == number
    np.testing.assert_array_equal(source.matched[0], 5)
    np.testing.assert_array_equal(source.matched[1].mask, masked.mask)
    np.testing.assert_array_equal(source.matched[2].image.array, 5)
    assert not source.exposures[0].any()
    assert source.read_output(source.items[0]) is None  # there are no earlier results in memory


def test_none_and_the_same_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="There are 0 exposures"):
        MemorySource([], [])
    with pytest.raises(InvalidParameterError, match=r"a\.fits is given more than once"):
        MemorySource([tmp_path / "a.fits", str(tmp_path / "a.fits")], [])


def test_planes_are_given_for_each_exposure() -> None:
    pixels = np.zeros((3, 4), np.float32)
    bad = np.eye(3, 4, dtype=bool)
    source = MemorySource([pixels, pixels], [], masks=[bad, None], weights=[None, np.where(bad, 0, 0.25)])
    for item in source.items:
        frame = source.read(item)
        # The bits count although no plane is bad.
        np.testing.assert_array_equal(frame.exposure.mask.array & frame.bad != 0, bad)
    assert not source.read(source.items[0]).exposure.info.has_variance
    assert source.read(source.items[1]).exposure.variance.array[0, 1] == 4
    with pytest.raises(InvalidParameterError, match="There are 3 variances for 2 exposures"):
        MemorySource([pixels, pixels], [], variances=[None] * 3)
