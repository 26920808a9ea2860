"""Backgrounds beside those of photutils and sep, where these are installed."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import evensky

ESTIMATORS = {
    "mean": "MeanBackground",
    "median": "MedianBackground",
    "sextractor": "SExtractorBackground",
    "mmm": "MMMBackground",
    "biweight": "BiweightLocationBackground",
}
RMS_ESTIMATORS = {"std": "StdBackgroundRMS", "mad": "MADStdBackgroundRMS", "biweight": "BiweightScaleBackgroundRMS"}


def field(shape: tuple[int, int] = (240, 300)) -> tuple[np.ndarray, np.ndarray]:
    """Return an image of a sky with stars, in float64, and a mask."""
    rng = np.random.default_rng(8)
    image = rng.normal(300, 9, shape) + np.linspace(0, 30, shape[1])
    image += np.where(rng.random(shape) < 0.06, rng.exponential(200, shape), 0)
    return image, rng.random(shape) < 0.03


def photutils_background(image: np.ndarray, mask: np.ndarray, estimator: str, rms: str, **options: Any) -> Any:
    photutils = pytest.importorskip("photutils.background")
    from astropy.stats import SigmaClip

    options = {"filter_size": 1, "exclude_percentile": 99.9} | options
    names = {"bkg_estimator": ESTIMATORS[estimator]}
    names["bkg_rms_estimator" if _has_new_names(photutils) else "bkgrms_estimator"] = RMS_ESTIMATORS[rms]
    made = {key: getattr(photutils, name)() for key, name in names.items()}
    return photutils.Background2D(image, 60, mask=mask, sigma_clip=SigmaClip(3, maxiters=10), **made, **options)


def _has_new_names(photutils: Any) -> bool:
    return "bkg_rms_estimator" in inspect.signature(photutils.Background2D).parameters


def ours(image: np.ndarray, mask: np.ndarray, **options: Any) -> evensky.calls.background.BackgroundEstimate:
    options = {"bin_size": 60, "centre": "median", "rounds": 10, "filter_size": 1} | options
    return evensky.estimate_background(image, mask, **options)


@pytest.mark.parametrize("rms", RMS_ESTIMATORS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimators_are_those_of_photutils(estimator: str, rms: str) -> None:
    image, mask = field()
    theirs = photutils_background(image, mask, estimator, rms)
    got = ours(image, mask, estimator=estimator, rms_estimator=rms)
    np.testing.assert_allclose(got.background_mesh, theirs.background_mesh, rtol=1e-6)
    np.testing.assert_allclose(got.background_rms_mesh, theirs.background_rms_mesh, rtol=1e-6)
    np.testing.assert_allclose(got.background_median, theirs.background_median, rtol=1e-6)
    np.testing.assert_allclose(got.background_rms_median, theirs.background_rms_median, rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"filter_size": 3}, {"filter_size": (3, 5), "filter_threshold": 320.0}])
def test_the_filter_is_that_of_photutils(options: dict[str, Any]) -> None:
    image, mask = field()
    image[60:120, 120:180] += 100
    theirs = photutils_background(image, mask, "sextractor", "std", **options)
    got = ours(image, mask, estimator="sextractor", **options)
    np.testing.assert_allclose(got.background_mesh, theirs.background_mesh, rtol=1e-6)
    if "filter_threshold" not in options:
        np.testing.assert_allclose(got.background_rms_mesh, theirs.background_rms_mesh, rtol=1e-6)


def test_excluded_boxes_are_those_of_photutils() -> None:
    image, mask = field((230, 290))
    mask[70:110, 60:120] = True
    theirs = photutils_background(image, mask, "median", "std", exclude_percentile=30)
    got = ours(image, mask, estimator="median", exclude_percentile=30, edge_method="pad")
    filled = np.isnan(got.stats.error)
    assert filled.sum() == 2  # the masked one, and that at the corner, which lacks 31 percent of its pixels
    np.testing.assert_allclose(got.background_mesh[~filled], theirs.background_mesh[~filled], rtol=1e-6)
    # Their ten nearest boxes are not all that are as near as the tenth.
    np.testing.assert_allclose(got.background_mesh[filled], theirs.background_mesh[filled], rtol=0.01)


def test_the_coverage_is_filled_as_by_photutils() -> None:
    image, mask = field()
    blank = np.zeros(image.shape, bool)
    blank[:, 240:] = True
    image[blank] = 1e6
    theirs = photutils_background(image, mask, "median", "std", coverage_mask=blank, fill_value=-7)
    got = ours(image, mask, estimator="median", coverage_mask=blank, fill_value=-7)
    for mine, other in ((got.image, theirs.background), (got.background_rms, theirs.background_rms)):
        assert (mine[blank] == -7).all()
        assert (other[blank] == -7).all()
        assert (mine[~blank] > 0).all()
    np.testing.assert_allclose(got.background_mesh[:, :4], theirs.background_mesh[:, :4], rtol=1e-6)


def test_a_crowded_field_is_as_for_sep() -> None:
    sep = pytest.importorskip("sep")
    rng = np.random.default_rng(3)
    image = rng.normal(100, 5, (512, 512)).astype(np.float32)
    y, x = np.mgrid[-7:8, -7:8]
    star = np.exp(-(x**2 + y**2) / (2 * 1.7**2))
    for cx, cy in rng.integers(8, 503, (2500, 2)):
        image[cy - 7 : cy + 8, cx - 7 : cx + 8] += rng.exponential(60) * star.astype(np.float32)
    theirs = sep.Background(image, bw=64, bh=64).back()
    mean = evensky.estimate_background(image, bin_size=64, statistic="meanclip").image
    for options in ({}, {"estimator": "sextractor", "filter_size": 3}):
        got = evensky.estimate_background(image, bin_size=64, **options).image
        bias = [abs(float(model.mean()) - 100) for model in (theirs, mean, got)]
        assert bias[2] < 1.3 * bias[0]
        assert bias[2] < 0.6 * bias[1]
