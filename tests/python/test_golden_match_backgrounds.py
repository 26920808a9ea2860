"""Every golden case of the task, through the public API."""

from __future__ import annotations

from typing import Any

import golden
import numpy as np
import pytest

import evensky
import evensky.image as afwImage
from evensky.errors import TaskError
from evensky.io import ExposureDataRef
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask

PAIRS = [case for case in golden.cases("match_backgrounds") if case["kind"] == "pair"]
RUNS = [case for case in golden.cases("match_backgrounds") if case["kind"] == "run"]
ERRORS = {"ValueError": ValueError, "RuntimeError": RuntimeError, "TaskError": TaskError}


def make_task(case: dict[str, Any]) -> MatchBackgroundsTask:
    config = MatchBackgroundsConfig()
    config.update(**case["config"])
    return MatchBackgroundsTask(config)


def exposure(image: np.ndarray, mask: np.ndarray, variance: np.ndarray, xy0: Any = (0, 0)) -> afwImage.ExposureF:
    masked = afwImage.MaskedImageF(
        afwImage.ImageF(image, True), afwImage.Mask(mask, True), afwImage.ImageF(variance, True)
    )
    masked.setXY0(*xy0)
    return afwImage.ExposureF(masked)


def assert_figures(got: Any, want: dict[str, Any]) -> None:
    for name in ("fitRMS", "matchedMSE", "diffImVar"):
        if want[name] is None:
            assert getattr(got, name) is None
        else:
            # Residuals are differences of float32 images with values of up to some hundred counts.
            assert getattr(got, name) == pytest.approx(want[name], rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: f"{case['id']}-{case['note']}")
def test_pair(case: dict[str, Any]) -> None:
    planes = case["planes"]
    reference = exposure(planes["ref_image"], planes["ref_mask"], planes["ref_variance"], case["xy0"])
    science = exposure(planes["sci_image"], planes["sci_mask"], planes["sci_variance"], case["xy0"])
    task = make_task(case)
    if "error" in case:
        kind, _, reason = case["error"].partition(": ")
        with pytest.raises(ERRORS[kind]) as raised:
            task.matchBackgrounds(reference, science)
        # Only the first words of the reason are compared; the rest names the exposure or the library.
        assert " ".join(reason.split()[:4]) in str(raised.value)
        np.testing.assert_array_equal(science.image.array, planes["sci_image"])
        return
    result = task.matchBackgrounds(reference, science)
    assert_figures(result, case["result"])
    want = planes["matched_image"]
    model = np.abs(want - planes["sci_image"])
    limit = 2 * np.spacing(np.float32(max(np.nanmax(np.abs(want)), np.nanmax(model))))
    np.testing.assert_array_equal(np.isnan(science.image.array), np.isnan(want))
    assert np.nanmax(np.abs(science.image.array - want)) <= limit
    np.testing.assert_array_equal(reference.image.array, planes["ref_image"])
    np.testing.assert_array_equal(science.variance.array, planes["sci_variance"])


@pytest.mark.parametrize(
    "case", [case for case in PAIRS if "error" not in case], ids=lambda case: f"{case['id']}-{case['note']}"
)
def test_two_threads_give_the_same_bits(case: dict[str, Any]) -> None:
    planes, results = case["planes"], []
    for threads in (1, 2):
        reference = exposure(planes["ref_image"], planes["ref_mask"], planes["ref_variance"], case["xy0"])
        science = exposure(planes["sci_image"], planes["sci_mask"], planes["sci_variance"], case["xy0"])
        evensky.set_num_threads(threads)
        try:
            result = make_task(case).matchBackgrounds(reference, science)
        finally:
            evensky.set_num_threads(1)
        results.append((science.image.array, result.fitRMS, result.matchedMSE, result.diffImVar))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("case", RUNS, ids=lambda case: f"{case['id']}-{case['note']}")
def test_run(case: dict[str, Any]) -> None:
    planes, task = case["planes"], make_task(case)
    refs = [
        ExposureDataRef(exposure(planes[f"image_{i}"], planes[f"mask_{i}"], planes[f"variance_{i}"]), {"visit": visit})
        for i, visit in enumerate(case["visits"])
    ]
    scalers = None if case["scalers"] is None else [afwImage.ImageScaler(scale) for scale in case["scalers"]]
    if "error" in case:
        with pytest.raises(TaskError, match="None of the candidate"):
            task.run(refs, "warp", scalers)
        return
    if case["ref"] is None:
        assert task.selectRefExposure(refs, scalers, "warp") == case["selected"]
    reference = None if case["ref"] is None else refs[case["ref"]]
    results = task.run(refs, "warp", scalers, reference).backgroundInfoList
    for got, want in zip(results, case["result"], strict=True):
        assert got.isReference == want["isReference"]
        assert (got.backgroundModel is not None) == want["hasModel"]
        assert_figures(got, want)
