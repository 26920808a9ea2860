"""Results in the type of the data that went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData, InverseVariance, NDData, StdDevUncertainty, VarianceUncertainty
from astropy.utils.masked import Masked
from astropy.wcs import WCS

from evensky.image import ExposureF, ImageD, ImageF, Mask, MaskedImageF
from evensky.image.like import data_like, exposure_of, floating_like, replace_planes

PIXELS = np.arange(12, dtype=np.float32).reshape(3, 4)
BAD = PIXELS > 9


def test_types_of_models() -> None:
    for dtype in (np.float32, np.uint8, np.int16, np.float16, bool):
        assert floating_like(dtype) == np.float32
    for dtype in (np.float64, np.int32, np.int64):
        assert floating_like(dtype) == np.float64


def test_exposures_of_arrays() -> None:
    exposure = exposure_of(np.ma.MaskedArray(PIXELS, BAD), "mine")
    assert exposure.dataId == {"exposure": "mine"}
    assert not np.shares_memory(exposure.image.array, PIXELS)
    assert np.shares_memory(exposure_of(PIXELS, "mine", copy=False).image.array, PIXELS)
    # Pixels that a boolean mask rejects are rejected whichever planes are bad.
    for plane in ("BAD", "SAT", "NO_DATA"):
        np.testing.assert_array_equal(exposure.mask.array & exposure.mask.getPlaneBitMask(plane) != 0, BAD)
    assert not exposure.info.has_variance
    given = exposure_of(PIXELS * u.nJy, "mine")
    assert given.metadata["BUNIT"] == "nJy"


@pytest.mark.parametrize(("kind", "expected"), [(StdDevUncertainty, 3.0), (InverseVariance, 1 / 9)])
def test_variances_take_the_place_of_uncertainties(kind: type, expected: float) -> None:
    data = CCDData(PIXELS, unit="adu", mask=BAD, uncertainty=kind(np.ones((3, 4))), meta={"OBJECT": "M 13"})
    made = data_like(data, PIXELS + 1, variance=np.full((3, 4), 9, np.float32))
    assert type(made) is CCDData
    assert (made.unit, made.meta["OBJECT"]) == (u.adu, "M 13")
    assert type(made.uncertainty) is kind
    np.testing.assert_allclose(made.uncertainty.array, expected, rtol=1e-6)
    np.testing.assert_array_equal(made.mask, BAD)
    bare = data_like(data, PIXELS, bare=True)
    assert (bare.mask, bare.uncertainty) == (None, None)
    np.testing.assert_array_equal(data.uncertainty.array, 1)


def test_images_stay_where_they_are() -> None:
    masked = MaskedImageF(ImageF(PIXELS, xy0=(7, -3)), Mask(BAD.astype(np.int32), xy0=(7, -3)))
    made = data_like(masked, PIXELS + 1)
    assert type(made) is MaskedImageF
    assert np.shares_memory(made.mask.array, masked.mask.array)
    assert made.getBBox() == masked.getBBox()
    for given in (masked, ExposureF(masked), masked.image):
        model = data_like(given, PIXELS.astype(np.float64), bare=True)
        assert type(model) is ImageD
        assert model.getXY0() == masked.getXY0()
    assert data_like(PIXELS, BAD) is BAD


def test_an_exposure_keeps_its_unit() -> None:
    exposure = ExposureF(4, 3)
    exposure.metadata["BUNIT"] = "mJy"
    assert exposure_of(exposure, "a").metadata["BUNIT"] == "mJy"
    assert "BUNIT" not in exposure_of(ExposureF(4, 3), "a").metadata


class WithSeeing(CCDData):
    """Data of a subclass with an attribute of its own."""

    seeing = 0.0


def test_a_copy_of_nddata_keeps_everything_and_shares_nothing() -> None:
    data = WithSeeing(
        PIXELS.astype(np.int16),
        unit="adu",
        mask=BAD.copy(),
        meta={"A": {"b": [1]}},
        psf=np.ones((2, 2)),
        uncertainty=VarianceUncertainty(np.ones((3, 4), np.float32)),
    )
    data.seeing, data.flags = 1.5, BAD.astype(np.int32)
    made = data_like(data, PIXELS + 1)
    assert type(made) is WithSeeing
    assert made.seeing == 1.5
    assert made.data.dtype == np.float32
    assert made.uncertainty.parent_nddata is made
    for name in ("mask", "psf", "flags"):
        np.testing.assert_array_equal(getattr(made, name), getattr(data, name))
        assert not np.shares_memory(getattr(made, name), getattr(data, name))
    made.meta["A"]["b"].append(2)
    made.uncertainty.array[...] = 7
    assert data.meta["A"]["b"] == [1]
    np.testing.assert_array_equal(data.uncertainty.array, 1)
    np.testing.assert_array_equal(data.data, PIXELS)
    model = data_like(data, PIXELS, bare=True)
    assert (model.mask, model.uncertainty, model.psf, model.flags) == (None,) * 4


@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
@pytest.mark.parametrize("sigma", [5e-29, 5e20])
def test_uncertainties_keep_unit_and_sense_at_any_scale(kind: Any, sigma: float) -> None:
    power = {StdDevUncertainty: 1, VarianceUncertainty: 2, InverseVariance: -2}[kind]
    values = np.full((3, 4), (1e3 * sigma) ** power)
    values[0, 0] = 0  # no pixel, and it stays none
    data = NDData(PIXELS, unit="K", uncertainty=kind(values, unit=u.mK**power))
    made = data_like(data, PIXELS, variance=np.full((3, 4), 4 * sigma**2))
    assert type(made.uncertainty) is kind
    assert made.uncertainty.unit == u.mK**power
    assert made.uncertainty.array[0, 0] == 0
    np.testing.assert_allclose(made.uncertainty.array[1:], (2e3 * sigma) ** power, rtol=1e-12)
    narrow = NDData(PIXELS, uncertainty=StdDevUncertainty(np.ones((3, 4), np.float32)))
    assert data_like(narrow, PIXELS, variance=np.ones((3, 4))).uncertainty.array.dtype == np.float32
    assert data_like(narrow, PIXELS, variance=np.full((3, 4), 1e100)).uncertainty.array.dtype == np.float64


def test_arrays_come_back_in_their_type() -> None:
    hard = np.ma.MaskedArray(PIXELS.astype(int), BAD, hard_mask=True, fill_value=7)
    made = data_like(hard, PIXELS + 1)
    assert made.hardmask
    assert made.fill_value == 7
    assert made.dtype == np.float32
    np.testing.assert_array_equal(np.ma.getdata(made), PIXELS + 1)
    np.testing.assert_array_equal(np.ma.getmask(made), BAD)
    assert not np.shares_memory(np.ma.getmask(made), np.ma.getmask(hard))
    np.testing.assert_array_equal(hard.data, PIXELS)

    given = Masked(PIXELS * u.adu, mask=BAD)
    made = data_like(given, PIXELS + 1)
    assert type(made) is type(given)
    np.testing.assert_array_equal(made.mask, BAD)
    assert not np.shares_memory(made.mask, given.mask)
    np.testing.assert_array_equal(made.unmasked.value, PIXELS + 1)
    assert data_like(given, PIXELS, bare=True).unit == u.adu

    listed = data_like([np.ma.MaskedArray(row, bad) for row, bad in zip(PIXELS, BAD, strict=True)], PIXELS)
    np.testing.assert_array_equal(np.ma.getmask(listed), BAD)
    assert data_like(PIXELS[None, None], PIXELS).shape == (1, 1, 3, 4)
    cube = NDData(PIXELS[None], mask=BAD[None])
    assert data_like(cube, PIXELS).data.shape == data_like(cube, PIXELS).mask.shape == (1, 3, 4)


def test_unnamed_bits_reject_every_pixel_that_is_not_0() -> None:
    exposure = exposure_of(NDData(PIXELS, mask=BAD.astype(np.int32) * 16), "a")
    assert exposure.assumptions == ["the mask has no names of planes: every pixel that is not 0 is rejected"]
    np.testing.assert_array_equal(exposure.mask.array & exposure.info.reject != 0, BAD)


def test_planes_of_an_exposure_are_replaced() -> None:
    exposure = ExposureF(MaskedImageF(ImageF(PIXELS.copy())))
    exposure.mask.array[...] = 1
    replace_planes(exposure, mask=BAD, weights=np.where(PIXELS > 0, 0.25, 0))
    np.testing.assert_array_equal(exposure.mask.array & exposure.info.reject != 0, BAD | (PIXELS == 0))
    assert exposure.variance.array[0, 1] == 4
    assert exposure.info.has_variance


def test_the_wcs_can_be_reached() -> None:
    wcs = WCS(naxis=2)
    assert exposure_of(CCDData(PIXELS, unit="adu", wcs=wcs), "a").wcs.wcs.compare(wcs.wcs)


def test_an_exposure_s_header_is_copied() -> None:
    exposure = ExposureF(4, 3)
    exposure.metadata["OBJECT"] = "M 13"
    made = data_like(exposure, PIXELS)
    made.metadata["OBJECT"] = "M 31"
    assert exposure.metadata["OBJECT"] == "M 13"
