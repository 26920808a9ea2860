"""Every golden case of interpolation, through the public API."""

from __future__ import annotations

from typing import Any

import golden
import numpy as np
import pytest

import evensky.math as afwMath
from evensky.errors import OutOfRangeError

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize("case", golden.cases("interpolate"), ids=golden.ids("interpolate"))
def test_case(case: dict[str, Any]) -> None:
    planes = case["planes"]
    x, y, xs = planes["x"], planes["y"], planes["xs"]
    if "error" in case:
        with pytest.raises(OutOfRangeError, match=rf"{case['style']}.* {case['n']}$"):
            afwMath.makeInterpolate(x, y, case["style"])
        return
    interpolant = afwMath.makeInterpolate(x, y, case["style"])
    got, want = interpolant.interpolate(xs), planes["result"]
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    inside = (xs >= x[0]) & (xs <= x[-1])
    largest = np.abs(y).max()
    assert np.all(np.abs(got - want)[inside] <= 1e-12 * largest)
    outside = ~inside & ~np.isnan(want)
    assert np.all(np.abs(got - want)[outside] <= 1e-9 * np.maximum(largest, np.abs(want[outside])))
    # Single positions give the same values.
    assert np.array_equal([interpolant.interpolate(float(one)) for one in xs], got, equal_nan=True)
