"""Functions that make images of arrays."""

from __future__ import annotations

import numpy as np

import evensky.image as afwImage


def test_images_share_the_arrays() -> None:
    pixels, bits, variance = np.ones((3, 4), np.float32), np.zeros((3, 4), np.int32), np.full((3, 4), 2, np.float32)
    image, mask = afwImage.makeImageFromArray(pixels), afwImage.makeMaskFromArray(bits)
    assert type(image) is afwImage.ImageF
    assert type(afwImage.makeImageFromArray(pixels.astype(np.uint16))) is afwImage.ImageU
    masked = afwImage.makeMaskedImageFromArrays(pixels, bits, variance)
    assert type(masked) is afwImage.MaskedImageF
    for one, array in zip(masked.getArrays(), (pixels, bits, variance), strict=True):
        assert np.shares_memory(one, array)
    assert np.shares_memory(image.array, pixels)
    assert np.shares_memory(mask.array, bits)
    again = afwImage.makeMaskedImage(image, mask)
    assert np.shares_memory(again.mask.array, bits)
    assert not again.variance.array.any()


def test_exposures_of_masked_images() -> None:
    masked = afwImage.MaskedImageD(4, 3)
    exposure = afwImage.makeExposure(masked)
    assert type(exposure) is afwImage.ExposureD
    assert np.shares_memory(exposure.image.array, masked.image.array)
    assert not exposure.hasWcs()
