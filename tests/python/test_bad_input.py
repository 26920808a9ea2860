"""Bad input to the Python API: what is refused says why, with the value; what is taken gives the right number."""

# Arguments of the wrong type are what this is about.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import contextlib
import copy
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.nddata import (
    CCDData,
    InverseVariance,
    NDData,
    StdDevUncertainty,
    UnknownUncertainty,
    VarianceUncertainty,
)
from astropy.units import Quantity
from lsst.pex.config import FieldValidationError
from numpy.lib.stride_tricks import as_strided

import evensky
import evensky.errors as errors
import evensky.geom as geom
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.tasks import DataRefMatcher, MatchBackgroundsConfig, MatchBackgroundsTask, Struct

HUGE = 2**63
NAN, INF = float("nan"), float("inf")
ONES = np.ones((20, 20), np.float32)
CHEBYSHEV = afwMath.ApproximateControl.CHEBYSHEV
AKIMA = afwMath.Interpolate.AKIMA_SPLINE
ALL = geom.Box2I(geom.Point2I(0, 0), geom.Extent2I(20, 20))

# What is called, the error, the built-in exception that it is too, and what the message says.
Row = tuple[str, Callable[[], Any], type[Exception], type[Exception], str]


def image(value: float = 1.0, width: int = 20, height: int = 20) -> afwImage.MaskedImageF:
    return afwImage.MaskedImageF(afwImage.ImageF(np.full((height, width), value, np.float32)))


def control(**settings: Any) -> afwMath.StatisticsControl:
    result = afwMath.StatisticsControl()
    for name, value in settings.items():
        getattr(result, f"set{name}")(*value if isinstance(value, tuple) else (value,))
    return result


def background(nx: int = 5, ny: int = 5) -> afwMath.BackgroundMI:
    return afwMath.makeBackground(image(), afwMath.BackgroundControl(nx, ny))


def bin_by(nx: Any, ny: Any, array: Any = ONES) -> Any:
    return afwMath.makeBackground(array, afwMath.BackgroundControl(nx, ny))


def fit(order: int = 1, grid: Any = None, x: Any = (0.0, 1.0, 2.0), y: Any = (0.0, 1.0, 2.0), **kwargs: Any) -> Any:
    actrl = afwMath.ApproximateControl(CHEBYSHEV, order)
    return afwMath.makeApproximate(x, y, np.ones((3, 3)) if grid is None else grid, kwargs.pop("bbox", ALL), actrl)


def task(**fields: Any) -> MatchBackgroundsTask:
    config = MatchBackgroundsConfig()
    config.update(**fields)
    return MatchBackgroundsTask(config=config)


def match(reference: Any, science: Any, **fields: Any) -> Struct:
    return task(**fields).matchBackgrounds(reference, science)


def exposure(value: float = 1.0, width: int = 20, height: int = 20) -> afwImage.ExposureF:
    return afwImage.ExposureF(image(value, width, height))


def full_of_planes() -> afwImage.Mask:
    return afwImage.Mask(np.zeros((3, 3), np.int32), mask_planes={f"P{number}": number for number in range(32)})


WRONG_ARRAYS: list[tuple[str, Any, str]] = [
    ("complex", ONES.astype(complex), "complex128"),
    ("text", ONES.astype(str), "<U"),
    ("objects", ONES.astype(object), "object"),
    ("records", np.zeros((3, 3), [("a", "f4")]), r"\('a', '<f4'\)"),
    ("times", np.zeros((2, 2), "M8[s]"), "datetime64"),
    ("3-d", ONES[None], r"\(1, 20, 20\)"),
    ("ragged", [[1, 2], [3]], "cannot be made"),
]
NO_ARRAYS: list[tuple[str, Any, str]] = [
    ("None", None, "object"),
    ("a word", "hello", "<U5"),
    ("a mapping", {}, "object"),
    ("0-d", np.float32(3), r"shape \(\)"),
]

# Each kind of error, and the built-in exception that it is too.
INVALID = errors.InvalidParameterError, ValueError
LENGTH = errors.LengthError, ValueError
RANGE = errors.OutOfRangeError, IndexError
UNKNOWN = errors.NotFoundError, ValueError
RUNTIME = errors.RuntimeError, RuntimeError
TASK = errors.TaskError, RuntimeError

REFUSED: list[Row] = [
    *(
        (f"{what} of {name}", lambda call=call, array=array: call(array), *INVALID, says)
        for name, array, says in WRONG_ARRAYS
        for what, call in (
            ("statistics", lambda array: afwMath.makeStatistics(array, afwMath.MEAN)),
            ("background", lambda array: bin_by(2, 2, array)),
            ("image", afwImage.ImageF),
            ("mask", afwImage.Mask),
            ("approximation", lambda array: fit(grid=array)),
        )
    ),
    *(
        (f"{what} of {name}", lambda call=call, array=array: call(array), *INVALID, says)
        for name, array, says in NO_ARRAYS
        for what, call in (
            ("statistics", lambda array: afwMath.makeStatistics(array, afwMath.MEAN)),
            ("background", lambda array: bin_by(2, 2, array)),
        )
    ),
    *(
        (
            f"{kind.__name__} of {value!r}",
            lambda kind=kind, value=value: kind(value),
            *INVALID,
            f"{kind.__name__} is made of width and height.*{re.escape(repr(value))}",
        )
        for kind in (afwImage.ImageF, afwImage.ImageI, afwImage.Mask)
        for value in (None, "hello", 3.5, {})
    ),
    # Statistics.
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
        "1048576 hold unknown bits; the known ones are 131071",
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
        "weights of another size",
        lambda: afwMath.makeStatistics(image(), afwImage.ImageF(3, 4), afwMath.MEAN),
        *LENGTH,
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
        "a property not asked for",
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
        *LENGTH,
        "The mask is 3 x 4 but the image is 20 x 20",
    ),
    (
        "an uncertainty of no kind",
        lambda: afwMath.makeStatistics(NDData(ONES, uncertainty=UnknownUncertainty(ONES)), afwMath.MEAN),
        *INVALID,
        "unknown.*std, var or ivar",
    ),
    # Controls.
    *(
        (
            f"numSigmaClip {value}",
            lambda value=value: afwMath.StatisticsControl(value),
            *INVALID,
            f"numSigmaClip = {value:.6f}; it must be > 0",
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
    *(
        (
            f"nxSample {value}",
            lambda value=value: afwMath.BackgroundControl(value, 3),
            *LENGTH,
            f"nxSample = {value}; it must be > 0",
        )
        for value in (0, -1)
    ),
    ("setNySample", lambda: afwMath.BackgroundControl(3, 3).setNySample(0), *LENGTH, "nySample = 0; it must be > 0"),
    ("style misspelt", lambda: afwMath.BackgroundControl("AKIMA", 3, 3), *UNKNOWN, '"AKIMA"; .*AKIMA_SPLINE'),
    (
        "undersample style misspelt",
        lambda: afwMath.BackgroundControl("LINEAR", 3, 3, "REDUCE"),
        *UNKNOWN,
        '"REDUCE".*REDUCE_INTERP_ORDER',
    ),
    (
        "property misspelt",
        lambda: afwMath.BackgroundControl("LINEAR", 3, 3, "THROW_EXCEPTION", None, "MEDIUM"),
        *UNKNOWN,
        '"MEDIUM".*MEDIAN',
    ),
    *(
        (
            f"order {value}",
            lambda value=value: afwMath.ApproximateControl(CHEBYSHEV, value),
            *INVALID,
            f"orderX = {value}; it must be >= 0",
        )
        for value in (-1, -(2**31))
    ),
    ("orders", lambda: afwMath.ApproximateControl(CHEBYSHEV, 3, 4), *INVALID, "3 != 4"),
    (
        "weight power",
        lambda: afwMath.ApproximateControl(CHEBYSHEV, 3).setWeightPower(3),
        *INVALID,
        "weightPower = 3; it must be 1",
    ),
    *(
        (
            f"{function.__name__} {name!r}",
            lambda function=function, name=name: function(name),
            *UNKNOWN,
            f'"{name}"; the known ones are',
        )
        for function in (
            afwMath.stringToStatisticsProperty,
            afwMath.stringToInterpStyle,
            afwMath.stringToUndersampleStyle,
        )
        for name in ("", "nope", " MEAN", "akima_spline")
    ),
    # Interpolation.
    (
        "knots of another number",
        lambda: afwMath.makeInterpolate([1, 2, 3, 4, 5], [1, 2]),
        *RANGE,
        "x has 5 points but y has 2",
    ),
    (
        "knots that do not increase",
        lambda: afwMath.makeInterpolate([1, 2, 2, 4, 5], [1, 2, 3, 4, 5]),
        *RANGE,
        r"x\[2\] = 2.000000 follows x\[1\] = 2.000000",
    ),
    ("a knot at NaN", lambda: afwMath.makeInterpolate([1, NAN, 3, 4, 5], [1, 2, 3, 4, 5]), *RANGE, r"x\[1\] = nan"),
    (
        "a knot at infinity",
        lambda: afwMath.makeInterpolate([1, 2, 3, 4, INF], [1, 2, 3, 4, 5]),
        *RANGE,
        r"x\[4\] = inf",
    ),
    (
        "knots too few",
        lambda: afwMath.makeInterpolate([1, 2, 3, 4], [1, 2, 3, 4]),
        *RANGE,
        "AKIMA_SPLINE needs at least 5 points; there are 4",
    ),
    ("no knots", lambda: afwMath.makeInterpolate([], [], "CONSTANT"), *RANGE, "at least 1 point; there are 0"),
    ("knots of two dimensions", lambda: afwMath.makeInterpolate(ONES, ONES), *RANGE, r"shape \(20, 20\)"),
    *(
        (
            f"style {value!r}",
            lambda value=value: afwMath.makeInterpolate(range(5), range(5), value),
            *INVALID,
            f"{re.escape(str(value))} does not exist",
        )
        for value in (-1, 7, 1.5, NAN, HUGE)
    ),
    *(
        (
            f"the most flexible style for {n}",
            lambda n=n: afwMath.lookupMaxInterpStyle(n),
            *INVALID,
            f"{n} points; at least 1",
        )
        for n in (0, -5)
    ),
    # Backgrounds.
    (
        "more bins than pixels",
        lambda: bin_by(21, 3),
        *INVALID,
        "bin .* of 21 over 20 pixels is empty; use at most 20 bins",
    ),
    ("as many bins as there are numbers", lambda: bin_by(2**31 - 1, 3), *INVALID, "of 2147483647 over 20 pixels"),
    ("no pixels for bins", lambda: bin_by(1, 1, ONES[:, :0]), *INVALID, "0 x 20"),
    ("too few bins", lambda: background(3, 5).getImageF(AKIMA), *INVALID, "nxSample = 3.*AKIMA_SPLINE, which needs 5"),
    (
        "smaller bins",
        lambda: background(3, 3).getImageF(AKIMA, afwMath.INCREASE_NXNYSAMPLE),
        *INVALID,
        "INCREASE_NXNYSAMPLE is not supported here",
    ),
    ("style UNKNOWN", lambda: background().getImageF(afwMath.Interpolate.UNKNOWN), *INVALID, "-1 does not exist"),
    (
        "a box outside",
        lambda: background().getImageF(geom.Box2I(geom.Point2I(15, 15), geom.Extent2I(6, 5))),
        *LENGTH,
        r"\(15:20,15:19\) out of range \(0:19,0:19\)",
    ),
    (
        "an order for too few bins",
        lambda: background().getApproximate(afwMath.ApproximateControl(CHEBYSHEV, 9, 9, False)),
        *RUNTIME,
        "order 9 has 55 terms, but the 25 usable points determine only 25",
    ),
    (
        "a grid of more bins than pixels",
        lambda: afwMath.BackgroundMI(geom.Box2I(geom.Point2I(0, 0), geom.Extent2I(3, 3)), image()),
        *INVALID,
        "of 20 over 3 pixels",
    ),
    ("a grid over nothing", lambda: afwMath.BackgroundMI(geom.Box2I(), image()), *INVALID, "no pixels"),
    # Approximation.
    ("positions of another number", lambda: fit(x=[0.0, 1.0]), *INVALID, "2 x and 3 y positions for a grid of 3 x 3"),
    ("too great an order", lambda: fit(order=4), *RUNTIME, "15 terms, but the 9 usable"),
    ("an order beyond all memory", lambda: fit(order=2**31 - 1), *RUNTIME, "the 9 usable"),
    ("no point", lambda: fit(grid=np.full((3, 3), NAN)), *RUNTIME, "none of the 9 points"),
    ("points at one place", lambda: fit(x=[1.0, 1.0, 1.0]), *RUNTIME, "determine only 2"),
    ("over nothing", lambda: fit(bbox=geom.Box2I()), *INVALID, "empty"),
    (
        "a greater order than the model's",
        lambda: fit().getImage(5),
        *INVALID,
        "Order 5 is greater than the model's, which is 1",
    ),
    ("different orders", lambda: fit().getImage(1, 0), *INVALID, "1 != 0"),
    # Images, masks, exposures.
    *(
        (
            f"{kind.__name__} of a negative size",
            lambda kind=kind: kind(-1, 3),
            *LENGTH,
            f"{kind.__name__} of -1 x 3 pixels",
        )
        for kind in (afwImage.ImageF, afwImage.ImageU, afwImage.Mask)
    ),
    ("more pixels than there are addresses", lambda: afwImage.ImageF(2**31, 2**31), *LENGTH, "2147483648 x 2147483648"),
    (
        "ImageI of 2^31",
        lambda: afwImage.ImageI(np.full((2, 2), 2**31)),
        *RANGE,
        "2147483648.*ImageI holds -2147483648 to 2147483647",
    ),
    ("ImageI of NaN", lambda: afwImage.ImageI(np.full((2, 2), NAN)), *RANGE, "nan"),
    ("ImageI of ImageF", lambda: afwImage.ImageI(afwImage.ImageF(np.full((2, 2), 1e20, "f4"))), *RANGE, "ImageI holds"),
    ("ImageU of 65536", lambda: afwImage.ImageU(np.array([[65536]])), *RANGE, "ImageU holds 0 to 65535"),
    ("ImageU of -1", lambda: afwImage.ImageU(np.array([[-1, 5]])), *RANGE, "from -1 to 5"),
    ("Mask of 2^40", lambda: afwImage.Mask(np.array([[2**40]])), *RANGE, "1099511627776; Mask holds"),
    ("Mask of fractions", lambda: afwImage.Mask(np.full((2, 2), 1.5)), *INVALID, "float64 and fractions"),
    ("Mask of NaN", lambda: afwImage.Mask(np.full((2, 2), NAN)), *INVALID, "fractions"),
    (
        "a mask of NDData beyond 32 bits",
        lambda: afwMath.makeStatistics(NDData(ONES, mask=np.full((20, 20), 2**40)), afwMath.MEAN),
        *RANGE,
        "Mask holds",
    ),
    (
        "planes of different shapes",
        lambda: afwImage.MaskedImageF(afwImage.ImageF(4, 5), afwImage.Mask(5, 4)),
        *LENGTH,
        "The mask is 5 x 4 but the image is 4 x 5",
    ),
    (
        "a variance of another shape",
        lambda: afwImage.MaskedImageF(afwImage.ImageF(4, 5), afwImage.Mask(4, 5), afwImage.ImageF(2, 2)),
        *LENGTH,
        "2 x 2",
    ),
    ("a pixel outside", lambda: afwImage.ImageF(3, 4)[3, 0, afwImage.LOCAL], *RANGE, r"\(3, 0\) is outside the box"),
    ("a part outside", lambda: afwImage.ImageF(3, 4)[ALL], *LENGTH, "is not inside the image's"),
    ("images of different sizes", lambda: afwImage.ImageF(3, 4).__iadd__(afwImage.ImageF(4, 3)), *LENGTH, "4 x 3"),
    (
        "a plane unknown",
        lambda: afwImage.Mask(3, 3).getPlaneBitMask("NOPE"),
        *UNKNOWN,
        "'NOPE'; the known ones are BAD, SAT",
    ),
    ("a plane that is none", lambda: afwImage.Mask(3, 3).getPlaneBitMask(3.5), *INVALID, "got 3.5"),
    ("a plane without a name", lambda: full_of_planes().addMaskPlane(""), *INVALID, "got ''"),
    (
        "the 33rd plane",
        lambda: full_of_planes().addMaskPlane("ONE_MORE"),
        *RUNTIME,
        "'ONE_MORE' cannot be added: all 32 planes are taken",
    ),
    (
        "planes that collide",
        lambda: afwImage.Mask(np.zeros((2, 2), np.int32), mask_planes={"A": 3, "B": 3}),
        *INVALID,
        "'A' and 'B' both have number 3",
    ),
    *(
        (
            f"plane number {number!r}",
            lambda number=number: afwImage.Mask(np.zeros((2, 2), np.int32), mask_planes={"A": number}),
            error,
            builtin,
            f"'A' has number {number!r}",
        )
        for number, error, builtin in (
            (32, *RANGE),
            (-1, *RANGE),
            (HUGE, *RANGE),
            (1.5, *INVALID),
            ("1", *INVALID),
            (True, *INVALID),
        )
    ),
    # Geometry.
    *(
        (f"coordinate {value!r}", lambda value=value: geom.Point2I(value, 0), error, builtin, re.escape(repr(value)))
        for value, error, builtin in (
            (1.5, *INVALID),
            (NAN, *INVALID),
            ("x", *INVALID),
            (HUGE, *RANGE),
            (-HUGE, *RANGE),
        )
    ),
    (
        "an origin beyond all numbers",
        lambda: afwImage.ImageF(3, 3).setXY0(HUGE, 0),
        *RANGE,
        "9223372036854775808 is not within",
    ),
    # Matching.
    ("no exposures", lambda: match(None, None), *INVALID, "NoneType; it must be"),
    ("arrays", lambda: match(ONES, ONES), *INVALID, "ndarray; it must be"),
    (
        "exposures of different sizes",
        lambda: match(exposure(), exposure(width=21)),
        *RUNTIME,
        r"sci:\(21, 20\) vs. ref:\(20, 20\)",
    ),
    (
        "a bin size greater than the image",
        lambda: match(exposure(), exposure(), usePolynomial=True),
        *INVALID,
        "256 = config.binSize > shorter dimension = 20",
    ),
    (
        "an order greater than the bins",
        lambda: match(exposure(), exposure(), usePolynomial=True, binSize=5),
        *INVALID,
        "8 = config.order > npoints - 1 = 3",
    ),
    (
        "no overlap",
        lambda: match(exposure(), exposure(NAN), usePolynomial=True, binSize=5, order=1),
        *INVALID,
        "No overlap with reference",
    ),
    ("a plane that nobody knows", lambda: match(exposure(), exposure(), badMaskPlanes=["NOPE"]), *UNKNOWN, "'NOPE'"),
    ("no exposure at all", lambda: task().run([], "x"), *TASK, "there are 0"),
    ("no dataset type", lambda: task().run([exposure()], ""), *TASK, "expDatasetType is ''"),
    ("a number as an exposure", lambda: task().run([3], "x"), *INVALID, "3 is a int"),
    (
        "scalers of another number",
        lambda: task().run([exposure()], "x", [None, None]),
        *RUNTIME,
        "2 image scalers for 1 exposures",
    ),
    (
        "exposures without good pixels",
        lambda: task().run([exposure(NAN), exposure(INF)], "x"),
        *TASK,
        "None of the 2 candidate",
    ),
    (
        "a configuration of another task",
        lambda: MatchBackgroundsTask(config=object()),
        *INVALID,
        "object; it must be a MatchBackgroundsConfig",
    ),
    ("a dataset type twice", lambda: Struct(a=1).mergeItems(Struct(a=2), "a"), *INVALID, "'a'"),
]


@pytest.mark.parametrize(("call", "kind", "builtin", "says"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_refused(call: Callable[[], Any], kind: type[Exception], builtin: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as raised:
        call()
    assert type(raised.value) is kind
    assert isinstance(raised.value, builtin)
    assert isinstance(raised.value, errors.EvenskyError)


# Numbers that are no numbers of the argument's kind are refused while arguments are bound.
UNBOUND: list[tuple[str, Callable[[Any], Any], tuple[Any, ...]]] = [
    ("numSigmaClip", afwMath.StatisticsControl, ("x", None, 1j)),
    ("numIter", lambda value: afwMath.StatisticsControl(3.0, value), (1.5, NAN, "x", None, 2**31, HUGE)),
    ("andMask", lambda value: control(AndMask=value), (1.5, "x", None, HUGE)),
    ("threshold bit", lambda value: control(MaskPropagationThreshold=(value, 0.5)), (1.5, None, 2**31)),
    ("nxSample", lambda value: afwMath.BackgroundControl(value, 3), (1.5, None, 2**31)),
    ("order", lambda value: afwMath.ApproximateControl(CHEBYSHEV, value), (1.5, None, 2**31)),
    ("num_threads", lambda value: afwMath.makeStatistics(ONES, afwMath.MEAN, num_threads=value), (1.5, None, 2**31)),
    ("knots", lambda value: afwMath.makeInterpolate(value, value), ("x", {}, [[1], [2, 3]], [1j])),
]


@pytest.mark.parametrize(
    ("call", "value"), [pytest.param(row[1], value, id=f"{row[0]} {value!r}") for row in UNBOUND for value in row[2]]
)
def test_of_the_wrong_type(call: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(TypeError):
        call(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("binSize", value) for value in (0, -1, 1.5, "x")),
        *(("numIter", value) for value in (0, 1.5)),
        *(("numSigmaClip", value) for value in (0, -3, NAN)),
        *((f"flag{name}", value) for name in ("GoodFraction", "GoodBinFraction") for value in (-0.1, 1.1, NAN)),
        *(("bestRefWeightLevel", value) for value in (-0.1, 1.1)),
        ("gridStatistic", "MODE"),
        ("undersampleStyle", "GUESS"),
        ("interpStyle", "QUADRATIC"),
        ("approxWeightPower", 3),
        ("badMaskPlanes", [""]),
        ("badMaskPlanes", [3]),
        ("gridStdevEpsilon", -1.0),
        ("usePolynomial", "maybe"),
    ],
)
def test_configuration(name: str, value: Any) -> None:
    # The configuration's own errors, which are ValueErrors and name the field.
    with pytest.raises((ValueError, TypeError), match=name):
        task(**{name: value})


def numbers(x: Any, *properties: Any, sctrl: Any = None, **kwargs: Any) -> list[float]:
    flags = 0
    for one in properties:
        flags |= one
    statistics = afwMath.makeStatistics(x, flags, sctrl, **kwargs)
    return [statistics.getValue(one) for one in properties]


BASIC = (afwMath.NPOINT, afwMath.MEAN, afwMath.MEDIAN, afwMath.MEANCLIP, afwMath.MIN, afwMath.MAX)


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
        # Beyond float32 is not finite, as in the original.
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
    assert numbers(NDData(ONES, mask=np.int64(1) * np.eye(20, dtype=int)), afwMath.NPOINT) == [400]  # no bit was named


def test_read_only_arrays_are_read_and_never_written_to() -> None:
    array = np.arange(400, dtype=np.float32).reshape(20, 20)
    array.flags.writeable = False
    assert numbers(array, afwMath.MEAN) == [199.5]
    copied = afwImage.ImageF(array)
    copied += 1.0
    assert array[0, 0] == 0.0
    reference, science = exposure(), afwImage.ExposureF(afwImage.MaskedImageF(afwImage.ImageF(array)))
    match(reference, science, binSize=5)
    assert array[0, 0] == 0.0


def test_all_32_planes_count() -> None:
    mask = full_of_planes()
    mask.array[0] = [1 << 30, -(2**31), 0]
    assert mask.getPlaneBitMask("P31") == -(2**31)
    masked = afwImage.MaskedImageF(afwImage.ImageF(np.arange(9, dtype=np.float32).reshape(3, 3)), mask)
    assert numbers(masked, afwMath.NPOINT, sctrl=control(AndMask=mask.getPlaneBitMask(["P30", "P31"]))) == [7]
    unsigned = afwImage.Mask(np.array([[2**31, 2**32 - 1]], np.uint32))
    assert unsigned.array.tolist() == [[-(2**31), -1]]


@pytest.mark.parametrize("value", [1.0, NAN, INF, float(np.finfo("f4").max), float(np.finfo("f4").smallest_subnormal)])
@pytest.mark.parametrize("style", ["CONSTANT", "LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE"])
def test_backgrounds_of_constant_images(value: float, style: str) -> None:
    bctrl = afwMath.BackgroundControl(style, 5, 5, "REDUCE_INTERP_ORDER")
    model = afwMath.makeBackground(np.full((23, 31), value, "f4"), bctrl).getImageF().array
    np.testing.assert_array_equal(model, value if np.isfinite(value) else NAN)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1)])
def test_the_smallest_images(shape: tuple[int, int]) -> None:
    array = np.ones(shape, np.float32)
    bins = min(shape[1], 5), min(shape[0], 5)
    assert afwMath.makeBackground(array, afwMath.BackgroundControl(*bins)).getImageF("CONSTANT").array.shape == shape
    thin = afwImage.ExposureF(afwImage.MaskedImageF(afwImage.ImageF(array)))
    struct = match(afwImage.ExposureF(afwImage.MaskedImageF(afwImage.ImageF(array * 3))), thin)
    assert "REDUCED_ORDER" in struct.flags
    # Of one pixel there is no bin of two, and no residual; the model is its difference all the same.
    np.testing.assert_array_equal(thin.image.array, 3.0)


@pytest.mark.parametrize("dtype", ["f4", "u2"])
def test_more_than_2_31_pixels(dtype: str) -> None:
    # All rows are the same memory.
    row = np.arange(46350, dtype=dtype)
    large = np.broadcast_to(row, (46341, row.size))
    assert large.size > 2**31
    number, mean, least, most = numbers(large, afwMath.NPOINT, afwMath.MEAN, afwMath.MIN, afwMath.MAX, num_threads=2)
    assert (number, least, most) == (large.size, 0, 46349)
    assert mean == pytest.approx(46349 / 2, rel=1e-14)


def test_bins_of_more_than_2_31_pixels() -> None:
    large = np.broadcast_to(np.arange(46350, dtype=np.float32), (46341, 46350))
    made = afwMath.makeBackground(large, afwMath.BackgroundControl(1, 1, None, "MEAN"), num_threads=2)
    assert made.getStatsImage().image.array[0, 0] == np.float32(46349 / 2)
    part = geom.Box2I(geom.Point2I(46349, 46340), geom.Extent2I(1, 1))
    assert made.getImageF(part, "CONSTANT", "REDUCE_INTERP_ORDER").array[0, 0] == np.float32(46349 / 2)


@pytest.mark.parametrize("origin", [-(2**62), -(2**31) - 5, 2**31, 2**40, 2**62 - 100])
def test_origins_far_out(origin: int) -> None:
    far = afwImage.ImageF(np.arange(400, dtype=np.float32).reshape(20, 20))
    near = afwImage.ImageF(far.array.copy())
    far.setXY0(origin, -origin // 2)
    bctrl = afwMath.BackgroundControl(5, 5)
    one, other = afwMath.makeBackground(far, bctrl), afwMath.makeBackground(near, bctrl)
    np.testing.assert_array_equal(one.getImageF().array, other.getImageF().array)
    assert one.getImageF().getXY0() == geom.Point2I(origin, -origin // 2)


def test_pixels_that_others_change_meanwhile() -> None:
    # What comes out is anybody's guess; that it comes out, and that only it is written, is not.
    rng = np.random.default_rng(3)
    guarded = rng.normal(100, 5, (660, 660)).astype(np.float32)
    pixels = guarded[10:-10, 10:-10]
    edge = guarded.copy()
    mask = np.zeros(pixels.shape, np.int32)
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            pixels[::3] = NAN
            mask[:, ::2] = 1
            pixels[::3] = 1e30
            mask[:, ::2] = 0
            pixels[:, ::5] *= -1.5
            pixels[:] = 3.0

    other = threading.Thread(target=change)
    other.start()
    masked = afwImage.MaskedImageF(afwImage.ImageF(pixels), afwImage.Mask(mask))
    everything = afwMath.MEDIAN | afwMath.MEANCLIP | afwMath.IQRANGE | afwMath.MIN | afwMath.ERRORS
    try:
        with np.errstate(all="ignore"):
            for turn in range(15):
                afwMath.makeStatistics(masked, everything, control(AndMask=1), num_threads=1 + turn % 2)
                afwMath.makeStatistics(pixels.astype(np.float64), everything)
                made = afwMath.makeBackground(masked, afwMath.BackgroundControl(7, 9, control(AndMask=1)))
                made.getImageF("AKIMA_SPLINE", "REDUCE_INTERP_ORDER")
                science = afwImage.ExposureF(afwImage.MaskedImageF(afwImage.ImageF(640, 640)))
                match(afwImage.ExposureF(masked), science, binSize=64)
    finally:
        done.set()
        other.join()
    edge[10:-10, 10:-10] = guarded[10:-10, 10:-10]
    np.testing.assert_array_equal(guarded, edge)


def test_data_references_of_no_keys() -> None:
    matcher = DataRefMatcher(None, "x")
    one = task()
    refs = [type("Ref", (), {"dataId": {}})() for _ in range(2)]
    assert matcher.isMatch(*refs)
    assert one.getName() == "matchBackgrounds"


# What follows goes further out: each row is one call again, and whatever is raised is refused on purpose.
GRID = np.ones((3, 3), np.float32)
LINEAR = afwMath.Interpolate.LINEAR
UNKNOWN_STYLE = afwMath.Interpolate.UNKNOWN
NO_STYLE = afwMath.ApproximateControl.UNKNOWN


def box(x: int, y: int, width: int, height: int) -> geom.Box2I:
    return geom.Box2I(geom.Point2I(x, y), geom.Extent2I(width, height))


def new(kind: Any) -> Any:
    return kind.__new__(kind)


def restored(kind: Any, *state: Any) -> Any:
    """What unpickling does with a state that somebody has changed."""
    made = new(kind)
    made.__setstate__(state)
    return made


def fit_control() -> afwMath.ApproximateControl:
    return afwMath.ApproximateControl(CHEBYSHEV, 1)


def planes_of_32(names: str = "Q") -> dict[str, int]:
    return {f"{names}{number}": number for number in range(32)}


STATE: tuple[Any, ...] = (3.0, 3, 0, True, None, False, False, 0, {})

REFUSED_TOO: list[Row] = [
    # Geometry.
    *(
        (f"{kind.__name__} of {value!r}", lambda kind=kind, value=value: kind(value), *INVALID, re.escape(says))
        for kind in (geom.Point2I, geom.Extent2I)
        for value, says in ((None, "None is a NoneType"), ("ab", "'a' is a str"), (NAN, "nan is a float"))
    ),
    ("an index of a pair", lambda: geom.Point2I(3, 4)["x"], *RANGE, "Index x is outside a pair; it must be 0 or 1"),
    ("a great index", lambda: geom.Point2I(3, 4)[2**70], *RANGE, "1180591620717411303424 is outside a pair"),
    ("a coordinate set", lambda: geom.Point2I(0, 0).setX(HUGE), *RANGE, "9223372036854775808 is not within"),
    ("uint64 beyond", lambda: geom.Point2I(np.uint64(2**64 - 1), 0), *RANGE, "18446744073709551615"),
    ("a sum of extents", lambda: geom.Extent2I(2**62) + geom.Extent2I(2**62), *RANGE, "9223372036854775808"),
    ("a product of extents", lambda: geom.Extent2I(2**62, 1) * 2, *RANGE, "9223372036854775808 is not within"),
    *(
        (
            f"Box2I of {value!r}",
            lambda value=value: geom.Box2I(*value),
            *INVALID,
            f"takes nothing, .*; got {len(value)} arguments",
        )
        for value in ((3,), (None,), (1, 2, 3), (geom.Point2I(0, 0),))
    ),
    ("a box of a misspelt argument", lambda: geom.Box2I(corners=1), *INVALID, "got 0 arguments and corners"),
    ("a box of a real box", lambda: geom.Box2I(geom.Box2D()), *INVALID, "not made of a Box2D; round its corners"),
    ("a box of a real size", lambda: geom.Box2I(geom.Point2I(1, 2), geom.Extent2D(1.5, 2)), *INVALID, "1.5 is a float"),
    ("a box moved out", lambda: box(2**62, 0, 5, 5).shiftedBy(geom.Extent2I(2**62, 0)).getMin(), *RANGE, "2\\^62"),
    ("a box grown out", lambda: box(0, 0, 5, 5).dilatedBy(2**62).getDimensions(), *RANGE, "9223372036854775813"),
    ("a box grown by NaN", lambda: box(0, 0, 5, 5).dilatedBy(NAN), *INVALID, "nan is a float; a whole number"),
    ("a box with nothing in it", lambda: box(0, 0, 5, 5).include(None), *INVALID, "None is a NoneType"),
    ("Box2D of None", lambda: geom.Box2D(None), *INVALID, "Box2D takes nothing.*got 1 arguments"),
    # Images and their parts.
    ("an image of a misspelt argument", lambda: afwImage.ImageF(ONES, foo=1), *INVALID, "takes no argument foo"),
    ("an origin of fractions", lambda: afwImage.ImageF(ONES, xy0=(1.5, 2)), *INVALID, "1.5 is a float"),
    ("an image of 2^63", lambda: afwImage.ImageF(HUGE, 3), *LENGTH, "9223372036854775808 x 3 pixels"),
    ("an image of a negative extent", lambda: afwImage.ImageF(geom.Extent2I(-1, 3)), *LENGTH, "-1 x 3 pixels"),
    ("two initial values", lambda: afwImage.ImageF(geom.Extent2I(3, 3), 1, 2), *INVALID, r"got \(1, 2\)"),
    *(
        (
            f"Image of {dtype}",
            lambda dtype=dtype: afwImage.Image(3, 4, dtype=dtype),
            *INVALID,
            f"no image of dtype {dtype}.*float32, float64, int32, uint16, uint64",
        )
        for dtype in ("complex128", "int8", "float16", "bool")
    ),
    (
        "ImageL of 2^64",
        lambda: afwImage.ImageL(np.array([[2.0**64]])),
        *RANGE,
        "ImageL holds 0 to 18446744073709551615",
    ),
    ("ImageL of -1", lambda: afwImage.ImageL(np.array([[-1]])), *RANGE, "from -1 to -1; ImageL holds"),
    *(
        (
            f"index {index!r}",
            lambda index=index: afwImage.ImageF(3, 4)[index],
            *INVALID,
            f"Index {re.escape(repr(index))} is none of",
        )
        for index in ("x", None, 0, (1.5, 2), (NAN, 0), (0, 0, 0), (0, 0, "LOCAL"), afwImage.LOCAL)
    ),
    ("an index of 2^63", lambda: afwImage.ImageF(3, 4)[HUGE, 0], *RANGE, "9223372036854775808 is not within"),
    *(
        (f"slice {index}", lambda index=index: afwImage.ImageF(3, 4)[index], error, builtin, says)
        for index, error, builtin, says in (
            ((slice(None, None, 2), slice(None)), *INVALID, "x slice has step 2; it must be 1"),
            ((slice(2, 1), slice(None)), *RANGE, "x slice 2:1 is outside 0:3"),
            ((slice(0, 99), slice(None)), *RANGE, "x slice 0:99 is outside 0:3"),
            ((slice(None), slice(-1, 2)), *RANGE, "y slice -1:2 is outside 0:4"),
        )
    ),
    *(
        (
            f"part at {value!r}",
            lambda value=value: afwImage.ImageF(3, 4).subset(value),
            *INVALID,
            f"bbox is a {type(value).__name__}; it must be a Box2I",
        )
        for value in (None, (0, 0, 1, 1), "x")
    ),
    ("a part of 2^62", lambda: afwImage.ImageF(3, 4).subset(box(0, 0, 2**62, 2**62)), *LENGTH, "4611686018427387903"),
    ("nothing to set", lambda: afwImage.ImageF(3, 4).set(), *INVALID, "got 0 arguments"),
    ("a pixel set outside", lambda: afwImage.ImageF(3, 4).set(9, 9, 1), *RANGE, r"\(9, 9\) is outside the box"),
    (
        "an image assigned to a smaller one",
        lambda: afwImage.ImageF(3, 4).assign(afwImage.ImageF(4, 3)),
        *LENGTH,
        "4 x 3 but the left-hand side is 3 x 4",
    ),
    ("a copy of a wrong part", lambda: afwImage.ImageF(afwImage.ImageF(3, 4), "x"), *INVALID, "got 'x'"),
    # Masks.
    *(
        (
            f"plane number {number!r} in place of a name",
            lambda number=number: afwImage.Mask(3, 3).getMaskPlane(number),
            *UNKNOWN,
            f"no mask plane {number!r}; the known ones are BAD",
        )
        for number in (None, 3, b"BAD", "bad", "")
    ),
    ("a mask of a list of NaN", lambda: afwImage.Mask([[NAN, 2], [3, 4]]), *INVALID, "fractions"),
    ("a plane forgotten twice", lambda: afwImage.Mask(3, 3).removeAndClearMaskPlane("X"), *UNKNOWN, "'X'"),
    *(
        (
            f"plane {number} cleared",
            lambda number=number: afwImage.Mask(3, 3).clearMaskPlane(number),
            *RANGE,
            f"number {number} does not exist; numbers are 0 to 31",
        )
        for number in (-1, 32, HUGE, NAN)
    ),
    ("planes renumbered to 99", lambda: afwImage.Mask(3, 3).conformMaskPlanes({"A": 99}), *RANGE, "'A' has number 99"),
    (
        "planes renumbered to one",
        lambda: afwImage.Mask(3, 3).conformMaskPlanes({"A": 1, "B": 1}),
        *INVALID,
        "'A' and 'B' both have number 1",
    ),
    (
        "planes renumbered to 33",
        lambda: full_of_planes().conformMaskPlanes(planes_of_32()),
        *RUNTIME,
        "'P0' cannot be added: all 32 planes are taken",
    ),
    ("masks of different sizes", lambda: afwImage.Mask(3, 3).__ior__(afwImage.Mask(2, 2)), *LENGTH, "2 x 2"),
    (
        "a translation to nothing",
        lambda: afwImage.translate_mask(np.zeros((2, 2), np.int32), {"A": 1}, {"B": 1}),
        *UNKNOWN,
        "'A'; the known ones are B",
    ),
    # Masked images, exposures, vectors, scalers.
    ("four planes", lambda: afwImage.MaskedImageF(ONES, None, None, None), *INVALID, "an image, a mask and a variance"),
    ("a word for a mask", lambda: afwImage.MaskedImageF(ONES, "x"), *INVALID, r"Mask is made of.*\('x',\)"),
    ("a mask of fractions", lambda: afwImage.MaskedImageF(ONES, ONES * 1.5), *INVALID, "float32 and fractions"),
    ("integers of NaN", lambda: afwImage.MaskedImageI(image(NAN)), *RANGE, "nan to nan; ImageI holds"),
    ("four values", lambda: afwImage.MaskedImageF(3, 4).set(1, 2, 3, 4), *INVALID, "got 4 values"),
    ("an image of another size", lambda: afwImage.MaskedImageF(3, 4).setImage(afwImage.ImageF(4, 3)), *LENGTH, "4 x 3"),
    ("a mask of another size set", lambda: afwImage.MaskedImageF(3, 4).setMask(afwImage.Mask(4, 3)), *LENGTH, "4 x 3"),
    ("a variance of another size set", lambda: afwImage.MaskedImageF(3, 4).setVariance(ONES), *LENGTH, "20 x 20"),
    ("masked images added", lambda: image().__iadd__(image(width=3)), *LENGTH, "3 x 20 but the left-hand side is 20"),
    ("an exposure of None", lambda: afwImage.ExposureF(None), *INVALID, r"ImageF is made of.*\(None,\)"),
    ("an exposure's cutout", lambda: exposure().getCutout(box(19, 19, 2, 2)), *LENGTH, r"\(20, 20\)"),
    ("an exposure's pixel", lambda: exposure()[20, 0], *RANGE, r"\(20, 0\) is outside"),
    ("a vector of two dimensions", lambda: afwImage.MaskedVectorF(ONES), *INVALID, r"\(20, 20\)"),
    ("a vector's variance", lambda: afwImage.MaskedVectorF([1, 2], None, [1]), *LENGTH, r"variance has shape \(1,\)"),
    *(
        (f"scale {value}", lambda value=value: afwImage.ImageScaler(value), *INVALID, f"scale = {value}; it must be")
        for value in (0, INF, -INF, NAN)
    ),
    *(
        (f"positions {x}", lambda x=x: afwImage.SpatialScaler(x, [0, 1], np.ones((2, len(x)))), *INVALID, says)
        for x, says in (
            ([0.0, NAN], "nan.*two increasing positions"),
            ([2.0, 0.0], r"\[2\. 0\.\]"),
            ([0.0, 0.0], r"\[0\. 0\.\]"),
            ([0.0], r"\[0\.\]"),
        )
    ),
    ("scales that do not fit", lambda: afwImage.SpatialScaler([0, 1], [0, 1], ONES), *INVALID, r"\(20, 20\) for 2 y"),
    *(
        (f"planes of {value!r}", lambda value=value: afwImage.as_planes(value), *INVALID, says)
        for value, says in ((None, "dtype object"), (3, r"shape \(\)"), ([1, 2], r"shape \(2,\)"), (b"abc", r"\|S3"))
    ),
    ("an image of bytes", lambda: afwImage.makeImageFromArray(ONES.astype("i1")), *INVALID, "dtype int8"),
    (
        "arrays of different shapes",
        lambda: afwImage.makeMaskedImageFromArrays(ONES, GRID.astype("i4")),
        *LENGTH,
        "3 x 3",
    ),
    # Statistics.
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
        for mask in (np.zeros((20, 20)), np.zeros((20, 20), "i8"), np.zeros((20, 20), "u8"), np.zeros((20, 20), object))
    ),
    (
        "a mask of three dimensions",
        lambda: afwMath.makeStatistics(ONES, afwMath.MEAN, mask=np.zeros((20, 20, 1), "i4")),
        *INVALID,
        r"mask has shape \(20, 20, 1\)",
    ),
    ("weights of i", lambda: afwMath.makeStatistics(ONES, "MEAN", weights=ONES * 1j), *INVALID, "dtype complex64"),
    ("one weight", lambda: afwMath.makeStatistics(ONES, "MEAN", weights=3), *INVALID, r"shape \(\)"),
    ("weights too many", lambda: afwMath.makeStatistics([1.0, 2.0], [1, 2, 3], "MEAN"), *LENGTH, "3 x 1 .* 2 x 1"),
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
    # Controls.
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
        "state of no bins",
        lambda: restored(afwMath.BackgroundControl, LINEAR, 0, 3, afwMath.THROW_EXCEPTION, None, afwMath.MEAN, None),
        *LENGTH,
        "nxSample = 0",
    ),
    (
        "state of a negative order",
        lambda: restored(afwMath.ApproximateControl, CHEBYSHEV, -1, -1, True, 1),
        *INVALID,
        "orderX = -1",
    ),
    (
        "state of weight power 7",
        lambda: restored(afwMath.ApproximateControl, CHEBYSHEV, 1, 1, True, 7),
        *INVALID,
        "weightPower = 7",
    ),
    ("state of knots", lambda: restored(afwMath.Interpolate, [2, 1], [1, 2], LINEAR), *RANGE, r"x\[1\] = 1"),
    (
        "state of a background of no pixels",
        lambda: restored(
            afwMath.BackgroundMI,
            (0, 0, 0, 0),
            (ONES, ONES.astype("i4"), ONES),
            None,
            (UNKNOWN_STYLE, afwMath.THROW_EXCEPTION),
        ),
        *INVALID,
        "no pixels: the image's box is",
    ),
    *(
        (f"weight power {value}", lambda value=value: fit_control().setWeightPower(value), *INVALID, f"= {value}; it")
        for value in (0, -2, 2**31 - 1)
    ),
    *(
        (f"order set to {value}", lambda value=value: fit_control().setOrderY(value), *INVALID, f"orderY = {value}")
        for value in (-1, -(2**31))
    ),
    ("style 1", lambda: afwMath.ApproximateControl(afwMath.ApproximateControl.NUM_STYLES, 1), *INVALID, "style 1 does"),
    # Interpolation.
    *(
        (f"style {value!r} of points", lambda value=value: afwMath.makeInterpolate([1, 2], [1, 2], value), *kind, says)
        for value, kind, says in (
            (None, INVALID, "Style None does not exist"),
            ([], INVALID, r"Style \[\] does not exist"),
            ("", UNKNOWN, 'style ""'),
            ("UNKNOWN", UNKNOWN, '"UNKNOWN"; the known ones are CONSTANT'),
            (UNKNOWN_STYLE, INVALID, "style -1 does not exist"),
        )
    ),
    ("points that are none", lambda: afwMath.makeInterpolate(1, 2), *RANGE, r"shape \(\); it must have one dimension"),
    ("a knot at -infinity", lambda: afwMath.makeInterpolate([-INF, 0], [1, 2], "LINEAR"), *RANGE, r"x\[0\] = -inf"),
    *(
        (
            f"points of style {value!r}",
            lambda value=value: afwMath.lookupMinInterpPoints(value),
            *INVALID,
            f"{value} does not exist",
        )
        for value in (-1, 7, 9, None)
    ),
    # Backgrounds.
    *(
        (
            f"control {value!r} of a background",
            lambda value=value: afwMath.makeBackground(ONES, value),
            *INVALID,
            f"bctrl is a {type(value).__name__}; it must be a BackgroundControl",
        )
        for value in (None, 3, "x")
    ),
    *(
        (
            f"bins of {prop!r}",
            lambda prop=prop: afwMath.makeBackground(ONES, afwMath.BackgroundControl(3, 3, None, prop)),
            *INVALID,
            says,
        )
        for prop, says in (
            (afwMath.NOTHING, "NOTHING"),
            (afwMath.ERRORS, r"1 \(ERRORS\)"),
            (afwMath.MEAN | afwMath.MEDIAN, r"36 \(MEAN \| MEDIAN\)"),
            (afwMath.Property(1 << 20), "1048577 hold unknown bits"),
        )
    ),
    *(
        (f"model by {style!r}", lambda style=style: background().getImageF(style), *INVALID, f"{says} does not exist")
        for style, says in ((99, "99"), (NAN, "nan"), ({}, "{}"), ((0, 0, 5, 5), r"\(0, 0, 5, 5\)"))
    ),
    ("undersample style 99", lambda: background().getImageF("LINEAR", 99), *INVALID, "99 does.*THROW_EXCEPTION = 0"),
    ("three styles", lambda: background().getImageF(1, 2, 3), *INVALID, "got 3 arguments"),
    ("a style twice", lambda: background().getImageF("LINEAR", interpStyle=1), *INVALID, "repeated.*interpStyle"),
    ("a box at 2^62", lambda: background().getImageF(bbox=box(2**62, 0, 5, 5)), *LENGTH, "4611686018427387904"),
    ("threads of a model", lambda: background().getImageF(num_threads=-1), *INVALID, "num_threads = -1"),
    (
        "nothing known",
        lambda: afwMath.makeBackground(ONES * NAN, afwMath.BackgroundControl(5, 5)).getImageF(),
        *RANGE,
        " 0 ",
    ),
    (
        "a box beyond all coordinates",
        lambda: afwMath.BackgroundMI(box(2**62, 2**62, 2**62, 2**62), [[1.0]]),
        *LENGTH,
        "beyond the largest coordinate",
    ),
    (
        "an approximation of no style",
        lambda: background().getApproximate(afwMath.ApproximateControl(NO_STYLE, 1)),
        *INVALID,
        r"UNKNOWN \(-1\) cannot be fitted",
    ),
    (
        "an approximation by a misspelt style",
        lambda: background().getApproximate(fit_control(), "x"),
        *UNKNOWN,
        'undersample style "x"',
    ),
    *(
        (
            f"list of {value!r}",
            lambda value=value: afwMath.BackgroundList(value),
            *INVALID,
            f"holds BackgroundMI objects; got a {type(value).__name__}",
        )
        for value in (None, "x", 3)
    ),
    *(
        (f"list by {rest!r}", lambda rest=rest: afwMath.BackgroundList((background(), *rest)).getImage(), *kind, says)
        for rest, kind, says in (
            (("nope",), UNKNOWN, '"nope"; the known'),
            ((99,), INVALID, "Style 99 does not exist"),
            ((1, "x"), UNKNOWN, 'undersample style "x"'),
            ((1, 0, CHEBYSHEV, -1, -1, True), INVALID, "orderX = -1"),
            ((1, 0, CHEBYSHEV, 1, 2, True), INVALID, "1 != 2"),
            ((1, 0, CHEBYSHEV, 1, 1, True, 8), INVALID, "up to 7 values; got 8"),
        )
    ),
    (
        "a list of different sizes",
        lambda: afwMath.BackgroundList(background(), bin_by(5, 5, np.ones((9, 9)))).getImage(),
        *LENGTH,
        "9 x 9 but the left-hand side is 20 x 20",
    ),
    # Approximation.
    *(
        (f"positions {x}", lambda x=x: fit(x=x), *RUNTIME, "the 9 usable points determine only [012];")
        for x in ((0.0, NAN, 2.0), (0.0, INF, 2.0), (NAN, NAN, NAN))
    ),
    ("no points", lambda: fit(grid=GRID[:0, :0], x=[], y=[]), *RUNTIME, "none of the 0 points is finite"),
    ("orders of an image", lambda: fit().getMaskedImage(9, 9), *INVALID, "9 is greater than the model's, which is 1"),
    ("threads of an approximation", lambda: fit().getImage(num_threads=-1), *INVALID, "num_threads = -1"),
    # Matching.
    ("masked images in place of exposures", lambda: match(image(), image()), *INVALID, "a MaskedImageF; it must be"),
    ("no science exposure", lambda: match(exposure(), None), *INVALID, "a NoneType; it must be"),
    (
        "exposures of integers",
        lambda: match(afwImage.ExposureI(3, 3), afwImage.ExposureI(3, 3)),
        *INVALID,
        "int32; it must be float32 or float64",
    ),
    ("exposures of no pixels", lambda: match(afwImage.ExposureF(0, 0), afwImage.ExposureF(0, 0)), *INVALID, "0 x 0"),
    ("a reference of None", lambda: task().run([None], "x"), *INVALID, "None is a NoneType; a file name"),
    ("no such file", lambda: task().run(["nowhere.fits"], "x"), *TASK, "None of the 1 candidate"),
    ("a reference that is none", lambda: task().run([exposure()], "x", None, 3), *INVALID, "3 is a int"),
    ("nothing to choose from", lambda: task().selectRefExposure([], None, "x"), *TASK, "None of the 0 candidate"),
    ("no candidates", lambda: task().chooseReference([]), *TASK, "None of the 0 candidate"),
    ("scalers missing", lambda: task().selectRefExposure([exposure()], [], "x"), *RUNTIME, "0 image scalers for 1"),
    ("a configuration that is none", lambda: MatchBackgroundsTask(config=3), *INVALID, "config is a int"),
    (
        "a masked image as a mask",
        lambda: afwMath.makeStatistics(afwImage.Mask(3, 3), ONES, "SUM"),
        *INVALID,
        "no second",
    ),
]


@pytest.mark.parametrize(("call", "kind", "builtin", "says"), [pytest.param(*r[1:], id=r[0]) for r in REFUSED_TOO])
def test_refused_too(call: Callable[[], Any], kind: type[Exception], builtin: type[Exception], says: str) -> None:
    test_refused(call, kind, builtin, says)


# What no binding takes: a plain TypeError, never anything else.
WRONG_TYPES: list[tuple[str, Callable[[Any], Any], tuple[Any, ...]]] = [
    ("flags", lambda value: afwMath.makeStatistics(ONES, value), (2**31, HUGE)),
    ("statistics threads", lambda value: afwMath.makeStatistics(ONES, "MEAN", num_threads=value), ("x", NAN, HUGE)),
    ("value", lambda value: afwMath.makeStatistics(ONES, "MEAN").getValue(value), ("MEAN", 1.5, None, HUGE)),
    ("statistics themselves", lambda value: afwMath.Statistics(value), (1, None)),
    ("nan safe", lambda value: afwMath.StatisticsControl(3.0, 3, 0, value), ("x", [])),
    ("weighted", lambda value: control(Weighted=value), ("x", [])),
    ("no good pixels", lambda value: control(NoGoodPixelsMask=value), (1.5, "x", None, HUGE)),
    ("control state", lambda value: new(afwMath.StatisticsControl).__setstate__(value), (None, 3, "x")),
    ("style", lambda value: afwMath.BackgroundControl(value, 3, 3), (None, 99, 1.5)),
    ("undersampling", lambda value: afwMath.BackgroundControl("LINEAR", 3, 3, value), (None, 99, 1.5)),
    ("statistics control", lambda value: afwMath.BackgroundControl(3, 3, value), (3, "x")),
    ("bins' property", lambda value: afwMath.BackgroundControl(3, 3, None, value), (99, None, 1.5)),
    ("approximation style", lambda value: afwMath.ApproximateControl(value, 1), (99, 0, "CHEBYSHEV", None)),
    ("weighting", lambda value: afwMath.ApproximateControl(CHEBYSHEV, 1, 1, value), ("x", [])),
    ("approximation control", lambda value: background().getApproximate(value), (None, 3, "CHEBYSHEV")),
    ("fit control", lambda value: afwMath.makeApproximate([0.0], [0.0], [[1.0]], ALL, value), (None, 3)),
    ("order of an image", lambda value: fit().getImage(value), (1.5, "x", None, 2**31)),
    ("where to interpolate", lambda value: afwMath.makeInterpolate([0, 1], [0, 1], 1).interpolate(value), ("x", 1j)),
    ("how many points", afwMath.lookupMaxInterpStyle, (1.5, None, HUGE)),
    ("a name that is none", afwMath.stringToInterpStyle, (None, 5, "\ud800")),
    ("a property that is none", afwMath.stringToStatisticsProperty, (None, 5)),
    ("an undersample style that is none", afwMath.stringToUndersampleStyle, (None, 5)),
    ("all threads", evensky.set_num_threads, (None, 1.5, HUGE)),
    ("exposures", lambda value: task().run(value, "x"), (None, 3)),
    ("file name", afwImage.ImageF.readFits, (None, 3)),
]


@pytest.mark.parametrize(
    ("call", "value"),
    [pytest.param(row[1], value, id=f"{row[0]} {value!r}") for row in WRONG_TYPES for value in row[2]],
)
def test_of_the_wrong_type_too(call: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(TypeError) as raised:
        call(value)
    assert type(raised.value) is TypeError


# What the library does with these is not what it should do. A row that passes has been repaired, and says so: its mark
# goes then, or it moves up to where it belongs.
# What is called, the error there should be, and what is wrong.
Defect = tuple[str, Callable[[], Any], type[Exception], type[Exception], str, str]

NUMPYS_ERROR = "numpy's or Python's own error comes out"
ATTRIBUTE = "AttributeError, without the value"
WARNS = "a warning of numpy only, and another number"
WRAPS = "another number, silently"
IGNORED = "the argument is ignored, silently"
UNPICKLED = "IndexError or a plain RuntimeError of the binding"

DEFECTS: list[Defect] = [
    # Numbers that silently become others.
    ("mask |= beyond 32 bits", lambda: afwImage.Mask(3, 3).__ior__(2**40 + 1), *RANGE, "1099511627777", WRAPS),
    ("mask |= a fraction", lambda: afwImage.Mask(3, 3).__ior__(1.5), *INVALID, "1.5", WRAPS),
    ("mask set to a fraction", lambda: afwImage.Mask(3, 3).set(1.5), *INVALID, "1.5", WRAPS),
    (
        "mask assigned beyond 32 bits",
        lambda: afwImage.Mask(3, 3).assign(np.full((3, 3), 2**40)),
        *RANGE,
        "1099511627776",
        WRAPS,
    ),
    (
        "mask assigned fractions",
        lambda: afwImage.Mask(3, 3).assign(np.full((3, 3), 1.7)),
        *INVALID,
        "1.7|float64",
        WRAPS,
    ),
    ("mask made with a fraction", lambda: afwImage.Mask(3, 4, 1.5), *INVALID, "1.5", WRAPS),
    ("mask of a list of fractions", lambda: afwImage.Mask([[1.5, 2], [3, 4]]), *INVALID, "fractions", WRAPS),
    ("mask of an image of fractions", lambda: afwImage.Mask(afwImage.ImageF(2, 2, 1.5)), *INVALID, "fractions", WRAPS),
    ("masked image set to a fraction of a mask", lambda: image().set(1, 1.5), *INVALID, "1.5", WRAPS),
    (
        "vector's mask beyond 32 bits",
        lambda: afwImage.MaskedVectorF([1], np.array([2**40])),
        *RANGE,
        "1099511627776",
        WRAPS,
    ),
    ("vector's mask of fractions", lambda: afwImage.MaskedVectorF([1], [1.5]), *INVALID, "1.5|fractions", WRAPS),
    ("ImageU filled with -1.0", lambda: afwImage.ImageU(3, 4, -1.0), *RANGE, "-1.0", WRAPS),
    ("ImageI / 0", lambda: afwImage.ImageI(3, 4, 1).__itruediv__(0), *RANGE, "0", WRAPS),
    ("ImageU - 2", lambda: afwImage.ImageU(3, 4, 1).__isub__(2), *RANGE, "2", WRAPS),
    ("ImageI + 1", lambda: afwImage.ImageI(3, 4, 2**31 - 1).__iadd__(1), *RANGE, "2147483647|2147483648", WRAPS),
    ("ImageI * 4", lambda: afwImage.ImageI(3, 4, 2**30).__imul__(4), *RANGE, "4", WRAPS),
    (
        "a translation to one bit",
        lambda: afwImage.translate_mask(np.full((2, 2), 2, np.int32), {"A": 1, "B": 2}, {"A": 3, "B": 3}),
        *INVALID,
        "'A'.*'B'.*3",
        WRAPS,
    ),
    (
        "a translation from bit 40",
        lambda: afwImage.translate_mask(np.zeros((2, 2), np.int32), {"A": 40}, {"A": 41}),
        *RANGE,
        "40",
        WRAPS,
    ),
    *(
        (name, call, *RANGE, "is not within", "a box is made whose size or place raises when it is printed")
        for name, call in (
            ("a box of everything", lambda: geom.Box2I(geom.Point2I(-(2**62), 0), geom.Point2I(2**62, 0))),
            ("a box grown by 2^62", lambda: box(0, 0, 5, 5).grow(2**62)),
            ("a box moved by 2^62", lambda: box(2**62, 0, 5, 5).shift(geom.Extent2I(2**62, 0))),
        )
    ),
    # Arguments that do nothing.
    (
        "mask of another size by name",
        lambda: afwImage.MaskedImageF(3, 4, mask=afwImage.Mask(9, 9)),
        *LENGTH,
        "9 x 9",
        IGNORED,
    ),
    (
        "variance of another size by name",
        lambda: afwImage.MaskedImageF(3, 4, variance=afwImage.ImageF(9, 9)),
        *LENGTH,
        "9 x 9",
        IGNORED,
    ),
    ("masked image of a word by name", lambda: afwImage.MaskedImageF(image="x"), *INVALID, "'x'", IGNORED),
    ("Exposure of complex numbers", lambda: afwImage.Exposure(3, 4, dtype=complex), *INVALID, "complex128", IGNORED),
    (
        "threads of a mask",
        lambda: afwMath.makeStatistics(afwImage.Mask(3, 3), "SUM", num_threads=-1),
        *INVALID,
        "num_threads = -1",
        IGNORED,
    ),
    ("a mask plane without a name", lambda: afwImage.Mask(3, 3, mask_planes={"": 1}), *INVALID, "''", IGNORED),
    ("a mask plane named by a number", lambda: afwImage.Mask(3, 3, mask_planes={3: 1}), *INVALID, "3", IGNORED),
    ("a box of no corner", lambda: geom.Box2I(None, geom.Extent2I(1, 1)), *INVALID, "None", IGNORED),
    ("a pixel that is None", lambda: afwImage.ImageF(3, 4).__setitem__((0, 0), None), *INVALID, "None", "becomes NaN"),
    (
        "an origin by its name",
        lambda: afwImage.ImageF(3, 4).getBBox("LOCAL"),
        *INVALID,
        "'LOCAL'",
        "is taken for LOCAL",
    ),
    *(
        (
            f"threshold {value}",
            lambda value=value: control(MaskPropagationThreshold=(0, value)),
            *INVALID,
            f"{value}",
            "is taken, whatever it would mean",
        )
        for value in (NAN, -1.0, INF)
    ),
    *(
        (
            f"positions {x} of a scaler",
            lambda x=x: afwImage.SpatialScaler(x, [0, 1], np.ones((2, 2))),
            *INVALID,
            "inf",
            "are taken; the factor is NaN",
        )
        for x in ([0.0, INF], [-INF, 0.0])
    ),
    (
        "a style that is a count",
        lambda: afwMath.BackgroundControl(afwMath.Interpolate.NUM_STYLES, 3, 3),
        *INVALID,
        "7",
        "is refused only when a model is made",
    ),
    # Warnings of numpy in place of an error.
    ("ImageF filled with i", lambda: afwImage.ImageF(3, 4, 1j), *INVALID, "1j", WARNS),
    ("ImageI filled with NaN", lambda: afwImage.ImageI(3, 4, NAN), *RANGE, "nan", WARNS),
    ("ImageI filled with 2.5e9", lambda: afwImage.ImageI(3, 4, 2.5e9), *RANGE, "2500000000.0", WARNS),
    ("Mask filled with NaN", lambda: afwImage.Mask(3, 4, NAN), *INVALID, "nan", WARNS),
    ("ImageI assigned NaN", lambda: afwImage.ImageI(3, 4).assign(afwImage.ImageF(3, 4, NAN)), *RANGE, "nan", WARNS),
    ("ImageI assigned 1e12", lambda: afwImage.ImageI(3, 4).assign(afwImage.ImageD(3, 4, 1e12)), *RANGE, "10000", WARNS),
    ("Mask assigned NaN", lambda: afwImage.Mask(3, 3).assign(afwImage.ImageF(3, 3, NAN)), *INVALID, "nan", WARNS),
    ("ImageU + NaN", lambda: afwImage.ImageU(3, 4, 1).__iadd__(afwImage.ImageF(3, 4, NAN)), *RANGE, "nan", WARNS),
    ("ImageF + i", lambda: afwImage.ImageF(3, 4).__iadd__(1j), *INVALID, "1j", WARNS),
    ("vector of i", lambda: afwImage.MaskedVectorF(np.array([1j])), *INVALID, "complex128", WARNS),
    (
        "weights of i in a list",
        lambda: afwMath.makeStatistics([1.0, 2], [1j, 2], "MEAN"),
        *INVALID,
        "complex128",
        WARNS,
    ),
    (
        "variances of i",
        lambda: afwMath.makeStatistics(NDData(ONES, uncertainty=VarianceUncertainty(ONES * 1j)), "MEAN"),
        *INVALID,
        "complex",
        WARNS,
    ),
    # Errors that are not evensky's.
    *(
        (f"{kind.__name__} of {value!r}", lambda kind=kind, value=value: kind(value), *INVALID, says, NUMPYS_ERROR)
        for kind in (geom.Point2I, geom.Point2D, geom.Extent2I)
        for value, says in (((1, 2, 3), r"\(1, 2, 3\)"), ((1,), r"\(1,\)"), ({}, "{}"), ([], r"\[\]"))
    ),
    *(
        (f"Point2D of {value!r}", lambda value=value: geom.Point2D(value), *INVALID, f"{value!r} is a ", "TypeError")
        for value in (None, 1j)
    ),
    *(
        (f"a box contains {value}", lambda value=value: box(0, 0, 5, 5).contains(value), *INVALID, f"{value}", "none")
        for value in (None, 1)
    ),
    *(
        (f"{value} added", lambda value=value: afwImage.ImageF(3, 3).__iadd__(value), *INVALID, f"{value}", "none")
        for value in (None, {})
    ),
    ("a coordinate of words", lambda: geom.Point2D("x", 1), *INVALID, "'x'", NUMPYS_ERROR),
    ("a coordinate of 400 digits", lambda: geom.Point2D(10**400, 0), *RANGE, "1000000", NUMPYS_ERROR),
    ("an extent / 0", lambda: geom.Extent2I(3, 4) / 0, *INVALID, "0", NUMPYS_ERROR),
    ("an extent // 0", lambda: geom.Extent2I(3, 4) // 0, *INVALID, "0", NUMPYS_ERROR),
    ("an extent * a word", lambda: geom.Extent2I(3, 4) * "x", *INVALID, "'x'", NUMPYS_ERROR),
    ("a box contains a word", lambda: box(0, 0, 5, 5).contains("x"), *INVALID, "'x'", NUMPYS_ERROR),
    ("a box contains three", lambda: box(0, 0, 5, 5).contains((1, 2, 3)), *INVALID, r"\(1, 2, 3\)", NUMPYS_ERROR),
    *(
        (f"a box overlaps {other!r}", lambda other=other: box(0, 0, 5, 5).overlaps(other), *INVALID, says, ATTRIBUTE)
        for other, says in ((None, "NoneType"), (geom.Box2D(), "Box2D"))
    ),
    ("a box clipped by 3", lambda: box(0, 0, 5, 5).clippedTo(3), *INVALID, "3|int", ATTRIBUTE),
    ("a real box overlaps None", lambda: geom.Box2D(ALL).overlaps(None), *INVALID, "NoneType", ATTRIBUTE),
    *(
        (
            f"a box round {value}",
            lambda value=value: geom.Box2I.makeCenteredBox(geom.Point2D(value, 0), geom.Extent2I(3, 3)),
            *INVALID,
            f"{value}",
            NUMPYS_ERROR,
        )
        for value in (NAN, INF)
    ),
    ("a petabyte", lambda: afwImage.ImageF(10**6, 10**9), *LENGTH, "1000000 x 1000000000", "MemoryError"),
    ("a vector of a petabyte", lambda: afwImage.MaskedVectorF(10**15), *LENGTH, "1000000000000000", "MemoryError"),
    ("a vector of -1", lambda: afwImage.MaskedVectorF(-1), *LENGTH, "-1", NUMPYS_ERROR),
    ("a vector of words", lambda: afwImage.MaskedVectorF([1, "x"]), *INVALID, "'x'|<U", NUMPYS_ERROR),
    ("a ragged vector", lambda: afwImage.MaskedVectorF([[1], [2, 3]]), *INVALID, "cannot be made", NUMPYS_ERROR),
    ("a vector's mask of 2^40", lambda: afwImage.MaskedVectorF([1], [2**40]), *RANGE, "1099511627776", NUMPYS_ERROR),
    ("a vector's mask of NaN", lambda: afwImage.MaskedVectorF([1], [NAN]), *INVALID, "nan", NUMPYS_ERROR),
    ("index ()", lambda: afwImage.ImageF(3, 4)[()], *INVALID, r"Index \(\) is none of", NUMPYS_ERROR),
    ("pixel set to a word", lambda: afwImage.ImageF(3, 4).__setitem__((0, 0), "x"), *INVALID, "'x'", NUMPYS_ERROR),
    ("pixel set to 2^31", lambda: afwImage.ImageI(3, 4).__setitem__((0, 0), 2**31), *RANGE, "2147483648", NUMPYS_ERROR),
    ("pixel set to NaN", lambda: afwImage.ImageI(3, 4).__setitem__((0, 0), NAN), *RANGE, "nan", NUMPYS_ERROR),
    ("image set to -1", lambda: afwImage.ImageU(3, 4).set(-1), *RANGE, "-1", NUMPYS_ERROR),
    ("image set to a word", lambda: afwImage.ImageF(3, 4).set("x"), *INVALID, "'x'", NUMPYS_ERROR),
    ("array assigned", lambda: afwImage.ImageF(3, 4).assign(ONES), *LENGTH, "20 x 20", NUMPYS_ERROR),
    ("array set", lambda: setattr(afwImage.ImageF(3, 4), "array", ONES), *LENGTH, "20 x 20", NUMPYS_ERROR),
    ("array added", lambda: afwImage.ImageF(3, 4).__iadd__(ONES), *LENGTH, "20 x 20", NUMPYS_ERROR),
    ("2^40 added", lambda: afwImage.ImageI(3, 4).__iadd__(2**40), *RANGE, "1099511627776", NUMPYS_ERROR),
    ("word added", lambda: afwImage.ImageF(3, 4).__iadd__("x"), *INVALID, "'x'", "numpy's UFuncTypeError"),
    (
        "word scaled",
        lambda: afwImage.ImageF(3, 4).scaledPlus("x", afwImage.ImageF(3, 4)),
        *INVALID,
        "'x'",
        NUMPYS_ERROR,
    ),
    ("mask set to 2^40", lambda: afwImage.Mask(3, 3).set(2**40), *RANGE, "1099511627776", NUMPYS_ERROR),
    ("mask |= a word", lambda: afwImage.Mask(3, 3).__ior__("x"), *INVALID, "'x'", NUMPYS_ERROR),
    ("mask |= NaN", lambda: afwImage.Mask(3, 3).__ior__(NAN), *INVALID, "nan", NUMPYS_ERROR),
    ("mask |= infinity", lambda: afwImage.Mask(3, 3).__ior__(INF), *INVALID, "inf", NUMPYS_ERROR),
    ("mask |= an array", lambda: afwImage.Mask(3, 3).__ior__(ONES.astype("i4")), *LENGTH, "20 x 20", NUMPYS_ERROR),
    ("planes of 3", lambda: afwImage.Mask(3, 3, mask_planes=3), *INVALID, "3|int", ATTRIBUTE),
    ("planes renumbered by None", lambda: afwImage.Mask(3, 3).conformMaskPlanes(None), *INVALID, "None", ATTRIBUTE),
    ("MaskedImage of int8", lambda: afwImage.MaskedImage(3, 4, dtype="i1"), *INVALID, "int8", "KeyError"),
    ("masked image assigned None", lambda: image().assign(None), *INVALID, "NoneType", ATTRIBUTE),
    ("masked image assigned an image", lambda: image().assign(afwImage.ImageF(20, 20)), *INVALID, "ImageF", ATTRIBUTE),
    ("masked images multiplied", lambda: image().__imul__(image(width=3)), *LENGTH, "3 x 20", NUMPYS_ERROR),
    ("masked images divided", lambda: image().__itruediv__(image(width=3)), *LENGTH, "3 x 20", NUMPYS_ERROR),
    ("a data ID of a word", lambda: afwImage.ExposureF(3, 4, dataId="x"), *INVALID, "'x'", NUMPYS_ERROR),
    ("a scale of two", lambda: afwImage.ImageScaler([1, 2]), *INVALID, r"\[1, 2\]", NUMPYS_ERROR),
    ("positions of words", lambda: afwImage.SpatialScaler("x", [0, 1], GRID), *INVALID, "'x'|<U1", NUMPYS_ERROR),
    (
        "scales that are ragged",
        lambda: afwImage.SpatialScaler([0, 1], [0, 1], [[1, 1], [1]]),
        *INVALID,
        "cannot be made|scale",
        NUMPYS_ERROR,
    ),
    ("values of words", lambda: afwMath.makeStatistics(["x"], "MEAN"), *INVALID, "<U1|'x'", NUMPYS_ERROR),
    ("values of 400 digits", lambda: afwMath.makeStatistics([10**400], "MEAN"), *INVALID, "object|1000", NUMPYS_ERROR),
    (
        "values that are ragged",
        lambda: afwMath.makeStatistics([1, [2]], "MEAN"),
        *INVALID,
        "cannot be made",
        NUMPYS_ERROR,
    ),
    ("weights of words", lambda: afwMath.makeStatistics([1.0, 2], ["a", "b"], "MEAN"), *INVALID, "<U1", NUMPYS_ERROR),
    (
        "mask that is ragged",
        lambda: afwMath.makeStatistics(ONES, "MEAN", mask=[[1, 2], [3]]),
        *INVALID,
        "cannot be made",
        NUMPYS_ERROR,
    ),
    *(
        (
            f"NDData whose mask has shape {shape}",
            lambda shape=shape: afwMath.makeStatistics(NDData(ONES, mask=np.ones(shape, bool)), "MEAN"),
            *kind,
            re.escape(says),
            NUMPYS_ERROR,
        )
        for shape, kind, says in (((2, 2), LENGTH, "2 x 2"), ((20, 20, 2), INVALID, "(20, 20, 2)"))
    ),
    *(
        (
            f"a background over {where!r}",
            lambda where=where: afwMath.BackgroundMI(where, ONES),
            *INVALID,
            type(where).__name__,
            ATTRIBUTE,
        )
        for where in (None, 3, (0, 0, 40, 40))
    ),
    *(
        (
            f"a model over {where!r}",
            lambda where=where: background().getImageF(bbox=where),
            *INVALID,
            type(where).__name__,
            ATTRIBUTE,
        )
        for where in ("x", 3)
    ),
    *(
        (
            f"a model over {size} x {size} of 20 x 20 pixels",
            lambda size=size: background().getImageF(bbox=box(0, 0, size, size)),
            *LENGTH,
            "out of range",
            "memory is asked for before the box is checked: ValueError or MemoryError",
        )
        for size in (10**7, 2**62)
    ),
    *(
        (
            f"a model of 2^31 x 2^31 pixels, {name}",
            lambda call=call: call(),
            *LENGTH,
            "2147483648 x 2147483648",
            NUMPYS_ERROR,
        )
        for name, call in (
            ("background", lambda: afwMath.BackgroundMI(box(0, 0, 2**31, 2**31), [[1.0]]).getImageF("CONSTANT")),
            ("approximation", lambda: fit(bbox=box(0, 0, 2**31, 2**31)).getImage()),
        )
    ),
    ("a background + a word", lambda: background().__iadd__("x"), *INVALID, "'x'", NUMPYS_ERROR),
    ("a list of ()", lambda: afwMath.BackgroundList(()), *INVALID, r"\(\)", NUMPYS_ERROR),
    (
        "a list by style 99",
        lambda: afwMath.BackgroundList((background(), 1, 0, 99)),
        *INVALID,
        "99.*CHEBYSHEV",
        NUMPYS_ERROR,
    ),
    ("entry 5 of a list", lambda: afwMath.BackgroundList(background())[5], *RANGE, "5", NUMPYS_ERROR),
    ("positions that are words", lambda: fit(x="x"), *INVALID, "'x'|<U1", NUMPYS_ERROR),
    *(
        (
            f"an approximation over {where!r}",
            lambda where=where: fit(bbox=where),
            *INVALID,
            type(where).__name__,
            ATTRIBUTE,
        )
        for where in (None, (0, 0, 20, 20))
    ),
    *(
        (f"{name} of {state!r}", lambda kind=kind, state=state: restored(kind, *state), *INVALID, says, UNPICKLED)
        for name, kind, state, says in (
            ("statistics control", afwMath.StatisticsControl, (), "state.*0"),
            ("statistics control", afwMath.StatisticsControl, (3.0, "x", *STATE[2:]), "'x'|str"),
            ("statistics control", afwMath.StatisticsControl, (3.0, 3, HUGE, *STATE[3:]), "9223372036854775808"),
            ("background control", afwMath.BackgroundControl, (), "state.*0"),
            ("background control", afwMath.BackgroundControl, (99, 3, 3, 0, None, 4, None), "99"),
            ("approximation control", afwMath.ApproximateControl, (), "state.*0"),
            ("approximation control", afwMath.ApproximateControl, (7, 1, 1, True, 1), "7"),
            ("interpolation", afwMath.Interpolate, (), "state.*0"),
            ("background", afwMath.BackgroundMI, (), "state.*0"),
        )
    ),
    (
        "a scaler of words for the reference",
        lambda: task().run([exposure()], "x", None, exposure(), "x"),
        *INVALID,
        "'x'|str",
        ATTRIBUTE,
    ),
    ("a matcher of 3", lambda: DataRefMatcher(3, "x"), *INVALID, "3|int", ATTRIBUTE),
    ("a result that is not there", lambda: Struct(a=1).mergeItems(Struct(), "b"), *UNKNOWN, "'b'", ATTRIBUTE),
]


@pytest.mark.parametrize(("call", "kind", "builtin", "says"), [pytest.param(*row[1:5], id=row[0]) for row in DEFECTS])
def test_refused_as_it_should_be(
    call: Callable[[], Any], kind: type[Exception], builtin: type[Exception], says: str
) -> None:
    test_refused(call, kind, builtin, says)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(
            "afwMath.makeBackground(np.ones((9, 9)), new(afwMath.BackgroundControl))", id="background control"
        ),
        pytest.param("repr(copy.copy(new(afwMath.BackgroundControl)))", id="its copy"),
        pytest.param("new(afwMath.StatisticsControl).getNumIter()", id="statistics control"),
        pytest.param("new(afwMath.ApproximateControl).getOrderX()", id="approximation control"),
        pytest.param("new(afwMath.Interpolate).interpolate(1.0)", id="interpolation"),
        pytest.param("new(afwMath.Statistics).getOrMask()", id="statistics"),
    ],
)
def test_what_was_never_initialised(made: str) -> None:
    # A pickle without its state makes such objects. In a process of its own, which may crash.
    code = (
        "import copy, numpy as np, evensky.math as afwMath\n"
        "def new(kind): return kind.__new__(kind)\n"
        f"try:\n    {made}\n"
        "except TypeError as error:\n    print('refused', error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("refused")


def test_planes_of_a_grid_have_its_size() -> None:
    data = NDData(np.ones((50, 50), np.float32), uncertainty=VarianceUncertainty(np.ones((1, 1), np.float32)))
    with pytest.raises(errors.LengthError, match=r"variance is 1 x 1.*50 x 50"):
        afwMath.BackgroundMI(box(0, 0, 100, 100), data)


@pytest.mark.parametrize("plane", [1, 2], ids=["mask", "variance"])
def test_pickled_planes_of_a_grid_have_its_size(plane: int) -> None:
    planes = [np.ones((50, 50), "f4"), np.zeros((50, 50), "i4"), np.ones((50, 50), "f4")]
    planes[plane] = planes[plane][:1, :1].copy()
    used = (UNKNOWN_STYLE, afwMath.THROW_EXCEPTION)
    with pytest.raises(errors.LengthError, match=r"1 x 1.*50 x 50"):
        restored(afwMath.BackgroundMI, (0, 0, 100, 100), tuple(planes), afwMath.BackgroundControl(50, 50), used)


def test_the_mask_of_a_masked_array_goes_into_a_masked_image() -> None:
    masked = afwImage.MaskedImageF(np.ma.masked_less(np.arange(9, dtype=np.float32).reshape(3, 3), 4))
    assert np.count_nonzero(masked.mask.array) == 4


def test_a_mask_by_name_with_a_size_is_used() -> None:
    assert afwImage.MaskedImageF(3, 4, mask=afwImage.Mask(3, 4, 1)).mask.array.min() == 1


def test_a_mask_that_cannot_take_planes_stays_as_it_is() -> None:
    mask = afwImage.Mask(3, 3)
    with pytest.raises(errors.RuntimeError, match="all 32 planes are taken"):
        mask |= afwImage.Mask(3, 3, mask_planes=planes_of_32())
    assert mask.getMaskPlaneDict() == afwImage.Mask.getMaskPlaneDict()


def test_a_masked_image_that_cannot_take_another_stays_as_it_is() -> None:
    masked, other = image(1.0, 3, 3), afwImage.MaskedImageF(afwImage.ImageF(3, 3, 2.0), full_of_planes())
    with pytest.raises(errors.RuntimeError, match="all 32 planes are taken"):
        masked += other
    assert masked.image.array.max() == 1.0


def test_a_state_that_is_set_takes_effect() -> None:
    sctrl = afwMath.StatisticsControl()
    sctrl.__setstate__((2.0, 9, *STATE[2:]))
    assert (sctrl.getNumSigmaClip(), sctrl.getNumIter()) == (2.0, 9)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: afwImage.ImageF(np.array([[1e300]])).array, id="image"),
        pytest.param(lambda: afwImage.ImageF(3, 4, 1e300).array, id="initial value"),
        pytest.param(lambda: afwImage.MaskedVectorF([1e300]).value, id="vector"),
        pytest.param(lambda: afwMath.BackgroundMI(ALL, [[1e300]]).getStatsImage().image.array, id="grid"),
    ],
)
def test_numbers_beyond_float32_are_infinite(call: Callable[[], Any]) -> None:
    np.testing.assert_array_equal(call(), INF)


@pytest.mark.parametrize(("weight", "mean"), [(0.0, 1.0), (-0.5, 0.0), (NAN, NAN), (INF, NAN), (1e-45, 1.0)])
def test_odd_weights(weight: float, mean: float) -> None:
    weights = np.array([[1.0, weight]], np.float32)
    got = numbers(np.array([[1.0, 2.0]]), afwMath.NPOINT, afwMath.MEAN, weights=weights)
    # The image's pixels are good whatever their weights.
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
def test_what_is_not_finite_counts_where_it_was_asked_to(value: float) -> None:
    got = numbers(np.array([[1, value, 3]]), afwMath.NPOINT, afwMath.MEAN, afwMath.MIN, sctrl=control(NanSafe=False))
    np.testing.assert_array_equal(got, [3, NAN, 1])


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
def test_taken_too(array: Any, expected: list[float]) -> None:
    np.testing.assert_array_equal(numbers(array, afwMath.NPOINT, afwMath.MEAN, afwMath.MIN), expected)


@pytest.mark.parametrize("threads", [1, 2, 10**6, 2**31 - 1])
def test_any_number_of_threads(threads: int) -> None:
    assert numbers(ONES, afwMath.MEAN, num_threads=threads) == [1]
    made = afwMath.makeBackground(ONES, afwMath.BackgroundControl(3, 3), num_threads=threads)
    assert made.getImageF("LINEAR", num_threads=threads).array.min() == 1


def test_inputs_stay_as_they_are() -> None:
    rng = np.random.default_rng(5)
    pixels, weights = rng.normal(1, 5, (2, 40, 40)).astype(np.float32)
    weights = np.abs(weights)
    variance, mask = np.abs(rng.normal(1, 5, (40, 40))).astype(np.float32), np.zeros((40, 40), np.int32)
    mask[:, 5], pixels[3, 3], pixels[4, 4] = 1, NAN, INF
    masked = afwImage.MaskedImageF(afwImage.ImageF(pixels), afwImage.Mask(mask), afwImage.ImageF(variance))
    inputs = pixels, weights, variance, mask
    before = [one.copy() for one in inputs]
    sctrl = control(AndMask=1, Weighted=True)
    state, planes = sctrl.__getstate__(), masked.mask.getMaskPlaneDict()
    afwMath.makeStatistics(masked, afwMath.MEANCLIP | afwMath.MEDIAN | afwMath.IQRANGE | afwMath.ERRORS, sctrl)
    afwMath.makeStatistics(masked, afwImage.ImageF(weights), afwMath.MEANCLIP, sctrl)
    afwMath.makeStatistics(np.ma.MaskedArray(pixels, mask != 0), afwMath.MEDIAN, sctrl)
    made = afwMath.makeBackground(masked, afwMath.BackgroundControl(5, 5, sctrl))
    made.getImageF()
    made.getApproximate(afwMath.ApproximateControl(CHEBYSHEV, 2)).getMaskedImage()
    match(afwImage.ExposureF(masked), exposure(1.0, 40, 40), binSize=8)
    with pytest.raises(errors.InvalidParameterError):
        afwMath.makeStatistics(masked, 1 << 20, sctrl)
    for one, other in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (sctrl.__getstate__(), masked.mask.getMaskPlaneDict()) == (state, planes)


@pytest.mark.parametrize("value", [NAN, INF, 3e38])
def test_matches_of_what_is_not_finite_say_so(value: float) -> None:
    reference, science = exposure(-1.0 if np.isinf(value) else -value), exposure(value)
    before = science.mask.array.copy()
    struct = match(reference, science, binSize=5)
    assert "NO_OVERLAP" in struct.flags
    assert np.isnan(struct.fitRMS)
    np.testing.assert_array_equal(science.mask.array, before)


@pytest.mark.parametrize("variance", [-1.0, 0.0, NAN, INF])
def test_matches_of_odd_variances(variance: float) -> None:
    reference, science = exposure(5.0), exposure(1.0)
    science.variance.array[:] = variance
    struct = match(reference, science, binSize=5, interpStyle="LINEAR")
    np.testing.assert_array_equal(science.image.array, 5.0)
    np.testing.assert_array_equal([struct.fitRMS, struct.matchedMSE], 0.0)
    np.testing.assert_array_equal(science.variance.array, np.float32(variance))


def test_an_exposure_is_matched_to_itself() -> None:
    same = exposure(3.0)
    struct = match(same, same, binSize=5)
    assert struct.fitRMS == 0
    np.testing.assert_array_equal(same.image.array, 3.0)


def test_one_row_of_more_than_2_31_pixels() -> None:
    pixel = np.array([3], np.float32)
    row = as_strided(pixel, (1, 2**31 + 7), (0, 0), writeable=False)
    assert numbers(row, afwMath.NPOINT, afwMath.MEAN, afwMath.MIN, num_threads=2) == [2**31 + 7, 3, 3]


def test_a_few_bins_of_more_than_2_31_pixels() -> None:
    # Turned round, so that bins also start at the far end of the memory.
    large = np.broadcast_to(np.arange(46350, dtype=np.uint16)[::-1], (46341, 46350))
    made = afwMath.makeBackground(large, afwMath.BackgroundControl(3, 2, None, "MEAN"), num_threads=2)
    np.testing.assert_array_equal(made.getStatsImage().image.array, [[38624.5, 23174.5, 7724.5]] * 2)


def test_backgrounds_of_boxes_near_2_62() -> None:
    made = afwMath.BackgroundMI(box(0, 0, 2**40, 2), [[1.0]])
    assert made.getImageF(box(2**40 - 1, 0, 1, 1), "CONSTANT").array.tolist() == [[1.0]]
    wide = afwMath.BackgroundMI(box(0, 0, 2**40, 2**40), np.ones((5, 5)))
    np.testing.assert_array_equal(wide.getImageD(box(2**39, 2**39, 2, 2)).array, 1.0)
    assert box(0, 0, 2**62, 2**62).getArea() == 2**124


def test_ends_of_boxes_far_out() -> None:
    assert tuple(box(2**62, 2**62, 2**62, 2**62).getMax()) == (2**63 - 1, 2**63 - 1)
    assert str(box(2**62, 0, 5, 5)) == f"(({2**62}, 0)..({2**62 + 4}, 4))"


def test_controls_without_parts_have_the_defaults() -> None:
    bctrl = afwMath.BackgroundControl(3, 3)
    bctrl.setStatisticsControl(None)
    bctrl.setApproximateControl(None)
    assert bctrl.getStatisticsControl() == afwMath.StatisticsControl()
    assert bctrl.getApproximateControl().getStyle() == NO_STYLE
    assert afwMath.makeBackground(ONES, bctrl).getImageF("LINEAR").array.max() == 1
    assert pickle.loads(pickle.dumps(copy.copy(bctrl))).getNxSample() == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, value)
            for name in ("bestRefWeightCoverage", "bestRefWeightVariance", "flagExtrapolatedFraction")
            for value in (-0.1, 1.1, NAN, INF)
        ),
        *(
            (name, None)
            for name in ("binSize", "numIter", "numSigmaClip", "gridStatistic", "undersampleStyle", "interpStyle")
        ),
        ("gridStdevEpsilon", NAN),
        ("approxWeighting", "x"),
        ("usePolynomial", None),
        ("approxWeightPower", 0),
        ("badMaskPlanes", None),
        ("gridStatistic", "mean"),
        ("interpStyle", "CUBIC_SPLINE_PERIODIC"),
    ],
)
def test_configuration_too(name: str, value: Any) -> None:
    test_configuration(name, value)


@pytest.mark.parametrize(
    "width",
    [
        2**31,
        HUGE,
        pytest.param(10**400, id="400 digits"),
    ],
)
def test_any_width_of_clipping(width: int) -> None:
    # Nothing is clipped, or the configuration says why not.
    science = exposure(1.0)
    with contextlib.suppress(errors.EvenskyError, FieldValidationError):
        match(exposure(3.0), science, numSigmaClip=width, binSize=5, interpStyle="LINEAR")
        np.testing.assert_array_equal(science.image.array, 3.0)
