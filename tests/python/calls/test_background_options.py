"""Options of the bins of a background: estimators, filters, excluded bins, and attributes of the result."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from skies import BAD, SKY, ccd, check_ccd

import evensky
from evensky.errors import InvalidParameterError
from evensky.errors import RuntimeError as EvenskyRuntimeError
from evensky.image import ImageF, Mask, MaskedImageF
from evensky.math import BackgroundControl, StatisticsControl, makeBackground
from reference import sextractor_mesh as slow

# The mirrored control that corresponds to statistic="meanclip" and bins of 16 px.
OLD = BackgroundControl("AKIMA_SPLINE", 10, 8, "REDUCE_INTERP_ORDER", StatisticsControl(andMask=1), "MEANCLIP")


def test_the_estimator_mean_gives_the_clipped_mean() -> None:
    usual = evensky.estimate_background(SKY, BAD, bin_size=32, statistic="meanclip")
    mesh = evensky.estimate_background(SKY, BAD, bin_size=32, estimator="mean", filter_size=1)
    np.testing.assert_allclose(mesh.stats.value, usual.stats.value, rtol=1e-6)
    np.testing.assert_allclose(mesh.stats.error, usual.stats.error, rtol=1e-6)
    np.testing.assert_allclose(mesh.image, usual.image, rtol=1e-6)
    np.testing.assert_allclose(mesh.rms_image, usual.rms_image, rtol=1e-3)  # divisors n and n - 1
    np.testing.assert_allclose(mesh.background_rms_mesh, usual.background_rms_mesh, rtol=1e-3)
    for result in (usual, mesh):
        np.testing.assert_array_equal(result.background_mesh, result.stats.value)
        np.testing.assert_array_equal(result.background_rms, result.rms_image)
        assert result.background_median == result.level
        assert result.background_rms_median == np.median(result.background_rms_mesh)
        np.testing.assert_allclose(result.background.getImageF().array, result.image, rtol=1e-6)


@pytest.mark.parametrize("edge_method", ["spread", "pad"])
def test_results_are_shown_and_have_the_type_of_the_data(edge_method: str) -> None:
    data = ccd()
    result = evensky.estimate_background(
        data, bin_size=30, estimator="mmm", filter_size=(3, 1), edge_method=edge_method
    )
    check_ccd(result.image, data, bare=True)
    check_ccd(result.background_rms, data, bare=True)
    check_ccd(result.subtracted, data)
    for value in (result.level, result.background_rms_median, result.background_mesh, result.background_rms_mesh):
        assert value.unit == u.adu
    assert "level" in repr(result)
    assert "model, " in result._repr_html_()
    assert "cannot be drawn" not in result._repr_html_()
    result.plot()


def test_a_series_is_fitted_to_the_scatter_of_a_mesh() -> None:
    noise = np.linspace(2, 4, 200)
    image = np.random.default_rng(4).normal(50, 1, (150, 200)) * noise + 50 * (1 - noise)
    usual = evensky.estimate_background(image, bin_size=25, order=1)
    image[:25, :25] = np.nan
    mesh = evensky.estimate_background(image, bin_size=25, order=1, estimator="median")
    np.testing.assert_allclose(mesh.rms_image[75], noise, rtol=0.03)
    np.testing.assert_allclose(mesh.rms_image, usual.rms_image, rtol=0.03)
    assert np.argwhere(mesh.replaced).tolist() == [[0, 0]]
    assert not usual.replaced.any()
    rows = np.empty((20, 200))
    mesh.write_rows(rows, 60, rms=True)
    np.testing.assert_array_equal(rows, mesh.rms_image[60:80])
    usual.write_rows(rows, 60)
    np.testing.assert_array_equal(rows, usual.image[60:80])


def test_a_source_that_fills_a_bin_is_filtered() -> None:
    rng = np.random.default_rng(3)
    image = rng.normal(50, 2, (320, 320)).astype(np.float32)
    y, x = np.mgrid[:320, :320]
    image += 400 * np.exp(-((x - 160) ** 2 + (y - 160) ** 2) / (2 * 20.0**2)).astype(np.float32)
    plain = evensky.estimate_background(image, bin_size=32, filter_size=1).image
    assert np.abs(plain - 50).max() > 100
    for options in ({"filter_size": 5}, {"filter_size": 5, "filter_sigma": 5}):
        got = evensky.estimate_background(image, bin_size=32, **options).image
        assert np.abs(got - 50).max() < 10


def test_the_default_is_the_mode_without_bins_that_stand_out() -> None:
    image = SKY.copy()
    image[40:80, 60:100] += 60  # fills a bin
    smooth = evensky.estimate_background(image, BAD, bin_size=16)
    given = {"estimator": "mode", "filter_size": 3, "filter_sigma": 5}
    same = evensky.estimate_background(image, BAD, bin_size=16, **given, smooth_bins=True)
    np.testing.assert_array_equal(smooth.image, same.image)
    np.testing.assert_array_equal(smooth.rms_image, same.rms_image)
    got = evensky.estimate_background(image, BAD, bin_size=16, **given)
    left = ~smooth.smoothed  # errors of the others are those after smoothing
    np.testing.assert_array_equal(got.stats.error[left], smooth.stats.error[left])
    np.testing.assert_array_equal(np.isnan(got.stats.error), np.isnan(smooth.stats.error))
    plain = evensky.estimate_background(image, BAD, bin_size=16, estimator="mode", filter_size=1)
    changed = np.isnan(got.stats.error)
    assert 0 < changed.mean() < 0.2
    np.testing.assert_array_equal(got.stats.value[~changed], plain.stats.value[~changed])
    assert np.abs(got.stats.value - (100 + 30 * got.stats.x / 160)).max() < 8 < np.ptp(plain.stats.value) - 30
    old = evensky.estimate_background(image, BAD, bin_size=16, statistic="meanclip")
    np.testing.assert_array_equal(
        old.image, makeBackground(MaskedImageF(ImageF(image), Mask(BAD.astype(np.int32))), OLD).getImageF().array
    )


@pytest.mark.parametrize("edge_method", ["spread", "pad"])
def test_bins_that_stand_out_are_replaced_up_to_the_edges(edge_method: str) -> None:
    y, x = np.mgrid[:200, :170].astype(np.float64)
    plane = 5 + 0.1 * x - 0.05 * y
    noisy = plane + np.random.default_rng(4).normal(0, 5, plane.shape)
    hurt = noisy.copy()
    for bin_y, bin_x in ((0, 0), (0, 5), (9, 3), (4, 4)):
        hurt[20 * bin_y : 20 * bin_y + 20, 20 * bin_x : 20 * bin_x + 20] += 50
    options = {"bin_size": 20, "estimator": "mean", "edge_method": edge_method, "smooth_bins": False}
    got = evensky.estimate_background(hurt, **options)
    whole = evensky.estimate_background(noisy, **options)
    assert np.abs(got.stats.value - whole.stats.value).max() < 6  # of 50; a bin and the next differ by 2
    assert (got.stats.value != whole.stats.value).sum() <= 8
    none = evensky.estimate_background(hurt, filter_sigma=np.inf, **options)
    plain = evensky.estimate_background(hurt, filter_size=1, **options)
    np.testing.assert_array_equal(none.stats.value, plain.stats.value)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.random.default_rng(1).normal(500, 60, (256, 256)), "mode"),
        (np.rint(np.random.default_rng(1).normal(500, 6, (256, 256))), "grouped_mode"),
        (np.random.default_rng(1).poisson(0.1, (256, 256)).astype(float), "mean"),
    ],
    ids=["noise", "counts", "photons"],
)
@pytest.mark.parametrize("share", [0.02, 0.15, 0.6])
def test_one_value_of_pixels_without_data_is_no_step(pixels: np.ndarray, expected: str, share: float) -> None:
    holed = np.where(np.random.default_rng(2).random(pixels.shape) < share, 0, pixels)
    assert evensky.estimate_background(holed, bin_size=32).estimator == expected


@pytest.mark.parametrize(("scatter", "expected"), [(2.0, "mean"), (6.0, "grouped_mode"), (60.0, "mode")])
def test_pixels_of_coarse_steps_have_an_estimator_of_their_own(scatter: float, expected: str) -> None:
    counts = np.rint(np.random.default_rng(1).normal(500, scatter, (256, 256)))
    same = evensky.estimate_background(counts, bin_size=32, estimator=expected)
    # Also in other units and with a bias, beside NaN, masked pixels, and a stripe of zeros where there are no data.
    for unit, zero, dtype in ((1, 0, np.uint16), (1, 0, ">f4"), (1 / 1.7, 0, np.float32), (16, 100, np.int32)):
        got = evensky.estimate_background((unit * counts + zero).astype(dtype), bin_size=32)
        assert got.estimator == expected
        assert ("steps between" in got.estimator_reason) == (expected != "mode")
        assert f", {expected}, level" in repr(got)
        np.testing.assert_allclose(got.image, unit * same.image + zero, rtol=2e-6)
    hurt = counts / 1.7
    hurt[:, :40], hurt[60:70] = 0, np.nan
    hurt[100:130] = np.random.default_rng(2).normal(0, 1e4, (30, 256))
    bad = np.zeros(counts.shape, bool)
    bad[100:130] = True
    assert evensky.estimate_background(hurt, bad, bin_size=32).estimator == expected
    rates = counts * np.random.default_rng(3).normal(1, 0.01, counts.shape)  # no steps after a flat field
    assert evensky.estimate_background(rates, bin_size=32).estimator == "mode"


def test_narrow_images_of_photons_have_the_mean() -> None:
    counts = np.random.default_rng(1).poisson(3, 6400).astype(np.float32)
    for shape in ((6400, 1), (2, 3200), (1600, 4), (80, 80)):
        got = evensky.estimate_background(counts.reshape(shape), bin_size=64)
        assert got.estimator == "mean"
        assert float(got.level) == pytest.approx(3, abs=0.1)
    got = evensky.estimate_background(np.where(np.arange(4096).reshape(64, 64) % 97 == 0, 1.0, np.nan), bin_size=32)
    assert got.estimator_reason == "too few different good pixels to look for steps"


@pytest.mark.parametrize("scatter", [4.0, 8.0, 15.0])
def test_rounding_to_whole_counts_does_little_harm(scatter: float) -> None:
    rng = np.random.default_rng(3)
    crowded = rng.normal(100.3, scatter, (512, 512)) + rng.exponential(8 * scatter, (512, 512)) * (
        rng.random((512, 512)) < 0.15
    )
    empty = rng.normal(100.3, scatter, (512, 512))
    for image, limit in ((crowded, 0.06), (empty, 0.01)):
        exact = evensky.estimate_background(image, bin_size=64)
        rounded = evensky.estimate_background(np.rint(image), bin_size=64)
        assert (exact.estimator, rounded.estimator) == ("mode", "grouped_mode")
        difference = rounded.image - exact.image
        assert abs(difference.mean()) < 0.5 * limit * scatter
        assert difference.std() < limit * scatter


def test_few_good_photons_have_the_mean() -> None:
    counts = np.random.default_rng(1).poisson(3, (512, 512)).astype(np.float32)
    sparse = np.random.default_rng(2).random(counts.shape) < 0.95
    assert evensky.estimate_background(counts, sparse, bin_size=64).estimator == "mean"


def test_bins_that_are_smoothed_are_told() -> None:
    noise = np.random.default_rng(1).normal(100, 10, (320, 320))
    got = evensky.estimate_background(noise, bin_size=32)
    plain = evensky.estimate_background(noise, bin_size=32, smooth_bins=False)
    np.testing.assert_array_equal(got.smoothed, got.stats.value != plain.stats.value)
    assert got.smoothed.sum() > 90
    assert not plain.smoothed.any()
    assert not evensky.estimate_background(noise, bin_size=32, statistic="mean").smoothed.any()


def test_the_estimator_is_told() -> None:
    for options, expected in (
        ({"estimator": "mmm"}, ("mmm", "given")),
        ({"estimator": "auto"}, ("mode", "pixels have no coarse steps")),
        ({"statistic": "MEANCLIP"}, ("meanclip", "given")),
        ({"statistic": "MEDIAN"}, ("median, not clipped", "given")),
        ({"mask_sources": True}, ("mean", "sources are masked")),
        ({"mask_sources": True, "estimator": "mode"}, ("mode", "given")),
    ):
        got = evensky.estimate_background(SKY, BAD, bin_size=32, **options)
        assert (got.estimator, got.estimator_reason) == expected


def noisy_bins(sky: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with bins of 8 px whose levels scatter, and the truth of each bin."""
    rng = np.random.default_rng(5)
    image = np.kron(sky + rng.normal(0, noise, sky.shape), np.ones((8, 8)))
    return image + rng.normal(0, 0.01, image.shape), sky


def test_errors_of_smoothed_bins_are_those_of_a_linear_filter() -> None:
    ratios, weights = [], []
    for seed in range(8):
        noise = np.random.default_rng(seed).normal(0, 1, (400, 400)).astype(np.float32)
        noise[96:112, 96:112] = 50  # a bin that is replaced
        noise[200:216, 32:48] = np.nan  # one that is filled
        plain, smooth = (
            evensky.estimate_background(noise, bin_size=16, estimator="mean", smooth_bins=on) for on in (False, True)
        )
        errors, before = smooth.stats.error, plain.stats.error
        np.testing.assert_array_equal(np.isnan(errors), np.isnan(before))
        np.testing.assert_array_equal(errors[~smooth.smoothed], before[~smooth.smoothed])
        moved = smooth.smoothed & np.isfinite(errors)
        assert np.all(errors[moved] < 0.7 * before[moved])
        ratios.append(np.mean((smooth.stats.value[moved] / errors[moved]) ** 2))
        weights.append(np.median(errors[moved] / before[moved]))
    assert np.mean(ratios) ** 0.5 == pytest.approx(1, abs=0.07)
    assert 0.3 < np.median(weights) < 0.5


@pytest.mark.parametrize("period", [2.0, 2.5, 3.0, 4.0, 6.0, 9.0])
def test_bins_are_smoothed_only_if_they_scatter_as_noise_does(period: float) -> None:
    y, x = np.mgrid[:20, :24].astype(float)
    slope, wave = 3 * x - 2 * y, np.cos(2 * np.pi * x / period)
    errors = {}
    for name, sky, noise in (("noise", slope, 1.0), ("wave", wave + slope, 0.05)):
        image, truth = noisy_bins(sky, noise)
        for smooth in (False, True):
            got = evensky.estimate_background(image, bin_size=8, filter_size=1, smooth_bins=smooth)
            errors[name, smooth] = np.std(got.stats.value - truth)
            assert np.isfinite(got.stats.error).all()
    assert errors["noise", True] < 0.5 * errors["noise", False]
    assert errors["wave", True] < max(1.05 * errors["wave", False], 0.12 * np.std(np.cos(2 * np.pi * x / period)))


@pytest.mark.parametrize("step", [{}, {"statistic": "meanclip"}, {"style": "bicubic_spline"}])
def test_the_rms_is_nowhere_negative(step: dict[str, Any]) -> None:
    image = np.zeros((250, 250), np.float32)
    image[:, 150:] = np.random.default_rng(1).normal(0, 50, (250, 100))
    options = {"bin_size": 50, "style": "natural"} | step
    got = evensky.estimate_background(image, **options).rms_image
    assert got.min() == 0 < 45 < got.max()


def test_gaps_are_filled_after_the_bins_about_them_are_replaced() -> None:
    image = np.random.default_rng(6).normal(100, 1, (160, 160)).astype(np.float32)
    image[64:96, 80:96] += 40
    image[64:96, 64:80] = np.nan
    got = evensky.estimate_background(image, bin_size=16)
    assert np.abs(got.stats.value - 100).max() < 0.5


def test_a_series_is_fitted_to_the_filtered_bins() -> None:
    slope = evensky.estimate_background(SKY, BAD, bin_size=20, order=1, estimator="median", filter_size=3)
    assert np.abs(np.diff(slope.image, 2, axis=1)).max() < 1e-3


def test_pixels_outside_the_coverage_have_their_value() -> None:
    outside = np.zeros(SKY.shape, bool)
    outside[:40] = True
    hurt = np.where(outside, np.float32(1e5), SKY)
    for options in ({}, {"estimator": "median"}):
        got = evensky.estimate_background(hurt, bin_size=32, coverage_mask=outside, fill_value=-1, **options)
        masked = evensky.estimate_background(hurt, outside, bin_size=32, **options)
        assert (got.image[outside] == -1).all()
        assert (got.rms_image[outside] == -1).all()
        np.testing.assert_array_equal(got.image[~outside], masked.image[~outside])
        np.testing.assert_array_equal(got.subtracted[outside], hurt[outside] + 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"estimator": "skew"}, "estimator is 'skew'; it must be one of 'auto', 'mean'"),
        ({"smooth_bins": "no"}, "smooth_bins is 'no'; it must be True or False"),
        (
            {"estimator": "median", "statistic": "median"},
            "estimator is 'median', which both tell what the level of a bin is",
        ),
        ({"statistic": "mean", "filter_size": 3}, "statistic is 'mean' and filter_size is given"),
        ({"filter_size": 2}, "filter_size is 2; it must be odd"),
        ({"filter_size": 0}, "filter_size is 0"),
        ({"filter_size": (3, 3, 3)}, r"filter_size is \(3, 3, 3\)"),
        ({"filter_threshold": 5.0}, "without a filter_size"),
        ({"filter_sigma": -1}, "filter_sigma is -1; it must be at least 0"),
        ({"filter_sigma": np.nan}, "filter_sigma is nan"),
        ({"filter_sigma": 5, "filter_size": 3, "filter_threshold": 1}, "give one of them"),
        ({"statistic": "meanclip", "filter_sigma": 5}, "statistic is 'meanclip' and filter_sigma is given"),
        ({"exclude_percentile": 101}, "exclude_percentile = 101"),
        ({"edge_method": "pad", "order": 1}, "use edge_method='spread'"),
        ({"sigma": (1, 2, 3)}, "with 3 values"),
        ({"rms_estimator": "mad_std"}, "'std', 'mad', 'biweight'"),
        ({"edge_method": "crop", "order": 1}, "edge_method is 'crop'; .* use edge_method='spread'"),
        ({"edge_method": "crop", "bin_size": 10**4}, "an image must hold a whole box"),
        ({"estimator": "histogram", "sigma": 2.5}, 'sigma is 2.5, but the estimator "histogram" clips by itself'),
        ({"style": "bicubic_spline", "edge_method": "spread"}, "needs bins of one size; use 'pad' or 'crop'"),
        ({"style": "bicubic_spline", "order": 2}, "order is 2 and style is 'bicubic_spline'"),
        ({"style": "bicubic_spline", "statistic": "mean"}, "statistic is 'mean', but style 'bicubic_spline'"),
    ],
)
def test_bad_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameterError, match=words):
        evensky.estimate_background(SKY, **({"bin_size": 32} | options))


def test_bins_that_are_not_spread_have_no_mirrored_background() -> None:
    for method in ("pad", "crop"):
        result = evensky.estimate_background(SKY, bin_size=32, edge_method=method)
        with pytest.raises(InvalidParameterError, match=f"edge_method is '{method}'"):
            _ = result.background


def test_the_bicubic_spline_interpolates_the_bins() -> None:
    width, height = 30, 20
    for method in (None, "pad", "crop"):
        result = evensky.estimate_background(
            SKY, BAD, bin_size=(height, width), style="bicubic_spline", edge_method=method, estimator="histogram"
        )
        mesh, rms = result.background_mesh, result.background_rms_mesh
        rounding = np.ceil if method != "crop" else np.floor
        assert mesh.shape == tuple(rounding(np.divide(SKY.shape, (height, width))))
        np.testing.assert_allclose(result.image, slow.spline(mesh, SKY.shape, width, height), rtol=1e-6)
        wanted = np.maximum(slow.spline(rms, SKY.shape, width, height), 0)
        np.testing.assert_allclose(result.rms_image, wanted, rtol=1e-6)
    assert "model, bicubic_spline" in result._repr_html_()


def test_a_dask_array_has_no_bicubic_spline() -> None:
    dask = pytest.importorskip("dask.array")
    with pytest.raises(InvalidParameterError, match="style is 'bicubic_spline', and the data are a dask array"):
        evensky.estimate_background(dask.from_array(SKY), bin_size=32, style="bicubic_spline")


def test_all_bins_excluded() -> None:
    with pytest.raises(EvenskyRuntimeError, match="All boxes are excluded"):
        evensky.estimate_background(
            SKY, np.arange(SKY.size).reshape(SKY.shape) % 2 == 0, bin_size=32, exclude_percentile=10
        )


def test_rounds_without_end_stop_where_nothing_is_left() -> None:
    # Every window about the mean is narrower than the two values that there are.
    pixels = np.tile(np.array([0.0, 1.0], np.float32), (64, 32))
    with pytest.warns(UserWarning, match="no bin has a pixel that counts"):
        result = evensky.estimate_background(pixels, bin_size=64, sigma=0.5, rounds=None, estimator="median")
    assert np.isnan(result.level)
