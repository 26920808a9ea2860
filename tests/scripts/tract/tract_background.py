"""Background of a visit over the patches of a tract, read back for each of its warps."""

import lsst.afw.image as afwImage
import lsst.geom as geom
import numpy as np
from lsst.pipe.tasks.background import TractBackground, TractBackgroundConfig

SIZE, NUMBER, BORDER = 100, 3, 10


class Patch:
    def __init__(self, x, y):
        self._inner = geom.Box2I(geom.Point2I(x * SIZE, y * SIZE), geom.Extent2I(SIZE, SIZE))

    def getInnerBBox(self):
        return self._inner

    def getOuterBBox(self):
        outer = geom.Box2I(self._inner)
        outer.grow(BORDER)
        outer.clip(BBOX)
        return outer


class Tract:
    def getBBox(self):
        return BBOX

    def getPatchInnerDimensions(self):
        return geom.Extent2I(SIZE, SIZE)

    def getPatchInfo(self, index):
        return PATCHES[index[1] * NUMBER + index[0]]

    def __getitem__(self, index):
        return PATCHES[index]


BBOX = geom.Box2I(geom.Point2I(0, 0), geom.Extent2I(SIZE * NUMBER, SIZE * NUMBER))
PATCHES = [Patch(x, y) for y in range(NUMBER) for x in range(NUMBER)]
SKY_MAP = {9813: Tract()}


def warp(patch):
    box = PATCHES[patch].getOuterBBox()
    exposure = afwImage.ExposureF(box)
    y, x = np.indices(exposure.image.array.shape)
    exposure.image.array[:] = 20 + (x + box.getMinX()) / 10 - (y + box.getMinY()) / 20
    exposure.variance.array[:] = 4
    exposure.image.array[5, 5] = 1e6
    exposure.mask.array[5, 5] |= exposure.mask.getPlaneBitMask("SAT")
    return exposure


config = TractBackgroundConfig()
assert (config.xBin, config.yBin, config.minFrac, config.binning) == (128.0, 128.0, 0.1, 64)
assert config.interpolation == "AKIMA_SPLINE"
config.xBin = 25.0
config.yBin = 25.0
config.binning = 10

total = TractBackground(config, SKY_MAP, 9813)
for patch in range(NUMBER * NUMBER):
    one = TractBackground(config, SKY_MAP, 9813)
    one.addWarp(warp(patch))
    total += one
assert total.getStatsImage().getDimensions() == geom.Extent2I(12, 12)
assert np.all(total.getVarianceImage().array < 4)  # the pixels differ by the gradient alone

copy = total.clone()
copy += total
assert np.allclose(copy.getStatsImage().array, total.getStatsImage().array)

other = TractBackgroundConfig()
other.xBin = 30.0
try:
    total += TractBackground(other, SKY_MAP, 9813)
except RuntimeError:
    pass
else:
    raise AssertionError("bins of another size were added")

for patch in range(NUMBER * NUMBER):
    exposure = warp(patch)
    background = total.toWarpBackground(exposure)
    assert len(background) == 1
    image = background.getImage()
    assert image.getBBox() == exposure.getBBox()
    good = exposure.mask.array == 0
    assert np.abs(image.array - exposure.image.array)[good].max() < 1e-3
