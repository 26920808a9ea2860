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


def test_every_form_honours_an_approximation(image: afwImage.MaskedImageF) -> None:
    """LSST's SubtractBackgroundTask names styles, although the control has an approximation."""
    image.setXY0(Point2I(11, -7))
    y, x = np.mgrid[: image.getHeight(), : image.getWidth()]
    image.image.array[...] += 0.1 * x + 0.03 * y
    actrl = afwMath.ApproximateControl(CHEBYSHEV, 2, 2, False)
    background = afwMath.makeBackground(image, afwMath.BackgroundControl(6, 6, actrl=actrl))
    want = background.getApproximate(actrl).getImage()
    plain = afwMath.makeBackground(image, afwMath.BackgroundControl(6, 6)).getImageF()
    assert np.abs(want.array - plain.array).max() > 0.5
    box = Box2I(Point2I(15, 0), Extent2I(20, 9))
    styles: list[tuple[Any, ...]] = [
        (),
        ("LINEAR",),
        (afwMath.Interpolate.AKIMA_SPLINE, afwMath.REDUCE_INTERP_ORDER),
        ("NATURAL_SPLINE", "THROW_EXCEPTION"),
    ]
    for style in styles:
        for part in (None, box):
            got = background.getImageF(*(() if part is None else (part,)), *style)
            np.testing.assert_array_equal(got.array, want.array if part is None else want[box].array)
            double = background.getImageD(*(() if part is None else (part,)), *style)
            np.testing.assert_array_equal(double.array.astype(np.float32), got.array)
    named = background.getImageF(bbox=box, interpStyle="LINEAR", undersampleStyle="REDUCE_INTERP_ORDER")
    np.testing.assert_array_equal(named.array, want[box].array)
    assert background.getAsUsedInterpStyle() == afwMath.Interpolate.UNKNOWN
    # A control changes when what it returns does.
    background.getBackgroundControl().getApproximateControl().setStyle(afwMath.ApproximateControl.UNKNOWN)
    np.testing.assert_array_equal(background.getImageF("AKIMA_SPLINE").array, plain.array)


def test_an_undersample_style_alone() -> None:
    background = afwMath.makeBackground(PIXELS, afwMath.BackgroundControl(3, 3))
    with pytest.raises(errors.InvalidParameterError, match="AKIMA_SPLINE, which needs 5"):
        background.getImageF()
    got = background.getImageF(undersampleStyle="REDUCE_INTERP_ORDER")
    assert background.getAsUsedInterpStyle() == afwMath.Interpolate.CUBIC_SPLINE
    np.testing.assert_array_equal(got.array, background.getImageF("CUBIC_SPLINE").array)


def test_a_control_copies_what_it_is_given() -> None:
    sctrl, actrl = afwMath.StatisticsControl(), afwMath.ApproximateControl(CHEBYSHEV, 2)
    made = [
        afwMath.BackgroundControl(5, 5, sctrl, "MEAN", actrl),
        afwMath.BackgroundControl("LINEAR", 5, 5, "THROW_EXCEPTION", sctrl, "MEAN", actrl),
        afwMath.BackgroundControl(afwMath.Interpolate.LINEAR, sctrl=sctrl, actrl=actrl),
        afwMath.BackgroundControl(5, 5),
    ]
    made[3].setStatisticsControl(sctrl)
    made[3].setApproximateControl(actrl)
    sctrl.setNumIter(1)
    sctrl.setAndMask(6)
    actrl.setOrderX(4)
    for control in made:
        assert (control.getStatisticsControl().getNumIter(), control.getStatisticsControl().getAndMask()) == (3, 0)
        assert control.getApproximateControl().getOrderX() == 2
        # What it returns is its own.
        control.getStatisticsControl().setNumIter(7)
        control.getApproximateControl().setWeighting(False)
        assert control.getStatisticsControl().getNumIter() == 7
        assert not control.getApproximateControl().getWeighting()
    assert (sctrl.getNumIter(), actrl.getWeighting()) == (1, True)


def test_a_live_control_takes_effect(image: afwImage.MaskedImageF) -> None:
    image.image.array[::7, ::5] += 1000
    control = afwMath.BackgroundControl(4, 4)
    three = afwMath.makeBackground(image, control).getStatsImage().image.array
    control.getStatisticsControl().setNumIter(1)
    one = afwMath.makeBackground(image, control).getStatsImage().image.array
    sctrl = afwMath.StatisticsControl(3.0, 1)
    np.testing.assert_array_equal(
        one, afwMath.makeBackground(image, afwMath.BackgroundControl(4, 4, sctrl)).getStatsImage().image.array
    )
    assert (one != three).any()


def test_names_of_the_original(image: afwImage.MaskedImageF) -> None:
    control = afwMath.BackgroundControl(6, 6)
    want = afwMath.makeBackground(image, control)
    box, stats = want.getImageBBox(), want.getStatsImage()
    for got in (
        afwMath.makeBackground(img=image, bgCtrl=control),
        afwMath.BackgroundMI(img=image, bgCtrl=control),
        afwMath.BackgroundMI(image, bgCtrl=control),
        afwMath.BackgroundMI(imageDimensions=box, statsImage=stats),
    ):
        np.testing.assert_array_equal(got.getImageF().array, want.getImageF().array)
    surface = afwMath.makeApproximate(
        x=want.getBinCentersX(),
        y=want.getBinCentersY(),
        im=stats,
        bbox=box,
        ctrl=afwMath.ApproximateControl(CHEBYSHEV, 2),
    )
    assert surface.getBBox() == box
    for wrong in (
        {"img": image},
        {"bgCtrl": control},
        {"imageDimensions": box},
        {"img": image, "imageDimensions": box},
    ):
        with pytest.raises(TypeError, match="it takes imageDimensions and statsImage, or img and bgCtrl"):
            afwMath.BackgroundMI(**wrong)
    with pytest.raises(TypeError, match="'image'"):
        afwMath.BackgroundMI(image=image, bgCtrl=control)


@pytest.mark.parametrize("name", ["MEANCLIP", "STDEVCLIP", "MEAN", "MEDIAN", "IQRANGE", "STDEV", "NPOINT", "MAD"])
@pytest.mark.parametrize("size", [1, 3, 8, 16, 31, 32, 40])
def test_a_bin_has_the_statistics_of_its_pixels(name: str, size: int) -> None:
    """Bins of few pixels are computed side by side, but every bit is that of makeStatistics on the bin alone."""
    rng = np.random.default_rng(size)
    bins, shape = (5, 9), (5 * size, 9 * size)
    image = afwImage.MaskedImageF(afwImage.ImageF(rng.normal(100, 5, shape).astype(np.float32)))
    image.image.array[rng.random(shape) < 0.05] += 500
    image.image.array[rng.random(shape) < 0.02] = np.nan
    image.mask.array[rng.random(shape) < 0.1] = 1
    image.mask.array[:size, :size] = 1  # a bin without good pixels
    image.mask.array[-size:, -size:-1] = 1  # a bin with few
    control = afwMath.StatisticsControl(andMask=1)
    bctrl = afwMath.BackgroundControl("AKIMA_SPLINE", bins[1], bins[0], "REDUCE_INTERP_ORDER", control, name)
    grid = afwMath.makeBackground(image, bctrl).getStatsImage()
    flag = getattr(afwMath, name)
    expected = np.empty((2, *bins), np.float32)
    for j, i in np.ndindex(bins):
        box = Box2I(Point2I(i * size, j * size), Extent2I(size, size))
        expected[:, j, i] = afwMath.makeStatistics(image[box], flag | afwMath.ERRORS, control).getResult(flag)
    np.testing.assert_array_equal(grid.image.array, expected[0])
    np.testing.assert_array_equal(grid.variance.array, expected[1])
    assert np.isnan(expected[0, 0, 0]) or name == "NPOINT"
