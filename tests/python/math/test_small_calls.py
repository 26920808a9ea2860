"""The cost of calls on few pixels beside the work of the core: calls of Python functions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest

import evensky.image as afwImage
import evensky.math as afwMath

PIXELS = np.random.default_rng(3).normal(100, 5, (64, 64)).astype(np.float32)
CONTROL = afwMath.BackgroundControl("AKIMA_SPLINE", 4, 4, "REDUCE_INTERP_ORDER")


def python_calls(work: Callable[[], Any]) -> int:
    """Return the number of Python functions that a call enters."""
    count = 0

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal count
        count += event == "call"

    work()
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count - 1


@pytest.mark.parametrize("image", [PIXELS, afwImage.ImageF(PIXELS), afwImage.MaskedImageF(afwImage.ImageF(PIXELS))])
def test_a_background_and_its_image(image: Any) -> None:
    assert python_calls(lambda: afwMath.makeBackground(image, CONTROL).getImageF()) < 30


def test_calls_that_skip_checks_give_the_same_results() -> None:
    image = afwImage.ImageF(PIXELS)
    image.setXY0(-5, 7)
    background = afwMath.makeBackground(image, CONTROL)
    whole, part = background.getImageF(), background.getImageF(background.getImageBBox())
    assert whole.getBBox() == part.getBBox() == image.getBBox() == background.getImageBBox()
    assert type(whole) is type(part) is afwImage.ImageF
    assert np.array_equal(whole.array, part.array)
    assert type(background.getImageD()) is afwImage.ImageD
    grid = background.getStatsImage()
    assert grid is background.getStatsImage()
    assert type(grid) is afwImage.MaskedImageF
    assert grid.getXY0() == afwImage.MaskedImageF(4, 4).getXY0()
    assert grid.mask.getMaskPlaneDict() == afwImage.Mask(4, 4).getMaskPlaneDict()
    # Changes of the bins affect the model.
    grid.image.array[...] = 3.0
    assert np.all(background.getImageF().array == 3.0)
    whole.setXY0(1, 2)
    assert background.getImageBBox() == image.getBBox()
