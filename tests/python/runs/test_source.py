"""The exposures of a run in memory, by their numbers and names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evensky.tasks.match_exposures import LoadedExposures

from evensky.errors import InvalidParameterError, OutOfRangeError
from evensky.image import ExposureF
from evensky.io import write_exposure


def test_numbers_and_names(tmp_path: Path) -> None:
    file = tmp_path / "sky.fits"
    write_exposure(ExposureF(4, 3), file)
    exposures = LoadedExposures([np.zeros((3, 4)), file, str(tmp_path / "other.fits")])
    assert exposures.labels == ["exposure 0", "sky", "other"]
    assert [exposures.path(index) for index in range(3)] == ["", str(file), str(tmp_path / "other.fits")]
    for reference in (1, -2, "sky", file, tmp_path / ".." / tmp_path.name / "sky.fits"):
        assert exposures.number_of(reference) == 1
    with pytest.raises(OutOfRangeError, match="reference is 'dark'; the exposures are exposure 0, sky, other"):
        exposures.number_of("dark")
    with pytest.raises(OutOfRangeError, match="reference = 3; there are 3 exposures"):
        exposures.number_of(3)
    assert exposures.load(1).dataId == {"exposure": "sky"}


def test_what_is_loaded_may_be_changed() -> None:
    pixels = np.zeros((3, 4), np.float32)
    exposures = LoadedExposures([pixels])
    exposures.load(0).image.array[...] = 1
    assert not pixels.any()
    assert np.shares_memory(exposures.load(0, copy=False).image.array, pixels)


def test_none_and_the_same_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="There are 0 exposures"):
        LoadedExposures([])
    with pytest.raises(InvalidParameterError, match=r"a\.fits is given more than once"):
        LoadedExposures([tmp_path / "a.fits", str(tmp_path / "a.fits")])
