"""Chebyshev series: values against explicit polynomials, fits, files, products, and calls that are refused."""

from __future__ import annotations

import doctest
import importlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import FitsError, InvalidParameterError, LengthError
from evensky.errors import RuntimeError as EvenskyRuntimeError
from evensky.geom import Box2D, Box2I, Extent2I, Point2D, Point2I

RNG = np.random.default_rng(20261127)
BOX = Box2I(Point2I(-5, 7), Extent2I(21, 16))
X, Y = np.meshgrid(np.arange(-5, 16), np.arange(7, 23))
T: list[Callable[[Any], Any]] = [lambda t: t**0, lambda t: t, lambda t: 2 * t**2 - 1, lambda t: 4 * t**3 - 3 * t]
ORDERS = [(0, 0), (1, 0), (0, 2), (1, 2), (3, 1), (3, 3)]


def explicit(coefficients: np.ndarray, x: Any, y: Any, box: Box2I = BOX) -> Any:
    """Return the sum of c_ij T_i(y') T_j(x')."""
    edges = Box2D(box)
    u = 2 * (x - edges.getMinX()) / edges.getWidth() - 1
    v = 2 * (y - edges.getMinY()) / edges.getHeight() - 1
    return sum(c * T[i](v) * T[j](u) for (i, j), c in np.ndenumerate(coefficients))


def control(order_x: int, order_y: int, triangular: bool = True) -> afwMath.ChebyshevBoundedFieldControl:
    ctrl = afwMath.ChebyshevBoundedField.Control()
    ctrl.orderX, ctrl.orderY, ctrl.triangular = order_x, order_y, triangular
    return ctrl


def random_coefficients(ctrl: afwMath.ChebyshevBoundedFieldControl) -> np.ndarray:
    coefficients = RNG.normal(size=(ctrl.orderY + 1, ctrl.orderX + 1))
    if ctrl.triangular:
        i, j = np.indices(coefficients.shape)
        coefficients[i + j > max(ctrl.orderX, ctrl.orderY)] = 0
    return coefficients


@pytest.mark.parametrize(("order_x", "order_y"), ORDERS)
def test_values(order_x: int, order_y: int) -> None:
    coefficients = RNG.normal(size=(order_y + 1, order_x + 1))
    field = afwMath.ChebyshevBoundedField(BOX, coefficients)
    right = explicit(coefficients, X, Y)
    np.testing.assert_allclose(field.evaluate(X, Y), right, rtol=0, atol=1e-13)
    assert isinstance(field.evaluate(0.5, 9), float)
    assert field.evaluate(Point2D(0.5, 9.25)) == field.evaluate(0.5, 9.25) == field.evaluate(x=0.5, y=9.25)
    assert field.evaluate(Point2I(3, 8)) == pytest.approx(right[1, 8], abs=1e-13)
    assert field.evaluate([0.5, 1.5], [9.25, 8]).tolist() == [field.evaluate(0.5, 9.25), field.evaluate(1.5, 8)]
    assert field.getBBox() == BOX
    np.testing.assert_array_equal(field.getCoefficients(), coefficients)
    with pytest.raises(ValueError, match="read-only"):
        field.getCoefficients()[0, 0] = 3


def test_edges_of_the_box_are_plus_and_minus_1() -> None:
    field = afwMath.ChebyshevBoundedField(BOX, [[0.0, 1.0]])
    assert (field.evaluate(-5.5, 0), field.evaluate(5, 0), field.evaluate(15.5, 100)) == (-1.0, 0.0, 1.0)


@pytest.mark.parametrize("triangular", [True, False])
@pytest.mark.parametrize(("order_x", "order_y"), ORDERS)
def test_fits_return_what_made_the_data(order_x: int, order_y: int, triangular: bool) -> None:
    ctrl = control(order_x, order_y, triangular)
    coefficients = random_coefficients(ctrl)
    assert np.count_nonzero(coefficients) == ctrl.computeSize()
    truth = afwMath.ChebyshevBoundedField(BOX, coefficients)
    x, y = RNG.uniform(-5, 15, 200), RNG.uniform(7, 22, 200)
    z = truth.evaluate(x, y)
    image = afwImage.ImageD(BOX)
    truth.fillImage(image)
    holes = afwImage.ImageD(image, True)
    holes.array[RNG.random(holes.array.shape) < 0.3] = np.nan
    for fitted in (
        afwMath.ChebyshevBoundedField.fit(BOX, x, y, z, ctrl),
        afwMath.ChebyshevBoundedField.fit(BOX, x, y, z, np.ones(200), ctrl),
        afwMath.ChebyshevBoundedField.fit(bbox=BOX, x=x, y=y, z=z, ctrl=ctrl),
        afwMath.ChebyshevBoundedField.fit(image, ctrl),
        afwMath.ChebyshevBoundedField.fit(image=image, ctrl=ctrl),
        afwMath.ChebyshevBoundedField.fit(holes, ctrl),
    ):
        assert fitted.getBBox() == BOX
        np.testing.assert_allclose(fitted.getCoefficients(), coefficients, atol=1e-12)


def test_fits_are_least_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evensky.math.chebyshev_field._MOST_POINTS", 37)  # several bands
    ctrl = control(2, 1)
    x, y, z = RNG.uniform(-5, 15, 100), RNG.uniform(7, 22, 100), RNG.normal(size=100)
    w = RNG.uniform(0.1, 2, 100)
    used = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    design = np.column_stack([explicit(np.eye(6)[3 * i + j].reshape(2, 3), x, y) for i, j in used])
    right = np.linalg.lstsq(design, z, rcond=None)[0]
    fitted = afwMath.ChebyshevBoundedField.fit(BOX, x, y, z, ctrl)
    np.testing.assert_allclose([fitted.getCoefficients()[i, j] for i, j in used], right, atol=1e-12)
    right = np.linalg.lstsq(design * w[:, None], z * w, rcond=None)[0]
    fitted = afwMath.ChebyshevBoundedField.fit(BOX, x, y, z, w, ctrl)
    np.testing.assert_allclose([fitted.getCoefficients()[i, j] for i, j in used], right, atol=1e-12)


def test_points_that_are_not_finite_are_ignored() -> None:
    ctrl = control(1, 1)
    points = RNG.uniform(0, 10, (4, 30))
    right = afwMath.ChebyshevBoundedField.fit(BOX, *points[:, 4:], ctrl)
    points[[0, 1, 2, 3], [0, 1, 2, 3]] = [np.nan, np.inf, np.nan, -np.inf]
    assert afwMath.ChebyshevBoundedField.fit(BOX, *points, ctrl) == right


def test_fits_of_noisy_images_are_those_of_their_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evensky.math.chebyshev_field._MOST_PIXELS", 100)
    image = afwImage.ImageF(RNG.normal(size=X.shape).astype(np.float32), xy0=BOX.getMin())
    for ctrl in (control(3, 2), control(1, 3, False)):
        of_points = afwMath.ChebyshevBoundedField.fit(BOX, X.ravel(), Y.ravel(), image.array.ravel(), ctrl)
        of_image = afwMath.ChebyshevBoundedField.fit(image, ctrl)
        np.testing.assert_allclose(of_image.getCoefficients(), of_points.getCoefficients(), atol=1e-13)
    masked = np.ma.MaskedArray(image.array, np.zeros(X.shape, bool))
    masked[3:9, 4:8] = 1e6
    masked[3:9, 4:8] = np.ma.masked
    holes = afwImage.ImageF(image, True)
    holes.array[3:9, 4:8] = np.nan
    of_masked = afwMath.ChebyshevBoundedField.fit(masked, ctrl)
    of_holes = afwMath.ChebyshevBoundedField.fit(holes, ctrl)
    np.testing.assert_allclose(of_masked.getCoefficients(), of_holes.getCoefficients(), atol=1e-13)
    assert of_masked.getBBox() == Box2I(Point2I(0, 0), Extent2I(21, 16))


@pytest.mark.parametrize("size", [4, 6, 14])
def test_images_of_which_a_corner_is_left(size: int) -> None:
    image = afwImage.ImageD(RNG.normal(size=X.shape), xy0=BOX.getMin())
    image.array[size:] = np.nan
    image.array[:, size:] = np.nan
    good = np.isfinite(image.array)
    ctrl = control(3, 3)
    of_points = afwMath.ChebyshevBoundedField.fit(BOX, X[good], Y[good], image.array[good], ctrl)
    of_image = afwMath.ChebyshevBoundedField.fit(image, ctrl)
    np.testing.assert_allclose(of_image.evaluate(X[good], Y[good]), of_points.evaluate(X[good], Y[good]), atol=1e-9)


def test_fit_of_too_few_points_warns() -> None:
    with pytest.warns(UserWarning, match="determine 2 of 3 terms") as caught:
        field = afwMath.ChebyshevBoundedField.fit(BOX, [0.0, 10.0], [9.0, 12.0], [1.0, 2.0], control(1, 1))
    assert caught[0].filename == __file__
    some = np.full((16, 21), np.nan)
    some[3:5, 4] = [1.0, 2.0]
    for image, terms in ((some, "2 of 3"), (np.ones((1, 1)), "1 of 3"), (np.ones((1, 9)), "2 of 3")):
        with pytest.warns(UserWarning, match=f"determine {terms} terms") as caught:
            fitted = afwMath.ChebyshevBoundedField.fit(image, control(1, 1))
        assert caught[0].filename == __file__
        rows, columns = np.nonzero(np.isfinite(image))
        np.testing.assert_allclose(fitted.evaluate(columns, rows), image[rows, columns])
    assert field.evaluate([0.0, 10.0], [9.0, 12.0]).tolist() == pytest.approx([1.0, 2.0])


def test_approximation() -> None:
    def wave(x: Any, y: Any) -> Any:
        return np.sin(x / 10) * np.exp(y / 20)

    field = afwMath.ChebyshevBoundedField.approximate(BOX, wave, 8, 7)
    assert field.getCoefficients().shape == (8, 9)
    assert np.abs(field.evaluate(X, Y) - wave(X, Y)).max() < 2e-6
    coefficients = RNG.normal(size=(3, 4))
    exact = afwMath.ChebyshevBoundedField(BOX, coefficients)
    for again in (
        afwMath.ChebyshevBoundedField.approximate(exact),
        afwMath.ChebyshevBoundedField.approximate(exact, 3, 2),
        afwMath.ChebyshevBoundedField.approximate(exact, 3, orderY=2),
        afwMath.ChebyshevBoundedField.approximate(exact, orderX=3, orderY=2),
        afwMath.ChebyshevBoundedField.approximate(boundedField=exact, orderX=3),
        afwMath.ChebyshevBoundedField.approximate(BOX, exact.evaluate, 3, 2),
    ):
        np.testing.assert_allclose(again.getCoefficients()[:3], coefficients, atol=1e-13)
    triangular = afwMath.ChebyshevBoundedField.approximate(exact, 3, 2, triangular=True)
    np.testing.assert_allclose(
        triangular.getCoefficients(), exact.truncate(control(3, 2)).getCoefficients(), atol=1e-13
    )
    assert afwMath.ChebyshevBoundedField.approximate(BOX, lambda x, y: 3.0, 0, 0).evaluate(1, 2) == pytest.approx(3)


def test_integral_and_mean() -> None:
    field = afwMath.ChebyshevBoundedField(BOX, RNG.normal(size=(4, 5)))
    x, weights = np.polynomial.legendre.leggauss(5)
    edges = Box2D(BOX)
    u, v = np.meshgrid(edges.getCenter().x + x * edges.getWidth() / 2, edges.getCenter().y + x * edges.getHeight() / 2)
    right = weights @ field.evaluate(u, v) @ weights / 4
    assert field.mean() == pytest.approx(right, abs=1e-13)
    assert field.integrate() == pytest.approx(right * 21 * 16, abs=1e-10)


def test_truncation() -> None:
    coefficients = RNG.normal(size=(4, 3))
    field = afwMath.ChebyshevBoundedField(BOX, coefficients)
    assert field.truncate(control(2, 3, False)) == field
    np.testing.assert_array_equal(field.truncate(control(1, 2, False)).getCoefficients(), coefficients[:3, :2])
    right = coefficients[:3, :2].copy()
    right[2, 1] = 0
    np.testing.assert_array_equal(field.truncate(control(1, 2)).getCoefficients(), right)
    for ctrl, name in ((control(3, 3), "x order, 3"), (control(2, 4), "y order, 4")):
        with pytest.raises(LengthError, match=name):
            field.truncate(ctrl)


def test_relocation_arithmetic_equality_and_pickling() -> None:
    coefficients = RNG.normal(size=(2, 3))
    field = afwMath.ChebyshevBoundedField(BOX, coefficients)
    there = Box2I(Point2I(100, 200), Extent2I(42, 8))
    moved = field.relocate(there)
    assert moved.getBBox() == there
    assert moved.evaluate(120.5, 203.5) == pytest.approx(field.evaluate(5, 14.5))
    assert moved != field
    np.testing.assert_array_equal((3 * field).getCoefficients(), 3 * coefficients)
    np.testing.assert_array_equal((field / 4).getCoefficients(), coefficients / 4)
    assert field * 3 == 3 * field != field
    assert field == afwMath.ChebyshevBoundedField(BOX, coefficients)
    assert field != afwMath.ChebyshevBoundedField(BOX, coefficients[:1])
    assert (field == 3) is False
    assert pickle.loads(pickle.dumps(field)) == field
    names = {kind.__name__: kind for kind in (Box2I, Point2I, Extent2I, afwMath.ChebyshevBoundedField)}
    assert eval(repr(field), names) == field


def test_files(tmp_path: Path) -> None:
    field = afwMath.ChebyshevBoundedField(BOX, RNG.normal(size=(2, 3)))
    product = afwMath.ProductBoundedField([field, afwMath.ProductBoundedField([field, field / 3])])
    for number, one in enumerate((field, product)):
        path = tmp_path / f"{number}.fits"
        one.writeFits(path)
        one.writeFits(str(path))
        with pytest.raises(FitsError, match="exists already"):
            one.writeFits(path, overwrite=False)
    for kind in (afwMath.ChebyshevBoundedField, afwMath.ProductBoundedField):
        assert kind.readFits(tmp_path / "0.fits") == field
        again = kind.readFits(tmp_path / "1.fits")
        assert again == afwMath.ProductBoundedField([field, field, field / 3])


def test_files_that_are_refused(tmp_path: Path) -> None:
    class Other(afwMath.BoundedField):
        pass

    with pytest.raises(InvalidParameterError, match="Other"):
        afwMath.ProductBoundedField([Other(BOX)]).writeFits(tmp_path / "other.fits")
    assert not list(tmp_path.iterdir())
    path = tmp_path / "image.fits"
    afwImage.ImageF(3, 4).writeFits(path)
    fits = pytest.importorskip("astropy.io.fits")
    for name, box, data in (("text", "wide", np.ones((2, 2))), ("empty", 5, None), ("cube", 5, np.ones((2, 2, 2)))):
        hdu = fits.PrimaryHDU(data)
        hdu.header.update({"FIELD": "ChebyshevBoundedField", "BOX_X0": 0, "BOX_Y0": 0, "BOX_W": box, "BOX_H": 5})
        hdu.writeto(tmp_path / f"{name}.fits")
        with pytest.raises(FitsError, match=f"{name}.fits: HDU 0 holds no field"):
            afwMath.ChebyshevBoundedField.readFits(tmp_path / f"{name}.fits")
    for name, match in ((path, "HDU 0 lacks FIELD, BOX_X0"), (tmp_path / "none.fits", "none.fits")):
        with pytest.raises(FitsError, match=match):
            afwMath.ChebyshevBoundedField.readFits(name)


def test_coefficients_are_copied() -> None:
    coefficients = np.ones((2, 2))
    field = afwMath.ChebyshevBoundedField(BOX, coefficients)
    coefficients[0, 0] = 77
    assert field.getCoefficients()[0, 0] == 1


def test_size_of_controls() -> None:
    default = afwMath.ChebyshevBoundedFieldControl()
    assert (default.orderX, default.orderY, default.triangular) == (3, 3, True)
    sizes = {(3, 3): (10, 16), (2, 0): (3, 3), (2, 1): (5, 6), (1, 4): (9, 10), (0, 0): (1, 1)}
    for orders, (triangular, rectangular) in sizes.items():
        assert control(*orders).computeSize() == triangular
        assert control(*orders, triangular=False).computeSize() == rectangular


def test_products() -> None:
    fields = [afwMath.ChebyshevBoundedField(BOX, RNG.normal(size=(i, 3))) for i in (1, 2, 3)]
    product = afwMath.ProductBoundedField(fields)
    assert isinstance(product, afwMath.BoundedField)
    assert product.getFactors() == fields
    right = np.prod([field.evaluate(X, Y) for field in fields], axis=0)
    np.testing.assert_allclose(product.evaluate(X, Y), right, atol=1e-13)
    assert product.evaluate(Point2D(-5, 7)) == pytest.approx(right[0, 0])
    image = afwImage.ImageD(BOX, 2)
    product.multiplyImage(image)
    np.testing.assert_allclose(image.array, 2 * right, atol=1e-13)
    for scaled in (2 * product, product * 2, product / 0.5):
        assert scaled.evaluate(1, 2) == pytest.approx(2 * product.evaluate(1, 2))
    assert product == afwMath.ProductBoundedField(fields) != 2 * product
    assert (product == fields[0]) is False
    assert pickle.loads(pickle.dumps(product)) == product
    assert repr(product).startswith("ProductBoundedField([ChebyshevBoundedField(Box2I(")


FIELD = afwMath.ChebyshevBoundedField(BOX, [[1.0, 2.0]])


@pytest.mark.parametrize(
    ("call", "kind", "match"),
    [
        (lambda: afwMath.ChebyshevBoundedField(Box2I(), [[1.0]]), InvalidParameterError, "empty"),
        (lambda: afwMath.ChebyshevBoundedField(Box2D(BOX), [[1.0]]), InvalidParameterError, "Box2D.*Box2I"),
        (lambda: afwMath.ChebyshevBoundedField(BOX, [1.0]), InvalidParameterError, r"\(1,\)"),
        (lambda: afwMath.ChebyshevBoundedField(BOX, np.zeros((0, 2))), InvalidParameterError, r"\(0, 2\)"),
        (lambda: afwMath.ChebyshevBoundedField(BOX, [["a"]]), InvalidParameterError, "real numbers"),
        (lambda: FIELD.evaluate([1, 2], [1, 2, 3]), LengthError, r"\(2,\).*\(3,\)"),
        (lambda: FIELD.evaluate(1), InvalidParameterError, "got 1"),
        (lambda: FIELD.evaluate(1, y=2, z=3), InvalidParameterError, "z"),
        (lambda: FIELD.evaluate(1j, 2), InvalidParameterError, "real numbers"),
        (lambda: FIELD / 0, InvalidParameterError, "divided by 0"),
        (lambda: control(-1, 2).computeSize(), InvalidParameterError, "-1"),
        (lambda: afwMath.ChebyshevBoundedField.fit(BOX, [1], [2], [3, 4], control(1, 1)), LengthError, r"\(2,\)"),
        (
            lambda: afwMath.ChebyshevBoundedField.fit(BOX, [np.nan], [2], [3], control(1, 1)),
            EvenskyRuntimeError,
            "No point",
        ),
        (lambda: afwMath.ChebyshevBoundedField.fit(BOX, [1], [2], [3]), InvalidParameterError, "ctrl is None"),
        (lambda: afwMath.ChebyshevBoundedField.fit(np.ones((3, 3)), 2), InvalidParameterError, "ctrl is None"),
        (
            lambda: afwMath.ChebyshevBoundedField.fit(BOX, [1], image=np.ones((3, 3)), ctrl=control(1, 1)),
            InvalidParameterError,
            "image and ctrl, or bbox",
        ),
        (
            lambda: afwMath.ChebyshevBoundedField.fit(afwImage.MaskedImageF(BOX), control(1, 1)),
            InvalidParameterError,
            r"image\.image",
        ),
        (lambda: afwMath.ChebyshevBoundedField.approximate(BOX, 3), InvalidParameterError, "function"),
        (lambda: afwMath.ChebyshevBoundedField.approximate(FIELD, 3, 3, 3), InvalidParameterError, "two orders"),
        (
            lambda: afwMath.ChebyshevBoundedField.approximate(BOX, lambda x, y: np.nan * x, 1, 1),
            InvalidParameterError,
            "finite",
        ),
        (lambda: afwMath.ProductBoundedField([]), LengthError, "no factors"),
        (lambda: afwMath.ProductBoundedField([FIELD, 3]), InvalidParameterError, "int"),
        (
            lambda: afwMath.ProductBoundedField([FIELD, FIELD.relocate(Box2I(Point2I(0, 0), Extent2I(2, 2)))]),
            InvalidParameterError,
            "equal",
        ),
    ],
)
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        call()


def test_examples() -> None:
    results = doctest.testmod(importlib.import_module("evensky.math.chebyshev_field"))
    assert results.attempted > 0
    assert results.failed == 0
