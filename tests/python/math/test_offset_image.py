"""Images moved by parts of a pixel, against sums over single pixels and against Gaussians."""

from __future__ import annotations

import doctest
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import InvalidParameterError, LengthError
from evensky.geom import Extent2I, Point2I

RNG = np.random.default_rng(20261127)
EDGE = afwImage.Mask.getPlaneBitMask("EDGE")


def gaussian(x: float, y: float, width: int = 40, height: int = 36, sigma: float = 2.0) -> np.ndarray:
    across, along = np.meshgrid(np.arange(width) - x, np.arange(height) - y)
    return 100 * np.exp(-0.5 * (across**2 + along**2) / sigma**2)


def lanczos(t: float, order: int) -> float:
    """Return the Lanczos function, from its definition."""
    if t == 0:
        return 1.0
    return order * math.sin(math.pi * t) * math.sin(math.pi * t / order) / (math.pi * t) ** 2 if abs(t) < order else 0.0


def weights(offset: float, algorithm: str) -> dict[int, float]:
    """Return the weights of neighbours: output pixel i is the sum of weight[k] * input[i + k]."""
    if algorithm.startswith("lanczos"):
        order = int(algorithm[7:])
        raw = {k: lanczos(k + offset, order) for k in range(-order - 1, order + 2)}
    elif algorithm == "bilinear":
        raw = {k: max(0.0, 1 - abs(k + offset)) for k in (-1, 0, 1)}
    else:
        raw = {round(-offset): 1.0}
    total = sum(raw.values())
    return {k: weight / total for k, weight in raw.items() if abs(weight) > 1e-15}


@pytest.mark.parametrize("algorithm", ["lanczos2", "lanczos3", "bilinear", "nearest"])
@pytest.mark.parametrize(("dx", "dy"), [(0.3, -0.2), (-0.3, 0.45), (0.0, 0.1), (0.0, 0.0), (0.8, -0.9)])
def test_pixels(algorithm: str, dx: float, dy: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evensky.math.offset_image._MOST_PIXELS", 40)  # several bands
    masked = afwImage.MaskedImageD(14, 12)
    masked.image.array[...] = RNG.normal(size=(12, 14))
    masked.variance.array[...] = RNG.uniform(1, 2, (12, 14))
    masked.mask.array[...] = np.where(RNG.random((12, 14)) < 0.1, 1, 0) | np.where(RNG.random((12, 14)) < 0.1, 2, 0)
    moved = afwMath.offsetImage(masked, dx, dy, algorithm)
    of_x, of_y = weights(dx, algorithm), weights(dy, algorithm)
    order = int(algorithm[7:]) if algorithm.startswith("lanczos") else 1
    for x in range(14):
        for y in range(12):
            left, right = (order, order - 1) if dx > 0 else (order - 1, order)
            below, above = (order, order - 1) if dy > 0 else (order - 1, order)
            if not (left <= x < 14 - right and below <= y < 12 - above):
                value, bits, variance = masked[x, y]
                assert moved[x, y] == (value, bits | EDGE, variance)
                continue
            near = [(of_x[i] * of_y[j], masked[x + i, y + j]) for i in of_x for j in of_y]
            assert moved.image[x, y] == pytest.approx(sum(w * value for w, (value, _, _) in near), abs=1e-12)
            assert moved.variance[x, y] == pytest.approx(sum(w**2 * var for w, (_, _, var) in near), rel=1e-6)
            assert moved.mask[x, y] == np.bitwise_or.reduce([bits for _, (_, bits, _) in near])
    np.testing.assert_array_equal(afwMath.offsetImage(masked.image, dx, dy, algorithm).array, moved.image.array)


@pytest.mark.parametrize(("algorithm", "tolerance"), [("lanczos5", 0.2), ("lanczos3", 0.5), ("bilinear", 5.0)])
@pytest.mark.parametrize(("dx", "dy"), [(0.5, 0.0), (-0.5, 0.25), (0.7, -0.7), (1.2, 0.3), (-2.75, 3.5)])
def test_sources_move(algorithm: str, tolerance: float, dx: float, dy: float) -> None:
    moved = afwMath.offsetImage(afwImage.ImageD(gaussian(20, 18)), dx, dy, algorithm)
    x0, y0 = moved.getXY0()
    assert np.abs(moved.array - gaussian(20 + dx - x0, 18 + dy - y0)).max() < tolerance


@pytest.mark.parametrize(
    ("dx", "dy", "origin"),
    [
        (0.99, -0.99, (0, 0)),
        (0.51, 0.3, (0, 0)),
        (1.0, 0.3, (1, 0)),
        (1.49, 0.51, (1, 1)),
        (1.5, -1.5, (2, -1)),
        (-2.6, 3.4, (-3, 3)),
    ],
)
def test_whole_parts_move_the_origin(dx: float, dy: float, origin: tuple[int, int]) -> None:
    image = afwImage.ImageF(30, 20)
    image.setXY0(Point2I(100, 200))
    assert afwMath.offsetImage(image, dx, dy).getXY0() == Point2I(100, 200) + Extent2I(*origin)
    assert image.getXY0() == Point2I(100, 200)


@pytest.mark.parametrize("algorithm", ["lanczos5", "bilinear", "nearest"])
def test_constants_stay(algorithm: str) -> None:
    image = afwImage.ImageF(30, 20, 200.0)
    for dx, dy in ((0, 0), (0.5, 0), (0.5, 0.5), (-0.3, 2.7)):
        np.testing.assert_allclose(afwMath.offsetImage(image, dx, dy, algorithm).array, 200, rtol=1e-6)


def test_whole_offsets_keep_every_bit() -> None:
    image = afwImage.ImageF(RNG.normal(size=(20, 30)).astype(np.float32))
    image.array[8, 9] = np.nan
    for dx, dy in ((0, 0), (3, -2)):
        np.testing.assert_array_equal(afwMath.offsetImage(image, dx, dy).array, image.array)


def test_nan_spreads_to_the_pixels_that_use_it() -> None:
    image = afwImage.ImageF(20, 20)
    image.array[10, 10] = np.nan
    moved = afwMath.offsetImage(image, 0.25, 0.0, "lanczos3")
    assert np.argwhere(np.isnan(moved.array)).tolist() == [[10, x] for x in range(8, 14)]


def test_buffer() -> None:
    image = afwImage.MaskedImageD(12, 11)
    image.image.array[...] = RNG.normal(size=(11, 12))
    image.image.setXY0(Point2I(0, 0))
    padded = afwImage.MaskedImageD(24, 23)
    padded.image.array[6:17, 6:18] = image.image.array
    right = afwMath.offsetImage(padded, 0.3, -0.4, "lanczos5").image.array[6:17, 6:18]
    moved = afwMath.offsetImage(image, 0.3, -0.4, "lanczos5", 6)
    assert moved.getDimensions() == image.getDimensions()
    np.testing.assert_array_equal(moved.image.array, right)
    assert not moved.mask.array.any()
    some = afwMath.offsetImage(image, 0.3, -0.4, buffer=2)
    np.testing.assert_array_equal(some.mask.array[2:-3, 3:-2], 0)
    np.testing.assert_allclose(some.image.array[2:-3, 3:-2], right[2:-3, 3:-2], atol=1e-14)
    assert (some.mask.array[0] == EDGE).all()
    np.testing.assert_array_equal(afwMath.offsetImage(image, 0.3, -0.4, "lanczos5", -3).image.array, _whole(image))


def _whole(image: afwImage.MaskedImage) -> np.ndarray:
    return afwMath.offsetImage(image, 0.3, -0.4).image.array


def test_masks_without_the_plane_get_it() -> None:
    image = afwImage.MaskedImageF(afwImage.ImageF(12, 12), afwImage.Mask(12, 12, mask_planes={"MINE": 5}))
    moved = afwMath.offsetImage(image, 0.3, 0.3)
    assert moved.mask.array[0, 0] == moved.mask.getPlaneBitMask("EDGE")
    assert moved.mask.array[6, 6] == 0
    assert image.mask.getMaskPlaneDict() == {"MINE": 5}


@pytest.mark.parametrize(
    ("call", "kind", "match"),
    [
        (lambda image: afwMath.offsetImage(image, 0.1, 0.1, "lanczos"), InvalidParameterError, "'lanczos'.*bilinear"),
        (lambda image: afwMath.offsetImage(image, 0.1, 0.1, "lanczos0"), InvalidParameterError, "lanczos0"),
        (lambda image: afwMath.offsetImage(image, 0.1, 0.1, 5), InvalidParameterError, "algorithmName is 5"),
        (lambda image: afwMath.offsetImage(image, np.nan, 0.1), InvalidParameterError, "nan"),
        (lambda image: afwMath.offsetImage(image, "0.1", 0.1), InvalidParameterError, "dx"),
        (lambda image: afwMath.offsetImage(image, 0.1, 0.1), LengthError, "9 x 30.*10 x 10"),
        (lambda image: afwMath.offsetImage(image.array, 0.1, 0.1), InvalidParameterError, "ndarray"),
        (lambda image: afwMath.offsetImage(afwImage.ImageI(20, 20), 0.1, 0.1), InvalidParameterError, "ImageI"),
    ],
)
def test_what_is_refused(call: Callable[[Any], Any], kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        call(afwImage.ImageF(9, 30))


def test_examples() -> None:
    results = doctest.testmod(importlib.import_module("evensky.math.offset_image"))
    assert results.attempted > 0
    assert results.failed == 0
