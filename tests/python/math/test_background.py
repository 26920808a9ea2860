"""Backgrounds beyond the golden cases: controls, live grids, forms of calls, threads, pickles."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import evensky.errors as errors
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.geom import Box2I, Extent2I, Point2I

RNG = np.random.default_rng(20260505)
PIXELS = RNG.normal(100, 5, (60, 80)).astype(np.float32)
CHEBYSHEV = afwMath.ApproximateControl.CHEBYSHEV


def test_one_background_from_many_threads() -> None:
    background = afwMath.makeBackground(PIXELS, afwMath.BackgroundControl(8, 6))
    want = background.getImageF().array
    with ThreadPoolExecutor(8) as pool:
        for got in pool.map(lambda _: background.getImageF().array, range(32)):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    "control",
    [
        afwMath.StatisticsControl(2.5, 4, 7, False, True),
        afwMath.ApproximateControl(CHEBYSHEV, 3, 3, False),
        afwMath.BackgroundControl("LINEAR", 4, 5, "REDUCE_INTERP_ORDER", afwMath.StatisticsControl(2.0), "MEDIAN"),
    ],
)
def test_controls_are_pickled(control: Any) -> None:
    assert repr(pickle.loads(pickle.dumps(control))) == repr(control)
    assert repr(copy.copy(control)) == repr(control)


def test_background_control_forms() -> None:
    default = afwMath.BackgroundControl(10, 10)
    assert default.getInterpStyle() == afwMath.Interpolate.AKIMA_SPLINE
    assert default.getStatisticsProperty() == afwMath.MEANCLIP
    assert default.getUndersampleStyle() == afwMath.THROW_EXCEPTION
    control = afwMath.BackgroundControl(
        afwMath.Interpolate.NATURAL_SPLINE,
        7,
        8,
        afwMath.REDUCE_INTERP_ORDER,
        afwMath.StatisticsControl(),
        afwMath.MEDIAN,
    )
    assert (control.getNxSample(), control.getNySample()) == (7, 8)
    control.getStatisticsControl().setNumIter(1)
    assert control.getStatisticsControl().getNumIter() == 1
    control.setInterpStyle("LINEAR")
    control.setUndersampleStyle("THROW_EXCEPTION")
    assert control.getInterpStyle() == afwMath.Interpolate.LINEAR
    keywords = afwMath.BackgroundControl(nxSample=3, nySample=4, prop=afwMath.MEAN)
    assert keywords.getNySample() == 4
    with pytest.raises(errors.LengthError, match="nxSample = 0"):
        afwMath.BackgroundControl(0, 3)
    with pytest.raises(errors.NotFoundError, match=r"FOO.*AKIMA_SPLINE"):
        afwMath.BackgroundControl("FOO", 3, 3)
    with pytest.raises(errors.InvalidParameterError, match="2 != 3"):
        afwMath.ApproximateControl(CHEBYSHEV, 2, 3)


def test_stats_image_is_live(image: afwImage.MaskedImageF) -> None:
    background = afwMath.makeBackground(image, afwMath.BackgroundControl(5, 5))
    before = background.getImageF().array.copy()
    stats = background.getStatsImage()
    stats += 10
    np.testing.assert_allclose(background.getImageF().array, before + 10, rtol=1e-6)
    background -= 10
    np.testing.assert_allclose(background.getImageF().array, before, rtol=1e-6)
    rebuilt = afwMath.BackgroundMI(background.getImageBBox(), stats)
    np.testing.assert_array_equal(
        rebuilt.getImageF("AKIMA_SPLINE", "THROW_EXCEPTION").array, background.getImageF().array
    )
    again = pickle.loads(pickle.dumps(background))
    np.testing.assert_array_equal(again.getImageF().array, background.getImageF().array)
    del background
    assert np.isfinite(stats.image.array).all()  # the grid still exists


def test_forms_of_get_image(image: afwImage.MaskedImageF) -> None:
    image.setXY0(Point2I(1000, -200))
    background = afwMath.makeBackground(image, afwMath.BackgroundControl("AKIMA_SPLINE", 6, 6))
    whole = background.getImageF()
    assert whole.getXY0() == Point2I(1000, -200)
    box = Box2I(Point2I(1010, -190), Extent2I(20, 10))
    np.testing.assert_array_equal(background.getImageF(box).array, whole[box].array)
    linear = background.getImageF("LINEAR")
    assert background.getAsUsedInterpStyle() == afwMath.Interpolate.LINEAR
    np.testing.assert_array_equal(
        background.getImageF(afwMath.Interpolate.LINEAR, afwMath.THROW_EXCEPTION).array, linear.array
    )
    np.testing.assert_array_equal(background.getImageF(box, "LINEAR").array, linear[box].array)
    np.testing.assert_array_equal(background.getImageF(bbox=box, interpStyle="LINEAR").array, linear[box].array)
    np.testing.assert_allclose(background.getImageD().array, whole.array, rtol=1e-6)
    with pytest.raises(errors.LengthError, match=r"\(0:9,0:9\).*\(1000:1079,-200:-141\)"):
        background.getImageF(Box2I(Point2I(0, 0), Extent2I(10, 10)))
    with pytest.raises(errors.InvalidParameterError, match="foo"):
        background.getImageF(foo=1)


def test_a_control_with_an_approximation_uses_it(image: afwImage.MaskedImageF) -> None:
    actrl = afwMath.ApproximateControl(CHEBYSHEV, 2)
    control = afwMath.BackgroundControl(6, 6, actrl=actrl)
    background = afwMath.makeBackground(image, control)
    np.testing.assert_array_equal(background.getImageF().array, background.getApproximate(actrl).getImage().array)
