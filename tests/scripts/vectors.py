"""Pass lists, tuples and arrays where the original takes vectors."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import numpy as np

for values in ([1.0, 2.0, 6.0], (1.0, 2.0, 6.0), np.array([1.0, 2.0, 6.0]), np.array([1, 2, 6], np.float32), [1, 2, 6]):
    statistics = afwMath.makeStatistics(values, afwMath.MEAN | afwMath.MEDIAN | afwMath.NPOINT)
    assert statistics.getValue(afwMath.MEAN) == 3.0
    assert statistics.getValue(afwMath.MEDIAN) == 2.0
    assert statistics.getValue(afwMath.NPOINT) == 3
    weighted = afwMath.makeStatistics(values, [1.0, 1.0, 0.5], afwMath.MEAN)
    assert weighted.getValue() == 6.0 / 2.5
sctrl = afwMath.StatisticsControl()
sctrl.setAndMask(1)
vector = afwImage.MaskedVectorF([1.0, 2.0, 600.0], [0, 0, 1], [1.0, 1.0, 1.0])
assert afwMath.makeStatistics(vector, afwMath.MAX, sctrl).getValue() == 2.0

for x, y in (([0, 1, 2], [0, 2, 4]), ((0.0, 1.0, 2.0), (0.0, 2.0, 4.0)), (np.arange(3), 2 * np.arange(3))):
    line = afwMath.makeInterpolate(x, y, "LINEAR")
    assert line.interpolate(1.5) == 3.0
    assert np.array_equal(line.interpolate([0.5, 1.0]), [1.0, 2.0])
    assert np.array_equal(line.interpolate(np.array([0.5, 1.0])), [1.0, 2.0])
control = afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, 1, -1, False)
grid = afwImage.MaskedImageF(3, 3)
grid.image.array[:, :] = [[0, 1, 2]] * 3
box = afwImage.ImageF(21, 21).getBBox()
for x in ([0.0, 10.0, 20.0], (0.0, 10.0, 20.0), np.linspace(0, 20, 3)):
    assert abs(afwMath.makeApproximate(x, x, grid, box, control).getImage().array - np.arange(21) / 10).max() < 1e-6
