"""The cases of exposures with their own WCS are what they say."""

from __future__ import annotations

from pathlib import Path

import dithered_scenes
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from dithered_scenes import CASES, DitheredScene

import evensky
from evensky.simulate import sky_left

SMALL = {"strip": {"rows": 1, "columns": 4, "number": 2}, "mosaic": {"rows": 2, "columns": 2, "number": 2}}
ON_ONE_GRID = ["offsets", "curvature", "seeing", "surface_brightness", "chips"]


def small(case: str, **options: object) -> DitheredScene:
    return CASES[case](1, **{"side": 128, "number": 3, **SMALL.get(case, {}), **options})


@pytest.mark.parametrize("case", sorted(CASES))
def test_perfect_models_leave_nothing(case: str) -> None:
    scene = small(case)
    assert scene.name == case
    assert scene.left(scene.perfect) < 1e-4
    assert scene.left() > 1.0
    for one in scene.simulated:
        pixels = one.exposure.image.array
        rest = (pixels - one.scene - one.sky)[np.isfinite(pixels)]
        noise = rest[np.abs(rest) < 6 * dithered_scenes.NOISE]  # without cosmic rays
        assert noise.size > 0.95 * rest.size
        assert noise.std() == pytest.approx(dithered_scenes.NOISE, rel=0.05)
        assert not one.exposure.mask.array.any()


@pytest.mark.parametrize("case", ON_ONE_GRID)
def test_one_grid_has_the_same_skies_and_noise(case: str) -> None:
    scene, dithered = small(case, one_grid=True), small(case)
    first = scene.simulated[0].wcs
    for one, other in zip(scene.simulated, dithered.simulated, strict=True):
        np.testing.assert_array_equal(one.wcs.wcs.crval, first.wcs.crval)
        np.testing.assert_array_equal(one.wcs.wcs.cd, first.wcs.cd)
        np.testing.assert_array_equal(one.sky, other.sky)
        noise = one.exposure.image.array - one.scene - one.sky
        np.testing.assert_allclose(noise, other.exposure.image.array - other.scene - other.sky, atol=0.05)
    assert np.ptp([one.wcs.wcs.cd[0, 0] for one in dithered.simulated]) > 1e-6


@pytest.mark.extras
def test_gwcs_agrees_with_the_true_wcs() -> None:
    scene = small("jwst_like")
    for one in scene.simulated:
        x, y = np.meshgrid([0.0, 50.0, 127.0], [0.0, 70.3, 127.0])
        expected = one.wcs.pixel_to_world_values(x, y)
        for got, right in zip(one.exposure.wcs.pixel_to_world_values(x, y), expected, strict=True):
            np.testing.assert_allclose(got, right, rtol=0, atol=1e-10)
        assert np.isnan(one.exposure.wcs.pixel_to_world_values(300.0, 50.0)[0])


def test_a_wrong_wcs_is_off_by_the_shift() -> None:
    scene = small("wrong_wcs", side=256)
    ((index, shift),) = scene.moved.items()
    one = scene.simulated[index]
    sky = one.wcs.pixel_to_world_values(100.0, 120.0)
    believed = one.exposure.wcs.world_to_pixel_values(*sky)
    np.testing.assert_allclose(np.array([100.0, 120.0]) - believed, shift, atol=0.1)
    other = scene.simulated[0]
    np.testing.assert_array_equal(other.wcs.wcs.crpix, other.exposure.wcs.wcs.crpix)


def test_mosaic_and_strip_have_their_pointings() -> None:
    # Pointings have overlaps of a fifth; four exposures at each of them.
    scene = CASES["mosaic"](2, side=64)
    assert len(scene.simulated) == 100
    centers = np.array([one.wcs.wcs.crval for one in scene.simulated])
    middle = centers.mean(axis=0)
    extent = np.ptp((centers - middle) * [np.cos(np.radians(middle[1])), 1], axis=0) / (0.4 / 3600)
    assert (extent > 4 * 0.8 * 64).all()
    assert (extent < 4 * 0.8 * 64 + 2 * 300 * 64 / 1024).all()
    assert scene.residuals(scene.perfect).bowl < 1e-4 < scene.residuals().bowl


def test_chips_in_files_have_their_own_wcs(tmp_path: Path) -> None:
    scene = small("chips", number=2)
    paths, chips = dithered_scenes.write_chips(scene, tmp_path)
    assert sky_left(chips, [650.0 * one.area - one.sky for one in chips]) < 1e-4
    found = evensky.inspect_files(paths)
    assert [item.label for item in found.inputs] == [one.name for one in chips]
    first = scene.simulated[0]
    for number, (x, y) in enumerate([(0, 0), (64, 0), (0, 64), (64, 64)]):
        with fits.open(paths[0]) as hdus:
            hdu = hdus["SCI", number + 1]
            sky = WCS(hdu.header).pixel_to_world_values(5.0, 7.0)
            np.testing.assert_array_equal(hdu.data, first.exposure.image.array[y : y + 64, x : x + 64])
        np.testing.assert_allclose(sky, first.wcs.pixel_to_world_values(x + 5.0, y + 7.0), rtol=0, atol=1e-9)
