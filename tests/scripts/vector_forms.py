"""Pass lists and arrays where the original takes vectors."""

import lsst.afw.math as afwMath
import lsst.geom as geom
import numpy as np

values = [1.0, 2.0, 3.0, 10.0]
for vector in (values, tuple(values), np.array(values), np.array(values, np.float32)):
    assert afwMath.makeStatistics(vector, afwMath.MEAN).getValue() == 4.0
    assert afwMath.makeStatistics(vector, afwMath.MEDIAN).getValue(afwMath.MEDIAN) == 2.5
    sctrl = afwMath.StatisticsControl()
    assert afwMath.makeStatistics(vector, [1.0, 1.0, 1.0, 0.0], afwMath.MEAN, sctrl).getValue() == 2.0

x, y = [0.0, 1.0, 2.0], [0.0, 1.0, 4.0]
for kind in (list, tuple, np.array):
    interpolate = afwMath.makeInterpolate(kind(x), kind(y), afwMath.Interpolate.LINEAR)
    assert interpolate.interpolate(0.5) == 0.5
    assert list(interpolate.interpolate(kind([0.5, 1.5]))) == [0.5, 2.5]

field = afwMath.ChebyshevBoundedField(geom.Box2I(geom.Point2I(0, 0), geom.Extent2I(10, 10)), [[1.0, 2.0]])
for kind in (list, tuple, np.array):
    assert list(field.evaluate(kind([4.5, 9.5]), kind([3.0, 8.0]))) == [1.0, 3.0]
