"""Subtract a background that has an approximation, in the way of a task that names styles, and sum a BackgroundList."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.geom as geom
import numpy as np

rng = np.random.default_rng(5)
image = afwImage.ImageF(geom.Box2I(geom.Point2I(100, 200), geom.Extent2I(256, 192)))
y, x = np.mgrid[0:192, 0:256]
sky = 50.0 + 0.05 * x + 0.02 * y
image.array[:, :] = sky + rng.normal(0.0, 8.0, image.array.shape)

bctrl = afwMath.BackgroundControl(8, 6)
bctrl.setStatisticsProperty("MEANCLIP")
actrl = afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, 1, 1, False)
bctrl.setApproximateControl(actrl)
background = afwMath.makeBackground(image, bctrl)

expected = background.getApproximate(actrl, "REDUCE_INTERP_ORDER").getImage()
assert np.abs(expected.array - sky).max() < 0.5

box = geom.Box2I(geom.Point2I(110, 210), geom.Extent2I(40, 30))
akima, reduced = afwMath.Interpolate.AKIMA_SPLINE, afwMath.REDUCE_INTERP_ORDER
for model in (
    background.getImageF(),
    background.getImageF(akima, reduced),
    background.getImageF("AKIMA_SPLINE", "REDUCE_INTERP_ORDER"),
    background.getImageF("NATURAL_SPLINE"),
    background.getImageF(interpStyle=akima, undersampleStyle=reduced),
):
    assert np.array_equal(model.array, expected.array)
    assert model.getXY0() == image.getXY0()
for model in (background.getImageF(box), background.getImageF(box, akima, reduced)):
    assert np.array_equal(model.array, expected[box].array)

subtracted = background.getImageF(akima, reduced)
image -= subtracted
backgrounds = afwMath.BackgroundList()
backgrounds.append(
    (
        background,
        akima,
        reduced,
        actrl.getStyle(),
        actrl.getOrderX(),
        actrl.getOrderY(),
        actrl.getWeighting(),
    )
)
assert np.array_equal(backgrounds.getImage().array, subtracted.array)
backgrounds.append(background)
assert np.array_equal(backgrounds.getImage().array, 2 * subtracted.array)
