"""Matching of the visits of a tract, with handles of warps as a Butler hands them out."""

import lsst.afw.image as afwImage
import lsst.geom as geom
import numpy as np
from lsst.pipe.tasks.matchBackgrounds import ChooseReferenceVisitConfig, MatchBackgroundsConfig, MatchBackgroundsTask

SIZE, NUMBER, BORDER, TRACT = 100, 3, 10, 4

BBOX = geom.Box2I(geom.Point2I(0, 0), geom.Extent2I(SIZE * NUMBER, SIZE * NUMBER))


class Tract:
    def getBBox(self):
        return BBOX

    def getPatchInnerDimensions(self):
        return geom.Extent2I(SIZE, SIZE)


SKY_MAP = {TRACT: Tract()}


def outer_box(patch):
    row, column = divmod(patch, NUMBER)
    box = geom.Box2I(geom.Point2I(column * SIZE, row * SIZE), geom.Extent2I(SIZE, SIZE))
    box.grow(BORDER)
    box.clip(BBOX)
    return box


def sky(visit):
    y, x = np.indices((SIZE * NUMBER, SIZE * NUMBER))
    return (10.0 * visit + visit * x / 50 - y / 80).astype(np.float32)


class Handle:
    def __init__(self, visit, patch):
        self.dataId = {"skymap": "test", "tract": TRACT, "patch": patch, "visit": visit}
        box = outer_box(patch)
        self._warp = afwImage.ExposureF(box)
        part = np.s_[box.getBeginY() : box.getEndY(), box.getBeginX() : box.getEndX()]
        noise = np.random.default_rng(visit).normal(0, 2, (SIZE * NUMBER, SIZE * NUMBER))
        self._warp.image.array[:] = (sky(visit) + noise)[part]
        self._warp.variance.array[:] = 4

    def get(self, **kwargs):
        return self._warp


config = MatchBackgroundsConfig()
config.tractBgModel.xBin = config.tractBgModel.yBin = 25.0
config.tractBgModel.binning = 10
config.reference.tractBgModel.xBin = config.reference.tractBgModel.yBin = 25.0
config.reference.bestRefWeightChi2 = 0.2
assert isinstance(config.reference.value, ChooseReferenceVisitConfig)

# The third visit lacks the last column of patches.
warps = [Handle(visit, patch) for visit in (1, 2, 3) for patch in range(9) if visit < 3 or patch % 3 < 2]
task = MatchBackgroundsTask(config=config)
result = task.run(warps, SKY_MAP)
assert len(result.backgroundInfoList) == len(result.matchedImageList) == len(warps)

# The configuration may be changed after the task was made.
config.refWarpVisit = 2
result = task.run(warps=warps, skyMap=SKY_MAP)
for handle, background, matched in zip(warps, result.backgroundInfoList, result.matchedImageList, strict=True):
    visit, box = handle.dataId["visit"], outer_box(handle.dataId["patch"])
    added = background.getImage()
    assert added.getBBox() == matched.getBBox() == box
    part = np.s_[box.getBeginY() : box.getEndY(), box.getBeginX() : box.getEndX()]
    assert np.abs(added.array - (sky(2) - sky(visit))[part]).max() < 1.0
    if visit == 2:
        assert not added.array.any()
    assert np.array_equal(matched.image.array, handle.get().image.array + added.array)

empty = task.run([], SKY_MAP)
assert empty.backgroundInfoList == []
assert empty.matchedImageList == []
