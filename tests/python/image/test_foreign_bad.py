"""Bad input to functions that read arrays of other packages: errors that show the value, or exact conversions."""

# These tests pass arguments of wrong types.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

from bad_input import INVALID, Row, refused

import evensky.image as afwImage

REFUSED: list[Row] = [
    *(
        (f"planes of {value!r}", lambda value=value: afwImage.as_planes(value), *INVALID, says)
        for value, says in ((None, "dtype object"), (3, r"shape \(\)"), ([1, 2], r"shape \(2,\)"), (b"abc", r"\|S3"))
    ),
]


test_refused = refused(REFUSED)
