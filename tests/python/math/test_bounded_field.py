"""Fields and images: fill, add, multiply and divide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import InvalidParameterError
from evensky.geom import Box2I, Extent2I, Point2I

RNG = np.random.default_rng(20261127)
BOX = Box2I(Point2I(-5, 7), Extent2I(21, 16))
X, Y = np.meshgrid(np.arange(-5, 16), np.arange(7, 23))
FIELD = afwMath.ChebyshevBoundedField(BOX, [[1.0, 2.0]])


@pytest.mark.parametrize("kind", [afwImage.ImageF, afwImage.ImageD])
def test_images(kind: type[afwImage.Image], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evensky.math.bounded_field._MOST_PIXELS", 50)  # several bands
    coefficients = RNG.normal(size=(3, 3))
    coefficients[0, 0] = 9
    field = afwMath.ChebyshevBoundedField(BOX, coefficients)
    values = field.evaluate(X, Y)
    tolerance = 1e-6 if kind is afwImage.ImageF else 1e-13
    for method, right in (
        (field.fillImage, values),
        (field.addToImage, 4 + values),
        (field.multiplyImage, 4 * values),
        (field.divideImage, 4 / values),
        (lambda image: field.addToImage(image, -2.5), 4 - 2.5 * values),
        (lambda image: field.addToImage(image, scaleBy=0.5, overlapOnly=True), 4 + 0.5 * values),
    ):
        image = kind(BOX, 4)
        method(image)
        np.testing.assert_allclose(image.array, right, rtol=tolerance, atol=tolerance)


def test_overlap_only() -> None:
    field = afwMath.ChebyshevBoundedField(BOX, [[2.0]])
    image = afwImage.ImageF(Box2I(Point2I(10, 20), Extent2I(30, 40)), 1.0)
    for method in (field.fillImage, field.addToImage, field.multiplyImage, field.divideImage):
        with pytest.raises(RuntimeError, match="box"):
            method(image)
    assert (image.array == 1).all()
    field.multiplyImage(image, overlapOnly=True)
    assert image.array.sum() == 30 * 40 + 6 * 3
    assert (image[Box2I(Point2I(10, 20), Point2I(15, 22))].array == 2).all()
    apart = afwImage.ImageF(Box2I(Point2I(100, 20), Extent2I(3, 4)), 1.0)
    field.fillImage(apart, True)
    assert (apart.array == 1).all()


@pytest.mark.parametrize(("x_step", "y_step"), [(3, 1), (1, 4), (5, 7), (100, 100)])
def test_steps_interpolate_linearly(x_step: int, y_step: int) -> None:
    plane = afwMath.ChebyshevBoundedField(BOX, [[3.0, 2.0], [-1.0, 0.5]])
    whole, stepped = afwImage.ImageD(BOX), afwImage.ImageD(BOX)
    plane.fillImage(whole)
    plane.fillImage(stepped, xStep=x_step, yStep=y_step)
    np.testing.assert_allclose(stepped.array, whole.array, atol=1e-13)
    curved = afwMath.ChebyshevBoundedField(BOX, [[0.0, 0.0, 1.0]])
    curved.fillImage(whole)
    curved.fillImage(stepped, xStep=x_step, yStep=y_step)
    knots = [*range(0, 21, x_step), *([] if 20 % x_step == 0 else [20])]
    np.testing.assert_allclose(stepped.array[:, knots], whole.array[:, knots], atol=1e-13)
    right = np.interp(range(21), knots, whole.array[0, knots])
    np.testing.assert_allclose(stepped.array, np.tile(right, (16, 1)), atol=1e-13)


def test_one_pixel_with_steps() -> None:
    box = Box2I(Point2I(4, 4), Extent2I(1, 1))
    image = afwImage.ImageF(box)
    afwMath.ChebyshevBoundedField(box, [[1.0, 2.0]]).fillImage(image, xStep=2, yStep=2)
    assert image.array.tolist() == [[1.0]]


class Ramp(afwMath.BoundedField):
    """Field of another formula, which needs only `_evaluate`."""

    def _evaluate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x + 100 * y


def test_fields_of_other_formulas() -> None:
    ramp = Ramp(BOX)
    assert (ramp.evaluate(1, 2), ramp.evaluate([1], [3]).tolist(), ramp.getBBox()) == (201.0, [301.0], BOX)
    image = afwImage.ImageF(BOX)
    ramp.fillImage(image)
    np.testing.assert_array_equal(image.array, X + 100 * Y)
    series = afwMath.ChebyshevBoundedField.approximate(ramp, 1, 1)
    np.testing.assert_allclose(series.evaluate(X, Y), X + 100 * Y, rtol=1e-13)


@pytest.mark.parametrize(
    ("call", "kind", "match"),
    [
        (lambda: FIELD.fillImage(afwImage.ImageI(BOX)), InvalidParameterError, "ImageI"),
        (lambda: FIELD.fillImage(afwImage.MaskedImageF(BOX)), InvalidParameterError, "MaskedImageF"),
        (lambda: FIELD.fillImage(afwImage.ImageF(BOX), xStep=0), InvalidParameterError, "0 and 1"),
        (lambda: FIELD.addToImage(afwImage.ImageF(BOX), "2"), InvalidParameterError, "scaleBy"),
    ],
)
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        call()
