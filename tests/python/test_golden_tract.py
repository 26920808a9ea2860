"""Every golden case of the tract's task, through the public API with ``asOriginal``."""

from __future__ import annotations

from typing import Any

import golden
import numpy as np
import pytest
from tract_warps import WarpHandle, cut, sky_map

from evensky.errors import InvalidParameterError
from evensky.image import ExposureF
from evensky.tasks.tract import (
    MatchBackgroundsConfig,
    MatchBackgroundsTask,
    SkyMap,
    TractBackground,
    TractBackgroundConfig,
)

CASES = golden.cases("tract")
PLANES, MERGES, RUNS = ([case for case in CASES if case["kind"] == kind] for kind in ("planes", "merge", "run"))
ERRORS = {"RuntimeError": RuntimeError, "ValueError": ValueError, "InvalidParameterError": InvalidParameterError}


def name(case: dict[str, Any]) -> str:
    return f"{case['id']}-{case['note']}"


def geometry(case: dict[str, Any], key: str = "geometry") -> SkyMap:
    return sky_map(case[key]["patch"], case[key]["n"], case[key]["border"])


def grid_config(values: dict[str, Any]) -> TractBackgroundConfig:
    config = TractBackgroundConfig()
    config.update(**values)
    config.asOriginal = True
    return config


def warp(case: dict[str, Any], visit: int, patch: int) -> ExposureF:
    return cut(
        geometry(case), patch, *(case["planes"][f"visit_{visit}_{plane}"] for plane in ("image", "mask", "variance"))
    )


def assert_near(got: Any, want: np.ndarray, what: str) -> None:
    got = np.asarray(getattr(got, "array", got))
    assert got.shape == want.shape
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want), err_msg=what)
    if not np.isnan(want).all():
        assert np.nanmax(np.abs(got - want)) <= 2e-6 * np.nanmax(np.abs(want)), what


def assert_plane(background: TractBackground, planes: dict[str, np.ndarray], prefix: str) -> None:
    np.testing.assert_array_equal(background.numbers.array, planes[f"{prefix}_numbers"])
    assert_near(background.values, planes[f"{prefix}_values"], prefix)
    if f"{prefix}_variances" in planes:
        assert_near(background.variances, planes[f"{prefix}_variances"], prefix)


@pytest.mark.parametrize("case", PLANES, ids=name)
def test_planes(case: dict[str, Any]) -> None:
    skies, planes = geometry(case), case["planes"]
    total = TractBackground(grid_config(case["config"]), skies, 0)
    for number, patch in enumerate(case["patches"]):
        one = TractBackground.fromSimilar(total)
        one.addWarp(warp(case, case["visit"], patch))
        if f"warp_{number}_values" in planes:
            assert_plane(one, planes, f"warp_{number}")
        total += one
    if "error" in case:
        with pytest.raises(ERRORS[case["error"].partition(":")[0]]):
            total.toWarpBackground(warp(case, case["visit"], case["patches"][0]))
        return
    assert_plane(total, planes, "merged")
    assert_near(total.getVarianceImage(), planes["variance_image"], "variances")
    assert_near(total.getStatsImage(), planes["stats_image"], "stats")
    for want in case["backgrounds"]:
        patch = want["patch"]
        backgrounds = total.toWarpBackground(warp(case, case["visit"], patch))
        assert_background(backgrounds, want)
        cells = backgrounds[0][0].getStatsImage()
        assert_near(cells.image, planes[f"background_{patch}_stats"], f"patch {patch}")
        np.testing.assert_array_equal(cells.mask.array, planes[f"background_{patch}_mask"])
        if f"background_{patch}_image" in planes:
            assert_near(backgrounds.getImage(), planes[f"background_{patch}_image"], f"patch {patch}")


def assert_background(backgrounds: Any, want: dict[str, Any]) -> None:
    (background, style, undersample, *_) = backgrounds[0]
    assert len(backgrounds) == 1
    box = background.getImageBBox()
    assert [*box.getMin(), *box.getDimensions()] == want["bbox"]
    assert (int(style), int(undersample)) == (want["interpStyle"], want["undersampleStyle"])


@pytest.mark.parametrize("case", MERGES, ids=name)
def test_merge(case: dict[str, Any]) -> None:
    one = TractBackground(grid_config(case["config"]), geometry(case), 0)
    other = TractBackground(grid_config(case["config_other"]), geometry(case, "geometry_other"), 0)
    if "error" in case:
        with pytest.raises(ERRORS[case["error"].partition(":")[0]], match="differ"):
            one += other
    else:
        one += other
        assert list(one.values.getDimensions()) == case["result"]


def set_fields(config: Any, values: dict[str, Any]) -> None:
    for field, value in values.items():
        if isinstance(value, dict):
            set_fields(getattr(config, field), value)
        else:
            setattr(config, field, value)


@pytest.mark.parametrize("case", RUNS, ids=name)
def test_run(case: dict[str, Any]) -> None:
    planes = case["planes"]
    inputs = [WarpHandle(warp(case, visit, patch), visit, patch) for patch, visit in case["warps"]]
    config = MatchBackgroundsConfig()
    set_fields(config, case["config"])
    config.asOriginal = True
    if "error" in case:
        with pytest.raises(ERRORS[case["error"].partition(":")[0]]):
            MatchBackgroundsTask(config).run(inputs, geometry(case))
        return
    result = MatchBackgroundsTask(config).run(inputs, geometry(case))
    assert result.reference == case["reference"]
    for candidate in result.candidates or []:
        want = case["reference_terms"][str(candidate.visit)]
        assert candidate.npoints == want["npoints"]
        for term in ("chi2", "variance", "cost"):
            assert getattr(candidate, term) == pytest.approx(float(want[term]), rel=2e-5, nan_ok=True)
    assert set(result.fits) == {int(visit) for visit in case["fits"]}
    for visit, want in case["fits"].items():
        fit = result.fits[int(visit)]
        for figure in ("rms", "mse"):
            assert getattr(fit, figure) == pytest.approx(want[figure], rel=2e-5, abs=2e-7)
        assert_plane(fit.difference, planes, f"difference_{visit}")
        assert_near(fit.difference.getStatsImage(), planes[f"difference_{visit}_stats"], visit)
    assert len(result.backgroundInfoList) == len(result.matchedImageList) == len(inputs)
    for number, want in enumerate(case["backgrounds"]):
        backgrounds, matched = result.backgroundInfoList[number], result.matchedImageList[number]
        assert_background(backgrounds, want)
        cells = backgrounds[0][0].getStatsImage()
        assert_near(cells.image, planes[f"background_{number}_stats"], f"warp {number}")
        np.testing.assert_array_equal(cells.mask.array, planes[f"background_{number}_mask"])
        if f"background_{number}_image" in planes:
            assert_near(backgrounds.getImage(), planes[f"background_{number}_image"], f"warp {number}")
        if f"matched_{number}_image" in planes:
            assert_near(matched.image, planes[f"matched_{number}_image"], f"warp {number}")
        np.testing.assert_array_equal(matched.mask.array, inputs[number].warp.mask.array)
        np.testing.assert_array_equal(matched.variance.array, inputs[number].warp.variance.array)


@pytest.mark.parametrize("case", [case for case in RUNS if case.get("reference_terms")], ids=name)
def test_the_choice_alone(case: dict[str, Any]) -> None:
    planes = case["planes"]
    inputs = [WarpHandle(warp(case, visit, patch), visit, patch) for patch, visit in case["warps"]]
    config = MatchBackgroundsConfig()
    set_fields(config, case["config"])
    config.reference.asOriginal = True
    result = MatchBackgroundsTask(config).reference.run(inputs, geometry(case))
    assert result.reference == case["reference"]
    for visit, model in result.models.items():
        assert_plane(model, planes, f"sky_{visit}")
        assert_near(model.getStatsImage(), planes[f"sky_{visit}_stats"], f"visit {visit}")
