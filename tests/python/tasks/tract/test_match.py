"""Matching of the visits of a tract: steps and seams go, what is missing is skipped or flagged."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import numpy as np
import pytest
from tract_warps import WarpHandle, handles, mosaic, positions, seams, sky_map

from evensky.errors import InvalidParameterError, NotFoundError, UnsuitableError
from evensky.geom import Point2I
from evensky.image import ExposureD, ExposureF, ExposureI, ExposureU, Mask
from evensky.io import ExposureDataRef
from evensky.math import BackgroundList
from evensky.tasks.tract import MatchBackgroundsConfig, MatchBackgroundsTask, TractModel

SKIES = sky_map((60, 60), (3, 3), 10)
ALL = range(9)


def settings(**fields: Any) -> MatchBackgroundsConfig:
    config = MatchBackgroundsConfig()
    for grid in (config.tractBgModel, config.reference.tractBgModel):
        grid.xBin = grid.yBin = 20.0
        grid.binning = 10
    config.update(**fields)
    return config


def scene() -> np.ndarray:
    x, y = positions(SKIES)
    return np.asarray(100 * np.exp(-((x - 70) ** 2 + (y - 100) ** 2) / 50))


def sky(visit: int) -> np.ndarray:
    x, y = positions(SKIES)
    return np.asarray(visit * 5 + (visit - 2) * x / 20 - visit * y / 40 + visit * np.cos(x / 60))


def visit(number: int, *, noise: float = 0.5, patches: Any = None, mask: np.ndarray | None = None) -> list[WarpHandle]:
    image = scene() + sky(number) + np.random.default_rng(number).normal(size=sky(1).shape) * noise
    return handles(SKIES, number, image.astype(np.float32), mask, variance=max(noise, 0.1) ** 2, patches=patches)


def of_visit(warps: list[WarpHandle], values: list[Any], number: int) -> dict[int, Any]:
    return {
        warp.dataId["patch"]: value for warp, value in zip(warps, values, strict=True) if warp.dataId["visit"] == number
    }


def residual(result: Any, warps: list[WarpHandle], number: int) -> np.ndarray:
    """Return the matched visit minus scene and reference's sky, without noise, over the tract."""
    planes = {}
    for patch, background in of_visit(warps, result.backgroundInfoList, number).items():
        rows, columns = SKIES[0][patch].getOuterBBox().getSlices()
        planes[patch] = background.getImage().array + (sky(number) - sky(result.reference))[rows, columns]
    return mosaic(SKIES, planes)


@pytest.mark.parametrize("fit", ["bins", "chebyshev"])
def test_the_sky_of_the_reference_replaces_each_visit_s_own(fit: str) -> None:
    warps = [*visit(1), *visit(2), *visit(3)]
    before = {warp.dataId["patch"]: warp.warp.image.array.copy() for warp in warps if warp.dataId["visit"] == 3}
    result = MatchBackgroundsTask(settings(refWarpVisit=1, fit=fit)).run(warps, SKIES)
    assert result.reference == 1
    assert result.reason == "It was named by the configuration."
    assert result.candidates is None
    for number in (2, 3):
        rest = residual(result, warps, number)
        assert np.sqrt(np.mean(rest**2)) < 0.1
        assert np.abs(rest).max() < 0.6
        assert result.fits[number].flags == {}
    for patch, matched in of_visit(warps, result.matchedImageList, 3).items():
        background = of_visit(warps, result.backgroundInfoList, 3)[patch]
        np.testing.assert_array_equal(matched.image.array, before[patch] + background.getImage().array)
        assert matched.getXY0() == SKIES[0][patch].getOuterBBox().getMin()
        # The input is as it was.
        np.testing.assert_array_equal(
            of_visit(warps, [warp.warp for warp in warps], 3)[patch].image.array, before[patch]
        )


def test_seams_of_the_original_are_gone() -> None:
    warps = [*visit(1, noise=0.0), *visit(4, noise=0.0)]
    steps = {}
    for as_original in (True, False):
        result = MatchBackgroundsTask(settings(refWarpVisit=1, asOriginal=as_original)).run(warps, SKIES)
        matched = of_visit(warps, result.matchedImageList, 4)
        planes = {}
        for patch, exposure in matched.items():
            rows, columns = SKIES[0][patch].getOuterBBox().getSlices()
            planes[patch] = exposure.image.array - (scene() + sky(1))[rows, columns]
        steps[as_original] = np.sqrt(np.mean(seams(SKIES, planes) ** 2))
    assert steps[True] > 0.5
    assert steps[False] < 0.02


def test_the_reference_is_unchanged_and_its_background_zero() -> None:
    warps = [*visit(1), *visit(2)]
    result = MatchBackgroundsTask(settings(refWarpVisit=2)).run(warps, SKIES)
    for warp, background, matched in zip(warps, result.backgroundInfoList, result.matchedImageList, strict=True):
        assert isinstance(background, BackgroundList)
        assert background.getImage().getBBox() == warp.warp.getBBox()
        if warp.dataId["visit"] == 2:
            assert not background.getImage().array.any()
            assert matched is warp.warp
    assert [info is None for info in result.warpInfoList] == [False] * 9 + [True] * 9


def test_a_reference_is_chosen() -> None:
    result = MatchBackgroundsTask(settings()).run([*visit(1, patches=[0, 1]), *visit(2), *visit(3, noise=4.0)], SKIES)
    assert result.reference == 2
    assert result.reason.startswith("It was chosen automatically: ")
    assert [one.visit for one in result.candidates if one.selected] == [2]


def test_a_reference_of_infinite_cost_has_a_reason() -> None:
    # As original, chi2 is negative with fewer than seven bins, so that a perfect plane has the largest, -0.
    skies = sky_map((40, 40), (2, 1), 0)
    x, _ = positions(skies)
    noise = np.random.default_rng(1).normal(size=x.shape)
    warps = [
        *handles(skies, 1, (np.round(x / 40) + noise).astype(np.float32)),
        *handles(skies, 2, (x % 2).astype(np.float32)),
    ]
    config = settings(asOriginal=True)
    config.reference.tractBgModel.xBin = 40.0
    result = MatchBackgroundsTask(config).run(warps, skies)
    assert {one.visit: one.cost for one in result.candidates}[result.reference] == np.inf
    assert result.reason == "It is the only visit that can be used."


def test_visits_may_lack_patches() -> None:
    warps = [*visit(1, patches=[0, 1, 3, 4, 6, 7]), *visit(2), *visit(3, patches=[1, 2, 4, 5])]
    result = MatchBackgroundsTask(settings(refWarpVisit=1)).run(warps, SKIES)
    flags = {
        (info.visit, info.patch): set(info.flags) for info in result.warpInfoList if info is not None and info.flags
    }
    # The reference lacks the last column of patches.
    assert flags == {
        (2, 2): {"NO_OVERLAP", "EXTRAPOLATED"},
        (2, 5): {"NO_OVERLAP", "EXTRAPOLATED"},
        (2, 8): {"NO_OVERLAP", "EXTRAPOLATED"},
        (3, 2): {"NO_OVERLAP", "EXTRAPOLATED"},
        (3, 5): {"NO_OVERLAP", "EXTRAPOLATED"},
    }
    assert 0.15 < result.fits[2].filledFraction < 0.33
    assert result.fits[2].flags.keys() == {"EXTRAPOLATED"}
    assert result.fits[2].goodFraction == pytest.approx(2 / 3, abs=0.05)
    assert result.fits[2].goodBins == 9 * 7  # the border of the reference's patches reaches into the next column
    # The sky there is continued, and the visit's own is not left in.
    rest = residual(result, warps, 2)
    assert np.sqrt(np.mean(rest[:, 120:] ** 2)) < 2
    assert np.ptp((sky(2) - sky(1))[:, 120:]) > 4


def test_a_visit_without_overlap_is_skipped_and_the_others_are_matched(caplog: pytest.LogCaptureFixture) -> None:
    warps = [*visit(1, patches=[0, 1, 3, 4]), *visit(2), *visit(3, patches=[8])]
    with caplog.at_level(logging.WARNING):
        result = MatchBackgroundsTask(settings(refWarpVisit=1)).run(warps, SKIES)
    assert result.skipped == {3: "it has no good pixel in common with the reference, visit 1"}
    assert "Visit 3 is skipped: it has no good pixel in common" in caplog.text
    assert result.backgroundInfoList[-1] is result.matchedImageList[-1] is result.warpInfoList[-1] is None
    assert set(result.fits) == {2}
    assert all(matched is not None for matched in result.matchedImageList[:-1])


def test_too_few_common_pixels_skip_a_visit_too() -> None:
    warps = [*visit(1), *visit(2)]
    config = settings(refWarpVisit=1)
    config.tractBgModel.minFrac = 4.0
    for handle in warps[9:]:
        handle.warp.image.array[::2] = np.nan
    result = MatchBackgroundsTask(config).run(warps, SKIES)
    assert result.skipped[2].startswith("No good bin: each of the 9 x 9 bins has fewer than 1600 good pixels")


def test_pixels_that_are_bad_in_the_reference_do_not_count() -> None:
    mask = np.zeros(sky(1).shape, np.int32)
    mask[40:60, 50:90] = Mask.getPlaneBitMask("SAT")
    warps = [*visit(1, mask=mask), *visit(2)]
    for warp in warps[:9]:
        warp.warp.image.array[warp.warp.mask.array != 0] = 65535
    error = {}
    for used in (True, False):
        result = MatchBackgroundsTask(settings(refWarpVisit=1, useReferenceMask=used)).run(warps, SKIES)
        error[used] = np.abs(residual(result, warps, 2)).max()
    assert error[True] < 1
    assert error[False] > 1000


def test_masks_with_planes_of_their_own_numbers_are_read_by_name() -> None:
    warps = [*visit(1), *visit(2)]
    for warp in warps[:9]:
        # In this visit's masks bit 0 is not BAD.
        mask = Mask(np.ones(warp.warp.mask.array.shape, np.int32), mask_planes={"HARMLESS": 0, "BAD": 5, "SAT": 6})
        warp.warp.maskedImage.setMask(mask)
    result = MatchBackgroundsTask(settings(refWarpVisit=1)).run(warps, SKIES)
    assert result.skipped == {}
    assert result.fits[2].goodFraction == 1.0


@pytest.mark.parametrize(
    ("held", "named", "reads"), [(1024, None, 18), (1024, 1, 18), (0, None, 18 * 3), (0, 1, 18 * 2)]
)
def test_each_warp_is_read_at_most_once_a_pass(held: int, named: int | None, reads: int) -> None:
    warps = [*visit(1), *visit(2)]
    result = MatchBackgroundsTask(settings(refWarpVisit=named, heldMegabytes=held)).run(warps, SKIES)
    assert result.reads == sum(warp.reads for warp in warps) == reads
    assert max(warp.reads for warp in warps) == reads // 18


def test_results_can_be_taken_one_by_one() -> None:
    warps = [*visit(1), *visit(2, patches=[3, 4]), *visit(3)]
    whole = MatchBackgroundsTask(settings(refWarpVisit=1)).run(warps, SKIES)
    taken: list[tuple[Any, Any, Any]] = []
    result = MatchBackgroundsTask(settings(refWarpVisit=1)).run(
        iter(warps), SKIES, take=lambda *values: taken.append(values)
    )
    assert result.backgroundInfoList == result.matchedImageList == []
    assert [one[0] for one in taken] == warps
    for (_, background, matched), want, exposure in zip(
        taken, whole.backgroundInfoList, whole.matchedImageList, strict=True
    ):
        np.testing.assert_array_equal(background.getImage().array, want.getImage().array)
        np.testing.assert_array_equal(matched.image.array, exposure.image.array)


def test_pixels_that_patches_share_count_once() -> None:
    warps = [*visit(1), *visit(2)]
    numbers = {}
    for as_original in (True, False):
        result = MatchBackgroundsTask(settings(refWarpVisit=1, asOriginal=as_original)).run(warps, SKIES)
        numbers[as_original] = result.fits[2].difference.numbers.array
    one = MatchBackgroundsTask(settings()).reference.run(warps, SKIES).models[1].numbers.array
    # Boxes of 40 x 40 pixels where four patches meet, two, and one, which overlap by 20 pixels.
    for row, column, counted in ((3, 3, (40 + 20) ** 2), (3, 1, (40 + 20) * 40), (1, 1, 40 * 40)):
        assert numbers[False][row, column] == one[row, column] == 40 * 40
        assert numbers[True][row, column] == counted
    np.testing.assert_array_equal(warps[0].warp.image.array, visit(1)[0].warp.image.array)


def test_results_do_not_depend_on_the_order_of_the_input() -> None:
    warps = [*visit(1), *visit(2)]
    one = MatchBackgroundsTask(settings(refWarpVisit=1)).run(warps, SKIES)
    mixed = [warps[n] for n in np.random.default_rng(1).permutation(18)]
    other = MatchBackgroundsTask(settings(refWarpVisit=1)).run(mixed, SKIES)
    for warp, matched in zip(mixed, other.matchedImageList, strict=True):
        np.testing.assert_allclose(matched.image.array, one.matchedImageList[warps.index(warp)].image.array, atol=2e-5)


def test_warps_that_cannot_be_read_are_reported() -> None:
    warps: list[WarpHandle] = [*visit(1), *visit(2)]
    warps[12].warp = OSError("the file is broken")
    warps[3].warp = FileNotFoundError("no file")
    result = MatchBackgroundsTask(settings(refWarpVisit=1)).run(warps, SKIES)
    assert result.unreadable == [
        (3, "it cannot be read: no file"),
        (12, "it cannot be read: the file is broken"),
    ]
    assert [index for index, matched in enumerate(result.matchedImageList) if matched is None] == [3, 12]
    assert np.abs(residual_of_known(result, warps, 2)).max() < 1
    with pytest.raises(OSError, match="no file"):
        MatchBackgroundsTask(settings(refWarpVisit=1, asOriginal=True)).run(warps, SKIES)


def residual_of_known(result: Any, warps: list[WarpHandle], number: int) -> np.ndarray:
    rests = []
    for patch, background in of_visit(warps, result.backgroundInfoList, number).items():
        if background is not None:
            rows, columns = SKIES[0][patch].getOuterBBox().getSlices()
            rests.append((background.getImage().array + (sky(number) - sky(1))[rows, columns]).ravel())
    return np.concatenate(rests)


def test_a_series_has_an_order_errors_and_a_model() -> None:
    warps = [*visit(1), *visit(2)]
    fit = MatchBackgroundsTask(settings(refWarpVisit=1, fit="chebyshev")).run(warps, SKIES).fits[2]
    assert isinstance(fit.model, TractModel)
    assert 1 <= fit.order <= 4
    assert fit.chi2 < 5
    assert fit.rms < 0.2
    one = MatchBackgroundsTask(settings(refWarpVisit=1, fit="chebyshev", fitOrder=1)).run(warps, SKIES).fits[2]
    assert one.order == 1
    box = SKIES[0][4].getOuterBBox()
    variance = fit.model.variance_of(box)
    assert variance.getBBox() == box
    assert 0 < variance.array.max() < 0.01
    high = MatchBackgroundsTask(settings(refWarpVisit=1, fit="chebyshev", fitOrder=30)).run(warps, SKIES).fits[2]
    assert high.flags["REDUCED_ORDER"].startswith("fitOrder 30 reduced to ")


def test_few_bins_give_a_plane() -> None:
    skies = sky_map((200, 200), (2, 2), 20)
    x, _ = positions(skies)
    rng = np.random.default_rng(6)
    warps = [
        *handles(skies, 1, rng.normal(700, 3, x.shape).astype(np.float32), variance=9.0),
        *handles(skies, 2, rng.normal(700 + 0.02 * x, 3).astype(np.float32), variance=9.0),
    ]
    for size, fit_order, order, flags in (
        (128.0, -1, 1, {}),  # 3 x 3 bins
        (128.0, 1, 1, {}),
        (200.0, -1, 1, {}),
        (
            128.0,
            2,
            1,
            {
                "REDUCED_ORDER": "fitOrder 2 reduced to 1: it needs 24 good bins, and there are 9; choose "
                "smaller bins (tractBgModel.xBin, yBin)"
            },
        ),
        (
            400.0,
            -1,
            0,
            {
                "REDUCED_ORDER": "the model is a constant: a plane needs 4 good bins, and there are 1; choose "
                "smaller bins (tractBgModel.xBin, yBin)"
            },
        ),
    ):
        config = settings(refWarpVisit=1, fit="chebyshev", fitOrder=fit_order)
        config.tractBgModel.xBin = config.tractBgModel.yBin = size
        result = MatchBackgroundsTask(config).run(warps, skies)
        fit = result.fits[2]
        assert (fit.order, fit.flags) == (order, flags)
        if order:
            assert fit.chi2 < 5
            for warp, matched in zip(warps[4:], result.matchedImageList[4:], strict=True):
                rows, columns = warp.warp.getBBox().getSlices()
                model = matched.image.array - warp.warp.image.array
                assert np.abs(model + 0.02 * x[rows, columns]).max() < 0.3


@pytest.mark.parametrize(
    ("shape", "fields", "advice"),
    [
        ("slope", {"fitMaxOrder": 0}, "; raise fitMaxOrder, or set fit to 'bins', which follows "),
        ("slope", {"fitOrder": 0}, "; raise fitOrder, or set fit to 'bins', which follows "),
        ("step", {"fitMaxOrder": 4}, "order 3 does not describe the difference; set fit to 'bins', which follows "),
        ("wave", {}, "; choose smaller bins (tractBgModel.xBin, yBin), or set fit to 'bins', which follows "),
    ],
)
def test_a_series_that_does_not_fit_is_flagged(
    shape: str, fields: dict[str, Any], advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    x, _ = positions(SKIES)
    rng = np.random.default_rng(7)
    sky = {"slope": x / 20, "step": np.where(x < 95, 0.0, 9.0), "wave": 9 * np.cos(x / 30)}[shape]
    warps = [
        *handles(SKIES, 1, rng.normal(0, 1, x.shape).astype(np.float32)),
        *handles(SKIES, 2, rng.normal(sky, 1).astype(np.float32)),
    ]
    config = settings(refWarpVisit=1, fit="chebyshev", **fields)
    if shape == "wave":  # 4 x 4 bins
        config.tractBgModel.xBin = config.tractBgModel.yBin = 45.0
    fit = MatchBackgroundsTask(config).run(warps, SKIES).fits[2]
    assert set(fit.flags) == {"POOR_FIT"}
    assert "times their errors (at most 2.5): a series of order" in fit.flags["POOR_FIT"]
    assert advice in fit.flags["POOR_FIT"]
    assert "Visit 2: POOR_FIT: the residuals of its bins are" in caplog.text
    assert fit.chi2 > 2.5**2
    assert MatchBackgroundsTask(settings(refWarpVisit=1)).run(warps, SKIES).fits[2].flags == {}


def test_bins_have_a_scatter_and_no_residuals(caplog: pytest.LogCaptureFixture) -> None:
    x, y = positions(SKIES)
    rng = np.random.default_rng(8)
    warps = [
        *handles(SKIES, 1, rng.normal(0, 3, x.shape).astype(np.float32), variance=9.0),
        *handles(SKIES, 2, rng.normal(x / 10 - y / 7, 3).astype(np.float32), variance=9.0),
    ]
    with caplog.at_level(logging.INFO):
        fit = MatchBackgroundsTask(settings(refWarpVisit=1)).run(warps, SKIES).fits[2]
    assert fit.rms is fit.mse is None
    assert "rms" not in caplog.text
    assert "Visit 2: 81 good bins of scatter 0." in caplog.text
    assert fit.binScatter == pytest.approx(np.median(fit.difference.getErrorImage().array), rel=0.4)
    # A model that does not pass through the bins leaves residuals.
    config = settings(refWarpVisit=1)
    config.tractBgModel.doSmooth = True
    config.tractBgModel.smoothScale = 1.0
    smoothed = MatchBackgroundsTask(config).run(warps, SKIES).fits[2]
    assert 0.3 * fit.binScatter < smoothed.rms < 2 * fit.binScatter
    nothing = MatchBackgroundsTask(settings(refWarpVisit=1, interpStyle="NONE")).run(warps, SKIES).fits[2]
    assert nothing.rms == pytest.approx(np.sqrt(np.nanmean(fit.difference.getMeans() ** 2)), rel=1e-5)


def moved_to_zero(warps: list[WarpHandle]) -> list[WarpHandle]:
    for warp in warps:
        warp.warp.setXY0(Point2I(0, 0))
    return warps


@pytest.mark.parametrize("named", [None, 1])
@pytest.mark.parametrize("fit", ["bins", "chebyshev"])
def test_warps_that_do_not_lie_in_their_patch_are_skipped(
    named: int | None, fit: str, caplog: pytest.LogCaptureFixture
) -> None:
    warps = [*visit(1), *moved_to_zero(visit(2, patches=range(1, 9))), *visit(3)]
    result = MatchBackgroundsTask(settings(refWarpVisit=named, fit=fit)).run(warps, SKIES)
    assert set(result.skipped) == {2}
    reason = "its box, ((0, 0)..(79, 69)), does not lie in the outer box of its patch, ((50, 0)..(129, 69)); set its"
    assert result.skipped[2].startswith(f"none of its warps can be used: patch 1: {reason} origin (XY0) to the pixels")
    assert [index for index, _ in result.unreadable] == list(range(9, 17))
    assert f"The warp of visit 2, patch 1 is skipped: {reason}" in caplog.text
    assert [index for index, one in enumerate(result.matchedImageList) if one is None] == list(range(9, 17))
    other = 3 if result.reference == 1 else 1
    assert np.abs(residual(result, warps, other)).max() < 1
    # Of a visit of which one warp is wrong, the others are matched.
    one = [*visit(1), *visit(2)]
    moved_to_zero([one[13]])
    result = MatchBackgroundsTask(settings(refWarpVisit=1, fit=fit)).run(one, SKIES)
    assert [index for index, _ in result.unreadable] == [13]
    assert result.skipped == {}
    assert np.abs(residual_of_known(result, one, 2)).max() < 1


@pytest.mark.parametrize("named", [None, 1])
def test_warps_of_which_none_lies_in_its_patch_are_an_error(named: int | None) -> None:
    warps = moved_to_zero([*visit(1, patches=range(1, 9)), *visit(2, patches=range(1, 9))])
    with pytest.raises(UnsuitableError, match=r"patch 1: its box, .*; set its origin"):
        MatchBackgroundsTask(settings(refWarpVisit=named)).run(warps, SKIES)
    # The original does not look.
    assert MatchBackgroundsTask(settings(refWarpVisit=named, asOriginal=True)).run(warps, SKIES).unreadable == []


def test_a_patch_that_the_tract_does_not_have_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    warps = [*visit(1), *visit(2)]
    warps[12].dataId["patch"] = 99
    result = MatchBackgroundsTask(settings(refWarpVisit=1)).run(warps, SKIES)
    ((index, reason),) = result.unreadable
    assert index == 12
    assert reason.startswith(
        "its tract has no patch 99 (There is no patch 99 in tract 0: it has 3 x 3 patches, 0 to 8)"
    )
    assert f"The warp of visit 2, patch 99 is skipped: {reason}" in caplog.text
    assert result.matchedImageList[12] is None
    assert np.abs(residual_of_known(result, warps, 2)).max() < 1


def test_a_handle_that_returns_nothing_is_skipped() -> None:
    warps = [*visit(1), *visit(2)]
    warps[12].warp = None
    for named in (None, 1):
        result = MatchBackgroundsTask(settings(refWarpVisit=named)).run(warps, SKIES)
        reason = "it cannot be read: get() of the warp of visit 2 and patch 3 returned None"
        assert result.unreadable == [(12, reason)]
    with pytest.raises(NotFoundError, match="returned None"):
        MatchBackgroundsTask(settings(refWarpVisit=1, asOriginal=True)).run(warps, SKIES)


@pytest.mark.parametrize("fault", ["not a number", "masked", "unreadable", "misplaced"])
def test_a_named_reference_without_a_good_pixel_is_an_error(fault: str) -> None:
    warps: list[WarpHandle] = [*visit(1), *visit(2), *visit(3, patches=range(1, 9))]
    for warp in warps[18:]:
        if fault == "not a number":
            warp.warp.image.array[:] = np.nan
        elif fault == "masked":
            warp.warp.mask.array[:] = Mask.getPlaneBitMask("SAT")
        elif fault == "misplaced":
            moved_to_zero([warp])
        else:
            warp.warp = OSError("no file")
    reason = {
        "unreadable": "none of its warps can be read: patch 1: it cannot be read: no file",
        "misplaced": "none of its warps can be used: patch 1: its box",
    }.get(fault, "each of its bins in tract 0 has fewer than 40 good pixels")
    with pytest.raises(UnsuitableError, match=f"refWarpVisit is 3, .*: {reason}.* Name another visit, or None for an"):
        MatchBackgroundsTask(settings(refWarpVisit=3)).run(warps, SKIES)
    if fault == "masked":
        result = MatchBackgroundsTask(settings(refWarpVisit=3, useReferenceMask=False)).run(warps, SKIES)
        assert set(result.fits) == {1, 2}


def test_a_visit_that_ends_the_original_is_named() -> None:
    warps = [*visit(1), *visit(2), *visit(3)]
    for warp in warps[18:]:
        warp.warp.image.array[:] = np.nan
    for named, message in (
        (1, "Visit 3 cannot be matched to the reference, visit 1: No good bin"),
        (None, "Visit 3 cannot be a candidate: No good bin"),
        (3, "Visit 1 cannot be matched to the reference, visit 3: No good bin"),
    ):
        with pytest.raises(RuntimeError, match=message):
            MatchBackgroundsTask(settings(refWarpVisit=named, asOriginal=True)).run(warps, SKIES)
    with pytest.raises(RuntimeError, match="Visit 3 cannot be the reference: No good bin"):
        MatchBackgroundsTask(settings(refWarpVisit=3, asOriginal=True)).run(warps[18:], SKIES)


def test_errors_of_a_series_hold_over_many_skies() -> None:
    pulls = []
    for seed in range(15):
        rng = np.random.default_rng(seed)
        planes = [rng.normal(size=sky(1).shape) * 2.0 for _ in range(2)]
        warps = [
            *handles(SKIES, 1, planes[0].astype(np.float32), variance=4.0),
            *handles(SKIES, 2, planes[1].astype(np.float32), variance=4.0),
        ]
        result = MatchBackgroundsTask(settings(refWarpVisit=1, fit="chebyshev", fitOrder=1)).run(warps, SKIES)
        cells = result.backgroundInfoList[13][0][0].getStatsImage()  # the patch in the middle
        pulls.append((cells.image.array / cells.variance.array).mean())
    assert 0.5 < np.std(pulls) < 1.7


def test_no_model_at_all() -> None:
    warps = [*visit(1), *visit(2)]
    config = settings(refWarpVisit=1, interpStyle="NONE")
    for background in MatchBackgroundsTask(config).run(warps, SKIES).backgroundInfoList:
        assert not background.getImage().array.any()
    with pytest.raises(InvalidParameterError, match="NONE"):
        MatchBackgroundsTask(settings(interpStyle="NONE", asOriginal=True))


def test_few_bins_reduce_the_style_or_are_an_error() -> None:
    warps = [*visit(1), *visit(2)]
    config = settings(refWarpVisit=1)
    config.tractBgModel.xBin = config.tractBgModel.yBin = 60.0
    flags = MatchBackgroundsTask(config).run(warps, SKIES).fits[2].flags
    assert flags["REDUCED_ORDER"] == "interpStyle AKIMA_SPLINE reduced to CUBIC_SPLINE: there are 3 x 3 bins"
    config = settings(refWarpVisit=1, undersampleStyle="THROW_EXCEPTION")
    config.tractBgModel.xBin = config.tractBgModel.yBin = 60.0
    with pytest.raises(InvalidParameterError, match="nxSample = 3"):
        MatchBackgroundsTask(config).run(warps, SKIES)


def test_without_interpolation_the_quality_is_that_of_the_known_bins() -> None:
    warps = [*visit(1, patches=[0, 1]), *visit(2)]
    config = settings(refWarpVisit=1, interpStyle="CONSTANT")
    config.tractBgModel.interpolation = None
    result = MatchBackgroundsTask(config).run(warps, SKIES)
    assert 0 < result.fits[2].rms < 1
    assert result.fits[2].mse == pytest.approx(result.fits[2].rms ** 2)
    assert all(np.isfinite(matched.image.array).all() for matched in result.matchedImageList)
    config.asOriginal = True
    assert np.isnan(MatchBackgroundsTask(config).run(warps, SKIES).fits[2].rms)


def test_smoothing_is_done_once() -> None:
    warps = [*visit(1), *visit(2)]
    config = settings(refWarpVisit=1)
    config.tractBgModel.doSmooth = True
    config.tractBgModel.smoothScale = 1.0
    fit = MatchBackgroundsTask(config).run(warps, SKIES).fits[2]
    np.testing.assert_allclose(fit.model.values, fit.difference.getStatsImage().array, atol=1e-6)


def test_warps_that_do_not_belong_together_are_errors() -> None:
    warps = visit(1)
    twice = [*warps, warps[2]]
    with pytest.raises(InvalidParameterError, match="two warps of visit 1 and patch 2"):
        MatchBackgroundsTask(settings()).run(twice, SKIES)
    warps[4].dataId["tract"] = 8
    with pytest.raises(InvalidParameterError, match="of the tracts 0, 8"):
        MatchBackgroundsTask(settings()).run(warps, SKIES)
    del warps[4].dataId["tract"]
    with pytest.raises(NotFoundError, match=r"warp 4 is \{'visit': 1, 'patch': 4\}; it must have a visit, a patch"):
        MatchBackgroundsTask(settings()).run(warps, SKIES)
    with pytest.raises(InvalidParameterError, match="a reference with get"):
        MatchBackgroundsTask(settings()).run([3], SKIES)
    with pytest.raises(InvalidParameterError, match="a str; an exposure with image, mask and variance"):
        MatchBackgroundsTask(settings(refWarpVisit=1, heldMegabytes=0)).run(
            [WarpHandle("warp", 1, 0), WarpHandle("warp", 2, 0)], SKIES
        )


def test_nothing_to_match() -> None:
    result = MatchBackgroundsTask(settings()).run([], SKIES)
    assert (result.reference, result.backgroundInfoList, result.matchedImageList) == (None, [], [])
    with pytest.raises(RuntimeError, match="refWarpVisit is 9, which has no warp in tract 0"):
        MatchBackgroundsTask(settings(refWarpVisit=9)).run(visit(1), SKIES)


def test_references_to_exposures_will_do() -> None:
    refs = [ExposureDataRef(warp.warp, warp.dataId) for warp in [*visit(1), *visit(2)]]
    result = MatchBackgroundsTask(settings(refWarpVisit=1)).run(refs, SKIES)
    assert len(result.matchedImageList) == 18
    assert result.fits[2].goodFraction == 1.0


@pytest.mark.parametrize(
    ("kind", "result_kind"), [(ExposureU, ExposureF), (ExposureI, ExposureD), (ExposureD, ExposureD)]
)
def test_exposures_of_other_types_are_matched(kind: Any, result_kind: Any) -> None:
    warps = [*visit(1), *visit(2)]
    for warp in warps:
        exposure = kind(warp.warp.getBBox())
        exposure.image.array[:] = np.maximum(np.round(100 + warp.warp.image.array), 0)
        exposure.variance.array[:] = 1
        warp.warp = exposure
    result = MatchBackgroundsTask(settings(refWarpVisit=1)).run(warps, SKIES)
    assert np.abs(residual(result, warps, 2)).max() < 1
    assert type(result.matchedImageList[-1]) is result_kind


def test_a_task_survives_pickling() -> None:
    task = MatchBackgroundsTask(settings(refWarpVisit=2))
    again = pickle.loads(pickle.dumps(task))
    assert again.config.refWarpVisit == 2
    assert again.reference.config.tractBgModel.xBin == 20.0


def test_visits_that_the_reference_does_not_meet_can_be_linked_by_the_joint_match(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warps = [*visit(1, patches=range(6)), *visit(2, patches=range(6)), *visit(3, patches=[8])]
    result = MatchBackgroundsTask(settings()).run(warps, SKIES)
    assert result.reference in (1, 2)
    assert result.skipped == {3: f"it has no good pixel in common with the reference, visit {result.reference}"}
    advice = "It has no good pixel in common with visit 3: evensky.match_tract also links visits through others"
    assert advice in result.reason
    assert advice in caplog.text
    complete = MatchBackgroundsTask(settings()).run([*visit(1), *visit(2)], SKIES)
    assert "match_tract" not in complete.reason


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"gridStatistic": "MEDIAN", "numIter": 5, "fitOrder": 2},
            "gridStatistic = 'MEDIAN' (each cell of the grid is one bin); "
            "numIter = 5, fitOrder = 2 (needs fit = 'chebyshev')",
        ),
        ({"numSigmaClip": 4, "fitMaxOrder": 3}, "numSigmaClip = 4, fitMaxOrder = 3 (needs fit = 'chebyshev')"),
        (
            {"fit": "chebyshev", "fitOrder": 1, "fitMaxOrder": 3, "interpStyle": "LINEAR", "numIter": 5},
            "interpStyle = 'LINEAR' (needs fit = 'bins'); fitMaxOrder = 3 (needs fitOrder = -1)",
        ),
        (
            {"asOriginal": True, "useReferenceMask": False},
            "useReferenceMask = False (the original does not look at the mask of the reference)",
        ),
        ({"fit": "chebyshev", "numIter": 5, "numSigmaClip": 4, "fitMaxOrder": 3}, None),
        ({"interpStyle": "LINEAR"}, None),
    ],
)
def test_fields_that_have_no_effect_are_told(
    fields: dict[str, Any], message: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    MatchBackgroundsTask(settings(refWarpVisit=1, **fields)).run([*visit(1), *visit(2)], SKIES)
    told = [record.getMessage() for record in caplog.records if "no effect" in record.getMessage()]
    assert told == ([] if message is None else [f"Fields that have no effect: {message}"])


def test_a_scale_without_smoothing_has_no_effect(caplog: pytest.LogCaptureFixture) -> None:
    config = settings(refWarpVisit=1)
    config.tractBgModel.smoothScale = 3.0
    MatchBackgroundsTask(config).run([*visit(1), *visit(2)], SKIES)
    assert "smoothScale = 3.0 (needs doSmooth = True)" in caplog.text
