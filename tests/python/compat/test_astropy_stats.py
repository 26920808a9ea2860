"""Clipped statistics by the names of astropy, beside astropy."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy import stats
from astropy.nddata import CCDData

from evensky.compat.astropy.stats import sigma_clipped_stats
from evensky.errors import InvalidParameterError, LengthError


def cube() -> np.ndarray:
    rng = np.random.default_rng(6)
    values = rng.normal(100, 5, (3, 40, 50))
    values[0, :4] += 1e3
    return values


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mask": cube() > 110},
        {"mask": (cube() > 112).astype(int), "axis": 2},
        {"mask_value": float(cube()[0, 0, 0])},
        {"sigma": 2, "maxiters": None, "cenfunc": "mean", "axis": (1, 2)},
        {"sigma_lower": 2, "sigma_upper": 4, "stdfunc": "mad_std", "std_ddof": 1, "axis": -1},
        {"mask": np.ma.nomask, "maxiters": 1},
        {"cenfunc": np.nanmean, "axis": 1},
        {"stdfunc": stats.mad_std},
        {"grow": 1.5},
    ],
)
@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")  # of values without any that counts
@pytest.mark.parametrize("kind", ["array", "masked", "quantity"])
def test_statistics_are_those_of_astropy(kind: str, options: dict[str, Any]) -> None:
    data: Any = {
        "array": lambda: cube(),
        "masked": lambda: np.ma.masked_less(cube(), 90),
        "quantity": lambda: cube() * u.Jy,
    }[kind]()
    if kind == "quantity" and {"mask", "mask_value", "grow"} & set(options):
        return  # which astropy cannot do
    for mine, other in zip(
        sigma_clipped_stats(data, **options), stats.sigma_clipped_stats(data, **options), strict=True
    ):
        assert getattr(mine, "unit", None) == getattr(other, "unit", None)
        np.testing.assert_allclose(
            np.ma.getdata(u.Quantity(mine).value), np.ma.getdata(u.Quantity(other).value), rtol=1e-12
        )


def test_the_mask_of_an_image_counts_and_its_unit_does_not() -> None:
    data = CCDData(cube(), unit="Jy", mask=cube() < 90)
    np.testing.assert_allclose(sigma_clipped_stats(data), stats.sigma_clipped_stats(data), rtol=1e-12)
    assert not hasattr(sigma_clipped_stats(data)[0], "unit")


def test_options_may_be_given_by_their_places() -> None:
    given = (cube() > 112, None, 2.5, 2.0, 3.0, 4, "mean", "std", 1, 1, False)
    for mine, other in zip(sigma_clipped_stats(cube(), *given), stats.sigma_clipped_stats(cube(), *given), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)


def test_sums_are_in_float64() -> None:
    """astropy sums float32 values in float32."""
    pixels = np.random.default_rng(1).normal(1e4, 1, (400, 400)).astype(np.float32)
    assert sigma_clipped_stats(pixels)[2] == pytest.approx(stats.sigma_clipped_stats(pixels.astype(float))[2], rel=1e-9)


def test_what_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="sigma is 0; it must be positive"):
        sigma_clipped_stats(cube(), sigma=0)
    with pytest.raises(InvalidParameterError, match="without pixels"):
        sigma_clipped_stats([])
    with pytest.raises(LengthError, match=r"mask has shape \(2,\) and the data have shape \(3, 40, 50\)"):
        sigma_clipped_stats(cube(), mask=[True, False])
    assert np.isnan(sigma_clipped_stats(cube(), mask=True)[0])
