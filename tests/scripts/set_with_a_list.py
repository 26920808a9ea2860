"""The pixels of a masked image are set by a value, a mask and a variance, as a tuple or a list."""

import lsst.afw.image as afwImage

# Three pixels wide: as many as a pixel has numbers.
for width in (3, 5):
    for pixel in ((100.0, 0x2, 10.0), [100.0, 0x2, 10.0]):
        masked = afwImage.MaskedImageF(width, 4)
        masked.set(pixel)
        for y in range(4):
            for x in range(width):
                assert masked[x, y] == (100.0, 0x2, 10.0)
        masked[1, 2] = [7.0, 0x1, 3.0]
        assert (masked[1, 2], masked[2, 1]) == ((7.0, 0x1, 3.0), (100.0, 0x2, 10.0))

masked.set(666)
assert masked[0, 0] == (666.0, 0x0, 0.0)
masked.set(1.0, 0x4, 2.0)
assert masked[4, 3] == (1.0, 0x4, 2.0)
