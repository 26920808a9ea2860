"""Every golden case of statistics, through the public API."""

from __future__ import annotations

import math
from typing import Any

import golden
import pytest

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import InvalidParameterError


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
    for name, kind, want, tolerance, exempt in golden.expected_statistics(case):
        value, error = result.getResult(afwMath.stringToStatisticsProperty(name))
        got = value if kind == "value" else error
        if exempt:
            assert not math.isinf(got)
        elif math.isnan(want):
            assert math.isnan(got), (name, kind, want, got)
        else:
            assert abs(want - got) <= tolerance, (name, kind, want, got)
        if name in ("MIN", "MAX") and kind == "value" and not math.isnan(want):
            assert got in image
    assert result.getOrMask() == case["orMask"]
