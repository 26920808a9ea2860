"""Array-likes of other packages, and the masks that ``np.asarray`` drops."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked

from evensky.errors import InvalidParameterError
from evensky.image.plain import plain_array

VALUES = np.arange(12.0).reshape(3, 4)
BAD = VALUES > 8


class Lazy:
    """An array that is computed when it is needed, as those of dask."""

    def __init__(self, array: Any) -> None:
        self.dask = {"a graph": array}
        self.array = array
        self.shape = np.shape(array)

    def compute(self) -> Any:
        return self.array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.array)  # without the mask


def labelled(array: Any) -> Any:
    """Return an object like a ``DataArray`` of xarray."""
    return SimpleNamespace(data=array, dims=("y", "x"), coords={}, attrs={"units": "adu"})


@pytest.mark.parametrize(
    ("given", "unit"),
    [
        (np.ma.MaskedArray(VALUES, BAD), ""),
        (np.ma.MaskedArray(VALUES * u.adu, BAD), "adu"),
        (Masked(VALUES, mask=BAD), ""),
        (Masked(VALUES * u.adu, mask=BAD), "adu"),
        (MaskedColumn(VALUES, mask=BAD, unit="adu"), "adu"),
        (Table({"a": np.ma.MaskedArray(VALUES, BAD)})["a"], ""),
        (QTable({"a": Masked(VALUES * u.adu, mask=BAD)})["a"], "adu"),
        ([np.ma.MaskedArray(row, bad) for row, bad in zip(VALUES, BAD, strict=True)], ""),
        ([*VALUES[:2], np.ma.MaskedArray(VALUES[2], BAD[2])], ""),
        (Lazy(np.ma.MaskedArray(VALUES, BAD)), ""),
        (labelled(Lazy(np.ma.MaskedArray(VALUES, BAD))), "adu"),
    ],
)
def test_masks_are_kept(given: Any, unit: str) -> None:
    plain = plain_array(given)
    assert type(plain.values) is np.ndarray
    np.testing.assert_array_equal(plain.values[~BAD], VALUES[~BAD])
    np.testing.assert_array_equal(plain.mask, BAD)
    assert plain.unit == unit


@pytest.mark.parametrize("given", [VALUES, VALUES.tolist(), VALUES * u.nJy, Lazy(VALUES), np.ma.MaskedArray(VALUES)])
def test_arrays_without_a_mask(given: Any) -> None:
    plain = plain_array(given)
    np.testing.assert_array_equal(plain.values, VALUES)
    assert plain.mask is None


def test_a_masked_number_in_a_list() -> None:
    plain = plain_array([1.0, np.ma.masked, 3.0])
    np.testing.assert_array_equal(plain.mask, [False, True, False])


def test_a_frame_has_nan_for_what_is_missing() -> None:
    class Frame:
        def isna(self) -> np.ndarray:
            return BAD

        def to_numpy(self, dtype: Any = None, na_value: Any = None) -> np.ndarray:
            return np.where(BAD, None, VALUES) if dtype is None else np.where(BAD, na_value, VALUES)

    np.testing.assert_array_equal(plain_array(Frame()).values, np.where(BAD, np.nan, VALUES))


def test_masks_of_unknown_kinds_are_refused() -> None:
    class Odd:
        mask = BAD

        def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
            return VALUES

    with pytest.raises(InvalidParameterError, match=r"Odd has a mask of a kind that is unknown; give a numpy\.ma"):
        plain_array(Odd())
    with pytest.raises(InvalidParameterError, match="quantities, whose units would be lost; make it one Quantity"):
        plain_array([VALUES[0] * u.adu, VALUES[1] * u.adu])


@pytest.mark.extras
def test_packages_that_may_be_missing() -> None:
    dask = pytest.importorskip("dask.array")
    xarray = pytest.importorskip("xarray")
    pandas = pytest.importorskip("pandas")
    lazy = dask.ma.masked_array(dask.from_array(VALUES), dask.from_array(BAD))
    np.testing.assert_array_equal(plain_array(lazy).mask, BAD)
    assert plain_array(xarray.DataArray(VALUES, attrs={"units": "adu"})).unit == "adu"
    frame = pandas.DataFrame(VALUES).astype("Float64").mask(pandas.DataFrame(BAD))
    np.testing.assert_array_equal(plain_array(frame).values, np.where(BAD, np.nan, VALUES))
