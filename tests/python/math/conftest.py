"""An image that tests of statistics and of backgrounds share."""

from __future__ import annotations

import numpy as np
import pytest

import evensky.image as afwImage

RNG = np.random.default_rng(20260505)
PIXELS = RNG.normal(100, 5, (60, 80)).astype(np.float32)


@pytest.fixture
def image() -> afwImage.MaskedImageF:
    masked = afwImage.MaskedImageF(afwImage.ImageF(PIXELS, True))
    masked.mask.array[10:20, 30:40] = 1
    masked.image.array[10:20, 30:40] += 1000
    masked.variance.array[...] = 25
    return masked
