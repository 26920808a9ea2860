"""Conversions of pixels as files store them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evensky.errors import FitsError
from evensky.fits.conversions import (
    Storage,
    free_bit,
    mark_pixels,
    names_by_value,
    real_numbers,
    reject_bit,
    single_variances,
    two_axes,
    unsigned_bits,
    variances_of,
)

PATH = Path("a.fits")
PLAIN = Storage(16, 1, 0, None)


@pytest.mark.parametrize("sense", ["variance", "sigma", "inverse variance"])
def test_variances_in_float32_are_those_in_float64(sense: str) -> None:
    random = np.random.default_rng(2)
    errors = (10.0 ** random.uniform(-12, 12, 200_000)).astype(np.float32)
    errors[::1000] = np.tile(np.float32([0, -1, np.nan, np.inf, -np.inf]), 40)
    wanted, good = variances_of(errors, sense)
    found = errors.copy()
    rejected = single_variances(found, sense)
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(found, wanted.astype(np.float32))
    np.testing.assert_array_equal(rejected, ~good)
    found = errors[good]
    assert not np.any(single_variances(found, sense))
    np.testing.assert_array_equal(found, wanted[good].astype(np.float32))


@pytest.mark.parametrize(
    ("sense", "value"), [("sigma", 1e-20), ("sigma", 2e19), ("inverse variance", 1e38), ("inverse variance", 1e-39)]
)
def test_variances_that_float32_does_not_hold_are_left(sense: str, value: float) -> None:
    for others in ([1.0, 2.0], [1.0, 0.0, np.nan]):
        errors = np.array([*others, value], np.float32)
        before = errors.copy()
        assert single_variances(errors, sense) is None
        np.testing.assert_array_equal(errors, before)


def test_the_bit_for_pixels_that_never_count() -> None:
    chosen = reject_bit(None, 0, 0, has_mask=False)
    assert (chosen.bits, chosen.new_plane, chosen.depends_on_pixels) == (1 << 8, None, False)
    chosen = reject_bit({"NO_DATA": 3}, 8, 0, has_mask=True)
    assert (chosen.bits, chosen.depends_on_pixels) == (8, False)
    chosen = reject_bit({"NO_DATA": 3}, 0, 1 << 30, has_mask=True)
    assert (chosen.bits, chosen.new_plane, chosen.depends_on_pixels) == (1 << 29, "NO_WEIGHT", True)
    assert reject_bit({"A": 30}, 0, 0, has_mask=True).new_plane == "NO_DATA"
    full = {str(bit): bit for bit in range(32)}
    assert reject_bit(full, 1, 2**32 - 2, has_mask=True).bits == 1
    assert reject_bit(full, 6, 2**32 - 1, has_mask=True).bits == 6
    assert free_bit(2**31 - 1, None) == 2**31
    assert free_bit(2**32 - 1, None) is None


def test_names_of_bits_without_names() -> None:
    assert names_by_value(0b101) == ({"1": 0, "4": 2, "BAD": 1}, 2)
    names, bad = names_by_value(2**32 - 1)
    assert (len(names), bad) == (32, 0)


def test_pixels_are_marked() -> None:
    mask = np.array([[1, 2], [0, 4]], np.int32)
    mark_pixels(mask, np.array([[True, False], [True, True]]), 2**31 | 4)
    np.testing.assert_array_equal(mask.view(np.uint32), [[2**31 + 5, 2], [2**31 + 4, 2**31 + 4]])


def test_bits_are_unsigned() -> None:
    bits, unknown = unsigned_bits(np.array([-1, 5], ">i2"), PLAIN, "DQ", PATH)
    assert (bits.tolist(), unknown) == ([65535, 5], None)
    bits, unknown = unsigned_bits(np.array([np.nan, 5]), Storage(-32, 1, 0, None), "DQ", PATH)
    assert bits.tolist() == [0, 5]
    assert unknown is not None
    assert unknown.tolist() == [True, False]
    with pytest.raises(FitsError, match=r"a\.fits: the mask DQ has pixels of type float64 such as 0\.5"):
        unsigned_bits(np.array([0.5]), Storage(-32, 1, 0, None), "DQ", PATH)


def test_real_numbers() -> None:
    found = real_numbers(np.array([7, 32768], np.uint16), Storage(16, 1, 32768, 0), "the image", PATH)
    np.testing.assert_array_equal(found, [7, np.nan])
    with pytest.raises(FitsError, match=r"a\.fits: the image has pixels of type bool; real numbers are needed"):
        real_numbers(np.zeros(3, bool), PLAIN, "the image", PATH)


def test_axes_of_length_one_are_left_out() -> None:
    assert [two_axes(shape) for shape in ((4, 5), (1, 4, 1, 5), (1, 1, 5), (1, 1))] == [[0, 1], [1, 3], [1, 2], [0, 1]]
