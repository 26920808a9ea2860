"""Bad input to approximations and their controls: errors that show the value, or exact conversions."""

# These tests pass arguments of wrong types.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import numpy as np
from bad_input import (
    ALL,
    CHEBYSHEV,
    GRID,
    INF,
    INVALID,
    NAN,
    NO_STYLE,
    RUNTIME,
    UNKNOWN,
    Row,
    WrongRow,
    background,
    fit,
    fit_control,
    of_the_wrong_type,
    refused,
    restored,
)

import evensky.geom as geom
import evensky.math as afwMath

REFUSED: list[Row] = [
    *(
        (
            f"order {value}",
            lambda value=value: afwMath.ApproximateControl(CHEBYSHEV, value),
            *INVALID,
            f"orderX = {value}; it must be >= 0",
        )
        for value in (-1, -(2**31))
    ),
    ("orders", lambda: afwMath.ApproximateControl(CHEBYSHEV, 3, 4), *INVALID, "3 != 4"),
    (
        "weight power",
        lambda: afwMath.ApproximateControl(CHEBYSHEV, 3).setWeightPower(3),
        *INVALID,
        "weightPower = 3; it must be 1",
    ),
    (
        "an order for too few bins",
        lambda: background().getApproximate(afwMath.ApproximateControl(CHEBYSHEV, 9, 9, False)),
        *RUNTIME,
        "order 9 has 55 terms, but the 25 usable points determine only 25",
    ),
    ("positions of another number", lambda: fit(x=[0.0, 1.0]), *INVALID, "2 x and 3 y positions for a grid of 3 x 3"),
    ("too great an order", lambda: fit(order=4), *RUNTIME, "15 terms, but the 9 usable"),
    ("an order beyond all memory", lambda: fit(order=2**31 - 1), *RUNTIME, "the 9 usable"),
    ("no point", lambda: fit(grid=np.full((3, 3), NAN)), *RUNTIME, "none of the 9 points"),
    ("points at one place", lambda: fit(x=[1.0, 1.0, 1.0]), *RUNTIME, "determine only 2"),
    ("over nothing", lambda: fit(bbox=geom.Box2I()), *INVALID, "empty"),
    (
        "a greater order than the model's",
        lambda: fit().getImage(5),
        *INVALID,
        "Order 5 is greater than the model's, which is 1",
    ),
    ("different orders", lambda: fit().getImage(1, 0), *INVALID, "1 != 0"),
    (
        "state of a negative order",
        lambda: restored(afwMath.ApproximateControl, CHEBYSHEV, -1, -1, True, 1),
        *INVALID,
        "orderX = -1",
    ),
    (
        "state of weight power 7",
        lambda: restored(afwMath.ApproximateControl, CHEBYSHEV, 1, 1, True, 7),
        *INVALID,
        "weightPower = 7",
    ),
    *(
        (f"weight power {value}", lambda value=value: fit_control().setWeightPower(value), *INVALID, f"= {value}; it")
        for value in (0, -2, 2**31 - 1)
    ),
    *(
        (f"order set to {value}", lambda value=value: fit_control().setOrderY(value), *INVALID, f"orderY = {value}")
        for value in (-1, -(2**31))
    ),
    ("style 1", lambda: afwMath.ApproximateControl(afwMath.ApproximateControl.NUM_STYLES, 1), *INVALID, "style 1 does"),
    (
        "an approximation of no style",
        lambda: background().getApproximate(afwMath.ApproximateControl(NO_STYLE, 1)),
        *INVALID,
        r"UNKNOWN \(-1\) cannot be fitted",
    ),
    (
        "an approximation by a misspelt style",
        lambda: background().getApproximate(fit_control(), "x"),
        *UNKNOWN,
        'undersample style "x"',
    ),
    *(
        (f"positions {x}", lambda x=x: fit(x=x), *RUNTIME, "the 9 usable points determine only [012];")
        for x in ((0.0, NAN, 2.0), (0.0, INF, 2.0), (NAN, NAN, NAN))
    ),
    ("no points", lambda: fit(grid=GRID[:0, :0], x=[], y=[]), *RUNTIME, "none of the 0 points is finite"),
    ("orders of an image", lambda: fit().getMaskedImage(9, 9), *INVALID, "9 is greater than the model's, which is 1"),
    ("threads of an approximation", lambda: fit().getImage(num_threads=-1), *INVALID, "num_threads = -1"),
    ("positions that are words", lambda: fit(x="x"), *INVALID, "'x'|<U1"),
    *(
        (
            f"an approximation over {where!r}",
            lambda where=where: fit(bbox=where),
            *INVALID,
            type(where).__name__,
        )
        for where in (None, (0, 0, 20, 20))
    ),
]


test_refused = refused(REFUSED)


WRONG_TYPES: list[WrongRow] = [
    ("order", lambda value: afwMath.ApproximateControl(CHEBYSHEV, value), (1.5, None, 2**31)),
    ("approximation style", lambda value: afwMath.ApproximateControl(value, 1), (99, 0, "CHEBYSHEV", None)),
    ("weighting", lambda value: afwMath.ApproximateControl(CHEBYSHEV, 1, 1, value), ("x", [])),
    ("approximation control", lambda value: background().getApproximate(value), (None, 3, "CHEBYSHEV")),
    ("fit control", lambda value: afwMath.makeApproximate([0.0], [0.0], [[1.0]], ALL, value), (None, 3)),
    ("order of an image", lambda value: fit().getImage(value), (1.5, "x", None, 2**31)),
]


test_of_the_wrong_type = of_the_wrong_type(WRONG_TYPES)
