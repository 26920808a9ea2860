"""statisticsStack beyond its golden cases: equality with makeStatistics, masks, weights, forms of the call, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import InvalidParameterError, LengthError

BAD, SAT, DETECTED, NO_DATA = 1, 2, 32, 256
PROPERTIES = [p for p in afwMath.Property if p not in (afwMath.NOTHING, afwMath.ERRORS, afwMath.ORMASK)]
CLIPPED = (afwMath.MEANCLIP, afwMath.STDEVCLIP, afwMath.VARIANCECLIP)


def control(**settings: Any) -> afwMath.StatisticsControl:
    """Return a control with settings given as ``andMask=1`` for ``setAndMask(1)``."""
    sctrl = afwMath.StatisticsControl()
    for name, value in settings.items():
        getattr(sctrl, f"set{name[0].upper()}{name[1:]}")(value)
    return sctrl


def scene(n: int = 7, height: int = 5, width: int = 6, dtype: Any = np.float32, seed: int = 1) -> list[Any]:
    """Return masked images with bad, saturated and detected pixels, outliers and NaNs."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(n):
        image = rng.normal(100.0, 5.0, (height, width)).astype(dtype)
        image[rng.random(image.shape) < 0.1] += 500.0
        image[rng.random(image.shape) < 0.05] = np.nan
        mask = np.zeros(image.shape, np.int32)
        for bit in (BAD, SAT, DETECTED):
            mask[rng.random(image.shape) < 0.15] |= bit
        variance = rng.uniform(10.0, 40.0, image.shape).astype(np.float32)
        images.append(afwImage.MaskedImage(afwImage.Image(image), afwImage.Mask(mask), afwImage.ImageF(variance)))
    return images


def columns(images: list[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the planes of masked images, each as an array of shape (n, height, width)."""
    planes = zip(*(image.getArrays() for image in images), strict=True)
    image, mask, variance = (np.array(plane) for plane in planes)
    return image, mask, variance


def one_of(values: list[list[float]], masks: list[int] | None = None, variances: list[float] | None = None) -> Any:
    """Return masked images of one row, with one mask and variance for each image."""
    images = []
    for i, row in enumerate(values):
        image = afwImage.MaskedImageF(len(row), 1)
        image.image.array[:] = row
        image.mask.array[:] = 0 if masks is None else masks[i]
        image.variance.array[:] = 1.0 if variances is None else variances[i]
        images.append(image)
    return images


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("prop", PROPERTIES, ids=lambda p: p.name)
def test_each_pixel_is_the_statistic_of_its_column(prop: afwMath.Property, dtype: Any) -> None:
    images = scene(dtype=dtype)
    sctrl = control(andMask=BAD | SAT, numSigmaClip=2.0)
    result = afwMath.statisticsStack(images, prop, sctrl)
    image, mask, variance = columns(images)
    for y, x in np.ndindex(image.shape[1:]):
        kind = afwMath.MaskedVectorF if dtype == np.float32 else afwMath.MaskedVectorD
        vector = kind(image[:, y, x], mask[:, y, x], variance[:, y, x])
        statistics = afwMath.makeStatistics(vector, prop | afwMath.NPOINT | afwMath.ERRORS, sctrl)
        value, error = statistics.getResult(prop)
        np.testing.assert_equal(result.image.array[y, x], dtype(value))
        np.testing.assert_equal(result.variance.array[y, x], np.float32(dtype(error * error)))
        good = statistics.getValue(afwMath.NPOINT) > 0
        assert result.mask.array[y, x] == (statistics.getOrMask() if good else NO_DATA)


def test_weights_of_images_and_of_variances_are_those_of_makeStatistics() -> None:
    images = scene(dtype=np.float64)
    sctrl = control(andMask=BAD, weighted=True)
    image, mask, variance = columns(images)
    given = [1.0, 2.0, 0.5, 0.0, 3.0, 1.5, 0.25]
    by_image = afwMath.statisticsStack(images, afwMath.MEAN, sctrl, given)
    by_variance = afwMath.statisticsStack(images, afwMath.MEAN, sctrl)
    for y, x in np.ndindex(image.shape[1:]):
        vector = afwMath.MaskedVectorD(image[:, y, x], mask[:, y, x], variance[:, y, x])
        for result, weights in (
            (by_image, np.float32(given)),
            (by_variance, np.float32(1) / variance[:, y, x]),
        ):
            want, error = afwMath.makeStatistics(vector, weights, afwMath.MEAN | afwMath.ERRORS, sctrl).getResult()
            assert result.image.array[y, x] == want
            assert result.variance.array[y, x] == np.float32(error * error)


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan])
def test_pixels_without_a_positive_variance_are_left_out_of_weighted_stacks(wrong: float) -> None:
    sctrl = control(weighted=True)
    images = one_of([[1.0], [2.0], [4.0], [99.0]], variances=[1.0, 2.0, 4.0, wrong])
    without = afwMath.statisticsStack(images[:3], afwMath.MEAN, sctrl)
    result = afwMath.statisticsStack(images, afwMath.MEAN, sctrl)
    assert result.getArrays() == without.getArrays()
    assert result[0, 0][0] == np.float32((1.0 + 2.0 / 2 + 4.0 / 4) / (1.0 + 0.5 + 0.25))
    assert afwMath.statisticsStack(images, afwMath.NPOINT, sctrl)[0, 0][0] == 3
    assert afwMath.statisticsStack(images, afwMath.NMASKED, sctrl)[0, 0][0] == 1
    # Weights that are given count, whatever the variance.
    assert afwMath.statisticsStack(images, afwMath.MEAN, sctrl, [1, 1, 1, 1])[0, 0][0] == 26.5


@pytest.mark.parametrize("prop", [afwMath.MEAN, afwMath.MEDIAN, afwMath.MAX, afwMath.MEANCLIP, afwMath.MAD])
def test_a_pixel_without_any_weight_is_nan_and_has_no_data(prop: afwMath.Property) -> None:
    images = one_of([[1.0, 1.0], [2.0, 3.0]], masks=[DETECTED, SAT])
    for image in images:
        image.variance.array[0, 0] = 0.0
    result = afwMath.statisticsStack(images, prop, control(weighted=True))
    assert np.isnan(result.image.array[0, 0])
    assert not result.variance.array[0, 0] > 0.0
    assert result.mask.array[0, 0] == NO_DATA
    assert np.isfinite(result.image.array[0, 1])
    assert result.mask.array[0, 1] == DETECTED | SAT


def test_masks_of_good_pixels_are_combined() -> None:
    images = one_of([[1.0], [2.0], [3.0]], masks=[DETECTED, BAD | SAT, 0])
    assert afwMath.statisticsStack(images, afwMath.MEAN, control(andMask=BAD))[0, 0][:2] == (2.0, DETECTED)
    assert afwMath.statisticsStack(images, afwMath.MEAN)[0, 0][1] == DETECTED | BAD | SAT
    nothing = control(andMask=BAD | DETECTED, noGoodPixelsMask=64)
    value, mask, variance = afwMath.statisticsStack(images[:2], afwMath.MEAN, nothing)[0, 0]
    assert np.isnan(value)
    assert np.isnan(variance)
    assert mask == 64


def test_bits_are_propagated_where_the_rejected_weigh_enough() -> None:
    images = one_of([[1.0], [2.0], [3.0], [4.0]], masks=[BAD, 0, 0, 0])
    for threshold, mask in ((0.2, BAD), (0.25, 0), (0.3, 0)):
        sctrl = control(andMask=BAD)
        sctrl.setMaskPropagationThreshold(0, threshold)
        assert afwMath.statisticsStack(images, afwMath.MEAN, sctrl)[0, 0][1] == mask
    sctrl.setWeighted(True)
    assert afwMath.statisticsStack(images, afwMath.MEAN, sctrl, [4.0, 1.0, 1.0, 1.0])[0, 0][1] == BAD


def test_clipped_excuse_and_mask_map() -> None:
    values = [[10.0], [10.1], [9.9], [10.05], [9.95], [500.0]]
    images = one_of(values, masks=[DETECTED, 0, 0, 0, 0, SAT])
    for prop in PROPERTIES:
        mask = afwMath.statisticsStack(images, prop, control(), [], 1 << 20)[0, 0][1]
        assert mask == DETECTED | SAT | (1 << 20 if prop in CLIPPED else 0), prop
    # A pixel that is rejected for its mask counts as clipped unless it is excused.
    rejected = control(andMask=SAT)
    assert afwMath.statisticsStack(images, afwMath.MEAN, rejected, [], 1 << 20)[0, 0][1] == DETECTED | 1 << 20
    assert afwMath.statisticsStack(images, afwMath.MEAN, rejected, [], 1 << 20, SAT)[0, 0][1] == DETECTED
    # The map looks at the masks of all pixels, once one of them is not good.
    mapped = afwMath.statisticsStack(images, afwMath.MEAN, rejected, [], 0, [(SAT, 1 << 21), (DETECTED, 1 << 22)])
    assert mapped[0, 0][1] == DETECTED | 1 << 21 | 1 << 22
    assert afwMath.statisticsStack(images, afwMath.MEAN, control(), [], 0, [(SAT, 1 << 21)])[0, 0][1] == DETECTED | SAT


def test_nan_opens_the_mask_map_but_has_no_bits_of_its_own() -> None:
    images = one_of([[1.0], [2.0], [np.nan]], masks=[DETECTED, 0, 0])
    assert afwMath.statisticsStack(images, afwMath.MEAN, control(andMask=BAD), [], 1 << 20)[0, 0][1] == DETECTED
    mapped = afwMath.statisticsStack(images, afwMath.MEAN, control(), [], 0, [(DETECTED, 1 << 21)])
    assert mapped[0, 0][1] == DETECTED | 1 << 21
    without_nan = afwMath.statisticsStack(images[:2], afwMath.MEAN, control(), [], 0, [(DETECTED, 1 << 21)])
    assert without_nan[0, 0][1] == DETECTED


def test_bits_may_be_unsigned() -> None:
    images = one_of([[1.0], [2.0]], masks=[BAD, 0])
    result = afwMath.statisticsStack(images, afwMath.MEAN, control(andMask=BAD), [], 0x80000000)
    assert result.mask.array[0, 0] == -(2**31)
    with pytest.raises(InvalidParameterError, match="clipped: 4294967296"):
        afwMath.statisticsStack(images, afwMath.MEAN, control(), [], 2**32)


def test_counts_and_errors_that_the_original_gets_wrong() -> None:
    values = [[10.0, 1.0], [10.1, 1.0], [9.9, 1.0], [10.05, 1.0], [9.95, 1.0], [500.0, 1.0]]
    images = one_of(values)
    assert afwMath.statisticsStack(images, afwMath.NCLIPPED).image.array.tolist() == [[1.0, 0.0]]
    statistics = afwMath.makeStatistics(np.array(values)[:, 0], afwMath.VARIANCECLIP | afwMath.ERRORS)
    variance = afwMath.statisticsStack(images, afwMath.VARIANCECLIP)[0, 0][2]
    assert variance == pytest.approx(statistics.getError() ** 2, rel=1e-4)
    sctrl = control(weighted=True)
    weights = [0.7, 1.3, 2.1, 0.3, 0.9, 1.1]
    assert afwMath.statisticsStack(images, afwMath.MEAN, sctrl, weights)[1, 0][2] == 0.0
    assert np.isnan(afwMath.statisticsStack(images[:1], afwMath.MEAN, sctrl, [0.7])[1, 0][2])
    smallest = afwMath.statisticsStack(images, afwMath.MIN, sctrl, weights).image.array
    assert smallest.tolist() == [[np.float32(9.9), 1.0]]


def test_a_weight_of_zero_counts_and_all_zero_is_nan() -> None:
    images = one_of([[1.0], [2.0], [4.0]])
    sctrl = control(weighted=True)
    assert afwMath.statisticsStack(images, afwMath.MEAN, sctrl, [1, 1, 0])[0, 0][0] == 1.5
    assert afwMath.statisticsStack(images, afwMath.NPOINT, sctrl, [1, 1, 0])[0, 0][0] == 3
    assert np.isnan(afwMath.statisticsStack(images, afwMath.MEAN, sctrl, [0, 0, 0])[0, 0][0])
    assert afwMath.statisticsStack(images, afwMath.MEAN, sctrl, [2, 2, -1])[0, 0][0] == np.float32(2 / 3)


@pytest.mark.parametrize("weighted", [None, False])
@pytest.mark.parametrize("last", [[], [0, [(SAT, 4)]]], ids=["plain", "map"])
def test_weights_of_masked_images_are_ignored_unless_asked_for(weighted: bool | None, last: list[Any]) -> None:
    images = one_of([[1.0], [3.0]])
    sctrl = control() if weighted is None else control(weighted=weighted)
    with pytest.warns(UserWarning, match="setWeighted"):
        result = afwMath.statisticsStack(images, afwMath.MEAN, sctrl, [3.0, 1.0], *last)
    assert result[0, 0][0] == 2.0
    assert afwMath.statisticsStack([i.image for i in images], afwMath.MEAN, sctrl, [3.0, 1.0])[0, 0] == 1.5
    assert afwMath.statisticsStack([[1.0], [3.0]], afwMath.MEAN, sctrl, [3.0, 1.0]) == [1.5]


def test_images_without_variances_cannot_be_weighted_by_them() -> None:
    images = [afwImage.ImageF(2, 2), afwImage.ImageF(2, 2)]
    with pytest.raises(InvalidParameterError, match="Image 0 has no variances"):
        afwMath.statisticsStack(images, afwMath.MEAN, control(weighted=True))
    with pytest.raises(InvalidParameterError, match="Image 1 has no variances"):
        afwMath.statisticsStack([afwImage.MaskedImageF(2, 2), images[1]], afwMath.MEAN, control(weighted=True))
    assert afwMath.statisticsStack(images, afwMath.MEAN, control(weighted=True), [1.0, 2.0])[0, 0] == 0.0
    assert np.isnan(afwMath.statisticsStack([[1.0], [3.0]], afwMath.MEAN, control(weighted=True))).all()
    assert np.isnan(afwMath.statisticsStack([[1.0], [3.0]], afwMath.MEDIAN, control(weighted=True))).all()


def test_threads_do_not_change_a_bit() -> None:
    images = scene(n=9, height=40, width=300, seed=3)
    sctrl = control(andMask=BAD, weighted=True)
    sctrl.setMaskPropagationThreshold(1, 0.1)
    first = afwMath.statisticsStack(images, afwMath.MEANCLIP, sctrl, [], 1 << 20, num_threads=1)
    other = afwMath.statisticsStack(images, afwMath.MEANCLIP, sctrl, [], 1 << 20, num_threads=3)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first.getArrays(), other.getArrays(), strict=True))
    for dimensions in "xy":
        lines = [
            afwMath.statisticsStack(images[0], afwMath.MEANCLIP, dimensions, sctrl, num_threads=n).getArrays()
            for n in (1, 3)
        ]
        assert all(a.tobytes() == b.tobytes() for a, b in zip(*lines, strict=True))


def test_any_strides_and_byte_order() -> None:
    cube = np.random.default_rng(5).normal(0.0, 1.0, (6, 8, 10))
    want = np.median(cube, axis=0)
    for stack in (cube, cube.astype(">f8"), np.asfortranarray(cube), cube[:, ::-1, ::-1][:, ::-1, ::-1]):
        np.testing.assert_array_equal(afwMath.statisticsStack(list(stack), afwMath.MEDIAN).array, want)
    np.testing.assert_array_equal(
        afwMath.statisticsStack(list(cube[:, ::2, ::-3]), "MEDIAN").array, np.median(cube[:, ::2, ::-3], axis=0)
    )


def test_more_images_than_a_tile_holds_columns() -> None:
    cube = np.random.default_rng(6).normal(0.0, 1.0, (20000, 1, 3)).astype(np.float32)
    result = afwMath.statisticsStack(list(cube), afwMath.MEDIAN)
    middle = np.sort(cube, axis=0)[9999:10001].astype(np.float64).mean(axis=0)
    np.testing.assert_array_equal(result.array, middle.astype(np.float32))


def test_the_output_may_be_an_input_and_keeps_its_origin() -> None:
    images = scene()
    want = afwMath.statisticsStack(images, afwMath.MEAN, control(andMask=BAD))
    out = images[2]
    out.setXY0(7, 8)
    assert afwMath.statisticsStack(out, images, afwMath.MEAN, control(andMask=BAD)) is None
    assert tuple(out.getXY0()) == (7, 8)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(out.getArrays(), want.getArrays(), strict=True))
    exposure = afwImage.ExposureF(want.getDimensions())
    afwMath.statisticsStack(exposure, [afwImage.ExposureF(want)], afwMath.MEAN)
    np.testing.assert_array_equal(exposure.image.array, want.image.array)


def test_an_output_that_shares_other_memory_with_an_input_is_refused() -> None:
    values = np.arange(20.0, dtype=np.float32).reshape(5, 4)
    image, shifted = afwImage.ImageF(values[1:]), afwImage.ImageF(values[:-1])
    with pytest.raises(InvalidParameterError, match=r"same memory.*use another output"):
        afwMath.statisticsStack(shifted, [image, image], afwMath.MEAN)
    np.testing.assert_array_equal(values, np.arange(20.0).reshape(5, 4))
    beside = afwImage.ImageF(np.zeros((4, 8), np.float32)[:, :4])
    afwMath.statisticsStack(beside, [image, image], afwMath.MEAN)
    np.testing.assert_array_equal(beside.array, values[1:])


def test_planes_are_matched_by_name() -> None:
    images = one_of([[1.0], [2.0]])
    own = afwImage.Mask(1, 1, mask_planes={"BAD": 3, "STREAK": 9})
    own.array[:] = 1 << 3 | 1 << 9
    images[1].setMask(own)
    result = afwMath.statisticsStack(images, afwMath.MEAN)
    assert result.mask.getAsString(0, 0) == "BAD,STREAK"
    assert afwMath.statisticsStack(images, afwMath.MEAN, control(andMask=BAD))[0, 0][:2] == (1.0, 0)
    out = afwImage.MaskedImageF(1, 1)
    out.setMask(afwImage.Mask(1, 1, mask_planes={"SAT": 0, "BAD": 1}))
    out.mask.array[:] = 1
    afwMath.statisticsStack(out, images, afwMath.MEAN)
    assert out.mask.getAsString(0, 0) == "BAD,STREAK"
    assert "STREAK" not in afwImage.Mask.getMaskPlaneDict()


def test_boolean_masks_reject_pixels() -> None:
    images = [np.ma.MaskedArray([[1.0, 2.0]], [[False, True]]), np.ma.MaskedArray([[3.0, 4.0]], [[False, False]])]
    result = afwMath.statisticsStack(images, afwMath.MEAN)
    assert result.image.array.tolist() == [[2.0, 4.0]]
    assert not result.mask.array.any()


@pytest.mark.parametrize(("dimensions", "axis"), [("x", 1), ("y", 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_and_columns_of_images_with_any_origin(dimensions: str, axis: int, dtype: Any) -> None:
    (masked,) = scene(1, 30, 40, dtype)
    masked.setXY0(-2, 3)
    sctrl = control(andMask=BAD, noGoodPixelsMask=1 << 12)
    masked.mask.array[3, :] = BAD
    masked.mask.array[:, 5] = BAD
    result = afwMath.statisticsStack(masked, afwMath.MEDIAN, dimensions, sctrl)
    plain = afwMath.statisticsStack(masked.image, afwMath.MEDIAN, dimensions, sctrl)
    assert isinstance(plain, afwImage.MaskedImage)
    assert tuple(result.getXY0()) == (0, 0)
    assert result.image.array.dtype == dtype
    values = np.where(masked.mask.array & BAD, np.nan, masked.image.array.astype(np.float64))
    none = np.isnan(values).all(axis, keepdims=True)
    want = np.nanmedian(np.where(none, 0.0, values), axis, keepdims=True).astype(dtype)
    np.testing.assert_array_equal(result.image.array, np.where(none, np.nan, want))
    np.testing.assert_array_equal(result.mask.array, np.where(none, 1 << 12, 0))
    assert none.sum() == 1
    want = np.nanmedian(masked.image.array.astype(np.float64), axis, keepdims=True).astype(dtype)
    np.testing.assert_array_equal(plain.image.array, want)
    assert not plain.mask.array.any()
    error = afwMath.makeStatistics(masked[0:40, 0:1, afwImage.LOCAL], afwMath.MEDIAN | afwMath.ERRORS, sctrl).getError()
    if dimensions == "x":
        assert result.variance.array[0, 0] == np.float32(dtype(error * error))


def test_rows_are_weighted_as_by_makeStatistics() -> None:
    (masked,) = scene(1, 3, 40, np.float64)
    masked.variance.array[0, ::4] = 0.0
    sctrl = control(weighted=True)
    result = afwMath.statisticsStack(masked, afwMath.MEAN, "x", sctrl)
    for y in range(3):
        row = masked[0:40, y : y + 1, afwImage.LOCAL]
        assert result.image.array[y, 0] == afwMath.makeStatistics(row, afwMath.MEAN, sctrl).getValue()


@pytest.mark.parametrize("dimensions", ["z", "X", "xy", ""])
def test_other_dimensions_are_refused(dimensions: str) -> None:
    with pytest.raises(ValueError, match="dimensions is"):
        afwMath.statisticsStack(afwImage.ImageF(3, 3), afwMath.MEAN, dimensions)


def test_vectors_keep_their_precision_and_must_have_one_length() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(1e6, 1.0, (5, 8))
    result = afwMath.statisticsStack(list(vectors), afwMath.MEAN)
    assert isinstance(result, list)
    np.testing.assert_allclose(result, vectors.mean(axis=0), rtol=1e-15)
    assert afwMath.statisticsStack(vectors.tolist(), afwMath.MEAN) == result
    assert afwMath.statisticsStack(vectors, afwMath.MEAN) == result
    single = afwMath.statisticsStack(list(vectors.astype(np.float32)), afwMath.MEAN)
    assert single == np.float32(single).tolist() != result
    assert afwMath.statisticsStack([[1, 2], [2, 4]], afwMath.MEAN) == [1.5, 3.0]
    assert afwMath.statisticsStack([[], []], afwMath.MEAN) == []
    with pytest.raises(LengthError, match=r"Vector 1 has shape \(3,\) but vector 0 has \(2,\)"):
        afwMath.statisticsStack([[1.0, 2.0], [1.0, 2.0, 3.0]], afwMath.MEAN)


def test_arguments_may_be_keywords() -> None:
    images = one_of([[1.0], [4.0], [3.0]], masks=[0, 0, SAT])
    sctrl = control(andMask=SAT, weighted=True)
    want = afwMath.statisticsStack(images, afwMath.MEAN, sctrl, [1.0, 2.0, 1.0], 4)[0, 0]
    keywords = {"flags": afwMath.MEAN, "sctrl": sctrl, "wvector": [1.0, 2.0, 1.0], "clipped": 4, "excuse": 0}
    assert afwMath.statisticsStack(images=images, **keywords)[0, 0] == want == (3.0, 4, want[2])
    out = afwImage.MaskedImageF(1, 1)
    for arguments, others in (((), {"out": out, "images": images}), ((out,), {"images": images}), ((out, images), {})):
        out.set(0)
        assert afwMath.statisticsStack(*arguments, **others, **keywords) is None
        assert out[0, 0] == want
    assert afwMath.statisticsStack(vectors=[[1.0], [2.0]], flags="MAX") == [2.0]
    line = afwMath.statisticsStack(image=images[0], flags=afwMath.MEAN, dimensions="x", sctrl=control())
    assert line.getDimensions() == images[0].getDimensions()


def test_flags_may_be_numbers_or_names_and_hold_one_property() -> None:
    images = [afwImage.ImageF(np.full((2, 2), 3.0, np.float32))]
    for flags in (4, "MEAN", afwMath.MEAN, afwMath.MEAN | afwMath.ERRORS, np.int64(4)):
        assert afwMath.statisticsStack(images, flags)[0, 0] == 3.0
    out = afwImage.ImageF(2, 2)
    afwMath.statisticsStack(out, images, "MEAN")
    assert out[1, 1] == 3.0
    assert afwMath.statisticsStack(images[0], "MEAN", "x")[0, 1][0] == 3.0
    for wrong in (0, afwMath.ERRORS, afwMath.ORMASK, afwMath.MEAN | afwMath.MEDIAN, 1 << 20, -1):
        with pytest.raises(InvalidParameterError, match="exactly one property"):
            afwMath.statisticsStack(images, wrong)
        with pytest.raises(InvalidParameterError, match="exactly one property"):
            afwMath.statisticsStack(images[0], wrong, "x")
        with pytest.raises(InvalidParameterError, match="exactly one property"):
            afwMath.statisticsStack(afwImage.ImageF(2, 2), images, wrong)
    with pytest.raises(InvalidParameterError, match=r"1028 \(MEAN \| MIN\)"):
        afwMath.statisticsStack(images, afwMath.MEAN | afwMath.MIN)


def test_errors_say_what_is_wrong() -> None:
    small, large = afwImage.ImageF(4, 5), afwImage.ImageF(5, 6)
    for nothing in ([], ()):
        with pytest.raises(LengthError, match="0 images"):
            afwMath.statisticsStack(nothing, afwMath.MEAN)
    with pytest.raises(InvalidParameterError, match="Image 1 is 5 x 6 but the output is 4 x 5"):
        afwMath.statisticsStack([small, large], afwMath.MEAN)
    with pytest.raises(InvalidParameterError, match="Image 0 is 4 x 5 but the output is 5 x 6"):
        afwMath.statisticsStack(large, [small], afwMath.MEAN)
    with pytest.raises(InvalidParameterError, match="There are 2 weights for 1 images"):
        afwMath.statisticsStack([small], afwMath.MEAN, control(), [1.0, 2.0])
    masked = afwImage.MaskedImageF(4, 5)
    with pytest.raises(InvalidParameterError, match="There are 2 weights for 1 images"):
        afwMath.statisticsStack([masked], afwMath.MEAN, control(), [1.0, 2.0])
    with pytest.raises(TypeError, match="Image 1 has dtype float64 but image 0 has float32"):
        afwMath.statisticsStack([small, afwImage.ImageD(4, 5)], afwMath.MEAN)
    with pytest.raises(TypeError, match="dtype int32"):
        afwMath.statisticsStack([afwImage.ImageI(4, 5)], afwMath.MEAN)
    with pytest.raises(TypeError, match="out is a ImageF"):
        afwMath.statisticsStack(small, [masked], afwMath.MEAN)
    with pytest.raises(TypeError, match="out has dtype float32 but image 0 has float64"):
        afwMath.statisticsStack(small, [afwImage.ImageD(4, 5)], afwMath.MEAN)
    with pytest.raises(InvalidParameterError, match="dimensions"):
        afwMath.statisticsStack(small, afwMath.MEAN)
    both = control(calcErrorFromInputVariance=True, calcErrorMosaicMode=True)
    for images in ([small], [masked], [[1.0]]):
        with pytest.raises(InvalidParameterError, match="Both"):
            afwMath.statisticsStack(images, afwMath.MEAN, both)
    with pytest.raises(InvalidParameterError, match="num_threads = -1"):
        afwMath.statisticsStack([small], afwMath.MEAN, num_threads=-1)
    with pytest.raises(InvalidParameterError, match="no pixels"):
        afwMath.statisticsStack(afwImage.ImageF(0, 0), afwMath.MEAN, "x")


def test_inputs_and_control_stay_as_they_are() -> None:
    images = scene()
    before = [[plane.copy() for plane in image.getArrays()] for image in images]
    sctrl = control(andMask=BAD)
    sctrl.setMaskPropagationThreshold(5, 0.5)
    same = control(andMask=BAD)
    same.setMaskPropagationThreshold(5, 0.5)
    afwMath.statisticsStack(images, afwMath.MEANCLIP, sctrl)
    assert sctrl == same
    for image, planes in zip(images, before, strict=True):
        for plane, old in zip(image.getArrays(), planes, strict=True):
            np.testing.assert_array_equal(plane, old)


def test_a_single_survivor_of_several_pixels_has_no_width_for_the_next_round() -> None:
    values = [6.848, 3.520, 7.146, 7.092, 3.623, 7.343, 6.289, 5.529]
    images = one_of([[value] for value in values])
    once = control(numSigmaClip=0.5, numIter=2)
    assert afwMath.statisticsStack(images, afwMath.MEANCLIP, once)[0, 0][0] == np.float32(6.848)
    value, mask, variance = afwMath.statisticsStack(images, afwMath.MEANCLIP, control(numSigmaClip=0.5), [], 4)[0, 0]
    assert np.isnan(value)
    assert np.isnan(variance)
    assert mask == 4
    assert afwMath.makeStatistics(values, afwMath.NCLIPPED, control(numSigmaClip=0.5)).getValue() == 8
    # A single good pixel survives all rounds.
    assert afwMath.statisticsStack(images[:1], afwMath.MEANCLIP)[0, 0][:2] == (np.float32(6.848), 0)


def test_negative_weights_are_used_as_they_are() -> None:
    values, weights = [9.9, 11.5, 12.0, 12.3, 12.6, 13.3], [-1.0, 1.0, 2.0, 3.0, 1.0, 1.0]
    mean = np.average(values, weights=weights)
    scatter = np.average(np.square(np.array(values) - mean), weights=weights)
    assert scatter < 0
    result = afwMath.statisticsStack(one_of([[v] for v in values]), afwMath.MEAN, control(weighted=True), weights)
    assert result[0, 0][0] == pytest.approx(mean, rel=1e-6)
    assert np.isnan(result[0, 0][2])
    total = sum(weights)
    want = scatter * total**2 / (total**2 - np.square(weights).sum())
    assert afwMath.statisticsStack([[v] for v in values], afwMath.VARIANCE, control(), weights)[0] == pytest.approx(
        want
    )


def test_infinite_pixels_of_stacks_that_are_not_nan_safe() -> None:
    images = one_of([[np.inf, np.nan], [1.0, 1.0], [2.0, 2.0]])
    for prop in (afwMath.SUM, afwMath.MEAN, afwMath.MEANSQUARE):
        assert np.isnan(afwMath.statisticsStack(images, prop, control(nanSafe=False)).image.array).all()
        assert np.isfinite(afwMath.statisticsStack(images, prop).image.array).all()
    extremes = afwMath.statisticsStack(images, afwMath.MAX, control(nanSafe=False)).image.array
    np.testing.assert_array_equal(extremes, [[np.inf, np.nan]])


def test_weights_and_controls_of_other_types_are_refused() -> None:
    images = [afwImage.ImageF(np.full((1, 2), level, np.float32)) for level in (1, 2)]
    assert afwMath.statisticsStack(images, afwMath.MEAN, None, None).array.tolist() == [[1.5, 1.5]]
    for weights in ([[1.0], [2.0]], [1.0, None], 3.0, "ab", [[1.0], [2.0, 3.0]]):
        with pytest.raises(InvalidParameterError, match=r"wvector is|An array cannot be made"):
            afwMath.statisticsStack(images, afwMath.MEAN, control(), weights)
    for call in (
        lambda: afwMath.statisticsStack(images, afwMath.MEAN, 3),
        lambda: afwMath.statisticsStack([[1.0], [2.0]], afwMath.MEAN, 3),
        lambda: afwMath.statisticsStack(images[0], afwMath.MEAN, "x", 3),
    ):
        with pytest.raises(TypeError, match="sctrl is 3"):
            call()
