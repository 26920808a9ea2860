"""Every golden case of backgrounds and approximations, through the public API."""

from __future__ import annotations

from typing import Any

import golden
import numpy as np
import pytest
from test_golden_statistics import make_control

import evensky.errors as errors
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.geom import Box2I, Extent2I, Point2I

pytestmark = pytest.mark.smoke

DEFAULT_CONTROL = {"andMask": 0}


def masked_image(planes: dict[str, np.ndarray], xy0: list[int]) -> afwImage.MaskedImage:
    image = afwImage.Image(planes["image"], xy0=Point2I(*xy0))
    mask = afwImage.Mask(planes["mask"]) if "mask" in planes else None
    variance = afwImage.ImageF(planes["variance"]) if "variance" in planes else None
    return afwImage.MaskedImage(image, mask, variance)


def assert_close_image(got: np.ndarray, want: np.ndarray) -> None:
    """Check that images are equal within 2 float32 ulp of the largest value."""
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    if np.all(np.isnan(want)):
        return
    limit = 2 * np.spacing(np.float32(np.nanmax(np.abs(want))))
    assert np.nanmax(np.abs(got.astype(np.float64) - want)) <= limit


def evaluate(case: dict[str, Any]) -> tuple[afwMath.BackgroundMI, afwImage.ImageF]:
    control = dict(case["control"])
    xy0 = case.get("xy0") or control.pop("xy0", [0, 0])
    control.pop("xy0", None)
    bctrl = afwMath.BackgroundControl(
        case["interpStyle"],
        case["nx"],
        case["ny"],
        case["undersampleStyle"],
        make_control(control),
        case["property"],
    )
    background = afwMath.makeBackground(masked_image(case["planes"], xy0), bctrl)
    if case["bbox"] is None:
        return background, background.getImageF()
    x0, y0, width, height = case["bbox"]
    return background, background.getImageF(Box2I(Point2I(x0, y0), Extent2I(width, height)))


@pytest.mark.parametrize("case", golden.cases("background"), ids=golden.ids("background"))
def test_background(case: dict[str, Any]) -> None:
    if "error" in case:
        kind = case["error"].removeprefix("lsst::pex::exceptions::").split(" *")[0]
        with pytest.raises(getattr(errors, kind), match=r"\d|not supported"):
            evaluate(case)
        return
    background, image = evaluate(case)
    planes = case["planes"]
    stats, _, sigma = background.getStatsImage().getArrays()
    np.testing.assert_allclose(stats, planes["stats_image"], rtol=1.2e-7, atol=0)
    np.testing.assert_allclose(sigma, planes["stats_variance"], rtol=1.2e-7, atol=1e-30)
    np.testing.assert_array_equal(background.getBinCentersX(), planes["bin_centers_x"])
    np.testing.assert_array_equal(background.getBinCentersY(), planes["bin_centers_y"])
    used = [str(int(background.getAsUsedInterpStyle())), str(int(background.getAsUsedUndersampleStyle()))]
    assert used == case["asUsed"]
    assert_close_image(image.array, planes["result"])
    if case["bbox"] is not None:
        assert tuple(image.getXY0()) == tuple(case["bbox"][:2])


@pytest.mark.parametrize("case", golden.cases("approximate"), ids=golden.ids("approximate"))
def test_approximate(case: dict[str, Any]) -> None:
    def approximate() -> afwMath.Approximate:
        style = afwMath.ApproximateControl.CHEBYSHEV
        # Cases with a note were made with plain means.
        prop = "MEAN" if "args" in case else "MEANCLIP"
        args = case["args"] if "args" in case else (case["order"], -1, case["weighting"])
        actrl = afwMath.ApproximateControl(style, *args)
        bctrl = afwMath.BackgroundControl(
            case["nx"], case["ny"], make_control({"andMask": case.get("andMask", 0)}), prop
        )
        return afwMath.makeBackground(masked_image(case["planes"], [0, 0]), bctrl).getApproximate(actrl)

    planes = case["planes"]
    if "error" in case:
        kind = case["error"].removeprefix("lsst::pex::exceptions::").split(" *")[0]
        with pytest.raises(getattr(errors, kind), match=r"2 != 3|[Vv]ariance is likely zero"):
            approximate()
        return
    if "corrected" in case:
        # "Singular systems return noise": rank deficiency is an error here.
        with pytest.raises(errors.RuntimeError, match=r"66 terms.*25"):
            approximate()
        return
    result = approximate()
    assert_close_image(result.getImage().array, planes["result"])
    if "truncated" in planes:
        order = case["truncated_order"]
        assert_close_image(result.getImage(order, order).array, planes["truncated"])
