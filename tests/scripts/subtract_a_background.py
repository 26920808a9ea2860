"""Subtract a model of the sky as scripts do, with every import line that the stack's scripts have."""

import lsst.afw.geom as afwGeom
import lsst.afw.image
import lsst.afw.math
import lsst.geom
import lsst.pex.exceptions
import numpy as np
from lsst.afw.image import MaskedImageF
from lsst.geom import Box2I, Extent2I, Point2I

assert afwGeom.Box2I is lsst.geom.Box2I is Box2I

rng = np.random.default_rng(3)
y, x = np.mgrid[0:240, 0:320]
sky = 100 + 0.02 * x - 0.03 * y
masked = MaskedImageF(Box2I(Point2I(1000, 500), Extent2I(320, 240)))
masked.image.array[:] = sky + rng.normal(0, 2, sky.shape)
masked.variance.set(4.0)
star = Box2I.makeCenteredBox(lsst.geom.Point2D(1100, 600), Extent2I(21, 21))
masked.image[star] += 5000
masked.mask[star] |= masked.mask.getPlaneBitMask("DETECTED")

stats = lsst.afw.math.StatisticsControl()
stats.setAndMask(masked.mask.getPlaneBitMask(["BAD", "DETECTED"]))
control = lsst.afw.math.BackgroundControl(
    "LINEAR", masked.getWidth() // 40, masked.getHeight() // 40, "REDUCE_INTERP_ORDER", stats, "MEANCLIP"
)
background = lsst.afw.math.makeBackground(masked, control)
model = background.getImageF()
assert model.getBBox() == masked.getBBox()
masked -= model
rest = masked.image.array - np.where(masked.mask.array != 0, 5000, 0)
assert abs(rest.mean()) < 0.1, rest.mean()
assert abs(rest.std() - 2) < 0.1, rest.std()
assert abs(model.array - sky)[20:-20, 20:-20].max() < 0.6

try:
    masked[Box2I(Point2I(0, 0), Extent2I(5, 5))]
except lsst.pex.exceptions.LengthError:
    pass
else:
    raise AssertionError("a box outside the image")
