"""Planes that are removed from the default ones stay in masks that exist."""

import lsst.afw.image as afwImage
import lsst.geom as geom
import lsst.pex.exceptions as pexExcept
import numpy as np

Mask = afwImage.Mask[afwImage.MaskPixel]

default = Mask().getMaskPlaneDict()
bit = Mask.addMaskPlane("GHOST")
old = Mask(geom.Extent2I(4, 3))
old[1, 2] = Mask.getPlaneBitMask("GHOST")
Mask.removeMaskPlane("GHOST")
try:
    Mask.getMaskPlane("GHOST")
except pexExcept.InvalidParameterError:
    pass
else:
    raise AssertionError("GHOST was removed")

# Another plane gets the freed bit: the pixels of the old mask do not become TRAIL.
assert Mask.addMaskPlane("TRAIL") == bit
new = Mask(geom.Extent2I(4, 3))
new[0, 0] = Mask.getPlaneBitMask("TRAIL")
assert old.getAsString(1, 2) == "GHOST"
assert new.getAsString(0, 0) == "TRAIL"
assert "GHOST" in old.getMaskPlaneDict()
assert "TRAIL" not in old.getMaskPlaneDict()
assert "GHOST" not in new.getMaskPlaneDict()
old |= new
assert (old.getAsString(1, 2), old.getAsString(0, 0)) == ("GHOST", "TRAIL")

# A plane that is removed from one mask alone.
one, other = Mask(geom.Extent2I(2, 2)), Mask(geom.Extent2I(2, 2))
one.set(one.getPlaneBitMask(["TRAIL", "BAD"]))
one.removeAndClearMaskPlane("TRAIL")
assert one[0, 0] == Mask.getPlaneBitMask("BAD")
assert "TRAIL" not in one.getMaskPlaneDict()
assert "TRAIL" in other.getMaskPlaneDict()
assert Mask.getMaskPlane("TRAIL") == bit
other.removeAndClearMaskPlane("TRAIL", True)
assert Mask().getMaskPlaneDict() == default
assert Mask.getNumPlanesUsed() == len(default)

# The planes start anew, as test programs do it.
before = Mask(geom.Extent2I(2, 1))
before[0, 0] = before.getPlaneBitMask("CR")
Mask.clearMaskPlaneDict()
assert [Mask.addMaskPlane(name) for name in ("XXX", "CR", "BP")] == [0, 1, 2]
assert before.getAsString(0, 0) == "CR"
before.conformMaskPlanes(before.getMaskPlaneDict())
assert before[0, 0] == 2
assert Mask.interpret(3) == "CR,XXX"

# All bits at once, and clearing them.
mask = Mask(geom.Extent2I(3, 1))
mask.set(0x7)
mask.clearMaskPlane(mask.getMaskPlane("CR"))
assert mask[0, 0] == 0x5
mask.clearAllMaskPlanes()
assert not np.any(mask.array)
mask.printMaskPlanes()
