"""Arrays and objects of other packages, read as planes."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import InverseVariance, NDData, StdDevUncertainty, VarianceUncertainty

from evensky.errors import InvalidParameterError
from evensky.image import ExposureF, as_planes
from evensky.image.foreign import add_planes, float32_variance


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


@pytest.mark.parametrize("shape", [(1, 1, 3, 4), (1, 3, 4), (3, 4, 1), (3, 1, 4)])
def test_axes_of_length_1_are_removed(shape: tuple[int, ...]) -> None:
    data = np.arange(12, dtype=np.float32).reshape(shape)
    planes = as_planes(NDData(data, mask=data > 9, uncertainty=StdDevUncertainty(data + 1)))
    assert planes.mask is not None
    assert planes.variance is not None
    assert planes.image.shape == planes.mask.shape == planes.variance.shape == (3, 4)
    np.testing.assert_array_equal(planes.image.ravel(), np.arange(12))
    assert as_planes(np.zeros((1, 1, 1, 5))).image.shape == (1, 5)


BITS = np.array([[0, 1, 4, 1 << 20]], np.int32)


@pytest.mark.parametrize(
    ("uncertainty", "values"),
    [
        (StdDevUncertainty, [2, 0, -1, np.nan]),
        (VarianceUncertainty, [4, 0, -1, np.inf]),
        (InverseVariance, [0.25, 0, -1, np.nan]),
    ],
)
@pytest.mark.parametrize("mask", [None, np.array([[False, True, False, False]]), BITS])
def test_no_pixel_without_a_positive_finite_variance(
    uncertainty: Any, values: list[float], mask: np.ndarray | None
) -> None:
    planes = as_planes(NDData(np.ones((1, 4)), mask=mask, uncertainty=uncertainty(np.array([values]))))
    assert planes.mask is not None
    assert ((planes.mask & planes.reject) != 0).tolist() == [[False, True, True, True]]
    assert planes.variance is not None
    assert planes.variance.tolist() == [[4, 0, 0, 0]]
    if mask is BITS:  # the bits of the caller are still there, and the new one is none of them
        np.testing.assert_array_equal(planes.mask & ~np.int32(planes.reject), BITS)
        assert not planes.boolean


def test_a_mask_without_a_free_bit_is_refused() -> None:
    mask = np.array([[2**31 - 1, 0]])
    with pytest.raises(InvalidParameterError, match="uses all of its bits"):
        as_planes(NDData(np.ones((1, 2)), mask=mask, uncertainty=StdDevUncertainty([[1.0, 0.0]])))


def test_an_uncertainty_of_zeros_loses_no_pixel() -> None:
    planes = as_planes(NDData(np.ones((3, 4)), uncertainty=StdDevUncertainty(np.zeros((3, 4)))))
    assert (planes.mask, planes.variance) == (None, None)
    assert planes.notes == ["the uncertainty is ignored, as no value of it is positive and finite"]


def test_variances_of_evensky_s_own_images_may_be_0() -> None:
    planes = as_planes(ExposureF(4, 3))
    assert planes.reject == 0
    assert planes.variance is not None
    assert not planes.variance.any()


def with_unit(uncertainty: Any, unit: str) -> NDData:
    data = NDData(np.ones((1, 2)), unit=uncertainty.unit, uncertainty=uncertainty)
    data._unit = u.Unit(unit)  # astropy compares the units only when the uncertainty is set
    return data


def test_units_of_uncertainties_are_converted() -> None:
    ones = np.ones((1, 2))
    for kind, unit, expected in (
        (StdDevUncertainty, "mK", 1e-6),
        (VarianceUncertainty, "mK2", 1e-6),
        (InverseVariance, "mK-2", 1e-6),
        (StdDevUncertainty, "K", 1),
    ):
        planes = as_planes(NDData(ones, unit="K", uncertainty=kind(ones, unit=unit)))
        assert planes.variance is not None
        np.testing.assert_allclose(planes.variance, expected, rtol=1e-6)
    with pytest.raises(InvalidParameterError, match="is in electron, which cannot be converted to adu"):
        as_planes(with_unit(StdDevUncertainty(ones, unit="electron"), "adu"))


@pytest.mark.parametrize("sigma", [5e-29, 5e20])
def test_variances_beyond_float32_are_not_lost(sigma: float) -> None:
    planes = as_planes(NDData(np.ones((1, 2)), uncertainty=StdDevUncertainty(np.full((1, 2), sigma, np.float32))))
    assert planes.variance is not None
    assert planes.reject == 0
    np.testing.assert_allclose(planes.variance, sigma**2, rtol=1e-6)
    plane, note = float32_variance(planes)
    assert plane is None
    assert f"{sigma**2:.4g}"[:3] in note


def test_planes_beside_the_data() -> None:
    planes = as_planes(np.ones((1, 4)))
    weighted = add_planes(planes, "array", weights=np.ma.MaskedArray([[0.25, 0, np.nan, 1]], [[0, 0, 0, 1]]))
    assert planes.mask is None
    assert weighted.mask is not None
    assert weighted.variance is not None
    assert (weighted.mask & weighted.reject).tolist() == [[0, 1, 1, 1]]
    assert weighted.variance[0, 0] == 4
    both = add_planes(planes, "array", mask=[[False, True, False, False]], variance=[[4.0, 4, 0, 9]])
    assert both.mask is not None
    assert (both.mask != 0).tolist() == [[False, True, True, False]]
    scaled = add_planes(as_planes(np.ones((1, 2)) * u.K), "Quantity", variance=np.full((1, 2), 4e6) * u.mK**2)
    assert scaled.variance is not None
    np.testing.assert_allclose(scaled.variance, 4)
    masked = as_planes(NDData(np.ones((1, 2)), uncertainty=StdDevUncertainty([[1.0, 0.0]])))
    added = add_planes(masked, "NDData", mask=[[True, False]])  # it has no mask of its own
    assert added.mask is not None
    assert (added.mask & added.reject != 0).all()


def test_the_bits_of_a_file_s_layout_are_kept() -> None:
    exposure = ExposureF(4, 1)
    exposure.mask.array[...] = [[0, 1, 4, -(2**31)]]
    exposure.info.bad, exposure.info.reject = 4, 2**31
    planes = as_planes(exposure)
    assert (planes.bad, planes.reject) == (4, -(2**31))
    # Pixels without a variance have none beside another mask, either.
    other = add_planes(planes, "Exposure", mask=np.array([[True, False, False, False]]), replaces=True)
    assert other.mask is not None
    assert other.bad is None
    assert (other.mask & other.reject != 0).tolist() == [[True, False, False, True]]
