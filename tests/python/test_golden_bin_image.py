"""Every golden case of binImage, through the public API."""

from __future__ import annotations

from typing import Any

import golden
import numpy as np
import pytest

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import DomainError, InvalidParameterError

ERRORS = {"DomainError": DomainError, "InvalidParameterError": InvalidParameterError}


def compute(case: dict[str, Any]) -> Any:
    planes = case["planes"]
    image: Any = afwImage.Image(planes["image"], xy0=tuple(case["xy0"]))
    if case["form"] == "masked_image":
        image = afwImage.MaskedImage(image, afwImage.Mask(planes["mask"]), afwImage.ImageF(planes["variance"]))
    size = [case["binsize"]] if "binsize" in case else [case["binX"], case["binY"]]
    if "flags" not in case:
        return afwMath.binImage(image, *size)
    names = case["flags"] if isinstance(case["flags"], list) else [case["flags"]]
    flags = afwMath.Property.NOTHING
    for name in names:
        flags |= afwMath.stringToStatisticsProperty(name)
    return afwMath.binImage(image, *size, flags=flags)


def exact_mean(case: dict[str, Any]) -> np.ndarray:
    """Return the means from sums that do not overflow."""
    binX, binY = case.get("binX", case.get("binsize")), case.get("binY", case.get("binsize"))
    image = case["planes"]["image"]
    height, width = image.shape[0] // binY, image.shape[1] // binX
    bins = image[: height * binY, : width * binX].astype(np.int64).reshape(height, binY, width, binX)
    return np.trunc(bins.sum(axis=(1, 3)) / (binX * binY))


@pytest.mark.parametrize("case", golden.cases("bin_image"), ids=golden.ids("bin_image"))
def test_case(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(ERRORS[case["error"].split(":")[0]], match=r"> 0|MEAN"):
            compute(case)
        return
    result, planes = compute(case), case["planes"]
    masked = case["form"] == "masked_image"
    assert isinstance(result, afwImage.MaskedImage) == masked
    assert tuple(result.getXY0()) == tuple(case["xy0_out"])
    image = result.image.array if masked else result.array
    want = planes["result_image"]
    assert image.dtype == planes["image"].dtype == want.dtype
    assert image.shape == want.shape
    if image.dtype.kind == "f":
        np.testing.assert_array_equal(np.isnan(image), np.isnan(want))
        assert_within(image, want)
    elif want.size and (sums := exact_mean(case)).size and not np.array_equal(sums, want):
        # "Sums overflow their type" in the original.
        assert float(planes["image"].max()) * planes["image"].size > np.iinfo(image.dtype).max
        np.testing.assert_array_equal(image, sums)
    else:
        np.testing.assert_array_equal(image, want)
    if masked:
        np.testing.assert_array_equal(result.mask.array, planes["result_mask"])
        variance, want = result.variance.array, planes["result_variance"].copy()
        # "The variance is spoilt by the image value" in the original, where that is NaN.
        spoilt = np.isnan(want) & (np.isnan(image) if image.dtype.kind == "f" else False)
        want[spoilt] = variance[spoilt]
        assert_within(variance, want)


def assert_within(got: np.ndarray, want: np.ndarray) -> None:
    largest = np.nanmax(np.abs(want), initial=0.0)
    np.testing.assert_allclose(got, want, rtol=0, atol=3e-7 * float(largest))
