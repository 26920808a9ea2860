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
    got = evensky.estimate_background(image, BAD, bin_size=16)
    same = evensky.estimate_background(image, BAD, bin_size=16, estimator="sextractor", filter_size=3, filter_sigma=5)
    np.testing.assert_array_equal(got.image, same.image)
    np.testing.assert_array_equal(got.rms_image, same.rms_image)
    plain = evensky.estimate_background(image, BAD, bin_size=16, estimator="sextractor", filter_size=1)
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
    options = {"bin_size": 20, "estimator": "mean", "edge_method": edge_method}
    got = evensky.estimate_background(hurt, **options)
    whole = evensky.estimate_background(noisy, **options)
    assert np.abs(got.stats.value - whole.stats.value).max() < 6  # of 50; a bin and the next differ by 2
    assert (got.stats.value != whole.stats.value).sum() <= 8
    none = evensky.estimate_background(hurt, filter_sigma=np.inf, **options)
    plain = evensky.estimate_background(hurt, filter_size=1, **options)
    np.testing.assert_array_equal(none.stats.value, plain.stats.value)


@pytest.mark.parametrize("scatter", [3.0, 60.0])
def test_whole_numbers_of_small_scatter_have_the_mean(scatter: float) -> None:
    pixels = np.rint(np.random.default_rng(1).normal(500, scatter, (128, 128)))
    expected = "mean" if scatter < 20 else "sextractor"
    for dtype in (np.uint16, np.float32):
        got = evensky.estimate_background(pixels.astype(dtype), bin_size=32)
        same = evensky.estimate_background(pixels.astype(dtype), bin_size=32, estimator=expected)
        np.testing.assert_array_equal(got.stats.value, same.stats.value)
    pixels[5, 5] = np.nan
    pixels[6, 6] += 0.5
    bad = np.zeros(pixels.shape, bool)
    bad[6, 6] = True
    got = evensky.estimate_background(pixels, bad, bin_size=32)
    same = evensky.estimate_background(pixels, bad, bin_size=32, estimator=expected)
    np.testing.assert_array_equal(got.stats.value, same.stats.value)
    got = evensky.estimate_background(pixels, bin_size=32)
    same = evensky.estimate_background(pixels, bin_size=32, estimator="sextractor")
    np.testing.assert_array_equal(got.stats.value, same.stats.value)


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
        ({"estimator": "mode"}, "estimator is 'mode'; it must be one of 'auto', 'mean'"),
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
    result = evensky.estimate_background(pixels, bin_size=64, sigma=0.5, rounds=None, estimator="median")
    assert np.isnan(result.level)
