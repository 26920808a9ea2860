"""Progress bars."""

from __future__ import annotations

import sys

import numpy as np

import evensky

RNG = np.random.default_rng(11)
HEIGHT, WIDTH = 120, 160
SKY = (RNG.normal(100, 5, (HEIGHT, WIDTH)) + np.linspace(0, 30, WIDTH)).astype(np.float32)


def test_no_bar_no_warning() -> None:
    sys.modules.pop("tqdm.auto", None)
    evensky.match_all([SKY, SKY + 1])
    evensky.match([SKY, SKY + 1], bin_size=40)
    assert "tqdm.auto" not in sys.modules
