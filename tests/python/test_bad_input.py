"""Bad input to the Python API: what is refused says why, with the value; what is taken gives the right number."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.nddata import CCDData, NDData, StdDevUncertainty, UnknownUncertainty

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
