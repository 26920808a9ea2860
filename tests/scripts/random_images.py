"""Draw random numbers, and images of them."""

import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.pex.exceptions as pexExcept
import numpy as np

# The Mersenne twister's numbers are those of the original, here with a seed for which they are published.
rand = afwMath.Random(afwMath.Random.MT19937, 4357)
numbers = [rand.uniform() for _ in range(10)]
assert [f"{number:.5f}" for number in numbers] == (
    ["0.99974", "0.16291", "0.28262", "0.94720", "0.23166", "0.48497", "0.95748", "0.74431", "0.54004", "0.73995"]
)
assert rand.getAlgorithmName() == "MT19937"
assert rand.getSeed() == 4357

# Generators are copied, and their states kept.
copied = rand.deepCopy()
state = rand.getState()
ahead = [rand.gaussian() for _ in range(5)]
assert [copied.gaussian() for _ in range(5)] == ahead
rand.setState(state)
assert [rand.gaussian() for _ in range(5)] == ahead

for name in ("MT19937", "RANLXS0", "RANLXD2", "CMRG", "MRG", "TAUS", "TAUS2", "GFSR4"):
    assert afwMath.Random(name, 3).uniform() == afwMath.Random(getattr(afwMath.Random, name), 3).uniform()
try:
    afwMath.Random("foo")
except pexExcept.InvalidParameterError:
    pass
else:
    raise AssertionError("an unknown algorithm is an error")

rand = afwMath.Random()
image = afwImage.ImageF(500, 400)


def check(mean, variance):
    stats = afwMath.makeStatistics(image, afwMath.MEAN | afwMath.VARIANCE | afwMath.MIN | afwMath.MAX)
    assert abs(stats.getValue(afwMath.MEAN) - mean) < 5 * (variance / 2e5) ** 0.5
    assert abs(stats.getValue(afwMath.VARIANCE) / variance - 1) < 0.05
    return stats.getValue(afwMath.MIN), stats.getValue(afwMath.MAX)


afwMath.randomUniformImage(image, rand)
least, most = check(0.5, 1 / 12)
assert 0 <= least < 1e-3
assert 1 - 1e-3 < most <= 1
assert np.float32(afwMath.Random().uniform()) == image[0, 0]
afwMath.randomUniformPosImage(image, rand)
assert check(0.5, 1 / 12)[0] > 0
afwMath.randomUniformIntImage(image, rand, 10)
assert check(4.5, 99 / 12) == (0, 9)
afwMath.randomFlatImage(image, rand, 10.0, 20.0)
check(15, 100 / 12)
afwMath.randomGaussianImage(image, rand)
check(0, 1)
afwMath.randomChisqImage(image, rand, 10)
check(10, 20)
afwMath.randomPoissonImage(image, rand, 10)
check(10, 10)
assert set(np.unique(image.array % 1)) == {0}
