"""The plane on which exposures with different WCS are compared."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, Sip
from astropy.wcs.utils import proj_plane_pixel_area
from wcs_kinds import HEIGHT, KINDS, TABLE_KINDS, WIDTH, header_of, write_kind

from evensky.fits.opening import quiet
from evensky.matching.celestial import GridMember
from evensky.matching.joint.pixel_map import PixelMap
from evensky.matching.sky_plane import SkyPlacement, SkyPlane, place_on_sky

SHAPE = (400, 500)
SCALE = 0.2 / 3600


def exposure(
    longitude: float = 150.1,
    latitude: float = 2.2,
    *,
    code: str = "TAN",
    angle: float = 0.0,
    scale: float = SCALE,
    mirrored: bool = False,
    shape: tuple[int, int] = SHAPE,
    origin: tuple[int, int] | None = None,
    shift: tuple[float, float] = (0.0, 0.0),
    bend: float = 0.0,
) -> GridMember:
    """Return an exposure whose pixels are turned by an angle in degrees; `bend` is the largest shift by SIP, in px."""
    height, width = shape
    wcs = WCS(naxis=2)
    suffix = "-SIP" if bend else ""
    wcs.wcs.ctype = f"RA---{code}{suffix}", f"DEC--{code}{suffix}"
    wcs.wcs.crval = longitude, latitude
    wcs.wcs.crpix = (width + 1) / 2 - shift[0], (height + 1) / 2 - shift[1]
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    wcs.wcs.cd = scale * np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([1.0 if mirrored else -1.0, 1.0])
    if bend:
        a, b = np.zeros((2, 4, 4))
        half = max(shape) / 2
        a[2, 0], b[1, 1], b[0, 3] = bend / half**2, -bend / half**2, bend / half**3
        wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    wcs.wcs.set()
    return GridMember(f"{longitude} {latitude} {angle}", shape, origin, wcs)


def placed(*members: GridMember, per_pixel: bool = False) -> tuple[SkyPlane, list[PixelMap]]:
    placement = place_on_sky(members, per_pixel=per_pixel)
    assert placement.problems == []
    assert placement.plane is not None
    maps = [found for found in placement.maps if found is not None]
    assert len(maps) == len(members)
    return placement.plane, maps


def errors(member: GridMember, plane: SkyPlane, found: PixelMap) -> tuple[float, float]:
    """Return the largest errors of both directions of a map against the WCS of both, in pixels."""
    height, width = member.shape
    origin = np.array(member.origin or (0, 0))
    own = np.random.default_rng(7).uniform(-0.5, [width - 0.5, height - 0.5], (2000, 2))
    with quiet():
        sky = member.wcs.pixel_to_world(*own.T).icrs
        exact = np.column_stack(plane.wcs.all_world2pix(sky.ra.deg, sky.dec.deg, 0))
    there = np.column_stack(found.to_common(*(own + origin).T)) - exact
    back = np.column_stack(found.to_own(*exact.T)) - own - origin
    return float(np.hypot(*there.T).max()), float(np.hypot(*back.T).max())


def assert_exact(members: list[GridMember], plane: SkyPlane, maps: list[PixelMap], limit: float = 0.05) -> None:
    for member, found in zip(members, maps, strict=True):
        worst = max(errors(member, plane, found))
        assert worst < limit
        # The error that the map names was measured at other positions, and no farther out than the centres of pixels.
        assert worst < 2 * found.error + 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_any_fits_wcs(kind: str) -> None:
    with quiet():
        wcs = WCS(header_of(kind))
    member = GridMember(kind, (HEIGHT, WIDTH), None, wcs)
    plane, maps = placed(member)
    assert_exact([member], plane, maps)


@pytest.mark.parametrize("kind", TABLE_KINDS)
def test_lookup_tables(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    write_kind(kind, path)
    with fits.open(path) as hdus, quiet():
        member = GridMember(kind, (HEIGHT, WIDTH), None, WCS(hdus[0].header, hdus))
    plane, maps = placed(member)
    # The tables of the test have steps of 8 pixels, as small as those of the map.
    assert_exact([member], plane, maps, limit=0.15)


@pytest.mark.parametrize("latitude", [2.2, 89.99, -90.0, 55.0])
@pytest.mark.parametrize("longitude", [0.0, 150.1])
def test_dithers_of_any_rotation_scale_and_parity_with_distortions(longitude: float, latitude: float) -> None:
    members = [
        exposure(longitude, latitude, bend=3.0),
        exposure(longitude, latitude, angle=33.0, shift=(180.0, -90.5), bend=3.0, origin=(100, -20)),
        exposure(longitude, latitude, angle=200.0, scale=SCALE * 1.1, mirrored=True, bend=-2.0),
    ]
    plane, maps = placed(*members)
    assert_exact(members, plane, maps)


def test_frames_are_transformed() -> None:
    # The position of the galactic pole of 1958 in other frames.
    fk4 = exposure(192.25, 27.4)
    fk4.wcs.wcs.radesys, fk4.wcs.wcs.equinox = "FK4", 1950.0
    galactic = exposure(30.0, 90.0)
    galactic.wcs.wcs.ctype = "GLON-TAN", "GLAT-TAN"
    fk5 = exposure(192.8594813, 27.1282511)
    fk5.wcs.wcs.radesys, fk5.wcs.wcs.equinox = "FK5", 2000.0
    members = [fk4, galactic, fk5]
    plane, maps = placed(*members)
    assert_exact(members, plane, maps)
    middles = np.array([m.to_common((SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2) for m in maps])
    # The constants of the frames agree within an arcsecond.
    assert np.abs(middles - middles[0]).max() < 1.0 / (3600 * SCALE)


def test_the_plane_is_that_of_its_fits_wcs() -> None:
    for latitude in (2.2, 90.0, -90.0, 89.0):
        plane, _ = placed(exposure(150.1, latitude, angle=20.0), exposure(151.1, latitude, angle=20.0))
        x, y = np.random.default_rng(1).uniform(-1e5, 1e5, (2, 100))
        there = plane.to_sky(x, y)
        position = plane.wcs.pixel_to_world(x, y)
        assert position.frame.name == "icrs"
        np.testing.assert_allclose(np.cos(np.radians(there[0] - position.ra.deg)), 1, atol=1e-12)
        np.testing.assert_allclose(there[1], position.dec.deg, atol=1e-9)
        np.testing.assert_allclose(plane.to_plane(*there), (x, y), atol=1e-5)
        assert math.radians(math.radians(proj_plane_pixel_area(plane.wcs))) == pytest.approx(plane.pixel_area)
    assert np.isnan(plane.to_sky(1e9, 0.0)).all()


def test_dithers_without_rotation_lose_no_pixel() -> None:
    shifts = [(0.0, 0.0), (30.0, -20.0), (-7.0, 41.0), (100.25, 60.75)]
    members = [exposure(angle=17.0, shift=shift) for shift in shifts]
    # Neither do exposures that are mirrored, or turned by right angles.
    members += [exposure(angle=107.0), exposure(angle=17.0, mirrored=True), exposure(angle=50.0)]
    plane, maps = placed(*members)
    for member, found in zip(members[:-1], maps[:-1], strict=True):
        assert found.repeats == 1.0
        index = np.arange(SHAPE[0] * SHAPE[1], dtype=np.float64).reshape(SHAPE)
        sampled = found.sample(index)
        # Near the middle of the field, the projections agree within less than a pixel.
        assert np.unique(sampled[np.isfinite(sampled)]).size == index.size, member.label
    assert maps[-1].repeats > 1.2
    # No pixel in the middle of the field lies halfway between virtual ones.
    middles = np.array([found.to_common(249, 199) for found in maps[:-1]])
    assert np.abs(middles - np.rint(middles)).max() < 0.4
    # The pixels of a single exposure coincide with those of the plane.
    alone = placed(members[0])[1][0].to_common(249, 199)
    np.testing.assert_allclose(alone, np.rint(alone), atol=1e-3)
    assert np.linalg.det(plane.matrix) < 0


def test_dithers_by_half_a_pixel_lose_no_pixel() -> None:
    shifts = [(0.0, 0.0), (10.5, 0.0), (0.0, 20.5), (30.5, 10.5)]
    _, maps = placed(*(exposure(shift=shift) for shift in shifts))
    assert [found.repeats for found in maps] == [1.0] * 4
    # No pixel is farther than a quarter of a pixel from a virtual one.
    for found in maps:
        x, y = found.to_common(249, 199)
        assert (abs(x - round(float(x))), abs(y - round(float(y)))) == pytest.approx((0.25, 0.25), abs=1e-3)


def test_repeats_raise_the_variance_of_means() -> None:
    members = [exposure(), exposure(), exposure(angle=30.0, scale=SCALE * 1.3), exposure(angle=45.0)]
    _, maps = placed(*members)
    for found in maps:
        index = np.arange(SHAPE[0] * SHAPE[1], dtype=np.float64).reshape(SHAPE)
        sampled = found.sample(index)
        counts = np.bincount(sampled[np.isfinite(sampled)].astype(int)).astype(float)
        assert found.repeats == pytest.approx((counts**2).sum() / counts.sum(), rel=0.03)


def test_the_finest_pixels_are_those_of_the_plane_unless_others_are_much_coarser() -> None:
    plane, _ = placed(exposure(), exposure(scale=1.4 * SCALE))
    assert plane.pixel_area == pytest.approx(math.radians(SCALE) ** 2, rel=1e-3)
    placement = place_on_sky([exposure(1.0, scale=SCALE / 4), exposure(1.0), exposure(1.0)])
    assert placement.plane is not None
    assert placement.plane.pixel_area == pytest.approx(math.radians(SCALE) ** 2 / 4, rel=1e-3)
    assert placement.notes == [
        "the pixels of 1.0 2.2 0.0 are much finer than those of the coarsest exposure: about 1 in 4 of them is compared"
    ]
    assert placement.maps[0] is not None
    assert placement.maps[0].repeats == 1.0


def test_values_per_pixel_are_scaled_by_area() -> None:
    members = [exposure(bend=3.0), exposure(scale=1.25 * SCALE, angle=12.0, bend=3.0)]
    plane, maps = placed(*members, per_pixel=True)
    for member, found in zip(members, maps, strict=True):
        # Area on the sphere of all pixels, from their corners.
        height, width = member.shape
        x, y = np.meshgrid(np.arange(width + 1) - 0.5, np.arange(height + 1) - 0.5)
        longitude, latitude = np.radians(member.wcs.all_pix2world(x.ravel(), y.ravel(), 0)).reshape(2, *x.shape)
        right, up = np.diff(longitude, axis=1)[:-1] * np.cos(latitude)[:-1, :-1], np.diff(latitude, axis=1)[:-1]
        right2, up2 = np.diff(longitude, axis=0)[:, :-1] * np.cos(latitude)[:-1, :-1], np.diff(latitude, axis=0)[:, :-1]
        area = np.abs(right * up2 - up * right2).mean()
        assert found.scale == pytest.approx(plane.pixel_area / area, rel=1e-4)
        uniform = found.sample(np.full(SHAPE, 100.0, np.float32))
        assert np.nanmax(uniform) == np.nanmin(uniform) == np.float32(100.0 * found.scale)
    assert placed(*members)[1][1].scale == 1.0
    mixed = place_on_sky(members, per_pixel=[False, True])
    assert [found.scale for found in mixed.maps if found] == [1.0, maps[1].scale]


def test_fields_of_tens_of_degrees() -> None:
    members = [
        exposure(30.0, 50.0, scale=0.08),
        exposure(80.0, 60.0, code="STG", scale=0.1),
        exposure(50.0, 0.0, code="CAR", scale=0.1),
        exposure(10.0, 0.0, code="AIT", scale=0.1),
    ]
    plane, maps = placed(*members)
    assert_exact(members, plane, maps)


def test_a_map_has_few_nodes_where_few_suffice() -> None:
    _, (plain,) = placed(exposure(shape=(1024, 1024)))
    assert (plain.step, plain.own_step) == (128, 128)
    assert len(pickle.dumps(plain)) < 5000
    _, (bent,) = placed(exposure(shape=(1024, 1024), bend=20.0))
    assert bent.step < 128
    assert bent.error <= 0.05


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2), (7, 3), (9, 17), (18, 10)])
def test_small_exposures_and_lines(shape: tuple[int, int]) -> None:
    member = exposure(shape=shape, bend=0.1 if max(shape) > 5 else 0.0)
    plane, maps = placed(member)
    assert_exact([member], plane, maps)
    assert np.isfinite(maps[0].sample(np.ones(shape))).sum() == pytest.approx(shape[0] * shape[1], abs=1, rel=0.02)


class Interface:
    """A WCS that is known by the shared Python interface alone, and lacks positions where `hole` says so.

    Its coordinates are equatorial ones of a system that it does not name.
    """

    pixel_n_dim = world_n_dim = 2
    world_axis_physical_types = ("pos.eq.ra", "pos.eq.dec")
    world_axis_units = ("deg", "deg")

    def __init__(self, wcs: WCS, hole: Callable[[Any, Any], Any], wave: float = 0.0) -> None:
        self._wcs, self._hole, self._wave = wcs, hole, wave

    def pixel_to_world_values(self, x: Any, y: Any) -> Any:
        sky = np.array(self._wcs.all_pix2world(x + self._wave * np.sin(y), y, 0))
        sky[:, self._hole(x, y)] = np.nan
        return tuple(sky)


def test_no_positions_are_asked_for_outside_of_the_exposure() -> None:
    whole = exposure(angle=30.0, bend=3.0)
    height, width = SHAPE
    bounded = Interface(whole.wcs, lambda x, y: (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5))
    member = GridMember("a", SHAPE, None, bounded)
    plane, maps = placed(member)
    assert max(errors(whole, plane, maps[0])) < 0.05


def test_pixels_without_positions_have_no_samples() -> None:
    whole = exposure(angle=30.0, bend=3.0)
    member = GridMember("a", SHAPE, None, Interface(whole.wcs, lambda x, y: np.hypot(x - 100, y - 200) < 60))
    plane, (found,) = placed(member)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    distance = np.hypot(x - 100, y - 200)
    sampled = found.sample(distance)
    assert np.nanmin(sampled) >= 60
    # No more than blocks around the hole is lost: 4 of 5 pixels are compared in any case, as the exposure is turned.
    assert np.isin(distance[distance > 90], sampled).mean() > 0.7
    there = np.column_stack(found.to_common(*np.array([[400.2, 300.7], [250.0, 20.0]]).T))
    sky = whole.wcs.all_pix2world([[400.2, 300.7], [250.0, 20.0]], 0)
    np.testing.assert_allclose(there, np.column_stack(plane.to_plane(*sky.T)), atol=0.05)
    assert np.isnan(found.to_common(100.0, 200.0)).all()


def test_a_hole_in_a_large_exposure_takes_no_more_nodes_than_needed() -> None:
    shape = (6000, 6000)
    member = GridMember("a", shape, None, Interface(exposure(angle=30.0).wcs, lambda x, y: np.hypot(x, y) < 500))
    _, (found,) = placed(member)
    assert found.step == found.own_step == 32
    assert found.error < 0.05


@pytest.mark.extras
def test_a_gwcs() -> None:
    pytest.importorskip("gwcs")
    from astropy import units as u
    from astropy.coordinates import ICRS
    from astropy.modeling import models
    from gwcs import WCS as GWCS
    from gwcs import coordinate_frames

    def gwcs_of(angle: float) -> Any:
        bend = models.Mapping((0, 1, 0, 1)) | (
            models.Polynomial2D(2, c1_0=1.0, c2_0=2e-5, c1_1=-1e-5) & models.Polynomial2D(2, c0_1=1.0, c0_2=1e-5)
        )
        steps = [
            models.Shift(-249.5) & models.Shift(-199.5),
            bend,
            models.Rotation2D(angle),
            models.Scale(-SCALE) & models.Scale(SCALE),
            models.Pix2Sky_TAN(),
            models.RotateNative2Celestial(150.1, 2.2, 180.0),
        ]
        transform = steps[0]
        for step in steps[1:]:
            transform = transform | step
        detector = coordinate_frames.Frame2D(name="detector", axes_order=(0, 1), unit=(u.pix, u.pix))
        world = coordinate_frames.CelestialFrame(reference_frame=ICRS(), name="world")
        wcs = GWCS([(detector, transform), (world, None)])
        wcs.bounding_box = ((-0.5, SHAPE[1] - 0.5), (-0.5, SHAPE[0] - 0.5))
        return wcs

    members = [GridMember(f"{angle}", SHAPE, None, gwcs_of(angle)) for angle in (0.0, 40.0)]
    members.append(exposure(angle=100.0, bend=2.0))
    plane, maps = placed(*members)
    assert_exact(members, plane, maps)


def names(placement: SkyPlacement) -> str:
    assert placement.plane is None or placement.problems
    return "; ".join(placement.problems)


def test_exposures_without_a_celestial_wcs_are_named() -> None:
    spectral = WCS(naxis=2)
    spectral.wcs.ctype = "WAVE", "LINEAR"
    members = [exposure(), GridMember("b.fits", SHAPE, None, None), GridMember("c.fits", SHAPE, None, spectral)]
    placement = place_on_sky(members)
    assert placement.plane is None
    assert placement.maps == [None, None, None]
    assert placement.problems[0] == "b.fits has no WCS, which tells where its pixels are on the sky"
    assert placement.problems[1] == "the WCS of c.fits cannot be used: it has no celestial axes (WAVE, LINEAR)"
    assert "--same-grid" in placement.problems[-1]
    many = place_on_sky([GridMember(f"{n}", SHAPE, None, None) for n in range(20)])
    assert len(many.problems) == 7
    assert many.problems[5] == "the same holds for 15 more"


def test_frames_without_a_transformation_to_icrs_are_named() -> None:
    member = exposure(0.0, 0.0)
    member.wcs.wcs.ctype = "HPLN-TAN", "HPLT-TAN"
    problems = place_on_sky([member]).problems
    assert "cannot be transformed to ICRS" in problems[0]


def test_exposures_that_lie_too_far_apart_are_named() -> None:
    placement = place_on_sky([exposure(30.0, 0.0), exposure(30.0, 0.0), exposure(210.0, 0.0)])
    assert placement.problems[0].startswith("210.0 0.0 0.0 reaches 180 deg from the mean direction")
    sky = place_on_sky([exposure(30.0, 0.0, code="CAR", scale=0.7)])
    assert "deg from the mean direction" in sky.problems[0]
    assert place_on_sky([exposure(30.0, 0.0), exposure(120.0, 0.0)]).problems == []


def test_a_wcs_that_cannot_be_interpolated_is_noted_or_refused() -> None:
    def wavy(wave: float) -> SkyPlacement:
        return place_on_sky([GridMember("a", SHAPE, None, Interface(exposure().wcs, lambda x, y: x < -9, wave))])

    slight = wavy(0.1)
    assert slight.problems == []
    assert slight.notes[0].startswith("positions that are interpolated in the WCS differ from the exact ones by more")
    assert slight.maps[0] is not None
    assert 0.05 < slight.maps[0].error < 0.3
    assert "positions that are interpolated between nodes every 8 px differ" in wavy(1.0).problems[0]


def test_a_thousand_exposures_are_placed_in_few_calls_of_their_wcs() -> None:
    member = exposure(shape=(1024, 1024), bend=2.0)
    asked: list[int] = []
    original = member.wcs.all_pix2world

    class Counted(WCS):  # type: ignore[misc]
        def all_pix2world(self, points: Any, origin: int) -> Any:
            asked.append(len(points))
            return original(points, origin)

    member.wcs.__class__ = Counted
    placed(member)
    assert sum(asked) < 1500
