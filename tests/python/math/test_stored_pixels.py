"""Pixels of every type, byte order and layout in the core: nothing is copied, and results are those of a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import evensky
import evensky.errors as errors
import evensky.math as afwMath
from evensky import _core
from evensky.calls.arguments import select_planes
from evensky.image.foreign import Planes, reject_pixels
from evensky.math.background_mesh import MeshOptions, measure_mesh

FLAGS = sum(int(row) for row in _core.Property)
SHAPES = [(20, 30), (300, 400), (700, 701), (40, 5000)]


def scene(shape: tuple[int, int], seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixels with stars and NaN, masks of several bits, and variances of which some are not positive."""
    rng = np.random.default_rng(seed)
    image = rng.normal(1000, 20, shape).astype(np.float32)
    image[rng.random(shape) < 0.01] += 500
    image[3, 4] = np.nan
    mask = (rng.random(shape) < 0.1).astype(np.int32) * 3
    mask[rng.random(shape) < 0.1] |= 4
    variance = rng.uniform(1, 2, shape).astype(np.float32)
    variance[2, 2:5] = [-1, 0, np.nan]
    return image, mask, variance


def control(weighting: str = "") -> afwMath.StatisticsControl:
    """Return a control that rejects bit 1, with weights by the variance ("w") and errors from variances ("v")."""
    sctrl = afwMath.StatisticsControl(3.0, 3, 2)
    if "w" in weighting:
        sctrl.setWeighted(True)
    if "v" in weighting:
        sctrl.setCalcErrorFromInputVariance(True)
    return sctrl


def numbers(
    image: np.ndarray, mask: Any = None, variance: Any = None, weights: Any = None, sctrl: Any = None, bzero: int = 0
) -> np.ndarray:
    """Return all values and errors."""
    found = _core.makeStatistics(image, mask, variance, weights, FLAGS, sctrl or control(), 1, bzero)
    asked = [row for row in _core.Property if int(row) and row is not _core.Property.ERRORS]
    return np.array([found.getResult(row) for row in asked])


def same(got: np.ndarray, want: np.ndarray) -> None:
    """Check that all numbers are equal, bit by bit but for NaN."""
    np.testing.assert_array_equal(got, want)


def unaligned(array: np.ndarray) -> np.ndarray:
    """Return the pixels as a field of packed records."""
    records = np.zeros(array.shape, [("flag", "i1"), ("pixel", array.dtype)])
    records["pixel"] = array
    return records["pixel"]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "by columns": np.asfortranarray,
    "by columns, big-endian": lambda a: np.asfortranarray(a.astype(a.dtype.newbyteorder(">"))),
    "by columns, turned round": lambda a: np.asfortranarray(a[::-1, ::-1])[::-1, ::-1],
    "turned round": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "every second": lambda a: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2],
    "every third, big-endian": lambda a: np.repeat(a, 3, 1).astype(a.dtype.newbyteorder(">"))[:, ::3],
    "records": unaligned,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_layouts_do_not_change_a_bit(layout: str, shape: tuple[int, int]) -> None:
    change = LAYOUTS[layout]
    # Sums are taken in the order of memory, so that an image by columns has those of its transpose.
    turned = layout.startswith("by columns")
    image, mask, variance = scene(shape)
    double = image.astype(np.float64) + 1e-9
    plain = [np.ascontiguousarray(plane.T) if turned else plane for plane in (image, mask, variance, double)]
    for weighting in ("", "w", "v", "wv"):
        want = numbers(*plain[:3], None, control(weighting))
        same(numbers(change(image), change(mask), change(variance), None, control(weighting)), want)
    want = numbers(*plain[:3], plain[2])
    same(numbers(change(image), mask, change(variance), change(variance)), want)
    same(numbers(change(double), change(mask), change(variance)), numbers(plain[3], *plain[1:3]))


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_and_columns_have_the_same_numbers_but_for_the_rounding_of_sums(shape: tuple[int, int]) -> None:
    image, mask, variance = scene(shape)
    exact = ("NPOINT", "MEDIAN", "IQRANGE", "MAD", "MIN", "MAX", "NCLIPPED", "NMASKED", "ORMASK")
    names = [row.name for row in _core.Property if int(row) and row is not _core.Property.ERRORS]
    for planes in ((image, mask, variance, variance), (image.astype(np.float64) + 1e-9, mask, variance)):
        rows, columns = numbers(*planes), numbers(*(np.asfortranarray(plane) for plane in planes))
        np.testing.assert_allclose(columns, rows, rtol=1e-12)
        for name in exact:
            assert columns[names.index(name), 0] == rows[names.index(name), 0], name


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize("shape", [*SHAPES, (90, 5000)])
def test_masks_by_columns_are_those_of_good_pixels(shape: tuple[int, int], dtype: str) -> None:
    image, mask, _ = scene(shape)
    mask[3, 4] = 8  # a pixel that is NaN
    mask[5, 6] = 2 | 16  # a bad pixel
    mask[-1, -1] = 32
    pixels = image.astype(dtype) if dtype != "i2" else np.nan_to_num(image).astype(dtype)
    bits = int(np.bitwise_or.reduce(mask[(mask & 2 == 0) & (np.isfinite(image) | (dtype == "i2"))]))
    assert bits & 48 == 32
    assert (bits & 8 != 0) == (dtype == "i2")
    for number, layout in enumerate(("by columns", "by columns, turned round", "by columns, big-endian")):
        change = LAYOUTS[layout]
        pairs = ((change(pixels), change(mask)), (change(pixels), mask), (pixels, change(mask)))
        # Each layout, and each pair, meets each number of threads.
        for other, planes in enumerate(pairs):
            found = _core.makeStatistics(*planes, None, None, FLAGS, control(), 1 + (number + other) % 3)
            assert found.getOrMask() == bits


@pytest.mark.parametrize("shape", SHAPES)
def test_pixels_by_columns_that_are_nan_count_if_they_are_asked_for(shape: tuple[int, int]) -> None:
    image, mask, _ = scene(shape)
    for nan_safe in (True, False):
        sctrl = control()
        sctrl.setNanSafe(nan_safe)
        want = numbers(np.ascontiguousarray(image.T), np.ascontiguousarray(mask.T), sctrl=sctrl)
        same(numbers(np.asfortranarray(image), np.asfortranarray(mask), sctrl=sctrl), want)


@pytest.mark.parametrize("shape", SHAPES)
def test_whole_numbers_of_any_type_are_the_same_numbers(shape: tuple[int, int]) -> None:
    image, mask, variance = scene(shape)
    pixels = np.nan_to_num(image).astype(np.int32)
    for weighting in ("", "w"):
        sctrl = control(weighting)
        want = numbers(pixels, mask, variance, None, sctrl)
        for dtype in ("i2", "u2", ">i2", ">u2", ">i4"):
            same(numbers(pixels.astype(dtype), mask, variance, None, sctrl), want)
        same(numbers((pixels - 32768).astype(">i2"), mask, variance, None, sctrl, bzero=32768), want)
        for dtype in ("u8", ">u8"):
            np.testing.assert_allclose(numbers(pixels.astype(dtype), mask, variance, None, sctrl), want, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["i4", ">i4", "u8"])
@pytest.mark.parametrize("shape", [(101, 103), (701, 701)])
def test_large_whole_numbers_are_exact(dtype: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(8)
    # Floats of this size are 8 apart; one double holds all of them.
    pixels = rng.integers(100_000_000, 100_000_050, shape)
    asked = afwMath.MEDIAN | afwMath.MIN | afwMath.MAX | afwMath.SUM | afwMath.STDEV
    found = _core.makeStatistics(pixels.astype(dtype), None, None, None, int(asked), control(), 1)
    assert found.getValue(afwMath.SUM) == pixels.sum()
    assert (found.getValue(afwMath.MIN), found.getValue(afwMath.MAX)) == (pixels.min(), pixels.max())
    assert found.getValue(afwMath.STDEV) == pytest.approx(pixels.std(ddof=1), rel=1e-10)
    median = np.sort(pixels, axis=None)[pixels.size // 2]
    less, equal = int((pixels < median).sum()), int((pixels == median).sum())
    assert found.getValue(afwMath.MEDIAN) == median - 0.5 + (0.5 * pixels.size - less) / equal


def test_numbers_beyond_float64_are_exact() -> None:
    pixels = np.full((600, 600), 2**63 + 1, np.uint64)
    pixels[0, :5] = 2**63 + 3
    found = _core.makeStatistics(pixels, None, None, None, int(afwMath.MEDIAN | afwMath.IQRANGE), control(), 1)
    assert found.getValue(afwMath.MEDIAN) == 2.0**63
    # All quartiles are of equal pixels, although no float64 tells the pixels from their neighbours.
    assert found.getValue(afwMath.IQRANGE) == 0.0


@pytest.mark.parametrize("shape", [(30, 30), (400, 400), (701, 701)])
def test_order_statistics_of_float64_are_exact(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(9)
    # As floats, all pixels would be equal.
    pixels = 1e8 + rng.normal(0, 1e-3, shape)
    asked = afwMath.MEDIAN | afwMath.IQRANGE | afwMath.MIN | afwMath.MAX | _core.Property.MAD
    found = _core.makeStatistics(pixels, None, None, None, int(asked), control(), 1)
    assert found.getValue(afwMath.MEDIAN) == np.median(pixels)
    low, high = np.quantile(pixels, [0.25, 0.75])
    assert found.getValue(afwMath.IQRANGE) == pytest.approx(high - low, abs=6e-8)  # the pixels are 1.5e-8 apart
    assert (found.getValue(afwMath.MIN), found.getValue(afwMath.MAX)) == (pixels.min(), pixels.max())
    mad = np.median(np.abs(pixels - np.median(pixels)))
    assert found.getValue(_core.Property.MAD) == pytest.approx(1.482602218505602 * mad, rel=1e-12)


def clipped(pixels: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the pixels that three rounds of clipping leave, by definition."""
    low, centre, high = np.quantile(pixels, [0.25, 0.5, 0.75])
    half = 3.0 * 0.741301109252802 * (high - low)
    for _ in range(2):
        kept = np.abs(pixels - centre) <= half
        w = np.ones(int(kept.sum())) if weights is None else weights[kept]
        centre = np.average(pixels[kept], weights=w)
        square, squares = w.sum() ** 2, (w**2).sum()
        half = 3.0 * np.sqrt(np.average((pixels[kept] - centre) ** 2, weights=w) * square / (square - squares))
    kept = np.abs(pixels - centre) <= half
    assert isinstance(kept, np.ndarray)
    return kept


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(30, 30), (400, 400), (701, 701)])
def test_weights_agree_with_the_definition(dtype: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(10)
    pixels = rng.normal(100, 5, shape).astype(dtype)
    pixels[rng.random(shape) < 0.02] += 100
    weights = rng.uniform(0.5, 2, shape).astype(np.float32)
    variance = (1 / weights).astype(np.float32)
    asked = int(afwMath.MEAN | afwMath.STDEV | afwMath.MEANCLIP | afwMath.STDEVCLIP | afwMath.ERRORS)
    x = pixels.astype(np.float64)
    for given, sctrl, w in (
        (weights, control("v"), weights.astype(np.float64)),
        (None, control("wv"), 1 / variance.astype(np.float64)),
        (None, control("v"), np.ones(shape)),
    ):
        found = _core.makeStatistics(pixels, None, variance, given, asked, sctrl, 1)
        for kept, mean, stdev in (
            (np.ones(shape, bool), afwMath.MEAN, afwMath.STDEV),
            (clipped(x, w), afwMath.MEANCLIP, afwMath.STDEVCLIP),
        ):
            centre = np.average(x[kept], weights=w[kept])
            square, squares = w[kept].sum() ** 2, (w[kept] ** 2).sum()
            scatter = np.sqrt(np.average((x[kept] - centre) ** 2, weights=w[kept]) * square / (square - squares))
            assert found.getValue(mean) == pytest.approx(centre, rel=1e-12)
            assert found.getValue(stdev) == pytest.approx(scatter, rel=1e-11)
            error = np.sqrt((w[kept] ** 2 * variance[kept]).sum() / square)
            assert found.getError(mean) == pytest.approx(error, rel=1e-11)


@pytest.mark.parametrize("side", [100, 701])
@pytest.mark.parametrize("odd", [1e12, -3.0, 0.0, np.nan, np.inf, 1e-30])
def test_odd_weights(odd: float, side: int) -> None:
    rng = np.random.default_rng(11)
    pixels = rng.normal(100, 5, (side, side))
    weights = np.ones((side, side), np.float32)
    weights[5, 5] = odd
    odd = float(weights[5, 5])
    asked = int(afwMath.MEAN | afwMath.VARIANCE | afwMath.NPOINT | afwMath.MEANCLIP)
    found = _core.makeStatistics(pixels, None, None, weights, asked, control(), 1)
    assert found.getValue(afwMath.NPOINT) == side**2
    if not np.isfinite(odd):
        assert np.isnan(found.getValue(afwMath.MEAN))
        return
    w = weights.astype(np.float64)
    mean = (w * pixels).sum() / w.sum()
    assert found.getValue(afwMath.MEAN) == pytest.approx(mean, rel=1e-9)
    # The sum of the products of pairs, without the difference of two large numbers.
    rest = w.sum() - odd
    pairs = 2 * odd * rest + rest**2 - rest
    deviations = (w * (pixels - mean) ** 2).sum() / w.sum()
    variance = deviations * w.sum() ** 2 / pairs
    assert found.getValue(afwMath.VARIANCE) == pytest.approx(variance, rel=1e-4 if odd > 1e6 else 1e-9)


@pytest.mark.parametrize("scale", [1e-165, 1e-300, 1.0])
@pytest.mark.parametrize("side", [100, 701])
def test_tiny_float64_pixels_keep_their_scatter(scale: float, side: int) -> None:
    pixels = np.random.default_rng(12).normal(10, 1, (side, side))
    asked = int(afwMath.STDEV | afwMath.MEAN | afwMath.STDEVCLIP)
    want = _core.makeStatistics(pixels, None, None, None, asked, control(), 1)
    found = _core.makeStatistics(pixels * scale, None, None, None, asked, control(), 1)
    for one in (afwMath.STDEV, afwMath.MEAN, afwMath.STDEVCLIP):
        assert found.getValue(one) == pytest.approx(scale * want.getValue(one), rel=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_backgrounds_of_any_layout(layout: str) -> None:
    change = LAYOUTS[layout]
    turned = layout.startswith("by columns")
    image, mask, _ = scene((300, 500))

    def grids(pixels: np.ndarray, bits: np.ndarray, bzero: int = 0, nx: int = 5, ny: int = 3) -> Any:
        bctrl = afwMath.BackgroundControl(nx, ny, control())
        return _core.Background(pixels, bits, None, 0, 0, bctrl, 1, bzero).get_stats_planes()

    def plain(pixels: np.ndarray) -> Any:
        # Sums are taken in the order of memory, so that an image by columns has those of its transpose.
        if not turned:
            return grids(pixels, mask)
        return [plane.T for plane in grids(np.ascontiguousarray(pixels.T), np.ascontiguousarray(mask.T), nx=3, ny=5)]

    def check(got: Any, want: Any) -> None:
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            np.testing.assert_array_equal(one, other)

    check(grids(change(image), change(mask)), plain(image))
    double = image.astype(np.float64) + 1e-9
    check(grids(change(double), mask), plain(double))
    pixels = np.nan_to_num(image).astype(np.int32)
    want = plain(pixels)
    check(grids(change(pixels.astype(np.uint16)), change(mask)), want)
    check(grids(change((pixels - 32768).astype(np.int16)), mask, 32768), want)


@pytest.mark.parametrize("estimator", ["mean", "biweight"])
def test_meshes_of_columns_are_those_of_the_transpose(estimator: str) -> None:
    image, mask, _ = scene((150, 220))
    options = MeshOptions(50, 40, estimator, "mad"), MeshOptions(40, 50, estimator, "mad")
    found = measure_mesh(Planes(np.asfortranarray(image), mask), 2, options[0])
    turned = measure_mesh(Planes(np.ascontiguousarray(image.T), np.ascontiguousarray(mask.T)), 2, options[1])
    rows = measure_mesh(Planes(image, mask), 2, options[0])
    for name in ("level", "error", "rms", "number", "good"):
        got = getattr(found, name)()
        np.testing.assert_array_equal(got, getattr(turned, name)().T)
        np.testing.assert_allclose(got, getattr(rows, name)(), rtol=1e-12)
    assert evensky.clipped_stats(np.asfortranarray(image)) == evensky.clipped_stats(np.ascontiguousarray(image.T))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_pairs_of_any_layout(layout: str, dtype: str) -> None:
    change = LAYOUTS[layout]
    planes = [(image.astype(dtype), mask, variance) for image, mask, variance in (scene((300, 400), s) for s in (1, 2))]
    changed = [tuple(change(plane) for plane in exposure) for exposure in planes]
    options = _core.PairOptions()
    options.binSize, options.referenceBadMask, options.scienceBadMask = 64, 2, 2
    edges = [[0, 100, 200, 400], [0, 150, 290]]
    limits = np.full((2, 3), [[-10.0], [-np.inf]]), np.full((2, 3), [[10.0], [np.inf]])

    def pair(one: Any, other: Any) -> Any:
        matched = np.zeros(planes[0][0].shape, dtype)
        result = _core.matchBackgrounds(one, other, matched, 0, 0, options)
        bins = _core.bin_differences(one[:2], other[:2], *edges, options)
        sums = _core.sum_differences(one[:2], other[:2], *edges, *limits, options)
        return matched, result.fitRMS, result.matchedMSE, result.diffImVar, bins, sums

    np.testing.assert_equal(pair(*changed), pair(*planes))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8])
def test_masks_of_one_byte_are_those_of_int32(layout: str, dtype: type) -> None:
    change = LAYOUTS[layout]
    image, mask, variance = scene((150, 1100))
    small = (mask & 2 != 0) if dtype is np.bool_ else mask.astype(dtype) | np.uint8(128)
    given, wide, bad = change(small), small.astype(np.int32), 1 if dtype is np.bool_ else 2
    assert given.dtype == dtype

    def results(bits: np.ndarray) -> list[Any]:
        sctrl = afwMath.StatisticsControl(3.0, 3, bad)
        found = _core.makeStatistics(image, bits, variance, variance, FLAGS, sctrl, 2)
        bctrl = afwMath.BackgroundControl(10, 3, sctrl)
        mesh = measure_mesh(Planes(image, bits), bad, MeshOptions(50, 40, "biweight", "mad"))
        options = _core.PairOptions()
        options.binSize = 50
        options.referenceBadMask = options.scienceBadMask = bad
        pair = (image, bits), (image * np.float32(1.1), bits)
        marked = image.copy()
        _core.mark_bad(marked, bits, bad)
        return [
            numbers(image, bits, sctrl=sctrl),
            (found.getOrMask(), found.getValue(afwMath.MEANCLIP)),
            _core.Background(image, bits, None, 0, 0, bctrl, 1).get_stats_planes(),
            (mesh.level(), mesh.rms(), mesh.good()),
            _core.clippedStats(image, bits, bad, 3.0, 3.0, 5, "median", "mad_std", 0.0),
            _core.bin_differences(*pair, [0, 500, 1100], [0, 90, 150], options),
            marked,
        ]

    np.testing.assert_equal(results(given), results(wide))


def test_bytes_that_are_viewed_as_booleans() -> None:
    image, mask, _ = scene((300, 400))
    quality = (mask * 2).astype(np.uint8)  # no value has bit 0
    given = quality.view(np.bool_)
    got, expected = (evensky.estimate_background(image, one, bin_size=50) for one in (given, quality != 0))
    np.testing.assert_array_equal(got.image, expected.image)
    assert (got.image != evensky.estimate_background(image, bin_size=50).image).any()


def test_planes_by_columns_are_not_copied() -> None:
    image, mask, _ = (np.asfortranarray(plane) for plane in scene((40, 60)))
    planes, _ = select_planes(image, mask, 2)
    assert np.shares_memory(planes.image, image)
    assert np.shares_memory(planes.mask, mask)


def test_a_boolean_mask_is_not_copied() -> None:
    image, mask, _ = scene((40, 60))
    bad = mask & 2 != 0
    planes, bits = select_planes(image, bad, None)
    assert planes.mask is bad
    assert bits == 1
    before = bad.copy()
    reject_pixels(planes, np.isnan(image))
    assert planes.mask.dtype == np.bool_
    np.testing.assert_array_equal(planes.mask, before | np.isnan(image))
    np.testing.assert_array_equal(bad, before)
    for results in (
        lambda mask: evensky.estimate_background(image, mask, bin_size=20).image,
        lambda mask: evensky.clipped_stats(image, mask),
        lambda mask: evensky.clipped_stats(image, mask, axis=0).mean,
        lambda mask: evensky.image_statistics(image, mask).mean,
        lambda mask: afwMath.makeStatistics(np.ma.array(image, mask=mask != 0), afwMath.MEAN).getValue(),
    ):
        np.testing.assert_array_equal(results(bad), results(bad.astype(np.int32)))
    stacked = afwMath.statisticsStack([np.ma.array(image, mask=bad)] * 2, afwMath.MEAN)
    np.testing.assert_array_equal(stacked.image.array[~bad], image[~bad])


def test_pairs_of_whole_numbers() -> None:
    planes = [np.nan_to_num(scene((200, 300), s)[0]).astype(np.uint16) for s in (1, 2)]
    options = _core.PairOptions()
    want = _core.bin_differences(*((p.astype(np.float32), None) for p in planes), [0, 100, 300], [0, 200], options)
    np.testing.assert_equal(
        _core.bin_differences(*((p.astype(">u2"), None) for p in planes), [0, 100, 300], [0, 200], options), want
    )


def test_what_is_refused() -> None:
    image, mask, variance = scene((20, 30))
    for call, match in (
        (lambda: numbers(image, bzero=32768), "bzero = 32768 with pixels of dtype float32"),
        (lambda: numbers(mask.astype(np.int16), bzero=7), "bzero = 7"),
        (lambda: numbers(image.astype(np.complex64)), "complex64; it must be float32"),
        (lambda: numbers(image, mask.astype(np.int64)), "The mask has dtype int64; it must be int32"),
        (lambda: numbers(image, mask, variance.astype("f8")), "The variance has dtype float64; it must be float32"),
        (lambda: numbers(image[0]), r"shape \(30,\); it must have two"),
        (
            lambda: _core.bin_differences(
                (image, None), (image.astype("f8"), None), [0, 5], [0, 5], _core.PairOptions()
            ),
            "both must be of float64, or both of float32",
        ),
    ):
        with pytest.raises(errors.InvalidParameterError, match=match):
            call()
