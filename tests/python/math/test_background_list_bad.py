"""Bad input to lists of backgrounds: errors that show the value, or exact conversions."""

# These tests pass arguments of wrong types.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import numpy as np
from bad_input import CHEBYSHEV, INVALID, LENGTH, RANGE, UNKNOWN, Row, background, bin_by, refused

import evensky.math as afwMath

REFUSED: list[Row] = [
    *(
        (
            f"list of {value!r}",
            lambda value=value: afwMath.BackgroundList(value),
            *INVALID,
            f"holds BackgroundMI objects; got a {type(value).__name__}",
        )
        for value in (None, "x", 3)
    ),
    *(
        (f"list by {rest!r}", lambda rest=rest: afwMath.BackgroundList((background(), *rest)).getImage(), *kind, says)
        for rest, kind, says in (
            (("nope",), UNKNOWN, '"nope"; the known'),
            ((99,), INVALID, "Style 99 does not exist"),
            ((1, "x"), UNKNOWN, 'undersample style "x"'),
            ((1, 0, CHEBYSHEV, -1, -1, True), INVALID, "orderX = -1"),
            ((1, 0, CHEBYSHEV, 1, 2, True), INVALID, "1 != 2"),
            ((1, 0, CHEBYSHEV, 1, 1, True, 8), INVALID, "up to 7 values; got 8"),
        )
    ),
    (
        "a list of different sizes",
        lambda: afwMath.BackgroundList(background(), bin_by(5, 5, np.ones((9, 9)))).getImage(),
        *LENGTH,
        "9 x 9 but the left-hand side is 20 x 20",
    ),
    ("a list of ()", lambda: afwMath.BackgroundList(()), *INVALID, r"\(\)"),
    (
        "a list by style 99",
        lambda: afwMath.BackgroundList((background(), 1, 0, 99)),
        *INVALID,
        "99.*CHEBYSHEV",
    ),
    ("entry 5 of a list", lambda: afwMath.BackgroundList(background())[5], *RANGE, "5"),
]


test_refused = refused(REFUSED)
