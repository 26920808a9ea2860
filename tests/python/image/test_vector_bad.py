"""Bad input to masked vectors: errors that show the value, or exact conversions."""

# These tests pass arguments of wrong types.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import numpy as np
from bad_input import INVALID, LENGTH, NAN, ONES, RANGE, Row, refused

import evensky.image as afwImage

REFUSED: list[Row] = [
    ("a vector of two dimensions", lambda: afwImage.MaskedVectorF(ONES), *INVALID, r"\(20, 20\)"),
    ("a vector's variance", lambda: afwImage.MaskedVectorF([1, 2], None, [1]), *LENGTH, r"variance has shape \(1,\)"),
    (
        "vector's mask beyond 32 bits",
        lambda: afwImage.MaskedVectorF([1], np.array([2**40])),
        *RANGE,
        "1099511627776",
    ),
    ("vector's mask of fractions", lambda: afwImage.MaskedVectorF([1], [1.5]), *INVALID, "1.5|fractions"),
    ("vector of i", lambda: afwImage.MaskedVectorF(np.array([1j])), *INVALID, "complex128"),
    ("a vector of a petabyte", lambda: afwImage.MaskedVectorF(10**15), *LENGTH, "1000000000000000"),
    ("a vector of -1", lambda: afwImage.MaskedVectorF(-1), *LENGTH, "-1"),
    ("a vector of words", lambda: afwImage.MaskedVectorF([1, "x"]), *INVALID, "'x'|<U"),
    ("a ragged vector", lambda: afwImage.MaskedVectorF([[1], [2, 3]]), *INVALID, "cannot be made"),
    ("a vector's mask of 2^40", lambda: afwImage.MaskedVectorF([1], [2**40]), *RANGE, "1099511627776"),
    ("a vector's mask of NaN", lambda: afwImage.MaskedVectorF([1], [NAN]), *INVALID, "nan"),
]


test_refused = refused(REFUSED)
