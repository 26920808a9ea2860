"""The joint match of the visits of a tract: one model for each visit, whatever the patches."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.nddata import CCDData
from handles import Handle

import evensky
from evensky.errors import InvalidParameterError, TaskError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import ExposureF, Mask
from evensky.matching.joint.config import MatchAllConfig
from evensky.tasks.tract import SkyMap, TractInfo

SIDE, BORDER, NUMBER = 200, 20, (3, 2)
NOISE = 10.0
INFO = TractInfo(patch=(SIDE, SIDE), number=NUMBER, border=BORDER, tract=4)
SKY_MAP = SkyMap({4: INFO})
PATCHES = range(NUMBER[0] * NUMBER[1])
VISITS = (11, 12, 13, 14)
# Patches that a visit does not cover.
MISSING = {(11, 0), (12, 5), (13, 1), (13, 4)}


def part(box: Box2I) -> tuple[slice, slice]:
    return slice(box.getMinY(), box.getMaxY() + 1), slice(box.getMinX(), box.getMaxX() + 1)


def scene(seed: int = 1) -> SimpleNamespace:
    """Visits of a tract with a nebula that stays, and curved backgrounds that do not."""
    random = np.random.default_rng(seed)
    height, width = NUMBER[1] * SIDE, NUMBER[0] * SIDE
    v, u = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    nebula = 50 * np.exp(-((u - 0.2) ** 2 + v**2) / 0.1)
    truth, warps = {}, {}
    for visit in VISITS:
        c = random.normal(0, 20, 6)
        truth[visit] = c[0] + c[1] * u + c[2] * v + 0.3 * (c[3] * u**2 + c[4] * u * v + c[5] * v**2)
        pixels = nebula + truth[visit] + random.normal(0, NOISE, (height, width))
        for patch in PATCHES:
            if (visit, patch) not in MISSING:
                box = INFO[patch].getOuterBBox()
                warp = ExposureF(box)
                warp.image.array[:] = pixels[part(box)]
                warp.variance.array[:] = NOISE**2
                warps[visit, patch] = warp
    return SimpleNamespace(warps=warps, truth=truth)


@pytest.fixture(scope="module")
def example() -> SimpleNamespace:
    made = scene()
    return SimpleNamespace(**vars(made), result=evensky.match_tract(made.warps, SKY_MAP))


def left_over(example: SimpleNamespace) -> dict[tuple[int, int], np.ndarray]:
    """Return what is left of the background in each warp after the match."""
    return {
        (visit, patch): example.truth[visit][part(INFO[patch].getOuterBBox())]
        + (matched.image.array - example.warps[visit, patch].image.array)
        for (visit, patch), matched in example.result.warps.items()
    }


def test_visits_agree_to_the_noise_limit_in_all_patches(example: SimpleNamespace) -> None:
    left = left_over(example)
    assert set(left) == set(example.warps)
    for patch in PATCHES:
        some = np.array([one for (_, at), one in left.items() if at == patch])
        # One percent of the noise of a pixel; the backgrounds differ by 20 counts and more.
        assert np.sqrt(np.mean((some - some.mean(axis=0)) ** 2)) < 0.01 * NOISE


def test_the_model_of_a_visit_is_one_function_across_patches(example: SimpleNamespace) -> None:
    x, y = np.array([185.0, 199.0, 200.0, 215.0]), np.array([10.0, 60.0, 120.0, 190.0])
    compared = 0
    for visit in VISITS:
        models = [example.result.models.get((visit, patch)) for patch in (0, 1)]
        if None in models:
            continue
        one, other = models
        np.testing.assert_allclose(one.evaluate(x, y), other.evaluate(x, y), atol=1e-9)
        np.testing.assert_allclose(one.sigma(x, y), other.sigma(x, y), rtol=1e-6)
        compared += 1
    assert compared >= 2


def test_overlapping_pixels_of_patches_get_the_same_value(example: SimpleNamespace) -> None:
    box = Box2I(Point2I(SIDE - BORDER, 0), Extent2I(2 * BORDER, SIDE))
    one, other = (example.result.warps[14, patch].image[box].array for patch in (0, 1))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_the_whole_warp_is_changed_not_only_its_inner_box(example: SimpleNamespace) -> None:
    box = INFO[4].getOuterBBox()
    matched = example.result.warps[14, 4]
    assert matched.getBBox() == box
    change = matched.image.array - example.warps[14, 4].image.array
    np.testing.assert_allclose(change, example.result.models[14, 4].image(), atol=1e-4)


def test_errors_of_the_models_are_calibrated(example: SimpleNamespace) -> None:
    pulls = []
    left = left_over(example)
    for patch in PATCHES:
        some = {visit: one for (visit, at), one in left.items() if at == patch}
        mean = np.mean(list(some.values()), axis=0)
        for visit, one in some.items():
            pulls.append(((one - mean) / example.result.models[visit, patch].sigma_image()).ravel())
    # The error of a mean of few is part of each distance, so that they are smaller than 1.
    assert 0.3 < np.sqrt(np.mean(np.concatenate(pulls) ** 2)) < 1.3


def test_a_patch_of_one_visit_alone_gets_the_model_of_the_visit() -> None:
    made = scene(6)
    for visit in VISITS[:3]:
        made.warps.pop((visit, 5), None)
    example = SimpleNamespace(**vars(made), result=evensky.match_tract(made.warps, SKY_MAP, level="mean"))
    left = left_over(example)
    assert set(left) == set(made.warps)
    # The model is continued over the patch, with an error that says how far to trust it.
    neighbour, alone = example.result.models[14, 4], example.result.models[14, 5]
    x, y = np.array([405.0, 560.0]), np.array([300.0, 390.0])
    np.testing.assert_allclose(alone.evaluate(x, y), neighbour.evaluate(x, y), rtol=1e-6)
    # The models add up to 0, so that what is left is the mean background.
    mean = np.mean([made.truth[visit] for visit in VISITS], axis=0)[part(INFO[5].getOuterBBox())]
    assert np.all(np.abs(left[14, 5] - mean) < 4 * alone.sigma_image() + 0.05 * NOISE)
    record = next(record for record in example.result.run.records if record.label == "visit 14, patch 5")
    assert record.status == "matched"
    assert record.flags == ["LOW_COVERAGE"]
    assert any("visit 14, patch 5" in note for note in example.result.run.notes)


def test_a_step_between_patches_is_not_fitted() -> None:
    made = scene()
    for (visit, patch), warp in made.warps.items():
        # A visit whose patches have levels of their own, as nothing on the sky has.
        warp.image.array[:] += 5 * patch * (-1) ** patch if visit == 12 else 0
    result = evensky.match_tract(made.warps, SKY_MAP)
    assert not result.run.failed
    assert set(result.warps) == set(made.warps)
    assert not any("chip" in record.model for record in result.run.records)
    for one, other in ((0, 1), (3, 4)):
        x = np.full(5, SIDE * ((one % 3) + 1.0) - 0.5)
        y = SIDE * (one // 3) + np.linspace(20, 180, 5)
        models = [result.models[12, patch] for patch in (one, other)]
        np.testing.assert_allclose(models[0].evaluate(x, y), models[1].evaluate(x, y), atol=1e-9)


def test_a_named_visit_stays_unchanged_in_all_its_patches() -> None:
    made = scene(2)
    result = evensky.match_tract(made.warps, SKY_MAP, reference=12)
    assert result.reference == 12
    for (visit, patch), model in result.models.items():
        assert (model is None) == (visit == 12)
        if visit == 12:
            np.testing.assert_array_equal(result.warps[visit, patch].image.array, made.warps[visit, patch].image.array)
    offsets = [
        np.mean(made.truth[visit][part(INFO[patch].getInnerBBox())] - made.truth[12][part(INFO[patch].getInnerBBox())])
        for visit, patch in result.models
    ]
    added = [
        0.0 if model is None else -model.evaluate(*np.array(INFO[patch].getInnerBBox().getCenter())[:, None])[0]
        for (_, patch), model in result.models.items()
    ]
    assert np.corrcoef(offsets, added)[0, 1] > 0.99


def test_a_named_visit_stays_unchanged_with_a_configuration_too() -> None:
    made = scene(2)
    config = MatchAllConfig()
    config.update(terms=["smooth", "gain"], bad_planes=["BAD", "SAT", "EDGE", "NO_DATA"])
    with_config = evensky.match_tract(made.warps, SKY_MAP, reference=12, config=config)
    assert with_config.run.level == "reference"
    np.testing.assert_array_equal(with_config.warps[12, 3].image.array, made.warps[12, 3].image.array)
    assert config.level == "auto"  # the configuration of the caller


def test_handles_and_results_that_are_taken_as_they_are_made() -> None:
    made = scene(3)
    handles = [
        Handle(warp, visit=visit, patch=patch, tract=4, skymap="map") for (visit, patch), warp in made.warps.items()
    ]
    taken = {}

    def take(visit: int, patch: int, matched: ExposureF, model: object) -> None:
        taken[visit, patch] = matched.image.array.copy()

    result = evensky.match_tract(handles, SKY_MAP, take=take)
    assert result.warps == {}
    whole = evensky.match_tract(made.warps, SKY_MAP, workers=2)
    assert set(taken) == set(whole.warps)
    for key, pixels in taken.items():
        np.testing.assert_array_equal(pixels, whole.warps[key].image.array)
    assert len(result.table) == len(handles)


def test_masks_of_all_visits_count() -> None:
    made = scene(4)
    for visit, patch in ((11, 3), (14, 3)):
        warp = made.warps[visit, patch]
        warp.image.array[50:120, 40:150] += 5000
        warp.mask.array[50:120, 40:150] |= Mask.getPlaneBitMask("SAT")
    example = SimpleNamespace(**vars(made), result=evensky.match_tract(made.warps, SKY_MAP))
    left = left_over(example)
    some = np.array([one for (_, at), one in left.items() if at == 3])
    assert np.sqrt(np.mean((some - some.mean(axis=0)) ** 2)) < 0.015 * NOISE


def test_edges_of_detectors_do_not_count_by_default() -> None:
    made = scene(8)
    for (visit, _), warp in made.warps.items():
        if visit == 14:
            warp.image.array[:40] += 300
            warp.mask.array[:40] |= Mask.getPlaneBitMask("EDGE")
    by_default = evensky.match_tract(made.warps, SKY_MAP, level="mean")
    counted = evensky.match_tract(made.warps, SKY_MAP, level="mean", bad_planes="BAD")
    x, y = np.array([150.0, 450.0]), np.array([100.0, 300.0])
    mean = np.mean([made.truth[visit] for visit in VISITS], axis=0)
    expected = (mean - made.truth[14])[y.astype(int), x.astype(int)]
    np.testing.assert_allclose(by_default.models[14, 0].evaluate(x, y), expected, atol=0.2 * NOISE)
    assert np.abs(counted.models[14, 0].evaluate(x, y) - expected).max() > NOISE


def test_a_warp_that_cannot_be_read_does_not_stop_the_others() -> None:
    made = scene(5)

    class Broken(Handle):
        def get(self, *, component: str | None = None) -> ExposureF:
            raise OSError("no such file")

    handles = [
        (Broken if (visit, patch) == (14, 2) else Handle)(warp, visit=visit, patch=patch, tract=4)
        for (visit, patch), warp in made.warps.items()
    ]
    result = evensky.match_tract(handles, SKY_MAP)
    assert [record.label for record in result.run.failed] == ["visit 14, patch 2"]
    assert "no such file" in result.run.failed[0].message
    assert set(result.warps) == set(made.warps) - {(14, 2)}


def test_a_warp_without_its_place_in_the_tract_is_refused() -> None:
    made = scene(7)
    made.warps[14, 1].setXY0(0, 0)
    result = evensky.match_tract(made.warps, SKY_MAP)
    assert [record.label for record in result.run.failed] == ["visit 14, patch 1"]
    assert "set its origin (XY0) to the pixels of the tract" in result.run.failed[0].message
    assert (14, 0) in result.warps
    # Arrays have no place at all.
    arrays = {key: warp.image.array for key, warp in made.warps.items() if key[1] > 2}
    with pytest.raises(TaskError, match="set its origin"):
        evensky.match_tract(arrays, SKY_MAP)


def test_the_table_of_visits(example: SimpleNamespace) -> None:
    table = example.result.visits
    assert list(table["visit"]) == list(VISITS)
    for row in table:
        assert row["warps"] == sum(visit == row["visit"] for visit, _ in example.warps)
        assert row["failed"] == 0
        assert row["status"] == ("reference" if row["visit"] == example.result.reference else "matched")
        assert row["model"].startswith("Chebyshev") or row["status"] == "reference"


def test_visits_without_a_common_pixel_are_told(caplog: pytest.LogCaptureFixture) -> None:
    made = scene(9)
    warps = {key: warp for key, warp in made.warps.items() if key[1] in ((0, 3) if key[0] in (11, 12) else (2, 5))}
    result = evensky.match_tract(warps, SKY_MAP)
    sentence = "2 groups of visits have no good pixel in common"
    assert sentence in str(result)
    assert "11, 12; 13, 14" in next(note for note in result.run.notes if sentence in note)
    groups = dict(zip(result.visits["visit"], result.visits["group"], strict=True))
    assert groups[11] == groups[12] != groups[13] == groups[14]


def test_a_warp_of_a_patch_that_the_tract_lacks_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    made = scene(10)
    made.warps[14, 99] = made.warps.pop((14, 2))
    with caplog.at_level("WARNING", "evensky"):
        result = evensky.match_tract(made.warps, SKY_MAP)
    assert [record.label for record in result.run.failed] == ["visit 14, patch 99"]
    assert "has no patch 99" in result.run.failed[0].message
    assert "visit 14, patch 99" in caplog.text
    row = result.visits[list(result.visits["visit"]).index(14)]
    assert "has no patch 99" in row["message"]


@pytest.mark.parametrize("sky_map", [INFO, {4: INFO}])
def test_a_tract_stands_for_a_sky_map(sky_map: object, example: SimpleNamespace) -> None:
    result = evensky.match_tract(example.warps, sky_map)
    np.testing.assert_array_equal(result.warps[14, 3].image.array, example.result.warps[14, 3].image.array)


def test_warps_in_files_and_with_cards_of_their_origin(tmp_path: Path, example: SimpleNamespace) -> None:
    files, cards = {}, {}
    for (visit, patch), warp in example.warps.items():
        files[visit, patch] = tmp_path / f"{visit}_{patch}.fits"
        warp.writeFits(files[visit, patch])
        header = {"LTV1": -warp.getX0(), "LTV2": -warp.getY0()}
        cards[visit, patch] = CCDData(warp.image.array, unit="adu", meta=header)
    expected = example.result.warps[14, 3].image.array
    read = evensky.match_tract(files, SKY_MAP)
    np.testing.assert_allclose(read.warps[14, 3].image.array, expected, atol=1e-3)
    by_cards = evensky.match_tract(cards, SKY_MAP)
    np.testing.assert_allclose(by_cards.warps[14, 3].data, expected, atol=0.05 * NOISE)


def test_the_largest_error_is_that_of_the_whole_warp(example: SimpleNamespace) -> None:
    for record in example.result.run.records:
        visit, patch = (int(word) for word in record.label.replace(",", "").split()[1::2])
        model = example.result.models[visit, patch]
        if model is not None:
            assert record.largest_sigma == pytest.approx(float(model.sigma_image().max()), rel=0.02)


def test_the_report_and_the_plot_of_a_run(example: SimpleNamespace, tmp_path: Path) -> None:
    page = example.result.write_report(tmp_path / "report.html")
    text = page.read_text()
    assert "visit 13, patch 2" in text
    assert example.result.plot().axes


def test_warps_that_do_not_lie_in_their_patch_are_not_compared() -> None:
    made = scene(6)
    for patch in PATCHES:
        if (14, patch) in made.warps:
            made.warps[14, patch].setXY0(Point2I(0, 0))
    # That of patch 0 is where it was, and that of patch 1 overlaps with the inner box of its patch all the same.
    result = evensky.match_tract(made.warps, SKY_MAP, reference=11)
    assert {record.label for record in result.run.failed} == {f"visit 14, patch {patch}" for patch in PATCHES if patch}
    assert all("does not lie in the outer box of its patch" in record.message for record in result.run.failed)
    assert set(result.warps) == {place for place in made.warps if place[0] != 14 or place[1] == 0}
    rest = left_over(SimpleNamespace(**vars(made), result=result))
    for (visit, patch), one in rest.items():
        if visit == 12:
            assert np.abs(one - made.truth[11][part(INFO[patch].getOuterBBox())]).max() < 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"warps": {}}, "There are 0 warps"),
        ({"warps": {"a": 1}}, "tuple of visit and patch"),
        ({"warps": [1]}, "mapping of .visit, patch."),
        ({"tract": 5}, "5"),
        ({"sky_map": None}, "sky_map is None"),
        ({"sky_map": [INFO]}, "give a SkyMap"),
        ({"bin_size": 1000}, "bin_size = 1000, but the patches cover 600 x 400"),
        ({"workers": 0}, "workers = 0"),
        ({"reference": 99}, "The reference visit is 99; the visits of the warps are 11, 12, 13, 14"),
        ({"config": MatchAllConfig()}, "rows"),
    ],
)
def test_bad_arguments(change: dict[str, object], message: str) -> None:
    arguments = {"warps": scene().warps, "sky_map": SKY_MAP, **change}
    with pytest.raises((InvalidParameterError, LookupError), match=message):
        evensky.match_tract(**arguments)


def test_two_warps_of_one_visit_and_patch_are_refused() -> None:
    warp = scene().warps[14, 0]
    with pytest.raises(InvalidParameterError, match="visit 14, patch 0 is given twice"):
        evensky.match_tract([Handle(warp, visit=14, patch=0), Handle(warp, visit=14, patch=0)], SKY_MAP)


def test_tracts_are_matched_one_at_a_time() -> None:
    warp = scene().warps[14, 0]
    two = SkyMap({4: INFO, 5: TractInfo(patch=(SIDE, SIDE), number=NUMBER, border=BORDER)})
    with pytest.raises(InvalidParameterError, match="2 tracts"):
        evensky.match_tract({(14, 0): warp}, two)
    with pytest.raises(InvalidParameterError, match=r"\[4, 5\]"):
        evensky.match_tract([Handle(warp, visit=14, patch=0, tract=4), Handle(warp, visit=13, patch=0, tract=5)], two)
