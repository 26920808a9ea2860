"""Bad input to backgrounds and their controls: refused, with the value in the message, or taken as a number."""

# Arguments of wrong types are the subject of these tests.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.nddata import NDData, VarianceUncertainty
from bad_input import (
    AKIMA,
    ALL,
    HUGE,
    INF,
    INVALID,
    LENGTH,
    LINEAR,
    NAN,
    NO_ARRAYS,
    NO_STYLE,
    ONES,
    RANGE,
    STATE,
    UNKNOWN,
    UNKNOWN_STYLE,
    WRONG_ARRAYS,
    Row,
    WrongRow,
    background,
    bin_by,
    box,
    fit,
    image,
    numbers,
    of_the_wrong_type,
    refused,
    restored,
)

import evensky.errors as errors
import evensky.geom as geom
import evensky.image as afwImage
import evensky.math as afwMath

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
        "a grid of more bins than pixels",
        lambda: afwMath.BackgroundMI(geom.Box2I(geom.Point2I(0, 0), geom.Extent2I(3, 3)), image()),
        *INVALID,
        "of 20 over 3 pixels",
    ),
    ("a grid over nothing", lambda: afwMath.BackgroundMI(geom.Box2I(), image()), *INVALID, "no pixels"),
    (
        "state of no bins",
        lambda: restored(afwMath.BackgroundControl, LINEAR, 0, 3, afwMath.THROW_EXCEPTION, None, afwMath.MEAN, None),
        *LENGTH,
        "nxSample = 0",
    ),
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
        (
            f"control {value!r} of a background",
            lambda value=value: afwMath.makeBackground(ONES, value),
            *INVALID,
            f"bgCtrl is a {type(value).__name__}; it must be a BackgroundControl",
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
        "a style that is a count",
        lambda: afwMath.BackgroundControl(afwMath.Interpolate.NUM_STYLES, 3, 3),
        *INVALID,
        "7",
    ),
    *(
        (
            f"a background over {where!r}",
            lambda where=where: afwMath.BackgroundMI(where, ONES),
            *INVALID,
            type(where).__name__,
        )
        for where in (None, 3, (0, 0, 40, 40))
    ),
    *(
        (
            f"a model over {where!r}",
            lambda where=where: background().getImageF(bbox=where),
            *INVALID,
            type(where).__name__,
        )
        for where in ("x", 3)
    ),
    *(
        (
            f"a model over {size} x {size} of 20 x 20 pixels",
            lambda size=size: background().getImageF(bbox=box(0, 0, size, size)),
            *LENGTH,
            "out of range",
        )
        for size in (10**7, 2**62)
    ),
    *(
        (
            f"a model of 2^31 x 2^31 pixels, {name}",
            lambda call=call: call(),
            *LENGTH,
            "2147483648 x 2147483648",
        )
        for name, call in (
            ("background", lambda: afwMath.BackgroundMI(box(0, 0, 2**31, 2**31), [[1.0]]).getImageF("CONSTANT")),
            ("approximation", lambda: fit(bbox=box(0, 0, 2**31, 2**31)).getImage()),
        )
    ),
    ("a background + a word", lambda: background().__iadd__("x"), *INVALID, "'x'"),
    *(
        (f"{name} of {state!r}", lambda kind=kind, state=state: restored(kind, *state), *INVALID, says)
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
]


test_refused = refused(REFUSED)


WRONG_TYPES: list[WrongRow] = [
    ("nxSample", lambda value: afwMath.BackgroundControl(value, 3), (1.5, None, 2**31)),
    ("style", lambda value: afwMath.BackgroundControl(value, 3, 3), (None, 99, 1.5)),
    ("undersampling", lambda value: afwMath.BackgroundControl("LINEAR", 3, 3, value), (None, 99, 1.5)),
    ("statistics control", lambda value: afwMath.BackgroundControl(3, 3, value), (3, "x")),
    ("bins' property", lambda value: afwMath.BackgroundControl(3, 3, None, value), (99, None, 1.5)),
    ("an undersample style that is none", afwMath.stringToUndersampleStyle, (None, 5)),
]


test_of_the_wrong_type = of_the_wrong_type(WRONG_TYPES)


@pytest.mark.parametrize("value", [1.0, NAN, INF, float(np.finfo("f4").max), float(np.finfo("f4").smallest_subnormal)])
@pytest.mark.parametrize("style", ["CONSTANT", "LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE"])
def test_backgrounds_of_constant_images(value: float, style: str) -> None:
    bctrl = afwMath.BackgroundControl(style, 5, 5, "REDUCE_INTERP_ORDER")
    model = afwMath.makeBackground(np.full((23, 31), value, "f4"), bctrl).getImageF().array
    np.testing.assert_array_equal(model, value if np.isfinite(value) else NAN)


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
def test_objects_that_were_never_initialised(made: str) -> None:
    # A pickle without its state makes such objects. They are used in a separate process, as it may crash.
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


@pytest.mark.parametrize("threads", [1, 2, 10**6, 2**31 - 1])
def test_any_number_of_threads(threads: int) -> None:
    assert numbers(ONES, afwMath.MEAN, num_threads=threads) == [1]
    made = afwMath.makeBackground(ONES, afwMath.BackgroundControl(3, 3), num_threads=threads)
    assert made.getImageF("LINEAR", num_threads=threads).array.min() == 1


def test_a_few_bins_of_more_than_2_31_pixels() -> None:
    # Reversed views, so that bins also start at the far end of the memory. All pixels of a row share theirs.
    large = np.broadcast_to(np.arange(46350, dtype=np.uint16)[::-1, np.newaxis], (46350, 46341))
    made = afwMath.makeBackground(large, afwMath.BackgroundControl(2, 3, None, "MEAN"), num_threads=2)
    np.testing.assert_array_equal(made.getStatsImage().image.array, [[38624.5] * 2, [23174.5] * 2, [7724.5] * 2])


def test_backgrounds_of_boxes_near_2_62() -> None:
    made = afwMath.BackgroundMI(box(0, 0, 2**40, 2), [[1.0]])
    assert made.getImageF(box(2**40 - 1, 0, 1, 1), "CONSTANT").array.tolist() == [[1.0]]
    wide = afwMath.BackgroundMI(box(0, 0, 2**40, 2**40), np.ones((5, 5)))
    np.testing.assert_array_equal(wide.getImageD(box(2**39, 2**39, 2, 2)).array, 1.0)
    assert box(0, 0, 2**62, 2**62).getArea() == 2**124


def test_controls_without_parts_have_the_defaults() -> None:
    bctrl = afwMath.BackgroundControl(3, 3)
    bctrl.setStatisticsControl(None)
    bctrl.setApproximateControl(None)
    assert bctrl.getStatisticsControl() == afwMath.StatisticsControl()
    assert bctrl.getApproximateControl().getStyle() == NO_STYLE
    assert afwMath.makeBackground(ONES, bctrl).getImageF("LINEAR").array.max() == 1
    assert pickle.loads(pickle.dumps(copy.copy(bctrl))).getNxSample() == 3
