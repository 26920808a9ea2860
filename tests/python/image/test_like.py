"""Results in the type of the data that went in."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty

from evensky.image import ExposureF, ImageD, ImageF, Mask, MaskedImageF
from evensky.image.like import data_like, exposure_of, floating_like

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
