"""Bad input to points, extents and boxes: errors that show the value, or exact conversions."""

# These tests pass arguments of wrong types.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import re

import numpy as np
from bad_input import (
    ALL,
    HUGE,
    INF,
    INVALID,
    NAN,
    RANGE,
    Row,
    box,
    refused,
)

import evensky.geom as geom

# Call, error, built-in exception that the error also is, and text in the message.
REFUSED: list[Row] = [
    *(
        (f"coordinate {value!r}", lambda value=value: geom.Point2I(value, 0), error, builtin, re.escape(repr(value)))
        for value, error, builtin in (
            (1.5, *INVALID),
            (NAN, *INVALID),
            ("x", *INVALID),
            (HUGE, *RANGE),
            (-HUGE, *RANGE),
        )
    ),
    *(
        (f"{kind.__name__} of {value!r}", lambda kind=kind, value=value: kind(value), *INVALID, re.escape(says))
        for kind in (geom.Point2I, geom.Extent2I)
        for value, says in ((None, "None is a NoneType"), ("ab", "'a' is a str"), (NAN, "nan is a float"))
    ),
    ("an index of a pair", lambda: geom.Point2I(3, 4)["x"], *RANGE, "Index x is outside a pair; it must be 0 or 1"),
    ("a great index", lambda: geom.Point2I(3, 4)[2**70], *RANGE, "1180591620717411303424 is outside a pair"),
    ("a coordinate set", lambda: geom.Point2I(0, 0).setX(HUGE), *RANGE, "is 9223372036854775808; it must be"),
    ("uint64 beyond", lambda: geom.Point2I(np.uint64(2**64 - 1), 0), *RANGE, "18446744073709551615"),
    ("a sum of extents", lambda: geom.Extent2I(2**62) + geom.Extent2I(2**62), *RANGE, "9223372036854775808"),
    ("a product of extents", lambda: geom.Extent2I(2**62, 1) * 2, *RANGE, "is 9223372036854775808; it must be"),
    *(
        (
            f"Box2I of {value!r}",
            lambda value=value: geom.Box2I(*value),
            *INVALID,
            f"takes nothing, .*; got {len(value)} arguments",
        )
        for value in ((3,), (None,), (1, 2, 3), (geom.Point2I(0, 0),))
    ),
    ("a box of a misspelt argument", lambda: geom.Box2I(corners=1), *INVALID, "got 0 arguments and corners"),
    ("a box of a real box", lambda: geom.Box2I(geom.Box2D()), *INVALID, "cannot be made from a Box2D"),
    ("a box of a real size", lambda: geom.Box2I(geom.Point2I(1, 2), geom.Extent2D(1.5, 2)), *INVALID, "1.5 is a float"),
    ("a box moved out", lambda: box(2**62, 0, 5, 5).shiftedBy(geom.Extent2I(2**62, 0)).getMin(), *RANGE, "2\\^62"),
    ("a box grown out", lambda: box(0, 0, 5, 5).dilatedBy(2**62).getDimensions(), *RANGE, "9223372036854775813"),
    ("a box grown by NaN", lambda: box(0, 0, 5, 5).dilatedBy(NAN), *INVALID, "nan is a float; a whole number"),
    ("a box with nothing in it", lambda: box(0, 0, 5, 5).include(None), *INVALID, "None is a NoneType"),
    ("Box2D of None", lambda: geom.Box2D(None), *INVALID, "Box2D takes nothing.*got 1 arguments"),
    *(
        (name, call, *RANGE, "must be within")
        for name, call in (
            ("a box of everything", lambda: geom.Box2I(geom.Point2I(-(2**62), 0), geom.Point2I(2**62, 0))),
            ("a box grown by 2^62", lambda: box(0, 0, 5, 5).grow(2**62)),
            ("a box moved by 2^62", lambda: box(2**62, 0, 5, 5).shift(geom.Extent2I(2**62, 0))),
        )
    ),
    ("a box of no corner", lambda: geom.Box2I(None, geom.Extent2I(1, 1)), *INVALID, "None"),
    *(
        (f"{kind.__name__} of {value!r}", lambda kind=kind, value=value: kind(value), *INVALID, says)
        for kind in (geom.Point2I, geom.Point2D, geom.Extent2I)
        for value, says in (((1, 2, 3), r"\(1, 2, 3\)"), ((1,), r"\(1,\)"), ({}, "{}"), ([], r"\[\]"))
    ),
    *(
        (f"Point2D of {value!r}", lambda value=value: geom.Point2D(value), *INVALID, f"{value!r} is a ")
        for value in (None, 1j)
    ),
    *(
        (f"a box contains {value}", lambda value=value: box(0, 0, 5, 5).contains(value), *INVALID, f"{value}")
        for value in (None, 1)
    ),
    ("a coordinate of words", lambda: geom.Point2D("x", 1), *INVALID, "'x'"),
    ("a coordinate of 400 digits", lambda: geom.Point2D(10**400, 0), *RANGE, "1000000"),
    ("an extent / 0", lambda: geom.Extent2I(3, 4) / 0, *INVALID, "0"),
    ("an extent // 0", lambda: geom.Extent2I(3, 4) // 0, *INVALID, "0"),
    ("an extent * a word", lambda: geom.Extent2I(3, 4) * "x", *INVALID, "'x'"),
    ("a box contains a word", lambda: box(0, 0, 5, 5).contains("x"), *INVALID, "'x'"),
    ("a box contains three", lambda: box(0, 0, 5, 5).contains((1, 2, 3)), *INVALID, r"\(1, 2, 3\)"),
    *(
        (f"a box overlaps {other!r}", lambda other=other: box(0, 0, 5, 5).overlaps(other), *INVALID, says)
        for other, says in ((None, "NoneType"), (geom.Box2D(), "Box2D"))
    ),
    ("a box clipped by 3", lambda: box(0, 0, 5, 5).clippedTo(3), *INVALID, "3|int"),
    ("a real box overlaps None", lambda: geom.Box2D(ALL).overlaps(None), *INVALID, "NoneType"),
    *(
        (
            f"a box round {value}",
            lambda value=value: geom.Box2I.makeCenteredBox(geom.Point2D(value, 0), geom.Extent2I(3, 3)),
            *INVALID,
            f"{value}",
        )
        for value in (NAN, INF)
    ),
]


test_refused = refused(REFUSED)


def test_ends_of_boxes_far_out() -> None:
    assert tuple(box(2**62, 2**62, 2**62, 2**62).getMax()) == (2**63 - 1, 2**63 - 1)
    assert str(box(2**62, 0, 5, 5)) == f"(({2**62}, 0)..({2**62 + 4}, 4))"
