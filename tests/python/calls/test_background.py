"""Backgrounds in one call: results of the same type as the data."""

from __future__ import annotations

import re
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData
from skies import BAD, BITS, SKY, WIDTH, ccd, check_ccd

import evensky
from evensky.errors import InvalidParameterError, LengthError, NotFoundError
from evensky.math import REDUCE_INTERP_ORDER, BackgroundControl, StatisticsControl, makeBackground


def test_background_is_that_of_the_mirrored_names() -> None:
    control = StatisticsControl(3, 3)
    control.setAndMask(1)
    bctrl = BackgroundControl("AKIMA_SPLINE", 5, 4, REDUCE_INTERP_ORDER, control, "MEDIAN")
    expected = makeBackground(np.ma.MaskedArray(SKY, BAD), bctrl).getImageF().array
    got = evensky.estimate_background(SKY, BAD, bin_size=32, statistic="median")
    np.testing.assert_array_equal(got.image, expected)
    assert got.image.dtype == np.float32
    np.testing.assert_array_equal(got.subtracted, SKY - expected)
    assert got.stats.value.shape == got.stats.x.shape == (4, 5)
    assert got.level == np.median(got.stats.value)
    assert abs(np.mean(got.rms_image) - 5) < 0.5


def test_background_options() -> None:
    tall = evensky.estimate_background(SKY, bin_size=(30, 80), style="linear", statistic="mean", sigma=2, rounds=1)
    assert tall.stats.value.shape == (4, 2)
    assert tall.background.getAsUsedInterpStyle().name == "UNKNOWN"  # nothing has been evaluated yet
    assert tall.image.shape == SKY.shape
    series = evensky.estimate_background(SKY.astype(np.float64), bin_size=20, order=2)
    assert series.image.dtype == np.float64
    assert np.abs(series.image - 100 - np.linspace(0, 30, WIDTH)).max() < 2
    for name in ("akima", "NATURAL_SPLINE", "cubic", "constant", evensky.math.Interpolate.Style.LINEAR):
        assert np.isfinite(evensky.estimate_background(SKY, bin_size=20, style=name).image).all()
    assert evensky.estimate_background(SKY.astype(np.uint16)).subtracted.dtype == np.float32
    assert evensky.estimate_background(SKY.astype(np.int64)).image.dtype == np.float64


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"bin_size": 0}, InvalidParameterError, "bin_size is 0"),
        ({"bin_size": 2.5}, InvalidParameterError, "2.5 is a float"),
        ({"bin_size": (3, 3, 3)}, InvalidParameterError, r"\(3, 3, 3\)"),
        ({"statistic": "mode"}, NotFoundError, "MODE"),
        ({"style": "cubist"}, NotFoundError, "CUBIST"),
        ({"style": 99}, InvalidParameterError, "99"),
        ({"sigma": 0}, InvalidParameterError, "sigma is 0; it must be greater than 0"),
        ({"sigma": 0, "statistic": "meanclip"}, InvalidParameterError, "numSigmaClip = 0"),
        ({"sigma": "x"}, InvalidParameterError, "'x'"),
        ({"rounds": -1}, InvalidParameterError, "rounds is -1"),
        ({"rounds": 0, "statistic": "meanclip"}, InvalidParameterError, "numIter = 0"),
        ({"order": -1}, InvalidParameterError, "-1"),
        ({"mask": BAD[:5]}, LengthError, "160 x 5"),
        ({"bad_planes": "STAR", "mask": BITS}, NotFoundError, "'STAR'"),
    ],
)
def test_bad_options(options: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        evensky.estimate_background(SKY, **options)


def test_ccd_data_come_back() -> None:
    class Mine(CCDData):
        pass

    data = ccd()
    background = evensky.estimate_background(data, bin_size=32)
    check_ccd(background.image, data, bare=True)
    check_ccd(background.rms_image, data, bare=True)
    check_ccd(background.subtracted, data)
    assert background.level.unit == u.adu
    mine = Mine(data)
    check_ccd(evensky.estimate_background(mine, bin_size=32).subtracted, mine)
    again = data.subtract(background.image)
    np.testing.assert_array_equal(again.data, background.subtracted.data)
    np.testing.assert_array_equal(data.data, SKY)


def test_pixels_without_variance_or_weight_do_not_count() -> None:
    hurt = np.where(BAD, np.float32(1e6), SKY)
    expected = evensky.estimate_background(hurt, BAD, bin_size=32)
    for given in (
        {"weights": ~BAD * 2.0},
        {"variance": np.where(BAD, np.nan, 3)},
        {"weights": np.ma.array(SKY, mask=BAD)},
    ):
        got = evensky.estimate_background(hurt, bin_size=32, **given)
        np.testing.assert_array_equal(got.image, expected.image)
        np.testing.assert_array_equal(got.rms_image, expected.rms_image)
    masked = evensky.estimate_background(hurt, np.where(BAD, 4, 0), "SAT", weights=~BAD * 2.0, bin_size=32)
    np.testing.assert_array_equal(masked.image, expected.image)
    with pytest.raises(InvalidParameterError, match="weights: no value is positive"):
        evensky.estimate_background(SKY, weights=SKY * 0)


def test_an_image_without_a_good_pixel_is_flagged() -> None:
    for options in ({}, {"statistic": "mean"}):
        with pytest.warns(UserWarning, match="no bin has a pixel that counts, so that the background is NaN"):
            estimate = evensky.estimate_background(np.full((32, 32), np.nan, np.float32), bin_size=16, **options)
        assert np.isnan(estimate.image).all()


def test_a_cube_of_one_image_comes_back_as_such() -> None:
    cube = CCDData(SKY[None], unit="adu", mask=BAD[None])
    background = evensky.estimate_background(cube, bin_size=32)
    assert background.subtracted.data.shape == background.subtracted.mask.shape == (1, *SKY.shape)
    np.testing.assert_array_equal(background.image.data[0], evensky.estimate_background(SKY, BAD, bin_size=32).image)


def test_a_level_is_shown_with_the_digits_that_its_error_leaves() -> None:
    for scale, words in ((1e-16, "e-14 adu)"), (1.0, " adu)"), (1e9, "e+11 adu)")):
        text = repr(evensky.estimate_background(CCDData(SKY * scale, unit="adu"), bin_size=32))
        assert text.endswith(words)
        assert re.search(r"level 1\d*\.\d", text)


def test_photutils_takes_the_result() -> None:
    photutils = pytest.importorskip("photutils.background")
    subtracted = evensky.estimate_background(ccd(), bin_size=32).subtracted
    theirs = photutils.Background2D(subtracted, 32)
    assert abs(getattr(theirs.background_median, "value", theirs.background_median)) < 1
