"""Bad input to readers of arrays of other packages: refused, with the value in the message, or taken as a number."""

# Arguments of wrong types are the subject of these tests.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty, UnknownUncertainty
from bad_input import INVALID, Row, refused

import evensky.image as afwImage
from evensky import errors
from evensky.image.foreign import add_planes

REFUSED: list[Row] = [
    *(
        (f"planes of {value!r}", lambda value=value: afwImage.as_planes(value), *INVALID, says)
        for value, says in ((None, "dtype object"), (3, r"shape \(\)"), ([1, 2], r"shape \(2,\)"), (b"abc", r"\|S3"))
    ),
]


test_refused = refused(REFUSED)

ONES = np.ones((2, 2))
PLANES = afwImage.as_planes(ONES)
MASKED = afwImage.as_planes(np.ma.MaskedArray(ONES, ONES > 2))
WITH_VARIANCE = afwImage.as_planes(NDData(ONES, uncertainty=StdDevUncertainty(ONES)))


@pytest.mark.parametrize(
    ("planes", "given", "kind", "words"),
    [
        (PLANES, {"weights": ONES * 0}, errors.InvalidParameterError, "weights: no value is positive"),
        (PLANES, {"variance": ONES * np.nan}, errors.InvalidParameterError, "variance: no value is positive"),
        (PLANES, {"weights": ONES, "variance": ONES}, errors.InvalidParameterError, "both given"),
        (PLANES, {"weights": np.ones((3, 2))}, errors.LengthError, "weights is 2 x 3 but the image is 2 x 2"),
        (PLANES, {"variance": np.ones(4)}, errors.InvalidParameterError, r"variance has shape \(4,\)"),
        (PLANES, {"mask": ONES}, errors.InvalidParameterError, "mask has dtype float64"),
        (PLANES, {"variance": "abc"}, errors.InvalidParameterError, "dtype"),
        (MASKED, {"mask": ONES > 2}, errors.InvalidParameterError, "Data has a mask of its own"),
        (WITH_VARIANCE, {"weights": ONES}, errors.InvalidParameterError, "Data has variances of its own; weights"),
    ],
)
def test_planes_beside_the_data(planes: Any, given: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        add_planes(planes, "Data", **given)


def test_uncertainties_of_unknown_kinds_are_refused() -> None:
    with pytest.raises(errors.InvalidParameterError, match="type 'unknown'; it must be std, var or ivar"):
        afwImage.as_planes(NDData(ONES, uncertainty=UnknownUncertainty(ONES)))
