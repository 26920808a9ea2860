"""Bad input to points, extents and boxes: refused, with the value in the message, or taken as a number."""

# Arguments of wrong types are the subject of these tests.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import operator
import re

import numpy as np
from bad_input import (
    ALL,
    HUGE,
    INF,
    INVALID,
    NAN,
    RANGE,
    WRONG_TYPE,
    Row,
    box,
    refused,
)

import evensky.geom as geom


def real_box(low: float, high: float) -> geom.Box2D:
    return geom.Box2D(geom.Point2D(low, low), geom.Point2D(high, high))


# The call, the error, the built-in exception that it derives from, and a pattern of the message.
REFUSED: list[Row] = [
    *(
        (f"coordinate {value!r}", lambda value=value: geom.Point2I(value, 0), error, builtin, re.escape(repr(value)))
        for value, error, builtin in (
            (1.5, *WRONG_TYPE),
            (NAN, *WRONG_TYPE),
            ("x", *WRONG_TYPE),
            (HUGE, *RANGE),
            (-HUGE, *RANGE),
        )
    ),
    *(
        (f"{kind.__name__} of {value!r}", lambda kind=kind, value=value: kind(value), *WRONG_TYPE, re.escape(says))
        for kind in (geom.Point2I, geom.Extent2I)
        for value, says in ((None, "None is a NoneType"), ("ab", "'a' is a str"), (NAN, "nan is a float"))
    ),
    ("an index of a pair", lambda: geom.Point2I(3, 4)["x"], *RANGE, "Index 'x' is outside a pair; it must be 0 or 1"),
    ("a great index", lambda: geom.Point2I(3, 4)[2**70], *RANGE, "1180591620717411303424 is outside a pair"),
    ("a coordinate set", lambda: geom.Point2I(0, 0).setX(HUGE), *RANGE, "is 9223372036854775808; it must be"),
    ("uint64 beyond", lambda: geom.Point2I(np.uint64(2**64 - 1), 0), *RANGE, "18446744073709551615"),
    ("a sum of extents", lambda: geom.Extent2I(2**62) + geom.Extent2I(2**62), *RANGE, "9223372036854775808"),
    ("a product of extents", lambda: geom.Extent2I(2**62, 1) * 2, *RANGE, "is 9223372036854775808; it must be"),
    *(
        (
            f"Box2I of {value!r}",
            lambda value=value: geom.Box2I(*value),
            *WRONG_TYPE,
            f"takes nothing, .*; got {len(value)} arguments",
        )
        for value in ((3,), (None,), (1, 2, 3), (geom.Point2I(0, 0),))
    ),
    ("a box of a misspelt argument", lambda: geom.Box2I(corners=1), *WRONG_TYPE, "got 0 arguments and corners"),
    ("a box of an infinite box", lambda: geom.Box2I(real_box(0, INF)), *INVALID, "0.0..inf .*must be finite"),
    ("other edges", lambda: geom.Box2I(real_box(0, 1), edgeHandling="EXPAND"), *WRONG_TYPE, "'EXPAND'; .*Box2I.EXPAND"),
    ("edges of a size", lambda: geom.Box2I(real_box(0, 1), geom.Extent2I(3)), *WRONG_TYPE, "Extent2I.*Box2I.EXPAND"),
    ("invert of a number", lambda: geom.Box2I(geom.Point2I(), geom.Point2I(), invert=1), *WRONG_TYPE, "1, a int"),
    ("a point of NaN", lambda: geom.Point2I(geom.Point2D(NAN, 0)), *INVALID, "nan; only a finite one"),
    (
        "a corner of a real point",
        lambda: geom.Box2I(geom.Point2D(1, 2), geom.Extent2I(3)),
        *WRONG_TYPE,
        "1.0 is a float",
    ),
    (
        "a box of two real intervals",
        lambda: geom.Box2I(geom.IntervalD(0, 1), geom.IntervalD(0, 1)),
        *WRONG_TYPE,
        "Inter",
    ),
    ("a real box of one number", lambda: geom.Box2D(3), *WRONG_TYPE, "Box2D takes nothing.*got 1 arguments"),
    ("a real box of words", lambda: geom.Box2D("ab", "cd"), *WRONG_TYPE, "'a' is a str"),
    ("a real box with infinity", lambda: real_box(0, 1).include(geom.Point2D(INF, 0)), *INVALID, "inf.*must be finite"),
    ("a real box clipped by a box", lambda: real_box(0, 1).clippedTo(ALL), *WRONG_TYPE, "a Box2I; it must be a Box2D"),
    ("arrays that do not fit", lambda: ALL.contains([1, 2], [1, 2, 3]), *INVALID, r"shape \(2,\), and y \(3,\)"),
    ("a misspelt coordinate", lambda: ALL.contains(X=1, y=2), *WRONG_TYPE, "contains got X; it takes other, point"),
    ("a coordinate too many", lambda: ALL.contains(1, 2, 3), *WRONG_TYPE, r"got \(1, 2, 3\)"),
    ("an array of words", lambda: ALL.contains(["a"], [1]), *WRONG_TYPE, r"x is \['a'\]; real numbers"),
    ("a ragged array", lambda: ALL.contains([1, [2, 3]], [1, 2]), *WRONG_TYPE, r"\[1, \[2, 3\]\]; real numbers"),
    ("a comparison with a word", lambda: geom.Point2I(1, 2).lt("x"), *WRONG_TYPE, "'x' is a str"),
    ("a point and an extent", lambda: geom.Point2I(1, 2).eq(geom.Extent2I(1, 2)), *WRONG_TYPE, "extents with extents"),
    (
        "a distance to an extent",
        lambda: geom.Point2I().distanceSquared(geom.Extent2I()),
        *WRONG_TYPE,
        "a Point2I or Point2D",
    ),
    ("a floor of pixels", lambda: geom.floor(geom.Extent2I(1)), *WRONG_TYPE, "an Extent2D or a Point2D"),
    ("a floor of NaN", lambda: geom.Extent2D(NAN, 1).floor(), *INVALID, "must be finite"),
    ("pixels += fractions", lambda: operator.iadd(geom.Point2I(1, 2), geom.Extent2D(1)), *WRONG_TYPE, "a = a \\+ b"),
    ("pixels -= fractions", lambda: operator.isub(geom.Extent2I(1, 2), geom.Extent2D(1)), *WRONG_TYPE, "a = a - b"),
    ("pixels *= fractions", lambda: operator.imul(geom.Extent2I(1, 2), 1.5), *WRONG_TYPE, "a = a \\* b"),
    ("pixels /= a number", lambda: operator.itruediv(geom.Extent2I(4, 2), 2), *WRONG_TYPE, "use / or //="),
    ("an interval of one end", lambda: geom.IntervalI(min=3), *WRONG_TYPE, "IntervalI takes nothing.*got min"),
    ("an interval of three", lambda: geom.IntervalI(min=3, max=4, size=2), *WRONG_TYPE, "got min, max, size"),
    ("an interval of fractions", lambda: geom.IntervalI(0.5, 2), *WRONG_TYPE, "0.5 is a float"),
    ("an interval around NaN", lambda: geom.IntervalI(center=NAN, size=2), *INVALID, "center = nan"),
    (
        "intervals of two kinds",
        lambda: geom.IntervalI(0, 1).overlaps(geom.IntervalD(0, 1)),
        *WRONG_TYPE,
        "be an IntervalI",
    ),
    ("an angle of a word", lambda: "x" * geom.degrees, *WRONG_TYPE, "'x' is a str"),
    ("an angle in no unit", lambda: geom.Angle(3, "deg"), *WRONG_TYPE, "units is 'deg'"),
    ("an angle asked for in no unit", lambda: geom.Angle(3).asAngularUnits("deg"), *WRONG_TYPE, "units is 'deg'"),
    ("an angle near a number", lambda: geom.Angle(3).wrapNear(4), *WRONG_TYPE, "reference is 4"),
    ("a distance from a number", lambda: geom.Angle(3).separation(4), *WRONG_TYPE, "other is 4"),
    ("a unit named by a number", lambda: geom.AngleUnit(3, 4), *WRONG_TYPE, "name of a unit is 4"),
    ("an angle / 0", lambda: 3 * geom.degrees / 0, *INVALID, "cannot be divided by 0"),
    ("a position of numbers", lambda: geom.SpherePoint(1.0, 2.0), *WRONG_TYPE, "give an Angle, or the units"),
    (
        "beyond the pole",
        lambda: geom.SpherePoint(1, 91, geom.degrees),
        *INVALID,
        "latitude is 91.0* degrees; it must be",
    ),
    ("a third coordinate", lambda: geom.SpherePoint(1, 2, geom.degrees)[2], *RANGE, "Index 2"),
    (
        "a box of a real size",
        lambda: geom.Box2I(geom.Point2I(1, 2), geom.Extent2D(1.5, 2)),
        *WRONG_TYPE,
        "1.5 is a float",
    ),
    ("a box moved out", lambda: box(2**62, 0, 5, 5).shiftedBy(geom.Extent2I(2**62, 0)).getMin(), *RANGE, "2\\^62"),
    ("a box grown out", lambda: box(0, 0, 5, 5).dilatedBy(2**62).getDimensions(), *RANGE, "9223372036854775813"),
    ("a box grown by NaN", lambda: box(0, 0, 5, 5).dilatedBy(NAN), *WRONG_TYPE, "nan is a float; a whole number"),
    ("a box with nothing in it", lambda: box(0, 0, 5, 5).include(None), *WRONG_TYPE, "None is a NoneType"),
    ("Box2D of None", lambda: geom.Box2D(None), *WRONG_TYPE, "Box2D takes nothing.*got 1 arguments"),
    *(
        (name, call, *RANGE, "must be within")
        for name, call in (
            ("a box of everything", lambda: geom.Box2I(geom.Point2I(-(2**62), 0), geom.Point2I(2**62, 0))),
            ("a box grown by 2^62", lambda: box(0, 0, 5, 5).grow(2**62)),
            ("a box moved by 2^62", lambda: box(2**62, 0, 5, 5).shift(geom.Extent2I(2**62, 0))),
        )
    ),
    ("a box of no corner", lambda: geom.Box2I(None, geom.Extent2I(1, 1)), *WRONG_TYPE, "None"),
    *(
        (f"{kind.__name__} of {value!r}", lambda kind=kind, value=value: kind(value), *WRONG_TYPE, says)
        for kind in (geom.Point2I, geom.Point2D, geom.Extent2I)
        for value, says in (((1, 2, 3), r"\(1, 2, 3\)"), ((1,), r"\(1,\)"), ({}, "{}"), ([], r"\[\]"))
    ),
    *(
        (f"Point2D of {value!r}", lambda value=value: geom.Point2D(value), *WRONG_TYPE, f"{value!r} is a ")
        for value in (None, 1j)
    ),
    *(
        (f"a box contains {value}", lambda value=value: box(0, 0, 5, 5).contains(value), *WRONG_TYPE, f"{value}")
        for value in (None, 1)
    ),
    ("a coordinate of words", lambda: geom.Point2D("x", 1), *WRONG_TYPE, "'x'"),
    ("a coordinate of 400 digits", lambda: geom.Point2D(10**400, 0), *RANGE, "1000000"),
    ("an extent / 0", lambda: geom.Extent2I(3, 4) / 0, *INVALID, "0"),
    ("an extent // 0", lambda: geom.Extent2I(3, 4) // 0, *INVALID, "0"),
    ("an extent * a word", lambda: geom.Extent2I(3, 4) * "x", *WRONG_TYPE, "'x'"),
    ("a box contains a word", lambda: box(0, 0, 5, 5).contains("x"), *WRONG_TYPE, "'x'"),
    ("a box contains three", lambda: box(0, 0, 5, 5).contains((1, 2, 3)), *WRONG_TYPE, r"\(1, 2, 3\)"),
    *(
        (f"a box overlaps {other!r}", lambda other=other: box(0, 0, 5, 5).overlaps(other), *WRONG_TYPE, says)
        for other, says in ((None, "NoneType"), (geom.Box2D(), "Box2D"))
    ),
    ("a box clipped by 3", lambda: box(0, 0, 5, 5).clippedTo(3), *WRONG_TYPE, "3|int"),
    ("a real box overlaps None", lambda: geom.Box2D(ALL).overlaps(None), *WRONG_TYPE, "NoneType"),
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
