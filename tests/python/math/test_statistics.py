"""Statistics beyond the golden cases: forms of calls, layouts, threads, and errors."""

from __future__ import annotations

import ctypes
import ctypes.util
import itertools
import pickle
import platform
from typing import Any

import numpy as np
import pytest

import evensky
import evensky.errors as errors
import evensky.image as afwImage
import evensky.math as afwMath

RNG = np.random.default_rng(20260505)
PIXELS = RNG.normal(100, 5, (60, 80)).astype(np.float32)


def test_forms_of_make_statistics(image: afwImage.MaskedImageF) -> None:
    control = afwMath.StatisticsControl(andMask=1)
    want = afwMath.makeStatistics(image, afwMath.MEAN, control).getValue()
    array, mask = image.image.array, image.mask
    assert want == pytest.approx(array[mask.array == 0].mean(dtype=np.float64), rel=1e-12)
    assert afwMath.makeStatistics(image.image, mask, afwMath.MEAN, control).getValue() == want
    assert afwMath.makeStatistics(array, mask.array, afwMath.MEAN, control).getValue() == want
    assert afwMath.makeStatistics(array, mask=mask, flags="MEAN", sctrl=control).getValue(afwMath.MEAN) == want
    assert afwMath.makeStatistics(np.ma.MaskedArray(array, mask.array != 0), "MEAN").getValue() == want
    assert afwMath.makeStatistics(array, mask.array != 0, "MEAN").getValue() == want
    assert afwMath.makeStatistics(afwImage.ExposureF(image), afwMath.MEAN, control).getValue() == want
    weights = np.ones_like(array)
    assert afwMath.makeStatistics(image, afwImage.ImageF(weights), afwMath.MEAN, control).getValue() == want


def test_vectors_and_masks() -> None:
    assert afwMath.makeStatistics([1, 2, 3, 4], afwMath.MEDIAN).getValue() == 2.5
    assert afwMath.makeStatistics(np.array([1, 2, 9], np.float32), "MEAN").getValue() == 4
    assert afwMath.makeStatistics([1.0, 3.0], [3.0, 1.0], afwMath.MEAN).getValue() == 1.5
    vector = afwImage.MaskedVectorF([1, 2, 100], mask=[0, 0, 1])
    assert afwMath.makeStatistics(vector, afwMath.MAX, afwMath.StatisticsControl(andMask=1)).getValue() == 2
    weighted = afwMath.makeStatistics(vector, [3.0, 1.0, 5.0], afwMath.MEAN, afwMath.StatisticsControl(andMask=1))
    assert weighted.getValue() == 1.25
    mask = afwImage.Mask(np.array([[1, 4], [8, 0]], np.int32))
    result = afwMath.makeStatistics(mask, afwMath.SUM | afwMath.NPOINT)
    assert (result.getValue(afwMath.SUM), result.getValue(afwMath.NPOINT)) == (13, 4)
    with pytest.raises(errors.InvalidParameterError, match="NPOINT and SUM"):
        afwMath.makeStatistics(mask, afwMath.MEAN)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a.astype(">f4"),
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(np.repeat(a, 2, 0), 3, 1)[::2, ::3],
        lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
        lambda a: np.rec.fromarrays([np.zeros(a.shape, np.int8), a]).f1,
    ],
    ids=["plain", "big-endian", "fortran", "strided", "reversed", "record field"],
)
def test_any_layout_gives_the_same_bits(view: Any) -> None:
    flags = afwMath.MEAN | afwMath.MEDIAN | afwMath.VARIANCECLIP
    pixels = view(PIXELS)
    # Sums are taken in the order of memory.
    plain = np.ascontiguousarray(PIXELS.T) if pixels.strides[0] < pixels.strides[1] else PIXELS
    want, got = afwMath.makeStatistics(plain, flags), afwMath.makeStatistics(pixels, flags)
    for one in (afwMath.MEAN, afwMath.MEDIAN, afwMath.VARIANCECLIP):
        assert got.getValue(one) == want.getValue(one)


def test_arguments_that_statistics_refuse(image: afwImage.MaskedImageF) -> None:
    result = afwMath.makeStatistics(PIXELS, afwMath.MEAN | afwMath.MEDIAN)
    with pytest.raises(errors.InvalidParameterError, match="never asked for STDEV"):
        result.getValue(afwMath.STDEV)
    with pytest.raises(errors.InvalidParameterError, match=r"MEAN \| MEDIAN"):
        result.getValue()
    assert np.isnan(result.getError(afwMath.MEAN))
    for call, match in (
        (lambda: afwMath.makeStatistics(np.zeros((0, 3), np.float32), afwMath.MEAN), "no pixels.*3 x 0"),
        (lambda: afwMath.makeStatistics(PIXELS, "FOO"), "FOO.*MEANCLIP"),
        (lambda: afwMath.makeStatistics(PIXELS, 1 << 20), "1048576"),
        (lambda: afwMath.makeStatistics(PIXELS), "flags is None"),
        (lambda: afwMath.makeStatistics(image, afwMath.MEAN, 3), "sctrl is a int"),
        (lambda: afwMath.makeStatistics(image, mask=image.mask, flags=afwMath.MEAN), "mask of its own"),
        (lambda: afwMath.StatisticsControl(numSigmaClip=0), "numSigmaClip = 0"),
        (lambda: afwMath.StatisticsControl(numIter=0), "numIter = 0"),
        (lambda: afwMath.StatisticsControl().setMaskPropagationThreshold(32, 0.1), "32"),
    ):
        with pytest.raises((ValueError, IndexError), match=match):
            call()
    with pytest.raises(errors.InvalidParameterError, match=r"79 x 60.*80 x 60"):
        afwMath.makeStatistics(PIXELS, np.zeros((60, 79), np.int32), afwMath.MEAN)


def test_mask_bits_are_32_bits_however_written() -> None:
    assert afwMath.StatisticsControl(andMask=0x80000001).getAndMask() == -0x7FFFFFFF
    control = afwMath.StatisticsControl()
    control.setAndMask(0xFFFFFFFF)
    assert control.getAndMask() == -1
    with pytest.raises(errors.InvalidParameterError, match="4294967296"):
        control.setAndMask(1 << 32)


def test_nothing_good() -> None:
    result = afwMath.makeStatistics(
        np.full((3, 3), np.nan, np.float32),
        afwMath.MEAN | afwMath.NPOINT | afwMath.SUM | afwMath.MIN | afwMath.MEANCLIP | afwMath.NMASKED,
    )
    assert [result.getValue(p) for p in (afwMath.NPOINT, afwMath.SUM, afwMath.NMASKED)] == [0, 0, 9]
    assert all(np.isnan(result.getValue(p)) for p in (afwMath.MEAN, afwMath.MIN, afwMath.MEANCLIP))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint16, np.uint64])
def test_large_images_agree_with_numpy(dtype: Any) -> None:
    # An image that is too large to be packed into memory, so that pixels are selected by counting.
    array = np.abs(RNG.normal(1000, 300, (700, 611))).astype(dtype)
    result = afwMath.makeStatistics(
        array, afwMath.MEAN | afwMath.MEDIAN | afwMath.IQRANGE | afwMath.MIN | afwMath.STDEV
    )
    wide = array.astype(np.float64)
    assert result.getValue(afwMath.MEAN) == pytest.approx(wide.mean(), rel=1e-12)
    assert result.getValue(afwMath.STDEV) == pytest.approx(wide.std(ddof=1), rel=1e-12)
    assert result.getValue(afwMath.MIN) == array.min()
    if np.dtype(dtype).kind == "f":
        assert result.getValue(afwMath.MEDIAN) == pytest.approx(np.median(wide), rel=1e-15)
        assert result.getValue(afwMath.IQRANGE) == pytest.approx(np.subtract(*np.percentile(wide, [75, 25])), rel=1e-12)
    else:
        value = np.sort(array.ravel())[int(0.5 * (array.size - 1))]
        tie_aware = value - 0.5 + (0.5 * array.size - (array < value).sum()) / (array == value).sum()
        assert result.getValue(afwMath.MEDIAN) == pytest.approx(float(tie_aware), rel=1e-15)


def test_threads_do_not_change_bits() -> None:
    array = RNG.normal(1000, 10, (900, 1100)).astype(np.float32)
    flags = afwMath.MEAN | afwMath.STDEVCLIP | afwMath.MEDIAN | afwMath.SUM
    one, two = (afwMath.makeStatistics(array, flags, num_threads=n) for n in (1, 2))
    for p in (afwMath.MEAN, afwMath.STDEVCLIP, afwMath.MEDIAN, afwMath.SUM):
        assert one.getValue(p) == two.getValue(p)
    control = afwMath.BackgroundControl(9, 7)
    serial, threaded = (afwMath.makeBackground(array, control, num_threads=n) for n in (1, 3))
    np.testing.assert_array_equal(serial.getImageF(num_threads=1).array, threaded.getImageF(num_threads=3).array)
    with pytest.raises(ValueError, match="num_threads = 0"):
        evensky.set_num_threads(0)
    with pytest.raises(ValueError, match="num_threads = -1"):
        afwMath.makeStatistics(array, flags, num_threads=-1)


FLOATS = (
    afwMath.SUM
    | afwMath.MEAN
    | afwMath.STDEV
    | afwMath.VARIANCE
    | afwMath.MEANSQUARE
    | afwMath.MEDIAN
    | afwMath.IQRANGE
    | afwMath.MAD
    | afwMath.MEANCLIP
    | afwMath.STDEVCLIP
    | afwMath.VARIANCECLIP
    | afwMath.MIN
    | afwMath.MAX
)
COUNTS = afwMath.NPOINT | afwMath.NCLIPPED | afwMath.NMASKED


def each(flags: int) -> list[afwMath.Property]:
    return [one for one in afwMath.Property if int(one) & flags]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 4), (60, 80), (600, 500)], ids=["small", "middle", "large"])
@pytest.mark.parametrize("kind", ["plain", "weights", "errors"])
def test_a_nan_that_is_not_rejected_reaches_every_property(dtype: Any, shape: tuple[int, int], kind: str) -> None:
    pixels = np.random.default_rng(4).normal(100, 5, shape).astype(dtype)
    control = afwMath.StatisticsControl(andMask=1, isNanSafe=False)
    weights = np.full(shape, 2.0, np.float32) if kind == "weights" else None
    control.setCalcErrorFromInputVariance(kind == "errors")
    mask = np.zeros(shape, np.int32)
    image = afwImage.makeMaskedImageFromArrays(pixels.copy(), mask, np.ones(shape, np.float32))
    size = pixels.size
    for place in (0, size // 2, size - 1):
        image.image.array[...] = pixels
        image.image.array.flat[place] = np.nan
        got = afwMath.makeStatistics(image, FLOATS | COUNTS, control, weights=weights)
        for one in each(FLOATS):
            assert np.isnan(got.getValue(one)), one
        assert [got.getValue(one) for one in each(COUNTS)] == [size, size, 0]
        # Each alone, too, and a bad pixel does not count.
        assert np.isnan(afwMath.makeStatistics(image, afwMath.MIN, control, weights=weights).getValue())
        image.mask.array.flat[place] = 1
        got = afwMath.makeStatistics(image, FLOATS | COUNTS, control, weights=weights)
        good = np.delete(pixels.ravel(), place)
        assert (got.getValue(afwMath.MIN), got.getValue(afwMath.MAX)) == (good.min(), good.max())
        assert got.getValue(afwMath.MEDIAN) == pytest.approx(np.median(good), rel=1e-7)
        assert [got.getValue(one) for one in each(COUNTS)][0::2] == [size - 1, 1]
        image.mask.array[...] = 0


def test_infinite_pixels_that_are_not_rejected_are_extremes() -> None:
    control = afwMath.StatisticsControl(isNanSafe=False)
    got = afwMath.makeStatistics([1.0, np.inf, 3.0, -np.inf, 2.0], FLOATS, control)
    assert [got.getValue(one) for one in (afwMath.MIN, afwMath.MAX, afwMath.MEDIAN)] == [-np.inf, np.inf, 2.0]
    assert np.isnan(got.getValue(afwMath.MEAN))


def test_a_nan_without_a_weight_reaches_the_order_statistics_alone() -> None:
    image = afwImage.MaskedImageF(4, 1)
    image.image.array[...] = [1.0, np.nan, 3.0, 5.0]
    image.variance.array[...] = [1.0, 0.0, 1.0, 1.0]
    got = afwMath.makeStatistics(image, FLOATS, afwMath.StatisticsControl(isNanSafe=False, useWeights=True))
    assert [got.getValue(one) for one in (afwMath.MIN, afwMath.MAX, afwMath.MEAN)] == [1.0, 5.0, 3.0]
    assert np.isnan(got.getValue(afwMath.MEDIAN))


def test_names_of_the_original(image: afwImage.MaskedImageF) -> None:
    control = afwMath.StatisticsControl(andMask=1)
    control.setCalcErrorFromInputVariance(True)
    flags = afwMath.MEAN | afwMath.ERRORS
    want = afwMath.makeStatistics(image, flags, control).getResult()
    planes = image.image, image.mask, image.variance
    for got in (
        afwMath.makeStatistics(mimg=image, flags=flags, sctrl=control),
        afwMath.makeStatistics(img=planes[0], msk=planes[1], var=planes[2], flags=flags, sctrl=control),
        afwMath.makeStatistics(planes[0], planes[1], planes[2], flags, control),
        afwMath.makeStatistics(
            planes[0].array, mask=planes[1].array, variance=planes[2].array, flags=flags, sctrl=control
        ),
        afwMath.makeStatistics(x=image, flags=flags, sctrl=control),
    ):
        assert got.getResult() == want
    assert afwMath.makeStatistics(v=[1.0, 3.0], vweights=[3.0, 1.0], flags=afwMath.MEAN).getValue() == 1.5
    assert afwMath.makeStatistics(mv=afwImage.MaskedVectorF([1, 5]), flags=afwMath.MEAN).getValue() == 3
    assert afwMath.makeStatistics(msk=image.mask, flags=afwMath.SUM).getValue() == np.bitwise_or.reduce(
        image.mask.array, axis=None
    )
    with pytest.raises(TypeError, match=r"'imgs'; the known ones are x.* img, mimg"):
        afwMath.makeStatistics(imgs=image, flags=flags)
    with pytest.raises(TypeError, match="needs an image"):
        afwMath.makeStatistics(flags=flags)
    with pytest.raises(errors.InvalidParameterError, match="mask was given twice"):
        afwMath.makeStatistics(image, msk=image.mask, mask=image.mask, flags=flags)
    with pytest.raises(errors.InvalidParameterError, match="variance of its own"):
        afwMath.makeStatistics(image, var=image.variance, flags=flags)


def test_planes_of_another_size_are_invalid_parameters(image: afwImage.MaskedImageF) -> None:
    for other in (
        {"msk": afwImage.Mask(3, 4)},
        {"var": np.ones((4, 3), np.float32)},
        {"weights": np.ones((4, 3), np.float32)},
    ):
        with pytest.raises(errors.InvalidParameterError, match="3 x 4 but the image is"):
            afwMath.makeStatistics(image.image, flags=afwMath.MEAN, **other)
    with pytest.raises(errors.InvalidParameterError, match="3 x 1 but the image is 2 x 1"):
        afwMath.makeStatistics([1.0, 2.0], np.ones(3), afwMath.MEAN)


def test_whether_to_weight_has_names() -> None:
    kinds = afwMath.StatisticsControl
    for value, expected in (
        (kinds.WEIGHTS_FALSE, (True, False)),
        (kinds.WEIGHTS_TRUE, (True, True)),
        (kinds.WEIGHTS_NONE, (False, False)),
        (False, (True, False)),
        (True, (True, True)),
        (None, (False, False)),
    ):
        control = kinds(3.0, 3, 0x0, True, value)
        for one in (control, pickle.loads(pickle.dumps(control))):
            assert (one.getWeightedIsSet(), one.getWeighted()) == expected
    assert [int(one) for one in kinds.WeightsBoolean] == [0, 1, 2]


@pytest.mark.parametrize("vector", [range(1, 5), (1, 2, 3, 4), [1, 2, 3, 4], np.arange(1, 5)])
def test_any_sequence_of_numbers_is_a_vector(vector: Any) -> None:
    statistics = afwMath.makeStatistics(vector, afwMath.MEAN | afwMath.NPOINT)
    assert (statistics.getValue(afwMath.MEAN), statistics.getValue(afwMath.NPOINT)) == (2.5, 4)
    assert afwMath.statisticsStack([vector, range(1, 5)], afwMath.SUM) == [2, 4, 6, 8]


@pytest.mark.parametrize("dtype", [np.int32, np.uint16, np.uint64])
def test_equal_integers_stand_for_a_range_of_one(dtype: Any) -> None:
    # An integer v stands for v - 0.5 to v + 0.5, so that the quartiles of equal pixels are at v - 0.25 and v + 0.25.
    wanted = afwMath.MEDIAN | afwMath.IQRANGE | afwMath.STDEV
    statistics = afwMath.makeStatistics(np.full((9, 9), 7, dtype), wanted)
    assert statistics.getValue(afwMath.MEDIAN) == 7.0
    assert statistics.getValue(afwMath.IQRANGE) == 0.5
    assert statistics.getValue(afwMath.STDEV) == 0.0
    assert afwMath.makeStatistics(np.full((1, 1), 7, dtype), afwMath.IQRANGE).getValue() == 0.0
    assert "7.25" in str(afwMath.makeStatistics.__doc__)


@pytest.mark.parametrize("unit", [1e-165, 1e-300, 1e-38, 1e30])
def test_float64_pixels_of_any_size_have_a_scatter(unit: float) -> None:
    pixels = PIXELS.astype(np.float64)
    plain = afwMath.makeStatistics(pixels, afwMath.MEANCLIP | afwMath.STDEV | afwMath.STDEVCLIP | afwMath.ERRORS)
    scaled = afwMath.makeStatistics(
        pixels * unit, afwMath.MEANCLIP | afwMath.STDEV | afwMath.STDEVCLIP | afwMath.ERRORS
    )
    for prop in (afwMath.MEANCLIP, afwMath.STDEV, afwMath.STDEVCLIP):
        assert scaled.getValue(prop) == pytest.approx(plain.getValue(prop) * unit, rel=1e-12, abs=0.0)
        assert scaled.getError(prop) == pytest.approx(plain.getError(prop) * unit, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("weights", ["plane", "some without a weight", "negative", "inverse", "inverse, some without"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_of_moments_are_those_beside_clipping(weights: str, dtype: Any) -> None:
    # Moments compute weights while they are summed up, beside order statistics, too; clipping needs them to be stored.
    rng = np.random.default_rng(3)
    image = rng.normal(100, 5, (400, 500)).astype(dtype)
    variance = rng.uniform(1, 9, image.shape).astype(np.float32)
    plane = variance.copy()
    if "without" in weights:
        plane[rng.random(image.shape) < 0.01] = -np.inf
        lacks = rng.random(image.shape) < 0.01
        variance[lacks] = rng.choice([0, -1, np.nan], lacks.sum())
    if weights == "negative":
        plane[7, 7] = -1
    mask = (rng.random(image.shape) < 0.1).astype(np.int32)
    given = None if "inverse" in weights else plane
    for with_errors in (False, True):
        sctrl = afwMath.StatisticsControl(3, 3, 1)
        sctrl.setWeighted(True)
        sctrl.setCalcErrorFromInputVariance(with_errors)
        some = afwMath.MEAN | afwMath.STDEV | afwMath.NPOINT | afwMath.ERRORS

        def measured(flags: int, threads: int, sctrl: Any = sctrl) -> list[tuple[float, float]]:
            planes = (image, mask, variance, given)
            stats = evensky._core.makeStatistics(*planes, int(flags), sctrl, threads)
            return [stats.getResult(each) for each in (afwMath.MEAN, afwMath.STDEV, afwMath.NPOINT)]

        wanted = measured(some | afwMath.MEANCLIP, 1)
        for threads, flags in itertools.product((1, 3), (some, some | afwMath.MEDIAN)):
            np.testing.assert_array_equal(measured(flags, threads), wanted)
        w = plane.astype(np.float64)
        if given is None:
            w = np.divide(1.0, variance, out=np.zeros(image.shape), where=variance > 0, dtype=np.float64)
        w = np.where((mask == 0) & np.isfinite(w), w, 0)
        assert wanted[0][0] == pytest.approx(np.average(image.astype(np.float64), weights=w), rel=1e-12)


def test_pixels_near_the_largest_number_overflow_nowhere() -> None:
    # Windows and ranges that reach beyond float32 end at its infinities. (C++ does not define the conversion.)
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    overflow = 8  # FE_OVERFLOW on x86-64
    rng = np.random.default_rng(1)
    largest = float(np.finfo(np.float32).max)
    for sign in (1, -1):
        image = (sign * largest * (1 - 1e-6 - 1e-3 * rng.random((128, 128)))).astype(np.float32)
        libm.feclearexcept(overflow)
        stats = afwMath.makeStatistics(image, afwMath.MEDIAN | afwMath.MEANCLIP, afwMath.StatisticsControl())
        if platform.machine() == "x86_64":
            assert libm.fetestexcept(overflow) == 0
        assert stats.getValue(afwMath.MEDIAN) == np.median(image.astype(np.float64))
        assert stats.getValue(afwMath.MEANCLIP) == pytest.approx(image.mean(dtype=np.float64), rel=1e-12)
