"""Matches of exposures with different pixel grids, which are compared on the sky."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import dithered_scenes
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

import evensky
from evensky.errors import UnsuitableError
from evensky.fits.descriptions import Selection
from evensky.runs.source import MemorySource
from evensky.runs.survey import _common_scales, place_items, survey_files
from evensky.simulate import make_dithered_exposures, sky_left, write_exposures

SIDE = 320


@pytest.fixture(scope="module")
def scene() -> dithered_scenes.DitheredScene:
    return dithered_scenes.gradients(4, number=4, side=SIDE)


@pytest.fixture(scope="module")
def result(scene: dithered_scenes.DitheredScene) -> Any:
    return evensky.match_all(scene.exposures, level="mean")


@pytest.fixture(scope="module")
def files(scene: dithered_scenes.DitheredScene, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_exposures(scene.simulated, tmp_path_factory.mktemp("dithers"))


def placed(exposures: list[Any]) -> MemorySource:
    source = MemorySource(exposures, [])
    source.notes = place_items(source, shifted=True, same_grid=False)  # type: ignore[attr-defined]
    return source


def test_dithered_exposures_are_matched(scene: dithered_scenes.DitheredScene, result: Any) -> None:
    assert scene.left() > 10
    assert scene.left(result) < 0.2  # the noise of the levels is 0.05
    assert [record.scores[0].name for record in result.run.records if record.scores] == ["plane"] * 3
    # Models cover the pixels of their exposures, and nothing else is changed.
    for one, matched, model in zip(scene.exposures, result.exposures, result.models, strict=True):
        assert model.box == (0, 0, SIDE, SIDE)
        np.testing.assert_allclose(matched.image.array, one.image.array + model.image(), atol=1e-3)
    assert any("placed by their WCS on the sky" in note for note in result.run.notes)
    assert any("compared per area" in note for note in result.run.notes)
    assert all(0.02 < record.source_fraction < 0.5 for record in result.run.records)
    # Levels are compared per area.
    after = [record.level_after * record.area_factor for record in result.run.records]
    own = [record.level_after for record in result.run.records]
    assert np.ptp(after) < 30 < np.ptp(own)


@pytest.mark.parametrize("level", ["mean", "reference", "lowest"])
def test_distortions_do_not_bend_levels(level: str) -> None:
    """A slope on the sky is curved in the pixels of a distorted exposure."""
    simulated = make_dithered_exposures(4, (SIDE, SIDE), 6, dither=60.0, distortion=8.0, order=1, noise=1.0, stars=0)
    result = evensky.match_all([one.exposure for one in simulated], level=level, pictures=False)
    assert sky_left(simulated, result) < 0.05  # 0.2 if models had no room for the curves


def test_outlines_and_overlaps_are_shown(result: Any) -> None:
    run = result.run
    assert run.footprint_unit == "deg"
    for record in run.records:
        x, y = np.array(record.corners).T
        area = 0.5 * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
        assert np.sqrt(area) * 3600 / SIDE == pytest.approx(0.4, rel=0.11)  # scales from 0.9 to 1.1
    assert len(run.overlaps) == 6
    assert max(abs(one.after) for one in run.overlaps) < 0.5 < max(abs(one.before) for one in run.overlaps)
    assert len(result.run.plot_footprints().axes) >= 2


@pytest.mark.usefixtures("warm_workers")
def test_files_give_the_same_models(scene: dithered_scenes.DitheredScene, files: list[Path], tmp_path: Path) -> None:
    """Whatever does the work, and wherever pixels are kept, the pixels are the same to the last bit."""
    pixels: list[list[np.ndarray]] = []
    for name, options in {
        "threads": {},
        "two": {"workers": 2},
        "processes": {"workers": 2, "executor": "processes"},
        "scratch": {"scratch": tmp_path},
    }.items():
        run = evensky.match_files(files, tmp_path / name, report=False, **options)
        assert not run.failed
        pixels.append([fits.getdata(record.output) for record in run.records if record.output])
    for others in pixels[1:]:
        for one, other in zip(pixels[0], others, strict=True):
            np.testing.assert_array_equal(one, other)
    added = [after.astype(float) - before.image.array for after, before in zip(pixels[0], scene.exposures, strict=True)]
    assert scene.residuals(added).rms < 0.2


def test_a_stopped_run_is_continued(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = evensky.match_files(files, out, report=False)
    before = Path(str(first.records[1].output)).read_bytes()
    Path(str(first.records[2].output)).unlink()
    journal = out / "matched.journal"
    if not journal.exists():
        pytest.fail("a run over files keeps a journal")
    again = evensky.match_files(files, out, report=False, resume=True)
    assert Path(str(again.records[1].output)).read_bytes() == before
    assert Path(str(again.records[2].output)).exists()
    assert [one.model for one in again.records] == [one.model for one in first.records]


def test_chips_meet_on_the_sky(tmp_path: Path) -> None:
    scene = dithered_scenes.offsets(5, number=3, side=2 * SIDE)
    paths, chips = dithered_scenes.write_chips(scene, tmp_path)
    run = evensky.match_files(paths, tmp_path / "out", report=False)
    assert [record.label for record in run.records] == [chip.name for chip in chips]
    added = []
    for record, chip in zip(run.records, chips, strict=True):
        number = int(record.label[-2])
        with fits.open(str(record.output)) as hdus:
            added.append(hdus["SCI", number].data.astype(float) - chip.exposure.image.array)
    assert sky_left(chips) > 10
    assert sky_left(chips, added) < 0.15
    # Chips of different names are compared, those of one file are not.
    files = {tuple(sorted((one.first.split("[")[0], one.second.split("[")[0]))) for one in run.overlaps}
    assert all(first != second for first, second in files)
    assert any(one.first.split("[")[1] != one.second.split("[")[1] for one in run.overlaps)


def test_steps_between_chips_of_turned_exposures(tmp_path: Path) -> None:
    """All exposures have the same step between their chips, but other chips meet on the sky."""
    scene = dithered_scenes.offsets(6, number=3, side=2 * SIDE)
    paths, chips = dithered_scenes.write_chips(scene, tmp_path)
    stepped = []
    for path in paths:
        with fits.open(path, mode="update") as hdus:
            hdus["SCI", 2].data += np.float32(5.0)
    for chip in chips:
        stepped.append(replace(chip, sky=chip.sky + 5.0) if chip.name.endswith("2]") else chip)
    run = evensky.match_files(paths, tmp_path / "out", report=False)
    added = []
    for record, chip in zip(run.records, chips, strict=True):
        with fits.open(str(record.output)) as hdus:
            step = 5.0 if record.label.endswith("2]") else 0.0
            added.append(hdus["SCI", int(record.label[-2])].data.astype(float) - chip.exposure.image.array - step)
    assert run.level == "mean"
    assert sky_left(stepped, added) < 0.15
    assert all("chip" in record.model for record in run.records)


def test_files_of_one_image_and_of_chips_are_matched_together(tmp_path: Path) -> None:
    scene = dithered_scenes.offsets(5, number=3, side=2 * SIDE)
    paths, _ = dithered_scenes.write_chips(scene, tmp_path)
    (whole,) = write_exposures(scene.simulated[:1], tmp_path / "whole")
    survey = survey_files([whole, *paths[1:]], Selection())
    assert not survey.problems
    assert all(item.map is not None for item in survey.items)
    run = evensky.match_files([whole, *paths[1:]], tmp_path / "out", report=False)
    assert not run.failed
    assert {record.group for record in run.records} == {0}


def test_surface_brightness_is_compared_as_it_is() -> None:
    options: dict[str, Any] = {"seed": 3, "dither": 60.0, "scales": (0.9, 1.1), "order": 0}
    for unit in ("adu", "MJy/sr"):
        simulated = make_dithered_exposures(3, (SIDE, SIDE), unit=unit, **options)
        source = placed([one.exposure for one in simulated])
        scales = [item.map.scale for item in source.items if item.map is not None]
        areas = np.array([one.area for one in simulated])
        assert 0.7 < min(scales) <= max(scales) < 1.3
        if unit == "adu":
            np.testing.assert_allclose(np.array(scales) * areas, scales[0] * areas[0], rtol=1e-4)
            assert max(scales) / min(scales) > 1.05
        else:
            assert scales == [1.0] * 3


def test_what_values_stand_for_can_be_said() -> None:
    simulated = make_dithered_exposures(3, (SIDE, SIDE), 3, dither=60.0, order=0, unit="MJy/sr")
    exposures = [one.exposure for one in simulated]
    for one in exposures:
        del one.metadata["BUNIT"]
    run = evensky.match_all(exposures, pictures=False).run
    assert any("exposure 0, exposure 1 and exposure 2 have no unit (BUNIT)" in note for note in run.notes)
    result = evensky.match_all(exposures, pixel_values="per_area", pictures=False)
    assert not any("BUNIT" in note for note in result.run.notes)
    assert [record.area_factor for record in result.run.records] == [1.0] * 3
    assert sky_left(simulated, result) < 0.2


def test_the_wcs_may_be_in_the_header_of_an_object(scene: dithered_scenes.DitheredScene) -> None:
    ccds = []
    for number, one in enumerate(scene.exposures):
        header = one.wcs.to_header(relax=True)
        ccds.append(CCDData(one.image.array, unit="adu", meta=dict(header) if number % 2 else header))
    result = evensky.match_all(ccds, level="mean", pictures=False)
    assert scene.left([model.image() for model in result.models]) < 0.2
    assert isinstance(result.exposures[0], CCDData)


def test_exposures_of_one_flat_field_share_a_factor() -> None:
    scales = [1.0, 1.02, 0.98, 4.0, 1.03]
    found = _common_scales(scales, ["CAM", "CAM", "CAM", "CAM", ""])
    np.testing.assert_allclose(found, [1.0, 1.0, 1.0, 4.0, 1.03])
    assert _common_scales(scales, [""] * 5) == scales
    # The order of the exposures does not matter.
    wide = [1.0, 1.08, 0.92, 1.04, 4.0]
    found = _common_scales(wide, ["CAM"] * 5)
    np.testing.assert_allclose(found, [1.01] * 4 + [4.0])
    assert sorted(_common_scales(wide[::-1], ["CAM"] * 5)) == sorted(found)


def test_an_unknown_unit_is_that_of_the_others() -> None:
    simulated = make_dithered_exposures(4, (64, 64), 3, unit="MJy/sr")
    del simulated[1].exposure.metadata["BUNIT"]
    source = placed([one.exposure for one in simulated])
    assert [item.map.scale for item in source.items if item.map is not None] == [1.0] * 4


def test_one_pixel_grid_is_recognised() -> None:
    simulated = make_dithered_exposures(3, (SIDE, SIDE), 1, dither=0.0, rotation=0.0, scales=(1.0, 1.0))
    shifted = simulated[1].exposure
    shifted.wcs.wcs.crpix += [5, -3]
    shifted.wcs.sip = None
    for one in (simulated[0], simulated[2]):
        one.exposure.wcs.sip = None
    for one in simulated:
        one.exposure.wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    source = placed([one.exposure for one in simulated])
    assert [item.map for item in source.items] == [None] * 3
    assert source.items[1].origin == (-5, 3)


def test_what_cannot_be_placed_is_refused(scene: dithered_scenes.DitheredScene, files: list[Path]) -> None:
    with pytest.raises(UnsuitableError, match="method 'all'"):
        evensky.match(scene.exposures)
    with pytest.raises(UnsuitableError, match="the method 'all' compares exposures of any pixel grid"):
        survey_files(files, Selection(), shifted=False).refuse()
    bare = [*scene.exposures[:2], scene.exposures[2].image.array[:200]]
    with pytest.raises(UnsuitableError, match="each needs a celestial WCS: exposure 2 has no WCS"):
        evensky.match_all(bare)


def test_a_wrong_wcs_is_flagged() -> None:
    scene = dithered_scenes.wrong_wcs(2, number=5, side=640, shift=(6.0, -3.5))
    run = evensky.match_all(scene.exposures, pictures=False).run
    flagged = [number for number, record in enumerate(run.records) if "ASTROMETRY" in record.flags]
    assert flagged == list(scene.moved)
    (sentence,) = (text for text in run.records[flagged[0]].warnings if text.startswith("ASTROMETRY"))
    assert "(+6.0, -3.5) px" in sentence
    assert "add (+6.0, -3.5) to its CRPIX" in sentence


def test_a_wcs_that_contradicts_the_pixels_is_flagged() -> None:
    simulated = make_dithered_exposures(3, (512, 512), 2, dither=0.0, rotation=0.0, scales=(1.0, 1.0), order=0)
    wcs = simulated[1].exposure.wcs
    wcs.wcs.crpix = wcs.wcs.crpix + np.array([150.3, -40.0])  # farther than shifts are looked for
    run = evensky.match_all([one.exposure for one in simulated], pictures=False).run
    assert all("ASTROMETRY" in record.flags for record in run.records)
    notes = [note for note in run.notes if "at the same pixels" in note]
    assert len(notes) == 2
    assert "differ by 155 px" in notes[0]
    assert "--same-grid" in notes[0]


class HoledWcs:
    """The WCS of another exposure, without positions for the pixels of a disc or of a corner."""

    pixel_n_dim = world_n_dim = 2
    world_axis_physical_types = ("pos.eq.ra", "pos.eq.dec")
    world_axis_units = ("deg", "deg")

    def __init__(self, wcs: Any, middle: tuple[float, float], radius: float) -> None:
        self.wcs, self.middle, self.radius = wcs, middle, radius

    def pixel_to_world_values(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sky = self.wcs.all_pix2world(np.column_stack([x, y]), 0)
        sky[np.hypot(x - self.middle[0], y - self.middle[1]) < self.radius] = np.nan
        return sky[:, 0], sky[:, 1]


@pytest.mark.parametrize("middle", [(0.0, 0.0), (SIDE / 2, SIDE / 2)])
def test_pixels_without_positions_are_left_out(middle: tuple[float, float]) -> None:
    scene = dithered_scenes.gradients(4, number=4, side=SIDE)
    for one in scene.simulated:
        one.exposure.wcs = HoledWcs(one.wcs, middle, 45.0)
    for known in ({"level": "mean"}, {"anchors": {1: (25.0, 0.001)}}):
        result = evensky.match_all(scene.exposures, pictures=False, **known)
        assert scene.left(result) < 0.2
        assert all(np.isfinite(model.image()).all() for model in result.models)


def test_sources_are_left_out_or_kept(scene: dithered_scenes.DitheredScene) -> None:
    kept = evensky.match_all(scene.exposures, sources="keep", pictures=False)
    assert [record.source_fraction for record in kept.run.records] == [None] * 4
    assert scene.left(kept) < 2
    one_grid = dithered_scenes.offsets(4, number=3, side=SIDE, one_grid=True)
    before = [one.image.array.copy() for one in one_grid.exposures]
    masked = evensky.match_all(one_grid.exposures, sources="mask", pictures=False)
    assert all(0.02 < record.source_fraction < 0.5 for record in masked.run.records)
    assert one_grid.left(masked) < 0.15
    for one, image in zip(one_grid.exposures, before, strict=True):
        np.testing.assert_array_equal(one.image.array, image)  # the inputs are not changed


def test_known_models_are_in_own_pixels(scene: dithered_scenes.DitheredScene) -> None:
    result = evensky.match_all(scene.exposures, anchors={1: (25.0, 0.001)}, pictures=False)
    assert result.models[1] is not None
    assert float(result.models[1].image().mean()) == pytest.approx(25.0, abs=0.02)
    assert scene.left(result) < 0.2


def test_levels_of_amplifiers_of_turned_exposures() -> None:
    simulated = make_dithered_exposures(4, (SIDE, SIDE), 7, dither=40.0, order=0)
    labels = np.ones((SIDE, SIDE), int)
    labels[:, SIDE // 2 :] = 2
    step = 6.0
    moved = []
    for number, one in enumerate(simulated):
        exposure = one.exposure
        sky = one.sky.copy()
        if number == 2:
            exposure.image.array[:, SIDE // 2 :] += np.float32(step)
            sky[:, SIDE // 2 :] += np.float32(step)
        moved.append(replace(one, exposure=exposure, sky=sky))
    result = evensky.match_all(
        [one.exposure for one in moved], terms=["smooth", evensky.amplifier(labels)], reference=0, pictures=False
    )
    model = result.models[2].image()
    assert model[10, 10] - model[10, -10] == pytest.approx(step, abs=0.4)
    assert sky_left(moved, result) < 0.3
