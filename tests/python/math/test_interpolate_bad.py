"""Bad input to interpolation: refused, with the value in the message, or taken as a number."""

# Arguments of wrong types are the subject of these tests.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import re

from bad_input import (
    HUGE,
    INF,
    INVALID,
    LINEAR,
    NAN,
    ONES,
    RANGE,
    UNKNOWN,
    UNKNOWN_STYLE,
    Row,
    WrongRow,
    of_the_wrong_type,
    refused,
    restored,
)

import evensky.math as afwMath

REFUSED: list[Row] = [
    (
        "knots of another number",
        lambda: afwMath.makeInterpolate([1, 2, 3, 4, 5], [1, 2]),
        *RANGE,
        "x has 5 points but y has 2",
    ),
    (
        "knots that do not increase",
        lambda: afwMath.makeInterpolate([1, 2, 2, 4, 5], [1, 2, 3, 4, 5]),
        *RANGE,
        r"x\[2\] = 2 follows x\[1\] = 2",
    ),
    ("a knot at NaN", lambda: afwMath.makeInterpolate([1, NAN, 3, 4, 5], [1, 2, 3, 4, 5]), *RANGE, r"x\[1\] = nan"),
    (
        "a knot at infinity",
        lambda: afwMath.makeInterpolate([1, 2, 3, 4, INF], [1, 2, 3, 4, 5]),
        *RANGE,
        r"x\[4\] = inf",
    ),
    (
        "knots too few",
        lambda: afwMath.makeInterpolate([1, 2, 3, 4], [1, 2, 3, 4]),
        *RANGE,
        "AKIMA_SPLINE needs at least 5 points; there are 4",
    ),
    ("no knots", lambda: afwMath.makeInterpolate([], [], "CONSTANT"), *RANGE, "at least 1 point; there are 0"),
    ("knots of two dimensions", lambda: afwMath.makeInterpolate(ONES, ONES), *RANGE, r"shape \(20, 20\)"),
    *(
        (
            f"style {value!r}",
            lambda value=value: afwMath.makeInterpolate(range(5), range(5), value),
            *INVALID,
            f"{re.escape(str(value))} does not exist",
        )
        for value in (-1, 7, 1.5, NAN, HUGE)
    ),
    *(
        (
            f"the most flexible style for {n}",
            lambda n=n: afwMath.lookupMaxInterpStyle(n),
            *INVALID,
            f"{n} points; at least 1",
        )
        for n in (0, -5)
    ),
    ("state of knots", lambda: restored(afwMath.Interpolate, [2, 1], [1, 2], LINEAR), *RANGE, r"x\[1\] = 1"),
    *(
        (f"style {value!r} of points", lambda value=value: afwMath.makeInterpolate([1, 2], [1, 2], value), *kind, says)
        for value, kind, says in (
            (None, INVALID, "Style None does not exist"),
            ([], INVALID, r"Style \[\] does not exist"),
            ("", UNKNOWN, 'style ""'),
            ("UNKNOWN", UNKNOWN, '"UNKNOWN"; the known ones are CONSTANT'),
            (UNKNOWN_STYLE, INVALID, "style -1 does not exist"),
        )
    ),
    ("points that are none", lambda: afwMath.makeInterpolate(1, 2), *RANGE, r"shape \(\); it must have one dimension"),
    ("a knot at -infinity", lambda: afwMath.makeInterpolate([-INF, 0], [1, 2], "LINEAR"), *RANGE, r"x\[0\] = -inf"),
    *(
        (
            f"points of style {value!r}",
            lambda value=value: afwMath.lookupMinInterpPoints(value),
            *RANGE,
            f"{value} (does not exist|is out of range)",
        )
        for value in (-1, 7, 9, None)
    ),
]


test_refused = refused(REFUSED)


WRONG_TYPES: list[WrongRow] = [
    ("knots", lambda value: afwMath.makeInterpolate(value, value), ("x", {}, [[1], [2, 3]], [1j])),
    ("where to interpolate", lambda value: afwMath.makeInterpolate([0, 1], [0, 1], 1).interpolate(value), ("x", 1j)),
    ("how many points", afwMath.lookupMaxInterpStyle, (1.5, None, HUGE)),
    ("a name that is none", afwMath.stringToInterpStyle, (None, 5, "\ud800")),
]


test_of_the_wrong_type = of_the_wrong_type(WRONG_TYPES)
