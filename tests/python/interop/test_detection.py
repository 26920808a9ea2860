"""Detection of sources by photutils."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.interop.detection import detect_sources

pytest.importorskip("photutils")


def scene() -> np.ndarray:
    """Three sources: 6 pixels, 5 pixels that touch at corners, and 2 pixels."""
    pixels = np.zeros((40, 60), np.float32)
    pixels[5:7, 10:13] = 3
    for i in range(5):
        pixels[20 + i, 30 + i] = 4
    pixels[35, 50:52] = 9
    return pixels


def test_connected_pixels_above_the_threshold() -> None:
    pixels = scene()
    found, number = detect_sources(pixels, np.full(pixels.shape, 2, np.float32), 5, 0)
    assert (found.dtype, found.shape, number) == (np.bool_, pixels.shape, 2)
    np.testing.assert_array_equal(found, (pixels > 2) & (pixels < 9))
    assert detect_sources(pixels, np.full(pixels.shape, 3, np.float32), 5, 0)[1] == 1  # a source exceeds it
    high = np.full(pixels.shape, np.nan, np.float32)
    found, number = detect_sources(pixels, high, 1, 3)
    assert not found.any()
    assert number == 0


def test_dilation_is_a_disk() -> None:
    pixels = scene()
    found, _ = detect_sources(pixels, np.full(pixels.shape, 5, np.float32), 2, 4)
    y, x = np.mgrid[:40, :60]
    np.testing.assert_array_equal(found, np.minimum(np.hypot(x - 50, y - 35), np.hypot(x - 51, y - 35)) <= 4)


def test_bad_pixels_belong_to_no_source() -> None:
    pixels = scene()
    bad = np.zeros(pixels.shape, bool)
    bad[5, 11] = bad[6, 11] = True  # which leaves two parts of 2 pixels
    found, number = detect_sources(pixels, np.full(pixels.shape, 2, np.float32), 3, 0, bad)
    assert number == 1
    assert not found[5:7, 10:13].any()


@pytest.mark.parametrize("seed", range(3))
def test_sep_finds_the_same_pixels(seed: int) -> None:
    sep = pytest.importorskip("sep")
    rng = np.random.default_rng(seed)
    pixels = rng.normal(0, 1, (300, 200)).astype(np.float32)
    for _ in range(20):
        y, x = rng.integers(0, 280), rng.integers(0, 180)
        pixels[y : y + 8, x : x + 8] += rng.uniform(0, 5)
    found, number = detect_sources(pixels, np.full(pixels.shape, 1.5, np.float32), 5, 0)
    objects, segments = sep.extract(
        pixels, 1.5, minarea=5, filter_kernel=None, clean=False, deblend_cont=1.0, segmentation_map=True
    )
    np.testing.assert_array_equal(found, segments != 0)
    assert number == len(objects)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    modules: dict[str, Any] = dict.fromkeys(("photutils", "photutils.segmentation", "photutils.utils"))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(InvalidParameterError, match=r"photutils.*pip install 'evensky\[sources\]'"):
        detect_sources(scene(), scene(), 5, 0)
