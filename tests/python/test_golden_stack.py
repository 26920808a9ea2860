"""Every golden case of statisticsStack, through the public API."""

from __future__ import annotations

import warnings
from typing import Any

import golden
import numpy as np
import pytest
from test_golden_statistics import make_control

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import InvalidParameterError, LengthError

ERRORS = {"InvalidParameterError": InvalidParameterError, "LengthError": LengthError, "ValueError": ValueError}
SQUARES = ("VARIANCE", "VARIANCECLIP", "MEANSQUARE")
NO_DATA = 256


def control_of(case: dict[str, Any]) -> afwMath.StatisticsControl:
    given = dict(case["control"])
    no_good_pixels = given.pop("noGoodPixelsMask", None)
    control = make_control(given)
    if no_good_pixels is not None:
        control.setNoGoodPixelsMask(no_good_pixels)
    return control


def names_of(case: dict[str, Any]) -> list[str]:
    """Return the names of the properties of a case."""
    return case["property"] if isinstance(case["property"], list) else [case["property"]]


def flags_of(case: dict[str, Any]) -> int:
    flags = afwMath.Property.NOTHING
    for name in names_of(case):
        flags |= afwMath.stringToStatisticsProperty(name)
    return flags


def inputs_of(case: dict[str, Any]) -> list[Any]:
    """Return the images, masked images or vectors of a case."""
    planes, xy0 = case["planes"], tuple(case.get("xy0", (0, 0)))

    def plane(name: str) -> list[np.ndarray]:
        if f"{name}s" in planes:
            return list(planes[f"{name}s"])
        return [planes[f"{name}_{i}"] for i in range(len(planes)) if f"{name}_{i}" in planes]

    if case["form"] == "vector":
        return list(planes["vectors"])
    images = [afwImage.Image(array, xy0=xy0) for array in plane("image")]
    if case["form"] == "image":
        return images
    return [
        afwImage.MaskedImage(image, afwImage.Mask(mask), afwImage.ImageF(variance))
        for image, mask, variance in zip(images, plane("mask"), plane("variance"), strict=True)
    ]


def compute(case: dict[str, Any]) -> Any:
    control, flags, planes = control_of(case), flags_of(case), case["planes"]
    if case["form"].startswith("collapse"):
        image: Any = afwImage.Image(planes["image"], xy0=tuple(case.get("xy0", (0, 0))))
        if case["form"] == "collapse_masked_image":
            image = afwImage.MaskedImage(image, afwImage.Mask(planes["mask"]), afwImage.ImageF(planes["variance"]))
        return afwMath.statisticsStack(image, flags, case["dimension"], control)
    arguments = [inputs_of(case), flags, control, case.get("weights", [])]
    if case["form"] == "masked_image":
        arguments += [case.get("clipped", 0), [tuple(p) for p in case["maskMap"]] if "maskMap" in case else 0]
        if "maskMap" not in case:
            arguments[-1] = case.get("excuse", 0)
    if "into" not in case:
        return afwMath.statisticsStack(*arguments)
    height, width = case["into"]
    kind = afwImage.MaskedImage if case["form"] == "masked_image" else afwImage.Image
    out = kind(width, height, dtype=np.dtype(case["dtype"]))
    out.setXY0(7, 8)
    assert afwMath.statisticsStack(out, *arguments) is None
    return out


def any_good(case: dict[str, Any]) -> np.ndarray:
    """Return whether each row or column of the image of a case has a good pixel, in the shape of the result."""
    planes = case["planes"]
    good = np.isfinite(planes["image"])
    if "mask" in planes:
        good &= (planes["mask"] & case["control"].get("andMask", 0)) == 0
    if case["control"].get("weighted"):
        good &= planes["variance"] > 0 if "variance" in planes else False
    return good.any(axis=1 if case["dimension"] == "x" else 0, keepdims=True)


@pytest.mark.parametrize("case", golden.cases("stack"), ids=golden.ids("stack"))
def test_case(case: dict[str, Any]) -> None:
    # "Rows and columns of a masked image with an origin" in the original are counted from elsewhere.
    counted_from_elsewhere = case["note"] == "masked image with an origin" and "error" in case
    if "error" in case and not counted_from_elsewhere:
        with pytest.raises(ERRORS[case["error"].split(":")[0]]):
            compute(case)
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Weights of masked images are ignored")
        result = compute(case)
    if case["form"] == "vector":
        want = case["planes"]["result"]
        assert isinstance(result, list)
        assert len(result) == len(want)
        check_values(case, np.array(result), want, case["planes"]["vectors"])
        return
    if counted_from_elsewhere:
        want = compute(case | {"xy0": [0, 0]})
        assert all(np.array_equal(a, b) for a, b in zip(result.getArrays(), want.getArrays(), strict=True))
        return
    planes = case["planes"] | {
        f"result_{name}": case["planes"][f"corrected_{name}"]
        for name in ("image", "variance")
        if f"corrected_{name}" in case["planes"]
    }
    assert tuple(result.getXY0()) == tuple(case.get("xy0_out", (0, 0)))
    if case["note"].startswith("inverse variances of zero"):
        # "1 / variance weights keep variances that are not positive" in the original.
        usable = (planes["variances"] > 0).all(axis=0)
        assert 0 < usable.sum() < usable.size
        for got, role in zip(result.getArrays(), ("image", "mask", "variance"), strict=True):
            planes[f"result_{role}"] = np.where(usable, planes[f"result_{role}"], got)
    pixels = planes["images"] if "images" in planes else planes["image"]
    masked = isinstance(result, afwImage.MaskedImage)
    image = result.image.array if masked else result.array
    assert image.dtype == np.dtype(case["dtype"])
    check_values(case, image, planes["result_image"], pixels)
    if not masked:
        return
    if case["form"].startswith("collapse"):
        # "Rows and columns without a good pixel have mask 0" in the original.
        assert not planes["result_mask"].any()
        np.testing.assert_array_equal(result.mask.array, np.where(any_good(case), 0, NO_DATA))
    else:
        np.testing.assert_array_equal(result.mask.array, planes["result_mask"])
    variance, want = result.variance.array, planes["result_variance"]
    if names_of(case)[0] == "VARIANCECLIP":
        # "The error of VARIANCECLIP is always NaN" in the original.
        assert np.isnan(want).all()
        return
    power = 4 if names_of(case)[0] in SQUARES else 2
    check(variance, want, pixels, power)


def check_values(case: dict[str, Any], got: np.ndarray, want: np.ndarray, pixels: np.ndarray) -> None:
    name = names_of(case)[0]
    if name == "NCLIPPED":
        # "NCLIPPED asked for alone is 0" in the original.
        assert not want.any()
        assert ((got >= 0) & (got <= len(pixels))).all()
    elif name in golden.EXACT:
        np.testing.assert_array_equal(got, want)
    else:
        check(got, want, pixels, 2 if name in SQUARES else 1)


def check(got: np.ndarray, want: np.ndarray, pixels: np.ndarray, power: int) -> None:
    """Compare planes within a few rounding errors of the largest value, or pixel if they are float64."""
    finite = np.abs(want[np.isfinite(want)])
    tolerance = 3e-7 * float(finite.max(initial=0.0))
    if got.dtype == np.float64:
        largest = np.abs(pixels[np.isfinite(pixels)], dtype=np.float64).max(initial=0.0)
        tolerance = 1e-12 * max(float(largest) ** power, float(finite.max(initial=0.0)))
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance, equal_nan=True)
