"""Masks of sources, found together with the background."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from astropy.nddata import CCDData
from source_fields import make_field

import evensky
from evensky.calls.source_mask import source_options
from evensky.calls.source_options import SourceOptions
from evensky.errors import InvalidParameterError, TaskError

pytest.importorskip("photutils")

SHAPE = (512, 512)


@pytest.mark.parametrize(
    ("field", "bin_size", "without", "bias", "rms"),
    [("blank", 64, 0.0, 0.01, 0.03), ("sparse", 64, 0.04, 0.04, 0.07), ("crowded", 64, 0.2, 0.05, 0.08)],
)
def test_the_bias_of_the_sky(field: str, bin_size: int, without: float, bias: float, rms: float) -> None:
    image, sky = make_field(field, 1, SHAPE)
    options = {"bin_size": bin_size, "statistic": "meanclip"}
    plain = evensky.estimate_background(image, **options)
    masked = evensky.estimate_background(image, mask_sources=True, **options)
    assert (plain.image - sky).mean() >= without - 0.01
    assert abs((masked.image - sky).mean()) < bias
    assert (masked.image - sky).std() < rms
    assert masked.sources is not None
    assert masked.sources.converged
    assert plain.sources is None


def test_the_sky_beside_and_under_a_galaxy() -> None:
    image, sky = make_field("galaxy", 1, SHAPE)
    options = {"bin_size": 128, "statistic": "meanclip"}
    plain = evensky.estimate_background(image, **options).image - sky
    masked = evensky.estimate_background(image, mask_sources={"max_rounds": 30}, **options).image - sky
    assert plain.std() > 1
    assert masked.std() < 0.3 * plain.std()
    without_mask = evensky.estimate_background(image, bin_size=128).image - sky
    assert without_mask.std() < 0.3 * plain.std()  # bins of the galaxy stand out


def test_what_was_found() -> None:
    rng = np.random.default_rng(5)
    image = rng.normal(50, 2, (200, 300)).astype(np.float32)
    image[20:30, 40:50] += 40
    image[150:160, 200:220] += 40
    image[90, 90] = np.nan
    bad = np.zeros(image.shape, bool)
    bad[100:110, 100:110] = True
    image[100:110, 100:110] += 1000
    found = evensky.mask_sources(image, bad, threshold=4, dilation_radius=0, bin_size=50)
    expected = np.zeros(image.shape, bool)
    expected[20:30, 40:50] = expected[150:160, 200:220] = True
    np.testing.assert_array_equal(found.mask, expected)
    assert (found.number, found.converged, found.notes) == (2, True, ())
    assert found.fraction == 300 / (image.size - 101)
    assert repr(found) == f"SourceMask(2 sources on 0.5% of 300 x 200 px, {found.rounds} rounds)"
    wide = evensky.mask_sources(image, bad, threshold=4, dilation_radius=3, bin_size=50)
    assert wide.mask[17:33, 45].all()
    assert not wide.mask[16, 45]


def test_the_background_is_that_with_the_mask_given() -> None:
    image, _ = make_field("sparse", 2, SHAPE)
    bits = np.where(np.random.default_rng(1).random(SHAPE) < 0.05, 4, 0)
    options: dict[str, Any] = {"bin_size": 64, "statistic": "median"}
    found = evensky.mask_sources(image, bits, 4, **options)
    got = evensky.estimate_background(image, bits, 4, mask_sources=True, **options)
    expected = evensky.estimate_background(image, (bits != 0) | found.mask, **options)
    np.testing.assert_array_equal(got.image, expected.image)
    np.testing.assert_array_equal(got.rms_image, expected.rms_image)
    assert got.sources is not None
    np.testing.assert_array_equal(got.sources.mask, found.mask)
    beside = evensky.estimate_background(image, bits, 4, weights=~found.mask, **options)
    np.testing.assert_array_equal(beside.image, expected.image)
    for num_threads in (1, 3):
        again = evensky.estimate_background(image, bits, 4, mask_sources=True, num_threads=num_threads, **options)
        np.testing.assert_array_equal(again.image, got.image)


def test_the_background_beside_masked_sources_is_the_mean() -> None:
    image, _ = make_field("sparse", 2, (256, 256))
    got = evensky.estimate_background(image, bin_size=64, mask_sources=True)
    same = evensky.estimate_background(image, bin_size=64, mask_sources=True, estimator="mean")
    mode = evensky.estimate_background(image, bin_size=64, mask_sources=True, estimator="auto")
    np.testing.assert_array_equal(got.image, same.image)
    assert (got.estimator, mode.estimator) == ("mean", "mode")
    assert got.estimator_reason == "sources are masked"


def test_data_keep_their_own_mask() -> None:
    image, _ = make_field("sparse", 3, SHAPE)
    mask = np.zeros(SHAPE, bool)
    mask[:50, :50] = True
    data = CCDData(image, unit="adu", mask=mask)
    got = evensky.estimate_background(data, bin_size=64, mask_sources={"threshold": 3})
    np.testing.assert_array_equal(got.subtracted.mask, mask)
    found = evensky.mask_sources(image, mask, threshold=3, bin_size=64)
    assert got.sources is not None
    np.testing.assert_array_equal(got.sources.mask, found.mask)
    np.testing.assert_array_equal(data.mask, mask)


def test_a_mask_of_nearly_all_is_flagged() -> None:
    image = np.random.default_rng(2).normal(0, 1, (200, 200))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = evensky.mask_sources(image, bin_size=50, dilation_radius=1, threshold=0.2, n_pixels=1)
    assert found.fraction > 0.8
    says = f"sources cover {found.fraction:.1%} of the good pixels, so little is left"
    assert [str(one.message) for one in warned] == list(found.notes)
    assert found.notes[0].startswith(says)
    assert "use larger bins than the sources, a higher threshold (0.2)" in found.notes[0]
    with pytest.raises(TaskError, match=r"none of the 40000 good pixels.*larger bins"):
        evensky.mask_sources(image, bin_size=10, dilation_radius=40, threshold=0.2, n_pixels=1)


def test_a_mask_that_still_changes_is_flagged() -> None:
    image, _ = make_field("crowded", 1, SHAPE)
    with pytest.warns(UserWarning, match=r"still changed by .* in round 1, the last one: allow more rounds"):
        found = evensky.mask_sources(image, max_rounds=1)
    assert not found.converged
    assert repr(found).endswith("1 rounds, not converged)")


def test_no_pixel_to_begin_with() -> None:
    with pytest.raises(TaskError, match="no bin has the two good pixels"):
        evensky.mask_sources(np.full((40, 40), np.nan))


def test_an_image_without_noise() -> None:
    found = evensky.mask_sources(np.full((64, 64), 7.0))
    assert (found.number, found.mask.any()) == (0, False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0}, "threshold = 0; it must be positive"),
        ({"threshold": np.inf}, "threshold = inf"),
        ({"threshold": "x"}, "'x' is a str"),
        ({"n_pixels": 0}, "n_pixels = 0; it must be at least 1"),
        ({"n_pixels": 2.5}, "2.5 is a float"),
        ({"dilation_radius": -1}, "dilation_radius = -1; it must be at least 0"),
        ({"max_rounds": 0}, "max_rounds = 0; it must be at least 1"),
        ({"bin_size": 0}, "bin_size is 0"),
    ],
)
def test_bad_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameterError, match=words):
        evensky.mask_sources(np.zeros((20, 20)), **options)


def test_the_argument_of_estimate_background() -> None:
    assert source_options(False) is None
    assert source_options(np.bool_(False)) is None
    assert source_options(True) == SourceOptions()
    assert source_options({"threshold": 3}) == SourceOptions(threshold=3)
    for given, words in (
        ({"sigma": 3}, "'sigma' is no option; they are threshold, "),
        ("yes", "mask_sources is 'yes'"),
    ):
        with pytest.raises(InvalidParameterError, match=words):
            evensky.estimate_background(np.zeros((20, 20)), mask_sources=given)
    with pytest.raises(InvalidParameterError, match="weights that are 0"):
        evensky.estimate_background(np.zeros((20, 20)), mask_sources=np.zeros((20, 20), bool))
