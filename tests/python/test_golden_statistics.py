"""Every golden case of statistics, through the public API."""

from __future__ import annotations

import math
from typing import Any

import golden
import numpy as np
import pytest

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import InvalidParameterError

EXACT = {"NPOINT", "MIN", "MAX", "MEDIAN", "IQRANGE", "NCLIPPED", "NMASKED"}

# "Quartiles and the median of INTEGER images, when computed together, read elements of a partly sorted array: wrong,
# negative or infinite, and clipping after them too": the file corrects those that it knows to be wrong by value, these
# properties are exempt where the original's own order statistics are infinite.
INTEGER_ORDER = {"MEDIAN", "IQRANGE"}
AFTER_INTEGER_ORDER = {"MEANCLIP", "STDEVCLIP", "VARIANCECLIP", "NCLIPPED"}


def make_control(given: dict[str, Any]) -> afwMath.StatisticsControl:
    control = afwMath.StatisticsControl()
    setters = {
        "numSigmaClip": control.setNumSigmaClip,
        "numIter": control.setNumIter,
        "andMask": control.setAndMask,
        "nanSafe": control.setNanSafe,
        "weighted": control.setWeighted,
        "calcErrorFromInputVariance": control.setCalcErrorFromInputVariance,
        "calcErrorMosaicMode": control.setCalcErrorMosaicMode,
    }
    for name, value in given.items():
        if name == "maskPropagationThresholds":
            for bit, threshold in value.items():
                control.setMaskPropagationThreshold(int(bit), threshold)
        else:
            setters[name](value)
    return control


def compute(case: dict[str, Any]) -> afwMath.Statistics:
    planes, control = case["planes"], make_control(case["control"])
    flags = afwMath.ERRORS
    for name in case["flags"]:
        flags |= afwMath.stringToStatisticsProperty(name)
    image = afwImage.Image(planes["image"])
    match case["overload"]:
        case "image":
            return afwMath.makeStatistics(image, flags, control)
        case "image+mask":
            return afwMath.makeStatistics(image, afwImage.Mask(planes["mask"]), flags, control)
    masked = afwImage.MaskedImage(image, afwImage.Mask(planes["mask"]), afwImage.ImageF(planes["variance"]))
    if case["overload"] == "maskedimage":
        return afwMath.makeStatistics(masked, flags, control)
    return afwMath.makeStatistics(masked, afwImage.ImageF(planes["weights"]), flags, control)


@pytest.mark.parametrize("case", golden.cases("statistics"), ids=golden.ids("statistics"))
def test_case(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(InvalidParameterError, match=r"both|Both|Weights"):
            compute(case)
        return
    result = compute(case)
    image = case["planes"]["image"]
    expected = case["result"] | case["corrected"]
    wrong_order = image.dtype.kind in "iu" and any(
        math.isinf(float(case["result"].get(name, [0])[0])) for name in INTEGER_ORDER
    )
    finite = np.abs(image[np.isfinite(image)].astype(np.float64))
    largest = float(finite.max()) if finite.size else 1.0
    for name, (value, error) in expected.items():
        got_value, got_error = result.getResult(afwMath.stringToStatisticsProperty(name))
        for kind, want, got in (("value", float(value), got_value), ("error", float(error), got_error)):
            if wrong_order and (
                (name in INTEGER_ORDER and math.isinf(want))
                or (name in AFTER_INTEGER_ORDER and name not in case["corrected"])
            ):
                assert not math.isinf(got)
                continue
            if math.isnan(want):
                assert math.isnan(got), (name, kind, want, got)
                continue
            if name in ("MIN", "MAX") and kind == "value" and case.get("kind") == "const" and want != got:
                # "MIN and MAX can be a mean that no pixel has": ours is a pixel's value.
                assert got in image
                assert got == pytest.approx(want, rel=1e-12)
                continue
            power = 2 if name in ("VARIANCE", "VARIANCECLIP", "MEANSQUARE") else 1
            count = float(expected.get("NPOINT", [image.size])[0]) if name == "SUM" else 1.0
            tolerance = (
                0.0 if name in EXACT and kind == "value" else 1e-12 * max(abs(want), largest**power * max(count, 1))
            )
            assert abs(want - got) <= tolerance, (name, kind, want, got)
    assert result.getOrMask() == case["orMask"]
