"""Interpolation beyond the golden cases: forms of calls, and comparison with the splines of scipy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import evensky.math as afwMath

RNG = np.random.default_rng(20260505)


def test_interpolation_forms() -> None:
    x, y = [0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 4.0, 9.0, 16.0]
    for style in ("AKIMA_SPLINE", afwMath.Interpolate.AKIMA_SPLINE, 5):
        interpolant = afwMath.makeInterpolate(x, y, style)
        assert isinstance(interpolant.interpolate(2.0), float)
        assert interpolant.interpolate(2.0) == 4.0
    assert interpolant.interpolate([1.0, 3.0]).tolist() == [1.0, 9.0]
    assert pickle.loads(pickle.dumps(interpolant)).interpolate(2.5) == interpolant.interpolate(2.5)
    assert np.isnan(interpolant.interpolate(np.nan))
    assert [afwMath.lookupMaxInterpStyle(n).name for n in (1, 2, 3, 4, 5, 50)] == [
        "CONSTANT",
        "LINEAR",
        "CUBIC_SPLINE",
        "CUBIC_SPLINE",
        "AKIMA_SPLINE",
        "AKIMA_SPLINE",
    ]
    assert afwMath.lookupMinInterpPoints("NATURAL_SPLINE") == 3
    assert afwMath.stringToInterpStyle("LINEAR") == afwMath.Interpolate.LINEAR
    for call, match in (
        (lambda: afwMath.makeInterpolate([0, 0, 1], [1, 2, 3], "LINEAR"), r"x\[1\] = 0"),
        (lambda: afwMath.makeInterpolate([0, 1], [1, 2, 3], "LINEAR"), "2 points but y has 3"),
        (lambda: afwMath.makeInterpolate([0, 1], [1, 2], "FOO"), "FOO"),
        (lambda: afwMath.makeInterpolate([0, 1], [1, 2], 17), "17"),
        (lambda: afwMath.lookupMaxInterpStyle(0), "0 points"),
    ):
        with pytest.raises((ValueError, IndexError), match=match):
            call()


@pytest.mark.parametrize("style", ["NATURAL_SPLINE", "CUBIC_SPLINE_PERIODIC", "AKIMA_SPLINE"])
def test_splines_agree_with_scipy(style: str) -> None:
    interpolate = pytest.importorskip("scipy.interpolate")
    x = np.cumsum(RNG.uniform(0.5, 2, 12))
    y = RNG.normal(0, 1, 12)
    if style == "CUBIC_SPLINE_PERIODIC":
        y[-1] = y[0]
    others = {
        "NATURAL_SPLINE": lambda: interpolate.CubicSpline(x, y, bc_type="natural"),
        "CUBIC_SPLINE_PERIODIC": lambda: interpolate.CubicSpline(x, y, bc_type="periodic"),
        "AKIMA_SPLINE": lambda: interpolate.Akima1DInterpolator(x, y),
    }
    xs = np.linspace(x[0], x[-1], 301)
    np.testing.assert_allclose(afwMath.makeInterpolate(x, y, style).interpolate(xs), others[style]()(xs), atol=1e-12)
