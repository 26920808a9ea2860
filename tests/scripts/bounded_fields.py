"""Fit a smooth function to positions, evaluate it, and flatten an image by it."""

import pickle

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.geom as geom
import lsst.pex.exceptions as pexExcept
import numpy as np

bbox = geom.Box2I(geom.Point2I(-10, 20), geom.Extent2I(81, 61))

# Coefficients are [y, x]; the outer edges of the box are -1 and +1.
field = afwMath.ChebyshevBoundedField(bbox, np.array([[1.0, 2.0], [3.0, 0.0]]))
assert field.getBBox() == bbox
assert field.evaluate(geom.Point2D(30, 50)) == 1.0
assert field.evaluate(geom.Point2D(70.5, 80.5)) == 6.0
assert field.evaluate(geom.Point2D(70.5, 19.5)) == 0.0
x = np.linspace(-10, 70, 9)
y = np.linspace(20, 80, 9)
assert [field.evaluate(geom.Point2D(*xy)) for xy in zip(x, y, strict=False)] == list(field.evaluate(x, y))
assert abs(field.mean() - 1.0) < 1e-14
assert abs(field.integrate() - bbox.getArea()) < 1e-9

# A fit to scattered measurements returns the function that they follow.
ctrl = afwMath.ChebyshevBoundedField.Control()
assert (ctrl.orderX, ctrl.orderY, ctrl.triangular) == (3, 3, True)
assert ctrl.computeSize() == 10
ctrl.orderX = 2
ctrl.orderY = 2
ctrl.triangular = False
assert ctrl.computeSize() == 9
rng = np.random.RandomState(5)
x = rng.uniform(-10, 70, 300)
y = rng.uniform(20, 80, 300)
z = 1000 + 0.5 * x - 0.01 * y**2 + 1e-5 * x**2 * y**2
fitted = afwMath.ChebyshevBoundedField.fit(bbox, x, y, z, ctrl)
assert np.abs(fitted.evaluate(x, y) - z).max() < 1e-9
weights = np.where(np.arange(300) < 20, 1e-9, 1.0)
spoilt = z + np.where(np.arange(300) < 20, 500.0, 0.0)
fitted = afwMath.ChebyshevBoundedField.fit(bbox, x, y, spoilt, weights, ctrl)
assert np.abs(fitted.evaluate(x, y) - z).max() < 1e-6

# So does a fit to an image.
image = afwImage.ImageF(bbox)
fitted.fillImage(image)
again = afwMath.ChebyshevBoundedField.fit(image, ctrl)
assert again.getBBox() == bbox
assert np.allclose(again.getCoefficients(), fitted.getCoefficients(), rtol=1e-6)

# Images are changed in place, and must lie where the field does.
flat = afwImage.ImageF(image, True)
fitted.divideImage(flat)
assert np.allclose(flat.array, 1, rtol=1e-6)
fitted.multiplyImage(flat)
assert np.allclose(flat.array, image.array, rtol=1e-6)
fitted.addToImage(flat, -1.0)
assert np.abs(flat.array).max() < 1e-3
coarse = afwImage.ImageF(bbox)
field.fillImage(coarse, xStep=7, yStep=9)
exact = afwImage.ImageF(bbox)
field.fillImage(exact)
assert np.allclose(coarse.array, exact.array, rtol=0, atol=1e-5)
moved = afwImage.ImageF(exact, True)
moved.setXY0(geom.Point2I(0, 0))
try:
    field.fillImage(moved)
except pexExcept.RuntimeError:
    pass
else:
    raise AssertionError("an image at another place is an error")
moved.set(1.0)
field.multiplyImage(moved, overlapOnly=True)
assert moved[5, 10] == 1.0
assert abs(moved[30, 50] - 1.0) < 1e-6
assert abs(moved[70, 50] - field.evaluate(geom.Point2D(70, 50))) < 1e-6

# Fields can be scaled, truncated, moved, compared and pickled.
assert (2 * field).evaluate(geom.Point2D(30, 50)) == 2.0 == (field / 0.5).evaluate(geom.Point2D(30, 50))
lower = afwMath.ChebyshevBoundedFieldControl()
lower.orderX, lower.orderY, lower.triangular = 1, 0, True
assert field.truncate(lower).getCoefficients().tolist() == [[1.0, 2.0]]
there = geom.Box2I(geom.Point2I(0, 0), geom.Extent2I(81, 61))
assert field.relocate(there).evaluate(geom.Point2D(40, 30)) == 1.0
assert field != field.relocate(there)
assert pickle.loads(pickle.dumps(field)) == field
product = afwMath.ProductBoundedField([field, fitted])
point = geom.Point2D(3, 33)
assert np.isclose(product.evaluate(point), field.evaluate(point) * fitted.evaluate(point))
smooth = afwMath.ChebyshevBoundedField.approximate(product, orderX=3, orderY=3)
assert np.isclose(smooth.evaluate(point), product.evaluate(point))
