"""Pixels of one exposure: the step between their values."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.matching.joint.pixels import Pixels


def pixels(image: np.ndarray, mask: np.ndarray | None = None) -> Pixels:
    height, width = image.shape
    return Pixels(image, mask, 1, (0, 0, width, height))


@pytest.mark.parametrize("step", [1.0, 0.37, 1 / 1.3])
def test_step_of_rounded_pixels(step: float) -> None:
    rng = np.random.default_rng(1)
    rounded = (np.rint(rng.normal(600 + np.linspace(0, 40, 300), 0.4, (200, 300))) * step).astype(np.float32)
    assert pixels(rounded).quantum == pytest.approx(step, rel=1e-5)
    rounded[:, ::7] = np.nan
    assert pixels(rounded).quantum == pytest.approx(step, rel=1e-5)


def test_no_step() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(600, 0.4, (200, 300)).astype(np.float32)
    assert pixels(noise).quantum == 0
    # The step is far below the noise.
    assert pixels(np.rint(rng.normal(600, 10, (200, 300)))).quantum == 0
    # Objects of one value on a flat sky are no lattice, and neither is an image without good pixels.
    flat = np.full((200, 300), 5.0)
    flat[20:120, 30:200] = 8.0
    assert pixels(flat).quantum == 0
    assert pixels(np.full((20, 30), np.nan)).quantum == 0
    assert pixels(np.rint(noise), np.ones(noise.shape, np.int32)).quantum == 0
    assert pixels(np.zeros((1, 1))).quantum == 0
