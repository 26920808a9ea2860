"""Errors of images are of the kinds that scripts catch."""

import lsst.afw.image as afwImage
import lsst.geom as geom
import lsst.pex.exceptions as pexExcept
import numpy as np


def raises(kinds, function, *args):
    try:
        function(*args)
    except kinds:
        return
    raise AssertionError(f"{function} raised no error of {kinds}")


def put_nothing(image):
    image.array = None


image, small = afwImage.ImageF(4, 3), afwImage.ImageF(2, 2)
masked, little = afwImage.MaskedImageF(4, 3), afwImage.MaskedImageF(2, 2)
mask, tiny = afwImage.Mask(4, 3), afwImage.Mask(2, 2)

raises(TypeError, put_nothing, image)
raises(TypeError, put_nothing, mask)
raises(TypeError, afwImage.ImageF, 1.5, 2)
raises(TypeError, afwImage.ImageF, None)
raises(TypeError, image.set, "a")
raises(TypeError, image.assign, None)

# No operator makes a new image.
for kinds in (TypeError, NotImplementedError):
    raises(kinds, lambda: mask | mask)
    raises(kinds, lambda: mask & 1)
    raises(kinds, lambda: image + image)
    raises(kinds, lambda: image * 2.0)
    raises(kinds, lambda: masked - image)

# Sizes.
for name in ("__iadd__", "__isub__", "__imul__", "__itruediv__"):
    raises(pexExcept.LengthError, getattr(image, name), small)
    raises(pexExcept.LengthError, getattr(masked, name), little)
for name in ("__ior__", "__iand__", "__ixor__"):
    raises(pexExcept.LengthError, getattr(mask, name), tiny)
raises(pexExcept.LengthError, image.scaledPlus, 2.0, small)
raises(pexExcept.LengthError, afwImage.ImageF, geom.Extent2I(-1, 3))
raises(
    pexExcept.LengthError, afwImage.ImageF, geom.Box2I(geom.Point2I(-1 << 30, -1 << 30), geom.Point2I(1 << 30, 1 << 30))
)
raises(
    pexExcept.LengthError,
    afwImage.ImageF,
    image,
    geom.Box2I(geom.Point2I(1, -1), geom.Extent2I(10, 20)),
    afwImage.LOCAL,
)
raises(pexExcept.LengthError, afwImage.MaskedImageF, image, tiny)
raises((pexExcept.LengthError, ValueError), setattr, image, "array", np.zeros((9, 9)))

# Positions and planes.
raises(IndexError, lambda: image[4, 0])
raises(pexExcept.LengthError, lambda: image[0:9, 0:2])
raises(pexExcept.InvalidParameterError, afwImage.Mask.getPlaneBitMask, "NOPE")
raises(pexExcept.InvalidParameterError, afwImage.Mask.getPlaneBitMask, ["BAD", "NOPE"])
raises(pexExcept.InvalidParameterError, afwImage.Mask.removeMaskPlane, "NOPE")
raises(TypeError, afwImage.Mask.getPlaneBitMask, 3)
