"""Background of a visit over a tract: right at every place, whatever is missing."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tract_warps import handles, positions, seams, sky_map

from evensky.errors import InvalidParameterError, OutOfRangeError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import ExposureD, ExposureF, Mask
from evensky.tasks.tract import SkyMap, TractBackground, TractBackgroundConfig, TractInfo
from evensky.tasks.tract.background import misplacement


def config(**fields: Any) -> TractBackgroundConfig:
    made = TractBackgroundConfig()
    made.update(**{"xBin": 25.0, "yBin": 25.0, "binning": 10, **fields})
    return made


def added(skies: SkyMap, warps: Any, **fields: Any) -> TractBackground:
    background = TractBackground(config(**fields), skies, 0)
    for warp in warps:
        background.addWarp(warp.warp)
    return background


def models(background: TractBackground, warps: Any) -> dict[int, np.ndarray]:
    return {warp.dataId["patch"]: background.toWarpBackground(warp.warp).getImage().array for warp in warps}


@pytest.mark.parametrize("border", [0, 5, 20])
@pytest.mark.parametrize("patch", [(50, 50), (60, 40)])
@pytest.mark.parametrize("bins", [(25.0, 25.0), (29.25, 17.5)])
def test_a_plane_is_met_everywhere(border: int, patch: tuple[int, int], bins: tuple[float, float]) -> None:
    skies = sky_map(patch, (4, 3), border)
    x, y = positions(skies)
    image = (x / 8 + y / 4).astype(np.float32)
    warps = handles(skies, 1, image)
    background = added(skies, warps, xBin=bins[0], yBin=bins[1])
    for warp in warps:
        got = background.toWarpBackground(warp.warp).getImage()
        np.testing.assert_allclose(got.array, warp.warp.image.array, atol=2e-4)
        assert got.getXY0() == warp.warp.getXY0()


def test_the_original_misses_a_plane_and_makes_seams() -> None:
    skies = sky_map((64, 64), (3, 3), 8)
    x, y = positions(skies)
    warps = handles(skies, 1, (x / 8 + y / 4).astype(np.float32))
    steps = {}
    for as_original in (True, False):
        background = added(skies, warps, xBin=32.0, yBin=32.0, binning=16, asOriginal=as_original)
        steps[as_original] = np.abs(seams(skies, models(background, warps)) - 0.1875).max()
    assert steps[True] > 3
    assert steps[False] < 0.07  # the step of the plane itself is 1/8 or 1/4 count per pixel


@pytest.mark.parametrize("patches", [[0, 1, 4, 5], [5], [0, 1, 2, 3], [0, 2, 5, 7, 8, 10]])
def test_missing_patches_do_not_matter_for_a_plane(patches: list[int]) -> None:
    skies = sky_map()
    x, y = positions(skies)
    image = (3 + x / 8 - y / 4).astype(np.float32)
    background = added(skies, handles(skies, 1, image, patches=patches))
    for warp in handles(skies, 1, image):
        got = background.toWarpBackground(warp.warp).getImage().array
        np.testing.assert_allclose(got, warp.warp.image.array, atol=1e-3)
    assert 0 < background.getFilled().sum() < 48


def test_half_masked_bins_count_where_their_pixels_are() -> None:
    skies = sky_map()
    x, y = positions(skies)
    image = (x / 8 + y / 4).astype(np.float32)
    mask = np.where(np.hypot(x - 90, y - 70) < 30, Mask.getPlaneBitMask("SAT"), 0).astype(np.int32)
    image[mask != 0] = 60000
    image[x + 2 * y > 400] = np.nan
    warps = handles(skies, 1, image, mask)
    background = added(skies, warps)
    uncorrected = background.clone()
    uncorrected._offsets[:] = 0
    error = {}
    for warp in handles(skies, 1, (x / 8 + y / 4).astype(np.float32)):
        for name, one in (("corrected", background), ("not", uncorrected)):
            rest = one.toWarpBackground(warp.warp).getImage().array - warp.warp.image.array
            error[name] = max(error.get(name, 0), np.abs(rest).max())
    assert error["not"] > 3
    assert error["corrected"] < 0.05


def test_a_warp_of_less_than_two_cells_follows_a_slope() -> None:
    skies = sky_map()
    x, y = positions(skies)
    warps = handles(skies, 1, (x / 8 + y / 4).astype(np.float32))
    background = added(skies, warps, binning=40)
    for warp in warps:
        got = background.toWarpBackground(warp.warp).getImage().array
        np.testing.assert_allclose(got, warp.warp.image.array, atol=2e-4)


def test_bins_without_pixels_are_filled_whatever_the_least_share() -> None:
    skies = sky_map()
    warps = handles(skies, 1, np.ones((150, 200), np.float32), patches=[0, 1])
    empty = added(skies, warps, minFrac=0.0)
    np.testing.assert_array_equal(empty.getFilled(), empty.numbers.array == 0)
    assert empty.getFilled().any()
    np.testing.assert_array_equal(empty.getFilled(), empty.toModel().filled)
    # As original, they are NaN then.
    original = added(skies, warps, minFrac=0.0, asOriginal=True).toModel()
    np.testing.assert_array_equal(np.isnan(original.values), empty.getFilled())
    assert np.isfinite(original.errors).all()


def test_cells_of_filled_bins_are_flagged_and_have_larger_errors() -> None:
    skies = sky_map()
    rng = np.random.default_rng(1)
    x, _ = positions(skies)
    image = (np.sin(x / 30) * 5 + rng.normal(size=x.shape)).astype(np.float32)
    background = added(skies, handles(skies, 1, image, patches=[0, 1, 4, 5, 8, 9]))
    warps = handles(skies, 1, image)
    known, filled = (background.toWarpBackground(warps[patch].warp)[0][0].getStatsImage() for patch in (0, 3))
    bit = Mask.getPlaneBitMask("INTRP")
    assert not (known.mask.array & bit).any()
    assert (filled.mask.array & bit).all()
    assert known.variance.array.max() < 0.2
    assert filled.variance.array.min() > 1
    model = background.toModel()
    good = np.ones((55, 55), bool)
    assert model.filled_pixels(good, warps[0].warp.getBBox()) == 0
    assert model.filled_pixels(good, warps[3].warp.getBBox()) == 55 * 55
    half = model.filled_pixels(np.ones((60, 60), bool), Box2I(Point2I(85, 45), Extent2I(60, 60)))
    assert 0 < half < 3600


def test_errors_are_those_of_the_noise() -> None:
    skies = sky_map()
    rng = np.random.default_rng(2)
    errors, deviations = [], []
    for _ in range(20):
        image = rng.normal(0, 5, (150, 200)).astype(np.float32)
        background = added(skies, handles(skies, 1, image), doSmooth=False)
        box = Box2I(Point2I(50, 50), Extent2I(50, 50))
        deviations.append(background.toModel().background_of(box).getImage().array.std())
        variance = background.toModel().variance_of(box)
        assert variance.getXY0() == Point2I(50, 50)
        errors.append(np.sqrt(variance.array.mean()))
    # Overlapping pixels count twice, and samples between bins are averages.
    assert 0.4 < np.mean(deviations) / np.mean(errors) < 1.5


def test_pixels_of_other_types_count() -> None:
    skies = sky_map((50, 50), (1, 1), 0)
    warp = ExposureD(skies[0].getBBox())
    warp.image.array[:] = 3.5
    warp.image.array[0, 0] = 1e300  # beyond float32
    warp.image.array[1, 1] = np.inf
    background = TractBackground(config(), skies, 0)
    background.addWarp(warp)
    assert background.values.array.sum() == pytest.approx(3.5 * background.numbers.array.sum())
    assert background.numbers.array[0, 0] == 38 * 38 - 2  # the box of the first bin ends at pixel floor(1.5 * 25)


def test_only_the_named_planes_reject() -> None:
    skies = sky_map((50, 50), (1, 1), 0)
    mask = np.full((50, 50), Mask.getPlaneBitMask("DETECTED"), np.int32)
    image = np.ones((50, 50), np.float32)
    assert added(skies, handles(skies, 1, image, mask)).numbers.array.all()
    assert not added(skies, handles(skies, 1, image, mask), mask=["DETECTED"]).numbers.array.any()
    with pytest.raises(RuntimeError, match="No good bin"):
        added(skies, handles(skies, 1, image, mask), mask=["DETECTED"]).getStatsImage()


def test_interpolation_none_leaves_gaps_to_the_neighbours() -> None:
    skies = sky_map()
    image = np.full((150, 200), 4.0, np.float32)
    background = added(skies, handles(skies, 1, image, patches=[0, 1]), interpolation=None)
    assert np.isnan(background.getStatsImage().array).any()
    np.testing.assert_allclose(background.toWarpBackground(handles(skies, 1, image)[0].warp).getImage().array, 4.0)


def test_sums_add_up() -> None:
    skies = sky_map()
    image = np.random.default_rng(3).normal(size=(150, 200)).astype(np.float32)
    warps = handles(skies, 1, image)
    whole, one, other = added(skies, warps), added(skies, warps[:5]), added(skies, warps[5:])
    before = one.clone()
    one.merge(other)
    for name in ("values", "numbers", "variances"):
        np.testing.assert_allclose(getattr(one, name).array, getattr(whole, name).array, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(one.centroid_offsets, whole.centroid_offsets, atol=1e-6)
    assert before.numbers.array.sum() < one.numbers.array.sum()
    assert TractBackground.fromSimilar(one).numbers.array.sum() == 0
    with pytest.raises(TypeError):
        one += 3  # type: ignore[arg-type]


def test_pickles_and_clones_are_equal_and_independent() -> None:
    skies = sky_map()
    background = added(skies, handles(skies, 1, np.random.default_rng(4).normal(size=(150, 200)).astype(np.float32)))
    stats = background.getStatsImage().array
    for copy in (pickle.loads(pickle.dumps(background)), background.clone()):
        np.testing.assert_array_equal(copy.getStatsImage().array, stats)
        copy.values.array[:] = 0
    np.testing.assert_array_equal(background.getStatsImage().array, stats)


def test_planes_that_are_given_are_copied() -> None:
    skies = sky_map()
    numbers = np.full((6, 8), 100.0, np.float32)
    background = TractBackground(config(), skies, 0, numbers * 2, numbers, numbers * 9)
    numbers[:] = 0
    np.testing.assert_array_equal(background.getStatsImage().array, 2)
    np.testing.assert_array_equal(background.getVarianceImage().array, 9)
    np.testing.assert_allclose(background.getErrorImage().array, 0.3)
    with pytest.raises(InvalidParameterError, match=r"values have shape \(2, 2\); the grid of the tract has \(6, 8\)"):
        TractBackground(config(), skies, 0, np.zeros((2, 2)))


def test_errors_say_what_to_do() -> None:
    skies = sky_map()
    with pytest.raises(InvalidParameterError, match="larger than the tract, which has 200 x 150"):
        TractBackground(config(xBin=300.0), skies, 0)
    warp = ExposureF(Box2I(Point2I(0, 0), Extent2I(5, 5)))
    background = TractBackground(config(asOriginal=True), skies, 0, np.ones((6, 8)), np.ones((6, 8)) * 1e3)
    with pytest.raises(InvalidParameterError, match="choose a smaller binning"):
        background.toWarpBackground(warp)
    background = TractBackground(config(), skies, 0, np.ones((6, 8)), np.ones((6, 8)) * 1e3)
    assert background.toWarpBackground(warp).getImage().getDimensions() == Extent2I(5, 5)


class ForeignTract:
    """A tract with the methods of ``lsst.skymap`` that only has patches."""

    def __init__(self, tract: TractInfo) -> None:
        self._tract = tract

    def getBBox(self) -> Any:
        return self._tract.getBBox()

    def __getitem__(self, index: int) -> Any:
        return self._tract[index]


class LazySkies:
    def generateTract(self, index: int) -> Any:
        return ForeignTract(sky_map()[0])


@pytest.mark.parametrize(
    "skies",
    [
        LazySkies(),
        [sky_map()[0]],
        [ForeignTract(sky_map()[0])],
        [SimpleNamespace(bbox=sky_map()[0].getBBox(), patch_inner_dimensions=Extent2I(50, 50))],
    ],
)
def test_sky_maps_of_other_packages_will_do(skies: Any) -> None:
    background = TractBackground(config(asOriginal=True), skies, 0, np.ones((6, 8)), np.ones((6, 8)) * 1e3)
    warp = handles(sky_map(), 1, np.zeros((150, 200), np.float32))[5].warp
    np.testing.assert_allclose(background.toWarpBackground(warp).getImage().array, 1e-3, rtol=1e-6)


@pytest.mark.parametrize("corner", [(1000, -500), (180, 0), (0, -1)])
def test_warps_beyond_the_tract_are_errors(corner: tuple[int, int]) -> None:
    background = TractBackground(config(), sky_map(), 0)
    warp = ExposureF(Box2I(Point2I(*corner), Extent2I(50, 50)))
    warp.image.array[:] = 5
    with pytest.raises(OutOfRangeError, match=r"tract 0 .*; set the origin \(XY0\) of the warp"):
        background.addWarp(warp)
    assert not background.numbers.array.any()


def test_there_is_no_background_beyond_the_tract() -> None:
    skies = sky_map()
    background = added(skies, handles(skies, 1, np.ones((150, 200), np.float32)))
    warp = ExposureF(Box2I(Point2I(200, 0), Extent2I(50, 50)))
    for model in (background, background.toModel()):
        with pytest.raises(OutOfRangeError, match=r"does not overlap with the tract, .*; set the origin"):
            model.toWarpBackground(warp)
    with pytest.raises(OutOfRangeError, match="does not overlap"):
        background.toModel().variance_of(warp.getBBox())


def test_as_original_pixels_beyond_the_tract_are_ignored() -> None:
    background = TractBackground(config(asOriginal=True), sky_map(), 0)
    warp = ExposureF(Box2I(Point2I(1000, -500), Extent2I(50, 50)))
    warp.image.array[:] = 5
    background.addWarp(warp)
    assert not background.numbers.array.any()


def test_means_are_those_of_the_measured_bins() -> None:
    skies = sky_map()
    x, _ = positions(skies)
    background = added(skies, handles(skies, 1, (x / 8).astype(np.float32), patches=[0, 1, 4, 5]))
    means = background.getMeans()
    np.testing.assert_array_equal(np.isnan(means), background.getFilled())
    np.testing.assert_allclose(means[0, :4], (np.arange(4) * 25 + 12) / 8, atol=1e-3)


def test_where_a_warp_may_be() -> None:
    tract = sky_map()[0]  # patches of 50 x 50 pixels and 5 of border
    outer = tract[5].getOuterBBox()
    assert misplacement(tract, 5, outer) == ""
    assert misplacement(tract, (1, 1), outer.erodedBy(5)) == ""
    assert "does not lie in the outer box of its patch" in misplacement(tract, 5, outer.shiftedBy(Extent2I(1, 0)))
    only_border = Box2I(outer.getMin(), Extent2I(5, 60))
    assert "does not overlap with the inner box of its patch" in misplacement(tract, 5, only_border)
    for patch in (12, -1, "2,3", None):
        assert misplacement(tract, patch, outer).startswith(f"its tract has no patch {patch!r} (")
    whole = SimpleNamespace(bbox=tract.getBBox())
    assert misplacement(whole, 99, outer) == ""
    assert "does not lie in its tract" in misplacement(whole, 99, outer.shiftedBy(Extent2I(0, 100)))
