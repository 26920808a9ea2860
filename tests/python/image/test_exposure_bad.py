"""Bad input to exposures: errors that show the value, or exact conversions."""

# These tests pass arguments of wrong types.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

from bad_input import INVALID, LENGTH, RANGE, Row, box, exposure, refused

import evensky.image as afwImage

REFUSED: list[Row] = [
    ("an exposure of None", lambda: afwImage.ExposureF(None), *INVALID, r"ImageF takes .*got \(None,\)"),
    ("Exposure of complex numbers", lambda: afwImage.Exposure(3, 4, dtype=complex), *INVALID, "complex128"),
    ("a data ID of a word", lambda: afwImage.ExposureF(3, 4, dataId="x"), *INVALID, "'x'"),
    ("an exposure's cutout", lambda: exposure().getCutout(box(19, 19, 2, 2)), *LENGTH, r"\(20, 20\)"),
    ("an exposure's pixel", lambda: exposure()[20, 0], *RANGE, r"\(20, 0\) is outside"),
]


test_refused = refused(REFUSED)
