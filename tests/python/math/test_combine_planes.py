"""combine_planes against plain numpy: statistics, clipping, weights, variances, masks and counts."""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from astropy.stats import sigma_clip
from astropy.utils.exceptions import AstropyUserWarning

import evensky.image as afwImage
import evensky.math as afwMath
from evensky import _core
from evensky.errors import InvalidParameterError, LengthError
from evensky.errors import TypeError as WrongTypeError
from evensky.math import combined_noise
from evensky.math.combine_planes import CombinedPlanes, CombineOptions, combine_planes
from evensky.math.combined_noise import variance_factors, variance_softening

BAD, SAT, DETECTED, EDGE = 1, 2, 32, 16
COUNTS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65)
OPTIONS = {
    "mean": CombineOptions("mean"),
    "median": CombineOptions("median"),
    "meanclip": CombineOptions(),
    "narrow": CombineOptions(sigma_low=1.5, sigma_high=2.0, rounds=7),
    "about the median": CombineOptions(centre="median", sigma_low=2.0, sigma_high=1.5, rounds=5),
    "about the mean": CombineOptions(centre="mean", scatter="std", sigma_low=1.5, rounds=5),
    "by the mad": CombineOptions(scatter="mad", sigma_high=2.5, rounds=5),
    "mean by the mad": CombineOptions(centre="mean", scatter="mad", sigma_low=2.5, sigma_high=2.0),
    "by variance": CombineOptions("mean", by_variance=True),
    "clipped by variance": CombineOptions(sigma_low=2.0, sigma_high=2.0, by_variance=True),
    "left, by variance": CombineOptions(centre="median", sigma_low=2.0, sigma_high=2.0, by_variance=True),
}
# Normal numbers in the simulations of the factors of variances, whose values are those of test_combined_noise.py.
SAMPLES = 1 << 15


@pytest.fixture(scope="module", autouse=True)
def _factors_of_short_simulations() -> Iterator[None]:
    """Simulate less: here, factors need to be the same in what is compared, not accurate."""
    kept = [value for value in vars(combined_noise).values() if hasattr(value, "cache_clear")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(combined_noise, "_SAMPLES", SAMPLES)
        for one in kept:
            one.cache_clear()
        yield
    for one in kept:
        one.cache_clear()


def scene(n: int, height: int = 3, width: int = 37, dtype: Any = np.float32, seed: int = 1) -> tuple[Any, Any, Any]:
    """Return images, masks and variances, with outliers, NaN, infinities, ties, and a column without good pixels."""
    rng = np.random.default_rng(seed + n)
    image = rng.normal(100.0, 5.0, (n, height, width)).astype(dtype)
    image[rng.random(image.shape) < 0.05] += 300.0
    image[rng.random(image.shape) < 0.05] -= 200.0
    image[rng.random(image.shape) < 0.02] = np.nan
    image[rng.random(image.shape) < 0.01] = np.inf
    image[rng.random(image.shape) < 0.01] = -np.inf
    image[:, 0, :5] = 7.25
    image[:, 0, 5:9] = np.round(image[:, 0, 5:9] / 8.0)
    mask = np.zeros(image.shape, np.int32)
    for bit in (BAD, SAT, DETECTED, EDGE, -(2**31)):
        mask[rng.random(image.shape) < 0.08] |= bit
    mask[:, 1, 3] |= BAD
    variance = rng.uniform(10.0, 40.0, image.shape).astype(np.float32)
    variance[rng.random(image.shape) < 0.02] = 0.0
    variance[rng.random(image.shape) < 0.01] = np.inf
    return image, mask, variance


def moments(x: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    """Return the weighted mean and unbiased standard deviation."""
    if not w.sum() > 0.0:
        return np.nan, np.nan
    mean = (w * (x - x[0])).sum() / w.sum() + x[0]
    with np.errstate(all="ignore"):
        unbiased = w.sum() - (w**2).sum() / w.sum()
        return mean, np.sqrt((w * (x - mean) ** 2).sum() / unbiased) if len(x) > 1 else np.nan


def survivors(x: np.ndarray, w: np.ndarray, options: CombineOptions) -> np.ndarray:
    """Return which values clipping leaves."""
    keep = np.ones(len(x), bool)
    low, high = options.sigma_low, options.sigma_high
    if options.centre is None and options.scatter is None:
        quarter, centre, three = np.percentile(x, (25, 50, 75))
        scatter = 0.741301109252802 * (three - quarter)
        for round_ in range(options.rounds):
            if round_ > 0:
                centre, stdev = moments(x[keep], w[keep]) if keep.any() else (np.nan, np.nan)
                scatter = scatter if len(x) == 1 else stdev
            keep = (x >= centre - low * scatter) & (x <= centre + high * scatter)
        return keep
    for _ in range(options.rounds):
        left = x[keep]
        centre = left.mean() if options.centre == "mean" else np.median(left)
        mad = 1.482602218505602 * np.median(abs(left - np.median(left)))
        scatter = mad if options.scatter == "mad" else left.std()
        window = (x >= centre - low * scatter) & (x <= centre + high * scatter)
        inside = keep & window
        if not inside.any() or (inside == keep).all():
            break
        keep = inside
    return window


def reference(image: Any, mask: Any, variance: Any, bad: Any, options: CombineOptions, weights: Any = None) -> Any:
    """Return what combine_planes should, pixel by pixel."""
    n, height, width = image.shape
    dtype = image.dtype
    bits = np.broadcast_to(bad, n).reshape(n, 1, 1)
    good = np.isfinite(image) & ((mask & bits) == 0)
    if options.by_variance:
        good &= (variance > 0.0) & np.isfinite(variance)
    result = CombinedPlanes(
        image=np.full((height, width), np.nan, dtype),
        variance=np.full((height, width), np.nan, np.float32),
        mask=np.zeros((height, width), np.int32),
        number=np.zeros((height, width), np.int32),
        rejected=np.zeros((height, width), np.int32),
        weight=np.zeros((height, width), np.float32),
        rejected_by_image=np.zeros(n, np.int64),
        masked_by_image=(~good).sum(axis=(1, 2)),
    )
    w_image = np.ones(n) if weights is None else np.float64(weights)
    for y, x in np.ndindex(height, width):
        here = good[:, y, x]
        if not here.any():
            continue
        v = variance[here, y, x].astype(float)
        value = image[here, y, x].astype(float)
        w = np.float64(np.float32(1) / variance[here, y, x]) if options.by_variance else w_image[here]
        keep = survivors(value, w, options) if options.statistic == "meanclip" else np.ones(len(value), bool)
        result.number[y, x] = keep.sum()
        result.rejected[y, x] = (~keep).sum()
        result.rejected_by_image[np.flatnonzero(here)[~keep]] += 1
        if not keep.any():
            continue
        value, v, w = value[keep], v[keep], w[keep]
        result.mask[y, x] = np.bitwise_or.reduce(mask[here, y, x][keep])
        result.weight[y, x] = w.sum()
        if options.statistic == "median":
            result.image[y, x] = np.median(value)
            result.variance[y, x] = v.sum() / len(v) ** 2 * (np.pi / 2 if len(v) > 2 else 1.0)
        else:
            result.image[y, x] = (w * value).sum() / w.sum()
            result.variance[y, x] = (w**2 * v).sum() / w.sum() ** 2
        if options.statistic != "mean" and not options.by_variance and weights is None:
            result.variance[y, x] *= softened(v, softening_of(options, n)[here.sum()])
    result.variance *= factors_of(options, n)[result.number + result.rejected]
    return result


def softened(v: np.ndarray, softening: float) -> float:
    """Return the softened mean of variances in units of their mean; sums are in single precision."""
    mean = v.sum() / len(v)
    alike = v.max() <= 1.03 * mean and mean <= 1.03 * v.min()
    if alike or not np.isfinite(softening):
        return 1.0
    scale, added, total = np.float32(1 / mean), np.float32(softening), np.float32(0)
    with np.errstate(invalid="ignore"):
        for one in np.float32(v):
            total += np.float32(1) / (one * scale + added)
    found = len(v) / float(total) - softening
    return found if 0 <= found <= 1 else 1.0


def clipping_of(options: CombineOptions) -> tuple[Any, ...]:
    clipping = options.sigma_low, options.sigma_high, options.rounds, options.centre, options.scatter
    return options.statistic, *clipping


def factors_of(options: CombineOptions, most: int) -> np.ndarray:
    """Return the factors of the variances, which test_combined_noise.py tests."""
    return variance_factors(*clipping_of(options), most)


def softening_of(options: CombineOptions, most: int) -> np.ndarray:
    """Return what softens the mean of variances, which test_combined_noise.py tests."""
    return variance_softening(*clipping_of(options), most)


def assert_close(got: CombinedPlanes, want: CombinedPlanes) -> None:
    """Compare all planes."""
    tolerance = 2e-7 if got.image.dtype == np.float32 else 1e-13
    np.testing.assert_allclose(got.image, want.image, rtol=tolerance)
    for name in ("number", "rejected", "mask", "masked_by_image", "rejected_by_image"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name), err_msg=name)
    if got.variance is not None:
        np.testing.assert_allclose(got.variance, want.variance, rtol=1e-6)
    if got.weight is not None:
        np.testing.assert_allclose(got.weight, want.weight, rtol=1e-6)


def same_bits(one: CombinedPlanes, other: CombinedPlanes) -> bool:
    """Whether all planes are bit-identical."""
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
    return all(a.tobytes() == b.tobytes() if a is not None else b is None for a, b in pairs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", OPTIONS)
def test_each_pixel_is_what_numpy_makes_of_its_column(name: str, dtype: Any) -> None:
    for n in COUNTS if name in ("meanclip", "by the mad") else COUNTS[::3]:
        image, mask, variance = scene(n, dtype=dtype)
        got = combine_planes(image, mask, variance, bad=BAD | SAT, options=OPTIONS[name])
        assert got.image.dtype == dtype
        assert_close(got, reference(image, mask, variance, BAD | SAT, OPTIONS[name]))


@pytest.mark.parametrize("n", [500, 3000])
@pytest.mark.parametrize("name", ["mean", "median", "meanclip", "by the mad", "clipped by variance"])
def test_hundreds_and_thousands_of_images(name: str, n: int) -> None:
    image, mask, variance = scene(n, 2, 18)
    got = combine_planes(image, mask, variance, bad=BAD, options=OPTIONS[name])
    assert_close(got, reference(image, mask, variance, BAD, OPTIONS[name]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", [name for name, options in OPTIONS.items() if not options.by_variance])
def test_images_alone_are_combined_as_with_masks_that_reject_nothing(name: str, dtype: Any) -> None:
    for n in (*COUNTS, 20, 129, 257):
        broken, none, variance = scene(n, width=75, dtype=dtype)
        none[...] = 0
        whole = np.where(np.isfinite(broken), broken, dtype(99))
        # Some of the columns that are computed side by side have broken pixels, or all, or none.
        few = whole.copy()
        few[n // 2, 0, 40] = np.nan
        few[:, 1, 41] = np.inf
        for image in (whole, few, broken):
            alone = combine_planes(image, options=OPTIONS[name])
            masked = combine_planes(image, none, options=OPTIONS[name])
            assert same_bits(alone, masked), n
            assert (alone.masked_by_image == (~np.isfinite(image)).sum(axis=(1, 2))).all(), n
        if n in (3, 20, 33):
            want = reference(few, none, variance, 0, OPTIONS[name])
            got = combine_planes(few, options=OPTIONS[name])
            np.testing.assert_array_equal(got.number, want.number)
            np.testing.assert_array_equal(got.rejected_by_image, want.rejected_by_image)
            np.testing.assert_allclose(got.image, want.image, rtol=2e-7)


@pytest.mark.parametrize("name", ["mean", "meanclip", "about the median"])
def test_weights_of_images(name: str) -> None:
    image, mask, variance = scene(11)
    weights = np.linspace(0.1, 3.0, 11)
    got = combine_planes(image, mask, variance, bad=BAD, options=OPTIONS[name], weights=weights)
    assert_close(got, reference(image, mask, variance, BAD, OPTIONS[name], weights))
    # An image of weight 0 is left out.
    weights[4] = 0.0
    others = np.arange(11) != 4
    got = combine_planes(image, mask, variance, bad=BAD, options=OPTIONS[name], weights=weights)
    want = combine_planes(image[others], mask[others], variance[others], bad=BAD, options=OPTIONS[name],
                          weights=weights[others])  # fmt: skip
    assert got.masked_by_image[4] == image[4].size
    assert got.rejected_by_image[4] == 0
    for counts in ("masked_by_image", "rejected_by_image"):
        np.testing.assert_array_equal(getattr(got, counts)[others], getattr(want, counts))
        setattr(got, counts, getattr(want, counts))
    assert same_bits(got, want)


def test_each_image_has_its_own_bad_bits_and_may_lack_a_mask() -> None:
    image, mask, variance = scene(6)
    bad = [BAD, SAT, 0, BAD | SAT, EDGE, DETECTED]
    got = combine_planes(image, mask, variance, bad=bad)
    assert_close(got, reference(image, mask, variance, bad, CombineOptions()))
    masks = [None if i in (1, 4) else plane for i, plane in enumerate(mask)]
    mask[[1, 4]] = 0
    assert same_bits(combine_planes(image, masks, variance, bad=bad), combine_planes(image, mask, variance, bad=bad))
    # A result without variances is the same otherwise.
    without = combine_planes(image, mask, [None, *variance[1:]], bad=bad)
    assert without.variance is None
    assert without.image.tobytes() == combine_planes(image, mask, variance, bad=bad).image.tobytes()


@pytest.mark.parametrize("name", ["median", "std", "mad", "original"])
def test_a_window_of_infinite_width_rejects_nothing_even_if_the_scatter_is_0(name: str) -> None:
    kinds: dict[str, Any] = {
        "median": {"centre": "median"},
        "std": {"centre": "mean", "scatter": "std"},
        "mad": {"scatter": "mad"},
        "original": {},
    }
    image = np.full((9, 2, 40), 7.0, np.float32)
    image[4, 1, 3] = 70.0
    got = combine_planes(image, options=CombineOptions(sigma_low=np.inf, sigma_high=np.inf, **kinds[name]))
    np.testing.assert_array_equal(got.number, 9)
    np.testing.assert_allclose(got.image, image.mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("rounds", [1, 2, 3, 8])
@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_meanclip_has_the_bits_of_statisticsStack(sigma: float, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The variances of statisticsStack are not softened.
    module = importlib.import_module("evensky.math.combine_planes")
    monkeypatch.setattr(module, "variance_softening", lambda *options: ())
    for n in (1, 2, 3, 5, 12, 40):
        image, mask, variance = scene(n)
        got = combine_planes(image, mask, variance, bad=BAD, options=CombineOptions("meanclip", sigma, sigma, rounds))
        sctrl = afwMath.StatisticsControl(sigma, rounds, BAD)
        sctrl.setCalcErrorFromInputVariance(True)
        images = [afwImage.MaskedImageF(afwImage.ImageF(i), afwImage.Mask(m), afwImage.ImageF(v))
                  for i, m, v in zip(image, mask, variance, strict=True)]  # fmt: skip
        want = afwMath.statisticsStack(images, afwMath.MEANCLIP, sctrl)
        assert got.image.tobytes() == want.image.array.tobytes()
        assert got.variance is not None
        factors = factors_of(CombineOptions("meanclip", sigma, sigma, rounds), n)
        assert got.variance.tobytes() == (want.variance.array * factors[got.number + got.rejected]).tobytes()


def test_bands_parts_threads_and_strides_do_not_change_a_bit() -> None:
    image, mask, variance = scene(13, 9, 301)
    for name, options in OPTIONS.items():
        whole = combine_planes(image, mask, variance, bad=BAD, options=options)
        assert same_bits(whole, combine_planes(image, mask, variance, bad=BAD, options=options, num_threads=3)), name
        for part in (np.s_[:, 2:5], np.s_[:, :, 3:20], np.s_[:, 4:5, 290:], np.s_[:, ::2, ::-3]):
            got = combine_planes(image[part], mask[part], variance[part], bad=BAD, options=options)
            assert got.image.tobytes() == whole.image[part[1:]].tobytes(), name
            assert got.mask.tobytes() == whole.mask[part[1:]].tobytes(), name
            assert got.number.tobytes() == whole.number[part[1:]].tobytes(), name
            assert got.variance is not None
            assert whole.variance is not None
            assert got.variance.tobytes() == whole.variance[part[1:]].tobytes(), name
        transposed = [plane.transpose(0, 2, 1) for plane in (image, mask, variance)]
        got = combine_planes(*transposed, bad=BAD, options=options)
        assert got.image.T.tobytes() == whole.image.tobytes(), name
        assert got.masked_by_image.tobytes() == whole.masked_by_image.tobytes()


def test_instruction_sets_do_not_change_a_bit() -> None:
    digests = {}
    levels = ("portable", "avx2", "avx512")
    for level in levels[: levels.index(_core.simd_level()) + 1]:
        environment = {**os.environ, "EVENSKY_SIMD": level}
        command = [sys.executable, __file__]
        found, *both = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout.split()
        digests[found] = both
    assert "portable" in digests
    for one in zip(*digests.values(), strict=True):
        assert len(set(one)) == 1, digests


def digest(dtype: str) -> str:
    """Return a digest of many results."""
    total = hashlib.sha256()
    for n in (*COUNTS, 500):
        image, mask, variance = scene(n, 2, 53, np.dtype(dtype))
        for options in OPTIONS.values():
            result = combine_planes(image, mask, variance, bad=BAD, options=options)
            for field in fields(result):
                plane = getattr(result, field.name)
                if plane is not None:
                    # NaN has one sign and payload in results.
                    total.update(
                        np.where(np.isnan(plane), np.nan, plane).tobytes() if plane.dtype.kind == "f" else plane
                    )
    return total.hexdigest()


@pytest.mark.parametrize("scatter", ["std", "mad"])
@pytest.mark.parametrize("centre", ["median", "mean"])
def test_clipping_about_a_centre_is_that_of_astropy(centre: str, scatter: str) -> None:
    image, _, _ = scene(21)
    image[~np.isfinite(image)] = np.nan
    options = CombineOptions(sigma_low=2.0, sigma_high=2.5, rounds=4, centre=centre, scatter=scatter)
    got = combine_planes(image, options=options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)  # of NaN in the images
        clipped = sigma_clip(
            image,
            sigma_lower=2.0,
            sigma_upper=2.5,
            maxiters=4,
            cenfunc=centre,
            stdfunc="mad_std" if scatter == "mad" else "std",
            axis=0,
            masked=False,
        )
    np.testing.assert_array_equal(got.number, np.isfinite(clipped).sum(axis=0))
    assert (got.number < np.isfinite(image).sum(axis=0)).any()
    some = got.number > 0
    want = np.nansum(clipped, axis=0, dtype=float)[some] / got.number[some]
    np.testing.assert_allclose(got.image[some], want, rtol=2e-7)


def test_out_is_filled_and_can_be_used_again() -> None:
    image, mask, variance = scene(5)
    out = combine_planes(image, mask, variance, bad=BAD)
    planes = (out.image, out.mask)
    again = combine_planes(image[::-1] + 1, mask[::-1], variance[::-1], bad=SAT, out=out)
    assert again is out
    assert again.image is planes[0]
    assert again.mask is planes[1]
    assert same_bits(again, combine_planes(image[::-1] + 1, mask[::-1], variance[::-1], bad=SAT))
    with pytest.raises(InvalidParameterError, match="out has a variance and no weight but the result has no variance"):
        combine_planes(image, out=out)
    with pytest.raises(WrongTypeError, match=r"out\.image has dtype float32 but the images have float64"):
        combine_planes(image.astype(float), out=out)


@pytest.mark.parametrize("number", [1, 3, 20, 129, 257])
@pytest.mark.parametrize("name", ["mean", "narrow", "clipped by variance"])
def test_columns_do_not_depend_on_the_blocks_that_they_are_copied_in(name: str, number: int) -> None:
    """Wide rows are copied by blocks of columns ahead of time; some images have no mask."""
    image, mask, variance = scene(number, height=2, width=1109 if number < 100 else 150)
    masks = [None if i % 3 == 1 else one for i, one in enumerate(mask)]
    whole = combine_planes(image, masks, variance, bad=BAD, options=OPTIONS[name])
    edges = [0, 1, 8, 64, 107, 128, 149] + [1024, 1025, 1100, 1109] * (number < 100)
    counts = np.zeros((2, number), np.int64)
    for first, last in pairwise(edges):
        part = (slice(None), slice(first, last))
        some = [None if one is None else one[part] for one in masks]
        piece = combine_planes(image[:, *part], some, variance[:, *part], bad=BAD, options=OPTIONS[name])
        for plane in ("image", "variance", "mask", "number", "rejected"):
            np.testing.assert_array_equal(getattr(whole, plane)[part], getattr(piece, plane), err_msg=plane)
        counts += piece.masked_by_image, piece.rejected_by_image
    if edges[-1] == image.shape[2]:
        np.testing.assert_array_equal(counts, [whole.masked_by_image, whole.rejected_by_image])
    none = combine_planes(image, None, variance, options=OPTIONS[name])
    zeros = combine_planes(image, np.zeros_like(mask), variance, bad=BAD, options=OPTIONS[name])
    assert same_bits(none, zeros)


@pytest.mark.parametrize("name", ["mean", "median", "narrow", "about the median", "clipped by variance"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_times_are_summed_over_the_pixels_that_are_used(name: str, dtype: Any) -> None:
    """The bits of the sum of powers of 2 tell which images it is of."""
    image, mask, variance = scene(17, dtype=dtype)
    times = 2.0 ** np.arange(17)
    result = combine_planes(image, mask, variance, bad=BAD, options=OPTIONS[name], times=times)
    used = (result.time.astype(int) >> np.arange(17)[:, None, None]) & 1
    np.testing.assert_array_equal(used.sum(axis=0), result.number)
    size = image[0].size
    np.testing.assert_array_equal(size - used.sum(axis=(1, 2)), result.masked_by_image + result.rejected_by_image)
    assert (result.rejected_by_image.sum() > 0) == (name not in ("mean", "median"))
    without = combine_planes(image, mask, variance, bad=BAD, options=OPTIONS[name])
    assert without.time is None
    assert same_bits(replace(result, time=None), without)


def test_images_of_weight_0_add_no_time() -> None:
    image = np.ones((3, 2, 2), np.float32)
    result = combine_planes(image, options=CombineOptions("mean"), weights=[1, 0, 2], times=[30, 60, 90])
    np.testing.assert_array_equal(result.time, 120)


def test_wrong_times_are_refused() -> None:
    image = np.ones((3, 2, 2), np.float32)
    with pytest.raises(LengthError, match="There are 2 times for 3 images; each needs one"):
        combine_planes(image, times=[1, 2])
    with pytest.raises(InvalidParameterError, match=r"times\[1\] is nan; it must be finite and not negative"):
        combine_planes(image, times=[1, np.nan, 3])
    out = combine_planes(image)
    with pytest.raises(InvalidParameterError, match="out has no time but times are given"):
        combine_planes(image, times=[1, 2, 3], out=out)


def test_variances_beyond_float32_weights() -> None:
    """1 / 1e-44 is infinite in float32."""
    image = np.array([[[1.0]], [[3.0]]], np.float32)
    variance = np.array([[[1e-44]], [[3e-44]]], np.float32)
    result = combine_planes(image, None, variance, options=CombineOptions("mean", by_variance=True))
    w = 1.0 / variance.astype(float).ravel()
    assert result.image[0, 0] == np.float32((w[0] + 3.0 * w[1]) / w.sum())
    assert result.number[0, 0] == 2


def test_values_near_the_limits_of_their_type() -> None:
    for dtype in (np.float32, np.float64):
        largest = np.finfo(dtype).max
        image = np.array([[[largest, -largest, 0.0, 1e-44]]] * 3, dtype)
        for options in OPTIONS.values():
            if not options.by_variance and dtype == np.float32:
                np.testing.assert_array_equal(combine_planes(image, options=options).image, image[0])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"statistic": "mode"}, InvalidParameterError, "statistic is 'mode'; it must be one of 'mean', 'median'"),
        ({"sigma_low": 0.0}, InvalidParameterError, "sigma_low is 0; it must be positive"),
        ({"sigma_high": float("nan")}, InvalidParameterError, "sigma_high is nan; it must be positive"),
        ({"sigma_high": "3"}, WrongTypeError, "sigma_high: '3' is a str"),
        ({"rounds": 0}, InvalidParameterError, "rounds is 0; it must be 1 to 1000"),
        ({"rounds": 1001}, InvalidParameterError, "rounds is 1001"),
        ({"rounds": 2.5}, WrongTypeError, r"rounds: 2\.5 is a float"),
        ({"centre": "mode"}, InvalidParameterError, "centre is 'mode'; it must be one of 'median', 'mean'"),
        ({"scatter": "iqr"}, InvalidParameterError, "scatter is 'iqr'; it must be one of 'std', 'mad'"),
        ({"statistic": "median", "by_variance": True}, InvalidParameterError, "'median', which has no weights"),
    ],
)
def test_options_are_checked(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        replace(CombineOptions(), **change)


IMAGES = np.zeros((3, 2, 4), np.float32)


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "message"),
    [
        (([],), {}, LengthError, "There are 0 images to combine"),
        (
            ([IMAGES[0], IMAGES[1].astype(float)],),
            {},
            WrongTypeError,
            "Image 1 has dtype float64 but image 0 has float32",
        ),
        (([IMAGES[0].astype(int)],), {}, WrongTypeError, "Image 0 has dtype int64; float32 or float64 in native"),
        (([IMAGES[0].astype(">f4")],), {}, WrongTypeError, "Image 0 has dtype >f4"),
        (([IMAGES[0], IMAGES[1][:1]],), {}, InvalidParameterError, r"Image 1 has shape \(1, 4\) and image 0 \(2, 4\)"),
        ((IMAGES, IMAGES.astype(np.int32)[:2]), {}, LengthError, "There are 2 masks for 3 images"),
        ((IMAGES, IMAGES), {}, WrongTypeError, r"masks\[0\] has dtype float32; int32 in native byte order is needed"),
        ((IMAGES, None, IMAGES.astype(np.int32)), {}, WrongTypeError, r"variances\[0\] has dtype int32; float32 in"),
        ((IMAGES, None, IMAGES[:, :1]), {}, InvalidParameterError, r"variances\[0\] has shape \(1, 4\)"),
        ((IMAGES,), {"bad": [1, 2]}, LengthError, "bad has 2 numbers for 3 images"),
        ((IMAGES,), {"bad": 2**32}, InvalidParameterError, "4294967296 does not fit into the 32 bits"),
        ((IMAGES,), {"weights": [1.0]}, LengthError, "There are 1 weights for 3 images"),
        ((IMAGES,), {"weights": [1, -1, 1]}, InvalidParameterError, r"weights\[1\] is -1\.0; it must be finite"),
        ((IMAGES,), {"weights": [0, 0, 0]}, InvalidParameterError, "All weights are 0"),
        ((IMAGES,), {"weights": [1, 1, 2], "options": CombineOptions("median")}, InvalidParameterError, "'median'"),
        ((IMAGES,), {"options": CombineOptions(by_variance=True)}, InvalidParameterError, "Image 0 has no variances"),
        ((IMAGES,), {"options": "mean"}, WrongTypeError, "CombineOptions are needed"),
        ((IMAGES,), {"num_threads": -1}, InvalidParameterError, "num_threads = -1"),
    ],
)
def test_arguments_are_checked(arguments: Any, keywords: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        combine_planes(*arguments, **keywords)


if __name__ == "__main__":
    combined_noise._SAMPLES = SAMPLES
    print(_core.simd_level(), digest("float32"), digest("float64"))


@pytest.mark.parametrize("statistic", ["mean", "meanclip"])
def test_equal_weights_are_no_weights(statistic: str) -> None:
    rng = np.random.default_rng(4)
    noise = np.array([1, 1, 2, 3, 3], np.float32)[:, None, None]
    images = rng.normal(0, noise, (5, 40, 50)).astype(np.float32)
    variances = np.broadcast_to(noise**2, images.shape).astype(np.float32)
    options = CombineOptions(statistic)
    plain = combine_planes(images, variances=variances, options=options)
    for weight in (1.0, 0.7, 1e-30):
        # An image without weight does not make the others differ.
        made = combine_planes(
            [*images, images[0]], variances=[*variances, variances[0]], weights=[weight] * 5 + [0.0], options=options
        )
        np.testing.assert_array_equal(made.image, plain.image)
        np.testing.assert_array_equal(made.variance, plain.variance)
        np.testing.assert_allclose(made.weight, plain.number * np.float32(weight), rtol=1e-6)
