"""Resampling of exposures onto the grid of a coadd."""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any, ClassVar

import numpy as np
import pytest
from astropy.wcs import WCS
from dithered_scenes import as_gwcs
from wcs_kinds import HEIGHT, KINDS, WIDTH, header_of

from evensky.combining.pixel_positions import PixelPositions, PositionsWcs
from evensky.combining.resampling import METHODS, Resampled, resample_chunks, resample_exposure, scales_with_area
from evensky.combining.target_grid import TargetGrid, find_target_grid
from evensky.errors import InvalidParameterError, LengthError, UnsuitableError
from evensky.fits.opening import quiet
from evensky.matching.celestial import CelestialGrid, GridMember

reproject = pytest.importorskip("reproject")

SIZE = 60
BAD, OTHER = 1, 4
# Largest relative difference of pixels in float32 that are computed in float64.
ROUNDING = 2e-7


def tan(
    centre: tuple[float, float] = (150.0, 20.0),
    *,
    size: int = SIZE,
    shift: tuple[float, float] = (0.0, 0.0),
    angle: float = 0.0,
    scale: float = 1.0,
) -> WCS:
    """Return a tangent projection whose centre is that of a square of pixels of some arcsec, but for a shift."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.crval = centre
    wcs.wcs.crpix = (size + 1) / 2 + shift[0], (size + 1) / 2 + shift[1]
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = np.array([[-cosine, sine], [sine, cosine]]) * scale / 3600
    wcs.wcs.set()
    wcs.array_shape = size, size
    return wcs


def grid_of(target: WCS, *exposures: WCS, shape: tuple[int, int] = (SIZE, SIZE)) -> TargetGrid:
    return find_target_grid([GridMember(f"e{n}", shape, None, wcs) for n, wcs in enumerate(exposures)], wcs=target)


def scene(seed: int = 1, shape: tuple[int, int] = (SIZE, SIZE)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an image with noise, a mask with bad and with other pixels, and a variance that varies."""
    rng = np.random.default_rng(seed)
    image = rng.normal(1000.0, 30.0, shape).astype(np.float32)
    mask = np.where(rng.random(shape) < 0.01, BAD, 0).astype(np.int32)
    mask[rng.random(shape) < 0.2] |= OTHER
    variance = rng.uniform(1.0, 5.0, shape).astype(np.float32)
    return image, mask, variance


def package_method(method: str, pixels: np.ndarray, wcs: Any, grid: TargetGrid) -> np.ndarray:
    """Resample pixels with the package alone."""
    if method in ("interp", "nearest"):
        order = "bilinear" if method == "interp" else "nearest-neighbor"
        found, _ = reproject.reproject_interp((pixels, wcs), grid.wcs, grid.shape, order=order)
    elif method == "adaptive":
        found, _ = reproject.reproject_adaptive((pixels, wcs), grid.wcs, grid.shape)
    else:
        found, covered = reproject.reproject_exact((pixels, wcs), grid.wcs, grid.shape)
        found[covered < 0.5] = np.nan
    return found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["turned", "larger pixels", "SIP", "galactic"])
def test_pixels_are_those_of_the_package(method: str, kind: str) -> None:
    shape = (SIZE, SIZE)
    if kind in ("SIP", "galactic"):
        shape = HEIGHT, WIDTH
        with quiet():
            wcs = WCS(header_of(kind))
        target = WCS(header_of("TAN"))
        target.wcs.crpix += 3.3, -4.7
        target.array_shape = 55, 65
        if kind == "galactic":
            target.wcs.crval = wcs.celestial.pixel_to_world(30, 20).icrs.ra.deg, wcs.pixel_to_world(30, 20).icrs.dec.deg
    else:
        wcs, target = tan(angle=20.0), tan(scale=1.7 if kind == "larger pixels" else 1.05, shift=(0.3, 4.1))
    image, mask, variance = scene(shape=shape)
    grid = grid_of(target, wcs, shape=shape)
    assert grid.shifts == ("resample",)
    found = resample_exposure(image, mask, BAD, variance, wcs, grid, method=method)
    expected = package_method(method, np.where(mask & BAD, np.nan, image), wcs, grid)
    assert np.isfinite(expected).sum() > 500
    differ = np.isnan(found.image) != np.isnan(expected)
    if method == "exact":  # bad pixels beside the grid spoil the pixels at its edge if the package works alone
        differ[[0, -1]] = differ[:, [0, -1]] = False
    # Positions that are rounded otherwise may lie on the other side of an edge.
    assert differ.sum() <= 2
    both = np.isfinite(expected) & np.isfinite(found.image)
    close = np.isclose(found.image[both], expected[both], rtol=ROUNDING, atol=5e-3 if kind == "SIP" else 1e-4)
    assert close.sum() >= close.size - (2 if method == "nearest" else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_of_all_kinds_of_wcs(kind: str) -> None:
    with quiet():
        wcs = WCS(header_of(kind))
    target = WCS(naxis=2)
    target.wcs.ctype, target.wcs.cunit, target.wcs.radesys = ("RA---TAN", "DEC--TAN"), ("deg", "deg"), "ICRS"
    centre = CelestialGrid(GridMember("a", (HEIGHT, WIDTH), None, wcs)).to_icrs(np.array([[29.5, 24.5]]))[0]
    target.wcs.crval = np.degrees(np.arctan2(centre[1], centre[0])) % 360, np.degrees(np.arcsin(centre[2]))
    side = np.degrees(np.sqrt(np.median(CelestialGrid(GridMember("a", (HEIGHT, WIDTH), None, wcs)).areas)))
    target.wcs.cdelt, target.wcs.crpix = (-1.1 * side, 1.1 * side), (30.2, 25.3)
    target.array_shape = 55, 65
    image, mask, variance = scene(shape=(HEIGHT, WIDTH))
    grid = grid_of(target, wcs, shape=(HEIGHT, WIDTH))
    assert grid.shifts == ("resample",)
    found = resample_exposure(image, mask, BAD, variance, wcs, grid)
    with quiet():
        expected = package_method("interp", np.where(mask & BAD, np.nan, image), wcs, grid)
    assert np.isfinite(expected).sum() > 1000
    both = np.isfinite(found.image) & np.isfinite(expected)
    assert (np.isfinite(found.image) != np.isfinite(expected)).sum() <= 2
    np.testing.assert_allclose(found.image[both], expected[both], rtol=ROUNDING, atol=5e-3)


@pytest.mark.parametrize("method", METHODS)
def test_chunks_have_the_pixels_of_the_whole(method: str) -> None:
    wcs = tan(angle=20.0)
    grid = grid_of(tan(scale=1.1), wcs)
    whole = resample_exposure(*scene()[:2], BAD, scene()[2], wcs, grid, method=method)
    parts = list(
        resample_chunks(*scene()[:2], BAD, scene()[2], wcs, grid, method=method, box=(5, 8, 40, 44), chunk_pixels=300)
    )
    assert [part.box for part in parts] == [(5, y, 40, min(6, 52 - y)) for y in range(8, 52, 6)]
    for name in ("image", "mask", "variance"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        expected = getattr(whole, name)[8:52, 5:45]
        if method in ("interp", "nearest") or name == "mask":
            np.testing.assert_array_equal(joined, expected)
        else:
            np.testing.assert_allclose(joined, expected, rtol=1e-5)


def test_bad_pixels_spoil_the_pixels_that_they_touch_and_no_others() -> None:
    image = np.full((SIZE, SIZE), 10.0, np.float32)
    mask = np.zeros((SIZE, SIZE), np.int32)
    mask[30, 20] = BAD
    image[30, 20] = 1e6
    image[40, 50] = np.nan
    mask[10, 10] = OTHER
    wcs = tan()
    grid = grid_of(tan(shift=(0.25, 0.25)), wcs)
    found = resample_exposure(image, mask, BAD, None, wcs, grid)
    bad = np.zeros_like(mask, bool)
    bad[30:32, 20:22] = bad[40:42, 50:52] = True
    np.testing.assert_array_equal(np.isnan(found.image), bad)
    assert (found.image[~bad] == 10.0).all()
    assert found.mask is not None
    assert found.mask[30, 20] == BAD
    assert found.mask[10, 10] == OTHER
    assert np.count_nonzero(found.mask) == 2
    assert found.variance is None


def test_bad_bits_are_those_that_are_asked_for() -> None:
    image, mask, _ = scene()
    wcs = tan(angle=5.0)
    grid = grid_of(tan(), wcs)
    none = resample_exposure(image, mask, 0, None, wcs, grid)
    without = resample_exposure(image, None, -1, None, wcs, grid)
    assert without.mask is None
    np.testing.assert_array_equal(none.image, without.image)
    assert (
        np.isnan(resample_exposure(image, mask, BAD | OTHER, None, wcs, grid).image).sum() > np.isnan(none.image).sum()
    )


def test_mask_is_that_of_the_nearest_pixel() -> None:
    numbers = np.arange(SIZE**2, dtype=np.int32).reshape(SIZE, SIZE) - 2000  # with the highest bit, too
    wcs = tan(angle=33.0)
    grid = grid_of(tan(scale=0.8), wcs)
    for method in METHODS:
        found = resample_exposure(numbers.astype(np.float32), numbers, 0, None, wcs, grid, method=method)
        y, x = np.mgrid[: grid.shape[0], : grid.shape[1]]
        own = np.rint(np.stack(wcs.all_world2pix(*grid.wcs.all_pix2world(x, y, 0), 0))).astype(int)
        inside = ((own >= 0) & (own < SIZE)).all(axis=0)
        expected = np.where(inside, numbers[own[1].clip(0, SIZE - 1), own[0].clip(0, SIZE - 1)], 0)
        assert found.mask is not None
        assert (found.mask != expected).sum() <= 2
        if method == "nearest":  # image and mask are of the same pixel
            np.testing.assert_array_equal(found.image[inside], found.mask[inside])


def test_variance_of_the_mean_of_four_pixels() -> None:
    variance = scene()[2]
    wcs = tan()
    found = resample_exposure(np.ones_like(variance), None, 0, variance, wcs, grid_of(tan(shift=(0.5, 0.5)), wcs))
    four = variance[:-1, :-1] + variance[1:, :-1] + variance[:-1, 1:] + variance[1:, 1:]
    assert found.variance is not None
    np.testing.assert_allclose(found.variance[1:, 1:], four / 16, rtol=1e-6)


def test_a_variance_that_is_not_known_does_not_spoil_its_image() -> None:
    image, _, variance = scene()
    variance[30, 30] = np.nan
    wcs = tan()
    found = resample_exposure(image, None, 0, variance, wcs, grid_of(tan(shift=(0.4, 0.4)), wcs))
    assert found.variance is not None
    assert np.isfinite(found.image).all()
    assert np.isnan(found.variance[30:32, 30:32]).all()
    assert np.isnan(found.variance).sum() == 4


@pytest.mark.parametrize(
    ("method", "angle", "scale", "shift"),
    [
        ("interp", 0.0, 1.0, 0.3),
        ("interp", 10.0, 1.05, 0.0),
        ("interp", 5.0, 0.7, 0.0),
        ("nearest", 5.0, 0.7, 0.0),
        ("adaptive", 0.0, 1.0, 0.3),
        ("adaptive", 10.0, 1.3, 0.0),
        ("exact", 10.0, 1.05, 0.0),
    ],
)
def test_variance_and_noise_factor_agree_with_realisations(
    method: str, angle: float, scale: float, shift: float
) -> None:
    size = 140 if method == "exact" else 180
    wcs = tan(size=size, angle=angle)
    target = tan(size=round(0.78 * size / scale), scale=scale, shift=(shift, shift))
    grid = grid_of(target, wcs, shape=(size, size))
    rng = np.random.default_rng(5)
    sigma = np.sqrt(np.linspace(1.0, 2.0, size)).astype(np.float32)[:, np.newaxis]
    variance = np.broadcast_to(sigma**2, (size, size)).copy()
    inner = slice(12, grid.shape[0] - 12)
    pixel, box, edge = [], [], 14
    for _ in range(3 if method in ("interp", "nearest") else 2):
        image = (rng.normal(size=(size, size)) * sigma).astype(np.float32)
        found = resample_exposure(image, None, 0, variance, wcs, grid, method=method)
        assert found.variance is not None
        scaled = (found.image / np.sqrt(found.variance))[inner, inner]
        assert np.isfinite(scaled).all()
        pixel.append(np.mean(scaled**2))
        number = scaled.shape[0] // edge
        boxes = scaled[: number * edge, : number * edge].reshape(number, edge, number, edge).sum(axis=(1, 3))
        box.append(np.mean(boxes**2) / edge**2)
    assert np.mean(pixel) == pytest.approx(1.0, abs=0.06)
    # The boxes are few, and those pixels at their edges that share their noise with others outside lower the sum.
    assert 0.5 * found.noise_factor < np.mean(box) < 1.5 * found.noise_factor


def test_noise_factors_of_known_kernels() -> None:
    wcs, size = tan(size=100), (100, 100)
    image = np.zeros(size, np.float32)
    for shift, method, expected in (
        ((0.5, 0.5), "interp", 4.0),
        ((0.25, 0.0), "interp", 1 / (0.75**2 + 0.25**2)),
        ((0.5, 0.5), "exact", 4.0),
        ((0.3, 0.2), "nearest", 1.0),
    ):
        grid = grid_of(tan(size=100, shift=shift), wcs, shape=size)
        found = resample_exposure(image, None, 0, None, wcs, grid, method=method)
        assert found.noise_factor == pytest.approx(expected, rel=1e-3)
    # Each pixel is repeated in four.
    grid = grid_of(tan(size=190, scale=0.5), wcs, shape=size)
    assert resample_exposure(image, None, 0, None, wcs, grid, method="nearest").noise_factor == pytest.approx(4.0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-4, 0.02, 0.2, 3.0, 30.0, 1e4])
def test_pixels_of_very_different_sizes(method: str, scale: float) -> None:
    """Neither memory nor time grows with the ratio, and all figures are finite."""
    image, mask, variance = scene()
    wcs = tan(angle=10.0)
    grid = grid_of(tan(size=20, scale=scale, shift=(-5.2, 6.1) if scale > 1 else (0.0, 0.0)), wcs)
    tracemalloc.start()
    try:
        found = resample_exposure(image, mask, 0, variance, wcs, grid, method=method, per_pixel=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 150e6
    assert np.isfinite(found.noise_factor)
    assert found.noise_factor >= 0.9
    assert found.variance is not None
    assert (found.variance[np.isfinite(found.image)] > 0).all()


def test_counts_of_the_whole_exposure_in_few_pixels() -> None:
    image, _, _ = scene()
    wcs = tan(angle=10.0)
    grid = grid_of(tan(size=6, scale=30.0), wcs)
    found = resample_exposure(image, None, 0, None, wcs, grid, method="exact", per_pixel=True)
    covered = np.isfinite(found.image)
    assert 1 <= covered.sum() <= 9
    assert found.image[covered].max() == pytest.approx(900 * 1000.0, rel=0.01)


@pytest.mark.parametrize(("method", "tolerance"), [("interp", 0.01), ("adaptive", 0.01), ("exact", 1e-4)])
@pytest.mark.parametrize("scale", [0.7, 1.4])
def test_counts_of_a_star_are_kept_if_values_are_per_pixel(method: str, tolerance: float, scale: float) -> None:
    y, x = np.mgrid[:SIZE, :SIZE]
    star = (1e5 * np.exp(-((x - 28.3) ** 2 + (y - 31.8) ** 2) / (2 * 2.5**2))).astype(np.float32)
    wcs = tan(angle=15.0)
    grid = grid_of(tan(scale=scale, size=80), wcs)
    variance = np.ones_like(star)
    counts = resample_exposure(star, None, 0, variance, wcs, grid, method=method, per_pixel=True)
    brightness = resample_exposure(star, None, 0, variance, wcs, grid, method=method)
    total = float(star.sum(dtype=float))
    assert np.nansum(counts.image, dtype=float) == pytest.approx(total, rel=tolerance)
    assert np.nansum(brightness.image, dtype=float) * scale**2 == pytest.approx(total, rel=tolerance)
    assert counts.variance is not None
    assert brightness.variance is not None
    both = np.isfinite(counts.variance)
    np.testing.assert_allclose(counts.variance[both], brightness.variance[both] * scale**4, rtol=1e-3)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("adu", True), ("electron", True), ("nJy", True), ("DN/s", True), ("count/pixel", True),
        ("MJy/sr", False), ("nJy/arcsec2", False), ("Jy/beam", False), ("", False), ("unknown", False),
        ("furlongs per fortnight squared", False),
    ],
)  # fmt: skip
def test_units_that_scale_with_the_area(unit: str, expected: bool) -> None:
    assert scales_with_area(unit) is expected


def test_pixels_on_the_grid_are_kept() -> None:
    image, mask, variance = scene()
    wcs = tan()
    grid = grid_of(tan(), wcs)
    for method in METHODS[:2]:
        found = resample_exposure(image, mask, 0, variance, wcs, grid, method=method)
        assert isinstance(found, Resampled)
        np.testing.assert_allclose(found.image, image, rtol=ROUNDING)
        np.testing.assert_array_equal(found.mask, mask)


def test_exposure_outside_of_a_box_has_no_pixels() -> None:
    image, mask, variance = scene()
    wcs = tan(angle=5.0)
    grid = grid_of(tan(size=400), wcs)
    found = resample_exposure(image, mask, BAD, variance, wcs, grid, box=(0, 0, 50, 60))
    assert found.image.shape == (60, 50)
    assert np.isnan(found.image).all()
    assert np.isnan(found.variance).all()
    assert not found.mask.any()
    assert list(resample_chunks(image, mask, BAD, variance, wcs, grid, box=(5, 5, 0, 0))) == []
    empty = resample_exposure(image, mask, BAD, variance, wcs, grid, box=(5, 5, 0, 0))
    assert empty.image.shape == (0, 0)


@pytest.mark.parametrize("method", ["interp", "nearest", "adaptive"])
def test_the_box_of_an_exposure_holds_all_its_pixels(method: str) -> None:
    image, mask, variance = scene()
    wcs = tan((150.004, 20.003), angle=25.0)
    grid = grid_of(tan(size=150, scale=0.9), wcs)
    box = grid.boxes[0]
    assert box[2] * box[3] < 0.6 * 150**2
    whole = resample_exposure(image, mask, BAD, variance, wcs, grid, method=method)
    part = resample_exposure(image, mask, BAD, variance, wcs, grid, method=method, box=box)
    x0, y0, width, height = box
    assert np.isfinite(part.image).sum() == np.isfinite(whole.image).sum() > 1000
    np.testing.assert_allclose(part.image, whole.image[y0 : y0 + height, x0 : x0 + width], rtol=1e-6)


def test_memory_is_that_of_a_chunk() -> None:
    """The scratch space does not grow with the exposure: 200 bytes for each pixel of a chunk."""
    size, chunk_pixels = 1200, 2**15
    image, mask, variance = (np.ones((size, size), dtype) for dtype in (np.float32, np.int32, np.float32))
    wcs = tan(size=size, angle=3.0)
    grid = grid_of(tan(size=size), wcs, shape=(size, size))
    chunks = resample_chunks(image, mask, BAD, variance, wcs, grid, chunk_pixels=chunk_pixels)
    next(chunks)
    tracemalloc.start()
    try:
        for _ in range(12):
            next(chunks)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300 * chunk_pixels


def test_exposure_of_one_row() -> None:
    wcs = tan(angle=0.0)
    grid = grid_of(tan(shift=(0.5, 30.0)), wcs, shape=(1, SIZE))
    found = resample_exposure(
        np.arange(SIZE, dtype=np.float32)[np.newaxis], None, 0, np.ones((1, SIZE), np.float32), wcs, grid
    )
    rows = np.isfinite(found.image).any(axis=1)
    assert rows.sum() == 1
    np.testing.assert_allclose(found.image[rows][0, 1:], np.arange(SIZE - 1) + 0.5, atol=1e-4)


def test_big_endian_and_double_pixels() -> None:
    image, mask, variance = scene()
    wcs = tan(angle=5.0)
    grid = grid_of(tan(), wcs)
    expected = resample_exposure(image, mask, BAD, variance, wcs, grid)
    for dtype in (">f4", "<f8"):
        found = resample_exposure(image.astype(dtype), mask, BAD, variance.astype(dtype), wcs, grid)
        np.testing.assert_array_equal(found.image, expected.image)
        np.testing.assert_array_equal(found.variance, expected.variance)


@pytest.mark.extras
def test_wcs_of_other_kinds() -> None:
    pytest.importorskip("gwcs")
    image, mask, variance = scene()
    wcs = tan(angle=20.0)
    grid = grid_of(tan(scale=1.05), wcs)
    for method in METHODS:
        expected = resample_exposure(image, mask, BAD, variance, wcs, grid, method=method)
        found = resample_exposure(image, mask, BAD, variance, as_gwcs(wcs, image.shape), grid, method=method)
        both = np.isfinite(expected.image) & np.isfinite(found.image)
        assert both.sum() > 0.9 * np.isfinite(expected.image).sum()
        np.testing.assert_allclose(found.image[both], expected.image[both], rtol=1e-5)


# ---- positions ----


class OneWay:
    """A WCS in astropy's shared interface that maps pixels to the sky alone, and only those of the detector."""

    pixel_n_dim = world_n_dim = 2
    world_axis_physical_types = ("pos.eq.ra", "pos.eq.dec")
    world_axis_units = ("deg", "deg")
    world_axis_object_classes: ClassVar[dict[str, Any]] = {}

    def __init__(self, wcs: WCS) -> None:
        self._wcs = wcs

    def pixel_to_world_values(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        outside = (x < -0.5) | (x > WIDTH - 0.5) | (y < -0.5) | (y > HEIGHT - 0.5)
        return [np.where(outside, np.nan, plane) for plane in self._wcs.all_pix2world(x, y, 0)]

    def world_to_pixel_values(self, *world: np.ndarray) -> None:
        raise NotImplementedError("no inverse")


@pytest.mark.parametrize("kind", ["TAN", "SIP", "TPV", "TNX with WAT", "ZPN with PV", "galactic", "EPOCH of FK4"])
def test_positions_are_those_of_the_wcs(kind: str) -> None:
    with quiet():
        wcs = WCS(header_of(kind))
    target = CelestialGrid(GridMember("target", (90, 100), None, WCS(header_of("TAN"))))
    member = GridMember("a", (HEIGHT, WIDTH), None, wcs)
    positions = PixelPositions(member, target, (-5, -7, 100, 90))
    columns, rows = np.arange(-5.0, 95.0), np.arange(-7.0, 83.0)
    x, y = positions.at(columns, rows)
    exact = positions.exact(*np.meshgrid(columns, rows))
    np.testing.assert_array_equal(np.isnan(x), np.isnan(exact[0]))
    assert np.nanmax(np.hypot(x - exact[0], y - exact[1]), initial=0.0) < 2e-5
    # Each position is the same when few are asked for.
    some = positions.at(columns[17:19], rows[40:41])
    assert (some[0] == x[40:41, 17:19]).all() or np.isnan(some[0]).all()


@pytest.mark.parametrize("kind", ["TAN", "SIP"])
def test_positions_in_a_wcs_without_an_inverse(kind: str) -> None:
    """They are those of a WCS of FITS that gives the same positions on the sky."""
    with quiet():
        wcs = WCS(header_of(kind))
    target_wcs = WCS(header_of("TAN"))
    target_wcs.wcs.crpix += 0.3, 0.4
    target = CelestialGrid(GridMember("target", (90, 100), None, target_wcs))
    columns, rows = np.arange(-5.0, 95.0), np.arange(-7.0, 83.0)
    expected = PixelPositions(GridMember("a", (HEIGHT, WIDTH), None, wcs), target, (-5, -7, 100, 90)).at(columns, rows)
    member = GridMember("a", (HEIGHT, WIDTH), None, OneWay(wcs))
    found = PixelPositions(member, target, (-5, -7, 100, 90)).at(columns, rows)
    inside = (expected[0] > 0) & (expected[0] < WIDTH - 1) & (expected[1] > 0) & (expected[1] < HEIGHT - 1)
    assert np.hypot(found[0] - expected[0], found[1] - expected[1])[inside].max() < 3e-5
    within = (found[0] > 0) & (found[0] < WIDTH - 1) & (found[1] > 0) & (found[1] < HEIGHT - 1)
    np.testing.assert_array_equal(within, inside)


def test_positions_beyond_the_horizon_are_unknown() -> None:
    target = WCS(naxis=2)
    target.wcs.ctype = "RA---CAR", "DEC--CAR"
    target.wcs.crval, target.wcs.crpix, target.wcs.cdelt = (180, 0), (90.5, 45.5), (-2, 2)
    grid = CelestialGrid(GridMember("target", (90, 180), None, target))
    positions = PixelPositions(GridMember("a", (SIZE, SIZE), None, tan((150, 20), scale=3600.0)), grid, (0, 0, 180, 90))
    x, y = positions.at(np.arange(180.0), np.arange(90.0))
    lon, lat = np.radians(target.all_pix2world(*np.meshgrid(np.arange(180), np.arange(90)), 0))
    cosine = np.sin(lat) * np.sin(np.radians(20)) + np.cos(lat) * np.cos(np.radians(20)) * np.cos(lon - np.radians(150))
    assert np.isnan(x[cosine < -0.01]).all()
    seen = cosine > 0.3
    assert np.isfinite(x[seen]).all()
    exact = tan((150, 20), scale=3600.0).all_world2pix(np.degrees(lon[seen]), np.degrees(lat[seen]), 0)
    assert np.abs(np.stack([x[seen], y[seen]]) - exact).max() < 2e-5


def test_areas_of_pixels() -> None:
    target = CelestialGrid(GridMember("target", (40, 40), None, tan(scale=1.5)))
    positions = PixelPositions(GridMember("a", (SIZE, SIZE), None, tan(angle=10.0)), target, (0, 0, 40, 40))
    np.testing.assert_allclose(positions.area(np.arange(40.0), np.arange(3.0)), 2.25, rtol=1e-4)
    assert positions.scale == pytest.approx(1.5, rel=1e-3)


def test_wcs_of_positions_knows_whole_boxes() -> None:
    target = CelestialGrid(GridMember("target", (40, 40), None, tan()))
    positions = PixelPositions(GridMember("a", (SIZE, SIZE), None, tan(angle=10.0)), target, (0, 0, 40, 40))
    wcs = PositionsWcs(positions, (3, 4))
    y, x = np.mgrid[:5, :6]
    expected = positions.at(np.arange(3.0, 9.0), np.arange(4.0, 9.0))
    np.testing.assert_array_equal(wcs.pixel_to_world_values(x, y), expected)
    np.testing.assert_array_equal(
        wcs.pixel_to_world_values(x.ravel(), y.ravel()), [plane.ravel() for plane in expected]
    )
    with pytest.raises(InvalidParameterError, match="positions of 3 pixels"):
        wcs.pixel_to_world_values(np.array([0, 5, 2]), np.array([1, 1, 3]))


# ---- errors ----


def test_arguments_that_are_not_allowed() -> None:
    image, mask, variance = scene()
    wcs = tan(angle=5.0)
    grid = grid_of(tan(), wcs)
    with pytest.raises(InvalidParameterError, match="resampling is 'bicubic'; it must be one of interp, nearest"):
        resample_exposure(image, mask, 0, variance, wcs, grid, method="bicubic")
    with pytest.raises(LengthError, match="the mask of the exposure has 60 x 30 pixels, and its image 60 x 60"):
        resample_exposure(image, mask[:30], 0, variance, wcs, grid)
    with pytest.raises(LengthError, match="the variance of night 3 has"):
        resample_exposure(image, mask, 0, variance[:30], wcs, grid, label="night 3")
    with pytest.raises(LengthError, match=r"the box is \(50, 0, 20, 10\)"):
        resample_exposure(image, mask, 0, variance, wcs, grid, box=(50, 0, 20, 10))
    with pytest.raises(UnsuitableError, match="the WCS of the exposure cannot be used"):
        resample_exposure(image, mask, 0, variance, WCS(naxis=2), grid)
    with pytest.raises(InvalidParameterError, match="the grid has no WCS"):
        resample_exposure(image, mask, 0, variance, wcs, TargetGrid(None, (SIZE, SIZE), (), ()))


def test_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    image, mask, variance = scene()
    wcs = tan(angle=5.0)
    grid = grid_of(tan(), wcs)
    monkeypatch.setitem(sys.modules, "reproject", None)
    with pytest.raises(InvalidParameterError, match=r"pip install 'evensky\[reproject\]'"):
        resample_exposure(image, mask, 0, variance, wcs, grid)
