"""Names and numbers of mask planes."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from evensky._planes import BAD_PLANES, DEFAULT_PLANES, MAX_PLANES, checked_planes, signed_bits
from evensky.errors import InvalidParameterError, OutOfRangeError
from evensky.image import Mask


def test_default_planes() -> None:
    assert dict(DEFAULT_PLANES) == Mask.getMaskPlaneDict()
    assert set(BAD_PLANES) <= set(DEFAULT_PLANES)
    assert sorted(DEFAULT_PLANES.values()) == list(range(len(DEFAULT_PLANES)))


def test_planes_are_copied() -> None:
    given = {"A": 0, "B": MAX_PLANES - 1}
    checked = checked_planes(MappingProxyType(given))
    assert checked == given
    assert checked is not given
    assert checked_planes({"A": np.int64(3)}) == {"A": 3}
    assert checked_planes({}) == {}


@pytest.mark.parametrize(
    ("planes", "kind", "says"),
    [
        (["A"], InvalidParameterError, "a list; a mapping of names to numbers is needed"),
        ({"": 0}, InvalidParameterError, "A mask plane is named by a string; got ''"),
        ({3: 0}, InvalidParameterError, "A mask plane is named by a string; got 3"),
        ({"A": 1.0}, InvalidParameterError, r"Mask plane 'A' has number 1\.0; a whole number is needed"),
        ({"A": True}, InvalidParameterError, "Mask plane 'A' has number True; a whole number is needed"),
        ({"A": MAX_PLANES}, OutOfRangeError, "Mask plane 'A' has number 32; it must be 0 to 31"),
        ({"A": -1}, OutOfRangeError, "Mask plane 'A' has number -1; it must be 0 to 31"),
        ({"A": 3, "B": 3}, InvalidParameterError, "Mask planes 'A' and 'B' both have number 3"),
    ],
)
def test_planes_that_are_refused(planes: Any, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        checked_planes(planes)


def test_bits_are_stored_with_a_sign() -> None:
    for bits in (0, 1, 2**31 - 1, 2**31, 2**32 - 1, -1, -(2**31), ~5):
        assert signed_bits(bits) == int(np.array(bits & 0xFFFFFFFF, np.uint32).view(np.int32))
