"""The visits of a tract are what they say, and the quality of a match is measured right."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tract_scenes
from tract_scenes import Models, TractScene

from evensky.image import Mask

SMALL = {"patch": (64, 48), "border": 6}
make = functools.cache(functools.partial(tract_scenes.scene, 1, **SMALL))


def perfect(scene: TractScene, reference: int = 101) -> dict[tuple[int, int], np.ndarray]:
    return {
        (visit, patch): (scene.truth[reference] - scene.truth[visit])[scene.part(patch)]
        for visit, patch in scene.covered
    }


def nothing(scene: TractScene) -> dict[tuple[int, int], np.ndarray]:
    return {key: np.zeros(model.shape) for key, model in perfect(scene).items()}


def test_warps_show_scene_and_background() -> None:
    scene = make()
    assert scene.visits == [101, 102, 103, 104, 105, 106]
    assert list(scene.patches) == list(range(9))
    noise, depths = [], []
    for (visit, patch), warp in scene.warps.items():
        assert warp.getBBox() == scene.info[patch].getOuterBBox()
        part, good = scene.part(patch), scene.good(visit, patch)
        rest = (warp.image.array - scene.scene[part] - scene.truth[visit][part])[good]
        noise.append(rest / np.sqrt(warp.variance.array[good]))
        depths.append(good.mean())
        empty = (warp.mask.array & Mask.getPlaneBitMask("NO_DATA")) != 0
        np.testing.assert_array_equal(np.isnan(warp.image.array), empty)
    assert np.std(np.concatenate(noise)) == pytest.approx(1, abs=0.01)
    assert max(depths) > 0.7  # whole warps, apart from the gaps and edges of detectors
    assert min(depths) < 0.4  # and parts of them


@pytest.mark.parametrize("centred", [True, False])
def test_visits_lack_patches(centred: bool) -> None:
    scene = make(centred=centred)
    patches = {visit: sum(one == visit for one, _ in scene.covered) for visit in scene.visits}
    assert min(patches.values()) < 9
    assert (max(patches.values()) == 9) == centred
    seen = {(visit, patch) for visit, patch in scene.covered}
    assert all(sum((visit, patch) in seen for visit in scene.visits) >= 2 for patch in scene.patches)
    with pytest.raises(KeyError):
        scene.warps[next((v, p) for v in scene.visits for p in scene.patches if (v, p) not in seen)]


def test_handles_count_and_give_new_warps() -> None:
    handle = make().handles()[0]
    handle.get().image.array[...] = 0
    assert np.nanmax(handle.get().image.array) > 0
    assert handle.reads == 2


def test_perfect_models_leave_only_the_gradient_of_the_reference() -> None:
    scene = make()
    quality, before = (tract_scenes.measure(scene, models(scene)) for models in (perfect, nothing))
    assert quality.patch_seams.largest == 0
    assert quality.residual < 1e-4
    pixel = max(np.abs(np.diff(scene.truth[101], axis=axis)).max() for axis in (0, 1))
    assert quality.visit_steps.largest <= pixel * 1.001
    assert before.residual > 20
    assert before.visit_steps.largest > 30
    assert before.matched == len(scene.covered)


def with_level_of_patch_4(models: Models, level: float) -> dict[tuple[int, int], np.ndarray]:
    return {(visit, patch): model + level * (patch == 4) for (visit, patch), model in models.items()}


def test_a_level_of_a_patch_is_a_seam_and_not_a_visit_step() -> None:
    scene = make()
    good, bad = (tract_scenes.measure(scene, with_level_of_patch_4(perfect(scene), level)) for level in (0, 7))
    assert bad.patch_seams.largest == pytest.approx(7, abs=1e-4)
    # Of the 12 borders, the 4 of the central patch have the step; all are nearly as long.
    assert bad.patch_seams.rms == pytest.approx(7 * np.sqrt(4 / 12), rel=0.05)
    assert bad.visit_steps.largest == pytest.approx(good.visit_steps.largest, abs=1e-4)
    assert bad.residual == pytest.approx(good.residual, abs=1e-4)


def test_a_level_of_a_visit_is_a_visit_step_and_not_a_seam() -> None:
    scene = make()
    models = {(visit, patch): model + 6.0 * (visit == 102) for (visit, patch), model in perfect(scene).items()}
    quality = tract_scenes.measure(scene, models)
    assert quality.patch_seams.largest == 0
    assert quality.visit_steps.largest > 6 / len(scene.visits)
    assert 1 < quality.residual < 6


def test_seams_of_noisy_coadds_are_those_of_the_models() -> None:
    scene = make()
    models = with_level_of_patch_4(perfect(scene), 7.0)
    noisy, clean = (tract_scenes.coadds(scene, models, noise=noise) for noise in (True, False))
    assert tract_scenes.seams(scene, noisy).rms == pytest.approx(tract_scenes.seams(scene, clean).rms, rel=1e-4)
    whole = tract_scenes.assemble(scene, clean)
    assert whole.shape == scene.scene.shape
    assert whole[60, 100] - scene.truth[101][60, 100] == pytest.approx(7, abs=1e-3)
    assert whole[10, 10] - scene.truth[101][10, 10] == pytest.approx(0, abs=1e-3)
    assert np.std((tract_scenes.assemble(scene, noisy) - whole - scene.scene)[np.isfinite(whole)]) < 8


def test_steps_of_detectors() -> None:
    flat, stepped = make(), make(steps=5.0)
    jumps = stepped.truth[101] - flat.truth[101]
    assert 2 < np.std(jumps) < 10
    assert len(np.unique(np.round(jumps, 2))) < 30
