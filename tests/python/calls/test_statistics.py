"""Clipped statistics in one call, of anything image-like."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, VarianceUncertainty
from astropy.stats import sigma_clipped_stats
from astropy.table import MaskedColumn
from astropy.utils.masked import Masked
from skies import BAD, BITS, RNG, SKY, ccd

import evensky
from evensky.errors import FitsError, InvalidParameterError, LengthError, NotFoundError, OutOfRangeError
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.io import write_exposure
from evensky.math import MEANCLIP, STDEVCLIP, StatisticsControl, makeStatistics


def test_the_examples_in_docstrings() -> None:
    assert doctest.testmod(importlib.import_module("evensky.calls.statistics")).failed == 0


def test_image_statistics_are_those_of_the_mirrored_names() -> None:
    control = StatisticsControl(2.5, 4)
    control.setAndMask(1)
    expected = makeStatistics(SKY, Mask(BAD.astype(np.int32)), MEANCLIP | STDEVCLIP | evensky.math.ERRORS, control)
    got = evensky.image_statistics(SKY, BAD, sigma=2.5, rounds=4)
    mean, _, std = got
    assert (mean, got.mean_error) == expected.getResult(MEANCLIP)
    assert std == expected.getValue(STDEVCLIP)
    assert got.n_masked == BAD.sum()
    assert got.n_good + got.n_masked == SKY.size


def test_image_statistics_beside_astropy() -> None:
    data = np.concatenate([RNG.normal(10, 2, 5000), [1e4] * 20])
    mean, median, std = evensky.image_statistics(data, rounds=None)
    theirs = sigma_clipped_stats(data, sigma=3, maxiters=None, cenfunc="mean")
    np.testing.assert_allclose([mean, median, std], theirs, rtol=2e-3)


@pytest.mark.parametrize("shape", [(), (1,), (9,), (3, 4), (2, 3, 4), (2, 2, 2, 2)])
def test_values_of_any_shape(shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)
    mask = np.zeros(shape, bool)
    weights = np.ones(shape)
    stats = evensky.image_statistics(values, mask, weights=weights)
    assert stats.n_good == values.size
    assert stats.median == np.median(values)


def test_units_come_back() -> None:
    stats = evensky.image_statistics(SKY * u.nJy)
    assert stats.mean.unit == stats.mean_error.unit == stats.iqr.unit == u.nJy
    assert stats.mean.value == evensky.image_statistics(SKY).mean
    assert evensky.image_statistics(ccd()).std.unit == u.adu
    assert "adu" in repr(evensky.image_statistics(ccd()))


@pytest.mark.parametrize(
    ("bad_planes", "rejected"),
    [
        (None, BITS != 0),
        (4, BITS & 4 != 0),
        (1 << 20, BITS >> 20 != 0),
        (0, np.zeros_like(BAD)),
        ("INTRP", BITS & 4 != 0),
    ],
)
def test_bits_of_a_mask_without_names(bad_planes: Any, rejected: np.ndarray) -> None:
    assert evensky.image_statistics(SKY, BITS, bad_planes).n_masked == rejected.sum()


def test_bits_of_a_mask_with_names() -> None:
    mask = Mask(BITS, mask_planes={"DUST": 20, "SAT": 2, "FINE": 5})
    assert evensky.image_statistics(SKY, mask).n_masked == (BITS & 4 != 0).sum()
    assert evensky.image_statistics(SKY, mask, ["DUST"]).n_masked == (BITS >> 20 != 0).sum()
    assert evensky.image_statistics(SKY, mask, "DUST").n_masked == (BITS >> 20 != 0).sum()
    data = NDData(SKY, mask=BITS, meta={"MP_DUST": 20, "MP_SAT": 2})
    assert evensky.image_statistics(data).n_masked == (BITS & 4 != 0).sum()
    with pytest.raises(NotFoundError, match=r"'STAR'.*SAT, DUST"):
        evensky.image_statistics(data, bad_planes="STAR")


def test_nothing_good() -> None:
    stats = evensky.image_statistics(SKY, np.ones_like(BAD))
    assert (stats.n_good, stats.n_masked) == (0, SKY.size)
    assert np.isnan([*stats, stats.mean_error, stats.min]).all()


def test_two_masks_are_one_too_many() -> None:
    with pytest.raises(InvalidParameterError, match="CCDData has a mask of its own"):
        evensky.image_statistics(ccd(), BAD)


def test_names_of_files_will_do(tmp_path: Path) -> None:
    path = tmp_path / "sky.fits"
    image = MaskedImageF(ImageF(SKY.copy()))
    image.mask.array[:10] = image.mask.getPlaneBitMask("BAD")
    write_exposure(ExposureF(image), path)
    assert evensky.image_statistics(path) == evensky.image_statistics(image)
    assert evensky.image_statistics(str(path)).n_masked == 10 * 160
    estimate = evensky.estimate_background(path, bin_size=40)
    np.testing.assert_array_equal(estimate.image.array, evensky.estimate_background(image, bin_size=40).image.array)
    with pytest.raises(FitsError, match="no such file"):
        evensky.image_statistics(tmp_path / "nowhere.fits")


def test_masks_of_long_integers(tmp_path: Path) -> None:
    bits = np.where(BAD, 2, 0)
    assert bits.dtype == np.int64
    for mask in (bits, bits.astype(np.uint64), bits.astype(">i8"), np.where(BAD, -1, 0), np.where(BAD, 2**32 - 1, 0)):
        assert evensky.image_statistics(SKY, mask).n_masked == BAD.sum()
    for value in (2**32, -(2**31) - 1):
        with pytest.raises(OutOfRangeError, match=f"{value}.*Mask holds"):
            evensky.image_statistics(SKY, np.where(BAD, value, 0))


def test_pixels_without_a_variance_do_not_count() -> None:
    variance = np.where(BAD, 0, 4)
    assert evensky.image_statistics(SKY, variance=variance).n_masked == BAD.sum()
    assert evensky.image_statistics(NDData(SKY, uncertainty=VarianceUncertainty(variance))).n_masked == BAD.sum()
    assert evensky.image_statistics(MaskedImageF(ImageF(SKY))).n_masked == 0  # 0 is an unknown variance there
    bits = np.where(BITS & 4, 4, 0)
    odd = np.where(BITS >> 20 != 0, np.nan, 1.0)
    got = evensky.image_statistics(SKY, Mask(bits), "INTRP", variance=odd)
    assert got.n_masked == (BITS != 0).sum()
    with pytest.warns(UserWarning, match="uncertainty is ignored, as no value of it"):
        assert evensky.image_statistics(NDData(SKY, uncertainty=VarianceUncertainty(SKY * 0))).n_masked == 0


def test_weights_that_are_missing_count_as_0() -> None:
    expected = evensky.image_statistics(SKY, weights=np.where(BAD, 0.0, 2.0))
    for weights in (
        np.where(BAD, np.nan, 2.0),
        np.ma.MaskedArray(np.full(SKY.shape, 2.0), BAD),
        Masked(np.full(SKY.shape, 2.0), mask=BAD),
        np.where(BAD, 0, 2e-60),  # beyond float32
        np.where(BAD, 0, 2e60),
    ):
        got = evensky.image_statistics(SKY, weights=weights)
        assert got.mean == pytest.approx(expected.mean, rel=1e-6)
    for bad in (-1.0, np.inf):
        with pytest.raises(InvalidParameterError, match=rf"weights: {bad} is among them; weights are finite"):
            evensky.image_statistics(SKY, weights=np.where(BAD, bad, 1))
    with pytest.raises(LengthError):
        evensky.image_statistics(SKY, weights=np.ones((3, 3)))


def test_values_of_any_shape_keep_their_masks() -> None:
    cube = np.ma.MaskedArray(np.stack([SKY, SKY]), np.stack([BAD, BAD]))
    assert evensky.image_statistics(cube).n_masked == 2 * BAD.sum()
    data = NDData(cube, uncertainty=VarianceUncertainty(np.ones(cube.shape)))
    assert evensky.image_statistics(data).n_masked == 2 * BAD.sum()
    assert evensky.image_statistics(MaskedColumn(SKY[0], mask=BAD[0])).n_masked == BAD[0].sum()


@pytest.mark.parametrize("side", [5, 40, 600])
def test_a_window_of_infinite_width_rejects_nothing(side: int) -> None:
    image = np.full((side, side), 3.0, np.float32)  # its scatter is 0
    image[2, 3] = 4.0
    stats = evensky.image_statistics(image, sigma=np.inf)
    assert (stats.n_clipped, stats.n_good) == (0, side * side)
    assert stats.mean == pytest.approx(image.mean(dtype=float), rel=1e-12)
    background = evensky.estimate_background(
        image, bin_size=side, sigma=np.inf, style="constant", estimator="mean", filter_size=1
    )
    assert background.image[0, 0] == pytest.approx(image.mean(dtype=float), rel=1e-6)
