"""Amplitude of a sky frame, and the frame that visits share."""

from __future__ import annotations

import numpy as np
import pytest

from evensky import errors
from evensky.errors import InvalidParameterError
from evensky.matching.sky_frame import common_frame, fit_amplitude, sample_boxes
from evensky.math import MEAN, MEANCLIP, StatisticsControl

PATTERN = np.sin(np.arange(400) / 9.0)


def test_amplitude_and_its_error() -> None:
    rng = np.random.default_rng(1)
    pulls = []
    for _ in range(80):
        samples = 2.5 * PATTERN + rng.normal(0, 0.3, 400)
        samples[::40] += 30
        samples[7] = np.nan
        fit = fit_amplitude(samples, PATTERN)
        assert fit.used + fit.rejected == 399
        assert fit.rejected >= 10
        assert fit.pedestal == 0
        pulls.append((fit.scale - 2.5) / fit.error)
    assert np.std(pulls) == pytest.approx(1, abs=0.25)
    assert np.mean(pulls) == pytest.approx(0, abs=0.4)


def test_a_pedestal_takes_what_is_constant() -> None:
    frame = PATTERN + 0.5
    samples = 2 * frame + 3
    assert fit_amplitude(samples, frame, pedestal=True).scale == pytest.approx(2)
    assert fit_amplitude(samples, frame, pedestal=True).pedestal == pytest.approx(3)
    assert fit_amplitude(samples, frame).scale > 3


def test_bad_samples() -> None:
    with pytest.raises(InvalidParameterError, match="3 samples of the images and 2"):
        fit_amplitude(np.ones(3), np.ones(2))
    with pytest.raises(errors.RuntimeError, match="0 usable samples"):
        fit_amplitude(np.full(3, np.nan), np.ones(3))


def test_boxes_cover_each_pixel_once() -> None:
    image, frame = np.random.default_rng(2).uniform(size=(2, 23, 31))
    good = np.ones(image.shape, bool)
    samples = sample_boxes(image, good, frame, (4, 3), MEAN, StatisticsControl())
    assert samples.values.shape == samples.frame.shape == (12,)
    assert samples.values[0] == pytest.approx(image[:7, :7].mean())
    assert samples.frame[11] == pytest.approx(frame[15:, 23:].mean())
    assert (samples.x[11], samples.y[11], samples.share[11]) == (26.5, 18.5, 1)
    # A box is left out only if none of its pixels is good, and both planes are measured on the same ones.
    good[:7, :7] = False
    good[15:, 24:] = False
    samples = sample_boxes(image, good, frame, (4, 3), MEAN, StatisticsControl())
    assert np.isnan([samples.values[0], samples.frame[0], samples.x[0]]).all()
    assert samples.share[0] == 0
    assert samples.frame[11] == pytest.approx(frame[15:, 23].mean())
    assert (samples.x[11], samples.share[11]) == (23, 1 / 8)


def test_an_image_smaller_than_its_samples() -> None:
    image = np.arange(6.0).reshape(2, 3)
    samples = sample_boxes(image, np.ones((2, 3), bool), None, (4, 4), MEANCLIP, StatisticsControl())
    assert samples.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert samples.frame.tolist() == [0] * 6


def test_visits_share_a_frame() -> None:
    rng = np.random.default_rng(3)
    amplitudes = np.array([1, 2, 0.5, 3, 1.5])
    unit = np.sqrt(np.mean(amplitudes**2))
    visits = [a * PATTERN + rng.normal(0, 0.05, 400) for a in amplitudes]
    visits[1][:50] = np.nan
    visits[0][100:] = np.nan
    # A ghost in the visit with most signal does not reach the frame.
    visits[3][60:70] += 20
    frame, factors = common_frame(visits)
    np.testing.assert_allclose(factors, amplitudes / unit, atol=0.01)
    assert np.mean(factors**2) == pytest.approx(1)
    error = frame - PATTERN * unit
    assert error.std() < 0.05
    assert np.abs(error[60:70]).max() < 0.1


def test_bins_that_the_brightest_visit_lacks_come_from_the_others() -> None:
    visits = [PATTERN.copy(), 3 * PATTERN, PATTERN.copy(), PATTERN.copy()]
    visits[1][:40] = np.nan
    visits[2][300:] = np.nan
    for visit in visits:
        visit[5] = np.nan
    frame, factors = common_frame(visits)
    unit = np.sqrt(3.0)
    np.testing.assert_allclose(factors, np.array([1, 3, 1, 1]) / unit)
    np.testing.assert_allclose(np.delete(frame, 5), unit * np.delete(PATTERN, 5), atol=1e-9)
    assert np.isnan(frame[5])


def test_signs_of_factors() -> None:
    _, factors = common_frame([PATTERN, -PATTERN, -2 * PATTERN])
    np.testing.assert_allclose(factors, np.array([-1, 1, 2]) / np.sqrt(2))


def test_visits_that_do_not_fit() -> None:
    with pytest.raises(InvalidParameterError, match=r"\[3, 4\]"):
        common_frame([np.ones(3), np.ones(4)])
    with pytest.raises(InvalidParameterError, match=r"\[\]"):
        common_frame([])
    with pytest.raises(errors.RuntimeError, match="0 usable samples"):
        common_frame([np.r_[np.ones(3), np.full(3, np.nan)], np.r_[np.full(3, np.nan), np.ones(3)]])
    with pytest.raises(errors.RuntimeError, match="All bins of the 2 visits are 0"):
        common_frame([np.zeros(3), np.array([0, np.nan, 0])])
