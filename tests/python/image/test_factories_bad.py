"""Bad input to functions that make images of arrays: errors that show the value, or exact conversions."""

# These tests pass arguments of wrong types.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

from bad_input import GRID, INVALID, LENGTH, ONES, Row, refused

import evensky.image as afwImage

REFUSED: list[Row] = [
    ("an image of bytes", lambda: afwImage.makeImageFromArray(ONES.astype("i1")), *INVALID, "dtype int8"),
    (
        "arrays of different shapes",
        lambda: afwImage.makeMaskedImageFromArrays(ONES, GRID.astype("i4")),
        *LENGTH,
        "3 x 3",
    ),
]


test_refused = refused(REFUSED)
