"""Boxes as SExtractor and sep measure, fill, filter and interpolate them: steps of the mesh of boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evensky import _core
from evensky.errors import InvalidParameterError, LengthError
from evensky.image.foreign import as_planes
from evensky.math.background_mesh import MeshOptions, measure_mesh
from reference import sextractor_mesh as slow

KINDS = (
    "noise",
    "small numbers",
    "stars",
    "skewed",
    "two levels",
    "counts",
    "few counts",
    "few small steps",
    "constant",
    "outlier",
)
RNG = np.random.default_rng(31)


def mesh_of(image: np.ndarray, rejected: np.ndarray | None = None, **options: Any) -> _core.BackgroundMesh:
    planes = as_planes(image)
    if rejected is not None:
        planes.mask = rejected.astype(np.int32)
    chosen = {"height": 20, "width": 25, "estimator": "histogram", "edge_method": "pad"} | options
    return measure_mesh(planes, 1, MeshOptions(**chosen))


def constant_boxes(levels: np.ndarray, width: int, height: int, shape: tuple[int, int]) -> np.ndarray:
    """Return an image whose boxes have one value each, so that their levels are known exactly."""
    return np.repeat(np.repeat(levels, height, axis=0), width, axis=1)[: shape[0], : shape[1]]


def pixels(kind: str, size: int) -> np.ndarray:
    noise = RNG.normal(0, 1, size)
    made = {
        "noise": 100 + 10 * noise,
        "small numbers": 1e-12 * noise,
        "stars": 50 + noise + np.where(RNG.random(size) < 0.1, RNG.exponential(30, size), 0),
        "skewed": RNG.exponential(1, size) ** 1.5,
        "two levels": np.where(RNG.random(size) < 0.4, 10.0, 0.0) + 0.1 * noise,
        "counts": RNG.poisson(3, size),
        "few counts": RNG.poisson(0.05, size),
        "few small steps": 100 + 0.2 * RNG.poisson(0.05, size),
        "constant": np.full(size, 7.0),
        "outlier": np.where(np.arange(size) == 3, 1e30, noise),
    }
    return made[kind].astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels_are_those_of_the_definition(dtype: Any) -> None:
    for kind in KINDS:
        for size in (1, 2, 3, 10, 257, 1000, 9000):
            values = pixels(kind, size).astype(dtype)
            mesh = mesh_of(values[None], height=1, width=size)
            level, rms, number = slow.level(values)
            where = f"{kind}, {size}"
            atol = 1e-9 * np.nan_to_num(rms)
            np.testing.assert_allclose(mesh.level()[0, 0], level, rtol=1e-12, atol=atol, err_msg=where)
            np.testing.assert_allclose(mesh.rms()[0, 0], rms, rtol=1e-9, err_msg=where)
            assert mesh.number()[0, 0] == number, where
            assert mesh.good()[0, 0] == size, where


def test_a_level_far_above_the_noise_is_accurate() -> None:
    values = RNG.normal(0, 0.05, (64, 64))
    near, far = (mesh_of(values + level, height=64, width=64) for level in (0, 1e5))
    assert far.level()[0, 0] - 1e5 == pytest.approx(near.level()[0, 0], abs=1e-4)
    assert far.rms()[0, 0] == pytest.approx(near.rms()[0, 0], rel=1e-3)


def test_errors_are_those_of_the_mode() -> None:
    levels = mesh_of(RNG.normal(100, 5, (32 * 20, 32 * 20)), height=32, width=32)
    assert np.sqrt(np.mean(levels.error() ** 2)) == pytest.approx(levels.level().std(), rel=0.15)


def test_the_steps_are_those_of_their_definitions() -> None:
    for trial in range(24):
        shape, (height, width) = RNG.integers(20, 90, 2), RNG.integers(3, 25, 2)
        image = RNG.normal(100, 10, shape)
        rejected = RNG.random(shape) < (0, 0.3, 0.5, 0.9)[trial % 4]
        mesh = mesh_of(image, rejected, height=height, width=width)
        levels, scatters, part = slow.mesh(image, rejected, width, height)
        np.testing.assert_allclose(mesh.level(), levels, rtol=1e-9)
        good = (part >= 0.5) & np.isfinite(levels)
        if not good.any():
            continue
        assert mesh.fill_from_nearest(0.5) == (~good).sum()
        levels, scatters = slow.fill(levels, good), slow.fill(scatters, good)
        np.testing.assert_allclose(mesh.level(), levels, rtol=1e-9)
        np.testing.assert_allclose(mesh.rms(), scatters, rtol=1e-9)
        assert np.array_equal(np.isnan(mesh.error()), ~good)
        window = RNG.integers(0, 4, 2) * 2 + 1
        change = (0.0, 1.0)[trial % 2]
        mesh.filter_centred(*window, change)
        levels, scatters = slow.filtered(levels, scatters, window[1], window[0], change)
        np.testing.assert_allclose(mesh.level(), levels, rtol=1e-9)
        np.testing.assert_allclose(mesh.rms(), scatters, rtol=1e-9)


def test_the_spline_is_that_of_the_definition() -> None:
    for _ in range(40):
        ny, nx = RNG.integers(1, 8, 2)
        height, width = RNG.integers(2, 30, 2)
        shape = ny * height - RNG.integers(0, height - 1), nx * width - RNG.integers(0, width - 1)
        levels = RNG.normal(0, 100, (ny, nx))
        mesh = mesh_of(constant_boxes(levels, width, height, shape), height=height, width=width, estimator="mean")
        wanted = slow.spline(levels, shape, width, height)
        exact = np.empty(shape)
        mesh.get_spline_image(exact, (0, 0, shape[1], shape[0]))
        np.testing.assert_allclose(exact, wanted, atol=1e-9)
        rounded = np.empty(shape, np.float32)
        mesh.get_spline_image(rounded, (0, 0, shape[1], shape[0]))
        np.testing.assert_array_equal(rounded, exact.astype(np.float32))
        # A part, and any strides.
        y, x = RNG.integers(0, shape[0]), RNG.integers(0, shape[1])
        for dtype in (np.float32, np.float64):
            part = np.empty((2 * (shape[1] - x), shape[0] - y), dtype)[::2].T
            mesh.get_spline_image(part, (x, y, shape[1] - x, shape[0] - y))
            np.testing.assert_array_equal(part, exact[y:, x:].astype(dtype))


def test_boxes_are_cropped() -> None:
    image = RNG.normal(10, 1, (47, 61))
    cropped = mesh_of(image, edge_method="crop", estimator="mean")
    whole = mesh_of(image[:40, :50], estimator="mean")
    for name in ("level", "rms", "error", "number"):
        np.testing.assert_array_equal(getattr(cropped, name)(), getattr(whole, name)())
    np.testing.assert_array_equal(cropped.getBinCentersX(), [12, 37])
    out = np.empty(image.shape)
    cropped.get_spline_image(out, (0, 0, 61, 47))
    np.testing.assert_allclose(out, slow.spline(cropped.level(), image.shape, 25, 20), rtol=1e-12)
    with pytest.raises(InvalidParameterError, match="19 pixels along a side, and boxes have 20"):
        mesh_of(image[:19], edge_method="crop")


def test_the_scatter_is_not_negative() -> None:
    image = RNG.normal(0, 50, (40, 150))
    image[:, :75] = 1
    mesh = mesh_of(image)
    out = np.empty(image.shape)
    mesh.get_spline_rms_image(out, (0, 0, 150, 40))
    assert slow.spline(mesh.rms(), image.shape, 25, 20).min() < -1
    assert out.min() == 0


def test_no_good_pixel() -> None:
    mesh = mesh_of(np.full((40, 50), np.nan))
    assert mesh.fill_from_nearest(0.5) == 4
    mesh.filter_centred(3, 3)
    out = np.zeros((40, 50))
    mesh.get_spline_image(out, (0, 0, 50, 40))
    assert np.isnan(out).all()
    assert np.isnan(mesh.rms()).all()


def test_bad_calls() -> None:
    image = RNG.normal(10, 1, (40, 50))
    mesh = mesh_of(image)
    out = np.empty((40, 50))
    for fraction in (-0.1, 1.1, np.nan):
        with pytest.raises(InvalidParameterError, match=r"least_good = .* must be in 0 \.\. 1"):
            mesh.fill_from_nearest(fraction)
    for size in ((2, 3), (3, 0)):
        with pytest.raises(InvalidParameterError, match="must be odd and positive"):
            mesh.filter_centred(*size)
    with pytest.raises(InvalidParameterError, match="least_change = nan"):
        mesh.filter_centred(3, 3, np.nan)
    with pytest.raises(InvalidParameterError, match="edge method is SPREAD"):
        mesh_of(image, edge_method="spread").get_spline_image(out, (0, 0, 50, 40))
    with pytest.raises(LengthError, match="out of range"):
        mesh.get_spline_image(out, (1, 0, 50, 40))
    with pytest.raises(LengthError, match="they must be equal"):
        mesh.get_spline_rms_image(out, (0, 0, 50, 39))
    for options in ({"sigma": 2.5}, {"rounds": 5}, {"centre": "median"}, {"scatter": "mad"}, {"rms_estimator": "mad"}):
        with pytest.raises(InvalidParameterError, match=f"{next(iter(options))} is .*clips by itself"):
            mesh_of(image, **options)
    with pytest.raises(InvalidParameterError, match="HISTOGRAM clips by itself"):
        _core.BackgroundMesh(image, None, 0, 0, 9, 9, "PAD", "HISTOGRAM", "STDEV", 3, 3, 4, None, None)
