"""Arguments of the calls: data with their masks, clipping, units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData

from evensky.calls.arguments import clipping_control, read_data, select_planes, with_unit
from evensky.errors import InvalidParameterError, NotFoundError
from evensky.image import Exposure, ExposureF, ImageF, Mask, MaskedImageF
from evensky.io import write_exposure

PIXELS = np.ones((3, 4), np.float32)
BITS = np.arange(12, dtype=np.int32).reshape(3, 4)


def test_names_of_files_are_read(tmp_path: Path) -> None:
    write_exposure(ExposureF(4, 3), tmp_path / "a.fits")
    for name in (tmp_path / "a.fits", str(tmp_path / "a.fits")):
        assert isinstance(read_data(name), Exposure)
    assert read_data(PIXELS) is PIXELS


@pytest.mark.parametrize(("rounds", "number"), [(3, 3), (1, 1), (None, 2**31 - 1)])
def test_clipping(rounds: int | None, number: int) -> None:
    control = clipping_control(5, 2.5, rounds)
    assert (control.getAndMask(), control.getNumSigmaClip(), control.getNumIter()) == (5, 2.5, number)
    with pytest.raises(InvalidParameterError, match="sigma: 'x' is a str"):
        clipping_control(0, "x", 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "mask", "bad_planes", "bits"),
    [
        (PIXELS, None, None, 0),
        (PIXELS, BITS, None, -1),  # without names every bit rejects
        (PIXELS, BITS, 6, 6),
        (PIXELS, BITS, np.int32(6), 6),
        (PIXELS, BITS, "SAT", 1 << 1),
        (PIXELS, Mask(BITS, mask_planes={"DUST": 7, "SAT": 3}), None, 1 << 3),
        (PIXELS, Mask(BITS, mask_planes={"DUST": 7, "SAT": 3}), ["DUST", "SAT"], 1 << 7 | 1 << 3),
        (MaskedImageF(ImageF(PIXELS), Mask(BITS)), None, ("CR", "BAD"), 1 << 3 | 1),
    ],
)
def test_bits_that_reject_a_pixel(data: Any, mask: Any, bad_planes: Any, bits: int) -> None:
    planes, found = select_planes(data, mask, bad_planes)
    assert found == bits
    assert (planes.mask is None) == (bits == 0)


def test_a_boolean_mask_rejects_whatever_planes_are_named() -> None:
    planes, bits = select_planes(PIXELS, BITS > 5, ["SAT"])
    assert planes.mask is not None
    np.testing.assert_array_equal((planes.mask & bits) != 0, BITS > 5)


def test_masks_that_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="MaskedArray has a mask of its own; a second one cannot be given"):
        select_planes(np.ma.MaskedArray(PIXELS, BITS > 5), BITS, None)
    with pytest.raises(NotFoundError, match="'NOPE'"):
        select_planes(PIXELS, BITS, "NOPE")


def test_values_have_the_unit_of_the_data() -> None:
    assert with_unit(PIXELS, 3.0) == 3.0
    assert with_unit(PIXELS * u.nJy, 3.0) == 3 * u.nJy
    assert with_unit(CCDData(PIXELS, unit="adu"), 3.0) == 3 * u.adu


def test_the_layout_of_a_file_chooses_bits_unless_the_caller_does() -> None:
    exposure = ExposureF(4, 3)
    exposure.info.bad, exposure.info.reject = 1 << 5, 1 << 20
    assert select_planes(exposure, None, None)[1] == 1 << 5 | 1 << 20
    assert select_planes(exposure, None, "SAT")[1] == 1 << 1 | 1 << 20


def test_single_values_as_masks() -> None:
    assert not select_planes(PIXELS, np.ma.nomask, None)[0].mask.any()  # type: ignore[union-attr]
    for mask in (32, True, np.int16(-1)):
        with pytest.raises(InvalidParameterError, match=r"a single value; .*\(3, 4\)\. .* such as bin_size"):
            select_planes(PIXELS, mask, None)
