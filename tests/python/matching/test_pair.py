"""One exposure matched to a reference, and its record."""

from __future__ import annotations

import numpy as np
import pytest
from evensky.tasks.match_exposure import ExposureMatcher, NoOverlapError, failed, reason_of

from evensky.errors import TaskError
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask

SIDE = 80


def exposure(level: float, good: slice = slice(None)) -> ExposureF:
    """An exposure that is good in some of its columns."""
    pixels = np.random.default_rng(int(level)).normal(level, 2, (SIDE, SIDE)).astype(np.float32)
    mask = Mask(np.full((SIDE, SIDE), Mask.getPlaneBitMask("NO_DATA"), np.int32))
    mask.array[:, good] = 0
    return ExposureF(MaskedImageF(ImageF(pixels), mask, ImageF(np.full((SIDE, SIDE), 4, np.float32))))


def matcher(**options: bool) -> ExposureMatcher:
    config = MatchBackgroundsConfig()
    config.binSize = 16
    return ExposureMatcher(MatchBackgroundsTask(config=config), **options)


def test_levels_are_those_of_good_pixels() -> None:
    one = exposure(100, slice(0, 20))
    one.image.array[:, 20:] = 5000
    level, good = matcher().level(one)
    assert level == pytest.approx(100, abs=0.5)
    assert good == 0.25


def test_a_match_and_its_record() -> None:
    science = exposure(150)
    record, struct = matcher(pictures=True).match(exposure(100), science, "b", "b.fits")
    assert (record.label, record.path, record.status) == ("b", "b.fits", "matched")
    assert (record.fit_rms, record.matched_mse) == (struct.fitRMS, struct.matchedMSE)
    assert record.level_before == pytest.approx(150, abs=0.5)
    assert record.level_after == pytest.approx(100, abs=0.5)
    assert record.model_min is not None
    assert record.model_max is not None
    assert -55 < record.model_min < -50 < record.model_max < -45  # beyond the middles of the outer bins it is steep
    assert record.model.startswith("AKIMA_SPLINE, 5 x 5 bins of 16 px")
    assert record.pixels is not None
    assert science.image.array.mean() == pytest.approx(100, abs=0.5)


def test_the_reference_stays_as_it_is() -> None:
    one = exposure(100)
    before = one.image.array.copy()
    record = matcher().describe_reference(one, "a", "")
    assert (record.status, record.fit_rms, record.pixels) == ("reference", 0.0, None)
    assert record.level_after == record.level_before
    np.testing.assert_array_equal(one.image.array, before)


def test_nothing_in_common() -> None:
    with pytest.raises(NoOverlapError) as raised:
        matcher().match(exposure(100, slice(0, 40)), exposure(150, slice(40, 80)), "b", "")
    record = failed("b", "", raised.value)
    assert (record.status, record.flags, record.common_fraction) == ("failed", ["NO_OVERLAP"], 0.0)
    with pytest.raises(TaskError, match="no good pixel"):
        matcher().match(exposure(100), exposure(150, slice(0, 0)), "b", "")


def test_every_failure_has_a_reason() -> None:
    assert reason_of(ValueError("two\nlines")) == "two lines"
    assert reason_of(MemoryError()) == "MemoryError"
    assert failed("b", "", OSError("gone")).flags == []
