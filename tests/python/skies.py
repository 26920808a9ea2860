"""A sky with noise, a slope and masks, as an array and as CCDData."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.wcs import WCS

RNG = np.random.default_rng(11)
HEIGHT, WIDTH = 120, 160
SKY = (RNG.normal(100, 5, (HEIGHT, WIDTH)) + np.linspace(0, 30, WIDTH)).astype(np.float32)
BAD = RNG.random((HEIGHT, WIDTH)) < 0.1
BITS = np.where(BAD, 4, 0).astype(np.int32) | np.where(RNG.random((HEIGHT, WIDTH)) < 0.1, 1 << 20, 0).astype(np.int32)


def ccd(**changes: Any) -> CCDData:
    wcs = WCS(naxis=2)
    wcs.wcs.crpix = 10, 20
    given = {
        "unit": "adu",
        "mask": BAD,
        "uncertainty": StdDevUncertainty(np.full(SKY.shape, 5, np.float32)),
        "wcs": wcs,
        "meta": {"OBJECT": "M 13"},
        **changes,
    }
    return CCDData(SKY.copy(), **given)


def check_ccd(got: Any, data: CCDData, *, bare: bool = False) -> None:
    assert type(got) is type(data)
    assert (got.unit, got.meta["OBJECT"]) == (u.adu, "M 13")
    assert got.wcs.wcs.crpix.tolist() == [10, 20]
    assert got.meta is not data.meta
    if bare:
        assert got.mask is None
        assert got.uncertainty is None
    else:
        np.testing.assert_array_equal(got.mask, data.mask)
        assert type(got.uncertainty) is type(data.uncertainty)
        np.testing.assert_array_equal(got.uncertainty.array, data.uncertainty.array)
