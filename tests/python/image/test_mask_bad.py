"""Bad input to masks: refused, with the value in the message, or taken as a number."""

# Arguments of wrong types are the subject of these tests.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import numpy as np
import pytest
from bad_input import (
    HUGE,
    INF,
    INVALID,
    LENGTH,
    NAN,
    ONES,
    RANGE,
    RUNTIME,
    UNKNOWN,
    Row,
    full_of_planes,
    planes_of_32,
    refused,
)

import evensky.errors as errors
import evensky.image as afwImage

REFUSED: list[Row] = [
    ("Mask of 2^40", lambda: afwImage.Mask(np.array([[2**40]])), *RANGE, "1099511627776; Mask holds"),
    ("Mask of fractions", lambda: afwImage.Mask(np.full((2, 2), 1.5)), *INVALID, "float64 and fractions"),
    ("Mask of NaN", lambda: afwImage.Mask(np.full((2, 2), NAN)), *INVALID, "fractions"),
    (
        "a plane unknown",
        lambda: afwImage.Mask(3, 3).getPlaneBitMask("NOPE"),
        *UNKNOWN,
        "'NOPE'; the known ones are BAD, SAT",
    ),
    ("a plane that is none", lambda: afwImage.Mask(3, 3).getPlaneBitMask(3.5), *INVALID, "got 3.5"),
    (
        "planes that collide",
        lambda: afwImage.Mask(np.zeros((2, 2), np.int32), mask_planes={"A": 3, "B": 3}),
        *INVALID,
        "'A' and 'B' both have number 3",
    ),
    *(
        (
            f"plane number {number!r}",
            lambda number=number: afwImage.Mask(np.zeros((2, 2), np.int32), mask_planes={"A": number}),
            error,
            builtin,
            f"'A' has number {number!r}",
        )
        for number, error, builtin in (
            (32, *RANGE),
            (-1, *RANGE),
            (HUGE, *RANGE),
            (1.5, *INVALID),
            ("1", *INVALID),
            (True, *INVALID),
        )
    ),
    *(
        (
            f"plane number {number!r} in place of a name",
            lambda number=number: afwImage.Mask(3, 3).getMaskPlane(number),
            *UNKNOWN,
            f"no mask plane {number!r}; the known ones are BAD",
        )
        for number in (None, 3, b"BAD", "bad", "")
    ),
    ("a mask of a list of NaN", lambda: afwImage.Mask([[NAN, 2], [3, 4]]), *INVALID, "fractions"),
    ("a plane forgotten twice", lambda: afwImage.Mask(3, 3).removeAndClearMaskPlane("X"), *UNKNOWN, "'X'"),
    *(
        (
            f"plane {number} cleared",
            lambda number=number: afwImage.Mask(3, 3).clearMaskPlane(number),
            *RANGE,
            f"number {number} does not exist; numbers are 0 to 31",
        )
        for number in (-1, 32, HUGE, NAN)
    ),
    ("planes renumbered to 99", lambda: afwImage.Mask(3, 3).conformMaskPlanes({"A": 99}), *RANGE, "'A' has number 99"),
    (
        "planes renumbered to one",
        lambda: afwImage.Mask(3, 3).conformMaskPlanes({"A": 1, "B": 1}),
        *INVALID,
        "'A' and 'B' both have number 1",
    ),
    ("masks of different sizes", lambda: afwImage.Mask(3, 3).__ior__(afwImage.Mask(2, 2)), *LENGTH, "2 x 2"),
    (
        "a translation to nothing",
        lambda: afwImage.translate_mask(np.zeros((2, 2), np.int32), {"A": 1}, {"B": 1}),
        *UNKNOWN,
        "'A'; the known ones are B",
    ),
    ("mask |= beyond 32 bits", lambda: afwImage.Mask(3, 3).__ior__(2**40 + 1), *RANGE, "1099511627777"),
    ("mask |= a fraction", lambda: afwImage.Mask(3, 3).__ior__(1.5), *INVALID, "1.5"),
    ("mask set to a fraction", lambda: afwImage.Mask(3, 3).set(1.5), *INVALID, "1.5"),
    (
        "mask assigned beyond 32 bits",
        lambda: afwImage.Mask(3, 3).assign(np.full((3, 3), 2**40)),
        *RANGE,
        "1099511627776",
    ),
    (
        "mask assigned fractions",
        lambda: afwImage.Mask(3, 3).assign(np.full((3, 3), 1.7)),
        *INVALID,
        "1.7|float64",
    ),
    ("mask made with a fraction", lambda: afwImage.Mask(3, 4, 1.5), *INVALID, "1.5"),
    ("mask of a list of fractions", lambda: afwImage.Mask([[1.5, 2], [3, 4]]), *INVALID, "fractions"),
    ("mask of an image of fractions", lambda: afwImage.Mask(afwImage.ImageF(2, 2, 1.5)), *INVALID, "fractions"),
    (
        "a translation to one bit",
        lambda: afwImage.translate_mask(np.full((2, 2), 2, np.int32), {"A": 1, "B": 2}, {"A": 3, "B": 3}),
        *INVALID,
        "'A'.*'B'.*3",
    ),
    (
        "a translation from bit 40",
        lambda: afwImage.translate_mask(np.zeros((2, 2), np.int32), {"A": 40}, {"A": 41}),
        *RANGE,
        "40",
    ),
    ("a mask plane without a name", lambda: afwImage.Mask(3, 3, mask_planes={"": 1}), *INVALID, "''"),
    ("a mask plane named by a number", lambda: afwImage.Mask(3, 3, mask_planes={3: 1}), *INVALID, "3"),
    ("Mask filled with NaN", lambda: afwImage.Mask(3, 4, NAN), *INVALID, "nan"),
    ("Mask assigned NaN", lambda: afwImage.Mask(3, 3).assign(afwImage.ImageF(3, 3, NAN)), *INVALID, "nan"),
    ("mask set to 2^40", lambda: afwImage.Mask(3, 3).set(2**40), *RANGE, "1099511627776"),
    ("mask |= a word", lambda: afwImage.Mask(3, 3).__ior__("x"), *INVALID, "'x'"),
    ("mask |= NaN", lambda: afwImage.Mask(3, 3).__ior__(NAN), *INVALID, "nan"),
    ("mask |= infinity", lambda: afwImage.Mask(3, 3).__ior__(INF), *INVALID, "inf"),
    ("mask |= an array", lambda: afwImage.Mask(3, 3).__ior__(ONES.astype("i4")), *LENGTH, "20 x 20"),
    ("planes of 3", lambda: afwImage.Mask(3, 3, mask_planes=3), *INVALID, "3|int"),
    ("planes renumbered by None", lambda: afwImage.Mask(3, 3).conformMaskPlanes(None), *INVALID, "None"),
    ("a plane without a name", lambda: full_of_planes().addMaskPlane(""), *INVALID, "got ''"),
    (
        "the 33rd plane",
        lambda: full_of_planes().addMaskPlane("ONE_MORE"),
        *RUNTIME,
        "'ONE_MORE' cannot be added: all 32 planes are taken",
    ),
    (
        "planes renumbered to 33",
        lambda: full_of_planes().renumber_planes(planes_of_32()),
        *RUNTIME,
        "'P0' cannot be added: all 32 planes are taken",
    ),
    (
        "planes conformed to 33",
        lambda: afwImage.Mask(3, 3).conformMaskPlanes(planes_of_32()),
        *RUNTIME,
        "cannot be added: all 32 planes are taken",
    ),
]


test_refused = refused(REFUSED)


def test_a_mask_that_cannot_take_planes_stays_as_it_is() -> None:
    mask = afwImage.Mask(3, 3)
    with pytest.raises(errors.RuntimeError, match="all 32 planes are taken"):
        mask |= afwImage.Mask(3, 3, mask_planes=planes_of_32())
    assert mask.getMaskPlaneDict() == afwImage.Mask.getMaskPlaneDict()
