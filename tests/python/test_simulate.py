from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hard_scenes import HardScene, counts_left

from evensky.errors import InvalidParameterError
from evensky.io import read_exposure
from evensky.simulate import (
    SimulatedExposure,
    make_dithered_exposures,
    make_exposures,
    residual_background,
    residual_between,
    sky_left,
    sky_residuals,
    write_exposures,
)


def test_exposures_are_what_they_say() -> None:
    simulated = make_exposures(3, (256, 300), seed=4)
    again = make_exposures(3, (256, 300), seed=4)
    for one, other in zip(simulated, again, strict=True):
        np.testing.assert_array_equal(one.exposure.image.array, other.exposure.image.array)
    first = simulated[0]
    mask = first.exposure.mask
    for plane in ("NO_DATA", "BAD", "CR", "DETECTED"):
        assert (mask.array & mask.getPlaneBitMask(plane)).any()
    np.testing.assert_array_equal(
        np.isnan(first.exposure.image.array), (mask.array & mask.getPlaneBitMask("NO_DATA")) != 0
    )
    # Good pixels scatter about scene + sky as the variance plane predicts.
    good = (mask.array & mask.getPlaneBitMask(["NO_DATA", "BAD", "CR", "SAT"])) == 0
    pulls = (first.exposure.image.array - first.scene - first.sky)[good] / np.sqrt(first.exposure.variance.array[good])
    assert abs(pulls.mean()) < 0.02
    assert pulls.std() == pytest.approx(1, abs=0.02)
    assert first.scene is simulated[1].scene
    assert np.abs(first.sky - simulated[1].sky).max() > 5


def test_residual_is_zero_for_a_perfect_match() -> None:
    reference, other = make_exposures(2, (128, 128))
    matched = other.exposure.image.array.astype(np.float64) + (reference.sky.astype(np.float64) - other.sky)
    residual = residual_background(matched, other, reference)
    assert np.nanmax(np.abs(residual)) < 1e-9
    assert np.nanmax(np.abs(residual_background(other.exposure.image.array, other, reference))) > 1


def test_sizes_that_cannot_be_simulated() -> None:
    with pytest.raises(InvalidParameterError, match="number = 0"):
        make_exposures(0)
    with pytest.raises(InvalidParameterError, match="64"):
        make_exposures(1, (10, 100))


# -- dithered exposures --

SMALL: dict[str, Any] = {"number": 4, "shape": (192, 256), "dither": 60.0}


def on_the_sky(simulated: list[SimulatedExposure]) -> list[SimulatedExposure]:
    """Return exposures whose sky is their scene, so that the scenes are compared on the sky."""
    return [replace(one, sky=one.scene) for one in simulated]


def test_dithered_exposures_are_what_they_say() -> None:
    simulated = make_dithered_exposures(**SMALL, seed=4)
    again = make_dithered_exposures(**SMALL, seed=4)
    for one, other in zip(simulated, again, strict=True):
        np.testing.assert_array_equal(one.exposure.image.array, other.exposure.image.array)
        rest = one.exposure.image.array - one.scene - one.sky
        noise = rest[np.abs(rest) < 60]
        assert noise.size > 0.95 * rest.size
        assert abs(noise.mean()) < 0.25
        assert noise.std() == pytest.approx(10, rel=0.03)
        assert one.exposure.metadata["BUNIT"] == "adu"
        # The distortion is 3 px at the corners, apart from a small part that is not radial.
        corner = np.array([[0.0, 0.0]])
        assert np.linalg.norm(one.wcs.pix2foc(corner, 0) - corner) == pytest.approx(3, rel=0.25)
    scales = [np.sqrt(abs(np.linalg.det(one.wcs.wcs.cd))) * 3600 / 0.4 for one in simulated]
    assert min(scales) > 0.9
    assert max(scales) < 1.1
    assert np.ptp(scales) > 0.02
    assert len({one.name for one in simulated}) == 4
    # Pointings are within 60 px of the center.
    for one in simulated:
        lon, lat = one.wcs.wcs.crval
        away = np.hypot((lon - 250.42) * np.cos(np.radians(lat)), lat - 36.46) * 3600 / 0.4
        assert 0 < away < 60.01


def test_stars_are_where_the_wcs_says_and_keep_their_flux() -> None:
    simulated = make_dithered_exposures(**SMALL, seed=4, glow=0.0, stars=200.0, mirrored=2)
    first, *others = simulated
    # The brightest star that all exposures show away from their edges.
    order = np.argsort(first.scene, axis=None)[::-1]
    y, x = np.unravel_index(order[:2000], first.scene.shape)
    fluxes = []
    for at in zip(x, y, strict=True):
        places = [_place_in(one, first, at) for one in simulated]
        if all(18 < px < 256 - 19 and 18 < py < 192 - 19 for px, py in places):
            break
    else:
        pytest.fail("no star is in all exposures")
    for one in simulated:
        px, py = _place_in(one, first, at)
        box = one.scene[int(py) - 15 : int(py) + 16, int(px) - 15 : int(px) + 16]
        peak = np.unravel_index(box.argmax(), box.shape)
        # The first position is that of a pixel, not of the star itself.
        assert np.hypot(peak[1] - 15 + int(px) - px, peak[0] - 15 + int(py) - py) < 1.5
        fluxes.append(float(box.sum(dtype=float)))
    # Flux per pixel is kept; the flat field makes stars brighter by a few percent where pixels are small.
    np.testing.assert_allclose(fluxes, np.mean(fluxes), rtol=0.1)
    signs = [np.sign(np.linalg.det(one.wcs.wcs.cd)) for one in simulated]
    assert signs == [1, 1, -1, -1]
    assert all(other.area != first.area for other in others)


def _place_in(one: SimulatedExposure, first: SimulatedExposure, at: tuple[int, int]) -> tuple[float, float]:
    x, y = one.wcs.world_to_pixel_values(*first.wcs.pixel_to_world_values(*at))
    return float(x), float(y)


@pytest.mark.parametrize("center", [(250.42, 36.46), (0.001, -12.0), (40.0, 90.0)])
def test_diffuse_light_is_proportional_to_the_pixel_area(center: tuple[float, float]) -> None:
    options: dict[str, Any] = {**SMALL, "seed": 5, "stars": 0.0, "scales": (0.7, 1.3), "center": center}
    simulated = make_dithered_exposures(**options)
    # Linear interpolation between pixels is right to some 1e-3 counts.
    assert sky_left(on_the_sky(simulated)) < 5e-3
    for one in simulated:
        scale2 = abs(np.linalg.det(one.wcs.wcs.cd)) * (3600 / 0.4) ** 2
        assert one.area == pytest.approx(scale2, rel=0.05)
    assert np.ptp([one.area for one in simulated]) > 0.2
    assert sky_left([replace(one, area=1.0) for one in on_the_sky(simulated)]) > 5
    bright = make_dithered_exposures(**options, unit="MJy/sr")
    assert sky_left(on_the_sky(bright)) < 5e-3
    for one, other in zip(simulated, bright, strict=True):
        assert other.area == 1.0
        assert other.exposure.metadata["BUNIT"] == "MJy/sr"
        np.testing.assert_allclose(other.scene * one.area, one.scene, rtol=1e-5)
        np.testing.assert_array_equal(other.sky, one.sky)


def test_options_of_dithered_exposures() -> None:
    simulated = make_dithered_exposures(2, (128, 128), 3, order=0, gap=6, rotation=0.0, distortion=0.0)
    for one in simulated:
        assert np.ptp(one.sky) == 0
        missing = np.isnan(one.exposure.image.array)
        assert missing[61:67].all()
        assert missing[:, 61:67].all()
        assert missing.sum() == 2 * 6 * 128 - 36
        assert one.wcs.sip is None
        assert one.wcs.wcs.cd[0, 1] == 0
    plane = make_dithered_exposures(1, (128, 128), 3, order=1)[0].sky
    assert np.abs(np.diff(plane, 2, axis=0)).max() < 1e-3 < np.abs(np.diff(plane, axis=0)).max()
    wide = make_dithered_exposures(5, (128, 128), 3, seeing=(3.0, 6.0), glow=0.0, stars=2000.0)
    # Light is spread over four times the area.
    sharpness = sorted(float((one.scene**2).sum() / one.scene.sum() ** 2) for one in wide)
    assert sharpness[-1] > 2 * sharpness[0]
    field = make_dithered_exposures(2, (64, 64), 3, pointings=(2, 3), dither=5.0)
    assert [one.name for one in field] == [f"dithered_{n:02d}" for n in range(1, 13)]
    lon = [one.wcs.wcs.crval[0] for one in field]
    assert (lon[0] - lon[4]) * np.cos(np.radians(36.46)) * 3600 / 0.4 == pytest.approx(2 * 0.8 * 64, abs=10)


def test_residuals_on_the_sky_are_those_of_one_grid() -> None:
    simulated = make_dithered_exposures(
        3, (100, 128), 6, dither=0.0, rotation=0.0, scales=(1.0, 1.0), distortion=0.0, gap=4
    )
    rng = np.random.default_rng(1)
    # Exposures that differ in their gaps, and models that are not smooth.
    simulated[1].exposure.image.array[:40] = np.nan
    models = [None, *rng.normal(0, 5, (2, 100, 128))]
    expected = residual_between(models, [replace(one, area=1.0) for one in simulated])
    # The area of a pixel is 1 but for the tangential projection.
    assert sky_left(simulated, models, step=1) == pytest.approx(expected, rel=1e-5)
    scene = HardScene(
        "one grid", [one.exposure.image.array for one in simulated], [one.sky for one in simulated], simulated[0].scene
    )
    assert counts_left(scene, models) == pytest.approx(expected, rel=1e-5)
    assert sky_left(simulated, models, step=4) == pytest.approx(expected, rel=0.05)


def test_residuals_of_known_models() -> None:
    simulated = make_dithered_exposures(4, (192, 256), 7, dither=4.0, rotation=3.0, scales=(0.98, 1.02))
    perfect = [650.0 * one.area - one.sky for one in simulated]
    assert sky_left(simulated, perfect) < 1e-4
    # One exposure of four is off by one count of a pixel of scale 1; the others cover nearly all of it.
    wrong = [perfect[0] + simulated[0].area, *perfect[1:]]
    found = sky_residuals(simulated, wrong)
    assert found.each[0] == pytest.approx(0.75, abs=0.03)
    assert all(each == pytest.approx(0.25, abs=0.03) for each in found.each[1:])
    assert found.rms == pytest.approx(np.sqrt((0.75**2 + 3 * 0.25**2) / 4), abs=0.03)
    assert found.mosaic.shape == found.shape
    assert np.nanmean(found.mosaic) == pytest.approx(0, abs=1e-9)
    # A bowl of all exposures on the sky leaves no differences, but bends the mosaic.
    bent = []
    for one, model in zip(simulated, perfect, strict=True):
        y, x = np.indices(one.sky.shape)
        lon, lat = one.wcs.pixel_to_world_values(x, y)
        distance2 = ((lon - 250.42) * np.cos(np.radians(36.46))) ** 2 + (lat - 36.46) ** 2
        bent.append(model + one.area * distance2 * (3600 / 0.4 / 100) ** 2)
    assert sky_left(simulated, bent) < 1e-2
    bowl = sky_residuals(simulated, bent)
    assert bowl.bowl == pytest.approx(np.nanstd(bowl.mosaic), rel=0.01)
    assert bowl.bowl > 0.3
    assert "4 exposures" in repr(bowl)
    # Results of matches, and models that draw themselves, are taken as they are.
    drawn = SimpleNamespace(models=[SimpleNamespace(image=lambda model=model: model) for model in wrong])
    assert sky_left(simulated, drawn) == found.rms


def test_dithered_exposures_that_cannot_be_simulated_or_compared() -> None:
    with pytest.raises(InvalidParameterError, match="order = 3"):
        make_dithered_exposures(2, (64, 64), order=3)
    with pytest.raises(InvalidParameterError, match=r"'Jy'.*'MJy/sr'"):
        make_dithered_exposures(2, (64, 64), unit="Jy")
    simulated = make_dithered_exposures(2, (64, 64))
    with pytest.raises(InvalidParameterError, match="1 models; 2 are needed"):
        sky_left(simulated, [None])
    with pytest.raises(InvalidParameterError, match="step = 0"):
        sky_left(simulated, step=0)
    with pytest.raises(InvalidParameterError, match="no WCS"):
        sky_left(make_exposures(2, (64, 64)))


def test_dithered_exposures_in_files(tmp_path: Path) -> None:
    simulated = make_dithered_exposures(2, (64, 80), gap=4, noise=5.0, variances=True)
    for path, one in zip(write_exposures(simulated, tmp_path), simulated, strict=True):
        read = read_exposure(path)
        np.testing.assert_array_equal(read.image.array, one.exposure.image.array)
        x, y = np.meshgrid([0.0, 40.0, 79.0], [0.0, 31.5, 63.0])
        sky = one.wcs.pixel_to_world_values(x, y)
        np.testing.assert_allclose(read.wcs.pixel_to_world_values(x, y), sky, rtol=0, atol=1e-9)
        assert read.metadata["BUNIT"] == "adu"
        assert (read.variance.array == 25).all()
