"""Bad input to statistics and their controls: refused, with the value in the message, or taken as a number."""

# Arguments of wrong types are the subject of these tests.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from astropy.nddata import CCDData, InverseVariance, NDData, StdDevUncertainty, UnknownUncertainty, VarianceUncertainty
from astropy.units import Quantity
from bad_input import (
    BASIC,
    HUGE,
    INF,
    INVALID,
    LENGTH,
    NAN,
    ONES,
    RANGE,
    STATE,
    UNKNOWN,
    Row,
    WrongRow,
    control,
    full_of_planes,
    image,
    new,
    numbers,
    of_the_wrong_type,
    refused,
    restored,
)
from numpy.lib.stride_tricks import as_strided

import evensky
import evensky.image as afwImage
import evensky.math as afwMath

# The call, the error, the built-in exception that it derives from, and a pattern of the message.
REFUSED: list[Row] = [
    ("no pixels", lambda: afwMath.makeStatistics(ONES[:0], afwMath.MEAN), *INVALID, "no pixels: its size is 20 x 0"),
    *(
        (
            f"flags {value!r}",
            lambda value=value: afwMath.makeStatistics(ONES, value),
            *INVALID,
            f"{re.escape(repr(value))}; it must be Property values",
        )
        for value in (1.5, NAN, INF, None)
    ),
    (
        "flags that are none",
        lambda: afwMath.makeStatistics(ONES, 1 << 20),
        *INVALID,
        f"1048576 hold unknown bits; the known ones are {sum(afwMath.Property)}",
    ),
    ("flags misspelt", lambda: afwMath.makeStatistics(ONES, "MEEN"), *UNKNOWN, '"MEEN"; .*MEAN'),
    (
        "a control that is none",
        lambda: afwMath.makeStatistics(ONES, afwMath.MEAN, "x"),
        *INVALID,
        "sctrl is a str; it must be a StatisticsControl",
    ),
    (
        "too many arguments",
        lambda: afwMath.makeStatistics(image(), ONES, afwMath.MEAN, control(), 3),
        *INVALID,
        "1 arguments too many",
    ),
    (
        "flags twice",
        lambda: afwMath.makeStatistics(ONES, afwMath.MEAN, flags=afwMath.MEAN),
        *INVALID,
        "flags was given twice",
    ),
    (
        "threads",
        lambda: afwMath.makeStatistics(ONES, afwMath.MEAN, num_threads=-1),
        *INVALID,
        "num_threads = -1; it must be at least 1",
    ),
    ("default threads", lambda: evensky.set_num_threads(0), *INVALID, "num_threads = 0; it must be at least 1"),
    (
        "images for flags",
        lambda: afwMath.makeStatistics(image(), image(), image(), image(), afwMath.MEAN),
        *INVALID,
        r"^flags is [^\n]*; it must be Property values",
    ),
    (
        "weights of another size",
        lambda: afwMath.makeStatistics(image(), afwImage.ImageF(3, 4), afwMath.MEAN),
        *INVALID,
        "weights image is 3 x 4 but the image is 20 x 20",
    ),
    (
        "weights refused",
        lambda: afwMath.makeStatistics(image(), afwImage.ImageF(20, 20), afwMath.MEAN, control(Weighted=False)),
        *INVALID,
        "Weighted is false",
    ),
    (
        "errors both ways",
        lambda: afwMath.makeStatistics(
            image(), afwMath.MEAN, control(CalcErrorFromInputVariance=True, CalcErrorMosaicMode=True)
        ),
        *INVALID,
        "Both",
    ),
    (
        "a property that was not requested",
        lambda: afwMath.makeStatistics(ONES, afwMath.MEAN).getValue(afwMath.MEDIAN),
        *INVALID,
        "MEDIAN",
    ),
    (
        "one of two properties",
        lambda: afwMath.makeStatistics(ONES, afwMath.MEAN | afwMath.MEDIAN).getValue(),
        *INVALID,
        "MEAN",
    ),
    ("the mean of a mask", lambda: afwMath.makeStatistics(afwImage.Mask(3, 3), afwMath.MEAN), *INVALID, "NPOINT|SUM"),
    (
        "a second mask",
        lambda: afwMath.makeStatistics(image(), afwImage.Mask(20, 20), afwMath.MEAN),
        *INVALID,
        "mask of its own",
    ),
    (
        "a mask of another size",
        lambda: afwMath.makeStatistics(ONES, afwImage.Mask(3, 4), afwMath.MEAN),
        *INVALID,
        "The mask is 3 x 4 but the image is 20 x 20",
    ),
    (
        "an uncertainty of no kind",
        lambda: afwMath.makeStatistics(NDData(ONES, uncertainty=UnknownUncertainty(ONES)), afwMath.MEAN),
        *INVALID,
        "unknown.*std, var or ivar",
    ),
    *(
        (
            f"numSigmaClip {value}",
            lambda value=value: afwMath.StatisticsControl(value),
            *INVALID,
            f"numSigmaClip = {value:g}; it must be > 0",
        )
        for value in (0.0, -1.0, NAN, -INF)
    ),
    *(
        (
            f"setNumSigmaClip {value}",
            lambda value=value: control(NumSigmaClip=value),
            *INVALID,
            "numSigmaClip = .*; it must be > 0",
        )
        for value in (0.0, NAN)
    ),
    *(
        (
            f"numIter {value}",
            lambda value=value: afwMath.StatisticsControl(3.0, value),
            *INVALID,
            f"numIter = {value}; it must be > 0",
        )
        for value in (0, -1, -(2**31))
    ),
    *(
        (
            f"mask bit {bit}",
            lambda bit=bit: control(MaskPropagationThreshold=(bit, 0.5)),
            *RANGE,
            f"Mask bit {bit} does not exist; bits are 0 to 31",
        )
        for bit in (-1, 32, 2**31 - 1)
    ),
    (
        "a mask of NDData beyond 32 bits",
        lambda: afwMath.makeStatistics(NDData(ONES, mask=np.full((20, 20), 2**40)), afwMath.MEAN),
        *RANGE,
        "Mask holds",
    ),
    *(
        (f"flags {value!r} of an image", lambda value=value: afwMath.makeStatistics(ONES, value), error, builtin, says)
        for value, error, builtin, says in (
            (-1, *INVALID, "flags -1 hold unknown bits"),
            ("", *UNKNOWN, 'property ""; the known ones'),
            ("MEAN|MEDIAN", *UNKNOWN, '"MEAN|MEDIAN"'),
            (b"MEAN", *INVALID, "flags is b'MEAN'"),
            (1j, *INVALID, "flags is 1j"),
        )
    ),
    *(
        (
            f"no values: {value!r}",
            lambda value=value: afwMath.makeStatistics(value, afwMath.MEAN),
            *INVALID,
            "no pixels",
        )
        for value in (
            [],
            (),
            [[], []],
            np.array([]),
            np.zeros((2, 0)),
            afwImage.MaskedVectorF([]),
            afwImage.ImageF(0, 0),
        )
    ),
    ("a mask of no pixels", lambda: afwMath.makeStatistics(afwImage.Mask(0, 0), afwMath.SUM), *INVALID, "0 x 0"),
    *(
        (
            f"mask of {mask.dtype}",
            lambda mask=mask: afwMath.makeStatistics(ONES, afwMath.MEAN, mask=mask),
            *INVALID,
            f"mask has dtype {mask.dtype}; it must be boolean or an integer",
        )
        for mask in (np.zeros((20, 20)), np.zeros((20, 20), object))
    ),
    *(
        (
            f"mask of {mask.dtype} beyond 32 bits",
            lambda mask=mask: afwMath.makeStatistics(ONES, afwMath.MEAN, mask=mask),
            *RANGE,
            "Mask holds",
        )
        for mask in (np.full((20, 20), 2**32), np.full((20, 20), 2**63, "u8"), np.full((20, 20), -(2**31) - 1))
    ),
    (
        "a mask of three dimensions",
        lambda: afwMath.makeStatistics(ONES, afwMath.MEAN, mask=np.zeros((20, 20, 1), "i4")),
        *INVALID,
        r"mask has shape \(20, 20, 1\)",
    ),
    ("weights of i", lambda: afwMath.makeStatistics(ONES, "MEAN", weights=ONES * 1j), *INVALID, "dtype complex64"),
    ("one weight", lambda: afwMath.makeStatistics(ONES, "MEAN", weights=3), *INVALID, r"shape \(\)"),
    ("weights too many", lambda: afwMath.makeStatistics([1.0, 2.0], [1, 2, 3], "MEAN"), *INVALID, "3 x 1 .* 2 x 1"),
    ("threads -2^31", lambda: afwMath.makeStatistics(ONES, "MEAN", num_threads=-(2**31)), *INVALID, "-2147483648"),
    *(
        (f"result {value}", lambda value=value: afwMath.makeStatistics(ONES, "MEAN").getValue(value), *INVALID, says)
        for value, says in (
            (-1, r"-1 .*is not one statistics property"),
            (1 << 20, "1048576 .*is not one"),
            (36, r"36 \(MEAN \| MEDIAN\) is not one"),
            (1, r"1 \(ERRORS\) is not one"),
        )
    ),
    *(
        (f"bits {bits}", lambda bits=bits: control(AndMask=bits), *INVALID, f"bits {bits} do not fit into 32 bits")
        for bits in (2**32, -(2**31) - 1)
    ),
    *(
        (f"state {name}", lambda state=state: restored(afwMath.StatisticsControl, *state), error, builtin, says)
        for name, state, error, builtin, says in (
            ("without clipping", (0.0, *STATE[1:]), *INVALID, "numSigmaClip = 0"),
            ("of NaN", (NAN, *STATE[1:]), *INVALID, "numSigmaClip = nan"),
            ("of negative rounds", (3.0, -3, *STATE[2:]), *INVALID, "numIter = -3"),
            ("of plane 99", (*STATE[:8], {99: 0.5}), *RANGE, "Mask bit 99"),
        )
    ),
    (
        "a masked image as a mask",
        lambda: afwMath.makeStatistics(afwImage.Mask(3, 3), ONES, "SUM"),
        *INVALID,
        "no second",
    ),
    (
        "threads of a mask",
        lambda: afwMath.makeStatistics(afwImage.Mask(3, 3), "SUM", num_threads=-1),
        *INVALID,
        "num_threads = -1",
    ),
    *(
        (
            f"threshold {value}",
            lambda value=value: control(MaskPropagationThreshold=(0, value)),
            *INVALID,
            f"{value:g}",
        )
        for value in (NAN, -1.0, INF)
    ),
    (
        "weights of i in a list",
        lambda: afwMath.makeStatistics([1.0, 2], [1j, 2], "MEAN"),
        *INVALID,
        "complex128",
    ),
    (
        "variances of i",
        lambda: afwMath.makeStatistics(NDData(ONES, uncertainty=VarianceUncertainty(ONES * 1j)), "MEAN"),
        *INVALID,
        "complex",
    ),
    ("values of words", lambda: afwMath.makeStatistics(["x"], "MEAN"), *INVALID, "<U1|'x'"),
    ("values of 400 digits", lambda: afwMath.makeStatistics([10**400], "MEAN"), *INVALID, "object|1000"),
    (
        "values that are ragged",
        lambda: afwMath.makeStatistics([1, [2]], "MEAN"),
        *INVALID,
        "cannot be made",
    ),
    ("weights of words", lambda: afwMath.makeStatistics([1.0, 2], ["a", "b"], "MEAN"), *INVALID, "<U1"),
    (
        "mask that is ragged",
        lambda: afwMath.makeStatistics(ONES, "MEAN", mask=[[1, 2], [3]]),
        *INVALID,
        "cannot be made",
    ),
    *(
        (
            f"NDData whose mask has shape {shape}",
            lambda shape=shape: afwMath.makeStatistics(NDData(ONES, mask=np.ones(shape, bool)), "MEAN"),
            *kind,
            re.escape(says),
        )
        for shape, kind, says in (((2, 2), LENGTH, "2 x 2"), ((20, 20, 2), INVALID, "(20, 20, 2)"))
    ),
]


test_refused = refused(REFUSED)


# Values that no binding takes: always a plain TypeError.
WRONG_TYPES: list[WrongRow] = [
    ("numSigmaClip", afwMath.StatisticsControl, ("x", None, 1j)),
    ("numIter", lambda value: afwMath.StatisticsControl(3.0, value), (1.5, NAN, "x", None, 2**31, HUGE)),
    ("andMask", lambda value: control(AndMask=value), (1.5, "x", None, HUGE)),
    ("threshold bit", lambda value: control(MaskPropagationThreshold=(value, 0.5)), (1.5, None, 2**31)),
    ("num_threads", lambda value: afwMath.makeStatistics(ONES, afwMath.MEAN, num_threads=value), (1.5, None, 2**31)),
    ("flags", lambda value: afwMath.makeStatistics(ONES, value), (2**31, HUGE)),
    ("statistics threads", lambda value: afwMath.makeStatistics(ONES, "MEAN", num_threads=value), ("x", NAN, HUGE)),
    ("value", lambda value: afwMath.makeStatistics(ONES, "MEAN").getValue(value), ("MEAN", 1.5, None, HUGE)),
    ("statistics themselves", lambda value: afwMath.Statistics(value), (1, None)),
    ("nan safe", lambda value: afwMath.StatisticsControl(3.0, 3, 0, value), ("x", [])),
    ("weighted", lambda value: control(Weighted=value), ("x", [])),
    ("no good pixels", lambda value: control(NoGoodPixelsMask=value), (1.5, "x", None, HUGE)),
    ("control state", lambda value: new(afwMath.StatisticsControl).__setstate__(value), (None, 3, "x")),
    ("a property that is none", afwMath.stringToStatisticsProperty, (None, 5)),
    ("all threads", evensky.set_num_threads, (None, 1.5, HUGE)),
]


test_of_the_wrong_type = of_the_wrong_type(WRONG_TYPES)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        pytest.param(ONES.astype(bool), [400, 1, 1, 1, 1, 1], id="bool"),
        *(
            pytest.param(ONES.astype(dtype), [400, 1, 1, 1, 1, 1], id=dtype)
            for dtype in ("f2", "i1", "u1", "i2", ">i2", "u4", "i8", ">f4", ">f8", ">u8", "g")
        ),
        pytest.param([[1, 2], [3, 4]], [4, 2.5, 2.5, 2.5, 1, 4], id="lists"),
        pytest.param(np.arange(400.0).reshape(20, 20)[::-1, ::-2], [200, 200, 200, 200, 1, 399], id="turned round"),
        pytest.param(np.arange(400.0).reshape(20, 20).T[3:, ::3], [119, 191, 191, 191, 3, 379], id="transposed"),
        pytest.param(
            np.ma.masked_greater(np.arange(101.0).reshape(1, -1), 10), [11, 5, 5, 5, 0, 10], id="masked array"
        ),
        pytest.param(np.ma.array(ONES), [400, 1, 1, 1, 1, 1], id="masked array without mask"),
        pytest.param(np.float32([[5]]), [1, 5, 5, 5, 5, 5], id="one pixel"),
        pytest.param(np.full((30, 30), NAN, "f4"), [0, NAN, NAN, NAN, NAN, NAN], id="NaN only"),
        pytest.param(np.full((30, 30), INF, "f4"), [0, NAN, NAN, NAN, NAN, NAN], id="infinite only"),
        pytest.param(np.array([[1, NAN, INF, -INF, 3]], "f4"), [2, 2, 2, 2, 1, 3], id="some finite"),
        pytest.param(np.full((30, 30), np.finfo("f4").max), [900, *[float(np.finfo("f4").max)] * 5], id="largest"),
        pytest.param(
            np.full((30, 30), np.finfo("f4").smallest_subnormal),
            [900, *[float(np.finfo("f4").smallest_subnormal)] * 5],
            id="denormal",
        ),
        # Values beyond the range of float32 are not finite, as in the original.
        pytest.param(np.array([[1e200, 5.0]]), [1, 5, 5, 5, 5, 5], id="too large for float32"),
        pytest.param(np.full((700, 700), 7, "f4"), [490000, 7, 7, 7, 7, 7], id="constant"),
        pytest.param(np.full((9, 9), 2**64 - 1, "u8"), [81, *[2.0**64] * 5], id="uint64 near its end"),
        pytest.param(
            np.array([[-(2**31), 2**31 - 1]] * 9, "i4"), [18, -0.5, None, -0.5, -(2**31), 2**31 - 1], id="int32"
        ),
        pytest.param(np.full((300, 300), 65535, "u2"), [90000, *[65535] * 5], id="uint16"),
    ],
)
def test_taken(array: Any, expected: list[float | None]) -> None:
    before = np.array(array, copy=True)
    for name, value, want in zip(BASIC, numbers(array, *BASIC), expected, strict=True):
        if want is not None:
            np.testing.assert_allclose(value, want, rtol=1e-14, err_msg=str(name))
    np.testing.assert_array_equal(np.asarray(array), before)


def test_sums_do_not_overflow() -> None:
    assert numbers(np.full((300, 300), 65535, "u2"), afwMath.SUM) == [90000 * 65535]
    assert numbers(np.full((300, 300), 2**31 - 1, "i4"), afwMath.SUM) == [90000 * (2**31 - 1)]
    squares = numbers(np.full((9, 9), 3e38, "f4"), afwMath.MEANSQUARE, afwMath.STDEV)
    np.testing.assert_allclose(squares, [float(np.float32(3e38)) ** 2, 0.0])


@pytest.mark.parametrize("value", [0.0, -1.0, NAN])
def test_variances_that_give_no_weight(value: float) -> None:
    masked = image()
    masked.variance.array[:] = value
    weighted = numbers(masked, afwMath.NPOINT, afwMath.MEAN, sctrl=control(Weighted=True))
    np.testing.assert_array_equal(weighted, [0, NAN])
    masked.variance.array[0, 0] = 4.0
    assert numbers(masked, afwMath.NPOINT, afwMath.MEAN, sctrl=control(Weighted=True)) == [1, 1]


def test_astropy_data() -> None:
    data = CCDData(np.arange(4.0).reshape(2, 2), unit="adu", mask=np.array([[False, True], [False, False]]))
    data.uncertainty = StdDevUncertainty(np.full((2, 2), 2.0))
    assert numbers(data, afwMath.NPOINT, afwMath.SUM) == [3, 5]
    assert numbers(NDData(ONES, mask=np.int64(1) * np.eye(20, dtype=int)), afwMath.NPOINT) == [400]


def test_all_32_planes_count() -> None:
    mask = full_of_planes()
    mask.array[0] = [1 << 30, -(2**31), 0]
    assert mask.getPlaneBitMask("P31") == -(2**31)
    masked = afwImage.MaskedImageF(afwImage.ImageF(np.arange(9, dtype=np.float32).reshape(3, 3)), mask)
    assert numbers(masked, afwMath.NPOINT, sctrl=control(AndMask=mask.getPlaneBitMask(["P30", "P31"]))) == [7]
    unsigned = afwImage.Mask(np.array([[2**31, 2**32 - 1]], np.uint32))
    assert unsigned.array.tolist() == [[-(2**31), -1]]


def test_more_than_2_31_pixels() -> None:
    # All rows share the same memory. Pixels are counted in the same way whatever their type, and those of float32 are
    # not converted; the next test has whole numbers, which are.
    row = np.arange(46350, dtype=np.float32)
    large = np.broadcast_to(row, (46341, row.size))
    assert large.size > 2**31
    number, mean, least, most = numbers(large, afwMath.NPOINT, afwMath.MEAN, afwMath.MIN, afwMath.MAX, num_threads=2)
    assert (number, least, most) == (large.size, 0, 46349)
    assert mean == pytest.approx(46349 / 2, rel=1e-14)


def test_one_row_of_more_than_2_31_pixels() -> None:
    # All pixels share the same memory, so that they are converted, by pieces, like those of all whole numbers.
    pixel = np.array([3], np.uint16)
    row = as_strided(pixel, (1, 2**31 + 7), (0, 0), writeable=False)
    assert numbers(row, afwMath.NPOINT, afwMath.MEAN, afwMath.MIN, num_threads=2) == [2**31 + 7, 3, 3]


def test_a_state_that_is_set_takes_effect() -> None:
    sctrl = afwMath.StatisticsControl()
    sctrl.__setstate__((2.0, 9, *STATE[2:]))
    assert (sctrl.getNumSigmaClip(), sctrl.getNumIter()) == (2.0, 9)


@pytest.mark.parametrize(("weight", "mean"), [(0.0, 1.0), (-0.5, 0.0), (NAN, NAN), (INF, NAN), (1e-45, 1.0)])
def test_odd_weights(weight: float, mean: float) -> None:
    weights = np.array([[1.0, weight]], np.float32)
    got = numbers(np.array([[1.0, 2.0]]), afwMath.NPOINT, afwMath.MEAN, weights=weights)
    # Pixels are good whatever their weights.
    np.testing.assert_allclose(got, [2, mean], rtol=1e-7)


@pytest.mark.parametrize(
    ("variance", "error"),
    [(-1.0, NAN), (0.0, 0.0), (NAN, NAN), (INF, INF), (3e38, np.sqrt(float(np.float32(3e38))) / 9)],
)
def test_errors_of_odd_variances(variance: float, error: float) -> None:
    masked = image(1.0, 9, 9)
    masked.variance.array[:] = variance
    sctrl = control(CalcErrorFromInputVariance=True)
    result = afwMath.makeStatistics(masked, afwMath.MEAN | afwMath.ERRORS, sctrl).getResult(afwMath.MEAN)
    np.testing.assert_allclose(result, [1.0, error], rtol=1e-12)


@pytest.mark.parametrize("value", [NAN, INF])
def test_values_that_are_not_finite_count_on_request(value: float) -> None:
    got = numbers(np.array([[1, value, 3]]), afwMath.NPOINT, afwMath.MEAN, afwMath.MIN, sctrl=control(NanSafe=False))
    np.testing.assert_array_equal(got, [3, NAN, NAN if np.isnan(value) else 1])


def test_extremes_of_every_type() -> None:
    both = (afwMath.MIN, afwMath.MAX, afwMath.MEAN)
    assert numbers(np.array([[2**64 - 1, 0]], "u8"), *both) == [0, 2.0**64, 2.0**63]
    assert numbers(np.array([[2**63 - 1, -(2**63)]], "i8"), *both) == [-(2.0**63), 2.0**63, 0]
    assert numbers(np.array([[2**32 - 1, 0]], "u4"), *both) == [0, 2**32 - 1, (2**32 - 1) / 2]
    assert numbers(np.array([[127, -128]], "i1"), *both) == [-128, 127, -0.5]
    largest = float(np.finfo("f4").max)
    assert numbers(np.array([[-largest, largest]] * 9, "f4"), *both) == [-largest, largest, 0]
    assert numbers(np.full((9, 9), -(2**31), "i4"), afwMath.SUM, afwMath.MEANSQUARE) == [-81 * 2**31, 2.0**62]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        pytest.param(Quantity(ONES, "adu"), [400, 1, 1], id="quantity"),
        pytest.param(NDData(ONES, mask=True), [0, NAN, NAN], id="NDData all masked"),
        pytest.param(NDData(ONES, uncertainty=InverseVariance(ONES * 0)), [400, 1, 1], id="inverse variance 0"),
        pytest.param(np.ma.MaskedArray(ONES, mask=True), [0, NAN, NAN], id="masked array all masked"),
        pytest.param(np.ma.MaskedArray([1.0, 2, 3], mask=[1, 0, 0]), [2, 2.5, 2], id="masked vector"),
        pytest.param(memoryview(np.ones((2, 2))), [4, 1, 1], id="memory"),
        pytest.param(np.ones((3, 3), [("a", "i1"), ("b", "f8")])["b"], [9, 1, 1], id="field of packed records"),
        pytest.param(np.broadcast_to(np.float32(3), (4, 5)), [20, 3, 3], id="one number broadcast"),
        pytest.param(as_strided(np.arange(9.0), (3, 3), (16, 8)), [9, 3, 0], id="rows that overlap"),
        pytest.param([NAN, 1.0], [1, 1, 1], id="vector with NaN"),
    ],
)
def test_odd_arrays_are_taken(array: Any, expected: list[float]) -> None:
    np.testing.assert_array_equal(numbers(array, afwMath.NPOINT, afwMath.MEAN, afwMath.MIN), expected)
