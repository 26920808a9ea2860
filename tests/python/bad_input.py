"""Tables of bad input, the tests that run them, and the objects that many of their rows need."""

# Arguments of wrong types are the subject of these tests.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import evensky.errors as errors
import evensky.geom as geom
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask, Struct

HUGE = 2**63
NAN, INF = float("nan"), float("inf")
ONES = np.ones((20, 20), np.float32)
CHEBYSHEV = afwMath.ApproximateControl.CHEBYSHEV
AKIMA = afwMath.Interpolate.AKIMA_SPLINE
ALL = geom.Box2I(geom.Point2I(0, 0), geom.Extent2I(20, 20))
# A name, the call, the error, the built-in exception that it derives from, and a pattern of the message.
Row = tuple[str, Callable[[], Any], type[Exception], type[Exception], str]
# A name, a function, and values of wrong types to call it with.
WrongRow = tuple[str, Callable[[Any], Any], tuple[Any, ...]]


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
    ("3-d", np.stack([ONES, ONES]), r"\(2, 20, 20\)"),
    ("ragged", [[1, 2], [3]], "cannot be made"),
]
NO_ARRAYS: list[tuple[str, Any, str]] = [
    ("None", None, "object"),
    ("a word", "hello", "<U5"),
    ("a mapping", {}, "object"),
    ("0-d", np.float32(3), r"shape \(\)"),
]
WRONG_TYPE = errors.TypeError, TypeError
INVALID = errors.InvalidParameterError, ValueError
LENGTH = errors.LengthError, ValueError
RANGE = errors.OutOfRangeError, IndexError
UNKNOWN = errors.NotFoundError, ValueError
RUNTIME = errors.RuntimeError, RuntimeError
TASK = errors.TaskError, RuntimeError


def numbers(x: Any, *properties: Any, sctrl: Any = None, **kwargs: Any) -> list[float]:
    flags = 0
    for one in properties:
        flags |= one
    statistics = afwMath.makeStatistics(x, flags, sctrl, **kwargs)
    return [statistics.getValue(one) for one in properties]


BASIC = (afwMath.NPOINT, afwMath.MEAN, afwMath.MEDIAN, afwMath.MEANCLIP, afwMath.MIN, afwMath.MAX)
GRID = np.ones((3, 3), np.float32)
LINEAR = afwMath.Interpolate.LINEAR
UNKNOWN_STYLE = afwMath.Interpolate.UNKNOWN
NO_STYLE = afwMath.ApproximateControl.UNKNOWN


def box(x: int, y: int, width: int, height: int) -> geom.Box2I:
    return geom.Box2I(geom.Point2I(x, y), geom.Extent2I(width, height))


def new(kind: Any) -> Any:
    return kind.__new__(kind)


def restored(kind: Any, *state: Any) -> Any:
    """Unpickle an object with a changed state."""
    made = new(kind)
    made.__setstate__(state)
    return made


def fit_control() -> afwMath.ApproximateControl:
    return afwMath.ApproximateControl(CHEBYSHEV, 1)


def planes_of_32(names: str = "Q") -> dict[str, int]:
    return {f"{names}{number}": number for number in range(32)}


STATE: tuple[Any, ...] = (3.0, 3, 0, True, None, False, False, 0, {})


def refused(rows: list[Row]) -> Callable[..., None]:
    """Make one test of a table: each call raises the error of its row, and no other, with the message of its row.

    The error must be one of evensky's and the built-in exception of the row at the same time. Where a row says that an
    argument is invalid, the error may also say that its type is wrong.
    """

    @pytest.mark.parametrize(("call", "kind", "builtin", "says"), [pytest.param(*row[1:], id=row[0]) for row in rows])
    def test(call: Callable[[], Any], kind: type[Exception], builtin: type[Exception], says: str) -> None:
        with pytest.raises(kind, match=says) as raised:
            call()
        assert type(raised.value) in (kind, *((errors.TypeError,) if kind is errors.InvalidParameterError else ()))
        assert isinstance(raised.value, builtin)
        assert isinstance(raised.value, errors.EvenskyError)

    return test


def of_the_wrong_type(rows: list[WrongRow]) -> Callable[..., None]:
    """Make one test of a table: each value of a row has a type that no binding accepts, and raises a TypeError."""
    cases = [pytest.param(call, value, id=f"{name} {value!r}") for name, call, values in rows for value in values]

    @pytest.mark.parametrize(("call", "value"), cases)
    def test(call: Callable[[Any], Any], value: Any) -> None:
        with pytest.raises(TypeError) as raised:
            call(value)
        assert type(raised.value) is TypeError

    return test
