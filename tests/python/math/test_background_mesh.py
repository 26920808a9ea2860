"""Sky level and scatter in a mesh of boxes: estimators, clipping, excluded boxes, the median filter."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from evensky import _core
from evensky.errors import InvalidParameterError, LengthError, NotFoundError
from evensky.errors import RuntimeError as EvenskyRuntimeError
from evensky.image.foreign import as_planes
from evensky.math import Interpolate, UndersampleStyle, background_mesh
from evensky.math.background_mesh import (
    ESTIMATORS,
    RMS_ESTIMATORS,
    MeshOptions,
    filter_mesh,
    measure_mesh,
    mesh_of_boxes,
)
from reference import background_mesh as slow

BAD = 4
CLIPPED = [name for name in ESTIMATORS if name != "histogram"]  # which clips by itself; see test_sextractor_mesh.py

CLIPPING: dict[str, dict[str, Any]] = {
    "usual": {},
    "usual, one round": {"rounds": 1},
    "usual, narrow": {"sigma": 1.5, "rounds": 8},
    "usual, two-sided": {"sigma": (4, 2)},
    "none": {"rounds": 0},
    "as astropy": {"centre": "median", "rounds": 10},
    "as astropy, to the end": {"centre": "median", "rounds": None},
    "about the mean": {"centre": "mean", "rounds": 5, "sigma": 2.5},
    "by the MAD": {"scatter": "mad", "rounds": 4},
    "about the mean by the MAD": {"centre": "mean", "scatter": "mad", "sigma": (3, 2)},
    "above only": {"centre": "median", "sigma": (np.inf, 3), "rounds": 10},
}


def scene(kind: str, shape: tuple[int, int] = (150, 190)) -> tuple[np.ndarray, np.ndarray]:
    """Return an image and its mask."""
    rng = np.random.default_rng(5)
    image = rng.normal(200, 7, shape) + np.linspace(0, 5, shape[1])
    if kind == "stars":
        image += np.where(rng.random(shape) < 0.08, rng.exponential(300, shape), 0)
    if kind == "crowded":
        image += np.where(rng.random(shape) < 0.45, rng.exponential(40, shape), 0)
    if kind == "whole":
        image = np.round(image / 5) * 5
    image = image.astype(np.float32)
    image[rng.random(shape) < 0.01] = np.nan
    image[:40, :40] = np.nan
    image[60:64, 70:75] = 1e30
    mask = np.where(rng.random(shape) < 0.1, BAD, 0) | np.where(rng.random(shape) < 0.3, 1, 0)
    image[100:, 150:] = 250.0
    return image, mask.astype(np.int32)


def left(image: np.ndarray, mask: np.ndarray, options: MeshOptions) -> list[list[np.ndarray]]:
    """Return the pixels that clipping leaves in each box, by the definition."""
    ys = slow.edges(image.shape[0], options.height, options.edge_method)
    xs = slow.edges(image.shape[1], options.width, options.edge_method)
    sides = options.sigma if isinstance(options.sigma, tuple) else (options.sigma, options.sigma)
    rounds = 10**6 if options.rounds is None else options.rounds
    good = (mask & BAD == 0) & np.isfinite(image)
    boxes = [[np.s_[y0:y1, x0:x1] for x0, x1 in itertools.pairwise(xs)] for y0, y1 in itertools.pairwise(ys)]
    return [
        [slow.clip(image[box][good[box]], sides, rounds, options.centre, options.scatter) for box in row]
        for row in boxes
    ]


def expected(kept: list[list[np.ndarray]], estimator: str = "mean", rms: str = "std") -> dict[str, np.ndarray]:
    """Return the mesh that the definitions give."""
    levels = np.array([[slow.level(pixels, estimator) for pixels in row] for row in kept])
    return {
        "level": levels[..., 0],
        "error": levels[..., 1],
        "rms": np.array([[slow.scatter_of(pixels, rms) for pixels in row] for row in kept]),
        "number": np.array([[pixels.size for pixels in row] for row in kept]),
    }


def mesh_of(image: np.ndarray, mask: np.ndarray, threads: int = 1, **options: Any) -> _core.BackgroundMesh:
    planes = as_planes(image)
    planes.mask = mask
    return measure_mesh(planes, BAD, MeshOptions(**{"height": 50, "width": 64} | options), threads)


def check(mesh: _core.BackgroundMesh, wanted: dict[str, np.ndarray], names: tuple[str, ...]) -> None:
    np.testing.assert_array_equal(mesh.number(), wanted["number"])
    for name in names:
        np.testing.assert_allclose(getattr(mesh, name)(), wanted[name], rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("kind", ["plain", "stars", "crowded", "whole"])
@pytest.mark.parametrize("clipping", CLIPPING)
def test_estimators_are_those_of_their_definitions(kind: str, clipping: str) -> None:
    image, mask = scene(kind)
    for height, width in ((50, 64), (30, 27)):
        options = {"height": height, "width": width} | CLIPPING[clipping]
        kept = left(image, mask, MeshOptions(**options))
        for estimator, rms in itertools.zip_longest(CLIPPED, RMS_ESTIMATORS, fillvalue="std"):
            mesh = mesh_of(image, mask, estimator=estimator, rms_estimator=rms, **options)
            check(mesh, expected(kept, estimator, rms), ("level", "error", "rms"))


@pytest.mark.parametrize("kind", ["plain", "stars", "crowded", "heavy", "narrow"])
@pytest.mark.parametrize("sigma", [3.0, 8.0])
def test_biweights_of_level_and_scatter_have_common_sums(kind: str, sigma: float) -> None:
    # With a wide window, some pixels are farther from the median than the biweight of the level reaches.
    image, mask = scene(kind if kind in ("plain", "stars", "crowded") else "plain")
    rng = np.random.default_rng(8)
    if kind == "heavy":
        image += rng.standard_t(2, image.shape).astype(np.float32) * 20
    if kind == "narrow":  # more than half of the pixels of a box are nearly equal
        image = np.where(rng.random(image.shape) < 0.6, np.float32(200) + rng.random(image.shape) / 1000, image)
    for dtype, size in ((np.float32, 50), (np.float64, 50), (np.float32, 27)):
        options = {"height": size, "width": size, "sigma": sigma}
        pixels = image.astype(dtype)
        kept = left(pixels, mask, MeshOptions(**options))
        for estimator, rms in (("biweight", "biweight"), ("biweight", "std"), ("median", "biweight")):
            mesh = mesh_of(pixels, mask, estimator=estimator, rms_estimator=rms, **options)
            check(mesh, expected(kept, estimator, rms), ("level", "error", "rms"))


def check_medians(image: np.ndarray, mask: np.ndarray, **options: Any) -> None:
    """Check the medians, and the median distances from them, of the pixels that clipping leaves."""
    kept = left(image, mask, MeshOptions(**options))
    mesh = mesh_of(image, mask, estimator="median", rms_estimator="mad", **options)
    medians = [[np.median(pixels.astype(float)) for pixels in row] for row in kept]
    distances = [
        [np.median(abs(pixels - median)) for pixels, median in zip(*rows, strict=True)]
        for rows in zip(kept, medians, strict=True)
    ]
    np.testing.assert_array_equal(mesh.level(), medians)
    np.testing.assert_array_equal(mesh.rms(), 1.482602218505602 * np.array(distances))


@pytest.mark.parametrize("kind", ["skewed", "two skies", "steps", "gap"])
def test_medians_and_median_distances_are_those_of_sorted_pixels(kind: str) -> None:
    # They are looked for near the quartiles and the median of all pixels, where these kinds do not have them.
    rng = np.random.default_rng(10)
    image = rng.normal(100, 5, (256, 300))
    if kind == "skewed":
        image += rng.exponential(15, image.shape)
    if kind == "two skies":
        image[:, 140:] += 9
    if kind == "steps":
        image = np.round(image / 3) * 3
    if kind == "gap":
        image += np.sign(image - 100) * 20 + (rng.random(image.shape) < 0.3) * 4
    mask = np.where(rng.random(image.shape) < 0.05, BAD, 0).astype(np.int32)
    for dtype, size in ((np.float32, 64), (np.float64, 64), (np.float32, 150)):
        options = {"height": size, "width": size, "sigma": (2.0, 3.0)}
        check_medians(image.astype(dtype), mask, **options)


@pytest.mark.parametrize("pixels", [15, 17, 33, 40, 41, 65, 80, 129, 160, 161, 257, 320, 513, 530, 600, 640, 660, 1000])
def test_medians_of_any_number_of_pixels_side_by_side(pixels: int) -> None:
    image = np.random.default_rng(11).normal(100, 5, (17, pixels)).astype(np.float32)
    mask = np.zeros(image.shape, np.int32)
    mask[1::2, 3] = BAD
    check_medians(image, mask, height=1, width=pixels)


@pytest.mark.parametrize("level", [2.0**12, 2.0**20, 2.0**33])
def test_biweights_keep_their_digits_far_from_zero(level: float) -> None:
    # At each level, the pixels are exact.
    noise = np.rint(np.random.default_rng(9).gamma(15, 4, (300, 900)) * 1024) / 1024
    options = {"height": 300, "width": 900, "estimator": "biweight", "rms_estimator": "biweight"}
    near, far = (mesh_of(pixels, None, **options) for pixels in (noise, noise + level))
    assert far.level()[0, 0] - level == pytest.approx(near.level()[0, 0], abs=4e-16 * level)
    for name in ("error", "rms"):
        assert getattr(far, name)()[0, 0] == pytest.approx(getattr(near, name)()[0, 0], rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.int32, np.uint16, np.uint64])
def test_pixels_of_all_types(dtype: Any) -> None:
    image, mask = scene("stars")
    image = np.nan_to_num(np.clip(image, 0, 3e4), nan=7).astype(dtype)
    if np.dtype(dtype).itemsize == 8:
        image[5, 5:20] += dtype(2**30 + 1)  # float32 does not hold these numbers
    options = {"estimator": "mmm", "rms_estimator": "mad", "centre": "median", "rounds": 10}
    wanted = expected(left(image, mask, MeshOptions(50, 64, **options)), "mmm", "mad")
    check(mesh_of(image, mask, **options), wanted, ("level", "error", "rms"))
    check(mesh_of(image.astype(image.dtype.newbyteorder()), mask, **options), wanted, ("level", "rms"))
    check(mesh_of(image[::-1, ::-1], mask[::-1, ::-1], **options), {k: v[::-1, ::-1] for k, v in wanted.items()}, ())


@pytest.mark.parametrize("method", ["spread", "pad", "crop"])
def test_boxes_at_the_edges(method: str) -> None:
    image, mask = scene("stars", (70, 150))
    mesh = mesh_of(image, mask, height=32, width=40, edge_method=method, estimator="median")
    wanted = expected(left(image, mask, MeshOptions(32, 40, edge_method=method)), "median")
    check(mesh, wanted, ("level", "error", "rms"))
    xs = slow.edges(150, 40, method)
    np.testing.assert_allclose(mesh.getBinCentersX(), [(a + b - 1) / 2 for a, b in itertools.pairwise(xs)])


@pytest.mark.parametrize("method", ["spread", "pad", "crop"])
@pytest.mark.parametrize("percentile", [0, 3, 12, 30, 100])
def test_excluded_boxes_are_filled_from_their_neighbours(percentile: float, method: str) -> None:
    image, mask = scene("stars")
    options = {"height": 16, "width": 17, "edge_method": method, "estimator": "sextractor", "rms_estimator": "mad"}
    mesh, before = (mesh_of(image, mask, **options) for _ in range(2))
    ys, xs = (np.diff(slow.edges(n, box, method)) for n, box in ((150, 16), (190, 17)))
    pixels = np.full((ys.size, xs.size), 16 * 17) if method == "pad" else np.outer(ys, xs)
    number = before.number()
    good = (number > 0) & ((pixels - number) * 100 <= percentile * pixels)
    if not good.any():
        with pytest.raises(EvenskyRuntimeError, match=f"exclude_percentile = {percentile} percent"):
            mesh.fill(percentile)
        return
    assert mesh.fill(percentile) == (~good).sum() > 0
    np.testing.assert_allclose(mesh.level(), slow.fill(before.level(), good), rtol=1e-12)
    np.testing.assert_allclose(mesh.rms(), slow.fill(before.rms(), good), rtol=1e-12)
    np.testing.assert_array_equal(np.isnan(mesh.error()), ~good)
    np.testing.assert_array_equal(mesh.error()[good], before.error()[good])


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (1, 5), (7, 3), (99, 99)])
@pytest.mark.parametrize("threshold", [None, 203.0, 1e9])
def test_the_median_filter(size: tuple[int, int], threshold: float | None) -> None:
    image, mask = scene("stars")
    mesh = mesh_of(image, mask, height=16, width=17, estimator="median")
    level, rms, error = mesh.level(), mesh.rms(), mesh.error()
    where = np.ones(level.shape, bool) if threshold is None else level > threshold
    mesh.filter(*size, threshold)
    np.testing.assert_allclose(mesh.level(), slow.median_filter(level, size, where), rtol=1e-12)
    np.testing.assert_allclose(mesh.rms(), slow.median_filter(rms, size, where), rtol=1e-12)
    np.testing.assert_array_equal(mesh.error(), error)


@pytest.mark.parametrize("size", [(3, 3), (5, 1), (1, 3)])
def test_errors_after_the_median_filter_are_honest(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(8)
    options, errors = MeshOptions(8, 8), rng.uniform(1.9, 2.1, (200, 200))
    errors[30, 30] = np.nan  # filled
    level = np.where(np.isnan(errors), 0.0, errors) * rng.normal(0, 1, errors.shape)
    given = 0, 0, 1600, 1600
    number = np.full(errors.shape, 64)
    mesh = filter_mesh(mesh_of_boxes(given, options, level, errors, errors, number), options, *size)
    pulls = (mesh.level() / mesh.error())[2:-2, 2:-2]
    assert np.nanstd(pulls) == pytest.approx(1, abs=0.05)
    assert np.array_equal(np.isnan(mesh.error()), np.isnan(errors))
    # Only boxes above a threshold are filtered.
    mesh = filter_mesh(mesh_of_boxes(given, options, level, errors, errors, number), options, *size, 1.0)
    np.testing.assert_array_equal(mesh.error()[level <= 1], errors[level <= 1])
    assert np.all(mesh.error()[(level > 1) & np.isfinite(errors)] < 1.7)


def test_a_box_with_few_good_pixels_does_not_bend_the_model() -> None:
    rng = np.random.default_rng(2)
    image = rng.normal(100, 3, (200, 200)).astype(np.float32)
    mask = np.zeros(image.shape, np.int32)
    mask[50:100, 50:100] = BAD
    mask[60, 60], image[60, 60] = 0, 112.5
    bent = mesh_of(image, mask, width=50, estimator="mean")
    assert bent.level()[1, 1] == 112.5
    assert bent.fill(50) == 1
    assert abs(bent.level()[1, 1] - 100) < 0.3


def test_no_good_pixel() -> None:
    mesh = mesh_of(np.full((60, 80), np.nan, np.float32), np.zeros((60, 80), np.int32))
    assert mesh.fill(10) == 0
    mesh.filter(3, 3)
    for values in (mesh.level(), mesh.error(), mesh.rms()):
        assert np.isnan(values).all()
    out = np.zeros((60, 80), np.float32)
    style = UndersampleStyle.REDUCE_INTERP_ORDER
    mesh.get_image(out, (0, 0, 80, 60), Interpolate.Style.AKIMA_SPLINE, style)
    assert np.isnan(out).all()


def test_the_image_of_the_scatter_is_not_negative() -> None:
    image = np.zeros((250, 250), np.float32)
    image[:, 150:] = np.random.default_rng(1).normal(0, 50, (250, 100))
    mesh = mesh_of(image, np.zeros(image.shape, np.int32), height=50, width=50)
    out = np.empty(image.shape, np.float32)
    styles = Interpolate.Style.NATURAL_SPLINE, UndersampleStyle.REDUCE_INTERP_ORDER
    mesh.get_rms_image(out, (0, 0, 250, 250), *styles)
    assert out.min() == 0
    assert out.max() > 45
    part = np.empty((30, 20), np.float32)
    mesh.get_rms_image(part, (200, 100, 20, 30), *styles)
    np.testing.assert_array_equal(part, out[100:130, 200:220])


def sextractor_images(image: np.ndarray, mask: np.ndarray, threads: int) -> bytes:
    mesh = mesh_of(image, mask, threads, estimator="histogram", edge_method="pad")
    mesh.fill_from_nearest(0.5, threads)
    mesh.filter_centred(3, 3, 0, threads)
    out = np.empty((2, *image.shape), np.float32)
    box = (0, 0, *image.shape[::-1])
    mesh.get_spline_image(out[0], box, threads)
    mesh.get_spline_rms_image(out[1], box, threads)
    return mesh.level().tobytes() + out.tobytes()


def digest(threads: int) -> str:
    image, mask = scene("stars", (270, 310))
    found = hashlib.sha256()
    for (estimator, rms), clipping in itertools.product(
        itertools.zip_longest(CLIPPED, RMS_ESTIMATORS, fillvalue="std"), CLIPPING.values()
    ):
        mesh = mesh_of(image, mask, threads, estimator=estimator, rms_estimator=rms, **clipping)
        mesh.fill(20, threads)
        mesh.filter(3, 3, None, threads)
        out = np.empty(image.shape, np.float32)
        for write in (mesh.get_image, mesh.get_rms_image):
            write(out, (0, 0, 310, 270), Interpolate.Style.AKIMA_SPLINE, UndersampleStyle.REDUCE_INTERP_ORDER, threads)
            found.update(out.tobytes())
        for values in (mesh.level(), mesh.error(), mesh.rms(), mesh.number()):
            found.update(values.tobytes())
    found.update(sextractor_images(image, mask, threads))
    return found.hexdigest()


def test_medians_of_nine_and_of_four() -> None:
    # Comparisons that are right for all arrangements of 0 and 1 are right for all numbers (Knuth 1973, 5.3.4).
    every = np.array(list(itertools.product((0.0, 1.0), repeat=9)))
    np.testing.assert_array_equal(background_mesh._middle_of_nine(list(every.T)), every.sum(1) > 4)
    # Predictions, and medians of windows, are the same with a NaN far away, which takes the way for any numbers.
    values = np.random.default_rng(2).normal(0, 1, (12, 15))
    other = values.copy()
    other[-1, -1] = np.nan
    for measure in (
        lambda of: background_mesh._predicted(of, 1, 1),
        lambda of: background_mesh._window_medians(of, 3, 3),
    ):
        np.testing.assert_array_equal(measure(values)[2:7, 2:9], measure(other)[2:7, 2:9])


def test_threads_do_not_change_a_bit() -> None:
    assert digest(3) == digest(1)


def test_instruction_sets_do_not_change_a_bit() -> None:
    digests = {}
    for level in ("portable", "avx2", "avx512"):
        environment = {**os.environ, "EVENSKY_SIMD": level, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, __file__]
        output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
        digests[output[0]] = output[1]
    assert "portable" in digests
    assert len(set(digests.values())) == 1, digests


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"estimator": "skew"}, "estimator is 'skew'"),
        ({"rms_estimator": "stdev"}, "rms_estimator is 'stdev'"),
        ({"edge_method": "cut"}, "edge_method is 'cut'"),
        ({"centre": "mode"}, "centre is 'mode'"),
        ({"scatter": "iqr"}, "scatter is 'iqr'"),
        ({"sigma": 0}, "sigma is 0"),
        ({"sigma": (3, -1)}, r"sigma is \(3, -1\)"),
        ({"sigma": (3, 3, 3)}, "with 3 values"),
        ({"sigma": np.nan}, "sigma is nan"),
        ({"rounds": -1}, "rounds is -1"),
        ({"width": 0}, "width = 0"),
        ({"height": -4}, "height = -4"),
    ],
)
def test_bad_options(options: dict[str, Any], words: str) -> None:
    image, mask = scene("plain")
    with pytest.raises(InvalidParameterError, match=words):
        mesh_of(image, mask, **options)


def test_bad_calls_of_the_core() -> None:
    image, mask = scene("plain")
    mesh = mesh_of(image, mask)
    for percentile in (-1, 101, np.nan):
        with pytest.raises(InvalidParameterError, match=r"exclude_percentile = .*0 \.\. 100"):
            mesh.fill(percentile)
    for size in ((2, 3), (3, 0), (-1, 3)):
        with pytest.raises(InvalidParameterError, match="must be odd and positive"):
            mesh.filter(*size)
    with pytest.raises(InvalidParameterError, match="threshold = nan"):
        mesh.filter(3, 3, np.nan)
    with pytest.raises(LengthError, match="out of range"):
        mesh.get_image(np.empty((5, 5)), (400, 0, 5, 5), Interpolate.Style.LINEAR, UndersampleStyle.REDUCE_INTERP_ORDER)
    with pytest.raises(NotFoundError, match="SEXTRACTOR"):
        _core.BackgroundMesh(image, None, 0, 0, 9, 9, "PAD", "SKEW", "STDEV", 3, 3, 3, None, None)
    for names, words in ((("mode", None), "centre is 'mode'.*'median', 'mean'"), ((None, "iqr"), "scatter is 'iqr'")):
        with pytest.raises(InvalidParameterError, match=words):
            _core.BackgroundMesh(image, None, 0, 0, 9, 9, "PAD", "MEAN", "STDEV", 3, 3, 3, *names)
    for names, words in ((("mode", "std"), "cenfunc is 'mode'"), (("mean", "mad"), "stdfunc is 'mad'.*'mad_std'")):
        with pytest.raises(InvalidParameterError, match=words):
            _core.clippedStats(image, None, 0, 3, 3, 5, *names, 0)
    with pytest.raises(InvalidParameterError, match="contains no pixels"):
        mesh_of(np.empty((0, 5), np.float32), np.empty((0, 5), np.int32))


if __name__ == "__main__":
    print(_core.simd_level(), digest(2))


def test_a_mesh_of_given_boxes() -> None:
    image, mask = scene("stars")
    for options in ({}, {"edge_method": "pad", "height": 40}):
        made = MeshOptions(**{"height": 50, "width": 64} | options)
        mesh = mesh_of(image, mask, **options)
        planes = mesh.level(), mesh.error(), mesh.rms(), mesh.number()
        again = mesh_of_boxes(mesh.get_image_bbox(), made, *(plane[::-1][::-1] for plane in planes))
        for given, got in zip(planes, (again.level(), again.error(), again.rms(), again.number()), strict=True):
            np.testing.assert_array_equal(got, given)
        for each in (mesh, again):
            each.fill(60)
        np.testing.assert_array_equal(again.level(), mesh.level())
        np.testing.assert_array_equal(again.getBinCentersX(), mesh.getBinCentersX())
        with pytest.raises(LengthError, match=r"The plane of levels is 3 x .*, but the mesh is 3 x"):
            mesh_of_boxes(mesh.get_image_bbox(), made, planes[0][:-1], *planes[1:])
    with pytest.raises(InvalidParameterError, match="no pixels"):
        mesh_of_boxes((0, 0, 0, 5), made, *planes)
