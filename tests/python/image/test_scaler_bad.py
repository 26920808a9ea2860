"""Bad input to scalers: errors that show the value, or exact conversions."""

# These tests pass arguments of wrong types.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import numpy as np
from bad_input import GRID, INF, INVALID, NAN, ONES, Row, refused

import evensky.image as afwImage

REFUSED: list[Row] = [
    *(
        (f"scale {value}", lambda value=value: afwImage.ImageScaler(value), *INVALID, f"scale = {value}; it must be")
        for value in (0, INF, -INF, NAN)
    ),
    *(
        (f"positions {x}", lambda x=x: afwImage.SpatialScaler(x, [0, 1], np.ones((2, len(x)))), *INVALID, says)
        for x, says in (
            ([0.0, NAN], "nan.*two increasing positions"),
            ([2.0, 0.0], r"\[2\. 0\.\]"),
            ([0.0, 0.0], r"\[0\. 0\.\]"),
            ([0.0], r"\[0\.\]"),
        )
    ),
    ("scales that do not fit", lambda: afwImage.SpatialScaler([0, 1], [0, 1], ONES), *INVALID, r"\(20, 20\) for 2 y"),
    *(
        (
            f"positions {x} of a scaler",
            lambda x=x: afwImage.SpatialScaler(x, [0, 1], np.ones((2, 2))),
            *INVALID,
            "inf",
        )
        for x in ([0.0, INF], [-INF, 0.0])
    ),
    ("a scale of two", lambda: afwImage.ImageScaler([1, 2]), *INVALID, r"\[1, 2\]"),
    ("positions of words", lambda: afwImage.SpatialScaler("x", [0, 1], GRID), *INVALID, "'x'|<U1"),
    (
        "scales that are ragged",
        lambda: afwImage.SpatialScaler([0, 1], [0, 1], [[1, 1], [1]]),
        *INVALID,
        "cannot be made|scale",
    ),
]


test_refused = refused(REFUSED)
