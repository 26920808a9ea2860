"""Sum, slice, pickle, write and read a list of backgrounds; the file has three HDUs for each."""

import os
import pickle
import tempfile

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.geom as geom
import numpy as np
from astropy.io import fits

image = afwImage.MaskedImageF(geom.Box2I(geom.Point2I(12, 34), geom.Extent2I(128, 96)))
image.image.array[:, :] = np.add.outer(np.arange(96.0), 2 * np.arange(128.0))
interpStyle, undersampleStyle = afwMath.Interpolate.AKIMA_SPLINE, afwMath.REDUCE_INTERP_ORDER
approxStyle = afwMath.ApproximateControl.UNKNOWN

backgrounds = afwMath.BackgroundList()
total = afwImage.ImageF(image.getDimensions())
for number in range(2):
    background = afwMath.makeBackground(image, afwMath.BackgroundControl(10, 10))
    if number == 0:
        backgrounds.append((background, interpStyle, undersampleStyle, approxStyle, 0, 0, False))
    else:
        backgrounds.append(background)
    total.array[:, :] += background.getImageF(interpStyle, undersampleStyle).array

assert len(backgrounds) == 2
assert [len(one) for one in backgrounds] == [7, 7]
assert len(backgrounds[0:1]) == 1
assert backgrounds[0:1][0][0] is backgrounds[0][0]
assert backgrounds[1][1:3] == (interpStyle, undersampleStyle)
assert np.array_equal(backgrounds.getImage().array, total.array)
assert backgrounds.getImage().getXY0() == image.getXY0()

for one, other in zip(pickle.loads(pickle.dumps(backgrounds)), backgrounds, strict=True):
    assert one[1:] == other[1:]
    assert np.array_equal(one[0].getStatsImage().image.array, other[0].getStatsImage().image.array)

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "backgrounds.fits")
    backgrounds.writeFits(path)
    with fits.open(path) as hdus:
        assert len(hdus) == 6
        assert hdus[0].data.shape == (10, 10)
        assert hdus[0].header["BKGD_WIDTH"] == 128
        assert hdus[3].header["INTERPSTYLE"] == int(interpStyle)
    again = afwMath.BackgroundList.readFits(path)
assert len(again) == 2
assert np.array_equal(again.getImage().array, total.array)
for one, other in zip(again, backgrounds, strict=True):
    assert one[1:] == other[1:]
    assert one[0].getImageBBox() == other[0].getImageBBox()
