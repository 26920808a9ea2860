"""Move images by parts of a pixel."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.geom as geom
import lsst.pex.exceptions as pexExcept
import numpy as np

background = 200
flat = afwImage.ImageF(200, 100)
flat.set(background)
for algorithm in ("lanczos5", "bilinear", "nearest"):
    for dx, dy in [(0, 0), (0.5, 0), (0.5, 0.5)]:
        moved = afwMath.offsetImage(flat, dx, dy, algorithm)
        assert abs(moved[50, 50, afwImage.LOCAL] - background) < 1e-3

# The whole parts of the offsets move the origin, the rest moves the pixels.
flat.setXY0(geom.Point2I(10, 20))
for dx, dy, x0, y0 in [(0.9, -0.9, 10, 20), (2.25, 3.25, 12, 23), (-1.75, 3.25, 8, 23), (1.5, -1.5, 12, 19)]:
    assert afwMath.offsetImage(flat, dx, dy).getXY0() == geom.Point2I(x0, y0), (dx, dy)


def gaussian(x, y, sigma=3.0):
    image = afwImage.ImageF(50, 50)
    xx, yy = np.meshgrid(np.arange(50), np.arange(50))
    image.array[:] = 100 * np.exp(-0.5 * ((xx - x) ** 2 + (yy - y) ** 2) / sigma**2)
    return image


star = gaussian(25, 25)
for algorithm, limit in [("lanczos5", 0.2), ("lanczos3", 0.5), ("bilinear", 3.0)]:
    for dx, dy in [(0.3, 0.2), (-0.4, 0.1), (0.25, -0.75)]:
        moved = afwMath.offsetImage(star, dx, dy, algorithm)
        assert np.abs(moved.array - gaussian(25 + dx, 25 + dy).array).max() < limit, (algorithm, dx, dy)
        assert abs(moved.array.sum() / star.array.sum() - 1) < 1e-3

# Near the edges, where the kernel does not fit, pixels are copied and flagged; a buffer of zeros avoids that.
masked = afwImage.MaskedImageF(gaussian(20, 20))
moved = afwMath.offsetImage(masked, 0.3, 0.2, "lanczos5")
edge = masked.mask.getPlaneBitMask("EDGE")
assert moved.mask[0, 0] == edge
assert moved.mask[4, 25] == edge
assert moved.mask[25, 46] == edge
assert moved.mask[25, 25] == 0
assert not afwMath.offsetImage(masked, 0.3, 0.2, "lanczos5", 5).mask.array.any()

try:
    afwMath.offsetImage(afwImage.ImageF(3, 3), 0.5, 0.5, "lanczos5")
except pexExcept.LengthError:
    pass
else:
    raise AssertionError("an image that is smaller than the kernel is an error")
try:
    afwMath.offsetImage(star, 0.5, 0.5, "no such algorithm")
except pexExcept.InvalidParameterError:
    pass
else:
    raise AssertionError("an unknown algorithm is an error")
