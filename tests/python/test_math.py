"""What the golden cases do not reach: forms of calls, liveness, errors, threads, pickles."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evensky
import evensky.errors as errors
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.geom import Box2I, Extent2I, Point2I

RNG = np.random.default_rng(20260505)
PIXELS = RNG.normal(100, 5, (60, 80)).astype(np.float32)
CHEBYSHEV = afwMath.ApproximateControl.CHEBYSHEV


@pytest.fixture
def image() -> afwImage.MaskedImageF:
    masked = afwImage.MaskedImageF(afwImage.ImageF(PIXELS, True))
    masked.mask.array[10:20, 30:40] = 1
    masked.image.array[10:20, 30:40] += 1000
    masked.variance.array[...] = 25
    return masked


def test_forms_of_make_statistics(image: afwImage.MaskedImageF) -> None:
    control = afwMath.StatisticsControl(andMask=1)
    want = afwMath.makeStatistics(image, afwMath.MEAN, control).getValue()
    array, mask = image.image.array, image.mask
    assert want == pytest.approx(array[mask.array == 0].mean(dtype=np.float64), rel=1e-12)
    assert afwMath.makeStatistics(image.image, mask, afwMath.MEAN, control).getValue() == want
    assert afwMath.makeStatistics(array, mask.array, afwMath.MEAN, control).getValue() == want
    assert afwMath.makeStatistics(array, mask=mask, flags="MEAN", sctrl=control).getValue(afwMath.MEAN) == want
    assert afwMath.makeStatistics(np.ma.MaskedArray(array, mask.array != 0), "MEAN").getValue() == want
    assert afwMath.makeStatistics(array, mask.array != 0, "MEAN").getValue() == want
    assert afwMath.makeStatistics(afwImage.ExposureF(image), afwMath.MEAN, control).getValue() == want
    weights = np.ones_like(array)
    assert afwMath.makeStatistics(image, afwImage.ImageF(weights), afwMath.MEAN, control).getValue() == want


def test_vectors_and_masks() -> None:
    assert afwMath.makeStatistics([1, 2, 3, 4], afwMath.MEDIAN).getValue() == 2.5
    assert afwMath.makeStatistics(np.array([1, 2, 9], np.float32), "MEAN").getValue() == 4
    assert afwMath.makeStatistics([1.0, 3.0], [3.0, 1.0], afwMath.MEAN).getValue() == 1.5
    vector = afwImage.MaskedVectorF([1, 2, 100], mask=[0, 0, 1])
    assert afwMath.makeStatistics(vector, afwMath.MAX, afwMath.StatisticsControl(andMask=1)).getValue() == 2
    weighted = afwMath.makeStatistics(vector, [3.0, 1.0, 5.0], afwMath.MEAN, afwMath.StatisticsControl(andMask=1))
    assert weighted.getValue() == 1.25
    mask = afwImage.Mask(np.array([[1, 4], [8, 0]], np.int32))
    result = afwMath.makeStatistics(mask, afwMath.SUM | afwMath.NPOINT)
    assert (result.getValue(afwMath.SUM), result.getValue(afwMath.NPOINT)) == (13, 4)
    with pytest.raises(errors.InvalidParameterError, match="NPOINT and SUM"):
        afwMath.makeStatistics(mask, afwMath.MEAN)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a.astype(">f4"),
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(np.repeat(a, 2, 0), 3, 1)[::2, ::3],
        lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
        lambda a: np.rec.fromarrays([np.zeros(a.shape, np.int8), a]).f1,
    ],
    ids=["plain", "big-endian", "fortran", "strided", "reversed", "record field"],
)
def test_any_layout_gives_the_same_bits(view: Any) -> None:
    flags = afwMath.MEAN | afwMath.MEDIAN | afwMath.VARIANCECLIP
    want, got = afwMath.makeStatistics(PIXELS, flags), afwMath.makeStatistics(view(PIXELS), flags)
    for one in (afwMath.MEAN, afwMath.MEDIAN, afwMath.VARIANCECLIP):
        assert got.getValue(one) == want.getValue(one)


def test_what_statistics_refuse(image: afwImage.MaskedImageF) -> None:
    result = afwMath.makeStatistics(PIXELS, afwMath.MEAN | afwMath.MEDIAN)
    with pytest.raises(errors.InvalidParameterError, match="never asked for STDEV"):
        result.getValue(afwMath.STDEV)
    with pytest.raises(errors.InvalidParameterError, match=r"MEAN \| MEDIAN"):
        result.getValue()
    assert np.isnan(result.getError(afwMath.MEAN))
    for call, match in (
        (lambda: afwMath.makeStatistics(np.zeros((0, 3), np.float32), afwMath.MEAN), "no pixels.*3 x 0"),
        (lambda: afwMath.makeStatistics(PIXELS, "FOO"), "FOO.*MEANCLIP"),
        (lambda: afwMath.makeStatistics(PIXELS, 1 << 20), "1048576"),
        (lambda: afwMath.makeStatistics(PIXELS), "flags is None"),
        (lambda: afwMath.makeStatistics(image, afwMath.MEAN, 3), "sctrl is a int"),
        (lambda: afwMath.makeStatistics(image, mask=image.mask, flags=afwMath.MEAN), "mask of its own"),
        (lambda: afwMath.StatisticsControl(numSigmaClip=0), "numSigmaClip = 0"),
        (lambda: afwMath.StatisticsControl(numIter=0), "numIter = 0"),
        (lambda: afwMath.StatisticsControl().setMaskPropagationThreshold(32, 0.1), "32"),
    ):
        with pytest.raises((ValueError, IndexError), match=match):
            call()
    with pytest.raises(errors.LengthError, match=r"79 x 60.*80 x 60"):
        afwMath.makeStatistics(PIXELS, np.zeros((60, 79), np.int32), afwMath.MEAN)


def test_mask_bits_are_32_bits_however_written() -> None:
    assert afwMath.StatisticsControl(andMask=0x80000001).getAndMask() == -0x7FFFFFFF
    control = afwMath.StatisticsControl()
    control.setAndMask(0xFFFFFFFF)
    assert control.getAndMask() == -1
    with pytest.raises(errors.InvalidParameterError, match="4294967296"):
        control.setAndMask(1 << 32)


def test_nothing_good() -> None:
    result = afwMath.makeStatistics(
        np.full((3, 3), np.nan, np.float32),
        afwMath.MEAN | afwMath.NPOINT | afwMath.SUM | afwMath.MIN | afwMath.MEANCLIP | afwMath.NMASKED,
    )
    assert [result.getValue(p) for p in (afwMath.NPOINT, afwMath.SUM, afwMath.NMASKED)] == [0, 0, 9]
    assert all(np.isnan(result.getValue(p)) for p in (afwMath.MEAN, afwMath.MIN, afwMath.MEANCLIP))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint16, np.uint64])
def test_large_images_agree_with_numpy(dtype: Any) -> None:
    # Larger than what is packed into memory: pixels are selected by counting.
    array = np.abs(RNG.normal(1000, 300, (700, 611))).astype(dtype)
    result = afwMath.makeStatistics(
        array, afwMath.MEAN | afwMath.MEDIAN | afwMath.IQRANGE | afwMath.MIN | afwMath.STDEV
    )
    wide = array.astype(np.float64)
    assert result.getValue(afwMath.MEAN) == pytest.approx(wide.mean(), rel=1e-12)
    assert result.getValue(afwMath.STDEV) == pytest.approx(wide.std(ddof=1), rel=1e-12)
    assert result.getValue(afwMath.MIN) == array.min()
    if np.dtype(dtype).kind == "f":
        assert result.getValue(afwMath.MEDIAN) == pytest.approx(np.median(wide), rel=1e-15)
        assert result.getValue(afwMath.IQRANGE) == pytest.approx(np.subtract(*np.percentile(wide, [75, 25])), rel=1e-12)
    else:
        value = np.sort(array.ravel())[int(0.5 * (array.size - 1))]
        tie_aware = value - 0.5 + (0.5 * array.size - (array < value).sum()) / (array == value).sum()
        assert result.getValue(afwMath.MEDIAN) == pytest.approx(float(tie_aware), rel=1e-15)


def test_threads_do_not_change_bits() -> None:
    array = RNG.normal(1000, 10, (900, 1100)).astype(np.float32)
    flags = afwMath.MEAN | afwMath.STDEVCLIP | afwMath.MEDIAN | afwMath.SUM
    one, two = (afwMath.makeStatistics(array, flags, num_threads=n) for n in (1, 2))
    for p in (afwMath.MEAN, afwMath.STDEVCLIP, afwMath.MEDIAN, afwMath.SUM):
        assert one.getValue(p) == two.getValue(p)
    control = afwMath.BackgroundControl(9, 7)
    serial, threaded = (afwMath.makeBackground(array, control, num_threads=n) for n in (1, 3))
    np.testing.assert_array_equal(serial.getImageF(num_threads=1).array, threaded.getImageF(num_threads=3).array)
    with pytest.raises(ValueError, match="num_threads = 0"):
        evensky.set_num_threads(0)
    with pytest.raises(ValueError, match="num_threads = -1"):
        afwMath.makeStatistics(array, flags, num_threads=-1)


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
    assert np.isfinite(stats.image.array).all()  # the grid lives on


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


def test_approximation_recovers_a_polynomial_and_its_error() -> None:
    y, x = np.mgrid[0:60, 0:80].astype(np.float64)
    truth = 50 + 0.2 * x - 0.1 * y + 0.002 * x * y
    residuals = []
    for seed in range(60):
        noisy = (truth + np.random.default_rng(seed).normal(0, 5, truth.shape)).astype(np.float32)
        background = afwMath.makeBackground(noisy, afwMath.BackgroundControl(8, 6, prop="MEAN"))
        model = background.getApproximate(afwMath.ApproximateControl(CHEBYSHEV, 2)).getMaskedImage()
        residuals.append((model.image.array - truth) / np.sqrt(model.variance.array))
    pulls = np.array(residuals)
    assert abs(pulls.mean()) < 0.2
    assert pulls.std() == pytest.approx(1.0, abs=0.12)
    assert model.getBBox() == background.getImageBBox()
    approximate = background.getApproximate(afwMath.ApproximateControl(CHEBYSHEV, 2))
    again = pickle.loads(pickle.dumps(approximate))
    np.testing.assert_array_equal(again.getImage().array, approximate.getImage().array)
    np.testing.assert_array_equal(again.covariance, approximate.covariance)
    assert approximate.coefficients.shape == (6,)
    np.testing.assert_allclose(approximate.getImageD().array, approximate.getImage().array, rtol=1e-6)
    with pytest.raises(errors.InvalidParameterError, match=r"3.*2"):
        background.getApproximate(afwMath.ApproximateControl(CHEBYSHEV, 2)).getImage(3, 3)


def test_make_approximate_by_itself() -> None:
    x, y = np.arange(5.0) * 10, np.arange(4.0) * 10
    grid = afwImage.MaskedImageF(5, 4)
    grid.image.array[...] = 3 + 0.1 * x[None, :]
    grid.variance.array[...] = 1
    box = Box2I(Point2I(0, 0), Extent2I(50, 40))
    model = afwMath.makeApproximate(x, y, grid, box, afwMath.ApproximateControl(CHEBYSHEV, 1))
    np.testing.assert_allclose(model.getImage().array[7], 3 + 0.1 * np.arange(50), rtol=1e-6)
    with pytest.raises(errors.InvalidParameterError, match=r"4 x and 4 y.*5 x 4"):
        afwMath.makeApproximate(x[:4], y, grid, box, afwMath.ApproximateControl(CHEBYSHEV, 1))
    grid.image.array[...] = np.nan
    with pytest.raises(RuntimeError, match="no data"):
        afwMath.makeApproximate(x, y, grid, box, afwMath.ApproximateControl(CHEBYSHEV, 1))


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


def test_background_list(image: afwImage.MaskedImageF, tmp_path: Path) -> None:
    image.setXY0(Point2I(5, 7))
    one = afwMath.makeBackground(image, afwMath.BackgroundControl("AKIMA_SPLINE", 6, 6))
    two = afwMath.makeBackground(image, afwMath.BackgroundControl(5, 5, actrl=afwMath.ApproximateControl(CHEBYSHEV, 2)))
    both = afwMath.BackgroundList(one, two)
    both.append((one, "LINEAR", "THROW_EXCEPTION", afwMath.ApproximateControl.UNKNOWN, 0, 0, True))
    want = one.getImageF().array + two.getImageF().array + one.getImageF("LINEAR").array
    np.testing.assert_allclose(both.getImage().array, want, rtol=1e-6)
    both.writeFits(tmp_path / "list.fits")
    again = afwMath.BackgroundList.readFits(tmp_path / "list.fits")
    assert len(again) == 3
    np.testing.assert_array_equal(again.getImage().array, both.getImage().array)
    assert again.getImage().getXY0() == Point2I(5, 7)
    with pytest.raises(errors.InvalidParameterError, match="empty"):
        afwMath.BackgroundList().getImage()
    with pytest.raises(errors.InvalidParameterError, match="int"):
        both.append(3)
    with pytest.raises(errors.FitsError, match="no such file"):
        afwMath.BackgroundList.readFits(tmp_path / "none.fits")
