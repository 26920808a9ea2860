"""Choice of the reference visit: smooth, quiet and complete visits win."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tract_warps import WarpHandle, handles, positions, sky_map

from evensky.errors import InvalidParameterError, TaskError, UnsuitableError
from evensky.geom import Point2I
from evensky.image import Mask
from evensky.tasks.tract import ChooseReferenceVisitConfig, ChooseReferenceVisitTask

SKIES = sky_map()


def task(**fields: Any) -> ChooseReferenceVisitTask:
    config = ChooseReferenceVisitConfig()
    for grid in (config.tractBgModel,):
        grid.xBin = grid.yBin = 25.0
        grid.binning = 10
    config.update(**fields)
    return ChooseReferenceVisitTask(config)


def visit(number: int, *, noise: float = 1.0, wave: float = 0.0, patches: Any = None) -> list[WarpHandle]:
    x, y = positions(SKIES)
    image = 10 + x / 50 + wave * np.sin(x / 20) * np.cos(y / 25)
    image += np.random.default_rng(number).normal(size=x.shape) * noise
    return handles(SKIES, number, image.astype(np.float32), variance=noise**2, patches=patches)


def test_terms_are_those_of_the_good_bins() -> None:
    result = task().run([*visit(3), *visit(1, noise=2.0), *visit(2, patches=range(8))], SKIES)
    assert [one.visit for one in result.candidates] == [1, 2, 3]
    assert [one.npoints for one in result.candidates] == [48, 40, 48]
    for one, noise in zip(result.candidates, (2.0, 1.0, 1.0), strict=True):
        assert 0.3 < one.chi2 < 3  # few bins are independent
        # The gradient of 0.02 per pixel adds the variance of 50 pixels.
        assert one.variance == pytest.approx(noise**2 + 0.02**2 * 50**2 / 12, rel=0.1)
        assert one.cost == pytest.approx(one.cost_chi2 + one.cost_variance + one.cost_coverage)
    assert result.candidates[1].cost_coverage == pytest.approx(0.4)
    assert result.candidates[0].cost_coverage == pytest.approx(0.4 * 40 / 48)
    assert result.candidates[0].cost_variance == pytest.approx(0.3)
    assert result.reference == 3
    assert [one.selected for one in result.candidates] == [False, False, True]


@pytest.mark.parametrize(
    ("weights", "better"),
    [((1.0, 0.0, 0.0), 1), ((0.0, 1.0, 0.0), 2), ((0.0, 0.0, 1.0), 3)],
)
def test_each_weight_decides_alone(weights: tuple[float, float, float], better: int) -> None:
    warps = [
        *visit(1, noise=3.0, patches=range(10)),
        *visit(2, noise=0.5, wave=2.0, patches=range(10)),
        *visit(3, noise=3.0, wave=4.0),
    ]
    names = ("bestRefWeightChi2", "bestRefWeightVariance", "bestRefWeightGlobalCoverage")
    assert task(**dict(zip(names, weights, strict=True))).run(warps, SKIES).reference == better


def test_coverage_counts_only_as_measured() -> None:
    warps = [*visit(1, patches=range(3)), *visit(2)]
    result = task().run(warps, SKIES)
    assert [one.npoints for one in result.candidates] == [21, 48]  # 3 of 4 x 3 patches and their borders
    original = task(asOriginal=True).run(warps, SKIES)
    assert [one.npoints for one in original.candidates] == [48, 48]


def test_visits_that_cannot_be_compared_are_left_out() -> None:
    empty, masked, constant = (visit(number) for number in (1, 2, 3))
    for handle in empty:
        handle.warp.image.array[:] = np.nan
    for handle in masked:
        handle.warp.mask.array[:] = Mask.getPlaneBitMask("NO_DATA")
    for handle in constant:
        handle.warp.image.array[:] = 7
    broken = [WarpHandle(OSError("no such file"), 4, patch) for patch in range(12)]
    result = task().run([*empty, *masked, *constant, *broken, *visit(5)], SKIES)
    assert result.reference == 5
    assert {one.visit: one.message for one in result.candidates} == {
        1: "it has no good bin",
        2: "it has no good bin",
        3: "0 of its bins have a mean and a variance; at least 4 are needed to compare it with a plane",
        4: "none of its warps can be read: patch 0: it cannot be read: no such file",
        5: "",
    }
    assert all(np.isnan(one.cost) for one in result.candidates[:4])


def test_no_visit_at_all_is_an_error_of_two_kinds() -> None:
    warps = visit(1)
    for handle in warps:
        handle.warp.image.array[:] = np.nan
    for kind in (ValueError, TaskError):
        with pytest.raises(kind, match=r"No visit of tract 0 .*: visit 1: it has no good bin"):
            task().run(warps, SKIES)
    with pytest.raises(InvalidParameterError, match="There are 0 warps"):
        task().run([], SKIES)


def test_warps_in_a_wrong_place_do_not_count() -> None:
    moved = visit(1)
    for handle in moved:
        handle.warp.setXY0(Point2I(0, 0))
    # The original adds them up at the first patch.
    assert np.nanmax(task(asOriginal=True).run(moved, SKIES).models[1].numbers.array) > 20000
    result = task().run([*moved[1:], *visit(2)], SKIES)
    assert result.reference == 2
    assert result.candidates[0].message.startswith(
        "none of its warps can be used: patch 1: its box, ((0, 0)..(59, 54)),"
    )
    with pytest.raises(UnsuitableError, match="None of the 11 warps can be used: visit 1, patch 1: its box"):
        task().run(moved[1:], SKIES)


def test_warps_that_do_not_belong_together() -> None:
    warps = visit(1)
    with pytest.raises(InvalidParameterError, match="two warps of visit 1 and patch 2"):
        task().run([*warps, warps[2]], SKIES)
    warps[3].dataId["tract"] = 1
    with pytest.raises(InvalidParameterError, match="of the tracts 0, 1"):
        task().run(warps, SKIES)


def test_a_visit_that_ends_the_original_is_named() -> None:
    empty = visit(7)
    for handle in empty:
        handle.warp.image.array[:] = np.nan
    with pytest.raises(RuntimeError, match=r"Visit 7 cannot be a candidate: No good bin: .*asOriginal to False"):
        task(asOriginal=True).run([*visit(2), *empty], SKIES)


def test_a_broken_warp_ends_the_original() -> None:
    with pytest.raises(OSError, match="no such file"):
        task(asOriginal=True).run([WarpHandle(OSError("no such file"), 4, 0)], SKIES)


def test_a_configuration_is_read_when_it_is_used() -> None:
    warps = [*visit(1, patches=range(10)), *visit(2, noise=3.0)]
    chooser = task(bestRefWeightChi2=0.0, bestRefWeightVariance=1.0, bestRefWeightGlobalCoverage=0.0)
    assert chooser.run(warps, SKIES).reference == 1
    other = task(bestRefWeightChi2=0.0, bestRefWeightVariance=0.0, bestRefWeightGlobalCoverage=1.0)
    assert other.run(warps, SKIES).reference == 2


def nebula() -> np.ndarray:
    """Return a bright blob in patch 0 of the tract."""
    x, y = positions(SKIES)
    return np.asarray(60 * np.exp(-((x - 25) ** 2 + (y - 25) ** 2) / 200))


def sky_of(number: int, seed: int, patches: Any = None) -> list[WarpHandle]:
    rng = np.random.default_rng([seed, number])
    image = nebula() + 10 * number + rng.normal(size=nebula().shape)
    return handles(SKIES, number, image.astype(np.float32), patches=patches)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("border", [0, 5])
def test_a_visit_that_meets_no_other_is_no_reference(seed: int, border: int) -> None:
    # A bin across the border of two patches holds pixels of both, and yet the visits cannot be compared there.
    skies = sky_map(border=border)
    x, _ = positions(skies)
    warps = []
    for number, patches in ((1, range(11)), (2, range(11)), (3, range(11)), (4, [11])):
        image = nebula() + np.random.default_rng([seed, number]).normal(size=x.shape)
        warps += handles(skies, number, image.astype(np.float32), patches=patches)
    result = task().run(warps, skies)
    assert result.reference in (1, 2, 3)
    assert [one.met for one in result.candidates] == [2, 2, 2, 0]
    assert result.candidates[3].message.startswith("it shares good bins with 0 of the other visits, and visit 1 with 2")
    assert np.isnan(result.candidates[3].cost)
    assert task(asOriginal=True).run(warps, skies).reference == 4


@pytest.mark.parametrize("seed", range(3))
def test_a_visit_that_meets_others_in_a_corner_is_no_reference(seed: int) -> None:
    warps = [warp for number in (1, 2, 3) for warp in sky_of(number, seed)] + sky_of(4, seed, [11])
    result = task().run(warps, SKIES)
    assert result.reference in (1, 2, 3)
    assert [one.met for one in result.candidates] == [3, 3, 3, 3]
    assert [one.share for one in result.candidates] == pytest.approx([1, 1, 1, 9 / 48])
    assert "it has 18.8 % of the good bins of the other visits, and visit 1 has 100 %" in result.candidates[3].message


def test_of_two_visits_the_one_that_covers_the_other_is_the_reference() -> None:
    result = task().run([*sky_of(1, 0, [9, 10, 11]), *sky_of(2, 0)], SKIES)
    assert result.reference == 2


def test_two_groups_of_visits_that_do_not_meet_have_a_reference() -> None:
    warps = [warp for number in (1, 2) for warp in sky_of(number, 0, [0, 4, 8])]
    warps += [warp for number in (3, 4) for warp in sky_of(number, 0, [3, 7, 11])]
    result = task().run(warps, SKIES)
    assert [one.met for one in result.candidates] == [1, 1, 1, 1]
    assert [one.message for one in result.candidates] == [""] * 4


@pytest.mark.parametrize("seed", range(3))
def test_a_visit_without_the_nebula_is_not_better_for_that(seed: int) -> None:
    part = [2, 3, 6, 7, 8, 9, 10, 11]
    warps = [warp for number in (1, 2, 3) for warp in sky_of(number, seed)] + sky_of(4, seed, part)
    result = task().run(warps, SKIES)
    last = result.candidates[3]
    assert last.message == ""
    assert last.chi2 < 0.02 * result.candidates[0].chi2  # as measured
    assert last.cost_chi2 == pytest.approx(result.candidates[0].cost_chi2, rel=0.2)
    assert result.reference != 4


def test_no_warp_can_be_read() -> None:
    broken = [WarpHandle(OSError("no such file"), number, patch) for number in (1, 2) for patch in range(12)]
    with pytest.raises(UnsuitableError, match=r"None of the 24 warps can be read: visit 1, patch 0: .*no such file"):
        task().run(broken, SKIES)
    moved = visit(3)[1:]
    for handle in moved:
        handle.warp.setXY0(Point2I(0, 0))
    with pytest.raises(UnsuitableError, match=r"None of the 35 warps can be used: visit 1, patch 0: .*no such file"):
        task().run([*broken, *moved], SKIES)


def test_fields_that_have_no_effect_are_told(caplog: pytest.LogCaptureFixture) -> None:
    task(numIter=5, interpStyle="LINEAR").run(visit(1), SKIES)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "Fields that have no effect: interpStyle = 'LINEAR', numIter = 5 (the choice of a reference makes no grid)"
    ]
