"""Scaled sums of images."""

from __future__ import annotations

import numpy as np
import pytest

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import InvalidParameterError, OutOfRangeError

RNG = np.random.default_rng(20261127)


def masked(planes: dict[str, int] | None = None) -> afwImage.MaskedImageF:
    image = afwImage.MaskedImageF(afwImage.ImageF(6, 5), afwImage.Mask(6, 5, mask_planes=planes))
    image.image.array[...] = RNG.normal(size=(5, 6))
    image.variance.array[...] = RNG.uniform(1, 2, (5, 6))
    return image


@pytest.mark.parametrize("out_kind", [afwImage.ImageF, afwImage.ImageD])
@pytest.mark.parametrize("in_kind", [afwImage.ImageF, afwImage.ImageI, afwImage.ImageU])
def test_images(out_kind: type[afwImage.Image], in_kind: type[afwImage.Image]) -> None:
    first, second = (in_kind(RNG.integers(0, 99, (5, 6)).astype(in_kind.dtype)) for _ in range(2))
    out = out_kind(6, 5)
    assert afwMath.scaledPlus(out, 0.5, first, -1.5, second) is None
    np.testing.assert_array_equal(out.array, 0.5 * first.array - 1.5 * second.array)


def test_masked_images() -> None:
    first, second = masked(), masked({"SAT": 0, "MINE": 1})
    first.mask.array[0, 0] = first.mask.getPlaneBitMask("BAD")
    second.mask.array[0, :2] = second.mask.getPlaneBitMask(["SAT", "MINE"])
    out = afwImage.MaskedImageD(6, 5)
    afwMath.scaledPlus(outImage=out, c1=2, inImage1=first, c2=-3.0, inImage2=second)
    x1, x2 = (image.image.array.astype(np.float64) for image in (first, second))
    v1, v2 = (image.variance.array for image in (first, second))
    np.testing.assert_array_equal(out.image.array, 2 * x1 - 3 * x2)
    np.testing.assert_allclose(out.variance.array, 4 * v1 + 9 * v2, rtol=1e-6)
    names = [set(filter(None, out.mask.getAsString(x, 0).split(","))) for x in range(3)]
    assert names == [{"BAD", "SAT", "MINE"}, {"SAT", "MINE"}, set()]
    assert not out.mask.array[1:].any()


def test_the_output_may_be_an_input() -> None:
    first, second = masked(), masked()
    right = afwImage.MaskedImageF(6, 5)
    afwMath.scaledPlus(right, 0.25, first, 4, second)
    afwMath.scaledPlus(second, 0.25, first, 4, second)
    for mine, its in zip(second.getArrays(), right.getArrays(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_what_is_refused() -> None:
    image, other = afwImage.ImageF(6, 5), afwImage.ImageF(5, 6)
    for images in ((other, image, image), (image, other, image), (image, image, other)):
        with pytest.raises(InvalidParameterError, match="5 x 6"):
            afwMath.scaledPlus(images[0], 1, images[1], 1, images[2])
    with pytest.raises(InvalidParameterError, match="MaskedImageF"):
        afwMath.scaledPlus(image, 1, image, 1, masked())
    with pytest.raises(InvalidParameterError, match="c2"):
        afwMath.scaledPlus(image, 1, image, "1", image)
    full = afwImage.ImageU(6, 5, 65535)
    with pytest.raises(OutOfRangeError, match="131070"):
        afwMath.scaledPlus(full, 1, full, 1, full)
    assert (full.array == 65535).all()
