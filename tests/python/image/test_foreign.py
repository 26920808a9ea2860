"""Arrays and objects of other packages, read as planes."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.image import as_planes


@pytest.mark.parametrize(
    ("dtype", "becomes"),
    [
        ("f4", "f4"),
        (">f4", "f4"),
        ("f8", "f8"),
        ("i2", "i4"),
        (">u2", "u2"),
        ("u1", "i4"),
        ("i8", "f8"),
        ("u4", "u8"),
        ("?", "i4"),
        ("f2", "f4"),
    ],
)
def test_any_real_type_goes_in(dtype: str, becomes: str) -> None:
    array = np.ones((3, 4), dtype)
    planes = as_planes(array)
    assert planes.image.dtype == np.dtype(becomes)
    if np.dtype(dtype) == np.dtype(becomes):
        assert planes.image is array


def test_objects_that_are_no_images() -> None:
    for bad, match in (
        ("abc", "dtype|shape"),
        (np.zeros((2, 2), complex), "complex"),
        (np.zeros(3), r"\(3,\)"),
        (np.array([[None]]), "object"),
    ):
        with pytest.raises(InvalidParameterError, match=match):
            as_planes(bad)


def test_astropy_data_go_in() -> None:
    from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty

    data = np.ones((3, 4), np.float32)
    ccd = CCDData(data, unit="adu", mask=data > 2, uncertainty=StdDevUncertainty(data * 3))
    planes = as_planes(ccd)
    assert planes.variance is not None
    assert planes.variance[0, 0] == 9
    assert (planes.unit, planes.reject) == ("adu", 1)
    planes = as_planes(CCDData(data, unit="adu", uncertainty=InverseVariance(data * 4)))
    assert planes.variance is not None
    assert planes.variance[0, 0] == 0.25
    masked = as_planes(np.ma.MaskedArray(data, data > 0))
    assert masked.mask is not None
    assert masked.mask.sum() == 12
