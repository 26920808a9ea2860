"""binImage beyond its golden cases: sums that fit, pixels left out, forms of the call, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import DomainError, InvalidParameterError

BAD, SAT, NO_DATA = 1, 2, 256


def masked_scene(dtype: Any = np.float32) -> Any:
    rng = np.random.default_rng(4)
    masked = afwImage.MaskedImage(afwImage.Image((rng.normal(100.0, 9.0, (13, 17))).astype(dtype)))
    masked.variance.array[:] = rng.uniform(1.0, 9.0, (13, 17))
    masked.mask.array[rng.random((13, 17)) < 0.3] |= BAD
    masked.mask.array[rng.random((13, 17)) < 0.2] |= SAT
    return masked


def bins_of(array: np.ndarray, binX: int, binY: int) -> np.ndarray:
    """Return an array of shape (height, width, pixels of a bin)."""
    height, width = array.shape[0] // binY, array.shape[1] // binX
    bins = array[: height * binY, : width * binX].reshape(height, binY, width, binX)
    return bins.transpose(0, 2, 1, 3).reshape(height, width, binX * binY)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_masks_and_variances(dtype: Any) -> None:
    masked = masked_scene(dtype)
    result = afwMath.binImage(masked, 4, 3)
    image, mask, variance = (bins_of(plane, 4, 3) for plane in masked.getArrays())
    assert result.image.array.dtype == dtype
    np.testing.assert_allclose(result.image.array, image.astype(np.float64).mean(axis=2), rtol=1e-7)
    np.testing.assert_array_equal(result.mask.array, np.bitwise_or.reduce(mask, axis=2))
    np.testing.assert_allclose(result.variance.array, variance.sum(axis=2, dtype=np.float64) / 144, rtol=1e-7)


def test_sums_do_not_overflow_and_integers_are_truncated() -> None:
    for dtype, value in ((np.uint16, 65535), (np.int32, 2**31 - 1), (np.int32, -(2**31))):
        assert afwMath.binImage(np.full((6, 6), value, dtype), 3).array.tolist() == [[value] * 2] * 2
    assert afwMath.binImage(np.array([[-1, -2], [0, 0]], np.int32), 2)[0, 0] == 0
    assert afwMath.binImage(np.array([[1, 2], [2, 2]], np.int32), 2)[0, 0] == 1
    assert afwMath.binImage(np.full((2, 2), 3e38, np.float32), 2)[0, 0] == np.float32(3e38)


def test_the_variance_is_independent_of_the_image() -> None:
    masked = masked_scene()
    want = afwMath.binImage(masked, 4).variance.array
    masked.image.array[0, 0] = np.nan
    masked.image.array[0, 4] = np.inf
    masked.image.array[0, 8] = 3e38
    np.testing.assert_array_equal(afwMath.binImage(masked, 4).variance.array, want)


def test_nan_spreads_unless_bad_pixels_are_left_out() -> None:
    masked = masked_scene()
    masked.image.array[0, :2] = np.nan, np.inf
    masked.mask.array[4:8, 4:8] = BAD
    plain = afwMath.binImage(masked, 4)
    assert np.isnan(plain.image.array[0, 0])
    assert np.isfinite(plain.image.array[1, 1])
    result = afwMath.binImage(masked, 4, bad=BAD)
    image, mask, variance = (bins_of(plane, 4, 4) for plane in masked.getArrays())
    good = ((mask & BAD) == 0) & np.isfinite(image)
    n = good.sum(axis=2)
    assert n[1, 1] == 0
    assert n[0, 0] < 16
    some = n > 0
    np.testing.assert_allclose(
        result.image.array[some], np.where(good, image, 0.0).sum(axis=2, dtype=np.float64)[some] / n[some], rtol=1e-7
    )
    np.testing.assert_allclose(
        result.variance.array[some],
        np.where(good, variance, 0.0).sum(axis=2, dtype=np.float64)[some] / n[some] ** 2,
        rtol=1e-7,
    )
    np.testing.assert_array_equal(result.mask.array[some], np.bitwise_or.reduce(np.where(good, mask, 0), axis=2)[some])
    assert np.isnan(result.image.array[1, 1])
    assert np.isnan(result.variance.array[1, 1])
    assert result.mask.array[1, 1] == NO_DATA
    assert not (result.mask.array[some] & BAD).any()


def test_integers_without_a_pixel_are_zero() -> None:
    masked = afwImage.MaskedImageI(2, 2)
    masked.image.array[:] = 7
    masked.mask.array[:] = SAT
    result = afwMath.binImage(masked, 2, bad=SAT)
    assert result[0, 0][:2] == (0, NO_DATA)
    assert afwMath.binImage(masked, 2, bad=BAD)[0, 0][:2] == (7, SAT)


def test_nan_of_images_without_a_mask_and_boolean_masks_are_left_out() -> None:
    array = np.array([[1.0, np.nan], [3.0, 5.0]])
    assert np.isnan(afwMath.binImage(array, 2)[0, 0])
    assert afwMath.binImage(array, 2, bad=0)[0, 0] == 3.0
    hidden = np.ma.MaskedArray([[1.0, 100.0], [3.0, 5.0]], [[False, True], [False, False]])
    assert afwMath.binImage(hidden, 2, bad=0)[0, 0][0] == 3.0


def test_planes_of_the_mask_keep_their_names() -> None:
    masked = afwImage.MaskedImageF(2, 2)
    masked.setMask(afwImage.Mask(2, 2, mask_planes={"STREAK": 9}))
    masked.mask.array[1, 1] = 1 << 9
    result = afwMath.binImage(masked, 2)
    assert result.mask.getAsString(0, 0) == "STREAK"
    masked.mask.array[:] = 1 << 9
    empty = afwMath.binImage(masked, 2, bad=1 << 9)
    assert empty.mask.getAsString(0, 0) == "NO_DATA"


def test_origin_sizes_and_exposures() -> None:
    exposure = afwImage.ExposureF(7, 5)
    exposure.setXY0(20, 30)
    result = afwMath.binImage(exposure, 3, 2)
    assert isinstance(result, afwImage.MaskedImageF)
    assert tuple(result.getXY0()) == (20, 30)
    assert tuple(result.getDimensions()) == (2, 2)
    assert tuple(afwMath.binImage(exposure, 8, 2).getDimensions()) == (0, 2)
    assert tuple(afwMath.binImage(exposure, binsize=5).getDimensions()) == (1, 1)


def test_flags_by_position_are_flags() -> None:
    image = np.arange(16.0).reshape(4, 4)
    want = afwMath.binImage(image, 2).array.tolist()
    assert afwMath.binImage(image, 2, afwMath.MEAN).array.tolist() == want == [[2.5, 4.5], [10.5, 12.5]]
    assert afwMath.binImage(image, 2, 2, afwMath.MEAN).array.tolist() == want
    assert afwMath.binImage(image, binsize=2, flags=afwMath.MEAN).array.tolist() == want
    assert afwMath.binImage(inImage=image, binX=2, binY=4).array.tolist() == [[6.5, 8.5]]
    for arguments in ((2, afwMath.MEDIAN), (2, 2, afwMath.MEDIAN), (2, 2, afwMath.MEAN | afwMath.ERRORS)):
        with pytest.raises(InvalidParameterError, match="MEAN"):
            afwMath.binImage(image, *arguments)
    with pytest.raises(InvalidParameterError, match="binY is"):
        afwMath.binImage(image, 2, afwMath.MEAN, afwMath.MEDIAN)


def test_errors_say_what_is_wrong() -> None:
    image = afwImage.ImageF(4, 4)
    for wrong in ((0,), (-1, 2), (2, 0)):
        with pytest.raises(DomainError, match="must be > 0"):
            afwMath.binImage(image, *wrong)
    # The statistic is checked first.
    with pytest.raises(InvalidParameterError, match="MEAN"):
        afwMath.binImage(image, 0, flags=afwMath.MEDIAN)
    with pytest.raises(InvalidParameterError, match="missing"):
        afwMath.binImage(image)
    with pytest.raises(InvalidParameterError, match="twice"):
        afwMath.binImage(image, 2, binsize=2)
    with pytest.raises(InvalidParameterError, match=r"2\.5"):
        afwMath.binImage(image, 2.5)
    with pytest.raises(TypeError, match="dtype uint64"):
        afwMath.binImage(afwImage.ImageL(4, 4), 2)
    with pytest.raises(InvalidParameterError, match="num_threads = -1"):
        afwMath.binImage(image, 2, num_threads=-1)


def test_threads_and_strides_do_not_matter() -> None:
    image = np.random.default_rng(8).normal(0.0, 1.0, (60, 50)).astype(np.float32)
    want = afwMath.binImage(image, 7, 3).array
    np.testing.assert_array_equal(afwMath.binImage(image, 7, 3, num_threads=3).array, want)
    np.testing.assert_array_equal(afwMath.binImage(np.asfortranarray(image), 7, 3).array, want)
    np.testing.assert_array_equal(afwMath.binImage(image.astype(">f4"), 7, 3).array, want)
