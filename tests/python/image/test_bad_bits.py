"""Bits of the mask planes whose pixels do not count."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.errors import InvalidParameterError, NotFoundError
from evensky.image import Mask
from evensky.image.bad_bits import bad_bits


def make_mask() -> Mask:
    return Mask(np.zeros((2, 2), np.int32), mask_planes={"SAT": 3, "DUST": 5, "CR": 7})


def test_bits_of_bad_planes() -> None:
    mask = make_mask()
    assert bad_bits(mask) == 1 << 3 | 1 << 7  # the default planes that the mask has
    assert bad_bits(mask, ["DUST", "SAT"]) == 1 << 3 | 1 << 5
    assert bad_bits(mask, []) == 0
    with pytest.raises(NotFoundError, match="'BAD'"):
        bad_bits(mask, ["BAD"])


def test_names_must_be_names() -> None:
    for names in (3, 3.5, [3]):
        with pytest.raises(InvalidParameterError, match="3"):
            bad_bits(make_mask(), names)  # type: ignore[arg-type]


def test_default_planes_may_be_missing() -> None:
    mask = make_mask()
    assert bad_bits(mask, ["BAD", "SAT"], defaults_may_lack=True) == 1 << 3
    with pytest.raises(NotFoundError, match="'NOPE'"):
        bad_bits(mask, ["NOPE"], defaults_may_lack=True)


def test_names_of_lsst_images_are_understood() -> None:
    assert bad_bits(make_mask(), ["SATURATED", "COSMIC_RAY"]) == 1 << 3 | 1 << 7
    mask = Mask(1, 1, mask_planes={"SATURATED": 2, "SAT": 4})
    assert bad_bits(mask, ["SATURATED"]) == 1 << 2  # a plane with exactly this name comes first
